// SPDX-License-Identifier: Apache-2.0
/* SQLite in this process: WAL, synchronous=FULL; with -r a row in the log in the same transaction, with -e
 * sealed. */
#include "sql.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lite {
    sqlite3 *db;
    sqlite3_stmt *op[OP_COUNT], *log, *begin, *commit;
};

static bool run_text(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    bool well = sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK;
    if (!well)
        fprintf(stderr, "gdprbench: %s: %s\n", sql, why);
    sqlite3_free(why);
    return well;
}

static bool prepare(sqlite3 *db, const char *text, sqlite3_stmt **out)
{
    char sql[512]; /* $1 would be a name here, ?1 is the first */
    snprintf(sql, sizeof sql, "%s", text);
    for (char *at = sql; (at = strchr(at, '$'));)
        *at = '?';
    bool well = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK;
    if (!well)
        fprintf(stderr, "gdprbench: %s: %s\n", sql, sqlite3_errmsg(db));
    return well;
}

static void *lite_open(unsigned client)
{
    (void)client;
    struct lite *l = calloc(1, sizeof *l);
    bool well = sqlite3_open(setting.target, &l->db) == SQLITE_OK;
    sqlite3_busy_timeout(l->db, 120000);
    well = well &&
           run_text(l->db,
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA mmap_size = 1000000000") &&
           prepare(l->db, "BEGIN IMMEDIATE", &l->begin) && prepare(l->db, "COMMIT", &l->commit) &&
           prepare(l->db, "INSERT INTO log (usr, k, op, at) VALUES ($1, $2, $3, 0)", &l->log);
    for (int k = 0; k < OP_COUNT && well; k++)
        well = prepare(l->db, k == OP_LOGS && !setting.record ? sql_of[OP_META_USER].sql : sql_of[k].sql,
                       &l->op[k]);
    return well ? l : NULL;
}

static void lite_close(void *conn)
{
    struct lite *l = conn;
    for (int k = 0; k < OP_COUNT; k++)
        sqlite3_finalize(l->op[k]);
    sqlite3_finalize(l->log);
    sqlite3_finalize(l->begin);
    sqlite3_finalize(l->commit);
    sqlite3_close(l->db);
    free(l);
}

static bool step(sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc == SQLITE_DONE || rc == SQLITE_ROW;
}

static bool log_row(struct lite *l, int64_t user, int64_t key, enum op_kind kind)
{
    sqlite3_bind_int64(l->log, 1, user);
    sqlite3_bind_int64(l->log, 2, key);
    sqlite3_bind_int64(l->log, 3, kind);
    return step(l->log);
}

static void bind(sqlite3_stmt *s, struct op *op, uint8_t *sealed)
{
    sqlite3_bind_int64(s, 1, sql_first(op));
    if (sql_has_data(op->kind) && setting.seal) {
        seal(sealed, op->data);
        sqlite3_bind_blob(s, 2, sealed, SEALED_LEN, SQLITE_STATIC);
    } else if (sql_has_data(op->kind)) {
        sqlite3_bind_blob(s, 2, op->data, DATA_LEN, SQLITE_STATIC);
    } else if (sql_has_second(op->kind)) {
        sqlite3_bind_int64(s, 2, sql_second(op));
    }
    if (op->kind == OP_CREATE)
        sqlite3_bind_int64(s, 3, op->user);
}

/* A row of the log for each user whose records were looked at or changed. */
static enum op_end lite_rows(struct lite *l, struct op *op, bool records)
{
    uint8_t sealed[SEALED_LEN];
    int64_t logged[PAGE];
    uint32_t n = 0, n_logged = 0;
    sqlite3_stmt *s = l->op[op->kind];
    bind(s, op, sealed);
    int rc;
    bool well = true;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t user = sqlite3_column_int64(s, 1);
        n++;
        if (sql_gives_data(op->kind))
            sql_saw(op, sqlite3_column_blob(s, 2), (size_t)sqlite3_column_bytes(s, 2));
        bool had = false;
        for (uint32_t i = 0; i < n_logged && !had; i++)
            had = logged[i] == user;
        if (records && !had && well) {
            if (n_logged < PAGE)
                logged[n_logged++] = user;
            well = log_row(l, user, sqlite3_column_int64(s, 0), op->kind);
        }
    }
    sqlite3_reset(s);
    op->n = n;
    if (rc != SQLITE_DONE || !well)
        return op_fail(op, "%s", sqlite3_errmsg(l->db));
    return n || !sql_needs_one(op->kind) ? OP_DONE : OP_NONE;
}

static enum op_end lite_run(void *conn, struct op *op)
{
    struct lite *l = conn;
    bool records = setting.record && sql_of[op->kind].records;
    bool writes = records || !sqlite3_stmt_readonly(l->op[op->kind]);
    if (writes && !step(l->begin))
        return op_fail(op, "begin: %s", sqlite3_errmsg(l->db));
    enum op_end end = lite_rows(l, op, records);
    if (writes && !step(l->commit))
        return op_fail(op, "commit: %s", sqlite3_errmsg(l->db));
    return end;
}

static bool lite_load(void)
{
    sqlite3 *db;
    bool well =
        sqlite3_open(setting.target, &db) == SQLITE_OK &&
        run_text(
            db,
            "PRAGMA journal_mode = WAL;"
            "CREATE TABLE record (k INTEGER PRIMARY KEY, pur INTEGER, ttl INTEGER, usr INTEGER, obj INTEGER,"
            " dec INTEGER, acl INTEGER, shr INTEGER, src INTEGER, cat INTEGER, data BLOB);"
            "CREATE TABLE log (id INTEGER PRIMARY KEY, usr INTEGER, k INTEGER, op INTEGER, at INTEGER)");
    for (size_t i = 0; i < sizeof sql_indices / sizeof sql_indices[0] && well; i++)
        well = run_text(db, sql_indices[i]);
    sqlite3_close(db);
    struct lite *l = well ? lite_open(0) : NULL;
    well = l && step(l->begin);
    for (uint32_t k = 0; k < setting.records && well; k++) {
        struct op op = {.kind = OP_CREATE, .key = k, .user = record_user(k)};
        data_make(op.data, k, 0);
        well = lite_rows(l, &op, false) == OP_DONE;
    }
    well = well && step(l->commit) && run_text(l->db, "PRAGMA wal_checkpoint(TRUNCATE)");
    if (l)
        lite_close(l);
    return well;
}

const struct system sqlite_system = {"sqlite", lite_load, lite_open, lite_run, lite_close};
