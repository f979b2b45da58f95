// SPDX-License-Identifier: Apache-2.0
/* Facts are gathered, the policy decides, the registers have their say. See gate.h. */
#include "gate_impl.h"

void question_request(const struct question *q, unsigned field, const struct standing *s,
                      struct policy_request *r)
{
    *r = (struct policy_request){.facts = s->facts, .facts_known = s->facts_known, .needs = s->needs};
    memcpy(r->value, q->value, sizeof r->value);
    r->value[DIM_FIELD] = (uint16_t)field;
}

/* ---- Recipients */

static bool exception_claimed(const struct question *q)
{
    struct span basis = policy_name(q->policy, DIM_BASIS, q->value[DIM_BASIS]);
    return !span_is(basis, "none-claimed") && !span_starts(basis, "consent-");
}

/* True if without the evidence and the exception claimed the policy would not allow it: then that is what it
 * rests on, and no standing grant of the recipient is asked for (courts, guardians, emergencies). */
static bool rests_on_claim(const struct question *q, unsigned field, const struct standing *s)
{
    if (!exception_claimed(q) && q->asked->n_evidence == 0)
        return false;
    struct policy_request r;
    struct verdict v = {0};
    unsigned plain = policy_find(q->policy, DIM_BASIS, SPAN("none-claimed"));
    question_request(q, field, s, &r);
    r.needs &= ~q->evidence_needs;
    r.facts &= ~q->evidence_facts;
    if (exception_claimed(q) && plain != POLICY_NONE)
        r.value[DIM_BASIS] = (uint16_t)plain;
    policy_decide(q->policy, &r, &v.d);
    return !verdict_allowed(&v);
}

static bool operates(const struct question *q, const char *operation)
{
    return span_is(policy_name(q->policy, DIM_OPERATION, q->value[DIM_OPERATION]), operation);
}

static bool collecting(const struct question *q)
{
    return operates(q, "collect");
}

/* The operations after which a value lies with us, so that its end is part of the answer. */
static bool keeping(const struct question *q)
{
    return collecting(q) || operates(q, "correct") || operates(q, "store");
}

/* B3.1.p, R099: an explicit list of fields for a purpose, or nothing. */
static void apply_grant(const struct question *q, unsigned field, const struct standing *s, struct verdict *v)
{
    bool any;
    struct span purpose = policy_name(q->policy, DIM_PURPOSE, q->value[DIM_PURPOSE]);
    if (!recipient_granted(q->recipient, purpose, policy_name(q->policy, DIM_FIELD, field), q->call->now,
                           &any) &&
        !rests_on_claim(q, field, s))
        verdict_refuse(v, SPAN("scope"));
}

static void apply_recipient(const struct question *q, unsigned field, const struct standing *s,
                            struct verdict *v)
{
    if (q->recipient_unknown)
        verdict_refuse(v, SPAN("default-deny"));
    if (!q->recipient || v->d.answer >= ANSWER_DENY)
        return;
    if (q->recipient->suspended)
        verdict_refuse(v, SPAN("default-deny"));
    else if (verdict_allowed(v) && !collecting(q))
        apply_grant(q, field, s, v);
}

/* ---- Fields */

/* What this thread decided last. A decision is a function of the compiled policy and the request, and most
 * requests ask what others asked before. */
enum { DECIDED = 64 };
struct decided {
    uint64_t compiled; /* gate_view.serial; 0: free */
    struct policy_request r;
    struct policy_decision d;
};
static _Thread_local struct decided decided[DECIDED];

static struct decided *decided_place(uint64_t compiled, const struct policy_request *r)
{
    uint64_t h = r->facts + r->needs * 3 + r->facts_known * 5 + compiled;
    for (size_t i = 0; i < DIM_COUNT; i++)
        h = h * 31 + r->value[i];
    return &decided[h * 0x9e3779b97f4a7c15u >> 58];
}

static bool is_decided(const struct decided *k, uint64_t compiled, const struct policy_request *r)
{
    return k->compiled == compiled && k->r.facts == r->facts && k->r.needs == r->needs &&
           k->r.facts_known == r->facts_known && memcmp(k->r.value, r->value, sizeof r->value) == 0;
}

