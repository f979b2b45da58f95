// SPDX-License-Identifier: Apache-2.0
/* The statements: see store.h. */
#include "store_card.h"
#include "store_memo.h"
#include "store_pg.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>

static const struct query {
    const char *name;
    enum store_db db;
    const char *in, *out, *sql;
} queries[Q_COUNT] = {
#define X(name, db, in, out, sql) {#name, db, in, out, sql},
#include "queries.def"
#undef X
};

/* What files run instead; null: the same. */
static const char *const in_files[Q_COUNT] = {
#define X(name, sql) [Q_##name] = sql,
#include "files.def"
#undef X
};

const char *store_query_name(enum store_query_id q)
{
    return queries[q].name;
}

const char *store_query_sql(enum store_query_id q)
{
    return queries[q].sql;
}

enum store_db store_query_db(enum store_query_id q)
{
    return queries[q].db;
}

const char *store_query_in(enum store_query_id q)
{
    return queries[q].in;
}

const char *store_query_out(enum store_query_id q)
{
    return queries[q].out;
}

/* ---- Preparing */

static enum err wrong_row(const struct query *d, const char *what, struct fail *f)
{
    return fail_set(f, ERR_INTERNAL, "statement %s: %s", d->name, what);
}

/* SQLite numbers parameters by first appearance, PostgreSQL by their digits. */
static enum err map_params(struct store *st, enum store_query_id q, struct fail *f)
{
    const struct query *d = &queries[q];
    size_t n = strlen(d->in);
    if (n > STORE_PARAMS_MAX || (size_t)sqlite3_bind_parameter_count(st->stmt[q]) != n)
        return wrong_row(d, "the number of $n differs from its argument types", f);
    for (size_t i = 0; i < n; i++) {
        char name[8];
        snprintf(name, sizeof name, "$%zu", i + 1);
        int at = sqlite3_bind_parameter_index(st->stmt[q], name);
        if (at <= 0)
            return wrong_row(d, "its $n are not 1, 2, ... without a gap", f);
        st->param[q][i] = (uint8_t)at;
    }
    return OK;
}

static enum err prepare_one(struct store *st, enum store_query_id q, struct fail *f)
{
    const struct query *d = &queries[q];
    const char *tail = "";
    struct store_file *sf = &st->file[d->db];
    const char *sql = in_files[q] ? in_files[q] : d->sql;
    int rc = sqlite3_prepare_v3(sf->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st->stmt[q], &tail);
    if (rc != SQLITE_OK)
        return store_file_fail(sf, rc, d->name, f);
    if (tail[0] || !st->stmt[q])
        return wrong_row(d, "more or less than one statement", f);
    if ((size_t)sqlite3_column_count(st->stmt[q]) != strlen(d->out) || strlen(d->out) > STORE_COLUMNS_MAX)
        return wrong_row(d, "the number of columns differs from its result types", f);
    return map_params(st, q, f);
}

/* Kept they would take half a megabyte: each is prepared again when it is first used. */
enum err store_check(struct store *st, struct fail *f)
{
    enum err err = OK;
    for (unsigned q = 0; q < Q_COUNT && err == OK; q++)
        if (!st->pg[queries[q].db])
            err = prepare_one(st, (enum store_query_id)q, f);
    store_finalize(st);
    return err;
}

void store_finalize(struct store *st)
{
    for (unsigned q = 0; q < Q_COUNT; q++) {
        sqlite3_finalize(st->stmt[q]);
        st->stmt[q] = NULL;
    }
}

/* ---- Binding */

static bool nullable(char type)
{
    return type >= 'A' && type <= 'Z';
}

/* True if a value of this kind (0: null) may stand where the row says `type`. */
static bool fits(char type, char kind)
{
    return kind ? (type | 0x20) == kind : nullable(type);
}

static int bind_one(sqlite3_stmt *s, int at, const struct store_arg *arg, sqlite3_destructor_type life)
{
    /* A null pointer would bind null; the empty text is a value. */
    const void *p = arg->s.p ? (const void *)arg->s.p : "";
    switch (arg->type) {
    case 'i':
        return sqlite3_bind_int64(s, at, arg->i);
    case 't':
        return sqlite3_bind_text64(s, at, p, arg->s.len, life, SQLITE_UTF8);
    case 'b':
        return sqlite3_bind_blob64(s, at, p, arg->s.len, life);
    default:
        return sqlite3_bind_null(s, at);
    }
}

