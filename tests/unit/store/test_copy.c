// SPDX-License-Identifier: Apache-2.0
/* Copies of the databases while they are written to. */
#include "store_impl.h"
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

#define ROWS 3000

static char folder[64];
static struct store *st;

static char *in(const char *name)
{
    static char path[4][128];
    static unsigned next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static void put(int i, uint8_t with)
{
    struct fail f = {0};
    uint8_t bytes[500];
    char name[32];
    memset(bytes, with, sizeof bytes);
    snprintf(name, sizeof name, "row-%d", i);
    EXPECT_INT(store_run(st, Q_META_PUT,
                         ARGS(ARG_T(span_str(name)), ARG_I(i), ARG_B(span_of(bytes, sizeof bytes))), NULL,
                         &f),
               OK);
}

static void group(int from, int n, uint8_t with)
{
    struct fail f = {0};
    EXPECT_INT(store_begin_write(st, &f), OK);
    for (int i = from; i < from + n; i++)
        put(i % ROWS, with);
    EXPECT_INT(store_commit(st, &f), OK);
}

/* Everything a database holds, as numbers that change with it. */
static void sum(sqlite3 *db, int64_t out[3])
{
    sqlite3_stmt *s = NULL;
    const char *sql = "SELECT count(*), sum(number * unicode(substr(hex(bytes), 1, 1)) + length(bytes)), "
                      "sum(number * unicode(substr(hex(bytes), 2, 1))) FROM meta WHERE name LIKE 'row-%'";
    EXPECT_INT(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    EXPECT_INT(sqlite3_step(s), SQLITE_ROW);
    for (int i = 0; i < 3; i++)
        out[i] = sqlite3_column_int64(s, i);
    sqlite3_finalize(s);
}

static void expect_same(const char *copy)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    int64_t here[3], there[3];
    EXPECT_INT(sqlite3_open_v2(copy, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sum(st->file[STORE_MAIN].db, here);
    sum(db, there);
    EXPECT(memcmp(here, there, sizeof here) == 0);
    EXPECT_INT(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL), SQLITE_OK);
    EXPECT_INT(sqlite3_step(s), SQLITE_ROW);
    EXPECT(strcmp((const char *)sqlite3_column_text(s, 0), "ok") == 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
}

static const char *empty(const char *name)
{
    const char *path = in(name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    EXPECT(fd >= 0);
    close(fd);
    return path;
}

static void start(void)
{
    struct fail f = {0};
    strcpy(folder, "/tmp/troth-copy-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    EXPECT_INT(store_create(folder, &f), OK);
    EXPECT_INT(store_open(folder, STORE_WRITE, &st, &f), OK);
    group(0, ROWS, 1);
}

static void stop(void)
{
    char command[128];
    store_close(st);
    snprintf(command, sizeof command, "rm -r %s", folder);
    EXPECT_INT(system(command), 0);
}

TEST(R118_a_copy_taken_between_groups_is_the_database_as_the_last_one_left_it)
{
    struct fail f = {0};
    struct store_copied at;
    uint64_t number = 1;
    struct store *reader = NULL;
    int steps = 0;
    start();
    EXPECT_INT(store_open(folder, STORE_READ, &reader, &f), OK);
    const char *main_to = empty("main-copy"), *keys_to = empty("keys-copy");
    EXPECT_INT(store_copy_begin(st, main_to, keys_to, &number, &f), OK);
    EXPECT_INT(store_copy_step(st, number, 0, &at, &f), OK);
    EXPECT(at.left > 100 && at.left < at.pages);
    for (; at.left > 0 && steps < 1000; steps++) {
        uint64_t before = at.left;
        EXPECT_INT(store_copy_step(st, number, 16, &at, &f), OK);
        EXPECT(at.left < before || at.left == 0); /* never begins again */
        EXPECT_INT(store_begin_read(reader, &f), OK);
        store_end_read(reader);
        if (steps % 5 == 0)
            store_truncate_after(st); /* as after an erasure: nothing keeps a WAL from being emptied */
        group(steps * 700, 40, (uint8_t)(steps + 2)); /* pages that are copied, and such that are not yet */
        EXPECT(!st->truncate_due);
    }
    EXPECT(steps > 5 && steps < 1000);
    EXPECT_INT(store_copy_finish(st, number, &f), OK);
    expect_same(main_to);
    group(0, 5, 99); /* what comes after does not reach it */
    sqlite3 *db = NULL;
    int64_t here[3], there[3];
    EXPECT_INT(sqlite3_open_v2(main_to, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sum(st->file[STORE_MAIN].db, here);
    sum(db, there);
    EXPECT(memcmp(here, there, sizeof here) != 0);
    sqlite3_close(db);
    store_close(reader);
    stop();
}

TEST(a_copy_that_is_rolled_back_into_or_given_up_or_not_begun)
{
    struct fail f = {0};
    struct store_copied at;
    uint64_t number = 1;
    start();
    EXPECT_INT(store_copy_step(st, number, 10, &at, &f), ERR_CONFLICT);
    f = (struct fail){0};
    EXPECT_INT(store_copy_finish(st, number, &f), ERR_CONFLICT);
    f = (struct fail){0};
    const char *main_to = empty("main-copy");
    EXPECT_INT(store_copy_begin(st, main_to, NULL, &number, &f), OK);
    EXPECT_INT(store_copy_step(st, number, 50, &at, &f), OK);
    EXPECT_INT(store_begin_write(st, &f), OK);
    EXPECT_INT(store_savepoint(st, &f), OK);
    for (int i = 0; i < ROWS; i++)
        put(i, 77);
    store_savepoint_undo(st);
    EXPECT_INT(store_commit(st, &f), OK);
    do
        EXPECT_INT(store_copy_step(st, number, 500, &at, &f), OK);
    while (at.left);
    EXPECT_INT(store_copy_finish(st, number, &f), OK);
    expect_same(main_to);
    /* A file that is not empty is somebody's. */
    EXPECT_INT(store_copy_begin(st, main_to, NULL, &number, &f), ERR_CONFLICT);
    f = (struct fail){0};
    EXPECT_INT(store_copy_begin(st, in("none"), NULL, &number, &f), ERR_IO);
    f = (struct fail){0};
    EXPECT_INT(store_copy_begin(st, empty("again"), NULL, &number, &f), OK);
    uint64_t first = number;
    f = (struct fail){0};
    EXPECT_INT(store_copy_begin(st, empty("taken"), NULL, &number, &f), OK);
    EXPECT_INT(store_copy_step(st, first, 10, &at, &f), ERR_CONFLICT); /* another took its place */
    store_copy_end(st, first);
    f = (struct fail){0};
    EXPECT_INT(store_copy_step(st, number, 10, &at, &f), OK);
    store_copy_end(st, number);
    EXPECT_INT(store_copy_step(st, number, 10, &at, &f), ERR_CONFLICT);
    group(0, 5, 3);
    stop();
}

UNIT_MAIN(CASE(R118_a_copy_taken_between_groups_is_the_database_as_the_last_one_left_it),
          CASE(a_copy_that_is_rolled_back_into_or_given_up_or_not_begun))
