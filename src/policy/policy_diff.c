// SPDX-License-Identifier: Apache-2.0
/* policy_diff.c: see policy_diff.h */
#include "policy_diff_impl.h"
#include "policy_prove_impl.h"

#include <stdlib.h>

const char *policy_effect_name(enum policy_effect e)
{
    static const char *const name[] = {"neutral", "protects", "reduces"};
    return name[e];
}

const char *policy_change_kind_name(enum policy_change_kind k)
{
    static const char *const name[] = {"answers", "scope", "duty", "promise", "meaning", "grade", "source"};
    return name[k];
}

/* ---- The list */

struct policy_change *diff_change(struct changes *c, enum policy_change_kind kind)
{
    struct policy_diff *d = c->out;
    struct policy_change *change = POLICY_PUSH(c->arena, d->list, d->n);
    *change = (struct policy_change){.kind = kind, .clause = {POLICY_NONE, POLICY_NONE}};
    return change;
}

static int by_weight(const void *a, const void *b)
{
    const struct policy_change *x = a, *y = b;
    if (x->effect != y->effect)
        return x->effect > y->effect ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    for (int side = DIFF_NEW; side >= DIFF_OLD; side--)
        if (x->clause[side] != y->clause[side])
            return x->clause[side] < y->clause[side] ? -1 : 1;
    int words = span_cmp(x->sentence[DIFF_NEW], y->sentence[DIFF_NEW]);
    return words ? words : span_cmp(x->sentence[DIFF_OLD], y->sentence[DIFF_OLD]);
}

static void finish(struct policy_diff *d)
{
    if (d->n > 0)
        qsort(d->list, d->n, sizeof d->list[0], by_weight);
    for (size_t i = 0; i < d->n; i++) {
        d->reduces += d->list[i].effect == EFFECT_REDUCES;
        d->protects += d->list[i].effect == EFFECT_PROTECTS;
        d->neutral += d->list[i].effect == EFFECT_NEUTRAL;
    }
}

/* ---- Regions */

static struct hull region_hull(const struct diff_class *c)
{
    struct hull h = {.found = true, .facts_true = c->facts_true, .facts_false = c->facts_false};
    memcpy(h.value, c->value, sizeof h.value);
    return h;
}

static struct span region_words(const struct diff_names *n, const struct diff_class *c, struct arena *a)
{
    struct text t = text_new(a, 256);
    struct box all = policy_box_all(&n->both);
    struct hull h = region_hull(c);
    policy_region_put(&n->both, &all, &h, &t);
    return text_span(&t);
}

static void set_witness(struct changes *c, struct policy_change *change, const struct diff_class *class)
{
    for (int side = 0; side < DIFF_SIDES; side++) {
        struct policy_request own;
        struct text t = text_new(c->arena, 256), sentence = text_new(c->arena, 256);
        change->decision[side] = (struct policy_decision){.answer = ANSWER_DENY, .clause = POLICY_NONE};
        if (!diff_request_own(c->names, (enum policy_side)side, &class->at, &own))
            continue;
        policy_request_put(c->names->side[side], &own, &t);
        policy_request_say(c->names->side[side], &own, &sentence);
        change->witness[side] = text_span(&t);
        change->example[side] = text_span(&sentence);
        policy_decide_plain(c->names->side[side], &own, &change->decision[side]);
    }
}

static uint64_t whole(double size)
{
    if (size >= 9e18)
        return UINT64_MAX / 2;
    uint64_t n = (uint64_t)size;
    return (double)n < size ? n + 1 : n;
}

static void region_change(struct changes *c, const struct diff_norms *norms, const struct diff_class *class)
{
    bool scope = class->group == GROUP_SCOPE;
    struct policy_change *change = diff_change(c, scope ? CHANGE_SCOPE : CHANGE_ANSWERS);
    struct change_rest *rest = ARENA_NEW(c->arena, struct change_rest);
    change->effect = class->effect;
    change->differs = class->differs;
    change->size = whole(class->size);
    change->where = region_words(c->names, class, c->arena);
    change->rest = rest;
    rest->region = class;
    set_witness(c, change, class);
    for (int side = 0; side < DIFF_SIDES && !scope; side++) {
        unsigned norm = norms->groups[class->group].norm[side];
        if (norm == POLICY_NONE)
            continue;
        rest->norm[side] = &c->names->side[side]->norms[norm];
        change->clause[side] = rest->norm[side]->clause;
        change->sentence[side] = rest->norm[side]->sentence;
    }
}

