// SPDX-License-Identifier: Apache-2.0
/* Values through the gate: in, out, to others, gone; and the entries each leaves. */
#define _GNU_SOURCE /* memmem */
#include "gate_fixture.h"

#include "file.h"
#include "store_test.h"

static struct gate_out *out;
static size_t n_out;

static enum audit_kind last_kind(void)
{
    EXPECT_INT(fx_call.n_entries, 1);
    return fx_call.entries[0].leaf.kind;
}

/* ---- In */

TEST(R011_a_value_keeps_where_it_came_from)
{
    fx_open();
    fx_agree(&fx_ann, "group");
    EXPECT_INT(fx_put("shop", &fx_ann, "contact.phone", "138 1234 1234", ""), OK);
    EXPECT_INT(last_kind(), AUDIT_COLLECT);
    EXPECT_SPAN(fx_answer.obligations[0], "record_source");
    EXPECT_INT(gate_held(fx_as("shop"), fx_ann.id, &out, &n_out, &fx_fail), OK);
    EXPECT_INT(n_out, 1);
    EXPECT_SPAN(out[0].field, "contact-phone");
    EXPECT_SPAN(out[0].source, "subject");
    EXPECT_SPAN(out[0].service, "shop");
    EXPECT_SPAN(out[0].purpose, "delivery");
    EXPECT_SPAN(out[0].region, "CN");
    EXPECT_INT(out[0].time.ms, FX_NOW.ms);
    EXPECT_INT(out[0].plain.len, 0);
    EXPECT_INT(fx_read("shop", &fx_ann, "purpose=delivery fields=contact-phone", &out, &n_out), OK);
    EXPECT_SPAN(out[0].plain, "+8613812341234");
    EXPECT_INT(out[0].keep_until.ms, INSTANT_FOREVER.ms);
    EXPECT_INT(last_kind(), AUDIT_READ);
    fx_close();
}

TEST(R109_what_is_collected_ends_when_the_policy_says)
{
    fx_open();
    EXPECT_INT(
        fx_put("shop", &fx_ann, "log-ip-address", "192.0.2.1", "purpose=basic-service source=observed"), OK);
    EXPECT_INT(fx_answer.fields[0].keep_until.ms, FX_NOW.ms + 180 * DAY_MS);
    EXPECT_INT(fx_read("shop", &fx_ann, "purpose=basic-service fields=log-ip-address", &out, &n_out), OK);
    EXPECT_INT(n_out, 1);
    struct gate_request q = fx_ask_for(&fx_ann, "purpose=basic-service fields=log-ip-address");
    fx_as("shop")->now.ms += 180 * DAY_MS;
    EXPECT_INT(gate_read(&fx_call, &q, &fx_answer, &out, &n_out, &fx_fail), OK);
    EXPECT_INT(n_out, 0);
    fx_close();
}

TEST(R015_a_service_claims_only_its_sources)
{
    fx_open();
    EXPECT_INT(
        fx_put("log-1", &fx_ann, "log-ip-address", "192.0.2.1", "purpose=basic-service source=subject"),
        ERR_SOURCE_FORBIDDEN);
    EXPECT_INT(fx_put("log-1", &fx_ann, "log-ip-address", "192.0.2.1", "purpose=basic-service"),
               ERR_SOURCE_FORBIDDEN);
    EXPECT_INT(
        fx_put("log-1", &fx_ann, "log-ip-address", "192.0.2.1", "purpose=basic-service source=observed"), OK);
    fx_close();
}

