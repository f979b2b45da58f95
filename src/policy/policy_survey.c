// SPDX-License-Identifier: Apache-2.0
/* policy_survey.c: see policy_survey_impl.h */
#include "policy_survey_impl.h"

struct surveying {
    struct survey *w;
    const struct diagram *g;
    struct memo memo;             /* struct at -> place in `classes` */
    struct memo sets[HALF_COUNT]; /* what was met -> its number; 0 is nothing */
    uint64_t *classes;            /* classes found below each pair */
    size_t n, cap;
    struct arena *scratch;
    uint8_t axis[DIAGRAM_AXES];   /* level -> axis */
    uint16_t *value[DIM_COUNT];   /* atom -> first value of it in the box, or POLICY_NONE */
    struct bits *atom[DIM_COUNT]; /* atom -> its values in the box */
    unsigned n_atoms[DIM_COUNT];
    uint16_t *list; /* room for the permissions of one answer, and for what binds it */
    struct survey_bind *bind;
};

/* For each half a reference, and the number of the set that was met on the way to it. A reference is no emit
 * node, and a leaf is the empty list or a ban. Where the ground says no, what binds is of no interest. */
struct at {
    uint32_t ref[HALF_COUNT], set[HALF_COUNT];
};

static unsigned level_of(const struct surveying *x, uint32_t ref)
{
    return diagram_is_node(x->g, ref) ? x->g->levels[diagram_axis(diagram_node(x->g, ref))] : DIAGRAM_AXES;
}

static unsigned level_at(const struct surveying *x, const struct at *at)
{
    unsigned a = level_of(x, at->ref[HALF_GROUND]), b = level_of(x, at->ref[HALF_BIND]);
    return a < b ? a : b;
}

static uint32_t child_of(const struct surveying *x, uint32_t ref, unsigned axis, unsigned atom)
{
    if (!diagram_is_node(x->g, ref) || diagram_axis(diagram_node(x->g, ref)) != axis)
        return ref;
    return diagram_child(x->g, diagram_node(x->g, ref), atom);
}

/* ---- What was met on the way. */

static const uint64_t *set_of(const struct surveying *x, const struct at *at, enum diagram_half half)
{
    return x->sets[half].keys + at->set[half] * x->sets[half].words;
}

static void meet_list(struct surveying *x, struct at *at, enum diagram_half half, uint32_t list)
{
    uint64_t set[NORM_WORDS];
    const uint16_t *l = x->g->lists + list;
    if (l[0] == 0)
        return;
    memcpy(set, set_of(x, at, half), x->sets[half].words * sizeof *set);
    for (unsigned i = 1; i <= l[0]; i++)
        set_put(set, l[i]);
    at->set[half] = policy_memo_number(&x->sets[half], set);
}

static bool is_ban(const struct surveying *x, uint32_t ref)
{
    return !diagram_is_node(x->g, ref) && x->g->lists[ref] == GROUND_BARRED;
}

static void settle_half(struct surveying *x, struct at *at, enum diagram_half half)
{
    uint32_t *ref = &at->ref[half];
    while (diagram_is_node(x->g, *ref) && node_emits(diagram_node(x->g, *ref))) {
        meet_list(x, at, half, diagram_emitted(x->g, diagram_node(x->g, *ref)));
        *ref = diagram_next(x->g, diagram_node(x->g, *ref));
    }
    if (diagram_is_node(x->g, *ref) || is_ban(x, *ref))
        return;
    meet_list(x, at, half, *ref);
    *ref = 0;
}

