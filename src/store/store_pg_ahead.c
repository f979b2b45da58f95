// SPDX-License-Identifier: Apache-2.0
/*
 * What a snapshot will be asked about many persons, fetched for all of them: see store.h, store_ahead.
 *
 * The persons are sent with whatever the snapshot asks first and come with its answer; relations, consents
 * and values of all come in a second round trip. Keys come in a third, if one is asked for; where the last
 * snapshot needed one, they are asked for beside the second, and not waited for if none is. The statements of
 * queries.def then find their rows here; what a snapshot asks beyond those goes to the server for its one
 * person.
 *
 * In a group of writes, the sweep has all that its walk looks at asked for at once, and what changes anything
 * ends it. What jobs of a group ask of their persons is fetched for the others with the first who asks, one
 * statement after the other, and what a job changes is asked for anew. That is not done with values, holds
 * and happenings: of many persons they are many rows, and a server that notes more rows read than it has room
 * for notes the whole table, so that daemons with different persons would make each other start again.
 */
#include "store_pg_impl.h"

#include <endian.h>
#include <string.h>

/* PostgreSQL's type numbers (catalog pg_type). */
#define OID_BYTEA       17
#define OID_INT8        20
#define OID_BYTEA_ARRAY 1001
#define OID_INT8_ARRAY  1016

static const struct {
    enum store_query_id q;
    const char *name, *sql;
} ahead[AHEAD_COUNT] = {
#define X(name, sql) {Q_##name, #name "_AHEAD", sql},
#include "ahead.def"
#undef X
};

/* ---- Arrays as the server takes them: dimensions, nulls, type, length, first index; each with its length */

struct array {
    uint8_t b[20 + STORE_AHEAD_MAX * (4 + STORE_ID_LEN)];
    size_t len;
};

static void put_u32(struct array *a, uint32_t v)
{
    v = htobe32(v);
    memcpy(a->b + a->len, &v, sizeof v);
    a->len += sizeof v;
}

static void put_bytes(struct array *a, const void *p, size_t n)
{
    put_u32(a, (uint32_t)n);
    memcpy(a->b + a->len, p, n);
    a->len += n;
}

static void array_begin(struct array *a, uint32_t type, size_t n)
{
    a->len = 0;
    put_u32(a, 1);
    put_u32(a, 0);
    put_u32(a, type);
    put_u32(a, (uint32_t)n);
    put_u32(a, 1);
}

static void array_ids(struct array *a, const struct store_ahead *s)
{
    array_begin(a, OID_BYTEA, s->n);
    for (size_t i = 0; i < s->n; i++)
        put_bytes(a, s->id[i], STORE_ID_LEN);
}

static void array_sids(struct array *a, const struct store_ahead *s)
{
    array_begin(a, OID_INT8, s->n_sids);
    for (size_t i = 0; i < s->n_sids; i++) {
        uint64_t v = htobe64((uint64_t)s->sid[i]);
        put_bytes(a, &v, sizeof v);
    }
}

/* ---- Asking */

static void ask(struct store *st, enum store_ahead_which w, const struct array *a, Oid type)
{
    struct store_pg *pg = st->pg[store_query_db(ahead[w].q)];
    const char *value[1] = {(const char *)a->b};
    const int length[1] = {(int)a->len}, format[1] = {1};
    unsigned place = Q_COUNT + (unsigned)w;
    st->ahead.asked[w] = true;
    if (pg->lost.code || pg_enter(pg, NULL) != OK)
        return;
    pg_room(pg, 2);
    if (pg->prepared[place] == PG_UNKNOWN && !pg->pooled) {
        pg_sent(pg, PQsendPrepare(pg->c, ahead[w].name, ahead[w].sql, 1, &type), false);
        if (pg->unanswered)
            pg->makes[pg->unanswered - 1] = (uint16_t)(place + 1);
        pg->prepared[place] = PG_SENT;
    }
    pg_sent(pg,
            pg->pooled ? PQsendQueryParams(pg->c, ahead[w].sql, 1, &type, value, length, format, 1)
                       : PQsendQueryPrepared(pg->c, ahead[w].name, 1, value, length, format, 1),
            false);
    if (pg->unanswered && !pg->lost.code)
        pg->keep[pg->unanswered - 1] = &st->ahead.rows[w];
}

static void answers(struct store_pg *pg)
{
    if (pg->unanswered)
        pg_collect(pg, NULL, NULL);
    pg->looked |= !pg->lost.code;
}

/* Whom this snapshot will be asked about, anew; false: it is not worth asking for so many, or not here. */
static bool begin(struct store *st, size_t n)
{
    store_ahead_end(st);
    return st->pg[STORE_MAIN] && st->snapshot && st->mode == STORE_READ && n > 0 && n <= STORE_AHEAD_MAX;
}

