// SPDX-License-Identifier: Apache-2.0
/* Persons: register, look at, erase; which documents apply to them; who read their data. */
#include "web_impl.h"

/* ---- Which documents apply (B0.2, R004): nobody chooses, the scopes decide. */

static unsigned class_of_service(const struct call *c, struct span service)
{
    const struct service *s = registers_service(c->gate.view->registers, service);
    return s ? policy_find(c->gate.view->policy, DIM_SERVICE, s->class_name) : POLICY_NONE;
}

static void render_head(struct text *t, const struct policy_document *d, const struct digest *digest)
{
    char day[INSTANT_TEXT_MAX];
    date_put(day, d->in_force);
    json_open(t, NULL, '{');
    json_string(t, "document", d->name);
    json_string(t, "title", d->title);
    json_i64(t, "revision", d->revision);
    json_str(t, "in_force", day);
    json_hex(t, "sha256", digest->b, sizeof digest->b);
    json_close(t, '}');
}

typedef void (*document_fn)(struct text *t, const struct policy_document *d);

static void put_head(struct text *t, const struct policy_document *d)
{
    struct digest digest;
    crypto_sha256(d->text, &digest);
    render_head(t, d, &digest);
}

static void put_name(struct text *t, const struct policy_document *d)
{
    json_string(t, NULL, d->name);
}

static void each_applying(struct call *c, const struct subject *s, struct span service, struct text *t,
                          document_fn put)
{
    const struct policy *p = c->gate.view->policy;
    unsigned band = policy_find(p, DIM_SUBJECT, span_str(subject_band_name(s->band)));
    unsigned where = class_of_service(c, service);
    json_open(t, "policies", '[');
    for (unsigned i = 0; i < policy_documents(p); i++)
        if (policy_document_applies(p, i, band, where))
            put(t, policy_document(p, i));
    json_close(t, ']');
}

static enum err known_service(struct call *c, struct span service)
{
    if (service.len && registers_service(c->gate.view->registers, service))
        return OK;
    fail_where(&c->fail, "/service");
    return fail_set(&c->fail, service.len ? ERR_UNKNOWN_NAME : ERR_MISSING_MEMBER,
                    service.len ? "There is no service `%.*s`." : "Name a `service`.%.*s", SPAN_F(service));
}

