// SPDX-License-Identifier: Apache-2.0
/*
 * The policy of policies/zhishang against the requests of tests/cases/decisions/zhishang.tsv: one result for
 * each requirement (R087_golden_decisions), in which every request must get the answer, reason and clause of
 * its line.
 */
#include "file.h"
#include "policy.h"
#include "policy_folder.h"

#include <stdio.h>
#include <string.h>

#define POLICY  "policies/zhishang"
#define CASES   "tests/cases/decisions/zhishang.tsv"
#define COLUMNS 5

enum column { REQUIREMENT, REQUEST, ANSWER, REASON, CLAUSE };

struct line {
    struct span column[COLUMNS];
    size_t number;
};

static struct arena *arena;
static struct policy *policy;
static int failed;

static void result(bool ok, struct span requirement, const char *name)
{
    bool whole = span_is(requirement, "-");
    printf("%s %.*s%s%s\n", ok ? "ok" : "FAIL", whole ? 0 : (int)requirement.len, (const char *)requirement.p,
           whole ? "" : "_", name);
    failed += !ok;
}

static bool complain(const struct line *l, const char *what, struct span got)
{
    printf("  %s:%zu: %s%.*s\n", CASES, l->number, what, SPAN_F(got));
    return false;
}

/* ---- Reading the file */

static bool split(struct span text, struct line *l)
{
    size_t n = 0;
    for (; n < COLUMNS && text.len > 0; n++) {
        size_t tab = span_find(text, '\t', 0);
        l->column[n] = span_sub(text, 0, tab);
        text = span_sub(text, tab + 1, text.len);
    }
    return n == COLUMNS && text.len == 0;
}

/* The next line that holds a case; false at the end. *well: it has all columns. */
static bool next_line(struct span *rest, struct line *l, bool *well)
{
    while (rest->len > 0) {
        size_t end = span_find(*rest, '\n', 0);
        struct span text = span_sub(*rest, 0, end);
        *rest = span_sub(*rest, end + 1, rest->len);
        l->number++;
        if (text.len == 0 || text.p[0] == '#')
            continue;
        memset(l->column, 0, sizeof l->column);
        *well = split(text, l);
        return true;
    }
    return false;
}

/* ---- One case */

static bool is_or_dash(struct span got, struct span want)
{
    return span_is(want, "-") || span_eq(got, want);
}

static struct span clause_of(const struct policy_decision *d)
{
    return d->clause == POLICY_NONE ? SPAN("-") : policy_clause_ref(policy, d->clause, arena);
}

static bool agrees(const struct line *l)
{
    struct policy_request q;
    struct policy_decision d;
    struct fail f = {0};
    if (policy_request_read(policy, l->column[REQUEST], &q, &f))
        return complain(l, "cannot be read: ", span_str(f.detail));
    policy_decide(policy, &q, &d);
    struct span answer = span_str(policy_answer_name(d.answer)), clause = clause_of(&d);
    if (span_eq(answer, l->column[ANSWER]) && is_or_dash(d.reason, l->column[REASON]) &&
        is_or_dash(clause, l->column[CLAUSE]))
        return true;
    printf("  %s:%zu: %.*s: got %.*s %.*s %.*s, expected %.*s %.*s %.*s\n", CASES, l->number,
           SPAN_F(l->column[REQUEST]), SPAN_F(answer), SPAN_F(d.reason), SPAN_F(clause),
           SPAN_F(l->column[ANSWER]), SPAN_F(l->column[REASON]), SPAN_F(l->column[CLAUSE]));
    return false;
}

/* ---- All of them: lines of one requirement follow each other */

static void run_cases(struct span file)
{
    struct line l = {.number = 0};
    struct span requirement = SPAN_EMPTY;
    bool ok = true, well = false;
    while (next_line(&file, &l, &well)) {
        if (requirement.len > 0 && !span_eq(requirement, l.column[REQUIREMENT])) {
            result(ok, requirement, "golden_decisions");
            ok = true;
        }
        requirement = l.column[REQUIREMENT];
        ok = (well ? agrees(&l) : complain(&l, "five columns, please", SPAN_EMPTY)) && ok;
    }
    if (requirement.len > 0)
        result(ok, requirement, "golden_decisions");
}

/* ---- What no single decision shows */

static struct policy_decision decide(const char *request)
{
    struct policy_request q;
    struct policy_decision d = {.answer = ANSWER_NOT_APPLICABLE};
    if (!policy_request_read(policy, span_str(request), &q, NULL))
        policy_decide(policy, &q, &d);
    return d;
}

/* R003: 6 months where the music clauses speak, 24 elsewhere. */
static bool keeps_months(const char *request, uint32_t months)
{
    struct policy_decision d = decide(request);
    return d.answer == ANSWER_ALLOW && d.until_number == months && d.until_unit == UNTIL_MONTHS;
}

static void run_keep(void)
{
    bool music = keeps_months("operation=store field=media-voice-audio service=music subject=adult", 6);
    bool forum = keeps_months("operation=store field=media-voice-audio service=forum subject=adult", 24);
    result(music && forum, SPAN("R003"), "voice_stays_6_months_in_music_24_elsewhere");
}

/* R004: which documents apply, by age and service. */
static const struct {
    const char *subject, *service;
    bool group, games, children;
} applying[] = {
    {"adult", "shop", true, false, false},       {"adult", "games", true, true, false},
    {"minor", "games", true, true, false},       {"child", "shop", true, false, true},
    {"child", "games", true, true, true},        {"adult", "uncovered", false, false, false},
    {"child", "uncovered", false, false, false},
};

