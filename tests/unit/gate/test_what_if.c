// SPDX-License-Identifier: Apache-2.0
/* Entries decided again: alike under the same policy, and what differs under a draft (gate_what_if.h). */
#include "gate_fixture.h"

#include "gate_impl.h"
#include "gate_what_if_impl.h"
#include "policy_folder.h"
#include "store_test.h"

static struct what_if result;
static struct what_if_run run;

/* The small policy with one more rule; empty: as it is. */
static const struct policy *draft(const char *rule)
{
    struct policy_source *s;
    struct policy_messages m;
    size_t n;
    scratch_must(policy_folder_read(scratch_a, "tests/cases/policies/mini", &s, &n, &fx_fail), &fx_fail);
    for (size_t i = 0; i < n && rule[0]; i++)
        if (span_is(s[i].name, "group.md"))
            s[i].text =
                arena_fmt(scratch_a, "%.*s\n## Draft\n\n```rule draft\n%s\n```\n", SPAN_F(s[i].text), rule);
    policy_load(scratch_a, s, n, &m);
    EXPECT(m.draft != NULL);
    return m.draft;
}

static void under(const char *rule)
{
    result = (struct what_if){0};
    run =
        (struct what_if_run){.draft = draft(rule), .arena = scratch_a, .scratch = scratch_a, .out = &result};
    scratch_must(sources_bind(run.draft, run.arena, &run.sources, &fx_fail), &fx_fail);
    what_if_start(&run);
}

/* The call's entry, opened as the person's own record is. */
static struct span detail_of(const struct subject *s)
{
    struct person_key *key = NULL;
    struct span json = SPAN_EMPTY;
    if (s) {
        struct vault_person person = vault_of(s);
        scratch_must(vault_key_open(fx_gate->vault, scratch_st, &person, &key, &fx_fail), &fx_fail);
    }
    scratch_must(detail_open(fx_gate->vault, key, fx_call.entries[0].detail, &fx_call.entries[0].leaf,
                             scratch_a, &json, &fx_fail),
                 &fx_fail);
    if (key)
        vault_key_close(key);
    return json;
}

/* Asks, and decides the entry again. */
static bool again(const struct subject *s, const char *text)
{
    const struct json *detail;
    fx_says(s, text);
    scratch_must(json_parse(scratch_a, detail_of(s), &detail, &fx_fail), &fx_fail);
    return what_if_detail(&run, detail);
}

static const char *const questions[] = {
    "purpose=delivery fields=contact-phone service=shop",
    "purpose=delivery fields=contact-phone,loc-gps,order-items service=shop",
    "purpose=delivery service=shop",
    "purpose=direct-marketing fields=contact-phone,contact-email service=shop",
    "purpose=customer-service fields=contact-phone service=shop actor=staff:agent-1",
    "purpose=customer-service fields=contact-phone service=shop operation=display",
    "purpose=customer-service fields=health-physiological service=shop",
    "purpose=basic-service fields=log-ip-address,contact-phone service=closed",
    "purpose=delivery fields=contact-phone,order-address,profile-nickname service=shop operation=share "
    "recipient=ship-b",
    "purpose=delivery service=shop operation=share recipient=ship-b",
    "purpose=delivery fields=contact-phone service=shop operation=share recipient=ship-bare",
    "purpose=delivery fields=contact-phone service=shop operation=share recipient=ship-off",
    "purpose=delivery fields=contact-phone service=shop operation=share recipient=nobody",
    "purpose=delivery fields=contact-phone service=shop operation=share recipient=court-1 basis=justice "
    "evidence=case-document:c1",
    "purpose=delivery fields=order-items service=shop operation=share recipient=univ-q evidence=anonymised:a",
    "purpose=nearby-friends fields=loc-gps service=shop device=d1",
    "purpose=delivery fields=contact-phone service=open-docs",
};
enum { QUESTIONS = sizeof questions / sizeof questions[0] };

static void all_again(const struct subject *s)
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        uint64_t before = result.answers;
        bool done = again(s, questions[i]);
        EXPECT(done && result.answers > before);
        if (result.changed[WHAT_IF_SAME] != result.answers || !done) {
            printf("  %s: %.*s\n", questions[i], SPAN_F(detail_of(s)));
            unit_bad++;
            result.changed[WHAT_IF_SAME] = result.answers;
        }
    }
}

