// SPDX-License-Identifier: Apache-2.0
/* fuzz_format.c: libFuzzer target: what can be laid out stays laid out, and loads with as many faults as
 * before. */
#include "policy_format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* The warnings of a policy without errors, or -1. */
static long warnings(struct arena *a, struct span text)
{
    struct policy_messages m;
    struct policy_source s = {SPAN("a.md"), text};
    policy_load(a, &s, 1, &m);
    return m.errors > 0 ? -1 : (long)m.warnings;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena *a = arena_new(0);
    struct policy_messages m;
    struct policy_source s = {SPAN("a.md"), span_of(data, len)};
    struct text once = text_new(a, len + 1), twice = text_new(a, len + 1);
    if (policy_format(a, &s, &once, &m)) {
        long before = warnings(a, s.text);
        s.text = text_span(&once);
        must(policy_format(a, &s, &twice, &m) && span_eq(text_span(&once), text_span(&twice)));
        must(warnings(a, s.text) == before);
    }
    arena_free(a);
    return 0;
}
