// SPDX-License-Identifier: Apache-2.0
/* What the files of an installation hold, row by row: see move.h. */
#include "store_move_impl.h"

#include "bytes.h"

#define TABLES_MAX 64

/* ---- One row as PostgreSQL's COPY takes it: count of columns, then length and bytes of each */

void move_put_count(struct text *out, size_t columns)
{
    uint8_t b[2];
    put_be(b, columns, sizeof b);
    text_put(out, span_of(b, sizeof b));
}

void move_put(struct text *out, const void *p, int64_t len)
{
    uint8_t b[4];
    put_be(b, (uint64_t)len, sizeof b);
    text_put(out, span_of(b, sizeof b));
    if (len > 0)
        text_put(out, span_of(p, (size_t)len));
}

static enum err wrong_kind(const struct move *m, size_t i, struct fail *f)
{
    const struct move_table *t = &m->tables[i];
    fail_hint(f, "restore the file from a backup");
    return fail_set(f, ERR_CORRUPT, "%s: table %s holds a value that is not of its column's type",
                    m->file[t->db].path, t->name);
}

static bool put_column(struct text *out, sqlite3_stmt *at, int column, char type)
{
    int kind = sqlite3_column_type(at, column);
    uint8_t number[8];
    if (kind == SQLITE_NULL) {
        move_put(out, NULL, -1);
        return true;
    }
    if (type == 'i') {
        put_be(number, (uint64_t)sqlite3_column_int64(at, column), sizeof number);
        move_put(out, number, sizeof number);
        return kind == SQLITE_INTEGER;
    }
    const void *p = sqlite3_column_blob(at, column);
    move_put(out, p, sqlite3_column_bytes(at, column));
    return kind == (type == 't' ? SQLITE_TEXT : SQLITE_BLOB);
}

enum err move_row(struct move *m, size_t i, sqlite3_stmt *at, struct text *out, bool *any, struct fail *f)
{
    struct span types = m->columns[i].types;
    int rc = sqlite3_step(at);
    *any = rc == SQLITE_ROW;
    if (rc == SQLITE_DONE)
        return OK;
    if (rc != SQLITE_ROW)
        return store_file_fail(&m->file[m->tables[i].db], rc, "read its rows", f);
    move_put_count(out, types.len);
    for (size_t c = 0; c < types.len; c++)
        if (!put_column(out, at, (int)c, (char)types.p[c]))
            return wrong_kind(m, i, f);
    return OK;
}

/* ---- Tables and their columns, as the file itself says */

static enum err prepare(struct store_file *sf, struct span sql, sqlite3_stmt **out, struct fail *f)
{
    int rc = sqlite3_prepare_v2(sf->db, (const char *)sql.p, (int)sql.len, out, NULL);
    return rc == SQLITE_OK ? OK : store_file_fail(sf, rc, "read its tables", f);
}

static struct span column_text(struct arena *a, sqlite3_stmt *at, int column)
{
    const void *p = sqlite3_column_text(at, column);
    return arena_copy(a, span_of(p ? p : "", (size_t)sqlite3_column_bytes(at, column)));
}

static char type_of(struct span declared)
{
    return span_is(declared, "INTEGER") ? 'i'
           : span_is(declared, "TEXT")  ? 't'
           : span_is(declared, "BLOB")  ? 'b'
                                        : 0;
}

static void list_add(struct text *t, struct span name, const char *more)
{
    if (t->len)
        text_str(t, ", ");
    text_put(t, name);
    text_str(t, more);
}

struct key_column {
    struct span name;
    char type;
};

/* What files alone have (schema.sql, "files:"; store_card.h) stays behind: a server has no such column, or
 * would not keep it up to date. With the key a server's table has. */
static const struct files_only {
    const char *table, *column, *key[STORE_COLUMNS_MAX];
} files_only[] = {
    {"field_value", "place", {"sid", "field", "item"}},
    {"subject", "card", {"id"}},
};

static const struct files_only *files_only_of(const char *table)
{
    for (size_t i = 0; i < sizeof files_only / sizeof files_only[0]; i++)
        if (strcmp(files_only[i].table, table) == 0)
            return &files_only[i];
    return NULL;
}

/* The place of a column in the key of a server's table, from 1, or 0. */
static int key_place(const struct files_only *own, struct span name, int pk)
{
    if (!own)
        return pk;
    int i = 0;
    while (own->key[i] && !span_is(name, own->key[i]))
        i++;
    return own->key[i] ? i + 1 : 0;
}

