// SPDX-License-Identifier: Apache-2.0
/* policy_diff_walk.c: both sides of the forest walked together: where the answers differ. */
#include "policy_diff_impl.h"

/* What was found below one spot: for each class, how many combinations of the levels below. */
struct share {
    uint32_t class;
    double size;
};
struct found {
    struct share *list;
    size_t n, cap;
};

struct walking {
    struct diff_walk *w;
    const struct diff_forest *x;
    struct memo memo;
    struct found *below; /* by the memo's number */
    size_t n, cap;
    double width[DIAGRAM_AXES + 1];        /* level -> combinations of the dimensions from it on */
    uint64_t facts_from[DIAGRAM_AXES + 1]; /* level -> facts from it on */
    struct arena *arena;
    bool over;
};

/* ---- Spots. */

static bool is_leaf(uint32_t ref)
{
    return ref & DIFF_LEAF;
}

static bool denied(const struct walking *k, const struct diff_spot *s, int side)
{
    size_t n = 0;
    return is_leaf(s->ref[side][HALF_GROUND]) &&
           diff_leaf(k->x, s->ref[side][HALF_GROUND], &n)[0] != LEAF_PERMIT;
}

static bool scopes_alike(const struct diff_spot *s)
{
    return s->docs[DIFF_OLD] == s->docs[DIFF_NEW] || ((s->docs[0] | s->docs[1]) & SCOPE_UNKNOWN);
}

static bool same_place(const struct diff_spot *s)
{
    return s->ref[DIFF_OLD][HALF_GROUND] == s->ref[DIFF_NEW][HALF_GROUND] &&
           s->ref[DIFF_OLD][HALF_BIND] == s->ref[DIFF_NEW][HALF_BIND];
}

/* Once a side says no, what would bind is of no interest. */
static void settle(const struct walking *k, struct diff_spot *s)
{
    for (int side = 0; side < DIFF_SIDES; side++)
        if (denied(k, s, side))
            s->ref[side][HALF_BIND] = DIFF_LEAF;
}

/* Nothing below can differ. */
static bool alike(const struct walking *k, const struct diff_spot *s)
{
    if (k->x->scoped && !scopes_alike(s))
        return false;
    return same_place(s) || (denied(k, s, DIFF_OLD) && denied(k, s, DIFF_NEW));
}

static unsigned level_of(const struct walking *k, uint32_t ref)
{
    return is_leaf(ref) ? DIAGRAM_AXES : k->x->level[diff_node(k->x, ref)[0]];
}

/* The first level at `from` or below it that makes a difference. */
static unsigned level_at(const struct walking *k, const struct diff_spot *s, unsigned from)
{
    unsigned best = DIAGRAM_AXES;
    for (int side = 0; side < DIFF_SIDES; side++)
        for (int half = 0; half < HALF_COUNT; half++) {
            unsigned level = level_of(k, s->ref[side][half]);
            best = level < best ? level : best;
        }
    if (!s->who_known && k->x->level[DIM_ACTOR] < best)
        best = k->x->level[DIM_ACTOR];
    uint64_t docs = k->x->scoped ? s->docs[0] | s->docs[1] | SCOPE_UNKNOWN : 0;
    for (unsigned level = from; level < best && docs; level++)
        if (k->x->axis[level] < DIM_COUNT && (k->x->scope_varies[k->x->axis[level]] & docs))
            return level;
    return best;
}

static uint64_t scopes_at(uint64_t docs, uint64_t row)
{
    return (docs & row & ~SCOPE_UNKNOWN) | ((docs | row) & SCOPE_UNKNOWN);
}

static struct diff_spot child_at(const struct walking *k, const struct diff_spot *s, unsigned axis,
                                 unsigned atom)
{
    struct diff_spot c = *s;
    for (int side = 0; side < DIFF_SIDES; side++) {
        for (int half = 0; half < HALF_COUNT; half++) {
            const uint32_t *node = is_leaf(s->ref[side][half]) ? NULL : diff_node(k->x, s->ref[side][half]);
            if (node && node[0] == axis)
                c.ref[side][half] = node[1 + atom];
        }
        if (k->x->scoped && axis < DIM_COUNT)
            c.docs[side] = scopes_at(s->docs[side], k->x->scope[side][axis][atom]);
    }
    if (axis == DIM_ACTOR) {
        c.who_known = true;
        c.person = bits_has(&k->x->names->person, k->x->atom_first[DIM_ACTOR][atom]);
    }
    settle(k, &c);
    return c;
}

