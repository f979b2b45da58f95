// SPDX-License-Identifier: Apache-2.0
/*
 * vault_unicode.h: what only addresses beyond ASCII need. libidn2 and libunistring are opened by the first of
 * them (late.h): GnuTLS has both in the process already, so they take no memory of their own. Any thread.
 *
 * All take UTF-8 and give it in the arena; what the libraries had is wiped. ERR_INTERNAL: a library is
 * missing.
 */
#ifndef TROTH_VAULT_UNICODE_H
#define TROTH_VAULT_UNICODE_H

#include "arena.h"
#include "err.h"
#include "span.h"

/* A domain as it is asked for on the wire: A-labels of IDNA2008 in lower case, after the mapping of UTS 46
 * without its transitional part. ERR_BAD_VALUE: it cannot be one; the detail is the caller's. */
enum err unicode_domain(struct arena *a, struct span s, struct span *out, struct fail *f);
/* Normal form C. */
enum err unicode_nfc(struct arena *a, struct span s, struct span *out, struct fail *f);
/* In lower case, normal form C. */
enum err unicode_lower(struct arena *a, struct span s, struct span *out, struct fail *f);

/* Whether any of these is needed. */
static inline bool unicode_needed(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] >= 0x80)
            return true;
    return false;
}

#endif
