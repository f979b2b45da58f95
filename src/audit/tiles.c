// SPDX-License-Identifier: Apache-2.0
/* tiles.c: the growing tree as rows of hashes, and tile files. See c2sp.org/tlog-tiles. */
#include "audit_impl.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TILE_TMP "tile-next"

/* The row a finished tile leaves behind is one hash of the row above; `full` sees each finished row. */
enum err tiles_add(struct tiles *t, const struct digest *leaf_hash, tile_full_fn full, void *ctx,
                   struct fail *f)
{
    struct digest carry = *leaf_hash;
    uint64_t n = t->size;
    for (unsigned level = 0; level < TILE_LEVELS; level++, n /= MERKLE_TILE_WIDTH) {
        struct digest *row = t->row[level];
        row[n % MERKLE_TILE_WIDTH] = carry;
        if (n % MERKLE_TILE_WIDTH != MERKLE_TILE_WIDTH - 1)
            break;
        enum err e = full ? full(ctx, level, n / MERKLE_TILE_WIDTH, row, f) : OK;
        if (e)
            return e;
        merkle_fold(row, MERKLE_TILE_WIDTH, &carry);
    }
    t->size++;
    return OK;
}

unsigned tiles_width(const struct tiles *t, unsigned level)
{
    return (unsigned)(t->size >> (level * MERKLE_TILE_HEIGHT)) % MERKLE_TILE_WIDTH;
}

uint64_t tiles_index(const struct tiles *t, unsigned level)
{
    return t->size >> (level * MERKLE_TILE_HEIGHT) >> MERKLE_TILE_HEIGHT;
}

/* What is unfinished at one level is the last, smaller subtree of the level above: RFC 6962 splits at powers
 * of two, so folding level by level gives the root. */
void tiles_root(const struct tiles *t, struct digest *out)
{
    struct digest row[MERKLE_TILE_WIDTH];
    bool carry = false;
    crypto_sha256(SPAN_EMPTY, out);
    for (unsigned level = 0; level < TILE_LEVELS; level++) {
        size_t n = tiles_width(t, level);
        memcpy(row, t->row[level], n * sizeof row[0]);
        if (carry)
            row[n++] = *out;
        if (n == 0)
            continue;
        merkle_fold(row, n, out);
        carry = true;
    }
}

/* ---- Files */

static enum err make_folder_of(int dir, const char *path, struct fail *f)
{
    char part[128];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdirat(dir, part, 0755) != 0 && errno != EEXIST)
            return io_fail(f, "creating", part);
    }
    return OK;
}

static enum err write_tmp(int dir, struct span content, bool sync, struct fail *f)
{
    int fd = openat(dir, TILE_TMP, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return io_fail(f, "creating", TILE_TMP);
    enum err e = io_write_all(fd, content.p, content.len, 0, TILE_TMP, f);
    if (!e && sync && fsync(fd) != 0)
        e = io_fail(f, "syncing", TILE_TMP);
    close(fd);
    return e;
}

static pthread_mutex_t lock_tmp = PTHREAD_MUTEX_INITIALIZER; /* readers mend, the publisher writes */

static enum err write_tile(int dir, unsigned level, uint64_t index, unsigned width, const struct digest *row,
                           bool sync, struct fail *f)
{
    struct arena *a = arena_new(256);
    const char *path = arena_str(a, merkle_tile_path(a, false, level, index, width));
    pthread_mutex_lock(&lock_tmp);
    enum err e = write_tmp(dir, span_of(row, (width ? width : MERKLE_TILE_WIDTH) * sizeof *row), sync, f);
    if (!e && renameat(dir, TILE_TMP, dir, path) != 0) {
        e = errno == ENOENT ? make_folder_of(dir, path, f) : OK;
        if (!e && renameat(dir, TILE_TMP, dir, path) != 0)
            e = io_fail(f, "renaming a tile to", path);
    }
    pthread_mutex_unlock(&lock_tmp);
    arena_free(a);
    return e;
}

enum err tile_write(int dir, unsigned level, uint64_t index, unsigned width, const struct digest *row,
                    struct fail *f)
{
    return write_tile(dir, level, index, width, row, false, f);
}

enum err tile_mend(int dir, unsigned level, uint64_t index, const struct digest row[MERKLE_TILE_WIDTH],
                   struct fail *f)
{
    return write_tile(dir, level, index, 0, row, true, f);
}

static bool sync_one(int dir, struct arena *a, unsigned level, uint64_t index)
{
    const char *path = arena_str(a, merkle_tile_path(a, false, level, index, 0));
    int fd = io_open(dir, path);
    if (fd < 0)
        return errno == ENOENT; /* made again when somebody asks for it */
    bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

bool tiles_sync(int dir, uint64_t from, uint64_t upto)
{
    struct arena *a = arena_new(0);
    bool ok = true;
    for (unsigned level = 0; level < TILE_LEVELS && ok; level++) {
        unsigned shift = 8 * (level + 1); /* entries of a full tile: 256, 65536, ... */
        uint64_t end = shift < 64 ? upto >> shift : 0;
        for (uint64_t i = shift < 64 ? from >> shift : 0; i < end && ok; i++) {
            ok = sync_one(dir, a, level, i);
            arena_reset(a);
        }
    }
    arena_free(a);
    return ok;
}

bool tile_read(int dir, unsigned level, uint64_t index, unsigned width, struct digest *row)
{
    struct arena *a = arena_new(256);
    const char *path = arena_str(a, merkle_tile_path(a, false, level, index, width));
    size_t want = (width ? width : MERKLE_TILE_WIDTH) * sizeof *row;
    int fd = io_open(dir, path);
    arena_free(a);
    if (fd < 0)
        return false;
    struct stat st;
    bool ok = fstat(fd, &st) == 0 && st.st_size == (off_t)want && pread(fd, row, want, 0) == (ssize_t)want;
    close(fd);
    return ok;
}

void tile_remove_partial(int dir, unsigned level, uint64_t index, unsigned width)
{
    struct arena *a = arena_new(256);
    char *path = arena_str(a, merkle_tile_path(a, false, level, index, width));
    unlinkat(dir, path, 0); /* a leftover does no harm */
    *strrchr(path, '/') = 0;
    unlinkat(dir, path, AT_REMOVEDIR);
    arena_free(a);
}

void tile_compare(int dir, unsigned level, uint64_t index, unsigned width, const struct digest *row,
                  struct tile_fault *fault)
{
    struct digest have[MERKLE_TILE_WIDTH];
    size_t n = width ? width : MERKLE_TILE_WIDTH, at = 0;
    if (fault->any)
        return;
    *fault = (struct tile_fault){.level = level, .index = index, .width = width};
    fault->missing = !tile_read(dir, level, index, width, have);
    while (!fault->missing && at < n && memcmp(&have[at], &row[at], sizeof have[at]) == 0)
        at++;
    fault->at = (unsigned)at;
    fault->any = at < n;
}
