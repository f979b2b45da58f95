// SPDX-License-Identifier: Apache-2.0
/* Which entries concern whom: runs and blocks against a plain list. */
#define _GNU_SOURCE /* nftw */
#include "unit.h"

#include "store.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

enum { PEOPLE = 40, ENTRIES_MAX = 60000 };

static char folder[64];
static struct store *st;
static struct fail f;

/* The plain list: of which person an entry is; PEOPLE: nobody's (any more). */
static uint8_t owner[ENTRIES_MAX];
static uint64_t entries;

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s, (void)type, (void)at;
    return remove(path);
}

static void begin(void)
{
    strcpy(folder, "/tmp/troth-history-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    EXPECT_INT(store_create(folder, &f), OK);
    EXPECT_INT(store_open(folder, STORE_WRITE, &st, &f), OK);
    store_close(st);
    EXPECT_INT(store_open(folder, STORE_INDEX, &st, &f), OK);
    entries = 0;
}

static void end(void)
{
    store_close(st);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Ids that differ in their first byte, or only in the last. */
static struct store_history_row row_of(unsigned person, uint64_t entry)
{
    struct store_history_row r = {.entry = entry};
    r.subject[0] = (uint8_t)(person / 4 * 23);
    r.subject[15] = (uint8_t)(person % 4);
    return r;
}

static int row_order(const void *a, const void *b)
{
    const struct store_history_row *x = a, *y = b;
    int by = memcmp(x->subject, y->subject, 16);
    return by ? by : (x->entry > y->entry) - (x->entry < y->entry);
}

/* n entries of anybody; one in four is of person 7, who fills blocks alone. `again`: so many are done twice.
 */
static void add(size_t n, size_t again)
{
    static struct store_history_row rows[ENTRIES_MAX];
    uint64_t from = entries < again ? 0 : entries - again;
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        owner[entries++] = (uint8_t)(rand() % 4 ? rand() % PEOPLE : 7);
    for (uint64_t e = from; e < entries; e++)
        if (owner[e] < PEOPLE)
            rows[k++] = row_of(owner[e], e);
    qsort(rows, k, sizeof *rows, row_order);
    EXPECT_INT(store_begin_write(st, &f), OK);
    EXPECT_INT(store_history_add(st, rows, k, &f), OK);
    EXPECT_INT(store_commit(st, &f), OK);
}

static bool join(size_t most)
{
    bool more = false;
    EXPECT_INT(store_begin_write(st, &f), OK);
    EXPECT_INT(store_history_join(st, most, &more, &f), OK);
    EXPECT_INT(store_commit(st, &f), OK);
    return more;
}

static void drop(unsigned person)
{
    EXPECT_INT(store_begin_write(st, &f), OK);
    EXPECT_INT(store_history_drop(st, span_of(row_of(person, 0).subject, 16), &f), OK);
    EXPECT_INT(store_commit(st, &f), OK);
    for (uint64_t e = 0; e < entries; e++)
        owner[e] = owner[e] == person ? PEOPLE : owner[e];
}

static bool listed_before(unsigned person, uint64_t before, size_t limit)
{
    struct arena *a = arena_new(0);
    uint64_t *got = NULL, e = before < entries ? before : entries;
    size_t n = 0, i = 0;
    EXPECT_INT(store_history_list(st, span_of(row_of(person, 0).subject, 16), before, limit, a, &got, &n, &f),
               OK);
    while (e-- > 0 && i < limit)
        if (owner[e] == person && (i == n || got[i++] != e))
            break;
    bool same = (e == UINT64_MAX || i == limit) && i == n;
    arena_free(a);
    return same;
}

static bool listed(unsigned person, size_t limit)
{
    return listed_before(person, UINT64_MAX, limit);
}

static void all_listed(void)
{
    for (unsigned p = 0; p < PEOPLE; p++)
        EXPECT(listed(p, 20) && listed(p, ENTRIES_MAX) && listed_before(p, entries / 2, 20) &&
               listed_before(p, entries / 3, ENTRIES_MAX) && listed_before(p, 0, 20));
}

TEST(many_rows_are_found_at_every_step_of_a_join)
{
    begin();
    for (int i = 0; i < 20; i++)
        add(i % 3 ? 700 : 30, 0);
    all_listed();
    for (int i = 0; i < 100 && join(333); i++)
        if (i % 8 == 0)
            all_listed();
    EXPECT(!join(100000));
    all_listed();
    end();
}

TEST(rows_done_twice_are_listed_once)
{
    begin();
    for (int i = 0; i < 17; i++) {
        add(200, 150);
        join(97);
    }
    all_listed();
    while (join(1))
        ;
    all_listed();
    end();
}

TEST(R118_who_is_dropped_leaves_every_block)
{
    begin();
    for (int i = 0; i < 24; i++) {
        add(500, 0);
        if (i % 6 == 5) {
            drop(i == 11 ? 7 : (unsigned)i);
            all_listed();
        }
        join(i % 2 ? 1000 : 10);
    }
    all_listed();
    end();
}

TEST(a_cut_takes_all_later_rows)
{
    begin();
    for (int i = 0; i < 12; i++) {
        add(400, 0);
        join(700);
    }
    EXPECT_INT(store_begin_write(st, &f), OK);
    EXPECT_INT(store_history_cut(st, 1234, &f), OK);
    EXPECT_INT(store_commit(st, &f), OK);
    entries = 1234;
    all_listed();
    add(900, 0);
    all_listed();
    end();
}

static void forget(uint64_t before, size_t most)
{
    int64_t after = 0;
    for (bool more = true; more;) {
        EXPECT_INT(store_begin_write(st, &f), OK);
        EXPECT_INT(store_history_forget(st, before, &after, most, &more, &f), OK);
        EXPECT_INT(store_commit(st, &f), OK);
    }
    for (uint64_t e = 0; e < before; e++)
        owner[e] = PEOPLE;
}

static void firsts(void)
{
    for (unsigned p = 0; p < PEOPLE; p++) {
        uint64_t first = 0, want = 0;
        while (want < entries && owner[want] != p)
            want++;
        EXPECT_INT(store_history_first(st, span_of(row_of(p, 0).subject, 16), &first, &f), OK);
        EXPECT_INT(first, want < entries ? want : UINT64_MAX);
    }
}

TEST(rows_of_pruned_entries_are_forgotten)
{
    begin();
    firsts();
    for (int i = 0; i < 14; i++) {
        add(i % 4 ? 500 : 30, 0);
        join(i % 2 ? 700 : 10);
    }
    firsts();
    forget(777, 3);
    all_listed();
    firsts();
    add(900, 0);
    while (join(300))
        ;
    forget(777, 1000);
    all_listed();
    forget(entries - 10, 1);
    all_listed();
    firsts();
    forget(entries, 1000);
    struct store_rows r;
    EXPECT(!store_one(st, Q_HISTORY_BLOCK_NEXT, ARGS(ARG_I(0)), &r, &f) && !r.err);
    add(100, 0);
    all_listed();
    end();
}

/* Levels: as many runs as rows come at a time, joined again and again. */
TEST(runs_stay_few)
{
    begin();
    for (int i = 0; i < 300; i++) {
        add(64 + (size_t)rand() % 64, 0);
        for (int k = 0; k < 3 && join(200); k++)
            ;
    }
    struct store_rows r;
    size_t runs = 0;
    EXPECT_INT(store_query(st, Q_HISTORY_RUN_ALL, NO_ARGS, &r, &f), OK);
    while (store_next(&r, &f))
        runs++;
    EXPECT(runs > 0 && runs < 40);
    all_listed();
    end();
}

UNIT_MAIN(CASE(many_rows_are_found_at_every_step_of_a_join), CASE(rows_done_twice_are_listed_once),
          CASE(R118_who_is_dropped_leaves_every_block), CASE(a_cut_takes_all_later_rows),
          CASE(rows_of_pruned_entries_are_forgotten), CASE(runs_stay_few))
