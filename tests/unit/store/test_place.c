// SPDX-License-Identifier: Apache-2.0
/* Where values lie in a file: field_value.place, and the statements of files.def. */
#define _GNU_SOURCE /* memmem */
#include "scratch.h"

#include "store_impl.h"

enum { PLACE_BITS = 24 };

static sqlite3 *db(void)
{
    return scratch_st->file[STORE_MAIN].db;
}

static enum err put_err(int64_t sid, int64_t field, const char *item, int64_t version, struct fail *f)
{
    struct span none = SPAN("");
    return store_run(scratch_st, Q_VALUE_PUT,
                     ARGS(ARG_I(sid), ARG_I(field), ARG_T(span_str(item)), ARG_I(version),
                          ARG_B(SPAN("sealed")), ARG_T(none), ARG_T(SPAN("shop")), ARG_T(none), ARG_T(none),
                          ARG_T(none), ARG_I(1), ARG_I(2), ARG_I(0)),
                     NULL, f);
}

static void put(int64_t sid, int64_t field, const char *item)
{
    struct fail f = {0};
    scratch_must(put_err(sid, field, item, 1, &f), &f);
}

static void run(const char *sql)
{
    EXPECT_INT(sqlite3_exec(db(), sql, NULL, NULL, NULL), SQLITE_OK);
}

/* The one text a statement gives. */
static const char *text_of(const char *sql)
{
    static char out[2][4096];
    static unsigned turn;
    sqlite3_stmt *s = NULL;
    char *to = out[turn++ % 2];
    to[0] = 0;
    EXPECT_INT(sqlite3_prepare_v2(db(), sql, -1, &s, NULL), SQLITE_OK);
    if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_text(s, 0))
        snprintf(to, sizeof out[0], "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    return to;
}

/* As the rows lie: person.count=field/item/version. */
static const char *rows(void)
{
    return text_of(
        "SELECT group_concat((place >> 24) || '.' || (place & 16777215) || '=' || field || '/' || item || '/'"
        " || version, ' ') FROM (SELECT * FROM field_value ORDER BY place)");
}

#define EXPECT_ROWS(want)                                                                                    \
    do {                                                                                                     \
        const char *got = rows();                                                                            \
        EXPECT_SPAN(span_str(got), want);                                                                    \
    } while (0)

/* What a statement over all values of a person gives: field/item. */
static const char *read_back(enum store_query_id q, int64_t sid)
{
    static char out[512];
    struct store_rows r;
    struct fail f = {0};
    int at = 0;
    EXPECT_INT(store_query(scratch_st, q, ARGS(ARG_I(sid)), &r, &f), OK);
    while (store_next(&r, &f)) {
        if (q == Q_VALUE_LIST)
            at += snprintf(out + at, sizeof out - (size_t)at, " %.*s", SPAN_F(store_t(&r, 0)));
        else
            at += snprintf(out + at, sizeof out - (size_t)at, " %lld", (long long)store_i(&r, 0));
        at += snprintf(out + at, sizeof out - (size_t)at, "/%.*s", SPAN_F(store_t(&r, 1)));
    }
    EXPECT_INT(r.err, OK);
    out[at] = 0;
    return at ? out + 1 : out;
}

/* ---- Writing */

TEST(a_persons_values_lie_together_whenever_they_came)
{
    scratch_open();
    put(1, 7, "");
    put(2, 7, "");
    put(1, 9, "b");
    put(300, 1, "");
    put(2, 1, "");
    put(1, 3, "");
    EXPECT_ROWS("1.1=7//1 1.2=9/b/1 1.3=3//1 2.1=7//1 2.2=1//1 300.1=1//1");
    EXPECT_SPAN(span_str(read_back(Q_VALUE_BRIEF, 1)), "7/ 9/b 3/");
    EXPECT_SPAN(span_str(read_back(Q_VALUE_ALL, 2)), "7/ 1/");
    EXPECT_SPAN(span_str(read_back(Q_VALUE_ALL, 3)), "");
    EXPECT_SPAN(span_str(read_back(Q_VALUE_BRIEF, 300)), "1/");
    scratch_close();
}

TEST(what_is_overwritten_keeps_its_place)
{
    struct fail f = {0};
    scratch_open();
    put(1, 7, "");
    put(1, 8, "");
    put(2, 7, "");
    EXPECT_INT(put_err(1, 7, "", 2, &f), OK);
    EXPECT_INT(put_err(2, 7, "", 5, &f), OK);
    EXPECT_ROWS("1.1=7//2 1.2=8//1 2.1=7//5");
    scratch_close();
}

