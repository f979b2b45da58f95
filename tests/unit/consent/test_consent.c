// SPDX-License-Identifier: Apache-2.0
/* What events add up to; what is stored and printed. */
#include "scratch.h"

#include "consent.h"

/* Short hands for the tables below. */
#define G   CONSENT_GIVEN
#define W   CONSENT_WITHDRAWN
#define R   CONSENT_REFUSED
#define D   CONSENT_DEEMED
#define SUB CONSENT_BY_SUBJECT
#define GUA CONSENT_BY_GUARDIAN
#define STA CONSENT_BY_STAFF

#define EV(st, who, ...)                                                                                     \
    {                                                                                                        \
        .kind = CONSENT_NEED, .state = (st), .actor = (who), .name = SPAN("consent"), .time = {10},          \
        .until = {INT64_MAX / 2}, __VA_ARGS__                                                                \
    }

static enum consent_holding hold(const struct consent_event *e, size_t n, enum consent_actor who)
{
    struct consent_scope s = {.purpose = SPAN("marketing"),
                              .party = SPAN("ship-b"),
                              .party_class = SPAN("logistics"),
                              .service = SPAN("shop"),
                              .now = {100}};
    return consent_holds(e, n, SPAN("consent"), who, &s);
}

TEST(R152_scope_of_one_event)
{
    static const struct {
        const char *purpose, *party, *service, *device;
        enum consent_holding want;
    } rows[] = {
        {"", "", "", "", CONSENT_HOLDS},          {"marketing", "", "", "", CONSENT_HOLDS},
        {"profiling", "", "", "", CONSENT_NEVER}, {"", "ship-b", "", "", CONSENT_HOLDS},
        {"", "logistics", "", "", CONSENT_HOLDS}, {"", "ship-c", "", "", CONSENT_NEVER},
        {"", "", "shop", "", CONSENT_HOLDS},      {"", "", "forum", "", CONSENT_NEVER},
        {"", "", "", "d1", CONSENT_NEVER},        {"marketing", "ship-b", "forum", "", CONSENT_NEVER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct consent_event e =
            EV(G, SUB, .purpose = span_str(rows[i].purpose), .party = span_str(rows[i].party),
               .service = span_str(rows[i].service), .device = span_str(rows[i].device));
        EXPECT_INT(hold(&e, 1, SUB), rows[i].want);
    }
}

TEST(R152_the_newest_that_covers_decides)
{
    struct consent_event given_withdrawn[] = {EV(G, SUB, ), EV(W, SUB, )};
    EXPECT_INT(hold(given_withdrawn, 2, SUB), CONSENT_ENDED);
    struct consent_event again[] = {EV(G, SUB, ), EV(W, SUB, ), EV(G, SUB, )};
    EXPECT_INT(hold(again, 3, SUB), CONSENT_HOLDS);
    struct consent_event elsewhere[] = {EV(G, SUB, ), EV(W, SUB, .purpose = SPAN("profiling"))};
    EXPECT_INT(hold(elsewhere, 2, SUB), CONSENT_HOLDS);
    struct consent_event narrower[] = {EV(G, SUB, ), EV(W, SUB, .service = SPAN("shop"))};
    EXPECT_INT(hold(narrower, 2, SUB), CONSENT_ENDED);
    struct consent_event future[] = {EV(G, SUB, )};
    future[0].time.ms = 101;
    EXPECT_INT(hold(future, 1, SUB), CONSENT_NEVER);
}

TEST(expired_refused_and_deemed)
{
    struct consent_event expired[] = {EV(G, SUB, )};
    expired[0].until.ms = 100;
    EXPECT_INT(hold(expired, 1, SUB), CONSENT_ENDED);
    struct consent_event last_moment[] = {EV(G, SUB, )};
    last_moment[0].until.ms = 101;
    EXPECT_INT(hold(last_moment, 1, SUB), CONSENT_HOLDS);
    struct consent_event refused[] = {EV(R, SUB, )};
    EXPECT_INT(hold(refused, 1, SUB), CONSENT_DECLINED);
    struct consent_event taken_back[] = {EV(G, SUB, ), EV(R, SUB, )};
    EXPECT_INT(hold(taken_back, 2, SUB), CONSENT_ENDED);
    struct consent_event deemed[] = {EV(D, SUB, )};
    EXPECT_INT(hold(deemed, 1, SUB), CONSENT_NEVER);
}

TEST(R212_a_child_narrows_but_does_not_widen)
{
    struct consent_event alone[] = {EV(G, SUB, )};
    EXPECT_INT(hold(alone, 1, GUA), CONSENT_NEVER);
    struct consent_event guardian[] = {EV(G, GUA, ), EV(G, SUB, )};
    EXPECT_INT(hold(guardian, 2, GUA), CONSENT_HOLDS);
    struct consent_event off[] = {EV(G, GUA, ), EV(W, SUB, )};
    EXPECT_INT(hold(off, 2, GUA), CONSENT_ENDED);
    struct consent_event on_again[] = {EV(G, GUA, ), EV(W, SUB, ), EV(G, SUB, )};
    EXPECT_INT(hold(on_again, 3, GUA), CONSENT_ENDED);
    struct consent_event by_guardian[] = {EV(G, GUA, ), EV(W, SUB, ), EV(G, GUA, )};
    EXPECT_INT(hold(by_guardian, 3, GUA), CONSENT_HOLDS);
}

TEST(R201_approvals_are_for_staff_to_give_and_take)
{
    struct consent_event approved[] = {EV(G, STA, )};
    EXPECT_INT(hold(approved, 1, STA), CONSENT_HOLDS);
    struct consent_event not_theirs[] = {EV(G, STA, ), EV(W, SUB, )};
    EXPECT_INT(hold(not_theirs, 2, STA), CONSENT_HOLDS);
    struct consent_event back[] = {EV(G, STA, ), EV(W, STA, )};
    EXPECT_INT(hold(back, 2, STA), CONSENT_ENDED);
    struct consent_event pretended[] = {EV(G, SUB, )};
    EXPECT_INT(hold(pretended, 1, STA), CONSENT_NEVER);
}

TEST(R062_a_permission_is_of_its_device)
{
    struct consent_scope s = {.device = SPAN("d1"), .now = {100}};
    struct consent_event on[] = {EV(G, SUB, .device = SPAN("d1"))};
    EXPECT_INT(consent_holds(on, 1, SPAN("consent"), SUB, &s), CONSENT_HOLDS);
    struct consent_event other[] = {EV(G, SUB, .device = SPAN("d2"))};
    EXPECT_INT(consent_holds(other, 1, SPAN("consent"), SUB, &s), CONSENT_NEVER);
    struct consent_event all_off[] = {EV(G, SUB, .device = SPAN("d1")), EV(W, SUB, )};
    EXPECT_INT(consent_holds(all_off, 2, SPAN("consent"), SUB, &s), CONSENT_ENDED);
}

TEST(switches)
{
    struct consent_scope s = {.now = {100}};
    bool known;
    struct consent_event on[] = {EV(G, SUB, )}, off[] = {EV(G, SUB, ), EV(W, SUB, )};
    EXPECT(consent_switch(on, 1, SPAN("consent"), false, &s, &known) && known);
    EXPECT(!consent_switch(off, 2, SPAN("consent"), false, &s, &known) && known);
    EXPECT(!consent_switch(NULL, 0, SPAN("consent"), true, &s, &known) && known);
    /* A child's own act against the guardian's: neither is taken as true. */
    consent_switch(on, 1, SPAN("consent"), true, &s, &known);
    EXPECT(!known);
    struct consent_event both[] = {EV(G, SUB, ), EV(G, GUA, )};
    EXPECT(consent_switch(both, 2, SPAN("consent"), true, &s, &known) && known);
    struct consent_event later[] = {EV(G, GUA, ), EV(W, SUB, )};
    consent_switch(later, 2, SPAN("consent"), true, &s, &known);
    EXPECT(!known);
}

#define AGREE(st, who, rev)                                                                                  \
    {                                                                                                        \
        .kind = CONSENT_AGREEMENT, .state = (st), .actor = (who), .name = SPAN("group"), .revision = (rev),  \
        .until = {                                                                                           \
            INT64_MAX / 2                                                                                    \
        }                                                                                                    \
    }

/* To revision 4, when it reduced rights. */
static enum consent_holding agreed(const struct consent_event *e, size_t n, enum consent_actor who,
                                   bool deemed)
{
    struct consent_document d = {SPAN("group"), 4, 4};
    return consent_agreed(e, n, &d, who, deemed);
}

/* To revision 4, when the last to reduce rights was revision 3. */
static enum consent_holding agreed_since(const struct consent_event *e, size_t n, bool deemed)
{
    struct consent_document d = {SPAN("group"), 4, 3};
    return consent_agreed(e, n, &d, SUB, deemed);
}

TEST(R008_deemed_agreement_is_its_own_kind)
{
    struct consent_event deemed[] = {AGREE(D, SUB, 4)};
    EXPECT_INT(agreed(deemed, 1, SUB, true), CONSENT_HOLDS);
    EXPECT_INT(agreed(deemed, 1, SUB, false), CONSENT_NEVER);
    struct consent_event real_then_deemed[] = {AGREE(G, SUB, 4), AGREE(D, SUB, 4)};
    EXPECT_INT(agreed(real_then_deemed, 2, SUB, false), CONSENT_HOLDS);
}

TEST(R006_agreement_is_to_the_revision_in_force)
{
    struct consent_event old[] = {AGREE(G, SUB, 3)}, now[] = {AGREE(G, SUB, 3), AGREE(G, SUB, 4)};
    EXPECT_INT(agreed(old, 1, SUB, true), CONSENT_NEVER);
    EXPECT_INT(agreed(now, 2, SUB, false), CONSENT_HOLDS);
    struct consent_event withdrawn[] = {AGREE(G, SUB, 4), AGREE(W, SUB, 4)};
    EXPECT_INT(agreed(withdrawn, 2, SUB, true), CONSENT_ENDED);
    struct consent_event refused[] = {AGREE(R, SUB, 4)};
    EXPECT_INT(agreed(refused, 1, SUB, true), CONSENT_NEVER);
}

TEST(R163_an_agreement_reaches_revisions_that_reduce_nothing)
{
    struct consent_event old[] = {AGREE(G, SUB, 2)}, kept[] = {AGREE(G, SUB, 3)};
    EXPECT_INT(agreed_since(old, 1, false), CONSENT_NEVER);
    EXPECT_INT(agreed_since(kept, 1, false), CONSENT_HOLDS);
    /* Going on to use it is agreement to the very revision that was used. */
    struct consent_event deemed[] = {AGREE(D, SUB, 3)}, same[] = {AGREE(D, SUB, 4)};
    EXPECT_INT(agreed_since(deemed, 1, true), CONSENT_NEVER);
    EXPECT_INT(agreed_since(same, 1, true), CONSENT_HOLDS);
    struct consent_event refused[] = {AGREE(G, SUB, 3), AGREE(R, SUB, 4)};
    EXPECT_INT(agreed_since(refused, 2, false), CONSENT_ENDED);
}

TEST(R177_a_child_pressing_agree_alone_is_not_consent)
{
    struct consent_event child[] = {AGREE(G, SUB, 4)}, both[] = {AGREE(G, SUB, 4), AGREE(G, GUA, 4)};
    EXPECT_INT(agreed(child, 1, GUA, false), CONSENT_NEVER);
    EXPECT_INT(agreed(both, 2, GUA, false), CONSENT_HOLDS);
    struct consent_event out[] = {AGREE(G, GUA, 4), AGREE(W, SUB, 4)};
    EXPECT_INT(agreed(out, 2, GUA, false), CONSENT_ENDED);
}

TEST(R007_an_agreement_keeps_all_that_was_shown)
{
    scratch_open();
    struct fail f = {0};
    struct consent_event e = {.id = {{7}},
                              .kind = CONSENT_AGREEMENT,
                              .state = CONSENT_GIVEN,
                              .actor = CONSENT_BY_GUARDIAN,
                              .actor_id = SPAN("00112233445566778899aabbccddeeff"),
                              .name = SPAN("group"),
                              .operations = SPAN("collect use store share transfer disclose"),
                              .time = {1795392000000},
                              .until = INSTANT_FOREVER,
                              .revision = 12,
                              .document_digest = {{0xaa}},
                              .language = SPAN("zh-CN"),
                              .notice = {{0xbb}},
                              .channel = SPAN("web"),
                              .evidence = SPAN("case-1"),
                              .collected_by = SPAN("shop")};
    scratch_must(consent_add(scratch_st, 5, &e, &f), &f);
    scratch_must(consent_add(scratch_st, 5, &e, &f), &f);
    struct consent_event *list;
    size_t n;
    scratch_must(consent_list(scratch_st, 5, scratch_a, &list, &n, &f), &f);
    EXPECT_INT(n, 2);
    struct text t = text_new(scratch_a, 0);
    consent_event_json(&t, &list[1]);
    EXPECT_SPAN(
        text_span(&t),
        "{\"record_id\":\"07000000000000000000000000000000\",\"kind\":\"agreement\",\"name\":\"group\","
        "\"event_state\":\"ConsentGiven\",\"event_time\":\"2026-11-23T00:00:00Z\",\"event_entity\":"
        "\"guardian\","
        "\"event_entity_id\":\"00112233445566778899aabbccddeeff\",\"policy_revision\":12,\"policy_digest\":"
        "\"aa00000000000000000000000000000000000000000000000000000000000000\",\"operations\":[\"collect\","
        "\"use\","
        "\"store\",\"share\",\"transfer\",\"disclose\"],\"notice_language\":\"zh-CN\",\"notice_digest\":"
        "\"bb00000000000000000000000000000000000000000000000000000000000000\",\"collection_method\":\"web\","
        "\"evidence\":\"case-1\",\"collected_by\":\"shop\"}");
    scratch_must(consent_list(scratch_st, 6, scratch_a, &list, &n, &f), &f);
    EXPECT_INT(n, 0);
    scratch_close();
}

/* One more than the limit allows to be given. */
static void fill_up(struct consent_event e)
{
    struct fail f = {0};
    for (int i = 0; i < CONSENT_EVENTS_MAX; i++)
        scratch_must(consent_add(scratch_st, 5, &e, &f), &f);
}

static enum err add_one(struct consent_event e)
{
    struct fail f = {0};
    enum err err = consent_room(scratch_st, 5, &e, &f);
    return err ? err : consent_add(scratch_st, 5, &e, &f);
}

static struct consent_event of_kind(enum consent_kind k, struct consent_event e)
{
    e.kind = k;
    return e;
}

static enum consent_holding held_now(struct span purpose)
{
    struct fail f = {0};
    struct consent_event *list;
    size_t n;
    struct consent_scope s = {.purpose = purpose, .now = {100}};
    scratch_must(consent_held(scratch_st, 5, scratch_a, &list, &n, &f), &f);
    return consent_holds(list, n, SPAN("consent"), SUB, &s);
}

TEST(what_is_given_is_limited_by_person)
{
    scratch_open();
    struct fail f = {0};
    struct consent_event e = EV(G, SUB, );
    scratch_begin();
    fill_up(e);
    EXPECT_INT(add_one(e), ERR_LIMIT);
    EXPECT_INT(add_one((struct consent_event)EV(G, GUA, )), ERR_LIMIT);
    EXPECT_INT(add_one((struct consent_event)EV(D, SUB, )), ERR_LIMIT);
    e.kind = CONSENT_AGREEMENT;
    EXPECT_INT(add_one(e), ERR_LIMIT);
    EXPECT_INT(add_one((struct consent_event)EV(G, STA, )), OK);
    scratch_commit();
    f = (struct fail){0};
    EXPECT_INT(consent_room(scratch_st, 6, &e, &f), OK);
    scratch_close();
}

TEST(R152_beyond_the_limit_everything_can_be_taken_back)
{
    scratch_open();
    scratch_begin();
    fill_up((struct consent_event)EV(G, SUB, ));
    EXPECT_INT(held_now(SPAN("news")), CONSENT_HOLDS);
    EXPECT_INT(add_one((struct consent_event)EV(W, SUB, .purpose = SPAN("news"))), OK);
    EXPECT_INT(held_now(SPAN("news")), CONSENT_ENDED);
    EXPECT_INT(held_now(SPAN("care")), CONSENT_HOLDS);
    EXPECT_INT(add_one((struct consent_event)EV(W, GUA, )), OK);
    EXPECT_INT(held_now(SPAN("care")), CONSENT_ENDED);
    EXPECT_INT(add_one((struct consent_event)EV(R, SUB, )), OK);
    EXPECT_INT(add_one((struct consent_event)EV(W, STA, )), OK);
    EXPECT_INT(add_one(of_kind(CONSENT_AGREEMENT, (struct consent_event)EV(W, SUB, ))), OK);
    scratch_commit();
    scratch_close();
}

TEST(beyond_the_limit_what_stands_is_not_noted_again)
{
    scratch_open();
    scratch_begin();
    fill_up((struct consent_event)EV(G, SUB, ));
    struct consent_event end = EV(W, SUB, .purpose = SPAN("news"));
    EXPECT_INT(add_one(end), OK);
    EXPECT_INT(add_one(end), ERR_CONFLICT);
    /* Nor what reaches less far, with whatever invented. */
    struct consent_event less = end;
    less.device = SPAN("d1");
    EXPECT_INT(add_one(less), ERR_CONFLICT);
    less.topic = SPAN("topic-1");
    EXPECT_INT(add_one(less), ERR_CONFLICT);
    less.state = CONSENT_REFUSED;
    EXPECT_INT(add_one(less), ERR_CONFLICT);
    /* But what reaches further does, and the guardian's act is its own. */
    EXPECT_INT(add_one((struct consent_event)EV(W, SUB, )), OK);
    EXPECT_INT(add_one((struct consent_event)EV(W, GUA, )), OK);
    EXPECT_INT(add_one((struct consent_event)EV(W, SUB, )), ERR_CONFLICT);
    struct consent_event out = of_kind(CONSENT_AGREEMENT, (struct consent_event)EV(W, SUB, ));
    EXPECT_INT(add_one(out), OK);
    EXPECT_INT(add_one(out), ERR_CONFLICT);
    out.state = CONSENT_REFUSED;
    EXPECT_INT(add_one(out), ERR_CONFLICT);
    scratch_commit();
    scratch_close();
}

TEST(R045_beyond_the_limit_a_switch_goes_both_ways)
{
    scratch_open();
    scratch_begin();
    struct consent_event on = of_kind(CONSENT_PREFERENCE, (struct consent_event)EV(G, SUB, ));
    struct consent_event off = of_kind(CONSENT_PREFERENCE, (struct consent_event)EV(W, SUB, ));
    fill_up((struct consent_event)EV(G, SUB, ));
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(add_one(on), OK);
        EXPECT_INT(add_one(on), ERR_CONFLICT);
        EXPECT_INT(add_one(off), OK);
        EXPECT_INT(add_one(off), ERR_CONFLICT);
    }
    on.until = (struct instant){50};
    EXPECT_INT(add_one(on), OK);
    on.until = INSTANT_FOREVER;
    EXPECT_INT(add_one(on), OK);
    scratch_commit();
    scratch_close();
}

