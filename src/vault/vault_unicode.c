// SPDX-License-Identifier: Apache-2.0
/* see vault_unicode.h */
#include "vault_unicode.h"

#include "crypto.h"
#include "late.h"

#include <idn2.h>
#include <pthread.h>
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

#define IDN_FUNCTIONS(X)   X(idn2_lookup_u8) X(idn2_free)
#define UNISTRING_NAMES(X) X(u8_normalize) X(u8_tolower) X(uninorm_nfc)
#define DOMAIN_FLAGS       (IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL)
#define GROWS              3 /* times: what normal form C and lower case make of UTF-8 at most */

static struct idn {
    IDN_FUNCTIONS(LATE_MEMBER)
} idn;
static struct unistring {
    UNISTRING_NAMES(LATE_MEMBER)
} unistring;
static struct fail missing;

static void open_once(void)
{
#define X(function) LATE_NAME(idn, function)
    static const struct late_name idn_names[] = {IDN_FUNCTIONS(X)};
#undef X
#define X(function) LATE_NAME(unistring, function)
    static const struct late_name unistring_names[] = {UNISTRING_NAMES(X)};
#undef X
    if (late_open("libidn2.so.0", idn_names, sizeof idn_names / sizeof idn_names[0], &idn, &missing) == OK)
        late_open("libunistring.so.2", unistring_names, sizeof unistring_names / sizeof unistring_names[0],
                  &unistring, &missing);
}

static enum err open_all(struct fail *f)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_once);
    return missing.code == OK ? OK : fail_set(f, missing.code, "%s", missing.detail);
}

enum err unicode_domain(struct arena *a, struct span s, struct span *out, struct fail *f)
{
    uint8_t *name = NULL;
    enum err e = open_all(f);
    if (e)
        return e;
    if (span_find(s, 0, 0) != s.len) /* the library's strings end there */
        return ERR_BAD_VALUE;
    if (idn.idn2_lookup_u8((const uint8_t *)arena_str(a, s), &name, DOMAIN_FLAGS) != IDN2_OK)
        return ERR_BAD_VALUE;
    size_t n = strlen((const char *)name);
    *out = arena_copy(a, span_of(name, n));
    crypto_wipe(name, n);
    idn.idn2_free(name);
    return OK;
}

/* What the library gave: in `buffer`, or, against what is promised, its own. */
static enum err take(uint8_t *got, const uint8_t *buffer, size_t n, struct arena *a, struct span *out,
                     struct fail *f)
{
    if (!got)
        return fail_set(f, ERR_INTERNAL, "text cannot be brought to its normal form");
    *out = got == buffer ? span_of(got, n) : arena_copy(a, span_of(got, n));
    if (got != buffer) {
        crypto_wipe(got, n);
        free(got);
    }
    return OK;
}

enum err unicode_nfc(struct arena *a, struct span s, struct span *out, struct fail *f)
{
    enum err e = open_all(f);
    size_t n = GROWS * s.len;
    if (e)
        return e;
    uint8_t *buffer = arena_alloc(a, n);
    uint8_t *got = unistring.u8_normalize(unistring.uninorm_nfc, s.p, s.len, buffer, &n);
    return take(got, buffer, n, a, out, f);
}

enum err unicode_lower(struct arena *a, struct span s, struct span *out, struct fail *f)
{
    enum err e = open_all(f);
    size_t n = GROWS * s.len;
    if (e)
        return e;
    uint8_t *buffer = arena_alloc(a, n);
    uint8_t *got = unistring.u8_tolower(s.p, s.len, "", unistring.uninorm_nfc, buffer, &n);
    return take(got, buffer, n, a, out, f);
}
