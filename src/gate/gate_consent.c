// SPDX-License-Identifier: Apache-2.0
/* Acts of consent: who may say what, and what follows for the person's state. See gate.h. */
#include "gate_impl.h"
#include "policy_translate.h"

/* What an agreement is to (B0.3), as far as the policy has words for it. */
static struct span agreed_operations(const struct gate_call *c)
{
    struct span words = SPAN("collect use store share transfer disclose"), one;
    struct text t = text_new(c->arena, 64);
    while (words.len && span_cut(&words, ' ', &one))
        if (policy_find(c->view->policy, DIM_OPERATION, one) != POLICY_NONE)
            text_fmt(&t, "%s%.*s", t.len ? " " : "", SPAN_F(one));
    return text_span(&t);
}

/* Whose act a need or switch is, by its source. What is not listed is no act: it is known from registers or
 * papers. */
static const struct {
    const char *source;
    bool subject, guardian, staff;
} hands[] = {
    {"consent", true, true, false},   {"device", true, true, false}, {"preference", true, true, false},
    {"guardian", false, true, false}, {"staff", false, false, true},
};

static bool narrows(const struct consent_event *e)
{
    return e->state == CONSENT_WITHDRAWN || e->state == CONSENT_REFUSED;
}

/* ---- Names */

static enum err unknown_name(const char *pointer, const char *noun, struct span name, struct fail *f)
{
    fail_where(f, "/%s", pointer);
    return fail_set(f, ERR_UNKNOWN_NAME, "the policy knows no %s '%.*s'", noun,
                    SPAN_F(span_sub(name, 0, 64)));
}

static enum err no_document(const struct policy *p, struct span name, struct fail *f)
{
    for (unsigned i = 0; i < policy_documents(p); i++)
        if (span_distance(policy_document(p, i)->name, name) <= 3)
            fail_hint(f, "did you mean '%.*s'?", SPAN_F(policy_document(p, i)->name));
    return unknown_name("document", "document", name, f);
}

/* The text that was shown: the document, or its translation. Nobody can agree to a text that is not
 * published. */
static enum err fill_language(const struct policy *p, unsigned document, struct consent_event *e,
                              struct fail *f)
{
    const struct policy_document *d = policy_document(p, document);
    struct span own = document_language(d->file);
    if (e->language.len == 0)
        e->language = own;
    const struct policy_translation *t = policy_translation_find(p, document, e->language);
    crypto_sha256(t ? t->text : d->text, &e->document_digest);
    if (t || span_eq(e->language, own))
        return OK;
    fail_where(f, "/language");
    fail_hint(f, "GET /v1/policies lists the languages of each document");
    return fail_set(f, ERR_BAD_VALUE, "the document has no text in '%.*s'", SPAN_F(e->language));
}

/* What was agreed to is the text in force: the caller does not get to say which. */
static enum err fill_agreement(const struct gate_call *c, struct consent_event *e, struct fail *f)
{
    const struct policy *p = c->view->policy;
    unsigned i = policy_document_find(p, e->name);
    if (i == POLICY_NONE)
        return no_document(p, e->name, f);
    const struct policy_document *d = policy_document(p, i);
    e->name = d->name;
    e->revision = d->revision;
    if (e->operations.len == 0)
        e->operations = agreed_operations(c);
    return fill_language(p, i, e, f);
}

static void hint_kind(const struct policy *p, enum policy_kind k, struct span name, struct fail *f)
{
    for (unsigned i = 0; i < policy_kind_count(p, k); i++)
        if (span_distance(policy_kind_name(p, k, i), name) <= 3)
            fail_hint(f, "did you mean '%.*s'?", SPAN_F(policy_kind_name(p, k, i)));
}

