// SPDX-License-Identifier: Apache-2.0
/* Where persons lie in the files, remembered from one reading to the next: store_trail, store_ahead. */
#define _GNU_SOURCE
#include "unit.h"

#include "store_impl.h"
#include "store_map.h"

#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PERSONS = 400 };

static char folder[96];
static struct store *reader;
static struct fail f;

static struct span id_of(uint32_t person)
{
    static uint8_t id[STORE_ID_LEN];
    uint32_t spread = person * 2654435761u; /* as if random */
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = (uint8_t)((spread >> (8 * (i % 4))) + i);
    return span_of(id, sizeof id);
}

static void add(struct store *writer, uint32_t p)
{
    EXPECT_INT(
        store_run(writer, Q_SUBJECT_ADD,
                  ARGS(ARG_B(id_of(p)), ARG_I(p), ARG_I(1), ARG_I(0), ARG_I(0), ARG_I(0), ARG_T(SPAN("CN"))),
                  NULL, &f),
        OK);
    EXPECT_INT(store_run(writer, Q_SERVICE_USED, ARGS(ARG_I(p), ARG_T(SPAN("shop")), ARG_I(7)), NULL, &f),
               OK);
}

/* In the files themselves: what is in their logs is not mapped. */
static void filled(void)
{
    struct store *writer;
    f = (struct fail){0};
    snprintf(folder, sizeof folder, "%s/troth-trail-XXXXXX", unit_tmp());
    EXPECT(mkdtemp(folder) != NULL);
    EXPECT_INT(store_create(folder, &f), OK);
    EXPECT_INT(store_open(folder, STORE_WRITE, &writer, &f), OK);
    EXPECT_INT(store_begin_write(writer, &f), OK);
    for (uint32_t p = 1; p <= PERSONS; p++)
        add(writer, p);
    EXPECT_INT(store_commit(writer, &f), OK);
    EXPECT_INT(
        sqlite3_wal_checkpoint_v2(writer->file[STORE_MAIN].db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
        SQLITE_OK);
    store_close(writer);
    EXPECT_INT(store_open(folder, STORE_READ, &reader, &f), OK);
}

static void ask(uint32_t p)
{
    struct store_rows rows;
    EXPECT(store_one(reader, Q_SUBJECT_GET, ARGS(ARG_B(id_of(p))), &rows, &f));
    EXPECT_INT(store_i(&rows, 0), p);
    store_done(&rows);
    EXPECT(store_one(reader, Q_SERVICE_USES, ARGS(ARG_I(p), ARG_T(SPAN("shop"))), &rows, &f));
    store_done(&rows);
}

static void announce(const uint32_t *persons, size_t n)
{
    uint8_t ids[STORE_AHEAD_MAX][STORE_ID_LEN];
    for (size_t i = 0; i < n; i++)
        memcpy(ids[i], id_of(persons[i]).p, STORE_ID_LEN);
    store_ahead(reader, (const uint8_t(*)[STORE_ID_LEN])ids, n);
}

static uint32_t known(uint32_t p, uint32_t page[TRAIL_PAGES])
{
    struct trails *t = store_map_trails(store_map_of(reader->file[STORE_MAIN].db));
    return trails_find(t, id_of(p).p, page);
}

/* The text of the person's id is on one of the pages: they are those of the person. */
static bool lies_there(uint32_t p, const uint32_t *page, uint32_t n)
{
    const struct map *m = store_map_of(reader->file[STORE_MAIN].db);
    bool found = false;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *at = store_map_place(m, page[i]);
        EXPECT(at != NULL);
        found |= at && memmem(at, 1 << TRAIL_PAGE_BITS, id_of(p).p, STORE_ID_LEN) != NULL;
    }
    return found;
}

TEST(where_those_who_were_announced_lie_is_remembered)
{
    static const uint32_t turns[] = {3, 77, 205, 399};
    uint32_t page[TRAIL_PAGES], other[TRAIL_PAGES];
    filled();
    for (size_t k = 0; k < 2; k++) { /* the second time they are on their way */
        EXPECT_INT(store_begin_read(reader, &f), OK);
        announce(turns, 4);
        for (size_t i = 0; i < 4; i++)
            ask(turns[i]);
        ask(12);
        store_end_read(reader);
        for (size_t i = 0; i < 4; i++)
            EXPECT(lies_there(turns[i], page, known(turns[i], page)));
    }
    EXPECT_INT(known(12, page), 0); /* nobody said so */
    EXPECT(known(3, page) >= 2 && known(399, other) >= 2);
    EXPECT(memcmp(page, other, 2 * sizeof *page) != 0);
    store_close(reader);
}

