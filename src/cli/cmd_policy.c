// SPDX-License-Identifier: Apache-2.0
/* cmd_policy.c: see cmd_policy.h. */
#include "cmd_policy.h"

#include "policy_folder.h"

#include <stdio.h>

static void print(FILE *to, const struct text *t)
{
    struct span s = text_span(t);
    fwrite(s.p, 1, s.len, to);
}

/* A folder or request that cannot be read is a mistake in the command. */
static int unreadable(const struct fail *f)
{
    cli_fail(f);
    return CLI_USAGE;
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

/* What cannot be read has no places of its own: one message at the start of the folder. */
static void print_unreadable_json(struct cli *c, const struct fail *f)
{
    struct policy_message one = {.severity = POLICY_ERROR,
                                 .kind = MSG_SYNTAX,
                                 .message = span_str(f->detail),
                                 .file = span_str(c->arg[0]),
                                 .line = 1,
                                 .column = 1};
    struct policy_messages m = {.list = &one, .n = 1, .errors = 1, .counts = {[MSG_SYNTAX] = 1}};
    print_messages_json(c->arena, &m);
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

int cmd_policy_check(struct cli *c)
{
    struct policy *p;
    struct policy_messages m;
    struct fail f = {0};
    enum err e = policy_folder_load(c->arena, c->arg[0], &p, &m, &f);
    if (e != OK && e != ERR_POLICY) {
        if (c->json)
            print_unreadable_json(c, &f);
        return unreadable(&f);
    }
    if (c->json) {
        print_messages_json(c->arena, &m);
    } else {
        print_messages(stdout, c->arena, &m);
        print_summary(p, &m);
    }
    return p ? CLI_OK : CLI_FAILED;
}

static void print_explanation(struct cli *c, const struct policy *p, const struct policy_request *q)
{
    struct policy_decision d;
    struct policy_trace trace;
    struct text t = text_new(c->arena, 4096);
    policy_explain(p, q, &d, c->arena, &trace);
    if (c->json) {
        policy_explain_json(p, q, &d, &trace, &t);
        text_char(&t, '\n');
    } else {
        policy_explain_put(p, q, &d, &trace, &t);
    }
    print(stdout, &t);
}

int cmd_policy_explain(struct cli *c)
{
    struct policy *p;
    struct policy_messages m;
    struct policy_request q = {.facts_known = 0};
    struct fail f = {0};
    enum err e = policy_folder_load(c->arena, c->arg[0], &p, &m, &f);
    if (e == ERR_POLICY) {
        print_messages(stderr, c->arena, &m);
        return CLI_FAILED;
    }
    if (e != OK || policy_request_read(p, span_str(cli_get(c, "request")), &q, &f) != OK)
        return unreadable(&f);
    print_explanation(c, p, &q);
    return CLI_OK;
}
