// SPDX-License-Identifier: Apache-2.0
/* test_decide.c: section 3 of the language, step by step. */
#include "policy_test.h"

#define GROUP DOCUMENT("group", "") KEEP
#define USE   "operation=use field=phone purpose=delivery"

TEST(silence_denies)
{
    struct policies t = policies_good(GROUP RULE("a", "we may use phone for marketing."), NULL);
    struct policy_decision d = decide(&t, USE);
    EXPECT_STR(policy_answer_name(d.answer), "deny");
    EXPECT_SPAN(d.reason, "purpose-mismatch");
    EXPECT_CLAUSE(&t, d, "group/a");
    d = decide(&t, "operation=collect field=email purpose=delivery");
    EXPECT_SPAN(d.reason, "default-deny");
    EXPECT_INT(d.clause, POLICY_NONE);
    arena_free(t.arena);
}

TEST(each_dimension_must_match)
{
    struct policies t =
        policies_good(GROUP RULE("a", "we may use phone of adult for delivery with carrier in shop on basis "
                                      "of research."),
                      NULL);
#define ALL                                                                                                  \
    "operation=use field=phone subject=adult purpose=delivery party=carrier service=shop basis=research"
    EXPECT_ANSWER(&t, ALL, "allow");
    EXPECT_ANSWER(&t, ALL " field=email", "deny");
    EXPECT_ANSWER(&t, ALL " operation=collect", "deny");
    EXPECT_ANSWER(&t, ALL " actor=guardian", "deny");
    EXPECT_ANSWER(&t, ALL " subject=child", "deny");
    EXPECT_ANSWER(&t, ALL " purpose=survey", "deny");
    EXPECT_ANSWER(&t, ALL " party=own", "deny");
    EXPECT_ANSWER(&t, ALL " service=forum", "deny");
    EXPECT_ANSWER(&t, ALL " basis=none-claimed", "deny");
    EXPECT_SPAN(decide(&t, ALL " party=own").reason, "default-deny");
    EXPECT_CLAUSE(&t, decide(&t, ALL " party=own"), "group/a");
    arena_free(t.arena);
}

TEST(data_are_fields_grades_groups_and_exceptions)
{
    struct policies t = policies_good(GROUP RULE("a", "we may use grade 4 or above for delivery.\n"
                                                      "we may use any except identity, email for survey.\n"
                                                      "we may use reach for marketing.\n"
                                                      "we may use grade 2 for promotion in forum.\n"
                                                      "we may collect grade 3 or below for survey."),
                                      NULL);
    EXPECT_ANSWER(&t, "operation=use field=id-card purpose=delivery", "allow");
    EXPECT_ANSWER(&t, "operation=use field=phone purpose=delivery", "deny");
    EXPECT_ANSWER(&t, "operation=use field=phone purpose=survey", "allow");
    EXPECT_ANSWER(&t, "operation=use field=email purpose=survey", "deny");
    EXPECT_ANSWER(&t, "operation=use field=id-card purpose=survey", "deny");
    EXPECT_ANSWER(&t, "operation=use field=id-card purpose=marketing", "allow");
    EXPECT_ANSWER(&t, "operation=use field=phone purpose=marketing", "deny");
    EXPECT_ANSWER(&t, "operation=use field=phone purpose=marketing service=forum", "allow");
    EXPECT_ANSWER(&t, "operation=collect field=email purpose=survey", "allow");
    EXPECT_ANSWER(&t, "operation=collect field=id-card purpose=survey", "deny");
    arena_free(t.arena);
}

TEST(a_bar_stands_unless_a_grant_names_it)
{
    struct policies t =
        policies_good(GROUP RULE("a", "we may use phone for delivery.")
                          RULE("b", "we must not use phone when opted-out as unsubscribed.")
                              RULE("c", "despite b, we may use phone for delivery when asked."),
                      NULL);
    EXPECT_ANSWER(&t, USE, "allow");
    struct policy_decision d = decide(&t, USE " facts=opted-out");
    EXPECT_STR(policy_answer_name(d.answer), "deny");
    EXPECT_SPAN(d.reason, "unsubscribed");
    EXPECT_CLAUSE(&t, d, "group/b");
    EXPECT_ANSWER(&t, USE " facts=opted-out,asked", "allow");
    arena_free(t.arena);
}