static enum err find_kind(struct gate_call *c, struct consent_event *e, struct span *source, struct fail *f)
{
    const struct policy *p = c->view->policy;
    enum policy_kind k = e->kind == CONSENT_NEED ? KIND_NEED : KIND_FACT;
    const char *word = e->kind == CONSENT_NEED ? "need" : "preference";
    unsigned i = policy_kind_find(p, k, spelled(c->arena, e->name));
    if (i == POLICY_NONE) {
        hint_kind(p, k, e->name, f);
        return unknown_name(word, word, e->name, f);
    }
    e->name = policy_kind_name(p, k, i);
    *source = policy_kind_source(p, k, i);
    return OK;
}

/* ---- Scope */

static enum err fill_purpose(struct gate_call *c, struct consent_event *e, struct fail *f)
{
    const struct policy *p = c->view->policy;
    if (e->purpose.len == 0)
        return OK;
    unsigned i = policy_find(p, DIM_PURPOSE, e->purpose);
    if (i != POLICY_NONE) {
        e->purpose = policy_name(p, DIM_PURPOSE, i);
        return OK;
    }
    struct span near = policy_suggest(p, DIM_PURPOSE, e->purpose);
    if (near.len)
        fail_hint(f, "did you mean '%.*s'?", SPAN_F(near));
    return unknown_name("purpose", "purpose", e->purpose, f);
}

/* A recipient or a class of them; for an approval the actor it is for. */
static enum err fill_party(struct gate_call *c, struct consent_event *e, struct fail *f)
{
    if (e->party.len == 0 || e->actor == CONSENT_BY_STAFF ||
        registers_recipient(c->view->registers, e->party))
        return OK;
    unsigned i = policy_find(c->view->policy, DIM_PARTY, e->party);
    if (i == POLICY_NONE) {
        struct span near = registers_suggest(c->view->registers, e->party);
        if (near.len)
            fail_hint(f, "did you mean '%.*s'?", SPAN_F(near));
        return unknown_name("party", "recipient or party", e->party, f);
    }
    e->party = policy_name(c->view->policy, DIM_PARTY, i);
    return OK;
}

/* The fields an act is limited to, in the policy's spelling (B3.3.1: exactly what was agreed). */
static enum err fill_fields(struct gate_call *c, struct consent_event *e, struct fail *f)
{
    const struct policy *p = c->view->policy;
    struct text t = text_new(c->arena, 128);
    struct span rest = e->fields, one;
    if (rest.len && e->kind != CONSENT_NEED) {
        fail_where(f, "/fields");
        return fail_set(f, ERR_BAD_VALUE, "fields limit a consent, not an agreement or a switch");
    }
    while (rest.len && span_cut(&rest, ',', &one)) {
        unsigned i = policy_find(p, DIM_FIELD, spelled(c->arena, span_trim(one)));
        if (i == POLICY_NONE)
            return unknown_name("fields", "field", one, f);
        text_fmt(&t, "%s%.*s", t.len ? "," : "", SPAN_F(policy_name(p, DIM_FIELD, i)));
    }
    e->fields = text_span(&t);
    return OK;
}

static bool switches_off(const struct consent_event *e)
{
    return e->kind == CONSENT_PREFERENCE ? e->state == CONSENT_GIVEN : narrows(e);
}

/* Notices are no switch of the person (B8.3). */
static enum err check_topic(struct gate_call *c, const struct consent_event *e, struct fail *f)
{
    struct message_class of;
    struct fail none = {0};
    if (e->topic.len == 0 || !switches_off(e) || message_class_get(c->st, e->topic, &of, &none) || of.offer)
        return OK;
    fail_where(f, "/topic");
    return fail_set(f, ERR_CONFLICT, "'%.*s' promotes nothing and is always on", SPAN_F(e->topic));
}

/* What a service records, it records for itself: what was on its screen spoke of nobody else. Agreement to a
 * document is the group's (B0.2), and the operator may speak for all. */
static enum err fill_service(struct gate_call *c, struct consent_event *e, struct fail *f)
{
    const struct service *s;
    if (e->service.len == 0 && c->service && e->kind != CONSENT_AGREEMENT)
        e->service = c->service->name;
    if (e->service.len == 0)
        return OK;
    enum err err = question_service(c, e->service, &s, f);
    if (!err && c->service && s != c->service) {
        fail_where(f, "/service");
        return fail_set(f, ERR_FORBIDDEN, "a service records what concerns itself");
    }
    return err;
}

