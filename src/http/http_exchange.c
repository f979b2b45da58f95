// SPDX-License-Identifier: Apache-2.0
/*
 * One request on its way: see http_impl.h.
 *
 *   begin -> step (headers) -> step (body)* -> step (end): handle() -> [step: not yet]* -> step: answer ->
 * end
 *
 * All of it happens on the loop's thread. Only http_put may be called by another: it leaves the exchange in
 * the loop's list. A connection that ends while the answer is awaited leaves its exchange behind as an
 * orphan, which goes when the answer comes.
 */
#define _GNU_SOURCE /* strcasecmp */
#include "http_impl.h"

#include "log.h"

#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

/* Something moved with this exchange in this run: there may be more to do at once. Not if it ends up held. */
static void moved(struct exchange *x)
{
    if (x->moved_in == x->loop->run)
        return;
    x->moved_in = x->loop->run;
    x->loop->moved++;
}

static void settled(struct exchange *x)
{
    if (x->moved_in != x->loop->run)
        return;
    x->moved_in = 0;
    x->loop->moved--;
}

/* Only the loop's thread writes it; http_stop reads. */
static void open_add(struct http_loop *l, int by)
{
    unsigned n = atomic_load_explicit(&l->open, memory_order_relaxed);
    atomic_store_explicit(&l->open, n + (unsigned)by, memory_order_relaxed);
}

static void exchange_free(struct exchange *x)
{
    open_add(x->loop, -1);
    arena_free(x->pub.arena);
}

/* ---- Answers */

void http_put(struct http_exchange *pub, const struct response *res)
{
    struct exchange *x = pub->server_side;
    struct http_loop *l = x->loop;
    x->res = res;
    if (!loop_here(l)) { /* the loop may take it, and x be gone, as soon as it is in the list */
        x->next = atomic_load_explicit(&l->done, memory_order_relaxed);
        while (!atomic_compare_exchange_weak(&l->done, &x->next, x))
            ;
    } else if (l->handling == x) {
        l->handling = NULL;
    } else {
        x->next = l->own;
        l->own = x;
    }
}

void http_reply(struct http_exchange *pub, const struct response *res)
{
    struct exchange *x = pub->server_side;
    struct http_loop *l = x->loop;
    struct http_server *s = l->server;
    if (loop_here(l)) {
        http_put(pub, res);
        return;
    }
    atomic_fetch_add(&s->replying, 1);
    http_put(pub, res);
    loop_wake(l);
    atomic_fetch_sub(&s->replying, 1);
}

void http_wake(struct http_server *s)
{
    for (unsigned i = 0; i < s->n_loops; i++)
        if (atomic_load(&s->loop[i].done))
            loop_wake(&s->loop[i]);
}

void exchange_done(struct exchange *x)
{
    x->loop->held--;
    x->state = REPLIED;
    if (x->connection)
        return; /* libmicrohttpd asks for it in the run that follows */
    x->loop->orphans--;
    exchange_free(x);
}

/* An answer may take longer than a connection may be idle. */
static void be_patient(struct exchange *x, bool yes)
{
    MHD_set_connection_option(x->connection, MHD_CONNECTION_OPTION_TIMEOUT, yes ? 0u : (unsigned)HTTP_IDLE_S);
    x->patient = yes;
}

static enum MHD_Result wait_on(struct exchange *x)
{
    if (!x->patient && x->loop->now - x->handed > HTTP_PATIENT_S)
        be_patient(x, true);
    return MHD_YES;
}

static enum MHD_Result answer(struct exchange *x)
{
    if (x->patient)
        be_patient(x, false);
    moved(x);
    return response_queue(x, x->res);
}

static void problem_fill(struct exchange *x, struct response *res, enum err code, const char *detail)
{
    struct fail f = {0};
    fail_set(&f, code, "%s", detail);
    http_problem(x->pub.arena, res, &f, SPAN_EMPTY);
}

/* Answers by ourselves, without handle(). */
static enum MHD_Result refuse(struct exchange *x, enum err code, int status, const char *detail)
{
    struct response res = {0};
    problem_fill(x, &res, code, detail);
    if (status)
        res.status = status;
    http_header(&res, "Connection", SPAN("close"));
    x->state = REPLIED;
    moved(x);
    return response_queue(x, &res);
}

/* ---- Headers */

