// SPDX-License-Identifier: Apache-2.0
/*
 * gate_what_if.h: the decisions recorded in a period, decided again under a draft policy
 * (docs/policy-reference.md).
 *
 * Reads the record, the keys and the people of a data folder and changes nothing; a daemon may have it open.
 * Details are opened under the keys of the persons they concern and closed again at once: what comes out are
 * counts, and names of the two policies' vocabulary. What was asked is taken from the entry by name: a need
 * or a fact that the policy of then did not know counts as not held and not so; a name that the draft does
 * not know is refused.
 */
#ifndef TROTH_GATE_WHAT_IF_H
#define TROTH_GATE_WHAT_IF_H

#include "policy.h"

struct what_if_config {
    const char *data, *master_key_file, *master_key_command;
    struct instant since, until;                                /* entries from `since` on, before `until` */
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* entries of the record; may be null */
    void *ctx;
};

enum what_if_change {
    WHAT_IF_SAME,    /* not in the list of rows */
    WHAT_IF_REFUSED, /* was allowed, or could be obtained */
    WHAT_IF_NEEDS,   /* what is missing is another; was allowed, or refused */
    WHAT_IF_ALLOWED,
    WHAT_IF_MASK, /* allowed in both, with another mask or without */
    WHAT_IF_DEEDS,
    WHAT_IF_CITED, /* the same answer, for another clause or reason: no change for anybody */
    WHAT_IF_CHANGES
};

/* So many answers for one field changed in the same way. */
struct what_if_row {
    enum what_if_change change;
    struct span clause;                           /* of the draft; empty: nothing speaks of it any more */
    struct span purpose, operation, party, field; /* field empty: "is there anything at all?" */
    enum policy_answer before, after;
    struct span was, is; /* needs, mask or deeds, by name, where they differ; a name the draft lacks */
    uint64_t n;
};

struct what_if {
    uint64_t entries;                  /* decided again */
    uint64_t answers;                  /* of them, one for each field */
    uint64_t changed[WHAT_IF_CHANGES]; /* answers, by change */
    uint64_t erased;                   /* entries whose persons are erased: nobody can open them */
    uint64_t incomplete;      /* entries that do not say what held: too many fields, or an older program */
    struct what_if_row *rows; /* by clause, the clause with most answers first, then the row with most */
    size_t n_rows;
};

const char *what_if_change_name(enum what_if_change c);

/* ERR_NOT_FOUND, ERR_NO_KEY, ERR_CORRUPT, ERR_INTEGRITY (an entry that is not what was recorded), ERR_POLICY
 * (a source of the draft that nobody here knows). Everything in the arena. */
enum err gate_what_if(const struct what_if_config *c, const struct policy *draft, struct arena *a,
                      struct what_if *out, struct fail *f);

#endif
