// SPDX-License-Identifier: Apache-2.0
/* What a reading connection keeps of persons: store_memo. */
#include "store_people.h"

#include "store_impl.h"

static struct store *reader;

static void open_both(size_t bytes)
{
    f = (struct fail){0};
    scratch_open();
    scratch_must(store_open(scratch_dir, STORE_READ, &reader, &f), &f);
    store_memo(reader, bytes);
}

static void close_both(void)
{
    store_close(reader);
    scratch_close();
}

static void step(int64_t p)
{
    run(Q_SUBJECT_EPOCH, ARGS(ARG_B(id_of(p))));
}

/* Who uses one service, since 7. */
static void user(int64_t p)
{
    person(p);
    uses(p, "shop", 7);
}

static void agrees(int64_t p, int64_t seq, const char *name)
{
    consent(p, seq, span_str(name), INT64_MAX);
}

/* How many consents the person has, and the last one's name, as a request reads them. */
static size_t ask(int64_t p, char last[32])
{
    struct store_rows rows;
    size_t n = 0;
    last[0] = 0;
    bool there = store_one(reader, Q_SUBJECT_GET, ARGS(ARG_B(id_of(p))), &rows, &f);
    EXPECT_INT(rows.err, OK);
    store_done(&rows);
    if (!there)
        return SIZE_MAX;
    bool uses = store_one(reader, Q_SERVICE_USES, ARGS(ARG_I(p), ARG_T(SPAN("shop"))), &rows, &f);
    if (uses)
        EXPECT_INT(store_i(&rows, 0), 7);
    store_done(&rows);
    EXPECT_INT(store_query(reader, Q_CONSENT_HELD, ARGS(ARG_I(p)), &rows, &f), OK);
    for (; store_next(&rows, &f); n++)
        snprintf(last, 32, "%.*s", SPAN_F(store_t(&rows, 3)));
    store_done(&rows);
    return n;
}

static size_t asked(int64_t p, char last[32])
{
    EXPECT_INT(store_begin_read(reader, &f), OK);
    size_t n = ask(p, last);
    store_end_read(reader);
    return n;
}

static uint64_t served(void)
{
    return store_memo_stats(reader).served;
}

TEST(whoever_is_asked_for_again_is_kept)
{
    char last[32];
    open_both(1 << 20);
    scratch_begin();
    user(1);
    agrees(1, 1, "group");
    scratch_commit();
    EXPECT_INT(asked(1, last), 1);
    EXPECT_INT(store_memo_stats(reader).persons, 0);
    EXPECT_INT(asked(1, last), 1);
    EXPECT_INT(store_memo_stats(reader).persons, 1);
    uint64_t from_card = served(); /* relation and consents, as long as the person is not kept */
    EXPECT_INT(from_card, 2);
    EXPECT_INT(asked(1, last), 1);
    EXPECT(strcmp(last, "group") == 0);
    EXPECT_INT(served(), from_card + 3);
    close_both();
}

TEST(a_change_is_seen_in_the_next_snapshot)
{
    char last[32];
    open_both(1 << 20);
    scratch_begin();
    user(1);
    user(2);
    agrees(1, 1, "group");
    scratch_commit();
    for (int i = 0; i < 3; i++)
        asked(1, last);
    scratch_begin();
    agrees(1, 2, "later");
    step(1);
    EXPECT_INT(asked(1, last), 1); /* not committed */
    scratch_commit();
    EXPECT_INT(asked(1, last), 2);
    EXPECT(strcmp(last, "later") == 0);
    uint64_t before = served();
    scratch_begin();
    step(2); /* somebody else's: the row is read again, what it leads to is not */
    scratch_commit();
    EXPECT_INT(asked(1, last), 2);
    EXPECT_INT(served(), before + 2);
    scratch_begin();
    run(Q_SERVICE_LEFT, ARGS(ARG_I(1), ARG_T(SPAN("shop"))));
    step(1);
    scratch_commit();
    EXPECT_INT(asked(1, last), 2);
    close_both();
}

TEST(a_snapshot_that_does_not_move_serves_what_it_holds)
{
    char last[32];
    open_both(1 << 20);
    scratch_begin();
    user(1);
    agrees(1, 1, "group");
    scratch_commit();
    asked(1, last);
    EXPECT_INT(store_begin_read(reader, &f), OK);
    EXPECT_INT(ask(1, last), 1);
    scratch_begin();
    agrees(1, 2, "later");
    step(1);
    scratch_commit();
    EXPECT_INT(ask(1, last), 1);
    store_end_read(reader);
    EXPECT_INT(asked(1, last), 2);
    close_both();
}

