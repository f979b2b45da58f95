// SPDX-License-Identifier: Apache-2.0
/* see text.h */
#include "text.h"
#include "id.h"

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

/* Room for n more bytes. The old buffer stays in the arena: doubling bounds the waste by what is kept. */
static uint8_t *reserve(struct text *t, size_t n)
{
    if (t->cap - t->len >= n)
        return t->p + t->len;
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

/* A byte eight times; and the top bit of every byte that is zero (exact, as far as no byte is above 0x7f:
 * those are marked by themselves). */
#define EIGHT(c)  (0x0101010101010101u * (uint8_t)(c))
#define ZEROES(w) ((w)-EIGHT(1))

/* Nearly every text is plain as a whole: found out in one pass, and copied in one piece. */
static bool quoted_plain(struct text *t, struct span s)
{
    uint8_t *p = reserve(t, s.len + 2);
    size_t i = 0;
    uint64_t marked = 0; /* the top bit of a byte that is not plain, eight bytes at a time */
    for (uint64_t w; i + sizeof w <= s.len; i += sizeof w) {
        memcpy(&w, s.p + i, sizeof w);
        marked |= w | (w - EIGHT(0x20)) | ZEROES(w ^ EIGHT('"')) | ZEROES(w ^ EIGHT('\\')) |
                  ZEROES(w ^ EIGHT(0x7f));
    }
    bool plain = !(marked & EIGHT(0x80));
    for (; i < s.len; i++)
        plain &= is_plain(s.p[i]);
    if (!plain)
        return false;
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

/* Everything before a value: the comma and the name. */
static void lead(struct text *t, const char *name)
{
    if (name)
        json_key(t, span_str(name));
    else if (t->comma)
        text_char(t, ',');
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
