// SPDX-License-Identifier: Apache-2.0
/*
 * policy.h: the policy language: read documents, name what is wrong with them, decide requests.
 *
 * Pure: no clock, randomness, files, sockets, malloc. Everything lives in the arena given to policy_load and
 * is immutable afterwards, so that a compiled policy may be read by any number of threads and swapped by
 * pointer. The language is specified in docs/policy-reference.md; section numbers below refer to it.
 *
 * Indices: every name of a dimension has an index (POLICY_NONE: no such). Index order is declaration order,
 * so it is stable for one text. Group names are not indices; they stand for a set of members.
 */
#ifndef TROTH_POLICY_H
#define TROTH_POLICY_H

#include "arena.h"
#include "err.h"
#include "instant.h"
#include "text.h"

#define POLICY_LANGUAGE_VERSION "1.3"

#define POLICY_NONE          0xffffu
#define POLICY_DOCUMENTS_MAX 32          /* group text, annexes, service clauses */
#define POLICY_VALUES_MAX    512         /* members of one dimension: 96 fields now; a bitset of 64 bytes */
#define POLICY_NEEDS_MAX     64          /* a need-set is one word */
#define POLICY_FACTS_MAX     64          /* a fact-set is one word */
#define POLICY_NORMS_MAX     4096        /* ten times the reference policy with every annex */
#define POLICY_SOURCE_MAX    (4u << 20)  /* bytes of one document: fifty times the reference text */
#define POLICY_FILES_MAX     256         /* of one folder: every document in eight languages */
#define POLICY_FOLDER_MAX    (16u << 20) /* bytes of them together */
#define POLICY_NAME_MAX      64
#define POLICY_MESSAGES_MAX  200 /* messages kept; the count goes on */
#define POLICY_TRIED_MAX     32

enum policy_dimension {
    DIM_OPERATION,
    DIM_ACTOR,
    DIM_SUBJECT,
    DIM_SERVICE,
    DIM_JURISDICTION,
    DIM_PARTY,
    DIM_PURPOSE,
    DIM_BASIS,
    DIM_FIELD,
    DIM_COUNT
};

/* Other kinds of name. */
enum policy_kind {
    KIND_NEED,
    KIND_FACT,
    KIND_MASK,
    KIND_DEED,
    KIND_EVENT,
    KIND_CATEGORY,
    KIND_AUDIENCE, /* whom a duty tells */
    KIND_CHANNEL,  /* by what */
    KIND_COUNT
};

/* One document to read. `name` is the file's name ("group.md"), shown in messages. */
struct policy_source {
    struct span name;
    struct span text;
};

enum policy_severity { POLICY_ERROR, POLICY_WARNING };

/* The kinds of message, in the stable spelling of `check --json`. */
enum policy_message_kind {
    MSG_SYNTAX,
    MSG_NAME,
    MSG_CONTRADICTION,
    MSG_SILENT_LIFTING,
    MSG_UNRANKED_OVERLAP,
    MSG_CYCLE,
    MSG_BROKEN_PROMISE,
    MSG_NO_KEEP_RULE,
    MSG_DEAD_NORM,
    MSG_REDUNDANT_NORM,
    MSG_UNUSED,
    MSG_UNMASKED,
    MSG_UNCOVERED,
    MSG_UNTRANSLATED,
    MSG_KIND_COUNT
};

struct policy_message {
    enum policy_severity severity;
    enum policy_message_kind kind;
    struct span file;             /* source name */
    uint32_t line, column, width; /* 1-based; column and width in characters, not bytes */
    struct span message;          /* one sentence, with the suggestion in it when there is one */
    struct span source_line;
    struct span clause;  /* document/clause-id, may be empty */
    struct span other;   /* the second place, as file:line:column, may be empty */
    struct span witness; /* a request as policy_request_read reads it, may be empty */
    struct span example; /* the same as a sentence */
};

struct policy;

