// SPDX-License-Identifier: Apache-2.0
/*
 * kill_at.c: an LD_PRELOAD shim that ends the process with SIGKILL at its KILL_AT-th call that reaches outside: bytes sent,
 * a sync, a rename, a removal. With KILL_AFTER=1 the call is made first, and nobody reads what comes back. With
 * KILL_FROM=NAME calls are counted from the rename to a path that ends in NAME.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static long at;
static bool after;
static const char *from;
static atomic_bool counting;
static atomic_long calls;

__attribute__((constructor)) static void start(void)
{
    const char *n = getenv("KILL_AT");
    at = n ? atol(n) : 0;
    after = getenv("KILL_AFTER") != NULL;
    from = getenv("KILL_FROM");
    counting = from == NULL;
}

static bool due(void)
{
    bool now = counting && at > 0 && atomic_fetch_add(&calls, 1) + 1 == at;
    if (now && !after)
        kill(getpid(), SIGKILL);
    return now;
}

#define AT(type, name, params, args)                                                                                   \
    type name params                                                                                                   \
    {                                                                                                                  \
        type(*real) params = dlsym(RTLD_NEXT, #name);                                                                  \
        bool now = due();                                                                                              \
        type got = real args;                                                                                          \
        if (now)                                                                                                       \
            kill(getpid(), SIGKILL);                                                                                   \
        return got;                                                                                                    \
    }

AT(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
AT(int, fsync, (int fd), (fd))
AT(int, fdatasync, (int fd), (fd))

int rename(const char *old, const char *new)
{
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    size_t n = strlen(new), k = from ? strlen(from) : 0;
    bool now = due();
    int got = real(old, new);
    if (now)
        kill(getpid(), SIGKILL);
    if (from && n >= k && strcmp(new + n - k, from) == 0)
        counting = true;
    return got;
}

AT(int, unlink, (const char *path), (path))
