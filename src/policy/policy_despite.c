// SPDX-License-Identifier: Apache-2.0
/*
 * policy_despite.c: what lifts what.
 *
 * `despite` names clauses; lifting happens between norms. A grant or bar removes the grants and bars of the
 * clauses it names, with one exception: a bar that names a bar removes nothing, because the ban stands either
 * way. That keeps `despite *` in two bars from being a circle. Norms are then put in order, most exceptional
 * first, so that deciding is one walk upwards through a bitset.
 */
#include "policy_impl.h"

static bool id_in_family(struct span id, struct span family)
{
    if (family.len == 0)
        return true;
    return id.len > family.len && span_eq(span_sub(id, 0, family.len), family) && id.p[family.len] == '.';
}

static bool ref_names(const struct policy *p, const struct despite *r, unsigned clause, unsigned own)
{
    const struct policy_clause *c = &p->clauses[clause];
    if (c->document != r->document)
        return false;
    return r->family ? clause != own && id_in_family(c->id, r->id) : span_eq(c->id, r->id);
}

static bool must_same(const struct must *a, const struct must *b)
{
    if (a->kind != b->kind)
        return false;
    return a->kind == MUST_HAVE ? policy_formula_same(a->needs, b->needs) : a->index == b->index;
}

static bool waives(const struct norm *waiver, const struct norm *condition)
{
    for (size_t i = 0; i < waiver->n_waives; i++)
        if (must_same(&waiver->waives[i], &condition->must))
            return true;
    return false;
}

static bool liftable(const struct norm *n, const struct norm *target)
{
    if (n->kind == NORM_WAIVER)
        return target->kind == NORM_CONDITION && waives(n, target);
    if (n->kind == NORM_BAR && target->kind == NORM_BAR)
        return false;
    return target->kind == NORM_GRANT || target->kind == NORM_BAR;
}

/* ---- Messages. */

static bool clause_exists(const struct policy *p, const struct norm *n, const struct despite *r)
{
    for (unsigned c = 0; c < p->n_clauses; c++)
        if (ref_names(p, r, c, n->clause))
            return true;
    return false;
}

static bool say_no_clause(struct load *l, const struct despite *r)
{
    struct policy *p = l->p;
    struct span document = p->documents[r->document].pub.name;
    struct nearest near = policy_nearest(r->id);
    for (size_t i = 0; i < p->n_clauses; i++)
        if (p->clauses[i].document == r->document)
            policy_nearest_try(&near, p->clauses[i].id);
    if (r->family)
        return policy_say(l, MSG_NAME, r->place, "the document '%.*s' has no other clause of this family",
                          SPAN_F(document));
    return policy_say(l, MSG_NAME, r->place, "the document '%.*s' has no clause '%.*s'%.*s", SPAN_F(document),
                      SPAN_F(r->id), SPAN_F(policy_nearest_text(&near, l->arena)));
}

static bool say_nothing_lifted(struct load *l, const struct norm *n, const struct despite *r)
{
    if (n->kind == NORM_WAIVER)
        return policy_say(l, MSG_NAME, r->place, "no condition there requires what this sentence waives");
    return policy_say(l, MSG_NAME, r->place, "there is no %s there that this sentence could lift",
                      n->kind == NORM_GRANT ? "ban" : "permission");
}

/* Each thing a waiver lists must be required by something it names, or a slip would go unseen. */
static void check_waived(struct load *l, const struct norm *n)
{
    bool found = true;
    for (size_t i = 0; i < n->n_waives && found; i++) {
        found = n->n_targets == 0;
        for (size_t k = 0; k < n->n_targets && !found; k++)
            found = must_same(&n->waives[i], &l->p->norms[n->targets[k]].must);
        if (!found)
            policy_say(l, MSG_NAME, n->waives[i].place, "no clause named here requires this");
    }
}

/* ---- A request that two sentences of a circle speak of. */

static bool facts_of_both(const struct norm *a, const struct norm *b, uint64_t *facts)
{
    for (size_t i = 0; i < a->act.when.n; i++)
        for (size_t k = 0; k < b->act.when.n; k++) {
            const struct term *s = &a->act.when.terms[i], *t = &b->act.when.terms[k];
            *facts = s->facts_value | t->facts_value;
            if ((s->facts & t->facts & (s->facts_value ^ t->facts_value)) == 0)
                return true;
        }
    return false;
}

static bool holds(const struct policy *p, const struct norm *n, int d, size_t value)
{
    const struct document *doc = &p->documents[n->document];
    return bits_has(&n->act.set[d], value) && (!doc->scoped[d] || bits_has(&doc->scope[d], value));
}

