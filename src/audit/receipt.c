// SPDX-License-Identifier: Apache-2.0
/* receipt.c: receipts checked offline. See audit.h; the order of bytes is in DESIGN.md. */
#include "audit_impl.h"

/* The length of the leaf that `extra` begins with; 0 if it is of a version not known here. */
static size_t leaf_length(struct span extra)
{
    return extra.len >= AUDIT_LEAF_LEN && extra.p[0] == AUDIT_LEAF_VERSION ? AUDIT_LEAF_LEN : 0;
}

enum err audit_opening_check(struct span leaf, struct span opening, struct fail *f)
{
    struct audit_leaf l;
    uint8_t commit[MAC_LEN];
    if (opening.len < AUDIT_OPENING_MIN || !audit_leaf_get(leaf, &l))
        return fail_set(f, ERR_BAD_VALUE, "the opening, or the entry, is not of a known form");
    crypto_hmac(span_sub(opening, 0, AUDIT_OPENING_MIN), span_sub(opening, AUDIT_OPENING_MIN, opening.len),
                commit);
    if (crypto_equal(span_of(commit, MAC_LEN), span_of(l.commit, MAC_LEN)))
        return OK;
    return fail_set(f, ERR_INTEGRITY, "the stated detail is not the one that was recorded");
}

enum err audit_receipt_check(struct arena *a, struct span receipt, const uint8_t *pk,
                             struct audit_receipt *out, struct fail *f)
{
    struct span extra;
    *out = (struct audit_receipt){0};
    enum err e = merkle_proof_extra(a, receipt, &extra, f);
    if (!e)
        e = merkle_proof_note(a, receipt, &out->note, f);
    if (e)
        return e;
    size_t len = leaf_length(extra);
    struct span leaf = span_sub(extra, 0, len), opening = span_sub(extra, len, extra.len);
    if (len == 0 || !audit_leaf_get(leaf, &out->leaf))
        return fail_set(f, ERR_BAD_VALUE, "the receipt does not carry an entry of a known form");
    e = merkle_proof_check(a, receipt, leaf, pk, &out->index, &out->head, f);
    if (!e && opening.len)
        e = audit_opening_check(leaf, opening, f);
    if (e || !opening.len)
        return e;
    out->opened = true;
    out->detail = span_sub(opening, AUDIT_OPENING_MIN, opening.len);
    return OK;
}
