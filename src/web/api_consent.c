// SPDX-License-Identifier: Apache-2.0
/* Agreements, consents, permissions, switches; guardians. Acts are added, never changed (PIPL 14-16, B0.3).
 */
#include "web_impl.h"

/* ---- One act */

/* X(member of the body, what it is) */
static const struct {
    const char *member;
    enum consent_kind kind;
} kinds[] = {
    {"document", CONSENT_AGREEMENT},
    {"need", CONSENT_NEED},
    {"preference", CONSENT_PREFERENCE},
};

static const struct {
    const char *word;
    enum consent_state state;
} states[] = {
    {"given", CONSENT_GIVEN},
    {"withdrawn", CONSENT_WITHDRAWN},
    {"refused", CONSENT_REFUSED},
    {"deemed", CONSENT_DEEMED},
};

static enum err take_kind(struct call *c, struct consent_event *e)
{
    size_t found = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!json_get(c->body, kinds[i].member))
            continue;
        e->kind = kinds[i].kind;
        e->name = call_member(c, kinds[i].member);
        found++;
    }
    if (found == 1)
        return OK;
    return fail_set(&c->fail, found ? ERR_BAD_VALUE : ERR_MISSING_MEMBER,
                    "Say exactly one of `document`, `need`, `preference`.");
}

static void take_state(const struct call *c, struct consent_event *e)
{
    struct span word = call_member(c, "state");
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (span_is(word, states[i].word))
            e->state = states[i].state;
}

static enum err take_actor(struct call *c, struct consent_event *e)
{
    struct span word = call_member(c, "actor");
    const char *who = span_is(word, "guardian") ? "guardian" : "staff";
    if (word.len == 0 || span_is(word, "subject"))
        return OK;
    e->actor = span_is(word, "guardian") ? CONSENT_BY_GUARDIAN : CONSENT_BY_STAFF;
    e->actor_id = call_member(c, who);
    if (e->actor_id.len)
        return OK;
    fail_where(&c->fail, "/%s", who);
    return fail_set(&c->fail, ERR_MISSING_MEMBER, "With `actor` %s, `%s` says who.", who, who);
}

static void take_rest(const struct call *c, struct consent_event *e)
{
    const struct {
        const char *name;
        struct span *to;
    } names[] = {
        {"purpose", &e->purpose},   {"party", &e->party},       {"service", &e->service},
        {"device", &e->device},     {"language", &e->language}, {"channel", &e->channel},
        {"evidence", &e->evidence}, {"topic", &e->topic},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        *names[i].to = call_member(c, names[i].name);
    e->fields = call_list(c, "fields");
    hex_get(call_member(c, "notice"), e->notice.b, sizeof e->notice.b);
    e->until = INSTANT_FOREVER;
    instant_get(call_member(c, "until"), &e->until);
    e->time = c->gate.now;
    e->collected_by = c->gate.service ? c->gate.service->name : SPAN("operator");
}

static void answer_consent(struct call *c, const struct consent_event *e, const struct subject *s)
{
    struct text t = text_new(c->arena, 1024);
    json_open(&t, NULL, '{');
    json_key(&t, SPAN("consent"));
    consent_event_json(&t, e);
    t.comma = true;
    json_str(&t, "state", subject_state_name(s->state));
    render_receipt(c, &t, "receipt", 0);
    json_close(&t, '}');
    http_json(c->res, 201, &t);
}

/* Where the operator records an act for a service, the person is that service's from then on. */
static enum err relate_named(struct call *c, const struct subject *s, struct span service)
{
    bool known = registers_service(c->gate.view->registers, service) != NULL;
    return c->role == ROLE_OPERATOR && known ? call_relate(c, s, service) : OK;
}

static enum err act(struct call *c, struct subject *s, struct consent_event *e)
{
    if (take_kind(c, e) != OK || take_actor(c, e) != OK)
        return c->fail.code;
    take_state(c, e);
    take_rest(c, e);
    enum err err = gate_consent(&c->gate, s->id, e, s, &c->fail);
    return err == OK ? relate_named(c, s, e->service) : err;
}

enum err consent_act(struct call *c, struct subject *s)
{
    struct consent_event e = {0};
    return act(c, s, &e);
}

void api_consent_add(struct call *c)
{
    struct subject s;
    struct consent_event e = {0};
    if (call_subject(c, 0, &s) == OK && act(c, &s, &e) == OK)
        answer_consent(c, &e, &s);
}

void api_consent_list(struct call *c)
{
    struct subject s;
    struct consent_event *events;
    size_t n = 0;
    struct text t = text_new(c->arena, 4096);
    if (call_subject(c, 0, &s) != OK)
        return;
    if (consent_list(c->gate.st, s.sid, c->arena, &events, &n, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_open(&t, "consents", '[');
    for (size_t i = 0; i < n; i++)
        consent_event_json(&t, &events[i]);
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- Guardians (A2.1.1.2) */

void api_guardian_add(struct call *c)
{
    struct subject child, guardian;
    bool verified = false;
    struct text t = text_new(c->arena, 256);
    json_read_bool(c->body, "verified", false, &verified, NULL);
    if (call_subject(c, 0, &child) != OK)
        return;
    if (call_subject_named(c, call_member(c, "guardian"), "guardian", &guardian) != OK)
        return;
    if (gate_guardian_add(&c->gate, child.id, guardian.id, verified, call_member(c, "evidence"), &c->fail) !=
        OK)
        return;
    json_open(&t, NULL, '{');
    json_hex(&t, "guardian", guardian.id.b, ID_LEN);
    json_bool(&t, "verified", verified);
    call_entry(c, &t, "entry", 0);
    json_close(&t, '}');
    http_json(c->res, 201, &t);
}

static void render_guardian(struct text *t, const struct guardian_link *g)
{
    json_open(t, NULL, '{');
    json_hex(t, "guardian", g->guardian.b, ID_LEN);
    json_bool(t, "verified", g->verified);
    json_instant(t, "since", g->since);
    if (g->evidence.len)
        json_string(t, "evidence", g->evidence);
    json_close(t, '}');
}

void api_guardian_list(struct call *c)
{
    struct subject s;
    struct guardian_link *links;
    size_t n = 0;
    struct text t = text_new(c->arena, 256);
    if (call_subject(c, 0, &s) != OK)
        return;
    if (guardian_list(c->gate.st, &s, c->arena, &links, &n, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_open(&t, "guardians", '[');
    for (size_t i = 0; i < n; i++)
        render_guardian(&t, &links[i]);
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}
