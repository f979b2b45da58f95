// SPDX-License-Identifier: Apache-2.0
/* See lsp_position.h */
#include "lsp_position.h"

/* Past one line end: LF, CRLF or CR. */
static size_t line_end_length(struct span s, size_t i)
{
    if (s.p[i] == '\r' && i + 1 < s.len && s.p[i + 1] == '\n')
        return 2;
    return 1;
}

static bool is_line_end(uint8_t c)
{
    return c == '\n' || c == '\r';
}

static size_t char_length(uint8_t c)
{
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* Characters beyond the basic plane, four bytes in UTF-8, are two units. */
static uint32_t char_units(uint8_t c)
{
    return c < 0xf0 ? 1 : 2;
}

static size_t line_start(struct span text, uint32_t line)
{
    size_t i = 0;
    while (line > 0 && i < text.len) {
        if (is_line_end(text.p[i])) {
            i += line_end_length(text, i);
            line--;
        } else {
            i++;
        }
    }
    return i;
}

size_t lsp_offset(struct span text, struct lsp_position at)
{
    size_t i = line_start(text, at.line);
    uint32_t units = 0;
    while (i < text.len && !is_line_end(text.p[i]) && units + char_units(text.p[i]) <= at.character) {
        units += char_units(text.p[i]);
        i += char_length(text.p[i]);
    }
    return i < text.len ? i : text.len;
}

struct lsp_position lsp_position(struct span text, size_t offset)
{
    struct lsp_position at = {0, 0};
    for (size_t i = 0; i < offset && i < text.len;) {
        if (is_line_end(text.p[i])) {
            i += line_end_length(text, i);
            at = (struct lsp_position){at.line + 1, 0};
        } else {
            at.character += char_units(text.p[i]);
            i += char_length(text.p[i]);
        }
    }
    return at;
}

uint32_t lsp_units(struct span s, uint32_t n)
{
    uint32_t units = 0;
    for (size_t i = 0; i < s.len && n > 0; n--) {
        units += char_units(s.p[i]);
        i += char_length(s.p[i]);
    }
    return units;
}

/* ---- URIs (RFC 8089). */

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool percent_decode(struct span s, struct text *out)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.p[i];
        if (c == '%') {
            int high = i + 2 < s.len ? hex_value(s.p[i + 1]) : -1;
            int low = i + 2 < s.len ? hex_value(s.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        if (c == 0)
            return false;
        text_char(out, (char)c);
    }
    return true;
}

struct span lsp_uri_path(struct arena *a, struct span uri)
{
    static const char *const prefixes[] = {"file://localhost/", "file:///"};
    struct text out = text_new(a, uri.len + 1);
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (!span_starts(uri, prefixes[i]))
            continue;
        size_t lead = strlen(prefixes[i]) - 1;
        if (!percent_decode(span_sub(uri, lead, uri.len), &out))
            return SPAN_EMPTY;
        return arena_copy(a, text_span(&out));
    }
    return SPAN_EMPTY;
}

struct span lsp_path_uri(struct arena *a, struct span path)
{
    struct text out = text_new(a, path.len + 16);
    struct span rest = path, part;
    text_str(&out, "file://");
    for (bool first = true; span_cut(&rest, '/', &part); first = false) {
        text_str(&out, first ? "" : "/");
        text_url(&out, part);
    }
    return text_span(&out);
}