TEST(a_new_value_goes_behind_the_last)
{
    struct fail f = {0};
    scratch_open();
    put(1, 1, "");
    put(1, 2, "");
    put(1, 3, "");
    EXPECT_INT(store_run(scratch_st, Q_VALUE_DELETE, ARGS(ARG_I(1), ARG_I(2)), NULL, &f), OK);
    put(1, 2, "");
    EXPECT_ROWS("1.1=1//1 1.3=3//1 1.4=2//1");
    EXPECT_INT(store_run(scratch_st, Q_VALUE_DELETE, ARGS(ARG_I(1), ARG_I(2)), NULL, &f), OK);
    put(1, 5, "");
    EXPECT_ROWS("1.1=1//1 1.3=3//1 1.4=5//1");
    scratch_close();
}

TEST(all_of_a_person_are_listed_and_erased_and_nobody_elses)
{
    struct fail f = {0};
    int64_t gone = 0;
    scratch_open();
    run("INSERT INTO field_name VALUES ('zeal', 1), ('age', 2)");
    put(1, 1, "");
    put(2, 1, "z");
    put(2, 1, "a");
    put(2, 2, "");
    put(3, 1, "");
    EXPECT_SPAN(span_str(read_back(Q_VALUE_LIST, 2)), "age/ zeal/a zeal/z");
    EXPECT_INT(store_run(scratch_st, Q_ERASE_VALUES, ARGS(ARG_I(2)), &gone, &f), OK);
    EXPECT_INT(gone, 3);
    EXPECT_ROWS("1.1=1//1 3.1=1//1");
    scratch_close();
}

/* ---- The end of a person's range */

TEST(nobodys_values_reach_the_next_persons)
{
    struct fail f = {0};
    scratch_open();
    put(1, 1, "");
    put(1, 2, "");
    put(2, 1, "");
    run("UPDATE field_value SET place = (2 << 24) - 1 WHERE sid = 1 AND field = 2");
    EXPECT_INT(put_err(1, 3, "", 1, &f), ERR_CONFLICT);
    EXPECT(strstr(f.detail, "field_value.place") != NULL);
    f = (struct fail){0};
    EXPECT_INT(put_err(1, 1, "", 2, &f), OK);
    EXPECT_INT(put_err(1, 2, "", 2, &f), OK);
    put(2, 3, "");
    EXPECT_ROWS("1.1=1//2 1.16777215=2//2 2.1=1//1 2.2=3//1");
    EXPECT_SPAN(span_str(read_back(Q_VALUE_BRIEF, 1)), "1/ 2/");
    EXPECT_SPAN(span_str(read_back(Q_VALUE_ALL, 2)), "1/ 3/");
    EXPECT_INT(store_run(scratch_st, Q_VALUE_DELETE, ARGS(ARG_I(1), ARG_I(2)), NULL, &f), OK);
    put(1, 3, "");
    EXPECT_ROWS("1.1=1//2 1.2=3//1 2.1=1//1 2.2=3//1");
    scratch_close();
}

TEST(no_row_lies_outside_its_persons_range)
{
    struct fail f = {0};
    const int64_t beyond = INT64_C(1) << (63 - PLACE_BITS), last = beyond - 2;
    scratch_open();
    put(1, 1, "");
    EXPECT_INT(sqlite3_exec(db(), "UPDATE field_value SET place = 2 << 24", NULL, NULL, NULL),
               SQLITE_CONSTRAINT_CHECK);
    EXPECT_INT(sqlite3_exec(db(), "UPDATE field_value SET sid = 2", NULL, NULL, NULL),
               SQLITE_CONSTRAINT_CHECK);
    EXPECT_INT(put_err(beyond, 1, "", 1, &f), ERR_INTERNAL);
    EXPECT(strstr(f.detail, "CHECK constraint failed: place >> 24 = sid") != NULL);
    put(last, 4, "");
    put(last, 3, "");
    EXPECT_SPAN(span_str(read_back(Q_VALUE_BRIEF, last)), "4/ 3/");
    scratch_close();
}

/* ---- Files from before */

/* Columns, indexes and what they are of. */
#define SHAPE                                                                                                \
    "SELECT (SELECT group_concat(name || type || \"notnull\" || pk) FROM pragma_table_info('field_value'))"  \
    " || (SELECT group_concat(x) FROM (SELECT l.name || l.origin || l.\"unique\" || l.partial ||"            \
    " (SELECT group_concat(i.name) FROM pragma_index_info(l.name) i) AS x"                                   \
    " FROM pragma_index_list('field_value') l ORDER BY l.name))"

#define VERSION_11                                                                                           \
    "DROP TABLE field_value;"                                                                                \
    "CREATE TABLE field_value (sid INTEGER NOT NULL, field INTEGER NOT NULL, item TEXT NOT NULL,"            \
    " version INTEGER NOT NULL, sealed BLOB NOT NULL, source TEXT NOT NULL, service TEXT NOT NULL,"          \
    " purpose TEXT NOT NULL, supplier TEXT NOT NULL, region TEXT NOT NULL, time INTEGER NOT NULL,"           \
    " keep_until INTEGER NOT NULL, revision INTEGER NOT NULL, PRIMARY KEY (sid, field, item));"              \
    "CREATE INDEX field_value_by_keep ON field_value (keep_until, sid)"                                      \
    " WHERE keep_until < 4611686018427387903;"                                                               \
    "PRAGMA user_version = 11;"

