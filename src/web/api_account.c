// SPDX-License-Identifier: Apache-2.0
/* Accounts: registering in one step (B1.2.1), an age learned later (A2.1.2(8)), and what the public sees
 * (B1.2.4). */
#include "web_impl.h"

#include <assert.h>

/* ---- Registering: agreement and what it takes, all or nothing */

/* The field of each member: the identifier of a form, or a field by its word. */
static const struct {
    const char *member, *form, *field;
} registering[] = {
    {"phone", "phone-numbers", NULL},
    {"email", "email-addresses", NULL},
    {"username", NULL, "account-username"},
    {"password", NULL, "account-credential"},
};
enum { REGISTERING = sizeof registering / sizeof registering[0], IDENTIFYING = 2 };

static struct span registered_field(const struct call *c, size_t i)
{
    const struct policy *p = c->gate.view->policy;
    return registering[i].form ? gate_identifier(p, registering[i].form)
                               : gate_word(p, DIM_FIELD, registering[i].field);
}

static enum err take_account(struct call *c, struct gate_request *q, struct gate_value *values)
{
    for (size_t i = 0; i < REGISTERING; i++) {
        struct span plain = call_member(c, registering[i].member), field = registered_field(c, i);
        if (plain.len == 0)
            continue;
        if (field.len == 0) {
            fail_where(&c->fail, "/%s", registering[i].member);
            return gate_word_missing(&c->fail, "field",
                                     registering[i].form ? registering[i].form : registering[i].field);
        }
        values[q->n_fields] = (struct gate_value){.field = field, .plain = plain};
        q->fields[q->n_fields++] = field;
    }
    return OK;
}

static bool given(const struct gate_value *values, size_t n, struct span field)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(values[i].field, field))
            return true;
    return false;
}

/* What there is one way to give must be given, if the policy has the field. */
static enum err check_named(struct call *c)
{
    for (size_t i = IDENTIFYING; i < REGISTERING; i++) {
        if (call_member(c, registering[i].member).len || registered_field(c, i).len == 0)
            continue;
        fail_where(&c->fail, "/%s", registering[i].member);
        return fail_set(&c->fail, ERR_MISSING_MEMBER, "`%s` is missing.", registering[i].member);
    }
    return OK;
}

/* A phone number or an e-mail address, and what the service demands besides. */
static enum err check_account(struct call *c, const struct service *s, const struct gate_value *values,
                              size_t n)
{
    struct span rest = s->required, one;
    bool known = false;
    for (size_t i = 0; i < IDENTIFYING; i++)
        known |= call_member(c, registering[i].member).len > 0;
    if (known && check_named(c) != OK)
        return c->fail.code;
    if (!known)
        return fail_set(&c->fail, ERR_MISSING_MEMBER, "Give a `phone` or an `email`.");
    while (rest.len && span_cut(&rest, ',', &one))
        if (!given(values, n, one))
            return fail_set(&c->fail, ERR_MISSING_MEMBER, "%.*s demands `%.*s`.", SPAN_F(s->name),
                            SPAN_F(one));
    return OK;
}

/* The documents agreed to, and the entries that say so. */
struct agreed {
    struct span document[POLICY_DOCUMENTS_MAX];
    size_t entry[POLICY_DOCUMENTS_MAX];
    size_t n;
};

/* One act for each document that applies: registering is agreeing, and each is on record (B0.3). */
static enum err agree_all(struct call *c, struct subject *s, const struct service *service, struct agreed *to)
{
    const struct policy *p = c->gate.view->policy;
    unsigned band = policy_find(p, DIM_SUBJECT, span_str(subject_band_name(s->band)));
    unsigned where = policy_find(p, DIM_SERVICE, service->class_name);
    enum err err = OK;
    for (unsigned i = 0; i < policy_documents(p) && err == OK; i++) {
        struct consent_event e = {.kind = CONSENT_AGREEMENT,
                                  .name = policy_document(p, i)->name,
                                  .until = INSTANT_FOREVER,
                                  .language = call_member(c, "language"),
                                  .channel = SPAN("registration"),
                                  .collected_by = service->name};
        hex_get(call_member(c, "notice"), e.notice.b, sizeof e.notice.b);
        if (!policy_document_applies(p, i, band, where))
            continue;
        err = gate_consent(&c->gate, s->id, &e, s, &c->fail);
        to->document[to->n] = e.name;
        to->entry[to->n++] = c->gate.n_entries - 1; /* the act's, the last it leaves */
    }
    return err;
}

