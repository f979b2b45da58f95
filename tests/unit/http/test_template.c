// SPDX-License-Identifier: Apache-2.0
/* Cases of our own after the chapters of the Mustache specification, for the subset we keep. */
#include "unit.h"

#include "http.h"

static struct arena *a;
static const char *partials[][2] = {
    {"part", "*{{text}}*"}, {"line", "partial\n"}, {"self", "{{#again}}{{> self}}{{/again}}"},
    {"loop", "{{> loop}}"}, {"open", "{{#yes}}"},
};
static const char *main_text;

static bool find(void *ctx, struct span name, struct span *text)
{
    (void)ctx;
    if (span_is(name, "main")) {
        *text = span_str(main_text);
        return true;
    }
    for (size_t i = 0; i < sizeof partials / sizeof partials[0]; i++)
        if (span_is(name, partials[i][0])) {
            *text = span_str(partials[i][1]);
            return true;
        }
    return false;
}

static struct view *sample(void)
{
    struct view *v = view_object(a), *o = view_sub(v, "person"), *deep = view_sub(o, "name"),
                *list = view_list(v, "list");
    view_str(v, "text", SPAN("text"));
    view_str(v, "html", SPAN("<a href=\"x\">&'</a>"));
    view_str(v, "empty", SPAN(""));
    view_i64(v, "number", -1234567890123);
    view_bool(v, "yes", true);
    view_bool(v, "no", false);
    view_list(v, "none");
    view_str(v, "outer", SPAN("outer"));
    view_str(deep, "family", SPAN("Li"));
    view_str(o, "text", SPAN("inner"));
    for (int i = 1; i <= 3; i++) {
        struct view *item = view_item(list);
        view_i64(item, "n", i);
        view_bool(item, "odd", i % 2);
    }
    return v;
}

static enum err render(const char *text, struct span *out, struct fail *f)
{
    struct text t = text_new(a, 64);
    main_text = text;
    enum err err = template_render(&t, SPAN("main"), sample(), find, NULL, f);
    *out = text_span(&t);
    return err;
}

TEST(what_templates_give)
{
    static const char *const rows[][2] = {
        /* interpolation */
        {"plain", "plain"},
        {"", ""},
        {"Hello, {{text}}!", "Hello, text!"},
        {"{{html}}", "&lt;a href=&quot;x&quot;&gt;&amp;&#39;&lt;/a&gt;"},
        {"{{{unescaped-html html}}}", "<a href=\"x\">&'</a>"},
        {"{{number}}", "-1234567890123"},
        {"[{{empty}}]", "[]"},
        {"{{person.name.family}}", "Li"},
        {"| {{  text  }} |", "| text |"},
        {"  {{text}}\n", "  text\n"},
        {"a { b } {c} }}", "a { b } {c} }}"},
        {"{ {{text}} }", "{ text }"},
        /* sections */
        {"{{#yes}}shown{{/yes}}", "shown"},
        {"{{#no}}hidden{{/no}}", ""},
        {"{{#text}}{{text}}{{/text}}", "text"},
        {"{{#empty}}hidden{{/empty}}", ""},
        {"{{#person}}{{text}} {{outer}} {{name.family}}{{/person}}", "inner outer Li"},
        {"{{#list}}{{n}},{{/list}}", "1,2,3,"},
        {"{{#list}}{{#odd}}{{n}}{{/odd}}{{^odd}}-{{/odd}}{{/list}}", "1-3"},
        {"{{#none}}hidden{{/none}}", ""},
        {"{{#yes}}a{{#yes}}b{{/yes}}c{{/yes}}", "abc"},
        {"{{#person.name}}{{family}}{{/person.name}}", "Li"},
        {"{{# yes }}x{{/ yes }}", "x"},
        {"a\n{{#yes}}\nb\n{{/yes}}\nc\n", "a\nb\nc\n"},
        {"a\n  {{#yes}}  \nb\n\t{{/yes}}\r\nc", "a\nb\nc"},
        {" {{#yes}}x{{/yes}} \n", " x \n"},
        {"{{#list}}\n{{n}}\n{{/list}}\n", "1\n2\n3\n"},
        {"x\n{{#no}}", NULL},
        /* inverted */
        {"{{^no}}shown{{/no}}", "shown"},
        {"{{^yes}}hidden{{/yes}}", ""},
        {"{{^none}}nobody{{/none}}", "nobody"},
        {"{{^list}}hidden{{/list}}", ""},
        {"{{^empty}}shown{{/empty}}", "shown"},
        {"{{^person}}hidden{{/person}}", ""},
        /* partials */
        {"\"{{> part}}\"", "\"*text*\""},
        {"{{#person}}{{> part}}{{/person}}", "*inner*"},
        {"a\n  {{> line}}\nb", "a\npartial\nb"},
        /* comments */
        {"12345{{! comment }}67890", "1234567890"},
        {"a\n{{! alone }}\nb", "a\nb"},
        {"a\n  {{! two\nlines }}\nb", "a\nb"},
        {"x {{! not alone }}\n", "x \n"},
    };
    a = arena_new(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span out;
        struct fail f = {0};
        enum err err = render(rows[i][0], &out, &f);
        if (rows[i][1])
            EXPECT_SPAN(out, rows[i][1]);
        if ((err == OK) != (rows[i][1] != NULL))
            printf("  row %zu: %s\n", i, f.detail);
        EXPECT((err == OK) == (rows[i][1] != NULL));
    }
    arena_free(a);
}

TEST(faults_name_template_and_line)
{
    static const char *const rows[][3] = {
        {"a\nb\n{{unknown}}", "main, line 3", "unknown"},
        {"{{person.unknown}}", "line 1", "person.unknown"},
        {"{{#person}}\n{{text.deeper}}{{/person}}", "line 2", "text.deeper"},
        {"{{#unknown}}{{/unknown}}", "line 1", "unknown"},
        {"\n{{#yes}}", "line 2", "not closed"},
        {"{{/yes}}", "line 1", "not opened"},
        {"{{#yes}}{{/no}}", "line 1", "another section"},
        {"{{text", "line 1", "not closed"},
        {"{{text}", "line 1", "not closed"},
        {"{{}}", "line 1", "no name"},
        {"{{a b}}", "line 1", "no name"},
        {"{{&html}}", "line 1", "no name"},
        {"{{=<% %>=}}", "line 1", "no name"},
        {"{{{html}}}", "line 1", "unescaped-html"},
        {"{{{unescaped-html html}}", "line 1", "unescaped-html"},
        {"{{list}}", "line 1", "no text"},
        {"{{yes}}", "line 1", "no text"},
        {"\n{{> missing}}", "line 2", "missing"},
        {"{{> loop}}", "loop", "too deep"},
        {"{{> open}}", "open, line 1", "not closed"},
    };
    a = arena_new(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span out;
        struct fail f = {0};
        EXPECT_INT(render(rows[i][0], &out, &f), ERR_INTERNAL);
        if (!strstr(f.detail, rows[i][1]) || !strstr(f.detail, rows[i][2]))
            printf("  row %zu: %s\n", i, f.detail);
        EXPECT(strstr(f.detail, rows[i][1]) && strstr(f.detail, rows[i][2]));
    }
    arena_free(a);
}

UNIT_MAIN(CASE(what_templates_give), CASE(faults_name_template_and_line))
