// SPDX-License-Identifier: Apache-2.0
#include "json.h"
#include "text.h"
#include "unit.h"

TEST(text_grows_and_keeps_what_it_has)
{
    struct arena *a = arena_new(0);
    struct text t = text_new(a, 0);
    for (int i = 0; i < 1000; i++)
        text_fmt(&t, "%03d,", i);
    EXPECT_INT(t.len, 4000);
    EXPECT_SPAN(span_sub(text_span(&t), 3996, 4), "999,");
    text_put(&t, SPAN_EMPTY);
    EXPECT_INT(text_span(&t).len, 4000);
    arena_free(a);
}

TEST(text_i64_at_its_ends)
{
    struct arena *a = arena_new(0);
    struct text t = text_new(a, 1);
    text_i64(&t, INT64_MIN);
    text_char(&t, ' ');
    text_i64(&t, INT64_MAX);
    text_char(&t, ' ');
    text_i64(&t, 0);
    EXPECT_SPAN(text_span(&t), "-9223372036854775808 9223372036854775807 0");
    arena_free(a);
}

TEST(text_html_and_url_escape)
{
    struct arena *a = arena_new(0);
    struct text t = text_new(a, 0);
    text_html(&t, SPAN("<a href=\"x\" b='&'>"));
    EXPECT_SPAN(text_span(&t), "&lt;a href=&quot;x&quot; b=&#39;&amp;&#39;&gt;");
    t = text_new(a, 0);
    text_url(&t, SPAN("aZ09-._~ /?\xe5"));
    EXPECT_SPAN(text_span(&t), "aZ09-._~%20%2F%3F%E5");
    arena_free(a);
}

TEST(json_writer_keeps_commas)
{
    static const uint8_t bytes[2] = {0xab, 0x01};
    struct arena *a = arena_new(0);
    struct text t = text_new(a, 0);
    json_open(&t, NULL, '{');
    json_str(&t, "s", "v");
    json_i64(&t, "n", -1);
    json_open(&t, "list", '[');
    json_bool(&t, NULL, true);
    json_null(&t, NULL);
    json_open(&t, NULL, '{');
    json_close(&t, '}');
    json_close(&t, ']');
    json_key(&t, SPAN("k\"y"));
    json_raw(&t, NULL, SPAN("[1]"));
    json_instant(&t, "at", (struct instant){0});
    json_hex(&t, "h", bytes, 2);
    json_open(&t, "empty", '[');
    json_close(&t, ']');
    json_close(&t, '}');
    EXPECT_SPAN(text_span(&t), "{\"s\":\"v\",\"n\":-1,\"list\":[true,null,{}],\"k\\\"y\":[1],"
                               "\"at\":\"1970-01-01T00:00:00Z\",\"h\":\"ab01\",\"empty\":[]}");
    arena_free(a);
}

TEST(json_strings_are_escaped)
{
    struct arena *a = arena_new(0);
    struct text t = text_new(a, 0);
    json_string(&t, NULL, SPAN("\"\\\n\r\t\b\f\x01\x1f\x7f\0/\xe5\x90\x8d"));
    EXPECT_SPAN(text_span(&t), "\"\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f\\u007f\\u0000/\xe5\x90\x8d\"");
    t = text_new(a, 0);
    json_string(&t, NULL, SPAN("a\xff\"b"));
    EXPECT_SPAN(text_span(&t), "\"a\\ufffd\\\"b\"");
    arena_free(a);
}

/* What we write, our reader takes, with the same bytes in it. */
TEST(json_written_is_json_read)
{
    struct arena *a = arena_new(0);
    char all[128];
    for (int i = 0; i < 127; i++)
        all[i] = (char)(i + 1);
    all[127] = 0;
    struct text t = text_new(a, 0);
    json_open(&t, NULL, '{');
    json_key(&t, span_str(all));
    json_str(&t, NULL, all);
    json_close(&t, '}');
    const struct json *v = NULL;
    struct fail f = {.code = OK};
    EXPECT_INT(json_parse(a, text_span(&t), &v, &f), OK);
    EXPECT_SPAN(json_span(json_get(v, all)), all);
    arena_free(a);
}

/* Texts are looked at many bytes at a time: one odd byte is found wherever it stands. */
TEST(json_escapes_one_byte_at_any_place)
{
    static const struct {
        char byte;
        const char *escape;
    } odd[] = {{'"', "\\\""},       {'\\', "\\\\"},      {'\x01', "\\u0001"}, {'\x1f', "\\u001f"},
               {'\x7f', "\\u007f"}, {'\x80', "\\ufffd"}, {'\xff', "\\ufffd"}};
    struct arena *a = arena_new(0);
    for (size_t len = 1; len <= 40; len++)
        for (size_t at = 0; at < len; at++)
            for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
                char raw[40], want[128];
                memset(raw, 'x', sizeof raw);
                raw[at] = odd[i].byte;
                snprintf(want, sizeof want, "\"%.*s%s%.*s\"", (int)at,
                         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", odd[i].escape, (int)(len - at - 1),
                         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
                struct text t = text_new(a, 0);
                json_string(&t, NULL, span_of(raw, len));
                EXPECT(span_is(text_span(&t), want));
                arena_reset(a);
            }
    arena_free(a);
}

UNIT_MAIN(CASE(json_escapes_one_byte_at_any_place), CASE(text_grows_and_keeps_what_it_has),
          CASE(text_i64_at_its_ends), CASE(text_html_and_url_escape), CASE(json_writer_keeps_commas),
          CASE(json_strings_are_escaped), CASE(json_written_is_json_read))
