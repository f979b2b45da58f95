// SPDX-License-Identifier: Apache-2.0
/*
 * policy_decide.c: section 3 of the language, to the letter. The numbers of its steps stand over the code.
 *
 * No allocation. One world is one assignment of the facts; a request whose facts are all known has one world,
 * another is decided in each of its worlds and gets the worst of the answers (step 7).
 */
#include "policy_answer_impl.h"

static void alternatives_of(const struct formula *f, uint64_t held, struct alternatives *out)
{
    out->n = 0;
    for (size_t i = 0; i < f->n; i++)
        policy_alternatives_add(out, f->terms[i].needs & ~held);
}

/* The smallest need-set of the formula that is held, if any. */
static bool held_set(const struct formula *f, uint64_t held, uint64_t *out)
{
    bool found = false;
    for (size_t i = 0; i < f->n; i++) {
        uint64_t set = f->terms[i].needs;
        if ((set & ~held) != 0 || (found && !policy_needs_smaller(set, *out)))
            continue;
        *out = set;
        found = true;
    }
    return found;
}

/* ---- Step 1 and 2: match, lift. */

bool policy_request_valid(const struct policy *p, const struct policy_request *q)
{
    bool valid = true;
    for (int d = 0; d < DIM_COUNT; d++)
        valid &= q->value[d] < p->index.rows[d];
    return valid;
}

static const uint64_t *row_of(const struct policy *p, const struct policy_request *q, int d)
{
    return p->index.row[d] + q->value[d] * p->index.words;
}

/* The norms whose dimensions and document hold the request, facts left aside. */
static void match_cells(const struct policy *p, const struct policy_request *q, uint64_t *set)
{
    size_t words = p->index.words;
    memcpy(set, row_of(p, q, 0), words * sizeof *set);
    for (int d = 1; d < DIM_COUNT; d++) {
        const uint64_t *row = row_of(p, q, d);
        for (size_t w = 0; w < words; w++)
            set[w] &= row[w];
    }
}

static void drop_facts(const struct policy *p, uint64_t facts, uint64_t *set)
{
    size_t i = 0;
    EACH_NORM(set, p->index.words, i)
    if (!formula_facts_hold(&p->norms[i].act.when, facts))
        set[i / 64] &= ~(1ull << (i % 64));
}

static void drop_set(uint64_t *set, const uint64_t *other, size_t words)
{
    for (size_t w = 0; w < words; w++)
        set[w] &= ~other[w];
}

/* Norms are stored most exceptional first, so those that are lifted always come later in the walk. A word is
 * read again after each lifting: what was just lifted lifts nothing. */
void policy_world_lift(const struct policy *p, uint64_t *standing)
{
    const struct norm_index *x = &p->index;
    for (size_t w = 0; w < x->words; w++) {
        uint64_t done = 0, left;
        while ((left = standing[w] & x->lifters[w] & ~done) != 0) {
            size_t bit = (size_t)__builtin_ctzll(left);
            done |= 1ull << bit;
            drop_set(standing, p->norms[w * 64 + bit].lifts, x->words);
        }
    }
}

/* Step 4: the highest document that still has a grant. */
unsigned policy_world_speaker(const struct policy *p, const uint64_t *standing)
{
    const struct norm_index *x = &p->index;
    for (size_t r = 0; r < x->n_by_rank; r++) {
        const uint64_t *document = x->document[x->by_rank[r]];
        uint64_t any = 0;
        for (size_t w = 0; w < x->words; w++)
            any |= standing[w] & document[w] & x->kind[NORM_GRANT][w];
        if (any)
            return x->by_rank[r];
    }
    return POLICY_NONE;
}

static void world_finish(const struct policy *p, uint64_t facts, struct world *w)
{
    drop_facts(p, facts, w->matched);
    memcpy(w->standing, w->matched, p->index.words * sizeof w->matched[0]);
    policy_world_lift(p, w->standing);
    w->speaker = policy_world_speaker(p, w->standing);
}

void policy_world_match(const struct policy *p, const struct policy_request *q, uint64_t facts,
                        struct world *w)
{
    match_cells(p, q, w->matched);
    world_finish(p, facts, w);
}

/* ---- Step 6: the answer of one world. */

static bool first_of(const uint64_t *set, const uint64_t *kind, size_t words, size_t *out)
{
    for (size_t w = 0; w < words; w++)
        if (set[w] & kind[w]) {
            *out = w * 64 + (size_t)__builtin_ctzll(set[w] & kind[w]);
            return true;
        }
    return false;
}

