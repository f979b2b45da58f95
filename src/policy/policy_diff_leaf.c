// SPDX-License-Identifier: Apache-2.0
/*
 * policy_diff_leaf.c: two answers compared, and the sentences that made the difference.
 *
 * A request is allowed in as many ways as there are need-sets that are enough. More is allowed if some new
 * way holds no old one; less, if some old way holds no new one.
 */
#include "policy_diff_impl.h"

/* Permissions and what binds are also compared each by itself, to tell which of the two it was. */
enum half_of { OF_GROUND, OF_BIND, OF_BOTH, OF_COUNT };

struct side_answer {
    bool permit, applies;
    const uint32_t *keys[HALF_COUNT]; /* of the norms that speak */
    size_t n_keys[HALF_COUNT];
    struct alternatives ways[OF_COUNT];
    uint64_t deeds;
    unsigned mask; /* POLICY_NONE: none */
};

struct pair {
    struct diff_walk *w;
    const struct diff_spot *spot;
    struct side_answer side[DIFF_SIDES];
    struct policy_request own[DIFF_SIDES];
    bool known[DIFF_SIDES];
    uint64_t needs_later; /* needs with which the time limits differ */
    uint32_t *out;
    size_t n;
};

static const struct norm *norm_of(const struct pair *c, int side, uint32_t key)
{
    const struct diff_forest *x = c->w->x;
    return &x->names->side[side]->norms[x->norms->keys[key].norm[side]];
}

/* ---- One side's answer. */

static void add_needs(const struct pair *c, int side, uint32_t key, struct alternatives *out)
{
    const struct diff_norms *norms = c->w->x->norms;
    uint16_t norm = norms->keys[key].norm[side];
    size_t n = diff_needs(norm_of(c, side, key))->n;
    for (size_t i = 0; i < n; i++)
        policy_alternatives_add(out, norms->needs[side][norm][i]);
}

static void bind_one(const struct pair *c, int side, uint32_t key, struct side_answer *a)
{
    const struct diff_names *names = c->w->x->names;
    const struct must *m = &norm_of(c, side, key)->must;
    struct alternatives sets = {.n = 0};
    if (m->kind == MUST_DEED)
        a->deeds |= 1ull << names->kind_of[side][KIND_DEED][m->index];
    if (m->kind == MUST_MASK) {
        uint16_t own = a->mask == POLICY_NONE ? POLICY_NONE : names->kind_own[side][KIND_MASK][a->mask];
        if (own == POLICY_NONE || m->index > own)
            a->mask = names->kind_of[side][KIND_MASK][m->index];
    }
    if (m->kind != MUST_HAVE)
        return;
    add_needs(c, side, key, &sets);
    policy_alternatives_meet(&a->ways[OF_BIND], &sets);
}

static void read_side(struct pair *c, int side)
{
    struct side_answer *a = &c->side[side];
    const struct diff_forest *x = c->w->x;
    const uint64_t docs = c->spot->docs[side];
    *a = (struct side_answer){.mask = POLICY_NONE};
    a->applies = !x->scoped || (docs & ~SCOPE_UNKNOWN) != 0 || (docs & SCOPE_UNKNOWN);
    for (int half = 0; half < HALF_COUNT; half++) {
        const uint32_t *leaf = diff_leaf(x, c->spot->ref[side][half], &a->n_keys[half]);
        a->keys[half] = leaf + 1;
        a->n_keys[half]--;
        a->permit = a->permit || leaf[0] == LEAF_PERMIT;
    }
    if (!a->permit)
        return;
    for (size_t i = 0; i < a->n_keys[HALF_GROUND]; i++)
        add_needs(c, side, a->keys[HALF_GROUND][i], &a->ways[OF_GROUND]);
    a->ways[OF_BIND] = (struct alternatives){.n = 1};
    for (size_t i = 0; i < a->n_keys[HALF_BIND]; i++)
        bind_one(c, side, a->keys[HALF_BIND][i], a);
    a->ways[OF_BOTH] = a->ways[OF_GROUND];
    policy_alternatives_meet(&a->ways[OF_BOTH], &a->ways[OF_BIND]);
}

/* ---- Two. */

/* A way of `a` that no way of `b` opens, or null. */
static const uint64_t *way_only(const struct alternatives *a, const struct alternatives *b)
{
    for (size_t i = 0; i < a->n; i++) {
        bool opened = false;
        for (size_t k = 0; k < b->n && !opened; k++)
            opened = (b->set[k] & ~a->set[i]) == 0;
        if (!opened)
            return &a->set[i];
    }
    return NULL;
}

