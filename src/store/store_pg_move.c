// SPDX-License-Identifier: Apache-2.0
/* A migration's side in the databases: see move.h. */
#include "store_move_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LOCK_MOVE     "SELECT pg_try_advisory_lock(7238531, 0)::int"
#define LOCK_TRIES    100 /* ten seconds: what a killed one had sent is still at work */
#define FETCH         "FETCH 1000 FROM rows"
#define COPY_BUFFERED 65536

static enum err failed(struct store_pg *pg, const char *state, const char *doing, struct fail *f)
{
    if (PQstatus(pg->c) == CONNECTION_OK)
        return pg_fail_state(pg, state, doing, f);
    fail_hint(f,
              "see that the database server runs, then give the command again: it goes on where it stopped");
    return fail_set(f, ERR_BUSY, "%s: the connection was lost", pg_name(pg));
}

static enum err run(struct store_pg *pg, const char *sql, const char *doing, struct fail *f)
{
    char state[6];
    return pg_run(pg, sql, state) ? OK : failed(pg, state, doing, f);
}

/* One text of one row, into the arena. */
static enum err ask(struct store_pg *pg, const char *sql, struct arena *a, struct span *out, struct fail *f)
{
    PGresult *r = pg_exec(pg, sql);
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    enum err err = OK;
    if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1)
        *out = arena_copy(a, pg_t(r, 0, 0));
    else
        err = failed(pg, state ? state : "08006", "answer", f);
    PQclear(r);
    return err;
}

/* ---- Who is there */

/* Held as long as the connection: what another migration sent before it was killed has ended. */
static enum err lock(struct store_pg *pg, struct fail *f)
{
    const struct timespec tenth = {.tv_nsec = 100000000L};
    struct arena *a = arena_new(1024);
    struct span got = SPAN_EMPTY;
    enum err err = OK;
    for (int i = 0; i < LOCK_TRIES && err == OK && !span_is(got, "1"); i++) {
        if (i)
            nanosleep(&tenth, NULL);
        err = ask(pg, LOCK_MOVE, a, &got, f);
    }
    if (err == OK && !span_is(got, "1"))
        err = fail_set(f, ERR_BUSY, "%s: another migration into it is under way", pg_name(pg));
    arena_free(a);
    return err;
}

enum err pg_move_connect(const char *url, enum store_db which, struct store_pg **out, struct fail *f)
{
    struct store_pg *pg = pg_new(url, which);
    enum err err = pg_connect_plain(pg, f);
    if (err == OK && pg->pooled) {
        fail_hint(f, "name the server itself; the pool can stand in DIR/database afterwards");
        err = fail_set(f, ERR_CONFLICT, "%s: a connection pool is in between, which keeps no lock",
                       pg_name(pg));
    }
    if (err == OK)
        err = lock(pg, f);
    if (err == OK)
        *out = pg;
    else
        pg_close(pg);
    return err;
}

enum err pg_move_place(struct store_pg *pg, struct arena *a, struct span *out, struct fail *f)
{
    return ask(pg,
               "SELECT oid || ' ' || (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint FROM "
               "pg_database WHERE datname = current_database()",
               a, out, f);
}

enum err pg_move_apart(const char *url, struct arena *a, struct span *out, struct fail *f)
{
    struct store_pg *pg = pg_new(url, STORE_KEYS);
    enum err err = pg_connect_plain(pg, f);
    if (err == OK)
        err = pg_move_place(pg, a, out, f);
    pg_close(pg);
    return err;
}