void store_ahead(struct store *st, const uint8_t (*ids)[STORE_ID_LEN], size_t n)
{
    struct store_ahead *s = &st->ahead;
    struct array a;
    if (!begin(st, n))
        return;
    memcpy(s->id, ids, n * sizeof s->id[0]);
    s->n = s->n_any = n;
    array_ids(&a, s);
    ask(st, AHEAD_SUBJECT_GET, &a, OID_BYTEA_ARRAY);
}

void store_ahead_sids(struct store *st, const int64_t *sids, size_t n)
{
    struct store_ahead *s = &st->ahead;
    struct array a;
    if (!begin(st, n))
        return;
    memcpy(s->sid, sids, n * sizeof s->sid[0]);
    s->n_sids = s->n_any = n;
    array_sids(&a, s);
    ask(st, AHEAD_SUBJECT_OF_SID, &a, OID_INT8_ARRAY);
}

/* The statements that look at the times to keep of a person. */
static const enum store_ahead_which keeping[] = {AHEAD_CONSENT_HELD, AHEAD_VALUE_LIST, AHEAD_VALUE_ALL,
                                                 AHEAD_HOLD_LIST, AHEAD_HAPPENING_LIST};

static bool in_group(const struct store *st)
{
    return st->pg[STORE_MAIN] && st->mode == STORE_WRITE && pg_within(st->pg[STORE_MAIN]);
}

static void ids_take(struct store_ahead *s)
{
    const PGresult *r = s->rows[AHEAD_SUBJECT_OF_SID];
    for (int i = 0; r && i < PQntuples(r); i++) {
        struct span id = pg_t(r, i, 1);
        if (id.len == STORE_ID_LEN && s->n < STORE_AHEAD_MAX)
            memcpy(s->id[s->n++], id.p, STORE_ID_LEN);
    }
}

void store_ahead_keeping(struct store *st, const int64_t *sids, size_t n)
{
    struct store_ahead *s = &st->ahead;
    struct array a;
    store_ahead_end(st);
    if (!in_group(st) || n == 0 || n > STORE_AHEAD_MAX)
        return;
    memcpy(s->sid, sids, n * sizeof s->sid[0]);
    s->n_sids = s->n_any = n;
    s->keeping = true;
    array_sids(&a, s);
    ask(st, AHEAD_SUBJECT_OF_SID, &a, OID_INT8_ARRAY);
    for (size_t i = 0; i < sizeof keeping / sizeof keeping[0]; i++)
        ask(st, keeping[i], &a, OID_INT8_ARRAY);
    answers(st->pg[STORE_MAIN]);
    ids_take(s);
    array_ids(&a, s);
    ask(st, AHEAD_SUBJECT_GET, &a, OID_BYTEA_ARRAY);
    answers(st->pg[STORE_MAIN]);
}

void store_ahead_group(struct store *st, const uint8_t (*ids)[STORE_ID_LEN], size_t n)
{
    struct store_ahead *s = &st->ahead;
    store_ahead_end(st);
    if (!in_group(st) || n < 2 || n > STORE_AHEAD_MAX) /* one alone may not need all that it would get */
        return;
    memcpy(s->id, ids, n * sizeof s->id[0]);
    s->n = s->n_any = n;
    s->group = true;
}

/* ---- What a group changed */

#define BIT(w) (1u << AHEAD_##w)
_Static_assert(AHEAD_COUNT <= 32, "a bit for each");

/* Statements that change rows of the one person they name first, and what reads those rows; and some that
 * change no person's. Any other one ends all that was fetched. */
static const struct {
    enum store_query_id q;
    uint32_t touches;
} narrow[] = {
    {Q_SUBJECT_ADD, BIT(SUBJECT_GET) | BIT(SUBJECT_OF_SID)},
    {Q_SUBJECT_EPOCH, BIT(SUBJECT_GET)},
    {Q_SERVICE_USED, BIT(SERVICE_USES)},
    {Q_CONSENT_ADD, BIT(CONSENT_LAST) | BIT(CONSENT_HELD)},
    {Q_VALUE_PUT, 0}, /* groups fetch no values */
    {Q_KEY_ADD, BIT(KEY_GET)},
    {Q_PENDING_ADD, 0},
    {Q_PENDING_DROP, 0},
    {Q_META_PUT, 0},
    {Q_META_TAKE, 0},
};

