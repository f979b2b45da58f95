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

#include <pthread.h>

#define WEB_OFFSET_MINUTES 480  /* the operator's calendar: China */
#define WEB_HOME_REGION    "CN" /* B4.0.c: data stays here */
#define WEB_SWEEP_S        60
#define WEB_HTTP_THREADS   2   /* each reads for itself: as many lanes of the engine */
#define WEB_HISTORY_MAX    500 /* rows of one answer */
#define NODE_ADOPT_MAX     500 /* outbox rows of a retired node in one call: their entries fit a job */
#define IMPORT_LINES_MAX   63  /* of one call: their entries fit a job, others wait 10 ms at most */

struct call;
typedef void (*web_handler)(struct call *c);

enum route_kind { KIND_DIRECT, KIND_READ, KIND_READ_LONG, KIND_READ_HISTORY, KIND_WRITE, KIND_WORK };
enum route_who { WHO_ANYONE, WHO_SERVICE, WHO_OPERATOR, WHO_SERVICE_OR_OPERATOR };
enum route_csrf { CSRF_NONE, CSRF_JSON, CSRF_FORM };
enum route_rate { RATE_FREE, RATE_HEAVY };

struct schema;

/* One row of routes.def. */
struct route {
    const char *name; /* of the handler: the operation's id in OpenAPI */
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
    struct sweeper *sweeper;          /* while it serves */
    struct http_server *_Atomic http; /* set once it runs; what was answered before is nobody's to wake for */
    struct worker *worker;
    struct node *node;       /* node.c; null: the database is a file */
    pthread_mutex_t turning; /* a set that came into force is being put on record */
    struct span listen;      /* host:port in use */
    uint64_t remembered;     /* size of the head in DATA/known-checkpoint */
    uint64_t handed_out;     /* and of the last that went to config.checkpoint_to */
    int64_t heavy_second;    /* RATE_HEAVY: which second, and how many in it (atomics) */
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
    bool many; /* a call for many: entries are told once, not by each answer */
    /* WRITE, set by the handler: the rest of it, on the committer between two groups (engine.h, `after`) */
    void (*after)(struct call *c, struct store *st);
    void *prepared;       /* what the worker made for the handler */
    struct call *next;    /* the worker's queue */
    struct fail fail;     /* a handler that fails sets it and returns; the problem document is made from it */
    struct span extra;    /* more members for the problem document, as JSON text */
    struct job job_store; /* what `job` points to */
    void (*reply)(struct call *c); /* how the answer leaves */
    struct http_exchange *reply_to;
};

/* ---- Helpers for handlers */

/* Query parameter, decoded; false if absent. */
bool call_query(struct call *c, const char *name, struct span *out);
/* Field of an application/x-www-form-urlencoded body, decoded; false if absent. */
bool call_form(struct call *c, const char *name, struct span *out);
/* Member of the (already checked) JSON body; empty if absent. */
struct span call_member(const struct call *c, const char *name);
/* The person of path parameter `param`: ERR_NOT_FOUND for a bad id, an unknown one, and one the calling
 * service has no relation with (B4.3: nobody learns of people who are not theirs). */
enum err call_subject(struct call *c, size_t param, struct subject *out);
/* The same for an id that came in the body. */
enum err call_subject_named(struct call *c, struct span id, const char *member, struct subject *out);
/* Where: the calling service's own name, or for the operator what was named (may be empty). ERR_FORBIDDEN for
 * a service that names another. */
enum err call_service(struct call *c, struct span named, struct span *out);
/* The person has used the calling service from now on. */
enum err call_relate(struct call *c, const struct subject *s, struct span service);
/* A list of names as one comma separated text. */
struct span call_list(const struct call *c, const char *member);
/* `from` (default now) and `until` of the body, in this order: ERR_BAD_VALUE. */
enum err call_period(struct call *c, struct instant *from, struct instant *until);
/* The gate's request from the body: purpose, fields, evidence and the rest; every handler that asks the
 * policy. */
enum err call_question(struct call *c, struct gate_request *q);
/* A member that must be a name of the language: letter {letter | digit | "-"}. */
enum err call_name(struct call *c, const char *member, struct span *out);
bool call_is_name(struct span s);
/* ERR_UNKNOWN_NAME with a suggestion unless the policy declares it. */
enum err call_known(struct call *c, enum policy_dimension d, const char *member, struct span name);
/* The person a decision is about, if the body names one. */
enum err call_asked_subject(struct call *c, struct gate_request *q);
/* Who deletes: query actor=service (default, empty: it passes on what the person asked for), subject, or
 * guardian with guardian=ID, who must be verified. */
