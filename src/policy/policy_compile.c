// SPDX-License-Identifier: Apache-2.0
/* policy_compile.c: from norms to the packed form: the order of the levels, the two halves, the limits. */
#include "policy_compile_impl.h"

#define SEARCH_STEPS 60000 /* atoms gone over while looking for an order: a few milliseconds */
#define SEARCH_TRIES 12
#define SEARCH_SEED  0x9e3779b97f4a7c15u

/* Where the search begins. What few values tell apart stands first, what cuts the norms into the smallest
 * sets next. */
static const uint8_t first_order[DIM_COUNT] = {DIM_OPERATION, DIM_ACTOR,        DIM_PARTY,
                                               DIM_SERVICE,   DIM_JURISDICTION, DIM_FIELD,
                                               DIM_PURPOSE,   DIM_BASIS,        DIM_SUBJECT};

struct search {
    struct compiled *k;
    struct arena *scratch; /* of one try */
    uint64_t random;
    size_t steps, best_size;
};

static unsigned pick(struct search *s, unsigned n)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (unsigned)((s->random >> 11) % n);
}

/* Two levels change places, or one moves: dimensions among dimensions, facts among facts. */
static void shuffle(struct search *s, struct level_order *o, unsigned facts)
{
    bool dimension = facts < 2 || pick(s, 4) != 0;
    unsigned from = dimension ? 0 : DIM_COUNT, n = dimension ? DIM_COUNT : facts;
    unsigned i = from + pick(s, n), k = from + pick(s, n);
    uint8_t moved = o->axis[i];
    if (pick(s, 2)) {
        o->axis[i] = o->axis[k];
    } else if (i < k) {
        memmove(&o->axis[i], &o->axis[i + 1], k - i);
    } else {
        memmove(&o->axis[k + 1], &o->axis[k], i - k);
    }
    o->axis[k] = moved;
}

/* Both halves in this order; false: over the steps. */
static bool build_halves(struct compiled *k, const struct level_order *o, size_t steps_max,
                         struct arena *scratch, struct building *b)
{
    bool over = false;
    for (int half = 0; half < HALF_COUNT; half++) {
        policy_build(&b[half], k->half[half], (enum diagram_half)half, o, k->half[half]->all, steps_max,
                     scratch);
        over = over || b[half].over;
    }
    return !over;
}

/* A try may take a little more than the best so far, no more: it would not be better. */
static void try_order(struct search *s, const struct level_order *o)
{
    struct building b[HALF_COUNT];
    bool built = build_halves(s->k, o, SEARCH_STEPS, s->scratch, b);
    size_t size = b[HALF_GROUND].size + b[HALF_BIND].size;
    s->steps += b[HALF_GROUND].steps + b[HALF_BIND].steps;
    if (built && size < s->best_size) {
        s->best_size = size;
        s->k->order = *o;
    }
    arena_reset(s->scratch);
}

static void search_order(struct compiled *k)
{
    struct search s = {.k = k, .scratch = arena_new(1 << 20), .random = SEARCH_SEED, .best_size = SIZE_MAX};
    unsigned facts = (unsigned)k->half[0]->p->kind[KIND_FACT].n;
    struct level_order o = k->order;
    try_order(&s, &o);
    for (int i = 1; i < SEARCH_TRIES && s.steps < SEARCH_STEPS; i++) {
        o = k->order;
        shuffle(&s, &o, facts);
        try_order(&s, &o);
    }
    arena_free(s.scratch);
}

static void start_order(struct level_order *o)
{
    memcpy(o->axis, first_order, sizeof first_order);
    for (unsigned i = DIM_COUNT; i < DIAGRAM_AXES; i++)
        o->axis[i] = (uint8_t)i;
}

/* ---- A policy too tangled for the limits: which sentence made it so. */

static bool first_norms_fit(struct compiled *k, uint32_t order)
{
    struct arena *scratch = arena_new(1 << 20);
    bool fit = true;
    for (int half = 0; half < HALF_COUNT && fit; half++) {
        struct cases *c = k->half[half];
        struct building b;
        uint64_t *start = ARENA_ARRAY(scratch, c->words + 1, uint64_t);
        for (size_t i = 0; i < c->n; i++)
            if (c->p->norms[c->norm[i]].order <= order)
                set_put(start, i);
        policy_build(&b, c, (enum diagram_half)half, &k->order, start, COMPILE_STEPS_MAX, scratch);
        fit = !b.over;
    }
    arena_free(scratch);
    return fit;
}

static const struct norm *by_order(const struct policy *p, uint32_t order)
{
    const struct norm *n = &p->norms[0];
    for (size_t i = 0; i < p->n_norms; i++)
        if (p->norms[i].order == order)
            n = &p->norms[i];
    return n;
}

/* The norms are added as they were read; halving finds the first that does not fit. */
static void say_too_large(struct load *l, struct compiled *k)
{
    uint32_t low = 0, high = (uint32_t)l->p->n_norms;
    while (low + 1 < high) {
        uint32_t middle = low + (high - low) / 2;
        if (first_norms_fit(k, middle))
            low = middle;
        else
            high = middle;
    }
    const struct norm *n = by_order(l->p, high);
    l->clause = n->clause;
    policy_say(
        l, MSG_SYNTAX, n->place,
        "with this sentence the compiled policy passes %d nodes; give it fewer exceptions or a narrower act",
        COMPILE_NODES_MAX);
    l->clause = POLICY_NONE;
}

static bool make_cases(struct load *l, struct compiled *k)
{
    static const unsigned kinds[HALF_COUNT] = {GROUND_KINDS, BIND_KINDS};
    size_t culprit = 0;
    k->atoms = policy_atoms(l->p, k->scratch);
    for (int half = 0; half < HALF_COUNT; half++) {
        k->half[half] = policy_cases(l->p, k->atoms, kinds[half], k->scratch, &culprit);
        if (!k->half[half])
            return policy_say(l, MSG_SYNTAX, l->p->norms[culprit].place,
                              "with this sentence the policy passes %d cases of facts", COMPILE_CASES_MAX);
    }
    return true;
}

bool policy_compile(struct load *l, struct compiled *k)
{
    struct building b[HALF_COUNT];
    size_t len = 0;
    if (!make_cases(l, k))
        return false;
    start_order(&k->order);
    search_order(k);
    if (!build_halves(k, &k->order, COMPILE_STEPS_MAX, k->scratch, b)) {
        say_too_large(l, k);
        return false;
    }
    const uint8_t *bytes = policy_pack(l->arena, l->p, k->atoms, &k->order, b, &len);
    struct diagram *g = ARENA_NEW(l->arena, struct diagram);
    policy_diagram_open(g, bytes);
    l->p->packed = span_of(bytes, len);
    l->p->diagram = g;
    return true;
}
