// SPDX-License-Identifier: Apache-2.0
/* policy_random.h: policies and requests made at random from fixed seeds. */
#ifndef TROTH_POLICY_RANDOM_H
#define TROTH_POLICY_RANDOM_H

#include "policy_test.h"

#define RULES 12

/* ---- Random sentences. A rule names only rules before it, so that nothing lifts in circles. */

struct made {
    uint64_t random;
    struct arena *arena;
    char kind[RULES + 1]; /* g b c w */
    struct span body[RULES + 1];
    const char *must[RULES + 1];
    size_t n;
};

static inline unsigned pick(struct made *m, unsigned n)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (unsigned)((m->random >> 11) % n);
}

static inline const char *one_of(struct made *m, const char *const *list, unsigned n)
{
    return list[pick(m, n)];
}
#define ONE_OF(m, ...)                                                                                       \
    one_of((m), (const char *const[]){__VA_ARGS__},                                                          \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* A rule before this one of that kind, or RULES. */
static inline unsigned earlier(struct made *m, char kind)
{
    for (unsigned tries = 0; tries < 6 && m->n > 0; tries++) {
        unsigned i = pick(m, (unsigned)m->n);
        if (m->kind[i] == kind)
            return i;
    }
    return RULES;
}

static inline struct span act(struct made *m)
{
    const char *operations = ONE_OF(m, "use", "use, share", "keep", "collect, use, keep");
    const char *data = ONE_OF(m, "phone", "contact", "any", "grade 3 or above", "any except phone");
    const char *whose = ONE_OF(m, "", "", " of child", " of adult");
    const char *purpose = ONE_OF(m, "", " for delivery", " for promotion", " for marketing, delivery");
    const char *facts = ONE_OF(m, "", "", " when asked", " unless opted-out", " when asked or for-profit");
    return arena_fmt(m->arena, "%s %s%s%s%s", operations, data, whose, purpose, facts);
}

static inline struct span despite(struct made *m, char kind, const char *prefix)
{
    unsigned i = earlier(m, kind);
    return i == RULES || pick(m, 2) ? SPAN_EMPTY : arena_fmt(m->arena, "despite %s%u, ", prefix, i);
}

static inline struct span waiver(struct made *m, const char *prefix)
{
    unsigned i = earlier(m, 'c');
    struct span what = act(m);
    if (i == RULES)
        return arena_fmt(m->arena, "we may %.*s.", SPAN_F(what));
    return arena_fmt(m->arena, "despite %s%u, to %.*s, we need not %s.", prefix, i, SPAN_F(what), m->must[i]);
}

/* Adds one rule of the kind. `lifting`: it may begin with despite. */
static inline void make_rule(struct made *m, char kind, const char *prefix, bool lifting)
{
    struct span what = act(m);
    struct span opening = lifting ? despite(m, kind == 'g' ? 'b' : 'g', prefix) : SPAN_EMPTY;
    const char *needs =
        ONE_OF(m, "", " only with consent", " only with consent or paper", " only with paper and consent");
    m->must[m->n] = ONE_OF(m, "have consent", "have (paper or guardian-consent)", "log", "mask as initial");
    m->kind[m->n] = kind;
    if (kind == 'g')
        m->body[m->n] = arena_fmt(m->arena, "%.*swe may %.*s%s.", SPAN_F(opening), SPAN_F(what), needs);
    else if (kind == 'b')
        m->body[m->n] = arena_fmt(m->arena, "%.*swe must not %.*s.", SPAN_F(opening), SPAN_F(what));
    else if (kind == 'c')
        m->body[m->n] = arena_fmt(m->arena, "to %.*s, we must %s.", SPAN_F(what), m->must[m->n]);
    else
        m->body[m->n] = waiver(m, prefix);
    if (kind == 'w' && m->body[m->n].p[0] == 'w')
        m->kind[m->n] = 'g';
    m->n++;
}

static inline void make_rules(struct made *m, uint64_t seed, struct arena *a, const char *prefix)
{
    *m = (struct made){.random = seed * 0x9e3779b97f4a7c15u + 1, .arena = a};
    for (unsigned i = 0; i < RULES; i++)
        make_rule(m, "gggbbccw"[pick(m, 8)], prefix, true);
}

/* ---- Texts of the same rules, written differently. */

struct style {
    const char *prefix;  /* of clause ids */
    const char *between; /* prose before each rule */
    const char *comment; /* inside each rule */
    bool backwards;      /* rules and files */
};
static const struct style plain = {"r", "", "", false};

static inline struct span text_of(const struct made *m, const struct style *style)
{
    struct text t = text_new(m->arena, 4096);
    text_str(&t, "# T\n\n```document\ndocument t \"T\".\nrevision 1 in force from 2026-01-01.\n```\n" KEEP);
    for (size_t k = 0; k < m->n; k++) {
        size_t i = style->backwards ? m->n - 1 - k : k;
        text_fmt(&t, "\n%s\n```rule %s%zu\n%s%.*s\n```\n", style->between, style->prefix, i, style->comment,
                 SPAN_F(m->body[i]));
    }
    return text_span(&t);
}

static inline struct policy *load(const struct made *m, const struct style *style)
{
    struct policy_messages messages;
    struct policy_source s[] = {{SPAN("words.md"), SPAN(WORDS)}, {SPAN("t.md"), text_of(m, style)}};
    struct policy_source swapped[] = {s[1], s[0]};
    policy_load(m->arena, style->backwards ? swapped : s, 2, &messages);
    struct policy *p = messages.draft; /* made at random, permissions and bans contradict each other */
    struct text t = text_new(m->arena, 256);
    for (size_t i = 0; i < messages.n && !p; i++)
        policy_message_put(&t, &messages.list[i]);
    printf("%.*s", SPAN_F(text_span(&t)));
    EXPECT(p != NULL);
    return p;
}

static inline struct policy_request request(struct made *m, const struct policy *p)
{
    struct policy_request q = {.facts = m->random, .facts_known = UINT64_MAX, .needs = pick(m, 8)};
    for (int d = 0; d < DIM_COUNT; d++) {
        size_t n = policy_count(p, (enum policy_dimension)d);
        q.value[d] = (uint16_t)(n > 0 ? pick(m, (unsigned)n) : 0);
    }
    if (pick(m, 3) == 0)
        q.facts_known = ~(uint64_t)pick(m, 8);
    return q;
}

/* ---- Two documents of random rules, one above the other, within scopes; sentences of the higher one lift
 * those of the lower, by name and all together. */

static inline struct span random_document(struct arena *a, uint64_t seed, const char *name, const char *more)
{
    struct made m;
    struct text t = text_new(a, 4096);
    make_rules(&m, seed, a, "r");
    text_fmt(&t, "# T\n\n```document\ndocument %s \"T\".\n%srevision 1 in force from 2026-01-01.\n```\n",
             name, more);
    for (size_t i = 0; i < m.n; i++)
        text_fmt(&t, "\n```rule r%zu\n%.*s\n```\n", i, SPAN_F(m.body[i]));
    return text_span(&t);
}

#define LIMITS                                                                                               \
    RULE("keep.some", "we may keep contact until 3 days after request-received.\n"                           \
                      "we may keep any of child until purpose-ended only with consent.")
/* What `despite` may name of a document without knowing what is there: the permissions and bans that lie
 * behind the random ones. */
#define LIFTED                                                                                               \
    RULE("end.ban", "we must not use phone when for-profit.")                                                \
    RULE("end.grant", "we may use contact for survey unless asked.")

static inline struct span lifting_rules(struct arena *a, uint64_t seed)
{
    struct made m = {.random = seed * 0x9e3779b97f4a7c15u + 3, .arena = a};
    struct span grant = act(&m), ban = act(&m), both = act(&m);
    return arena_fmt(a,
                     "\n```rule x0\ndespite %s, we may %.*s.\n```\n\n```rule x1\ndespite %s, we must not "
                     "%.*s.\n```\n\n```rule x2\ndespite low/end.*, we may %.*s only with paper.\n```\n",
                     ONE_OF(&m, "low/*", "low/end.ban", "low/end.*"), SPAN_F(grant),
                     ONE_OF(&m, "*", "low/*", "x0, low/end.grant"), SPAN_F(ban), SPAN_F(both));
}

static inline const struct policy *random_policy(struct arena *a, uint64_t seed)
{
    struct policy_messages m;
    struct span low = random_document(a, seed, "low", "applies to service shop.\n"),
                high = random_document(a, seed + 1000, "high",
                                       "applies to subject child.\nprevails over low.\n"),
                lifting = seed % 2 ? lifting_rules(a, seed) : SPAN_EMPTY;
    struct policy_source s[] = {
        {SPAN("words.md"), SPAN(WORDS)},
        {SPAN("low.md"), arena_fmt(a, "%.*s%s%s%s", SPAN_F(low), LIMITS, LIFTED, KEEP)},
        {SPAN("high.md"), arena_fmt(a, "%.*s%.*s", SPAN_F(high), SPAN_F(lifting))}};
    policy_load(a, s, 3, &m);
    for (size_t i = 0; i < m.n && !m.draft; i++)
        printf("  %.*s\n", SPAN_F(m.list[i].message));
    EXPECT(m.draft != NULL);
    return m.draft;
}

#endif
