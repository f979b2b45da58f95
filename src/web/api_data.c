// SPDX-License-Identifier: Apache-2.0
/* Values: collect, correct, read, delete; and what is held. */
#include "web_impl.h"

/* ---- What is held (B5.1.a): provenance, no values */

static void render_held(struct text *t, const struct gate_out *v)
{
    json_open(t, NULL, '{');
    json_string(t, "field", v->field);
    if (v->item.len)
        json_string(t, "item", v->item);
    json_i64(t, "version", v->version);
    render_provenance(t, v);
    json_close(t, '}');
}

void api_data_list(struct call *c)
{
    struct subject s;
    struct gate_out *held;
    struct span source = SPAN_EMPTY, field = SPAN_EMPTY;
    size_t n = 0;
    struct text t = text_new(c->arena, 1024);
    call_query(c, "source", &source);
    call_query(c, "field", &field);
    if (call_subject(c, 0, &s) != OK || gate_held(&c->gate, s.id, &held, &n, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_open(&t, "data", '[');
    for (size_t i = 0; i < n; i++)
        if ((!source.len || span_eq(source, held[i].source)) && (!field.len || span_eq(field, held[i].field)))
            render_held(&t, &held[i]);
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- Collecting and correcting */

static struct gate_value *take_values(const struct call *c, struct gate_request *q, size_t *n)
{
    const struct json *values = json_get(c->body, "values");
    struct gate_value *out = ARENA_ARRAY(c->arena, GATE_FIELDS_MAX, struct gate_value);
    for (*n = 0; *n < json_count(values) && *n < GATE_FIELDS_MAX; ++*n) {
        const struct json *v = json_at(values, *n);
        bool object = json_kind(v) == JSON_OBJECT;
        out[*n].field = json_name(v);
        out[*n].plain = object ? json_span(json_get(v, "value")) : json_span(v);
        out[*n].item = json_span(json_get(v, "item"));
        q->fields[*n] = out[*n].field;
    }
    q->n_fields = *n;
    return out;
}

static void answer_stored(struct call *c, const struct gate_answer *answer, size_t n, size_t dropped)
{
    struct text t = text_new(c->arena, 1024);
    json_open(&t, NULL, '{');
    json_i64(&t, "stored", (int64_t)(n - dropped));
    if (dropped)
        json_i64(&t, "dropped", (int64_t)dropped);
    json_open(&t, "decision", '{');
    render_decision_members(c, &t, answer);
    json_close(&t, '}');
    call_entry(c, &t, "entry", 0);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* The gate numbers the fields it was asked about; here they are the members of `values`. */
static void place_in_values(struct call *c, const struct gate_request *q)
{
    struct span where = span_str(c->fail.where), prefix = SPAN("/fields/");
    uint64_t i = 0;
    if (!span_starts(where, "/fields/") ||
        !span_u64(span_sub(where, prefix.len, where.len), GATE_FIELDS_MAX, &i) || i >= q->n_fields)
        return;
    struct text t = text_new(c->arena, 64);
    for (size_t k = 0; k < q->fields[i].len; k++) {
        char ch = (char)q->fields[i].p[k];
        if (ch == '~' || ch == '/') /* RFC 6901, 3 */
            text_str(&t, ch == '~' ? "~0" : "~1");
        else
            text_char(&t, ch);
    }
    c->fail.where[0] = 0;
    fail_where(&c->fail, "/values/%.*s", SPAN_F(text_span(&t)));
}

/* What a set of values became. */
struct stored {
    struct gate_answer *answer;
    size_t n, dropped;
};

static enum err put(struct call *c, struct subject *s, struct stored *out)
{
    struct gate_request *q = ARENA_NEW(c->arena, struct gate_request);
    bool correct = false;
    out->answer = ARENA_NEW(c->arena, struct gate_answer);
    if (call_question(c, q) != OK)
        return c->fail.code;
    q->subject = s->id;
    q->read = s;
    q->has_subject = true;
    json_read_bool(c->body, "correct", false, &correct, NULL);
    const struct gate_value *values = take_values(c, q, &out->n);
    enum err err = gate_collect(&c->gate, q, values, out->n, correct, out->answer, &out->dropped, &c->fail);
    if (err != OK)
        place_in_values(c, q);
    if (err == ERR_REFUSED)
        call_refuse(c, out->answer);
    return err == OK ? call_relate(c, s, q->service) : err;
}

enum err data_act(struct call *c, struct subject *s)
{
    struct stored done = {0};
    return put(c, s, &done);
}

void api_data_put(struct call *c)
{
    struct subject s;
    struct stored done = {0};
    if (call_subject(c, 0, &s) == OK && put(c, &s, &done) == OK)
        answer_stored(c, done.answer, done.n, done.dropped);
}

/* ---- Reading */

bool answer_allows_any(const struct gate_answer *a)
{
    for (size_t i = 0; i < a->n_fields; i++)
        if (a->fields[i].answer == ANSWER_ALLOW || a->fields[i].answer == ANSWER_ALLOW_MASKED)
            return true;
    return false;
}

bool call_provenance(const struct call *c)
{
    bool wanted = false;
    json_read_bool(c->body, "provenance", false, &wanted, NULL);
    return wanted;
}

void answer_values(struct call *c, const struct gate_answer *answer, const struct gate_out *values, size_t n,
                   const struct share_id *share)
{
    struct text t = text_new(c->arena, 2048);
    if (!answer_allows_any(answer)) {
        call_refuse(c, answer);
        return;
    }
    json_open(&t, NULL, '{');
    if (share)
        json_hex(&t, "share", share->b, ID_LEN);
    if (share)
        render_receipt(c, &t, "receipt", 0);
    render_values(c, &t, answer, values, n, call_provenance(c));
    render_decision_members(c, &t, answer);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

enum err call_known_tags(struct call *c, struct gate_request *q, const struct json *known)
{
    q->tags = known != NULL;
    for (size_t i = 0; i < json_count(known); i++) {
        const struct json *one = json_at(known, i);
        size_t k = 0;
        while (k < q->n_fields && !span_eq(q->fields[k], json_name(one)))
            k++;
        if (k == q->n_fields) {
            fail_where(&c->fail, "/known");
            return fail_set(&c->fail, ERR_BAD_VALUE, "`known` has a field that is not among `fields`: %.*s.",
                            SPAN_F(span_sub(json_name(one), 0, 64)));
        }
        q->known[k] = json_span(one);
    }
    return OK;
}

void api_data_read(struct call *c)
{
    struct subject s;
    struct gate_request *q = ARENA_NEW(c->arena, struct gate_request);
    struct gate_answer *answer = ARENA_NEW(c->arena, struct gate_answer);
    struct gate_out *values = NULL;
    size_t n = 0;
    if (call_subject(c, 0, &s) != OK || call_question(c, q) != OK ||
        call_known_tags(c, q, json_get(c->body, "known")) != OK)
        return;
    q->subject = s.id;
    q->read = &s;
    q->has_subject = true;
    q->brief = !call_provenance(c);
    enum err err = gate_read(&c->gate, q, answer, &values, &n, &c->fail);
    if (err == ERR_REFUSED)
        call_refuse(c, answer);
    if (err == OK)
        answer_values(c, answer, values, n, NULL);
}

/* ---- Deleting */

static void answer_deleted(struct call *c, const struct gate_answer *answer, int64_t deleted)
{
    struct text t = text_new(c->arena, 512);
    json_open(&t, NULL, '{');
    json_i64(&t, "deleted", deleted);
    json_open(&t, "decision", '{');
    render_decision_members(c, &t, answer);
    json_close(&t, '}');
    render_receipt(c, &t, "receipt", 0);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

void api_data_delete(struct call *c)
{
    struct subject s;
    struct gate_request *q = ARENA_NEW(c->arena, struct gate_request);
    struct gate_answer *answer = ARENA_NEW(c->arena, struct gate_answer);
    struct span item = SPAN_EMPTY, service = SPAN_EMPTY;
    int64_t deleted = 0;
    call_query(c, "item", &item);
    call_query(c, "service", &service);
    if (call_subject(c, 0, &s) != OK || call_wish(c, &s, &q->actor) != OK)
        return;
    if (call_service(c, service, &q->service) != OK)
        return;
    q->subject = s.id;
    q->read = &s;
    q->has_subject = true;
    q->purpose = gate_word(c->gate.view->policy, DIM_PURPOSE, "rights-requests");
    if (q->purpose.len == 0) {
        gate_word_missing(&c->fail, "purpose", "rights-requests");
        return;
    }
    q->fields[0] = c->params.value[1];
    q->n_fields = 1;
    enum err err = gate_delete(&c->gate, q, item, answer, &deleted, &c->fail);
    if (err == ERR_REFUSED)
        call_refuse(c, answer);
    if (err == OK)
        answer_deleted(c, answer, deleted);
}
