// SPDX-License-Identifier: Apache-2.0
/* The operator's short lists: references that count as evidence, classes of messages, templates (B3.1.9,
 * B1.2.8). */
#include "web_impl.h"

/* The change is on record. */
static void listed(struct call *c, struct span name, const char *what)
{
    struct text detail = text_new(c->arena, 128), t = text_new(c->arena, 128);
    json_open(&detail, NULL, '{');
    json_str(&detail, "register", what);
    json_string(&detail, "name", name);
    json_close(&detail, '}');
    if (gate_note(&c->gate, AUDIT_REGISTER, text_span(&detail), &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_string(&t, "name", name);
    call_entry(c, &t, "entry", 0);
    json_close(&t, '}');
    http_json(c->res, 201, &t);
}

/* ---- References */

static enum err known_list(struct call *c, struct span need)
{
    const struct policy *p = c->gate.view->policy;
    unsigned i = policy_kind_find(p, KIND_NEED, need);
    if (i != POLICY_NONE && span_is(policy_kind_source(p, KIND_NEED, i), "list"))
        return OK;
    fail_where(&c->fail, "/need");
    return fail_set(&c->fail, ERR_UNKNOWN_NAME, "The policy has no need `%.*s` that stands on a list.",
                    SPAN_F(need));
}

void api_reference_add(struct call *c)
{
    struct reference r = {.need = call_member(c, "need"),
                          .reference = span_trim(call_member(c, "reference"))};
    if (known_list(c, r.need) != OK || call_period(c, &r.from, &r.until) != OK)
        return;
    if (reference_put(c->gate.st, &r, &c->fail) == OK)
        listed(c, r.reference, "reference");
}

void api_reference_list(struct call *c)
{
    struct reference *rows;
    size_t n;
    struct text t = text_new(c->arena, 512);
    if (reference_list(c->gate.st, c->arena, &rows, &n, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_open(&t, "references", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(&t, NULL, '{');
        json_string(&t, "need", rows[i].need);
        json_string(&t, "reference", rows[i].reference);
        json_instant(&t, "from", rows[i].from);
        json_instant(&t, "until", rows[i].until);
        json_close(&t, '}');
    }
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- Classes of messages, templates */

void api_message_class_add(struct call *c)
{
    struct span name = call_member(c, "name");
    if (message_class_put(c->gate.st, name, call_member(c, "title"), &c->fail) == OK)
        listed(c, name, "message class");
}

void api_message_class_list(struct call *c)
{
    struct message_class *rows;
    size_t n;
    struct text t = text_new(c->arena, 512);
    if (message_class_list(c->gate.st, c->arena, &rows, &n, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_open(&t, "classes", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(&t, NULL, '{');
        json_string(&t, "name", rows[i].name);
        json_string(&t, "title", rows[i].title);
        json_bool(&t, "always_on", !rows[i].offer);
        json_close(&t, '}');
    }
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

void api_template_add(struct call *c)
{
    struct message_template m = {.name = call_member(c, "name"),
                                 .class = call_member(c, "class"),
                                 .approver = call_member(c, "approver"),
                                 .since = c->gate.now};
    json_read_bool(c->body, "promotional", true, &m.promotional, NULL);
    if (template_put(c->gate.st, &m, &c->fail) == OK)
        listed(c, m.name, "template");
}

/* ---- The send gate */

void api_send_gate(struct call *c)
{
    struct subject s;
    struct gate_request *q = ARENA_NEW(c->arena, struct gate_request);
    struct gate_answer *answer = ARENA_NEW(c->arena, struct gate_answer);
    struct gate_message m = {.channel = call_member(c, "channel"),
                             .class = call_member(c, "class"),
                             .template = call_member(c, "template"),
                             .reference = call_member(c, "reference")};
    struct span basis;
    struct text t = text_new(c->arena, 512);
    if (call_subject_named(c, call_member(c, "subject"), "subject", &s) != OK ||
        call_service(c, call_member(c, "service"), &q->service) != OK)
        return;
    q->subject = s.id;
    q->has_subject = true;
    if (gate_send(&c->gate, q, &m, answer, &basis, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_string(&t, "basis", basis);
    render_decision_members(c, &t, answer);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}
