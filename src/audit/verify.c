// SPDX-License-Identifier: Apache-2.0
/*
 * verify.c: recomputing a log from its files, without the daemon. See audit.h.
 *
 * A daemon may be writing meanwhile. What the checkpoint covers does not change any more and is judged at
 * once; what looks wrong beyond it is looked at again a few times, because a group may be half way to the
 * disk.
 */
#include "audit_impl.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long long ull;

#define WITNESSED "audit/witnessed"
enum { PROGRESS_EVERY = 4096, SETTLE_TRIES = 5, SETTLE_MS = 30 };

struct verifier {
    struct arena *a;
    char *path;
    int dir;
    struct audit_report *report;
    void (*progress)(void *, uint64_t, uint64_t);
    void *ctx;
    struct identity id;
    const struct audit_older *older;
    size_t n_older;
    struct merkle_checkpoint head[AUDIT_OLDER_MAX + 1]; /* of older, and of `witnessed` */
    const char *head_name[AUDIT_OLDER_MAX + 1];
    size_t n_heads;
    struct epoch_note *epochs; /* the heads that are kept of closed epochs */
    size_t n_epochs;
    struct floor *floor;                  /* null: never pruned */
    struct merkle_checkpoint shown, goal; /* `checkpoint`; `signed`, which may be one step ahead */
    bool live;                            /* a daemon has the log open */
    uint64_t n_segments;
    struct segment_head *heads; /* of those verified so far, from the floor on */
    struct tiles *t;
    struct tile_fault tile;
    uint64_t index; /* of the next entry */
};

/* The first fault stands. Returns false, so that callers can return it. */
static bool __attribute__((format(printf, 2, 3))) fault(struct verifier *v, const char *fmt, ...)
{
    va_list args;
    if (v->report->fault[0])
        return false;
    va_start(args, fmt);
    vsnprintf(v->report->fault, sizeof v->report->fault, fmt, args);
    va_end(args);
    return false;
}

static bool fault_at(struct verifier *v, const char *name, const struct cursor *c, const char *why)
{
    return fault(v, "audit/%s, offset %llu, entry %llu: %s", name, (ull)c->offset, (ull)c->index, why);
}

/* ---- Identity and notes */

/* Content that is wrong is a fault of the log; a file that cannot be read is a failure of the check. */
static enum err as_fault(struct verifier *v, enum err e, const struct fail *why, struct fail *f)
{
    if (!e)
        return OK;
    if (e == ERR_IO)
        return fail_set(f, e, "%s", why->detail);
    fault(v, "audit/%s", why->detail);
    return OK;
}

/* Nothing of the record shows any more what stood there. Of the witnessed head that is as it should be: it
 * will be newer again. */
static void incomparable(struct verifier *v, const char *name)
{
    if (!strcmp(name, WITNESSED))
        return;
    if (v->report->n_incomparable++ == 0)
        v->report->incomparable = name;
}

/* A head that somebody kept: signed by this log, so this record must contain it. */
static void take_head(struct verifier *v, const char *name, struct span note)
{
    struct fail why = {0};
    struct merkle_checkpoint *c = &v->head[v->n_heads];
    if (merkle_checkpoint_read(v->a, note, v->id.pk, c, &why) != OK)
        fault(v, "%s: %s", name, why.detail);
    else if (!span_eq(c->origin, v->id.origin))
        fault(v, "%s: it is of another log, %.*s", name, SPAN_F(c->origin));
    else if (v->floor && c->size < v->floor->size)
        incomparable(v, name);
    else
        v->head_name[v->n_heads++] = name;
}

/* What is no head of a log of this name tells nothing about the record: the caller took the wrong file. One
 * of this name that another key signed does: the key may have been exchanged. */
static enum err check_given(struct verifier *v, const struct audit_older *given, struct fail *f)
{
    struct merkle_checkpoint c;
    if (merkle_checkpoint_read(v->a, given->note, NULL, &c, NULL) != OK) {
        fail_hint(f, "give a signed head (/audit/checkpoint) or a receipt; nothing was checked");
        return fail_set(f, ERR_BAD_VALUE, "%s: it is no head of a record, and no receipt", given->name);
    }
    if (span_eq(c.origin, v->id.origin))
        return OK;
    fail_hint(f, "this record is %.*s; nothing was checked", SPAN_F(v->id.origin));
    return fail_set(f, ERR_BAD_VALUE, "%s: it is of another record, %.*s", given->name, SPAN_F(c.origin));
}

