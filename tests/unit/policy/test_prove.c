// SPDX-License-Identifier: Apache-2.0
/* test_prove.c: promises, in documents and asked about; what breaks them, where, and by which request. */
#include "policy_random.h"

#define SHARING                                                                                              \
    DOCUMENT("t", "")                                                                                        \
    KEEP RULE("share.ask", "we may share any with carrier only with consent.")                               \
        RULE("share.research", "we may share contact with carrier on basis of research.")                    \
            RULE("share.stop", "despite share.*, we must not share any of child for marketing.")             \
                RULE("share.log", "to share any, we must log and have paper.") RULE(                         \
                    "show", "we may display phone when asked.\nto display phone, we must mask as blank.")

static struct policy_proofs prove(const struct policies *t, const char *sentence)
{
    struct policy_proofs proofs = {0};
    struct fail f = {0};
    enum err e = t->p ? policy_prove(t->p, span_str(sentence), t->arena, &proofs, &f) : ERR_POLICY;
    if (e != OK)
        printf("  %s: %s\n", sentence, f.detail);
    EXPECT_INT(e, OK);
    return proofs;
}

/* How many ways a sentence is broken. */
static size_t ways(const struct policies *t, const char *sentence)
{
    struct policy_proofs proofs = prove(t, sentence);
    return proofs.n == 1 ? proofs.list[0].n : 99;
}

static bool refused(const struct policies *t, const char *sentence)
{
    struct policy_proofs proofs;
    struct fail f = {0};
    return policy_prove(t->p, span_str(sentence), t->arena, &proofs, &f) == ERR_BAD_VALUE && f.detail[0] != 0;
}

TEST(never_is_proved_or_broken_by_permissions)
{
    struct policies t = policies_good(SHARING, NULL);
    EXPECT_INT(ways(&t, "we must never share any of child for marketing"), 0);
    EXPECT_INT(ways(&t, "we must never share any with own"), 0);
    EXPECT_INT(ways(&t, "we must never share identity unless consent"), 0);
    EXPECT_INT(ways(&t, "we must never share any unless consent"), 1);
    EXPECT_INT(ways(&t, "we must never share any"), 2);
    EXPECT_INT(ways(&t, "we must never share any unless paper."), 0);
    arena_free(t.arena);
}

TEST(always_is_broken_by_what_stands_in_the_way)
{
    struct policies t = policies_good(SHARING, NULL);
    EXPECT_INT(ways(&t, "we may always display phone when asked"), 0);
    EXPECT_INT(ways(&t, "we may always display phone"), 1);
    EXPECT_INT(ways(&t, "we may always share identity of adult with carrier when consent and paper"), 0);
    EXPECT_INT(ways(&t, "we may always share identity of adult with carrier only with consent and paper"), 0);
    EXPECT_INT(ways(&t, "we may always share identity of adult with carrier when consent"), 1);
    EXPECT_INT(ways(&t, "we may always share identity of child with carrier when consent and paper"), 1);
    arena_free(t.arena);
}

TEST(every_asks_for_deeds_masks_and_needs)
{
    struct policies t = policies_good(SHARING, NULL);
    EXPECT_INT(ways(&t, "every allowed share any must log"), 0);
    EXPECT_INT(ways(&t, "every allowed share any must have paper and log"), 0);
    EXPECT_INT(ways(&t, "every allowed share any must have consent"), 1);
    EXPECT_INT(ways(&t, "every allowed share any must have (consent or paper)"), 0);
    EXPECT_INT(ways(&t, "every allowed display any must mask as initial"), 0); /* blank is stronger */
    EXPECT_INT(ways(&t, "every allowed display any must log"), 1);
    arena_free(t.arena);
}

TEST(a_region_says_where_and_by_which_request)
{
    struct policies t = policies_good(SHARING, NULL);
    struct policy_proofs proofs = prove(&t, "we must never share contact unless consent");
    struct policy_region none = {.clause = POLICY_NONE};
    struct policy_region r = proofs.n == 1 && proofs.list[0].n == 1 ? proofs.list[0].regions[0] : none;
    EXPECT_SPAN(r.why, "'t/share.research' permits it");
    EXPECT_SPAN(r.where, "with carrier; on basis of research");
    EXPECT_SPAN(policy_clause_ref(t.p, r.clause, t.arena), "t/share.research");
    EXPECT_ANSWER(&t, arena_str(t.arena, r.witness), "allow");
    EXPECT_SPAN(proofs.list[0].sentence, "we must never share contact unless consent.");
    EXPECT_INT(proofs.list[0].clause, POLICY_NONE);
    arena_free(t.arena);
}