static bool rows_open(const struct store *st, enum store_query_id q)
{
    return st->pg[queries[q].db] ? st->result[q] != NULL : sqlite3_stmt_busy(st->stmt[q]);
}

static enum err check_args(struct store *st, enum store_query_id q, const struct store_arg *args, size_t n,
                           struct fail *f)
{
    const struct query *d = &queries[q];
    if (store_lost(st, f) != OK) /* a statement now would run outside any transaction */
        return st->lost.code;
    if (n != strlen(d->in))
        return fail_set(f, ERR_INTERNAL, "statement %s: %zu arguments for \"%s\"", d->name, n, d->in);
    if (rows_open(st, q))
        return wrong_row(d, "its rows are still open", f);
    if (!st->pg[d->db] && !st->stmt[q] && prepare_one(st, q, f) != OK)
        return f ? f->code : ERR_INTERNAL;
    for (size_t i = 0; i < n; i++)
        if (!fits(d->in[i], args[i].type))
            return fail_set(f, ERR_INTERNAL, "statement %s: argument $%zu does not fit \"%s\"", d->name,
                            i + 1, d->in);
    return OK;
}

static enum err bind_all(struct store *st, enum store_query_id q, const struct store_arg *args, size_t n,
                         sqlite3_destructor_type life, struct fail *f)
{
    const struct query *d = &queries[q];
    enum err err = check_args(st, q, args, n, f);
    for (size_t i = 0; i < n && err == OK; i++) {
        int rc = bind_one(st->stmt[q], st->param[q][i], &args[i], life);
        if (rc != SQLITE_OK)
            err = store_file_fail(&st->file[d->db], rc, d->name, f);
    }
    return err;
}

/* ---- Running */

enum err store_lost(const struct store *st, struct fail *f)
{
    if (st->lost.code && f && f->code == OK)
        *f = st->lost;
    return st->lost.code;
}

/* SQLite may roll the whole transaction back by itself (full disk, I/O error): the group is lost, and says
 * why. */
static enum err step_failed(struct store *st, enum store_query_id q, int rc, struct fail *f)
{
    struct store_file *sf = &st->file[queries[q].db];
    struct fail why = {0};
    store_file_fail(sf, rc, queries[q].name, &why);
    if (sf->begun && st->mode == STORE_WRITE && sqlite3_get_autocommit(sf->db) && !st->lost.code)
        st->lost = why;
    if (f && f->code == OK)
        *f = why;
    return why.code;
}

/* ---- On PostgreSQL */

/* What the server gave up, the group has lost. */
static enum err pg_take_lost(struct store *st, enum store_query_id q, enum err err)
{
    const struct store_pg *pg = st->pg[queries[q].db];
    const struct fail *lost = pg_lost(pg);
    if (lost->code && pg_within(pg) && st->mode == STORE_WRITE && !st->lost.code)
        st->lost = *lost;
    return err;
}

static enum err run_pg(struct store *st, enum store_query_id q, const struct store_arg *args, size_t n,
                       int64_t *changed, struct fail *f)
{
    enum err err = check_args(st, q, args, n, f);
    if (err == OK && queries[q].out[0])
        err = wrong_row(&queries[q], "it gives rows: use store_query", f);
    store_ahead_changed(st, q, args);
    if (err == OK)
        err = store_snapshot_order(st, queries[q].db, f);
    return err == OK ? pg_take_lost(st, q, pg_statement(st->pg[queries[q].db], q, args, n, NULL, changed, f))
                     : err;
}

static enum err query_pg(struct store *st, const struct store_arg *args, size_t n, struct store_rows *rows,
                         struct fail *f)
{
    PGresult *r = NULL;
    struct store_pg *pg = st->pg[queries[rows->q].db];
    enum err err = check_args(st, rows->q, args, n, f);
    if (err == OK && store_ahead_find(st, args, n, rows)) {
        st->result[rows->q] = rows->stmt;
        st->open_rows++;
        return OK;
    }
    if (strncmp(queries[rows->q].sql, "SELECT", 6) != 0)
        store_ahead_changed(st, rows->q, args);
    if (err == OK)
        err = store_snapshot_order(st, queries[rows->q].db, f);
    if (err == OK)
        err = pg_take_lost(st, rows->q, pg_statement(pg, rows->q, args, n, &r, NULL, f));
    if (err != OK)
        return err;
    rows->stmt = st->result[rows->q] = r;
    rows->row = -1;
    rows->end = PQntuples(r);
    st->open_rows++;
    return OK;
}

