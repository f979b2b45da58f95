// SPDX-License-Identifier: Apache-2.0
/* Other daemons on one database: see nodes.h. */
#define _GNU_SOURCE
#include "nodes.h"
#include "store_pg_impl.h"

#include "instant.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

/* Advisory locks: a class, and the node's number, or 0 for who leads. */
#define LOCK_CLASS "7238530"
#define NOW_MS     "(extract(epoch from clock_timestamp()) * 1000)::bigint"

enum { DEAF_MS = NODE_DEAF_MS, START_MS = 15000 }; /* a start may wait longer than a beat */
enum { LOCK_WAIT_MS = 10000, LOCK_LOOK_MS = 200 }; /* for the lock of a daemon that was killed */
enum { ENDED_WAIT_MS = 3000 };                     /* and of one that ended by itself */

/* ---- In a group of the store */

static uint64_t process_number;

static void process_number_make(void)
{
    while (process_number == 0)
        if (getrandom(&process_number, sizeof process_number, 0) != (ssize_t)sizeof process_number)
            process_number = (uint64_t)getpid() << 32 | (uint64_t)pg_monotonic_ms();
}

uint64_t pg_process(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, process_number_make);
    return process_number;
}

void pg_notify(struct store_pg *pg, const char *payload)
{
    const char *const values[] = {PG_CHANNEL, payload};
    pg_room(pg, 1);
    pg_sent(pg, PQsendQueryParams(pg->c, "SELECT pg_notify($1, $2)", 2, NULL, values, NULL, NULL, 1), false);
}

enum err pg_node_lock(struct store_pg *pg, int64_t number, bool *taken, struct fail *f)
{
    char sql[128], state[6];
    PGresult *r = NULL;
    snprintf(sql, sizeof sql, "SELECT pg_try_advisory_xact_lock(" LOCK_CLASS ", %lld)::int",
             (long long)number);
    enum err err = pg_enter(pg, f);
    if (err != OK)
        return err;
    pg_room(pg, 1);
    pg_sent(pg, PQsendQueryParams(pg->c, sql, 0, NULL, NULL, NULL, NULL, 1), true);
    pg_collect(pg, &r, state);
    if (state[0] && !pg->lost.code)
        pg_fail_state(pg, state, "look whether a node runs", &pg->lost);
    *taken = r && PQntuples(r) == 1 && pg_i(r, 0, 0) == 1;
    PQclear(r);
    if (pg->lost.code && f && f->code == OK)
        *f = pg->lost;
    return pg->lost.code;
}

/* The locks of two numbers have objsubid 2; number 0 is the lead. */
static bool names_running(struct store_pg *pg, struct arena *a, struct span *out)
{
    PGresult *r = pg_exec(
        pg,
        "SELECT string_agg(COALESCE(n.name, l.objid::text), ', ' ORDER BY l.objid::bigint) FROM pg_locks l"
        " LEFT JOIN node n ON n.number = l.objid::bigint WHERE l.locktype = 'advisory' AND l.granted"
        " AND l.classid = " LOCK_CLASS " AND l.objsubid = 2 AND l.objid::bigint > 0"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())");
    bool told = PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1;
    *out = told ? arena_copy(a, span_str(PQgetvalue(r, 0, 0))) : SPAN_EMPTY;
    PQclear(r);
    return told;
}

enum err pg_nodes_running(struct store_pg *pg, struct arena *a, struct span *names, struct fail *f)
{
    for (int waited = 0; waited <= ENDED_WAIT_MS; waited += LOCK_LOOK_MS) {
        if (waited)
            usleep(LOCK_LOOK_MS * 1000);
        if (!names_running(pg, a, names))
            return pg_fail_state(pg, "08006", "look which nodes run", f);
        if (!names->len)
            return OK;
    }
    return OK;
}

/* ---- The ear: a plain connection, one command at a time, each waited for at most DEAF_MS */

struct ear {
    PGconn *c;
    char *url;
    char name[NODE_NAME_MAX + 1];
    int64_t number, session;
    int backend; /* the server's process of the connection: ours may live on there after we lost it */
    int wake;    /* eventfd */
    bool leads;
    bool beats; /* it is running: answers are due at once */
    int64_t retry_ms, backoff_ms;
};

