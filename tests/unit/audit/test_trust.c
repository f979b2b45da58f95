// SPDX-License-Identifier: Apache-2.0
/* Trust files, cosignatures, receipts, and what a witness answers. */
#include "log_fixture.h"

#include "trust.h"
#include "witness.h"

struct party {
    struct sign_key *key;
    struct merkle_key self;
    struct span vkey;
};

static struct party party_new(struct arena *a, const char *name, uint8_t type)
{
    struct party p = {.self = {.name = span_str(name), .type = type}};
    char path[300];
    static unsigned n;
    snprintf(path, sizeof path, "%s/key-%u", fx_data, n++);
    EXPECT_INT(sign_key_create_file(path, NULL), OK);
    EXPECT_INT(sign_key_read_file(path, &p.key, NULL), OK);
    sign_key_public(p.key, p.self.pk);
    p.vkey = merkle_key_text(a, &p.self);
    return p;
}

/* A head with a made-up root of that number. */
static struct span head(struct arena *a, const struct party *log, uint64_t size, int root)
{
    struct merkle_checkpoint c = {.origin = log->self.name, .size = size};
    uint8_t signature[SIGN_LEN];
    memset(c.root.b, root, sizeof c.root.b);
    sign_make(log->key, merkle_checkpoint_body(a, &c), signature);
    return merkle_checkpoint_note(a, &c, log->self.pk, signature);
}

static struct span cosigned(struct arena *a, struct span note, const struct party *w, int spoil)
{
    uint8_t signature[SIGN_LEN];
    sign_make(w->key, merkle_cosign_message(a, 7, merkle_note_body(note)), signature);
    signature[9] ^= (uint8_t)spoil;
    struct span line = merkle_cosign_line(a, &w->self, 7, signature);
    return arena_fmt(a, "%.*s%.*s", SPAN_F(note), SPAN_F(line));
}

TEST(keys_of_others)
{
    struct arena *a = arena_new(0);
    struct merkle_key k;
    fx_new(4096);
    struct party w = party_new(a, "w.example/1", MERKLE_KEY_WITNESS);
    EXPECT_INT(merkle_key_read(a, w.vkey, &k, NULL), OK);
    EXPECT(k.type == MERKLE_KEY_WITNESS && span_is(k.name, "w.example/1") && !memcmp(k.pk, w.self.pk, 32));
    for (size_t i = 0; i < w.vkey.len; i++) {
        struct span bad = arena_copy(a, w.vkey);
        ((uint8_t *)(uintptr_t)bad.p)[i] ^= 1;
        if (span_eq(bad, w.vkey))
            continue;
        EXPECT_INT(merkle_key_read(a, bad, &k, NULL), ERR_BAD_VALUE);
        EXPECT_INT(merkle_key_read(a, span_sub(w.vkey, 0, i), &k, NULL), ERR_BAD_VALUE);
    }
    sign_key_free(w.key);
    fx_end();
    arena_free(a);
}

