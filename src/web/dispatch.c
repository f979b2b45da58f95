// SPDX-License-Identifier: Apache-2.0
/* The way of a call: row, guard, handler on the right thread, answer. See web_impl.h */
#define _GNU_SOURCE /* memmem */
#include "web_impl.h"

#include "log.h"

static struct call *call_new(struct web *w, const struct request *req, struct arena *a)
{
    struct call *c = ARENA_NEW(a, struct call);
    struct instant now = web_clock(w->config.clock_file);
    *c = (struct call){.web = w, .req = req, .arena = a};
    c->res = &c->job_store.res;
    c->gate = (struct gate_call){.gate = w->gate, .view = gate_hold_at(w->gate, now), .arena = a, .now = now};
    return c;
}

/* ---- Answers to failures */

/* The index of a refusal's entry is known later still: its blanks are found in the finished document. A
 * string in it cannot hold this text, its quotes would be escaped. */
static void find_slot(struct response *res, size_t n_entries)
{
    static const char mark[] = "\"entry\":                    ";
    const uint8_t *at = res->body.len ? memmem(res->body.p, res->body.len, mark, sizeof mark - 1) : NULL;
    if (!at || !n_entries)
        return;
    res->slot_at[0] = (uint32_t)((size_t)(at - res->body.p) + sizeof mark - 1 - RESPONSE_SLOT_WIDTH);
    res->slot_entry[0] = 0;
    res->n_slots = 1;
}

static void keep_headers(struct response *to, const struct response *from)
{
    *to = (struct response){.n_headers = from->n_headers};
    memcpy(to->headers, from->headers, sizeof to->headers);
}

/* A refusal's sentence may repeat what the caller wrote, which may be anybody's data: the log gets its kind.
 * A failure of ours is told in full. */
static void log_failure(const struct call *c, const struct err_row *row)
{
    log_line((enum log_level)row->level, "web", "%s %s: %s", method_name(c->req->method),
             c->route ? c->route->path : "(no route)", row->status < 500 ? row->slug : c->fail.detail);
}

/* What failed in here names files and statements: for the log and the operator, not for whoever asked. */
static void keep_inside(struct call *c, const struct err_row *row)
{
    if (row->status < 500 || c->req->operator_socket)
        return;
    c->fail = (struct fail){.code = c->fail.code};
    fail_hint(&c->fail, "The operator finds the cause in the log of the service.");
}

static void answer_failure(struct call *c)
{
    const struct err_row *row = err_row(c->fail.code);
    struct response before = *c->res;
    keep_headers(c->res, &before);
    log_failure(c, row);
    keep_inside(c, row);
    if (c->fail.code == ERR_BUSY || c->fail.code == ERR_RATE)
        http_header(c->res, "Retry-After", SPAN("1"));
    if (page_wanted(c))
        page_problem(c);
    else
        http_problem(c->arena, c->res, &c->fail, c->extra);
    find_slot(c->res, c->gate.n_entries);
}

/* ---- In the engine */

/* A refusal is on record though nothing changed; a change that failed on its way did not happen. */
static bool leaves_entries(const struct call *c, const struct job *j)
{
    return c->fail.code == OK || c->gate.undo || j->kind == JOB_READ;
}

static void take_entries(struct call *c, struct job *j)
{
    if (!leaves_entries(c, j))
        c->gate.n_entries = 0;
    j->n_entries = c->gate.n_entries;
    j->entries = c->gate.entries;
    if (j->n_entries > JOB_ENTRIES_OWN) {
        j->index = ARENA_ARRAY(c->arena, j->n_entries, uint64_t);
        j->entry_subject = ARENA_ARRAY(c->arena, j->n_entries, struct span);
    }
    for (size_t i = 0; i < c->gate.n_entries; i++) {
        /* Whatever is registered may change what is decided: the snapshot and its epoch follow. */
        j->registers_changed |=
            c->gate.entries[i].leaf.kind == AUDIT_REGISTER && !c->gate.entry_has_subject[i];
        j->entry_subject[i] =
            c->gate.entry_has_subject[i] ? span_of(c->gate.entry_subject[i].b, ID_LEN) : SPAN_EMPTY;
    }
}

