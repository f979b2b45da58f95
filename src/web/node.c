// SPDX-License-Identifier: Apache-2.0
/*
 * One of many daemons on a database: its name, its ear, its thread. See nodes.h, web_impl.h.
 *
 * The thread beats, hears what others changed and loads it at once. What is decided does not rest on it: each
 * snapshot brings its own versions (node_snapshot). A beat or a snapshot that is answered lets this node
 * allow for one more second; without an answer it stops by itself.
 */
#include "web_impl.h"

#include "file.h"
#include "index.h"
#include "log.h"
#include "nodes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

static const char DEAF[] = "this node has not heard from the database for a second",
                  SKEW[] = "this node's clock and the database server's are too far apart",
                  TAKEN[] = "another daemon took this node's name, or it was retired",
                  NEWER[] = "a newer troth changed the database, and this node runs an older one";

#define INDEX_EVERY_MS 1000

struct node {
    struct web *web;
    struct node_setting setting;
    struct ear *ear;
    struct store *st;     /* the thread's: reads */
    struct store *writer; /* its own for the index log, while it leads */
    struct sign_key *index_key;
    struct span index_origin;
    int64_t token, index_due_ms; /* of the lead, 0: not taken; when the index log is looked at again */
    pthread_t thread, prober;
    pthread_mutex_t turn; /* the prober's pause ends with `closed` */
    pthread_cond_t over;
    bool running, probing;
    atomic_bool closed, leads, lost; /* lost: the name is another's, or the tables a newer troth's */
    atomic_bool newer;               /* the latter */
    atomic_bool standbys;            /* the server that answers beats has synchronous standbys */
    atomic_llong skew_ms, others;
    atomic_llong beat_ms; /* the newest beat that was answered, by the server's clock */
    const char *said;     /* why nothing is allowed: the log has it already; null: it is allowed */
};

static int64_t mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- The row of this node */

static enum err read_line(struct web *w, const char *name, struct arena *a, struct span *out, struct fail *f)
{
    enum err err =
        file_read(a, arena_str(a, arena_fmt(a, "%s/audit/%s", w->config.data, name)), 4096, out, f);
    *out = span_trim(*out);
    return err;
}

/* A database of before there were nodes, or one just made: this daemon is its first. */
static enum err row_first(struct web *w, const char *name, struct store *st, struct fail *f)
{
    struct store_rows rows;
    struct arena *a = arena_new(0);
    struct span origin = SPAN_EMPTY, verifier = SPAN_EMPTY;
    bool any = store_one(st, Q_NODE_ALL, NO_ARGS, &rows, f);
    enum err err = any ? OK : rows.err;
    store_done(&rows);
    if (err == OK && !any)
        err = read_line(w, "origin", a, &origin, f);
    if (err == OK && !any)
        err = read_line(w, "key.pub", a, &verifier, f);
    if (err == OK && !any) {
        struct instant now = web_clock(w->config.clock_file);
        store_one(
            st, Q_NODE_ADD,
            ARGS(ARG_T(span_str(name)), ARG_T(origin), ARG_T(verifier), ARG_I(now.ms), ARG_B(SPAN_EMPTY)),
            &rows, f);
        err = rows.err;
        store_done(&rows);
    }
    arena_free(a);
    return err;
}

/* ---- Starting */

static enum err check_skew(const struct ear_news *news, struct fail *f)
{
    if (news->skew_ms <= NODE_SKEW_MAX_MS && news->skew_ms >= -NODE_SKEW_MAX_MS)
        return OK;
    fail_hint(f, "let both keep time (NTP); up to %d ms are borne", NODE_SKEW_MAX_MS);
    return fail_set(f, ERR_CONFLICT, "this machine's clock is %lld ms %s the database server's",
                    (long long)llabs(news->skew_ms), news->skew_ms > 0 ? "behind" : "ahead of");
}

static enum err first_beat(struct node *n, struct fail *f)
{
    struct ear_news news;
    const struct ear_beat beat = {.now_ms = web_clock(NULL).ms, .record = -1};
    enum err err = ear_beat(n->ear, &beat, &news, f);
    if (err == OK) {
        atomic_store(&n->others, news.others);
        atomic_store(&n->beat_ms, news.seen_ms);
        atomic_store(&n->standbys, news.standbys);
    }
    return err == OK ? check_skew(&news, f) : err;
}

