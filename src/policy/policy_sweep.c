// SPDX-License-Identifier: Apache-2.0
/* policy_sweep.c: boxes of requests, and the sets of norms that match together in one. */
#include "policy_compile_impl.h"

/* ---- Boxes. A dimension without names has one value, 0. */

struct box policy_box_all(const struct policy *p)
{
    struct box b = {.facts = 0};
    for (int d = 0; d < DIM_COUNT; d++) {
        size_t n = p->index.rows[d];
        memset(b.value[d].w, 0xff, n / 64 * sizeof b.value[d].w[0]);
        if (n % 64 > 0)
            b.value[d].w[n / 64] = (1ull << n % 64) - 1;
    }
    return b;
}

static void keep_only(struct bits *b, const struct bits *other)
{
    for (size_t w = 0; w < BITS_WORDS; w++)
        b->w[w] &= other->w[w];
}

bool policy_box_meet(const struct policy *p, struct box *b, const struct act *act, unsigned document)
{
    const struct document *doc = document == POLICY_NONE ? NULL : &p->documents[document];
    bool any = true;
    for (int d = 0; d < DIM_COUNT; d++) {
        if (p->dim[d].n > 0)
            keep_only(&b->value[d], &act->set[d]);
        if (doc && doc->scoped[d])
            keep_only(&b->value[d], &doc->scope[d]);
        any = any && !bits_empty(&b->value[d]);
    }
    return any;
}

void policy_box_norms(const struct policy *p, const struct box *b, uint64_t *norms)
{
    uint64_t held[NORM_WORDS];
    size_t words = p->index.words, value = 0;
    memset(norms, 0xff, words * sizeof *norms);
    for (int d = 0; d < DIM_COUNT; d++) {
        memset(held, 0, words * sizeof *held);
        EACH_NORM(b->value[d].w, BITS_WORDS, value)
        for (size_t w = 0; w < words; w++)
            held[w] |= p->index.row[d][value * words + w];
        for (size_t w = 0; w < words; w++)
            norms[w] &= held[w];
    }
}

static unsigned first_value(const struct bits *b)
{
    unsigned v = 0;
    while (v < POLICY_VALUES_MAX - 1 && !bits_has(b, v))
        v++;
    return v;
}

struct policy_request policy_box_first(const struct policy *p, const struct box *b)
{
    struct policy_request q = {.facts = b->facts_value, .facts_known = UINT64_MAX};
    (void)p;
    for (int d = 0; d < DIM_COUNT; d++)
        q.value[d] = (uint16_t)first_value(&b->value[d]);
    return q;
}

/* ---- The sweep. */

struct sweeping {
    struct sweep *s;
    const struct cases *c;
    struct memo memo; /* (level, set) seen */
    uint64_t **stack;
    uint16_t *value[DIM_COUNT]; /* atom -> a value of it in the box, or POLICY_NONE */
    uint64_t *norms;
};

static bool of_interest(const struct sweeping *x, const uint64_t *set)
{
    bool all = true;
    for (size_t i = 0; i < sizeof x->s->must / sizeof x->s->must[0]; i++)
        all = all && (!x->s->must[i] || set_meets(set, x->s->must[i], x->c->words));
    return all;
}

static bool level_matters(const struct cases *c, unsigned level, const uint64_t *set)
{
    uint64_t any = 0;
    for (size_t w = 0; w < c->words; w++)
        any |= set[w] & ~c->axis[level].same[w];
    return any != 0;
}

/* Sets where the request stands with this atom; false: outside of the box. */
static bool step_to(struct sweeping *x, const struct axis *axis, unsigned atom)
{
    struct policy_request *at = &x->s->at;
    if (axis->id < DIM_COUNT) {
        uint16_t value = x->value[axis->id][atom];
        at->value[axis->id] = value == POLICY_NONE ? at->value[axis->id] : value;
        return value != POLICY_NONE;
    }
    uint64_t bit = 1ull << (axis->id - DIM_COUNT);
    if ((x->s->box.facts & bit) && ((x->s->box.facts_value & bit) != 0) != (atom != 0))
        return false;
    at->facts = atom ? at->facts | bit : at->facts & ~bit;
    return true;
}

