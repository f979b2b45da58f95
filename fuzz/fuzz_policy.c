// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_policy.c: libFuzzer target: two documents beside each other. Whatever the bytes, loading ends, says
 * something when it refuses, points into the source, and what it accepts decides, explains and prints.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -Isrc/base -Isrc/policy fuzz/fuzz_policy.c \
 *         src/policy/[a-z]*.c src/base/[a-z]*.c -lcmark -lcjson -lm -o build/fuzz_policy
 */
#include "policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void check_messages(struct arena *a, const struct policy *p, const struct policy_messages *m)
{
    struct text t = text_new(a, 1024);
    must((p == NULL) == (m->errors > 0));
    must(p || m->n > 0);
    for (size_t i = 0; i < m->n; i++) {
        must(m->list[i].line >= 1 && m->list[i].column >= 1 && m->list[i].width >= 1);
        policy_message_put(&t, &m->list[i]);
    }
    policy_messages_json(&t, m);
}

/* Requests taken from the input's own bytes. */
static void check_decisions(struct arena *a, const struct policy *p, const uint8_t *data, size_t len)
{
    struct policy_request q = {.facts_known = UINT64_MAX};
    struct policy_decision d, e;
    struct policy_trace trace;
    struct text t = text_new(a, 1024);
    for (size_t i = 0; i < DIM_COUNT && i < len; i++) {
        size_t n = policy_count(p, (enum policy_dimension)i);
        q.value[i] = (uint16_t)(n > 0 ? data[len - 1 - i] % n : 0);
    }
    q.facts = len > 20 ? data[20] : 0;
    q.facts_known = len > 21 ? ~(uint64_t)(data[21] & 0x0f) : UINT64_MAX;
    q.needs = len > 22 ? data[22] : 0;
    policy_decide(p, &q, &d);
    policy_decide_plain(p, &q, &e);
    must(d.answer == e.answer && d.clause == e.clause && d.missing == e.missing && d.deeds == e.deeds);
    policy_explain(p, &q, &e, a, &trace);
    must(d.answer == e.answer && d.clause == e.clause && d.missing == e.missing);
    policy_explain_put(p, &q, &d, &trace, &t);
    policy_explain_json(p, &q, &d, &trace, &t);
    q.needs = UINT64_MAX; /* holding every need never worsens an answer */
    policy_decide(p, &q, &e);
    must(e.answer <= d.answer || d.answer <= ANSWER_ALLOW_MASKED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena *a = arena_new(0);
    struct policy_messages m;
    struct span all = span_of(data, len);
    size_t cut = span_find(all, '\f', 0); /* a form feed parts the two documents */
    struct policy_source s[] = {{SPAN("a.md"), span_sub(all, 0, cut)},
                                {SPAN("b.md"), span_sub(all, cut + 1, len)}};
    const struct policy *p = policy_load(a, s, cut < len ? 2 : 1, &m);
    check_messages(a, p, &m);
    if (m.draft) /* contradictions and broken promises do not keep it from deciding */
        check_decisions(a, m.draft, data, len);
    arena_free(a);
    return 0;
}
