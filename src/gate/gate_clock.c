// SPDX-License-Identifier: Apache-2.0
/*
 * The clocks of keeping (B4.0.a): `until 3 years after order-closed` begins to run when the order is closed.
 * What happened is kept as a row (ties.h), so that a policy that comes later can count from it, too. See
 * gate_impl.h
 */
#include "gate_impl.h"

#include <string.h>

#define QUESTIONS_MAX 32 /* services and purposes of one person's values that are told apart at once */

/* What the policy says of values that came through one service for one purpose, from one source. */
struct reckoned {
    struct span service, purpose, source;
    struct question *question; /* null: the policy no longer knows them */
};

struct clock {
    struct gate_call *call; /* without the caller: it may be another service that has something to keep */
    const struct subject *subject;
    struct vault_person person;
    struct span operation;
    struct reckoned of[QUESTIONS_MAX];
    size_t n;
    struct value *held; /* as it is now: restart() keeps it up to date */
    size_t n_held;
    struct happening *past; /* as it was at the beginning */
    size_t n_past;
    const struct question **gathered; /* once there is one: what it read of the person is read for all */
};

/* `operation` empty: keeping, in the policy's word for it. */
static enum err begin(struct clock *k, struct gate_call *c, const struct subject *s, struct span operation,
                      struct fail *f)
{
    bool store = policy_find(c->view->policy, DIM_OPERATION, SPAN("store")) != POLICY_NONE;
    struct gate_call *own = ARENA_NEW(c->arena, struct gate_call);
    *own = *c;
    own->service = NULL;
    if (operation.len == 0)
        operation = store ? SPAN("store") : SPAN("keep");
    *k = (struct clock){.call = own,
                        .subject = s,
                        .person = vault_of(s),
                        .operation = operation,
                        .gathered = ARENA_NEW(c->arena, const struct question *)};
    enum err e = vault_list(c->st, &k->person, c->arena, &k->held, &k->n_held, f);
    return e ? e : happening_list(c->st, s->sid, c->arena, &k->past, &k->n_past, f);
}

static void drop(struct clock *k)
{
    for (size_t i = 0; i < k->n; i++)
        if (k->of[i].question)
            question_end(k->of[i].question);
    k->n = 0;
}

/* What fails here concerns values of an older policy, or a person whose key is lost: their times stay. */
static bool lost(enum err e)
{
    return e == ERR_UNKNOWN_NAME || e == ERR_MISSING_MEMBER || e == ERR_GONE || e == ERR_INTEGRITY;
}

static enum err reckon(struct clock *k, const struct value *v, struct reckoned *r, struct fail *f)
{
    struct gate_request *asked = ARENA_NEW(k->call->arena, struct gate_request);
    struct question *q = ARENA_NEW(k->call->arena, struct question);
    struct fail why = {0};
    *asked = (struct gate_request){.subject = k->subject->id,
                                   .has_subject = true,
                                   .read = k->subject,
                                   .service = v->from.service,
                                   .purpose = v->from.purpose,
                                   .source = v->from.source};
    *r = (struct reckoned){v->from.service, v->from.purpose, v->from.source, q};
    enum err e = question_resolve(q, k->call, asked, k->operation, &why);
    if (!e)
        e = question_gather(q, *k->gathered, &why);
    if (!e) {
        *k->gathered = q;
        return OK;
    }
    question_end(q);
    r->question = NULL;
    return lost(e) ? OK : fail_set(f, e, "%s", why.detail);
}

/* The question of a value; null: the policy has nothing to say of it. */
static enum err question_of(struct clock *k, const struct value *v, const struct question **out,
                            struct fail *f)
{
    for (size_t i = 0; i < k->n; i++)
        if (span_eq(k->of[i].service, v->from.service) && span_eq(k->of[i].purpose, v->from.purpose) &&
            span_eq(k->of[i].source, v->from.source)) {
            *out = k->of[i].question;
            return OK;
        }
    if (k->n == QUESTIONS_MAX)
        drop(k);
    enum err e = reckon(k, v, &k->of[k->n], f);
    *out = e ? NULL : k->of[k->n++].question;
    return e;
}

