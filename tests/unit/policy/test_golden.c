// SPDX-License-Identifier: Apache-2.0
/* test_golden.c: one case for each answer of a policy: names that stay, answers that are right, changes that
 * are seen. Policies are made at random. */
#include "policy_golden.h"
#include "policy_random.h"

#define POLICIES 40
#define REQUESTS 200

struct golden {
    struct policy_case *list;
    size_t n;
};

static struct golden golden(const struct policy *p, struct arena *a)
{
    struct golden g = {.n = 0};
    struct fail f = {0};
    EXPECT_INT(policy_golden(p, a, &g.list, &g.n, &f), OK);
    EXPECT(g.n > 0);
    return g;
}

static struct span written(const struct policy *p, const struct golden *g, struct arena *a)
{
    struct text t = text_new(a, 4096);
    text_str(&t, "# a comment\n\n");
    for (size_t i = 0; i < g->n; i++)
        policy_golden_put(p, &g->list[i], &t);
    return text_span(&t);
}

static void expect_answers(const struct policy *p, const struct golden *g)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct policy_case *c = &g->list[i];
        struct policy_decision d;
        policy_decide_plain(p, &c->request, &d);
        EXPECT_INT(d.answer, c->decision.answer);
        EXPECT_INT(d.clause, c->decision.clause);
        EXPECT_INT(d.deeds, c->decision.deeds);
        EXPECT_INT(d.mask, c->decision.mask);
        if (span_starts(c->name, "permit:"))
            EXPECT(d.answer <= ANSWER_ALLOW_MASKED);
        else
            EXPECT(d.answer >= ANSWER_DENY);
        EXPECT(i == 0 || span_cmp(g->list[i - 1].name, c->name) < 0);
    }
}

static bool has_answer(const struct golden *g, const char *kind, unsigned clause)
{
    for (size_t i = 0; i < g->n; i++)
        if (span_starts(g->list[i].name, kind) &&
            (clause == POLICY_NONE || g->list[i].decision.clause == clause))
            return true;
    return false;
}

/* Whatever ban is ever cited has a case, and so has silence. */
static void expect_covered(struct made *m, const struct policy *p, const struct golden *g)
{
    for (int i = 0; i < REQUESTS; i++) {
        struct policy_request q = request(m, p);
        struct policy_decision d;
        q.facts_known = UINT64_MAX;
        policy_decide_plain(p, &q, &d);
        if (d.answer == ANSWER_ALLOW || d.answer == ANSWER_ALLOW_MASKED || d.answer == ANSWER_NEEDS)
            EXPECT(has_answer(g, "permit:", POLICY_NONE));
        if (d.answer == ANSWER_DENY && d.clause != POLICY_NONE && span_is(d.reason, "default-deny"))
            EXPECT(has_answer(g, "ban:", POLICY_NONE) || has_answer(g, "silent:", POLICY_NONE));
    }
}

TEST(each_case_is_what_the_plain_evaluator_says)
{
    for (uint64_t seed = 1; seed <= POLICIES && unit_bad == 0; seed++) {
        struct arena *a = arena_new(0);
        struct made m;
        make_rules(&m, seed, a, "r");
        const struct policy *p = load(&m, &plain);
        struct golden g = golden(p, a);
        expect_answers(p, &g);
        expect_covered(&m, p, &g);
        arena_free(a);
    }
}

TEST(names_stay_if_sentences_change_places)
{
    static const struct style styles[] = {{"r", "", "", true},
                                          {"r", "Prose with `code`.\n", "-- a comment\n", false},
                                          {"r", "## A heading\n", "   -- another\n\n  ", true}};
    for (uint64_t seed = 1; seed <= POLICIES && unit_bad == 0; seed++) {
        struct arena *a = arena_new(0);
        struct made m;
        make_rules(&m, seed, a, "r");
        struct golden g = golden(load(&m, &plain), a);
        for (size_t s = 0; s < sizeof styles / sizeof styles[0]; s++) {
            struct golden other = golden(load(&m, &styles[s]), a);
            EXPECT_INT(other.n, g.n);
            for (size_t i = 0; i < g.n && i < other.n; i++)
                EXPECT(span_eq(g.list[i].name, other.list[i].name));
        }
        arena_free(a);
    }
}

