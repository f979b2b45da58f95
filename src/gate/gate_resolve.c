// SPDX-License-Identifier: Apache-2.0
/* Names of a request, found in the policy and the registers, or refused with a suggestion. See gate.h. */
#include "gate_impl.h"

struct span spelled(struct arena *a, struct span s)
{
    char *out = arena_str(a, s);
    for (size_t i = 0; i < s.len; i++)
        if (out[i] == '.' || out[i] == '_')
            out[i] = '-';
    return span_of(out, s.len);
}

/* ---- Names of dimensions */

/* The members of the request that name a value of a dimension. */
static const struct {
    const char *pointer;
    const char *noun;
} named[DIM_COUNT] = {
    [DIM_OPERATION] = {"/operation", "operation"},
    [DIM_ACTOR] = {"/actor", "actor"},
    [DIM_SUBJECT] = {"/subject", "subject class"},
    [DIM_SERVICE] = {"/service", "service"},
    [DIM_JURISDICTION] = {"/recipient", "jurisdiction"},
    [DIM_PARTY] = {"/recipient", "party"},
    [DIM_PURPOSE] = {"/purpose", "purpose"},
    [DIM_BASIS] = {"/basis", "basis"},
    [DIM_FIELD] = {"/fields", "field"},
};

static enum err unknown(const struct policy *p, enum policy_dimension d, struct span name, struct arena *a,
                        struct fail *f)
{
    struct span near = policy_suggest(p, d, name);
    fail_where(f, "%s", named[d].pointer);
    if (near.len && span_eq(near, spelled(a, name)))
        fail_hint(f, "'%.*s' is a group; name one of its members", SPAN_F(near));
    else if (near.len)
        fail_hint(f, "did you mean '%.*s'?", SPAN_F(near));
    return fail_set(f, ERR_UNKNOWN_NAME, "the policy knows no %s '%.*s'", named[d].noun,
                    SPAN_F(span_sub(name, 0, 64)));
}

static unsigned find(const struct question *q, enum policy_dimension d, struct span name)
{
    return words_find(q->call->view->sources, q->policy, d, name);
}

static enum err take(struct question *q, enum policy_dimension d, struct span name, const char *otherwise,
                     struct fail *f)
{
    struct span n = name.len ? name : span_str(otherwise);
    unsigned i = find(q, d, n);
    if (i == POLICY_NONE)
        return unknown(q->policy, d, n, q->call->arena, f);
    q->value[d] = (uint16_t)i;
    return OK;
}

/* A value the engine picks. Where the policy does not declare it, it tells none of the dimension's values
 * apart, and the first stands for all. */
static void pick(struct question *q, enum policy_dimension d, struct span name)
{
    unsigned i = find(q, d, name);
    q->value[d] = i == POLICY_NONE ? 0 : (uint16_t)i;
}

/* ---- Purpose, operation, basis */

static enum err resolve_purpose(struct question *q, struct fail *f)
{
    struct span name = q->asked->purpose;
    if (span_trim(name).len == 0) {
        fail_where(f, "/purpose");
        return fail_set(f, ERR_MISSING_MEMBER, "say what it is for: the purpose is empty");
    }
    if (span_is(name, "*") || span_is(name, "any")) {
        fail_where(f, "/purpose");
        return fail_set(f, ERR_WILDCARD, "name one purpose; there is no request for all of them");
    }
    return take(q, DIM_PURPOSE, name, "", f);
}

/* ---- Who acts, for whom, where */

static enum err resolve_guardian(struct question *q, struct span id, struct fail *f)
{
    if (id.len == 0)
        return OK;
    q->has_guardian = hex_get(id, q->guardian.b, ID_LEN);
    if (q->has_guardian)
        return OK;
    fail_where(f, "/actor");
    fail_hint(f, "write guardian: and the 32 hexadecimal digits of the guardian's id");
    return fail_set(f, ERR_BAD_VALUE, "the guardian's id is not an id");
}

