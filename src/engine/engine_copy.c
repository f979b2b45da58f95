// SPDX-License-Identifier: Apache-2.0
/*
 * The copier: where several daemons share a database, the entries of this node's record that concern a person
 * are in it too, so that every node can show them; and rows of the outbox go only when their entries are.
 *
 * Rows come in memory with each sealed group. What memory could not take, what a crash lost, and what was
 * sealed while this node was alone is looked up in the record. Doing a row twice is harmless. A person who
 * was erased meanwhile gets none: the statement looks, and the transaction is serializable.
 */
#include "engine_impl.h"

#include "log.h"

#include <stdlib.h>

bool copies(const struct engine *e)
{
    return e->config.copies && e->config.copies(e->config.ctx);
}

/* ---- Writing */

static bool changes_something(enum audit_kind k)
{
    return k != AUDIT_DECISION && k != AUDIT_READ && k != AUDIT_REFUSED && k != AUDIT_EXPORT;
}

static enum err row_copy(struct engine *e, const struct copy_row *row, struct arena *a, struct fail *f)
{
    struct span leaf, detail;
    struct audit_leaf l;
    struct span id = row->person ? span_of(row->subject, ID_LEN) : SPAN_EMPTY;
    enum err err = audit_read(e->config.audit, row->entry, a, &leaf, &detail, f);
    if (err == OK && !audit_leaf_get(leaf, &l))
        err = fail_set(f, ERR_CORRUPT, "entry %llu of the record cannot be read",
                       (unsigned long long)row->entry);
    if (err != OK)
        return err;
    return store_run(e->copier.st, row->person ? Q_ENTRY_COPY : Q_ENTRY_KEEP,
                     ARGS(ARG_B(id), ARG_I(e->config.node), ARG_I(row->entry), ARG_I(l.time.ms), ARG_B(leaf),
                          ARG_B(detail)),
                     NULL, f);
}

/* How far it is when these rows are written; UINT64_MAX: not further than before. */
struct progress {
    uint64_t upto, pending;
};

static enum err chunk_once(struct engine *e, const struct copy_row *rows, size_t n, const struct progress *p,
                           struct fail *f)
{
    struct arena *a = arena_new(0);
    struct store *st = e->copier.st;
    enum err err = store_begin_write(st, f);
    for (size_t i = 0; i < n && err == OK; i++) {
        err = row_copy(e, &rows[i], a, f);
        arena_reset(a);
    }
    if (err == OK && p->upto != UINT64_MAX)
        err = store_run(st, Q_NODE_COPIED, ARGS(ARG_I(e->config.node), ARG_I(p->upto)), NULL, f);
    if (err == OK && p->pending != UINT64_MAX)
        err =
            store_run(st, Q_PENDING_DROP, ARGS(ARG_I(node_base(e->config.node)), ARG_I(p->pending)), NULL, f);
    arena_free(a);
    if (err == OK)
        return store_commit(st, f);
    store_rollback(st);
    return err;
}

static enum err chunk(struct engine *e, const struct copy_row *rows, size_t n, const struct progress *p,
                      struct fail *f)
{
    enum err err = OK;
    for (unsigned tries = 0; tries < COPY_TRIES; tries++) {
        *f = (struct fail){0};
        err = chunk_once(e, rows, n, p, f);
        if (err == OK || !store_met_another(e->copier.st))
            return err;
    }
    return err;
}

/* The mark moves with the last rows. */
static enum err rows_copy(struct engine *e, const struct copy_row *rows, size_t n, const struct progress *p,
                          struct fail *f)
{
    static const struct progress stay = {UINT64_MAX, UINT64_MAX};
    enum err err = OK;
    for (; n > COPY_CHUNK && err == OK; n -= COPY_CHUNK, rows += COPY_CHUNK)
        err = chunk(e, rows, COPY_CHUNK, &stay, f);
    return err == OK ? chunk(e, rows, n, p, f) : err;
}

/* ---- Out of the record */

static enum err look_up(struct engine *e, uint64_t entry, struct arena *a, struct copy_row *row, bool *wanted,
                        struct fail *f)
{
    static const uint8_t nobody[ID_LEN];
    struct span leaf, detail;
    struct audit_leaf l;
    *row = (struct copy_row){.entry = entry};
    enum err err = audit_read(e->config.audit, entry, a, &leaf, &detail, f);
    *wanted = false;
    if (err != OK || !audit_leaf_get(leaf, &l))
        return err;
    if (memcmp(l.subject, nobody, sizeof nobody) == 0)
        *wanted = e->config.decisions || changes_something(l.kind);
    else if (e->config.who)
        err = e->config.who(e->config.ctx, e->copier.st, leaf, detail, row->subject, &row->person, f);
    *wanted |= row->person;
    return err;
}

