// SPDX-License-Identifier: Apache-2.0
/* see json_impl.h */
#include "json_impl.h"

#include <math.h>
#include <stdlib.h>

#define NUMBER_TEXT_MAX 63 /* cJSON copies a number into 64 bytes */

struct scan {
    struct span s;
    size_t at;
    unsigned depth;
    struct fail *f;
};

static enum err scan_value(struct scan *c);

static enum err bad(struct scan *c, const char *what)
{
    fail_where(c->f, "byte %zu", c->at);
    return fail_set(c->f, ERR_BAD_JSON, "%s", what);
}

static int peek(const struct scan *c)
{
    return c->at < c->s.len ? c->s.p[c->at] : -1;
}

static bool take(struct scan *c, char want)
{
    if (peek(c) != (unsigned char)want)
        return false;
    c->at++;
    return true;
}

static void skip_blanks(struct scan *c)
{
    while (take(c, ' ') || take(c, '\t') || take(c, '\n') || take(c, '\r'))
        ;
}

static bool take_digits(struct scan *c)
{
    size_t from = c->at;
    while (peek(c) >= '0' && peek(c) <= '9')
        c->at++;
    return c->at > from;
}

static bool is_finite(struct span number)
{
    char text[NUMBER_TEXT_MAX + 1] = {0};
    memcpy(text, number.p, number.len);
    return isfinite(strtod(text, NULL)) != 0;
}

/* RFC 8259, section 6 */
static bool take_number_text(struct scan *c)
{
    take(c, '-');
    if (!take(c, '0') && !take_digits(c))
        return false;
    if (take(c, '.') && !take_digits(c))
        return false;
    if (!take(c, 'e') && !take(c, 'E'))
        return true;
    if (!take(c, '+'))
        take(c, '-');
    return take_digits(c);
}

static enum err scan_number(struct scan *c)
{
    size_t from = c->at;
    if (!take_number_text(c))
        return bad(c, "this is not a JSON number");
    if (c->at - from > NUMBER_TEXT_MAX)
        return bad(c, "this number has too many digits");
    if (!is_finite(span_sub(c->s, from, c->at - from)))
        return bad(c, "this number is too large");
    return OK;
}

/* The four hexadecimal digits of an escape, or -1. */
static long take_hex4(struct scan *c)
{
    long value = 0;
    for (int i = 0; i < 4; i++) {
        int d = peek(c), lower = d | 0x20;
        if (d >= '0' && d <= '9')
            value = value * 16 + (d - '0');
        else if (lower >= 'a' && lower <= 'f')
            value = value * 16 + (lower - 'a' + 10);
        else
            return -1;
        c->at++;
    }
    return value;
}

/* After "\u". A code unit of a pair must come with its other half (RFC 7493, section 2.1). */
static enum err scan_unicode(struct scan *c)
{
    long unit = take_hex4(c);
    if (unit < 0)
        return bad(c, "\\u needs four hexadecimal digits");
    if (unit == 0)
        return bad(c, "\\u0000 is not taken in strings");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return bad(c, "a low surrogate stands alone");
    if (unit < 0xd800 || unit > 0xdfff)
        return OK;
    if (!take(c, '\\') || !take(c, 'u'))
        return bad(c, "a high surrogate stands alone");
    unit = take_hex4(c);
    return unit >= 0xdc00 && unit <= 0xdfff ? OK : bad(c, "a high surrogate stands alone");
}

static enum err scan_escape(struct scan *c)
{
    int kind = peek(c);
    if (kind <= 0 || !strchr("\"\\/bfnrtu", kind))
        return bad(c, "this escape does not exist in JSON");
    c->at++;
    return kind == 'u' ? scan_unicode(c) : OK;
}

static enum err scan_string(struct scan *c)
{
    enum err err = OK;
    c->at++;
    while (err == OK && !take(c, '"')) {
        if (peek(c) < 0x20)
            return bad(c, peek(c) < 0 ? "a string does not end" : "a control character stands in a string");
        err = c->s.p[c->at++] == '\\' ? scan_escape(c) : OK;
    }
    return err;
}

static enum err scan_element(struct scan *c)
{
    enum err err = scan_value(c);
    skip_blanks(c);
    return err;
}

static enum err scan_member(struct scan *c)
{
    skip_blanks(c);
    if (peek(c) != '"')
        return bad(c, "a member name in double quotes is expected");
    enum err err = scan_string(c);
    if (err != OK)
        return err;
    skip_blanks(c);
    if (!take(c, ':'))
        return bad(c, "a colon is expected after the member name");
    return scan_element(c);
}

/* Both kinds of container: items between brackets, with commas. */
static enum err scan_items(struct scan *c, char close, enum err (*item)(struct scan *), const char *expected)
{
    enum err err = OK;
    if (c->depth == JSON_DEPTH_MAX)
        return bad(c, "the value is nested too deep");
    c->depth++;
    c->at++;
    skip_blanks(c);
    bool done = take(c, close);
    for (unsigned n = 1; err == OK && !done; n++) {
        if (n > JSON_MEMBERS_MAX)
            return bad(c, "an object or array has too many members");
        err = item(c);
        done = err == OK && take(c, close);
        if (err == OK && !done && !take(c, ','))
            err = bad(c, expected);
    }
    c->depth--;
    return err;
}

static enum err scan_word(struct scan *c, const char *word)
{
    if (!span_starts(span_sub(c->s, c->at, c->s.len), word))
        return bad(c, "a value is expected");
    c->at += strlen(word);
    return OK;
}

static enum err scan_value(struct scan *c)
{
    skip_blanks(c);
    switch (peek(c)) {
    case '{':
        return scan_items(c, '}', scan_member, "a comma or } is expected");
    case '[':
        return scan_items(c, ']', scan_element, "a comma or ] is expected");
    case '"':
        return scan_string(c);
    case 't':
        return scan_word(c, "true");
    case 'f':
        return scan_word(c, "false");
    case 'n':
        return scan_word(c, "null");
    case '-':
    case '0' ... '9':
        return scan_number(c);
    default:
        return bad(c, "a value is expected");
    }
}

enum err json_scan(struct span s, struct fail *f)
{
    struct scan c = {.s = s, .f = f};
    enum err err = scan_value(&c);
    if (err != OK)
        return err;
    skip_blanks(&c);
    return c.at == s.len ? OK : bad(&c, "there is something after the value");
}
