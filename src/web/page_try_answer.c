// SPDX-License-Identifier: Apache-2.0
/* Try a decision: the answer for each field, why, and what would change it. */
#include "page_impl.h"

static const char *const unit_keys[] = {
    [UNTIL_HOURS] = "unit.hours",   [UNTIL_DAYS] = "unit.days",   [UNTIL_WORKING_DAYS] = "unit.working-days",
    [UNTIL_MONTHS] = "unit.months", [UNTIL_YEARS] = "unit.years",
};

/* Allow is best, not-applicable says nothing about the rest: the order of the API's worst-of (R003). */
static enum policy_answer worse(enum policy_answer x, enum policy_answer y)
{
    static const int badness[] = {
        [ANSWER_NOT_APPLICABLE] = 0, [ANSWER_ALLOW] = 1, [ANSWER_ALLOW_MASKED] = 2,
        [ANSWER_NEEDS] = 3,          [ANSWER_DENY] = 4,
    };
    return badness[y] > badness[x] ? y : x;
}

static void put_words(const struct page *p, struct view *row, const char *list_name, enum policy_kind k,
                      uint64_t set)
{
    struct view *list = view_list(row, list_name);
    for (unsigned i = 0; i < policy_kind_count(p->policy, k) && i < 64; i++) {
        if (!((set >> i) & 1))
            continue;
        struct view *item = view_item(list);
        view_str(item, "name", policy_kind_name(p->policy, k, i));
        view_str(item, "words", page_words(p, k, i));
    }
}

/* The same question with what is missing in place. */
static struct span held_link(const struct page *p, struct span query, uint64_t missing)
{
    struct text t = text_new(p->arena, query.len + 64);
    text_str(&t, "/try?");
    text_put(&t, query);
    for (unsigned i = 0; i < policy_kind_count(p->policy, KIND_NEED); i++) {
        if (!((missing >> i) & 1))
            continue;
        text_str(&t, "&need=");
        text_url(&t, policy_kind_name(p->policy, KIND_NEED, i));
    }
    text_str(&t, "#answer");
    return text_span(&t);
}

static void put_way(const struct page *p, struct view *list, struct span query, uint64_t missing)
{
    struct view *row = view_item(list);
    put_words(p, row, "needs", KIND_NEED, missing);
    view_str(row, "held-href", held_link(p, query, missing));
}

/* What would do: the smallest set first, then the others. */
static void put_ways(const struct page *p, struct view *row, const struct policy_decision *d,
                     struct span query)
{
    struct view *first = view_list(row, "ways"), *others = view_list(row, "other-ways");
    if (d->answer != ANSWER_NEEDS)
        return;
    put_way(p, first, query, d->missing);
    for (unsigned i = 0; i < d->n_alternatives; i++)
        put_way(p, others, query, d->alternatives[i]);
}

static void put_clause(const struct page *p, struct view *row, unsigned clause)
{
    view_bool(row, "cited", clause != POLICY_NONE);
    if (clause == POLICY_NONE)
        return;
    view_str(row, "clause", policy_clause_ref(p->policy, clause, p->arena));
    view_str(row, "clause-href", page_clause_link(p, clause));
    view_str(row, "clause-heading", policy_clause(p->policy, clause)->heading);
}

static void put_reason(const struct page *p, struct view *row, const struct policy_decision *d)
{
    view_bool(row, "has-reason", d->reason.len > 0);
    view_str(row, "reason", page_say(p, "reason.", d->reason));
}

static void put_until(const struct page *p, struct view *row, const struct policy_decision *d)
{
    view_bool(row, "limited", d->until_event != POLICY_NONE);
    if (d->until_event == POLICY_NONE)
        return;
    view_bool(row, "counted", d->until_unit != UNTIL_NONE);
    view_str(row, "until-event", page_name(p, policy_kind_name(p->policy, KIND_EVENT, d->until_event)));
    if (d->until_unit == UNTIL_NONE)
        return;
    view_i64(row, "until-number", d->until_number);
    view_str(row, "until-unit", ui_say(p->lang, unit_keys[d->until_unit]));
}

static void put_terms(const struct page *p, struct view *row, const struct policy_decision *d,
                      struct span query)
{
    put_ways(p, row, d, query);
    view_bool(row, "has-deeds", d->deeds != 0);
    put_words(p, row, "deeds", KIND_DEED, d->deeds);
    view_bool(row, "has-mask", d->mask != POLICY_NONE);
    view_str(row, "mask", d->mask == POLICY_NONE ? SPAN_EMPTY : page_words(p, KIND_MASK, d->mask));
    put_until(p, row, d);
}

static enum policy_answer put_answer(const struct page *p, struct view *list, const struct page_try *t,
                                     unsigned field, struct span query)
{
    struct policy_request q = t->request;
    struct policy_decision d;
    struct policy_trace trace;
    struct text why = text_new(p->arena, 1024);
    q.value[DIM_FIELD] = (uint16_t)field;
    policy_explain(p->policy, &q, &d, p->arena, &trace);
    policy_explain_put(p->policy, &q, &d, &trace, &why);
    struct view *row = view_item(list);
    view_str(row, "field-name", policy_name(p->policy, DIM_FIELD, field));
    view_str(row, "field", page_name(p, policy_name(p->policy, DIM_FIELD, field)));
    view_i64(row, "grade", policy_field_grade(p->policy, field));
    view_str(row, "explanation", text_span(&why));
    page_answer(p, row, d.answer);
    put_clause(p, row, d.clause);
    put_reason(p, row, &d);
    put_terms(p, row, &d, query);
    return d.answer;
}

/* The question in one line, as it was understood. */
static void put_question(const struct page *p, const struct page_try *t)
{
    struct view *list = view_list(p->view, "question");
    for (size_t i = 0; i < page_choices_count; i++) {
        const struct page_choice *c = &page_choices[i];
        if (policy_count(p->policy, c->dimension) < 2)
            continue;
        struct view *row = view_item(list);
        struct span name = policy_name(p->policy, c->dimension, t->request.value[c->dimension]);
        view_str(row, "label", page_say(p, "try.", span_str(c->param)));
        view_str(row, "value", page_name(p, name));
    }
}

void page_try_answers(const struct page *p, const struct page_try *t, struct span query)
{
    enum policy_answer whole = ANSWER_NOT_APPLICABLE;
    struct view *list = view_list(p->view, "answers");
    for (size_t i = 0; i < t->n_fields; i++)
        whole = worse(whole, put_answer(p, list, t, t->fields[i], query));
    struct view *verdict = view_sub(p->view, "verdict");
    page_answer(p, verdict, whole);
    view_bool(p->view, "one", t->n_fields == 1);
    put_question(p, t);
}