/* Alone, a node keeps its history to itself. */
bool node_copies(void *web)
{
    struct web *w = web;
    return w->node && (w->node->setting.decisions || atomic_load(&w->node->others) > 0);
}

enum err node_start(struct web *w, struct fail *f)
{
    struct node_setting setting;
    struct store *st = NULL;
    if (!node_setting(w->config.data, &setting))
        return OK;
    struct node *n = calloc(1, sizeof *n);
    if (!n)
        abort(); /* as arena.h: out of memory ends the process */
    n->web = w;
    n->setting = setting;
    pthread_mutex_init(&n->turn, NULL);
    pthread_cond_init(&n->over, NULL);
    w->node = n;
    enum err err = store_open(w->config.data, STORE_WRITE, &st, f); /* brings the schema up to date */
    if (err == OK)
        err = row_first(w, setting.name, st, f);
    store_close(st);
    if (err == OK)
        err = ear_open(w->config.data, setting.name, &n->ear, f);
    return err == OK ? first_beat(n, f) : err;
}

void node_stop(struct web *w)
{
    struct node *n = w->node;
    if (!n)
        return;
    node_quiet(w);
    ear_close(n->ear);
    pthread_mutex_destroy(&n->turn);
    pthread_cond_destroy(&n->over);
    free(n);
    w->node = NULL;
}

int64_t node_number(const struct web *w)
{
    return w->node ? ear_number(w->node->ear) : 0;
}

bool node_decisions(const struct web *w)
{
    return w->node && w->node->setting.decisions;
}

bool node_leads(const struct web *w)
{
    return !w->node || atomic_load(&w->node->leads);
}

enum err node_hears(const struct web *w, struct fail *f)
{
    return gate_hears(w->gate, f);
}

/* ---- What belongs to a snapshot */

static enum err name_taken(struct fail *f)
{
    fail_hint(f, "stop this daemon; `troth node list` shows who runs");
    return fail_set(f, ERR_STOPPED, "%s", TAKEN);
}

static enum err too_old(struct fail *f)
{
    fail_hint(f, "stop this daemon, and start it with the troth that the other nodes run");
    return fail_set(f, ERR_STOPPED, "%s", NEWER);
}

static enum err other_server(struct store *st, struct fail *f)
{
    store_renew(st);
    fail_hint(f, "after a switch-over it is over when all connections lead to the new server; try again");
    return fail_set(f, ERR_BUSY, "this connection leads to another server than the one that hears this node");
}

/* An answered beat is in every snapshot that was taken afterwards, unless that is of another server: one
 * whose place was taken, and which does not know what was withdrawn since. */
enum err node_snapshot(void *web, struct store *st, struct fail *f)
{
    struct web *w = web;
    struct node_stand at = {0};
    int64_t beat_ms = atomic_load(&w->node->beat_ms), sent = mono_ms();
    enum err err = atomic_load(&w->node->newer) ? too_old(f) : store_stand(st, node_number(w), &at, f);
    if (err == OK && at.fresh && at.seen_ms < beat_ms)
        err = other_server(st, f);
    if (err == OK && (at.session != ear_session(w->node->ear) || at.state != NODE_LIVE))
        err = name_taken(f);
    /* A snapshot is as good as a beat, unless another server may have taken the place of the one it is of. */
    if (err == OK && at.fresh && !atomic_load(&w->node->standbys))
        gate_heard(w->gate, sent + NODE_DEAF_MS);
    return err == OK ? gate_follow(w->gate, st, at.version, web_clock(w->config.clock_file), f) : err;
}

/* ---- The thread */

static void follow(struct node *n)
{
    struct fail f = {0};
    if (store_begin_read(n->st, &f) != OK)
        return; /* the next snapshot loads it */
    node_snapshot(n->web, n->st, &f);
    store_end_read(n->st);
    worker_wake(n->web);
}

static void heard_erased(void *ctx, struct span subject)
{
    struct node *n = ctx;
    gate_heard_erased(n->web->gate, subject);
}

/* The connection is there again; what others did meanwhile was not heard. */
static enum err catch_up(struct node *n, struct fail *f)
{
    enum err err = store_begin_read(n->st, f);
    if (err != OK)
        return err;
    err = gate_heard_nothing(n->web->gate, n->st, f);
    store_end_read(n->st);
    return err;
}

