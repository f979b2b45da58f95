// SPDX-License-Identifier: Apache-2.0
#include "err.h"
#include "unit.h"

TEST(every_code_has_a_row)
{
    for (int code = 0; code < ERR_COUNT; code++) {
        const struct err_row *row = err_row((enum err)code);
        EXPECT(row->name && row->slug && row->title);
        EXPECT(code == OK || (row->status >= 400 && row->status <= 599));
    }
    EXPECT_INT(err_row(ERR_TOO_LARGE)->status, 413);
    EXPECT(err_row(ERR_COUNT) == err_row(ERR_INTERNAL));
}

TEST(the_first_failure_speaks)
{
    struct fail f = {.code = OK};
    EXPECT_INT(fail_set(&f, ERR_IO, "disk %d", 1), ERR_IO);
    EXPECT_INT(fail_set(&f, ERR_CONFLICT, "other"), ERR_IO);
    fail_where(&f, "/a");
    fail_where(&f, "/b");
    fail_hint(&f, "do this");
    fail_hint(&f, "do that");
    fail_clause(&f, SPAN("group/c1"));
    fail_clause(&f, SPAN("group/c2"));
    EXPECT_SPAN(span_str(f.detail), "disk 1");
    EXPECT_SPAN(span_str(f.where), "/a");
    EXPECT_SPAN(span_str(f.hint), "do this");
    EXPECT_SPAN(span_str(f.clause), "group/c1");
}

TEST(no_fail_to_fill_is_fine)
{
    EXPECT_INT(fail_set(NULL, ERR_IO, "x"), ERR_IO);
    fail_where(NULL, "x");
    fail_hint(NULL, "x");
    fail_clause(NULL, SPAN("x"));
}

TEST(detail_is_cut_between_characters)
{
    struct fail f = {.code = OK};
    char name[FAIL_DETAIL_MAX + 9] = "x";
    for (size_t i = 1; i + 3 < sizeof name; i += 3)
        memcpy(name + i, "\xe5\x90\x8d", 4);
    fail_set(&f, ERR_BAD_VALUE, "%s", name);
    EXPECT(span_utf8(span_str(f.detail)));
    EXPECT_INT(strlen(f.detail), FAIL_DETAIL_MAX - 3);
}

TEST(control_characters_do_not_reach_the_detail)
{
    struct fail f = {.code = OK};
    fail_set(&f, ERR_UNKNOWN_NAME, "no field named %s", "a\nerror audit: \x1b[2J");
    EXPECT_SPAN(span_str(f.detail), "no field named a?error audit: ?[2J");
}

UNIT_MAIN(CASE(every_code_has_a_row), CASE(the_first_failure_speaks), CASE(no_fail_to_fill_is_fine),
          CASE(detail_is_cut_between_characters), CASE(control_characters_do_not_reach_the_detail))
