// SPDX-License-Identifier: Apache-2.0
/* cmd_policy.c: see cmd_policy.h. */
#include "cmd_policy.h"

#include "policy_folder.h"

#include <stdio.h>

enum { EXIT_CLEAN = 0, EXIT_ERRORS = 1, EXIT_USAGE = 2 };

struct arguments {
    const char *dir, *request;
    bool json;
};

static const char check_usage[] = "usage: troth policy check DIR [--json]\n";
static const char explain_usage[] =
    "usage: troth policy explain DIR --request 'operation=... field=... purpose=...' [--json]\n"
    "  also actor=, subject=, service=, jurisdiction=, party=, basis=, needs=A,B, facts=A,!B,?C (true, "
    "false, unknown)\n"
    "  a dimension left out takes its first declared value; a fact left out is false\n";

/* One argument; returns how many words it took, 0 if it is not understood. */
static int read_argument(struct arguments *a, int left, char **argv)
{
    struct span word = span_str(argv[0]);
    if (span_is(word, "--json")) {
        a->json = true;
        return 1;
    }
    if (span_is(word, "--request") && left > 1 && !a->request) {
        a->request = argv[1];
        return 2;
    }
    if (span_starts(word, "-") || a->dir)
        return 0;
    a->dir = argv[0];
    return 1;
}

static bool read_arguments(struct arguments *a, int argc, char **argv)
{
    for (int i = 0, took; i < argc; i += took) {
        took = read_argument(a, argc - i, argv + i);
        if (took == 0)
            return false;
    }
    return a->dir != NULL;
}

static int usage(const char *text)
{
    fputs(text, stderr);
    return EXIT_USAGE;
}

static void print(FILE *to, const struct text *t)
{
    struct span s = text_span(t);
    fwrite(s.p, 1, s.len, to);
}

static int print_fail(const struct fail *f)
{
    fprintf(stderr, "troth: %s\n", f->detail);
    if (f->hint[0])
        fprintf(stderr, "  %s\n", f->hint);
    return EXIT_USAGE;
}

static void print_messages(FILE *to, struct arena *arena, const struct policy_messages *m)
{
    struct text t = text_new(arena, 4096);
    for (size_t i = 0; i < m->n; i++)
        policy_message_put(&t, &m->list[i]);
    if (m->errors + m->warnings > m->n)
        text_fmt(&t, "... and %zu more\n", m->errors + m->warnings - m->n);
    print(to, &t);
}

static void print_messages_json(struct arena *arena, const struct policy_messages *m)
{
    struct text t = text_new(arena, 4096);
    policy_messages_json(&t, m);
    text_char(&t, '\n');
    print(stdout, &t);
}

static void print_summary(const struct policy *p, const struct policy_messages *m)
{
    printf("%zu error%s, %zu warning%s", m->errors, m->errors == 1 ? "" : "s", m->warnings,
           m->warnings == 1 ? "" : "s");
    if (p)
        printf("; %zu documents, %zu clauses, %zu fields", policy_documents(p), policy_clauses(p),
               policy_count(p, DIM_FIELD));
    putchar('\n');
}

static int check(struct arena *arena, const struct arguments *a)
{
    struct policy *p;
    struct policy_messages m;
    struct fail f = {0};
    enum err e = policy_folder_load(arena, a->dir, &p, &m, &f);
    if (e != OK && e != ERR_POLICY)
        return print_fail(&f);
    if (a->json) {
        print_messages_json(arena, &m);
    } else {
        print_messages(stdout, arena, &m);
        print_summary(p, &m);
    }
    return p ? EXIT_CLEAN : EXIT_ERRORS;
}

static void print_explanation(struct arena *arena, const struct arguments *a, const struct policy *p,
                              const struct policy_request *q)
{
    struct policy_decision d;
    struct policy_trace trace;
    struct text t = text_new(arena, 4096);
    policy_explain(p, q, &d, arena, &trace);
    if (a->json) {
        policy_explain_json(p, q, &d, &trace, &t);
        text_char(&t, '\n');
    } else {
        policy_explain_put(p, q, &d, &trace, &t);
    }
    print(stdout, &t);
}

static int explain(struct arena *arena, const struct arguments *a)
{
    struct policy *p;
    struct policy_messages m;
    struct policy_request q;
    struct fail f = {0};
    enum err e = policy_folder_load(arena, a->dir, &p, &m, &f);
    if (e == ERR_POLICY) {
        print_messages(stderr, arena, &m);
        return EXIT_ERRORS;
    }
    if (e != OK || policy_request_read(p, span_str(a->request), &q, &f) != OK)
        return print_fail(&f);
    print_explanation(arena, a, p, &q);
    return EXIT_CLEAN;
}

static int with_arena(int (*run)(struct arena *, const struct arguments *), const struct arguments *a)
{
    struct arena *arena = arena_new(1 << 16);
    int code = run(arena, a);
    arena_free(arena);
    return code;
}

int cli_policy_check(int argc, char **argv)
{
    struct arguments a = {0};
    if (!read_arguments(&a, argc, argv) || a.request)
        return usage(check_usage);
    return with_arena(check, &a);
}

int cli_policy_explain(int argc, char **argv)
{
    struct arguments a = {0};
    if (!read_arguments(&a, argc, argv) || !a.request)
        return usage(explain_usage);
    return with_arena(explain, &a);
}
