// SPDX-License-Identifier: Apache-2.0
/* When a set may take effect: what its texts say, and how much notice the policy in force promises (B8.1,
 * A2.6). Pure. */
#include "gate_publish_impl.h"

/* The events by which a policy says it: `when revision-reduces-rights, we must ... 15 days before
 * revision-in-force.` */
#define EVENT_REDUCES  "revision-reduces-rights"
#define EVENT_IN_FORCE "revision-in-force"

/* ---- Notice */

static struct instant add_calendar(struct instant t, int months, int offset_minutes)
{
    struct date day = date_at(t, offset_minutes);
    int64_t into_day = t.ms - date_start(day, offset_minutes).ms;
    return (struct instant){date_start(date_add_months(day, months), offset_minutes).ms + into_day};
}

static bool is_weekend(struct instant t, int offset_minutes)
{
    int64_t day =
        (date_start(date_at(t, offset_minutes), offset_minutes).ms + offset_minutes * 60000LL) / DAY_MS;
    return (day + 4) % 7 == 0 || (day + 4) % 7 == 6; /* 1970-01-01 was a Thursday */
}

/* Saturdays and Sundays are no working days; holidays are not known here. */
static struct instant add_working_days(struct instant t, uint32_t n, int offset_minutes)
{
    while (n > 0) {
        t.ms += DAY_MS;
        n -= !is_weekend(t, offset_minutes);
    }
    return t;
}

/* `number` 0: only before, by whatever little. */
static struct instant after_duration(struct instant t, uint32_t number, struct span unit, int offset_minutes)
{
    if (number == 0)
        return (struct instant){t.ms + 1};
    if (span_is(unit, "hours"))
        return (struct instant){t.ms + number * 3600000LL};
    if (span_is(unit, "working-days"))
        return add_working_days(t, number, offset_minutes);
    if (span_is(unit, "months"))
        return add_calendar(t, (int)number, offset_minutes);
    if (span_is(unit, "years"))
        return add_calendar(t, (int)number * 12, offset_minutes);
    return (struct instant){t.ms + number * DAY_MS};
}

static bool promises_notice(const struct policy *p, const struct policy_duty *d)
{
    return d->before && span_is(policy_kind_name(p, KIND_EVENT, d->event), EVENT_REDUCES) &&
           span_is(policy_kind_name(p, KIND_EVENT, d->start), EVENT_IN_FORCE);
}

/* The clause stands in a document that changes. */
static bool is_concerned(const struct plan *p, unsigned clause)
{
    struct span name = policy_document(p->old, policy_clause(p->old, clause)->document)->name;
    unsigned i = policy_document_find(p->new, name);
    return i == POLICY_NONE || p->changed[i];
}

/* The longest of all that are promised; of equals, that of a document that changes. */
struct notice notice_promised(const struct plan *p)
{
    struct notice n = {.earliest = p->c->now, .clause = POLICY_NONE};
    for (unsigned i = 0; i < policy_duties(p->old); i++) {
        const struct policy_duty *d = policy_duty(p->old, i);
        if (!promises_notice(p->old, d))
            continue;
        struct instant t = after_duration(p->c->now, d->number, d->unit, p->offset_minutes);
        bool nearer = n.clause != POLICY_NONE && !is_concerned(p, n.clause) && is_concerned(p, d->clause);
        if (t.ms > n.earliest.ms || (t.ms == n.earliest.ms && nearer))
            n = (struct notice){.earliest = t, .clause = d->clause, .number = d->number, .unit = d->unit};
    }
    return n;
}

struct date notice_day(struct instant earliest, int offset_minutes)
{
    struct date day = date_at(earliest, offset_minutes);
    if (date_start(day, offset_minutes).ms >= earliest.ms)
        return day;
    return date_at((struct instant){date_start(day, offset_minutes).ms + DAY_MS}, offset_minutes);
}

/* ---- What the texts say */

static struct span day_text(struct arena *a, struct date d)
{
    char text[INSTANT_TEXT_MAX];
    date_put(text, d);
    return arena_copy(a, span_str(text));
}

static enum err say_past(struct plan *p, struct fail *f)
{
    fail_where(f, "%.*s", SPAN_F(p->day_file));
    fail_hint(f, "write the day from which it shall be in force; today is %.*s",
              SPAN_F(day_text(p->c->arena, date_at(p->c->now, p->offset_minutes))));
    return fail_set(f, ERR_CONFLICT, "the text says that it is in force from %.*s, which is over",
                    SPAN_F(day_text(p->c->arena, p->day)));
}

/* People read the day in the text: an instant of another day would make it untrue. */
static enum err check_day(struct plan *p, struct instant at, struct fail *f)
{
    if (!p->has_day || date_cmp(date_at(at, p->offset_minutes), p->day) == 0)
        return OK;
    fail_where(f, "%.*s", SPAN_F(p->day_file));
    fail_hint(f, "write the day into the text, or leave the instant out");
    return fail_set(f, ERR_CONFLICT, "the text says that it is in force from %.*s, not from %.*s",
                    SPAN_F(day_text(p->c->arena, p->day)),
                    SPAN_F(day_text(p->c->arena, date_at(at, p->offset_minutes))));
}

enum err plan_instant(struct plan *p, struct fail *f)
{
    struct instant now = p->c->now;
    int order = p->has_day ? date_cmp(p->day, date_at(now, p->offset_minutes)) : 0;
    if (order < 0)
        return say_past(p, f);
    p->since = order > 0 ? date_start(p->day, p->offset_minutes) : now;
    if (!p->asked->dated)
        return OK;
    if (p->asked->effective.ms < now.ms) {
        fail_hint(f, "leave the instant out to publish for the day that the texts name");
        return fail_set(f, ERR_CONFLICT, "a revision cannot take effect in the past");
    }
    p->since = p->asked->effective;
    return check_day(p, p->since, f);
}

enum err plan_notice(struct plan *p, struct fail *f)
{
    struct arena *a = p->c->arena;
    if (p->asked->effect != GATE_EFFECT_REDUCES || p->since.ms >= p->notice.earliest.ms)
        return OK;
    struct span first = day_text(a, notice_day(p->notice.earliest, p->offset_minutes));
    fail_clause(f, policy_clause_ref(p->old, p->notice.clause, a));
    fail_hint(f, "the earliest day is %.*s: write it into the text", SPAN_F(first));
    if (p->notice.number == 0)
        return fail_set(f, ERR_NOTICE, "rights are reduced, and the policy promises notice before that");
    return fail_set(f, ERR_NOTICE,
                    "rights are reduced, and the policy promises %u %.*s of notice: not before %.*s",
                    p->notice.number, SPAN_F(p->notice.unit), SPAN_F(first));
}
