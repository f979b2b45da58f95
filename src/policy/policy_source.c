// SPDX-License-Identifier: Apache-2.0
/* policy_source.c: one source text as lines. */
#include "policy_impl.h"

/* CommonMark ends a line at LF, CRLF or a lone CR; libcmark's line numbers count the same way. */
static bool next_line(struct span s, size_t *at)
{
    size_t lf = span_find(s, '\n', *at);
    size_t cr = span_find(span_sub(s, 0, lf), '\r', *at);
    bool alone = cr < lf && (cr + 1 < lf || lf == s.len);
    *at = (alone ? cr : lf) + 1;
    return *at <= s.len;
}

static void index_lines(struct load *l, struct source_file *f)
{
    size_t at = 0;
    f->n_lines = 1;
    while (next_line(f->text, &at))
        f->n_lines++;
    f->line_start = ARENA_ARRAY(l->arena, f->n_lines, uint32_t);
    at = 0;
    for (size_t i = 1; next_line(f->text, &at); i++)
        f->line_start[i] = (uint32_t)at;
}

/* The first byte that is not part of well-formed UTF-8: the longest good prefix ends there. */
static size_t utf8_fault(struct span s)
{
    size_t good = 0;
    while (good < s.len) {
        uint8_t c = s.p[good];
        size_t width = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (good + width > s.len || !span_utf8(span_sub(s, good, width)))
            return good;
        good += width;
    }
    return good;
}

bool policy_source_open(struct load *l, unsigned file, const struct policy_source *s)
{
    struct source_file *f = &l->files[file];
    f->name = s->name;
    f->document = POLICY_NONE;
    f->text = s->text;
    if (s->text.len > POLICY_SOURCE_MAX) {
        f->text = SPAN_EMPTY;
        index_lines(l, f);
        return policy_say(l, MSG_SYNTAX, (struct place){file, 0, 0}, "the document is longer than %u bytes",
                          POLICY_SOURCE_MAX);
    }
    if (span_starts(f->text, "\xef\xbb\xbf"))
        f->text = span_sub(f->text, 3, f->text.len);
    index_lines(l, f);
    if (span_utf8(f->text))
        return true;
    uint32_t at = (uint32_t)utf8_fault(f->text);
    return policy_say(l, MSG_SYNTAX, (struct place){file, at, 1}, "the text is not valid UTF-8 from here on");
}

uint32_t policy_source_line(const struct source_file *f, uint32_t offset)
{
    size_t low = 0, high = f->n_lines;
    while (high - low > 1) {
        size_t mid = (low + high) / 2;
        if (f->line_start[mid] <= offset)
            low = mid;
        else
            high = mid;
    }
    return (uint32_t)(low + 1);
}

struct span policy_source_line_text(const struct source_file *f, uint32_t line)
{
    if (line == 0 || line > f->n_lines)
        return SPAN_EMPTY;
    size_t from = f->line_start[line - 1];
    size_t to = line < f->n_lines ? f->line_start[line] : f->text.len;
    while (to > from && (f->text.p[to - 1] == '\n' || f->text.p[to - 1] == '\r'))
        to--;
    return span_sub(f->text, from, to - from);
}
