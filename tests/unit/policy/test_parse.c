// SPDX-License-Identifier: Apache-2.0
/* test_parse.c: what documents become. Messages are tested by the golden cases. */
#include "policy_test.h"

#define GROUP DOCUMENT("group", "") KEEP

TEST(names_have_indices_in_order_of_declaration)
{
    struct policies t = policies_good(GROUP, NULL);
    EXPECT_INT(policy_count(t.p, DIM_FIELD), 4);
    EXPECT_SPAN(policy_name(t.p, DIM_FIELD, 2), "id-card");
    EXPECT_INT(policy_find(t.p, DIM_FIELD, SPAN("id-card")), 2);
    EXPECT_INT(policy_find(t.p, DIM_FIELD, SPAN("id.card")), 2);
    EXPECT_INT(policy_find(t.p, DIM_FIELD, SPAN("id_card")), 2);
    EXPECT_INT(policy_find(t.p, DIM_FIELD, SPAN("contact")), POLICY_NONE);
    EXPECT_INT(policy_find(t.p, DIM_FIELD, SPAN("")), POLICY_NONE);
    EXPECT_INT(policy_field_grade(t.p, 0), 2);
    EXPECT_INT(policy_field_grade(t.p, 3), 4);
    EXPECT_INT(policy_field_grade(t.p, 99), 0);
    EXPECT_SPAN(policy_kind_name(t.p, KIND_CATEGORY, policy_field_category(t.p, 3)), "identity");
    EXPECT_SPAN(policy_name(t.p, DIM_FIELD, 99), "");
    arena_free(t.arena);
}

TEST(groups_hold_members_and_groups)
{
    struct policies t = policies_good(GROUP, NULL);
    unsigned email = policy_find(t.p, DIM_FIELD, SPAN("email")),
             id = policy_find(t.p, DIM_FIELD, SPAN("id-card"));
    EXPECT(policy_in_group(t.p, DIM_FIELD, email, SPAN("contact")));
    EXPECT(policy_in_group(t.p, DIM_FIELD, email, SPAN("reach")));
    EXPECT(policy_in_group(t.p, DIM_FIELD, id, SPAN("reach")));
    EXPECT(!policy_in_group(t.p, DIM_FIELD, policy_find(t.p, DIM_FIELD, SPAN("phone")), SPAN("reach")));
    EXPECT(policy_in_group(t.p, DIM_FIELD, email, SPAN("email")));
    EXPECT(!policy_in_group(t.p, DIM_FIELD, POLICY_NONE, SPAN("email")));
    arena_free(t.arena);
}

TEST(kinds_carry_words_source_and_reason)
{
    struct policies t = policies_good(GROUP, NULL);
    unsigned consent = policy_kind_find(t.p, KIND_NEED, SPAN("consent"));
    EXPECT_SPAN(policy_kind_words(t.p, KIND_NEED, consent), "agreed");
    EXPECT_SPAN(policy_kind_source(t.p, KIND_NEED, consent), "consent");
    EXPECT_SPAN(policy_need_reason(t.p, consent), "consent-required");
    EXPECT_SPAN(policy_kind_source(t.p, KIND_FACT, 0), "preference");
    EXPECT_SPAN(policy_need_reason(t.p, policy_kind_find(t.p, KIND_NEED, SPAN("paper"))), "");
    EXPECT_SPAN(policy_need_reason(t.p, POLICY_NONE), "");
    EXPECT_INT(policy_kind_find(t.p, KIND_NEED, SPAN("opted-out")), POLICY_NONE);
    arena_free(t.arena);
}

TEST(suggestions_are_near_or_none)
{
    struct policies t = policies_good(GROUP, NULL);
    EXPECT_SPAN(policy_suggest(t.p, DIM_PURPOSE, SPAN("marketng")), "marketing");
    EXPECT_SPAN(policy_suggest(t.p, DIM_PURPOSE, SPAN("promotoin")), "promotion");
    EXPECT_SPAN(policy_suggest(t.p, DIM_PURPOSE, SPAN("zebra")), "");
    arena_free(t.arena);
}

