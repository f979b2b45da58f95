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
    put_prefix(t, "rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#");
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

/* Names of other kinds that duties speak of: the concept they stand below. */
enum told { TOLD_EVENT, TOLD_DEED, TOLD_AUDIENCE, TOLD_CHANNEL, TOLD_COUNT };
static const struct {
    enum policy_kind kind;
    const char *word, *concept;
} told[TOLD_COUNT] = {
    [TOLD_EVENT] = {KIND_EVENT, "event", "dpv:Context"},
    [TOLD_DEED] = {KIND_DEED, "deed", "dpv:TechnicalOrganisationalMeasure"},
    [TOLD_AUDIENCE] = {KIND_AUDIENCE, "audience", "dpv:Entity"},
    [TOLD_CHANNEL] = {KIND_CHANNEL, "channel", "skos:Concept"}, /* the vocabulary has no concept of it */
};

static void put_kind(const struct policy *p, struct text *t, enum told row)
{
    for (unsigned i = 0; i < policy_kind_count(p, told[row].kind); i++) {
        struct span name = policy_kind_name(p, told[row].kind, i), term = policy_term(p, name);
        struct span words = policy_kind_words(p, told[row].kind, i);
        json_open(t, NULL, '{');
        json_string(t, "@id", id_of(t, told[row].word, name));
        json_open(t, "@type", '[');
        json_str(t, NULL, told[row].concept);
        if (term.len > 0)
            json_string(t, NULL, term);
        json_close(t, ']');
        json_string(t, "skos:prefLabel", name);
        if (words.len > 0)
            json_string(t, "skos:definition", words);
        json_close(t, '}');
    }
}

static bool is_actor(const struct policy *p, struct span name)
{
    return policy_find(p, DIM_ACTOR, name) != POLICY_NONE || policy_group_find(p, DIM_ACTOR, name);
}

/* `we` is the group `us`. */
static struct span actor_of(const struct policy_duty *d)
{
    return span_is(d->actor, "we") ? SPAN("us") : d->actor;
}

/* Who has a duty without being an actor of the catalogue; each once. */
static void put_offices(const struct policy *p, struct text *t)
{
    for (size_t i = 0; i < p->n_duties; i++) {
        struct span name = actor_of(&p->duties[i]);
        bool said = is_actor(p, name);
        for (size_t k = 0; k < i; k++)
            said = said || span_eq(actor_of(&p->duties[k]), name);
        if (said)
            continue;
        json_open(t, NULL, '{');
        json_string(t, "@id", id_of(t, "actor", name));
        json_str(t, "@type", "dpv:Entity");
        json_string(t, "skos:prefLabel", name);
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

static void put_act(const struct policy *p, struct text *t, struct span sentence, const struct act *act)
{
    json_string(t, "dct:description", sentence);
    for (int d = 0; d < DIM_COUNT; d++)
        put_relation(p, t, (enum policy_dimension)d, &act->set[d]);
    json_close(t, '}');
}

static void put_norm(const struct policy *p, struct text *t, const struct norm *n)
{
    open_rule(p, t, rule_concept[n->kind], n->clause, arena_fmt(t->arena, "policy:norm/%u", n->order + 1));
    put_act(p, t, n->sentence, &n->act);
}

/* Not a rule: it decides nothing, it is proved. So it says of itself that it is a promise, too. */
static void put_promise(const struct policy *p, struct text *t, size_t i)
{
    static const char *const concept[] = {[PROMISE_NEVER] = "dpv:Prohibition",
                                          [PROMISE_ALWAYS] = "dpv:Permission",
                                          [PROMISE_EVERY] = "dpv:Obligation"};
    const struct promise *m = &p->promises[i];
    open_rule(p, t, concept[m->kind], m -> clause, arena_fmt(t->arena, "policy:promise/%zu", i + 1));
    json_str(t, "dct:type", "promise");
    put_act(p, t, m->sentence, &m->act);
}

/* ---- Duties. */

static void put_one(struct text *t, const char *relation, const char *what, struct span name)
{
    json_open(t, relation, '{');
    json_string(t, "@id", id_of(t, what, name));
    json_close(t, '}');
}

static void put_told(const struct policy *p, struct text *t, const char *relation, enum told row,
                     const struct policy_kind_list *list)
{
    if (list->n == 0)
        return;
    json_open(t, relation, '[');
    for (size_t i = 0; i < list->n; i++)
        put_reference(t, told[row].word, policy_kind_name(p, told[row].kind, list->list[i]));
    json_close(t, ']');
}

/* ISO 8601 where it has a letter for the unit; it has none for working days. */
static struct span iso_duration(struct text *t, const struct policy_duty *d)
{
    static const struct {
        const char *unit, *before, *letter;
    } units[] = {{"hours", "PT", "H"}, {"days", "P", "D"}, {"months", "P", "M"}, {"years", "P", "Y"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (span_is(d->unit, units[i].unit))
            return arena_fmt(t->arena, "%s%u%s", units[i].before, d->number, units[i].letter);
    return SPAN_EMPTY;
}

static void put_deadline(const struct policy *p, struct text *t, const struct policy_duty *d)
{
    if (d->before || d->start != d->event)
        put_one(t, d->before ? "dpv:isBefore" : "dpv:isAfter", "event",
                policy_kind_name(p, KIND_EVENT, d->start));
    if (d->number == 0)
        return;
    struct span iso = iso_duration(t, d);
    json_open(t, "dpv:hasDuration", '{');
    json_str(t, "@type", "dpv:TemporalDuration");
    json_string(t, "dct:description", arena_fmt(t->arena, "%u %.*s", d->number, SPAN_F(d->unit)));
    if (iso.len > 0) {
        json_open(t, "rdf:value", '{');
        json_str(t, "@type", "xsd:duration");
        json_string(t, "@value", iso);
        json_close(t, '}');
    }
    json_close(t, '}');
}

static void put_duty(const struct policy *p, struct text *t, size_t i)
{
    const struct policy_duty *d = &p->duties[i];
    struct span deed = policy_kind_name(p, KIND_DEED, d->deed),
                words = policy_kind_words(p, KIND_DEED, d->deed);
    open_rule(p, t, "dpv:Obligation", d->clause, arena_fmt(t->arena, "policy:duty/%zu", i + 1));
    json_string(t, "dct:description", words.len ? words : deed);
    put_one(t, "dpv:hasContext", "event", policy_kind_name(p, KIND_EVENT, d->event));
    if (d->condition.len > 0)
        json_string(t, "policy:condition", d->condition);
    put_one(t, "dpv:hasEntity", "actor", actor_of(d));
    put_one(t, "dpv:hasTechnicalOrganisationalMeasure", "deed", deed);
    if (d->object.len > 0)
        json_string(t, "policy:object", d->object);
    put_told(p, t, "dct:audience", TOLD_AUDIENCE, &d->audience);
    put_told(p, t, "dct:medium", TOLD_CHANNEL, &d->channels);
    put_deadline(p, t, d);
    if (d->otherwise != POLICY_NONE)
        put_one(t, "policy:otherwise", "deed", policy_kind_name(p, KIND_DEED, d->otherwise));
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
    for (int row = 0; row < TOLD_COUNT; row++)
        put_kind(p, t, (enum told)row);
    put_offices(p, t);
    for (size_t i = 0; i < p->n_norms; i++)
        put_norm(p, t, norms[i]);
    for (size_t i = 0; i < p->n_promises; i++)
        put_promise(p, t, i);
    for (size_t i = 0; i < p->n_duties; i++)
        put_duty(p, t, i);
    json_close(t, ']');
    json_close(t, '}');
}
