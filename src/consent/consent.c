// SPDX-License-Identifier: Apache-2.0
/* Consent events in the store, and their printed form. See consent.h. */
#include "consent.h"

static struct span fixed(const void *p, size_t len)
{
    return span_of(p, len);
}

/* The number of the last event: events are counted, not only ordered, so that the limit is one comparison. */
static enum err last_seq(struct store *st, int64_t sid, int64_t *seq, struct fail *f)
{
    struct store_rows rows;
    bool found = store_one(st, Q_CONSENT_LAST, ARGS(ARG_I(sid)), &rows, f);
    *seq = found ? store_i(&rows, 0) : 0;
    enum err e = found ? OK : rows.err;
    store_done(&rows);
    return e;
}

static void take_bytes(struct span s, uint8_t *out, size_t len)
{
    if (s.len == len)
        memcpy(out, s.p, len);
}

/* The text columns of Q_CONSENT_LIST and where they go. */
static const struct {
    unsigned column;
    size_t offset;
} texts[] = {
    {4, offsetof(struct consent_event, actor_id)},      {5, offsetof(struct consent_event, name)},
    {6, offsetof(struct consent_event, purpose)},       {7, offsetof(struct consent_event, party)},
    {8, offsetof(struct consent_event, service)},       {9, offsetof(struct consent_event, device)},
    {10, offsetof(struct consent_event, operations)},   {15, offsetof(struct consent_event, language)},
    {17, offsetof(struct consent_event, channel)},      {18, offsetof(struct consent_event, evidence)},
    {19, offsetof(struct consent_event, collected_by)}, {20, offsetof(struct consent_event, topic)},
    {21, offsetof(struct consent_event, fields)},
};

static void read_event(const struct store_rows *rows, struct arena *a, struct consent_event *e)
{
    take_bytes(store_t(rows, 0), e->id.b, ID_LEN);
    e->kind = (enum consent_kind)store_i(rows, 1);
    e->state = (enum consent_state)store_i(rows, 2);
    e->actor = (enum consent_actor)store_i(rows, 3);
    e->time.ms = store_i(rows, 11);
    e->until.ms = store_i(rows, 12);
    e->revision = (uint32_t)store_i(rows, 13);
    take_bytes(store_t(rows, 14), e->document_digest.b, 32);
    take_bytes(store_t(rows, 16), e->notice.b, 32);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct span s = arena_copy(a, store_t(rows, texts[i].column));
        memcpy((uint8_t *)e + texts[i].offset, &s, sizeof s);
    }
}

/* Q_CONSENT_HELD */
static void read_held(const struct store_rows *rows, struct arena *a, struct consent_event *e)
{
    *e = (struct consent_event){.kind = (enum consent_kind)store_i(rows, 0),
                                .state = (enum consent_state)store_i(rows, 1),
                                .actor = (enum consent_actor)store_i(rows, 2),
                                .name = arena_copy(a, store_t(rows, 3)),
                                .purpose = arena_copy(a, store_t(rows, 4)),
                                .party = arena_copy(a, store_t(rows, 5)),
                                .service = arena_copy(a, store_t(rows, 6)),
                                .device = arena_copy(a, store_t(rows, 7)),
                                .topic = arena_copy(a, store_t(rows, 8)),
                                .time = {store_i(rows, 9)},
                                .until = {store_i(rows, 10)},
                                .revision = (uint32_t)store_i(rows, 11),
                                .fields = arena_copy(a, store_t(rows, 12))};
}

/* Most have one or a few: the list doubles. */
static struct consent_event *list_add(struct consent_event **list, size_t *n, size_t *cap, struct arena *a)
{
    if (*n == *cap) {
        *cap = *cap ? *cap * 2 : 2;
        struct consent_event *wider = ARENA_ARRAY(a, *cap, struct consent_event);
        if (*n)
            memcpy(wider, *list, *n * sizeof *wider);
        *list = wider;
    }
    return &(*list)[(*n)++];
}

typedef void (*read_fn)(const struct store_rows *rows, struct arena *a, struct consent_event *e);

