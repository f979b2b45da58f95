// SPDX-License-Identifier: Apache-2.0
/* What goes in time, and whose key changes class with the fourteenth birthday. See gate.h. */
#include "gate_impl.h"

#include <stdlib.h>

#define NAMES_SHOWN 24 /* fields named in one entry; the count tells the rest */

/* What one batch does to one person. */
struct person_due {
    const struct value_due *values;
    size_t n;
    struct hold *holds;
    size_t n_holds;
};

/* When the hold on the value that is in force ends; 0 if none is. */
static struct instant held_until(const struct person_due *p, const struct value_due *v, struct instant now)
{
    for (size_t i = 0; i < p->n_holds; i++)
        if (hold_keeps(&p->holds[i], 1, v->field, now))
            return p->holds[i].ends;
    return (struct instant){0};
}

static bool named_before(const struct person_due *p, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (span_eq(p->values[k].field, p->values[i].field))
            return true;
    return false;
}

static struct span sweep_members(struct gate_call *c, const struct person_due *p, size_t deleted)
{
    struct text t = text_new(c->arena, 256);
    size_t shown = 0;
    json_str(&t, "event", "the time to keep is over");
    json_i64(&t, "values", (int64_t)deleted);
    json_open(&t, "fields", '[');
    for (size_t i = 0; i < p->n && shown < NAMES_SHOWN; i++)
        if (!held_until(p, &p->values[i], c->now).ms && !named_before(p, i)) {
            json_string(&t, NULL, p->values[i].field);
            shown++;
        }
    json_close(&t, ']');
    return text_span(&t);
}

/* Under the person's key; where that is lost, under the node's. */
static enum err record_sweep(struct gate_call *c, enum audit_kind kind, const struct subject *s,
                             struct span extra, struct fail *f)
{
    struct vault_person person = vault_of(s);
    struct person_key *key = NULL;
    struct fail lost = {0};
    enum err e = vault_key_open(c->gate->vault, c->st, &person, &key, &lost);
    if (e && e != ERR_GONE && e != ERR_INTEGRITY)
        return fail_set(f, e, "%s", lost.detail);
    struct record r = {
        .kind = kind, .subject = s, .key = key, .node_detail = !key, .actor = SPAN("sweep"), .extra = extra};
    e = record_add(c, &r, f);
    vault_key_close(key);
    return e;
}

/* The index leads to the person by the field's value without an item. */
static enum err forget_identifier(struct gate_call *c, const struct value_due *v, const struct subject *s,
                                  struct fail *f)
{
    unsigned field = policy_find(c->view->policy, DIM_FIELD, v->field);
    const char *kind = field == POLICY_NONE || v->item.len ? NULL : value_index(c->view->policy, field);
    struct vault_person person = vault_of(s);
    return kind ? vault_index_drop(c->gate->vault, c->st, &person, span_str(kind), v->field, f) : OK;
}

static enum err sweep_value(struct gate_call *c, const struct person_due *p, const struct value_due *v,
                            const struct subject *s, size_t *deleted, struct fail *f)
{
    struct instant until = held_until(p, v, c->now);
    if (until.ms)
        return vault_postpone(c->st, v, c->now, until, f);
    ++*deleted;
    enum err e = forget_identifier(c, v, s, f);
    return e ? e : vault_expire(c->st, v, c->now, f);
}

static enum err sweep_person(struct gate_call *c, struct person_due *p, struct gate_sweep *out,
                             struct fail *f)
{
    struct subject s = {0};
    struct subject_id id;
    size_t deleted = 0;
    enum err e = subject_of_sid(c->st, p->values[0].sid, &id, f);
    if (!e)
        e = subject_get(c->st, id, c->now, &s, f);
    if (!e)
        e = hold_list(c->st, s.sid, c->arena, &p->holds, &p->n_holds, f);
    for (size_t i = 0; !e && i < p->n; i++)
        e = sweep_value(c, p, &p->values[i], &s, &deleted, f);
    out->deleted += deleted;
    out->held += p->n - deleted;
    if (e)
        return e;
    if (deleted == 0) /* what is said of the values changed all the same: until when they stay */
        return subject_epoch_step(c->st, &s, f);
    return record_sweep(c, AUDIT_DELETE, &s, sweep_members(c, p, deleted), f);
}

