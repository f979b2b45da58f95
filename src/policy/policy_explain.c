// SPDX-License-Identifier: Apache-2.0
/* policy_explain.c: why a decision came out as it did: the norms that matched, what lifted what, what nearly
 * fitted. */
#include "policy_diagram_impl.h"

static const char *const kind_name[] = {"grant", "bar", "condition", "waiver"};
static const char *const fate_name[] = {"stands", "lifted", "outranked", "binds", "waived", "near"};
static const char *const unit_name[] = {"", "hours", "days", "working-days", "months", "years"};

/* ---- The trace. */

struct tracing {
    const struct policy *p;
    const struct policy_request *q;
    const struct world *w;
    uint64_t facts;
    struct arena *a;
    struct policy_trace *trace;
    size_t near;
};

static struct policy_trace_row *add_row(struct tracing *t, const struct norm *n, enum policy_fate fate)
{
    struct policy_trace_row *row = POLICY_PUSH(t->a, t->trace->rows, t->trace->n);
    *row = (struct policy_trace_row){.clause = n->clause,
                                     .kind = span_str(kind_name[n->kind]),
                                     .fate = fate,
                                     .by = POLICY_NONE,
                                     .sentence = n->sentence};
    return row;
}

/* The standing norm that removed this one. What was lifted itself lifts nothing, so it cannot be the reason.
 */
static unsigned lifted_by(const struct tracing *t, size_t i)
{
    for (size_t k = 0; k < t->p->n_norms; k++)
        if (norm_set_has(t->w->standing, k) && t->p->norms[k].lifts && norm_set_has(t->p->norms[k].lifts, i))
            return t->p->norms[k].clause;
    return POLICY_NONE;
}

static unsigned first_grant_of(const struct tracing *t, unsigned document)
{
    for (size_t i = 0; i < t->p->n_norms; i++) {
        const struct norm *n = &t->p->norms[i];
        if (n->kind == NORM_GRANT && n->document == document && norm_set_has(t->w->standing, i))
            return n->clause;
    }
    return POLICY_NONE;
}

static void trace_norm(struct tracing *t, size_t i)
{
    const struct norm *n = &t->p->norms[i];
    bool stands = norm_set_has(t->w->standing, i);
    bool condition = n->kind == NORM_CONDITION;
    struct policy_trace_row *row = add_row(t, n, condition ? FATE_BINDS : FATE_STANDS);
    if (!stands) {
        row->fate = condition ? FATE_WAIVED : FATE_LIFTED;
        row->by = lifted_by(t, i);
    } else if (n->kind == NORM_GRANT && n->document != t->w->speaker) {
        row->fate = FATE_OUTRANKED;
        row->by = first_grant_of(t, t->w->speaker);
    }
}

/* One sentence with three musts is three norms; unless their fates differ, it is told once. */
static void trace_matched(struct tracing *t)
{
    for (size_t i = 0; i < t->p->n_norms; i++) {
        if (!norm_set_has(t->w->matched, i))
            continue;
        trace_norm(t, i);
        struct policy_trace_row *row = &t->trace->rows[t->trace->n - 1];
        if (t->trace->n > 1 && row[-1].sentence.p == row->sentence.p && row[-1].fate == row->fate)
            t->trace->n--;
    }
}

/* The first fact that keeps the norm's first case from holding. */
static struct span missed_fact(const struct tracing *t, const struct norm *n)
{
    if (n->act.when.n == 0)
        return SPAN("fact");
    const struct term *term = &n->act.when.terms[0];
    uint64_t wrong = (t->facts ^ term->facts_value) & term->facts;
    if (wrong == 0)
        return SPAN("fact");
    return arena_fmt(t->a, "fact %.*s",
                     SPAN_F(policy_kind_name(t->p, KIND_FACT, (unsigned)__builtin_ctzll(wrong))));
}

static void add_near(struct tracing *t, const struct norm *n, struct span missed)
{
    if (t->near == POLICY_TRIED_MAX)
        return;
    t->near++;
    add_row(t, n, FATE_NEAR)->missed = missed;
}

static void trace_near_dimension(struct tracing *t, enum policy_dimension d)
{
    uint64_t set[NORM_WORDS];
    policy_near_set(t->p, t->q, d, set);
    for (size_t i = 0; i < t->p->n_norms; i++) {
        const struct norm *n = &t->p->norms[i];
        bool holds = norm_set_has(t->p->index.row[d] + t->q->value[d] * t->p->index.words, i);
        if (norm_set_has(set, i) && !holds && formula_facts_hold(&n->act.when, t->facts))
            add_near(t, n, span_str(policy_dimension_word[d]));
    }
}

