// SPDX-License-Identifier: Apache-2.0
/* Writing a file of a backup: see backup.h. */
#define _GNU_SOURCE /* strerrordesc_np, renameat2 */
#include "backup_impl.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZERO_BLOCK 16384 /* fewer zeros than these are sealed like anything else */

struct backup_writer {
    struct arena *arena;
    char *path, *temporary;
    int fd;
    uint64_t written;
    uint8_t *piece, *sealed; /* what is gathered; the sealed form with its length before it */
    size_t len;              /* of piece, with its first byte */
    uint64_t zeros;          /* not written yet */
    struct stream *stream;
    struct digest bind;
    enum backup_kind kind;
    struct hash *part, *all;
    char name[BACKUP_NAME_MAX + 1];
    uint64_t size, parts;
};

const char *backup_kind_name(enum backup_kind k)
{
    return k == BACKUP_KEYS ? "keys" : "data";
}

static enum err write_out(struct backup_writer *w, struct span s, struct fail *f)
{
    struct fail why = {0};
    enum err err = file_write_all(w->fd, s, &why);
    w->written += s.len;
    if (err == OK)
        return OK;
    if (err == ERR_DISK_FULL)
        fail_hint(f, "make room where the backup goes; what was written of it is removed");
    return fail_set(f, err, "%s: %s", w->path, why.detail);
}

/* ---- Pieces */

static enum err seal_piece(struct backup_writer *w, bool last, struct fail *f)
{
    size_t sealed = w->len + STREAM_EXTRA;
    put_be(w->sealed, sealed, 4);
    stream_seal(w->stream, span_of(w->bind.b, sizeof w->bind.b), span_of(w->piece, w->len), last,
                w->sealed + 4);
    w->len = 0;
    return write_out(w, span_of(w->sealed, 4 + sealed), f);
}

static enum err say(struct backup_writer *w, uint8_t what, struct span s, struct fail *f)
{
    w->piece[0] = what;
    if (s.len)
        memcpy(w->piece + 1, s.p, s.len);
    w->len = 1 + s.len;
    return seal_piece(w, what == SAY_ALL, f);
}

static enum err flush_zeros(struct backup_writer *w, struct fail *f)
{
    enum err err = OK;
    while (w->zeros && err == OK) {
        uint8_t n[8];
        uint64_t now = w->zeros < ZEROS_MAX ? w->zeros : ZEROS_MAX;
        put_be(n, now, sizeof n);
        w->zeros -= now;
        err = say(w, SAY_ZEROS, span_of(n, sizeof n), f);
    }
    return err;
}

static enum err flush(struct backup_writer *w, struct fail *f)
{
    return w->len > 1 ? seal_piece(w, false, f) : flush_zeros(w, f);
}

/* ---- Beginning */

static enum err write_head(struct backup_writer *w, const struct backup_for *who, size_t n, struct fail *f)
{
    uint8_t head[HEAD_MAX];
    struct key *k = key_random();
    size_t len = n && n <= BACKUP_FOR_MAX ? head_put(w->kind, who, n, k, head) : 0;
    if (len) {
        w->stream = stream_seal_new(k, head + len);
        len += STREAM_HEAD;
        crypto_sha256(span_of(head, len), &w->bind);
    }
    key_free(k);
    if (!len)
        return fail_set(f, ERR_BAD_VALUE,
                        "the backup cannot be sealed: 1 to %d good public keys or passphrases",
                        BACKUP_FOR_MAX);
    return write_out(w, span_of(head, len), f);
}

static enum err create_file(struct backup_writer *w, struct fail *f)
{
    if (file_exists(w->path)) {
        fail_hint(f, "name another file: a backup never replaces one");
        return fail_set(f, ERR_CONFLICT, "%s exists already", w->path);
    }
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    return w->fd >= 0 ? OK
                      : fail_set(f, ERR_IO, "%s cannot be created: %s", w->temporary, strerrordesc_np(errno));
}

enum err backup_create(const char *path, enum backup_kind kind, const struct backup_for *who, size_t n,
                       struct span about, struct backup_writer **out, struct fail *f)
{
    struct backup_writer *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    *w = (struct backup_writer){.fd = -1, .kind = kind, .arena = arena_new(0)};
    w->path = arena_str(w->arena, span_str(path));
    w->temporary = arena_str(w->arena, arena_fmt(w->arena, "%s.part", path));
    w->piece = malloc(BACKUP_PIECE);
    w->sealed = malloc(4 + PIECE_SEALED);
    if (!w->piece || !w->sealed)
        abort();
    w->part = hash_new();
    w->all = hash_new();
    enum err err = create_file(w, f);
    if (err == OK)
        err = write_head(w, who, n, f);
    if (err == OK && about.len >= BACKUP_PIECE)
        err = fail_set(f, ERR_TOO_LARGE, "what a backup says about itself is too long");
    if (err == OK)
        err = say(w, SAY_ABOUT, about, f);
    if (err != OK) {
        backup_drop(w);
        return err;
    }
    *out = w;
    return OK;
}

/* ---- Parts */

enum err backup_part(struct backup_writer *w, const char *name, unsigned mode, struct fail *f)
{
    struct span s = span_str(name);
    if (!s.p || !backup_name_ok(w->kind, s))
        return fail_set(f, ERR_INTERNAL, "%s does not belong in a backup of the %s", name,
                        backup_kind_name(w->kind));
    memcpy(w->name, s.p, s.len);
    w->name[s.len] = 0;
    w->size = 0;
    uint8_t part[2 + BACKUP_NAME_MAX];
    put_be(part, mode, 2);
    memcpy(part + 2, s.p, s.len);
    return say(w, SAY_PART, span_of(part, 2 + s.len), f);
}