static enum err read_all(struct store *st, enum store_query_id q, read_fn read, int64_t sid, struct arena *a,
                         struct consent_event **out, size_t *n, struct fail *f)
{
    struct store_rows rows;
    size_t cap = 0;
    *out = NULL;
    *n = 0;
    enum err e = store_query(st, q, ARGS(ARG_I(sid)), &rows, f);
    if (e)
        return e;
    while (store_next(&rows, f))
        read(&rows, a, list_add(out, n, &cap, a));
    e = rows.err;
    store_done(&rows);
    return e;
}

enum err consent_list(struct store *st, int64_t sid, struct arena *a, struct consent_event **out, size_t *n,
                      struct fail *f)
{
    return read_all(st, Q_CONSENT_LIST, read_event, sid, a, out, n, f);
}

enum err consent_held(struct store *st, int64_t sid, struct arena *a, struct consent_event **out, size_t *n,
                      struct fail *f)
{
    return read_all(st, Q_CONSENT_HELD, read_held, sid, a, out, n, f);
}

/* ---- Adding */

enum err consent_room(struct store *st, int64_t sid, const struct consent_event *e, struct fail *f)
{
    struct consent_event *list;
    size_t n;
    int64_t seq;
    enum err err = last_seq(st, sid, &seq, f);
    if (err || seq < CONSENT_EVENTS_MAX || e->actor == CONSENT_BY_STAFF)
        return err;
    bool gives = e->kind != CONSENT_PREFERENCE && e->state == CONSENT_GIVEN;
    if (gives || e->state == CONSENT_DEEMED)
        return fail_set(f, ERR_LIMIT, "this person has %d events on record already: nothing more is given",
                        CONSENT_EVENTS_MAX);
    struct arena *a = arena_new(0);
    err = consent_held(st, sid, a, &list, &n, f);
    if (!err && consent_stands(list, n, e))
        err =
            fail_set(f, ERR_CONFLICT,
                     "this is on record already and stands; of a person with %d events what changes nothing "
                     "is not noted again",
                     CONSENT_EVENTS_MAX);
    arena_free(a);
    return err;
}

enum err consent_add(struct store *st, int64_t sid, const struct consent_event *e, struct fail *f)
{
    int64_t seq;
    enum err err = last_seq(st, sid, &seq, f);
    if (err)
        return err;
    return store_run(st, Q_CONSENT_ADD,
                     ARGS(ARG_I(sid), ARG_I(seq + 1), ARG_B(fixed(e->id.b, ID_LEN)), ARG_I(e->kind),
                          ARG_I(e->state), ARG_I(e->actor), ARG_T(e->actor_id), ARG_T(e->name),
                          ARG_T(e->purpose), ARG_T(e->party), ARG_T(e->service), ARG_T(e->device),
                          ARG_T(e->operations), ARG_I(e->time.ms), ARG_I(e->until.ms), ARG_I(e->revision),
                          ARG_B(fixed(e->document_digest.b, 32)), ARG_T(e->language),
                          ARG_B(fixed(e->notice.b, 32)), ARG_T(e->channel), ARG_T(e->evidence),
                          ARG_T(e->collected_by), ARG_T(e->topic), ARG_T(e->fields)),
                     NULL, f);
}

/* ---- Printed form */

const char *consent_state_dpv(enum consent_state s)
{
    static const char *const names[] = {[CONSENT_GIVEN] = "ConsentGiven",
                                        [CONSENT_WITHDRAWN] = "ConsentWithdrawn",
                                        [CONSENT_REFUSED] = "ConsentRefused",
                                        [CONSENT_DEEMED] = "ConsentDeemed"};
    return names[s];
}

static const char *kind_name(enum consent_kind k)
{
    static const char *const names[] = {
        [CONSENT_AGREEMENT] = "agreement", [CONSENT_NEED] = "need", [CONSENT_PREFERENCE] = "preference"};
    return names[k];
}

static const char *actor_name(enum consent_actor a)
{
    static const char *const names[] = {
        [CONSENT_BY_SUBJECT] = "subject", [CONSENT_BY_GUARDIAN] = "guardian", [CONSENT_BY_STAFF] = "staff"};
    return names[a];
}

static void put_if(struct text *t, const char *name, struct span v)
{
    if (v.len)
        json_string(t, name, v);
}

