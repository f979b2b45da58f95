// SPDX-License-Identifier: Apache-2.0
/*
 * test_mistakes.c: one error per sentence, however it is mistyped. Every sentence, fence and declaration of a
 * small policy stands on a line of its own; then some lines get slips at random, of the kind that fingers
 * make, but none that would make two sentences of a line. No line may be told of twice.
 */
#include "policy_random.h"

#define LINES_MAX 160
#define SLIPS_MAX 5
#define WORDS_MAX 40
#define DRAFTS    3000
#define SOURCES   4

static const char terms[] =
    "# Terms\n\n"
    "```document\n"
    "document terms \"The terms\".\n"
    "applies to service shop, forum.\n"
    "revision 1 in force from 2026-01-01.\n"
    "soon means 3 days.\n"
    "```\n\n"
    "```rule keeping\n"
    "we may keep any until 2 years after purpose-ended.\n"
    "```\n\n"
    "```rule use\n"
    "we may collect, use contact of adult for delivery, marketing only with consent.\n"
    "we may share phone with carrier for delivery only with consent and paper.\n"
    "```\n\n"
    "```rule stop\n"
    "despite use, keeping, we must not use any for marketing when opted-out as unsubscribed.\n"
    "```\n\n"
    "```rule sold\n"
    "we must not share any when for-profit.\n"
    "```\n\n"
    "```rule asked\n"
    "despite sold, stop, staff may share grade 3 or above with carrier when asked.\n"
    "```\n\n"
    "```rule conditions\n"
    "to share any with carrier, we must have paper and log.\n"
    "to display identity, we must mask as initial and have (consent or paper).\n"
    "```\n\n"
    "```rule waiver\n"
    "despite conditions, to share phone with carrier, we need not have paper and log.\n"
    "```\n\n"
    "```rule promises\n"
    "we must never share identity of child with carrier unless guardian-consent.\n"
    "guardian may always use contact of child for delivery.\n"
    "every allowed share any must log.\n"
    "```\n\n"
    "```rule duties\n"
    "when request-received, staff must answer the person to everybody by letter soon.\n"
    "when request-received and asked, staff must answer within 15 days, otherwise log it.\n"
    "```\n\n"
    "```plain why\n"
    "Nothing is enforced here.\n"
    "```\n\n";

static const char annex[] = "# Annex\n\n"
                            "```document\n"
                            "document annex \"The annex\".\n"
                            "applies to subject child.\n"
                            "prevails over terms.\n"
                            "revision 1 in force from 2026-01-01.\n"
                            "```\n\n"
                            "```rule child\n"
                            "despite terms/stop, terms/sold, guardian may use any except id-card in shop.\n"
                            "```\n\n";

static const char chinese[] = "# Terms again\n\n"
                              "```document\n"
                              "```\n\n"
                              "```rule keeping\n"
                              "```\n\n"
                              "```rule use\n"
                              "```\n\n"
                              "```words\n"
                              "phone \"a telephone\".\n"
                              "email \"a letter\".\n"
                              "delivery \"bringing it\".\n"
                              "```\n\n";

/* All lines of one text, with room to change them. */
struct draft {
    struct made dice; /* for its numbers */
    struct span line[LINES_MAX];
    size_t n;
};

static struct draft draft_of(struct arena *a, struct span text, uint64_t seed)
{
    struct draft d = {.dice = {.random = seed * 0x9e3779b97f4a7c15u | 1, .arena = a}};
    while (text.len > 0 && d.n < LINES_MAX && span_cut(&text, '\n', &d.line[d.n]))
        d.n++;
    return d;
}

static struct span text_of_draft(const struct draft *d)
{
    struct text t = text_new(d->dice.arena, 4096);
    for (size_t i = 0; i < d->n; i++)
        text_fmt(&t, "%.*s\n", SPAN_F(d->line[i]));
    return text_span(&t);
}

static struct span without_stop(struct span s)
{
    while (s.len > 0 && s.p[s.len - 1] == '.')
        s.len--;
    return s;
}

