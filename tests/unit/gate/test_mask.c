// SPDX-License-Identifier: Apache-2.0
/* Masks and forms of values. */
#include "unit.h"

#include "gate_impl.h"
#include "policy_folder.h"

TEST(R120_masks)
{
    static const struct {
        const char *mask, *plain, *shown;
    } rows[] = {
        {"middle", "+8613812341234", "138****1234"},
        {"middle", "13812341234", "138****1234"},
        {"middle", "+442079460000", "+44****0000"},
        {"middle", "12345678", "****"}, /* too little would be hidden */
        {"middle", "123456789", "123****6789"},
        {"middle", "", "****"},
        {"last-four", "110105194912310021", "****0021"},
        {"last-four", "12345", "****"},
        {"initial", "Ann", "A**"},
        {"initial", "张小明", "张**"},
        {"initial", "张", "****"},
        {"email", "ann@example.org", "a***@example.org"},
        {"email", "a@example.org", "***@example.org"},
        {"email", "not an address", "****"},
        {"blank", "anything", "****"},
        {"unheard-of", "anything", "****"},
        {"", "anything", "****"},
        {"middle", "北京市海淀区中关村大街1号", "北京市****大街1号"},
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        EXPECT_SPAN(mask_apply(a, span_str(rows[i].mask), span_str(rows[i].plain)), rows[i].shown);
    arena_free(a);
}

TEST(forms_of_values)
{
    static const struct {
        const char *field, *plain, *normal, *kind; /* normal null: refused */
    } rows[] = {
        {"contact-phone", "13812341234", "+8613812341234", "phone"},
        {"contact-phone", "none", NULL, NULL},
        {"order-contact-phone", "13812341234", "+8613812341234", NULL},
        {"contact-email", "Ann@Example.org", "Ann@example.org", "email"},
        {"id-passport", "e 123 45678", "E12345678", NULL},
        {"profile-birth-date", " 1990-05-05", "1990-05-05", NULL},
        {"profile-birth-date", "5 May 1990", NULL, NULL},
        {"profile-birth-date", "1990-02-30", NULL, NULL},
        {"profile-nickname", "安安", "安安", NULL},
        {"profile-nickname", "", NULL, NULL},
        {"profile-nickname", "\xc3", NULL, NULL},
    };
    struct arena *a = arena_new(0);
    struct policy *p = NULL;
    struct policy_messages m;
    struct fail f = {0};
    EXPECT_INT(policy_folder_load(a, "policies/zhishang", &p, &m, &f), OK);
    for (size_t i = 0; p && i < sizeof rows / sizeof rows[0]; i++) {
        struct span normal;
        const char *kind;
        unsigned field = policy_find(p, DIM_FIELD, span_str(rows[i].field));
        enum err e = value_check(a, p, field, span_str(rows[i].plain), &normal, &kind, &f);
        EXPECT_INT(e == OK, rows[i].normal != NULL);
        if (rows[i].normal) {
            EXPECT_SPAN(normal, rows[i].normal);
            EXPECT(rows[i].kind ? kind && strcmp(kind, rows[i].kind) == 0 : kind == NULL);
        }
    }
    arena_free(a);
}

TEST(reasons_have_numbers_for_good)
{
    EXPECT_INT(reason_number(SPAN("no-agreement")), 1);
    EXPECT_INT(reason_number(SPAN("basis-not-for-child")), 23);
    EXPECT_INT(reason_number(SPAN("channel-off")), 129);
    EXPECT_INT(reason_number(SPAN("whatever")), 0);
    EXPECT_INT(reason_number(SPAN("")), 0);
}

TEST(languages_of_files)
{
    EXPECT_SPAN(document_language(SPAN("group.md")), "en");
    EXPECT_SPAN(document_language(SPAN("group.zh-CN.md")), "zh-CN");
}

UNIT_MAIN(CASE(R120_masks), CASE(forms_of_values), CASE(reasons_have_numbers_for_good),
          CASE(languages_of_files))
