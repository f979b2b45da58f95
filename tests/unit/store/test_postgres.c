// SPDX-License-Identifier: Apache-2.0
/*
 * The schema and every statement on PostgreSQL 15: what one database alone understands must not get in.
 * A temporary cluster in /tmp, its own socket, no TCP.
 */
#define _GNU_SOURCE /* nftw */
#include "unit.h"

#include "store.h"
#include "text.h"

#include <ftw.h>
#include <libpq-fe.h>
#include <signal.h>
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

/* A data folder on two fresh databases of the cluster; null: it did not come about. */
static struct store *fresh(const char *name, char data[128])
{
    char path[160], create[128];
    struct store *st = NULL;
    struct fail f = {0};
    PGconn *c = connect_to("postgres");
    for (int keys = 0; keys < 2; keys++) {
        snprintf(create, sizeof create, "CREATE DATABASE %s_%s TEMPLATE template0", name,
                 keys ? "keys" : "main");
        EXPECT(pg_run(c, create));
    }
    PQfinish(c);
    snprintf(data, 128, "%s/%s", cluster, name);
    snprintf(path, sizeof path, "%s/database", data);
    EXPECT_INT(mkdir(data, 0700), 0);
    FILE *out = fopen(path, "w");
    if (!out)
        abort();
    fprintf(out,
            "main = postgresql:///%s_main?host=%s&user=postgres\n"
            "keys = postgresql:///%s_keys?host=%s&user=postgres\n",
            name, cluster, name, cluster);
    fclose(out);
    EXPECT_INT(store_create(data, &f), OK);
    EXPECT_INT(store_open(data, STORE_WRITE, &st, &f), OK);
    if (f.code)
        printf("  %s\n", f.detail);
    return st;
}

static void an_outer_savepoint_undoes_what_is_within(void)
{
    char data[128];
    struct store *st = fresh("saves", data);
    for (int i = 0; st && i < 4; i++)
        outer_is_undone(st, i >= 2, i % 2);
    store_close(st);
}

/* ---- Fetched ahead */

#define PERSONS 5 /* the last one holds nothing */

static struct span id_of(int person)
{
    static uint8_t id[PERSONS + 1][STORE_ID_LEN];
    memset(id[person], person + 1, STORE_ID_LEN);
    return span_of(id[person], STORE_ID_LEN);
}

static int64_t sid_of(int person)
{
    return 100 - person; /* another order than that of the ids */
}

static void run(struct store *st, enum store_query_id q, const struct store_arg *args, size_t n)
{
    struct fail f = {0};
    if (store_run(st, q, args, n, NULL, &f) != OK)
        printf("  %s: %s\n", store_query_name(q), f.detail);
    EXPECT_INT(f.code, OK);
}

static void add_belongings(struct store *st, int person)
{
    const struct span t = SPAN("t");
    int64_t sid = sid_of(person);
    for (int i = 0; i <= person; i++) {
        struct span item = span_str(i % 2 ? "b" : "a");
        run(st, Q_VALUE_PUT,
            ARGS(ARG_I(sid), ARG_I(1 + i / 2), ARG_T(item), ARG_I(person), ARG_B(t), ARG_T(t), ARG_T(t),
                 ARG_T(t), ARG_T(t), ARG_T(t), ARG_I(i), ARG_I(1000), ARG_I(1)));
        run(st, Q_CONSENT_ADD,
            ARGS(ARG_I(sid), ARG_I(i + 1), ARG_B(t), ARG_I(1), ARG_I(0), ARG_I(0), ARG_T(t), ARG_T(t),
                 ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t), ARG_I(person), ARG_I(9), ARG_I(1),
                 ARG_B(t), ARG_T(t), ARG_B(t), ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t)));
    }
    run(st, Q_HOLD_PUT, ARGS(ARG_I(sid), ARG_T(t), ARG_T(t), ARG_I(person), ARG_I(9)));
    run(st, Q_HAPPENING_PUT,
        ARGS(ARG_I(sid), ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t), ARG_I(person)));
    run(st, Q_SERVICE_USED, ARGS(ARG_I(sid), ARG_T(t), ARG_I(person)));
}

