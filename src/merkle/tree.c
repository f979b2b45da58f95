// SPDX-License-Identifier: Apache-2.0
/* tree.c: hashes, the growing edge, proofs made from tiles and checked. See merkle.h; RFC 6962 2.1. */
#include "merkle.h"

#include "crypto.h"

#define HASH_LEN sizeof(struct digest)

void merkle_leaf(struct span leaf, struct digest *out)
{
    crypto_sha256_v((struct span[]){SPAN("\x00"), leaf}, 2, out);
}

void merkle_node(const struct digest *left, const struct digest *right, struct digest *out)
{
    uint8_t pair[1 + 2 * HASH_LEN] = {1};
    memcpy(pair + 1, left->b, HASH_LEN);
    memcpy(pair + 1 + HASH_LEN, right->b, HASH_LEN);
    crypto_sha256(span_of(pair, sizeof pair), out);
}

/* Bit i of the size is set when edge[i] holds the hash of a full subtree of 2^i leaves: adding one is a
 * carry. */
void merkle_add(struct merkle_tree *t, const struct digest *leaf_hash)
{
    struct digest h = *leaf_hash;
    unsigned level = 0;
    for (; t->size >> level & 1; level++)
        merkle_node(&t->edge[level], &h, &h);
    t->edge[level] = h;
    t->size++;
}

void merkle_root(const struct merkle_tree *t, struct digest *out)
{
    if (t->size == 0) {
        crypto_sha256(SPAN_EMPTY, out);
        return;
    }
    unsigned level = (unsigned)__builtin_ctzll(t->size);
    *out = t->edge[level];
    for (level++; level < MERKLE_LEVELS_MAX; level++) {
        if (t->size >> level & 1)
            merkle_node(&t->edge[level], out, out);
    }
}

void merkle_fold(const struct digest *hashes, size_t n, struct digest *out)
{
    struct digest row[MERKLE_TILE_WIDTH];
    if (n > MERKLE_TILE_WIDTH)
        n = MERKLE_TILE_WIDTH;
    memcpy(row, hashes, n * HASH_LEN);
    for (; n > 1; n = n / 2 + n % 2) {
        for (size_t i = 0; i < n / 2; i++)
            merkle_node(&row[2 * i], &row[2 * i + 1], &row[i]);
        if (n % 2)
            row[n / 2] = row[n - 1];
    }
    *out = row[0];
}

/* ---- Proofs made: hashes of ranges, found in tiles */

struct source {
    merkle_read_fn read;
    void *ctx;
};

static enum err missing(struct fail *f, unsigned tile_level, uint64_t index)
{
    return fail_set(f, ERR_CORRUPT, "hash %llu of tile level %u is not available", (unsigned long long)index,
                    tile_level);
}

/* The full subtree of 2^level leaves whose number at that level is index. */
static enum err full_subtree(const struct source *s, unsigned level, uint64_t index, struct digest *out,
                             struct fail *f)
{
    struct digest row[MERKLE_TILE_WIDTH / 2]; /* level % 8 <= 7 */
    unsigned tile_level = level / MERKLE_TILE_HEIGHT, up = level % MERKLE_TILE_HEIGHT;
    size_t n = (size_t)1 << up;
    for (size_t i = 0; i < n; i++) {
        uint64_t at = (index << up) + i;
        if (!s->read(s->ctx, tile_level, at, &row[i]))
            return missing(f, tile_level, at);
    }
    merkle_fold(row, n, out);
    return OK;
}

/* MTH(D[lo:hi]); lo is a multiple of the largest power of two not above hi - lo. */
static enum err range_hash(const struct source *s, uint64_t lo, uint64_t hi, struct digest *out,
                           struct fail *f)
{
    uint64_t left = hi - lo;
    bool first = true;
    while (left > 0) {
        unsigned level = (unsigned)__builtin_ctzll(left);
        struct digest h;
        left &= left - 1;
        enum err e = full_subtree(s, level, (lo + left) >> level, &h, f);
        if (e)
            return e;
        if (first)
            *out = h;
        else
            merkle_node(&h, out, out);
        first = false;
    }
    return OK;
}

/* The largest power of two below n; n > 1. */
static uint64_t split(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

static void reverse(struct digest *h, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct digest t = h[i];
        h[i] = h[n - 1 - i];
        h[n - 1 - i] = t;
    }
}

