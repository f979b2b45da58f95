// SPDX-License-Identifier: Apache-2.0
/* Persons in the store. See subject.h. */
#include "subject.h"

#include "crypto.h"
#include "nodes.h"

#include <stdio.h>

static struct span id_span(const struct subject_id *id)
{
    return span_of(id->b, ID_LEN);
}

/* ---- Creating and finding */

static enum err check_birth(struct date birth, struct date today, struct fail *f)
{
    if (date_cmp(birth, today) > 0) {
        fail_hint(f, "give the date of birth as YYYY-MM-DD");
        return fail_set(f, ERR_BAD_VALUE, "the birth date is in the future");
    }
    if (date_age(birth, today) > SUBJECT_AGE_MAX)
        return fail_set(f, ERR_BAD_VALUE, "the birth date is more than %d years ago", SUBJECT_AGE_MAX);
    return OK;
}

enum err subject_create(struct store *st, struct date birth, int offset_minutes, const char *region,
                        struct instant now, struct subject *out, struct fail *f)
{
    struct subject s = {.created = now};
    enum err e = check_birth(birth, date_at(now, offset_minutes), f);
    if (!e)
        e = store_next_sid(st, &s.sid, f);
    if (e)
        return e;
    crypto_random(s.id.b, ID_LEN);
    subject_thresholds(birth, offset_minutes, now, &s.teen_from, &s.adult_from);
    s.band = subject_band_at(s.teen_from, s.adult_from, now);
    s.state = s.band == BAND_CHILD ? SUBJECT_AWAITING_GUARDIAN : SUBJECT_ACTIVE;
    snprintf(s.region, sizeof s.region, "%s", region);
    e = store_run(st, Q_SUBJECT_ADD,
                  ARGS(ARG_B(id_span(&s.id)), ARG_I(s.sid), ARG_I(now.ms), ARG_I(s.teen_from.ms),
                       ARG_I(s.adult_from.ms), ARG_I(s.state), ARG_T(span_str(s.region))),
                  NULL, f);
    if (!e)
        *out = s;
    return e;
}

/* Why there is no row: the ledger knows the erased. */
static enum err absent(struct store *st, const struct subject_id *id, struct fail *f)
{
    struct store_rows rows;
    bool erased = store_one(st, Q_ERASED_GET, ARGS(ARG_B(id_span(id))), &rows, f);
    enum err e = erased ? OK : rows.err;
    store_done(&rows);
    if (e)
        return e;
    return erased ? fail_set(f, ERR_GONE, "this person was erased")
                  : fail_set(f, ERR_NOT_FOUND, "there is no such person");
}

enum err subject_get(struct store *st, struct subject_id id, struct instant now, struct subject *out,
                     struct fail *f)
{
    struct store_rows rows;
    bool found = store_one(st, Q_SUBJECT_GET, ARGS(ARG_B(id_span(&id))), &rows, f);
    if (!found) {
        enum err e = rows.err;
        store_done(&rows);
        return e ? e : absent(st, &id, f);
    }
    *out = (struct subject){.id = id,
                            .sid = store_i(&rows, 0),
                            .created = {store_i(&rows, 1)},
                            .teen_from = {store_i(&rows, 2)},
                            .adult_from = {store_i(&rows, 3)},
                            .state = (enum subject_state)store_i(&rows, 4),
                            .epoch = (uint64_t)store_i(&rows, 6)};
    struct span region = span_sub(store_t(&rows, 5), 0, sizeof out->region - 1);
    if (region.len)
        memcpy(out->region, region.p, region.len);
    out->band = subject_band_at(out->teen_from, out->adult_from, now);
    if (out->band != BAND_CHILD && out->state == SUBJECT_AWAITING_GUARDIAN)
        out->state = SUBJECT_ACTIVE; /* at fourteen nobody is waited for any more (B7.2) */
    store_done(&rows);
    return OK;
}

enum err subject_set_state(struct store *st, const struct subject *s, enum subject_state state,
                           struct fail *f)
{
    return store_run(st, Q_SUBJECT_STATE, ARGS(ARG_B(id_span(&s->id)), ARG_I(state)), NULL, f);
}

