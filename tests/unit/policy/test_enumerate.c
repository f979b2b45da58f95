// SPDX-License-Identifier: Apache-2.0
/*
 * test_enumerate.c: every combination of values and facts there is, in the compiled form and by the plain
 * evaluator's steps. Both go down the levels together: one from node to node, the other with the set of norms
 * that still match. What lies below a node, what was met above it and a set is the same for every combination
 * that leads there, so it is gone into once; at the end the norms that speak must be those of the leaf. So
 * nothing is left out, and it takes a second. (test_diagram.c asks the two for answers, in a coarse grid.)
 */
#include "file.h"
#include "policy_compile_impl.h"
#include "policy_random.h"

#define REFERENCE "../shared/reference-policy"
#define POLICIES  1000

struct below {
    const struct policy *p;
    const struct diagram *g;
    const struct cases *c;
    enum diagram_half half;
    unsigned order[DIAGRAM_AXES]; /* level -> place in c->axis */
    unsigned n_levels;
    struct memo seen; /* level, reference, what was met, set */
    struct memo met;  /* sets of norms */
    size_t leaves;
};

static unsigned grant_norm(const struct below *x, unsigned number)
{
    return x->g->grants[number].norm;
}

/* The number of a condition among conditions is its place among the norms of this kind. */
static unsigned condition_norm(const struct below *x, unsigned number)
{
    size_t i = 0;
    EACH_NORM(x->p->index.kind[NORM_CONDITION], x->p->index.words, i)
    if (number-- == 0)
        return (unsigned)i;
    return POLICY_NONE;
}

static uint32_t meet(struct below *x, uint32_t met, uint32_t list)
{
    uint64_t set[NORM_WORDS] = {0};
    const uint16_t *l = x->g->lists + list;
    memcpy(set, x->met.keys + met * x->met.words, x->met.words * sizeof *set);
    for (unsigned i = 1; i <= l[0]; i++) {
        unsigned norm = x->half == HALF_GROUND ? grant_norm(x, l[i]) : condition_norm(x, l[i]);
        set_put(set, norm);
    }
    return policy_memo_number(&x->met, set);
}

/* What the steps of the plain evaluator say of the norms that match: the ban, or the norms that speak. */
static bool expect_leaf(struct below *x, uint32_t ref, uint32_t met, const uint64_t *cases)
{
    uint64_t standing[NORM_WORDS] = {0}, spoken[NORM_WORDS] = {0};
    const struct norm_index *index = &x->p->index;
    size_t i = 0, bar = 0;
    EACH_NORM(cases, x->c->words, i)
    set_put(standing, x->c->norm[i]);
    policy_world_lift(x->p, standing);
    bool ground = x->half == HALF_GROUND, banned = ground && policy_world_bar(x->p, standing, &bar);
    if (banned || x->g->lists[ref] == GROUND_BARRED)
        return banned && x->g->lists[ref] == GROUND_BARRED && x->g->bars[x->g->lists[ref + 1]].norm == bar;
    unsigned speaker = policy_world_speaker(x->p, standing);
    EACH_NORM(standing, index->words, i)
    if (ground ? x->p->norms[i].kind == NORM_GRANT && x->p->norms[i].document == speaker
               : x->p->norms[i].kind == NORM_CONDITION)
        set_put(spoken, i);
    met = meet(x, met, ref);
    return memcmp(spoken, x->met.keys + met * x->met.words, index->words * sizeof *spoken) == 0;
}

static bool new_state(struct below *x, unsigned level, uint32_t ref, uint32_t met, const uint64_t *set)
{
    uint64_t key[2 + NORM_WORDS];
    size_t before = x->seen.n;
    key[0] = (uint64_t)level << 32 | ref;
    key[1] = met;
    memcpy(key + 2, set, x->c->words * sizeof *set);
    return policy_memo_number(&x->seen, key) == before;
}

static bool go(struct below *x, unsigned level, uint32_t ref, uint32_t met, const uint64_t *set)
{
    uint64_t next[NORM_WORDS];
    while (diagram_is_node(x->g, ref) && node_emits(diagram_node(x->g, ref))) {
        met = meet(x, met, diagram_emitted(x->g, diagram_node(x->g, ref)));
        ref = diagram_next(x->g, diagram_node(x->g, ref));
    }
    if (!new_state(x, level, ref, met, set))
        return true;
    if (level == x->n_levels) {
        x->leaves++;
        return !diagram_is_node(x->g, ref) && expect_leaf(x, ref, met, set);
    }
    const struct axis *axis = &x->c->axis[x->order[level]];
    const uint16_t *node = diagram_is_node(x->g, ref) ? diagram_node(x->g, ref) : NULL;
    bool same = true;
    for (unsigned k = 0; k < axis->n && same; k++) {
        const uint64_t *row = cases_row(x->c, axis, k);
        for (size_t w = 0; w < x->c->words; w++)
            next[w] = set[w] & row[w];
        bool asked = node && diagram_axis(node) == axis->id;
        same = go(x, level + 1, asked ? diagram_child(x->g, node, k) : ref, met, next);
    }
    return same;
}

