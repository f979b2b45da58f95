// SPDX-License-Identifier: Apache-2.0
/*
 * What held for a question, as its entry keeps it, so that it can be decided again under another policy
 * (gate_what_if.h): values, needs and facts by name, since numbers mean something else in another text.
 *
 * "standing": ["WORDS", "WORDS at=0,3", ...]: the first holds for every field that no other names. WORDS are
 * NAME=VALUE, separated by blanks: actor, subject, service, jurisdiction, party (always, in the first); needs
 * held, ended, outside; facts that are so, unknown; recipient=unregistered|suspended|ungranted. Where
 * anything at all was asked about, `fields` names what `at` numbers.
 */
#include "gate_impl.h"

#include <stdio.h>

/* ---- Sets of names */

static void put_names(struct text *t, const struct policy *p, enum policy_kind k, uint64_t set)
{
    for (; set; set &= set - 1) {
        text_put(t, policy_kind_name(p, k, (unsigned)__builtin_ctzll(set)));
        if (set & (set - 1))
            text_char(t, ',');
    }
}

struct span standing_names(struct arena *a, const struct policy *p, enum policy_kind k, uint64_t set)
{
    if (!set)
        return SPAN_EMPTY;
    struct text t = text_new(a, 64);
    put_names(&t, p, k, set);
    return text_span(&t);
}

uint64_t standing_set(const struct policy *p, enum policy_kind k, struct span names)
{
    uint64_t set = 0;
    struct span name;
    while (span_cut(&names, ',', &name)) {
        unsigned i = policy_kind_find(p, k, name);
        set |= i < 64 ? 1ull << i : 0;
    }
    return set;
}

/* ---- Putting */

/* What holds for one field, and what the register says. */
struct held {
    struct standing s;
    const char *recipient;
};

static bool granted(const struct question *q, unsigned field)
{
    bool any;
    return recipient_granted(q->recipient, policy_name(q->policy, DIM_PURPOSE, q->value[DIM_PURPOSE]),
                             policy_name(q->policy, DIM_FIELD, field), q->call->now, &any);
}

static struct held held_for(const struct question *q, unsigned field)
{
    struct held h = {.s = question_standing(q, field)};
    if (q->recipient_unknown)
        h.recipient = "unregistered";
    else if (q->recipient && q->recipient->suspended)
        h.recipient = "suspended";
    else if (q->recipient && !granted(q, field))
        h.recipient = "ungranted";
    return h;
}

static bool same(const struct held *a, const struct held *b)
{
    return a->s.needs == b->s.needs && a->s.ended == b->s.ended && a->s.outside == b->s.outside &&
           a->s.facts == b->s.facts && a->s.facts_known == b->s.facts_known && a->recipient == b->recipient;
}

static void put_set(struct text *t, const struct question *q, const char *word, enum policy_kind k,
                    uint64_t set)
{
    if (!set)
        return;
    text_str(t, word);
    put_names(t, q->policy, k, set);
}

static void put_held(struct text *t, const struct question *q, const struct held *h)
{
    size_t facts = policy_kind_count(q->policy, KIND_FACT);
    uint64_t all = facts < 64 ? (1ull << facts) - 1 : UINT64_MAX;
    put_set(t, q, " needs=", KIND_NEED, h->s.needs);
    put_set(t, q, " ended=", KIND_NEED, h->s.ended);
    put_set(t, q, " outside=", KIND_NEED, h->s.outside);
    put_set(t, q, " facts=", KIND_FACT, h->s.facts & h->s.facts_known & all);
    put_set(t, q, " unknown=", KIND_FACT, ~h->s.facts_known & all);
    if (h->recipient) {
        text_str(t, " recipient=");
        text_str(t, h->recipient);
    }
}

static void put_values(struct text *t, const struct question *q)
{
    static const enum policy_dimension told[] = {DIM_ACTOR, DIM_SUBJECT, DIM_SERVICE, DIM_JURISDICTION,
                                                 DIM_PARTY};
    static const char *const words[] = {"actor=", " subject=", " service=", " jurisdiction=", " party="};
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        text_str(t, words[i]);
        text_put(t, policy_name(q->policy, told[i], q->value[told[i]]));
    }
}

/* The fields asked about: as listed, or all. */
static size_t fields_asked(const struct question *q)
{
    return q->n_fields ? q->n_fields : policy_count(q->policy, DIM_FIELD);
}

