// SPDX-License-Identifier: Apache-2.0
/*
 * policy_view.h: documents as they are being written: what could be read of them, errors or not. For tools
 * that help authors; what runs is a struct policy.
 */
#ifndef TROTH_POLICY_VIEW_H
#define TROTH_POLICY_VIEW_H

#include "policy.h"

struct policy_view;

/* Reads the documents as policy_load does and keeps what it found. The texts must stay valid. Never null. */
struct policy_view *policy_view_open(struct arena *a, const struct policy_source *sources, size_t n,
                                     struct policy_messages *m);

/* ---- Coverage: what each section of the prose has beneath it. */

struct policy_section {
    struct span heading;
    uint32_t line;
    unsigned rules, plains,
        declarations; /* blocks of each kind; a declaration: document, catalogue, vocabulary */
    bool uncovered;   /* prose, and no block */
};

struct policy_coverage {
    struct span file;
    struct span document; /* its name; empty for a file without blocks */
    struct policy_section *sections;
    size_t n;
    unsigned uncovered; /* sections; 1 for a file without blocks */
};

/* One row for each document, in the order of the sources; translations are not counted. */
struct policy_coverage *policy_coverage(const struct policy_view *v, struct arena *a, size_t *n);
/* As a table for people, and as JSON. True if nothing is uncovered. */
bool policy_coverage_put(const struct policy_coverage *c, size_t n, struct text *t);
bool policy_coverage_json(const struct policy_coverage *c, size_t n, struct text *t);

#endif
