// SPDX-License-Identifier: Apache-2.0
/* Typed views of what the gate answers. See web_impl.h */
#include "web_impl.h"

/* ---- Decisions */

static void render_list(struct text *t, const char *name, const struct span *list, size_t n)
{
    json_open(t, name, '[');
    for (size_t i = 0; i < n; i++)
        json_string(t, NULL, list[i]);
    json_close(t, ']');
}

static void render_text(struct text *t, const char *name, struct span s)
{
    if (s.len)
        json_string(t, name, s);
}

static void render_field(struct text *t, const struct gate_field *f)
{
    json_open(t, NULL, '{');
    json_str(t, "answer", policy_answer_name(f->answer));
    render_text(t, "clause", f->clause);
    render_text(t, "reason", f->reason);
    if (f->n_needs)
        render_list(t, "needs", f->needs, f->n_needs);
    render_text(t, "mask", f->mask);
    if (f->keep_until.ms > 0 && f->keep_until.ms < INSTANT_FOREVER.ms)
        json_instant(t, "keep_until", f->keep_until);
    if (f->tag[0])
        json_str(t, "tag", f->tag);
    if (f->unchanged)
        json_bool(t, "unchanged", true);
    json_close(t, '}');
}

static void render_fields(struct text *t, const struct gate_answer *a)
{
    json_open(t, "fields", '{');
    for (size_t i = 0; i < a->n_fields; i++) {
        json_key(t, a->fields[i].asked.len ? a->fields[i].asked : SPAN("*"));
        render_field(t, &a->fields[i]);
    }
    json_close(t, '}');
}

const struct gate_field *render_worst(const struct gate_answer *a)
{
    for (size_t i = 0; i < a->n_fields; i++)
        if (a->fields[i].answer == a->answer)
            return &a->fields[i];
    return a->n_fields ? &a->fields[0] : NULL;
}

/* What explains the whole answer: the worst field's clause, reason and needs, and what was tried. */
static void render_why(struct text *t, const struct gate_answer *a)
{
    const struct gate_field *worst = render_worst(a);
    if (worst) {
        render_text(t, "clause", worst->clause);
        render_text(t, "reason", worst->reason);
    }
    if (worst && worst->n_needs)
        render_list(t, "needs", worst->needs, worst->n_needs);
    if (a->n_tried)
        render_list(t, "tried", a->tried, a->n_tried);
    render_text(t, "hint", a->hint);
    if (a->trace_json.len)
        json_raw(t, "trace", a->trace_json);
}

void render_decision_members(struct call *c, struct text *t, const struct gate_answer *a)
{
    json_str(t, "answer", policy_answer_name(a->answer));
    render_fields(t, a);
    render_why(t, a);
    render_list(t, "obligations", a->obligations, a->n_obligations);
    json_str(t, "revision", c->gate.view->revision);
    json_i64(t, "epoch", (int64_t)a->epoch);
    call_entry(c, t, "entry", 0);
}

void render_decision(struct call *c, struct text *t, const struct gate_answer *a)
{
    json_open(t, NULL, '{');
    render_decision_members(c, t, a);
    json_close(t, '}');
}

/* ---- Values */

void render_provenance(struct text *t, const struct gate_out *v)
{
    json_string(t, "source", v->source);
    json_string(t, "service", v->service);
    json_string(t, "purpose", v->purpose);
    json_string(t, "region", v->region);
    json_instant(t, "time", v->time);
    if (v->keep_until.ms > 0 && v->keep_until.ms < INSTANT_FOREVER.ms)
        json_instant(t, "keep_until", v->keep_until);
}

static void render_value(struct text *t, const struct gate_out *v, bool provenance)
{
    json_open(t, NULL, '{');
    json_string(t, "value", v->plain);
    json_bool(t, "masked", v->masked);
    render_text(t, "item", v->item);
    json_i64(t, "version", v->version);
    if (provenance) {
        json_open(t, "provenance", '{');
        render_provenance(t, v);
        json_close(t, '}');
    }
    json_close(t, '}');
}

/* The name the caller used for the field ("contact.phone" for contact-phone): answers are keyed by it. */
static struct span as_asked(const struct gate_answer *a, struct span field, const struct policy *p)
{
    for (size_t i = 0; i < a->n_fields; i++)
        if (a->fields[i].field != POLICY_NONE &&
            span_eq(policy_name(p, DIM_FIELD, a->fields[i].field), field))
            return a->fields[i].asked;
    return field;
}

static size_t run_of(const struct gate_out *v, size_t n)
{
    size_t run = 1;
    while (run < n && span_eq(v[run].field, v[0].field))
        run++;
    return run;
}

void render_values(struct call *c, struct text *t, const struct gate_answer *a, const struct gate_out *v,
                   size_t n, bool provenance)
{
    json_open(t, "values", '{');
    for (size_t i = 0, run; i < n; i += run) {
        run = run_of(v + i, n - i);
        bool list = run > 1 || v[i].item.len;
        json_key(t, as_asked(a, v[i].field, c->gate.view->policy));
        if (list)
            json_open(t, NULL, '[');
        for (size_t k = 0; k < run; k++)
            render_value(t, &v[i + k], provenance);
        if (list)
            json_close(t, ']');
    }
    json_close(t, '}');
}

/* ---- Small things */

void render_names(struct text *t, const char *name, struct span commas)
{
    struct span one;
    json_open(t, name, '[');
    while (span_cut(&commas, ',', &one))
        json_string(t, NULL, span_trim(one));
    json_close(t, ']');
}

void render_receipt(struct call *c, struct text *t, const char *name, size_t which)
{
    json_open(t, name, '{');
    json_string(t, "origin", audit_origin(c->web->audit));
    call_entry(c, t, "entry", which);
    if (which < c->gate.n_entries)
        json_string(t, "opening", base64_put(c->arena, c->gate.opening[which]));
    json_close(t, '}');
}
