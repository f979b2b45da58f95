// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_diff.c: see cmd_policy_diff.h. */
#include "cmd_policy_diff.h"

#include "policy_diff.h"
#include "policy_folder.h"

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
