// SPDX-License-Identifier: Apache-2.0
/* see file.h */
#define _GNU_SOURCE /* strerrordesc_np: thread-safe, in English whatever the locale */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_UNSIZED_MAX                                                                                     \
    (1u << 20)               /* of a pipe or device, which do not say their size: keys are read from them */
#define FILE_NAMES_MAX 65536 /* names listed from one folder: segments and tiles stay far below */

static enum err errno_code(int number)
{
    if (number == ENOENT || number == ENOTDIR)
        return ERR_NOT_FOUND;
    return number == ENOSPC || number == EDQUOT || number == EFBIG ? ERR_DISK_FULL : ERR_IO;
}

/* Call first thing after the failure: errno does not keep. */
static enum err os_fail(struct fail *f, const char *doing, const char *path)
{
    int number = errno;
    return fail_set(f, errno_code(number), "cannot %s %s: %s", doing, path, strerrordesc_np(number));
}

/* Appends until the end of the file or one byte past max. */
static ssize_t read_up_to(int fd, uint8_t *p, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t n = read(fd, p + len, cap - len);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static enum err read_open(struct arena *a, int fd, const char *path, size_t max, struct span *out,
                          struct fail *f)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return os_fail(f, "read", path);
    if (S_ISDIR(st.st_mode))
        return fail_set(f, ERR_IO, "cannot read %s: it is a folder", path);
    if (st.st_size > 0 && (uint64_t)st.st_size > max)
        return fail_set(f, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
    /* A device or a growing file does not say its size: one byte more than we take shows it. */
    size_t size = st.st_size > 0 ? (size_t)st.st_size : FILE_UNSIZED_MAX;
    size_t cap = (size < max ? size : max) + 1;
    uint8_t *p = arena_alloc(a, cap + 1);
    ssize_t len = read_up_to(fd, p, cap);
    if (len < 0)
        return os_fail(f, "read", path);
    if ((size_t)len == cap)
        return fail_set(f, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, cap - 1);
    p[len] = 0;
    *out = span_of(p, (size_t)len);
    return OK;
}

enum err file_read(struct arena *a, const char *path, size_t max, struct span *out, struct fail *f)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return os_fail(f, "open", path);
    enum err err = read_open(a, fd, path, max, out, f);
    close(fd);
    return err;
}

enum err file_read_plain(struct arena *a, const char *path, size_t max, struct span *out, struct fail *f)
{
    enum err err;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe that nobody writes does not stop us */
    if (fd < 0)
        return os_fail(f, "open", path);
    if (fstat(fd, &st) != 0)
        err = os_fail(f, "read", path);
    else if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        err = fail_set(f, ERR_IO, "cannot read %s: it is a pipe or a device, not a file", path);
    else
        err = read_open(a, fd, path, max, out, f);
    close(fd);
    return err;
}

enum err file_write_all(int fd, struct span content, struct fail *f)
{
    while (content.len > 0) {
        ssize_t n = write(fd, content.p, content.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_fail(f, "write", "the file");
        content = span_sub(content, (size_t)n, content.len);
    }
    return OK;
}

static enum err write_temporary(const char *path, struct span content, unsigned mode, struct fail *f)
{
    enum err err;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
    if (fd < 0)
        return os_fail(f, "create", path);
    /* The file may be a left-over with another mode, and the umask cuts what open was told. */
    if (fchmod(fd, (mode_t)mode) != 0) {
        err = os_fail(f, "set the mode of", path);
        goto done;
    }
    err = file_write_all(fd, content, f);
    if (err == OK && fsync(fd) != 0)
        err = os_fail(f, "sync", path);
done:
    close(fd);
    return err;
}

struct span file_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return SPAN(".");
    return slash == path ? SPAN("/") : span_of(path, (size_t)(slash - path));
}

enum err file_write_durable(const char *path, struct span content, unsigned mode, struct fail *f)
{
    enum err err;
    struct arena *a = arena_new(1024);
    char *temporary = arena_str(a, arena_fmt(a, "%s.tmp-%ld", path, (long)getpid()));
    char *folder = arena_str(a, file_folder(path));

    err = write_temporary(temporary, content, mode, f);
    if (err != OK)
        goto drop;
    if (rename(temporary, path) != 0) {
        err = os_fail(f, "rename onto", path);
        goto drop;
    }
    err = file_sync_dir(folder, f);
    goto done;
drop:
    unlink(temporary);
done:
    arena_free(a);
    return err;
}

enum err file_sync_dir(const char *path, struct fail *f)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return os_fail(f, "open the folder", path);
    enum err err = fsync(fd) == 0 ? OK : os_fail(f, "sync the folder", path);
    close(fd);
    return err;
}

static enum err make_one(const char *path, unsigned mode, struct fail *f)
{
    struct stat st;
    if (mkdir(path, (mode_t)mode) == 0)
        return OK;
    if (errno != EEXIST)
        return os_fail(f, "create the folder", path);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return OK;
    return fail_set(f, ERR_IO, "cannot create the folder %s: a file of that name is in the way", path);
}

enum err file_mkdirs(const char *path, unsigned mode, struct fail *f)
{
    enum err err = OK;
    struct arena *a = arena_new(1024);
    char *p = arena_str(a, span_str(path));
    for (char *slash = strchr(p + (p[0] == '/'), '/'); slash && err == OK; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        err = make_one(p, mode, f);
        *slash = '/';
    }
    if (err == OK)
        err = make_one(p, mode, f);
    arena_free(a);
    return err;
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static bool listed(struct span name, const char *suffix)
{
    size_t n = strlen(suffix);
    if (span_is(name, ".") || span_is(name, "..") || name.len < n)
        return false;
    return span_is(span_sub(name, name.len - n, n), suffix);
}

static int name_order(const void *a, const void *b)
{
    return span_cmp(*(const struct span *)a, *(const struct span *)b);
}

/* One name more; the array doubles. */
static void names_add(struct arena *a, struct span **names, size_t n, size_t *cap, const char *name)
{
    if (n == *cap) {
        struct span *more = ARENA_ARRAY(a, *cap * 2, struct span);
        memcpy(more, *names, n * sizeof *more);
        *names = more;
        *cap *= 2;
    }
    (*names)[n] = arena_copy(a, span_str(name));
}

enum err file_list(struct arena *a, const char *path, const char *suffix, struct span **names, size_t *n,
                   struct fail *f)
{
    enum err err = OK;
    size_t cap = 64;
    DIR *dir = opendir(path);
    if (!dir)
        return os_fail(f, "list", path);
    *names = ARENA_ARRAY(a, cap, struct span);
    *n = 0;
    errno = 0;
    for (struct dirent *entry = readdir(dir); entry && *n < FILE_NAMES_MAX; entry = readdir(dir))
        if (listed(span_str(entry->d_name), suffix))
            names_add(a, names, (*n)++, &cap, entry->d_name);
    if (errno != 0)
        err = os_fail(f, "list", path);
    else if (*n == FILE_NAMES_MAX)
        err = fail_set(f, ERR_TOO_LARGE, "cannot list %s: it holds %d names or more", path, FILE_NAMES_MAX);
    closedir(dir);
    qsort(*names, *n, sizeof **names, name_order);
    return err;
}
