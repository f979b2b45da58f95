// SPDX-License-Identifier: Apache-2.0
/* gate_what_if_impl.h: what walking the record and deciding its entries again share. */
#ifndef TROTH_GATE_WHAT_IF_IMPL_H
#define TROTH_GATE_WHAT_IF_IMPL_H

#include "gate_impl.h"
#include "gate_what_if.h"

struct what_if_run {
    struct store *st;
    struct vault *vault;
    struct audit *audit;
    struct epoch_names names;
    struct person_key *key; /* of the person last met */
    struct subject_id key_of;
    struct arena *arena, *scratch; /* of what comes out; of one entry */
    const struct policy *draft;
    struct sources sources;                  /* the draft's */
    uint64_t evidence_needs, evidence_facts; /* those that rest on the request's word */
    struct what_if *out;
    uint32_t *slots; /* hash of the rows: index + 1, 0 free */
    size_t n_slots, cap;
};

/* gate_what_if_decide.c */
void what_if_start(struct what_if_run *run);
/* Decides one entry's fields again and counts what changed. False: the detail does not say enough. */
bool what_if_detail(struct what_if_run *run, const struct json *detail);

#endif
