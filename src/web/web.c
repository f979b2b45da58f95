// SPDX-License-Identifier: Apache-2.0
/* Opening and closing everything, in order. See web.h */
#include "web_impl.h"

#include "crypto.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#define HTTP_CONNECTIONS 2048
#define HTTP_GRACE_S     10 /* for answers under way when it stops */

/* What starting needs and running does not. */
struct start {
    struct arena *arena;
    struct policy_messages *messages;
};

/* ---- The steps; each leaves its part of struct web behind */

static enum err start_clock(struct web *w, struct start *s, struct fail *f)
{
    (void)s;
    return clock_check(w->config.clock_file, f);
}

static enum err start_lock(struct web *w, struct start *s, struct fail *f)
{
    (void)s;
    return folder_lock(w->config.data, &w->lock, f);
}

static void stop_lock(struct web *w)
{
    if (w->lock >= 0)
        close(w->lock);
}

/* The policy's messages must outlive a failure: they are kept in the caller's arena. */
static enum err start_gate(struct web *w, struct start *s, struct fail *f)
{
    struct store *st = NULL;
    struct instant now = web_clock(w->config.clock_file);
    const struct gate_config config = {
        .data = w->config.data,
        .policy_dir = arena_str(w->arena, arena_fmt(w->arena, "%s/policy", w->config.data)),
        .master_key_file = w->config.master_key,
        .master_key_command = w->config.master_key_command,
        .offset_minutes = WEB_OFFSET_MINUTES,
        .home_region = WEB_HOME_REGION,
        .node = node_number(w),
        .serving = w->config.listen != NULL,
    };
    enum err err = store_open_further(w->config.data, STORE_WRITE, &st, f);
    if (err == OK)
        err = gate_open(&config, st, now, &w->gate, s->messages, s->arena, f);
    if (st)
        store_close(st);
    return err;
}

static void stop_gate(struct web *w)
{
    if (w->gate)
        gate_close(w->gate);
}

static enum err start_audit(struct web *w, struct start *s, struct fail *f)
{
    (void)s;
    enum err err = audit_open(w->config.data, &w->audit, f);
    gate_record(w->gate, w->audit);
    return err;
}

static void stop_audit(struct web *w)
{
    if (w->audit)
        audit_close(w->audit);
}

static enum err start_known(struct web *w, struct start *s, struct fail *f)
{
    (void)s;
    return known_check(w, f);
}

static enum err start_node(struct web *w, struct start *s, struct fail *f)
{
    (void)s;
    return node_start(w, f);
}

static enum err start_listen(struct web *w, struct start *s, struct fail *f)
{
    (void)s;
    return node_listen(w, f);
}

static void on_registers(void *ctx, struct store *st)
{
    struct web *w = ctx;
    gate_registers_changed(w->gate, st);
    worker_wake(w);
}

static enum err who(void *ctx, struct store *st, struct span leaf, struct span detail, uint8_t subject[16],
                    bool *found, struct fail *f)
{
    struct web *w = ctx;
    (void)detail;
    return gate_entry_subject(w->gate, st, leaf, subject, found, f);
}

static struct instant engine_now(void *ctx)
{
    const struct web *w = ctx;
    return web_clock(w->config.clock_file);
}

static void released(void *ctx)
{
    struct web *w = ctx;
    struct http_server *http = w->http;
    if (http)
        http_wake(http);
}

static enum err start_engine(struct web *w, struct start *s, struct fail *f)
{
    (void)s;
    const struct engine_config config = {
        .data = w->config.data,
        .audit = w->audit,
        .readers = w->config.readers ? w->config.readers : WEB_READERS_DEFAULT,
        .lanes = w->config.listen ? WEB_HTTP_THREADS : 0,
        .ctx = w,
        .released = released,
        .who = who,
        .on_registers = on_registers,
        .now = engine_now,
        .on_snapshot = w->node ? node_snapshot : NULL,
        .node = node_number(w),
        .decisions = node_decisions(w),
        .copies = w->node ? node_copies : NULL,
    };
    return engine_start(&config, &w->engine, f);
}

static void stop_engine(struct web *w)
{
    if (!w->engine)
        return;
    engine_stop(w->engine);
    known_remember(w);
}

static enum err start_worker(struct web *w, struct start *s, struct fail *f)
{
    (void)s;
    return worker_start(w, f);
}

/* ---- The start is on record: who ran what, under which policy. The tool opens a folder without serving it:
 * then only a policy that did not run before is noted. */