static bool sweep_leaf(struct sweeping *x, const uint64_t *set)
{
    size_t i = 0;
    memset(x->norms, 0, x->c->p->index.words * sizeof *x->norms);
    EACH_NORM(set, x->c->words, i)
    set_put(x->norms, x->c->norm[i]);
    return x->s->visit(x->s, x->norms);
}

static bool sweep_level(struct sweeping *x, unsigned level);

/* A set like the one before has been gone into. */
static bool sweep_atoms(struct sweeping *x, unsigned level, const uint64_t *set)
{
    const struct axis *axis = &x->c->axis[level];
    struct policy_request before = x->s->at;
    uint64_t *next = x->stack[level + 1] + 1;
    bool first = true;
    for (unsigned k = 0; k < axis->n; k++) {
        const uint64_t *row = cases_row(x->c, axis, k);
        uint64_t differs = first;
        if (!step_to(x, axis, k) || x->s->over)
            continue;
        for (size_t w = 0; w < x->c->words; w++) {
            differs |= next[w] ^ (set[w] & row[w]);
            next[w] = set[w] & row[w];
        }
        first = false;
        if (differs && sweep_level(x, level + 1))
            return true;
    }
    x->s->at = before;
    return false;
}

static bool sweep_level(struct sweeping *x, unsigned level)
{
    uint64_t *key = x->stack[level], *set = key + 1;
    unsigned down = level;
    if (!of_interest(x, set))
        return false;
    while (down < x->c->n_axes && !level_matters(x->c, down, set))
        down++;
    key[0] = down;
    size_t known = x->memo.n;
    if (policy_memo_number(&x->memo, key) < known)
        return false;
    x->s->over = x->memo.n > x->s->steps_max;
    if (x->s->over)
        return false;
    if (down == x->c->n_axes)
        return sweep_leaf(x, set);
    if (down != level)
        memcpy(x->stack[down], key, (x->c->words + 1) * sizeof *key);
    return sweep_atoms(x, down, x->stack[down] + 1);
}

static void fill_values(struct sweeping *x, struct arena *scratch)
{
    const struct atoms *atoms = x->c->atoms;
    for (int d = 0; d < DIM_COUNT; d++) {
        x->value[d] = ARENA_ARRAY(scratch, atoms->n[d] + 1, uint16_t);
        memset(x->value[d], 0xff, atoms->n[d] * sizeof(uint16_t));
        for (size_t v = x->c->p->index.rows[d]; v-- > 0;)
            if (bits_has(&x->s->box.value[d], v))
                x->value[d][atoms->of[d][v]] = (uint16_t)v;
    }
}

bool policy_sweep(struct sweep *s, struct arena *scratch)
{
    struct arena_mark mark = arena_mark(scratch);
    struct sweeping x = {.s = s, .c = s->c, .memo = policy_memo(scratch, s->c->words + 1, MEMO_SMALL)};
    uint64_t *rows = ARENA_ROOM(scratch, (s->c->n_axes + 1) * (s->c->words + 1), uint64_t);
    x.stack = ARENA_ARRAY(scratch, s->c->n_axes + 1, uint64_t *);
    for (unsigned i = 0; i <= s->c->n_axes; i++)
        x.stack[i] = rows + i * (s->c->words + 1);
    x.norms = ARENA_ARRAY(scratch, s->c->p->index.words + 1, uint64_t);
    fill_values(&x, scratch);
    s->at = policy_box_first(s->c->p, &s->box);
    memcpy(x.stack[0] + 1, s->start ? s->start : s->c->all, s->c->words * sizeof(uint64_t));
    bool enough = sweep_level(&x, 0);
    arena_release(scratch, mark);
    return enough;
}
