// SPDX-License-Identifier: Apache-2.0
/* note.c: checkpoints as signed notes, receipts. See merkle.h; c2sp.org/signed-note, tlog-checkpoint,
 * tlog-proof. */
#include "merkle_impl.h"

#include "crypto.h"

#define PROOF_TITLE "c2sp.org/tlog-proof@v1"

enum {
    NOTE_MAX = 64 << 10, /* three lines and a few hundred witnesses */
    NOTE_SIGNATURES_MAX = 100
};

static void put_line(struct text *t, struct span s)
{
    text_put(t, s);
    text_char(t, '\n');
}

void key_hash(struct span name, uint8_t type, const uint8_t pk[32], uint8_t out[KEY_HASH_LEN])
{
    struct digest d;
    uint8_t tail[2] = {'\n', type};
    crypto_sha256_v((struct span[]){name, span_of(tail, 2), span_of(pk, 32)}, 3, &d);
    memcpy(out, d.b, KEY_HASH_LEN);
}

struct span merkle_checkpoint_body(struct arena *a, const struct merkle_checkpoint *c)
{
    struct text t = text_new(a, c->origin.len + 80);
    put_line(&t, c->origin);
    text_fmt(&t, "%llu\n", (unsigned long long)c->size);
    put_line(&t, base64_put(a, span_of(c->root.b, sizeof c->root.b)));
    return text_span(&t);
}

struct span merkle_checkpoint_note(struct arena *a, const struct merkle_checkpoint *c, const uint8_t pk[32],
                                   const uint8_t signature[64])
{
    uint8_t blob[KEY_HASH_LEN + 64];
    key_hash(c->origin, MERKLE_KEY_LOG, pk, blob);
    memcpy(blob + KEY_HASH_LEN, signature, 64);
    struct text t = text_new(a, 2 * c->origin.len + 256);
    put_line(&t, merkle_checkpoint_body(a, c));
    text_str(&t, SIGNATURE_START);
    text_put(&t, c->origin);
    text_char(&t, ' ');
    put_line(&t, base64_put(a, span_of(blob, sizeof blob)));
    return text_span(&t);
}

struct span merkle_verifier_key(struct arena *a, struct span origin, const uint8_t pk[32])
{
    struct merkle_key k = {.name = origin, .type = MERKLE_KEY_LOG};
    memcpy(k.pk, pk, sizeof k.pk);
    return merkle_key_text(a, &k);
}

/* ---- Reading */

static enum err bad(struct fail *f, const char *what)
{
    return fail_set(f, ERR_BAD_VALUE, "not a checkpoint: %s", what);
}

/* Key names: no blanks, no plus (signed-note). Controls are refused in the whole note. */
bool is_name(struct span s)
{
    return s.len > 0 && span_find(s, ' ', 0) == s.len && span_find(s, '+', 0) == s.len;
}

static bool is_plain_text(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((s.p[i] < 0x20 && s.p[i] != '\n') || s.p[i] == 0x7f)
            return false;
    }
    return span_utf8(s);
}

bool get_hash(struct arena *a, struct span line, struct digest *out)
{
    struct span bin;
    if (line.len != 44 || !base64_get(a, line, &bin) || bin.len != sizeof out->b)
        return false;
    memcpy(out->b, bin.p, sizeof out->b);
    return true;
}

bool get_number(struct span s, uint64_t *out)
{
    return s.len > 0 && (s.len == 1 || s.p[0] != '0') && span_u64(s, INT64_MAX, out);
}

bool take_line(struct span *rest, struct span *line)
{
    size_t end = span_find(*rest, '\n', 0);
    if (end == rest->len)
        return false;
    *line = span_sub(*rest, 0, end);
    *rest = span_sub(*rest, end + 1, rest->len);
    return true;
}

static enum err read_body(struct arena *a, struct span *rest, struct merkle_checkpoint *c, struct fail *f)
{
    struct span size, root, blank;
    if (!take_line(rest, &c->origin) || !is_name(c->origin))
        return bad(f, "the first line is not an origin");
    if (!take_line(rest, &size) || !get_number(size, &c->size))
        return bad(f, "the second line is not a size");
    if (!take_line(rest, &root) || !get_hash(a, root, &c->root))
        return bad(f, "the third line is not a root hash");
    /* Extension lines cannot be audited and are not ours: refused, not skipped. */
    if (!take_line(rest, &blank) || blank.len != 0)
        return bad(f, "the fourth line is not empty");
    return OK;
}

bool read_signature(struct arena *a, struct span line, struct signature *s)
{
    if (!span_starts(line, SIGNATURE_START))
        return false;
    line = span_sub(line, strlen(SIGNATURE_START), line.len);
    return span_cut(&line, ' ', &s->name) && is_name(s->name) && base64_get(a, line, &s->blob) &&
           s->blob.len > KEY_HASH_LEN;
}

/* Which of our key's signatures a line is: not ours, ours and good, ours and bad. */
enum verdict { OTHER_KEY, GOOD, FORGED };

static enum verdict judge(const struct signature *s, struct span name, struct span body, const uint8_t *pk)
{
    uint8_t hash[KEY_HASH_LEN];
    key_hash(name, MERKLE_KEY_LOG, pk, hash);
    if (!span_eq(s->name, name) || memcmp(s->blob.p, hash, KEY_HASH_LEN) != 0)
        return OTHER_KEY;
    return sign_check(pk, body, span_sub(s->blob, KEY_HASH_LEN, s->blob.len)) ? GOOD : FORGED;
}

