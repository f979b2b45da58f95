// SPDX-License-Identifier: Apache-2.0
/*
 * policy_analyse_norms.c: sentences that could as well not be there (section 5).
 *
 *   dead       it never takes effect: a ban that is always lifted; a permission that never speaks, because it
 *              is lifted, barred or outranked; a condition or waiver of something that nothing permits
 *   redundant  leaving it out changes no answer; so every dead sentence is redundant, too
 *
 * An answer is, here: which ban is cited; the need-sets any of which is enough, with their time limits; the
 * deeds and the mask. Which permission is cited, and why nothing was said, is not part of it. A sentence with
 * three requirements is three norms and is judged as a whole.
 */
#include "policy_answer_impl.h"
#include "policy_compile_impl.h"

#define JUDGE_STEPS_MAX 100000 /* sets of one sentence; beyond them it is not called needless */
#define WAYS_MAX        96     /* ways in of one meaning; with more, no sentence is called redundant */

struct way {
    uint64_t needs;
    const struct norm *norm; /* for its time limit */
};
struct sense {
    bool silent;
    unsigned ban; /* its clause; POLICY_NONE */
    struct way ways[WAYS_MAX];
    size_t n;
    struct alternatives total; /* with the conditions */
    uint64_t deeds;
    unsigned mask;
};

/* One sentence under judgement: the norms from `first` up to `end`. */
struct judged {
    const struct policy *p;
    size_t first, end;
    bool seen, effective, matters;
    size_t other; /* the norm that makes it needless; n_norms: none */
    bool asked;   /* `at` is a request that the sentence speaks of; */
    struct policy_request at;
    const char *nearest; /* where nothing permits that, in what the nearest permission, `other`, differs */
};

/* ---- What a set of norms means. */

static bool same_limit(const struct norm *a, const struct norm *b)
{
    const struct until *u = &a->act.until, *v = &b->act.until;
    return u->event == v->event && u->number == v->number && u->unit == v->unit;
}

/* With `strong` held, `weak` never speaks: as grant_better decides. */
static bool covers(const struct policy *p, const struct way *strong, const struct way *weak)
{
    bool limit_strong = strong->norm->act.until.event != POLICY_NONE,
         limit_weak = weak->norm->act.until.event != POLICY_NONE;
    if ((strong->needs & ~weak->needs) != 0 || (limit_weak && !limit_strong))
        return false;
    if (strong->needs != weak->needs || limit_strong != limit_weak)
        return true;
    return same_limit(strong->norm, weak->norm) || policy_grant_cmp(p, strong->norm, weak->norm) < 0;
}

static void add_way(const struct policy *p, struct sense *m, struct way way)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->n; i++)
        if (covers(p, &m->ways[i], &way))
            return;
    for (size_t i = 0; i < m->n; i++)
        if (!covers(p, &way, &m->ways[i]))
            m->ways[kept++] = m->ways[i];
    m->n = kept;
    if (m->n < WAYS_MAX)
        m->ways[m->n++] = way;
}

static void add_ways(const struct policy *p, struct sense *m, const struct norm *n)
{
    for (size_t k = 0; k < n->act.needs.n; k++)
        add_way(p, m, (struct way){n->act.needs.terms[k].needs, n});
}

static void add_condition(struct sense *m, const struct norm *n)
{
    struct alternatives needs = {.n = 0};
    if (n->must.kind == MUST_DEED)
        m->deeds |= 1ull << n->must.index;
    if (n->must.kind == MUST_MASK && (m->mask == POLICY_NONE || n->must.index > m->mask))
        m->mask = n->must.index;
    if (n->must.kind != MUST_HAVE)
        return;
    for (size_t i = 0; i < n->must.needs.n; i++)
        policy_alternatives_add(&needs, n->must.needs.terms[i].needs);
    policy_alternatives_meet(&m->total, &needs);
}

