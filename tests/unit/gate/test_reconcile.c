// SPDX-License-Identifier: Apache-2.0
/* A database that is older than the record: what is done again, and what of it asks nothing of a person's
 * key. */
#include "gate_fixture.h"

#include "gate_impl.h"
#include "store_test.h"

#include <sys/stat.h>

static struct audit *log_au;
static uint64_t pending;

/* A record beside a database that has committed nothing it knows of. */
static void open_both(void)
{
    fx_open();
    pending = 0;
    scratch_must(audit_create(scratch_dir, "log.example", FX_NOW, &fx_fail), &fx_fail);
    scratch_must(audit_open(scratch_dir, &log_au, &fx_fail), &fx_fail);
    scratch_must(
        store_run(scratch_st, Q_META_PUT, ARGS(ARG_T(SPAN("pending")), ARG_I(0), ARG_NULL), NULL, &fx_fail),
        &fx_fail);
}

static void close_both(void)
{
    audit_close(log_au);
    fx_close();
}

/* What the last call left goes on record; the database is the copy from before it. */
static void record_and_go_back(void)
{
    uint64_t index;
    for (size_t i = 0; i < fx_call.n_entries; i++) {
        fx_call.entries[i].pending_id = ++pending;
        scratch_must(audit_append(log_au, &fx_call.entries[i], &index, &fx_fail), &fx_fail);
    }
    scratch_must(audit_seal(log_au, &fx_fail), &fx_fail);
    store_rollback(scratch_st);
}

static enum err reconcile(bool accept)
{
    struct fail f = {0};
    fx_as("");
    return gate_reconcile(fx_gate, scratch_st, log_au, accept, SPAN_EMPTY, FX_NOW, scratch_a, &f);
}

/* Opened anew: keys that were opened before are kept. */
static void reopen(void)
{
    gate_release(fx_gate, fx_call.view);
    fx_call.view = NULL;
    gate_close(fx_gate);
    scratch_must(fx_open_gate("tests/cases/policies/mini"), &fx_fail);
}

static void damage_keys(void)
{
    keys_sql("CREATE TABLE kept AS SELECT subject AS person, wrapped AS good FROM person_key;"
             "UPDATE person_key SET wrapped = zeroblob(60)");
    reopen();
}

static void mend_keys(void)
{
    keys_sql("UPDATE person_key SET wrapped = (SELECT good FROM kept WHERE person = subject)");
    reopen();
}

static void lose_key(const struct subject *s)
{
    char sql[128], id[ID_TEXT_LEN + 1];
    hex_put(id, s->id.b, ID_LEN);
    snprintf(sql, sizeof sql, "DELETE FROM person_key WHERE subject = x'%s'", id);
    keys_sql(sql);
}

/* The ledger went on, too. */
static void note_ann(void)
{
    vault_erased_elsewhere(fx_gate->vault, span_of(fx_ann.id.b, ID_LEN));
    reopen();
}

static enum err erase_ann(void)
{
    struct subject gone;
    scratch_begin();
    return gate_erase(fx_as("shop"), fx_ann.id, SPAN_EMPTY, &gone, &fx_fail);
}

static int64_t ledger_size(void)
{
    struct stat info;
    return stat(scratch_path("erased.ledger"), &info) == 0 ? (int64_t)info.st_size : -1;
}

static void gone_and_noted(void)
{
    struct subject s;
    struct fail f = {0};
    EXPECT_INT(subject_get(scratch_st, fx_ann.id, FX_NOW, &s, &f), ERR_GONE);
    EXPECT_INT(rows_of_person(scratch_dir, fx_ann.sid, fx_ann.id.b), 1);
    EXPECT_INT(ledger_size(), 2 * MAC_LEN + 1); /* one line */
    EXPECT_INT(subject_get(scratch_st, fx_mum.id, FX_NOW, &s, &f), OK);
    EXPECT_INT(gate_erased_again(fx_gate), 1);
    reopen();
    EXPECT(!fx_gate->ledger_ahead);
    EXPECT_INT(reconcile(false), OK);
    EXPECT_INT(gate_erased_again(fx_gate), 0); /* once */
}

static void collect(const struct subject *s, const char *at)
{
    struct gate_request q = fx_ask_for(s, "purpose=delivery");
    struct gate_value v = {.field = SPAN("order-address"), .plain = SPAN("Lane 7")};
    size_t dropped;
    scratch_begin();
    fx_as("shop")->now = fx_at(at);
    EXPECT_INT(gate_collect(&fx_call, &q, &v, 1, false, &fx_answer, &dropped, &fx_fail), OK);
    record_and_go_back();
}

/* By the key as the copy has it; whom the ledger names is told by it as well. */
TEST(R145_what_was_done_to_the_erased_before_is_no_loss)
{
    for (unsigned way = 0; way < 4; way++) {
        bool damaged = way & 1, noted = way & 2;
        open_both();
        fx_agree(&fx_ann, "group");
        collect(&fx_ann, "2026-09-01T00:00:00Z");
        collect(&fx_ann, "2026-11-23T00:00:00Z");
        if (damaged)
            damage_keys();
        EXPECT_INT(erase_ann(), OK);
        record_and_go_back();
        if (damaged)
            mend_keys();
        if (noted)
            note_ann();
        EXPECT_INT(reconcile(false), OK);
        gone_and_noted();
        close_both();
    }
}

