// SPDX-License-Identifier: Apache-2.0
/*
 * Schema texts and migrations: see store_impl.h.
 *
 * schema.sql, keys.sql and history.sql always hold the newest schema. When one changes after a release, a
 * file migrate-main-002.sql (-keys-, -history-) beside them brings version 1 to version 2; user_version
 * counts them. What a server does otherwise is in migrate-main-002-servers.sql, and what it need not do
 * begins with the comment FILES_ONLY. One that writes a large table anew says which in a comment
 * `-- anew: ...` (store_long.c).
 */
#include "store_impl.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>

#define MIGRATION_DIGITS 3

static const struct span *content_find(const struct embedded_file *files, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (span_is(files[i].name, name))
            return &files[i].content;
    return NULL;
}

static const struct span *migration_named(const struct store_def *def, const struct embedded_file *files,
                                          size_t n, int64_t version, const char *suffix)
{
    char name[64];
    snprintf(name, sizeof name, "%s%0*lld%s", def->migrations, MIGRATION_DIGITS, (long long)version, suffix);
    return content_find(files, n, name);
}

/* The migration to a version, or null. */
static const struct span *migration(const struct store_def *def, const struct embedded_file *files, size_t n,
                                    int64_t version)
{
    return migration_named(def, files, n, version, ".sql");
}

static int64_t newest_version(const struct store_def *def, const struct embedded_file *files, size_t n)
{
    int64_t v = 1;
    while (migration(def, files, n, v + 1))
        v++;
    return v;
}

/* Runs `sql` and sets the version in one transaction: an interrupted one leaves nothing. */
static enum err apply(struct store_file *sf, struct span sql, int64_t version, struct fail *f)
{
    struct arena *a = arena_new(0);
    const char *script =
        (const char *)arena_fmt(a, "BEGIN IMMEDIATE; %.*s ; PRAGMA user_version = %lld; COMMIT", SPAN_F(sql),
                                (long long)version)
            .p;
    enum err err = store_file_exec(sf, script, f);
    if (err != OK)
        sqlite3_exec(sf->db, "ROLLBACK", NULL, NULL, NULL); /* fails when SQLite rolled back by itself */
    arena_free(a);
    return err;
}

enum err store_schema_create(struct store_file *sf, struct fail *f)
{
    const struct store_def *def = store_def(sf->which);
    const struct span *sql = content_find(store_sql, store_sql_count, def->schema);
    char pragma[64];
    if (!sql)
        return fail_set(f, ERR_INTERNAL, "%s is not built in", def->schema);
    snprintf(pragma, sizeof pragma, "PRAGMA application_id = %d; PRAGMA journal_mode = WAL",
             def->application_id);
    enum err err = store_file_exec(sf, pragma, f);
    return err == OK ? apply(sf, *sql, newest_version(def, store_sql, store_sql_count), f) : err;
}

static enum err version_clash(const struct store_file *sf, int64_t have, int64_t want, const char *hint,
                              struct fail *f)
{
    enum err err = fail_set(f, ERR_CONFLICT, "%s has schema version %lld, this program wants %lld", sf->path,
                            (long long)have, (long long)want);
    fail_hint(f, "%s", hint);
    return err;
}

static enum err bring_to(struct store_file *sf, struct span sql, int64_t version, struct fail *f)
{
    struct store_long l;
    enum err err = store_long_begin(&l, sf, sql, version, f);
    if (err != OK)
        return err;
    err = apply(sf, sql, version, f);
    store_long_end(&l, err);
    return err;
}

enum err store_schema_migrate(struct store_file *sf, const struct embedded_file *files, size_t n,
                              bool may_write, struct fail *f)
{
    const struct store_def *def = store_def(sf->which);
    int64_t have = 0, want = newest_version(def, files, n);
    enum err err = store_file_number(sf, "PRAGMA user_version", &have, f);
    if (err != OK)
        return err;
    if (have > want)
        return version_clash(sf, have, want,
                             "a newer troth wrote it; run that one, or restore an older backup", f);
    if (have < want && !may_write)
        return version_clash(sf, have, want, "start the daemon once: it brings the database up to date", f);
    if (have < 1)
        return fail_set(f, ERR_CORRUPT, "%s has no schema: its creation was interrupted", sf->path);
    /* Before the first: what is refused is left as the program before this one can go on with. */
    for (int64_t v = have + 1; v <= want && err == OK; v++)
        err = store_long_room(sf, *migration(def, files, n, v), v, f);
    for (int64_t v = have + 1; v <= want && err == OK; v++)
        err = bring_to(sf, *migration(def, files, n, v), v, f);
    return err;
}

/* ---- PostgreSQL's lines, and their spelling */

#define LINE_FILES   "-- files:"
#define LINE_SERVERS "-- servers: "

/* Where a line's comment begins, or its length. */
static size_t comment_at(struct span line)
{
    size_t at = 0;
    while (at < line.len && !span_starts(span_sub(line, at, line.len), "--"))
        at++;
    return at;
}

static struct span lines_pg(struct arena *a, struct span sql)
{
    struct text t = text_new(a, sql.len);
    struct span line;
    while (span_cut(&sql, '\n', &line)) {
        size_t at = comment_at(line);
        struct span comment = span_sub(line, at, line.len);
        if (span_starts(comment, LINE_FILES))
            continue;
        text_put(&t, span_sub(line, 0, at));
        bool theirs = span_starts(comment, LINE_SERVERS);
        text_put(&t, theirs ? span_sub(comment, strlen(LINE_SERVERS), comment.len) : comment);
        text_char(&t, '\n');
    }
    return text_span(&t);
}