static void job_after(struct job *j, struct store *st)
{
    struct call *c = j->user;
    c->after(c, st);
    if (c->fail.code != OK)
        answer_failure(c);
}

/* The same as before the first run: a job that met another daemon's runs again. */
static void call_anew(struct call *c, struct job *j, struct store *st)
{
    c->fail = (struct fail){0};
    c->extra = SPAN_EMPTY;
    *c->res = (struct response){0};
    c->gate.n_entries = 0;
    c->gate.made = (struct subject_id){0};
    c->gate.undo = c->gate.forget_history = false;
    c->gate.st = st;
    c->gate.now = j->now;
    c->gate.adopted = false;
    j->registers_changed = false;
    j->after = NULL;
    c->after = NULL;
}

/* Another node may have changed registers or policies since the call came in: it goes by those that belong to
 * its snapshot, and who calls is looked up in them again. */
static enum err call_follow(struct call *c)
{
    if (!c->web->node)
        return OK;
    const struct gate_view *v = gate_hold_at(c->web->gate, c->gate.now), *had = c->gate.view;
    bool same = v == had;
    c->gate.view = v;
    gate_release(c->web->gate, had);
    return same ? OK : guard_caller(c);
}

enum err dispatch_follow(struct call *c)
{
    if (c->web->node && node_snapshot(c->web, c->gate.st, &c->fail) != OK)
        return c->fail.code;
    return call_follow(c);
}

static void job_run(struct job *j, struct store *st, void *ctx)
{
    (void)ctx;
    struct call *c = j->user;
    call_anew(c, j, st);
    if (call_follow(c) == OK)
        c->route->handler(c);
    take_entries(c, j);
    j->undo = c->gate.undo || c->fail.code != OK;
    j->forget_history = c->gate.forget_history && !j->undo;
    j->look_up = c->gate.adopted;
    j->after = c->after ? job_after : NULL;
    if (c->fail.code != OK)
        answer_failure(c);
}

static void job_fail(struct job *j, const struct fail *f)
{
    struct call *c = j->user;
    c->fail = *f;
    c->extra = SPAN_EMPTY;
    c->gate.n_entries = 0;
    answer_failure(c);
}

static void job_done(struct job *j)
{
    struct call *c = j->user;
    c->reply(c);
}

/* These ask of one person and nobody else: their rows may be fetched with others'. */
static struct span job_about(struct call *c)
{
    static const web_handler of_one[] = {api_data_read, api_data_put, api_consent_add};
    bool one = false;
    for (size_t i = 0; i < sizeof of_one / sizeof of_one[0]; i++)
        one |= c->route->handler == of_one[i];
    struct subject_id *id = ARENA_NEW(c->arena, struct subject_id);
    return one && hex_get(c->params.value[0], id->b, ID_LEN) ? span_of(id->b, ID_LEN) : SPAN_EMPTY;
}

static void job_fill(struct call *c)
{
    c->job = &c->job_store;
    c->job->req = c->req;
    c->job->arena = c->arena;
    c->job->kind = c->route->kind == KIND_WRITE ? JOB_WRITE : JOB_READ;
    c->job->wait_history = c->route->kind == KIND_READ_HISTORY;
    c->job->about = job_about(c);
    c->job->now = c->gate.now;
    c->job->user = c;
    c->job->run = job_run;
    c->job->done = job_done;
    c->job->fail = job_fail;
}

/* ---- Both ways in */

/* Answers at once what needs no engine. True if it was answered. */
static bool answered_here(struct call *c)
{
    if (route_find(c) == OK && guard_check(c) == OK) {
        dispatch_turned(c->web);
        bool reads = c->route->kind != KIND_DIRECT && c->route->kind != KIND_WRITE;
        if (reads && node_hears(c->web, &c->fail) != OK) {
            answer_failure(c); /* at once: nobody waits behind a connection that may be dead */
            return true;
        }
        if (c->route->kind != KIND_DIRECT)
            return false;
        c->route->handler(c);
    }
    if (c->fail.code != OK)
        answer_failure(c);
    return true;
}

