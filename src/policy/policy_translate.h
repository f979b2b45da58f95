// SPDX-License-Identifier: Apache-2.0
/*
 * policy_translate.h: NAME.LANG.md, the prose of NAME.md in another language under the same clause ids.
 *
 * A translation holds no sentences of the language: its blocks name the clause and are empty, so that the
 * rules stand in one place and no language can say another rule. Two blocks may hold something: `plain ID`
 * its one sentence of prose, and `words` what the names of the catalogue are called: NAME "words".
 */
#ifndef TROTH_POLICY_TRANSLATE_H
#define TROTH_POLICY_TRANSLATE_H

#include "policy.h"

struct policy_translation {
    unsigned document;
    struct span language; /* BCP 47, from the file's name: "zh-CN" */
    struct span title;    /* its first heading */
    struct span file, text;
};

/* True for "group.zh-CN.md"; false for "group.md" and for "notes.draft.md", which is neither. */
bool policy_translation_named(struct span file);

size_t policy_translations(const struct policy *p);
const struct policy_translation *policy_translation(const struct policy *p, size_t i);
/* Null if the document has no text in the language (its own language is not a translation). */
const struct policy_translation *policy_translation_find(const struct policy *p, unsigned document,
                                                         struct span language);
/* What the language calls a name of the catalogue; empty if it has no words for it. */
struct span policy_word_in(const struct policy *p, struct span language, struct span name);
/* The sentence of a `plain` clause in the language, or the document's own. */
struct span policy_plain_in(const struct policy *p, struct span language, unsigned clause);

/* True if the translation has the clause. */
bool policy_translated(const struct policy *p, const struct policy_translation *t, unsigned clause);

#endif
