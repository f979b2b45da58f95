// SPDX-License-Identifier: Apache-2.0
/* The guard before each handler: who is calling, may they, is it their own form, is the body what the row
 * says. docs/architecture.md, "The life of a request". */
#include "schema_impl.h"
#include "web_impl.h"

#include "crypto.h"

#define HEAVY_PER_SECOND                                                                                     \
    200 /* proofs: a hash path of disk reads each; far more than people press, far less than a flood */

/* ---- Who is calling */

/* The token of "Authorization: Bearer TOKEN" (RFC 6750; the scheme's case does not matter). */
static bool bearer(struct span authorization, struct span *token)
{
    static const char scheme[] = "bearer ";
    if (authorization.len < sizeof scheme)
        return false;
    for (size_t i = 0; i < sizeof scheme - 1; i++)
        if ((authorization.p[i] | 0x20) != (scheme[i] | 0x20))
            return false;
    *token = span_trim(span_sub(authorization, sizeof scheme - 1, authorization.len));
    return token->len > 0;
}

static enum err no_token(struct call *c)
{
    http_header(c->res, "WWW-Authenticate", SPAN("Bearer realm=\"troth\""));
    fail_hint(&c->fail, "Send `Authorization: Bearer TOKEN`; `troth service add` issues tokens.");
    return fail_set(&c->fail, ERR_NO_TOKEN, "This address is for registered services.");
}

static enum err bad_token(struct call *c)
{
    http_header(c->res, "WWW-Authenticate", SPAN("Bearer realm=\"troth\", error=\"invalid_token\""));
    fail_hint(&c->fail, "`troth service add NAME --renew` issues a new one.");
    return fail_set(&c->fail, ERR_BAD_TOKEN, "No service is registered with this token.");
}

/* Only the SHA-256 of a token is kept: a stolen database gives no access (docs/security.md, T19). */
static enum err identify(struct call *c)
{
    struct span token;
    struct digest digest;
    if (c->req->operator_socket) {
        c->role = ROLE_OPERATOR;
        return OK;
    }
    if (!bearer(c->req->authorization, &token))
        return no_token(c);
    crypto_sha256(token, &digest);
    c->gate.service = registers_token(c->gate.view->registers, &digest);
    if (!c->gate.service)
        return bad_token(c);
    c->role = ROLE_SERVICE;
    return OK;
}

static enum err operator_only(struct call *c)
{
    fail_hint(&c->fail, "Use the `troth` command on the machine that holds the data folder.");
    return fail_set(&c->fail, ERR_FORBIDDEN, "This is for the operator, over the local socket.");
}

static enum err check_caller(struct call *c)
{
    switch (c->route->who) {
    case WHO_ANYONE:
        c->role = c->req->operator_socket ? ROLE_OPERATOR : ROLE_ANYONE;
        return OK;
    case WHO_OPERATOR:
        c->role = ROLE_OPERATOR;
        return c->req->operator_socket ? OK : operator_only(c);
    case WHO_SERVICE:
        return c->req->operator_socket ? no_token(c) : identify(c);
    case WHO_SERVICE_OR_OPERATOR:
        break;
    }
    return identify(c);
}

/* A call of ours has no caller to look up. */
enum err guard_caller(struct call *c)
{
    return c->route->path[0] == '(' ? OK : check_caller(c);
}

/* ---- Forms from elsewhere (docs/security.md, T4) */

static bool own_origin(const struct call *c)
{
    struct span fetch = c->req->sec_fetch_site;
    if (fetch.len)
        return span_is(fetch, "same-origin") || span_is(fetch, "none");
    /* Older browsers: no Fetch metadata, but an Origin on every POST. */
    return c->req->origin.len == 0 ||
           span_eq(c->req->origin, arena_fmt(c->arena, "http://%.*s", SPAN_F(c->web->listen)));
}

static bool type_is(struct span content_type, const char *want)
{
    struct span type = span_trim(span_sub(content_type, 0, span_find(content_type, ';', 0)));
    struct span w = span_str(want);
    if (type.len != w.len)
        return false;
    for (size_t i = 0; i < w.len; i++)
        if ((type.p[i] >= 'A' && type.p[i] <= 'Z' ? type.p[i] | 0x20 : type.p[i]) != w.p[i])
            return false;
    return true;
}

static enum err check_csrf(struct call *c)
{
    switch (c->route->csrf) {
    case CSRF_NONE:
        return OK;
    case CSRF_JSON: /* a content type no HTML form can send */
        if (type_is(c->req->content_type, "application/json"))
            return OK;
        fail_hint(&c->fail, "Send `Content-Type: application/json`.");
        return fail_set(&c->fail, ERR_MEDIA_TYPE, "The body must be JSON and say so.");
    case CSRF_FORM:
        break;
    }
    if (!own_origin(c))
        return fail_set(&c->fail, ERR_CSRF, "The form was not sent by a page of this address.");
    if (!type_is(c->req->content_type, "application/x-www-form-urlencoded"))
        return fail_set(&c->fail, ERR_MEDIA_TYPE, "The body must be a form.");
    return OK;
}

/* ---- How often */

/* A registered service is trusted not to flood; where a token is not asked for, a wrong one says nothing. */
static bool known_caller(const struct call *c)
{
    struct span token;
    struct digest digest;
    if (!bearer(c->req->authorization, &token))
        return false;
    crypto_sha256(token, &digest);
    return registers_token(c->gate.view->registers, &digest) != NULL;
}

static enum err check_rate(struct call *c)
{
    if (c->route->rate == RATE_FREE || known_caller(c))
        return OK;
    int64_t second = clock_seconds();
    if (__atomic_exchange_n(&c->web->heavy_second, second, __ATOMIC_RELAXED) != second)
        __atomic_store_n(&c->web->heavy_count, 0, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&c->web->heavy_count, 1, __ATOMIC_RELAXED) <= HEAVY_PER_SECOND)
        return OK;
    return fail_set(&c->fail, ERR_RATE, "Too many of these at once; try again in a second.");
}

/* ---- What was sent */

static enum err check_body(struct call *c)
{
    const struct schema *s = route_request(c->route);
    if (c->req->body.len > c->route->body_max) {
        fail_hint(&c->fail, "At most %zu bytes here.", c->route->body_max);
        return fail_set(&c->fail, ERR_TOO_LARGE, "The body is larger than this address takes.");
    }
    if (!s)
        return OK;
    enum err err = json_parse(c->arena, c->req->body, &c->body, &c->fail);
    return err == OK ? schema_check(s, c->body, &c->fail) : err;
}

static enum err check_query(struct call *c)
{
    const struct schema *s = route_query(c->route);
    return s ? schema_check_query(s, c->arena, c->req->query, &c->fail) : OK;
}

enum err guard_check(struct call *c)
{
    static enum err (*const checks[])(struct call *) = {check_caller, check_csrf, check_rate, check_query,
                                                        check_body};
    enum err err = OK;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && err == OK; i++)
        err = checks[i](c);
    return err;
}