static enum err stretch(struct engine *e, uint64_t from, uint64_t to, const struct progress *p,
                        struct fail *f)
{
    struct arena *a = arena_new(0);
    struct copy_row *rows = malloc(COPY_CHUNK * sizeof *rows);
    size_t n = 0;
    enum err err = OK;
    if (!rows)
        abort(); /* out of memory ends the process, as in the arena */
    for (uint64_t i = from; i < to && err == OK; i++) {
        bool wanted;
        err = look_up(e, i, a, &rows[n], &wanted, f);
        n += wanted;
        arena_reset(a);
    }
    if (err == OK)
        err = chunk(e, rows, n, p, f);
    free(rows);
    arena_free(a);
    return err;
}

static enum err rebuild(struct engine *e, uint64_t from, const struct progress *p, struct fail *f)
{
    uint8_t nobody[ID_LEN];
    uint64_t least = audit_minimum(e->config.audit);
    enum err err = OK;
    bool found;
    from = from < least ? least : from;
    if (e->config.who)
        err = e->config.who(e->config.ctx, e->copier.st, SPAN_EMPTY, SPAN_EMPTY, nobody, &found, f);
    if (err != OK)
        return err;
    do {
        uint64_t to = p->upto - from > COPY_CHUNK ? from + COPY_CHUNK : p->upto;
        struct progress so_far = {to, to == p->upto ? p->pending : UINT64_MAX};
        err = stretch(e, from, to, &so_far, f);
        from = to;
    } while (from < p->upto && err == OK);
    return err;
}

/* What was pruned goes here as well. */
static void forget_pruned(struct engine *e)
{
    struct copier *c = &e->copier;
    struct fail f = {0};
    uint64_t least = audit_minimum(e->config.audit);
    if (least <= c->forgotten)
        return;
    if (store_run(c->st, Q_ENTRY_FORGET, ARGS(ARG_I(e->config.node), ARG_I(least)), NULL, &f) == OK)
        c->forgotten = least;
}

/* ---- The committer's side */

static void row_push(struct copier *c, const struct copy_row *row)
{
    if (c->n >= HISTORY_ROWS_MAX) {
        c->lost_from = row->entry < c->lost_from ? row->entry : c->lost_from;
        return;
    }
    c->rows = list_grown(c->rows, c->n, &c->cap, sizeof *c->rows);
    c->rows[c->n++] = *row;
}

/* An erased person's last entry stays, without the person. */
static void job_push(struct engine *e, const struct job *j)
{
    bool erased = j->forget_history && !j->undo;
    if (j->look_up && j->n_entries && j->index[0] < e->copier.lost_from)
        e->copier.lost_from = j->index[0];
    for (size_t i = 0; i < j->n_entries; i++) {
        struct copy_row row = {.entry = j->index[i], .person = j->entry_subject[i].len == ID_LEN && !erased};
        if (row.person)
            memcpy(row.subject, j->entry_subject[i].p, ID_LEN);
        if (row.person || j->kind == JOB_WRITE || e->config.decisions)
            row_push(&e->copier, &row);
    }
}

void copy_take(struct engine *e, struct job *const *jobs, size_t n)
{
    struct copier *c = &e->copier;
    if (!c->runs)
        return;
    bool now = copies(e);
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < n; i++) {
        if (now)
            job_push(e, jobs[i]);
        else if (jobs[i]->n_entries && jobs[i]->index[0] < c->lost_from)
            c->lost_from = jobs[i]->index[0];
    }
    pthread_mutex_unlock(&c->lock);
}