TEST(documents_and_clauses_are_known_by_name)
{
    struct policies t = policies_good("# Terms\n\n## First part\n\n" DOCUMENT("group", "") KEEP,
                                      DOCUMENT("young", "applies to subject "
                                                        "child.\nprevails "
                                                        "over group.\n")
                                          RULE("child.a", "we may use phone of child for delivery."));
    EXPECT_INT(policy_documents(t.p), 3);
    unsigned group = policy_document_find(t.p, SPAN("group")),
             young = policy_document_find(t.p, SPAN("young"));
    EXPECT_INT(policy_document(t.p, group)->revision, 1);
    EXPECT_INT(policy_document(t.p, group)->in_force.year, 2026);
    EXPECT_SPAN(policy_document(t.p, group)->title, "T");
    EXPECT_SPAN(policy_document(t.p, group)->file, "first.md");
    EXPECT(policy_document(t.p, 17) == NULL);
    unsigned adult = policy_find(t.p, DIM_SUBJECT, SPAN("adult")),
             child = policy_find(t.p, DIM_SUBJECT, SPAN("child"));
    EXPECT(policy_document_applies(t.p, group, adult, 0));
    EXPECT(!policy_document_applies(t.p, young, adult, 0));
    EXPECT(policy_document_applies(t.p, young, child, 0));
    EXPECT(!policy_document_applies(t.p, policy_document_find(t.p, SPAN("words")), child, 0));
    unsigned clause = policy_clause_find(t.p, SPAN("group/keep.all"));
    EXPECT_SPAN(policy_clause(t.p, clause)->body, "we may keep any until purpose-ended.");
    EXPECT_SPAN(policy_clause(t.p, clause)->heading, "First part");
    EXPECT_SPAN(policy_clause_ref(t.p, clause, t.arena), "group/keep.all");
    EXPECT(policy_clause_find(t.p, SPAN("group/document")) != POLICY_NONE);
    EXPECT_INT(policy_clause_find(t.p, SPAN("keep.all")), POLICY_NONE);
    EXPECT_INT(policy_clause_find(t.p, SPAN("young/keep.all")), POLICY_NONE);
    EXPECT_INT(policy_clause_find(t.p, SPAN("")), POLICY_NONE);
    arena_free(t.arena);
}

TEST(a_comma_ends_a_list_before_who_must)
{
    struct policies t =
        policies_good(GROUP RULE("a", "to use phone, email, staff must log.\n"
                                      "to share any with own, carrier, we must log and answer.\n"
                                      "despite a.b, staff, guardian may use phone, email for delivery, "
                                      "survey only with consent.\n"
                                      "to collect any, grade 4 or above, we must log.")
                          RULE("a.b", "we must not use phone for survey."),
                      NULL);
    EXPECT_ANSWER(&t, "operation=use field=email purpose=survey actor=guardian needs=consent", "allow");
    EXPECT_ANSWER(&t, "operation=use field=email purpose=survey actor=service needs=consent", "deny");
    arena_free(t.arena);
}

TEST(duties_are_rows)
{
    struct policies t =
        policies_good(DOCUMENT("group", "promptly means 3 days.\n")
                          KEEP RULE("a", "when request-received and (consent or not opted-out), "
                                         "privacy-office must answer person within 15 "
                                         "days.\n"
                                         "when purpose-ended, we must delete account-data promptly.\n"
                                         "when request-received, we must notify to users, guardians by site "
                                         "or push before revision-in-force, "
                                         "otherwise publish notice."),
                      NULL);
    EXPECT_INT(policy_duties(t.p), 3);
    const struct policy_duty *answer_duty = policy_duty(t.p, 0), *erase = policy_duty(t.p, 1),
                             *notify = policy_duty(t.p, 2);
    EXPECT_SPAN(answer_duty->actor, "privacy-office");
    EXPECT_SPAN(answer_duty->condition, "(consent or not opted-out)");
    EXPECT_SPAN(answer_duty->object, "person");
    EXPECT_SPAN(answer_duty->unit, "days");
    EXPECT_INT(answer_duty->number, 15);
    EXPECT_INT(answer_duty->start, answer_duty->event);
    EXPECT_SPAN(policy_kind_name(t.p, KIND_DEED, erase->deed), "delete");
    EXPECT_SPAN(erase->object, "account-data");
    EXPECT_INT(erase->number, 3);
    EXPECT_INT(notify->audience.n, 2);
    EXPECT_SPAN(policy_kind_name(t.p, KIND_AUDIENCE, notify->audience.list[1]), "guardians");
    EXPECT_INT(notify->channels.n, 2);
    EXPECT_SPAN(policy_kind_name(t.p, KIND_CHANNEL, notify->channels.list[0]), "site");
    EXPECT_SPAN(policy_kind_name(t.p, KIND_CHANNEL, notify->channels.list[1]), "push");
    EXPECT(notify->before);
    EXPECT_SPAN(policy_kind_name(t.p, KIND_EVENT, notify->start), "revision-in-force");
    EXPECT_SPAN(policy_kind_name(t.p, KIND_DEED, notify->otherwise), "publish");
    EXPECT_SPAN(notify->otherwise_object, "notice");
    EXPECT_INT(answer_duty->otherwise, POLICY_NONE);
    EXPECT(policy_duty(t.p, 3) == NULL);
    arena_free(t.arena);
}

