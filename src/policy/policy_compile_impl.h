// SPDX-License-Identifier: Apache-2.0
/*
 * policy_compile_impl.h: building the diagrams of policy_diagram_impl.h, and going over all combinations.
 *
 * Both are one recursion: at each level the set of norms that still match meets the row of each atom, and
 * what differs is remembered by (level, set). A norm whose facts have several cases ("when a or b") is as
 * many elements of the set, one for each case, so that facts are rows like any other value.
 *
 * Everything here lives in a scratch arena that is gone when the policy is loaded.
 */
#ifndef TROTH_POLICY_COMPILE_IMPL_H
#define TROTH_POLICY_COMPILE_IMPL_H

#include "policy_diagram_impl.h"

/* Stated limits (section 4): a policy beyond them is refused, naming the sentence that led there. */
#define COMPILE_CASES_MAX 8192    /* norms times the cases of their facts */
#define COMPILE_NODES_MAX 200000  /* nodes and leaves of each half: some megabytes */
#define COMPILE_STEPS_MAX 8000000 /* atoms gone over, and SET_STEPS for each set: a few seconds */
#define SET_STEPS         8       /* so that sets take some hundred megabytes at most */

#define WORK_CHUNK (1 << 18) /* of the arenas that end with compiling */

#define KIND_SET(kind) (1u << (kind))
#define GROUND_KINDS   (KIND_SET(NORM_GRANT) | KIND_SET(NORM_BAR))
#define BIND_KINDS     (KIND_SET(NORM_CONDITION) | KIND_SET(NORM_WAIVER))

/* The values of each dimension that no norm and no document's scope tells apart. */
struct atoms {
    unsigned n[DIM_COUNT];
    uint16_t *of[DIM_COUNT];    /* value -> atom */
    uint16_t *first[DIM_COUNT]; /* atom -> its first value; POLICY_NONE: one that this policy does not know */
    uint32_t *scope[DIM_COUNT]; /* atom -> documents whose scope holds it */
};

/* One level: the rows of its atoms. */
struct axis {
    unsigned id, n;
    uint64_t *row;  /* n rows */
    uint64_t *same; /* the cases that hold in every row: this level does not matter to them */
};

/* Norms of some kinds, by case. */
struct cases {
    const struct policy *p;
    const struct atoms *atoms;
    size_t n, words;
    uint16_t *norm;    /* of each case; ascending */
    uint64_t *all;     /* every case */
    uint64_t *kind[4]; /* of each enum norm_kind */
    uint64_t **lifts;  /* cases that each case lifts; null if none */
    uint64_t **lifter; /* cases that lift it; null if none */
    uint64_t **above;  /* by document: permissions of documents that rank higher */
    uint64_t **below;  /* and of those that rank lower */
    struct axis axis[DIAGRAM_AXES];
    unsigned n_axes;
};

/* policy_cases.c */
struct atoms *policy_atoms(const struct policy *p, struct arena *scratch);
/* Null: more than COMPILE_CASES_MAX; *culprit is the norm that passed it. */
struct cases *policy_cases(const struct policy *p, const struct atoms *atoms, unsigned kinds,
                           struct arena *scratch, size_t *culprit);

/* The cases of the norms from `from` up to but not including `to`. */
uint64_t *policy_cases_of(const struct cases *c, size_t from, size_t to, struct arena *scratch);

static inline uint64_t *cases_row(const struct cases *c, const struct axis *a, unsigned atom)
{
    return a->row + atom * c->words;
}

static inline bool set_meets(const uint64_t *a, const uint64_t *b, size_t words)
{
    uint64_t any = 0;
    for (size_t w = 0; w < words; w++)
        any |= a[w] & b[w];
    return any != 0;
}

static inline bool set_empty(const uint64_t *a, size_t words)
{
    return !set_meets(a, a, words);
}

static inline void set_drop(uint64_t *a, const uint64_t *b, size_t words)
{
    for (size_t w = 0; w < words; w++)
        a[w] &= ~b[w];
}

static inline void set_put(uint64_t *set, size_t i)
{
    set[i / 64] |= 1ull << (i % 64);
}

static inline void set_out(uint64_t *set, size_t i)
{
    set[i / 64] &= ~(1ull << (i % 64));
}

