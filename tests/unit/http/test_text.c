// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "http.h"
#include "json.h"

static struct arena *a;

static bool matches(const char *pattern, const char *path, struct http_params *p)
{
    bool yes = http_match(a, pattern, span_str(path), p);
    EXPECT(!yes || http_fits(pattern, span_str(path))); /* it only says no sooner */
    return yes;
}

TEST(paths_match_segment_by_segment)
{
    struct http_params p;
    a = arena_new(0);
    EXPECT(matches("/", "/", &p) && p.n == 0);
    EXPECT(matches("/v1/subjects", "/v1/subjects", &p));
    EXPECT(matches("/v1/subjects/{id}/data/{field}", "/v1/subjects/ab12/data/contact.phone", &p));
    EXPECT_INT(p.n, 2);
    EXPECT_SPAN(p.value[0], "ab12");
    EXPECT_SPAN(p.value[1], "contact.phone");
    EXPECT(matches("/p/{a}", "/p/%E4%B8%AD%20x+y", &p));
    EXPECT_SPAN(p.value[0], "中 x+y");
    EXPECT(matches("/audit/tile/{path...}", "/audit/tile/0/x001/067", &p));
    EXPECT_SPAN(p.value[0], "0/x001/067");
    arena_free(a);
}

TEST(a_path_fits_by_its_segments)
{
    static const struct {
        const char *pattern, *path;
        bool fits;
    } rows[] = {{"/a/{x}/b", "/a/1/b", true},
                {"/a/{x}/b", "/a/1/c", false},
                {"/a/{x}", "/a/%zz", true},
                {"/a/{x}", "/a/b/c", false},
                {"/a", "/a/b", false},
                {"/a/b", "/a", false},
                {"/t/{path...}", "/t/a/b", true},
                {"/", "", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        EXPECT_INT(http_fits(rows[i].pattern, span_str(rows[i].path)), rows[i].fits);
}

TEST(paths_that_do_not_match)
{
    static const char *const rows[][2] = {
        {"/", ""},
        {"/a", "/"},
        {"/a", "/a/"},
        {"/a/", "/a"},
        {"/a", "/b"},
        {"/a", "/aa"},
        {"/a/{x}", "/a"},
        {"/a/{x}", "/a/"},
        {"/a/{x}", "/a/b/c"},
        {"/a/{x}/c", "/a/b"},
        {"/a/{x}", "/a/b%2Fc"},
        {"/a/{x}", "/a/b%2fc"},
        {"/a/{x}", "/a/b%00c"},
        {"/a/{x}", "/a/%"},
        {"/a/{x}", "/a/%4"},
        {"/a/{x}", "/a/%zz"},
        {"/a/{x}", "/a/%ff"},
        {"/a/{x}", "/a/.."},
        {"/a/{x}", "/a/%2e%2e"},
        {"/t/{path...}", "/t/"},
        {"/t/{path...}", "/t/a/../../key"},
        {"/t/{path...}", "/t/a/%2e%2E/b"},
        {"/t/{path...}", "/t/a%2fb"},
        {"/a/{x}", "a/b"},
    };
    struct http_params p;
    a = arena_new(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool got = matches(rows[i][0], rows[i][1], &p);
        if (got)
            printf("  %s takes %s\n", rows[i][0], rows[i][1]);
        EXPECT(!got);
    }
    arena_free(a);
}

TEST(forms_are_decoded)
{
    struct span form =
                    SPAN("purpose=order+delivery&field=a&field=b%26c&empty=&bare&%6eame=x%3Dy&bad=%f0&n=1"),
                v, all[4];
    a = arena_new(0);
    EXPECT(http_form_get(a, form, "purpose", &v));
    EXPECT_SPAN(v, "order delivery");
    EXPECT(http_form_get(a, form, "name", &v));
    EXPECT_SPAN(v, "x=y");
    EXPECT(http_form_get(a, form, "empty", &v) && v.len == 0);
    EXPECT(http_form_get(a, form, "bare", &v) && v.len == 0);
    EXPECT(!http_form_get(a, form, "bad", &v));
    EXPECT(!http_form_get(a, form, "none", &v));
    EXPECT(!http_form_get(a, SPAN_EMPTY, "none", &v));
    EXPECT_INT(http_form_all(a, form, "field", all, 4), 2);
    EXPECT_SPAN(all[1], "b&c");
    EXPECT_INT(http_form_all(a, form, "field", all, 1), 1);
    EXPECT(!http_decode(a, SPAN("a%00b"), true, &v));
    arena_free(a);
}

TEST(cookies)
{
    struct span c = SPAN("a=1; __Host-s=abc=def ;b=; lang=zh"), v;
    EXPECT(http_cookie_get(c, "a", &v));
    EXPECT_SPAN(v, "1");
    EXPECT(http_cookie_get(c, "__Host-s", &v));
    EXPECT_SPAN(v, "abc=def");
    EXPECT(http_cookie_get(c, "b", &v) && v.len == 0);
    EXPECT(http_cookie_get(c, "lang", &v));
    EXPECT(!http_cookie_get(c, "la", &v));
    EXPECT(!http_cookie_get(SPAN_EMPTY, "a", &v));
}

TEST(languages)
{
    static const char *const have[] = {"en", "zh-Hans"};
    static const struct {
        const char *header;
        size_t want;
    } rows[] = {{"", 0},
                {"zh", 1},
                {"zh-CN,zh;q=0.9,en;q=0.8", 1},
                {"en-GB,zh;q=0.9", 0},
                {"fr", 0},
                {"fr, ZH-tw", 1},
                {"en;q=0.1, zh;q=0.25", 1},
                {"zh;q=0, en;q=0.001", 0},
                {"*", 0},
                {"zh;q=0", 0},
                {";;,,q=", 0},
                {"en;q=0.5,zh;q=0.5", 0},
                {"fr;q=1,*;q=0.1", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        EXPECT_INT(http_language(span_str(rows[i].header), have, 2), rows[i].want);
}

TEST(problem_documents)
{
    struct response res = {0};
    struct fail f = {0};
    const struct json *j;
    a = arena_new(0);
    fail_set(&f, ERR_REFUSED, "Marketing \"needs\" consent.");
    fail_where(&f, "/purpose");
    fail_clause(&f, SPAN("zhishang/b1-2"));
    http_problem(a, &res, &f, SPAN("\"entry\":7"));
    EXPECT_INT(res.status, 403);
    EXPECT_SPAN(res.content_type, "application/problem+json");
    f = (struct fail){0};
    EXPECT_INT(json_parse(a, res.body, &j, &f), OK);
    EXPECT_SPAN(json_span(json_get(j, "type")), "/problems/refused");
    EXPECT_SPAN(json_span(json_get(j, "detail")), "Marketing \"needs\" consent.");
    EXPECT_SPAN(json_span(json_get(j, "pointer")), "/purpose");
    EXPECT_SPAN(json_span(json_get(j, "clause")), "zhishang/b1-2");
    EXPECT(json_get(j, "hint") == NULL);
    EXPECT(json_kind(json_get(j, "entry")) == JSON_NUMBER && json_kind(json_get(j, "status")) == JSON_NUMBER);
    arena_free(a);
}

TEST(other_answers)
{
    struct response res = {0};
    a = arena_new(0);
    struct text t = text_new(a, 16);
    text_str(&t, "{}");
    http_json(&res, 201, &t);
    EXPECT_INT(res.status, 201);
    EXPECT_SPAN(res.content_type, "application/json");
    http_html(&res, 200, &t);
    EXPECT_SPAN(res.content_type, "text/html; charset=utf-8");
    http_redirect(&res, "/try");
    EXPECT_INT(res.status, 303);
    EXPECT_INT(res.body.len, 0);
    EXPECT_SPAN(res.headers[0].name, "Location");
    EXPECT_SPAN(res.headers[0].value, "/try");
    arena_free(a);
}

UNIT_MAIN(CASE(paths_match_segment_by_segment), CASE(a_path_fits_by_its_segments),
          CASE(paths_that_do_not_match), CASE(forms_are_decoded), CASE(cookies), CASE(languages),
          CASE(problem_documents), CASE(other_answers))
