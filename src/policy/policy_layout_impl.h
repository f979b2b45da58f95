// SPDX-License-Identifier: Apache-2.0
/* policy_layout_impl.h: the sentences of one block, laid out in lines. */
#ifndef TROTH_POLICY_LAYOUT_IMPL_H
#define TROTH_POLICY_LAYOUT_IMPL_H

#include "policy_parse_impl.h"

/* How a block is laid out, besides breaking long sentences. */
struct layout_style {
    size_t columns;   /* a sentence longer than this is broken */
    struct span eol;  /* "\n" or as the file has it */
    size_t indent;    /* blanks before every line: the block stands in a list */
    bool names_first; /* sentences begin with the name they are about (`words`, `vocabulary`) */
};

/* Appends the body of the block to out. Its tokens hold no TOKEN_BAD. */
void policy_layout(struct load *l, struct place body, const struct token *tokens, size_t n,
                   const struct layout_style *style, struct text *out);
/* True if the full stop at i ends a sentence rather than joining the parts of a clause id (`share.exc-01`).
 */
bool policy_layout_ends(const struct token *tokens, size_t n, size_t i, bool in_despite);

#endif
