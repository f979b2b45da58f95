// SPDX-License-Identifier: Apache-2.0
#include "json.h"
#include "text.h"
#include "unit.h"

static enum err parse(struct arena *a, struct span s, const struct json **v, struct fail *f)
{
    *f = (struct fail){.code = OK};
    *v = NULL;
    return json_parse(a, s, v, f);
}

static enum err code_of(struct span s)
{
    struct arena *a = arena_new(0);
    const struct json *v;
    struct fail f;
    enum err err = parse(a, s, &v, &f);
    EXPECT((err == OK) == (v != NULL));
    EXPECT(err == OK || f.detail[0]);
    arena_free(a);
    return err;
}

static bool place_is(const char *text, const char *where)
{
    struct arena *a = arena_new(0);
    const struct json *v;
    struct fail f;
    parse(a, span_str(text), &v, &f);
    bool same = strcmp(f.where, where) == 0;
    if (!same)
        printf("  where is \"%s\", expected \"%s\": %s\n", f.where, where, text);
    arena_free(a);
    return same;
}

TEST(json_takes_rfc8259)
{
    static const char *const good[] = {"null",
                                       " true ",
                                       "false",
                                       "0",
                                       "-0",
                                       "-1.5e+10",
                                       "1E-7",
                                       "\"\"",
                                       "[]",
                                       "{}",
                                       "[1,[2,{\"a\":[]}]]",
                                       "{\"a\":1,\"b\":{\"a\":2}}",
                                       "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
                                       "\"\\ud83d\\ude00\"",
                                       "\"\xf0\x9f\x98\x80\"",
                                       "\t\r\n [ 1 , 2 ] ",
                                       "\"\x7f\"",
                                       "123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        EXPECT_INT(code_of(span_str(good[i])), OK);
}

TEST(json_refuses_what_is_not_json)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "nul",
                                      "nulll",
                                      "True",
                                      "+1",
                                      "01",
                                      "-01",
                                      "-",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "0x1",
                                      "NaN",
                                      "Infinity",
                                      "1e400",
                                      "-1e400",
                                      "'a'",
                                      "\"",
                                      "\"a",
                                      "\"\\",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u123g\"",
                                      "\"\n\"",
                                      "\"\t\"",
                                      "[",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "{",
                                      "{\"a\"",
                                      "{\"a\":",
                                      "{\"a\":1",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{1:1}",
                                      "{\"a\" 1}",
                                      "{,}",
                                      "[1}",
                                      "{\"a\":1]",
                                      "1 2",
                                      "{}{}",
                                      "[] x",
                                      "// c\n1",
                                      "/* */1",
                                      "\v1",
                                      "\xef\xbb\xbf{}",
                                      "1234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT_INT(code_of(span_str(bad[i])), ERR_BAD_JSON);
}

