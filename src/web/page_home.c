// SPDX-License-Identifier: Apache-2.0
/* The first screen: what this is, three questions answered by the policy in force, and the state. */
#include "page_impl.h"

/* Questions anyone would ask. Shown only if the policy declares every name in them; the message is
 * "example.KEY". */
static const struct {
    const char *key, *query;
} examples[] = {
    {"delivery",
     "subject=adult&service=shop&operation=use&purpose=delivery&field=order-address&need=agreement"},
    {"marketing",
     "subject=adult&service=shop&operation=use&purpose=direct-marketing&field=contact-phone&need=agreement"},
    {"child", "subject=child&service=games&operation=collect&purpose=registration-login&field=contact-phone"},
    {"sell", "subject=adult&service=shop&operation=share&purpose=direct-marketing&recipient=promotion-client"
             "&field=contact-phone&need=agreement"},
};

/* The sentence that decided, as it is enforced. */
static struct span sentence_of(const struct policy_trace *trace, unsigned clause)
{
    for (size_t i = 0; i < trace->n; i++)
        if (trace->rows[i].clause == clause)
            return span_trim(trace->rows[i].sentence);
    return SPAN_EMPTY;
}

/* False if this policy lacks a name of the question: then it is not asked here. */
static bool ask(const struct page *p, struct span query, struct policy_decision *d,
                struct policy_trace *trace)
{
    struct page_try t;
    page_try_read(p, query, &t);
    if (t.unknown.len || t.n_fields != 1)
        return false;
    t.request.value[DIM_FIELD] = (uint16_t)t.fields[0];
    policy_explain(p->policy, &t.request, d, p->arena, trace);
    return true;
}

static void put_example(const struct page *p, struct view *list, size_t i, const struct policy_decision *d,
                        const struct policy_trace *trace)
{
    struct view *row = view_item(list);
    view_str(row, "question", page_say(p, "example.", span_str(examples[i].key)));
    view_str(row, "href", arena_fmt(p->arena, "/try?%s#answer", examples[i].query));
    page_answer(p, row, d->answer);
    view_bool(row, "cited", d->clause != POLICY_NONE);
    if (d->clause == POLICY_NONE)
        return;
    const struct policy_clause *c = policy_clause(p->policy, d->clause);
    view_str(row, "clause", policy_clause_ref(p->policy, d->clause, p->arena));
    view_str(row, "clause-href", page_clause_link(p, d->clause));
    view_str(row, "heading", c->heading);
    view_str(row, "document", page_document_title(p, policy_document(p->policy, c->document)));
    view_str(row, "sentence", sentence_of(trace, d->clause));
}

/* The first one that cites a clause also stands beside the first words: as published, as enforced, as asked.
 */
static void put_examples(struct page *p)
{
    struct view *list = view_list(p->view, "examples"), *card = view_list(p->view, "card");
    struct policy_decision d;
    struct policy_trace trace;
    bool shown = false, any = false;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        if (!ask(p, span_str(examples[i].query), &d, &trace))
            continue;
        any = true;
        put_example(p, list, i, &d, &trace);
        if (!shown && d.clause != POLICY_NONE)
            put_example(p, card, i, &d, &trace);
        shown |= d.clause != POLICY_NONE;
    }
    view_bool(p->view, "has-examples", any);
}

static void put_services(struct page *p)
{
    const struct registers *r = p->call->gate.view->registers;
    struct view *list = view_list(p->view, "services");
    view_bool(p->view, "has-services", r->n_services > 0);
    for (size_t i = 0; i < r->n_services; i++) {
        struct view *row = view_item(list);
        struct span title = r->services[i].title;
        view_str(row, "name", r->services[i].name);
        view_str(row, "service", title.len ? title : page_name(p, r->services[i].name));
    }
}

/* What the policy in force holds, in numbers. */
static void put_counts(struct page *p)
{
    view_i64(p->view, "n-clauses", (int64_t)policy_clauses(p->policy));
    view_i64(p->view, "n-fields", (int64_t)policy_count(p->policy, DIM_FIELD));
    view_i64(p->view, "n-purposes", (int64_t)policy_count(p->policy, DIM_PURPOSE));
    view_i64(p->view, "n-parties", (int64_t)policy_count(p->policy, DIM_PARTY));
}

static void put_record(struct page *p)
{
    struct page_head head;
    bool has = page_record_head(p, &head);
    view_bool(p->view, "has-head", has);
    if (!has)
        return;
    view_i64(p->view, "size", (int64_t)head.checkpoint.size);
    view_str(p->view, "root", page_hex(p, &head.checkpoint.root));
}

void page_home(struct call *c)
{
    struct page p = page_begin(c, "home.title", NAV_HOME);
    put_examples(&p);
    page_put_documents(&p);
    put_counts(&p);
    put_services(&p);
    put_record(&p);
    page_end(&p, 200, "home");
}
