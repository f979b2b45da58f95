// SPDX-License-Identifier: Apache-2.0
/*
 * policy_peers.c: thirty rules that other engines have, too: policy_peers DIR REQUESTS [TSV]. Writes every
 * combination of the names, with drawn needs and facts, to the file REQUESTS with our answer, for
 * bench/peers/run.mjs to ask the others; prints how long ours took, and appends it to TSV.
 *
 * One line a request, tab-separated: operation, actor, subject, party, purpose, field; agreed, consent,
 * opted-out, de-identified, held as yes or no; allow or deny. What lacks a need is a deny here: the others
 * know no third answer.
 */
#include "arena.h"
#include "policy.h"
#include "policy_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REQUESTS_MAX 20000
#define RUNS         9

static const enum policy_dimension column[] = {DIM_OPERATION, DIM_ACTOR,   DIM_SUBJECT,
                                               DIM_PARTY,     DIM_PURPOSE, DIM_FIELD};
#define COLUMNS (sizeof column / sizeof column[0])
static const struct {
    enum policy_kind kind;
    const char *name;
} flag[] = {{KIND_NEED, "agreed"},
            {KIND_NEED, "consent"},
            {KIND_FACT, "opted-out"},
            {KIND_FACT, "de-identified"},
            {KIND_FACT, "held"}};
#define FLAGS (sizeof flag / sizeof flag[0])

static struct policy_request request[REQUESTS_MAX];
static size_t n_requests;
static uint64_t random_state = 88172645463325252u;
static unsigned answers; /* so that no decision is left out by the compiler */

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

/* Every combination of the columns, counting up; then in a drawn order, so that predictors learn nothing. */
static void make_requests(const struct policy *p)
{
    struct policy_request q = {.facts_known = UINT64_MAX};
    size_t at = 0;
    while (at < COLUMNS && n_requests < REQUESTS_MAX) {
        q.facts = next_random() & next_random();
        q.needs = next_random() | next_random();
        request[n_requests++] = q;
        for (at = 0; at < COLUMNS && ++q.value[column[at]] == policy_count(p, column[at]); at++)
            q.value[column[at]] = 0;
    }
    for (size_t i = n_requests; i > 1; i--) {
        size_t k = next_random() % i;
        struct policy_request moved = request[k];
        request[k] = request[i - 1];
        request[i - 1] = moved;
    }
}

static bool allows(const struct policy *p, const struct policy_request *q)
{
    struct policy_decision d;
    policy_decide(p, q, &d);
    answers += d.answer;
    return d.answer == ANSWER_ALLOW;
}

static void put_request(const struct policy *p, const struct policy_request *q, FILE *out)
{
    for (size_t i = 0; i < COLUMNS; i++)
        fprintf(out, "%.*s\t", SPAN_F(policy_name(p, column[i], q->value[column[i]])));
    for (size_t i = 0; i < FLAGS; i++) {
        unsigned bit = policy_kind_find(p, flag[i].kind, span_str(flag[i].name));
        uint64_t set = flag[i].kind == KIND_NEED ? q->needs : q->facts;
        fprintf(out, "%s\t", set >> bit & 1 ? "yes" : "no");
    }
    fprintf(out, "%s\n", allows(p, q) ? "allow" : "deny");
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const struct policy *p, FILE *tsv)
{
    double took[RUNS];
    for (int run = 0; run < RUNS; run++) {
        double start = now_ns();
        for (size_t i = 0; i < n_requests; i++)
            allows(p, &request[i]);
        took[run] = (now_ns() - start) / (double)n_requests;
    }
    qsort(took, RUNS, sizeof took[0], by_size);
    printf("%-16s %10.2f %10.2f %10.2f  ns\n", "peers-troth", took[RUNS / 2], took[0], took[RUNS - 1]);
    if (tsv)
        fprintf(tsv, "peers-troth\t%.2f\tns\n", took[RUNS / 2]);
}

static int run(struct arena *a, const char *dir, const char *path, FILE *tsv)
{
    struct policy *p;
    struct policy_messages messages;
    struct fail f = {0};
    if (policy_folder_load(a, dir, &p, &messages, &f) != OK) {
        fprintf(stderr, "policy_peers: %s: %s\n", dir, f.detail[0] ? f.detail : "does not compile");
        return 1;
    }
    make_requests(p);
    FILE *out = fopen(path, "w");
    if (!out) {
        fprintf(stderr, "policy_peers: %s cannot be written\n", path);
        return 2;
    }
    for (size_t i = 0; i < n_requests; i++)
        put_request(p, &request[i], out);
    fclose(out);
    printf("the same 30 rules, %zu requests; %d runs\n", n_requests, RUNS);
    printf("%-16s %10s %10s %10s\n", "", "median", "min", "max");
    measure(p, tsv);
    return answers == 0;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: policy_peers DIR REQUESTS [TSV]\n");
        return 2;
    }
    FILE *tsv = argc == 4 ? fopen(argv[3], "a") : NULL;
    struct arena *a = arena_new(0);
    int code = run(a, argv[1], argv[2], tsv);
    arena_free(a);
    if (tsv)
        fclose(tsv);
    return code;
}
