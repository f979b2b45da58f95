// SPDX-License-Identifier: Apache-2.0
/* Nothing of what a command holds reaches swap. See cli_impl.h */
#define _GNU_SOURCE /* MCL_ONFAULT */
#include "cli_impl.h"

#include "log.h"
#include "machine.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define SWAPS       "/proc/swaps" /* a line of titles, then one for each */
#define BOTH        "--lock-memory and --no-lock-memory exclude each other."
#define LOCK_REMEDY "allow it (LimitMEMLOCK=infinity in the systemd unit)"

/* A limit would be met in the midst of serving, by a mapping that fails: there must be none, or none that
 * holds for us. */
static bool is_unlimited(void)
{
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(RLIMIT_MEMLOCK, &all) == 0 || machine_lockable() == MACHINE_UNBOUNDED;
}

/* Pages count when they are first touched: what is only reserved (stacks, caches) takes nothing. */
static enum err lock_all(struct fail *f)
{
    bool unlimited = is_unlimited();
    if (unlimited && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
        return OK;
    fail_hint(f, LOCK_REMEDY ", or leave --lock-memory out");
    return fail_set(f, ERR_IO, "the memory cannot be locked: %s",
                    unlimited ? "the system refuses" : "this user may lock a limited amount only");
}

static bool has_swap(void)
{
    FILE *file = fopen(SWAPS, "re");
    size_t lines = 0;
    for (int ch; file && (ch = getc(file)) != EOF;)
        lines += ch == '\n';
    if (file)
        fclose(file);
    return lines > 1;
}

int cli_keep_from_swap(const struct cli *c)
{
    struct fail f = {0};
    bool demanded = cli_get(c, "lock-memory") != NULL, refused = cli_get(c, "no-lock-memory") != NULL;
    if (demanded && refused)
        return cli_usage(c->command, BOTH);
    if (refused || lock_all(&f) == OK)
        return CLI_OK;
    if (demanded)
        return cli_fail(&f);
    if (has_swap())
        log_line(LOG_LVL_WARN, "main",
                 "%s: values can reach swap while their request runs; " LOCK_REMEDY
                 ", or let swap be encrypted",
                 f.detail);
    return CLI_OK;
}
