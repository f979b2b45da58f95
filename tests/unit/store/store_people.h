// SPDX-License-Identifier: Apache-2.0
/* store_people.h: persons, services they use and consents, put into scratch.h's folder by statements. */
#ifndef TROTH_STORE_PEOPLE_H
#define TROTH_STORE_PEOPLE_H

#include "scratch.h"

static struct fail f;

static inline struct span id_of(int64_t person)
{
    static uint8_t id[16];
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = (uint8_t)(person >> (8 * (i % 4)));
    return span_of(id, sizeof id);
}

static inline void run(enum store_query_id q, const struct store_arg *args, size_t n)
{
    EXPECT_INT(store_run(scratch_st, q, args, n, NULL, &f), OK);
}

static inline void person(int64_t p)
{
    run(Q_SUBJECT_ADD,
        ARGS(ARG_B(id_of(p)), ARG_I(p), ARG_I(1), ARG_I(0), ARG_I(0), ARG_I(0), ARG_T(SPAN("CN"))));
}

static inline void uses(int64_t p, const char *service, int64_t since)
{
    run(Q_SERVICE_USED, ARGS(ARG_I(p), ARG_T(span_str(service)), ARG_I(since)));
}

static inline void consent(int64_t p, int64_t seq, struct span name, int64_t until)
{
    uint8_t id[16] = {(uint8_t)p, (uint8_t)(p >> 8), (uint8_t)seq}, zero[32] = {0};
    struct span t = SPAN("");
    run(Q_CONSENT_ADD, ARGS(ARG_I(p), ARG_I(seq), ARG_B(span_of(id, 16)), ARG_I(1), ARG_I(0), ARG_I(2),
                            ARG_T(t), ARG_T(name), ARG_T(SPAN("order-payment")), ARG_T(t),
                            ARG_T(SPAN("shop")), ARG_T(t), ARG_T(t), ARG_I(1700000000123), ARG_I(until),
                            ARG_I(-3), ARG_B(span_of(zero, 32)), ARG_T(t), ARG_B(span_of(zero, 32)), ARG_T(t),
                            ARG_T(t), ARG_T(t), ARG_T(SPAN("news")), ARG_T(SPAN("a,b"))));
}

#endif
