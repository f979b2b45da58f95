// SPDX-License-Identifier: Apache-2.0
/* segments.c: the table of segments with its sparse index, and new segment files. */
#include "audit_impl.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SPARE_PREFIX "segment-next" /* sorts after all numbers and is never read */

void segments_add(struct audit *au, const struct segment_head *h, bool unseen)
{
    pthread_mutex_lock(&au->lock_segments);
    au->segments = list_grown(au->segments, au->n_segments, &au->cap_segments, sizeof *au->segments);
    au->segments[au->n_segments++] = (struct segment){.head = *h, .unseen = unseen};
    pthread_mutex_unlock(&au->lock_segments);
}

void segments_note(struct audit *au, uint64_t index, uint64_t offset)
{
    struct segment *s = &au->segments[au->n_segments - 1]; /* only the committer changes the table */
    if ((index - s->head.first) % SPARSE_EVERY != 0)
        return;
    pthread_mutex_lock(&au->lock_segments);
    s->sparse = list_grown(s->sparse, s->n_sparse, &s->cap_sparse, sizeof *s->sparse);
    s->sparse[s->n_sparse++] = (uint32_t)offset;
    pthread_mutex_unlock(&au->lock_segments);
}

bool segment_head_read(int dir, uint64_t number, struct segment_head *h)
{
    char name[NAME_MAX_LEN];
    uint8_t head[SEGMENT_HEAD];
    segment_name(name, number);
    int fd = io_open(dir, name);
    bool ok = fd >= 0 && pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
              !segment_head_get(head, h) && h->number == number;
    if (fd >= 0)
        close(fd);
    return ok;
}

/* The last segment that begins at or before index. */
static const struct segment *segment_of(const struct audit *au, uint64_t index)
{
    size_t lo = 0, hi = au->n_segments;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (au->segments[mid].head.first <= index)
            lo = mid;
        else
            hi = mid;
    }
    return &au->segments[lo];
}

static enum err skip_to(struct cursor *c, uint64_t index, const char *name, struct fail *f)
{
    struct record r;
    while (c->index < index) {
        uint64_t at = c->offset;
        if (cursor_next(c, &r) == STEP_RECORD)
            continue;
        enum err e = fail_set(f, ERR_CORRUPT, "%s, offset %llu, entry %llu: the record cannot be read", name,
                              (unsigned long long)at, (unsigned long long)c->index);
        cursor_close(c);
        return e;
    }
    return OK;
}

static enum err segment_cursor(const struct audit *au, const struct segment_head *h, size_t window,
                               struct cursor *c, struct fail *f)
{
    char name[NAME_MAX_LEN];
    segment_name(name, h->number);
    int fd = io_open(au->dir, name);
    if (fd < 0)
        return io_fail(f, "opening", name);
    cursor_start(c, fd, h, window);
    return OK;
}

/* ---- Offsets of a segment that the open has passed */

/* Up to its end, or to where it is damaged: whoever goes on from there is told. */
static enum err offsets_read(const struct audit *au, const struct segment_head *h, struct segment *out,
                             struct fail *f)
{
    struct cursor c;
    struct record r;
    enum err e = segment_cursor(au, h, CURSOR_SCAN, &c, f);
    if (e)
        return e;
    enum step step;
    while ((step = cursor_next(&c, &r)) == STEP_RECORD) {
        if ((r.index - h->first) % SPARSE_EVERY != 0)
            continue;
        out->sparse = list_grown(out->sparse, out->n_sparse, &out->cap_sparse, sizeof *out->sparse);
        out->sparse[out->n_sparse++] = (uint32_t)r.offset;
    }
    cursor_close(&c);
    return step == STEP_IO ? fail_set(f, ERR_IO, "reading segment %llu failed", (unsigned long long)h->number)
                           : OK;
}

/* A summary is believed if its segment ends where it says. */
static bool offsets_kept(const struct audit *au, const struct segment_head *h, struct segment *out)
{
    struct summary s;
    if (!summary_read(au->dir, au->pk, h, &s))
        return false;
    bool fits = summary_fits(au->dir, &s);
    if (fits) {
        out->sparse = s.sparse;
        out->n_sparse = out->cap_sparse = s.n_sparse;
        s.sparse = NULL;
    }
    summary_free(&s);
    return fits;
}

/* Two may do it at the same time: the second finds the place taken. */
static enum err offsets_load(struct audit *au, const struct segment_head *h, struct fail *f)
{
    struct segment found = {0};
    enum err e = offsets_kept(au, h, &found) ? OK : offsets_read(au, h, &found, f);
    pthread_mutex_lock(&au->lock_segments);
    for (size_t i = 0; !e && i < au->n_segments; i++) {
        struct segment *s = &au->segments[i];
        if (s->head.number != h->number || s->sparse)
            continue;
        s->sparse = found.sparse;
        s->n_sparse = found.n_sparse;
        s->cap_sparse = found.cap_sparse;
        found.sparse = NULL;
    }
    pthread_mutex_unlock(&au->lock_segments);
    free(found.sparse);
    return e;
}

