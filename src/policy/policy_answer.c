// SPDX-License-Identifier: Apache-2.0
/* policy_answer.c: see policy_answer_impl.h */
#include "policy_answer_impl.h"

#define MISSING_MAX    8  /* policy_decision.alternatives */
#define CONDITIONS_MAX 16 /* policy_decision.conditions */

/* ---- Sets of need-sets: the smallest, none holding another. */

bool policy_needs_smaller(uint64_t a, uint64_t b)
{
    int na = __builtin_popcountll(a), nb = __builtin_popcountll(b);
    return na != nb ? na < nb : a < b;
}

/* Sorted by size. A set that holds another is no alternative to it. */
void policy_alternatives_add(struct alternatives *x, uint64_t set)
{
    size_t kept = 0;
    for (size_t i = 0; i < x->n; i++)
        if ((set & x->set[i]) == x->set[i])
            return;
    for (size_t i = 0; i < x->n; i++)
        if ((x->set[i] & set) != set)
            x->set[kept++] = x->set[i];
    x->n = kept;
    size_t at = x->n;
    while (at > 0 && policy_needs_smaller(set, x->set[at - 1]))
        at--;
    if (at == ALTERNATIVES_MAX)
        return;
    if (x->n == ALTERNATIVES_MAX)
        x->n--;
    memmove(&x->set[at + 1], &x->set[at], (x->n - at) * sizeof x->set[0]);
    x->set[at] = set;
    x->n++;
}

/* Both must be satisfied. */
void policy_alternatives_meet(struct alternatives *x, const struct alternatives *y)
{
    struct alternatives out = {.n = 0};
    for (size_t i = 0; i < x->n; i++)
        for (size_t k = 0; k < y->n; k++)
            policy_alternatives_add(&out, x->set[i] | y->set[k]);
    *x = out;
}

/* Field by field: the lists are as long as their counts say, and setting the rest would take longer than
 * deciding. */
void policy_decision_init(struct policy_decision *d)
{
    d->answer = ANSWER_DENY;
    d->clause = POLICY_NONE;
    d->reason = SPAN_EMPTY;
    d->missing = 0;
    d->n_alternatives = 0;
    d->needs_used = 0;
    d->deeds = 0;
    d->mask = POLICY_NONE;
    d->until_event = POLICY_NONE;
    d->until_number = 0;
    d->until_unit = UNTIL_NONE;
    d->n_conditions = 0;
}

void policy_decision_cite(struct policy_decision *d, unsigned clause)
{
    for (unsigned i = 0; i < d->n_conditions; i++)
        if (d->conditions[i] == clause)
            return;
    if (d->n_conditions < CONDITIONS_MAX)
        d->conditions[d->n_conditions++] = clause;
}

/* The reason of the first missing need of the norm that asks for it. A need with no reason of its own is
 * evidence. */
struct span policy_missing_reason(const struct policy *p, uint64_t missing)
{
    if (missing == 0)
        return SPAN("evidence-missing");
    struct span reason = policy_need_reason(p, (unsigned)__builtin_ctzll(missing));
    return reason.len > 0 ? reason : SPAN("evidence-missing");
}

void policy_decision_missing(struct policy_decision *d, const struct alternatives *missing)
{
    d->missing = missing->n > 0 ? missing->set[0] : 0;
    d->n_alternatives = 0;
    for (size_t i = 1; i < missing->n && d->n_alternatives < MISSING_MAX; i++)
        d->alternatives[d->n_alternatives++] = missing->set[i];
}

/* Two worlds that both allow: what must be done in either, must be done. */
static void join_allowed(struct policy_decision *d, const struct policy_decision *one)
{
    d->deeds |= one->deeds;
    d->needs_used |= one->needs_used;
    if (one->mask != POLICY_NONE && (d->mask == POLICY_NONE || one->mask > d->mask))
        d->mask = one->mask;
    for (unsigned i = 0; i < one->n_conditions; i++)
        policy_decision_cite(d, one->conditions[i]);
    if (d->until_event == POLICY_NONE) {
        d->until_event = one->until_event;
        d->until_number = one->until_number;
        d->until_unit = one->until_unit;
    }
}

void policy_decision_unknown(struct policy_decision *d)
{
    policy_decision_init(d);
    d->reason = SPAN("evidence-missing");
}

/* One more world. `total` is what is missing in all of them together. True if it is worse than those before.
 */
bool policy_world_join(struct policy_decision *d, const struct policy_decision *one,
                       struct alternatives *total, const struct alternatives *missing)
{
    struct policy_decision before = *d;
    bool worse = one->answer > d->answer, allowed = one->answer <= ANSWER_ALLOW_MASKED;
    if (one->answer == ANSWER_NEEDS)
        policy_alternatives_meet(total, missing);
    if (worse)
        *d = *one;
    if (worse && allowed)
        join_allowed(d, &before);
    if (!worse && allowed && d->answer <= ANSWER_ALLOW_MASKED)
        join_allowed(d, one);
    return worse;
}