static enum err ear_away(struct fail *f)
{
    enum err err = fail_set(f, ERR_BUSY, "the database does not answer");
    fail_hint(f, "see that the database server runs and can be reached from here");
    return err;
}

static void ear_drop(struct ear *e)
{
    PQfinish(e->c);
    e->c = NULL;
    e->leads = false;
}

/* Reads what came. False: the time is over, or the connection is. */
static bool ear_input(struct ear *e, int64_t until)
{
    struct pollfd p = {.fd = PQsocket(e->c), .events = POLLIN};
    int64_t left = until - pg_monotonic_ms();
    int n = poll(&p, 1, left > 0 ? (int)left : 0);
    if (n < 0 && errno == EINTR)
        return true;
    return n > 0 && PQconsumeInput(e->c) == 1;
}

/* The last result of a command; null: it was not answered in time, or failed (then *state says how). */
static PGresult *ear_ask(struct ear *e, const char *sql, const char *const *values, int n, char state[6])
{
    int64_t until = pg_monotonic_ms() + (e->beats ? DEAF_MS : START_MS);
    PGresult *last = NULL, *r;
    snprintf(state, 6, "08006");
    if (!e->c || PQsendQueryParams(e->c, sql, n, NULL, values, NULL, NULL, 0) != 1)
        return NULL;
    for (;;) {
        while (PQisBusy(e->c))
            if (!ear_input(e, until)) {
                PQclear(last);
                ear_drop(e);
                return NULL;
            }
        r = PQgetResult(e->c);
        if (!r)
            break;
        PQclear(last);
        last = r;
    }
    ExecStatusType s = PQresultStatus(last);
    if (s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK) {
        state[0] = 0;
        return last;
    }
    const char *why = last ? PQresultErrorField(last, PG_DIAG_SQLSTATE) : NULL;
    snprintf(state, 6, "%s", why ? why : "08006");
    PQclear(last);
    if (PQstatus(e->c) != CONNECTION_OK)
        ear_drop(e);
    return NULL;
}

/* The numbers of the first row; false: none came. */
static bool ear_numbers(struct ear *e, const char *sql, const char *const *values, int n, int64_t *out,
                        int wanted, char state[6])
{
    PGresult *r = ear_ask(e, sql, values, n, state);
    bool got = r && PQntuples(r) == 1 && PQnfields(r) >= wanted;
    for (int i = 0; got && i < wanted; i++)
        out[i] = strtoll(PQgetvalue(r, 0, i), NULL, 10);
    PQclear(r);
    return got;
}

static enum err ear_failed(struct ear *e, const char *state, const char *doing, struct fail *f)
{
    if (!e->c)
        return ear_away(f);
    struct store_pg shown = {.c = e->c, .which = STORE_MAIN};
    return pg_fail_state(&shown, state, doing, f);
}

static enum err through_pool(struct fail *f)
{
    fail_hint(f, "name the server itself beside it: `listen = postgresql://…` in DIR/database (`troth init "
                 "--listen-database URL`)");
    return fail_set(
        f, ERR_BAD_VALUE,
        "the database's URL leads through a connection pool, which keeps no locks and tells nothing");
}

/* Login and version are told as for any other connection. */
static enum err ear_connect(struct ear *e, struct fail *f)
{
    char state[6];
    struct store_pg *pg = pg_new(e->url, STORE_MAIN);
    enum err err = pg_connect(pg, f);
    ear_drop(e);
    bool pooled = err == OK && pg->pooled;
    if (err == OK && !pooled) {
        PQexitPipelineMode(pg->c);
        e->c = pg->c;
        pg->c = NULL;
        PQclear(ear_ask(e, "LISTEN " PG_CHANNEL, NULL, 0, state));
        err = state[0] ? ear_failed(e, state, "listen", f) : OK;
    }
    if (err == OK && pooled)
        err = through_pool(f);
    pg_close(pg);
    return err;
}

/* ---- The lock of the name */

