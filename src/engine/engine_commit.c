// SPDX-License-Identifier: Apache-2.0
/*
 * The committer: the one thread that changes troth.db and the record.
 *
 * A group is what queued while the last one was made durable:
 *   1. writes run, each in a savepoint; their entries go to the outbox in the same transaction; commit
 *   2. the writes' entries and the reads' entries are appended to the record; one fdatasync
 *   3. answers are released; the outbox rows go with the next group's transaction
 * A crash after 1 leaves the outbox, which the next start seals. A failure in 1 fails the writes of the
 * group; a failure in 2 stops all acknowledging for good: what the disk holds is then unknown.
 */
#include "engine_impl.h"

#include "log.h"

struct group {
    struct job *write[ENGINE_GROUP_MAX], *read[ENGINE_GROUP_MAX];
    size_t n_write, n_read;
    bool registers_changed;
};

/* ---- Taking a group */

static size_t take(struct job_list *l, struct job **out, size_t max)
{
    size_t n = 0;
    while (n < max && l->n)
        out[n++] = list_pop(l);
    return n;
}

/* Waits for jobs. False when all is done and none will come. */
static bool group_take(struct engine *e, struct group *g)
{
    struct inbox *in = &e->commit_box;
    struct job_list *writes = &in->list[LIST_WRITES], *seals = &in->list[LIST_SEALS];
    pthread_mutex_lock(&in->lock);
    while (!writes->n && !seals->n && !in->closed)
        pthread_cond_wait(&in->wake, &in->lock);
    bool more = writes->n || seals->n || !in->closed;
    /* At most half of a group are writes while reads wait: they take longer. */
    g->n_write = take(writes, g->write, seals->n ? ENGINE_GROUP_MAX / 2 : ENGINE_GROUP_MAX);
    g->n_read = take(seals, g->read, ENGINE_GROUP_MAX - g->n_write);
    pthread_mutex_unlock(&in->lock);
    g->registers_changed = false;
    return more;
}

/* ---- 1. Changes */

static enum err outbox_add(struct engine *e, struct job *j, struct fail *f)
{
    enum err err = OK;
    for (size_t i = 0; i < j->n_entries && err == OK; i++) {
        uint8_t leaf[AUDIT_LEAF_MAX];
        size_t len = audit_leaf_put(&j->entries[i].leaf, leaf);
        j->entries[i].pending_id = e->pending_next++;
        err = store_run(
            e->store, Q_PENDING_ADD,
            ARGS(ARG_I(j->entries[i].pending_id), ARG_B(span_of(leaf, len)), ARG_B(j->entries[i].detail)),
            NULL, f);
    }
    return err;
}

/* One write in its savepoint. A failure here is the group's. */
static enum err write_run(struct engine *e, struct job *j, struct fail *f)
{
    struct fail mine = {0};
    enum err err = store_savepoint(e->store, f);
    if (err != OK)
        return err;
    j->undo = false;
    if (job_run(e, j, e->store, &mine) != OK) {
        j->undo = true;
        j->n_entries = 0;
        j->fail(j, &mine);
    }
    if (j->undo)
        store_savepoint_undo(e->store);
    else
        store_savepoint_keep(e->store);
    return outbox_add(e, j, f);
}

/* In the same transaction as the changes: which of database and record is older can be told by it. */
static enum err watermark_set(struct engine *e, struct fail *f)
{
    return store_run(e->store, Q_META_PUT,
                     ARGS(ARG_T(SPAN(ENGINE_WATERMARK)), ARG_I(e->pending_next - 1), ARG_NULL), NULL, f);
}

static enum err writes_run(struct engine *e, struct group *g, struct fail *f)
{
    uint64_t before = e->pending_next;
    enum err err = store_begin_write(e->store, f);
    if (err == OK && e->pending_drop)
        err = store_run(e->store, Q_PENDING_DROP, ARGS(ARG_I(e->pending_drop)), NULL, f);
    for (size_t i = 0; i < g->n_write && err == OK; i++) {
        err = write_run(e, g->write[i], f);
        g->registers_changed |= g->write[i]->registers_changed && !g->write[i]->undo;
    }
    if (err == OK && e->pending_next != before)
        err = watermark_set(e, f);
    if (err == OK)
        return store_commit(e->store, f);
    store_rollback(e->store);
    return err;
}

void stop_acknowledging(struct engine *e, const struct fail *why)
{
    if (!atomic_exchange(&e->stopped, true))
        log_line(LOG_LVL_ERROR, "engine", "nothing is acknowledged any more: %s", why->detail);
}

static void jobs_fail(struct engine *e, struct job *const *jobs, size_t n, const struct fail *f)
{
    for (size_t i = 0; i < n; i++)
        job_fail(e, jobs[i], f);
}

