// SPDX-License-Identifier: Apache-2.0
/* summary.c: what an open needs to know of a finished segment without reading it. Layout in DESIGN.md. */
#include "audit_impl.h"
#include "log.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUMMARY_TMP "summary-next"

/* No note can be taken for one: notes hold no zero bytes (signed-note). */
static const uint8_t magic[8] = "TROTHSUM";
enum {
    SUMMARY_VERSION = 2, /* 1 is read: it lacks the segments before */
    SUMMARY_HEAD = 56,
    SUMMARY_BEFORE = 12, /* of each segment before */
    SUMMARY_MAX = 8 << 20
};

static void summary_name(char out[NAME_MAX_LEN], uint64_t number)
{
    snprintf(out, NAME_MAX_LEN, "summary-%08" PRIu64, number);
}

void summary_free(struct summary *s)
{
    free(s->sparse);
    free(s->tree);
    free(s->before);
    s->sparse = NULL;
    s->before = NULL;
    s->tree = NULL;
}

bool summary_exists(int dir, uint64_t number)
{
    char name[NAME_MAX_LEN];
    struct stat st;
    summary_name(name, number);
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

void summary_drop(int dir, uint64_t number)
{
    char name[NAME_MAX_LEN];
    summary_name(name, number);
    if (unlinkat(dir, name, 0) == 0)
        log_line(LOG_LVL_WARN, "audit", "%s is not whole: it is made again", name);
}

/* ---- Bytes */

static void put_number(struct text *t, uint64_t v, unsigned n)
{
    uint8_t b[8];
    put_be(b, v, n);
    text_put(t, span_of(b, n));
}

/* Of the tree only the unfinished rows: what is finished is one hash of the row above. */
static struct span summary_put(struct arena *a, const struct summary *s)
{
    struct text t = text_new(a, 64 << 10);
    text_put(&t, span_of(magic, sizeof magic));
    put_number(&t, SUMMARY_VERSION, 4);
    put_number(&t, s->head.bytes, 4);
    put_number(&t, s->head.number, 8);
    put_number(&t, s->head.first, 8);
    put_number(&t, s->end, 8);
    put_number(&t, s->end_offset, 4);
    put_number(&t, s->n_sparse, 4);
    put_number(&t, s->tree->pending_max, 8);
    for (size_t i = 0; i < s->n_sparse; i++)
        put_number(&t, s->sparse[i], 4);
    for (unsigned level = 0; level < TILE_LEVELS; level++)
        text_put(&t, span_of(s->tree->row[level], tiles_width(s->tree, level) * sizeof(struct digest)));
    put_number(&t, s->n_before, 4);
    for (size_t i = 0; i < s->n_before; i++) {
        put_number(&t, s->before[i].first, 8);
        put_number(&t, s->before[i].bytes, 4);
    }
    return text_span(&t);
}

static size_t tree_bytes(const struct tiles *t)
{
    size_t n = 0;
    for (unsigned level = 0; level < TILE_LEVELS; level++)
        n += tiles_width(t, level) * sizeof(struct digest);
    return n;
}

/* That the rest is as long as it says. */
static bool get_lengths(struct span in, uint64_t version, struct summary *s)
{
    size_t fixed = SUMMARY_HEAD + s->n_sparse * 4 + tree_bytes(s->tree);
    s->has_before = version == SUMMARY_VERSION;
    if (!s->has_before)
        return version == 1 && in.len == fixed;
    if (in.len < fixed + 4)
        return false;
    s->n_before = (size_t)get_be(in.p + fixed, 4);
    return s->n_before <= s->head.number && in.len == fixed + 4 + s->n_before * SUMMARY_BEFORE;
}

static bool get_head(struct span in, const struct segment_head *h, struct summary *s)
{
    const uint8_t *p = in.p;
    if (in.len < SUMMARY_HEAD || memcmp(p, magic, sizeof magic) != 0)
        return false;
    s->head = (struct segment_head){
        .bytes = (uint32_t)get_be(p + 12, 4), .number = get_be(p + 16, 8), .first = get_be(p + 24, 8)};
    s->end = get_be(p + 32, 8);
    s->end_offset = (uint32_t)get_be(p + 40, 4);
    s->n_sparse = (size_t)get_be(p + 44, 4);
    s->tree->size = s->end;
    s->tree->pending_max = get_be(p + 48, 8);
    return s->head.bytes == h->bytes && s->head.number == h->number && s->head.first == h->first &&
           s->end > s->head.first && s->end_offset <= h->bytes &&
           s->n_sparse == (s->end - s->head.first - 1) / SPARSE_EVERY + 1 &&
           get_lengths(in, get_be(p + 8, 4), s);
}

static void get_before(const uint8_t *p, struct summary *s)
{
    s->before = malloc(s->n_before * sizeof *s->before);
    if (!s->before)
        abort();
    for (size_t i = 0; i < s->n_before; i++, p += SUMMARY_BEFORE)
        s->before[i] = (struct segment_head){.first = get_be(p, 8),
                                             .bytes = (uint32_t)get_be(p + 8, 4),
                                             .number = s->head.number - s->n_before + i};
}

static void get_rest(const uint8_t *p, struct summary *s)
{
    s->sparse = malloc(s->n_sparse * sizeof *s->sparse);
    if (!s->sparse)
        abort();
    for (size_t i = 0; i < s->n_sparse; i++, p += 4)
        s->sparse[i] = (uint32_t)get_be(p, 4);
    for (unsigned level = 0; level < TILE_LEVELS; level++) {
        size_t n = tiles_width(s->tree, level) * sizeof(struct digest);
        memcpy(s->tree->row[level], p, n);
        p += n;
    }
    if (s->n_before)
        get_before(p + 4, s);
}

/* ---- Files */

bool summary_read(int dir, const uint8_t pk[SIGN_PK_LEN], const struct segment_head *h, struct summary *s)
{
    char name[NAME_MAX_LEN];
    struct span all;
    struct arena *a = arena_new(0);
    *s = (struct summary){.tree = calloc(1, sizeof *s->tree)};
    if (!s->tree)
        abort();
    summary_name(name, h->number);
    bool ok = small_read(a, dir, name, SUMMARY_MAX, &all, NULL) == OK && all.len > SIGN_LEN;
    if (ok) {
        struct span body = span_sub(all, 0, all.len - SIGN_LEN);
        ok = get_head(body, h, s) && sign_check(pk, body, span_sub(all, body.len, all.len));
    }
    if (ok)
        get_rest(all.p + SUMMARY_HEAD, s);
    else
        summary_free(s);
    arena_free(a);
    return ok;
}

/* Synced before it has its name: a start looks at the newest only, so a power cut may leave an older one
 * absent, but not torn. */
static enum err write_summary(struct audit *au, struct arena *a, const struct summary *s, struct fail *f)
{
    char name[NAME_MAX_LEN];
    uint8_t signature[SIGN_LEN];
    struct span body = summary_put(a, s);
    sign_make(au->key, body, signature);
    summary_name(name, s->head.number);
    int fd = openat(au->dir, SUMMARY_TMP, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return io_fail(f, "creating", name);
    enum err e = io_write_all(fd, body.p, body.len, 0, name, f);
    if (!e)
        e = io_write_all(fd, signature, sizeof signature, body.len, name, f);
    if (!e && audit_io.fdatasync(fd) != 0)
        e = io_fail(f, "syncing", name);
    close(fd);
    if (!e && renameat(au->dir, SUMMARY_TMP, au->dir, name) != 0)
        e = io_fail(f, "naming", name);
    if (e)
        unlinkat(au->dir, SUMMARY_TMP, 0);
    return e;
}

/* The offset behind entry `last`. */
static bool find_end(struct audit *au, uint64_t last, uint32_t *offset)
{
    struct cursor c;
    struct record r;
    if (segments_seek(au, last, CURSOR_POINT, &c, NULL) != OK)
        return false;
    bool ok = cursor_next(&c, &r) == STEP_RECORD;
    *offset = (uint32_t)c.offset;
    cursor_close(&c);
    return ok;
}

/* What the table has before segment `number`; under its lock. */
static void take_before(const struct audit *au, uint64_t number, struct arena *a, struct summary *s)
{
    s->n_before = (size_t)(number - au->segments[0].head.number);
    s->before = ARENA_ARRAY(a, s->n_before + 1, struct segment_head);
    for (size_t i = 0; i < s->n_before; i++)
        s->before[i] = au->segments[i].head;
}

void summary_renew(struct audit *au, const struct summary *s)
{
    struct summary copy = *s;
    struct arena *a = arena_new(0);
    pthread_mutex_lock(&au->lock_segments);
    take_before(au, s->head.number, a, &copy);
    pthread_mutex_unlock(&au->lock_segments);
    write_summary(au, a, &copy, NULL);
    arena_free(a);
}

void summary_keep(struct audit *au, uint64_t number, const struct tiles *t)
{
    struct summary s = {.end = t->size, .tree = (struct tiles *)(uintptr_t)t};
    struct arena *a = arena_new(0);
    pthread_mutex_lock(&au->lock_segments);
    const struct segment *g = &au->segments[number - au->segments[0].head.number];
    s.head = g->head;
    s.n_sparse = g->n_sparse;
    s.sparse = (uint32_t *)(uintptr_t)arena_copy(a, span_of(g->sparse, g->n_sparse * sizeof *g->sparse)).p;
    take_before(au, number, a, &s);
    pthread_mutex_unlock(&au->lock_segments);
    bool whole = s.n_sparse == (s.end - s.head.first - 1) / SPARSE_EVERY + 1;
    if (whole && find_end(au, t->size - 1, &s.end_offset))
        write_summary(au, a, &s, NULL);
    arena_free(a);
}

bool summary_fits(int dir, const struct summary *s)
{
    char name[NAME_MAX_LEN];
    struct cursor c;
    struct record r;
    segment_name(name, s->head.number);
    int fd = io_open(dir, name);
    if (fd < 0)
        return false;
    cursor_start(&c, fd, &s->head, CURSOR_POINT);
    c.offset = s->sparse[s->n_sparse - 1];
    c.index = s->head.first + (s->n_sparse - 1) * SPARSE_EVERY;
    while (c.index < s->end && cursor_next(&c, &r) == STEP_RECORD)
        ;
    bool ok = c.index == s->end && c.offset == s->end_offset && cursor_next(&c, &r) == STEP_END;
    cursor_close(&c);
    return ok;
}
