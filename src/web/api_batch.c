// SPDX-License-Identifier: Apache-2.0
/*
 * POST /v1/read: one question about many persons. Each is decided and recorded for itself, with its own
 * answer or its own problem, in the order asked. What is wrong with the question itself fails the whole.
 */
#include "web_impl.h"

#include <stdlib.h>

#define BATCH_MAX 1000 /* persons of one call: 30 ms of a reader; beyond, ask again */

/* Of one person, and not of the question. */
static bool is_persons(enum err e)
{
    return e == ERR_NOT_FOUND || e == ERR_GONE || e == ERR_INTEGRITY || e == ERR_REFUSED;
}

static void put_problem(struct batch *b)
{
    struct call *c = b->call;
    struct response res = {0};
    http_problem(c->arena, &res, &c->fail, c->extra);
    json_i64(b->text, "status", res.status);
    json_raw(b->text, "problem", res.body);
    c->fail = (struct fail){0};
    c->extra = SPAN_EMPTY;
}

static void put_entry(struct batch *b, size_t before)
{
    if (b->call->gate.n_entries > before)
        json_i64(b->text, "entry_offset", (int64_t)before);
}

static enum err read_person(struct batch *b, const struct subject *s)
{
    struct call *c = b->call;
    struct gate_request *q = b->question;
    struct gate_answer *answer = ARENA_NEW(c->arena, struct gate_answer);
    struct gate_out *values = NULL;
    size_t n = 0;
    q->subject = s->id;
    q->read = s;
    enum err err = gate_read(&c->gate, q, answer, &values, &n, &c->fail);
    if (err == OK && !answer_allows_any(answer)) {
        call_refuse(c, answer);
        c->gate.undo = false;
        return c->fail.code;
    }
    if (err != OK)
        return err;
    json_i64(b->text, "status", 200);
    render_values(c, b->text, answer, values, n, !q->brief);
    render_decision_members(c, b->text, answer);
    return OK;
}

static const struct json *known_of(const struct call *c, struct span id)
{
    return json_get(json_get(c->body, "known"), arena_str(c->arena, id));
}

bool batch_full(const struct batch *b)
{
    return b->text->len > BATCH_BYTES_MAX;
}

/* Not read, and so nothing is on record of it. */
static void put_unread(struct batch *b, struct span id)
{
    fail_hint(&b->call->fail, "Ask again for those of whom this is said; for fewer at once.");
    fail_set(&b->call->fail, ERR_TOO_LARGE, "The answer has %u MiB already; this person was not read.",
             BATCH_BYTES_MAX >> 20);
    json_open(b->text, NULL, '{');
    json_string(b->text, "subject", id);
    put_problem(b);
    json_close(b->text, '}');
}

static enum err put_person(struct batch *b, struct span id)
{
    struct call *c = b->call;
    struct subject s;
    size_t before = c->gate.n_entries;
    json_open(b->text, NULL, '{');
    json_string(b->text, "subject", id);
    memset(b->question->known, 0, sizeof b->question->known);
    enum err err = call_known_tags(c, b->question, known_of(c, id));
    b->question->tags = json_get(c->body, "known") != NULL;
    if (err == OK)
        err = call_subject_named(c, id, "subjects", &s);
    if (err == OK)
        err = read_person(b, &s);
    if (err != OK && !is_persons(err))
        return err;
    if (err != OK)
        put_problem(b);
    put_entry(b, before);
    json_close(b->text, '}');
    return OK;
}

/* ---- What the schema's rows cannot say of the two lists */

struct listed {
    struct subject_id id;
    size_t at;
};

static int listed_order(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    int d = memcmp(x->id.b, y->id.b, ID_LEN);
    return d ? d : (x->at > y->at) - (x->at < y->at);
}

/* Each person once: the second would be the same answer again. The first of the places that repeat one is
 * named. What is no id is told in its turn. */
static enum err check_once(struct call *c, const struct json *subjects)
{
    size_t n = 0, second = SIZE_MAX;
    struct listed *ids = ARENA_ARRAY(c->arena, json_count(subjects), struct listed);
    size_t place = 0;
    for (const struct json *v = json_at(subjects, 0); v; v = json_next(v), place++)
        if (hex_get(json_span(v), ids[n].id.b, ID_LEN))
            ids[n++].at = place;
    qsort(ids, n, sizeof *ids, listed_order);
    for (size_t i = 1; i < n; i++)
        if (memcmp(ids[i - 1].id.b, ids[i].id.b, ID_LEN) == 0 && ids[i].at < second)
            second = ids[i].at;
    if (second == SIZE_MAX)
        return OK;
    fail_where(&c->fail, "/subjects/%zu", second);
    return fail_set(&c->fail, ERR_BAD_VALUE,
                    "`subjects` must name each person once; number %zu was there before.", second + 1);
}

