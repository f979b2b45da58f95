// SPDX-License-Identifier: Apache-2.0
/*
 * store_impl.h: one connection is three SQLite handles, so that the order of their commits is ours.
 *
 *   store.c         create, open, close
 *   store_map.c     its file, mapped for all connections (store_map.h)
 *   store_file.c    one database: open flags, pragmas, checks of its header, errors in our words
 *   store_schema.c  schema texts, migrations, the PostgreSQL spelling
 *   store_long.c    a migration that takes long: room on the disk, progress
 *   store_query.c   the statements
 *   store_field.c   numbers of fields, remembered
 *   store_memo.c    what was read of persons, kept (store_memo.h)
 *   store_history.c runs and blocks of history.db
 *   store_write.c   groups, savepoints, forgotten keys
 *   store_pg_ahead.c what a snapshot will be asked, fetched at once
 *   store_copy.c    copies for backups
 *   store_pg*.c     a database on PostgreSQL (store_pg.h)
 *   store_move*.c   from files to PostgreSQL (move.h)
 */
#ifndef TROTH_STORE_IMPL_H
#define TROTH_STORE_IMPL_H

#include "store.h"

#include <sqlite3.h>
#include <time.h>

#define STORE_PARAMS_MAX 32   /* the widest statement has 22 */
#define STORE_PATH_MAX   4096 /* PATH_MAX of Linux */
#define STORE_FORGET_MAX 64   /* bytes of a subject id queued to be forgotten; ours have 16 */
#define STORE_BUSY_MS    5000 /* another process (backup, sqlite3 shell) may hold a lock this long */
#define STORE_TRUNCATE_MS                                                                                    \
    50 /* one try to empty a WAL: a reader's snapshot serves 32 requests, well below                         \
        */
#define STORE_TRUNCATE_TRIES 200 /* 10 s in all; then the next commit tries again */

#define STORE_LOOKASIDE_BYTES 512 /* what SQLite takes while it runs a statement */
#define STORE_LOOKASIDE_SLOTS 16

/* The statements of a transaction, prepared like all others. */
enum store_control {
    CONTROL_BEGIN,
    CONTROL_BEGIN_WRITE,
    CONTROL_LOOK, /* reads something: the snapshot is taken now, not at the first query */
    CONTROL_SAVE,
    CONTROL_KEEP,
    CONTROL_UNDO,
    CONTROL_COMMIT,
    CONTROL_ROLLBACK,
    CONTROL_COUNT
};

/* One database of the three. */
struct store_file {
    enum store_db which;
    char path[STORE_PATH_MAX];
    sqlite3 *db;
    sqlite3_stmt *control[CONTROL_COUNT];
    bool begun;                /* a transaction of ours is open */
    unsigned saves_due;        /* savepoints that are wanted, and nothing was written since */
    struct store_cards *cards; /* store_card.h; null: only reads, or has none */
};

/* A key row that changes with the commit. */
struct store_forget {
    uint8_t subject[STORE_FORGET_MAX];
    size_t len;
    bool destroy; /* deleted after the commit; else written in the group */
    store_key_fn done;
    void *ctx;
};

#define STORE_SAVES_MAX 4 /* savepoints one within another; two are needed */

/* A field's name and number, read before. */
#define STORE_FIELD_SLOTS   1024
#define STORE_FIELD_NUMBERS 1024 /* the reference catalogue has 96; beyond, they are looked up each time */
#define STORE_FIELD_PROBES  8
#define STORE_FIELD_NAME    64
struct store_field {
    int64_t number;   /* 0: none, as far as was looked */
    uint64_t none_in; /* the snapshot in which it had none */
    uint8_t len;      /* 0: free */
    char name[STORE_FIELD_NAME];
};
struct store_pg;
struct store_copy;

/* Small keys of persons taken and not yet given out. */
struct store_sids {
    int64_t next, end;
};

