// SPDX-License-Identifier: Apache-2.0
/* Bands around birthdays; guardians; what an erasure leaves. */
#include "scratch.h"

#include "crypto.h"
#include "subject.h"

#define CHINA 480

static struct instant at(const char *text)
{
    struct instant t = {0};
    EXPECT(instant_get(span_str(text), &t));
    return t;
}

static struct date day(const char *text)
{
    struct date d = {0};
    EXPECT(date_get(span_str(text), &d));
    return d;
}

static struct subject born(const char *birth, const char *now)
{
    struct subject s = {0};
    struct fail f = {0};
    scratch_must(subject_create(scratch_st, day(birth), CHINA, "CN", at(now), &s, &f), &f);
    return s;
}

/* birth, instant, band */
static const struct {
    const char *birth, *now;
    enum subject_band band;
} bands[] = {
    {"2012-11-23", "2026-11-22T15:59:59Z", BAND_CHILD}, /* 23:59:59 in China on the day before */
    {"2012-11-23", "2026-11-22T16:00:00Z", BAND_MINOR}, /* midnight in China: the birthday begins */
    {"2008-11-23", "2026-11-22T15:59:59Z", BAND_MINOR}, {"2008-11-23", "2026-11-22T16:00:00Z", BAND_ADULT},
    {"2012-02-29", "2026-02-28T15:59:59Z", BAND_CHILD}, /* no 29 February in 2026: 14 on 1 March */
    {"2012-02-29", "2026-02-28T16:00:00Z", BAND_MINOR}, {"2008-02-29", "2026-02-28T15:59:59Z", BAND_MINOR},
    {"2008-02-29", "2026-02-28T16:00:00Z", BAND_ADULT}, {"1990-05-05", "2026-11-23T00:00:00Z", BAND_ADULT},
    {"2010-03-01", "2026-11-23T00:00:00Z", BAND_MINOR}, {"2014-08-20", "2026-11-23T00:00:00Z", BAND_CHILD},
};

TEST(R160_bands_change_at_midnight_of_the_operators_calendar)
{
    for (size_t i = 0; i < sizeof bands / sizeof bands[0]; i++) {
        struct instant teen, adult, early = at("2015-01-01");
        subject_thresholds(day(bands[i].birth), CHINA, early, &teen, &adult);
        EXPECT_INT(subject_band_at(teen, adult, at(bands[i].now)), bands[i].band);
        subject_thresholds(day(bands[i].birth), CHINA, at(bands[i].now), &teen, &adult);
        EXPECT_INT(subject_band_at(teen, adult, at(bands[i].now)), bands[i].band);
    }
}

TEST(R160_an_adults_birth_date_is_not_kept)
{
    struct instant teen, adult;
    subject_thresholds(day("1990-05-05"), CHINA, at("2026-11-23"), &teen, &adult);
    EXPECT_INT(teen.ms, 0);
    EXPECT_INT(adult.ms, 0);
}

TEST(a_child_waits_and_grows)
{
    scratch_open();
    struct fail f = {0};
    struct subject s = born("2014-08-20", "2026-11-23T00:00:00Z"), later;
    EXPECT_INT(s.state, SUBJECT_AWAITING_GUARDIAN);
    EXPECT_INT(s.band, BAND_CHILD);
    EXPECT_INT(born("1990-01-01", "2026-11-23").state, SUBJECT_ACTIVE);
    scratch_must(subject_set_state(scratch_st, &s, SUBJECT_ACTIVE, &f), &f);
    scratch_must(subject_get(scratch_st, s.id, at("2028-08-20"), &later, &f), &f);
    EXPECT_INT(later.state, SUBJECT_ACTIVE);
    EXPECT_INT(later.band, BAND_MINOR);
    EXPECT_INT(later.sid, s.sid);
    EXPECT(strcmp(later.region, "CN") == 0);
    scratch_close();
}

