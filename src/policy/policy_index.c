// SPDX-License-Identifier: Apache-2.0
/* policy_index.c: the norms turned sideways. For each value of each dimension the set of norms that hold it,
 * so that matching a request is the meeting of nine rows. */
#include "policy_impl.h"

static uint64_t *norm_set(struct load *l)
{
    return ARENA_ARRAY(l->arena, l->p->index.words + 1, uint64_t);
}

static void set_add(uint64_t *set, size_t i)
{
    set[i / 64] |= 1ull << (i % 64);
}

/* A dimension without names, or one no sentence narrows, holds every request. */
static bool norm_holds(const struct policy *p, const struct norm *n, enum policy_dimension d, size_t value)
{
    const struct document *doc = &p->documents[n->document];
    if (p->dim[d].n == 0)
        return true;
    return bits_has(&n->act.set[d], value) && (!doc->scoped[d] || bits_has(&doc->scope[d], value));
}

static void build_rows(struct load *l, enum policy_dimension d)
{
    struct policy *p = l->p;
    struct norm_index *x = &p->index;
    x->rows[d] = p->dim[d].n > 0 ? p->dim[d].n : 1;
    x->row[d] = ARENA_ARRAY(l->arena, x->rows[d] * x->words + 1, uint64_t);
    for (size_t value = 0; value < x->rows[d]; value++)
        for (size_t i = 0; i < p->n_norms; i++)
            if (norm_holds(p, &p->norms[i], d, value))
                set_add(x->row[d] + value * x->words, i);
}

static unsigned count_fields(const struct bits *b)
{
    unsigned n = 0;
    for (size_t i = 0; i < BITS_WORDS; i++)
        n += (unsigned)__builtin_popcountll(b->w[i]);
    return n;
}

static void build_norm(struct load *l, size_t i)
{
    struct norm_index *x = &l->p->index;
    struct norm *n = &l->p->norms[i];
    n->n_fields = count_fields(&n->act.set[DIM_FIELD]);
    set_add(x->kind[n->kind], i);
    set_add(x->document[n->document], i);
    if (n->n_targets == 0)
        return;
    n->lifts = norm_set(l);
    for (size_t k = 0; k < n->n_targets; k++)
        set_add(n->lifts, n->targets[k]);
    set_add(x->lifters, i);
}

static void build_ranks(struct load *l)
{
    struct policy *p = l->p;
    struct norm_index *x = &p->index;
    x->by_rank = ARENA_ARRAY(l->arena, p->n_documents + 1, unsigned);
    for (unsigned rank = 0; rank < p->n_documents; rank++)
        for (unsigned i = 0; i < p->n_documents; i++)
            if (p->documents[i].rank == rank && p->documents[i].has_rules)
                x->by_rank[x->n_by_rank++] = i;
}

void policy_index_build(struct load *l)
{
    struct policy *p = l->p;
    struct norm_index *x = &p->index;
    x->words = (p->n_norms + 63) / 64;
    for (int k = 0; k < 4; k++)
        x->kind[k] = norm_set(l);
    x->lifters = norm_set(l);
    x->document = ARENA_ARRAY(l->arena, p->n_documents + 1, uint64_t *);
    for (size_t i = 0; i < p->n_documents; i++)
        x->document[i] = norm_set(l);
    for (int d = 0; d < DIM_COUNT; d++)
        build_rows(l, (enum policy_dimension)d);
    for (size_t i = 0; i < p->n_norms; i++)
        build_norm(l, i);
    build_ranks(l);
}
