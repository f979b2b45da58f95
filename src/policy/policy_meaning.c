// SPDX-License-Identifier: Apache-2.0
/* policy_meaning.c: see policy_meaning_impl.h. */
#include "policy_meaning_impl.h"
#include "policy_vocabulary.h"

#define MEMBERS_MAX 24 /* of a group, told one by one; the rest is counted */

/* ---- Finding. */

static bool find_in_dimension(const struct policy *p, int d, struct span name, struct named *out)
{
    const struct dimension *dim = &p->dim[d];
    *out = (struct named){.dimension = d, .kind = -1};
    for (out->index = 0; out->index < dim->n; out->index++)
        if (span_eq(dim->members[out->index].name, name))
            return true;
    out->group = true;
    for (out->index = 0; out->index < dim->n_groups; out->index++)
        if (span_eq(dim->groups[out->index].name, name))
            return true;
    return false;
}

bool policy_named_find(const struct policy *p, uint32_t dimensions, uint32_t kinds, struct span name,
                       struct named *out)
{
    for (int d = 0; d < DIM_COUNT; d++)
        if ((dimensions >> d & 1) && find_in_dimension(p, d, name, out))
            return true;
    for (int k = 0; k < KIND_COUNT; k++) {
        unsigned i = kinds >> k & 1 ? policy_kind_find(p, (enum policy_kind)k, name) : POLICY_NONE;
        *out = (struct named){.dimension = -1, .kind = k, .index = i};
        if (i != POLICY_NONE)
            return true;
    }
    return false;
}

static const struct word *word_of(const struct policy *p, const struct named *n)
{
    return n->dimension >= 0 ? &p->dim[n->dimension].members[n->index] : &p->kind[n->kind].list[n->index];
}

static const struct group *group_of(const struct policy *p, const struct named *n)
{
    return &p->dim[n->dimension].groups[n->index];
}

struct span policy_named_name(const struct policy *p, const struct named *n)
{
    return n->group ? group_of(p, n)->name : word_of(p, n)->name;
}

struct place policy_named_place(const struct policy *p, const struct named *n)
{
    return n->group ? group_of(p, n)->place : word_of(p, n)->place;
}

/* ---- Telling. */

static const char *const group_noun[DIM_COUNT] = {
    [DIM_OPERATION] = "a group of operations",
    [DIM_ACTOR] = "a group of actors",
    [DIM_SUBJECT] = "a group of subjects",
    [DIM_SERVICE] = "a group of services",
    [DIM_JURISDICTION] = "a group of jurisdictions",
    [DIM_PARTY] = "a group of parties",
    [DIM_PURPOSE] = "a group of purposes",
    [DIM_BASIS] = "a group of bases",
    [DIM_FIELD] = "a group of data",
};

/* A category's fields share its grade. */
static unsigned grade_of(const struct policy *p, const struct named *n)
{
    if (!n->group)
        return p->grade[n->index];
    if (policy_kind_find(p, KIND_CATEGORY, group_of(p, n)->name) == POLICY_NONE)
        return 0;
    for (size_t i = 0; i < p->dim[DIM_FIELD].n; i++)
        if (bits_has(&group_of(p, n)->set, i))
            return p->grade[i];
    return 0;
}

static struct span field_detail(const struct policy *p, const struct named *n, struct arena *a)
{
    unsigned grade = grade_of(p, n);
    if (n->group)
        return grade ? arena_fmt(a, "a category of data, grade %u", grade) : SPAN("a group of data");
    return arena_fmt(a, "data, grade %u, category %.*s", grade,
                     SPAN_F(policy_kind_name(p, KIND_CATEGORY, p->category[n->index])));
}

struct span policy_named_detail(const struct policy *p, const struct named *n, struct arena *a)
{
    if (n->dimension == DIM_FIELD)
        return field_detail(p, n, a);
    if (n->dimension >= 0)
        return span_str(n->group ? group_noun[n->dimension] : policy_dimension_noun[n->dimension].one);
    const struct word *w = word_of(p, n);
    const char *one = policy_kind_noun[n->kind].one;
    return w->words.len ? arena_fmt(a, "%s: %.*s", one, SPAN_F(w->words)) : span_str(one);
}

static void put_members(const struct policy *p, const struct named *n, struct text *t)
{
    const struct dimension *dim = &p->dim[n->dimension];
    size_t told = 0, all = 0;
    for (size_t i = 0; i < dim->n; i++)
        all += bits_has(&group_of(p, n)->set, i);
    text_fmt(t, "\n\n%zu member%s: ", all, all == 1 ? "" : "s");
    for (size_t i = 0; i < dim->n && told < MEMBERS_MAX; i++)
        if (bits_has(&group_of(p, n)->set, i))
            text_fmt(t, "%s%.*s", told++ ? ", " : "", SPAN_F(dim->members[i].name));
    if (told < all)
        text_fmt(t, " and %zu more", all - told);
}

