// SPDX-License-Identifier: Apache-2.0
#include "id.h"
#include "unit.h"

TEST(span_cmp_orders_bytes_then_length)
{
    EXPECT(span_cmp(SPAN("a"), SPAN("b")) < 0);
    EXPECT(span_cmp(SPAN("b"), SPAN("ab")) > 0);
    EXPECT(span_cmp(SPAN("ab"), SPAN("a")) > 0);
    EXPECT_INT(span_cmp(SPAN_EMPTY, SPAN("")), 0);
    EXPECT(span_cmp(SPAN("\xff"), SPAN("a")) > 0);
}

TEST(span_find_and_sub_stay_inside)
{
    struct span s = SPAN("a/b/c");
    EXPECT_INT(span_find(s, '/', 0), 1);
    EXPECT_INT(span_find(s, '/', 2), 3);
    EXPECT_INT(span_find(s, '/', 4), 5);
    EXPECT_INT(span_find(s, '/', 99), 5);
    EXPECT_INT(span_find(SPAN_EMPTY, '/', 0), 0);
    EXPECT_SPAN(span_sub(s, 4, 99), "c");
    EXPECT_SPAN(span_sub(s, 99, 1), "");
    EXPECT_SPAN(span_sub(SPAN_EMPTY, 3, 3), "");
}

TEST(span_trim_takes_blanks_off_both_ends)
{
    EXPECT_SPAN(span_trim(SPAN(" \t a b\r\n")), "a b");
    EXPECT_SPAN(span_trim(SPAN("  ")), "");
    EXPECT_SPAN(span_trim(SPAN_EMPTY), "");
}

TEST(span_cut_walks_the_pieces)
{
    struct span rest = SPAN("a,,b,"), piece;
    EXPECT(span_cut(&rest, ',', &piece) && span_is(piece, "a"));
    EXPECT(span_cut(&rest, ',', &piece) && span_is(piece, ""));
    EXPECT(span_cut(&rest, ',', &piece) && span_is(piece, "b"));
    EXPECT(!span_cut(&rest, ',', &piece));
}

TEST(span_u64_takes_digits_up_to_the_maximum)
{
    uint64_t v = 7;
    EXPECT(span_u64(SPAN("0"), 9, &v) && v == 0);
    EXPECT(span_u64(SPAN("18446744073709551615"), UINT64_MAX, &v) && v == UINT64_MAX);
    EXPECT(span_u64(SPAN("255"), 255, &v) && v == 255);
    v = 7;
    EXPECT(!span_u64(SPAN("18446744073709551616"), UINT64_MAX, &v));
    EXPECT(!span_u64(SPAN("256"), 255, &v));
    EXPECT(!span_u64(SPAN("9"), 3, &v));
    EXPECT(!span_u64(SPAN(""), 9, &v));
    EXPECT(!span_u64(SPAN("+1"), 9, &v));
    EXPECT(!span_u64(SPAN(" 1"), 9, &v));
    EXPECT(!span_u64(SPAN("1x"), 9, &v));
    EXPECT_INT(v, 7);
}

TEST(span_utf8_takes_what_rfc3629_allows)
{
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xe5\x90\x8d"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        EXPECT(span_utf8(span_str(good[i])));
    EXPECT(span_utf8(SPAN("a\0b")));
}

TEST(span_utf8_refuses_the_rest)
{
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xe0\x9f\xbf",
                                      "\xe4\xb8",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xfe",
                                      "\xff",
                                      "\xe4\xb8\x41"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT(!span_utf8(span_str(bad[i])));
}

TEST(span_distance_finds_the_name_meant)
{
    EXPECT_INT(span_distance(SPAN("phone"), SPAN("phone")), 0);
    EXPECT_INT(span_distance(SPAN("phone"), SPAN("phoen")), 1);
    EXPECT_INT(span_distance(SPAN("phone"), SPAN("phon")), 1);
    EXPECT_INT(span_distance(SPAN("phone"), SPAN("bone")), 2);
    EXPECT_INT(span_distance(SPAN("Account.Register"), SPAN("account-register")), 0);
    EXPECT_INT(span_distance(SPAN("a_b"), SPAN("a-b")), 0);
    EXPECT_INT(span_distance(SPAN_EMPTY, SPAN("abc")), 3);
    EXPECT_INT(span_distance(SPAN_EMPTY, SPAN_EMPTY), 0);
}

TEST(span_distance_at_and_beyond_its_limit)
{
    char a[65], b[65];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    EXPECT_INT(span_distance(span_of(a, 64), span_of(b, 64)), 64);
    EXPECT_INT(span_distance(span_of(a, 65), SPAN("a")), 65);
}

TEST(hex_goes_both_ways)
{
    uint8_t b[3] = {0x00, 0xa5, 0xff}, back[3];
    char out[7];
    hex_put(out, b, 3);
    EXPECT_SPAN(span_str(out), "00a5ff");
    EXPECT(hex_get(SPAN("00A5fF"), back, 3) && memcmp(b, back, 3) == 0);
    EXPECT(hex_get(SPAN_EMPTY, back, 0));
    EXPECT(!hex_get(SPAN("00a5f"), back, 3));
    EXPECT(!hex_get(SPAN("00a5ff0"), back, 3));
    EXPECT(!hex_get(SPAN("00a5fg"), back, 3));
    EXPECT(!hex_get(SPAN("00a5 f"), back, 3));
}

UNIT_MAIN(CASE(span_cmp_orders_bytes_then_length), CASE(span_find_and_sub_stay_inside),
          CASE(span_trim_takes_blanks_off_both_ends), CASE(span_cut_walks_the_pieces),
          CASE(span_u64_takes_digits_up_to_the_maximum), CASE(span_utf8_takes_what_rfc3629_allows),
          CASE(span_utf8_refuses_the_rest), CASE(span_distance_finds_the_name_meant),
          CASE(span_distance_at_and_beyond_its_limit), CASE(hex_goes_both_ways))
