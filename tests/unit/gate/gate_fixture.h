// SPDX-License-Identifier: Apache-2.0
/* gate_fixture.h: a gate over tests/cases/policies/mini with a few services, recipients and people. */
#ifndef TROTH_GATE_FIXTURE_H
#define TROTH_GATE_FIXTURE_H

#include "scratch.h"

#include "crypto.h"
#include "gate.h"
#include "log.h"

static struct gate *fx_gate;
static struct gate_call fx_call;
static struct gate_answer fx_answer;
static struct fail fx_fail;
static struct subject fx_ann, fx_teen, fx_kid, fx_mum, fx_stranger;

/* 2026-11-23T00:00:00Z */
#define FX_NOW ((struct instant){1795392000000})

static inline struct instant fx_at(const char *text)
{
    struct instant t = {0};
    EXPECT(instant_get(span_str(text), &t));
    return t;
}

/* A fresh call of the named service; the operator for "". What the last one left is dropped. */
static inline struct gate_call *fx_as(const char *service)
{
    if (fx_call.view)
        gate_release(fx_gate, fx_call.view);
    fx_call = (struct gate_call){
        .gate = fx_gate, .view = gate_hold(fx_gate), .st = scratch_st, .arena = scratch_a, .now = FX_NOW};
    fx_call.service = registers_service(fx_call.view->registers, span_str(service));
    fx_fail = (struct fail){0};
    return &fx_call;
}

static inline void fx_service(const char *name, const char *class_name, const char *sources, bool lenient,
                              struct instant ended)
{
    struct service s = {.name = span_str(name),
                        .class_name = span_str(class_name),
                        .sources = span_str(sources),
                        .lenient = lenient,
                        .ended = ended};
    scratch_must(service_put(scratch_st, &s, &fx_fail), &fx_fail);
}

static inline void fx_recipient(const char *name, const char *class_name, bool suspended, const char *grant)
{
    struct recipient r = {.name = span_str(name),
                          .class_name = span_str(class_name),
                          .country = SPAN("CN"),
                          .suspended = suspended};
    struct paper p = {.kind = SPAN("confidentiality"), .reference = SPAN("nda"), .until = INSTANT_FOREVER};
    struct grant g = {.purpose = SPAN("delivery"), .fields = span_str(grant), .until = INSTANT_FOREVER};
    scratch_must(recipient_put(scratch_st, &r, &fx_fail), &fx_fail);
    scratch_must(recipient_paper_put(scratch_st, r.name, &p, &fx_fail), &fx_fail);
    if (grant[0])
        scratch_must(recipient_grant_put(scratch_st, r.name, &g, &fx_fail), &fx_fail);
}

static inline struct subject fx_person(const char *birth)
{
    struct subject s;
    struct date d = {0};
    date_get(span_str(birth), &d);
    scratch_must(gate_subject_create(fx_as("shop"), d, SPAN_EMPTY, &s, &fx_fail), &fx_fail);
    EXPECT_INT(fx_call.n_entries, 1);
    return s;
}

static inline enum err fx_open_gate(const char *policy)
{
    struct gate_config config = {
        .data = scratch_dir, .policy_dir = policy, .offset_minutes = 480, .home_region = "CN"};
    struct policy_messages m;
    config.master_key_file = scratch_path("master");
    enum err e = gate_open(&config, scratch_st, FX_NOW, &fx_gate, &m, scratch_a, &fx_fail);
    for (size_t i = 0; i < m.n && e; i++)
        printf("  %.*s:%u: %.*s\n", SPAN_F(m.list[i].file), m.list[i].line, SPAN_F(m.list[i].message));
    return e;
}

static inline void fx_open(void)
{
    fx_fail = (struct fail){0};
    fx_call = (struct gate_call){0};
    scratch_open();
    scratch_must(key_create_file(scratch_path("master"), &fx_fail), &fx_fail);
    scratch_must(gate_create(scratch_dir, scratch_path("master"), scratch_st, &fx_fail), &fx_fail);
    fx_service("shop", "shop", "", false, INSTANT_FOREVER);
    fx_service("forum", "forum", "", true, INSTANT_FOREVER);
    fx_service("arena", "games", "", false, INSTANT_FOREVER);
    fx_service("log-1", "shop", "observed", false, INSTANT_FOREVER);
    fx_service("closed", "shop", "", false, (struct instant){1});
    fx_service("open-docs", "uncovered", "", false, INSTANT_FOREVER);
    fx_recipient("ship-b", "logistics-company", false, "contact-phone,order-address,order-items");
    fx_recipient("ship-bare", "logistics-company", false, "");
    fx_recipient("ship-off", "logistics-company", true, "contact-phone");
    fx_recipient("court-1", "court", false, "");
    fx_recipient("univ-q", "research-institution", false, "");
    scratch_must(fx_open_gate("tests/cases/policies/mini"), &fx_fail);
    fx_ann = fx_person("1990-05-05");
    fx_teen = fx_person("2010-03-01");
    fx_kid = fx_person("2014-08-20");
    fx_mum = fx_person("1985-01-01");
    fx_stranger = fx_person("1986-01-01");
    scratch_must(gate_guardian_add(fx_as("shop"), fx_kid.id, fx_mum.id, true, SPAN("case-1"), &fx_fail),
                 &fx_fail);
}

static inline void fx_close(void)
{
    if (fx_call.view)
        gate_release(fx_gate, fx_call.view);
    gate_close(fx_gate);
    fx_gate = NULL;
    scratch_close();
}

