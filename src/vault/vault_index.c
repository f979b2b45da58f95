// SPDX-License-Identifier: Apache-2.0
/* The blind index: finding and keeping apart identifiers that are stored nowhere in clear. See vault.h. */
#include "vault_impl.h"

#include "text.h"
#include "vault_unicode.h"

/* The MAC of kind and normal form in lower case: Ann@ and ann@ are one mailbox everywhere that matters. */
static enum err normal_mac(const struct vault *v, struct arena *a, struct span kind, struct span normal,
                           uint8_t mac[MAC_LEN], struct fail *f)
{
    struct span lower = normal;
    enum err e = unicode_needed(normal) ? unicode_lower(a, normal, &lower, f) : OK;
    if (e)
        return e;
    struct span s = arena_fmt(a, "%.*s:%.*s", SPAN_F(kind), SPAN_F(lower));
    uint8_t *low = (uint8_t *)arena_str(a, s);
    for (size_t i = 0; i < s.len; i++)
        if (low[i] >= 'A' && low[i] <= 'Z')
            low[i] = (uint8_t)(low[i] + 32);
    key_mac(v->index, span_of(low, s.len), mac);
    crypto_wipe(low, s.len);
    crypto_wipe((void *)(uintptr_t)s.p, s.len);
    if (lower.p != normal.p)
        crypto_wipe((void *)(uintptr_t)lower.p, lower.len);
    return OK;
}

static enum err index_mac(const struct vault *v, struct span kind, struct span plain, uint8_t mac[MAC_LEN],
                          struct fail *f)
{
    struct arena *a = arena_new(0);
    struct span normal = SPAN_EMPTY;
    enum err e = vault_normalise(a, kind, plain, &normal, f);
    if (!e) {
        e = normal_mac(v, a, kind, normal, mac, f);
        crypto_wipe((void *)(uintptr_t)normal.p, normal.len);
    }
    arena_free(a);
    return e;
}

/* A zero byte ends each part but the last; neither names nor identifiers hold one. `use` keeps the MACs of
 * one use apart from those of another. */
static void parts_mac(const struct vault *v, const char *use, struct span first, struct span second,
                      struct span last, uint8_t mac[MAC_LEN])
{
    struct arena *a = arena_new(0);
    struct span parts[] = {span_str(use), first, second};
    struct text t = text_new(a, 64 + first.len + second.len + last.len);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        text_put(&t, parts[i]);
        text_char(&t, 0);
    }
    text_put(&t, last);
    key_mac(v->index, text_span(&t), mac);
    crypto_wipe(t.p, t.len);
    arena_free(a);
}

void vault_token(const struct vault *v, struct span audience, struct span field, struct span plain,
                 uint8_t out[16])
{
    uint8_t mac[MAC_LEN];
    parts_mac(v, "troth token", audience, field, plain, mac);
    memcpy(out, mac, 16);
}

void vault_import_mac(const struct vault *v, struct span name, struct span digest, uint8_t out[MAC_LEN])
{
    parts_mac(v, "troth import", name, SPAN_EMPTY, digest, out);
}

/* An identifier of a person: the rows are named "kind/field", those of before fields were named "kind". */
struct place {
    const struct vault_person *person;
    struct span kind, field, row;
};

/* Whose an identifier is, if it is somebody's, and what the person of the place has there already. */
struct owner {
    int64_t sid;
    bool found, in_field; /* in_field: of the row asked about */
    bool named, bare;     /* another or the same in the field; one without a field */
    uint8_t bare_mac[MAC_LEN];
};

/* `mac` is empty: nothing but the person's own is asked for. One person may have it in several fields. */
static enum err find(struct store *st, struct span mac, const struct place *at, struct owner *out,
                     struct fail *f)
{
    struct store_rows rows;
    *out = (struct owner){0};
    enum err e =
        store_query(st, Q_INDEX_FIND_OWN,
                    ARGS(ARG_B(mac), ARG_I(at->person->sid), ARG_T(at->kind), ARG_T(at->row)), &rows, f);
    if (e)
        return e;
    while (store_next(&rows, f)) {
        struct span kind = store_t(&rows, 1), there = store_t(&rows, 2);
        bool own = store_i(&rows, 0) == at->person->sid;
        if (crypto_equal(there, mac)) {
            out->found = true;
            out->sid = store_i(&rows, 0);
            out->in_field |= span_eq(kind, at->row);
        }
        out->named |= own && span_eq(kind, at->row);
        if (own && span_eq(kind, at->kind) && there.len == MAC_LEN) {
            out->bare = true;
            memcpy(out->bare_mac, there.p, MAC_LEN);
        }
    }
    e = rows.err;
    store_done(&rows);
    return e;
}

static enum err taken(struct span kind, struct fail *f)
{
    return fail_set(f, ERR_TAKEN, "this %.*s already belongs to an account", SPAN_F(kind));
}

/* ---- A row without a field belongs to the field whose value it is of */

/* It was stored in its normal form of then, which may not be that of now. */
static bool is_value(const struct vault *v, struct arena *a, struct span kind, const struct value *value,
                     const uint8_t mac[MAC_LEN])
{
    uint8_t then[MAC_LEN], now[MAC_LEN];
    struct fail unfit = {0};
    struct span want = span_of(mac, MAC_LEN);
    bool is = !value->item.len && normal_mac(v, a, kind, value->plain, then, &unfit) == OK &&
              crypto_equal(span_of(then, MAC_LEN), want);
    is |= !value->item.len && index_mac(v, kind, value->plain, now, &unfit) == OK &&
          crypto_equal(span_of(now, MAC_LEN), want);
    crypto_wipe((void *)(uintptr_t)value->plain.p, value->plain.len);
    return is;
}

