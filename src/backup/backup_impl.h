// SPDX-License-Identifier: Apache-2.0
/* backup_impl.h: the two layers of a file: sealed pieces, and what they say. Bytes are in DESIGN.md. */
#ifndef TROTH_BACKUP_IMPL_H
#define TROTH_BACKUP_IMPL_H

#include "backup.h"

#include "bytes.h"

enum {
    HEAD_FIXED = 12, /* magic, kind, number of recipients, zeros */
    FOR_BOX = 1 + BOX_PK_LEN + BOXED_LEN,
    FOR_WORDS = 1 + SALT_LEN + 4 + 4 + WRAPPED_LEN,
    HEAD_MAX = HEAD_FIXED + BACKUP_FOR_MAX * FOR_BOX + STREAM_HEAD,
    PIECE_SEALED = BACKUP_PIECE + STREAM_EXTRA,
    ZEROS_MAX = 1 << 30
};
#define BACKUP_MAGIC "TROTHBK"
enum { BACKUP_FORMAT = 1 };
enum { FOR_TYPE_BOX = 1, FOR_TYPE_WORDS = 2 };

/* What a piece is. */
enum { SAY_ABOUT = 'A', SAY_PART = 'P', SAY_BYTES = 'D', SAY_ZEROS = 'Z', SAY_END = 'E', SAY_ALL = 'M' };

/* ---- head.c: who can open it */

struct head {
    enum backup_kind kind;
    size_t len;         /* without the stream's own head */
    struct span people; /* the recipients' entries */
    unsigned n;
};
/* Lays out the head and seals k for each; returns its length, or 0: a public key that cannot be used. */
size_t head_put(enum backup_kind kind, const struct backup_for *who, size_t n, const struct key *k,
                uint8_t out[HEAD_MAX]);
/* How long the head is, from its first HEAD_FIXED bytes and what follows; reads no key. ERR_BAD_VALUE. */
enum err head_get(struct span s, struct head *out, struct fail *f);
/* The file's key, or null: not for `with`. */
struct key *head_key(const struct head *h, const struct backup_with *with);

/* ---- unpack.c: the sequence of what pieces say, checked */

struct unpack {
    enum backup_kind kind;
    const struct backup_sink *sink;
    bool told, in_part, whole;
    struct hash *part, *all;
    uint64_t size; /* of the part */
    uint64_t parts;
    char name[BACKUP_NAME_MAX + 1];
};
void unpack_init(struct unpack *u, enum backup_kind kind, const struct backup_sink *sink);
void unpack_free(struct unpack *u);
enum err unpack_piece(struct unpack *u, struct span piece, bool last, struct fail *f);
/* What the digest over all parts is made of, for each part. */
void part_sum(struct hash *all, struct span name, uint64_t size, const struct digest *d);

#endif
