// SPDX-License-Identifier: Apache-2.0
/* policy_diff_forest.c: both policies as decision diagrams over the same levels, in which equal parts are
 * one. See policy_diff_impl.h */
#include "policy_diff_impl.h"

/* ---- Equal bytes get equal numbers. */

#define FIRST_SLOTS 1024

/* The whole form has more nodes than the factored one, which has its own limits (policy_compile_impl.h). */
#define DIFF_NODES_MAX 1000000
#define DIFF_STEPS_MAX 32000000

struct intern diff_intern_new(struct arena *a)
{
    struct intern t = {.arena = a, .cap = FIRST_SLOTS / 2, .n_slots = FIRST_SLOTS};
    t.list = ARENA_ARRAY(a, t.cap, struct span);
    t.slots = ARENA_ARRAY(a, t.n_slots, uint32_t);
    return t;
}

static uint64_t hash_bytes(const uint8_t *p, size_t len)
{
    uint64_t h = len, word;
    for (; len >= 8; p += 8, len -= 8) {
        memcpy(&word, p, 8);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    for (; len > 0; p++, len--)
        h = (h ^ *p) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint32_t *intern_slot(const struct intern *t, struct span s)
{
    size_t i = hash_bytes(s.p, s.len) & (t->n_slots - 1);
    while (t->slots[i] != 0 && !span_eq(t->list[t->slots[i] - 1], s))
        i = (i + 1) & (t->n_slots - 1);
    return &t->slots[i];
}

static void intern_grow(struct intern *t)
{
    struct span *list = ARENA_ARRAY(t->arena, t->cap * 2, struct span);
    memcpy(list, t->list, t->n * sizeof *list);
    t->list = list;
    t->cap *= 2;
    t->n_slots *= 2;
    t->slots = ARENA_ARRAY(t->arena, t->n_slots, uint32_t);
    for (size_t i = 0; i < t->n; i++)
        *intern_slot(t, t->list[i]) = (uint32_t)i + 1;
}

uint32_t diff_intern(struct intern *t, const void *bytes, size_t len)
{
    struct span s = span_of(bytes, len);
    uint32_t *slot = intern_slot(t, s);
    if (*slot != 0)
        return *slot - 1;
    if (t->n == t->cap) {
        intern_grow(t);
        slot = intern_slot(t, s);
    }
    uint8_t *copy = arena_alloc(t->arena, len);
    if (len > 0)
        memcpy(copy, bytes, len);
    t->list[t->n] = span_of(copy, len);
    *slot = (uint32_t)++t->n;
    return *slot - 1;
}

/* ---- Atoms: values that neither side tells apart. */

struct planting {
    struct diff_forest *x;
    struct arena *arena;
    struct atoms *own[DIFF_SIDES];  /* of each side alone */
    struct atoms atoms[DIFF_SIDES]; /* of both together, as the cases of one side see them */
};

static void new_atom(struct planting *s, enum policy_dimension d, unsigned atom, size_t value)
{
    struct diff_forest *x = s->x;
    x->atom_first[d][atom] = (uint16_t)value;
    for (int side = 0; side < DIFF_SIDES; side++)
        s->atoms[side].first[d][atom] = x->names->own[side][d][value];
}

static void make_atoms(struct planting *s, enum policy_dimension d)
{
    struct diff_forest *x = s->x;
    const struct diff_names *n = x->names;
    size_t values = n->values[d];
    struct intern kinds = diff_intern_new(s->arena);
    x->atom_first[d] = ARENA_ARRAY(s->arena, values, uint16_t);
    x->atom[d] = ARENA_ARRAY(s->arena, values, struct bits);
    x->atom_width[d] = ARENA_ARRAY(s->arena, values, unsigned);
    for (int side = 0; side < DIFF_SIDES; side++)
        s->atoms[side].first[d] = ARENA_ARRAY(s->arena, values, uint16_t);
    for (size_t v = 0; v < values; v++) {
        uint16_t old = n->own[DIFF_OLD][d][v], new = n->own[DIFF_NEW][d][v];
        uint32_t kind[] = {old == POLICY_NONE ? POLICY_NONE : s->own[DIFF_OLD]->of[d][old],
                           new == POLICY_NONE ? POLICY_NONE : s->own[DIFF_NEW]->of[d][new],
                           d == DIM_ACTOR &&bits_has(&n->person, v)};
        uint32_t atom = diff_intern(&kinds, kind, sizeof kind);
        if (x->atom_width[d][atom]++ == 0)
            new_atom(s, d, atom, v);
        bits_add(&x->atom[d][atom], v);
    }
    x->n_atoms[d] = (unsigned)kinds.n;
    for (int side = 0; side < DIFF_SIDES; side++)
        s->atoms[side].n[d] = (unsigned)kinds.n;
}

/* ---- Levels: the order that did well for the new side; facts that only the old one knows come last. */

static void make_levels(struct diff_forest *x)
{
    const struct diff_names *n = x->names;
    const struct diagram *g = n->side[DIFF_NEW]->diagram;
    uint8_t own_axis[DIAGRAM_AXES];
    unsigned level = 0;
    for (unsigned axis = 0; axis < DIAGRAM_AXES; axis++)
        own_axis[g->levels[axis]] = (uint8_t)axis;
    for (unsigned i = 0; i < DIAGRAM_AXES; i++)
        x->axis[level++] =
            own_axis[i]; /* the new side's facts come first in both: their numbers are the same */
    for (unsigned i = 0; i < DIAGRAM_AXES; i++)
        x->level[x->axis[i]] = (uint8_t)i;
    for (unsigned axis = DIM_COUNT; axis < DIAGRAM_AXES; axis++)
        x->n_atoms[axis] = 2;
}

/* ---- From norms to leaves and nodes. */

static uint32_t leaf_of(struct diff_forest *x, enum diff_leaf tag, const uint32_t *keys, size_t n)
{
    const uint32_t first = tag;
    uint32_t words[1 + POLICY_NORMS_MAX];
    memcpy(words, &first, sizeof first); /* as bytes: so they are hashed */
    if (n > 0)
        memcpy(words + 1, keys, n * sizeof *keys);
    return DIFF_LEAF | diff_intern(&x->leaves, words, (n + 1) * sizeof *words);
}

/* Puts a key at its place, once: permissions by which is to be preferred, then by number. */
static size_t put_key(const struct diff_forest *x, int side, uint32_t *keys, size_t n, uint16_t norm,
                      uint16_t *norms, bool grants)
{
    const struct policy *p = x->names->side[side];
    uint32_t key = x->norms->key[side][norm];
    size_t at = n;
    for (size_t i = 0; i < n; i++)
        if (keys[i] == key)
            return n;
    while (at > 0) {
        int c = grants ? policy_grant_cmp(p, &p->norms[norms[at - 1]], &p->norms[norm]) : 0;
        if (c < 0 || (c == 0 && keys[at - 1] < key))
            break;
        keys[at] = keys[at - 1];
        norms[at] = norms[at - 1];
        at--;
    }
    keys[at] = key;
    norms[at] = norm;
    return n + 1;
}

static uint32_t put_leaf(struct diff_forest *x, int side, enum diff_leaf tag, const uint16_t *list, size_t n)
{
    uint32_t keys[POLICY_NORMS_MAX];
    uint16_t norms[POLICY_NORMS_MAX];
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        kept = put_key(x, side, keys, kept, list[i], norms, tag == LEAF_PERMIT);
    return leaf_of(x, tag, keys, kept);
}

/* A ban that both sides have is a denial like silence; one that only this side has is what it changed. */
static uint32_t ground_leaf(struct diff_forest *x, int side, const uint16_t *leaf)
{
    if (leaf[1] == GROUND_SILENT)
        return leaf_of(x, LEAF_DENIED, NULL, 0);
    if (leaf[1] != GROUND_BARRED)
        return put_leaf(x, side, LEAF_PERMIT, leaf + 2, leaf[1]);
    uint32_t key = x->norms->key[side][leaf[2]];
    bool changed = diff_key_changed(&x->norms->keys[key]);
    return leaf_of(x, changed ? LEAF_BARRED : LEAF_DENIED, &key, changed);
}

static unsigned axis_of(const struct diff_forest *x, int side, unsigned own)
{
    return own < DIM_COUNT ? own : (unsigned)DIM_COUNT + x->names->kind_of[side][KIND_FACT][own - DIM_COUNT];
}

static uint32_t plant_node(struct diff_forest *x, int side, const uint32_t *cell, const uint32_t *leaves,
                           const uint32_t *placed)
{
    uint32_t words[1 + POLICY_VALUES_MAX], n = cell[1];
    bool same = true;
    words[0] = axis_of(x, side, cell[0]);
    words[1] = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t child = cell[2 + i];
        words[1 + i] = child & BUILD_LEAF ? leaves[child & ~BUILD_LEAF] : placed[child];
        same = same && words[1 + i] == words[1];
    }
    return same ? words[1] : diff_intern(&x->nodes, words, (n + 1) * sizeof *words);
}

/* Children stand before their parents. */
static uint32_t plant(struct diff_forest *x, int side, const struct building *b, struct arena *scratch)
{
    uint32_t *leaves = ARENA_ARRAY(scratch, b->n_leaves + 1, uint32_t);
    uint32_t *placed = ARENA_ARRAY(scratch, b->n_cells + 1, uint32_t);
    for (size_t i = 0; i < b->n_leaves; i++) {
        const uint16_t *leaf = b->leaves + b->leaf_at[i];
        leaves[i] = b->half == HALF_GROUND ? ground_leaf(x, side, leaf)
                                           : put_leaf(x, side, LEAF_BIND, leaf + 1, leaf[0]);
    }
    for (size_t at = 0; at < b->n_cells; at += 2 + b->cells[at + 1])
        placed[at] = plant_node(x, side, b->cells + at, leaves, placed);
    uint32_t root = (uint32_t)b->root;
    return root & BUILD_LEAF ? leaves[root & ~BUILD_LEAF] : placed[root];
}

/* The order of the levels in the numbers of one side. */
static struct level_order own_order(const struct diff_forest *x, int side)
{
    struct level_order o;
    memset(&o, 0xff, sizeof o);
    for (unsigned i = 0; i < DIAGRAM_AXES; i++) {
        unsigned axis = x->axis[i];
        bool fact = axis >= DIM_COUNT;
        if (fact && axis - DIM_COUNT >= x->names->both.kind[KIND_FACT].n)
            continue;
        uint16_t own = fact ? x->names->kind_own[side][KIND_FACT][axis - DIM_COUNT] : (uint16_t)axis;
        if (own != POLICY_NONE)
            o.axis[i] = (uint8_t)(fact ? DIM_COUNT + own : own);
    }
    return o;
}

static enum err build_side(struct planting *s, int side, struct fail *f)
{
    static const unsigned kinds[HALF_COUNT] = {GROUND_KINDS, BIND_KINDS};
    struct diff_forest *x = s->x;
    struct level_order order = own_order(x, side);
    enum err e = OK;
    for (int half = 0; half < HALF_COUNT && e == OK; half++) {
        struct arena *scratch = arena_new(1 << 18);
        struct building b = {.steps_max = DIFF_STEPS_MAX, .nodes_max = DIFF_NODES_MAX, .size_max = SIZE_MAX};
        size_t culprit = 0;
        struct cases *c = policy_cases(x->names->side[side], &s->atoms[side], kinds[half], scratch, &culprit);
        if (c)
            policy_build(&b, c, (enum diagram_half)half, &order, NULL, scratch);
        if (!c || b.over)
            e = fail_set(f, ERR_TOO_LARGE, "over the names of both policies, the %s one passes %d nodes",
                         side == DIFF_OLD ? "old" : "new", DIFF_NODES_MAX);
        else
            x->root[side][half] = plant(x, side, &b, scratch);
        arena_free(scratch);
    }
    return e;
}

/* ---- Scopes: where no document applies, the answer is another than no. */

struct scope_box {
    struct bits value[DIM_COUNT];
};

static struct scope_box scope_of(const struct diff_names *n, int side, size_t document)
{
    const struct document *doc = &n->side[side]->documents[document];
    struct scope_box b;
    for (int d = 0; d < DIM_COUNT; d++) {
        b.value[d] = n->common[d];
        if (doc->scoped[d])
            b.value[d] = diff_bits_of(n, (enum policy_side)side, (enum policy_dimension)d, &doc->scope[d]);
        for (size_t w = 0; w < BITS_WORDS; w++)
            b.value[d].w[w] &= n->common[d].w[w];
    }
    return b;
}

static bool box_within(const struct scope_box *small, const struct scope_box *large)
{
    for (int d = 0; d < DIM_COUNT; d++)
        for (size_t w = 0; w < BITS_WORDS; w++)
            if (small->value[d].w[w] & ~large->value[d].w[w])
                return false;
    return true;
}

static bool same_box(const struct scope_box *a, const struct scope_box *b)
{
    return box_within(a, b) && box_within(b, a);
}

/* The scopes of one side that no other scope of it holds; equal ones of both sides are one. */
static size_t side_scopes(struct planting *s, int side, struct scope_box *all, size_t n)
{
    const struct policy *p = s->x->names->side[side];
    struct scope_box own[POLICY_DOCUMENTS_MAX];
    for (size_t i = 0; i < p->n_documents; i++)
        own[i] = scope_of(s->x->names, side, i);
    for (size_t i = 0; i < p->n_documents; i++) {
        bool inner = !p->documents[i].has_rules;
        for (size_t k = 0; k < p->n_documents && !inner; k++)
            inner = k != i && p->documents[k].has_rules && box_within(&own[i], &own[k]) &&
                    (k < i || !same_box(&own[i], &own[k]));
        if (inner)
            continue;
        size_t at = 0;
        while (at < n && !same_box(&all[at], &own[i]))
            at++;
        all[at] = own[i];
        n = at == n ? n + 1 : n;
        s->x->scopes[side] |= 1ull << at;
    }
    return n;
}

static void scope_rows(struct planting *s, int side, const struct scope_box *all, size_t n)
{
    struct diff_forest *x = s->x;
    for (unsigned d = 0; d < DIM_COUNT; d++) {
        x->scope[side][d] = ARENA_ARRAY(s->arena, x->n_atoms[d] + 1, uint64_t);
        for (unsigned atom = 0; atom < x->n_atoms[d]; atom++) {
            size_t value = x->atom_first[d][atom];
            uint64_t row = x->names->own[side][d][value] == POLICY_NONE ? SCOPE_UNKNOWN : 0;
            for (size_t i = 0; i < n; i++)
                row |= bits_has(&all[i].value[d], value) ? 1ull << i : 0;
            x->scope[side][d][atom] = row;
            x->scope_varies[d] |= row ^ x->scope[side][d][0];
        }
    }
}

static enum err make_scopes(struct planting *s, struct fail *f)
{
    struct scope_box *all = ARENA_ARRAY(s->arena, 2 * (size_t)POLICY_DOCUMENTS_MAX, struct scope_box);
    size_t n = side_scopes(s, DIFF_NEW, all, side_scopes(s, DIFF_OLD, all, 0));
    if (n > 63)
        return fail_set(f, ERR_TOO_LARGE, "the documents of the two policies have %zu different scopes", n);
    s->x->scoped = s->x->scopes[DIFF_OLD] != s->x->scopes[DIFF_NEW];
    for (int side = 0; side < DIFF_SIDES && s->x->scoped; side++)
        scope_rows(s, side, all, n);
    return OK;
}

enum err policy_diff_forest(const struct diff_names *n, const struct diff_norms *norms, struct arena *a,
                            struct diff_forest *out, struct fail *f)
{
    struct planting s = {.x = out, .arena = a};
    enum err e = OK;
    *out = (struct diff_forest){.names = n, .norms = norms, .arena = a};
    out->nodes = diff_intern_new(a);
    out->leaves = diff_intern_new(a);
    leaf_of(out, LEAF_DENIED, NULL, 0); /* leaf 0 */
    for (int side = 0; side < DIFF_SIDES; side++)
        s.own[side] = policy_atoms(n->side[side], a);
    for (int d = 0; d < DIM_COUNT; d++)
        make_atoms(&s, (enum policy_dimension)d);
    make_levels(out);
    e = make_scopes(&s, f);
    for (int side = 0; side < DIFF_SIDES && e == OK; side++)
        e = build_side(&s, side, f);
    return e;
}
