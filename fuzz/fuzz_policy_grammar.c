// SPDX-License-Identifier: Apache-2.0
/* fuzz_policy_grammar.c: documents made by the grammar. On top of policy_fuzz.h: laid out in the one
 * canonical way they compile to the same bytes, and layout is stable. */
#include "policy_format.h"
#include "policy_grammar.h"

static void check_layout(struct arena *a, const struct policy_source *s, size_t n, const struct policy *p)
{
    struct policy_source again[3];
    struct policy_messages m;
    for (size_t i = 0; i < n; i++) {
        struct text once = text_new(a, 1024), twice = text_new(a, 1024);
        again[i].name = s[i].name;
        must(policy_format(a, &s[i], &once, &m));
        again[i].text = text_span(&once);
        must(policy_format(a, &again[i], &twice, &m) && span_eq(again[i].text, text_span(&twice)));
    }
    policy_load(a, again, n, &m);
    must(m.draft && span_eq(policy_packed(m.draft), policy_packed(p)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena *a = arena_new(0);
    struct choices c = choices_of(span_of(data, len));
    struct policy_source s[3] = {{SPAN("words.md"), made(a, &c, "catalogue")}};
    size_t n = 1 + made_documents(a, &c, s + 1);
    show_documents(s, n);
    const struct policy *p = fuzz_documents(a, s, n, c.in);
    if (p)
        check_layout(a, s, n, p);
    arena_free(a);
    return 0;
}
