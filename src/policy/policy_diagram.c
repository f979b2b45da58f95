// SPDX-License-Identifier: Apache-2.0
/*
 * policy_diagram.c: deciding on the compiled form. Two walks, two leaves, and the needs.
 *
 * The answers are those of the plain evaluator (policy_decide.c), to the last clause: tests compare them.
 */
#include "policy_answer_impl.h"
#include "policy_diagram_impl.h"

/* One request, in one world. */
struct deciding {
    const struct policy *p;
    const struct diagram *g;
    const struct policy_request *q;
    uint64_t facts;
    struct policy_decision *d;
    struct alternatives *missing;
    uint64_t *near; /* the permissions that fit in everything but purpose and party, and bans */
    uint16_t atom[DIM_COUNT];
};

static unsigned atom_at(const struct deciding *s, unsigned axis)
{
    return axis < DIM_COUNT ? s->atom[axis] : (unsigned)(s->facts >> (axis - DIM_COUNT) & 1);
}

/* The atoms first: their loads do not wait for each other, those of the walk do.
 * False: a value that the policy does not have. */
static bool find_atoms(struct deciding *s)
{
    const struct diagram_header *h = s->g->h;
    bool valid = true;
    for (unsigned d = 0; d < DIM_COUNT; d++) {
        bool known = s->q->value[d] < h->values[d];
        s->atom[d] = s->g->atoms[h->atoms_at[d] + (known ? s->q->value[d] : 0u)];
        valid &= known;
    }
    return valid;
}

/* The lists met on one way down, that of the leaf last, as places in LISTS; empty ones are left out. */
struct met {
    uint32_t list[DIAGRAM_AXES + 2];
    unsigned n;
};

/* The leaf. Inlined once for each width of references. */
static inline __attribute__((always_inline)) uint32_t walk_refs(const struct deciding *s, uint32_t ref,
                                                                struct met *met, unsigned words)
{
    const uint16_t *nodes = s->g->nodes;
    const uint8_t *maps = s->g->maps;
    const uint32_t first = s->g->h->first_node, shift = s->g->h->shift;
    unsigned n = 0;
    while (ref >= first) {
        const uint16_t *node = nodes + ((size_t)(ref - first) << shift);
        if (node_emits(node)) {
            met->list[n++] = node_list(node, words);
            ref = node_next(node, words);
        } else {
            ref = node_child(node, maps, atom_at(s, diagram_axis(node)), words);
        }
    }
    met->list[n] = ref;
    met->n = n + (ref != 0);
    return ref;
}

static uint32_t walk(const struct deciding *s, enum diagram_half half, struct met *met)
{
    const struct diagram_header *h = s->g->h;
    return h->ref_words == 1 ? walk_refs(s, h->root[half], met, 1) : walk_refs(s, h->root[half], met, 2);
}

/* One list of all that was met, ascending: `out` has room for it. */
static const uint16_t *join(const uint16_t *lists, const struct met *met, uint16_t *out, size_t words)
{
    uint64_t set[NORM_WORDS];
    size_t i = 0;
    if (met->n == 1)
        return lists + met->list[0];
    memset(set, 0, words * sizeof *set);
    for (unsigned k = 0; k < met->n; k++)
        for (const uint16_t *l = lists + met->list[k], *end = l + l[0]; l < end; l++)
            set[l[1] / 64] |= 1ull << (l[1] % 64);
    out[0] = 0;
    EACH_NORM(set, words, i)
    out[++out[0]] = (uint16_t)i;
    return out;
}

/* ---- Silence: why nothing was said. */

static bool facts_hold(const struct diagram *g, const struct diagram_grant *grant, uint64_t facts)
{
    bool hold = false;
    for (unsigned i = 0; i < grant->n_when; i++) {
        const struct diagram_term *t = &g->terms[grant->when + i];
        hold = hold || (facts & t->facts) == t->value;
    }
    return hold;
}

/* The first permission of the set that lets the facts through. */
static unsigned near_clause(const struct deciding *s, const uint64_t *set)
{
    size_t i = 0;
    EACH_NORM(set, s->g->h->near_words, i)
    if (i < s->g->h->n[DIAGRAM_GRANTS] && facts_hold(s->g, &s->g->grants[i], s->facts))
        return s->g->grants[i].clause;
    return POLICY_NONE;
}