static bool request_of_both(const struct policy *p, const struct norm *a, const struct norm *b,
                            struct policy_request *q)
{
    *q = (struct policy_request){.facts_known = UINT64_MAX};
    for (int d = 0; d < DIM_COUNT; d++) {
        size_t v = 0;
        while (v < p->dim[d].n && !(holds(p, a, d, v) && holds(p, b, d, v)))
            v++;
        if (v == p->dim[d].n && v > 0)
            return false;
        q->value[d] = (uint16_t)v;
    }
    return facts_of_both(a, b, &q->facts);
}

/* Sentences that never meet are a circle all the same; then there is no request to tell. */
static void say_both_speak(struct load *l, const struct norm *a, const struct norm *b)
{
    struct policy_request q;
    if (request_of_both(l->p, a, b, &q))
        policy_say_witness(l, &q);
}

/* ---- Resolving. */

static bool target_known(const struct norm *n, size_t target)
{
    for (size_t i = 0; i < n->n_targets; i++)
        if (n->targets[i] == target)
            return true;
    return false;
}

static bool resolve_ref(struct load *l, struct norm *n, const struct despite *r)
{
    struct policy *p = l->p;
    bool lifted = false;
    for (size_t i = 0; i < p->n_norms; i++) {
        if (!ref_names(p, r, p->norms[i].clause, n->clause) || !liftable(n, &p->norms[i]))
            continue;
        lifted = true;
        if (&p->norms[i] != n && !target_known(n, i))
            *POLICY_PUSH(l->arena, n->targets, n->n_targets) = (uint16_t)i;
    }
    return lifted;
}

static bool names_itself(const struct policy *p, const struct norm *n, const struct despite *r)
{
    return !r->family && ref_names(p, r, n->clause, POLICY_NONE);
}

static bool say_lifts_itself(struct load *l, const struct norm *n, const struct despite *r)
{
    policy_say(l, MSG_CYCLE, r->place,
               "a clause cannot lift itself; put the exception into a clause of its own");
    policy_say_other(l, n->place);
    say_both_speak(l, n, n);
    return false;
}

static bool resolve_one(struct load *l, struct norm *n, const struct despite *r)
{
    if (!clause_exists(l->p, n, r))
        return say_no_clause(l, r);
    if (names_itself(l->p, n, r))
        return say_lifts_itself(l, n, r);
    return resolve_ref(l, n, r) || r->family || say_nothing_lifted(l, n, r);
}

/* One error for each sentence. */
static void resolve_norm(struct load *l, struct norm *n)
{
    bool good = true;
    for (size_t i = 0; i < n->n_despite && good; i++)
        good = resolve_one(l, n, &n->despite[i]);
    if (good)
        check_waived(l, n);
    else
        n->n_targets = 0; /* in no circle, which would be a second error */
}

/* ---- Order: a norm comes before those it lifts; else by rank of the document, then as written. */

static bool before(const struct policy *p, const struct norm *a, const struct norm *b)
{
    bool lifting_a = a->kind == NORM_GRANT || a->kind == NORM_BAR,
         lifting_b = b->kind == NORM_GRANT || b->kind == NORM_BAR;
    if (lifting_a != lifting_b)
        return lifting_a;
    unsigned ra = p->documents[a->document].rank, rb = p->documents[b->document].rank;
    return ra != rb ? ra < rb : a->order < b->order;
}

/* All norms as if nothing lifted anything: most stand so already, since documents are read by name and their
 * norms as written. */
static uint16_t *unlifted_order(const struct policy *p, struct arena *a)
{
    uint16_t *list = ARENA_ARRAY(a, p->n_norms + 1, uint16_t);
    for (size_t i = 0; i < p->n_norms; i++) {
        size_t at = i;
        for (; at > 0 && before(p, &p->norms[i], &p->norms[list[at - 1]]); at--)
            list[at] = list[at - 1];
        list[at] = (uint16_t)i;
    }
    return list;
}

/* The first in that order whose lifters are all done. `from`: all before it are done. */
static size_t next_norm(const struct policy *p, const uint16_t *list, const uint32_t *lifters_left,
                        const bool *done, size_t *from)
{
    while (*from < p->n_norms && done[list[*from]])
        ++*from;
    for (size_t i = *from; i < p->n_norms; i++)
        if (!done[list[i]] && lifters_left[list[i]] == 0)
            return list[i];
    return p->n_norms;
}

