// SPDX-License-Identifier: Apache-2.0
/* policy_survey.c: see policy_survey_impl.h */
#include "policy_survey_impl.h"

struct surveying {
    struct survey *w;
    const struct diagram *g;
    struct memo memo;  /* (ground, bind) -> place in `classes` */
    uint64_t *classes; /* classes found below each pair */
    size_t n, cap;
    struct arena *scratch;
    uint8_t axis[DIAGRAM_AXES];   /* level -> axis */
    uint16_t *value[DIM_COUNT];   /* atom -> first value of it in the box, or POLICY_NONE */
    struct bits *atom[DIM_COUNT]; /* atom -> its values in the box */
    unsigned n_atoms[DIM_COUNT];
};

/* Two references, one of each half. Where the ground says no, what binds is of no interest. */
struct at {
    uint32_t ground, bind;
};

static unsigned level_of(const struct surveying *x, uint32_t ref)
{
    return diagram_is_node(x->g, ref) ? x->g->levels[diagram_axis(diagram_node(x->g, ref))] : DIAGRAM_AXES;
}

static unsigned level_at(const struct surveying *x, struct at at)
{
    unsigned a = level_of(x, at.ground), b = level_of(x, at.bind);
    return a < b ? a : b;
}

static uint32_t child_of(const struct surveying *x, uint32_t ref, unsigned axis, unsigned atom)
{
    if (!diagram_is_node(x->g, ref) || diagram_axis(diagram_node(x->g, ref)) != axis)
        return ref;
    return diagram_child(x->g, diagram_node(x->g, ref), atom);
}

static const uint16_t *ground_leaf(const struct surveying *x, uint32_t ref)
{
    return x->g->lists + x->g->grounds[ref];
}

/* Once the ground said no, the other half is put on its leaf 0. */
static struct at settle(const struct surveying *x, struct at at)
{
    if (!diagram_is_node(x->g, at.ground) && ground_leaf(x, at.ground)[0] >= GROUND_BARRED)
        at.bind = 0;
    return at;
}

/* ---- Hulls. */

static void hull_full(struct surveying *x, struct hull *h, unsigned axis)
{
    if (axis < DIM_COUNT) {
        bits_join(&h->value[axis], &x->w->box.value[axis]);
        return;
    }
    uint64_t bit = 1ull << (axis - DIM_COUNT);
    bool fixed = x->w->box.facts & bit, value = x->w->box.facts_value & bit;
    h->facts_true |= !fixed || value ? bit : 0;
    h->facts_false |= !fixed || !value ? bit : 0;
}

static void hull_atom(struct surveying *x, struct hull *h, unsigned axis, unsigned atom)
{
    if (axis < DIM_COUNT)
        bits_join(&h->value[axis], &x->atom[axis][atom]);
    else if (atom)
        h->facts_true |= 1ull << (axis - DIM_COUNT);
    else
        h->facts_false |= 1ull << (axis - DIM_COUNT);
}

/* The levels from `from` up to but not including `to` make no difference to these classes. */
static void hulls_skip(struct surveying *x, uint64_t classes, unsigned from, unsigned to)
{
    for (; classes; classes &= classes - 1)
        for (unsigned level = from; level < to; level++)
            hull_full(x, &x->w->hulls[__builtin_ctzll(classes)], x->axis[level]);
}

static void hulls_atom(struct surveying *x, uint64_t classes, unsigned axis, unsigned atom)
{
    for (; classes; classes &= classes - 1)
        hull_atom(x, &x->w->hulls[__builtin_ctzll(classes)], axis, atom);
}

/* ---- The walk. */

/* Sets the request to this atom; false: outside of the box. */
static bool step_to(struct surveying *x, unsigned axis, unsigned atom)
{
    struct policy_request *at = &x->w->at;
    if (axis < DIM_COUNT) {
        uint16_t value = x->value[axis][atom];
        at->value[axis] = value == POLICY_NONE ? at->value[axis] : value;
        return value != POLICY_NONE;
    }
    uint64_t bit = 1ull << (axis - DIM_COUNT);
    if ((x->w->box.facts & bit) && ((x->w->box.facts_value & bit) != 0) != (atom != 0))
        return false;
    at->facts = atom ? at->facts | bit : at->facts & ~bit;
    return true;
}

