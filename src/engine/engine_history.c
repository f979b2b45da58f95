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

static enum err row_write(struct store *st, const struct history_row *row, struct fail *f)
{
    struct span subject = span_of(row->subject, ID_LEN);
    return row->drop ? store_run(st, Q_HISTORY_DROP, ARGS(ARG_B(subject)), NULL, f)
                     : store_run(st, Q_HISTORY_ADD, ARGS(ARG_B(subject), ARG_I(row->entry)), NULL, f);
}

static enum err finish(struct store *st, enum err err, uint64_t mark, struct fail *f)
{
    if (err == OK)
        err = store_run(st, Q_HISTORY_MARK_SET, ARGS(ARG_I(mark)), NULL, f);
    if (err == OK)
        return store_commit(st, f);
    store_rollback(st);
    return err;
}

/* By person: neighbours lie on one page. An erasure's row has its person's highest entry, and comes last. */
static int row_order(const void *a, const void *b)
{
    const struct history_row *x = a, *y = b;
    int by_person = memcmp(x->subject, y->subject, ID_LEN);
    return by_person ? by_person : (x->entry > y->entry) - (x->entry < y->entry);
}

static enum err rows_write(struct store *st, struct history_row *rows, size_t n, uint64_t mark,
                           struct fail *f)
{
    if (n > 1)
        qsort(rows, n, sizeof *rows, row_order);
    enum err err = store_begin_write(st, f);
    for (size_t i = 0; i < n && err == OK; i++)
        err = row_write(st, &rows[i], f);
    return finish(st, err, mark, f);
}

/* Looks one sealed entry up. */
static enum err entry_index(struct engine *e, struct arena *a, uint64_t entry, struct fail *f)
{
    struct span leaf, detail;
    struct history_row row = {.entry = entry};
    enum err err = audit_read(e->config.audit, entry, a, &leaf, &detail, f);
    if (err != OK || !e->config.who(e->config.ctx, e->history.st, leaf, detail, row.subject))
        return err;
    return row_write(e->history.st, &row, f);
}

static enum err batch_index(struct engine *e, uint64_t from, uint64_t to, struct fail *f)
{
    struct arena *a = arena_new(0);
    enum err err = store_begin_write(e->history.st, f);
    for (uint64_t i = from; i < to && err == OK; i++) {
        err = entry_index(e, a, i, f);
        arena_reset(a);
    }
    arena_free(a);
    return finish(e->history.st, err, to, f);
}

/* Brings history.db from `from` up to `to` out of the record. */
static enum err rebuild(struct engine *e, uint64_t from, uint64_t to, struct fail *f)
{
    enum err err = OK;
    uint8_t nobody[ID_LEN];
    if (!e->config.who)
        return rows_write(e->history.st, NULL, 0, to, f);
    e->config.who(e->config.ctx, e->history.st, SPAN_EMPTY, SPAN_EMPTY, nobody);
    while (from < to && err == OK) {
        uint64_t end = to - from > HISTORY_BATCH ? from + HISTORY_BATCH : to;
        err = batch_index(e, from, end, f);
        from = end;
    }
    return err;
}

/* ---- The committer's side */

static void row_push(struct history *h, const struct history_row *row)
{
    if (h->n >= HISTORY_ROWS_MAX && !row->drop) {
        h->lost_from = row->entry < h->lost_from ? row->entry : h->lost_from;
        return;
    }
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 1024;
        h->rows = realloc(h->rows, h->cap * sizeof *h->rows);
        if (!h->rows)
            abort(); /* out of memory ends the process, as in the arena */
    }
    h->rows[h->n++] = *row;
    h->urgent |= row->drop;
}

static void job_push(struct history *h, const struct job *j)
{
    for (size_t i = 0; i < j->n_entries; i++) {
        if (j->entry_subject[i].len != ID_LEN)
            continue;
        struct history_row row = {.entry = j->index[i], .drop = j->forget_history && !j->undo};
        memcpy(row.subject, j->entry_subject[i].p, ID_LEN);
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
    return h->n || h->lost_from != UINT64_MAX || (h->waiting && h->done < h->upto);
}

/* Nobody waits, and there is room: more rows may come before these are written. */
static bool may_gather(const struct history *h)
{
    return !h->closed && !h->waiting && !h->urgent && h->n < HISTORY_GATHER && h->lost_from == UINT64_MAX;
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
    enum err err = store_run(e->history.st, Q_HISTORY_CUT, ARGS(ARG_I(size)), NULL, f);
    return err == OK ? rows_write(e->history.st, NULL, 0, size, f) : err;
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
        err = store_run(st, Q_HISTORY_DROP, ARGS(ARG_B(store_t(&r, 0))), NULL, f);
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
    enum err err = store_open(e->config.data, STORE_INDEX, &h->st, f);
    if (err == OK)
        err = mark_read(h->st, &mark, f);
    if (mark < audit_minimum(e->config.audit)) /* what was pruned concerns nobody any more */
        mark = audit_minimum(e->config.audit);
    if (err == OK)
        err = catch_up(e, mark, size, f);
    if (err != OK)
        return err;
    h->done = h->upto = size;
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
