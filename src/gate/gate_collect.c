// SPDX-License-Identifier: Apache-2.0
/* Collecting and correcting: all of it or nothing. See gate.h. */
#include "gate_impl.h"

static bool may_claim(const struct service *s, struct span source)
{
    struct span rest = s->sources, one;
    while (span_cut(&rest, ',', &one))
        if (span_eq(span_trim(one), source))
            return true;
    return s->sources.len == 0;
}

/* B1.1.3: a service that observes may not pretend that the person said it. That it tried is on record. */
static enum err check_source(const struct question *q, struct fail *f)
{
    struct span source = asked_source(q->asked);
    struct record r = {.kind = AUDIT_REFUSED, .q = q, .extra = SPAN("\"event\":\"source forbidden\"")};
    if (may_claim(q->service, source))
        return OK;
    enum err e = record_add(q->call, &r, f);
    if (e)
        return e;
    q->call->undo = true;
    fail_where(f, "/source");
    fail_hint(f, "it may claim: %.*s", SPAN_F(q->service->sources));
    return fail_set(f, ERR_SOURCE_FORBIDDEN, "service '%.*s' may not claim the source '%.*s'",
                    SPAN_F(q->service->name), SPAN_F(source));
}

/* ---- Undeclared fields */

static bool lenient(const struct gate_call *c, const struct gate_request *asked)
{
    const struct service *s = c->service ? c->service : registers_service(c->view->registers, asked->service);
    return s && s->lenient;
}

/* B4.4: for a lenient service what the policy does not declare is dropped and counted; what looks like a
 * pattern is still refused, it is a mistake and not too much of a good thing. */
static size_t keep_declared(struct gate_call *c, const struct gate_value *in, size_t n, bool drop,
                            struct gate_value *out)
{
    const struct policy *p = c->view->policy;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!drop || policy_find(p, DIM_FIELD, in[i].field) != POLICY_NONE ||
            is_wildcard(p, in[i].field, c->arena))
            out[kept++] = in[i];
    atomic_fetch_add(&c->gate->undeclared, n - kept);
    return kept;
}

/* ---- Storing */

/* A phone number that is replaced must not lead to the person any more, so the index follows the field's
 * newest value. */
static enum err index_value(const struct question *q, const char *kind, struct span field, struct span normal,
                            struct fail *f)
{
    struct gate_call *c = q->call;
    struct vault_person person = vault_of(&q->subject);
    return kind ? vault_index_put(c->gate->vault, c->st, &person, span_str(kind), field, normal, f) : OK;
}

static uint32_t revision_mark(const struct digest *d)
{
    return (uint32_t)d->b[0] << 24 | (uint32_t)d->b[1] << 16 | (uint32_t)d->b[2] << 8 | d->b[3];
}

static struct provenance provenance(const struct question *q, const struct gate_field *answer)
{
    const struct gate_request *asked = q->asked;
    const struct evidence *supplier = evidence_find(q, SPAN("supplier"));
    return (struct provenance){.source = asked_source(asked),
                               .service = q->service->name,
                               .purpose = policy_name(q->policy, DIM_PURPOSE, q->value[DIM_PURPOSE]),
                               .supplier = supplier ? supplier->reference : SPAN_EMPTY,
                               .region = span_str(q->call->gate->region),
                               .time = q->call->now,
                               .keep_until = answer->keep_until,
                               .revision = revision_mark(&q->call->view->digest)};
}

/* One that this request stored already: its version is not the one that was gathered. */
static bool stored_before(const struct question *q, const struct gate_value *values, size_t i)
{
    size_t k = 0;
    while (k < i && (q->fields[k] != q->fields[i] || !span_eq(values[k].item, values[i].item)))
        k++;
    return k < i;
}

/* What was gathered of the person says the version, and no statement is needed for it. */
static int64_t version_now(const struct question *q, const struct gate_value *values, size_t i)
{
    struct span name = policy_name(q->policy, DIM_FIELD, q->fields[i]);
    if (!q->has_places || stored_before(q, values, i))
        return VALUE_VERSION_ASK;
    for (size_t k = 0; k < q->n_places; k++)
        if (span_eq(q->places[k].value.field, name) && span_eq(q->places[k].value.item, values[i].item))
            return q->places[k].value.version;
    return 0;
}

static enum err store_value(const struct question *q, const struct gate_value *values, size_t i,
                            const struct gate_field *answer, struct fail *f)
{
    const struct gate_value *in = &values[i];
    struct span name = policy_name(q->policy, DIM_FIELD, q->fields[i]);
    struct vault_person person = vault_of(&q->subject);
    struct value v = {.field = name, .item = in->item, .from = provenance(q, answer)};
    const char *kind;
    enum err e = value_check(q->call->arena, q->policy, q->fields[i], in->plain, &v.plain, &kind, f);
    if (!e && in->item.len)
        e = clock_of_item(q, q->fields[i], in->item, &v.from.keep_until, f);
    if (!e)
        e = index_value(q, in->item.len ? NULL : kind, name, v.plain, f);
    if (!e)
        e = vault_put(q->call->st, &person, q->key, &v, version_now(q, values, i), f);
    if (e)
        fail_where(f, "/values/%.*s", SPAN_F(span_sub(in->field, 0, 64)));
    return e;
}