static const uint64_t *near_row(const struct deciding *s, unsigned dimension)
{
    return s->g->near + (s->g->h->rows_at[dimension] + s->atom[dimension]) * (size_t)s->g->h->near_words;
}

/* Fills s->near. False: nothing fits in purpose and party as well, so that nothing is said. For most requests
 * that is so, and these loads do not wait for each other as those of a walk do. */
static bool meet_near(const struct deciding *s)
{
    const uint64_t *op = near_row(s, DIM_OPERATION), *actor = near_row(s, DIM_ACTOR),
                   *subject = near_row(s, DIM_SUBJECT), *service = near_row(s, DIM_SERVICE),
                   *place = near_row(s, DIM_JURISDICTION), *basis = near_row(s, DIM_BASIS),
                   *field = near_row(s, DIM_FIELD), *party = near_row(s, DIM_PARTY),
                   *purpose = near_row(s, DIM_PURPOSE);
    uint64_t any = 0;
    for (size_t w = 0; w < s->g->h->near_words; w++) {
        s->near[w] = op[w] & actor[w] & subject[w] & service[w] & place[w] & basis[w] & field[w];
        any |= s->near[w] & party[w] & purpose[w];
    }
    return any != 0;
}

/* The first permission that fits in everything but one of purpose and party. */
static unsigned near_but_one(const struct deciding *s, unsigned fits)
{
    const uint64_t *row = near_row(s, fits);
    uint64_t set[NORM_WORDS], any = 0;
    for (size_t w = 0; w < s->g->h->near_words; w++)
        any |= set[w] = s->near[w] & row[w];
    return any != 0 ? near_clause(s, set) : POLICY_NONE;
}

static bool applies(const struct deciding *s)
{
    const struct diagram_header *h = s->g->h;
    uint32_t documents = UINT32_MAX;
    for (unsigned d = 0; d < DIM_COUNT; d++)
        documents &= s->g->scopes[h->rows_at[d] + s->atom[d]];
    return documents != 0;
}

static void answer_silence(const struct deciding *s)
{
    if (!applies(s)) {
        s->d->answer = ANSWER_NOT_APPLICABLE;
        s->d->reason = SPAN("scope");
        s->d->clause = s->g->h->nothing;
        return;
    }
    s->d->clause = near_but_one(s, DIM_PARTY);
    s->d->reason = s->d->clause != POLICY_NONE ? SPAN("purpose-mismatch") : SPAN("default-deny");
    if (s->d->clause == POLICY_NONE)
        s->d->clause = near_but_one(s, DIM_PURPOSE);
}

/* ---- Permission: needs against need-sets. */

/* The smallest of the need-sets that is held, if any. */
static bool held_set(const uint64_t *sets, unsigned n, uint64_t held, uint64_t *out)
{
    bool found = false;
    for (unsigned i = 0; i < n; i++) {
        if ((sets[i] & ~held) != 0 || (found && !policy_needs_smaller(sets[i], *out)))
            continue;
        *out = sets[i];
        found = true;
    }
    return found;
}

/* As grant_better of the plain evaluator. */
static bool better(const struct diagram_limit *limits, const struct diagram_grant *a, uint64_t needs_a,
                   const struct diagram_grant *b, uint64_t needs_b)
{
    bool limit_a = limits[a->limit].event != POLICY_NONE, limit_b = limits[b->limit].event != POLICY_NONE;
    if (limit_a != limit_b)
        return limit_a;
    if (needs_a != needs_b)
        return policy_needs_smaller(needs_a, needs_b);
    return a->preference < b->preference;
}

static const struct diagram_grant *choose_grant(const struct deciding *s, const uint16_t *list,
                                                uint64_t *used)
{
    const struct diagram_grant *best = NULL;
    for (unsigned i = 0; i < list[0]; i++) {
        const struct diagram_grant *grant = &s->g->grants[list[1 + i]];
        const uint64_t *needs = s->g->needs + grant->needs;
        uint64_t set = 0;
        for (unsigned k = 0; k < grant->n_needs; k++)
            policy_alternatives_add(s->missing, needs[k] & ~s->q->needs);
        if (!held_set(needs, grant->n_needs, s->q->needs, &set) ||
            (best && !better(s->g->limits, grant, set, best, *used)))
            continue;
        best = grant;
        *used = set;
    }
    return best;
}

