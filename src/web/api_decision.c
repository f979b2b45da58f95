// SPDX-License-Identifier: Apache-2.0
/* POST /v1/decisions: decide, nothing else. */
#include "web_impl.h"

/* A visitor has no id; a person must be one of the caller's. */
enum err call_asked_subject(struct call *c, struct gate_request *q)
{
    struct span id = call_member(c, "subject");
    if (id.len == 0)
        return OK;
    struct subject *s = ARENA_NEW(c->arena, struct subject);
    q->has_subject = true;
    if (call_subject_named(c, id, "subject", s) != OK)
        return c->fail.code;
    q->subject = s->id;
    q->read = s;
    return OK;
}

void api_decide(struct call *c)
{
    struct gate_request *q = ARENA_NEW(c->arena, struct gate_request);
    struct gate_answer *answer = ARENA_NEW(c->arena, struct gate_answer);
    struct text t = text_new(c->arena, 1024);
    if (call_question(c, q) != OK || call_asked_subject(c, q) != OK)
        return;
    if (gate_decide(&c->gate, q, answer, &c->fail) != OK)
        return;
    render_decision(c, &t, answer);
    http_json(c->res, 200, &t);
}
