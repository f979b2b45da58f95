// SPDX-License-Identifier: Apache-2.0
/* see text.h */
#include "text.h"
#include "id.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_CAP_MIN 64

struct text text_new(struct arena *a, size_t cap)
{
    cap = cap < TEXT_CAP_MIN ? TEXT_CAP_MIN : cap;
    return (struct text){.arena = a, .p = arena_alloc(a, cap), .cap = cap};
}

struct span text_span(const struct text *t)
{
    return span_of(t->p, t->len);
}

/* The old buffer stays in the arena: doubling bounds the waste by what is kept. */
static void grow(struct text *t, size_t n)
{
    size_t cap = t->cap;
    while (cap - t->len < n) {
        if (cap > SIZE_MAX / 2)
            abort();
        cap *= 2;
    }
    uint8_t *p = arena_alloc(t->arena, cap);
    memcpy(p, t->p, t->len);
    t->p = p;
    t->cap = cap;
}

/* Room for n more bytes. */
static inline uint8_t *reserve(struct text *t, size_t n)
{
    if (t->cap - t->len < n)
        grow(t, n);
    return t->p + t->len;
}

void text_put(struct text *t, struct span s)
{
    if (s.len == 0)
        return;
    memcpy(reserve(t, s.len), s.p, s.len);
    t->len += s.len;
}

void text_str(struct text *t, const char *s)
{
    text_put(t, span_str(s));
}

void text_char(struct text *t, char c)
{
    *reserve(t, 1) = (uint8_t)c;
    t->len++;
}

void text_i64(struct text *t, int64_t v)
{
    char digits[24];
    char *p = digits + sizeof digits;
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (v < 0)
        *--p = '-';
    text_put(t, span_of(p, (size_t)(digits + sizeof digits - p)));
}

void text_fmt(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n <= 0)
        return;
    char *p = (char *)reserve(t, (size_t)n + 1);
    va_start(args, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, args);
    va_end(args);
    t->len += (size_t)n;
}

static const char *html_entity(uint8_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void text_html(struct text *t, struct span s)
{
    size_t from = 0;
    for (size_t i = 0; i < s.len; i++) {
        const char *entity = html_entity(s.p[i]);
        if (!entity)
            continue;
        text_put(t, span_sub(s, from, i - from));
        text_str(t, entity);
        from = i + 1;
    }
    text_put(t, span_sub(s, from, s.len));
}

/* RFC 3986, section 2.3 */
static bool is_unreserved(uint8_t c)
{
    uint8_t lower = c | 0x20;
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

void text_url(struct text *t, struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (is_unreserved(s.p[i]))
            text_char(t, (char)s.p[i]);
        else
            text_fmt(t, "%%%02X", s.p[i]);
    }
}

/* What a byte becomes inside a JSON string (RFC 8259, section 7); null: itself. */
static const char *json_escape(uint8_t c, char buffer[8])
{
    static const char *const short_form[128] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\n'] = "\\n", ['\r'] = "\\r",
        ['\t'] = "\\t", ['\b'] = "\\b",  ['\f'] = "\\f", [0x7f] = "\\u007f"};
    if (c >= 0x80)
        return NULL;
    if (short_form[c] || c >= 0x20)
        return short_form[c];
    snprintf(buffer, 8, "\\u%04x", c);
    return buffer;
}

/* Bytes a JSON string holds as they are. */
static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

#ifdef __SSE2__
/* Sixteen at a time; what is left over is looked at together with bytes before it. Compared as signed: bytes
 * from 0x80 on are below the blank. */
static bool all_plain_wide(struct span s)
{
    const __m128i blank = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'),
                  del = _mm_set1_epi8(0x7f);
    __m128i odd = _mm_setzero_si128();
    for (size_t i = 0; i < s.len; i += 16) {
        size_t at = i + 16 <= s.len ? i : s.len - 16;
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.p + at));
        odd = _mm_or_si128(odd, _mm_or_si128(_mm_cmplt_epi8(v, blank), _mm_cmpeq_epi8(v, del)));
        odd = _mm_or_si128(odd, _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
    }
    return _mm_movemask_epi8(odd) == 0;
}
#else
static bool all_plain_wide(struct span s)
{
    bool plain = true;
    for (size_t i = 0; i < s.len; i++)
        plain &= is_plain(s.p[i]);
    return plain;
}
#endif

