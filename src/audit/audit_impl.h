// SPDX-License-Identifier: Apache-2.0
/* audit_impl.h: what the files of this part share. Layouts and the crash rule are in DESIGN.md. */
#ifndef TROTH_AUDIT_IMPL_H
#define TROTH_AUDIT_IMPL_H

#include "audit.h"

#include "bytes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

/* CRC-32C (Castagnoli) of s, continuing from crc (0 at the start). */
uint32_t crc32c(uint32_t crc, struct span s);

/* ---- System calls that decide durability, or how long a start takes: a table, so that tests make the N-th
 * one fail, or count them */

struct audit_io {
    ssize_t (*pwrite)(int fd, const void *p, size_t len, off_t at);
    int (*fdatasync)(int fd);
    int (*fallocate)(int fd, int mode, off_t at, off_t len);
    int (*openat)(int dir, const char *name, int flags);
};
extern struct audit_io audit_io;
/* Bytes of a log's first segment: 16 MiB, because a start reads the last one; tests make it small. Each
 * segment says its own size in its head, and the next one has the same. */
extern uint32_t audit_segment_bytes;

/* For reading; no link is followed. */
int io_open(int dir, const char *name);
enum err io_write_all(int fd, const void *p, size_t len, uint64_t at, const char *name, struct fail *f);
/* The code for errno and a sentence naming what failed. */
enum err io_fail(struct fail *f, const char *what, const char *name);

/* ---- Records */

enum { AUDIT_LEAF_VERSION = 1, AUDIT_LEAF_LEN = 94 };

enum {
    SEGMENT_HEAD = 36,
    RECORD_HEAD = 18,  /* length, CRC, pending id, leaf length */
    RECORD_FIXED = 10, /* the part of the head that `length` counts */
    RECORD_MAX = RECORD_HEAD + AUDIT_LEAF_MAX + AUDIT_DETAIL_MAX,
    SPARSE_EVERY = 16, /* one offset kept in memory per so many entries */
    NAME_MAX_LEN = 32
};

struct segment_head {
    uint32_t bytes; /* size of the file */
    uint64_t number, first;
};
struct record {
    uint64_t index, offset, pending_id;
    struct span leaf, detail;
};

void segment_name(char out[NAME_MAX_LEN], uint64_t number);
void segment_head_put(const struct segment_head *h, uint8_t out[SEGMENT_HEAD]);
/* Null if good, else what is wrong. */
const char *segment_head_get(const uint8_t in[SEGMENT_HEAD], struct segment_head *h);
/* The head of a segment's file. False: there is no such file, no head, or that of another place. */
bool segment_head_read(int dir, uint64_t number, struct segment_head *h);
/* Returns the length written; out holds RECORD_MAX. */
size_t record_put(const struct record *r, uint8_t *out);

/* Walks the records of one segment file. */
struct cursor {
    int fd;
    uint64_t index, offset; /* of the next record */
    uint32_t bytes;         /* of the segment */
    uint8_t *window;
    size_t cap, len;
    uint64_t base;   /* file offset of window[0] */
    const char *why; /* after STEP_BAD */
};
enum step { STEP_RECORD, STEP_END, STEP_BAD, STEP_IO };

void cursor_start(struct cursor *c, int fd, const struct segment_head *h, size_t window);
/* The record's spans live until the next call. STEP_END: no more records (zeros follow, or no room for one).
 */
enum step cursor_next(struct cursor *c, struct record *r);
/* Forgets what was read ahead: the file may have changed. */
void cursor_refresh(struct cursor *c);
/* True if only zeros follow up to the segment's size; *at is the first other byte, or the file's end if it is
 * short. */
bool cursor_rest_zero(struct cursor *c, uint64_t *at);
/* Closes the file too. */
void cursor_close(struct cursor *c);

/* ---- Tiles: the right edge of the tree as rows of hashes, one per tile level */

enum { TILE_LEVELS = 8, TILE_BYTES = MERKLE_TILE_WIDTH * 32 };

struct tiles {
    uint64_t size;
    uint64_t pending_max; /* the highest pending id among its entries */
    struct digest row[TILE_LEVELS][MERKLE_TILE_WIDTH];
};
typedef enum err (*tile_full_fn)(void *ctx, unsigned level, uint64_t index,
                                 const struct digest row[MERKLE_TILE_WIDTH], struct fail *f);

