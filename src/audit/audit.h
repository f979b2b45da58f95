// SPDX-License-Identifier: Apache-2.0
/*
 * audit.h: the record. An append-only log of what was decided and done, hashed as RFC 6962 says, published as
 * C2SP tiles and signed checkpoints (docs/security.md, "The record").
 *
 * Files under DATA/audit: `segment-NNNNNNNN` (the truth), `tile/...`, `checkpoint`, `signed` (the last signed
 * size and root, synced before a checkpoint is published), `origin`, `key.pub`. A segment record is: u32
 * length, u32 CRC32C, u64 pending id (0 for a decision), u16 leaf length, leaf, detail. The leaf goes into
 * the tree and holds no personal data. The detail is ciphertext under the person's key and is never
 * published; without the key it is noise.
 *
 * One thread (the committer) calls append, seal and publish. The readers below may be called from any thread.
 */
#ifndef TROTH_AUDIT_H
#define TROTH_AUDIT_H

#include "arena.h"
#include "crypto.h"
#include "err.h"
#include "id.h"
#include "instant.h"
#include "merkle.h"

#define AUDIT_LEAF_MAX    200
#define AUDIT_OPENING_MIN 32 /* the key of the commitment; the detail in clear follows */
#define AUDIT_DETAIL_MAX                                                                                     \
    2048 /* 96 field ids, names of service, actor, purpose, party, case, evidence references */

/* Kinds of entry; the number is in the leaf and never reused. */
enum audit_kind {
    AUDIT_DECISION = 1, /* asked, nothing left */
    AUDIT_READ = 2,     /* values left to a service, staff or the person */
    AUDIT_COLLECT = 3,
    AUDIT_SHARE = 4,
    AUDIT_CORRECT = 5,
    AUDIT_DELETE = 6,
    AUDIT_ERASE = 7,
    AUDIT_SUBJECT = 8, /* a person was created, changed band or services */
    AUDIT_GUARDIAN = 9,
    AUDIT_CONSENT = 10, /* agreement or need given */
    AUDIT_WITHDRAW = 11,
    AUDIT_REGISTER = 12, /* services, recipients, papers, approvals */
    AUDIT_POLICY = 13,   /* a revision came into force */
    AUDIT_START = 14,    /* the daemon started on this log */
    AUDIT_REFUSED = 15,  /* an attempt the guard or the policy refused */
    AUDIT_EXPORT = 16,
    AUDIT_EPOCH = 17, /* the end of an epoch, made by the log itself */
    AUDIT_PRUNE = 18, /* closed epochs are to be deleted, or were */
    AUDIT_CLOSE = 19  /* an account was closed, for a service or for all */
};
#define AUDIT_KINDS 20 /* one more than the highest */

/* The leaf, before it is laid out. Fixed binary layout, documented in src/audit/DESIGN.md. */
struct audit_leaf {
    enum audit_kind kind;
    struct instant time;
    uint8_t actor[16];         /* pseudonym of who acted */
    uint8_t subject[16];       /* pseudonym of the person; zero if none */
    uint16_t service, purpose; /* indices in the policy named by revision; 0xffff none */
    uint16_t operation, party;
    uint16_t clause;    /* index of the clause in that policy */
    uint8_t answer;     /* enum policy_answer + 1; 0 none */
    uint8_t reason;     /* index in the closed list of reasons, 0 none */
    uint8_t policy[8];  /* first bytes of the policy's digest */
    uint8_t commit[32]; /* HMAC-SHA256(r, detail in clear) */
};

/* One entry ready to be appended. */
struct audit_entry {
    struct audit_leaf leaf;
    struct span detail;  /* sealed; may be empty */
    uint64_t pending_id; /* set by the engine for entries that come from the outbox */
};

/* Lays out the leaf; returns its length (<= AUDIT_LEAF_MAX). */
size_t audit_leaf_put(const struct audit_leaf *l, uint8_t out[AUDIT_LEAF_MAX]);
bool audit_leaf_get(struct span leaf, struct audit_leaf *out);
const char *audit_kind_name(enum audit_kind k);

struct audit;

/* Creates DATA/audit with a fresh signing key (DATA/audit-key, 0600). ERR_CONFLICT if it exists. */
enum err audit_create(const char *data, const char *host, struct instant now, struct fail *f);
/* How long an epoch of a log just made is: "quarter" (as without this call), "month" or "year". People's
 * pseudonyms in it change as often. ERR_BAD_VALUE. */
enum err audit_set_epoch(const char *data, const char *unit, struct fail *f);
/* The same as one of several records of one installation. */
struct audit_place {
    const char *host;
    struct span instance; /* the others'; empty: a new one */
    const char *node;     /* null: "1" */
};
enum err audit_create_at(const char *data, const struct audit_place *p, struct instant now, struct fail *f);
/* The instance in an origin; empty if there is none. */
struct span audit_instance(struct span origin);
/* Opens, recovers: cuts a torn tail that was never sealed, rebuilds tiles, refuses (ERR_CORRUPT) when the
 * segments are shorter than, or differ from, the last signed size and root, naming the place. */
