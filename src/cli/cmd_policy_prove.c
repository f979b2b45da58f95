// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_prove.c: see cmd_policy_prove.h. */
#include "cmd_policy_prove.h"

#include "policy_folder.h"

#include <stdio.h>

static size_t count_broken(const struct policy_proofs *proofs)
{
    size_t n = 0;
    for (size_t i = 0; i < proofs->n; i++)
        n += proofs->list[i].n > 0;
    return n;
}

static void put_region(struct text *t, const struct policy_region *r)
{
    text_fmt(t, "  %.*s: %.*s\n", SPAN_F(r->why), SPAN_F(r->where));
    text_fmt(t, "      for example: %.*s\n", SPAN_F(r->example));
    text_fmt(t, "      as a request: %.*s\n", SPAN_F(r->witness));
}

static void put_proof(struct text *t, const struct policy *p, const struct policy_proof *proof)
{
    if (proof->clause != POLICY_NONE)
        text_fmt(t, "%.*s: ", SPAN_F(policy_clause_ref(p, proof->clause, t->arena)));
    text_fmt(t, "%s: %.*s\n", proof->n == 0 ? "proved" : "broken", SPAN_F(proof->sentence));
    for (size_t i = 0; i < proof->n; i++)
        put_region(t, &proof->regions[i]);
}

static void put_all(struct text *t, const struct policy *p, const struct policy_proofs *proofs)
{
    for (size_t i = 0; i < proofs->n; i++)
        put_proof(t, p, &proofs->list[i]);
    text_fmt(t, "%zu proved, %zu broken\n", proofs->n - count_broken(proofs), count_broken(proofs));
}

static void json_clause(struct text *t, const struct policy *p, unsigned clause)
{
    if (clause != POLICY_NONE)
        json_string(t, "clause", policy_clause_ref(p, clause, t->arena));
}

static void json_region(struct text *t, const struct policy *p, const struct policy_region *r)
{
    json_open(t, NULL, '{');
    json_clause(t, p, r->clause);
    json_string(t, "why", r->why);
    json_string(t, "where", r->where);
    json_string(t, "witness", r->witness);
    json_close(t, '}');
}

static void json_proof(struct text *t, const struct policy *p, const struct policy_proof *proof)
{
    json_open(t, NULL, '{');
    json_clause(t, p, proof->clause);
    json_string(t, "sentence", proof->sentence);
    json_bool(t, "proved", proof->n == 0);
    json_open(t, "regions", '[');
    for (size_t i = 0; i < proof->n; i++)
        json_region(t, p, &proof->regions[i]);
    json_close(t, ']');
    json_close(t, '}');
}

static void json_all(struct text *t, const struct policy *p, const struct policy_proofs *proofs)
{
    json_open(t, NULL, '{');
    json_bool(t, "proved", count_broken(proofs) == 0);
    json_open(t, "promises", '[');
    for (size_t i = 0; i < proofs->n; i++)
        json_proof(t, p, &proofs->list[i]);
    json_close(t, ']');
    json_close(t, '}');
    text_char(t, '\n');
}

static int prove(struct cli *c, const struct policy *p, struct span sentence)
{
    struct policy_proofs proofs;
    struct fail f = {0};
    struct text t = text_new(c->arena, 4096);
    if (policy_prove(p, sentence, c->arena, &proofs, &f) != OK) {
        cli_fail(&f);
        return CLI_USAGE;
    }
    if (c->json)
        json_all(&t, p, &proofs);
    else
        put_all(&t, p, &proofs);
    fwrite(t.p, 1, t.len, stdout);
    return count_broken(&proofs) == 0 ? CLI_OK : CLI_FAILED;
}

/* A draft with contradictions, or with broken promises, can still be asked about. */
int cmd_policy_prove(struct cli *c)
{
    if (c->n_args > 1 && span_trim(span_str(c->arg[1])).len == 0)
        return cli_usage(c->command,
                         "the sentence is empty; leave it out to prove the promises of the folder");
    struct policy *p = NULL;
    struct policy_messages m;
    struct fail f = {0};
    enum err e = policy_folder_load(c->arena, c->arg[0], &p, &m, &f);
    if (e != OK && e != ERR_POLICY) {
        cli_fail(&f);
        return CLI_USAGE;
    }
    if (!m.draft) {
        cli_policy_messages(&m);
        return CLI_FAILED;
    }
    return prove(c, m.draft, c->n_args > 1 ? span_str(c->arg[1]) : SPAN_EMPTY);
}