TEST(an_exception_to_an_exception_reinstates)
{
    struct policies t = policies_good(
        GROUP RULE("a", "we may use phone for delivery.")
            RULE("b", "despite a, we must not use phone when opted-out.")
                RULE("c", "despite b, we may use phone when asked only with consent.")
                    RULE("d", "despite c, we must not use phone when for-profit as not-necessary."),
        NULL);
    EXPECT_ANSWER(&t, USE, "allow");
    EXPECT_ANSWER(&t, USE " facts=opted-out", "deny");
    EXPECT_ANSWER(&t, USE " facts=opted-out,asked", "allow"); /* b is lifted before it lifts a */
    EXPECT_CLAUSE(&t, decide(&t, USE " facts=opted-out,asked,for-profit"), "group/d");
    EXPECT_SPAN(decide(&t, USE " facts=opted-out,asked,for-profit").reason, "not-necessary");
    arena_free(t.arena);
}

TEST(families_and_stars_name_clauses)
{
    struct policies t = policies_good(GROUP RULE("s.a", "we must not use phone when opted-out.")
                                          RULE("s.b", "we must not use phone when for-profit.")
                                              RULE("s", "we must not use email.")
                                                  RULE("x", "despite s.*, we may use contact for delivery."),
                                      NULL);
    EXPECT_ANSWER(&t, USE " facts=opted-out,for-profit", "allow");
    EXPECT_ANSWER(&t, "operation=use field=email purpose=delivery", "deny");
    arena_free(t.arena);
}

#define LOW  DOCUMENT("low", "") KEEP
#define HIGH DOCUMENT("high", "applies to subject child.\nprevails over low.\n")

TEST(a_bar_of_any_document_stands)
{
    struct policies t = policies_good(LOW RULE("bar", "we must not use phone when for-profit."),
                                      HIGH RULE("grant", "we may use phone for delivery."));
    EXPECT_ANSWER(&t, USE " subject=child", "allow");
    EXPECT_ANSWER(&t, USE " subject=child facts=for-profit", "deny");
    arena_free(t.arena);
    t = policies_good(LOW RULE("bar", "we must not use phone when for-profit."),
                      HIGH RULE("grant", "despite low/bar, we may use phone for delivery."));
    EXPECT_ANSWER(&t, USE " subject=child facts=for-profit", "allow");
    EXPECT_ANSWER(&t, USE " subject=adult facts=for-profit", "deny");
    arena_free(t.arena);
}

TEST(the_highest_document_with_a_grant_speaks)
{
    struct policies t =
        policies_good(LOW RULE("free", "we may use phone for delivery."),
                      HIGH RULE("strict", "we may use phone for delivery only with consent."));
    EXPECT_ANSWER(&t, USE " subject=adult", "allow");
    struct policy_decision d = decide(&t, USE " subject=child");
    EXPECT_STR(policy_answer_name(d.answer), "needs");
    EXPECT_INT(d.missing, need_bit(&t, "consent"));
    EXPECT_SPAN(d.reason, "consent-required");
    EXPECT_CLAUSE(&t, d, "high/strict");
    EXPECT_CLAUSE(&t, decide(&t, USE " subject=child needs=consent"), "high/strict");
    arena_free(t.arena);
}

TEST(R002_outside_every_scope_is_not_applicable)
{
    struct policies t = policies_good(DOCUMENT("shop", "applies to service shop.\n") KEEP, NULL);
    struct policy_decision d = decide(&t, "operation=keep field=phone service=forum");
    EXPECT_STR(policy_answer_name(d.answer), "not-applicable");
    EXPECT_CLAUSE(&t, d, "shop/document");
    EXPECT_ANSWER(&t, "operation=keep field=phone service=shop", "allow");
    arena_free(t.arena);
}