static void sense_of(const struct policy *p, const uint64_t *standing, struct sense *m)
{
    size_t i = 0;
    unsigned speaker = policy_world_speaker(p, standing);
    *m = (struct sense){.ban = POLICY_NONE, .mask = POLICY_NONE, .silent = speaker == POLICY_NONE};
    if (policy_world_bar(p, standing, &i)) {
        m->ban = p->norms[i].clause;
        return;
    }
    EACH_NORM(standing, p->index.words, i)
    if (p->norms[i].kind == NORM_GRANT && p->norms[i].document == speaker)
        add_ways(p, m, &p->norms[i]);
    for (size_t k = 0; k < m->n; k++)
        policy_alternatives_add(&m->total, m->ways[k].needs);
    EACH_NORM(standing, p->index.words, i)
    if (p->norms[i].kind == NORM_CONDITION)
        add_condition(m, &p->norms[i]);
}

static bool has_way(const struct sense *m, const struct way *way)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->ways[i].needs == way->needs && same_limit(m->ways[i].norm, way->norm))
            return true;
    return false;
}

static bool same_ways(const struct sense *a, const struct sense *b)
{
    bool same = a->n == b->n && a->n < WAYS_MAX;
    for (size_t i = 0; i < a->n && same; i++)
        same = has_way(b, &a->ways[i]);
    return same;
}

/* A condition's need that every way in asks for anyway changes nothing; so ways are compared with conditions
 * where conditions are judged, and without where they are not there. */
static bool same_sense(const struct sense *a, const struct sense *b, bool conditions)
{
    if (a->ban != POLICY_NONE || b->ban != POLICY_NONE || a->silent || b->silent)
        return a->ban == b->ban && (a->ban != POLICY_NONE || a->silent == b->silent);
    if (!conditions)
        return same_ways(a, b);
    return a->deeds == b->deeds && a->mask == b->mask && a->total.n == b->total.n &&
           a->total.n < ALTERNATIVES_MAX &&
           memcmp(a->total.set, b->total.set, a->total.n * sizeof a->total.set[0]) == 0;
}

/* ---- One set of norms that match together, with the sentence among them. */

static bool permits(const struct policy *p, const uint64_t *standing)
{
    size_t bar = 0;
    return !policy_world_bar(p, standing, &bar) && policy_world_speaker(p, standing) != POLICY_NONE;
}

static bool lifts_any(const struct norm *n, const uint64_t *norms, size_t words)
{
    return n->lifts && set_meets(n->lifts, norms, words);
}

static bool takes_effect(const struct policy *p, size_t i, const uint64_t *norms, const uint64_t *standing)
{
    const struct norm *n = &p->norms[i];
    if (!norm_set_has(standing, i) || n->kind == NORM_BAR)
        return norm_set_has(standing, i);
    if (!permits(p, standing))
        return false;
    if (n->kind == NORM_GRANT)
        return n->document == policy_world_speaker(p, standing);
    return n->kind == NORM_CONDITION || lifts_any(n, norms, p->index.words);
}

static bool is_judged(const struct judged *j, size_t i)
{
    return i >= j->first && i < j->end;
}

/* One of these norms that lifts one of those that are gone. */
static size_t find_lifter(const struct policy *p, const uint64_t *norms, size_t gone)
{
    size_t i = 0;
    EACH_NORM(norms, p->index.words, i)
    if (p->norms[i].lifts && norm_set_has(p->norms[i].lifts, gone))
        return i;
    return p->n_norms;
}

/* One of these grants asks for no more than the sentence does. */
static bool asks_as_little(const struct formula *little, const struct formula *more)
{
    for (size_t i = 0; i < little->n; i++)
        for (size_t k = 0; k < more->n; k++)
            if ((little->terms[i].needs & ~more->terms[k].needs) == 0)
                return true;
    return false;
}

/* The permission that permits the same without the sentence, in whichever document then speaks. */
static size_t find_grant(const struct judged *j, const uint64_t *without)
{
    const struct policy *p = j->p;
    unsigned speaker = policy_world_speaker(p, without);
    size_t i = 0, any = p->n_norms;
    EACH_NORM(without, p->index.words, i)
    {
        if (p->norms[i].kind != NORM_GRANT || p->norms[i].document != speaker)
            continue;
        any = any < p->n_norms ? any : i;
        if (asks_as_little(&p->norms[i].act.needs, &p->norms[j->first].act.needs))
            return i;
    }
    return any;
}

