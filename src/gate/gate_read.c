// SPDX-License-Identifier: Apache-2.0
/* Reading, sharing and deleting: the allowed subset. See gate.h. */
#include "gate_impl.h"

/* ---- Opening what is allowed */

struct outs {
    struct gate_out *list;
    size_t n, cap;
};

static struct gate_out *outs_add(struct outs *o, struct arena *a)
{
    if (o->n == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 6;
        struct gate_out *wider = ARENA_ARRAY(a, cap, struct gate_out);
        if (o->n)
            memcpy(wider, o->list, o->n * sizeof *wider);
        o->list = wider;
        o->cap = cap;
    }
    return &o->list[o->n++];
}

static void put_out(struct gate_out *out, const struct value *v)
{
    *out = (struct gate_out){.field = v->field,
                             .item = v->item,
                             .plain = v->plain,
                             .version = v->version,
                             .mark = v->mark,
                             .source = v->from.source,
                             .service = v->from.service,
                             .purpose = v->from.purpose,
                             .region = v->from.region,
                             .time = v->from.time,
                             .keep_until = v->from.keep_until};
}

/* What its time is over for is treated as gone, though the sweep has not come by yet; unless a law makes us
 * keep it (B4.0.a). */
static bool over(const struct question *q, const struct value *v)
{
    return v->from.keep_until.ms <= q->call->now.ms && !question_held(q, v->field);
}

/* A request that names an order sees what belongs to it (B1.2.5(3)). */
static bool other_order(const struct question *q, const struct value *v)
{
    return q->order.len && v->item.len && !span_eq(v->item, q->order);
}

static void put_allowed(const struct question *q, const struct gate_field *answer, const struct value *v,
                        struct outs *outs)
{
    struct gate_out *out = outs_add(outs, q->call->arena);
    put_out(out, v);
    out->masked = answer->answer == ANSWER_ALLOW_MASKED;
    if (out->masked && span_is(answer->mask, "token"))
        out->plain = token_make(q, v);
    else if (out->masked)
        out->plain = mask_apply(q->call->arena, answer->mask, out->plain);
}

static bool left_out(const struct question *q, const struct value *v)
{
    return over(q, v) || other_order(q, v);
}

/* Those that were read with the facts. */
static enum err open_places(const struct question *q, const struct gate_field *answer, struct outs *outs,
                            struct fail *f)
{
    struct vault_person person = vault_of(&q->subject);
    struct span name = policy_name(q->policy, DIM_FIELD, answer->field);
    enum err e = OK;
    for (size_t i = 0; !e && i < q->n_places; i++) {
        struct value_place *p = &q->places[i];
        if (!span_eq(p->value.field, name) || left_out(q, &p->value))
            continue;
        e = vault_open_place(&person, q->key, p, q->call->arena, f);
        if (!e)
            put_allowed(q, answer, &p->value, outs);
    }
    return e;
}

static enum err open_field(const struct question *q, const struct gate_field *answer, struct outs *outs,
                           struct fail *f)
{
    struct gate_call *c = q->call;
    struct vault_person person = vault_of(&q->subject);
    struct value *values;
    size_t n;
    if (q->has_places)
        return open_places(q, answer, outs, f);
    enum err e = vault_get(c->st, &person, q->key, policy_name(q->policy, DIM_FIELD, answer->field),
                           SPAN_EMPTY, c->arena, &values, &n, f);
    for (size_t i = 0; !e && i < n; i++)
        if (!left_out(q, &values[i]))
            put_allowed(q, answer, &values[i], outs);
    return e;
}

static size_t count_allowed(const struct gate_answer *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_fields; i++)
        n += answer_allows(&a->fields[i]);
    return n;
}

/* Several fields are read by one statement, if the facts did not ask for it already, or found too many. */
static enum err open_allowed(struct question *q, const struct gate_answer *answer, struct outs *outs,
                             struct fail *f)
{
    bool together = q->has_subject && !q->has_places && !q->n_places && count_allowed(answer) > 1;
    enum err e = together ? question_places(q, f) : OK;
    for (size_t i = 0; !e && q->has_subject && i < answer->n_fields; i++)
        if (answer_allows(&answer->fields[i]) && answer->fields[i].field != POLICY_NONE)
            e = open_field(q, &answer->fields[i], outs, f);
    return e;
}

