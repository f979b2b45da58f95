// SPDX-License-Identifier: Apache-2.0
/*
 * gate.h: the one door to personal data. Every call gathers facts, decides, fetches or seals, masks and
 * records; no other code opens the vault. (docs/architecture.md, "The life of a request"; PIPL 6, 9, 51.)
 *
 * Calls run inside an engine job: READ calls in a snapshot, WRITE calls in a savepoint. They leave record
 * entries in the job's list through struct gate_call; the engine makes them durable before the answer leaves.
 */
#ifndef TROTH_GATE_H
#define TROTH_GATE_H

#include "arena.h"
#include "audit.h"
#include "consent.h"
#include "err.h"
#include "id.h"
#include "instant.h"
#include "json.h"
#include "lists.h"
#include "policy.h"
#include "share.h"
#include "store.h"
#include "subject.h"
#include "text.h"
#include "ties.h"

#define GATE_FIELDS_MAX   96 /* one request: every field of the reference catalogue */
#define GATE_EVIDENCE_MAX 16
#define GATE_TOPICS_MAX   2    /* a channel and a class of messages */
#define GATE_ENTRIES_MAX  1024 /* record entries of one call: one for each person of a read of many */
#define GATE_NEEDS_MAX    8    /* missing needs told for one field: more cannot be obtained in one sitting */
#define POLICY_TEXTS_MAX  POLICY_FILES_MAX /* of one set */

struct gate; /* policy in force, vault, registers: shared by all threads */

struct gate_config {
    const char *data;       /* data folder */
    const char *policy_dir; /* documents in force */
    const char *master_key_file;
    const char *master_key_command; /* prints the key; null: the file */
    int offset_minutes;             /* the operator's calendar: China 480 */
    const char *home_region;        /* "CN" */
    int64_t node;                   /* its number among several on one database (nodes.h); 0: a file */
    bool serving;                   /* refuse if policy_dir holds texts that were never published */
};

/* Opens policy (ERR_POLICY with the messages printed into *messages), vault and registers. `st` is a write
 * connection used only during the call. At the first start the documents of policy_dir become the first set;
 * from then on the database says what runs, and the folder is only looked at. Whom the ledger of the erased
 * names may be in the database until gate_reconcile: nobody is answered before it. */
enum err gate_open(const struct gate_config *c, struct store *st, struct instant now, struct gate **out,
                   struct policy_messages *m, struct arena *a, struct fail *f);
void gate_close(struct gate *g);
/* The record its entries go to, which says how long a person keeps a pseudonym: before the first call that
 * leaves an entry, and as long as there are such calls. Without it that is a quarter. */
void gate_record(struct gate *g, const struct audit *au);
/* First start: keys. */
enum err gate_create(const char *data, const char *master_key_file, struct store *st, struct fail *f);

/* Whether this master key is the one the stored keys are under: ERR_NO_KEY. A file, or a command (null). */
enum err gate_check_master(struct store *st, const char *file, const char *command, struct fail *f);

/* The snapshot a call works with: policy and registers, held until gate_release. */
struct sources;
struct gate_view {
    const struct policy *policy;
    const struct registers *registers;
    uint64_t generation;                /* grows with every change of the registers, and with every set */
    const struct sources *sources;      /* where needs and facts come from: the gate's own */
    const struct service_actor *actors; /* how the record names the services; the gate's own */
    const uint32_t *agreed_from;        /* by document: the earliest revision whose agreement still counts */
    uint64_t serial;                    /* of the compiled policy: no other in this process has it */
    uint32_t number;                    /* of the set, in the order of publishing */
    struct digest digest;               /* of the policy set in force */
    struct digest compiled;             /* of its compiled form, which decides */
    char revision[16 + 1];              /* the set's first 16 hex digits: `revision` in answers */
};
const struct gate_view *gate_hold(struct gate *g);
/* The same at an instant: a published set whose time has come takes effect by this call. */
const struct gate_view *gate_hold_at(struct gate *g, struct instant now);
/* True after a set took effect, until gate_turn_noted: gate_note_policy puts it on record. */
bool gate_turned(struct gate *g);
void gate_turn_noted(struct gate *g);
/* When the next set takes effect; INSTANT_FOREVER if none waits. */
struct instant gate_next(struct gate *g);
/*
 * The database held against the record, at a start (docs/security.md T20). What the record has and the
 * database lacks was done after the copy that was put back: erasures are done again (vault.h, the ledger; by
 * the names in their details, which ask nothing of a person's key), consents and withdrawals are taken from
 * their entries, what the sweep deleted it deletes again. ERR_CONFLICT if more is missing, or the record is
 * the older one, and `accept` is false: nothing was changed. Otherwise what came back and what stays lost is
 * put on record by gate_loss_note. Other is what else the caller accepts, as JSON members; may be empty.
 */
