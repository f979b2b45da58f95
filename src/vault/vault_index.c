// SPDX-License-Identifier: Apache-2.0
/* The blind index: finding and keeping apart identifiers that are stored nowhere in clear. See vault.h. */
#include "vault_impl.h"

#include "text.h"
#include "vault_unicode.h"

/* The MAC of kind and normal form in lower case: Ann@ and ann@ are one mailbox everywhere that matters. */
static enum err index_mac(const struct vault *v, struct span kind, struct span plain, uint8_t mac[MAC_LEN],
                          struct fail *f)
{
    struct arena *a = arena_new(0);
    struct span normal = SPAN_EMPTY;
    enum err e = vault_normalise(a, kind, plain, &normal, f);
    if (!e && unicode_needed(normal))
        e = unicode_lower(a, normal, &normal, f);
    if (!e) {
        struct span s = arena_fmt(a, "%.*s:%.*s", SPAN_F(kind), SPAN_F(normal));
        uint8_t *low = (uint8_t *)arena_str(a, s);
        for (size_t i = 0; i < s.len; i++)
            if (low[i] >= 'A' && low[i] <= 'Z')
                low[i] = (uint8_t)(low[i] + 32);
        key_mac(v->index, span_of(low, s.len), mac);
        crypto_wipe(low, s.len);
        crypto_wipe((void *)(uintptr_t)s.p, s.len);
        crypto_wipe((void *)(uintptr_t)normal.p, normal.len);
    }
    arena_free(a);
    return e;
}

void vault_token(const struct vault *v, struct span audience, struct span field, struct span plain,
                 uint8_t out[16])
{
    uint8_t mac[MAC_LEN];
    struct arena *a = arena_new(0);
    /* A zero byte ends each part but the last; neither names nor identifiers hold one. */
    struct span parts[] = {SPAN("troth token"), audience, field};
    struct text t = text_new(a, 64 + audience.len + field.len + plain.len);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        text_put(&t, parts[i]);
        text_char(&t, 0);
    }
    text_put(&t, plain);
    key_mac(v->index, text_span(&t), mac);
    memcpy(out, mac, 16);
    crypto_wipe(t.p, t.len);
    arena_free(a);
}

/* Whose an identifier is: nobody's if there is no row. */
struct owner {
    int64_t sid;
    struct subject_id id;
    bool found, in_field; /* of somebody; in the field asked about */
};

/* One person may have it in several fields. `row`: the kind and the field asked about; empty: none. */
static enum err find(struct store *st, const uint8_t mac[MAC_LEN], struct span row, struct owner *out,
                     struct fail *f)
{
    struct store_rows rows;
    *out = (struct owner){0};
    enum err e = store_query(st, Q_INDEX_FIND, ARGS(ARG_B(span_of(mac, MAC_LEN))), &rows, f);
    if (e)
        return e;
    while (store_next(&rows, f)) {
        struct span id = store_t(&rows, 1);
        out->found = true;
        out->sid = store_i(&rows, 0);
        if (id.len == ID_LEN)
            memcpy(out->id.b, id.p, ID_LEN);
        out->in_field |= span_eq(store_t(&rows, 2), row);
    }
    e = rows.err;
    store_done(&rows);
    return e;
}

static enum err taken(struct span kind, struct fail *f)
{
    return fail_set(f, ERR_TAKEN, "this %.*s already belongs to an account", SPAN_F(kind));
}

static enum err drop(struct store *st, const struct vault_person *s, struct span kind, struct span row,
                     struct fail *f)
{
    return store_run(st, Q_INDEX_DROP, ARGS(ARG_I(s->sid), ARG_T(kind), ARG_T(row)), NULL, f);
}

static enum err add(struct store *st, const struct vault_person *s, struct span kind, struct span row,
                    const uint8_t mac[MAC_LEN], struct fail *f)
{
    /* With several writers another may have come in between: the key of the table decides. */
    struct fail clash = {0};
    enum err e = store_run(st, Q_INDEX_ADD,
                           ARGS(ARG_B(span_of(mac, MAC_LEN)), ARG_T(row), ARG_I(s->sid), ARG_B(person_id(s))),
                           NULL, &clash);
    if (e == ERR_CONFLICT)
        return taken(kind, f);
    return e ? fail_set(f, e, "%s", clash.detail) : OK;
}

static struct span row_name(struct arena *a, struct span kind, struct span field)
{
    return arena_fmt(a, "%.*s/%.*s", SPAN_F(kind), SPAN_F(field));
}

enum err vault_index_put(struct vault *v, struct store *st, const struct vault_person *s, struct span kind,
                         struct span field, struct span plain, struct fail *f)
{
    uint8_t mac[MAC_LEN];
    struct owner owner;
    struct arena *a = arena_new(0);
    struct span row = row_name(a, kind, field);
    enum err e = index_mac(v, kind, plain, mac, f);
    if (!e)
        e = find(st, mac, row, &owner, f);
    if (!e && owner.found && owner.sid != s->sid)
        e = taken(kind, f);
    if (!e && !owner.in_field)
        e = drop(st, s, kind, row, f);
    if (!e && !owner.in_field)
        e = add(st, s, kind, row, mac, f);
    arena_free(a);
    return e;
}

enum err vault_index_drop(struct vault *v, struct store *st, const struct vault_person *s, struct span kind,
                          struct span field, struct fail *f)
{
    (void)v;
    struct arena *a = arena_new(0);
    enum err e = drop(st, s, kind, row_name(a, kind, field), f);
    arena_free(a);
    return e;
}

enum err vault_index_find(struct vault *v, struct store *st, struct span kind, struct span plain,
                          struct subject_id *out, struct fail *f)
{
    uint8_t mac[MAC_LEN];
    struct owner owner;
    enum err e = index_mac(v, kind, plain, mac, f);
    if (!e)
        e = find(st, mac, SPAN_EMPTY, &owner, f);
    if (e)
        return e;
    *out = owner.id;
    return owner.found ? OK : fail_set(f, ERR_NOT_FOUND, "there is no such person");
}

/* "device:" keeps these apart from the MACs of identifiers. */
void vault_device_mac(const struct vault *v, struct span device, uint8_t out[MAC_LEN])
{
    struct arena *a = arena_new(0);
    key_mac(v->index, arena_fmt(a, "device:%.*s", SPAN_F(device)), out);
    arena_free(a);
}
