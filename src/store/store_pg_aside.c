// SPDX-License-Identifier: Apache-2.0
/*
 * Histories from a streaming replica: see nodes.h.
 *
 * What is read there are sealed entries of one person. Whether the person is there, and their key, come from
 * the primary and the keys' database, so nothing is shown of somebody who was erased meanwhile.
 */
#include "nodes.h"
#include "store_pg_impl.h"

#include "log.h"

struct store_pg *pg_aside(const char *url)
{
    struct store_pg *pg = pg_new(url, STORE_HISTORY); /* what is known of main's server is not of this one */
    pg->aside = true;
    return pg;
}

void pg_aside_failed(struct store_pg *pg)
{
    pg->retry_ms = pg_monotonic_ms() + PG_ASIDE_AGAIN_MS;
    pg_renew(pg);
}

static void change_places(struct store *st)
{
    struct store_pg *pg = st->pg[STORE_MAIN];
    st->pg[STORE_MAIN] = st->aside;
    st->aside = pg;
}

/* How far it is. What a beat came after is there when the beat is. */
static bool aside_stands(struct store *st, int64_t *until_ms, struct fail *f)
{
    struct store_rows rows;
    if (!store_one(st, Q_NODE_STAND, ARGS(ARG_I(st->stood_number)), &rows, f))
        return false;
    *until_ms = store_i(&rows, 3);
    store_done(&rows);
    if (*until_ms >= st->stood_ms - NODE_ASIDE_LAG_MS)
        return true;
    fail_set(f, ERR_BUSY, "it is %lld s behind", (long long)(st->stood_ms - *until_ms) / 1000);
    return false;
}

bool store_aside_begin(struct store *st, int64_t *until_ms)
{
    struct fail f = {0};
    if (!st->aside || !st->stood_ms || pg_monotonic_ms() < st->aside->retry_ms)
        return false;
    bool begun = pg_begin(st->aside, false, &f) == OK;
    change_places(st);
    if (begun && aside_stands(st, until_ms, &f))
        return true;
    store_aside_end(st);
    pg_aside_failed(st->aside);
    log_line(LOG_LVL_WARN, "store", "histories are read from the primary: the replica cannot be used (%s)",
             f.detail);
    return false;
}

void store_aside_end(struct store *st)
{
    pg_rollback(st->pg[STORE_MAIN]);
    change_places(st);
}