/* Before the log's own notes, which must not be behind them. */
static enum err take_heads(struct verifier *v, struct fail *f)
{
    struct span note;
    for (size_t i = 0; i < v->n_older; i++) {
        enum err e = check_given(v, &v->older[i], f);
        if (e)
            return e;
        take_head(v, v->older[i].name, v->older[i].note);
    }
    if (small_read(v->a, v->dir, "witnessed", NOTE_FILE_MAX, &note, NULL) == OK)
        take_head(v, WITNESSED, note);
    return OK;
}

static void heads_within(struct verifier *v)
{
    for (size_t i = 0; i < v->n_heads; i++)
        if (v->head[i].size > v->goal.size)
            fault(v,
                  "%s: this log signed %llu entries, the record ends after %llu: its end was cut, or an "
                  "older copy "
                  "was put in its place",
                  v->head_name[i], (ull)v->head[i].size, (ull)v->goal.size);
    for (size_t i = 0; i < v->n_epochs; i++)
        if (v->epochs[i].head.size > v->goal.size)
            fault(v,
                  "audit/%s: the epoch ended with %llu entries, the record ends after %llu: its end was cut",
                  v->epochs[i].name, (ull)v->epochs[i].head.size, (ull)v->goal.size);
}

/* From where on there are entries, and the heads of what was before. */
static enum err read_floor(struct verifier *v, struct fail *why)
{
    enum err e = floor_read(v->a, v->dir, v->id.pk, &v->floor, why);
    if (!e)
        e = epoch_notes(v->a, v->dir, v->path, &v->id, &v->epochs, &v->n_epochs, why);
    v->report->epochs = v->n_epochs;
    if (e || !v->floor)
        return e;
    *v->t = v->floor->tree;
    v->index = v->report->minimum = v->floor->size;
    return OK;
}

static enum err read_identity(struct verifier *v, struct fail *f)
{
    struct fail why = {0};
    struct span note;
    enum err e = identity_read(v->a, v->dir, &v->id, &why);
    if (!e)
        e = read_floor(v, &why);
    enum err wrong = e ? OK : take_heads(v, f);
    if (wrong)
        return wrong;
    if (!e)
        e = note_read(v->a, v->dir, "checkpoint", &v->id, &note, &v->shown, &why);
    if (!e)
        e = note_read(v->a, v->dir, "signed", &v->id, &note, &v->goal, &why);
    if (!e && v->goal.size < v->shown.size)
        fault(v, "audit/signed: it holds %llu entries, the checkpoint shows %llu", (ull)v->goal.size,
              (ull)v->shown.size);
    if (!e)
        heads_within(v);
    return as_fault(v, e, &why, f);
}

/* ---- Tree */

static enum err compare_full(void *ctx, unsigned level, uint64_t index,
                             const struct digest row[MERKLE_TILE_WIDTH], struct fail *f)
{
    struct verifier *v = ctx;
    (void)f;
    if (v->t->size < v->shown.size) /* the entry being added is covered: its tile must be there */
        tile_compare(v->dir, level, index, 0, row, &v->tile);
    return OK;
}

/* The partial tile of the checkpoint; beside a running daemon it may have been replaced by a wider or the
 * full one. */
static bool partial_is_wider(const struct verifier *v, unsigned level, uint64_t index, unsigned width)
{
    struct digest have[MERKLE_TILE_WIDTH];
    for (unsigned w = width + 1; w <= MERKLE_TILE_WIDTH; w++) {
        if (tile_read(v->dir, level, index, w % MERKLE_TILE_WIDTH, have))
            return memcmp(have, v->t->row[level], width * sizeof have[0]) == 0;
    }
    return false;
}

static void compare_partials(struct verifier *v)
{
    for (unsigned level = 0; level < TILE_LEVELS; level++) {
        unsigned width = tiles_width(v->t, level);
        uint64_t index = tiles_index(v->t, level);
        struct tile_fault one = {0};
        if (width)
            tile_compare(v->dir, level, index, width, v->t->row[level], &one);
        if (one.missing && partial_is_wider(v, level, index, width))
            continue;
        if (one.any && !v->tile.any)
            v->tile = one;
    }
}

