// SPDX-License-Identifier: Apache-2.0
/* Bands: which age a person has at an instant. Pure. See subject.h. */
#include "subject.h"

enum subject_band subject_band_at(struct instant teen_from, struct instant adult_from, struct instant now)
{
    if (now.ms >= adult_from.ms)
        return BAND_ADULT;
    return now.ms >= teen_from.ms ? BAND_MINOR : BAND_CHILD;
}

/* The start of the n-th birthday. date_age counts 29 February as reached on 1 March; so does this. */
static struct instant birthday(struct date birth, int years, int offset_minutes)
{
    struct date day = date_add_months(birth, years * 12);
    if (day.day < birth.day)
        day = (struct date){day.year, 3, 1};
    return date_start(day, offset_minutes);
}

static struct instant not_yet(struct instant at, struct instant now)
{
    return at.ms > now.ms ? at : (struct instant){0};
}

void subject_thresholds(struct date birth, int offset_minutes, struct instant now, struct instant *teen_from,
                        struct instant *adult_from)
{
    *teen_from = not_yet(birthday(birth, SUBJECT_CHILD_AGE, offset_minutes), now);
    *adult_from = not_yet(birthday(birth, SUBJECT_ADULT_AGE, offset_minutes), now);
}

const char *subject_band_name(enum subject_band b)
{
    static const char *const names[] = {
        [BAND_CHILD] = "child", [BAND_MINOR] = "minor", [BAND_ADULT] = "adult"};
    return names[b];
}

const char *subject_state_name(enum subject_state s)
{
    static const char *const names[] = {[SUBJECT_ACTIVE] = "active",
                                        [SUBJECT_AWAITING_GUARDIAN] = "awaiting_guardian",
                                        [SUBJECT_ERASED] = "erased"};
    return names[s];
}
