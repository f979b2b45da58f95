// SPDX-License-Identifier: Apache-2.0
/* The registers and the list of shares in the store. See share.h. */
#include "share.h"

#include "crypto.h"

/* ---- Loading */

static void read_service(const struct store_rows *rows, struct arena *a, struct service *s)
{
    s->name = arena_copy(a, store_t(rows, 0));
    s->class_name = arena_copy(a, store_t(rows, 1));
    s->title = arena_copy(a, store_t(rows, 2));
    struct span token = store_t(rows, 3);
    if (token.len == sizeof s->token.b)
        memcpy(s->token.b, token.p, token.len);
    s->sources = arena_copy(a, store_t(rows, 4));
    s->lenient = store_i(rows, 5) != 0;
    s->ended.ms = store_i(rows, 6);
    s->required = arena_copy(a, store_t(rows, 7));
    s->aim = arena_copy(a, store_t(rows, 8));
    s->necessity = arena_copy(a, store_t(rows, 9));
    s->closing.ms = store_i(rows, 10);
}

static void read_recipient(const struct store_rows *rows, struct arena *a, struct recipient *r)
{
    r->name = arena_copy(a, store_t(rows, 0));
    r->class_name = arena_copy(a, store_t(rows, 1));
    r->title = arena_copy(a, store_t(rows, 2));
    r->country = arena_copy(a, store_t(rows, 3));
    r->suspended = store_i(rows, 4) != 0;
}

static enum err load_services(struct store *st, struct arena *a, struct registers *r, struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(st, Q_SERVICE_ALL, NO_ARGS, &rows, f);
    if (e)
        return e;
    r->services = ARENA_ARRAY(a, SERVICES_MAX, struct service);
    while (r->n_services < SERVICES_MAX && store_next(&rows, f))
        read_service(&rows, a, &r->services[r->n_services++]);
    e = rows.err;
    store_done(&rows);
    return e;
}

static enum err count_recipients(struct store *st, size_t *n, struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(st, Q_RECIPIENT_ALL, NO_ARGS, &rows, f);
    if (e)
        return e;
    for (*n = 0; *n < RECIPIENTS_MAX && store_next(&rows, f);)
        ++*n;
    e = rows.err;
    store_done(&rows);
    return e;
}

static enum err load_recipients(struct store *st, struct arena *a, struct registers *r, struct fail *f)
{
    size_t n;
    struct store_rows rows;
    enum err e = count_recipients(st, &n, f);
    if (!e)
        e = store_query(st, Q_RECIPIENT_ALL, NO_ARGS, &rows, f);
    if (e)
        return e;
    r->recipients = ARENA_ARRAY(a, n, struct recipient);
    while (r->n_recipients < n && store_next(&rows, f))
        read_recipient(&rows, a, &r->recipients[r->n_recipients++]);
    e = rows.err;
    store_done(&rows);
    return e;
}

static struct recipient *owner(struct registers *r, struct span name)
{
    for (size_t i = 0; i < r->n_recipients; i++)
        if (span_eq(r->recipients[i].name, name))
            return &r->recipients[i];
    return NULL;
}

static void read_paper(const struct store_rows *rows, struct arena *a, struct recipient *r)
{
    if (!r || r->n_papers == PAPERS_MAX)
        return;
    r->papers[r->n_papers++] = (struct paper){.kind = arena_copy(a, store_t(rows, 1)),
                                              .reference = arena_copy(a, store_t(rows, 2)),
                                              .from = {store_i(rows, 3)},
                                              .until = {store_i(rows, 4)}};
}

static void read_grant(const struct store_rows *rows, struct arena *a, struct recipient *r)
{
    if (!r || r->n_grants == GRANTS_MAX)
        return;
    r->grants[r->n_grants++] = (struct grant){.purpose = arena_copy(a, store_t(rows, 1)),
                                              .fields = arena_copy(a, store_t(rows, 2)),
                                              .from = {store_i(rows, 3)},
                                              .until = {store_i(rows, 4)}};
}

static enum err load_owned(struct store *st, enum store_query_id q, struct arena *a, struct registers *r,
                           void (*read)(const struct store_rows *, struct arena *, struct recipient *),
                           struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(st, q, NO_ARGS, &rows, f);
    if (e)
        return e;
    while (store_next(&rows, f))
        read(&rows, a, owner(r, store_t(&rows, 0)));
    e = rows.err;
    store_done(&rows);
    return e;
}

enum err registers_load(struct store *st, struct arena *a, struct registers **out, struct fail *f)
{
    struct registers *r = ARENA_NEW(a, struct registers);
    enum err e = load_services(st, a, r, f);
    if (!e)
        e = load_recipients(st, a, r, f);
    if (!e)
        e = load_owned(st, Q_PAPER_ALL, a, r, read_paper, f);
    if (!e)
        e = load_owned(st, Q_GRANT_ALL, a, r, read_grant, f);
    *out = r;
    return e;
}

/* ---- Changing */

enum err service_put(struct store *st, const struct service *s, struct fail *f)
{
    int64_t closing = s->ended.ms < INSTANT_FOREVER.ms ? s->closing.ms : INSTANT_FOREVER.ms;
    return store_run(st, Q_SERVICE_PUT,
                     ARGS(ARG_T(s->name), ARG_T(s->class_name), ARG_T(s->title),
                          ARG_B(span_of(s->token.b, sizeof s->token.b)), ARG_T(s->sources), ARG_I(s->lenient),
                          ARG_I(s->ended.ms), ARG_T(s->required), ARG_T(s->aim), ARG_T(s->necessity),
                          ARG_I(closing)),
                     NULL, f);
}

