// SPDX-License-Identifier: Apache-2.0
/* The file `database`, the tables and their migrations on PostgreSQL: see store_pg.h. */
#include "store_pg_impl.h"

#include "file.h"
#include "log.h"
#include "nodes.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URLS_MAX 8192 /* two URLs with every option of libpq */

/* ---- DATA/database */

static enum err bad_line(const char *path, struct span line, struct fail *f)
{
    struct span key = line;
    span_cut(&line, '=', &key); /* a URL may hold a password: it is not repeated */
    enum err err = fail_set(f, ERR_BAD_VALUE, "%s: a line that begins with '%.*s' is not understood", path,
                            SPAN_F(span_trim(key)));
    fail_hint(
        f,
        "it has two lines: `main = postgresql://…` and `keys = postgresql://…`; `listen = "
        "postgresql://…`, `history = postgresql://…`, `node = NAME` and `decisions = database` may follow");
    return err;
}

bool store_url_valid(struct span url)
{
    bool ok = span_starts(url, "postgresql://") || span_starts(url, "postgres://");
    for (size_t i = 0; i < url.len; i++)
        ok &= url.p[i] > ' ' && url.p[i] != 0x7f;
    return ok;
}

static enum err read_line(struct span line, const char *path, struct pg_urls *out, struct fail *f)
{
    struct span rest = line, key;
    if (!span_trim(line).len || span_starts(span_trim(line), "#"))
        return OK;
    span_cut(&rest, '=', &key);
    key = span_trim(key);
    rest = span_trim(rest);
    struct span *into = span_is(key, "main")      ? &out->main
                        : span_is(key, "keys")    ? &out->keys
                        : span_is(key, "listen")  ? &out->listen
                        : span_is(key, "history") ? &out->history
                                                  : NULL;
    bool well = into && store_url_valid(rest);
    if (span_is(key, "node")) {
        into = &out->node;
        well = node_name_valid(rest);
    } else if (span_is(key, "decisions")) {
        into = &out->decisions;
        well = span_is(rest, "database");
    }
    if (!well)
        return bad_line(path, line, f);
    *into = rest;
    return OK;
}

enum err pg_urls_read(struct arena *a, const char *data, struct pg_urls *out, struct fail *f)
{
    char path[STORE_PATH_MAX];
    struct span text, line;
    *out = (struct pg_urls){0};
    snprintf(path, sizeof path, "%s/database", data);
    if (!file_exists(path))
        return OK;
    enum err err = file_read(a, path, URLS_MAX, &text, f);
    while (err == OK && span_cut(&text, '\n', &line))
        err = read_line(line, path, out, f);
    if (err != OK)
        return err;
    if (!out->main.len || !out->keys.len)
        return fail_set(f, ERR_BAD_VALUE, "%s: the line `%s = postgresql://…` is missing", path,
                        out->main.len ? "keys" : "main");
    if (span_eq(out->main, out->keys)) {
        fail_hint(f, "make a second database, in production on another server, and name it under `keys`");
        return fail_set(f, ERR_BAD_VALUE, "%s: the keys must not lie in the database of the data", path);
    }
    return OK;
}

bool node_name_valid(struct span name)
{
    bool ok = name.len > 0 && name.len <= NODE_NAME_MAX && name.p[0] != '-';
    for (size_t i = 0; i < name.len; i++)
        ok &= (name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= '0' && name.p[i] <= '9') ||
              name.p[i] == '-';
    return ok;
}

bool node_setting(const char *data, struct node_setting *out)
{
    struct arena *a = arena_new(1024);
    struct pg_urls urls;
    bool shared = pg_urls_read(a, data, &urls, NULL) == OK && urls.main.len;
    *out = (struct node_setting){.name = "1"};
    if (shared && urls.node.len)
        snprintf(out->name, sizeof out->name, "%.*s", SPAN_F(urls.node));
    out->decisions = shared && urls.decisions.len;
    arena_free(a);
    return shared;
}

/* ---- Small commands, outside the pipeline */

bool pg_run(struct store_pg *pg, const char *sql, char state[6])
{
    PGresult *r = PQexec(pg->c, sql);
    ExecStatusType s = PQresultStatus(r);
    bool ok = s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
    const char *why = ok ? NULL : PQresultErrorField(r, PG_DIAG_SQLSTATE);
    snprintf(state, 6, "%s", ok ? "" : why ? why : "08006");
    PQclear(r);
    return ok;
}