static bool applies(const char *document, const char *subject, const char *service)
{
    return policy_document_applies(policy, policy_document_find(policy, span_str(document)),
                                   policy_find(policy, DIM_SUBJECT, span_str(subject)),
                                   policy_find(policy, DIM_SERVICE, span_str(service)));
}

static void run_documents(void)
{
    bool ok = true;
    for (size_t i = 0; i < sizeof applying / sizeof applying[0]; i++) {
        const char *subject = applying[i].subject, *service = applying[i].service;
        ok = ok && applies("group", subject, service) == applying[i].group;
        ok = ok && applies("games", subject, service) == applying[i].games;
        ok = ok && applies("children", subject, service) == applying[i].children;
    }
    result(ok, SPAN("R004"), "documents_follow_age_and_service");
}

/* R008: none of the sentences that ask for an explicit act is satisfied by deemed agreement alone. */
static bool deemed_moves_nothing(uint16_t operation, unsigned purpose, unsigned field)
{
    struct policy_request q;
    struct policy_decision d;
    policy_request_read(policy, SPAN("service=shop subject=adult party=own needs=deemed-agreement"), &q,
                        NULL);
    q.value[DIM_OPERATION] = operation;
    q.value[DIM_PURPOSE] = (uint16_t)purpose;
    q.value[DIM_FIELD] = (uint16_t)field;
    policy_decide(policy, &q, &d);
    return d.answer > ANSWER_ALLOW_MASKED;
}

/* What the order itself shows, and the password a person sets, rest on a waiver of their own. */
static bool waived(unsigned field)
{
    struct span name = policy_name(policy, DIM_FIELD, field);
    return span_is(name, "account-credential") || span_is(name, "order-amount");
}

static void run_deemed(void)
{
    bool ok = true;
    uint16_t use = (uint16_t)policy_find(policy, DIM_OPERATION, SPAN("use"));
    unsigned marketing = policy_find(policy, DIM_PURPOSE, SPAN("direct-marketing"));
    for (unsigned f = 0; f < policy_count(policy, DIM_FIELD); f++) {
        ok = ok && deemed_moves_nothing(use, marketing, f);
        if (policy_field_grade(policy, f) < 4 || waived(f))
            continue;
        for (unsigned p = 0; p < policy_count(policy, DIM_PURPOSE); p++)
            ok = ok && deemed_moves_nothing(use, p, f);
    }
    result(ok, SPAN("R008"), "deemed_agreement_opens_no_marketing_and_nothing_sensitive");
}

/* R156, R213: a component gets a field for a purpose only where a clause of its kind says so. */
static bool component_stays(const char *subject, unsigned party, unsigned purpose, unsigned field)
{
    struct policy_request q;
    struct policy_decision d;
    policy_request_read(policy, SPAN("operation=share service=shop"), &q, NULL);
    q.value[DIM_SUBJECT] = (uint16_t)policy_find(policy, DIM_SUBJECT, span_str(subject));
    q.value[DIM_PARTY] = (uint16_t)party;
    q.value[DIM_PURPOSE] = (uint16_t)purpose;
    q.value[DIM_FIELD] = (uint16_t)field;
    q.needs = ~0ull;
    policy_decide(policy, &q, &d);
    return d.answer > ANSWER_ALLOW_MASKED || span_starts(clause_of(&d), "group/component.");
}

static bool components_stay(const char *subject)
{
    bool ok = true;
    for (unsigned party = 0; party < policy_count(policy, DIM_PARTY); party++) {
        if (!policy_in_group(policy, DIM_PARTY, party, SPAN("sdk")))
            continue;
        for (unsigned purpose = 0; purpose < policy_count(policy, DIM_PURPOSE); purpose++)
            for (unsigned field = 0; field < policy_count(policy, DIM_FIELD); field++)
                ok = ok && component_stays(subject, party, purpose, field);
    }
    return ok;
}

/* What may be shown in full: to the person, what the order holds; and what a support case is about, which a
 * mask would make useless, each with the person's explicit consent. */
static const char *const shown_in_full[] = {
    "order-items", "order-amount", "order-logistics", "pay-status", "comm-records", "cs-case-file",
};

static bool expected(const struct policy_message *m)
{
    bool named = false;
    for (size_t i = 0; i < sizeof shown_in_full / sizeof shown_in_full[0]; i++)
        named =
            named || span_starts(m->message, arena_str(arena, arena_fmt(arena, "'%s'", shown_in_full[i])));
    return m->kind == MSG_UNMASKED && named;
}

static bool clean(const struct policy_messages *m)
{
    bool ok = m->errors == 0 && m->warnings == sizeof shown_in_full / sizeof shown_in_full[0];
    for (size_t i = 0; i < m->n; i++) {
        if (expected(&m->list[i]))
            continue;
        ok = false;
        printf("  %.*s:%u: %.*s\n", SPAN_F(m->list[i].file), (unsigned)m->list[i].line,
               SPAN_F(m->list[i].message));
    }
    return ok;
}

int main(void)
{
    struct policy_messages m = {0};
    struct span cases;
    struct fail f = {0};
    setvbuf(stdout, NULL, _IOLBF, 0);
    arena = arena_new(0);
    if (policy_folder_load(arena, POLICY, &policy, &m, &f) || file_read(arena, CASES, 1 << 20, &cases, &f)) {
        printf("  %s\nFAIL reference_policy_loads\n", f.detail);
        return 1;
    }
    result(clean(&m), SPAN("-"), "reference_policy_has_no_errors_and_only_known_warnings");
    run_cases(cases);
    run_keep();
    run_documents();
    run_deemed();
    result(components_stay("adult"), SPAN("R156"), "components_get_what_their_kind_gets");
    result(components_stay("child"), SPAN("R213"), "components_get_no_more_of_a_child");
    arena_free(arena);
    return failed ? 1 : 0;
}