static void note_start(struct call *c)
{
    struct text t = text_new(c->arena, 128);
    uint64_t again = gate_erased_again(c->web->gate);
    struct span loss = SPAN_EMPTY;
    if (gate_note_policy(&c->gate, &c->fail) != OK || gate_loss_note(&c->gate, &loss, &c->fail) != OK)
        return;
    if (!c->web->config.listen && !again && !loss.len)
        return;
    json_open(&t, NULL, '{');
    json_str(&t, "version", c->web->config.version);
    json_str(&t, "commit", c->web->config.commit);
    json_str(&t, "policy", c->gate.view->revision);
    if (again)
        json_i64(&t, "erased_again", (int64_t)again);
    if (loss.len)
        json_raw(&t, "restored", arena_fmt(c->arena, "{%.*s}", SPAN_F(loss)));
    json_close(&t, '}');
    gate_note(&c->gate, AUDIT_START, text_span(&t), &c->fail);
}

static enum err start_note(struct web *w, struct start *s, struct fail *f)
{
    static const struct route row = {.name = "note_start",
                                     .method = METHOD_POST,
                                     .path = "(start)",
                                     .handler = note_start,
                                     .kind = KIND_WRITE,
                                     .response = "none"};
    (void)s;
    enum err err = dispatch_own(w, &row, f);
    if (err == OK && w->config.accept_loss) /* once is enough */
        known_remember(w);
    return err;
}

static enum err start_sweep(struct web *w, struct start *s, struct fail *f)
{
    (void)s;
    return w->config.listen ? sweeper_start(w, f) : OK;
}

/* ---- Sockets */

static size_t body_max(void *ctx, enum method m, struct span path)
{
    (void)ctx;
    return route_body_max(m, path);
}

static enum err start_http(struct web *w, struct start *s, struct fail *f)
{
    (void)s;
    const struct http_config config = {
        .listen = w->config.listen,
        .operator_path = web_socket_path(w->arena, w->config.data),
        .threads = WEB_HTTP_THREADS,
        .connections_max = HTTP_CONNECTIONS,
        .body_max = body_max,
        .handle = dispatch_http,
        .after_round = dispatch_round,
        .ctx = w,
    };
    if (!w->config.listen)
        return OK;
    struct span listen = span_str(w->config.listen);
    size_t colon = listen.len;
    while (colon > 0 && listen.p[colon - 1] != ':')
        colon--;
    struct http_server *http;
    enum err err = http_start(&config, &http, f);
    if (err != OK)
        return err;
    w->http = http;
    w->listen = arena_fmt(w->arena, "%.*s%u", SPAN_F(span_sub(listen, 0, colon)), http_port(http));
    malloc_trim(0); /* what reading the policy took is not needed again before the next one */
    return OK;
}

static void stop_http(struct web *w)
{
    if (w->http)
        http_stop(w->http, HTTP_GRACE_S);
}

/* The committer may still be about to wake it when it has stopped. */
static void free_http(struct web *w)
{
    http_free(w->http);
}

/* In this order up, in the other down. */
static const struct {
    enum err (*start)(struct web *w, struct start *s, struct fail *f);
    void (*stop)(struct web *w);
} steps[] = {
    {start_clock, free_http},    {start_lock, stop_lock},     {start_node, node_stop},
    {start_gate, stop_gate},     {start_audit, stop_audit},   {start_known, NULL},
    {start_engine, stop_engine}, {start_worker, worker_stop}, {start_listen, node_quiet},
    {start_note, NULL},          {start_sweep, sweeper_stop}, {start_http, stop_http},
};
#define N_STEPS (sizeof steps / sizeof steps[0])

/* ---- See web.h */

static struct web *web_new(const struct web_config *c)
{
    struct arena *a = arena_new(0);
    struct web *w = ARENA_NEW(a, struct web);
    *w = (struct web){.config = *c, .lock = -1, .arena = a};
    pthread_mutex_init(&w->turning, NULL);
    if (!c->master_key)
        w->config.master_key = arena_str(a, arena_fmt(a, "%s/master-key", c->data));
    w->config.data = arena_str(a, span_str(c->data));
    return w;
}

enum err web_start(const struct web_config *c, struct arena *a, struct policy_messages *m, struct web **out,
                   struct fail *f)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct web *w = web_new(c);
    struct start s = {.arena = a, .messages = m};
    enum err err = crypto_start(f);
    pthread_once(&once, routes_prepare);
    for (size_t i = 0; i < N_STEPS && err == OK; i++)
        err = steps[i].start(w, &s, f);
    if (err != OK) {
        web_stop(w);
        return err;
    }
    *out = w;
    return OK;
}

void web_stop(struct web *w)
{
    for (size_t i = N_STEPS; i-- > 0;)
        if (steps[i].stop)
            steps[i].stop(w);
    pthread_mutex_destroy(&w->turning);
    arena_free(w->arena);
}

unsigned web_port(const struct web *w)
{
    return w->http ? http_port(w->http) : 0;
}

struct span web_summary(struct web *w, struct arena *a)
{
    const struct gate_view *v = gate_hold(w->gate);
    struct span s = arena_fmt(a, "policy %s, %zu documents; record of %llu entries", v->revision,
                              policy_documents(v->policy), (unsigned long long)audit_sealed_size(w->audit));
    gate_release(w->gate, v);
    return s;
}
