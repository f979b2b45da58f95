// SPDX-License-Identifier: Apache-2.0
/*
 * Try a decision: the form. The policy alone decides, over a person who does not exist; so nothing is read,
 * nothing is recorded, and the whole question is in the address, where it can be kept and passed on.
 */
#include "page_impl.h"

const struct page_choice page_choices[] = {
    {"subject", DIM_SUBJECT, "adult"},   {"service", DIM_SERVICE, "shop"},
    {"operation", DIM_OPERATION, "use"}, {"purpose", DIM_PURPOSE, "delivery"},
    {"recipient", DIM_PARTY, "own"},     {"basis", DIM_BASIS, "none-claimed"},
    {"actor", DIM_ACTOR, "service"},     {"jurisdiction", DIM_JURISDICTION, ""},
};
const size_t page_choices_count = sizeof page_choices / sizeof *page_choices;

/* ---- Reading the question */

static void read_choice(const struct page *p, struct span query, const struct page_choice *c,
                        struct page_try *t)
{
    struct span name;
    unsigned index = policy_find(p->policy, c->dimension, span_str(c->usual));
    if (http_form_get(p->arena, query, c->param, &name) && name.len) {
        index = policy_find(p->policy, c->dimension, name);
        if (index == POLICY_NONE)
            t->unknown = name;
    }
    t->request.value[c->dimension] = index == POLICY_NONE ? 0 : (uint16_t)index;
}

/* The names ticked under `param`. */
static size_t read_all(const struct page *p, struct span query, const char *param, struct span **names)
{
    *names = ARENA_ARRAY(p->arena, POLICY_VALUES_MAX, struct span);
    return http_form_all(p->arena, query, param, *names, POLICY_VALUES_MAX);
}

static bool is_chosen(const struct page_try *t, unsigned field)
{
    for (size_t i = 0; i < t->n_fields; i++)
        if (t->fields[i] == field)
            return true;
    return false;
}

static void read_fields(const struct page *p, struct span query, struct page_try *t)
{
    struct span *names;
    size_t n = read_all(p, query, "field", &names);
    for (size_t i = 0; i < n; i++) {
        unsigned field = policy_find(p->policy, DIM_FIELD, names[i]);
        if (field == POLICY_NONE)
            t->unknown = names[i];
        else if (!is_chosen(t, field))
            t->fields[t->n_fields++] = field;
    }
}

static uint64_t read_set(const struct page *p, struct span query, const char *param, enum policy_kind k,
                         struct page_try *t)
{
    struct span *names;
    uint64_t set = 0;
    size_t n = read_all(p, query, param, &names);
    for (size_t i = 0; i < n; i++) {
        unsigned index = policy_kind_find(p->policy, k, names[i]);
        if (index == POLICY_NONE)
            t->unknown = names[i];
        else
            set |= 1ull << index;
    }
    return set;
}

void page_try_read(const struct page *p, struct span query, struct page_try *t)
{
    memset(t, 0, sizeof *t);
    for (size_t i = 0; i < page_choices_count; i++)
        read_choice(p, query, &page_choices[i], t);
    read_fields(p, query, t);
    t->request.facts = read_set(p, query, "fact", KIND_FACT, t);
    t->request.facts_known = UINT64_MAX; /* what is not ticked is not so */
    t->request.needs = read_set(p, query, "need", KIND_NEED, t);
}

/* ---- The form */

static void put_choice(const struct page *p, struct view *list, const struct page_choice *c,
                       const struct page_try *t)
{
    size_t n = policy_count(p->policy, c->dimension);
    if (n < 2)
        return;
    struct view *row = view_item(list);
    view_str(row, "param", span_str(c->param));
    view_str(row, "label", page_say(p, "try.", span_str(c->param)));
    struct view *options = view_list(row, "options");
    for (unsigned i = 0; i < n; i++) {
        struct view *o = view_item(options);
        struct span name = policy_name(p->policy, c->dimension, i);
        view_str(o, "value", name);
        view_str(o, "option", page_name(p, name));
        view_bool(o, "chosen", t->request.value[c->dimension] == i);
    }
}

static void put_field(const struct page *p, struct view *list, unsigned field, const struct page_try *t)
{
    struct view *row = view_item(list);
    struct span name = policy_name(p->policy, DIM_FIELD, field);
    view_str(row, "value", name);
    view_str(row, "field", page_name(p, name));
    view_i64(row, "grade", policy_field_grade(p->policy, field));
    view_bool(row, "chosen", is_chosen(t, field));
}

/* Categories are as fine as grades need; people look for "profile", not for "profile-birth". */
static struct span family_of(const struct page *p, unsigned category)
{
    struct span name = policy_kind_name(p->policy, KIND_CATEGORY, category);
    return span_sub(name, 0, span_find(name, '-', 0));
}

/* True for the first category of its family. */
static bool opens_family(const struct page *p, unsigned category)
{
    for (unsigned i = 0; i < category; i++)
        if (span_eq(family_of(p, i), family_of(p, category)))
            return false;
    return true;
}

static void put_family(const struct page *p, struct view *list, struct span family, const struct page_try *t)
{
    struct view *row = view_item(list);
    int64_t chosen = 0;
    view_str(row, "family", page_name(p, family));
    struct view *fields = view_list(row, "fields");
    for (unsigned i = 0; i < policy_count(p->policy, DIM_FIELD); i++) {
        if (!span_eq(family_of(p, policy_field_category(p->policy, i)), family))
            continue;
        put_field(p, fields, i, t);
        chosen += is_chosen(t, i);
    }
    view_bool(row, "open", chosen > 0);
}

static void put_set(const struct page *p, const char *list_name, enum policy_kind k, uint64_t set)
{
    struct view *list = view_list(p->view, list_name);
    for (unsigned i = 0; i < policy_kind_count(p->policy, k); i++) {
        struct view *row = view_item(list);
        view_str(row, "value", policy_kind_name(p->policy, k, i));
        view_str(row, "words", page_words(p, k, i));
        view_bool(row, "chosen", (set >> i) & 1);
    }
}

static void put_form(const struct page *p, const struct page_try *t)
{
    struct view *choices = view_list(p->view, "choices"), *families = view_list(p->view, "families");
    for (size_t i = 0; i < page_choices_count; i++)
        put_choice(p, choices, &page_choices[i], t);
    for (unsigned i = 0; i < policy_kind_count(p->policy, KIND_CATEGORY); i++)
        if (opens_family(p, i))
            put_family(p, families, family_of(p, i), t);
    put_set(p, "facts", KIND_FACT, t->request.facts);
    put_set(p, "needs", KIND_NEED, t->request.needs);
    view_bool(p->view, "facts-open", t->request.facts != 0);
    view_bool(p->view, "needs-open", t->request.needs != 0);
}

static void answer_page(struct call *c, struct span query)
{
    struct page p = page_begin(c, "try.title", NAV_TRY);
    struct page_try *t = ARENA_NEW(c->arena, struct page_try);
    page_try_read(&p, query, t);
    view_str(p.view, "unknown", t->unknown);
    view_bool(p.view, "has-unknown", t->unknown.len > 0);
    view_bool(p.view, "asked", t->n_fields > 0 && t->unknown.len == 0);
    put_form(&p, t);
    if (t->n_fields > 0 && t->unknown.len == 0)
        page_try_answers(&p, t, query);
    page_end(&p, 200, "try");
}

void page_try(struct call *c)
{
    answer_page(c, c->req->query);
}

/* For a question longer than an address may be. */
void page_try_post(struct call *c)
{
    answer_page(c, c->req->body);
}