/* Header fields of struct request; `single`: two of them are an attempt to be read in two ways. */
static const struct {
    const char *name;
    size_t at;
    bool single;
} heads[] = {
    {"Content-Type", offsetof(struct request, content_type), true},
    {"Authorization", offsetof(struct request, authorization), true},
    {"Cookie", offsetof(struct request, cookie), true},
    {"Origin", offsetof(struct request, origin), true},
    {"Sec-Fetch-Site", offsetof(struct request, sec_fetch_site), true},
    {"Accept", offsetof(struct request, accept), false},
    {"Accept-Language", offsetof(struct request, accept_language), false},
    {"If-None-Match", offsetof(struct request, if_none_match), false},
    {"Sec-GPC", offsetof(struct request, sec_gpc), false},
};

/* What the framing of a request says, gathered over its headers. */
struct framing {
    struct request *req;
    struct arena *arena;
    size_t bytes; /* of all headers */
    unsigned lengths, encodings, hosts;
    bool twice, chunked;
    uint64_t length;
};

static void head_take(struct framing *fr, const char *name, struct span value)
{
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct span *to = (struct span *)(void *)((char *)fr->req + heads[i].at);
        if (strcasecmp(name, heads[i].name) != 0)
            continue;
        fr->twice |= to->p && heads[i].single;
        if (!to->p) /* a copy: the connection may end before the answer is made */
            *to = arena_copy(fr->arena, value);
    }
}

static enum MHD_Result header_seen(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_size,
                                   const char *value, size_t value_size)
{
    struct framing *fr = cls;
    struct span v = span_of(value ? value : "", value_size);
    (void)kind;
    fr->bytes += key_size + value_size + sizeof ": \r\n" - 1;
    if (strcasecmp(key, "Content-Length") == 0) {
        fr->lengths++;
        fr->twice |= !span_u64(v, INT64_MAX, &fr->length);
    } else if (strcasecmp(key, "Transfer-Encoding") == 0) {
        fr->encodings++;
        fr->chunked = v.len == 7 && strncasecmp((const char *)v.p, "chunked", 7) == 0;
    } else if (strcasecmp(key, "Host") == 0) {
        fr->hosts++;
    } else {
        head_take(fr, key, v);
    }
    return MHD_YES;
}

/* RFC 9112, 3.2 and 6.1: what two readers could frame differently is refused. */
static const char *framing_fault(const struct framing *fr, bool one_one)
{
    if (fr->twice || fr->lengths > 1 || fr->hosts > 1)
        return "A header that may be there once is there twice, or is malformed.";
    if (fr->encodings && (fr->lengths || !fr->chunked || fr->encodings > 1))
        return "The length of the body is said in more than one way.";
    if (one_one && fr->hosts == 0)
        return "The Host header is missing.";
    return NULL;
}

static enum method method_of(const char *name)
{
    static const struct {
        const char *name;
        enum method m;
    } rows[] = {{"GET", METHOD_GET},
                {"HEAD", METHOD_HEAD},
                {"POST", METHOD_POST},
                {"PUT", METHOD_PUT},
                {"DELETE", METHOD_DELETE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(name, rows[i].name) == 0)
            return rows[i].m;
    return METHOD_OTHER;
}

static enum MHD_Result begin_request(struct exchange *x, const char *method, const char *version)
{
    const struct http_config *c = &x->loop->server->config;
    struct request *req = &x->pub.req;
    struct framing fr = {.req = req, .arena = x->pub.arena};
    size_t mark = span_find(x->uri, '?', 0);
    x->started = true;
    moved(x);
    req->method = method_of(method);
    req->operator_socket = x->loop->socket->operator_socket;
    req->path = span_sub(x->uri, 0, mark);
    req->query = span_sub(x->uri, mark + 1, x->uri.len);
    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, header_seen, &fr);
    const char *fault = framing_fault(&fr, strcmp(version, "HTTP/1.1") == 0);
    if (fault)
        return refuse(x, ERR_BAD_REQUEST, 0, fault);
    if (fr.bytes > HTTP_HEADER_BYTES_MAX)
        return refuse(x, ERR_TOO_LARGE, 431, "The headers are larger than 8 KiB.");
    if (x->uri.len > HTTP_PATH_MAX)
        return refuse(x, ERR_TOO_LARGE, 414, "The address is longer than 2048 bytes.");
    if (!req->path.len || req->path.p[0] != '/')
        return refuse(x, ERR_BAD_REQUEST, 0, "The address must begin with a slash.");
    x->body_max = c->body_max(c->ctx, req->method, req->path);
    x->body_said = fr.length;
    if (fr.length > x->body_max)
        return refuse(x, ERR_TOO_LARGE, 0, "The body is larger than this address takes.");
    return MHD_YES;
}

