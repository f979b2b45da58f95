// SPDX-License-Identifier: Apache-2.0
/* append.c: the committer's side: append, seal. See audit.h and the crash rule in DESIGN.md. */
#include "audit_impl.h"

#include <unistd.h>

static enum err stopped(struct fail *f)
{
    enum err e =
        fail_set(f, ERR_STOPPED, "the record could not be written; nothing is acknowledged any more");
    fail_hint(f, "see the log for the disk's error, then restart the daemon");
    return e;
}

/* What reached the disk is unknown now, and asking again would not tell: the kernel reports a lost write
 * once. */
static enum err stop(struct audit *au, enum err e)
{
    atomic_store(&au->stopped, true);
    return e;
}

static enum err write_buffer(struct audit *au, struct fail *f)
{
    if (au->buf_len == 0)
        return OK;
    enum err e = io_write_all(au->fd, au->buf, au->buf_len, au->buf_at, "the last segment", f);
    if (e)
        return stop(au, e);
    au->buf_at += au->buf_len;
    au->buf_len = 0;
    return OK;
}

static enum err sync_segment(struct audit *au, struct fail *f)
{
    enum err e = write_buffer(au, f);
    if (e)
        return e;
    if (au->synced == au->next)
        return OK;
    if (audit_io.fdatasync(au->fd) != 0)
        return stop(au, io_fail(f, "syncing", "the last segment"));
    au->synced = au->next;
    return OK;
}

static enum err before_name(void *ctx, struct fail *f)
{
    return sync_segment(ctx, f);
}

static const struct segment_head *last_head(const struct audit *au)
{
    return &au->segments[au->n_segments - 1].head;
}

/* Without room for a new segment nothing has changed: the entry is refused, readers go on. Any other failure
 * leaves open what the folder holds. */
static enum err roll(struct audit *au, struct fail *f)
{
    const struct segment_make m = {
        .dir = au->dir,
        .head = {.bytes = last_head(au)->bytes, .number = last_head(au)->number + 1, .first = au->next},
        .before_name = before_name,
        .ctx = au,
    };
    int fd;
    bool named;
    enum err e = segment_next(au, &m, &fd, &named, f);
    if (e)
        return e == ERR_DISK_FULL && !named ? e : stop(au, e);
    close(au->fd);
    au->fd = fd;
    au->buf_at = SEGMENT_HEAD;
    segments_add(au, &m.head, false);
    return OK;
}

static bool fits(const struct audit *au, uint64_t len)
{
    return au->buf_at + au->buf_len + len <= last_head(au)->bytes;
}

static enum err make_room(struct audit *au, size_t len, struct fail *f)
{
    if (!fits(au, len))
        return roll(au, f);
    return au->buf_len + len > BUFFER_BYTES ? write_buffer(au, f) : OK;
}

static enum err append(struct audit *au, const struct audit_entry *e, uint64_t *index, struct fail *f)
{
    uint8_t leaf[AUDIT_LEAF_MAX];
    struct record r = {.index = au->next, .pending_id = e->pending_id, .detail = e->detail};
    r.leaf = span_of(leaf, audit_leaf_put(&e->leaf, leaf));
    enum err err = make_room(au, RECORD_HEAD + r.leaf.len + r.detail.len, f);
    if (err)
        return err;
    segments_note(au, r.index, au->buf_at + au->buf_len);
    au->buf_len += record_put(&r, au->buf + au->buf_len);
    if (e->pending_id > au->pending_max)
        au->pending_max = e->pending_id;
    *index = au->next++;
    return OK;
}

/* ---- The end of an epoch */

/* Up to the end of a bundle, so that a bundle belongs to one epoch. */
static enum err fill_bundle(struct audit *au, uint32_t next, struct instant now, struct fail *f)
{
    struct audit_entry e = {0};
    uint64_t index;
    epoch_end_leaf(&(struct epoch_end){au->unit, au->epoch, next}, now, &e.leaf);
    do {
        enum err err = append(au, &e, &index, f);
        if (err)
            return err;
    } while (!epoch_is_last(index));
    au->epoch_next = next;
    au->closed = true;
    return OK;
}

/* Before the first entry of a new epoch. A clock that was put back changes nothing: epochs only follow. What
 * a full disk interrupts is taken up by the next entry. */
