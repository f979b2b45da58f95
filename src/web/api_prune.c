// SPDX-License-Identifier: Apache-2.0
/* Epochs of the record: how long they stay, and pruning. See gate.h. */
#include "web_impl.h"

static void put_epoch(struct text *t, const struct gate_epoch *k)
{
    json_open(t, NULL, '{');
    json_str(t, "name", k->epoch.name);
    json_str(t, "state", gate_epoch_state_name(k->state));
    json_i64(t, "first", (int64_t)k->epoch.first);
    json_i64(t, "entries", (int64_t)(k->epoch.end - k->epoch.first));
    if (k->bytes)
        json_i64(t, "bytes", (int64_t)k->bytes);
    if (k->epoch.closed)
        json_hex(t, "root", k->epoch.root.b, sizeof k->epoch.root.b);
    if (k->epoch.closed)
        json_instant(t, "until", k->until);
    json_close(t, '}');
}

void api_audit_epochs(struct call *c)
{
    struct gate_epochs all;
    struct text t = text_new(c->arena, 1024);
    if (gate_epochs(&c->gate, c->web->audit, &all, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_open(&t, "epochs", '[');
    for (size_t i = 0; i < all.n; i++)
        put_epoch(&t, &all.list[i]);
    json_close(&t, ']');
    json_i64(&t, "keep_months", all.keep_months);
    json_i64(&t, "minimum", (int64_t)all.minimum);
    json_bool(&t, "pruning", all.pruning);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

void api_audit_keep(struct call *c)
{
    int64_t months = 0;
    struct text t = text_new(c->arena, 64);
    json_read_i64(c->body, "months", true, &months, &c->fail);
    if (gate_keep_record(&c->gate, months, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_i64(&t, "months", months);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

void api_audit_prune(struct call *c)
{
    struct gate_prune_plan plan;
    struct text t = text_new(c->arena, 128);
    bool dry = false;
    json_read_bool(c->body, "dry_run", false, &dry, NULL);
    if (gate_prune(&c->gate, c->web->audit, call_member(c, "epoch"), dry, &plan, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_i64(&t, "epochs", (int64_t)plan.epochs);
    json_i64(&t, "entries", (int64_t)plan.entries);
    json_i64(&t, "bytes", (int64_t)plan.bytes);
    json_i64(&t, "minimum", (int64_t)plan.minimum);
    json_bool(&t, "resumed", plan.resumed);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

void api_audit_prune_step(struct call *c)
{
    struct gate_pruning p;
    struct text t = text_new(c->arena, 128);
    if (gate_prune_step(&c->gate, c->web->audit, rows_gone, c->web->engine, &p, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_i64(&t, "left", (int64_t)p.left);
    json_i64(&t, "minimum", (int64_t)p.minimum);
    json_bool(&t, "more", p.more);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}