/* Which event a value's time counts from; POLICY_NONE: from none. */
static enum err rule_of(struct clock *k, const struct value *v, struct policy_decision *d, struct fail *f)
{
    const struct question *q;
    unsigned field = policy_find(k->call->view->policy, DIM_FIELD, v->field);
    *d = (struct policy_decision){.until_event = POLICY_NONE};
    if (field == POLICY_NONE)
        return OK;
    enum err e = question_of(k, v, &q, f);
    if (!e && q)
        storing_rule(q, field, d);
    return e;
}

static struct instant end_after(const struct clock *k, const struct policy_decision *d,
                                const struct happening *h)
{
    const struct policy *p = k->call->view->policy;
    if (d->until_event == POLICY_NONE || !span_eq(policy_kind_name(p, KIND_EVENT, d->until_event), h->event))
        return INSTANT_FOREVER;
    return keep_until(p, d, arena_str(k->call->arena, h->event), h->time, k->call->gate->offset_minutes);
}

/* What happened to an item concerns all that carries its number, whenever that came; everything else only
 * what was there: what is collected afterwards was collected anew. */
static bool concerns(const struct happening *h, const struct value *v)
{
    return (h->field.len == 0 || span_eq(h->field, v->field)) &&
           (h->item.len == 0 ? v->from.time.ms <= h->time.ms : span_eq(h->item, v->item)) &&
           (h->service.len == 0 || span_eq(h->service, v->from.service)) &&
           (h->purpose.len == 0 || span_eq(h->purpose, v->from.purpose)) &&
           (h->source.len == 0 || span_eq(h->source, v->from.source));
}

/* ---- Something happened */

/* Of what happened before sources were told apart none is known: it was for values from any. */
static bool same_scope(const struct happening *past, const struct happening *h)
{
    return span_eq(past->event, h->event) && span_eq(past->field, h->field) && span_eq(past->item, h->item) &&
           span_eq(past->service, h->service) && span_eq(past->purpose, h->purpose) &&
           (past->source.len == 0 || span_eq(past->source, h->source));
}

/* The last time that the same happened before, if it did. */
static const struct happening *before(const struct clock *k, const struct happening *h)
{
    const struct happening *last = NULL;
    for (size_t i = 0; i < k->n_past; i++)
        if (same_scope(&k->past[i], h) && (!last || k->past[i].time.ms > last->time.ms))
            last = &k->past[i];
    return last;
}

/* A clock that runs since this happened last runs anew; any other one is only ever shortened. */
static enum err restart(struct clock *k, struct value *v, const struct happening *h,
                        const struct happening *last, size_t *set, struct fail *f)
{
    struct policy_decision d;
    enum err e = rule_of(k, v, &d, f);
    if (e)
        return e;
    struct instant until = end_after(k, &d, h), now = v->from.keep_until;
    bool same = last && now.ms < INSTANT_FOREVER.ms && end_after(k, &d, last).ms == now.ms;
    if (until.ms == INSTANT_FOREVER.ms || (same ? until.ms == now.ms : until.ms >= now.ms))
        return OK;
    ++*set;
    v->from.keep_until = until;
    return vault_keep_set(k->call->st, &k->person, v->field, v->item, until, f);
}

/* Whether the policy has a word for it, and whether a time to keep counts from it. */
static bool known(const struct gate_call *c, struct span event)
{
    return policy_kind_find(c->view->policy, KIND_EVENT, event) != POLICY_NONE;
}

static bool counts(const struct gate_call *c, struct span event)
{
    return policy_keeps_from(c->view->policy, policy_kind_find(c->view->policy, KIND_EVENT, event));
}

static enum err start(struct clock *k, const struct happening *h, size_t *set, struct fail *f)
{
    const struct happening *last = before(k, h);
    enum err e = happening_put(k->call->st, k->subject->sid, h, f);
    size_t n = counts(k->call, h->event) ? k->n_held : 0;
    for (size_t i = 0; !e && i < n; i++)
        if (concerns(h, &k->held[i]))
            e = restart(k, &k->held[i], h, last, set, f);
    return e;
}

enum err clock_start(struct gate_call *c, const struct subject *s, const struct happening *h, size_t *set,
                     struct fail *f)
{
    struct clock k = {0};
    size_t changed = 0;
    if (set)
        *set = 0;
    if (!known(c, h->event))
        return OK;
    if (!counts(c, h->event))
        return happening_put(c->st, s->sid, h, f);
    enum err e = begin(&k, c, s, SPAN_EMPTY, f);
    if (!e)
        e = start(&k, h, &changed, f);
    drop(&k);
    if (!e && changed)
        e = subject_epoch_step(c->st, s, f);
    if (set)
        *set = changed;
    return e;
}