TEST(any_one_ground_is_enough)
{
    struct policies t =
        policies_good(GROUP RULE("a", "we may use phone for delivery only with consent and paper.")
                          RULE("b", "we may use phone for delivery only with guardian-consent."),
                      NULL);
    struct policy_decision d = decide(&t, USE);
    EXPECT_STR(policy_answer_name(d.answer), "needs");
    EXPECT_INT(d.missing, need_bit(&t, "guardian-consent"));
    EXPECT_INT(d.n_alternatives, 1);
    EXPECT_INT(d.alternatives[0], need_bit(&t, "consent") | need_bit(&t, "paper"));
    d = decide(&t, USE " needs=consent,paper");
    EXPECT_STR(policy_answer_name(d.answer), "allow");
    EXPECT_CLAUSE(&t, d, "group/a");
    EXPECT_INT(d.needs_used, need_bit(&t, "consent") | need_bit(&t, "paper"));
    d = decide(&t, USE " needs=paper");
    EXPECT_INT(d.n_alternatives, 1);
    EXPECT_CLAUSE(&t, decide(&t, USE " needs=guardian-consent,paper"), "group/b");
    arena_free(t.arena);
}

TEST(every_condition_binds)
{
    struct policies t =
        policies_good(GROUP RULE("a", "we may use, display contact for delivery.")
                          RULE("c", "to use phone, we must have paper and log and mask as initial.\n"
                                    "to use contact, we must mask as blank and encrypt.\n"
                                    "to use any, guardian must have consent."),
                      NULL);
    struct policy_decision d = decide(&t, USE);
    EXPECT_STR(policy_answer_name(d.answer), "needs");
    EXPECT_CLAUSE(&t, d, "group/c");
    EXPECT_SPAN(d.reason, "evidence-missing");
    EXPECT_INT(d.deeds, 0);
    d = decide(&t, USE " needs=paper");
    EXPECT_STR(policy_answer_name(d.answer), "allow-masked");
    EXPECT_CLAUSE(&t, d, "group/a");
    EXPECT_INT(d.deeds, deed_bit(&t, "log") | deed_bit(&t, "encrypt"));
    EXPECT_SPAN(policy_kind_name(t.p, KIND_MASK, d.mask), "blank");
    EXPECT_INT(d.needs_used, need_bit(&t, "paper"));
    EXPECT_INT(d.n_conditions, 1);
    EXPECT_ANSWER(&t, "operation=display field=phone purpose=delivery", "allow");
    arena_free(t.arena);
}

TEST(a_condition_may_offer_alternatives)
{
    struct policies t =
        policies_good(GROUP RULE("a", "we may use phone for delivery.")
                          RULE("c", "to use grade 2 of child, we must have (guardian-consent or paper)."),
                      NULL);
    struct policy_decision d = decide(&t, USE " subject=child");
    EXPECT_STR(policy_answer_name(d.answer), "needs");
    EXPECT_INT(d.n_alternatives, 1);
    EXPECT_ANSWER(&t, USE " subject=child needs=paper", "allow");
    EXPECT_ANSWER(&t, USE " subject=child needs=guardian-consent", "allow");
    EXPECT_ANSWER(&t, USE " subject=child needs=consent", "needs");
    arena_free(t.arena);
}

TEST(a_waiver_lifts_what_it_lists_and_no_more)
{
    struct policies t = policies_good(
        GROUP RULE("a", "we may use phone for delivery, survey.")
            RULE("c", "to use any, we must have consent and log.") RULE("d", "to use any, we must log.")
                RULE("w", "despite c, to use any for delivery when asked, we need not have consent.\n"
                          "despite c, to use any for survey, we need not log."),
        NULL);
    EXPECT_ANSWER(&t, USE, "needs");
    EXPECT_ANSWER(&t, USE " facts=asked", "allow");
    EXPECT_INT(decide(&t, USE " facts=asked").deeds, deed_bit(&t, "log"));
    EXPECT_ANSWER(&t, "operation=use field=phone purpose=survey", "needs");
    EXPECT_INT(decide(&t, "operation=use field=phone purpose=survey needs=consent").deeds,
               deed_bit(&t, "log"));
    arena_free(t.arena);
}

