// SPDX-License-Identifier: Apache-2.0
/*
 * policy_fuzz.h: what must hold of any documents whatever: loading ends, says something when it refuses and
 * points into the source; what it accepts decides as the plain evaluator does, explains and prints.
 */
#ifndef TROTH_POLICY_FUZZ_H
#define TROTH_POLICY_FUZZ_H

#include "policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static inline void must(bool condition)
{
    if (!condition)
        abort();
}

/* Where two sentences or documents meet in a request, both places and the request are told. */
static inline bool meets(enum policy_message_kind k)
{
    return k == MSG_CONTRADICTION || k == MSG_SILENT_LIFTING || k == MSG_UNRANKED_OVERLAP ||
           k == MSG_UNMASKED;
}

static inline void fuzz_messages(struct arena *a, const struct policy *p, const struct policy_messages *m)
{
    struct text t = text_new(a, 1024);
    must((p == NULL) == (m->errors > 0));
    must(p || m->n > 0);
    for (size_t i = 0; i < m->n; i++) {
        must(m->list[i].line >= 1 && m->list[i].column >= 1 && m->list[i].width >= 1);
        must(m->list[i].message.len > 0);
        must(!meets(m->list[i].kind) || (m->list[i].other.len > 0 && m->list[i].witness.len > 0));
        policy_message_put(&t, &m->list[i]);
    }
    policy_messages_json(&t, m);
}

/* Requests taken from the input's own bytes. */
static inline struct policy_request fuzz_request(const struct policy *p, struct span in)
{
    struct policy_request q = {.facts_known = UINT64_MAX};
    for (size_t i = 0; i < DIM_COUNT && i < in.len; i++) {
        size_t n = policy_count(p, (enum policy_dimension)i);
        q.value[i] = (uint16_t)(n > 0 ? in.p[in.len - 1 - i] % n : 0);
    }
    q.facts = in.len > 20 ? in.p[20] : 0;
    q.facts_known = in.len > 21 ? ~(uint64_t)(in.p[21] & 0x0f) : UINT64_MAX;
    q.needs = in.len > 22 ? in.p[22] : 0;
    return q;
}

static inline void fuzz_decide(struct arena *a, const struct policy *p, struct span in)
{
    struct policy_request q = fuzz_request(p, in);
    struct policy_decision d, e;
    struct policy_trace trace;
    struct text t = text_new(a, 1024);
    policy_decide(p, &q, &d);
    policy_decide_plain(p, &q, &e);
    must(d.answer == e.answer && d.clause == e.clause && d.missing == e.missing && d.deeds == e.deeds);
    policy_explain(p, &q, &e, a, &trace);
    must(d.answer == e.answer && d.clause == e.clause && d.missing == e.missing);
    policy_explain_put(p, &q, &d, &trace, &t);
    policy_explain_json(p, &q, &d, &trace, &t);
    for (unsigned i = 0; i < policy_duties(p); i++) {
        struct policy_request open = q;
        open.facts_known = 0; /* what is not known does not release from a duty */
        must(!policy_duty_binds(p, i, &q) || policy_duty_binds(p, i, &open));
    }
    q.needs = UINT64_MAX; /* holding every need never worsens an answer */
    policy_decide(p, &q, &e);
    must(e.answer <= d.answer || d.answer <= ANSWER_ALLOW_MASKED);
}

/* Loads the documents and holds them against all of the above; the policy, if it could be compiled. */
static inline const struct policy *fuzz_documents(struct arena *a, const struct policy_source *s, size_t n,
                                                  struct span in)
{
    struct policy_messages m;
    const struct policy *p = policy_load(a, s, n, &m);
    fuzz_messages(a, p, &m);
    if (m.draft) /* contradictions and broken promises do not keep it from deciding */
        fuzz_decide(a, m.draft, in);
    return m.draft;
}

#endif