static unsigned field_asked(const struct question *q, size_t i)
{
    return q->n_fields ? q->fields[i] : (unsigned)i;
}

/* Names of the policy are letters, digits and hyphens: nothing in the words needs escaping. */
static void open_words(struct text *t)
{
    text_str(t, t->comma ? ",\"" : "\"");
}

static void close_words(struct text *t)
{
    text_char(t, '"');
    t->comma = true;
}

/* One text for all fields of which the same holds, unless it was told for one before. */
static void put_others(struct text *t, const struct question *q, const struct held *all, size_t n,
                       size_t first)
{
    for (size_t k = 0; k < first; k++)
        if (same(&all[k], &all[first]))
            return;
    open_words(t);
    for (size_t i = first; i < n; i++) {
        if (!same(&all[i], &all[first]))
            continue;
        text_str(t, i > first ? "," : q->n_fields ? "at=" : "fields=");
        if (q->n_fields)
            text_i64(t, (int64_t)i);
        else
            text_put(t, policy_name(q->policy, DIM_FIELD, field_asked(q, i)));
    }
    put_held(t, q, &all[first]);
    close_words(t);
}

void standing_put(struct text *t, const struct question *q)
{
    bool differ = q->needs_by_field || q->facts_by_field || q->recipient;
    size_t n = differ ? fields_asked(q) : 1;
    struct held *all = ARENA_ARRAY(t->arena, n, struct held);
    if (fields_asked(q) == 0)
        return;
    for (size_t i = 0; i < n; i++)
        all[i] = held_for(q, field_asked(q, i));
    json_open(t, "standing", '[');
    open_words(t);
    put_values(t, q);
    put_held(t, q, &all[0]);
    close_words(t);
    for (size_t i = 1; i < n; i++)
        put_others(t, q, all, n, i);
    json_close(t, ']');
}

/* ---- Getting */

static bool list_has(struct span list, struct span want)
{
    struct span one;
    while (span_cut(&list, ',', &one))
        if (span_eq(one, want))
            return true;
    return false;
}

static void take_recipient(struct span value, struct standing_words *out)
{
    out->unregistered = span_is(value, "unregistered");
    out->suspended = span_is(value, "suspended");
    out->ungranted = span_is(value, "ungranted");
}

static void take_word(struct span name, struct span value, struct standing_words *out)
{
    const struct {
        const char *name;
        struct span *to;
    } rows[] = {{"actor", &out->actor},     {"subject", &out->subject},
                {"service", &out->service}, {"party", &out->party},
                {"needs", &out->needs},     {"ended", &out->ended},
                {"outside", &out->outside}, {"facts", &out->facts},
                {"unknown", &out->unknown}, {"jurisdiction", &out->jurisdiction}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (span_is(name, rows[i].name))
            *rows[i].to = value;
    if (span_is(name, "recipient"))
        take_recipient(value, out);
}

static void take(struct span words, struct standing_words *out)
{
    struct span word;
    out->needs = out->ended = out->outside = out->facts = out->unknown = SPAN_EMPTY;
    take_recipient(SPAN_EMPTY, out);
    while (span_cut(&words, ' ', &word)) {
        size_t eq = span_find(word, '=', 0);
        take_word(span_sub(word, 0, eq), span_sub(word, eq + 1, word.len), out);
    }
}

/* The part after the first one names its fields in its first word. */
static bool concerns(struct span words, size_t at, struct span field)
{
    char number[24];
    struct span list, rest = words;
    span_cut(&rest, ' ', &list);
    if (span_starts(list, "fields="))
        return list_has(span_sub(list, strlen("fields="), list.len), field);
    snprintf(number, sizeof number, "%zu", at);
    return span_starts(list, "at=") && list_has(span_sub(list, strlen("at="), list.len), span_str(number));
}

bool standing_get(const struct json *detail, size_t at, struct span field, struct standing_words *out)
{
    const struct json *list = json_get(detail, "standing");
    *out = (struct standing_words){0};
    if (json_count(list) == 0)
        return false;
    take(json_span(json_at(list, 0)), out);
    for (size_t i = 1; i < json_count(list); i++)
        if (concerns(json_span(json_at(list, i)), at, field))
            take(json_span(json_at(list, i)), out);
    return true;
}
