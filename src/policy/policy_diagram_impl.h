// SPDX-License-Identifier: Apache-2.0
/*
 * policy_diagram_impl.h: the compiled form (section 4): what decides, and what is proved.
 *
 * Two reduced decision diagrams over the same levels, packed into one run of bytes without pointers:
 *
 *   ground   permissions and bans: nothing is said | the ban that stands | the permissions that speak
 *   bind     conditions and waivers: the deeds, the mask, and the needs that bind whatever is permitted
 *
 * Conditions do not change which permission speaks, so that one diagram would hold the product of the two:
 * for our policies ten to twenty times as many nodes. An answer walks both and puts the two leaves together.
 *
 * The levels are the dimensions, whose values are merged into atoms (values that no norm tells apart), and
 * then the facts. Needs are not levels: a leaf holds need-sets, and what is missing is arithmetic. Why
 * nothing was said (section 3, silence) is not in the leaves either: it would tear the largest leaf of all to
 * pieces. The section NEAR holds the rows of the index for permissions, and the reason is the meeting of a
 * few words of them. The bits that permissions leave are for bans, several to a bit. Where all nine rows have
 * nothing in common, no permission and no ban holds the request: that is the answer for most, without a walk.
 *
 * What all answers below a node have in common stands above it, once: an answer is the union of the lists met
 * on the way. "Permitted by these, unless exported" is so one node for all sets of permissions. A ban is the
 * answer by itself, whatever was met before it.
 *
 * A reference is one 16-bit word, or two (the low one first) in a policy too large for that. Below
 * `first_node` it is a leaf: the place of its list in LISTS. Else it is a node at
 * (reference - first_node) << shift:
 *
 *   direct  axis | NODE_DIRECT, child of atom 0, child of atom 1, ...
 *   mapped  axis | width << NODE_WIDTH, map, child of class 0, child of class 1, ...
 *           the class of an atom is 1 << width bits of MAPS, from byte 2 * map on, the low ones first
 *   emit    NODE_EMIT | list, node: the list is part of the answer. With two words: NODE_EMIT, list, node
 */
#ifndef TROTH_POLICY_DIAGRAM_IMPL_H
#define TROTH_POLICY_DIAGRAM_IMPL_H

#include "policy_impl.h"

#define DIAGRAM_MAGIC   0x54504431u /* "TPD1" in one byte order or the other: the file is for one machine */
#define DIAGRAM_VERSION 3
#define DIAGRAM_AXES    (DIM_COUNT + POLICY_FACTS_MAX) /* dimensions, then facts */
#define NODE_DIRECT     0x8000u
#define NODE_EMIT       0x4000u
#define NODE_LIST       0x3fffu /* of an emit node, where references are one word */
#define NODE_AXIS       0x7fu
#define NODE_WIDTH      7 /* shift; two bits */

enum diagram_half { HALF_GROUND, HALF_BIND, HALF_COUNT };

/* A list: how many, and the permissions or conditions by number, ascending; or, as a leaf of `ground` alone,
 * a ban. List 0 is empty. If all lists met on the way to a leaf of `ground` are empty, nothing is said. */
#define GROUND_SILENT 0xffffu /* only while building */
#define GROUND_BARRED 0xfffeu /* then the ban */

/* A permission: its clause, its time limit, the need-sets any of which is enough, and the facts it needs (to
 * tell near misses). `preference` ranks satisfied permissions that rest on the same needs: lower speaks. */
struct diagram_grant {
    uint32_t needs; /* in NEEDS */
    uint16_t norm, clause, preference;
    uint16_t limit; /* in LIMITS */
    uint16_t when;  /* in TERMS */
    uint8_t n_when, n_needs;
};
struct diagram_limit {
    uint32_t number;
    uint16_t event, unit;
};
struct diagram_bar {
    uint16_t norm, clause;
};
/* A condition with needs: any of the need-sets is enough. */
struct diagram_have {
    uint64_t all; /* every need that stands in one of them */
    uint32_t needs;
    uint16_t n_needs, norm, clause, rank;
    uint32_t spare;
};
/* A condition: a deed, a mask, or the number of its needs in HAVES. */
struct diagram_condition {
    uint16_t clause, kind, index; /* enum must_kind */
};
struct diagram_term {
    uint64_t facts, value;
};

