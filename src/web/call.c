// SPDX-License-Identifier: Apache-2.0
/* Helpers for handlers. See web_impl.h */
#include "web_impl.h"

bool call_query(struct call *c, const char *name, struct span *out)
{
    return http_form_get(c->arena, c->req->query, name, out);
}

bool call_form(struct call *c, const char *name, struct span *out)
{
    return http_form_get(c->arena, c->req->body, name, out);
}

struct span call_member(const struct call *c, const char *name)
{
    return json_span(json_get(c->body, name));
}

/* ---- Persons */

static enum err not_found(struct call *c)
{
    return fail_set(&c->fail, ERR_NOT_FOUND, "There is no such person here.");
}

/* B4.3: whoever has no relation with the person learns nothing, not even that there is one. */
static enum err check_relation(struct call *c, struct subject *s)
{
    bool uses = false;
    if (c->role == ROLE_OPERATOR)
        return OK;
    enum err err = subject_uses(c->gate.st, s, c->gate.service->name, &uses, &c->fail);
    return err != OK || uses ? err : not_found(c);
}

static enum err find_subject(struct call *c, struct span id, struct subject *out)
{
    struct subject_id key;
    if (!hex_get(id, key.b, ID_LEN))
        return not_found(c);
    enum err err = subject_get(c->gate.st, key, c->gate.now, out, &c->fail);
    return err == OK ? check_relation(c, out) : err;
}

enum err call_subject(struct call *c, size_t param, struct subject *out)
{
    return find_subject(c, c->params.value[param], out);
}

enum err call_subject_named(struct call *c, struct span id, const char *member, struct subject *out)
{
    enum err err = find_subject(c, id, out);
    if (err != OK)
        fail_where(&c->fail, "/%s", member);
    return err;
}

enum err call_service(struct call *c, struct span named, struct span *out)
{
    if (c->role != ROLE_SERVICE) {
        *out = named;
        return OK;
    }
    *out = c->gate.service->name;
    if (named.len == 0 || span_eq(named, *out))
        return OK;
    fail_where(&c->fail, "/service");
    return fail_set(&c->fail, ERR_FORBIDDEN, "A service speaks for itself only; this token belongs to %.*s.",
                    SPAN_F(*out));
}

enum err call_relate(struct call *c, const struct subject *s, struct span service)
{
    return service.len ? subject_service_add(c->gate.st, s, service, c->gate.now, &c->fail) : OK;
}

/* ---- Questions to the policy */

static void take_fields(const struct call *c, struct gate_request *q)
{
    const struct json *one = json_at(json_get(c->body, "fields"), 0);
    for (; one && q->n_fields < GATE_FIELDS_MAX; one = json_next(one))
        q->fields[q->n_fields++] = json_span(one);
}

static void take_evidence(const struct call *c, struct gate_request *q)
{
    const struct json *evidence = json_get(c->body, "evidence");
    bool declared = false;
    for (size_t i = 0; i < json_count(evidence) && q->n_evidence < GATE_EVIDENCE_MAX; i++) {
        const struct json *one = json_at(evidence, i);
        q->evidence[q->n_evidence++] = (struct evidence){json_name(one), json_span(one)};
    }
    /* B1.2.5(1): that the buyer declared it is evidence by a name of its own. */
    json_read_bool(c->body, "declared", false, &declared, NULL);
    if (declared && q->n_evidence < GATE_EVIDENCE_MAX)
        q->evidence[q->n_evidence++] = (struct evidence){SPAN("buyer-declaration"), SPAN("declared")};
}

enum err call_period(struct call *c, struct instant *from, struct instant *until)
{
    *from = c->gate.now;
    instant_get(call_member(c, "from"), from);
    instant_get(call_member(c, "until"), until);
    if (from->ms < until->ms)
        return OK;
    fail_where(&c->fail, "/until");
    return fail_set(&c->fail, ERR_BAD_VALUE, "`until` must be after `from`.");
}

struct span call_list(const struct call *c, const char *member)
{
    const struct json *list = json_get(c->body, member);
    struct text t = text_new(c->arena, 256);
    for (size_t i = 0; i < json_count(list); i++)
        text_fmt(&t, "%s%.*s", i ? "," : "", SPAN_F(json_span(json_at(list, i))));
    return text_span(&t);
}

enum err call_question(struct call *c, struct gate_request *q)
{
    const struct {
        const char *name;
        struct span *to;
    } names[] = {
        {"actor", &q->actor},         {"purpose", &q->purpose}, {"operation", &q->operation},
        {"recipient", &q->recipient}, {"basis", &q->basis},     {"source", &q->source},
        {"device", &q->device},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        *names[i].to = call_member(c, names[i].name);
    q->topics[0] = call_member(c, "topic");
    q->n_topics = q->topics[0].len != 0;
    take_fields(c, q);
    take_evidence(c, q);
    json_read_bool(c->body, "explain", false, &q->explain, NULL);
    return call_service(c, call_member(c, "service"), &q->service);
}

void call_refuse(struct call *c, const struct gate_answer *a)
{
    const struct gate_field *worst = render_worst(a);
    struct text t = text_new(c->arena, 1024);
    c->gate.undo = true; /* nothing changes, and the entry stays */
    json_string(&t, "reason", worst ? worst->reason : SPAN_EMPTY);
    json_open(&t, "decision", '{');
    render_decision_members(c, &t, a);
    json_close(&t, '}');
    c->extra = text_span(&t);
    if (worst && worst->clause.len)
        fail_clause(&c->fail, worst->clause);
    if (worst && worst->asked.len)
        fail_set(&c->fail, ERR_REFUSED, "`%.*s` is refused: %.*s.", SPAN_F(worst->asked),
                 SPAN_F(worst->reason));
    fail_set(&c->fail, ERR_REFUSED, "The policy does not allow this.");
}

/* ---- The record */

void call_undone(struct call *c, size_t before)
{
    struct gate_call *g = &c->gate;
    size_t last = g->n_entries - 1;
    if (g->n_entries <= before)
        return;
    bool refusal = g->entries[last].leaf.kind == AUDIT_REFUSED;
    if (refusal) {
        g->entries[before] = g->entries[last];
        g->opening[before] = g->opening[last];
        g->entry_has_subject[before] = g->entry_has_subject[last];
        g->entry_subject[before] = g->entry_subject[last];
    }
    g->n_entries = before + refusal;
}

void call_entry(struct call *c, struct text *t, const char *name, size_t which)
{
    struct response *res = c->res;
    if (c->many)
        return;
    if (c->gate.n_entries <= which || res->n_slots >= RESPONSE_SLOTS_MAX) {
        json_null(t, name);
        return;
    }
    json_raw(t, name, SPAN("                    "));
    res->slot_at[res->n_slots] = (uint32_t)(t->len - RESPONSE_SLOT_WIDTH);
    res->slot_entry[res->n_slots++] = (uint32_t)which;
}