static bool ear_lock(struct ear *e, int64_t number, bool *taken, char state[6])
{
    char text[24];
    int64_t got = 0;
    const char *const values[] = {text};
    snprintf(text, sizeof text, "%lld", (long long)number);
    bool ok = ear_numbers(e, "SELECT pg_try_advisory_lock(" LOCK_CLASS ", $1::int)::int", values, 1, &got, 1,
                          state);
    *taken = ok && got == 1;
    return ok;
}

static enum err running_already(const struct ear *e, int64_t seen, struct fail *f)
{
    char when[INSTANT_TEXT_MAX];
    instant_put(when, (struct instant){seen});
    fail_hint(f,
              "stop it first, or give this one a name of its own: `troth init DIR --database … --node NAME`");
    return fail_set(f, ERR_CONFLICT, "a daemon runs as node '%s' already; it was last seen at %s", e->name,
                    when);
}

/* A daemon that ended a moment ago may still hold the lock: the server has not noticed yet. One that runs
 * goes on beating. `seen`: its last beat. */
static enum err ear_lock_first(struct ear *e, int64_t seen, struct fail *f)
{
    char state[6] = "", number[24];
    int64_t now = seen;
    bool taken = false;
    const char *const by[] = {number};
    snprintf(number, sizeof number, "%lld", (long long)e->number);
    for (int waited = 0; waited <= LOCK_WAIT_MS; waited += LOCK_LOOK_MS) {
        if (waited)
            usleep(LOCK_LOOK_MS * 1000);
        if (!ear_lock(e, e->number, &taken, state))
            return ear_failed(e, state, "take the lock of its name", f);
        if (taken)
            return OK;
        if (!ear_numbers(e, "SELECT seen FROM node WHERE number = $1", by, 1, &now, 1, state))
            return ear_failed(e, state, "read the nodes", f);
        if (now - seen > 2 * NODE_BEAT_MS)
            break;
    }
    return running_already(e, now, f);
}

static enum err ear_claim(struct ear *e, struct fail *f)
{
    char state[6], number[24];
    int64_t row[3] = {0}; /* number, state, seen */
    const char *const name[] = {e->name}, *const by[] = {number};
    if (!ear_numbers(e, "SELECT number, state, seen FROM node WHERE name = $1", name, 1, row, 3, state)) {
        if (state[0])
            return ear_failed(e, state, "read the nodes", f);
        fail_hint(f, "the database may have been restored from a time before it joined; let it join again "
                     "with `troth init`");
        return fail_set(f, ERR_NOT_FOUND, "the database knows no node '%s'", e->name);
    }
    if (row[1] != NODE_LIVE) {
        fail_hint(f, "a retired node does not come back: make another one with `troth init DIR --node NAME`");
        return fail_set(f, ERR_CONFLICT, "node '%s' was retired", e->name);
    }
    e->number = row[0];
    enum err err = ear_lock_first(e, row[2], f);
    if (err != OK)
        return err;
    snprintf(number, sizeof number, "%lld", (long long)e->number);
    if (!ear_numbers(e,
                     "UPDATE node SET session = session + 1, started = " NOW_MS ", seen = " NOW_MS
                     " WHERE number = $1 RETURNING session",
                     by, 1, &e->session, 1, state))
        return ear_failed(e, state, "begin its session", f);
    return OK;
}

enum err ear_open(const char *data, const char *name, struct ear **out, struct fail *f)
{
    struct arena *a = arena_new(1024);
    struct pg_urls urls;
    struct ear *e = calloc(1, sizeof *e);
    enum err err = pg_urls_read(a, data, &urls, f);
    if (!e)
        abort(); /* as the arena does: out of memory ends the process */
    e->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    e->url = err == OK ? strdup(arena_str(a, urls.listen.len ? urls.listen : urls.main)) : NULL;
    snprintf(e->name, sizeof e->name, "%s", name);
    arena_free(a);
    if (err == OK && e->wake < 0)
        err = fail_set(f, ERR_IO, "no descriptor is left");
    if (err == OK)
        err = ear_connect(e, f);
    if (err == OK)
        err = ear_claim(e, f);
    if (err != OK) {
        ear_close(e);
        return err;
    }
    e->backend = PQbackendPID(e->c);
    *out = e;
    return OK;
}

