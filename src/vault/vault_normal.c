// SPDX-License-Identifier: Apache-2.0
/* Normal forms of identifiers: two spellings of one number must be one number. Pure. See vault.h. */
#include "vault.h"

#define PHONE_MIN       8   /* digits with the country code; the shortest in use */
#define PHONE_MAX       15  /* ITU-T E.164 */
#define PHONE_TEXT_MAX  40  /* with blanks and brackets */
#define EMAIL_MAX       254 /* RFC 5321 4.5.3.1.3, less the angle brackets */
#define EMAIL_LOCAL_MAX 64
#define DOCUMENT_MIN    4
#define DOCUMENT_MAX    32

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static uint8_t upper(uint8_t c)
{
    return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

/* ---- Phone */

/* The digits alone, '+' allowed in front; false for anything else than the usual separators. */
static bool phone_digits(struct span s, uint8_t *out, size_t *n, bool *international)
{
    *n = 0;
    *international = s.len && s.p[0] == '+';
    for (size_t i = *international; i < s.len; i++) {
        if (is_digit(s.p[i]))
            out[(*n)++] = s.p[i];
        else if (!memchr(" -()", s.p[i], 4))
            return false;
    }
    return true;
}

/* An 11-digit number beginning 13 to 19, as people write it in mainland China. */
static bool chinese_mobile(const uint8_t *d, size_t n)
{
    return n == 11 && d[0] == '1' && d[1] >= '3';
}

static enum err normal_phone(struct arena *a, struct span plain, struct span *out, struct fail *f)
{
    uint8_t buffer[PHONE_TEXT_MAX];
    const uint8_t *digits = buffer;
    size_t n = 0;
    bool international = false;
    struct span s = span_trim(plain);
    bool ok = s.len <= PHONE_TEXT_MAX && phone_digits(s, buffer, &n, &international);
    if (ok && !international && n > 2 && digits[0] == '0' && digits[1] == '0') {
        digits += 2;
        n -= 2;
        international = true;
    }
    if (ok && !international && chinese_mobile(digits, n)) {
        *out = arena_fmt(a, "+86%.*s", (int)n, (const char *)digits);
        return OK;
    }
    if (!ok || !international || n < PHONE_MIN || n > PHONE_MAX || digits[0] == '0') {
        fail_hint(f, "write it with its country code, such as +86 138 0000 0000");
        return fail_set(f, ERR_BAD_VALUE, "this is not a phone number");
    }
    *out = arena_fmt(a, "+%.*s", (int)n, (const char *)digits);
    return OK;
}

/* ---- E-mail */

static bool local_ok(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] <= ' ' || s.p[i] == 0x7f || memchr("()<>[]:;,\\\"@", s.p[i], 12))
            return false;
    return s.len > 0 && s.len <= EMAIL_LOCAL_MAX && s.p[0] != '.' && s.p[s.len - 1] != '.';
}

static bool label_ok(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_digit(s.p[i]) && (lower(s.p[i]) < 'a' || lower(s.p[i]) > 'z') && s.p[i] != '-' &&
            s.p[i] < 0x80)
            return false;
    return s.len > 0 && s.len <= 63 && s.p[0] != '-' && s.p[s.len - 1] != '-';
}

static bool domain_ok(struct span s)
{
    struct span label;
    size_t labels = 0;
    if (s.len == 0 || s.p[s.len - 1] == '.')
        return false;
    for (; span_cut(&s, '.', &label); labels++)
        if (!label_ok(label))
            return false;
    return labels >= 2;
}

static enum err normal_email(struct arena *a, struct span plain, struct span *out, struct fail *f)
{
    struct span s = span_trim(plain);
    size_t at = span_find(s, '@', 0);
    if (s.len > EMAIL_MAX || at == s.len || !span_utf8(s) || !local_ok(span_sub(s, 0, at)) ||
        !domain_ok(span_sub(s, at + 1, s.len))) {
        fail_hint(f, "write it as name@example.com");
        return fail_set(f, ERR_BAD_VALUE, "this is not an e-mail address");
    }
    uint8_t *copy = (uint8_t *)arena_str(a, s);
    for (size_t i = at; i < s.len; i++)
        copy[i] = lower(copy[i]);
    *out = span_of(copy, s.len);
    return OK;
}

/* ---- Documents */

#define RESIDENT_DIGITS 18 /* GB 11643-1999: 17 digits and a check character */

/* ISO 7064 MOD 11-2 over all characters: the last may be X, which stands for ten. */
static bool resident_check_ok(const uint8_t *s)
{
    unsigned sum = 0;
    for (size_t i = 0; i < RESIDENT_DIGITS; i++)
        sum = (sum * 2 + (s[i] == 'X' ? 10u : s[i] - (unsigned)'0')) % 11;
    return sum == 1;
}

/* A resident identity number by its shape; other documents have no check character that all issuers share. */
static bool is_resident(const uint8_t *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_digit(s[i]) && !(s[i] == 'X' && i == RESIDENT_DIGITS - 1))
            return false;
    return n == RESIDENT_DIGITS;
}

static enum err normal_document(struct arena *a, struct span plain, struct span *out, struct fail *f)
{
    uint8_t kept[DOCUMENT_MAX];
    size_t n = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < plain.len; i++) {
        uint8_t c = upper(plain.p[i]);
        if (c == ' ' || c == '-')
            continue;
        ok = n < DOCUMENT_MAX && (is_digit(c) || (c >= 'A' && c <= 'Z'));
        if (ok)
            kept[n++] = c;
    }
    if (!ok || n < DOCUMENT_MIN)
        return fail_set(f, ERR_BAD_VALUE, "this is not a document number");
    if (is_resident(kept, n) && !resident_check_ok(kept)) {
        fail_hint(f, "one of its characters is mistyped");
        return fail_set(f, ERR_BAD_VALUE, "the check character of this identity number does not fit");
    }
    *out = arena_copy(a, span_of(kept, n));
    return OK;
}

static const struct {
    const char *kind;
    enum err (*normal)(struct arena *a, struct span plain, struct span *out, struct fail *f);
} kinds[] = {{"phone", normal_phone}, {"email", normal_email}, {"document", normal_document}};

enum err vault_normalise(struct arena *a, struct span kind, struct span plain, struct span *out,
                         struct fail *f)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (span_is(kind, kinds[i].kind))
            return kinds[i].normal(a, plain, out, f);
    fail_hint(f, "use phone, email or document");
    return fail_set(f, ERR_UNKNOWN_NAME, "'%.*s' is not a kind of identifier", SPAN_F(kind));
}