/* Between two lines' words: without a word, with one twice, with one of another line. No stop gets inside. */
static struct span slip_of_words(struct draft *d, struct span line, struct span other)
{
    struct span word[WORDS_MAX], some = SPAN("we");
    size_t n = 0;
    struct text t = text_new(d->dice.arena, line.len * 2 + 64);
    while (n < WORDS_MAX && span_cut(&line, ' ', &word[n]))
        n++;
    for (size_t skip = pick(&d->dice, 6); skip-- > 0 && span_cut(&other, ' ', &some);)
        continue;
    size_t at = pick(&d->dice, (unsigned)n), how = pick(&d->dice, 3);
    for (size_t i = 0; i < n; i++) {
        const char *before = i > 0 ? " " : "";
        if (i == at && how == 0)
            continue;
        if (i == at)
            text_fmt(&t, "%s%.*s", before, SPAN_F(without_stop(how == 1 ? word[i] : some)));
        if (i != at || how == 1)
            text_fmt(&t, " %.*s", SPAN_F(word[i]));
    }
    return text_span(&t);
}

static struct span slip_of_letters(struct draft *d, struct span line)
{
    const char *instead = ONE_OF(&d->dice, "", "", "x", "-", "_", ",", ":", "(", ")", "*", "/", "\"", "\t",
                                 ";", " ", "`", "\xef\xbc\x8c", "\xd0\xb5", "\xe2\x80\x8b", "9");
    size_t at = pick(&d->dice, (unsigned)line.len);
    return arena_fmt(d->dice.arena, "%.*s%s%.*s", SPAN_F(span_sub(line, 0, at)), instead,
                     SPAN_F(span_sub(line, at + 1, line.len)));
}

static void slip(struct draft *d)
{
    size_t i = pick(&d->dice, (unsigned)d->n), k = pick(&d->dice, (unsigned)d->n);
    struct span line = d->line[i];
    if (line.len == 0)
        return;
    switch (pick(&d->dice, 5)) {
    case 0:
    case 1:
        d->line[i] = slip_of_words(d, line, d->line[k]);
        break;
    case 2:
    case 3:
        d->line[i] = slip_of_letters(d, line);
        break;
    default:
        d->line[i] = pick(&d->dice, 2) ? without_stop(line) : d->line[k];
    }
}

/* An error about how something is written; contradictions and the like may be several of one sentence. */
static bool of_writing(const struct policy_message *m)
{
    return m->severity == POLICY_ERROR &&
           (m->kind == MSG_SYNTAX || m->kind == MSG_NAME || m->kind == MSG_CYCLE);
}

static size_t errors_of_writing(const struct policy_messages *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (!of_writing(&m->list[i]))
            continue;
        n++;
        printf("  %u: %.*s\n", m->list[i].line, SPAN_F(m->list[i].message));
    }
    return n;
}

static size_t told_twice(const struct policy_messages *m)
{
    size_t twice = 0;
    for (size_t i = 1; i < m->n; i++) {
        const struct policy_message *a = &m->list[i - 1], *b = &m->list[i];
        if (!of_writing(a) || !of_writing(b) || a->line != b->line || !span_eq(a->file, b->file))
            continue;
        twice++;
        printf("  %.*s:%u: %.*s\n  and: %.*s\n  of: %.*s\n", SPAN_F(a->file), a->line, SPAN_F(a->message),
               SPAN_F(b->message), SPAN_F(a->source_line));
    }
    return twice;
}

static void write_badly(struct arena *a, uint64_t seed, struct policy_messages *m)
{
    struct policy_source s[SOURCES] = {{SPAN("annex.md"), span_str(annex)},
                                       {SPAN("terms.md"), span_str(terms)},
                                       {SPAN("terms.zh-CN.md"), span_str(chinese)},
                                       {SPAN("words.md"), SPAN(WORDS)}};
    struct draft d;
    for (size_t i = 0; i < SOURCES && seed > 0; i++) {
        d = draft_of(a, s[i].text, seed * SOURCES + i);
        for (unsigned slips = pick(&d.dice, SLIPS_MAX + 1); slips > 0; slips--)
            slip(&d);
        s[i].text = text_of_draft(&d);
    }
    policy_load(a, s, SOURCES, m);
}

TEST(no_sentence_is_told_of_twice)
{
    size_t wrong = 0, twice = 0;
    for (uint64_t seed = 0; seed < DRAFTS && twice == 0; seed++) {
        struct arena *a = arena_new(0);
        struct policy_messages m;
        write_badly(a, seed, &m);
        if (seed == 0) /* as it stands above it is well written */
            EXPECT_INT(errors_of_writing(&m), 0);
        wrong += m.errors > 0;
        twice += told_twice(&m);
        arena_free(a);
    }
    EXPECT_INT(twice, 0);
    EXPECT(wrong > DRAFTS / 2);
}

UNIT_MAIN(CASE(no_sentence_is_told_of_twice))