static enum err check_nulls(const struct store_rows *rows, struct fail *f)
{
    const struct query *d = &queries[rows->q];
    for (int i = 0; d->out[i]; i++)
        if (PQgetisnull(rows->stmt, rows->row, i + (int)rows->skip) && !nullable(d->out[i]))
            return fail_set(f, ERR_INTERNAL, "statement %s: column %d does not fit \"%s\"", d->name, i + 1,
                            d->out);
    return OK;
}

static bool next_pg(struct store_rows *rows, struct fail *f)
{
    bool more = ++rows->row < rows->end;
    if (more)
        rows->err = check_nulls(rows, f);
    if (more && rows->err == OK)
        return true;
    store_done(rows);
    return false;
}

/* ---- Both */

static void note_changes(struct store *st, enum store_query_id q, const struct store_arg *args,
                         int64_t *changed)
{
    int64_t n = changed || card_marks(q) ? sqlite3_changes64(st->file[queries[q].db].db) : 0;
    if (changed)
        *changed = n;
    if (n && card_marks(q))
        card_mark(st, args[0].i);
}

enum err store_run(struct store *st, enum store_query_id q, const struct store_arg *args, size_t n,
                   int64_t *changed, struct fail *f)
{
    st->stepped |= q == Q_META_STEP; /* its only use: 'generation' */
    if (st->pg[queries[q].db])
        return run_pg(st, q, args, n, changed, f);
    enum err err = bind_all(st, q, args, n, SQLITE_STATIC, f);
    if (err == OK)
        err = store_save_late(st, queries[q].db, f);
    if (err != OK)
        return err;
    int rc = sqlite3_step(st->stmt[q]);
    if (rc == SQLITE_ROW)
        err = wrong_row(&queries[q], "it gives rows: use store_query", f);
    else if (rc != SQLITE_DONE)
        err = step_failed(st, q, rc, f);
    if (err == OK)
        note_changes(st, q, args, changed);
    sqlite3_reset(st->stmt[q]);
    return err;
}

static enum err query_file(struct store *st, enum store_query_id q, const struct store_arg *args, size_t n,
                           struct store_rows *rows, struct fail *f)
{
    rows->err = store_begin_late(st, queries[q].db, f);
    if (rows->err == OK) /* copied: the rows may outlive what the arguments point to */
        rows->err = bind_all(st, q, args, n, SQLITE_TRANSIENT, f);
    if (rows->err == OK && !sqlite3_stmt_readonly(st->stmt[q]))
        rows->err = store_save_late(st, queries[q].db, f);
    if (rows->err != OK)
        return rows->err;
    rows->stmt = st->stmt[q];
    st->open_rows++;
    return OK;
}

#ifdef TROTH_SAN
static bool same_row(const struct store_rows *a, const struct store_rows *b)
{
    bool same = true;
    for (unsigned i = 0; queries[a->q].out[i]; i++)
        same = same && store_is_null(a, i) == store_is_null(b, i) &&
               ((queries[a->q].out[i] | 0x20) == 'i' ? store_i(a, i) == store_i(b, i)
                                                     : span_eq(store_t(a, i), store_t(b, i)));
    return same;
}

/* What was kept is held against what the database says, and the process ends where they differ. */
static void memo_check(const struct store_rows *rows, const struct store_arg *args, size_t n)
{
    struct fail f = {0};
    struct store_rows kept = *rows, real = {.st = rows->st, .q = rows->q};
    bool same = query_file(rows->st, rows->q, args, n, &real, &f) == OK, more = same;
    while (more && same) {
        more = store_next(&real, &f);
        same = memo_next(&kept) == more && (!more || same_row(&kept, &real));
    }
    store_done(&real);
    if (same)
        return;
    fprintf(stderr, "store: what was kept of %s is not what the database says\n", queries[rows->q].name);
    abort();
}
#else
static void memo_check(const struct store_rows *rows, const struct store_arg *args, size_t n)
{
    (void)rows, (void)args, (void)n;
}
#endif