/* ---- The file of a segment that the open knows from a summary only */

/* Null if it is the one that the summary was signed for, else what is wrong. */
static const char *head_differs(const uint8_t head[SEGMENT_HEAD], const struct segment_head *want,
                                uint64_t size)
{
    struct segment_head h;
    const char *why = segment_head_get(head, &h);
    if (why)
        return why;
    if (h.number != want->number)
        return "it is the segment of another place";
    if (h.first != want->first)
        return "it does not begin where the one before ends";
    if (h.bytes != want->bytes)
        return "its head says another size than was signed";
    return size < h.bytes ? "the file is shorter than its head says" : NULL;
}

static enum err file_look(int fd, const struct segment_head *want, struct fail *f)
{
    uint8_t head[SEGMENT_HEAD];
    struct stat st;
    ssize_t n = pread(fd, head, sizeof head, 0);
    if (n < 0 || fstat(fd, &st) != 0)
        return fail_set(f, ERR_IO, "reading segment %llu failed", (unsigned long long)want->number);
    const char *why = n < (ssize_t)sizeof head ? "the file is shorter than its head"
                                               : head_differs(head, want, (uint64_t)st.st_size);
    if (!why)
        return OK;
    return fail_set(f, ERR_CORRUPT, "audit/segment-%08llu: %s (entry %llu is due)",
                    (unsigned long long)want->number, why, (unsigned long long)want->first);
}

/* Two may do it at the same time: they find the same. */
static enum err segment_look(struct audit *au, const struct segment_head *h, struct fail *f)
{
    char name[NAME_MAX_LEN];
    segment_name(name, h->number);
    int fd = io_open(au->dir, name);
    if (fd < 0)
        return io_fail(f, "opening", name);
    enum err e = file_look(fd, h, f);
    close(fd);
    pthread_mutex_lock(&au->lock_segments);
    for (size_t i = 0; !e && i < au->n_segments; i++)
        if (au->segments[i].head.number == h->number)
            au->segments[i].unseen = false;
    pthread_mutex_unlock(&au->lock_segments);
    return e;
}

/* ---- Finding an entry */

struct place {
    struct segment_head head;
    uint64_t index, offset; /* of an entry at or before the one that is sought */
    bool unknown;           /* nobody asked for an entry of this segment yet */
    bool unseen;            /* nor was its file looked at */
};

/* False: it was pruned since the caller looked. */
static bool place_of(struct audit *au, uint64_t index, struct place *p)
{
    pthread_mutex_lock(&au->lock_segments);
    const struct segment *s = segment_of(au, index);
    *p = (struct place){.head = s->head, .index = s->head.first, .offset = SEGMENT_HEAD, .unseen = s->unseen};
    bool there = index >= s->head.first;
    size_t slot = there ? (size_t)(index - s->head.first) / SPARSE_EVERY : 0;
    p->unknown = slot > 0 && !s->sparse;
    if (slot > 0 && s->sparse && slot < s->n_sparse) {
        p->offset = s->sparse[slot];
        p->index += slot * SPARSE_EVERY;
    }
    pthread_mutex_unlock(&au->lock_segments);
    return there;
}

enum err segments_seek(struct audit *au, uint64_t index, size_t window, struct cursor *c, struct fail *f)
{
    char name[NAME_MAX_LEN];
    struct place p;
    bool there = place_of(au, index, &p);
    enum err e = there && p.unseen ? segment_look(au, &p.head, f) : OK;
    if (!e && there && p.unknown) {
        e = offsets_load(au, &p.head, f);
        there = place_of(au, index, &p);
    }
    if (e)
        return e;
    if (!there)
        return entry_pruned(f, index);
    e = segment_cursor(au, &p.head, window, c, f);
    if (e)
        return e;
    c->offset = p.offset;
    c->index = p.index;
    segment_name(name, p.head.number);
    return skip_to(c, index, name, f);
}

/* ---- Room for segments to come: files of their size that have no head yet */

static void spare_name(char out[NAME_MAX_LEN], unsigned i)
{
    if (i)
        snprintf(out, NAME_MAX_LEN, SPARE_PREFIX "-%u", i);
    else
        snprintf(out, NAME_MAX_LEN, SPARE_PREFIX);
}

/* What cannot succeed is not tried: it would take the last room away from others for a moment. */
static bool no_room(int dir, uint32_t bytes)
{
    struct statvfs st;
    return fstatvfs(dir, &st) == 0 && st.f_blocks && (uint64_t)st.f_bfree * st.f_frsize < bytes;
}

/* The room is taken at once, so that a full disk is known before anything is written, and then filled: in a
 * block that was only promised, each sync of an entry would have to write beside it that the block is in use
 * now. */
