// SPDX-License-Identifier: Apache-2.0
/* leaf.c: the fixed layout of what goes into the tree. The table is in DESIGN.md. */
#include "audit_impl.h"

enum { LEAF_VERSION = AUDIT_LEAF_VERSION, LEAF_LEN = AUDIT_LEAF_LEN };
_Static_assert(LEAF_LEN <= AUDIT_LEAF_MAX, "leaf fits");

static const char *const kind_names[] = {
    [AUDIT_DECISION] = "decision", [AUDIT_READ] = "read",         [AUDIT_COLLECT] = "collect",
    [AUDIT_SHARE] = "share",       [AUDIT_CORRECT] = "correct",   [AUDIT_DELETE] = "delete",
    [AUDIT_ERASE] = "erase",       [AUDIT_SUBJECT] = "subject",   [AUDIT_GUARDIAN] = "guardian",
    [AUDIT_CONSENT] = "consent",   [AUDIT_WITHDRAW] = "withdraw", [AUDIT_REGISTER] = "register",
    [AUDIT_POLICY] = "policy",     [AUDIT_START] = "start",       [AUDIT_REFUSED] = "refused",
    [AUDIT_EXPORT] = "export",     [AUDIT_EPOCH] = "epoch",       [AUDIT_PRUNE] = "prune",
    [AUDIT_CLOSE] = "close",
};
#define KINDS (sizeof kind_names / sizeof kind_names[0])

const char *audit_kind_name(enum audit_kind k)
{
    const char *name = (size_t)k < KINDS ? kind_names[k] : NULL;
    return name ? name : "unknown";
}

size_t audit_leaf_put(const struct audit_leaf *l, uint8_t out[AUDIT_LEAF_MAX])
{
    out[0] = LEAF_VERSION;
    out[1] = (uint8_t)l->kind;
    put_be(out + 2, (uint64_t)l->time.ms, 8);
    memcpy(out + 10, l->actor, 16);
    memcpy(out + 26, l->subject, 16);
    put_be(out + 42, l->service, 2);
    put_be(out + 44, l->purpose, 2);
    put_be(out + 46, l->operation, 2);
    put_be(out + 48, l->party, 2);
    put_be(out + 50, l->clause, 2);
    out[52] = l->answer;
    out[53] = l->reason;
    memcpy(out + 54, l->policy, 8);
    memcpy(out + 62, l->commit, 32);
    return LEAF_LEN;
}

bool audit_leaf_get(struct span leaf, struct audit_leaf *out)
{
    const uint8_t *p = leaf.p;
    if (leaf.len != LEAF_LEN || p[0] != LEAF_VERSION || p[1] == 0 || p[1] >= KINDS)
        return false;
    *out = (struct audit_leaf){
        .kind = (enum audit_kind)p[1],
        .time = {(int64_t)get_be(p + 2, 8)},
        .service = (uint16_t)get_be(p + 42, 2),
        .purpose = (uint16_t)get_be(p + 44, 2),
        .operation = (uint16_t)get_be(p + 46, 2),
        .party = (uint16_t)get_be(p + 48, 2),
        .clause = (uint16_t)get_be(p + 50, 2),
        .answer = p[52],
        .reason = p[53],
    };
    memcpy(out->actor, p + 10, 16);
    memcpy(out->subject, p + 26, 16);
    memcpy(out->policy, p + 54, 8);
    memcpy(out->commit, p + 62, 32);
    return true;
}