struct policy_messages {
    struct policy_message *list;
    size_t n;      /* kept */
    size_t errors; /* counted, kept or not */
    size_t warnings;
    size_t counts[MSG_KIND_COUNT]; /* the same, by kind */
    struct policy *draft; /* the policy, if it could be compiled, even if it is not fit to be published */
};

/* Reads, resolves, compiles and checks the documents. Always sets *m. Null if there is any error. The texts
 * must stay valid as long as the policy (copy them into the same arena). */
struct policy *policy_load(struct arena *a, const struct policy_source *sources, size_t n,
                           struct policy_messages *m);

/* Whether the text has a line that opens one of our blocks, or nearly: the first one, and its number. */
bool policy_announced(struct span text, struct span *line, uint32_t *number);

/* "file:line:column: error: ...", the source line, carets; one message. */
void policy_message_put(struct text *t, const struct policy_message *m);
/* The stable JSON of `check --json`: {"errors": [MESSAGE], "warnings": [MESSAGE], "counts": {KIND: N}}, where
 * a MESSAGE has kind, message, file, line, column, clause (empty outside a clause), and other and witness
 * when there are any. Every kind has its count; the lists hold at most POLICY_MESSAGES_MAX together. */
void policy_messages_json(struct text *t, const struct policy_messages *m);
const char *policy_message_kind_name(enum policy_message_kind k);

/* ---- Names */

size_t policy_count(const struct policy *p, enum policy_dimension d);
struct span policy_name(const struct policy *p, enum policy_dimension d, unsigned index);
/* Index of a member (not of a group). '.' and '_' are read as '-', so `contact.phone` finds contact-phone. */
unsigned policy_find(const struct policy *p, enum policy_dimension d, struct span name);
/* The nearest name of the dimension (members and groups), or empty when nothing is near. */
struct span policy_suggest(const struct policy *p, enum policy_dimension d, struct span name);
/* True if the member belongs to the group (or is it). */
bool policy_in_group(const struct policy *p, enum policy_dimension d, unsigned member, struct span group);

size_t policy_kind_count(const struct policy *p, enum policy_kind k);
struct span policy_kind_name(const struct policy *p, enum policy_kind k, unsigned index);
/* What the catalogue says of it, in words; empty if it says nothing. */
struct span policy_kind_words(const struct policy *p, enum policy_kind k, unsigned index);
unsigned policy_kind_find(const struct policy *p, enum policy_kind k, struct span name);
/* Where a need is obtained or a fact is known (`from SOURCE`, section 2); empty if not said. */
struct span policy_kind_source(const struct policy *p, enum policy_kind k, unsigned index);
/* The reason a missing need gives (`otherwise REASON`); "consent-required" style, empty if not said. */
struct span policy_need_reason(const struct policy *p, unsigned need);

unsigned policy_field_grade(const struct policy *p, unsigned field);    /* 1..5 */
unsigned policy_field_category(const struct policy *p, unsigned field); /* index of KIND_CATEGORY */

/* The i-th of the closed reasons a rule may give ("no-agreement"); null behind the last. Records hold the
 * position: the list grows only at its end. */
const char *policy_reason(size_t i);

/* ---- Documents and clauses */

struct policy_document {
    struct span name;  /* "group" */
    struct span title; /* as declared */
    struct span file;
    uint32_t revision;
    struct date in_force;
    struct span text; /* the whole source */
};

size_t policy_documents(const struct policy *p);
const struct policy_document *policy_document(const struct policy *p, unsigned doc);
unsigned policy_document_find(const struct policy *p, struct span name);
/* True if the document's scope holds the subject class and the service (other dimensions left open). The
 * catalogue's document, which has no norms, never applies. */
bool policy_document_applies(const struct policy *p, unsigned doc, unsigned subject, unsigned service);