static enum err epoch_turn(struct audit *au, struct instant now, struct fail *f)
{
    if (!au->closed && now.ms < au->epoch_ends)
        return OK;
    uint32_t number = epoch_number(au->unit, now);
    enum err e = OK;
    if (au->epoch == EPOCH_NONE)
        au->epoch = number;
    if (!au->closed && number <= au->epoch) {
        au->epoch_ends = epoch_start(au->unit, au->epoch + 1).ms;
        return OK;
    }
    if (!au->closed)
        e = fill_bundle(au, number, now, f);
    if (!e && last_head(au)->first != au->next)
        e = roll(au, f);
    if (e)
        return e;
    au->epoch = number > au->epoch_next ? number : au->epoch_next;
    au->epoch_ends = epoch_start(au->unit, au->epoch + 1).ms;
    au->closed = false;
    return OK;
}

enum err audit_append(struct audit *au, const struct audit_entry *e, uint64_t *index, struct fail *f)
{
    if (atomic_load(&au->stopped))
        return stopped(f);
    if (!au->key)
        return fail_set(f, ERR_INTERNAL, "the log is open for reading only");
    if (e->detail.len > AUDIT_DETAIL_MAX)
        return fail_set(f, ERR_TOO_LARGE, "the detail of an entry has %zu bytes, %d are allowed",
                        e->detail.len, AUDIT_DETAIL_MAX);
    enum err err = epoch_turn(au, e->leaf.time, f);
    return err ? err : append(au, e, index, f);
}

/* ---- Room before it is needed */

size_t audit_entry_bytes(const struct audit_entry *e)
{
    return RECORD_HEAD + AUDIT_LEAF_LEN + e->detail.len;
}

/* How many segments behind the last one so many bytes may need; each can lose a record's room at its end. */
static unsigned segments_for(const struct audit *au, uint64_t bytes)
{
    uint64_t whole = last_head(au)->bytes - SEGMENT_HEAD;
    uint64_t sure = whole > 2 * RECORD_MAX ? whole - RECORD_MAX : whole / 2;
    return (unsigned)((bytes + sure - 1) / sure);
}

/* In one segment, if one takes them: then nothing but the disk itself can come between them and their seal.
 */
static enum err reserve(struct audit *au, uint64_t bytes, struct fail *f)
{
    enum err e = fits(au, bytes) ? OK : roll(au, f);
    if (e || fits(au, bytes))
        return e;
    return spares_want(au, segments_for(au, bytes), last_head(au)->bytes, f);
}

enum err audit_reserve(struct audit *au, uint64_t bytes, struct instant newest, struct fail *f)
{
    if (atomic_load(&au->stopped))
        return stopped(f);
    if (!au->key)
        return fail_set(f, ERR_INTERNAL, "the log is open for reading only");
    if (bytes == 0)
        return OK;
    enum err e = epoch_turn(au, newest, f);
    if (!e)
        e = reserve(au, bytes, f);
    if (!e || !atomic_load(&au->stopped))
        return e;
    if (f)
        f->code = ERR_STOPPED;
    return ERR_STOPPED;
}

enum err audit_prepare(struct audit *au, struct fail *f)
{
    uint32_t bytes = (uint32_t)atomic_load(&au->bytes);
    return atomic_load(&au->left) < bytes / 2 ? spares_want(au, 1, bytes, f) : OK;
}

/* Where the last segment stands, for who prepares the next. */
static void tell_left(struct audit *au)
{
    uint32_t bytes = last_head(au)->bytes;
    atomic_store(&au->bytes, bytes);
    atomic_store(&au->left, bytes - (uint32_t)au->buf_at);
}

enum err audit_seal(struct audit *au, struct fail *f)
{
    if (atomic_load(&au->stopped))
        return stopped(f);
    if (!au->key)
        return OK;
    enum err e = sync_segment(au, f);
    if (e)
        return e;
    tell_left(au);
    atomic_store(&au->pending_done, au->pending_max);
    atomic_store_explicit(&au->sealed, au->next, memory_order_release);
    return OK;
}

struct audit_end audit_end(const struct audit *au)
{
    return (struct audit_end){.size = au->synced, .segment = last_head(au)->number, .offset = au->buf_at};
}
