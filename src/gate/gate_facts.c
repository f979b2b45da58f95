// SPDX-License-Identifier: Apache-2.0
/*
 * What the policy may ask about, and where it is known: one row for each source a catalogue may name. All
 * reading is done by question_gather; the rows below only look at what it gathered. See gate.h.
 */
#include "gate_impl.h"

/* ---- Scope of consents */

/* For a child the guardian's hand counts (A2.4.5), for everybody else their own. */
static enum consent_actor giver(const struct question *q)
{
    return q->has_subject && q->subject.band == BAND_CHILD ? CONSENT_BY_GUARDIAN : CONSENT_BY_SUBJECT;
}

static struct consent_scope scope_of(const struct question *q)
{
    return (struct consent_scope){.purpose = policy_name(q->policy, DIM_PURPOSE, q->value[DIM_PURPOSE]),
                                  .party = q->asked->recipient,
                                  .party_class = policy_name(q->policy, DIM_PARTY, q->value[DIM_PARTY]),
                                  .service = q->service->name,
                                  .now = q->call->now};
}

static struct consent_scope scope(const struct question *q, unsigned field)
{
    struct consent_scope s = q->scope;
    s.field = policy_name(q->policy, DIM_FIELD, field);
    return s;
}

static struct span need_name(const struct question *q, unsigned need)
{
    return policy_kind_name(q->policy, KIND_NEED, need);
}

/* ---- Agreements */

/* Every document that applies must be agreed to, in the revision in force or one whose agreement reaches it.
 */
static enum consent_holding all_agreed(const struct question *q, enum consent_actor hand, bool deemed)
{
    enum consent_holding all = CONSENT_HOLDS;
    for (unsigned i = 0; i < policy_documents(q->policy); i++) {
        if (!policy_document_applies(q->policy, i, q->value[DIM_SUBJECT], q->value[DIM_SERVICE]))
            continue;
        const struct policy_document *d = policy_document(q->policy, i);
        struct consent_document asked = {d->name, d->revision, q->call->view->agreed_from[i]};
        enum consent_holding one = consent_agreed(q->events, q->n_events, &asked, hand, deemed);
        if (one == CONSENT_ENDED)
            return CONSENT_ENDED;
        if (one != CONSENT_HOLDS)
            all = CONSENT_NEVER;
    }
    return all;
}

static enum consent_holding held_agreement(const struct question *q, unsigned field, unsigned need)
{
    (void)field;
    (void)need;
    return all_agreed(q, giver(q), false);
}

/* For a child nothing is deemed: the guardian reads and agrees (A2.0.1, R008). */
static enum consent_holding held_deemed(const struct question *q, unsigned field, unsigned need)
{
    (void)field;
    (void)need;
    return all_agreed(q, giver(q), giver(q) == CONSENT_BY_SUBJECT);
}

static enum consent_holding held_guardian_agreement(const struct question *q, unsigned field, unsigned need)
{
    (void)field;
    (void)need;
    return all_agreed(q, CONSENT_BY_GUARDIAN, false);
}

/* ---- Consents */

/* Every topic of the request must be covered: the first that is not, speaks. */
static enum consent_holding given_by(const struct question *q, unsigned field, unsigned need,
                                     enum consent_actor hand)
{
    struct consent_scope s = scope(q, field);
    enum consent_holding h = CONSENT_HOLDS;
    for (size_t i = 0; i < (q->asked->n_topics ? q->asked->n_topics : 1) && h == CONSENT_HOLDS; i++) {
        s.topic = q->asked->n_topics ? q->asked->topics[i] : SPAN_EMPTY;
        h = consent_holds(q->events, q->n_events, need_name(q, need), hand, &s);
    }
    return h;
}

static enum consent_holding held_consent(const struct question *q, unsigned field, unsigned need)
{
    return given_by(q, field, need, giver(q));
}

static enum consent_holding held_guardian(const struct question *q, unsigned field, unsigned need)
{
    return given_by(q, field, need, CONSENT_BY_GUARDIAN);
}

static enum consent_holding held_guardian_link(const struct question *q, unsigned field, unsigned need)
{
    (void)field;
    (void)need;
    return q->guardian_link ? CONSENT_HOLDS : CONSENT_NEVER;
}