static bool all_plain(struct span s)
{
    bool plain = true;
    if (s.len >= 16)
        return all_plain_wide(s);
    if (s.len >= 8) { /* the first eight bytes and the last eight */
        uint8_t both[16];
        memcpy(both, s.p, 8);
        memcpy(both + 8, s.p + s.len - 8, 8);
        return all_plain_wide(span_of(both, sizeof both));
    }
    if (s.len >= 4) { /* the same of four, twice */
        uint8_t both[16];
        memcpy(both, s.p, 4);
        memcpy(both + 4, s.p + s.len - 4, 4);
        memcpy(both + 8, both, 8);
        return all_plain_wide(span_of(both, sizeof both));
    }
    for (size_t i = 0; i < s.len; i++)
        plain &= is_plain(s.p[i]);
    return plain;
}

/* Nearly every text is plain as a whole: found out in one pass, and copied in one piece. */
static bool quoted_plain(struct text *t, struct span s)
{
    if (!all_plain(s))
        return false;
    uint8_t *p = reserve(t, s.len + 2);
    p[0] = '"';
    if (s.len)
        memcpy(p + 1, s.p, s.len);
    p[s.len + 1] = '"';
    t->len += s.len + 2;
    return true;
}

static void quoted(struct text *t, struct span s)
{
    if (quoted_plain(t, s))
        return;
    /* Not text after all: the answer must still be JSON, so every byte that may be wrong is replaced. */
    bool wellformed = span_utf8(s);
    size_t from = 0;
    char buffer[8];

    text_char(t, '"');
    for (size_t i = 0; i < s.len; i++) {
        const char *escape = !wellformed && s.p[i] >= 0x80 ? "\\ufffd" : json_escape(s.p[i], buffer);
        if (!escape)
            continue;
        text_put(t, span_sub(s, from, i - from));
        text_str(t, escape);
        from = i + 1;
    }
    text_put(t, span_sub(s, from, s.len));
    text_char(t, '"');
}

void json_key(struct text *t, struct span name)
{
    if (t->comma)
        text_char(t, ',');
    quoted(t, name);
    text_char(t, ':');
    t->comma = false;
}

/* Everything before a value: the comma and the name, which is ours. */
static void lead(struct text *t, const char *name)
{
    size_t len = name ? strlen(name) : 0;
    uint8_t *p = reserve(t, len + 4), *from = p;
    if (t->comma)
        *p++ = ',';
    if (name) {
        *p++ = '"';
        memcpy(p, name, len);
        p += len;
        *p++ = '"';
        *p++ = ':';
    }
    t->len += (size_t)(p - from);
    t->comma = true;
}

void json_open(struct text *t, const char *name, char bracket)
{
    lead(t, name);
    text_char(t, bracket);
    t->comma = false;
}

void json_close(struct text *t, char bracket)
{
    text_char(t, bracket);
    t->comma = true;
}

void json_string(struct text *t, const char *name, struct span v)
{
    lead(t, name);
    quoted(t, v);
}

void json_str(struct text *t, const char *name, const char *v)
{
    json_string(t, name, span_str(v));
}

void json_i64(struct text *t, const char *name, int64_t v)
{
    lead(t, name);
    text_i64(t, v);
}

void json_bool(struct text *t, const char *name, bool v)
{
    lead(t, name);
    text_str(t, v ? "true" : "false");
}

void json_null(struct text *t, const char *name)
{
    lead(t, name);
    text_str(t, "null");
}

void json_instant(struct text *t, const char *name, struct instant v)
{
    char out[INSTANT_TEXT_MAX];
    instant_put(out, v);
    json_str(t, name, out);
}

void json_hex(struct text *t, const char *name, const uint8_t *b, size_t len)
{
    lead(t, name);
    text_char(t, '"');
    hex_put((char *)reserve(t, 2 * len + 1), b, len);
    t->len += 2 * len;
    text_char(t, '"');
}

void json_raw(struct text *t, const char *name, struct span v)
{
    lead(t, name);
    text_put(t, v);
}
