// SPDX-License-Identifier: Apache-2.0
/*
 * policy_analyse.c: permissions and bans that both stand, and documents without a rank (section 5).
 *
 * Counted by pairs of sentences. A contradiction is a permission and a ban of one document that both stand
 * for some request; a silent lifting is the same with a permission of a document that prevails over the
 * ban's. A permission of a lower document under a ban of a higher one is neither: that is what the ban is
 * for.
 */
#include "policy_compile_impl.h"

/* Both stand when the norms that match together have lifted what they lift. */
struct pair {
    size_t grant, bar;
};

static bool both_stand(struct sweep *s, const uint64_t *norms)
{
    const struct pair *pair = s->arg;
    uint64_t standing[NORM_WORDS];
    memcpy(standing, norms, s->c->p->index.words * sizeof *standing);
    policy_world_lift(s->c->p, standing);
    return norm_set_has(standing, pair->grant) && norm_set_has(standing, pair->bar);
}

/* With all that lifts one of them, and what lifts that, and so on: nothing else has a say. */
static void add_lifters(const struct cases *c, uint64_t *set)
{
    bool grew = true;
    while (grew) {
        size_t i = 0;
        grew = false;
        EACH_NORM(set, c->words, i)
        for (size_t w = 0; w < c->words && c->lifter[i]; w++) {
            grew = grew || (c->lifter[i][w] & ~set[w]) != 0;
            set[w] |= c->lifter[i][w];
        }
    }
}

#define PAIR_STEPS_MAX 1000000 /* sets of one pair; the reference policy needs some dozens */

static void say_undecided(const struct analysis *a, const struct norm *grant, const struct norm *bar)
{
    policy_say(
        a->l, MSG_SYNTAX, grant->place,
        "too many exceptions: whether this and a ban contradict each other was not found within %d steps",
        PAIR_STEPS_MAX);
    policy_say_other(a->l, bar->place);
}

/* True, with a request, if both stand for some request. */
static bool find_both(const struct analysis *a, struct pair pair, struct policy_request *at)
{
    const struct cases *c = a->k->half[HALF_GROUND];
    const struct norm *grant = &a->p->norms[pair.grant], *bar = &a->p->norms[pair.bar];
    struct sweep s = {
        .c = c, .box = policy_box_all(a->p), .visit = both_stand, .arg = &pair, .steps_max = PAIR_STEPS_MAX};
    if (!policy_box_meet(a->p, &s.box, &grant->act, grant->document) ||
        !policy_box_meet(a->p, &s.box, &bar->act, bar->document))
        return false;
    uint64_t *start = ARENA_ARRAY(a->scratch, c->words + 1, uint64_t);
    s.must[0] = policy_cases_of(c, pair.grant, pair.grant + 1, a->scratch);
    s.must[1] = policy_cases_of(c, pair.bar, pair.bar + 1, a->scratch);
    for (size_t w = 0; w < c->words; w++)
        start[w] = s.must[0][w] | s.must[1][w];
    add_lifters(c, start);
    s.start = start;
    bool found = policy_sweep(&s, a->scratch);
    if (s.over && !found)
        say_undecided(a, grant, bar);
    *at = s.at;
    return found;
}

static void say_both(const struct analysis *a, struct pair pair, const struct policy_request *at)
{
    const struct norm *grant = &a->p->norms[pair.grant], *bar = &a->p->norms[pair.bar];
    struct span ref = policy_clause_ref(a->p, bar->clause, a->l->arena);
    a->l->clause = grant->clause;
    if (grant->document == bar->document)
        policy_say(a->l, MSG_CONTRADICTION, grant->place,
                   "this permits what '%.*s' bans, and neither says that it stands despite the other",
                   SPAN_F(ref));
    else
        policy_say(
            a->l, MSG_SILENT_LIFTING, grant->place,
            "this permits what '%.*s' of a document below bans, without naming it: say 'despite %.*s, ...'",
            SPAN_F(ref), SPAN_F(ref));
    policy_say_other(a->l, bar->place);
    policy_say_witness(a->l, at);
    a->l->clause = POLICY_NONE;
}

static bool meant_to_stand(const struct analysis *a, const struct norm *grant, const struct norm *bar)
{
    return grant->document != bar->document &&
           !(a->p->documents[grant->document].prevails >> bar->document & 1);
}

/* Where one lifts the other, they never both stand. */
static bool know_each_other(const struct norm *grant, size_t g, const struct norm *bar, size_t b)
{
    return (grant->lifts && norm_set_has(grant->lifts, b)) || (bar->lifts && norm_set_has(bar->lifts, g));
}

static void check_pair(const struct analysis *a, struct pair pair)
{
    const struct norm *grant = &a->p->norms[pair.grant], *bar = &a->p->norms[pair.bar];
    struct policy_request at;
    if (meant_to_stand(a, grant, bar) || know_each_other(grant, pair.grant, bar, pair.bar))
        return;
    if (find_both(a, pair, &at))
        say_both(a, pair, &at);
}

/* With each permission that has a request in common with it. */
static void check_bar(const struct analysis *a, size_t bar)
{
    const struct norm *n = &a->p->norms[bar];
    uint64_t meeting[NORM_WORDS];
    struct box box = policy_box_all(a->p);
    size_t grant = 0;
    if (!policy_box_meet(a->p, &box, &n->act, n->document))
        return;
    policy_box_norms(a->p, &box, meeting);
    EACH_NORM(meeting, a->p->index.words, grant)
    if (norm_set_has(a->p->index.kind[NORM_GRANT], grant))
        check_pair(a, (struct pair){grant, bar});
}

static void check_pairs(const struct analysis *a)
{
    size_t bar = 0;
    EACH_NORM(a->p->index.kind[NORM_BAR], a->p->index.words, bar)
    check_bar(a, bar);
}

/* ---- Two documents that may both speak, and neither prevails. */

static void check_ranked(const struct analysis *a, unsigned i, unsigned k)
{
    const struct document *one = &a->p->documents[i], *other = &a->p->documents[k];
    struct box b = policy_box_all(a->p);
    bool meet = true;
    if ((one->prevails >> k & 1) || (other->prevails >> i & 1))
        return;
    for (int d = 0; d < DIM_COUNT; d++) {
        for (size_t w = 0; w < BITS_WORDS; w++)
            b.value[d].w[w] &= (one->scoped[d] ? one->scope[d].w[w] : UINT64_MAX) &
                               (other->scoped[d] ? other->scope[d].w[w] : UINT64_MAX);
        meet = meet && !bits_empty(&b.value[d]);
    }
    if (!meet)
        return;
    struct policy_request at = policy_box_first(a->p, &b);
    policy_say(a->l, MSG_UNRANKED_OVERLAP, other->place,
               "'%.*s' and '%.*s' both apply to some requests, and neither prevails over the other",
               SPAN_F(other->pub.name), SPAN_F(one->pub.name));
    policy_say_other(a->l, one->place);
    policy_say_witness(a->l, &at);
}

static void check_ranks(const struct analysis *a)
{
    for (unsigned i = 0; i < a->p->n_documents; i++)
        for (unsigned k = i + 1; k < a->p->n_documents; k++)
            if (a->p->documents[i].has_rules && a->p->documents[k].has_rules)
                check_ranked(a, i, k);
}

void policy_analyse(struct load *l, const struct compiled *k)
{
    struct analysis a = {.l = l, .p = l->p, .k = k, .scratch = k->scratch};
    check_ranks(&a);
    check_pairs(&a);
    policy_analyse_norms(&a);
    policy_analyse_promises(&a);
    policy_analyse_keeping(&a);
    policy_analyse_masks(&a);
}
