// SPDX-License-Identifier: Apache-2.0
/*
 * test_bdd.c: an independent oracle. The meaning of a random policy is written as Boolean functions, with
 * BuDDy; how many requests are permitted, and how many allowed with what is held, must be what deciding all
 * of them one by one counts. Nothing of the index or the diagram is used: only the norms as they were read.
 */
#include "policy_impl.h"
#include "policy_random.h"

#include <bdd.h>

#define POLICIES 40

/* Variables: for each dimension its value in binary, then the facts, then the needs. */
struct oracle {
    const struct policy *p;
    int first[DIM_COUNT], bits[DIM_COUNT];
    int facts, needs, n;
};

static int bits_for(size_t values)
{
    int bits = 0;
    while ((size_t)1 << bits < values)
        bits++;
    return bits;
}

static struct oracle oracle_new(const struct policy *p)
{
    struct oracle o = {.p = p};
    for (int d = 0; d < DIM_COUNT; d++) {
        o.first[d] = o.n;
        o.bits[d] = bits_for(p->dim[d].n);
        o.n += o.bits[d];
    }
    o.facts = o.n;
    o.needs = o.facts + (int)p->kind[KIND_FACT].n;
    o.n = o.needs + (int)p->kind[KIND_NEED].n;
    return o;
}

/* BuDDy counts references itself; these keep what is in use. */
static BDD keep(BDD x)
{
    return bdd_addref(x);
}

static BDD value_is(const struct oracle *o, int d, size_t value)
{
    BDD all = bddtrue;
    for (int i = 0; i < o->bits[d]; i++) {
        int variable = o->first[d] + i;
        all = keep(bdd_and(all, value >> i & 1 ? bdd_ithvar(variable) : bdd_nithvar(variable)));
    }
    return all;
}

static BDD value_in(const struct oracle *o, int d, const struct bits *set)
{
    BDD any = bddfalse;
    for (size_t v = 0; v < o->p->dim[d].n; v++)
        if (bits_has(set, v))
            any = keep(bdd_or(any, value_is(o, d, v)));
    return o->p->dim[d].n > 0 ? any : bddtrue;
}

static BDD literals(int first, uint64_t named, uint64_t value)
{
    BDD all = bddtrue;
    for (int i = 0; i < 64; i++)
        if (named >> i & 1)
            all = keep(bdd_and(all, value >> i & 1 ? bdd_ithvar(first + i) : bdd_nithvar(first + i)));
    return all;
}

static BDD when_holds(const struct oracle *o, const struct formula *f)
{
    BDD any = bddfalse;
    for (size_t i = 0; i < f->n; i++)
        any = keep(bdd_or(any, literals(o->facts, f->terms[i].facts, f->terms[i].facts_value)));
    return any;
}

static BDD needs_held(const struct oracle *o, const struct formula *f)
{
    BDD any = bddfalse;
    for (size_t i = 0; i < f->n; i++)
        any = keep(bdd_or(any, literals(o->needs, f->terms[i].needs, f->terms[i].needs)));
    return any;
}

static BDD matches(const struct oracle *o, const struct norm *n)
{
    BDD all = when_holds(o, &n->act.when);
    for (int d = 0; d < DIM_COUNT; d++)
        all = keep(bdd_and(all, value_in(o, d, &n->act.set[d])));
    return all;
}

static bool names(const struct norm *n, size_t target)
{
    for (size_t i = 0; i < n->n_targets; i++)
        if (n->targets[i] == target)
            return true;
    return false;
}

/* A norm stands where it matches and none that stands and names it does. Norms come after those that lift
 * them. */
static void all_standing(const struct oracle *o, BDD *standing)
{
    for (size_t i = 0; i < o->p->n_norms; i++) {
        standing[i] = matches(o, &o->p->norms[i]);
        for (size_t k = 0; k < i; k++)
            if (names(&o->p->norms[k], i))
                standing[i] = keep(bdd_apply(standing[i], standing[k], bddop_diff));
    }
}

struct meanings {
    BDD permitted, allowed;
};