enum err gate_reconcile(struct gate *g, struct store *st, struct audit *au, bool accept, struct span other,
                        struct instant now, struct arena *a, struct fail *f);
/* Persons that this start erased again: the database was restored from a time before (vault.h, the ledger).
 */
uint64_t gate_erased_again(const struct gate *g);
/* Fields offered since the start that the policy does not declare (B4.4). */
uint64_t gate_undeclared(struct gate *g);
void gate_release(struct gate *g, const struct gate_view *v);
/* Reads the registers again (engine's on_registers). */
void gate_registers_changed(struct gate *g, struct store *st);

/* ---- Many daemons on one database (nodes.h) */

/* In a snapshot or group whose version of registers, policies and keys is `version`: loads what another node
 * changed, if the gate has not got it. What it decides from then on goes by it. Any thread; a failure leaves
 * all as it was. */
enum err gate_follow(struct gate *g, struct store *st, int64_t version, struct instant now, struct fail *f);
/* The version that is loaded. */
int64_t gate_version(struct gate *g);
/* What signs the index log over all nodes (index.h). The caller frees it. */
struct sign_key *gate_index_key(const struct gate *g);
/* Entries of all nodes are in the database (engine.h, copies): a person's history is read from there. */
void gate_copies_set(struct gate *g, bool copies);
bool gate_copies(const struct gate *g);
/* Another node erased this person: the key leaves memory, and a line of the ledger is written here, too. */
void gate_heard_erased(struct gate *g, struct span subject);
/* What others erased while nothing was heard: all opened keys leave memory, and the ledger is completed. */
enum err gate_heard_nothing(struct gate *g, struct store *st, struct fail *f);
/* Decisions allow until then (monotonic ms); after it they are ERR_BUSY: the node is deaf. 0: for ever, as
 * where the database is a file. `why` is a literal, told when it has come. */
void gate_hears_until(struct gate *g, int64_t until_ms, const char *why);
/* The database answered: extends that instant, never shortens it, and never lifts a refusal that stands
 * (until_ms 1) or turns "for ever" into an end. */
void gate_heard(struct gate *g, int64_t until_ms);
enum err gate_hears(struct gate *g, struct fail *f);

/* What a call leaves behind for the record, and the arena it works in. */
struct gate_call {
    struct gate *gate;
    const struct gate_view *view;
    struct store *st;
    struct arena *arena;
    struct instant now;
    const struct service *service; /* the calling client; null for the operator */
    struct arena *keep; /* where entries live, if `arena` is reset between persons; null: in `arena` */
    struct audit_entry *entries;
    struct subject_id *entry_subject;
    bool *entry_has_subject;
    struct span
        *opening; /* of each: what opens its commitment, for receipts in the answer; empty with `keep` */
    size_t n_entries, cap_entries;
    struct subject_id made; /* the person whom the call made last: a refusal about them is of nobody, as they
                             * are rolled back with what was refused; zeros: none */
    bool adopted;           /* entries of another node are among them: whom they concern is not said */
    bool undo;              /* the change must be rolled back, the entries stay */
    bool forget_history;    /* the person of entry 0 was erased: their rows of history.db go (engine.h) */
};

/* What is kept of an import, in two rows of `meta`, names nothing of the lines: the row's name is of a keyed
 * MAC of the import's name (in the call's arena), and of the digest of the lines a keyed MAC is kept. */
#define GATE_IMPORT       "imported"       /* how far it is, and the ids of the last batch */
#define GATE_IMPORT_LINES "imported-lines" /* the MAC, and of how many lines */
struct span gate_import_row(const struct gate_call *c, const char *kind, struct span name);
void gate_import_mac(const struct gate_call *c, struct span name, struct span digest, uint8_t out[32]);

/* The members that gate_reconcile left for the entry of the start, once; empty: nothing was lost. In a WRITE
 * job. */
enum err gate_loss_note(struct gate_call *c, struct span *members, struct fail *f);

struct evidence {
    struct span name, reference;
};

