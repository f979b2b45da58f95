// SPDX-License-Identifier: Apache-2.0
/* See lsp_frame.h */
#include "lsp_frame.h"

/* Index behind the empty line that ends the header, or 0. */
static size_t header_end(struct span in)
{
    for (size_t i = 0; i + 4 <= in.len && i < LSP_HEADER_MAX; i++)
        if (memcmp(in.p + i, "\r\n\r\n", 4) == 0)
            return i + 4;
    return 0;
}

static bool same_name(struct span s, const char *lower)
{
    if (s.len != strlen(lower))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if ((s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]) != (uint8_t)lower[i])
            return false;
    return true;
}

/* One header line; false if it is none. Content-Type is read and not needed: all is UTF-8. */
static bool read_line(struct span line, uint64_t *length, bool *found)
{
    struct span name, value = span_sub(line, 0, line.len);
    if (span_find(line, ':', 0) == line.len || !span_cut(&value, ':', &name))
        return false;
    value = span_trim(value);
    if (!same_name(span_trim(name), "content-length"))
        return true;
    bool twice = *found;
    *found = true;
    return !twice && span_u64(value, LSP_SKIP_MAX, length);
}

static bool read_header(struct span header, uint64_t *length)
{
    bool found = false;
    struct span line;
    while (span_cut(&header, '\n', &line)) {
        line = span_trim(line);
        if (line.len > 0 && !read_line(line, length, &found))
            return false;
    }
    return found;
}

enum lsp_frame_state lsp_frame_read(struct span in, struct lsp_frame *out)
{
    uint64_t length = 0;
    size_t end = header_end(in);
    *out = (struct lsp_frame){.used = end};
    if (end == 0 && in.len < LSP_HEADER_MAX)
        return LSP_FRAME_MORE;
    if (end == 0) {
        out->used = in.len;
        return LSP_FRAME_BAD;
    }
    if (!read_header(span_sub(in, 0, end), &length))
        return LSP_FRAME_BAD;
    if (length > LSP_BODY_MAX) {
        out->skip = length;
        return LSP_FRAME_TOO_LARGE;
    }
    if (in.len - end < length)
        return LSP_FRAME_MORE;
    out->body = span_sub(in, end, (size_t)length);
    out->used = end + (size_t)length;
    return LSP_FRAME_READY;
}
