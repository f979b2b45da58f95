// SPDX-License-Identifier: Apache-2.0
/*
 * The publisher: tiles and a signed checkpoint a few times a second, as long as the record grows.
 *
 * A thread of its own, because hashing and four syncs take longer than a group may wait: it reads back what
 * the committer sealed and shares nothing else with it.
 */
#include "engine_impl.h"

#include "log.h"

void publisher_init(struct engine *e)
{
    struct publisher *p = &e->publisher;
    pthread_mutex_init(&p->lock, NULL);
    cond_init_monotonic(&p->wake); /* not idle: a crash may have left something to publish */
}

void publish_sealed(struct engine *e)
{
    struct publisher *p = &e->publisher;
    pthread_mutex_lock(&p->lock);
    if (p->idle)
        pthread_cond_signal(&p->wake);
    p->idle = false;
    pthread_mutex_unlock(&p->lock);
}

static void publish(struct engine *e)
{
    struct publisher *p = &e->publisher;
    struct fail f = {0};
    if (atomic_load(&e->stopped))
        return;
    enum err err = audit_publish(e->config.audit, e->config.now(e->config.ctx), &f);
    if (err == ERR_STOPPED)
        stop_acknowledging(e, &f);
    else if (err != OK && !p->late)
        log_line(LOG_LVL_WARN, "engine", "the checkpoint could not be published yet: %s", f.detail);
    p->late = err != OK;
}

/* The room is asked for again and again: it may be there any time. */
static void prepare(struct engine *e)
{
    struct publisher *p = &e->publisher;
    struct fail f = {0};
    if (atomic_load(&e->stopped))
        return;
    bool short_before = p->short_of_room;
    p->short_of_room = audit_prepare(e->config.audit, &f) != OK;
    if (p->short_of_room && !short_before)
        log_line(
            LOG_LVL_WARN, "engine",
            "no room for the next segment of the record; once it is needed, requests that go on record are "
            "refused: %s",
            f.detail);
    if (short_before && !p->short_of_room)
        log_line(LOG_LVL_INFO, "engine", "there is room again for the next segment of the record");
}

/* Waits until there is something to publish and the last time is long enough ago. False when closed. */
static bool wait_due(struct publisher *p, int64_t due_ms)
{
    pthread_mutex_lock(&p->lock);
    while (p->idle && !p->closed)
        pthread_cond_wait(&p->wake, &p->lock);
    int64_t left;
    while (!p->closed && (left = due_ms - monotonic_ms()) > 0)
        cond_wait_ms(&p->wake, &p->lock, left);
    p->idle = true;
    bool more = !p->closed;
    pthread_mutex_unlock(&p->lock);
    return more;
}

static void *publisher_main(void *arg)
{
    struct engine *e = arg;
    int64_t due = monotonic_ms();
    while (wait_due(&e->publisher, due)) {
        due = monotonic_ms() + ENGINE_PUBLISH_MS;
        publish(e);
        prepare(e);
        if (e->publisher.late || e->publisher.short_of_room)
            publish_sealed(e); /* to be tried again */
    }
    publish(e);
    return NULL;
}

enum err publisher_start(struct engine *e, struct fail *f)
{
    enum err err = thread_start(&e->publisher.thread, "publisher", publisher_main, e, f);
    e->publisher.runs = err == OK;
    return err;
}

void publisher_stop(struct engine *e)
{
    struct publisher *p = &e->publisher;
    if (p->runs) {
        pthread_mutex_lock(&p->lock);
        p->closed = true;
        pthread_cond_signal(&p->wake);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
}
