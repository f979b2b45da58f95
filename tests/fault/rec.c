// SPDX-License-Identifier: Apache-2.0
/*
 * rec.c: an LD_PRELOAD recorder of what a process does to the files below POWERCUT_ROOT.
 *
 * Every write, truncation, sync, rename and removal is appended to POWERCUT_LOG with the time it began and ended, so
 * that powercut.py can build the disk as it may look after the power went at any moment. Writes through mmap are not
 * seen: SQLite writes only its -shm file that way, which is rebuilt after a crash, and troth maps nothing for writing.
 *
 * Log record, little endian: u8 op, u8 zero, u16 path length, u32 zero, i64 time ns, i64 offset, u64 data length, path, data.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum op { OP_WRITE = 'w', OP_TRUNCATE = 't', OP_SYNC = 's', OP_RENAME = 'r', OP_UNLINK = 'u', OP_CREATE = 'c' };

struct rec_head {
    uint8_t op, pad;
    uint16_t path_len;
    uint32_t pad2;
    int64_t ns, offset;
    uint64_t len;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char root[PATH_MAX];
static size_t root_len;

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

__attribute__((constructor)) static void rec_start(void)
{
    const char *r = getenv("POWERCUT_ROOT"), *l = getenv("POWERCUT_LOG");
    if (!r || !l || !realpath(r, root))
        return;
    root_len = strlen(root);
    int (*real_open)(const char *, int, ...) = next("open");
    log_fd = real_open(l, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The path below the root, or null when the file is not ours to watch. */
static const char *below(const char *abs)
{
    if (log_fd < 0 || strncmp(abs, root, root_len) != 0)
        return NULL;
    if (abs[root_len] == 0) /* the root itself: its sync */
        return "";
    return abs[root_len] == '/' ? abs + root_len + 1 : NULL;
}

static const char *fd_path(int fd, char buf[PATH_MAX])
{
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, buf, PATH_MAX - 1);
    if (n <= 0)
        return NULL;
    buf[n] = 0;
    return below(buf);
}

static const char *name_path(const char *name, char buf[PATH_MAX])
{
    char dir[PATH_MAX], *slash;
    snprintf(dir, sizeof dir, "%s", name);
    slash = strrchr(dir, '/');
    const char *base = slash ? name + (slash - dir) + 1 : name;
    if (slash)
        *slash = 0;
    char real[PATH_MAX];
    if (!realpath(slash ? (dir[0] ? dir : "/") : ".", real))
        return NULL;
    if ((size_t)snprintf(buf, PATH_MAX, "%.3000s/%.900s", real, base) >= PATH_MAX)
        return NULL;
    return below(buf);
}

static void put(enum op op, const char *path, int64_t ns, int64_t offset, const void *data, size_t len)
{
    if (!path)
        return;
    struct rec_head h = {(uint8_t)op, 0, (uint16_t)strlen(path), 0, ns, offset, len};
    struct iovec v[3] = {{&h, sizeof h}, {(void *)(uintptr_t)path, h.path_len}, {(void *)(uintptr_t)data, data ? len : 0}};
    ssize_t (*real_writev)(int, const struct iovec *, int) = next("writev");
    if (real_writev(log_fd, v, 3) < 0)
        abort();
}

/* Runs under the lock from before the call until it is logged, so that the log's order is the disk's order. */
#define WATCHED(path_expr, call, op, offset, data, len)                                                                \
    char buf[PATH_MAX];                                                                                                \
    const char *path = log_fd < 0 ? NULL : (path_expr);                                                                \
    if (!path)                                                                                                         \
        return call;                                                                                                   \
    pthread_mutex_lock(&lock);                                                                                         \
    int64_t began = now_ns();                                                                                          \
    __auto_type got = call;                                                                                            \
    int saved = errno;                                                                                                 \
    if (got >= 0)                                                                                                      \
        put(op, path, began, (offset), (data), (len));                                                                 \
    pthread_mutex_unlock(&lock);                                                                                       \
    errno = saved;                                                                                                     \
    return got

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    ssize_t (*real)(int, const void *, size_t, off64_t) = next("pwrite64");
    WATCHED(fd_path(fd, buf), real(fd, data, len, at), OP_WRITE, at, data, (size_t)got);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return pwrite64(fd, data, len, at);
}

ssize_t write(int fd, const void *data, size_t len)
{
    ssize_t (*real)(int, const void *, size_t) = next("write");
    off64_t at = log_fd < 0 ? 0 : lseek64(fd, 0, SEEK_CUR);
    if (at < 0)
        return real(fd, data, len);
    struct stat st;
    if (log_fd >= 0 && (fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &st) == 0)
        at = st.st_size;
    WATCHED(fd_path(fd, buf), real(fd, data, len), OP_WRITE, at, data, (size_t)got);
}

int ftruncate64(int fd, off64_t len)
{
    int (*real)(int, off64_t) = next("ftruncate64");
    WATCHED(fd_path(fd, buf), real(fd, len), OP_TRUNCATE, len, NULL, 0);
}