/* ---- A table from keys of words to numbers, and from those to values; open addressing. */
struct memo_slot {
    uint32_t key, hash; /* key: its number + 1, 0 empty */
};
struct memo {
    struct arena *arena;
    size_t words;     /* of a key */
    uint64_t *keys;   /* of number i: at i * words */
    uint32_t *values; /* by number */
    size_t n, cap;
    struct memo_slot *slots;
    size_t n_slots;
};
/* `slots`: a power of two to begin with; three of four may be taken. */
#define MEMO_SMALL 32 /* most are small, and there are hundreds */
struct memo policy_memo(struct arena *a, size_t words, size_t slots);
/* The number of the key: as many as there were before, if it is new. Its value is UINT32_MAX then. */
uint32_t policy_memo_number(struct memo *m, const uint64_t *key);

/* The value of the key. Valid until the next call. */
static inline uint32_t *policy_memo_slot(struct memo *m, const uint64_t *key)
{
    uint32_t number = policy_memo_number(m, key);
    return &m->values[number];
}

/* ---- Building one half.
 *
 * One recursion, two ways to keep what it makes:
 *
 *   whole     nodes and leaves as they are: what two policies are compared by
 *   factored  what all answers below a node have in common stands above it: what is packed. A permission or
 *             condition that is sure, whatever follows, is put above at once and leaves the set, so that far
 *             fewer sets differ; policy_compile_factor.c
 */

/* A reference of the whole form: BUILD_LEAF | leaf, or the place of a node in `cells`: axis, atoms, children.
 */
#define BUILD_LEAF 0x80000000u
struct factored;
struct building {
    const struct cases *c;
    enum diagram_half half;
    struct factored *factored; /* null: whole */
    struct arena *scratch;     /* holds what is built */
    struct arena *work;        /* lends what only building needs; null: scratch, for as long as that lives */
    unsigned order[DIAGRAM_AXES]; /* indices of c->axis */
    uint64_t **rest;              /* for each level: cases no later level matters to */
    uint64_t **stack;             /* for each level: the level, the set, the set before */
    uint64_t **child;             /* for each level: what was made of each atom */
    struct memo memo;             /* (level, set) -> number */
    uint64_t *made;               /* number -> reference or edge; BUILD_NONE */
    size_t cap_made;
    uint32_t *cells;
    size_t n_cells, cap_cells;
    uint32_t *node_slots; /* hash-consing */
    size_t n_node_slots, n_nodes;
    uint16_t *leaves; /* all leaves: length, then content */
    size_t n_leaf_words, cap_leaf_words;
    uint32_t *leaf_slots;
    size_t n_leaf_slots;
    uint32_t *leaf_at; /* leaf -> place in `leaves` */
    size_t n_leaves, cap_leaves;
    size_t size, size_max;   /* words that nodes and leaves will take when packed */
    size_t steps, steps_max; /* atoms gone over */
    size_t nodes_max;        /* nodes and leaves */
    bool over;               /* a maximum was reached: what was built is worthless */
    uint64_t root;
};

/* The levels from the top: a permutation of all axes, dimensions before facts. */
struct level_order {
    uint8_t axis[DIAGRAM_AXES];
};
/* `start`: the cases to build from; null: all. b->size_max, steps_max, nodes_max, work and factored must be
 * set. */
void policy_build(struct building *b, const struct cases *c, enum diagram_half half,
                  const struct level_order *order, const uint64_t *start, struct arena *scratch);
/* policy_compile_leaf.c: the leaf of a set at the last level, as 16-bit words in `out`; returns how many. */
size_t policy_build_leaf(const struct building *b, const uint64_t *set, uint16_t *out, size_t max);
/* Takes out of the set what can no longer matter at this level. */
void policy_build_settle(const struct building *b, unsigned level, uint64_t *set);
/* Takes out of the set what is sure to be part of the answer, unless that is a ban; adds it to `norms`, which
 * is cleared first. False: nothing. */
bool policy_build_sure(const struct building *b, unsigned level, uint64_t *set, uint64_t *norms);
/* A longer copy of a list that is full: twice the room until `want` fits. */
void *policy_build_grown(struct arena *a, const void *list, size_t n, size_t *cap, size_t want, size_t size);

