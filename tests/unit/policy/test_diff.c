// SPDX-License-Identifier: Apache-2.0
/* test_diff.c: what changes between two policies: laws on policies made at random, against the plain
 * evaluator, and each way in which rights are reduced or protected. */
#include "policy_diff.h"
#include "policy_random.h"

#define POLICIES UNIT_ROUNDS(60)
#define REQUESTS 300

/* ---- Two policies */

static struct policy *read_policy(struct arena *a, struct span words, struct span rules)
{
    struct policy_messages m;
    struct policy_source s[] = {{SPAN("words.md"), words}, {SPAN("t.md"), rules}};
    policy_load(a, s, 2, &m);
    return m.draft;
}

static struct policy_diff diff(struct arena *a, const struct policy *old, const struct policy *new)
{
    struct policy_diff d = {.n = 0};
    struct fail f = {0};
    enum err e = policy_diff(old, new, a, &d, &f);
    if (e != OK)
        printf("  %s\n", f.detail);
    EXPECT_INT(e, OK);
    return d;
}

static void expect_no_change(struct arena *a, const struct policy *old, const struct policy *new)
{
    struct policy_diff d = diff(a, old, new);
    struct text t = text_new(a, 1024);
    EXPECT_INT(d.n, 0);
    if (d.n > 0) {
        policy_diff_put(&d, &t);
        printf("%.*s", SPAN_F(text_span(&t)));
    }
}

/* ---- Words of the catalogue, with one thing changed */

