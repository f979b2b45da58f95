// SPDX-License-Identifier: Apache-2.0
/*
 * One request on its way: see http_impl.h.
 *
 *   begin -> step (headers) -> step (body)* -> step (end): handle() -> [suspended] -> http_reply -> step:
 * answer -> end
 *
 * handle() may answer before it returns: then nothing is suspended. Who comes second, the answer or the
 * suspension, resumes the connection; `state` decides.
 */
#define _GNU_SOURCE /* strcasecmp */
#include "http_impl.h"

#include "log.h"

#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum state { COLLECTING, HANDLING, SUSPENDED, REPLIED };

struct exchange {
    struct http_exchange pub; /* first: http_reply gets this */
    struct http_socket *socket;
    struct MHD_Connection *connection;
    atomic_int state;
    struct MHD_Response *response; /* ready to be queued */
    unsigned status;
    struct span uri; /* as sent */
    time_t began;    /* monotonic */
    bool started;
    uint8_t *body;
    size_t body_len, body_cap, body_max;
};

static time_t monotonic_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec;
}

/* ---- Answers */

/* form-action 'self' and frame-ancestors 'none': pages post to us only and are framed by nobody. same-origin
 * instead of no-referrer, which would blank the Origin of our own forms. */
static const char *const security_headers[][2] = {
    {"Content-Security-Policy",
     "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
     "frame-ancestors 'none'; base-uri 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

static void header_add(struct MHD_Response *r, const char *name, const char *value)
{
    if (MHD_add_response_header(r, name, value) != MHD_YES)
        log_line(LOG_LVL_ERROR, "http", "the header %s of an answer cannot be sent", name);
}

static bool has_header(const struct response *res, const char *name)
{
    bool has = false;
    for (size_t i = 0; i < res->n_headers; i++)
        has |= res->headers[i].name.len == strlen(name) &&
               strncasecmp((const char *)res->headers[i].name.p, name, res->headers[i].name.len) == 0;
    return has;
}

static struct MHD_Response *response_build(struct exchange *x, const struct response *res)
{
    struct arena *a = x->pub.arena;
    void *body = (void *)(uintptr_t)res->body.p; /* read only there; lives in the arena until the end */
    struct MHD_Response *r = MHD_create_response_from_buffer(res->body.len, body, MHD_RESPMEM_PERSISTENT);
    if (!r)
        return NULL;
    for (size_t i = 0; i < sizeof security_headers / sizeof security_headers[0]; i++)
        header_add(r, security_headers[i][0], security_headers[i][1]);
    if (!has_header(res, "Cache-Control"))
        header_add(r, "Cache-Control", "no-store");
    if (res->content_type.len)
        header_add(r, "Content-Type", arena_str(a, res->content_type));
    for (size_t i = 0; i < res->n_headers; i++)
        header_add(r, arena_str(a, res->headers[i].name), arena_str(a, res->headers[i].value));
    if (atomic_load(&x->socket->server->stopping))
        header_add(r, "Connection", "close");
    return r;
}

static void response_set(struct exchange *x, const struct response *res)
{
    x->response = response_build(x, res);
    x->status = res->status >= 100 && res->status <= 999 ? (unsigned)res->status : 500;
}

void http_reply(struct http_exchange *pub, const struct response *res)
{
    struct exchange *x = pub->server_side;
    struct http_server *s = x->socket->server;
    struct MHD_Connection *connection = x->connection;
    response_set(x, res);
    /* From here on x may be gone, unless the connection is suspended. */
    if (atomic_exchange(&x->state, REPLIED) == SUSPENDED)
        MHD_resume_connection(connection);
    atomic_fetch_sub(&s->handling, 1); /* last: http_stop waits for it */
}

static enum MHD_Result answer(struct exchange *x)
{
    if (!x->response)
        return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(x->connection, x->status, x->response);
    MHD_destroy_response(x->response);
    x->response = NULL;
    return queued;
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
    response_set(x, &res);
    atomic_store(&x->state, REPLIED);
    return answer(x);
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
        if (!to->p)
            *to = value;
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

static enum MHD_Result start(struct exchange *x, const char *method, const char *version)
{
    const struct http_config *c = &x->socket->server->config;
    struct request *req = &x->pub.req;
    struct framing fr = {.req = req};
    size_t mark = span_find(x->uri, '?', 0);
    x->started = true;
    req->method = method_of(method);
    req->operator_socket = x->socket->operator_socket;
    req->path = span_sub(x->uri, 0, mark);
    req->query = span_sub(x->uri, mark + 1, x->uri.len);
    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, header_seen, &fr);
    const char *fault = framing_fault(&fr, strcmp(version, "HTTP/1.1") == 0);
    if (fault)
        return refuse(x, ERR_BAD_REQUEST, 0, fault);
    if (fr.bytes > HTTP_HEADER_BYTES_MAX)
        return refuse(x, ERR_TOO_LARGE, 431, "The headers are larger than 16 KiB.");
    if (x->uri.len > HTTP_PATH_MAX)
        return refuse(x, ERR_TOO_LARGE, 414, "The address is longer than 2048 bytes.");
    if (!req->path.len || req->path.p[0] != '/')
        return refuse(x, ERR_BAD_REQUEST, 0, "The address must begin with a slash.");
    x->body_max = c->body_max(c->ctx, req->method, req->path);
    if (fr.length > x->body_max)
        return refuse(x, ERR_TOO_LARGE, 0, "The body is larger than this address takes.");
    return MHD_YES;
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
    size_t cap = x->body_cap ? x->body_cap : HTTP_BODY_FIRST;
    while (cap < need)
        cap *= 2;
    uint8_t *p = arena_alloc(x->pub.arena, cap);
    if (x->body_len)
        memcpy(p, x->body, x->body_len);
    x->body = p;
    x->body_cap = cap;
}

static enum MHD_Result body_take(struct exchange *x, const char *data, size_t *size)
{
    if (x->state == REPLIED) { /* refused already; what is still in the buffer is not ours */
        *size = 0;
        return MHD_YES;
    }
    if (*size > x->body_max - x->body_len)
        return cut_off(x, ERR_TOO_LARGE, "The body is larger than this address takes.");
    if (monotonic_s() - x->began > HTTP_REQUEST_S)
        return MHD_NO;
    if (x->body_len + *size > x->body_cap)
        body_grow(x, x->body_len + *size);
    memcpy(x->body + x->body_len, data, *size);
    x->body_len += *size;
    *size = 0;
    return MHD_YES;
}

/* ---- Handing over */

static enum MHD_Result hand_over(struct exchange *x)
{
    struct http_server *s = x->socket->server;
    struct MHD_Connection *connection = x->connection;
    int handling = HANDLING;
    x->pub.req.body = span_of(x->body, x->body_len);
    atomic_fetch_add(&s->handling,
                     1); /* before the look at `closing`: http_stop does it the other way round */
    if (atomic_load(&s->closing)) {
        atomic_fetch_sub(&s->handling, 1);
        return refuse(x, ERR_STOPPED, 0, "The service is stopping.");
    }
    atomic_store(&x->state, HANDLING);
    s->config.handle(s->config.ctx, &x->pub);
    if (atomic_load(&x->state) == REPLIED)
        return answer(x);
    MHD_suspend_connection(connection);
    if (!atomic_compare_exchange_strong(&x->state, &handling, SUSPENDED))
        MHD_resume_connection(connection);
    return MHD_YES;
}

/* ---- Callbacks */

/* An identity: paths and queries reach the router as they were sent. */
void *exchange_begin(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct http_socket *socket = cls;
    struct arena *a = arena_new(0);
    struct exchange *x = ARENA_NEW(a, struct exchange);
    x->pub.arena = a;
    x->pub.server_side = x;
    x->socket = socket;
    x->connection = connection;
    x->uri = arena_copy(a, span_str(uri));
    x->began = monotonic_s();
    atomic_init(&x->state, COLLECTING);
    atomic_fetch_add(&socket->server->open, 1);
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
    return atomic_load(&x->state) == REPLIED ? answer(x) : hand_over(x);
}

void exchange_end(void *cls, struct MHD_Connection *connection, void **con_cls,
                  enum MHD_RequestTerminationCode toe)
{
    struct exchange *x = *con_cls;
    (void)connection, (void)toe;
    if (!x)
        return;
    struct http_socket *socket = cls;
    *con_cls = NULL;
    if (x->response)
        MHD_destroy_response(x->response);
    arena_free(x->pub.arena);
    atomic_fetch_sub(&socket->server->open, 1);
}
