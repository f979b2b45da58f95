// SPDX-License-Identifier: Apache-2.0
/* What is authenticated beside a ciphertext. See vault_impl.h. */
#include "vault_impl.h"

#include <assert.h>

void bind_put(struct bind *b, struct span s)
{
    assert(s.len <= sizeof b->b - b->len); /* callers check lengths before */
    if (s.len)
        memcpy(b->b + b->len, s.p, s.len);
    b->len += s.len;
}

void bind_put_i64(struct bind *b, int64_t v)
{
    uint8_t be[8];
    for (unsigned i = 0; i < 8; i++)
        be[i] = (uint8_t)((uint64_t)v >> (56 - 8 * i));
    bind_put(b, span_of(be, sizeof be));
}

/* The purpose is padded to a fixed width, so that no purpose is the beginning of another. */
struct bind bind_start(const char *purpose)
{
    struct bind b = {.len = 0};
    bind_put(&b, span_str(purpose));
    assert(b.len <= 32);
    b.len = 32;
    return b;
}
