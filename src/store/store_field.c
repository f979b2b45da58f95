// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers of fields, remembered by each connection: a number is given once and never changed, so that what
 * was read once stays true. Only a group that is rolled back takes one back; then all is forgotten. That a
 * name has none is true as long as the snapshot it was looked for in. See store.h.
 */
#include "store_impl.h"

static unsigned slot_of(struct span name)
{
    uint32_t h = 2166136261u; /* FNV-1a: names of the policy, not of strangers */
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ name.p[i]) * 16777619u;
    return h % STORE_FIELD_SLOTS;
}

/* The place of a name, or where it would go; null if all around are taken by others. */
static struct store_field *field_slot(struct store *st, struct span name)
{
    unsigned at = slot_of(name);
    for (unsigned i = 0; i < STORE_FIELD_PROBES; i++) {
        struct store_field *s = &st->field[(at + i) % STORE_FIELD_SLOTS];
        if (!s->len || span_eq(span_of(s->name, s->len), name))
            return s;
    }
    return NULL;
}

/* The place of a name, its own from now on; null if there is none. */
static struct store_field *field_claim(struct store *st, struct span name)
{
    struct store_field *s = name.len && name.len <= STORE_FIELD_NAME ? field_slot(st, name) : NULL;
    if (!s || s->len)
        return s;
    memcpy(s->name, name.p, name.len);
    s->len = (uint8_t)name.len;
    st->fields_known = true;
    return s;
}

static void field_note(struct store *st, struct span name, int64_t number)
{
    struct store_field *s = number > 0 && number < STORE_FIELD_NUMBERS ? field_claim(st, name) : NULL;
    if (!s || s->number)
        return;
    s->number = number;
    st->field_of[number] = (uint16_t)(s - st->field + 1);
}

static void field_note_none(struct store *st, struct span name)
{
    struct store_field *s = st->snapshot ? field_claim(st, name) : NULL;
    if (s)
        s->none_in = st->snapshots;
}

void store_fields_forget(struct store *st)
{
    if (!st->fields_known)
        return;
    memset(st->field, 0, sizeof st->field);
    memset(st->field_of, 0, sizeof st->field_of);
    st->fields_known = false;
}

enum err store_field_number(struct store *st, struct span name, int64_t *out, struct fail *f)
{
    const struct store_field *s = field_slot(st, name);
    struct store_rows rows;
    *out = s && s->len ? s->number : 0;
    if (*out || (s && s->len && st->snapshot && s->none_in == st->snapshots))
        return OK;
    if (!store_one(st, Q_FIELD_NUMBER, ARGS(ARG_T(name)), &rows, f)) {
        if (!rows.err)
            field_note_none(st, name);
        return rows.err;
    }
    *out = store_i(&rows, 0);
    store_done(&rows);
    field_note(st, name, *out);
    return OK;
}

enum err store_field_name(struct store *st, int64_t number, struct arena *a, struct span *out, struct fail *f)
{
    struct store_rows rows;
    uint16_t at = number > 0 && number < STORE_FIELD_NUMBERS ? st->field_of[number] : 0;
    *out = at ? arena_copy(a, span_of(st->field[at - 1].name, st->field[at - 1].len)) : SPAN_EMPTY;
    if (at)
        return OK;
    if (!store_one(st, Q_FIELD_OF, ARGS(ARG_I(number)), &rows, f))
        return rows.err ? rows.err
                        : fail_set(f, ERR_CORRUPT, "field number %lld has no name", (long long)number);
    *out = arena_copy(a, store_t(&rows, 0));
    store_done(&rows);
    field_note(st, *out, number);
    return OK;
}
