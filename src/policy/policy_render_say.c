// SPDX-License-Identifier: Apache-2.0
/* Rules as sentences of the page's language. They are made from what was compiled, not from what was written,
 * so they say what runs; the words come from the catalogue and its translation. */
#include "policy_render_impl.h"

static void say(struct render *s, enum render_word w)
{
    policy_render_say(s, w);
}

/* ---- Formulas */

/* The names of the set bits. */
static size_t put_bits(struct render *s, enum policy_kind k, uint64_t bits, enum render_word join)
{
    size_t n = 0;
    for (unsigned i = 0; i < s->r->policy->kind[k].n && i < 64; i++) {
        if (!(bits >> i & 1))
            continue;
        if (n++)
            say(s, join);
        policy_render_put_meaning(s, k, i);
    }
    return n;
}

static void put_term(struct render *s, enum policy_kind k, uint64_t asked, uint64_t value)
{
    size_t n = put_bits(s, k, asked & value, RENDER_AND);
    if (!(asked & ~value))
        return;
    if (n)
        say(s, RENDER_AND);
    say(s, RENDER_NOT);
    put_bits(s, k, asked & ~value, RENDER_OR_SHORT);
}

void policy_render_put_needs(struct render *s, const struct formula *needs)
{
    for (size_t i = 0; i < needs->n; i++) {
        if (i)
            say(s, RENDER_OR);
        put_term(s, KIND_NEED, needs->terms[i].needs, needs->terms[i].needs_value);
    }
}

/* One term is what people write, `when A unless B`; more are alternatives. */
static void put_facts(struct render *s, const struct formula *f)
{
    const struct term *t = f->terms;
    if (f->n == 1) {
        if (t->facts & t->facts_value)
            say(s, RENDER_WHEN);
        put_bits(s, KIND_FACT, t->facts & t->facts_value, RENDER_AND);
        if (t->facts & ~t->facts_value)
            say(s, RENDER_UNLESS);
        put_bits(s, KIND_FACT, t->facts & ~t->facts_value, RENDER_OR_SHORT);
        return;
    }
    for (size_t i = 0; i < f->n; i++) {
        say(s, i ? RENDER_OR : RENDER_WHEN);
        put_term(s, KIND_FACT, t[i].facts, t[i].facts_value);
    }
}

/* ---- Times */

static const struct {
    const char *unit;
    enum render_word one, many;
} units[] = {
    {"hours", RENDER_HOUR, RENDER_HOURS},
    {"days", RENDER_DAY, RENDER_DAYS},
    {"working-days", RENDER_WORKING_DAY, RENDER_WORKING_DAYS},
    {"months", RENDER_MONTH, RENDER_MONTHS},
    {"years", RENDER_YEAR, RENDER_YEARS},
};

void policy_render_put_duration(struct render *s, uint32_t number, struct span unit)
{
    text_i64(s->out, number);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (span_is(unit, units[i].unit))
            say(s, number == 1 ? units[i].one : units[i].many);
}

static void put_event(struct render *s, unsigned event)
{
    policy_render_put_name(s, policy_kind_name(s->r->policy, KIND_EVENT, event));
}

/* "180 days after: collected"; Chinese puts the event first. */
void policy_render_put_until(struct render *s, const struct until *u)
{
    bool first = policy_render_chinese(s) || !u->number;
    if (first)
        put_event(s, u->event);
    if (u->number && first)
        say(s, RENDER_AFTER);
    if (u->number)
        policy_render_put_duration(s, u->number, span_str(units[u->unit - UNTIL_HOURS].unit));
    if (u->number && !first)
        say(s, RENDER_AFTER);
    if (!first)
        put_event(s, u->event);
}

/* ---- Acts */

static bool does(const struct render *s, const struct act *act, const char *operation)
{
    unsigned i = policy_find(s->r->policy, DIM_OPERATION, span_str(operation));
    return i != POLICY_NONE && bits_has(&act->set[DIM_OPERATION], i);
}

bool policy_render_outward(const struct render *s, const struct act *act)
{
    return does(s, act, "share") || does(s, act, "transfer") || does(s, act, "disclose");
}

static bool narrows(const struct render *s, const struct act *act, enum policy_dimension d)
{
    return act->named[d] && !policy_render_whole(s, d, &act->set[d]);
}

static void put_narrowing(struct render *s, const struct act *act, enum policy_dimension d,
                          enum render_word before)
{
    if (!narrows(s, act, d))
        return;
    say(s, before);
    policy_render_put_set(s, d, &act->set[d]);
}