/* sqlite.org/pragma.html#pragma_table_info: pk is the place in the key, from 1. */
static enum err take_column(struct move *m, size_t i, sqlite3_stmt *at, struct text *names,
                            struct text *types, struct key_column key[STORE_COLUMNS_MAX], struct fail *f)
{
    struct span name = column_text(m->arena, at, 0);
    char type = type_of(column_text(m->scratch, at, 1));
    const struct files_only *own = files_only_of(m->tables[i].name);
    int pk = key_place(own, name, sqlite3_column_int(at, 2));
    if (own && span_is(name, own->column))
        return OK;
    if (!type || pk > STORE_COLUMNS_MAX)
        return fail_set(f, ERR_INTERNAL, "table %s has a column that cannot be moved", m->tables[i].name);
    list_add(names, name, "");
    text_char(types, type);
    if (pk > 0)
        key[pk - 1] = (struct key_column){name, type};
    return OK;
}

static enum err take_columns(struct move *m, size_t i, struct fail *f)
{
    struct move_table *t = &m->tables[i];
    struct key_column key[STORE_COLUMNS_MAX] = {0};
    struct text names = text_new(m->arena, 256), types = text_new(m->arena, 32),
                order = text_new(m->arena, 64), pg_order = text_new(m->arena, 64);
    sqlite3_stmt *at = NULL;
    enum err err = prepare(&m->file[t->db],
                           SPAN("SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid"), &at, f);
    if (err == OK)
        sqlite3_bind_text(at, 1, t->name, -1, SQLITE_STATIC);
    while (err == OK && sqlite3_step(at) == SQLITE_ROW)
        err = take_column(m, i, at, &names, &types, key, f);
    sqlite3_finalize(at);
    for (size_t k = 0; k < STORE_COLUMNS_MAX && key[k].type; k++) {
        list_add(&order, key[k].name, "");
        list_add(&pg_order, key[k].name, key[k].type == 't' ? " COLLATE \"C\"" : "");
    }
    if (err == OK && !order.len)
        err = fail_set(f, ERR_INTERNAL, "table %s has no key", t->name);
    m->columns[i] =
        (struct move_columns){text_span(&names), text_span(&types), text_span(&order), text_span(&pg_order)};
    return err;
}

static enum err count_rows(struct move *m, size_t i, struct fail *f)
{
    struct move_table *t = &m->tables[i];
    struct text sql = text_new(m->scratch, 128);
    sqlite3_stmt *at = NULL;
    text_str(&sql, "SELECT COUNT(*) FROM ");
    text_str(&sql, t->name);
    enum err err = prepare(&m->file[t->db], text_span(&sql), &at, f);
    int rc = err == OK ? sqlite3_step(at) : SQLITE_ROW;
    if (err == OK && rc == SQLITE_ROW)
        t->rows = sqlite3_column_int64(at, 0);
    else if (err == OK)
        err = store_file_fail(&m->file[t->db], rc, "count its rows", f);
    sqlite3_finalize(at);
    return err;
}

static enum err take_tables(struct move *m, enum store_db db, struct fail *f)
{
    static const char sql[] =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
    sqlite3_stmt *at = NULL;
    enum err err = prepare(&m->file[db], span_str(sql), &at, f);
    while (err == OK && sqlite3_step(at) == SQLITE_ROW) {
        if (m->n == TABLES_MAX)
            err = fail_set(f, ERR_INTERNAL, "%s has more than %d tables", m->file[db].path, TABLES_MAX);
        else
            m->tables[m->n++] =
                (struct move_table){.name = arena_str(m->arena, column_text(m->arena, at, 0)), .db = db};
    }
    sqlite3_finalize(at);
    return err;
}

enum err move_look(struct move *m, struct fail *f)
{
    m->tables = ARENA_ARRAY(m->arena, TABLES_MAX, struct move_table);
    m->columns = ARENA_ARRAY(m->arena, TABLES_MAX, struct move_columns);
    enum err err = take_tables(m, STORE_MAIN, f);
    if (err == OK)
        err = take_tables(m, STORE_KEYS, f);
    for (size_t i = 0; i < m->n && err == OK; i++) {
        err = take_columns(m, i, f);
        if (err == OK)
            err = count_rows(m, i, f);
    }
    return err;
}

enum err move_from(struct move *m, size_t i, int64_t first, sqlite3_stmt **out, struct fail *f)
{
    const struct move_columns *c = &m->columns[i];
    struct text sql = text_new(m->scratch, 512);
    text_str(&sql, "SELECT ");
    text_put(&sql, c->names);
    text_str(&sql, " FROM ");
    text_str(&sql, m->tables[i].name);
    text_str(&sql, " ORDER BY ");
    text_put(&sql, c->order);
    text_str(&sql, " LIMIT -1 OFFSET $1");
    enum err err = prepare(&m->file[m->tables[i].db], text_span(&sql), out, f);
    if (err == OK)
        sqlite3_bind_int64(*out, 1, first);
    return err;
}