enum err tiles_add(struct tiles *t, const struct digest *leaf_hash, tile_full_fn full, void *ctx,
                   struct fail *f);
void tiles_root(const struct tiles *t, struct digest *out);
/* Width of the unfinished tile of a level, and its number. */
unsigned tiles_width(const struct tiles *t, unsigned level);
uint64_t tiles_index(const struct tiles *t, unsigned level);

/* Files under the log's folder. Written by rename, not synced: they are rebuilt from the segments. A start
 * compares those behind the last summary only, so what a summary covers is synced before it is made. */
enum err tile_write(int dir, unsigned level, uint64_t index, unsigned width, const struct digest *row,
                    struct fail *f);
/* A full one that was missing, durable before it has its name: no start compares it any more. */
enum err tile_mend(int dir, unsigned level, uint64_t index, const struct digest row[MERKLE_TILE_WIDTH],
                   struct fail *f);
/* Syncs the full tiles that end in (from, upto]. False: one may not be on disk as it was written. */
bool tiles_sync(int dir, uint64_t from, uint64_t upto);
/* Reads a tile file of `width` hashes (0: 256); false if it is missing or of another length. */
bool tile_read(int dir, unsigned level, uint64_t index, unsigned width, struct digest *row);
void tile_remove_partial(int dir, unsigned level, uint64_t index, unsigned width);

/* The first tile that differs from the segments. */
struct tile_fault {
    bool any;
    bool missing; /* or of the wrong length */
    unsigned level;
    uint64_t index;     /* of the tile */
    unsigned width, at; /* of the tile; of the hash in it */
};
void tile_compare(int dir, unsigned level, uint64_t index, unsigned width, const struct digest *row,
                  struct tile_fault *fault);

/* The two notes and the identity of a log, read and checked. Faults of content are ERR_CORRUPT naming the
 * file. */
struct identity {
    struct span origin;
    uint8_t pk[SIGN_PK_LEN];
};

/* ---- Epochs (epoch.c) */

enum epoch_unit { EPOCH_QUARTER, EPOCH_MONTH, EPOCH_YEAR, EPOCH_UNITS };
#define EPOCH_NONE UINT32_MAX /* of a log without entries */

uint32_t epoch_number(enum epoch_unit u, struct instant t);
void epoch_name(enum epoch_unit u, uint32_t number, char out[AUDIT_EPOCH_NAME]);
bool epoch_parse(struct span name, enum epoch_unit *u, uint32_t *number);
/* The first instant of an epoch. */
struct instant epoch_start(enum epoch_unit u, uint32_t number);
/* What a closing entry says. False: the leaf is none. */
struct epoch_end {
    enum epoch_unit unit;
    uint32_t closed, next;
};
bool epoch_end_get(struct span leaf, struct epoch_end *out);
void epoch_end_leaf(const struct epoch_end *e, struct instant now, struct audit_leaf *out);
/* Closing entries fill the last bundle: the one that does is the epoch's last entry. */
static inline bool epoch_is_last(uint64_t index)
{
    return index % MERKLE_TILE_WIDTH == MERKLE_TILE_WIDTH - 1;
}
/* *names: how long a person keeps a pseudonym. */
enum err epoch_unit_read(struct arena *a, int dir, enum epoch_unit *out, enum epoch_unit *names,
                         struct fail *f);
/* Finds out which epoch the log is in. */
enum err epoch_recover(struct audit *au, struct fail *f);
/* The end of the first epoch that was closed in (from, upto]; upto if none was. */
enum err epoch_boundary(struct audit *au, uint64_t from, uint64_t upto, uint64_t *out, struct fail *f);
/* Keeps the published note as the last of the epoch that ends there. */
enum err epoch_keep(struct audit *au, const struct tiles *t, struct span note, struct fail *f);
/* The notes kept, oldest first, each checked against the log's key. */
struct epoch_note {
    const char *name; /* "epochs/2026q4" */
    enum epoch_unit unit;
    uint32_t number;
    struct merkle_checkpoint head;
};
enum err epoch_notes(struct arena *a, int dir, const char *path, const struct identity *id,
                     struct epoch_note **out, size_t *n, struct fail *f);

/* ---- The minimum (prune.c): what is known of the tree below it */