void ear_close(struct ear *e)
{
    if (!e)
        return;
    ear_drop(e);
    if (e->wake >= 0)
        close(e->wake);
    free(e->url);
    free(e);
}

int64_t ear_number(const struct ear *e)
{
    return e->number;
}

int64_t ear_session(const struct ear *e)
{
    return e->session;
}

/* What we lost may live on at the server for a while, and with it our own lock: it is ended, if it is ours.
 */
static void ear_end_old(struct ear *e)
{
    char state[6], pid[24], number[24];
    const char *const values[] = {pid, number};
    snprintf(pid, sizeof pid, "%d", e->backend);
    snprintf(number, sizeof number, "%lld", (long long)e->number);
    PQclear(
        ear_ask(e,
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid = $1::int"
                " AND classid = " LOCK_CLASS " AND objid = $2::oid AND pid <> pg_backend_pid()"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                values, 2, state));
}

static enum err ear_take_again(struct ear *e, struct fail *f)
{
    char state[6], number[24];
    int64_t row[2] = {0};
    bool taken = false;
    const char *const by[] = {number};
    ear_end_old(e);
    for (unsigned tries = 0; !taken && tries < 5 && e->c; tries++) {
        if (tries)
            usleep(20000);
        if (!ear_lock(e, e->number, &taken, state))
            return ear_failed(e, state, "take the lock of its name", f);
    }
    snprintf(number, sizeof number, "%lld", (long long)e->number);
    if (!ear_numbers(e, "SELECT session, seen FROM node WHERE number = $1", by, 1, row, 2, state))
        return ear_failed(e, state, "read its session", f);
    if (!taken && row[0] == e->session)
        return ear_away(f); /* the old connection is not gone yet */
    if (row[0] == e->session)
        return OK;
    running_already(e, row[1], f);
    return f ? f->code = ERR_STOPPED : ERR_STOPPED;
}

enum err ear_again(struct ear *e, struct fail *f)
{
    int64_t now = pg_monotonic_ms();
    if (now < e->retry_ms)
        return ear_away(f);
    enum err err = ear_connect(e, f);
    if (err == OK)
        err = ear_take_again(e, f);
    if (err == OK) {
        e->backend = PQbackendPID(e->c);
        e->backoff_ms = 0;
        return OK;
    }
    ear_drop(e);
    e->backoff_ms = e->backoff_ms ? e->backoff_ms * 2 : PG_BACKOFF_MIN_MS;
    if (e->backoff_ms > PG_BACKOFF_MAX_MS / 2)
        e->backoff_ms = PG_BACKOFF_MAX_MS / 2;
    e->retry_ms = pg_monotonic_ms() + e->backoff_ms;
    return err;
}

/* ---- Beats */

static int64_t skew_of(int64_t now_ms, int64_t before_mono, int64_t server_ms)
{
    int64_t spent = pg_monotonic_ms() - before_mono;
    int64_t least = server_ms - now_ms - spent, most = server_ms - now_ms;
    return least > 0 ? least : most < 0 ? most : 0;
}

static char *hex_of(struct span s)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * s.len + 3);
    if (!text)
        abort(); /* as the arena does: out of memory ends the process */
    text[0] = '\\';
    text[1] = 'x';
    for (size_t i = 0; i < s.len; i++) {
        text[2 + 2 * i] = digits[s.p[i] >> 4];
        text[3 + 2 * i] = digits[s.p[i] & 15];
    }
    text[2 + 2 * s.len] = 0;
    return text;
}

#define BEAT                                                                                                 \
    "UPDATE node SET seen = " NOW_MS ", skew = CASE WHEN $3::bigint = 0 THEN 0 ELSE " NOW_MS                 \
    " - $3::bigint END,"                                                                                     \
    " record = CASE WHEN $4::bigint < 0 THEN record ELSE $4::bigint END,"                                    \
    " checkpoint = CASE WHEN $4::bigint < 0 THEN checkpoint ELSE $5::bytea END WHERE number = $1 AND "       \
    "session = $2"                                                                                           \
    " RETURNING seen, state, (SELECT number FROM meta WHERE name = 'generation'),"                           \
    " (SELECT COUNT(*) FROM node o WHERE o.number <> $1),"                                                   \
    " (current_setting('synchronous_standby_names') <> '')::int, (SELECT version FROM schema_version)"

