// SPDX-License-Identifier: Apache-2.0
/*
 * policy_impl.h: what the files of this part share. See DESIGN.md beside it.
 *
 * Reading goes in phases, because names may be used before the file that declares them is read:
 *   markdown -> blocks and clauses -> document names -> catalogues -> documents -> rules -> checks -> index.
 */
#ifndef TROTH_POLICY_IMPL_H
#define TROTH_POLICY_IMPL_H

#include "policy.h"
#include "policy_translate.h"

/* ---- Sets of the members of one dimension. */

#define BITS_WORDS (POLICY_VALUES_MAX / 64)
struct bits {
    uint64_t w[BITS_WORDS];
};

static inline void bits_add(struct bits *b, size_t i)
{
    b->w[i / 64] |= 1ull << (i % 64);
}

static inline bool bits_has(const struct bits *b, size_t i)
{
    return (b->w[i / 64] >> (i % 64)) & 1;
}

static inline void bits_join(struct bits *b, const struct bits *other)
{
    for (size_t i = 0; i < BITS_WORDS; i++)
        b->w[i] |= other->w[i];
}

static inline void bits_drop(struct bits *b, const struct bits *other)
{
    for (size_t i = 0; i < BITS_WORDS; i++)
        b->w[i] &= ~other->w[i];
}

static inline bool bits_empty(const struct bits *b)
{
    uint64_t any = 0;
    for (size_t i = 0; i < BITS_WORDS; i++)
        any |= b->w[i];
    return any == 0;
}

/* ---- Places, names. */

/* Bytes of one source text. */
struct place {
    uint32_t file, offset, len;
};

/* A declared name. */
struct word {
    struct span name, words, source, reason;
    struct place place;
    bool implied; /* a member that only groups name; a deed, audience or channel that no catalogue declares */
};

/* A name that stands for a set of members. */
struct group {
    struct span name;
    struct bits set;
    struct place place;
};

struct dimension {
    struct word *members;
    struct group *groups;
    size_t n, n_groups;
};

struct wordlist {
    struct word *list;
    size_t n;
};

#define POLICY_TOLD_MAX 64 /* audiences; channels */

/* How messages speak of a dimension or a kind. */
struct noun {
    const char *one;  /* "a basis" */
    const char *used; /* how such a name is used in a rule: "on basis of" */
};
extern const struct noun policy_dimension_noun[DIM_COUNT];
extern const struct noun policy_kind_noun[KIND_COUNT];
extern const char *const policy_dimension_word[DIM_COUNT];

/* ---- Formulas, in disjunctive form: true if some term holds. */

#define FORMULA_TERMS_MAX 64 /* the reference policy needs 3 */

struct term {
    uint64_t facts, facts_value; /* holds if (facts stated & facts) == facts_value */
    uint64_t needs, needs_value;
};
/* No terms: false. `policy_formula_true` has one empty term. */
struct formula {
    struct term *terms;
    size_t n;
};

static inline bool term_facts_hold(const struct term *t, uint64_t facts)
{
    return (facts & t->facts) == t->facts_value;
}

/* True for a formula without terms of facts, too. */
static inline bool formula_facts_hold(const struct formula *f, uint64_t facts)
{
    for (size_t i = 0; i < f->n; i++)
        if (term_facts_hold(&f->terms[i], facts))
            return true;
    return false;
}

struct formula policy_formula_true(struct arena *a);
struct formula policy_formula_fact(struct arena *a, unsigned fact);
struct formula policy_formula_need(struct arena *a, unsigned need);
/* False if the result has more than FORMULA_TERMS_MAX terms. Results share nothing with the arguments. */
bool policy_formula_or(struct arena *a, struct formula x, struct formula y, struct formula *out);
bool policy_formula_and(struct arena *a, struct formula x, struct formula y, struct formula *out);
bool policy_formula_not(struct arena *a, struct formula x, struct formula *out);
/* The same terms in any order. */
bool policy_formula_same(struct formula x, struct formula y);

/* ---- Norms. */

enum norm_kind { NORM_GRANT, NORM_BAR, NORM_CONDITION, NORM_WAIVER };
enum must_kind { MUST_HAVE, MUST_MASK, MUST_DEED };

