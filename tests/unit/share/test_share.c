// SPDX-License-Identifier: Apache-2.0
/* Registers: papers, grants, tokens; what was shared. */
#include "scratch.h"

#include "crypto.h"
#include "share.h"

static struct registers *load(void)
{
    struct registers *r;
    struct fail f = {0};
    scratch_must(registers_load(scratch_st, scratch_a, &r, &f), &f);
    return r;
}

static void add_ship(void)
{
    struct fail f = {0};
    struct recipient r = {.name = SPAN("ship-b"),
                          .class_name = SPAN("logistics"),
                          .title = SPAN("Ship B"),
                          .country = SPAN("CN")};
    scratch_must(recipient_put(scratch_st, &r, &f), &f);
}

TEST(services_are_found_by_name_and_token)
{
    scratch_open();
    struct fail f = {0};
    struct service s = {
        .name = SPAN("shop"), .class_name = SPAN("shop"), .token = {{9}}, .ended = INSTANT_FOREVER};
    scratch_must(service_put(scratch_st, &s, &f), &f);
    s.lenient = true;
    s.sources = SPAN("observed");
    scratch_must(service_put(scratch_st, &s, &f), &f);
    struct registers *r = load();
    EXPECT_INT(r->n_services, 1);
    EXPECT(registers_service(r, SPAN("shop")) && registers_service(r, SPAN("shop"))->lenient);
    EXPECT(registers_service(r, SPAN("forum")) == NULL);
    EXPECT(registers_token(r, &s.token) == registers_service(r, SPAN("shop")));
    EXPECT(registers_token(r, &(struct digest){{8}}) == NULL);
    scratch_close();
}

TEST(R100_papers_begin_and_end)
{
    scratch_open();
    struct fail f = {0};
    add_ship();
    struct paper p = {
        .kind = SPAN("confidentiality"), .reference = SPAN("nda-7"), .from = {100}, .until = {200}};
    scratch_must(recipient_paper_put(scratch_st, SPAN("ship-b"), &p, &f), &f);
    const struct recipient *r = registers_recipient(load(), SPAN("ship-b"));
    EXPECT_INT(recipient_paper(r, SPAN("confidentiality"), (struct instant){99}), 0);
    EXPECT_INT(recipient_paper(r, SPAN("confidentiality"), (struct instant){100}), 1);
    EXPECT_INT(recipient_paper(r, SPAN("confidentiality"), (struct instant){199}), 1);
    EXPECT_INT(recipient_paper(r, SPAN("confidentiality"), (struct instant){200}), -1);
    EXPECT_INT(recipient_paper(r, SPAN("assessment"), (struct instant){150}), 0);
    p.until.ms = 300; /* renewal restores */
    scratch_must(recipient_paper_put(scratch_st, SPAN("ship-b"), &p, &f), &f);
    r = registers_recipient(load(), SPAN("ship-b"));
    EXPECT_INT(recipient_paper(r, SPAN("confidentiality"), (struct instant){200}), 1);
    EXPECT_INT(recipient_paper_put(scratch_st, SPAN("ship-x"), &p, &f), ERR_UNKNOWN_NAME);
    scratch_close();
}

TEST(R099_a_grant_is_a_purpose_and_an_explicit_list)
{
    scratch_open();
    struct fail f = {0};
    bool any;
    add_ship();
    struct grant g = {.purpose = SPAN("delivery"),
                      .fields = SPAN("order.recipient_name, order-address,contact.phone"),
                      .from = {100},
                      .until = {200}};
    scratch_must(recipient_grant_put(scratch_st, SPAN("ship-b"), &g, &f), &f);
    const struct recipient *r = registers_recipient(load(), SPAN("ship-b"));
    EXPECT(recipient_granted(r, SPAN("delivery"), SPAN("contact-phone"), (struct instant){150}, &any) && any);
    EXPECT(recipient_granted(r, SPAN("delivery"), SPAN("order-recipient-name"), (struct instant){150}, &any));
    EXPECT(!recipient_granted(r, SPAN("delivery"), SPAN("contact-email"), (struct instant){150}, &any) &&
           any);
    EXPECT(!recipient_granted(r, SPAN("marketing"), SPAN("contact-phone"), (struct instant){150}, &any) &&
           !any);
    EXPECT(!recipient_granted(r, SPAN("delivery"), SPAN("contact-phone"), (struct instant){200}, &any) &&
           !any);
    const char *const wild[] = {"*", "contact-*", "any"};
    for (size_t i = 0; i < 3; i++) {
        g.fields = span_str(wild[i]);
        f = (struct fail){0};
        EXPECT_INT(recipient_grant_put(scratch_st, SPAN("ship-b"), &g, &f), ERR_WILDCARD);
    }
    g.fields = SPAN(" ");
    f = (struct fail){0};
    EXPECT_INT(recipient_grant_put(scratch_st, SPAN("ship-b"), &g, &f), ERR_MISSING_MEMBER);
    g.purpose = SPAN("");
    f = (struct fail){0};
    EXPECT_INT(recipient_grant_put(scratch_st, SPAN("ship-b"), &g, &f), ERR_MISSING_MEMBER);
    scratch_close();
}

TEST(R087_a_slip_of_the_name_is_suggested)
{
    scratch_open();
    add_ship();
    struct registers *r = load();
    EXPECT_SPAN(registers_suggest(r, SPAN("ship-c")), "ship-b");
    EXPECT_SPAN(registers_suggest(r, SPAN("unknown-x")), "");
    scratch_close();
}

TEST(shares_are_listed)
{
    scratch_open();
    struct fail f = {0};
    struct share_row row = {.recipient = SPAN("ship-b"),
                            .purpose = SPAN("delivery"),
                            .basis = SPAN("none-claimed"),
                            .fields = SPAN("contact-phone,order-address"),
                            .clause = SPAN("group/share.case-01"),
                            .evidence = SPAN("{}"),
                            .time = {5}},
                     *list;
    size_t n;
    scratch_must(share_add(scratch_st, 3, &row, &f), &f);
    scratch_must(share_list(scratch_st, 3, scratch_a, &list, &n, &f), &f);
    EXPECT_INT(n, 1);
    EXPECT_SPAN(list[0].clause, "group/share.case-01");
    EXPECT(memcmp(list[0].id.b, row.id.b, ID_LEN) == 0);
    scratch_must(share_list(scratch_st, 4, scratch_a, &list, &n, &f), &f);
    EXPECT_INT(n, 0);
    scratch_close();
}

int main(void)
{
    struct fail f = {0};
    scratch_must(crypto_start(&f), &f);
    static const struct unit_case cases[] = {
        CASE(services_are_found_by_name_and_token),
        CASE(R100_papers_begin_and_end),
        CASE(R099_a_grant_is_a_purpose_and_an_explicit_list),
        CASE(R087_a_slip_of_the_name_is_suggested),
        CASE(shares_are_listed),
    };
    return unit_main(cases, sizeof cases / sizeof cases[0]);
}
