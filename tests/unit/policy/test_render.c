// SPDX-License-Identifier: Apache-2.0
#include "policy_render.h"
#include "unit.h"

static const char names[] = "# Words\n\n```catalogue\n"
                            "category contact grade 3: phone, email.\n"
                            "operation use, keep.\nactor us: service.\nsubject adult.\nservice shop.\n"
                            "jurisdiction cn.\nparty own.\npurpose delivery.\nbasis none-claimed.\n"
                            "need agreement \"the person <agreed>\".\nfact opted-out \"said no\".\n"
                            "event collected.\n```\n";
static const char head[] = "# Group & all\n\n```document\ndocument group \"Group & all\".\n"
                           "revision 1 in force from 2025-01-01.\n```\n\n";
static const char keep[] =
    "\n## Keeping\n\n```rule keep.all\nwe may use any for delivery only with agreement.\n"
    "we may keep any until 1 years after collected.\n```\n";

static struct policy *load(struct arena *a, const char *prose)
{
    struct policy_source s[2] = {{SPAN("catalogue.md"), span_str(names)}, {SPAN("group.md"), SPAN_EMPTY}};
    s[1].text = arena_fmt(a, "%s%s%s", head, prose, keep);
    struct policy_messages m;
    struct policy *p = policy_load(a, s, 2, &m);
    for (size_t i = 0; !p && i < m.n; i++)
        printf("  %.*s:%u %.*s\n", SPAN_F(m.list[i].file), m.list[i].line, SPAN_F(m.list[i].message));
    return p;
}

static const char *render(struct arena *a, const char *prose, const char *open, struct policy_outline *o)
{
    const struct policy *p = load(a, prose);
    if (!p)
        return "";
    struct policy_render r = {
        .policy = p,
        .document = policy_document_find(p, SPAN("group")),
        .base = SPAN("/policy/"),
        .open = span_str(open),
    };
    struct text out = text_new(a, 256);
    policy_render_html(&r, &out, o);
    return arena_str(a, text_span(&out));
}

static bool shows(const char *prose, const char *what)
{
    struct arena *a = arena_new(0);
    struct policy_outline o;
    bool found = strstr(render(a, prose, "", &o), what) != NULL;
    arena_free(a);
    return found;
}

TEST(R005_bold_sentences_stay_strong)
{
    EXPECT(shows("Read **this sentence**.\n", "Read <strong>this sentence</strong>."));
}

TEST(raw_html_is_dropped_and_text_escaped)
{
    EXPECT(!shows("<script>alert(1)</script>\n\ntext\n", "script"));
    EXPECT(!shows("a <img src=x onerror=y> b\n", "onerror"));
    EXPECT(shows("a &lt;b&gt; \"c\"\n", "a &lt;b&gt; &quot;c&quot;"));
}

TEST(links_cannot_run_anything)
{
    EXPECT(!shows("[x](javascript:alert(1))\n", "javascript"));
    EXPECT(!shows("[x](JaVaScRiPt:alert(1))\n", "alert"));
    EXPECT(!shows("[x](data:text/html,y)\n", "data:"));
    EXPECT(!shows("[x](//example.org/)\n", "example.org"));
    EXPECT(shows("[x](https://example.org/?a=1&b=\"2)\n",
                 "<a href=\"https://example.org/?a=1&amp;b=&quot;2\">x</a>"));
    EXPECT(shows("[x](catalogue.md#y)\n", "<a href=\"/policy/"));
}

TEST(pictures_become_their_words)
{
    EXPECT(shows("![a seal](https://example.org/seal.png)\n", "<p>a seal</p>"));
    EXPECT(!shows("![a seal](https://example.org/seal.png)\n", "seal.png"));
}

TEST(headings_have_anchors_of_their_own)
{
    struct arena *a = arena_new(0);
    struct policy_outline o;
    const char *html = render(a, "## 1.1 What & Why\n\n### Same\n\n### Same\n\n## 中文\n\nx\n", "", &o);
    EXPECT(strstr(html, "<h2 id=\"s-1-1-what-why\">1.1 What &amp; Why</h2>") != NULL);
    EXPECT(strstr(html, "<h3 id=\"s-same\">") && strstr(html, "<h3 id=\"s-same-2\">"));
    EXPECT(strstr(html, "<h2 id=\"s-中文\">") != NULL);
    EXPECT(strstr(html, "<h1") == NULL);                  /* the page shows it */
    EXPECT(o.n > 5 && span_is(o.list[5].id, "t-tables")); /* the tables come last */
    if (o.n > 5)
        EXPECT_SPAN(o.list[0].text, "1.1 What & Why");
    arena_free(a);
}

