// SPDX-License-Identifier: Apache-2.0
/* see progress.h */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#define BAR 30

bool progress_shown(void)
{
    return isatty(STDERR_FILENO);
}

void progress_bar(const char *what, uint64_t done, uint64_t total)
{
    static const char full[BAR + 1] = "##############################";
    int n = total ? (int)(done >= total ? BAR : done * BAR / total) : BAR;
    if (progress_shown())
        fprintf(stderr, "\r%s [%.*s%*s] %llu of %llu", what, n, full, BAR - n, "", (unsigned long long)done,
                (unsigned long long)total);
}

void progress_end(void)
{
    if (progress_shown())
        fputs("\r\033[K", stderr);
}