TEST(keeping_ends_when_its_grant_says)
{
    struct policies t =
        policies_good(GROUP RULE("k", "we may keep phone for survey until 2 years after request-received.\n"
                                      "we may keep phone for survey."),
                      NULL);
    struct policy_decision d = decide(&t, "operation=keep field=phone purpose=survey");
    EXPECT_STR(policy_answer_name(d.answer), "allow");
    EXPECT(d.until_event != POLICY_NONE);
    EXPECT_CLAUSE(&t, d, "group/k");
    EXPECT_INT(d.until_number, 2);
    EXPECT_INT(d.until_unit, UNTIL_YEARS);
    d = decide(&t, "operation=keep field=email purpose=survey");
    EXPECT_SPAN(policy_kind_name(t.p, KIND_EVENT, d.until_event), "purpose-ended");
    EXPECT_INT(d.until_unit, UNTIL_NONE);
    arena_free(t.arena);
}

TEST(an_unknown_fact_gets_the_worst_of_both)
{
    struct policies t =
        policies_good(GROUP RULE("a", "we may use phone for delivery.\n"
                                      "we may use email for delivery when asked.\n"
                                      "we may use identity for delivery.")
                          RULE("b", "we must not use phone when opted-out.")
                              RULE("c", "to use identity when asked, we must have consent and log.\n"
                                        "to use identity when not asked, we must have paper."),
                      NULL);
    EXPECT_ANSWER(&t, USE " facts=?opted-out", "deny");
    EXPECT_ANSWER(&t, USE " facts=?for-profit", "allow");
    EXPECT_ANSWER(&t, "operation=use field=email purpose=delivery facts=?asked", "deny");
    struct policy_decision d = decide(&t, "operation=use field=id-card purpose=delivery facts=?asked");
    EXPECT_INT(d.missing, need_bit(&t, "consent") | need_bit(&t, "paper"));
    EXPECT_ANSWER(&t, "operation=use field=id-card purpose=delivery facts=?asked needs=consent", "needs");
    d = decide(&t, "operation=use field=id-card purpose=delivery facts=?asked needs=consent,paper");
    EXPECT_STR(policy_answer_name(d.answer), "allow");
    EXPECT_INT(d.deeds, deed_bit(&t, "log"));
    arena_free(t.arena);
}

TEST(formulas_mean_what_they_say)
{
    struct policies t = policies_good(
        GROUP RULE("a", "we may use phone for delivery when (asked or for-profit) and not opted-out.\n"
                        "we may use email for delivery unless asked or for-profit."),
        NULL);
    EXPECT_ANSWER(&t, USE, "deny");
    EXPECT_ANSWER(&t, USE " facts=asked", "allow");
    EXPECT_ANSWER(&t, USE " facts=for-profit", "allow");
    EXPECT_ANSWER(&t, USE " facts=for-profit,opted-out", "deny");
    EXPECT_ANSWER(&t, "operation=use field=email purpose=delivery", "allow");
    EXPECT_ANSWER(&t, "operation=use field=email purpose=delivery facts=asked", "deny");
    arena_free(t.arena);
}

TEST(requests_name_what_they_do_not_know)
{
    struct policies t = policies_good(GROUP, NULL);
    struct policy_request q;
    struct fail f = {0};
    EXPECT_INT(policy_request_read(t.p, SPAN("purpose=marketng"), &q, &f), ERR_UNKNOWN_NAME);
    EXPECT_STR(f.hint, "did you mean 'marketing'?");
    EXPECT_INT(policy_request_read(t.p, SPAN("porpose=marketing"), &q, NULL), ERR_UNKNOWN_NAME);
    EXPECT_INT(policy_request_read(t.p, SPAN("facts=consent"), &q, NULL), ERR_UNKNOWN_NAME);
    EXPECT_INT(policy_request_read(t.p, SPAN("needs=asked"), &q, NULL), ERR_UNKNOWN_NAME);
    EXPECT_INT(policy_request_read(t.p, SPAN("delivery"), &q, NULL), ERR_BAD_VALUE);
    EXPECT_INT(policy_request_read(t.p, SPAN("  field=real.name  "), &q, NULL), OK);
    EXPECT_INT(q.value[DIM_FIELD], 3);
    arena_free(t.arena);
}