/* One document: every permission that stands speaks. */
static struct meanings meanings_of(const struct oracle *o, const BDD *standing)
{
    BDD barred = bddfalse, granted = bddfalse, with_needs = bddfalse, bound = bddtrue;
    for (size_t i = 0; i < o->p->n_norms; i++) {
        const struct norm *n = &o->p->norms[i];
        if (n->kind == NORM_BAR)
            barred = keep(bdd_or(barred, standing[i]));
        if (n->kind == NORM_GRANT) {
            granted = keep(bdd_or(granted, standing[i]));
            with_needs = keep(bdd_or(with_needs, bdd_and(standing[i], needs_held(o, &n->act.needs))));
        }
        if (n->kind == NORM_CONDITION && n->must.kind == MUST_HAVE)
            bound = keep(bdd_and(bound, bdd_imp(standing[i], needs_held(o, &n->must.needs))));
    }
    struct meanings m = {.permitted = keep(bdd_apply(granted, barred, bddop_diff))};
    m.allowed = keep(bdd_and(keep(bdd_apply(with_needs, barred, bddop_diff)), bound));
    return m;
}

/* Values beyond the last of a dimension are no requests. */
static BDD requests(const struct oracle *o)
{
    BDD all = bddtrue;
    for (int d = 0; d < DIM_COUNT; d++) {
        struct bits whole = {{0}};
        policy_whole(o->p, (enum policy_dimension)d, &whole);
        all = keep(bdd_and(all, value_in(o, d, &whole)));
    }
    return all;
}

/* ---- The same, counted one by one. */

struct counts {
    double permitted, allowed;
};

static void count_needs(const struct policy *p, struct policy_request *q, struct counts *c)
{
    uint64_t n = 1ull << p->kind[KIND_NEED].n;
    for (q->needs = 0; q->needs < n; q->needs++) {
        struct policy_decision d;
        policy_decide(p, q, &d);
        c->permitted += d.answer <= ANSWER_NEEDS;
        c->allowed += d.answer <= ANSWER_ALLOW_MASKED;
    }
}

static void count_all(const struct policy *p, struct policy_request *q, int d, struct counts *c)
{
    if (d == DIM_COUNT) {
        uint64_t n = 1ull << p->kind[KIND_FACT].n;
        for (q->facts = 0; q->facts < n; q->facts++)
            count_needs(p, q, c);
        return;
    }
    for (unsigned v = 0; v < (p->dim[d].n > 0 ? p->dim[d].n : 1); v++) {
        q->value[d] = (uint16_t)v;
        count_all(p, q, d + 1, c);
    }
}

static struct counts count_models(const struct policy *p)
{
    struct oracle o = oracle_new(p);
    BDD standing[POLICY_NORMS_MAX];
    bdd_init(200000, 20000);
    bdd_gbc_hook(NULL);
    bdd_setvarnum(o.n);
    all_standing(&o, standing);
    struct meanings m = meanings_of(&o, standing);
    BDD all = requests(&o);
    struct counts c = {bdd_satcount(bdd_and(m.permitted, all)), bdd_satcount(bdd_and(m.allowed, all))};
    bdd_done();
    return c;
}

TEST(exact_counts_are_those_of_boolean_functions)
{
    double permitted = 0;
    for (uint64_t seed = 1; seed <= POLICIES && unit_bad == 0; seed++) {
        struct arena *a = arena_new(0);
        struct made m;
        make_rules(&m, seed, a, "r");
        const struct policy *p = load(&m, &plain);
        struct policy_request q = {.facts_known = UINT64_MAX};
        struct counts one_by_one = {0, 0};
        struct counts models = p ? count_models(p) : one_by_one;
        if (p)
            count_all(p, &q, 0, &one_by_one);
        EXPECT(models.permitted == one_by_one.permitted);
        EXPECT(models.allowed == one_by_one.allowed);
        permitted += models.permitted;
        arena_free(a);
    }
    EXPECT(permitted > 1000);
}

UNIT_MAIN(CASE(exact_counts_are_those_of_boolean_functions))
