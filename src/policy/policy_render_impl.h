// SPDX-License-Identifier: Apache-2.0
/* policy_render_impl.h: between the walk over the prose (policy_render.c) and the boxes
 * (policy_render_rule.c). */
#ifndef TROTH_POLICY_RENDER_IMPL_H
#define TROTH_POLICY_RENDER_IMPL_H

#include "policy_impl.h"
#include "policy_render.h"

struct render {
    const struct policy_render *r;
    struct text *out;
    struct policy_outline *outline;
    struct span catalogue; /* document that declares names: where names link to; empty if there is none */
    struct span *anchored; /* names that have their anchor already */
    size_t n_anchored;
    bool titled;     /* the level-1 heading was passed */
    unsigned silent; /* depth inside an element that is left out */
};

/* The kind of block its info string opens; BLOCK_KIND_COUNT for other code. `rest` is the clause id. */
enum block_kind policy_render_kind(struct span info, struct span *rest);
/* The box of one block. */
void policy_render_block(struct render *s, enum block_kind kind, struct span id, struct span body);

#endif