static const char *tile_name(struct verifier *v)
{
    return arena_str(v->a, merkle_tile_path(v->a, false, v->tile.level, v->tile.index, v->tile.width));
}

/* The segments differ from what was signed. A tile that kept the old hash tells which entry. */
static bool root_differs(struct verifier *v, const struct merkle_checkpoint *c, const char *name)
{
    const struct tile_fault *d = &v->tile;
    ull entry = d->index * MERKLE_TILE_WIDTH + d->at;
    if (d->any && !d->missing && d->level == 0)
        return fault(
            v,
            "entry %llu is not what was recorded: its hash differs from audit/%s, offset %u, and the root "
            "from audit/%s",
            entry, tile_name(v), d->at * 32, name);
    return fault(v, "audit/%s: the root of %llu entries differs from the one the segments give", name,
                 (ull)c->size);
}

static bool tile_differs(struct verifier *v)
{
    const struct tile_fault *d = &v->tile;
    unsigned shift = d->level * MERKLE_TILE_HEIGHT;
    ull entry = (d->index * MERKLE_TILE_WIDTH + d->at) << shift;
    if (d->missing)
        return fault(v, "audit/%s: the tile is missing or has the wrong length (entries from %llu)",
                     tile_name(v), (ull)(d->index * MERKLE_TILE_WIDTH << shift));
    return fault(v, "audit/%s, offset %u, entry %llu: the hash differs from the one the segments give",
                 tile_name(v), d->at * 32, entry);
}

static bool check_root(struct verifier *v, const struct merkle_checkpoint *c, const char *name)
{
    struct digest root;
    if (v->t->size != c->size)
        return true;
    tiles_root(v->t, &root);
    return memcmp(&root, &c->root, sizeof root) == 0 || root_differs(v, c, name);
}

/* Both heads carry the log's signature. If they differ, its history was rewritten by who has the key. */
static bool check_head(struct verifier *v, size_t i)
{
    struct digest root;
    if (v->t->size != v->head[i].size)
        return true;
    tiles_root(v->t, &root);
    return memcmp(&root, &v->head[i].root, sizeof root) == 0 ||
           fault(v,
                 "%s: this log signed another root for %llu entries than the record gives: one of its first "
                 "%llu "
                 "entries was changed",
                 v->head_name[i], (ull)v->head[i].size, (ull)v->head[i].size);
}

/* The head kept of the epoch that ends here. */
static bool check_epoch(struct verifier *v)
{
    struct digest root;
    for (size_t i = 0; i < v->n_epochs; i++) {
        if (v->epochs[i].head.size != v->t->size)
            continue;
        tiles_root(v->t, &root);
        if (memcmp(&root, &v->epochs[i].head.root, sizeof root) != 0)
            return fault(v, "audit/%s: the epoch ended with another root than the record gives",
                         v->epochs[i].name);
    }
    return true;
}

/* A closing entry at the end of a bundle: its epoch's head must be kept, under its name. */
static bool check_closing(struct verifier *v, struct span leaf)
{
    struct epoch_end end;
    char name[AUDIT_EPOCH_NAME];
    uint64_t size = v->index;
    if (size > v->shown.size || !epoch_is_last(size - 1) || !epoch_end_get(leaf, &end))
        return true;
    for (size_t i = 0; i < v->n_epochs; i++)
        if (v->epochs[i].head.size == size && v->epochs[i].number == end.closed &&
            v->epochs[i].unit == end.unit)
            return true;
    if (v->live && size == v->shown.size) /* it is being kept right now */
        return true;
    epoch_name(end.unit, end.closed, name);
    return fault(v, "audit/epochs/%s is missing: the head of %llu entries with which the epoch ended", name,
                 (ull)size);
}

/* At the sizes that were signed the root must be the signed one; tiles are blamed only when the root is
 * right. */
static bool check_signed_sizes(struct verifier *v)
{
    if (v->t->size == v->shown.size) {
        v->report->covered = v->shown.size;
        v->report->root = v->shown.root;
        compare_partials(v);
        if (!check_root(v, &v->shown, "checkpoint") || (v->tile.any && !tile_differs(v)))
            return false;
    }
    for (size_t i = 0; i < v->n_heads; i++)
        if (!check_head(v, i))
            return false;
    if (!check_epoch(v) || !check_root(v, &v->goal, "signed"))
        return false;
    if (v->t->size == v->goal.size) {
        v->report->covered = v->goal.size;
        v->report->root = v->goal.root;
    }
    return true;
}

