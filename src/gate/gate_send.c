// SPDX-License-Identifier: Apache-2.0
/*
 * The send gate (B1.2.8, B8.3): a message goes out if the policy allows its purpose, and an offer only if the
 * person wants it by this channel and of this class. See gate.h.
 */
#include "gate_impl.h"

/* The channels, and the field each writes to: the identifier of a form, or a field by its word; neither where
 * the message stays in the app. */
static const struct {
    const char *name, *form, *field;
} channels[] = {
    {"email", "email-addresses", NULL},
    {"sms", "phone-numbers", NULL},
    {"phone", "phone-numbers", NULL},
    {"letter", NULL, "contact-home-address"},
    {"push", NULL, NULL},
    {"in_app", NULL, NULL},
};
enum { CHANNELS = sizeof channels / sizeof channels[0] };

/* What lets a notice pass without consent. */
static const struct {
    const char *class, *basis;
    bool reference; /* says which law or agreement */
} notices[] = {
    {"service_notice", "service_agreement", false},
    {"legal_notice", "legal_obligation", true},
    {"security_notice", "security", false},
};
enum { NOTICES = sizeof notices / sizeof notices[0] };

static enum err find_channel(struct span name, size_t *out, struct fail *f)
{
    for (*out = 0; *out < CHANNELS; ++*out)
        if (span_is(name, channels[*out].name))
            return OK;
    fail_where(f, "/channel");
    fail_hint(f, "email, sms, phone, letter, push or in_app");
    return fail_set(f, ERR_UNKNOWN_NAME, "'%.*s' is not a channel", SPAN_F(span_sub(name, 0, 64)));
}

static enum err check_notice(const struct gate_message *m, struct span *basis, struct fail *f)
{
    for (size_t i = 0; i < NOTICES; i++) {
        if (!span_is(m->class, notices[i].class))
            continue;
        *basis = span_str(notices[i].basis);
        if (!notices[i].reference || span_trim(m->reference).len)
            return OK;
        fail_where(f, "/reference");
        return fail_set(f, ERR_MISSING_MEMBER, "a legal notice names what obliges us to send it");
    }
    return OK;
}

/* The class is listed, the template approved for it, and a legal notice says why. */
static enum err check_message(struct gate_call *c, const struct gate_message *m, struct message_class *of,
                              struct span *basis, struct fail *f)
{
    enum err e = message_class_get(c->st, m->class, of, f);
    if (!e && m->template.len)
        e = template_check(c->st, m->template, m->class, f);
    *basis = SPAN("consent");
    return e ? e : check_notice(m, basis, f);
}

/* True if what is missing is the person's wish for this topic, and not something the topic does not change.
 */
static bool topic_off(const struct gate_field *answer)
{
    return span_is(answer->reason, "consent_required") || span_is(answer->reason, "withdrawn");
}

/* An offer is wanted by this channel and of this class: two questions, the first no is the answer. */
static enum err ask_offer(struct question *q, struct gate_call *c, struct gate_request *r,
                          const struct gate_message *m, struct gate_answer *out, struct fail *f)
{
    const struct span topics[] = {m->channel, m->class}, off[] = {SPAN("channel_off"), SPAN("class_off")};
    enum err e = OK;
    r->n_topics = 1;
    for (size_t i = 0; !e && i < 2; i++) {
        r->topics[0] = topics[i];
        question_end(q);
        *out = (struct gate_answer){0};
        e = question_ask(q, c, r, SPAN("use"), out, f);
        if (e || !answer_refused(out))
            continue;
        if (topic_off(&out->fields[0]))
            out->fields[0].reason = off[i];
        return OK;
    }
    return e;
}

static struct span members(struct gate_call *c, const struct gate_message *m, struct span basis)
{
    const struct {
        const char *name;
        struct span value;
    } rows[] = {{"channel", m->channel},
                {"class", m->class},
                {"template", m->template},
                {"reference", m->reference},
                {"basis", basis}};
    struct text t = text_new(c->arena, 256);
    json_str(&t, "event", "send");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].value.len)
            json_string(&t, rows[i].name, rows[i].value);
    return text_span(&t);
}

static enum err add_field(struct gate_request *r, const struct policy *p, size_t channel, struct fail *f)
{
    const char *form = channels[channel].form, *word = channels[channel].field;
    if (!form && !word)
        return OK;
    struct span field = form ? gate_identifier(p, form) : gate_word(p, DIM_FIELD, word);
    r->fields[r->n_fields++] = field;
    if (field.len)
        return OK;
    fail_where(f, "/channel");
    return gate_word_missing(f, "field", form ? form : word);
}

static enum err add_purpose(struct gate_request *r, const struct policy *p, bool offer, struct fail *f)
{
    const char *word = offer ? "direct-marketing" : "service-notice";
    r->purpose = gate_word(p, DIM_PURPOSE, word);
    if (r->purpose.len)
        return OK;
    fail_where(f, "/class");
    return gate_word_missing(f, "purpose", word);
}

enum err gate_send(struct gate_call *c, const struct gate_request *asked, const struct gate_message *m,
                   struct gate_answer *out, struct span *basis, struct fail *f)
{
    struct question q = {0};
    struct gate_request *r = ARENA_NEW(c->arena, struct gate_request);
    struct message_class of = {0};
    size_t channel;
    enum err e = find_channel(m->channel, &channel, f);
    if (!e)
        e = check_message(c, m, &of, basis, f);
    *r = *asked;
    if (!e)
        e = add_purpose(r, c->view->policy, of.offer, f);
    if (!e)
        e = add_field(r, c->view->policy, channel, f);
    if (e)
        return e;
    e = of.offer ? ask_offer(&q, c, r, m, out, f) : question_ask(&q, c, r, SPAN("use"), out, f);
    if (!e)
        e = record_add(
            c,
            &(struct record){.kind = AUDIT_DECISION, .q = &q, .answer = out, .extra = members(c, m, *basis)},
            f);
    question_end(&q);
    return e;
}