int pg_version_read(struct store_pg *pg, char state[6])
{
    PGresult *r = pg_exec(pg, "SELECT version FROM schema_version");
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1;
    const char *why = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    snprintf(state, 6, "%s", ok ? "" : why ? why : "08006");
    int version = ok ? atoi(PQgetvalue(r, 0, 0)) : strcmp(state, "42P01") == 0 ? 0 : -1;
    PQclear(r);
    return version;
}

enum err pg_connect_plain(struct store_pg *pg, struct fail *f)
{
    enum err err = pg_connect(pg, f);
    if (err == OK)
        PQexitPipelineMode(pg->c);
    return err;
}

/* Tables without a version: troth migrate is at work, or was (move.h). */
static enum err half_migrated(struct store_pg *pg, struct fail *f)
{
    char state[6];
    if (!pg_run(pg, "SELECT 1 FROM " PG_HALF_TABLE, state))
        return OK;
    fail_hint(f,
              "run `troth migrate` again where it was begun, or give it up there: `troth migrate --give-up`");
    return fail_set(f, ERR_CONFLICT, "%s holds a half-finished migration", pg_name(pg));
}

/* From here to the end of the transaction nobody else changes the tables. */
static enum err schema_lock(struct store_pg *pg, struct fail *f)
{
    char state[6];
    return pg_run(pg, "BEGIN ISOLATION LEVEL READ COMMITTED; " PG_LOCK_SCHEMA, state)
               ? OK
               : pg_fail_state(pg, state, "begin its tables", f);
}

static void schema_undo(struct store_pg *pg)
{
    char state[6];
    pg_run(pg, "ROLLBACK", state);
}

/* Ends what schema_lock began. */
static enum err apply(struct store_pg *pg, struct arena *a, struct span sql, const char *note, int version,
                      struct fail *f)
{
    char state[6];
    struct span all = arena_fmt(a, "%.*s ; %s%d); COMMIT", SPAN_F(sql), note, version);
    if (pg_run(pg, arena_str(a, all), state))
        return OK;
    struct fail why = {0};
    pg_fail_state(pg, state, "make its tables", &why);
    schema_undo(pg);
    if (f && f->code == OK)
        *f = why;
    return why.code;
}

enum err pg_installed(const char *url, enum store_db which, bool *out, struct fail *f)
{
    struct store_pg *pg = pg_new(url, which);
    char state[6];
    enum err err = pg_connect_plain(pg, f);
    int version = err == OK ? pg_version_read(pg, state) : 0;
    if (version < 0)
        err = pg_fail_state(pg, state, "read its version", f);
    if (err == OK && version == 0)
        err = half_migrated(pg, f);
    *out = version > 0;
    pg_close(pg);
    return err;
}

enum err pg_not_empty(const struct store_pg *pg, struct fail *f)
{
    fail_hint(f, "name an empty database: createdb");
    return fail_set(f, ERR_CONFLICT, "%s is not empty, and holds no installation", pg_name(pg));
}

/* Whose tables they are nobody knows: nothing of ours is put beside them. */
static enum err check_empty(struct store_pg *pg, struct fail *f)
{
    PGresult *r = pg_exec(pg, "SELECT count(*)" PG_RELATIONS);
    bool told = PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1;
    bool empty = told && strcmp(PQgetvalue(r, 0, 0), "0") == 0;
    PQclear(r);
    if (!told)
        return pg_fail_state(pg, "08006", "look what is there", f);
    return empty ? OK : pg_not_empty(pg, f);
}

enum err pg_create(const char *url, enum store_db which, struct fail *f)
{
    struct store_pg *pg = pg_new(url, which);
    struct arena *a = arena_new(0);
    char state[6];
    enum err err = pg_connect_plain(pg, f);
    if (err == OK && pg_version_read(pg, state) > 0) {
        err = fail_set(f, ERR_CONFLICT, "%s already holds an installation", pg_name(pg));
        fail_hint(f, "name an empty database, or join it as a further node: --node NAME");
    }
    if (err == OK)
        err = half_migrated(pg, f);
    if (err == OK)
        err = check_empty(pg, f);
    if (err == OK)
        err = schema_lock(pg, f);
    if (err == OK)
        err = apply(
            pg, a, store_schema_pg(a, which),
            "CREATE TABLE schema_version (version BIGINT NOT NULL); INSERT INTO schema_version VALUES (",
            store_schema_newest(which), f);
    arena_free(a);
    pg_close(pg);
    return err;
}

