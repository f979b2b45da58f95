// SPDX-License-Identifier: Apache-2.0
/* see span.h */
#include "span.h"

#define DISTANCE_MAX 64 /* names are shorter; the rows below live on the stack */

int span_cmp(struct span a, struct span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.p, b.p, common) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

size_t span_find(struct span s, char c, size_t from)
{
    if (from >= s.len)
        return s.len;
    const uint8_t *hit = memchr(s.p + from, (unsigned char)c, s.len - from);
    return hit ? (size_t)(hit - s.p) : s.len;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span s)
{
    while (s.len > 0 && is_blank(s.p[0]))
        s = span_sub(s, 1, s.len);
    while (s.len > 0 && is_blank(s.p[s.len - 1]))
        s.len--;
    return s;
}

bool span_cut(struct span *rest, char c, struct span *piece)
{
    *piece = SPAN_EMPTY;
    if (rest->len == 0)
        return false;
    size_t at = span_find(*rest, c, 0);
    *piece = span_sub(*rest, 0, at);
    *rest = at == rest->len ? SPAN_EMPTY : span_sub(*rest, at + 1, rest->len);
    return true;
}

bool span_u64(struct span s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* RFC 3629, section 4: the lead byte fixes how many bytes follow and the range of the first of them. */
static const struct utf8_row {
    uint8_t lead_from, lead_to, follow, second_from, second_to;
} utf8_rows[] = {
    {0x00, 0x7f, 0, 0x00, 0x00}, {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf},
    {0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

static const struct utf8_row *utf8_row(uint8_t lead)
{
    for (size_t i = 0; i < sizeof utf8_rows / sizeof utf8_rows[0]; i++)
        if (lead >= utf8_rows[i].lead_from && lead <= utf8_rows[i].lead_to)
            return &utf8_rows[i];
    return NULL;
}

/* The length of the well-formed character s begins with, or 0. */
static size_t utf8_char(struct span s)
{
    const struct utf8_row *row = utf8_row(s.p[0]);
    if (!row || s.len <= row->follow)
        return 0;
    if (row->follow > 0 && (s.p[1] < row->second_from || s.p[1] > row->second_to))
        return 0;
    for (size_t i = 2; i <= row->follow; i++)
        if ((s.p[i] & 0xc0) != 0x80)
            return 0;
    return row->follow + 1u;
}

size_t span_ascii(struct span s)
{
    size_t n = 0;
    for (uint64_t eight; n + sizeof eight <= s.len; n += sizeof eight) {
        memcpy(&eight, s.p + n, sizeof eight);
        if (eight & 0x8080808080808080u)
            break;
    }
    while (n < s.len && s.p[n] < 0x80)
        n++;
    return n;
}

bool span_utf8(struct span s)
{
    while (s.len > 0) {
        size_t ascii = span_ascii(s);
        s = span_sub(s, ascii, s.len);
        if (s.len == 0)
            return true;
        size_t n = s.p[0] < 0x80 ? 1 : utf8_char(s);
        if (n == 0)
            return false;
        s = span_sub(s, n, s.len);
    }
    return true;
}

/* Names differ in case and in '.', '_' or '-' between words; nobody means another name by it. */
static uint8_t name_fold(uint8_t c)
{
    if (c == '.' || c == '_')
        return '-';
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static unsigned min2(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein with adjacent swaps (optimal string alignment). */
unsigned span_distance(struct span a, struct span b)
{
    unsigned rows[3][DISTANCE_MAX + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];

    if (a.len > DISTANCE_MAX || b.len > DISTANCE_MAX)
        return (unsigned)(a.len > b.len ? a.len : b.len);
    for (unsigned j = 0; j <= b.len; j++)
        before[j] = above[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            uint8_t ca = name_fold(a.p[i - 1]), cb = name_fold(b.p[j - 1]);
            row[j] = min2(min2(above[j], row[j - 1]) + 1, above[j - 1] + (ca != cb));
            if (i > 1 && j > 1 && ca == name_fold(b.p[j - 2]) && cb == name_fold(a.p[i - 2]))
                row[j] = min2(row[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[b.len];
}