/* Whose data: "child's" stands before the data in Chinese, behind it in English. */
void policy_render_put_data(struct render *s, const struct act *act)
{
    bool whose = narrows(s, act, DIM_SUBJECT), chinese = policy_render_chinese(s);
    if (whose && chinese)
        policy_render_put_set(s, DIM_SUBJECT, &act->set[DIM_SUBJECT]);
    if (whose && chinese)
        say(s, RENDER_OF);
    policy_render_put_set(s, DIM_FIELD, &act->set[DIM_FIELD]);
    if (whose && !chinese)
        put_narrowing(s, act, DIM_SUBJECT, RENDER_OF);
}

void policy_render_put_purpose(struct render *s, const struct act *act)
{
    put_narrowing(s, act, DIM_PURPOSE, RENDER_FOR);
}

static enum render_word party_word(const struct render *s, const struct act *act)
{
    if (policy_render_outward(s, act))
        return RENDER_TOWARDS;
    return does(s, act, "collect") ? RENDER_FROM : RENDER_WITH;
}

static void put_place(struct render *s, const struct act *act, enum policy_dimension d)
{
    put_narrowing(s, act, d, RENDER_IN);
    if (narrows(s, act, d))
        say(s, RENDER_IN_END);
}

/* Where, on what ground and under which facts: what narrows an act besides party and purpose. */
static void put_limits(struct render *s, const struct act *act, bool ground)
{
    put_place(s, act, DIM_SERVICE);
    put_place(s, act, DIM_JURISDICTION);
    if (ground)
        put_narrowing(s, act, DIM_BASIS, RENDER_ON);
    put_facts(s, &act->when);
}

static void put_act(struct render *s, const struct act *act)
{
    policy_render_put_set(s, DIM_OPERATION, &act->set[DIM_OPERATION]);
    text_str(s->out, policy_render_chinese(s) ? "" : " ");
    policy_render_put_data(s, act);
    put_narrowing(s, act, DIM_PARTY, party_word(s, act));
    policy_render_put_purpose(s, act);
    put_limits(s, act, true);
}

/* The same by themselves: what a sentence begins a part with is cut off. */
void policy_render_put_terms(struct render *s, const struct act *act)
{
    struct text part = text_new(s->out->arena, 128), *page = s->out;
    s->out = &part;
    if (act->has_needs)
        policy_render_put_needs(s, &act->needs);
    if (!policy_render_outward(s, act)) /* the recipient has a column of its own */
        put_narrowing(s, act, DIM_PARTY, party_word(s, act));
    put_limits(s, act, false);
    s->out = page;
    struct span terms = text_span(&part);
    const char *comma = policy_render_word(s, RENDER_COMMA);
    size_t cut = span_starts(terms, comma) ? strlen(comma) : 0;
    text_put(s->out, span_sub(terms, cut, terms.len));
    if (terms.len == 0)
        say(s, RENDER_NOTHING);
}

static void put_actors(struct render *s, const struct act *act)
{
    policy_render_put_set(s, DIM_ACTOR, &act->set[DIM_ACTOR]);
}

/* ---- What must be done */

static void put_must(struct render *s, const struct must *m)
{
    if (m->kind == MUST_HAVE) {
        say(s, RENDER_ENSURE);
        policy_render_put_needs(s, &m->needs);
        return;
    }
    if (m->kind == MUST_MASK)
        say(s, RENDER_MASK);
    policy_render_put_meaning(s, m->kind == MUST_MASK ? KIND_MASK : KIND_DEED, m->index);
}

static void put_musts(struct render *s, const struct must *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i)
            say(s, RENDER_ALSO);
        put_must(s, &list[i]);
    }
}

/* A sentence with three musts was read as three norms of one place. */
static bool same_sentence(const struct norm *a, const struct norm *b)
{
    return a->kind == b->kind && a->place.file == b->place.file && a->place.offset == b->place.offset;
}

static void put_condition(struct render *s, const struct norm *n)
{
    const struct policy *p = s->r->policy;
    size_t said = 0;
    say(s, RENDER_MUST);
    for (size_t i = 0; i < p->n_norms; i++) {
        if (!same_sentence(&p->norms[i], n))
            continue;
        if (said++)
            say(s, RENDER_ALSO);
        put_must(s, &p->norms[i].must);
    }
}

/* ---- Sentences */