static enum err resolve_actor(struct question *q, struct fail *f)
{
    struct span actor = q->asked->actor.len ? q->asked->actor : q->call->view->sources->actor;
    size_t colon = span_find(actor, ':', 0);
    struct span kind = span_sub(actor, 0, colon), id = span_sub(actor, colon + 1, actor.len);
    enum err e = take(q, DIM_ACTOR, kind, "", f);
    if (!e && span_is(kind, "guardian"))
        e = resolve_guardian(q, id, f);
    q->actor = actor;
    if (e || (q->asked->actor.len && !span_is(kind, "service")))
        return e;
    const struct gate_view *v = q->call->view;
    const struct service_actor *own = &v->actors[q->service - v->registers->services];
    q->actor = own->name;
    q->pseudonym = own->pseudonym;
    return OK;
}

static struct span nearest_service(const struct registers *r, struct span name)
{
    struct span best = SPAN_EMPTY;
    unsigned nearest = 4;
    for (size_t i = 0; i < r->n_services; i++) {
        unsigned d = span_distance(r->services[i].name, name);
        if (d < nearest) {
            nearest = d;
            best = r->services[i].name;
        }
    }
    return best;
}

enum err question_service(struct gate_call *c, struct span name, const struct service **out, struct fail *f)
{
    *out = registers_service(c->view->registers, name);
    if (*out)
        return OK;
    struct span near = nearest_service(c->view->registers, name);
    fail_where(f, "/service");
    if (near.len)
        fail_hint(f, "did you mean '%.*s'?", SPAN_F(near));
    return fail_set(f, ERR_UNKNOWN_NAME, "service '%.*s' is not registered", SPAN_F(span_sub(name, 0, 64)));
}

static enum err resolve_service(struct question *q, struct fail *f)
{
    const struct service *own = q->call->service;
    struct span name = q->asked->service.len || !own ? q->asked->service : own->name;
    if (own && !span_eq(name, own->name)) {
        fail_where(f, "/service");
        return fail_set(f, ERR_FORBIDDEN, "a service asks for itself only");
    }
    if (name.len == 0) {
        fail_where(f, "/service");
        return fail_set(f, ERR_MISSING_MEMBER, "say for which service");
    }
    enum err e = question_service(q->call, name, &q->service, f);
    return e ? e : take(q, DIM_SERVICE, q->service->class_name, "", f);
}

static enum err resolve_subject(struct question *q, struct fail *f)
{
    const char *class_name = "visitor";
    q->has_subject = q->asked->has_subject;
    if (q->has_subject) {
        enum err e = OK;
        if (q->asked->read)
            q->subject = *q->asked->read;
        else
            e = subject_get(q->call->st, q->asked->subject, q->call->now, &q->subject, f);
        if (e)
            return e;
        class_name = subject_band_name(q->subject.band);
    }
    return take(q, DIM_SUBJECT, span_str(class_name), "", f);
}

/* ---- With whom */

/* Where a value comes from, as collecting speaks of it: the source is the party (B1.1). */
static const struct {
    const char *source, *party;
} sources[] = {
    {"subject", "data-subject"},        {"subject_shared", "data-subject"},
    {"other_person", "another-person"}, {"observed", "device-or-log"},
    {"affiliate", "affiliate"},         {"partner", "partner-source"},
    {"public_record", "public-record"}, {"derived", "own"},
    {"cookie", "device-or-log"},        {"third_party_account", "third-party-account-provider"},
};
enum { SOURCES = sizeof sources / sizeof sources[0] };

static enum err unknown_source(struct span source, struct fail *f)
{
    fail_where(f, "/source");
    for (size_t i = 0; i < SOURCES; i++)
        if (span_distance(span_str(sources[i].source), source) <= 3)
            fail_hint(f, "did you mean '%s'?", sources[i].source);
    return fail_set(f, ERR_UNKNOWN_NAME, "'%.*s' is not a source", SPAN_F(span_sub(source, 0, 64)));
}

enum err source_party(const struct policy *p, struct span source, unsigned *out, struct fail *f)
{
    size_t i = 0;
    while (i < SOURCES && source.len && !span_is(source, sources[i].source))
        i++;
    if (i == SOURCES)
        return unknown_source(source, f);
    *out = policy_find(p, DIM_PARTY, span_str(sources[i].party));
    if (*out == POLICY_NONE)
        *out = policy_find(p, DIM_PARTY, SPAN("own"));
    return OK;
}

