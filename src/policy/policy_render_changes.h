// SPDX-License-Identifier: Apache-2.0
/*
 * policy_render_changes.h: under the title of a published page: where its revision stands, and what it
 * changed for people since the one before. The same on the served pages and in files.
 *
 * Pure, like the rest of the part: days are given as they are to be shown.
 */
#ifndef TROTH_POLICY_RENDER_CHANGES_H
#define TROTH_POLICY_RENDER_CHANGES_H

#include "policy_diff.h"
#include "policy_render.h"

#define POLICY_TOLD_OPEN                                                                                     \
    8 /* of what is no loss; more of them are folded, so that the text is not far below */

enum policy_standing {
    STANDING_DATED, /* in a file: from when, and instead of which */
    STANDING_IN_FORCE,
    STANDING_WAITING,
    STANDING_OVER,
    STANDING_WITHDRAWN
};

/* One change as policy_change_say tells it. */
struct policy_told {
    enum policy_effect effect;
    struct span html;
    struct span clause; /* document/clause-id; may be empty */
    struct span link;   /* where it is; empty: no link */
};

/* Another revision: 0 for none. */
struct policy_other {
    uint32_t revision;
    struct span link; /* empty: no link */
};

struct policy_story {
    struct span language;
    enum policy_standing standing;
    struct span from, until;           /* days or instants as shown; until: empty if nothing ends it */
    struct policy_other before, after; /* the revision it follows; the one that follows it */
    struct span now;                   /* OVER, WITHDRAWN: the address of the text in force; empty: none */
    struct span news;                  /* IN_FORCE: where the announced revision tells its changes */
    bool compared;                     /* the section is written; without changes it says so */
    const struct policy_told *told;    /* in any order; reduced rights are written first */
    size_t n_told;
};

/* Appends the standing as a paragraph and the changes as a section with the id `changes`. Safe HTML. */
void policy_story_html(const struct policy_story *s, struct text *out);

#endif