TEST(who_is_gone_is_not_served)
{
    char last[32];
    open_both(1 << 20);
    scratch_begin();
    user(1);
    scratch_commit();
    for (int i = 0; i < 3; i++)
        asked(1, last);
    scratch_begin();
    run(Q_ERASE_SUBJECT, ARGS(ARG_B(id_of(1))));
    scratch_commit();
    EXPECT_INT(asked(1, last), SIZE_MAX);
    EXPECT_INT(store_memo_stats(reader).persons, 0);
    close_both();
}

TEST(a_key_that_changes_empties_it)
{
    char last[32];
    open_both(1 << 20);
    scratch_begin();
    user(1);
    user(2);
    scratch_commit();
    for (int i = 0; i < 3; i++) {
        asked(1, last);
        asked(2, last);
    }
    EXPECT_INT(store_memo_stats(reader).persons, 2);
    scratch_begin();
    store_forget_key(scratch_st, id_of(1), NULL, NULL);
    scratch_commit();
    EXPECT_INT(store_begin_read(reader, &f), OK);
    EXPECT_INT(store_memo_stats(reader).persons, 0);
    EXPECT_INT(store_memo_stats(reader).bytes, 0);
    store_end_read(reader);
    close_both();
}

TEST(it_has_a_bound)
{
    enum { PERSONS = 400, BYTES = 64 << 10 };
    char last[32];
    open_both(BYTES);
    scratch_begin();
    for (int64_t p = 1; p <= PERSONS; p++) {
        user(p);
        agrees(p, 1, "group");
    }
    scratch_commit();
    for (int64_t p = 1; p <= PERSONS; p++)
        for (int i = 0; i < 3; i++) {
            EXPECT_INT(asked(p, last), 1);
            EXPECT(store_memo_stats(reader).bytes <= BYTES);
        }
    EXPECT(store_memo_stats(reader).persons > 16);
    close_both();
}

/* Rows of one statement are read while another person is looked up. */
TEST(open_rows_stay_what_they_are)
{
    char last[32];
    struct store_rows rows;
    open_both(1 << 20);
    scratch_begin();
    user(1);
    user(2);
    agrees(1, 1, "first");
    agrees(1, 2, "second");
    scratch_commit();
    for (int i = 0; i < 3; i++)
        asked(1, last);
    EXPECT_INT(store_begin_read(reader, &f), OK);
    ask(1, last);
    EXPECT_INT(store_query(reader, Q_CONSENT_HELD, ARGS(ARG_I(1)), &rows, &f), OK);
    EXPECT(store_next(&rows, &f));
    struct store_rows other;
    EXPECT(store_one(reader, Q_SUBJECT_GET, ARGS(ARG_B(id_of(2))), &other, &f));
    store_done(&other);
    EXPECT(store_next(&rows, &f));
    EXPECT(span_is(store_t(&rows, 3), "second"));
    EXPECT(!store_next(&rows, &f));
    store_end_read(reader);
    close_both();
}

/* Persons, changes and reads in any order: always what a connection says that keeps nothing. */
TEST(random_changes_are_always_seen)
{
    enum { PERSONS = 12, STEPS = 3000 };
    char last[32], want[32];
    int64_t n[PERSONS + 1] = {0};
    uint64_t x = 88172645463325252ull;
    open_both(64 << 10);
    scratch_begin();
    for (int64_t p = 1; p <= PERSONS; p++)
        user(p);
    scratch_commit();
    for (int i = 0; i < STEPS; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        int64_t p = (int64_t)(x % PERSONS) + 1;
        if (x >> 60 == 0) {
            scratch_begin();
            snprintf(want, sizeof want, "c%lld", (long long)n[p] + 1);
            agrees(p, ++n[p], want);
            step(p);
            scratch_commit();
        }
        want[0] = 0;
        if (n[p])
            snprintf(want, sizeof want, "c%lld", (long long)n[p]);
        EXPECT_INT(asked(p, last), (size_t)n[p]);
        EXPECT(strcmp(last, want) == 0);
    }
    EXPECT(served() > STEPS);
    close_both();
}

UNIT_MAIN(CASE(whoever_is_asked_for_again_is_kept), CASE(a_change_is_seen_in_the_next_snapshot),
          CASE(a_snapshot_that_does_not_move_serves_what_it_holds), CASE(who_is_gone_is_not_served),
          CASE(a_key_that_changes_empties_it), CASE(it_has_a_bound), CASE(open_rows_stay_what_they_are),
          CASE(random_changes_are_always_seen))
