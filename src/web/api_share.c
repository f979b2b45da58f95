// SPDX-License-Identifier: Apache-2.0
/* Shares: hand values to a recipient, and what was handed to whom (B3.1). */
#include "web_impl.h"

void api_share_add(struct call *c)
{
    struct subject s;
    struct gate_request *q = ARENA_NEW(c->arena, struct gate_request);
    struct gate_answer *answer = ARENA_NEW(c->arena, struct gate_answer);
    struct gate_out *values = NULL;
    struct share_id id = {0};
    size_t n = 0;
    if (call_subject(c, 0, &s) != OK || call_question(c, q) != OK)
        return;
    q->subject = s.id;
    q->has_subject = true;
    if (q->operation.len == 0)
        q->operation = SPAN("share");
    enum err err = gate_share(&c->gate, q, answer, &values, &n, &id, &c->fail);
    if (err == ERR_REFUSED)
        call_refuse(c, answer);
    if (err == OK)
        answer_values(c, answer, values, n, &id);
}

void render_share(struct text *t, const struct share_row *s)
{
    json_open(t, NULL, '{');
    json_hex(t, "share", s->id.b, ID_LEN);
    json_string(t, "recipient", s->recipient);
    json_string(t, "purpose", s->purpose);
    if (s->basis.len)
        json_string(t, "basis", s->basis);
    render_names(t, "fields", s->fields);
    json_string(t, "clause", s->clause);
    json_instant(t, "time", s->time);
    json_close(t, '}');
}

void api_share_list(struct call *c)
{
    struct subject s;
    struct share_row *shares;
    size_t n = 0;
    struct text t = text_new(c->arena, 1024);
    if (call_subject(c, 0, &s) != OK)
        return;
    if (share_list(c->gate.st, s.sid, c->arena, &shares, &n, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_open(&t, "shares", '[');
    for (size_t i = 0; i < n; i++)
        render_share(&t, &shares[i]);
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}
