// SPDX-License-Identifier: Apache-2.0
/*
 * policy_prove.c: promises, proved over every combination on the packed form (section 3.8).
 *
 * A promise is broken in as many ways as there are permissions that open one: for each answer that breaks it,
 * the permission that asks for the fewest needs, and among those the widest. (must never, every allowed; for
 * may always, what stands in the way: a ban, a condition, a permission's own needs, or silence.)
 *
 * Needs are not walked over. One need more never worsens an answer, so `must never` and `every allowed` are
 * judged with all needs held that the promise does not deny, and `may always` with those only that it grants.
 */
#include "policy_prove_impl.h"

#include "policy_answer_impl.h"

struct proving {
    const struct policy *p;
    const struct promise *promise;
    struct arena *scratch;
    struct breaks *out;
    uint64_t held;
};

/* ---- Needs of one answer. */

static void sets_within(const uint64_t *sets, unsigned n, uint64_t held, struct alternatives *out)
{
    for (unsigned i = 0; i < n; i++)
        if ((sets[i] & ~held) == 0)
            policy_alternatives_add(out, sets[i]);
}

/* The need-sets within `held` with which the answer is to allow; none: it is not. */
static void ways_in(const struct proving *s, const uint16_t *ground, const struct survey_bind *bind,
                    struct alternatives *out)
{
    const struct diagram *g = s->p->diagram;
    out->n = 0;
    for (unsigned i = 0; i < ground[0]; i++) {
        const struct diagram_grant *grant = &g->grants[ground[1 + i]];
        sets_within(g->needs + grant->needs, grant->n_needs, s->held, out);
    }
    for (unsigned i = 0; i < bind->n_haves; i++) {
        const struct diagram_have *have = bind->have[i];
        struct alternatives sets = {.n = 0};
        sets_within(g->needs + have->needs, have->n_needs, s->held, &sets);
        policy_alternatives_meet(out, &sets);
    }
}

/* The first condition of the answer that `held` does not meet, or null. */
static const struct diagram_have *unmet_have(const struct proving *s, const struct survey_bind *bind)
{
    const struct diagram *g = s->p->diagram;
    for (unsigned i = 0; i < bind->n_haves; i++) {
        const struct diagram_have *have = bind->have[i];
        struct alternatives sets = {.n = 0};
        sets_within(g->needs + have->needs, have->n_needs, s->held, &sets);
        if (sets.n == 0)
            return have;
    }
    return NULL;
}

/* ---- Which permission opens it. */

static bool reads_facts(const struct norm *n)
{
    return n->act.when.n != 1 || n->act.when.terms[0].facts != 0;
}

static unsigned dimensions_named(const struct norm *n)
{
    unsigned count = 0;
    for (int d = 0; d < DIM_COUNT; d++)
        count += n->act.named[d];
    return count;
}

static bool wider(const struct norm *a, const struct norm *b)
{
    if (a->n_fields != b->n_fields)
        return a->n_fields > b->n_fields;
    if (reads_facts(a) != reads_facts(b))
        return reads_facts(b);
    return dimensions_named(a) < dimensions_named(b);
}

/* The fewest needs of the permission within `held`; false: it asks for others. */
static bool fewest(const struct proving *s, const struct diagram_grant *grant, uint64_t held, uint64_t *out)
{
    struct alternatives sets = {.n = 0};
    sets_within(s->p->diagram->needs + grant->needs, grant->n_needs, held, &sets);
    *out = sets.n > 0 ? sets.set[0] : 0;
    return sets.n > 0;
}

static size_t opening(const struct proving *s, const uint16_t *ground, uint64_t held)
{
    size_t best = s->p->n_norms;
    uint64_t best_needs = 0, needs = 0;
    for (unsigned i = 0; i < ground[0]; i++) {
        const struct diagram_grant *grant = &s->p->diagram->grants[ground[1 + i]];
        if (!fewest(s, grant, held, &needs))
            continue;
        bool first = best == s->p->n_norms;
        if (first || policy_needs_smaller(needs, best_needs) ||
            (needs == best_needs && wider(&s->p->norms[grant->norm], &s->p->norms[best]))) {
            best = grant->norm;
            best_needs = needs;
        }
    }
    return best;
}

/* ---- One answer. */

static uint32_t class_of(struct breaks *out, enum break_kind kind, size_t norm)
{
    unsigned i = 0;
    while (i < out->n && (out->list[i].kind != kind || out->list[i].norm != norm))
        i++;
    if (i == out->n && out->n < SURVEY_CLASSES_MAX)
        out->list[out->n++] = (struct broken){kind, norm};
    return i < SURVEY_CLASSES_MAX ? i : SURVEY_CLASSES_MAX - 1;
}

