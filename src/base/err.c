// SPDX-License-Identifier: Apache-2.0
/* see err.h */
#include "err.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

static const struct err_row rows[ERR_COUNT] = {
    [OK] = {"OK", 200, "ok", "Done", LOG_LVL_DEBUG},
#define X(code, status, slug, title, level) [ERR_##code] = {#code, status, slug, title, LOG_LVL_##level},
#include "err.def"
#undef X
};

const struct err_row *err_row(enum err code)
{
    return (unsigned)code < ERR_COUNT ? &rows[code] : &rows[ERR_INTERNAL];
}

/* A cut, here or where the text was made, may have split its last character: drops what is left of it. */
static void drop_half_character(char *s, size_t len)
{
    while (len > 0 && !span_utf8(span_of(s, len)) && ((uint8_t)s[len - 1] & 0x80))
        s[--len] = 0;
}

/* Names inside the text may come from outside: a line break in one must not start a line in the log. */
static void defuse(char *s)
{
    for (; *s; s++)
        if ((uint8_t)*s < 0x20 || *s == 0x7f)
            *s = '?';
}

static __attribute__((format(printf, 3, 0))) void put(char *out, size_t cap, const char *fmt, va_list args)
{
    if (out[0])
        return;
    int n = vsnprintf(out, cap, fmt, args);
    if (n < 0)
        out[0] = 0;
    drop_half_character(out, strnlen(out, cap));
    defuse(out);
}

enum err fail_set(struct fail *f, enum err code, const char *fmt, ...)
{
    if (!f)
        return code;
    if (f->code != OK)
        return f->code;
    va_list args;
    va_start(args, fmt);
    put(f->detail, sizeof f->detail, fmt, args);
    va_end(args);
    f->code = code;
    return code;
}

void fail_where(struct fail *f, const char *fmt, ...)
{
    if (!f)
        return;
    va_list args;
    va_start(args, fmt);
    put(f->where, sizeof f->where, fmt, args);
    va_end(args);
}

void fail_hint(struct fail *f, const char *fmt, ...)
{
    if (!f)
        return;
    va_list args;
    va_start(args, fmt);
    put(f->hint, sizeof f->hint, fmt, args);
    va_end(args);
}

void fail_clause(struct fail *f, struct span clause)
{
    if (!f || f->clause[0])
        return;
    snprintf(f->clause, sizeof f->clause, "%.*s", SPAN_F(clause));
    defuse(f->clause);
}
