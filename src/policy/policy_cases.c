// SPDX-License-Identifier: Apache-2.0
/* policy_cases.c: the levels: atoms of the dimensions, facts, and which cases of which norms hold in each. */
#include "policy_compile_impl.h"

/* ---- Atoms: values with equal rows. */

static uint32_t scopes_of(const struct policy *p, enum policy_dimension d, size_t value)
{
    uint32_t set = 0;
    for (size_t i = 0; i < p->n_documents; i++)
        if (p->documents[i].has_rules &&
            (!p->documents[i].scoped[d] || bits_has(&p->documents[i].scope[d], value)))
            set |= 1u << i;
    return set;
}

static bool same_row(const struct policy *p, enum policy_dimension d, size_t v, size_t w)
{
    size_t words = p->index.words;
    const uint64_t *row = p->index.row[d];
    return memcmp(row + v * words, row + w * words, words * sizeof *row) == 0 &&
           scopes_of(p, d, v) == scopes_of(p, d, w);
}

static void atoms_of(const struct policy *p, enum policy_dimension d, struct arena *scratch, struct atoms *a)
{
    size_t values = p->index.rows[d];
    a->of[d] = ARENA_ARRAY(scratch, values, uint16_t);
    a->first[d] = ARENA_ARRAY(scratch, values, uint16_t);
    a->scope[d] = ARENA_ARRAY(scratch, values, uint32_t);
    for (size_t v = 0; v < values; v++) {
        unsigned k = 0;
        while (k < a->n[d] && !same_row(p, d, a->first[d][k], v))
            k++;
        a->of[d][v] = (uint16_t)k;
        if (k < a->n[d])
            continue;
        a->first[d][k] = (uint16_t)v;
        a->scope[d][k] = scopes_of(p, d, v);
        a->n[d]++;
    }
}

struct atoms *policy_atoms(const struct policy *p, struct arena *scratch)
{
    struct atoms *a = ARENA_NEW(scratch, struct atoms);
    for (int d = 0; d < DIM_COUNT; d++)
        atoms_of(p, (enum policy_dimension)d, scratch, a);
    return a;
}

/* ---- Cases. */

static uint64_t *new_set(const struct cases *c, struct arena *scratch)
{
    return ARENA_ARRAY(scratch, c->words + 1, uint64_t);
}

static const struct term *case_term(const struct cases *c, size_t i)
{
    size_t first = i;
    while (first > 0 && c->norm[first - 1] == c->norm[i])
        first--;
    return &c->p->norms[c->norm[i]].act.when.terms[i - first];
}

static void dimension_axis(struct cases *c, enum policy_dimension d, struct arena *scratch)
{
    struct axis *x = &c->axis[c->n_axes++];
    const struct norm_index *index = &c->p->index;
    *x = (struct axis){.id = d, .n = c->atoms->n[d]};
    x->row = ARENA_ARRAY(scratch, x->n * c->words + 1, uint64_t);
    for (unsigned k = 0; k < x->n; k++) {
        uint16_t first = c->atoms->first[d][k];
        const uint64_t *row = index->row[d] + first * index->words;
        for (size_t i = 0; i < c->n && first != POLICY_NONE; i++)
            if (norm_set_has(row, c->norm[i]))
                set_put(cases_row(c, x, k), i);
    }
}

/* Only facts that some case reads are levels. */
static void fact_axis(struct cases *c, unsigned fact, struct arena *scratch)
{
    struct axis x = {.id = DIM_COUNT + fact, .n = 2};
    bool read = false;
    x.row = ARENA_ARRAY(scratch, 2 * c->words + 1, uint64_t);
    for (size_t i = 0; i < c->n; i++) {
        const struct term *t = case_term(c, i);
        bool named = t->facts >> fact & 1, wanted = t->facts_value >> fact & 1;
        read = read || named;
        if (!named || !wanted)
            set_put(x.row, i);
        if (!named || wanted)
            set_put(x.row + c->words, i);
    }
    if (read)
        c->axis[c->n_axes++] = x;
}