static void add_persons(struct store *st)
{
    const struct span t = SPAN("t"), names[] = {SPAN("z"), SPAN("y"), SPAN("x")};
    struct fail f = {0};
    EXPECT_INT(store_begin_write(st, &f), OK);
    for (int i = 0; i < 3; i++)
        run(st, Q_FIELD_ADD, ARGS(ARG_T(names[i])));
    run(st, Q_CLASS_KEY_ADD, ARGS(ARG_T(t), ARG_I(1), ARG_B(t)));
    for (int i = 0; i < PERSONS; i++) {
        run(st, Q_SUBJECT_ADD,
            ARGS(ARG_B(id_of(i)), ARG_I(sid_of(i)), ARG_I(i), ARG_I(0), ARG_I(0), ARG_I(0), ARG_T(t)));
        run(st, Q_KEY_ADD, ARGS(ARG_B(id_of(i)), ARG_T(t), ARG_I(1), ARG_B(id_of(i))));
        if (i < PERSONS - 1)
            add_belongings(st, i);
    }
    EXPECT_INT(store_commit(st, &f), OK);
}

/* All rows of a statement about a person as text; *ahead: they were fetched ahead. */
static struct span answer(struct store *st, enum store_query_id q, int person, struct arena *a, bool *ahead)
{
    struct store_rows r;
    struct fail f = {0};
    struct text t = text_new(a, 256);
    bool by_id = store_query_in(q)[0] == 'b', two = store_query_in(q)[1];
    const struct store_arg args[] = {by_id ? (struct store_arg)ARG_B(id_of(person))
                                           : (struct store_arg)ARG_I(sid_of(person)),
                                     ARG_T(SPAN("t"))};
    EXPECT_INT(store_query(st, q, args, two ? 2 : 1, &r, &f), OK);
    *ahead = r.lent;
    while (store_next(&r, &f)) {
        for (unsigned i = 0; store_query_out(q)[i]; i++)
            if ((store_query_out(q)[i] | 0x20) == 'i')
                text_fmt(&t, "%lld ", (long long)store_i(&r, i));
            else
                text_put(&t, store_t(&r, i));
        text_char(&t, '\n');
    }
    EXPECT_INT(r.err, OK);
    return text_span(&t);
}

static const enum store_query_id read_ahead[] = {Q_SUBJECT_GET, Q_SERVICE_USES, Q_CONSENT_HELD, Q_VALUE_BRIEF,
                                                 Q_KEY_GET},
                                 kept_ahead[] = {Q_SUBJECT_OF_SID, Q_SUBJECT_GET, Q_CONSENT_HELD,
                                                 Q_VALUE_LIST,     Q_VALUE_ALL,   Q_HOLD_LIST,
                                                 Q_HAPPENING_LIST, Q_KEY_GET};

static void same_ahead(struct store *st, const struct span *alone, const enum store_query_id *q, size_t n,
                       struct arena *a)
{
    bool ahead = false;
    for (int p = 0; p < PERSONS; p++)
        for (size_t i = 0; i < n; i++) {
            struct span got = answer(st, q[i], p, a, &ahead);
            EXPECT(ahead);
            if (!span_eq(got, alone[(size_t)p * n + i]))
                printf("  %s of person %d\n", store_query_name(q[i]), p);
            EXPECT(span_eq(got, alone[(size_t)p * n + i]));
        }
    answer(st, Q_SUBJECT_GET, PERSONS, a, &ahead); /* nobody said that this one would be asked for */
    EXPECT(!ahead);
}

static void alone_of(struct store *st, struct span *out, const enum store_query_id *q, size_t n,
                     struct arena *a)
{
    bool ahead = true;
    for (int p = 0; p < PERSONS; p++)
        for (size_t i = 0; i < n; i++) {
            out[(size_t)p * n + i] = answer(st, q[i], p, a, &ahead);
            EXPECT(!ahead);
        }
}

static void ids_from(uint8_t (*ids)[STORE_ID_LEN], int first, int n)
{
    for (int i = 0; i < n; i++)
        memcpy(ids[i], id_of(first + i).p, STORE_ID_LEN);
}

