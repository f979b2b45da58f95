// SPDX-License-Identifier: Apache-2.0
/* test_format.c: one layout, the same words, and nothing else touched. */
#include "file.h"
#include "policy_format.h"
#include "policy_impl.h"
#include "policy_test.h"
#include "policy_vocabulary.h"

#define POLICIES  "policies/zhishang"
#define CASES     "tests/cases/policy"
#define REFERENCE "../shared/reference-policy"

static struct span formatted(struct arena *a, struct span text)
{
    struct policy_source s = {SPAN("x.md"), text};
    struct policy_messages m;
    struct text out = text_new(a, text.len + 1);
    return policy_format(a, &s, &out, &m) ? text_span(&out) : SPAN("(refused)");
}

static void expect_layout(const char *from, const char *want)
{
    struct arena *a = arena_new(0);
    struct span once = formatted(a, span_str(from));
    EXPECT_SPAN(once, want);
    EXPECT(span_eq(formatted(a, once), once));
    arena_free(a);
}

TEST(a_sentence_stands_on_its_own_line)
{
    expect_layout("```rule a\n  we   may use phone\nfor\n delivery . we may use email for delivery.\n```\n",
                  "```rule a\nwe may use phone for delivery.\nwe may use email for delivery.\n```\n");
}

TEST(clause_ids_stay_together)
{
    expect_layout("```rule a\ndespite  x.y-1 , group/z.* ,*, we must not use (any).\n```\n",
                  "```rule a\ndespite x.y-1, group/z.*, *, we must not use (any).\n```\n");
}

/* A stop that a name follows at once ends the sentence all the same, outside `despite`. */
TEST(a_stop_without_a_blank_ends_the_sentence)
{
    expect_layout("```rule a\nwe may use phone.we may use email.\n```\n",
                  "```rule a\nwe may use phone.\nwe may use email.\n```\n");
}

/* What was meant as a date is told as one, and stays as it was written. */
TEST(stops_between_numbers_tear_nothing)
{
    expect_layout("```document\ndocument d \"D\". revision 1 in force from 31.12.2026.\n```\n",
                  "```document\ndocument d \"D\".\nrevision 1 in force from 31.12.2026.\n```\n");
}

TEST(long_sentences_break_before_their_parts)
{
    expect_layout(
        "```rule a\n"
        "we may collect, use phone, email, real-name for delivery, marketing, survey, order-payment, "
        "customer-service only with (agreement or deemed-agreement) and consent.\n```\n",
        "```rule a\n"
        "we may collect, use phone, email, real-name for delivery, marketing, survey, order-payment, "
        "customer-service\n"
        "  only with (agreement or deemed-agreement) and consent.\n```\n");
}

TEST(comments_stay_where_they_stood)
{
    expect_layout(
        "```rule a\n--  above\n\nwe may use phone -- which\n   for delivery. --why\n\n\n-- end\n\n```\n",
        "```rule a\n--  above\n\nwe may use phone  -- which\n  for delivery.   --why\n\n-- end\n```\n");
}

TEST(a_comment_may_part_what_would_touch)
{
    expect_layout("```rule a\nwe may use phone -- one\n, email -- two\n.\n```\n",
                  "```rule a\nwe may use phone  -- one\n  , email         -- two\n  .\n```\n");
}

TEST(declarations_stand_in_columns)
{
    expect_layout("```catalogue\nneed a \"one\".\nneed longer   \"two\" from staff.\n\nneed b \"three\".\n"
                  "category c grade 2:x,y.\ncategory longer grade 3: z.\n```\n",
                  "```catalogue\nneed a      \"one\".\nneed longer \"two\" from staff.\n\nneed b \"three\".\n"
                  "category c      grade 2: x, y.\ncategory longer grade 3: z.\n```\n");
}

TEST(commented_items_stand_below_each_other)
{
    expect_layout("```catalogue\npurpose p: a, -- first\n b. -- second\n```\n",
                  "```catalogue\npurpose p:\n  a,  -- first\n  b.  -- second\n```\n");
}

TEST(terms_stay_whole)
{
    expect_layout("```vocabulary\nphone pd : TelephoneNumber.\nmarketing dpv:Marketing.\n```\n",
                  "```vocabulary\nphone     pd:TelephoneNumber.\nmarketing dpv:Marketing.\n```\n");
}

TEST(prose_and_plain_blocks_are_not_touched)
{
    static const char text[] =
        "\xef\xbb\xbf# A  B\r\n\r\n  odd   prose \r\n```plain p\r\n  as   it is \r\n```\r\n"
        "~~~ text\n a  b\n~~~\n";
    expect_layout(text, text);
}

TEST(line_ends_and_lists_keep_their_form)
{
    expect_layout("- item\n\n  ```rule a\r\n  we may use   phone.\r\n  ```\r\n",
                  "- item\n\n  ```rule a\r\n  we may use phone.\r\n  ```\r\n");
}

/* A zero byte in a quotation is the author's, wherever it comes from. */
TEST(no_byte_is_lost)
{
    static const char from[] = "```catalogue\nneed  a \"x\0y\".\n```\n",
                      want[] = "```catalogue\nneed a \"x\0y\".\n```\n";
    struct arena *a = arena_new(0);
    EXPECT(span_eq(formatted(a, span_of(from, sizeof from - 1)), span_of(want, sizeof want - 1)));
    arena_free(a);
}

TEST(empty_blocks_stay_empty)
{
    expect_layout("```catalogue\n```\n", "```catalogue\n```\n");
    expect_layout("```catalogue\n\n\n```\n", "```catalogue\n```\n");
}