static bool have_met(const struct deciding *s, const struct diagram_have *have)
{
    const uint64_t *needs = s->g->needs + have->needs;
    uint64_t set = 0;
    struct alternatives lacks = {.n = 0};
    if (held_set(needs, have->n_needs, s->q->needs, &set)) {
        s->d->needs_used |= set;
        return true;
    }
    for (unsigned i = 0; i < have->n_needs; i++)
        policy_alternatives_add(&lacks, needs[i] & ~s->q->needs);
    policy_alternatives_meet(s->missing, &lacks);
    return false;
}

/* Of the higher document, then the one whose need is declared first. */
static bool told_first(const struct deciding *s, const struct diagram_have *a, const struct diagram_have *b)
{
    uint64_t lacks_a = a->all & ~s->q->needs, lacks_b = b->all & ~s->q->needs;
    if (a->rank != b->rank)
        return a->rank < b->rank;
    return (lacks_a & (0 - lacks_a)) < (lacks_b & (0 - lacks_b));
}

/* All conditions; returns the one that is not met and to be told, or null. */
static const struct diagram_have *bind(const struct deciding *s, const uint16_t *list)
{
    const struct diagram_have *unmet = NULL;
    for (unsigned i = 0; i < list[0]; i++) {
        const struct diagram_condition *c = &s->g->conditions[list[1 + i]];
        policy_decision_cite(s->d, c->clause);
        if (c->kind == MUST_DEED) {
            s->d->deeds |= 1ull << c->index;
        } else if (c->kind == MUST_MASK) {
            s->d->mask = s->d->mask == POLICY_NONE || c->index > s->d->mask ? c->index : s->d->mask;
        } else {
            const struct diagram_have *have = &s->g->haves[c->index];
            if (!have_met(s, have) && (!unmet || told_first(s, have, unmet)))
                unmet = have;
        }
    }
    return unmet;
}

/* The permission one of whose need-sets lacks no more than is missing. */
static unsigned clause_lacking(const struct deciding *s, const uint16_t *list, uint64_t missing)
{
    for (unsigned i = 0; i < list[0]; i++) {
        const struct diagram_grant *grant = &s->g->grants[list[1 + i]];
        for (unsigned k = 0; k < grant->n_needs; k++)
            if ((s->g->needs[grant->needs + k] & ~s->q->needs & ~missing) == 0)
                return grant->clause;
    }
    return POLICY_NONE;
}

static void answer_needs(const struct deciding *s, const uint16_t *list, const struct diagram_have *unmet)
{
    policy_decision_init(s->d);
    policy_decision_missing(s->d, s->missing);
    s->d->answer = ANSWER_NEEDS;
    s->d->clause = unmet ? unmet->clause : clause_lacking(s, list, s->d->missing);
    s->d->reason = policy_missing_reason(s->p, unmet ? s->d->missing & unmet->all : s->d->missing);
}

static void answer_allow(const struct deciding *s, const struct diagram_grant *grant, uint64_t used)
{
    s->d->answer = s->d->mask == POLICY_NONE ? ANSWER_ALLOW : ANSWER_ALLOW_MASKED;
    s->d->clause = grant->clause;
    s->d->needs_used |= used;
    const struct diagram_limit *limit = &s->g->limits[grant->limit];
    s->d->until_event = limit->event;
    s->d->until_number = limit->number;
    s->d->until_unit = (enum policy_until_unit)limit->unit;
}

static void answer_permit(const struct deciding *s, const struct met *permitting)
{
    uint16_t grants[POLICY_NORMS_MAX + 1], conditions[POLICY_NORMS_MAX + 1];
    struct met binding;
    uint64_t used = 0;
    walk(s, HALF_BIND, &binding);
    const uint16_t *list = join(s->g->lists, permitting, grants, s->g->h->near_words);
    const struct diagram_grant *grant = choose_grant(s, list, &used);
    const struct diagram_have *unmet =
        bind(s, join(s->g->lists, &binding, conditions, s->g->h->condition_words));
    if (grant && !unmet)
        answer_allow(s, grant, used);
    else
        answer_needs(s, list, unmet);
}