/* ---- Regions grow. */

static void region_all(const struct walking *k, struct diff_class *c, unsigned axis)
{
    if (c->full >> axis & 1)
        return;
    for (unsigned atom = 0; atom < k->x->n_atoms[axis]; atom++)
        bits_join(&c->value[axis], &k->x->atom[axis][atom]);
    c->full |= 1u << axis;
}

/* The levels between make no difference: all their values are in. */
static void regions_skip(const struct walking *k, const struct found *f, unsigned from, unsigned to)
{
    for (size_t i = 0; i < f->n; i++) {
        struct diff_class *c = &k->w->classes[f->list[i].class];
        uint64_t facts = k->facts_from[from] & ~k->facts_from[to];
        c->facts_true |= facts;
        c->facts_false |= facts;
        for (unsigned level = from; level < to && level < DIAGRAM_AXES; level++)
            if (k->x->axis[level] < DIM_COUNT)
                region_all(k, c, k->x->axis[level]);
    }
}

static void regions_atom(const struct walking *k, const struct found *f, unsigned axis, unsigned atom)
{
    for (size_t i = 0; i < f->n; i++) {
        struct diff_class *c = &k->w->classes[f->list[i].class];
        if (axis < DIM_COUNT && !(c->full >> axis & 1))
            bits_join(&c->value[axis], &k->x->atom[axis][atom]);
        else if (axis >= DIM_COUNT && atom)
            c->facts_true |= 1ull << (axis - DIM_COUNT);
        else if (axis >= DIM_COUNT)
            c->facts_false |= 1ull << (axis - DIM_COUNT);
    }
}

/* ---- The walk. */

static void add_share(const struct walking *k, struct found *f, uint32_t class, double size)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->list[i].class == class) {
            f->list[i].size += size;
            return;
        }
    if (f->n == f->cap) {
        struct share *bigger = ARENA_ARRAY(k->arena, f->cap * 2 + 2, struct share);
        if (f->n > 0)
            memcpy(bigger, f->list, f->n * sizeof *bigger);
        f->list = bigger;
        f->cap = f->cap * 2 + 2;
    }
    f->list[f->n++] = (struct share){class, size};
}

static struct found walk_at(struct walking *k, const struct diff_spot *s, unsigned from);

static void step_to(const struct walking *k, unsigned axis, unsigned atom)
{
    struct policy_request *at = &k->w->at;
    uint64_t bit = axis < DIM_COUNT ? 0 : 1ull << (axis - DIM_COUNT);
    if (axis < DIM_COUNT)
        at->value[axis] = k->x->atom_first[axis][atom];
    at->facts = atom ? at->facts | bit : at->facts & ~bit;
}

static struct found walk_children(struct walking *k, const struct diff_spot *s, unsigned level)
{
    unsigned axis = k->x->axis[level];
    struct policy_request before = k->w->at;
    struct found all = {.n = 0};
    for (unsigned atom = 0; atom < k->x->n_atoms[axis] && !k->over; atom++) {
        struct diff_spot c = child_at(k, s, axis, atom);
        if (alike(k, &c))
            continue;
        step_to(k, axis, atom);
        struct found f = walk_at(k, &c, level + 1);
        unsigned down = level_at(k, &c, level + 1);
        double width = axis < DIM_COUNT ? k->x->atom_width[axis][atom] : 0.5;
        width *= k->width[level + 1] / k->width[down];
        for (size_t i = 0; i < f.n; i++)
            add_share(k, &all, f.list[i].class, f.list[i].size * width);
        regions_atom(k, &f, axis, atom);
        regions_skip(k, &f, level + 1, down);
    }
    k->w->at = before;
    return all;
}

static struct found walk_leaf(struct walking *k, const struct diff_spot *s)
{
    uint32_t classes[LEAF_CLASSES_MAX];
    struct found f = {.n = 0};
    size_t n = policy_diff_leaf(k->w, s, classes);
    for (size_t i = 0; i < n; i++)
        add_share(k, &f, classes[i], 1);
    return f;
}