TEST(what_is_no_promise_is_refused)
{
    struct policies t = policies_good(SHARING, NULL);
    EXPECT(refused(&t, "we may share any"));
    EXPECT(refused(&t, "we must never fly any"));
    EXPECT(refused(&t, "we must never share any unless"));
    EXPECT(refused(&t, "we must never share \xff"));
    EXPECT(refused(&t, "every allowed share any must sing"));
    EXPECT(refused(&t, "```"));
    EXPECT(refused(&t, "we must never share any with own. we must never share any with own."));
    struct policy_proofs proofs;
    struct fail f = {0};
    EXPECT_INT(policy_prove(t.p, SPAN("we must never share any. never"), t.arena, &proofs, &f),
               ERR_BAD_VALUE);
    EXPECT_SPAN(span_str(f.detail), "one sentence at a time: a second one begins here");
    EXPECT_SPAN(span_str(f.where), "sentence:1:26");
    EXPECT_ANSWER(&t, "operation=display field=phone facts=asked",
                  "allow-masked"); /* the policy is as before */
    arena_free(t.arena);
}

TEST(promises_of_documents_hold_within_their_scope)
{
    struct policies t = policies_good(SHARING, DOCUMENT("u", "applies to subject child.\nprevails over t.\n")
                                                   RULE("p", "we must never share any for marketing.\n"
                                                             "every allowed share any must log."));
    struct policy_proofs proofs = prove(&t, "");
    EXPECT_INT(proofs.n, 2);
    for (size_t i = 0; i < proofs.n; i++)
        EXPECT_INT(proofs.list[i].n, 0);
    EXPECT_INT(t.m.counts[MSG_BROKEN_PROMISE], 0);
    EXPECT_INT(ways(&t, "we must never share any for marketing"), 2);
    arena_free(t.arena);
}

/* Random policies: `never` is proved exactly if deciding every request with all needs finds none allowed; a
 * witness is allowed. */
static bool any_allowed(const struct policy *p, const char *operation, const char *subject)
{
    struct policy_request q = {.facts_known = UINT64_MAX, .needs = UINT64_MAX};
    bool any = false;
    q.value[DIM_OPERATION] = (uint16_t)policy_find(p, DIM_OPERATION, span_str(operation));
    q.value[DIM_SUBJECT] = (uint16_t)policy_find(p, DIM_SUBJECT, span_str(subject));
    for (unsigned i = 0; i < 3 * 4 * 8 * 2; i++) {
        struct policy_decision d;
        q.value[DIM_PURPOSE] = (uint16_t)(i % 3);
        q.value[DIM_FIELD] = (uint16_t)(i / 3 % 4);
        q.facts = i / 12 % 8;
        q.value[DIM_BASIS] = (uint16_t)(i / 96);
        policy_decide_plain(p, &q, &d);
        any = any || d.answer <= ANSWER_ALLOW_MASKED;
    }
    return any;
}

static void check_random(struct policies *t, const char *operation, const char *subject)
{
    struct span sentence = arena_fmt(t->arena, "we must never %s any of %s", operation, subject);
    struct policy_proofs proofs = prove(t, arena_str(t->arena, sentence));
    EXPECT_INT(proofs.list[0].n > 0, any_allowed(t->p, operation, subject));
    for (size_t i = 0; i < proofs.list[0].n; i++) {
        struct policy_decision d = decide(t, arena_str(t->arena, proofs.list[0].regions[i].witness));
        EXPECT(d.answer <= ANSWER_ALLOW_MASKED);
    }
}

TEST(proofs_agree_with_enumeration)
{
    static const char *const operation[] = {"use", "share", "keep", "collect"};
    static const char *const subject[] = {"adult", "child"};
    for (uint64_t seed = 1; seed <= 60 && unit_bad == 0; seed++) {
        struct made m;
        struct policies t = {.arena = arena_new(0)};
        make_rules(&m, seed, t.arena, "r");
        t.p = load(&m, &plain);
        for (unsigned i = 0; i < 8 && t.p; i++)
            check_random(&t, operation[i % 4], subject[i / 4]);
        arena_free(t.arena);
    }
}

UNIT_MAIN(CASE(never_is_proved_or_broken_by_permissions), CASE(always_is_broken_by_what_stands_in_the_way),
          CASE(every_asks_for_deeds_masks_and_needs), CASE(a_region_says_where_and_by_which_request),
          CASE(what_is_no_promise_is_refused), CASE(promises_of_documents_hold_within_their_scope),
          CASE(proofs_agree_with_enumeration))