static bool any_allowed(const struct gate_answer *a)
{
    return count_allowed(a) > 0;
}

static enum err check_person(const struct gate_request *asked, struct fail *f)
{
    if (!asked->has_subject)
        return fail_set(f, ERR_MISSING_MEMBER, "values belong to a person; none is named");
    if (asked->n_fields == 0) {
        fail_where(f, "/fields");
        return fail_set(f, ERR_MISSING_MEMBER, "list the fields one by one");
    }
    return OK;
}

/* Operations a word may name here; the rest have calls of their own. */
static enum err check_operation(struct span operation, const char *const *allowed, size_t n, struct fail *f)
{
    if (operation.len == 0)
        return OK;
    for (size_t i = 0; i < n; i++)
        if (span_is(operation, allowed[i]))
            return OK;
    fail_where(f, "/operation");
    return fail_set(f, ERR_BAD_VALUE, "'%.*s' is not an operation of this call",
                    SPAN_F(span_sub(operation, 0, 64)));
}

/* `kind`: what the entry is, if anything was allowed. */
static enum err read_as(enum audit_kind kind, struct gate_call *c, const struct gate_request *asked,
                        struct gate_answer *answer, struct gate_out **out, size_t *n, struct fail *f)
{
    static const char *const reading[] = {"use", "display", "read", "export"};
    struct question q = {0};
    struct outs outs = {0};
    enum err e = check_person(asked, f);
    if (!e)
        e = check_operation(asked->operation, reading, sizeof reading / sizeof reading[0], f);
    if (!e)
        e = question_ask(&q, c, asked, SPAN_EMPTY, answer, f);
    if (!e)
        e = open_allowed(&q, answer, &outs, f);
    struct span extra = !e && asked->tags ? tags_apply(&q, answer, outs.list, &outs.n) : SPAN_EMPTY;
    if (!e)
        e = record_add(c,
                       &(struct record){.kind = any_allowed(answer) ? kind : AUDIT_REFUSED,
                                        .q = &q,
                                        .answer = answer,
                                        .extra = extra},
                       f);
    question_end(&q);
    *out = outs.list;
    *n = outs.n;
    return e;
}

enum err gate_read(struct gate_call *c, const struct gate_request *asked, struct gate_answer *answer,
                   struct gate_out **out, size_t *n, struct fail *f)
{
    return read_as(AUDIT_READ, c, asked, answer, out, n, f);
}

/* ---- Everything, for the person */

/* Each field of which anything is held; the list comes by field. */
static enum err ask_for_all(struct gate_request *asked, const struct value *values, size_t n, struct fail *f)
{
    for (size_t i = 0; i < n; i++) {
        if (i && span_eq(values[i].field, values[i - 1].field))
            continue;
        if (asked->n_fields == GATE_FIELDS_MAX)
            return fail_set(f, ERR_TOO_LARGE, "more than %d fields are held: read them in parts",
                            GATE_FIELDS_MAX);
        asked->fields[asked->n_fields++] = values[i].field;
    }
    return OK;
}

enum err gate_export(struct gate_call *c, const struct subject *s, struct gate_request *asked,
                     struct gate_answer *answer, struct gate_out **out, size_t *n, struct fail *f)
{
    struct vault_person person = vault_of(s);
    struct value *values = NULL;
    size_t held = 0;
    *answer = (struct gate_answer){0};
    *n = asked->n_fields = 0;
    enum err e = vault_list(c->st, &person, c->arena, &values, &held, f);
    if (!e)
        e = ask_for_all(asked, values, held, f);
    if (e)
        return e;
    if (held == 0)
        return record_person(c, AUDIT_EXPORT, s, SPAN("\"event\":\"exported; nothing is held\""), f);
    asked->subject = s->id;
    asked->has_subject = true;
    asked->operation = SPAN("export");
    if (asked->actor.len == 0)
        asked->actor = SPAN("subject");
    return read_as(AUDIT_EXPORT, c, asked, answer, out, n, f);
}

