// SPDX-License-Identifier: Apache-2.0
/* policy_export.c: see policy_export.h. */
#include "policy_export_impl.h"
#include "policy_vocabulary.h"

const char *const policy_export_norm_word[4] = {
    [NORM_GRANT] = "grant", [NORM_BAR] = "bar", [NORM_CONDITION] = "condition", [NORM_WAIVER] = "waiver"};

const char *const policy_export_unit_word[UNTIL_YEARS + 1] = {
    [UNTIL_NONE] = "",         [UNTIL_HOURS] = "hours",
    [UNTIL_DAYS] = "days",     [UNTIL_WORKING_DAYS] = "working-days",
    [UNTIL_MONTHS] = "months", [UNTIL_YEARS] = "years",
};

const char *const policy_export_plural[DIM_COUNT] = {
    [DIM_OPERATION] = "operations",
    [DIM_ACTOR] = "actors",
    [DIM_SUBJECT] = "subjects",
    [DIM_SERVICE] = "services",
    [DIM_JURISDICTION] = "jurisdictions",
    [DIM_PARTY] = "parties",
    [DIM_PURPOSE] = "purposes",
    [DIM_BASIS] = "bases",
    [DIM_FIELD] = "fields",
};

static const char *const kind_plural[KIND_COUNT] = {
    [KIND_NEED] = "needs",         [KIND_FACT] = "facts",       [KIND_MASK] = "masks",
    [KIND_DEED] = "deeds",         [KIND_EVENT] = "events",     [KIND_CATEGORY] = "categories",
    [KIND_AUDIENCE] = "audiences", [KIND_CHANNEL] = "channels",
};

bool policy_export_whole(const struct policy *p, enum policy_dimension d, const struct bits *set)
{
    for (size_t i = 0; i < p->dim[d].n; i++)
        if (!bits_has(set, i))
            return false;
    return true;
}

const struct norm **policy_export_norms(const struct policy *p, struct arena *a)
{
    const struct norm **list = ARENA_ARRAY(a, p->n_norms, const struct norm *);
    for (size_t i = 0; i < p->n_norms; i++)
        list[p->norms[i].order] = &p->norms[i];
    return list;
}

/* A member of the object only if there is something to say. */
static void string_if(struct text *t, const char *name, struct span s)
{
    if (s.len > 0)
        json_string(t, name, s);
}

static void put_ref(const struct policy *p, struct text *t, const char *name, unsigned clause)
{
    json_string(t, name, policy_clause_ref(p, clause, t->arena));
}

/* ---- Sets and formulas. */

static void put_set(const struct policy *p, struct text *t, enum policy_dimension d, const struct bits *set)
{
    json_open(t, policy_export_plural[d], '[');
    for (size_t i = 0; i < p->dim[d].n; i++)
        if (bits_has(set, i))
            json_string(t, NULL, p->dim[d].members[i].name);
    json_close(t, ']');
}

static void put_atoms(const struct policy *p, struct text *t, enum policy_kind k, uint64_t bits,
                      uint64_t values)
{
    for (size_t i = 0; i < p->kind[k].n && i < 64; i++)
        if (bits >> i & 1)
            json_string(t, NULL,
                        arena_fmt(t->arena, "%s%.*s", values >> i & 1 ? "" : "not ",
                                  SPAN_F(p->kind[k].list[i].name)));
}

static void put_formula(const struct policy *p, struct text *t, const char *name, const struct formula *f)
{
    if (f->n == 1 && (f->terms[0].facts | f->terms[0].needs) == 0) /* true */
        return;
    json_open(t, name, '[');
    for (size_t i = 0; i < f->n; i++) {
        json_open(t, NULL, '[');
        put_atoms(p, t, KIND_FACT, f->terms[i].facts, f->terms[i].facts_value);
        put_atoms(p, t, KIND_NEED, f->terms[i].needs, f->terms[i].needs_value);
        json_close(t, ']');
    }
    json_close(t, ']');
}

static void put_must(const struct policy *p, struct text *t, const struct must *m)
{
    json_open(t, NULL, '{');
    if (m->kind == MUST_HAVE)
        put_formula(p, t, "have", &m->needs);
    else if (m->kind == MUST_MASK)
        json_string(t, "mask", policy_kind_name(p, KIND_MASK, m->index));
    else
        json_string(t, "deed", policy_kind_name(p, KIND_DEED, m->index));
    json_close(t, '}');
}

static void put_musts(const struct policy *p, struct text *t, const char *name, const struct must *list,
                      size_t n)
{
    json_open(t, name, '[');
    for (size_t i = 0; i < n; i++)
        put_must(p, t, &list[i]);
    json_close(t, ']');
}

static void put_until(const struct policy *p, struct text *t, const struct until *u)
{
    if (u->event == POLICY_NONE)
        return;
    json_open(t, "until", '{');
    json_string(t, "event", policy_kind_name(p, KIND_EVENT, u->event));
    if (u->unit != UNTIL_NONE) {
        json_i64(t, "number", u->number);
        json_str(t, "unit", policy_export_unit_word[u->unit]);
    }
    json_close(t, '}');
}