/* One request, names as the caller wrote them (resolved and checked inside). */
struct gate_request {
    struct subject_id subject;
    bool has_subject;           /* false: a visitor */
    const struct subject *read; /* the same person, read in this job already; null: not yet */
    struct span actor;          /* "service" (default), "subject", "guardian:HEX", "staff:agent-1", ... */
    struct span service; /* where: default the caller's own name; another service only for the operator */
    struct span purpose;
    struct span operation; /* default "use" */
    struct span fields[GATE_FIELDS_MAX];
    size_t n_fields; /* 0: is there anything at all this purpose may process? The best answer over all fields
                      * is given as one field with an empty name and index POLICY_NONE */
    struct span recipient; /* registered name; empty: own */
    struct span basis;     /* default none-claimed */
    struct span source;    /* collect: default subject */
    struct span device;
    struct span topics[GATE_TOPICS_MAX]; /* what consents must cover: channel, class, announced use */
    size_t n_topics;
    struct evidence evidence[GATE_EVIDENCE_MAX];
    size_t n_evidence;
    /* gate_read: a tag for each field's values is made (gate_field.tag), and a field whose tag is the one in
     * `known`, at the place of the field, is told as unchanged instead of handed out again. */
    bool tags;
    bool brief; /* nobody asks where values come from: source, purpose and region of what is read may stay
                   empty */
    struct span known[GATE_FIELDS_MAX];
    bool explain; /* fill trace */
};

#define GATE_TAG_LEN 16
/* The answer for one field. */
struct gate_field {
    struct span asked; /* as the caller wrote it */
    unsigned field;    /* index in the policy; POLICY_NONE for "anything at all" */
    enum policy_answer answer;
    struct span clause;     /* document/clause-id */
    unsigned clause_number; /* its number in the policy; POLICY_NONE */
    struct span reason;     /* closed list, with underscores: "consent_required"; empty when allowed */
    struct span needs[GATE_NEEDS_MAX]; /* names missing, smallest set, as the policy spells them */
    size_t n_needs;
    struct span mask;          /* mask's name, empty */
    struct instant keep_until; /* store/collect: the policy's limit; INSTANT_FOREVER if open */
    uint64_t deeds;
    char tag[GATE_TAG_LEN +
             1];    /* of the values read: the same as long as they and their mask are; "" if none */
    bool unchanged; /* the caller has them already */
};

struct gate_answer {
    enum policy_answer answer; /* worst of the fields */
    struct gate_field *fields;
    size_t n_fields;
    struct span obligations[32]; /* with underscores: "record_disclosure" */
    size_t n_obligations;
    struct span
        tried[POLICY_TRIED_MAX]; /* clauses whose cases came near and missed (explain, default_deny) */
    size_t n_tried;
    struct span hint;       /* "recipient 'ship-c' is not registered; did you mean 'ship-b'?", or empty */
    struct span trace_json; /* explain */
    /* Grows with every change that may change a decision about this person: a consent or its end, an age, a
     * hold, an order, a value, a register. Passing time is not in it. */
    uint64_t epoch;
};

/*
 * How a field is answered, beyond what the policy says by itself:
 *
 * 1. A missing need that was held once and ended turns `needs` into `deny`: `withdrawn` (consents,
 * agreements, permissions; a permission's own reason permission_off stays), `agreement_expired` (a
 * recipient's papers), `expired` (approvals, references of the operator's list). One that was given for other
 * fields only: `deny`, `scope` (B3.3.1). One that was never held leaves `needs` with the need's own reason.
 *
 * 2. A recipient that is not registered, or suspended: deny, default_deny.
 *
 * 3. An allowed field also needs a registered grant of the recipient (purpose and explicit list of fields),
 * else deny with `scope` (B3.1.p). No grant is needed where the answer rests on the evidence, or on a basis
 * other than consent, that was claimed: where the policy would refuse without them (courts, guardians,
 * emergencies).
 *
 * The policy's own refusal comes before 3 and before suspension; that nobody registered the recipient before
 * all.
 */
/* Decide only; one DECISION entry. Errors: ERR_UNKNOWN_NAME for purpose, operation, basis, actor, service
 * (with a suggestion), ERR_UNDECLARED_FIELD naming all fields that are not declared, ERR_WILDCARD for "*",
 * ERR_NOT_FOUND for the person. An unknown recipient is an answer (deny, default_deny), not an error. */