TEST(all_or_nothing)
{
    fx_open();
    size_t dropped;
    struct gate_request q = fx_ask_for(&fx_ann, "purpose=delivery");
    struct gate_value v[] = {{.field = SPAN("contact-email"), .plain = SPAN("ann@example.org")},
                             {.field = SPAN("loc-gps"), .plain = SPAN("31,121")}};
    fx_agree(&fx_ann, "group");
    EXPECT_INT(gate_collect(fx_as("shop"), &q, v, 2, false, &fx_answer, &dropped, &fx_fail), ERR_REFUSED);
    EXPECT_INT(last_kind(), AUDIT_REFUSED);
    EXPECT(fx_call.undo);
    EXPECT_INT(fx_answer.fields[0].answer, ANSWER_ALLOW);
    EXPECT_INT(fx_answer.fields[1].answer, ANSWER_DENY);
    EXPECT(strstr(fx_fail.detail, "loc-gps") != NULL);
    gate_held(fx_as("shop"), fx_ann.id, &out, &n_out, &fx_fail);
    EXPECT_INT(n_out, 0);
    EXPECT_INT(fx_put("closed", &fx_ann, "contact-email", "ann@example.org", ""), ERR_REFUSED);
    EXPECT_SPAN(fx_answer.fields[0].reason, "expired");
    fx_close();
}

TEST(R129_what_is_not_declared_does_not_enter)
{
    fx_open();
    size_t dropped;
    struct gate_request q = fx_ask_for(&fx_ann, "purpose=delivery");
    struct gate_value v[] = {{.field = SPAN("shoe-size"), .plain = SPAN("43")},
                             {.field = SPAN("contact-email"), .plain = SPAN("ann@example.org")},
                             {.field = SPAN("star.sign"), .plain = SPAN("leo")}};
    fx_agree(&fx_ann, "group");
    EXPECT_INT(gate_collect(fx_as("shop"), &q, v, 3, false, &fx_answer, &dropped, &fx_fail),
               ERR_UNDECLARED_FIELD);
    EXPECT(strstr(fx_fail.detail, "'shoe-size', 'star.sign'") != NULL);
    EXPECT_INT(gate_collect(fx_as("forum"), &q, v, 3, false, &fx_answer, &dropped, &fx_fail), OK);
    EXPECT_INT(dropped, 2);
    EXPECT_INT(fx_answer.n_fields, 1);
    v[0].field = SPAN("contact");
    EXPECT_INT(gate_collect(fx_as("forum"), &q, v, 3, false, &fx_answer, &dropped, &fx_fail), ERR_WILDCARD);
    gate_held(fx_as("forum"), fx_ann.id, &out, &n_out, &fx_fail);
    EXPECT_INT(n_out, 1);
    fx_close();
}

TEST(identifiers_belong_to_one_person)
{
    fx_open();
    struct subject_id id;
    fx_agree(&fx_ann, "group");
    fx_agree(&fx_mum, "group");
    EXPECT_INT(fx_put("shop", &fx_ann, "contact-phone", "13812341234", ""), OK);
    EXPECT_INT(fx_put("shop", &fx_mum, "contact-phone", "+86 138-1234-1234", ""), ERR_TAKEN);
    EXPECT(!strstr(fx_fail.detail, fx_hex(&fx_ann)) && !strstr(fx_fail.detail, "1381234"));
    EXPECT_INT(fx_call.n_entries, 0);
    EXPECT_INT(gate_lookup(fx_as(""), SPAN("phone"), SPAN("13812341234"), &id, &fx_fail), OK);
    EXPECT(subject_id_eq(id, fx_ann.id));
    EXPECT_INT(fx_put("shop", &fx_ann, "contact-phone", "12", ""), ERR_BAD_VALUE);
    EXPECT(strcmp(fx_fail.where, "/values/contact-phone") == 0);
    EXPECT_INT(fx_put("shop", &fx_ann, "contact-email", "ann(at)example", ""), ERR_BAD_VALUE);
    EXPECT_INT(fx_put("shop", &fx_ann, "profile-nickname", "\xff", ""), ERR_BAD_UTF8);
    struct gate_request q = fx_ask_for(&fx_ann, "purpose=rights-requests actor=subject fields=contact-phone");
    int64_t deleted;
    EXPECT_INT(gate_delete(fx_as("shop"), &q, SPAN_EMPTY, &fx_answer, &deleted, &fx_fail), OK);
    EXPECT_INT(deleted, 1);
    EXPECT_INT(last_kind(), AUDIT_DELETE);
    EXPECT_INT(gate_lookup(fx_as(""), SPAN("phone"), SPAN("13812341234"), &id, &fx_fail), ERR_NOT_FOUND);
    EXPECT_INT(fx_put("shop", &fx_mum, "contact-phone", "13812341234", ""), OK);
    fx_close();
}