enum err clock_of_item(const struct question *q, unsigned field, struct span item, struct instant *until,
                       struct fail *f)
{
    struct policy_decision d = {.until_event = POLICY_NONE};
    struct happening *all;
    size_t n;
    if (!storing_rule(q, field, &d) || d.until_event == POLICY_NONE)
        return OK;
    struct clock k = {.call = q->call};
    struct value v = {.field = policy_name(q->policy, DIM_FIELD, field), .item = item};
    v.from.service = q->service->name;
    v.from.purpose = policy_name(q->policy, DIM_PURPOSE, q->value[DIM_PURPOSE]);
    v.from.source = asked_source(q->asked);
    enum err e = happening_list(q->call->st, q->subject.sid, q->call->arena, &all, &n, f);
    for (size_t i = 0; !e && i < n; i++) {
        struct instant end = all[i].item.len && concerns(&all[i], &v) ? end_after(&k, &d, &all[i]) : *until;
        *until = end.ms < until->ms ? end : *until;
    }
    return e;
}

/* ---- A withdrawal */

/* What a person's values rest on: that they are stored, used for what they are for, and were collected. */
enum { STORED, USED, COLLECTED, RESTS };

struct withdrawal {
    struct happening scope;
    uint64_t needs;    /* which was withdrawn: what rests on others only goes on or is left as it was */
    unsigned document; /* of an agreement; POLICY_NONE */
    bool guardian, purposes;
    struct clock clock[RESTS]; /* of the same values and happenings */
    size_t set;
};

static bool over(const struct withdrawal *w, size_t which, const struct question *q, unsigned field)
{
    const struct policy *p = q->policy;
    if (w->document != POLICY_NONE &&
        !policy_document_applies(p, w->document, q->value[DIM_SUBJECT], q->value[DIM_SERVICE]))
        return false;
    return which == STORED ? storing_over(q, field, w->needs) : purpose_over(q, field, w->needs);
}

/* What of it held until this act, the newest there is. */
static uint64_t held_before(const struct withdrawal *w, const struct question *q, unsigned field)
{
    struct question before = *q;
    uint64_t held = 0;
    before.n_events -= before.n_events > 0;
    for (unsigned i = 0; i < policy_kind_count(q->policy, KIND_NEED); i++)
        if (w->needs & 1ull << i && q->call->view->sources->need[i]->held(&before, field, i) == CONSENT_HOLDS)
            held |= 1ull << i;
    return held;
}

static bool runs_already(const struct withdrawal *w, const struct happening *h, struct instant last)
{
    const struct happening *past = before(&w->clock[STORED], h);
    return past && last.ms <= past->time.ms;
}

/* Who withdraws what does not hold any more withdraws nothing: a clock that runs goes on. */
static enum err end_one(struct withdrawal *w, const struct value *v, struct instant last, const char *event,
                        bool held, struct fail *f)
{
    struct happening h = {.event = span_str(event),
                          .field = v->field,
                          .service = v->from.service,
                          .purpose = v->from.purpose,
                          .source = v->from.source,
                          .time = w->scope.time};
    struct clock *k = &w->clock[STORED];
    if (!known(k->call, h.event) || (!held && runs_already(w, &h, last)))
        return OK;
    return start(k, &h, &w->set, f);
}

/* `last`: when the newest of those it speaks for came. Who withdraws the second of two that the value rested
 * on, be it by its storing and its use, puts off nothing that the first made due. */
static enum err end_value(struct withdrawal *w, const struct value *v, struct instant last, struct fail *f)
{
    unsigned field = policy_find(w->clock[STORED].call->view->policy, DIM_FIELD, v->field);
    bool rests[RESTS] = {false}, any = false, held = false, stood = true;
    enum err e = OK;
    for (size_t i = 0; !e && field != POLICY_NONE && i < RESTS; i++) {
        const struct question *q = NULL;
        e = question_of(&w->clock[i], v, &q, f);
        if (e || !q)
            continue;
        uint64_t until_now = held_before(w, q, field);
        rests[i] = over(w, i, q, field);
        any |= rests[i];
        held |= rests[i] && until_now;
        stood &= !over_without(q, field, i == STORED, until_now);
    }
    held &= stood;
    if (!e && any)
        e = end_one(w, v, last, "consent-withdrawn", held, f);
    if (!e && any && w->guardian)
        e = end_one(w, v, last, "guardian-withdrew", held, f);
    if (!e && rests[USED] && w->purposes)
        e = end_one(w, v, last, "purpose-ended", held, f);
    return e;
}