/* RFC 6962 2.1.1, from the root down; the proof lists from the leaf up. */
enum err merkle_inclusion(merkle_read_fn read, void *ctx, uint64_t index, uint64_t size,
                          struct digest out[MERKLE_PROOF_MAX], size_t *n, struct fail *f)
{
    const struct source s = {read, ctx};
    uint64_t lo = 0, hi = size;
    *n = 0;
    if (index >= size)
        return fail_set(f, ERR_NOT_FOUND, "entry %llu is not in a tree of %llu", (unsigned long long)index,
                        (unsigned long long)size);
    while (hi - lo > 1) {
        uint64_t mid = lo + split(hi - lo);
        bool left = index < mid;
        enum err e = range_hash(&s, left ? mid : lo, left ? hi : mid, &out[(*n)++], f);
        if (e)
            return e;
        lo = left ? lo : mid;
        hi = left ? mid : hi;
    }
    reverse(out, *n);
    return OK;
}

/* RFC 6962 2.1.2, the same way. `whole`: the subtree is a complete one of the old tree that its holder knows.
 */
enum err merkle_consistency(merkle_read_fn read, void *ctx, uint64_t old_size, uint64_t size,
                            struct digest out[MERKLE_PROOF_MAX], size_t *n, struct fail *f)
{
    const struct source s = {read, ctx};
    uint64_t lo = 0, hi = size;
    bool whole = true;
    enum err e = OK;
    *n = 0;
    if (old_size > size)
        return fail_set(f, ERR_NOT_FOUND, "a tree of %llu has no past of %llu", (unsigned long long)size,
                        (unsigned long long)old_size);
    if (old_size == 0 || old_size == size)
        return OK;
    while (old_size != hi && !e) {
        uint64_t mid = lo + split(hi - lo);
        bool left = old_size <= mid;
        e = range_hash(&s, left ? mid : lo, left ? hi : mid, &out[(*n)++], f);
        whole = whole && left;
        lo = left ? lo : mid;
        hi = left ? mid : hi;
    }
    if (!whole && !e)
        e = range_hash(&s, lo, hi, &out[(*n)++], f);
    reverse(out, *n);
    return e;
}

/* ---- Proofs checked: RFC 9162 2.1.3.2 and 2.1.4.2 (the same trees as RFC 6962) */

static bool same(const struct digest *a, const struct digest *b)
{
    return memcmp(a->b, b->b, HASH_LEN) == 0;
}

/* Climbs over the levels where this node is the last and has no right neighbour. */
static void climb(uint64_t *fn, uint64_t *sn)
{
    while (*fn != 0 && !(*fn & 1)) {
        *fn >>= 1;
        *sn >>= 1;
    }
}

bool merkle_check_inclusion(const struct digest *leaf_hash, uint64_t index, uint64_t size,
                            const struct digest *proof, size_t n, const struct digest *root)
{
    if (index >= size)
        return false;
    uint64_t fn = index, sn = size - 1;
    struct digest r = *leaf_hash;
    for (size_t i = 0; i < n; i++) {
        if (sn == 0)
            return false;
        if ((fn & 1) || fn == sn) {
            merkle_node(&proof[i], &r, &r);
            climb(&fn, &sn);
        } else {
            merkle_node(&r, &proof[i], &r);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && same(&r, root);
}

static bool check_trivial(uint64_t old_size, const struct digest *old_root, const struct digest *root,
                          size_t n)
{
    struct digest empty;
    crypto_sha256(SPAN_EMPTY, &empty);
    return n == 0 && same(old_root, old_size == 0 ? &empty : root);
}

bool merkle_check_consistency(uint64_t old_size, const struct digest *old_root, uint64_t size,
                              const struct digest *root, const struct digest *proof, size_t n)
{
    if (old_size > size)
        return false;
    if (old_size == 0 || old_size == size)
        return check_trivial(old_size, old_root, root, n);
    /* A power of two is a complete subtree of the new tree: the old root itself begins the proof. */
    bool implied = (old_size & (old_size - 1)) == 0;
    if (n == 0 && !implied)
        return false;
    struct digest fr = implied ? *old_root : proof[0], sr = fr;
    uint64_t fn = old_size - 1, sn = size - 1;
    for (; fn & 1; fn >>= 1)
        sn >>= 1;
    for (size_t i = implied ? 0 : 1; i < n; i++) {
        if (sn == 0)
            return false;
        if ((fn & 1) || fn == sn) {
            merkle_node(&proof[i], &fr, &fr);
            merkle_node(&proof[i], &sr, &sr);
            climb(&fn, &sn);
        } else {
            merkle_node(&sr, &proof[i], &sr);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && same(&fr, old_root) && same(&sr, root);
}
