// SPDX-License-Identifier: Apache-2.0
/*
 * http.h: HTTP/1.1 on libmicrohttpd; router, forms, cookies, problem documents. Knows no word of privacy.
 *
 * Each thread of the server is a loop with connections of its own: it waits, reads what came, fills a struct
 * request (message.h) for each whole request and calls handle(). The answer may be given at once or later, by
 * any thread, once. After each round of handle() the loop calls after_round(): what handle() put aside may be
 * done there, for many requests together.
 */
#ifndef TROTH_HTTP_H
#define TROTH_HTTP_H

#include "arena.h"
#include "err.h"
#include "message.h"
#include "text.h"

#define HTTP_HEADER_BYTES_MAX 8192 /* all request headers: cookies, a token, nothing of ours is larger */
#define HTTP_PATH_MAX         2048
#define HTTP_PARAMS_MAX       4  /* {…} in one route */
#define HTTP_IDLE_S           30 /* keep-alive and slow clients */
#define HTTP_THREADS_MAX      16

struct http_exchange {
    struct request req;
    struct arena *arena; /* of this exchange; freed after the response was sent */
    unsigned loop;       /* of which thread: below config.threads, or that number for the operator's */
    void *server_side;   /* the server's */
};

struct http_config {
    const char *listen;        /* "127.0.0.1:8080", "[::1]:8080"; port 0 picks one */
    const char *operator_path; /* path of the operator's local socket (mode 0600), or null */
    unsigned threads;          /* 1..HTTP_THREADS_MAX; the operator's socket has one of its own */
    unsigned connections_max;  /* >= threads, which share them evenly */
    /* The largest body this method and path may carry; beyond it the server answers 413 by itself and reads
     * no more. */
    size_t (*body_max)(void *ctx, enum method m, struct span path);
    void (*handle)(void *ctx, struct http_exchange *x);
    /* On the thread of a loop, after a round in which it called handle(). May be null. */
    void (*after_round)(void *ctx, unsigned loop);
    void *ctx;
};

struct http_server;
/* ERR_CONFLICT with the address if it is taken; ERR_BAD_VALUE for an address that cannot be read. */
enum err http_start(const struct http_config *c, struct http_server **out, struct fail *f);
/* The port it listens on. */
unsigned http_port(const struct http_server *s);
/* Stops accepting, lets answers under way finish (at most grace_s), closes. After it no exchange is left. */
void http_stop(struct http_server *s, unsigned grace_s);
/* After http_stop, when nobody calls http_wake any more. Null is allowed. */
void http_free(struct http_server *s);
/* Sends the response of an exchange. It and its spans must live in x->arena or be static. Security headers
 * (nosniff, CSP, referrer policy, frame options, no-store unless a cache-control was set) are added here. The
 * exchange may be gone when this returns, unless handle() has not returned yet. */
void http_reply(struct http_exchange *x, const struct response *res);
/* The same for many answers: each is put, and http_wake tells the loops once. */
void http_put(struct http_exchange *x, const struct response *res);
void http_wake(struct http_server *s);

/* ---- Paths */
struct http_params {
    struct span value[HTTP_PARAMS_MAX]; /* percent-decoded, in the order of the pattern */
    size_t n;
};
/* "/v1/subjects/{id}/data/{field}"; "{path...}" at the end takes the rest. Decodes into the arena; a
 * malformed escape, an encoded slash or zero byte does not match. */
bool http_match(struct arena *a, const char *pattern, struct span path, struct http_params *out);
/* Whether a path has the segments of the pattern; what stands for a parameter is not looked into. */
bool http_fits(const char *pattern, struct span path);
/* Decodes %XX (and '+' if form); false if malformed or not UTF-8. */
bool http_decode(struct arena *a, struct span s, bool form, struct span *out);
/* First value of a name in a query string or a form body (application/x-www-form-urlencoded), decoded. */
bool http_form_get(struct arena *a, struct span form, const char *name, struct span *out);
/* Every value of a name. Returns the count, at most max. */
size_t http_form_all(struct arena *a, struct span form, const char *name, struct span *out, size_t max);
bool http_cookie_get(struct span cookie, const char *name, struct span *out);
/* The best of the languages (BCP 47, first is the default) for an Accept-Language header. Index. */
size_t http_language(struct span accept_language, const char *const *languages, size_t n);

/* ---- Answers */
void http_header(struct response *res, const char *name, struct span value);
/* A problem document (RFC 9457): type, title, status, detail, and pointer, clause, hint where the failure has
 * them. `type` is "/problems/<slug>". extra: more members, already as JSON text ("\"a\":1"), or empty. */
void http_problem(struct arena *a, struct response *res, const struct fail *f, struct span extra);
void http_json(struct response *res, int status, const struct text *body);
void http_html(struct response *res, int status, const struct text *body);
void http_redirect(struct response *res, const char *location); /* 303 */

/* ---- Templates: a logic-less subset of Mustache (variables, sections, inverted sections, partials,
 * comments).
 * {{name}} is HTML-escaped; raw output has the long name {{{unescaped-html name}}}. Names are dotted. An
 * unknown name is an error at render time (ERR_INTERNAL naming template and line), not an empty string. */
struct view; /* object, list, string or bool; lives in an arena */
struct view *view_object(struct arena *a);
void view_str(struct view *o, const char *name, struct span v);
void view_i64(struct view *o, const char *name, int64_t v);
void view_bool(struct view *o, const char *name, bool v);
struct view *view_sub(struct view *o, const char *name);  /* nested object */
struct view *view_list(struct view *o, const char *name); /* empty list */
struct view *view_item(struct view *list);                /* new object at the end of a list */
typedef bool (*template_find_fn)(void *ctx, struct span name, struct span *text);
enum err template_render(struct text *out, struct span name, const struct view *v, template_find_fn find,
                         void *ctx, struct fail *f);

#endif
