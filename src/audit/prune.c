// SPDX-License-Identifier: Apache-2.0
/* prune.c: the minimum index, and deleting what lies below it. See DESIGN.md, "Epochs". */
#include "audit_impl.h"
#include "file.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef unsigned long long ull;

static const uint8_t magic[12] = "TROTHFLR\0\0\0\1";
enum { FLOOR_HEAD = 12 + 8 + 8 + 4 + 8, FLOOR_MAX = 128 << 10 };

static unsigned shift_of(unsigned level)
{
    return (level + 1) * MERKLE_TILE_HEIGHT;
}

/* ---- What the floor knows */

bool floor_covers(const struct floor *fl, unsigned level, uint64_t index)
{
    return fl && shift_of(level) < 64 && index < fl->size >> shift_of(level);
}

bool floor_hash(const struct floor *fl, unsigned level, uint64_t index, size_t i, struct digest *out)
{
    if (!fl || level >= TILE_LEVELS || index != tiles_index(&fl->tree, level) ||
        i >= tiles_width(&fl->tree, level))
        return false;
    *out = fl->tree.row[level][i];
    return true;
}

uint64_t audit_minimum(const struct audit *au)
{
    const struct floor *fl = atomic_load(&((struct audit *)(uintptr_t)au)->floor);
    return fl ? fl->size : 0;
}

enum err entry_pruned(struct fail *f, uint64_t index)
{
    fail_hint(f, "a receipt of it that somebody kept is as good as before");
    return fail_set(f, ERR_GONE, "entry %llu of the record was pruned with its epoch", (ull)index);
}

/* ---- Bytes */

static void put_number(struct text *t, uint64_t v, unsigned n)
{
    uint8_t b[8];
    put_be(b, v, n);
    text_put(t, span_of(b, n));
}

static struct span floor_put(struct arena *a, const struct floor *fl)
{
    struct text t = text_new(a, 64 << 10);
    text_put(&t, span_of(magic, sizeof magic));
    put_number(&t, fl->size, 8);
    put_number(&t, fl->number, 8);
    put_number(&t, fl->epoch, 4);
    put_number(&t, fl->tree.pending_max, 8);
    for (unsigned level = 0; level < TILE_LEVELS; level++)
        text_put(&t, span_of(fl->tree.row[level], tiles_width(&fl->tree, level) * sizeof(struct digest)));
    return text_span(&t);
}

static bool floor_get(struct span in, struct floor *fl)
{
    const uint8_t *p = in.p;
    if (in.len < FLOOR_HEAD || memcmp(p, magic, sizeof magic) != 0)
        return false;
    fl->size = fl->tree.size = get_be(p + 12, 8);
    fl->number = get_be(p + 20, 8);
    fl->epoch = (uint32_t)get_be(p + 28, 4);
    fl->tree.pending_max = get_be(p + 32, 8);
    size_t at = FLOOR_HEAD;
    for (unsigned level = 0; level < TILE_LEVELS; level++) {
        size_t n = tiles_width(&fl->tree, level) * sizeof(struct digest);
        if (at + n > in.len)
            return false;
        memcpy(fl->tree.row[level], p + at, n);
        at += n;
    }
    return at == in.len && fl->size > 0 && fl->size % MERKLE_TILE_WIDTH == 0;
}

static struct floor *floor_new(void)
{
    struct floor *fl = calloc(1, sizeof *fl);
    if (!fl)
        abort();
    return fl;
}

enum err floor_read(struct arena *a, int dir, const uint8_t pk[SIGN_PK_LEN], struct floor **out,
                    struct fail *f)
{
    struct span all;
    struct fail why = {0};
    enum err e = small_read(a, dir, "floor", FLOOR_MAX, &all, &why);
    *out = NULL;
    if (e == ERR_NOT_FOUND)
        return OK;
    if (e == ERR_IO)
        return fail_set(f, e, "%s", why.detail);
    struct floor *fl = floor_new();
    struct span body = span_sub(all, 0, all.len > SIGN_LEN ? all.len - SIGN_LEN : 0);
    if (!e && body.len && floor_get(body, fl) && sign_check(pk, body, span_sub(all, body.len, all.len))) {
        *out = fl;
        return OK;
    }
    free(fl);
    return fail_set(f, ERR_CORRUPT, "floor: it is not what this log signed");
}