TEST(json_refuses_zero_bytes_and_lone_surrogates)
{
    static const char *const bad[] = {"\"\\u0000\"",        "\"\\ud800\"",        "\"\\ud800x\"",
                                      "\"\\ud800\\n\"",     "\"\\ud800\\u0041\"", "\"\\udc00\"",
                                      "\"\\udc00\\ud800\"", "\"\\ud800\\ud800\"", "{\"\\u0000\":1}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT_INT(code_of(span_str(bad[i])), ERR_BAD_JSON);
    EXPECT_INT(code_of(SPAN("\"a\0b\"")), ERR_BAD_JSON);
    EXPECT_INT(code_of(SPAN("1\0")), ERR_BAD_JSON);
}

TEST(json_refuses_bad_utf8)
{
    EXPECT_INT(code_of(SPAN("\"\xff\"")), ERR_BAD_UTF8);
    EXPECT_INT(code_of(SPAN("\"\xed\xa0\x80\"")), ERR_BAD_UTF8);
    EXPECT_INT(code_of(SPAN("\"\xc0\x80\"")), ERR_BAD_UTF8);
}

TEST(json_refuses_duplicates_however_spelt)
{
    EXPECT_INT(code_of(SPAN("{\"a\":1,\"b\":2,\"a\":3}")), ERR_BAD_JSON);
    EXPECT_INT(code_of(SPAN("{\"a\":1,\"\\u0061\":2}")), ERR_BAD_JSON);
    EXPECT_INT(code_of(SPAN("{\"\":1,\"\":2}")), ERR_BAD_JSON);
    EXPECT_INT(code_of(SPAN("{\"a\":1,\"A\":2}")), OK);
    EXPECT(place_is("[0,{\"x\":{\"a/b~c\":1,\"a/b~c\":2}}]", "/1/x/a~1b~0c"));
}

TEST(json_says_where)
{
    EXPECT(place_is("[1,2,x]", "byte 5"));
    EXPECT(place_is("{\"a\":1} x", "byte 8"));
    EXPECT(place_is("[\"abc", "byte 5"));
}

static struct span nested(struct arena *a, size_t depth)
{
    struct text t = text_new(a, 0);
    for (size_t i = 0; i < depth; i++)
        text_char(&t, '[');
    for (size_t i = 0; i < depth; i++)
        text_char(&t, ']');
    return text_span(&t);
}

TEST(json_depth_limit)
{
    struct arena *a = arena_new(0);
    EXPECT_INT(code_of(nested(a, JSON_DEPTH_MAX)), OK);
    EXPECT_INT(code_of(nested(a, JSON_DEPTH_MAX + 1)), ERR_BAD_JSON);
    EXPECT_INT(code_of(nested(a, 100000)), ERR_BAD_JSON);
    arena_free(a);
}

static struct span wide(struct arena *a, int members, bool object)
{
    struct text t = text_new(a, 0);
    json_open(&t, NULL, object ? '{' : '[');
    for (int i = 0; i < members; i++) {
        if (object)
            json_key(&t, arena_fmt(a, "m%d", i));
        json_i64(&t, NULL, i);
    }
    json_close(&t, object ? '}' : ']');
    return text_span(&t);
}

TEST(json_width_limit)
{
    struct arena *a = arena_new(0);
    for (int object = 0; object < 2; object++) {
        EXPECT_INT(code_of(wide(a, JSON_MEMBERS_MAX, object)), OK);
        EXPECT_INT(code_of(wide(a, JSON_MEMBERS_MAX + 1, object)), ERR_BAD_JSON);
    }
    arena_free(a);
}

TEST(json_size_limit)
{
    static char body[JSON_BYTES_MAX + 1];
    memset(body, ' ', sizeof body);
    body[0] = '1';
    EXPECT_INT(code_of(span_of(body, JSON_BYTES_MAX)), OK);
    EXPECT_INT(code_of(span_of(body, JSON_BYTES_MAX + 1)), ERR_TOO_LARGE);
}

TEST(json_values_can_be_looked_at)
{
    struct arena *a = arena_new(0);
    const struct json *v;
    struct fail f;
    EXPECT_INT(parse(a, SPAN("{\"s\":\"\\u00e9x\",\"l\":[1,null,true],\"o\":{}}"), &v, &f), OK);
    EXPECT_INT(json_kind(v), JSON_OBJECT);
    EXPECT_INT(json_count(v), 3);
    EXPECT_SPAN(json_name(json_at(v, 1)), "l");
    EXPECT_SPAN(json_span(json_get(v, "s")), "\xc3\xa9x");
    const struct json *l = json_get(v, "l");
    EXPECT_INT(json_kind(json_at(l, 0)), JSON_NUMBER);
    EXPECT_INT(json_kind(json_at(l, 1)), JSON_NULL);
    EXPECT_INT(json_kind(json_at(l, 2)), JSON_BOOL);
    EXPECT_SPAN(json_name(json_at(l, 0)), "");
    EXPECT(json_at(l, 3) == NULL);
    EXPECT(json_get(v, "S") == NULL);
    EXPECT(json_get(l, "s") == NULL);
    EXPECT_SPAN(json_span(l), "");
    EXPECT_INT(json_kind(NULL), JSON_ABSENT);
    EXPECT_INT(json_count(NULL), 0);
    EXPECT(json_get(NULL, "a") == NULL && json_at(NULL, 0) == NULL);
    EXPECT_SPAN(json_name(NULL), "");
    arena_free(a);
}

TEST(json_readers_take_the_right_kind)
{
    struct arena *a = arena_new(0);
    const struct json *v, *o = NULL, *l = NULL;
    struct fail f;
    struct span s = SPAN_EMPTY;
    int64_t n = 0;
    bool b = false;
    parse(a, SPAN("{\"s\":\"abcd\",\"n\":-12,\"b\":true,\"o\":{},\"l\":[]}"), &v, &f);
    EXPECT_INT(json_read_string(v, "s", true, 4, &s, &f), OK);
    EXPECT_SPAN(s, "abcd");
    EXPECT(json_read_i64(v, "n", true, &n, &f) == OK && n == -12);
    EXPECT(json_read_bool(v, "b", true, &b, &f) == OK && b);
    EXPECT(json_read_object(v, "o", true, &o, &f) == OK && o);
    EXPECT(json_read_array(v, "l", true, &l, &f) == OK && l);
    EXPECT_INT(json_read_string(v, "none", false, 4, &s, &f), OK);
    EXPECT_SPAN(s, "abcd");
    arena_free(a);
}

TEST(json_readers_refuse_with_a_pointer)
{
    struct arena *a = arena_new(0);
    const struct json *v, *o = NULL;
    struct fail f;
    struct span s;
    bool b;
    parse(a, SPAN("{\"s\":\"abcd\",\"z\":null}"), &v, &f);
    EXPECT_INT(json_read_string(v, "s", true, 3, &s, &f), ERR_BAD_VALUE);
    EXPECT_SPAN(span_str(f.where), "/s");
    f = (struct fail){.code = OK};
    EXPECT_INT(json_read_string(v, "none", true, 3, &s, &f), ERR_MISSING_MEMBER);
    EXPECT_SPAN(span_str(f.where), "/none");
    f = (struct fail){.code = OK};
    EXPECT_INT(json_read_object(v, "s", false, &o, &f), ERR_WRONG_TYPE);
    EXPECT_SPAN(span_str(f.detail), "s must be an object, not a string");
    EXPECT_INT(json_read_bool(v, "z", false, &b, NULL), ERR_WRONG_TYPE);
    arena_free(a);
}

static enum err read_number(const char *number, int64_t *out)
{
    struct arena *a = arena_new(0);
    const struct json *v;
    struct fail f;
    parse(a, arena_fmt(a, "{\"n\":%s}", number), &v, &f);
    enum err err = json_read_i64(v, "n", true, out, &f);
    arena_free(a);
    return err;
}

TEST(json_whole_numbers_are_exact_or_refused)
{
    int64_t n = 0;
    EXPECT(read_number("9007199254740991", &n) == OK && n == 9007199254740991);
    EXPECT(read_number("-9007199254740991", &n) == OK && n == -9007199254740991);
    EXPECT(read_number("1e3", &n) == OK && n == 1000);
    EXPECT(read_number("1.0", &n) == OK && n == 1);
    EXPECT(read_number("-0", &n) == OK && n == 0);
    EXPECT_INT(read_number("9007199254740992", &n), ERR_BAD_VALUE);
    EXPECT_INT(read_number("9007199254740993", &n), ERR_BAD_VALUE);
    EXPECT_INT(read_number("1e308", &n), ERR_BAD_VALUE);
    EXPECT_INT(read_number("1.5", &n), ERR_WRONG_TYPE);
    EXPECT_INT(read_number("\"1\"", &n), ERR_WRONG_TYPE);
}

TEST(json_only_names_every_unknown_member)
{
    static const char *const names[] = {"subject", "purpose", "fields", NULL};
    struct arena *a = arena_new(0);
    const struct json *v;
    struct fail f;
    parse(a, SPAN("{\"subject\":1,\"Purpos\":2,\"zzzzzzzz\":3}"), &v, &f);
    EXPECT_INT(json_only(v, names, &f), ERR_UNKNOWN_MEMBER);
    EXPECT_SPAN(span_str(f.where), "/Purpos");
    EXPECT_SPAN(span_str(f.detail), "not known here: Purpos, zzzzzzzz");
    EXPECT_SPAN(span_str(f.hint), "Did you mean purpose?");
    parse(a, SPAN("{\"fields\":1}"), &v, &f);
    EXPECT_INT(json_only(v, names, &f), OK);
    EXPECT_INT(json_only(json_get(v, "fields"), names, &f), ERR_WRONG_TYPE);
    EXPECT_INT(json_only(NULL, names, NULL), ERR_WRONG_TYPE);
    arena_free(a);
}

TEST(json_only_with_many_long_unknown_names_stays_in_bounds)
{
    static const char *const names[] = {"a", NULL};
    struct arena *a = arena_new(0);
    struct text t = text_new(a, 0);
    const struct json *v;
    struct fail f;
    json_open(&t, NULL, '{');
    for (int i = 0; i < 100; i++) {
        json_key(&t, arena_fmt(a, "\xe5\x90\x8d\xe5\x90\x8d\xe5\x90\x8d%d", i));
        json_null(&t, NULL);
    }
    json_close(&t, '}');
    EXPECT_INT(parse(a, text_span(&t), &v, &f), OK);
    EXPECT_INT(json_only(v, names, &f), ERR_UNKNOWN_MEMBER);
    EXPECT(span_utf8(span_str(f.detail)));
    arena_free(a);
}

UNIT_MAIN(CASE(json_takes_rfc8259), CASE(json_refuses_what_is_not_json),
          CASE(json_refuses_zero_bytes_and_lone_surrogates), CASE(json_refuses_bad_utf8),
          CASE(json_refuses_duplicates_however_spelt), CASE(json_says_where), CASE(json_depth_limit),
          CASE(json_width_limit), CASE(json_size_limit), CASE(json_values_can_be_looked_at),
          CASE(json_readers_take_the_right_kind), CASE(json_readers_refuse_with_a_pointer),
          CASE(json_whole_numbers_are_exact_or_refused), CASE(json_only_names_every_unknown_member),
          CASE(json_only_with_many_long_unknown_names_stays_in_bounds))
