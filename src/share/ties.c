// SPDX-License-Identifier: Apache-2.0
/* Holds and orders. See ties.h. */
#include "ties.h"

/* ---- Holds */

enum err hold_put(struct store *st, int64_t sid, const struct hold *h, struct fail *f)
{
    return store_run(
        st, Q_HOLD_PUT,
        ARGS(ARG_I(sid), ARG_T(h->field), ARG_T(h->reference), ARG_I(h->starts.ms), ARG_I(h->ends.ms)), NULL,
        f);
}

/* Room for one more behind n: lists of a person that none may be left out of. */
static void *one_more(struct arena *a, void *list, size_t n, size_t size)
{
    if (n & (n - 1) || (n && n < 16)) /* room was made for a power of two, 16 at first */
        return list;
    void *wider = arena_alloc(a, (n ? 2 * n : 16) * size);
    if (n)
        memcpy(wider, list, n * size);
    return wider;
}

enum err hold_list(struct store *st, int64_t sid, struct arena *a, struct hold **out, size_t *n,
                   struct fail *f)
{
    struct store_rows rows;
    *out = NULL;
    *n = 0;
    enum err e = store_query(st, Q_HOLD_LIST, ARGS(ARG_I(sid)), &rows, f);
    if (e)
        return e;
    while (store_next(&rows, f)) {
        *out = one_more(a, *out, *n, sizeof **out);
        (*out)[(*n)++] = (struct hold){.field = arena_copy(a, store_t(&rows, 0)),
                                       .reference = arena_copy(a, store_t(&rows, 1)),
                                       .starts = {store_i(&rows, 2)},
                                       .ends = {store_i(&rows, 3)}};
    }
    e = rows.err;
    store_done(&rows);
    return e;
}

bool hold_keeps(const struct hold *h, size_t n, struct span field, struct instant now)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(h[i].field, field) && now.ms < h[i].ends.ms)
            return true;
    return false;
}

bool hold_binds(const struct hold *h, size_t n, struct span field, struct instant now)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(h[i].field, field) && h[i].starts.ms <= now.ms && now.ms < h[i].ends.ms)
            return true;
    return false;
}

/* ---- Orders */

enum err purchase_put(struct store *st, int64_t sid, const struct purchase *p, struct fail *f)
{
    return store_run(
        st, Q_PURCHASE_PUT,
        ARGS(ARG_I(sid), ARG_T(p->number), ARG_T(p->recipient), ARG_I(p->since.ms), ARG_I(p->closed.ms)),
        NULL, f);
}

enum err purchase_list(struct store *st, int64_t sid, struct arena *a, struct purchase **out, size_t *n,
                       struct fail *f)
{
    struct store_rows rows;
    *out = NULL;
    *n = 0;
    enum err e = store_query(st, Q_PURCHASE_LIST, ARGS(ARG_I(sid)), &rows, f);
    if (e)
        return e;
    while (*n < TIES_MAX && store_next(&rows, f)) {
        if (*n == 0)
            *out = ARENA_ARRAY(a, TIES_MAX, struct purchase);
        (*out)[(*n)++] = (struct purchase){.number = arena_copy(a, store_t(&rows, 0)),
                                           .recipient = arena_copy(a, store_t(&rows, 1)),
                                           .since = {store_i(&rows, 2)},
                                           .closed = {store_i(&rows, 3)}};
    }
    e = rows.err;
    store_done(&rows);
    return e;
}

/* ---- What happened */

enum err happening_put(struct store *st, int64_t sid, const struct happening *h, struct fail *f)
{
    return store_run(st, Q_HAPPENING_PUT,
                     ARGS(ARG_I(sid), ARG_T(h->event), ARG_T(h->field), ARG_T(h->item), ARG_T(h->service),
                          ARG_T(h->purpose), ARG_T(h->source), ARG_I(h->time.ms)),
                     NULL, f);
}

static void read_happening(const struct store_rows *rows, struct arena *a, struct happening *h)
{
    h->event = arena_copy(a, store_t(rows, 0));
    h->field = arena_copy(a, store_t(rows, 1));
    h->item = arena_copy(a, store_t(rows, 2));
    h->service = arena_copy(a, store_t(rows, 3));
    h->purpose = arena_copy(a, store_t(rows, 4));
    h->source = arena_copy(a, store_t(rows, 5));
    h->time.ms = store_i(rows, 6);
}

enum err happening_list(struct store *st, int64_t sid, struct arena *a, struct happening **out, size_t *n,
                        struct fail *f)
{
    struct store_rows rows;
    *out = NULL;
    *n = 0;
    enum err e = store_query(st, Q_HAPPENING_LIST, ARGS(ARG_I(sid)), &rows, f);
    if (e)
        return e;
    while (store_next(&rows, f)) {
        *out = one_more(a, *out, *n, sizeof **out);
        read_happening(&rows, a, &(*out)[(*n)++]);
    }
    e = rows.err;
    store_done(&rows);
    return e;
}

/* ---- Standing with an order */

/* INSTANT_FOREVER is far below the largest number: the sum cannot wrap. */
static bool over(const struct purchase *p, struct instant now)
{
    return p->closed.ms + (int64_t)PURCHASE_AFTER_DAYS * DAY_MS <= now.ms;
}

enum purchase_standing purchase_at(const struct purchase *p, size_t n, struct span recipient,
                                   struct span number, struct instant now)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!span_eq(p[i].recipient, recipient))
            continue;
        any = true;
        if (span_eq(p[i].number, number))
            return over(&p[i], now) ? PURCHASE_OVER : PURCHASE_ASSIGNED;
    }
    return any || (n && number.len) ? PURCHASE_FOREIGN : PURCHASE_FREE;
}