/* ---- Ages learned later */

enum err subject_set_age(struct store *st, struct subject *s, struct instant teen_from,
                         struct instant adult_from, struct instant now, struct fail *f)
{
    s->teen_from = teen_from;
    s->adult_from = adult_from;
    s->band = subject_band_at(teen_from, adult_from, now);
    s->state = s->band == BAND_CHILD ? SUBJECT_AWAITING_GUARDIAN : SUBJECT_ACTIVE;
    return store_run(st, Q_SUBJECT_AGE,
                     ARGS(ARG_B(id_span(&s->id)), ARG_I(teen_from.ms), ARG_I(adult_from.ms), ARG_I(s->state)),
                     NULL, f);
}

enum err device_age_get(struct store *st, struct span mac, struct instant now, bool *child,
                        struct instant *teen_from, struct instant *adult_from, struct fail *f)
{
    struct store_rows rows;
    bool found = store_one(st, Q_DEVICE_AGE_GET, ARGS(ARG_B(mac)), &rows, f);
    enum err e = found ? OK : rows.err;
    *child = found && store_i(&rows, 0) > now.ms;
    if (*child) {
        teen_from->ms = store_i(&rows, 0);
        adult_from->ms = store_i(&rows, 1);
    }
    store_done(&rows);
    return e;
}

enum err device_age_put(struct store *st, struct span mac, const struct subject *s, struct instant now,
                        struct fail *f)
{
    enum err e = store_run(st, Q_DEVICE_AGE_SWEEP, ARGS(ARG_I(now.ms)), NULL, f);
    if (e)
        return e;
    return store_run(st, Q_DEVICE_AGE_PUT, ARGS(ARG_B(mac), ARG_I(s->teen_from.ms), ARG_I(s->adult_from.ms)),
                     NULL, f);
}

enum err subject_each(struct store *st, void (*each)(void *ctx, const struct subject *s), void *ctx,
                      struct instant now, struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(st, Q_SUBJECT_ALL, NO_ARGS, &rows, f);
    if (e)
        return e;
    while (store_next(&rows, f)) {
        struct subject s = {
            .sid = store_i(&rows, 1), .teen_from = {store_i(&rows, 2)}, .adult_from = {store_i(&rows, 3)}};
        struct span id = store_t(&rows, 0);
        if (id.len == ID_LEN)
            memcpy(s.id.b, id.p, ID_LEN);
        s.band = subject_band_at(s.teen_from, s.adult_from, now);
        each(ctx, &s);
    }
    e = rows.err;
    store_done(&rows);
    return e;
}

enum err subject_of_sid(struct store *st, int64_t sid, struct subject_id *out, struct fail *f)
{
    struct store_rows rows;
    if (!store_one(st, Q_SUBJECT_OF_SID, ARGS(ARG_I(sid)), &rows, f))
        return rows.err ? rows.err
                        : fail_set(f, ERR_NOT_FOUND, "there is no person row %lld", (long long)sid);
    struct span id = store_t(&rows, 0);
    bool ok = id.len == ID_LEN;
    if (ok)
        memcpy(out->b, id.p, ID_LEN);
    store_done(&rows);
    return ok ? OK : fail_set(f, ERR_CORRUPT, "person row %lld has no id", (long long)sid);
}

enum err subject_grown(struct store *st, struct instant now, size_t most, struct subject_id *out, size_t *n,
                       struct fail *f)
{
    struct store_rows rows;
    *n = 0;
    enum err e = store_query(st, Q_SUBJECT_GROWN, ARGS(ARG_I(now.ms), ARG_I(most)), &rows, f);
    if (e)
        return e;
    while (*n < most && store_next(&rows, f))
        if (store_t(&rows, 0).len == ID_LEN)
            memcpy(out[(*n)++].b, store_t(&rows, 0).p, ID_LEN);
    e = rows.err;
    store_done(&rows);
    return e;
}

