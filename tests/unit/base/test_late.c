// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "late.h"

#include <math.h>

struct table {
    LATE_MEMBER(cos)
    LATE_MEMBER(sin)
};
static const struct late_name names[] = {LATE_NAME(table, cos) LATE_NAME(table, sin)};

TEST(a_library_is_opened_when_it_is_needed)
{
    struct table t = {NULL, NULL};
    struct fail f = {0};
    EXPECT_INT(late_open("libm.so.6", names, 2, &t, &f), OK);
    EXPECT(t.cos && t.cos(0) == 1 && t.sin && t.sin(0) == 0);
}

TEST(what_is_missing_is_named)
{
    static const struct late_name none[] = {{"cos", 0}, {"no_such_function", 8}};
    struct table t = {NULL, NULL};
    struct fail f = {0}, g = {0};
    EXPECT_INT(late_open("libtroth-none.so.9", names, 2, &t, &f), ERR_INTERNAL);
    EXPECT(strstr(f.detail, "libtroth-none.so.9") != NULL);
    EXPECT_INT(late_open("libm.so.6", none, 2, &t, &g), ERR_INTERNAL);
    EXPECT(strstr(g.detail, "no_such_function") != NULL);
}

UNIT_MAIN(CASE(a_library_is_opened_when_it_is_needed), CASE(what_is_missing_is_named))
