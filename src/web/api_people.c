// SPDX-License-Identifier: Apache-2.0
/*
 * POST /v1/read/people: one question about a service's people, page by page, without naming them. Each is
 * decided and recorded for itself; whom the policy refuses is on record as refused, and not in the answer.
 * Whose values cannot be opened has a problem there, and does not keep the others from theirs.
 */
#include "web_impl.h"

#define PAGE_DEFAULT 100

static enum err take_place(struct call *c, struct gate_page *page)
{
    struct span after = call_member(c, "after");
    int64_t limit = PAGE_DEFAULT;
    if (json_read_i64(c->body, "limit", false, &limit, &c->fail) != OK)
        return c->fail.code;
    if (limit < 1 || limit > GATE_PAGE_MAX) {
        fail_where(&c->fail, "/limit");
        return fail_set(&c->fail, ERR_BAD_VALUE, "`limit` must be 1 to %d persons.", GATE_PAGE_MAX);
    }
    page->limit = (size_t)limit;
    page->after = 0;
    for (size_t i = 0; i < after.len; i++) {
        if (after.p[i] < '0' || after.p[i] > '9' || after.len > 18) {
            fail_where(&c->fail, "/after");
            return fail_set(&c->fail, ERR_BAD_VALUE, "`after` must be what the last page gave as `next`.");
        }
        page->after = page->after * 10 + (after.p[i] - '0');
    }
    return OK;
}

static enum err take_page(struct call *c, const struct gate_request *q, struct gate_page *page)
{
    page->service = q->service;
    page->purpose = q->purpose;
    page->consented = span_is(call_member(c, "among"), "consented");
    if (q->service.len)
        return take_place(c, page);
    fail_where(&c->fail, "/service");
    return fail_set(&c->fail, ERR_MISSING_MEMBER, "Say whose people: the operator names a service.");
}

/* Whom a service has no relation with does not exist for it (B4.3). */
static bool counts(struct call *c, const struct gate_page *page, struct subject_id id, struct subject *s)
{
    bool uses = false;
    enum err err = subject_get(c->gate.st, id, c->gate.now, s, &c->fail);
    if (err == OK)
        err = subject_uses(c->gate.st, s, page->service, &uses, &c->fail);
    return err == OK && uses;
}

void api_read_people(struct call *c)
{
    struct gate_request *q = ARENA_NEW(c->arena, struct gate_request);
    struct gate_page page = {0};
    struct text t = text_new(c->arena, 16384);
    struct batch b = {.call = c, .question = q, .main = c->arena, .text = &t};
    size_t n = 0, refused = 0;
    int64_t next = 0;
    if (call_question(c, q) != OK || take_page(c, q, &page) != OK)
        return;
    struct subject_id *ids = ARENA_ARRAY(c->arena, page.limit, struct subject_id);
    int64_t *sids = ARENA_ARRAY(c->arena, page.limit, int64_t);
    if (gate_walk(&c->gate, &page, ids, sids, &n, &next, &c->fail) != OK)
        return;
    q->has_subject = true;
    q->brief = !call_provenance(c);
    json_open(&t, NULL, '{');
    json_open(&t, "answers", '[');
    batch_begin(&b);
    for (size_t i = 0; i < n && c->fail.code == OK; i++) {
        struct subject s;
        batch_next(&b, ids, i, n);
        if (counts(c, &page, ids[i], &s))
            refused += !batch_put_allowed(&b, &s) && c->fail.code == OK;
        batch_put_problem(&b, ids[i]);
        if (batch_full(&b) && i + 1 < n) {
            next = sids[i];
            n = i + 1;
        }
    }
    batch_end(&b);
    if (c->fail.code != OK) {
        c->extra = SPAN_EMPTY;
        return;
    }
    json_close(&t, ']');
    json_i64(&t, "refused", (int64_t)refused);
    if (next)
        json_string(&t, "next", arena_fmt(c->arena, "%lld", (long long)next));
    call_entry(c, &t, "first_entry", 0);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}
