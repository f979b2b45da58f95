// SPDX-License-Identifier: Apache-2.0
/* Deciding over the small policy: what ended, what was never held, recipients, children, names. */
#include "gate_fixture.h"

/* ---- Agreements and consents */

TEST(R006_nothing_before_agreement)
{
    fx_open();
    EXPECT_SAYS(&fx_ann, "purpose=delivery fields=contact-phone service=shop", "needs:no_agreement");
    EXPECT_SPAN(fx_answer.fields[0].needs[0], "agreement");
    fx_agree(&fx_ann, "group");
    EXPECT_SAYS(&fx_ann, "purpose=delivery fields=contact.phone service=shop", "allow");
    EXPECT_SPAN(fx_answer.fields[0].clause, "group/order.use");
    EXPECT_INT(fx_call.n_entries, 1);
    EXPECT_INT(fx_call.entries[0].leaf.kind, AUDIT_DECISION);
    fx_close();
}

TEST(R008_deemed_agreement_is_not_agreement)
{
    fx_open();
    EXPECT_INT(fx_act(&fx_ann, CONSENT_AGREEMENT, CONSENT_GIVEN, "group", "channel=announcement"), OK);
    EXPECT_SAYS(&fx_ann, "purpose=delivery fields=contact-phone service=shop", "allow");
    EXPECT_SAYS(&fx_ann, "purpose=direct-marketing fields=contact-phone service=shop", "needs:no_agreement");
    fx_close();
}

TEST(R152_withdrawn_is_denied_and_nothing_else)
{
    fx_open();
    fx_agree(&fx_ann, "group");
    EXPECT_SAYS(&fx_ann, "purpose=direct-marketing fields=contact-phone service=shop",
                "needs:consent_required");
    fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "consent", "purpose=direct-marketing");
    EXPECT_SAYS(&fx_ann, "purpose=direct-marketing fields=contact-phone service=shop", "allow");
    fx_act(&fx_ann, CONSENT_NEED, CONSENT_WITHDRAWN, "consent", "purpose=direct-marketing");
    EXPECT_INT(fx_call.entries[0].leaf.kind, AUDIT_WITHDRAW);
    EXPECT_SAYS(&fx_ann, "purpose=direct-marketing fields=contact-phone service=shop", "deny:withdrawn");
    EXPECT_SAYS(&fx_ann, "purpose=delivery fields=contact-phone service=shop", "allow");
    fx_act(&fx_ann, CONSENT_AGREEMENT, CONSENT_WITHDRAWN, "group", "");
    EXPECT_SAYS(&fx_ann, "purpose=delivery fields=contact-phone service=shop", "deny:withdrawn");
    fx_close();
}

TEST(R048_a_switch_stops_at_once)
{
    fx_open();
    fx_agree(&fx_ann, "group");
    fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "consent", "");
    fx_act(&fx_ann, CONSENT_PREFERENCE, CONSENT_GIVEN, "opted-out", "");
    EXPECT_SAYS(&fx_ann, "purpose=direct-marketing fields=contact-phone service=shop", "deny:unsubscribed");
    fx_act(&fx_ann, CONSENT_PREFERENCE, CONSENT_WITHDRAWN, "opted-out", "");
    EXPECT_SAYS(&fx_ann, "purpose=direct-marketing fields=contact-phone service=shop", "allow");
    fx_close();
}

TEST(R078_sensitive_needs_its_own_act)
{
    fx_open();
    fx_agree(&fx_ann, "group");
    fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "consent", "");
    EXPECT_SAYS(&fx_ann, "purpose=customer-service fields=health.physiological service=shop",
                "needs:explicit_required");
    fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "explicit-consent", "purpose=customer-service");
    EXPECT_SAYS(&fx_ann, "purpose=customer-service fields=health.physiological service=shop", "allow");
    fx_close();
}

TEST(R029_permissions_are_of_the_device)
{
    fx_open();
    fx_agree(&fx_ann, "group");
    EXPECT_SAYS(&fx_ann, "purpose=nearby-friends fields=loc.gps service=shop device=d1",
                "needs:permission_off");
    fx_act(&fx_ann, CONSENT_NEED, CONSENT_REFUSED, "location-permission", "device=d1");
    EXPECT_SAYS(&fx_ann, "purpose=nearby-friends fields=loc.gps service=shop device=d1",
                "deny:permission_off");
    fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "location-permission", "device=d1");
    EXPECT_SAYS(&fx_ann, "purpose=nearby-friends fields=loc.gps service=shop device=d1", "allow");
    EXPECT_SAYS(&fx_ann, "purpose=nearby-friends fields=loc.gps service=shop device=d2",
                "needs:permission_off");
    fx_act(&fx_ann, CONSENT_NEED, CONSENT_WITHDRAWN, "location-permission", "device=d1");
    EXPECT_SAYS(&fx_ann, "purpose=nearby-friends fields=loc.gps service=shop device=d1",
                "deny:permission_off");
    fx_close();
}

