// SPDX-License-Identifier: Apache-2.0
#include "machine.h"
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef TROTH_SAN /* mlock is theirs, and does nothing */
#define LOCKS_NOTHING true
#else
#define LOCKS_NOTHING false
#endif

TEST(memory_is_no_more_than_the_machine_has)
{
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    EXPECT(machine_memory() <= all);
    EXPECT(machine_memory() >= UINT64_C(16) << 20);
}

TEST(what_may_be_locked_is_what_the_limit_says_unless_it_does_not_hold)
{
    struct rlimit limit = {0};
    EXPECT_INT(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    bool exceeds = limit.rlim_cur != RLIM_INFINITY && machine_lockable() == MACHINE_UNBOUNDED;
    limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
    EXPECT_INT(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    uint64_t now = machine_lockable();
    EXPECT(now == limit.rlim_cur || now == MACHINE_UNBOUNDED);
    EXPECT(!exceeds || now == MACHINE_UNBOUNDED);
    void *p = malloc(1 << 20); /* as it says, so it is */
    memset(p, 1, 1 << 20);
    EXPECT(LOCKS_NOTHING || (mlock(p, 1 << 20) == 0) == (now == MACHINE_UNBOUNDED));
    free(p);
}

UNIT_MAIN(CASE(memory_is_no_more_than_the_machine_has),
          CASE(what_may_be_locked_is_what_the_limit_says_unless_it_does_not_hold))
