// SPDX-License-Identifier: Apache-2.0
/* policy_render_impl.h: between the walk over the prose (policy_render.c), the boxes (policy_render_rule.c),
 * names and sets (policy_render_name.c), sentences (policy_render_say.c) and tables (policy_render_table.c).
 */
#ifndef TROTH_POLICY_RENDER_IMPL_H
#define TROTH_POLICY_RENDER_IMPL_H

#include "policy_impl.h"
#include "policy_render.h"

enum render_word {
#define R(id, en, zh) RENDER_##id,
#include "policy_render_words.def"
#undef R
    RENDER_WORDS
};

struct render {
    const struct policy_render *r;
    struct text *out;
    struct policy_outline *outline;
    const struct policy_translation *translation; /* what is shown; null: the document itself */
    struct span language;                         /* of the words: r's */
    struct span catalogue; /* document that declares names: where names link to; empty if there is none */
    struct span *anchored; /* names that have their anchor already */
    size_t n_anchored;
    unsigned n_shown[BLOCK_KIND_COUNT]; /* blocks without an id, so far */
    bool titled;                        /* the level-1 heading was passed */
    bool opens;                         /* the next word of a block is the first of its sentence */
    unsigned silent;                    /* depth inside an element that is left out */
};

/* ---- policy_render.c */
struct render policy_render_open(const struct policy_render *r, struct text *out,
                                 struct policy_outline *outline);
/* A heading that no source has: anchor and text go into the outline. */
void policy_render_heading(struct render *s, unsigned level, const char *id, enum render_word text);

/* ---- policy_render_rule.c */
/* The kind of block its info string opens; BLOCK_KIND_COUNT for other code. `rest` is the clause id. */
enum block_kind policy_render_kind(struct span info, struct span *rest);
/* The box of one block; `clause` is POLICY_NONE for a block that is no clause. */
void policy_render_block(struct render *s, enum block_kind kind, struct span id, struct span body,
                         unsigned clause);
/* The address of a document, without a place in it. */
void policy_render_put_address(struct render *s, struct span document);
/* <a href> of a clause; the caller closes it. */
void policy_render_clause_link(struct render *s, struct span document, struct span id);

/* ---- policy_render_name.c */
const char *policy_render_word(const struct render *s, enum render_word w);
void policy_render_say(struct render *s, enum render_word w);
bool policy_render_chinese(const struct render *s);
/* A name or free word, said and escaped. */
void policy_render_put_name(struct render *s, struct span name);
void policy_render_put_meaning(struct render *s, enum policy_kind k, unsigned index);
/* An audience or a channel. */
void policy_render_put_told(struct render *s, enum policy_kind k, unsigned index);
/* Where a need is obtained. */
void policy_render_put_source(struct render *s, struct span source);
/* "a, b or c" as written in the source: names of a list, said. */
void policy_render_put_list(struct render *s, struct span list);
/* The members, groups standing for theirs. */
void policy_render_put_set(struct render *s, enum policy_dimension d, const struct bits *set);
bool policy_render_whole(const struct render *s, enum policy_dimension d, const struct bits *set);

/* ---- policy_render_say.c */
/* The sentences of a clause as a list; nothing if it has none. */
void policy_render_sentences(struct render *s, unsigned clause);
/* One sentence, with its stop; a norm stands for all that its sentence requires. */
void policy_render_put_norm(struct render *s, const struct norm *n);
void policy_render_put_promise(struct render *s, const struct promise *m);
void policy_render_put_duty(struct render *s, const struct policy_duty *d);
/* Who does what with what, without a stop. */
void policy_render_put_act(struct render *s, const struct act *act);
void policy_render_put_needs(struct render *s, const struct formula *needs);
void policy_render_put_until(struct render *s, const struct until *u);
void policy_render_put_duration(struct render *s, uint32_t number, struct span unit);
/* Cells about an act: what data and whose; what it asks for, where it applies and under which facts; what
 * for. */
void policy_render_put_data(struct render *s, const struct act *act);
void policy_render_put_terms(struct render *s, const struct act *act);
void policy_render_put_purpose(struct render *s, const struct act *act);
/* Cells of the table of duties. `cell`: the deadline stands by itself. */
void policy_render_put_occasion(struct render *s, const struct policy_duty *d);
void policy_render_put_actor(struct render *s, const struct policy_duty *d);
void policy_render_put_deed(struct render *s, const struct policy_duty *d);
void policy_render_put_deadline(struct render *s, const struct policy_duty *d, bool cell);
/* Grants that give something to somebody else. */
bool policy_render_outward(const struct render *s, const struct act *act);

/* ---- policy_render_table.c */
void policy_render_tables(struct render *s);

#endif