TEST(R127_staff_need_an_assignment_that_is_theirs_and_not_over)
{
    fx_open();
    const char *ask = "purpose=customer-service fields=contact-phone service=shop actor=staff:agent-1";
    fx_agree(&fx_ann, "group");
    EXPECT_SAYS(&fx_ann, ask, "needs:not_assigned");
    EXPECT_INT(fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "assignment", "staff=lead-1 party=staff:agent-2"),
               OK);
    EXPECT_SAYS(&fx_ann, ask, "needs:not_assigned");
    fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "assignment", "staff=lead-1 party=staff:agent-1");
    EXPECT_SAYS(&fx_ann, ask, "allow");
    fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "assignment",
           "staff=lead-1 party=staff:agent-1 until=2026-11-23");
    EXPECT_SAYS(&fx_ann, ask, "deny:expired");
    EXPECT_SAYS(&fx_ann, "purpose=customer-service fields=contact-phone service=shop", "allow");
    fx_close();
}

TEST(visitors_and_uncovered_services)
{
    fx_open();
    EXPECT_SAYS(NULL, "purpose=basic-service service=shop", "allow");
    EXPECT_INT(fx_answer.n_fields, 1);
    EXPECT_INT(fx_answer.fields[0].field, POLICY_NONE);
    EXPECT_SPAN(fx_answer.fields[0].clause, "group/browse");
    EXPECT_SAYS(NULL, "purpose=basic-service fields=contact.phone service=shop", "deny:not_necessary");
    EXPECT_SAYS(&fx_ann, "purpose=delivery fields=contact.phone service=open-docs", "not-applicable:scope");
    EXPECT_SPAN(fx_answer.fields[0].clause, "group/document");
    EXPECT_SAYS(&fx_ann, "purpose=delivery service=shop", "needs:no_agreement");
    fx_close();
}

/* ---- Children */

TEST(R161_R177_a_child_waits_for_the_guardian)
{
    fx_open();
    const char *ask = "purpose=delivery fields=contact-phone service=shop";
    struct subject now;
    EXPECT_INT(fx_kid.state, SUBJECT_AWAITING_GUARDIAN);
    EXPECT_SAYS(&fx_kid, ask, "needs:guardian_required");
    fx_agree(&fx_kid, "group");
    fx_agree(&fx_kid, "children");
    EXPECT_SAYS(&fx_kid, ask, "needs:guardian_required");
    subject_get(scratch_st, fx_kid.id, FX_NOW, &now, &fx_fail);
    EXPECT_INT(now.state, SUBJECT_AWAITING_GUARDIAN);
    EXPECT_INT(fx_act(&fx_kid, CONSENT_AGREEMENT, CONSENT_GIVEN, "group", fx_by_mum()), OK);
    EXPECT_INT(fx_act(&fx_kid, CONSENT_AGREEMENT, CONSENT_GIVEN, "children", fx_by_mum()), OK);
    subject_get(scratch_st, fx_kid.id, FX_NOW, &now, &fx_fail);
    EXPECT_INT(now.state, SUBJECT_ACTIVE);
    EXPECT_SAYS(&fx_kid, ask, "allow");
    EXPECT_INT(fx_act(&fx_kid, CONSENT_AGREEMENT, CONSENT_WITHDRAWN, "children", fx_by_mum()), OK);
    subject_get(scratch_st, fx_kid.id, FX_NOW, &now, &fx_fail);
    EXPECT_INT(now.state, SUBJECT_AWAITING_GUARDIAN);
    EXPECT_SAYS(&fx_kid, ask, "deny:withdrawn");
    fx_close();
}

