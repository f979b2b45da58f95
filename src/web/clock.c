// SPDX-License-Identifier: Apache-2.0
/* The only place that reads a clock. See web.h */
#include "web_impl.h"

#include "file.h"

#include <time.h>

#define CLOCK_FILE_MAX 128

static struct instant real_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (struct instant){t.tv_sec * 1000LL + t.tv_nsec / 1000000};
}

/* For how often, not for when: goes on under a clock file too. */
int64_t clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static enum err read_clock(const char *path, struct instant *out, struct fail *f)
{
    struct arena *a = arena_new(1024);
    struct span text;
    enum err err = file_read(a, path, CLOCK_FILE_MAX, &text, f);
    if (err == OK && !instant_get(span_trim(text), out))
        err = fail_set(f, ERR_BAD_VALUE, "%s does not hold an RFC 3339 instant.", path);
    arena_free(a);
    return err;
}

enum err clock_check(const char *clock_file, struct fail *f)
{
    struct instant t;
    return clock_file ? read_clock(clock_file, &t, f) : OK;
}

/* A test that rewrites the file may be half way through: then the instant before it still stands. */
struct instant web_clock(const char *clock_file)
{
    static int64_t last;
    struct instant t;
    if (!clock_file)
        return real_clock();
    if (read_clock(clock_file, &t, NULL) == OK)
        __atomic_store_n(&last, t.ms, __ATOMIC_RELAXED);
    return (struct instant){__atomic_load_n(&last, __ATOMIC_RELAXED)};
}
