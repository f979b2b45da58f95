// SPDX-License-Identifier: Apache-2.0
/* test_diagram.c: the compiled form answers as the plain evaluator does, in every respect. */
#include "file.h"
#include "policy_diagram_impl.h"
#include "policy_random.h"

#define POLICIES UNIT_ROUNDS(2000)
#define REQUESTS 60
#ifdef TROTH_SAN
#define COARSER 4 /* in the fields of the grids */
#else
#define COARSER 1
#endif
#define REFERENCE "../shared/reference-policy"

static bool same_lists(const struct policy_decision *a, const struct policy_decision *b)
{
    bool same = a->n_alternatives == b->n_alternatives && a->n_conditions == b->n_conditions;
    for (unsigned i = 0; same && i < a->n_alternatives; i++)
        same = a->alternatives[i] == b->alternatives[i];
    for (unsigned i = 0; same && i < a->n_conditions; i++)
        same = a->conditions[i] == b->conditions[i];
    return same;
}

static bool same_decision(const struct policy_decision *a, const struct policy_decision *b)
{
    return a->answer == b->answer && a->clause == b->clause && span_eq(a->reason, b->reason) &&
           a->missing == b->missing && a->needs_used == b->needs_used && a->deeds == b->deeds &&
           a->mask == b->mask && a->until_event == b->until_event && a->until_number == b->until_number &&
           a->until_unit == b->until_unit && same_lists(a, b);
}

static void expect_same(const struct policy *p, const struct policy_request *q)
{
    struct policy_decision a, b;
    policy_decide(p, q, &a);
    policy_decide_plain(p, q, &b);
    if (same_decision(&a, &b))
        return;
    struct arena *arena = arena_new(0);
    struct text t = text_new(arena, 256);
    policy_request_put(p, q, &t);
    printf("  %.*s: %s by %u, plain %s by %u\n", SPAN_F(text_span(&t)), policy_answer_name(a.answer),
           a.clause, policy_answer_name(b.answer), b.clause);
    unit_bad++;
    arena_free(arena);
}

TEST(the_diagram_answers_as_the_plain_evaluator)
{
    for (uint64_t seed = 1; seed <= POLICIES && unit_bad == 0; seed++) {
        struct arena *a = arena_new(0);
        struct made m = {.random = seed * 0x9e3779b97f4a7c15u + 7};
        const struct policy *p = random_policy(a, seed);
        for (int i = 0; i < REQUESTS && p; i++) {
            struct policy_request q = request(&m, p);
            expect_same(p, &q);
        }
        arena_free(a);
    }
}

/* ---- Real policies: values out of every atom of every dimension, with all needs, none and some. */

static struct policy *load_draft(struct arena *a, const char *dir)
{
    struct span *names = NULL;
    size_t n = 0;
    struct fail f = {0};
    struct policy_messages m;
    if (!file_exists(dir) || file_list(a, dir, ".md", &names, &n, &f) != OK)
        return NULL;
    struct policy_source *s = ARENA_ARRAY(a, n + 1, struct policy_source);
    for (size_t i = 0; i < n; i++) {
        s[i].name = names[i];
        EXPECT_INT(file_read(a, arena_str(a, arena_fmt(a, "%s/%.*s", dir, SPAN_F(names[i]))),
                             POLICY_SOURCE_MAX, &s[i].text, &f),
                   OK);
    }
    policy_load(a, s, n, &m);
    EXPECT(m.draft != NULL);
    return m.draft;
}

/* The first value of each atom, or of every `step`-th atom from the `from`-th on. */
static unsigned some_values(const struct policy *p, unsigned d, unsigned step, unsigned from, uint16_t *out)
{
    const struct diagram *g = p->diagram;
    unsigned n = 0, seen = 0;
    for (unsigned v = 0; v < g->h->values[d]; v++) {
        if (diagram_atom(g, d, v) != seen)
            continue;
        if (seen++ % step == from % step)
            out[n++] = (uint16_t)v;
    }
    return n;
}

/* TROTH_ENUMERATE=N goes over N such grids, each beginning elsewhere, or all there are (CONTRIBUTING.md).
 * test_enumerate.c leaves no combination out, but asks which norms speak, not for answers. */
static unsigned grids(const unsigned *step)
{
    const char *n = getenv("TROTH_ENUMERATE");
    unsigned all = 1, want = n && atoi(n) > 0 ? (unsigned)atoi(n) : 1;
    for (unsigned d = 0; d < DIM_COUNT; d++)
        all *= step[d];
    return want < all ? want : all;
}

struct enumeration {
    const struct policy *p;
    uint16_t value[DIM_COUNT][POLICY_VALUES_MAX];
    unsigned n[DIM_COUNT];
    struct policy_request q;
    size_t done;
};