TEST(nothing_is_said_twice_in_a_request)
{
    struct policies t = policies_good(GROUP, NULL);
    struct policy_request q;
    struct fail f = {0};
    EXPECT_INT(policy_request_read(t.p, SPAN("field=phone purpose=survey field=email"), &q, &f),
               ERR_BAD_VALUE);
    EXPECT_STR(f.detail, "'field=' stands here twice");
    EXPECT_STR(f.hint, "ask once for each field");
    f = (struct fail){0};
    EXPECT_INT(policy_request_read(t.p, SPAN("needs=consent needs=paper"), &q, &f), ERR_BAD_VALUE);
    EXPECT_STR(f.detail, "'needs=' stands here twice");
    EXPECT_STR(f.hint, "write one list, with commas");
    f = (struct fail){0};
    EXPECT_INT(policy_request_read(t.p, SPAN("facts=asked,!asked"), &q, &f), ERR_BAD_VALUE);
    EXPECT_STR(f.detail, "the fact 'asked' stands here twice");
    EXPECT_INT(policy_request_read(t.p, SPAN("field=phone field=phone"), &q, NULL), ERR_BAD_VALUE);
    EXPECT_INT(policy_request_read(t.p, SPAN("facts=asked,?opted-out needs=consent,paper"), &q, NULL), OK);
    arena_free(t.arena);
}

/* A caller's mistake must not read beyond the index. */
TEST(an_index_that_is_none_is_refused)
{
    struct policies t = policies_good(GROUP, NULL);
    struct policy_request q = {.facts_known = UINT64_MAX};
    struct policy_decision d;
    q.value[DIM_PURPOSE] = POLICY_NONE;
    policy_decide(t.p, &q, &d);
    EXPECT_INT(d.answer, ANSWER_DENY);
    arena_free(t.arena);
}

TEST(explanations_name_lifting_and_near_misses)
{
    struct policies t = policies_good(
        GROUP RULE("a", "we may use phone for delivery.") RULE("b", "we must not use phone when opted-out.")
            RULE("c", "despite b, we may use phone for delivery when asked."),
        NULL);
    struct policy_request q;
    struct policy_decision d;
    struct policy_trace trace;
    EXPECT_INT(policy_request_read(t.p, SPAN(USE " facts=opted-out,asked"), &q, NULL), OK);
    policy_explain(t.p, &q, &d, t.arena, &trace);
    EXPECT_INT(trace.n, 3);
    EXPECT_INT(trace.rows[0].fate, FATE_STANDS);
    EXPECT_INT(trace.rows[2].fate, FATE_LIFTED);
    EXPECT_SPAN(policy_clause(t.p, trace.rows[2].by)->id, "c");
    EXPECT_INT(policy_request_read(t.p, SPAN("operation=use field=phone purpose=survey"), &q, NULL), OK);
    policy_explain(t.p, &q, &d, t.arena, &trace);
    EXPECT_INT(trace.rows[0].fate, FATE_NEAR);
    EXPECT_SPAN(trace.rows[0].missed, "purpose");
    arena_free(t.arena);
}

UNIT_MAIN(CASE(silence_denies), CASE(each_dimension_must_match),
          CASE(data_are_fields_grades_groups_and_exceptions), CASE(a_bar_stands_unless_a_grant_names_it),
          CASE(an_exception_to_an_exception_reinstates), CASE(families_and_stars_name_clauses),
          CASE(a_bar_of_any_document_stands), CASE(the_highest_document_with_a_grant_speaks),
          CASE(R002_outside_every_scope_is_not_applicable), CASE(any_one_ground_is_enough),
          CASE(every_condition_binds), CASE(a_condition_may_offer_alternatives),
          CASE(a_waiver_lifts_what_it_lists_and_no_more), CASE(keeping_ends_when_its_grant_says),
          CASE(an_unknown_fact_gets_the_worst_of_both), CASE(formulas_mean_what_they_say),
          CASE(requests_name_what_they_do_not_know), CASE(nothing_is_said_twice_in_a_request),
          CASE(an_index_that_is_none_is_refused), CASE(explanations_name_lifting_and_near_misses))
