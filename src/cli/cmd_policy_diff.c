// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_diff.c: see cmd_policy_diff.h. */
#include "cmd_policy_diff.h"

#include "file.h"
#include "policy_diff.h"
#include "policy_folder.h"
#include "policy_golden.h"

#include <stdio.h>

static int unusable(const struct fail *f)
{
    cli_fail(f);
    return CLI_USAGE;
}

/* A draft will do; null, with what is wrong printed, if not even that can be made. */
static const struct policy *read_draft(struct cli *c, const char *dir)
{
    struct policy *p = NULL;
    struct policy_messages m;
    struct fail f = {0};
    enum err e = policy_folder_load(c->arena, dir, &p, &m, &f);
    if (e != OK && e != ERR_POLICY) {
        cli_fail(&f);
        return NULL;
    }
    if (!m.draft)
        cli_policy_messages(&m);
    return m.draft;
}

static int print_diff(struct cli *c, const struct policy_diff *d)
{
    struct text t = text_new(c->arena, 1 << 14);
    if (c->json) {
        policy_diff_json(d, &t);
        text_char(&t, '\n');
    } else {
        policy_diff_put(d, &t);
    }
    fwrite(t.p, 1, t.len, stdout);
    if (d->reduces > 0)
        return CLI_REDUCED;
    return d->n > 0 ? CLI_CHANGED : CLI_OK;
}

int cmd_policy_diff(struct cli *c)
{
    struct policy_diff d;
    struct fail f = {0};
    const struct policy *old = read_draft(c, c->arg[0]), *new = old ? read_draft(c, c->arg[1]) : NULL;
    if (!old || !new)
        return CLI_USAGE;
    return policy_diff(old, new, c->arena, &d, &f) == OK ? print_diff(c, &d) : unusable(&f);
}

static int no_document(const struct policy *p, const char *name)
{
    fprintf(stderr, "troth: the policy has no document '%s'\n  it has:", name);
    for (unsigned i = 0; i < policy_documents(p); i++)
        fprintf(stderr, " %.*s", SPAN_F(policy_document(p, i)->name));
    fputc('\n', stderr);
    return CLI_USAGE;
}

int cmd_policy_effect(struct cli *c)
{
    struct policy_diff d;
    struct fail f = {0};
    const struct policy *p = read_draft(c, c->arg[0]);
    if (!p)
        return CLI_USAGE;
    unsigned document = policy_document_find(p, span_str(c->arg[1]));
    if (document == POLICY_NONE)
        return no_document(p, c->arg[1]);
    return policy_effect(p, document, c->arena, &d, &f) == OK ? print_diff(c, &d) : unusable(&f);
}

/* ---- tests */

#define CASES_MAX (64u << 20) /* bytes of a file of cases */

static int print_cases(struct cli *c, const struct policy *p)
{
    struct policy_case *list = NULL;
    struct fail f = {0};
    struct text t = text_new(c->arena, 1 << 16);
    size_t n = 0;
    if (policy_golden(p, c->arena, &list, &n, &f) != OK)
        return unusable(&f);
    text_str(&t, "# name\trequest\tanswer\treason\tclause\trest\n");
    for (size_t i = 0; i < n; i++)
        policy_golden_put(p, &list[i], &t);
    fwrite(t.p, 1, t.len, stdout);
    return CLI_OK;
}

static int check_cases(struct cli *c, const struct policy *p, const char *path)
{
    struct policy_miss *list = NULL;
    struct fail f = {0};
    struct span file = SPAN_EMPTY;
    size_t n = 0, cases = 0;
    enum err e = file_read(c->arena, path, CASES_MAX, &file, &f);
    if (e == OK)
        e = policy_golden_check(p, file, c->arena, &list, &n, &cases, &f);
    if (e != OK)
        return unusable(&f);
    for (size_t i = 0; i < n; i++)
        printf("%s:%u: %.*s\n  was: %.*s\n  is:  %.*s\n", path, list[i].line, SPAN_F(list[i].name),
               SPAN_F(list[i].was), SPAN_F(list[i].is));
    printf("%zu cases, %zu changed\n", cases, n);
    return n > 0 ? CLI_FAILED : CLI_OK;
}

int cmd_policy_tests(struct cli *c)
{
    const struct policy *p = read_draft(c, c->arg[0]);
    const char *path = cli_get(c, "check");
    if (!p)
        return CLI_USAGE;
    return path ? check_cases(c, p, path) : print_cases(c, p);
}
