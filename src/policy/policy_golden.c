// SPDX-License-Identifier: Apache-2.0
/* policy_golden.c: see policy_golden.h */
#include "policy_golden.h"

#include "policy_diff_impl.h"

#include <stdlib.h>

#define SENTENCES_MAX 512 /* of one answer, that go into its name */

struct making {
    const struct policy *p;
    struct arena *arena;
    struct policy_case *list;
    size_t n;
    size_t bar; /* the ban that is looked for */
};

/* ---- Names */

struct sentences {
    struct span list[SENTENCES_MAX];
    size_t n;
};

static int by_bytes(const void *a, const void *b)
{
    return span_cmp(*(const struct span *)a, *(const struct span *)b);
}

static void add_words(struct sentences *s, struct span words)
{
    if (s->n < SENTENCES_MAX)
        s->list[s->n++] = words;
}

static void add_norm(const struct making *m, struct sentences *s, size_t norm)
{
    const struct norm *n = &m->p->norms[norm];
    struct text t = text_new(m->arena, 128);
    text_fmt(&t, "%.*s ", SPAN_F(policy_clause_ref(m->p, n->clause, m->arena)));
    diff_words_put(n->sentence, &t);
    add_words(s, text_span(&t));
}

/* FNV-1a over the sorted sentences. */
static uint64_t hash_of(struct sentences *s)
{
    uint64_t h = 0xcbf29ce484222325u;
    qsort(s->list, s->n, sizeof s->list[0], by_bytes);
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < s->list[i].len; k++)
            h = (h ^ s->list[i].p[k]) * 0x100000001b3u;
        h = (h ^ '\n') * 0x100000001b3u;
    }
    return h & 0xffffffffffffu;
}

static struct span name_of(const struct making *m, const char *answer, unsigned clause, struct sentences *s)
{
    struct span ref = clause == POLICY_NONE ? SPAN_EMPTY : policy_clause_ref(m->p, clause, m->arena);
    return arena_fmt(m->arena, "%s:%.*s:%012llx", answer, SPAN_F(ref), (unsigned long long)hash_of(s));
}

/* Of the permissions that speak, the clause that is the first by name: which of several equals is cited
 * follows the order of the text. */
static unsigned first_clause(const struct making *m, const uint16_t *ground)
{
    const struct diagram_grant *grants = m->p->diagram->grants;
    unsigned first = grants[ground[1]].clause;
    for (unsigned i = 1; i < ground[0]; i++) {
        unsigned clause = grants[ground[1 + i]].clause;
        if (span_cmp(policy_clause_ref(m->p, clause, m->arena), policy_clause_ref(m->p, first, m->arena)) < 0)
            first = clause;
    }
    return first;
}

static void add_case(struct making *m, struct span name, const struct policy_request *q,
                     const struct policy_decision *d)
{
    *POLICY_PUSH(m->arena, m->list, m->n) = (struct policy_case){name, *q, *d};
}

/* ---- Permissions and silence: every pair of leaves, once. */

static void add_binding(const struct making *m, struct sentences *s, const struct survey_bind *bind)
{
    for (unsigned i = 0; i < bind->n_haves; i++)
        add_norm(m, s, bind->have[i]->norm);
    for (unsigned i = 0; i < 64; i++)
        if (bind->deeds >> i & 1)
            add_words(s, policy_kind_name(m->p, KIND_DEED, i));
    if (bind->mask != POLICY_NONE)
        add_words(s, policy_kind_name(m->p, KIND_MASK, bind->mask));
}

static uint32_t answer_leaf(struct survey *w, const uint16_t *ground, const struct survey_bind *bind)
{
    struct making *m = w->arg;
    const struct diagram *g = m->p->diagram;
    struct policy_request q = w->at;
    struct policy_decision d;
    struct sentences s = {.n = 0};
    if (!bind && ground[0] != 0)
        return SURVEY_NOTHING; /* bans have their own cases */
    q.needs = 0;
    q.facts_known = UINT64_MAX;
    policy_decide(m->p, &q, &d);
    if (d.answer == ANSWER_NEEDS) {
        q.needs = d.missing;
        policy_decide(m->p, &q, &d);
    }
    for (unsigned i = 0; bind && i < ground[0]; i++)
        add_norm(m, &s, g->grants[ground[1 + i]].norm);
    if (bind)
        add_binding(m, &s, bind);
    add_case(m, name_of(m, bind ? "permit" : "silent", bind ? first_clause(m, ground) : POLICY_NONE, &s), &q,
             &d);
    return SURVEY_NOTHING;
}

/* ---- Bans: for each a request for which it stands. Which of several bans is cited follows the order of the
 * text, so leaves would not do. */