enum err call_wish(struct call *c, const struct subject *s, struct span *actor);
/* Answers a read (share null) or a share: the allowed subset, or 403 when nothing is allowed. */
void answer_values(struct call *c, const struct gate_answer *answer, const struct gate_out *values, size_t n,
                   const struct share_id *share);
/* `known` of a read: tags by field. ERR_BAD_VALUE for a field that is not asked for. */
enum err call_known_tags(struct call *c, struct gate_request *q, const struct json *known);
/* True if the body asks where values come from. */
bool call_provenance(const struct call *c);

/* The values of many persons are one answer, in memory. Beyond this many bytes nobody more is read for it:
 * what one person has is not split, and an answer is larger by that at most. */
#define BATCH_BYTES_MAX (32u << 20)

/* api_batch.c: one question about many persons, each with its answer and its entry. Between begin and end the
 * call's arena is one that is emptied at each batch_next, which also tells whom the next ones are about. */
struct batch {
    struct call *call;
    struct gate_request *question;
    struct arena *main, *scratch; /* what the answer lives in */
    struct text *text;
};
void batch_begin(struct batch *b);
void batch_next(struct batch *b, const struct subject_id *ids, size_t i, size_t n);
void batch_end(struct batch *b);
/* The answer is as large as it may become: nobody more is read for it. */
bool batch_full(const struct batch *b);
/* The person's values as an object of the answer. False: refused, which is on record, and nothing was
 * written; or the call failed. */
bool batch_put_allowed(struct batch *b, const struct subject *s);
/* What failed, if it is the person's and not the question's, as the answer about this person. */
void batch_put_problem(struct batch *b, struct subject_id id);
/* True if anything may leave. */
bool answer_allows_any(const struct gate_answer *a);
/* One act, or one set of values, of a person, from the body. */
enum err consent_act(struct call *c, struct subject *s);
enum err data_act(struct call *c, struct subject *s);
/* Ends a call that the policy refused: 403 with clause, reason and the decision. */
void call_refuse(struct call *c, const struct gate_answer *a);
/* A person was made and something after that failed, so that they never were: of the entries from `before` on
 * only a refusal stays, which is of nobody (gate.h, made). */
void call_undone(struct call *c, size_t before);
/* "name":<index of the call's entry `which` in the record>, filled in when the group is sealed; null if there
 * is none. */
void call_entry(struct call *c, struct text *t, const char *name, size_t which);

/* A body that is not JSON, with its Cache-Control. */
void answer_bytes(struct call *c, const char *type, struct span body, const char *cache);

/* ---- Rendering (render.c) */
/* Members of a person, without personal data. */
void render_person(struct text *t, const struct subject *s);
void render_decision(struct call *c, struct text *t, const struct gate_answer *a);
/* Members of a decision without the brackets, for problem documents and larger answers. */
void render_decision_members(struct call *c, struct text *t, const struct gate_answer *a);

/* "values" of a read or a share: by field; a list where items tell several apart. */
void render_values(struct call *c, struct text *t, const struct gate_answer *a, const struct gate_out *v,
                   size_t n, bool provenance);
/* Where a value came from: the members. */
void render_provenance(struct text *t, const struct gate_out *v);
/* One row of a person's list of shares. */
void render_share(struct text *t, const struct share_row *s);
/* A comma separated list as a JSON array. */
void render_names(struct text *t, const char *name, struct span commas);
/* One change of a publication, in the language of its column. */
void render_change(struct text *t, const struct gate_change *g, size_t language);
/* "name":{"origin":...,"entry":...,"opening":...}: points at the call's entry `which`. */
void render_receipt(struct call *c, struct text *t, const char *name, size_t which);
/* The worst field of an answer, or null. */
const struct gate_field *render_worst(const struct gate_answer *a);

/* ---- The way of a call (router.c, guard.c, dispatch.c) */

/* What is looked up of each row once. Before anything else is asked of the rows. */
void routes_prepare(void);
/* The schemas of a row of routes.def; null if there is none. */
const struct schema *route_query(const struct route *r);
const struct schema *route_request(const struct route *r);