void policy_near_set(const struct policy *p, const struct policy_request *q, enum policy_dimension d,
                     uint64_t *set)
{
    memcpy(set, p->index.kind[NORM_GRANT], p->index.words * sizeof *set);
    for (int k = 0; k < DIM_COUNT; k++)
        for (size_t w = 0; w < p->index.words && k != (int)d; w++)
            set[w] &= row_of(p, q, k)[w];
}

/* A grant that fits in everything but one dimension, and lets its facts through. */
static unsigned near_clause(const struct policy *p, const struct policy_request *q, uint64_t facts,
                            enum policy_dimension d)
{
    uint64_t set[NORM_WORDS];
    size_t i = 0;
    policy_near_set(p, q, d, set);
    drop_facts(p, facts, set);
    return first_of(set, p->index.kind[NORM_GRANT], p->index.words, &i) ? p->norms[i].clause : POLICY_NONE;
}

static bool in_scope(const struct policy *p, const struct policy_request *q, unsigned document)
{
    const struct document *doc = &p->documents[document];
    bool in = true;
    for (int d = 0; d < DIM_COUNT; d++)
        in = in && (!doc->scoped[d] || bits_has(&doc->scope[d], q->value[d]));
    return in;
}

/* Nothing was said. Either no document speaks of such requests at all, or the words that were said do not
 * reach. */
static void answer_silence(const struct policy *p, const struct policy_request *q, uint64_t facts,
                           struct policy_decision *d)
{
    const struct norm_index *x = &p->index;
    bool scope = false;
    for (size_t i = 0; i < x->n_by_rank; i++)
        scope = scope || in_scope(p, q, x->by_rank[i]);
    if (!scope) {
        d->answer = ANSWER_NOT_APPLICABLE;
        d->reason = SPAN("scope");
        d->clause = x->n_by_rank > 0 ? p->documents[x->by_rank[x->n_by_rank - 1]].clause : POLICY_NONE;
        return;
    }
    d->clause = near_clause(p, q, facts, DIM_PURPOSE);
    d->reason = d->clause != POLICY_NONE ? SPAN("purpose-mismatch") : SPAN("default-deny");
    if (d->clause == POLICY_NONE)
        d->clause = near_clause(p, q, facts, DIM_PARTY);
}

/* Shorter limits first; the event's name decides between equal ones, so that the order of sentences never
 * does. */
static int until_cmp(const struct policy *p, const struct until *a, const struct until *b)
{
    static const uint32_t hours[] = {0,   1,   24, 34,
                                     730, 8766}; /* of each enum policy_until_unit; a working day is 7/5 */
    uint64_t length_a = (uint64_t)a->number * hours[a->unit], length_b = (uint64_t)b->number * hours[b->unit];
    if (length_a != length_b)
        return length_a < length_b ? -1 : 1;
    return span_cmp(policy_kind_name(p, KIND_EVENT, a->event), policy_kind_name(p, KIND_EVENT, b->event));
}

static unsigned dimensions_named(const struct norm *n)
{
    unsigned count = 0;
    for (int d = 0; d < DIM_COUNT; d++)
        count += n->act.named[d];
    return count;
}

int policy_grant_cmp(const struct policy *p, const struct norm *a, const struct norm *b)
{
    if (a->n_fields != b->n_fields)
        return a->n_fields < b->n_fields ? -1 : 1;
    unsigned named_a = dimensions_named(a), named_b = dimensions_named(b);
    if (named_a != named_b)
        return named_a > named_b ? -1 : 1;
    return until_cmp(p, &a->act.until, &b->act.until);
}

/* Which of two satisfied grants speaks: one with a time limit, the one that rests on fewer needs, the
 * narrower one, the shorter limit. */
static bool grant_better(const struct policy *p, const struct norm *a, uint64_t needs_a, const struct norm *b,
                         uint64_t needs_b)
{
    bool limit_a = a->act.until.event != POLICY_NONE, limit_b = b->act.until.event != POLICY_NONE;
    if (limit_a != limit_b)
        return limit_a;
    if (needs_a != needs_b)
        return policy_needs_smaller(needs_a, needs_b);
    return policy_grant_cmp(p, a, b) < 0;
}

