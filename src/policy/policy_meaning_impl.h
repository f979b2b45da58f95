// SPDX-License-Identifier: Apache-2.0
/* policy_meaning_impl.h: what names and keywords mean, in words for people. */
#ifndef TROTH_POLICY_MEANING_IMPL_H
#define TROTH_POLICY_MEANING_IMPL_H

#include "policy_parse_impl.h"

/* A name that was found: a member or group of a dimension, or a name of a kind. */
struct named {
    bool group;
    int dimension, kind; /* -1: not */
    size_t index;
};

/* Looks in the given dimensions and kinds (bit per enum), in their order. */
bool policy_named_find(const struct policy *p, uint32_t dimensions, uint32_t kinds, struct span name,
                       struct named *out);
struct span policy_named_name(const struct policy *p, const struct named *n);
struct place policy_named_place(const struct policy *p, const struct named *n);
/* "a need: the person agreed" */
struct span policy_named_detail(const struct policy *p, const struct named *n, struct arena *a);
/* The detail, and what else is known, as Markdown. */
void policy_named_put(const struct policy *p, const struct named *n, struct text *t);
void policy_clause_put(const struct policy *p, unsigned clause, struct text *t);
/* One sentence on what a keyword does; null for words that need none. */
const char *policy_keyword_help(enum policy_word w);

#endif
