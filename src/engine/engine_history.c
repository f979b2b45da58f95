// SPDX-License-Identifier: Apache-2.0
/*
 * The historian: history.db follows the record.
 *
 * Rows come in memory with each sealed group and are written behind the answers. What memory could not take,
 * or a crash lost, is looked up in the record from the mark on: history_mark.entries says below which entry
 * all is written. Doing a row twice is harmless.
 */
#include "engine_impl.h"

#include "log.h"

#include <stdlib.h>

/* ---- Writing (the historian's thread, and the start) */

static enum err finish(struct store *st, enum err err, uint64_t mark, struct fail *f)
{
    if (err == OK)
        err = store_run(st, Q_HISTORY_MARK_SET, ARGS(ARG_I(mark)), NULL, f);
    if (err == OK)
        return store_commit(st, f);
    store_rollback(st);
    return err;
}

/* By person, then by entry. An erasure's row has its person's highest entry, and comes last. */
static int row_order(const void *a, const void *b)
{
    const struct history_row *x = a, *y = b;
    int by_person = memcmp(x->row.subject, y->row.subject, ID_LEN);
    return by_person ? by_person : (x->row.entry > y->row.entry) - (x->row.entry < y->row.entry);
}

static bool same_person(const struct history_row *a, const struct history_row *b)
{
    return memcmp(a->row.subject, b->row.subject, ID_LEN) == 0;
}

/* Rows in order, as they are to be added: each once, none of those erased, whose older rows go. */
static enum err rows_settle(struct store *st, const struct history_row *rows, size_t n,
                            struct store_history_row *out, size_t *n_out, struct fail *f)
{
    enum err err = OK;
    size_t from = 0; /* of the person's in `out` */
    *n_out = 0;
    for (size_t i = 0; i < n && err == OK; i++) {
        if (i == 0 || !same_person(&rows[i - 1], &rows[i]))
            from = *n_out;
        if (rows[i].drop) {
            *n_out = from;
            err = store_history_drop(st, span_of(rows[i].row.subject, ID_LEN), f);
        } else if (*n_out == from || out[*n_out - 1].entry != rows[i].row.entry) {
            out[(*n_out)++] = rows[i].row;
        }
    }
    return err;
}

static enum err rows_write(struct store *st, struct history_row *rows, size_t n, uint64_t mark,
                           struct fail *f)
{
    struct store_history_row *out = malloc((n ? n : 1) * sizeof *out);
    size_t n_out = 0;
    if (!out)
        abort(); /* out of memory ends the process, as in the arena */
    if (n > 1)
        qsort(rows, n, sizeof *rows, row_order);
    enum err err = store_begin_write(st, f);
    if (err == OK)
        err = rows_settle(st, rows, n, out, &n_out, f);
    if (err == OK)
        err = store_history_add(st, out, n_out, f);
    free(out);
    return finish(st, err, mark, f);
}

/* Looks one sealed entry up; *found: it concerns somebody. */
static enum err entry_index(struct engine *e, struct arena *a, uint64_t entry, struct history_row *row,
                            bool *found, struct fail *f)
{
    struct span leaf, detail;
    *row = (struct history_row){.row.entry = entry};
    enum err err = audit_read(e->config.audit, entry, a, &leaf, &detail, f);
    *found = false;
    return err ? err : e->config.who(e->config.ctx, e->history.st, leaf, detail, row->row.subject, found, f);
}

static enum err batch_index(struct engine *e, uint64_t from, uint64_t to, struct fail *f)
{
    struct arena *a = arena_new(0);
    struct history_row *rows = malloc(HISTORY_BATCH * sizeof *rows);
    enum err err = OK;
    size_t n = 0;
    if (!rows)
        abort();
    for (uint64_t i = from; i < to && err == OK; i++) {
        bool found;
        err = entry_index(e, a, i, &rows[n], &found, f);
        n += found;
        arena_reset(a);
    }
    if (err == OK)
        err = rows_write(e->history.st, rows, n, to, f);
    free(rows);
    arena_free(a);
    return err;
}

