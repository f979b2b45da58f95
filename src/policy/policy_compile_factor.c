// SPDX-License-Identifier: Apache-2.0
/*
 * policy_compile_factor.c: what all answers below a node have in common, put above it.
 *
 * The permissions of an answer are a set, the conditions of one too. From the leaves upwards the meeting of
 * the sets of all children moves to the edge above, and what is left of each child stays on its own edge.
 * Nodes that differed only by what moved are one then. Where there are only bans, any set may stand above: it
 * is left out of the meeting. Nothing is lost: the union of the sets on the way down is the set of the leaf.
 */
#include "policy_compile_impl.h"

#define FIRST_SLOTS 1024       /* a power of two */
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

/* ---- Nodes. */

static size_t cell_len(const uint64_t *cell)
{
    return 1 + (size_t)factored_count(cell);
}

static uint64_t *slot_of(const struct factored *f, const uint64_t *cell, uint64_t h)
{
    size_t i = (size_t)(h ^ h >> 32) & (f->n_slots - 1), len = cell_len(cell);
    for (; f->slots[i] != 0; i = (i + 1) & (f->n_slots - 1)) {
        const uint64_t *other = f->cells + (uint32_t)f->slots[i] - 1;
        if (f->slots[i] >> 32 == h >> 32 && memcmp(other, cell, len * sizeof *cell) == 0)
            break;
    }
    return &f->slots[i];
}

static uint64_t hash_cell(const uint64_t *cell)
{
    uint64_t h = 0;
    for (size_t i = 0; i < cell_len(cell); i++) {
        h = (h ^ cell[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

static void more_slots(struct factored *f)
{
    f->n_slots *= 2;
    f->slots = ARENA_ARRAY(f->scratch, f->n_slots, uint64_t);
    for (size_t at = 0; at < f->n_cells; at += cell_len(f->cells + at)) {
        uint64_t h = hash_cell(f->cells + at);
        *slot_of(f, f->cells + at, h) = h >> 32 << 32 | (at + 1);
    }
}

/* The node at the end of `cells` stays there if there is none like it. */
static uint32_t keep_node(struct factored *f)
{
    const uint64_t *cell = f->cells + f->n_cells;
    uint64_t h = hash_cell(cell), *slot = slot_of(f, cell, h);
    if (*slot != 0)
        return (uint32_t)*slot - 1;
    uint32_t at = (uint32_t)f->n_cells;
    *slot = h >> 32 << 32 | (at + 1);
    f->n_cells += cell_len(cell);
    if (++f->n_nodes * 2 > f->n_slots)
        more_slots(f);
    return at;
}

/* ---- From the leaves upwards. */

static uint64_t leaf_edge(struct factored *f, const struct building *b, uint32_t leaf)
{
    const uint16_t *words = b->leaves + b->leaf_at[leaf];
    bool ground = b->half == HALF_GROUND;
    uint64_t norms[NORM_WORDS] = {0};
    if (ground && words[1] == GROUND_BARRED)
        return edge_of(ANY_SET, BUILD_LEAF | leaf);
    for (unsigned i = ground ? 2 : 1; i <= words[0]; i++)
        set_put(norms, words[i]);
    return edge_of(policy_memo_number(&f->sets, norms), FACTORED_END);
}

static uint64_t below(const struct factored *f, uint32_t built)
{
    return built & BUILD_LEAF ? f->leaf_edge[built & ~BUILD_LEAF] : f->cell_edge[built];
}

/* What all children have in common. */
static uint32_t common_set(struct factored *f, const uint32_t *child, unsigned n)
{
    uint64_t common[NORM_WORDS];
    size_t words = f->sets.words;
    uint32_t before = ANY_SET;
    for (unsigned i = 0; i < n; i++) {
        uint32_t set = set_of(below(f, child[i]));
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

static uint64_t factor_node(struct factored *f, const uint32_t *cell)
{
    unsigned n = cell[1];
    uint32_t common = common_set(f, cell + 2, n);
    uint64_t *made = f->cells + f->n_cells;
    bool same = true;
    made[0] = factored_head(cell[0], n);
    for (unsigned i = 0; i < n; i++) {
        bool again = i > 0 && cell[2 + i] == cell[1 + i];
        made[1 + i] = again ? made[i] : without(f, below(f, cell[2 + i]), common);
        same = same && made[1 + i] == made[1];
    }
    return edge_of(common, same ? (uint32_t)made[1] : keep_node(f));
}

void policy_factor(struct factored *f, const struct building *b, struct arena *scratch)
{
    uint64_t none[NORM_WORDS] = {0};
    *f = (struct factored){.scratch = scratch, .n_slots = FIRST_SLOTS};
    f->sets = policy_memo(scratch, b->c->p->index.words + (b->c->p->index.words == 0));
    f->slots = ARENA_ARRAY(scratch, f->n_slots, uint64_t);
    f->cells =
        ARENA_ROOM(scratch, b->n_cells + POLICY_VALUES_MAX + 1, uint64_t); /* never more, and one to try */
    f->leaf_edge = ARENA_ROOM(scratch, b->n_leaves + 1, uint64_t);
    f->cell_edge = ARENA_ROOM(scratch, b->n_cells + 1, uint64_t);
    policy_memo_number(&f->sets, none);
    for (uint32_t i = 0; i < b->n_leaves; i++)
        f->leaf_edge[i] = leaf_edge(f, b, i);
    for (uint32_t at = 0; at < b->n_cells; at += 2 + b->cells[at + 1])
        f->cell_edge[at] = factor_node(f, b->cells + at);
    uint64_t root = below(f, b->root);
    f->root = set_of(root) == ANY_SET ? (uint32_t)root : root;
}
