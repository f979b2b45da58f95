// SPDX-License-Identifier: Apache-2.0
/* Holds and orders of a person: changes with their entry. See gate.h. */
#include "gate_impl.h"

static enum err begin(struct gate_call *c, struct subject_id id, struct subject *s, struct fail *f)
{
    return subject_get(c->st, id, c->now, s, f);
}

enum err gate_hold_put(struct gate_call *c, struct subject_id id, const struct hold *h, struct fail *f)
{
    const struct policy *p = c->view->policy;
    struct hold kept = *h;
    struct subject s;
    unsigned field = policy_find(p, DIM_FIELD, spelled(c->arena, h->field));
    if (field == POLICY_NONE) {
        fail_where(f, "/fields");
        return fail_set(f, ERR_UNDECLARED_FIELD, "the policy does not declare '%.*s'",
                        SPAN_F(span_sub(h->field, 0, 64)));
    }
    kept.field = policy_name(p, DIM_FIELD, field);
    size_t set;
    enum err e = begin(c, id, &s, f);
    if (!e)
        e = hold_put(c->st, s.sid, &kept, f);
    /* What an earlier end of the hold had put off has its own time again. */
    return e ? e : clock_settle(c, &s, &set, f);
}

enum err gate_hold_note(struct gate_call *c, struct subject_id id, struct span fields, struct span reference,
                        struct fail *f)
{
    struct subject s;
    struct text t = text_new(c->arena, 256);
    enum err e = begin(c, id, &s, f);
    if (e)
        return e;
    t.comma = false;
    json_str(&t, "event", "hold");
    json_string(&t, "fields", fields);
    json_string(&t, "reference", reference);
    return record_person(c, AUDIT_REGISTER, &s, text_span(&t), f);
}

/* What is yet to come would put off, as far as anybody likes, what must go. */
static enum err take_time(const struct gate_call *c, const char *where, struct instant time, struct fail *f)
{
    if (time.ms <= c->now.ms)
        return OK;
    fail_where(f, "%s", where);
    fail_hint(f, "say it when it has happened");
    return fail_set(f, ERR_BAD_VALUE, "`%s` is later than now", where + 1);
}

/* ---- A closed order starts the clocks of what belongs to it (B4.0.a) */

enum err gate_purchase_put(struct gate_call *c, struct subject_id id, const struct purchase *p,
                           struct fail *f)
{
    struct subject s;
    struct text t = text_new(c->arena, 256);
    if (!registers_recipient(c->view->registers, p->recipient)) {
        fail_where(f, "/recipient");
        return fail_set(f, ERR_UNKNOWN_NAME, "recipient '%.*s' is not registered",
                        SPAN_F(span_sub(p->recipient, 0, 64)));
    }
    enum err e = p->closed.ms < INSTANT_FOREVER.ms ? take_time(c, "/closed", p->closed, f) : OK;
    if (!e)
        e = begin(c, id, &s, f);
    if (!e)
        e = purchase_put(c->st, s.sid, p, f);
    if (!e && p->closed.ms < INSTANT_FOREVER.ms)
        e = clock_start(c, &s,
                        &(struct happening){.event = SPAN("order-closed"),
                                            .item = p->number,
                                            .service = c->service ? c->service->name : SPAN_EMPTY,
                                            .time = p->closed},
                        NULL, f);
    if (e)
        return e;
    json_str(&t, "event", p->closed.ms < INSTANT_FOREVER.ms ? "order closed" : "order assigned");
    json_string(&t, "order", p->number);
    json_string(&t, "recipient", p->recipient);
    return record_person(c, AUDIT_REGISTER, &s, text_span(&t), f);
}

/* ---- Anything else that a time to keep counts from */

/* What the daemon sees itself is not taken from a caller's word. */
static const struct {
    const char *event, *how;
} own_events[] = {
    {"collected", "PUT /v1/subjects/{id}/data"},
    {"consent-withdrawn", "POST /v1/subjects/{id}/consents"},
    {"guardian-withdrew", "POST /v1/subjects/{id}/consents"},
    {"guardianship-verified", "POST /v1/subjects/{id}/guardians"},
    {"account-closed", "POST /v1/subjects/{id}/closure"},
    {"service-closing", "POST /v1/services, `ended`"},
    {"service-closed", "POST /v1/services, `ended`"},
    {"revision-in-force", "POST /v1/policies"},
    {"revision-reduces-rights", "POST /v1/policies"},
};