static enum err floor_write(struct audit *au, const struct floor *fl, struct fail *f)
{
    uint8_t signature[SIGN_LEN];
    struct arena *a = arena_new(0);
    struct span body = floor_put(a, fl);
    sign_make(au->key, body, signature);
    struct text t = text_new(a, body.len + SIGN_LEN);
    text_put(&t, body);
    text_put(&t, span_of(signature, SIGN_LEN));
    enum err e = file_write_durable(arena_str(a, arena_fmt(a, "%s/floor", au->path)), text_span(&t), 0644, f);
    arena_free(a);
    return e;
}

/* ---- Raising it */

static enum err check_end(struct audit *au, struct arena *a, struct floor *fl, struct fail *f)
{
    struct audit_epoch *epochs;
    struct digest root;
    struct span note;
    size_t n = 0;
    enum err e = audit_epochs(au, a, &epochs, &n, f);
    if (e)
        return e;
    size_t i = 0;
    while (i < n && !(epochs[i].closed && epochs[i].end == fl->size))
        i++;
    if (i == n || epochs[i].pruned)
        return fail_set(f, ERR_CONFLICT, "no closed epoch that is still there ends at entry %llu",
                        (ull)fl->size);
    struct tiles *t = published_copy(au, a, &note);
    bool there = fl->size <= t->size && tiles_at(au, t, fl->size, &fl->tree);
    free(t);
    tiles_root(&fl->tree, &root);
    if (there && memcmp(&root, &epochs[i].root, sizeof root) == 0)
        return OK;
    fail_hint(f, "run `troth audit verify`; nothing was deleted");
    return fail_set(f, ERR_CORRUPT, "the record does not give the signed root at the end of epoch %s",
                    epochs[i].name);
}

/* The segment and the epoch that begin there. */
static enum err find_next(struct audit *au, struct arena *a, struct floor *fl, struct fail *f)
{
    struct epoch_end end = {0};
    struct span leaf;
    bool found = false;
    pthread_mutex_lock(&au->lock_segments);
    for (size_t i = 0; i < au->n_segments && !found; i++) {
        found = au->segments[i].head.first == fl->size;
        fl->number = au->segments[i].head.number;
    }
    pthread_mutex_unlock(&au->lock_segments);
    if (!found)
        return fail_set(f, ERR_CONFLICT, "nothing was recorded since the epoch ended");
    enum err e = leaf_read(au, fl->size - 1, a, &leaf, f);
    if (!e && !epoch_end_get(leaf, &end))
        e = fail_set(f, ERR_CORRUPT, "entry %llu does not close an epoch", (ull)fl->size - 1);
    fl->epoch = end.next;
    fl->tree.pending_max = audit_pending_done(au);
    return e;
}

/* Readers that are under way hold their file open. */
static void forget_segments(struct audit *au, uint64_t number)
{
    size_t n = 0;
    pthread_mutex_lock(&au->lock_segments);
    while (n < au->n_segments && au->segments[n].head.number < number)
        free(au->segments[n++].sparse);
    au->n_segments -= n;
    memmove(au->segments, au->segments + n, au->n_segments * sizeof *au->segments);
    pthread_mutex_unlock(&au->lock_segments);
}