TEST(a_policy_answers_its_own_cases)
{
    for (uint64_t seed = 1; seed <= POLICIES && unit_bad == 0; seed++) {
        struct arena *a = arena_new(0);
        struct made m;
        struct policy_miss *misses = NULL;
        struct fail f = {0};
        size_t n = 0, cases = 0;
        make_rules(&m, seed, a, "r");
        const struct policy *p = load(&m, &plain);
        struct golden g = golden(p, a);
        EXPECT_INT(policy_golden_check(p, written(p, &g, a), a, &misses, &n, &cases, &f), OK);
        EXPECT_INT(cases, g.n);
        EXPECT_INT(n, 0);
        arena_free(a);
    }
}

#define RULES_OF(more) "# T\n\n" DOCUMENT("t", "") KEEP more

TEST(what_changed_is_named)
{
    struct policies old = policies_good(RULES_OF(RULE("a", "we may use phone only with consent.")
                                                     RULE("b", "to use phone, we must log.")),
                                        NULL),
                    new = policies_good(RULES_OF(RULE("a", "we may use phone only with consent.")), NULL);
    struct golden g = golden(old.p, old.arena);
    struct policy_miss *misses = NULL;
    struct fail f = {0};
    size_t n = 0, cases = 0;
    EXPECT_INT(policy_golden_check(new.p, written(old.p, &g, old.arena), new.arena, &misses, &n, &cases, &f),
               OK);
    EXPECT_INT(cases, g.n);
    EXPECT_INT(n, 1);
    EXPECT(n > 0 && span_starts(misses[0].name, "permit:t/a:"));
    EXPECT(n > 0 && span_is(misses[0].was, "deeds=log lacks=consent") &&
           span_is(misses[0].is, "lacks=consent"));
    arena_free(old.arena);
    arena_free(new.arena);
}

/* A permission that asks for less is seen, although the request is allowed as before. */
TEST(a_need_that_is_gone_is_seen)
{
    struct policies old = policies_good(RULES_OF(RULE("a", "we may use phone only with consent.")), NULL),
                    new = policies_good(RULES_OF(RULE("a", "we may use phone.")), NULL);
    struct golden g = golden(old.p, old.arena);
    struct policy_miss *misses = NULL;
    struct fail f = {0};
    size_t n = 0, cases = 0;
    EXPECT_INT(policy_golden_check(new.p, written(old.p, &g, old.arena), new.arena, &misses, &n, &cases, &f),
               OK);
    EXPECT_INT(n, 1);
    EXPECT(n > 0 && span_is(misses[0].was, "lacks=consent") && span_is(misses[0].is, "-"));
    arena_free(old.arena);
    arena_free(new.arena);
}

static void check_text(const char *text, enum err want, size_t misses_want)
{
    struct policies t = policies_good(RULES_OF(RULE("a", "we may use phone only with consent.")), NULL);
    struct policy_miss *misses = NULL;
    struct fail f = {0};
    size_t n = 0, cases = 0;
    EXPECT_INT(policy_golden_check(t.p, span_str(text), t.arena, &misses, &n, &cases, &f), want);
    EXPECT_INT(n, misses_want);
    EXPECT(want == OK || (f.detail[0] && f.where[0]));
    arena_free(t.arena);
}

TEST(files_of_cases_are_read_with_care)
{
    check_text("", OK, 0);
    check_text("# nothing\n\n", OK, 0);
    check_text("x\toperation=use field=phone\tneeds\n", OK, 0);
    check_text("x\toperation=use field=phone\tneeds\tconsent-required\tt/a\tmissing=consent\r\n", OK, 0);
    check_text("x\toperation=use field=phone\tneeds\t-\t-\t-\n", OK, 0);
    check_text("x\toperation=use field=phone\tneeds\t-\tt/b\n", OK, 1);
    check_text("x\toperation=use field=fone\tneeds\n", OK, 1); /* a name that is gone */
    check_text("x\toperation=use field=phone\n", ERR_BAD_VALUE, 0);
    check_text("just words\n", ERR_BAD_VALUE, 0);
    check_text("x\toperation=use\tallow\t-\t-\t-\tmore\n", ERR_BAD_VALUE, 0);
}

UNIT_MAIN(CASE(each_case_is_what_the_plain_evaluator_says), CASE(names_stay_if_sentences_change_places),
          CASE(a_policy_answers_its_own_cases), CASE(what_changed_is_named),
          CASE(a_need_that_is_gone_is_seen), CASE(files_of_cases_are_read_with_care))