static bool together(const struct withdrawal *w, const struct value *a, const struct value *b)
{
    return concerns(&w->scope, a) && span_eq(a->from.service, b->from.service) &&
           span_eq(a->from.purpose, b->from.purpose) && span_eq(a->from.source, b->from.source);
}

/* Items of a field lie together: one end is for all that came through one service for one purpose from one
 * source. False: a former one spoke for them; else *last is set to when the newest of them came. */
static bool first_of_them(const struct withdrawal *w, size_t i, struct instant *last)
{
    const struct clock *k = &w->clock[STORED];
    const struct value *v = k->held;
    for (size_t j = i; j-- > 0 && span_eq(v[j].field, v[i].field);)
        if (together(w, &v[j], &v[i]))
            return false;
    *last = v[i].from.time;
    for (size_t j = i + 1; j < k->n_held && span_eq(v[j].field, v[i].field); j++)
        if (together(w, &v[j], &v[i]) && v[j].from.time.ms > last->ms)
            *last = v[j].from.time;
    return concerns(&w->scope, &v[i]);
}

static enum err end_values(struct withdrawal *w, struct gate_call *c, const struct subject *s, struct fail *f)
{
    static const char *const operation[RESTS] = {[STORED] = "", [USED] = "use", [COLLECTED] = "collect"};
    struct clock *k = w->clock;
    enum err e = begin(&k[STORED], c, s, SPAN_EMPTY, f);
    w->set = 0;
    for (size_t i = 1; !e && i < RESTS; i++) {
        k[i] = k[STORED];
        k[i].operation = span_str(operation[i]);
    }
    struct instant last;
    for (size_t i = 0; !e && i < k->n_held; i++)
        if (first_of_them(w, i, &last))
            e = end_value(w, &k->held[i], last, f);
    for (size_t i = 0; i < RESTS; i++)
        drop(&k[i]);
    return e || !w->set ? e : subject_epoch_step(c->st, s, f);
}

/* Those that an agreement is asked for. */
static uint64_t needs_of_agreement(const struct gate_call *c)
{
    static const char *const from[] = {"agreement", "deemed", "guardian-agreement"};
    uint64_t needs = 0;
    for (unsigned i = 0; i < policy_kind_count(c->view->policy, KIND_NEED); i++)
        for (size_t k = 0; k < sizeof from / sizeof from[0]; k++)
            needs |= strcmp(c->view->sources->need[i]->name, from[k]) == 0 ? 1ull << i : 0;
    return needs;
}

static void withdrawal_of(struct withdrawal *w, struct gate_call *c, const struct consent_event *e,
                          struct span source)
{
    bool agreement = e->kind == CONSENT_AGREEMENT;
    unsigned need = policy_kind_find(c->view->policy, KIND_NEED, e->name);
    *w = (struct withdrawal){.document = POLICY_NONE, .guardian = e->actor == CONSENT_BY_GUARDIAN};
    w->scope = (struct happening){.service = e->service, .purpose = e->purpose, .time = e->time};
    w->needs = agreement ? needs_of_agreement(c) : need == POLICY_NONE ? 0 : 1ull << need;
    if (agreement)
        w->document = policy_document_find(c->view->policy, e->name);
    /* One recipient, channel or device less ends no purpose. */
    w->purposes = (span_is(source, "consent") || span_is(source, "guardian")) &&
                  e->party.len + e->topic.len + e->device.len == 0;
}

enum err clock_withdrawn(struct gate_call *c, const struct subject *s, const struct consent_event *e,
                         struct span source, struct fail *f)
{
    struct withdrawal *w = ARENA_NEW(c->arena, struct withdrawal);
    struct span rest = e->fields;
    enum err err = OK;
    withdrawal_of(w, c, e, source);
    do {
        if (rest.len)
            span_cut(&rest, ',', &w->scope.field);
        err = end_values(w, c, s, f);
    } while (!err && rest.len);
    return err;
}

/* ---- All times again */

