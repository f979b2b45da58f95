// SPDX-License-Identifier: Apache-2.0
/* crc32c.c: CRC-32C by the processor's instruction where there is one, else by table (RFC 3720, B.4). */
#include "audit_impl.h"

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41, bits reversed */

static uint32_t table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint32_t (*update)(uint32_t crc, struct span s);

static uint32_t by_table(uint32_t crc, struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        crc = crc >> 8 ^ table[(crc ^ s.p[i]) & 0xff];
    return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, struct span s)
{
    uint64_t wide = crc;
    for (; s.len >= 8; s = span_sub(s, 8, s.len)) {
        uint64_t word;
        memcpy(&word, s.p, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (size_t i = 0; i < s.len; i++)
        crc = __builtin_ia32_crc32qi(crc, s.p[i]);
    return crc;
}
#endif

static void choose(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ POLYNOMIAL : c >> 1;
        table[i] = c;
    }
    update = by_table;
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        update = by_instruction;
#endif
}

uint32_t crc32c(uint32_t crc, struct span s)
{
    pthread_once(&once, choose);
    return ~update(~crc, s);
}