/* What cannot be opened is not known to be the one: then the row stays, and nobody else gets the identifier.
 */
static enum err bare_is_ours(struct vault *v, struct store *st, const struct place *at,
                             const uint8_t mac[MAC_LEN], bool *out, struct fail *f)
{
    struct arena *a = arena_new(0);
    struct person_key *key = NULL;
    struct value *values = NULL;
    struct fail why = {0};
    size_t n = 0;
    *out = false;
    enum err e = vault_key_open(v, st, at->person, &key, &why);
    if (!e)
        e = vault_get(st, at->person, key, at->field, SPAN_EMPTY, a, &values, &n, &why);
    for (size_t i = 0; !e && i < n; i++)
        *out |= is_value(v, a, at->kind, &values[i], mac);
    vault_key_close(key);
    arena_free(a);
    if (e && e != ERR_GONE && e != ERR_INTEGRITY)
        return fail_set(f, e, "%s", why.detail);
    return OK;
}

static enum err drop_row(struct store *st, const struct vault_person *s, struct span row, struct fail *f)
{
    return store_run(st, Q_INDEX_DROP, ARGS(ARG_I(s->sid), ARG_T(row)), NULL, f);
}

static enum err drop(struct vault *v, struct store *st, const struct place *at, const struct owner *owner,
                     struct fail *f)
{
    bool ours = false; /* a field that has a row of its own has no other */
    enum err e = drop_row(st, at->person, at->row, f);
    if (!e && owner->bare && !owner->named)
        e = bare_is_ours(v, st, at, owner->bare_mac, &ours, f);
    return !e && ours ? drop_row(st, at->person, at->kind, f) : e;
}

/* Two fields of one form have rows of different keys, so the table does not keep two persons apart. What does
 * is that nobody comes in between find and here: in a file there is one who writes; on a server a group is
 * SERIALIZABLE, and one of two that looked for an identifier and then added it is done again. */
static enum err add(struct store *st, const struct place *at, const uint8_t mac[MAC_LEN], struct fail *f)
{
    struct fail clash = {0};
    enum err e = store_run(st, Q_INDEX_ADD,
                           ARGS(ARG_B(span_of(mac, MAC_LEN)), ARG_T(at->row), ARG_I(at->person->sid),
                                ARG_B(person_id(at->person))),
                           NULL, &clash);
    if (e == ERR_CONFLICT)
        return taken(at->kind, f);
    return e ? fail_set(f, e, "%s", clash.detail) : OK;
}

static struct place place_of(struct arena *a, const struct vault_person *s, struct span kind,
                             struct span field)
{
    return (struct place){s, kind, field, arena_fmt(a, "%.*s/%.*s", SPAN_F(kind), SPAN_F(field))};
}

enum err vault_index_put(struct vault *v, struct store *st, const struct vault_person *s, struct span kind,
                         struct span field, struct span plain, struct fail *f)
{
    uint8_t mac[MAC_LEN];
    struct owner owner;
    struct arena *a = arena_new(0);
    struct place at = place_of(a, s, kind, field);
    enum err e = index_mac(v, kind, plain, mac, f);
    if (!e)
        e = find(st, span_of(mac, MAC_LEN), &at, &owner, f);
    if (!e && owner.found && owner.sid != s->sid)
        e = taken(kind, f);
    if (!e && !owner.in_field)
        e = drop(v, st, &at, &owner, f);
    if (!e && !owner.in_field)
        e = add(st, &at, mac, f);
    arena_free(a);
    return e;
}

enum err vault_index_drop(struct vault *v, struct store *st, const struct vault_person *s, struct span kind,
                          struct span field, struct fail *f)
{
    struct owner owner;
    struct arena *a = arena_new(0);
    struct place at = place_of(a, s, kind, field);
    enum err e = find(st, SPAN_EMPTY, &at, &owner, f);
    if (!e)
        e = drop(v, st, &at, &owner, f);
    arena_free(a);
    return e;
}

enum err vault_index_find(struct vault *v, struct store *st, struct span kind, struct span plain,
                          struct subject_id *out, struct fail *f)
{
    uint8_t mac[MAC_LEN];
    struct store_rows rows;
    enum err e = index_mac(v, kind, plain, mac, f);
    if (e)
        return e;
    *out = (struct subject_id){0};
    bool found = store_one(st, Q_INDEX_FIND, ARGS(ARG_B(span_of(mac, MAC_LEN))), &rows, f);
    if (found && store_t(&rows, 1).len == ID_LEN)
        memcpy(out->b, store_t(&rows, 1).p, ID_LEN);
    e = rows.err;
    store_done(&rows);
    return e || found ? e : fail_set(f, ERR_NOT_FOUND, "there is no such person");
}

/* "device:" keeps these apart from the MACs of identifiers. */
void vault_device_mac(const struct vault *v, struct span device, uint8_t out[MAC_LEN])
{
    struct arena *a = arena_new(0);
    key_mac(v->index, arena_fmt(a, "device:%.*s", SPAN_F(device)), out);
    arena_free(a);
}
