// SPDX-License-Identifier: Apache-2.0
#include "machine.h"
#include "unit.h"

#include <sys/resource.h>
#include <unistd.h>

TEST(memory_is_no_more_than_the_machine_has)
{
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    EXPECT(machine_memory() <= all);
    EXPECT(machine_memory() >= UINT64_C(16) << 20);
}

TEST(what_may_be_locked_is_what_the_limit_says_unless_everything_may)
{
    struct rlimit limit = {0};
    uint64_t before = machine_lockable();
    EXPECT_INT(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    limit.rlim_cur = 65536;
    EXPECT_INT(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    EXPECT(machine_lockable() == 65536 || (before == MACHINE_UNBOUNDED && machine_lockable() == before));
    EXPECT(geteuid() == 0 || machine_lockable() == 65536);
}

UNIT_MAIN(CASE(memory_is_no_more_than_the_machine_has),
          CASE(what_may_be_locked_is_what_the_limit_says_unless_everything_may))
