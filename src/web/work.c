// SPDX-License-Identifier: Apache-2.0
/* The worker: see web_impl.h. It also sees to it that a set of documents comes into force at its instant when
 * nobody calls. */
#include "web_impl.h"

#include "log.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define WAITING_MAX 32  /* calls; each may take a second */
#define LOOK_MS     500 /* how often the clock is looked at while a set waits */

struct worker {
    struct web *web;
    pthread_t thread;
    pthread_mutex_t lock, turn; /* of the queue; of the connection */
    pthread_cond_t wake;
    struct call *first, **end;
    size_t n;
    bool closed, running;
    struct store *st;
};

/* Rows whose handler has a part that is done here first. */
static const struct {
    web_handler handler, prepare;
} prepared[] = {
    {api_policy_publish, api_policy_prepare},
};

static web_handler part_of(const struct route *r)
{
    if (r->kind == KIND_WORK)
        return r->handler;
    for (size_t i = 0; i < sizeof prepared / sizeof prepared[0]; i++)
        if (r->handler == prepared[i].handler)
            return prepared[i].prepare;
    return NULL;
}

bool worker_wanted(const struct route *r)
{
    return part_of(r) != NULL;
}

void worker_run(struct web *w, struct call *c)
{
    pthread_mutex_lock(&w->worker->turn);
    if (store_begin_read(w->worker->st, &c->fail) == OK) {
        c->gate.st = w->worker->st;
        if (dispatch_follow(c) == OK)
            part_of(c->route)(c);
        c->gate.st = NULL;
        store_end_read(w->worker->st);
    }
    pthread_mutex_unlock(&w->worker->turn);
}

/* ---- The thread */

enum err worker_give(struct web *w, struct call *c, struct fail *f)
{
    struct worker *k = w->worker;
    pthread_mutex_lock(&k->lock);
    bool room = !k->closed && k->n < WAITING_MAX;
    if (room) {
        c->next = NULL;
        *k->end = c;
        k->end = &c->next;
        k->n++;
        pthread_cond_signal(&k->wake);
    }
    pthread_mutex_unlock(&k->lock);
    return room ? OK : fail_set(f, ERR_BUSY, "%d requests of this kind are waiting already", WAITING_MAX);
}

void worker_wake(struct web *w)
{
    if (!w->worker)
        return;
    pthread_mutex_lock(&w->worker->lock);
    pthread_cond_signal(&w->worker->wake);
    pthread_mutex_unlock(&w->worker->lock);
}

static struct call *pop(struct worker *k)
{
    struct call *c = k->first;
    if (!c)
        return NULL;
    k->first = c->next;
    k->n--;
    if (!k->first)
        k->end = &k->first;
    return c;
}

static void sleep_a_little(struct worker *k)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += LOOK_MS * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&k->wake, &k->lock, &t);
}

/* Nobody may be calling when its instant comes. */
static void look_at_clock(struct worker *k)
{
    struct web *w = k->web;
    gate_release(w->gate, gate_hold_at(w->gate, web_clock(w->config.clock_file)));
    dispatch_turned(w);
}

static struct call *wait_for_call(struct worker *k)
{
    struct call *c;
    pthread_mutex_lock(&k->lock);
    while (!(c = pop(k)) && !k->closed) {
        if (gate_next(k->web->gate).ms == INSTANT_FOREVER.ms) {
            pthread_cond_wait(&k->wake, &k->lock);
            continue;
        }
        pthread_mutex_unlock(&k->lock);
        look_at_clock(k);
        pthread_mutex_lock(&k->lock);
        if (!k->first && !k->closed)
            sleep_a_little(k);
    }
    pthread_mutex_unlock(&k->lock);
    return c;
}

static void *worker_main(void *arg)
{
    struct worker *k = arg;
    struct call *c;
    while ((c = wait_for_call(k))) {
        worker_run(k->web, c);
        dispatch_worked(c);
    }
    return NULL;
}

enum err worker_start(struct web *w, struct fail *f)
{
    struct worker *k = calloc(1, sizeof *k);
    pthread_condattr_t attr;
    if (!k)
        abort(); /* as arena.h: out of memory ends the process */
    w->worker = k;
    k->web = w;
    k->end = &k->first;
    pthread_mutex_init(&k->lock, NULL);
    pthread_mutex_init(&k->turn, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->wake, &attr);
    pthread_condattr_destroy(&attr);
    enum err err = store_open_further(w->config.data, STORE_READ, &k->st, f);
    if (err != OK || !w->config.listen) /* the tool runs it in its own thread */
        return err;
    if (pthread_create(&k->thread, NULL, worker_main, k) != 0)
        return fail_set(f, ERR_INTERNAL, "no thread could be started");
    k->running = true;
    return OK;
}

/* Finishes what waits. */
void worker_stop(struct web *w)
{
    struct worker *k = w->worker;
    if (!k)
        return;
    pthread_mutex_lock(&k->lock);
    k->closed = true;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
    if (k->running)
        pthread_join(k->thread, NULL);
    store_close(k->st);
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->turn);
    pthread_mutex_destroy(&k->lock);
    free(k);
    w->worker = NULL;
}