static enum err take_event(struct gate_call *c, struct happening *h, struct fail *f)
{
    const struct policy *p = c->view->policy;
    struct span asked = spelled(c->arena, h->event);
    unsigned event = policy_kind_find(p, KIND_EVENT, asked);
    fail_where(f, "/event");
    for (unsigned i = 0; event == POLICY_NONE && i < policy_kind_count(p, KIND_EVENT); i++)
        if (span_distance(policy_kind_name(p, KIND_EVENT, i), asked) <= 3)
            fail_hint(f, "did you mean '%.*s'?", SPAN_F(policy_kind_name(p, KIND_EVENT, i)));
    if (event == POLICY_NONE)
        return fail_set(f, ERR_UNKNOWN_NAME, "the policy declares no event '%.*s'",
                        SPAN_F(span_sub(h->event, 0, 64)));
    h->event = policy_kind_name(p, KIND_EVENT, event);
    for (size_t i = 0; i < sizeof own_events / sizeof own_events[0]; i++)
        if (span_is(h->event, own_events[i].event)) {
            fail_hint(f, "%s", own_events[i].how);
            return fail_set(f, ERR_BAD_VALUE, "'%.*s' is noted by itself", SPAN_F(h->event));
        }
    *f = (struct fail){0};
    return OK;
}

static enum err take_scope(struct gate_call *c, struct happening *h, struct fail *f)
{
    const struct policy *p = c->view->policy;
    const struct service *service;
    if (h->purpose.len) {
        unsigned i = policy_find(p, DIM_PURPOSE, spelled(c->arena, h->purpose));
        struct span near = policy_suggest(p, DIM_PURPOSE, h->purpose);
        if (i == POLICY_NONE) {
            fail_where(f, "/purpose");
            if (near.len)
                fail_hint(f, "did you mean '%.*s'?", SPAN_F(near));
            return fail_set(f, ERR_UNKNOWN_NAME, "the policy knows no purpose '%.*s'",
                            SPAN_F(span_sub(h->purpose, 0, 64)));
        }
        h->purpose = policy_name(p, DIM_PURPOSE, i);
    }
    return h->service.len ? question_service(c, h->service, &service, f) : OK;
}

static struct span happened_members(struct gate_call *c, const struct happening *h, struct span fields,
                                    size_t set)
{
    const struct {
        const char *name;
        struct span value;
    } members[] = {{"what", h->event},
                   {"fields", fields},
                   {"item", h->item},
                   {"service", h->service},
                   {"purpose", h->purpose}};
    struct text t = text_new(c->arena, 256);
    json_str(&t, "event", "happened");
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (members[i].value.len)
            json_string(&t, members[i].name, members[i].value);
    json_instant(&t, "time", h->time);
    json_i64(&t, "values", (int64_t)set);
    return text_span(&t);
}

static enum err start_for(struct gate_call *c, const struct subject *s, struct happening *h,
                          struct span field, size_t *set, struct fail *f)
{
    size_t one = 0;
    if (field.len) {
        unsigned i = policy_find(c->view->policy, DIM_FIELD, spelled(c->arena, field));
        if (i == POLICY_NONE) {
            fail_where(f, "/fields");
            return fail_set(f, ERR_UNDECLARED_FIELD, "the policy does not declare '%.*s'",
                            SPAN_F(span_sub(field, 0, 64)));
        }
        field = policy_name(c->view->policy, DIM_FIELD, i);
    }
    h->field = field;
    enum err e = clock_start(c, s, h, &one, f);
    *set += one;
    return e;
}

enum err gate_happened(struct gate_call *c, const struct subject *s, const struct happening *what,
                       struct span fields, size_t *set, struct fail *f)
{
    struct happening h = *what;
    struct span rest = fields, field = SPAN_EMPTY;
    *set = 0;
    enum err e = take_event(c, &h, f);
    if (!e)
        e = take_time(c, "/time", h.time, f);
    if (!e)
        e = take_scope(c, &h, f);
    do {
        if (rest.len)
            span_cut(&rest, ',', &field);
        if (!e)
            e = start_for(c, s, &h, span_trim(field), set, f);
    } while (!e && rest.len);
    return e ? e : record_person(c, AUDIT_REGISTER, s, happened_members(c, &h, fields, *set), f);
}
