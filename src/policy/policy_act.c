// SPDX-License-Identifier: Apache-2.0
/* policy_act.c: the parts that norms and promises are made of. Names are resolved where they stand: position
 * says which dimension or kind a name must be. */
#include "policy_parse_impl.h"

#define FORMULA_DEPTH_MAX 16  /* brackets; nobody reads three */
#define FORMULA_NAMES_MAX 256 /* of one formula: more cannot fit 64 terms in any sensible way */

/* ---- Names of a dimension. */

static bool say_unknown(struct parse *s, const struct token *t, const char *one, const struct nearest *near)
{
    struct load *l = s->load;
    struct span known = policy_known_as(l->p, t->text, l->arena);
    if (l->catalogue_broken)
        return false; /* the catalogue's own errors come first; this may well be one of the names they hide */
    if (known.len > 0)
        return policy_say(l, MSG_NAME, t->place, "%.*s; %s must stand here", SPAN_F(known), one);
    return policy_say(l, MSG_NAME, t->place, "there is no %s called '%.*s'%.*s", strchr(one, ' ') + 1,
                      SPAN_F(t->text), SPAN_F(policy_nearest_text(near, l->arena)));
}

bool parse_dimension_name(struct parse *s, enum policy_dimension d, struct bits *set)
{
    struct token t;
    struct policy *p = s->load->p;
    const char *one = policy_dimension_noun[d].one;
    if (parse_word(s, WORD_ANY)) {
        policy_whole(p, d, set);
        return true;
    }
    if (!parse_name(s, one, &t))
        return false;
    if (policy_name_set(p, d, t.text, set))
        return true;
    struct nearest near = policy_nearest(t.text);
    policy_nearest_dimension(&near, p, d);
    if (d == DIM_ACTOR)
        policy_nearest_try(&near, SPAN("we"));
    return say_unknown(s, &t, one, &near);
}

static bool say_join(struct parse *s, enum policy_word join)
{
    return policy_say(s->load, MSG_SYNTAX, parse_peek(s)->place, "in this list write ',' or '%s', not '%.*s'",
                      policy_word_text(join), SPAN_F(parse_peek(s)->text));
}

bool parse_dimension_list(struct parse *s, enum policy_dimension d, enum policy_word join, struct bits *set)
{
    do {
        if (!parse_dimension_name(s, d, set))
            return false;
    } while (parse_more(s, join));
    enum policy_word other = join == WORD_OR ? WORD_AND : WORD_OR;
    return !parse_is(s, other) || say_join(s, join);
}

/* `we` is the actor group `us`. */
bool parse_actor(struct parse *s, struct bits *set)
{
    struct place at = parse_peek(s)->place;
    if (!parse_word(s, WORD_WE))
        return parse_dimension_name(s, DIM_ACTOR, set);
    if (policy_name_set(s->load->p, DIM_ACTOR, SPAN("us"), set) || s->load->catalogue_broken)
        return true;
    return policy_say(s->load, MSG_NAME, at, "no catalogue says who 'we' is; declare the actor group 'us'");
}

bool parse_actors(struct parse *s, struct bits *set)
{
    if (parse_is(s, WORD_WE))
        return parse_actor(s, set);
    return parse_dimension_list(s, DIM_ACTOR, WORD_OR, set);
}

bool parse_kind_name(struct parse *s, enum policy_kind k, unsigned *out)
{
    struct token t;
    const char *one = policy_kind_noun[k].one;
    if (!parse_name(s, one, &t))
        return false;
    *out = policy_kind_find(s->load->p, k, t.text);
    if (*out != POLICY_NONE)
        return true;
    struct nearest near = policy_nearest(t.text);
    policy_nearest_kind(&near, s->load->p, k);
    return say_unknown(s, &t, one, &near);
}

/* A policy whose catalogues declare no deed at all names deeds by using them; one that declares some declares
 * all. */
bool parse_deed(struct parse *s, unsigned *out)
{
    struct load *l = s->load;
    const struct token *t = parse_peek(s);
    if (!parse_is_name(t))
        return parse_unexpected(s, "'have', 'mask as' or a deed");
    *out = policy_kind_find(l->p, KIND_DEED, t->text);
    if (*out == POLICY_NONE && policy_kind_find(l->p, KIND_NEED, t->text) != POLICY_NONE)
        return policy_say(l, MSG_NAME, t->place, "'%.*s' is a need; write 'have %.*s'", SPAN_F(t->text),
                          SPAN_F(t->text));
    if (*out == POLICY_NONE && l->declared[KIND_DEED])
        return parse_kind_name(s, KIND_DEED, out);
    if (*out == POLICY_NONE && l->p->kind[KIND_DEED].n == 64)
        return policy_say(l, MSG_NAME, t->place, "a policy has at most 64 deeds");
    if (*out == POLICY_NONE)
        *out = policy_word_add(l->arena, &l->p->kind[KIND_DEED], t->text, t->place);
    return parse_kind(s, TOKEN_NAME);
}

