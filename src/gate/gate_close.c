// SPDX-License-Identifier: Apache-2.0
/* Closing an account, with one service or with all (B5.3). See gate.h. */
#include "gate_impl.h"

#include <stdlib.h>

#define NAMES_SHOWN 24 /* fields named in the entry; the count tells the rest */

struct closing {
    struct gate_call *call;
    const struct subject *s;
    struct vault_person person;
    struct span service; /* empty: all */
    struct hold *holds;
    size_t n_holds;
    struct hold *kept; /* those that keep something */
    struct gate_closure *out;
};

/* ---- Values */

static bool concerned(const struct closing *k, struct span service)
{
    return k->service.len == 0 || span_eq(service, k->service);
}

/* Nothing but the duty keeps it from now on: the sweep moves its time to the end of the hold. */
static enum err let_lie(struct closing *k, const struct value *v, struct fail *f)
{
    size_t i = 0, told = 0;
    while (!span_eq(k->holds[i].field, v->field))
        i++;
    while (told < k->out->n_kept && !span_eq(k->kept[told].field, v->field))
        told++;
    if (told == k->out->n_kept)
        k->kept[k->out->n_kept++] = k->holds[i];
    return vault_keep_item_less(k->call->st, &k->person, v->field, v->item, k->call->now, f);
}

static enum err take_away(struct closing *k, const struct value *v, struct fail *f)
{
    struct gate_call *c = k->call;
    int64_t deleted = 0;
    unsigned field = policy_find(c->view->policy, DIM_FIELD, v->field);
    const char *kind = field == POLICY_NONE || v->item.len ? NULL : value_index(c->view->policy, field);
    enum err e = kind ? vault_index_drop(c->gate->vault, c->st, &k->person, span_str(kind), v->field, f) : OK;
    if (!e)
        e = vault_delete(c->st, &k->person, v->field, v->item, &deleted, f);
    k->out->deleted += deleted;
    return e;
}

static enum err close_values(struct closing *k, struct fail *f)
{
    struct value *values = NULL;
    size_t n = 0;
    enum err e = vault_list(k->call->st, &k->person, k->call->arena, &values, &n, f);
    for (size_t i = 0; !e && i < n; i++) {
        if (!concerned(k, values[i].from.service))
            continue;
        bool held = hold_keeps(k->holds, k->n_holds, values[i].field, k->call->now);
        e = held ? let_lie(k, &values[i], f) : take_away(k, &values[i], f);
    }
    return e;
}

/* ---- Consents */

static const size_t scope[] = {
    offsetof(struct consent_event, name),   offsetof(struct consent_event, purpose),
    offsetof(struct consent_event, party),  offsetof(struct consent_event, service),
    offsetof(struct consent_event, device), offsetof(struct consent_event, topic),
    offsetof(struct consent_event, fields),
};

static int scope_cmp(const struct consent_event *a, const struct consent_event *b)
{
    int order = a->kind < b->kind ? -1 : a->kind > b->kind;
    for (size_t i = 0; order == 0 && i < sizeof scope / sizeof scope[0]; i++) {
        struct span x, y;
        memcpy(&x, (const uint8_t *)a + scope[i], sizeof x);
        memcpy(&y, (const uint8_t *)b + scope[i], sizeof y);
        order = span_cmp(x, y);
    }
    return order;
}

struct place {
    const struct consent_event *at;
};

/* By scope, in each as they were said: they lie in one array. */
static int by_scope(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = scope_cmp(x->at, y->at);
    return order ? order : x->at < y->at ? -1 : x->at > y->at;
}

/* Given for this service alone, or for any, with all. */
static bool ends(const struct closing *k, const struct consent_event *e)
{
    return e->kind == CONSENT_NEED && e->state == CONSENT_GIVEN && e->actor != CONSENT_BY_STAFF &&
           concerned(k, e->service);
}

static enum err withdraw(struct closing *k, const struct consent_event *given, struct fail *f)
{
    struct consent_event end = *given;
    crypto_random(end.id.b, ID_LEN);
    end.state = CONSENT_WITHDRAWN;
    end.time = k->call->now;
    end.until = INSTANT_FOREVER;
    end.evidence = SPAN("account closed");
    k->out->withdrawn++;
    return consent_add(k->call->st, k->s->sid, &end, f);
}