struct floor {
    uint64_t size;   /* the minimum index */
    uint64_t number; /* of the segment that begins there */
    uint32_t epoch;  /* that begins there */
    struct tiles tree;
    struct floor *older; /* readers may still look at it */
};
/* *out is null in a log that was never pruned. ERR_CORRUPT: not what the key signed. */
enum err floor_read(struct arena *a, int dir, const uint8_t pk[SIGN_PK_LEN], struct floor **out,
                    struct fail *f);
/* The hash of child i of a tile, if it lies below the minimum. */
bool floor_hash(const struct floor *fl, unsigned level, uint64_t index, size_t i, struct digest *out);
/* True if nothing of the tile is left. */
bool floor_covers(const struct floor *fl, unsigned level, uint64_t index);

/* ---- The log */

struct segment {
    struct segment_head head;
    uint32_t *sparse; /* offsets of entries first, first + 16, ...; null in one that an open has passed */
    size_t n_sparse, cap_sparse;
    bool unseen; /* the head is what a summary says; the file was not looked at yet */
};

struct audit {
    int dir, lock; /* DATA/audit; the file held by flock, -1 for tools */
    char *path;
    struct span origin;
    struct sign_key *key; /* null for tools */
    uint8_t pk[SIGN_PK_LEN];
    struct arena *arena; /* origin, path */

    /* The committer's own. */
    int fd; /* last segment */
    uint8_t *buf;
    size_t buf_len;
    uint64_t buf_at; /* file offset of buf[0] */
    uint64_t next;   /* index of the next entry */
    uint64_t pending_max;
    uint64_t synced;             /* entries before this one are on disk */
    enum epoch_unit unit, names; /* of epochs, of pseudonyms; not changed after the open */
    uint32_t epoch;              /* that is open; EPOCH_NONE */
    int64_t epoch_ends;          /* ms: entries before need no look at the calendar */
    uint32_t epoch_next;         /* once it is closed: the one that follows */
    bool closed;                 /* its last entry is there, the next one's first is not */

    /* Shared with readers. */
    atomic_bool stopped;
    atomic_uint_fast64_t sealed, pending_done;
    atomic_uint_fast32_t left;     /* bytes without entries in the last segment, when it was sealed */
    atomic_uint_fast32_t bytes;    /* of the last segment, and of the next */
    _Atomic(struct floor *) floor; /* null: never pruned */
    pthread_mutex_t lock_spares;
    unsigned n_spares; /* under lock_spares: room for so many segments */
    pthread_mutex_t lock_segments;
    struct segment *segments; /* under lock_segments */
    size_t n_segments, cap_segments;
    pthread_mutex_t lock_published;
    struct tiles *published; /* under lock_published; replaced, never changed */
    char *note;              /* the same; malloc'd */
    size_t note_len;
};

enum { CURSOR_SCAN = 256 << 10, CURSOR_POINT = 8 << 10, NOTE_FILE_MAX = 64 << 10, BUFFER_BYTES = 1 << 20 };

/* Registers a segment, and the offset of an entry in the last one. */
void segments_add(struct audit *au, const struct segment_head *h, bool unseen);
void segments_note(struct audit *au, uint64_t index, uint64_t offset);
/* A cursor standing at entry `index`, which the log holds. The first to ask for an entry of a segment that
 * the open has passed looks at the file (ERR_CORRUPT: it is not the one its summary was signed for) and reads
 * its summary, or without one the segment. */
enum err segments_seek(struct audit *au, uint64_t index, size_t window, struct cursor *c, struct fail *f);
/* Makes and syncs an empty segment. */
struct segment_make {
    int dir;
    struct segment_head head;
    enum err (*before_name)(
        void *ctx, struct fail *f); /* run when there is room, before the name appears; may be null */
    void *ctx;
};
enum err segment_create(const struct segment_make *m, int *fd, struct fail *f);
/* The same out of room made before, or now. *named after a failure: it has its name, perhaps not durably, and
 * nothing may go to the old one any more. */
enum err segment_next(struct audit *au, const struct segment_make *m, int *fd, bool *named, struct fail *f);
/* Room for n segments at least. Any thread. ERR_DISK_FULL. */
enum err spares_want(struct audit *au, unsigned n, uint32_t bytes, struct fail *f);
/* What a process before left of them. */
void spares_clear(const struct audit *au);

/* Adds entries [t->size, upto) from the segments. With the signing key at hand, each segment that is finished
 * on the way gets its summary. */
