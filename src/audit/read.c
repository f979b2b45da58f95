// SPDX-License-Identifier: Apache-2.0
/* read.c: what any thread may ask: entries, checkpoint, tiles, proofs. See audit.h. */
#include "audit_impl.h"
#include "text.h"

#include <stdlib.h>

uint64_t audit_sealed_size(const struct audit *au)
{
    return atomic_load_explicit(&au->sealed, memory_order_acquire);
}

uint64_t audit_pending_done(const struct audit *au)
{
    return atomic_load(&au->pending_done);
}

struct span audit_origin(const struct audit *au)
{
    return au->origin;
}

enum err entry_absent(struct fail *f, uint64_t index)
{
    return fail_set(f, ERR_NOT_FOUND, "the record has no entry %llu", (unsigned long long)index);
}

static enum err unreadable(struct fail *f, const struct cursor *c)
{
    return fail_set(f, ERR_CORRUPT, "entry %llu cannot be read, at offset %llu of its segment",
                    (unsigned long long)c->index, (unsigned long long)c->offset);
}

enum err audit_read(struct audit *au, uint64_t index, struct arena *a, struct span *leaf, struct span *detail,
                    struct fail *f)
{
    struct cursor c;
    struct record r;
    if (index >= audit_sealed_size(au))
        return entry_absent(f, index);
    if (index < audit_minimum(au))
        return entry_pruned(f, index);
    struct fail why = {0};
    enum err e = segments_seek(au, index, CURSOR_POINT, &c, &why);
    if (e)
        return index < audit_minimum(au) ? entry_pruned(f, index) /* meanwhile */
                                         : fail_set(f, e, "%s", why.detail);
    if (cursor_next(&c, &r) == STEP_RECORD) {
        *leaf = arena_copy(a, r.leaf);
        *detail = arena_copy(a, r.detail);
    } else {
        e = unreadable(f, &c);
    }
    cursor_close(&c);
    return e;
}

enum err audit_checkpoint(struct audit *au, struct arena *a, struct span *note, struct fail *f)
{
    (void)f;
    pthread_mutex_lock(&au->lock_published);
    *note = arena_copy(a, span_of(au->note, au->note_len));
    pthread_mutex_unlock(&au->lock_published);
    return OK;
}

struct tiles *published_copy(struct audit *au, struct arena *a, struct span *note)
{
    struct tiles *t = malloc(sizeof *t);
    if (!t)
        abort();
    pthread_mutex_lock(&au->lock_published);
    *t = *au->published;
    *note = arena_copy(a, span_of(au->note, au->note_len));
    pthread_mutex_unlock(&au->lock_published);
    return t;
}

/* ---- Tiles */

static enum err no_tile(struct fail *f, struct span path)
{
    return fail_set(f, ERR_NOT_FOUND, "there is no tile %.*s", SPAN_F(path));
}

static void put_entry(struct text *t, struct span leaf)
{
    uint8_t len[2];
    put_be(len, leaf.len, 2);
    text_put(t, span_of(len, 2));
    text_put(t, leaf);
}

/* Leaves [from, from + n) as a bundle, from as many segments as they lie in. */
static enum err bundle(struct audit *au, uint64_t from, size_t n, struct text *t, struct fail *f)
{
    struct cursor c;
    struct record r;
    uint64_t upto = from + n;
    while (from < upto) {
        enum err e = segments_seek(au, from, CURSOR_SCAN, &c, f);
        if (e)
            return e;
        uint64_t begin = from;
        for (; from < upto && cursor_next(&c, &r) == STEP_RECORD; from++)
            put_entry(t, r.leaf);
        if (from == begin)
            e = unreadable(f, &c);
        cursor_close(&c);
        if (e)
            return e;
    }
    return OK;
}