/* ---- Formulas. */

struct formula_parse {
    struct parse *s;
    enum formula_use use;
    unsigned depth, names;
};

static bool formula_or_and(struct formula_parse *f, struct formula *out);

static bool say_wrong_kind(struct parse *s, const struct token *t, bool is_need)
{
    int n = (int)t->text.len;
    const char *name = (const char *)t->text.p;
    if (is_need)
        return policy_say(s->load, MSG_NAME, t->place,
                          "'%.*s' is a need, it can be obtained; write 'only with %.*s'", n, name, n, name);
    return policy_say(s->load, MSG_NAME, t->place,
                      "'%.*s' is a fact, it cannot be obtained; write 'when %.*s'", n, name, n, name);
}

static bool formula_unknown(struct formula_parse *f, const struct token *t)
{
    struct nearest near = policy_nearest(t->text);
    if (f->use != USE_NEEDS)
        policy_nearest_kind(&near, f->s->load->p, KIND_FACT);
    if (f->use != USE_FACTS)
        policy_nearest_kind(&near, f->s->load->p, KIND_NEED);
    static const char *const one[] = {
        [USE_FACTS] = "a fact", [USE_NEEDS] = "a need", [USE_BOTH] = "a fact or need"};
    return say_unknown(f->s, t, one[f->use], &near);
}

static bool formula_name(struct formula_parse *f, struct formula *out)
{
    static const char *const one[] = {
        [USE_FACTS] = "a fact", [USE_NEEDS] = "a need", [USE_BOTH] = "a fact or need"};
    struct parse *s = f->s;
    struct token t;
    if (!parse_name(s, one[f->use], &t))
        return false;
    if (++f->names > FORMULA_NAMES_MAX)
        return policy_say(s->load, MSG_SYNTAX, t.place, "this formula is too long");
    unsigned fact = policy_kind_find(s->load->p, KIND_FACT, t.text);
    unsigned need = policy_kind_find(s->load->p, KIND_NEED, t.text);
    if (fact != POLICY_NONE && f->use != USE_NEEDS) {
        *out = policy_formula_fact(s->load->arena, fact);
        return true;
    }
    if (need != POLICY_NONE && f->use != USE_FACTS) {
        *out = policy_formula_need(s->load->arena, need);
        return true;
    }
    if (fact != POLICY_NONE || need != POLICY_NONE)
        return say_wrong_kind(s, &t, need != POLICY_NONE);
    return formula_unknown(f, &t);
}

static bool formula_brackets(struct formula_parse *f, struct formula *out)
{
    struct place at = parse_peek(f->s)->place;
    if (f->depth == FORMULA_DEPTH_MAX)
        return policy_say(f->s->load, MSG_SYNTAX, at, "brackets are nested too deep here");
    f->s->at++;
    f->depth++;
    bool ok = formula_or_and(f, out) && parse_need_kind(f->s, TOKEN_CLOSE, "'and', 'or' or ')'");
    f->depth--;
    return ok;
}

static bool say_large(struct parse *s, struct place at)
{
    return policy_say(s->load, MSG_SYNTAX, at, "this formula has more than %d cases; split the sentence",
                      FORMULA_TERMS_MAX);
}

/* Needs cannot be negated: holding one more need must never worsen an answer. */
static bool formula_term(struct formula_parse *f, struct formula *out)
{
    struct place at = parse_peek(f->s)->place;
    bool negated = parse_word(f->s, WORD_NOT);
    if (negated && f->use == USE_NEEDS)
        return policy_say(f->s->load, MSG_SYNTAX, at, "a need cannot be forbidden: 'not' has no place here");
    bool ok = parse_is_kind(f->s, TOKEN_OPEN) ? formula_brackets(f, out) : formula_name(f, out);
    if (!ok || !negated)
        return ok;
    struct formula inner = *out;
    return policy_formula_not(f->s->load->arena, inner, out) || say_large(f->s, at);
}

static bool say_mixed(struct parse *s)
{
    return policy_say(s->load, MSG_SYNTAX, parse_peek(s)->place,
                      "'and' and 'or' are mixed; say with brackets which belong together");
}

