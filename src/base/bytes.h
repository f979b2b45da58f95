// SPDX-License-Identifier: Apache-2.0
/* bytes.h: unsigned numbers in files, big-endian, in 1 to 8 bytes. */
#ifndef TROTH_BYTES_H
#define TROTH_BYTES_H

#include <stdint.h>

static inline void put_be(uint8_t *p, uint64_t v, unsigned n)
{
    while (n-- > 0) {
        p[n] = (uint8_t)v;
        v >>= 8;
    }
}

static inline uint64_t get_be(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

#endif
