// SPDX-License-Identifier: Apache-2.0
/* Values whose time to keep is over. See vault.h. */
#include "vault_impl.h"

enum err vault_keep_item_less(struct store *st, const struct vault_person *s, struct span field,
                              struct span item, struct instant until, struct fail *f)
{
    return store_run(st, Q_VALUE_KEEP_ITEM, ARGS(ARG_I(s->sid), ARG_T(field), ARG_T(item), ARG_I(until.ms)),
                     NULL, f);
}

enum err vault_keep_set(struct store *st, const struct vault_person *s, struct span field, struct span item,
                        struct instant until, struct fail *f)
{
    return store_run(st, Q_VALUE_KEEP_SET, ARGS(ARG_I(s->sid), ARG_T(field), ARG_T(item), ARG_I(until.ms)),
                     NULL, f);
}

enum err vault_persons(struct store *st, int64_t after, size_t most, int64_t *out, size_t *n, struct fail *f)
{
    struct store_rows rows;
    *n = 0;
    enum err e = store_query(st, Q_VALUE_PERSONS, ARGS(ARG_I(after), ARG_I(most)), &rows, f);
    if (e)
        return e;
    while (*n < most && store_next(&rows, f))
        out[(*n)++] = store_i(&rows, 0);
    e = rows.err;
    store_done(&rows);
    return e;
}

enum err vault_due(struct store *st, struct instant now, size_t most, struct arena *a, struct value_due *out,
                   size_t *n, struct fail *f)
{
    struct store_rows rows;
    *n = 0;
    enum err e = store_query(st, Q_VALUE_DUE, ARGS(ARG_I(now.ms), ARG_I(most)), &rows, f);
    if (e)
        return e;
    while (*n < most && store_next(&rows, f))
        out[(*n)++] = (struct value_due){.sid = store_i(&rows, 0),
                                         .field = arena_copy(a, store_t(&rows, 1)),
                                         .item = arena_copy(a, store_t(&rows, 2))};
    e = rows.err;
    store_done(&rows);
    return e;
}

enum err vault_expire(struct store *st, const struct value_due *v, struct instant now, struct fail *f)
{
    return store_run(st, Q_VALUE_EXPIRE, ARGS(ARG_I(v->sid), ARG_T(v->field), ARG_T(v->item), ARG_I(now.ms)),
                     NULL, f);
}

enum err vault_postpone(struct store *st, const struct value_due *v, struct instant now, struct instant until,
                        struct fail *f)
{
    return store_run(st, Q_VALUE_POSTPONE,
                     ARGS(ARG_I(v->sid), ARG_T(v->field), ARG_T(v->item), ARG_I(now.ms), ARG_I(until.ms)),
                     NULL, f);
}

enum err vault_due_count(struct store *st, struct instant now, int64_t *due, struct instant *next,
                         struct fail *f)
{
    struct store_rows rows;
    *due = 0;
    *next = INSTANT_FOREVER;
    bool found = store_one(st, Q_VALUE_DUE_COUNT, ARGS(ARG_I(now.ms)), &rows, f);
    if (!found)
        return rows.err;
    *due = store_i(&rows, 0);
    store_done(&rows);
    found = store_one(st, Q_VALUE_NEXT_DUE, NO_ARGS, &rows, f);
    if (!found)
        return rows.err;
    if (!store_is_null(&rows, 0))
        next->ms = store_i(&rows, 0);
    store_done(&rows);
    return OK;
}
