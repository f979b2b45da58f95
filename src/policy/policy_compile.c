// SPDX-License-Identifier: Apache-2.0
/* policy_compile.c: from norms to the packed form: the order of the levels, the two halves, the limits. */
#include "policy_compile_impl.h"

#define SEARCH_STEPS 40000 /* steps while looking for a better order: a few milliseconds */
#define SEARCH_TRIES 12
#define SEARCH_SEED  0x9e3779b97f4a7c15u

/* Where the search begins. What few values tell apart stands first, what cuts the norms into the smallest
 * sets next. */
static const uint8_t first_order[DIM_COUNT] = {DIM_ACTOR,   DIM_OPERATION, DIM_SERVICE,
                                               DIM_PURPOSE, DIM_FIELD,     DIM_PARTY,
                                               DIM_BASIS,   DIM_SUBJECT,   DIM_JURISDICTION};

/* Both halves built in one order; the arena holds what was built. */
struct attempt {
    struct arena *arena;
    struct level_order order;
    struct building half[HALF_COUNT];
    struct factored factored[HALF_COUNT];
    bool over;
};

struct search {
    struct compiled *k;
    struct attempt *best, *next;
    uint64_t random;
    size_t steps;
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

static size_t attempt_size(const struct attempt *t)
{
    return t->half[HALF_GROUND].size + t->half[HALF_BIND].size;
}

static size_t attempt_steps(const struct attempt *t)
{
    return t->half[HALF_GROUND].steps + t->half[HALF_BIND].steps;
}

/* Builds t->half in t->order, up to a size. */
static void build_attempt(const struct compiled *k, struct attempt *t, size_t size_max)
{
    t->over = false;
    for (int half = 0; half < HALF_COUNT && !t->over; half++) {
        struct building *b = &t->half[half];
        b->size_max = half == HALF_GROUND ? size_max : size_max - t->half[HALF_GROUND].size;
        b->steps_max = COMPILE_STEPS_MAX;
        b->nodes_max = COMPILE_NODES_MAX;
        b->work = k->scratch;
        b->factored = &t->factored[half];
        policy_build(b, k->half[half], (enum diagram_half)half, &t->order, NULL, t->arena);
        t->over = b->over;
    }
}

/* A try that grows beyond the best so far ends there. */
static void try_shuffled(struct search *s, unsigned facts)
{
    struct attempt *t = s->next;
    arena_reset(t->arena);
    t->order = s->best->order;
    shuffle(s, &t->order, facts);
    memset(t->half, 0, sizeof t->half);
    build_attempt(s->k, t, attempt_size(s->best));
    s->steps += attempt_steps(t);
    if (t->over || attempt_size(t) >= attempt_size(s->best))
        return;
    s->next = s->best;
    s->best = t;
}

static void search_order(struct search *s)
{
    unsigned facts = (unsigned)s->k->half[0]->p->kind[KIND_FACT].n;
    build_attempt(s->k, s->best, SIZE_MAX);
    s->steps = attempt_steps(s->best);
    for (int i = 0; i < SEARCH_TRIES && s->steps < SEARCH_STEPS && !s->best->over; i++)
        try_shuffled(s, facts);
}

static void start_order(struct level_order *o)
{
    memcpy(o->axis, first_order, sizeof first_order);
    for (unsigned i = DIM_COUNT; i < DIAGRAM_AXES; i++)
        o->axis[i] = (uint8_t)i;
}

/* ---- A policy too tangled for the limits: which sentence made it so. */

static bool half_fits(const struct compiled *k, enum diagram_half half, uint32_t order)
{
    struct arena *scratch = arena_new(1 << 20);
    const struct cases *c = k->half[half];
    struct factored f;
    struct building b = {.steps_max = COMPILE_STEPS_MAX,
                         .nodes_max = COMPILE_NODES_MAX,
                         .size_max = SIZE_MAX,
                         .work = k->scratch,
                         .factored = &f};
    uint64_t *start = ARENA_ARRAY(scratch, c->words + 1, uint64_t);
    for (size_t i = 0; i < c->n; i++)
        if (c->p->norms[c->norm[i]].order < order)
            set_put(start, i);
    policy_build(&b, c, half, &k->order, start, scratch);
    bool fits = !b.over;
    arena_free(scratch);
    return fits;
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
    uint32_t fits = 0, not = (uint32_t)l->p->n_norms;
    while (fits + 1 < not ) {
        uint32_t middle = fits + (not -fits) / 2;
        if (half_fits(k, HALF_GROUND, middle) && half_fits(k, HALF_BIND, middle))
            fits = middle;
        else
            not = middle;
    }
    const struct norm *n = by_order(l->p, not -1);
    l->clause = n->clause;
    policy_say(
        l, MSG_SYNTAX, n->place,
        "with this sentence the compiled policy passes %d nodes or %d steps; give it fewer exceptions or a "
        "narrower act",
        COMPILE_NODES_MAX, COMPILE_STEPS_MAX);
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

static void open_packed(struct load *l, const struct compiled *k, struct attempt *t)
{
    size_t len = 0;
    const uint8_t *bytes = policy_pack(l->arena, k, t->factored, &len);
    struct diagram *g = ARENA_NEW(l->arena, struct diagram);
    policy_diagram_open(g, bytes);
    l->p->packed = span_of(bytes, len);
    l->p->diagram = g;
}

bool policy_compile(struct load *l, struct compiled *k)
{
    if (!make_cases(l, k))
        return false;
    struct attempt attempt[] = {{.arena = arena_new(WORK_CHUNK)}, {.arena = arena_new(WORK_CHUNK)}};
    struct search s = {.k = k, .best = &attempt[0], .next = &attempt[1], .random = SEARCH_SEED};
    start_order(&s.best->order);
    search_order(&s);
    k->order = s.best->order;
    bool fits = !s.best->over;
    if (fits)
        open_packed(l, k, s.best);
    else
        say_too_large(l, k);
    arena_free(attempt[0].arena);
    arena_free(attempt[1].arena);
    return fits;
}
