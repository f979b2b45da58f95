// SPDX-License-Identifier: Apache-2.0
/* open_tree.c: the tree of a log that is being opened: from the last summary to what was signed. See
 * DESIGN.md. */
#include "audit_impl.h"
#include "file.h"
#include "log.h"

typedef unsigned long long ull;

static enum err compare_full(void *ctx, unsigned level, uint64_t index,
                             const struct digest row[MERKLE_TILE_WIDTH], struct fail *f)
{
    struct recovery *r = ctx;
    (void)f;
    tile_compare(r->au->dir, level, index, 0, row, &r->fault);
    return OK;
}

static enum err write_full(void *ctx, unsigned level, uint64_t index,
                           const struct digest row[MERKLE_TILE_WIDTH], struct fail *f)
{
    const struct recovery *r = ctx;
    return tile_write(r->au->dir, level, index, 0, row, f);
}

static enum err check_root(const struct recovery *r, const struct tiles *t, const struct merkle_checkpoint *c,
                           const char *name, struct fail *f)
{
    struct digest root;
    const struct tile_fault *d = &r->fault;
    tiles_root(t, &root);
    if (memcmp(&root, &c->root, sizeof root) == 0)
        return OK;
    if (d->any && !d->missing && d->level == 0)
        return fail_set(f, ERR_CORRUPT,
                        "audit/%s: the segments do not give the signed root of %llu; entry %llu differs",
                        name, (ull)c->size, (ull)(d->index * MERKLE_TILE_WIDTH + d->at));
    return fail_set(f, ERR_CORRUPT, "audit/%s: the segments do not give the signed root of %llu entries",
                    name, (ull)c->size);
}

/* The tree that is known without reading a segment. */
static void begin(const struct recovery *r, struct tiles *t)
{
    const struct floor *fl = atomic_load(&r->au->floor);
    *t = fl ? fl->tree : (struct tiles){0};
}

static enum err rebuild(struct recovery *r, struct tiles *t, struct fail *f)
{
    if (r->fault.any) {
        log_line(LOG_LVL_WARN, "audit",
                 "tile %u/%llu is missing or differs: rebuilding tiles from the segments", r->fault.level,
                 (ull)r->fault.index);
        begin(r, t);
        enum err e = integrate(r->au, t, r->goal.size, write_full, r, f);
        if (!e && !tiles_sync(r->au->dir, 0, r->goal.size))
            e = fail_set(f, ERR_IO, "audit/tile: what was rebuilt does not reach the disk");
        if (e)
            return e;
    }
    for (unsigned level = 0; level < TILE_LEVELS; level++) {
        unsigned width = tiles_width(t, level);
        struct tile_fault missing = {0};
        if (width)
            tile_compare(r->au->dir, level, tiles_index(t, level), width, t->row[level], &missing);
        enum err e = missing.any ? tile_write(r->au->dir, level, missing.index, width, t->row[level], f) : OK;
        if (e)
            return e;
    }
    return OK;
}

/* Between the two notes lies a crash, or nothing. */
static enum err finish_publishing(struct recovery *r, struct fail *f)
{
    if (r->published.size == r->goal.size)
        return OK;
    return file_write_durable(arena_str(r->a, arena_fmt(r->a, "%s/checkpoint", r->au->path)), r->note, 0644,
                              f);
}

/* Adds [t->size, size) and holds the root against the signed one. */
static enum err reach(struct recovery *r, struct tiles *t, const struct merkle_checkpoint *c,
                      const char *name, struct fail *f)
{
    enum err e = integrate(r->au, t, c->size, compare_full, r, f);
    return e ? e : check_root(r, t, c, name, f);
}

/* From the last summary if it is not beyond the checkpoint; else the segments are read from the first. */
static enum err reach_both(struct recovery *r, struct tiles *t, struct fail *f)
{
    begin(r, t);
    if (r->start && r->start->size <= r->published.size)
        *t = *r->start;
    enum err e = reach(r, t, &r->published, "checkpoint", f);
    return e ? e : reach(r, t, &r->goal, "signed", f);
}

enum err recover_tree(struct recovery *r, struct tiles *t, struct fail *f)
{
    enum err e = reach_both(r, t, f);
    if (!e && r->au->key)
        e = rebuild(r, t, f);
    return !e && r->au->key ? finish_publishing(r, f) : e;
}