TEST(quorums)
{
    struct arena *a = arena_new(0);
    struct trust *t;
    struct merkle_checkpoint c;
    struct span signers;
    uint64_t time_s = 0;
    fx_new(4096);
    struct party log = party_new(a, "log.example/a", MERKLE_KEY_LOG);
    struct party w[3] = {party_new(a, "w/1", 4), party_new(a, "w/2", 4), party_new(a, "w/3", 4)};
    struct span text =
        arena_fmt(a,
                  "# whom I believe\nlog %.*s https://log.example/\n\nwitness one %.*s\nwitness\ttwo %.*s "
                  "http://x/ # here\nwitness three %.*s\ngroup pair 2 one two three\ngroup all all pair "
                  "three\nquorum all\n",
                  SPAN_F(log.vkey), SPAN_F(w[0].vkey), SPAN_F(w[1].vkey), SPAN_F(w[2].vkey));
    EXPECT_INT(trust_read(a, text, &t, NULL), OK);
    EXPECT(t->n_logs == 1 && t->n_members == 5 && span_is(t->member[1].url, "http://x/"));
    struct span none = head(a, &log, 5, 1), one = cosigned(a, none, &w[0], 0),
                two = cosigned(a, one, &w[1], 0);
    struct span three = cosigned(a, one, &w[2], 0), forged = cosigned(a, one, &w[2], 1);
    EXPECT_INT(trust_check(a, t, none, &c, &signers, NULL), ERR_INTEGRITY);
    EXPECT_INT(trust_check(a, t, one, &c, &signers, NULL), ERR_INTEGRITY);
    EXPECT_INT(trust_check(a, t, two, &c, &signers, NULL), ERR_INTEGRITY); /* three is missing */
    EXPECT_INT(trust_check(a, t, forged, &c, &signers, NULL), ERR_INTEGRITY);
    EXPECT_INT(trust_check(a, t, three, &c, &signers, NULL), OK);
    EXPECT(span_is(signers, "one,three") && c.size == 5);
    EXPECT_INT(merkle_cosigned(a, three, &w[2].self, &time_s, NULL), OK);
    EXPECT_INT(time_s, 7);
    EXPECT_INT(merkle_cosigned(a, one, &w[2].self, &time_s, NULL), ERR_NOT_FOUND);
    EXPECT_INT(merkle_cosigned(a, forged, &w[2].self, &time_s, NULL), ERR_INTEGRITY);
    struct party other = party_new(a, "log.example/a", MERKLE_KEY_LOG);
    EXPECT_INT(trust_check(a, t, cosigned(a, cosigned(a, head(a, &other, 5, 1), &w[0], 0), &w[2], 0), &c,
                           &signers, NULL),
               ERR_INTEGRITY);
    for (size_t i = 0; i < 3; i++)
        sign_key_free(w[i].key);
    sign_key_free(log.key);
    sign_key_free(other.key);
    fx_end();
    arena_free(a);
}

/* %1: the log's key, %2: a witness's. */
static const char *const bad_files[] = {
    "",
    "quorum none\n",
    "log %1\n",
    "log %2\nquorum none\n",
    "log %1\nwitness one %1\nquorum none\n",
    "log %1\nwitness one\nquorum none\n",
    "log %1\nwitness none %2\nquorum none\n",
    "log %1\nwitness one %2\nwitness one %2\nquorum one\n",
    "log %1\nwitness one %2\ngroup g 2 one\nquorum g\n",
    "log %1\nwitness one %2\ngroup g 0 one\nquorum g\n",
    "log %1\nwitness one %2\ngroup g any one one\nquorum g\n",
    "log %1\nwitness one %2\ngroup g any two\nquorum g\n",
    "log %1\ngroup g any g\nquorum g\n",
    "log %1\nquorum two\n",
    "log %1\nquorum none\nquorum none\n",
    "log %1\npeer x\nquorum none\n",
};

TEST(bad_trust_files_name_the_line)
{
    struct arena *a = arena_new(0);
    fx_new(4096);
    struct party log = party_new(a, "log.example/a", MERKLE_KEY_LOG), w = party_new(a, "w/1", 4);
    for (size_t i = 0; i < sizeof bad_files / sizeof bad_files[0]; i++) {
        struct text t = text_new(a, 1024);
        struct trust *out;
        struct fail f = {0};
        for (const char *p = bad_files[i]; *p; p++) {
            if (*p == '%')
                text_put(&t, *++p == '1' ? log.vkey : w.vkey);
            else
                text_char(&t, *p);
        }
        EXPECT_INT(trust_read(a, text_span(&t), &out, &f), ERR_BAD_VALUE);
        EXPECT(strstr(f.detail, "trust file, line ") != NULL);
    }
    sign_key_free(log.key);
    sign_key_free(w.key);
    fx_end();
    arena_free(a);
}

/* ---- Receipts */