enum err subject_grown_done(struct store *st, const struct subject *s, struct fail *f)
{
    return store_run(st, Q_SUBJECT_TEEN_PAST, ARGS(ARG_B(span_of(s->id.b, ID_LEN))), NULL, f);
}

/* ---- Erasing */

/* Every table of persons by its key; a table missing here is found by the test that counts what is left. */
static const struct {
    enum store_query_id q;
    bool by_id; /* keyed by the id, not the sid */
} erase_rows[] = {
    {Q_ERASE_SERVICES, false},  {Q_ERASE_GUARDIANS, false},  {Q_WARDS_EPOCH, true},
    {Q_ERASE_WARDS, true},      {Q_ERASE_VALUES, false},     {Q_ERASE_INDEX, false},
    {Q_ERASE_CONSENTS, false},  {Q_ERASE_SHARES, false},     {Q_ERASE_HOLDS, false},
    {Q_ERASE_PURCHASES, false}, {Q_ERASE_HAPPENINGS, false}, {Q_ERASE_COPIES, true},
    {Q_ERASE_SUBJECT, true},
};

enum err subject_erase(struct store *st, const struct subject *s, struct instant now, struct fail *f)
{
    for (size_t i = 0; i < sizeof erase_rows / sizeof erase_rows[0]; i++) {
        struct store_arg key = erase_rows[i].by_id ? ARG_B(id_span(&s->id)) : ARG_I(s->sid);
        enum err e = store_run(st, erase_rows[i].q, &key, 1, NULL, f);
        if (e)
            return e;
    }
    return store_run(st, Q_ERASED_ADD, ARGS(ARG_B(id_span(&s->id)), ARG_I(now.ms)), NULL, f);
}

/* ---- Services and guardians */

enum err subject_service_add(struct store *st, const struct subject *s, struct span service,
                             struct instant now, struct fail *f)
{
    return store_run(st, Q_SERVICE_USED, ARGS(ARG_I(s->sid), ARG_T(service), ARG_I(now.ms)), NULL, f);
}

enum err subject_service_end(struct store *st, const struct subject *s, struct span service, bool *found,
                             struct fail *f)
{
    int64_t rows = 0;
    enum err e = store_run(st, Q_SERVICE_LEFT, ARGS(ARG_I(s->sid), ARG_T(service)), &rows, f);
    *found = rows > 0;
    return e;
}

enum err subject_epoch_step(struct store *st, const struct subject *s, struct fail *f)
{
    return store_run(st, Q_SUBJECT_EPOCH, ARGS(ARG_B(span_of(s->id.b, sizeof s->id.b))), NULL, f);
}

enum err subject_uses(struct store *st, struct subject *s, struct span service, bool *out, struct fail *f)
{
    struct store_rows rows;
    *out = store_one(st, Q_SERVICE_USES, ARGS(ARG_I(s->sid), ARG_T(service)), &rows, f);
    s->unheld = *out && store_i(&rows, 1) == 0;
    enum err e = *out ? OK : rows.err;
    store_done(&rows);
    return e;
}

enum err subject_services(struct store *st, const struct subject *s, struct arena *a, struct span **out,
                          size_t *n, struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(st, Q_SERVICES_USED, ARGS(ARG_I(s->sid)), &rows, f);
    if (e)
        return e;
    *out = ARENA_ARRAY(a, SUBJECT_SERVICES_MAX, struct span);
    *n = 0;
    while (*n < SUBJECT_SERVICES_MAX && store_next(&rows, f))
        (*out)[(*n)++] = arena_copy(a, store_t(&rows, 0));
    e = rows.err;
    store_done(&rows);
    return e;
}

static enum err check_link(const struct subject *child, const struct subject *guardian, struct fail *f)
{
    if (subject_id_eq(child->id, guardian->id))
        return fail_set(f, ERR_BAD_VALUE, "nobody is their own guardian");
    if (guardian->band != BAND_ADULT)
        return fail_set(f, ERR_BAD_VALUE, "a guardian must be an adult");
    if (child->band == BAND_ADULT)
        return fail_set(f, ERR_BAD_VALUE, "an adult has no guardian here");
    return OK;
}

