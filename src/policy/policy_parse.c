// SPDX-License-Identifier: Apache-2.0
/* policy_parse.c: the small steps of the recursive descent, and what is said when one cannot be taken. */
#include "policy_parse_impl.h"

struct parse policy_parse_open(struct load *l, struct place body, unsigned document, unsigned clause)
{
    struct parse s = {.load = l, .document = document, .clause = clause};
    policy_lex(l, body, &l->tokens);
    s.tokens = l->tokens.list;
    s.n = l->tokens.n;
    return s;
}

const struct token *parse_ahead(const struct parse *s, size_t n)
{
    return &s->tokens[s->at + n < s->n ? s->at + n : s->n - 1];
}

const struct token *parse_peek(const struct parse *s)
{
    return parse_ahead(s, 0);
}

bool parse_is(const struct parse *s, enum policy_word w)
{
    return parse_peek(s)->word == w;
}

bool parse_is_kind(const struct parse *s, enum token_kind k)
{
    return parse_peek(s)->kind == k;
}

bool parse_is_name(const struct token *t)
{
    return t->kind == TOKEN_NAME && !policy_word_reserved(t->word);
}

bool parse_word(struct parse *s, enum policy_word w)
{
    if (!parse_is(s, w))
        return false;
    s->at++;
    return true;
}

bool parse_kind(struct parse *s, enum token_kind k)
{
    if (!parse_is_kind(s, k))
        return false;
    if (k != TOKEN_END)
        s->at++;
    return true;
}

/* ---- What is wrong. */

static const struct token *previous(const struct parse *s)
{
    return s->at > s->start ? &s->tokens[s->at - 1] : NULL;
}

static struct place behind(const struct token *t)
{
    return (struct place){t->place.file, t->place.offset + t->place.len, 0};
}

/* A word that is nearly a keyword was meant as one: `fro` at a line's start is not a forgotten full stop. */
static const char *keyword_near(const struct parse *s, const struct token *t)
{
    if (t->kind == TOKEN_NAME && span_is(t->text, "if"))
        return s->at > s->start && s->tokens[s->at - 1].word == WORD_ONLY ? "with" : "when";
    if (t->kind != TOKEN_NAME || t->word != WORD_NONE || t->text.len < 2)
        return NULL;
    for (int w = WORD_NONE + 1; w < WORD_COUNT; w++) {
        struct span word = span_str(policy_word_text((enum policy_word)w));
        unsigned d = span_distance(t->text, word);
        if (policy_word_reserved((enum policy_word)w) && (d == 0 || (d == 1 && word.len > 2)))
            return policy_word_text((enum policy_word)w);
    }
    return NULL;
}

static struct span found_text(struct parse *s, const struct token *t)
{
    if (t->kind == TOKEN_END)
        return SPAN("the end of the block");
    if (t->word != WORD_NONE && policy_word_reserved(t->word))
        return arena_fmt(s->load->arena, "the keyword '%.*s'", SPAN_F(t->text));
    return arena_fmt(s->load->arena, "'%.*s'", SPAN_F(policy_place_span(s->load, t->place)));
}

static bool say_bad(struct parse *s, const struct token *t)
{
    if (span_is(policy_place_span(s->load, t->place), ";"))
        return policy_say(s->load, MSG_SYNTAX, t->place, "';' ends no sentence; write '.'");
    return policy_say(s->load, MSG_SYNTAX, t->place, "%.*s", SPAN_F(t->note));
}

/* A list that opens a line after a sentence without its full stop: the fault is where that line ends. */
static bool opens_next(const struct parse *s, const struct token *t)
{
    return s->at > s->start && (t->first || t->kind == TOKEN_END);
}

bool parse_unexpected(struct parse *s, const char *what)
{
    const struct token *t = parse_peek(s);
    if (t->kind == TOKEN_BAD)
        return say_bad(s, t);
    struct span found = found_text(s, t);
    const char *near = keyword_near(s, t);
    if (near)
        return policy_say(s->load, MSG_SYNTAX, t->place, "expected %s, found %.*s; did you mean '%s'?", what,
                          SPAN_F(found), near);
    if (opens_next(s, t))
        return policy_say(s->load, MSG_SYNTAX, behind(previous(s)),
                          "the sentence is not finished here: expected %s, found %.*s", what, SPAN_F(found));
    return policy_say(s->load, MSG_SYNTAX, t->place, "expected %s, found %.*s", what, SPAN_F(found));
}

bool parse_unexpected_near(struct parse *s, const char *what, const struct nearest *near)
{
    const struct token *t = parse_peek(s);
    if (t->kind != TOKEN_NAME || near->best.len == 0)
        return parse_unexpected(s, what);
    return policy_say(s->load, MSG_SYNTAX, t->place, "expected %s, found %.*s; did you mean '%.*s'?", what,
                      SPAN_F(found_text(s, t)), SPAN_F(near->best));
}

bool parse_stop(struct parse *s, const char *could)
{
    if (parse_kind(s, TOKEN_STOP))
        return true;
    const struct token *t = parse_peek(s);
    if (t->kind != TOKEN_BAD && opens_next(s, t) && !keyword_near(s, t))
        return policy_say(s->load, MSG_SYNTAX, behind(previous(s)),
                          "the full stop at the end of this sentence is missing");
    return parse_unexpected(s, could);
}