enum err gate_decide(struct gate_call *c, const struct gate_request *q, struct gate_answer *out,
                     struct fail *f);

/* Fields and values to collect or correct. */
struct gate_value {
    struct span field, item, plain;
};
/* Collect: decides each field; all allowed, or nothing is stored and the answer says why (ERR_REFUSED, clause
 * of the first refused). Undeclared fields: ERR_UNDECLARED_FIELD listing all, or, for a lenient service,
 * dropped and counted; so is what a login of another company says too much (source third_party_account). A
 * phone or e-mail is normalised, validated and indexed (ERR_TAKEN, ERR_BAD_VALUE). `correct`: operation
 * correct. */
enum err gate_collect(struct gate_call *c, const struct gate_request *q, const struct gate_value *values,
                      size_t n, bool correct, struct gate_answer *out, size_t *dropped, struct fail *f);

/* A value that left. */
struct gate_out {
    struct span field, item, plain; /* masked if the field's answer says so */
    bool masked;
    uint32_t version;
    struct value_mark mark;
    struct span source, service, purpose, region;
    struct instant time, keep_until;
};
/* Read (operations use, display, read, export): the allowed subset is opened, masked and returned; refused
 * fields carry their reason in the answer. */
enum err gate_read(struct gate_call *c, const struct gate_request *q, struct gate_answer *answer,
                   struct gate_out **out, size_t *n, struct fail *f);
/* Pages of people in the order in which they came: the people of a service, or those who ever consented to a
 * purpose. Nobody is decided about here: each is to be read for itself (gate_read). *next: where the next
 * page begins, 0 at the end; a page may be short, or empty, before that. sids[i]: where it would begin if
 * this one ended with out[i]. */
#define GATE_PAGE_MAX 1000
struct gate_page {
    struct span service, purpose;
    bool consented;
    int64_t after; /* 0: from the beginning */
    size_t limit;  /* 1 to GATE_PAGE_MAX */
};
enum err gate_walk(struct gate_call *c, const struct gate_page *page, struct subject_id *out, int64_t *sids,
                   size_t *n, int64_t *next, struct fail *f);
/* All that is held of the person, for themself (B5.1.a): as read, operation export, by the subject unless
 * `asked` names a guardian. `asked` says purpose and evidence; its fields are filled in. Nothing held: an
 * entry and an empty answer. The receipt points at the entry. */
enum err gate_export(struct gate_call *c, const struct subject *s, struct gate_request *asked,
                     struct gate_answer *answer, struct gate_out **out, size_t *n, struct fail *f);
/* Share with a recipient: as read, with operation share (or transfer, disclose), the recipient's grant
 * (fields outside it are refused with `scope`), and a row in the person's list of shares. */
enum err gate_share(struct gate_call *c, const struct gate_request *q, struct gate_answer *answer,
                    struct gate_out **out, size_t *n, struct share_id *id, struct fail *f);
/* Deletes one field (all items, or one). Nothing under a legal hold: hold_only. */
enum err gate_delete(struct gate_call *c, const struct gate_request *q, struct span item,
                     struct gate_answer *answer, int64_t *deleted, struct fail *f);

/* ---- Persons and their choices: changes with their record entry */

/* `device` may be empty; one that remembers a child makes a child of whoever registers there (A2.1.1.1). */
enum err gate_subject_create(struct gate_call *c, struct date birth, struct span device, struct subject *out,
                             struct fail *f);
/* The age was learned later: band and state follow, the key moves to the class of the band, and what is held
 * stays no longer than is now allowed. A service can only say that somebody is younger (ERR_FORBIDDEN). */
enum err gate_age(struct gate_call *c, struct subject_id id, struct date birth, struct span service,
                  struct subject *out, struct fail *f);
/* Destroys the key, removes the rows, leaves the ledger line and an ERASE entry, which the receipt points at.
 * ERR_CONFLICT while a legal hold keeps something: closing the account leaves that alone. */
enum err gate_erase(struct gate_call *c, struct subject_id id, struct span actor, struct subject *out,
                    struct fail *f);
/* Closes the account with one service, or with all (`service` empty) (B5.3). What came through the service
 * goes, its consents are withdrawn, the relation ends. What a legal hold keeps stays for that duty, and goes
 * with the hold's end. With all: if nothing is held, the person is erased as gate_erase does; otherwise they
 * stay, without services, for the hold alone. Leaves a CLOSE entry, which the receipt points at.
 * ERR_NOT_FOUND: the person has no account with this service. */