static bool take_leaf(struct verifier *v, struct span leaf)
{
    struct digest h;
    if (v->progress && v->index % PROGRESS_EVERY == 0)
        v->progress(v->ctx, v->index, v->goal.size);
    v->index++;
    if (!check_closing(v, leaf))
        return false;
    if (v->t->size >= v->goal.size)
        return true;
    merkle_leaf(leaf, &h);
    tiles_add(v->t, &h, compare_full, v, NULL);
    return check_signed_sizes(v);
}

/* ---- Segments */

static bool settle(const struct verifier *v, const struct cursor *c, unsigned *tries)
{
    const struct timespec pause = {.tv_nsec = SETTLE_MS * 1000000L};
    if (!v->live || c->index < v->shown.size || ++*tries > SETTLE_TRIES)
        return false;
    nanosleep(&pause, NULL);
    return true;
}

static bool check_size(struct verifier *v, const char *name, const struct cursor *c)
{
    struct stat st;
    if (fstat(c->fd, &st) == 0 && st.st_size == (off_t)c->bytes)
        return true;
    return fault(v, "audit/%s, offset %llu: the file has %llu bytes, its head says %u", name,
                 (ull)(st.st_size < (off_t)c->bytes ? st.st_size : (off_t)c->bytes), (ull)st.st_size,
                 c->bytes);
}

/* What stands where the next record should begin is neither a record nor zeros to the end. */
static bool walk_fault(struct verifier *v, const char *name, const struct cursor *c, enum step step,
                       uint64_t at)
{
    if (step == STEP_IO)
        return fault_at(v, name, c, "reading fails");
    if (step == STEP_BAD)
        return fault_at(v, name, c, c->why);
    if (!check_size(v, name, c))
        return false;
    return fault(v, "audit/%s, offset %llu: bytes that belong to no entry (behind entry %llu)", name, (ull)at,
                 (ull)c->index);
}

static bool walk(struct verifier *v, const char *name, struct cursor *c)
{
    struct record r;
    unsigned tries = 0;
    for (;;) {
        uint64_t at = 0;
        enum step step = cursor_next(c, &r);
        if (step == STEP_RECORD) {
            tries = 0;
            if (!take_leaf(v, r.leaf))
                return false;
            continue;
        }
        if (step == STEP_END && cursor_rest_zero(c, &at))
            return check_size(v, name, c);
        if (!settle(v, c, &tries))
            return walk_fault(v, name, c, step, at);
        cursor_refresh(c);
    }
}

static const char *head_fault(const struct verifier *v, int fd, uint64_t number, struct segment_head *h)
{
    uint8_t head[SEGMENT_HEAD];
    if (pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head)
        return "the file is shorter than its head";
    const char *why = segment_head_get(head, h);
    if (why)
        return why;
    if (h->number != number)
        return "it is the segment of another place";
    return h->first == v->index ? NULL : "it does not begin where the one before ends";
}

static uint64_t first_segment(const struct verifier *v)
{
    return v->floor ? v->floor->number : 0;
}

/* The heads it has of segments before, as far as they were not pruned. */
static bool check_before(const struct verifier *v, const struct summary *s)
{
    for (size_t i = 0; i < s->n_before; i++) {
        const struct segment_head *said = &s->before[i];
        if (said->number < first_segment(v))
            continue;
        const struct segment_head *is = &v->heads[said->number - first_segment(v)];
        if (said->first != is->first || said->bytes != is->bytes)
            return false;
    }
    return true;
}

/* A summary that is there must be the one its segment has: a start believes it. Its tree is the one that all
 * entries up to here give, if they are signed. */
static bool check_summary(struct verifier *v, const struct segment_head *h)
{
    struct summary s;
    if (!summary_exists(v->dir, h->number))
        return true;
    bool ok = summary_read(v->dir, v->id.pk, h, &s);
    ok = ok && s.end == v->index && summary_fits(v->dir, &s) && check_before(v, &s);
    if (ok && v->t->size == v->index) {
        struct digest mine, kept;
        tiles_root(v->t, &mine);
        tiles_root(s.tree, &kept);
        ok = memcmp(&mine, &kept, sizeof mine) == 0;
    }
    summary_free(&s);
    return ok || fault(v,
                       "audit/summary-%08llu: not the summary of its segment; without the file its "
                       "segment is read instead",
                       (ull)h->number);
}

