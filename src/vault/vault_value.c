// SPDX-License-Identifier: Apache-2.0
/* Sealed values. See vault.h. */
#include "vault_impl.h"

#include "log.h"

#include <stdlib.h>

/* The (subject, field, item, version) a value is bound to; the item, of open length, comes last. */
static struct bind bind_value(const struct vault_person *s, int64_t field, int64_t version, struct span item)
{
    struct bind b = bind_start("troth value");
    bind_put(&b, person_id(s));
    bind_put_i64(&b, field);
    bind_put_i64(&b, version);
    bind_put(&b, item);
    return b;
}

/* ---- Numbers of fields */

static enum err field_number_or_new(struct store *st, struct span name, int64_t *out, struct fail *f)
{
    enum err e = store_field_number(st, name, out, f);
    if (e || *out)
        return e;
    e = store_run(st, Q_FIELD_ADD, ARGS(ARG_T(name)), NULL, f);
    return e ? e : store_field_number(st, name, out, f);
}

/* ---- Writing */

static enum err version_before(struct store *st, const struct vault_person *s, int64_t field,
                               struct span item, int64_t *version, struct fail *f)
{
    struct store_rows rows;
    bool found = store_one(st, Q_VALUE_VERSION, ARGS(ARG_I(s->sid), ARG_I(field), ARG_T(item)), &rows, f);
    *version = found ? store_i(&rows, 0) : 0;
    enum err e = found ? OK : rows.err;
    store_done(&rows);
    return e;
}

static enum err check_size(const struct value *v, struct fail *f)
{
    if (v->plain.len > VALUE_MAX)
        return fail_set(f, ERR_BAD_VALUE, "the value is longer than %d bytes", VALUE_MAX);
    if (v->item.len > VALUE_ITEM_MAX)
        return fail_set(f, ERR_BAD_VALUE, "the item's name is longer than %d bytes", VALUE_ITEM_MAX);
    return OK;
}

enum err vault_put(struct store *st, const struct vault_person *s, const struct person_key *k,
                   const struct value *v, int64_t before, struct fail *f)
{
    int64_t field = 0;
    uint8_t sealed[VALUE_MAX + SEAL_EXTRA];
    enum err e = check_size(v, f);
    if (!e)
        e = field_number_or_new(st, v->field, &field, f);
    if (!e && before == VALUE_VERSION_ASK)
        e = version_before(st, s, field, v->item, &before, f);
    if (e)
        return e;
    int64_t version = before + 1;
    struct bind b = bind_value(s, field, version, v->item);
    e = key_seal(k->data, bind_span(&b), v->plain, sealed, f);
    if (e)
        return e;
    const struct provenance *p = &v->from;
    return store_run(st, Q_VALUE_PUT,
                     ARGS(ARG_I(s->sid), ARG_I(field), ARG_T(v->item), ARG_I(version),
                          ARG_B(span_of(sealed, v->plain.len + SEAL_EXTRA)), ARG_T(p->source),
                          ARG_T(p->service), ARG_T(p->purpose), ARG_T(p->supplier), ARG_T(p->region),
                          ARG_I(p->time.ms), ARG_I(p->keep_until.ms), ARG_I(p->revision)),
                     NULL, f);
}

enum err vault_delete(struct store *st, const struct vault_person *s, struct span field, struct span item,
                      int64_t *deleted, struct fail *f)
{
    int64_t number;
    *deleted = 0;
    enum err e = store_field_number(st, field, &number, f);
    if (e || number == 0)
        return e;
    if (item.len)
        return store_run(st, Q_VALUE_DELETE_ITEM, ARGS(ARG_I(s->sid), ARG_I(number), ARG_T(item)), deleted,
                         f);
    return store_run(st, Q_VALUE_DELETE, ARGS(ARG_I(s->sid), ARG_I(number)), deleted, f);
}

/* ---- Reading */

/* R116: never wrong data. Rows are named by number: the alert holds nothing of the person. */
static enum err altered(const struct vault_person *s, int64_t field, struct fail *f)
{
    log_line(LOG_LVL_ERROR, "vault",
             "ALERT integrity: value of person row %lld, field number %lld does not open", (long long)s->sid,
             (long long)field);
    return fail_set(f, ERR_INTEGRITY,
                    "a stored value failed its integrity check (person row %lld, field number %lld)",
                    (long long)s->sid, (long long)field);
}

