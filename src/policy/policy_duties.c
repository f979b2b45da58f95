// SPDX-License-Identifier: Apache-2.0
/* policy_duties.c: `when EVENT ... must DEED ...` (section 6): rows for the case engine. */
#include "policy_parse_impl.h"

/* Words that sound like a deadline and are none, unless a document says what they mean. */
static const char *const vague[] = {"promptly", "immediately", "soon",   "timely",
                                    "quickly",  "forthwith",   "swiftly"};

static bool is_vague(struct span word)
{
    for (size_t i = 0; i < sizeof vague / sizeof vague[0]; i++)
        if (span_is(word, vague[i]))
            return true;
    return false;
}

static const struct meaning *meaning_in(const struct document *doc, struct span word)
{
    for (size_t i = 0; i < doc->n_means; i++)
        if (span_eq(doc->means[i].word, word))
            return &doc->means[i];
    return NULL;
}

/* The document's own meaning, else that of the highest document it prevails over. */
static const struct meaning *meaning_find(const struct policy *p, unsigned document, struct span word)
{
    const struct document *doc = &p->documents[document];
    const struct meaning *best = meaning_in(doc, word);
    unsigned rank = POLICY_NONE;
    for (unsigned i = 0; i < p->n_documents && !meaning_in(doc, word); i++) {
        const struct meaning *m = meaning_in(&p->documents[i], word);
        if (!m || !(doc->prevails >> i & 1) || p->documents[i].rank >= rank)
            continue;
        best = m;
        rank = p->documents[i].rank;
    }
    return best;
}

static bool is_time_word(const struct parse *s, const struct token *t)
{
    return parse_is_name(t) && (is_vague(t->text) || meaning_find(s->load->p, s->document, t->text));
}

/* The source text from one token to the one before `end`. */
static struct span between(const struct parse *s, size_t from, size_t end)
{
    if (from >= end)
        return SPAN_EMPTY;
    struct place a = s->tokens[from].place, b = s->tokens[end - 1].place;
    return policy_place_span(s->load, (struct place){a.file, a.offset, b.offset + b.len - a.offset});
}

/* VERB [OBJECT ...]: the object's words are for people and the case engine, not names of the catalogue. */
static bool duty_deed(struct parse *s, unsigned *deed, struct span *object)
{
    if (!parse_deed(s, deed))
        return false;
    size_t from = s->at;
    while (parse_is_name(parse_peek(s)) && !is_time_word(s, parse_peek(s)))
        s->at++;
    *object = between(s, from, s->at);
    return true;
}

/* One of an audience or of channels. A policy whose catalogues declare none names them by using them, as it
 * does deeds. */
static bool told_name(struct parse *s, enum policy_kind k, unsigned *out)
{
    struct load *l = s->load;
    struct wordlist *w = &l->p->kind[k];
    const struct token *t = parse_peek(s);
    *out = parse_is_name(t) ? policy_kind_find(l->p, k, t->text) : POLICY_NONE;
    if (*out == POLICY_NONE && (l->declared[k] || !parse_is_name(t)))
        return parse_kind_name(s, k, out);
    if (*out == POLICY_NONE && w->n == POLICY_TOLD_MAX)
        return policy_say(l, MSG_NAME, t->place, "this would be more than %d of the kind '%s'",
                          POLICY_TOLD_MAX, k == KIND_AUDIENCE ? "audience" : "channel");
    if (*out == POLICY_NONE) {
        *out = policy_word_add(l->arena, w, t->text, t->place);
        w->list[*out].implied = true;
    }
    return parse_kind(s, TOKEN_NAME);
}

static bool told_list(struct parse *s, enum policy_kind k, struct policy_kind_list *out)
{
    uint16_t *list = ARENA_ARRAY(s->load->arena, POLICY_TOLD_MAX, uint16_t);
    *out = (struct policy_kind_list){.list = list};
    do {
        const struct token *t = parse_peek(s);
        unsigned name;
        if (!told_name(s, k, &name))
            return false;
        for (size_t i = 0; i < out->n; i++)
            if (list[i] == name)
                return policy_say(s->load, MSG_NAME, t->place, "'%.*s' stands in this list twice",
                                  SPAN_F(t->text));
        list[out->n++] = (uint16_t)name;
    } while (parse_more(s, WORD_OR));
    return true;
}

static bool limit_word(struct parse *s, struct policy_duty *d)
{
    const struct token *t = parse_peek(s);
    const struct meaning *m = meaning_find(s->load->p, s->document, t->text);
    if (!m)
        return policy_say(
            s->load, MSG_NAME, t->place,
            "'%.*s' is no deadline; say what it means in the document block: '%.*s means 3 days.'",
            SPAN_F(t->text), SPAN_F(t->text));
    d->number = m->number;
    d->unit = m->unit;
    return parse_kind(s, TOKEN_NAME);
}

