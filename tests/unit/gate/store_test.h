// SPDX-License-Identifier: Apache-2.0
/* store_test.h: looks into the database files from outside, as a thief or an auditor would. */
#ifndef TROTH_STORE_TEST_H
#define TROTH_STORE_TEST_H

#include "scratch.h"

#include <sqlite3.h>

/* Rows of one table whose `column` is the person's sid or id. */
static inline int rows_where(sqlite3 *db, const char *table, const char *column, int64_t sid,
                             const uint8_t *id)
{
    char sql[256];
    sqlite3_stmt *st = NULL;
    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM \"%s\" WHERE \"%s\" = ?1 OR \"%s\" = ?2", table, column,
             column);
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        abort();
    sqlite3_bind_int64(st, 1, sid);
    sqlite3_bind_blob(st, 2, id, 16, SQLITE_STATIC);
    int n = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int(st, 0) : -1;
    sqlite3_finalize(st);
    return n;
}

/* Columns that hold a person's key, whatever table they are in. */
static inline bool names_person(const char *column)
{
    static const char *const names[] = {"sid", "id", "subject", "guardian"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(column, names[i]) == 0)
            return true;
    return false;
}

static inline int rows_in_file(const char *path, int64_t sid, const uint8_t *id)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    int n = 0;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        abort();
    const char *sql =
        "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
        " ORDER BY m.name";
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        abort();
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *column = (const char *)sqlite3_column_text(st, 1);
        if (names_person(column))
            n += rows_where(db, (const char *)sqlite3_column_text(st, 0), column, sid, id) > 0;
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    return n;
}

/* Tables and key columns in which the person still is, over all three databases. */
static inline int rows_of_person(const char *dir, int64_t sid, const uint8_t *id)
{
    static const char *const files[] = {"troth.db", "keys.db", "history.db"};
    char path[160];
    int n = 0;
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        n += rows_in_file(path, sid, id);
    }
    return n;
}

/* Flips one bit of a sealed value in the database. */
static inline void flip_value(struct store *st, int64_t sid, const char *field)
{
    struct store_rows rows;
    struct fail f = {0};
    uint8_t sealed[512];
    if (!store_one(st, Q_FIELD_NUMBER, ARGS(ARG_T(span_str(field))), &rows, &f))
        abort();
    int64_t number = store_i(&rows, 0);
    store_done(&rows);
    if (!store_one(st, Q_VALUE_GET, ARGS(ARG_I(sid), ARG_I(number)), &rows, &f))
        abort();
    struct span s = store_t(&rows, 2);
    size_t len = s.len;
    memcpy(sealed, s.p, len);
    int64_t version = store_i(&rows, 1);
    store_done(&rows);
    sealed[len / 2] ^= 4;
    struct span none = SPAN("");
    scratch_must(store_run(st, Q_VALUE_PUT,
                           ARGS(ARG_I(sid), ARG_I(number), ARG_T(none), ARG_I(version),
                                ARG_B(span_of(sealed, len)), ARG_T(none), ARG_T(none), ARG_T(none),
                                ARG_T(none), ARG_T(none), ARG_I(0), ARG_I(INT64_MAX / 2), ARG_I(0)),
                           NULL, &f),
                 &f);
}

/* What a thief, or a failure, does to the files behind the daemon's back. */
static inline void file_sql(const char *name, const char *sql)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(scratch_path(name), &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        abort();
    EXPECT_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static inline void keys_sql(const char *sql)
{
    file_sql("keys.db", sql);
}

#endif
