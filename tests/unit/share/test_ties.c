// SPDX-License-Identifier: Apache-2.0
/* Holds, orders, references, classes of messages and templates. */
#include "scratch.h"

#include "lists.h"
#include "ties.h"

#include <stdio.h>

#define DAY(n) ((struct instant){(n)*DAY_MS})

TEST(R110_none_of_many_holds_is_left_out)
{
    enum { MANY = 600 };
    scratch_open();
    struct fail f = {0};
    struct hold *h;
    size_t n;
    for (unsigned i = 0; i < MANY; i++) {
        struct hold put = {.reference = SPAN("file 9"), .starts = {100}, .ends = {200 + i}};
        put.field = arena_fmt(scratch_a, "field-%03u", i);
        scratch_must(hold_put(scratch_st, 5, &put, &f), &f);
    }
    scratch_must(hold_list(scratch_st, 5, scratch_a, &h, &n, &f), &f);
    EXPECT_INT(n, MANY);
    for (unsigned i = 0; i < n; i++)
        EXPECT(span_eq(h[i].field, arena_fmt(scratch_a, "field-%03u", i)) && h[i].ends.ms == 200 + i);
    scratch_close();
}

TEST(R110_a_hold_binds_from_its_start_to_its_end)
{
    scratch_open();
    struct fail f = {0};
    struct hold *h,
        put = {.field = SPAN("order-amount"), .reference = SPAN("file 9"), .starts = {100}, .ends = {200}};
    size_t n;
    scratch_must(hold_put(scratch_st, 5, &put, &f), &f);
    scratch_must(hold_list(scratch_st, 5, scratch_a, &h, &n, &f), &f);
    EXPECT_INT(n, 1);
    EXPECT(!hold_binds(h, n, SPAN("order-amount"), (struct instant){99}));
    EXPECT(hold_binds(h, n, SPAN("order-amount"), (struct instant){100}));
    EXPECT(hold_binds(h, n, SPAN("order-amount"), (struct instant){199}));
    EXPECT(!hold_binds(h, n, SPAN("order-amount"), (struct instant){200}));
    EXPECT(!hold_binds(h, n, SPAN("order-items"), (struct instant){150}));
    put.ends.ms = 150; /* putting it again changes it */
    scratch_must(hold_put(scratch_st, 5, &put, &f), &f);
    scratch_must(hold_list(scratch_st, 5, scratch_a, &h, &n, &f), &f);
    EXPECT(n == 1 && !hold_binds(h, n, SPAN("order-amount"), (struct instant){150}));
    scratch_must(hold_list(scratch_st, 6, scratch_a, &h, &n, &f), &f);
    EXPECT_INT(n, 0);
    scratch_close();
}

