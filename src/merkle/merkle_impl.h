// SPDX-License-Identifier: Apache-2.0
/* merkle_impl.h: what the readers of signed notes share. */
#ifndef TROTH_MERKLE_IMPL_H
#define TROTH_MERKLE_IMPL_H

#include "merkle.h"

#define SIGNATURE_START "\xe2\x80\x94 " /* em dash, blank */

enum { KEY_HASH_LEN = 4 }; /* first bytes of a key's hash: which key, not whose */

void key_hash(struct span name, uint8_t type, const uint8_t pk[32], uint8_t out[KEY_HASH_LEN]);
/* Key names: no blanks, no plus (signed-note). */
bool is_name(struct span s);
bool get_hash(struct arena *a, struct span line, struct digest *out);
bool get_number(struct span s, uint64_t *out);
/* Takes one line with its end from the front. */
bool take_line(struct span *rest, struct span *line);

struct signature {
    struct span name, blob; /* blob: key hash, then the signature */
};
bool read_signature(struct arena *a, struct span line, struct signature *s);

#endif