TEST(a_person_corrects_and_a_service_does_not)
{
    fx_open();
    size_t dropped;
    struct gate_request q = fx_ask_for(&fx_ann, "purpose=rights-requests actor=subject");
    struct gate_value v = {.field = SPAN("profile-nickname"), .plain = SPAN("Annie")};
    EXPECT_INT(gate_collect(fx_as("shop"), &q, &v, 1, true, &fx_answer, &dropped, &fx_fail), OK);
    EXPECT_INT(last_kind(), AUDIT_CORRECT);
    q.actor = SPAN_EMPTY;
    EXPECT_INT(gate_collect(fx_as("shop"), &q, &v, 1, true, &fx_answer, &dropped, &fx_fail), ERR_REFUSED);
    fx_close();
}

/* ---- Out */

TEST(R120_display_is_masked)
{
    fx_open();
    fx_agree(&fx_ann, "group");
    fx_put("shop", &fx_ann, "contact-phone", "13812341234", "");
    EXPECT_INT(fx_read("shop", &fx_ann,
                       "purpose=delivery operation=display fields=contact-phone,order-address", &out, &n_out),
               OK);
    EXPECT_INT(n_out, 1); /* nothing is held of the address: absent, not refused */
    EXPECT_INT(fx_answer.fields[1].answer, ANSWER_ALLOW);
    EXPECT(out[0].masked);
    EXPECT_SPAN(out[0].plain, "138****1234");
    EXPECT_SPAN(fx_answer.fields[0].mask, "middle");
    fx_close();
}

TEST(the_allowed_subset_leaves)
{
    fx_open();
    fx_agree(&fx_ann, "group");
    fx_put("shop", &fx_ann, "contact-phone", "13812341234", "");
    EXPECT_INT(fx_read("shop", &fx_ann, "purpose=delivery fields=loc-gps,contact-phone", &out, &n_out), OK);
    EXPECT_INT(n_out, 1);
    EXPECT_INT(fx_answer.answer, ANSWER_DENY);
    EXPECT_INT(last_kind(), AUDIT_READ);
    EXPECT_INT(fx_read("shop", &fx_ann, "purpose=delivery fields=loc-gps", &out, &n_out), OK);
    EXPECT_INT(n_out, 0);
    EXPECT_INT(last_kind(), AUDIT_REFUSED);
    EXPECT_INT(fx_read("shop", &fx_ann, "purpose=delivery", &out, &n_out), ERR_MISSING_MEMBER);
    EXPECT_INT(
        fx_read("shop", &fx_ann, "purpose=delivery operation=share fields=contact-phone", &out, &n_out),
        ERR_BAD_VALUE);
    EXPECT_INT(fx_read("shop", NULL, "purpose=delivery fields=contact-phone", &out, &n_out),
               ERR_MISSING_MEMBER);
    fx_close();
}

TEST(R116_an_altered_value_is_an_error_and_nothing_leaves)
{
    fx_open();
    fx_agree(&fx_ann, "group");
    fx_put("shop", &fx_ann, "contact-phone", "13812341234", "");
    flip_value(scratch_st, fx_ann.sid, "contact-phone");
    log_level_set(LOG_LVL_ERROR + 1);
    EXPECT_INT(fx_read("shop", &fx_ann, "purpose=delivery fields=contact-phone", &out, &n_out),
               ERR_INTEGRITY);
    log_level_set(LOG_LVL_ERROR);
    EXPECT_INT(fx_call.n_entries, 0);
    EXPECT_INT(n_out, 0);
    fx_close();
}

