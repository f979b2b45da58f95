// SPDX-License-Identifier: Apache-2.0
/* Identifiers as people may write them. The first byte chooses the kind. Whatever is taken has one form,
 * which is its own. */
#include "vault.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static bool all_in(struct span s, const char *allowed)
{
    for (size_t i = 0; i < s.len; i++)
        if (!s.p[i] || !strchr(allowed, s.p[i]))
            return false;
    return true;
}

static void check_phone(struct span s)
{
    must(s.len >= 9 && s.len <= 16 && s.p[0] == '+' && s.p[1] != '0');
    must(all_in(span_sub(s, 1, s.len), "0123456789"));
}

static void check_email(struct span s)
{
    size_t at = span_find(s, '@', 0);
    must(s.len <= 254 && at > 0 && at + 1 < s.len && span_utf8(s));
    must(all_in(span_sub(s, at + 1, s.len), "abcdefghijklmnopqrstuvwxyz0123456789-."));
}

static void check_document(struct span s)
{
    must(s.len >= 4 && s.len <= 32 && all_in(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        const char *kind;
        void (*check)(struct span s);
    } kinds[] = {{"phone", check_phone}, {"email", check_email}, {"document", check_document}};
    if (size == 0)
        return 0;
    struct arena *a = arena_new(0);
    size_t k = data[0] % 3;
    struct span kind = span_str(kinds[k].kind), normal, again;
    struct fail f = {0};
    enum err err = vault_normalise(a, kind, span_of(data + 1, size - 1), &normal, &f);
    must(err == OK || (err == ERR_BAD_VALUE && f.detail[0]));
    if (err == OK) {
        kinds[k].check(normal);
        must(vault_normalise(a, kind, normal, &again, NULL) == OK && span_eq(normal, again));
    }
    arena_free(a);
    return 0;
}
