// SPDX-License-Identifier: Apache-2.0
/* policy_parse_impl.h: tokens of a block, and the small steps that the parsers are made of. */
#ifndef TROTH_POLICY_PARSE_IMPL_H
#define TROTH_POLICY_PARSE_IMPL_H

#include "policy_impl.h"

enum policy_word {
    WORD_NONE,
#define W(id, spelling, reserved) WORD_##id,
#include "policy_words.def"
#undef W
    WORD_COUNT
};

enum token_kind {
    TOKEN_NAME,
    TOKEN_NUMBER,
    TOKEN_DATE,
    TOKEN_STRING,
    TOKEN_COMMA,
    TOKEN_STOP,
    TOKEN_COLON,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_STAR,
    TOKEN_SLASH,
    TOKEN_BAD, /* `note` says why */
    TOKEN_END
};

struct token {
    enum token_kind kind;
    enum policy_word word;
    struct span text; /* a string's without the quotes */
    struct place place;
    bool first; /* on its line */
    struct span note;
};

struct parse {
    struct load *load;
    struct token *tokens; /* ends with TOKEN_END */
    size_t n, at;
    size_t start;      /* first token of the sentence */
    unsigned document; /* whose block it is */
    unsigned clause;
};

/* policy_lex.c: the tokens of a block's body, in place of those before. */
void policy_lex(struct load *l, struct place body, struct tokens *out);
bool policy_word_reserved(enum policy_word w);
const char *policy_word_text(enum policy_word w);
enum policy_word policy_word_find(struct span s);

/* policy_parse.c: steps. Those that return bool have said what is wrong when they return false. One block at
 * a time: the tokens of the one before are gone. */
struct parse policy_parse_open(struct load *l, struct place body, unsigned document, unsigned clause);
/* Runs `sentence` to the end of the block: one error per sentence, then on behind the next full stop. */
void policy_parse_sentences(struct parse *s, bool (*sentence)(struct parse *));
const struct token *parse_peek(const struct parse *s);
const struct token *parse_ahead(const struct parse *s, size_t n);
bool parse_is(const struct parse *s, enum policy_word w);
bool parse_is_kind(const struct parse *s, enum token_kind k);
/* A name that is not a reserved word. */
bool parse_is_name(const struct token *t);
/* True and past it if the next token is that; otherwise false without a message. */
bool parse_word(struct parse *s, enum policy_word w);
bool parse_kind(struct parse *s, enum token_kind k);
bool parse_need_word(struct parse *s, enum policy_word w);
bool parse_need_kind(struct parse *s, enum token_kind k, const char *what);
/* A name for `what` ("a purpose"). */
bool parse_name(struct parse *s, const char *what, struct token *out);
bool parse_number(struct parse *s, const char *what, uint32_t max, uint32_t *out);
/* NUMBER UNIT */
bool parse_duration(struct parse *s, uint32_t *number, enum policy_until_unit *unit, struct span *spelling);
/* The full stop; `could` names what else may stand here, and is offered as suggestion. */
bool parse_stop(struct parse *s, const char *could);
/* "expected WHAT, found 'x'", or the missing full stop when x opens a line. Returns false. */
bool parse_unexpected(struct parse *s, const char *what);
/* The same; if the word that stands here was surely meant as another, it is suggested. */
bool parse_unexpected_near(struct parse *s, const char *what, const struct nearest *near);
/* In a list joined by `join`: past the separator if the list goes on. */
bool parse_more(struct parse *s, enum policy_word join);
struct span parse_sentence_text(const struct parse *s);
struct place parse_sentence_place(const struct parse *s);

/* policy_act.c: names by position, formulas, acts. */
enum formula_use { USE_FACTS, USE_NEEDS, USE_BOTH };
bool parse_dimension_list(struct parse *s, enum policy_dimension d, enum policy_word join, struct bits *set);
bool parse_dimension_name(struct parse *s, enum policy_dimension d, struct bits *set);
bool parse_formula(struct parse *s, enum formula_use use, struct formula *out);
/* A name or a bracketed formula of needs. */
bool parse_have(struct parse *s, struct formula *out);
bool parse_actors(struct parse *s, struct bits *set);
bool parse_actor(struct parse *s, struct bits *set);
bool parse_kind_name(struct parse *s, enum policy_kind k, unsigned *out);
bool parse_deed(struct parse *s, unsigned *out);
bool parse_act(struct parse *s, enum formula_use facts_use, struct act *act);
void policy_act_init(struct load *l, struct act *act);

/* policy_duties.c */
bool parse_duty(struct parse *s);

#endif
