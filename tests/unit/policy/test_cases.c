// SPDX-License-Identifier: Apache-2.0
/*
 * test_cases.c: golden cases. tests/cases/policy/NAME holds the documents, `expected` (the messages) and,
 * where there is a `requests` file with one request a line, `answers` (the explanations). With TROTH_UPDATE=1
 * in the environment what comes out is written there instead; read the difference before committing it.
 */
#include "file.h"
#include "policy_test.h"
#include "policy_translate.h"

#include <sys/stat.h>

#define CASES     "tests/cases/policy"
#define REFERENCE "../shared/reference-policy"

static bool is_document(struct span name)
{
    return span_find(name, '.', 0) + 3 == name.len || policy_translation_named(name);
}

static struct policy *load_folder(struct arena *a, const char *dir, struct policy_messages *m)
{
    struct span *names = NULL;
    size_t n = 0, k = 0;
    struct fail f = {0};
    EXPECT_INT(file_list(a, dir, ".md", &names, &n, &f), OK);
    struct policy_source *s = ARENA_ARRAY(a, n + 1, struct policy_source);
    for (size_t i = 0; i < n; i++) {
        if (!is_document(names[i]))
            continue;
        struct span path = arena_fmt(a, "%s/%.*s", dir, SPAN_F(names[i]));
        s[k].name = names[i];
        EXPECT_INT(file_read(a, arena_str(a, path), POLICY_SOURCE_MAX, &s[k++].text, &f), OK);
    }
    return policy_load(a, s, k, m);
}

static void compare(struct arena *a, const char *dir, const char *name, struct span got)
{
    const char *path = arena_str(a, arena_fmt(a, "%s/%s", dir, name));
    struct span want = SPAN_EMPTY;
    struct fail f = {0};
    if (getenv("TROTH_UPDATE"))
        EXPECT_INT(file_write_durable(path, got, 0644, &f), OK);
    EXPECT_INT(file_read(a, path, 1 << 20, &want, &f), OK);
    if (span_eq(got, want))
        return;
    unit_bad++;
    printf("  %s is not what came out:\n%.*s", path, SPAN_F(got));
}

static struct span messages_text(struct arena *a, const struct policy_messages *m)
{
    struct text t = text_new(a, 1024);
    for (size_t i = 0; i < m->n; i++)
        policy_message_put(&t, &m->list[i]);
    text_fmt(&t, "%zu errors, %zu warnings\n", m->errors, m->warnings);
    return text_span(&t);
}

static void put_answer(struct arena *a, const struct policy *p, struct span request, struct text *t)
{
    struct policy_request q;
    struct policy_decision d;
    struct policy_trace trace;
    struct fail f = {0};
    text_fmt(t, "> %.*s\n", SPAN_F(request));
    if (policy_request_read(p, request, &q, &f) != OK) {
        text_fmt(t, "%s %s\n\n", f.detail, f.hint);
        return;
    }
    policy_explain(p, &q, &d, a, &trace);
    policy_explain_put(p, &q, &d, &trace, t);
    text_char(t, '\n');
}

static void check_answers(struct arena *a, const struct policy *p, const char *dir)
{
    const char *path = arena_str(a, arena_fmt(a, "%s/requests", dir));
    struct span lines, line;
    struct fail f = {0};
    struct text t = text_new(a, 4096);
    if (!file_exists(path) || file_read(a, path, 1 << 20, &lines, &f) != OK)
        return;
    EXPECT(p != NULL);
    while (p && span_cut(&lines, '\n', &line))
        if (line.len > 0)
            put_answer(a, p, line, &t);
    compare(a, dir, "answers", text_span(&t));
}

/* Messages about requests that may lack the other place, a request, or both (docs/policy-reference.md). */
static const struct {
    enum policy_message_kind kind;
    const char *begins;
    bool place, request;
} lacking[] = {
    {MSG_CYCLE, "the group ", false, true},
    {MSG_CYCLE, "clauses lift each other", false, true},
    {MSG_CYCLE, "a document cannot prevail over itself", false, true},
    {MSG_CYCLE, "the document ", false, true},
    {MSG_BROKEN_PROMISE, "this promise is broken: no sentence permits it", true, false},
    {MSG_NO_KEEP_RULE, "no 'keep' or 'store' sentence", true, true},
    {MSG_UNUSED, "no permission names", true, true},
    {MSG_DEAD_NORM, "this sentence never takes effect: its document", false, true},
    {MSG_REDUNDANT_NORM, "leaving this sentence out changes no answer", false, true},
};

static bool about_requests(enum policy_message_kind k)
{
    return k != MSG_SYNTAX && k != MSG_NAME && k != MSG_UNCOVERED && k != MSG_UNTRANSLATED;
}

/* Whoever says that something is wrong with answers, shows one; and whoever says that two meet, both. */
static void expect_place_and_request(const struct policy_message *m)
{
    bool place = m->other.len > 0, request = m->witness.len > 0 && m->example.len > 0;
    for (size_t i = 0; i < sizeof lacking / sizeof lacking[0]; i++) {
        bool this = lacking[i].kind == m->kind && span_starts(m->message, lacking[i].begins);
        place |= this && lacking[i].place;
        request |= this && lacking[i].request;
    }
    EXPECT(place && request);
    if (!place || !request)
        printf("  %.*s:%u: %.*s\n", SPAN_F(m->file), m->line, SPAN_F(m->message));
}

