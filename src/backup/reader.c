// SPDX-License-Identifier: Apache-2.0
/* Reading a file of a backup: see backup.h. */
#define _GNU_SOURCE /* strerrordesc_np */
#include "backup_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct reader {
    const char *path;
    int fd;
    uint64_t at;
    uint8_t *sealed, *plain; /* a piece */
    struct stream *stream;
    struct digest bind; /* of the head: authenticated with every piece */
    struct unpack unpack;
};

/* Exactly len bytes, or fewer at the end of the file. */
static enum err read_some(struct reader *r, uint8_t *p, size_t len, size_t *got, struct fail *f)
{
    *got = 0;
    while (*got < len) {
        ssize_t n = read(r->fd, p + *got, len - *got);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_set(f, ERR_IO, "%s cannot be read: %s", r->path, strerrordesc_np(errno));
        *got += (size_t)n;
    }
    r->at += *got;
    return OK;
}

static enum err cut(const struct reader *r, struct fail *f)
{
    fail_hint(f, "fetch the file again from where it was kept, or take another backup");
    return fail_set(f, ERR_INTEGRITY, "%s is cut off: it ends at byte %llu", r->path,
                    (unsigned long long)r->at);
}

static enum err damaged(const struct reader *r, struct fail *f)
{
    fail_hint(f, "fetch the file again from where it was kept, or take another backup");
    return fail_set(f, ERR_INTEGRITY, "%s is damaged before byte %llu", r->path, (unsigned long long)r->at);
}

static enum err open_head(struct reader *r, enum backup_kind kind, const struct backup_with *with,
                          struct fail *f)
{
    uint8_t buf[HEAD_MAX];
    struct head h;
    size_t got;
    enum err err = read_some(r, buf, sizeof buf, &got, f);
    if (err == OK)
        err = head_get(span_of(buf, got), &h, f);
    if (err != OK)
        return err;
    if (kind && h.kind != kind) {
        fail_hint(f, "give the file of the data as --data-file and that of the keys as --keys-file");
        return fail_set(f, ERR_BAD_VALUE, "%s is a backup of the %s, not of the %s", r->path,
                        backup_kind_name(h.kind), backup_kind_name(kind));
    }
    r->unpack.kind = h.kind;
    if (got < h.len + STREAM_HEAD)
        return cut(r, f);
    struct key *k = head_key(&h, with);
    if (!k) {
        fail_hint(f,
                  "it was sealed for %u; give the secret key (--key) or the words (--passphrase-file) of one "
                  "of them",
                  h.n);
        return fail_set(f, ERR_NO_KEY, "%s is not sealed for this key, or its head is damaged", r->path);
    }
    r->stream = stream_open_new(k, buf + h.len);
    key_free(k);
    r->at = h.len + STREAM_HEAD;
    crypto_sha256(span_of(buf, (size_t)r->at), &r->bind);
    if (lseek(r->fd, (off_t)r->at, SEEK_SET) < 0)
        return fail_set(f, ERR_IO, "%s is not a file that can be read from a place", r->path);
    return OK;
}

static enum err read_piece(struct reader *r, bool *last, struct fail *f)
{
    uint8_t len4[4];
    size_t got, len;
    enum err err = read_some(r, len4, sizeof len4, &got, f);
    if (err == OK && got < sizeof len4)
        return cut(r, f);
    len = (size_t)get_be(len4, sizeof len4);
    if (err == OK && (len <= STREAM_EXTRA || len > PIECE_SEALED))
        return damaged(r, f);
    if (err == OK)
        err = read_some(r, r->sealed, len, &got, f);
    if (err != OK)
        return err;
    if (got < len)
        return cut(r, f);
    if (!stream_open(r->stream, span_of(r->bind.b, sizeof r->bind.b), span_of(r->sealed, len), r->plain,
                     last))
        return damaged(r, f);
    return unpack_piece(&r->unpack, span_of(r->plain, len - STREAM_EXTRA), *last, f);
}

static enum err read_pieces(struct reader *r, struct fail *f)
{
    uint8_t more;
    size_t got = 0;
    bool last = false;
    enum err err = OK;
    const struct backup_sink *sink = r->unpack.sink;
    while (err == OK && !last) {
        err = read_piece(r, &last, f);
        if (sink->progress)
            sink->progress(sink->ctx, r->at);
    }
    if (err == OK)
        err = read_some(r, &more, 1, &got, f);
    return err == OK && got ? damaged(r, f) : err;
}

enum err backup_read(const char *path, enum backup_kind kind, const struct backup_with *with,
                     const struct backup_sink *sink, struct backup_sum *sum, struct fail *f)
{
    struct reader r = {.path = path, .sealed = malloc(PIECE_SEALED), .plain = malloc(BACKUP_PIECE)};
    if (!r.sealed || !r.plain)
        abort();
    r.fd = open(path, O_RDONLY | O_CLOEXEC);
    unpack_init(&r.unpack, kind, sink);
    enum err err = r.fd >= 0 ? OK : fail_set(f, ERR_IO, "%s: %s", path, strerrordesc_np(errno));
    if (err == OK)
        err = open_head(&r, kind, with, f);
    if (err == OK)
        err = read_pieces(&r, f);
    *sum = (struct backup_sum){.bytes = r.at, .parts = r.unpack.parts};
    unpack_free(&r.unpack);
    stream_free(r.stream);
    crypto_wipe(r.plain, BACKUP_PIECE);
    free(r.plain);
    free(r.sealed);
    if (r.fd >= 0)
        close(r.fd);
    return err;
}