static void put_act(const struct policy *p, struct text *t, const struct act *act)
{
    for (int i = 0; i < DIM_COUNT; i++) {
        enum policy_dimension d = (enum policy_dimension)i;
        if (!policy_export_whole(p, d, &act->set[d]))
            put_set(p, t, d, &act->set[d]);
    }
    put_formula(p, t, "when", &act->when);
    if (act->has_needs)
        put_formula(p, t, "only_with", &act->needs);
    put_until(p, t, &act->until);
}

/* ---- The parts of the policy. */

static void put_scope(const struct policy *p, struct text *t, const struct document *doc)
{
    json_open(t, "applies_to", '{');
    for (int d = 0; d < DIM_COUNT; d++)
        if (doc->scoped[d])
            put_set(p, t, (enum policy_dimension)d, &doc->scope[d]);
    json_close(t, '}');
    json_open(t, "prevails_over", '[');
    for (size_t i = 0; i < p->n_documents; i++)
        if (doc->prevails >> i & 1)
            json_string(t, NULL, p->documents[i].pub.name);
    json_close(t, ']');
    json_open(t, "means", '{');
    for (size_t i = 0; i < doc->n_means; i++) {
        json_key(t, doc->means[i].word);
        json_string(t, NULL,
                    arena_fmt(t->arena, "%u %.*s", doc->means[i].number, SPAN_F(doc->means[i].unit)));
    }
    json_close(t, '}');
}

static void put_document(const struct policy *p, const struct policy_identity *id, struct text *t,
                         const struct document *doc)
{
    char day[INSTANT_TEXT_MAX];
    date_put(day, doc->pub.in_force);
    json_open(t, NULL, '{');
    json_string(t, "name", doc->pub.name);
    string_if(t, "title", doc->pub.title);
    json_string(t, "file", doc->pub.file);
    json_string(t, "sha256", id->documents[doc - p->documents]);
    if (doc->pub.revision) {
        json_i64(t, "revision", doc->pub.revision);
        json_str(t, "in_force", day);
        put_scope(p, t, doc);
    }
    json_close(t, '}');
}

static void put_clause(const struct policy *p, struct text *t, const struct policy_clause *c)
{
    bool head = p->documents[c->document].clause == (unsigned)(c - p->clauses);
    json_open(t, NULL, '{');
    json_string(t, "document", p->documents[c->document].pub.name);
    json_string(t, "id", c->id);
    json_str(t, "kind", head ? "document" : c->plain ? "plain" : "rule");
    json_string(t, "heading", c->heading);
    json_i64(t, "line", c->line);
    json_string(t, "text", c->body);
    json_close(t, '}');
}

static void put_lifts(const struct policy *p, struct text *t, const struct norm *n)
{
    if (n->n_despite == 0)
        return;
    json_open(t, "despite", '[');
    for (size_t i = 0; i < n->n_despite; i++) {
        const struct despite *r = &n->despite[i];
        const char *end = !r->family ? "" : r->id.len ? ".*" : "*";
        json_string(t, NULL,
                    arena_fmt(t->arena, "%.*s/%.*s%s", SPAN_F(p->documents[r->document].pub.name),
                              SPAN_F(r->id), end));
    }
    json_close(t, ']');
}

static void put_norm(const struct policy *p, struct text *t, const struct norm *n)
{
    json_open(t, NULL, '{');
    json_str(t, "kind", policy_export_norm_word[n->kind]);
    put_ref(p, t, "clause", n->clause);
    json_string(t, "sentence", n->sentence);
    put_lifts(p, t, n);
    put_act(p, t, &n->act);
    if (n->kind == NORM_CONDITION)
        put_musts(p, t, "must", &n->must, 1);
    if (n->kind == NORM_WAIVER)
        put_musts(p, t, "need_not", n->waives, n->n_waives);
    string_if(t, "reason", n->reason);
    json_close(t, '}');
}

static void put_promise(const struct policy *p, struct text *t, const struct promise *n)
{
    static const char *const word[] = {
        [PROMISE_NEVER] = "never", [PROMISE_ALWAYS] = "always", [PROMISE_EVERY] = "every"};
    json_open(t, NULL, '{');
    json_str(t, "kind", word[n->kind]);
    put_ref(p, t, "clause", n->clause);
    json_string(t, "sentence", n->sentence);
    put_act(p, t, &n->act);
    if (n->kind == PROMISE_EVERY)
        put_musts(p, t, "must", n->musts, n->n_musts);
    json_close(t, '}');
}

static void put_deadline(const struct policy *p, struct text *t, const struct policy_duty *d)
{
    if (d->number == 0 && !d->before)
        return;
    json_open(t, "deadline", '{');
    if (d->number > 0) {
        json_i64(t, "number", d->number);
        json_string(t, "unit", d->unit);
    }
    json_string(t, d->before ? "before" : "after", policy_kind_name(p, KIND_EVENT, d->start));
    json_close(t, '}');
}