TEST(R045_what_has_ended_since_can_be_said_again)
{
    static const struct {
        const char *topic;
        int64_t until;
        enum consent_state state;
        enum consent_actor actor;
        bool stands;
    } since[] = {{"", 50, G, SUB, false},
                 {"sms", 50, G, SUB, false},
                 {"", INT64_MAX / 2, W, SUB, false},
                 {"sms", INT64_MAX / 2, R, GUA, false},
                 {"", 500, G, GUA, false},
                 {"sms", INT64_MAX / 2, G, SUB, true},
                 {"", INT64_MAX / 2, G, GUA, true}};
    struct consent_event on = of_kind(CONSENT_PREFERENCE, (struct consent_event)EV(G, SUB, ));
    EXPECT(consent_stands(&on, 1, &on));
    EXPECT(!consent_stands(&on, 0, &on));
    for (size_t i = 0; i < sizeof since / sizeof since[0]; i++) {
        struct consent_event e[] = {on, on};
        e[1].topic = span_str(since[i].topic);
        e[1].until.ms = since[i].until;
        e[1].state = since[i].state;
        e[1].actor = since[i].actor;
        EXPECT_INT(consent_stands(e, 2, &on), since[i].stands);
    }
    struct consent_event e[] = {on, on};
    e[1].state = W;
    e[1].topic = SPAN("sms");
    struct consent_event email = on;
    email.topic = SPAN("email");
    EXPECT(consent_stands(e, 2, &email)); /* nothing met it */
}