/* A clause: one rule, plain or document block. Clause names are printed as document/clause-id. */
struct policy_clause {
    unsigned document;
    struct span id;   /* "share.exc-01"; "document" for the document block */
    uint32_t line;    /* of the fence */
    struct span body; /* the sentences as written */
    bool plain;
    struct span heading; /* the nearest heading above */
};

size_t policy_clauses(const struct policy *p);
const struct policy_clause *policy_clause(const struct policy *p, unsigned clause);
/* Index of `document/clause-id`, or POLICY_NONE. */
unsigned policy_clause_find(const struct policy *p, struct span ref);
/* document/clause-id in the arena. */
struct span policy_clause_ref(const struct policy *p, unsigned clause, struct arena *a);

/* ---- Duties: `when EVENT ... must DEED ...` (section 6) */

/* Names of one kind by index, in the order written. */
struct policy_kind_list {
    const uint16_t *list;
    size_t n;
};

struct policy_duty {
    unsigned clause;
    unsigned event, deed, otherwise; /* otherwise: POLICY_NONE if none */
    struct span object,
        otherwise_object; /* what the deed is done to ("account-data"), as written; may be empty */
    struct span actor;    /* who: `we`, an actor or group of the catalogue, or an office */
    struct policy_kind_list audience, channels; /* KIND_AUDIENCE, KIND_CHANNEL */
    struct span condition;                      /* the formula as written, may be empty */
    const struct formula *when;                 /* the same compiled (policy_duty_binds); null: always */
    uint32_t number;                            /* 0: no deadline */
    struct span unit;                           /* "days", "working-days", ... */
    bool before;    /* before `start`, by at least `number`, rather than within number after it */
    unsigned start; /* event the clock starts at */
};

size_t policy_duties(const struct policy *p);
const struct policy_duty *policy_duty(const struct policy *p, unsigned i);

/* ---- Deciding (section 3) */

/* One field of one request. Every dimension must be a valid index. Bit i of the words is need i, fact i. */
struct policy_request {
    uint16_t value[DIM_COUNT];
    uint64_t facts; /* value of each fact; meaningless where not known */
    uint64_t facts_known;
    uint64_t needs; /* held */
};

enum policy_answer { ANSWER_ALLOW, ANSWER_ALLOW_MASKED, ANSWER_NEEDS, ANSWER_DENY, ANSWER_NOT_APPLICABLE };

enum policy_until_unit { UNTIL_NONE, UNTIL_HOURS, UNTIL_DAYS, UNTIL_WORKING_DAYS, UNTIL_MONTHS, UNTIL_YEARS };

/* True if some `until` begins with this event. */
bool policy_keeps_from(const struct policy *p, unsigned event);

struct policy_decision {
    enum policy_answer answer;
    unsigned clause;    /* the clause that decided: grant, bar, or of the missing need; the document's clause
                           when not applicable; POLICY_NONE for silence with no near miss */
    struct span reason; /* closed code with hyphens as written ("purpose-mismatch"); empty when allowed */
    uint64_t missing;   /* ANSWER_NEEDS: the smallest missing set */
    uint64_t alternatives[8]; /* further missing sets, smallest first */
    unsigned n_alternatives;
    uint64_t needs_used;  /* allowed: the needs the answer rested on (grant and conditions) */
    uint64_t deeds;       /* bit i: deed i must be done */
    unsigned mask;        /* strongest mask (declared last is strongest), POLICY_NONE if none */
    unsigned until_event; /* time limit of the grant: POLICY_NONE if none */
    uint32_t until_number;
    enum policy_until_unit until_unit;
    unsigned conditions[16]; /* clauses of the conditions that bound the answer */
    unsigned n_conditions;
};

/* True if the duty's condition holds of these facts and needs. What is not known counts as the worse: a fact
 * that is not known does not release from the duty. */
bool policy_duty_binds(const struct policy *p, unsigned duty, const struct policy_request *q);