TEST(under_the_same_policy_every_answer_is_the_same)
{
    fx_open();
    under("");
    all_again(&fx_ann);
    fx_agree(&fx_ann, "group");
    all_again(&fx_ann);
    fx_act(&fx_ann, CONSENT_NEED, CONSENT_GIVEN, "consent", "purpose=direct-marketing");
    fx_act(&fx_ann, CONSENT_NEED, CONSENT_REFUSED, "location-permission", "device=d1");
    all_again(&fx_ann);
    fx_act(&fx_ann, CONSENT_PREFERENCE, CONSENT_GIVEN, "opted-out", "");
    fx_act(&fx_ann, CONSENT_NEED, CONSENT_WITHDRAWN, "consent", "purpose=direct-marketing");
    all_again(&fx_ann);
    fx_act(&fx_ann, CONSENT_AGREEMENT, CONSENT_WITHDRAWN, "group", "");
    all_again(&fx_ann);
    all_again(&fx_kid);
    all_again(NULL);
    EXPECT_INT(result.n_rows, 0);
    fx_close();
}

static const struct what_if_row *only_row(enum what_if_change change)
{
    static const struct what_if_row none;
    EXPECT_INT(result.n_rows, 1);
    EXPECT_INT(result.changed[change], 1);
    return result.n_rows ? &result.rows[0] : &none;
}

#define PHONE "purpose=delivery fields=contact-phone service=shop"

TEST(a_draft_changes_what_it_says)
{
    static const struct {
        const char *rule, *question;
        enum what_if_change change;
        const char *was, *is;
    } rows[] = {
        {"we must not use contact-phone for delivery as not-necessary.", PHONE, WHAT_IF_REFUSED, "", ""},
        {"to use contact-phone, we must have explicit-consent.", PHONE, WHAT_IF_NEEDS, "",
         "explicit-consent"},
        {"to use contact-phone, we must mask as blank.", PHONE, WHAT_IF_MASK, "", "blank"},
        {"to use contact-phone, we must encrypt.", PHONE, WHAT_IF_DEEDS, "", "encrypt"},
        {"we may use loc-gps for delivery.", "purpose=delivery fields=loc-gps service=shop", WHAT_IF_ALLOWED,
         "", ""},
    };
    fx_open();
    fx_agree(&fx_ann, "group");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        under(rows[i].rule);
        EXPECT(again(&fx_ann, rows[i].question));
        const struct what_if_row *r = only_row(rows[i].change);
        EXPECT_SPAN(r->was, rows[i].was);
        EXPECT_SPAN(r->is, rows[i].is);
        EXPECT_SPAN(r->purpose, "delivery");
        EXPECT_SPAN(r->party, "own");
    }
    fx_close();
}

/* What the register said of a recipient stays said: a draft that allows more does not register anybody. */
TEST(a_draft_does_not_widen_a_grant)
{
    fx_open();
    fx_agree(&fx_ann, "group");
    under("we may share profile-nickname with logistics-company for delivery.");
    again(&fx_ann, "purpose=delivery fields=profile-nickname service=shop operation=share recipient=ship-b");
    again(&fx_ann,
          "purpose=delivery fields=profile-nickname service=shop operation=share recipient=ship-off");
    again(&fx_ann, "purpose=delivery fields=profile-nickname service=shop operation=share recipient=nobody");
    EXPECT_INT(result.changed[WHAT_IF_ALLOWED], 0);
    EXPECT_INT(result.answers, 3);
    fx_close();
}

TEST(rows_are_counted_together)
{
    fx_open();
    fx_agree(&fx_ann, "group");
    under("we must not use contact for delivery as not-necessary.");
    for (int i = 0; i < 3; i++)
        again(&fx_ann, "purpose=delivery fields=contact-phone,contact-email service=shop");
    EXPECT_INT(result.n_rows, 2);
    EXPECT_INT(result.rows[0].n, 3);
    EXPECT_INT(result.changed[WHAT_IF_REFUSED], 6);
    fx_close();
}