/* Without a birth date the person counts as grown up until the age is learned (gate_age). */
static struct date birth_date(const struct call *c)
{
    struct date birth = {1970, 1, 1};
    date_get(call_member(c, "birth_date"), &birth);
    return birth;
}

static void answer_account(struct call *c, const struct subject *s, const struct agreed *to)
{
    /* The person's, one for each document, and that of the data. */
    static_assert(RESPONSE_SLOTS_MAX >= POLICY_DOCUMENTS_MAX + 2, "each entry has its place in the answer");
    struct text t = text_new(c->arena, 1024);
    json_open(&t, NULL, '{');
    render_person(&t, s);
    call_entry(c, &t, "entry", 0);
    call_entry(c, &t, "collect_entry", c->gate.n_entries - 1);
    json_open(&t, "receipts", '[');
    for (size_t i = 0; i < to->n; i++) {
        json_open(&t, NULL, '{');
        json_string(&t, "document", to->document[i]);
        render_receipt(c, &t, "receipt", to->entry[i]);
        json_close(&t, '}');
    }
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 201, &t);
}

void api_register(struct call *c)
{
    struct subject s;
    struct gate_request *q = ARENA_NEW(c->arena, struct gate_request);
    struct gate_answer *answer = ARENA_NEW(c->arena, struct gate_answer);
    struct gate_value values[REGISTERING] = {0};
    struct agreed to = {.n = 0};
    const struct service *service = c->gate.service;
    size_t dropped;
    q->purpose = gate_word(c->gate.view->policy, DIM_PURPOSE, "registration-login");
    if (q->purpose.len == 0)
        gate_word_missing(&c->fail, "purpose", "registration-login");
    if (q->purpose.len == 0 || take_account(c, q, values) != OK ||
        check_account(c, service, values, q->n_fields) != OK)
        return;
    enum err err = gate_subject_create(&c->gate, birth_date(c), call_member(c, "device"), &s, &c->fail);
    if (err == OK)
        err = call_relate(c, &s, service->name);
    if (err == OK)
        err = agree_all(c, &s, service, &to);
    q->subject = s.id;
    q->has_subject = true;
    if (err == OK) {
        err = gate_collect(&c->gate, q, values, q->n_fields, false, answer, &dropped, &c->fail);
        if (err == ERR_REFUSED)
            call_refuse(c, answer);
    }
    if (err != OK) {
        call_undone(c, 0);
        return;
    }
    answer_account(c, &s, &to);
}

/* ---- Ages */

void api_age(struct call *c)
{
    struct subject s;
    struct date birth;
    struct span service;
    struct text t = text_new(c->arena, 256);
    date_get(call_member(c, "birth_date"), &birth);
    if (call_subject(c, 0, &s) != OK || call_service(c, call_member(c, "service"), &service) != OK)
        return;
    if (gate_age(&c->gate, s.id, birth, service, &s, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    render_person(&t, &s);
    call_entry(c, &t, "entry", 0);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- What the public sees */

static void put_first(struct text *t, const char *name, const struct gate_out *v, size_t n, struct span field)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(v[i].field, field)) {
            json_string(t, name, v[i].plain);
            return;
        }
    json_null(t, name);
}

void api_profile(struct call *c)
{
    struct subject_id id;
    struct gate_out *v;
    size_t n;
    struct text t = text_new(c->arena, 512);
    if (!hex_get(c->params.value[0], id.b, ID_LEN)) {
        fail_set(&c->fail, ERR_NOT_FOUND, "There is no such profile.");
        return;
    }
    enum err err = gate_profile(&c->gate, id, &v, &n, &c->fail);
    if (err == ERR_GONE)
        c->fail = (struct fail){0};
    if (err == ERR_GONE)
        fail_set(&c->fail, ERR_NOT_FOUND, "There is no such profile."); /* nobody learns that there was one */
    if (err != OK)
        return;
    const struct policy *p = c->gate.view->policy;
    struct span posts = gate_word(p, DIM_FIELD, "content-posts");
    json_open(&t, NULL, '{');
    put_first(&t, "nickname", v, n, gate_word(p, DIM_FIELD, "profile-nickname"));
    put_first(&t, "avatar", v, n, gate_word(p, DIM_FIELD, "profile-avatar"));
    json_open(&t, "posts", '[');
    for (size_t i = 0; i < n; i++)
        if (span_eq(v[i].field, posts))
            json_string(&t, NULL, v[i].plain);
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}