/* The party of a recipient nobody registered: one that no rule speaks of. */
static void resolve_unregistered(struct question *q)
{
    struct span near = registers_suggest(q->call->view->registers, q->asked->recipient);
    struct span name = span_sub(q->asked->recipient, 0, 64);
    q->recipient_unknown = true;
    q->hint = near.len ? arena_fmt(q->call->arena, "recipient '%.*s' is not registered; did you mean '%.*s'?",
                                   SPAN_F(name), SPAN_F(near))
                       : arena_fmt(q->call->arena, "recipient '%.*s' is not registered", SPAN_F(name));
    pick(q, DIM_PARTY,
         find(q, DIM_PARTY, SPAN("other-party")) != POLICY_NONE ? SPAN("other-party") : SPAN("own"));
}

static void resolve_registered(struct question *q)
{
    unsigned party = recipient_party(q->recipient, q->policy);
    if (party != POLICY_NONE) {
        q->value[DIM_PARTY] = (uint16_t)party;
        return;
    }
    q->recipient_unknown = true;
    q->hint = arena_fmt(q->call->arena, "recipient '%.*s' is of class '%.*s', which the policy does not know",
                        SPAN_F(q->recipient->name), SPAN_F(q->recipient->class_name));
    pick(q, DIM_PARTY, SPAN("other-party"));
}

/* Everybody, or everybody here: nobody to register, so the policy alone decides (B3.3.1). */
static bool resolve_audience(struct question *q)
{
    unsigned party = find(q, DIM_PARTY, q->asked->recipient);
    if (party == POLICY_NONE || !policy_in_group(q->policy, DIM_PARTY, party, SPAN("audience")))
        return false;
    q->value[DIM_PARTY] = (uint16_t)party;
    return true;
}

static enum err resolve_party(struct question *q, struct fail *f)
{
    bool collecting = span_is(policy_name(q->policy, DIM_OPERATION, q->value[DIM_OPERATION]), "collect");
    if (q->asked->recipient.len) {
        q->recipient = registers_recipient(q->call->view->registers, q->asked->recipient);
        if (q->recipient)
            resolve_registered(q);
        else if (!resolve_audience(q))
            resolve_unregistered(q);
        return OK;
    }
    unsigned party = find(q, DIM_PARTY, SPAN("own"));
    enum err e = collecting ? source_party(q->policy, q->asked->source, &party, f) : OK;
    q->value[DIM_PARTY] = party == POLICY_NONE ? 0 : (uint16_t)party;
    return e;
}

/* The jurisdiction called as the country is. */
static unsigned jurisdiction_of(const struct question *q, struct span country)
{
    char *small = arena_str(q->call->arena, country);
    for (size_t i = 0; i < country.len; i++)
        if (small[i] >= 'A' && small[i] <= 'Z')
            small[i] = (char)(small[i] + ('a' - 'A'));
    return find(q, DIM_JURISDICTION, span_of(small, country.len));
}

/* B4.0.c: where the other side is; with nobody on the other side, at home. A policy that has no word for the
 * country may have one for all others; if it has several and none fits, any but home. */
static void resolve_jurisdiction(struct question *q)
{
    struct span home = span_str(q->call->gate->region);
    unsigned at_home = jurisdiction_of(q, home), there = at_home = at_home == POLICY_NONE ? 0 : at_home;
    if (q->recipient && q->recipient->country.len && !span_eq(q->recipient->country, home)) {
        there = jurisdiction_of(q, q->recipient->country);
        if (there == POLICY_NONE)
            there = find(q, DIM_JURISDICTION, SPAN("overseas"));
        if (there == POLICY_NONE)
            there = policy_count(q->policy, DIM_JURISDICTION) > 1 && at_home == 0 ? 1 : 0;
    }
    q->value[DIM_JURISDICTION] = (uint16_t)there;
}

/* ---- Fields */

static bool stands_for_all(struct span name)
{
    return span_find(name, '*', 0) < name.len || span_is(name, "any") || span_is(name, "all");
}

bool is_wildcard(const struct policy *p, struct span field, struct arena *a)
{
    struct span name = spelled(a, field);
    if (stands_for_all(name))
        return true;
    if (policy_find(p, DIM_FIELD, name) != POLICY_NONE)
        return false;
    if (policy_kind_find(p, KIND_CATEGORY, name) != POLICY_NONE)
        return true;
    for (unsigned i = 0; i < policy_count(p, DIM_FIELD); i++)
        if (policy_in_group(p, DIM_FIELD, i, name))
            return true;
    return false;
}

