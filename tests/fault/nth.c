// SPDX-License-Identifier: Apache-2.0
/*
 * nth.c: an LD_PRELOAD shim that makes calls fail on the files below NTH_ROOT, or on NTH_ROOT if it is a file.
 *
 * NTH_CALL=N fails the N-th of them (counted from 1) with NTH_ERRNO (5, EIO, or 28, ENOSPC); with NTH_SYNC=1 only syncs are
 * counted, and every one from the N-th on fails, as on a disk that is gone. A write that fails has written half
 * of its bytes: the caller must not rely on none. NTH_SHORT=1: nothing fails, but the N-th write writes half of its bytes and
 * says so. NTH_LOG gets a byte for each call counted: its kind. NTH_KINDS=ros counts calls of these kinds only: w writes, s syncs,
 * x truncations, reservations and renames (these are counted without it), r reads, o opened files, u deleted ones.
 *
 * NTH_WHILE=FILE instead of NTH_CALL: as long as there is that file, every call fails (every sync, with NTH_SYNC=1; else
 * everything but syncs) on files with NTH_NAME in their path.
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
static bool syncs_only, short_writes;
static const char *name_part, *while_file, *kinds = "wsx";
static atomic_long calls;

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void start(void)
{
    const char *r = getenv("NTH_ROOT"), *n = getenv("NTH_CALL"), *e = getenv("NTH_ERRNO"), *l = getenv("NTH_LOG");
    while_file = getenv("NTH_WHILE");
    name_part = getenv("NTH_NAME");
    kinds = getenv("NTH_KINDS") ? getenv("NTH_KINDS") : kinds;
    short_writes = getenv("NTH_SHORT") != NULL;
    if (!r || (!n && !while_file) || !realpath(r, root))
        return;
    int (*real)(const char *, int, ...) = next("open64");
    root_len = strlen(root);
    nth = n ? atol(n) : 0;
    error_number = e ? atoi(e) : EIO;
    syncs_only = getenv("NTH_SYNC") != NULL;
    if (l)
        log_fd = real(l, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static bool under(int fd, const char *part)
{
    char link[40], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = root_len ? readlink(link, path, sizeof path - 1) : 0;
    if (!root_len || n < (ssize_t)root_len || memcmp(path, root, root_len) != 0)
        return false;
    path[n] = 0;
    if (part && !strstr(path, part))
        return false;
    return n == (ssize_t)root_len || path[root_len] == '/';
}

static bool below(int fd)
{
    return under(fd, name_part);
}

/* True if this call is to fail; errno is set. */
static bool fails_as(char kind)
{
    ssize_t (*real_write)(int, const void *, size_t) = next("write");
    bool sync = kind == 's';
    if (!root_len || (syncs_only && !sync) || !strchr(kinds, kind))
        return false;
    if (while_file) {
        bool now = sync == syncs_only && access(while_file, F_OK) == 0;
        errno = error_number;
        return now;
    }
    long n = atomic_fetch_add(&calls, 1) + 1;
    if (log_fd >= 0)
        real_write(log_fd, &kind, 1);
    if (n != nth && !(syncs_only && n > nth))
        return false;
    errno = error_number;
    return true;
}

static bool fails(bool sync)
{
    return fails_as(sync ? 's' : 'x') && !short_writes;
}

/* What a write that is to fail says: nothing, or that it was short. */
static ssize_t said(ssize_t written)
{
    if (short_writes)
        return written;
    errno = error_number;
    return -1;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    ssize_t (*real)(int, const void *, size_t, off64_t) = next("pwrite64");
    if (!below(fd) || !fails_as('w'))
        return real(fd, data, len, at);
    return said(real(fd, data, len > 1 ? len / 2 : len, at));
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return pwrite64(fd, data, len, at);
}