static void put_list(struct text *t, const char *name, struct span rest, char separator)
{
    struct span one;
    json_open(t, name, '[');
    while (span_cut(&rest, separator, &one))
        json_string(t, NULL, one);
    json_close(t, ']');
}

static void put_agreement(struct text *t, const struct consent_event *e)
{
    json_i64(t, "policy_revision", e->revision);
    json_hex(t, "policy_digest", e->document_digest.b, 32);
    put_list(t, "operations", e->operations, ' ');
}

static bool all_zero(const struct digest *d)
{
    static const struct digest zero;
    return memcmp(d, &zero, sizeof zero) == 0;
}

void consent_event_json(struct text *t, const struct consent_event *e)
{
    json_open(t, NULL, '{');
    json_hex(t, "record_id", e->id.b, ID_LEN);
    json_str(t, "kind", kind_name(e->kind));
    json_string(t, "name", e->name);
    json_str(t, "event_state", consent_state_dpv(e->state));
    json_instant(t, "event_time", e->time);
    json_str(t, "event_entity", actor_name(e->actor));
    put_if(t, "event_entity_id", e->actor_id);
    if (e->until.ms != INSTANT_FOREVER.ms)
        json_instant(t, "validity_until", e->until);
    put_if(t, "purpose", e->purpose);
    put_if(t, "recipient", e->party);
    put_if(t, "service", e->service);
    put_if(t, "device", e->device);
    put_if(t, "topic", e->topic);
    if (e->fields.len)
        put_list(t, "fields", e->fields, ',');
    if (e->kind == CONSENT_AGREEMENT)
        put_agreement(t, e);
    put_if(t, "notice_language", e->language);
    if (!all_zero(&e->notice))
        json_hex(t, "notice_digest", e->notice.b, 32);
    put_if(t, "collection_method", e->channel);
    put_if(t, "evidence", e->evidence);
    put_if(t, "collected_by", e->collected_by);
    json_close(t, '}');
}

/* ---- Pages of people */

struct walked {
    int64_t sid[CONSENT_WALK_MAX];
    size_t n, at;
};

/* A person may be there more than once. */
static enum err walk_one(struct store *st, struct span service, struct span purpose, int64_t after,
                         size_t limit, struct walked *out, int64_t *horizon, struct fail *f)
{
    struct store_rows rows;
    out->n = out->at = 0;
    enum err e =
        store_query(st, Q_WALK_CONSENTED,
                    ARGS(ARG_T(purpose), ARG_I(after), ARG_T(service), ARG_I((int64_t)limit)), &rows, f);
    while (!e && store_next(&rows, f))
        out->sid[out->n++] = store_i(&rows, 0);
    if (!e)
        e = rows.err;
    store_done(&rows);
    if (out->n > 0 && out->n == limit && out->sid[out->n - 1] < *horizon)
        *horizon = out->sid[out->n - 1]; /* what lies behind is not known yet */
    return e;
}

static int64_t head(const struct walked *w)
{
    return w->at < w->n ? w->sid[w->at] : INT64_MAX;
}

enum err consent_walk(struct store *st, struct span service, struct span purpose, int64_t after, size_t limit,
                      int64_t *sids, size_t *n, int64_t *next, struct fail *f)
{
    struct walked own = {0}, every = {0};
    int64_t horizon = INT64_MAX, last = after;
    *n = 0;
    *next = 0;
    limit = limit < CONSENT_WALK_MAX ? limit : CONSENT_WALK_MAX;
    enum err e = walk_one(st, service, purpose, after, limit, &own, &horizon, f);
    if (!e)
        e = walk_one(st, service, SPAN_EMPTY, after, limit, &every, &horizon, f);
    while (!e && *n < limit && (own.at < own.n || every.at < every.n)) {
        struct walked *w = head(&own) <= head(&every) ? &own : &every;
        int64_t sid = w->sid[w->at];
        if (sid > horizon)
            break;
        w->at++;
        if (sid != last)
            sids[(*n)++] = last = sid;
    }
    bool more = horizon != INT64_MAX || own.at < own.n || every.at < every.n;
    *next = !e && more && last != after ? last : 0;
    return e;
}
