// SPDX-License-Identifier: Apache-2.0
/* machine.c: see machine.h. */
#define _GNU_SOURCE /* mlock2 */
#include "machine.h"

#include "arena.h"
#include "file.h"
#include "text.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FILE_MOST = 4096 };

/* Where a group's bounds are, by the controllers that its line in /proc/self/cgroup names. */
static const struct {
    const char *controllers, *folder, *file;
} bounds[] = {
    {"", "/sys/fs/cgroup", "memory.max"},
    {"", "/sys/fs/cgroup", "memory.high"},
    {"memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
};
enum { BOUNDS = sizeof bounds / sizeof bounds[0] };

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* "max", or no file: no bound. */
static uint64_t bound_in(struct arena *a, size_t i, struct span group)
{
    struct span text;
    uint64_t bytes;
    const char *path =
        arena_str(a, arena_fmt(a, "%s%.*s/%s", bounds[i].folder, SPAN_F(group), bounds[i].file));
    bool has =
        file_read(a, path, FILE_MOST, &text, NULL) == OK && span_u64(span_trim(text), INT64_MAX, &bytes);
    return has ? bytes : MACHINE_UNBOUNDED;
}

static struct span above(struct span group)
{
    while (group.len && group.p[--group.len] != '/')
        ;
    return group;
}

/* Of the group and all above it. A container may be told a path it does not see: its own is then the top. */
static uint64_t bound_of(struct arena *a, size_t i, struct span group)
{
    uint64_t least = MACHINE_UNBOUNDED;
    for (; group.len; group = above(group))
        least = smaller(least, bound_in(a, i, group));
    return smaller(least, bound_in(a, i, SPAN_EMPTY));
}

/* "0::/system.slice/troth.service", or "4:memory:/troth" where groups are of the first version. */
static uint64_t bound_of_line(struct arena *a, struct span line)
{
    struct span number, controllers;
    uint64_t least = MACHINE_UNBOUNDED;
    if (!span_cut(&line, ':', &number) || !span_cut(&line, ':', &controllers))
        return least;
    for (size_t i = 0; i < BOUNDS; i++)
        if (span_is(controllers, bounds[i].controllers))
            least = smaller(least, bound_of(a, i, span_is(line, "/") ? SPAN_EMPTY : line));
    return least;
}

uint64_t machine_memory(void)
{
    struct arena *a = arena_new(0);
    struct span text, line;
    uint64_t least = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (file_read(a, "/proc/self/cgroup", FILE_MOST, &text, NULL) == OK)
        while (span_cut(&text, '\n', &line))
            least = smaller(least, bound_of_line(a, line));
    arena_free(a);
    return least;
}

/* May we lock more than the limit (CAP_IPC_LOCK)? Neither a user id nor the set of capabilities says so where
 * there are user namespaces: it is tried. Nothing is touched, so that no memory is taken. */
static bool may_exceed(size_t limit)
{
    size_t more = limit + (size_t)sysconf(_SC_PAGESIZE);
    void *p = mmap(NULL, more, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bool may = p != MAP_FAILED && mlock2(p, more, MLOCK_ONFAULT) == 0;
    if (p != MAP_FAILED)
        munmap(p, more);
    return may;
}

uint64_t machine_lockable(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return 0;
    bool unbounded = limit.rlim_cur == RLIM_INFINITY || may_exceed((size_t)limit.rlim_cur);
    return unbounded ? MACHINE_UNBOUNDED : limit.rlim_cur;
}