TEST(a_rule_is_a_box_with_its_clause_as_anchor)
{
    struct arena *a = arena_new(0);
    struct policy_outline o;
    const char *html = render(a, "Prose.\n", "keep.all", &o);
    EXPECT(strstr(html, "<details class=\"clause clause-rule\" id=\"keep.all\" open>") != NULL);
    EXPECT(strstr(html, "<details class=\"clause clause-document\" id=\"document\">") != NULL);
    EXPECT(strstr(html, "<b>we</b> <b>may</b> ") != NULL);
    EXPECT(strstr(html, "#name:agreement\" title=\"the person &lt;agreed&gt;\">agreement</a>.") != NULL);
    EXPECT(strstr(html, "href=\"/policy/group?clause=keep.all#keep.all\"") != NULL);
    arena_free(a);
}

TEST(other_code_is_only_code)
{
    EXPECT(shows("```sh\nwe may <use>\n```\n", "<code>we may &lt;use&gt;\n</code>"));
    EXPECT(!shows("```text x\nwe may\n```\n", "id=\"x\""));
}

TEST(lines_of_chinese_join_without_a_blank)
{
    EXPECT(shows("政策\n生效\n", "<p>政策生效</p>"));
    EXPECT(shows("one\ntwo\n", "<p>one\ntwo</p>"));
}