struct gate_closure {
    bool erased;
    int64_t deleted;         /* values */
    int64_t withdrawn;       /* consents */
    const struct hold *kept; /* holds that keep values */
    size_t n_kept;
};
enum err gate_close_account(struct gate_call *c, const struct subject *s, struct span service,
                            struct span actor, struct gate_closure *out, struct fail *f);
enum err gate_guardian_add(struct gate_call *c, struct subject_id child, struct subject_id guardian,
                           bool verified, struct span evidence, struct fail *f);
/* Who may say it follows from the need's source: `consent`, `device`, `preference`: the person, or a child's
 * guardian; a child alone can narrow, never widen (A2.4.5: state awaiting_guardian); `guardian`: a verified
 * guardian; `staff`: the operator only; the event's party is the actor approved ("staff:agent-1"), empty for
 * every one. After a guardian's agreement to the document written for children a waiting child becomes
 * active, after its withdrawal it waits again. A child's own widening act is kept and has no effect:
 * out->state is awaiting_guardian. What an announcement says is noted as deemed. The agreement's revision,
 * digest and operations are filled in from the text in force. */
enum err gate_consent(struct gate_call *c, struct subject_id id, struct consent_event *e, struct subject *out,
                      struct fail *f);
/* Looks a person up by an identifier; not a decision of its own: the caller must pass the guard. */
enum err gate_lookup(struct gate_call *c, struct span kind, struct span plain, struct subject_id *out,
                     struct fail *f);

/* ---- What ties values to a duty or an order (ties.h) */

/* One field is kept for a legal duty. gate_hold_note leaves the entry for all that were put. */
enum err gate_hold_put(struct gate_call *c, struct subject_id id, const struct hold *h, struct fail *f);
enum err gate_hold_note(struct gate_call *c, struct subject_id id, struct span fields, struct span reference,
                        struct fail *f);
/* A recipient is at work on an order, or the order is closed: not later than now, ERR_BAD_VALUE. */
enum err gate_purchase_put(struct gate_call *c, struct subject_id id, const struct purchase *p,
                           struct fail *f);

/* Something happened from which a time to keep may count (B4.0.a): `what` names an event of the policy, and
 * its scope; `fields`: comma list, empty for every one. ERR_UNKNOWN_NAME, with a suggestion; ERR_BAD_VALUE
 * for what the daemon notes by itself, and for a time later than now. *set: values whose time changed.
 * Happening again starts the clock again. */
enum err gate_happened(struct gate_call *c, const struct subject *s, const struct happening *what,
                       struct span fields, size_t *set, struct fail *f);

/* ---- Pruning the record: what must stay, and what may go (audit.h, "Epochs and pruning") */

/* The least there is: an epoch holds logs and records of processing, so that the longer time applies. */
#define GATE_KEEP_LOGS_MONTHS 6 /* Cybersecurity Law, article 21(3): network logs */
#define GATE_KEEP_RECORDS_MONTHS                                                                             \
    36 /* Personal Information Protection Law, article 56: records of processing */
#define GATE_KEEP_MOST_MONTHS 1200
#define GATE_PRUNE_SEGMENTS   2  /* deleted in one step: the committer is held up for milliseconds */
#define GATE_PRUNE_PARTS      64 /* of history.db, by person */

enum gate_epoch_state {
    GATE_EPOCH_OPEN,
    GATE_EPOCH_KEPT,   /* its time is not over */
    GATE_EPOCH_HELD,   /* a person whose data is under a legal hold has entries in it */
    GATE_EPOCH_BEHIND, /* its time is over, but one before it stays */
    GATE_EPOCH_DUE,
    GATE_EPOCH_PRUNED
};
struct gate_epoch {
    struct audit_epoch epoch;
    enum gate_epoch_state state;
    struct instant until; /* closed: when its time is over */
    uint64_t bytes;       /* of its segments */
};
struct gate_epochs {
    struct gate_epoch *list;
    size_t n;
    int64_t keep_months;
    uint64_t minimum;
    bool pruning; /* one is under way */
};
const char *gate_epoch_state_name(enum gate_epoch_state s);
enum err gate_epochs(struct gate_call *c, struct audit *au, struct gate_epochs *out, struct fail *f);
/* How long closed epochs stay. ERR_BAD_VALUE below the least there is, naming the article. Leaves an entry.
 */