static void say_deaf(struct node *n, const char *why, const struct fail *f)
{
    if (n->said != why)
        log_line(LOG_LVL_WARN, "node", "nothing is allowed here: %s (%s)", why, f->detail);
    n->said = why;
}

/* For good: nothing is allowed, and no group is written (node_snapshot). */
static void stop_allowing(struct node *n, const char *why, const struct fail *f)
{
    atomic_store(&n->lost, true);
    atomic_store(&n->leads, false);
    gate_hears_until(n->web->gate, 1, why);
    say_deaf(n, why, f);
}

static void lose_name(struct node *n, const struct fail *f)
{
    stop_allowing(n, TAKEN, f);
}

/* Whoever brought the tables up to date saw no node running, or was not asked to look. */
static void lose_tables(struct node *n)
{
    struct fail f = {0};
    atomic_store(&n->newer, true);
    fail_set(&f, ERR_STOPPED, "stop it, and start the troth that the other nodes run");
    stop_allowing(n, NEWER, &f);
}

static void beat_answered(struct node *n, int64_t sent_ms, const struct ear_news *news)
{
    struct fail f = {0};
    atomic_store(&n->skew_ms, news->skew_ms);
    atomic_store(&n->beat_ms, news->seen_ms);
    atomic_store(&n->standbys, news->standbys);
    atomic_store(&n->others, news->others);
    gate_copies_set(n->web->gate, node_copies(n->web));
    if (check_skew(news, &f) != OK) {
        gate_hears_until(n->web->gate, 1, SKEW);
        atomic_store(&n->leads, false);
        say_deaf(n, SKEW, &f);
        return;
    }
    gate_hears_until(n->web->gate, sent_ms + NODE_DEAF_MS, DEAF);
    if (n->said)
        log_line(LOG_LVL_INFO, "node", "the database is heard again");
    n->said = NULL;
    atomic_store(&n->leads, ear_leads(n->ear));
    if (news->version > gate_version(n->web->gate))
        follow(n);
}

static void beat(struct node *n)
{
    struct fail f = {0};
    struct ear_news news;
    struct arena *a = arena_new(1024);
    struct ear_beat b = {.record = (int64_t)audit_sealed_size(n->web->audit)};
    if (audit_checkpoint(n->web->audit, a, &b.checkpoint, &f) != OK)
        b.record = -1;
    f = (struct fail){0};
    b.now_ms = web_clock(NULL).ms;
    int64_t sent = mono_ms();
    enum err err = ear_beat(n->ear, &b, &news, &f);
    if (err == OK && news.newer)
        lose_tables(n);
    else if (err == OK)
        beat_answered(n, sent, &news);
    else if (err == ERR_STOPPED)
        lose_name(n, &f);
    else
        say_deaf(n, DEAF, &f);
    arena_free(a);
}

/* ---- The index log: whoever leads enters what is new of each node, once a second */

static void index_round(struct node *n)
{
    struct fail f = {0};
    size_t entered = 0;
    enum err err = n->writer ? OK : store_open_further(n->web->config.data, STORE_WRITE, &n->writer, &f);
    if (err == OK && !n->token)
        err = index_lead(n->writer, n->index_key, n->index_origin, &n->token, &f);
    if (err == OK)
        err = index_grow(n->writer, n->index_key, n->index_origin, n->token, &entered, &f);
    if (err == ERR_CONFLICT)
        n->token = 0; /* another one has led meanwhile */
    else if (err != OK && err != ERR_BUSY)
        log_line(LOG_LVL_ERROR, "node", "the index log does not grow: %s", f.detail);
}

static void index_turn(struct node *n)
{
    if (!atomic_load(&n->leads)) {
        n->token = 0;
        return;
    }
    if (mono_ms() < n->index_due_ms)
        return;
    n->index_due_ms = mono_ms() + INDEX_EVERY_MS;
    index_round(n);
}

/* Its verifier key, beside the record's: for `troth audit verify --index`, and whoever asks. */
static enum err index_prepare(struct node *n, struct fail *f)
{
    struct web *w = n->web;
    uint8_t pk[SIGN_PK_LEN];
    n->index_key = gate_index_key(w->gate);
    n->index_origin = index_origin(w->arena, audit_origin(w->audit));
    sign_key_public(n->index_key, pk);
    struct span key = merkle_verifier_key(w->arena, n->index_origin, pk);
    return file_write_durable(arena_str(w->arena, arena_fmt(w->arena, "%s/index-key.pub", w->config.data)),
                              arena_fmt(w->arena, "%.*s\n", SPAN_F(key)), 0644, f);
}

