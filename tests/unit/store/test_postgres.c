// SPDX-License-Identifier: Apache-2.0
/*
 * The schema and every statement on PostgreSQL 15: what one database alone understands must not get in.
 * A temporary cluster in /tmp, its own socket, no TCP.
 */
#define _GNU_SOURCE /* nftw */
#include "unit.h"

#include "store.h"

#include <ftw.h>
#include <libpq-fe.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PG_BIN "/usr/lib/postgresql/15/bin"
/* PostgreSQL's type numbers (catalog pg_type). */
#define OID_BYTEA 17
#define OID_INT8  20
#define OID_INT2  21
#define OID_INT4  23
#define OID_TEXT  25

static char cluster[] = "/tmp/troth-pg-XXXXXX";

static const char *const db_name[STORE_DB_COUNT] = {"troth_main", "troth_keys", "troth_history"};

/* PostgreSQL refuses to run as root. */
static int shell(const char *command)
{
    char line[1024];
    const char *as = geteuid() == 0 ? "runuser -u postgres -- " : "";
    snprintf(line, sizeof line, "%ssh -c \"%s\" >>%s/log 2>&1", as, command, cluster);
    int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool cluster_start(void)
{
    char command[512];
    if (!mkdtemp(cluster))
        return false;
    chmod(cluster, 0777);
    snprintf(command, sizeof command,
             "cd %s && " PG_BIN "/initdb -D %s/db -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync",
             cluster, cluster);
    if (shell(command) != 0)
        return false;
    snprintf(command, sizeof command,
             "cd %s && " PG_BIN "/pg_ctl -D %s/db -w -l %s/server -o '-F -k %s -c listen_addresses=' start",
             cluster, cluster, cluster, cluster);
    return shell(command) == 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void cluster_stop(void)
{
    char command[256];
    snprintf(command, sizeof command, "cd / && " PG_BIN "/pg_ctl -D %s/db -m immediate stop", cluster);
    shell(command);
    nftw(cluster, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static PGconn *connect_to(const char *db)
{
    char info[256];
    snprintf(info, sizeof info, "host=%s user=postgres dbname=%s", cluster, db);
    PGconn *c = PQconnectdb(info);
    if (PQstatus(c) != CONNECTION_OK)
        printf("  %s", PQerrorMessage(c));
    return c;
}

static bool pg_run(PGconn *c, const char *sql)
{
    PGresult *r = PQexec(c, sql);
    ExecStatusType s = PQresultStatus(r);
    bool ok = s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
    if (!ok)
        printf("  %s", PQresultErrorMessage(r));
    PQclear(r);
    return ok;
}

static Oid oid_of(char type)
{
    return type == 'i' ? OID_INT8 : type == 't' ? OID_TEXT : OID_BYTEA;
}

static bool column_fits(char type, Oid got)
{
    return got == oid_of(type) || (type == 'i' && (got == OID_INT4 || got == OID_INT2));
}

static bool columns_fit(PGconn *c, enum store_query_id q)
{
    const char *out = store_query_out(q);
    PGresult *r = PQdescribePrepared(c, store_query_name(q));
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK && PQnfields(r) == (int)strlen(out);
    for (int i = 0; ok && out[i]; i++)
        ok = column_fits((char)(out[i] | 0x20), PQftype(r, i));
    PQclear(r);
    if (!ok)
        printf("  %s: its columns are not \"%s\"\n", store_query_name(q), out);
    return ok;
}

static bool prepares(PGconn *c, enum store_query_id q)
{
    Oid types[64];
    const char *in = store_query_in(q);
    size_t n = strlen(in);
    for (size_t i = 0; i < n; i++)
        types[i] = oid_of((char)(in[i] | 0x20));
    PGresult *r = PQprepare(c, store_query_name(q), store_query_sql(q), (int)n, types);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
    if (!ok)
        printf("  %s: %s", store_query_name(q), PQresultErrorMessage(r));
    PQclear(r);
    return ok && columns_fit(c, q);
}

static void schemas_are_accepted(void)
{
    struct arena *a = arena_new(0);
    PGconn *c = connect_to("postgres");
    for (unsigned i = 0; i < STORE_DB_COUNT; i++) {
        char create[64];
        snprintf(create, sizeof create, "CREATE DATABASE %s TEMPLATE template0", db_name[i]);
        EXPECT(pg_run(c, create));
        PGconn *d = connect_to(db_name[i]);
        struct span sql = store_schema_pg(a, (enum store_db)i);
        EXPECT(sql.len > 0);
        EXPECT(pg_run(d, arena_str(a, sql)));
        PQfinish(d);
    }
    PQfinish(c);
    arena_free(a);
}

static void every_statement_prepares(void)
{
    PGconn *c[STORE_DB_COUNT];
    for (unsigned i = 0; i < STORE_DB_COUNT; i++)
        c[i] = connect_to(db_name[i]);
    for (unsigned q = 0; q < Q_COUNT; q++)
        EXPECT(prepares(c[store_query_db((enum store_query_id)q)], (enum store_query_id)q));
    for (unsigned i = 0; i < STORE_DB_COUNT; i++)
        PQfinish(c[i]);
}

/* ---- Savepoints */

static void put(struct store *st, const char *name)
{
    struct fail f = {0};
    EXPECT_INT(store_run(st, Q_META_PUT, ARGS(ARG_T(span_str(name)), ARG_I(1), ARG_NULL), NULL, &f), OK);
}

static bool has(struct store *st, const char *name)
{
    struct store_rows r;
    struct fail f = {0};
    bool found = store_one(st, Q_META_GET, ARGS(ARG_T(span_str(name))), &r, &f);
    store_done(&r);
    return found;
}

/* begun: a statement ran before the outer one was set; kept: what becomes of the inner ones. */
static void outer_is_undone(struct store *st, bool begun, bool kept)
{
    struct fail f = {0};
    EXPECT_INT(store_begin_write(st, &f), OK);
    if (begun)
        put(st, "before");
    EXPECT_INT(store_savepoint(st, &f), OK);
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(store_savepoint(st, &f), OK);
        put(st, "inner");
        if (kept)
            store_savepoint_keep(st);
        else
            store_savepoint_undo(st);
        put(st, "outer");
    }
    EXPECT(has(st, "inner") == kept);
    store_savepoint_undo(st);
    put(st, "after");
    EXPECT_INT(store_commit(st, &f), OK);
    EXPECT_INT(store_begin_read(st, &f), OK);
    EXPECT(!has(st, "inner") && !has(st, "outer"));
    EXPECT(has(st, "after"));
    EXPECT(has(st, "before") == begun);
    store_end_read(st);
}

static void an_outer_savepoint_undoes_what_is_within(void)
{
    char data[128], path[160];
    struct store *st = NULL;
    struct fail f = {0};
    PGconn *c = connect_to("postgres");
    EXPECT(pg_run(c, "CREATE DATABASE saves_main TEMPLATE template0"));
    EXPECT(pg_run(c, "CREATE DATABASE saves_keys TEMPLATE template0"));
    PQfinish(c);
    snprintf(data, sizeof data, "%s/data", cluster);
    snprintf(path, sizeof path, "%s/database", data);
    EXPECT_INT(mkdir(data, 0700), 0);
    FILE *out = fopen(path, "w");
    if (!out)
        abort();
    fprintf(out,
            "main = postgresql:///saves_main?host=%s&user=postgres\n"
            "keys = postgresql:///saves_keys?host=%s&user=postgres\n",
            cluster, cluster);
    fclose(out);
    EXPECT_INT(store_create(data, &f), OK);
    EXPECT_INT(store_open(data, STORE_WRITE, &st, &f), OK);
    for (int i = 0; st && i < 4; i++)
        outer_is_undone(st, i >= 2, i % 2);
    if (f.code)
        printf("  %s\n", f.detail);
    store_close(st);
}

TEST(schemas_and_statements_on_postgresql_15)
{
    if (access(PG_BIN "/initdb", X_OK) != 0) {
        unit_bad++;
        printf("  " PG_BIN " is missing: tools/deps installs postgresql-15\n");
        return;
    }
    bool running = cluster_start();
    EXPECT(running);
    if (running) {
        schemas_are_accepted();
        every_statement_prepares();
        an_outer_savepoint_undoes_what_is_within();
    }
    cluster_stop();
}

UNIT_MAIN(CASE(schemas_and_statements_on_postgresql_15))
