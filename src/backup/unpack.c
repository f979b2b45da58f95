// SPDX-License-Identifier: Apache-2.0
/* What the pieces of a file say, one after the other: about, parts, and the sum of all at the end. */
#include "backup_impl.h"

#include <string.h>

void unpack_init(struct unpack *u, enum backup_kind kind, const struct backup_sink *sink)
{
    *u = (struct unpack){.kind = kind, .sink = sink, .part = hash_new(), .all = hash_new()};
}

void unpack_free(struct unpack *u)
{
    hash_free(u->part);
    hash_free(u->all);
}

void part_sum(struct hash *all, struct span name, uint64_t size, const struct digest *d)
{
    uint8_t n[8];
    put_be(n, size, sizeof n);
    hash_add(all, name);
    hash_add(all, SPAN("\0"));
    hash_add(all, span_of(n, sizeof n));
    hash_add(all, span_of(d->b, sizeof d->b));
}

static enum err broken(const struct unpack *u, const char *what, struct fail *f)
{
    return fail_set(f, ERR_INTEGRITY, "the backup is damaged: %s%s%s", what, u->name[0] ? " in " : "",
                    u->name);
}

/* ---- Names */

static bool name_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* Pieces of letters, digits, '-', '_' and '.', none beginning with a dot. */
static bool plain_path(struct span name)
{
    struct span piece;
    if (name.len == 0 || name.len > BACKUP_NAME_MAX || name.p[name.len - 1] == '/')
        return false;
    while (span_cut(&name, '/', &piece)) {
        if (piece.len == 0 || piece.p[0] == '.')
            return false;
        for (size_t i = 0; i < piece.len; i++)
            if (!name_char(piece.p[i]))
                return false;
    }
    return true;
}

bool backup_name_ok(enum backup_kind kind, struct span name)
{
    if (!plain_path(name))
        return false;
    if (span_is(name, "erased.ledger"))
        return true;
    if (kind == BACKUP_KEYS)
        return span_is(name, "keys.db") || span_is(name, "audit-key");
    return span_is(name, "troth.db") || span_starts(name, "policy/") || span_starts(name, "audit/");
}

/* ---- Pieces; `s` is what follows the first byte */

static enum err say_about(struct unpack *u, struct span s, struct fail *f)
{
    if (u->told)
        return broken(u, "it says twice what it is", f);
    u->told = true;
    return u->sink->about(u->sink->ctx, u->kind, s, f);
}

static enum err say_part(struct unpack *u, struct span s, struct fail *f)
{
    struct span name = span_sub(s, 2, s.len);
    if (u->in_part || s.len < 2)
        return broken(u, "a part begins in the midst of another", f);
    if (!backup_name_ok(u->kind, name))
        return broken(u, "a part has a name that none of this kind has", f);
    memcpy(u->name, name.p, name.len);
    u->name[name.len] = 0;
    u->in_part = true;
    u->size = 0;
    return u->sink->part(u->sink->ctx, name, (unsigned)get_be(s.p, 2) & 0777, f);
}

static enum err take(struct unpack *u, struct span s, struct fail *f)
{
    u->size += s.len;
    hash_add(u->part, s);
    return u->sink->bytes(u->sink->ctx, s, f);
}

static enum err say_bytes(struct unpack *u, struct span s, struct fail *f)
{
    return u->in_part ? take(u, s, f) : broken(u, "bytes of no part", f);
}

static enum err say_zeros(struct unpack *u, struct span s, struct fail *f)
{
    static const uint8_t zero[BACKUP_PIECE];
    enum err err = OK;
    uint64_t n = s.len == 8 ? get_be(s.p, 8) : 0;
    if (!u->in_part || n == 0 || n > ZEROS_MAX)
        return broken(u, "an impossible number of zeros", f);
    for (; n > 0 && err == OK; n -= n < sizeof zero ? n : sizeof zero)
        err = take(u, span_of(zero, n < sizeof zero ? n : sizeof zero), f);
    return err;
}

static enum err say_end(struct unpack *u, struct span s, struct fail *f)
{
    struct digest d;
    if (!u->in_part || s.len != 8 + sizeof d.b)
        return broken(u, "a part ends that did not begin", f);
    hash_take(u->part, &d);
    if (get_be(s.p, 8) != u->size || memcmp(s.p + 8, d.b, sizeof d.b) != 0)
        return broken(u, "size or digest differ", f);
    part_sum(u->all, span_str(u->name), u->size, &d);
    u->name[0] = 0;
    u->in_part = false;
    u->parts++;
    return u->sink->part_end(u->sink->ctx, f);
}

static enum err say_all(struct unpack *u, struct span s, struct fail *f)
{
    struct digest d;
    hash_take(u->all, &d);
    if (u->in_part || !u->told || s.len != 8 + sizeof d.b || get_be(s.p, 8) != u->parts ||
        memcmp(s.p + 8, d.b, sizeof d.b) != 0)
        return broken(u, "the sum of all parts differs", f);
    u->whole = true;
    return OK;
}

static const struct {
    uint8_t is;
    enum err (*say)(struct unpack *u, struct span s, struct fail *f);
} says[] = {{SAY_ABOUT, say_about}, {SAY_PART, say_part}, {SAY_BYTES, say_bytes},
            {SAY_ZEROS, say_zeros}, {SAY_END, say_end},   {SAY_ALL, say_all}};

enum err unpack_piece(struct unpack *u, struct span piece, bool last, struct fail *f)
{
    if (piece.len == 0 || piece.len > BACKUP_PIECE || u->whole || last != (piece.p[0] == SAY_ALL) ||
        (!u->told && piece.p[0] != SAY_ABOUT))
        return broken(u, "a piece is out of place", f);
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++)
        if (says[i].is == piece.p[0])
            return says[i].say(u, span_sub(piece, 1, piece.len), f);
    return broken(u, "a piece is of no known kind", f);
}