/* A permission that is off is off, whether it was on before or not (B1.2.12). */
static enum consent_holding held_device(const struct question *q, unsigned field, unsigned need)
{
    struct consent_scope s = scope(q, field);
    s.device = q->asked->device;
    enum consent_holding h = consent_holds(q->events, q->n_events, need_name(q, need), giver(q), &s);
    return h == CONSENT_DECLINED ? CONSENT_ENDED : h;
}

/* ---- Papers, approvals, evidence */

static enum consent_holding held_recipient(const struct question *q, unsigned field, unsigned need)
{
    (void)field;
    int paper = q->recipient ? recipient_paper(q->recipient, need_name(q, need), q->call->now) : 0;
    if (paper < 0)
        return CONSENT_ENDED;
    return paper ? CONSENT_HOLDS : CONSENT_NEVER;
}

static enum consent_holding held_staff(const struct question *q, unsigned field, unsigned need)
{
    struct consent_scope s = scope(q, field);
    s.party = q->actor;
    s.party_class = policy_name(q->policy, DIM_ACTOR, q->value[DIM_ACTOR]);
    return consent_holds(q->events, q->n_events, need_name(q, need), CONSENT_BY_STAFF, &s);
}

static enum consent_holding held_evidence(const struct question *q, unsigned field, unsigned need)
{
    (void)field;
    return evidence_find(q, need_name(q, need)) ? CONSENT_HOLDS : CONSENT_NEVER;
}

/* The reference must be on the operator's list for this need, and in force (B3.1.9). */
static enum consent_holding held_list(const struct question *q, unsigned field, unsigned need)
{
    (void)field;
    if (q->listed[need] < 0)
        return CONSENT_ENDED;
    return q->listed[need] ? CONSENT_HOLDS : CONSENT_NEVER;
}

static const struct need_source need_sources[] = {
    {"agreement", held_agreement, "withdrawn", false, false, RESTS_ON_ITSELF},
    {"deemed", held_deemed, "withdrawn", false, false, RESTS_ON_ITSELF},
    {"guardian-agreement", held_guardian_agreement, "withdrawn", false, false, RESTS_ON_ITSELF},
    {"consent", held_consent, "withdrawn", false, true, RESTS_ON_EVENTS},
    {"guardian", held_guardian, "withdrawn", false, true, RESTS_ON_EVENTS},
    {"guardian-link", held_guardian_link, NULL, true, false, RESTS_ON_ITSELF},
    {"device", held_device, "withdrawn", false, true, RESTS_ON_EVENTS},
    {"recipient", held_recipient, "agreement-expired", false, false, RESTS_ON_RECIPIENT},
    {"staff", held_staff, "expired", false, true, RESTS_ON_EVENTS},
    {"evidence", held_evidence, NULL, true, false, RESTS_ON_EVIDENCE},
    {"list", held_list, "expired", true, false, RESTS_ON_EVIDENCE},
};

/* ---- Facts */

static bool switched(const struct question *q, unsigned fact, struct span topic, struct span device,
                     bool *known)
{
    struct consent_scope s = scope(q, 0);
    s.topic = topic;
    s.device = device;
    return consent_switch(q->events, q->n_events, policy_kind_name(q->policy, KIND_FACT, fact),
                          giver(q) == CONSENT_BY_GUARDIAN, &s, known);
}

static bool fact_preference(const struct question *q, unsigned field, unsigned fact, bool *known)
{
    (void)field;
    bool on = switched(q, fact, SPAN_EMPTY, SPAN_EMPTY, known);
    for (size_t i = 0; i < q->asked->n_topics && !on && *known; i++)
        on = switched(q, fact, q->asked->topics[i], SPAN_EMPTY, known);
    return on;
}

/* A switch of the device the request comes from (B1.2.3.p4). */
static bool fact_device(const struct question *q, unsigned field, unsigned fact, bool *known)
{
    (void)field;
    *known = true;
    return q->asked->device.len && switched(q, fact, SPAN_EMPTY, q->asked->device, known);
}

static bool fact_service(const struct question *q, unsigned field, unsigned fact, bool *known)
{
    (void)field;
    (void)fact;
    *known = true;
    return q->call->now.ms >= q->service->ended.ms;
}

bool question_held(const struct question *q, struct span field)
{
    return hold_binds(q->holds, q->n_holds, field, q->call->now);
}

/* Kept only because a law says so (B4.0.a). */
static bool fact_value(const struct question *q, unsigned field, unsigned fact, bool *known)
{
    (void)fact;
    *known = true;
    return question_held(q, policy_name(q->policy, DIM_FIELD, field));
}