static struct at settle(struct surveying *x, struct at at)
{
    settle_half(x, &at, HALF_GROUND);
    settle_half(x, &at, HALF_BIND);
    bool ban = is_ban(x, at.ref[HALF_GROUND]);
    if (ban)
        at.set[HALF_GROUND] = 0;
    if (ban || (at.ref[HALF_GROUND] == 0 && at.set[HALF_GROUND] == 0))
        at.ref[HALF_BIND] = at.set[HALF_BIND] = 0;
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

static void list_set(const uint64_t *set, size_t words, uint16_t *out)
{
    size_t i = 0;
    out[0] = 0;
    EACH_NORM(set, words, i)
    out[++out[0]] = (uint16_t)i;
}

static void bind_set(const struct diagram *g, const uint64_t *set, size_t words, struct survey_bind *out)
{
    size_t i = 0;
    out->deeds = 0;
    out->mask = POLICY_NONE;
    out->n_haves = 0;
    EACH_NORM(set, words, i)
    {
        const struct diagram_condition *c = &g->conditions[i];
        if (c->kind == MUST_DEED)
            out->deeds |= 1ull << c->index;
        else if (c->kind == MUST_HAVE)
            out->have[out->n_haves++] = &g->haves[c->index];
        else if (out->mask == POLICY_NONE || c->index > out->mask)
            out->mask = c->index;
    }
}

static uint64_t walk_leaf(struct surveying *x, const struct at *at)
{
    struct survey *w = x->w;
    bool permit = at->set[HALF_GROUND] != 0;
    const uint16_t *ground = x->g->lists + at->ref[HALF_GROUND];
    if (permit) {
        list_set(set_of(x, at, HALF_GROUND), x->sets[HALF_GROUND].words, x->list);
        bind_set(x->g, set_of(x, at, HALF_BIND), x->sets[HALF_BIND].words, x->bind);
        ground = x->list;
    }
    uint32_t class = w->answer(w, ground, permit ? x->bind : NULL);
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
        struct at child = at;
        if (!step_to(x, axis, atom) || x->w->over)
            continue;
        for (int half = 0; half < HALF_COUNT; half++)
            child.ref[half] = child_of(x, at.ref[half], axis, atom);
        child = settle(x, child);
        uint64_t found = walk_at(x, child);
        hulls_atom(x, found, axis, atom);
        hulls_skip(x, found, level + 1, level_at(x, &child));
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
    uint64_t key[HALF_COUNT];
    for (int half = 0; half < HALF_COUNT; half++)
        key[half] = (uint64_t)at.ref[half] << 32 | at.set[half];
    uint32_t *slot = policy_memo_slot(&x->memo, key);
    if (*slot != UINT32_MAX)
        return x->classes[*slot];
    x->w->over = x->n > SURVEY_STEPS_MAX;
    size_t place = new_place(x);
    *slot = (uint32_t)place;
    unsigned level = level_at(x, &at);
    uint64_t found = level == DIAGRAM_AXES ? walk_leaf(x, &at) : walk_children(x, at, level);
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

static void make_sets(struct surveying *x)
{
    const uint64_t none[NORM_WORDS] = {0};
    const size_t words[HALF_COUNT] = {x->g->h->near_words, x->g->h->condition_words};
    for (int half = 0; half < HALF_COUNT; half++) {
        x->sets[half] = policy_memo(x->scratch, words[half], MEMO_SMALL);
        policy_memo_number(&x->sets[half], none);
    }
    x->list = ARENA_ARRAY(x->scratch, x->g->h->n[DIAGRAM_GRANTS] + 1, uint16_t);
    x->bind =
        arena_alloc(x->scratch, sizeof *x->bind + x->g->h->n[DIAGRAM_HAVES] * sizeof(struct diagram_have *));
}

void policy_survey(struct survey *w, struct arena *scratch)
{
    struct arena_mark mark = arena_mark(scratch);
    struct surveying x = {.w = w, .g = w->p->diagram, .scratch = scratch, .cap = 256};
    struct at root = {.ref = {x.g->h->root[HALF_GROUND], x.g->h->root[HALF_BIND]}};
    x.memo = policy_memo(scratch, HALF_COUNT, MEMO_SMALL);
    make_sets(&x);
    x.classes = ARENA_ARRAY(scratch, x.cap, uint64_t);
    for (unsigned axis = 0; axis < DIAGRAM_AXES; axis++)
        x.axis[x.g->levels[axis]] = (uint8_t)axis;
    for (unsigned d = 0; d < DIM_COUNT; d++)
        fill_atoms(&x, d);
    w->at = policy_box_first(w->p, &w->box);
    root = settle(&x, root);
    hulls_skip(&x, walk_at(&x, root), 0, level_at(&x, &root));
    arena_release(scratch, mark);
}