static void put_groups_with(const struct policy *p, const struct named *n, struct text *t)
{
    const struct dimension *dim = &p->dim[n->dimension];
    size_t told = 0;
    for (size_t i = 0; i < dim->n_groups; i++)
        if (bits_has(&dim->groups[i].set, n->index))
            text_fmt(t, "%s%.*s", told++ ? ", " : "\n\nIn the groups: ", SPAN_F(dim->groups[i].name));
}

static void put_line(struct text *t, const char *lead, struct span s)
{
    if (s.len > 0)
        text_fmt(t, "\n\n%s%.*s", lead, SPAN_F(s));
}

void policy_named_put(const struct policy *p, const struct named *n, struct text *t)
{
    struct span name = policy_named_name(p, n), detail = policy_named_detail(p, n, t->arena);
    text_fmt(t, "**%.*s** — %.*s", SPAN_F(name), SPAN_F(detail));
    if (n->group) {
        put_members(p, n, t);
    } else if (n->dimension >= 0) {
        put_groups_with(p, n, t);
    } else {
        put_line(t, "Source: ", word_of(p, n)->source);
        put_line(t, "Missing, it gives the reason: ", word_of(p, n)->reason);
    }
    put_line(t, "Term: ", policy_term(p, name));
    for (size_t i = 0; i < p->n_lexicons; i++)
        put_line(t, "", policy_word_in(p, p->lexicons[i].language, name));
}

void policy_clause_put(const struct policy *p, unsigned clause, struct text *t)
{
    const struct policy_clause *c = &p->clauses[clause];
    const struct policy_document *doc = &p->documents[c->document].pub;
    struct span title = doc->title.len ? doc->title : doc->name;
    text_fmt(t, "**%.*s/%.*s** — %.*s", SPAN_F(doc->name), SPAN_F(c->id), SPAN_F(title));
    if (c->heading.len)
        text_fmt(t, ", %.*s", SPAN_F(c->heading));
    text_fmt(t, "\n\n```%s\n%.*s\n```", c->plain ? "text" : "troth", SPAN_F(c->body));
}

const char *policy_keyword_help(enum policy_word w)
{
    static const char *const help[WORD_COUNT] = {
        [WORD_WE] = "the actor group `us`",
        [WORD_MAY] = "a permission; any one permission whose needs are held is enough",
        [WORD_ALWAYS] = "a promise: proved over every case, never lifted",
        [WORD_NEVER] = "a promise: proved over every case, never lifted",
        [WORD_MUST] = "`must not` is a ban; behind `to ...,` a condition; in a duty, what is to be done",
        [WORD_DESPITE] = "lifts the clauses it names; nothing else lifts a ban",
        [WORD_TO] = "at the start: a condition on doing something; within: with which party",
        [WORD_NEED] = "in a sentence `need not`: waives what the clauses named in `despite` require",
        [WORD_HAVE] = "a need that must be held",
        [WORD_ONLY] = "`only with`: the needs without which the permission does not stand",
        [WORD_WITH] = "the party it goes to; behind `only`, the needs",
        [WORD_FROM] = "the party it comes from; of a need or fact, where it is known",
        [WORD_FOR] = "the purpose",
        [WORD_IN] = "the service or jurisdiction",
        [WORD_OF] = "whose data",
        [WORD_BASIS] = "`on basis of`: the ground that the request claims",
        [WORD_WHEN] = "the facts under which the sentence holds; at the start, a duty's event",
        [WORD_UNLESS] = "the facts under which the sentence does not hold",
        [WORD_UNTIL] = "how long keeping is allowed",
        [WORD_WITHIN] = "the deadline of a duty",
        [WORD_OTHERWISE] =
            "of a need: the reason given when it is missing; of a duty: what follows if it is not done",
        [WORD_EXCEPT] = "takes data out of the list before it",
        [WORD_GRADE] = "the data of a grade, 1 to 5; `or above`, `or below`",
        [WORD_ANY] = "everything there is of this kind",
        [WORD_AS] = "of a ban: the reason it gives; `mask as`: how it is shown",
        [WORD_MASK] = "`mask as`: shown only so",
        [WORD_EVERY] = "a promise on every allowed act",
        [WORD_CATEGORY] = "data of one grade; every field has exactly one category",
        [WORD_DATA] = "a name for several kinds of data, without a grade",
        [WORD_FACT] = "something that simply is so; stands behind `when` and `unless`",
        [WORD_DEED] = "what must be done with an allowance, or by a duty",
        [WORD_AUDIENCE] = "whom a duty tells; stands behind `to`",
        [WORD_CHANNEL] = "by what a duty tells; stands behind `by`",
        [WORD_BY] = "of a duty: the channels",
        [WORD_EVENT] = "what sets a clock going",
        [WORD_PREVAILS] = "the documents that this one outranks",
        [WORD_APPLIES] = "the scope of the document",
        [WORD_MEANS] = "what a word for a time stands for",
        [WORD_REVISION] = "the number of this text and the day it is in force from",
    };
    return w < WORD_COUNT ? help[w] : NULL;
}
