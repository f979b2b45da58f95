// SPDX-License-Identifier: Apache-2.0
/*
 * policy_scale.c: the policy with a random annex, at 300, 700 and 1,300 norms: policy_scale DIR [TSV]. How
 * long the build with all checks takes, how large the compiled form is, how long a decision takes. A policy
 * that passes a limit of the compiler is said with the message, which names the sentence.
 *
 * The annex prevails over every other document. Its sentences permit or ban one or two operations on one to
 * three fields for a purpose, some with a party, a kind of person or a fact. That makes faults; they are not
 * what is measured here. 4,096 requests are first decided both ways; a difference ends the run.
 */
#include "policy_folder.h"
#include "policy_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REQUESTS 4096
#define RUNS     5

static const size_t scales[] = {300, 700, 1300};
static struct policy_request request[REQUESTS];
static uint64_t random_state = 88172645463325252u;
static unsigned answers;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state >> 11;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- The annex. */

static void put_some(const struct policy *p, struct text *t, enum policy_dimension d, size_t most)
{
    size_t n = 1 + next_random() % most;
    for (size_t i = 0; i < n; i++) {
        text_str(t, i > 0 ? ", " : " ");
        text_put(t, policy_name(p, d, (unsigned)(next_random() % policy_count(p, d))));
    }
}

static void put_part(const struct policy *p, struct text *t, const char *word, enum policy_dimension d,
                     unsigned one_in)
{
    if (next_random() % one_in != 0)
        return;
    text_str(t, word);
    put_some(p, t, d, 1);
}

static void put_sentence(const struct policy *p, struct text *t, size_t number)
{
    bool ban = next_random() % 6 == 0;
    text_fmt(t, "```rule random.n%zu\n%s", number, ban ? "despite *, we must not" : "we may");
    put_some(p, t, DIM_OPERATION, 2);
    put_some(p, t, DIM_FIELD, 3);
    put_part(p, t, " of", DIM_SUBJECT, 4);
    put_part(p, t, " with", DIM_PARTY, 4);
    put_part(p, t, " for", DIM_PURPOSE, 1);
    if (next_random() % 8 == 0) {
        text_str(t, " when ");
        text_put(t,
                 policy_kind_name(p, KIND_FACT, (unsigned)(next_random() % policy_kind_count(p, KIND_FACT))));
    }
    text_str(t, ".\n```\n");
}

static struct policy_source annex(const struct policy *p, struct arena *a, size_t sentences)
{
    struct text t = text_new(a, 1 << 16);
    bool first = true;
    text_str(&t, "```document\ndocument random-annex \"A random annex\".\nprevails over");
    for (size_t i = 0; i < p->n_documents; i++)
        if (p->documents[i].has_rules) {
            text_fmt(&t, "%s %.*s", first ? "" : ",", SPAN_F(p->documents[i].pub.name));
            first = false;
        }
    text_str(&t, ".\nrevision 1 in force from 2026-01-01.\n```\n");
    for (size_t i = 0; i < sentences; i++)
        put_sentence(p, &t, i);
    return (struct policy_source){.name = SPAN("random-annex.md"), .text = text_span(&t)};
}

/* ---- Measuring. */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool draw_and_agree(const struct policy *p)
{
    for (size_t i = 0; i < REQUESTS; i++) {
        struct policy_decision d, plain;
        request[i] = (struct policy_request){.facts = next_random() & next_random(),
                                             .facts_known = UINT64_MAX,
                                             .needs = next_random() | next_random()};
        for (int k = 0; k < DIM_COUNT; k++)
            request[i].value[k] = (uint16_t)(next_random() % p->index.rows[k]);
        policy_decide(p, &request[i], &d);
        policy_decide_plain(p, &request[i], &plain);
        if (d.answer != plain.answer || d.clause != plain.clause || d.missing != plain.missing)
            return false;
    }
    return true;
}

static double time_decisions(const struct policy *p)
{
    double start = now_ns();
    for (size_t i = 0; i < REQUESTS; i++) {
        struct policy_decision d;
        policy_decide(p, &request[i], &d);
        answers += d.answer;
    }
    return (now_ns() - start) / REQUESTS;
}

static void row(const char *what, size_t norms, double *took, const char *unit, FILE *tsv)
{
    char name[64];
    qsort(took, RUNS, sizeof *took, by_size);
    snprintf(name, sizeof name, "%s-%zu", what, norms);
    printf("%-20s %10.2f %10.2f %10.2f  %s\n", name, took[RUNS / 2], took[0], took[RUNS - 1], unit);
    if (tsv)
        fprintf(tsv, "%s\t%.2f\t%s\n", name, took[RUNS / 2], unit);
}

/* Builds RUNS times; the draft of the last build stays in the arena. Null: it passed a limit. */
static struct policy *build(struct arena *a, const struct policy_source *list, size_t n, double *took)
{
    struct policy_messages m;
    for (int run = 0; run < RUNS; run++) {
        arena_reset(a);
        double start = now_ns();
        policy_load(a, list, n, &m);
        took[run] = (now_ns() - start) / 1e6;
    }
    for (size_t i = 0; i < m.n && i < 3 && !m.draft; i++)
        printf("%.*s:%u: %.*s\n", SPAN_F(m.list[i].file), m.list[i].line, SPAN_F(m.list[i].message));
    return m.draft;
}

static bool measure(const struct policy_source *list, size_t n, size_t norms, FILE *tsv)
{
    struct arena *a = arena_new(1 << 20);
    double took[RUNS], decisions[RUNS], size[RUNS];
    struct policy *p = build(a, list, n, took);
    bool agree = !p || draw_and_agree(p);
    for (int i = 0; i < RUNS && p; i++) {
        decisions[i] = time_decisions(p);
        size[i] = (double)policy_packed(p).len / 1024;
    }
    row("policy-build", norms, took, "ms", tsv);
    if (p) {
        row("policy-packed", norms, size, "KiB", tsv);
        row("decision-random", norms, decisions, "ns", tsv);
    }
    if (!agree)
        fprintf(stderr, "policy_scale: the compiled form and the plain evaluator differ\n");
    arena_free(a);
    return agree;
}

static int run(struct arena *a, const char *dir, FILE *tsv)
{
    struct policy_source *sources = NULL;
    struct policy_messages m;
    struct fail f = {0};
    size_t n = 0;
    bool good = true;
    if (policy_folder_read(a, dir, &sources, &n, &f) != OK) {
        fprintf(stderr, "policy_scale: %s\n", f.detail);
        return 2;
    }
    struct policy *p = policy_load(a, sources, n, &m);
    if (!p) {
        fprintf(stderr, "policy_scale: %s does not compile\n", dir);
        return 1;
    }
    printf("%s with a random annex; %d runs\n%-20s %10s %10s %10s\n", dir, RUNS, "", "median", "min", "max");
    struct policy_source *list = ARENA_ARRAY(a, n + 1, struct policy_source);
    memcpy(list, sources, n * sizeof *list);
    for (size_t i = 0; i < sizeof scales / sizeof scales[0] && good; i++) {
        list[n] = annex(p, a, scales[i] > p->n_norms ? scales[i] - p->n_norms : 0);
        good = measure(list, n + 1, scales[i], tsv);
    }
    return !good || answers == 0;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: policy_scale DIR [TSV]\n");
        return 2;
    }
    FILE *tsv = argc == 3 ? fopen(argv[2], "a") : NULL;
    struct arena *a = arena_new(0);
    int code = run(a, argv[1], tsv);
    arena_free(a);
    if (tsv)
        fclose(tsv);
    return code;
}
