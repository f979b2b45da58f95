// SPDX-License-Identifier: Apache-2.0
/*
 * policy_compile_factor.c: what all answers below a node have in common, put above it.
 *
 * The permissions of an answer are a set, the conditions of one too. From the leaves upwards the meeting of
 * the sets of all children moves to the edge above, and what is left of each child stays on its own edge.
 * Nodes that differed only by what moved are one then. Where there are only bans, any set may stand above: it
 * is left out of the meeting. Nothing is lost: the union of the sets on the way down is the set of the leaf.
 *
 * On the way down, what is sure leaves the set of what still matches (policy_build_sure), and stands above
 * from the start.
 */
#include "policy_compile_impl.h"

#define FIRST_SLOTS 1024       /* a power of two */
#define FIRST_CELLS 16384      /* room that is not touched costs nothing */
#define ANY_SET     UINT32_MAX /* above what holds only bans; never in a node */

static const uint64_t *set_at(const struct factored *f, uint32_t set)
{
    return f->sets.keys + set * f->sets.words;
}

static uint64_t edge_of(uint32_t set, uint32_t target)
{
    return (uint64_t)set << 32 | target;
}

static uint32_t set_of(uint64_t edge)
{
    return (uint32_t)(edge >> 32);
}

void policy_factored_open(struct factored *f, const struct building *b)
{
    uint64_t none[NORM_WORDS] = {0};
    *f = (struct factored){.scratch = b->scratch, .n_slots = FIRST_SLOTS, .cap_cells = FIRST_CELLS};
    f->sets = policy_memo(f->scratch, b->c->p->index.words + (b->c->p->index.words == 0), MEMO_SMALL);
    f->slots = ARENA_ARRAY(f->scratch, f->n_slots, uint32_t);
    f->cells = ARENA_ROOM(f->scratch, f->cap_cells, uint64_t);
    policy_memo_number(&f->sets, none);
}

/* ---- Nodes. */

static bool same_cell(const uint64_t *a, const uint64_t *b)
{
    size_t len = factored_len(b);
    uint64_t differs = (a[0] ^ b[0]) | (a[1] ^ b[1]);
    for (size_t i = 2; i < len && differs == 0; i++)
        differs |= a[i] ^ b[i];
    return differs == 0;
}

