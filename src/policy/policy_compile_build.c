// SPDX-License-Identifier: Apache-2.0
/* policy_compile_build.c: one half of the compiled form, as nodes and leaves that are not packed yet. */
#include "policy_compile_impl.h"

#define FIRST_SLOTS 4096  /* of the hash tables; powers of two */
#define FIRST_CELLS 65536 /* room that is not touched costs nothing */
#define FIRST_WORDS 16384
#define BUILD_NONE  UINT64_MAX

static uint32_t hash_cells(const uint32_t *cell, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ cell[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return (uint32_t)h;
}

static uint32_t hash_leaf(const uint16_t *word, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ word[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return (uint32_t)h;
}

void *policy_build_grown(struct arena *a, const void *list, size_t n, size_t *cap, size_t want, size_t size)
{
    while (*cap < want)
        *cap *= 2;
    void *bigger = arena_room(a, *cap, size);
    memcpy(bigger, list, n * size);
    return bigger;
}

/* ---- Nodes. */

static size_t cell_len(const uint32_t *cell)
{
    return 2 + (size_t)cell[1];
}

/* The slot holds the place of an equal node plus one, or 0 and is where it belongs. */
static uint32_t *node_slot(struct building *b, const uint32_t *cell)
{
    size_t i = hash_cells(cell, cell_len(cell)) & (b->n_node_slots - 1);
    for (; b->node_slots[i] != 0; i = (i + 1) & (b->n_node_slots - 1)) {
        const uint32_t *other = b->cells + b->node_slots[i] - 1;
        if (other[1] == cell[1] && memcmp(other, cell, cell_len(cell) * sizeof *cell) == 0)
            break;
    }
    return &b->node_slots[i];
}

static void more_node_slots(struct building *b)
{
    b->n_node_slots *= 2;
    b->node_slots = ARENA_ARRAY(b->work, b->n_node_slots, uint32_t);
    for (size_t at = 0; at < b->n_cells; at += cell_len(b->cells + at))
        *node_slot(b, b->cells + at) = (uint32_t)at + 1;
}

/* The new node stands at the end of `cells`; it stays there if there is none like it. */
static uint32_t node_keep(struct building *b)
{
    const uint32_t *cell = b->cells + b->n_cells;
    uint32_t *slot = node_slot(b, cell);
    if (*slot != 0)
        return *slot - 1;
    uint32_t at = (uint32_t)b->n_cells;
    *slot = at + 1;
    b->n_cells += cell_len(cell);
    if (++b->n_nodes * 2 > b->n_node_slots)
        more_node_slots(b);
    return at;
}

static uint32_t node_make(struct building *b, unsigned axis, const uint64_t *child, unsigned n)
{
    uint64_t differs = 0;
    if (b->n_cells + n + 2 > b->cap_cells)
        b->cells = policy_build_grown(b->scratch, b->cells, b->n_cells, &b->cap_cells, b->n_cells + n + 2,
                                      sizeof *b->cells);
    uint32_t *cell = b->cells + b->n_cells;
    cell[0] = axis;
    cell[1] = n;
    for (unsigned i = 0; i < n; i++) {
        cell[2 + i] = (uint32_t)child[i];
        differs |= child[i] ^ child[0];
    }
    return differs ? node_keep(b) : cell[2];
}

/* ---- Leaves. */

static uint32_t *leaf_slot(struct building *b, const uint16_t *leaf)
{
    size_t i = hash_leaf(leaf, leaf[0] + 1u) & (b->n_leaf_slots - 1);
    for (; b->leaf_slots[i] != 0; i = (i + 1) & (b->n_leaf_slots - 1)) {
        const uint16_t *other = b->leaves + b->leaf_at[b->leaf_slots[i] - 1];
        if (memcmp(other, leaf, (leaf[0] + 1u) * sizeof *leaf) == 0)
            break;
    }
    return &b->leaf_slots[i];
}

static void more_leaf_slots(struct building *b)
{
    b->n_leaf_slots *= 2;
    b->leaf_slots = ARENA_ARRAY(b->work, b->n_leaf_slots, uint32_t);
    for (size_t i = 0; i < b->n_leaves; i++)
        *leaf_slot(b, b->leaves + b->leaf_at[i]) = (uint32_t)i + 1;
}

static uint32_t leaf_make(struct building *b, const uint64_t *set)
{
    size_t room = b->c->n + 4;
    if (b->n_leaf_words + room > b->cap_leaf_words)
        b->leaves = policy_build_grown(b->scratch, b->leaves, b->n_leaf_words, &b->cap_leaf_words,
                                       b->n_leaf_words + room, sizeof *b->leaves);
    uint16_t *leaf = b->leaves + b->n_leaf_words;
    leaf[0] = (uint16_t)policy_build_leaf(b, set, leaf + 1, room - 1);
    uint32_t *slot = leaf_slot(b, leaf);
    if (*slot != 0)
        return BUILD_LEAF | (*slot - 1);
    if (b->n_leaves == b->cap_leaves)
        b->leaf_at = policy_build_grown(b->scratch, b->leaf_at, b->n_leaves, &b->cap_leaves, b->n_leaves + 1,
                                        sizeof *b->leaf_at);
    b->leaf_at[b->n_leaves] = (uint32_t)b->n_leaf_words;
    b->n_leaf_words += leaf[0] + 1u;
    *slot = (uint32_t)++b->n_leaves;
    uint32_t made = BUILD_LEAF | (uint32_t)(b->n_leaves - 1);
    if (b->n_leaves * 2 > b->n_leaf_slots)
        more_leaf_slots(b);
    return made;
}

/* ---- The recursion. */

static const struct axis *axis_at(const struct building *b, unsigned level)
{
    return &b->c->axis[b->order[level]];
}

static bool level_matters(const struct building *b, unsigned level, const uint64_t *set)
{
    const uint64_t *same = axis_at(b, level)->same;
    uint64_t any = 0;
    for (size_t w = 0; w < b->c->words; w++)
        any |= set[w] & ~same[w];
    return any != 0;
}

static uint64_t build_level(struct building *b, unsigned level);

static void check_limits(struct building *b)
{
    size_t nodes = b->factored ? b->factored->n_nodes : b->n_nodes + b->n_leaves;
    b->over = b->over || b->steps > b->steps_max || b->size > b->size_max || nodes > b->nodes_max;
}

/* The children's sets are made one after the other in the next row of the stack. A set like the one before
 * gives the child before. */
static uint64_t build_children(struct building *b, unsigned level, const uint64_t *set)
{
    const struct axis *x = axis_at(b, level);
    size_t words = b->c->words;
    uint64_t *next = b->stack[level + 1] + 1, *before = b->stack[level] + 1 + words, *child = b->child[level];
    for (unsigned k = 0; k < x->n; k++) {
        const uint64_t *row = cases_row(b->c, x, k);
        uint64_t differs = k == 0;
        for (size_t w = 0; w < words; w++) {
            next[w] = set[w] & row[w];
            differs |= next[w] ^ before[w];
            before[w] = next[w];
        }
        child[k] = differs ? build_level(b, level + 1) : child[k - 1];
    }
    b->steps += x->n + SET_STEPS;
    check_limits(b);
    return b->factored ? policy_factored_node(b->factored, x->id, child, x->n, &b->size)
                       : node_make(b, x->id, child, x->n);
}

/* What was made of (level, set), or where it belongs. The set stands behind the level in the row of the
 * stack, which is so the key of what is remembered. */
static uint64_t *made_of(struct building *b, unsigned number)
{
    if (b->memo.cap > b->cap_made)
        b->made = policy_build_grown(b->work, b->made, number, &b->cap_made, b->memo.cap, sizeof *b->made);
    if (b->memo.n == number + 1u && b->memo.values[number] == UINT32_MAX) {
        b->memo.values[number] = 0;
        b->made[number] = BUILD_NONE;
    }
    return &b->made[number];
}

static uint64_t make_level(struct building *b, unsigned level)
{
    const uint64_t *key = b->stack[level];
    if (level == b->c->n_axes)
        return b->factored ? policy_factored_leaf(b->factored, b, key + 1) : leaf_make(b, key + 1);
    return build_children(b, level, key + 1);
}

/* Levels that do not matter to the set are left out. */
static uint64_t build_level(struct building *b, unsigned level)
{
    uint64_t *key = b->stack[level], *set = key + 1, sure[NORM_WORDS];
    unsigned down = level;
    if (b->over)
        return BUILD_LEAF;
    policy_build_settle(b, level, set);
    bool above = b->factored && policy_build_sure(b, level, set, sure);
    while (down < b->c->n_axes && !level_matters(b, down, set))
        down++;
    key[0] = down;
    uint32_t number = policy_memo_number(&b->memo, key);
    uint64_t made = *made_of(b, number);
    if (made == BUILD_NONE) {
        for (size_t w = 0; down != level && w <= b->c->words; w++)
            b->stack[down][w] = key[w];
        made = make_level(b, down);
        b->made[number] = made;
    }
    return above ? policy_factored_above(b->factored, made, sure) : made;
}

/* rest[level]: the cases that hold whatever the levels from here on are. */
static void fill_rest(struct building *b)
{
    size_t words = b->c->words;
    memcpy(b->rest[b->c->n_axes], b->c->all, words * sizeof(uint64_t));
    for (unsigned level = b->c->n_axes; level-- > 0;)
        for (size_t w = 0; w < words; w++)
            b->rest[level][w] = b->rest[level + 1][w] & axis_at(b, level)->same[w];
}

/* What the recursion needs, for either form. */
static void make_levels(struct building *b)
{
    size_t levels = b->c->n_axes + 1, words = b->c->words;
    b->rest = ARENA_ARRAY(b->work, levels, uint64_t *);
    b->stack = ARENA_ARRAY(b->work, levels, uint64_t *);
    b->child = ARENA_ARRAY(b->work, levels, uint64_t *);
    for (unsigned i = 0; i < levels; i++) {
        b->rest[i] = ARENA_ARRAY(b->work, words + 1, uint64_t);
        b->stack[i] = ARENA_ARRAY(b->work, 2 * words + 1, uint64_t);
        b->child[i] = ARENA_ROOM(b->work, i + 1 < levels ? axis_at(b, i)->n + 1 : 1, uint64_t);
    }
    b->memo = policy_memo(b->work, words + 1, FIRST_SLOTS);
    b->cap_made = b->memo.cap;
    b->made = ARENA_ROOM(b->work, b->cap_made, uint64_t);
}

static void make_room(struct building *b)
{
    b->cap_cells = FIRST_CELLS;
    b->cap_leaf_words = FIRST_WORDS;
    b->cap_leaves = FIRST_SLOTS;
    b->n_node_slots = b->n_leaf_slots = FIRST_SLOTS;
    b->cells = ARENA_ROOM(b->scratch, b->cap_cells, uint32_t);
    b->leaves = ARENA_ROOM(b->scratch, b->cap_leaf_words, uint16_t);
    b->leaf_at = ARENA_ROOM(b->scratch, b->cap_leaves, uint32_t);
    b->node_slots = ARENA_ARRAY(b->work, b->n_node_slots, uint32_t);
    b->leaf_slots = ARENA_ARRAY(b->work, b->n_leaf_slots, uint32_t);
}

/* Those of the axes that this half has. */
static void take_order(struct building *b, const struct level_order *order)
{
    unsigned n = 0;
    for (unsigned i = 0; i < DIAGRAM_AXES; i++)
        for (unsigned k = 0; k < b->c->n_axes; k++)
            if (b->c->axis[k].id == order->axis[i])
                b->order[n++] = k;
}

void policy_build(struct building *b, const struct cases *c, enum diagram_half half,
                  const struct level_order *order, const uint64_t *start, struct arena *scratch)
{
    *b = (struct building){.c = c,
                           .half = half,
                           .factored = b->factored,
                           .scratch = scratch,
                           .work = b->work ? b->work : scratch,
                           .steps_max = b->steps_max,
                           .nodes_max = b->nodes_max,
                           .size_max = b->size_max};
    struct arena_mark mark = arena_mark(b->work);
    take_order(b, order);
    make_levels(b);
    if (b->factored)
        policy_factored_open(b->factored, b);
    else
        make_room(b);
    fill_rest(b);
    memcpy(b->stack[0] + 1, start ? start : c->all, c->words * sizeof(uint64_t));
    b->root = build_level(b, 0);
    if (b->factored)
        b->factored->root = policy_factored_root(b->root);
    if (b->work != scratch)
        arena_release(b->work, mark);
}
