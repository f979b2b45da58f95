// SPDX-License-Identifier: Apache-2.0
/*
 * store_pg_impl.h: what the files of the PostgreSQL side share.
 *
 *   store_pg.c         connection, answers, transactions
 *   store_pg_query.c   statements: arguments, results, those that may clash
 *   store_pg_node.c    other daemons: what is told and heard, locks of names
 *   store_pg_aside.c   histories from a replica
 *   store_pg_schema.c  the file `database`, tables, migrations
 *   store_pg_move.c    troth migrate: what it writes there
 */
#ifndef TROTH_STORE_PG_IMPL_H
#define TROTH_STORE_PG_IMPL_H

#include "store_pg.h"

enum pg_transaction { PG_NONE, PG_DUE, PG_BEGUN }; /* due: begins with its first statement */

/* A statement is made on each connection when it is first used, in the same round trip. */
enum pg_prepared { PG_UNKNOWN, PG_SENT, PG_READY };
/* What begins and ends transactions, made once like all others: to read its text each time is most of what it
 * costs. */
enum pg_control {
    PG_BEGIN_WRITE,
    PG_BEGIN_READ,
    PG_SAVE,
    PG_KEEP,
    PG_UNDO,
    PG_CLASH_SAVE,
    PG_CLASH_KEEP,
    PG_CLASH_UNDO,
    PG_COMMIT,
    PG_ROLLBACK,
    PG_CONTROLS
};
#define PG_LEFT_MAX 3 /* the end of a snapshot, what the next one asked beside, and the end of that */
#define PG_MADE     (Q_COUNT + AHEAD_COUNT + PG_CONTROLS) /* statements, in this order */
_Static_assert(PG_MADE < UINT16_MAX, "numbers of statements");

struct store_pg {
    PGconn *c;
    char *url;
    enum store_db which;
    enum pg_transaction state;
    bool write, looked;     /* of the transaction */
    unsigned saving, saved; /* savepoints, one within another: wanted, and sent */
    unsigned unanswered;
    uint16_t makes[PG_UNANSWERED_MAX]; /* which statement each of them prepares, from 1; 0: none */
    void **keep[PG_UNANSWERED_MAX];    /* where its rows go, if somebody asked for them ahead; or null */
    bool marked;                       /* the mark that ends the answers was sent already */
    uint8_t left[PG_LEFT_MAX];         /* answers nobody waits for, up to a mark each: read before the next */
    unsigned n_left;
    int wanted; /* which of the unanswered one the caller waits for; -1: none */
    uint8_t prepared[PG_MADE];
    struct fail lost;
    bool met_another;
    bool committing;
    bool pooled;    /* a connection pool is in between: nothing stays with the session */
    bool renew;     /* the next transaction is on a new connection: this one led to a replica, say */
    bool aside;     /* a replica is as well: see pg_aside */
    bool impatient; /* somebody's socket waits behind it: see pg_impatient */
    bool probes;    /* it finds out whether the server answers: see pg_probe */
    bool refused;   /* the last try to connect: by a server that answers */
    int64_t retry_ms, backoff_ms; /* monotonic: not before this; the pause after the next failure */
};

/* Forgets what the last transaction met, and connects again if the connection is gone. */
enum err pg_again(struct store_pg *pg, struct fail *f);
/* Sends one command of ours without waiting. */
void pg_send(struct store_pg *pg, const char *sql);
/* The same of one of those. */
void pg_control(struct store_pg *pg, enum pg_control c);
/* Before up to `n` commands are sent: takes the answers of what was sent, if there is no room for theirs. */
void pg_room(struct store_pg *pg, unsigned n);
/* The server begins with what was sent, while the caller does something else before it collects. */
void pg_mark(struct store_pg *pg);
/* Nobody waits any more for the answers of what was sent and marked. False: there is no room to leave them.
 */
bool pg_leave(struct store_pg *pg);
/* Connected, and nothing is known against the server: asking it needs no wait. */
bool pg_stands(const struct store_pg *pg);
/* Counts a command that was sent; ok is what libpq's PQsend… said. */
void pg_sent(struct store_pg *pg, int ok, bool wanted);
/* Sends what begins the transaction, if it is due. Where it cannot, none is begun, and the others of the
 * group or snapshot go on. */
enum err pg_enter(struct store_pg *pg, struct fail *f);
/* Before the first change since a savepoint was wanted: sets it. */
void pg_save_late(struct store_pg *pg);
/* Waits for the answers of all that was sent. The wanted one goes to *out (null: it is cleared), with its
 * SQLSTATE in `state` ("" if it did well). Another one's error is the transaction's: pg->lost. */
void pg_collect(struct store_pg *pg, PGresult **out, char state[6]);
/* A server's error as a failure: its words name tables and columns, no values of ours. */
enum err pg_fail_state(const struct store_pg *pg, const char *state, const char *doing, struct fail *f);
/* ERR_IO for a server that is too old; `version` as libpq tells it. */
enum err pg_check_version(int version, const char *name, struct fail *f);
int64_t pg_monotonic_ms(void);
/* Host and database of the connection, without password: for messages. */
const char *pg_name(const struct store_pg *pg);
/* Connects, and says whether a pool is in between. A server that only reads is ERR_BUSY. */
enum err pg_connect(struct store_pg *pg, struct fail *f);
/* Runs commands of ours outside the pipeline, waited for no longer than answers are; the last result. */
PGresult *pg_exec(struct store_pg *pg, const char *sql);

/* ---- Outside the pipeline: tables are made, migrated and filled there */

#define PG_HALF_TABLE "half_migrated" /* move.h */
/* One daemon at a time changes a schema: the lock goes with the transaction. */
#define PG_LOCK_SCHEMA "SELECT pg_advisory_xact_lock(7238529311)"
/* Names of the nodes that run on the people's database, ", " between them; empty: none. Waits some seconds
 * for those that have just ended. */
enum err pg_nodes_running(struct store_pg *pg, struct arena *a, struct span *names, struct fail *f);
enum err pg_connect_plain(struct store_pg *pg, struct fail *f);
/* Runs text of ours; false: `state` says why not. */
bool pg_run(struct store_pg *pg, const char *sql, char state[6]);
/* Version of the schema that is there; 0: none. -1: the server failed, with its state. */
int pg_version_read(struct store_pg *pg, char state[6]);
/* What somebody made there; an extension's own is not counted. */
#define PG_RELATIONS                                                                                         \
    " FROM pg_class c WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', "   \
    "'m', 'f', 'S') AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND "   \
    "d.objid = c.oid AND d.deptype = 'e')"
/* Says that somebody's things are there: ERR_CONFLICT. */
enum err pg_not_empty(const struct store_pg *pg, struct fail *f);
/* Names of the tables the schema makes, as `DROP TABLE IF EXISTS a, b`. */
struct span pg_drop_text(struct arena *a, enum store_db which);

#endif
