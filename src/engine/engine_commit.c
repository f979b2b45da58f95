// SPDX-License-Identifier: Apache-2.0
/*
 * The committer: the one thread that changes troth.db and the record.
 *
 * A group is what queued while the last one was made durable:
 *   1. writes run, each in a savepoint; their entries go to the outbox in the same transaction; commit. On a
 *      server a transaction may meet another daemon's: then they run again
 *   2. the writes' entries and the reads' entries are appended to the record; one fdatasync
 *   3. answers are released; the outbox rows go with the next group's transaction
 * A crash after 1 leaves the outbox, which the next start seals. A failure in 1 fails the writes of the
 * group, unless it was only that keys of the erased could not be deleted yet: then it fails the erasures; a
 * failure in 2 stops all acknowledging for good: what the disk holds is then unknown. So that a full
 * disk is no failure in 2, room in the record is made sure of before the commit; reads without room fail.
 */
#include "engine_impl.h"

#include "log.h"

#include <time.h>

/* Jobs of a group that share a transaction. */
struct part {
    struct job **write;
    size_t n_write;
    struct job **read;
    size_t n_read;
};

/* ---- Taking a group */

static void due_add(struct due *d, const struct job *j)
{
    for (size_t i = 0; i < j->n_entries; i++) {
        d->bytes += audit_entry_bytes(&j->entries[i]);
        if (j->entries[i].leaf.time.ms > d->newest.ms)
            d->newest = j->entries[i].leaf.time;
    }
}

static struct due due_of(const struct part *p)
{
    struct due d = {0};
    for (size_t i = 0; i < p->n_write; i++)
        due_add(&d, p->write[i]);
    for (size_t i = 0; i < p->n_read; i++)
        due_add(&d, p->read[i]);
    return d;
}