static bool detail_says(const char *json)
{
    const struct json *detail;
    scratch_must(json_parse(scratch_a, span_str(json), &detail, &fx_fail), &fx_fail);
    return what_if_detail(&run, detail);
}

/* A detail of an older program, or one that was too long; and a name that the draft does not know. */
TEST(what_was_not_recorded_is_not_guessed)
{
    fx_open();
    under("");
    EXPECT(!detail_says("{\"event\":\"start\"}"));
    EXPECT(!detail_says(
        "{\"purpose\":\"delivery\",\"operation\":\"use\",\"answer\":\"allow\",\"fields\":[\"x\"]}"));
    EXPECT(!detail_says("{\"purpose\":\"delivery\",\"operation\":\"use\",\"answer\":\"allow\","
                        "\"field_numbers\":[1],\"standing\":[\"actor=service\"]}"));
    EXPECT(!detail_says("{\"purpose\":\"delivery\",\"operation\":\"use\",\"answer\":\"perhaps\","
                        "\"fields\":[\"contact-phone\"],\"standing\":[\"actor=service\"]}"));
    EXPECT_INT(result.answers, 0);
    EXPECT(
        detail_says("{\"purpose\":\"weather\",\"operation\":\"use\",\"answer\":\"allow\","
                    "\"fields\":[\"contact-phone\"],\"standing\":[\"actor=service subject=adult service=shop "
                    "jurisdiction=cn party=own\"]}"));
    EXPECT_SPAN(only_row(WHAT_IF_REFUSED)->is, "weather");
    fx_close();
}

/* ---- The record of a folder */

static void put_on_record(struct audit *au)
{
    uint64_t index;
    for (size_t i = 0; i < fx_call.n_entries; i++)
        scratch_must(audit_append(au, &fx_call.entries[i], &index, &fx_fail), &fx_fail);
    scratch_must(audit_seal(au, &fx_fail), &fx_fail);
}

/* A decision about each of two persons. */
static void two_on_record(void)
{
    struct audit *au;
    scratch_must(audit_create(scratch_dir, "log.example", FX_NOW, &fx_fail), &fx_fail);
    scratch_must(audit_open(scratch_dir, &au, &fx_fail), &fx_fail);
    fx_says(&fx_ann, PHONE);
    put_on_record(au);
    fx_says(&fx_mum, PHONE);
    put_on_record(au);
    audit_close(au);
}

static void keys_go_away(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    if (done == 1 && total == 2)
        keys_sql("ALTER TABLE person_key RENAME TO away");
}

static enum err walk_all(void (*progress)(void *ctx, uint64_t done, uint64_t total))
{
    struct what_if_config c = {.data = scratch_dir,
                               .master_key_file = scratch_path("master"),
                               .until = INSTANT_FOREVER,
                               .progress = progress};
    fx_fail = (struct fail){0};
    return gate_what_if(&c, draft(""), scratch_a, &result, &fx_fail);
}

TEST(who_has_no_key_is_erased_and_whose_cannot_be_read_is_not)
{
    fx_open();
    two_on_record();
    EXPECT_INT(walk_all(NULL), OK);
    EXPECT_INT(result.answers, 2);
    EXPECT_INT(result.erased, 0);
    EXPECT(walk_all(keys_go_away) != OK); /* names are known by then, the second key is not */
    EXPECT_INT(result.answers, 1);
    EXPECT(strstr(fx_fail.detail, "person_key") != NULL);
    EXPECT(walk_all(NULL) != OK);
    EXPECT_INT(result.answers, 0);
    keys_sql("ALTER TABLE away RENAME TO person_key; DELETE FROM person_key");
    EXPECT_INT(walk_all(NULL), OK);
    EXPECT_INT(result.erased, 2);
    fx_close();
}

UNIT_MAIN(CASE(under_the_same_policy_every_answer_is_the_same), CASE(a_draft_changes_what_it_says),
          CASE(a_draft_does_not_widen_a_grant), CASE(rows_are_counted_together),
          CASE(what_was_not_recorded_is_not_guessed),
          CASE(who_has_no_key_is_erased_and_whose_cannot_be_read_is_not))