TEST(a_receipt_opens_its_entry)
{
    struct arena *a = arena_new(0);
    uint8_t opening[40];
    uint64_t index = 0;
    struct span receipt;
    struct audit_receipt r;
    fx_new(64 << 10);
    struct audit *au = fx_open();
    fx_fill(au, 0, 300);
    struct audit_entry e = {.leaf = {.kind = AUDIT_CONSENT, .time = fx_now}};
    for (size_t i = 0; i < sizeof opening; i++)
        opening[i] = (uint8_t)i;
    crypto_hmac(span_of(opening, 32), span_of(opening + 32, 8), e.leaf.commit);
    EXPECT_INT(audit_append(au, &e, &index, NULL), OK);
    EXPECT_INT(audit_seal(au, NULL), OK);
    struct span open = span_of(opening, sizeof opening);
    EXPECT_INT(audit_receipt(au, index, open, a, &receipt, NULL), ERR_BUSY);
    fx_publish(au);
    EXPECT_INT(audit_receipt(au, index, span_of(opening, 31), a, &receipt, NULL), ERR_BAD_VALUE);
    EXPECT_INT(audit_receipt(au, index - 1, open, a, &receipt, NULL), ERR_INTEGRITY);
    EXPECT_INT(audit_receipt(au, index, open, a, &receipt, NULL), OK);
    EXPECT_INT(audit_receipt_check(a, receipt, au->pk, &r, NULL), OK);
    EXPECT(r.opened && r.index == index && r.leaf.kind == AUDIT_CONSENT && r.head.size == 301);
    EXPECT(span_eq(r.detail, span_of(opening + 32, 8)));
    for (size_t i = 0; i < receipt.len; i++) {
        struct span bad = arena_copy(a, receipt);
        ((uint8_t *)(uintptr_t)bad.p)[i] ^= 1;
        EXPECT(audit_receipt_check(a, bad, au->pk, &r, NULL) != OK);
        EXPECT(audit_receipt_check(a, span_sub(receipt, 0, i), au->pk, &r, NULL) != OK);
    }
    audit_close(au);
    fx_end();
    arena_free(a);
}

/* ---- A witness */

static int ask(struct witness *w, struct arena *a, uint64_t old, struct span note)
{
    struct witness_answer answer;
    struct span body = arena_fmt(a, "old %llu\n\n%.*s", (unsigned long long)old, SPAN_F(note));
    witness_add(w, body, 1, a, &answer);
    return answer.status;
}

TEST(a_witness_forgets_nothing)
{
    struct arena *a = arena_new(0);
    struct witness *w, *second;
    char dir[300];
    fx_new(4096);
    struct party log = party_new(a, "log.example/a", MERKLE_KEY_LOG);
    snprintf(dir, sizeof dir, "%s/w", fx_data);
    EXPECT_INT(witness_create(dir, "a b", NULL), ERR_BAD_VALUE);
    EXPECT_INT(witness_create(dir, "w.example/1", NULL), OK);
    EXPECT_INT(witness_create(dir, "w.example/1", NULL), ERR_CONFLICT);
    EXPECT_INT(witness_open(dir, &log.vkey, 1, &w, NULL), OK);
    EXPECT_INT(witness_open(dir, &log.vkey, 1, &second, NULL), ERR_CONFLICT);
    EXPECT_INT(ask(w, a, 0, head(a, &log, 5, 1)), 200);
    EXPECT_INT(ask(w, a, 5, head(a, &log, 5, 1)), 200);
    EXPECT_INT(ask(w, a, 5, head(a, &log, 5, 2)), 409); /* a fork */
    EXPECT_INT(ask(w, a, 5, head(a, &log, 4, 1)), 400);
    EXPECT_INT(ask(w, a, 4, head(a, &log, 4, 1)), 409); /* cut */
    EXPECT_INT(ask(w, a, 5, head(a, &log, 9, 2)), 422); /* nothing proves it */
    witness_close(w);
    EXPECT_INT(witness_open(dir, &log.vkey, 1, &w, NULL), OK);
    EXPECT_INT(ask(w, a, 0, head(a, &log, 3, 3)), 409); /* it remembers across a restart */
    EXPECT_INT(ask(w, a, 5, head(a, &log, 5, 1)), 200);
    /* What it cannot remember it does not sign. */
    fx_run("chmod 700 %s/w && rm %s/w/log-* && mkdir %s/x", fx_data);
    EXPECT_INT(ask(w, a, 0, head(a, &log, 6, 1)), 200);
    fx_run("f=$(ls %s/w/log-*) && rm $f && mkdir $f", fx_data);
    EXPECT_INT(ask(w, a, 6, head(a, &log, 6, 1)), 500);
    witness_close(w);
    sign_key_free(log.key);
    fx_end();
    arena_free(a);
}

UNIT_MAIN(CASE(keys_of_others), CASE(quorums), CASE(bad_trust_files_name_the_line),
          CASE(a_receipt_opens_its_entry), CASE(a_witness_forgets_nothing))
