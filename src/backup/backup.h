// SPDX-License-Identifier: Apache-2.0
/*
 * backup.h: the files of a backup. A backup is two files that are kept apart: one of the data (troth.db, the
 * record, the documents, the ledger of the erased) and one of the keys (keys.db, the record's signing key,
 * the ledger again). The master key is in neither. Each is sealed for whoever shall restore it; who makes it
 * cannot open it, if it is sealed for a public key. Layout of a file: DESIGN.md.
 *
 * Needs memory for one piece, however large the folder is. Knows no policy and no database: copies of the
 * databases come from the daemon (store.h, store_copy_begin).
 */
#ifndef TROTH_BACKUP_H
#define TROTH_BACKUP_H

#include "arena.h"
#include "audit.h"
#include "crypto.h"
#include "err.h"

#define BACKUP_FOR_MAX  8   /* recipients of one file */
#define BACKUP_NAME_MAX 200 /* bytes of a part's name; the longest of ours has some 40 */
#define BACKUP_PIECE                                                                                         \
    65536 /* bytes sealed together: the byte that tells what it is, and up to 65,535 more                    \
           */

enum backup_kind { BACKUP_DATA = 1, BACKUP_KEYS = 2 };
const char *backup_kind_name(enum backup_kind k); /* "data", "keys" */

/* For whom a file is sealed: the owner of an X25519 key, or whoever knows some words. */
struct backup_for {
    struct span words; /* empty: pk */
    uint8_t pk[BOX_PK_LEN];
};
/* What opens one. */
struct backup_with {
    const struct key *secret; /* may be null */
    struct span words;        /* may be empty */
};

/* ---- Writing. The file gets its name when it is whole and on disk; before, it is NAME.part beside it. */

struct backup_writer;
/* `about`: JSON that says what this is; the first thing a reader gets. ERR_CONFLICT if path exists. */
enum err backup_create(const char *path, enum backup_kind kind, const struct backup_for *who, size_t n,
                       struct span about, struct backup_writer **out, struct fail *f);
/* Parts one after the other. */
enum err backup_part(struct backup_writer *w, const char *name, unsigned mode, struct fail *f);
enum err backup_bytes(struct backup_writer *w, struct span bytes, struct fail *f);
enum err backup_part_end(struct backup_writer *w, struct fail *f);
/* A whole part from a file, up to its end or to `most` bytes; zeros fill it up to `fill`. */
typedef void (*backup_progress)(void *ctx, uint64_t bytes);
struct backup_file {
    const char *path, *name;
    uint64_t most, fill; /* 0: the whole file; nothing to fill */
    backup_progress progress;
    void *ctx;
};
enum err backup_file_add(struct backup_writer *w, const struct backup_file *file, struct fail *f);
/* Ends and names the file. The writer is gone afterwards, whatever comes out. */
enum err backup_finish(struct backup_writer *w, uint64_t *bytes, uint64_t *parts, struct fail *f);
/* Throws it away. Null is allowed. */
void backup_drop(struct backup_writer *w);

/* ---- Reading */

/* What is in a file, in its order; a call that fails ends the reading. Nothing is to be used before
 * backup_read returned OK: only then all of it is known to be whole. */
struct backup_sink {
    enum err (*about)(void *ctx, enum backup_kind kind, struct span json, struct fail *f);
    enum err (*part)(void *ctx, struct span name, unsigned mode, struct fail *f);
    enum err (*bytes)(void *ctx, struct span bytes, struct fail *f);
    enum err (*part_end)(void *ctx, struct fail *f);
    backup_progress progress; /* bytes of the file read so far; may be null */
    void *ctx;
};
struct backup_sum {
    uint64_t bytes, parts;
};
/* kind 0: whichever it is. ERR_NO_KEY: `with` does not open it. ERR_INTEGRITY: a byte differs, or the end is
 * missing. ERR_BAD_VALUE: no backup, or of a newer format. */
enum err backup_read(const char *path, enum backup_kind kind, const struct backup_with *with,
                     const struct backup_sink *sink, struct backup_sum *sum, struct fail *f);

/* ---- A folder: which files of it belong in which backup */

/* The record's signed heads, read before the copies are finished: they must not speak of more than is in the
 * backup. */
struct backup_heads {
    struct span checkpoint, witnessed; /* the second may be empty */
    uint64_t size;                     /* entries under the first */
    struct span installation;          /* the log's verifier key, which repeats its origin */
};
enum err backup_heads(struct arena *a, const char *data, struct backup_heads *out, struct fail *f);

struct backup_folder {
    const char *data;      /* the data folder */
    const char *main_copy; /* of troth.db */
    const char *keys_copy; /* of keys.db */
    struct backup_heads heads;
    struct audit_end end; /* of the record at the instant of the copies */
    backup_progress progress;
    void *ctx;
};
enum err backup_add_data(struct backup_writer *w, const struct backup_folder *b, struct fail *f);
enum err backup_add_keys(struct backup_writer *w, const struct backup_folder *b, struct fail *f);
/* About how many bytes these will be. */
uint64_t backup_bytes_of(const struct backup_folder *b, enum backup_kind kind);

/* Adds to the ledger `to` the lines of the one at `from` which it lacks. ERR_CORRUPT if a line of either is
 * not one. */
enum err backup_ledger_merge(const char *to, const char *from, uint64_t *added, struct fail *f);

/* Names that parts of a file may have: a path below the data folder that this kind of file holds. */
bool backup_name_ok(enum backup_kind kind, struct span name);

#endif
