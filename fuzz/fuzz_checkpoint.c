// SPDX-License-Identifier: Apache-2.0
/* Notes, receipts and tile paths as strangers send them. What is taken must print back to the same bytes. */
#include "merkle.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void try_note(struct arena *a, struct span s)
{
    struct merkle_checkpoint c;
    struct fail f = {.code = OK};
    const uint8_t pk[32] = {1};
    if (merkle_checkpoint_read(a, s, NULL, &c, &f) != OK) {
        must(f.code && f.detail[0]);
        return;
    }
    struct span body = merkle_checkpoint_body(a, &c);
    must(span_eq(span_sub(s, 0, body.len), body));
    must(merkle_checkpoint_read(a, s, pk, &c, NULL) == ERR_INTEGRITY);
}

static void try_proof(struct arena *a, struct span s)
{
    struct merkle_checkpoint c;
    struct span extra;
    uint64_t index;
    merkle_proof_check(a, s, SPAN("leaf"), NULL, &index, &c, NULL);
    merkle_proof_extra(a, s, &extra, NULL);
}

static void try_path(struct arena *a, struct span s)
{
    bool entries;
    unsigned level, width;
    uint64_t index;
    if (merkle_tile_parse(s, &entries, &level, &index, &width))
        must(span_eq(merkle_tile_path(a, entries, level, index, width), s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0);
    struct span s = span_of(data, size);
    try_note(a, s);
    try_proof(a, s);
    try_path(a, s);
    arena_free(a);
    return 0;
}