static bool formula_or_and(struct formula_parse *f, struct formula *out)
{
    struct arena *a = f->s->load->arena;
    enum policy_word join = WORD_NONE;
    if (!formula_term(f, out))
        return false;
    while (parse_is(f->s, WORD_AND) || parse_is(f->s, WORD_OR)) {
        struct place at = parse_peek(f->s)->place;
        struct formula left = *out, right;
        if (join != WORD_NONE && !parse_is(f->s, join))
            return say_mixed(f->s);
        join = parse_peek(f->s)->word;
        f->s->at++;
        if (!formula_term(f, &right))
            return false;
        bool fits = join == WORD_AND ? policy_formula_and(a, left, right, out)
                                     : policy_formula_or(a, left, right, out);
        if (!fits)
            return say_large(f->s, at);
    }
    return true;
}

bool parse_formula(struct parse *s, enum formula_use use, struct formula *out)
{
    struct formula_parse f = {.s = s, .use = use};
    return formula_or_and(&f, out);
}

bool parse_have(struct parse *s, struct formula *out)
{
    struct formula_parse f = {.s = s, .use = USE_NEEDS};
    return parse_is_kind(s, TOKEN_OPEN) ? formula_brackets(&f, out) : formula_name(&f, out);
}

/* ---- Data. */

static bool grade_fits(unsigned grade, uint32_t wanted, enum policy_word side)
{
    if (side == WORD_ABOVE)
        return grade >= wanted;
    return side == WORD_BELOW ? grade <= wanted : grade == wanted;
}

/* grade 3 [or above | or below] */
static bool data_grade(struct parse *s, struct bits *set)
{
    const struct policy *p = s->load->p;
    uint32_t grade = 0;
    enum policy_word side = WORD_NONE;
    struct place at = parse_peek(s)->place;
    if (!parse_number(s, "a grade from 1 to 5", 5, &grade))
        return false;
    if (grade == 0)
        return policy_say(s->load, MSG_SYNTAX, at, "a grade is a number from 1 to 5");
    if (parse_is(s, WORD_OR)) {
        s->at++;
        side = parse_peek(s)->word;
        if (side != WORD_ABOVE && side != WORD_BELOW)
            return parse_unexpected(s, "'above' or 'below'");
        s->at++;
    }
    for (size_t i = 0; i < p->dim[DIM_FIELD].n; i++)
        if (grade_fits(p->grade[i], grade, side))
            bits_add(set, i);
    return true;
}

static bool data_items(struct parse *s, struct bits *set)
{
    do {
        bool ok = parse_word(s, WORD_GRADE) ? data_grade(s, set) : parse_dimension_name(s, DIM_FIELD, set);
        if (!ok)
            return false;
    } while (parse_more(s, WORD_AND));
    return !parse_is(s, WORD_OR) || say_join(s, WORD_AND);
}

static bool parse_data(struct parse *s, struct bits *set)
{
    struct bits except = {{0}};
    struct place at = parse_peek(s)->place;
    if (!data_items(s, set))
        return false;
    if (parse_word(s, WORD_EXCEPT) && !data_items(s, &except))
        return false;
    bits_drop(set, &except);
    return !bits_empty(set) || s->load->catalogue_broken ||
           policy_say(s->load, MSG_NAME, at,
                      "no data is left here: the exception takes it all, or nothing has this grade");
}

/* ---- Parts. */

void policy_act_init(struct load *l, struct act *act)
{
    *act = (struct act){.when = policy_formula_true(l->arena), .needs = policy_formula_true(l->arena)};
    act->until.event = POLICY_NONE;
}

static bool say_part_twice(struct parse *s, enum policy_dimension d)
{
    return policy_say(s->load, MSG_SYNTAX, parse_peek(s)->place,
                      "this sentence names %s twice; write one list", policy_dimension_noun[d].one);
}

static bool part_list(struct parse *s, struct act *act, enum policy_dimension d)
{
    if (act->named[d])
        return say_part_twice(s, d);
    act->named[d] = true;
    s->at++;
    return parse_dimension_list(s, d, WORD_OR, &act->set[d]);
}

/* `in` takes services and jurisdictions; the first name says which. */
static bool part_in(struct parse *s, struct act *act)
{
    struct bits ignored = {{0}};
    struct span first = parse_ahead(s, 1)->text;
    bool place = policy_name_set(s->load->p, DIM_JURISDICTION, first, &ignored) &&
                 !policy_name_set(s->load->p, DIM_SERVICE, first, &ignored);
    return part_list(s, act, place ? DIM_JURISDICTION : DIM_SERVICE);
}

