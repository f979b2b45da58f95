// SPDX-License-Identifier: Apache-2.0
/* policy_rules.c: the sentences of rule blocks: grants, bars, conditions, waivers, promises. */
#include "policy_parse_impl.h"
#include "policy_prove_impl.h"

/* What stands before the norm: `despite` and its references. */
struct opening {
    struct despite *list;
    size_t n;
    struct place place;
};

static const char could_end[] =
    "',', a further part of the sentence ('for', 'with', 'in', 'on basis of', 'when', "
    "'unless', 'only with', 'until') or '.'";

/* ---- despite REF, REF, */

static bool touches(const struct token *a, const struct token *b)
{
    return a->place.offset + a->place.len == b->place.offset;
}

/* [DOCUMENT/] */
static bool ref_document(struct parse *s, struct despite *r)
{
    struct policy *p = s->load->p;
    const struct token *t = parse_peek(s);
    r->document = s->document;
    if (parse_ahead(s, 1)->kind != TOKEN_SLASH)
        return true;
    struct nearest near = policy_nearest(t->text);
    for (size_t i = 0; i < p->n_documents; i++)
        policy_nearest_try(&near, p->documents[i].pub.name);
    r->document = policy_document_find(p, t->text);
    if (r->document == POLICY_NONE)
        return policy_say(s->load, MSG_NAME, t->place, "there is no document '%.*s'%.*s", SPAN_F(t->text),
                          SPAN_F(policy_nearest_text(&near, s->load->arena)));
    bool reach = r->document == s->document || (p->documents[s->document].prevails >> r->document & 1);
    if (!reach)
        return policy_say(s->load, MSG_NAME, t->place,
                          "this document does not prevail over '%.*s', so it cannot lift its clauses",
                          SPAN_F(t->text));
    s->at += 2;
    return true;
}

/* name { "." name } [".*"] | "*": the marks touch, or they are not part of the id. */
static bool ref_clause(struct parse *s, struct despite *r)
{
    const struct token *first = parse_peek(s), *last = first;
    if (parse_kind(s, TOKEN_STAR)) {
        r->family = true;
        return true;
    }
    if (first->kind != TOKEN_NAME)
        return parse_unexpected(s, "a clause id");
    s->at++;
    while (parse_is_kind(s, TOKEN_STOP) && touches(last, parse_peek(s)) &&
           touches(parse_peek(s), parse_ahead(s, 1))) {
        const struct token *next = parse_ahead(s, 1);
        if (next->kind != TOKEN_NAME && next->kind != TOKEN_STAR)
            break;
        s->at += 2;
        r->family = next->kind == TOKEN_STAR;
        if (r->family)
            break;
        last = next;
    }
    uint32_t end = last->place.offset + last->place.len;
    r->id = policy_place_span(
        s->load, (struct place){first->place.file, first->place.offset, end - first->place.offset});
    return true;
}

static bool parse_ref(struct parse *s, struct opening *o)
{
    struct despite r = {.place = parse_peek(s)->place};
    if (!ref_document(s, &r) || !ref_clause(s, &r))
        return false;
    const struct token *last = &s->tokens[s->at - 1];
    r.place.len = last->place.offset + last->place.len - r.place.offset;
    *POLICY_PUSH(s->load->arena, o->list, o->n) = r;
    return true;
}

/* After a comma: do the actors of the norm begin here, a plain list of actors that leads to `may` or `must`?
 */
static bool actors_follow(const struct parse *s)
{
    struct bits ignored = {{0}};
    for (size_t n = 1;; n += 2) {
        const struct token *t = parse_ahead(s, n), *next = parse_ahead(s, n + 1);
        if (!parse_is_name(t))
            return false;
        if (next->word == WORD_MAY || next->word == WORD_MUST)
            return true;
        bool goes_on = next->kind == TOKEN_COMMA || next->word == WORD_OR;
        if (!goes_on || !policy_name_set(s->load->p, DIM_ACTOR, t->text, &ignored))
            return false;
    }
}