static void enumerate(struct enumeration *e, unsigned d)
{
    if (d == DIM_COUNT) {
        expect_same(e->p, &e->q);
        e->q.facts = e->q.facts * 6364136223846793005u + 1442695040888963407u;
        e->q.needs = e->done % 3 == 0   ? 0
                     : e->done % 3 == 1 ? UINT64_MAX
                                        : e->q.facts << 7 | e->q.facts >> 40;
        e->done++;
        return;
    }
    for (unsigned i = 0; i < e->n[d] && unit_bad == 0; i++) {
        e->q.value[d] = e->value[d][i];
        enumerate(e, d + 1);
    }
}

/* Every combination of the atoms that are taken; the facts change from one to the next. */
static void enumerate_policy(const char *dir, const unsigned *step)
{
    struct arena *a = arena_new(0);
    struct enumeration e = {.p = load_draft(a, dir), .q = {.facts = 1, .facts_known = UINT64_MAX}};
    for (unsigned grid = 0; e.p && grid < grids(step) && unit_bad == 0; grid++) {
        unsigned from = grid; /* its digits, to the steps as bases */
        for (unsigned d = 0; d < DIM_COUNT; from /= step[d], d++)
            e.n[d] = some_values(e.p, d, step[d], from, e.value[d]);
        enumerate(&e, 0);
    }
    printf("  %s: %zu requests\n", dir, e.done);
    arena_free(a);
}

TEST(the_reference_policy_is_enumerated)
{
    static const unsigned step[DIM_COUNT] = {
        [DIM_OPERATION] = 1, [DIM_ACTOR] = 4,        [DIM_SUBJECT] = 2,
        [DIM_SERVICE] = 2,   [DIM_JURISDICTION] = 1, [DIM_PARTY] = 6,
        [DIM_PURPOSE] = 7,   [DIM_BASIS] = 5,        [DIM_FIELD] = 6 * COARSER};
    enumerate_policy("policies/zhishang", step);
}

TEST(the_reference_encodings_are_enumerated)
{
    static const unsigned step[DIM_COUNT] = {
        [DIM_OPERATION] = 1, [DIM_ACTOR] = 3,        [DIM_SUBJECT] = 2,
        [DIM_SERVICE] = 1,   [DIM_JURISDICTION] = 1, [DIM_PARTY] = 4,
        [DIM_PURPOSE] = 4,   [DIM_BASIS] = 1,        [DIM_FIELD] = 3 * COARSER};
    enumerate_policy(REFERENCE "/literal", step);
    enumerate_policy(REFERENCE "/repaired", step);
}

/* ---- The packed form itself. */

TEST(the_same_rules_give_the_same_bytes)
{
    struct arena *a = arena_new(0);
    const struct policy *p = random_policy(a, 3), *again = random_policy(a, 3), *other = random_policy(a, 4);
    EXPECT(p && again && other && span_eq(policy_packed(p), policy_packed(again)));
    EXPECT(p && other && !span_eq(policy_packed(p), policy_packed(other)));
    arena_free(a);
}

TEST(the_bytes_decide_wherever_they_lie)
{
    struct arena *a = arena_new(0);
    const struct policy *p = random_policy(a, 5);
    struct policy moved = *p;
    struct diagram g;
    uint64_t *elsewhere = ARENA_ARRAY(a, policy_packed(p).len / 8 + 1, uint64_t);
    struct made m = {.random = 99};
    memcpy(elsewhere, policy_packed(p).p, policy_packed(p).len);
    policy_diagram_open(&g, (const uint8_t *)elsewhere);
    moved.diagram = &g;
    for (int i = 0; i < REQUESTS; i++) {
        struct policy_request q = request(&m, p);
        expect_same(&moved, &q);
    }
    arena_free(a);
}

/* A value that the policy does not know is refused, not looked up. */
TEST(values_outside_the_policy_are_denied)
{
    struct arena *a = arena_new(0);
    const struct policy *p = random_policy(a, 6);
    for (unsigned d = 0; d < DIM_COUNT; d++) {
        struct policy_request q = {.facts_known = UINT64_MAX};
        struct policy_decision decision;
        q.value[d] = UINT16_MAX;
        policy_decide(p, &q, &decision);
        EXPECT_INT(decision.answer, ANSWER_DENY);
        expect_same(p, &q);
    }
    arena_free(a);
}

/* More permissions than words of one set, so that sets of several words are walked. */
TEST(large_policies_compile_within_their_limits)
{
    struct arena *a = arena_new(0);
    struct text t = text_new(a, 1 << 16);
    struct policy_messages m;
    struct made made = {.random = 11, .arena = a};
    text_str(&t, DOCUMENT("big", "") KEEP);
    for (int i = 0; i < 300; i++) {
        struct span what = act(&made);
        text_fmt(&t, "\n```rule r%d\nwe may %.*s only with %s.\n```\n", i, SPAN_F(what),
                 ONE_OF(&made, "consent", "paper", "guardian-consent"));
    }
    struct policy_source s[] = {{SPAN("words.md"), SPAN(WORDS)}, {SPAN("big.md"), text_span(&t)}};
    policy_load(a, s, 2, &m);
    EXPECT(m.draft != NULL);
    for (int i = 0; i < REQUESTS && m.draft; i++) {
        struct policy_request q = request(&made, m.draft);
        expect_same(m.draft, &q);
    }
    arena_free(a);
}