static void same_rows(struct cases *c, struct axis *x, struct arena *scratch)
{
    x->same = new_set(c, scratch);
    memcpy(x->same, c->all, c->words * sizeof *x->same);
    for (unsigned k = 0; k < x->n; k++)
        for (size_t w = 0; w < c->words; w++)
            x->same[w] &= cases_row(c, x, k)[w];
}

static void build_axes(struct cases *c, struct arena *scratch)
{
    for (int d = 0; d < DIM_COUNT; d++)
        dimension_axis(c, (enum policy_dimension)d, scratch);
    for (unsigned f = 0; f < c->p->kind[KIND_FACT].n; f++)
        fact_axis(c, f, scratch);
    for (unsigned i = 0; i < c->n_axes; i++)
        same_rows(c, &c->axis[i], scratch);
}

/* What lifts what, from norms to their cases. */
static void build_lifts(struct cases *c, struct arena *scratch)
{
    c->lifts = ARENA_ARRAY(scratch, c->n + 1, uint64_t *);
    c->lifter = ARENA_ARRAY(scratch, c->n + 1, uint64_t *);
    for (size_t i = 0; i < c->n; i++) {
        const uint64_t *lifts = c->p->norms[c->norm[i]].lifts;
        for (size_t k = 0; k < c->n && lifts; k++) {
            if (!norm_set_has(lifts, c->norm[k]))
                continue;
            c->lifts[i] = c->lifts[i] ? c->lifts[i] : new_set(c, scratch);
            c->lifter[k] = c->lifter[k] ? c->lifter[k] : new_set(c, scratch);
            set_put(c->lifts[i], k);
            set_put(c->lifter[k], i);
        }
    }
}

/* Which permissions speak before those of a document, and which are silent where they do. */
static void build_ranks(struct cases *c, struct arena *scratch)
{
    const struct policy *p = c->p;
    size_t i = 0;
    c->above = ARENA_ARRAY(scratch, p->n_documents + 1, uint64_t *);
    c->below = ARENA_ARRAY(scratch, p->n_documents + 1, uint64_t *);
    for (size_t d = 0; d < p->n_documents; d++) {
        c->above[d] = new_set(c, scratch);
        c->below[d] = new_set(c, scratch);
        EACH_NORM(c->kind[NORM_GRANT], c->words, i)
        {
            const struct document *other = &p->documents[p->norms[c->norm[i]].document];
            if (other->rank != p->documents[d].rank)
                set_put(other->rank < p->documents[d].rank ? c->above[d] : c->below[d], i);
        }
    }
}

static bool count_cases(const struct policy *p, unsigned kinds, size_t *n, size_t *culprit)
{
    *n = 0;
    for (size_t i = 0; i < p->n_norms; i++) {
        *n += kinds >> p->norms[i].kind & 1 ? p->norms[i].act.when.n : 0;
        *culprit = i;
        if (*n > COMPILE_CASES_MAX)
            return false;
    }
    return true;
}

struct cases *policy_cases(const struct policy *p, const struct atoms *atoms, unsigned kinds,
                           struct arena *scratch, size_t *culprit)
{
    size_t n = 0;
    if (!count_cases(p, kinds, &n, culprit))
        return NULL;
    struct cases *c = ARENA_NEW(scratch, struct cases);
    *c = (struct cases){.p = p, .atoms = atoms, .words = (n + 63) / 64};
    c->norm = ARENA_ARRAY(scratch, n + 1, uint16_t);
    c->all = new_set(c, scratch);
    for (int k = 0; k < 4; k++)
        c->kind[k] = new_set(c, scratch);
    for (size_t i = 0; i < p->n_norms; i++)
        for (size_t k = 0; k < p->norms[i].act.when.n && (kinds >> p->norms[i].kind & 1); k++) {
            set_put(c->all, c->n);
            set_put(c->kind[p->norms[i].kind], c->n);
            c->norm[c->n++] = (uint16_t)i;
        }
    build_axes(c, scratch);
    build_lifts(c, scratch);
    build_ranks(c, scratch);
    return c;
}

uint64_t *policy_cases_of(const struct cases *c, size_t from, size_t to, struct arena *scratch)
{
    uint64_t *set = new_set(c, scratch);
    for (size_t i = 0; i < c->n; i++)
        if (c->norm[i] >= from && c->norm[i] < to)
            set_put(set, i);
    return set;
}