static enum err allocate_all(int fd, uint32_t bytes, struct fail *f)
{
    static const uint8_t zeros[64 << 10];
    if (audit_io.fallocate(fd, 0, 0, bytes) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        return io_fail(f, "making room for", "a segment");
    enum err e = OK;
    for (uint32_t at = 0; at < bytes && !e; at += (uint32_t)sizeof zeros) {
        size_t n = bytes - at < sizeof zeros ? bytes - at : sizeof zeros;
        e = io_write_all(fd, zeros, n, at, "a segment", f);
    }
    return e;
}

/* Synced here, so that little is left to sync when it is needed. */
static enum err spare_make(int dir, unsigned i, uint32_t bytes, struct fail *f)
{
    char name[NAME_MAX_LEN];
    spare_name(name, i);
    if (no_room(dir, bytes)) {
        errno = ENOSPC;
        return io_fail(f, "making room for", "a segment");
    }
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return io_fail(f, "creating", name);
    enum err e = allocate_all(fd, bytes, f);
    if (!e && fsync(fd) != 0)
        e = io_fail(f, "syncing", name);
    close(fd);
    if (e)
        unlinkat(dir, name, 0);
    return e;
}

enum err spares_want(struct audit *au, unsigned n, uint32_t bytes, struct fail *f)
{
    enum err e = OK;
    pthread_mutex_lock(&au->lock_spares);
    while (!e && au->n_spares < n) {
        e = spare_make(au->dir, au->n_spares, bytes, f);
        au->n_spares += e == OK;
    }
    pthread_mutex_unlock(&au->lock_spares);
    return e;
}

void spares_clear(const struct audit *au)
{
    char name[NAME_MAX_LEN];
    unsigned i = 0;
    do
        spare_name(name, i++);
    while (unlinkat(au->dir, name, 0) == 0);
}

static enum err sync_name(int dir, struct fail *f)
{
    return fsync(dir) == 0 ? OK : io_fail(f, "syncing", "the log's folder");
}

/* The old segment's end, then the head, then the name: a segment with a name has a good head, and everything
 * before it is durable. What has a name keeps it: that it could be taken away durably is not known. */
static enum err segment_name_it(const struct segment_make *m, int fd, const char *spare, bool *named,
                                struct fail *f)
{
    char name[NAME_MAX_LEN];
    uint8_t head[SEGMENT_HEAD];
    segment_name(name, m->head.number);
    segment_head_put(&m->head, head);
    enum err e = m->before_name ? m->before_name(m->ctx, f) : OK;
    if (!e)
        e = io_write_all(fd, head, sizeof head, 0, name, f);
    if (!e && fsync(fd) != 0)
        e = io_fail(f, "syncing", name);
    if (!e && renameat(m->dir, spare, m->dir, name) != 0)
        e = io_fail(f, "naming", name);
    *named = !e;
    return e ? e : sync_name(m->dir, f);
}

static enum err segment_from(const struct segment_make *m, unsigned i, int *out, bool *named, struct fail *f)
{
    char spare[NAME_MAX_LEN];
    spare_name(spare, i);
    *named = false;
    int fd = openat(m->dir, spare, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return io_fail(f, "opening", spare);
    enum err e = segment_name_it(m, fd, spare, named, f);
    if (e)
        close(fd);
    else
        *out = fd;
    return e;
}

enum err segment_create(const struct segment_make *m, int *out, struct fail *f)
{
    bool named;
    enum err e = spare_make(m->dir, 0, m->head.bytes, f);
    return e ? e : segment_from(m, 0, out, &named, f);
}

enum err segment_next(struct audit *au, const struct segment_make *m, int *out, bool *named, struct fail *f)
{
    *named = false;
    enum err e = spares_want(au, 1, m->head.bytes, f);
    if (e)
        return e;
    pthread_mutex_lock(&au->lock_spares);
    e = segment_from(m, au->n_spares - 1, out, named, f);
    au->n_spares -= *named;
    pthread_mutex_unlock(&au->lock_spares);
    return e;
}

enum err segments_count(struct arena *a, const char *path, uint64_t from, uint64_t *behind, struct fail *f)
{
    struct span *names;
    size_t count = 0;
    char want[NAME_MAX_LEN], first[NAME_MAX_LEN];
    enum err e = file_list(a, path, "", &names, &count, f);
    if (e)
        return e;
    *behind = from;
    segment_name(first, from);
    for (size_t i = 0; i < count; i++) {
        if (!span_starts(names[i], "segment-") || span_starts(names[i], SPARE_PREFIX) ||
            span_cmp(names[i], span_str(first)) < 0)
            continue;
        segment_name(want, *behind);
        if (!span_is(names[i], want))
            return fail_set(f, ERR_CORRUPT, "%s is missing, %.*s is there", want, SPAN_F(names[i]));
        (*behind)++;
    }
    return OK;
}