void copy_sealed(struct engine *e)
{
    struct copier *c = &e->copier;
    if (!c->runs)
        return;
    pthread_mutex_lock(&c->lock);
    c->upto = audit_sealed_size(e->config.audit);
    c->pending = audit_pending_done(e->config.audit);
    if (c->waiting)
        pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

void copy_gap(struct engine *e, uint64_t entry)
{
    struct copier *c = &e->copier;
    pthread_mutex_lock(&c->lock);
    c->lost_from = entry < c->lost_from ? entry : c->lost_from;
    pthread_mutex_unlock(&c->lock);
}

uint64_t engine_copy_lag(struct engine *e)
{
    struct copier *c = &e->copier;
    if (!c->runs || !copies(e))
        return 0;
    pthread_mutex_lock(&c->lock);
    uint64_t lag = c->upto - c->done;
    pthread_mutex_unlock(&c->lock);
    return lag;
}

/* ---- Readers */

enum err copy_wait(struct engine *e, struct fail *f)
{
    struct copier *c = &e->copier;
    if (!c->runs || !copies(e))
        return OK;
    pthread_mutex_lock(&c->lock);
    uint64_t want = c->upto, seen = c->tries;
    c->waiting++;
    while (c->done < want && !c->closed && (c->why.code == OK || c->tries - seen < 2)) {
        pthread_cond_signal(&c->wake);
        pthread_cond_wait(&c->progress, &c->lock);
    }
    c->waiting--;
    enum err err = c->done < want ? fail_set(f, ERR_BUSY, "the history is not in the database yet: %.300s",
                                             c->why.detail)
                                  : OK;
    pthread_mutex_unlock(&c->lock);
    return err;
}

/* ---- The thread */

struct copy_batch {
    struct copy_row *rows;
    size_t n;
    struct progress to;
    uint64_t from;
    bool gap; /* rows do not tell all from `from` on */
};

/* Waits for something to copy. False when closed. */
static bool batch_take(struct engine *e, struct copy_batch *b)
{
    struct copier *c = &e->copier;
    pthread_mutex_lock(&c->lock);
    while (!c->closed && (c->done >= c->upto || !copies(e)))
        cond_wait_ms(&c->wake, &c->lock, COPY_GATHER_MS);
    if (!c->closed && !c->waiting && c->n < COPY_CHUNK)
        cond_wait_ms(&c->wake, &c->lock, COPY_GATHER_MS);
    bool more = c->done < c->upto && copies(e);
    *b = (struct copy_batch){c->rows, c->n, {c->upto, c->pending}, c->done, c->lost_from < c->upto};
    c->rows = NULL;
    c->n = c->cap = 0;
    c->lost_from = UINT64_MAX;
    pthread_mutex_unlock(&c->lock);
    return more;
}

/* False: the thread ends. */
static bool batch_end(struct copier *c, const struct copy_batch *b, const struct fail *f)
{
    pthread_mutex_lock(&c->lock);
    if (f->code == OK)
        c->done = b->to.upto;
    else if (c->why.code == OK)
        log_line(LOG_LVL_WARN, "engine", "the record is not copied to the database yet: %s", f->detail);
    if (f->code != OK) /* all of it out of the record, next time */
        c->lost_from = b->from;
    c->why = *f;
    c->tries++;
    pthread_cond_broadcast(&c->progress);
    if (f->code != OK && !c->closed)
        cond_wait_ms(&c->wake, &c->lock, ENGINE_RETRY_MS);
    bool more = !c->closed || f->code == OK;
    pthread_mutex_unlock(&c->lock);
    return more;
}

static void *copy_main(void *arg)
{
    struct engine *e = arg;
    struct copy_batch b;
    bool more = true;
    while (more && batch_take(e, &b)) {
        struct fail f = {0};
        if (b.gap)
            rebuild(e, b.from, &b.to, &f);
        else
            rows_copy(e, b.rows, b.n, &b.to, &f);
        free(b.rows);
        b.rows = NULL;
        more = batch_end(&e->copier, &b, &f);
        forget_pruned(e);
    }
    free(b.rows);
    return NULL;
}

/* ---- Start and stop */

void copy_init(struct engine *e)
{
    e->copier.lost_from = UINT64_MAX;
    pthread_mutex_init(&e->copier.lock, NULL);
    cond_init_monotonic(&e->copier.wake);
    cond_init_monotonic(&e->copier.progress);
}

static enum err mark_read(struct engine *e, uint64_t *mark, struct fail *f)
{
    struct store_rows r;
    enum err err = store_query(e->copier.st, Q_NODE_ALL, NO_ARGS, &r, f);
    *mark = 0;
    while (err == OK && store_next(&r, f))
        if (store_i(&r, 0) == e->config.node)
            *mark = (uint64_t)store_i(&r, 11);
    if (err == OK)
        err = r.err;
    store_done(&r);
    return err;
}

enum err copy_start(struct engine *e, struct fail *f)
{
    struct copier *c = &e->copier;
    uint64_t mark = 0, size = audit_sealed_size(e->config.audit);
    if (!e->config.copies || !e->config.node)
        return OK;
    enum err err = store_open_further(e->config.data, STORE_WRITE, &c->st, f);
    if (err == OK)
        err = mark_read(e, &mark, f);
    if (err != OK)
        return err;
    c->done = mark < size ? mark : size;
    c->upto = size;
    c->pending = audit_pending_done(e->config.audit);
    c->lost_from = c->done < size ? c->done : UINT64_MAX;
    if (pthread_create(&c->thread, NULL, copy_main, e) != 0)
        return fail_set(f, ERR_INTERNAL, "no thread could be started");
    c->runs = true;
    return OK;
}

void copy_stop(struct engine *e)
{
    struct copier *c = &e->copier;
    if (c->runs) {
        pthread_mutex_lock(&c->lock);
        c->closed = true;
        pthread_cond_signal(&c->wake);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->thread, NULL);
    }
    store_close(c->st);
    free(c->rows);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->wake);
    pthread_cond_destroy(&c->progress);
}
