// SPDX-License-Identifier: Apache-2.0
/* Is this a value of that field, and what is its normal form. Pure. See gate_impl.h. */
#include "gate_impl.h"

/* Fields with a form of their own; all others are UTF-8 text within the vault's limit. */
static const struct {
    const char *field;
    const char *identifier; /* kind of vault_normalise; null: a date */
    bool indexed;           /* finds the person and belongs to one only */
} forms[] = {
    {"contact-phone", "phone", true},        {"contact-email", "email", true},
    {"order-contact-phone", "phone", false}, {"id-national-id-number", "document", false},
    {"id-passport", "document", false},      {"profile-birth-date", NULL, false},
};

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

enum err value_check(struct arena *a, struct span field, struct span plain, struct span *normal,
                     const char **kind, struct fail *f)
{
    enum err e = check_text(field, plain, f);
    *normal = plain;
    *kind = NULL;
    for (size_t i = 0; !e && i < sizeof forms / sizeof forms[0]; i++) {
        if (!span_is(field, forms[i].field))
            continue;
        *kind = forms[i].indexed ? forms[i].identifier : NULL;
        if (!forms[i].identifier)
            return check_date(plain, normal, f);
        return vault_normalise(a, span_str(forms[i].identifier), plain, normal, f);
    }
    return e;
}
