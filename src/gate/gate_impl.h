// SPDX-License-Identifier: Apache-2.0
/* gate_impl.h: what the files of this part share. */
#ifndef TROTH_GATE_IMPL_H
#define TROTH_GATE_IMPL_H

#include "gate.h"
#include "log.h"
#include "vault.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- The gate */

/* Where the policy's needs and facts come from, by index: resolved once, when the policy is opened. */
struct question;
/* `field`: the one asked about; what is the same for all does not look at it. */
typedef enum consent_holding (*need_fn)(const struct question *q, unsigned field, unsigned need);
typedef bool (*fact_fn)(const struct question *q, unsigned field, unsigned fact, bool *known);

/* What a source looks at: without it there is nothing to ask. */
enum rests_on { RESTS_ON_ITSELF, RESTS_ON_EVENTS, RESTS_ON_RECIPIENT, RESTS_ON_EVIDENCE, RESTS_ON_COUNT };

struct need_source {
    const char *name;
    need_fn held;
    const char *ended; /* the reason when it was held once; null: consent's own */
    bool evidence;     /* stated in the request */
    bool by_field;     /* may differ from field to field */
    enum rests_on on;
};

struct sources {
    const struct need_source *need[POLICY_NEEDS_MAX];
    fact_fn fact[POLICY_FACTS_MAX];
    uint64_t evidence_needs, evidence_facts; /* those that rest on the request's word */
    uint64_t field_needs, field_facts;       /* those that may differ from field to field */
    uint64_t needs_on[RESTS_ON_COUNT], facts_on[RESTS_ON_COUNT];
    struct span actor;  /* the word for a service that asks */
    uint16_t *words;    /* values of all dimensions, by a hash of their names; 0: free */
    uint32_t words_top; /* number of slots - 1 */
    bool asks_value, asks_order, asks_origin; /* some fact comes from holds, orders, where values lie */
};
/* ERR_POLICY for a source nobody here knows. What it makes lives in `a`. */
enum err sources_bind(const struct policy *p, struct arena *a, struct sources *out, struct fail *f);
/* gate_words.c. The value of that name as callers write it; POLICY_NONE. The same as policy_find, without
 * going through all names. */
void words_bind(const struct policy *p, struct arena *a, struct sources *out);
unsigned words_find(const struct sources *s, const struct policy *p, enum policy_dimension d,
                    struct span written);

/* A compiled set of documents (gate_unit.c). */
struct unit {
    struct arena *arena;
    const struct policy *policy;
    uint64_t serial; /* no two of a process have the same, whenever they live */
    struct sources sources;
    struct digest digest, compiled;
    uint32_t agreed_from[POLICY_DOCUMENTS_MAX]; /* by document: agreements reach from this revision on */
    uint32_t number;                            /* of the set; 0: not yet published */
    struct instant since;
    atomic_uint holders;
};
/* The texts are copied. On ERR_POLICY *out is set, too: the messages live in it. Needs no database. */
enum err unit_make(const struct policy_source *sources, size_t n, struct unit **out,
                   struct policy_messages *m, struct fail *f);
/* A published set; on failure *out is null and the messages live in `a`. */
enum err unit_load(struct store *st, uint32_t number, struct instant since, struct unit **out,
                   struct arena *a, struct policy_messages *m, struct fail *f);
/* Fills agreed_from from what is stored. */
enum err unit_agreements(struct unit *u, struct store *st, struct fail *f);
struct unit *unit_hold(struct unit *u);
void unit_drop(struct unit *u);

/* A service as the record knows it. */
struct service_actor {
    struct span name; /* "service:shop" */
    uint8_t pseudonym[16];
};

/* The registers as they were read once. */
struct register_copy {
    struct arena *arena;
    struct registers *list;
    struct service_actor *actors; /* in the order of the services */
    uint64_t generation;
    atomic_uint holders;
};

struct snapshot {
    struct gate_view view; /* first: a view is a snapshot */
    struct unit *unit;
    struct register_copy *registers;
    atomic_uint holders;
};