static struct span replaced(struct arena *a, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    EXPECT(at != NULL);
    if (!at)
        return span_str(text);
    return arena_fmt(a, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static struct span other_words(struct arena *a, unsigned which)
{
    switch (which) {
    case 1:
        return replaced(a, WORDS, "phone, email.", "email, fax, phone.");
    case 2:
        return replaced(a, WORDS, "purpose delivery.", "purpose gaming.\npurpose delivery.");
    case 3:
        return replaced(a, WORDS, "marketing, survey.", "survey, marketing, prizes.");
    case 4:
        return replaced(a, WORDS, "fact opted-out", "fact young \"young\".\nfact opted-out");
    case 5:
        return replaced(a, WORDS, "need paper", "need stamp \"a stamp\".\nneed paper");
    case 6:
        return replaced(a, WORDS, "grade 2: phone", "grade 3: phone");
    default:
        return SPAN(WORDS);
    }
}

/* The same rules with up to three of them made again. */
static void remake(struct made *m, unsigned how_many)
{
    for (unsigned i = 0; i < how_many; i++) {
        unsigned at = pick(m, RULES);
        size_t n = m->n;
        if (m->kind[at] != 'g' && m->kind[at] != 'b')
            continue;
        m->n = at;
        make_rule(m, m->kind[at], "r", true);
        m->n = n;
    }
}

/* ---- Against the plain evaluator */

/* The request of one policy in the numbers of another; false: it does not know a value. */
static bool translate(const struct policy *from, const struct policy_request *q, const struct policy *to,
                      struct policy_request *out)
{
    *out = (struct policy_request){.facts_known = UINT64_MAX};
    for (int d = 0; d < DIM_COUNT; d++) {
        if (policy_count(from, (enum policy_dimension)d) == 0)
            continue;
        unsigned v = policy_find(to, (enum policy_dimension)d,
                                 policy_name(from, (enum policy_dimension)d, q->value[d]));
        if (v == POLICY_NONE)
            return false;
        out->value[d] = (uint16_t)v;
    }
    for (unsigned i = 0; i < policy_kind_count(from, KIND_FACT); i++) {
        unsigned k = policy_kind_find(to, KIND_FACT, policy_kind_name(from, KIND_FACT, i));
        if (k != POLICY_NONE && (q->facts >> i & 1))
            out->facts |= 1ull << k;
    }
    for (unsigned i = 0; i < policy_kind_count(from, KIND_NEED); i++) {
        unsigned k = policy_kind_find(to, KIND_NEED, policy_kind_name(from, KIND_NEED, i));
        if (k != POLICY_NONE && (q->needs >> i & 1))
            out->needs |= 1ull << k;
    }
    return true;
}

static bool same_kind(const struct policy *p, const struct policy *q, enum policy_kind k, unsigned a,
                      unsigned b)
{
    if (a == POLICY_NONE || b == POLICY_NONE)
        return a == b;
    return span_eq(policy_kind_name(p, k, a), policy_kind_name(q, k, b));
}

static bool same_deeds(const struct policy *p, const struct policy *q, uint64_t a, uint64_t b)
{
    bool same = __builtin_popcountll(a) == __builtin_popcountll(b);
    for (; a; a &= a - 1) {
        unsigned i =
            policy_kind_find(q, KIND_DEED, policy_kind_name(p, KIND_DEED, (unsigned)__builtin_ctzll(a)));
        same = same && i != POLICY_NONE && (b >> i & 1);
    }
    return same;
}

static bool same_answer(const struct policy *p, const struct policy_decision *a, const struct policy *q,
                        const struct policy_decision *b)
{
    if (a->answer != b->answer)
        return false;
    if (a->answer == ANSWER_NEEDS)
        return __builtin_popcountll(a->missing) == __builtin_popcountll(b->missing);
    return a->answer > ANSWER_ALLOW_MASKED ||
           (same_kind(p, q, KIND_MASK, a->mask, b->mask) && same_deeds(p, q, a->deeds, b->deeds) &&
            same_kind(p, q, KIND_EVENT, a->until_event, b->until_event) &&
            a->until_number == b->until_number && a->until_unit == b->until_unit);
}

static bool some_region_holds(const struct policy_diff *d, enum policy_side side,
                              const struct policy_request *q)
{
    for (size_t i = 0; i < d->n; i++)
        if (policy_change_holds(d, &d->list[i], side, q))
            return true;
    return false;
}

/* Whatever is answered otherwise lies in a region. */
static size_t expect_complete(struct made *m, const struct policy_diff *d, enum policy_side side)
{
    const struct policy *p = side == DIFF_OLD ? d->old : d->new, *other = side == DIFF_OLD ? d->new : d->old;
    size_t differ = 0;
    for (int i = 0; i < REQUESTS; i++) {
        struct policy_request q = request(m, p), r;
        struct policy_decision a, b = {.answer = ANSWER_DENY};
        q.facts_known = UINT64_MAX;
        policy_decide_plain(p, &q, &a);
        bool known = translate(p, &q, other, &r);
        if (known)
            policy_decide_plain(other, &r, &b);
        if (!known && a.answer == ANSWER_NOT_APPLICABLE)
            continue;
        if (same_answer(p, &a, other, &b))
            continue;
        differ++;
        EXPECT(some_region_holds(d, side, &q));
    }
    return differ;
}

/* The witness of each region is in it and is answered otherwise. */
static void expect_sound(const struct policy_diff *d)
{
    const struct policy *p[] = {d->old, d->new};
    for (size_t i = 0; i < d->n; i++) {
        const struct policy_change *c = &d->list[i];
        struct policy_decision decision[] = {{.answer = ANSWER_DENY}, {.answer = ANSWER_DENY}};
        if (c->kind != CHANGE_ANSWERS && c->kind != CHANGE_SCOPE)
            continue;
        EXPECT(c->witness[0].len > 0 || c->witness[1].len > 0);
        EXPECT(c->size > 0);
        for (int side = 0; side < DIFF_SIDES; side++) {
            struct policy_request q;
            struct fail f = {0};
            if (c->witness[side].len == 0)
                continue;
            EXPECT_INT(policy_request_read(p[side], c->witness[side], &q, &f), OK);
            policy_decide_plain(p[side], &q, &decision[side]);
            EXPECT_INT(decision[side].answer, c->decision[side].answer);
            EXPECT(policy_change_holds(d, c, (enum policy_side)side, &q));
        }
        EXPECT(!same_answer(d->old, &decision[0], d->new, &decision[1]));
    }
}

TEST(witnesses_differ_and_differences_lie_in_regions)
{
    size_t differ = 0, changes = 0, pairs = 0;
    for (uint64_t seed = 1; seed <= POLICIES * 4 && unit_bad == 0; seed++) {
        struct arena *a = arena_new(0);
        struct made m;
        make_rules(&m, seed, a, "r");
        const struct policy *old = read_policy(a, SPAN(WORDS), text_of(&m, &plain)), *new;
        remake(&m, 1 + (unsigned)(seed % 4));
        new = read_policy(a, other_words(a, (unsigned)(seed % 8)), text_of(&m, &plain));
        if (old && new) {
            struct policy_diff d = diff(a, old, new);
            expect_sound(&d);
            differ += expect_complete(&m, &d, DIFF_NEW) + expect_complete(&m, &d, DIFF_OLD);
            changes += d.n;
            pairs++;
        }
        arena_free(a);
    }
    EXPECT(pairs > POLICIES * 2);
    EXPECT(changes > pairs);
    EXPECT(differ > 1000);
}

TEST(what_is_only_written_otherwise_is_no_change)
{
    static const struct style styles[] = {
        {"r", "", "", false},
        {"r", "", "", true},
        {"other.name-", "", "", false},
        {"r", "## A heading\n\nSome *prose*, with `code`.\n", "-- a comment: we may not\n", false},
        {"z.r", "More prose.\n", "-- another\n", true},
    };
    for (uint64_t seed = 1; seed <= POLICIES && unit_bad == 0; seed++) {
        struct arena *a = arena_new(0);
        struct made m;
        make_rules(&m, seed, a, "r");
        const struct policy *p = load(&m, &plain);
        for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++) {
            make_rules(&m, seed, a, styles[i].prefix);
            expect_no_change(a, p, load(&m, &styles[i]));
        }
        arena_free(a);
    }
}

/* Declared in another order, and in other words. */
TEST(the_catalogue_in_another_order_is_no_change)
{
    for (uint64_t seed = 1; seed <= POLICIES && unit_bad == 0; seed++) {
        struct arena *a = arena_new(0);
        struct made m;
        make_rules(&m, seed, a, "r");
        struct span words = replaced(a, WORDS, "phone, email.", "email, phone.");
        words = replaced(a, arena_str(a, words), "marketing, survey.", "survey, marketing.");
        words = replaced(a, arena_str(a, words), "\"said no\"", "\"the person refused\"");
        words = replaced(a, arena_str(a, words), "fact asked \"asked\".\n", "");
        words = replaced(a, arena_str(a, words), "fact opted-out", "fact asked \"asked\".\nfact opted-out");
        const struct policy *p = load(&m, &plain), *q = read_policy(a, words, text_of(&m, &plain));
        EXPECT(q != NULL);
        if (p && q)
            expect_no_change(a, p, q);
        arena_free(a);
    }
}

/* ---- One change at a time */

#define RULES_OF(more) "# T\n\n" DOCUMENT("t", "") KEEP more

struct both {
    struct arena *arena;
    struct policy *old, *new;
    struct policy_diff d;
};

static struct both both_words(const char *words_old, const char *old, struct span words_new, const char *new)
{
    struct both b = {.arena = arena_new(0)};
    b.old = read_policy(b.arena, span_str(words_old), span_str(old));
    b.new = read_policy(b.arena, words_new, span_str(new));
    EXPECT(b.old && b.new);
    if (b.old && b.new)
        b.d = diff(b.arena, b.old, b.new);
    if (b.old && b.new)
        expect_sound(&b.d);
    return b;
}

/* One change, of that kind and effect, with that difference in it; and the mirror the other way round. */
static void expect_one(const char *old, const char *new, enum policy_change_kind kind, unsigned differs,
                       enum policy_effect effect)
{
    struct both b = both_words(WORDS, old, SPAN(WORDS), new);
    EXPECT_INT(b.d.n, 1);
    if (b.d.n == 1) {
        EXPECT_INT(b.d.list[0].kind, kind);
        EXPECT_INT(b.d.list[0].differs, differs);
        EXPECT_INT(b.d.list[0].effect, effect);
    }
    if (unit_bad) {
        struct text t = text_new(b.arena, 1024);
        policy_diff_put(&b.d, &t);
        printf("%.*s", SPAN_F(text_span(&t)));
    }
    arena_free(b.arena);
}

static void expect_mirrored(const char *old, const char *new, enum policy_change_kind kind, unsigned reduces,
                            unsigned protects)
{
    expect_one(old, new, kind, reduces, EFFECT_REDUCES);
    expect_one(new, old, kind, protects, EFFECT_PROTECTS);
}

TEST(more_for_us_reduces_rights)
{
    expect_mirrored(RULES_OF(RULE("a", "we may use phone for delivery only with consent.")),
                    RULES_OF(RULE("a", "we may use phone for delivery.")), CHANGE_ANSWERS, DIFFERS_MORE,
                    DIFFERS_LESS);
    expect_mirrored(RULES_OF(RULE("a", "we may use phone for delivery.")),
                    RULES_OF(RULE("a", "we may use phone, email for delivery.")), CHANGE_ANSWERS,
                    DIFFERS_MORE, DIFFERS_LESS);
    expect_mirrored(
        RULES_OF(RULE("a", "we may use phone for delivery.") RULE("b", "we must not use phone of child.")),
        RULES_OF(RULE("a", "we may use phone for delivery.")
                     RULE("b", "we must not use phone of child unless asked.")),
        CHANGE_ANSWERS, DIFFERS_MORE, DIFFERS_LESS);
    expect_mirrored(RULES_OF(RULE("a", "we may use phone.") RULE("b", "to use phone, we must have consent.")),
                    RULES_OF(RULE("a", "we may use phone.")), CHANGE_ANSWERS, DIFFERS_MORE, DIFFERS_LESS);
}

TEST(less_for_the_guardian_reduces_rights)
{
    expect_mirrored(RULES_OF(RULE("a", "guardian may use phone of child.")),
                    RULES_OF(RULE("a", "guardian may use phone of child only with consent.")), CHANGE_ANSWERS,
                    DIFFERS_LESS, DIFFERS_MORE);
}

TEST(a_deed_or_mask_lost_reduces_rights)
{
    expect_mirrored(RULES_OF(RULE("a", "we may use phone.") RULE("b", "to use phone, we must log.")),
                    RULES_OF(RULE("a", "we may use phone.")), CHANGE_ANSWERS, DIFFERS_DEED_GONE,
                    DIFFERS_DEED_NEW);
    expect_mirrored(
        RULES_OF(RULE("a", "we may use phone.") RULE("b", "to use phone, we must mask as initial.")),
        RULES_OF(RULE("a", "we may use phone.")), CHANGE_ANSWERS, DIFFERS_MASK_WEAKER, DIFFERS_MASK_STRONGER);
    expect_mirrored(
        RULES_OF(RULE("a", "we may use phone.") RULE("b", "to use phone, we must mask as blank.")),
        RULES_OF(RULE("a", "we may use phone.") RULE("b", "to use phone, we must mask as initial.")),
        CHANGE_ANSWERS, DIFFERS_MASK_WEAKER, DIFFERS_MASK_STRONGER);
}

TEST(a_longer_time_reduces_rights)
{
    expect_mirrored(RULES_OF(RULE("a", "we may keep phone until 5 days after request-received.")),
                    RULES_OF(RULE("a", "we may keep phone until 6 days after request-received.")),
                    CHANGE_ANSWERS, DIFFERS_LATER, DIFFERS_EARLIER);
    /* Another event cannot be compared. */
    expect_one("# T\n\n" DOCUMENT("t", "") RULE("a", "we may keep any until purpose-ended."),
               "# T\n\n" DOCUMENT("t", "") RULE("a", "we may keep any until request-received."),
               CHANGE_ANSWERS, DIFFERS_OTHER, EFFECT_REDUCES);
}

TEST(a_waiver_is_told_by_its_own_sentence)
{
    const char *without = RULES_OF(RULE("a", "we may use phone.") RULE("b", "to use phone, we must log."));
    const char *with = RULES_OF(RULE("a", "we may use phone.") RULE("b", "to use phone, we must log.")
                                    RULE("c", "despite b, to use phone for delivery, we need not log."));
    expect_mirrored(without, with, CHANGE_ANSWERS, DIFFERS_DEED_GONE, DIFFERS_DEED_NEW);
    struct both b = both_words(WORDS, without, SPAN(WORDS), with);
    EXPECT_SPAN(b.d.list[0].sentence[DIFF_NEW], "despite b, to use phone for delivery, we need not log.");
    EXPECT_INT(b.d.list[0].clause[DIFF_OLD], POLICY_NONE);
    arena_free(b.arena);
}

#define DUTY(text) RULES_OF(RULE("a", "we may use phone.") RULE("d", text))

TEST(duties_are_compared)
{
    const char *duty =
        DUTY("when request-received, we must answer to person by email or letter within 5 days.");
    expect_mirrored(duty,
                    DUTY("when request-received, we must answer to person by email or letter within 8 days."),
                    CHANGE_DUTY, DIFFERS_LATER, DIFFERS_EARLIER);
    expect_mirrored(duty, DUTY("when request-received, we must answer to person by email within 5 days."),
                    CHANGE_DUTY, DIFFERS_FEWER, DIFFERS_WIDER);
    expect_mirrored(duty, RULES_OF(RULE("a", "we may use phone.")), CHANGE_DUTY, DIFFERS_GONE, DIFFERS_NEW);
    expect_mirrored(duty,
                    DUTY("when request-received and asked, we must answer to person by email or letter "
                         "within 5 days."),
                    CHANGE_DUTY, DIFFERS_FEWER, DIFFERS_WIDER);
    expect_one(duty,
               DUTY("when request-received, officer must answer to person by email or letter within 5 days."),
               CHANGE_DUTY, DIFFERS_WHO, EFFECT_NEUTRAL);
    struct both b = both_words(WORDS, duty, SPAN(WORDS),
                               DUTY("when request-received, we must answer to person by letter, email\n"
                                    "  within 5 days. -- the same"));
    EXPECT_INT(b.d.n, 0);
    arena_free(b.arena);
}

static void expect_within(const char *old, const char *new, unsigned differs, unsigned mirrored)
{
    struct arena *a = arena_new(0);
    const char *duty = DUTY("when request-received, we must answer within TIME.");
    const char *before = arena_str(a, replaced(a, duty, "TIME", old)),
               *after = arena_str(a, replaced(a, duty, "TIME", new));
    struct both b = both_words(WORDS, before, SPAN(WORDS), after);
    EXPECT_INT(b.d.n, differs ? 1 : 0);
    EXPECT_INT(b.d.n ? b.d.list[0].differs : 0, differs);
    arena_free(b.arena);
    if (differs && mirrored)
        expect_within(new, old, mirrored, 0);
    arena_free(a);
}

/* Lengths are compared where no calendar is needed for it; how long a month is, it decides. */
TEST(lengths_of_time_are_compared_across_units)
{
    expect_within("15 days", "360 hours", 0, 0);
    expect_within("360 hours", "15 days", 0, 0);
    expect_within("1 years", "12 months", 0, 0);
    expect_within("15 days", "361 hours", DIFFERS_LATER, DIFFERS_EARLIER);
    expect_within("18 months", "2 years", DIFFERS_LATER, DIFFERS_EARLIER);
    expect_within("30 days", "1 months", DIFFERS_OTHER, DIFFERS_OTHER);
    expect_within("27 days", "1 months", DIFFERS_LATER, DIFFERS_EARLIER);
    expect_within("366 days", "1 years", DIFFERS_OTHER, DIFFERS_OTHER);
    expect_within("364 days", "1 years", DIFFERS_LATER, DIFFERS_EARLIER);
    expect_within("15 days", "15 working-days", DIFFERS_LATER, DIFFERS_EARLIER);
    expect_within("3 days", "3 working-days", DIFFERS_OTHER, DIFFERS_OTHER);
    expect_within("23 hours", "1 working-days", DIFFERS_LATER, DIFFERS_EARLIER);
}

/* Ahead of an event more time is better; a condition is compared as what it means. */
TEST(notice_and_conditions_of_duties_are_compared)
{
    expect_mirrored(DUTY("when request-received, we must answer 15 days before purpose-ended."),
                    DUTY("when request-received, we must answer 5 days before purpose-ended."), CHANGE_DUTY,
                    DIFFERS_LATER, DIFFERS_EARLIER);
    expect_mirrored(DUTY("when request-received, we must answer 15 days before purpose-ended."),
                    DUTY("when request-received, we must answer before purpose-ended."), CHANGE_DUTY,
                    DIFFERS_LATER, DIFFERS_EARLIER);
    const char *narrow = DUTY("when request-received and (asked or not opted-out), we must answer.");
    struct both b = both_words(WORDS, narrow, SPAN(WORDS),
                               DUTY("when request-received and (not opted-out or asked), we must answer."));
    EXPECT_INT(b.d.n, 0);
    arena_free(b.arena);
    expect_one(narrow, DUTY("when request-received and (asked or opted-out), we must answer."), CHANGE_DUTY,
               DIFFERS_OTHER, EFFECT_REDUCES);
}

TEST(promises_are_compared)
{
    const char *promise =
        RULES_OF(RULE("a", "we may use phone.") RULE("p", "we must never share any of child."));
    expect_mirrored(promise, RULES_OF(RULE("a", "we may use phone.")), CHANGE_PROMISE, DIFFERS_GONE,
                    DIFFERS_NEW);
    expect_mirrored(promise,
                    RULES_OF(RULE("a", "we may use phone.") RULE("p", "we must never share phone of child.")),
                    CHANGE_PROMISE, DIFFERS_FEWER, DIFFERS_WIDER);
    expect_mirrored(
        promise,
        RULES_OF(RULE("a", "we may use phone.") RULE("p", "we must never share any of child when asked.")),
        CHANGE_PROMISE, DIFFERS_FEWER, DIFFERS_WIDER);
}

TEST(words_of_time_grades_and_sources_are_compared)
{
    expect_mirrored("# T\n\n" DOCUMENT("t", "promptly means 3 days.\n") KEEP,
                    "# T\n\n" DOCUMENT("t", "promptly means 4 days.\n") KEEP, CHANGE_MEANING, DIFFERS_LATER,
                    DIFFERS_EARLIER);
    struct arena *a = arena_new(0);
    struct both b = both_words(WORDS, RULES_OF(""),
                               replaced(a, WORDS, "identity grade 4", "identity grade 3"), RULES_OF(""));
    EXPECT_INT(b.d.n, 2); /* two fields */
    EXPECT_INT(b.d.reduces, 2);
    EXPECT_SPAN(b.d.list[0].name, "id-card");
    arena_free(b.arena);
    b = both_words(WORDS, RULES_OF(""), replaced(a, WORDS, "from consent", "from deemed"), RULES_OF(""));
    EXPECT_INT(b.d.reduces, 1);
    EXPECT_INT(b.d.list[0].kind, CHANGE_SOURCE);
    arena_free(b.arena);
    arena_free(a);
}

/* A sentence that stays as it is reaches a new name. */
TEST(a_new_field_is_denied_by_silence_before)
{
    struct arena *a = arena_new(0);
    const char *rules = RULES_OF(RULE("a", "we may use contact for delivery."));
    struct both b =
        both_words(WORDS, rules, replaced(a, WORDS, "phone, email.", "phone, email, fax."), rules);
    EXPECT_INT(b.d.n, 2); /* to keep it, and to use it */
    EXPECT_INT(b.d.reduces, 2);
    EXPECT_SPAN(b.d.list[0].witness[DIFF_OLD], "");
    EXPECT_INT(b.d.list[0].decision[DIFF_OLD].answer, ANSWER_DENY);
    EXPECT(span_eq(b.d.list[0].sentence[DIFF_OLD], b.d.list[0].sentence[DIFF_NEW]));
    arena_free(b.arena);
    rules = "# T\n\n" DOCUMENT("t", "") RULE("a", "we may keep any for delivery until purpose-ended.");
    b = both_words(WORDS, rules, other_words(a, 2), rules);
    EXPECT_INT(b.d.n, 0); /* nothing says a word about it */
    arena_free(b.arena);
    arena_free(a);
}

static const struct policy_change *of_kind(const struct policy_diff *d, enum policy_change_kind kind)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->list[i].kind == kind)
            return &d->list[i];
    return NULL;
}