struct span pg_drop_text(struct arena *a, enum store_db which)
{
    struct span rest = store_schema_pg(a, which), line;
    struct text t = text_new(a, 1024);
    text_str(&t, "DROP TABLE IF EXISTS schema_version");
    while (span_cut(&rest, '\n', &line)) {
        if (!span_starts(line, "CREATE TABLE "))
            continue;
        struct span name = span_sub(line, strlen("CREATE TABLE "), line.len), word = name;
        span_cut(&name, ' ', &word);
        text_str(&t, ", ");
        text_put(&t, word);
    }
    return text_span(&t);
}

void pg_drop(const char *url, enum store_db which)
{
    struct store_pg *pg = pg_new(url, which);
    struct arena *a = arena_new(0);
    char state[6];
    if (pg_connect_plain(pg, NULL) == OK && !pg_run(pg, arena_str(a, pg_drop_text(a, which)), state))
        log_line(LOG_LVL_WARN, "store", "%s: its tables could not be dropped (SQLSTATE %s)", pg_name(pg),
                 state);
    arena_free(a);
    pg_close(pg);
}

static enum err version_clash(const struct store_pg *pg, int have, int want, const char *hint, struct fail *f)
{
    enum err err =
        fail_set(f, ERR_CONFLICT, "%s has schema version %d, this program wants %d", pg_name(pg), have, want);
    fail_hint(f, "%s", hint);
    return err;
}

static enum err newer(const struct store_pg *pg, int have, int want, struct fail *f)
{
    return version_clash(pg, have, want, "a newer troth wrote it; run that one", f);
}

/* A node reads the version when it opens the database, and would go on as if nothing had changed: none may
 * run. Nodes have been there since version 6. The keys' database knows none; it is opened after the people's.
 */
static enum err check_alone(struct store_pg *pg, int have, int want, struct fail *f)
{
    struct arena *a = arena_new(0);
    struct span names = SPAN_EMPTY;
    enum err err = pg->which == STORE_MAIN && have >= 6 ? pg_nodes_running(pg, a, &names, f) : OK;
    if (err == OK && names.len) {
        fail_hint(f, "stop all nodes first, then start this one: it brings the database up to date, and the "
                     "others can be started, each with the newer troth");
        err = fail_set(
            f, ERR_CONFLICT,
            "%s has schema version %d and cannot be brought to version %d while nodes run on it: %.*s",
            pg_name(pg), have, want, SPAN_F(names));
    }
    arena_free(a);
    return err;
}

/* One version further, whole or not at all. Another daemon that starts may have done it by now. */
static enum err step(struct store_pg *pg, int want, int *have, struct fail *f)
{
    char state[6];
    struct arena *a = arena_new(0);
    enum err err = schema_lock(pg, f);
    int now = err == OK ? pg_version_read(pg, state) : 0;
    if (err == OK && now <= 0)
        err = pg_fail_state(pg, state, "read its version", f);
    else if (err == OK && now == *have)
        err = check_alone(pg, now, want, f);
    if (err != OK || now != *have)
        schema_undo(pg);
    else
        err = apply(pg, a, store_migration_pg(a, pg->which, ++now),
                    "UPDATE schema_version SET version = version + (", 1, f);
    *have = now;
    arena_free(a);
    return err;
}

static enum err migrate(struct store_pg *pg, bool may_write, struct fail *f)
{
    char state[6];
    int have = pg_version_read(pg, state), want = store_schema_newest(pg->which);
    enum err err = OK;
    if (have < 0)
        err = pg_fail_state(pg, state, "read its version", f);
    else if (have == 0 && half_migrated(pg, f) == OK)
        err = fail_set(f, ERR_NOT_FOUND, "%s holds no installation", pg_name(pg));
    else if (have == 0)
        err = ERR_CONFLICT;
    else if (have > want)
        err = newer(pg, have, want, f);
    else if (have < want && !may_write)
        err = version_clash(pg, have, want, "start the daemon once: it brings the database up to date", f);
    while (err == OK && have < want)
        err = step(pg, want, &have, f);
    return err == OK && have > want ? newer(pg, have, want, f) : err;
}

enum err pg_open(const char *url, enum store_db which, bool may_write, struct store_pg **out, struct fail *f)
{
    struct store_pg *pg = pg_new(url, which);
    enum err err = pg_connect_plain(pg, f);
    if (err == OK)
        err = migrate(pg, may_write, f);
    if (err == OK && PQenterPipelineMode(pg->c) != 1)
        err = fail_set(f, ERR_IO, "%s: the connection does not take commands in a row", pg_name(pg));
    if (err == OK)
        *out = pg;
    else
        pg_close(pg);
    return err;
}