static void put_despite(struct render *s, const struct norm *n)
{
    if (n->n_despite == 0)
        return;
    say(s, RENDER_DESPITE);
    for (size_t i = 0; i < n->n_despite; i++) {
        const struct despite *d = &n->despite[i];
        struct span document = policy_document(s->r->policy, d->document)->name;
        if (i)
            say(s, RENDER_JOIN);
        text_str(s->out, "<code>");
        if (d->document != n->document)
            text_fmt(s->out, "%.*s/", SPAN_F(document));
        text_html(s->out, d->id);
        text_str(s->out, d->id.len == 0 ? "*" : d->family ? ".*" : "");
        text_str(s->out, "</code>");
    }
    say(s, RENDER_DESPITE_END);
}

static void put_grant(struct render *s, const struct norm *n)
{
    put_actors(s, &n->act);
    say(s, RENDER_MAY);
    put_act(s, &n->act);
    if (n->act.has_needs) {
        say(s, RENDER_ONLY_IF);
        policy_render_put_needs(s, &n->act.needs);
    }
    if (n->act.until.event != POLICY_NONE) {
        say(s, RENDER_UNTIL);
        policy_render_put_until(s, &n->act.until);
    }
}

static void put_bar(struct render *s, const struct norm *n)
{
    put_actors(s, &n->act);
    say(s, RENDER_MUST_NOT);
    put_act(s, &n->act);
}

/* `to ACT, ACTOR must ...`: Chinese names the actor first. */
static void put_to(struct render *s, const struct norm *n)
{
    bool chinese = policy_render_chinese(s);
    say(s, RENDER_TO);
    if (chinese)
        put_actors(s, &n->act);
    put_act(s, &n->act);
    say(s, chinese ? RENDER_TO : RENDER_MUST_COMMA);
    if (!chinese)
        put_actors(s, &n->act);
}

static void put_norm(struct render *s, const struct norm *n)
{
    put_despite(s, n);
    if (n->kind == NORM_GRANT)
        put_grant(s, n);
    else if (n->kind == NORM_BAR)
        put_bar(s, n);
    else
        put_to(s, n);
    if (n->kind == NORM_CONDITION)
        put_condition(s, n);
    if (n->kind == NORM_WAIVER) {
        say(s, RENDER_NEED_NOT);
        put_musts(s, n->waives, n->n_waives);
    }
}

static void put_promise(struct render *s, const struct promise *m)
{
    static const enum render_word words[] = {
        [PROMISE_NEVER] = RENDER_NEVER, [PROMISE_ALWAYS] = RENDER_MAY_ALWAYS, [PROMISE_EVERY] = RENDER_EVERY};
    if (m->kind != PROMISE_EVERY)
        put_actors(s, &m->act);
    say(s, words[m->kind]);
    put_act(s, &m->act);
    if (m->kind != PROMISE_EVERY)
        return;
    say(s, RENDER_MUST);
    put_musts(s, m->musts, m->n_musts);
}

/* ---- Duties */

static void put_told(struct render *s, enum render_word before, enum policy_kind k,
                     struct policy_kind_list list)
{
    if (list.n > 0)
        say(s, before);
    for (size_t i = 0; i < list.n; i++) {
        if (i > 0)
            say(s, RENDER_JOIN);
        policy_render_put_told(s, k, list.list[i]);
    }
}

/* The condition as written: names said, keywords of the formula translated. */
static void put_condition_text(struct render *s, struct span formula)
{
    struct span word;
    while (span_cut(&formula, ' ', &word)) {
        if (span_is(word, "and"))
            say(s, RENDER_AND);
        else if (span_is(word, "or"))
            say(s, RENDER_OR_SHORT);
        else if (span_is(word, "not"))
            say(s, RENDER_NOT);
        else
            policy_render_put_list(s, word);
    }
}

void policy_render_put_deed(struct render *s, const struct policy_duty *d)
{
    policy_render_put_meaning(s, KIND_DEED, d->deed);
    if (d->object.len) {
        text_char(s->out, ' ');
        policy_render_put_name(s, d->object);
    }
    put_told(s, RENDER_WHOM, KIND_AUDIENCE, d->audience);
    put_told(s, RENDER_BY, KIND_CHANNEL, d->channels);
    if (d->otherwise == POLICY_NONE)
        return;
    say(s, RENDER_OTHERWISE);
    policy_render_put_meaning(s, KIND_DEED, d->otherwise);
}

