// SPDX-License-Identifier: Apache-2.0
/*
 * policy_diff_impl.h: between the files that compare two policies.
 *
 * names -> norms -> forest -> walk -> changes. Both sides are built again over one list of names, one set of
 * atoms and one order of levels, into one forest in which equal parts are one: where the two sides stand on
 * the same place, nothing below can differ.
 */
#ifndef TROTH_POLICY_DIFF_IMPL_H
#define TROTH_POLICY_DIFF_IMPL_H

#include "policy_answer_impl.h"
#include "policy_diff.h"
#include "policy_survey_impl.h"

/* ---- Names (policy_diff_names.c): the new side's in its order, then those that only the old one knows. */

struct diff_names {
    struct policy both; /* a shell with the names of both: good for printing requests and regions */
    const struct policy *side[DIFF_SIDES];
    size_t values[DIM_COUNT];             /* at least 1 */
    uint16_t *own[DIFF_SIDES][DIM_COUNT]; /* value -> the side's own, POLICY_NONE: it knows none */
    struct bits common[DIM_COUNT];        /* values that both know */
    struct bits person;                   /* actors whose own acts these are */
    uint16_t *kind_own[DIFF_SIDES][KIND_COUNT];
    uint16_t *kind_of[DIFF_SIDES][KIND_COUNT]; /* the side's own -> both */
};

enum err policy_diff_names(const struct policy *old, const struct policy *new, struct arena *a,
                           struct diff_names **out, struct fail *f);
/* The side's bits of facts, needs or deeds, in the numbers of both, and the other way (what the side does not
 * know is dropped). */
uint64_t diff_word_of(const struct diff_names *n, enum policy_side side, enum policy_kind k, uint64_t own);
uint64_t diff_word_own(const struct diff_names *n, enum policy_side side, enum policy_kind k, uint64_t both);
/* The same of the values of one dimension. */
struct bits diff_bits_of(const struct diff_names *n, enum policy_side side, enum policy_dimension d,
                         const struct bits *own);
/* The request in the side's own numbers; false: it does not know a value. */
bool diff_request_own(const struct diff_names *n, enum policy_side side, const struct policy_request *both,
                      struct policy_request *own);

/* ---- Equal things are one (policy_diff_forest.c). */

struct intern {
    struct arena *arena;
    struct span *list;
    size_t n, cap;
    uint32_t *slots;
    size_t n_slots;
};
struct intern diff_intern_new(struct arena *a);
uint32_t diff_intern(struct intern *t, const void *bytes, size_t len);

/* ---- Norms (policy_diff_norms.c). */

/* A norm by what it says about the names that both sides know. */
struct diff_key {
    uint16_t norm[DIFF_SIDES]; /* the first of each side that says it; POLICY_NONE */
    bool lifts_otherwise;      /* on both sides, and lifts other sentences there */
};
/* A sentence and what became of it. */
struct diff_group {
    unsigned norm[DIFF_SIDES]; /* its first norm; POLICY_NONE: none on this side */
};
struct diff_norms {
    struct diff_key *keys;
    size_t n_keys;
    uint32_t *key[DIFF_SIDES]; /* norm -> key */
    struct diff_group *groups;
    size_t n_groups;
    uint32_t *group[DIFF_SIDES]; /* norm -> group */
    uint64_t *
        *needs[DIFF_SIDES]; /* norm -> its need-sets, in the numbers of both: a grant's, a condition's */
};
/* A formula of the side as bytes, in the numbers of both; the order of its terms makes no difference. And
 * what must be done. */
void diff_terms_put(const struct diff_names *n, int side, const struct formula *f, enum policy_kind k,
                    struct text *t);
void diff_must_put(const struct diff_names *n, int side, const struct must *m, struct text *t);
/* Without comments and runs of blanks. */
void diff_words_put(struct span sentence, struct text *t);
void policy_diff_norms(const struct diff_names *n, struct arena *a, struct diff_norms *out);

static inline bool diff_key_changed(const struct diff_key *k)
{
    return k->norm[DIFF_OLD] == POLICY_NONE || k->norm[DIFF_NEW] == POLICY_NONE;
}

/* The need-sets of a norm: what a grant asks for, what a condition requires. */
static inline const struct formula *diff_needs(const struct norm *n)
{
    return n->kind == NORM_CONDITION ? &n->must.needs : &n->act.needs;
}

/* ---- The forest. */

#define DIFF_LEAF 0x80000000u

/* The first word of a leaf; then keys of norms. */
enum diff_leaf { LEAF_DENIED, LEAF_BARRED, LEAF_PERMIT, LEAF_BIND };