TEST(a_document_that_no_longer_applies_is_told)
{
    const char *wide = "# T\n\n" DOCUMENT("t", "applies to service shop, forum.\n") KEEP,
               *narrow = "# T\n\n" DOCUMENT("t", "applies to service shop.\n") KEEP;
    struct both b = both_words(WORDS, wide, SPAN(WORDS), narrow);
    const struct policy_change *c = of_kind(&b.d, CHANGE_SCOPE);
    EXPECT(c && c->effect == EFFECT_REDUCES && c->differs == DIFFERS_GONE);
    EXPECT(c && c->decision[DIFF_NEW].answer == ANSWER_NOT_APPLICABLE);
    EXPECT(c && span_find(c->where, 'f', 0) < c->where.len); /* in forum */
    arena_free(b.arena);
    b = both_words(WORDS, narrow, SPAN(WORDS), wide);
    c = of_kind(&b.d, CHANGE_SCOPE);
    EXPECT(c && c->effect == EFFECT_PROTECTS && c->differs == DIFFERS_NEW);
    arena_free(b.arena);
}

TEST(reduced_rights_come_first_and_large_regions_before_small_ones)
{
    struct both b = both_words(
        WORDS, RULES_OF(RULE("a", "we may use phone for delivery.") RULE("b", "we may use email.")),
        SPAN(WORDS),
        RULES_OF(RULE("a", "we may use phone for delivery only with paper.")
                     RULE("b", "we may use email, id-card.") RULE("c", "we may share phone for survey.")));
    EXPECT_INT(b.d.n, 3);
    EXPECT_INT(b.d.reduces, 2);
    EXPECT_INT(b.d.protects, 1);
    EXPECT(b.d.list[0].effect == EFFECT_REDUCES && b.d.list[1].effect == EFFECT_REDUCES);
    EXPECT(b.d.list[0].size > b.d.list[1].size);
    EXPECT_INT(b.d.list[2].effect, EFFECT_PROTECTS);
    arena_free(b.arena);
}

