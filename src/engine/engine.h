// SPDX-License-Identifier: Apache-2.0
/*
 * engine.h: readers and the one committer (docs/architecture.md, "The life of a request").
 *
 * A job is one request on its way to its answer. READ jobs run on reader threads or, if they are short, on
 * threads of the caller's (lanes), many of them in one snapshot; WRITE jobs run on the committer, each in a
 * savepoint of the group's transaction. A job leaves record entries behind; its answer is released only after
 * the group's changes and entries are durable. A job without changes and entries is released at once. Knows
 * no routes and no privacy.
 */
#ifndef TROTH_ENGINE_H
#define TROTH_ENGINE_H

#include "arena.h"
#include "audit.h"
#include "err.h"
#include "message.h"
#include "store.h"

#define ENGINE_READERS_MAX 16
#define ENGINE_LANES_MAX   16
#define ENGINE_GROUP_MAX   256 /* jobs sealed together: beyond, latency grows and throughput does not */
#define ENGINE_LANE_KEEPS                                                                                    \
    (16u << 20) /* bytes of what it read of persons (store.h, store_memo): some eight thousand of them */
#define ENGINE_SNAPSHOT_MAX 32   /* reads in one snapshot: where the gain levels off */
#define ENGINE_QUEUE_MAX    8192 /* waiting jobs; beyond, ERR_BUSY at once */
#define ENGINE_TRIES_MAX                                                                                     \
    5 /* of a group that met another daemon's; then each half by itself, down to one job */
#define JOB_ENTRIES_OWN 2    /* what nearly every job leaves fits into the job itself */
#define JOB_ENTRIES_MAX 1024 /* a read of 1,000 persons leaves an entry for each */

/* Row of `meta`: the highest outbox id the database has committed. The record never holds a higher one unless
 * the database was put back from an earlier time (gate.h, gate_reconcile). */
#define ENGINE_WATERMARK "pending"

enum job_kind { JOB_READ, JOB_WRITE };

struct job {
    const struct request *req;
    struct response res;
    struct arena *arena; /* lives until done() has returned */
    enum job_kind kind;
    struct instant now; /* set by the engine right before run */
    /* What the job leaves on record, and their indexes, set before done(). They point into `own` when run is
     * called; who leaves more points them to as much room in the arena. */
    struct audit_entry *entries;
    size_t n_entries;
    uint64_t *index;
    struct span *entry_subject; /* raw subject id (16 bytes) for history.db; empty if none */
    bool undo; /* WRITE: roll the savepoint back (the entries are kept: a refusal is on record) */
    bool registers_changed; /* WRITE: on_registers is called after the commit, before the answer */
    bool look_up;        /* WRITE: whom its entries concern is not said: it is looked up behind the record */
    bool wait_history;   /* READ: run only after history.db holds everything sealed so far */
    bool forget_history; /* WRITE: the person of entry_subject[0] is erased: after this job's entries, and
                          * instead of them, all rows of the person leave history.db */
    struct span about;   /* the raw id of the person whose values it reads (READ), or whom it changes (WRITE),
                          * if that is all it does: empty where it looks at others, too */
    void *user;          /* the caller's */
    /* Fills res, entries, undo. WRITE jobs on a server may be run again, from the beginning, in a new
     * transaction: what run left in the job or behind `user` the time before must not count. */
    void (*run)(struct job *j, struct store *st, void *ctx);
    /* WRITE, may be null: on the committer, after the group is durable and outside any transaction, with its
     * connection; may change res. Not called when the job failed or was undone. Set by run. */
    void (*after)(struct job *j, struct store *st);
    void (*done)(struct job *j); /* any engine thread, or the lane's; res is final */
    void (*fail)(struct job *j,
                 const struct fail *f); /* fills res with a problem document: busy, disk, stopped */
    struct {
        struct audit_entry entries[JOB_ENTRIES_OWN];
        uint64_t index[JOB_ENTRIES_OWN];
        struct span subject[JOB_ENTRIES_OWN];
    } own;
    struct job *next;  /* the engine's queue */
    bool queued;       /* the engine's: counts among those that wait */
    bool forgets;      /* the engine's: it destroys keys */
    void *engine_side; /* the engine's */
};

struct engine_config {
    const char *data; /* the data folder */
    struct audit *audit;
    unsigned readers; /* 1..ENGINE_READERS_MAX */
    unsigned lanes;   /* 0..ENGINE_LANES_MAX */
    void *ctx;        /* passed to run */
    /* A thread of the engine has called done() of one or many jobs, and is through with them. May be null. */
    void (*released)(void *ctx);
    /* Whom a sealed entry concerns: *found and the raw id, or not for nobody (any more). Called for the
     * entries history.db lacks after a crash; st reads. If it fails they are asked for again later. An empty
     * leaf begins a new pass: who lives may have changed since the last. May be null: then those stay
     * unattributed. */
    enum err (*who)(void *ctx, struct store *st, struct span leaf, struct span detail, uint8_t subject[16],
                    bool *found, struct fail *f);
    /* Called on the committer between groups when registers changed; may read through st. */
    void (*on_registers)(void *ctx, struct store *st);
    struct instant (*now)(void *ctx);
    /* On a server (nodes.h): called in each snapshot and each group before its jobs run; a failure is all
     * theirs. May be null. */
    enum err (*on_snapshot)(void *ctx, struct store *st, struct fail *f);
    int64_t node; /* its number; 0: the database is a file */
    /* Whether entries that concern persons are copied into the database, where others can read them (any
     * thread). May be null: never. */
    bool (*copies)(void *ctx);
    bool decisions; /* entries of reads go through the database, too, before they are acknowledged */
};

struct engine;

/* Opens connections, records what the outbox still holds, brings history.db up to the record, starts the
 * threads. */
enum err engine_start(const struct engine_config *c, struct engine **out, struct fail *f);
/* Finishes what is queued, seals, publishes a last checkpoint, joins. */
void engine_stop(struct engine *e);
/* Takes the job; done() will be called exactly once. ERR_BUSY when the queue is full (done is not called). */
enum err engine_submit(struct engine *e, struct job *j, struct fail *f);
/* A lane: a thread of the caller's that runs READ jobs itself, on a connection of its own. engine_lane_add
 * puts one aside (not one that waits for history.db), engine_lane_run runs them all; one thread only may use
 * a lane. Those that left entries are released when their group is durable, by the committer; the others
 * before engine_lane_run returns. */
void engine_lane_add(struct engine *e, unsigned lane, struct job *j);
void engine_lane_run(struct engine *e, unsigned lane);
/* Submits and waits (for the CLI working on a closed data folder, and tests). */
void engine_call(struct engine *e, struct job *j);
/* Has the rows of history.db that belong to entries before this one deleted, behind whatever else there is to
 * do. True when they are gone. Any thread. */
bool engine_forget_before(struct engine *e, uint64_t entry);
/* Sealed entries that are not copied yet. */
uint64_t engine_copy_lag(struct engine *e);
/* True once an fdatasync failed: nothing is acknowledged any more. */
bool engine_stopped(const struct engine *e);

#endif