ssize_t write(int fd, const void *data, size_t len)
{
    ssize_t (*real)(int, const void *, size_t) = next("write");
    if (!below(fd) || !fails_as('w'))
        return real(fd, data, len);
    return said(real(fd, data, len > 1 ? len / 2 : len));
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

static bool named(const char *path)
{
    return root_len && strncmp(path, root, root_len) == 0 && (!name_part || strstr(path, name_part));
}

/* In a folder that is open, or by its whole name. */
static bool named_in(int dir, const char *path)
{
    return path[0] == '/' || dir == AT_FDCWD ? named(path) : (!name_part || strstr(path, name_part)) && under(dir, NULL);
}

ssize_t pread64(int fd, void *data, size_t len, off64_t at)
{
    ssize_t (*real)(int, void *, size_t, off64_t) = next("pread64");
    return strchr(kinds, 'r') && below(fd) && fails_as('r') ? -1 : real(fd, data, len, at);
}

ssize_t pread(int fd, void *data, size_t len, off_t at)
{
    return pread64(fd, data, len, at);
}

ssize_t read(int fd, void *data, size_t len)
{
    ssize_t (*real)(int, void *, size_t) = next("read");
    return strchr(kinds, 'r') && below(fd) && fails_as('r') ? -1 : real(fd, data, len);
}

/* Of the file's rights only what makes a file has some. */
#define MODE_OF(flags, mode)                                                                               \
    do {                                                                                                   \
        va_list more;                                                                                      \
        va_start(more, flags);                                                                             \
        mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(more, unsigned) : 0;         \
        va_end(more);                                                                                      \
    } while (0)

static int open_in(int dir, const char *path, int flags, unsigned mode)
{
    int (*real)(int, const char *, int, ...) = next("openat64");
    return named_in(dir, path) && fails_as('o') ? -1 : real(dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
    unsigned mode;
    MODE_OF(flags, mode);
    return open_in(dir, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    unsigned mode;
    MODE_OF(flags, mode);
    return open_in(dir, path, flags, mode);
}

int __openat_2(int dir, const char *path, int flags)
{
    return open_in(dir, path, flags, 0);
}

int open64(const char *path, int flags, ...)
{
    unsigned mode;
    MODE_OF(flags, mode);
    return open_in(AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    unsigned mode;
    MODE_OF(flags, mode);
    return open_in(AT_FDCWD, path, flags, mode);
}

/* What stdio reads and writes it asks the kernel for by itself: its own calls fail, as those below would make them. */
static bool stream_fails(FILE *f, char kind)
{
    int fd = f ? fileno(f) : -1;
    if (fd < 0 || short_writes || !strchr(kinds, kind) || !below(fd) || !fails_as(kind))
        return false;
    f->_flags |= _IO_ERR_SEEN;
    return true;
}

ssize_t __getdelim(char **line, size_t *size, int end, FILE *f)
{
    ssize_t (*real)(char **, size_t *, int, FILE *) = next("__getdelim");
    return stream_fails(f, 'r') ? -1 : real(line, size, end, f);
}

ssize_t getline(char **line, size_t *size, FILE *f)
{
    return __getdelim(line, size, '\n', f);
}

size_t fread(void *to, size_t size, size_t n, FILE *f)
{
    size_t (*real)(void *, size_t, size_t, FILE *) = next("fread");
    return stream_fails(f, 'r') ? 0 : real(to, size, n, f);
}

size_t __fread_chk(void *to, size_t room, size_t size, size_t n, FILE *f)
{
    size_t (*real)(void *, size_t, size_t, size_t, FILE *) = next("__fread_chk");
    return stream_fails(f, 'r') ? 0 : real(to, room, size, n, f);
}

int fflush(FILE *f)
{
    int (*real)(FILE *) = next("fflush");
    return stream_fails(f, 'w') ? EOF : real(f);
}

FILE *fopen(const char *path, const char *how)
{
    FILE *(*real)(const char *, const char *) = next("fopen");
    return named(path) && fails_as('o') ? NULL : real(path, how);
}

int remove(const char *path)
{
    int (*real)(const char *) = next("remove");
    return named(path) && fails_as('u') ? -1 : real(path);
}

int unlink(const char *path)
{
    int (*real)(const char *) = next("unlink");
    return named(path) && fails_as('u') ? -1 : real(path);
}

int unlinkat(int dir, const char *path, int flags)
{
    int (*real)(int, const char *, int) = next("unlinkat");
    return named_in(dir, path) && fails_as('u') ? -1 : real(dir, path, flags);
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = next("rename");
    return named(to) && fails(false) ? -1 : real(from, to);
}

/* Of segments: below a folder that is open. */
int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    int (*real)(int, const char *, int, const char *) = next("renameat");
    return named_in(to_dir, to) && fails(false) ? -1 : real(from_dir, from, to_dir, to);
}