static unsigned compare_ways(const struct pair *c, enum half_of of)
{
    const struct alternatives *old = &c->side[DIFF_OLD].ways[of], *new = &c->side[DIFF_NEW].ways[of];
    return (way_only(new, old) ? DIFFERS_MORE : 0u) | (way_only(old, new) ? DIFFERS_LESS : 0u);
}

/* Which of two masks is the stronger: by the order of a policy that knows both, the new one first. */
static unsigned compare_masks(const struct diff_names *n, unsigned old, unsigned new)
{
    if (old == new)
        return 0;
    if (old == POLICY_NONE || new == POLICY_NONE)
        return new == POLICY_NONE ? DIFFERS_MASK_WEAKER : DIFFERS_MASK_STRONGER;
    for (int side = DIFF_NEW; side >= DIFF_OLD; side--) {
        uint16_t a = n->kind_own[side][KIND_MASK][old], b = n->kind_own[side][KIND_MASK][new];
        if (a != POLICY_NONE && b != POLICY_NONE)
            return b < a ? DIFFERS_MASK_WEAKER : DIFFERS_MASK_STRONGER;
    }
    return DIFFERS_OTHER;
}

static unsigned compare_binding(const struct pair *c)
{
    const struct side_answer *old = &c->side[DIFF_OLD], *new = &c->side[DIFF_NEW];
    if (!old->permit || !new->permit)
        return 0;
    return (old->deeds & ~new->deeds ? DIFFERS_DEED_GONE : 0u) |
           (new->deeds & ~old->deeds ? DIFFERS_DEED_NEW : 0u) |
           compare_masks(c->w->x->names, old->mask, new->mask);
}

/* ---- Time limits: with which needs which permission speaks is left to the evaluator. */

#define HELD_MAX 256 /* sets of needs tried */

static bool has_until(const struct pair *c, int side)
{
    const struct side_answer *a = &c->side[side];
    bool any = false;
    for (size_t i = 0; i < a->n_keys[HALF_GROUND]; i++)
        any = any || norm_of(c, side, a->keys[HALF_GROUND][i])->act.until.event != POLICY_NONE;
    return any;
}

static size_t held_add(uint64_t *held, size_t n, uint64_t set)
{
    for (size_t i = 0; i < n; i++)
        if (held[i] == set)
            return n;
    if (n < HELD_MAX)
        held[n++] = set;
    return n;
}

/* Every union of what either side asks for. */
static size_t held_sets(const struct pair *c, uint64_t *held)
{
    size_t n = 0;
    for (int side = 0; side < DIFF_SIDES; side++)
        for (int of = OF_GROUND; of < OF_COUNT; of++)
            for (size_t i = 0; i < c->side[side].ways[of].n; i++)
                n = held_add(held, n, c->side[side].ways[of].set[i]);
    size_t first = n;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < first; k++)
            n = held_add(held, n, held[i] | held[k]);
    return n;
}

static unsigned compare_until(const struct pair *c, const struct policy_decision *old,
                              const struct policy_decision *new)
{
    const struct diff_names *n = c->w->x->names;
    if (old->until_event == POLICY_NONE || new->until_event == POLICY_NONE) {
        if (old->until_event == new->until_event)
            return 0;
        return new->until_event == POLICY_NONE ? DIFFERS_LATER : DIFFERS_EARLIER;
    }
    if (n->kind_of[DIFF_OLD][KIND_EVENT][old->until_event] !=
        n->kind_of[DIFF_NEW][KIND_EVENT][new->until_event])
        return DIFFERS_OTHER;
    return diff_longer(old->until_number, old->until_unit, new->until_number, new->until_unit);
}

static bool decide_held(const struct pair *c, int side, uint64_t held, struct policy_decision *d)
{
    struct policy_request q = c->own[side];
    q.needs = diff_word_own(c->w->x->names, (enum policy_side)side, KIND_NEED, held);
    policy_decide_plain(c->w->x->names->side[side], &q, d);
    return d->answer <= ANSWER_ALLOW_MASKED;
}

static unsigned compare_limits(struct pair *c)
{
    uint64_t held[HELD_MAX];
    struct policy_decision old, new;
    unsigned differs = 0;
    bool same = c->spot->ref[DIFF_OLD][HALF_GROUND] == c->spot->ref[DIFF_NEW][HALF_GROUND];
    if (same || !c->side[DIFF_OLD].permit || !c->side[DIFF_NEW].permit ||
        (!has_until(c, DIFF_OLD) && !has_until(c, DIFF_NEW)))
        return 0;
    size_t n = held_sets(c, held);
    for (size_t i = 0; i < n; i++) {
        if (!decide_held(c, DIFF_OLD, held[i], &old) || !decide_held(c, DIFF_NEW, held[i], &new))
            continue;
        unsigned one = compare_until(c, &old, &new);
        if (one && !differs)
            c->needs_later = held[i];
        differs |= one;
    }
    return differs | (n == HELD_MAX ? DIFFERS_OTHER : 0u);
}