/* At least that long ahead of an event: another event than the one that sets the duty going. */
TEST(a_duty_may_have_its_time_before_an_event)
{
    struct policies t = policies_good(
        DOCUMENT("group", "") KEEP RULE("a", "when request-received, we must answer 15 working-days before "
                                             "revision-in-force, otherwise publish notice.\n"
                                             "when request-received, we must notify before purpose-ended."),
        NULL);
    const struct policy_duty *ahead = policy_duty(t.p, 0), *before = policy_duty(t.p, 1);
    EXPECT(ahead->before);
    EXPECT_INT(ahead->number, 15);
    EXPECT_SPAN(ahead->unit, "working-days");
    EXPECT_SPAN(policy_kind_name(t.p, KIND_EVENT, ahead->start), "revision-in-force");
    EXPECT_SPAN(policy_kind_name(t.p, KIND_EVENT, ahead->event), "request-received");
    EXPECT_SPAN(policy_kind_name(t.p, KIND_DEED, ahead->otherwise), "publish");
    EXPECT(before->before);
    EXPECT_INT(before->number, 0);
    EXPECT_SPAN(policy_kind_name(t.p, KIND_EVENT, before->start), "purpose-ended");
    arena_free(t.arena);
}

static bool binds(const struct policies *t, unsigned duty, const char *request)
{
    struct policy_request q;
    EXPECT_INT(policy_request_read(t->p, span_str(request), &q, NULL), OK);
    return policy_duty_binds(t->p, duty, &q);
}

/* What is not known does not release from a duty. */
TEST(the_condition_of_a_duty_is_compiled)
{
    struct policies t = policies_good(
        DOCUMENT("group", "")
            KEEP RULE("a", "when request-received and (consent or not opted-out), we must answer.\n"
                           "when request-received, we must answer.\n"
                           "when request-received and (asked and opted-out), we must answer."),
        NULL);
    EXPECT(binds(&t, 0, ""));
    EXPECT(!binds(&t, 0, "facts=opted-out"));
    EXPECT(binds(&t, 0, "facts=?opted-out"));
    EXPECT(binds(&t, 0, "facts=opted-out needs=consent"));
    EXPECT(binds(&t, 1, "facts=opted-out"));
    EXPECT(!binds(&t, 2, "facts=asked"));
    EXPECT(binds(&t, 2, "facts=asked,?opted-out"));
    EXPECT(!binds(&t, 2, "facts=?asked"));
    EXPECT(binds(&t, 2, "facts=asked,opted-out"));
    arena_free(t.arena);
}

TEST(a_higher_document_inherits_what_a_word_means)
{
    struct policies t = policies_good(DOCUMENT("group", "promptly means 3 days.\n") KEEP,
                                      DOCUMENT("young", "prevails over group.\n")
                                          RULE("a", "when purpose-ended, we must delete promptly."));
    EXPECT_INT(policy_duty(t.p, 0)->number, 3);
    arena_free(t.arena);
    t = policies_new(DOCUMENT("group", "promptly means 3 days.\n") KEEP,
                     DOCUMENT("young", "") RULE("a", "when purpose-ended, we must delete promptly."));
    EXPECT(t.p == NULL);
    EXPECT_INT(t.m.errors, 1);
    arena_free(t.arena);
}