/* Another service collected it; or the caller says so, where nothing is held (B1.2.10). */
static bool fact_origin(const struct question *q, unsigned field, unsigned fact, bool *known)
{
    const struct evidence *e = evidence_find(q, policy_kind_name(q->policy, KIND_FACT, fact));
    struct span name = policy_name(q->policy, DIM_FIELD, field);
    *known = true;
    for (size_t i = 0; i < q->n_places; i++)
        if (span_eq(q->places[i].value.field, name) &&
            !span_eq(q->places[i].value.from.service, q->service->name))
            return true;
    return e && !span_eq(e->reference, q->service->name);
}

/* ---- Orders (B1.2.5) */

static bool order_has(const struct question *q, struct span field)
{
    for (size_t i = 0; i < q->n_places; i++)
        if (span_eq(q->places[i].value.field, field) && span_eq(q->places[i].value.item, q->order))
            return true;
    return false;
}

static bool order_known(const struct question *q)
{
    for (size_t i = 0; i < q->n_places; i++)
        if (q->order.len && span_eq(q->places[i].value.item, q->order))
            return true;
    return false;
}

/* The catalogue's group of what a delivery cannot do without; an order of which nothing is held is not kept
 * here. */
static bool order_incomplete(const struct question *q)
{
    for (unsigned i = 0; order_known(q) && i < policy_count(q->policy, DIM_FIELD); i++)
        if (policy_in_group(q->policy, DIM_FIELD, i, SPAN("recipient-set")) &&
            !order_has(q, policy_name(q->policy, DIM_FIELD, i)))
            return true;
    return false;
}

static bool fact_order(const struct question *q, unsigned field, unsigned fact, bool *known)
{
    struct span name = policy_kind_name(q->policy, KIND_FACT, fact);
    (void)field;
    *known = true;
    if (span_is(name, "order-incomplete"))
        return order_incomplete(q);
    enum purchase_standing at =
        q->recipient ? purchase_at(q->purchases, q->n_purchases, q->recipient->name, q->order, q->call->now)
                     : PURCHASE_FREE;
    return span_is(name, "order-over") ? at == PURCHASE_OVER : at == PURCHASE_FOREIGN;
}

static bool fact_evidence(const struct question *q, unsigned field, unsigned fact, bool *known)
{
    (void)field;
    *known = true;
    return evidence_find(q, policy_kind_name(q->policy, KIND_FACT, fact)) != NULL;
}

static const struct {
    const char *name;
    fact_fn fact;
    bool by_field;
    enum rests_on on;
} fact_sources[] = {
    {"preference", fact_preference, false, RESTS_ON_EVENTS},
    {"service", fact_service, false, RESTS_ON_ITSELF},
    {"value", fact_value, true, RESTS_ON_ITSELF},
    {"device", fact_device, false, RESTS_ON_EVENTS},
    {"origin", fact_origin, true, RESTS_ON_ITSELF},
    {"order", fact_order, false, RESTS_ON_ITSELF},
    {"evidence", fact_evidence, false, RESTS_ON_EVIDENCE},
};

/* ---- Binding the catalogue's sources */

static enum err no_source(const struct policy *p, enum policy_kind k, unsigned i, struct fail *f)
{
    fail_hint(f, "the sources are listed in docs/policy-reference.md");
    return fail_set(f, ERR_POLICY, "'%.*s' comes from '%.*s', which is not a source",
                    SPAN_F(policy_kind_name(p, k, i)), SPAN_F(policy_kind_source(p, k, i)));
}

static enum err bind_need(const struct policy *p, unsigned i, struct sources *out, struct fail *f)
{
    struct span from = policy_kind_source(p, KIND_NEED, i);
    for (size_t k = 0; k < sizeof need_sources / sizeof need_sources[0]; k++)
        if (span_is(from.len ? from : SPAN("evidence"), need_sources[k].name))
            out->need[i] = &need_sources[k];
    if (!out->need[i])
        return no_source(p, KIND_NEED, i, f);
    out->evidence_needs |= out->need[i]->evidence ? 1ull << i : 0;
    out->field_needs |= out->need[i]->by_field ? 1ull << i : 0;
    out->needs_on[out->need[i]->on] |= 1ull << i;
    return OK;
}

