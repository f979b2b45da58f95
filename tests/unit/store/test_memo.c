// SPDX-License-Identifier: Apache-2.0
/* What a reading connection keeps of persons: store_memo. */
#define _GNU_SOURCE
#include "unit.h"

#include "file.h"
#include "store_impl.h"

#include <ftw.h>
#include <unistd.h>

static char folder[64];
static struct store *writer, *reader;
static struct fail f;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void open_both(size_t bytes)
{
    f = (struct fail){0};
    strcpy(folder, "/tmp/troth-memo-XXXXXX");
    if (!mkdtemp(folder) || store_create(folder, &f) != OK ||
        store_open(folder, STORE_WRITE, &writer, &f) != OK ||
        store_open(folder, STORE_READ, &reader, &f) != OK)
        abort();
    store_memo(reader, bytes);
}

static void close_both(void)
{
    store_close(reader);
    store_close(writer);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct span id_of(uint32_t person)
{
    static uint8_t id[16];
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = (uint8_t)(person >> (8 * (i % 4)));
    return span_of(id, sizeof id);
}

static void run(enum store_query_id q, const struct store_arg *args, size_t n)
{
    EXPECT_INT(store_run(writer, q, args, n, NULL, &f), OK);
}

static void begin(void)
{
    EXPECT_INT(store_begin_write(writer, &f), OK);
}

static void commit(void)
{
    EXPECT_INT(store_commit(writer, &f), OK);
}

static void step(uint32_t person)
{
    run(Q_SUBJECT_EPOCH, ARGS(ARG_B(id_of(person))));
}

static void consent(uint32_t person, int64_t seq, const char *name)
{
    uint8_t id[16] = {(uint8_t)person, (uint8_t)(person >> 8), (uint8_t)seq}, zero[32] = {0};
    struct span t = SPAN("");
    run(Q_CONSENT_ADD, ARGS(ARG_I(person), ARG_I(seq), ARG_B(span_of(id, 16)), ARG_I(0), ARG_I(0), ARG_I(0),
                            ARG_T(t), ARG_T(span_str(name)), ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t),
                            ARG_I(1), ARG_I(2), ARG_I(3), ARG_B(span_of(zero, 32)), ARG_T(t),
                            ARG_B(span_of(zero, 32)), ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t)));
}

static void person(uint32_t p)
{
    run(Q_SUBJECT_ADD,
        ARGS(ARG_B(id_of(p)), ARG_I(p), ARG_I(1), ARG_I(0), ARG_I(0), ARG_I(0), ARG_T(SPAN("CN"))));
    run(Q_SERVICE_USED, ARGS(ARG_I(p), ARG_T(SPAN("shop")), ARG_I(7)));
}

/* How many consents the person has, and the last one's name, as a request reads them. */
static size_t ask(uint32_t p, char last[32])
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

static size_t asked(uint32_t p, char last[32])
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
    begin();
    person(1);
    consent(1, 1, "group");
    commit();
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
    begin();
    person(1);
    person(2);
    consent(1, 1, "group");
    commit();
    for (int i = 0; i < 3; i++)
        asked(1, last);
    begin();
    consent(1, 2, "later");
    step(1);
    EXPECT_INT(asked(1, last), 1); /* not committed */
    commit();
    EXPECT_INT(asked(1, last), 2);
    EXPECT(strcmp(last, "later") == 0);
    uint64_t before = served();
    begin();
    step(2); /* somebody else's: the row is read again, what it leads to is not */
    commit();
    EXPECT_INT(asked(1, last), 2);
    EXPECT_INT(served(), before + 2);
    begin();
    run(Q_SERVICE_LEFT, ARGS(ARG_I(1), ARG_T(SPAN("shop"))));
    step(1);
    commit();
    EXPECT_INT(asked(1, last), 2);
    close_both();
}

TEST(a_snapshot_that_does_not_move_serves_what_it_holds)
{
    char last[32];
    open_both(1 << 20);
    begin();
    person(1);
    consent(1, 1, "group");
    commit();
    asked(1, last);
    EXPECT_INT(store_begin_read(reader, &f), OK);
    EXPECT_INT(ask(1, last), 1);
    begin();
    consent(1, 2, "later");
    step(1);
    commit();
    EXPECT_INT(ask(1, last), 1);
    store_end_read(reader);
    EXPECT_INT(asked(1, last), 2);
    close_both();
}

TEST(who_is_gone_is_not_served)
{
    char last[32];
    open_both(1 << 20);
    begin();
    person(1);
    commit();
    for (int i = 0; i < 3; i++)
        asked(1, last);
    begin();
    run(Q_ERASE_SUBJECT, ARGS(ARG_B(id_of(1))));
    commit();
    EXPECT_INT(asked(1, last), SIZE_MAX);
    EXPECT_INT(store_memo_stats(reader).persons, 0);
    close_both();
}

TEST(a_key_that_changes_empties_it)
{
    char last[32];
    open_both(1 << 20);
    begin();
    person(1);
    person(2);
    commit();
    for (int i = 0; i < 3; i++) {
        asked(1, last);
        asked(2, last);
    }
    EXPECT_INT(store_memo_stats(reader).persons, 2);
    begin();
    store_forget_key(writer, id_of(1), NULL, NULL);
    commit();
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
    begin();
    for (uint32_t p = 1; p <= PERSONS; p++) {
        person(p);
        consent(p, 1, "group");
    }
    commit();
    for (uint32_t p = 1; p <= PERSONS; p++)
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
    begin();
    person(1);
    person(2);
    consent(1, 1, "first");
    consent(1, 2, "second");
    commit();
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
    begin();
    for (uint32_t p = 1; p <= PERSONS; p++)
        person(p);
    commit();
    for (int i = 0; i < STEPS; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        uint32_t p = (uint32_t)(x % PERSONS) + 1;
        if (x >> 60 == 0) {
            begin();
            snprintf(want, sizeof want, "c%lld", (long long)n[p] + 1);
            consent(p, ++n[p], want);
            step(p);
            commit();
        }
        snprintf(want, sizeof want, n[p] ? "c%lld" : "", (long long)n[p]);
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
