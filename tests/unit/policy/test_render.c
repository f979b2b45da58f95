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
        .words = {SPAN("Enforced"), SPAN("Plain"), SPAN("Document"), SPAN("Names"), SPAN("Link")},
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
    EXPECT(strstr(html, "<h1") == NULL); /* the page shows it */
    EXPECT_INT(o.n, 5);
    if (o.n == 5)
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

UNIT_MAIN(CASE(R005_bold_sentences_stay_strong), CASE(raw_html_is_dropped_and_text_escaped),
          CASE(links_cannot_run_anything), CASE(pictures_become_their_words),
          CASE(headings_have_anchors_of_their_own), CASE(a_rule_is_a_box_with_its_clause_as_anchor),
          CASE(other_code_is_only_code), CASE(lines_of_chinese_join_without_a_blank),
          CASE(tight_and_numbered_lists_keep_their_form))
