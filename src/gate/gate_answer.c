// SPDX-License-Identifier: Apache-2.0
/* From verdicts to the answer a caller sees: names, reasons, obligations, the cases tried. See gate.h. */
#include "gate_impl.h"

/* The API's spelling of closed codes: underscores. */
static struct span code(struct arena *a, struct span s)
{
    char *out = arena_str(a, s);
    for (size_t i = 0; i < s.len; i++)
        if (out[i] == '-')
            out[i] = '_';
    return span_of(out, s.len);
}

bool answer_allows(const struct gate_field *f)
{
    return f->answer == ANSWER_ALLOW || f->answer == ANSWER_ALLOW_MASKED;
}

const struct gate_field *answer_refused(const struct gate_answer *a)
{
    for (size_t i = 0; i < a->n_fields; i++)
        if (!answer_allows(&a->fields[i]))
            return &a->fields[i];
    return NULL;
}

static void fill_needs(const struct question *q, uint64_t missing, struct gate_field *out)
{
    for (unsigned i = 0; i < POLICY_NEEDS_MAX && out->n_needs < GATE_NEEDS_MAX; i++)
        if (missing >> i & 1)
            out->needs[out->n_needs++] = policy_kind_name(q->policy, KIND_NEED, i);
}

static struct span clause_of(const struct question *q, unsigned clause)
{
    return clause == POLICY_NONE ? SPAN_EMPTY : policy_clause_ref(q->policy, clause, q->call->arena);
}

/* `before`: the field filled last, or null. Most fields of a question rest on one clause. */
static void fill_field(const struct question *q, const struct asked_field *in,
                       const struct gate_field *before, struct gate_field *out)
{
    const struct policy_decision *d = &in->v.d;
    struct span reason = in->v.overruled ? in->v.reason : d->reason;
    *out = (struct gate_field){
        .asked = in->asked,
        .field = in->whole ? POLICY_NONE : in->field,
        .answer = d->answer,
        .clause = before && before->clause_number == d->clause ? before->clause : clause_of(q, d->clause),
        .clause_number = d->clause,
        .keep_until = in->keep_until,
        .deeds = verdict_allowed(&in->v) ? d->deeds : 0};
    if (!verdict_allowed(&in->v))
        out->reason = code(q->call->arena, reason);
    if (d->answer == ANSWER_ALLOW_MASKED)
        out->mask = policy_kind_name(q->policy, KIND_MASK, d->mask);
    if (d->answer == ANSWER_NEEDS)
        fill_needs(q, d->missing, out);
}

static void fill_obligations(const struct question *q, uint64_t deeds, struct gate_answer *out)
{
    for (unsigned i = 0; i < policy_kind_count(q->policy, KIND_DEED) && i < 64; i++)
        if (deeds >> i & 1 && out->n_obligations < sizeof out->obligations / sizeof out->obligations[0])
            out->obligations[out->n_obligations++] =
                code(q->call->arena, policy_kind_name(q->policy, KIND_DEED, i));
}

/* ---- The cases tried */

static void add_tried(const struct question *q, unsigned clause, struct gate_answer *out)
{
    struct span ref = clause_of(q, clause);
    for (size_t i = 0; i < out->n_tried; i++)
        if (span_eq(out->tried[i], ref))
            return;
    if (ref.len && out->n_tried < POLICY_TRIED_MAX)
        out->tried[out->n_tried++] = ref;
}

/* Whoever is not registered stands for no party: seen from inside, every case of sharing is a near miss
 * (R087). */
static void tried_by_anybody(const struct question *q, struct policy_request *r)
{
    unsigned own = policy_find(q->policy, DIM_PARTY, SPAN("own"));
    if (q->recipient_unknown && own != POLICY_NONE)
        r->value[DIM_PARTY] = (uint16_t)own;
}

static void explain_field(const struct question *q, const struct asked_field *in, struct gate_answer *out,
                          struct text *json)
{
    struct policy_request r;
    struct policy_decision d;
    struct policy_trace trace = {0};
    struct standing s = question_standing(q, in->field);
    question_request(q, in->field, &s, &r);
    tried_by_anybody(q, &r);
    policy_explain(q->policy, &r, &d, q->call->arena, &trace);
    for (size_t i = 0; i < trace.n; i++)
        if (trace.rows[i].fate == FATE_NEAR)
            add_tried(q, trace.rows[i].clause, out);
    if (!json)
        return;
    json_open(json, NULL, '{');
    json_string(json, "field", in->asked);
    struct text one = text_new(q->call->arena, 512);
    policy_explain_json(q->policy, &r, &d, &trace, &one);
    json_raw(json, "explanation", text_span(&one));
    json_close(json, '}');
}

static bool silence(const struct asked_field *in)
{
    struct span reason = in->v.overruled ? in->v.reason : in->v.d.reason;
    return in->v.d.answer == ANSWER_DENY && span_is(reason, "default-deny");
}

static void fill_trace(const struct question *q, const struct asked_field *fields, size_t n,
                       struct gate_answer *out)
{
    struct text t = text_new(q->call->arena, 1024);
    json_open(&t, NULL, '[');
    for (size_t i = 0; i < n; i++)
        explain_field(q, &fields[i], out, &t);
    json_close(&t, ']');
    out->trace_json = text_span(&t);
}

/* Where nothing allows it, the caller is told what came near; for the first such field, the others miss
 * alike. */
static void fill_tried(const struct question *q, const struct asked_field *fields, size_t n,
                       struct gate_answer *out)
{
    for (size_t i = 0; i < n; i++)
        if (silence(&fields[i])) {
            explain_field(q, &fields[i], out, NULL);
            return;
        }
}

void answer_fill(struct question *q, const struct asked_field *fields, size_t n, struct gate_answer *out)
{
    uint64_t deeds = 0;
    *out = (struct gate_answer){.answer = ANSWER_ALLOW, .n_fields = n, .hint = q->hint};
    out->epoch = q->call->view->generation + (q->has_subject ? q->subject.epoch : 0);
    out->fields = ARENA_ARRAY(q->call->arena, n, struct gate_field);
    for (size_t i = 0; i < n; i++) {
        fill_field(q, &fields[i], i ? &out->fields[i - 1] : NULL, &out->fields[i]);
        deeds |= out->fields[i].deeds;
        if (out->fields[i].answer > out->answer)
            out->answer = out->fields[i].answer;
    }
    fill_obligations(q, deeds, out);
    if (q->asked->explain)
        fill_trace(q, fields, n, out);
    else
        fill_tried(q, fields, n, out);
}
