// SPDX-License-Identifier: Apache-2.0
/* Reader threads and lanes: many reads in one snapshot (STACK: 14 us alone, 8-9 us when a snapshot serves
 * 8-32). */
#include "engine_impl.h"

/* A program of its own that is only measured, never installed, leaves the record of reads out (bench/). */
#ifdef ENGINE_UNRECORDED
#define RECORDED false
#else
#define RECORDED true
#endif

/* A share of what is ready: all readers get to work when there is much, one snapshot serves many when there
 * is more. */
static size_t share_of(size_t ready, unsigned readers)
{
    size_t n = (ready + readers - 1) / readers;
    return n < ENGINE_SNAPSHOT_MAX ? n : ENGINE_SNAPSHOT_MAX;
}

/* Waits for work. False when there is none left and none will come. */
static bool reads_take(struct engine *e, struct job_list *out)
{
    struct inbox *in = &e->read_box;
    struct job_list *reads = &in->list[LIST_READS];
    list_reset(out);
    pthread_mutex_lock(&in->lock);
    while (!reads->n && !in->closed)
        pthread_cond_wait(&in->wake, &in->lock);
    for (size_t n = share_of(reads->n, e->config.readers); n > 0; n--)
        list_push(out, list_pop(reads));
    if (reads->n)
        pthread_cond_signal(&in->wake); /* for the next reader */
    pthread_mutex_unlock(&in->lock);
    return out->n > 0;
}

static bool any_waits_history(const struct job_list *l)
{
    bool any = false;
    for (const struct job *j = l->first; j; j = j->next)
        any |= j->wait_history;
    return any;
}

/* Runs the batch in one snapshot; what left entries goes to `seals`, the rest to `answered`. `late` is why
 * history.db is not up to date, if it is not. */
static void batch_run(struct engine *e, struct store *st, struct job_list *batch, const struct fail *late,
                      struct job_list *seals, struct job_list *answered)
{
    struct job *j;
    while ((j = list_pop(batch))) {
        struct fail f = j->wait_history ? *late : (struct fail){0};
        if (f.code == OK)
            job_run(e, j, st, &f);
        if (f.code != OK) {
            j->n_entries = 0;
            j->fail(j, &f);
        }
        list_push(j->n_entries && RECORDED ? seals : answered, j);
    }
}

static void batch_fail(struct engine *e, struct job_list *batch, const struct fail *f)
{
    struct job *j;
    while ((j = list_pop(batch)))
        job_fail(e, j, f);
}

static void batch_release(struct engine *e, struct job_list *batch)
{
    struct job *j;
    while ((j = list_pop(batch)))
        job_release(e, j);
}

/* Tells whom the snapshot will be asked about. */
static void look_ahead(struct store *st, const struct job_list *batch)
{
    uint8_t ids[ENGINE_SNAPSHOT_MAX][STORE_ID_LEN];
    size_t n = 0;
    for (const struct job *j = batch->first; j && n < ENGINE_SNAPSHOT_MAX; j = j->next)
        if (j->about.len == STORE_ID_LEN)
            memcpy(ids[n++], j->about.p, STORE_ID_LEN);
    store_ahead(st, ids, n);
}

/* One snapshot. What left entries is added to `seals`, the rest is released. */
static void batch_serve(struct engine *e, struct store *st, struct job_list *batch, struct job_list *seals)
{
    struct job_list answered;
    struct fail f = {0}, late = {0};
    list_reset(&answered);
    /* Before the snapshot, which must hold the rows. */
    if (any_waits_history(batch) && history_wait(e, &late) == OK)
        copy_wait(e, &late);
    if (store_begin_read(st, &f) != OK) {
        batch_fail(e, batch, &f);
        return;
    }
    if (store_shared(st))
        look_ahead(st, batch);
    if (e->config.on_snapshot && store_shared(st) && e->config.on_snapshot(e->config.ctx, st, &f) != OK) {
        store_end_read(st);
        batch_fail(e, batch, &f);
        return;
    }
    batch_run(e, st, batch, &late, seals, &answered);
    store_end_read(st);
    batch_release(e, &answered);
}

void engine_lane_add(struct engine *e, unsigned lane, struct job *j)
{
    list_push(&e->lanes[lane].list, j);
}

void engine_lane_run(struct engine *e, unsigned lane)
{
    struct lane *l = &e->lanes[lane];
    struct job_list batch, seals;
    list_reset(&seals);
    while (l->list.n) {
        list_reset(&batch);
        while (l->list.n && batch.n < ENGINE_SNAPSHOT_MAX)
            list_push(&batch, list_pop(&l->list));
        batch_serve(e, l->st, &batch, &seals);
        if (seals.n >= ENGINE_LANE_GIVE || !l->list.n)
            inbox_give(&e->commit_box, LIST_SEALS, &seals);
    }
}

/* A connection that nobody uses costs memory and a start that takes longer. */
static bool seat_opened(struct reader_seat *seat, struct job_list *batch)
{
    struct fail f = {0};
    if (seat->st || store_open_further(seat->e->config.data, STORE_READ, &seat->st, &f) == OK)
        return true;
    batch_fail(seat->e, batch, &f);
    return false;
}

void *reader_main(void *arg)
{
    struct reader_seat *seat = arg;
    struct job_list batch, seals;
    list_reset(&seals);
    while (reads_take(seat->e, &batch)) {
        if (seat_opened(seat, &batch))
            batch_serve(seat->e, seat->st, &batch, &seals);
        inbox_give(&seat->e->commit_box, LIST_SEALS, &seals);
        jobs_released(seat->e);
    }
    return NULL;
}
