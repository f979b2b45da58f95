// SPDX-License-Identifier: Apache-2.0
/* The registers: services and their tokens, recipients, their papers and grants (B3.1.p, B6.3). */
#include "web_impl.h"

#define TOKEN_BYTES 32 /* 256 bits: not to be guessed */

/* A change of the registers: on record, and in every snapshot before the answer leaves. */
static void changed(struct call *c, struct text *t, struct span name, const char *what)
{
    struct text detail = text_new(c->arena, 128);
    json_open(&detail, NULL, '{');
    json_str(&detail, "register", what);
    json_string(&detail, "name", name);
    json_close(&detail, '}');
    c->job->registers_changed = true;
    if (gate_note(&c->gate, AUDIT_REGISTER, text_span(&detail), &c->fail) != OK)
        return;
    call_entry(c, t, "entry", 0);
    json_close(t, '}');
    http_json(c->res, 201, t);
}

/* ---- Services */

/* Base64url without padding (RFC 4648, 5): goes into a header and a shell as it is. */
static struct span new_token(struct arena *a)
{
    uint8_t secret[TOKEN_BYTES];
    crypto_random(secret, sizeof secret);
    struct span b = base64_put(a, span_of(secret, sizeof secret));
    crypto_wipe(secret, sizeof secret);
    char *s = arena_str(a, b);
    for (char *p = s; *p; p++)
        *p = (char)(*p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? 0 : *p);
    return arena_fmt(a, "troth_%s", s);
}

static enum err take_service(struct call *c, struct service *s)
{
    bool renew = false;
    *s = (struct service){.class_name = call_member(c, "class"),
                          .title = call_member(c, "title"),
                          .sources = call_list(c, "sources"),
                          .required = call_list(c, "required"),
                          .ended = INSTANT_FOREVER};
    json_read_bool(c->body, "lenient", false, &s->lenient, NULL);
    json_read_bool(c->body, "renew", false, &renew, NULL);
    if (instant_get(call_member(c, "ended"), &s->ended))
        s->closing = c->gate.now;
    if (call_name(c, "name", &s->name) != OK || call_known(c, DIM_SERVICE, "class", s->class_name) != OK)
        return c->fail.code;
    if (renew || !registers_service(c->gate.view->registers, s->name))
        return OK;
    fail_hint(&c->fail, "To change it and issue a new token, say `renew`; the old token ends then.");
    return fail_set(&c->fail, ERR_CONFLICT, "The service `%.*s` is registered already.", SPAN_F(s->name));
}

/* B1.2.1: registration may demand only what it could ever take. */
static enum err check_required(struct call *c, const struct service *s)
{
    struct span rest = s->required, one;
    while (rest.len && span_cut(&rest, ',', &one)) {
        if (call_known(c, DIM_FIELD, "required", one) != OK)
            return c->fail.code;
        if (gate_registers(c->gate.view, s->class_name, one))
            continue;
        fail_where(&c->fail, "/required");
        return fail_set(&c->fail, ERR_BAD_VALUE, "Registration may not demand `%.*s`.", SPAN_F(one));
    }
    return OK;
}

/* A2.1.1.0: what is offered to children says what it is for and why nothing less will do. */
static enum err check_children(struct call *c, struct service *s)
{
    bool children = false;
    const char *missing[2];
    size_t n = 0;
    s->aim = span_trim(call_member(c, "aim"));
    s->necessity = span_trim(call_member(c, "necessity"));
    json_read_bool(c->body, "children", false, &children, NULL);
    if (children && s->aim.len == 0)
        missing[n++] = "`aim`";
    if (children && s->necessity.len == 0)
        missing[n++] = "`necessity`";
    if (n == 0)
        return OK;
    return fail_set(&c->fail, ERR_MISSING_MEMBER, "A service for children states its %s%s%s.", missing[0],
                    n == 2 ? " and its " : "", n == 2 ? missing[1] : "");
}