TEST(impossible_birth_dates_are_refused)
{
    scratch_open();
    const char *const bad[] = {"2026-11-24", "1875-01-01", "2100-01-01"};
    for (size_t i = 0; i < 3; i++) {
        struct subject s;
        struct fail f = {0};
        EXPECT_INT(subject_create(scratch_st, day(bad[i]), CHINA, "CN", at("2026-11-23"), &s, &f),
                   ERR_BAD_VALUE);
        EXPECT(f.detail[0]);
    }
    struct subject s;
    struct fail f = {0};
    EXPECT_INT(subject_create(scratch_st, day("2026-11-23"), CHINA, "CN", at("2026-11-22T17:00:00Z"), &s, &f),
               OK);
    scratch_close();
}

TEST(R183_guardians)
{
    scratch_open();
    struct fail f = {0};
    struct instant now = at("2026-11-23");
    struct subject child = born("2014-08-20", "2026-11-23"), teen = born("2010-03-01", "2026-11-23");
    struct subject adult = born("1985-01-01", "2026-11-23"), other = born("1986-01-01", "2026-11-23");
    bool verified;
    EXPECT_INT(guardian_add(scratch_st, &child, &adult, true, SPAN("case-1"), now, &f), OK);
    EXPECT_INT(guardian_add(scratch_st, &child, &other, false, SPAN("case-2"), now, &f), OK);
    EXPECT_INT(guardian_add(scratch_st, &teen, &adult, true, SPAN("case-3"), now, &f), OK);
    guardian_verified(scratch_st, &child, adult.id, &verified, &f);
    EXPECT(verified);
    guardian_verified(scratch_st, &child, other.id, &verified, &f);
    EXPECT(!verified);
    guardian_verified(scratch_st, &teen, adult.id, &verified, &f);
    EXPECT(!verified); /* consent ends at 14 */
    guardian_linked(scratch_st, &teen, adult.id, &verified, &f);
    EXPECT(verified); /* seeing ends at 18 */
    struct guardian_link *links;
    size_t n;
    scratch_must(guardian_list(scratch_st, &child, scratch_a, &links, &n, &f), &f);
    EXPECT_INT(n, 2);
    EXPECT_INT(guardian_add(scratch_st, &child, &teen, true, SPAN(""), now, &f), ERR_BAD_VALUE);
    f = (struct fail){0};
    EXPECT_INT(guardian_add(scratch_st, &adult, &other, true, SPAN(""), now, &f), ERR_BAD_VALUE);
    f = (struct fail){0};
    EXPECT_INT(guardian_add(scratch_st, &adult, &adult, true, SPAN(""), now, &f), ERR_BAD_VALUE);
    scratch_close();
}

TEST(nobody_and_the_erased_are_told_apart)
{
    scratch_open();
    struct fail f = {0};
    struct instant now = at("2026-11-23");
    struct subject s = born("1990-01-01", "2026-11-23"), got;
    struct subject_id nobody = {{1}};
    EXPECT_INT(subject_get(scratch_st, nobody, now, &got, &f), ERR_NOT_FOUND);
    f = (struct fail){0};
    scratch_must(subject_service_add(scratch_st, &s, SPAN("shop"), now, &f), &f);
    scratch_must(subject_service_add(scratch_st, &s, SPAN("shop"), now, &f), &f);
    struct span *services;
    size_t n;
    scratch_must(subject_services(scratch_st, &s, scratch_a, &services, &n, &f), &f);
    EXPECT_INT(n, 1);
    scratch_must(subject_erase(scratch_st, &s, now, &f), &f);
    EXPECT_INT(subject_get(scratch_st, s.id, now, &got, &f), ERR_GONE);
    scratch_close();
}

int main(void)
{
    struct fail f = {0};
    scratch_must(crypto_start(&f), &f);
    static const struct unit_case cases[] = {
        CASE(R160_bands_change_at_midnight_of_the_operators_calendar),
        CASE(R160_an_adults_birth_date_is_not_kept),
        CASE(a_child_waits_and_grows),
        CASE(impossible_birth_dates_are_refused),
        CASE(R183_guardians),
        CASE(nobody_and_the_erased_are_told_apart),
    };
    return unit_main(cases, sizeof cases / sizeof cases[0]);
}