enum err audit_prune(struct audit *au, uint64_t minimum, struct fail *f)
{
    if (!au->key)
        return fail_set(f, ERR_INTERNAL, "the log is open for reading only");
    if (minimum == audit_minimum(au))
        return OK;
    struct arena *a = arena_new(0);
    struct floor *fl = floor_new();
    fl->size = minimum;
    enum err e = check_end(au, a, fl, f);
    if (!e)
        e = find_next(au, a, fl, f);
    if (!e)
        e = floor_write(au, fl, f);
    if (!e) {
        fl->older = atomic_load(&au->floor);
        atomic_store(&au->floor, fl);
        forget_segments(au, fl->number);
    } else {
        free(fl);
    }
    arena_free(a);
    return e;
}

/* ---- Files below it */

static void remove_tile(int dir, unsigned level, uint64_t index)
{
    struct arena *a = arena_new(256);
    char *path = arena_str(a, merkle_tile_path(a, false, level, index, 0));
    unlinkat(dir, path, 0);
    for (char *slash = strrchr(path, '/'); slash && slash != strchr(path, '/'); slash = strrchr(path, '/')) {
        *slash = 0;
        if (unlinkat(dir, path, AT_REMOVEDIR) != 0)
            break;
    }
    arena_free(a);
}

/* Tiles whose last entry lies in [first, end). */
static void remove_tiles(int dir, uint64_t first, uint64_t end)
{
    for (unsigned level = 0; level < TILE_LEVELS && shift_of(level) < 64; level++)
        for (uint64_t i = first >> shift_of(level); i < end >> shift_of(level); i++)
            remove_tile(dir, level, i);
}

/* The segment last: as long as it is there, the rest is looked for. */
static enum err remove_segment(struct audit *au, uint64_t number, const struct floor *fl, struct fail *f)
{
    char name[NAME_MAX_LEN], summary[NAME_MAX_LEN];
    struct segment_head h, next;
    if (segment_head_read(au->dir, number, &h)) {
        bool last = number + 1 == fl->number || !segment_head_read(au->dir, number + 1, &next);
        remove_tiles(au->dir, h.first, last ? fl->size : next.first);
    }
    segment_name(name, number);
    snprintf(summary, sizeof summary, "summary-%s", name + strlen("segment-"));
    unlinkat(au->dir, summary, 0);
    if (unlinkat(au->dir, name, 0) != 0 && errno != ENOENT)
        return io_fail(f, "deleting", name);
    return OK;
}

static enum err below(struct arena *a, const struct audit *au, const struct floor *fl, uint64_t **numbers,
                      size_t *n, struct fail *f)
{
    struct span *names;
    size_t count = 0;
    enum err e = file_list(a, au->path, "", &names, &count, f);
    *numbers = ARENA_ARRAY(a, count + 1, uint64_t);
    *n = 0;
    for (size_t i = 0; !e && i < count; i++) {
        uint64_t number;
        if (span_starts(names[i], "segment-") &&
            span_u64(span_sub(names[i], strlen("segment-"), names[i].len), UINT64_MAX / 2, &number) &&
            number < fl->number)
            (*numbers)[(*n)++] = number;
    }
    return e;
}

enum err audit_prune_files(struct audit *au, size_t most, uint64_t *left, struct fail *f)
{
    const struct floor *fl = atomic_load(&au->floor);
    uint64_t *numbers;
    size_t n = 0, i = 0;
    *left = 0;
    if (!fl || !au->key)
        return OK;
    struct arena *a = arena_new(0);
    enum err e = below(a, au, fl, &numbers, &n, f);
    for (; !e && i < n && i < most; i++)
        e = remove_segment(au, numbers[i], fl, f);
    *left = n - i;
    if (!e && i && i == n)
        e = file_sync_dir(au->path, f);
    arena_free(a);
    return e;
}

uint64_t audit_segment_bytes_of(struct audit *au, uint64_t first, uint64_t end)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&au->lock_segments);
    for (size_t i = 0; i < au->n_segments; i++)
        if (au->segments[i].head.first >= first && au->segments[i].head.first < end)
            bytes += au->segments[i].head.bytes;
    pthread_mutex_unlock(&au->lock_segments);
    return bytes;
}
