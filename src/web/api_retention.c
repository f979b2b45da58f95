// SPDX-License-Identifier: Apache-2.0
/* The sweep: on demand, and by its own thread while the daemon serves. See gate.h. */
#include "web_impl.h"

#include "log.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define SWEEP_WAIT_MS 50 /* while history.db is gone through */

void api_sweep(struct call *c)
{
    struct gate_sweep s;
    struct text t = text_new(c->arena, 128);
    if (gate_sweep(&c->gate, &s, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_i64(&t, "deleted", (int64_t)s.deleted);
    json_i64(&t, "held", (int64_t)s.held);
    json_i64(&t, "grown", (int64_t)s.grown);
    json_bool(&t, "more", s.more);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

void api_retention(struct call *c)
{
    struct gate_retention r;
    struct text t = text_new(c->arena, 256);
    if (gate_retention(&c->gate, &r, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_i64(&t, "due", r.due);
    if (r.next.ms < INSTANT_FOREVER.ms)
        json_instant(&t, "next", r.next);
    json_i64(&t, "deleted", (int64_t)r.deleted);
    json_i64(&t, "held", (int64_t)r.held);
    if (r.last.ms)
        json_instant(&t, "last", r.last);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- The thread */

/* As long as others need the committer, the sweep takes at most a fifth of its time, and four groups a
 * second: after each of them every reader maps the database anew, which costs more than the group. */
#define PAUSE_TIMES  4
#define PAUSE_MIN_MS 250
#define PAUSE_MAX_MS 1000
#define BUSY_MS      1000

struct sweeper {
    struct web *web;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop, more;
    bool waits;  /* there is more, but not at once */
    size_t left; /* entries of the last batch */
};

static void sweep_own(struct call *c)
{
    struct gate_sweep s = {0};
    gate_sweep(&c->gate, &s, &c->fail);
    c->web->sweeper->left = c->gate.n_entries; /* the sweeper waits for this call */
    __atomic_store_n(&c->web->sweeper->more, s.more && c->fail.code == OK, __ATOMIC_RELAXED);
}

bool rows_gone(void *engine, uint64_t minimum)
{
    return engine_forget_before(engine, minimum);
}

/* A pruning of the record that was begun, and whose caller is gone. */
static void prune_own(struct call *c)
{
    struct gate_pruning p = {0};
    gate_prune_step(&c->gate, c->web->audit, rows_gone, c->web->engine, &p, &c->fail);
    bool more = p.more && c->fail.code == OK;
    c->web->sweeper->left = c->gate.n_entries;
    __atomic_store_n(&c->web->sweeper->more, more, __ATOMIC_RELAXED);
    __atomic_store_n(&c->web->sweeper->waits, more && p.left == 0, __ATOMIC_RELAXED);
}

/* Waits; false if it shall stop. */
static bool wait_ms(struct sweeper *s, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&s->lock);
    while (!s->stop && pthread_cond_timedwait(&s->wake, &s->lock, &until) == 0)
        continue;
    bool go = !s->stop;
    pthread_mutex_unlock(&s->lock);
    return go;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What a run has seen of others. */
struct pace {
    uint64_t sealed; /* size of the record after the last batch */
    int64_t busy_till;
};

/* How long to leave the committer to others: if anybody else left entries in the last second, several times
 * what the batch took, because whatever came meanwhile waited for it. */
static int64_t pause_after(const struct sweeper *s, int64_t began, struct pace *p)
{
    uint64_t sealed = audit_sealed_size(s->web->audit);
    int64_t now = now_ms(), pause = PAUSE_TIMES * (now - began);
    if (sealed - p->sealed > s->left)
        p->busy_till = now + BUSY_MS;
    p->sealed = sealed;
    if (now >= p->busy_till)
        return 0;
    return pause < PAUSE_MIN_MS ? PAUSE_MIN_MS : pause > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause;
}

/* Batch after batch, each a job like any other: what people ask for goes in between. */
static void run(struct sweeper *s, const struct route *row, const char *stays)
{
    struct pace p = {.sealed = audit_sealed_size(s->web->audit)};
    int64_t pause;
    do {
        struct fail f = {0};
        int64_t began = now_ms();
        __atomic_store_n(&s->more, false, __ATOMIC_RELAXED);
        __atomic_store_n(&s->waits, false, __ATOMIC_RELAXED);
        if (dispatch_own(s->web, row, &f) != OK)
            log_line(LOG_LVL_WARN, "sweep", "%s until the next turn: %s", stays, f.detail);
        pause = pause_after(s, began, &p);
        if (__atomic_load_n(&s->waits, __ATOMIC_RELAXED) && pause < SWEEP_WAIT_MS)
            pause = SWEEP_WAIT_MS;
    } while (__atomic_load_n(&s->more, __ATOMIC_RELAXED) && wait_ms(s, pause));
}

static void *sweeper_main(void *arg)
{
    static const struct route values = {.name = "sweep",
                                        .method = METHOD_POST,
                                        .path = "(sweep)",
                                        .handler = sweep_own,
                                        .kind = KIND_WRITE,
                                        .response = "none"};
    static const struct route record = {.name = "prune",
                                        .method = METHOD_POST,
                                        .path = "(prune)",
                                        .handler = prune_own,
                                        .kind = KIND_WRITE,
                                        .response = "none"};
    struct sweeper *s = arg;
    do {
        if (node_leads(s->web)) /* one node does it for all; each prunes its own record */
            run(s, &values, "what is kept beyond its time stays");
        run(s, &record, "pruned epochs of the record are not all deleted");
        known_remember(s->web);
    } while (wait_ms(s, 0) && wait_ms(s, WEB_SWEEP_S * 1000));
    return NULL;
}

enum err sweeper_start(struct web *w, struct fail *f)
{
    pthread_condattr_t monotonic;
    struct sweeper *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->web = w;
    w->sweeper = s;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&s->thread, NULL, sweeper_main, s) == 0)
        return OK;
    free(s);
    w->sweeper = NULL;
    return fail_set(f, ERR_INTERNAL, "the sweep's thread does not start");
}

void sweeper_stop(struct web *w)
{
    struct sweeper *s = w->sweeper;
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
    w->sweeper = NULL;
}