struct must {
    enum must_kind kind;
    struct formula needs; /* MUST_HAVE */
    unsigned index;       /* mask or deed */
    struct place place;
};

struct until {
    unsigned event; /* POLICY_NONE: none */
    uint32_t number;
    enum policy_until_unit unit;
};

/* What is done, by whom, with what, whose, where, for what: the common part of norms and promises. */
struct act {
    struct bits set[DIM_COUNT];
    bool named[DIM_COUNT]; /* false: not mentioned, so the whole dimension */
    struct formula when;
    struct formula needs; /* grants: the alternatives */
    bool has_needs;
    struct until until;
    struct place until_place, needs_place;
};

/* One clause reference of `despite`, resolved to clauses when all rules are read. */
struct despite {
    unsigned document;
    struct span id; /* "share.exc", the family without ".*", or empty for all */
    bool family;
    struct place place;
};

struct norm {
    enum norm_kind kind;
    unsigned clause, document;
    struct act act;
    struct must must;    /* a condition has exactly one: a sentence with three becomes three norms */
    struct must *waives; /* a waiver's musts */
    size_t n_waives;
    struct despite *despite;
    size_t n_despite;
    struct span reason; /* a bar's `as REASON` */
    struct span sentence;
    struct place place;
    uint32_t order; /* of reading */
    unsigned n_fields;
    uint16_t *targets; /* norms it lifts, by `order`; by position once they are sorted */
    size_t n_targets;
    uint64_t *lifts; /* the same as a set, null if none */
};

enum promise_kind { PROMISE_NEVER, PROMISE_ALWAYS, PROMISE_EVERY };

/* Parsed and resolved now; proved by the compiler of section 4. */
struct promise {
    enum promise_kind kind;
    unsigned clause, document;
    struct act act;
    struct must *musts;
    size_t n_musts;
    struct span sentence;
    struct place place;
};

/* ---- Documents. */

struct meaning {
    struct span word;
    uint32_t number;
    struct span unit;
};

struct document {
    struct policy_document pub; /* first: handed out by pointer */
    struct bits scope[DIM_COUNT];
    bool scoped[DIM_COUNT];
    uint32_t prevails; /* documents below this one; transitive after reading */
    struct meaning *means;
    size_t n_means;
    unsigned rank;   /* 0 is the highest */
    unsigned clause; /* of the document block; POLICY_NONE for a bare catalogue */
    bool declared, has_rules;
    struct place place;
};

/* ---- Translations (policy_translate.h). */

struct translated {
    unsigned clause;
    struct span body; /* of a plain; else empty */
    struct place place;
};

struct translation {
    struct policy_translation pub; /* first: handed out by pointer */
    struct translated *clauses;
    size_t n_clauses;
};

/* What one language calls the names; sorted by name once all are read. */
struct lexicon {
    struct span language;
    struct word *list;
    size_t n;
};

/* A line of a `vocabulary` block (policy_vocabulary.h). */
struct vocable {
    struct span name, term;
    struct place place;
};

/* The index that deciding runs on: bit i of a row is norm i. */
struct norm_index {
    size_t words;             /* of one row */
    uint64_t *row[DIM_COUNT]; /* row[d] + value * words: norms whose set (within their document's scope) has
                                 value */
    size_t rows[DIM_COUNT];   /* at least 1: a dimension without names has one value that everything holds */
    uint64_t *kind[4];        /* norms of each enum norm_kind */
    uint64_t *lifters;        /* grants and bars that lift something */
    uint64_t **document;      /* norms of each document */
    unsigned *by_rank;        /* documents that hold norms, highest first */
    size_t n_by_rank;
};

struct policy {
    struct dimension dim[DIM_COUNT];
    struct wordlist kind[KIND_COUNT];
    uint8_t *grade;     /* of each field */
    uint16_t *category; /* of each field */
    struct document *documents;
    size_t n_documents;
    struct policy_clause *clauses;
    size_t n_clauses;
    struct norm *norms; /* grants and bars first, most exceptional first; then conditions and waivers */
    size_t n_norms;
    struct promise *promises;
    size_t n_promises;
    struct policy_duty *duties;
    size_t n_duties;
    struct translation *translations;
    size_t n_translations;
    struct lexicon *lexicons;
    size_t n_lexicons;
    struct vocable *vocables;
    size_t n_vocables;
    struct norm_index index;
    struct span packed; /* the compiled form, and the same opened */
    const struct diagram *diagram;
};

