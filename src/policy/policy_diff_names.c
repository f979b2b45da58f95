// SPDX-License-Identifier: Apache-2.0
/* policy_diff_names.c: one list of names for two policies. See policy_diff_impl.h */
#include "policy_diff_impl.h"

static const char *const person_actors[] = {"subject", "guardian"};

/* ---- Two lists of words into one. */

struct joined {
    struct word *list;
    size_t n;
    uint16_t *own[DIFF_SIDES], *of[DIFF_SIDES];
};

static size_t word_find(const struct word *list, size_t n, struct span name)
{
    size_t i = 0;
    while (i < n && !span_eq(list[i].name, name))
        i++;
    return i;
}

static uint16_t *numbers(struct arena *a, size_t n)
{
    uint16_t *list = ARENA_ARRAY(a, n + 1, uint16_t);
    memset(list, 0xff, (n + 1) * sizeof *list);
    return list;
}

static struct joined join(const struct word *old, size_t n_old, const struct word *new, size_t n_new,
                          struct arena *a)
{
    struct joined j = {.list = ARENA_ARRAY(a, n_old + n_new + 1, struct word), .n = n_new};
    for (int side = 0; side < DIFF_SIDES; side++) {
        j.own[side] = numbers(a, n_old + n_new);
        j.of[side] = numbers(a, side == DIFF_OLD ? n_old : n_new);
    }
    for (size_t i = 0; i < n_new; i++) {
        j.list[i] = new[i];
        j.own[DIFF_NEW][i] = j.of[DIFF_NEW][i] = (uint16_t)i;
    }
    for (size_t i = 0; i < n_old; i++) {
        size_t k = word_find(j.list, j.n, old[i].name);
        if (k == j.n)
            j.list[j.n++] = old[i];
        j.own[DIFF_OLD][k] = (uint16_t)i;
        j.of[DIFF_OLD][i] = (uint16_t)k;
    }
    return j;
}

/* ---- Dimensions and kinds. */

static enum err too_many(struct fail *f, const char *what, size_t n, size_t max)
{
    return fail_set(f, ERR_TOO_LARGE,
                    "the two policies have %zu different %s together; at most %zu can be compared", n, what,
                    max);
}

/* A side that names nothing in a dimension has one value there that everything is. */
static void join_dimension(struct diff_names *n, enum policy_dimension d, struct arena *a)
{
    const struct dimension *old = &n->side[DIFF_OLD]->dim[d], *new = &n->side[DIFF_NEW]->dim[d];
    struct joined j = join(old->members, old->n, new->members, new->n, a);
    n->both.dim[d].members = j.list;
    n->both.dim[d].n = j.n;
    n->values[d] = j.n > 0 ? j.n : 1;
    n->both.index.rows[d] = n->values[d];
    for (int side = 0; side < DIFF_SIDES; side++) {
        n->own[side][d] = j.own[side];
        for (size_t v = 0; v < n->values[d] && n->side[side]->dim[d].n == 0; v++)
            n->own[side][d][v] = 0;
    }
    for (size_t v = 0; v < n->values[d] && v < POLICY_VALUES_MAX; v++)
        if (n->own[DIFF_OLD][d][v] != POLICY_NONE && n->own[DIFF_NEW][d][v] != POLICY_NONE)
            bits_add(&n->common[d], v);
}

static void join_kind(struct diff_names *n, enum policy_kind k, struct arena *a)
{
    const struct wordlist *old = &n->side[DIFF_OLD]->kind[k], *new = &n->side[DIFF_NEW]->kind[k];
    struct joined j = join(old->list, old->n, new->list, new->n, a);
    n->both.kind[k] = (struct wordlist){j.list, j.n};
    for (int side = 0; side < DIFF_SIDES; side++) {
        n->kind_own[side][k] = j.own[side];
        n->kind_of[side][k] = j.of[side];
    }
}

static void find_persons(struct diff_names *n)
{
    for (size_t v = 0; v < n->both.dim[DIM_ACTOR].n; v++)
        for (size_t i = 0; i < sizeof person_actors / sizeof person_actors[0]; i++)
            if (span_is(n->both.dim[DIM_ACTOR].members[v].name, person_actors[i]))
                bits_add(&n->person, v);
}

static enum err check_limits(const struct diff_names *n, struct fail *f)
{
    static const struct {
        enum policy_kind k;
        const char *what;
    } words[] = {{KIND_NEED, "needs"}, {KIND_FACT, "facts"}, {KIND_DEED, "deeds"}};
    for (int d = 0; d < DIM_COUNT; d++)
        if (n->values[d] > POLICY_VALUES_MAX)
            return too_many(f, policy_dimension_word[d], n->values[d], POLICY_VALUES_MAX);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (n->both.kind[words[i].k].n > 64)
            return too_many(f, words[i].what, n->both.kind[words[i].k].n, 64);
    return OK;
}

enum err policy_diff_names(const struct policy *old, const struct policy *new, struct arena *a,
                           struct diff_names **out, struct fail *f)
{
    struct diff_names *n = ARENA_NEW(a, struct diff_names);
    *out = n;
    n->both = *new;
    n->side[DIFF_OLD] = old;
    n->side[DIFF_NEW] = new;
    for (int d = 0; d < DIM_COUNT; d++)
        join_dimension(n, (enum policy_dimension)d, a);
    for (int k = 0; k < KIND_COUNT; k++)
        join_kind(n, (enum policy_kind)k, a);
    enum err e = check_limits(n, f);
    if (e == OK)
        find_persons(n);
    return e;
}

/* ---- Translating. */

static uint64_t map_word(const uint16_t *map, uint64_t bits)
{
    uint64_t out = 0;
    for (; bits; bits &= bits - 1) {
        uint16_t to = map[__builtin_ctzll(bits)];
        out |= to == POLICY_NONE ? 0 : 1ull << to;
    }
    return out;
}

/* Bits behind the names stand for nothing. */
static uint64_t known_bits(size_t n)
{
    return n >= 64 ? UINT64_MAX : (1ull << n) - 1;
}

uint64_t diff_word_of(const struct diff_names *n, enum policy_side side, enum policy_kind k, uint64_t own)
{
    return map_word(n->kind_of[side][k], own & known_bits(n->side[side]->kind[k].n));
}

uint64_t diff_word_own(const struct diff_names *n, enum policy_side side, enum policy_kind k, uint64_t both)
{
    return map_word(n->kind_own[side][k], both & known_bits(n->both.kind[k].n));
}

struct bits diff_bits_of(const struct diff_names *n, enum policy_side side, enum policy_dimension d,
                         const struct bits *own)
{
    struct bits out = {{0}};
    for (size_t v = 0; v < n->values[d]; v++)
        if (n->own[side][d][v] != POLICY_NONE && bits_has(own, n->own[side][d][v]))
            bits_add(&out, v);
    return out;
}

bool diff_request_own(const struct diff_names *n, enum policy_side side, const struct policy_request *both,
                      struct policy_request *own)
{
    bool known = true;
    *own = (struct policy_request){.facts_known = UINT64_MAX};
    for (int d = 0; d < DIM_COUNT; d++) {
        own->value[d] = n->own[side][d][both->value[d]];
        known = known && own->value[d] != POLICY_NONE;
    }
    own->facts = diff_word_own(n, side, KIND_FACT, both->facts);
    own->needs = diff_word_own(n, side, KIND_NEED, both->needs);
    return known;
}