static enum err check_wildcards(struct question *q, struct fail *f)
{
    for (size_t i = 0; i < q->asked->n_fields; i++)
        if (q->fields[i] == POLICY_NONE && is_wildcard(q->policy, q->asked->fields[i], q->call->arena)) {
            fail_where(f, "/fields/%zu", i);
            fail_hint(f, "list the fields you need one by one");
            return fail_set(f, ERR_WILDCARD, "'%.*s' is not one field",
                            SPAN_F(span_sub(q->asked->fields[i], 0, 64)));
        }
    return OK;
}

/* All that are not declared are named at once, the first as the place. */
static enum err undeclared(const struct question *q, const struct span *names, const size_t *at, size_t n,
                           struct fail *f)
{
    struct text t = text_new(q->call->arena, 256);
    atomic_fetch_add(&q->call->gate->undeclared, n);
    for (size_t i = 0; i < n; i++)
        text_fmt(&t, "%s'%.*s'", i ? ", " : "", SPAN_F(span_sub(names[i], 0, 64)));
    struct span near = policy_suggest(q->policy, DIM_FIELD, names[0]);
    fail_where(f, "/fields/%zu", at[0]);
    if (near.len)
        fail_hint(f, "did you mean '%.*s'?", SPAN_F(near));
    return fail_set(f, ERR_UNDECLARED_FIELD, "the policy does not declare %.*s", SPAN_F(text_span(&t)));
}

/* Two spellings of one field are one field: which of two answers or values would count? */
static enum err check_twice(const struct question *q, struct fail *f)
{
    for (size_t i = 1; i < q->n_fields; i++)
        for (size_t k = 0; k < i; k++)
            if (q->fields[k] == q->fields[i]) {
                fail_where(f, "/fields/%zu", i);
                return fail_set(f, ERR_BAD_VALUE, "'%.*s' is listed twice",
                                SPAN_F(policy_name(q->policy, DIM_FIELD, q->fields[i])));
            }
    return OK;
}

/* No field, whatever the policy calls its own, is asked for by a word that stands for all. */
static unsigned find_field(const struct question *q, struct span name)
{
    return stands_for_all(name) ? POLICY_NONE : find(q, DIM_FIELD, name);
}

static enum err resolve_fields(struct question *q, struct fail *f)
{
    struct span bad[GATE_FIELDS_MAX];
    size_t at[GATE_FIELDS_MAX], n_bad = 0;
    if (q->asked->n_fields > GATE_FIELDS_MAX)
        return fail_set(f, ERR_BAD_VALUE, "more than %d fields", GATE_FIELDS_MAX);
    for (size_t i = 0; i < q->asked->n_fields; i++) {
        q->fields[i] = find_field(q, q->asked->fields[i]);
        if (q->fields[i] == POLICY_NONE) {
            bad[n_bad] = q->asked->fields[i];
            at[n_bad++] = i;
        }
    }
    enum err e = n_bad ? check_wildcards(q, f) : OK;
    if (e)
        return e;
    q->n_fields = q->asked->n_fields;
    return n_bad ? undeclared(q, bad, at, n_bad, f) : check_twice(q, f);
}

/* ---- All of it */

enum err question_resolve(struct question *q, struct gate_call *c, const struct gate_request *asked,
                          struct span operation, struct fail *f)
{
    *q = (struct question){.call = c, .asked = asked, .policy = c->view->policy};
    struct span op = operation.len ? operation : asked->operation;
    enum err e = resolve_purpose(q, f);
    if (!e)
        e = resolve_service(q, f);
    if (!e)
        e = take(q, DIM_OPERATION, op, "use", f);
    if (!e)
        e = take(q, DIM_BASIS, asked->basis, "none-claimed", f);
    if (!e)
        e = resolve_actor(q, f);
    if (!e)
        e = resolve_party(q, f);
    if (!e)
        e = resolve_fields(q, f);
    if (!e)
        e = resolve_subject(q, f);
    if (!e)
        resolve_jurisdiction(q);
    return e;
}

struct evidence const *evidence_find(const struct question *q, struct span name)
{
    for (size_t i = 0; i < q->asked->n_evidence; i++) {
        const struct evidence *e = &q->asked->evidence[i];
        if (span_trim(e->reference).len && span_eq(spelled(q->call->arena, e->name), name))
            return e;
    }
    return NULL;
}
