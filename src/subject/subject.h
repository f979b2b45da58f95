// SPDX-License-Identifier: Apache-2.0
/*
 * subject.h: persons, their age band, guardians, and the services they use. No field values live here: a
 * birth date is kept as a band plus the day it changes next, and the date itself is a sealed value like any
 * other. PIPL 28 and 31 (under fourteen), B7.1, B7.2, A2.0.3.
 */
#ifndef TROTH_SUBJECT_H
#define TROTH_SUBJECT_H

#include "arena.h"
#include "err.h"
#include "id.h"
#include "instant.h"
#include "store.h"

enum subject_band { BAND_CHILD, BAND_MINOR, BAND_ADULT }; /* < 14, 14-17, >= 18 */
enum subject_state { SUBJECT_ACTIVE, SUBJECT_AWAITING_GUARDIAN, SUBJECT_ERASED };

#define SUBJECT_CHILD_AGE     14 /* B7.2, PIPL 28 */
#define SUBJECT_ADULT_AGE     18
#define SUBJECT_GUARDIANS_MAX 8
#define SUBJECT_SERVICES_MAX  64

struct subject {
    struct subject_id id;
    int64_t sid;
    enum subject_band band; /* at the `now` it was read for */
    enum subject_state state;
    struct instant created;
    struct instant
        teen_from; /* first instant at which the person is 14 (band minor); 0: passed when written */
    struct instant adult_from; /* first instant at which the person is 18; 0: passed when written */
    uint64_t epoch;            /* grows with each change that concerns the person */
    bool unheld;               /* known to have no holds (share/ties.h) in the snapshot it was read in */
    char region[3];            /* where the data is gathered, ISO 3166-1 alpha-2 */
};

#define SUBJECT_AGE_MAX 150 /* years: no person is older, a birth date beyond is a slip */

/* The band at an instant; pure. */
enum subject_band subject_band_at(struct instant teen_from, struct instant adult_from, struct instant now);
/* When a person born on that day turns 14 and 18: at the start of the birthday in the calendar (29 February:
 * on 1 March). What has passed at `now` becomes 0, so that an adult's birth date is not kept; pure. */
void subject_thresholds(struct date birth, int offset_minutes, struct instant now, struct instant *teen_from,
                        struct instant *adult_from);
/* The name of a band: */
const char *
subject_band_name(enum subject_band b); /* "child", "minor", "adult": the policy's subject classes */
const char *subject_state_name(enum subject_state s); /* "active", "awaiting_guardian", "erased" */

/* Creates a person. offset_minutes: the operator's calendar (China: 480). ERR_BAD_VALUE for a birth date in
 * the future or more than 150 years ago. The state is active; a child is awaiting_guardian until a verified
 * guardian agreed. Being created is the first step of the epoch. */
enum err subject_create(struct store *st, struct date birth, int offset_minutes, const char *region,
                        struct instant now, struct subject *out, struct fail *f);
/* ERR_NOT_FOUND; ERR_GONE if erased (the id is kept in the ledger, nothing else). */
enum err subject_get(struct store *st, struct subject_id id, struct instant now, struct subject *out,
                     struct fail *f);
enum err subject_set_state(struct store *st, const struct subject *s, enum subject_state state,
                           struct fail *f);
/* The age was given wrongly at first, or not at all: band and state follow; a child waits for a guardian. */
enum err subject_set_age(struct store *st, struct subject *s, struct instant teen_from,
                         struct instant adult_from, struct instant now, struct fail *f);
/* Devices on which somebody said to be under fourteen (A2.1.1.1): *child while that lasts. `mac` names the
 * device. */
enum err device_age_get(struct store *st, struct span mac, struct instant now, bool *child,
                        struct instant *teen_from, struct instant *adult_from, struct fail *f);
enum err device_age_put(struct store *st, struct span mac, const struct subject *s, struct instant now,
                        struct fail *f);
/* Removes every row of the person but the ledger line. The caller (gate) destroys the key in the same group.
 */
enum err subject_erase(struct store *st, const struct subject *s, struct instant now, struct fail *f);

/* The id of a row's person. ERR_NOT_FOUND. */
enum err subject_of_sid(struct store *st, int64_t sid, struct subject_id *out, struct fail *f);
/* Up to `most` persons whose fourteenth birthday came since they were last written; the longest ago first.
 * _done: noted, and the day is not kept any more. */
enum err subject_grown(struct store *st, struct instant now, size_t most, struct subject_id *out, size_t *n,
                       struct fail *f);
enum err subject_grown_done(struct store *st, const struct subject *s, struct fail *f);

/* Calls each(ctx, s) for every living person, in the order of ids. */
enum err subject_each(struct store *st, void (*each)(void *ctx, const struct subject *s), void *ctx,
                      struct instant now, struct fail *f);

/* Services the person has used. */
enum err subject_service_add(struct store *st, const struct subject *s, struct span service,
                             struct instant now, struct fail *f);

/* The account with this service ends. *found: there was one. */
enum err subject_service_end(struct store *st, const struct subject *s, struct span service, bool *found,
                             struct fail *f);

/* The next persons of a service behind a place in the order in which people came, at most `limit`, as small
 * keys. *next: where to go on, 0 if there is nobody behind. A page may be short, or empty, and not the last:
 * so many keys are looked at and no more. */
#define SUBJECT_WALK_KEYS 65536
enum err subject_walk(struct store *st, struct span service, int64_t after, size_t limit, int64_t *sids,
                      size_t *n, int64_t *next, struct fail *f);

enum err subject_epoch_step(struct store *st, const struct subject *s, struct fail *f);
/* True if the person has used the service. On the way s->unheld is found out. */
enum err subject_uses(struct store *st, struct subject *s, struct span service, bool *out, struct fail *f);
enum err subject_services(struct store *st, const struct subject *s, struct arena *a, struct span **out,
                          size_t *n, struct fail *f);

struct guardian_link {
    struct subject_id guardian;
    bool verified;
    struct instant since;
    struct span evidence; /* reference of the proof, not the proof */
};
/* Links a guardian. The guardian must be an adult (ERR_BAD_VALUE), the person a minor or child, not the same
 * person. An unverified link gives no power. A second verified guardian is possible. */
enum err guardian_add(struct store *st, const struct subject *child, const struct subject *guardian,
                      bool verified, struct span evidence, struct instant now, struct fail *f);
enum err guardian_list(struct store *st, const struct subject *child, struct arena *a,
                       struct guardian_link **out, size_t *n, struct fail *f);
/* True if the link is verified and the person is still a minor: the power to see and ask, which ends at 18
 * (T12). */
enum err guardian_linked(struct store *st, const struct subject *child, struct subject_id guardian, bool *out,
                         struct fail *f);
/* As above, and the person is under 14: the power to consent. */
enum err guardian_verified(struct store *st, const struct subject *child, struct subject_id guardian,
                           bool *out, struct fail *f);

#endif