TEST(R099_sharing_hands_over_the_granted_fields_and_is_listed)
{
    fx_open();
    struct share_id id = {{0}};
    struct share_row *rows;
    size_t n;
    struct gate_request q =
        fx_ask_for(&fx_ann, "purpose=delivery recipient=ship-b fields=contact-phone,contact-email");
    fx_agree(&fx_ann, "group");
    fx_put("shop", &fx_ann, "contact-phone", "13812341234", "");
    fx_put("shop", &fx_ann, "contact-email", "ann@example.org", "");
    EXPECT_INT(gate_share(fx_as("shop"), &q, &fx_answer, &out, &n_out, &id, &fx_fail), OK);
    EXPECT_INT(n_out, 1);
    EXPECT_SPAN(out[0].plain, "+8613812341234");
    EXPECT_SPAN(fx_answer.fields[1].reason, "scope");
    EXPECT_INT(last_kind(), AUDIT_SHARE);
    scratch_must(share_list(scratch_st, fx_ann.sid, scratch_a, &rows, &n, &fx_fail), &fx_fail);
    EXPECT_INT(n, 1);
    EXPECT_SPAN(rows[0].fields, "contact-phone");
    EXPECT_SPAN(rows[0].clause, "group/share.delivery");
    q.recipient = SPAN("nobody");
    EXPECT_INT(gate_share(fx_as("shop"), &q, &fx_answer, &out, &n_out, &id, &fx_fail), OK);
    EXPECT_INT(n_out, 0);
    EXPECT_INT(last_kind(), AUDIT_REFUSED);
    q.recipient = SPAN_EMPTY;
    EXPECT_INT(gate_share(fx_as("shop"), &q, &fx_answer, &out, &n_out, &id, &fx_fail), ERR_MISSING_MEMBER);
    fx_close();
}

/* ---- Gone */

TEST(R118_an_erasure_leaves_one_ledger_line)
{
    fx_open();
    struct subject s;
    struct gate_request q = fx_ask_for(&fx_kid, "purpose=delivery recipient=ship-b fields=contact-phone");
    struct share_id id;
    fx_act(&fx_kid, CONSENT_AGREEMENT, CONSENT_GIVEN, "group", fx_by_mum());
    fx_act(&fx_kid, CONSENT_AGREEMENT, CONSENT_GIVEN, "children", fx_by_mum());
    EXPECT_INT(fx_put("shop", &fx_kid, "contact-phone", "13812341234", ""), OK);
    EXPECT_INT(gate_share(fx_as("shop"), &q, &fx_answer, &out, &n_out, &id, &fx_fail), OK);
    EXPECT_INT(n_out, 1);
    subject_service_add(scratch_st, &fx_kid, SPAN("shop"), FX_NOW, &fx_fail);
    EXPECT(rows_of_person(scratch_dir, fx_kid.sid, fx_kid.id.b) >= 8);
    scratch_begin();
    EXPECT_INT(gate_erase(fx_as("shop"), fx_kid.id, SPAN_EMPTY, &s, &fx_fail), OK);
    EXPECT_INT(last_kind(), AUDIT_ERASE);
    EXPECT(fx_call.forget_history && s.state == SUBJECT_ERASED);
    static const uint8_t nobody[16];
    EXPECT(memcmp(fx_call.entries[0].leaf.subject, nobody, 16) != 0);
    scratch_commit();
    EXPECT_INT(rows_of_person(scratch_dir, fx_kid.sid, fx_kid.id.b), 1);
    EXPECT_SAYS(&fx_kid, "purpose=delivery fields=contact-phone service=shop", "GONE");
    EXPECT_INT(gate_erase(fx_as("shop"), fx_kid.id, SPAN_EMPTY, &s, &fx_fail), ERR_GONE);
    /* The guardian goes too: no link to them stays. */
    scratch_begin();
    EXPECT_INT(gate_erase(fx_as("shop"), fx_mum.id, SPAN_EMPTY, &s, &fx_fail), OK);
    scratch_commit();
    EXPECT_INT(rows_of_person(scratch_dir, fx_mum.sid, fx_mum.id.b), 1);
    fx_close();
}

TEST(a_person_whose_key_is_lost_can_still_be_erased)
{
    fx_open();
    struct subject s;
    scratch_must(
        store_run(scratch_st, Q_KEY_DELETE, ARGS(ARG_B(span_of(fx_ann.id.b, ID_LEN))), NULL, &fx_fail),
        &fx_fail);
    gate_release(fx_gate, fx_call.view); /* lost while it was closed */
    fx_call.view = NULL;
    gate_close(fx_gate);
    scratch_must(fx_open_gate("tests/cases/policies/mini"), &fx_fail);
    EXPECT_SAYS(&fx_ann, "purpose=delivery fields=contact-phone service=shop", "GONE");
    scratch_begin();
    EXPECT_INT(gate_erase(fx_as("shop"), fx_ann.id, SPAN_EMPTY, &s, &fx_fail), OK);
    scratch_commit();
    EXPECT_INT(rows_of_person(scratch_dir, fx_ann.sid, fx_ann.id.b), 1);
    fx_close();
}

