// SPDX-License-Identifier: Apache-2.0
/* see instant.h */
#include "instant.h"

#include <stdio.h>

#define MINUTE_MS 60000LL
#define YEAR_MAX  9999 /* RFC 3339 has four digits; later instants print as the last one */

static bool is_leap(int32_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static uint8_t month_days(int32_t year, unsigned month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return (uint8_t)(days[month - 1] + (month == 2 && is_leap(year)));
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days since 1970-01-01. Years begin in March, so that the leap day is a year's last and 153 days make five
 * months. */
static int64_t day_number(struct date d)
{
    int64_t year = d.month <= 2 ? (int64_t)d.year - 1 : d.year;
    int64_t era = floor_div(year, 400), in_era = year - era * 400;
    int64_t month = (d.month + 9) % 12;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + (153 * month + 2) / 5 + d.day - 1 -
           719468;
}

static struct date day_date(int64_t number)
{
    int64_t n = number + 719468, era = floor_div(n, 146097), day = n - era * 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t in_year = day - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * in_year + 2) / 153;
    int64_t civil = month < 10 ? month + 3 : month - 9;
    return (struct date){(int32_t)(year + era * 400 + (civil <= 2)), (uint8_t)civil,
                         (uint8_t)(in_year - (153 * month + 2) / 5 + 1)};
}

struct date date_at(struct instant t, int offset_minutes)
{
    return day_date(floor_div(t.ms + offset_minutes * MINUTE_MS, DAY_MS));
}

struct instant date_start(struct date d, int offset_minutes)
{
    return (struct instant){day_number(d) * DAY_MS - offset_minutes * MINUTE_MS};
}

int date_cmp(struct date a, struct date b)
{
    if (a.year != b.year)
        return a.year < b.year ? -1 : 1;
    if (a.month != b.month)
        return a.month < b.month ? -1 : 1;
    return (a.day > b.day) - (a.day < b.day);
}

/* A birthday on 29 February is reached on 1 March by the order of days alone. */
int date_age(struct date birth, struct date day)
{
    struct date birthday = {day.year, birth.month, birth.day};
    return day.year - birth.year - (date_cmp(day, birthday) < 0);
}

struct date date_add_months(struct date d, int months)
{
    int64_t total = (int64_t)d.year * 12 + (d.month - 1) + months;
    int32_t year = (int32_t)floor_div(total, 12);
    unsigned month = (unsigned)(total - (int64_t)year * 12) + 1;
    uint8_t last = month_days(year, month);
    return (struct date){year, (uint8_t)month, d.day < last ? d.day : last};
}

void date_put(char out[INSTANT_TEXT_MAX], struct date d)
{
    snprintf(out, INSTANT_TEXT_MAX, "%04d-%02u-%02u", d.year, (unsigned)d.month, (unsigned)d.day);
}

static struct instant printable(struct instant t)
{
    int64_t first = date_start((struct date){0, 1, 1}, 0).ms;
    int64_t end = date_start((struct date){YEAR_MAX + 1, 1, 1}, 0).ms;
    if (t.ms < first)
        return (struct instant){first};
    return t.ms < end ? t : (struct instant){end - 1};
}

/* `digits` decimal digits, and what comes after them. */
static char *put_number(char *out, unsigned v, unsigned digits, char after)
{
    for (unsigned i = digits; i-- > 0; v /= 10)
        out[i] = (char)('0' + v % 10);
    out[digits] = after;
    return out + digits + 1;
}

void instant_put(char out[INSTANT_TEXT_MAX], struct instant t)
{
    t = printable(t);
    struct date d = date_at(t, 0);
    unsigned ms = (unsigned)(t.ms - date_start(d, 0).ms);
    unsigned s = ms / 1000;
    out = put_number(out, (unsigned)d.year, 4, '-');
    out = put_number(out, d.month, 2, '-');
    out = put_number(out, d.day, 2, 'T');
    out = put_number(out, s / 3600, 2, ':');
    out = put_number(out, s / 60 % 60, 2, ':');
    out = put_number(out, s % 60, 2, ms % 1000 ? '.' : 'Z');
    if (ms % 1000)
        out = put_number(out, ms % 1000, 3, 'Z');
    *out = 0;
}

/* Takes exactly `digits` decimal digits off the front of *s. */
static bool take_number(struct span *s, size_t digits, uint64_t max, uint64_t *out)
{
    if (s->len < digits || !span_u64(span_sub(*s, 0, digits), max, out))
        return false;
    *s = span_sub(*s, digits, s->len);
    return true;
}

static bool take_char(struct span *s, char c)
{
    if (s->len == 0 || s->p[0] != (uint8_t)c)
        return false;
    *s = span_sub(*s, 1, s->len);
    return true;
}

static bool take_date(struct span *s, struct date *out)
{
    uint64_t year, month, day;
    if (!take_number(s, 4, YEAR_MAX, &year) || !take_char(s, '-'))
        return false;
    if (!take_number(s, 2, 12, &month) || month == 0 || !take_char(s, '-'))
        return false;
    if (!take_number(s, 2, month_days((int32_t)year, (unsigned)month), &day) || day == 0)
        return false;
    *out = (struct date){(int32_t)year, (uint8_t)month, (uint8_t)day};
    return true;
}

bool date_get(struct span s, struct date *out)
{
    struct date d;
    if (!take_date(&s, &d) || s.len != 0)
        return false;
    *out = d;
    return true;
}

/* ".5", ".123456": beyond milliseconds the digits are dropped. */
static bool take_fraction(struct span *s, uint64_t *ms)
{
    *ms = 0;
    if (!take_char(s, '.'))
        return true;
    uint64_t digit, scale = 100;
    bool any = false;
    while (take_number(s, 1, 9, &digit)) {
        *ms += digit * scale;
        scale /= 10;
        any = true;
    }
    return any;
}

static bool take_clock(struct span *s, int64_t *ms)
{
    uint64_t hour, minute, second, fraction;
    if (!take_number(s, 2, 23, &hour) || !take_char(s, ':') || !take_number(s, 2, 59, &minute) ||
        !take_char(s, ':'))
        return false;
    if (!take_number(s, 2, 59, &second) || !take_fraction(s, &fraction))
        return false;
    *ms = (int64_t)(((hour * 60 + minute) * 60 + second) * 1000 + fraction);
    return true;
}

static bool take_offset(struct span *s, int *minutes)
{
    uint64_t hour, minute;
    *minutes = 0;
    if (take_char(s, 'Z') || take_char(s, 'z'))
        return true;
    bool west = s->len > 0 && s->p[0] == '-';
    if (!take_char(s, '+') && !take_char(s, '-'))
        return false;
    if (!take_number(s, 2, 23, &hour) || !take_char(s, ':') || !take_number(s, 2, 59, &minute))
        return false;
    *minutes = (west ? -1 : 1) * (int)(hour * 60 + minute);
    return true;
}

bool instant_get(struct span s, struct instant *out)
{
    struct date d;
    int64_t clock = 0;
    int offset = 0;
    if (!take_date(&s, &d))
        return false;
    if (s.len > 0) {
        if (!take_char(&s, 'T') && !take_char(&s, 't'))
            return false;
        if (!take_clock(&s, &clock) || !take_offset(&s, &offset) || s.len > 0)
            return false;
    }
    *out = (struct instant){date_start(d, offset).ms + clock};
    return true;
}