/* The grant that is satisfied by what is held; `missing` collects what each of the others lacks. */
static const struct norm *choose_grant(const struct policy *p, const struct policy_request *q,
                                       const struct world *w, uint64_t *used, struct alternatives *missing)
{
    const struct norm *best = NULL;
    const uint64_t *document = p->index.document[w->speaker];
    uint64_t grants[NORM_WORDS];
    for (size_t k = 0; k < p->index.words; k++)
        grants[k] = w->standing[k] & p->index.kind[NORM_GRANT][k] & document[k];
    size_t i = 0;
    EACH_NORM(grants, p->index.words, i)
    {
        const struct norm *n = &p->norms[i];
        uint64_t set = 0;
        for (size_t k = 0; k < n->act.needs.n; k++)
            policy_alternatives_add(missing, n->act.needs.terms[k].needs & ~q->needs);
        if (!held_set(&n->act.needs, q->needs, &set) || (best && !grant_better(p, n, set, best, *used)))
            continue;
        best = n;
        *used = set;
    }
    return best;
}

/* Step 5 for one condition: its deed or mask joins the answer, its needs join what is missing. */
static bool bind_condition(const struct norm *n, uint64_t held, struct policy_decision *d,
                           struct alternatives *missing)
{
    uint64_t set = 0;
    struct alternatives lacks;
    policy_decision_cite(d, n->clause);
    if (n->must.kind == MUST_DEED)
        d->deeds |= 1ull << n->must.index;
    if (n->must.kind == MUST_MASK && (d->mask == POLICY_NONE || n->must.index > d->mask))
        d->mask = n->must.index;
    if (n->must.kind != MUST_HAVE)
        return true;
    if (held_set(&n->must.needs, held, &set)) {
        d->needs_used |= set;
        return true;
    }
    alternatives_of(&n->must.needs, held, &lacks);
    policy_alternatives_meet(missing, &lacks);
    return false;
}

static uint64_t formula_needs(const struct formula *f)
{
    uint64_t all = 0;
    for (size_t i = 0; i < f->n; i++)
        all |= f->terms[i].needs;
    return all;
}

/* Which of two unmet conditions is told: of the higher document, then the one whose need is declared first.
 */
static bool unmet_first(const struct policy *p, const struct norm *a, const struct norm *b, uint64_t held)
{
    unsigned rank_a = p->documents[a->document].rank, rank_b = p->documents[b->document].rank;
    uint64_t needs_a = formula_needs(&a->must.needs) & ~held, needs_b = formula_needs(&b->must.needs) & ~held;
    if (rank_a != rank_b)
        return rank_a < rank_b;
    return (needs_a & (0 - needs_a)) < (needs_b & (0 - needs_b));
}

/* All conditions that stand; returns the one that is not met and to be told, or null. */
static const struct norm *bind_conditions(const struct policy *p, const struct policy_request *q,
                                          const struct world *w, struct policy_decision *d,
                                          struct alternatives *missing)
{
    const struct norm *unmet = NULL;
    uint64_t conditions[NORM_WORDS];
    for (size_t k = 0; k < p->index.words; k++)
        conditions[k] = w->standing[k] & p->index.kind[NORM_CONDITION][k];
    size_t i = 0;
    EACH_NORM(conditions, p->index.words, i)
    {
        const struct norm *n = &p->norms[i];
        if (!bind_condition(n, q->needs, d, missing) && (!unmet || unmet_first(p, n, unmet, q->needs)))
            unmet = n;
    }
    return unmet;
}

/* The grant one of whose alternatives lacks no more than this. */
static const struct norm *grant_lacking(const struct policy *p, const struct world *w, uint64_t held,
                                        uint64_t missing)
{
    size_t i = 0;
    EACH_NORM(w->standing, p->index.words, i)
    {
        const struct norm *n = &p->norms[i];
        bool speaks = n->kind == NORM_GRANT && n->document == w->speaker;
        for (size_t k = 0; k < n->act.needs.n && speaks; k++)
            if ((n->act.needs.terms[k].needs & ~held & ~missing) == 0)
                return n;
    }
    return NULL;
}

static void answer_needs(const struct policy *p, const struct policy_request *q, const struct world *w,
                         const struct norm *unmet, const struct alternatives *missing,
                         struct policy_decision *d)
{
    policy_decision_init(d); /* what conditions added so far is for an answer that allows */
    policy_decision_missing(d, missing);
    uint64_t asked = unmet ? d->missing & formula_needs(&unmet->must.needs) : d->missing;
    const struct norm *n = unmet ? unmet : grant_lacking(p, w, q->needs, d->missing);
    d->answer = ANSWER_NEEDS;
    d->clause = n ? n->clause : POLICY_NONE;
    d->reason = policy_missing_reason(p, asked);
}

