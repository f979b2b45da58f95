// SPDX-License-Identifier: Apache-2.0
/* Pseudonyms are those of the record's epochs, and whoever looks for somebody's entries derives them alike.
 */
#include "gate_fixture.h"

#include "gate_impl.h"
#include "nodes.h"
#include "store_test.h"

static struct audit *log_au;
static uint64_t pending;

/* `unit` is the text of the record's epoch-unit; null: none. */
static void open_with(const char *unit)
{
    fx_open();
    scratch_must(audit_create(scratch_dir, "log.example", FX_NOW, &fx_fail), &fx_fail);
    if (unit) {
        FILE *out = fopen(scratch_path("audit/epoch-unit"), "w");
        EXPECT(out && fputs(unit, out) >= 0 && fclose(out) == 0);
    }
    scratch_must(audit_open(scratch_dir, &log_au, &fx_fail), &fx_fail);
    gate_record(fx_gate, log_au);
    pending = 0;
}

static void close_all(void)
{
    audit_close(log_au);
    fx_close();
}

static struct gate_call *at(const char *service, const char *time)
{
    struct gate_call *c = fx_as(service);
    EXPECT(instant_get(span_str(time), &c->now));
    return c;
}

/* Ann reads her history at that time; what her entry is called. */
static struct audit_leaf read_at(const char *time)
{
    struct gate_history_row *rows;
    struct instant until;
    size_t n;
    struct gate_call *c = at("shop", time);
    EXPECT_INT(gate_history(c, fx_ann.id, &(struct gate_history_page){.limit = 10}, &rows, &n, &until, log_au,
                            &fx_fail),
               OK);
    EXPECT_INT(c->n_entries, 1);
    return c->entries[0].leaf;
}

static bool same(struct audit_leaf a, struct audit_leaf b)
{
    return memcmp(a.subject, b.subject, sizeof a.subject) == 0;
}

/* Into the record, as it is; its index. */
static uint64_t put(void)
{
    uint64_t index = 0;
    fx_call.entries[0].pending_id = ++pending;
    scratch_must(audit_append(log_au, &fx_call.entries[0], &index, &fx_fail), &fx_fail);
    scratch_must(audit_seal(log_au, &fx_fail), &fx_fail);
    scratch_must(audit_publish(log_au, FX_NOW, &fx_fail), &fx_fail);
    return index;
}

static bool hers(uint64_t index)
{
    struct span receipt;
    struct fail f = {0};
    enum err e = gate_receipt(fx_as("shop"), fx_ann.id, index, log_au, &receipt, &f);
    EXPECT(e == OK || e == ERR_NOT_FOUND);
    return e == OK;
}

static bool found(const struct audit_leaf *l)
{
    uint8_t leaf[AUDIT_LEAF_MAX], subject[16] = {0};
    bool yes = false;
    size_t len = audit_leaf_put(l, leaf);
    EXPECT_INT(gate_entry_subject(fx_gate, scratch_st, span_of(leaf, len), subject, &yes, &fx_fail), OK);
    return yes && memcmp(subject, fx_ann.id.b, sizeof subject) == 0;
}

static void new_pass(void)
{
    uint8_t subject[16];
    bool yes;
    EXPECT_INT(gate_entry_subject(fx_gate, scratch_st, SPAN_EMPTY, subject, &yes, &fx_fail), OK);
}

TEST(a_pseudonym_is_of_one_epoch_of_the_record)
{
    static const struct {
        const char *unit;
        bool by_month, by_quarter, by_year; /* it changes there */
    } rows[] = {{NULL, false, true, true},
                {"month month\n", true, true, true},
                {"year year\n", false, false, true},
                {"month\n", false, true, true}, /* made before pseudonyms went with months */
                {"year\n", false, true, true}};
    static const char *const times[] = {"2027-01-01T00:00:00Z", "2027-01-31T23:59:59Z",
                                        "2027-02-01T00:00:00Z", "2027-04-01T00:00:00Z",
                                        "2028-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct audit_leaf was[5];
        open_with(rows[i].unit);
        fx_agree(&fx_ann, "group");
        for (size_t k = 0; k < 5; k++) {
            was[k] = read_at(times[k]);
            EXPECT(hers(put()));
        }
        EXPECT(same(was[0], was[1]));
        EXPECT(same(was[1], was[2]) == !rows[i].by_month);
        EXPECT(same(was[2], was[3]) == !rows[i].by_quarter);
        EXPECT(same(was[3], was[4]) == !rows[i].by_year);
        new_pass();
        for (size_t k = 0; k < 5; k++) /* in this order, and back */
            EXPECT(found(&was[k]) && found(&was[4 - k]));
        close_all();
    }
}

/* What a retired node had committed stands in this record as that node wrote it. */
TEST(entries_of_a_retired_node_are_found_whatever_its_epochs_were)
{
    struct store_rows rows;
    open_with(NULL);
    fx_agree(&fx_ann, "group");
    struct audit_leaf mine = read_at("2027-02-01T00:00:00Z");
    audit_close(log_au);
    FILE *out = fopen(scratch_path("audit/epoch-unit"), "w");
    EXPECT(out && fputs("month month\n", out) >= 0 && fclose(out) == 0);
    scratch_must(audit_open(scratch_dir, &log_au, &fx_fail), &fx_fail);
    gate_record(fx_gate, log_au);
    struct audit_leaf theirs = read_at("2027-02-01T00:00:00Z");
    EXPECT(!same(mine, theirs));
    new_pass();
    EXPECT(found(&theirs) && !found(&mine)); /* nobody else could have written it */
    scratch_begin();
    EXPECT(store_one(scratch_st, Q_NODE_ADD,
                     ARGS(ARG_T(SPAN("b")), ARG_T(SPAN("o")), ARG_T(SPAN("v")), ARG_I(0), ARG_B(SPAN_EMPTY)),
                     &rows, &fx_fail));
    int64_t number = store_i(&rows, 0);
    store_done(&rows);
    scratch_commit();
    new_pass();
    EXPECT(found(&theirs) && !found(&mine)); /* it lives, and has its own record */
    scratch_begin();
    scratch_must(
        store_run(scratch_st, Q_NODE_STATE, ARGS(ARG_I(number), ARG_I(NODE_RETIRED)), NULL, &fx_fail),
        &fx_fail);
    scratch_commit();
    new_pass();
    EXPECT(found(&theirs) && found(&mine));
    theirs = mine;
    memset(theirs.subject, 7, sizeof theirs.subject);
    EXPECT(!found(&theirs));
    close_all();
}

TEST(a_receipt_of_an_adopted_entry_is_the_persons_own)
{
    open_with("month month\n");
    fx_agree(&fx_ann, "group");
    gate_record(fx_gate, NULL); /* as a node of quarters would have written it */
    read_at("2027-02-01T00:00:00Z");
    uint64_t adopted = put();
    gate_record(fx_gate, log_au);
    EXPECT(hers(adopted));
    fx_call.entries[0].leaf.subject[0] ^= 1;
    EXPECT(!hers(put()));
    close_all();
}

UNIT_MAIN(CASE(a_pseudonym_is_of_one_epoch_of_the_record),
          CASE(entries_of_a_retired_node_are_found_whatever_its_epochs_were),
          CASE(a_receipt_of_an_adopted_entry_is_the_persons_own))
