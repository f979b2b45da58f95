// SPDX-License-Identifier: Apache-2.0
/* web_impl.h: what handlers see. A handler is `void name(struct call *c)`, named in routes.def. */
#ifndef TROTH_WEB_IMPL_H
#define TROTH_WEB_IMPL_H

#include "audit.h"
#include "engine.h"
#include "gate.h"
#include "http.h"
#include "json.h"
#include "web.h"

#define WEB_OFFSET_MINUTES 480  /* the operator's calendar: China */
#define WEB_HOME_REGION    "CN" /* B4.0.c: data stays here */
#define WEB_HISTORY_MAX    500  /* rows of one answer */

struct call;
typedef void (*web_handler)(struct call *c);

enum route_kind { KIND_DIRECT, KIND_READ, KIND_READ_HISTORY, KIND_WRITE };
enum route_who { WHO_ANYONE, WHO_SERVICE, WHO_OPERATOR, WHO_SERVICE_OR_OPERATOR };
enum route_csrf { CSRF_NONE, CSRF_JSON, CSRF_FORM };
enum route_rate { RATE_FREE, RATE_HEAVY };

struct schema;

/* One row of routes.def. */
struct route {
    enum method method;
    const char *path;
    web_handler handler;
    enum route_kind kind;
    enum route_who who;
    enum route_csrf csrf;
    size_t body_max;
    enum route_rate rate;
    const char *audit;
    const char *summary;
    const char *query, *request, *response; /* schema names; "none" */
};

extern const struct route routes[];
extern const size_t n_routes;

struct web {
    struct web_config config;
    int lock;
    struct arena *arena; /* lives as long as the web */
    struct audit *audit;
    struct gate *gate;
    struct engine *engine;
    struct http_server *http;
    struct span openapi; /* rendered once at start */
    struct span listen;
    int64_t heavy_second; /* RATE_HEAVY: which second, and how many in it (atomics) */
    int64_t heavy_count;
};

enum call_role { ROLE_ANYONE, ROLE_SERVICE, ROLE_OPERATOR };

/* One request on its way. Lives in `arena`, as everything a handler makes. */
struct call {
    struct web *web;
    const struct route *route;
    const struct request *req;
    struct response *res;
    struct arena *arena;
    struct job *job;           /* null in DIRECT rows */
    struct gate_call gate;     /* .view always set; .st null in DIRECT rows; .now the instant of the call */
    struct http_params params; /* {…} of the path, decoded */
    const struct json *body;   /* parsed and valid against the row's request schema; null if none */
    enum call_role role;
    const char *lang;          /* "en" or "zh-CN": ?lang=, else Accept-Language */
    struct fail fail;          /* a handler that fails sets it and returns; the problem document is made from it */
    struct span extra;         /* more members for the problem document, as JSON text */
    struct job job_store;      /* what `job` points to */
    void (*reply)(struct call *c); /* how the answer leaves */
    void *reply_to;
};

/* ---- Helpers for handlers */

/* Query parameter, decoded; false if absent. */
bool call_query(struct call *c, const char *name, struct span *out);
/* Field of an application/x-www-form-urlencoded body, decoded; false if absent. */
bool call_form(struct call *c, const char *name, struct span *out);
/* Member of the (already checked) JSON body; empty if absent. */
struct span call_member(const struct call *c, const char *name);
/* The person of path parameter `param`: ERR_NOT_FOUND for a bad id, an unknown one, and one the calling service has no
 * relation with (B4.3: nobody learns of people who are not theirs). */
enum err call_subject(struct call *c, size_t param, struct subject *out);
/* The same for an id that came in the body. */
enum err call_subject_named(struct call *c, struct span id, const char *member, struct subject *out);
/* The calling service's name, or what the operator named (may be empty). */
struct span call_service(struct call *c, struct span named);
/* "name":<index of the call's entry `which` in the record>, filled in when the group is sealed; null if there is none. */
void call_entry(struct call *c, struct text *t, const char *name, size_t which);

/* ---- Rendering (render.c) */
void render_decision(struct call *c, struct text *t, const struct gate_answer *a);
/* Members of a decision without the brackets, for problem documents and larger answers. */
void render_decision_members(struct call *c, struct text *t, const struct gate_answer *a);

/* Errors of rows whose response is `page`: an HTML page instead of a problem document. Fills c->res. (page_*.c) */
void page_problem(struct call *c);

#define X(method, path, handler, kind, who, csrf, body_max, rate, audit, summary, query, request, response)            \
    void handler(struct call *c);
#include "routes.def"
#undef X

#endif