static bool more_refs(struct parse *s)
{
    const struct token *next = parse_ahead(s, 1);
    if (!parse_is_kind(s, TOKEN_COMMA) || policy_word_reserved(next->word) || actors_follow(s))
        return false;
    return parse_kind(s, TOKEN_COMMA);
}

static bool parse_despite(struct parse *s, struct opening *o)
{
    o->place = parse_peek(s)->place;
    if (!parse_word(s, WORD_DESPITE))
        return true;
    do {
        if (!parse_ref(s, o))
            return false;
    } while (more_refs(s));
    return parse_need_kind(s, TOKEN_COMMA, "',' after the clauses of 'despite'");
}

/* ---- Storing. */

static void more_norms(struct load *l)
{
    struct norm *before = l->p->norms;
    l->norms_room = l->norms_room * 2 + 4;
    l->p->norms = ARENA_ROOM(l->arena, l->norms_room, struct norm);
    if (l->p->n_norms > 0)
        memcpy(l->p->norms, before, l->p->n_norms * sizeof *before);
}

static bool add_norm(struct parse *s, struct norm *n, const struct opening *o)
{
    struct policy *p = s->load->p;
    if (p->n_norms == POLICY_NORMS_MAX)
        return policy_say(s->load, MSG_SYNTAX, parse_sentence_place(s), "a policy has at most %u norms",
                          POLICY_NORMS_MAX);
    n->clause = s->clause;
    n->document = s->document;
    n->despite = o->list;
    n->n_despite = o->n;
    n->order = (uint32_t)p->n_norms;
    n->sentence = parse_sentence_text(s);
    n->place = parse_sentence_place(s);
    if (p->n_norms == s->load->norms_room)
        more_norms(s->load);
    p->norms[p->n_norms++] = *n;
    return true;
}

static bool add_promise(struct parse *s, struct promise *n)
{
    struct policy *p = s->load->p;
    if (p->n_promises == POLICY_NORMS_MAX)
        return policy_say(s->load, MSG_SYNTAX, parse_sentence_place(s), "a policy has at most %u promises",
                          POLICY_NORMS_MAX);
    n->clause = s->clause;
    n->document = s->document;
    n->sentence = parse_sentence_text(s);
    n->place = parse_sentence_place(s);
    *POLICY_PUSH(s->load->arena, p->promises, p->n_promises) = *n;
    return true;
}

/* ---- What a kind of sentence may not hold. */

static bool say_no_needs(struct parse *s, const struct act *act)
{
    return !act->has_needs || policy_say(s->load, MSG_SYNTAX, act->needs_place,
                                         "'only with' belongs to 'may'; a ban is lifted by 'despite', a "
                                         "requirement is 'to ..., must have ...'");
}

static bool say_no_until(struct parse *s, const struct act *act)
{
    return act->until.event == POLICY_NONE ||
           policy_say(s->load, MSG_SYNTAX, act->until_place,
                      "'until' belongs to 'may': it says how long keeping is allowed");
}

static bool say_no_despite(struct parse *s, const struct opening *o, const char *what)
{
    return o->n == 0 ||
           policy_say(s->load, MSG_SYNTAX, o->place, "%s lifts nothing; 'despite' has no place here", what);
}

static bool keeps(const struct policy *p, const struct act *act)
{
    static const char *const keep[] = {"keep", "store"};
    for (size_t i = 0; i < 2; i++) {
        unsigned op = policy_find(p, DIM_OPERATION, span_str(keep[i]));
        if (op != POLICY_NONE && bits_has(&act->set[DIM_OPERATION], op))
            return true;
    }
    return false;
}

static bool check_until(struct parse *s, const struct act *act)
{
    return act->until.event == POLICY_NONE || keeps(s->load->p, act) ||
           policy_say(s->load, MSG_SYNTAX, act->until_place,
                      "'until' limits keeping, but neither 'keep' nor 'store' is among the operations");
}

/* ---- Musts. */

static bool parse_must(struct parse *s, struct must *m)
{
    *m = (struct must){.kind = MUST_DEED, .place = parse_peek(s)->place};
    if (parse_word(s, WORD_HAVE)) {
        m->kind = MUST_HAVE;
        return parse_have(s, &m->needs);
    }
    if (parse_word(s, WORD_MASK)) {
        m->kind = MUST_MASK;
        return parse_need_word(s, WORD_AS) && parse_kind_name(s, KIND_MASK, &m->index);
    }
    return parse_deed(s, &m->index);
}

