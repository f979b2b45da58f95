// SPDX-License-Identifier: Apache-2.0
/* Ways out: everything held as one document, and closing an account (B5.1.a, B5.3). Each with its receipt. */
#include "web_impl.h"

/* ---- Export */

static enum err put_consents(struct call *c, const struct subject *s, struct text *t)
{
    struct consent_event *events = NULL;
    size_t n = 0;
    enum err err = consent_list(c->gate.st, s->sid, c->arena, &events, &n, &c->fail);
    json_open(t, "consents", '[');
    for (size_t i = 0; err == OK && i < n; i++)
        consent_event_json(t, &events[i]);
    json_close(t, ']');
    return err;
}

static enum err put_shares(struct call *c, const struct subject *s, struct text *t)
{
    struct share_row *shares = NULL;
    size_t n = 0;
    enum err err = share_list(c->gate.st, s->sid, c->arena, &shares, &n, &c->fail);
    json_open(t, "shares", '[');
    for (size_t i = 0; err == OK && i < n; i++)
        render_share(t, &shares[i]);
    json_close(t, ']');
    return err;
}

/* The allowed fields with their values; of the refused ones the decision tells why. */
void api_export(struct call *c)
{
    struct subject s;
    struct gate_request *q = ARENA_NEW(c->arena, struct gate_request);
    struct gate_answer *answer = ARENA_NEW(c->arena, struct gate_answer);
    struct gate_out *values = NULL;
    struct text t = text_new(c->arena, 4096);
    size_t n = 0;
    if (call_subject(c, 0, &s) != OK || call_question(c, q) != OK ||
        gate_export(&c->gate, &s, q, answer, &values, &n, &c->fail) != OK)
        return;
    if (answer->n_fields && !answer_allows_any(answer)) {
        call_refuse(c, answer);
        return;
    }
    json_open(&t, NULL, '{');
    json_open(&t, "person", '{');
    render_person(&t, &s);
    json_close(&t, '}');
    render_values(c, &t, answer, values, n, true);
    if (put_consents(c, &s, &t) != OK || put_shares(c, &s, &t) != OK)
        return;
    json_open(&t, "decision", '{');
    render_decision_members(c, &t, answer);
    json_close(&t, '}');
    render_receipt(c, &t, "receipt", 0);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- Closing */

static void put_kept(struct text *t, const struct gate_closure *done)
{
    json_open(t, "kept", '[');
    for (size_t i = 0; i < done->n_kept; i++) {
        json_open(t, NULL, '{');
        json_string(t, "field", done->kept[i].field);
        json_string(t, "reference", done->kept[i].reference);
        json_instant(t, "until", done->kept[i].ends);
        json_close(t, '}');
    }
    json_close(t, ']');
}

void api_closure(struct call *c)
{
    struct subject s;
    struct gate_closure done;
    struct span actor, service = SPAN_EMPTY;
    struct text t = text_new(c->arena, 512);
    if (call_subject(c, 0, &s) != OK || call_wish(c, &s, &actor) != OK ||
        call_service(c, call_member(c, "service"), &service) != OK)
        return;
    if (gate_close_account(&c->gate, &s, service, actor, &done, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_string(&t, "closed", service.len ? service : SPAN("all"));
    json_bool(&t, "erased", done.erased);
    json_i64(&t, "deleted", done.deleted);
    json_i64(&t, "withdrawn", done.withdrawn);
    put_kept(&t, &done);
    render_receipt(c, &t, "receipt", 0);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}
