// SPDX-License-Identifier: Apache-2.0
/* Paths, forms, cookies, languages: see http.h. */
#include "http_impl.h"

/* ---- Percent encoding */

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte written at the start of s; *len is how long it is there, 0 if the escape is malformed. */
static uint8_t decode_one(struct span s, bool form, size_t *len)
{
    *len = 1;
    if (form && s.p[0] == '+')
        return ' ';
    if (s.p[0] != '%')
        return s.p[0];
    int high = s.len > 2 ? hex_value(s.p[1]) : -1, low = s.len > 2 ? hex_value(s.p[2]) : -1;
    *len = high < 0 || low < 0 ? 0 : 3;
    return (uint8_t)((high & 15) << 4 | (low & 15));
}

bool http_decode(struct arena *a, struct span s, bool form, struct span *out)
{
    uint8_t *p = arena_alloc(a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0, len; i < s.len; i += len) {
        p[n] = decode_one(span_sub(s, i, s.len), form, &len);
        if (len == 0 || p[n] == 0)
            return false;
        n++;
    }
    *out = span_of(p, n);
    return span_utf8(*out);
}

/* ---- Paths */

static bool is_encoded_slash(struct span s, size_t at)
{
    return s.len - at > 2 && s.p[at] == '%' && s.p[at + 1] == '2' && (s.p[at + 2] | 0x20) == 'f';
}

static bool is_dots(struct span s)
{
    return span_is(s, ".") || span_is(s, "..");
}

/* Decodes one segment or, for "{path...}", several. */
static bool param_take(struct arena *a, struct span raw, struct http_params *out)
{
    struct span decoded, rest, piece;
    if (raw.len == 0 || out->n == HTTP_PARAMS_MAX)
        return false;
    for (size_t i = 0; i < raw.len; i++)
        if (is_encoded_slash(raw, i))
            return false;
    if (!http_decode(a, raw, false, &decoded))
        return false;
    for (rest = decoded; span_cut(&rest, '/', &piece);)
        if (is_dots(piece))
            return false;
    out->value[out->n++] = decoded;
    return true;
}

/* The next segment of a path that begins with '/'. */
static struct span segment_take(struct span *path)
{
    size_t end = span_find(*path, '/', 1);
    struct span s = span_sub(*path, 1, end - 1);
    *path = span_sub(*path, end, path->len);
    return s;
}

static bool is_param(struct span segment)
{
    return segment.len > 2 && segment.p[0] == '{' && segment.p[segment.len - 1] == '}';
}

static bool is_rest(struct span segment)
{
    return is_param(segment) && segment.len > 5 && span_is(span_sub(segment, segment.len - 4, 4), "...}");
}

bool http_match(struct arena *a, const char *pattern, struct span path, struct http_params *out)
{
    struct span want = span_str(pattern);
    *out = (struct http_params){0};
    while (want.len && path.len && want.p[0] == '/' && path.p[0] == '/') {
        struct span all = span_sub(path, 1, path.len);
        struct span w = segment_take(&want), p = segment_take(&path);
        if (is_rest(w))
            return want.len == 0 && param_take(a, all, out);
        if (is_param(w) ? !param_take(a, p, out) : !span_eq(w, p))
            return false;
    }
    return want.len == 0 && path.len == 0;
}

bool http_fits(const char *pattern, struct span path)
{
    struct span want = span_str(pattern);
    while (want.len && path.len && want.p[0] == '/' && path.p[0] == '/') {
        struct span w = segment_take(&want), p = segment_take(&path);
        if (is_rest(w))
            return want.len == 0;
        if (!is_param(w) && !span_eq(w, p))
            return false;
    }
    return want.len == 0 && path.len == 0;
}

/* ---- Forms and cookies */

/* The next piece of "name=value" up to the separator. */
static bool pair_take(struct span *rest, char separator, struct span *name, struct span *value)
{
    struct span piece;
    if (!span_cut(rest, separator, &piece))
        return false;
    size_t eq = span_find(piece, '=', 0);
    *name = span_sub(piece, 0, eq);
    *value = span_sub(piece, eq + 1, piece.len);
    return true;
}

size_t http_form_all(struct arena *a, struct span form, const char *name, struct span *out, size_t max)
{
    struct span raw_name, raw_value, decoded;
    size_t n = 0;
    while (n < max && pair_take(&form, '&', &raw_name, &raw_value)) {
        if (!http_decode(a, raw_name, true, &decoded) || !span_is(decoded, name))
            continue;
        if (http_decode(a, raw_value, true, &decoded))
            out[n++] = decoded;
    }
    return n;
}

bool http_form_get(struct arena *a, struct span form, const char *name, struct span *out)
{
    return http_form_all(a, form, name, out, 1) == 1;
}

bool http_cookie_get(struct span cookie, const char *name, struct span *out)
{
    struct span n, v;
    while (pair_take(&cookie, ';', &n, &v)) {
        if (!span_is(span_trim(n), name))
            continue;
        *out = span_trim(v);
        return true;
    }
    return false;
}

/* ---- Languages (RFC 9110, 12.5.4) */

/* Thousandths of a quality value "0.8"; 1000 for anything else that is not a smaller number. */
static unsigned quality(struct span params)
{
    struct span name, value;
    while (pair_take(&params, ';', &name, &value)) {
        unsigned q = 0, unit = 100;
        value = span_trim(value);
        if (!span_is(span_trim(name), "q") || !span_starts(value, "0"))
            continue;
        for (size_t i = 2; i < value.len && unit; i++, unit /= 10)
            q += value.p[i] >= '0' && value.p[i] <= '9' ? unit * (unsigned)(value.p[i] - '0') : 0;
        return q;
    }
    return 1000;
}

static struct span primary(struct span tag)
{
    return span_sub(tag, 0, span_find(tag, '-', 0));
}

static bool same_language(struct span a, struct span b)
{
    a = primary(a);
    b = primary(b);
    bool same = a.len == b.len && a.len > 0;
    for (size_t i = 0; same && i < a.len; i++)
        same = (a.p[i] | 0x20) == (b.p[i] | 0x20);
    return same;
}

static size_t language_find(struct span range, const char *const *languages, size_t n)
{
    size_t i = 0;
    if (span_is(range, "*"))
        return 0;
    while (i < n && !same_language(range, span_str(languages[i])))
        i++;
    return i;
}

size_t http_language(struct span accept_language, const char *const *languages, size_t n)
{
    struct span piece;
    unsigned best_q = 0;
    size_t best = 0;
    while (span_cut(&accept_language, ',', &piece)) {
        size_t end = span_find(piece, ';', 0);
        size_t i = language_find(span_trim(span_sub(piece, 0, end)), languages, n);
        unsigned q = quality(span_sub(piece, end + 1, piece.len));
        if (i < n && q > best_q) {
            best = i;
            best_q = q;
        }
    }
    return best;
}
