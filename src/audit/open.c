// SPDX-License-Identifier: Apache-2.0
/* open.c: opening and recovering a log. The crash rule is in DESIGN.md. */
#include "audit_impl.h"
#include "file.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long long ull;

enum { LOCK_TRIES = 10 };

static enum err corrupt_at(struct fail *f, const char *name, const struct cursor *c, const char *why)
{
    enum err e = fail_set(f, ERR_CORRUPT, "audit/%s, offset %llu, entry %llu: %s", name, (ull)c->offset,
                          (ull)c->index, why);
    fail_hint(f, "run `troth audit verify`, keep a copy of the folder, and restore the file from a backup");
    return e;
}

/* ---- Segments */

static enum err open_segment(struct recovery *r, uint64_t number, bool write, struct segment_head *h,
                             int *out, struct fail *f)
{
    char name[NAME_MAX_LEN];
    uint8_t head[SEGMENT_HEAD];
    segment_name(name, number);
    int fd = audit_io.openat(r->au->dir, name, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return io_fail(f, "opening", name);
    const char *why = "the file is shorter than its head";
    if (pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head)
        why = segment_head_get(head, h);
    if (!why && h->number != number)
        why = "it is the segment of another place";
    /* Of one that is passed it is not known where it ends. */
    if (!why && (r->passing ? h->first < r->au->next : h->first != r->au->next))
        why = "it does not begin where the one before ends";
    if (!why) {
        *out = fd;
        return OK;
    }
    close(fd);
    return fail_set(f, ERR_CORRUPT, "audit/%s: %s (entry %llu is due)", name, why, (ull)r->au->next);
}

/* True if the tail may be cut here: nothing signed lies beyond, and no later segment says it was synced. */
static bool may_cut(const struct recovery *r, uint64_t number, uint64_t index)
{
    return index >= r->goal.size && number + 1 == r->n_segments;
}

static uint64_t file_bytes(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static enum err scan_segment(struct recovery *r, uint64_t number, struct fail *f)
{
    struct audit *au = r->au;
    struct segment_head h;
    struct cursor c;
    struct record rec;
    char name[NAME_MAX_LEN];
    enum step step;
    int fd;
    enum err e = open_segment(r, number, false, &h, &fd, f);
    if (e)
        return e;
    segment_name(name, number);
    segments_add(au, &h, false);
    cursor_start(&c, fd, &h, CURSOR_SCAN);
    while ((step = cursor_next(&c, &rec)) == STEP_RECORD) {
        segments_note(au, rec.index, rec.offset);
        if (rec.pending_id > au->pending_max)
            au->pending_max = rec.pending_id;
    }
    au->next = c.index;
    r->end = c.offset;
    if (step == STEP_IO)
        e = fail_set(f, ERR_IO, "reading %s failed", name);
    else if (step == STEP_BAD && !may_cut(r, number, c.index))
        e = corrupt_at(f, name, &c, c.why);
    else if (number + 1 < r->n_segments && file_bytes(fd) < h.bytes)
        e = corrupt_at(f, name, &c, "the file is shorter than its head says");
    else if (step == STEP_END && number + 1 == r->n_segments && c.index < r->goal.size)
        e = corrupt_at(f, name, &c, "the record ends here, but more was signed");
    cursor_close(&c);
    return e;
}

/* ---- What the last summary vouches for is not read again */

/* A summary that claims more than was signed, or that does not fit the file, is left alone, and the segment
 * is read from its beginning. */
static bool summary_holds(struct recovery *r, uint64_t number, struct summary *s)
{
    struct segment_head h;
    if (!segment_head_read(r->au->dir, number, &h))
        return false; /* whoever reads the segment says what is wrong */
    if (!summary_read(r->au->dir, r->id.pk, &h, s)) {
        if (r->au->key)
            summary_drop(r->au->dir, number);
        return false;
    }
    if (s->end <= r->goal.size && summary_fits(r->au->dir, s))
        return true;
    log_line(LOG_LVL_WARN, "audit", "the summary of segment %llu does not fit it: reading the segment",
             (ull)number);
    summary_free(s);
    return false;
}

/* Only the head is looked at. Where entries lie is found out when one is asked for (segments_seek). */
static enum err pass_segment(struct recovery *r, uint64_t number, struct fail *f)
{
    struct segment_head h;
    int fd;
    enum err e = open_segment(r, number, false, &h, &fd, f);
    if (e)
        return e;
    if (file_bytes(fd) < h.bytes)
        e = fail_set(f, ERR_CORRUPT, "audit/segment-%08llu: the file is shorter than its head says",
                     (ull)number);
    close(fd);
    segments_add(r->au, &h, false);
    r->passing = true;
    r->au->next = h.first;
    return e;
}

/* The segments before that one, as its summary has them: `from`, which begins where the log does, and all
 * behind it. */
static const struct segment_head *heads_before(const struct recovery *r, const struct summary *s,
                                               uint64_t from)
{
    if (!s->has_before || from < s->head.number - s->n_before || from >= s->head.number)
        return NULL;
    const struct segment_head *h = s->before + (s->n_before - (s->head.number - from));
    for (uint64_t i = 1; i < s->head.number - from; i++)
        if (h[i].first <= h[i - 1].first)
            return NULL;
    return h[0].first == r->au->next ? h : NULL;
}

/* No file of them is looked at before somebody asks for an entry of it: a start does not take longer because
 * the log is. */
static void pass_unseen(struct recovery *r, const struct segment_head *h, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        segments_add(r->au, &h[i], true);
    r->au->next = h[n - 1].first;
    r->passing = true;
}

/* Segments up to the newest one with a summary that holds; *behind is the number of the next. Without the
 * heads of the older ones in it, as a program before this one wrote it, the files are asked, once. */
static enum err pass_segments(struct recovery *r, uint64_t from, uint64_t *behind, struct fail *f)
{
    struct summary s;
    enum err e = OK;
    uint64_t last = r->n_segments - 1; /* it is not finished */
    while (last > from && !summary_holds(r, last - 1, &s))
        last--;
    *behind = last;
    if (last == from)
        return OK;
    const struct segment_head *known = heads_before(r, &s, from);
    if (known)
        pass_unseen(r, known, last - 1 - from);
    for (uint64_t i = known ? last - 1 : from; i < last && !e; i++)
        e = pass_segment(r, i, f);
    if (!e && !known && r->au->key && last - from > 1)
        summary_renew(r->au, &s);
    r->passing = false;
    r->au->next = s.end;
    if (s.tree->pending_max > r->au->pending_max)
        r->au->pending_max = s.tree->pending_max;
    r->start = s.tree;
    s.tree = NULL;
    summary_free(&s);
    return e;
}

static enum err scan_segments(struct recovery *r, struct fail *f)
{
    const struct floor *fl = atomic_load(&r->au->floor);
    uint64_t from = fl ? fl->number : 0, behind = from;
    enum err e = segments_count(r->a, r->au->path, from, &r->n_segments, f);
    if (!e && r->n_segments == from)
        e = fail_set(f, ERR_CORRUPT, "audit/segment-%08llu is missing", (ull)from);
    r->au->next = fl ? fl->size : 0;
    r->au->pending_max = fl ? fl->tree.pending_max : 0;
    if (!e)
        e = pass_segments(r, from, &behind, f);
    for (uint64_t i = behind; i < r->n_segments && !e; i++)
        e = scan_segment(r, i, f);
    return e;
}

/* Nothing written later may meet the remains of a torn group: zeros to the end, durably, in place. */
static enum err cut_tail(struct recovery *r, int fd, const struct segment_head *h, struct fail *f)
{
    struct cursor c;
    uint64_t at;
    uint8_t zeros[4096] = {0};
    int copy = dup(fd);
    if (copy < 0)
        return io_fail(f, "opening", "the last segment");
    cursor_start(&c, copy, h, CURSOR_POINT);
    c.offset = r->end;
    bool clean = cursor_rest_zero(&c, &at);
    cursor_close(&c);
    if (clean)
        return OK;
    log_line(LOG_LVL_WARN, "audit", "segment %llu: cutting an unfinished write at offset %llu, entry %llu",
             (ull)h->number, (ull)r->end, (ull)r->au->next);
    enum err e = OK;
    for (at = r->end; at < h->bytes && !e; at += sizeof zeros) {
        size_t n = h->bytes - at < sizeof zeros ? (size_t)(h->bytes - at) : sizeof zeros;
        e = io_write_all(fd, zeros, n, at, "the last segment", f);
    }
    if (!e && fsync(fd) != 0)
        e = io_fail(f, "syncing", "the last segment");
    return e;
}

static enum err open_last(struct recovery *r, struct fail *f)
{
    struct audit *au = r->au;
    struct segment_head h;
    uint64_t end = au->next;
    au->next = au->segments[au->n_segments - 1].head.first; /* what open_segment expects */
    enum err e = open_segment(r, r->n_segments - 1, true, &h, &au->fd, f);
    au->next = end;
    au->buf_at = r->end;
    spares_clear(au);
    return e ? e : cut_tail(r, au->fd, &h, f);
}

/* ---- Identity, notes, lock */

static enum err check_key(struct audit *au, const struct identity *id, struct fail *f)
{
    uint8_t pk[SIGN_PK_LEN];
    sign_key_public(au->key, pk);
    if (memcmp(pk, id->pk, SIGN_PK_LEN) == 0)
        return OK;
    enum err e = fail_set(f, ERR_NO_KEY, "audit-key is not the key of this log (audit/key.pub)");
    fail_hint(f, "restore audit-key from the backup of this data folder");
    return e;
}

static enum err read_notes(struct recovery *r, struct fail *f)
{
    struct audit *au = r->au;
    struct span note;
    enum err e = note_read(r->a, au->dir, "checkpoint", &r->id, &r->note, &r->published, f);
    r->goal = r->published;
    if (e || !au->key)
        return e;
    note = r->note;
    e = note_read(r->a, au->dir, "signed", &r->id, &r->note, &r->goal, f);
    if (!e && r->goal.size < r->published.size)
        e = fail_set(f, ERR_CORRUPT, "audit/checkpoint shows %llu entries, audit/signed only %llu",
                     (ull)r->published.size, (ull)r->goal.size);
    if (!e && r->goal.size == r->published.size && !span_eq(note, r->note))
        e = fail_set(f, ERR_CORRUPT, "audit/checkpoint and audit/signed differ for the same size");
    return e;
}

static enum err take_lock(struct audit *au, struct fail *f)
{
    au->lock = openat(au->dir, "origin", O_RDONLY | O_CLOEXEC);
    if (au->lock < 0)
        return io_fail(f, "opening", "audit/origin");
    for (unsigned tries = 0; tries < LOCK_TRIES; tries++) {
        const struct timespec pause = {.tv_nsec = 10 * 1000000L};
        if (flock(au->lock, LOCK_EX | LOCK_NB) == 0)
            return OK;
        nanosleep(&pause, NULL); /* a verifier may be asking whether we run */
    }
    return fail_set(f, ERR_CONFLICT, "another process has this log open");
}

static enum err open_folder(struct audit *au, const char *data, bool write, struct fail *f)
{
    au->path = arena_str(au->arena, arena_fmt(au->arena, "%s/audit", data));
    au->dir = open(au->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (au->dir < 0)
        return io_fail(f, "opening", au->path);
    if (!write)
        return OK;
    enum err e = take_lock(au, f);
    if (e)
        return e;
    return sign_key_read_file(arena_str(au->arena, arena_fmt(au->arena, "%s/audit-key", data)), &au->key, f);
}

static enum err read_floor(struct recovery *r, struct fail *f)
{
    struct floor *fl = NULL;
    enum err e = epoch_unit_read(r->a, r->au->dir, &r->au->unit, &r->au->names, f);
    if (!e)
        e = floor_read(r->a, r->au->dir, r->id.pk, &fl, f);
    atomic_store(&r->au->floor, fl);
    return e;
}

/* What a crash left between the last head of an epoch and its being kept. */
static enum err settle_epoch(struct recovery *r, const struct tiles *t, struct fail *f)
{
    enum err e = epoch_recover(r->au, f);
    return !e && r->au->key ? epoch_keep(r->au, t, r->note, f) : e;
}

static enum err recover(struct recovery *r, struct tiles *t, struct fail *f)
{
    struct audit *au = r->au;
    enum err e = identity_read(r->a, au->dir, &r->id, f);
    memcpy(au->pk, r->id.pk, SIGN_PK_LEN);
    if (!e && au->key)
        e = check_key(au, &r->id, f);
    if (!e)
        e = read_notes(r, f);
    if (!e)
        e = read_floor(r, f);
    if (!e)
        e = scan_segments(r, f);
    if (!e)
        e = recover_tree(r, t, f);
    if (!e && au->key)
        e = open_last(r, f);
    if (e)
        return e;
    au->origin = arena_copy(au->arena, r->id.origin);
    au->synced = au->next;
    atomic_store(&au->sealed, au->next);
    atomic_store(&au->bytes, au->segments[au->n_segments - 1].head.bytes);
    atomic_store(&au->left, au->segments[au->n_segments - 1].head.bytes - (uint32_t)r->end);
    atomic_store(&au->pending_done, au->pending_max);
    return settle_epoch(r, t, f);
}

static struct audit *audit_new(void)
{
    struct audit *au = calloc(1, sizeof *au);
    uint8_t *buf = malloc(BUFFER_BYTES + RECORD_MAX);
    if (!au || !buf)
        abort();
    *au = (struct audit){
        .dir = -1, .lock = -1, .fd = -1, .buf = buf, .arena = arena_new(0), .epoch = EPOCH_NONE};
    pthread_mutex_init(&au->lock_segments, NULL);
    pthread_mutex_init(&au->lock_spares, NULL);
    pthread_mutex_init(&au->lock_published, NULL);
    return au;
}

static enum err open_once(const char *data, bool write, struct audit **out, struct fail *f)
{
    struct audit *au = audit_new();
    struct tiles *t = calloc(1, sizeof *t);
    struct recovery r = {.au = au, .a = arena_new(0)};
    if (!t)
        abort();
    *out = NULL;
    enum err e = open_folder(au, data, write, f);
    if (!e)
        e = recover(&r, t, f);
    if (!e) {
        published_set(au, t, r.note);
        *out = au;
    } else {
        free(t);
        audit_close(au);
    }
    free(r.start);
    arena_free(r.a);
    return e;
}

/* A tool may meet a daemon that is pruning: the files it was about to read are gone, and the floor is
 * another. */
static enum err open_log(const char *data, bool write, struct audit **out, struct fail *f)
{
    struct fail first = {0};
    enum err e = open_once(data, write, out, &first);
    if (e == ERR_CORRUPT && !write)
        return open_once(data, write, out, f);
    if (e && f)
        *f = first;
    return e;
}

enum err audit_open(const char *data, struct audit **out, struct fail *f)
{
    return open_log(data, true, out, f);
}

enum err audit_open_read(const char *data, struct audit **out, struct fail *f)
{
    return open_log(data, false, out, f);
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void audit_close(struct audit *au)
{
    if (!au)
        return;
    close_fd(au->fd);
    close_fd(au->lock);
    close_fd(au->dir);
    for (size_t i = 0; i < au->n_segments; i++)
        free(au->segments[i].sparse);
    for (struct floor *fl = atomic_load(&au->floor), *older; fl; fl = older) {
        older = fl->older;
        free(fl);
    }
    free(au->segments);
    free(au->published);
    free(au->note);
    free(au->buf);
    sign_key_free(au->key);
    pthread_mutex_destroy(&au->lock_segments);
    pthread_mutex_destroy(&au->lock_spares);
    pthread_mutex_destroy(&au->lock_published);
    arena_free(au->arena);
    free(au);
}
