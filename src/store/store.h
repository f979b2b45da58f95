// SPDX-License-Identifier: Apache-2.0
/*
 * store.h: all SQL. Three databases in the data folder, one text for SQLite and PostgreSQL (where
 * DATA/database names servers, the first two are there, and history.db is a file here all the same):
 *
 *   troth.db    people, sealed values, consents, registers, the outbox of the record (WAL, synchronous=FULL)
 *   keys.db     the persons' wrapped data keys, apart, with its own short backup cycle (WAL, FULL,
 * secure_delete) history.db  which record entries concern whom: derived from the record, rebuildable (WAL,
 * synchronous=NORMAL)
 *
 * Statements are named rows of queries.def (some of files.def in files), prepared when a writing connection
 * opens, by others at first use;
 * the schema is schema.sql, keys.sql and history.sql, with numbered migrations. Nobody else writes SQL.
 */
#ifndef TROTH_STORE_H
#define TROTH_STORE_H

#include "arena.h"
#include "err.h"

enum store_db { STORE_MAIN, STORE_KEYS, STORE_HISTORY, STORE_DB_COUNT };

/* X(name, database, argument types, result types, SQL): types are one letter each: i integer, t text, b
 * bytes; the capital letter where null is allowed. */
enum store_query_id {
#define X(name, db, in, out, sql) Q_##name,
#include "queries.def"
#undef X
    Q_COUNT
};

struct store_arg {
    char type; /* 'i', 't', 'b', or 0 for null */
    int64_t i;
    struct span s;
};
#define ARG_I(v) ((struct store_arg){.type = 'i', .i = (int64_t)(v)})
#define ARG_T(v) ((struct store_arg){.type = 't', .s = (v)})
#define ARG_B(v) ((struct store_arg){.type = 'b', .s = (v)})
#define ARG_NULL ((struct store_arg){.type = 0})
#define ARGS(...)                                                                                            \
    ((const struct store_arg[]){__VA_ARGS__}),                                                               \
        (sizeof((const struct store_arg[]){__VA_ARGS__}) / sizeof(struct store_arg))
#define NO_ARGS NULL, 0

struct store; /* one connection to the three databases; belongs to one thread at a time */

/* STORE_WRITE writes all three (history.db statement by statement, outside the group); STORE_INDEX writes
 * history.db only, in groups of its own: the engine's index runs beside the committer. */
enum store_mode { STORE_READ, STORE_WRITE, STORE_INDEX };

/* Creates the three databases in the folder. ERR_CONFLICT if they exist. */
enum err store_create(const char *data, struct fail *f);
/* Whether the databases that DATA/database names hold an installation already. ERR_CONFLICT: one of the two
 * does. False where they are files. */
enum err store_installed(const char *data, bool *out, struct fail *f);
/* Makes what a folder beside such an installation has of its own: history.db. */
enum err store_create_local(const char *data, struct fail *f);
/* Undoes store_create: the files, and the tables on a server. */
void store_remove(const char *data);
/* What the header of such a file says at offset 68, big-endian, so that it is known for ours. */
uint32_t store_application_id(enum store_db which);
/* Opens, checks (application id, schema version, quick structure check of the header), migrates in
 * STORE_WRITE mode, prepares every statement in that mode. ERR_CORRUPT names the file; ERR_NOT_FOUND if the
 * folder holds none. */
enum err store_open(const char *data, enum store_mode mode, struct store **out, struct fail *f);
/* The same where the process has one already: a server of the keys is connected to when it is first asked. */
enum err store_open_further(const char *data, enum store_mode mode, struct store **out, struct fail *f);
void store_close(struct store *st);

/* One snapshot for several reads: of troth.db at once, of the others when they are first asked. As the commit
 * order is the other way round, a person in the snapshot has a key in it, unless it was destroyed since. */
enum err store_begin_read(struct store *st, struct fail *f);
void store_end_read(struct store *st);

/* From now on this reading connection keeps what the statements of a read gave about a person, in up to
 * `bytes` of memory, and gives it again without asking SQLite, while it is what SQLite would give: the
 * person's row still has the epoch it was read with. So whoever changes what is read about somebody steps
 * their epoch in the same group. Only whoever is asked for repeatedly is taken in. When a key changes or is
 * destroyed, the next snapshot begins with nothing kept. On PostgreSQL nothing is. */
void store_memo(struct store *st, size_t bytes);
struct store_memo_stats {
    size_t persons, bytes;
    uint64_t served, read; /* statements, of those that may be kept */
};
struct store_memo_stats store_memo_stats(const struct store *st);

/* On a server every statement is a round trip. Who knows whom a snapshot will be asked about says so right
 * after store_begin_read, or again later in it: what a read of values looks at is then fetched for all of
 * them at once. It changes no answer; where the databases are files it does nothing. */