static bool part_basis(struct parse *s, struct act *act)
{
    s->at++;
    if (!parse_need_word(s, WORD_BASIS))
        return false;
    if (!parse_is(s, WORD_OF))
        return parse_unexpected(s, "'of' and a basis");
    return part_list(s, act, DIM_BASIS);
}

static bool part_facts(struct parse *s, struct act *act, enum formula_use use)
{
    struct formula f, before = act->when;
    struct arena *a = s->load->arena;
    struct place at = parse_peek(s)->place;
    bool unless = parse_is(s, WORD_UNLESS);
    s->at++;
    if (!parse_formula(s, use, &f))
        return false;
    if (unless) {
        struct formula inner = f;
        if (!policy_formula_not(a, inner, &f))
            return say_large(s, at);
    }
    return policy_formula_and(a, before, f, &act->when) || say_large(s, at);
}

static bool part_needs(struct parse *s, struct act *act)
{
    act->needs_place = parse_peek(s)->place;
    if (act->has_needs)
        return policy_say(s->load, MSG_SYNTAX, act->needs_place,
                          "'only with' stands twice; join the needs with 'and'");
    act->has_needs = true;
    s->at++;
    return parse_need_word(s, WORD_WITH) && parse_formula(s, USE_NEEDS, &act->needs);
}

/* until [DURATION after] EVENT */
static bool part_until(struct parse *s, struct act *act)
{
    struct span unit;
    act->until_place = parse_peek(s)->place;
    if (act->until.event != POLICY_NONE)
        return policy_say(s->load, MSG_SYNTAX, act->until_place, "'until' stands twice");
    s->at++;
    if (parse_is_kind(s, TOKEN_NUMBER) &&
        !(parse_duration(s, &act->until.number, &act->until.unit, &unit) && parse_need_word(s, WORD_AFTER)))
        return false;
    return parse_kind_name(s, KIND_EVENT, &act->until.event);
}

/* A `to` or `when` that opens a line before a name that fits no such part begins the next sentence: the full
 * stop is missing. A name nearly that of a party was meant as one. */
static bool opens_sentence(const struct parse *s)
{
    struct policy *p = s->load->p;
    const struct token *t = parse_peek(s), *name = parse_ahead(s, 1);
    struct bits ignored = {{0}};
    if (!t->first || !parse_is_name(name))
        return false;
    if (t->word == WORD_WHEN)
        return policy_kind_find(p, KIND_EVENT, name->text) != POLICY_NONE &&
               policy_kind_find(p, KIND_FACT, name->text) == POLICY_NONE;
    if (t->word != WORD_TO || policy_name_set(p, DIM_PARTY, name->text, &ignored))
        return false;
    if (policy_name_set(p, DIM_OPERATION, name->text, &ignored))
        return true;
    struct nearest near = policy_nearest(name->text);
    policy_nearest_dimension(&near, p, DIM_PARTY);
    return !s->load->catalogue_broken && near.best.len == 0 &&
           policy_known_as(p, name->text, s->load->arena).len == 0;
}

/* One part; *more is false when none follows. */
static bool parse_part(struct parse *s, enum formula_use use, struct act *act, bool *more)
{
    if (opens_sentence(s)) {
        *more = false;
        return true;
    }
    switch (parse_peek(s)->word) {
    case WORD_FROM:
    case WORD_WITH:
    case WORD_TO:
        return part_list(s, act, DIM_PARTY);
    case WORD_FOR:
        return part_list(s, act, DIM_PURPOSE);
    case WORD_IN:
        return part_in(s, act);
    case WORD_ON:
        return part_basis(s, act);
    case WORD_WHEN:
    case WORD_UNLESS:
        return part_facts(s, act, use);
    case WORD_ONLY:
        return part_needs(s, act);
    case WORD_UNTIL:
        return part_until(s, act);
    default:
        *more = false;
        return true;
    }
}

bool parse_act(struct parse *s, enum formula_use facts_use, struct act *act)
{
    bool more = true;
    act->named[DIM_OPERATION] = act->named[DIM_FIELD] = true;
    if (!parse_dimension_list(s, DIM_OPERATION, WORD_AND, &act->set[DIM_OPERATION]) ||
        !parse_data(s, &act->set[DIM_FIELD]))
        return false;
    if (parse_is(s, WORD_OF) && !part_list(s, act, DIM_SUBJECT))
        return false;
    while (more)
        if (!parse_part(s, facts_use, act, &more))
            return false;
    for (int d = 0; d < DIM_COUNT; d++)
        if (!act->named[d] && d != DIM_ACTOR)
            policy_whole(s->load->p, (enum policy_dimension)d, &act->set[d]);
    return true;
}
