// SPDX-License-Identifier: Apache-2.0
/* scratch.h: a data folder in /tmp with the three databases, opened for writing; for tests of the domain
 * parts. */
#ifndef TROTH_SCRATCH_H
#define TROTH_SCRATCH_H

#include "store.h"
#include "unit.h"

#include <unistd.h>

static char scratch_dir[64];
static struct store *scratch_st;
static struct arena *scratch_a;

/* Stops the test program: nothing after it could be right. */
static inline void scratch_must(enum err e, const struct fail *f)
{
    if (e == OK)
        return;
    printf("  %s: %s\n", err_row(e)->name, f->detail);
    exit(1);
}

static inline const char *scratch_path(const char *name)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", scratch_dir, name);
    return path;
}

static inline void scratch_open(void)
{
    struct fail f = {0};
    snprintf(scratch_dir, sizeof scratch_dir, "%s/troth-unit-XXXXXX", unit_tmp());
    if (!mkdtemp(scratch_dir))
        abort();
    scratch_must(store_create(scratch_dir, &f), &f);
    scratch_must(store_open(scratch_dir, STORE_WRITE, &scratch_st, &f), &f);
    scratch_a = arena_new(0);
}

static inline void scratch_begin(void)
{
    struct fail f = {0};
    scratch_must(store_begin_write(scratch_st, &f), &f);
}

static inline void scratch_commit(void)
{
    struct fail f = {0};
    scratch_must(store_commit(scratch_st, &f), &f);
}

static inline void scratch_close(void)
{
    char command[128];
    store_close(scratch_st);
    arena_free(scratch_a);
    snprintf(command, sizeof command, "rm -rf %s", scratch_dir);
    if (system(command) != 0)
        abort();
}

#endif