/* Decides on the compiled form (section 4). No allocation; any thread. */
void policy_decide(const struct policy *p, const struct policy_request *q, struct policy_decision *d);
/* The same by the plain evaluator, section 3 to the letter: the specification, which tests compare with. They
 * differ in one thing: this one says no when more than twelve unknown facts stand in norms within reach, the
 * compiled form when more than twelve of them make a difference. */
void policy_decide_plain(const struct policy *p, const struct policy_request *q, struct policy_decision *d);

/* The compiled form: no pointers, the same bytes for the same rules; its SHA-256 is the identity of what
 * decides. Lives as long as the policy. */
struct span policy_packed(const struct policy *p);

/* ---- Proving (section 5): promises over every combination. */

/* One way a promise is broken. */
struct policy_region {
    unsigned clause; /* of the permission, ban or condition that breaks it; POLICY_NONE: nothing permits it */
    struct span why; /* "'group/share.exc-01' permits it" */
    struct span where;   /* in words: "with data-service; for trade; unless for-profit" */
    struct span witness; /* one such request, as policy_request_read reads it */
    struct span example; /* the same as a sentence */
};
struct policy_proof {
    struct span sentence;
    unsigned clause;               /* POLICY_NONE for a sentence that was asked about */
    struct policy_region *regions; /* none: proved */
    size_t n;
};
struct policy_proofs {
    struct policy_proof *list;
    size_t n;
};
/* Proves the promise (`must never`, `may always`, `every allowed ... must`), which holds in no document's
 * scope in particular; an empty span: all promises of the documents. ERR_BAD_VALUE: it is not a promise that
 * can be read. */
enum err policy_prove(const struct policy *p, struct span sentence, struct arena *a,
                      struct policy_proofs *out, struct fail *f);

/* How one norm fared, for explain and for `the cases tried`. */
enum policy_fate { FATE_STANDS, FATE_LIFTED, FATE_OUTRANKED, FATE_BINDS, FATE_WAIVED, FATE_NEAR };
struct policy_trace_row {
    unsigned clause;
    struct span kind; /* "grant", "bar", "condition", "waiver" */
    enum policy_fate fate;
    unsigned by;          /* clause that lifted, outranked or waived it; POLICY_NONE */
    struct span sentence; /* as written */
    struct span missed;   /* FATE_NEAR: the dimension that did not match ("purpose", "party", "fact ...") */
};
struct policy_trace {
    struct policy_trace_row *rows;
    size_t n;
};
/* As policy_decide, and tells which norms matched, what lifted what, and which grants missed by one
 * dimension. */
void policy_explain(const struct policy *p, const struct policy_request *q, struct policy_decision *d,
                    struct arena *a, struct policy_trace *trace);
/* The explanation in sentences, and as JSON. */
void policy_explain_put(const struct policy *p, const struct policy_request *q,
                        const struct policy_decision *d, const struct policy_trace *trace, struct text *t);
void policy_explain_json(const struct policy *p, const struct policy_request *q,
                         const struct policy_decision *d, const struct policy_trace *trace, struct text *t);

/* Reads "collect phone of adult in shop for delivery with ship by service basis none-claimed when a, b needs
 * c" style request text: `dimension=value` words separated by blanks, e.g. operation=use field=contact-phone
 * purpose=delivery service=shop subject=adult actor=service party=own facts=opted-out,!for-profit
 * needs=agreement A dimension left out takes its first declared value. Facts not named are known false. */
enum err policy_request_read(const struct policy *p, struct span s, struct policy_request *q, struct fail *f);
/* The same text for a request. */
void policy_request_put(const struct policy *p, const struct policy_request *q, struct text *t);
/* The request as a sentence: "service asks to share phone of adult with carrier for delivery". */
void policy_request_say(const struct policy *p, const struct policy_request *q, struct text *t);

/* The answer's name as the API prints it: allow, allow-masked, needs, deny, not-applicable. */
const char *policy_answer_name(enum policy_answer a);

#endif