/* ---- The record */

/* Appends the call's entry to a log, indexes it for its person. */
static void into_record(struct audit *log)
{
    uint64_t index;
    scratch_must(audit_append(log, &fx_call.entries[0], &index, &fx_fail), &fx_fail);
    scratch_must(audit_seal(log, &fx_fail), &fx_fail);
    scratch_must(store_run(scratch_st, Q_HISTORY_ADD,
                           ARGS(ARG_B(span_of(fx_call.entry_subject[0].b, ID_LEN)), ARG_I(index)), NULL,
                           &fx_fail),
                 &fx_fail);
}

TEST(who_read_what_and_why)
{
    fx_open();
    struct audit *log;
    struct gate_history_row *rows;
    struct instant until;
    size_t n;
    scratch_must(audit_create(scratch_dir, "test.example", FX_NOW, &fx_fail), &fx_fail);
    scratch_must(audit_open(scratch_dir, &log, &fx_fail), &fx_fail);
    fx_agree(&fx_ann, "group");
    into_record(log);
    fx_put("shop", &fx_ann, "contact-phone", "13812341234", "evidence=order:17");
    into_record(log);
    fx_read("shop", &fx_ann, "purpose=delivery fields=contact-phone,loc-gps", &out, &n_out);
    into_record(log);
    EXPECT_INT(gate_history(fx_as("shop"), fx_ann.id, &(struct gate_history_page){.limit = 10}, &rows, &n,
                            &until, log, &fx_fail),
               OK);
    EXPECT_INT(n, 3);
    EXPECT(strcmp(rows[0].kind, audit_kind_name(AUDIT_READ)) == 0);
    EXPECT_SPAN(
        rows[0].detail,
        "{\"actor\":\"service:shop\",\"service\":\"shop\",\"purpose\":\"delivery\",\"operation\":\"use\","
        "\"answer\":\"deny\",\"clause\":\"group/near\",\"reason\":\"purpose_mismatch\",\"fields\":"
        "[\"contact-phone\",\"loc-gps\"],\"outcomes\":[{\"answer\":\"allow\",\"clause\":\"group/order.use\","
        "\"at\":[0]},{\"answer\":\"deny\",\"clause\":\"group/near\",\"reason\":\"purpose_mismatch\","
        "\"at\":[1]}],\"standing\":[\"actor=service subject=adult service=shop jurisdiction=cn party=own "
        "needs=agreement,deemed-agreement\"]}");
    EXPECT_SPAN(rows[1].detail,
                "{\"actor\":\"service:shop\",\"service\":\"shop\",\"purpose\":\"delivery\","
                "\"operation\":\"collect\",\"evidence\":"
                "{\"order\":\"17\"},\"answer\":\"allow\",\"clause\":\"group/"
                "order.collect\",\"deeds\":\"record-source\",\"fields\":[\"contact-phone\"],\"standing\":"
                "[\"actor=service subject=adult service=shop jurisdiction=cn "
                "party=data-subject needs=agreement,deemed-agreement\"]}");
    EXPECT(!memmem(rows[1].detail.p, rows[1].detail.len, "1381234", 7));
    EXPECT_INT(last_kind(), AUDIT_READ); /* looking is on record too */
    EXPECT_INT(gate_history(fx_as("shop"), fx_mum.id, &(struct gate_history_page){.limit = 10}, &rows, &n,
                            &until, log, &fx_fail),
               OK);
    EXPECT_INT(n, 0);
    /* A detail under another entry's leaf is found out. */
    scratch_must(store_run(scratch_st, Q_HISTORY_ADD, ARGS(ARG_B(span_of(fx_mum.id.b, ID_LEN)), ARG_I(0)),
                           NULL, &fx_fail),
                 &fx_fail);
    EXPECT_INT(gate_history(fx_as("shop"), fx_mum.id, &(struct gate_history_page){.limit = 10}, &rows, &n,
                            &until, log, &fx_fail),
               ERR_INTEGRITY);
    audit_close(log);
    fx_close();
}