static enum MHD_Result start(struct exchange *x, const char *method, const char *version)
{
    enum MHD_Result r = begin_request(x, method, version);
    x->unread = x->state == REPLIED;
    return r;
}

/* ---- Body */

/* A chunked body grew past the limit: libmicrohttpd takes no answer before the body's end, and reading on is
 * what the limit is to prevent. So the answer is written past it, and the connection closed. */
static enum MHD_Result cut_off(struct exchange *x, enum err code, const char *detail)
{
    struct response res = {0};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    problem_fill(x, &res, code, detail);
    struct span all = arena_fmt(
        x->pub.arena,
        "HTTP/1.1 %d Content Too Large\r\nContent-Type: %.*s\r\nContent-Length: %zu\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n%.*s",
        res.status, SPAN_F(res.content_type), res.body.len, SPAN_F(res.body));
    if (info && send(info->connect_fd, all.p, all.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_line(LOG_LVL_DEBUG, "http", "a client with too large a body could not be told");
    return MHD_NO;
}

static void body_grow(struct exchange *x, size_t need)
{
    size_t first = x->body_said && x->body_said < HTTP_BODY_FIRST ? x->body_said : HTTP_BODY_FIRST;
    size_t cap = x->body_cap ? x->body_cap : first;
    while (cap < need)
        cap *= 2;
    uint8_t *p = arena_alloc(x->pub.arena, cap);
    if (x->body_len)
        memcpy(p, x->body, x->body_len);
    x->body = p;
    x->body_cap = cap;
}

static enum MHD_Result piece_take(struct exchange *x, const char *data, size_t size)
{
    if (x->state == REPLIED) /* refused already; it is not ours */
        return MHD_YES;
    if (size > x->body_max - x->body_len)
        return cut_off(x, ERR_TOO_LARGE, "The body is larger than this address takes.");
    if (x->loop->now - x->began > HTTP_REQUEST_S)
        return MHD_NO;
    moved(x);
    if (x->body_len + size > x->body_cap)
        body_grow(x, x->body_len + size);
    memcpy(x->body + x->body_len, data, size);
    x->body_len += size;
    return MHD_YES;
}

static enum MHD_Result body_take(struct exchange *x, const char *data, size_t *size)
{
    enum MHD_Result taken = piece_take(x, data, *size);
    /* A piece lies in the connection's memory, which is freed as it is when the connection ends. */
    explicit_bzero((void *)(uintptr_t)data, *size);
    *size = 0;
    return taken;
}

/* ---- Handing over */

static enum MHD_Result hand_over(struct exchange *x)
{
    struct http_loop *l = x->loop;
    const struct http_config *c = &l->server->config;
    x->pub.req.body = span_of(x->body, x->body_len);
    if (l->closing)
        return refuse(x, ERR_STOPPED, 0, "The service is stopping.");
    x->state = HELD;
    x->handed = l->now;
    l->held++;
    l->handling = x;
    c->handle(c->ctx, &x->pub);
    if (l->handling != x) { /* answered already */
        exchange_done(x);
        return answer(x);
    }
    l->handling = NULL;
    settled(x);
    return MHD_YES;
}

/* ---- Callbacks */

/* An identity: paths and queries reach the router as they were sent. */
void *exchange_begin(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct http_loop *l = cls;
    struct arena *a = arena_new(0);
    struct exchange *x = ARENA_NEW(a, struct exchange);
    x->pub.arena = a;
    x->pub.loop = l->number;
    x->pub.server_side = x;
    x->loop = l;
    x->connection = connection;
    x->uri = arena_copy(a, span_str(uri));
    x->began = l->now;
    open_add(l, 1);
    return x;
}

enum MHD_Result exchange_step(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **con_cls)
{
    struct exchange *x = *con_cls;
    (void)cls, (void)connection, (void)url;
    if (!x->started)
        return start(x, method, version);
    if (*upload_data_size)
        return body_take(x, upload_data, upload_data_size);
    if (x->state == HELD)
        return wait_on(x);
    return x->state == REPLIED ? answer(x) : hand_over(x);
}

void exchange_end(void *cls, struct MHD_Connection *connection, void **con_cls,
                  enum MHD_RequestTerminationCode toe)
{
    struct exchange *x = *con_cls;
    (void)cls, (void)connection, (void)toe;
    if (!x)
        return;
    *con_cls = NULL;
    if (x->unread)
        loop_wipe(x->loop);
    if (x->state != HELD) {
        exchange_free(x);
        return;
    }
    x->connection = NULL;
    x->loop->orphans++;
}
