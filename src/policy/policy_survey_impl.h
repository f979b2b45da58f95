// SPDX-License-Identifier: Apache-2.0
/*
 * policy_survey_impl.h: all answers to the requests of a box, each once, on the packed form; and for those
 * that are of interest, in which part of the box they lie.
 *
 * The two halves are walked together; a pair of references is gone into once. Answers that are of interest
 * are put into classes by the caller. For each class the walk tells a request, and per dimension the values
 * with which there is such a request (its hull).
 */
#ifndef TROTH_POLICY_SURVEY_IMPL_H
#define TROTH_POLICY_SURVEY_IMPL_H

#include "policy_compile_impl.h"

#define SURVEY_CLASSES_MAX 64      /* a set of classes is one word; more are put into the last */
#define SURVEY_STEPS_MAX   2000000 /* pairs of references; the reference policy needs 20,000 */
#define SURVEY_NOTHING     UINT32_MAX

/* Where one class of answers lies. Facts: those that may be true, those that may be false. */
struct hull {
    bool found;
    struct policy_request at;
    struct bits value[DIM_COUNT];
    uint64_t facts_true, facts_false;
};

/* What binds a permission: its conditions put together. */
struct survey_bind {
    uint64_t deeds;
    unsigned mask; /* POLICY_NONE: none */
    unsigned n_haves;
    const struct diagram_have *have[];
};

struct survey {
    const struct policy *p;
    struct box box;
    /* The class of one answer, or SURVEY_NOTHING. `ground` is a list of permissions or a ban. `bind` is null
     * where the ground says no. The request is w->at. */
    uint32_t (*answer)(struct survey *w, const uint16_t *ground, const struct survey_bind *bind);
    void *arg;
    struct policy_request at;
    bool over;          /* more than SURVEY_STEPS_MAX pairs: not all was seen */
    struct hull *hulls; /* SURVEY_CLASSES_MAX of them; a walk adds to what is there */
};
/* The workspace is given back to `scratch`. */
void policy_survey(struct survey *w, struct arena *scratch);

#endif
