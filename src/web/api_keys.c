// SPDX-License-Identifier: Apache-2.0
/* Changing keys while serving. See gate.h. */
#include "web_impl.h"

static void render(struct call *c, const struct gate_rotation *r, bool began)
{
    struct text t = text_new(c->arena, 256);
    json_open(&t, NULL, '{');
    json_string(&t, "key", r->key);
    json_i64(&t, "generation", r->generation);
    if (began)
        json_i64(&t, "left", (int64_t)r->left);
    json_i64(&t, "wrapped", (int64_t)r->wrapped);
    json_bool(&t, "resumed", r->resumed);
    json_bool(&t, "finished", r->finished);
    if (!r->finished)
        json_hex(&t, "after", r->from.b, ID_LEN);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

void api_key_rotate(struct call *c)
{
    struct span after = call_member(c, "after"), file = call_member(c, "file");
    struct gate_rotation r = {.key = call_member(c, "key"),
                              .new_file = file.len ? arena_str(c->arena, file) : NULL};
    if (after.len && !hex_get(after, r.from.b, ID_LEN))
        fail_set(&c->fail, ERR_BAD_VALUE, "'after' is not an id");
    else if (gate_rotate(&c->gate, &r, &c->fail) == OK)
        render(c, &r, after.len == 0 && !span_is(r.key, "master"));
}