/* ---- One document */

TEST(the_effect_of_a_document_is_the_diff_without_it)
{
    struct policies t =
        policies_new("# T\n\n" DOCUMENT("t", "") KEEP RULE("a", "we may use phone."),
                     "# U\n\n" DOCUMENT("u", "applies to subject child.\nprevails over t.\n")
                         RULE("k", "to use phone, we must have guardian-consent.")
                             RULE("d", "when request-received, we must answer within 2 days."));
    struct policy_diff d, none;
    struct fail f = {0};
    EXPECT(t.p != NULL);
    EXPECT_INT(policy_effect(t.p, policy_document_find(t.p, SPAN("u")), t.arena, &d, &f), OK);
    EXPECT_INT(d.n, 2);
    EXPECT_INT(d.protects, 2);
    EXPECT_INT(d.list[0].differs, DIFFERS_LESS);
    expect_sound(&d);
    struct policies alone =
        policies_new("# T\n\n" DOCUMENT("t", "") KEEP RULE("a", "we may use phone."), NULL);
    none = diff(t.arena, d.old, alone.p);
    EXPECT_INT(none.n, 0);
    arena_free(alone.arena);
    arena_free(t.arena);
}

/* ---- In words */

static void expect_said(const char *old, const char *new, const char *language, const char *want)
{
    struct both b = both_words(WORDS, old, SPAN(WORDS), new);
    struct text t = text_new(b.arena, 256);
    EXPECT_INT(b.d.n, 1);
    if (b.d.n > 0)
        policy_change_say(&b.d, &b.d.list[0], span_str(language), &t);
    EXPECT_SPAN(text_span(&t), want);
    arena_free(b.arena);
}

