// SPDX-License-Identifier: Apache-2.0
/* policy_promises.c: the promises of the documents, and those that somebody asks about; and what could be
 * shown without a mask. */
#include "policy_prove_impl.h"

/* ---- When the policy is compiled. */

static void say_broken(const struct analysis *a, const struct promise *promise, const struct breaks *breaks,
                       unsigned i)
{
    const struct broken *b = &breaks->list[i];
    struct text how = text_new(a->scratch, 128), where = text_new(a->scratch, 256);
    policy_broken_put(a->p, b, &how);
    policy_region_put(a->p, &breaks->box, &breaks->hulls[i], &where);
    a->l->clause = promise->clause;
    policy_say(a->l, MSG_BROKEN_PROMISE, promise->place, "this promise is broken: %.*s (%.*s)",
               SPAN_F(text_span(&how)), SPAN_F(text_span(&where)));
    if (b->norm < a->p->n_norms)
        policy_say_other(a->l, a->p->norms[b->norm].place);
    policy_say_witness(a->l, &breaks->hulls[i].at);
    a->l->clause = POLICY_NONE;
}

void policy_analyse_promises(struct analysis *a)
{
    struct breaks breaks;
    for (size_t i = 0; i < a->p->n_promises; i++) {
        struct arena_mark mark = arena_mark(a->scratch);
        policy_prove_promise(a->p, &a->p->promises[i], &breaks, a->scratch);
        for (unsigned k = 0; k < breaks.n; k++)
            say_broken(a, &a->p->promises[i], &breaks, k);
        arena_release(a->scratch, mark);
    }
}

/* ---- Data of grade 3 or above that we could show as it is. */

#define GRADE_MASKED 3

/* The permission that opened the way is remembered for the message. */
static uint32_t answer_unmasked(struct survey *w, const uint16_t *ground, const struct survey_bind *bind)
{
    size_t *permission = w->arg;
    if (!bind || bind->mask != POLICY_NONE)
        return SURVEY_NOTHING;
    if (*permission == w->p->n_norms)
        *permission = w->p->diagram->grants[ground[1]].norm;
    return 0;
}

/* What we could show, in the box; a hull that was not found: nothing. */
static struct hull walk_unmasked(const struct analysis *a, const struct box *box, size_t *permission)
{
    struct survey w = {.p = a->p, .box = *box, .answer = answer_unmasked, .arg = permission};
    *permission = a->p->n_norms;
    w.hulls = ARENA_NEW(a->scratch, struct hull); /* there is one class */
    policy_survey(&w, a->scratch);
    return w.hulls[0];
}

static void say_unmasked(const struct analysis *a, struct box box, size_t field)
{
    const struct word *word = &a->p->dim[DIM_FIELD].members[field];
    size_t permission = 0;
    box.value[DIM_FIELD] = (struct bits){{0}};
    bits_add(&box.value[DIM_FIELD], field);
    struct hull h = walk_unmasked(a, &box, &permission);
    if (!h.found)
        return;
    policy_warn(a->l, MSG_UNMASKED, word->place,
                "'%.*s' is of grade %u, and we may display it without a mask", SPAN_F(word->name),
                a->p->grade[field]);
    policy_say_other(a->l, a->p->norms[permission].place);
    policy_say_witness(a->l, &h.at);
}

/* The box of all that we may display of these grades; false: it is empty. */
static bool display_box(const struct analysis *a, struct box *box)
{
    unsigned display = policy_find(a->p, DIM_OPERATION, SPAN("display"));
    struct bits us = {{0}}, high = {{0}}, shown = {{0}};
    if (display == POLICY_NONE || !policy_name_set(a->p, DIM_ACTOR, SPAN("us"), &us))
        return false;
    for (size_t field = 0; field < a->p->dim[DIM_FIELD].n; field++)
        if (a->p->grade[field] >= GRADE_MASKED)
            bits_add(&high, field);
    bits_add(&shown, display);
    *box = policy_box_all(a->p);
    box->value[DIM_OPERATION] = shown;
    box->value[DIM_ACTOR] = us;
    box->value[DIM_FIELD] = high;
    return !bits_empty(&high) && !bits_empty(&us);
}

/* One walk over all of them tells which; then one for each of those, for a request. */
void policy_analyse_masks(struct analysis *a)
{
    struct box box;
    size_t permission = 0;
    if (!display_box(a, &box))
        return;
    struct hull h = walk_unmasked(a, &box, &permission);
    for (size_t field = 0; field < a->p->dim[DIM_FIELD].n && h.found; field++)
        if (bits_has(&h.value[DIM_FIELD], field))
            say_unmasked(a, box, field);
}

