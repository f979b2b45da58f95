// SPDX-License-Identifier: Apache-2.0
/*
 * index.h: the index log: the checkpoints of all nodes on one database, as the entries of one more log, which
 * lies in that database (index_hash, index_head). Witnesses need to look at it alone.
 *
 * An entry is a signed checkpoint of a node, as the node published it; of a node that was retired, one last
 * entry says where its record ends:
 *
 *   troth node closed
 *   ORIGIN
 *   SIZE
 *   ROOT
 *
 * One node leads. Who takes over steps the token; an append names its token in the same transaction, so that
 * one who led before and does not know it appends nothing. The tree, its head and the signature are in one
 * transaction: there is no crash between them.
 */
#ifndef TROTH_INDEX_H
#define TROTH_INDEX_H

#include "audit.h"
#include "store.h"

#define INDEX_CLOSED "troth node closed\n"

/* HOST/audit/INSTANCE/index of any node's origin. */
struct span index_origin(struct arena *a, struct span node_origin);
/* Takes the lead, in a group of its own. */
enum err index_lead(struct store *st, const struct sign_key *key, struct span origin, int64_t *token,
                    struct fail *f);
/* Enters what is new of each node, in a group of its own. ERR_CONFLICT: another one leads, and nothing was
 * appended. */
enum err index_grow(struct store *st, const struct sign_key *key, struct span origin, int64_t token,
                    size_t *entered, struct fail *f);
/* ---- In a snapshot */
enum err index_checkpoint(struct store *st, struct arena *a, struct span *note, struct fail *f);
/* A tile by path as in merkle_tile_parse; "tile/entries" too. ERR_NOT_FOUND. */
enum err index_tile(struct store *st, struct span path, struct arena *a, struct span *out, struct fail *f);

struct index_report {
    uint64_t entries;
    struct digest root;
    bool ok;
    char fault[400];
    struct span newest; /* the last checkpoint of the record `origin` in it; empty: none */
};
/* Recomputes every hash, the root and the signature, and looks at each entry: it is signed by its node, and
 * no record in it becomes shorter or goes on after its end. `own`: origin of the record `newest` is wanted
 * of. */
enum err index_verify(struct store *st, const struct merkle_key *key, struct span own, struct arena *a,
                      struct index_report *r, struct fail *f);

#endif
