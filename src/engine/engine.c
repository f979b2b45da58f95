// SPDX-License-Identifier: Apache-2.0
/* Start, stop, submit: see engine.h. */
#include "engine_impl.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- A job's stations */

/* An entry the record would refuse must not be found out after the commit. */
static bool entries_fit(const struct job *j)
{
    bool fit = j->n_entries <= JOB_ENTRIES_MAX;
    for (size_t i = 0; fit && i < j->n_entries; i++)
        fit = j->entries[i].detail.len <= AUDIT_DETAIL_MAX;
    return fit;
}

enum err job_run(struct engine *e, struct job *j, struct store *st, struct fail *f)
{
    j->n_entries = 0;
    j->after = NULL;
    j->entries = j->own.entries;
    j->index = j->own.index;
    j->entry_subject = j->own.subject;
    if (e->config.now)
        j->now = e->config.now(e->config.ctx);
    j->run(j, st, e->config.ctx);
    return entries_fit(j) ? OK
                          : fail_set(f, ERR_INTERNAL, "the request left more on record than an entry holds");
}

/* Writes the indexes into the blanks the body holds for them. The body lives in the job's arena. */
static void slots_fill(struct job *j)
{
    for (size_t i = 0; i < j->res.n_slots; i++) {
        char digits[RESPONSE_SLOT_WIDTH + 1];
        size_t entry = j->res.slot_entry[i], at = j->res.slot_at[i];
        if (entry >= j->n_entries || at > j->res.body.len || j->res.body.len - at < RESPONSE_SLOT_WIDTH)
            continue;
        int n = snprintf(digits, sizeof digits, "%*llu", RESPONSE_SLOT_WIDTH,
                         (unsigned long long)j->index[entry]);
        memcpy((uint8_t *)(uintptr_t)j->res.body.p + at, digits, (size_t)n);
    }
}

void job_release(struct engine *e, struct job *j)
{
    bool queued = j->queued;
    slots_fill(j);
    j->done(j);
    if (queued)
        atomic_fetch_sub(&e->in_flight, 1); /* last: engine_stop's caller may free what done() uses */
}

void jobs_released(struct engine *e)
{
    if (e->config.released)
        e->config.released(e->config.ctx);
}

void job_fail(struct engine *e, struct job *j, const struct fail *f)
{
    j->n_entries = 0;
    j->fail(j, f);
    job_release(e, j);
}

/* ---- Submitting */

enum err engine_submit(struct engine *e, struct job *j, struct fail *f)
{
    struct job_list one;
    if (atomic_fetch_add(&e->in_flight, 1) >= ENGINE_QUEUE_MAX) {
        atomic_fetch_sub(&e->in_flight, 1);
        return fail_set(f, ERR_BUSY, "%d requests are waiting already", ENGINE_QUEUE_MAX);
    }
    j->queued = true;
    list_reset(&one);
    list_push(&one, j);
    bool write = j->kind == JOB_WRITE;
    if (inbox_give(write ? &e->commit_box : &e->read_box, write ? LIST_WRITES : LIST_READS, &one))
        return OK;
    atomic_fetch_sub(&e->in_flight, 1);
    return fail_set(f, ERR_STOPPED, "the service is stopping");
}

struct call {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    void (*done)(struct job *j);
    bool finished;
};

static void call_done(struct job *j)
{
    struct call *c = j->engine_side;
    if (c->done)
        c->done(j);
    pthread_mutex_lock(&c->lock);
    c->finished = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

void engine_call(struct engine *e, struct job *j)
{
    struct fail f = {0};
    struct call c = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .done = j->done};
    j->engine_side = &c;
    j->done = call_done;
    if (engine_submit(e, j, &f) != OK) {
        j->fail(j, &f);
        call_done(j);
    }
    pthread_mutex_lock(&c.lock);
    while (!c.finished)
        pthread_cond_wait(&c.wake, &c.lock);
    pthread_mutex_unlock(&c.lock);
    j->done = c.done;
    pthread_mutex_destroy(&c.lock);
    pthread_cond_destroy(&c.wake);
}

bool engine_stopped(const struct engine *e)
{
    return atomic_load(&e->stopped);
}

/* ---- Starting */

static enum err readers_start(struct engine *e, struct fail *f)
{
    enum err err = OK;
    for (unsigned i = 0; i < e->config.readers; i++)
        e->seats[i].e = e; /* each opens its connection when there is something to read */
    for (; e->n_readers < e->config.readers && err == OK; e->n_readers += err == OK)
        err = thread_start(&e->readers[e->n_readers], "reader", reader_main, &e->seats[e->n_readers], f);
    return err;
}

static enum err lanes_open(struct engine *e, struct fail *f)
{
    enum err err = OK;
    for (unsigned i = 0; i < e->config.lanes && err == OK; i++) {
        list_reset(&e->lanes[i].list);
        err = store_open_further(e->config.data, STORE_READ, &e->lanes[i].st, f);
        if (err != OK)
            return err;
        store_impatient(e->lanes[i].st); /* a socket's thread: all its connections wait */
        store_memo(e->lanes[i].st, ENGINE_LANE_KEEPS);
    }
    return err;
}

static enum err committer_start(struct engine *e, struct fail *f)
{
    enum err err = thread_start(&e->committer, "committer", commit_main, e, f);
    e->committing = err == OK;
    return err;
}

enum err engine_start(const struct engine_config *c, struct engine **out, struct fail *f)
{
    if (c->readers < 1 || c->readers > ENGINE_READERS_MAX)
        return fail_set(f, ERR_BAD_VALUE, "readers must be 1 to %d", ENGINE_READERS_MAX);
    if (c->lanes > ENGINE_LANES_MAX)
        return fail_set(f, ERR_BAD_VALUE, "lanes must be 0 to %d", ENGINE_LANES_MAX);
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        abort(); /* out of memory ends the process, as in the arena */
    e->config = *c;
    inbox_init(&e->read_box);
    inbox_init(&e->commit_box);
    history_init(e);
    copy_init(e);
    publisher_init(e);
    enum err err = store_open(c->data, STORE_WRITE, &e->store, f);
    if (err == OK)
        err = commit_recover(e, f);
    if (err == OK)
        err = history_start(e, f);
    if (err == OK)
        err = copy_start(e, f);
    if (err == OK)
        err = publisher_start(e, f);
    if (err == OK)
        err = committer_start(e, f);
    if (err == OK)
        err = lanes_open(e, f);
    if (err == OK)
        err = readers_start(e, f);
    if (err != OK) {
        engine_stop(e);
        return err;
    }
    *out = e;
    return OK;
}

/* Down the stream: each thread ends when nothing can reach it any more. */
void engine_stop(struct engine *e)
{
    if (!e)
        return;
    inbox_close(&e->read_box);
    for (unsigned i = 0; i < e->n_readers; i++)
        pthread_join(e->readers[i], NULL);
    inbox_close(&e->commit_box);
    if (e->committing)
        pthread_join(e->committer, NULL);
    publisher_stop(e);
    history_stop(e);
    copy_stop(e);
    for (unsigned i = 0; i < ENGINE_READERS_MAX; i++)
        store_close(e->seats[i].st);
    for (unsigned i = 0; i < ENGINE_LANES_MAX; i++)
        store_close(e->lanes[i].st);
    store_close(e->store);
    inbox_drop(&e->read_box);
    inbox_drop(&e->commit_box);
    free(e);
}