/* Whom the entries of a record concern, among the living: pseudonyms by epoch, made on demand. */
struct epoch_names {
    const struct audit *record; /* null: one of quarters */
    struct vault *vault;
    struct epoch_table *by[AUDIT_EPOCH_WAYS]; /* of one epoch each */
    unsigned ways;                            /* that are tried, the record's own first; 0: not known yet */
};

struct gate {
    struct vault *vault;
    char ledger_path[4096], audit_key_path[4096];
    bool ledger_ahead;     /* until gate_reconcile: who was erased may be in the database yet */
    uint64_t erased_again; /* at this start: the database was older than the ledger */
    int64_t node;          /* number of this daemon on its database; 0: a file */
    int offset_minutes;
    char region[3];
    pthread_mutex_t lock; /* over current, next, arriving, past and names */
    struct snapshot *current;
    struct unit *next;                 /* published, waits for its instant */
    struct unit *arriving;             /* its publication is being committed */
    struct unit *past[GATE_SETS_KEPT]; /* other sets that were asked for, the latest first */
    atomic_llong next_at;              /* ms; INSTANT_FOREVER without a next one */
    atomic_bool turned;                /* a set came into force that the record does not know yet */
    atomic_ullong swept, postponed;    /* by the sweep, since the start */
    atomic_llong swept_at;
    atomic_bool sweep_behind;   /* the last batch left some for the next */
    atomic_ullong undeclared;   /* fields offered that the policy does not declare, since the start */
    pthread_mutex_t follow;     /* what another node changed is being loaded */
    atomic_llong version;       /* of registers, policies and keys: what is loaded */
    atomic_llong hears_until;   /* monotonic ms; 0: for ever */
    atomic_bool copies;         /* histories are in the database */
    _Atomic(const char *) deaf; /* why, if that has passed */
    struct epoch_names names;
};

/* ---- gate.c */
enum err registers_copy(const struct vault *v, struct store *st, struct register_copy **out, struct fail *f);
void registers_drop(struct register_copy *r);
/* Takes over one hold of each. */
struct snapshot *snapshot_of(struct unit *u, struct register_copy *r);
void snapshot_drop(struct snapshot *s);
/* Under the gate's lock: the set that waits from now on. */
void next_set(struct gate *g, struct unit *u);

/* ---- One question, names resolved, facts gathered */

/* What holds for a field. */
struct standing {
    uint64_t needs, ended, outside; /* held; held once; given for other fields */
    uint64_t facts, facts_known;
};

struct question {
    struct gate_call *call;
    const struct gate_request *asked;
    const struct policy *policy;
    uint16_t value[DIM_COUNT]; /* all but the field */
    bool has_subject;
    struct subject subject;
    struct person_key *key;   /* null for a visitor */
    struct span actor;        /* "service:shop", "guardian:…", "staff:agent-1": as recorded */
    const uint8_t *pseudonym; /* of the actor, where the registers have it; else null */
    bool has_guardian;        /* the acting guardian */
    struct subject_id guardian;
    bool guardian_link; /* the acting or named guardian is verified for the person */
    const struct service *service;
    const struct recipient *recipient;
    bool recipient_unknown;
    struct span hint;
    unsigned fields[GATE_FIELDS_MAX];
    size_t n_fields;
    struct consent_event *events;
    size_t n_events;
    struct hold *holds;
    size_t n_holds;
    struct purchase *purchases;
    size_t n_purchases;
    struct value_place *places; /* where values lie; if the policy asks, or several are opened */
    size_t n_places;
    bool has_places;              /* they were gathered; those of the fields asked for can be opened */
    int listed[POLICY_NEEDS_MAX]; /* the references given, on the operator's lists: 1, 0, -1 */
    struct span order;            /* the order named in the evidence, or empty */
    uint64_t needs_by_field;      /* a consent is limited to fields: these needs */
    uint64_t facts_by_field;      /* a value is held, or came through another service: these facts */
    struct consent_scope scope;   /* of a consent that would be asked for, but for the field */
    struct standing standing;     /* of any field where nothing differs */
    uint64_t evidence_needs, evidence_facts; /* those of the above that rest on the request's word */
};