/* `cell`: the deadline stands by itself. */
void policy_render_put_deadline(struct render *s, const struct policy_duty *d, bool cell)
{
    if (d->before && d->number) {
        say(s, cell ? RENDER_AHEAD_CELL : RENDER_AHEAD);
        policy_render_put_duration(s, d->number, d->unit);
        say(s, RENDER_AHEAD_OF);
        put_event(s, d->start);
    } else if (d->before) {
        say(s, cell ? RENDER_BEFORE_CELL : RENDER_BEFORE);
        put_event(s, d->start);
    } else if (d->number) {
        say(s, cell ? RENDER_WITHIN_CELL : RENDER_WITHIN);
        policy_render_put_duration(s, d->number, d->unit);
    }
    if (cell && !d->before && !d->number)
        say(s, RENDER_NOTHING);
}

void policy_render_put_occasion(struct render *s, const struct policy_duty *d)
{
    put_event(s, d->event);
    if (d->condition.len == 0)
        return;
    say(s, RENDER_DUTY_AND);
    put_condition_text(s, d->condition);
}

void policy_render_put_actor(struct render *s, const struct policy_duty *d)
{
    if (span_is(d->actor, "we"))
        say(s, RENDER_WE);
    else
        policy_render_put_name(s, d->actor);
}

static void put_duty(struct render *s, const struct policy_duty *d)
{
    say(s, RENDER_DUTY_WHEN);
    policy_render_put_occasion(s, d);
    if (d->condition.len == 0)
        say(s, RENDER_DUTY_QUOTE);
    say(s, RENDER_DUTY_COMMA);
    policy_render_put_actor(s, d);
    say(s, RENDER_DUTY_MUST);
    policy_render_put_deed(s, d);
    policy_render_put_deadline(s, d, false);
}

/* ---- The list */

static size_t sentence_open(struct render *s, bool *any)
{
    text_str(s->out, *any ? "<li>" : "<ul class=\"sentences\">\n<li>");
    *any = true;
    return s->out->len;
}

/* A sentence begins with a capital and ends with a stop. */
static void sentence_finish(struct render *s, size_t start)
{
    uint8_t *first = &s->out->p[start];
    if (*first >= 'a' && *first <= 'z')
        *first = (uint8_t)(*first - 32);
    say(s, RENDER_STOP);
}

static void sentence_close(struct render *s, size_t start)
{
    sentence_finish(s, start);
    text_str(s->out, "</li>\n");
}

void policy_render_put_norm(struct render *s, const struct norm *n)
{
    size_t start = s->out->len;
    put_norm(s, n);
    sentence_finish(s, start);
}

void policy_render_put_promise(struct render *s, const struct promise *m)
{
    size_t start = s->out->len;
    put_promise(s, m);
    sentence_finish(s, start);
}

void policy_render_put_duty(struct render *s, const struct policy_duty *d)
{
    size_t start = s->out->len;
    put_duty(s, d);
    sentence_finish(s, start);
}

/* Who does what, as a phrase: "we: use the phone, for delivery". */
void policy_render_put_act(struct render *s, const struct act *act)
{
    if (narrows(s, act, DIM_ACTOR)) {
        put_actors(s, act);
        say(s, RENDER_COLON);
    }
    put_act(s, act);
}

/* The norm that is read next after `order`; a later norm of the same sentence is part of the first. */
static const struct norm *next_norm(const struct policy *p, unsigned clause, const struct norm *before)
{
    const struct norm *next = NULL;
    for (size_t i = 0; i < p->n_norms; i++) {
        const struct norm *n = &p->norms[i];
        if (n->clause != clause || (before && (n->order <= before->order || same_sentence(n, before))))
            continue;
        if (!next || n->order < next->order)
            next = n;
    }
    return next;
}

void policy_render_sentences(struct render *s, unsigned clause)
{
    const struct policy *p = s->r->policy;
    bool any = false;
    for (const struct norm *n = next_norm(p, clause, NULL); n; n = next_norm(p, clause, n)) {
        size_t start = sentence_open(s, &any);
        put_norm(s, n);
        sentence_close(s, start);
    }
    for (size_t i = 0; i < p->n_promises; i++) {
        if (p->promises[i].clause != clause)
            continue;
        size_t start = sentence_open(s, &any);
        put_promise(s, &p->promises[i]);
        sentence_close(s, start);
    }
    for (size_t i = 0; i < p->n_duties; i++) {
        if (p->duties[i].clause != clause)
            continue;
        size_t start = sentence_open(s, &any);
        put_duty(s, &p->duties[i]);
        sentence_close(s, start);
    }
    if (any)
        text_str(s->out, "</ul>\n");
}
