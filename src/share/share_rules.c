// SPDX-License-Identifier: Apache-2.0
/* Looking things up in the registers, and what a recipient may have. Pure. See share.h. */
#include "share.h"

#include "crypto.h"

#define SUGGEST_DISTANCE_MAX 3 /* further away it is another name, not a slip */

const struct service *registers_service(const struct registers *r, struct span name)
{
    for (size_t i = 0; i < r->n_services; i++)
        if (span_eq(r->services[i].name, name))
            return &r->services[i];
    return NULL;
}

/* Looks at every row, so that time does not tell which token came near. */
const struct service *registers_token(const struct registers *r, const struct digest *token)
{
    const struct service *found = NULL;
    struct span want = span_of(token->b, sizeof token->b);
    for (size_t i = 0; i < r->n_services; i++)
        /* The first bytes of a hash tell a guesser nothing that leads to a token. */
        if (r->services[i].token.b[0] == token->b[0] && r->services[i].token.b[1] == token->b[1] &&
            crypto_equal(span_of(r->services[i].token.b, sizeof token->b), want))
            found = &r->services[i];
    return found;
}

const struct recipient *registers_recipient(const struct registers *r, struct span name)
{
    for (size_t i = 0; i < r->n_recipients; i++)
        if (span_eq(r->recipients[i].name, name))
            return &r->recipients[i];
    return NULL;
}

struct span registers_suggest(const struct registers *r, struct span name)
{
    struct span best = SPAN_EMPTY;
    unsigned nearest = SUGGEST_DISTANCE_MAX + 1;
    for (size_t i = 0; i < r->n_recipients; i++) {
        unsigned d = span_distance(r->recipients[i].name, name);
        if (d < nearest) {
            nearest = d;
            best = r->recipients[i].name;
        }
    }
    return best;
}

unsigned recipient_party(const struct recipient *r, const struct policy *p)
{
    unsigned own = policy_find(p, DIM_PARTY, r->name);
    return own != POLICY_NONE ? own : policy_find(p, DIM_PARTY, r->class_name);
}

int recipient_paper(const struct recipient *r, struct span kind, struct instant now)
{
    for (size_t i = 0; i < r->n_papers; i++) {
        const struct paper *p = &r->papers[i];
        if (!span_eq(p->kind, kind))
            continue;
        if (now.ms >= p->until.ms)
            return -1;
        return now.ms >= p->from.ms;
    }
    return 0;
}

static bool listed(struct span list, struct span field)
{
    struct span one;
    while (span_cut(&list, ',', &one))
        if (span_eq(span_trim(one), field))
            return true;
    return false;
}

bool recipient_granted(const struct recipient *r, struct span purpose, struct span field, struct instant now,
                       bool *any)
{
    bool granted = false;
    *any = false;
    for (size_t i = 0; i < r->n_grants; i++) {
        const struct grant *g = &r->grants[i];
        if (!span_eq(g->purpose, purpose) || now.ms < g->from.ms || now.ms >= g->until.ms)
            continue;
        *any = true;
        granted |= listed(g->fields, field);
    }
    return granted;
}