/* gate_resolve.c. `operation` overrides the request's when not empty. */
enum err question_resolve(struct question *q, struct gate_call *c, const struct gate_request *asked,
                          struct span operation, struct fail *f);
/* As written, with '.' and '_' read as '-'. */
struct span spelled(struct arena *a, struct span s);
bool is_wildcard(const struct policy *p, struct span field, struct arena *a);
enum err question_service(struct gate_call *c, struct span name, const struct service **out, struct fail *f);
/* Index of a source's party for collecting; ERR_UNKNOWN_NAME. */
enum err source_party(const struct policy *p, struct span source, unsigned *out, struct fail *f);
struct evidence const *evidence_find(const struct question *q, struct span name);

/* gate_facts.c: reads what the policy may ask about. `like`: gathered in this job already, of the same
 * person, and neither of the two names fields or a recipient; null: there is none. */
enum err question_gather(struct question *q, const struct question *like, struct fail *f);
/* All that lies with us of the person, the fields asked for ready to be opened. */
enum err question_places(struct question *q, struct fail *f);
/* What holds for one field. */
struct standing question_standing(const struct question *q, unsigned field);
/* The value is kept for a legal duty only. */
bool question_held(const struct question *q, struct span field);

/* gate_decide.c: resolves, gathers, decides, answers. question_end frees the key. */
enum err question_ask(struct question *q, struct gate_call *c, const struct gate_request *asked,
                      struct span operation, struct gate_answer *out, struct fail *f);
void question_end(struct question *q);
void question_request(const struct question *q, unsigned field, const struct standing *s,
                      struct policy_request *r);

/* How long a value may stay for which this event ("collected", "order-closed") was at `from`. */
struct instant storing_until(const struct question *q, unsigned field, const char *event,
                             struct instant from);

/* What the policy says of keeping it, as if all were held that it asks for; false: it has no word for that.
 */
bool storing_rule(const struct question *q, unsigned field, struct policy_decision *d);
/* What the question asks for may not be done any more, because one of `needs`, on which it rested, ended. */
bool purpose_over(const struct question *q, unsigned field, uint64_t needs);
/* The same of storing it. */
bool storing_over(const struct question *q, unsigned field, uint64_t needs);
/* Had `needs` held, it (or its storing) would be over all the same, for want of another that ended. */
bool over_without(const struct question *q, unsigned field, bool storing, uint64_t needs);

/* gate_hold.c: turns an allowed answer into a refusal (hold_only) where something under a legal hold would
 * go: a field with all its items, or one item of each. */
enum err hold_refuses(const struct question *q, const struct span *items, bool all,
                      struct gate_answer *answer, struct fail *f);
/* ERR_CONFLICT if something of the person is under a legal hold. */
enum err hold_forbids_erasure(struct gate_call *c, const struct subject *s, struct fail *f);

/* gate_clock.c: the clocks of keeping (B4.0.a). Something happened: if the policy's `event` names it, it is
 * noted, and the clocks it starts run from `h->time` for what is held in its scope. Happening again it starts
 * them again. *set (may be null): values whose time changed. */
enum err clock_start(struct gate_call *c, const struct subject *s, const struct happening *h, size_t *set,
                     struct fail *f);
/* For a value that is being stored: its item's event may have happened before. Lowers *until. */
enum err clock_of_item(const struct question *q, unsigned field, struct span item, struct instant *until,
                       struct fail *f);
/* After consent was withdrawn: what a withdrawal starts, and the end of the purposes that rested on it.
 * `source` of the need. */
enum err clock_withdrawn(struct gate_call *c, const struct subject *s, const struct consent_event *e,
                         struct span source, struct fail *f);
/* All times of a person again, from what happened and the policy in force; none gets longer. *set: how many
 * changed. */
enum err clock_settle(struct gate_call *c, const struct subject *s, size_t *set, struct fail *f);
/* For the sweep: the same for everybody, once after the policy, a service's end or a set of documents made it
 * necessary. A batch of at most `most` persons; *more: it goes on. */