TEST(values_of_an_old_troth_db_get_places)
{
    struct fail f = {0};
    char fresh[2048];
    struct store_rows r;
    scratch_open();
    snprintf(fresh, sizeof fresh, "%s", text_of(SHAPE));
    run(VERSION_11 "INSERT INTO field_value VALUES (2, 9, 'b', 1, x'01', 'a', 'b', 'c', 'd', 'e', 5, 6, 7),"
                   " (1, 3, '', 2, x'02', '', '', '', '', '', 0, 0, 0),"
                   " (2, 9, 'B', 3, x'03', '', '', '', '', '', 0, 0, 0),"
                   " (70000, 1, '', 4, x'04', '', '', '', '', '', 0, 4611686018427387903, 0),"
                   " (2, 1, 'z', 5, x'05', '', '', '', '', '', 0, 0, 0),"
                   " (1, 2, '', 6, x'06', '', '', '', '', '', 0, 0, 0)");
    store_close(scratch_st);
    scratch_st = NULL;
    EXPECT_INT(store_open(scratch_dir, STORE_READ, &scratch_st, &f), ERR_CONFLICT);
    f = (struct fail){0};
    scratch_must(store_open(scratch_dir, STORE_WRITE, &scratch_st, &f), &f);
    EXPECT_ROWS("1.1=2//6 1.2=3//2 2.1=1/z/5 2.2=9/B/3 2.3=9/b/1 70000.1=1//4");
    EXPECT_SPAN(span_str(text_of(SHAPE)), fresh);
    EXPECT(store_one(scratch_st, Q_VALUE_GET_ITEM, ARGS(ARG_I(2), ARG_I(9), ARG_T(SPAN("b"))), &r, &f));
    EXPECT_SPAN(store_t(&r, 2), "\x01");
    EXPECT_SPAN(store_t(&r, 3), "a");
    EXPECT_SPAN(store_t(&r, 7), "e");
    EXPECT_INT(store_i(&r, 8), 5);
    EXPECT_INT(store_i(&r, 9), 6);
    EXPECT_INT(store_i(&r, 10), 7);
    store_done(&r);
    put(2, 4, "");
    EXPECT_SPAN(span_str(read_back(Q_VALUE_BRIEF, 2)), "1/z 9/B 9/b 4/");
    EXPECT_INT(put_err(INT64_C(1) << 39, 1, "", 1, &f), ERR_INTERNAL);
    EXPECT_SPAN(span_str(text_of("PRAGMA integrity_check")), "ok");
    scratch_close();
}

TEST(vacuum_changes_nothing)
{
    char before[512];
    scratch_open();
    put(1, 7, "");
    put(2, 7, "");
    put(1, 3, "");
    run("DELETE FROM field_value WHERE sid = 1 AND field = 7");
    snprintf(before, sizeof before, "%s", rows());
    EXPECT_SPAN(span_str(before), "1.2=3//1 2.1=7//1");
    run("VACUUM");
    EXPECT_ROWS(before);
    scratch_close();
}

/* ---- On a server */

TEST(a_server_has_no_places)
{
    struct arena *a = arena_new(0);
    const char *sql = arena_str(a, store_schema_pg(a, STORE_MAIN));
    const char *table = strstr(sql, "\nCREATE TABLE field_value (\n    sid        BIGINT NOT NULL,");
    EXPECT(table != NULL);
    if (table) {
        const char *end = strstr(table, "\n);");
        struct span body = span_of(table, (size_t)(end - table));
        EXPECT(memmem(body.p, body.len, "place", 5) == NULL);
        EXPECT(memmem(body.p, body.len, "UNIQUE", 6) == NULL);
        EXPECT(memmem(body.p, body.len, "\n    PRIMARY KEY (sid, field, item)", 35) != NULL);
    }
    EXPECT(strstr(sql, "-- files:") == NULL && strstr(sql, "-- servers:") == NULL);
    EXPECT_INT(store_migration_pg(a, STORE_MAIN, 12).len, 0);
    EXPECT(strstr(store_query_sql(Q_VALUE_PUT), "place") == NULL);
    arena_free(a);
}

UNIT_MAIN(CASE(a_persons_values_lie_together_whenever_they_came), CASE(what_is_overwritten_keeps_its_place),
          CASE(a_new_value_goes_behind_the_last),
          CASE(all_of_a_person_are_listed_and_erased_and_nobody_elses),
          CASE(nobodys_values_reach_the_next_persons), CASE(no_row_lies_outside_its_persons_range),
          CASE(values_of_an_old_troth_db_get_places), CASE(vacuum_changes_nothing),
          CASE(a_server_has_no_places))
