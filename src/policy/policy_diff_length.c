// SPDX-License-Identifier: Apache-2.0
/*
 * policy_diff_length.c: which of two lengths of time is longer.
 *
 * Hours and days are one measure, months and years another; within one all lengths can be compared. Between
 * them, and for working days, a length has bounds: a month has 28 to 31 days. Where the bounds of two overlap
 * neither is longer, and neither is the same: 30 days may be less than a month, or more.
 */
#include "policy_diff_impl.h"

enum { DAY = 24 };

struct span_of_time {
    uint64_t least, most; /* hours */
    uint64_t months;      /* 0: not measured in months */
};

static const char *const unit_name[] = {[UNTIL_HOURS] = "hours",
                                        [UNTIL_DAYS] = "days",
                                        [UNTIL_WORKING_DAYS] = "working-days",
                                        [UNTIL_MONTHS] = "months",
                                        [UNTIL_YEARS] = "years"};

enum policy_until_unit diff_unit(struct span name)
{
    for (int i = UNTIL_HOURS; i <= UNTIL_YEARS; i++)
        if (span_is(name, unit_name[i]))
            return (enum policy_until_unit)i;
    return UNTIL_NONE;
}

static struct span_of_time months_of(uint64_t months)
{
    uint64_t years = months / 12, rest = months % 12;
    return (struct span_of_time){
        .least = (years * 365 + rest * 28) * DAY, .most = (years * 366 + rest * 31) * DAY, .months = months};
}

/* Between any two working days of a row of six lies a weekend at least; one may begin with a weekend. */
static struct span_of_time working_days(uint64_t days)
{
    uint64_t least = days + (days > 0 ? 2 * ((days - 1) / 5) : 0), most = days + 2 * ((days + 4) / 5);
    return (struct span_of_time){.least = least * DAY, .most = most * DAY};
}

static struct span_of_time time_of(uint32_t number, enum policy_until_unit unit)
{
    uint64_t n = number, hours = unit == UNTIL_DAYS ? n * DAY : n;
    if (unit == UNTIL_WORKING_DAYS)
        return working_days(n);
    if (unit == UNTIL_MONTHS || unit == UNTIL_YEARS)
        return months_of(unit == UNTIL_YEARS ? n * 12 : n);
    return (struct span_of_time){.least = hours, .most = hours};
}

unsigned diff_longer(uint32_t old, enum policy_until_unit old_unit, uint32_t new,
                     enum policy_until_unit new_unit)
{
    struct span_of_time a = time_of(old, old_unit), b = time_of(new, new_unit);
    if (old == new &&old_unit == new_unit)
        return 0;
    if (old_unit == new_unit)
        return new > old ? DIFFERS_LATER : DIFFERS_EARLIER;
    if (a.months > 0 && b.months > 0)
        return b.months > a.months ? DIFFERS_LATER : b.months < a.months ? DIFFERS_EARLIER : 0u;
    if (b.least > a.most)
        return DIFFERS_LATER;
    if (b.most < a.least)
        return DIFFERS_EARLIER;
    bool exact = a.least == a.most && b.least == b.most;
    return exact ? 0u : DIFFERS_OTHER;
}
