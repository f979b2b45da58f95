// SPDX-License-Identifier: Apache-2.0
/* The rows of routes.def, and finding one. See web_impl.h */
#include "web_impl.h"

const struct route routes[] = {
#define X(method, path, handler, kind, who, csrf, body_max, rate, audit, summary, query, request, response)  \
    {#handler, METHOD_##method, path,   handler, KIND_##kind, WHO_##who, CSRF_##csrf,                        \
     body_max, RATE_##rate,     #audit, summary, #query,      #request,  #response},
#include "routes.def"
#undef X
};
const size_t n_routes = sizeof routes / sizeof routes[0];

static const char *const method_names[] = {
    [METHOD_GET] = "GET", [METHOD_HEAD] = "HEAD",     [METHOD_POST] = "POST",
    [METHOD_PUT] = "PUT", [METHOD_DELETE] = "DELETE", [METHOD_OTHER] = "OTHER",
};

const char *method_name(enum method m)
{
    return method_names[m];
}

/* HEAD is GET whose body is not sent (RFC 9110, 9.3.2). */
static enum method row_method(enum method m)
{
    return m == METHOD_HEAD ? METHOD_GET : m;
}

/* The part of a pattern before its first parameter decides most rows without decoding anything. */
static bool may_match(const char *pattern, struct span path)
{
    size_t fixed = strcspn(pattern, "{");
    return path.len >= fixed && memcmp(path.p, pattern, fixed) == 0 && (pattern[fixed] || path.len == fixed);
}

static bool matches(const struct route *r, struct arena *a, struct span path, struct http_params *params)
{
    return may_match(r->path, path) && http_match(a, r->path, path, params);
}

/* The path exists under other methods: says which (RFC 9110, 15.5.6). */
static enum err other_method(struct call *c)
{
    struct http_params params;
    struct text allow = text_new(c->arena, 64);
    for (size_t i = 0; i < n_routes; i++) {
        if (!matches(&routes[i], c->arena, c->req->path, &params))
            continue;
        text_fmt(&allow, "%s%s", allow.len ? ", " : "", method_name(routes[i].method));
        if (routes[i].method == METHOD_GET)
            text_str(&allow, ", HEAD");
    }
    if (!allow.len)
        return fail_set(&c->fail, ERR_NOT_FOUND, "There is no such address.");
    http_header(c->res, "Allow", text_span(&allow));
    fail_hint(&c->fail, "Use %.*s.", SPAN_F(text_span(&allow)));
    return fail_set(&c->fail, ERR_METHOD, "This address does not take this method.");
}

enum err route_find(struct call *c)
{
    enum method m = row_method(c->req->method);
    for (size_t i = 0; i < n_routes; i++) {
        if (routes[i].method == m && matches(&routes[i], c->arena, c->req->path, &c->params)) {
            c->route = &routes[i];
            return OK;
        }
    }
    return other_method(c);
}

size_t route_body_max(enum method m, struct span path)
{
    struct http_params params;
    struct arena *a = arena_new(1024);
    size_t max = 0;
    for (size_t i = 0; i < n_routes && !max; i++)
        if (routes[i].method == m && routes[i].body_max && matches(&routes[i], a, path, &params))
            max = routes[i].body_max;
    arena_free(a);
    return max;
}
