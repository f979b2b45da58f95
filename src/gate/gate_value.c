// SPDX-License-Identifier: Apache-2.0
/* Is this a value of that field, and what is its normal form. Pure. See gate_impl.h. */
#include "gate_impl.h"

/* Groups of the catalogue whose fields have a form of their own; all others are UTF-8 text within the vault's
 * limit. */
static const struct form {
    const char *group;
    const char *identifier; /* kind of vault_normalise; null: a date */
} forms[] = {
    {"phone-numbers", "phone"},
    {"email-addresses", "email"},
    {"identity-documents", "document"},
    {"dates", NULL},
};

static const struct form *form_of(const struct policy *p, unsigned field)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (policy_in_group(p, DIM_FIELD, field, span_str(forms[i].group)))
            return &forms[i];
    return NULL;
}

/* Fields of the group `identifiers` find the person and belong to one only. */
const char *value_index(const struct policy *p, unsigned field)
{
    const struct form *form = form_of(p, field);
    bool finds = form && policy_in_group(p, DIM_FIELD, field, SPAN("identifiers"));
    return finds ? form->identifier : NULL;
}

static enum err check_text(struct span field, struct span plain, struct fail *f)
{
    if (plain.len == 0)
        return fail_set(f, ERR_BAD_VALUE, "the value of '%.*s' is empty", SPAN_F(field));
    if (plain.len > VALUE_MAX)
        return fail_set(f, ERR_BAD_VALUE, "the value of '%.*s' is longer than %d bytes", SPAN_F(field),
                        VALUE_MAX);
    if (!span_utf8(plain))
        return fail_set(f, ERR_BAD_UTF8, "the value of '%.*s' is not UTF-8", SPAN_F(field));
    return OK;
}

static enum err check_date(struct span plain, struct span *normal, struct fail *f)
{
    struct date d;
    *normal = span_trim(plain);
    if (date_get(*normal, &d))
        return OK;
    fail_hint(f, "write it as YYYY-MM-DD");
    return fail_set(f, ERR_BAD_VALUE, "this is not a date");
}

enum err value_check(struct arena *a, const struct policy *p, unsigned field, struct span plain,
                     struct span *normal, const char **kind, struct fail *f)
{
    const struct form *form = form_of(p, field);
    enum err e = check_text(policy_name(p, DIM_FIELD, field), plain, f);
    *normal = plain;
    *kind = value_index(p, field);
    if (e || !form)
        return e;
    if (!form->identifier)
        return check_date(plain, normal, f);
    return vault_normalise(a, span_str(form->identifier), plain, normal, f);
}
