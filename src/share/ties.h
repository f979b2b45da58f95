// SPDX-License-Identifier: Apache-2.0
/*
 * ties.h: what ties single values of a person to a duty or an order: legal holds (B4.0.a), orders with those
 * at work on them (B1.2.5(3)), and what happened from which on a value may stay for so long only (B4.0.a).
 */
#ifndef TROTH_TIES_H
#define TROTH_TIES_H

#include "arena.h"
#include "err.h"
#include "instant.h"
#include "store.h"

#define TIES_MAX            256 /* orders of one person, with their partners */
#define PURCHASE_AFTER_DAYS 90  /* after its closing an order's partners may still look: returns, warranty */

/* One field that a law makes us keep; from `starts` on it lies still for that duty alone. */
struct hold {
    struct span field, reference;
    struct instant starts, ends;
};
/* Putting it again changes it. WRITE jobs. */
enum err hold_put(struct store *st, int64_t sid, const struct hold *h, struct fail *f);
enum err hold_list(struct store *st, int64_t sid, struct arena *a, struct hold **out, size_t *n,
                   struct fail *f);
/* Not over at now: what is there must not go. Pure. */
bool hold_keeps(const struct hold *h, size_t n, struct span field, struct instant now);
/* In force at now: it lies still. Pure. */
bool hold_binds(const struct hold *h, size_t n, struct span field, struct instant now);

/* One recipient at work on one order. */
struct purchase {
    struct span number, recipient;
    struct instant since, closed; /* INSTANT_FOREVER while it is open */
};
/* Putting it again changes when it was closed. WRITE jobs. */
enum err purchase_put(struct store *st, int64_t sid, const struct purchase *p, struct fail *f);
enum err purchase_list(struct store *st, int64_t sid, struct arena *a, struct purchase **out, size_t *n,
                       struct fail *f);

/* Something that may start a clock of keeping: the last time it happened. Empty scopes are every one. */
struct happening {
    struct span event; /* as the policy's `event` names it */
    struct span field, item;
    struct span service, purpose, source; /* through which, for which, from which the values came */
    struct instant time;
};
/* Putting it again moves its time. WRITE jobs. */
enum err happening_put(struct store *st, int64_t sid, const struct happening *h, struct fail *f);
/* All of a person, by event. */
enum err happening_list(struct store *st, int64_t sid, struct arena *a, struct happening **out, size_t *n,
                        struct fail *f);

enum purchase_standing { PURCHASE_FREE, PURCHASE_ASSIGNED, PURCHASE_FOREIGN, PURCHASE_OVER };
/* Where a recipient stands with an order. FREE: no orders of this person are registered, or none is named and
 * the recipient has none; a recipient that has orders names one of them. Pure. */
enum purchase_standing purchase_at(const struct purchase *p, size_t n, struct span recipient,
                                   struct span number, struct instant now);

#endif
