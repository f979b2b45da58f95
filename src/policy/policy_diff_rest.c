// SPDX-License-Identifier: Apache-2.0
/* policy_diff_rest.c: what changes besides answers: duties, promises, words of time, grades, sources. */
#include "policy_diff_impl.h"

static struct span kind_name(const struct changes *c, int side, enum policy_kind k, unsigned i)
{
    return policy_kind_name(c->names->side[side], k, i);
}

static bool same_clause(const struct changes *c, unsigned old, unsigned new)
{
    const struct policy *p = c->names->side[DIFF_OLD], *q = c->names->side[DIFF_NEW];
    const struct policy_clause *a = &p->clauses[old], *b = &q->clauses[new];
    return span_eq(a->id, b->id) &&
           span_eq(p->documents[a->document].pub.name, q->documents[b->document].pub.name);
}

/* ---- Duties */

static bool told_within(const struct changes *c, enum policy_kind k, int side,
                        const struct policy_kind_list *small, const struct policy_kind_list *large)
{
    size_t found = 0;
    for (size_t i = 0; i < small->n; i++)
        for (size_t j = 0; j < large->n; j++)
            found += span_eq(kind_name(c, side, k, small->list[i]), kind_name(c, !side, k, large->list[j]));
    return found == small->n;
}

static unsigned compare_told(const struct changes *c, enum policy_kind k, const struct policy_kind_list *old,
                             const struct policy_kind_list *new)
{
    bool fewer = !told_within(c, k, DIFF_OLD, old, new), more = !told_within(c, k, DIFF_NEW, new, old);
    return (fewer ? DIFFERS_FEWER : 0u) | (more ? DIFFERS_WIDER : 0u);
}

static bool same_words(struct changes *c, struct span a, struct span b)
{
    struct text x = text_new(c->arena, 64), y = text_new(c->arena, 64);
    diff_words_put(a, &x);
    diff_words_put(b, &y);
    return span_eq(text_span(&x), text_span(&y));
}

static bool same_atoms(const struct changes *c, enum policy_kind k, uint64_t old, uint64_t old_value,
                       uint64_t new, uint64_t new_value)
{
    size_t found = 0;
    for (unsigned i = 0; i < 64; i++)
        for (unsigned j = 0; j < 64 && (old >> i & 1); j++)
            found += (new >> j & 1) && (old_value >> i & 1) == (new_value >> j & 1) &&
                     span_eq(kind_name(c, DIFF_OLD, k, i), kind_name(c, DIFF_NEW, k, j));
    return found == (size_t)__builtin_popcountll(old) && found == (size_t)__builtin_popcountll(new);
}

static bool same_term(const struct changes *c, const struct term *a, const struct term *b)
{
    return same_atoms(c, KIND_FACT, a->facts, a->facts_value, b->facts, b->facts_value) &&
           same_atoms(c, KIND_NEED, a->needs, a->needs_value, b->needs, b->needs_value);
}

static bool same_condition(const struct changes *c, const struct formula *a, const struct formula *b)
{
    size_t found = 0;
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < b->n; j++)
            found += same_term(c, &a->terms[i], &b->terms[j]);
    return found == a->n && found == b->n;
}

/* A condition narrows a duty. */
static unsigned compare_condition(const struct changes *c, const struct formula *old,
                                  const struct formula *new)
{
    if (!old || !new)
        return old == new ? 0u : new ? DIFFERS_FEWER : DIFFERS_WIDER;
    return same_condition(c, old, new) ? 0u : DIFFERS_OTHER;
}

static unsigned compare_deadline(const struct changes *c, const struct policy_duty *old,
                                 const struct policy_duty *new)
{
    bool limit_old = old->before || old->number > 0, limit_new = new->before || new->number > 0;
    if (!limit_old || !limit_new)
        return limit_old == limit_new ? 0u : limit_old ? DIFFERS_LATER : DIFFERS_EARLIER;
    if (old->before != new->before || !span_eq(kind_name(c, DIFF_OLD, KIND_EVENT, old->start),
                                               kind_name(c, DIFF_NEW, KIND_EVENT, new->start)))
        return DIFFERS_OTHER;
    enum policy_until_unit unit_old = diff_unit(old->unit), unit_new = diff_unit(new->unit);
    if (old->before) /* ahead of an event, the longer the better */
        return diff_longer(new->number, unit_new, old->number, unit_old);
    return diff_longer(old->number, unit_old, new->number, unit_new);
}