static enum err who_now(uint8_t subject[16], bool *found)
{
    uint8_t leaf[AUDIT_LEAF_MAX];
    size_t len = audit_leaf_put(&fx_call.entries[0].leaf, leaf);
    fx_fail = (struct fail){0};
    return gate_entry_subject(fx_gate, scratch_st, span_of(leaf, len), subject, found, &fx_fail);
}

static bool who(uint8_t subject[16])
{
    bool found = false;
    EXPECT_INT(who_now(subject, &found), OK);
    return found;
}

static void pass_begin(void)
{
    uint8_t subject[16];
    bool found = true;
    EXPECT_INT(gate_entry_subject(fx_gate, scratch_st, SPAN_EMPTY, subject, &found, &fx_fail), OK);
    EXPECT(!found);
}

TEST(a_pass_over_the_record_looks_anew_who_lives)
{
    fx_open();
    uint8_t subject[16];
    struct subject fresh, gone;
    fx_agree(&fx_ann, "group");
    EXPECT(who(subject)); /* the table of this epoch is made */
    scratch_begin();
    EXPECT_INT(gate_subject_create(fx_as("shop"), (struct date){1990, 5, 5}, SPAN_EMPTY, &fresh, &fx_fail),
               OK);
    scratch_commit();
    EXPECT(!who(subject));
    pass_begin();
    EXPECT(who(subject));
    EXPECT(memcmp(subject, fresh.id.b, 16) == 0);
    struct audit_entry e = fx_call.entries[0];
    scratch_begin();
    EXPECT_INT(gate_erase(fx_as("shop"), fresh.id, SPAN_EMPTY, &gone, &fx_fail), OK);
    scratch_commit();
    fx_call.entries = &e;
    pass_begin();
    EXPECT(!who(subject));
    fx_close();
}

TEST(entries_are_attributed_to_the_living)
{
    fx_open();
    uint8_t subject[16];
    struct subject s;
    fx_agree(&fx_ann, "group");
    EXPECT(who(subject));
    EXPECT(memcmp(subject, fx_ann.id.b, 16) == 0);
    gate_note(fx_as(""), AUDIT_REGISTER, SPAN("{\"service\":\"shop\"}"), &fx_fail);
    EXPECT_INT(last_kind(), AUDIT_REGISTER);
    EXPECT(!who(subject));
    scratch_begin();
    gate_erase(fx_as("shop"), fx_stranger.id, SPAN_EMPTY, &s, &fx_fail);
    scratch_commit();
    struct audit_entry e = fx_call.entries[0];
    gate_release(fx_gate, fx_call.view);
    fx_call = (struct gate_call){0};
    gate_close(fx_gate); /* a power cut: the next start knows only the living */
    scratch_must(fx_open_gate("tests/cases/policies/mini"), &fx_fail);
    fx_as("");
    fx_call.entries = &e;
    EXPECT(!who(subject));
    fx_close();
}

TEST(an_entry_is_nobodys_only_if_all_keys_were_read)
{
    fx_open();
    uint8_t subject[16];
    bool found;
    fx_agree(&fx_ann, "group");
    keys_sql("ALTER TABLE person_key RENAME TO away");
    EXPECT(who_now(subject, &found) != OK);
    EXPECT(who_now(subject, &found) != OK);
    keys_sql("ALTER TABLE away RENAME TO person_key");
    EXPECT(who(subject));
    EXPECT(memcmp(subject, fx_ann.id.b, 16) == 0);
    fx_close();
}

TEST(damaged_rows_of_keys_leave_nobody_else_without_a_name)
{
    fx_open();
    uint8_t subject[16];
    fx_agree(&fx_ann, "group");
    keys_sql("INSERT INTO person_key SELECT x'00', class, generation, wrapped FROM person_key LIMIT 1;"
             "INSERT INTO person_key VALUES (x'00112233445566778899aabbccddeeff', 'adult', 1, x'00')");
    EXPECT(who(subject));
    EXPECT(memcmp(subject, fx_ann.id.b, 16) == 0);
    fx_close();
}