enum policy_effect policy_effect_of(unsigned differs, bool person)
{
    static const unsigned less = DIFFERS_DEED_GONE | DIFFERS_LATER | DIFFERS_GONE | DIFFERS_FEWER |
                                 DIFFERS_OTHER,
                          more = DIFFERS_DEED_NEW | DIFFERS_EARLIER | DIFFERS_NEW | DIFFERS_WIDER;
    unsigned laxer = DIFFERS_MORE | DIFFERS_MASK_WEAKER, stricter = DIFFERS_LESS | DIFFERS_MASK_STRONGER;
    if (differs & (less | (person ? stricter : laxer)))
        return EFFECT_REDUCES;
    return differs & (more | (person ? laxer : stricter)) ? EFFECT_PROTECTS : EFFECT_NEUTRAL;
}

/* ---- Whose doing it was. */

/* What a sentence that only one side has can have done. */
static unsigned could_do(const struct diff_norms *norms, const struct pair *c, uint32_t group)
{
    const struct diff_group *g = &norms->groups[group];
    bool added = g->norm[DIFF_OLD] == POLICY_NONE, removed = g->norm[DIFF_NEW] == POLICY_NONE;
    if (!added && !removed)
        return UINT32_MAX;
    int side = added ? DIFF_NEW : DIFF_OLD;
    enum norm_kind kind = c->w->x->names->side[side]->norms[g->norm[side]].kind;
    unsigned opens = DIFFERS_MORE | DIFFERS_DEED_GONE | DIFFERS_MASK_WEAKER,
             shuts = DIFFERS_LESS | DIFFERS_DEED_NEW | DIFFERS_MASK_STRONGER;
    bool opening = kind == NORM_GRANT || kind == NORM_WAIVER;
    return (opening == added ? opens : shuts) | DIFFERS_LATER | DIFFERS_EARLIER | DIFFERS_OTHER;
}

static void emit(struct pair *c, uint32_t group, unsigned differs)
{
    const struct side_answer *old = &c->side[DIFF_OLD], *new = &c->side[DIFF_NEW];
    const uint64_t *more = way_only(&new->ways[OF_BOTH], &old->ways[OF_BOTH]),
                   *less = way_only(&old->ways[OF_BOTH], &new->ways[OF_BOTH]);
    enum policy_effect effect = policy_effect_of(differs, c->spot->person);
    uint64_t needs = c->needs_later;
    if ((differs & DIFFERS_MORE) && more)
        needs = *more;
    else if ((differs & DIFFERS_LESS) && less)
        needs = *less;
    else if (!needs && old->ways[OF_BOTH].n > 0 && new->ways[OF_BOTH].n > 0)
        needs = old->ways[OF_BOTH].set[0] | new->ways[OF_BOTH].set[0];
    uint32_t class = diff_class_of(c->w, group, effect, differs, needs);
    for (size_t i = 0; i < c->n; i++)
        if (c->out[i] == class)
            return;
    if (c->n < LEAF_CLASSES_MAX)
        c->out[c->n++] = class;
}

/* Which sentences to look at: those that only one side says; that lift otherwise; any. */
enum suspicion { SAID_OTHERWISE, LIFTS_OTHERWISE, SAID_ALIKE };

static enum suspicion suspicion_of(const struct diff_key *k)
{
    return diff_key_changed(k) ? SAID_OTHERWISE : k->lifts_otherwise ? LIFTS_OTHERWISE : SAID_ALIKE;
}

/* `filtered`: only for what such a sentence can have done. The blame_ functions return what is told now. */
static unsigned blame_one(struct pair *c, int side, uint32_t key, enum suspicion which, bool filtered,
                          unsigned differs)
{
    const struct diff_norms *norms = c->w->x->norms;
    if (suspicion_of(&norms->keys[key]) != which || norms->keys[key].norm[side] == POLICY_NONE)
        return 0;
    uint32_t group = norms->group[side][norms->keys[key].norm[side]];
    unsigned own = differs & (filtered ? could_do(norms, c, group) : UINT32_MAX);
    if (own != 0)
        emit(c, group, own);
    return own;
}

