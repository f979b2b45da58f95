// SPDX-License-Identifier: Apache-2.0
/* io.c: the system calls that decide durability, and small files of the log's folder. */
#define _GNU_SOURCE /* fallocate, strerrordesc_np */
#include "audit_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int allocate(int fd, int mode, off_t at, off_t len)
{
    return fallocate(fd, mode, at, len);
}

static int open_at(int dir, const char *name, int flags)
{
    return openat(dir, name, flags);
}

struct audit_io audit_io = {pwrite, fdatasync, allocate, open_at};
uint32_t audit_segment_bytes = 16u << 20;

enum err io_fail(struct fail *f, const char *what, const char *name)
{
    int number = errno;
    bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    enum err code = full ? ERR_DISK_FULL : number == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    return fail_set(f, code, "%s %s: %s", what, name, strerrordesc_np(number));
}

int io_open(int dir, const char *name)
{
    return audit_io.openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

enum err io_write_all(int fd, const void *p, size_t len, uint64_t at, const char *name, struct fail *f)
{
    const uint8_t *b = p;
    while (len > 0) {
        ssize_t n = audit_io.pwrite(fd, b, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_fail(f, "writing", name);
        b += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return OK;
}

enum err small_read(struct arena *a, int dir, const char *name, size_t max, struct span *out, struct fail *f)
{
    int fd = io_open(dir, name);
    if (fd < 0)
        return io_fail(f, "opening", name);
    struct stat st;
    /* Room for what is there, not for what may be: an arena wipes all that it gave. */
    size_t room = fstat(fd, &st) == 0 && (uint64_t)st.st_size < max ? (size_t)st.st_size + 1 : max + 1;
    uint8_t *p = arena_alloc(a, room);
    size_t len = 0;
    ssize_t n;
    while ((n = read(fd, p + len, room - len)) > 0 || (n < 0 && errno == EINTR))
        len += n > 0 ? (size_t)n : 0;
    enum err e = n < 0 ? io_fail(f, "reading", name) : OK;
    close(fd);
    if (!e && len == room)
        e = fail_set(f, ERR_TOO_LARGE, "%s is longer than %zu bytes", name, room - 1);
    *out = span_of(p, len);
    return e;
}