#define CIRCLE_TOLD_MAX 12 /* clauses of one circle that are named; a longer one is mended at any of them */

/* One that is left over and lifts this one: what is left over is lifted by something that is. */
static size_t lifter_left(const struct policy *p, const bool *done, size_t lifted)
{
    size_t i = 0;
    while (done[i] || !target_known(&p->norms[i], lifted))
        i++;
    return i;
}

/* From any norm left over, going from lifted to lifter, a norm comes back: that one is in the circle. */
static size_t in_circle(struct load *l, const bool *done)
{
    bool *seen = ARENA_ARRAY(l->arena, l->p->n_norms, bool);
    size_t at = 0;
    while (done[at])
        at++;
    for (; !seen[at]; at = lifter_left(l->p, done, at))
        seen[at] = true;
    return at;
}

/* "'a' lifts 'b', which lifts 'c', which lifts 'a'". The circle is told against the way it was found. */
static struct span circle_words(struct load *l, const uint16_t *circle, size_t n)
{
    const struct policy *p = l->p;
    struct text t = text_new(l->arena, 128);
    size_t told = n > CIRCLE_TOLD_MAX ? CIRCLE_TOLD_MAX : n;
    text_fmt(&t, "'%.*s'", SPAN_F(p->clauses[p->norms[circle[0]].clause].id));
    for (size_t i = 1; i <= told; i++) {
        const struct norm *next = &p->norms[circle[(n - i) % n]];
        text_fmt(&t, "%s lifts '%.*s'", i == 1 ? "" : ", which", SPAN_F(p->clauses[next->clause].id));
    }
    if (told < n)
        text_fmt(&t, ", and so on by way of %zu more", n - told);
    return text_span(&t);
}

static void say_circle(struct load *l, const bool *done)
{
    struct policy *p = l->p;
    uint16_t *circle = ARENA_ARRAY(l->arena, p->n_norms, uint16_t);
    size_t first = in_circle(l, done), at = first, n = 0;
    do {
        circle[n++] = (uint16_t)at;
        at = lifter_left(p, done, at);
    } while (at != first);
    const struct norm *norm = &p->norms[first], *other = &p->norms[circle[n - 1]];
    l->clause = norm->clause;
    policy_say(l, MSG_CYCLE, norm->place, "clauses lift each other in a circle: %.*s",
               SPAN_F(circle_words(l, circle, n)));
    policy_say_other(l, other->place);
    say_both_speak(l, norm, other);
    l->clause = POLICY_NONE;
}

/* The norm at i goes to now[i]: along each circle of the permutation, in place. */
static void permute(struct policy *p, uint16_t *now)
{
    for (size_t i = 0; i < p->n_norms; i++)
        for (size_t k = 0; k < p->norms[i].n_targets; k++)
            p->norms[i].targets[k] = now[p->norms[i].targets[k]];
    for (size_t i = 0; i < p->n_norms; i++)
        while (now[i] != i) {
            size_t to = now[i];
            struct norm moved = p->norms[to];
            p->norms[to] = p->norms[i];
            p->norms[i] = moved;
            now[i] = now[to];
            now[to] = (uint16_t)to;
        }
}

static void count_lifters(const struct policy *p, uint32_t *left)
{
    for (size_t i = 0; i < p->n_norms; i++)
        for (size_t k = 0; k < p->norms[i].n_targets; k++)
            left[p->norms[i].targets[k]]++;
}

static void sort_norms(struct load *l)
{
    struct policy *p = l->p;
    uint16_t *now = ARENA_ARRAY(l->arena, p->n_norms, uint16_t);
    uint32_t *left = ARENA_ARRAY(l->arena, p->n_norms, uint32_t);
    bool *done = ARENA_ARRAY(l->arena, p->n_norms, bool);
    const uint16_t *list = unlifted_order(p, l->arena);
    size_t from = 0;
    count_lifters(p, left);
    for (size_t n = 0; n < p->n_norms; n++) {
        size_t i = next_norm(p, list, left, done, &from);
        if (i == p->n_norms) {
            say_circle(l, done);
            return;
        }
        now[i] = (uint16_t)n;
        done[i] = true;
        for (size_t k = 0; k < p->norms[i].n_targets; k++)
            left[p->norms[i].targets[k]]--;
    }
    permute(p, now);
}

void policy_resolve_despite(struct load *l)
{
    for (size_t i = 0; i < l->p->n_norms; i++) {
        l->clause = l->p->norms[i].clause;
        resolve_norm(l, &l->p->norms[i]);
    }
    l->clause = POLICY_NONE;
    sort_norms(l);
}