static void group_change(struct engine *e, struct group *g)
{
    struct fail f = {0};
    if (!g->n_write)
        return;
    enum err err = e->in_doubt ? commit_recover(e, &f) : OK;
    e->in_doubt &= err != OK;
    if (err == OK)
        err = writes_run(e, g, &f);
    e->in_doubt |= store_in_doubt(e->store);
    if (err == ERR_STOPPED)
        stop_acknowledging(e, &f);
    if (err != OK) {
        log_line(LOG_LVL_ERROR, "engine", "a group of %zu changes failed: %s", g->n_write, f.detail);
        jobs_fail(e, g->write, g->n_write, &f);
        g->n_write = 0;
        return;
    }
    e->pending_drop = 0;
    if (g->registers_changed && e->config.on_registers)
        e->config.on_registers(e->config.ctx, e->store);
}

/* ---- 2. The record */

static enum err append_all(struct engine *e, struct job *const *jobs, size_t n, struct fail *f)
{
    enum err err = OK;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < jobs[i]->n_entries && err == OK; k++)
            err = audit_append(e->config.audit, &jobs[i]->entries[k], &jobs[i]->index[k], f);
    return err;
}

static enum err group_seal(struct engine *e, struct group *g, struct fail *f)
{
    if (atomic_load(&e->stopped))
        return fail_set(f, ERR_STOPPED,
                        "the record could not be written; restart the service when its disk is well");
    enum err err = append_all(e, g->write, g->n_write, f);
    if (err == OK)
        err = append_all(e, g->read, g->n_read, f);
    if (err == OK)
        err = audit_seal(e->config.audit, f);
    if (err == OK)
        return OK;
    stop_acknowledging(e, f);
    f->code = ERR_STOPPED;
    return ERR_STOPPED;
}

/* ---- 3. Answers */

static void jobs_release(struct engine *e, struct job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        job_release(e, jobs[i]);
}

/* What needs the connection between two groups. */
static void afters_run(struct engine *e, const struct group *g)
{
    for (size_t i = 0; i < g->n_write; i++)
        if (g->write[i]->after && !g->write[i]->undo)
            g->write[i]->after(g->write[i], e->store);
}

static void group_run(struct engine *e, struct group *g)
{
    struct fail f = {0};
    if (!atomic_load(&e->stopped))
        group_change(e, g);
    if (!g->n_write && !g->n_read)
        return;
    if (group_seal(e, g, &f) != OK) {
        jobs_fail(e, g->write, g->n_write, &f);
        jobs_fail(e, g->read, g->n_read, &f);
        return;
    }
    if (g->n_write)
        e->pending_drop = e->pending_next - 1;
    history_take(e, g->write, g->n_write);
    history_take(e, g->read, g->n_read);
    history_sealed(e);
    publish_sealed(e);
    afters_run(e, g);
    jobs_release(e, g->write, g->n_write);
    jobs_release(e, g->read, g->n_read);
}

/* ---- Ending */

static void outbox_clear(struct engine *e)
{
    struct fail f = {0};
    if (e->pending_drop && store_run(e->store, Q_PENDING_DROP, ARGS(ARG_I(e->pending_drop)), NULL, &f) != OK)
        log_line(LOG_LVL_WARN, "engine", "the outbox is cleared at the next start: %s", f.detail);
}

void *commit_main(void *arg)
{
    struct engine *e = arg;
    struct group g;
    while (group_take(e, &g)) {
        group_run(e, &g);
        jobs_released(e);
    }
    outbox_clear(e);
    return NULL;
}

/* ---- At start */

static enum err recover_row(struct engine *e, const struct store_rows *r, struct fail *f)
{
    struct audit_entry entry = {.detail = store_t(r, 2), .pending_id = (uint64_t)store_i(r, 0)};
    uint64_t index = 0;
    if (!audit_leaf_get(store_t(r, 1), &entry.leaf))
        return fail_set(f, ERR_CORRUPT, "row %lld of the outbox is damaged", (long long)store_i(r, 0));
    e->pending_next = entry.pending_id + 1;
    return audit_append(e->config.audit, &entry, &index, f);
}

enum err commit_recover(struct engine *e, struct fail *f)
{
    struct store_rows r;
    uint64_t sealed = audit_pending_done(e->config.audit), n = 0;
    e->pending_next = sealed + 1;
    enum err err = store_query(e->store, Q_PENDING_LIST, ARGS(ARG_I(sealed)), &r, f);
    for (; err == OK && store_next(&r, f); n++)
        err = recover_row(e, &r, f);
    if (err == OK)
        err = r.err;
    store_done(&r);
    if (err == OK && n)
        err = audit_seal(e->config.audit, f);
    if (err == OK)
        err = store_run(e->store, Q_PENDING_DROP, ARGS(ARG_I(e->pending_next - 1)), NULL, f);
    if (err == OK && n)
        publish_sealed(e);
    if (err == OK && n)
        log_line(LOG_LVL_INFO, "engine", "%llu entries of the outbox were sealed", (unsigned long long)n);
    return err;
}
