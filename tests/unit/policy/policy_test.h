// SPDX-License-Identifier: Apache-2.0
/* policy_test.h: policies from strings, decisions from words. */
#ifndef TROTH_POLICY_TEST_H
#define TROTH_POLICY_TEST_H

#include "policy.h"
#include "unit.h"

#define WORDS                                                                                                \
    "# Words\n\n```catalogue\n"                                                                              \
    "category contact grade 2: phone, email.\n"                                                              \
    "category identity grade 4: id-card, real-name.\n"                                                       \
    "data reach: email and identity.\n"                                                                      \
    "operation collect, use, display, keep, share.\n"                                                        \
    "actor us: service, staff.\nactor guardian.\n"                                                           \
    "subject person: adult, child.\n"                                                                        \
    "service all-services: shop, forum.\n"                                                                   \
    "purpose delivery.\npurpose promotion: marketing, survey.\n"                                             \
    "party own.\nparty carrier.\n"                                                                           \
    "basis none-claimed, research.\n"                                                                        \
    "need consent \"agreed\" from consent otherwise consent-required.\n"                                     \
    "need guardian-consent \"a guardian agreed\" otherwise guardian-required.\n"                             \
    "need paper \"a paper is there\".\n"                                                                     \
    "fact opted-out \"said no\" from preference.\nfact for-profit \"sold\".\nfact asked \"asked\".\n"        \
    "event purpose-ended, request-received.\n"                                                               \
    "mask initial \"first letter\".\nmask blank \"nothing\".\n"                                              \
    "```\n"
#define DOCUMENT(name, more)                                                                                 \
    "```document\ndocument " name " \"T\".\n" more "revision 1 in force from 2026-01-01.\n```\n"
#define RULE(id, body) "\n```rule " id "\n" body "\n```\n"
#define KEEP           RULE("keep.all", "we may keep any until purpose-ended.")

struct policies {
    struct arena *arena;
    struct policy *p;
    struct policy_messages m;
};

/* The words, and up to two documents. What could be compiled is decided on, even if a permission and a ban of
 * it contradict each other. */
static inline struct policies policies_new(const char *first, const char *second)
{
    struct policies t = {.arena = arena_new(0)};
    struct policy_source s[] = {{SPAN("words.md"), SPAN(WORDS)},
                                {SPAN("first.md"), span_str(first)},
                                {SPAN("second.md"), span_str(second)}};
    policy_load(t.arena, s, second ? 3 : 2, &t.m);
    t.p = t.m.draft;
    return t;
}

/* As above, and says why if it is not clean. */
static inline struct policies policies_good(const char *first, const char *second)
{
    struct policies t = policies_new(first, second);
    struct text text = text_new(t.arena, 256);
    for (size_t i = 0; i < t.m.n && !t.p; i++)
        policy_message_put(&text, &t.m.list[i]);
    printf("%.*s", SPAN_F(text_span(&text)));
    EXPECT(t.p != NULL);
    return t;
}

/* Of words with one key the last stays: tests say what is usual, and then what is not. */
static inline struct span last_of_each(struct arena *a, struct span request)
{
    struct text t = text_new(a, request.len + 1);
    struct span word, key, rest = request;
    while (span_cut(&rest, ' ', &word)) {
        struct span later = rest, other, other_key;
        bool again = false;
        span_cut(&(struct span){word.p, word.len}, '=', &key);
        while (span_cut(&later, ' ', &other))
            again |= span_cut(&other, '=', &other_key) && span_eq(key, other_key);
        if (!again)
            text_fmt(&t, "%.*s ", SPAN_F(word));
    }
    return text_span(&t);
}

static inline struct policy_decision decide(const struct policies *t, const char *request)
{
    struct policy_request q;
    struct policy_decision d = {.answer = ANSWER_NOT_APPLICABLE, .clause = POLICY_NONE};
    struct fail f = {0};
    bool read = t->p && policy_request_read(t->p, last_of_each(t->arena, span_str(request)), &q, &f) == OK;
    EXPECT(read);
    if (!read)
        printf("  %s: %s\n", request, f.detail);
    else
        policy_decide(t->p, &q, &d);
    return d;
}

static inline const char *answer(const struct policies *t, const char *request)
{
    return policy_answer_name(decide(t, request).answer);
}

#define EXPECT_STR(got, want)           EXPECT_SPAN(span_str(got), want)
#define EXPECT_ANSWER(t, request, want) EXPECT_STR(answer((t), (request)), (want))
#define EXPECT_CLAUSE(t, d, want)                                                                            \
    EXPECT_SPAN((t)->p ? policy_clause_ref((t)->p, (d).clause, (t)->arena) : SPAN_EMPTY, (want))

static inline uint64_t need_bit(const struct policies *t, const char *name)
{
    return 1ull << policy_kind_find(t->p, KIND_NEED, span_str(name));
}

static inline uint64_t deed_bit(const struct policies *t, const char *name)
{
    return 1ull << policy_kind_find(t->p, KIND_DEED, span_str(name));
}

#endif
