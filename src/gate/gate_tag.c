// SPDX-License-Identifier: Apache-2.0
/* Names instead of values, and tags that tell whether a value is still the same. See gate.h. */
#include "gate_impl.h"

/* ---- Tokens: the mask `token` */

/* Two recipients cannot join what they have: each has names of its own (B2.p, B3.1). */
static struct span audience(const struct question *q)
{
    if (q->asked->recipient.len)
        return arena_join(q->call->arena, SPAN("recipient"), ':', q->asked->recipient);
    return arena_join(q->call->arena, SPAN("service"), ':', q->service->name);
}

struct span token_make(const struct question *q, const struct value *v)
{
    uint8_t mac[16];
    char hex[2 * sizeof mac + 1];
    vault_token(q->call->gate->vault, audience(q), v->field, v->plain, mac);
    hex_put(hex, mac, sizeof mac);
    return arena_join(q->call->arena, SPAN("tok"), '_', span_of(hex, 2 * sizeof mac));
}

/* ---- Tags of a conditional read */

/* What makes a difference to the caller: which items there are, which writing of them, and what of them is
 * shown. Nothing of the values themselves. The version alone begins anew when a value is deleted, and an
 * instant may come twice. */
static void tag_value(struct text *t, const struct gate_out *v)
{
    text_put(t, v->item);
    text_char(t, '\0');
    text_i64(t, v->version);
    text_char(t, ' ');
    text_put(t, span_of(v->mark.b, sizeof v->mark.b));
    text_char(t, v->masked ? 'm' : 'w');
}

static void tag_field(const struct question *q, struct gate_field *f, const struct gate_out *list, size_t n)
{
    struct text t = text_new(q->call->arena, 128);
    struct span name = policy_name(q->policy, DIM_FIELD, f->field);
    struct digest d;
    text_put(&t, f->mask);
    for (size_t i = 0; i < n; i++)
        if (span_eq(list[i].field, name))
            tag_value(&t, &list[i]);
    crypto_sha256(text_span(&t), &d);
    hex_put(f->tag, d.b, GATE_TAG_LEN / 2);
}

static size_t leave_out(struct gate_out *list, size_t n, struct span name)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!span_eq(list[i].field, name))
            list[kept++] = list[i];
    return kept;
}

struct span tags_apply(const struct question *q, struct gate_answer *answer, struct gate_out *list, size_t *n)
{
    struct text t = text_new(q->call->arena, 128);
    json_open(&t, "unchanged", '[');
    for (size_t i = 0; i < answer->n_fields; i++) {
        struct gate_field *f = &answer->fields[i];
        if (!answer_allows(f) || f->field == POLICY_NONE)
            continue;
        tag_field(q, f, list, *n);
        f->unchanged = span_is(q->asked->known[i], f->tag);
        if (!f->unchanged)
            continue;
        *n = leave_out(list, *n, policy_name(q->policy, DIM_FIELD, f->field));
        json_i64(&t, NULL, (int64_t)i);
    }
    json_close(&t, ']');
    return span_sub(text_span(&t), t.len && t.p[t.len - 2] == '[' ? t.len : 0, t.len);
}