/* SECTION(name, member, type): where in the bytes, and as what. */
#define DIAGRAM_SECTIONS                                                                                     \
    SECTION(NEAR, near, uint64_t)                                                                            \
    SECTION(NEEDS, needs, uint64_t)                                                                          \
    SECTION(TERMS, terms, struct diagram_term)                                                               \
    SECTION(CONDITIONS, conditions, struct diagram_condition)                                                \
    SECTION(HAVES, haves, struct diagram_have)                                                               \
    SECTION(LIMITS, limits, struct diagram_limit)                                                            \
    SECTION(GRANTS, grants, struct diagram_grant)                                                            \
    SECTION(BARS, bars, struct diagram_bar)                                                                  \
    SECTION(SCOPES, scopes, uint32_t)                                                                        \
    SECTION(ATOMS, atoms, uint16_t)                                                                          \
    SECTION(LISTS, lists, uint16_t)                                                                          \
    SECTION(NODES, nodes, uint16_t)                                                                          \
    SECTION(LEVELS, levels, uint8_t)                                                                         \
    SECTION(MAPS, maps, uint8_t)

enum diagram_section {
#define SECTION(name, member, type) DIAGRAM_##name,
    DIAGRAM_SECTIONS
#undef SECTION
        DIAGRAM_SECTION_COUNT
};

/* The first bytes. Then the sections, each on a multiple of eight. */
struct diagram_header {
    uint32_t magic, version, bytes;
    uint32_t ref_words, shift, first_node;
    uint32_t root[HALF_COUNT];
    uint32_t near_words;          /* of one row of NEAR: a bit for each permission, then bits for bans */
    uint32_t condition_words;     /* with a bit for each condition */
    uint32_t nothing;             /* the clause cited when no document applies; POLICY_NONE */
    uint32_t atoms_at[DIM_COUNT]; /* first value of each dimension in ATOMS */
    uint32_t rows_at[DIM_COUNT];  /* first row of it in NEAR and SCOPES */
    uint32_t values[DIM_COUNT];   /* how many values it has */
    uint32_t at[DIAGRAM_SECTION_COUNT], n[DIAGRAM_SECTION_COUNT]; /* bytes from the start; elements */
};

/* The bytes, opened. */
struct diagram {
    const struct diagram_header *h;
#define SECTION(name, member, type) const type *member;
    DIAGRAM_SECTIONS
#undef SECTION
};

/* The bytes must be those of policy_compile: this does not check what comes from elsewhere. */
void policy_diagram_open(struct diagram *g, const uint8_t *bytes);
/* As policy_decide; returns the values of all facts in the world that decided. */
uint64_t policy_decide_world(const struct policy *p, const struct policy_request *q,
                             struct policy_decision *d);

static inline bool diagram_is_node(const struct diagram *g, uint32_t ref)
{
    return ref >= g->h->first_node;
}

static inline const uint16_t *diagram_node(const struct diagram *g, uint32_t ref)
{
    return g->nodes + ((size_t)(ref - g->h->first_node) << g->h->shift);
}

static inline unsigned diagram_axis(const uint16_t *node)
{
    return node[0] & NODE_AXIS;
}

/* These take the words of a reference: a caller that knows them leaves the compiler no question. */
static inline uint32_t node_ref(const uint16_t *refs, size_t i, unsigned words)
{
    return words == 1 ? refs[i] : refs[2 * i] | (uint32_t)refs[2 * i + 1] << 16;
}

static inline uint32_t node_child(const uint16_t *node, const uint8_t *maps, unsigned atom, unsigned words)
{
    if (node[0] & NODE_DIRECT)
        return node_ref(node + 1, atom, words);
    unsigned width = node[0] >> NODE_WIDTH, bit = atom << width;
    unsigned byte = maps[2 * (size_t)node[1] + bit / 8];
    return node_ref(node + 2, byte >> bit % 8 & ((1u << (1u << width)) - 1), words);
}

static inline bool node_emits(const uint16_t *node)
{
    return node[0] & NODE_EMIT;
}

/* Of an emit node: the list, and what comes next. */
static inline uint32_t node_list(const uint16_t *node, unsigned words)
{
    return words == 1 ? node[0] & NODE_LIST : node_ref(node + 1, 0, words);
}

static inline uint32_t node_next(const uint16_t *node, unsigned words)
{
    return node_ref(node + 1, words - 1, words);
}

static inline uint32_t diagram_child(const struct diagram *g, const uint16_t *node, unsigned atom)
{
    return node_child(node, g->maps, atom, g->h->ref_words);
}

static inline uint32_t diagram_emitted(const struct diagram *g, const uint16_t *node)
{
    return node_list(node, g->h->ref_words);
}

static inline uint32_t diagram_next(const struct diagram *g, const uint16_t *node)
{
    return node_next(node, g->h->ref_words);
}

static inline unsigned diagram_atom(const struct diagram *g, unsigned dimension, unsigned value)
{
    return g->atoms[g->h->atoms_at[dimension] + value];
}

static inline size_t diagram_row(const struct diagram *g, unsigned dimension, unsigned value)
{
    return g->h->rows_at[dimension] + diagram_atom(g, dimension, value);
}

#endif