/* What store_ahead fetched: the rows of ahead.def, in its order. */
enum store_ahead_which {
#define X(name, sql) AHEAD_##name,
#include "ahead.def"
#undef X
    AHEAD_COUNT
};
struct store_ahead {
    size_t n, n_sids, n_any; /* persons asked for by id; by small key, or found; either way */
    uint8_t id[STORE_AHEAD_MAX][STORE_ID_LEN];
    int64_t sid[STORE_AHEAD_MAX]; /* of those that were found */
    bool keeping;                 /* in a group, store_ahead_keeping: what was not asked for is not asked */
    bool group;                   /* store_ahead_group: each is asked when the first job asks it */
    uint32_t changed_id[STORE_AHEAD_MAX],
        changed_sid[STORE_AHEAD_MAX]; /* by the group: of which, one bit each */
    bool keys_used;                   /* somebody's key was asked for */
    bool stale;                       /* something was changed since */
    bool asked[AHEAD_COUNT];
    void *rows[AHEAD_COUNT]; /* of libpq */
};

struct store {
    enum store_mode mode;
    struct store_pg *pg[STORE_DB_COUNT]; /* the database is on PostgreSQL; null: an SQLite file */
    struct store_file file[STORE_DB_COUNT];
    sqlite3_stmt *stmt[Q_COUNT];
    uint8_t param[Q_COUNT][STORE_PARAMS_MAX]; /* SQLite's number of $1, $2, ... */
    unsigned open_rows;                       /* between store_query and store_done */
    struct store_forget *forget;
    size_t n_forget, cap_forget;
    size_t forget_mark[STORE_SAVES_MAX]; /* n_forget when each savepoint was set */
    unsigned n_saves;                    /* that stand, one within another */
    uint64_t key_changes_seen;
    bool snapshot;      /* between store_begin_read and store_end_read */
    uint64_t snapshots; /* begun so far */
    struct store_field field[STORE_FIELD_SLOTS];
    uint16_t field_of[STORE_FIELD_NUMBERS]; /* place + 1 in `field`, by number */
    bool fields_known;
    bool truncate_due; /* a WAL still holds forgotten bytes */
    struct fail lost;  /* why the database gave up the group's transaction by itself; code OK: it stands */
    void *result[Q_COUNT];     /* rows open on PostgreSQL */
    bool in_doubt;             /* a server was lost while it committed */
    bool owes_keys;            /* the last group stands, and keys it was to forget do, too */
    struct store_forget *owed; /* keys that group may have had to forget */
    size_t n_owed, cap_owed;
    int64_t *carded; /* by small key: whose cards this group changed (store_card.h) */
    size_t n_carded, cap_carded;
    struct store_copy *copy; /* of a backup under way; or null */
    bool stepped;            /* this group changes registers, policies or keys (meta 'generation') */
    bool met_another;        /* the last group's transaction met another daemon's */
    struct store_sids sids;
    struct store_pg *aside;         /* a replica, for histories; or null */
    int64_t stood_ms, stood_number; /* of this snapshot: its newest beat, of which node */
    int64_t stood_version;   /* and what of registers, policies and keys belongs to it, as store_stand said */
    bool sids_taken;         /* in this group */
    struct store_memo *memo; /* null: nothing was kept yet */
    size_t memo_most;        /* 0: nothing is kept */
    struct store_ahead ahead;
    bool keys_beside; /* the last snapshot with persons asked ahead needed keys */
};

/* As tools/embed writes it. */
struct embedded_file {
    struct span name, content;
};
extern const struct embedded_file store_sql[];
extern const size_t store_sql_count;

struct store_def {
    const char *name;   /* file in the data folder */
    const char *schema; /* file among store_sql */
    const char
        *migrations; /* prefix of its migrations among store_sql: followed by three digits and ".sql" */
    int32_t application_id; /* in the header of the file (sqlite.org/fileformat2.html, 1.3.12) */
    const char *pragmas;
};
const struct store_def *store_def(enum store_db which);
/* Sets SQLite up, once. */
void store_start(void);

/* ---- store_file.c */