/* The sentences that speak in one half of the two answers. */
static unsigned blame_half(struct pair *c, enum diagram_half half, enum suspicion which, bool filtered,
                           unsigned differs)
{
    unsigned told = 0;
    for (int side = 0; side < DIFF_SIDES; side++)
        for (size_t i = 0; i < c->side[side].n_keys[half]; i++)
            told |= blame_one(c, side, c->side[side].keys[half][i], which, filtered, differs);
    return told;
}

/* The sentences that match the request although they do not speak: a ban that was lifted, a waiver. */
static unsigned blame_matching(struct pair *c, enum suspicion which, unsigned differs)
{
    const struct diff_forest *x = c->w->x;
    unsigned told = 0;
    for (int side = 0; side < DIFF_SIDES; side++) {
        const struct policy *p = x->names->side[side];
        struct world world;
        size_t i = 0;
        if (!c->known[side] || differs == 0)
            continue;
        policy_world_match(p, &c->own[side], c->own[side].facts, &world);
        EACH_NORM(world.matched, p->index.words, i)
        told |= blame_one(c, side, x->norms->key[side][i], which, true, differs);
    }
    return told;
}

/* What differs in one half, by the sentences most likely to have done it. */
static void blame(struct pair *c, enum diagram_half half, unsigned differs)
{
    differs &= ~blame_half(c, half, SAID_OTHERWISE, true, differs);
    if (!c->known[DIFF_OLD] || !c->known[DIFF_NEW]) /* the same words reach new names */
        differs &= ~blame_half(c, half, SAID_ALIKE, false, differs);
    differs &= ~blame_half(c, half, LIFTS_OTHERWISE, true, differs);
    differs &= ~blame_matching(c, SAID_OTHERWISE, differs);
    differs &= ~blame_matching(c, LIFTS_OTHERWISE, differs);
    differs &= ~blame_half(c, half, SAID_OTHERWISE, false, differs);
    if (differs != 0)
        emit(c, GROUP_SCOPE, differs);
}

static void blame_all(struct pair *c, unsigned differs)
{
    static const unsigned ways = DIFFERS_MORE | DIFFERS_LESS;
    const unsigned limits = differs & (DIFFERS_LATER | DIFFERS_EARLIER | DIFFERS_OTHER),
                   binding = differs & ~(ways | limits);
    bool both = c->side[DIFF_OLD].permit && c->side[DIFF_NEW].permit;
    unsigned ground = both ? compare_ways(c, OF_GROUND) : ways, bind = both ? compare_ways(c, OF_BIND) : 0;
    blame(c, HALF_GROUND, (differs & ways & (ground | ~bind)) | limits);
    blame(c, HALF_BIND, (differs & ways & bind) | binding);
}

static unsigned compare_scopes(const struct pair *c)
{
    const struct side_answer *old = &c->side[DIFF_OLD], *new = &c->side[DIFF_NEW];
    if (old->permit || new->permit || old->applies == new->applies)
        return 0;
    return new->applies ? DIFFERS_NEW : DIFFERS_GONE;
}

size_t policy_diff_leaf(struct diff_walk *w, const struct diff_spot *s, uint32_t out[LEAF_CLASSES_MAX])
{
    struct pair c = {.w = w, .spot = s, .out = out};
    for (int side = 0; side < DIFF_SIDES; side++) {
        read_side(&c, side);
        c.known[side] = diff_request_own(w->x->names, (enum policy_side)side, &w->at, &c.own[side]);
    }
    for (int side = 0; side < DIFF_SIDES; side++)
        w->crowded = w->crowded || c.side[side].ways[OF_BOTH].n == ALTERNATIVES_MAX;
    unsigned scopes = compare_scopes(&c);
    unsigned differs = compare_ways(&c, OF_BOTH) | compare_binding(&c) | compare_limits(&c);
    if (scopes && c.known[DIFF_OLD] && c.known[DIFF_NEW])
        emit(&c, GROUP_SCOPE, scopes);
    else if (differs)
        blame_all(&c, differs);
    return c.n;
}

uint32_t diff_class_of(struct diff_walk *w, uint32_t group, enum policy_effect effect, unsigned differs,
                       uint64_t needs)
{
    size_t i = 0;
    while (i < w->n_classes && (w->classes[i].group != group || w->classes[i].effect != effect))
        i++;
    struct diff_class *c = &w->classes[i];
    if (i == w->n_classes) {
        *c = (struct diff_class){.group = group, .effect = effect, .at = w->at};
        c->at.needs = needs;
        w->n_classes++;
    }
    c->differs |= differs;
    return (uint32_t)i;
}
