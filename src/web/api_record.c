// SPDX-License-Identifier: Apache-2.0
/* The record as files (C2SP): head, tiles, proofs, receipts. See web_impl.h */
#include "web_impl.h"

#include "file.h"

#define KEY_FILE_MAX  1024 /* one line: name, hash, key */
#define WITNESSED_MAX (64 << 10)

void api_audit_checkpoint(struct call *c)
{
    struct span note;
    if (audit_checkpoint(c->web->audit, c->arena, &note, &c->fail) == OK)
        answer_bytes(c, "text/plain; charset=utf-8", note, "no-cache");
}

/* Tiles never change (tlog-tiles); a partial one is named by its width. Entry bundles are for auditors
 * (docs/security.md, "The record"). */
void api_audit_tile(struct call *c)
{
    struct span tile, path = arena_fmt(c->arena, "tile/%.*s", SPAN_F(c->params.value[0]));
    if (span_starts(path, "tile/entries/") && c->role != ROLE_OPERATOR) {
        fail_hint(&c->fail, "Over the operator's socket, or with `troth audit`.");
        fail_set(&c->fail, ERR_FORBIDDEN, "Bundles of entries are served to auditors only.");
        return;
    }
    if (audit_tile(c->web->audit, path, c->arena, &tile, &c->fail) == OK)
        answer_bytes(c, "application/octet-stream", tile, "public, max-age=31536000, immutable");
}

static bool entry_number(struct call *c, struct span text, uint64_t *index)
{
    if (span_u64(text, UINT64_MAX / 2, index))
        return true;
    fail_set(&c->fail, ERR_NOT_FOUND, "An entry is named by its index, a number.");
    return false;
}

void api_audit_proof(struct call *c)
{
    struct span proof;
    uint64_t index = 0;
    if (!entry_number(c, c->params.value[0], &index))
        return;
    enum err err = audit_prove(c->web->audit, index, c->arena, &proof, &c->fail);
    if (err == OK)
        answer_bytes(c, "text/plain; charset=utf-8", proof, "no-cache");
}

/* Receipts are the person's: no cache keeps them. */
static void answer_receipt(struct call *c, enum err err, struct span receipt)
{
    if (err == OK)
        answer_bytes(c, "text/plain; charset=utf-8", receipt, "no-store");
}

void api_receipt(struct call *c)
{
    struct subject s;
    struct span receipt = SPAN_EMPTY;
    uint64_t entry = 0;
    if (call_subject(c, 0, &s) != OK || !entry_number(c, c->params.value[1], &entry))
        return;
    answer_receipt(c, gate_receipt(&c->gate, s.id, entry, c->web->audit, &receipt, &c->fail), receipt);
}

/* For who was erased, and for who kept the answer: the opening proves that the entry is the asker's own to
 * show. */
void api_receipt_make(struct call *c)
{
    struct span opening, receipt = SPAN_EMPTY;
    int64_t entry = -1;
    json_read_i64(c->body, "entry", true, &entry, &c->fail);
    if (entry < 0) {
        fail_where(&c->fail, "/entry");
        fail_set(&c->fail, ERR_BAD_VALUE, "An entry is named by its index, 0 or more.");
        return;
    }
    struct span origin = call_member(c, "origin");
    if (origin.len && !span_eq(origin, audit_origin(c->web->audit))) {
        fail_where(&c->fail, "/origin");
        fail_hint(
            &c->fail,
            "Ask the node whose record it is; if it is gone, `troth audit prove` makes the receipt from "
            "its folder.");
        fail_set(&c->fail, ERR_NOT_FOUND, "The entry is in another node's record, %.*s.", SPAN_F(origin));
        return;
    }
    if (!base64_get(c->arena, call_member(c, "opening"), &opening)) {
        fail_where(&c->fail, "/opening");
        fail_set(&c->fail, ERR_BAD_VALUE, "`opening` is not Base64; take it from the answer's `receipt`.");
        return;
    }
    enum err err = audit_receipt(c->web->audit, (uint64_t)entry, opening, c->arena, &receipt, &c->fail);
    if (err == ERR_INTEGRITY) { /* the caller's text is wrong, not ours */
        c->fail = (struct fail){0};
        fail_where(&c->fail, "/opening");
        err = fail_set(&c->fail, ERR_BAD_VALUE,
                       "`opening` does not open this entry; take both from one answer.");
    }
    answer_receipt(c, err, receipt);
}

void api_audit_witnessed(struct call *c)
{
    struct span note;
    struct span path = arena_fmt(c->arena, "%s/audit/witnessed", c->web->config.data);
    enum err err = file_read(c->arena, arena_str(c->arena, path), WITNESSED_MAX, &note, &c->fail);
    if (err == OK) {
        answer_bytes(c, "text/plain; charset=utf-8", note, "no-cache");
    } else if (err == ERR_NOT_FOUND) {
        c->fail = (struct fail){0};
        fail_set(&c->fail, ERR_NOT_FOUND, "No witness has cosigned this record yet.");
    }
}

void api_audit_key(struct call *c)
{
    struct span key;
    struct span path = arena_fmt(c->arena, "%s/audit/key.pub", c->web->config.data);
    if (file_read(c->arena, arena_str(c->arena, path), KEY_FILE_MAX, &key, &c->fail) == OK)
        answer_bytes(c, "text/plain; charset=utf-8", key, "public, max-age=3600");
}