TEST(persons_left_out_or_asked_twice_do_not_mix_the_pages_up)
{
    static const uint32_t turns[] = {5, 100, 200, 200, 300};
    uint32_t page[TRAIL_PAGES];
    filled();
    EXPECT_INT(store_begin_read(reader, &f), OK);
    announce(turns, 5);
    ask(5);
    ask(5);   /* again */
    ask(200); /* 100 was refused before it was read */
    ask(200);
    ask(300);
    store_end_read(reader);
    EXPECT_INT(known(100, page), 0);
    for (size_t i = 0; i < 5; i++)
        EXPECT(i == 1 || lies_there(turns[i], page, known(turns[i], page)));
    store_close(reader);
}

TEST(what_is_remembered_may_be_wrong)
{
    struct trail met = {.n = 3, .page = {1u << 30, TRAIL_SECOND | 5, 2}};
    uint32_t page[TRAIL_PAGES];
    static const uint32_t turns[] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
    filled();
    struct map *m = store_map_of(reader->file[STORE_MAIN].db);
    for (uint32_t p = 1; p < 10; p++)
        trails_keep(store_map_trails(m), id_of(p).p, &met);
    EXPECT(known(9, page) == 3 && page[0] == met.page[0]);
    EXPECT(store_map_place(m, met.page[0]) == NULL);
    EXPECT_INT(store_begin_read(reader, &f), OK);
    announce(turns, 9);
    for (size_t i = 0; i < 9; i++)
        ask(turns[i]);
    store_end_read(reader);
    EXPECT(lies_there(9, page, known(9, page)));
    store_close(reader);
}

/* A snapshot that is open when its connection closes: this thread goes on reading by others. */
TEST(nothing_is_noted_in_a_connection_that_is_closed)
{
    static const uint32_t turns[] = {3, 77};
    filled();
    EXPECT_INT(store_begin_read(reader, &f), OK);
    announce(turns, 2);
    ask(3);
    EXPECT(trail_now != NULL);
    store_close(reader);
    EXPECT(trail_now == NULL);
    EXPECT_INT(store_open(folder, STORE_READ, &reader, &f), OK);
    EXPECT_INT(store_begin_read(reader, &f), OK);
    ask(77);
    store_end_read(reader);
    store_close(reader);
}

#ifndef TROTH_SAN /* they need addresses themselves */
TEST(without_room_nothing_is_remembered_and_all_are_answered)
{
    static const uint32_t turns[] = {3, 77};
    struct rlimit all, few;
    unsigned long pages = 0;
    filled();
    FILE *in = fopen("/proc/self/statm", "r");
    EXPECT(in && fscanf(in, "%lu", &pages) == 1);
    fclose(in);
    EXPECT(getrlimit(RLIMIT_AS, &all) == 0);
    few = (struct rlimit){pages * (rlim_t)sysconf(_SC_PAGESIZE) + (32 << 20), all.rlim_max};
    EXPECT(setrlimit(RLIMIT_AS, &few) == 0);
    EXPECT_INT(store_begin_read(reader, &f), OK);
    announce(turns, 2);
    ask(3);
    ask(77);
    store_end_read(reader);
    EXPECT(store_map_trails(store_map_of(reader->file[STORE_MAIN].db)) == NULL);
    EXPECT(setrlimit(RLIMIT_AS, &all) == 0);
    store_close(reader);
}
#define WITHOUT_ROOM CASE(without_room_nothing_is_remembered_and_all_are_answered),
#else
#define WITHOUT_ROOM
#endif

TEST(the_room_grows_with_the_files)
{
    struct trails *t = trails_new();
    struct trail met = {.n = 2, .page = {4, 5}};
    uint32_t page[TRAIL_PAGES], there = 0;
    trails_grow(t, INT64_C(1) << 34);
    for (uint32_t p = 1; p <= 4000; p++)
        trails_keep(t, id_of(p).p, &met);
    for (uint32_t p = 1; p <= 4000; p++)
        there += trails_find(t, id_of(p).p, page) == 2;
    EXPECT(there > 3900);
    trails_free(t);
}

UNIT_MAIN(CASE(where_those_who_were_announced_lie_is_remembered),
          CASE(persons_left_out_or_asked_twice_do_not_mix_the_pages_up),
          CASE(what_is_remembered_may_be_wrong), CASE(nothing_is_noted_in_a_connection_that_is_closed),
          WITHOUT_ROOM CASE(the_room_grows_with_the_files))