static void answer_allow(const struct norm *grant, uint64_t used, struct policy_decision *d)
{
    d->answer = d->mask == POLICY_NONE ? ANSWER_ALLOW : ANSWER_ALLOW_MASKED;
    d->clause = grant->clause;
    d->needs_used |= used;
    d->until_event = grant->act.until.event;
    d->until_number = grant->act.until.number;
    d->until_unit = grant->act.until.unit;
}

bool policy_world_bar(const struct policy *p, const uint64_t *standing, size_t *bar)
{
    return first_of(standing, p->index.kind[NORM_BAR], p->index.words, bar);
}

static void decide_world(const struct policy *p, const struct policy_request *q, uint64_t facts,
                         const struct world *w, struct policy_decision *d, struct alternatives *missing)
{
    size_t bar = 0;
    uint64_t used = 0;
    missing->n = 0;
    policy_decision_init(d);
    if (policy_world_bar(p, w->standing, &bar)) { /* step 3 */
        d->clause = p->norms[bar].clause;
        d->reason = p->norms[bar].reason.len > 0 ? p->norms[bar].reason : SPAN("default-deny");
        return;
    }
    if (w->speaker == POLICY_NONE) {
        answer_silence(p, q, facts, d);
        return;
    }
    const struct norm *grant = choose_grant(p, q, w, &used, missing);
    const struct norm *unmet = bind_conditions(p, q, w, d, missing);
    if (grant && !unmet)
        answer_allow(grant, used, d);
    else
        answer_needs(p, q, w, unmet, missing, d);
}

/* ---- Step 7: unknown facts. */

/* The unknown facts that some norm of the request's cells reads. */
static uint64_t unknown_facts(const struct policy *p, const struct policy_request *q, const uint64_t *cells)
{
    uint64_t read = 0;
    size_t i = 0;
    EACH_NORM(cells, p->index.words, i)
    for (size_t k = 0; k < p->norms[i].act.when.n; k++)
        read |= p->norms[i].act.when.terms[k].facts;
    return read & ~q->facts_known;
}

static void decide_cells(const struct policy *p, const struct policy_request *q, const uint64_t *cells,
                         uint64_t facts, struct policy_decision *d, struct alternatives *missing)
{
    struct world w;
    memcpy(w.matched, cells, p->index.words * sizeof *cells);
    world_finish(p, facts, &w);
    decide_world(p, q, facts, &w, d, missing);
}

static uint64_t decide_worlds(const struct policy *p, const struct policy_request *q, const uint64_t *cells,
                              uint64_t unknown, struct policy_decision *d)
{
    struct alternatives total = {.n = 1}, missing; /* at first, nothing is missing */
    struct policy_decision one;
    uint64_t known = q->facts & q->facts_known, world = 0, worst = known;
    decide_cells(p, q, cells, known, d, &missing);
    if (d->answer == ANSWER_NEEDS)
        policy_alternatives_meet(&total, &missing);
    while ((world = policy_world_next(world, unknown)) != 0) {
        decide_cells(p, q, cells, known | world, &one, &missing);
        if (policy_world_join(d, &one, &total, &missing))
            worst = known | world;
    }
    if (d->answer == ANSWER_NEEDS)
        policy_decision_missing(d, &total);
    return worst;
}

static uint64_t plain_world(const struct policy *p, const struct policy_request *q, struct policy_decision *d)
{
    uint64_t cells[NORM_WORDS], known = q->facts & q->facts_known;
    if (!policy_request_valid(p, q)) {
        policy_decision_unknown(d);
        return known;
    }
    match_cells(p, q, cells);
    uint64_t unknown = unknown_facts(p, q, cells);
    if (unknown != 0 && __builtin_popcountll(unknown) <= UNKNOWN_FACTS_MAX)
        return decide_worlds(p, q, cells, unknown, d);
    if (unknown != 0) {
        policy_decision_unknown(d);
        return known;
    }
    struct alternatives missing;
    decide_cells(p, q, cells, known, d, &missing);
    return known;
}

void policy_decide_plain(const struct policy *p, const struct policy_request *q, struct policy_decision *d)
{
    plain_world(p, q, d);
}

const char *policy_answer_name(enum policy_answer a)
{
    static const char *const name[] = {"allow", "allow-masked", "needs", "deny", "not-applicable"};
    return a <= ANSWER_NOT_APPLICABLE ? name[a] : "deny";
}

bool policy_keeps_from(const struct policy *p, unsigned event)
{
    for (size_t i = 0; i < p->n_norms; i++)
        if (p->norms[i].kind == NORM_GRANT && p->norms[i].act.until.event == event)
            return true;
    return false;
}