static uint64_t walk_leaf(struct surveying *x, struct at at)
{
    const uint16_t *ground = ground_leaf(x, at.ground);
    bool permit = ground[0] < GROUND_BARRED;
    struct survey *w = x->w;
    uint32_t class = w->answer(w, ground, permit ? &x->g->binds[at.bind] : NULL);
    if (class == SURVEY_NOTHING)
        return 0;
    struct hull *h = &w->hulls[class < SURVEY_CLASSES_MAX ? class : SURVEY_CLASSES_MAX - 1];
    if (!h->found)
        h->at = w->at;
    h->found = true;
    return 1ull << (h - w->hulls);
}

static uint64_t walk_at(struct surveying *x, struct at at);

static uint64_t walk_children(struct surveying *x, struct at at, unsigned level)
{
    unsigned axis = x->axis[level], n = axis < DIM_COUNT ? x->n_atoms[axis] : 2;
    struct policy_request before = x->w->at;
    uint64_t all = 0;
    for (unsigned atom = 0; atom < n; atom++) {
        struct at child = {child_of(x, at.ground, axis, atom), child_of(x, at.bind, axis, atom)};
        if (!step_to(x, axis, atom) || x->w->over)
            continue;
        child = settle(x, child);
        uint64_t found = walk_at(x, child);
        hulls_atom(x, found, axis, atom);
        hulls_skip(x, found, level + 1, level_at(x, child));
        all |= found;
    }
    x->w->at = before;
    return all;
}

static size_t new_place(struct surveying *x)
{
    if (x->n == x->cap) {
        uint64_t *bigger = ARENA_ARRAY(x->scratch, x->cap * 2, uint64_t);
        memcpy(bigger, x->classes, x->n * sizeof *bigger);
        x->classes = bigger;
        x->cap *= 2;
    }
    return x->n++;
}

static uint64_t walk_at(struct surveying *x, struct at at)
{
    uint64_t key = (uint64_t)at.ground << 32 | at.bind;
    uint32_t *slot = policy_memo_slot(&x->memo, &key);
    if (*slot != UINT32_MAX)
        return x->classes[*slot];
    x->w->over = x->n > SURVEY_STEPS_MAX;
    size_t place = new_place(x);
    *slot = (uint32_t)place;
    unsigned level = level_at(x, at);
    uint64_t found = level == DIAGRAM_AXES ? walk_leaf(x, at) : walk_children(x, at, level);
    x->classes[place] = found;
    return found;
}

static unsigned count_atoms(const struct diagram *g, unsigned d)
{
    unsigned n = 0;
    for (unsigned v = 0; v < g->h->values[d]; v++)
        n = diagram_atom(g, d, v) >= n ? diagram_atom(g, d, v) + 1 : n;
    return n;
}

static void fill_atoms(struct surveying *x, unsigned d)
{
    x->n_atoms[d] = count_atoms(x->g, d);
    x->value[d] = ARENA_ARRAY(x->scratch, x->n_atoms[d] + 1, uint16_t);
    x->atom[d] = ARENA_ARRAY(x->scratch, x->n_atoms[d] + 1, struct bits);
    memset(x->value[d], 0xff, x->n_atoms[d] * sizeof(uint16_t));
    for (unsigned v = x->g->h->values[d]; v-- > 0;) {
        if (!bits_has(&x->w->box.value[d], v))
            continue;
        unsigned atom = diagram_atom(x->g, d, v);
        x->value[d][atom] = (uint16_t)v;
        bits_add(&x->atom[d][atom], v);
    }
}

void policy_survey(struct survey *w, struct arena *scratch)
{
    struct surveying x = {.w = w, .g = w->p->diagram, .scratch = scratch, .cap = 256};
    struct at root = {x.g->h->root[HALF_GROUND], x.g->h->root[HALF_BIND]};
    x.memo = policy_memo(scratch, 1);
    x.classes = ARENA_ARRAY(scratch, x.cap, uint64_t);
    for (unsigned axis = 0; axis < DIAGRAM_AXES; axis++)
        x.axis[x.g->levels[axis]] = (uint8_t)axis;
    for (unsigned d = 0; d < DIM_COUNT; d++)
        fill_atoms(&x, d);
    w->at = policy_box_first(w->p, &w->box);
    root = settle(&x, root);
    hulls_skip(&x, walk_at(&x, root), 0, level_at(&x, root));
}