static void call_end(struct call *c)
{
    gate_release(c->web->gate, c->gate.view);
}

/* What came into force is on record before anything is answered under it. */
static void note_turn(struct call *c)
{
    gate_note_policy(&c->gate, &c->fail);
}

void dispatch_turned(struct web *w)
{
    static const struct route row = {.name = "note_turn",
                                     .method = METHOD_POST,
                                     .path = "(in force)",
                                     .handler = note_turn,
                                     .kind = KIND_WRITE,
                                     .response = "none"};
    struct fail f = {0};
    if (!gate_turned(w->gate))
        return;
    pthread_mutex_lock(&w->turning);                             /* whoever comes meanwhile waits for it */
    if (gate_turned(w->gate) && dispatch_own(w, &row, &f) == OK) /* else tried again with the next call */
        gate_turn_noted(w->gate);
    pthread_mutex_unlock(&w->turning);
}

/* Short reads of callers from the network run on the thread of their socket, with those that came with them.
 */
static bool in_lane(const struct call *c)
{
    return c->route->kind == KIND_READ && c->reply_to && c->reply_to->loop < WEB_HTTP_THREADS;
}

static void to_engine(struct call *c)
{
    job_fill(c);
    if (in_lane(c)) {
        engine_lane_add(c->web->engine, c->reply_to->loop, c->job);
        return;
    }
    if (engine_submit(c->web->engine, c->job, &c->fail) == OK)
        return;
    answer_failure(c);
    c->reply(c);
}

/* A handler's answer, or the job of the handler that was prepared. */
void dispatch_worked(struct call *c)
{
    struct web *w = c->web;
    if (c->fail.code != OK)
        answer_failure(c);
    if (c->fail.code != OK || c->route->kind == KIND_WORK)
        c->reply(c);
    else
        to_engine(c);
    if (w->http)
        http_wake(w->http);
}

/* The loops are told at the end of the group, or here, on their own threads. */
static void reply_http(struct call *c)
{
    struct http_exchange *x = c->reply_to;
    call_end(c);
    http_put(x, c->res);
}

void dispatch_http(void *web, struct http_exchange *x)
{
    struct web *w = web;
    struct call *c = call_new(w, &x->req, x->arena);
    c->reply = reply_http;
    c->reply_to = x;
    if (answered_here(c)) {
        reply_http(c);
        return;
    }
    if (!worker_wanted(c->route)) {
        to_engine(c);
    } else if (worker_give(w, c, &c->fail) != OK) {
        answer_failure(c);
        reply_http(c);
    }
}

void dispatch_round(void *web, unsigned loop)
{
    struct web *w = web;
    if (loop < WEB_HTTP_THREADS)
        engine_lane_run(w->engine, loop);
}

void web_handle(struct web *w, const struct request *req, struct arena *a, struct response *res)
{
    struct call *c = call_new(w, req, a);
    c->reply = call_end;
    bool answered = answered_here(c);
    if (!answered && worker_wanted(c->route)) {
        worker_run(w, c);
        if (c->fail.code != OK)
            answer_failure(c);
        answered = c->fail.code != OK || c->route->kind == KIND_WORK;
    }
    if (answered) {
        call_end(c);
    } else {
        job_fill(c);
        engine_call(w->engine, c->job);
    }
    *res = *c->res;
}

enum err dispatch_own(struct web *w, const struct route *r, struct fail *f)
{
    static const struct request nobody = {.method = METHOD_POST, .operator_socket = true};
    struct arena *a = arena_new(0);
    struct call *c = call_new(w, &nobody, a);
    c->route = r;
    c->role = ROLE_OPERATOR;
    c->reply = call_end;
    job_fill(c);
    engine_call(w->engine, c->job);
    if (c->fail.code != OK)
        *f = c->fail;
    arena_free(a);
    return f->code;
}
