// SPDX-License-Identifier: Apache-2.0
/* policy_region.c: parts of all requests, in words. */
#include "policy_prove_impl.h"

#define NAMES_MAX 8 /* named one by one; a reader counts no further */

/* How a dimension is spoken of, in the order of a sentence. */
static const struct {
    enum policy_dimension d;
    const char *before;
} words[] = {
    {DIM_ACTOR, "by "},   {DIM_OPERATION, "to "},    {DIM_FIELD, "with the data "},
    {DIM_SUBJECT, "of "}, {DIM_PARTY, "with "},      {DIM_PURPOSE, "for "},
    {DIM_SERVICE, "in "}, {DIM_JURISDICTION, "in "}, {DIM_BASIS, "on basis of "},
};

static size_t count_values(const struct bits *b)
{
    size_t n = 0;
    for (size_t w = 0; w < BITS_WORDS; w++)
        n += (size_t)__builtin_popcountll(b->w[w]);
    return n;
}

static void put_values(const struct policy *p, enum policy_dimension d, const struct bits *b, struct text *t)
{
    size_t n = count_values(b), told = 0;
    for (unsigned v = 0; v < p->dim[d].n && told < NAMES_MAX; v++) {
        if (!bits_has(b, v))
            continue;
        text_str(t, told == 0 ? "" : told + 1 == n ? " or " : ", ");
        text_put(t, policy_name(p, d, v));
        told++;
    }
    if (told < n)
        text_fmt(t, " and %zu more", n - told);
}

static bool same_values(const struct bits *a, const struct bits *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void put_separator(struct text *t, bool *any)
{
    text_str(t, *any ? "; " : "");
    *any = true;
}

/* A fact that may be so and may be otherwise is not told; nor is one that the box fixes. */
static void put_facts(const struct policy *p, const struct box *box, const struct hull *h, struct text *t,
                      bool *any)
{
    uint64_t fixed = (h->facts_true ^ h->facts_false) & ~box->facts;
    for (unsigned f = 0; f < p->kind[KIND_FACT].n; f++) {
        if (!(fixed >> f & 1))
            continue;
        put_separator(t, any);
        text_str(t, h->facts_true >> f & 1 ? "when " : "unless ");
        text_put(t, policy_kind_name(p, KIND_FACT, f));
    }
}

void policy_region_put(const struct policy *p, const struct box *box, const struct hull *h, struct text *t)
{
    bool any = false;
    if (!h->found) {
        text_str(t, "it is not known where");
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        enum policy_dimension d = words[i].d;
        if (p->dim[d].n == 0 || same_values(&box->value[d], &h->value[d]))
            continue;
        put_separator(t, &any);
        text_str(t, words[i].before);
        put_values(p, d, &h->value[d], t);
    }
    put_facts(p, box, h, t, &any);
    if (!any)
        text_str(t, "everywhere");
}

void policy_broken_put(const struct policy *p, const struct broken *b, struct text *t)
{
    static const char *const verb[] = {
        [BREAK_PERMITTED] = "permits it", [BREAK_BANNED] = "bans it", [BREAK_LACKS] = "asks for more"};
    if (b->kind == BREAK_UNDECIDED) {
        text_str(t, "it could not be proved within the steps allowed");
        return;
    }
    if (b->kind == BREAK_SILENT || b->norm >= p->n_norms) {
        text_str(t, "no sentence permits it");
        return;
    }
    const struct policy_clause *c = policy_clause(p, p->norms[b->norm].clause);
    text_fmt(t, "'%.*s/%.*s' %s", SPAN_F(p->documents[c->document].pub.name), SPAN_F(c->id), verb[b->kind]);
}
