// SPDX-License-Identifier: Apache-2.0
/* What the events add up to. Pure. See consent.h. */
#include "consent.h"

static bool narrows(enum consent_state s)
{
    return s == CONSENT_WITHDRAWN || s == CONSENT_REFUSED;
}

/* Who may take back: staff what staff gave; the person or the guardian everything else (A2.4.5). */
static bool hand_counts(const struct consent_event *e, enum consent_actor giver)
{
    if (narrows(e->state))
        return (giver == CONSENT_BY_STAFF) == (e->actor == CONSENT_BY_STAFF);
    return e->state == CONSENT_GIVEN && e->actor == giver;
}

static bool any_or(struct span of_event, struct span asked)
{
    return of_event.len == 0 || span_eq(of_event, asked);
}

static bool device_covers(const struct consent_event *e, const struct consent_scope *s)
{
    return span_eq(e->device, s->device) || (narrows(e->state) && e->device.len == 0);
}

static bool field_covers(const struct consent_event *e, const struct consent_scope *s)
{
    struct span rest = e->fields, one;
    if (rest.len == 0)
        return true;
    while (span_cut(&rest, ',', &one))
        if (span_eq(one, s->field))
            return true;
    return false;
}

/* All but the fields. */
static bool reaches(const struct consent_event *e, struct span name, const struct consent_scope *s)
{
    return e->kind != CONSENT_AGREEMENT && e->time.ms <= s->now.ms && span_eq(e->name, name) &&
           any_or(e->purpose, s->purpose) && any_or(e->service, s->service) &&
           (any_or(e->party, s->party) || span_eq(e->party, s->party_class)) && any_or(e->topic, s->topic) &&
           device_covers(e, s);
}

static bool covers(const struct consent_event *e, struct span name, const struct consent_scope *s)
{
    return reaches(e, name, s) && field_covers(e, s);
}

/* Whether it holds for some other field. */
static bool holds_elsewhere(const struct consent_event *e, size_t n, struct span name,
                            enum consent_actor actor, const struct consent_scope *s)
{
    for (size_t i = n; i-- > 0;)
        if (reaches(&e[i], name, s) && hand_counts(&e[i], actor))
            return e[i].state == CONSENT_GIVEN && e[i].until.ms > s->now.ms;
    return false;
}

/* The newest event before `end` that counts, or n if none. */
static size_t newest(const struct consent_event *e, size_t end, size_t n, struct span name,
                     enum consent_actor actor, const struct consent_scope *s)
{
    for (size_t i = end; i-- > 0;)
        if (covers(&e[i], name, s) && hand_counts(&e[i], actor))
            return i;
    return n;
}

enum consent_holding consent_holds(const struct consent_event *e, size_t n, struct span name,
                                   enum consent_actor actor, const struct consent_scope *s)
{
    size_t i = newest(e, n, n, name, actor, s);
    bool declined = i < n && e[i].state == CONSENT_REFUSED;
    while (i < n && e[i].state == CONSENT_REFUSED)
        i = newest(e, i, n, name, actor, s);
    if (i == n && !declined && holds_elsewhere(e, n, name, actor, s))
        return CONSENT_OUTSIDE;
    if (i == n)
        return declined ? CONSENT_DECLINED : CONSENT_NEVER;
    if (declined)
        return CONSENT_ENDED;
    return e[i].state == CONSENT_GIVEN && e[i].until.ms > s->now.ms ? CONSENT_HOLDS : CONSENT_ENDED;
}

/* The newest act on the switch by a hand: 1 on, 0 off, -1 none. *at: which event. */
static int switched(const struct consent_event *e, size_t n, struct span name, enum consent_actor hand,
                    const struct consent_scope *s, size_t *at)
{
    for (size_t i = n; i-- > 0;)
        if (covers(&e[i], name, s) && e[i].actor == hand && e[i].state != CONSENT_DEEMED) {
            *at = i;
            return e[i].state == CONSENT_GIVEN && e[i].until.ms > s->now.ms;
        }
    return -1;
}

bool consent_switch(const struct consent_event *e, size_t n, struct span name, bool child,
                    const struct consent_scope *s, bool *known)
{
    size_t own_at = 0, guardian_at = 0;
    int own = switched(e, n, name, CONSENT_BY_SUBJECT, s, &own_at);
    *known = true;
    if (!child)
        return own > 0;
    int guardian = switched(e, n, name, CONSENT_BY_GUARDIAN, s, &guardian_at);
    if (own >= 0 && own != (guardian > 0) && (guardian < 0 || own_at > guardian_at))
        *known = false;
    return guardian > 0;
}