enum err recipient_put(struct store *st, const struct recipient *r, struct fail *f)
{
    return store_run(
        st, Q_RECIPIENT_PUT,
        ARGS(ARG_T(r->name), ARG_T(r->class_name), ARG_T(r->title), ARG_T(r->country), ARG_I(r->suspended)),
        NULL, f);
}

enum err recipient_suspended(struct store *st, struct span recipient, bool *out, struct fail *f)
{
    struct store_rows rows;
    bool found = store_one(st, Q_RECIPIENT_GET, ARGS(ARG_T(recipient)), &rows, f);
    enum err e = found ? OK : rows.err;
    *out = found && store_i(&rows, 0) != 0;
    store_done(&rows);
    return e;
}

static enum err must_exist(struct store *st, struct span recipient, struct fail *f)
{
    struct store_rows rows;
    bool found = store_one(st, Q_RECIPIENT_GET, ARGS(ARG_T(recipient)), &rows, f);
    enum err e = found ? OK : rows.err;
    store_done(&rows);
    if (found || e)
        return e;
    fail_hint(f, "add the recipient first");
    return fail_set(f, ERR_UNKNOWN_NAME, "recipient '%.*s' is not registered", SPAN_F(recipient));
}

enum err recipient_paper_put(struct store *st, struct span recipient, const struct paper *p, struct fail *f)
{
    enum err e = must_exist(st, recipient, f);
    if (e)
        return e;
    return store_run(
        st, Q_PAPER_PUT,
        ARGS(ARG_T(recipient), ARG_T(p->kind), ARG_T(p->reference), ARG_I(p->from.ms), ARG_I(p->until.ms)),
        NULL, f);
}

/* The policy's spelling of a name: '.' and '_' are read as '-'. */
static struct span spelled(struct arena *a, struct span s)
{
    char *out = arena_str(a, s);
    for (size_t i = 0; i < s.len; i++)
        if (out[i] == '.' || out[i] == '_')
            out[i] = '-';
    return span_of(out, s.len);
}

static enum err check_grant(struct span purpose, struct span fields, struct fail *f)
{
    if (span_trim(purpose).len == 0)
        return fail_set(f, ERR_MISSING_MEMBER, "a grant states its purpose");
    if (span_trim(fields).len == 0)
        return fail_set(f, ERR_MISSING_MEMBER, "a grant lists its fields one by one");
    if (span_find(fields, '*', 0) < fields.len || span_is(span_trim(fields), "any"))
        return fail_set(f, ERR_WILDCARD,
                        "a grant lists its fields one by one; there is no grant of everything");
    return OK;
}

enum err recipient_grant_put(struct store *st, struct span recipient, const struct grant *g, struct fail *f)
{
    enum err e = check_grant(g->purpose, g->fields, f);
    if (!e)
        e = must_exist(st, recipient, f);
    if (e)
        return e;
    struct arena *a = arena_new(0);
    e = store_run(st, Q_GRANT_PUT,
                  ARGS(ARG_T(recipient), ARG_T(spelled(a, span_trim(g->purpose))),
                       ARG_T(spelled(a, g->fields)), ARG_I(g->from.ms), ARG_I(g->until.ms)),
                  NULL, f);
    arena_free(a);
    return e;
}

/* ---- Shares */

enum err share_add(struct store *st, int64_t sid, struct share_row *row, struct fail *f)
{
    crypto_random(row->id.b, ID_LEN);
    return store_run(st, Q_SHARE_ADD,
                     ARGS(ARG_I(sid), ARG_B(span_of(row->id.b, ID_LEN)), ARG_T(row->recipient),
                          ARG_T(row->purpose), ARG_T(row->basis), ARG_T(row->fields), ARG_T(row->clause),
                          ARG_T(row->evidence), ARG_I(row->time.ms)),
                     NULL, f);
}

static void read_share(const struct store_rows *rows, struct arena *a, struct share_row *row)
{
    struct span id = store_t(rows, 0);
    if (id.len == ID_LEN)
        memcpy(row->id.b, id.p, ID_LEN);
    row->recipient = arena_copy(a, store_t(rows, 1));
    row->purpose = arena_copy(a, store_t(rows, 2));
    row->basis = arena_copy(a, store_t(rows, 3));
    row->fields = arena_copy(a, store_t(rows, 4));
    row->clause = arena_copy(a, store_t(rows, 5));
    row->evidence = arena_copy(a, store_t(rows, 6));
    row->time.ms = store_i(rows, 7);
}

enum err share_list(struct store *st, int64_t sid, struct arena *a, struct share_row **out, size_t *n,
                    struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(st, Q_SHARE_LIST, ARGS(ARG_I(sid)), &rows, f);
    if (e)
        return e;
    *out = ARENA_ARRAY(a, SHARES_MAX, struct share_row);
    *n = 0;
    while (*n < SHARES_MAX && store_next(&rows, f))
        read_share(&rows, a, &(*out)[(*n)++]);
    e = rows.err;
    store_done(&rows);
    return e;
}
