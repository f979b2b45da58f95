// SPDX-License-Identifier: Apache-2.0
/* machine.c: see machine.h. */
#define _GNU_SOURCE /* syscall */
#include "machine.h"

#include "arena.h"
#include "file.h"
#include "text.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS "/sys/fs/cgroup"

enum { FILE_MOST = 4096 };

/* "max", or none: no bound. */
static uint64_t bound_of(struct arena *a, struct span group)
{
    struct span text;
    const char *path = arena_str(a, arena_fmt(a, GROUPS "%.*s/memory.max", SPAN_F(group)));
    uint64_t bytes;
    bool has =
        file_read(a, path, FILE_MOST, &text, NULL) == OK && span_u64(span_trim(text), INT64_MAX, &bytes);
    return has ? bytes : MACHINE_UNBOUNDED;
}

/* "/system.slice/troth.service"; empty in a container, whose own is the root it sees. */
static struct span own_group(struct arena *a)
{
    struct span text, line;
    if (file_read(a, "/proc/self/cgroup", FILE_MOST, &text, NULL) != OK)
        return SPAN_EMPTY;
    while (span_cut(&text, '\n', &line))
        if (span_starts(line, "0::/"))
            return line.len > sizeof "0::/" - 1 ? span_sub(line, sizeof "0::" - 1, line.len) : SPAN_EMPTY;
    return SPAN_EMPTY;
}

static struct span above(struct span group)
{
    while (group.len && group.p[--group.len] != '/')
        ;
    return group;
}

uint64_t machine_memory(void)
{
    struct arena *a = arena_new(0);
    uint64_t least = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    bool more = true;
    for (struct span group = own_group(a); more; group = above(group)) {
        uint64_t bound = bound_of(a, group);
        least = bound < least ? bound : least;
        more = group.len > 0;
    }
    arena_free(a);
    return least;
}

static bool may_lock_all(void)
{
    struct __user_cap_header_struct who = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3] = {0};
    return syscall(SYS_capget, &who, has) == 0 && (has[0].effective & 1u << CAP_IPC_LOCK);
}

uint64_t machine_lockable(void)
{
    struct rlimit limit;
    if (may_lock_all())
        return MACHINE_UNBOUNDED;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return 0;
    return limit.rlim_cur == RLIM_INFINITY ? MACHINE_UNBOUNDED : limit.rlim_cur;
}