static void changed_of(struct store_ahead *s, uint32_t touches, const struct store_arg *args)
{
    for (size_t i = 0; args[0].type == 'b' && i < s->n; i++)
        if (args[0].s.len == STORE_ID_LEN && memcmp(s->id[i], args[0].s.p, STORE_ID_LEN) == 0)
            s->changed_id[i] |= touches;
    for (size_t i = 0; args[0].type == 'i' && i < s->n_sids; i++)
        if (s->sid[i] == args[0].i)
            s->changed_sid[i] |= touches;
}

void store_ahead_changed(struct store *st, enum store_query_id q, const struct store_arg *args)
{
    struct store_ahead *s = &st->ahead;
    size_t i = 0, n = sizeof narrow / sizeof narrow[0];
    if (!s->n_any)
        return;
    while (i < n && narrow[i].q != q)
        i++;
    if (!s->group || i == n)
        s->stale = true; /* not freed: rows of it may be open */
    else if (narrow[i].touches)
        changed_of(s, narrow[i].touches, args);
}

/* It must not come in when nobody waits for it. What was asked beside is waited for only by whoever needs it:
 * the keys' server may be away. */
static void unread(struct store_pg *pg)
{
    if (pg->unanswered && (pg->which != STORE_KEYS || !pg_leave(pg)))
        answers(pg);
}

void store_ahead_end(struct store *st)
{
    struct store_ahead *s = &st->ahead;
    for (unsigned w = 0; s->n_any && w < AHEAD_COUNT; w++) {
        if (s->asked[w] && !s->rows[w])
            unread(st->pg[store_query_db(ahead[w].q)]);
        if (s->rows[w])
            PQclear(s->rows[w]);
    }
    if (s->n && !s->keeping)
        st->keys_beside = s->keys_used;
    if (s->n_any)
        *s = (struct store_ahead){0};
}

bool store_ahead_lent(const struct store *st, const void *rows)
{
    bool own = false;
    for (unsigned w = 0; w < AHEAD_COUNT && !own; w++)
        own = st->ahead.rows[w] == rows;
    return own;
}

/* ---- Finding */

static enum store_ahead_which which_of(enum store_query_id q)
{
    unsigned w = 0;
    while (w < AHEAD_COUNT && ahead[w].q != q)
        w++;
    return (enum store_ahead_which)w;
}

static bool id_asked(const struct store_ahead *s, struct span id)
{
    bool any = false;
    for (size_t i = 0; i < s->n && !any; i++)
        any = id.len == STORE_ID_LEN && memcmp(s->id[i], id.p, STORE_ID_LEN) == 0;
    return any;
}

static bool sid_known(const struct store_ahead *s, int64_t sid)
{
    bool any = false;
    for (size_t i = 0; i < s->n_sids && !any; i++)
        any = s->sid[i] == sid;
    return any;
}

static void sids_take(struct store_ahead *s)
{
    int n = s->rows[AHEAD_SUBJECT_GET] ? PQntuples(s->rows[AHEAD_SUBJECT_GET]) : 0;
    for (s->n_sids = 0; s->n_sids < (size_t)n; s->n_sids++)
        s->sid[s->n_sids] = pg_i(s->rows[AHEAD_SUBJECT_GET], (int)s->n_sids, 1);
}

static void persons_take(struct store *st)
{
    answers(st->pg[STORE_MAIN]);
    sids_take(&st->ahead);
}

static void keys_ask(struct store *st)
{
    struct array a;
    if (store_snapshot_order(st, STORE_KEYS, NULL) != OK)
        return;
    array_ids(&a, &st->ahead);
    ask(st, AHEAD_KEY_GET, &a, OID_BYTEA_ARRAY);
}

static void rest_take(struct store *st)
{
    struct array a;
    array_sids(&a, &st->ahead);
    for (unsigned w = AHEAD_SERVICE_USES; w <= AHEAD_VALUE_BRIEF; w++)
        ask(st, (enum store_ahead_which)w, &a, OID_INT8_ARRAY);
    if (st->keys_beside && !st->ahead.asked[AHEAD_KEY_GET] &&
        pg_stands(st->pg[STORE_KEYS])) { /* the two servers work at the same time */
        pg_mark(st->pg[STORE_MAIN]);
        keys_ask(st);
        pg_mark(st->pg[STORE_KEYS]);
    }
    answers(st->pg[STORE_MAIN]);
}

static void keys_take(struct store *st)
{
    if (!st->ahead.asked[AHEAD_KEY_GET])
        keys_ask(st);
    if (!st->ahead.rows[AHEAD_KEY_GET])
        answers(st->pg[STORE_KEYS]);
    st->ahead.keys_used = true;
}

static bool by_id(enum store_ahead_which w)
{
    return w == AHEAD_SUBJECT_GET || w == AHEAD_KEY_GET;
}