static enum err read_signatures(struct arena *a, struct span rest, struct span name, struct span body,
                                const uint8_t *pk, struct fail *f)
{
    struct span line;
    struct signature s;
    unsigned n = 0, good = 0;
    for (; rest.len > 0; n++) {
        if (n == NOTE_SIGNATURES_MAX || !take_line(&rest, &line) || !read_signature(a, line, &s))
            return bad(f, "a signature line is malformed");
        enum verdict v = pk ? judge(&s, name, body, pk) : OTHER_KEY;
        if (v == FORGED)
            return fail_set(f, ERR_INTEGRITY, "the signature does not fit the text of the checkpoint");
        good += v == GOOD;
    }
    if (n == 0)
        return bad(f, "it is not signed");
    if (pk && good == 0)
        return fail_set(f, ERR_INTEGRITY, "the checkpoint is not signed by the log's key");
    return OK;
}

enum err merkle_checkpoint_read(struct arena *a, struct span note, const uint8_t *pk,
                                struct merkle_checkpoint *out, struct fail *f)
{
    struct span rest = note;
    if (note.len > NOTE_MAX || !is_plain_text(note))
        return bad(f, "too long, or not plain UTF-8 text");
    enum err e = read_body(a, &rest, out, f);
    if (e)
        return e;
    struct span body = span_sub(note, 0, (size_t)(rest.p - note.p) - 1);
    return read_signatures(a, rest, out->origin, body, pk, f);
}

/* ---- Receipts */

struct span merkle_proof_put(struct arena *a, uint64_t index, const struct digest *proof, size_t n,
                             struct span note, struct span extra)
{
    struct text t = text_new(a, 256 + extra.len * 4 / 3 + n * 45 + note.len);
    text_str(&t, PROOF_TITLE "\n");
    if (extra.len) {
        text_str(&t, "extra ");
        put_line(&t, base64_put(a, extra));
    }
    text_fmt(&t, "index %llu\n", (unsigned long long)index);
    for (size_t i = 0; i < n; i++)
        put_line(&t, base64_put(a, span_of(proof[i].b, sizeof proof[i].b)));
    text_char(&t, '\n');
    text_put(&t, note);
    return text_span(&t);
}

struct receipt {
    struct span extra, note;
    uint64_t index;
    struct digest proof[MERKLE_PROOF_MAX];
    size_t n;
};

static enum err bad_proof(struct fail *f, const char *what)
{
    return fail_set(f, ERR_BAD_VALUE, "not a tlog-proof: %s", what);
}

static enum err read_hashes(struct arena *a, struct span *rest, struct receipt *r, struct fail *f)
{
    struct span line;
    for (r->n = 0; take_line(rest, &line); r->n++) {
        if (line.len == 0)
            return OK;
        if (r->n == MERKLE_PROOF_MAX || !get_hash(a, line, &r->proof[r->n]))
            return bad_proof(f, "a line is not a hash");
    }
    return bad_proof(f, "it ends before the checkpoint");
}

static enum err read_receipt(struct arena *a, struct span s, struct receipt *r, struct fail *f)
{
    struct span line;
    r->extra = SPAN_EMPTY;
    if (!take_line(&s, &line) || !span_is(line, PROOF_TITLE))
        return bad_proof(f, "the first line is not " PROOF_TITLE);
    if (!take_line(&s, &line))
        return bad_proof(f, "it ends before the index");
    if (span_starts(line, "extra ")) {
        if (!base64_get(a, span_sub(line, 6, line.len), &r->extra) || !take_line(&s, &line))
            return bad_proof(f, "the extra line is malformed");
    }
    if (!span_starts(line, "index ") || !get_number(span_sub(line, 6, line.len), &r->index))
        return bad_proof(f, "the index line is malformed");
    enum err e = read_hashes(a, &s, r, f);
    r->note = s;
    return e;
}

enum err merkle_proof_check(struct arena *a, struct span proof, struct span leaf, const uint8_t *pk,
                            uint64_t *index, struct merkle_checkpoint *out, struct fail *f)
{
    struct receipt *r = ARENA_NEW(a, struct receipt);
    struct digest h;
    enum err e = read_receipt(a, proof, r, f);
    if (!e)
        e = merkle_checkpoint_read(a, r->note, pk, out, f);
    if (e)
        return e;
    *index = r->index;
    merkle_leaf(leaf, &h);
    if (!merkle_check_inclusion(&h, r->index, out->size, r->proof, r->n, &out->root))
        return fail_set(f, ERR_INTEGRITY, "the proof does not lead from this leaf to the signed root");
    return OK;
}

enum err merkle_proof_extra(struct arena *a, struct span proof, struct span *extra, struct fail *f)
{
    struct receipt *r = ARENA_NEW(a, struct receipt);
    enum err e = read_receipt(a, proof, r, f);
    *extra = e ? SPAN_EMPTY : r->extra;
    return e;
}

enum err merkle_proof_note(struct arena *a, struct span proof, struct span *note, struct fail *f)
{
    struct receipt *r = ARENA_NEW(a, struct receipt);
    enum err e = read_receipt(a, proof, r, f);
    *note = e ? SPAN_EMPTY : r->note;
    return e;
}
