// SPDX-License-Identifier: Apache-2.0
/* test_translate.c: what a translation gives, and what it lacks. The messages are golden cases of
 * test_cases.c. */
#include "policy_translate.h"
#include "policy_test.h"

#define GROUP                                                                                                \
    DOCUMENT("group", "")                                                                                    \
    KEEP RULE(                                                                                               \
        "all",                                                                                               \
        "we may use any for delivery, promotion with carrier only with consent.") "\n```plain why\nNothing " \
                                                                                  "to run.\n```\n"
#define EMPTY(id) "\n```rule " id "\n```\n"
#define HEAD      "# 集团\n\n```document\n```\n"

static struct policies with(const char *file, const char *translation)
{
    struct policies t = {.arena = arena_new(0)};
    struct policy_source s[] = {{span_str(file), span_str(translation)},
                                {SPAN("words.md"), SPAN(WORDS)},
                                {SPAN("group.md"), SPAN(GROUP)}};
    t.p = policy_load(t.arena, s, 3, &t.m);
    return t;
}

static size_t untranslated(const struct policies *t, const char *needle)
{
    size_t n = 0;
    for (size_t i = 0; i < t->m.n; i++)
        n += t->m.list[i].kind == MSG_UNTRANSLATED &&
             strstr(arena_str(t->arena, t->m.list[i].message), needle) != NULL;
    return n;
}

TEST(the_name_of_a_file_says_whether_it_is_a_translation)
{
    static const char *const yes[] = {"group.zh-CN.md", "a.en.md", "x.sr-Latn-RS.md", "group.yue.md"};
    static const char *const no[] = {
        "group.md",       "notes.draft.md", ".zh.md", "a.z.md", "a.zh-.md", "a.zh-CN.txt",
        "a.zh-CN.old.md", "a..md",          ".md",    "md",     "",         "a.zh_CN.md",
        "a.zh-CN"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        EXPECT(policy_translation_named(span_str(yes[i])));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        EXPECT(!policy_translation_named(span_str(no[i])));
}

TEST(a_translation_is_found_by_document_and_language)
{
    struct policies t = with("group.zh-CN.md", HEAD EMPTY("keep.all") EMPTY("all") "\n```plain why\n```\n");
    unsigned doc = policy_document_find(t.p, SPAN("group"));
    EXPECT_INT(policy_documents(t.p), 2);
    EXPECT_INT(policy_translations(t.p), 1);
    const struct policy_translation *found = policy_translation_find(t.p, doc, SPAN("zh-CN"));
    EXPECT(found && found == policy_translation(t.p, 0));
    EXPECT(found && span_is(found->title, "集团") && span_is(found->file, "group.zh-CN.md"));
    EXPECT(!policy_translation_find(t.p, doc, SPAN("zh")) && !policy_translation_find(t.p, doc, SPAN("en")));
    arena_free(t.arena);
}

TEST(names_have_words_and_plain_clauses_a_sentence)
{
    struct policies t = with("group.zh-CN.md", HEAD "```words\nphone \"电话\".\ncarrier \"承运人\".\n```\n"
                                                    "\n```plain why\n没有什么可执行。\n```\n");
    unsigned why = policy_clause_find(t.p, SPAN("group/why"));
    EXPECT(span_is(policy_word_in(t.p, SPAN("zh-CN"), SPAN("phone")), "电话"));
    EXPECT(span_is(policy_word_in(t.p, SPAN("zh-CN"), SPAN("carrier")), "承运人"));
    EXPECT(policy_word_in(t.p, SPAN("zh-CN"), SPAN("email")).len == 0);
    EXPECT(policy_word_in(t.p, SPAN("de"), SPAN("phone")).len == 0);
    EXPECT(span_is(policy_plain_in(t.p, SPAN("zh-CN"), why), "没有什么可执行。"));
    EXPECT(span_is(policy_plain_in(t.p, SPAN("de"), why), "Nothing to run."));
    arena_free(t.arena);
}

TEST(a_clause_that_one_language_lacks_is_a_warning_both_ways)
{
    struct policies t = with("group.zh-CN.md", HEAD EMPTY("keep.alll"));
    EXPECT(t.p != NULL);
    EXPECT_INT(untranslated(&t, "lacks this clause"), 3);
    EXPECT_INT(untranslated(&t, "no clause 'keep.alll'; did you mean 'keep.all'?"), 1);
    EXPECT_INT(untranslated(&t, "has no zh-CN text"), 1);
    EXPECT_INT(untranslated(&t, "no zh-CN words for"), 1);
    arena_free(t.arena);
}

TEST(a_policy_of_one_language_lacks_nothing)
{
    struct policies t = policies_good(GROUP, NULL);
    EXPECT_INT(untranslated(&t, ""), 0);
    EXPECT_INT(policy_translations(t.p), 0);
    arena_free(t.arena);
}

TEST(a_translation_cannot_say_a_rule)
{
    static const char *const bad[] = {HEAD RULE("all", "we may share any."),
                                      HEAD "\n```words\nnobody \"无人\".\n```\n",
                                      HEAD "\n```words\nphone \"一\".\nphone \"二\".\n```\n",
                                      HEAD "\n```words\nphone \"一\"\n```\n",
                                      HEAD EMPTY("all") EMPTY("all"),
                                      "```document\ndocument group \"T\".\n```\n",
                                      HEAD "\n```catalogue\nneed other \"x\".\n```\n",
                                      HEAD "\n```rule all\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct policies t = with("group.zh-CN.md", bad[i]);
        EXPECT(t.p == NULL && t.m.errors > 0);
        arena_free(t.arena);
    }
}

TEST(only_translations_are_no_policy)
{
    struct arena *a = arena_new(0);
    struct policy_messages m;
    struct policy_source s = {SPAN("group.zh-CN.md"), SPAN(HEAD)};
    EXPECT(!policy_load(a, &s, 1, &m) && m.errors == 1);
    arena_free(a);
}

UNIT_MAIN(CASE(the_name_of_a_file_says_whether_it_is_a_translation),
          CASE(a_translation_is_found_by_document_and_language),
          CASE(names_have_words_and_plain_clauses_a_sentence),
          CASE(a_clause_that_one_language_lacks_is_a_warning_both_ways),
          CASE(a_policy_of_one_language_lacks_nothing), CASE(a_translation_cannot_say_a_rule),
          CASE(only_translations_are_no_policy))