/* Somebody waits for rows to be written, or to go. */
static bool is_awaited(struct history *h)
{
    pthread_mutex_lock(&h->lock);
    bool awaited = h->waiting || h->urgent || h->closed;
    pthread_mutex_unlock(&h->lock);
    return awaited;
}

/* Joins what lies in many runs: some of it after each batch of n rows, so that no more comes than is joined.
 * What fails is left for the next time. */
static void rows_join(struct engine *e, size_t n)
{
    struct store *st = e->history.st;
    bool more = true;
    for (size_t done = 0; more && done < n * HISTORY_JOIN; done += HISTORY_BATCH) {
        struct fail f = {0};
        enum err err = store_begin_write(st, &f);
        if (err == OK)
            err = store_history_join(st, HISTORY_BATCH, &more, &f);
        if (err == OK)
            err = store_commit(st, &f);
        else
            store_rollback(st);
        if (err != OK || is_awaited(&e->history))
            return;
    }
}

/* ---- Rows of entries that were pruned */

static enum err forget_step(struct store *st, uint64_t before, int64_t *after, bool *more, struct fail *f)
{
    enum err err = store_begin_write(st, f);
    if (err != OK)
        return err;
    err = store_history_forget(st, before, after, HISTORY_FORGET, more, f);
    if (err == OK)
        return store_commit(st, f);
    store_rollback(st);
    return err;
}

static uint64_t to_forget(struct history *h)
{
    pthread_mutex_lock(&h->lock);
    uint64_t before = h->forget > h->forgotten && !h->closed ? h->forget : 0;
    pthread_mutex_unlock(&h->lock);
    return before;
}

/* In one go, because nothing may be joined meanwhile; new rows are of later entries, and wait in memory. What
 * fails is tried again when somebody asks again. */
static void rows_forget(struct engine *e)
{
    struct history *h = &e->history;
    struct fail f = {0};
    uint64_t before = to_forget(h);
    int64_t after = 0;
    bool more = before > 0;
    while (more && forget_step(h->st, before, &after, &more, &f) == OK)
        if (to_forget(h) == 0)
            return;
    if (before && f.code != OK)
        log_line(LOG_LVL_WARN, "engine", "rows of pruned entries stay in history.db: %s", f.detail);
    pthread_mutex_lock(&h->lock);
    if (before && f.code == OK)
        h->forgotten = before;
    else if (before)
        h->forget = h->forgotten;
    pthread_mutex_unlock(&h->lock);
}

bool engine_forget_before(struct engine *e, uint64_t entry)
{
    struct history *h = &e->history;
    pthread_mutex_lock(&h->lock);
    bool gone = h->forgotten >= entry;
    if (!gone && h->forget < entry) {
        h->forget = entry;
        pthread_cond_signal(&h->wake);
    }
    pthread_mutex_unlock(&h->lock);
    return gone;
}

/* Brings history.db from `from` up to `to` out of the record. */
static enum err rebuild(struct engine *e, uint64_t from, uint64_t to, struct fail *f)
{
    uint8_t nobody[ID_LEN];
    bool found;
    if (!e->config.who)
        return rows_write(e->history.st, NULL, 0, to, f);
    enum err err = e->config.who(e->config.ctx, e->history.st, SPAN_EMPTY, SPAN_EMPTY, nobody, &found, f);
    while (from < to && err == OK) {
        uint64_t end = to - from > HISTORY_BATCH ? from + HISTORY_BATCH : to;
        err = batch_index(e, from, end, f);
        if (err == OK)
            rows_join(e, (size_t)(end - from));
        from = end;
    }
    return err;
}

/* ---- The committer's side */

static void row_push(struct history *h, const struct history_row *row)
{
    if (h->n >= HISTORY_ROWS_MAX && !row->drop) {
        h->lost_from = row->row.entry < h->lost_from ? row->row.entry : h->lost_from;
        return;
    }
    h->rows = list_grown(h->rows, h->n, &h->cap, sizeof *h->rows);
    h->rows[h->n++] = *row;
    h->urgent |= row->drop;
}