static enum err bind_fact(const struct policy *p, unsigned i, struct sources *out, struct fail *f)
{
    struct span from = policy_kind_source(p, KIND_FACT, i);
    for (size_t k = 0; k < sizeof fact_sources / sizeof fact_sources[0]; k++) {
        if (!span_is(from.len ? from : SPAN("evidence"), fact_sources[k].name))
            continue;
        out->fact[i] = fact_sources[k].fact;
        out->field_facts |= fact_sources[k].by_field ? 1ull << i : 0;
        out->facts_on[fact_sources[k].on] |= 1ull << i;
    }
    if (!out->fact[i])
        return no_source(p, KIND_FACT, i, f);
    out->evidence_facts |= out->fact[i] == fact_evidence ? 1ull << i : 0;
    out->asks_value |= out->fact[i] == fact_value;
    out->asks_order |= out->fact[i] == fact_order;
    out->asks_origin |= out->fact[i] == fact_origin;
    return OK;
}

enum err sources_bind(const struct policy *p, struct arena *a, struct sources *out, struct fail *f)
{
    enum err e = OK;
    words_bind(p, a, out);
    for (unsigned i = 0; !e && i < policy_kind_count(p, KIND_NEED); i++)
        e = bind_need(p, i, out, f);
    for (unsigned i = 0; !e && i < policy_kind_count(p, KIND_FACT); i++)
        e = bind_fact(p, i, out, f);
    return e;
}

/* ---- Gathering */

/* True if a piece of evidence names a guardian: by that word, or by a need that is known by the link. */
static bool names_guardian(const struct question *q, const struct evidence *e)
{
    struct span name = spelled(q->call->arena, e->name);
    unsigned need = policy_kind_find(q->policy, KIND_NEED, name);
    if (need != POLICY_NONE)
        return q->call->view->sources->need[need]->held == held_guardian_link;
    return span_is(name, "guardian");
}

/* The acting guardian, or one named in the evidence, is verified for the person. */
static enum err gather_guardian(struct question *q, struct fail *f)
{
    struct subject_id id = {{0}};
    enum err e = OK;
    if (q->has_guardian)
        return guardian_linked(q->call->st, &q->subject, q->guardian, &q->guardian_link, f);
    for (size_t i = 0; !e && !q->guardian_link && i < q->asked->n_evidence; i++)
        if (names_guardian(q, &q->asked->evidence[i]) &&
            hex_get(q->asked->evidence[i].reference, id.b, ID_LEN))
            e = guardian_linked(q->call->st, &q->subject, id, &q->guardian_link, f);
    return e;
}

enum err question_places(struct question *q, struct fail *f)
{
    struct gate_call *c = q->call;
    struct vault_person person = vault_of(&q->subject);
    struct span *names = ARENA_ARRAY(c->arena, q->n_fields, struct span);
    for (size_t i = 0; i < q->n_fields; i++)
        names[i] = policy_name(q->policy, DIM_FIELD, q->fields[i]);
    enum err e = vault_places(c->st, &person, names, q->n_fields, q->order, q->asked->brief, c->arena,
                              &q->places, &q->n_places, f);
    q->has_places = q->n_places < VALUE_PLACES_MAX; /* with more, fields are opened one by one */
    return e;
}

static enum err gather_ties(struct question *q, struct fail *f)
{
    struct gate_call *c = q->call;
    const struct sources *s = c->view->sources;
    enum err e = OK;
    if (s->asks_value && !q->subject.unheld)
        e = hold_list(c->st, q->subject.sid, c->arena, &q->holds, &q->n_holds, f);
    if (!e && s->asks_order && q->recipient)
        e = purchase_list(c->st, q->subject.sid, c->arena, &q->purchases, &q->n_purchases, f);
    if (!e && (s->asks_origin || (s->asks_order && q->order.len)))
        e = question_places(q, f);
    return e;
}

static void take_from(struct question *q, const struct question *like)
{
    q->events = like->events;
    q->n_events = like->n_events;
    q->holds = like->holds;
    q->n_holds = like->n_holds;
    q->places = like->places;
    q->n_places = like->n_places;
    q->has_places = like->has_places;
}

static enum err gather_person(struct question *q, const struct question *like, struct fail *f)
{
    struct gate_call *c = q->call;
    struct vault_person person = vault_of(&q->subject);
    enum err e = vault_key_open(c->gate->vault, c->st, &person, &q->key, f);
    if (!e && like) {
        take_from(q, like);
        return gather_guardian(q, f);
    }
    if (!e)
        e = consent_held(c->st, q->subject.sid, c->arena, &q->events, &q->n_events, f);
    if (!e)
        e = gather_ties(q, f);
    return e ? e : gather_guardian(q, f);
}

