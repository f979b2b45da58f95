// SPDX-License-Identifier: Apache-2.0
/*
 * share.h: the registers: services, recipients, their papers and grants; and the list of what was shared.
 * B3.1.p: each recipient has a signed confidentiality agreement, a purpose and an explicit field list.
 */
#ifndef TROTH_SHARE_H
#define TROTH_SHARE_H

#include "arena.h"
#include "err.h"
#include "id.h"
#include "instant.h"
#include "policy.h"
#include "store.h"

#define RECIPIENTS_MAX 4096
#define SERVICES_MAX   1024
#define PAPERS_MAX     16 /* of one recipient */
#define GRANTS_MAX     32 /* of one recipient */

struct service {
    struct span name;       /* "shop" */
    struct span class_name; /* value of the policy's service dimension: "games", "uncovered" */
    struct span title;
    struct digest token;    /* SHA-256 of the token in force */
    struct span sources;    /* comma list of sources it may claim; empty = all */
    bool lenient;           /* undeclared fields are dropped and counted instead of refused (B4.4) */
    struct instant ended;   /* INSTANT_FOREVER while it runs; afterwards fact service-terminated */
    struct instant closing; /* when that end was made known; a put keeps it while `ended` stays the same */
    struct span required;   /* comma list of fields registration demands (B1.2.1) */
    struct span aim;        /* for children: why (A2.1.1.0); empty = not offered to them */
    struct span necessity;  /* for children: why nothing less will do */
};

struct paper {
    struct span kind; /* the need it satisfies: "confidentiality", "assessment" */
    struct span reference;
    struct instant from, until;
};

/* What a recipient may receive: a purpose and an explicit list of fields (comma separated names; never "*").
 * Names may be given with dots or underscores; the register keeps the policy's spelling. */
struct grant {
    struct span purpose;
    struct span fields;
    struct instant from, until;
};

struct recipient {
    struct span name;       /* "ship-b" */
    struct span class_name; /* value of the policy's party dimension, or of a group's member */
    struct span title;
    struct span country; /* ISO 3166-1 alpha-2 */
    bool suspended;
    struct paper papers[PAPERS_MAX];
    size_t n_papers;
    struct grant grants[GRANTS_MAX];
    size_t n_grants;
};

/* Immutable snapshot of the registers, swapped by pointer. */
struct registers {
    struct service *services;
    size_t n_services;
    struct recipient *recipients;
    size_t n_recipients;
};

enum err registers_load(struct store *st, struct arena *a, struct registers **out, struct fail *f);
const struct service *registers_service(const struct registers *r, struct span name);
/* By SHA-256 of the token, compared in constant time. */
const struct service *registers_token(const struct registers *r, const struct digest *token);
const struct recipient *registers_recipient(const struct registers *r, struct span name);
/* The nearest recipient name, or empty. */
struct span registers_suggest(const struct registers *r, struct span name);
/* The party value of a recipient in this policy: its own name if the policy declares one, else its class. */
unsigned recipient_party(const struct recipient *r, const struct policy *p);
/* Holds / never had / ended, at now. 1, 0, -1. */
int recipient_paper(const struct recipient *r, struct span kind, struct instant now);
/* True if some grant in force for the purpose lists the field; *any: whether a grant for the purpose is in
 * force. */
bool recipient_granted(const struct recipient *r, struct span purpose, struct span field, struct instant now,
                       bool *any);

/* Register changes (WRITE jobs). Adding again changes what is given. */
enum err service_put(struct store *st, const struct service *s, struct fail *f);
enum err recipient_put(struct store *st, const struct recipient *r, struct fail *f);
/* As it stands; false for one that is not registered. */
enum err recipient_suspended(struct store *st, struct span recipient, bool *out, struct fail *f);
/* ERR_UNKNOWN_NAME if the recipient is not registered. */
enum err recipient_paper_put(struct store *st, struct span recipient, const struct paper *p, struct fail *f);
/* As above; ERR_WILDCARD for a grant of everything, ERR_MISSING_MEMBER without purpose or fields (R099). */
enum err recipient_grant_put(struct store *st, struct span recipient, const struct grant *g, struct fail *f);

struct share_row {
    struct share_id id;
    struct span recipient, purpose, basis, fields, clause;
    struct span evidence; /* JSON object of references */
    struct instant time;
};
#define SHARES_MAX 1000 /* listed for one person at once, oldest first */

/* Records what left; fills id. */
enum err share_add(struct store *st, int64_t sid, struct share_row *row, struct fail *f);
enum err share_list(struct store *st, int64_t sid, struct arena *a, struct share_row **out, size_t *n,
                    struct fail *f);

#endif
