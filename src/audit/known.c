// SPDX-License-Identifier: Apache-2.0
/* known.c: what others remember of a log, held against it: heads kept elsewhere, and how far the database
 * was. See audit.h. */
#include "audit_impl.h"

#include <stdlib.h>

typedef unsigned long long ull;

bool tiles_at(struct audit *au, const struct tiles *t, uint64_t n, struct tiles *out)
{
    struct digest row[MERKLE_TILE_WIDTH];
    *out = (struct tiles){.size = n};
    for (unsigned level = 0; level < TILE_LEVELS; level++) {
        unsigned width = tiles_width(out, level);
        if (width && !tile_hashes(au, t, level, tiles_index(out, level), width, row))
            return false;
        memcpy(out->row[level], row, width * sizeof row[0]);
    }
    return true;
}

static enum err older(struct fail *f, const struct merkle_checkpoint *c, uint64_t size)
{
    return fail_set(
        f, ERR_CONFLICT,
        "the record has %llu entries, and it once signed a head of %llu: its end was cut, or an older "
        "copy was put in its place",
        (ull)size, (ull)c->size);
}

static enum err other_root(struct fail *f, const struct merkle_checkpoint *c)
{
    return fail_set(f, ERR_CONFLICT,
                    "the record once signed another root for its first %llu entries: one of them was changed",
                    (ull)c->size);
}

/* Below the minimum nothing is left but the heads with which epochs ended (C2SP tlog-tiles, "Pruning"). */
static enum err compare_pruned(struct audit *au, const struct merkle_checkpoint *c, struct arena *a,
                               struct fail *f)
{
    struct audit_epoch *epochs;
    size_t n = 0;
    enum err e = audit_epochs(au, a, &epochs, &n, f);
    for (size_t i = 0; !e && i < n; i++)
        if (epochs[i].closed && epochs[i].end == c->size)
            return memcmp(&epochs[i].root, &c->root, sizeof c->root) == 0 ? OK : other_root(f, c);
    return e ? e
             : fail_set(f, ERR_GONE,
                        "it is a head of %llu entries, and the record was pruned up to entry %llu: nothing "
                        "is left "
                        "that it could be held against",
                        (ull)c->size, (ull)audit_minimum(au));
}

static enum err compare(struct audit *au, const struct tiles *t, const struct merkle_checkpoint *c,
                        struct arena *a, struct fail *f)
{
    struct tiles then;
    struct digest root;
    if (c->size > t->size)
        return older(f, c, t->size);
    if (c->size < audit_minimum(au))
        return compare_pruned(au, c, a, f);
    if (!tiles_at(au, t, c->size, &then))
        return fail_set(f, ERR_CORRUPT, "the tiles of the first %llu entries cannot be read", (ull)c->size);
    tiles_root(&then, &root);
    if (memcmp(&root, &c->root, sizeof root) == 0)
        return OK;
    return other_root(f, c);
}

enum err audit_known(struct audit *au, struct span kept, struct merkle_checkpoint *head, struct arena *a,
                     struct fail *f)
{
    struct merkle_checkpoint c;
    struct span note;
    struct fail why = {0};
    if (merkle_proof_note(a, kept, &note, NULL) == OK)
        kept = note;
    if (merkle_checkpoint_read(a, kept, au->pk, &c, &why) != OK)
        return fail_set(f, ERR_BAD_VALUE, "it is not a signed head of this record: %s", why.detail);
    if (!span_eq(c.origin, au->origin))
        return fail_set(f, ERR_BAD_VALUE, "it is of another log, %.*s", SPAN_F(c.origin));
    if (head)
        *head = c;
    struct tiles *t = published_copy(au, a, &note);
    enum err e = compare(au, t, &c, a, f);
    free(t);
    return e;
}

/* ---- By pending id: they grow along the log */

/* The first entry of the last segment in which, or before which, an id at or below this one stands. */
static enum err start_of(struct audit *au, uint64_t pending_id, uint64_t *from, struct fail *f)
{
    struct cursor c;
    struct record r;
    for (size_t i = au->n_segments; i-- > 0;) {
        bool found = false;
        *from = au->segments[i].head.first;
        if (*from >= audit_sealed_size(au))
            continue;
        enum err e = segments_seek(au, *from, CURSOR_SCAN, &c, f);
        if (e)
            return e;
        while (!found && cursor_next(&c, &r) == STEP_RECORD)
            found = r.pending_id > 0 && r.pending_id <= pending_id;
        cursor_close(&c);
        if (found)
            break;
    }
    return OK;
}

/* Up to the end of one segment. */
static enum err walk(struct audit *au, uint64_t *at, uint64_t pending_id, audit_each_fn each, void *ctx,
                     struct fail *f)
{
    struct cursor c;
    struct record r;
    uint64_t begin = *at, end = audit_sealed_size(au);
    enum err e = segments_seek(au, begin, CURSOR_SCAN, &c, f);
    if (e)
        return e;
    for (; !e && *at < end && cursor_next(&c, &r) == STEP_RECORD; ++*at)
        if (r.pending_id > pending_id)
            e = each(ctx, r.index, r.leaf, r.detail, f);
    if (!e && *at == begin)
        e = fail_set(f, ERR_CORRUPT, "entry %llu cannot be read", (ull)begin);
    cursor_close(&c);
    return e;
}

enum err audit_after_pending(struct audit *au, uint64_t pending_id, audit_each_fn each, void *ctx,
                             struct fail *f)
{
    uint64_t at = audit_sealed_size(au);
    enum err e = start_of(au, pending_id, &at, f);
    while (!e && at < audit_sealed_size(au))
        e = walk(au, &at, pending_id, each, ctx, f);
    return e;
}
