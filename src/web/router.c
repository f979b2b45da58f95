// SPDX-License-Identifier: Apache-2.0
/* The rows of routes.def, and finding one. See web_impl.h */
#include "schema_impl.h"
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

#define BODY_OF_NONE 16384 /* bytes of a body that are taken in before an answer of 404 or 405 */

/* HEAD is GET whose body is not sent (RFC 9110, 9.3.2). */
static enum method row_method(enum method m)
{
    return m == METHOD_HEAD ? METHOD_GET : m;
}

/* Of each row: the lengths of the pattern before its first parameter and behind its last, which decide most
 * rows without decoding anything, and its schemas. */
static struct {
    size_t fixed, tail;
    const char *behind;
    const struct schema *query, *request;
} rows[sizeof routes / sizeof routes[0]];

/* Where the last parameter of a pattern ends; the whole if it has none. */
static size_t behind(const char *path)
{
    const char *last = strrchr(path, '}');
    return last ? (size_t)(last - path) + 1 : strlen(path);
}

void routes_prepare(void)
{
    for (size_t i = 0; i < n_routes; i++) {
        rows[i].query = schema_find(routes[i].query);
        rows[i].request = schema_find(routes[i].request);
        rows[i].fixed = strcspn(routes[i].path, "{");
        rows[i].tail = strlen(routes[i].path + behind(routes[i].path));
        rows[i].behind = routes[i].path + behind(routes[i].path);
    }
}

const struct schema *route_query(const struct route *r)
{
    return rows[r - routes].query;
}

const struct schema *route_request(const struct route *r)
{
    return rows[r - routes].request;
}

static bool may_match(const struct route *r, struct span path)
{
    size_t fixed = rows[r - routes].fixed, tail = rows[r - routes].tail;
    if (path.len < fixed + tail || memcmp(path.p, r->path, fixed) != 0)
        return false;
    return r->path[fixed] ? memcmp(path.p + path.len - tail, rows[r - routes].behind, tail) == 0
                          : path.len == fixed;
}

static bool matches(const struct route *r, struct arena *a, struct span path, struct http_params *params)
{
    return may_match(r, path) && http_match(a, r->path, path, params);
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

/* Where there is no row, what is wrong is the address or the method, and not that there is a body. */
size_t route_body_max(enum method m, struct span path)
{
    size_t max = 0;
    bool found = false;
    for (size_t i = 0; i < n_routes && !max; i++) {
        if (routes[i].method != row_method(m) || !may_match(&routes[i], path) ||
            !http_fits(routes[i].path, path))
            continue;
        found = true;
        max = routes[i].body_max;
    }
    return found ? max : BODY_OF_NONE;
}