/* `15 days before EVENT`: at least that long ahead of it. */
static bool duty_ahead(struct parse *s, struct policy_duty *d)
{
    enum policy_until_unit unit;
    d->before = true;
    return parse_duration(s, &d->number, &unit, &d->unit) && parse_need_word(s, WORD_BEFORE) &&
           parse_kind_name(s, KIND_EVENT, &d->start);
}

static bool duty_limit(struct parse *s, struct policy_duty *d)
{
    enum policy_until_unit unit;
    if (parse_is_kind(s, TOKEN_NUMBER))
        return duty_ahead(s, d);
    if (parse_word(s, WORD_WITHIN))
        return parse_duration(s, &d->number, &unit, &d->unit) &&
               (!parse_word(s, WORD_AFTER) || parse_kind_name(s, KIND_EVENT, &d->start));
    if (parse_word(s, WORD_BEFORE)) {
        d->before = true;
        return parse_kind_name(s, KIND_EVENT, &d->start);
    }
    return !is_time_word(s, parse_peek(s)) || limit_word(s, d);
}

static bool duty_otherwise(struct parse *s, struct policy_duty *d)
{
    if (!parse_kind(s, TOKEN_COMMA))
        return true;
    return parse_need_word(s, WORD_OTHERWISE) && duty_deed(s, &d->otherwise, &d->otherwise_object);
}

/* `when EVENT [and FORMULA],` */
static bool duty_when(struct parse *s, struct policy_duty *d)
{
    struct formula *when = ARENA_NEW(s->load->arena, struct formula);
    s->at++;
    if (!parse_kind_name(s, KIND_EVENT, &d->event))
        return false;
    d->start = d->event;
    size_t from = s->at + 1;
    bool narrowed = parse_word(s, WORD_AND);
    if (narrowed && !parse_formula(s, USE_BOTH, when))
        return false;
    d->when = narrowed ? when : NULL;
    d->condition = between(s, from, s->at);
    return parse_need_kind(s, TOKEN_COMMA, "'and' or ','");
}

static bool is_actor(const struct policy *p, struct span name)
{
    struct bits ignored = {{0}};
    return policy_name_set(p, DIM_ACTOR, name, &ignored);
}

/* Who must: `we` or a name. Offices that never touch data need not be actors of the catalogue; but what is
 * nearly the name of one is a slip, and nobody would own the duty. */
static bool duty_actor(struct parse *s, struct policy_duty *d)
{
    const struct load *l = s->load;
    struct token t = *parse_peek(s);
    if (parse_word(s, WORD_WE)) {
        d->actor = t.text;
        return parse_need_word(s, WORD_MUST);
    }
    if (!parse_name(s, "who must", &t))
        return false;
    d->actor = t.text;
    struct nearest near = policy_nearest(t.text);
    policy_nearest_dimension(&near, l->p, DIM_ACTOR);
    if (near.best.len > 0 && !is_actor(l->p, t.text) && !l->catalogue_broken)
        return policy_say(s->load, MSG_NAME, t.place, "the catalogue declares no actor '%.*s'%.*s",
                          SPAN_F(t.text), SPAN_F(policy_nearest_text(&near, l->arena)));
    return parse_need_word(s, WORD_MUST);
}

bool parse_duty(struct parse *s)
{
    struct policy *p = s->load->p;
    struct policy_duty d = {.clause = s->clause, .otherwise = POLICY_NONE};
    if (!duty_when(s, &d) || !duty_actor(s, &d) || !duty_deed(s, &d.deed, &d.object))
        return false;
    if (parse_word(s, WORD_TO) && !told_list(s, KIND_AUDIENCE, &d.audience))
        return false;
    if (parse_word(s, WORD_BY) && !told_list(s, KIND_CHANNEL, &d.channels))
        return false;
    if (!duty_limit(s, &d) || !duty_otherwise(s, &d))
        return false;
    if (!parse_stop(s, "'to', 'by', 'within', 'before', ', otherwise' or '.'"))
        return false;
    if (p->n_duties == POLICY_NORMS_MAX)
        return policy_say(s->load, MSG_SYNTAX, parse_sentence_place(s), "a policy has at most %u duties",
                          POLICY_NORMS_MAX);
    *POLICY_PUSH(s->load->arena, p->duties, p->n_duties) = d;
    return true;
}

/* ---- When it binds. */

static bool term_may_hold(const struct term *t, const struct policy_request *q)
{
    uint64_t known = t->facts & q->facts_known;
    return (q->facts & known) == (t->facts_value & known) && (q->needs & t->needs) == t->needs_value;
}

bool policy_duty_binds(const struct policy *p, unsigned duty, const struct policy_request *q)
{
    const struct formula *when = p->duties[duty].when;
    bool binds = !when;
    for (size_t i = 0; when && i < when->n; i++)
        binds = binds || term_may_hold(&when->terms[i], q);
    return binds;
}