/* True: it is of one of these persons, and the group has not changed what it reads. */
static bool untouched(const struct store_ahead *s, enum store_ahead_which w, const struct store_arg *args)
{
    size_t i = 0;
    if (by_id(w)) {
        while (i < s->n &&
               (args[0].s.len != STORE_ID_LEN || memcmp(s->id[i], args[0].s.p, STORE_ID_LEN) != 0))
            i++;
        return i < s->n && !(s->changed_id[i] & 1u << w);
    }
    while (i < s->n_sids && s->sid[i] != args[0].i)
        i++;
    return i < s->n_sids && !(s->changed_sid[i] & 1u << w);
}

#define GROUPED                                                                                              \
    (BIT(SUBJECT_GET) | BIT(SUBJECT_OF_SID) | BIT(SERVICE_USES) | BIT(CONSENT_HELD) | BIT(CONSENT_LAST) |    \
     BIT(KEY_GET))

/* Their numbers come with their rows; who has none is not found. */
static PGresult *rows_in_group(struct store *st, enum store_ahead_which w, const struct store_arg *args)
{
    struct store_ahead *s = &st->ahead;
    struct array a;
    if (!(GROUPED & 1u << w) || !untouched(s, w, args))
        return NULL;
    if (!s->asked[w]) {
        if (by_id(w))
            array_ids(&a, s);
        else
            array_sids(&a, s);
        ask(st, w, &a, by_id(w) ? OID_BYTEA_ARRAY : OID_INT8_ARRAY);
        answers(st->pg[store_query_db(ahead[w].q)]);
        if (w == AHEAD_SUBJECT_GET)
            sids_take(s);
    }
    return s->rows[w];
}

/* The rows of this statement for these persons, if they were asked for; null: the server is to be asked. */
static PGresult *rows_of(struct store *st, enum store_ahead_which w, const struct store_arg *args)
{
    struct store_ahead *s = &st->ahead;
    if (w == AHEAD_COUNT || !s->n_any || s->stale)
        return NULL;
    if (s->group)
        return rows_in_group(st, w, args);
    if (s->keeping && w != AHEAD_KEY_GET)
        return (args[0].type == 'b' ? id_asked(s, args[0].s) : sid_known(s, args[0].i)) ? s->rows[w] : NULL;
    if (w == AHEAD_SUBJECT_OF_SID && s->asked[w])
        answers(st->pg[STORE_MAIN]);
    if (w == AHEAD_SUBJECT_OF_SID || !s->n)
        return w == AHEAD_SUBJECT_OF_SID && sid_known(s, args[0].i) ? s->rows[w] : NULL;
    if (args[0].type == 'b' && !id_asked(s, args[0].s))
        return NULL;
    if (w == AHEAD_SUBJECT_GET && !s->n_sids)
        persons_take(st);
    if (args[0].type == 'i' && !sid_known(s, args[0].i))
        return NULL;
    if (w == AHEAD_KEY_GET)
        keys_take(st);
    else if (!s->asked[w] && w >= AHEAD_SERVICE_USES && w <= AHEAD_VALUE_BRIEF)
        rest_take(st);
    return s->rows[w];
}

static bool row_is(const PGresult *r, int row, const struct store_arg *args, size_t n)
{
    bool same = true;
    for (size_t i = 0; i < n && same; i++)
        same = args[i].type == 'i' ? pg_i(r, row, (int)i) == args[i].i
                                   : span_eq(pg_t(r, row, (int)i), args[i].s);
    return same;
}

/* Those that come in the order of persons' numbers: of many there may be thousands of rows. */
#define SORTED                                                                                               \
    (BIT(CONSENT_HELD) | BIT(VALUE_BRIEF) | BIT(VALUE_LIST) | BIT(VALUE_ALL) | BIT(HOLD_LIST) |              \
     BIT(HAPPENING_LIST))

static int first_of(const PGresult *r, enum store_ahead_which w, const struct store_arg *arg)
{
    int low = 0, high = SORTED & 1u << w ? PQntuples(r) : 0;
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (pg_i(r, mid, 0) < arg->i)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool store_ahead_find(struct store *st, const struct store_arg *args, size_t n, struct store_rows *rows)
{
    enum store_ahead_which w = which_of(rows->q);
    PGresult *r = rows_of(st, w, args);
    if (!r)
        return false;
    int all = PQntuples(r), first = first_of(r, w, args);
    while (first < all && !row_is(r, first, args, n))
        first++;
    if (first == all && rows->q == Q_CONSENT_LAST)
        return false;
    rows->row = first - 1;
    rows->end = first;
    while (rows->end < all && row_is(r, rows->end, args, n))
        rows->end++;
    rows->skip = (unsigned)n;
    rows->lent = true;
    rows->stmt = r;
    return true;
}