void api_service_add(struct call *c)
{
    struct service s;
    struct text t = text_new(c->arena, 256);
    if (take_service(c, &s) != OK || check_required(c, &s) != OK || check_children(c, &s) != OK)
        return;
    struct span token = new_token(c->arena);
    crypto_sha256(token, &s.token);
    if (service_put(c->gate.st, &s, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_string(&t, "name", s.name);
    json_string(&t, "class", s.class_name);
    json_string(&t, "token", token);
    changed(c, &t, s.name, "service");
}

static void render_service(struct text *t, const struct service *s)
{
    json_open(t, NULL, '{');
    json_string(t, "name", s->name);
    json_string(t, "class", s->class_name);
    json_string(t, "title", s->title);
    render_names(t, "sources", s->sources);
    json_bool(t, "lenient", s->lenient);
    render_names(t, "required", s->required);
    if (s->aim.len)
        json_string(t, "aim", s->aim);
    if (s->necessity.len)
        json_string(t, "necessity", s->necessity);
    if (s->ended.ms < INSTANT_FOREVER.ms)
        json_instant(t, "ended", s->ended);
    json_close(t, '}');
}

void api_service_list(struct call *c)
{
    const struct registers *r = c->gate.view->registers;
    struct text t = text_new(c->arena, 1024);
    json_open(&t, NULL, '{');
    json_open(&t, "services", '[');
    for (size_t i = 0; i < r->n_services; i++)
        render_service(&t, &r->services[i]);
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- Recipients */

static bool is_country(struct span s)
{
    return s.len == 2 && s.p[0] >= 'A' && s.p[0] <= 'Z' && s.p[1] >= 'A' && s.p[1] <= 'Z';
}

void api_recipient_add(struct call *c)
{
    struct recipient *r = ARENA_NEW(c->arena, struct recipient);
    struct text t = text_new(c->arena, 256);
    r->class_name = call_member(c, "class");
    r->title = call_member(c, "title");
    r->country = json_get(c->body, "country") ? call_member(c, "country") : SPAN(WEB_HOME_REGION);
    if (call_name(c, "name", &r->name) != OK || call_known(c, DIM_PARTY, "class", r->class_name) != OK)
        return;
    if (!is_country(r->country)) {
        fail_where(&c->fail, "/country");
        fail_set(&c->fail, ERR_BAD_VALUE, "A country is two capital letters (ISO 3166-1 alpha-2).");
        return;
    }
    /* A suspension stays until somebody lifts it by saying so. */
    if (recipient_suspended(c->gate.st, r->name, &r->suspended, &c->fail) != OK)
        return;
    json_read_bool(c->body, "suspended", r->suspended, &r->suspended, NULL);
    if (recipient_put(c->gate.st, r, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_string(&t, "name", r->name);
    changed(c, &t, r->name, r->suspended ? "recipient, suspended" : "recipient");
}

/* The recipient of the path. */
static const struct recipient *known_recipient(struct call *c)
{
    const struct registers *reg = c->gate.view->registers;
    const struct recipient *r = registers_recipient(reg, c->params.value[0]);
    struct span near = registers_suggest(reg, c->params.value[0]);
    if (r)
        return r;
    if (near.len)
        fail_hint(&c->fail, "Did you mean `%.*s`?", SPAN_F(near));
    fail_set(&c->fail, ERR_NOT_FOUND, "No recipient `%.*s` is registered.", SPAN_F(c->params.value[0]));
    return NULL;
}

/* A paper satisfies a need that the policy says a recipient brings. */
static enum err known_need(struct call *c, struct span kind)
{
    const struct policy *p = c->gate.view->policy;
    unsigned need = policy_kind_find(p, KIND_NEED, kind);
    if (need != POLICY_NONE && span_is(policy_kind_source(p, KIND_NEED, need), "recipient"))
        return OK;
    fail_where(&c->fail, "/kind");
    return fail_set(&c->fail, ERR_UNKNOWN_NAME,
                    "The policy has no need `%.*s` that a recipient's paper satisfies.", SPAN_F(kind));
}

void api_paper_add(struct call *c)
{
    struct paper paper = {.kind = call_member(c, "kind"), .reference = call_member(c, "reference")};
    const struct recipient *r = known_recipient(c);
    struct text t = text_new(c->arena, 256);
    if (!r || known_need(c, paper.kind) != OK || call_period(c, &paper.from, &paper.until) != OK)
        return;
    if (recipient_paper_put(c->gate.st, r->name, &paper, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_string(&t, "name", r->name);
    changed(c, &t, r->name, "paper");
}

/* B3.1.p: an explicit list; there is no grant of everything. */
static enum err check_fields(struct call *c)
{
    const struct json *list = json_get(c->body, "fields");
    enum err err = OK;
    for (size_t i = 0; i < json_count(list) && err == OK; i++) {
        if (span_find(json_span(json_at(list, i)), '*', 0) < json_span(json_at(list, i)).len)
            err = fail_set(&c->fail, ERR_WILDCARD, "Name each field: a grant of everything is not possible.");
        else
            err = call_known(c, DIM_FIELD, "fields", json_span(json_at(list, i)));
    }
    fail_where(&c->fail, err == OK ? "" : "/fields");
    return err;
}

void api_grant_add(struct call *c)
{
    struct grant grant = {.purpose = call_member(c, "purpose"), .fields = call_list(c, "fields")};
    const struct recipient *r = known_recipient(c);
    struct text t = text_new(c->arena, 256);
    if (!r || call_known(c, DIM_PURPOSE, "purpose", grant.purpose) != OK || check_fields(c) != OK)
        return;
    if (call_period(c, &grant.from, &grant.until) != OK)
        return;
    if (recipient_grant_put(c->gate.st, r->name, &grant, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_string(&t, "name", r->name);
    changed(c, &t, r->name, "grant");
}

/* ---- The public list (B6.3): who may receive what, without the references of papers */

static void render_papers(struct text *t, const struct recipient *r)
{
    json_open(t, "papers", '[');
    for (size_t i = 0; i < r->n_papers; i++) {
        json_open(t, NULL, '{');
        json_string(t, "kind", r->papers[i].kind);
        json_instant(t, "from", r->papers[i].from);
        json_instant(t, "until", r->papers[i].until);
        json_close(t, '}');
    }
    json_close(t, ']');
}

static void render_grants(struct text *t, const struct recipient *r)
{
    json_open(t, "grants", '[');
    for (size_t i = 0; i < r->n_grants; i++) {
        json_open(t, NULL, '{');
        json_string(t, "purpose", r->grants[i].purpose);
        render_names(t, "fields", r->grants[i].fields);
        json_instant(t, "from", r->grants[i].from);
        json_instant(t, "until", r->grants[i].until);
        json_close(t, '}');
    }
    json_close(t, ']');
}

void api_recipient_list(struct call *c)
{
    const struct registers *reg = c->gate.view->registers;
    struct text t = text_new(c->arena, 2048);
    json_open(&t, NULL, '{');
    json_open(&t, "recipients", '[');
    for (size_t i = 0; i < reg->n_recipients; i++) {
        const struct recipient *r = &reg->recipients[i];
        json_open(&t, NULL, '{');
        json_string(&t, "name", r->name);
        json_string(&t, "class", r->class_name);
        json_string(&t, "title", r->title);
        json_string(&t, "country", r->country);
        json_bool(&t, "suspended", r->suspended);
        render_papers(&t, r);
        render_grants(&t, r);
        json_close(&t, '}');
    }
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}