/* ---- What everybody sees */

/* Where somebody's profile is shown: the first service they use; the rule is the same in all. */
static enum err profile_service(struct gate_call *c, struct subject_id id, struct span *out, struct fail *f)
{
    struct subject s;
    struct span *services;
    size_t n = 0;
    enum err e = subject_get(c->st, id, c->now, &s, f);
    if (!e)
        e = subject_services(c->st, &s, c->arena, &services, &n, f);
    *out = !e && n ? services[0] : SPAN_EMPTY;
    return e;
}

/* The policy's own words for a profile; false if it publishes none. */
static bool profile_request(const struct policy *p, struct subject_id id, struct gate_request *r)
{
    static const char *const fields[] = {"profile-nickname", "profile-avatar", "content-posts"};
    *r = (struct gate_request){.subject = id,
                               .has_subject = true,
                               .purpose = gate_word(p, DIM_PURPOSE, "interaction-publishing"),
                               .recipient = gate_word(p, DIM_PARTY, "public")};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct span field = gate_word(p, DIM_FIELD, fields[i]);
        if (field.len)
            r->fields[r->n_fields++] = field;
    }
    return r->purpose.len && r->recipient.len && r->n_fields && gate_word(p, DIM_OPERATION, "disclose").len;
}

enum err gate_profile(struct gate_call *c, struct subject_id id, struct gate_out **out, size_t *n,
                      struct fail *f)
{
    struct gate_request *r = ARENA_NEW(c->arena, struct gate_request);
    struct gate_answer *answer = ARENA_NEW(c->arena, struct gate_answer);
    struct question q = {0};
    struct outs outs = {0};
    if (!profile_request(c->view->policy, id, r))
        return fail_set(f, ERR_NOT_FOUND, "this policy publishes no profiles");
    enum err e = profile_service(c, id, &r->service, f);
    if (!e)
        e = question_ask(&q, c, r, SPAN("disclose"), answer, f);
    if (!e)
        e = open_allowed(&q, answer, &outs, f);
    if (!e)
        e = record_add(c, &(struct record){.kind = AUDIT_READ, .q = &q, .answer = answer}, f);
    question_end(&q);
    *out = outs.list;
    *n = outs.n;
    return !e && !any_allowed(answer) ? fail_set(f, ERR_NOT_FOUND, "there is no profile to show") : e;
}

/* ---- Sharing */

static struct span allowed_names(const struct question *q, const struct gate_answer *answer)
{
    struct text t = text_new(q->call->arena, 256);
    for (size_t i = 0; i < answer->n_fields; i++)
        if (answer_allows(&answer->fields[i]))
            text_fmt(&t, "%s%.*s", t.len ? "," : "",
                     SPAN_F(policy_name(q->policy, DIM_FIELD, answer->fields[i].field)));
    return text_span(&t);
}

static struct span evidence_json(const struct question *q)
{
    struct text t = text_new(q->call->arena, 128);
    json_open(&t, NULL, '{');
    for (size_t i = 0; i < q->asked->n_evidence; i++) {
        json_key(&t, q->asked->evidence[i].name);
        json_string(&t, NULL, q->asked->evidence[i].reference);
    }
    json_close(&t, '}');
    return text_span(&t);
}

static struct span first_clause(const struct gate_answer *answer)
{
    for (size_t i = 0; i < answer->n_fields; i++)
        if (answer_allows(&answer->fields[i]))
            return answer->fields[i].clause;
    return SPAN_EMPTY;
}