TEST(changes_are_said_in_sentences)
{
    const char *with = RULES_OF(RULE("a", "we may use phone for delivery only with consent.")),
               *without = RULES_OF(RULE("a", "we may use phone for delivery."));
    expect_said(
        with, without, "en",
        "<strong>More is allowed than before.</strong> We may use phone, for delivery. Before: We may use "
        "phone, for delivery, only if agreed.");
    expect_said(without, RULES_OF(""), "en",
                "<strong>Less is allowed than before.</strong> No longer: We may use phone, for delivery.");
    expect_said(
        with, without, "zh-CN",
        "<strong>允许的范围比以前大。</strong>我们可以use电话，用于delivery。以前：我们可以use电话，用于"
        "delivery，条件是agreed。");
    expect_said("# T\n\n" DOCUMENT("t", "promptly means 3 days.\n") KEEP,
                "# T\n\n" DOCUMENT("t", "promptly means 1 days.\n") KEEP, "en",
                "<strong>The time is shorter.</strong> promptly means 3 days → 1 day.");
}

/* What the page takes as it is: text, and the two elements that the header names. */
static void expect_safe(struct span html)
{
    for (size_t i = 0; i < html.len; i++) {
        struct span at = span_sub(html, i, html.len);
        if (html.p[i] == '<')
            EXPECT(span_starts(at, "<strong>") || span_starts(at, "</strong>") || span_starts(at, "<code>") ||
                   span_starts(at, "</code>"));
    }
    EXPECT(html.len > 0 && span_utf8(html));
}

