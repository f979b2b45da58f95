// SPDX-License-Identifier: Apache-2.0
/* fuzz_policy.c: two documents beside each other, any bytes at all (policy_fuzz.h). */
#include "policy_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena *a = arena_new(0);
    struct span all = span_of(data, len);
    size_t cut = span_find(all, '\f', 0); /* a form feed parts the two documents */
    struct policy_source s[] = {{SPAN("a.md"), span_sub(all, 0, cut)},
                                {SPAN("b.md"), span_sub(all, cut + 1, len)}};
    fuzz_documents(a, s, cut < len ? 2 : 1, all);
    arena_free(a);
    return 0;
}