static enum err check_lists(struct call *c)
{
    const struct json *subjects = json_get(c->body, "subjects"), *known = json_get(c->body, "known");
    fail_where(&c->fail, "/subjects");
    if (json_kind(subjects) != JSON_ARRAY || !json_count(subjects) || json_count(subjects) > BATCH_MAX)
        return fail_set(&c->fail, ERR_BAD_VALUE, "`subjects` must be a list of 1 to %d ids.", BATCH_MAX);
    for (size_t i = 0; i < json_count(subjects); i++)
        if (json_kind(json_at(subjects, i)) != JSON_STRING ||
            json_span(json_at(subjects, i)).len != ID_TEXT_LEN)
            return fail_set(&c->fail, ERR_BAD_VALUE, "`subjects` must be a list of ids; number %zu is none.",
                            i + 1);
    c->fail = (struct fail){0};
    if (check_once(c, subjects) != OK)
        return c->fail.code;
    if (known && json_kind(known) != JSON_OBJECT) {
        fail_where(&c->fail, "/known");
        return fail_set(&c->fail, ERR_WRONG_TYPE, "`known` must be an object: tags by id.");
    }
    for (size_t i = 0; i < json_count(known); i++)
        if (json_kind(json_at(known, i)) != JSON_OBJECT) {
            fail_where(&c->fail, "/known");
            return fail_set(&c->fail, ERR_WRONG_TYPE, "`known` must have an object of tags for each person.");
        }
    return OK;
}

/* Opened values are wiped with the arena of the person before. */
void batch_begin(struct batch *b)
{
    b->scratch = arena_new(0);
    b->call->many = true;
    b->call->gate.keep = b->main;
    b->call->arena = b->call->gate.arena = b->scratch;
}

void batch_next(struct batch *b, const struct subject_id *ids, size_t i, size_t n)
{
    uint8_t ahead[STORE_AHEAD_MAX][STORE_ID_LEN];
    size_t m = n - i < STORE_AHEAD_MAX ? n - i : STORE_AHEAD_MAX;
    arena_reset(b->scratch);
    if (i % STORE_AHEAD_MAX)
        return;
    for (size_t k = 0; k < m; k++)
        memcpy(ahead[k], ids[i + k].b, STORE_ID_LEN);
    store_ahead(b->call->gate.st, (const uint8_t(*)[STORE_ID_LEN])ahead, m);
}

void batch_end(struct batch *b)
{
    b->call->arena = b->call->gate.arena = b->main;
    b->call->gate.keep = NULL;
    b->call->many = false;
    arena_free(b->scratch);
}

bool batch_put_allowed(struct batch *b, const struct subject *s)
{
    struct call *c = b->call;
    size_t before = c->gate.n_entries;
    struct text *to = b->text, own = text_new(c->arena, 2048);
    b->text = &own;
    json_open(&own, NULL, '{');
    json_hex(&own, "subject", s->id.b, ID_LEN);
    enum err err = read_person(b, s);
    if (err == OK)
        put_entry(b, before);
    json_close(&own, '}');
    b->text = to;
    if (err == OK)
        json_raw(to, NULL, text_span(&own));
    if (err == ERR_REFUSED) {
        c->fail = (struct fail){0};
        c->extra = SPAN_EMPTY;
    }
    return err == OK;
}

void batch_put_problem(struct batch *b, struct subject_id id)
{
    if (!is_persons(b->call->fail.code))
        return;
    json_open(b->text, NULL, '{');
    json_hex(b->text, "subject", id.b, ID_LEN);
    put_problem(b);
    json_close(b->text, '}');
}

static enum err put_persons(struct batch *b)
{
    struct call *c = b->call;
    const struct json *subjects = json_get(c->body, "subjects");
    size_t n = json_count(subjects);
    struct subject_id *ids = ARENA_ARRAY(c->arena, n, struct subject_id);
    for (size_t i = 0; i < n; i++)
        hex_get(json_span(json_at(subjects, i)), ids[i].b, ID_LEN); /* a wrong one is told in its turn */
    enum err err = OK;
    batch_begin(b);
    for (size_t i = 0; i < n && err == OK; i++) {
        batch_next(b, ids, i, n);
        if (batch_full(b))
            put_unread(b, json_span(json_at(subjects, i)));
        else
            err = put_person(b, json_span(json_at(subjects, i)));
    }
    batch_end(b);
    return err;
}

void api_read_many(struct call *c)
{
    struct gate_request *q = ARENA_NEW(c->arena, struct gate_request);
    struct text t = text_new(c->arena, 16384);
    struct batch b = {.call = c, .question = q, .main = c->arena, .text = &t};
    if (check_lists(c) != OK || call_question(c, q) != OK)
        return;
    q->has_subject = true;
    q->brief = !call_provenance(c);
    json_open(b.text, NULL, '{');
    json_open(b.text, "answers", '[');
    enum err err = put_persons(&b);
    if (err != OK) {
        c->extra = SPAN_EMPTY;
        return;
    }
    json_close(b.text, ']');
    call_entry(c, b.text, "first_entry", 0);
    json_close(b.text, '}');
    http_json(c->res, 200, b.text);
}
