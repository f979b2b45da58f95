// SPDX-License-Identifier: Apache-2.0
/*
 * engine_impl.h: the threads and what they hand each other.
 *
 *   lane ─────────────> caller's thread ─(left entries)──> seals ─┐
 *   submit ─> reads ──> reader threads ──(left entries)──> seals ─┤
 *          └> writes ────────────────────────────────────────────┴─> committer ─> done()
 *                                                                       ├─> rows ─> historian ─> history.db
 *                                                                       └─> publisher ─> tiles, checkpoint
 *
 *   engine.c          start, stop, submit
 *   engine_inbox.c    queues of jobs
 *   engine_read.c     reader threads, lanes
 *   engine_commit.c   the committer: groups, seal
 *   engine_outbox.c   entries in the database before they are in the record, and after a crash
 *   engine_publish.c  the publisher: checkpoints behind the record
 *   engine_history.c  the historian: history.db behind the record
 *   engine_copy.c     the copier: several daemons' records in their database
 */
#ifndef TROTH_ENGINE_IMPL_H
#define TROTH_ENGINE_IMPL_H

#include "engine.h"
#include "id.h"
#include "nodes.h"

#include <pthread.h>
#include <stdatomic.h>

#define ENGINE_PUBLISH_MS                                                                                    \
    250 /* how far the published checkpoint may be behind (docs/security.md, "The record")                   \
         */
#define ENGINE_RETRY_MS 1000 /* between tries of the historian on a full disk */
#define HISTORY_ROWS_MAX                                                                                     \
    65536                    /* rows in memory: 2 s of the hardest load; beyond, rebuilt from the record     \
                              */
#define HISTORY_GATHER 16384 /* rows written together: in the order of persons they share pages */
#define HISTORY_GATHER_MS                                                                                    \
    500                     /* how long rows wait for others, unless a reader or an erasure waits for them */
#define HISTORY_JOIN   6    /* rows joined for each that comes: what log8 of the largest record asks for */
#define HISTORY_FORGET 64   /* blocks looked through in one transaction when rows of pruned entries go */
#define HISTORY_BATCH  4096 /* entries looked at in one transaction when rebuilding */

#define ENGINE_LANE_GIVE                                                                                     \
    64 /* entries a lane hands over together: each group costs a sync and three wake-ups, whatever its size  \
        */

/* ---- Queues */

enum inbox_list { LIST_READS, LIST_WRITES, LIST_SEALS, LIST_COUNT };

struct job_list {
    struct job *first, **end;
    size_t n;
};
struct inbox {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job_list list[LIST_COUNT];
    bool closed; /* nothing comes in any more */
};

void list_reset(struct job_list *l);
void list_push(struct job_list *l, struct job *j);
struct job *list_pop(struct job_list *l);

/* Starts a thread; tools show it by this name. */
enum err thread_start(pthread_t *t, const char *name, void *(*run)(void *), void *arg, struct fail *f);

void inbox_init(struct inbox *in);
void inbox_drop(struct inbox *in);
/* Moves all of `from` in. False, and nothing moved, if it is closed. */
bool inbox_give(struct inbox *in, enum inbox_list which, struct job_list *from);
void inbox_close(struct inbox *in);
/* Waits on `wake` at most ms (the lock is held). False when the time is over. */
bool cond_wait_ms(pthread_cond_t *c, pthread_mutex_t *m, int64_t ms);
void cond_init_monotonic(pthread_cond_t *c);
int64_t monotonic_ms(void);
int64_t monotonic_us(void);

/* ---- The historian */

struct history_row {
    struct store_history_row row;
    bool drop; /* the person was erased: all rows go */
};
struct history {
    pthread_t thread;
    struct store *st; /* STORE_INDEX */
    pthread_mutex_t lock;
    pthread_cond_t wake, progress;
    struct history_row *rows;
    size_t n, cap;
    uint64_t upto;      /* rows, and what was written before, hold every entry below this */
    uint64_t lost_from; /* from this entry on rows were left out for want of memory; UINT64_MAX: none */
    uint64_t done;      /* history.db holds every entry below this */
    unsigned waiting;   /* readers in history_wait */
    bool gathering;     /* the historian lets more rows come */
    bool urgent;        /* somebody was erased: their rows go now */
    struct fail why;    /* the last try failed */
    uint64_t tries;     /* batches written or failed so far */
    uint64_t forget;    /* rows of entries before this one are to go */
    uint64_t forgotten; /* they went, as far as is known since the start */
    bool closed;
};

/* ---- The copier */

#define COPY_CHUNK     256 /* rows of one transaction: what meets another daemon's is done again */
#define COPY_TRIES     20
#define COPY_GATHER_MS 200 /* how long rows wait for others, unless a reader waits for them */

