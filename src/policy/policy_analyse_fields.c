// SPDX-License-Identifier: Apache-2.0
/*
 * policy_analyse_fields.c: what we may do with single fields, and should not: keep them without a time limit,
 * show them without a mask.
 *
 * One walk over all fields tells which; then one for each of those, or for each category, for a request.
 */
#include "policy_prove_impl.h"

#define GRADE_MASKED 3

/* What a walk looks for; the permission that opened the way is remembered for the message. */
struct finding {
    uint32_t (*answer)(struct survey *w, const uint16_t *ground, const struct survey_bind *bind);
    size_t permission;
};

/* What there is of it in the box; a hull that was not found: nothing. */
static struct hull walk_box(const struct analysis *a, const struct box *box, struct finding *f)
{
    struct survey w = {.p = a->p, .box = *box, .answer = f->answer, .arg = f};
    f->permission = a->p->n_norms;
    w.hulls = ARENA_NEW(a->scratch, struct hull); /* there is one class */
    policy_survey(&w, a->scratch);
    return w.hulls[0];
}

static struct hull walk_field(const struct analysis *a, struct box box, size_t field, struct finding *f)
{
    box.value[DIM_FIELD] = (struct bits){{0}};
    bits_add(&box.value[DIM_FIELD], field);
    return walk_box(a, &box, f);
}

/* The box of this operation by us with these fields; false: it is empty. */
static bool our_box(const struct analysis *a, unsigned operation, const struct bits *fields, struct box *box)
{
    struct bits us = {{0}}, only = {{0}};
    if (operation == POLICY_NONE || !policy_name_set(a->p, DIM_ACTOR, SPAN("us"), &us))
        return false;
    bits_add(&only, operation);
    *box = policy_box_all(a->p);
    box->value[DIM_OPERATION] = only;
    box->value[DIM_ACTOR] = us;
    box->value[DIM_FIELD] = *fields;
    return !bits_empty(fields) && !bits_empty(&us);
}

static void say_found(const struct analysis *a, const struct finding *f, const struct hull *h)
{
    policy_say_other(a->l, a->p->norms[f->permission].place);
    policy_say_witness(a->l, &h->at);
}

/* ---- Fields that a sentence with 'until' names, but not for everybody. */

#define ENDLESS_STEPS_MAX 4096 /* ways to fulfil conditions; with more, a way without a limit is assumed */

struct endless {
    const struct diagram *g;
    const uint16_t *ground;
    const struct survey_bind *bind;
    unsigned steps;
    uint64_t needs; /* with which nothing limits the time */
};

static bool has_limit(const struct diagram *g, const struct diagram_grant *grant)
{
    return g->limits[grant->limit].event != POLICY_NONE;
}

/* A permission with a time limit goes before all others, as grant_better decides. */
static bool limited(const struct endless *e, uint64_t needs)
{
    for (unsigned i = 0; i < e->ground[0]; i++) {
        const struct diagram_grant *grant = &e->g->grants[e->ground[1 + i]];
        for (unsigned k = 0; k < grant->n_needs && has_limit(e->g, grant); k++)
            if ((e->g->needs[grant->needs + k] & ~needs) == 0)
                return true;
    }
    return false;
}

/* Fulfils one condition after the other, in each way there is. What more is held can only limit. */
static bool endless_with(struct endless *e, uint64_t needs, unsigned have)
{
    if (limited(e, needs))
        return false;
    e->needs = needs;
    if (have == e->bind->n_haves || ++e->steps > ENDLESS_STEPS_MAX)
        return true;
    const struct diagram_have *h = e->bind->have[have];
    for (unsigned k = 0; k < h->n_needs; k++)
        if (endless_with(e, needs | e->g->needs[h->needs + k], have + 1))
            return true;
    return false;
}