/* One row of the person's list of shares, and one entry of the record that names it. */
static enum err note_share(struct question *q, const struct gate_answer *answer, struct share_id *id,
                           struct fail *f)
{
    struct share_row row = {.recipient = q->asked->recipient,
                            .purpose = policy_name(q->policy, DIM_PURPOSE, q->value[DIM_PURPOSE]),
                            .basis = policy_name(q->policy, DIM_BASIS, q->value[DIM_BASIS]),
                            .fields = allowed_names(q, answer),
                            .clause = first_clause(answer),
                            .evidence = evidence_json(q),
                            .time = q->call->now};
    enum err e = share_add(q->call->st, q->subject.sid, &row, f);
    if (e)
        return e;
    *id = row.id;
    char hex[ID_TEXT_LEN + 1];
    hex_put(hex, row.id.b, ID_LEN);
    struct span extra = arena_fmt(q->call->arena, "\"share\":\"%s\"", hex);
    return record_add(q->call,
                      &(struct record){.kind = AUDIT_SHARE, .q = q, .answer = answer, .extra = extra}, f);
}

enum err gate_share(struct gate_call *c, const struct gate_request *asked, struct gate_answer *answer,
                    struct gate_out **out, size_t *n, struct share_id *id, struct fail *f)
{
    static const char *const sharing[] = {"share", "transfer", "disclose", "export"};
    struct question q = {0};
    struct outs outs = {0};
    enum err e = check_person(asked, f);
    if (!e && asked->recipient.len == 0) {
        fail_where(f, "/recipient");
        e = fail_set(f, ERR_MISSING_MEMBER, "say with whom");
    }
    if (!e)
        e = check_operation(asked->operation, sharing, sizeof sharing / sizeof sharing[0], f);
    if (!e)
        e = question_ask(&q, c, asked, asked->operation.len ? SPAN_EMPTY : SPAN("share"), answer, f);
    if (!e)
        e = open_allowed(&q, answer, &outs, f);
    if (!e && any_allowed(answer))
        e = note_share(&q, answer, id, f);
    else if (!e)
        e = record_add(c, &(struct record){.kind = AUDIT_REFUSED, .q = &q, .answer = answer}, f);
    question_end(&q);
    *out = outs.list;
    *n = outs.n;
    return e;
}

/* ---- Deleting */

/* What led to the person by this field must not any more. */
static enum err drop_index(const struct question *q, struct fail *f)
{
    struct vault_person person = vault_of(&q->subject);
    const char *kind = value_index(q->policy, q->fields[0]);
    struct span field = policy_name(q->policy, DIM_FIELD, q->fields[0]);
    return kind ? vault_index_drop(q->call->gate->vault, q->call->st, &person, span_str(kind), field, f) : OK;
}

static enum err delete_field(struct question *q, struct span item, int64_t *deleted, struct fail *f)
{
    struct vault_person person = vault_of(&q->subject);
    struct span field = policy_name(q->policy, DIM_FIELD, q->fields[0]);
    enum err e = item.len ? OK : drop_index(q, f);
    return e ? e : vault_delete(q->call->st, &person, field, item, deleted, f);
}

enum err gate_delete(struct gate_call *c, const struct gate_request *asked, struct span item,
                     struct gate_answer *answer, int64_t *deleted, struct fail *f)
{
    struct question q = {0};
    *deleted = 0;
    enum err e = check_person(asked, f);
    if (!e && asked->n_fields != 1)
        e = fail_set(f, ERR_BAD_VALUE, "one field is deleted at a time");
    if (!e)
        e = question_ask(&q, c, asked, SPAN("erase"), answer, f);
    if (!e && !answer_refused(answer))
        e = hold_refuses(&q, &item, item.len == 0, answer, f);
    if (!e && answer_refused(answer))
        e = record_refusal(&q, answer, SPAN_EMPTY, f);
    else if (!e)
        e = delete_field(&q, item, deleted, f);
    if (!e && !answer_refused(answer))
        e = clock_start(c, &q.subject,
                        &(struct happening){.event = SPAN("deletion-accepted"),
                                            .field = policy_name(q.policy, DIM_FIELD, q.fields[0]),
                                            .item = item,
                                            .time = c->now},
                        NULL, f);
    if (!e)
        e = record_add(c, &(struct record){.kind = AUDIT_DELETE, .q = &q, .answer = answer}, f);
    question_end(&q);
    return e;
}