/* ---- Reading. */

enum block_kind {
    BLOCK_DOCUMENT,
    BLOCK_CATALOGUE,
    BLOCK_RULE,
    BLOCK_PLAIN,
    BLOCK_WORDS,
    BLOCK_VOCABULARY,
    BLOCK_KIND_COUNT
};
extern const char *const policy_block_word[BLOCK_KIND_COUNT];

struct block {
    enum block_kind kind;
    struct place info; /* after the first word */
    struct place fence;
    struct place body;
    uint32_t line;   /* of the fence */
    unsigned clause; /* POLICY_NONE for a catalogue */
    bool told;       /* something is wrong with the fence, and was said */
};

struct heading {
    struct span text;
    struct place place;
    uint32_t line;
    bool prose; /* has content of its own besides blocks */
};

struct source_file {
    struct span name, text; /* without a byte order mark */
    uint32_t *line_start;
    size_t n_lines;
    struct block *blocks;
    size_t n_blocks;
    struct heading *headings;
    size_t n_headings;
    unsigned document; /* POLICY_NONE: a file without any block */
};

/* The tokens of one block (policy_parse_impl.h); the room serves for the next. */
struct tokens {
    struct token *list;
    size_t n, cap;
};

struct load {
    struct arena *arena;
    struct policy *p;
    struct policy_messages *m;
    struct source_file *files;
    size_t n_files;
    size_t n_translations;     /* files behind those */
    struct tokens tokens;      /* of the block being read */
    size_t norms_room;         /* for how many p->norms has room */
    unsigned clause;           /* the one being read, for messages; POLICY_NONE */
    size_t said;               /* the message said last; SIZE_MAX: it found no room */
    bool catalogue_broken;     /* a catalogue sentence failed: unknown names in rules are not news */
    bool declared[KIND_COUNT]; /* by a catalogue; what is not may be declared by use (deeds, audiences,
                                  channels) */
};

/* policy_load.c: all phases. What could be read is in l, errors or not. */
void policy_load_open(struct load *l, struct arena *a, const struct policy_source *sources, size_t n,
                      struct policy_messages *m);

/* Room for one more element, zeroed, of an array that only grows; returns the array, maybe moved. */
void *policy_grow(struct arena *a, void *list, size_t n, size_t size);
#define POLICY_PUSH(a, list, n) ((list) = policy_grow((a), (list), (n), sizeof *(list)), &(list)[(n)++])

/* policy_lex.c: characters that only look like ASCII. The character at s.p[at], and its bytes. */
uint32_t policy_glyph(struct span s, size_t at, size_t *width);
bool policy_glyph_invisible(uint32_t c);
/* The ASCII character that c is, or that it is drawn like; 0: none. */
char policy_glyph_ascii(uint32_t c);
/* What is wrong with c, written as `text`, where a name is expected. */
struct span policy_glyph_note(struct arena *a, struct span text, uint32_t c);

