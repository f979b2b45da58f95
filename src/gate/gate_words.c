// SPDX-License-Identifier: Apache-2.0
/* The words that the daemon speaks by itself, in the words of this policy. See gate.h. */
#include "gate_impl.h"

struct span gate_word(const struct policy *p, enum policy_dimension d, const char *name)
{
    for (unsigned i = 0; i < policy_count(p, d); i++)
        if (policy_in_group(p, d, i, span_str(name)))
            return policy_name(p, d, i);
    return SPAN_EMPTY;
}

struct span gate_identifier(const struct policy *p, const char *form)
{
    for (unsigned i = 0; i < policy_count(p, DIM_FIELD); i++)
        if (policy_in_group(p, DIM_FIELD, i, SPAN("identifiers")) &&
            policy_in_group(p, DIM_FIELD, i, span_str(form)))
            return policy_name(p, DIM_FIELD, i);
    return SPAN_EMPTY;
}

struct span gate_actor(const struct policy *p)
{
    struct span service = gate_word(p, DIM_ACTOR, "service");
    return service.len ? service : gate_word(p, DIM_ACTOR, "us");
}

enum err gate_word_missing(struct fail *f, const char *noun, const char *name)
{
    fail_hint(f, "declare the %s '%s', or a group of that name with yours in it", noun, name);
    return fail_set(f, ERR_UNKNOWN_NAME, "this policy has no %s for it", noun);
}
