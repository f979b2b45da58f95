// SPDX-License-Identifier: Apache-2.0
/* An answer as libmicrohttpd takes it: see http_impl.h. */
#define _GNU_SOURCE /* strncasecmp */
#include "http_impl.h"

#include "log.h"

#include <strings.h>

/* form-action 'self' and frame-ancestors 'none': pages post to us only and are framed by nobody. same-origin
 * instead of no-referrer, which would blank the Origin of our own forms. JSON is no page: nothing in it is
 * loaded or followed, so it says less. */
static const struct {
    const char *name, *page, *json; /* json: NULL where it would say nothing */
} security_headers[] = {
    {"Content-Security-Policy",
     "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
     "frame-ancestors 'none'; base-uri 'none'",
     "default-src 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff", "nosniff"},
    {"X-Frame-Options", "DENY", "DENY"},
    {"Referrer-Policy", "same-origin", NULL},
    {"Cross-Origin-Opener-Policy", "same-origin", NULL},
    {"Cross-Origin-Resource-Policy", "same-origin", "same-origin"},
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

static bool is_json(struct span type)
{
    return span_eq(type, SPAN("application/json")) || span_eq(type, SPAN("application/problem+json"));
}

static void security_add(struct MHD_Response *r, bool json)
{
    for (size_t i = 0; i < sizeof security_headers / sizeof security_headers[0]; i++) {
        const char *value = json ? security_headers[i].json : security_headers[i].page;
        if (value)
            header_add(r, security_headers[i].name, value);
    }
}

static struct MHD_Response *response_build(struct exchange *x, const struct response *res)
{
    struct arena *a = x->pub.arena;
    void *body = (void *)(uintptr_t)res->body.p; /* read only there; lives in the arena until the end */
    struct MHD_Response *r = MHD_create_response_from_buffer(res->body.len, body, MHD_RESPMEM_PERSISTENT);
    if (!r)
        return NULL;
    security_add(r, is_json(res->content_type));
    if (!has_header(res, "Cache-Control"))
        header_add(r, "Cache-Control", "no-store");
    if (res->content_type.len)
        header_add(r, "Content-Type", arena_str(a, res->content_type));
    for (size_t i = 0; i < res->n_headers; i++)
        header_add(r, arena_str(a, res->headers[i].name), arena_str(a, res->headers[i].value));
    if (atomic_load(&x->loop->server->stopping))
        header_add(r, "Connection", "close");
    return r;
}

enum MHD_Result response_queue(struct exchange *x, const struct response *res)
{
    unsigned status = res->status >= 100 && res->status <= 999 ? (unsigned)res->status : 500;
    struct MHD_Response *r = response_build(x, res);
    if (!r)
        return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(x->connection, status, r);
    MHD_destroy_response(r);
    return queued;
}
