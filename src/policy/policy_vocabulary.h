// SPDX-License-Identifier: Apache-2.0
/*
 * policy_vocabulary.h: what names of the catalogue are called in vocabularies that others know, as
 * `vocabulary` blocks say: NAME PREFIX:Term. It changes no decision; exports carry it.
 */
#ifndef TROTH_POLICY_VOCABULARY_H
#define TROTH_POLICY_VOCABULARY_H

#include "policy.h"

struct policy_prefix {
    const char *name, *iri;
};

/* The W3C Data Privacy Vocabulary 2 and those of its extensions that fit names of a policy. */
extern const struct policy_prefix policy_prefixes[];
extern const size_t policy_prefixes_count;

/* "pd:Username"; empty if no block gives the name a term. One name has one term in all its dimensions. */
struct span policy_term(const struct policy *p, struct span name);

#endif