enum err gate_keep_record(struct gate_call *c, int64_t months, struct fail *f);
/* Begins: puts on record which epochs go, up to and with the named one (empty: all that are due), and
 * remembers it in the same change; dry: only says what would go. ERR_CONFLICT, with the reason, for an epoch
 * that is open, not due or held; ERR_NOT_FOUND if there is none of that name. WRITE jobs. */
struct gate_prune_plan {
    size_t epochs; /* 0: nothing is due */
    uint64_t entries, bytes, minimum;
    bool resumed; /* what was begun before is to be finished first */
};
enum err gate_prune(struct gate_call *c, struct audit *au, struct span until, bool dry,
                    struct gate_prune_plan *out, struct fail *f);
/* One step of what was begun: first the minimum rises, then files go, while `gone` sees to the rows of
 * history.db (engine.h, engine_forget_before) and says when they went; the last step puts it on record. Taken
 * up after a crash where it was. *more: call again. Nothing under way: nothing happens. WRITE jobs. */
struct gate_pruning {
    uint64_t left;    /* segments to go */
    uint64_t minimum; /* entries below are gone */
    bool more;
};
typedef bool (*gate_rows_gone)(void *ctx, uint64_t minimum);
enum err gate_prune_step(struct gate_call *c, struct audit *au, gate_rows_gone gone, void *ctx,
                         struct gate_pruning *out, struct fail *f);

/* ---- What must go in time (B4.0.a) */

#define GATE_SWEEP_VALUES  64 /* of one call: a few milliseconds of the committer */
#define GATE_SWEEP_PERSONS 64 /* each with an entry of its own */

struct gate_sweep {
    uint64_t deleted; /* values whose time was over */
    uint64_t held;    /* kept to the end of a legal hold instead */
    uint64_t grown;   /* persons who turned 14: their keys changed class (A2.3.2) */
    bool more;        /* there may be more: call again */
};
/* WRITE. One batch, the longest overdue first; one entry for each person, sealed under their key. */
enum err gate_sweep(struct gate_call *c, struct gate_sweep *out, struct fail *f);
struct gate_retention {
    int64_t due;
    struct instant next;    /* INSTANT_FOREVER: nothing has an end */
    uint64_t deleted, held; /* since the start of this process */
    struct instant last;    /* the last batch; 0: none yet */
};
enum err gate_retention(struct gate_call *c, struct gate_retention *out, struct fail *f);
/* Without asking the database: the last batch did not reach the end of what was due. */
bool gate_sweep_behind(const struct gate *g);

/* ---- Keys */

/* Changes keys while serving, in calls of one group each (vault.h); each is on record when something begins
 * or ends. `key`: adult, child, master. `from` says where a class goes on, all zeros where it begins: that
 * call makes the new key. */
struct gate_rotation {
    struct span key;
    const char
        *new_file; /* master: where the new key is; null: beside the file in use, whose place it takes */
    struct subject_id from;
    int64_t generation;
    uint64_t left, wrapped; /* at the beginning; by this call */
    bool resumed, finished;
};
#define GATE_ROTATE_MAX 500 /* keys of one call: a few milliseconds of the committer */
enum err gate_rotate(struct gate_call *c, struct gate_rotation *r, struct fail *f);

/* ---- Messages (B1.2.8) */

struct gate_message {
    struct span channel, class;
    struct span template;  /* an approved template of this class; may be empty */
    struct span reference; /* what obliges us to send it; legal notices need one */
};
/* Whether a message may go out: `asked` has the person and the service. Offers need the policy's consent for
 * the channel and for the class (reasons channel_off, class_off); notices need none, and *basis says what
 * they rest on. */
enum err gate_send(struct gate_call *c, const struct gate_request *asked, const struct gate_message *m,
                   struct gate_answer *out, struct span *basis, struct fail *f);

/* ---- What everybody sees, and what everybody gives */

/* Nickname, picture and posts, as far as they may be disclosed to the public (B1.2.4). ERR_NOT_FOUND if
 * nothing may. */
enum err gate_profile(struct gate_call *c, struct subject_id id, struct gate_out **out, size_t *n,
                      struct fail *f);
/* ---- Words that the daemon speaks by itself (docs/policy-reference.md), in the words of this policy */

/* The value of this name, or the first member of the group of this name; empty: the policy has neither. */
struct span gate_word(const struct policy *p, enum policy_dimension d, const char *name);
/* The field that finds a person by its form ("phone-numbers", "email-addresses"): the first of the group
 * `identifiers`. Empty: there is none. */