static uint64_t hash_cell(const uint64_t *cell)
{
    uint64_t h = 0;
    for (size_t i = 0; i < factored_len(cell); i++) {
        h = (h ^ cell[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h ^ h >> 32;
}

static uint32_t *slot_of(const struct factored *f, const uint64_t *cell)
{
    size_t i = (size_t)hash_cell(cell) & (f->n_slots - 1);
    while (f->slots[i] != 0 && !same_cell(f->cells + f->slots[i] - 1, cell))
        i = (i + 1) & (f->n_slots - 1);
    return &f->slots[i];
}

static void more_slots(struct factored *f)
{
    f->n_slots *= 4;
    f->slots = ARENA_ARRAY(f->scratch, f->n_slots, uint32_t);
    for (size_t at = 0; at < f->n_cells; at += factored_len(f->cells + at))
        *slot_of(f, f->cells + at) = (uint32_t)at + 1;
}

/* Words it will take when packed: the kind that is shorter. */
static size_t packed_size(const uint64_t *cell)
{
    unsigned n = factored_count(cell), classes = factored_classes(cell);
    return n <= classes + 1 ? n + 1 : classes + 2;
}

/* The node at the end of `cells` stays there if there is none like it. */
static uint32_t keep_node(struct factored *f, size_t *size)
{
    const uint64_t *cell = f->cells + f->n_cells;
    uint32_t *slot = slot_of(f, cell), at = (uint32_t)f->n_cells;
    if (*slot != 0)
        return *slot - 1;
    *slot = at + 1;
    *size += packed_size(cell);
    f->n_cells += factored_len(cell);
    if (++f->n_nodes * 2 > f->n_slots)
        more_slots(f);
    return at;
}

/* ---- From the leaves upwards. */

uint64_t policy_factored_leaf(struct factored *f, const struct building *b, const uint64_t *set)
{
    uint64_t norms[NORM_WORDS] = {0};
    uint16_t word[POLICY_NORMS_MAX + 2];
    bool ground = b->half == HALF_GROUND;
    if (set_empty(set, b->c->words))
        return FACTORED_END;
    size_t n = policy_build_leaf(b, set, word, POLICY_NORMS_MAX + 2);
    if (ground && word[0] == GROUND_BARRED)
        return edge_of(ANY_SET, BUILD_LEAF | word[1]);
    for (size_t i = ground; i < n; i++)
        set_put(norms, word[i]);
    return edge_of(policy_memo_number(&f->sets, norms), FACTORED_END);
}

uint64_t policy_factored_above(struct factored *f, uint64_t edge, const uint64_t *norms)
{
    uint64_t all[NORM_WORDS];
    uint32_t set = set_of(edge);
    if (set == ANY_SET)
        return edge;
    for (size_t w = 0; w < f->sets.words; w++)
        all[w] = set_at(f, set)[w] | norms[w];
    return edge_of(policy_memo_number(&f->sets, all), (uint32_t)edge);
}

uint64_t policy_factored_root(uint64_t edge)
{
    return set_of(edge) == ANY_SET ? (uint32_t)edge : edge;
}

/* What all children have in common. */
static uint32_t common_set(struct factored *f, const uint64_t *child, unsigned n)
{
    uint64_t common[NORM_WORDS];
    size_t words = f->sets.words;
    uint32_t before = ANY_SET;
    for (unsigned i = 0; i < n; i++) {
        uint32_t set = set_of(child[i]);
        if (set == ANY_SET || set == before)
            continue;
        if (set == 0)
            return 0;
        for (size_t w = 0; w < words; w++)
            common[w] = before == ANY_SET ? set_at(f, set)[w] : common[w] & set_at(f, set)[w];
        before = set;
    }
    return before == ANY_SET ? ANY_SET : policy_memo_number(&f->sets, common);
}

static uint64_t without(struct factored *f, uint64_t edge, uint32_t common)
{
    uint64_t rest[NORM_WORDS];
    uint32_t set = set_of(edge);
    if (set == ANY_SET || set == common)
        return (uint32_t)edge;
    if (common == 0)
        return edge;
    for (size_t w = 0; w < f->sets.words; w++)
        rest[w] = set_at(f, set)[w] & ~set_at(f, common)[w];
    return edge_of(policy_memo_number(&f->sets, rest), (uint32_t)edge);
}

/* The class of an edge: mostly that of the atom before. */
static unsigned class_of(const uint64_t *edges, unsigned n, unsigned before, uint64_t edge)
{
    unsigned c = 0;
    if (n > 0 && edges[before] == edge)
        return before;
    while (c < n && edges[c] != edge)
        c++;
    return c;
}

uint64_t policy_factored_node(struct factored *f, unsigned axis, const uint64_t *child, unsigned n,
                              size_t *size)
{
    size_t most = 2 + (size_t)n + (n + 3) / 4;
    if (f->n_cells + most > f->cap_cells)
        f->cells = policy_build_grown(f->scratch, f->cells, f->n_cells, &f->cap_cells, f->n_cells + most,
                                      sizeof *f->cells);
    uint16_t of[POLICY_VALUES_MAX];
    uint32_t common = common_set(f, child, n);
    uint64_t *cell = f->cells + f->n_cells, *edges = cell + 2;
    unsigned classes = 0, c = 0;
    for (unsigned i = 0; i < n; i++) {
        if (i == 0 || child[i] != child[i - 1])
            edges[classes] = without(f, child[i], common);
        if (i == 0 || child[i] != child[i - 1])
            c = class_of(edges, classes, c, edges[classes]);
        classes = c == classes ? classes + 1 : classes;
        of[i] = (uint16_t)c;
    }
    if (classes == 1)
        return edge_of(common, (uint32_t)edges[0]);
    cell[0] = (uint64_t)axis << 32 | n;
    cell[1] = classes;
    edges[classes + (n - 1) / 4] = 0; /* what is left of the last word */
    memcpy(edges + classes, of, n * sizeof *of);
    return edge_of(common, keep_node(f, size));
}