static bool stands(struct sweep *s, const uint64_t *norms)
{
    const struct making *m = s->arg;
    uint64_t standing[NORM_WORDS];
    memcpy(standing, norms, m->p->index.words * sizeof *norms);
    policy_world_lift(m->p, standing);
    return norm_set_has(standing, m->bar);
}

static bool add_ban(struct making *m, const struct cases *c, struct arena *scratch)
{
    struct sweep s = {.c = c, .box = policy_box_all(m->p), .visit = stands, .arg = m, .steps_max = 1000000};
    struct sentences words = {.n = 0};
    struct policy_decision d;
    s.must[0] = policy_cases_of(c, m->bar, m->bar + 1, scratch);
    if (!policy_sweep(&s, scratch))
        return !s.over;
    s.at.needs = 0;
    s.at.facts_known = UINT64_MAX;
    policy_decide(m->p, &s.at, &d);
    add_norm(m, &words, m->bar);
    add_case(m, name_of(m, "ban", m->p->norms[m->bar].clause, &words), &s.at, &d);
    return true;
}

static bool add_bans(struct making *m, struct arena *scratch)
{
    size_t culprit = 0;
    struct atoms *atoms = policy_atoms(m->p, scratch);
    struct cases *c = policy_cases(m->p, atoms, GROUND_KINDS, scratch, &culprit);
    bool all = c != NULL;
    for (m->bar = 0; m->bar < m->p->n_norms && all; m->bar++)
        if (m->p->norms[m->bar].kind == NORM_BAR)
            all = add_ban(m, c, scratch);
    return all;
}

static int by_name(const void *a, const void *b)
{
    return span_cmp(((const struct policy_case *)a)->name, ((const struct policy_case *)b)->name);
}

enum err policy_golden(const struct policy *p, struct arena *a, struct policy_case **list, size_t *n,
                       struct fail *f)
{
    struct arena *scratch = arena_new(1 << 18);
    struct making m = {.p = p, .arena = a};
    struct survey w = {.p = p, .box = policy_box_all(p), .answer = answer_leaf, .arg = &m};
    w.hulls = ARENA_ARRAY(scratch, SURVEY_CLASSES_MAX, struct hull);
    policy_survey(&w, scratch);
    bool all = !w.over && add_bans(&m, scratch);
    arena_free(scratch);
    if (!all)
        return fail_set(f, ERR_TOO_LARGE, "the policy has more answers than can be gone over");
    if (m.n > 0)
        qsort(m.list, m.n, sizeof m.list[0], by_name);
    *list = m.list;
    *n = 0;
    for (size_t i = 0; i < m.n; i++) /* sentences that do the same are one case */
        if (*n == 0 || !span_eq(m.list[*n - 1].name, m.list[i].name))
            m.list[(*n)++] = m.list[i];
    return OK;
}

/* ---- Lines */

static void put_list(struct text *t, const struct policy *p, const char *key, enum policy_kind k,
                     uint64_t bits)
{
    const char *before = "=";
    if (!bits)
        return;
    text_fmt(t, "%s%s", t->len > 0 ? " " : "", key);
    for (unsigned i = 0; i < p->kind[k].n && i < 64; i++) {
        if (!(bits >> i & 1))
            continue;
        text_fmt(t, "%s%.*s", before, SPAN_F(policy_kind_name(p, k, i)));
        before = ",";
    }
}

/* What the same request lacks if nothing is held: every way, the smallest first. */
static void put_lacks(struct text *t, const struct policy *p, const struct policy_request *q)
{
    struct policy_request bare = *q;
    struct policy_decision d;
    bare.needs = 0;
    policy_decide(p, &bare, &d);
    if (d.answer != ANSWER_NEEDS)
        return;
    put_list(t, p, "lacks", KIND_NEED, d.missing);
    for (unsigned i = 0; i < d.n_alternatives; i++)
        put_list(t, p, "or", KIND_NEED, d.alternatives[i]);
}

static struct span rest_of(const struct policy *p, const struct policy_request *q,
                           const struct policy_decision *d, struct arena *a)
{
    static const char *const unit[] = {"", "hours", "days", "working-days", "months", "years"};
    struct text t = text_new(a, 64);
    if (d->answer == ANSWER_NEEDS)
        put_list(&t, p, "missing", KIND_NEED, d->missing);
    if (d->answer > ANSWER_ALLOW_MASKED)
        return text_span(&t);
    if (d->mask != POLICY_NONE)
        text_fmt(&t, "%smask=%.*s", t.len > 0 ? " " : "", SPAN_F(policy_kind_name(p, KIND_MASK, d->mask)));
    put_list(&t, p, "deeds", KIND_DEED, d->deeds);
    put_lacks(&t, p, q);
    if (d->until_event == POLICY_NONE)
        return text_span(&t);
    text_fmt(&t, "%suntil=", t.len > 0 ? " " : "");
    if (d->until_number > 0)
        text_fmt(&t, "%u-%s-after-", d->until_number, unit[d->until_unit]);
    text_put(&t, policy_kind_name(p, KIND_EVENT, d->until_event));
    return text_span(&t);
}