/* Finds the row and reads the path parameters: ERR_NOT_FOUND; ERR_METHOD with the Allow header set. */
enum err route_find(struct call *c);
/* The largest body of the row for this method and path, for the socket side; some, if there is no row. */
size_t route_body_max(enum method m, struct span path);
const char *method_name(enum method m);
/* Who calls, may they, is it their own form, is it too often, is the body what the row says. */
enum err guard_check(struct call *c);
/* Only who calls, again, in the registers of c->gate.view. */
enum err guard_caller(struct call *c);
/* The socket's side of web_handle, and what it put aside for the end of a round. */
void dispatch_http(void *web, struct http_exchange *x);
void dispatch_round(void *web, unsigned loop);
/* Runs a handler of ours, without a caller, as a call of its own; OK or what it failed with. */
enum err dispatch_own(struct web *w, const struct route *r, struct fail *f);
/* Records sets of documents that came into force (gate_turned). */
void dispatch_turned(struct web *w);
/* In the worker's snapshot: the call goes by the registers and policies that belong to it. */
enum err dispatch_follow(struct call *c);
/* After the worker: to the engine, or the answer. */
void dispatch_worked(struct call *c);

/* ---- The worker (work.c): one thread for what takes long and is asked seldom: compiling and comparing
 * policies. WORK rows are answered there, in a read snapshot of its own connection; a WRITE row may have a
 * part that is prepared there before the committer runs its handler. */
enum err worker_start(struct web *w, struct fail *f);
void worker_stop(struct web *w);
/* What waits for its instant changed. */
void worker_wake(struct web *w);
/* True if the row has something for the worker. */
bool worker_wanted(const struct route *r);
/* Takes the call; dispatch_worked is called when it is done. ERR_BUSY when too many wait. */
enum err worker_give(struct web *w, struct call *c, struct fail *f);
/* The same in this thread. */
void worker_run(struct web *w, struct call *c);

/* The folder's lock: held as long as the descriptor is open. */
enum err folder_lock(const char *data, int *fd, struct fail *f);
/* known.c: the record held against what is remembered of it elsewhere, and against the database. */
enum err known_check(struct web *w, struct fail *f);
/* headsto.c: hands the head on to config.checkpoint_to, if it is another than the last. A failure is logged,
 * and tried again with the next. heads_to_check: ERR_IO where that can never work. */
void heads_to(struct web *w, struct span note, uint64_t size, struct arena *a);
enum err heads_to_check(const struct web *w, struct fail *f);
/* Writes the newest head to DATA/known-checkpoint, outside the record's folder. One thread at a time. */
void known_remember(struct web *w);
/* Deletes what is kept beyond its time, at the start and every WEB_SWEEP_S. api_retention.c */
enum err sweeper_start(struct web *w, struct fail *f);
void sweeper_stop(struct web *w);
/* For gate_prune_step. */
bool rows_gone(void *engine, uint64_t minimum);

/* ---- One of many daemons on a database (nodes.h): node.c. It keeps the ear and its thread. */
enum err node_start(struct web *w, struct fail *f);
/* From here on it hears, and beats; after the engine. */
enum err node_listen(struct web *w, struct fail *f);
void node_quiet(struct web *w); /* undoes node_listen */
void node_stop(struct web *w);
int64_t node_number(const struct web *w); /* 0: the database is a file */
bool node_leads(const struct web *w);     /* work that one node does for all; a file's daemon leads */
bool node_decisions(const struct web *w); /* records of reads go through the database first */
/* The engine's on_snapshot: registers, policies and keys as this snapshot has them. */
enum err node_snapshot(void *web, struct store *st, struct fail *f);
/* Why nothing may be allowed here now: ERR_BUSY; OK as long as it hears. Any thread. */
enum err node_hears(const struct web *w, struct fail *f);
/* The engine's `copies`. */
bool node_copies(void *web);
void node_health(const struct web *w, struct text *t);
int64_t clock_seconds(void);
enum err clock_check(const char *clock_file, struct fail *f);
struct span openapi_render(struct arena *a, const char *version);

/* Errors of calls that want a page: HTML instead of a problem document. Fills c->res.
 * (page_*.c) */
void page_problem(struct call *c);
/* True if the answer to this call is a page: its row says so, or no row fits and the caller would rather read
 * HTML. */
bool page_wanted(const struct call *c);

/* The worker's part of publishing. */
void api_policy_prepare(struct call *c);

#define X(method, path, handler, kind, who, csrf, body_max, rate, audit, summary, query, request, response)  \
    void handler(struct call *c);
#include "routes.def"
#undef X

#endif