/* ---- Whatever stands changes nothing */

static uint32_t dice;

static uint32_t roll(uint32_t n)
{
    dice = dice * 1664525u + 1013904223u;
    return (dice >> 16) % n;
}

static struct span any_of(const char *const *words, uint32_t n)
{
    return span_str(words[roll(n)]);
}

static const char *const topics[] = {"", "", "sms", "email", "other"};
static const char *const parties[] = {"", "", "ship-b", "logistics", "ship-c"};
static const char *const devices[] = {"", "", "", "d1", "d2"};
static const char *const fields[] = {"", "", "nickname", "nickname,score", "real-name"};
static const int64_t untils[] = {INT64_MAX / 2, INT64_MAX / 2, 20, 60};

static struct consent_event any_event(enum consent_kind kind, int64_t time)
{
    static const enum consent_state states[] = {G, G, W, W, R, D};
    struct consent_event e = {.kind = kind,
                              .state = states[roll(kind == CONSENT_PREFERENCE ? 4 : 6)],
                              .actor = roll(8) ? (enum consent_actor)roll(2) : STA,
                              .name = SPAN("consent"),
                              .time = {time},
                              .until = {untils[roll(4)]},
                              .revision = 3 + roll(2)};
    e.topic = any_of(topics, 4);
    e.party = roll(2) ? SPAN_EMPTY : any_of(parties, 4);
    e.device = roll(2) ? SPAN_EMPTY : any_of(devices, 4);
    e.fields = roll(2) ? SPAN_EMPTY : any_of(fields, 5);
    return e;
}