static bool parse_musts(struct parse *s, struct must **list, size_t *n)
{
    do {
        struct must m;
        if (!parse_must(s, &m))
            return false;
        *POLICY_PUSH(s->load->arena, *list, *n) = m;
    } while (parse_word(s, WORD_AND));
    return true;
}

/* ---- Sentences. */

static bool parse_grant(struct parse *s, struct norm *n, const struct opening *o)
{
    n->kind = NORM_GRANT;
    return parse_act(s, USE_FACTS, &n->act) && check_until(s, &n->act) && parse_stop(s, could_end) &&
           add_norm(s, n, o);
}

/* as REASON */
static bool parse_reason(struct parse *s, struct span *out)
{
    struct token t;
    if (!parse_word(s, WORD_AS))
        return true;
    if (!parse_name(s, "a reason", &t))
        return false;
    *out = t.text;
    return policy_reason_known(t.text) ||
           policy_say(s->load, MSG_NAME, t.place, "'%.*s' is not one of the closed reasons%.*s",
                      SPAN_F(t.text), SPAN_F(policy_reason_suggest(s->load->arena, t.text)));
}

static bool parse_bar(struct parse *s, struct norm *n, const struct opening *o)
{
    n->kind = NORM_BAR;
    return parse_act(s, USE_FACTS, &n->act) && say_no_needs(s, &n->act) && say_no_until(s, &n->act) &&
           parse_reason(s, &n->reason) && parse_stop(s, could_end) && add_norm(s, n, o);
}

/* A sentence with three musts becomes three conditions, so that a waiver can lift one of them. */
static bool add_conditions(struct parse *s, struct norm *n, const struct opening *o, const struct must *musts,
                           size_t count)
{
    n->kind = NORM_CONDITION;
    for (size_t i = 0; i < count; i++) {
        n->must = musts[i];
        if (!add_norm(s, n, o))
            return false;
    }
    return true;
}

static bool parse_condition(struct parse *s, struct norm *n, const struct opening *o)
{
    struct must *musts = NULL;
    size_t count = 0;
    if (!say_no_despite(s, o, "a condition") || !parse_musts(s, &musts, &count) ||
        !parse_stop(s, "'and' or '.'"))
        return false;
    return add_conditions(s, n, o, musts, count);
}

static bool parse_waiver(struct parse *s, struct norm *n, const struct opening *o)
{
    struct place at = parse_peek(s)->place;
    n->kind = NORM_WAIVER;
    if (!parse_need_word(s, WORD_NOT))
        return false;
    if (o->n == 0)
        return policy_say(s->load, MSG_SYNTAX, at,
                          "'need not' must say which clause it waives: begin with 'despite CLAUSE,'");
    return parse_musts(s, &n->waives, &n->n_waives) && parse_stop(s, "'and' or '.'") && add_norm(s, n, o);
}

/* to ACT, ACTOR must ... | to ACT, ACTOR need not ... */
static bool parse_to(struct parse *s, struct norm *n, const struct opening *o)
{
    n->act.named[DIM_ACTOR] = true;
    if (!parse_act(s, USE_FACTS, &n->act) || !say_no_needs(s, &n->act) || !say_no_until(s, &n->act) ||
        !parse_need_kind(s, TOKEN_COMMA, "',' and who must") || !parse_actor(s, &n->act.set[DIM_ACTOR]))
        return false;
    if (parse_word(s, WORD_NEED))
        return parse_waiver(s, n, o);
    return parse_need_word(s, WORD_MUST) && parse_condition(s, n, o);
}

static bool parse_never_or_always(struct parse *s, const struct act *act, const struct opening *o,
                                  enum promise_kind kind)
{
    struct promise n = {.kind = kind, .act = *act};
    return say_no_despite(s, o, "a promise") && parse_act(s, USE_BOTH, &n.act) && say_no_until(s, &n.act) &&
           parse_stop(s, could_end) && add_promise(s, &n);
}