#define STORE_ID_LEN    16
#define STORE_AHEAD_MAX 64
void store_ahead(struct store *st, const uint8_t (*ids)[STORE_ID_LEN], size_t n);
/* The same for the ids of small keys alone, instead of what was fetched before. */
void store_ahead_sids(struct store *st, const int64_t *sids, size_t n);
/* The same in a group of writes, for who looks at the times to keep of these persons: their rows, values,
 * consents, holds and what happened. It holds until the group changes anything; who began it ends it. */
void store_ahead_keeping(struct store *st, const int64_t *sids, size_t n);
/* The same for the persons whom the changes of a group are about, right after it began: what one of its jobs
 * asks of its person is fetched for those of the others as well, but for values, holds and what happened.
 * What the group itself changed is asked anew. */
void store_ahead_group(struct store *st, const uint8_t (*ids)[STORE_ID_LEN], size_t n);
void store_ahead_end(struct store *st);

/* A group of writes: begin, then for each handler a savepoint that is released or rolled back, then commit.
 * Commit order makes every crash safe: keys.db first (an orphan key is harmless), then troth.db, then the key
 * deletions queued with store_forget_key, which the erasure ledger in troth.db replays at the next start if
 * they did not happen.
 *
 * A failed statement may cost the whole group its transaction (full disk): then savepoints do nothing and
 * store_commit fails with what happened. ERR_STOPPED from store_commit: the changes are durable, but a key
 * could not be deleted, or a store_key_fn failed; not for want of room (store_owes_keys). */
enum err store_begin_write(struct store *st, struct fail *f);
enum err store_savepoint(struct store *st, struct fail *f);
void store_savepoint_keep(struct store *st);
void store_savepoint_undo(struct store *st); /* also drops the key deletions queued since */
/* One may stand within another: keep and undo end the innermost, so each that is set must be ended. */
enum err store_commit(struct store *st, struct fail *f);
void store_rollback(struct store *st);
/* The last commit failed, but its changes may stand (asked once): a server was lost in the midst of it. If
 * they do, they are in troth.db and its outbox; keys that were to be forgotten are seen to before the next
 * group. */
bool store_in_doubt(struct store *st);
/* The last commit failed, and its changes stand, for certain: there was only no room, or no server, to delete
 * the keys that were to be forgotten. They go before the next group, which fails as long as they cannot. */
bool store_owes_keys(const struct store *st);
/* Keys that the open group is to forget, so far. */
size_t store_keys_queued(const struct store *st);
/* Called on the committing thread when a person's key row has changed for good, before anybody is answered.
 */
/* False: nobody may be answered any more (ERR_STOPPED from store_commit). */
typedef bool (*store_key_fn)(void *ctx, struct span subject);
/* Queues: delete the wrapped key of this subject after the commit and truncate the WAL of keys.db, so that
 * its bytes are gone from the files before the caller is answered; then tell `done` (may be null). */
void store_forget_key(struct store *st, struct span subject, store_key_fn done, void *ctx);
/* Queues: tell `done` after the commit that the key row of this subject was written anew. */
void store_key_written(struct store *st, struct span subject, store_key_fn done, void *ctx);
/* Whether the open group has queued either for this subject: what it reads of it is not committed. */
bool store_key_queued(const struct store *st, struct span subject);
/* The commit also empties the WALs: what this group deleted or wrote over must be in no file. */
void store_truncate_after(struct store *st);
/* For who keeps opened keys: how often this process has changed key rows, and how often it had when the
 * snapshot or group of st began. While both are equal, what st reads of a key is the newest there is. The
 * count grows after the commit and before `done` is called. */
uint64_t store_key_changes(void);
uint64_t store_key_changes_seen(const struct store *st);

/* Runs a statement that gives no rows. *changed (may be null): rows touched. A unique clash is ERR_CONFLICT.
 */
enum err store_run(struct store *st, enum store_query_id q, const struct store_arg *args, size_t n,
                   int64_t *changed, struct fail *f);

/* Rows, one at a time. Spans are valid until the next store_next or store_done. One statement has one set of
 * rows open at a time. Arguments that do not fit the statement's signature, and columns that do not, are
 * ERR_INTERNAL. */
#define STORE_COLUMNS_MAX 32 /* the widest statement gives 24 */
/* One value of a row that was kept. */
struct store_cell {
    int64_t i;
    const uint8_t *p;
    size_t len;
    bool number, null;
};
struct store_rows {
    struct store *st;
    enum store_query_id q;
    void *stmt;    /* SQLite: the statement; PostgreSQL: the result; kept: what was read before */
    int row, end;  /* PostgreSQL, kept: which row, from 0; PostgreSQL: the first that is not ours */
    unsigned skip; /* PostgreSQL: columns before ours */
    bool lent;     /* PostgreSQL: the result is of store_ahead */
    enum err err;  /* set when next returned false because of a failure */
    bool on_pg, kept;
    const struct store_cell *cell;  /* kept: the row */
    uint64_t taking;                /* it is being kept: the how manieth result; else 0 */
    void *value[STORE_COLUMNS_MAX]; /* SQLite: of the row, looked up and checked once */
};
enum err store_query(struct store *st, enum store_query_id q, const struct store_arg *args, size_t n,
                     struct store_rows *rows, struct fail *f);
