// SPDX-License-Identifier: Apache-2.0
/*
 * policy_format.h: one layout for the blocks of a document, so that a change of a policy shows what changed.
 *
 * Prose, fences, `plain` sentences and comments stay as they are, byte for byte; only the blanks and line
 * ends between the words of the other blocks are chosen anew. Formatting what is formatted changes nothing,
 * and the words a reader of the policy sees are the same in the same order.
 */
#ifndef TROTH_POLICY_FORMAT_H
#define TROTH_POLICY_FORMAT_H

#include "policy.h"

#define POLICY_FORMAT_COLUMNS 120 /* as wide as the prose of the reference policy */

/* Appends the document in canonical layout. False if its blocks cannot be told apart or hold a character that
 * has no meaning: nothing is appended and *m says why. Sentences need not be right. */
bool policy_format(struct arena *a, const struct policy_source *s, struct text *out,
                   struct policy_messages *m);

#endif
