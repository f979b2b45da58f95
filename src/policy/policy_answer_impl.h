// SPDX-License-Identifier: Apache-2.0
/* policy_answer_impl.h: the arithmetic of answers, shared by the plain evaluator and the diagram: sets of
 * need-sets, what is missing, and the worst of several worlds. */
#ifndef TROTH_POLICY_ANSWER_IMPL_H
#define TROTH_POLICY_ANSWER_IMPL_H

#include "policy_impl.h"

#define ALTERNATIVES_MAX  64 /* need-sets at a time; the smallest are kept */
#define UNKNOWN_FACTS_MAX 12 /* 4,096 worlds; beyond that the answer is no */

/* Need-sets: the smallest first, none holding another. */
struct alternatives {
    uint64_t set[ALTERNATIVES_MAX];
    size_t n;
};

/* Fewer needs, then those declared first. */
bool policy_needs_smaller(uint64_t a, uint64_t b);
/* A set that holds another is no alternative to it. */
void policy_alternatives_add(struct alternatives *x, uint64_t set);
/* Both must be satisfied. */
void policy_alternatives_meet(struct alternatives *x, const struct alternatives *y);

/* A denial that cites nothing. */
void policy_decision_init(struct policy_decision *d);
/* The same, because too much is unknown. */
void policy_decision_unknown(struct policy_decision *d);
void policy_decision_cite(struct policy_decision *d, unsigned clause);
void policy_decision_missing(struct policy_decision *d, const struct alternatives *missing);
/* The reason of the first missing need. A need with no reason of its own is evidence. */
struct span policy_missing_reason(const struct policy *p, uint64_t missing);

/* Step 7. The next assignment of the unknown bits: counting within the mask; 0 after the last. */
static inline uint64_t policy_world_next(uint64_t world, uint64_t unknown)
{
    return (world - unknown) & unknown;
}
/* One more world. `total` is what is missing in all of them together. True if it is worse than those before.
 */
bool policy_world_join(struct policy_decision *d, const struct policy_decision *one,
                       struct alternatives *total, const struct alternatives *missing);

#endif