enum err integrate(struct audit *au, struct tiles *t, uint64_t upto, tile_full_fn full, void *ctx,
                   struct fail *f);

/* ---- Summaries of finished segments (summary.c): what an open needs to know of them without reading them */

struct summary {
    struct segment_head head; /* of the segment */
    uint64_t end;             /* index behind its last entry */
    uint32_t end_offset;      /* offset behind its last record */
    uint32_t *sparse;         /* malloc'd; one offset per SPARSE_EVERY entries */
    size_t n_sparse;
    struct tiles *tree; /* of all entries before `end`; malloc'd */
    bool has_before;    /* one of version 1 has not */
    size_t n_before;
    struct segment_head *before; /* of the segments before this one, oldest first; malloc'd */
};
void summary_free(struct summary *s);
/* False if there is none, or it is not what the key signed for a segment with this head. */
bool summary_read(int dir, const uint8_t pk[SIGN_PK_LEN], const struct segment_head *h, struct summary *s);
/* Writes the summary of segment `number`, which ends where t ends. Not synced: a start without it reads the
 * segment and makes it again. A failure leaves none. */
void summary_keep(struct audit *au, uint64_t number, const struct tiles *t);
/* Writes one of version 1 again, with the heads that the table of segments has by now. The same of a failure:
 * the old one stays. */
void summary_renew(struct audit *au, const struct summary *s);
/* True if the segment's last record is where the summary says, and nothing follows it. */
bool summary_fits(int dir, const struct summary *s);
bool summary_exists(int dir, uint64_t number);
/* One that a crash left unfinished: a new one is made when the segment has been read. */
void summary_drop(int dir, uint64_t number);

/* ---- Opening (open_tree.c): the tree of a log whose segments are known */

struct recovery {
    struct audit *au;
    struct arena *a;
    struct identity id;
    struct merkle_checkpoint goal;      /* what must be there: `signed`, or for tools `checkpoint` */
    struct merkle_checkpoint published; /* `checkpoint` */
    struct span note;                   /* of goal */
    uint64_t n_segments;                /* number behind the last one */
    bool passing;        /* segments that are not read: the next begins at au->next or behind it */
    struct tiles *start; /* the tree up to the end of the last summary; null: none, begin at nothing */
    struct tile_fault fault;
    uint64_t end; /* offset behind the last good record */
};
enum err recover_tree(struct recovery *r, struct tiles *t, struct fail *f);

enum err identity_read(struct arena *a, int dir, struct identity *id, struct fail *f);
enum err note_read(struct arena *a, int dir, const char *name, const struct identity *id, struct span *note,
                   struct merkle_checkpoint *c, struct fail *f);
/* A small file under dir; ERR_NOT_FOUND, ERR_IO, ERR_TOO_LARGE. */
enum err small_read(struct arena *a, int dir, const char *name, size_t max, struct span *out, struct fail *f);
/* Signs the state and writes `signed`, then `checkpoint`. *note in the arena. */
enum err note_publish(struct arena *a, const char *path, const struct sign_key *key,
                      const struct identity *id, const struct tiles *t, struct span *note, struct fail *f);
/* Names of segments, checked to be from..*behind-1; those below `from` are not looked at. */
enum err segments_count(struct arena *a, const char *path, uint64_t from, uint64_t *behind, struct fail *f);
void published_set(struct audit *au, struct tiles *t, struct span note);
/* The published state, malloc'd, with the note of the same moment. */
struct tiles *published_copy(struct audit *au, struct arena *a, struct span *note);
/* True if the first n hashes of the tile exist in a tree of that size. */
bool tile_covered(const struct tiles *t, unsigned level, uint64_t index, size_t n);
/* The first n hashes of a tile: of the unfinished one from memory, else from its file. */
bool tile_hashes(struct audit *au, const struct tiles *t, unsigned level, uint64_t index, size_t n,
                 struct digest row[MERKLE_TILE_WIDTH]);
/* The tree of the first n entries, n at most t's, out of tiles. False: a tile is missing. */
bool tiles_at(struct audit *au, const struct tiles *t, uint64_t n, struct tiles *out);
enum err entry_absent(struct fail *f, uint64_t index);
enum err entry_pruned(struct fail *f, uint64_t index);
/* One sealed or buffered entry's leaf, copied to the arena. */
enum err leaf_read(struct audit *au, uint64_t index, struct arena *a, struct span *leaf, struct fail *f);

#endif
