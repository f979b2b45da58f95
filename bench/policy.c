// SPDX-License-Identifier: Apache-2.0
/*
 * policy.c: how fast the compiled policy is: policy DIR [TSV]. Prints a table, and appends its medians to
 * TSV.
 *
 * policy-build     ms   reading, compiling and all checks
 * policy-packed    KiB  the compiled form
 * policy-diff      ms   the policy without its last document's rules and with them
 * decision-random  ns   requests drawn from all values, so that caches and predictors learn nothing
 * decision-hot     ns   32 requests again and again
 * decision-single  ns   one at a time, the clock's own time included
 * decision-plain   ns   the evaluator that follows the specification, on the random requests
 *
 * CPU time of one thread (single: time of day). Every request is first decided both ways; a difference ends
 * the run.
 */
#include "arena.h"
#include "policy.h"
#include "policy_diff.h"
#include "policy_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REQUESTS 65536
#define HOT      32
#define RUNS     25

typedef void decide_fn(const struct policy *, const struct policy_request *, struct policy_decision *);

static struct policy_request request[REQUESTS];
static uint64_t random_state = 88172645463325252u;
static unsigned answers; /* so that no decision is left out by the compiler */

static double clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* CPU time of this thread: other work on the machine is not measured. */
static double now_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void draw_requests(const struct policy *p)
{
    for (size_t i = 0; i < REQUESTS; i++) {
        request[i] = (struct policy_request){.facts = next_random() & next_random(),
                                             .facts_known = UINT64_MAX,
                                             .needs = next_random() | next_random()};
        for (int d = 0; d < DIM_COUNT; d++) {
            size_t n = policy_count(p, (enum policy_dimension)d);
            request[i].value[d] = (uint16_t)(n > 0 ? (next_random() >> 20) % n : 0);
        }
    }
}

static bool agree(const struct policy *p)
{
    for (size_t i = 0; i < REQUESTS; i++) {
        struct policy_decision a, b;
        policy_decide(p, &request[i], &a);
        policy_decide_plain(p, &request[i], &b);
        if (a.answer != b.answer || a.clause != b.clause || a.missing != b.missing || a.deeds != b.deeds ||
            a.mask != b.mask || !span_eq(a.reason, b.reason))
            return false;
    }
    return true;
}

/* ---- One figure: several runs. */

struct measured {
    const struct policy *p;
    const struct policy_source *sources;
    size_t n_sources;
};
struct figure {
    const char *name, *unit;
    double (*run)(const struct measured *);
};

static double run_decisions(const struct policy *p, decide_fn *decide, size_t among)
{
    double start = now_ns();
    for (size_t i = 0; i < REQUESTS; i++) {
        struct policy_decision d;
        decide(p, &request[i % among], &d);
        answers += d.answer;
    }
    return (now_ns() - start) / REQUESTS;
}

static double run_random(const struct measured *m)
{
    return run_decisions(m->p, policy_decide, REQUESTS);
}

static double run_hot(const struct measured *m)
{
    return run_decisions(m->p, policy_decide, HOT);
}

static double run_plain(const struct measured *m)
{
    return run_decisions(m->p, policy_decide_plain, REQUESTS);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of single calls, by the clock that costs least to read. */
static double run_single(const struct measured *m)
{
    static double took[4001];
    size_t n = sizeof took / sizeof took[0];
    for (size_t i = 0; i < n; i++) {
        struct policy_decision d;
        const struct policy_request *q = &request[next_random() % REQUESTS];
        double start = clock_ns(CLOCK_MONOTONIC);
        policy_decide(m->p, q, &d);
        took[i] = clock_ns(CLOCK_MONOTONIC) - start;
        answers += d.answer;
    }
    qsort(took, n, sizeof took[0], by_size);
    return took[n / 2];
}

static double run_build(const struct measured *m)
{
    struct arena *a = arena_new(1 << 20);
    struct policy_messages messages;
    double start = now_ns();
    policy_load(a, m->sources, m->n_sources, &messages);
    double took = now_ns() - start;
    arena_free(a);
    return took / 1e6;
}

static double run_diff(const struct measured *m)
{
    struct arena *a = arena_new(1 << 20);
    struct policy_diff d;
    double start = now_ns();
    policy_effect(m->p, (unsigned)policy_documents(m->p) - 1, a, &d, NULL);
    double took = now_ns() - start;
    arena_free(a);
    return took / 1e6;
}

static double run_packed(const struct measured *m)
{
    return (double)policy_packed(m->p).len / 1024;
}

static const struct figure figures[] = {
    {"policy-build", "ms", run_build},   {"policy-packed", "KiB", run_packed},
    {"policy-diff", "ms", run_diff},     {"decision-random", "ns", run_random},
    {"decision-hot", "ns", run_hot},     {"decision-single", "ns", run_single},
    {"decision-plain", "ns", run_plain},
};

static void print_figure(const struct figure *f, const struct measured *m, FILE *tsv)
{
    double took[RUNS];
    for (int i = 0; i < RUNS; i++)
        took[i] = f->run(m);
    qsort(took, RUNS, sizeof took[0], by_size);
    printf("%-16s %10.2f %10.2f %10.2f  %s\n", f->name, took[RUNS / 2], took[0], took[RUNS - 1], f->unit);
    if (tsv)
        fprintf(tsv, "%s\t%.2f\t%s\n", f->name, took[RUNS / 2], f->unit);
}

static void print_table(const struct measured *m, const char *dir, FILE *tsv)
{
    printf("%s: %zu documents, %zu clauses, %zu fields; %d runs\n", dir, policy_documents(m->p),
           policy_clauses(m->p), policy_count(m->p, DIM_FIELD), RUNS);
    printf("%-16s %10s %10s %10s\n", "", "median", "min", "max");
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        print_figure(&figures[i], m, tsv);
}

/* Policies with faults of the analysis can be measured, too. */
static int measure(struct arena *a, const char *dir, FILE *tsv)
{
    struct policy_source *sources = NULL;
    struct fail f = {0};
    struct policy_messages messages;
    struct measured m = {0};
    if (policy_folder_read(a, dir, &sources, &m.n_sources, &f) != OK) {
        fprintf(stderr, "policy: %s\n", f.detail);
        return 2;
    }
    m.sources = sources;
    policy_load(a, sources, m.n_sources, &messages);
    m.p = messages.draft;
    if (!m.p) {
        fprintf(stderr, "policy: %s does not compile\n", dir);
        return 1;
    }
    draw_requests(m.p);
    if (!agree(m.p)) {
        fprintf(stderr, "policy: the compiled form and the plain evaluator differ\n");
        return 1;
    }
    print_table(&m, dir, tsv);
    return answers == 0;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: policy DIR [TSV]\n");
        return 2;
    }
    FILE *tsv = argc == 3 ? fopen(argv[2], "a") : NULL;
    struct arena *a = arena_new(0);
    int code = measure(a, argv[1], tsv);
    arena_free(a);
    if (tsv)
        fclose(tsv);
    return code;
}
