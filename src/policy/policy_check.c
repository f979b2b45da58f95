// SPDX-License-Identifier: Apache-2.0
/* policy_check.c: what is wrong with the whole, once every sentence is right by itself. Contradictions,
 * silent liftings, overlaps, dead and redundant norms and promises need the compiled diagram (section 4). */
#include "policy_impl.h"

/* ---- A field that nothing says how long to keep. */

unsigned policy_keeping(const struct policy *p)
{
    unsigned store = policy_find(p, DIM_OPERATION, SPAN("store"));
    return store != POLICY_NONE ? store : policy_find(p, DIM_OPERATION, SPAN("keep"));
}

struct bits policy_kept_fields(const struct policy *p)
{
    struct bits kept = {{0}};
    unsigned keeping = policy_keeping(p);
    for (size_t i = 0; i < p->n_norms && keeping != POLICY_NONE; i++) {
        const struct norm *n = &p->norms[i];
        if (n->kind == NORM_GRANT && n->act.until.event != POLICY_NONE &&
            bits_has(&n->act.set[DIM_OPERATION], keeping))
            bits_join(&kept, &n->act.set[DIM_FIELD]);
    }
    return kept;
}

static size_t first_of(const struct bits *set, const struct bits *scope, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bits_has(set, i) && (!scope || bits_has(scope, i)))
            return i;
    return POLICY_NONE;
}

/* A request that the permission speaks of, for this field; false if its document's scope leaves none. */
static bool request_of(const struct policy *p, const struct norm *n, size_t field, struct policy_request *q)
{
    const struct document *doc = &p->documents[n->document];
    *q = (struct policy_request){.facts = n->act.when.n ? n->act.when.terms[0].facts_value : 0,
                                 .facts_known = UINT64_MAX,
                                 .needs = n->act.needs.n ? n->act.needs.terms[0].needs : 0};
    for (int d = 0; d < DIM_COUNT; d++) {
        size_t v = first_of(&n->act.set[d], doc->scoped[d] ? &doc->scope[d] : NULL, p->dim[d].n);
        if (v == POLICY_NONE && p->dim[d].n > 0)
            return false;
        q->value[d] = v == POLICY_NONE ? 0 : (uint16_t)v;
    }
    q->value[DIM_FIELD] = (uint16_t)field;
    return true;
}

/* By which permission there is such a value at all: the first one written. */
static void say_held(struct load *l, size_t field)
{
    const struct policy *p = l->p;
    const struct norm *first = NULL;
    struct policy_request q, at;
    for (size_t i = 0; i < p->n_norms; i++) {
        const struct norm *n = &p->norms[i];
        bool earlier = !first || n->order < first->order;
        if (n->kind != NORM_GRANT || !bits_has(&n->act.set[DIM_FIELD], field) || !earlier ||
            !request_of(p, n, field, &at))
            continue;
        first = n;
        q = at;
    }
    if (!first)
        return;
    policy_say_other(l, first->place);
    policy_say_witness(l, &q);
}

/* One message for each category: its fields without a keep rule, at the first of them. */
static void check_category_kept(struct load *l, unsigned category, const struct bits *kept)
{
    const struct policy *p = l->p;
    const struct word *first = NULL;
    struct text names = text_new(l->arena, 128);
    for (size_t i = 0; i < p->dim[DIM_FIELD].n; i++) {
        if (p->category[i] != category || bits_has(kept, i))
            continue;
        text_str(&names, first ? ", " : "");
        text_put(&names, p->dim[DIM_FIELD].members[i].name);
        first = first ? first : &p->dim[DIM_FIELD].members[i];
    }
    if (!first)
        return;
    policy_say(l, MSG_NO_KEEP_RULE, first->place, "no 'keep' or 'store' sentence with 'until' covers %.*s",
               SPAN_F(text_span(&names)));
    say_held(l, (size_t)(first - p->dim[DIM_FIELD].members));
}

static void check_kept(struct load *l)
{
    struct bits kept = policy_kept_fields(l->p);
    for (unsigned c = 0; c < l->p->kind[KIND_CATEGORY].n; c++)
        check_category_kept(l, c, &kept);
}