static void check_case(struct arena *a, struct span name)
{
    const char *dir = arena_str(a, arena_fmt(a, "%s/%.*s", CASES, SPAN_F(name)));
    struct stat st;
    struct policy_messages m;
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
        return;
    struct policy *p = load_folder(a, dir, &m);
    EXPECT((p == NULL) == (m.errors > 0));
    for (size_t i = 0; i < m.n; i++)
        if (about_requests(m.list[i].kind))
            expect_place_and_request(&m.list[i]);
    compare(a, dir, "expected", messages_text(a, &m));
    check_answers(a, p, dir);
}

TEST(every_case_says_what_is_expected)
{
    struct arena *a = arena_new(0);
    struct span *names = NULL;
    size_t n = 0;
    struct fail f = {0};
    EXPECT_INT(file_list(a, CASES, "", &names, &n, &f), OK);
    EXPECT(n > 30);
    for (size_t i = 0; i < n; i++)
        check_case(a, names[i]);
    arena_free(a);
}

struct expected_counts {
    enum policy_message_kind kind;
    size_t n;
};

/* False: it does not lie beside this repository. */
static bool load_reference(struct arena *a, const char *name, struct policy_messages *m)
{
    const char *dir = arena_str(a, arena_fmt(a, "%s/%s", REFERENCE, name));
    if (!file_exists(dir))
        return false;
    load_folder(a, dir, m);
    EXPECT(m->draft != NULL);
    EXPECT_INT(m->draft ? policy_duties(m->draft) : 0, 8);
    EXPECT(!m->draft || policy_packed(m->draft).len <= 32 * 1024);
    return true;
}

/* The second place, and an example wherever sentences that meet in a request are spoken of. */
static void expect_both_places(const struct policy_messages *m)
{
    for (size_t i = 0; i < m->n; i++) {
        EXPECT(m->list[i].other.len > 0);
        EXPECT(m->list[i].witness.len > 0 && m->list[i].example.len > 0);
    }
}

/* The encodings of the reference policy are not part of this repository: checked where they lie beside it. */
TEST(the_faults_of_the_literal_encoding_are_found)
{
    static const struct expected_counts want[] = {
        {MSG_CONTRADICTION, 8},  {MSG_SILENT_LIFTING, 6},   {MSG_BROKEN_PROMISE, 6}, {MSG_DEAD_NORM, 3},
        {MSG_REDUNDANT_NORM, 7}, {MSG_UNRANKED_OVERLAP, 0}, {MSG_NO_KEEP_RULE, 0},   {MSG_CYCLE, 0},
    };
    struct arena *a = arena_new(0);
    struct policy_messages m;
    bool there = load_reference(a, "literal", &m);
    for (size_t i = 0; there && i < sizeof want / sizeof want[0]; i++)
        EXPECT_INT(m.counts[want[i].kind], want[i].n);
    if (there)
        expect_both_places(&m);
    arena_free(a);
}

/* What is said of the one is said of the other, at whatever line. */
static bool says_too(const struct policy_messages *m, const struct policy_message *one)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->list[i].kind == one->kind && span_eq(m->list[i].message, one->message) &&
            span_eq(m->list[i].source_line, one->source_line) && span_eq(m->list[i].witness, one->witness))
            return true;
    return false;
}

/* Nine of the eleven warnings of `literal`, word for word: what was mended is a ban that never stood, which
 * is two. So no definition finds them here, where they belong to the counts above, and not there. */
TEST(what_is_warned_of_in_the_repaired_encoding_stands_in_the_literal_one)
{
    struct arena *a = arena_new(0);
    struct policy_messages literal, repaired;
    bool there = load_reference(a, "literal", &literal) && load_reference(a, "repaired", &repaired);
    EXPECT(!there || (literal.warnings == 11 && repaired.warnings == 9));
    for (size_t i = 0; there && i < repaired.n; i++)
        EXPECT(says_too(&literal, &repaired.list[i]));
    arena_free(a);
}

/* No error is left. What is warned of is so, and does no harm: a source of data that is listed and that no
 * sentence names; two annexes that say again what the group's text permits to guardians, who should find it
 * there; two permissions inside wider ones, from lists that would be odd without them; two masks for what
 * nothing shows as yet, which are to be there on the day something does. */
TEST(the_repaired_encoding_is_without_errors)
{
    static const struct {
        enum policy_message_kind kind;
        const char *clause;
    } want[] = {
        {MSG_UNUSED, ""},
        {MSG_REDUNDANT_NORM, "children/child.share-guardian"},
        {MSG_REDUNDANT_NORM, "games/games.exc-5-guardian"},
        {MSG_REDUNDANT_NORM, "group/order.partners"},
        {MSG_REDUNDANT_NORM, "group/share.exc-11-public-interest"},
        {MSG_DEAD_NORM, "group/protect.masking"},
        {MSG_REDUNDANT_NORM, "group/protect.masking"},
        {MSG_DEAD_NORM, "group/protect.masking"},
        {MSG_REDUNDANT_NORM, "group/protect.masking"},
    };
    size_t n = sizeof want / sizeof want[0];
    struct arena *a = arena_new(0);
    struct policy_messages m;
    bool there = load_reference(a, "repaired", &m);
    EXPECT(!there || (m.errors == 0 && m.n == n));
    for (size_t i = 0; there && i < n && i < m.n; i++) {
        EXPECT_INT(m.list[i].kind, want[i].kind);
        EXPECT_SPAN(m.list[i].clause, want[i].clause);
    }
    if (there)
        expect_both_places(&m);
    arena_free(a);
}

UNIT_MAIN(CASE(every_case_says_what_is_expected), CASE(the_faults_of_the_literal_encoding_are_found),
          CASE(what_is_warned_of_in_the_repaired_encoding_stands_in_the_literal_one),
          CASE(the_repaired_encoding_is_without_errors))