/* The second time round keys are asked for beside the rest. */
static void a_snapshot_fetched_ahead_says_the_same(const char *data)
{
    enum { N = sizeof read_ahead / sizeof read_ahead[0] };
    struct span alone[PERSONS * N];
    uint8_t ids[PERSONS][STORE_ID_LEN];
    struct arena *a = arena_new(0);
    struct store *st = NULL;
    struct fail f = {0};
    EXPECT_INT(store_open(data, STORE_READ, &st, &f), OK);
    EXPECT_INT(store_begin_read(st, &f), OK);
    alone_of(st, alone, read_ahead, N, a);
    store_end_read(st);
    ids_from(ids, 0, PERSONS);
    for (int i = 0; i < 6; i++) {
        EXPECT_INT(store_begin_read(st, &f), OK);
        store_ahead(st, (const uint8_t(*)[STORE_ID_LEN])ids, PERSONS);
        if (i != 3) /* this one needs no keys, and leaves those that were asked for */
            same_ahead(st, alone, read_ahead, N, a);
        else
            EXPECT(span_eq(answer(st, Q_VALUE_BRIEF, 2, a, &(bool){false}), alone[2 * N + 3]));
        store_end_read(st);
    }
    store_close(st);
    arena_free(a);
}

/* Two persons each time, others than the time before: keys asked for beside the rest are theirs, although the
 * snapshot asks for more than was fetched. */
static void a_snapshot_asks_for_the_rest_itself(const char *data)
{
    static const enum store_query_id q[] = {Q_SUBJECT_GET, Q_SERVICE_USES, Q_KEY_GET,  Q_VALUE_ALL,
                                            Q_HOLD_LIST,   Q_CONSENT_HELD, Q_VALUE_ALL};
    enum { N = sizeof q / sizeof q[0] };
    struct span alone[PERSONS * N];
    struct arena *a = arena_new(0);
    struct store *st = NULL;
    struct fail f = {0};
    bool ahead = false;
    EXPECT_INT(store_open(data, STORE_READ, &st, &f), OK);
    EXPECT_INT(store_begin_read(st, &f), OK);
    alone_of(st, alone, q, N, a);
    store_end_read(st);
    for (int round = 0; round < 6; round++) {
        uint8_t ids[2][STORE_ID_LEN];
        int first = round % 2 * 2;
        ids_from(ids, first, 2);
        EXPECT_INT(store_begin_read(st, &f), OK);
        store_ahead(st, (const uint8_t(*)[STORE_ID_LEN])ids, 2);
        for (int p = first; p < first + 2; p++)
            for (size_t i = 0; i < N; i++) {
                EXPECT(span_eq(answer(st, q[i], p, a, &ahead), alone[(size_t)p * N + i]));
                EXPECT(ahead == (q[i] != Q_VALUE_ALL && q[i] != Q_HOLD_LIST));
            }
        store_end_read(st);
    }
    store_close(st);
    arena_free(a);
}

static void a_group_fetched_ahead_says_the_same_until_it_changes_something(struct store *st)
{
    enum { N = sizeof kept_ahead / sizeof kept_ahead[0] };
    struct span alone[PERSONS * N];
    int64_t sids[PERSONS];
    struct arena *a = arena_new(0);
    struct fail f = {0};
    bool ahead = true;
    for (int p = 0; p < PERSONS; p++)
        sids[p] = sid_of(p);
    EXPECT_INT(store_begin_write(st, &f), OK);
    alone_of(st, alone, kept_ahead, N, a);
    store_ahead_keeping(st, sids, PERSONS);
    same_ahead(st, alone, kept_ahead, N, a);
    run(st, Q_HOLD_PUT, ARGS(ARG_I(sid_of(1)), ARG_T(SPAN("u")), ARG_T(SPAN("u")), ARG_I(3), ARG_I(4)));
    struct span holds = answer(st, Q_HOLD_LIST, 1, a, &ahead);
    EXPECT(!ahead);
    EXPECT_SPAN(holds, "tt1 9 \nuu3 4 \n");
    store_ahead_keeping(st, sids, PERSONS);
    EXPECT_SPAN(answer(st, Q_HOLD_LIST, 1, a, &ahead), "tt1 9 \nuu3 4 \n");
    EXPECT(ahead);
    store_rollback(st);
    EXPECT_INT(store_begin_write(st, &f), OK);
    EXPECT(span_eq(answer(st, Q_HOLD_LIST, 1, a, &ahead), alone[N + 5]));
    EXPECT(!ahead);
    store_rollback(st);
    arena_free(a);
}

static const enum store_query_id group_ahead[] = {Q_SUBJECT_GET, Q_SERVICE_USES, Q_CONSENT_LAST,
                                                  Q_CONSENT_HELD, Q_KEY_GET};

