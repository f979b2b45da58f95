// SPDX-License-Identifier: Apache-2.0
/* policy_names.c: the names of each dimension and kind: adding, finding, suggesting. */
#include "policy_impl.h"

const char *const policy_dimension_word[DIM_COUNT] = {
    [DIM_OPERATION] = "operation",
    [DIM_ACTOR] = "actor",
    [DIM_SUBJECT] = "subject",
    [DIM_SERVICE] = "service",
    [DIM_JURISDICTION] = "jurisdiction",
    [DIM_PARTY] = "party",
    [DIM_PURPOSE] = "purpose",
    [DIM_BASIS] = "basis",
    [DIM_FIELD] = "field",
};

const struct noun policy_dimension_noun[DIM_COUNT] = {
    [DIM_OPERATION] = {"an operation", ""},
    [DIM_ACTOR] = {"an actor", ""},
    [DIM_SUBJECT] = {"a subject", "of "},
    [DIM_SERVICE] = {"a service", "in "},
    [DIM_JURISDICTION] = {"a jurisdiction", "in "},
    [DIM_PARTY] = {"a party", "with "},
    [DIM_PURPOSE] = {"a purpose", "for "},
    [DIM_BASIS] = {"a basis", "on basis of "},
    [DIM_FIELD] = {"a data name", ""},
};

const struct noun policy_kind_noun[KIND_COUNT] = {
    [KIND_NEED] = {"a need", "only with "},   [KIND_FACT] = {"a fact", "when "},
    [KIND_MASK] = {"a mask", "mask as "},     [KIND_DEED] = {"a deed", "must "},
    [KIND_EVENT] = {"an event", "when "},     [KIND_CATEGORY] = {"a category", ""},
    [KIND_AUDIENCE] = {"an audience", "to "}, [KIND_CHANNEL] = {"a channel", "by "},
};

void *policy_grow(struct arena *a, void *list, size_t n, size_t size)
{
    bool full = n == 0 || (n >= 4 && (n & (n - 1)) == 0);
    uint8_t *more = full ? arena_room(a, n == 0 ? 4 : n * 2, size) : list;
    if (full && n > 0)
        memcpy(more, list, n * size);
    memset(more + n * size, 0, size);
    return more;
}

/* ---- Finding. */

static unsigned word_find(const struct word *list, size_t n, struct span name)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(list[i].name, name))
            return (unsigned)i;
    return POLICY_NONE;
}

/* Callers may write contact.phone or contact_phone for contact-phone. */
static bool name_is_written(struct span name, struct span written)
{
    if (name.len != written.len || name.len == 0 || name.p[0] != written.p[0])
        return false;
    for (size_t i = 0; i < name.len; i++) {
        bool joint = written.p[i] == '.' || written.p[i] == '_';
        if (name.p[i] != (joint ? '-' : written.p[i]))
            return false;
    }
    return true;
}

size_t policy_count(const struct policy *p, enum policy_dimension d)
{
    return p->dim[d].n;
}

struct span policy_name(const struct policy *p, enum policy_dimension d, unsigned index)
{
    return index < p->dim[d].n ? p->dim[d].members[index].name : SPAN_EMPTY;
}

unsigned policy_find(const struct policy *p, enum policy_dimension d, struct span name)
{
    for (size_t i = 0; i < p->dim[d].n; i++)
        if (name_is_written(p->dim[d].members[i].name, name))
            return (unsigned)i;
    return POLICY_NONE;
}

const struct group *policy_group_find(const struct policy *p, enum policy_dimension d, struct span name)
{
    for (size_t i = 0; i < p->dim[d].n_groups; i++)
        if (span_eq(p->dim[d].groups[i].name, name))
            return &p->dim[d].groups[i];
    return NULL;
}

bool policy_name_set(const struct policy *p, enum policy_dimension d, struct span name, struct bits *set)
{
    unsigned member = word_find(p->dim[d].members, p->dim[d].n, name);
    if (member != POLICY_NONE) {
        bits_add(set, member);
        return true;
    }
    const struct group *g = policy_group_find(p, d, name);
    if (g)
        bits_join(set, &g->set);
    return g != NULL;
}

void policy_whole(const struct policy *p, enum policy_dimension d, struct bits *set)
{
    for (size_t i = 0; i < p->dim[d].n; i++)
        bits_add(set, i);
}

bool policy_in_group(const struct policy *p, enum policy_dimension d, unsigned member, struct span group)
{
    if (member >= p->dim[d].n)
        return false;
    const struct group *g = policy_group_find(p, d, group);
    return g ? bits_has(&g->set, member) : span_eq(p->dim[d].members[member].name, group);
}

size_t policy_kind_count(const struct policy *p, enum policy_kind k)
{
    return p->kind[k].n;
}

static const struct word *kind_word(const struct policy *p, enum policy_kind k, unsigned index)
{
    static const struct word none;
    return index < p->kind[k].n ? &p->kind[k].list[index] : &none;
}

struct span policy_kind_name(const struct policy *p, enum policy_kind k, unsigned index)
{
    return kind_word(p, k, index)->name;
}

struct span policy_kind_words(const struct policy *p, enum policy_kind k, unsigned index)
{
    return kind_word(p, k, index)->words;
}

struct span policy_kind_source(const struct policy *p, enum policy_kind k, unsigned index)
{
    return kind_word(p, k, index)->source;
}

struct span policy_need_reason(const struct policy *p, unsigned need)
{
    return kind_word(p, KIND_NEED, need)->reason;
}

unsigned policy_kind_find(const struct policy *p, enum policy_kind k, struct span name)
{
    return word_find(p->kind[k].list, p->kind[k].n, name);
}