enum err store_query(struct store *st, enum store_query_id q, const struct store_arg *args, size_t n,
                     struct store_rows *rows, struct fail *f)
{
    rows->st = st;
    rows->q = q;
    rows->stmt = NULL;
    rows->row = rows->end = 0;
    rows->skip = 0;
    rows->lent = false;
    rows->kept = false;
    rows->taking = 0;
    rows->on_pg = st->pg[queries[q].db] != NULL;
    if (rows->on_pg)
        return rows->err = query_pg(st, args, n, rows, f);
    if (!st->memo || !memo_serve(st, q, args, n, rows))
        return query_file(st, q, args, n, rows, f);
    memo_check(rows, args, n);
    st->open_rows++;
    return rows->err = OK;
}

static const char kind_of[] = {[SQLITE_INTEGER] = 'i',
                               [SQLITE_FLOAT] = 'f',
                               [SQLITE_TEXT] = 't',
                               [SQLITE_BLOB] = 'b',
                               [SQLITE_NULL] = 0};

/* The values of a row are asked for once: each way through sqlite3_column_ costs what reading an integer
 * costs. */
static enum err check_columns(struct store_rows *rows, struct fail *f)
{
    const struct query *d = &queries[rows->q];
    for (int i = 0; d->out[i]; i++) {
        rows->value[i] = sqlite3_column_value(rows->stmt, i);
        if (!fits(d->out[i], kind_of[sqlite3_value_type(rows->value[i])]))
            return fail_set(f, ERR_INTERNAL, "statement %s: column %d does not fit \"%s\"", d->name, i + 1,
                            d->out);
    }
    return OK;
}

static bool next_file(struct store_rows *rows, struct fail *f)
{
    int rc = sqlite3_step(rows->stmt);
    if (rc == SQLITE_ROW)
        rows->err = check_columns(rows, f);
    else if (rc != SQLITE_DONE)
        rows->err = step_failed(rows->st, rows->q, rc, f);
    if (rc == SQLITE_ROW && rows->err == OK) {
        memo_row(rows);
        return true;
    }
    memo_done(rows, rc == SQLITE_DONE);
    return false;
}

bool store_next(struct store_rows *rows, struct fail *f)
{
    if (!rows->stmt)
        return false;
    if (rows->on_pg)
        return next_pg(rows, f);
    if (rows->kept ? memo_next(rows) : next_file(rows, f))
        return true;
    store_done(rows);
    return false;
}

int64_t store_i(const struct store_rows *rows, unsigned column)
{
    if (rows->kept)
        return rows->cell[column].i;
    return rows->on_pg ? pg_i(rows->stmt, rows->row, (int)(column + rows->skip))
                       : sqlite3_value_int64(rows->value[column]);
}

struct span store_t(const struct store_rows *rows, unsigned column)
{
    if (rows->kept)
        return span_of(rows->cell[column].p, rows->cell[column].len);
    if (rows->on_pg)
        return pg_t(rows->stmt, rows->row, (int)(column + rows->skip));
    const void *p = sqlite3_value_blob(rows->value[column]); /* first: it fixes the length */
    return span_of(p, (size_t)sqlite3_value_bytes(rows->value[column]));
}

bool store_is_null(const struct store_rows *rows, unsigned column)
{
    if (rows->kept)
        return rows->cell[column].null;
    return rows->on_pg ? PQgetisnull(rows->stmt, rows->row, (int)(column + rows->skip))
                       : sqlite3_value_type(rows->value[column]) == SQLITE_NULL;
}

void store_done(struct store_rows *rows)
{
    if (!rows->stmt)
        return;
    if (rows->on_pg) {
        if (!rows->lent)
            PQclear(rows->stmt);
        rows->st->result[rows->q] = NULL;
    } else if (!rows->kept) {
        memo_done(rows, false);
        sqlite3_reset(rows->stmt);
    }
    rows->stmt = NULL;
    rows->st->open_rows--;
}

void store_close_rows(struct store *st)
{
    for (unsigned q = 0; st->open_rows && q < Q_COUNT; q++) {
        if (!rows_open(st, (enum store_query_id)q))
            continue;
        log_line(LOG_LVL_ERROR, "store", "statement %s: its rows were left open", queries[q].name);
        if (st->result[q] &&
            !store_ahead_lent(st, st->result[q])) /* without a server there is no libpq either */
            PQclear(st->result[q]);
        st->result[q] = NULL;
        sqlite3_reset(st->stmt[q]);
    }
    st->open_rows = 0;
}

bool store_one(struct store *st, enum store_query_id q, const struct store_arg *args, size_t n,
               struct store_rows *rows, struct fail *f)
{
    return store_query(st, q, args, n, rows, f) == OK && store_next(rows, f);
}