TEST(R212_a_child_may_stop_but_not_start)
{
    fx_open();
    const char *ask = "purpose=direct-marketing fields=contact-phone service=shop";
    struct consent_event e = {
        .kind = CONSENT_NEED, .state = CONSENT_GIVEN, .name = SPAN("consent"), .until = INSTANT_FOREVER};
    struct subject out;
    fx_act(&fx_kid, CONSENT_AGREEMENT, CONSENT_GIVEN, "group", fx_by_mum());
    fx_act(&fx_kid, CONSENT_AGREEMENT, CONSENT_GIVEN, "children", fx_by_mum());
    EXPECT_INT(gate_consent(fx_as("shop"), fx_kid.id, &e, &out, &fx_fail), OK);
    EXPECT_INT(out.state, SUBJECT_AWAITING_GUARDIAN);
    EXPECT_SAYS(&fx_kid, ask, "needs:consent_required");
    fx_act(&fx_kid, CONSENT_NEED, CONSENT_GIVEN, "consent", fx_by_mum());
    EXPECT_SAYS(&fx_kid, ask, "allow");
    fx_act(&fx_kid, CONSENT_PREFERENCE, CONSENT_GIVEN, "opted-out", "");
    EXPECT_SAYS(&fx_kid, ask, "deny:unsubscribed");
    fx_act(&fx_kid, CONSENT_PREFERENCE, CONSENT_WITHDRAWN, "opted-out", fx_by_mum());
    EXPECT_SAYS(&fx_kid, ask, "allow");
    fx_act(&fx_kid, CONSENT_NEED, CONSENT_WITHDRAWN, "consent", "");
    EXPECT_SAYS(&fx_kid, ask, "deny:withdrawn");
    fx_close();
}

TEST(only_the_right_hand_may_say_it)
{
    fx_open();
    char by_stranger[64];
    snprintf(by_stranger, sizeof by_stranger, "guardian=%s", fx_hex(&fx_stranger));
    EXPECT_INT(fx_act(&fx_kid, CONSENT_AGREEMENT, CONSENT_GIVEN, "children", by_stranger), ERR_FORBIDDEN);
    EXPECT_INT(fx_act(&fx_ann, CONSENT_AGREEMENT, CONSENT_GIVEN, "group", fx_by_mum()), ERR_FORBIDDEN);
    EXPECT_INT(fx_act(&fx_kid, CONSENT_NEED, CONSENT_GIVEN, "consent", "guardian=xyz"), ERR_BAD_VALUE);
    EXPECT_INT(fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "assignment", ""), ERR_FORBIDDEN);
    EXPECT_INT(fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "consent", "staff=agent-1"), ERR_FORBIDDEN);
    EXPECT_INT(fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "confidentiality", ""), ERR_BAD_VALUE);
    EXPECT_INT(fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "consnt", ""), ERR_UNKNOWN_NAME);
    EXPECT(strstr(fx_fail.hint, "consent") != NULL);
    EXPECT_INT(fx_act(&fx_ann, CONSENT_AGREEMENT, CONSENT_GIVEN, "grup", ""), ERR_UNKNOWN_NAME);
    EXPECT(strstr(fx_fail.hint, "group") != NULL);
    EXPECT_INT(fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "consent", "purpose=delivry"), ERR_UNKNOWN_NAME);
    EXPECT(strcmp(fx_fail.where, "/purpose") == 0);
    EXPECT_INT(fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "consent", "party=ship-x"), ERR_UNKNOWN_NAME);
    EXPECT_INT(fx_call.n_entries, 0);
    fx_close();
}

TEST(R095_a_guardian_reads_for_the_child_only)
{
    fx_open();
    char ask[128], other[128];
    snprintf(ask, sizeof ask,
             "purpose=rights-requests operation=read fields=contact-phone service=shop actor=guardian:%s",
             fx_hex(&fx_mum));
    snprintf(other, sizeof other,
             "purpose=rights-requests operation=read fields=contact-phone service=shop actor=guardian:%s",
             fx_hex(&fx_stranger));
    EXPECT_SAYS(&fx_kid, ask, "allow");
    EXPECT_SAYS(&fx_kid, other, "needs:guardian_required");
    EXPECT_SAYS(&fx_kid,
                "purpose=rights-requests operation=read fields=contact-phone service=shop actor=guardian",
                "needs:guardian_required");
    fx_close();
}

/* ---- Recipients */

