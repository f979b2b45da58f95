// SPDX-License-Identifier: Apache-2.0
/* sql.h: the operations on one table of records, for PostgreSQL and SQLite: each gives (k, usr, data). */
#ifndef TROTH_GDPRBENCH_SQL_H
#define TROTH_GDPRBENCH_SQL_H

#include "gdprbench.h"

/* $1 is the first, $2 the second argument; %s stands for what an end in time adds. */
#define ALIVE " AND ttl > 1000"
static const struct {
    const char *sql;
    bool records; /* leaves a row in the log where accesses are recorded: the same operations as on troth */
} sql_of[OP_COUNT] = {
    [OP_CREATE] =
        {"INSERT INTO record (k, pur, ttl, usr, obj, dec, acl, shr, src, cat, data) VALUES ($1, $1 % 25,"
         " 2000000000 + $1 % 10, $3, $1 % 100, $1 % 2, $1 % 10, $1 % 10, $1 % 10, $1 % 10, $2)"
         " ON CONFLICT (k) DO UPDATE SET data = excluded.data RETURNING k, usr, NULL",
         true},
    [OP_DELETE_KEY] = {"DELETE FROM record WHERE k = $1 RETURNING k, usr, NULL", true},
    [OP_DELETE_USER] = {"DELETE FROM record WHERE usr = $1 RETURNING k, usr, NULL", true},
    [OP_META_PURPOSE_SET] = {"UPDATE record SET shr = $2 WHERE pur = $1 RETURNING k, usr, NULL", true},
    [OP_META_USER_SET] = {"UPDATE record SET dec = $2 WHERE usr = $1 RETURNING k, usr, NULL", true},
    [OP_DATA_USER] = {"SELECT k, usr, data FROM record WHERE usr = $1", true},
    [OP_META_KEY] = {"SELECT k, usr, NULL, pur, ttl, obj, dec, acl, shr, src, cat FROM record WHERE k = $1",
                     false},
    [OP_DATA_SET] = {"UPDATE record SET data = $2 WHERE k = $1 RETURNING k, usr, NULL", true},
    [OP_META_KEY_SET] = {"UPDATE record SET dec = $2 WHERE k = $1 RETURNING k, usr, NULL", true},
    [OP_DATA_KEY] = {"SELECT k, usr, data FROM record WHERE k = $1", true},
    [OP_PAGE_PURPOSE] = {"SELECT k, usr, data FROM record WHERE pur = $1 AND k >= $2 ORDER BY k LIMIT 100",
                         true},
    [OP_PAGE_OBJECTION] = {"SELECT k, usr, data FROM record WHERE obj <> $1 AND k >= $2 ORDER BY k LIMIT 100",
                           true},
    [OP_META_USER] =
        {"SELECT k, usr, NULL, pur, ttl, obj, dec, acl, shr, src, cat FROM record WHERE usr = $1", false},
    [OP_LOGS] = {"SELECT k, usr, NULL, op, id FROM log WHERE usr = $1 ORDER BY id DESC LIMIT 20", false},
    [OP_VERIFY] = {"SELECT k, usr, NULL FROM record WHERE k = $1", false},
};

static const char *const sql_indices[] = {
    "CREATE INDEX record_pur ON record (pur, k)", "CREATE INDEX record_ttl ON record (ttl)",
    "CREATE INDEX record_usr ON record (usr)",    "CREATE INDEX record_obj ON record (obj)",
    "CREATE INDEX record_dec ON record (dec)",    "CREATE INDEX record_acl ON record (acl)",
    "CREATE INDEX record_shr ON record (shr)",    "CREATE INDEX record_src ON record (src)",
    "CREATE INDEX record_cat ON record (cat)",    "CREATE INDEX log_usr ON log (usr, id)",
};

/* The number in $1, and the one in $2 where it is not the data. */
static inline int64_t sql_first(const struct op *op)
{
    switch (op->kind) {
    case OP_DELETE_USER:
    case OP_META_USER_SET:
    case OP_DATA_USER:
    case OP_META_USER:
    case OP_LOGS:
        return op->user;
    case OP_META_PURPOSE_SET:
    case OP_PAGE_PURPOSE:
        return op->purpose;
    case OP_PAGE_OBJECTION:
        return op->objection;
    default:
        return op->key;
    }
}

static inline int64_t sql_second(const struct op *op)
{
    if (op->kind == OP_PAGE_PURPOSE || op->kind == OP_PAGE_OBJECTION)
        return op->place;
    return op->kind == OP_META_PURPOSE_SET ? (int64_t)(op->draw % SHARE_WITH) : op->on;
}

static inline bool sql_has_data(enum op_kind k)
{
    return k == OP_CREATE || k == OP_DATA_SET;
}

static inline bool sql_has_second(enum op_kind k)
{
    return sql_has_data(k) || k == OP_META_PURPOSE_SET || k == OP_META_USER_SET || k == OP_META_KEY_SET ||
           k == OP_PAGE_PURPOSE || k == OP_PAGE_OBJECTION;
}

/* A record that came back, opened if it was sealed. */
static inline void sql_saw(struct op *op, const void *data, size_t len)
{
    char plain[DATA_LEN + 1];
    if (setting.seal) {
        op->wrong |= !unseal(plain, data, len);
        data_saw(op, plain, op->wrong ? 0 : DATA_LEN);
    } else {
        data_saw(op, data, len);
    }
}

static inline bool sql_gives_data(enum op_kind k)
{
    return k == OP_DATA_USER || k == OP_DATA_KEY || k == OP_PAGE_PURPOSE || k == OP_PAGE_OBJECTION;
}

static inline bool sql_needs_one(enum op_kind k)
{
    return k == OP_DATA_SET || k == OP_DELETE_KEY || k == OP_DATA_KEY || k == OP_META_KEY;
}

#endif