/* Everything fits but the facts: the near set of any dimension, with that dimension too. */
static void trace_near_facts(struct tracing *t)
{
    uint64_t set[NORM_WORDS], other[NORM_WORDS];
    policy_near_set(t->p, t->q, DIM_OPERATION, set);
    policy_near_set(t->p, t->q, DIM_FIELD, other);
    for (size_t i = 0; i < t->p->n_norms; i++) {
        const struct norm *n = &t->p->norms[i];
        if (norm_set_has(set, i) && norm_set_has(other, i) && !formula_facts_hold(&n->act.when, t->facts))
            add_near(t, n, missed_fact(t, n));
    }
}

static bool barred(const struct tracing *t)
{
    uint64_t any = 0;
    for (size_t w = 0; w < t->p->index.words; w++)
        any |= t->w->standing[w] & t->p->index.kind[NORM_BAR][w];
    return any != 0;
}

void policy_explain(const struct policy *p, const struct policy_request *q, struct policy_decision *d,
                    struct arena *a, struct policy_trace *trace)
{
    struct world w;
    struct tracing t = {.p = p, .q = q, .w = &w, .a = a, .trace = trace};
    *trace = (struct policy_trace){0};
    t.facts = policy_decide_world(p, q, d);
    if (!policy_request_valid(p, q))
        return;
    policy_world_match(p, q, t.facts, &w);
    trace_matched(&t);
    if (d->answer != ANSWER_DENY || barred(&t)) /* a ban needs no near misses: they would not have helped */
        return;
    static const enum policy_dimension tried[] = {DIM_PURPOSE, DIM_PARTY,        DIM_BASIS,
                                                  DIM_FIELD,   DIM_SUBJECT,      DIM_ACTOR,
                                                  DIM_SERVICE, DIM_JURISDICTION, DIM_OPERATION};
    trace_near_facts(&t);
    for (size_t i = 0; i < sizeof tried / sizeof tried[0]; i++)
        trace_near_dimension(&t, tried[i]);
}

/* ---- In words. */

static void put_clause(struct text *t, const struct policy *p, unsigned clause)
{
    const struct policy_clause *c = policy_clause(p, clause);
    if (c)
        text_fmt(t, "%.*s/%.*s", SPAN_F(p->documents[c->document].pub.name), SPAN_F(c->id));
}

static void put_names(struct text *t, const struct policy *p, enum policy_kind k, uint64_t set,
                      const char *join)
{
    bool first = true;
    for (unsigned i = 0; i < 64 && i < p->kind[k].n; i++) {
        if (!(set >> i & 1))
            continue;
        text_str(t, first ? "" : join);
        text_put(t, p->kind[k].list[i].name);
        first = false;
    }
}

static void put_missing_words(struct text *t, const struct policy *p, const struct policy_decision *d)
{
    if (d->answer != ANSWER_NEEDS)
        return;
    text_str(t, "missing: ");
    put_names(t, p, KIND_NEED, d->missing, " and ");
    for (unsigned i = 0; i < d->n_alternatives; i++) {
        text_str(t, "; or ");
        put_names(t, p, KIND_NEED, d->alternatives[i], " and ");
    }
    text_char(t, '\n');
}

static void put_obligations(struct text *t, const struct policy *p, const struct policy_decision *d)
{
    if (d->deeds) {
        text_str(t, "must: ");
        put_names(t, p, KIND_DEED, d->deeds, ", ");
        text_char(t, '\n');
    }
    if (d->mask != POLICY_NONE)
        text_fmt(t, "mask: %.*s\n", SPAN_F(policy_kind_name(p, KIND_MASK, d->mask)));
    if (d->until_event == POLICY_NONE)
        return;
    text_str(t, "until: ");
    if (d->until_number)
        text_fmt(t, "%u %s after ", d->until_number, unit_name[d->until_unit]);
    text_put(t, policy_kind_name(p, KIND_EVENT, d->until_event));
    text_char(t, '\n');
}

static void put_answer(struct text *t, const struct policy *p, const struct policy_decision *d)
{
    text_fmt(t, "answer: %s", policy_answer_name(d->answer));
    if (d->reason.len > 0)
        text_fmt(t, " (%.*s)", SPAN_F(d->reason));
    if (d->clause != POLICY_NONE) {
        text_str(t, ", by ");
        put_clause(t, p, d->clause);
    }
    text_char(t, '\n');
    put_missing_words(t, p, d);
    put_obligations(t, p, d);
}

/* On one line, however it was wrapped. */
static void put_sentence(struct text *t, struct span s)
{
    bool blank = false;
    for (size_t i = 0; i < s.len; i++) {
        bool now = s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\r';
        if (!now)
            text_char(t, (char)s.p[i]);
        else if (!blank)
            text_char(t, ' ');
        blank = now;
    }
}

