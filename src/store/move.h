// SPDX-License-Identifier: Apache-2.0
/*
 * move.h: an installation of files moves to PostgreSQL (troth migrate).
 *
 * The data folder stays the installation's: record, ledger, keys, history.db stay where they are. What is in
 * troth.db and keys.db goes to two databases, the rest is one line in DATA/database. Steps, each durable
 * before the next, each done again without harm:
 *
 *   1  DATA/migration is written: an id, the two URLs, `step = copy`. Nobody opens the folder from here on
 *      but the migration (move_check).
 *   2  In each database, in one transaction: the tables, empty, and `half_migrated` with the id, the version
 *      of the schema and each table's count of rows. Without `schema_version` nobody takes it for installed.
 *   3  Rows, in the order of their keys, in batches; each transaction counts its own.
 *   4  Both sides are read again in that order and compared: the caller's digests (move_scan).
 *   5  `step = switch`: the point of no return. DATA/database is written, `schema_version` made (keys first),
 *      troth.db and keys.db overwritten and removed (an erasure to come would not reach keys left in a file),
 *      `half_migrated` dropped, DATA/migration removed.
 *
 * A migration that is given up before step 5 (move_give_up) leaves the folder as it was and drops its tables.
 */
#ifndef TROTH_MOVE_H
#define TROTH_MOVE_H

#include "store.h"

#define MOVE_BATCH_ROWS  20000      /* of one transaction ... */
#define MOVE_BATCH_BYTES (4u << 20) /* ... or so many bytes: what a kill can cost */

struct move;

enum move_side { MOVE_FROM, MOVE_TO };

struct move_table {
    const char *name;
    enum store_db db;
    int64_t rows, moved; /* in the file; in the database */
};

/* ERR_CONFLICT while a migration of the folder is half done: what to do. Cheap; store_open asks it. */
enum err move_check(const char *data, struct fail *f);
bool move_begun(const char *data);
/* True if the folder was moved to these databases (null: wherever) and nothing is left to do. */
bool move_done(const char *data, const char *people, const char *keys);

/* Steps 1 and 2, or takes up what is half done; then the URLs may be null (those of the beginning), or the
 * same databases by another name. The caller holds the folder's lock. ERR_CONFLICT: a database that is not
 * empty, or not the one of the beginning, one for both, a file that is a link, clocks too far apart; ERR_IO:
 * rights, versions; nothing is left behind then. */
enum err move_open(const char *data, const char *people, const char *keys, struct move **out, struct fail *f);
/* What move_open would refuse before it writes anything. */
enum err move_look_at(const char *data, const char *people, const char *keys, struct fail *f);
void move_close(struct move *m);
/* True in step 5: nothing is left to copy. */
bool move_switched(const struct move *m);
const struct move_table *move_tables(const struct move *m, size_t *n);
/* One batch of table i. ERR_CONFLICT: the file holds fewer rows than were copied. */
enum err move_copy(struct move *m, size_t i, struct fail *f);
/* Each row of table i in the order of its keys, in one form for both sides. */
enum err move_scan(struct move *m, enum move_side side, size_t i, void (*row)(void *ctx, struct span bytes),
                   void *ctx, struct fail *f);
/* `step = switch`: the caller found both sides equal. */
enum err move_switch(struct move *m, struct fail *f);
/* Step 5, after it or after a kill. Closes the files. */
enum err move_finish(struct move *m, struct fail *f);
/* Drops what the migration made, moved.json and DATA/migration. ERR_CONFLICT in step 5; ERR_NOT_FOUND: none
 * is half done. */
enum err move_give_up(const char *data, struct fail *f);

#endif
