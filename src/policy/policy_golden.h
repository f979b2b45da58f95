// SPDX-License-Identifier: Apache-2.0
/*
 * policy_golden.h: a policy as test cases: one request for each answer its compiled form holds, and for each
 * ban. Kept in a file beside the policy they tell what an edit changed. Pure, like the rest of the part.
 *
 * Five or six columns, separated by tabs; '#' begins a line that is no case:
 *   name, request (as policy_request_read reads it), answer, reason or -, clause or -, rest or -
 * `-` means that nothing is expected of that column. The rest is `missing=A,B mask=M deeds=A,B lacks=A,B or=C
 * until=...`, of these what there is; `lacks` is what an allowed request would lack if nothing were held,
 * with every other way behind it. tests/cases/decisions has the first five columns.
 *
 * A name is ANSWER:DOCUMENT/CLAUSE:HASH. ANSWER is `permit`, `ban` or `silent`; the clause is that of
 * the ban, or of the permissions that speak the first by name; HASH is twelve hex digits over the clauses and
 * words of the permissions and of the conditions that ask for needs, and the names of deeds and mask, sorted.
 * So a name stays if sentences change places, and if comments, prose or blanks change.
 */
#ifndef TROTH_POLICY_GOLDEN_H
#define TROTH_POLICY_GOLDEN_H

#include "policy.h"

struct policy_case {
    struct span name;
    struct policy_request request;
    struct policy_decision decision;
};
/* The cases in the order of their names. ERR_TOO_LARGE: the answers are too many to go over. */
enum err policy_golden(const struct policy *p, struct arena *a, struct policy_case **list, size_t *n,
                       struct fail *f);
/* One line of the file, with its end. */
void policy_golden_put(const struct policy *p, const struct policy_case *c, struct text *t);

/* A case that is no longer answered as the file says. */
struct policy_miss {
    struct span name;
    uint32_t line;
    struct span was, is; /* the columns that differ, in words: "allow, group/a.b" */
};
/* Decides every case of the file again. ERR_BAD_VALUE: a line that is no case; f->where says which. */
enum err policy_golden_check(const struct policy *p, struct span file, struct arena *a,
                             struct policy_miss **list, size_t *n, size_t *cases, struct fail *f);

#endif