enum err ear_beat(struct ear *e, const struct ear_beat *b, struct ear_news *out, struct fail *f)
{
    char state[6], number[24], session[24], now[24], record[24];
    int64_t row[6] = {0}, before = pg_monotonic_ms();
    char *checkpoint = hex_of(b->checkpoint);
    const char *const values[] = {number, session, now, record, checkpoint};
    snprintf(number, sizeof number, "%lld", (long long)e->number);
    snprintf(session, sizeof session, "%lld", (long long)e->session);
    snprintf(now, sizeof now, "%lld", (long long)b->now_ms);
    snprintf(record, sizeof record, "%lld", (long long)b->record);
    bool got = ear_numbers(e, BEAT, values, 5, row, 6, state);
    free(checkpoint);
    pg_deaf(!got);
    if (!got && state[0])
        return ear_failed(e, state, "give a sign of life", f);
    if (!got)
        return fail_set(f, ERR_STOPPED, "another daemon took the name of node '%s', or it was retired",
                        e->name);
    *out = (struct ear_news){.seen_ms = row[0],
                             .state = row[1],
                             .version = row[2],
                             .others = row[3],
                             .standbys = row[4] != 0,
                             .newer = row[5] > store_schema_newest(STORE_MAIN),
                             .skew_ms = b->now_ms ? skew_of(b->now_ms, before, row[0]) : 0};
    return OK;
}

/* ---- What others did: "PROCESS r" or "PROCESS e HEX HEX ..." */

static void hear_erased(const char *list, void (*erased)(void *, struct span), void *ctx)
{
    uint8_t id[STORE_FORGET_MAX];
    size_t len = 0;
    for (const char *p = list;; p++) {
        int digit = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : -1;
        if (digit >= 0 && len < 2 * sizeof id) {
            id[len / 2] = (uint8_t)(len % 2 ? id[len / 2] << 4 | digit : digit);
            len++;
        } else if (digit < 0) {
            if (len)
                erased(ctx, span_of(id, len / 2));
            len = 0;
        }
        if (!*p)
            return;
    }
}

static void hear(const char *payload, bool *registers, void (*erased)(void *, struct span), void *ctx)
{
    char *rest;
    uint64_t who = strtoull(payload, &rest, 16);
    if (who == pg_process() || *rest != ' ')
        return;
    if (rest[1] == 'r')
        *registers = true;
    else if (rest[1] == 'e')
        hear_erased(rest + 2, erased, ctx);
}

static bool hear_all(struct ear *e, bool *registers, void (*erased)(void *, struct span), void *ctx)
{
    bool any = false;
    for (PGnotify *n; (n = PQnotifies(e->c)); any = true) {
        hear(n->extra, registers, erased, ctx);
        PQfreemem(n);
    }
    return any;
}

enum err ear_wait(struct ear *e, int ms, bool *registers, void (*erased)(void *ctx, struct span subject),
                  void *ctx, struct fail *f)
{
    e->beats = true;
    *registers = false;
    if (!e->c)
        return ear_away(f);
    struct pollfd p[2] = {{.fd = PQsocket(e->c), .events = POLLIN}, {.fd = e->wake, .events = POLLIN}};
    uint64_t count;
    if (hear_all(e, registers, erased, ctx)) /* came with the answer to a beat */
        return OK;
    poll(p, 2, ms);
    if (p[1].revents && read(e->wake, &count, sizeof count) < 0)
        count = 0;
    if (p[0].revents && PQconsumeInput(e->c) != 1) {
        ear_drop(e);
        return ear_away(f);
    }
    hear_all(e, registers, erased, ctx);
    return OK;
}

void ear_wake(struct ear *e)
{
    const uint64_t one = 1;
    if (write(e->wake, &one, sizeof one) < 0)
        return; /* it is awake already */
}

bool ear_leads(struct ear *e)
{
    char state[6];
    if (e->c && !e->leads)
        ear_lock(e, 0, &e->leads, state);
    return e->c && e->leads;
}
