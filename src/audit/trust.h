// SPDX-License-Identifier: Apache-2.0
/*
 * trust.h: whom somebody believes, as a file (C2SP tlog-policy): logs, witnesses, and which of them must have
 * signed.
 *
 *   log VKEY [URL]
 *   witness NAME VKEY [URL]
 *   group NAME any|all|NUMBER MEMBER...
 *   quorum NAME|none
 *
 * One item a line, `#` begins a comment. Members are witnesses or groups named before. Pure: bytes in, bytes
 * out.
 */
#ifndef TROTH_TRUST_H
#define TROTH_TRUST_H

#include "arena.h"
#include "err.h"
#include "merkle.h"

#define TRUST_FILE_MAX    (64 << 10)
#define TRUST_LOGS_MAX    64
#define TRUST_MEMBERS_MAX 128 /* witnesses and groups of one file */

struct trust_member {
    struct span name;
    struct merkle_key key;             /* of a witness; name empty in a group */
    struct span url;                   /* where the witness answers; empty: not told */
    size_t need;                       /* of a group: how many of its members */
    uint8_t in[TRUST_MEMBERS_MAX / 8]; /* of a group: which members */
};
struct trust {
    struct merkle_key log[TRUST_LOGS_MAX];
    size_t n_logs;
    struct trust_member member[TRUST_MEMBERS_MAX];
    size_t n_members;
    size_t quorum; /* index of a member; TRUST_MEMBERS_MAX: none */
};

/* ERR_BAD_VALUE naming the line. A file without `quorum`, or without a log, is not one. */
enum err trust_read(struct arena *a, struct span text, struct trust **out, struct fail *f);
/* That a log of the file signed the note, and the quorum cosigned it. *signers: names of the witnesses that
 * did, comma separated. ERR_INTEGRITY saying who is missing. */
enum err trust_check(struct arena *a, const struct trust *t, struct span note, struct merkle_checkpoint *out,
                     struct span *signers, struct fail *f);

#endif