static void job_push(struct history *h, const struct job *j)
{
    for (size_t i = 0; i < j->n_entries; i++) {
        if (j->entry_subject[i].len != ID_LEN)
            continue;
        struct history_row row = {.row.entry = j->index[i], .drop = j->forget_history && !j->undo};
        memcpy(row.row.subject, j->entry_subject[i].p, ID_LEN);
        row_push(h, &row);
    }
}

void history_take(struct engine *e, struct job *const *jobs, size_t n)
{
    pthread_mutex_lock(&e->history.lock);
    for (size_t i = 0; i < n; i++)
        job_push(&e->history, jobs[i]);
    pthread_mutex_unlock(&e->history.lock);
}

static bool has_work(const struct history *h)
{
    return h->n || h->lost_from != UINT64_MAX || (h->waiting && h->done < h->upto) ||
           h->forget > h->forgotten;
}

/* Nobody waits, and there is room: more rows may come before these are written. */
static bool may_gather(const struct history *h)
{
    return !h->closed && !h->waiting && !h->urgent && h->n < HISTORY_GATHER && h->lost_from == UINT64_MAX &&
           h->forget <= h->forgotten;
}

void history_sealed(struct engine *e)
{
    struct history *h = &e->history;
    pthread_mutex_lock(&h->lock);
    h->upto = audit_sealed_size(e->config.audit);
    if (has_work(h) && (!h->gathering || !may_gather(h)))
        pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
}

void history_gap(struct engine *e, uint64_t entry)
{
    struct history *h = &e->history;
    pthread_mutex_lock(&h->lock);
    h->lost_from = entry < h->lost_from ? entry : h->lost_from;
    pthread_mutex_unlock(&h->lock);
}

/* ---- Readers */

enum err history_wait(struct engine *e, struct fail *f)
{
    struct history *h = &e->history;
    pthread_mutex_lock(&h->lock);
    uint64_t want = h->upto, seen = h->tries;
    h->waiting++;
    /* What failed before, or is failing right now, says nothing of a disk that has room again: a failure
     * counts from the second try on. */
    while (h->done < want && (h->why.code == OK || h->tries - seen < 2)) {
        pthread_cond_signal(&h->wake);
        pthread_cond_wait(&h->progress, &h->lock);
    }
    h->waiting--;
    enum err err = h->done < want ? h->why.code : OK;
    if (err != OK)
        *f = h->why;
    pthread_mutex_unlock(&h->lock);
    return err;
}

/* ---- The thread */

/* What to write next. */
struct history_batch {
    struct history_row *rows;
    size_t n;
    uint64_t upto, lost_from;
};

/* Waits for something to do. False when closed and all is written. */
static bool batch_take(struct history *h, struct history_batch *b)
{
    pthread_mutex_lock(&h->lock);
    while (!has_work(h) && !h->closed)
        pthread_cond_wait(&h->wake, &h->lock);
    int64_t until = monotonic_ms() + HISTORY_GATHER_MS;
    h->gathering = true;
    for (int64_t left = HISTORY_GATHER_MS; left > 0 && may_gather(h); left = until - monotonic_ms())
        cond_wait_ms(&h->wake, &h->lock, left);
    h->gathering = h->urgent = false;
    bool more = has_work(h) || h->done < h->upto;
    *b = (struct history_batch){h->rows, h->n, h->upto, h->lost_from};
    h->rows = NULL;
    h->n = h->cap = 0;
    h->lost_from = UINT64_MAX;
    pthread_mutex_unlock(&h->lock);
    return more;
}

static enum err batch_write(struct engine *e, const struct history_batch *b, struct fail *f)
{
    if (b->lost_from >= b->upto)
        return rows_write(e->history.st, b->rows, b->n, b->upto, f);
    enum err err = rows_write(e->history.st, b->rows, b->n, b->lost_from, f);
    return err == OK ? rebuild(e, b->lost_from, b->upto, f) : err;
}

/* Tells those who wait how it went. True if the batch is to be tried again. */
static bool batch_end(struct history *h, const struct history_batch *b, const struct fail *f)
{
    pthread_mutex_lock(&h->lock);
    if (f->code == OK)
        h->done = b->upto;
    else if (h->why.code == OK)
        log_line(LOG_LVL_WARN, "engine", "history.db is behind the record: %s", f->detail);
    h->why = *f;
    h->tries++;
    pthread_cond_broadcast(&h->progress);
    if (f->code != OK && !h->closed)
        cond_wait_ms(&h->wake, &h->lock, ENGINE_RETRY_MS);
    bool again = f->code != OK && !h->closed;
    pthread_mutex_unlock(&h->lock);
    return again;
}