static void put_row(struct text *t, const struct policy *p, const struct policy_trace_row *row)
{
    static const char *const verb[] = {"stands", "is lifted", "is outranked",
                                       "binds",  "is waived", "nearly fits"};
    text_str(t, "  ");
    put_clause(t, p, row->clause);
    text_fmt(t, ": the %.*s %s", SPAN_F(row->kind), verb[row->fate]);
    if (row->by != POLICY_NONE) {
        text_str(t, " by ");
        put_clause(t, p, row->by);
    }
    if (row->missed.len > 0)
        text_fmt(t, ", all but the %.*s", SPAN_F(row->missed));
    text_str(t, "\n      ");
    put_sentence(t, row->sentence);
    text_char(t, '\n');
}

void policy_explain_put(const struct policy *p, const struct policy_request *q,
                        const struct policy_decision *d, const struct policy_trace *trace, struct text *t)
{
    text_str(t, "request: ");
    policy_request_put(p, q, t);
    text_char(t, '\n');
    put_answer(t, p, d);
    text_str(t, trace->n > 0 ? "sentences:\n" : "no sentence speaks of this.\n");
    for (size_t i = 0; i < trace->n; i++)
        put_row(t, p, &trace->rows[i]);
}

/* ---- As JSON. */

static void json_clause(struct text *t, const char *name, const struct policy *p, unsigned clause)
{
    struct span ref = policy_clause_ref(p, clause, t->arena);
    if (ref.len > 0)
        json_string(t, name, ref);
}

static void json_names(struct text *t, const char *name, const struct policy *p, enum policy_kind k,
                       uint64_t set)
{
    json_open(t, name, '[');
    for (unsigned i = 0; i < 64 && i < p->kind[k].n; i++)
        if (set >> i & 1)
            json_string(t, NULL, p->kind[k].list[i].name);
    json_close(t, ']');
}

static void json_request(struct text *t, const struct policy *p, const struct policy_request *q)
{
    json_open(t, "request", '{');
    for (int d = 0; d < DIM_COUNT; d++)
        if (p->dim[d].n > 0)
            json_string(t, policy_dimension_word[d], policy_name(p, (enum policy_dimension)d, q->value[d]));
    json_names(t, "facts", p, KIND_FACT, q->facts & q->facts_known);
    json_names(t, "facts_unknown", p, KIND_FACT, ~q->facts_known);
    json_names(t, "needs", p, KIND_NEED, q->needs);
    json_close(t, '}');
}

static void json_missing(struct text *t, const struct policy *p, const struct policy_decision *d)
{
    json_open(t, "missing", '[');
    if (d->answer == ANSWER_NEEDS)
        json_names(t, NULL, p, KIND_NEED, d->missing);
    for (unsigned i = 0; i < d->n_alternatives; i++)
        json_names(t, NULL, p, KIND_NEED, d->alternatives[i]);
    json_close(t, ']');
}

static void json_until(struct text *t, const struct policy *p, const struct policy_decision *d)
{
    if (d->until_event == POLICY_NONE)
        return;
    json_open(t, "until", '{');
    if (d->until_number) {
        json_i64(t, "number", d->until_number);
        json_str(t, "unit", unit_name[d->until_unit]);
    }
    json_string(t, "event", policy_kind_name(p, KIND_EVENT, d->until_event));
    json_close(t, '}');
}

static void json_decision(struct text *t, const struct policy *p, const struct policy_decision *d)
{
    json_str(t, "answer", policy_answer_name(d->answer));
    json_clause(t, "clause", p, d->clause);
    if (d->reason.len > 0)
        json_string(t, "reason", d->reason);
    json_missing(t, p, d);
    json_names(t, "needs_used", p, KIND_NEED, d->needs_used);
    json_names(t, "deeds", p, KIND_DEED, d->deeds);
    if (d->mask != POLICY_NONE)
        json_string(t, "mask", policy_kind_name(p, KIND_MASK, d->mask));
    json_until(t, p, d);
    json_open(t, "conditions", '[');
    for (unsigned i = 0; i < d->n_conditions; i++)
        json_clause(t, NULL, p, d->conditions[i]);
    json_close(t, ']');
}

static void json_row(struct text *t, const struct policy *p, const struct policy_trace_row *row)
{
    json_open(t, NULL, '{');
    json_clause(t, "clause", p, row->clause);
    json_string(t, "kind", row->kind);
    json_str(t, "fate", fate_name[row->fate]);
    if (row->by != POLICY_NONE)
        json_clause(t, "by", p, row->by);
    if (row->missed.len > 0)
        json_string(t, "missed", row->missed);
    json_string(t, "sentence", row->sentence);
    json_close(t, '}');
}

void policy_explain_json(const struct policy *p, const struct policy_request *q,
                         const struct policy_decision *d, const struct policy_trace *trace, struct text *t)
{
    json_open(t, NULL, '{');
    json_request(t, p, q);
    json_decision(t, p, d);
    json_open(t, "sentences", '[');
    for (size_t i = 0; i < trace->n; i++)
        json_row(t, p, &trace->rows[i]);
    json_close(t, ']');
    json_close(t, '}');
}