static void put_list(const struct policy *p, struct text *t, const char *name, enum policy_kind k,
                     struct policy_kind_list list)
{
    if (list.n == 0)
        return;
    json_open(t, name, '[');
    for (size_t i = 0; i < list.n; i++)
        json_string(t, NULL, policy_kind_name(p, k, list.list[i]));
    json_close(t, ']');
}

static void put_duty(const struct policy *p, struct text *t, const struct policy_duty *d)
{
    json_open(t, NULL, '{');
    put_ref(p, t, "clause", d->clause);
    json_string(t, "event", policy_kind_name(p, KIND_EVENT, d->event));
    string_if(t, "condition", d->condition);
    if (d->when)
        put_formula(p, t, "when", d->when);
    json_string(t, "actor", d->actor);
    json_string(t, "deed", policy_kind_name(p, KIND_DEED, d->deed));
    string_if(t, "object", d->object);
    put_list(p, t, "to", KIND_AUDIENCE, d->audience);
    put_list(p, t, "by", KIND_CHANNEL, d->channels);
    put_deadline(p, t, d);
    if (d->otherwise != POLICY_NONE)
        json_string(t, "otherwise", policy_kind_name(p, KIND_DEED, d->otherwise));
    string_if(t, "otherwise_object", d->otherwise_object);
    json_close(t, '}');
}

/* ---- The catalogue. */

static void put_member(const struct policy *p, struct text *t, enum policy_dimension d, unsigned i)
{
    struct span name = p->dim[d].members[i].name;
    json_open(t, NULL, '{');
    json_string(t, "name", name);
    if (d == DIM_FIELD) {
        json_string(t, "category", policy_kind_name(p, KIND_CATEGORY, p->category[i]));
        json_i64(t, "grade", p->grade[i]);
    }
    string_if(t, "term", policy_term(p, name));
    json_close(t, '}');
}

static void put_group(const struct policy *p, struct text *t, enum policy_dimension d, const struct group *g)
{
    json_open(t, NULL, '{');
    json_str(t, "dimension", policy_dimension_word[d]);
    json_string(t, "name", g->name);
    string_if(t, "term", policy_term(p, g->name));
    json_open(t, "members", '[');
    for (size_t i = 0; i < p->dim[d].n; i++)
        if (bits_has(&g->set, i))
            json_string(t, NULL, p->dim[d].members[i].name);
    json_close(t, ']');
    json_close(t, '}');
}

static void put_word(const struct policy *p, struct text *t, const struct word *w)
{
    json_open(t, NULL, '{');
    json_string(t, "name", w->name);
    string_if(t, "words", w->words);
    string_if(t, "source", w->source);
    string_if(t, "reason", w->reason);
    string_if(t, "term", policy_term(p, w->name));
    json_close(t, '}');
}

static void put_catalogue(const struct policy *p, struct text *t)
{
    json_open(t, "catalogue", '{');
    for (int d = 0; d < DIM_COUNT; d++) {
        json_open(t, policy_export_plural[d], '[');
        for (unsigned i = 0; i < p->dim[d].n; i++)
            put_member(p, t, (enum policy_dimension)d, i);
        json_close(t, ']');
    }
    for (int k = 0; k < KIND_COUNT; k++) {
        json_open(t, kind_plural[k], '[');
        for (size_t i = 0; i < p->kind[k].n; i++)
            put_word(p, t, &p->kind[k].list[i]);
        json_close(t, ']');
    }
    json_open(t, "groups", '[');
    for (int d = 0; d < DIM_COUNT; d++)
        for (size_t i = 0; i < p->dim[d].n_groups; i++)
            put_group(p, t, (enum policy_dimension)d, &p->dim[d].groups[i]);
    json_close(t, ']');
    json_close(t, '}');
}

static void put_compiled(const struct policy *p, const struct policy_identity *id, struct text *t)
{
    json_open(t, "compiled", '{');
    json_string(t, "sha256", id->compiled);
    json_i64(t, "bytes", (int64_t)policy_packed(p).len);
    json_close(t, '}');
}

void policy_export_json(const struct policy *p, const struct policy_identity *id, struct text *t)
{
    const struct norm **norms = policy_export_norms(p, t->arena);
    json_open(t, NULL, '{');
    json_str(t, "language", POLICY_LANGUAGE_VERSION);
    put_compiled(p, id, t);
    json_open(t, "documents", '[');
    for (size_t i = 0; i < p->n_documents; i++)
        put_document(p, id, t, &p->documents[i]);
    json_close(t, ']');
    put_catalogue(p, t);
    json_open(t, "clauses", '[');
    for (size_t i = 0; i < p->n_clauses; i++)
        put_clause(p, t, &p->clauses[i]);
    json_close(t, ']');
    json_open(t, "norms", '[');
    for (size_t i = 0; i < p->n_norms; i++)
        put_norm(p, t, norms[i]);
    json_close(t, ']');
    json_open(t, "promises", '[');
    for (size_t i = 0; i < p->n_promises; i++)
        put_promise(p, t, &p->promises[i]);
    json_close(t, ']');
    json_open(t, "duties", '[');
    for (size_t i = 0; i < p->n_duties; i++)
        put_duty(p, t, &p->duties[i]);
    json_close(t, ']');
    json_close(t, '}');
}