TEST(R038_where_a_recipient_stands_with_an_order)
{
    const struct purchase p[] = {{SPAN("17"), SPAN("ship-b"), DAY(0), INSTANT_FOREVER},
                                 {SPAN("18"), SPAN("ship-b"), DAY(0), DAY(10)},
                                 {SPAN("18"), SPAN("ship-c"), DAY(0), INSTANT_FOREVER}};
    static const struct {
        const char *recipient, *number;
        int day;
        enum purchase_standing want;
    } rows[] = {
        {"ship-b", "17", 5, PURCHASE_ASSIGNED},   {"ship-b", "19", 5, PURCHASE_FOREIGN},
        {"ship-b", "", 5, PURCHASE_FOREIGN},      {"ship-c", "17", 5, PURCHASE_FOREIGN},
        {"ship-d", "17", 5, PURCHASE_FOREIGN},    {"ship-d", "", 5, PURCHASE_FREE},
        {"ship-b", "18", 99, PURCHASE_ASSIGNED},  {"ship-b", "18", 100, PURCHASE_OVER},
        {"ship-c", "18", 100, PURCHASE_ASSIGNED}, {"ship-b", "17", 99999, PURCHASE_ASSIGNED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        EXPECT_INT(purchase_at(p, 3, span_str(rows[i].recipient), span_str(rows[i].number), DAY(rows[i].day)),
                   rows[i].want);
    EXPECT_INT(purchase_at(NULL, 0, SPAN("ship-b"), SPAN("17"), DAY(1)), PURCHASE_FREE);
}

TEST(R038_an_order_is_closed_by_putting_it_again)
{
    scratch_open();
    struct fail f = {0};
    struct purchase *list,
        p = {.number = SPAN("17"), .recipient = SPAN("ship-b"), .since = {5}, .closed = INSTANT_FOREVER};
    size_t n;
    scratch_must(purchase_put(scratch_st, 5, &p, &f), &f);
    p.since.ms = 7;
    p.closed.ms = 8;
    scratch_must(purchase_put(scratch_st, 5, &p, &f), &f);
    scratch_must(purchase_list(scratch_st, 5, scratch_a, &list, &n, &f), &f);
    EXPECT(n == 1 && list[0].since.ms == 5 && list[0].closed.ms == 8);
    scratch_close();
}

TEST(R096_a_reference_begins_and_ends)
{
    scratch_open();
    struct fail f = {0};
    struct reference r = {
        .need = SPAN("clause-in-force"), .reference = SPAN("SA-9"), .from = {100}, .until = {200}};
    static const struct {
        const char *need, *reference;
        int64_t at;
        int want;
    } rows[] = {{"clause-in-force", "SA-9", 100, 1},
                {"clause-in-force", "SA-9", 99, -1},
                {"clause-in-force", "SA-9", 200, -1},
                {"clause-in-force", "SA-8", 150, 0},
                {"law-article", "SA-9", 150, 0}};
    scratch_must(reference_put(scratch_st, &r, &f), &f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int holds = 7;
        scratch_must(reference_holds(scratch_st, span_str(rows[i].need), span_str(rows[i].reference),
                                     (struct instant){rows[i].at}, &holds, &f),
                     &f);
        EXPECT_INT(holds, rows[i].want);
    }
    scratch_close();
}

TEST(R046_the_catalogue_of_messages_is_closed)
{
    scratch_open();
    struct fail f = {0}, none = {0};
    struct message_class c, *all;
    size_t n;
    static const char *const wrong[] = {"service_notice", "marketing_own:", "own:music", "", "marketing_own"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        f = (struct fail){0};
        EXPECT_INT(message_class_put(scratch_st, span_str(wrong[i]), SPAN_EMPTY, &f), ERR_BAD_VALUE);
    }
    scratch_must(message_class_put(scratch_st, SPAN("marketing_own:music"), SPAN("Music"), &none), &none);
    scratch_must(message_class_get(scratch_st, SPAN("marketing_own:music"), &c, &none), &none);
    EXPECT(c.offer);
    scratch_must(message_class_get(scratch_st, SPAN("legal_notice"), &c, &none), &none);
    EXPECT(!c.offer);
    EXPECT_INT(message_class_get(scratch_st, SPAN("marketing_own:games"), &c, &none), ERR_UNKNOWN_NAME);
    none = (struct fail){0};
    scratch_must(message_class_list(scratch_st, scratch_a, &all, &n, &none), &none);
    EXPECT_INT(n, 4);
    scratch_close();
}

TEST(R047_a_template_is_what_its_class_says)
{
    scratch_open();
    struct fail f = {0};
    struct message_template t = {
        .name = SPAN("t7"), .class = SPAN("service_notice"), .approver = SPAN("lead"), .promotional = true};
    EXPECT_INT(template_put(scratch_st, &t, &f), ERR_CONFLICT);
    f = (struct fail){0};
    EXPECT_INT(template_check(scratch_st, SPAN("t7"), SPAN("service_notice"), &f), ERR_UNKNOWN_NAME);
    f = (struct fail){0};
    t.promotional = false;
    scratch_must(template_put(scratch_st, &t, &f), &f);
    EXPECT_INT(template_check(scratch_st, SPAN("t7"), SPAN("service_notice"), &f), OK);
    EXPECT_INT(template_check(scratch_st, SPAN("t7"), SPAN("legal_notice"), &f), ERR_CONFLICT);
    scratch_close();
}

TEST(R109_what_happened_is_kept_once_for_each_scope)
{
    scratch_open();
    struct fail f = {0};
    struct happening h = {.event = SPAN("case-closed")}, *all;
    size_t n;
    char item[16];
    for (int round = 1; round <= 2; round++)
        for (int i = 0; i < 40; i++) {
            snprintf(item, sizeof item, "case-%02d", i);
            h.item = span_str(item);
            h.time.ms = round * 1000 + i;
            scratch_must(happening_put(scratch_st, 7, &h, &f), &f);
        }
    scratch_must(happening_list(scratch_st, 7, scratch_a, &all, &n, &f), &f);
    EXPECT_INT(n, 40);
    for (size_t i = 0; i < n; i++)
        EXPECT_INT(all[i].time.ms, 2000 + (int)i);
    h.source = SPAN("observed");
    scratch_must(happening_put(scratch_st, 7, &h, &f), &f);
    scratch_must(happening_list(scratch_st, 7, scratch_a, &all, &n, &f), &f);
    EXPECT_INT(n, 41);
    EXPECT(all[39].source.len == 0 && span_is(all[40].source, "observed"));
    scratch_must(happening_list(scratch_st, 8, scratch_a, &all, &n, &f), &f);
    EXPECT_INT(n, 0);
    scratch_close();
}

UNIT_MAIN(CASE(R109_what_happened_is_kept_once_for_each_scope), CASE(R110_none_of_many_holds_is_left_out),
          CASE(R110_a_hold_binds_from_its_start_to_its_end),
          CASE(R038_where_a_recipient_stands_with_an_order),
          CASE(R038_an_order_is_closed_by_putting_it_again), CASE(R096_a_reference_begins_and_ends),
          CASE(R046_the_catalogue_of_messages_is_closed), CASE(R047_a_template_is_what_its_class_says))