static enum err open_value(const struct vault_person *s, const struct person_key *k, int64_t field,
                           struct span sealed, struct arena *a, struct value *v, struct fail *f)
{
    if (sealed.len < SEAL_EXTRA || v->item.len > VALUE_ITEM_MAX)
        return altered(s, field, f);
    struct bind b = bind_value(s, field, v->version, v->item);
    uint8_t *plain = arena_alloc(a, sealed.len - SEAL_EXTRA); /* wiped with the arena */
    if (key_open(k->data, bind_span(&b), sealed, plain, NULL))
        return altered(s, field, f);
    v->plain = span_of(plain, sealed.len - SEAL_EXTRA);
    memcpy(v->mark.b, sealed.p + 1, sizeof v->mark.b); /* of the nonce (crypto.h) */
    return OK;
}

static struct provenance read_provenance(const struct store_rows *rows, unsigned from, struct arena *a)
{
    return (struct provenance){.source = arena_copy(a, store_t(rows, from)),
                               .service = arena_copy(a, store_t(rows, from + 1)),
                               .purpose = arena_copy(a, store_t(rows, from + 2)),
                               .supplier = arena_copy(a, store_t(rows, from + 3)),
                               .region = arena_copy(a, store_t(rows, from + 4)),
                               .time = {store_i(rows, from + 5)},
                               .keep_until = {store_i(rows, from + 6)},
                               .revision = (uint32_t)store_i(rows, from + 7)};
}

/* Rows come one at a time and their number is not known before: the list doubles. */
static struct value *list_add(struct value **list, size_t *n, size_t *cap, struct arena *a)
{
    if (*n == *cap) {
        size_t wider = *cap ? *cap * 2 : 4;
        struct value *grown = ARENA_ARRAY(a, wider, struct value);
        if (*n)
            memcpy(grown, *list, *n * sizeof **list);
        *list = grown;
        *cap = wider;
    }
    return &(*list)[(*n)++];
}

static enum err query_values(struct store *st, const struct vault_person *s, int64_t field, struct span item,
                             struct store_rows *rows, struct fail *f)
{
    if (item.len)
        return store_query(st, Q_VALUE_GET_ITEM, ARGS(ARG_I(s->sid), ARG_I(field), ARG_T(item)), rows, f);
    return store_query(st, Q_VALUE_GET, ARGS(ARG_I(s->sid), ARG_I(field)), rows, f);
}

enum err vault_get(struct store *st, const struct vault_person *s, const struct person_key *k,
                   struct span field, struct span item, struct arena *a, struct value **out, size_t *n,
                   struct fail *f)
{
    struct store_rows rows;
    int64_t number;
    size_t cap = 0;
    *out = NULL;
    *n = 0;
    enum err e = store_field_number(st, field, &number, f);
    if (e || number == 0)
        return e;
    e = query_values(st, s, number, item, &rows, f);
    if (e)
        return e;
    while (!e && store_next(&rows, f)) {
        struct value *v = list_add(out, n, &cap, a);
        v->field = field;
        v->item = arena_copy(a, store_t(&rows, 0));
        v->version = (uint32_t)store_i(&rows, 1);
        v->from = read_provenance(&rows, 3, a);
        e = open_value(s, k, number, store_t(&rows, 2), a, v, f);
    }
    if (!e)
        e = rows.err;
    store_done(&rows);
    return e;
}

enum err vault_list(struct store *st, const struct vault_person *s, struct arena *a, struct value **out,
                    size_t *n, struct fail *f)
{
    struct store_rows rows;
    size_t cap = 0;
    *out = NULL;
    *n = 0;
    enum err e = store_query(st, Q_VALUE_LIST, ARGS(ARG_I(s->sid)), &rows, f);
    if (e)
        return e;
    while (store_next(&rows, f)) {
        struct value *v = list_add(out, n, &cap, a);
        v->field = arena_copy(a, store_t(&rows, 0));
        v->item = arena_copy(a, store_t(&rows, 1));
        v->version = (uint32_t)store_i(&rows, 2);
        v->from = read_provenance(&rows, 3, a);
    }
    e = rows.err;
    store_done(&rows);
    return e;
}

enum err vault_held(struct store *st, const struct vault_person *s, struct span field, bool *out,
                    struct fail *f)
{
    struct store_rows rows;
    int64_t number;
    *out = false;
    enum err e = store_field_number(st, field, &number, f);
    if (e || number == 0)
        return e;
    *out = store_one(st, Q_VALUE_HELD, ARGS(ARG_I(s->sid), ARG_I(number)), &rows, f);
    e = *out ? OK : rows.err;
    store_done(&rows);
    return e;
}