enum err audit_open(const char *data, struct audit **out, struct fail *f);
/* The same for tools: takes no lock, repairs nothing, may run beside a daemon. Appending fails. */
enum err audit_open_read(const char *data, struct audit **out, struct fail *f);
void audit_close(struct audit *au);

/* Buffers one entry and gives it its index. The entry is not durable yet. ERR_TOO_LARGE: nothing happened.
 * ERR_DISK_FULL: no room for the next segment; nothing happened, and a later call may succeed. ERR_STOPPED,
 * ERR_IO. */
enum err audit_append(struct audit *au, const struct audit_entry *e, uint64_t *index, struct fail *f);
/* Sees to it that entries of so many bytes in all, none of them newer than `newest`, find room when they are
 * appended next: nothing but a failing disk can refuse them then. ERR_DISK_FULL: there is none now; nothing
 * has changed, and a later call may succeed. ERR_STOPPED. */
enum err audit_reserve(struct audit *au, uint64_t bytes, struct instant newest, struct fail *f);
size_t audit_entry_bytes(const struct audit_entry *e);
/* Makes room for the next segment once the last one is half full, so that a full disk is known before it
 * matters. By one thread, as audit_publish. ERR_DISK_FULL, ERR_IO. */
enum err audit_prepare(struct audit *au, struct fail *f);
/* Writes and fdatasyncs everything appended. After a failure nothing may be acknowledged any more: every
 * later call fails with ERR_STOPPED. Nothing appended since the last seal: OK at once. */
enum err audit_seal(struct audit *au, struct fail *f);
/* Writes new tiles and signs a checkpoint if the log has grown since the last. Called a few times a second,
 * by one thread at a time; that thread may be another than the one that appends. A failure here (a full disk,
 * say) does not touch what is sealed: the next call tries again. */
enum err audit_publish(struct audit *au, struct instant now, struct fail *f);
/* The highest pending id found in the log: outbox rows up to it are already recorded. */
uint64_t audit_pending_done(const struct audit *au);

/* Where the sealed record ends: what a copy of its files must hold, and nothing beyond. The thread that
 * appends asks, between a seal and the next append. */
struct audit_end {
    uint64_t size;    /* entries */
    uint64_t segment; /* the last one's number */
    uint64_t offset;  /* behind the last record in it */
};
struct audit_end audit_end(const struct audit *au);

/* ---- Readers, any thread */

uint64_t audit_sealed_size(const struct audit *au);
/* One sealed entry: leaf and detail, copied to the arena. ERR_GONE: it was pruned. */
enum err audit_read(struct audit *au, uint64_t index, struct arena *a, struct span *leaf, struct span *detail,
                    struct fail *f);
/* The published checkpoint note. */
enum err audit_checkpoint(struct audit *au, struct arena *a, struct span *note, struct fail *f);
/* A published tile by path as in merkle_tile_parse (without the leading "audit/"); "tile/entries" too. */
enum err audit_tile(struct audit *au, struct span path, struct arena *a, struct span *out, struct fail *f);
/* A tlog-proof of inclusion of `index` in the published checkpoint; ERR_BUSY if it is not covered yet. */
enum err audit_prove(struct audit *au, uint64_t index, struct arena *a, struct span *proof, struct fail *f);
struct span audit_origin(const struct audit *au);
/* The same with what the entry's commitment was made of: `opening` is r (32 bytes) and the detail in clear.
 * The receipt's extra is the leaf and the opening. ERR_INTEGRITY if it does not open the entry. Proofs and
 * receipts rest on the head that witnesses cosigned last (audit/witnessed) where that covers the entry. */
enum err audit_receipt(struct audit *au, uint64_t index, struct span opening, struct arena *a,
                       struct span *receipt, struct fail *f);
/* The published note and the proof that it extends a tree of old_size entries. ERR_NOT_FOUND: it is smaller.
 */
enum err audit_consistency(struct audit *au, uint64_t old_size, struct arena *a, struct digest **proof,
                           size_t *n, struct span *note, struct fail *f);

/* ---- Epochs and pruning (DESIGN.md)
 *
 * One tree, cut by time: the first entry of a new quarter is preceded by the closing entries of the old one,
 * begins a segment of its own, and the signed head right before it is kept for ever. Entries below the
 * minimum index are gone; every other proof stays what it was (C2SP tlog-tiles, "Pruning"). */

#define AUDIT_EPOCH_NAME 16
struct audit_epoch {
    char name[AUDIT_EPOCH_NAME]; /* 2026q4; 2026-11; 2026 */
    struct instant ends;         /* the first instant after it */
    uint64_t first, end;         /* its entries: [first, end) */
    bool closed, pruned;
    struct digest root; /* closed: of the tree of the first `end` entries */
};
/* Which epoch's pseudonym an entry of that instant carries: a number, as vault_pseudonym takes it. It is the
 * number of the log's epoch, but in a log of months or years that a troth made which changed pseudonyms by
 * the quarter in any log: there it stays so. Null: a log of quarters. Any thread. */
