// SPDX-License-Identifier: Apache-2.0
/* see log.h */
#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024 /* longer lines are cut; a pipe takes this much in one piece */

static atomic_int threshold = LOG_LVL_INFO;

void log_level_set(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

static struct instant wall_clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (struct instant){(int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000};
}

/* One event, one line, whatever a name inside it holds. */
static void defuse(char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)s[i] < 0x20 || s[i] == 0x7f)
            s[i] = ' ';
}

static size_t clip(int n, size_t cap)
{
    if (n < 0)
        return 0;
    return (size_t)n < cap ? (size_t)n : cap - 1;
}

void log_line(enum log_level level, const char *part, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    char line[LOG_LINE_MAX + 1], at[INSTANT_TEXT_MAX];
    if ((int)level < atomic_load(&threshold))
        return;
    instant_put(at, wall_clock());
    size_t len = clip(snprintf(line, LOG_LINE_MAX, "%s %s %s: ", at, names[level], part), LOG_LINE_MAX);
    va_list args;
    va_start(args, fmt);
    len += clip(vsnprintf(line + len, LOG_LINE_MAX - len, fmt, args), LOG_LINE_MAX - len);
    va_end(args);
    defuse(line, len);
    line[len++] = '\n';
    /* There is nowhere left to report a log that cannot be written. */
    ssize_t ignored = write(STDERR_FILENO, line, len);
    (void)ignored;
}