enum err pg_move_skew(struct store_pg *pg, int64_t *ms, struct fail *f)
{
    struct arena *a = arena_new(1024);
    struct span text = SPAN_EMPTY;
    struct timespec before, after;
    clock_gettime(CLOCK_REALTIME, &before);
    enum err err = ask(pg, "SELECT (extract(epoch from clock_timestamp()) * 1000)::bigint", a, &text, f);
    clock_gettime(CLOCK_REALTIME, &after);
    int64_t first = (int64_t)before.tv_sec * 1000 + before.tv_nsec / 1000000,
            last = (int64_t)after.tv_sec * 1000 + after.tv_nsec / 1000000,
            server = err == OK ? strtoll(arena_str(a, text), NULL, 10) : first;
    *ms = server < first ? server - first : server > last ? server - last : 0;
    arena_free(a);
    return err;
}

/* ---- What is there */

/* The row of PG_HALF_TABLE whose count is below zero: its schema version, negative. */
static struct span mark_of(struct arena *a, const struct store_pg *pg, const char *id)
{
    return arena_fmt(a, "%s %s", id, pg->which == STORE_KEYS ? "keys" : "main");
}

/* The mark that is there; empty: none. */
static enum err mark_read(struct store_pg *pg, struct arena *a, struct span *mark, bool *tables,
                          struct fail *f)
{
    struct span count = SPAN_EMPTY;
    *mark = SPAN_EMPTY;
    enum err err = ask(pg,
                       "SELECT count(*) || CASE WHEN bool_or(relname = '" PG_HALF_TABLE
                       "') THEN 'm' ELSE '' END" PG_RELATIONS,
                       a, &count, f);
    *tables = !span_is(count, "0");
    if (err == OK && count.len && count.p[count.len - 1] == 'm')
        err = ask(pg, "SELECT name FROM " PG_HALF_TABLE " WHERE rows < 0", a, mark, f);
    return err;
}

enum err pg_move_find(struct store_pg *pg, const char *id, enum pg_move_found *out, struct fail *f)
{
    struct arena *a = arena_new(1024);
    struct span mark = SPAN_EMPTY;
    char state[6];
    bool tables = false;
    int version = pg_version_read(pg, state);
    enum err err =
        version < 0 ? failed(pg, state, "read its version", f) : mark_read(pg, a, &mark, &tables, f);
    if (err == OK && mark.len && !span_eq(mark, mark_of(a, pg, id))) {
        fail_hint(f, "finish that one first, or name an empty database");
        err = fail_set(f, ERR_CONFLICT, "%s holds another half-finished migration", pg_name(pg));
    } else if (err == OK && tables && !mark.len && version == 0) {
        err = pg_not_empty(pg, f);
    }
    *out = err != OK || !tables ? PG_MOVE_NOTHING
           : !mark.len          ? PG_MOVE_INSTALLED
           : version            ? PG_MOVE_FINISHED
                                : PG_MOVE_OURS;
    arena_free(a);
    return err;
}

enum err pg_move_schema(struct store_pg *pg, struct arena *a, int *version, struct fail *f)
{
    struct span text = SPAN_EMPTY;
    enum err err = ask(pg, "SELECT -rows FROM " PG_HALF_TABLE " WHERE rows < 0", a, &text, f);
    *version = err == OK ? atoi(arena_str(a, text)) : 0;
    return err;
}

/* ---- Making */

enum err pg_move_make(struct store_pg *pg, const struct move *m, struct fail *f)
{
    struct arena *a = arena_new(0);
    struct text sql = text_new(a, 16384);
    char state[6];
    text_str(&sql, "BEGIN; " PG_LOCK_SCHEMA "; ");
    text_put(&sql, store_schema_pg(a, pg->which));
    text_str(&sql, "; CREATE TABLE " PG_HALF_TABLE " (name TEXT NOT NULL PRIMARY KEY, rows BIGINT NOT NULL); "
                   "INSERT INTO " PG_HALF_TABLE " VALUES ('");
    text_put(&sql, mark_of(a, pg, m->id));
    text_str(&sql, "', -");
    text_i64(&sql, store_schema_newest(pg->which));
    text_str(&sql, ")");
    for (size_t i = 0; i < m->n; i++) {
        if (m->tables[i].db != pg->which)
            continue;
        text_str(&sql, ", ('");
        text_str(&sql, m->tables[i].name);
        text_str(&sql, "', 0)");
    }
    for (size_t i = 0; i < m->n; i++) {
        if (m->tables[i].db != pg->which)
            continue;
        text_str(&sql, "; TRUNCATE ");
        text_str(&sql, m->tables[i].name);
    }
    text_str(&sql, "; COMMIT");
    enum err err = run(pg, arena_str(a, text_span(&sql)), "make its tables", f);
    if (err != OK)
        pg_run(pg, "ROLLBACK", state);
    arena_free(a);
    return err;
}

