// SPDX-License-Identifier: Apache-2.0
/* How far a long command is. See cli_impl.h */
#include "cli_impl.h"
#include "progress.h"

void cli_progress(const char *what, uint64_t done, uint64_t total)
{
    progress_bar(what, done, total);
}

/* A bar for each MiB, not for each piece. */
void cli_progress_bytes(const char *what, uint64_t done, uint64_t total)
{
    static uint64_t shown;
    if (total >> 20 == 0 || done >> 20 == shown)
        return;
    shown = done >> 20;
    cli_progress(what, shown, total >> 20);
}

void cli_progress_end(void)
{
    progress_end();
}