TEST(R087_unknown_recipients_are_denied_and_told_what_was_tried)
{
    fx_open();
    fx_agree(&fx_ann, "group");
    EXPECT_SAYS(&fx_ann,
                "purpose=delivery operation=share fields=contact-phone service=shop recipient=ship-c",
                "deny:default_deny");
    EXPECT(fx_answer.hint.len && fx_answer.n_tried > 0);
    EXPECT_SPAN(fx_answer.tried[0], "group/share.delivery");
    EXPECT(strstr(arena_str(scratch_a, fx_answer.hint), "did you mean 'ship-b'?") != NULL);
    EXPECT_SAYS(&fx_ann,
                "purpose=delivery operation=share fields=contact-phone service=shop recipient=ship-off",
                "deny:default_deny");
    EXPECT(strstr(arena_str(scratch_a, fx_answer.hint), "suspended") != NULL);
    fx_close();
}

TEST(R099_the_grant_lists_what_may_go)
{
    fx_open();
    fx_agree(&fx_ann, "group");
    EXPECT_SAYS(&fx_ann,
                "purpose=delivery operation=share "
                "fields=contact-phone,order-address,order-items,contact-email service=shop recipient=ship-b",
                "deny");
    for (size_t i = 0; i < 3; i++)
        EXPECT_INT(fx_answer.fields[i].answer, ANSWER_ALLOW);
    EXPECT_INT(fx_answer.fields[3].answer, ANSWER_DENY);
    EXPECT_SPAN(fx_answer.fields[3].reason, "scope");
    EXPECT_SPAN(fx_answer.obligations[0], "record_disclosure");
    EXPECT_SAYS(&fx_ann,
                "purpose=delivery operation=share fields=contact-phone service=shop recipient=ship-bare",
                "deny:scope");
    EXPECT_SAYS(&fx_ann,
                "purpose=delivery operation=share fields=contact-phone service=shop recipient=ship-bare "
                "evidence=order:17",
                "deny:scope");
    EXPECT_SAYS(&fx_ann,
                "purpose=delivery operation=share fields=profile-nickname service=shop recipient=ship-b",
                "deny:default_deny");
    fx_close();
}

TEST(R107_what_rests_on_evidence_needs_no_grant)
{
    fx_open();
    const char *ask =
        "purpose=delivery operation=share fields=contact-phone service=shop recipient=court-1 basis=justice";
    char with[160];
    snprintf(with, sizeof with, "%s evidence=case_document:doc-9", ask);
    EXPECT_SAYS(&fx_ann, ask, "needs:evidence_missing");
    EXPECT_SAYS(&fx_ann, with, "allow");
    EXPECT_SAYS(&fx_ann,
                "purpose=delivery operation=share fields=contact-phone service=shop recipient=court-1 "
                "basis=ops_stability",
                "deny:basis_not_for_operation");
    EXPECT_SAYS(&fx_ann,
                "purpose=delivery operation=share fields=order-items service=shop recipient=univ-q "
                "evidence=anonymised:report-1",
                "allow");
    fx_agree(&fx_ann, "group");
    EXPECT_SAYS(&fx_ann,
                "purpose=delivery operation=share fields=contact-phone service=shop recipient=ship-bare "
                "basis=consent-general",
                "deny:scope");
    fx_close();
}

TEST(R100_lapsed_papers_stop_the_flow)
{
    fx_open();
    const char *ask = "purpose=delivery operation=share fields=contact-phone service=shop recipient=ship-b";
    struct paper p = {
        .kind = SPAN("confidentiality"), .reference = SPAN("nda"), .until = {FX_NOW.ms - DAY_MS}};
    fx_agree(&fx_ann, "group");
    EXPECT_SAYS(&fx_ann, ask, "allow");
    scratch_must(recipient_paper_put(scratch_st, SPAN("ship-b"), &p, &fx_fail), &fx_fail);
    gate_registers_changed(fx_gate, scratch_st);
    EXPECT_SAYS(&fx_ann, ask, "deny:agreement_expired");
    p.until = INSTANT_FOREVER;
    scratch_must(recipient_paper_put(scratch_st, SPAN("ship-b"), &p, &fx_fail), &fx_fail);
    gate_registers_changed(fx_gate, scratch_st);
    EXPECT_SAYS(&fx_ann, ask, "allow");
    fx_close();
}

/* ---- Names */