static void answer_ban(const struct deciding *s, const struct diagram_bar *bar)
{
    struct span reason = s->p->norms[bar->norm].reason;
    s->d->clause = bar->clause;
    s->d->reason = reason.len > 0 ? reason : SPAN("default-deny");
}

static void decide_world(const struct deciding *s)
{
    struct met met;
    const uint16_t *leaf = s->g->lists + walk(s, HALF_GROUND, &met);
    s->missing->n = 0;
    policy_decision_init(s->d);
    if (leaf[0] == GROUND_BARRED)
        answer_ban(s, &s->g->bars[leaf[1]]);
    else if (met.n == 0)
        answer_silence(s);
    else
        answer_permit(s, &met);
}

/* ---- Step 7: unknown facts. */

/* Collects the unknown facts that are asked for below this node, for this request. With too many it stops:
 * the answer is no anyway. */
static void asked_facts(const struct deciding *s, uint32_t ref, uint64_t *asked)
{
    while (diagram_is_node(s->g, ref) && __builtin_popcountll(*asked) <= UNKNOWN_FACTS_MAX) {
        const uint16_t *node = diagram_node(s->g, ref);
        if (node_emits(node)) {
            ref = diagram_next(s->g, node);
            continue;
        }
        unsigned axis = diagram_axis(node);
        uint64_t fact = axis < DIM_COUNT ? 0 : 1ull << (axis - DIM_COUNT);
        if (fact & ~s->q->facts_known) {
            *asked |= fact;
            asked_facts(s, diagram_child(s->g, node, 0), asked);
        }
        ref = diagram_child(s->g, node, fact & ~s->q->facts_known ? 1 : atom_at(s, axis));
    }
}

static uint64_t unknown_facts(const struct deciding *s)
{
    uint64_t asked = 0;
    if (~s->q->facts_known == 0)
        return 0;
    asked_facts(s, s->g->h->root[HALF_GROUND], &asked);
    asked_facts(s, s->g->h->root[HALF_BIND], &asked);
    return asked;
}

/* All assignments of the unknown facts; s->facts is left at the one that decided. */
static void decide_worlds(struct deciding *s, uint64_t unknown)
{
    struct alternatives total = {.n = 1}, missing; /* at first, nothing is missing */
    struct policy_decision one;
    struct deciding other = *s;
    uint64_t known = s->facts, world = 0;
    other.d = &one;
    other.missing = &missing;
    decide_world(s);
    if (s->d->answer == ANSWER_NEEDS)
        policy_alternatives_meet(&total, s->missing);
    while ((world = policy_world_next(world, unknown)) != 0) {
        other.facts = known | world;
        decide_world(&other);
        if (policy_world_join(s->d, &one, &total, &missing))
            s->facts = other.facts;
    }
    if (s->d->answer == ANSWER_NEEDS)
        policy_decision_missing(s->d, &total);
}

static void decide_known(struct deciding *s)
{
    uint64_t unknown = unknown_facts(s);
    if (__builtin_popcountll(unknown) > UNKNOWN_FACTS_MAX)
        policy_decision_unknown(s->d);
    else if (unknown != 0)
        decide_worlds(s, unknown);
    else
        decide_world(s);
}

uint64_t policy_decide_world(const struct policy *p, const struct policy_request *q,
                             struct policy_decision *d)
{
    struct alternatives missing;
    uint64_t near[NORM_WORDS];
    struct deciding s = {.p = p, .g = p->diagram, .q = q, .d = d, .missing = &missing, .near = near};
    s.facts = q->facts & q->facts_known;
    if (!find_atoms(&s)) {
        policy_decision_unknown(d);
    } else if (meet_near(&s)) {
        decide_known(&s);
    } else {
        policy_decision_init(d);
        answer_silence(&s);
    }
    return s.facts;
}

void policy_decide(const struct policy *p, const struct policy_request *q, struct policy_decision *d)
{
    policy_decide_world(p, q, d);
}

struct span policy_packed(const struct policy *p)
{
    return p->packed;
}