enum err guardian_add(struct store *st, const struct subject *child, const struct subject *guardian,
                      bool verified, struct span evidence, struct instant now, struct fail *f)
{
    struct arena *a = arena_new(0);
    struct guardian_link *links = NULL;
    size_t n = 0;
    bool known = false;
    enum err e = check_link(child, guardian, f);
    if (!e)
        e = guardian_list(st, child, a, &links, &n, f);
    for (size_t i = 0; i < n; i++)
        known |= subject_id_eq(links[i].guardian, guardian->id);
    arena_free(a);
    if (!e && !known && n >= SUBJECT_GUARDIANS_MAX)
        e = fail_set(f, ERR_LIMIT, "a person has at most %d guardians", SUBJECT_GUARDIANS_MAX);
    if (e)
        return e;
    return store_run(st, Q_GUARDIAN_PUT,
                     ARGS(ARG_I(child->sid), ARG_B(id_span(&guardian->id)), ARG_I(verified), ARG_I(now.ms),
                          ARG_T(evidence)),
                     NULL, f);
}

static struct guardian_link read_link(const struct store_rows *rows, struct arena *a)
{
    struct guardian_link link = {.verified = store_i(rows, 1) != 0, .since = {store_i(rows, 2)}};
    struct span id = store_t(rows, 0);
    if (id.len == ID_LEN)
        memcpy(link.guardian.b, id.p, ID_LEN);
    link.evidence = arena_copy(a, store_t(rows, 3));
    return link;
}

enum err guardian_list(struct store *st, const struct subject *child, struct arena *a,
                       struct guardian_link **out, size_t *n, struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(st, Q_GUARDIAN_LIST, ARGS(ARG_I(child->sid)), &rows, f);
    if (e)
        return e;
    *out = ARENA_ARRAY(a, SUBJECT_GUARDIANS_MAX, struct guardian_link);
    *n = 0;
    while (*n < SUBJECT_GUARDIANS_MAX && store_next(&rows, f))
        (*out)[(*n)++] = read_link(&rows, a);
    e = rows.err;
    store_done(&rows);
    return e;
}

enum err guardian_linked(struct store *st, const struct subject *child, struct subject_id guardian, bool *out,
                         struct fail *f)
{
    *out = false;
    if (child->band == BAND_ADULT)
        return OK;
    struct store_rows rows;
    bool found = store_one(st, Q_GUARDIAN_GET, ARGS(ARG_I(child->sid), ARG_B(id_span(&guardian))), &rows, f);
    *out = found && store_i(&rows, 0) != 0;
    enum err e = found ? OK : rows.err;
    store_done(&rows);
    return e;
}

enum err guardian_verified(struct store *st, const struct subject *child, struct subject_id guardian,
                           bool *out, struct fail *f)
{
    enum err e = guardian_linked(st, child, guardian, out, f);
    *out = *out && child->band == BAND_CHILD;
    return e;
}

/* ---- Pages of people */

enum err subject_walk(struct store *st, struct span service, int64_t after, size_t limit, int64_t *sids,
                      size_t *n, int64_t *next, struct fail *f)
{
    struct store_rows rows;
    *n = 0;
    *next = 0;
    if (!store_one(st, Q_WALK_END, NO_ARGS, &rows, f))
        return rows.err;
    int64_t end = store_i(&rows, 0), to = after < end - SUBJECT_WALK_KEYS ? after + SUBJECT_WALK_KEYS : end;
    store_done(&rows);
    enum err e = store_query(st, Q_WALK_SERVICE,
                             ARGS(ARG_I(after), ARG_I(to), ARG_T(service), ARG_I((int64_t)limit)), &rows, f);
    while (!e && store_next(&rows, f))
        sids[(*n)++] = store_i(&rows, 0);
    if (!e)
        e = rows.err;
    store_done(&rows);
    if (!e && *n == limit)
        to = sids[limit - 1];
    *next = to < end ? to : 0;
    return e;
}
