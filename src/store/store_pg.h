// SPDX-License-Identifier: Apache-2.0
/*
 * store_pg.h: one PostgreSQL connection in the place of troth.db or keys.db. Only src/store includes it.
 *
 * Where the data folder has a file `database`, its two lines name the servers:
 *
 *   main = postgresql://troth@db.example/troth
 *   keys = postgresql://troth@keys.example/troth_keys
 *
 * `listen = URL` names the server itself where `main` leads through a connection pool: locks of names and
 * what is heard belong to a session.
 *
 * `history = URL` names a streaming replica of main: people's histories are read there.
 *
 * history.db stays a file of this machine: it is derived from the record of this node.
 *
 * A pool (PgBouncer in transaction mode) gives each transaction whichever session is free, so that nothing
 * may stay with one: statements are sent whole, settings go with the transaction. It is noticed by itself:
 * the process number a pool tells is not the server's.
 *
 * The connection works in libpq's pipeline mode. What needs no answer (BEGIN, SAVEPOINT, a change that cannot
 * clash) is sent and not waited for; the next statement that needs one collects the answers of all. An error
 * among them fails the group: the transaction is lost anyhow. A plain INSERT may clash and be answered for
 * (ERR_CONFLICT, ERR_TAKEN), so it runs in a savepoint of its own: one round trip all the same.
 *
 * A server that is away is ERR_BUSY (503, try again), at once while the back-off runs.
 */
#ifndef TROTH_STORE_PG_H
#define TROTH_STORE_PG_H

#include "store_impl.h"
#include "store_pg_lib.h"

#define PG_CONNECT_S      "3"   /* one try to connect, as libpq takes it */
#define PG_BACKOFF_MIN_MS 100   /* between tries, doubled ... */
#define PG_BACKOFF_MAX_MS 2000  /* ... up to this */
#define PG_SILENCE_MS     10000 /* a server that says nothing for so long while it is asked is given up */
#define PG_IMPATIENT_MS   5000  /* by an impatient connection after this, */
#define PG_ASIDE_MS       2000  /* a replica: the primary has it all */
#define PG_ASIDE_AGAIN_MS 30000 /* one that failed is left alone for so long */
#define PG_DEAF_MS        1000  /* and after this if the ear hears nothing either, or others gave it up */
#define PG_SUSPECT_MS     300   /* a keys' server that is silent for so long is looked at by the prober, */
#define PG_PROBE_S        "2"   /* which takes so long to find out: the least that libpq takes */
#define PG_VERSION_MIN    150000
#define PG_UNANSWERED_MAX 64 /* commands sent and not waited for: their answers fit any socket buffer */

/* The lines of DATA/database; empty spans: there is no such file, all is SQLite. */
struct pg_urls {
    struct span main, keys;
    struct span listen;    /* `listen = URL`; empty: as main */
    struct span history;   /* `history = URL`; empty: as main */
    struct span node;      /* `node = NAME`; empty: "1" */
    struct span decisions; /* `decisions = database`; empty: in the record first */
};
enum err pg_urls_read(struct arena *a, const char *data, struct pg_urls *out, struct fail *f);

/* Connects; the schema must be there and of our version (`may_write`: it is brought up to date, one daemon at
 * a time). ERR_NOT_FOUND: there is no schema. */
enum err pg_open(const char *url, enum store_db which, bool may_write, struct store_pg **out, struct fail *f);
void pg_close(struct store_pg *pg);
/* Connects with its first transaction; the schema was seen by another connection. */
struct store_pg *pg_new(const char *url, enum store_db which);
/* The thread that uses it has others waiting: it is not the one to find out whether a server that could not
 * be reached can be now (store_probe does), and gives up sooner. */
void pg_impatient(struct store_pg *pg);
/* No connection to this database could be made, and none has been since. Any thread. */
bool pg_unreachable(enum store_db which);
/* The same, or somebody waits for its answer, or the last probe got none: it is worth a probe. Any thread. */
bool pg_doubtful(enum store_db which);
/* A thread of this process calls pg_probe again and again, or does no longer: only then is a server of keys
 * given up by all as soon as one knows that it is away. */
void pg_probed(bool on);
/* The ear has had no answer for PG_DEAF_MS, or has one again. Any thread. */
void pg_deaf(bool deaf);
/* The next transaction is on a new connection. */
void pg_renew(struct store_pg *pg);
/* A connection that only reads, and may lead to a replica; made with its first transaction. */
struct store_pg *pg_aside(const char *url);
/* It is left alone for a while. */
void pg_aside_failed(struct store_pg *pg);
/* Tries a connection of its own to the same server: pg_unreachable says what came of it; if a server of keys
 * says nothing, nobody waits for it any longer. Any thread. */
void pg_probe(const struct store_pg *pg);

enum err pg_installed(const char *url, enum store_db which, bool *out, struct fail *f);
/* Makes the tables in one transaction. ERR_CONFLICT if there are any. */
enum err pg_create(const char *url, enum store_db which, struct fail *f);
/* Drops the tables that pg_create made. */
void pg_drop(const char *url, enum store_db which);

/* Begins a transaction at its first statement. A connection that was lost is made again here; one to the
 * keys with that statement: most of what is asked of the people needs none. */
enum err pg_begin(struct store_pg *pg, bool write, struct fail *f);
bool pg_within(const struct store_pg *pg); /* a transaction */
/* True once a statement ran in the transaction: its snapshot stands. */
bool pg_looked(const struct store_pg *pg);
enum err pg_look(struct store_pg *pg, struct fail *f);
void pg_savepoint(struct store_pg *pg);
void pg_savepoint_keep(struct store_pg *pg);
void pg_savepoint_undo(struct store_pg *pg);
/* ERR_BUSY with *in_doubt: the connection was lost while the commit was under way. */
enum err pg_commit(struct store_pg *pg, bool *in_doubt, struct fail *f);
void pg_rollback(struct store_pg *pg);

/* In the transaction: tells the other daemons with its commit (NOTIFY). */
void pg_notify(struct store_pg *pg, const char *payload);
/* Which process said so. */
uint64_t pg_process(void);
#define PG_CHANNEL "troth"
/* In the transaction: the lock of a node's number. False: a daemon has it. */
enum err pg_node_lock(struct store_pg *pg, int64_t number, bool *taken, struct fail *f);

/* Why the transaction cannot go on; code OK: it can. */
const struct fail *pg_lost(const struct store_pg *pg);
/* The transaction met another one (SQLSTATE 40001, 40P01): the same group may run again. */
bool pg_met_another(const struct store_pg *pg);

/* Runs a statement of ours. *result null: it gives no rows. The caller clears the result. */
enum err pg_statement(struct store_pg *pg, enum store_query_id q, const struct store_arg *args, size_t n,
                      PGresult **result, int64_t *changed, struct fail *f);

/* A value of a result, in place. */
int64_t pg_i(const PGresult *r, int row, int column);
struct span pg_t(const PGresult *r, int row, int column);

#endif