/* As when troth.db alone is put back: what was done in the quarter of the erasure is known by its entry. */
TEST(R145_without_the_key_what_was_done_in_another_quarter_counts_as_lost)
{
    for (unsigned other = 0; other < 2; other++) {
        open_both();
        fx_agree(&fx_ann, "group");
        collect(&fx_ann, other ? "2026-09-01T00:00:00Z" : "2026-11-23T00:00:00Z");
        EXPECT_INT(erase_ann(), OK);
        record_and_go_back();
        lose_key(&fx_ann);
        note_ann();
        EXPECT_INT(reconcile(false), other ? ERR_CONFLICT : OK);
        if (other)
            EXPECT_INT(reconcile(true), OK);
        gone_and_noted();
        close_both();
    }
}

/* Whatever the record has: as much as the database, or no mark to hold it against. */
TEST(R145_whom_only_the_ledger_names_is_erased_again)
{
    for (unsigned marked = 0; marked < 2; marked++) {
        open_both();
        if (!marked)
            file_sql("troth.db", "DELETE FROM meta WHERE name = 'pending'");
        note_ann();
        EXPECT_INT(reconcile(false), OK);
        gone_and_noted();
        close_both();
    }
}

TEST(R145_a_refused_start_changes_nothing_and_the_next_erases_again)
{
    struct subject s;
    struct fail f = {0};
    open_both();
    fx_agree(&fx_mum, "group");
    collect(&fx_mum, "2026-11-23T00:00:00Z");
    note_ann();
    for (unsigned i = 0; i < 2; i++) {
        EXPECT_INT(reconcile(false), ERR_CONFLICT);
        EXPECT_INT(subject_get(scratch_st, fx_ann.id, FX_NOW, &s, &f), OK);
        reopen();
    }
    EXPECT_INT(reconcile(false), ERR_CONFLICT);
    EXPECT_INT(reconcile(true), OK);
    gone_and_noted();
    close_both();
}

/* The key was unreadable when they were erased, or is so in the copy, or both. */
TEST(R145_an_erasure_is_done_again_whatever_became_of_the_key)
{
    for (unsigned way = 0; way < 4; way++) {
        bool then = way & 1, now = way & 2;
        open_both();
        if (then)
            damage_keys();
        EXPECT_INT(erase_ann(), OK);
        record_and_go_back();
        if (then && !now)
            mend_keys();
        if (!then && now)
            damage_keys();
        EXPECT_INT(reconcile(false), OK);
        gone_and_noted();
        close_both();
    }
}

/* Details of earlier versions have no name: there is the pseudonym. */
TEST(R145_an_erasure_without_a_name_is_done_again_by_the_pseudonym)
{
    open_both();
    EXPECT_INT(erase_ann(), OK);
    fx_call.entries[0].detail = SPAN_EMPTY;
    record_and_go_back();
    EXPECT_INT(reconcile(false), OK);
    gone_and_noted();
    close_both();
}

/* A key that cannot be read just now says nothing of who is gone. */
TEST(R116_a_start_that_cannot_read_keys_does_nothing)
{
    open_both();
    fx_agree(&fx_ann, "group");
    scratch_begin();
    EXPECT_INT(fx_act(&fx_ann, CONSENT_AGREEMENT, CONSENT_WITHDRAWN, "group", ""), OK);
    record_and_go_back();
    keys_sql("ALTER TABLE person_key RENAME TO away");
    EXPECT(reconcile(true) != OK);
    keys_sql("ALTER TABLE away RENAME TO person_key");
    EXPECT_INT(reconcile(false), OK);
    EXPECT_SAYS(&fx_ann, "purpose=delivery fields=contact-phone service=shop", "deny:withdrawn");
    close_both();
}

/* Nor are those erased whom only the ledger names: their keys would stay, and nothing would ask again. */
TEST(R116_whose_key_cannot_be_read_is_not_erased_yet)
{
    struct subject s;
    struct fail f = {0};
    open_both();
    EXPECT_INT(fx_decide(NULL, "purpose=delivery fields=contact-phone service=shop"), OK);
    scratch_begin();
    record_and_go_back();
    note_ann();
    keys_sql("ALTER TABLE person_key RENAME TO away");
    EXPECT(reconcile(true) != OK);
    EXPECT_INT(subject_get(scratch_st, fx_ann.id, FX_NOW, &s, &f), OK);
    EXPECT(fx_gate->ledger_ahead);
    keys_sql("ALTER TABLE away RENAME TO person_key");
    EXPECT_INT(reconcile(false), OK);
    gone_and_noted();
    close_both();
}

UNIT_MAIN(CASE(R145_what_was_done_to_the_erased_before_is_no_loss),
          CASE(R145_without_the_key_what_was_done_in_another_quarter_counts_as_lost),
          CASE(R145_whom_only_the_ledger_names_is_erased_again),
          CASE(R145_a_refused_start_changes_nothing_and_the_next_erases_again),
          CASE(R145_an_erasure_is_done_again_whatever_became_of_the_key),
          CASE(R145_an_erasure_without_a_name_is_done_again_by_the_pseudonym),
          CASE(R116_a_start_that_cannot_read_keys_does_nothing),
          CASE(R116_whose_key_cannot_be_read_is_not_erased_yet))