/* The levels of this half, in the order of the compiled form. */
static void order_levels(struct below *x)
{
    for (unsigned level = 0; level < DIAGRAM_AXES; level++)
        for (unsigned i = 0; i < x->c->n_axes; i++)
            if (x->g->levels[x->c->axis[i].id] == level)
                x->order[x->n_levels++] = i;
}

/* True if both agree on every combination. */
static bool half_agrees(const struct policy *p, enum diagram_half half, size_t *states)
{
    static const unsigned kinds[HALF_COUNT] = {GROUND_KINDS, BIND_KINDS};
    struct arena *a = arena_new(1 << 20);
    size_t culprit = 0;
    struct below x = {.p = p, .g = p->diagram, .half = half};
    uint64_t none[NORM_WORDS] = {0};
    x.c = policy_cases(p, policy_atoms(p, a), kinds[half], a, &culprit);
    x.seen = policy_memo(a, 2 + x.c->words, MEMO_SMALL);
    x.met = policy_memo(a, p->index.words + (p->index.words == 0), MEMO_SMALL);
    policy_memo_number(&x.met, none);
    order_levels(&x);
    bool same = go(&x, 0, p->diagram->h->root[half], 0, x.c->all);
    *states += x.seen.n;
    arena_free(a);
    return same;
}

static bool row_agrees(const struct policy *p, unsigned d, unsigned v)
{
    const struct diagram *g = p->diagram;
    const uint64_t *near = g->near + diagram_row(g, d, v) * g->h->near_words;
    const uint64_t *row = p->index.row[d] + v * p->index.words;
    size_t grants = g->h->n[DIAGRAM_GRANTS], bans = g->h->n[DIAGRAM_BARS];
    size_t room = 64 * (size_t)g->h->near_words - grants;
    bool same = true;
    for (size_t i = 0; i < grants; i++)
        same = same && norm_set_has(near, i) == norm_set_has(row, g->grants[i].norm);
    for (size_t i = 0; i < bans; i++) /* several may share a bit */
        same = same && (norm_set_has(near, grants + (bans <= room ? i : i * room / bans)) ||
                        !norm_set_has(row, g->bars[i].norm));
    return same;
}

/* The rows from which most silence is known: no permission and no ban that holds a value is missing in its
 * row. */
static bool rows_agree(const struct policy *p)
{
    bool same = true;
    for (unsigned d = 0; d < DIM_COUNT; d++)
        for (unsigned v = 0; v < p->diagram->h->values[d] && same; v++)
            same = row_agrees(p, d, v);
    return same;
}

static double combinations(const struct policy *p)
{
    struct arena *a = arena_new(0);
    const struct atoms *atoms = policy_atoms(p, a);
    double n = 1;
    for (int d = 0; d < DIM_COUNT; d++)
        n *= atoms->n[d];
    arena_free(a);
    return n;
}

static void expect_agreement(const char *dir)
{
    struct arena *a = arena_new(0);
    struct policy_messages m;
    struct span *names = NULL;
    struct fail f = {0};
    size_t n = 0, states = 0;
    if (!file_exists(dir)) {
        arena_free(a);
        return;
    }
    EXPECT_INT(file_list(a, dir, ".md", &names, &n, &f), OK);
    struct policy_source *sources = ARENA_ARRAY(a, n + 1, struct policy_source);
    for (size_t i = 0; i < n; i++) {
        sources[i].name = names[i];
        EXPECT_INT(file_read(a, arena_str(a, arena_fmt(a, "%s/%.*s", dir, SPAN_F(names[i]))),
                             POLICY_SOURCE_MAX, &sources[i].text, &f),
                   OK);
    }
    policy_load(a, sources, n, &m);
    EXPECT(m.draft != NULL);
    EXPECT(m.draft && rows_agree(m.draft));
    for (int half = 0; half < HALF_COUNT && m.draft; half++)
        EXPECT(half_agrees(m.draft, (enum diagram_half)half, &states));
    if (m.draft)
        printf("  %s: %.0f combinations of values, each with all facts, in %zu steps\n", dir,
               combinations(m.draft), states);
    arena_free(a);
}

TEST(every_combination_of_the_reference_policy_agrees)
{
    expect_agreement("policies/zhishang");
}

TEST(every_combination_of_the_reference_encodings_agrees)
{
    expect_agreement(REFERENCE "/literal");
    expect_agreement(REFERENCE "/repaired");
}

TEST(every_combination_of_random_policies_agrees)
{
    size_t states = 0;
    for (uint64_t seed = 1; seed <= POLICIES && unit_bad == 0; seed++) {
        struct arena *a = arena_new(0);
        const struct policy *p = random_policy(a, seed);
        EXPECT(p && rows_agree(p));
        for (int half = 0; half < HALF_COUNT && p; half++)
            if (!half_agrees(p, (enum diagram_half)half, &states)) {
                printf("  policy %d differs\n", (int)seed);
                unit_bad++;
            }
        arena_free(a);
    }
}

UNIT_MAIN(CASE(every_combination_of_the_reference_policy_agrees),
          CASE(every_combination_of_the_reference_encodings_agrees),
          CASE(every_combination_of_random_policies_agrees))