static void *history_main(void *arg)
{
    struct engine *e = arg;
    struct history_batch b;
    while (batch_take(&e->history, &b)) {
        struct fail f;
        do {
            f = (struct fail){0};
            batch_write(e, &b, &f);
        } while (batch_end(&e->history, &b, &f));
        free(b.rows);
        if (f.code != OK)
            break; /* closed on a full disk: the next start rebuilds from the mark */
        rows_join(e, b.n);
        rows_forget(e);
    }
    return NULL;
}

/* ---- Start and stop */

static enum err mark_read(struct store *st, uint64_t *mark, struct fail *f)
{
    struct store_rows r;
    *mark = 0;
    if (!store_one(st, Q_HISTORY_MARK, NO_ARGS, &r, f))
        return r.err;
    *mark = (uint64_t)store_i(&r, 0);
    store_done(&r);
    return OK;
}

/* The record was restored from a backup: what history.db says about later entries is about others. */
static enum err cut(struct engine *e, uint64_t size, struct fail *f)
{
    log_line(LOG_LVL_WARN, "engine", "history.db is ahead of the record: cut to %llu entries",
             (unsigned long long)size);
    enum err err = store_begin_write(e->history.st, f);
    if (err == OK)
        err = store_history_cut(e->history.st, size, f);
    return finish(e->history.st, err, size, f);
}

void history_init(struct engine *e)
{
    struct history *h = &e->history;
    pthread_mutex_init(&h->lock, NULL);
    cond_init_monotonic(&h->wake);
    cond_init_monotonic(&h->progress);
    h->lost_from = UINT64_MAX;
}

/* Erasures whose rows a crash kept from going: the mark and the rows before it were written together, so that
 * none was lost where it is at the end of the record. */
static enum err drop_erased(struct store *st, struct fail *f)
{
    struct store_rows r;
    enum err err = store_query(st, Q_ERASED_ALL, NO_ARGS, &r, f);
    while (err == OK && store_next(&r, f))
        err = store_history_drop(st, store_t(&r, 0), f);
    if (err == OK)
        err = r.err;
    store_done(&r);
    return err;
}

static enum err catch_up(struct engine *e, uint64_t mark, uint64_t size, struct fail *f)
{
    enum err err = mark > size ? cut(e, size, f) : rebuild(e, mark, size, f);
    if (err == OK && mark != size)
        err = store_begin_write(e->history.st, f);
    if (err != OK || mark == size)
        return err;
    return finish(e->history.st, drop_erased(e->history.st, f), size, f);
}

enum err history_start(struct engine *e, struct fail *f)
{
    struct history *h = &e->history;
    uint64_t mark = 0, size = audit_sealed_size(e->config.audit);
    enum err err = store_open_further(e->config.data, STORE_INDEX, &h->st, f);
    if (err == OK)
        err = mark_read(h->st, &mark, f);
    if (mark < audit_minimum(e->config.audit)) /* what was pruned concerns nobody any more */
        mark = audit_minimum(e->config.audit);
    if (err == OK)
        err = catch_up(e, mark, size, f);
    if (err != OK)
        return err;
    h->done = h->upto = size;
    h->lost_from = UINT64_MAX; /* whatever the outbox held is there */
    if (pthread_create(&h->thread, NULL, history_main, e) != 0)
        return fail_set(f, ERR_INTERNAL, "no thread could be started");
    e->indexing = true;
    return OK;
}

void history_stop(struct engine *e)
{
    struct history *h = &e->history;
    if (e->indexing) {
        pthread_mutex_lock(&h->lock);
        h->closed = true;
        pthread_cond_signal(&h->wake);
        pthread_mutex_unlock(&h->lock);
        pthread_join(h->thread, NULL);
    }
    store_close(h->st);
    free(h->rows);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->wake);
    pthread_cond_destroy(&h->progress);
}
