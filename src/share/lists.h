// SPDX-License-Identifier: Apache-2.0
/*
 * lists.h: short lists the operator keeps: references that count as evidence (B3.1.9, B1.2.13(11)), classes
 * of messages and templates (B1.2.8, B8.3).
 */
#ifndef TROTH_LISTS_H
#define TROTH_LISTS_H

#include "arena.h"
#include "err.h"
#include "instant.h"
#include "store.h"

#define LISTS_MAX 4096 /* rows of one list that are shown */

struct reference {
    struct span need, reference;
    struct instant from, until;
};
/* Putting it again changes its dates. WRITE jobs. */
enum err reference_put(struct store *st, const struct reference *r, struct fail *f);
/* In force at now: 1; not on the list: 0; over, or not yet begun: -1. */
enum err reference_holds(struct store *st, struct span need, struct span reference, struct instant now,
                         int *out, struct fail *f);
enum err reference_list(struct store *st, struct arena *a, struct reference **out, size_t *n, struct fail *f);

struct message_class {
    struct span name; /* "service_notice", "marketing_own:music", "marketing_third_party:banking" */
    bool offer;       /* promotion: off until the person wants it; a notice is always on */
    struct span title;
};
/* Adds a class of offers: `marketing_own:` or `marketing_third_party:` and a name; ERR_BAD_VALUE. */
enum err message_class_put(struct store *st, struct span name, struct span title, struct fail *f);
/* ERR_UNKNOWN_NAME: the catalogue is closed. */
enum err message_class_get(struct store *st, struct span name, struct message_class *out, struct fail *f);
enum err message_class_list(struct store *st, struct arena *a, struct message_class **out, size_t *n,
                            struct fail *f);

struct message_template {
    struct span name, class, approver;
    bool promotional; /* what the approver found */
    struct instant since;
};
/* ERR_CONFLICT: a notice that promotes something, or an offer that says it does not. */
enum err template_put(struct store *st, const struct message_template *t, struct fail *f);
/* ERR_UNKNOWN_NAME unless it was put, ERR_CONFLICT if it is of another class. */
enum err template_check(struct store *st, struct span name, struct span class, struct fail *f);

#endif
