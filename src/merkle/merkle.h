// SPDX-License-Identifier: Apache-2.0
/*
 * merkle.h: RFC 6962 trees, C2SP tlog-tiles paths, signed-note checkpoints, proofs. Pure: bytes in, bytes
 * out.
 *
 * Leaf hash: SHA-256(0x00 || leaf). Node hash: SHA-256(0x01 || left || right). Tiles have height 8.
 */
#ifndef TROTH_MERKLE_H
#define TROTH_MERKLE_H

#include "arena.h"
#include "err.h"
#include "id.h"
#include "text.h"

#define MERKLE_TILE_HEIGHT 8
#define MERKLE_TILE_WIDTH  256
#define MERKLE_LEVELS_MAX  64
#define MERKLE_PROOF_MAX   64 /* hashes in one proof: log2 of the largest index */

/* The right edge of a growing tree: one hash per full subtree. 2 KiB, flat, copyable. */
struct merkle_tree {
    uint64_t size;
    struct digest edge[MERKLE_LEVELS_MAX];
};

void merkle_leaf(struct span leaf, struct digest *out);
void merkle_node(const struct digest *left, const struct digest *right, struct digest *out);
/* Adds one leaf hash. */
void merkle_add(struct merkle_tree *t, const struct digest *leaf_hash);
/* The root (SHA-256 of nothing for the empty tree). */
void merkle_root(const struct merkle_tree *t, struct digest *out);

/* The RFC 6962 hash over n (1..256) hashes of neighbouring subtrees of one height; the last may stand for a
 * smaller, unfinished one. Of a full tile it is the hash one tile level up. */
void merkle_fold(const struct digest *hashes, size_t n, struct digest *out);

/* Reads hash `index` of tile level `level` x 8 (level 0: leaf hashes). False: not available. */
typedef bool (*merkle_read_fn)(void *ctx, unsigned tile_level, uint64_t index, struct digest *out);
/* RFC 6962 2.1.1 and 2.1.2. Hashes into out, count into *n. ERR_NOT_FOUND if out of range, ERR_CORRUPT if a
 * tile lacks. */
enum err merkle_inclusion(merkle_read_fn read, void *ctx, uint64_t index, uint64_t size,
                          struct digest out[MERKLE_PROOF_MAX], size_t *n, struct fail *f);
enum err merkle_consistency(merkle_read_fn read, void *ctx, uint64_t old_size, uint64_t size,
                            struct digest out[MERKLE_PROOF_MAX], size_t *n, struct fail *f);
bool merkle_check_inclusion(const struct digest *leaf_hash, uint64_t index, uint64_t size,
                            const struct digest *proof, size_t n, const struct digest *root);
bool merkle_check_consistency(uint64_t old_size, const struct digest *old_root, uint64_t size,
                              const struct digest *root, const struct digest *proof, size_t n);

/* "tile/0/x001/x234/067" or "tile/entries/...", with ".p/W" for a partial tile of width W (0: full). */
struct span merkle_tile_path(struct arena *a, bool entries, unsigned level, uint64_t index, unsigned width);
/* The reverse, of a path as a client asks for it. */
bool merkle_tile_parse(struct span path, bool *entries, unsigned *level, uint64_t *index, unsigned *width);

/* C2SP tlog-checkpoint inside a signed note. */
struct merkle_checkpoint {
    struct span origin;
    uint64_t size;
    struct digest root;
};
/* The body the signature covers: three lines with their ends. */
struct span merkle_checkpoint_body(struct arena *a, const struct merkle_checkpoint *c);
/* Body, empty line, one signature line. */
struct span merkle_checkpoint_note(struct arena *a, const struct merkle_checkpoint *c, const uint8_t pk[32],
                                   const uint8_t signature[64]);
/* Parses strictly and, if pk is not null, verifies the signature of key name == origin. */
enum err merkle_checkpoint_read(struct arena *a, struct span note, const uint8_t *pk,
                                struct merkle_checkpoint *out, struct fail *f);
/* "origin+hash+base64(0x01||pk)": the verifier key in signed-note form. */
struct span merkle_verifier_key(struct arena *a, struct span origin, const uint8_t pk[32]);

/* The three lines with their ends that signatures cover; empty if there is no empty line behind them. */
struct span merkle_note_body(struct span note);

/* Keys of others, in signed-note form: NAME+HASH+BASE64(type || key). */
enum { MERKLE_KEY_LOG = 1, MERKLE_KEY_WITNESS = 4 }; /* Ed25519; Ed25519 cosignature/v1 */
struct merkle_key {
    struct span name;
    uint8_t type;
    uint8_t pk[32];
};
/* ERR_BAD_VALUE saying what is wrong. Blanks around it are let pass. */
enum err merkle_key_read(struct arena *a, struct span text, struct merkle_key *out, struct fail *f);
struct span merkle_key_text(struct arena *a, const struct merkle_key *k);

/* C2SP tlog-cosignature: a witness says that at a time, in seconds, it saw this head extend those before. */
struct span merkle_cosign_message(struct arena *a, uint64_t time_s, struct span body);
/* One signature line with its end. */
struct span merkle_cosign_line(struct arena *a, const struct merkle_key *k, uint64_t time_s,
                               const uint8_t signature[64]);
/* Whether the witness has cosigned a note. ERR_NOT_FOUND: it has not; ERR_INTEGRITY: it says so, wrongly. */
enum err merkle_cosigned(struct arena *a, struct span note, const struct merkle_key *k, uint64_t *time_s,
                         struct fail *f);

/* C2SP tlog-proof: a receipt. `extra` is the leaf in full (opaque to the proof), may be empty. */
struct span merkle_proof_put(struct arena *a, uint64_t index, const struct digest *proof, size_t n,
                             struct span note, struct span extra);
/* Checks a receipt offline: that `leaf` stands at *index in the tree of the checkpoint inside, signed by pk
 * (null: the signature is not looked at). ERR_BAD_VALUE if it is not well formed, ERR_INTEGRITY if it does
 * not prove. */
enum err merkle_proof_check(struct arena *a, struct span proof, struct span leaf, const uint8_t *pk,
                            uint64_t *index, struct merkle_checkpoint *out, struct fail *f);
/* The `extra` of a receipt; empty if there is none. ERR_BAD_VALUE. */
enum err merkle_proof_extra(struct arena *a, struct span proof, struct span *extra, struct fail *f);
/* The signed note in it. ERR_BAD_VALUE. */
enum err merkle_proof_note(struct arena *a, struct span proof, struct span *note, struct fail *f);

#endif
