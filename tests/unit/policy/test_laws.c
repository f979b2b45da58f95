// SPDX-License-Identifier: Apache-2.0
/* test_laws.c: the laws of section 3, on policies and requests made at random from fixed seeds. Each law has
 * policies of its own: over a thousand in all, and as many again that differ from them by what the law is
 * about. */
#include "policy_random.h"

#define POLICIES UNIT_ROUNDS(130)
#define REQUESTS 100

enum law { LAW_ORDER, LAW_NAMES, LAW_PROSE, LAW_NEED, LAW_MISSING, LAW_CONDITION, LAW_BAR, LAW_GRANT };
#define FIRST(law) ((uint64_t)(law)*POLICIES + 1)
#define LAST(law)  (FIRST(law) + POLICIES - 1)

static void expect_same(const struct policy *p, const struct policy *other, const struct policy_request *q)
{
    struct policy_decision a, b;
    policy_decide(p, q, &a);
    policy_decide(other, q, &b);
    EXPECT_INT(a.answer, b.answer);
    EXPECT_INT(a.missing, b.missing);
    EXPECT_INT(a.n_alternatives, b.n_alternatives);
    EXPECT(span_eq(a.reason, b.reason));
    EXPECT_INT(a.mask, b.mask);
    EXPECT_INT(a.needs_used, b.needs_used);
    EXPECT_INT(a.until_event, b.until_event);
    EXPECT_INT(a.until_number, b.until_number);
    EXPECT_INT(a.until_unit, b.until_unit);
    EXPECT_INT(__builtin_popcountll(a.deeds), __builtin_popcountll(b.deeds));
}

static void expect_same_everywhere(enum law law, const struct style *style)
{
    for (uint64_t seed = FIRST(law); seed <= LAST(law) && unit_bad == 0; seed++) {
        struct arena *a = arena_new(0);
        struct made m;
        make_rules(&m, seed, a, plain.prefix);
        const struct policy *p = load(&m, &plain), *other;
        make_rules(&m, seed, a, style->prefix);
        other = load(&m, style);
        for (int i = 0; i < REQUESTS && p && other; i++) {
            struct policy_request q = request(&m, p);
            expect_same(p, other, &q);
        }
        arena_free(a);
    }
}

TEST(order_of_sentences_and_files_is_irrelevant)
{
    static const struct style backwards = {"r", "", "", true};
    expect_same_everywhere(LAW_ORDER, &backwards);
}

TEST(renaming_clauses_changes_only_citations)
{
    static const struct style renamed = {"other.name-", "", "", false};
    expect_same_everywhere(LAW_NAMES, &renamed);
}

TEST(comments_and_prose_change_nothing)
{
    static const struct style wordy = {"r", "## A heading\n\nSome *prose*, with `code`.\n",
                                       "-- a comment: we may not\n", false};
    expect_same_everywhere(LAW_PROSE, &wordy);
}

TEST(one_more_need_never_worsens)
{
    for (uint64_t seed = FIRST(LAW_NEED); seed <= LAST(LAW_NEED); seed++) {
        struct arena *a = arena_new(0);
        struct made m;
        make_rules(&m, seed, a, "r");
        const struct policy *p = load(&m, &plain);
        for (int i = 0; i < REQUESTS && p; i++) {
            struct policy_request q = request(&m, p);
            struct policy_decision before, after;
            policy_decide(p, &q, &before);
            q.needs |= 1ull << pick(&m, 3);
            policy_decide(p, &q, &after);
            EXPECT(after.answer <= before.answer);
        }
        arena_free(a);
    }
}

/* What is called missing is enough, and no part of it is. */
TEST(what_is_missing_is_what_is_missing)
{
    for (uint64_t seed = FIRST(LAW_MISSING); seed <= LAST(LAW_MISSING); seed++) {
        struct arena *a = arena_new(0);
        struct made m;
        make_rules(&m, seed, a, "r");
        const struct policy *p = load(&m, &plain);
        for (int i = 0; i < REQUESTS && p; i++) {
            struct policy_request q = request(&m, p), less;
            struct policy_decision d, then;
            policy_decide(p, &q, &d);
            if (d.answer != ANSWER_NEEDS)
                continue;
            less = q;
            q.needs |= d.missing;
            policy_decide(p, &q, &then);
            EXPECT(then.answer <= ANSWER_ALLOW_MASKED);
            less.needs |= d.missing & (d.missing - 1);
            policy_decide(p, &less, &then);
            EXPECT_INT(then.answer, ANSWER_NEEDS);
        }
        arena_free(a);
    }
}

/* The same policy with one rule more: compare(before, after) must hold for every request. */
static void with_one_more(enum law law, char kind, bool lifting,
                          bool (*compare)(enum policy_answer, enum policy_answer))
{
    for (uint64_t seed = FIRST(law); seed <= LAST(law); seed++) {
        struct arena *a = arena_new(0);
        struct made m;
        make_rules(&m, seed, a, "r");
        const struct policy *p = load(&m, &plain), *more;
        make_rule(&m, kind, "r", lifting);
        more = load(&m, &plain);
        for (int i = 0; i < REQUESTS && p && more; i++) {
            struct policy_request q = request(&m, p);
            struct policy_decision before, after;
            policy_decide(p, &q, &before);
            policy_decide(more, &q, &after);
            EXPECT(compare(before.answer, after.answer));
        }
        arena_free(a);
    }
}

static bool not_wider(enum policy_answer before, enum policy_answer after)
{
    return after >= before;
}

static bool not_narrower(enum policy_answer before, enum policy_answer after)
{
    return after <= before;
}

TEST(adding_a_condition_or_bar_never_widens)
{
    with_one_more(LAW_CONDITION, 'c', false, not_wider);
    with_one_more(LAW_BAR, 'b', true, not_wider);
}

TEST(adding_a_grant_never_narrows_within_its_document)
{
    with_one_more(LAW_GRANT, 'g', true, not_narrower);
}

UNIT_MAIN(CASE(order_of_sentences_and_files_is_irrelevant), CASE(renaming_clauses_changes_only_citations),
          CASE(comments_and_prose_change_nothing), CASE(one_more_need_never_worsens),
          CASE(what_is_missing_is_what_is_missing), CASE(adding_a_condition_or_bar_never_widens),
          CASE(adding_a_grant_never_narrows_within_its_document))
