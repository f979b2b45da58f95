// SPDX-License-Identifier: Apache-2.0
/*
 * nth.c: an LD_PRELOAD shim that makes one call fail which changes the files below NTH_ROOT, or NTH_ROOT if it is a file.
 *
 * NTH_CALL=N fails the N-th of them (counted from 1) with NTH_ERRNO (5, EIO, or 28, ENOSPC); with NTH_SYNC=1 only syncs are
 * counted, and every one from the N-th on fails, as on a disk that is gone. A write that fails has written half
 * of its bytes: the caller must not rely on none. NTH_LOG gets a byte for each call counted.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
static size_t root_len;
static long nth;
static int error_number, log_fd = -1;
static bool syncs_only;
static atomic_long calls;

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void start(void)
{
    const char *r = getenv("NTH_ROOT"), *n = getenv("NTH_CALL"), *e = getenv("NTH_ERRNO"), *l = getenv("NTH_LOG");
    if (!r || !n || !realpath(r, root))
        return;
    int (*real)(const char *, int, ...) = next("open64");
    root_len = strlen(root);
    nth = atol(n);
    error_number = e ? atoi(e) : EIO;
    syncs_only = getenv("NTH_SYNC") != NULL;
    if (l)
        log_fd = real(l, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static bool below(int fd)
{
    char link[40], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = root_len ? readlink(link, path, sizeof path - 1) : 0;
    if (!root_len || n < (ssize_t)root_len || memcmp(path, root, root_len) != 0)
        return false;
    return n == (ssize_t)root_len || path[root_len] == '/';
}

/* True if this call is to fail; errno is set. */
static bool fails(bool sync)
{
    ssize_t (*real_write)(int, const void *, size_t) = next("write");
    if (!root_len || (syncs_only && !sync))
        return false;
    long n = atomic_fetch_add(&calls, 1) + 1;
    if (log_fd >= 0)
        real_write(log_fd, "x", 1);
    if (n != nth && !(syncs_only && n > nth))
        return false;
    errno = error_number;
    return true;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    ssize_t (*real)(int, const void *, size_t, off64_t) = next("pwrite64");
    if (!below(fd) || !fails(false))
        return real(fd, data, len, at);
    real(fd, data, len / 2, at);
    errno = error_number;
    return -1;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return pwrite64(fd, data, len, at);
}

ssize_t write(int fd, const void *data, size_t len)
{
    ssize_t (*real)(int, const void *, size_t) = next("write");
    if (!below(fd) || !fails(false))
        return real(fd, data, len);
    real(fd, data, len / 2);
    errno = error_number;
    return -1;
}

ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t at)
{
    ssize_t (*real)(int, const struct iovec *, int, off64_t) = next("pwritev64");
    return below(fd) && fails(false) ? -1 : real(fd, v, n, at);
}

ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    return pwritev64(fd, v, n, at);
}

int ftruncate64(int fd, off64_t len)
{
    int (*real)(int, off64_t) = next("ftruncate64");
    return below(fd) && fails(false) ? -1 : real(fd, len);
}

int ftruncate(int fd, off_t len)
{
    return ftruncate64(fd, len);
}

int fallocate64(int fd, int mode, off64_t at, off64_t len)
{
    int (*real)(int, int, off64_t, off64_t) = next("fallocate64");
    return below(fd) && fails(false) ? -1 : real(fd, mode, at, len);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    return fallocate64(fd, mode, at, len);
}

int posix_fallocate64(int fd, off64_t at, off64_t len)
{
    int (*real)(int, off64_t, off64_t) = next("posix_fallocate64");
    return below(fd) && fails(false) ? error_number : real(fd, at, len);
}

int posix_fallocate(int fd, off_t at, off_t len)
{
    return posix_fallocate64(fd, at, len);
}

int fsync(int fd)
{
    int (*real)(int) = next("fsync");
    return below(fd) && fails(true) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    int (*real)(int) = next("fdatasync");
    return below(fd) && fails(true) ? -1 : real(fd);
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = next("rename");
    bool ours = root_len && strncmp(to, root, root_len) == 0;
    return ours && fails(false) ? -1 : real(from, to);
}