TEST(a_leaf_holds_numbers_only)
{
    fx_open();
    fx_agree(&fx_ann, "group");
    EXPECT_SAYS(&fx_ann, "purpose=direct-marketing fields=contact-phone service=shop",
                "needs:consent_required");
    const struct audit_leaf *l = &fx_call.entries[0].leaf;
    const struct policy *p = fx_call.view->policy;
    EXPECT_SPAN(policy_name(p, DIM_SERVICE, l->service), "shop");
    EXPECT_SPAN(policy_name(p, DIM_PURPOSE, l->purpose), "direct-marketing");
    EXPECT_INT(l->answer, ANSWER_NEEDS + 1);
    EXPECT_INT(l->reason, 2);
    EXPECT(l->clause != POLICY_NONE);
    EXPECT(memcmp(l->policy, fx_call.view->digest.b, 8) == 0);
    fx_close();
}

TEST(many_fields_and_references_fit_the_record)
{
    fx_open();
    static char ref[400];
    memset(ref, 'r', sizeof ref - 1);
    struct gate_request q = fx_ask_for(&fx_ann, "purpose=delivery service=shop");
    const struct gate_view *v = gate_hold(fx_gate);
    for (unsigned i = 0; i < policy_count(v->policy, DIM_FIELD) && i < GATE_FIELDS_MAX; i++)
        q.fields[q.n_fields++] = policy_name(v->policy, DIM_FIELD, i);
    gate_release(fx_gate, v);
    for (size_t i = 0; i < GATE_EVIDENCE_MAX; i++)
        q.evidence[q.n_evidence++] =
            (struct evidence){arena_fmt(scratch_a, "%.60s%zu", ref, i), span_str(ref)};
    EXPECT_INT(gate_decide(fx_as(""), &q, &fx_answer, &fx_fail), OK);
    EXPECT(fx_call.entries[0].detail.len <= AUDIT_DETAIL_MAX);
    fx_close();
}

/* ---- Opening */

TEST(R001_texts_and_sets_are_kept)
{
    fx_open();
    struct revision_row *rows, row;
    size_t n;
    EXPECT_INT(gate_revision_at(fx_as(""), SPAN("group"), FX_NOW, &row, &fx_fail), OK);
    EXPECT_INT(row.revision, 4);
    EXPECT_SPAN(row.title, "Small policy");
    EXPECT_SPAN(row.language, "en");
    EXPECT_INT(row.in_force.ms, fx_at("2024-12-31T16:00:00Z").ms);
    struct digest digest;
    crypto_sha256(row.text, &digest);
    EXPECT(memcmp(digest.b, row.digest.b, 32) == 0);
    EXPECT_INT(gate_revision_at(fx_as(""), SPAN("group"), fx_at("2024-12-31"), &row, &fx_fail),
               ERR_NOT_FOUND);
    EXPECT_INT(gate_revisions(fx_as(""), &rows, &n, &fx_fail), OK);
    EXPECT_INT(n, 3);
    EXPECT_INT(strlen(fx_call.view->revision), 16);
    fx_close();
}

static void change(const char *policy, const char *file, const char *more)
{
    char command[800];
    snprintf(command, sizeof command, "cp -r tests/cases/policies/mini %s && printf '%s' >> %s/%s", policy,
             more, policy, file);
    if (system(command) != 0)
        abort();
}

TEST(a_policy_with_errors_does_not_open)
{
    fx_fail = (struct fail){0};
    scratch_open();
    scratch_must(key_create_file(scratch_path("master"), &fx_fail), &fx_fail);
    scratch_must(gate_create(scratch_dir, scratch_path("master"), scratch_st, &fx_fail), &fx_fail);
    char dir[200];
    snprintf(dir, sizeof dir, "%s", scratch_path("broken"));
    change(dir, "group.md", "\\n```rule x\\nwe may eat contact for delivery.\\n```\\n");
    struct gate *g = NULL;
    struct policy_messages m;
    struct gate_config config = {
        .data = scratch_dir, .policy_dir = dir, .offset_minutes = 480, .home_region = "CN"};
    config.master_key_file = scratch_path("master");
    EXPECT_INT(gate_open(&config, scratch_st, FX_NOW, &g, &m, scratch_a, &fx_fail), ERR_POLICY);
    EXPECT(g == NULL && m.errors == 1 && m.n >= 1);
    EXPECT_SPAN(m.list[0].file, "group.md");
    scratch_close();
}