static void decide(const struct question *q, const struct policy_request *r, struct policy_decision *d)
{
    uint64_t compiled = q->call->view->serial;
    struct decided *k = decided_place(compiled, r);
    if (!is_decided(k, compiled, r)) {
        policy_decide(q->policy, r, &k->d);
        k->r = *r;
        k->compiled = compiled;
    }
    *d = k->d;
}

static void judge(const struct question *q, unsigned field, struct verdict *v)
{
    struct policy_request r;
    struct standing s = question_standing(q, field);
    *v = (struct verdict){0};
    question_request(q, field, &s, &r);
    decide(q, &r, &v->d);
    verdict_ended(v, q->policy, q->call->view->sources, s.ended);
    verdict_outside(v, s.outside);
    apply_recipient(q, field, &s, v);
}

static void judge_field(const struct question *q, size_t i, struct asked_field *out)
{
    out->asked = q->asked->fields[i];
    out->field = q->fields[i];
    out->keep_until = INSTANT_FOREVER;
    judge(q, q->fields[i], &out->v);
}

/* "Is there anything at all this purpose may process?": the best answer over the whole catalogue. */
static struct asked_field judge_whole(const struct question *q)
{
    struct asked_field best = {.whole = true, .keep_until = INSTANT_FOREVER};
    verdict_refuse(&best.v, SPAN("default-deny"));
    best.v.d.clause = POLICY_NONE;
    for (unsigned i = 0; i < policy_count(q->policy, DIM_FIELD); i++) {
        struct verdict v;
        judge(q, i, &v);
        if (i == 0 || verdict_better(&v, &best.v)) {
            best.v = v;
            best.field = i;
        }
    }
    return best;
}

/* Storing it, by us, for ourselves (B4.0.a). */
static bool storing_request(const struct question *q, unsigned field, const struct standing *s,
                            struct policy_request *r)
{
    unsigned store = policy_find(q->policy, DIM_OPERATION, SPAN("store"));
    if (store == POLICY_NONE)
        store = policy_find(q->policy, DIM_OPERATION, SPAN("keep"));
    unsigned own = policy_find(q->policy, DIM_PARTY, SPAN("own"));
    unsigned service = policy_find(q->policy, DIM_ACTOR, gate_actor(q->policy));
    if (store == POLICY_NONE || own == POLICY_NONE || service == POLICY_NONE)
        return false;
    question_request(q, field, s, r);
    r->value[DIM_OPERATION] = (uint16_t)store;
    r->value[DIM_PARTY] = (uint16_t)own;
    r->value[DIM_ACTOR] = (uint16_t)service;
    return true;
}

/* What is lacking now was there when it was stored: the time it may stay is the one it was stored with. */
bool storing_rule(const struct question *q, unsigned field, struct policy_decision *d)
{
    struct policy_request r;
    struct standing s = question_standing(q, field);
    if (!storing_request(q, field, &s, &r))
        return false;
    policy_decide(q->policy, &r, d);
    uint64_t more = s.ended & ~r.needs ? s.ended : d->missing;
    while (d->answer == ANSWER_NEEDS && more) {
        r.needs |= more;
        policy_decide(q->policy, &r, d);
        more = d->missing & ~r.needs;
    }
    return true;
}

struct instant storing_until(const struct question *q, unsigned field, const char *event, struct instant from)
{
    struct policy_decision d;
    if (!storing_rule(q, field, &d))
        return INSTANT_FOREVER;
    return keep_until(q->policy, &d, event, from, q->call->gate->offset_minutes);
}

/* Whether one of the ways to be allowed it is closed for want of these. */
static bool lacks(const struct question *q, const struct policy_request *r, uint64_t needs)
{
    struct policy_decision d;
    policy_decide(q->policy, r, &d);
    uint64_t wanted = d.missing;
    for (unsigned i = 0; i < d.n_alternatives; i++)
        wanted |= d.alternatives[i];
    return d.answer == ANSWER_NEEDS && (wanted & needs);
}