uint32_t audit_epoch_at(const struct audit *au, struct instant t);
/* The ways there are, for entries that another node's log would have had; the log's own is audit_epoch_way.
 */
#define AUDIT_EPOCH_WAYS 3
unsigned audit_epoch_way(const struct audit *au);
uint32_t audit_epoch_by(unsigned way, struct instant t);
/* Oldest first; the last one is open, once it has an entry. */
enum err audit_epochs(struct audit *au, struct arena *a, struct audit_epoch **out, size_t *n, struct fail *f);
/* The minimum index: entries below it were pruned. Any thread. */
uint64_t audit_minimum(const struct audit *au);
/* Makes the end of a closed epoch the minimum, durably; it never falls. From then on what lies below is gone
 * for everybody, though its files are still there. Called by the thread that appends. ERR_CONFLICT: no closed
 * epoch ends there; ERR_CORRUPT: the tree does not give the signed root of that end: nothing was changed. */
enum err audit_prune(struct audit *au, uint64_t minimum, struct fail *f);
/* Deletes up to `most` segments below the minimum, each with its tiles and summary; *left: how many there are
 * still. After a crash it goes on where it was. One thread at a time. */
enum err audit_prune_files(struct audit *au, size_t most, uint64_t *left, struct fail *f);
/* How many bytes the segments of [first, end) take on disk. */
uint64_t audit_segment_bytes_of(struct audit *au, uint64_t first, uint64_t end);

/* That the record contains a head of it which was kept elsewhere: a signed note, or a receipt with one in it.
 * ERR_CONFLICT: the record is older (shorter), or another history stands where that one was. ERR_GONE: it is
 * older than what was pruned, and no closed epoch ended with it: nothing can be said. ERR_BAD_VALUE:
 * not a head of this log. `head` may be null. */
enum err audit_known(struct audit *au, struct span kept, struct merkle_checkpoint *head, struct arena *a,
                     struct fail *f);
/* Calls each for every sealed entry whose pending id is higher, in order; it stops at the first failure. */
typedef enum err (*audit_each_fn)(void *ctx, uint64_t index, struct span leaf, struct span detail,
                                  struct fail *f);
enum err audit_after_pending(struct audit *au, uint64_t pending_id, audit_each_fn each, void *ctx,
                             struct fail *f);

/* ---- Receipts, checked without the log */

struct audit_receipt {
    uint64_t index;
    struct merkle_checkpoint head;
    struct span note;
    struct audit_leaf leaf;
    bool opened;        /* it carries the opening, and the commitment in the leaf is its */
    struct span detail; /* JSON; empty unless opened */
};
/* Whether the opening is what the leaf commits to. ERR_INTEGRITY, ERR_BAD_VALUE. */
enum err audit_opening_check(struct span leaf, struct span opening, struct fail *f);
/* That the leaf in the receipt stands in the tree of the checkpoint in it, signed by pk (null: the signature
 * is not looked at), and that the opening, if there is one, opens it. ERR_BAD_VALUE: not a receipt of this
 * kind; ERR_INTEGRITY: it proves nothing. */
enum err audit_receipt_check(struct arena *a, struct span receipt, const uint8_t *pk,
                             struct audit_receipt *out, struct fail *f);

/* ---- Verifying a folder without trusting the daemon */

struct audit_report {
    uint64_t minimum; /* entries below were pruned: what is said holds from here on */
    uint64_t entries; /* where the segments end, counted from the first entry ever */
    /* The size of the newest signed head: what is below is held by its signature. The entries from there on
     * are whole as far as the checksums of their records tell, which anybody can make anew; a daemon that
     * runs, or that was killed, leaves some. */
    uint64_t covered;      /* if ok */
    size_t epochs;         /* closed ones, the pruned among them */
    size_t n_incomparable; /* heads given that lie below the minimum, and the first of them */
    const char *incomparable;
    struct digest root; /* of that head */
    bool ok;
    char fault[400]; /* the first fault: file, offset, entry index, what differs */
};
/* Recomputes every leaf hash, every tile, the root and the signature of DATA/audit, and the checksums of the
 * entries that no signed head covers yet (not a fault: report->covered). Calls progress(ctx, done,
 * total) now and then if it is not null. OK with report->ok false when the log is wrong; other errors when it
 * cannot be read. */
enum err audit_verify(const char *data, struct audit_report *report,
                      void (*progress)(void *, uint64_t, uint64_t), void *ctx, struct fail *f);
/* The same, and that the record contains heads which somebody kept: signed notes of this log, out of a
 * receipt or from a witness. The one in audit/witnessed is looked at in any case. Only so are a cut end and a
 * history that was rewritten with the genuine key seen. ERR_BAD_VALUE, and nothing is checked: one of those
 * given is no head, or of another log. */
#define AUDIT_OLDER_MAX 16
struct audit_older {
    const char *name; /* for the fault */
    struct span note;
};
enum err audit_verify_older(const char *data, const struct audit_older *older, size_t n,
                            struct audit_report *report, void (*progress)(void *, uint64_t, uint64_t),
                            void *ctx, struct fail *f);

#endif