struct span gate_identifier(const struct policy *p, const char *form);
/* The actor of a request that names none: `service`, or the first of `us`. */
struct span gate_actor(const struct policy *p);
/* ERR_UNKNOWN_NAME: what to declare for this to work. `noun`: "purpose", "field". */
enum err gate_word_missing(struct fail *f, const char *noun, const char *name);

/* Whether registration with a class of service could ever take a field (B1.2.1). */
bool gate_registers(const struct gate_view *v, struct span service_class, struct span field);

/* ---- What is held, and who read it */

/* Everything held, provenance only. */
enum err gate_held(struct gate_call *c, struct subject_id id, struct gate_out **out, size_t *n,
                   struct fail *f);

struct gate_history_row {
    struct span node; /* whose record; empty: this one's, where there is no other */
    uint64_t index;
    struct instant time;
    const char *kind;   /* audit_kind_name */
    struct span detail; /* JSON object as recorded; its members are listed in gate_record.c */
};
/* A page of it. Where one ends and the next goes on has a name: the entry, or where the entries of several
 * nodes lie together, "TIME.NODE.ENTRY". */
struct gate_history_page {
    struct span before; /* empty: from the newest; else what a page gave as `next` */
    size_t limit;
    struct span next; /* out; empty: there is nothing older. In the call's arena */
};
/* The person's own record, newest first, opened under their key. *until: it was read from a replica, which
 * has what was committed before; 0: it is whole. ERR_BAD_VALUE: `before` is not of a page. */
enum err gate_history(struct gate_call *c, struct subject_id id, struct gate_history_page *page,
                      struct gate_history_row **out, size_t *n, struct instant *until, struct audit *audit,
                      struct fail *f);
/* The receipt of one entry of a person (C2SP tlog-proof with the leaf and its opening), for them to keep: it
 * can be checked without us, and still after their erasure. ERR_NOT_FOUND for entries that are not theirs,
 * ERR_BUSY before a checkpoint covers it. */
enum err gate_receipt(struct gate_call *c, struct subject_id id, uint64_t entry, struct audit *audit,
                      struct span *receipt, struct fail *f);

/* For the engine after a power cut: whom an entry concerns. The pseudonyms of the living are computed once
 * for each epoch of a pass, which begins with an empty leaf; the entries of the erased stay without a name.
 * Fails where it cannot be told just now, because people or keys could not be read; asked again, it reads
 * them again. ctx is the gate. */
enum err gate_entry_subject(void *ctx, struct store *st, struct span leaf, uint8_t subject[16], bool *found,
                            struct fail *f);

/* In a WRITE job, at the start and when a set took effect: its coming into force is put on record, once
 * (B0.1). */
enum err gate_note_policy(struct gate_call *c, struct fail *f);
/* An entry about a register or a start (no person). `detail`: JSON without personal data. */
enum err gate_note(struct gate_call *c, enum audit_kind kind, struct span detail, struct fail *f);

/* In a WRITE job: an entry that another node committed and could not put into its own record any more, as it
 * is. ERR_CORRUPT if the leaf is none. */
enum err gate_adopt(struct gate_call *c, struct span leaf, struct span detail, struct fail *f);

/* ---- Revisions of the documents (B0.1) */
struct revision_row {
    struct span document, title, language;
    uint32_t revision;
    struct instant in_force, ends; /* the same: taken back before it began */
    struct digest digest;
    struct span text; /* source */
    bool renews;      /* reduced rights: agreements to earlier revisions do not reach it */
};
/* The revision of `document` in force at `at`; ERR_NOT_FOUND. */
enum err gate_revision_at(struct gate_call *c, struct span document, struct instant at,
                          struct revision_row *out, struct fail *f);
/* The same in a language the document is published in ("zh-CN"); gate_revision_at is the document itself. */
enum err gate_text_at(struct gate_call *c, struct span document, struct span language, struct instant at,
                      struct revision_row *out, struct fail *f);
enum err gate_revisions(struct gate_call *c, struct revision_row **out, size_t *n, struct fail *f);
/* The revisions of one document in the order of their numbers, a row for each language, without the texts;
 * *n is 0 for a document that was never published. Of a number that was taken back and published again only
 * the rows that hold come first. */
enum err gate_line(struct gate_call *c, struct span document, struct revision_row **out, size_t *n,
                   struct fail *f);
