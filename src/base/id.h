// SPDX-License-Identifier: Apache-2.0
/* id.h: typed ids; the wrong one does not compile. Text form: 32 lower-case hexadecimal digits. */
#ifndef TROTH_ID_H
#define TROTH_ID_H

#include "span.h"

#define ID_LEN      16
#define ID_TEXT_LEN 32

/* A person (GDPR: data subject; PIPL: individual). Random, carries no meaning. */
struct subject_id {
    uint8_t b[ID_LEN];
};
/* One consent, agreement or approval event. */
struct consent_id {
    uint8_t b[ID_LEN];
};
/* One share: what left, to whom, under which clause. */
struct share_id {
    uint8_t b[ID_LEN];
};
/* One writing of a value: random, another each time it is written. */
struct value_mark {
    uint8_t b[8];
};
/* 32-byte SHA-256. */
struct digest {
    uint8_t b[32];
};

/* Writes 2*len lower-case hex digits and a zero byte. */
void hex_put(char *out, const uint8_t *b, size_t len);
/* Reads exactly 2*len hex digits of either case; false otherwise. */
bool hex_get(struct span s, uint8_t *b, size_t len);

static inline bool subject_id_eq(struct subject_id a, struct subject_id b)
{
    return memcmp(a.b, b.b, ID_LEN) == 0;
}

#endif