struct diff_forest {
    const struct diff_names *names;
    const struct diff_norms *norms;
    struct arena *arena;
    struct intern nodes, leaves;           /* words: axis, children; tag, keys */
    uint32_t root[DIFF_SIDES][HALF_COUNT]; /* DIFF_LEAF | leaf, or a node */
    uint8_t axis[DIAGRAM_AXES];            /* level -> axis */
    uint8_t level[DIAGRAM_AXES];           /* axis -> level */
    unsigned n_atoms[DIAGRAM_AXES];
    uint16_t *atom_first[DIM_COUNT]; /* atom -> a value of it */
    struct bits *atom[DIM_COUNT];    /* atom -> its values */
    unsigned *atom_width[DIM_COUNT]; /* how many they are */
    bool scoped;                     /* the documents do not apply to the same requests on both sides */
    uint64_t scopes[DIFF_SIDES];     /* scopes of the documents of each side, as bits */
    uint64_t *scope[DIFF_SIDES][DIM_COUNT]; /* atom -> scopes that hold it */
    uint64_t scope_varies[DIM_COUNT];       /* scopes that this dimension narrows */
};
#define SCOPE_UNKNOWN (1ull << 63) /* the side does not know a value: what applies is not compared */

enum err policy_diff_forest(const struct diff_names *n, const struct diff_norms *norms, struct arena *a,
                            struct diff_forest *out, struct fail *f);

static inline const uint32_t *diff_node(const struct diff_forest *x, uint32_t ref)
{
    return (const uint32_t *)(const void *)x->nodes.list[ref].p;
}
static inline const uint32_t *diff_leaf(const struct diff_forest *x, uint32_t ref, size_t *n)
{
    struct span s = x->leaves.list[ref & ~DIFF_LEAF];
    *n = s.len / sizeof(uint32_t);
    return (const uint32_t *)(const void *)s.p;
}

/* ---- The walk. */

#define GROUP_SCOPE UINT32_MAX /* no sentence: what documents apply to, or how they rank */

/* One region: where the answers differ because of one sentence, with one effect. */
struct diff_class {
    uint32_t group;
    enum policy_effect effect;
    unsigned differs;
    double size;
    struct policy_request at; /* in the numbers of both */
    struct bits value[DIM_COUNT];
    uint64_t facts_true, facts_false;
    unsigned full; /* dimensions of which all values are in */
};

struct diff_spot {
    uint32_t ref[DIFF_SIDES][HALF_COUNT];
    uint64_t docs[DIFF_SIDES];
    bool who_known, person;
};

struct diff_walk {
    const struct diff_forest *x;
    struct arena *arena;
    struct policy_request at; /* in the numbers of both */
    struct diff_class *classes;
    size_t n_classes;
    bool crowded; /* an answer has more ways than are compared */
};
enum err policy_diff_walk(const struct diff_forest *x, struct arena *a, struct diff_walk *w, struct fail *f);

/* policy_diff_leaf.c: the classes of one pair of answers, for the request w->at; returns how many. */
#define LEAF_CLASSES_MAX 16
size_t policy_diff_leaf(struct diff_walk *w, const struct diff_spot *s, uint32_t out[LEAF_CLASSES_MAX]);
uint32_t diff_class_of(struct diff_walk *w, uint32_t group, enum policy_effect effect, unsigned differs,
                       uint64_t needs);

enum policy_effect policy_effect_of(unsigned differs, bool person);

/* ---- Changes. */

/* What is told of a change besides its sentences. */
struct change_rest {
    const struct norm *norm[DIFF_SIDES];
    const struct promise *promise[DIFF_SIDES];
    const struct policy_duty *duty[DIFF_SIDES];
    const struct diff_class *region;
    uint32_t number[DIFF_SIDES];  /* of a meaning, a grade */
    struct span text[DIFF_SIDES]; /* the unit of a meaning, a source */
    unsigned fact;                /* SOURCE: 1 if it is a fact's */
};
struct changes {
    struct policy_diff *out;
    const struct diff_names *names;
    struct arena *arena;
};
struct policy_change *diff_change(struct changes *c, enum policy_change_kind kind);
/* policy_diff_rest.c: duties, promises, meanings, grades, sources. */
void policy_diff_rest(struct changes *c);

/* policy_diff_length.c: DIFFERS_LATER, DIFFERS_EARLIER, 0 for the same length, or DIFFERS_OTHER where the
 * calendar decides which is longer. */
unsigned diff_longer(uint32_t old, enum policy_until_unit old_unit, uint32_t new,
                     enum policy_until_unit new_unit);
/* UNTIL_NONE: an empty name, or one that is none. */
enum policy_until_unit diff_unit(struct span name);

#endif