/* The set a revision came with: the first that held, else one that was taken back; 0: none. */
enum err gate_set_of(struct gate_call *c, struct span document, uint32_t revision, uint32_t *set,
                     struct fail *f);
/* The policy of any set, compiled from its stored texts unless it runs or is one of the few kept: tens of
 * milliseconds, so only on the worker. It lives until the call's arena is reset. ERR_POLICY: this version
 * finds errors in texts that an earlier one took. */
#define GATE_SETS_KEPT 4 /* a compiled set is a few MiB */
enum err gate_set_policy(struct gate_call *c, uint32_t set, const struct policy **out, struct fail *f);
/* A revision by its number, in force or not. */
enum err gate_text_of(struct gate_call *c, struct span document, struct span language, uint32_t revision,
                      struct revision_row *out, struct fail *f);

/* ---- Sets of documents: what is published together and takes effect at one instant */

#define GATE_SETS_MAX 4096 /* one a week for eighty years */

/* What a set does to people's rights, against the one before it. */
enum gate_effect { GATE_EFFECT_NONE, GATE_EFFECT_NEUTRAL, GATE_EFFECT_PROTECTS, GATE_EFFECT_REDUCES };

struct policy_set_row {
    uint32_t number;
    struct digest digest;
    struct instant since, ends, published; /* since == ends: withdrawn before it began */
    enum gate_effect effect;
    bool noted; /* that it came into force is on record */
};
enum err gate_sets(struct gate_call *c, struct policy_set_row **out, size_t *n, struct fail *f);

/* ---- Publishing a set */

#define GATE_CHANGES_MAX      400 /* kept and told; the counts go on */
#define GATE_CHANGE_LANGUAGES 2

extern const char *const gate_change_languages[GATE_CHANGE_LANGUAGES]; /* BCP 47 */

/* One change, in plain sentences: HTML that is safe to put into a page. */
struct gate_change {
    enum gate_effect effect;
    struct span document; /* whose clause; empty: of the whole */
    struct span clause;   /* document/clause-id, may be empty */
    struct span sentence[GATE_CHANGE_LANGUAGES];
};

struct unit;
struct gate_publication {
    /* What the caller asks. */
    const struct policy_source *sources;
    size_t n_sources;
    bool dated; /* `effective` is set; else the day that the texts name */
    struct instant effective;
    bool dry; /* nothing is stored */
    /* What gate_publish_prepare finds out. */
    struct unit *unit;
    uint32_t against; /* number of the set it was compared with */
    enum gate_effect effect;
    size_t counts[GATE_EFFECT_REDUCES + 1]; /* changes by effect */
    struct gate_change *changes;            /* reduced rights first */
    size_t n_changes;
    /* What gate_publish decides. */
    struct policy_set_row set;
    struct instant earliest; /* as far as the promised notice goes */
    struct span notice;      /* the clause that promises it; empty: none */
    struct fail refused;     /* dry: why it would be refused as it stands; code OK: it would not */
    struct revision_row *documents;
    size_t n_documents; /* those that are new in it */
};

/* Compiles and compares with the policy of c->view; needs no database (c->st may be null). ERR_POLICY with
 * the messages in *m, which live as long as the publication. End with gate_publication_end. */
enum err gate_publish_prepare(struct gate_call *c, struct gate_publication *p, struct policy_messages *m,
                              struct fail *f);
/* In a WRITE job: checks numbers, days and notice, stores the set and leaves an entry; the job must report
 * changed registers. ERR_CONFLICT: a set waits already, a text changed under its old number, a number that
 * does not grow, nothing new, a day that is over; ERR_NOTICE: too early for what the policy promises. */
enum err gate_publish(struct gate_call *c, struct gate_publication *p, struct fail *f);
void gate_publication_end(struct gate_publication *p);
/* In a WRITE job: takes the waiting set back, by its number or the first 16 digits of its digest. The job
 * must report changed registers. */
enum err gate_withdraw(struct gate_call *c, struct span which, struct policy_set_row *out, struct fail *f);
/* What a set changed for a document, and for the whole; `document` empty: all of it. */
enum err gate_changes(struct gate_call *c, uint32_t set, struct span document, struct span language,
                      struct gate_change **out, size_t *n, struct fail *f);
/* none, neutral, protects, reduces */
const char *gate_effect_name(enum gate_effect e);

#endif
