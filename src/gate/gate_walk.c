// SPDX-License-Identifier: Apache-2.0
/* Pages of people. See gate.h. */
#include "gate_impl.h"

static enum err ids_of(struct store *st, const int64_t *sids, size_t n, struct subject_id *out,
                       struct fail *f)
{
    enum err e = OK;
    for (size_t i = 0; !e && i < n; i++) {
        if (i % STORE_AHEAD_MAX == 0)
            store_ahead_sids(st, sids + i, n - i < STORE_AHEAD_MAX ? n - i : STORE_AHEAD_MAX);
        e = subject_of_sid(st, sids[i], &out[i], f);
    }
    return e;
}

/* The purpose as consents have it. */
static enum err purpose_of(const struct gate_call *c, struct span written, struct span *out, struct fail *f)
{
    const struct policy *p = c->view->policy;
    unsigned found = words_find(c->view->sources, p, DIM_PURPOSE, written);
    if (found != POLICY_NONE) {
        *out = policy_name(p, DIM_PURPOSE, found);
        return OK;
    }
    fail_where(f, "/purpose");
    return fail_set(f, ERR_UNKNOWN_NAME, "the policy knows no purpose '%.*s'",
                    SPAN_F(span_sub(written, 0, 64)));
}

enum err gate_walk(struct gate_call *c, const struct gate_page *page, struct subject_id *out, int64_t *sids,
                   size_t *n, int64_t *next, struct fail *f)
{
    struct span purpose;
    *n = 0;
    enum err e = purpose_of(c, page->purpose, &purpose, f);
    if (!e && page->consented)
        e = consent_walk(c->st, page->service, purpose, page->after, page->limit, sids, n, next, f);
    else if (!e)
        e = subject_walk(c->st, page->service, page->after, page->limit, sids, n, next, f);
    return e ? e : ids_of(c->st, sids, *n, out, f);
}
