// SPDX-License-Identifier: Apache-2.0
/* policy_prove_impl.h: what breaks a promise, and how that is told. */
#ifndef TROTH_POLICY_PROVE_IMPL_H
#define TROTH_POLICY_PROVE_IMPL_H

#include "policy_survey_impl.h"

enum break_kind {
    BREAK_PERMITTED, /* this permission opens it */
    BREAK_BANNED,    /* this ban stands in the way of `may always` */
    BREAK_LACKS,     /* this condition or permission asks for more than the promise grants */
    BREAK_SILENT,    /* no permission speaks */
    BREAK_UNDECIDED  /* the survey was too long: not proved */
};
struct broken {
    enum break_kind kind;
    size_t norm; /* n_norms: none */
};

/* The ways a promise is broken; hulls[i] tells where list[i] does it. None: it is proved. */
struct breaks {
    struct broken list[SURVEY_CLASSES_MAX];
    unsigned n;
    struct hull *hulls;
    struct box box; /* that the promise speaks of */
};
void policy_prove_promise(const struct policy *p, const struct promise *promise, struct breaks *out,
                          struct arena *scratch);

/* policy_region.c: the part of the box in words; "everywhere" if it is all of it. */
void policy_region_put(const struct policy *p, const struct box *box, const struct hull *h, struct text *t);
/* "'group/share.exc-01' permits it" and the like. */
void policy_broken_put(const struct policy *p, const struct broken *b, struct text *t);

/* policy_rules.c: reads the sentences of one file's block as promises of no clause. Null: it holds none, or
 * l->m says what is wrong. */
const struct promise *policy_read_promise(struct load *l, struct place body);

#endif
