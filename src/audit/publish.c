// SPDX-License-Identifier: Apache-2.0
/* publish.c: tiles and checkpoints from what is sealed. Reads the segments, so it holds nothing the committer
 * needs. */
#include "audit_impl.h"

#include <stdlib.h>

static enum err lost(struct fail *f, const struct cursor *c)
{
    return fail_set(f, ERR_CORRUPT, "entry %llu cannot be read back, at offset %llu of its segment",
                    (unsigned long long)c->index, (unsigned long long)c->offset);
}

/* One segment's worth of leaves, from where t stands. */
static enum err integrate_segment(struct audit *au, struct tiles *t, uint64_t upto, tile_full_fn full,
                                  void *ctx, struct fail *f)
{
    struct cursor c;
    struct record r;
    struct digest h;
    uint64_t from = t->size;
    enum step step = STEP_END;
    enum err e = segments_seek(au, from, CURSOR_SCAN, &c, f);
    if (e)
        return e;
    while (!e && t->size < upto && (step = cursor_next(&c, &r)) == STEP_RECORD) {
        merkle_leaf(r.leaf, &h);
        e = tiles_add(t, &h, full, ctx, f);
        if (r.pending_id > t->pending_max)
            t->pending_max = r.pending_id;
    }
    if (!e && t->size < upto && (step != STEP_END || t->size == from))
        e = lost(f, &c);
    cursor_close(&c);
    return e;
}

/* The tree has come to the end of a finished segment: what an open needs of it is kept. An open will not look
 * at the segment's tiles any more, so they must outlive a power cut before. */
static void summarize(struct audit *au, const struct tiles *t)
{
    uint64_t number = 0, first = 0;
    pthread_mutex_lock(&au->lock_segments);
    size_t n = au->n_segments;
    while (n > 1 && au->segments[n - 1].head.first > t->size)
        n--;
    bool at_end = n > 1 && au->segments[n - 1].head.first == t->size;
    if (at_end) {
        number = au->segments[n - 2].head.number;
        first = au->segments[n - 2].head.first;
    }
    pthread_mutex_unlock(&au->lock_segments);
    if (at_end && !summary_exists(au->dir, number) && tiles_sync(au->dir, first, t->size))
        summary_keep(au, number, t);
}

enum err integrate(struct audit *au, struct tiles *t, uint64_t upto, tile_full_fn full, void *ctx,
                   struct fail *f)
{
    enum err e = OK;
    while (!e && t->size < upto) {
        e = integrate_segment(au, t, upto, full, ctx, f);
        if (!e && au->key)
            summarize(au, t);
    }
    return e;
}

void published_set(struct audit *au, struct tiles *t, struct span note)
{
    char *copy = malloc(note.len + 1);
    if (!copy)
        abort();
    memcpy(copy, note.p, note.len);
    pthread_mutex_lock(&au->lock_published);
    free(au->published);
    free(au->note);
    au->published = t;
    au->note = copy;
    au->note_len = note.len;
    pthread_mutex_unlock(&au->lock_published);
}

static enum err write_full(void *ctx, unsigned level, uint64_t index,
                           const struct digest row[MERKLE_TILE_WIDTH], struct fail *f)
{
    const struct audit *au = ctx;
    return tile_write(au->dir, level, index, 0, row, f);
}

static enum err write_partials(const struct audit *au, const struct tiles *t, struct fail *f)
{
    enum err e = OK;
    for (unsigned level = 0; level < TILE_LEVELS && !e; level++) {
        unsigned width = tiles_width(t, level);
        if (width)
            e = tile_write(au->dir, level, tiles_index(t, level), width, t->row[level], f);
    }
    return e;
}

/* A wider tile holds what a narrower one held; readers of the old checkpoint are served from it. */
static void remove_partials(const struct audit *au, const struct tiles *old, const struct tiles *now)
{
    for (unsigned level = 0; level < TILE_LEVELS; level++) {
        unsigned width = tiles_width(old, level);
        uint64_t index = tiles_index(old, level);
        if (width && (width != tiles_width(now, level) || index != tiles_index(now, level)))
            tile_remove_partial(au->dir, level, index, width);
    }
}

static enum err publish(struct audit *au, struct tiles *work, uint64_t sealed, struct fail *f)
{
    struct identity id = {.origin = au->origin};
    struct span note;
    memcpy(id.pk, au->pk, SIGN_PK_LEN);
    enum err e = integrate(au, work, sealed, write_full, au, f);
    if (!e)
        e = write_partials(au, work, f);
    if (e)
        return e;
    struct arena *a = arena_new(0);
    e = note_publish(a, au->path, au->key, &id, work, &note, f);
    if (!e)
        e = epoch_keep(au, work, note, f);
    if (!e) {
        remove_partials(au, au->published, work); /* only this thread replaces it */
        published_set(au, work, note);
    }
    arena_free(a);
    return e;
}

/* Up to the end of an epoch, if one lies there: its last head is signed like any, and kept. */
static enum err publish_next(struct audit *au, uint64_t sealed, struct fail *f)
{
    uint64_t upto;
    enum err e = epoch_boundary(au, au->published->size, sealed, &upto, f);
    if (e)
        return e;
    struct tiles *work = malloc(sizeof *work);
    if (!work)
        abort();
    *work = *au->published;
    e = publish(au, work, upto, f);
    if (e)
        free(work);
    return e;
}

enum err audit_publish(struct audit *au, struct instant now, struct fail *f)
{
    (void)now; /* checkpoints carry no time; kept for a clock floor */
    if (!au->key)
        return fail_set(f, ERR_INTERNAL, "the log is open for reading only");
    if (atomic_load(&au->stopped))
        return fail_set(f, ERR_STOPPED, "the record could not be written; nothing is signed any more");
    uint64_t sealed = audit_sealed_size(au);
    enum err e = OK;
    while (!e && au->published->size < sealed)
        e = publish_next(au, sealed, f);
    return e;
}