static bool all_zero(struct span s)
{
    return s.len > 0 && s.p[0] == 0 && memcmp(s.p, s.p + 1, s.len - 1) == 0;
}

/* Appends to the piece; a full one is sealed. */
static enum err gather(struct backup_writer *w, struct span s, struct fail *f)
{
    enum err err = flush_zeros(w, f);
    while (s.len && err == OK) {
        if (w->len == 0)
            w->piece[w->len++] = SAY_BYTES;
        size_t n = BACKUP_PIECE - w->len < s.len ? BACKUP_PIECE - w->len : s.len;
        memcpy(w->piece + w->len, s.p, n);
        w->len += n;
        s = span_sub(s, n, s.len);
        if (w->len == BACKUP_PIECE)
            err = seal_piece(w, false, f);
    }
    return err;
}

/* Whole blocks of zeros, such as the rest of a segment, take no room. */
enum err backup_bytes(struct backup_writer *w, struct span s, struct fail *f)
{
    enum err err = OK;
    hash_add(w->part, s);
    w->size += s.len;
    while (s.len && err == OK) {
        struct span block = span_sub(s, 0, ZERO_BLOCK);
        s = span_sub(s, block.len, s.len);
        if (block.len < ZERO_BLOCK || !all_zero(block)) {
            err = gather(w, block, f);
            continue;
        }
        if (w->len)
            err = seal_piece(w, false, f);
        w->zeros += block.len;
    }
    return err;
}

enum err backup_part_end(struct backup_writer *w, struct fail *f)
{
    struct digest d;
    uint8_t sum[8 + sizeof d.b];
    enum err err = flush(w, f);
    hash_take(w->part, &d);
    put_be(sum, w->size, 8);
    memcpy(sum + 8, d.b, sizeof d.b);
    part_sum(w->all, span_str(w->name), w->size, &d);
    w->parts++;
    return err == OK ? say(w, SAY_END, span_of(sum, sizeof sum), f) : err;
}

static enum err copy_bytes(struct backup_writer *w, const struct backup_file *file, int fd, struct fail *f)
{
    uint8_t buf[32768];
    enum err err = OK;
    uint64_t left = file->most ? file->most : UINT64_MAX;
    while (err == OK && left > 0) {
        ssize_t n = read(fd, buf, left < sizeof buf ? (size_t)left : sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            err = fail_set(f, ERR_IO, "%s cannot be read: %s", file->path, strerrordesc_np(errno));
        if (n <= 0)
            break;
        left -= (uint64_t)n;
        err = backup_bytes(w, span_of(buf, (size_t)n), f);
        if (file->progress)
            file->progress(file->ctx, (uint64_t)n);
    }
    crypto_wipe(buf, sizeof buf);
    while (err == OK && w->size < file->fill) {
        uint64_t n = file->fill - w->size;
        err = backup_bytes(w, span_of(buf, n < sizeof buf ? (size_t)n : sizeof buf), f);
    }
    return err;
}

enum err backup_file_add(struct backup_writer *w, const struct backup_file *file, struct fail *f)
{
    struct stat st;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0) {
        enum err code = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
        code = fail_set(f, code, "%s: %s", file->path, strerrordesc_np(errno));
        if (fd >= 0)
            close(fd);
        return code;
    }
    enum err err = backup_part(w, file->name, st.st_mode & 0777, f);
    if (err == OK)
        err = copy_bytes(w, file, fd, f);
    if (err == OK)
        err = backup_part_end(w, f);
    close(fd);
    return err;
}

/* ---- The end */

static void writer_free(struct backup_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    stream_free(w->stream);
    hash_free(w->part);
    hash_free(w->all);
    crypto_wipe(w->piece, BACKUP_PIECE); /* it held the key that signs */
    free(w->piece);
    free(w->sealed);
    arena_free(w->arena);
    free(w);
}

void backup_drop(struct backup_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        unlink(w->temporary);
    writer_free(w);
}

/* Never over another file; a file system that cannot tell them apart was asked a moment ago. */
static enum err put_name(struct backup_writer *w, struct fail *f)
{
    const char *slash = strrchr(w->path, '/');
    const char *folder = !slash ? "."
                         : slash == w->path
                             ? "/"
                             : arena_str(w->arena, span_of(w->path, (size_t)(slash - w->path)));
    int rc = renameat2(AT_FDCWD, w->temporary, AT_FDCWD, w->path, RENAME_NOREPLACE);
    if (rc != 0 && errno == EINVAL)
        rc = rename(w->temporary, w->path);
    if (rc != 0)
        return fail_set(f, errno == EEXIST ? ERR_CONFLICT : ERR_IO, "%s cannot get its name: %s", w->path,
                        strerrordesc_np(errno));
    enum err err = file_sync_dir(folder, f);
    if (err != OK) /* it may be gone after a power cut: no backup was made */
        unlink(w->path);
    return err;
}

enum err backup_finish(struct backup_writer *w, uint64_t *bytes, uint64_t *parts, struct fail *f)
{
    struct digest d;
    uint8_t sum[8 + sizeof d.b];
    hash_take(w->all, &d);
    put_be(sum, w->parts, 8);
    memcpy(sum + 8, d.b, sizeof d.b);
    enum err err = say(w, SAY_ALL, span_of(sum, sizeof sum), f);
    if (err == OK && fsync(w->fd) != 0)
        err = fail_set(f, ERR_IO, "%s cannot be synced: %s", w->path, strerrordesc_np(errno));
    if (err == OK)
        err = put_name(w, f);
    *bytes = w->written;
    *parts = w->parts;
    if (err != OK)
        backup_drop(w);
    else
        writer_free(w);
    return err;
}