TEST(whatever_is_said_is_safe_in_a_page)
{
    for (uint64_t seed = 1; seed <= POLICIES && unit_bad == 0; seed++) {
        struct arena *a = arena_new(0);
        struct made m;
        make_rules(&m, seed, a, "r");
        const struct policy *old = read_policy(a, SPAN(WORDS), text_of(&m, &plain)), *new;
        remake(&m, 2);
        struct span words = other_words(a, (unsigned)(seed % 8));
        words = replaced(a, arena_str(a, words), "\"agreed\"", "\"<b>agreed</b> & 'more'\"");
        new = read_policy(a, words, text_of(&m, &plain));
        struct policy_diff d = {.n = 0};
        if (old && new)
            d = diff(a, old, new);
        for (size_t i = 0; i < d.n; i++) {
            struct text t = text_new(a, 256);
            policy_change_say(&d, &d.list[i], i % 2 ? SPAN("en") : SPAN("zh-CN"), &t);
            expect_safe(text_span(&t));
        }
        arena_free(a);
    }
}

UNIT_MAIN(CASE(changes_are_said_in_sentences), CASE(whatever_is_said_is_safe_in_a_page),
          CASE(witnesses_differ_and_differences_lie_in_regions),
          CASE(what_is_only_written_otherwise_is_no_change),
          CASE(the_catalogue_in_another_order_is_no_change), CASE(more_for_us_reduces_rights),
          CASE(less_for_the_guardian_reduces_rights), CASE(a_deed_or_mask_lost_reduces_rights),
          CASE(a_longer_time_reduces_rights), CASE(a_waiver_is_told_by_its_own_sentence),
          CASE(duties_are_compared), CASE(lengths_of_time_are_compared_across_units),
          CASE(notice_and_conditions_of_duties_are_compared), CASE(promises_are_compared),
          CASE(words_of_time_grades_and_sources_are_compared), CASE(a_new_field_is_denied_by_silence_before),
          CASE(a_document_that_no_longer_applies_is_told),
          CASE(reduced_rights_come_first_and_large_regions_before_small_ones),
          CASE(the_effect_of_a_document_is_the_diff_without_it))
