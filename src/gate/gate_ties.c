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
    enum err e = begin(c, id, &s, f);
    return e ? e : hold_put(c->st, s.sid, &kept, f);
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

/* ---- A closed order starts the clocks of what belongs to it (B4.0.a) */

static enum err close_value(struct gate_call *c, const struct subject *s, const struct value *v,
                            struct instant closed, struct fail *f)
{
    struct gate_request *r = ARENA_NEW(c->arena, struct gate_request);
    struct question q = {0};
    struct vault_person person = vault_of(s);
    *r = (struct gate_request){
        .subject = s->id, .has_subject = true, .service = v->from.service, .purpose = v->from.purpose};
    unsigned field = policy_find(c->view->policy, DIM_FIELD, v->field);
    if (field == POLICY_NONE) /* of an older policy, which set its time */
        return OK;
    enum err e = question_resolve(&q, c, r, SPAN("store"), f);
    if (!e)
        e = question_gather(&q, f);
    if (!e)
        e = vault_keep_item_less(c->st, &person, v->field, v->item,
                                 storing_until(&q, field, "order-closed", closed), f);
    question_end(&q);
    return e;
}

static enum err close_order(struct gate_call *c, const struct subject *s, const struct purchase *p,
                            struct fail *f)
{
    struct vault_person person = vault_of(s);
    struct value *held;
    size_t n;
    enum err e = vault_list(c->st, &person, c->arena, &held, &n, f);
    for (size_t i = 0; !e && i < n; i++)
        if (span_eq(held[i].item, p->number))
            e = close_value(c, s, &held[i], p->closed, f);
    return e;
}

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
    enum err e = begin(c, id, &s, f);
    if (!e)
        e = purchase_put(c->st, s.sid, p, f);
    if (!e && p->closed.ms < INSTANT_FOREVER.ms)
        e = close_order(c, &s, p, f);
    if (e)
        return e;
    json_str(&t, "event", p->closed.ms < INSTANT_FOREVER.ms ? "order closed" : "order assigned");
    json_string(&t, "order", p->number);
    json_string(&t, "recipient", p->recipient);
    return record_person(c, AUDIT_REGISTER, &s, text_span(&t), f);
}
