// SPDX-License-Identifier: Apache-2.0
#include "ui.h"
#include "unit.h"

static bool holds(struct span text, const char *what)
{
    for (size_t i = 0; i < text.len; i++)
        if (span_starts(span_sub(text, i, text.len), what))
            return true;
    return false;
}

TEST(tables_are_sorted_so_that_every_row_is_found)
{
    struct span said;
    for (size_t i = 0; i < ui_messages_count; i++)
        EXPECT(ui_say_find(UI_ZH_CN, ui_messages[i].name, &said) || ui_messages[i].text[UI_ZH_CN].len == 0);
    for (size_t i = 1; i < ui_messages_count; i++)
        EXPECT(span_cmp(ui_messages[i - 1].name, ui_messages[i].name) < 0);
    for (size_t i = 1; i < ui_templates_count; i++)
        EXPECT(span_cmp(ui_templates[i - 1].name, ui_templates[i].name) < 0);
}

TEST(messages_are_utf8_in_both_languages)
{
    for (size_t i = 0; i < ui_messages_count; i++)
        for (unsigned lang = 0; lang < UI_LANGS; lang++)
            EXPECT(span_utf8(ui_messages[i].text[lang]));
    EXPECT_SPAN(ui_say(UI_EN, "answer.deny"), "Refused");
    EXPECT_SPAN(ui_say(UI_ZH_CN, "answer.deny"), "拒绝");
}

TEST(an_unknown_key_shows_itself)
{
    struct span said;
    EXPECT_SPAN(ui_say(UI_EN, "no.such-key"), "no.such-key");
    EXPECT(!ui_say_find(UI_EN, SPAN("no.such-key"), &said));
    EXPECT(!ui_say_find(UI_EN, SPAN(""), &said));
}

/* Words for the policy's names come with the policy (catalogue.md and its translations), not with the pages.
 */
TEST(names_of_the_policy_are_no_words_of_the_pages)
{
    struct span said;
    EXPECT(!ui_say_find(UI_ZH_CN, SPAN("words.agreement"), &said));
    EXPECT(!ui_say_find(UI_EN, SPAN("words.agreement"), &said));
}

TEST(templates_are_translated_and_keep_no_build_tag)
{
    enum ui_lang lang = UI_ZH_CN;
    struct span text;
    EXPECT(ui_template(&lang, SPAN("home"), &text));
    EXPECT(holds(text, "您读到的政策"));
    EXPECT(!ui_template(&lang, SPAN("home.html"), &text));
    EXPECT(!ui_template(&lang, SPAN("../home"), &text));
    for (size_t i = 0; i < ui_templates_count; i++) {
        EXPECT(!holds(ui_templates[i].text[UI_EN], "{{say"));
        EXPECT(!holds(ui_templates[i].text[UI_EN], "{{asset"));
    }
}

TEST(only_our_languages_are_languages)
{
    enum ui_lang lang = UI_EN;
    EXPECT(ui_lang_find(SPAN("zh-CN"), &lang));
    EXPECT_INT(lang, UI_ZH_CN);
    EXPECT(!ui_lang_find(SPAN("zh"), &lang));
    EXPECT(!ui_lang_find(SPAN(""), &lang));
    EXPECT_INT(lang, UI_ZH_CN);
}

TEST(files_are_found_by_their_exact_name)
{
    struct span content;
    EXPECT(ui_file(SPAN("style.css"), &content));
    EXPECT(content.len > 1000);
    EXPECT(!ui_file(SPAN("STYLE.css"), &content));
    EXPECT(!ui_file(SPAN("./style.css"), &content));
}

UNIT_MAIN(CASE(tables_are_sorted_so_that_every_row_is_found), CASE(messages_are_utf8_in_both_languages),
          CASE(an_unknown_key_shows_itself), CASE(names_of_the_policy_are_no_words_of_the_pages),
          CASE(templates_are_translated_and_keep_no_build_tag), CASE(only_our_languages_are_languages),
          CASE(files_are_found_by_their_exact_name))