enum column {
    COLUMN_NAME,
    COLUMN_REQUEST,
    COLUMN_ANSWER,
    COLUMN_REASON,
    COLUMN_CLAUSE,
    COLUMN_REST,
    COLUMNS
};

/* What was decided, as columns; empty: nothing to say. */
static void answer_columns(const struct policy *p, const struct policy_request *q,
                           const struct policy_decision *d, struct arena *a, struct span column[COLUMNS])
{
    column[COLUMN_ANSWER] = span_str(policy_answer_name(d->answer));
    column[COLUMN_REASON] = d->reason;
    column[COLUMN_CLAUSE] = d->clause == POLICY_NONE ? SPAN_EMPTY : policy_clause_ref(p, d->clause, a);
    column[COLUMN_REST] = rest_of(p, q, d, a);
}

void policy_golden_put(const struct policy *p, const struct policy_case *c, struct text *t)
{
    struct span column[COLUMNS] = {c->name};
    struct text request = text_new(t->arena, 256);
    policy_request_put(p, &c->request, &request);
    column[COLUMN_REQUEST] = text_span(&request);
    answer_columns(p, &c->request, &c->decision, t->arena, column);
    for (int i = 0; i < COLUMNS; i++) {
        text_str(t, i > 0 ? "\t" : "");
        text_put(t, column[i].len > 0 ? column[i] : SPAN("-"));
    }
    text_char(t, '\n');
}

/* ---- Checking */

struct checking {
    const struct policy *p;
    struct arena *arena;
    struct policy_miss *list;
    size_t n, cases;
};

static void add_miss(struct checking *k, uint32_t line, struct span name, struct span was, struct span is)
{
    *POLICY_PUSH(k->arena, k->list, k->n) = (struct policy_miss){name, line, was, is};
}

/* Compares the columns of which something is expected. */
static void check_case(struct checking *k, uint32_t line, const struct span *column, int n)
{
    struct policy_request q = {.facts_known = 0};
    struct policy_decision d;
    struct fail f = {0};
    struct text was = text_new(k->arena, 64), is = text_new(k->arena, 64);
    struct span got[COLUMNS] = {column[COLUMN_NAME]};
    k->cases++;
    if (policy_request_read(k->p, column[COLUMN_REQUEST], &q, &f) != OK) {
        add_miss(k, line, column[COLUMN_NAME], column[COLUMN_ANSWER],
                 arena_fmt(k->arena, "cannot be asked: %s", f.detail));
        return;
    }
    policy_decide(k->p, &q, &d);
    answer_columns(k->p, &q, &d, k->arena, got);
    for (int i = COLUMN_ANSWER; i < n; i++) {
        struct span now = got[i].len > 0 ? got[i] : SPAN("-");
        if (span_is(column[i], "-") || span_eq(column[i], now))
            continue;
        text_fmt(&was, "%s%.*s", was.len > 0 ? ", " : "", SPAN_F(column[i]));
        text_fmt(&is, "%s%.*s", is.len > 0 ? ", " : "", SPAN_F(now));
    }
    if (was.len > 0)
        add_miss(k, line, column[COLUMN_NAME], text_span(&was), text_span(&is));
}

enum err policy_golden_check(const struct policy *p, struct span file, struct arena *a,
                             struct policy_miss **list, size_t *n, size_t *cases, struct fail *f)
{
    struct checking k = {.p = p, .arena = a};
    struct span line;
    for (uint32_t number = 1; span_cut(&file, '\n', &line); number++) {
        struct span column[COLUMNS], rest = span_trim(line);
        int columns = 0;
        if (rest.len == 0 || rest.p[0] == '#')
            continue;
        while (columns < COLUMNS && span_cut(&rest, '\t', &column[columns]))
            columns++;
        if (columns <= COLUMN_ANSWER || rest.len > 0) {
            fail_set(f, ERR_BAD_VALUE, "line %u is no case", number);
            fail_hint(f, "a case is: name, request, answer, reason, clause, rest; tabs between them");
            fail_where(f, "line %u", number);
            return ERR_BAD_VALUE;
        }
        check_case(&k, number, column, columns);
    }
    *list = k.list;
    *n = k.n;
    *cases = k.cases;
    return OK;
}