enum err pg_move_counts(struct store_pg *pg, struct move *m, struct fail *f)
{
    PGresult *r = pg_exec(pg, "SELECT name, rows FROM " PG_HALF_TABLE);
    enum err err = PQresultStatus(r) == PGRES_TUPLES_OK ? OK : failed(pg, "08006", "read how far it is", f);
    for (int row = 0; err == OK && row < PQntuples(r); row++)
        for (size_t i = 0; i < m->n; i++)
            if (m->tables[i].db == pg->which && span_is(pg_t(r, row, 0), m->tables[i].name))
                m->tables[i].moved = strtoll(PQgetvalue(r, row, 1), NULL, 10);
    PQclear(r);
    return err;
}

/* ---- Copying (postgresql.org/docs/15/sql-copy.html, "Binary Format") */

enum err pg_move_begin(struct store_pg *pg, const struct move *m, size_t i, struct fail *f)
{
    static const uint8_t head[19] = "PGCOPY\n\377\r\n"; /* then zeros: no flags, no extension */
    struct text sql = text_new(m->scratch, 512);
    enum err err = run(pg, "BEGIN", "begin", f);
    if (err != OK)
        return err;
    text_str(&sql, "COPY ");
    text_str(&sql, m->tables[i].name);
    text_str(&sql, " (");
    text_put(&sql, m->columns[i].names);
    text_str(&sql, ") FROM STDIN (FORMAT binary)");
    PGresult *r = PQexec(pg->c, arena_str(m->scratch, text_span(&sql)));
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    if (PQresultStatus(r) != PGRES_COPY_IN)
        err = failed(pg, state ? state : "08006", "take rows", f);
    PQclear(r);
    return err == OK ? pg_move_put(pg, span_of(head, sizeof head), f) : err;
}

enum err pg_move_put(struct store_pg *pg, struct span bytes, struct fail *f)
{
    return PQputCopyData(pg->c, (const char *)bytes.p, (int)bytes.len) == 1
               ? OK
               : failed(pg, "08006", "take rows", f);
}

static enum err copy_ended(struct store_pg *pg, struct fail *f)
{
    enum err err = OK;
    for (PGresult *r; (r = PQgetResult(pg->c));) {
        const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
        if (PQresultStatus(r) != PGRES_COMMAND_OK && err == OK)
            err = failed(pg, state ? state : "08006", "take rows", f);
        PQclear(r);
    }
    return err;
}

enum err pg_move_end(struct store_pg *pg, const struct move *m, size_t i, int64_t moved, struct fail *f)
{
    static const uint8_t tail[] = {0xff, 0xff};
    struct text sql = text_new(m->scratch, 256);
    text_str(&sql, "UPDATE " PG_HALF_TABLE " SET rows = ");
    text_i64(&sql, moved);
    text_str(&sql, " WHERE name = '");
    text_str(&sql, m->tables[i].name);
    text_str(&sql, "'");
    enum err err = pg_move_put(pg, span_of(tail, sizeof tail), f);
    if (err == OK && PQputCopyEnd(pg->c, NULL) != 1)
        err = failed(pg, "08006", "take rows", f);
    if (err == OK)
        err = copy_ended(pg, f);
    if (err == OK)
        err = run(pg, arena_str(m->scratch, text_span(&sql)), "note how far it is", f);
    return err == OK ? run(pg, "COMMIT", "commit", f) : err;
}