/* ---- Without opening, or later */

static struct value_place *place_add(struct value_place **list, size_t *n, size_t *cap, struct arena *a)
{
    if (*n == *cap) {
        *cap = *cap ? *cap * 2 : 8;
        struct value_place *wider = ARENA_ARRAY(a, *cap, struct value_place);
        if (*n)
            memcpy(wider, *list, *n * sizeof *wider);
        *list = wider;
    }
    return &(*list)[(*n)++];
}

/* What is asked for, in names and numbers. */
struct wanted {
    const struct span *names;
    int64_t *numbers;
    size_t n;
    struct span item;
    bool brief;
};

/* The place of the field in the list of those asked for, or their number. */
static size_t wanted_at(const struct wanted *w, int64_t number)
{
    size_t i = 0;
    while (i < w->n && w->numbers[i] != number)
        i++;
    return i;
}

/* Comes also from behind as many as are looked at in one go. */
static bool is_wanted(const struct store_rows *rows, const struct wanted *w)
{
    return wanted_at(w, store_i(rows, 0)) < w->n || (w->item.len && span_eq(store_t(rows, 1), w->item));
}

/* The columns of Q_VALUE_BRIEF and Q_VALUE_ALL part ways after the fourth. */
static void read_origin(const struct store_rows *rows, const struct wanted *w, bool whole, struct arena *a,
                        struct provenance *p)
{
    if (w->brief) {
        p->service = arena_copy(a, store_t(rows, 4));
        p->time.ms = store_i(rows, 5);
        p->keep_until.ms = store_i(rows, 6);
    } else if (whole) {
        *p = read_provenance(rows, 4, a);
    } else {
        p->service = arena_copy(a, store_t(rows, 5));
    }
}

static enum err read_place(const struct store_rows *rows, const struct wanted *w, struct arena *a,
                           struct value_place *p, struct fail *f)
{
    p->number = store_i(rows, 0);
    size_t at = wanted_at(w, p->number);
    bool whole = at < w->n;
    p->value.item = arena_copy(a, store_t(rows, 1));
    p->value.version = (uint32_t)store_i(rows, 2);
    p->sealed = whole ? arena_copy(a, store_t(rows, 3)) : SPAN_EMPTY;
    read_origin(rows, w, whole, a, &p->value.from);
    if (!whole)
        return store_field_name(rows->st, p->number, a, &p->value.field, f);
    p->value.field = w->names[at];
    return OK;
}

static int by_field(const void *a, const void *b)
{
    const struct value_place *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return span_cmp(x->value.item, y->value.item);
}

/* Files give rows in the order in which values first came: mostly that of the fields as well. */
static void put_in_order(struct value_place *p, size_t n)
{
    size_t i = 1;
    while (i < n && by_field(&p[i - 1], &p[i]) < 0)
        i++;
    if (i < n)
        qsort(p, n, sizeof *p, by_field);
}

enum err vault_places(struct store *st, const struct vault_person *s, const struct span *fields,
                      size_t n_fields, struct span item, bool brief, struct arena *a,
                      struct value_place **out, size_t *n, struct fail *f)
{
    struct store_rows rows;
    size_t cap = 0;
    struct wanted w = {fields, ARENA_ARRAY(a, n_fields, int64_t), n_fields, item, brief};
    enum err e = OK;
    *out = NULL;
    *n = 0;
    for (size_t i = 0; !e && i < n_fields; i++)
        e = store_field_number(st, fields[i], &w.numbers[i], f);
    if (!e)
        e = store_query(st, brief ? Q_VALUE_BRIEF : Q_VALUE_ALL, ARGS(ARG_I(s->sid)), &rows, f);
    if (e)
        return e;
    while (!e && store_next(&rows, f))
        if (*n < VALUE_PLACES_MAX || is_wanted(&rows, &w))
            e = read_place(&rows, &w, a, place_add(out, n, &cap, a), f);
    if (!e)
        e = rows.err;
    store_done(&rows);
    if (!e && !rows.on_pg) /* a server gave them in order, by its own rule for texts */
        put_in_order(*out, *n);
    return e;
}

enum err vault_open_place(const struct vault_person *s, const struct person_key *k, struct value_place *p,
                          struct arena *a, struct fail *f)
{
    return open_value(s, k, p->number, p->sealed, a, &p->value, f);
}
