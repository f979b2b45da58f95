// SPDX-License-Identifier: Apache-2.0
/*
 * A backup as somebody else made it: its head, and what its pieces say once they are opened. The second is
 * behind a seal, so only who can seal can send it; here every input can. Sizes and digests are put right,
 * as whoever seals would.
 */
#include "backup_impl.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void try_head(struct span s)
{
    struct head h;
    struct fail f = {0};
    if (head_get(s, &h, &f) != OK) {
        must(f.code && f.detail[0]);
        return;
    }
    must(h.len <= s.len && h.n >= 1 && h.n <= BACKUP_FOR_MAX && h.len <= HEAD_MAX - STREAM_HEAD);
    must(!head_key(&h, &(struct backup_with){0}));
}

struct seen {
    bool told, in_part;
    struct hash *part, *all;
    uint64_t size, parts;
    char name[BACKUP_NAME_MAX + 1];
};

static enum err on_about(void *ctx, enum backup_kind kind, struct span json, struct fail *f)
{
    struct seen *s = ctx;
    (void)json, (void)f;
    must(!s->told && kind == BACKUP_DATA);
    s->told = true;
    return OK;
}

static enum err on_part(void *ctx, struct span name, unsigned mode, struct fail *f)
{
    struct seen *s = ctx;
    (void)f;
    must(s->told && !s->in_part && mode <= 0777 && backup_name_ok(BACKUP_DATA, name));
    must(name.p[0] != '/' && span_find(name, 0, 0) == name.len);
    memcpy(s->name, name.p, name.len);
    s->name[name.len] = 0;
    s->in_part = true;
    s->size = 0;
    return OK;
}

static enum err on_bytes(void *ctx, struct span bytes, struct fail *f)
{
    struct seen *s = ctx;
    must(s->in_part && bytes.len <= BACKUP_PIECE);
    s->size += bytes.len;
    hash_add(s->part, bytes);
    return s->size > 1 << 20 ? fail_set(f, ERR_DISK_FULL, "enough") : OK;
}

static enum err on_end(void *ctx, struct fail *f)
{
    struct seen *s = ctx;
    (void)f;
    must(s->in_part);
    s->in_part = false;
    s->parts++;
    return OK;
}

/* The sum of a part, or of all of them, as it would be right. */
static struct span put_right(struct seen *s, uint8_t what, uint8_t out[41])
{
    struct digest d;
    out[0] = what;
    if (what == SAY_END) {
        hash_take(s->part, &d);
        part_sum(s->all, span_str(s->name), s->size, &d);
    } else {
        hash_take(s->all, &d);
    }
    put_be(out + 1, what == SAY_END ? s->size : s->parts, 8);
    memcpy(out + 9, d.b, sizeof d.b);
    return span_of(out, 41);
}

/* Pieces: a byte of length, and so many bytes. "e" and "m" stand for sums that are right. */
static void try_pieces(struct span in)
{
    struct seen s = {.part = hash_new(), .all = hash_new()};
    const struct backup_sink sink = {on_about, on_part, on_bytes, on_end, NULL, &s};
    struct unpack u;
    struct fail f = {0};
    enum err err = OK;
    uint8_t sum[41];
    unpack_init(&u, BACKUP_DATA, &sink);
    while (in.len && err == OK) {
        struct span piece = span_sub(in, 1, in.p[0]);
        in = span_sub(in, 1 + piece.len, in.len);
        if (span_is(piece, "e"))
            piece = put_right(&s, SAY_END, sum);
        else if (span_is(piece, "m"))
            piece = put_right(&s, SAY_ALL, sum);
        err = unpack_piece(&u, piece, piece.len && piece.p[0] == SAY_ALL, &f);
        must(err == OK || (f.code && f.detail[0]));
    }
    must(!u.whole || (s.told && !s.in_part && u.parts == s.parts));
    unpack_free(&u);
    hash_free(s.part);
    hash_free(s.all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = span_of(data, size);
    try_head(s);
    try_pieces(s);
    return 0;
}
