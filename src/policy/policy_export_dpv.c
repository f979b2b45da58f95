// SPDX-License-Identifier: Apache-2.0
/* policy_export_dpv.c: JSON-LD 1.1 in the words of the W3C Data Privacy Vocabulary. See policy_export.h */
#include "policy_export_impl.h"
#include "policy_vocabulary.h"

/* What each dimension is called: the concept its names stand below, and the relation that leads to them. */
static const struct {
    const char *concept, *relation;
} dimension[DIM_COUNT] = {
    [DIM_OPERATION] = {"dpv:Processing", "dpv:hasProcessing"},
    [DIM_ACTOR] = {"dpv:Entity", "dpv:hasEntity"},
    [DIM_SUBJECT] = {"dpv:DataSubject", "dpv:hasDataSubject"},
    [DIM_SERVICE] = {"dpv:Service", "dpv:hasService"},
    [DIM_JURISDICTION] = {"dpv:Location", "dpv:hasLocation"},
    [DIM_PARTY] = {"dpv:Recipient", "dpv:hasRecipient"},
    [DIM_PURPOSE] = {"dpv:Purpose", "dpv:hasPurpose"},
    [DIM_BASIS] = {"dpv:LegalBasis", "dpv:hasLegalBasis"},
    [DIM_FIELD] = {"dpv:PersonalData", "dpv:hasPersonalData"},
};

static const char *const rule_concept[] = {
    [NORM_GRANT] = "dpv:Permission",
    [NORM_BAR] = "dpv:Prohibition",
    [NORM_CONDITION] = "dpv:Obligation",
    [NORM_WAIVER] = "dpv:Rule", /* lifts an obligation: the vocabulary has no word of its own */
};

static void put_prefix(struct text *t, const char *name, const char *iri)
{
    json_str(t, name, iri);
}

static void put_context(struct text *t)
{
    json_open(t, "@context", '{');
    json_raw(t, "@version", SPAN("1.1"));
    for (size_t i = 0; i < policy_prefixes_count; i++)
        put_prefix(t, policy_prefixes[i].name, policy_prefixes[i].iri);
    put_prefix(t, "dct", "http://purl.org/dc/terms/");
    put_prefix(t, "skos", "http://www.w3.org/2004/02/skos/core#");
    put_prefix(t, "xsd", "http://www.w3.org/2001/XMLSchema#");
    put_prefix(t, "policy", "urn:troth:policy:");
    json_close(t, '}');
}

static struct span id_of(struct text *t, const char *what, struct span name)
{
    return arena_fmt(t->arena, "policy:%s/%.*s", what, SPAN_F(name));
}

static void put_reference(struct text *t, const char *what, struct span name)
{
    json_open(t, NULL, '{');
    json_string(t, "@id", id_of(t, what, name));
    json_close(t, '}');
}

/* ---- Names. */

/* {"@id": ..., "@type": [concept, term], "skos:prefLabel": name; left open. */
static void open_name(const struct policy *p, struct text *t, enum policy_dimension d, struct span name)
{
    struct span term = policy_term(p, name);
    json_open(t, NULL, '{');
    json_string(t, "@id", id_of(t, policy_dimension_word[d], name));
    json_open(t, "@type", '[');
    json_str(t, NULL, dimension[d].concept);
    if (term.len > 0)
        json_string(t, NULL, term);
    json_close(t, ']');
    json_string(t, "skos:prefLabel", name);
}

static void put_groups_of(const struct policy *p, struct text *t, enum policy_dimension d, size_t member)
{
    json_open(t, "skos:broader", '[');
    for (size_t i = 0; i < p->dim[d].n_groups; i++)
        if (bits_has(&p->dim[d].groups[i].set, member))
            put_reference(t, policy_dimension_word[d], p->dim[d].groups[i].name);
    json_close(t, ']');
}

static void put_names(const struct policy *p, struct text *t, enum policy_dimension d)
{
    for (size_t i = 0; i < p->dim[d].n; i++) {
        open_name(p, t, d, p->dim[d].members[i].name);
        put_groups_of(p, t, d, i);
        json_close(t, '}');
    }
    for (size_t i = 0; i < p->dim[d].n_groups; i++) {
        open_name(p, t, d, p->dim[d].groups[i].name);
        json_close(t, '}');
    }
}

/* ---- Documents and rules. */

static void put_document(struct text *t, const struct policy_document *doc)
{
    char day[INSTANT_TEXT_MAX];
    date_put(day, doc->in_force);
    json_open(t, NULL, '{');
    json_string(t, "@id", id_of(t, "document", doc->name));
    json_str(t, "@type", "dpv:PrivacyNotice");
    json_string(t, "dct:title", doc->title);
    json_string(t, "dct:hasVersion", arena_fmt(t->arena, "%u", doc->revision));
    json_open(t, "dct:valid", '{');
    json_str(t, "@type", "xsd:date");
    json_str(t, "@value", day);
    json_close(t, '}');
    json_close(t, '}');
}

static void put_relation(const struct policy *p, struct text *t, enum policy_dimension d,
                         const struct bits *set)
{
    if (policy_export_whole(p, d, set))
        return;
    json_open(t, dimension[d].relation, '[');
    for (size_t i = 0; i < p->dim[d].n; i++)
        if (bits_has(set, i))
            put_reference(t, policy_dimension_word[d], p->dim[d].members[i].name);
    json_close(t, ']');
}

/* The start of every rule: who says it, in which words. */
static void open_rule(const struct policy *p, struct text *t, const char *concept, unsigned clause,
                      struct span id)
{
    const struct document *doc = &p->documents[p->clauses[clause].document];
    json_open(t, NULL, '{');
    json_string(t, "@id", id);
    json_str(t, "@type", concept);
    json_open(t, "dct:isPartOf", '{');
    json_string(t, "@id", id_of(t, "document", doc->pub.name));
    json_close(t, '}');
    json_string(t, "dct:source", policy_clause_ref(p, clause, t->arena));
}

static void put_norm(const struct policy *p, struct text *t, const struct norm *n)
{
    struct span id = arena_fmt(t->arena, "policy:norm/%u", n->order + 1);
    open_rule(p, t, rule_concept[n->kind], n->clause, id);
    json_string(t, "dct:description", n->sentence);
    for (int d = 0; d < DIM_COUNT; d++)
        put_relation(p, t, (enum policy_dimension)d, &n->act.set[d]);
    json_close(t, '}');
}

static void put_duty(const struct policy *p, struct text *t, size_t i)
{
    const struct policy_duty *d = &p->duties[i];
    open_rule(p, t, "dpv:Obligation", d->clause, arena_fmt(t->arena, "policy:duty/%zu", i + 1));
    struct span deed = policy_kind_words(p, KIND_DEED, d->deed);
    json_string(t, "dct:description", deed.len ? deed : policy_kind_name(p, KIND_DEED, d->deed));
    json_close(t, '}');
}

void policy_export_dpv(const struct policy *p, struct text *t)
{
    const struct norm **norms = policy_export_norms(p, t->arena);
    json_open(t, NULL, '{');
    put_context(t);
    json_open(t, "@graph", '[');
    for (size_t i = 0; i < p->n_documents; i++)
        if (p->documents[i].pub.revision)
            put_document(t, &p->documents[i].pub);
    for (int d = 0; d < DIM_COUNT; d++)
        put_names(p, t, (enum policy_dimension)d);
    for (size_t i = 0; i < p->n_norms; i++)
        put_norm(p, t, norms[i]);
    for (size_t i = 0; i < p->n_duties; i++)
        put_duty(p, t, i);
    json_close(t, ']');
    json_close(t, '}');
}