/* Every answer for one scope, as one number. */
static uint32_t answers(const struct consent_event *e, size_t n, const struct consent_scope *s)
{
    uint32_t all = 0;
    for (unsigned child = 0; child < 2; child++) {
        bool known, on = consent_switch(e, n, SPAN("consent"), child, s, &known);
        all = all * 4 + (on ? 2 : 0) + known;
    }
    for (unsigned who = SUB; who <= STA; who++)
        all = all * 5 + consent_holds(e, n, SPAN("consent"), (enum consent_actor)who, s);
    return all;
}

static bool same_agreement(const struct consent_event *e, size_t n)
{
    for (unsigned from = 3; from <= 4; from++)
        for (unsigned how = 0; how < 4; how++) {
            struct consent_document d = {SPAN("consent"), 4, from};
            enum consent_actor who = how & 1 ? GUA : SUB;
            if (consent_agreed(e, n, &d, who, how & 2) != consent_agreed(e, n - 1, &d, who, how & 2))
                return false;
        }
    return true;
}

/* Whether the last event changes no answer, for any scope, from its time on. */
static bool last_changes_nothing(const struct consent_event *e, size_t n)
{
    static const char *const asked[] = {"nickname", "score", "real-name", "", "another"};
    for (unsigned i = 0; i < 5 * 5 * 5 * 5 * 3; i++) {
        struct consent_scope s = {.topic = span_str(topics[i % 5]),
                                  .party = span_str(parties[i / 5 % 5]),
                                  .device = span_str(devices[i / 25 % 5]),
                                  .field = span_str(asked[i / 125 % 5]),
                                  .now = {(int64_t[]){12, 30, 100}[i / 625]}};
        s.party_class = s.party.len ? SPAN("logistics") : SPAN_EMPTY;
        if (answers(e, n, &s) != answers(e, n - 1, &s))
            return false;
    }
    return same_agreement(e, n);
}