TEST(R099_names_are_resolved_or_refused)
{
    static const struct {
        const char *ask, *want, *where, *hint;
    } rows[] = {
        {"purpose=delivry fields=contact-phone service=shop", "UNKNOWN_NAME", "/purpose", "'delivery'"},
        {"purpose=trade fields=contact-phone service=shop", "UNKNOWN_NAME", "/purpose", "group"},
        {"purpose=* fields=contact-phone service=shop", "WILDCARD", "/purpose", ""},
        {"fields=contact-phone service=shop", "MISSING_MEMBER", "/purpose", ""},
        {"purpose=delivery fields=contact-phone", "MISSING_MEMBER", "/service", ""},
        {"purpose=delivery fields=contact-phone service=shpo", "UNKNOWN_NAME", "/service", "'shop'"},
        {"purpose=delivery fields=contact-phone service=shop operation=colect", "UNKNOWN_NAME", "/operation",
         "'collect'"},
        {"purpose=delivery fields=contact-phone service=shop basis=justise", "UNKNOWN_NAME", "/basis",
         "'justice'"},
        {"purpose=delivery fields=contact-phone service=shop actor=stuff:x", "UNKNOWN_NAME", "/actor",
         "'staff'"},
        {"purpose=delivery fields=contact-phone service=shop actor=guardian:12", "BAD_VALUE", "/actor", ""},
        {"purpose=delivery fields=contact-phone service=shop operation=collect source=subjekt",
         "UNKNOWN_NAME", "/source", "'subject'"},
        {"purpose=delivery fields=contact-phone,* service=shop", "WILDCARD", "/fields/1", ""},
        {"purpose=delivery fields=any service=shop", "WILDCARD", "/fields/0", ""},
        {"purpose=delivery fields=contact service=shop", "WILDCARD", "/fields/0", ""},
        {"purpose=delivery fields=reachable service=shop", "WILDCARD", "/fields/0", ""},
        {"purpose=delivery fields=contact.phone,shoe.size,contact.phon service=shop", "UNDECLARED_FIELD",
         "/fields/1", ""},
    };
    fx_open();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EXPECT_SAYS(&fx_ann, rows[i].ask, rows[i].want);
        EXPECT(strcmp(fx_fail.where, rows[i].where) == 0);
        EXPECT(strstr(fx_fail.hint, rows[i].hint) != NULL);
        EXPECT_INT(fx_call.n_entries, 0);
    }
    EXPECT(strstr(fx_fail.detail, "'shoe.size', 'contact.phon'") != NULL);
    struct gate_request q = fx_ask_for(&fx_ann, "purpose=delivery fields=contact-phone service=forum");
    EXPECT_INT(gate_decide(fx_as("shop"), &q, &fx_answer, &fx_fail), ERR_FORBIDDEN);
    struct subject nobody = {.id = {{9}}};
    EXPECT_SAYS(&nobody, "purpose=delivery fields=contact-phone service=shop", "NOT_FOUND");
    fx_close();
}

TEST(explaining_tells_every_field)
{
    fx_open();
    EXPECT_SAYS(&fx_ann, "purpose=delivery fields=contact-phone,loc-gps service=shop explain",
                "deny:no_agreement");
    EXPECT(span_starts(fx_answer.trace_json, "[{\"field\":\"contact-phone\",\"explanation\":{"));
    const struct json *v;
    EXPECT_INT(json_parse(scratch_a, fx_answer.trace_json, &v, &fx_fail), OK);
    EXPECT_INT(json_count(v), 2);
    fx_close();
}

int main(void)
{
    scratch_must(crypto_start(&fx_fail), &fx_fail);
    log_level_set(LOG_LVL_ERROR);
    static const struct unit_case cases[] = {
        CASE(R006_nothing_before_agreement),
        CASE(R008_deemed_agreement_is_not_agreement),
        CASE(R152_withdrawn_is_denied_and_nothing_else),
        CASE(R048_a_switch_stops_at_once),
        CASE(R078_sensitive_needs_its_own_act),
        CASE(R029_permissions_are_of_the_device),
        CASE(R127_staff_need_an_assignment_that_is_theirs_and_not_over),
        CASE(visitors_and_uncovered_services),
        CASE(R161_R177_a_child_waits_for_the_guardian),
        CASE(R212_a_child_may_stop_but_not_start),
        CASE(only_the_right_hand_may_say_it),
        CASE(R095_a_guardian_reads_for_the_child_only),
        CASE(R087_unknown_recipients_are_denied_and_told_what_was_tried),
        CASE(R099_the_grant_lists_what_may_go),
        CASE(R107_what_rests_on_evidence_needs_no_grant),
        CASE(R100_lapsed_papers_stop_the_flow),
        CASE(R099_names_are_resolved_or_refused),
        CASE(explaining_tells_every_field),
    };
    return unit_main(cases, sizeof cases / sizeof cases[0]);
}