static unsigned compare_otherwise(struct changes *c, const struct policy_duty *old,
                                  const struct policy_duty *new)
{
    if (old->otherwise == POLICY_NONE || new->otherwise == POLICY_NONE) {
        if (old->otherwise == new->otherwise)
            return 0;
        return new->otherwise == POLICY_NONE ? DIFFERS_DEED_GONE : DIFFERS_DEED_NEW;
    }
    bool same = span_eq(kind_name(c, DIFF_OLD, KIND_DEED, old->otherwise),
                        kind_name(c, DIFF_NEW, KIND_DEED, new->otherwise)) &&
                same_words(c, old->otherwise_object, new->otherwise_object);
    return same ? 0 : DIFFERS_OTHER;
}

static unsigned compare_duties(struct changes *c, const struct policy_duty *old,
                               const struct policy_duty *new)
{
    return compare_deadline(c, old, new) | compare_told(c, KIND_AUDIENCE, &old->audience, &new->audience) |
           compare_told(c, KIND_CHANNEL, &old->channels, &new->channels) |
           compare_condition(c, old->when, new->when) | compare_otherwise(c, old, new) |
           (span_eq(old->actor, new->actor) ? 0u : DIFFERS_WHO);
}

static bool same_event(const struct changes *c, const struct policy_duty *old, const struct policy_duty *new)
{
    return span_eq(kind_name(c, DIFF_OLD, KIND_EVENT, old->event),
                   kind_name(c, DIFF_NEW, KIND_EVENT, new->event));
}

static bool same_deed(struct changes *c, const struct policy_duty *old, const struct policy_duty *new)
{
    return same_event(c, old, new) &&
           span_eq(kind_name(c, DIFF_OLD, KIND_DEED, old->deed),
                   kind_name(c, DIFF_NEW, KIND_DEED, new->deed)) &&
           same_words(c, old->object, new->object);
}

/* The sentence of a duty, from the body of its clause: the one that the duty's own words lie in. */
static struct span duty_sentence(const struct policy *p, const struct policy_duty *d)
{
    struct span body = p->clauses[d->clause].body;
    const uint8_t *inside = d->actor.p;
    if (!inside || inside < body.p || inside >= body.p + body.len)
        return body;
    size_t at = (size_t)(inside - body.p), from = at, to = at;
    while (from > 0 && !(body.p[from - 1] == '.' && (body.p[from] == '\n' || body.p[from] == ' ')))
        from--;
    while (to < body.len && !(body.p[to] == '.' && (to + 1 == body.len || body.p[to + 1] == '\n' ||
                                                    body.p[to + 1] == ' ' || body.p[to + 1] == '\r')))
        to++;
    return span_trim(span_sub(body, from, to + 1 - from));
}

static void duty_change(struct changes *c, const struct policy_duty *old, const struct policy_duty *new)
{
    unsigned differs = !old ? DIFFERS_NEW : !new ? DIFFERS_GONE : compare_duties(c, old, new);
    if (old && new && !same_deed(c, old, new))
        differs |= DIFFERS_OTHER;
    if (differs == 0)
        return;
    struct policy_change *change = diff_change(c, CHANGE_DUTY);
    struct change_rest *rest = ARENA_NEW(c->arena, struct change_rest);
    const struct policy_duty *both[] = {old, new};
    change->differs = differs;
    change->effect = policy_effect_of(differs, false);
    change->rest = rest;
    for (int side = 0; side < DIFF_SIDES; side++) {
        rest->duty[side] = both[side];
        if (!both[side])
            continue;
        change->clause[side] = both[side]->clause;
        change->sentence[side] = duty_sentence(c->names->side[side], both[side]);
    }
}