static size_t new_place(struct walking *k)
{
    if (k->n == k->cap) {
        struct found *bigger = ARENA_ARRAY(k->arena, k->cap * 2, struct found);
        memcpy(bigger, k->below, k->n * sizeof *bigger);
        k->below = bigger;
        k->cap *= 2;
    }
    return k->n++;
}

static struct found walk_at(struct walking *k, const struct diff_spot *s, unsigned from)
{
    unsigned level = level_at(k, s, from);
    uint64_t key[] = {s->ref[0][0] | (uint64_t)s->ref[0][1] << 32,
                      s->ref[1][0] | (uint64_t)s->ref[1][1] << 32, s->docs[0], s->docs[1],
                      (uint64_t)level << 8 | (uint64_t)(s->who_known << 1) | s->person};
    uint32_t *slot = policy_memo_slot(&k->memo, key);
    if (*slot != UINT32_MAX)
        return k->below[*slot];
    size_t place = new_place(k);
    *slot = (uint32_t)place;
    k->over = k->over || k->n > POLICY_DIFF_STEPS_MAX;
    struct found f = level == DIAGRAM_AXES ? walk_leaf(k, s) : walk_children(k, s, level);
    k->below[place] = f;
    return f;
}

static void measure_levels(struct walking *k)
{
    k->width[DIAGRAM_AXES] = 1;
    for (unsigned level = DIAGRAM_AXES; level-- > 0;) {
        unsigned axis = k->x->axis[level];
        k->width[level] = k->width[level + 1] * (axis < DIM_COUNT ? (double)k->x->names->values[axis] : 1);
        k->facts_from[level] = k->facts_from[level + 1] | (axis < DIM_COUNT ? 0 : 1ull << (axis - DIM_COUNT));
    }
}

/* With one kind of actor only, it is known from the start whose acts they are. */
static struct diff_spot root_spot(const struct walking *k)
{
    const struct diff_forest *x = k->x;
    struct diff_spot s = {.who_known = x->n_atoms[DIM_ACTOR] == 1, .person = bits_has(&x->names->person, 0)};
    bool mixed = false;
    for (size_t v = 1; v < x->names->values[DIM_ACTOR]; v++)
        mixed = mixed || bits_has(&x->names->person, v) != s.person;
    s.who_known = !mixed;
    memcpy(s.ref, x->root, sizeof s.ref);
    for (int side = 0; side < DIFF_SIDES && x->scoped; side++)
        s.docs[side] = x->scopes[side];
    settle(k, &s);
    return s;
}

enum err policy_diff_walk(const struct diff_forest *x, struct arena *a, struct diff_walk *w, struct fail *f)
{
    struct arena *scratch = arena_new(1 << 18);
    struct walking k = {.w = w, .x = x, .arena = scratch, .cap = 1024};
    *w = (struct diff_walk){.x = x, .arena = a, .at = {.facts_known = UINT64_MAX}};
    w->classes = ARENA_ARRAY(a, 3 * x->norms->n_groups + 4, struct diff_class);
    k.memo = policy_memo(scratch, 5, MEMO_SMALL);
    k.below = ARENA_ARRAY(scratch, k.cap, struct found);
    measure_levels(&k);
    struct diff_spot root = root_spot(&k);
    if (!alike(&k, &root)) {
        struct found all = walk_at(&k, &root, 0);
        unsigned down = level_at(&k, &root, 0);
        regions_skip(&k, &all, 0, down);
        for (size_t i = 0; i < all.n; i++)
            w->classes[all.list[i].class].size = all.list[i].size * k.width[0] / k.width[down];
    }
    arena_free(scratch);
    if (k.over)
        return fail_set(f, ERR_TOO_LARGE, "the two policies differ in more than %d combinations of answers",
                        POLICY_DIFF_STEPS_MAX);
    if (w->crowded)
        return fail_set(f, ERR_TOO_LARGE, "a request can be allowed in more than %d ways",
                        ALTERNATIVES_MAX - 1);
    return OK;
}