enum err clock_follow(struct gate_call *c, size_t most, bool *more, struct fail *f);

/* gate_import.c, in a group: what an older version kept of imports in clear is kept by MACs. */
enum err imports_keyed(struct gate *g, struct store *st, struct fail *f);
/* Before the group: whether there is any. Within it the look goes through a table that every creation of
 * another daemon changes, and would meet one of them each time. */
enum err imports_older(struct store *st, bool *any, struct fail *f);

/* gate_people.c: what an erasure calls the person in its detail: by the node's keys, so that it means
 * something without theirs. */
void erased_name(const struct vault *v, struct subject_id id, uint8_t out[16]);

/* gate_people.c: whose wish it was, without the id of a guardian; and the caller. */
struct span wish_of(struct span actor);
struct span caller_name(const struct gate_call *c);

/* gate_consent.c: the event becomes one of the person's, with what follows for their state. It is not
 * asked whether there is room: it was, when it was said. */
enum err consent_apply(struct gate_call *c, struct subject *s, const struct consent_event *e, struct fail *f);
/* What the act starts or ends of the clocks of keeping, from `e->time` on. `source` of the need it names. */
enum err consent_clocks(struct gate_call *c, const struct subject *s, const struct consent_event *e,
                        struct span source, struct fail *f);

/* gate_age.c: the device's memory of ages, before the person's key is made. */
enum err age_of_device(struct gate_call *c, struct span device, struct subject *s, struct fail *f);

/* ---- gate_rules.c: pure */

struct verdict {
    struct policy_decision d;
    struct span reason; /* with hyphens; overrides d.reason */
    bool overruled;     /* refused here, not by the policy */
};
/* Turns `needs` that rest on something that ended, or was given for other fields, into a refusal. */
void verdict_ended(struct verdict *v, const struct policy *p, const struct sources *s, uint64_t ended);
void verdict_outside(struct verdict *v, uint64_t outside);
void verdict_refuse(struct verdict *v, struct span reason);
bool verdict_allowed(const struct verdict *v);
/* True if a is the better answer of the two: for "anything at all". */
bool verdict_better(const struct verdict *a, const struct verdict *b);
/* Number of a reason in the closed list, from 1; 0 unknown or empty. */
uint8_t reason_number(struct span reason);
/* When what is collected now must be gone. */
struct instant keep_until(const struct policy *p, const struct policy_decision *d, const char *event,
                          struct instant now, int offset_minutes);

/* ---- gate_answer.c */

/* Fills *out from the verdicts of all fields. */
struct asked_field {
    struct span asked;
    unsigned field;
    bool whole; /* stands for "anything at all": the best of all fields */
    struct verdict v;
    struct instant keep_until;
};
void answer_fill(struct question *q, const struct asked_field *fields, size_t n, struct gate_answer *out);
/* The first field that is not allowed, or null. */
const struct gate_field *answer_refused(const struct gate_answer *a);
bool answer_allows(const struct gate_field *f);

/* ---- gate_mask.c, gate_value.c: pure */

/* The masked form of a value; a mask of an unknown name blanks it. */
struct span mask_apply(struct arena *a, struct span mask, struct span plain);
/* Checks and normalises a value for its field, by the groups of the policy it is in; *kind: the blind index
 * it belongs in, or null. */
enum err value_check(struct arena *a, const struct policy *p, unsigned field, struct span plain,
                     struct span *normal, const char **kind, struct fail *f);
/* The blind index a field belongs in, or null. */
const char *value_index(const struct policy *p, unsigned field);

/* ---- gate_tag.c */

/* A name for the value that only the recipient of this question knows, or the service if there is none. */
struct span token_make(const struct question *q, const struct value *v);
/* Tags the fields of a read, and takes out the values the caller has already. What the record says of it. */
struct span tags_apply(const struct question *q, struct gate_answer *answer, struct gate_out *list,
                       size_t *n);

/* ---- gate_record.c */

