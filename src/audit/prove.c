// SPDX-License-Identifier: Apache-2.0
/* prove.c: proofs and receipts, any thread. See audit.h. */
#include "audit_impl.h"
#include "text.h"

#include <stdlib.h>

struct prover {
    struct audit *au;
    struct tiles *t;
    struct {
        bool any;
        uint64_t index;
        struct digest row[MERKLE_TILE_WIDTH];
    } last[TILE_LEVELS]; /* a proof asks for neighbours */
};

static bool prover_read(void *ctx, unsigned level, uint64_t index, struct digest *out)
{
    struct prover *p = ctx;
    uint64_t tile = index / MERKLE_TILE_WIDTH;
    size_t at = (size_t)(index % MERKLE_TILE_WIDTH);
    if (level >= TILE_LEVELS || !tile_covered(p->t, level, tile, at + 1))
        return false;
    if (!p->last[level].any || p->last[level].index != tile) {
        if (!tile_hashes(p->au, p->t, level, tile, tiles_width(p->t, level), p->last[level].row))
            return false;
        p->last[level].any = true;
        p->last[level].index = tile;
    }
    *out = p->last[level].row[at];
    return true;
}

static struct prover *prover_new(struct audit *au, struct tiles *t)
{
    struct prover *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->au = au;
    p->t = t;
    return p;
}

/* A head that witnesses have cosigned says more than a newer one they have not: it is taken if it covers the
 * entry. What is in the file must be signed by this log and not be ahead of it; else it is not used. */
static uint64_t choose_head(struct audit *au, const struct tiles *t, uint64_t index, struct arena *a,
                            struct span *note)
{
    struct span cosigned;
    struct merkle_checkpoint c;
    if (small_read(a, au->dir, "witnessed", NOTE_FILE_MAX, &cosigned, NULL) != OK ||
        merkle_checkpoint_read(a, cosigned, au->pk, &c, NULL) != OK || !span_eq(c.origin, au->origin))
        return t->size;
    if (c.size <= index || c.size > t->size)
        return t->size;
    *note = cosigned;
    return c.size;
}

static enum err make_proof(struct audit *au, struct tiles *t, uint64_t index, struct span extra,
                           struct arena *a, struct span note, struct span *out, struct fail *f)
{
    struct digest proof[MERKLE_PROOF_MAX];
    size_t n = 0;
    uint64_t size = choose_head(au, t, index, a, &note);
    struct prover *p = prover_new(au, t);
    struct fail why = {0};
    enum err e = merkle_inclusion(prover_read, p, index, size, proof, &n, &why);
    free(p);
    if (e)
        return index < audit_minimum(au) ? entry_pruned(f, index) /* meanwhile */
                                         : fail_set(f, e, "%s", why.detail);
    *out = merkle_proof_put(a, index, proof, n, note, extra);
    return OK;
}

static enum err prove(struct audit *au, uint64_t index, struct span opening, struct arena *a,
                      struct span *out, struct fail *f)
{
    struct span note, leaf, detail;
    if (index >= audit_sealed_size(au))
        return entry_absent(f, index);
    enum err e = audit_read(au, index, a, &leaf, &detail, f);
    if (!e && opening.len)
        e = audit_opening_check(leaf, opening, f);
    if (e)
        return e;
    struct tiles *t = published_copy(au, a, &note);
    struct text extra = text_new(a, leaf.len + opening.len);
    text_put(&extra, leaf);
    text_put(&extra, opening);
    if (index < t->size)
        e = make_proof(au, t, index, text_span(&extra), a, note, out, f);
    else
        e = fail_set(f, ERR_BUSY, "entry %llu is not under a checkpoint yet", (unsigned long long)index);
    free(t);
    return e;
}

enum err audit_prove(struct audit *au, uint64_t index, struct arena *a, struct span *proof, struct fail *f)
{
    return prove(au, index, SPAN_EMPTY, a, proof, f);
}

enum err audit_receipt(struct audit *au, uint64_t index, struct span opening, struct arena *a,
                       struct span *receipt, struct fail *f)
{
    if (opening.len < AUDIT_OPENING_MIN)
        return fail_set(f, ERR_BAD_VALUE, "an opening has at least %d bytes", AUDIT_OPENING_MIN);
    return prove(au, index, opening, a, receipt, f);
}

enum err audit_consistency(struct audit *au, uint64_t old_size, struct arena *a, struct digest **proof,
                           size_t *n, struct span *note, struct fail *f)
{
    struct tiles *t = published_copy(au, a, note);
    struct prover *p = prover_new(au, t);
    *proof = ARENA_ARRAY(a, MERKLE_PROOF_MAX, struct digest);
    *n = 0;
    enum err e = OK;
    if (old_size > t->size)
        e = fail_set(f, ERR_NOT_FOUND, "the checkpoint covers %llu entries, not %llu",
                     (unsigned long long)t->size, (unsigned long long)old_size);
    else if (old_size > 0 && old_size < audit_minimum(au))
        e = fail_set(f, ERR_GONE, "entries below %llu were pruned: no proof begins at %llu",
                     (unsigned long long)audit_minimum(au), (unsigned long long)old_size);
    else if (old_size > 0 && old_size < t->size)
        e = merkle_consistency(prover_read, p, old_size, t->size, *proof, n, f);
    free(p);
    free(t);
    return e;
}
