// SPDX-License-Identifier: Apache-2.0
/* What ties values of a person to a duty or an order: legal holds (B4.0.a) and orders (B1.2.5). */
#include "web_impl.h"

static void noted(struct call *c)
{
    struct text t = text_new(c->arena, 128);
    json_open(&t, NULL, '{');
    call_entry(c, &t, "entry", 0);
    json_close(&t, '}');
    http_json(c->res, 201, &t);
}

/* ---- Holds */

void api_hold_add(struct call *c)
{
    struct subject s;
    struct hold h = {.reference = call_member(c, "reference")};
    const struct json *fields = json_get(c->body, "fields");
    if (call_subject(c, 0, &s) != OK || call_period(c, &h.starts, &h.ends) != OK)
        return;
    for (size_t i = 0; i < json_count(fields); i++) {
        h.field = json_span(json_at(fields, i));
        if (gate_hold_put(&c->gate, s.id, &h, &c->fail) != OK)
            return;
    }
    if (gate_hold_note(&c->gate, s.id, call_list(c, "fields"), h.reference, &c->fail) == OK)
        noted(c);
}

void api_hold_list(struct call *c)
{
    struct subject s;
    struct hold *holds;
    size_t n;
    struct text t = text_new(c->arena, 256);
    if (call_subject(c, 0, &s) != OK || hold_list(c->gate.st, s.sid, c->arena, &holds, &n, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_open(&t, "holds", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(&t, NULL, '{');
        json_string(&t, "field", holds[i].field);
        json_string(&t, "reference", holds[i].reference);
        json_instant(&t, "from", holds[i].starts);
        json_instant(&t, "until", holds[i].ends);
        json_close(&t, '}');
    }
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- Orders */

void api_order_add(struct call *c)
{
    struct subject s;
    struct purchase p = {.number = span_trim(call_member(c, "order")),
                         .recipient = call_member(c, "recipient"),
                         .since = c->gate.now,
                         .closed = INSTANT_FOREVER};
    instant_get(call_member(c, "closed"), &p.closed);
    if (call_subject(c, 0, &s) == OK && gate_purchase_put(&c->gate, s.id, &p, &c->fail) == OK)
        noted(c);
}

void api_order_list(struct call *c)
{
    struct subject s;
    struct purchase *rows;
    size_t n;
    struct text t = text_new(c->arena, 256);
    if (call_subject(c, 0, &s) != OK || purchase_list(c->gate.st, s.sid, c->arena, &rows, &n, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_open(&t, "orders", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(&t, NULL, '{');
        json_string(&t, "order", rows[i].number);
        json_string(&t, "recipient", rows[i].recipient);
        json_instant(&t, "since", rows[i].since);
        if (rows[i].closed.ms < INSTANT_FOREVER.ms)
            json_instant(&t, "closed", rows[i].closed);
        json_close(&t, '}');
    }
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- What a time to keep counts from */

void api_event_add(struct call *c)
{
    struct subject s;
    size_t set = 0;
    struct text t = text_new(c->arena, 128);
    struct happening h = {.event = call_member(c, "event"),
                          .item = span_trim(call_member(c, "item")),
                          .purpose = call_member(c, "purpose"),
                          .time = c->gate.now};
    instant_get(call_member(c, "time"), &h.time);
    if (call_subject(c, 0, &s) != OK || call_service(c, call_member(c, "service"), &h.service) != OK ||
        gate_happened(&c->gate, &s, &h, call_list(c, "fields"), &set, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_i64(&t, "values", (int64_t)set);
    call_entry(c, &t, "entry", 0);
    json_close(&t, '}');
    http_json(c->res, 201, &t);
}
