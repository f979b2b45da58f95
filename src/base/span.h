// SPDX-License-Identifier: Apache-2.0
/*
 * span.h: pointer and length, travelling together.
 *
 * A span never owns what it points to. Text in a span is UTF-8 unless its holder says otherwise, and is not
 * terminated by a zero byte. An empty span may have a null pointer.
 */
#ifndef TROTH_SPAN_H
#define TROTH_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *p;
    size_t len;
};

/* For printf: printf("%.*s", SPAN_F(s)). Lengths above INT_MAX are cut, never negative. */
#define SPAN_F(s)                                                                                            \
    (int)((s).len > 0x7fffffff ? 0x7fffffff : (s).len), (const char *)((s).p ? (s).p : (const uint8_t *)"")
/* A span over a string literal. */
#define SPAN(lit)  ((struct span){(const uint8_t *)("" lit), sizeof(lit) - 1})
#define SPAN_EMPTY ((struct span){0, 0})

static inline struct span span_of(const void *p, size_t len)
{
    return (struct span){(const uint8_t *)p, len};
}

/* A span over a C string; null gives the empty span. */
static inline struct span span_str(const char *s)
{
    return s ? (struct span){(const uint8_t *)s, strlen(s)} : SPAN_EMPTY;
}

/* Plain comparison, not constant in time: never for secrets (crypto.h has crypto_equal). */
static inline bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || (a.p[0] == b.p[0] && memcmp(a.p, b.p, a.len) == 0));
}

static inline bool span_is(struct span a, const char *s)
{
    return span_eq(a, span_str(s));
}

/* The part of s from byte `from` on, at most `len` bytes; clipped to s. */
static inline struct span span_sub(struct span s, size_t from, size_t len)
{
    if (from > s.len)
        from = s.len;
    if (len > s.len - from)
        len = s.len - from;
    return (struct span){from ? s.p + from : s.p, len}; /* null + 0 is undefined in C */
}

static inline bool span_starts(struct span s, const char *prefix)
{
    return span_is(span_sub(s, 0, strlen(prefix)), prefix);
}

/* Ordering for sorted tables: bytes, then length. <0, 0, >0. */
int span_cmp(struct span a, struct span b);
/* Index of the first byte c at or after `from`, or s.len. */
size_t span_find(struct span s, char c, size_t from);
/* Without ASCII blanks at both ends. */
struct span span_trim(struct span s);
/* Cuts *rest at the first c: *piece is what is before, *rest what is after. False, with an empty piece, when
 * *rest is used up. */
bool span_cut(struct span *rest, char c, struct span *piece);
/* Whole span as a decimal number without sign, blanks or leading plus; false if not, or above max. */
bool span_u64(struct span s, uint64_t max, uint64_t *out);
/* How many bytes at the start are ASCII. */
size_t span_ascii(struct span s);
/* True if the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool span_utf8(struct span s);
/* Edit distance of two short names (ASCII case ignored), at most 64 bytes each; for suggestions. */
unsigned span_distance(struct span a, struct span b);

#endif
