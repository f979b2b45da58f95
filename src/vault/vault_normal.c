// SPDX-License-Identifier: Apache-2.0
/* Normal forms of identifiers: two spellings of one number must be one number. Pure. See vault.h. */
#include "vault.h"
#include "vault_unicode.h"

#define PHONE_MIN       8   /* digits with the country code; the shortest in use */
#define PHONE_MAX       15  /* ITU-T E.164 */
#define PHONE_TEXT_MAX  40  /* with blanks and brackets */
#define EMAIL_MAX       254 /* RFC 5321 4.5.3.1.3, less the angle brackets */
#define EMAIL_LOCAL_MAX 64
#define EMAIL_TEXT_MAX  1024 /* as it is written: accents apart, a domain in its own script */
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

/* Digits while a number is read. */
struct phone {
    uint8_t digit[PHONE_TEXT_MAX];
    size_t n;
    size_t zero; /* of the digit in "(0)"; 0: none, for it is never the first */
    bool international;
};

/* "(0)" from `i` on; blanks may be in it. Only in it does a lone zero stand in brackets. */
static bool bracketed_zero(struct span s, size_t i)
{
    bool zero = false;
    for (i++; i < s.len; i++) {
        if (s.p[i] == '0' && !zero)
            zero = true;
        else if (s.p[i] != ' ')
            break;
    }
    return zero && i < s.len && s.p[i] == ')';
}

/* The digits alone, '+' or 00 in front of an international number; false for anything else than the usual
 * separators. */
static bool phone_digits(struct span s, struct phone *p)
{
    p->international = s.len && s.p[0] == '+';
    for (size_t i = p->international; i < s.len; i++) {
        if (is_digit(s.p[i]))
            p->digit[p->n++] = s.p[i];
        else if (!memchr(" -()", s.p[i], 4))
            return false;
        else if (s.p[i] == '(' && !p->zero && bracketed_zero(s, i))
            p->zero = p->n;
    }
    if (p->international || p->n <= 2 || p->digit[0] != '0' || p->digit[1] != '0')
        return true;
    p->international = true;
    p->n -= 2;
    memmove(p->digit, p->digit + 2, p->n);
    p->zero = p->zero > 2 ? p->zero - 2 : 0;
    return true;
}

/* An 11-digit number beginning 13 to 19, as people write it in mainland China. */
static bool chinese_mobile(const struct phone *p)
{
    return p->n == 11 && p->digit[0] == '1' && p->digit[1] >= '3';
}

/* How many digits the country code has (ITU-T E.164 and the list of codes assigned by it). */
static size_t country_len(const struct phone *p)
{
    /* By the first digit, the second digits of codes that have two. */
    static const char *const two[10] = {
        ['2' - '0'] = "07",      ['3' - '0'] = "0123469", ['4' - '0'] = "013456789", ['5' - '0'] = "12345678",
        ['6' - '0'] = "0123456", ['8' - '0'] = "1246",    ['9' - '0'] = "0123458"};
    if (p->digit[0] == '1' || p->digit[0] == '7')
        return 1;
    const char *second = two[p->digit[0] - '0'];
    return second && strchr(second, p->digit[1]) ? 2 : 3;
}

/* A national (trunk) prefix is dialled inside the country and is no part of the number (E.164, 6.2.5). The
 * zero of these is such a prefix, and no number of their plans begins with one, so that written behind the
 * country code it can only be that. Of these others it is the number's own first digit, in brackets too
 * (in Benin since November 2024, when 01 came before all of them). */
static const char *const zero_is_prefix[] = {"33", "44", "49", "61", "81", "82", "86", "886"};
static const char *const zero_is_ours[] = {"39", "225", "229", "241", "242", "378"};

static bool is_of(const struct phone *p, size_t len, const char *const *codes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (span_is(span_of(p->digit, len), codes[i]))
            return true;
    return false;
}

#define IS_OF(p, len, codes) is_of(p, len, codes, sizeof(codes) / sizeof(codes)[0])

/* Drops the zero behind the country code where it is a prefix; one, for more is no way to write it. */
static bool drop_prefix(struct phone *p)
{
    size_t len = country_len(p);
    bool never = IS_OF(p, len, zero_is_prefix);
    bool drop =
        p->n > len && p->digit[len] == '0' && (never || p->zero == len) && !IS_OF(p, len, zero_is_ours);
    if (drop)
        memmove(p->digit + len, p->digit + len + 1, --p->n - len);
    return !never || p->n <= len || p->digit[len] != '0';
}

static enum err normal_phone(struct arena *a, struct span plain, struct span *out, struct fail *f)
{
    struct phone p = {0};
    struct span s = span_trim(plain);
    bool ok = s.len <= PHONE_TEXT_MAX && phone_digits(s, &p);
    if (ok && !p.international && chinese_mobile(&p)) {
        *out = arena_fmt(a, "+86%.*s", (int)p.n, (const char *)p.digit);
        return OK;
    }
    ok = ok && p.international && p.n >= PHONE_MIN && p.digit[0] != '0' && drop_prefix(&p);
    if (!ok || p.n < PHONE_MIN || p.n > PHONE_MAX) {
        fail_hint(f, "write it with its country code, such as +86 138 0000 0000");
        return fail_set(f, ERR_BAD_VALUE, "this is not a phone number");
    }
    *out = arena_fmt(a, "+%.*s", (int)p.n, (const char *)p.digit);
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
        if (!is_digit(s.p[i]) && (lower(s.p[i]) < 'a' || lower(s.p[i]) > 'z') && s.p[i] != '-')
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

/* The two parts as everybody writes them: the local part in normal form C, the domain as on the wire. What is
 * all ASCII has one spelling but for its letters' case. */
static enum err email_parts(struct arena *a, struct span *local, struct span *domain, struct fail *f)
{
    enum err e = unicode_needed(*local) ? unicode_nfc(a, *local, local, f) : OK;
    return !e && unicode_needed(*domain) ? unicode_domain(a, *domain, domain, f) : e;
}

static enum err normal_email(struct arena *a, struct span plain, struct span *out, struct fail *f)
{
    struct span s = span_trim(plain);
    size_t at = span_find(s, '@', 0);
    struct span local = span_sub(s, 0, at), domain = span_sub(s, at + (at < s.len), s.len);
    bool ok = s.len <= EMAIL_TEXT_MAX && at < s.len && span_utf8(s);
    enum err e = ok ? email_parts(a, &local, &domain, f) : ERR_BAD_VALUE;
    if (e && e != ERR_BAD_VALUE)
        return e;
    if (e || local.len + 1 + domain.len > EMAIL_MAX || !local_ok(local) || !domain_ok(domain)) {
        fail_hint(f, "write it as name@example.com");
        return fail_set(f, ERR_BAD_VALUE, "this is not an e-mail address");
    }
    uint8_t *copy = arena_alloc(a, local.len + 1 + domain.len);
    memcpy(copy, local.p, local.len);
    copy[local.len] = '@';
    for (size_t i = 0; i < domain.len; i++)
        copy[local.len + 1 + i] = lower(domain.p[i]);
    *out = span_of(copy, local.len + 1 + domain.len);
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