/* What each statement says of a person after the group stepped in: not what was fetched before. */
static void changes_are_seen(struct store *st, struct arena *a)
{
    const struct span t = SPAN("t");
    bool ahead = true;
    answer(st, Q_VALUE_ALL, 2, a, &ahead); /* values of many persons are not asked for by one job */
    EXPECT(!ahead);
    run(st, Q_SUBJECT_EPOCH, ARGS(ARG_B(id_of(3))));
    EXPECT_SPAN(answer(st, Q_SUBJECT_GET, 3, a, &ahead), "97 3 0 0 0 t2 \n");
    EXPECT(!ahead);
    EXPECT_SPAN(answer(st, Q_SUBJECT_GET, 2, a, &ahead), "98 2 0 0 0 t1 \n");
    EXPECT(ahead);
    run(st, Q_CONSENT_ADD,
        ARGS(ARG_I(sid_of(1)), ARG_I(3), ARG_B(t), ARG_I(1), ARG_I(0), ARG_I(0), ARG_T(t), ARG_T(t), ARG_T(t),
             ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t), ARG_I(1), ARG_I(9), ARG_I(1), ARG_B(t), ARG_T(t),
             ARG_B(t), ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t), ARG_T(t)));
    EXPECT_SPAN(answer(st, Q_CONSENT_LAST, 1, a, &ahead), "3 \n");
    EXPECT(!ahead);
    answer(st, Q_CONSENT_HELD, 1, a, &ahead);
    EXPECT(!ahead);
    EXPECT_SPAN(answer(st, Q_CONSENT_LAST, 2, a, &ahead), "3 \n");
    EXPECT(ahead);
    run(st, Q_SERVICE_USED, ARGS(ARG_I(sid_of(0)), ARG_T(SPAN("other")), ARG_I(1)));
    answer(st, Q_SERVICE_USES, 0, a, &ahead);
    EXPECT(!ahead);
    put(st, "nobody's");
    answer(st, Q_SERVICE_USES, 2, a, &ahead);
    EXPECT(ahead);
    /* A hold counts in what is said of relations: any other change ends it all. */
    run(st, Q_HOLD_PUT, ARGS(ARG_I(sid_of(2)), ARG_T(SPAN("u")), ARG_T(SPAN("u")), ARG_I(3), ARG_I(4)));
    EXPECT_SPAN(answer(st, Q_SERVICE_USES, 2, a, &ahead), "2 2 \n");
    EXPECT(!ahead);
}

static void jobs_of_a_group_see_what_it_changed(struct store *st)
{
    enum { N = sizeof group_ahead / sizeof group_ahead[0] };
    struct span alone[PERSONS * N];
    uint8_t ids[PERSONS][STORE_ID_LEN];
    struct arena *a = arena_new(0);
    struct fail f = {0};
    bool ahead = true;
    ids_from(ids, 0, PERSONS);
    EXPECT_INT(store_begin_write(st, &f), OK);
    alone_of(st, alone, group_ahead, N, a);
    store_ahead_group(st, (const uint8_t(*)[STORE_ID_LEN])ids, PERSONS - 1);
    for (int p = 0; p < PERSONS; p++)
        for (size_t i = 0; i < N; i++) {
            EXPECT(span_eq(answer(st, group_ahead[i], p, a, &ahead), alone[(size_t)p * N + i]));
            EXPECT(ahead == (p < PERSONS - 1)); /* nobody said that the last one would be asked for */
        }
    changes_are_seen(st, a);
    store_rollback(st);
    EXPECT_INT(store_begin_write(st, &f), OK);
    store_ahead_group(st, (const uint8_t(*)[STORE_ID_LEN])ids, PERSONS);
    answer(st, Q_SUBJECT_GET, 0, a, &ahead);
    EXPECT(ahead);
    EXPECT_SPAN(answer(st, Q_CONSENT_LAST, PERSONS - 1, a, &ahead), "0 \n"); /* who never said anything */
    EXPECT(!ahead);
    store_rollback(st);
    arena_free(a);
}

/* ---- Without the keys' server */

/* The server's processes that serve a database, as `pid,pid`; `sent` (0: none) goes to each of them. */
static void backends(const char *db, int sent, char out[128])
{
    char sql[160];
    PGconn *c = connect_to("postgres");
    snprintf(sql, sizeof sql, "SELECT pid FROM pg_stat_activity WHERE datname = '%s' ORDER BY pid", db);
    PGresult *r = PQexec(c, sql);
    size_t len = 0;
    for (int i = 0; i < PQntuples(r) && len < 100; i++) {
        pid_t pid = atoi(PQgetvalue(r, i, 0));
        len += (size_t)snprintf(out + len, 128 - len, "%d,", pid);
        if (sent)
            kill(pid, sent);
    }
    EXPECT(len > 0);
    PQclear(r);
    PQfinish(c);
}