struct since {
    struct happening *list;
    size_t n;
};

/* Only what a time to keep counts from, so that nothing is gone through for nothing. */
static void since_add(const struct gate_call *c, struct since *s, const char *event, struct span service,
                      struct instant time)
{
    struct span name = span_str(event);
    unsigned i = policy_kind_find(c->view->policy, KIND_EVENT, name);
    if (i != POLICY_NONE && time.ms <= c->now.ms && policy_keeps_from(c->view->policy, i))
        s->list[s->n++] = (struct happening){.event = name, .service = service, .time = time};
}

/* What happened to everybody: documents that came into force, services that end. */
static enum err of_all(struct gate_call *c, struct since *out, struct fail *f)
{
    const struct registers *r = c->view->registers;
    struct policy_set_row *sets;
    size_t n;
    out->n = 0;
    out->list = ARENA_ARRAY(c->arena, 3 * r->n_services + 2, struct happening);
    enum err e = gate_sets(c, &sets, &n, f);
    if (e)
        return e;
    struct instant force = INSTANT_FOREVER, reduces = INSTANT_FOREVER;
    for (size_t i = 0; i < n; i++) {
        if (sets[i].since.ms == sets[i].ends.ms || sets[i].since.ms > c->now.ms)
            continue;
        force = sets[i].since;
        if (sets[i].effect == GATE_EFFECT_REDUCES)
            reduces = sets[i].published;
    }
    since_add(c, out, "revision-in-force", SPAN_EMPTY, force);
    since_add(c, out, "revision-reduces-rights", SPAN_EMPTY, reduces);
    for (size_t i = 0; i < r->n_services; i++) {
        since_add(c, out, "service-closing", r->services[i].name, r->services[i].closing);
        since_add(c, out, "service-closed", r->services[i].name, r->services[i].ended);
        since_add(c, out, "purpose-ended", r->services[i].name, r->services[i].ended);
    }
    return OK;
}

/* The last time that what ends the value's time happened: an earlier one was followed by it. */
static struct instant latest(const struct clock *k, const struct value *v, const struct policy_decision *d,
                             const struct since *s)
{
    struct instant end = INSTANT_FOREVER, at = {INT64_MIN};
    for (size_t i = 0; i < s->n; i++) {
        struct instant one = concerns(&s->list[i], v) ? end_after(k, d, &s->list[i]) : INSTANT_FOREVER;
        if (one.ms == INSTANT_FOREVER.ms || s->list[i].time.ms <= at.ms)
            continue;
        at = s->list[i].time;
        end = one;
    }
    return end;
}

/* With the account everything goes that no law keeps (B5.3): what was there then and is there yet was left
 * for a duty alone, whatever its own time would be. */
static struct instant left_since(const struct since *own, const struct value *v)
{
    struct instant at = INSTANT_FOREVER;
    for (size_t i = 0; i < own->n; i++)
        if (span_is(own->list[i].event, "account-closed") && concerns(&own->list[i], v) &&
            own->list[i].time.ms < at.ms)
            at = own->list[i].time;
    return at;
}

static enum err settle_value(struct clock *k, const struct value *v, const struct since *own,
                             const struct since *all, size_t *set, struct fail *f)
{
    struct policy_decision d;
    struct happening collected = {.event = SPAN("collected"), .time = v->from.time};
    struct since first = {&collected, 1};
    enum err e = rule_of(k, v, &d, f);
    if (e)
        return e;
    struct instant end = left_since(own, v);
    struct instant ends[] = {latest(k, v, &d, &first), latest(k, v, &d, own), latest(k, v, &d, all)};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        end = ends[i].ms < end.ms ? ends[i] : end;
    if (end.ms >= v->from.keep_until.ms)
        return OK;
    ++*set;
    return vault_keep_item_less(k->call->st, &k->person, v->field, v->item, end, f);
}

static enum err settle(struct gate_call *c, const struct subject *s, const struct since *all, size_t *set,
                       struct fail *f)
{
    struct clock k;
    size_t before_it = *set;
    enum err e = begin(&k, c, s, SPAN_EMPTY, f);
    const struct since own = {k.past, k.n_past};
    for (size_t i = 0; !e && i < k.n_held; i++)
        e = settle_value(&k, &k.held[i], &own, all, set, f);
    drop(&k);
    if (!e && *set > before_it) /* nobody else need do so: the entry may be about another, or about all */
        e = subject_epoch_step(c->st, s, f);
    return e;
}

