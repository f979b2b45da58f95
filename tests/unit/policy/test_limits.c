// SPDX-License-Identifier: Apache-2.0
/* What is too much is said, where it is, and everything before it is still read. (Cases too large for a
 * file.) */
#include "policy_test.h"

static struct policy_messages messages;

/* One text beside the words; true if a message begins so, and points at the line (0: any). */
static bool says(struct arena *a, struct span text, const char *begins, uint32_t line)
{
    struct policy_source s[] = {{SPAN("words.md"), SPAN(WORDS)}, {SPAN("t.md"), text}};
    policy_load(a, s, 2, &messages);
    for (size_t i = 0; i < messages.n; i++)
        if (span_starts(messages.list[i].message, begins) && (!line || messages.list[i].line == line))
            return true;
    for (size_t i = 0; i < messages.n && i < 3; i++)
        printf("  %u: %.*s\n", messages.list[i].line, SPAN_F(messages.list[i].message));
    return false;
}

#define EXPECT_SAYS(a, t, begins, line) EXPECT(says((a), text_span(t), (begins), (line)))

static struct text begin(struct arena *a)
{
    struct text t = text_new(a, 1 << 16);
    text_str(&t, DOCUMENT("t", "") KEEP);
    return t;
}

static void rule(struct text *t, const char *id, const char *sentence, unsigned times)
{
    text_fmt(t, "\n```rule %s\n", id);
    for (unsigned i = 0; i < times; i++)
        text_str(t, sentence);
    text_str(t, "```\n");
}

TEST(names_and_formulas_have_their_most)
{
    struct arena *a = arena_new(0);
    struct text t = begin(a);
    text_str(&t, "\n```rule deeds\n");
    for (int i = 0; i < 66; i++)
        text_fmt(&t, "to use phone, we must deed-%d.\n", i);
    text_str(&t, "```\n");
    EXPECT_SAYS(a, &t, "a policy has at most 64 deeds", 0);
    for (int k = 0; k < 2; k++) {
        t = begin(a);
        text_str(&t, "\n```rule told\n");
        for (int i = 0; i < 66; i++)
            text_fmt(&t, "when request-received, we must log %s t%d.\n", k ? "by" : "to", i);
        text_str(&t, "```\n");
        EXPECT_SAYS(a, &t,
                    k ? "this would be more than 64 of the kind 'channel'"
                      : "this would be more than 64 of the kind 'audience'",
                    0);
    }
    t = begin(a);
    text_str(&t, "\n```rule long\nwe may use phone only with consent");
    for (int i = 0; i < 256; i++)
        text_str(&t, " or consent");
    text_str(&t, ".\n```\n");
    EXPECT_SAYS(a, &t, "this formula is too long", 11);
    t = text_new(a, 4096);
    text_str(&t, "# More\n\n```catalogue\n");
    for (int i = 0; i < 62; i++)
        text_fmt(&t, "need n%d \"n\".\n", i);
    text_str(&t, "```\n");
    EXPECT_SAYS(a, &t, "this would be more than 64 of the kind 'need'", 65);
    arena_free(a);
}

TEST(sentences_have_their_most)
{
    static const struct {
        const char *sentence, *says;
    } rows[] = {
        {"we may use phone.\n", "a policy has at most 4096 norms"},
        {"we must never use phone.\n", "a policy has at most 4096 promises"},
        {"when request-received, staff must log.\n", "a policy has at most 4096 duties"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena *a = arena_new(1 << 20);
        struct text t = begin(a);
        rule(&t, "many", rows[i].sentence, 4099);
        EXPECT_SAYS(a, &t, rows[i].says, 0);
        EXPECT(messages.errors >= 1 && messages.errors <= 4);
        arena_free(a);
    }
}

TEST(clauses_and_documents_have_their_most)
{
    struct arena *a = arena_new(1 << 20);
    struct policy_source s[40];
    struct text t = begin(a);
    for (int i = 0; i < 4100; i++)
        text_fmt(&t, "```plain c%d\nN.\n```\n", i);
    EXPECT_SAYS(a, &t, "a policy has at most 4096 clauses", 0);
    for (int i = 0; i < 40; i++)
        s[i] = (struct policy_source){arena_fmt(a, "d%d.md", i),
                                      arena_fmt(a,
                                                "```document\ndocument d%d \"D\".\nrevision 1 in force from "
                                                "2026-01-01.\n```\n",
                                                i)};
    policy_load(a, s, 40, &messages);
    size_t too_many = 0;
    for (size_t i = 0; i < messages.n; i++)
        too_many += span_is(messages.list[i].message, "a policy has at most 32 documents");
    EXPECT_INT(too_many, 8);
    arena_free(a);
}

/* A text of 50 MB, and one of just what is taken that is nothing but sentences. */
TEST(a_text_has_its_most)
{
    struct arena *a = arena_new(1 << 20);
    struct text t = text_new(a, 50u << 20);
    while (t.len < 50u << 20)
        text_str(&t, "Prose without end. ");
    EXPECT_SAYS(a, &t, "the document is longer than 4194304 bytes", 1);
    t = begin(a);
    text_str(&t, "\n```rule bomb\n");
    while (t.len + 32 < POLICY_SOURCE_MAX)
        text_str(&t, "we may use phone.\n");
    text_str(&t, "```\n");
    EXPECT_SAYS(a, &t, "a policy has at most 4096 norms", 0);
    EXPECT(messages.n <= POLICY_MESSAGES_MAX);
    arena_free(a);
}

/* Each sentence has 64 cases of facts: after 128 of them the next is named. */
TEST(cases_of_facts_have_their_most)
{
    struct arena *a = arena_new(1 << 20);
    struct text t = text_new(a, 1 << 16);
    text_str(&t, DOCUMENT("t", "") KEEP "\n```catalogue\n");
    for (int i = 0; i < 12; i++)
        text_fmt(&t, "fact f%d \"f\".\n", i);
    text_str(&t, "```\n");
    rule(&t, "many",
         "we may use phone when (f0 or f1) and (f2 or f3) and (f4 or f5) and (f6 or f7) and (f8 or f9) and "
         "(f10 or "
         "f11).\n",
         140);
    EXPECT_SAYS(a, &t, "with this sentence the policy passes 8192 cases of facts", 0);
    arena_free(a);
}

UNIT_MAIN(CASE(names_and_formulas_have_their_most), CASE(sentences_have_their_most),
          CASE(clauses_and_documents_have_their_most), CASE(a_text_has_its_most),
          CASE(cases_of_facts_have_their_most))