#define TANGLED_FACTS 12
#define TANGLED_RULES 40
#define TANGLED_TERMS 8

static void put_term(struct made *m, struct text *t)
{
    for (int i = 0; i < 3; i++)
        text_fmt(t, "%s%sf%u", i > 0 ? " and " : "", ONE_OF(m, "", "not "), pick(m, TANGLED_FACTS));
}

/* Permissions under random formulas: nearly every case of the facts is another set, and their lists are
 * beyond what a reference of one word can name. */
static const struct policy *tangled_policy(struct arena *a, struct made *m)
{
    struct text words = text_new(a, 4096), rules = text_new(a, 1 << 16);
    struct policy_messages messages;
    text_str(&words, WORDS "\n```catalogue\n");
    for (int i = 0; i < TANGLED_FACTS; i++)
        text_fmt(&words, "fact f%d \"f\".\n", i);
    text_str(&words, "```\n");
    text_str(&rules, DOCUMENT("tangled", "") KEEP);
    for (int i = 0; i < TANGLED_RULES; i++) {
        text_fmt(&rules, "\n```rule r%d\nwe may use phone when", i);
        for (int k = 0; k < TANGLED_TERMS; k++) {
            text_str(&rules, k > 0 ? " or (" : " (");
            put_term(m, &rules);
            text_str(&rules, ")");
        }
        text_fmt(&rules, " only with %s.\n```\n", ONE_OF(m, "consent", "paper", "guardian-consent"));
    }
    struct policy_source s[] = {{SPAN("words.md"), text_span(&words)},
                                {SPAN("tangled.md"), text_span(&rules)}};
    policy_load(a, s, 2, &messages);
    for (size_t i = 0; i < messages.n && !messages.draft; i++)
        printf("  %.*s\n", SPAN_F(messages.list[i].message));
    return messages.draft;
}

TEST(references_of_two_words_answer_as_the_plain_evaluator)
{
    struct arena *a = arena_new(0);
    struct made m = {.random = 23, .arena = a};
    const struct policy *p = tangled_policy(a, &m);
    EXPECT(p && p->diagram->h->ref_words == 2);
    for (int i = 0; i < 10 * REQUESTS && p; i++) {
        struct policy_request q = request(&m, p);
        q.facts = m.random >> 8;
        if (i % 2 == 0) {
            q.value[DIM_OPERATION] = (uint16_t)policy_find(p, DIM_OPERATION, SPAN("use"));
            q.value[DIM_FIELD] = (uint16_t)policy_find(p, DIM_FIELD, SPAN("phone"));
        }
        expect_same(p, &q);
    }
    arena_free(a);
}

/* Twenty permissions, each of two facts far apart: a million different sets are left between them. */
TEST(a_policy_beyond_the_limits_names_the_sentence)
{
    struct arena *a = arena_new(0);
    struct text words = text_new(a, 4096), rules = text_new(a, 4096);
    struct policy_messages m;
    text_str(&words, WORDS "\n```catalogue\n");
    text_str(&rules, DOCUMENT("bomb", "") KEEP "\n```rule bomb\n");
    for (int i = 0; i < 40; i++)
        text_fmt(&words, "fact f%d \"f\".\n", i);
    for (int i = 0; i < 20; i++) {
        text_fmt(&words, "need n%d \"n\".\n", i);
        text_fmt(&rules, "we may use phone when f%d and f%d only with n%d.\n", i, i + 20, i);
    }
    text_str(&words, "```\n");
    text_str(&rules, "```\n");
    struct policy_source s[] = {{SPAN("words.md"), text_span(&words)}, {SPAN("bomb.md"), text_span(&rules)}};
    EXPECT(policy_load(a, s, 2, &m) == NULL);
    EXPECT(m.draft == NULL);
    EXPECT_INT(m.errors, 1);
    size_t error = 0;
    while (error + 1 < m.n && m.list[error].severity != POLICY_ERROR)
        error++;
    EXPECT_SPAN(m.list[error].message,
                "with this sentence the compiled policy passes 200000 nodes or 8000000 steps; give "
                "it fewer exceptions or a narrower act");
    EXPECT(span_starts(m.list[error].source_line, "we may use phone when f1"));
    arena_free(a);
}

UNIT_MAIN(CASE(the_diagram_answers_as_the_plain_evaluator), CASE(the_reference_policy_is_enumerated),
          CASE(the_reference_encodings_are_enumerated), CASE(the_same_rules_give_the_same_bytes),
          CASE(the_bytes_decide_wherever_they_lie), CASE(values_outside_the_policy_are_denied),
          CASE(large_policies_compile_within_their_limits),
          CASE(references_of_two_words_answer_as_the_plain_evaluator),
          CASE(a_policy_beyond_the_limits_names_the_sentence))