/* every allowed ACT must MUST */
static bool parse_every(struct parse *s, const struct opening *o)
{
    struct promise n = {.kind = PROMISE_EVERY};
    policy_act_init(s->load, &n.act);
    policy_whole(s->load->p, DIM_ACTOR, &n.act.set[DIM_ACTOR]);
    return say_no_despite(s, o, "a promise") && parse_need_word(s, WORD_ALLOWED) &&
           parse_act(s, USE_BOTH, &n.act) && say_no_until(s, &n.act) && parse_need_word(s, WORD_MUST) &&
           parse_musts(s, &n.musts, &n.n_musts) && parse_stop(s, "'and' or '.'") && add_promise(s, &n);
}

static bool say_no_may_not(struct parse *s)
{
    return !parse_is(s, WORD_NOT) || policy_say(s->load, MSG_SYNTAX, parse_peek(s)->place,
                                                "'may not' is read in two ways; write 'must not'");
}

/* What the language says for a verb of permission or duty that it does not have; or empty. */
static struct span verb_meant(struct span word)
{
    static const char *const verbs[][2] = {{"can", "may"},        {"could", "may"},   {"might", "may"},
                                           {"shall", "must"},     {"should", "must"}, {"will", "must"},
                                           {"cannot", "must not"}};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (span_is(word, verbs[i][0]))
            return span_str(verbs[i][1]);
    return SPAN_EMPTY;
}

static bool expect_verb(struct parse *s)
{
    if (parse_is(s, WORD_NEVER))
        return policy_say(s->load, MSG_SYNTAX, parse_peek(s)->place, "a promise is written 'must never'");
    struct nearest near = {.best = verb_meant(parse_peek(s)->text)};
    return parse_unexpected_near(s, "'may', 'must not' or 'must never'", &near);
}

/* ACTORS may | may always | must not | must never */
static bool parse_actors_first(struct parse *s, struct norm *n, const struct opening *o)
{
    n->act.named[DIM_ACTOR] = true;
    if (!parse_actors(s, &n->act.set[DIM_ACTOR]))
        return false;
    if (parse_word(s, WORD_MAY))
        return parse_word(s, WORD_ALWAYS) ? parse_never_or_always(s, &n->act, o, PROMISE_ALWAYS)
                                          : say_no_may_not(s) && parse_grant(s, n, o);
    if (!parse_word(s, WORD_MUST))
        return expect_verb(s);
    if (parse_word(s, WORD_NEVER))
        return parse_never_or_always(s, &n->act, o, PROMISE_NEVER);
    if (parse_word(s, WORD_NOT))
        return parse_bar(s, n, o);
    return parse_unexpected(s, "'not' or 'never' (a requirement is written 'to ..., we must ...')");
}

static bool parse_sentence(struct parse *s)
{
    struct opening o = {.list = NULL};
    struct norm n = {.clause = s->clause};
    policy_act_init(s->load, &n.act);
    if (!parse_despite(s, &o))
        return false;
    if (span_is(parse_peek(s)->text, "if") && parse_is_name(parse_ahead(s, 1)))
        return policy_say(s->load, MSG_SYNTAX, parse_peek(s)->place,
                          "a duty begins with 'when', not with 'if'");
    if (parse_word(s, WORD_TO))
        return parse_to(s, &n, &o);
    if (parse_word(s, WORD_EVERY))
        return parse_every(s, &o);
    if (parse_is(s, WORD_WHEN))
        return say_no_despite(s, &o, "a duty") && parse_duty(s);
    return parse_actors_first(s, &n, &o);
}

static void read_rule(struct load *l, unsigned document, const struct block *b)
{
    struct parse s = policy_parse_open(l, b->body, document, b->clause);
    l->clause = b->clause;
    if (parse_is_kind(&s, TOKEN_END) && l->p->documents[document].declared)
        policy_say(l, MSG_SYNTAX, b->fence,
                   "this rule holds no sentence; use 'plain' for a clause with nothing to enforce");
    policy_parse_sentences(&s, parse_sentence);
    l->clause = POLICY_NONE;
}