static bool act_counts(const struct consent_event *e, enum consent_actor actor, bool deemed_counts)
{
    if (narrows(e->state))
        return e->actor != CONSENT_BY_STAFF;
    return e->actor == actor && (e->state == CONSENT_GIVEN || deemed_counts);
}

static bool agreement_reaches(const struct consent_event *e, const struct consent_document *d)
{
    bool whole = e->state == CONSENT_GIVEN && e->revision >= d->from && e->revision < d->revision;
    return whole || e->revision == d->revision;
}

enum consent_holding consent_agreed(const struct consent_event *e, size_t n, const struct consent_document *d,
                                    enum consent_actor actor, bool deemed_counts)
{
    bool refused = false;
    for (size_t i = n; i-- > 0;) {
        if (e[i].kind != CONSENT_AGREEMENT || !span_eq(e[i].name, d->name) ||
            !act_counts(&e[i], actor, deemed_counts))
            continue;
        if (e[i].state == CONSENT_WITHDRAWN)
            return CONSENT_ENDED;
        if (e[i].state == CONSENT_REFUSED)
            refused = true;
        else if (agreement_reaches(&e[i], d))
            return refused ? CONSENT_ENDED : CONSENT_HOLDS;
    }
    return CONSENT_NEVER;
}

/* ---- What stands already */

static bool as_far(struct span reached, struct span asked)
{
    return reached.len == 0 || span_eq(reached, asked);
}

static bool names_all(struct span fields, struct span asked)
{
    struct span rest = asked, one;
    if (fields.len == 0)
        return true;
    if (asked.len == 0)
        return false;
    while (span_cut(&rest, ',', &one)) {
        struct span of = fields, it = SPAN_EMPTY;
        while (span_cut(&of, ',', &it) && !span_eq(it, one)) {
        }
        if (!span_eq(it, one))
            return false;
    }
    return true;
}

/* Agreements have no scope: a document is agreed to or not. */
static bool reaches_as_far(const struct consent_event *e, const struct consent_event *act)
{
    bool devices = span_eq(e->device, act->device) || (narrows(e->state) && e->device.len == 0);
    bool scope = as_far(e->purpose, act->purpose) && as_far(e->party, act->party) &&
                 as_far(e->service, act->service) && as_far(e->topic, act->topic) && devices &&
                 names_all(e->fields, act->fields);
    return e->time.ms <= act->time.ms && (act->kind == CONSENT_AGREEMENT || scope);
}

static bool apart(struct span a, struct span b)
{
    return a.len && b.len && !span_eq(a, b);
}

/* Whether some question may meet both. Parties may be of one class, and what is given for other fields
 * matters too (CONSENT_OUTSIDE): neither keeps two events apart. */
static bool may_meet(const struct consent_event *a, const struct consent_event *b)
{
    return a->kind == CONSENT_AGREEMENT || !(apart(a->purpose, b->purpose) || apart(a->service, b->service) ||
                                             apart(a->topic, b->topic) || apart(a->device, b->device));
}

/* Refusing says less than withdrawing: behind a withdrawal it adds nothing, before one it takes nothing away.
 */
static bool says_as_much(const struct consent_event *e, const struct consent_event *act)
{
    if (e->kind != act->kind || e->actor != act->actor)
        return false;
    if (narrows(act->state))
        return e->state == act->state || (e->state == CONSENT_WITHDRAWN && act->state == CONSENT_REFUSED);
    return e->state == act->state && e->until.ms == act->until.ms && e->revision == act->revision;
}

/* A narrowing has no end. What is given for another time than this decides otherwise once either is over. */
static bool goes_the_same_way(const struct consent_event *e, const struct consent_event *act)
{
    if (narrows(act->state))
        return narrows(e->state);
    return e->state == act->state && e->until.ms == act->until.ms;
}

bool consent_stands(const struct consent_event *e, size_t n, const struct consent_event *act)
{
    bool agreement = act->kind == CONSENT_AGREEMENT;
    for (size_t i = n; i-- > 0;) {
        if ((e[i].kind == CONSENT_AGREEMENT) != agreement || !span_eq(e[i].name, act->name) ||
            !may_meet(&e[i], act))
            continue;
        if (!goes_the_same_way(&e[i], act))
            return false;
        if (says_as_much(&e[i], act) && reaches_as_far(&e[i], act))
            return true;
    }
    return false;
}