/* How well two duties go together, one function for each pass. */
static bool duty_unmoved(struct changes *c, const struct policy_duty *a, const struct policy_duty *b)
{
    return same_deed(c, a, b) && same_clause(c, a->clause, b->clause) && compare_duties(c, a, b) == 0;
}
static bool duty_unchanged(struct changes *c, const struct policy_duty *a, const struct policy_duty *b)
{
    return same_deed(c, a, b) && compare_duties(c, a, b) == 0;
}
static bool duty_stayed(struct changes *c, const struct policy_duty *a, const struct policy_duty *b)
{
    return same_deed(c, a, b) && same_clause(c, a->clause, b->clause);
}
static bool duty_moved(struct changes *c, const struct policy_duty *a, const struct policy_duty *b)
{
    return same_deed(c, a, b);
}
static bool duty_reworded(struct changes *c, const struct policy_duty *a, const struct policy_duty *b)
{
    return same_event(c, a, b) && same_clause(c, a->clause, b->clause);
}

static void diff_duties(struct changes *c)
{
    static bool (*const pass[])(struct changes *, const struct policy_duty *, const struct policy_duty *) = {
        duty_unmoved, duty_unchanged, duty_stayed, duty_moved, duty_reworded};
    const struct policy *p = c->names->side[DIFF_OLD], *q = c->names->side[DIFF_NEW];
    bool *done = ARENA_ARRAY(c->arena, p->n_duties + 1, bool),
         *taken = ARENA_ARRAY(c->arena, q->n_duties + 1, bool);
    for (size_t k = 0; k < sizeof pass / sizeof pass[0]; k++)
        for (size_t i = 0; i < p->n_duties; i++)
            for (size_t j = 0; j < q->n_duties && !done[i]; j++) {
                if (taken[j] || !pass[k](c, &p->duties[i], &q->duties[j]))
                    continue;
                done[i] = taken[j] = true;
                duty_change(c, &p->duties[i], &q->duties[j]);
            }
    for (size_t i = 0; i < p->n_duties; i++)
        if (!done[i])
            duty_change(c, &p->duties[i], NULL);
    for (size_t j = 0; j < q->n_duties; j++)
        if (!taken[j])
            duty_change(c, NULL, &q->duties[j]);
}

/* ---- Promises */

static struct bits promise_values(const struct changes *c, int side, const struct promise *m,
                                  enum policy_dimension d)
{
    const struct policy *p = c->names->side[side];
    const struct document *doc = &p->documents[m->document];
    struct bits own = p->dim[d].n > 0 ? m->act.set[d] : (struct bits){{1}};
    for (size_t w = 0; w < BITS_WORDS && doc->scoped[d]; w++)
        own.w[w] &= doc->scope[d].w[w];
    struct bits b = diff_bits_of(c->names, (enum policy_side)side, d, &own);
    for (size_t w = 0; w < BITS_WORDS; w++)
        b.w[w] &= c->names->common[d].w[w];
    return b;
}

static bool within(const struct bits *small, const struct bits *large)
{
    struct bits rest = *small;
    bits_drop(&rest, large);
    return bits_empty(&rest);
}

static bool is_true(const struct formula *f, enum policy_kind k)
{
    return f->n == 1 && (k == KIND_FACT ? f->terms[0].facts : f->terms[0].needs) == 0;
}

/* The formula of the wide side holds whenever that of the narrow one does: it is the same, or always true. */
static bool formula_covers(struct changes *c, int wide, const struct formula *a, const struct formula *b,
                           enum policy_kind k)
{
    struct text x = text_new(c->arena, 64), y = text_new(c->arena, 64);
    diff_terms_put(c->names, wide, a, k, &x);
    diff_terms_put(c->names, 1 - wide, b, k, &y);
    return is_true(a, k) || span_eq(text_span(&x), text_span(&y));
}

static bool musts_cover(struct changes *c, int wide, const struct promise *a, const struct promise *b)
{
    for (size_t i = 0; i < b->n_musts; i++) {
        bool found = false;
        for (size_t k = 0; k < a->n_musts && !found; k++) {
            struct text x = text_new(c->arena, 64), y = text_new(c->arena, 64);
            diff_must_put(c->names, wide, &a->musts[k], &x);
            diff_must_put(c->names, 1 - wide, &b->musts[i], &y);
            found = span_eq(text_span(&x), text_span(&y));
        }
        if (!found)
            return false;
    }
    return true;
}

