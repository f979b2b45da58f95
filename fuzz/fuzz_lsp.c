// SPDX-License-Identifier: Apache-2.0
/* fuzz_lsp.c: libFuzzer target: the frames of the language server, and what editors ask about a position.
 * Every round makes progress or asks for more; positions and offsets agree. */
#include "lsp_frame.h"
#include "lsp_position.h"
#include "policy_locate.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void check_frames(struct span in)
{
    struct lsp_frame f;
    while (in.len > 0 && lsp_frame_read(in, &f) != LSP_FRAME_MORE) {
        must(f.used > 0 && f.used <= in.len && f.body.len <= LSP_BODY_MAX);
        in = span_sub(in, f.used, in.len);
        in = span_sub(in, f.skip < in.len ? (size_t)f.skip : in.len, in.len);
    }
}

static void check_positions(struct span text)
{
    for (size_t i = 0; i < text.len && i < 64; i++)
        if ((text.p[i] & 0xc0) != 0x80 && (text.p[i] != '\n' || i == 0 || text.p[i - 1] != '\r'))
            must(lsp_offset(text, lsp_position(text, i)) == i);
}

static void check_questions(struct arena *a, struct span text)
{
    struct policy_messages m;
    struct policy_source s = {SPAN("a.md"), text};
    const struct policy_view *v = policy_view_open(a, &s, 1, &m);
    struct span words, seen = policy_view_text(v, SPAN("a.md"));
    struct policy_location at;
    size_t n;
    for (size_t i = 0; i < seen.len; i += 1 + seen.len / 16) {
        if (policy_hover(v, SPAN("a.md"), i, a, &words, &at))
            must(at.offset + at.len <= seen.len && words.len > 0);
        if (policy_definition(v, SPAN("a.md"), i, &at))
            must(at.offset + at.len <= seen.len);
        policy_complete(v, SPAN("a.md"), i, a, &n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena *a = arena_new(0);
    struct span in = span_of(data, len);
    check_frames(in);
    if (span_utf8(in)) {
        check_positions(in);
        check_questions(a, in);
    }
    lsp_path_uri(a, lsp_uri_path(a, in));
    arena_free(a);
    return 0;
}
