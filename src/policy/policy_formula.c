// SPDX-License-Identifier: Apache-2.0
/* policy_formula.c: formulas over facts and needs as a disjunction of terms, small enough to test in a few
 * steps. */
#include "policy_impl.h"

struct formula policy_formula_true(struct arena *a)
{
    return (struct formula){ARENA_NEW(a, struct term), 1};
}

struct formula policy_formula_fact(struct arena *a, unsigned fact)
{
    struct formula f = policy_formula_true(a);
    f.terms[0].facts = f.terms[0].facts_value = 1ull << fact;
    return f;
}

struct formula policy_formula_need(struct arena *a, unsigned need)
{
    struct formula f = policy_formula_true(a);
    f.terms[0].needs = f.terms[0].needs_value = 1ull << need;
    return f;
}

/* Every case of `narrow` is a case of `wide`. */
static bool term_implies(const struct term *narrow, const struct term *wide)
{
    return (narrow->facts & wide->facts) == wide->facts &&
           (narrow->facts_value & wide->facts) == wide->facts_value &&
           (narrow->needs & wide->needs) == wide->needs &&
           (narrow->needs_value & wide->needs) == wide->needs_value;
}

/* Keeps the list free of terms that another one implies. False: no room. */
static bool term_add(struct formula *f, struct term t)
{
    for (size_t i = 0; i < f->n; i++)
        if (term_implies(&t, &f->terms[i]))
            return true;
    size_t kept = 0;
    for (size_t i = 0; i < f->n; i++)
        if (!term_implies(&f->terms[i], &t))
            f->terms[kept++] = f->terms[i];
    f->n = kept;
    if (f->n == FORMULA_TERMS_MAX)
        return false;
    f->terms[f->n++] = t;
    return true;
}

static struct formula formula_room(struct arena *a)
{
    return (struct formula){ARENA_ARRAY(a, FORMULA_TERMS_MAX, struct term), 0};
}

bool policy_formula_or(struct arena *a, struct formula x, struct formula y, struct formula *out)
{
    *out = formula_room(a);
    bool fits = true;
    for (size_t i = 0; i < x.n; i++)
        fits = fits && term_add(out, x.terms[i]);
    for (size_t i = 0; i < y.n; i++)
        fits = fits && term_add(out, y.terms[i]);
    return fits;
}

/* False if the two contradict each other: no case is left. */
static bool term_meet(const struct term *x, const struct term *y, struct term *out)
{
    uint64_t facts = x->facts & y->facts, needs = x->needs & y->needs;
    if (((x->facts_value ^ y->facts_value) & facts) || ((x->needs_value ^ y->needs_value) & needs))
        return false;
    *out = (struct term){x->facts | y->facts, x->facts_value | y->facts_value, x->needs | y->needs,
                         x->needs_value | y->needs_value};
    return true;
}

bool policy_formula_and(struct arena *a, struct formula x, struct formula y, struct formula *out)
{
    *out = formula_room(a);
    bool fits = true;
    struct term t;
    for (size_t i = 0; i < x.n * y.n; i++)
        if (term_meet(&x.terms[i / y.n], &y.terms[i % y.n], &t))
            fits = fits && term_add(out, t);
    return fits;
}

/* The negation of one term: any one of its facts or needs is otherwise. */
static struct formula term_not(struct arena *a, const struct term *t)
{
    struct formula out = {ARENA_ARRAY(a, 128, struct term), 0};
    for (unsigned i = 0; i < 64; i++) {
        uint64_t bit = 1ull << i;
        if (t->facts & bit)
            out.terms[out.n++] = (struct term){.facts = bit, .facts_value = ~t->facts_value & bit};
        if (t->needs & bit)
            out.terms[out.n++] = (struct term){.needs = bit, .needs_value = ~t->needs_value & bit};
    }
    return out;
}

bool policy_formula_not(struct arena *a, struct formula x, struct formula *out)
{
    *out = policy_formula_true(a);
    for (size_t i = 0; i < x.n; i++) {
        struct formula before = *out;
        if (!policy_formula_and(a, before, term_not(a, &x.terms[i]), out))
            return false;
    }
    return true;
}

static bool formula_holds_term(struct formula f, const struct term *t)
{
    for (size_t i = 0; i < f.n; i++)
        if (term_implies(t, &f.terms[i]) && term_implies(&f.terms[i], t))
            return true;
    return false;
}

bool policy_formula_same(struct formula x, struct formula y)
{
    bool same = x.n == y.n;
    for (size_t i = 0; i < x.n; i++)
        same = same && formula_holds_term(y, &x.terms[i]);
    return same;
}