bool store_next(struct store_rows *rows, struct fail *f);
int64_t store_i(const struct store_rows *rows, unsigned column);
struct span store_t(const struct store_rows *rows, unsigned column); /* text or bytes; empty for null */
bool store_is_null(const struct store_rows *rows, unsigned column);
void store_done(struct store_rows *rows);
/* The first row only: true if there was one (columns stay valid until store_done). False: rows->err tells
 * none from failed; store_done is not needed. */
bool store_one(struct store *st, enum store_query_id q, const struct store_arg *args, size_t n,
               struct store_rows *rows, struct fail *f);

/* The number of a field's name, 0 if it was never stored; and the name of a number. Both are remembered. */
enum err store_field_number(struct store *st, struct span name, int64_t *out, struct fail *f);
enum err store_field_name(struct store *st, int64_t number, struct arena *a, struct span *out,
                          struct fail *f);

/* ---- Which entries of the record concern whom (history.db)
 *
 * Few rows go into a table one by one. Many at once are laid down in order, as blocks of a page, and joined
 * with others like them later: a row costs a 160th of a page a few times instead of a page of its own. */
struct store_history_row {
    uint8_t subject[16];
    uint64_t entry;
};
/* Adds rows that come in order, none twice. In a group. */
enum err store_history_add(struct store *st, const struct store_history_row *rows, size_t n, struct fail *f);
/* The newest entries of a person below `before` (UINT64_MAX: of all), at most `limit`, the newest first, each
 * once. */
enum err store_history_list(struct store *st, struct span subject, uint64_t before, size_t limit,
                            struct arena *a, uint64_t **out, size_t *n, struct fail *f);
/* Takes away all rows of a person; all rows from an entry on. In a group. */
enum err store_history_drop(struct store *st, struct span subject, struct fail *f);
enum err store_history_cut(struct store *st, uint64_t entry, struct fail *f);
/* The person's first entry; UINT64_MAX if there is none. */
enum err store_history_first(struct store *st, struct span subject, uint64_t *first, struct fail *f);
/* Takes away all rows before an entry, in steps of a group each: `most` blocks behind the block *after (0:
 * from the beginning), which moves on. *more: call again, with nothing joined in between. */
enum err store_history_forget(struct store *st, uint64_t entry, int64_t *after, size_t most, bool *more,
                              struct fail *f);
/* Joins about `most` rows of runs that wait for it. *more: some still wait. In a group of its own; a reader
 * finds each row before and after it. */
enum err store_history_join(struct store *st, size_t most, bool *more, struct fail *f);

/* Copies of troth.db and keys.db (either may be null: not copied), as both are at the instant of `finish`,
 * while the connection goes on writing. Called between groups, on the writing connection's thread; the files
 * are there already, empty. begin ends a copy that was under way; step copies up to `pages` pages and tells
 * what is left; finish the rest of them: call it when nothing is left. A failure ends the copy. One that
 * nobody goes on with is given up after a minute. ERR_CONFLICT: none is under way, or the databases lie on a
 * server. */
struct store_copied {
    uint64_t pages, left;
};
/* *number tells this copy from others: who goes on with one that another took the place of is refused. */
enum err store_copy_begin(struct store *st, const char *main_to, const char *keys_to, uint64_t *number,
                          struct fail *f);
enum err store_copy_step(struct store *st, uint64_t number, unsigned pages, struct store_copied *at,
                         struct fail *f);
enum err store_copy_finish(struct store *st, uint64_t number, struct fail *f);
void store_copy_end(struct store *st, uint64_t number); /* 0: whichever is under way */
/* The newest schema version of a database. */
int store_newest(enum store_db db);

/* Name and text of a statement as a server runs it, for tests and tools. */
const char *store_query_name(enum store_query_id q);
const char *store_query_sql(enum store_query_id q);
enum store_db store_query_db(enum store_query_id q);
/* Types of a statement as in queries.def. */
const char *store_query_in(enum store_query_id q);
const char *store_query_out(enum store_query_id q);
/* postgresql://… or postgres://…, without blanks or control characters. */
bool store_url_valid(struct span url);
/* The schema of a database with PostgreSQL's type names (BLOB -> BYTEA, INTEGER -> BIGINT, no WITHOUT ROWID,
 * STRICT), without lines for files and with those for servers. */
struct span store_schema_pg(struct arena *a, enum store_db db);
/* The calls that distribute its tables with Citus, one a line; each does nothing the second time. */
struct span store_schema_citus(struct arena *a, enum store_db db);

#endif