enum err clock_settle(struct gate_call *c, const struct subject *s, size_t *set, struct fail *f)
{
    struct since all;
    *set = 0;
    enum err e = of_all(c, &all, f);
    return e ? e : settle(c, s, &all, set, f);
}

/* ---- Everybody's, once something made it necessary */

#define MARK SPAN("keep-times") /* meta: for what it was done last, and up to whom; DONE: to the end */
#define DONE (-1)
/* On a server a person's statements are a round trip each, and all who read wait for the group to be sealed:
 * so many persons are fetched together. A change to one of them ends that for the others. */
#define AHEAD 16

/* Raised when times come out otherwise than before under the same policy: all are then reckoned once more. */
#define RECKONING 2

struct follow {
    uint8_t cause[32];
    struct since all;
    int64_t at;
};

static void put_happening(struct text *t, const struct happening *h)
{
    text_fmt(t, "%.*s %.*s %lld\n", SPAN_F(h->event), SPAN_F(h->service), (long long)h->time.ms);
}

static enum err cause(struct gate_call *c, struct follow *w, struct fail *f)
{
    struct digest d;
    struct text t = text_new(c->arena, 512);
    enum err e = of_all(c, &w->all, f);
    if (e)
        return e;
    text_put(&t, span_of(c->view->compiled.b, sizeof c->view->compiled.b));
    text_fmt(&t, " %d\n", RECKONING);
    for (size_t i = 0; i < w->all.n; i++)
        put_happening(&t, &w->all.list[i]);
    crypto_sha256(text_span(&t), &d);
    memcpy(w->cause, d.b, sizeof w->cause);
    return OK;
}

static enum err read_mark(struct gate_call *c, struct follow *w, struct fail *f)
{
    struct store_rows rows;
    w->at = 0;
    if (!store_one(c->st, Q_META_GET, ARGS(ARG_T(MARK)), &rows, f))
        return rows.err;
    struct span done = store_t(&rows, 1);
    if (done.len == sizeof w->cause && memcmp(done.p, w->cause, done.len) == 0)
        w->at = store_i(&rows, 0);
    store_done(&rows);
    return OK;
}

static enum err settle_of(struct gate_call *c, int64_t sid, const struct follow *w, size_t *set,
                          struct fail *f)
{
    struct subject_id id;
    struct subject s;
    enum err e = subject_of_sid(c->st, sid, &id, f);
    if (!e)
        e = subject_get(c->st, id, c->now, &s, f);
    return e ? e : settle(c, &s, &w->all, set, f);
}

static enum err note(struct gate_call *c, size_t persons, size_t set, struct fail *f)
{
    struct text t = text_new(c->arena, 128);
    if (set == 0)
        return OK;
    json_open(&t, NULL, '{');
    json_str(&t, "event", "times to keep shortened");
    json_i64(&t, "values", (int64_t)set);
    json_i64(&t, "persons", (int64_t)persons);
    json_close(&t, '}');
    return gate_note(c, AUDIT_REGISTER, text_span(&t), f);
}

enum err clock_follow(struct gate_call *c, size_t most, bool *more, struct fail *f)
{
    struct follow w;
    int64_t *sids = ARENA_ARRAY(c->arena, most, int64_t);
    size_t n = 0, set = 0, persons = 0;
    *more = false;
    enum err e = cause(c, &w, f);
    if (!e)
        e = read_mark(c, &w, f);
    if (e || w.at == DONE)
        return e;
    e = vault_persons(c->st, w.at, most, sids, &n, f);
    for (size_t i = 0; !e && i < n; i++) {
        size_t before_it = set;
        if (i % AHEAD == 0)
            store_ahead_keeping(c->st, sids + i, n - i < AHEAD ? n - i : AHEAD);
        e = settle_of(c, sids[i], &w, &set, f);
        persons += set > before_it;
    }
    store_ahead_end(c->st);
    *more = n == most;
    if (!e)
        e = note(c, persons, set, f);
    if (e)
        return e;
    w.at = *more ? sids[n - 1] : DONE;
    return store_run(c->st, Q_META_PUT,
                     ARGS(ARG_T(MARK), ARG_I(w.at), ARG_B(span_of(w.cause, sizeof w.cause))), NULL, f);
}