static void looks(struct store *st, enum store_query_id q, const struct span *want, struct arena *a)
{
    uint8_t ids[PERSONS][STORE_ID_LEN];
    struct fail f = {0};
    bool ahead = false;
    ids_from(ids, 0, PERSONS);
    EXPECT_INT(store_begin_read(st, &f), OK);
    store_ahead(st, (const uint8_t(*)[STORE_ID_LEN])ids, PERSONS);
    EXPECT(span_eq(answer(st, Q_SUBJECT_GET, 2, a, &ahead), want[0]));
    EXPECT(span_eq(answer(st, q, 2, a, &ahead), want[q == Q_KEY_GET ? 2 : 1]));
    EXPECT(ahead);
    store_end_read(st);
}

/* It was asked beside the rest, and swallows that: the snapshot is over all the same, and the connection is
 * not given up, as it would be by whoever waits for it. */
static void a_snapshot_without_keys_leaves_what_was_asked_beside(struct store *st, const struct span *want,
                                                                 struct arena *a)
{
    char before[128], after[128];
    looks(st, Q_KEY_GET, want, a);
    backends("ahead_keys", SIGSTOP, before);
    looks(st, Q_VALUE_BRIEF, want, a);
    looks(st, Q_VALUE_BRIEF, want, a);
    backends("ahead_keys", SIGCONT, after);
    looks(st, Q_KEY_GET, want, a);
    looks(st, Q_KEY_GET, want, a);
    backends("ahead_keys", 0, after);
    EXPECT(strcmp(after, before) == 0);
}

static void a_snapshot_without_keys_needs_no_server_of_theirs(struct store *st, const struct span *want,
                                                              struct arena *a)
{
    struct store_rows r;
    struct fail f = {0};
    PGconn *c = connect_to("postgres");
    EXPECT(pg_run(c, "ALTER DATABASE ahead_keys ALLOW_CONNECTIONS false"));
    EXPECT(pg_run(c, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ahead_keys'"));
    for (int i = 0; i < 3; i++) { /* the first one finds out */
        EXPECT_INT(store_begin_read(st, &f), OK);
        EXPECT_INT(store_query(st, Q_KEY_GET, ARGS(ARG_B(id_of(2))), &r, &f), ERR_BUSY);
        store_end_read(st);
        f = (struct fail){0};
        looks(st, Q_VALUE_BRIEF, want, a);
    }
    EXPECT(pg_run(c, "ALTER DATABASE ahead_keys ALLOW_CONNECTIONS true"));
    PQfinish(c);
    usleep(1000 * 1000); /* more than the pause before it is tried again */
    looks(st, Q_KEY_GET, want, a);
}

static void keys_that_are_away(const char *data)
{
    static const enum store_query_id q[] = {Q_SUBJECT_GET, Q_VALUE_BRIEF, Q_KEY_GET};
    struct span want[3];
    struct arena *a = arena_new(0);
    struct store *st = NULL;
    struct fail f = {0};
    EXPECT_INT(store_open(data, STORE_READ, &st, &f), OK);
    EXPECT_INT(store_begin_read(st, &f), OK);
    for (size_t i = 0; i < 3; i++)
        want[i] = answer(st, q[i], 2, a, &(bool){false});
    store_end_read(st);
    a_snapshot_without_keys_leaves_what_was_asked_beside(st, want, a);
    a_snapshot_without_keys_needs_no_server_of_theirs(st, want, a);
    store_close(st);
    arena_free(a);
}

static void what_is_fetched_ahead(void)
{
    char data[128];
    struct store *st = fresh("ahead", data);
    if (!st)
        return;
    add_persons(st);
    a_group_fetched_ahead_says_the_same_until_it_changes_something(st);
    jobs_of_a_group_see_what_it_changed(st);
    a_snapshot_fetched_ahead_says_the_same(data);
    a_snapshot_asks_for_the_rest_itself(data);
    keys_that_are_away(data);
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
        what_is_fetched_ahead();
    }
    cluster_stop();
}

UNIT_MAIN(CASE(schemas_and_statements_on_postgresql_15))