/* ---- Hands */

static enum err check_guardian(struct gate_call *c, const struct subject *s, struct consent_event *e,
                               struct fail *f)
{
    struct subject_id id = {{0}};
    bool verified = false;
    if (!hex_get(e->actor_id, id.b, ID_LEN)) {
        fail_where(f, "/guardian");
        return fail_set(f, ERR_BAD_VALUE, "the guardian's id is not an id");
    }
    enum err err = guardian_verified(c->st, s, id, &verified, f);
    if (err)
        return err;
    char hex[ID_TEXT_LEN + 1];
    hex_put(hex, id.b, ID_LEN);
    e->actor_id = arena_copy(c->arena, span_of(hex, ID_TEXT_LEN));
    return verified ? OK
                    : fail_set(f, ERR_FORBIDDEN,
                               "this guardian is not verified for this person, or the person is 14");
}

static enum err not_an_act(const struct consent_event *e, struct span source, struct fail *f)
{
    return fail_set(f, ERR_BAD_VALUE, "'%.*s' is not given by an act; it is known from '%.*s'",
                    SPAN_F(e->name), SPAN_F(source));
}

static enum err wrong_hand(const struct consent_event *e, struct fail *f)
{
    fail_where(f, "/actor");
    return fail_set(f, ERR_FORBIDDEN, "'%.*s' is not for this actor to say", SPAN_F(e->name));
}

/* A child's own act on what only a guardian gives is noted, without effect (A2.0.1: both acts are stored). */
static bool hand_allowed(size_t row, const struct subject *s, const struct consent_event *e)
{
    switch (e->actor) {
    case CONSENT_BY_SUBJECT:
        return hands[row].subject || (hands[row].guardian && (narrows(e) || s->band == BAND_CHILD));
    case CONSENT_BY_GUARDIAN:
        return hands[row].guardian;
    case CONSENT_BY_STAFF:
        return hands[row].staff;
    }
    return false;
}

static enum err check_source_hand(const struct subject *s, const struct consent_event *e, struct span source,
                                  struct fail *f)
{
    for (size_t i = 0; i < sizeof hands / sizeof hands[0]; i++)
        if (span_is(source, hands[i].source))
            return hand_allowed(i, s, e) ? OK : wrong_hand(e, f);
    return not_an_act(e, source, f);
}

static enum err check_act(struct gate_call *c, const struct subject *s, struct consent_event *e,
                          struct span *named, struct fail *f)
{
    struct span source = SPAN_EMPTY;
    enum err err;
    if (e->kind == CONSENT_AGREEMENT)
        err = e->actor == CONSENT_BY_STAFF ? wrong_hand(e, f) : fill_agreement(c, e, f);
    else
        err = find_kind(c, e, &source, f);
    *named = source;
    if (!err && e->kind != CONSENT_AGREEMENT)
        err = check_source_hand(s, e, source, f);
    if (!err && e->actor == CONSENT_BY_GUARDIAN)
        err = check_guardian(c, s, e, f);
    if (!err && e->actor == CONSENT_BY_STAFF && c->service)
        err = wrong_hand(e, f); /* approvals come from the operator's side */
    return err;
}

/* ---- The person's state (A2.0.1, B7.2) */

static bool for_children(const struct policy *p, unsigned doc)
{
    unsigned child = policy_find(p, DIM_SUBJECT, SPAN("child")),
             adult = policy_find(p, DIM_SUBJECT, SPAN("adult"));
    for (unsigned s = 0; s < policy_count(p, DIM_SERVICE); s++)
        if (policy_document_applies(p, doc, child, s) && !policy_document_applies(p, doc, adult, s))
            return true;
    return false;
}