static bool requires_as_much(const struct norm *n, const struct norm *judged)
{
    const struct must *a = &n->must, *b = &judged->must;
    if (n->kind != NORM_CONDITION || a->kind != b->kind)
        return false;
    if (a->kind == MUST_HAVE)
        return asks_as_little(&b->needs, &a->needs);
    return a->kind == MUST_MASK ? a->index >= b->index : a->index == b->index;
}

/* The condition that requires as much, else the permission that does; where nothing is permitted, what
 * lifted the permission. */
static size_t find_condition(const struct judged *j, const uint64_t *norms, const uint64_t *without)
{
    const struct policy *p = j->p;
    size_t i = 0;
    EACH_NORM(without, p->index.words, i)
    if (requires_as_much(&p->norms[i], &p->norms[j->first]))
        return i;
    if (policy_world_speaker(p, without) != POLICY_NONE)
        return find_grant(j, without);
    EACH_NORM(norms, p->index.words, i)
    if (p->norms[i].kind == NORM_GRANT && find_lifter(p, norms, i) < p->n_norms)
        return find_lifter(p, norms, i);
    return p->n_norms;
}

/* What else does the same: the one that lifts it, bans it, outranks it, asks for as little or for as much. */
static size_t find_other(const struct judged *j, const uint64_t *norms, const uint64_t *with,
                         const uint64_t *without)
{
    const struct policy *p = j->p;
    const struct norm *n = &p->norms[j->first];
    size_t bar = 0, lifter = find_lifter(p, norms, j->first);
    if (lifter < p->n_norms)
        return lifter;
    if (policy_world_bar(p, with, &bar) && !is_judged(j, bar))
        return bar;
    if (n->kind == NORM_BAR)
        return policy_world_bar(p, without, &bar) ? bar : p->n_norms;
    if (n->kind == NORM_WAIVER)
        return n->n_targets > 0 ? n->targets[0] : p->n_norms;
    return n->kind == NORM_GRANT ? find_grant(j, without) : find_condition(j, norms, without);
}

static bool judge(struct sweep *s, const uint64_t *norms)
{
    struct judged *j = s->arg;
    const struct policy *p = j->p;
    size_t bytes = p->index.words * sizeof *norms;
    uint64_t with[NORM_WORDS], without[NORM_WORDS];
    struct sense m, less;
    memcpy(with, norms, bytes);
    memcpy(without, norms, bytes);
    for (size_t i = j->first; i < j->end; i++)
        set_out(without, i);
    policy_world_lift(p, with);
    policy_world_lift(p, without);
    bool effective = false, before = j->effective;
    for (size_t i = j->first; i < j->end; i++)
        effective = effective || takes_effect(p, i, norms, with);
    j->effective = before || effective;
    if (!j->matters) {
        sense_of(p, with, &m);
        sense_of(p, without, &less);
        j->matters = !same_sense(&m, &less, p->norms[j->first].kind >= NORM_CONDITION);
    }
    if (!j->seen || (effective && !before)) { /* told best where it would have a say */
        j->seen = j->asked = true;
        j->at = s->at;
        j->other = find_other(j, norms, with, without);
    }
    return j->effective && j->matters;
}

/* ---- Messages. */

static void say_needless(const struct analysis *a, const struct judged *j, enum policy_message_kind kind,
                         const char *text)
{
    const struct norm *n = &a->p->norms[j->first];
    a->l->clause = n->clause;
    if (!j->asked && kind == MSG_DEAD_NORM)
        policy_warn(a->l, kind, n->place,
                    "this sentence never takes effect: its document does not apply to what it speaks of");
    else if (j->nearest && kind == MSG_DEAD_NORM)
        policy_warn(a->l, kind, n->place, "%s; the nearest permission is for another %s", text, j->nearest);
    else
        policy_warn(a->l, kind, n->place, "%s", text);
    if (j->other < a->p->n_norms)
        policy_say_other(a->l, a->p->norms[j->other].place);
    else if (!j->asked) /* its document's scope leaves nothing that it could speak of */
        policy_say_other(a->l, a->p->documents[n->document].place);
    if (j->asked)
        policy_say_witness(a->l, &j->at);
    a->l->clause = POLICY_NONE;
}