bool purpose_over(const struct question *q, unsigned field, uint64_t needs)
{
    struct policy_request r;
    struct standing s = question_standing(q, field);
    question_request(q, field, &s, &r);
    return lacks(q, &r, s.ended & needs);
}

bool storing_over(const struct question *q, unsigned field, uint64_t needs)
{
    struct policy_request r;
    struct standing s = question_standing(q, field);
    return storing_request(q, field, &s, &r) && lacks(q, &r, s.ended & needs);
}

bool over_without(const struct question *q, unsigned field, bool storing, uint64_t needs)
{
    struct policy_request r;
    struct standing s = question_standing(q, field);
    if (!storing)
        question_request(q, field, &s, &r);
    else if (!storing_request(q, field, &s, &r))
        return false;
    r.needs |= needs;
    return lacks(q, &r, s.ended & ~needs);
}

static void judge_all(struct question *q, struct gate_answer *out)
{
    struct asked_field *fields =
        ARENA_ARRAY(q->call->arena, q->n_fields ? q->n_fields : 1, struct asked_field);
    if (q->n_fields == 0)
        fields[0] = judge_whole(q);
    for (size_t i = 0; i < q->n_fields; i++) {
        judge_field(q, i, &fields[i]);
        if (keeping(q))
            fields[i].keep_until = storing_until(q, q->fields[i], "collected", q->call->now);
    }
    answer_fill(q, fields, q->n_fields ? q->n_fields : 1, out);
}

static void suspended_hint(struct question *q)
{
    if (q->recipient && q->recipient->suspended)
        q->hint = arena_fmt(q->call->arena, "recipient '%.*s' is suspended", SPAN_F(q->recipient->name));
}

enum err question_ask(struct question *q, struct gate_call *c, const struct gate_request *asked,
                      struct span operation, struct gate_answer *out, struct fail *f)
{
    enum err e = gate_hears(c->gate, f);
    if (!e)
        e = question_resolve(q, c, asked, operation, f);
    if (!e)
        e = question_gather(q, NULL, f);
    if (e)
        return e;
    suspended_hint(q);
    judge_all(q, out);
    return OK;
}

void question_end(struct question *q)
{
    vault_key_close(q->key);
    q->key = NULL;
}

enum err gate_decide(struct gate_call *c, const struct gate_request *asked, struct gate_answer *out,
                     struct fail *f)
{
    struct question q;
    enum err e = question_ask(&q, c, asked, SPAN_EMPTY, out, f);
    if (!e)
        e = record_add(c, &(struct record){.kind = AUDIT_DECISION, .q = &q, .answer = out}, f);
    question_end(&q);
    return e;
}

bool gate_registers(const struct gate_view *v, struct span service_class, struct span field)
{
    static const struct {
        enum policy_dimension dimension;
        const char *name;
    } fixed[] = {{DIM_OPERATION, "collect"}, {DIM_PURPOSE, "registration-login"}, {DIM_ACTOR, "service"},
                 {DIM_SUBJECT, "adult"},     {DIM_PARTY, "data-subject"},         {DIM_BASIS, "none-claimed"},
                 {DIM_JURISDICTION, "cn"}};
    struct policy_request r = {.needs = UINT64_MAX, .facts_known = UINT64_MAX};
    struct policy_decision d;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        struct span name = gate_word(v->policy, fixed[i].dimension, fixed[i].name);
        unsigned value = policy_find(v->policy, fixed[i].dimension, name);
        r.value[fixed[i].dimension] = value == POLICY_NONE ? 0 : (uint16_t)value;
    }
    r.value[DIM_SERVICE] = (uint16_t)policy_find(v->policy, DIM_SERVICE, service_class);
    r.value[DIM_FIELD] = (uint16_t)policy_find(v->policy, DIM_FIELD, field);
    policy_decide(v->policy, &r, &d);
    return d.answer == ANSWER_ALLOW || d.answer == ANSWER_ALLOW_MASKED;
}