static const struct {
    const char *ours, *theirs; /* whole words, the longest first */
} spellings[] = {
    {"INTEGER PRIMARY KEY",
     "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"}, /* SQLite numbers these itself */
    {"WITHOUT ROWID, STRICT", ""},
    {"STRICT, WITHOUT ROWID", ""},
    {"WITHOUT ROWID", ""},
    {"STRICT", ""},
    {"INTEGER", "BIGINT"},
    {"BLOB", "BYTEA"},
};

static bool is_word(uint8_t c)
{
    return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* Length of a comment or of a quoted text at the start of s, or 0: what is in them keeps its spelling. */
static size_t skip_len(struct span s)
{
    if (span_starts(s, "--"))
        return span_find(s, '\n', 0);
    if (s.p[0] != '\'')
        return 0;
    size_t end = span_find(s, '\'', 1);
    return end < s.len ? end + 1 : s.len;
}

/* Length of one of our spellings at the start of s, or 0; *theirs is what to write. */
static size_t spelling_len(struct span s, const char **theirs)
{
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        size_t len = strlen(spellings[i].ours);
        if (span_starts(s, spellings[i].ours) && (s.len == len || !is_word(s.p[len]))) {
            *theirs = spellings[i].theirs;
            return len;
        }
    }
    return 0;
}

static size_t word_len(struct span s)
{
    size_t n = 0;
    while (n < s.len && is_word(s.p[n]))
        n++;
    return n ? n : 1;
}

static struct span spell_pg(struct arena *a, const struct span *text)
{
    if (!text)
        return SPAN_EMPTY;
    struct span sql = lines_pg(a, *text);
    struct text t = text_new(a, sql.len * 2);
    for (size_t i = 0, len; i < sql.len; i += len) {
        struct span rest = span_sub(sql, i, sql.len);
        const char *theirs = NULL;
        len = skip_len(rest);
        if (len == 0)
            len = spelling_len(rest, &theirs);
        if (len == 0)
            len = word_len(rest);
        text_put(&t, theirs ? span_str(theirs) : span_sub(rest, 0, len));
    }
    return text_span(&t);
}

struct span store_schema_pg(struct arena *a, enum store_db db)
{
    return spell_pg(a, content_find(store_sql, store_sql_count, store_def(db)->schema));
}

int store_schema_newest(enum store_db db)
{
    return (int)newest_version(store_def(db), store_sql, store_sql_count);
}

/* How a table of a file is laid out is nothing to a server. A table of a server is changed in its place, not
 * made anew: it may be spread over shards, and has grants. */
#define FILES_ONLY "\n-- files only:"
#define SERVERS    "-servers.sql"

struct span store_migration_pg(struct arena *a, enum store_db db, int version)
{
    const struct store_def *def = store_def(db);
    const struct span *sql = migration_named(def, store_sql, store_sql_count, version, SERVERS);
    if (!sql)
        sql = migration(def, store_sql, store_sql_count, version);
    struct span second = sql ? span_sub(*sql, span_find(*sql, '\n', 0), sql->len) : SPAN_EMPTY;
    return span_starts(second, FILES_ONLY) ? SPAN_EMPTY : spell_pg(a, sql);
}

/* ---- Citus: the lines of the schema's comment "Distribution" as calls */

#define LINE_DISTRIBUTED "--   distributed by "
#define LINE_REFERENCE   "--   reference: "

/* Not for a table that has its place already: an upgrade makes new ones, and whoever gives Citus all calls
 * again has them where they belong. */
static void put_guard(struct text *t, struct span table)
{
    text_str(t, ") WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = '");
    text_put(t, table);
    text_str(t, "'::regclass);\n");
}

static void put_call(struct text *t, const char *function, struct span table, struct span key,
                     struct span with)
{
    text_str(t, "SELECT ");
    text_str(t, function);
    text_str(t, "('");
    text_put(t, table);
    if (key.len) {
        text_str(t, "', '");
        text_put(t, key);
    }
    if (with.len) {
        text_str(t, "', colocate_with => '");
        text_put(t, with);
    }
    text_str(t, "'");
    put_guard(t, table);
}

/* Tables with one key lie together: the rows of a person are on one shard, whatever the cluster's defaults
 * are. */
static void put_calls(struct text *t, struct span tables, struct span key)
{
    struct span table, first = SPAN_EMPTY;
    while (span_cut(&tables, ' ', &table)) {
        put_call(t, key.len ? "create_distributed_table" : "create_reference_table", table, key,
                 key.len ? first : SPAN_EMPTY);
        first = first.len ? first : table;
    }
}

struct span store_schema_citus(struct arena *a, enum store_db db)
{
    const struct span *sql = content_find(store_sql, store_sql_count, store_def(db)->schema);
    struct text t = text_new(a, 1024);
    struct span rest = sql ? *sql : SPAN_EMPTY, line, key;
    while (span_cut(&rest, '\n', &line)) {
        if (span_starts(line, LINE_REFERENCE))
            put_calls(&t, span_sub(line, strlen(LINE_REFERENCE), line.len), SPAN_EMPTY);
        if (!span_starts(line, LINE_DISTRIBUTED))
            continue;
        line = span_sub(line, strlen(LINE_DISTRIBUTED), line.len);
        span_cut(&line, ':', &key);
        put_calls(&t, span_trim(line), key);
    }
    return text_span(&t);
}
