// SPDX-License-Identifier: Apache-2.0
/*
 * policy_locate.h: from a position in a document to what stands there, what it means, where it is declared,
 * and what else could stand there. For editors. Positions are byte offsets into the file's text as
 * policy_view_text gives it; outside the blocks only the clause ids of their fences have a meaning, those of
 * translations, too.
 */
#ifndef TROTH_POLICY_LOCATE_H
#define TROTH_POLICY_LOCATE_H

#include "policy_view.h"

struct policy_location {
    struct span file;
    size_t offset, len;
};

struct policy_suggestion {
    struct span label;
    struct span detail; /* one line: "a purpose", "a need: the person agreed" */
    bool keyword;
};

/* The text of a file of the view, without a byte order mark; empty if there is no such file. */
struct span policy_view_text(const struct policy_view *v, struct span file);
/* True if no file holds a block: the folder is no policy. */
bool policy_view_empty(const struct policy_view *v);

/* What the word at the offset means, as Markdown; *at is the word. False if nothing is known of it. */
bool policy_hover(const struct policy_view *v, struct span file, size_t offset, struct arena *a,
                  struct span *words, struct policy_location *at);
/* Where the word is declared: a name, a clause, a document. What a translation's clause id names stands in
 * the document. */
bool policy_definition(const struct policy_view *v, struct span file, size_t offset,
                       struct policy_location *out);
/* What may stand at the offset; a word that is begun there does not count. In the order of declaration. */
struct policy_suggestion *policy_complete(const struct policy_view *v, struct span file, size_t offset,
                                          struct arena *a, size_t *n);

#endif