/* False: it is to be tried again, also if only what was not heard is missing. */
static bool reconnect(struct node *n)
{
    struct fail f = {0};
    enum err err = ear_again(n->ear, &f);
    store_renew(n->st); /* its connections were lost with the ear's, and may not know it yet */
    if (err == OK)
        err = catch_up(n, &f);
    if (err == OK)
        beat(n);
    else if (err == ERR_STOPPED)
        lose_name(n, &f);
    else
        say_deaf(n, DEAF, &f);
    return err == OK;
}

/* Until the next beat is due. False: the connection is lost. */
static bool listen_until(struct node *n, int64_t due_ms)
{
    bool well = true;
    for (int64_t left = due_ms - mono_ms(); left > 0 && well && !atomic_load(&n->closed);
         left = due_ms - mono_ms()) {
        struct fail f = {0};
        bool registers = false;
        well = ear_wait(n->ear, (int)left, &registers, heard_erased, n, &f) == OK;
        if (registers)
            follow(n);
    }
    return well;
}

static void pause_ms(struct node *n, long ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000L};
    if (!atomic_load(&n->closed))
        nanosleep(&t, NULL);
}

static void *node_main(void *arg)
{
    struct node *n = arg;
    bool there = true;
    while (!atomic_load(&n->closed) && !atomic_load(&n->lost)) {
        int64_t due = mono_ms() + NODE_BEAT_MS;
        bool whole = there || reconnect(n);
        if (there)
            beat(n);
        index_turn(n);
        there = listen_until(n, due) && whole;
        if (!there) {
            atomic_store(&n->leads, false);
            pause_ms(n, 50);
        }
    }
    return NULL;
}

/* A server that swallows everything is tried for seconds: beats must not wait for it. */
static void *prober_main(void *arg)
{
    struct node *n = arg;
    store_probed(true);
    while (!atomic_load(&n->closed)) {
        struct timespec until;
        store_probe(n->st);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += NODE_BEAT_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_mutex_lock(&n->turn);
        if (!atomic_load(&n->closed))
            pthread_cond_timedwait(&n->over, &n->turn, &until);
        pthread_mutex_unlock(&n->turn);
    }
    store_probed(false);
    return NULL;
}

enum err node_listen(struct web *w, struct fail *f)
{
    struct node *n = w->node;
    if (!n)
        return OK;
    enum err err = index_prepare(n, f);
    if (err == OK)
        err = store_open_further(w->config.data, STORE_READ, &n->st, f);
    if (err != OK)
        return err;
    beat(n);
    n->running = pthread_create(&n->thread, NULL, node_main, n) == 0;
    n->probing = n->running && pthread_create(&n->prober, NULL, prober_main, n) == 0;
    return n->probing ? OK : fail_set(f, ERR_INTERNAL, "no thread could be started");
}

void node_quiet(struct web *w)
{
    struct node *n = w->node;
    if (!n)
        return;
    pthread_mutex_lock(&n->turn);
    atomic_store(&n->closed, true);
    pthread_cond_signal(&n->over);
    pthread_mutex_unlock(&n->turn);
    if (n->running) {
        ear_wake(n->ear);
        pthread_join(n->thread, NULL);
    }
    if (n->probing)
        pthread_join(n->prober, NULL);
    n->running = n->probing = false;
    store_close(n->st);
    store_close(n->writer);
    n->st = n->writer = NULL;
    sign_key_free(n->index_key);
    n->index_key = NULL;
}

/* ---- See web_impl.h */

void node_health(const struct web *w, struct text *t)
{
    struct fail f = {0};
    if (!w->node)
        return;
    json_open(t, "node", '{');
    json_str(t, "name", w->node->setting.name);
    json_bool(t, "hearing", node_hears(w, &f) == OK);
    json_bool(t, "leading", node_leads(w));
    json_i64(t, "others", atomic_load(&w->node->others));
    json_i64(t, "clock_ms", atomic_load(&w->node->skew_ms));
    json_i64(t, "copy_lag", (int64_t)engine_copy_lag(w->engine));
    json_close(t, '}');
}