const struct promise *policy_read_promise(struct load *l, struct place body)
{
    struct parse s = policy_parse_open(l, body, 0, POLICY_NONE);
    if (parse_sentence(&s) && !parse_is_kind(&s, TOKEN_END))
        policy_say(l, MSG_SYNTAX, parse_peek(&s)->place, "one sentence at a time: a second one begins here");
    if (l->m->errors > 0 || l->p->n_promises == 0)
        return NULL;
    l->p->promises[0].document = POLICY_NONE;
    return &l->p->promises[0];
}

/* The lines that are no comments. */
static struct span prose_of(struct load *l, struct span body)
{
    struct text t = text_new(l->arena, body.len + 1);
    while (body.len > 0) {
        size_t end = span_find(body, '\n', 0);
        struct span line = span_trim(span_sub(body, 0, end));
        if (line.len < 2 || line.p[0] != '-' || line.p[1] != '-') {
            text_put(&t, line);
            text_char(&t, '\n');
        }
        body = span_sub(body, end + 1, body.len);
    }
    return span_trim(text_span(&t));
}

/* Marks that close may follow it; of other scripts' marks nothing is said. */
static bool ends_with_stop(struct span s)
{
    while (s.len > 0 && strchr(")]\"'*_`", s.p[s.len - 1]))
        s.len--;
    return s.len > 0 && (s.p[s.len - 1] >= 0x80 || strchr(".!?", s.p[s.len - 1]));
}

/* A capital letter behind a stop; `Art. 6` and `e.g. this` are one sentence still. */
static bool goes_on(struct span s)
{
    bool stop = false;
    for (size_t i = 0; i < s.len; i++) {
        bool blank = s.p[i] <= ' ';
        if (stop && i > 0 && s.p[i - 1] <= ' ' && s.p[i] >= 'A' && s.p[i] <= 'Z')
            return true;
        if (!blank)
            stop = s.p[i] == '.' || s.p[i] == '!' || s.p[i] == '?';
    }
    return false;
}

/* plain: one sentence for people, in any words. */
static void read_plain(struct load *l, const struct block *b)
{
    struct span prose = prose_of(l, policy_place_span(l, b->body));
    l->clause = b->clause;
    if (prose.len == 0)
        policy_say(l, MSG_SYNTAX, b->fence,
                   "a plain block says in one sentence why there is nothing to enforce");
    else if (!ends_with_stop(prose))
        policy_say(l, MSG_SYNTAX, b->fence, "the sentence of a plain block ends with a full stop");
    else if (goes_on(prose))
        policy_say(l, MSG_SYNTAX, b->fence,
                   "a plain block holds one sentence; say the rest in the text around it");
    l->clause = POLICY_NONE;
}

/* Not those in the names of clauses. */
static size_t count_stops(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.p[i] == '.' && (i + 1 == s.len || s.p[i + 1] <= ' ');
    return n;
}

/* A norm is a thousand bytes: room for all is taken at once. Few sentences have more norms than stops. */
static void expect_norms(struct load *l)
{
    size_t stops = 0;
    for (size_t i = 0; i < l->n_files; i++)
        for (size_t k = 0; k < l->files[i].n_blocks; k++)
            if (l->files[i].blocks[k].kind == BLOCK_RULE)
                stops += count_stops(policy_place_span(l, l->files[i].blocks[k].body));
    l->norms_room = stops < POLICY_NORMS_MAX ? stops : POLICY_NORMS_MAX;
    l->p->norms = ARENA_ROOM(l->arena, l->norms_room + 1, struct norm);
}

void policy_read_rules(struct load *l)
{
    expect_norms(l);
    for (size_t i = 0; i < l->n_files; i++)
        for (size_t k = 0; k < l->files[i].n_blocks; k++) {
            const struct block *b = &l->files[i].blocks[k];
            if (b->clause == POLICY_NONE)
                continue;
            if (b->kind == BLOCK_RULE)
                read_rule(l, l->files[i].document, b);
            else if (b->kind == BLOCK_PLAIN)
                read_plain(l, b);
        }
}