struct copy_row {
    uint8_t subject[ID_LEN];
    uint64_t entry;
    bool person; /* false: of nobody, or of somebody erased by it */
};
struct copier {
    pthread_t thread;
    bool runs;
    struct store *st; /* STORE_WRITE */
    pthread_mutex_t lock;
    pthread_cond_t wake, progress;
    struct copy_row *rows;
    size_t n, cap;
    uint64_t upto, pending; /* what is sealed; the highest outbox id in it */
    uint64_t lost_from;     /* from this entry on rows were left out; UINT64_MAX: none */
    uint64_t done;          /* every entry below this is in the database */
    unsigned waiting;
    struct fail why;
    uint64_t tries;
    bool closed;
    uint64_t forgotten; /* the thread's own: rows of pruned entries below this are gone */
};

/* ---- The publisher */

struct publisher {
    pthread_t thread;
    /* The thread's own; apart from the others, for compilers read neighbours at once. */
    bool late;          /* the last try failed, and the log says so */
    bool short_of_room; /* the same of room for the next segment */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool idle; /* nothing was sealed since it last looked */
    bool closed, runs;
};

/* ---- The committer */

#define ENGINE_GROUP_BYTES (4u << 20) /* what the reads of a group may leave: a quarter of a segment */

/* What jobs leave in the record. */
struct due {
    uint64_t bytes;
    struct instant newest; /* of its times */
};

struct group {
    struct job *write[ENGINE_GROUP_MAX], *read[ENGINE_GROUP_MAX];
    size_t n_write, n_read;
    bool registers_changed;
};

/* ---- All */

struct reader_seat {
    struct engine *e;
    struct store *st;
};

struct lane {
    struct store *st;
    struct job_list list;
};

struct engine {
    struct engine_config config;
    struct lane lanes[ENGINE_LANES_MAX];
    struct inbox read_box, commit_box; /* commit_box: writes and seals */
    pthread_t readers[ENGINE_READERS_MAX], committer;
    struct reader_seat seats[ENGINE_READERS_MAX];
    struct store *store; /* the committer's */
    unsigned n_readers;
    bool committing, indexing; /* those threads run */
    atomic_size_t in_flight;
    atomic_bool stopped;
    struct history history;
    struct copier copier;
    struct publisher publisher;
    /* The committer's own */
    struct group changed;  /* what a group has committed so far */
    struct due due;        /* of it */
    uint64_t pending_next; /* id of the next outbox row */
    uint64_t pending_drop; /* rows up to this are sealed and can go */
    bool in_doubt;         /* a commit's outcome is not known: the outbox is looked at before the next */
};

/* Sets j->now, runs it, and fails it if it left an entry the record cannot take. */
enum err job_run(struct engine *e, struct job *j, struct store *st, struct fail *f);
/* The answer is final: hands the job back. It may be gone when this returns. After the last of several,
 * jobs_released. */
void job_release(struct engine *e, struct job *j);
void job_fail(struct engine *e, struct job *j, const struct fail *f);
void jobs_released(struct engine *e);

void *reader_main(void *seat);

/* The entries of a job go to the outbox in the open group. */
enum err outbox_add(struct engine *e, struct job *j, struct fail *f);
/* In the open group: rows that are sealed go. */
enum err outbox_drop(struct engine *e, struct fail *f);
/* At the end, outside a group. */
void outbox_clear(struct engine *e);
/* Seals what the outbox still holds. */
enum err commit_recover(struct engine *e, struct fail *f);
void *commit_main(void *arg);
/* Any thread: nothing is acknowledged from now on. */
void stop_acknowledging(struct engine *e, const struct fail *why);

void publisher_init(struct engine *e);
enum err publisher_start(struct engine *e, struct fail *f);
/* Publishes what is left. After the committer. */
void publisher_stop(struct engine *e);
/* The record has grown. */
void publish_sealed(struct engine *e);

void history_init(struct engine *e);
enum err history_start(struct engine *e, struct fail *f);
void history_stop(struct engine *e);
/* Takes the rows of sealed jobs: entry_subject and index. Only the committer calls it, and then
 * history_sealed. */
void history_take(struct engine *e, struct job *const *jobs, size_t n);
/* Every entry sealed so far was taken. */
void history_sealed(struct engine *e);
/* Waits until history.db holds everything sealed so far. */
enum err history_wait(struct engine *e, struct fail *f);

/* Entries from this one on were sealed without their rows (an outbox after a crash): they are looked up. */
void history_gap(struct engine *e, uint64_t entry);

/* True while entries are copied to the database, and rows of the outbox stay until theirs are. */
bool copies(const struct engine *e);
void copy_init(struct engine *e);
enum err copy_start(struct engine *e, struct fail *f);
void copy_stop(struct engine *e);
/* As history_take, history_sealed, history_wait, history_gap. */
void copy_take(struct engine *e, struct job *const *jobs, size_t n);
void copy_sealed(struct engine *e);
enum err copy_wait(struct engine *e, struct fail *f);
void copy_gap(struct engine *e, uint64_t entry);

#endif
