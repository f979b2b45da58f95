// SPDX-License-Identifier: Apache-2.0
/* PostgreSQL with an index on each attribute; with -r a row in the log in the same statement, with -e sealed.
 */
#include "sql.h"

#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OID_BYTEA 17
#define OID_INT8  20

static void name_of(char out[16], enum op_kind k)
{
    snprintf(out, 16, "op%d", (int)k);
}

static bool done(PGconn *c, const char *sql)
{
    PGresult *r = PQexec(c, sql);
    bool well = PQresultStatus(r) == PGRES_COMMAND_OK;
    if (!well)
        fprintf(stderr, "gdprbench: %s%s\n", PQerrorMessage(c), sql);
    PQclear(r);
    return well;
}

/* Plain, no log is kept: who asks for it gets the metadata. */
static void text_of(char *out, size_t room, enum op_kind k)
{
    const char *sql = k == OP_LOGS && !setting.record ? sql_of[OP_META_USER].sql : sql_of[k].sql;
    char alive[512];
    const char *where =
        setting.seal && strncmp(sql, "SELECT", 6) == 0 && k != OP_LOGS ? strstr(sql, " ORDER") : NULL;
    if (setting.seal && strncmp(sql, "SELECT", 6) == 0 && k != OP_LOGS)
        snprintf(alive, sizeof alive, "%.*s" ALIVE "%s", where ? (int)(where - sql) : (int)strlen(sql), sql,
                 where ? where : "");
    else
        snprintf(alive, sizeof alive, "%s", sql);
    if (setting.record && sql_of[k].records)
        snprintf(out, room,
                 "WITH r (k, usr, data) AS (%s), l AS (INSERT INTO log (usr, k, op, at) SELECT usr, min(k), "
                 "%d, now()"
                 " FROM r GROUP BY usr) SELECT k, usr, data FROM r",
                 alive, (int)k);
    else
        snprintf(out, room, "%s", alive);
}

static void *pg_open(unsigned client)
{
    (void)client;
    PGconn *c = PQconnectdb(setting.target);
    bool well = PQstatus(c) == CONNECTION_OK;
    for (int k = 0; k < OP_COUNT && well; k++) {
        char name[16], sql[1024];
        const Oid types[] = {OID_INT8, sql_has_data((enum op_kind)k) ? OID_BYTEA : OID_INT8, OID_INT8};
        name_of(name, (enum op_kind)k);
        text_of(sql, sizeof sql, (enum op_kind)k);
        PGresult *r = PQprepare(c, name, sql,
                                k == OP_CREATE                    ? 3
                                : sql_has_second((enum op_kind)k) ? 2
                                                                  : 1,
                                types);
        well = PQresultStatus(r) == PGRES_COMMAND_OK;
        PQclear(r);
    }
    if (well)
        return c;
    fprintf(stderr, "gdprbench: %s", PQerrorMessage(c));
    PQfinish(c);
    return NULL;
}

static void pg_close(void *conn)
{
    PQfinish(conn);
}

static enum op_end pg_run(void *conn, struct op *op)
{
    char name[16];
    uint8_t sealed[SEALED_LEN];
    int64_t number[3] = {(int64_t)htobe64((uint64_t)sql_first(op)),
                         (int64_t)htobe64((uint64_t)sql_second(op)), (int64_t)htobe64(op->user)};
    const char *value[3] = {(const char *)&number[0], (const char *)&number[1], (const char *)&number[2]};
    int length[3] = {8, 8, 8};
    static const int format[3] = {1, 1, 1};
    name_of(name, op->kind);
    if (sql_has_data(op->kind)) {
        value[1] = op->data;
        length[1] = DATA_LEN;
    }
    if (sql_has_data(op->kind) && setting.seal) {
        seal(sealed, op->data);
        value[1] = (const char *)sealed;
        length[1] = SEALED_LEN;
    }
    int n_values = op->kind == OP_CREATE ? 3 : sql_has_second(op->kind) ? 2 : 1;
    PGresult *r;
    for (int tries = 0;; tries++) {
        r = PQexecPrepared(conn, name, n_values, value, length, format, 1);
        const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
        if (!state || strcmp(state, "40P01") != 0 || tries == 10)
            break; /* two updates of many rows can meet: the loser asks again */
        PQclear(r);
    }
    if (PQresultStatus(r) != PGRES_TUPLES_OK) {
        op_fail(op, "%s", PQresultErrorMessage(r));
        PQclear(r);
        return OP_FAILED;
    }
    int n = PQntuples(r);
    for (int i = 0; i < n && sql_gives_data(op->kind); i++)
        sql_saw(op, PQgetvalue(r, i, 2), (size_t)PQgetlength(r, i, 2));
    op->n = (uint32_t)n;
    PQclear(r);
    return n || !sql_needs_one(op->kind) ? OP_DONE : OP_NONE;
}

static bool pg_load(void)
{
    PGconn *c = PQconnectdb(setting.target);
    bool well =
        PQstatus(c) == CONNECTION_OK &&
        done(c, "CREATE TABLE record (k BIGINT PRIMARY KEY, pur BIGINT, ttl BIGINT, usr BIGINT, obj BIGINT,"
                " dec BIGINT, acl BIGINT, shr BIGINT, src BIGINT, cat BIGINT, data BYTEA)") &&
        done(c,
             "CREATE TABLE log (id BIGSERIAL PRIMARY KEY, usr BIGINT, k BIGINT, op BIGINT, at TIMESTAMPTZ)");
    for (size_t i = 0; i < sizeof sql_indices / sizeof sql_indices[0] && well; i++)
        well = done(c, sql_indices[i]);
    PQfinish(c);
    bool record = setting.record;
    setting.record = false; /* what was there before is not on record */
    c = well ? pg_open(0) : NULL;
    setting.record = record;
    well = c && done(c, "BEGIN");
    for (uint32_t k = 0; k < setting.records && well; k++) {
        struct op op = {.kind = OP_CREATE, .key = k, .user = record_user(k)};
        data_make(op.data, k, 0);
        well = pg_run(c, &op) == OP_DONE;
    }
    well = well && done(c, "COMMIT") && done(c, "ANALYZE");
    if (c)
        pg_close(c);
    return well;
}

const struct system pg_system = {"postgresql", pg_load, pg_open, pg_run, pg_close};