/* The document a guardian must have agreed to: the one written for children, or any where there is none. */
static bool opens_for_child(const struct policy *p, struct span document)
{
    bool any = false;
    for (unsigned i = 0; i < policy_documents(p); i++)
        any |= for_children(p, i);
    unsigned doc = policy_document_find(p, document);
    return !any || (doc != POLICY_NONE && for_children(p, doc));
}

static enum subject_state next_state(const struct gate_call *c, const struct consent_event *e,
                                     const struct subject *s)
{
    if (s->band != BAND_CHILD || e->kind != CONSENT_AGREEMENT || !opens_for_child(c->view->policy, e->name))
        return s->state;
    if (e->state == CONSENT_GIVEN && e->actor == CONSENT_BY_GUARDIAN)
        return SUBJECT_ACTIVE;
    return narrows(e) ? SUBJECT_AWAITING_GUARDIAN : s->state;
}

static enum err update_state(struct gate_call *c, const struct consent_event *e, struct subject *s,
                             struct fail *f)
{
    enum subject_state next = next_state(c, e, s);
    if (next == s->state)
        return OK;
    s->state = next;
    return subject_set_state(c->st, s, next, f);
}

/* What takes an account's state back changes something, whatever else is on record: another document, or
 * another policy, may have opened it since. */
static enum err check_room(const struct gate_call *c, const struct consent_event *e, const struct subject *s,
                           struct fail *f)
{
    bool closes = narrows(e) && next_state(c, e, s) != s->state;
    return closes ? OK : consent_room(c->st, s->sid, e, f);
}

enum err consent_apply(struct gate_call *c, struct subject *s, const struct consent_event *e, struct fail *f)
{
    enum err err = consent_add(c->st, s->sid, e, f);
    return err ? err : update_state(c, e, s, f);
}

/* ---- Clocks of keeping (B4.0.a) */

enum err consent_clocks(struct gate_call *c, const struct subject *s, const struct consent_event *e,
                        struct span source, struct fail *f)
{
    struct happening h = {.event = SPAN("identity-confirmed"), .time = e->time};
    if (e->actor == CONSENT_BY_STAFF)
        return e->state == CONSENT_GIVEN && span_is(e->name, "identity-verified")
                   ? clock_start(c, s, &h, NULL, f)
                   : OK;
    return narrows(e) && e->kind != CONSENT_PREFERENCE ? clock_withdrawn(c, s, e, source, f) : OK;
}

/* ---- All of it */

static struct span event_members(struct gate_call *c, const struct consent_event *e)
{
    struct text t = text_new(c->arena, 512);
    text_str(&t, "\"event\":");
    consent_event_json(&t, e);
    return text_span(&t);
}

enum err gate_consent(struct gate_call *c, struct subject_id id, struct consent_event *e, struct subject *out,
                      struct fail *f)
{
    struct span source = SPAN_EMPTY;
    enum err err = subject_get(c->st, id, c->now, out, f);
    if (!err)
        err = check_act(c, out, e, &source, f);
    if (!err)
        err = fill_purpose(c, e, f);
    if (!err)
        err = fill_party(c, e, f);
    if (!err)
        err = fill_service(c, e, f);
    if (!err)
        err = fill_fields(c, e, f);
    if (!err)
        err = check_topic(c, e, f);
    if (err)
        return err;
    if (e->state == CONSENT_GIVEN && span_is(e->channel, "announcement"))
        e->state = CONSENT_DEEMED;
    e->time = c->now;
    crypto_random(e->id.b, ID_LEN);
    err = check_room(c, e, out, f);
    if (!err)
        err = consent_apply(c, out, e, f);
    if (!err)
        err = consent_clocks(c, out, e, source, f);
    if (!err)
        err = record_person(c, narrows(e) ? AUDIT_WITHDRAW : AUDIT_CONSENT, out, event_members(c, e), f);
    if (!err && out->band == BAND_CHILD && e->actor == CONSENT_BY_SUBJECT && e->kind == CONSENT_NEED &&
        !narrows(e))
        out->state = SUBJECT_AWAITING_GUARDIAN; /* told, not stored: this act waits, the account does not */
    return err;
}
