// SPDX-License-Identifier: Apache-2.0
/*
 * witness.h: a witness remembers the newest head it has seen of each log and cosigns only what extends it
 * (C2SP tlog-witness, tlog-cosignature). So a log that was cut, or rewritten, is refused by somebody else's
 * memory.
 *
 * Its folder: `witness-key` (0600), `key.pub`, and for each log `log-HASH` with the newest head and its
 * cosignature, made durable before the cosignature is given away. One process at a time.
 */
#ifndef TROTH_WITNESS_H
#define TROTH_WITNESS_H

#include "arena.h"
#include "err.h"
#include "merkle.h"

#define WITNESS_BODY_MAX (80 << 10) /* the spec's 63 hashes and a note */
#define WITNESS_LOGS_MAX 64

struct witness;

/* Makes the folder with a key for `name` (signed-note key name). ERR_CONFLICT if there is one. */
enum err witness_create(const char *dir, const char *name, struct fail *f);
/* logs: verifier keys, one each; their names are the origins. ERR_BAD_VALUE, ERR_CONFLICT: another process
 * has it. */
enum err witness_open(const char *dir, const struct span *logs, size_t n, struct witness **out,
                      struct fail *f);
void witness_close(struct witness *w);
/* Its verifier key; lives as long as the witness. */
struct span witness_key(const struct witness *w);

struct witness_answer {
    int status;       /* of HTTP */
    const char *type; /* content type */
    struct span body;
};
/* One add-checkpoint request: "old SIZE", hashes, an empty line, the note. 200: a cosignature line. 400: not
 * well formed, or the old size is larger than the new one. 403: not signed by the log's key. 404: a log it
 * does not know. 409 and its size: the old size is not the one it remembers, or a different head of the same
 * size. 422: the proof does not hold. 500: it could not remember, so it signed nothing. Any thread. */
void witness_add(struct witness *w, struct span body, uint64_t now_s, struct arena *a,
                 struct witness_answer *out);

#endif