static int by_person(const void *a, const void *b)
{
    const struct value_due *x = a, *y = b;
    return (x->sid > y->sid) - (x->sid < y->sid);
}

static enum err sweep_values(struct gate_call *c, struct gate_sweep *out, struct fail *f)
{
    struct value_due *due = ARENA_ARRAY(c->arena, GATE_SWEEP_VALUES, struct value_due);
    size_t n = 0;
    enum err e = vault_due(c->st, c->now, GATE_SWEEP_VALUES, c->arena, due, &n, f);
    if (e || n == 0)
        return e;
    qsort(due, n, sizeof *due, by_person);
    size_t at = 0;
    while (!e && at < n && c->n_entries < GATE_SWEEP_PERSONS) {
        struct person_due p = {.values = due + at, .n = 1};
        while (at + p.n < n && due[at + p.n].sid == due[at].sid)
            p.n++;
        at += p.n;
        e = sweep_person(c, &p, out, f);
    }
    out->more |= at < n || n == GATE_SWEEP_VALUES;
    return e;
}

/* ---- Birthdays */

static enum err grow(struct gate_call *c, struct subject_id id, struct fail *f)
{
    struct subject s;
    struct person_key *key = NULL;
    enum err e = subject_get(c->st, id, c->now, &s, f);
    if (e)
        return e;
    struct vault_person person = vault_of(&s);
    struct fail lost = {0};
    e = vault_key_open(c->gate->vault, c->st, &person, &key, &lost);
    if (!e)
        e = vault_key_move(c->gate->vault, c->st, &person, key, f);
    else if (e == ERR_GONE || e == ERR_INTEGRITY)
        e = OK; /* nothing to move; the alert was given */
    else
        fail_set(f, e, "%s", lost.detail);
    vault_key_close(key);
    if (!e)
        e = subject_grown_done(c->st, &s, f);
    if (e)
        return e;
    struct span extra =
        arena_fmt(c->arena, "\"event\":\"turned 14\",\"band\":\"%s\"", subject_band_name(s.band));
    return record_sweep(c, AUDIT_SUBJECT, &s, extra, f);
}

static enum err sweep_birthdays(struct gate_call *c, struct gate_sweep *out, struct fail *f)
{
    struct subject_id grown[GATE_SWEEP_PERSONS];
    size_t n = 0, most = GATE_SWEEP_PERSONS - c->n_entries;
    enum err e = most ? subject_grown(c->st, c->now, most, grown, &n, f) : OK;
    for (size_t i = 0; !e && i < n; i++)
        e = grow(c, grown[i], f);
    out->grown += n;
    out->more |= n == most;
    return e;
}

/* ---- See gate.h */

enum err gate_sweep(struct gate_call *c, struct gate_sweep *out, struct fail *f)
{
    bool more = false;
    *out = (struct gate_sweep){0};
    enum err e = clock_follow(c, GATE_SWEEP_PERSONS, &more, f);
    if (!e)
        e = sweep_values(c, out, f);
    out->more |= more;
    if (!e)
        e = sweep_birthdays(c, out, f);
    if (e)
        return e;
    atomic_fetch_add(&c->gate->swept, out->deleted);
    atomic_fetch_add(&c->gate->postponed, out->held);
    atomic_store(&c->gate->swept_at, c->now.ms);
    atomic_store(&c->gate->sweep_behind, out->more);
    return OK;
}

enum err gate_retention(struct gate_call *c, struct gate_retention *out, struct fail *f)
{
    *out = (struct gate_retention){.deleted = atomic_load(&c->gate->swept),
                                   .held = atomic_load(&c->gate->postponed),
                                   .last = {atomic_load(&c->gate->swept_at)}};
    return vault_due_count(c->st, c->now, &out->due, &out->next, f);
}

bool gate_sweep_behind(const struct gate *g)
{
    return atomic_load(&g->sweep_behind);
}
