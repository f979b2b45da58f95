// SPDX-License-Identifier: Apache-2.0
/* instant.h: time as a value. `now` is always an argument; only clock.c (ring 5, threads) reads a clock. */
#ifndef TROTH_INSTANT_H
#define TROTH_INSTANT_H

#include "err.h"

/* Milliseconds since 1970-01-01T00:00:00Z, proleptic Gregorian, no leap seconds. */
struct instant {
    int64_t ms;
};
/* A calendar day. */
struct date {
    int32_t year;
    uint8_t month, day;
};

#define INSTANT_TEXT_MAX 32
#define DAY_MS           86400000LL
/* "Never ends": sorts after every real instant, fits SQLite and PostgreSQL integers. */
#define INSTANT_FOREVER ((struct instant){INT64_MAX / 2})

/* RFC 3339 in UTC with milliseconds when they are not zero: 2026-11-23T00:00:00Z. */
void instant_put(char out[INSTANT_TEXT_MAX], struct instant t);
/* RFC 3339 date-time (any offset) or a plain date YYYY-MM-DD (its first instant in UTC). */
bool instant_get(struct span s, struct instant *out);
bool date_get(struct span s, struct date *out);
void date_put(char out[INSTANT_TEXT_MAX], struct date d);
/* The day it is at t at a fixed offset from UTC. */
struct date date_at(struct instant t, int offset_minutes);
/* The first instant of the day d at the offset. */
struct instant date_start(struct date d, int offset_minutes);
/* Whole years from birth to day (29 February counts as reached on 1 March). Negative before birth. */
int date_age(struct date birth, struct date day);
/* Calendar arithmetic; a day past the month's end becomes its last day. */
struct date date_add_months(struct date d, int months);
int date_cmp(struct date a, struct date b);

#endif
