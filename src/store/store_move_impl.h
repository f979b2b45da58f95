// SPDX-License-Identifier: Apache-2.0
/*
 * store_move_impl.h: what the files of a migration share.
 *
 *   store_move.c       DATA/migration and the steps
 *   store_move_rows.c  tables and rows of the files
 *   store_pg_move.c    the databases' side
 */
#ifndef TROTH_STORE_MOVE_IMPL_H
#define TROTH_STORE_MOVE_IMPL_H

#include "move.h"
#include "store_pg_impl.h"
#include "text.h"

#define MOVE_ID_HEX 32

struct move_columns {
    struct span names;    /* "a, b, c" */
    struct span types;    /* i, t or b each */
    struct span order;    /* of the key, for a file */
    struct span pg_order; /* the same for a server: texts by their bytes */
};

enum move_step { MOVE_COPY, MOVE_SWITCH };

struct move {
    struct arena *arena, *scratch;
    const char *data, *people, *keys;
    char id[MOVE_ID_HEX + 1];
    enum move_step step;
    struct store_file file[STORE_HISTORY]; /* troth.db, keys.db */
    struct store_pg *pg[STORE_HISTORY];
    struct move_table *tables;
    struct move_columns *columns;
    size_t n;
    sqlite3_stmt *at; /* the rows of table `at_table` that come next */
    size_t at_table;
};

/* ---- store_move_rows.c */

/* Tables, columns and counts of both files. */
enum err move_look(struct move *m, struct fail *f);
/* The rows of a table from one on. */
enum err move_from(struct move *m, size_t i, int64_t first, sqlite3_stmt **out, struct fail *f);
/* Appends the next row as COPY takes it (PostgreSQL, "Binary Format"); *any: there was one. */
enum err move_row(struct move *m, size_t i, sqlite3_stmt *at, struct text *out, bool *any, struct fail *f);
/* One column of it: len < 0 is null. */
void move_put(struct text *out, const void *p, int64_t len);
void move_put_count(struct text *out, size_t columns);

/* ---- store_pg_move.c */

enum err pg_move_connect(const char *url, enum store_db which, struct store_pg **out, struct fail *f);
/* Which database it is, however its URL is spelled. */
enum err pg_move_place(struct store_pg *pg, struct arena *a, struct span *out, struct fail *f);
/* The same, of one that is not connected to. */
enum err pg_move_apart(const char *url, struct arena *a, struct span *out, struct fail *f);
/* How far the server's clock is ahead of ours, at least. */
enum err pg_move_skew(struct store_pg *pg, int64_t *ms, struct fail *f);
/* What is there: nothing; this migration's tables, without a version or with it; an installation without a
 * mark. ERR_CONFLICT: somebody else's tables. */
enum pg_move_found { PG_MOVE_NOTHING, PG_MOVE_OURS, PG_MOVE_FINISHED, PG_MOVE_INSTALLED };
enum err pg_move_find(struct store_pg *pg, const char *id, enum pg_move_found *out, struct fail *f);
/* The schema version its tables were made with; only where the mark is. */
enum err pg_move_schema(struct store_pg *pg, struct arena *a, int *version, struct fail *f);
/* The tables, empty, and the mark. */
enum err pg_move_make(struct store_pg *pg, const struct move *m, struct fail *f);
/* Fills in `moved` of this database's tables. */
enum err pg_move_counts(struct store_pg *pg, struct move *m, struct fail *f);
enum err pg_move_begin(struct store_pg *pg, const struct move *m, size_t i, struct fail *f);
enum err pg_move_put(struct store_pg *pg, struct span bytes, struct fail *f);
/* Commits the batch, which makes it `moved` rows. */
enum err pg_move_end(struct store_pg *pg, const struct move *m, size_t i, int64_t moved, struct fail *f);
void pg_move_undo(struct store_pg *pg);
enum err pg_move_scan(struct store_pg *pg, struct move *m, size_t i, void (*row)(void *, struct span),
                      void *ctx, struct fail *f);
/* Makes it an installation, of the version the mark tells. */
enum err pg_move_finish(struct store_pg *pg, struct fail *f);
enum err pg_move_unmark(struct store_pg *pg, struct fail *f);
enum err pg_move_drop(struct store_pg *pg, struct arena *a, struct fail *f);

#endif
