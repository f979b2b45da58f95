// SPDX-License-Identifier: Apache-2.0
/* policy_compile_leaf.c: the meaning of section 3 for one set of norms; which norms can no longer have a part
 * in it, and which are sure to. */
#include "policy_compile_impl.h"

/* ---- Settling. What leaves a set early lets more sets be equal; the answer stays the same. */

/* Under a settled ban, permissions and later bans matter only if they lift something: an earlier ban, which
 * would be cited instead, or a permission that does. */
static void settle_under_ban(const struct cases *c, size_t ban, uint64_t *set)
{
    size_t i = 0, words = c->words;
    uint64_t earlier = 0;
    for (size_t k = 0; k < ban; k++)
        earlier |= norm_set_has(set, k) && norm_set_has(c->kind[NORM_BAR], k);
    if (!earlier) {
        memset(set, 0, words * sizeof *set);
        set_put(set, ban);
        return;
    }
    EACH_NORM(set, words, i)
    {
        bool cited = norm_set_has(c->kind[NORM_BAR], i) && i <= ban;
        if (!cited && (!c->lifts[i] || !set_meets(c->lifts[i], set, words)))
            set_out(set, i);
    }
}

/* A ban that holds whatever follows, and that nothing left can lift. */
static bool find_ban(const struct cases *c, const uint64_t *rest, const uint64_t *set, size_t *ban)
{
    for (size_t w = 0; w < c->words; w++)
        for (uint64_t bans = set[w] & rest[w] & c->kind[NORM_BAR][w]; bans; bans &= bans - 1) {
            size_t i = w * 64 + (size_t)__builtin_ctzll(bans);
            if (c->lifter[i] && set_meets(c->lifter[i], set, c->words))
                continue;
            *ban = i;
            return true;
        }
    return false;
}

static void settle_ground(const struct cases *c, const uint64_t *rest, uint64_t *set)
{
    size_t ban = 0;
    if (find_ban(c, rest, set, &ban))
        settle_under_ban(c, ban, set);
}

/* A waiver with nothing to waive goes; one that holds whatever follows takes what it waives along. */
static void settle_bind(const struct cases *c, const uint64_t *rest, uint64_t *set)
{
    for (size_t w = 0; w < c->words; w++)
        for (uint64_t waivers = set[w] & c->kind[NORM_WAIVER][w]; waivers; waivers &= waivers - 1) {
            size_t i = w * 64 + (size_t)__builtin_ctzll(waivers);
            if (norm_set_has(rest, i) && c->lifts[i])
                set_drop(set, c->lifts[i], c->words);
            if (!c->lifts[i] || !set_meets(c->lifts[i], set, c->words))
                set_out(set, i);
        }
}

void policy_build_settle(const struct building *b, unsigned level, uint64_t *set)
{
    if (b->half == HALF_GROUND)
        settle_ground(b->c, b->rest[level], set);
    else
        settle_bind(b->c, b->rest[level], set);
}

/* ---- What is sure. */

/* Whatever the case, the norm is in the answer now: none of its cases matters any more. */
static void take_norm(const struct cases *c, size_t i, uint64_t *set, uint64_t *norms)
{
    uint16_t norm = c->norm[i];
    set_put(norms, norm);
    while (i > 0 && c->norm[i - 1] == norm)
        i--;
    for (; i < c->n && c->norm[i] == norm; i++)
        set_out(set, i);
}

/* Permissions of lower documents are silent beside one that is sure to speak. One that could still lift
 * something must stay: then false, and nothing was changed. */
static bool silence_below(const struct cases *c, unsigned document, uint64_t *set)
{
    const uint64_t *below = c->below[document];
    size_t i = 0;
    if (!set_meets(below, set, c->words))
        return true;
    EACH_NORM(set, c->words, i)
    if (norm_set_has(below, i) && c->lifts[i] && set_meets(c->lifts[i], set, c->words))
        return false;
    set_drop(set, below, c->words);
    return true;
}

/* A permission that nothing left can lift takes what it lifts out of the set. One that lifts nothing need not
 * fear a ban: where the ban stands, the answer is that ban. */