TEST(a_folder_that_changed_does_not_run)
{
    fx_open();
    char dir[200];
    struct gate *g = NULL;
    struct policy_messages m;
    snprintf(dir, sizeof dir, "%s", scratch_path("changed"));
    change(dir, "group.md", "\nMore words.\n");
    char before[16 + 1];
    snprintf(before, sizeof before, "%s", fx_call.view->revision);
    gate_release(fx_gate, fx_call.view);
    fx_call = (struct gate_call){0};
    gate_close(fx_gate);
    struct gate_config config = {.data = scratch_dir,
                                 .policy_dir = dir,
                                 .offset_minutes = 480,
                                 .home_region = "CN",
                                 .serving = true,
                                 .master_key_file = scratch_path("master")};
    EXPECT_INT(gate_open(&config, scratch_st, FX_NOW, &g, &m, scratch_a, &fx_fail), ERR_CONFLICT);
    EXPECT(strstr(fx_fail.hint, "troth policy publish") != NULL);
    EXPECT(strstr(fx_fail.detail, "group.md") != NULL);
    fx_fail = (struct fail){0};
    scratch_must(fx_open_gate(dir), &fx_fail); /* without serving: what was published runs */
    fx_as("");
    EXPECT(strcmp(fx_call.view->revision, before) == 0);
    fx_close();
}

TEST(a_snapshot_outlives_its_replacement)
{
    fx_open();
    const struct gate_view *old = gate_hold(fx_gate);
    fx_service("new", "shop", "", false, INSTANT_FOREVER);
    gate_registers_changed(fx_gate, scratch_st);
    const struct gate_view *fresh = gate_hold(fx_gate);
    EXPECT(registers_service(old->registers, SPAN("new")) == NULL);
    EXPECT(registers_service(fresh->registers, SPAN("new")) != NULL);
    gate_release(fx_gate, old);
    gate_release(fx_gate, fresh);
    fx_close();
}

int main(void)
{
    scratch_must(crypto_start(&fx_fail), &fx_fail);
    log_level_set(LOG_LVL_ERROR);
    static const struct unit_case cases[] = {
        CASE(R011_a_value_keeps_where_it_came_from),
        CASE(R109_what_is_collected_ends_when_the_policy_says),
        CASE(R015_a_service_claims_only_its_sources),
        CASE(all_or_nothing),
        CASE(R129_what_is_not_declared_does_not_enter),
        CASE(identifiers_belong_to_one_person),
        CASE(a_person_corrects_and_a_service_does_not),
        CASE(R120_display_is_masked),
        CASE(the_allowed_subset_leaves),
        CASE(R116_an_altered_value_is_an_error_and_nothing_leaves),
        CASE(R099_sharing_hands_over_the_granted_fields_and_is_listed),
        CASE(R118_an_erasure_leaves_one_ledger_line),
        CASE(a_person_whose_key_is_lost_can_still_be_erased),
        CASE(who_read_what_and_why),
        CASE(entries_are_attributed_to_the_living),
        CASE(a_pass_over_the_record_looks_anew_who_lives),
        CASE(an_entry_is_nobodys_only_if_all_keys_were_read),
        CASE(damaged_rows_of_keys_leave_nobody_else_without_a_name),
        CASE(a_leaf_holds_numbers_only),
        CASE(many_fields_and_references_fit_the_record),
        CASE(R001_texts_and_sets_are_kept),
        CASE(a_policy_with_errors_does_not_open),
        CASE(a_folder_that_changed_does_not_run),
        CASE(a_snapshot_outlives_its_replacement),
    };
    return unit_main(cases, sizeof cases / sizeof cases[0]);
}