/* Promise a, of the side `wide`, says at least what b of the other side says. */
static bool promise_covers(struct changes *c, int wide, const struct promise *a, const struct promise *b)
{
    if (a->kind != b->kind)
        return false;
    for (int d = 0; d < DIM_COUNT; d++) {
        struct bits large = promise_values(c, wide, a, (enum policy_dimension)d),
                    small = promise_values(c, 1 - wide, b, (enum policy_dimension)d);
        if (!within(&small, &large))
            return false;
    }
    return formula_covers(c, wide, &a->act.when, &b->act.when, KIND_FACT) &&
           formula_covers(c, wide, &a->act.needs, &b->act.needs, KIND_NEED) && musts_cover(c, wide, a, b);
}

static unsigned compare_promises(struct changes *c, const struct promise *old, const struct promise *new)
{
    if (!old || !new)
        return old ? DIFFERS_GONE : DIFFERS_NEW;
    return (promise_covers(c, DIFF_NEW, new, old) ? 0u : DIFFERS_FEWER) |
           (promise_covers(c, DIFF_OLD, old, new) ? 0u : DIFFERS_WIDER);
}

/* `we may always`: a promise to ourselves, which protects nobody. */
static bool for_us(const struct changes *c, int side, const struct promise *m)
{
    struct bits who = promise_values(c, side, m, DIM_ACTOR);
    return m->kind == PROMISE_ALWAYS && !within(&who, &c->names->person);
}

static void promise_change(struct changes *c, const struct promise *old, const struct promise *new)
{
    unsigned differs = compare_promises(c, old, new);
    const struct promise *both[] = {old, new};
    if (differs == 0)
        return;
    struct policy_change *change = diff_change(c, CHANGE_PROMISE);
    struct change_rest *rest = ARENA_NEW(c->arena, struct change_rest);
    bool ours = old ? for_us(c, DIFF_OLD, old) : for_us(c, DIFF_NEW, new);
    change->differs = differs;
    change->effect = policy_effect_of(differs, false);
    if (ours)
        change->effect = differs & (DIFFERS_NEW | DIFFERS_WIDER) ? EFFECT_REDUCES : EFFECT_PROTECTS;
    change->rest = rest;
    for (int side = 0; side < DIFF_SIDES; side++) {
        rest->promise[side] = both[side];
        if (!both[side])
            continue;
        change->clause[side] = both[side]->clause;
        change->sentence[side] = both[side]->sentence;
    }
}

static bool promise_goes(struct changes *c, int pass, const struct promise *a, const struct promise *b)
{
    if (a->kind != b->kind)
        return false;
    bool stays = same_clause(c, a->clause, b->clause), alike = pass < 2 && compare_promises(c, a, b) == 0;
    return pass == 0 ? stays && alike : pass == 1 ? alike : stays;
}

static void diff_promises(struct changes *c)
{
    const struct policy *p = c->names->side[DIFF_OLD], *q = c->names->side[DIFF_NEW];
    bool *done = ARENA_ARRAY(c->arena, p->n_promises + 1, bool),
         *taken = ARENA_ARRAY(c->arena, q->n_promises + 1, bool);
    for (int pass = 0; pass < 3; pass++)
        for (size_t i = 0; i < p->n_promises; i++)
            for (size_t j = 0; j < q->n_promises && !done[i]; j++) {
                if (taken[j] || !promise_goes(c, pass, &p->promises[i], &q->promises[j]))
                    continue;
                done[i] = taken[j] = true;
                promise_change(c, &p->promises[i], &q->promises[j]);
            }
    for (size_t i = 0; i < p->n_promises; i++)
        if (!done[i])
            promise_change(c, &p->promises[i], NULL);
    for (size_t j = 0; j < q->n_promises; j++)
        if (!taken[j])
            promise_change(c, NULL, &q->promises[j]);
}