struct record {
    enum audit_kind kind;
    const struct question *q; /* null: an entry without a question */
    const struct gate_answer *answer;
    const struct subject *subject; /* without a question: the person, or null */
    struct person_key *key;
    const uint8_t *pseudonym; /* of the actor, if it is made already */
    bool fresh;               /* the person was created in this call: the first step of the epoch is taken */
    bool node_detail;         /* seal the detail under the node's key: it must outlive the person's */
    struct span actor;        /* without a question */
    struct span extra;        /* more members of the detail, as JSON text "\"a\":1,\"b\":2"; may be empty */
};
enum err record_add(struct gate_call *c, const struct record *r, struct fail *f);

/* A change the policy refused: the entry stays, the change is undone; ERR_REFUSED with the first refused
 * field's clause. */
enum err record_refusal(const struct question *q, const struct gate_answer *answer, struct span extra,
                        struct fail *f);
/* An entry about a person that no question led to. gate_people.c */
enum err record_person(struct gate_call *c, enum audit_kind kind, const struct subject *s, struct span extra,
                       struct fail *f);

/* ---- gate_standing.c: what held for a question, in the detail of its entry */

/* One field, decided: all that is needed to decide it again, by name, so that another policy can. Spans into
 * the detail. */
struct standing_words {
    struct span actor, subject, service, jurisdiction, party; /* values of the policy's dimensions */
    struct span needs, ended, outside, facts, unknown;        /* names, separated by commas */
    bool unregistered, suspended, ungranted;                  /* what the register said of the recipient */
};
/* The member `standing` of the open object. */
void standing_put(struct text *t, const struct question *q);
/* Of the field at a place in the list of fields, or of a name where anything at all was asked about. False:
 * nothing was recorded. */
bool standing_get(const struct json *detail, size_t at, struct span field, struct standing_words *out);
/* Names of a set, separated by commas; and back, leaving out what the policy does not know. */
struct span standing_names(struct arena *a, const struct policy *p, enum policy_kind k, uint64_t set);
uint64_t standing_set(const struct policy *p, enum policy_kind k, struct span names);

/* ---- gate_policy.c */

struct span document_language(struct span file);
/* Keeps the texts of the first set. */
enum err policy_keep(struct gate *g, struct store *st, const struct unit *u, struct instant now,
                     struct fail *f);
/* ERR_CONFLICT if the folder holds a text that was never published. A folder that is not there is fine. */
enum err policy_folder_published(struct store *st, const char *dir, struct fail *f);
/* The set in force at an instant, and the one that waits behind it; 0: none. */
enum err set_at(struct store *st, struct instant at, uint32_t *number, struct fail *f);
enum err set_after(struct store *st, uint32_t number, uint32_t *out, struct instant *since, struct fail *f);

/* One text to keep. */
struct kept {
    struct span document, file, language, title, text;
    uint32_t revision;
    struct instant in_force;
    bool renews;
};
/* Stores it, and that it belongs to the set. */
enum err text_keep(struct store *st, const struct kept *k, uint32_t set, struct instant now, struct fail *f);

/* ---- gate_history.c */

/* Opens a detail and holds it against the commitment in the leaf: what is shown is what was recorded. */
enum err detail_open(const struct vault *v, const struct person_key *key, struct span sealed,
                     const struct audit_leaf *leaf, struct arena *a, struct span *json, struct fail *f);
/* Whom a leaf concerns, among the living. A table of pseudonyms is made when another epoch is asked for, or
 * when it has trouble. The caller forgets them. */
bool epoch_find(struct epoch_names *names, struct store *st, const struct audit_leaf *l,
                struct subject_id *out);
/* Why somebody may be lacking, to be asked after each find; OK: nobody is. */
enum err epoch_trouble(const struct epoch_names *names, struct fail *f);
/* What is asked next looks anew who lives. */
void epoch_forget(struct epoch_names *names);

/* Whoever says nothing of it has it from the person. */
static inline struct span asked_source(const struct gate_request *asked)
{
    return asked->source.len ? asked->source : SPAN("subject");
}

static inline struct vault_person vault_of(const struct subject *s)
{
    return (struct vault_person){.id = s->id, .sid = s->sid, .child = s->band == BAND_CHILD};
}

#endif