void api_subject_policies(struct call *c)
{
    struct subject s;
    struct span named = SPAN_EMPTY, service;
    struct text t = text_new(c->arena, 512);
    call_query(c, "service", &named);
    if (call_subject(c, 0, &s) != OK)
        return;
    service = named.len || c->role == ROLE_OPERATOR ? named : c->gate.service->name;
    if (known_service(c, service) != OK)
        return;
    json_open(&t, NULL, '{');
    each_applying(c, &s, service, &t, put_head);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- Registering */

void render_person(struct text *t, const struct subject *s)
{
    json_hex(t, "id", s->id.b, ID_LEN);
    json_str(t, "band", subject_band_name(s->band));
    json_str(t, "state", subject_state_name(s->state));
    json_instant(t, "created", s->created);
}

/* What the service should tell whoever registers (B7.1, A2.1.1.1). */
static void put_advice(struct text *t, const struct subject *s)
{
    static const char *const advice[] = {
        [BAND_CHILD] = "guardian-must-agree", [BAND_MINOR] = "ask-a-guardian"};
    json_open(t, "advice", '[');
    if (s->band != BAND_ADULT)
        json_str(t, NULL, advice[s->band]);
    json_close(t, ']');
}

void api_subject_create(struct call *c)
{
    struct subject s;
    struct date birth;
    struct span service;
    struct text t = text_new(c->arena, 512);
    date_get(call_member(c, "birth_date"), &birth);
    if (call_service(c, call_member(c, "service"), &service) != OK || known_service(c, service) != OK)
        return;
    enum err err = gate_subject_create(&c->gate, birth, call_member(c, "device"), &s, &c->fail);
    if (err == ERR_BAD_VALUE)
        fail_where(&c->fail, "/birth_date");
    if (err != OK || call_relate(c, &s, service) != OK)
        return;
    json_open(&t, NULL, '{');
    render_person(&t, &s);
    each_applying(c, &s, service, &t, put_name);
    put_advice(&t, &s);
    call_entry(c, &t, "entry", 0);
    json_close(&t, '}');
    http_json(c->res, 201, &t);
}

/* ---- Looking */

/* A service sees itself only: which others somebody uses is not its business. */
static enum err render_services(struct call *c, const struct subject *s, struct text *t)
{
    struct span *services;
    size_t n = 0;
    enum err err = subject_services(c->gate.st, s, c->arena, &services, &n, &c->fail);
    json_open(t, "services", '[');
    for (size_t i = 0; i < n; i++)
        if (c->role == ROLE_OPERATOR || span_eq(services[i], c->gate.service->name))
            json_string(t, NULL, services[i]);
    json_close(t, ']');
    return err;
}

void api_subject_get(struct call *c)
{
    struct subject s;
    struct text t = text_new(c->arena, 256);
    if (call_subject(c, 0, &s) != OK)
        return;
    json_open(&t, NULL, '{');
    render_person(&t, &s);
    if (render_services(c, &s, &t) != OK)
        return;
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

void api_history(struct call *c)
{
    struct subject s;
    struct span asked;
    struct gate_history_page page = {0};
    struct gate_history_row *rows;
    struct instant until;
    uint64_t limit = 100;
    size_t n = 0;
    struct text t = text_new(c->arena, 4096);
    if (call_query(c, "limit", &asked))
        span_u64(asked, WEB_HISTORY_MAX, &limit);
    call_query(c, "before", &page.before);
    page.limit = limit;
    if (call_subject(c, 0, &s) != OK)
        return;
    if (gate_history(&c->gate, s.id, &page, &rows, &n, &until, c->web->audit, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_open(&t, "history", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(&t, NULL, '{');
        if (rows[i].node.len)
            json_string(&t, "node", rows[i].node);
        json_i64(&t, "entry", (int64_t)rows[i].index);
        json_instant(&t, "time", rows[i].time);
        json_str(&t, "kind", rows[i].kind);
        json_raw(&t, "detail", rows[i].detail.len ? rows[i].detail : SPAN("{}"));
        json_close(&t, '}');
    }
    json_close(&t, ']');
    if (page.next.len)
        json_string(&t, "next", page.next);
    if (until.ms)
        json_instant(&t, "until", until);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- Erasing */

/* Who acts: the service that passes a wish on, the person at its screen, or a guardian (A2.4.3). */
enum err call_wish(struct call *c, const struct subject *s, struct span *actor)
{
    struct span who = SPAN_EMPTY, guardian = SPAN_EMPTY;
    struct subject_id id;
    bool verified = false;
    call_query(c, "actor", &who);
    *actor = who;
    if (!span_is(who, "guardian"))
        return OK;
    if (!call_query(c, "guardian", &guardian) || !hex_get(guardian, id.b, ID_LEN))
        return fail_set(&c->fail, ERR_MISSING_MEMBER, "With `actor=guardian`, `guardian` says who.");
    if (guardian_linked(c->gate.st, s, id, &verified, &c->fail) != OK)
        return c->fail.code;
    *actor = arena_fmt(c->arena, "guardian:%.*s", SPAN_F(guardian));
    return verified ? OK
                    : fail_set(&c->fail, ERR_FORBIDDEN, "This guardian is not verified for this person.");
}

void api_subject_erase(struct call *c)
{
    struct subject s;
    struct span actor;
    struct text t = text_new(c->arena, 256);
    if (call_subject(c, 0, &s) != OK || call_wish(c, &s, &actor) != OK)
        return;
    if (gate_erase(&c->gate, s.id, actor, &s, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_bool(&t, "erased", true);
    render_receipt(c, &t, "receipt", 0);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}