static enum err store_all(const struct question *q, const struct gate_value *values,
                          const struct gate_answer *answer, struct fail *f)
{
    enum err e = OK;
    for (size_t i = 0; !e && i < q->n_fields; i++)
        e = store_value(q, values, i, &answer->fields[i], f);
    return e;
}

/* ---- Deciding */

/* B1.2.7: another company's login says more than we may take. What no agreement could allow is dropped and
 * counted; unless nothing would be left. */
static size_t drop_surplus(struct question *q, struct gate_value *values, struct gate_answer *a)
{
    size_t kept = 0, n = a->n_fields;
    for (size_t i = 0; i < n; i++)
        kept += a->fields[i].answer < ANSWER_DENY;
    if (!span_is(q->asked->source, "third_party_account") || kept == 0 || kept == n)
        return 0;
    a->n_fields = 0;
    a->answer = ANSWER_ALLOW;
    for (size_t i = 0; i < n; i++) {
        if (a->fields[i].answer >= ANSWER_DENY)
            continue;
        q->fields[a->n_fields] = q->fields[i];
        values[a->n_fields] = values[i];
        if (a->fields[i].answer > a->answer)
            a->answer = a->fields[i].answer;
        a->fields[a->n_fields++] = a->fields[i];
    }
    q->n_fields = kept;
    return n - kept;
}

static enum err corrected(const struct question *q, const struct gate_value *values, struct fail *f)
{
    struct happening h = {.event = SPAN("correction-accepted"), .time = q->call->now};
    enum err e = OK;
    for (size_t i = 0; !e && i < q->n_fields; i++) {
        h.field = policy_name(q->policy, DIM_FIELD, q->fields[i]);
        h.item = values[i].item;
        e = clock_start(q->call, &q->subject, &h, NULL, f);
    }
    return e;
}

static enum err refuse_held(const struct question *q, const struct gate_value *values,
                            struct gate_answer *answer, struct fail *f)
{
    struct span *items = ARENA_ARRAY(q->call->arena, q->n_fields ? q->n_fields : 1, struct span);
    for (size_t i = 0; i < q->n_fields; i++)
        items[i] = values[i].item;
    return hold_refuses(q, items, false, answer, f);
}

static enum err collect(struct question *q, const struct gate_value *values, struct gate_answer *answer,
                        enum audit_kind kind, size_t dropped, struct fail *f)
{
    struct span extra = dropped ? arena_fmt(q->call->arena, "\"dropped\":%zu", dropped) : SPAN_EMPTY;
    enum err e = check_source(q, f);
    if (!e && !answer_refused(answer))
        e = refuse_held(q, values, answer, f);
    if (e)
        return e;
    if (q->n_fields && answer_refused(answer))
        return record_refusal(q, answer, extra, f);
    e = store_all(q, values, answer, f);
    if (!e && kind == AUDIT_CORRECT)
        e = corrected(q, values, f);
    if (e)
        return e;
    return record_add(q->call, &(struct record){.kind = kind, .q = q, .answer = answer, .extra = extra}, f);
}

enum err gate_collect(struct gate_call *c, const struct gate_request *asked, const struct gate_value *values,
                      size_t n, bool correct, struct gate_answer *out, size_t *dropped, struct fail *f)
{
    struct question q = {0};
    struct gate_request *r = ARENA_NEW(c->arena, struct gate_request);
    struct gate_value *kept = ARENA_ARRAY(c->arena, n ? n : 1, struct gate_value);
    *dropped = 0;
    if (!asked->has_subject)
        return fail_set(f, ERR_MISSING_MEMBER, "values belong to a person; none is named");
    if (n == 0 || n > GATE_FIELDS_MAX)
        return fail_set(f, ERR_BAD_VALUE, "give between 1 and %d values", GATE_FIELDS_MAX);
    *r = *asked;
    r->n_fields = keep_declared(c, values, n, lenient(c, asked), kept);
    *dropped = n - r->n_fields;
    for (size_t i = 0; i < r->n_fields; i++)
        r->fields[i] = kept[i].field;
    enum err e = question_ask(&q, c, r, correct ? SPAN("correct") : SPAN("collect"), out, f);
    if (!e)
        *dropped += drop_surplus(&q, kept, out);
    if (!e)
        e = collect(&q, kept, out, correct ? AUDIT_CORRECT : AUDIT_COLLECT, *dropped, f);
    question_end(&q);
    return e;
}