/* ---- Purposes and parties that no grant names. */

/* The first written that speaks of it: a permission that names none and so reaches all, else any sentence. */
static const struct norm *first_about(const struct policy *p, enum policy_dimension d, size_t value,
                                      bool grant, struct policy_request *q)
{
    const struct norm *first = NULL;
    struct policy_request at;
    for (size_t i = 0; i < p->n_norms; i++) {
        const struct norm *n = &p->norms[i];
        bool about = grant ? n->kind == NORM_GRANT : n->act.named[d];
        if (!about || !bits_has(&n->act.set[d], value) || (first && n->order > first->order) ||
            !request_of(p, n, first_of(&n->act.set[DIM_FIELD], NULL, p->dim[DIM_FIELD].n), &at))
            continue;
        first = n;
        *q = at;
        q->value[d] = (uint16_t)value;
    }
    return first;
}

static void say_unused(struct load *l, enum policy_dimension d, size_t value)
{
    const struct word *w = &l->p->dim[d].members[value];
    struct policy_request q;
    const struct norm *n = first_about(l->p, d, value, true, &q);
    if (n)
        policy_warn(l, MSG_UNUSED, w->place,
                    "no permission names the %s '%.*s'; one that names none reaches it all the same",
                    policy_dimension_word[d], SPAN_F(w->name));
    else
        policy_warn(l, MSG_UNUSED, w->place, "no permission names the %s '%.*s'", policy_dimension_word[d],
                    SPAN_F(w->name));
    n = n ? n : first_about(l->p, d, value, false, &q);
    if (!n)
        return;
    policy_say_other(l, n->place);
    policy_say_witness(l, &q);
}

static void check_used(struct load *l, enum policy_dimension d)
{
    struct policy *p = l->p;
    struct bits used = {{0}};
    for (size_t i = 0; i < p->n_norms; i++)
        if (p->norms[i].kind == NORM_GRANT && p->norms[i].act.named[d])
            bits_join(&used, &p->norms[i].act.set[d]);
    for (size_t i = 0; i < p->dim[d].n; i++) {
        const struct word *w = &p->dim[d].members[i];
        /* `own` is the engine's word for "nobody else", named by no one. */
        if (!bits_has(&used, i) && !(d == DIM_PARTY && span_is(w->name, "own")))
            say_unused(l, d, i);
    }
}

/* ---- Sections that no block covers. */

static bool has_block(const struct source_file *f, uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < f->n_blocks; i++)
        if (f->blocks[i].line > from && f->blocks[i].line < to)
            return true;
    return false;
}

static void check_covered(struct load *l, const struct source_file *f)
{
    for (size_t i = 0; i < f->n_headings; i++) {
        const struct heading *h = &f->headings[i];
        uint32_t end = i + 1 < f->n_headings ? f->headings[i + 1].line : UINT32_MAX;
        if (h->prose && !has_block(f, h->line, end))
            policy_warn(l, MSG_UNCOVERED, h->place,
                        "no rule and no plain block in this section says what it enforces");
    }
}

/* One file of prose is a slip; a folder of nothing else is the wrong folder, and would forbid everything. */
static void check_coverage(struct load *l)
{
    bool any = false;
    for (unsigned i = 0; i < l->n_files; i++)
        any |= l->files[i].n_blocks > 0;
    for (unsigned i = 0; i < l->n_files; i++) {
        struct place top = {i, 0, 0};
        if (l->files[i].n_blocks > 0)
            check_covered(l, &l->files[i]);
        else if (any)
            policy_warn(l, MSG_UNCOVERED, top, "nothing in this file is read: it holds no block");
        else
            policy_say(l, MSG_SYNTAX, top, "nothing in this folder is read: no file of it holds a block");
    }
}

void policy_check_all(struct load *l)
{
    if (l->m->errors > 0) /* what follows would only repeat that a sentence could not be read */
        return;
    check_coverage(l);
    check_kept(l);
    check_used(l, DIM_PURPOSE);
    check_used(l, DIM_PARTY);
}