/* The references given for needs that stand on the operator's lists. */
static enum err gather_listed(struct question *q, const struct sources *s, struct fail *f)
{
    enum err e = OK;
    for (unsigned i = 0; !e && q->asked->n_evidence && i < policy_kind_count(q->policy, KIND_NEED); i++) {
        const struct evidence *given = evidence_find(q, need_name(q, i));
        if (given && s->need[i]->held == held_list)
            e = reference_holds(q->call->st, need_name(q, i), span_trim(given->reference), q->call->now,
                                &q->listed[i], f);
    }
    return e;
}

/* Bits of a set from the lowest on. */
static bool next_bit(uint64_t *set, unsigned *i)
{
    if (!*set)
        return false;
    *i = (unsigned)__builtin_ctzll(*set);
    *set &= *set - 1;
    return true;
}

static void ask_needs(const struct question *q, unsigned field, uint64_t which, struct standing *out)
{
    const struct sources *s = q->call->view->sources;
    out->needs &= ~which;
    out->ended &= ~which;
    out->outside &= ~which;
    for (unsigned i; next_bit(&which, &i);) {
        enum consent_holding h = s->need[i]->held(q, field, i);
        uint64_t bit = 1ull << i;
        out->needs |= h == CONSENT_HOLDS ? bit : 0;
        out->ended |= h == CONSENT_ENDED ? bit : 0;
        out->outside |= h == CONSENT_OUTSIDE ? bit : 0;
    }
}

static void ask_facts(const struct question *q, unsigned field, uint64_t which, struct standing *out)
{
    const struct sources *s = q->call->view->sources;
    out->facts &= ~which;
    out->facts_known |= which;
    for (unsigned i; next_bit(&which, &i);) {
        bool known = true;
        uint64_t bit = 1ull << i;
        out->facts |= s->fact[i](q, field, i, &known) ? bit : 0;
        out->facts_known &= known ? UINT64_MAX : ~bit;
    }
}

/* Most needs and facts are the same for all fields, and asked once. */
struct standing question_standing(const struct question *q, unsigned field)
{
    struct standing s = q->standing;
    ask_needs(q, field, q->needs_by_field, &s);
    ask_facts(q, field, q->facts_by_field, &s);
    return s;
}

/* What there is something to ask about: what rests on events, a recipient or evidence that are not there does
 * not hold, and that is known. */
static uint64_t to_ask(const struct question *q, const uint64_t on[RESTS_ON_COUNT])
{
    uint64_t which = on[RESTS_ON_ITSELF];
    which |= q->n_events ? on[RESTS_ON_EVENTS] : 0;
    which |= q->recipient ? on[RESTS_ON_RECIPIENT] : 0;
    which |= q->asked->n_evidence ? on[RESTS_ON_EVIDENCE] : 0;
    return which;
}

static void ask_all(struct question *q)
{
    const struct sources *s = q->call->view->sources;
    for (unsigned i = 0; i < RESTS_ON_COUNT; i++)
        q->standing.facts_known |= s->facts_on[i];
    ask_needs(q, 0, to_ask(q, s->needs_on), &q->standing);
    ask_facts(q, 0, to_ask(q, s->facts_on), &q->standing);
}

static bool limited_to_fields(const struct question *q)
{
    for (size_t i = 0; i < q->n_events; i++)
        if (q->events[i].fields.len)
            return true;
    return false;
}

enum err question_gather(struct question *q, const struct question *like, struct fail *f)
{
    const struct sources *s = q->call->view->sources;
    const struct evidence *order = evidence_find(q, SPAN("order"));
    q->order = order ? span_trim(order->reference) : SPAN_EMPTY;
    enum err e = q->has_subject ? gather_person(q, like, f) : OK;
    if (!e)
        e = gather_listed(q, s, f);
    if (e)
        return e;
    q->evidence_needs = s->evidence_needs;
    q->evidence_facts = s->evidence_facts;
    q->needs_by_field = limited_to_fields(q) ? s->field_needs : 0;
    q->facts_by_field = q->n_holds || q->n_places ? s->field_facts : 0;
    q->scope = scope_of(q);
    ask_all(q);
    return OK;
}