TEST(R152_what_is_not_noted_again_would_have_changed_nothing)
{
    size_t stood = 0, wrong = 0;
    dice = 7;
    for (int round = 0; round < 30000; round++) {
        struct consent_event e[8];
        enum consent_kind kind = (enum consent_kind)roll(3);
        size_t n = 1 + roll(6);
        for (size_t i = 0; i <= n; i++)
            e[i] = any_event(kind, i < n ? (int64_t)roll(11) : 10);
        if (!consent_stands(e, n, &e[n]))
            continue;
        stood++;
        wrong += !last_changes_nothing(e, n + 1);
    }
    EXPECT_INT(wrong, 0);
    EXPECT(stood > 1000);
}

static enum consent_holding hold_field(const struct consent_event *e, size_t n, const char *field)
{
    struct consent_scope s = {.field = span_str(field), .now = {100}};
    return consent_holds(e, n, SPAN("consent"), SUB, &s);
}

TEST(R104_a_consent_reaches_the_fields_it_names)
{
    struct consent_event e[] = {EV(G, SUB, .fields = SPAN("nickname,score")),
                                EV(W, SUB, .fields = SPAN("score"))};
    EXPECT_INT(hold_field(e, 1, "nickname"), CONSENT_HOLDS);
    EXPECT_INT(hold_field(e, 1, "score"), CONSENT_HOLDS);
    EXPECT_INT(hold_field(e, 1, "real-name"), CONSENT_OUTSIDE);
    EXPECT_INT(hold_field(e, 1, "nick"), CONSENT_OUTSIDE);
    EXPECT_INT(hold_field(e, 2, "nickname"), CONSENT_HOLDS);
    EXPECT_INT(hold_field(e, 2, "score"), CONSENT_ENDED);
    struct consent_event over[] = {EV(G, SUB, .fields = SPAN("nickname"))};
    over[0].until.ms = 50;
    EXPECT_INT(hold_field(over, 1, "nickname"), CONSENT_ENDED);
    EXPECT_INT(hold_field(over, 1, "real-name"), CONSENT_NEVER);
}