bool parse_need_word(struct parse *s, enum policy_word w)
{
    if (parse_word(s, w))
        return true;
    struct span what = arena_fmt(s->load->arena, "'%s'", policy_word_text(w));
    return parse_unexpected(s, arena_str(s->load->arena, what));
}

bool parse_need_kind(struct parse *s, enum token_kind k, const char *what)
{
    return parse_kind(s, k) || parse_unexpected(s, what);
}

bool parse_name(struct parse *s, const char *what, struct token *out)
{
    const struct token *t = parse_peek(s);
    *out = *t;
    if (parse_is_name(t))
        return parse_kind(s, TOKEN_NAME);
    return parse_unexpected(s, what);
}

bool parse_number(struct parse *s, const char *what, uint32_t max, uint32_t *out)
{
    const struct token *t = parse_peek(s);
    uint64_t v = 0;
    if (t->kind != TOKEN_NUMBER)
        return parse_unexpected(s, what);
    if (!span_u64(t->text, max, &v))
        return policy_say(s->load, MSG_SYNTAX, t->place, "'%.*s' is too large; expected %s", SPAN_F(t->text),
                          what);
    *out = (uint32_t)v;
    s->at++;
    return true;
}

static const char *const unit_name[] = {
    [UNTIL_HOURS] = "hours",   [UNTIL_DAYS] = "days",   [UNTIL_WORKING_DAYS] = "working-days",
    [UNTIL_MONTHS] = "months", [UNTIL_YEARS] = "years",
};

bool parse_duration(struct parse *s, uint32_t *number, enum policy_until_unit *unit, struct span *spelling)
{
    if (!parse_number(s, "a number", 100000, number))
        return false;
    const struct token *t = parse_peek(s);
    struct nearest near = policy_nearest(t->text);
    for (int u = UNTIL_HOURS; u <= UNTIL_YEARS; u++) {
        *unit = (enum policy_until_unit)u;
        if (t->kind == TOKEN_NAME && span_is(t->text, unit_name[u])) {
            *spelling = span_str(unit_name[u]);
            return parse_kind(s, TOKEN_NAME);
        }
        policy_nearest_try(&near, span_str(unit_name[u]));
    }
    if (t->kind != TOKEN_NAME)
        return parse_unexpected(s, "hours, days, working-days, months or years");
    struct span meant = policy_nearest_text(&near, s->load->arena);
    if (meant.len == 0)
        meant = SPAN("; write hours, days, working-days, months or years");
    return policy_say(s->load, MSG_SYNTAX, t->place, "'%.*s' is no unit of time%.*s", SPAN_F(t->text),
                      SPAN_F(meant));
}

/* ---- Lists. */

/* Section 2: a comma ends the list if what follows is `NAME must`, `NAME need`, `we` or a keyword. */
static bool comma_ends_list(const struct parse *s)
{
    const struct token *next = parse_ahead(s, 1), *after = parse_ahead(s, 2);
    if (next->word == WORD_ANY || next->word == WORD_GRADE)
        return false;
    if (next->word != WORD_NONE && policy_word_reserved(next->word))
        return true;
    return after->word == WORD_MUST || after->word == WORD_NEED;
}

bool parse_more(struct parse *s, enum policy_word join)
{
    if (parse_word(s, join))
        return true;
    if (!parse_is_kind(s, TOKEN_COMMA) || comma_ends_list(s))
        return false;
    return parse_kind(s, TOKEN_COMMA);
}

/* ---- Sentences. */

struct place parse_sentence_place(const struct parse *s)
{
    const struct token *first = &s->tokens[s->start];
    const struct token *last = s->at > s->start ? &s->tokens[s->at - 1] : first;
    uint32_t end = last->place.offset + last->place.len;
    return (struct place){first->place.file, first->place.offset, end - first->place.offset};
}

struct span parse_sentence_text(const struct parse *s)
{
    return policy_place_span(s->load, parse_sentence_place(s));
}

/* `share.exc-01` and `31.12.2026` hold stops that end nothing: a name, star or further number follows
 * at once. */
static bool ends_sentence(const struct parse *s, size_t i)
{
    const struct token *t = &s->tokens[i], *next = &s->tokens[i + 1 < s->n ? i + 1 : i];
    bool touches = next->place.offset == t->place.offset + 1;
    bool number = next->kind == TOKEN_NUMBER && i > 0 && s->tokens[i - 1].kind == TOKEN_NUMBER;
    bool inside = next->kind == TOKEN_NAME || next->kind == TOKEN_STAR || number;
    return t->kind == TOKEN_STOP && !(touches && inside);
}

/* U+3002, reported already, was meant as the full stop. */
static bool wide_stop(const struct token *t)
{
    return t->kind == TOKEN_BAD && span_is(t->text, "\xe3\x80\x82");
}

static void recover(struct parse *s)
{
    if (s->at > s->start && ends_sentence(s, s->at - 1))
        return;
    while (!parse_is_kind(s, TOKEN_END) && !ends_sentence(s, s->at) && !wide_stop(parse_peek(s)))
        s->at++;
    if (!parse_is_kind(s, TOKEN_END))
        s->at++;
}

void policy_parse_sentences(struct parse *s, bool (*sentence)(struct parse *))
{
    unsigned clause = s->load->clause;
    s->load->clause = s->clause;
    while (!parse_is_kind(s, TOKEN_END)) {
        s->start = s->at;
        if (!sentence(s))
            recover(s);
    }
    s->load->clause = clause;
}