static const char *const dead_text[] = {
    [NORM_GRANT] = "this permission never speaks: wherever it matches it is lifted, banned or outranked",
    [NORM_BAR] = "this ban never stands: wherever it matches it is lifted",
    [NORM_CONDITION] =
        "this condition never binds: nothing permits what it speaks of, or it is always waived",
    [NORM_WAIVER] = "this waives nothing: wherever it matches, nothing is permitted that the condition binds",
};
static const char *const redundant_text[] = {
    [NORM_GRANT] = "leaving this permission out changes no answer: others permit the same for as little",
    [NORM_BAR] = "leaving this ban out changes no answer: wherever it stands another ban is told",
    [NORM_CONDITION] = "leaving this condition out changes no answer: the same is required anyway",
    [NORM_WAIVER] = "leaving this waiver out changes no answer",
};

static void say_judged(const struct analysis *a, const struct judged *j)
{
    enum norm_kind kind = a->p->norms[j->first].kind;
    if (!j->effective)
        say_needless(a, j, MSG_DEAD_NORM, dead_text[kind]);
    if (!j->effective)
        say_needless(a, j, MSG_REDUNDANT_NORM,
                     "leaving this sentence out changes no answer: it never takes effect");
    else if (!j->matters)
        say_needless(a, j, MSG_REDUNDANT_NORM, redundant_text[kind]);
}

/* ---- A condition or waiver where nothing is permitted. */

/* A request that it speaks of, and the permission that differs from it in one thing only. */
static void find_nearest(struct judged *j, const struct box *box)
{
    static const enum policy_dimension order[] = {DIM_OPERATION, DIM_PURPOSE,      DIM_PARTY,
                                                  DIM_BASIS,     DIM_SUBJECT,      DIM_ACTOR,
                                                  DIM_SERVICE,   DIM_JURISDICTION, DIM_FIELD};
    const struct policy *p = j->p;
    const struct formula *when = &p->norms[j->first].act.when;
    uint64_t set[NORM_WORDS];
    j->at = policy_box_first(p, box);
    j->at.facts = when->n > 0 ? when->terms[0].facts_value : 0;
    j->asked = true;
    for (size_t k = 0; k < sizeof order / sizeof order[0] && !j->nearest; k++) {
        size_t i = 0;
        policy_near_set(p, &j->at, order[k], set);
        EACH_NORM(set, p->index.words, i)
        if (!j->nearest || p->norms[i].order < p->norms[j->other].order) {
            j->nearest = policy_dimension_word[order[k]];
            j->other = i;
        }
    }
}

/* ---- All sentences. */

static bool same_sentence(const struct norm *a, const struct norm *b)
{
    return a->sentence.p == b->sentence.p && a->kind == b->kind;
}

static void judge_sentence(const struct analysis *a, const struct cases *all, size_t first, size_t end)
{
    const struct norm *n = &a->p->norms[first];
    bool ground = n->kind == NORM_GRANT || n->kind == NORM_BAR;
    const struct cases *c = ground ? a->k->half[HALF_GROUND] : all;
    struct judged j = {.p = a->p, .first = first, .end = end, .other = a->p->n_norms};
    struct sweep s = {
        .c = c, .box = policy_box_all(a->p), .visit = judge, .arg = &j, .steps_max = JUDGE_STEPS_MAX};
    s.must[0] = policy_cases_of(c, first, end, a->scratch);
    s.must[1] = ground ? NULL : c->kind[NORM_GRANT];
    if (policy_box_meet(a->p, &s.box, &n->act, n->document)) {
        struct box box = s.box;
        policy_sweep(&s, a->scratch);
        if (!j.seen && !ground)
            find_nearest(&j, &box);
    }
    if (!s.over)
        say_judged(a, &j);
}

void policy_analyse_norms(struct analysis *a)
{
    size_t culprit = 0;
    const struct cases *all =
        policy_cases(a->p, a->k->atoms, GROUND_KINDS | BIND_KINDS, a->scratch, &culprit);
    if (!all) /* too many cases to go over together; each half alone was not */
        return;
    for (size_t i = 0, end; i < a->p->n_norms; i = end) {
        for (end = i + 1; end < a->p->n_norms && same_sentence(&a->p->norms[i], &a->p->norms[end]);)
            end++;
        judge_sentence(a, all, i, end);
    }
}