/* ---- Words of time, grades, sources: of what both sides have. */

static void meaning_change(struct changes *c, const struct document *old, const struct document *new,
                           const struct meaning *a, const struct meaning *b)
{
    unsigned differs = diff_longer(a->number, diff_unit(a->unit), b->number, diff_unit(b->unit));
    if (differs == 0)
        return;
    struct policy_change *change = diff_change(c, CHANGE_MEANING);
    struct change_rest *rest = ARENA_NEW(c->arena, struct change_rest);
    change->name = b->word;
    change->differs = differs;
    change->effect = policy_effect_of(change->differs, false);
    change->clause[DIFF_OLD] = old->clause;
    change->clause[DIFF_NEW] = new->clause;
    change->rest = rest;
    *rest = (struct change_rest){.number = {a->number, b->number}, .text = {a->unit, b->unit}};
}

static void diff_meanings_of(struct changes *c, const struct document *old, const struct document *new)
{
    for (size_t m = 0; m < old->n_means; m++)
        for (size_t n = 0; n < new->n_means; n++)
            if (span_eq(old->means[m].word, new->means[n].word))
                meaning_change(c, old, new, &old->means[m], &new->means[n]);
}

static void diff_meanings(struct changes *c)
{
    const struct policy *p = c->names->side[DIFF_OLD], *q = c->names->side[DIFF_NEW];
    for (size_t i = 0; i < p->n_documents; i++)
        for (size_t j = 0; j < q->n_documents; j++)
            if (span_eq(p->documents[i].pub.name, q->documents[j].pub.name))
                diff_meanings_of(c, &p->documents[i], &q->documents[j]);
}

static void diff_grades(struct changes *c)
{
    const struct diff_names *n = c->names;
    for (unsigned v = 0; v < n->both.dim[DIM_FIELD].n; v++) {
        uint16_t old = n->own[DIFF_OLD][DIM_FIELD][v], new = n->own[DIFF_NEW][DIM_FIELD][v];
        if (!bits_has(&n->common[DIM_FIELD], v) || n->side[0]->dim[DIM_FIELD].n == 0 ||
            n->side[1]->dim[DIM_FIELD].n == 0)
            continue;
        unsigned a = policy_field_grade(n->side[DIFF_OLD], old),
                 b = policy_field_grade(n->side[DIFF_NEW], new);
        if (a == b)
            continue;
        struct policy_change *change = diff_change(c, CHANGE_GRADE);
        struct change_rest *rest = ARENA_NEW(c->arena, struct change_rest);
        change->name = policy_name(&n->both, DIM_FIELD, v);
        change->differs = b < a ? DIFFERS_FEWER : DIFFERS_WIDER;
        change->effect = policy_effect_of(change->differs, false);
        change->rest = rest;
        *rest = (struct change_rest){.number = {a, b}};
    }
}

static void diff_sources(struct changes *c, enum policy_kind k)
{
    const struct diff_names *n = c->names;
    for (unsigned i = 0; i < n->both.kind[k].n; i++) {
        uint16_t old = n->kind_own[DIFF_OLD][k][i], new = n->kind_own[DIFF_NEW][k][i];
        if (old == POLICY_NONE || new == POLICY_NONE)
            continue;
        struct span a = policy_kind_source(n->side[DIFF_OLD], k, old),
                    b = policy_kind_source(n->side[DIFF_NEW], k, new);
        if (span_eq(a, b))
            continue;
        struct policy_change *change = diff_change(c, CHANGE_SOURCE);
        struct change_rest *rest = ARENA_NEW(c->arena, struct change_rest);
        change->name = policy_kind_name(&n->both, k, i);
        change->differs = DIFFERS_OTHER;
        change->effect = EFFECT_REDUCES;
        change->rest = rest;
        *rest = (struct change_rest){.text = {a, b}, .fact = k == KIND_FACT};
    }
}

void policy_diff_rest(struct changes *c)
{
    diff_duties(c);
    diff_promises(c);
    diff_meanings(c);
    diff_grades(c);
    diff_sources(c, KIND_NEED);
    diff_sources(c, KIND_FACT);
}
