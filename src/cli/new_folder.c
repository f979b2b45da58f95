// SPDX-License-Identifier: Apache-2.0
/* A data folder that is made beside its place and put there when it is complete. See cli_impl.h */
#define _XOPEN_SOURCE 700 /* nftw */
#include "cli_impl.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define REMOVE_DEPTH 16 /* folders open at once while removing */

/* In a folder that is being made, locked by who makes it: whatever is in the folder may go. It is written
 * first and removed last, so that a kill at any point leaves a folder that the next command knows. */
#define MARK       ".unfinished"
#define PID_DIGITS 10

static int lock = -1; /* on the mark of the folder that this process makes */

static bool mark_path(char out[4096], const char *folder)
{
    int n = snprintf(out, 4096, "%s/" MARK, folder);
    return n > 0 && n < 4096;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind;
    if (at->level == 0 || (at->level == 1 && strcmp(path + at->base, MARK) == 0))
        return 0;
    return remove(path);
}

static bool remove_folder(const char *folder)
{
    char mark[4096];
    return mark_path(mark, folder) && nftw(folder, remove_one, REMOVE_DEPTH, FTW_DEPTH | FTW_PHYS) == 0 &&
           unlink(mark) == 0 && rmdir(folder) == 0;
}

void cli_folder_remove(const char *folder)
{
    if (lock >= 0)
        remove_folder(folder);
}

/* ---- What killed commands left */

static bool is_left_over(const char *folder)
{
    char mark[4096];
    struct stat dir, held, named;
    if (!mark_path(mark, folder) || lstat(folder, &dir) != 0 || !S_ISDIR(dir.st_mode) ||
        dir.st_uid != geteuid())
        return false;
    int fd = open(mark, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    /* Placed by who made it between open and lock, it has another name. */
    bool ours = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &held) == 0 &&
                lstat(mark, &named) == 0 && held.st_dev == named.st_dev && held.st_ino == named.st_ino;
    if (fd >= 0)
        close(fd);
    return ours;
}

/* NAME.new-PID */
static bool is_name_of(struct span name, struct span place)
{
    struct span rest = span_sub(name, place.len + 5, name.len);
    if (name.len <= place.len + 5 || rest.len > PID_DIGITS || !span_eq(span_sub(name, 0, place.len), place) ||
        !span_is(span_sub(name, place.len, 5), ".new-"))
        return false;
    for (size_t i = 0; i < rest.len; i++)
        if (rest.p[i] < '0' || rest.p[i] > '9')
            return false;
    return true;
}

/* One on a server may have the only master key of what is there already: that is somebody's to look at. */
static void remove_left_over(struct arena *a, const char *folder)
{
    if (!is_left_over(folder))
        return;
    if (file_exists(arena_str(a, arena_fmt(a, "%s/database", folder))))
        fprintf(stderr, "troth: %s was left by a command that was cut short; its databases are on a server\n",
                folder);
    else if (remove_folder(folder))
        fprintf(stderr, "troth: removed %s, which a command that was cut short had left\n", folder);
}

static void remove_all_left_over(struct arena *a, const char *parent, const char *place)
{
    const char *slash = strrchr(place, '/');
    struct span *names = NULL;
    size_t n = 0;
    if (file_list(a, parent, "", &names, &n, NULL) != OK)
        return;
    for (size_t i = 0; i < n; i++)
        if (is_name_of(names[i], span_str(slash ? slash + 1 : place)))
            remove_left_over(a, arena_str(a, arena_fmt(a, "%s/%.*s", parent, SPAN_F(names[i]))));
}

static enum err cannot(const char *path, struct fail *f)
{
    return fail_set(f, errno == ENOSPC ? ERR_DISK_FULL : ERR_IO, "%s: %s.", path, strerror(errno));
}

enum err cli_folder_begin(struct cli *c, const char *folder, const char *place, struct fail *f)
{
    const char *parent = arena_str(c->arena, file_folder(place));
    char mark[4096];
    remove_all_left_over(c->arena, parent, place);
    enum err err = file_mkdirs(parent, 0700, f);
    if (err != OK)
        return err;
    rmdir(folder); /* empty: of a process with this number that was killed at once */
    if (!mark_path(mark, folder) || mkdir(folder, 0700) != 0 || chmod(folder, 0700) != 0)
        return cannot(folder, f);
    lock = open(mark, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 ? OK : cannot(mark, f);
}

enum err cli_absolute(struct cli *c, const char *file, const char **out, struct fail *f)
{
    struct arena *a = c->arena;
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    char *real = realpath(arena_str(a, file_folder(file)), NULL);
    if (!real || !*name) {
        free(real);
        return fail_set(f, ERR_IO, "%s: %s", file, *name ? strerror(errno) : "it names a folder");
    }
    *out = arena_str(a, arena_fmt(a, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name));
    free(real);
    return OK;
}

/* An empty folder may be there already; anything else is somebody's. */
enum err cli_folder_free(const char *dir, struct fail *f)
{
    if (!file_exists(dir) || rmdir(dir) == 0)
        return OK;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
        return fail_set(f, ERR_IO, "%s: %s.", dir, strerror(errno));
    fail_hint(f, "Choose another place, or remove it if nothing in it is needed.");
    return fail_set(f, ERR_CONFLICT, "%s exists already.", dir);
}

enum err cli_folder_place(const char *folder, const char *dir, struct fail *f)
{
    char mark[4096];
    if (rename(folder, dir) != 0)
        return cannot(dir, f);
    if (mark_path(mark, dir))
        unlink(mark);
    return OK;
}

const char *cli_folder_beside(struct cli *c, const char *dir, const char **place)
{
    struct span s = span_str(dir);
    while (s.len > 1 && s.p[s.len - 1] == '/')
        s.len--;
    *place = arena_str(c->arena, s);
    return arena_str(c->arena, arena_fmt(c->arena, "%s.new-%ld", *place, (long)getpid()));
}
