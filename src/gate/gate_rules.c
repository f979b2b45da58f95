// SPDX-License-Identifier: Apache-2.0
/* What an answer becomes once it is known what ended, and other small decisions. Pure. See gate.h. */
#include "gate_impl.h"

/* Reasons only the gate gives: no rule of a policy may name them. Their numbers stand apart, so that the
 * language's list can grow. */
static const char *const own_reasons[] = {"channel-off", "class-off"};
#define OWN_REASON_FIRST 129

/* The number, from 1, is in the record and never reused: both lists only grow at their end. */
uint8_t reason_number(struct span reason)
{
    for (size_t i = 0; policy_reason(i); i++)
        if (span_is(reason, policy_reason(i)))
            return (uint8_t)(i + 1);
    for (size_t i = 0; i < sizeof own_reasons / sizeof own_reasons[0]; i++)
        if (span_is(reason, own_reasons[i]))
            return (uint8_t)(OWN_REASON_FIRST + i);
    return 0;
}

bool verdict_allowed(const struct verdict *v)
{
    return v->d.answer == ANSWER_ALLOW || v->d.answer == ANSWER_ALLOW_MASKED;
}

bool verdict_better(const struct verdict *a, const struct verdict *b)
{
    if (a->d.answer != b->d.answer)
        return a->d.answer < b->d.answer;
    return a->d.answer == ANSWER_NEEDS &&
           __builtin_popcountll(a->d.missing) < __builtin_popcountll(b->d.missing);
}

void verdict_refuse(struct verdict *v, struct span reason)
{
    v->d.answer = ANSWER_DENY;
    v->d.missing = 0;
    v->d.n_alternatives = 0;
    v->d.mask = POLICY_NONE;
    v->reason = reason;
    v->overruled = true;
}

/* The first listed of those that ended speaks. A permission's own reason says more than "withdrawn". */
static struct span ended_reason(const struct policy *p, const struct sources *s, uint64_t ended)
{
    unsigned first = (unsigned)__builtin_ctzll(ended);
    struct span own = policy_need_reason(p, first);
    return span_is(own, "permission-off") ? own : span_str(s->need[first]->ended);
}

void verdict_ended(struct verdict *v, const struct policy *p, const struct sources *s, uint64_t ended)
{
    if (v->d.answer == ANSWER_NEEDS && (v->d.missing & ended))
        verdict_refuse(v, ended_reason(p, s, v->d.missing & ended));
}

void verdict_outside(struct verdict *v, uint64_t outside)
{
    if (v->d.answer == ANSWER_NEEDS && (v->d.missing & outside))
        verdict_refuse(v, SPAN("scope"));
}

static struct instant add_months(struct instant t, uint32_t months, int offset_minutes)
{
    struct date day = date_at(t, offset_minutes);
    int64_t into_day = t.ms - date_start(day, offset_minutes).ms;
    return (struct instant){date_start(date_add_months(day, (int)months), offset_minutes).ms + into_day};
}

/* B4.0.a. A clock that starts with another event than this one does not run yet. Working days are counted as
 * days: the shorter time is the safe one. */
struct instant keep_until(const struct policy *p, const struct policy_decision *d, const char *event,
                          struct instant now, int offset_minutes)
{
    if (d->until_event == POLICY_NONE || !span_is(policy_kind_name(p, KIND_EVENT, d->until_event), event))
        return INSTANT_FOREVER;
    int64_t n = d->until_number;
    switch (d->until_unit) {
    case UNTIL_HOURS:
        return (struct instant){now.ms + n * 3600000};
    case UNTIL_DAYS:
    case UNTIL_WORKING_DAYS:
        return (struct instant){now.ms + n * DAY_MS};
    case UNTIL_MONTHS:
        return add_months(now, d->until_number, offset_minutes);
    case UNTIL_YEARS:
        return add_months(now, d->until_number * 12, offset_minutes);
    case UNTIL_NONE: /* until it happens */
        break;
    }
    return now;
}