/* ---- Acts */

static inline enum err fx_act(const struct subject *s, enum consent_kind kind, enum consent_state state,
                              const char *name, const char *scope)
{
    struct consent_event e = {.kind = kind, .state = state, .name = span_str(name), .until = INSTANT_FOREVER};
    struct subject out;
    struct span rest = span_str(scope), one;
    while (span_cut(&rest, ' ', &one)) {
        struct span value = span_sub(one, span_find(one, '=', 0) + 1, one.len);
        if (span_starts(one, "purpose="))
            e.purpose = value;
        if (span_starts(one, "party="))
            e.party = value;
        if (span_starts(one, "device="))
            e.device = value;
        if (span_starts(one, "channel="))
            e.channel = value;
        if (span_starts(one, "until="))
            e.until = fx_at((const char *)arena_str(scratch_a, value));
        if (span_starts(one, "guardian=")) {
            e.actor = CONSENT_BY_GUARDIAN;
            e.actor_id = value;
        }
        if (span_starts(one, "staff=")) {
            e.actor = CONSENT_BY_STAFF;
            e.actor_id = value;
        }
    }
    return gate_consent(fx_as(e.actor == CONSENT_BY_STAFF ? "" : "shop"), s->id, &e, &out, &fx_fail);
}

static inline const char *fx_hex(const struct subject *s)
{
    static char hex[ID_TEXT_LEN + 1];
    hex_put(hex, s->id.b, ID_LEN);
    return hex;
}

static inline const char *fx_by_mum(void)
{
    static char text[64];
    snprintf(text, sizeof text, "guardian=%s", fx_hex(&fx_mum));
    return text;
}

static inline void fx_agree(const struct subject *s, const char *document)
{
    EXPECT_INT(fx_act(s, CONSENT_AGREEMENT, CONSENT_GIVEN, document, ""), OK);
}

/* ---- Questions: "purpose=delivery fields=a,b service=shop operation=share recipient=ship-b
 * evidence=name:ref" */

static inline void fx_question(const char *text, struct gate_request *q)
{
    struct span rest = span_str(text), one;
    while (span_cut(&rest, ' ', &one)) {
        struct span value = span_sub(one, span_find(one, '=', 0) + 1, one.len), field;
        const struct {
            const char *name;
            struct span *to;
        } words[] = {{"purpose=", &q->purpose},     {"service=", &q->service}, {"operation=", &q->operation},
                     {"recipient=", &q->recipient}, {"basis=", &q->basis},     {"source=", &q->source},
                     {"device=", &q->device},       {"actor=", &q->actor}};
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            if (span_starts(one, words[i].name))
                *words[i].to = value;
        if (span_starts(one, "evidence=")) {
            size_t colon = span_find(value, ':', 0);
            q->evidence[q->n_evidence++] =
                (struct evidence){span_sub(value, 0, colon), span_sub(value, colon + 1, value.len)};
        }
        if (span_starts(one, "fields="))
            while (span_cut(&value, ',', &field))
                q->fields[q->n_fields++] = field;
        if (span_starts(one, "explain"))
            q->explain = true;
    }
}

static inline struct gate_request fx_ask_for(const struct subject *s, const char *text)
{
    struct gate_request q = {.has_subject = s != NULL};
    if (s)
        q.subject = s->id;
    fx_question(text, &q);
    return q;
}

/* Decides as the operator (who names any service). */
static inline enum err fx_decide(const struct subject *s, const char *text)
{
    struct gate_request q = fx_ask_for(s, text);
    return gate_decide(fx_as(""), &q, &fx_answer, &fx_fail);
}

/* The whole answer and the first field's reason in one word: "deny:withdrawn", "allow". */
static inline const char *fx_says(const struct subject *s, const char *text)
{
    static char out[96];
    enum err e = fx_decide(s, text);
    if (e)
        snprintf(out, sizeof out, "%s", err_row(e)->name);
    else
        snprintf(out, sizeof out, "%s%s%.*s", policy_answer_name(fx_answer.answer),
                 fx_answer.fields[0].reason.len ? ":" : "", SPAN_F(fx_answer.fields[0].reason));
    return out;
}

#define EXPECT_SAYS(subject, text, want)                                                                     \
    do {                                                                                                     \
        const char *fx_got = fx_says((subject), (text));                                                     \
        if (strcmp(fx_got, (want)) != 0) {                                                                   \
            unit_bad++;                                                                                      \
            printf("  %s:%d: %s is %s, expected %s (%s)\n", __FILE__, __LINE__, (text), fx_got, (want),      \
                   fx_fail.detail);                                                                          \
        }                                                                                                    \
    } while (0)

/* Collects one value as the service. */
static inline enum err fx_put(const char *service, const struct subject *s, const char *field,
                              const char *value, const char *more)
{
    size_t dropped;
    struct gate_value v = {.field = span_str(field), .plain = span_str(value)};
    struct gate_request q = fx_ask_for(s, more);
    if (!q.purpose.len)
        q.purpose = SPAN("delivery");
    return gate_collect(fx_as(service), &q, &v, 1, false, &fx_answer, &dropped, &fx_fail);
}

static inline enum err fx_read(const char *service, const struct subject *s, const char *text,
                               struct gate_out **out, size_t *n)
{
    struct gate_request q = fx_ask_for(s, text);
    return gate_read(fx_as(service), &q, &fx_answer, out, n, &fx_fail);
}

#endif