/* Adds a message; returns false, so that a parser can `return policy_say(...)`. */
bool policy_say(struct load *l, enum policy_message_kind kind, struct place at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool policy_warn(struct load *l, enum policy_message_kind kind, struct place at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Names the second place of the message just said. */
void policy_say_other(struct load *l, struct place other);
/* Names a request for which the message just said holds. */
void policy_say_witness(struct load *l, const struct policy_request *q);
/* "file:line:column" of a place. */
struct span policy_place_text(struct load *l, struct place at);
struct span policy_place_span(const struct load *l, struct place at);
void policy_messages_sort(struct policy_messages *m);

/* policy_source.c: lines, byte order mark, UTF-8. False: not readable as text. */
bool policy_source_open(struct load *l, unsigned file, const struct policy_source *s);
uint32_t policy_source_line(const struct source_file *f, uint32_t offset); /* 1-based */
struct span policy_source_line_text(const struct source_file *f, uint32_t line);

/* policy_markdown.c: the fenced blocks and headings of one file, and the traps of CommonMark. */
void policy_markdown_read(struct load *l, unsigned file);

/* policy_names.c */
struct nearest {
    struct span want, best;
    unsigned distance;
};
struct nearest policy_nearest(struct span want);
void policy_nearest_try(struct nearest *n, struct span name);
void policy_nearest_dimension(struct nearest *n, const struct policy *p, enum policy_dimension d);
void policy_nearest_kind(struct nearest *n, const struct policy *p, enum policy_kind k);
/* "; did you mean 'x'?" or nothing. */
struct span policy_nearest_text(const struct nearest *n, struct arena *a);
const struct group *policy_group_find(const struct policy *p, enum policy_dimension d, struct span name);
/* Adds what the name stands for; false if the dimension has no such name. */
bool policy_name_set(const struct policy *p, enum policy_dimension d, struct span name, struct bits *set);
void policy_whole(const struct policy *p, enum policy_dimension d, struct bits *set);
/* "'research' is a basis; write 'on basis of research'" if the name is known elsewhere, else empty. */
struct span policy_known_as(const struct policy *p, struct span name, struct arena *a);
unsigned policy_word_add(struct arena *a, struct wordlist *w, struct span name, struct place place);

/* policy_catalogue.c, policy_documents.c, policy_rules.c, policy_duties.c */
void policy_read_catalogues(struct load *l);
void policy_read_vocabularies(struct load *l);
void policy_read_document_names(struct load *l);
void policy_read_documents(struct load *l);
/* False, and said, if anything follows the word of a block that takes no clause id. */
bool policy_nothing_follows(struct load *l, const struct block *b);
void policy_read_rules(struct load *l);
bool policy_reason_known(struct span reason);
/* The closed reason nearest to a misspelt one, as policy_nearest_text. */
struct span policy_reason_suggest(struct arena *a, struct span reason);

/* policy_despite.c: resolves `despite`, finds cycles, puts norms in order; policy_index.c: builds the index.
 */
void policy_resolve_despite(struct load *l);
void policy_index_build(struct load *l);

/* policy_translate.c: documents first, translations behind them; reads these when all else is read. */
const struct policy_source *policy_sources_split(struct load *l, const struct policy_source *sources,
                                                 size_t n);
void policy_read_translations(struct load *l);

/* policy_check.c: what is wrong with the whole. */
void policy_check_all(struct load *l);
/* The operation that keeps a value: `store`, else `keep`; POLICY_NONE. */
unsigned policy_keeping(const struct policy *p);
/* The fields that a permission with `until` names for it. */
struct bits policy_kept_fields(const struct policy *p);

/* policy_decide.c: the steps of one world, in which all facts are known; explain walks the same sets. */
#define NORM_WORDS (POLICY_NORMS_MAX / 64)
struct world {
    uint64_t matched[NORM_WORDS];  /* step 1 */
    uint64_t standing[NORM_WORDS]; /* after step 2 and the waivers of step 5 */
    unsigned speaker;              /* the document whose grants speak (step 4), POLICY_NONE */
};
void policy_world_match(const struct policy *p, const struct policy_request *q, uint64_t facts,
                        struct world *w);
/* Steps 2, 3 and 4 on a set of norms: lifts (waivers too), finds the first ban, the document that speaks. */
void policy_world_lift(const struct policy *p, uint64_t *standing);
bool policy_world_bar(const struct policy *p, const uint64_t *standing, size_t *bar);
unsigned policy_world_speaker(const struct policy *p, const uint64_t *standing);
/* Which of two satisfied grants that rest on the same needs speaks: <0 the first. Never by place. */
int policy_grant_cmp(const struct policy *p, const struct norm *a, const struct norm *b);
/* The grants that fit in every dimension but d, as a set of index.words words, facts left aside. */
void policy_near_set(const struct policy *p, const struct policy_request *q, enum policy_dimension d,
                     uint64_t *set);
bool policy_request_valid(const struct policy *p, const struct policy_request *q);

/* Walks a set of norms, or of anything else that is numbered. */
#define EACH_NORM(set, words, i)                                                                             \
    for (size_t each_w = 0; each_w < (words); each_w++)                                                      \
        for (uint64_t each_b = (set)[each_w];                                                                \
             each_b && ((i) = each_w * 64 + (size_t)__builtin_ctzll(each_b), true); each_b &= each_b - 1)

static inline bool norm_set_has(const uint64_t *set, size_t i)
{
    return (set[i / 64] >> (i % 64)) & 1;
}

#endif
