// SPDX-License-Identifier: Apache-2.0
/* policy_promises.c: the promises of the documents, and those that somebody asks about. */
#include "policy_prove_impl.h"

/* ---- When the policy is compiled. */

static void say_broken(const struct analysis *a, const struct promise *promise, const struct breaks *breaks,
                       unsigned i)
{
    const struct broken *b = &breaks->list[i];
    struct text how = text_new(a->scratch, 128), where = text_new(a->scratch, 256);
    policy_broken_put(a->p, b, &how);
    policy_region_put(a->p, &breaks->box, &breaks->hulls[i], &where);
    a->l->clause = promise->clause;
    policy_say(a->l, MSG_BROKEN_PROMISE, promise->place, "this promise is broken: %.*s (%.*s)",
               SPAN_F(text_span(&how)), SPAN_F(text_span(&where)));
    if (b->norm < a->p->n_norms)
        policy_say_other(a->l, a->p->norms[b->norm].place);
    policy_say_witness(a->l, &breaks->hulls[i].at);
    a->l->clause = POLICY_NONE;
}

void policy_analyse_promises(struct analysis *a)
{
    struct breaks breaks;
    for (size_t i = 0; i < a->p->n_promises; i++) {
        struct arena_mark mark = arena_mark(a->scratch);
        policy_prove_promise(a->p, &a->p->promises[i], &breaks, a->scratch);
        for (unsigned k = 0; k < breaks.n; k++)
            say_broken(a, &a->p->promises[i], &breaks, k);
        arena_release(a->scratch, mark);
    }
}

/* ---- When somebody asks. */

static void put_region(const struct policy *p, const struct breaks *breaks, unsigned i, struct arena *a,
                       struct policy_region *out)
{
    const struct broken *b = &breaks->list[i];
    struct text why = text_new(a, 64), words = text_new(a, 128), witness = text_new(a, 128),
                example = text_new(a, 128);
    policy_broken_put(p, b, &why);
    policy_region_put(p, &breaks->box, &breaks->hulls[i], &words);
    policy_request_put(p, &breaks->hulls[i].at, &witness);
    policy_request_say(p, &breaks->hulls[i].at, &example);
    *out = (struct policy_region){.clause = b->norm < p->n_norms ? p->norms[b->norm].clause : POLICY_NONE,
                                  .why = text_span(&why),
                                  .where = text_span(&words),
                                  .witness = text_span(&witness),
                                  .example = text_span(&example)};
}

/* On one line, however it was wrapped. */
static struct span on_one_line(struct arena *a, struct span s)
{
    struct text t = text_new(a, s.len + 1);
    bool blank = false;
    for (size_t i = 0; i < s.len; i++) {
        bool now = s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\r';
        if (!now || !blank)
            text_char(&t, now ? ' ' : (char)s.p[i]);
        blank = now;
    }
    return text_span(&t);
}

static void prove_one(const struct policy *p, const struct promise *promise, struct arena *a,
                      struct policy_proof *out)
{
    struct arena *scratch = arena_new(1 << 16);
    struct breaks breaks;
    policy_prove_promise(p, promise, &breaks, scratch);
    *out = (struct policy_proof){
        .sentence = on_one_line(a, promise->sentence), .clause = promise->clause, .n = breaks.n};
    out->regions = ARENA_ARRAY(a, breaks.n + 1, struct policy_region);
    for (unsigned i = 0; i < breaks.n; i++)
        put_region(p, &breaks, i, a, &out->regions[i]);
    arena_free(scratch);
}

static enum err fail_sentence(const struct policy_messages *m, struct fail *f)
{
    if (m->n == 0) {
        fail_hint(f, "write `WHO must never ACT`, `WHO may always ACT` or `every allowed ACT must ...`");
        return fail_set(f, ERR_BAD_VALUE, "this is not a promise");
    }
    fail_where(f, "%.*s:%u:%u", SPAN_F(m->list[0].file), m->list[0].line, m->list[0].column);
    fail_set(f, ERR_BAD_VALUE, "%.*s", SPAN_F(m->list[0].message));
    return ERR_BAD_VALUE;
}

/* Reads the sentence with the policy's names, into a policy that has nothing but these. */
static enum err prove_sentence(const struct policy *p, struct span sentence, struct arena *a,
                               struct policy_proofs *out, struct fail *f)
{
    bool stop = sentence.len > 0 && sentence.p[sentence.len - 1] == '.';
    struct policy_source source = {SPAN("sentence"),
                                   arena_fmt(a, "%.*s%s", SPAN_F(sentence), stop ? "" : ".")};
    struct policy names = *p;
    struct policy_messages m = {0};
    struct source_file file = {.name = source.name};
    struct load l = {.arena = a, .p = &names, .m = &m, .files = &file, .n_files = 1, .clause = POLICY_NONE};
    l.declared[KIND_DEED] = true;
    names.n_norms = names.n_promises = names.n_duties = 0;
    names.norms = NULL;
    names.promises = NULL;
    names.duties = NULL;
    if (!policy_source_open(&l, 0, &source))
        return fail_sentence(&m, f);
    const struct promise *promise = policy_read_promise(&l, (struct place){0, 0, (uint32_t)source.text.len});
    if (!promise)
        return fail_sentence(&m, f);
    out->list = ARENA_ARRAY(a, 1, struct policy_proof);
    prove_one(p, promise, a, &out->list[out->n++]);
    return OK;
}

enum err policy_prove(const struct policy *p, struct span sentence, struct arena *a,
                      struct policy_proofs *out, struct fail *f)
{
    *out = (struct policy_proofs){0};
    if (sentence.len > 0)
        return prove_sentence(p, span_trim(sentence), a, out, f);
    out->list = ARENA_ARRAY(a, p->n_promises + 1, struct policy_proof);
    for (size_t i = 0; i < p->n_promises; i++)
        prove_one(p, &p->promises[i], a, &out->list[out->n++]);
    return OK;
}