/* ---- When somebody asks. */

static void put_region(const struct policy *p, const struct breaks *breaks, unsigned i, struct arena *a,
                       struct policy_region *out)
{
    const struct broken *b = &breaks->list[i];
    struct text why = text_new(a, 64), words = text_new(a, 128), witness = text_new(a, 128);
    policy_broken_put(p, b, &why);
    policy_region_put(p, &breaks->box, &breaks->hulls[i], &words);
    policy_request_put(p, &breaks->hulls[i].at, &witness);
    *out = (struct policy_region){.clause = b->norm < p->n_norms ? p->norms[b->norm].clause : POLICY_NONE,
                                  .why = text_span(&why),
                                  .where = text_span(&words),
                                  .witness = text_span(&witness)};
}

/* On one line, however it was wrapped. */
static struct span on_one_line(struct arena *a, struct span s)
{
    struct text t = text_new(a, s.len + 1);
    bool blank = false;
    for (size_t i = 0; i < s.len; i++) {
        bool now = s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\r';
        if (!now || !blank)
            text_char(&t, now ? ' ' : (char)s.p[i]);
        blank = now;
    }
    return text_span(&t);
}

static void prove_one(const struct policy *p, const struct promise *promise, struct arena *a,
                      struct policy_proof *out)
{
    struct arena *scratch = arena_new(1 << 16);
    struct breaks breaks;
    policy_prove_promise(p, promise, &breaks, scratch);
    *out = (struct policy_proof){
        .sentence = on_one_line(a, promise->sentence), .clause = promise->clause, .n = breaks.n};
    out->regions = ARENA_ARRAY(a, breaks.n + 1, struct policy_region);
    for (unsigned i = 0; i < breaks.n; i++)
        put_region(p, &breaks, i, a, &out->regions[i]);
    arena_free(scratch);
}

static enum err fail_sentence(const struct policy_messages *m, struct fail *f)
{
    if (m->n == 0) {
        fail_hint(f, "write `WHO must never ACT`, `WHO may always ACT` or `every allowed ACT must ...`");
        return fail_set(f, ERR_BAD_VALUE, "this is not a promise");
    }
    fail_where(f, "%.*s:%u:%u", SPAN_F(m->list[0].file), m->list[0].line, m->list[0].column);
    fail_set(f, ERR_BAD_VALUE, "%.*s", SPAN_F(m->list[0].message));
    return ERR_BAD_VALUE;
}

/* Reads the sentence with the policy's names, into a policy that has nothing but these. */
static enum err prove_sentence(const struct policy *p, struct span sentence, struct arena *a,
                               struct policy_proofs *out, struct fail *f)
{
    bool stop = sentence.len > 0 && sentence.p[sentence.len - 1] == '.';
    struct policy_source source = {SPAN("sentence"),
                                   arena_fmt(a, "%.*s%s", SPAN_F(sentence), stop ? "" : ".")};
    struct policy names = *p;
    struct policy_messages m = {0};
    struct source_file file = {.name = source.name};
    struct load l = {.arena = a, .p = &names, .m = &m, .files = &file, .n_files = 1, .clause = POLICY_NONE};
    l.declared[KIND_DEED] = true;
    names.n_norms = names.n_promises = names.n_duties = 0;
    names.norms = NULL;
    names.promises = NULL;
    names.duties = NULL;
    if (!policy_source_open(&l, 0, &source))
        return fail_sentence(&m, f);
    const struct promise *promise = policy_read_promise(&l, (struct place){0, 0, (uint32_t)source.text.len});
    if (!promise)
        return fail_sentence(&m, f);
    out->list = ARENA_ARRAY(a, 1, struct policy_proof);
    prove_one(p, promise, a, &out->list[out->n++]);
    return OK;
}

enum err policy_prove(const struct policy *p, struct span sentence, struct arena *a,
                      struct policy_proofs *out, struct fail *f)
{
    *out = (struct policy_proofs){0};
    if (sentence.len > 0)
        return prove_sentence(p, span_trim(sentence), a, out, f);
    out->list = ARENA_ARRAY(a, p->n_promises + 1, struct policy_proof);
    for (size_t i = 0; i < p->n_promises; i++)
        prove_one(p, &p->promises[i], a, &out->list[out->n++]);
    return OK;
}
