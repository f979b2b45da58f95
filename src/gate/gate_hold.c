// SPDX-License-Identifier: Apache-2.0
/* What a law makes us keep (B4.0.a) is neither deleted nor replaced before the hold ends, whoever asks. See
 * gate_impl.h */
#include "gate_impl.h"

/* Of the person in question, whether the policy asks for holds or not. */
static enum err holds_of(const struct question *q, struct hold **out, size_t *n, struct fail *f)
{
    *out = q->holds;
    *n = q->n_holds;
    if (q->subject.unheld || q->n_holds)
        return OK;
    return hold_list(q->call->st, q->subject.sid, q->call->arena, out, n, f);
}

static void refuse(struct gate_answer *a, size_t i)
{
    a->answer = a->fields[i].answer = ANSWER_DENY;
    a->fields[i].reason = SPAN("hold_only");
    a->fields[i].n_needs = 0;
    a->fields[i].deeds = 0;
}

/* True if anything is there that would go: of all items, or of one. */
static enum err is_there(const struct question *q, unsigned field, bool all, struct span item, bool *out,
                         struct fail *f)
{
    struct vault_person person = vault_of(&q->subject);
    struct span name = policy_name(q->policy, DIM_FIELD, field);
    struct value *held;
    size_t n = 0;
    enum err e = vault_list(q->call->st, &person, q->call->arena, &held, &n, f);
    *out = false;
    for (size_t i = 0; !e && i < n; i++)
        *out |= span_eq(held[i].field, name) && (all || span_eq(held[i].item, item));
    return e;
}

enum err hold_refuses(const struct question *q, const struct span *items, bool all,
                      struct gate_answer *answer, struct fail *f)
{
    struct hold *holds;
    size_t n;
    enum err e = holds_of(q, &holds, &n, f);
    for (size_t i = 0; !e && n && i < q->n_fields; i++) {
        bool there = false;
        if (!hold_keeps(holds, n, policy_name(q->policy, DIM_FIELD, q->fields[i]), q->call->now))
            continue;
        e = is_there(q, q->fields[i], all, items[i], &there, f);
        if (!e && there)
            refuse(answer, i);
    }
    return e;
}

static enum err held_back(const struct hold *h, struct fail *f)
{
    char until[INSTANT_TEXT_MAX];
    instant_put(until, h->ends);
    fail_hint(
        f,
        "close the account (POST /v1/subjects/{id}/closure): what no law keeps goes, and the rest with the "
        "end of its hold");
    return fail_set(f, ERR_CONFLICT,
                    "'%.*s' is kept for a legal duty until %s (%.*s): the person cannot be erased yet",
                    SPAN_F(h->field), until, SPAN_F(h->reference));
}

enum err hold_forbids_erasure(struct gate_call *c, const struct subject *s, struct fail *f)
{
    struct vault_person person = vault_of(s);
    struct hold *holds;
    size_t n = 0;
    enum err e = s->unheld ? OK : hold_list(c->st, s->sid, c->arena, &holds, &n, f);
    for (size_t i = 0; !e && i < n; i++) {
        bool there = false;
        if (!hold_keeps(&holds[i], 1, holds[i].field, c->now))
            continue;
        e = vault_held(c->st, &person, holds[i].field, &there, f);
        if (!e && there)
            return held_back(&holds[i], f);
    }
    return e;
}