static bool sure_to_stand(const struct cases *c, size_t i, uint64_t *set)
{
    const uint64_t *lifter = c->lifter[i], *lifts = c->lifts[i];
    bool lifting = lifts && set_meets(lifts, set, c->words);
    uint64_t fear = 0;
    for (size_t w = 0; w < c->words && lifter; w++)
        fear |= lifter[w] & set[w] & (lifting ? UINT64_MAX : c->kind[NORM_GRANT][w]);
    if (!fear && lifting)
        set_drop(set, lifts, c->words);
    return !fear;
}

/* If no permission of a higher document is left, it speaks. */
static bool sure_grant(const struct cases *c, size_t i, uint64_t *set, uint64_t *norms)
{
    unsigned document = c->p->norms[c->norm[i]].document;
    if (!sure_to_stand(c, i, set) || set_meets(c->above[document], set, c->words) ||
        !silence_below(c, document, set))
        return false;
    take_norm(c, i, set, norms);
    return true;
}

static bool sure_condition(const struct cases *c, size_t i, uint64_t *set, uint64_t *norms)
{
    if (c->lifter[i] && set_meets(c->lifter[i], set, c->words))
        return false;
    take_norm(c, i, set, norms);
    return true;
}

bool policy_build_sure(const struct building *b, unsigned level, uint64_t *set, uint64_t *norms)
{
    const struct cases *c = b->c;
    bool ground = b->half == HALF_GROUND, any = false;
    const uint64_t *kind = c->kind[ground ? NORM_GRANT : NORM_CONDITION], *rest = b->rest[level];
    for (size_t w = 0; w < c->words; w++)
        for (uint64_t done = 0, left; (left = set[w] & rest[w] & kind[w] & ~done) != 0;) {
            size_t i = w * 64 + (size_t)__builtin_ctzll(left);
            done |= left & (0 - left);
            if (!any)
                memset(norms, 0, c->p->index.words * sizeof *norms);
            any |= ground ? sure_grant(c, i, set, norms) : sure_condition(c, i, set, norms);
        }
    return any;
}

/* ---- Leaves, in numbers of norms. */

static void norms_of(const struct cases *c, const uint64_t *set, uint64_t *norms)
{
    size_t i = 0;
    memset(norms, 0, c->p->index.words * sizeof *norms);
    EACH_NORM(set, c->words, i)
    set_put(norms, c->norm[i]);
}

static size_t ground_leaf(const struct policy *p, uint64_t *standing, uint16_t *out, size_t max)
{
    const struct norm_index *x = &p->index;
    size_t bar = 0, i = 0, n = 1;
    policy_world_lift(p, standing);
    if (policy_world_bar(p, standing, &bar)) {
        out[0] = GROUND_BARRED;
        out[1] = (uint16_t)bar;
        return 2;
    }
    unsigned speaker = policy_world_speaker(p, standing);
    out[0] = GROUND_SILENT;
    if (speaker == POLICY_NONE)
        return 1;
    EACH_NORM(standing, x->words, i)
    if (norm_set_has(x->kind[NORM_GRANT], i) && norm_set_has(x->document[speaker], i) && n < max)
        out[n++] = (uint16_t)i;
    out[0] = (uint16_t)(n - 1);
    return n;
}

static size_t bind_leaf(const struct policy *p, uint64_t *standing, uint16_t *out, size_t max)
{
    size_t i = 0, n = 0;
    policy_world_lift(p, standing);
    EACH_NORM(standing, p->index.words, i)
    if (p->norms[i].kind == NORM_CONDITION && n < max)
        out[n++] = (uint16_t)i;
    return n;
}

size_t policy_build_leaf(const struct building *b, const uint64_t *set, uint16_t *out, size_t max)
{
    uint64_t standing[NORM_WORDS];
    norms_of(b->c, set, standing);
    return b->half == HALF_GROUND ? ground_leaf(b->c->p, standing, out, max)
                                  : bind_leaf(b->c->p, standing, out, max);
}