static uint32_t answer_endless(struct survey *w, const uint16_t *ground, const struct survey_bind *bind)
{
    struct finding *f = w->arg;
    struct endless e = {.g = w->p->diagram, .ground = ground, .bind = bind};
    for (unsigned i = 0; bind && i < ground[0]; i++) {
        const struct diagram_grant *grant = &e.g->grants[ground[1 + i]];
        for (unsigned k = 0; k < grant->n_needs; k++) {
            if (!endless_with(&e, e.g->needs[grant->needs + k], 0))
                continue;
            f->permission = grant->norm;
            w->at.needs = e.needs;
            return 0;
        }
    }
    return SURVEY_NOTHING;
}

/* One message for each category, at the first of its fields. */
static void say_endless(const struct analysis *a, const struct box *box, unsigned category,
                        const struct bits *fields)
{
    const struct policy *p = a->p;
    struct text names = text_new(a->scratch, 128);
    size_t first = POLICY_NONE;
    struct finding f = {.answer = answer_endless};
    for (size_t i = 0; i < p->dim[DIM_FIELD].n; i++) {
        if (p->category[i] != category || !bits_has(fields, i))
            continue;
        text_fmt(&names, "%s%.*s", first == POLICY_NONE ? "" : ", ",
                 SPAN_F(p->dim[DIM_FIELD].members[i].name));
        first = first == POLICY_NONE ? i : first;
    }
    if (first == POLICY_NONE)
        return;
    struct hull h = walk_field(a, *box, first, &f);
    if (!h.found)
        return;
    policy_say(a->l, MSG_NO_KEEP_RULE, p->dim[DIM_FIELD].members[first].place,
               "a permission without 'until' lets us keep this without end where no other with 'until' "
               "speaks: %.*s",
               SPAN_F(text_span(&names)));
    say_found(a, &f, &h);
}

void policy_analyse_keeping(struct analysis *a)
{
    struct box box;
    struct finding f = {.answer = answer_endless};
    struct bits fields = policy_kept_fields(a->p);
    if (!our_box(a, policy_keeping(a->p), &fields, &box))
        return;
    struct hull h = walk_box(a, &box, &f);
    for (unsigned c = 0; c < a->p->kind[KIND_CATEGORY].n && h.found; c++)
        say_endless(a, &box, c, &h.value[DIM_FIELD]);
}

/* ---- Data of grade 3 or above that we could show as it is. */

static uint32_t answer_unmasked(struct survey *w, const uint16_t *ground, const struct survey_bind *bind)
{
    struct finding *f = w->arg;
    if (!bind || bind->mask != POLICY_NONE)
        return SURVEY_NOTHING;
    if (f->permission == w->p->n_norms)
        f->permission = w->p->diagram->grants[ground[1]].norm;
    return 0;
}

static void say_unmasked(const struct analysis *a, const struct box *box, size_t field)
{
    const struct word *word = &a->p->dim[DIM_FIELD].members[field];
    struct finding f = {.answer = answer_unmasked};
    struct hull h = walk_field(a, *box, field, &f);
    if (!h.found)
        return;
    policy_warn(a->l, MSG_UNMASKED, word->place,
                "'%.*s' is of grade %u, and we may display it without a mask", SPAN_F(word->name),
                a->p->grade[field]);
    say_found(a, &f, &h);
}

void policy_analyse_masks(struct analysis *a)
{
    struct box box;
    struct bits high = {{0}};
    struct finding f = {.answer = answer_unmasked};
    for (size_t field = 0; field < a->p->dim[DIM_FIELD].n; field++)
        if (a->p->grade[field] >= GRADE_MASKED)
            bits_add(&high, field);
    if (!our_box(a, policy_find(a->p, DIM_OPERATION, SPAN("display")), &high, &box))
        return;
    struct hull h = walk_box(a, &box, &f);
    for (size_t field = 0; field < a->p->dim[DIM_FIELD].n && h.found; field++)
        if (bits_has(&h.value[DIM_FIELD], field))
            say_unmasked(a, &box, field);
}