/* Of reads it is known what they leave; of writes it is not before they run. */
static size_t take(struct job_list *l, struct job **out, size_t max)
{
    size_t n = 0;
    struct due d = {0};
    while (n < max && l->n && d.bytes < ENGINE_GROUP_BYTES) {
        out[n] = list_pop(l);
        due_add(&d, out[n++]);
    }
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

/* One write in its savepoint. A failure here is the group's. */
static enum err write_run(struct engine *e, struct job *j, struct fail *f)
{
    struct fail mine = {0};
    enum err err = store_savepoint(e->store, f);
    if (err != OK)
        return err;
    size_t queued = store_keys_queued(e->store);
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
    j->forgets = store_keys_queued(e->store) > queued;
    return outbox_add(e, j, f);
}

/* In the same transaction as the changes: which of database and record is older can be told by it. */
static enum err watermark_set(struct engine *e, struct fail *f)
{
    char name[NODE_ROW_MAX];
    node_row_name(name, ENGINE_WATERMARK, e->config.node);
    return store_run(e->store, Q_META_PUT, ARGS(ARG_T(span_str(name)), ARG_I(e->pending_next - 1), ARG_NULL),
                     NULL, f);
}

/* With what is committed already and not yet in the record. */
static enum err part_reserve(struct engine *e, const struct part *p, struct fail *f)
{
    struct due d = due_of(p);
    struct instant newest = d.newest.ms > e->due.newest.ms ? d.newest : e->due.newest;
    return audit_reserve(e->config.audit, e->due.bytes + d.bytes, newest, f);
}

/* Tells whom the group will be asked about. */
static void look_ahead(struct store *st, const struct part *p)
{
    uint8_t ids[STORE_AHEAD_MAX][STORE_ID_LEN];
    size_t n = 0;
    for (size_t i = 0; i < p->n_write && n < STORE_AHEAD_MAX; i++)
        if (p->write[i]->about.len == STORE_ID_LEN)
            memcpy(ids[n++], p->write[i]->about.p, STORE_ID_LEN);
    store_ahead_group(st, (const uint8_t(*)[STORE_ID_LEN])ids, n);
}

/* Some of the group's jobs in one transaction. Entries of reads come with them where the setting says so. */
static enum err writes_run(struct engine *e, const struct part *p, struct fail *f)
{
    uint64_t before = e->pending_next;
    enum err err = store_begin_write(e->store, f);
    if (err == OK && e->config.on_snapshot && store_shared(e->store))
        err = e->config.on_snapshot(e->config.ctx, e->store, f);
    if (err == OK && store_shared(e->store))
        look_ahead(e->store, p);
    if (err == OK)
        err = outbox_drop(e, f);
    for (size_t i = 0; i < p->n_write && err == OK; i++)
        err = write_run(e, p->write[i], f);
    for (size_t i = 0; i < p->n_read && err == OK; i++)
        err = outbox_add(e, p->read[i], f);
    if (err == OK && e->pending_next != before)
        err = watermark_set(e, f);
    if (err == OK)
        err = part_reserve(e, p, f);
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

/* Another daemon changed the same: a little later, and not at the same time as it. */
static void wait_turn(unsigned tries)
{
    struct timespec t = {.tv_nsec = (long)(1 + monotonic_us() % 4) * 1000000L * tries};
    nanosleep(&t, NULL);
}

/* Runs part of the group until it is committed, or fails for another reason than having met others. */
static enum err part_try(struct engine *e, const struct part *p, struct fail *f)
{
    uint64_t first = e->pending_next;
    enum err err = OK;
    for (unsigned tries = 0; tries < ENGINE_TRIES_MAX; tries++) {
        if (tries)
            wait_turn(tries);
        e->pending_next = first;
        *f = (struct fail){0};
        err = e->in_doubt ? commit_recover(e, f) : OK;
        e->in_doubt &= err != OK;
        if (err == OK)
            err = writes_run(e, p, f);
        e->in_doubt |= store_in_doubt(e->store);
        if (err == OK || e->in_doubt || store_owes_keys(e->store) || !store_met_another(e->store))
            return err;
    }
    fail_hint(f, "other daemons changed the same again and again; try again in a moment");
    return err;
}

static void part_failed(struct engine *e, const struct part *p, struct fail *f)
{
    if (f->code == ERR_STOPPED)
        stop_acknowledging(e, f);
    log_line(LOG_LVL_ERROR, "engine", "a group of %zu changes failed: %s", p->n_write + p->n_read, f->detail);
    jobs_fail(e, p->write, p->n_write, f);
    jobs_fail(e, p->read, p->n_read, f);
}

/* What was done stands, but not yet all of what these jobs were to do: their entries go on record like the
 * others', and their answers say what is missing. */
static void part_owes(const struct part *p, const struct fail *why)
{
    log_line(LOG_LVL_ERROR, "engine", "%s", why->detail);
    for (size_t i = 0; i < p->n_write; i++) {
        if (!p->write[i]->forgets)
            continue;
        p->write[i]->after = NULL;
        p->write[i]->fail(p->write[i], why);
    }
}

/* What was committed is added to `done`. A part that met others too often is halved. */
static void part_run(struct engine *e, const struct part *p, struct group *done)
{
    struct fail f = {0};
    if (!p->n_write && !p->n_read)
        return;
    /* What is committed already must be sealed before the outbox is looked at. */
    bool blocked = e->in_doubt && (done->n_write || done->n_read);
    enum err err =
        blocked ? fail_set(&f, ERR_BUSY, "the connection to the database was lost") : part_try(e, p, &f);
    bool stands = err == OK || (!blocked && err != ERR_STOPPED && store_owes_keys(e->store));
    if (!stands && !blocked && store_met_another(e->store) && !e->in_doubt && p->n_write + p->n_read > 1) {
        struct part a = {p->write, p->n_write / 2, p->read, p->n_read / 2};
        struct part b = {p->write + a.n_write, p->n_write - a.n_write, p->read + a.n_read,
                         p->n_read - a.n_read};
        part_run(e, &a, done);
        part_run(e, &b, done);
        return;
    }
    if (!stands) {
        part_failed(e, p, &f);
        return;
    }
    if (err != OK)
        part_owes(p, &f);
    e->pending_drop = 0;
    struct due d = due_of(p);
    e->due.bytes += d.bytes;
    e->due.newest = d.newest.ms > e->due.newest.ms ? d.newest : e->due.newest;
    for (size_t i = 0; i < p->n_write; i++) {
        done->registers_changed |= p->write[i]->registers_changed && !p->write[i]->undo;
        done->write[done->n_write++] = p->write[i];
    }
    for (size_t i = 0; i < p->n_read; i++)
        done->read[done->n_read++] = p->read[i];
}

/* Leaves in the group what was committed, and reads that need no commit. */
static void group_change(struct engine *e, struct group *g)
{
    bool reads_too = e->config.decisions;
    struct part all = {g->write, g->n_write, g->read, reads_too ? g->n_read : 0};
    struct group *done = &e->changed;
    done->n_write = done->n_read = 0;
    done->registers_changed = false;
    e->due = (struct due){0};
    part_run(e, &all, done);
    for (g->n_write = 0; g->n_write < done->n_write; g->n_write++)
        g->write[g->n_write] = done->write[g->n_write];
    for (size_t i = 0; reads_too && i < done->n_read; i++)
        g->read[i] = done->read[i];
    if (reads_too)
        g->n_read = done->n_read;
    if (done->registers_changed && e->config.on_registers)
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

/* Reads whose entries find no room are refused. Those that went through the database have theirs. */
static enum err reads_append(struct engine *e, struct group *g, struct fail *f)
{
    struct fail full = {0};
    struct part reads = {NULL, 0, g->read, g->n_read};
    struct due d = due_of(&reads);
    enum err err = e->config.decisions ? OK : audit_reserve(e->config.audit, d.bytes, d.newest, &full);
    if (err == ERR_DISK_FULL) {
        jobs_fail(e, g->read, g->n_read, &full);
        g->n_read = 0;
        return OK;
    }
    if (err != OK) {
        *f = full;
        return err;
    }
    return append_all(e, g->read, g->n_read, f);
}

static enum err group_seal(struct engine *e, struct group *g, struct fail *f)
{
    if (atomic_load(&e->stopped))
        return fail_set(f, ERR_STOPPED,
                        "the record could not be written; restart the service when its disk is well");
    enum err err = append_all(e, g->write, g->n_write, f);
    if (err == OK)
        err = reads_append(e, g, f);
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
    if (g->n_write || e->config.decisions)
        e->pending_drop = e->pending_next - 1;
    history_take(e, g->write, g->n_write);
    history_take(e, g->read, g->n_read);
    history_sealed(e);
    copy_take(e, g->write, g->n_write);
    copy_take(e, g->read, g->n_read);
    copy_sealed(e);
    publish_sealed(e);
    afters_run(e, g);
    jobs_release(e, g->write, g->n_write);
    jobs_release(e, g->read, g->n_read);
}

/* ---- The thread */

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