unsigned policy_field_grade(const struct policy *p, unsigned field)
{
    return field < p->dim[DIM_FIELD].n ? p->grade[field] : 0;
}

unsigned policy_field_category(const struct policy *p, unsigned field)
{
    return field < p->dim[DIM_FIELD].n ? p->category[field] : POLICY_NONE;
}

unsigned policy_word_add(struct arena *a, struct wordlist *w, struct span name, struct place place)
{
    struct word *word = POLICY_PUSH(a, w->list, w->n);
    *word = (struct word){.name = name, .place = place};
    return (unsigned)(w->n - 1);
}

/* ---- Suggesting. */

struct nearest policy_nearest(struct span want)
{
    /* One slip in three letters: `marketng` is near marketing, `sms` is not near mms and sdk alike. */
    unsigned most = (unsigned)(want.len / 3);
    return (struct nearest){.want = want, .distance = (most > 3 ? 3 : most) + 1};
}

void policy_nearest_try(struct nearest *n, struct span name)
{
    if (n->want.len > POLICY_NAME_MAX || name.len > POLICY_NAME_MAX)
        return;
    unsigned d = span_distance(n->want, name);
    if (d >= n->distance)
        return;
    n->distance = d;
    n->best = name;
}

void policy_nearest_dimension(struct nearest *n, const struct policy *p, enum policy_dimension d)
{
    for (size_t i = 0; i < p->dim[d].n; i++)
        policy_nearest_try(n, p->dim[d].members[i].name);
    for (size_t i = 0; i < p->dim[d].n_groups; i++)
        policy_nearest_try(n, p->dim[d].groups[i].name);
}

void policy_nearest_kind(struct nearest *n, const struct policy *p, enum policy_kind k)
{
    for (size_t i = 0; i < p->kind[k].n; i++)
        policy_nearest_try(n, p->kind[k].list[i].name);
}

struct span policy_nearest_text(const struct nearest *n, struct arena *a)
{
    return n->best.len > 0 ? arena_fmt(a, "; did you mean '%.*s'?", SPAN_F(n->best)) : SPAN_EMPTY;
}

struct span policy_suggest(const struct policy *p, enum policy_dimension d, struct span name)
{
    struct nearest n = policy_nearest(name);
    policy_nearest_dimension(&n, p, d);
    return n.best;
}

static struct span known_text(struct arena *a, struct span name, const struct noun *noun)
{
    if (noun->used[0] == 0)
        return arena_fmt(a, "'%.*s' is %s", SPAN_F(name), noun->one);
    return arena_fmt(a, "'%.*s' is %s; write '%s%.*s'", SPAN_F(name), noun->one, noun->used, SPAN_F(name));
}

struct span policy_known_as(const struct policy *p, struct span name, struct arena *a)
{
    struct bits ignored = {{0}};
    for (int d = 0; d < DIM_COUNT; d++)
        if (policy_name_set(p, (enum policy_dimension)d, name, &ignored))
            return known_text(a, name, &policy_dimension_noun[d]);
    for (int k = 0; k < KIND_COUNT; k++)
        if (policy_kind_find(p, (enum policy_kind)k, name) != POLICY_NONE)
            return known_text(a, name, &policy_kind_noun[k]);
    return SPAN_EMPTY;
}

/* ---- Documents and clauses. */

size_t policy_documents(const struct policy *p)
{
    return p->n_documents;
}

const struct policy_document *policy_document(const struct policy *p, unsigned doc)
{
    return doc < p->n_documents ? &p->documents[doc].pub : NULL;
}

unsigned policy_document_find(const struct policy *p, struct span name)
{
    for (size_t i = 0; i < p->n_documents; i++)
        if (span_eq(p->documents[i].pub.name, name))
            return (unsigned)i;
    return POLICY_NONE;
}

static bool scope_holds(const struct document *doc, enum policy_dimension d, unsigned value)
{
    return !doc->scoped[d] || (value < POLICY_VALUES_MAX && bits_has(&doc->scope[d], value));
}

bool policy_document_applies(const struct policy *p, unsigned doc, unsigned subject, unsigned service)
{
    if (doc >= p->n_documents || !p->documents[doc].has_rules)
        return false;
    return scope_holds(&p->documents[doc], DIM_SUBJECT, subject) &&
           scope_holds(&p->documents[doc], DIM_SERVICE, service);
}

size_t policy_clauses(const struct policy *p)
{
    return p->n_clauses;
}

const struct policy_clause *policy_clause(const struct policy *p, unsigned clause)
{
    return clause < p->n_clauses ? &p->clauses[clause] : NULL;
}

static unsigned clause_in(const struct policy *p, unsigned document, struct span id)
{
    for (size_t i = 0; i < p->n_clauses; i++)
        if (p->clauses[i].document == document && span_eq(p->clauses[i].id, id))
            return (unsigned)i;
    return POLICY_NONE;
}

unsigned policy_clause_find(const struct policy *p, struct span ref)
{
    struct span document = SPAN_EMPTY;
    if (span_find(ref, '/', 0) == ref.len || !span_cut(&ref, '/', &document))
        return POLICY_NONE;
    unsigned doc = policy_document_find(p, document);
    return doc == POLICY_NONE ? POLICY_NONE : clause_in(p, doc, ref);
}

struct span policy_clause_ref(const struct policy *p, unsigned clause, struct arena *a)
{
    if (clause >= p->n_clauses)
        return SPAN_EMPTY;
    const struct policy_clause *c = &p->clauses[clause];
    return arena_join(a, p->documents[c->document].pub.name, '/', c->id);
}

size_t policy_duties(const struct policy *p)
{
    return p->n_duties;
}

const struct policy_duty *policy_duty(const struct policy *p, unsigned i)
{
    return i < p->n_duties ? &p->duties[i] : NULL;
}
