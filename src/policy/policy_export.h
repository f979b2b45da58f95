// SPDX-License-Identifier: Apache-2.0
/*
 * policy_export.h: the whole policy for other programs.
 *
 * JSON: what the daemon runs, with names for everything: documents, catalogue, clauses, norms, promises,
 * duties. A dimension that a norm does not limit is left out. A formula is a list of lists: any of them, and
 * of that one all ("not x" where x must be false).
 *
 * JSON-LD: the same in the words of the W3C Data Privacy Vocabulary 2. A grant is a dpv:Permission, a bar a
 * dpv:Prohibition, conditions and duties are dpv:Obligation; names carry the terms that `vocabulary` blocks
 * give them, besides the concept of their dimension.
 */
#ifndef TROTH_POLICY_EXPORT_H
#define TROTH_POLICY_EXPORT_H

#include "policy.h"

/* The SHA-256 of what is exported, as hex; this part computes none. */
struct policy_identity {
    struct span compiled;         /* of policy_packed */
    const struct span *documents; /* of the text of each document, policy_documents of them */
};

void policy_export_json(const struct policy *p, const struct policy_identity *id, struct text *t);
void policy_export_dpv(const struct policy *p, struct text *t);

#endif
