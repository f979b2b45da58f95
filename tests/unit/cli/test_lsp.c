// SPDX-License-Identifier: Apache-2.0
/* test_lsp.c: frames, positions and URIs of the language server. */
#include "lsp_frame.h"
#include "lsp_position.h"
#include "unit.h"

static enum lsp_frame_state read_frame(const char *in, struct lsp_frame *f)
{
    return lsp_frame_read(span_str(in), f);
}

TEST(a_frame_is_header_and_body)
{
    struct lsp_frame f;
    EXPECT_INT(read_frame("Content-Length: 2\r\n\r\n{}rest", &f), LSP_FRAME_READY);
    EXPECT_SPAN(f.body, "{}");
    EXPECT_INT(f.used, strlen("Content-Length: 2\r\n\r\n{}"));
    EXPECT_INT(read_frame("content-length:0\r\nContent-Type: x; charset=utf-8\r\n\r\n", &f), LSP_FRAME_READY);
    EXPECT_INT(f.body.len, 0);
}

TEST(what_has_not_arrived_is_waited_for)
{
    struct lsp_frame f;
    EXPECT_INT(read_frame("", &f), LSP_FRAME_MORE);
    EXPECT_INT(read_frame("Content-Le", &f), LSP_FRAME_MORE);
    EXPECT_INT(read_frame("Content-Length: 5\r\n\r\n1234", &f), LSP_FRAME_MORE);
}

TEST(a_header_without_a_length_is_passed_over)
{
    static const char *const bad[] = {"\r\n\r\n",
                                      "X: 1\r\n\r\n",
                                      "Content-Length: 1x\r\n\r\n",
                                      "Content-Length: \r\n\r\n",
                                      "Content-Length: +1\r\n\r\n",
                                      "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
                                      "Content-Length: 18446744073709551616\r\n\r\n",
                                      "words\r\n\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct lsp_frame f;
        EXPECT_INT(read_frame(bad[i], &f), LSP_FRAME_BAD);
        EXPECT_INT(f.used, strlen(bad[i]));
    }
}

TEST(a_header_has_an_end)
{
    static char in[LSP_HEADER_MAX + 10];
    struct lsp_frame f;
    memset(in, 'x', sizeof in);
    EXPECT_INT(lsp_frame_read(span_of(in, sizeof in), &f), LSP_FRAME_BAD);
    EXPECT_INT(f.used, sizeof in);
}

TEST(a_long_body_is_skipped)
{
    struct lsp_frame f;
    EXPECT_INT(read_frame("Content-Length: 1048577\r\n\r\nabc", &f), LSP_FRAME_TOO_LARGE);
    EXPECT_INT(f.skip, 1048577);
    EXPECT_INT(f.used, strlen("Content-Length: 1048577\r\n\r\n"));
}

/* U+1F4DA is four bytes and two units, U+4E66 three bytes and one. */
#define TEXT                                                                                                 \
    "a\xf0\x9f\x93\x9a"                                                                                      \
    "b\r\n\xe4\xb9\xa6x\ry\n"

TEST(positions_count_utf16_units)
{
    struct span text = SPAN(TEXT);
    static const struct {
        uint32_t line, character;
        size_t offset;
    } rows[] = {{0, 0, 0},  {0, 1, 1},  {0, 3, 5},  {0, 4, 6}, {1, 0, 8},
                {1, 1, 11}, {1, 2, 12}, {2, 0, 13}, {3, 0, 15}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct lsp_position at = lsp_position(text, rows[i].offset);
        EXPECT_INT(at.line, rows[i].line);
        EXPECT_INT(at.character, rows[i].character);
        EXPECT_INT(lsp_offset(text, at), rows[i].offset);
    }
}

TEST(positions_outside_the_text_are_drawn_in)
{
    struct span text = SPAN(TEXT);
    EXPECT_INT(lsp_offset(text, (struct lsp_position){0, 99}), 6);
    EXPECT_INT(lsp_offset(text, (struct lsp_position){0, 2}), 1); /* in the middle of a pair */
    EXPECT_INT(lsp_offset(text, (struct lsp_position){99, 0}), text.len);
    EXPECT_INT(lsp_position(text, 999).line, 3);
    EXPECT_INT(lsp_offset(SPAN_EMPTY, (struct lsp_position){1, 1}), 0);
}

TEST(units_of_characters)
{
    EXPECT_INT(lsp_units(SPAN(TEXT), 2), 3);
    EXPECT_INT(lsp_units(SPAN("abc"), 9), 3);
}

TEST(uris_and_paths)
{
    struct arena *a = arena_new(0);
    EXPECT_SPAN(lsp_uri_path(a, SPAN("file:///a%20b/%E4%B9%A6.md")), "/a b/\xe4\xb9\xa6.md");
    EXPECT_SPAN(lsp_uri_path(a, SPAN("file://localhost/x")), "/x");
    static const char *const bad[] = {"",           "x",           "file://host/x", "http://x/",
                                      "file:///%0", "file:///%zz", "file:///%00"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT_SPAN(lsp_uri_path(a, span_str(bad[i])), "");
    EXPECT_SPAN(lsp_path_uri(a, SPAN("/a b/c.md")), "file:///a%20b/c.md");
    arena_free(a);
}

UNIT_MAIN(CASE(a_frame_is_header_and_body), CASE(what_has_not_arrived_is_waited_for),
          CASE(a_header_without_a_length_is_passed_over), CASE(a_header_has_an_end),
          CASE(a_long_body_is_skipped), CASE(positions_count_utf16_units),
          CASE(positions_outside_the_text_are_drawn_in), CASE(units_of_characters), CASE(uris_and_paths))