void pg_move_undo(struct store_pg *pg)
{
    char state[6];
    PQputCopyEnd(pg->c, "given up");
    for (PGresult *r; PQstatus(pg->c) == CONNECTION_OK && (r = PQgetResult(pg->c));)
        PQclear(r);
    pg_run(pg, "ROLLBACK", state);
}

/* ---- Reading again */

static void put_row(struct text *out, const PGresult *r, int row)
{
    int n = PQnfields(r);
    out->len = 0;
    move_put_count(out, (size_t)n);
    for (int c = 0; c < n; c++) {
        struct span s = pg_t(r, row, c);
        move_put(out, s.p, PQgetisnull(r, row, c) ? -1 : (int64_t)s.len);
    }
}

/* Binary, one piece at a time. *n: rows it had. */
static enum err fetch(struct store_pg *pg, struct text *buffer, void (*row)(void *, struct span), void *ctx,
                      int *n, struct fail *f)
{
    enum err err = OK;
    *n = 0;
    if (PQsendQueryParams(pg->c, FETCH, 0, NULL, NULL, NULL, NULL, 1) != 1)
        return failed(pg, "08006", "give rows", f);
    for (PGresult *r; (r = PQgetResult(pg->c));) {
        const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
        if (PQresultStatus(r) != PGRES_TUPLES_OK && err == OK)
            err = failed(pg, state ? state : "08006", "give rows", f);
        for (int i = 0; err == OK && i < PQntuples(r); i++, ++*n) {
            put_row(buffer, r, i);
            row(ctx, text_span(buffer));
        }
        PQclear(r);
    }
    return err;
}

enum err pg_move_scan(struct store_pg *pg, struct move *m, size_t i, void (*row)(void *, struct span),
                      void *ctx, struct fail *f)
{
    struct text sql = text_new(m->scratch, 512), buffer = text_new(m->scratch, COPY_BUFFERED);
    char state[6];
    int n = 1;
    text_str(&sql,
             "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; DECLARE rows NO SCROLL CURSOR FOR SELECT ");
    text_put(&sql, m->columns[i].names);
    text_str(&sql, " FROM ");
    text_str(&sql, m->tables[i].name);
    text_str(&sql, " ORDER BY ");
    text_put(&sql, m->columns[i].pg_order);
    enum err err = run(pg, arena_str(m->scratch, text_span(&sql)), "give rows", f);
    while (err == OK && n > 0)
        err = fetch(pg, &buffer, row, ctx, &n, f);
    pg_run(pg, "ROLLBACK", state);
    return err;
}

/* ---- Ending */

enum err pg_move_finish(struct store_pg *pg, struct fail *f)
{
    char state[6];
    int version = pg_version_read(pg, state);
    if (version != 0)
        return version > 0 ? OK : failed(pg, state, "read its version", f);
    enum err err =
        run(pg,
            "BEGIN; " PG_LOCK_SCHEMA "; CREATE TABLE schema_version (version BIGINT NOT NULL); "
            "INSERT INTO schema_version SELECT -rows FROM " PG_HALF_TABLE " WHERE rows < 0; COMMIT",
            "give its tables their version", f);
    if (err != OK)
        pg_run(pg, "ROLLBACK", state);
    return err;
}

enum err pg_move_unmark(struct store_pg *pg, struct fail *f)
{
    return run(pg, "DROP TABLE IF EXISTS " PG_HALF_TABLE, "take away the mark of the migration", f);
}

enum err pg_move_drop(struct store_pg *pg, struct arena *a, struct fail *f)
{
    struct text sql = text_new(a, 1024);
    text_put(&sql, pg_drop_text(a, pg->which));
    text_str(&sql, ", " PG_HALF_TABLE);
    return run(pg, arena_str(a, text_span(&sql)), "drop its tables", f);
}
