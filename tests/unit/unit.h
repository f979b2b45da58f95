// SPDX-License-Identifier: Apache-2.0
/*
 * unit.h: a small runner. A file holds TEST(name) { ... } blocks and ends with UNIT_MAIN(name, name, ...).
 * Prints "ok NAME" or "FAIL NAME" per test; exit 1 if any failed. A test named after a requirement begins
 * with its number: TEST(R087_share_default_deny).
 */
#ifndef TROTH_UNIT_H
#define TROTH_UNIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int unit_bad;
static int unit_failed;

#define TEST(name) static void name(void)
/* How many things made at random a test goes over: fewer under a sanitizer, which looks at memory, not at
 * answers. */
#ifdef TROTH_SAN
#define UNIT_ROUNDS(n) ((n) / 5)
#else
#define UNIT_ROUNDS(n) (n)
#endif
#define EXPECT(cond)                                                                                         \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            unit_bad++;                                                                                      \
            printf("  %s:%d: expected %s\n", __FILE__, __LINE__, #cond);                                     \
        }                                                                                                    \
    } while (0)
/* Compares integers of any kind. */
#define EXPECT_INT(got, want)                                                                                \
    do {                                                                                                     \
        long long unit_got = (long long)(got), unit_want = (long long)(want);                                \
        if (unit_got != unit_want) {                                                                         \
            unit_bad++;                                                                                      \
            printf("  %s:%d: %s is %lld, expected %lld\n", __FILE__, __LINE__, #got, unit_got, unit_want);   \
        }                                                                                                    \
    } while (0)
/* Compares a span with a C string. */
#define EXPECT_SPAN(got, want)                                                                               \
    do {                                                                                                     \
        struct span unit_s = (got);                                                                          \
        if (!span_is(unit_s, (want))) {                                                                      \
            unit_bad++;                                                                                      \
            printf("  %s:%d: %s is \"%.*s\", expected \"%s\"\n", __FILE__, __LINE__, #got, SPAN_F(unit_s),   \
                   (want));                                                                                  \
        }                                                                                                    \
    } while (0)

struct unit_case {
    const char *name;
    void (*run)(void);
};

/* Where folders of tests are made: TMPDIR, which `make test` puts into memory, if its name is short. */
static inline const char *unit_tmp(void)
{
    const char *dir = getenv("TMPDIR");
    return dir && *dir && strlen(dir) < 32 ? dir : "/tmp";
}

static inline int unit_main(const struct unit_case *cases, size_t n)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < n; i++) {
        unit_bad = 0;
        cases[i].run();
        printf("%s %s\n", unit_bad ? "FAIL" : "ok", cases[i].name);
        unit_failed += unit_bad != 0;
    }
    return unit_failed ? 1 : 0;
}

#define CASE(fn)                                                                                             \
    {                                                                                                        \
#fn, fn                                                                                              \
    }
#define UNIT_MAIN(...)                                                                                       \
    int main(void)                                                                                           \
    {                                                                                                        \
        static const struct unit_case cases[] = {__VA_ARGS__};                                               \
        return unit_main(cases, sizeof cases / sizeof cases[0]);                                             \
    }

#endif