static uint32_t broken_by(struct survey *w, const struct proving *s, const uint16_t *ground, uint64_t needs)
{
    w->at.needs = needs;
    return class_of(s->out, BREAK_PERMITTED, opening(s, ground, needs));
}

static uint32_t answer_never(struct survey *w, const uint16_t *ground, const struct survey_bind *bind)
{
    const struct proving *s = w->arg;
    struct alternatives ways;
    if (!bind)
        return SURVEY_NOTHING;
    ways_in(s, ground, bind, &ways);
    if (ways.n == 0)
        return SURVEY_NOTHING;
    w->at.needs = ways.set[0];
    return class_of(s->out, BREAK_PERMITTED, opening(s, ground, s->held));
}

static uint32_t answer_always(struct survey *w, const uint16_t *ground, const struct survey_bind *bind)
{
    const struct proving *s = w->arg;
    struct alternatives ways;
    w->at.needs = s->held;
    if (ground[0] == 0)
        return class_of(s->out, BREAK_SILENT, s->p->n_norms);
    if (!bind)
        return class_of(s->out, BREAK_BANNED, s->p->diagram->bars[ground[1]].norm);
    ways_in(s, ground, bind, &ways);
    if (ways.n > 0)
        return SURVEY_NOTHING;
    const struct diagram_have *have = unmet_have(s, bind);
    size_t norm = have ? have->norm : s->p->diagram->grants[ground[1]].norm;
    return class_of(s->out, BREAK_LACKS, norm);
}

/* What is held does not satisfy the formula: of each of its cases something is missing. */
static bool violates(const struct formula *f, uint64_t held)
{
    bool violated = true;
    for (size_t i = 0; i < f->n; i++)
        violated = violated && (f->terms[i].needs & ~held) != 0;
    return violated;
}

/* The needs with which the answer allows without this requirement; false: never. */
static bool allowed_without(const struct must *m, const struct survey_bind *bind,
                            const struct alternatives *ways, uint64_t *needs)
{
    *needs = ways->set[0];
    if (m->kind == MUST_DEED)
        return !(bind->deeds >> m->index & 1);
    if (m->kind == MUST_MASK)
        return bind->mask == POLICY_NONE || bind->mask < m->index;
    for (size_t i = 0; i < ways->n; i++) {
        *needs = ways->set[i];
        if (violates(&m->needs, ways->set[i]))
            return true;
    }
    return ways->n == ALTERNATIVES_MAX; /* some were left out: not proved */
}

static uint32_t answer_every(struct survey *w, const uint16_t *ground, const struct survey_bind *bind)
{
    const struct proving *s = w->arg;
    struct alternatives ways;
    uint64_t needs = 0;
    if (!bind)
        return SURVEY_NOTHING;
    ways_in(s, ground, bind, &ways);
    for (size_t i = 0; i < s->promise->n_musts && ways.n > 0; i++)
        if (allowed_without(&s->promise->musts[i], bind, &ways, &needs))
            return broken_by(w, s, ground, needs);
    return SURVEY_NOTHING;
}

/* ---- One promise: a walk for each case of its facts and needs. */

static void walk_case(struct proving *s, const struct term *t, uint64_t granted)
{
    static uint32_t (*const answer[])(struct survey *, const uint16_t *, const struct survey_bind *) = {
        [PROMISE_NEVER] = answer_never, [PROMISE_ALWAYS] = answer_always, [PROMISE_EVERY] = answer_every};
    struct survey w = {.p = s->p, .answer = answer[s->promise->kind], .arg = s, .hulls = s->out->hulls};
    w.box = policy_box_all(s->p);
    w.box.facts = t->facts;
    w.box.facts_value = t->facts_value;
    if (!policy_box_meet(s->p, &w.box, &s->promise->act, s->promise->document))
        return;
    s->held = s->promise->kind == PROMISE_ALWAYS ? t->needs_value | granted : ~(t->needs & ~t->needs_value);
    policy_survey(&w, s->scratch);
    s->out->box = w.box;
    if (w.over)
        s->out->hulls[class_of(s->out, BREAK_UNDECIDED, s->p->n_norms)] = (struct hull){.at = w.at};
}

void policy_prove_promise(const struct policy *p, const struct promise *promise, struct breaks *out,
                          struct arena *scratch)
{
    const struct formula *when = &promise->act.when, *needs = &promise->act.needs;
    struct proving s = {.p = p, .promise = promise, .scratch = scratch, .out = out};
    bool always = promise->kind == PROMISE_ALWAYS;
    *out = (struct breaks){.hulls = ARENA_ARRAY(scratch, SURVEY_CLASSES_MAX, struct hull)};
    for (size_t i = 0; i < when->n; i++)
        for (size_t k = 0; k < (always ? needs->n : 1); k++)
            walk_case(&s, &when->terms[i], always ? needs->terms[k].needs : 0);
}