TEST(what_cannot_be_read_is_refused)
{
    expect_layout("```rule a\nwe may use phone\xef\xbc\x8c email.\n```\n", "(refused)");
    expect_layout("```rule a\nwe may use phone.\n", "(refused)");
    expect_layout("```rule a\nwe may\tuse phone.\n```\n", "(refused)");
    expect_layout("\xff", "(refused)");
}

/* ---- Whole policies: laid out again they hold the same norms, and decide alike. */

static bool load_folder(struct arena *a, const char *dir, bool format, struct policy_source **list, size_t *n)
{
    struct span *names = NULL;
    struct fail f = {0};
    bool good = file_list(a, dir, ".md", &names, n, &f) == OK;
    *list = ARENA_ARRAY(a, *n + 1, struct policy_source);
    for (size_t i = 0; i < *n && good; i++) {
        struct policy_source *s = &(*list)[i];
        s->name = names[i];
        good = file_read(a, arena_str(a, arena_fmt(a, "%s/%.*s", dir, SPAN_F(names[i]))), POLICY_SOURCE_MAX,
                         &s->text, &f) == OK;
        if (format && !span_is(formatted(a, s->text), "(refused)"))
            s->text = formatted(a, s->text);
    }
    return good;
}

static struct span decisions(struct arena *a, const struct policy *p)
{
    uint32_t seed = 12345;
    struct text t = text_new(a, 1 << 16);
    for (int i = 0; i < 2000; i++) {
        struct policy_request q = {.facts_known = UINT64_MAX};
        struct policy_decision d;
        for (int k = 0; k < DIM_COUNT; k++) {
            seed = seed * 1664525u + 1013904223u;
            size_t n = policy_count(p, (enum policy_dimension)k);
            q.value[k] = (uint16_t)(n > 0 ? (seed >> 8) % n : 0);
        }
        q.needs = (uint64_t)seed << 16;
        q.facts = seed >> 20;
        policy_decide(p, &q, &d);
        struct span clause = policy_clause_ref(p, d.clause, a);
        text_fmt(&t, "%d %.*s %llu %llu\n", (int)d.answer, SPAN_F(clause), (unsigned long long)d.missing,
                 (unsigned long long)d.deeds);
    }
    return text_span(&t);
}

static void expect_same_policy(const char *dir)
{
    struct arena *a = arena_new(0);
    struct policy_source *before, *after;
    struct policy_messages m, n;
    size_t count;
    if (!load_folder(a, dir, false, &before, &count) || !load_folder(a, dir, true, &after, &count)) {
        arena_free(a);
        return;
    }
    const struct policy *p = policy_load(a, before, count, &m), *q = policy_load(a, after, count, &n);
    EXPECT_INT(m.errors, n.errors);
    EXPECT_INT(m.warnings, n.warnings);
    for (size_t i = 0; i < count; i++)
        EXPECT(span_is(formatted(a, after[i].text), "(refused)") ||
               span_eq(formatted(a, after[i].text), after[i].text));
    EXPECT((p == NULL) == (q == NULL));
    EXPECT(!p || !q || span_eq(decisions(a, p), decisions(a, q)));
    arena_free(a);
}

TEST(policies_decide_alike_when_laid_out)
{
    expect_same_policy(POLICIES);
    expect_same_policy(REFERENCE "/literal");
    expect_same_policy(REFERENCE "/repaired");
}

TEST(every_case_says_the_same_when_laid_out)
{
    struct arena *a = arena_new(0);
    struct span *names = NULL;
    size_t n = 0;
    struct fail f = {0};
    EXPECT_INT(file_list(a, CASES, "", &names, &n, &f), OK);
    for (size_t i = 0; i < n; i++)
        expect_same_policy(arena_str(a, arena_fmt(a, CASES "/%.*s", SPAN_F(names[i]))));
    arena_free(a);
}

/* The reference policy is kept in this layout. */
TEST(the_reference_policy_is_laid_out)
{
    struct arena *a = arena_new(0);
    struct policy_source *list;
    size_t n = 0;
    EXPECT(load_folder(a, POLICIES, false, &list, &n));
    for (size_t i = 0; i < n; i++) {
        EXPECT(span_eq(formatted(a, list[i].text), list[i].text));
        if (!span_eq(formatted(a, list[i].text), list[i].text))
            printf("  %.*s: run `troth policy format policies/zhishang`\n", SPAN_F(list[i].name));
    }
    arena_free(a);
}

TEST(names_have_terms)
{
    struct policies t = policies_good(DOCUMENT("group", "") RULE("a", "we may use phone for marketing.") KEEP
                                      "\n```vocabulary\nphone pd:TelephoneNumber.\n```\n",
                                      NULL);
    EXPECT_SPAN(policy_term(t.p, SPAN("phone")), "pd:TelephoneNumber");
    EXPECT_SPAN(policy_term(t.p, SPAN("email")), "");
    arena_free(t.arena);
}

UNIT_MAIN(CASE(a_sentence_stands_on_its_own_line), CASE(clause_ids_stay_together),
          CASE(a_stop_without_a_blank_ends_the_sentence), CASE(stops_between_numbers_tear_nothing),
          CASE(long_sentences_break_before_their_parts), CASE(comments_stay_where_they_stood),
          CASE(a_comment_may_part_what_would_touch), CASE(declarations_stand_in_columns),
          CASE(commented_items_stand_below_each_other), CASE(terms_stay_whole),
          CASE(prose_and_plain_blocks_are_not_touched), CASE(line_ends_and_lists_keep_their_form),
          CASE(no_byte_is_lost), CASE(empty_blocks_stay_empty), CASE(what_cannot_be_read_is_refused),
          CASE(policies_decide_alike_when_laid_out), CASE(every_case_says_the_same_when_laid_out),
          CASE(the_reference_policy_is_laid_out), CASE(names_have_terms))
