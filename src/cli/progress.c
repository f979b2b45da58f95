// SPDX-License-Identifier: Apache-2.0
/* How far a long command is. See cli_impl.h */
#include "cli_impl.h"

#include <stdio.h>
#include <unistd.h>

#define BAR 30

void cli_progress(const char *what, uint64_t done, uint64_t total)
{
    static const char full[BAR + 1] = "##############################";
    int n = total ? (int)(done >= total ? BAR : done * BAR / total) : BAR;
    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r%s [%.*s%*s] %llu of %llu", what, n, full, BAR - n, "", (unsigned long long)done,
            (unsigned long long)total);
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
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}
