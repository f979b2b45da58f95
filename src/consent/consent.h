// SPDX-License-Identifier: Apache-2.0
/*
 * consent.h: agreements, consents, permissions, switches and approvals, as events. Nothing is overwritten:
 * what holds now is computed from the events. Member names follow ISO/IEC TS 27560; states follow W3C DPV.
 */
#ifndef TROTH_CONSENT_H
#define TROTH_CONSENT_H

#include "arena.h"
#include "err.h"
#include "id.h"
#include "instant.h"
#include "policy.h"
#include "store.h"
#include "text.h"

enum consent_kind {
    CONSENT_AGREEMENT, /* to a document's revision */
    CONSENT_NEED,      /* a need of the policy: consent, permission, guardian's consent, approval */
    CONSENT_PREFERENCE /* a switch: a fact of the policy with source `preference` */
};
enum consent_state { CONSENT_GIVEN, CONSENT_WITHDRAWN, CONSENT_REFUSED, CONSENT_DEEMED };
enum consent_actor { CONSENT_BY_SUBJECT, CONSENT_BY_GUARDIAN, CONSENT_BY_STAFF };

/* Events of one person, beyond which nothing more is given: someone is pressing a switch in a loop. What
 * takes back is taken at any number (PIPL 15, 16), and so are switches, of which either way may be an
 * objection, and approvals, which are staff's. */
#define CONSENT_EVENTS_MAX 1000

struct consent_event {
    struct consent_id id;
    enum consent_kind kind;
    enum consent_state state;
    enum consent_actor actor;
    struct span actor_id;   /* guardian: 32 hex digits; staff: name; subject: empty */
    struct span name;       /* need, fact or document name */
    struct span purpose;    /* scope; empty = any the need is asked for */
    struct span party;      /* recipient name or party class; empty = every */
    struct span service;    /* empty = every service */
    struct span device;     /* permissions: the device; else empty */
    struct span topic;      /* channel, class of message, announced use; empty = every */
    struct span fields;     /* comma separated names; empty = every field */
    struct span operations; /* agreement: "collect use store share transfer disclose" (B0.3) */
    struct instant time;
    struct instant until;          /* INSTANT_FOREVER: until withdrawn */
    uint32_t revision;             /* agreement */
    struct digest document_digest; /* agreement: of the text agreed to */
    struct span language;          /* BCP 47, of what was shown */
    struct digest notice;          /* SHA-256 of what was on screen; zero if not given */
    struct span channel;           /* web, app, letter, announcement, ... */
    struct span evidence;          /* reference */
    struct span collected_by;      /* the service that recorded it */
};

/* Appends one event. The caller made its id at random and has checked who may say this, and, of an act that
 * is new, whether there is room for it. */
enum err consent_add(struct store *st, int64_t sid, const struct consent_event *e, struct fail *f);
/* From the limit on, ERR_LIMIT for what the person or a guardian gives, and ERR_CONFLICT for an act that
 * stands already. Reads the person's events, from the limit on only. */
enum err consent_room(struct store *st, int64_t sid, const struct consent_event *e, struct fail *f);
/* All events of the person, oldest first. */
enum err consent_list(struct store *st, int64_t sid, struct arena *a, struct consent_event **out, size_t *n,
                      struct fail *f);
/* The same with what the functions below look at alone: no ids, operations, digests, language, channel,
 * evidence, nor who recorded it. */
enum err consent_held(struct store *st, int64_t sid, struct arena *a, struct consent_event **out, size_t *n,
                      struct fail *f);

/* Small keys of the service's people who ever gave a consent for this purpose, or for every purpose, in the
 * order in which they came: the next behind `after`, at most `limit`. *next: where to go on, 0 if there is
 * nobody behind. Whether it still holds, and covers what is asked, is for a decision to say. */
#define CONSENT_WALK_MAX 1000
enum err consent_walk(struct store *st, struct span service, struct span purpose, int64_t after, size_t limit,
                      int64_t *sids, size_t *n, int64_t *next, struct fail *f);

/* The scope a decision asks for. Empty spans: not applicable. */
struct consent_scope {
    struct span purpose, party, party_class, service, device, topic, field;
    struct instant now;
};

enum consent_holding {
    CONSENT_NEVER,
    CONSENT_HOLDS,
    CONSENT_ENDED,    /* withdrawn, refused after it was given, expired */
    CONSENT_DECLINED, /* refused before it was ever given: still to be asked for, not withdrawn */
    CONSENT_OUTSIDE   /* given, but for other fields (B3.3.1: exactly what was agreed) */
};

/* Whether a need holds at now: the newest event that covers the scope decides; pure.
 * An event without purpose, party, service, topic or fields covers all of them. A device must be the same
 * one; a withdrawal without a device covers every device. `actor` is the hand that may give it (guardian for
 * a child, staff for approvals): what another hand gave is not seen. Withdrawing and refusing count from the
 * person's and the guardian's hand alike (A2.4.5: either may narrow), and for approvals from staff. Deemed
 * events satisfy nothing. For approvals the party is the actor approved ("staff:agent-1"). */
enum consent_holding consent_holds(const struct consent_event *e, size_t n, struct span name,
                                   enum consent_actor actor, const struct consent_scope *s);
/* A switch: true if on at now. For a child the guardian's acts count; where the child's own newer act says
 * otherwise, *known is false, and the decision takes the stricter of both (a child alone can narrow, never
 * widen). Pure. */
bool consent_switch(const struct consent_event *e, size_t n, struct span name, bool child,
                    const struct consent_scope *s, bool *known);
/* Whether a document's current revision is agreed to by that hand. An act (GIVEN) counts from revision `from`
 * on, the last that reduced rights: until then earlier agreements reach later revisions (B8.1). Going on to
 * use a service (DEEMED) counts only if allowed, and for the very revision (R163). Pure. */
struct consent_document {
    struct span name;
    uint32_t revision, from; /* from <= revision */
};
enum consent_holding consent_agreed(const struct consent_event *e, size_t n, const struct consent_document *d,
                                    enum consent_actor actor, bool deemed_counts);

/* Whether what `e` would say is said already: behind these events it would change nothing that the functions
 * above answer, at any time from e->time on. Something that reaches as far, from the same hand, says
 * it, and nothing that meets it says otherwise since, or says it for another length of time. Not looked for
 * where several only together reach as far. Pure. */
bool consent_stands(const struct consent_event *e, size_t n, const struct consent_event *act);

/* The DPV name of an event's state: ConsentGiven, ConsentWithdrawn, ... */
const char *consent_state_dpv(enum consent_state s);
/* One event as an ISO/IEC TS 27560 style record. */
void consent_event_json(struct text *t, const struct consent_event *e);
/* The reverse, of what an entry of the record holds; spans into v and the arena. False: it is not one. */
struct json;
bool consent_event_read(struct arena *a, const struct json *v, struct consent_event *out);

#endif