TEST(tight_and_numbered_lists_keep_their_form)
{
    EXPECT(shows("- a\n- b\n", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"));
    EXPECT(shows("3. a\n4. b\n", "<ol start=\"3\">"));
}

/* ---- Sentences, tables, languages */

static const char chinese[] =
    "# 集团\n\n```document\n```\n\n**请阅读**本政策。\n\n## 保存\n\n```rule keep.all\n```\n"
    "```words\nphone \"手机号\".\nemail \"邮箱\".\nuse \"使用\".\nkeep \"保存\".\nus \"我们\".\n"
    "delivery \"配送\".\nagreement \"本人<已>同意\".\ncollected \"收集\".\n```\n";

/* Without a translation if that is null. */
static const char *published(struct arena *a, const char *language, const char *translation)
{
    struct policy_source s[3] = {{SPAN("catalogue.md"), span_str(names)},
                                 {SPAN("group.md"), arena_fmt(a, "%s%s", head, keep)},
                                 {SPAN("group.zh-CN.md"), span_str(translation ? translation : "")}};
    struct policy_messages m;
    struct policy *p = policy_load(a, s, translation ? 3 : 2, &m);
    struct policy_publish w = {
        .render = {.policy = p, .language = span_str(language), .suffix = arena_fmt(a, ".%s.html", language)},
        .style = SPAN("p{}"),
        .digest = SPAN("d1gest"),
    };
    struct text out = text_new(a, 256);
    if (!p)
        return "";
    w.render.document = policy_document_find(p, SPAN("group"));
    policy_publish_html(&w, &out);
    return arena_str(a, text_span(&out));
}

static bool publishes(const char *language, const char *what)
{
    struct arena *a = arena_new(0);
    bool found = strstr(published(a, language, chinese), what) != NULL;
    arena_free(a);
    return found;
}

TEST(one_language_is_no_choice)
{
    struct arena *a = arena_new(0);
    const char *one = published(a, "en", NULL), *two = published(a, "en", chinese);
    EXPECT(strstr(one, "</html>") && !strstr(one, "class=\"languages\""));
    EXPECT(strstr(two, "class=\"languages\""));
    arena_free(a);
}

TEST(rules_are_sentences_of_the_language)
{
    EXPECT(
        publishes("en",
                  "<li>We may use any information, for anything, only if the person &lt;agreed&gt;.</li>") ||
        publishes("en", "<li>We may use any information, only if the person &lt;agreed&gt;.</li>"));
    EXPECT(publishes("en", "<li>We may keep any information, until 1 year after: collected.</li>"));
    EXPECT(publishes("zh-CN", "<li>我们可以使用任何信息，条件是本人&lt;已&gt;同意。</li>"));
    EXPECT(publishes("zh-CN", "<li>我们可以保存任何信息，直到收集后 1 年。</li>"));
}

TEST(tables_are_made_from_the_rules)
{
    EXPECT(publishes("en", "<td data-label=\"Until\">1 year after: collected</td>"));
    EXPECT(publishes("zh-CN", "<td data-label=\"期限\">收集后 1 年</td>"));
    EXPECT(publishes("zh-CN", "<h3 id=\"t-keep\">保存期限</h3>"));
    EXPECT(!publishes("zh-CN", "t-recipients") &&
           !publishes("zh-CN", "t-duties")); /* no such rule, no table */
    EXPECT(publishes("en", "<a href=\"group.en.html#keep.all\"><code>keep.all</code></a>"));
}

TEST(a_row_leaves_out_no_condition)
{
    struct arena *a = arena_new(0);
    struct policy_outline o;
    const char *html =
        render(a,
               "```rule limits\nwe may use phone for delivery unless opted-out only with agreement.\n"
               "we may use email for delivery when opted-out.\n```\n",
               "", &o);
    EXPECT(strstr(html, "<td data-label=\"Conditions\">the person &lt;agreed&gt;, unless said no</td>") !=
           NULL);
    EXPECT(strstr(html, "<td data-label=\"Conditions\">when said no</td>") != NULL);
    arena_free(a);
}

TEST(a_translation_shows_the_rules_of_the_document)
{
    EXPECT(publishes("zh-CN", "<html lang=\"zh-CN\">") && publishes("zh-CN", "<h1>集团</h1>"));
    EXPECT(publishes("zh-CN", "<strong>请阅读</strong>本政策。"));
    EXPECT(publishes(
        "zh-CN", "<b>we</b> <b>may</b> <a href=\"catalogue.zh-CN.html#name:use\" title=\"使用\">use</a>"));
    EXPECT(!publishes("zh-CN", "尚无译文的条款") && !publishes("en", "请阅读"));
}

TEST(a_rule_that_the_translation_lacks_is_shown_all_the_same)
{
    struct arena *a = arena_new(0);
    const char *html = published(a, "zh-CN", "# 集团\n\n```document\n```\n\n没有规则。\n");
    const char *lacking = strstr(html, "尚无译文的条款</h2>");
    EXPECT(lacking && strstr(lacking, "id=\"keep.all\"") && strstr(html, "没有规则。") < lacking);
    arena_free(a);
}

TEST(a_language_without_a_text_shows_the_document_itself)
{
    EXPECT(publishes("de", "<html lang=\"en\">") && publishes("de", "id=\"keep.all\""));
}

TEST(a_file_needs_nothing_else)
{
    EXPECT(publishes("en", "<style>\np{}</style>") && publishes("en", "d1gest"));
    EXPECT(!publishes("en", "<link") && !publishes("en", "<script") && !publishes("en", " src="));
    EXPECT(publishes("en", "<li><a href=\"group.zh-CN.html\" lang=\"zh-CN\">中文</a></li>"));
    EXPECT(!publishes("en", "?clause="));
}

UNIT_MAIN(CASE(a_row_leaves_out_no_condition), CASE(rules_are_sentences_of_the_language),
          CASE(one_language_is_no_choice), CASE(tables_are_made_from_the_rules),
          CASE(a_translation_shows_the_rules_of_the_document),
          CASE(a_rule_that_the_translation_lacks_is_shown_all_the_same),
          CASE(a_language_without_a_text_shows_the_document_itself), CASE(a_file_needs_nothing_else),
          CASE(R005_bold_sentences_stay_strong), CASE(raw_html_is_dropped_and_text_escaped),
          CASE(links_cannot_run_anything), CASE(pictures_become_their_words),
          CASE(headings_have_anchors_of_their_own), CASE(a_rule_is_a_box_with_its_clause_as_anchor),
          CASE(other_code_is_only_code), CASE(lines_of_chinese_join_without_a_blank),
          CASE(tight_and_numbered_lists_keep_their_form))