static bool pruned_meanwhile(struct verifier *v)
{
    struct floor *now = NULL;
    bool yes = floor_read(v->a, v->dir, v->id.pk, &now, NULL) == OK && now && now->size > v->index;
    free(now);
    return yes;
}

static bool check_segment(struct verifier *v, uint64_t number)
{
    char name[NAME_MAX_LEN];
    struct segment_head h;
    struct cursor c;
    segment_name(name, number);
    int fd = io_open(v->dir, name);
    if (fd < 0 && pruned_meanwhile(v))
        return fault(v, "the record is being pruned: verify it again");
    if (fd < 0)
        return fault(v, "audit/%s: the file cannot be opened (entry %llu is due)", name, (ull)v->index);
    const char *why = head_fault(v, fd, number, &h);
    if (why) {
        close(fd);
        return fault(v, "audit/%s, offset 0, entry %llu: %s", name, (ull)v->index, why);
    }
    cursor_start(&c, fd, &h, CURSOR_SCAN);
    bool ok = walk(v, name, &c);
    cursor_close(&c);
    v->heads[number - first_segment(v)] = h;
    return ok && check_summary(v, &h);
}

/* The floor must be the end of an epoch whose head is kept: else somebody moved it. */
static bool floor_is_kept(struct verifier *v)
{
    bool kept = !v->floor;
    for (size_t i = 0; i < v->n_epochs; i++)
        kept |= v->floor && v->epochs[i].head.size == v->floor->size;
    return kept ||
           fault(v,
                 "audit/floor: entries below %llu are said to be pruned, but no epoch is kept that ended "
                 "there",
                 (ull)v->floor->size);
}

static bool check_segments(struct verifier *v)
{
    bool ok = floor_is_kept(v) && check_signed_sizes(v); /* of an empty log, or of what was pruned */
    v->heads = ARENA_ARRAY(v->a, v->n_segments - first_segment(v) + 1, struct segment_head);
    for (uint64_t i = first_segment(v); i < v->n_segments && ok; i++)
        ok = check_segment(v, i);
    v->report->entries = v->index;
    if (ok && v->index < v->goal.size)
        return fault(v, "%llu entries were signed, the segments end after %llu: entry %llu is missing",
                     (ull)v->goal.size, (ull)v->index, (ull)v->index);
    return ok;
}

/* The daemon holds `origin` locked as long as it runs. */
static bool is_live(int dir)
{
    int fd = openat(dir, "origin", O_RDONLY | O_CLOEXEC);
    bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    return held;
}

/* The notes first: every segment they cover has its name by then. */
static enum err verify(struct verifier *v, struct fail *f)
{
    struct fail why = {0};
    v->live = is_live(v->dir);
    enum err e = read_identity(v, f);
    if (!e)
        e = as_fault(v, segments_count(v->a, v->path, first_segment(v), &v->n_segments, &why), &why, f);
    if (!e && !v->report->fault[0])
        v->report->ok = check_segments(v);
    return e;
}

enum err audit_verify(const char *data, struct audit_report *report,
                      void (*progress)(void *, uint64_t, uint64_t), void *ctx, struct fail *f)
{
    return audit_verify_older(data, NULL, 0, report, progress, ctx, f);
}

enum err audit_verify_older(const char *data, const struct audit_older *older, size_t n,
                            struct audit_report *report, void (*progress)(void *, uint64_t, uint64_t),
                            void *ctx, struct fail *f)
{
    struct verifier v = {.a = arena_new(0), .report = report, .progress = progress, .ctx = ctx};
    v.older = older;
    v.n_older = n < AUDIT_OLDER_MAX ? n : AUDIT_OLDER_MAX;
    *report = (struct audit_report){0};
    v.path = arena_str(v.a, arena_fmt(v.a, "%s/audit", data));
    v.t = calloc(1, sizeof *v.t);
    if (!v.t)
        abort();
    v.dir = open(v.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err e = v.dir < 0 ? io_fail(f, "opening", v.path) : verify(&v, f);
    if (v.dir >= 0)
        close(v.dir);
    free(v.t);
    free(v.floor);
    arena_free(v.a);
    return e;
}