/* What is given and nothing newer of the same scope says otherwise. Of a person there may be very many. */
static enum err withdraw_consents(struct closing *k, struct fail *f)
{
    struct consent_event *events = NULL;
    size_t n = 0;
    enum err e = consent_list(k->call->st, k->s->sid, k->call->arena, &events, &n, f);
    if (e || n == 0)
        return e;
    struct place *sorted = ARENA_ARRAY(k->call->arena, n, struct place);
    for (size_t i = 0; i < n; i++)
        sorted[i].at = &events[i];
    qsort(sorted, n, sizeof *sorted, by_scope);
    for (size_t i = 0; !e && i < n; i++) {
        bool newest = i + 1 == n || scope_cmp(sorted[i].at, sorted[i + 1].at) != 0;
        if (newest && ends(k, sorted[i].at))
            e = withdraw(k, sorted[i].at, f);
    }
    return e;
}

/* ---- Relations */

static enum err end_relations(struct closing *k, struct fail *f)
{
    struct span *services = NULL;
    size_t n = 0;
    bool found = false;
    if (k->service.len) {
        enum err e = subject_service_end(k->call->st, k->s, k->service, &found, f);
        if (e || found)
            return e;
        return fail_set(f, ERR_NOT_FOUND, "this person has no account with '%.*s'", SPAN_F(k->service));
    }
    enum err e = subject_services(k->call->st, k->s, k->call->arena, &services, &n, f);
    for (size_t i = 0; !e && i < n; i++)
        e = subject_service_end(k->call->st, k->s, services[i], &found, f);
    return e;
}

/* ---- Clocks of what stays (B4.0.a) */

static enum err start_clocks(struct closing *k, struct fail *f)
{
    struct happening h = {.event = SPAN("account-closed"), .service = k->service, .time = k->call->now};
    enum err e = clock_start(k->call, k->s, &h, NULL, f);
    if (!e) /* whether or not the policy counts from it: what is left was left then (clock_settle) */
        e = happening_put(k->call->st, k->s->sid, &h, f);
    h.event = SPAN("purpose-ended");
    return e ? e : clock_start(k->call, k->s, &h, NULL, f);
}

/* ---- The entry */

static struct span members(const struct closing *k, struct span actor)
{
    struct text t = text_new(k->call->arena, 512);
    struct span who = wish_of(actor);
    json_str(&t, "event", "closed");
    json_string(&t, "account", k->service.len ? k->service : SPAN("all"));
    if (who.len)
        json_string(&t, "wish", who);
    json_i64(&t, "values", k->out->deleted);
    json_i64(&t, "consents", k->out->withdrawn);
    json_open(&t, "kept", '[');
    for (size_t i = 0; i < k->out->n_kept && i < NAMES_SHOWN; i++)
        json_string(&t, NULL, k->out->kept[i].field);
    json_close(&t, ']');
    return text_span(&t);
}

/* Under the person's key; if that goes now, under the node's, which outlives it. */
static enum err record_closure(const struct closing *k, struct span actor, struct fail *f)
{
    struct gate_call *c = k->call;
    struct person_key *key = NULL;
    struct fail lost = {0};
    enum err e = vault_key_open(c->gate->vault, c->st, &k->person, &key, &lost);
    if (e && e != ERR_GONE && e != ERR_INTEGRITY)
        return fail_set(f, e, "%s", lost.detail);
    struct record r = {.kind = AUDIT_CLOSE,
                       .subject = k->s,
                       .key = key,
                       .node_detail = k->out->erased || !key,
                       .actor = caller_name(c),
                       .extra = members(k, actor)};
    e = record_add(c, &r, f);
    vault_key_close(key);
    return e;
}

enum err gate_close_account(struct gate_call *c, const struct subject *s, struct span service,
                            struct span actor, struct gate_closure *out, struct fail *f)
{
    struct closing k = {.call = c, .s = s, .person = vault_of(s), .service = service, .out = out};
    struct subject gone;
    *out = (struct gate_closure){0};
    enum err e = hold_list(c->st, s->sid, c->arena, &k.holds, &k.n_holds, f);
    k.kept = ARENA_ARRAY(c->arena, k.n_holds + 1, struct hold);
    out->kept = k.kept;
    if (!e)
        e = end_relations(&k, f);
    if (!e)
        e = close_values(&k, f);
    if (!e)
        e = withdraw_consents(&k, f);
    out->erased = !e && service.len == 0 && out->n_kept == 0;
    if (!e && !out->erased)
        e = start_clocks(&k, f);
    if (!e)
        e = record_closure(&k, actor, f);
    return e || !out->erased ? e : gate_erase(c, s->id, actor, &gone, f);
}