static bool leaf_hashes(struct audit *au, uint64_t from, struct digest row[MERKLE_TILE_WIDTH])
{
    struct cursor c;
    struct record r;
    size_t n = 0;
    while (n < MERKLE_TILE_WIDTH) {
        if (segments_seek(au, from + n, CURSOR_SCAN, &c, NULL) != OK)
            return false;
        size_t begin = n;
        for (; n < MERKLE_TILE_WIDTH && cursor_next(&c, &r) == STEP_RECORD; n++)
            merkle_leaf(r.leaf, &row[n]);
        cursor_close(&c);
        if (n == begin)
            return false;
    }
    return true;
}

static bool full_tile(struct audit *au, unsigned level, uint64_t index, struct digest row[MERKLE_TILE_WIDTH]);

static bool fold_below(struct audit *au, unsigned level, uint64_t index, struct digest row[MERKLE_TILE_WIDTH])
{
    struct digest below[MERKLE_TILE_WIDTH];
    const struct floor *fl = atomic_load(&au->floor);
    for (size_t i = 0; i < MERKLE_TILE_WIDTH; i++) {
        if (floor_hash(fl, level, index, i, &row[i]))
            continue;
        if (!full_tile(au, level - 1, index * MERKLE_TILE_WIDTH + i, below))
            return false;
        merkle_fold(below, MERKLE_TILE_WIDTH, &row[i]);
    }
    return true;
}

/* A start does not look for tiles that are missing: who asks for one has it made again. */
static bool full_tile(struct audit *au, unsigned level, uint64_t index, struct digest row[MERKLE_TILE_WIDTH])
{
    if (floor_covers(atomic_load(&au->floor), level, index))
        return false;
    if (tile_read(au->dir, level, index, 0, row))
        return true;
    if (!(level ? fold_below(au, level, index, row) : leaf_hashes(au, index * MERKLE_TILE_WIDTH, row)))
        return false;
    if (au->key)
        tile_mend(au->dir, level, index, row, NULL); /* without room it is made again each time */
    return true;
}

bool tile_hashes(struct audit *au, const struct tiles *t, unsigned level, uint64_t index, size_t n,
                 struct digest row[MERKLE_TILE_WIDTH])
{
    if (index != tiles_index(t, level))
        return full_tile(au, level, index, row);
    memcpy(row, t->row[level], n * sizeof row[0]);
    return true;
}

bool tile_covered(const struct tiles *t, unsigned level, uint64_t index, size_t n)
{
    uint64_t have = level < TILE_LEVELS ? t->size >> (level * MERKLE_TILE_HEIGHT) : 0;
    return index <= have / MERKLE_TILE_WIDTH && index * MERKLE_TILE_WIDTH + n <= have;
}

static enum err tile_pruned(struct fail *f, struct span path)
{
    return fail_set(f, ERR_GONE, "the tile %.*s lies below the minimum index and was pruned", SPAN_F(path));
}

enum err audit_tile(struct audit *au, struct span path, struct arena *a, struct span *out, struct fail *f)
{
    bool entries;
    unsigned level, width;
    uint64_t index;
    struct span note;
    struct digest row[MERKLE_TILE_WIDTH];
    *out = SPAN_EMPTY;
    if (!merkle_tile_parse(path, &entries, &level, &index, &width))
        return no_tile(f, path);
    size_t n = width ? width : MERKLE_TILE_WIDTH;
    if (floor_covers(atomic_load(&au->floor), level, index))
        return tile_pruned(f, path);
    struct tiles *t = published_copy(au, a, &note);
    struct fail why = {0};
    if (!tile_covered(t, level, index, n)) {
        no_tile(&why, path);
    } else if (entries) {
        struct text body = text_new(a, n * 96);
        bundle(au, index * MERKLE_TILE_WIDTH, n, &body, &why);
        *out = text_span(&body);
    } else if (tile_hashes(au, t, level, index, n, row)) {
        *out = arena_copy(a, span_of(row, n * sizeof row[0]));
    } else {
        fail_set(&why, ERR_CORRUPT, "the tile %.*s is missing or damaged", SPAN_F(path));
    }
    free(t);
    if (why.code && floor_covers(atomic_load(&au->floor), level, index)) /* meanwhile */
        return tile_pruned(f, path);
    return why.code ? fail_set(f, why.code, "%s", why.detail) : OK;
}