/* path of a database; ERR_IO if the folder's name is too long. */
enum err store_file_path(struct store_file *sf, enum store_db which, const char *data, struct fail *f);
/* Opens an existing file. */
enum err store_file_open(struct store_file *sf, enum store_mode mode, struct fail *f);
/* Creates an empty file (mode 0600) and opens it. ERR_CONFLICT if it exists. */
enum err store_file_create(struct store_file *sf, struct fail *f);
void store_file_close(struct store_file *sf);
/* Runs SQL text of ours that gives no rows. */
enum err store_file_exec(struct store_file *sf, const char *sql, struct fail *f);
/* The number a pragma answers with. */
enum err store_file_number(struct store_file *sf, const char *pragma, int64_t *out, struct fail *f);
/* A result code of SQLite as a failure, with the file's path and what to do. */
enum err store_file_fail(const struct store_file *sf, int rc, const char *doing, struct fail *f);

/* ---- store_schema.c */

/* Fills an empty database with its newest schema. */
enum err store_schema_create(struct store_file *sf, struct fail *f);
/* Runs the migrations of `files` (store_sql, or a test's) the database lacks, each in a transaction of its
 * own; without `may_write` an old schema is ERR_CONFLICT. A schema newer than ours is ERR_CONFLICT always. */
enum err store_schema_migrate(struct store_file *sf, const struct embedded_file *files, size_t n,
                              bool may_write, struct fail *f);

/* ---- store_long.c: a migration of a file, which may take minutes
 *
 * From store_long_ms on its progress is told: a bar on a terminal, else a line every ten seconds. One whose
 * text has a line `-- anew: WHAT` writes the rows of a large table again: the disk must have room for it
 * before the first of all that are due is begun. */

struct store_long {
    const struct store_file *sf;
    int64_t version;
    struct span what;
    uint64_t need, total; /* bytes: more on the disk at most; in the log at most */
    struct timespec begun, shown;
    bool said;
};
/* ERR_DISK_FULL, with figures. */
enum err store_long_room(struct store_file *sf, struct span sql, int64_t version, struct fail *f);
/* *l stays until store_long_end. */
enum err store_long_begin(struct store_long *l, struct store_file *sf, struct span sql, int64_t version,
                          struct fail *f);
void store_long_end(struct store_long *l, enum err err);
/* What tests set: the time without a word; how much the disk of a file has left (false: nobody knows). */
extern unsigned store_long_ms;
extern bool (*store_disk_free)(const char *path, uint64_t *bytes);

/* ---- store_schema.c, for servers */

/* The newest version of a schema, and the migration to one in PostgreSQL's spelling. */
int store_schema_newest(enum store_db db);
struct span store_migration_pg(struct arena *a, enum store_db db, int version);

/* ---- store_query.c */
enum err store_check(struct store *st, struct fail *f);
void store_finalize(struct store *st);
/* OK while the group stands; else why it was lost. */
enum err store_lost(const struct store *st, struct fail *f);
/* Closes rows a handler forgot, and says so in the log: they would hold the snapshot open. */
void store_close_rows(struct store *st);

/* ---- store_pg_ahead.c */
/* True: the rows of this statement were fetched ahead, and `rows` is set to them. */
bool store_ahead_find(struct store *st, const struct store_arg *args, size_t n, struct store_rows *rows);
/* A statement that changes something was run: what it may have touched is not found any more. */
void store_ahead_changed(struct store *st, enum store_query_id q, const struct store_arg *args);
/* True if these rows are its own. */
bool store_ahead_lent(const struct store *st, const void *rows);

/* ---- store_copy.c */
void store_copy_forget_idle(struct store *st);

/* ---- store_field.c */
void store_fields_forget(struct store *st);

/* ---- store_write.c */
enum err store_file_control(struct store_file *sf, enum store_control c, struct fail *f);
/* In a snapshot, begins that of a file at its first statement. */
enum err store_begin_late(struct store *st, enum store_db which, struct fail *f);
/* Before a statement that writes: sets the savepoint that is due. */
enum err store_save_late(struct store *st, enum store_db which, struct fail *f);
/* PostgreSQL takes a snapshot at its first statement: that of the keys must come after that of the people. */
enum err store_snapshot_order(struct store *st, enum store_db which, struct fail *f);

#endif
