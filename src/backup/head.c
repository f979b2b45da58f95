// SPDX-License-Identifier: Apache-2.0
/* The head of a file: for whom it is sealed. See DESIGN.md. */
#include "backup_impl.h"

static const struct {
    unsigned type;
    size_t len;
} rows[] = {{FOR_TYPE_BOX, FOR_BOX}, {FOR_TYPE_WORDS, FOR_WORDS}};

#define BIND_WORDS SPAN("troth backup key")

static bool put_box(const struct backup_for *r, const struct key *k, uint8_t *out)
{
    out[0] = FOR_TYPE_BOX;
    memcpy(out + 1, r->pk, BOX_PK_LEN);
    return key_box(k, r->pk, out + 1 + BOX_PK_LEN);
}

static bool put_words(const struct backup_for *r, const struct key *k, uint8_t *out)
{
    uint8_t *salt = out + 1;
    out[0] = FOR_TYPE_WORDS;
    crypto_random(salt, SALT_LEN);
    put_be(salt + SALT_LEN, PASSPHRASE_PASSES, 4);
    put_be(salt + SALT_LEN + 4, PASSPHRASE_KIB, 4);
    struct key *by = key_from_passphrase(r->words, salt, PASSPHRASE_PASSES, PASSPHRASE_KIB);
    bool ok = by && key_wrap(by, BIND_WORDS, k, salt + SALT_LEN + 8, NULL) == OK;
    key_free(by);
    return ok;
}

size_t head_put(enum backup_kind kind, const struct backup_for *who, size_t n, const struct key *k,
                uint8_t out[HEAD_MAX])
{
    size_t len = HEAD_FIXED;
    memset(out, 0, HEAD_MAX);
    memcpy(out, BACKUP_MAGIC, 7);
    out[7] = BACKUP_FORMAT;
    out[8] = (uint8_t)kind;
    out[9] = (uint8_t)n;
    for (size_t i = 0; i < n; i++) {
        bool words = who[i].words.len > 0;
        if (words ? !put_words(&who[i], k, out + len) : !put_box(&who[i], k, out + len))
            return 0;
        len += words ? FOR_WORDS : FOR_BOX;
    }
    return len;
}

static size_t entry_len(unsigned type)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].type == type)
            return rows[i].len;
    return 0;
}

enum err head_get(struct span s, struct head *out, struct fail *f)
{
    if (s.len < HEAD_FIXED || memcmp(s.p, BACKUP_MAGIC, 7) != 0)
        return fail_set(f, ERR_BAD_VALUE, "this is not a backup of troth");
    if (s.p[7] != BACKUP_FORMAT)
        return fail_set(f, ERR_BAD_VALUE, "this is a backup of format %u; this program reads %d", s.p[7],
                        BACKUP_FORMAT);
    *out = (struct head){.kind = (enum backup_kind)s.p[8], .n = s.p[9], .len = HEAD_FIXED};
    if ((out->kind != BACKUP_DATA && out->kind != BACKUP_KEYS) || out->n == 0 || out->n > BACKUP_FOR_MAX ||
        s.p[10] || s.p[11])
        return fail_set(f, ERR_BAD_VALUE, "the head of this backup is damaged");
    for (unsigned i = 0; i < out->n; i++) {
        size_t len = out->len < s.len ? entry_len(s.p[out->len]) : 0;
        if (len == 0 || len > s.len - out->len)
            return fail_set(f, ERR_BAD_VALUE, "the head of this backup is damaged or cut");
        out->len += len;
    }
    out->people = span_sub(s, HEAD_FIXED, out->len - HEAD_FIXED);
    return OK;
}

static struct key *open_box(const uint8_t *e, const struct backup_with *with)
{
    uint8_t pk[BOX_PK_LEN];
    if (!with->secret)
        return NULL;
    box_public(with->secret, pk);
    return memcmp(pk, e + 1, BOX_PK_LEN) == 0 ? key_unbox(with->secret, e + 1 + BOX_PK_LEN) : NULL;
}

static struct key *open_words(const uint8_t *e, const struct backup_with *with)
{
    const uint8_t *salt = e + 1;
    struct key *k = NULL;
    if (!with->words.len)
        return NULL;
    struct key *by = key_from_passphrase(with->words, salt, (uint32_t)get_be(salt + SALT_LEN, 4),
                                         (uint32_t)get_be(salt + SALT_LEN + 4, 4));
    if (by)
        key_unwrap(by, BIND_WORDS, span_of(salt + SALT_LEN + 8, WRAPPED_LEN), &k, NULL);
    key_free(by);
    return k;
}

struct key *head_key(const struct head *h, const struct backup_with *with)
{
    struct key *k = NULL;
    const uint8_t *e = h->people.p;
    for (unsigned i = 0; i < h->n && !k; i++) {
        k = e[0] == FOR_TYPE_BOX ? open_box(e, with) : open_words(e, with);
        e += entry_len(e[0]);
    }
    return k;
}