enum err policy_diff(const struct policy *old, const struct policy *new, struct arena *a,
                     struct policy_diff *out, struct fail *f)
{
    struct diff_names *names = NULL;
    struct diff_norms norms;
    struct diff_forest forest;
    struct diff_walk walk;
    struct arena *scratch = arena_new(1 << 18);
    *out = (struct policy_diff){.old = old, .new = new};
    enum err e = policy_diff_names(old, new, a, &names, f);
    if (e == OK) {
        policy_diff_norms(names, scratch, &norms);
        e = policy_diff_forest(names, &norms, scratch, &forest, f);
    }
    if (e == OK)
        e = policy_diff_walk(&forest, a, &walk, f);
    if (e == OK) {
        struct changes c = {.out = out, .names = names, .arena = a};
        out->names = names;
        for (size_t i = 0; i < walk.n_classes; i++)
            region_change(&c, &norms, &walk.classes[i]);
        policy_diff_rest(&c);
        finish(out);
    }
    arena_free(scratch);
    return e;
}

/* ---- One side of a request in a region */

static bool value_in(const struct diff_names *n, enum policy_side side, enum policy_dimension d, uint16_t own,
                     const struct bits *region)
{
    for (size_t v = 0; v < n->values[d]; v++)
        if (n->own[side][d][v] == own && bits_has(region, v))
            return true;
    return false;
}

bool policy_change_holds(const struct policy_diff *d, const struct policy_change *c, enum policy_side side,
                         const struct policy_request *q)
{
    const struct diff_class *r = c->rest ? c->rest->region : NULL;
    const struct diff_names *n = d->names;
    bool in = r != NULL;
    for (int k = 0; k < DIM_COUNT && in; k++)
        in = value_in(n, side, (enum policy_dimension)k, q->value[k], &r->value[k]);
    for (unsigned i = 0; i < n->side[side]->kind[KIND_FACT].n && in; i++) {
        uint64_t bit = 1ull << n->kind_of[side][KIND_FACT][i];
        in = ((q->facts >> i & 1) ? r->facts_true : r->facts_false) & bit;
    }
    return in;
}

/* ---- The effect of one document: the same policy in which its sentences match nothing. */

static const struct policy *policy_without(const struct policy *p, unsigned document, struct arena *a)
{
    struct policy *q = ARENA_NEW(a, struct policy);
    *q = *p;
    q->documents = ARENA_ARRAY(a, p->n_documents, struct document);
    memcpy(q->documents, p->documents, p->n_documents * sizeof *q->documents);
    q->documents[document].has_rules = false;
    q->documents[document].n_means = 0;
    size_t words = p->index.words;
    for (int d = 0; d < DIM_COUNT; d++) {
        size_t n = p->index.rows[d] * words;
        q->index.row[d] = ARENA_ARRAY(a, n + 1, uint64_t);
        for (size_t i = 0; i < n; i++)
            q->index.row[d][i] = p->index.row[d][i] & ~p->index.document[document][i % words];
    }
    q->index.by_rank = ARENA_ARRAY(a, p->n_documents + 1, unsigned);
    q->index.n_by_rank = 0;
    for (size_t i = 0; i < p->index.n_by_rank; i++)
        if (p->index.by_rank[i] != document)
            q->index.by_rank[q->index.n_by_rank++] = p->index.by_rank[i];
    q->duties = ARENA_ARRAY(a, p->n_duties + 1, struct policy_duty);
    q->promises = ARENA_ARRAY(a, p->n_promises + 1, struct promise);
    q->n_duties = q->n_promises = 0;
    for (size_t i = 0; i < p->n_duties; i++)
        if (p->clauses[p->duties[i].clause].document != document)
            q->duties[q->n_duties++] = p->duties[i];
    for (size_t i = 0; i < p->n_promises; i++)
        if (p->promises[i].document != document)
            q->promises[q->n_promises++] = p->promises[i];
    return q;
}

enum err policy_effect(const struct policy *p, unsigned document, struct arena *a, struct policy_diff *out,
                       struct fail *f)
{
    return policy_diff(policy_without(p, document, a), p, a, out, f);
}
