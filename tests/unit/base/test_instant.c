// SPDX-License-Identifier: Apache-2.0
#include "instant.h"
#include "unit.h"

static struct date day(int32_t y, int m, int d)
{
    return (struct date){y, (uint8_t)m, (uint8_t)d};
}

static int64_t ms(const char *s)
{
    struct instant t = {-1};
    return instant_get(span_str(s), &t) ? t.ms : -1;
}

static bool prints(int64_t at, const char *want)
{
    char out[INSTANT_TEXT_MAX];
    instant_put(out, (struct instant){at});
    return strcmp(out, want) == 0;
}

TEST(instant_text_goes_both_ways)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-23T00:00:00Z", 1795392000000},
        {"2000-02-29T23:59:59.999Z", 951868799999},
        {"1969-12-31T23:59:59.999Z", -1},
        {"1912-06-05T01:02:03.004Z", -1816901876996},
        {"0000-01-01T00:00:00Z", -62167219200000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EXPECT_INT(ms(rows[i].text), rows[i].ms);
        EXPECT(prints(rows[i].ms, rows[i].text));
    }
}

TEST(instant_reads_offsets_fractions_and_plain_dates)
{
    EXPECT_INT(ms("2026-11-23T08:00:00+08:00"), ms("2026-11-23T00:00:00Z"));
    EXPECT_INT(ms("2026-11-22T18:30:00-05:30"), ms("2026-11-23T00:00:00Z"));
    EXPECT_INT(ms("2026-11-23"), ms("2026-11-23T00:00:00Z"));
    EXPECT_INT(ms("2026-11-23t00:00:00z"), ms("2026-11-23T00:00:00Z"));
    EXPECT_INT(ms("1970-01-01T00:00:00.5Z"), 500);
    EXPECT_INT(ms("1970-01-01T00:00:00.0019999Z"), 1);
}

TEST(instant_refuses_what_is_not_one)
{
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-11-23T",
                                      "2026-11-23T00:00:00",
                                      "2026-11-23T00:00Z",
                                      "2026-11-23 00:00:00Z",
                                      "2026-11-23T24:00:00Z",
                                      "2026-11-23T00:60:00Z",
                                      "2026-11-23T00:00:60Z",
                                      "2026-11-23T00:00:00.Z",
                                      "2026-11-23T00:00:00+0800",
                                      "2026-11-23T00:00:00+24:00",
                                      "2026-11-23T00:00:00Zx",
                                      "2026-13-01",
                                      "2026-00-01",
                                      "2026-02-29",
                                      "1900-02-29",
                                      "2026-04-31",
                                      "2026-01-00",
                                      "26-01-01",
                                      "-026-01-01"};
    struct instant t;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT(!instant_get(span_str(bad[i]), &t));
}

TEST(instants_beyond_four_digit_years_print_as_the_last)
{
    EXPECT(prints(INSTANT_FOREVER.ms, "9999-12-31T23:59:59.999Z"));
    EXPECT(prints(INT64_MIN, "0000-01-01T00:00:00Z"));
    EXPECT(prints(INT64_MAX, "9999-12-31T23:59:59.999Z"));
}

TEST(date_text_goes_both_ways)
{
    struct date d;
    char out[INSTANT_TEXT_MAX];
    EXPECT(date_get(SPAN("2012-02-29"), &d) && date_cmp(d, day(2012, 2, 29)) == 0);
    date_put(out, d);
    EXPECT_SPAN(span_str(out), "2012-02-29");
    EXPECT(!date_get(SPAN("2013-02-29"), &d));
    EXPECT(!date_get(SPAN("2012-02-29T00:00:00Z"), &d));
    EXPECT(!date_get(SPAN("2012-2-9"), &d));
}

TEST(every_day_of_400_years_has_its_own_number)
{
    struct date d = day(1800, 1, 1);
    int64_t at = date_start(d, 0).ms;
    int wrong = 0;
    for (int i = 0; i < 146097; i++, at += DAY_MS) {
        struct date got = date_at((struct instant){at}, 0),
                    last = date_at((struct instant){at + DAY_MS - 1}, 0);
        wrong += date_start(got, 0).ms != at || date_cmp(got, last) != 0;
    }
    EXPECT_INT(wrong, 0);
    EXPECT(date_cmp(date_at((struct instant){at}, 0), day(2200, 1, 1)) == 0);
}

TEST(the_day_depends_on_the_offset)
{
    struct instant t = {ms("2026-11-22T16:00:00Z")};
    EXPECT(date_cmp(date_at(t, 480), day(2026, 11, 23)) == 0);
    EXPECT(date_cmp(date_at((struct instant){t.ms - 1}, 480), day(2026, 11, 22)) == 0);
    EXPECT_INT(date_start(day(2026, 11, 23), 480).ms, t.ms);
}

TEST(age_turns_on_the_birthday)
{
    EXPECT_INT(date_age(day(2012, 11, 24), day(2026, 11, 23)), 13);
    EXPECT_INT(date_age(day(2012, 11, 23), day(2026, 11, 23)), 14);
    EXPECT_INT(date_age(day(2012, 2, 29), day(2026, 2, 28)), 13);
    EXPECT_INT(date_age(day(2012, 2, 29), day(2026, 3, 1)), 14);
    EXPECT_INT(date_age(day(2012, 2, 29), day(2028, 2, 29)), 16);
    EXPECT_INT(date_age(day(2026, 11, 23), day(2026, 11, 23)), 0);
    EXPECT(date_age(day(2026, 11, 24), day(2026, 11, 23)) < 0);
}

TEST(months_clip_to_the_last_day)
{
    EXPECT(date_cmp(date_add_months(day(2024, 1, 31), 1), day(2024, 2, 29)) == 0);
    EXPECT(date_cmp(date_add_months(day(2023, 1, 31), 1), day(2023, 2, 28)) == 0);
    EXPECT(date_cmp(date_add_months(day(2024, 2, 29), 12), day(2025, 2, 28)) == 0);
    EXPECT(date_cmp(date_add_months(day(2026, 12, 1), 1), day(2027, 1, 1)) == 0);
    EXPECT(date_cmp(date_add_months(day(2026, 1, 15), -1), day(2025, 12, 15)) == 0);
    EXPECT(date_cmp(date_add_months(day(2026, 1, 15), -13), day(2024, 12, 15)) == 0);
    EXPECT(date_cmp(date_add_months(day(2026, 1, 15), 0), day(2026, 1, 15)) == 0);
}

UNIT_MAIN(CASE(instant_text_goes_both_ways), CASE(instant_reads_offsets_fractions_and_plain_dates),
          CASE(instant_refuses_what_is_not_one), CASE(instants_beyond_four_digit_years_print_as_the_last),
          CASE(date_text_goes_both_ways), CASE(every_day_of_400_years_has_its_own_number),
          CASE(the_day_depends_on_the_offset), CASE(age_turns_on_the_birthday),
          CASE(months_clip_to_the_last_day))