TEST(R045_a_topic_is_its_own)
{
    struct consent_event e[] = {EV(G, SUB, .topic = SPAN("email")), EV(G, SUB, ),
                                EV(W, SUB, .topic = SPAN("sms"))};
    static const struct {
        size_t n;
        const char *topic;
        enum consent_holding want;
    } rows[] = {{1, "email", CONSENT_HOLDS}, {1, "sms", CONSENT_NEVER}, {1, "", CONSENT_NEVER},
                {2, "sms", CONSENT_HOLDS},   {3, "sms", CONSENT_ENDED}, {3, "email", CONSENT_HOLDS},
                {3, "", CONSENT_HOLDS}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct consent_scope s = {.topic = span_str(rows[i].topic), .now = {100}};
        EXPECT_INT(consent_holds(e, rows[i].n, SPAN("consent"), SUB, &s), rows[i].want);
    }
}

UNIT_MAIN(CASE(R152_scope_of_one_event), CASE(R152_the_newest_that_covers_decides),
          CASE(expired_refused_and_deemed), CASE(R212_a_child_narrows_but_does_not_widen),
          CASE(R201_approvals_are_for_staff_to_give_and_take), CASE(R062_a_permission_is_of_its_device),
          CASE(switches), CASE(R008_deemed_agreement_is_its_own_kind),
          CASE(R006_agreement_is_to_the_revision_in_force),
          CASE(R163_an_agreement_reaches_revisions_that_reduce_nothing),
          CASE(R177_a_child_pressing_agree_alone_is_not_consent),
          CASE(R007_an_agreement_keeps_all_that_was_shown), CASE(what_is_given_is_limited_by_person),
          CASE(R152_beyond_the_limit_everything_can_be_taken_back),
          CASE(beyond_the_limit_what_stands_is_not_noted_again),
          CASE(R045_beyond_the_limit_a_switch_goes_both_ways),
          CASE(R045_what_has_ended_since_can_be_said_again),
          CASE(R152_what_is_not_noted_again_would_have_changed_nothing),
          CASE(R104_a_consent_reaches_the_fields_it_names), CASE(R045_a_topic_is_its_own))