int ftruncate(int fd, off_t len)
{
    return ftruncate64(fd, len);
}

/* Extending is what matters: the file grows with zeros. */
static int extend(int fd, off64_t end, int got)
{
    struct stat st;
    char buf[PATH_MAX];
    const char *path = log_fd < 0 ? NULL : fd_path(fd, buf);
    if (path && got == 0 && fstat(fd, &st) == 0 && st.st_size == end) {
        pthread_mutex_lock(&lock);
        put(OP_TRUNCATE, path, now_ns(), end, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    return got;
}

int fallocate64(int fd, int mode, off64_t at, off64_t len)
{
    int (*real)(int, int, off64_t, off64_t) = next("fallocate64");
    return extend(fd, at + len, real(fd, mode, at, len));
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    return fallocate64(fd, mode, at, len);
}

int posix_fallocate64(int fd, off64_t at, off64_t len)
{
    int (*real)(int, off64_t, off64_t) = next("posix_fallocate64");
    return extend(fd, at + len, real(fd, at, len));
}

int posix_fallocate(int fd, off_t at, off_t len)
{
    return posix_fallocate64(fd, at, len);
}

/* A sync is logged when it has returned: only then is anything promised. */
static int synced(int fd, int (*real)(int))
{
    WATCHED(fd_path(fd, buf), real(fd), OP_SYNC, 0, NULL, 0);
}

int fsync(int fd)
{
    return synced(fd, next("fsync"));
}

int fdatasync(int fd)
{
    return synced(fd, next("fdatasync"));
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = next("rename");
    char target[PATH_MAX];
    const char *to_path = log_fd < 0 ? NULL : name_path(to, target);
    WATCHED(name_path(from, buf), real(from, to), OP_RENAME, 0, to_path ? to_path : "", to_path ? strlen(to_path) : 0);
}

int unlink(const char *name)
{
    int (*real)(const char *) = next("unlink");
    WATCHED(name_path(name, buf), real(name), OP_UNLINK, 0, NULL, 0);
}

/* A name below a folder that is open. */
static const char *at_path(int dir, const char *name, char buf[PATH_MAX])
{
    char link[40], folder[PATH_MAX];
    if (dir == AT_FDCWD || name[0] == '/')
        return name_path(name, buf);
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
    ssize_t n = readlink(link, folder, sizeof folder - 1);
    if (n <= 0)
        return NULL;
    folder[n] = 0;
    if ((size_t)snprintf(buf, PATH_MAX, "%.3000s/%.900s", folder, name) >= PATH_MAX)
        return NULL;
    return below(buf);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    int (*real)(int, const char *, int, const char *) = next("renameat");
    char target[PATH_MAX];
    const char *to_path = log_fd < 0 ? NULL : at_path(to_dir, to, target);
    WATCHED(at_path(from_dir, from, buf), real(from_dir, from, to_dir, to), OP_RENAME, 0, to_path ? to_path : "",
            to_path ? strlen(to_path) : 0);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    int (*real)(int, const char *, int, const char *, unsigned) = next("renameat2");
    char target[PATH_MAX];
    const char *to_path = log_fd < 0 ? NULL : at_path(to_dir, to, target);
    WATCHED(at_path(from_dir, from, buf), real(from_dir, from, to_dir, to, flags), OP_RENAME, 0, to_path ? to_path : "",
            to_path ? strlen(to_path) : 0);
}

int unlinkat(int dir, const char *name, int flags)
{
    int (*real)(int, const char *, int) = next("unlinkat");
    WATCHED(flags & AT_REMOVEDIR ? NULL : at_path(dir, name, buf), real(dir, name, flags), OP_UNLINK, 0, NULL, 0);
}

static int opened(int dir, const char *name, int flags, int fd)
{
    char buf[PATH_MAX];
    int saved = errno;
    if (fd >= 0 && log_fd >= 0 && (flags & (O_CREAT | O_TRUNC))) {
        const char *path = at_path(dir, name, buf);
        pthread_mutex_lock(&lock);
        put(flags & O_TRUNC ? OP_TRUNCATE : OP_CREATE, path, now_ns(), 0, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    errno = saved;
    return fd;
}

int open64(const char *name, int flags, ...)
{
    int (*real)(const char *, int, ...) = next("open64");
    va_list ap;
    va_start(ap, flags);
    unsigned mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, unsigned) : 0;
    va_end(ap);
    return opened(AT_FDCWD, name, flags, real(name, flags, mode));
}

int open(const char *name, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    unsigned mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, unsigned) : 0;
    va_end(ap);
    return open64(name, flags, mode);
}

int openat64(int dir, const char *name, int flags, ...)
{
    int (*real)(int, const char *, int, ...) = next("openat64");
    va_list ap;
    va_start(ap, flags);
    unsigned mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, unsigned) : 0;
    va_end(ap);
    return opened(dir, name, flags, real(dir, name, flags, mode));
}

int openat(int dir, const char *name, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    unsigned mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, unsigned) : 0;
    va_end(ap);
    return openat64(dir, name, flags, mode);
}