/* policy_compile_factor.c: the factored form.
 * An edge is a set of norms << 32 | target: FACTORED_END, BUILD_LEAF | the norm of a ban, or the place of a
 * node in `cells`. A node is
 *
 *   axis << 32 | atoms
 *   free << 32 | classes      (free: for whoever packs it)
 *   the edge of each class, in the order in which the atoms have them
 *   the class of each atom, 16 bits each
 *
 * so that one with a hundred atoms and three classes is short: memory that is touched for the first time is
 * what building waits for most. Children stand before their parents. */
#define FACTORED_END UINT32_MAX
struct factored {
    struct arena *scratch;
    struct memo sets; /* of norms; number 0 is empty; the words of number i are keys + i * words */
    uint64_t *cells;
    size_t n_cells, cap_cells, n_nodes;
    uint32_t *slots; /* place in cells, plus one */
    size_t n_slots;
    uint64_t root;
};
void policy_factored_open(struct factored *f, const struct building *b);
/* The edge of a set at the last level. */
uint64_t policy_factored_leaf(struct factored *f, const struct building *b, const uint64_t *set);
/* The edge to the node with these edges to its n atoms; the words that are new, in *size. */
uint64_t policy_factored_node(struct factored *f, unsigned axis, const uint64_t *child, unsigned n,
                              size_t *size);
/* The edge with these norms in its set, too. */
uint64_t policy_factored_above(struct factored *f, uint64_t edge, const uint64_t *norms);
/* The edge that all begins with. */
uint64_t policy_factored_root(uint64_t edge);

static inline unsigned factored_axis(const uint64_t *cell)
{
    return (unsigned)(cell[0] >> 32);
}
static inline unsigned factored_count(const uint64_t *cell)
{
    return (unsigned)cell[0];
}
static inline unsigned factored_classes(const uint64_t *cell)
{
    return (uint32_t)cell[1];
}
static inline size_t factored_len(const uint64_t *cell)
{
    return 2 + (size_t)factored_classes(cell) + (factored_count(cell) + 3) / 4;
}

/* policy_compile.c: sets p->packed and p->diagram. False: a limit was passed; l->m has the message. */
struct compiled {
    struct atoms *atoms;
    struct cases *half[HALF_COUNT];
    struct level_order order;
    struct arena *scratch;
};
bool policy_compile(struct load *l, struct compiled *k);

/* policy_compile_pack.c: the bytes, in `a`. */
const uint8_t *policy_pack(struct arena *a, const struct compiled *c, struct factored *halves, size_t *len);

/* ---- Going over combinations. */

/* A part of all requests: these values, and facts that are fixed. */
struct box {
    struct bits value[DIM_COUNT];
    uint64_t facts, facts_value;
};
struct box policy_box_all(const struct policy *p);
/* The part of the box that the act and its document's scope hold; false if nothing is left. Facts are left
 * aside. */
bool policy_box_meet(const struct policy *p, struct box *b, const struct act *act, unsigned document);
/* The norms that match some request of the box, facts left aside. */
void policy_box_norms(const struct policy *p, const struct box *b, uint64_t *norms);
/* A request of the box: the first value of each dimension. */
struct policy_request policy_box_first(const struct policy *p, const struct box *b);

/* Goes over the sets of norms that match together, each once, for requests of a box. */
struct sweep {
    const struct cases *c;
    struct box box;
    const uint64_t *start;   /* the cases looked at; null: all */
    const uint64_t *must[2]; /* sets of cases; of each at least one must match, or it is of no interest */
    bool (*visit)(struct sweep *s, const uint64_t *norms); /* true: enough */
    void *arg;
    size_t steps_max;         /* sets gone into; */
    bool over;                /* more than that: not all was seen */
    struct policy_request at; /* a request with which these norms match; its needs are empty */
};
/* True if a visit said so; s->at is then the witness. The workspace is given back to `scratch`. */
bool policy_sweep(struct sweep *s, struct arena *scratch);

/* policy_analyse.c, policy_analyse_norms.c, policy_prove.c: what is wrong with the norms together (section
 * 5). */
struct analysis {
    struct load *l;
    const struct policy *p;
    const struct compiled *k;
    struct arena *scratch;
};
void policy_analyse(struct load *l, const struct compiled *k);
void policy_analyse_norms(struct analysis *a);
void policy_analyse_promises(struct analysis *a);
void policy_analyse_keeping(struct analysis *a);
void policy_analyse_masks(struct analysis *a);

#endif
