// SPDX-License-Identifier: Apache-2.0
/* A data folder that is made beside its place and put there when it is complete. See cli_impl.h */
#define _XOPEN_SOURCE 700 /* nftw */
#include "cli_impl.h"

#include "file.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REMOVE_DEPTH 16 /* folders open at once while removing */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

void cli_folder_remove(const char *folder)
{
    nftw(folder, remove_one, REMOVE_DEPTH, FTW_DEPTH | FTW_PHYS);
}

enum err cli_absolute(struct cli *c, const char *file, const char **out, struct fail *f)
{
    struct arena *a = c->arena;
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    const char *folder = !slash          ? "."
                         : slash == file ? "/"
                                         : arena_str(a, span_of(file, (size_t)(slash - file)));
    char *real = realpath(folder, NULL);
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
    return rename(folder, dir) == 0 ? OK : fail_set(f, ERR_IO, "%s: %s.", dir, strerror(errno));
}

const char *cli_folder_beside(struct cli *c, const char *dir, const char **place)
{
    struct span s = span_str(dir);
    while (s.len > 1 && s.p[s.len - 1] == '/')
        s.len--;
    *place = arena_str(c->arena, s);
    return arena_str(c->arena, arena_fmt(c->arena, "%s.new-%ld", *place, (long)getpid()));
}