TEST(promises_are_read_but_do_not_decide)
{
    struct policies t =
        policies_good(GROUP RULE("a", "we must never use phone for survey unless guardian-consent or asked.\n"
                                      "guardian may always use phone for delivery when consent.\n"
                                      "every allowed share any with carrier must have paper and log."),
                      NULL);
    EXPECT_ANSWER(&t, "operation=use field=phone purpose=survey", "deny");
    EXPECT_ANSWER(&t, "operation=use field=phone purpose=delivery actor=guardian needs=consent", "deny");
    arena_free(t.arena);
}

TEST(messages_have_a_stable_json_form)
{
    struct policies t = policies_new(GROUP RULE("a", "we may use phone for marketng."), NULL);
    struct text text = text_new(t.arena, 256);
    policy_messages_json(&text, &t.m);
    EXPECT(t.p == NULL);
    EXPECT_SPAN(text_span(&text),
                "{\"errors\":[{\"kind\":\"name\","
                "\"message\":\"there is no purpose called 'marketng'; did you mean 'marketing'?\","
                "\"file\":\"first.md\",\"line\":11,\"column\":22,\"clause\":\"group/a\"}],\"warnings\":[],"
                "\"counts\":{\"syntax\":0,\"name\":1,\"contradiction\":0,\"silent-lifting\":0,"
                "\"unranked-overlap\":0,\"cycle\":0,\"broken-promise\":0,\"no-keep-rule\":0,\"dead-norm\":0,"
                "\"redundant-norm\":0,\"unused\":0,\"unmasked\":0,\"uncovered\":0,\"untranslated\":0}}");
    arena_free(t.arena);
}

TEST(no_documents_is_an_error)
{
    struct arena *a = arena_new(0);
    struct policy_messages m;
    EXPECT(policy_load(a, NULL, 0, &m) == NULL);
    EXPECT_INT(m.errors, 1);
    arena_free(a);
}

/* One thing too many of everything that is counted in bits. */
TEST(limits_are_errors_not_crashes)
{
    struct arena *a = arena_new(0);
    struct text t = text_new(a, 4096);
    struct policy_messages m;
    text_str(&t, "```catalogue\n");
    for (int i = 0; i < 70; i++)
        text_fmt(&t, "need n%d \"x\".\nfact f%d \"x\".\n", i, i);
    for (int i = 0; i < 600; i++)
        text_fmt(&t, "purpose p%d.\n", i);
    text_str(&t, "```\n");
    struct policy_source s = {SPAN("words.md"), text_span(&t)};
    EXPECT(policy_load(a, &s, 1, &m) == NULL);
    EXPECT_INT(m.errors, 6 + 6 + 88);
    arena_free(a);
}

TEST(only_so_many_messages_are_kept)
{
    struct arena *a = arena_new(0);
    struct text t = text_new(a, 4096);
    struct policy_messages m;
    text_str(&t, "```catalogue\n");
    for (int i = 0; i < 500; i++)
        text_str(&t, "nonsense here.\n");
    text_str(&t, "```\n");
    struct policy_source s = {SPAN("words.md"), text_span(&t)};
    EXPECT(policy_load(a, &s, 1, &m) == NULL);
    EXPECT_INT(m.errors, 500);
    EXPECT_INT(m.n, POLICY_MESSAGES_MAX);
    arena_free(a);
}

UNIT_MAIN(CASE(names_have_indices_in_order_of_declaration), CASE(groups_hold_members_and_groups),
          CASE(kinds_carry_words_source_and_reason), CASE(suggestions_are_near_or_none),
          CASE(documents_and_clauses_are_known_by_name), CASE(a_comma_ends_a_list_before_who_must),
          CASE(duties_are_rows), CASE(a_duty_may_have_its_time_before_an_event),
          CASE(the_condition_of_a_duty_is_compiled), CASE(a_higher_document_inherits_what_a_word_means),
          CASE(promises_are_read_but_do_not_decide), CASE(messages_have_a_stable_json_form),
          CASE(no_documents_is_an_error), CASE(limits_are_errors_not_crashes),
          CASE(only_so_many_messages_are_kept))
