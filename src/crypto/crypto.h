// SPDX-License-Identifier: Apache-2.0
/*
 * crypto.h: the only caller of libsodium and OpenSSL. Nothing outside this part names an algorithm.
 *
 * Keys are opaque handles in guarded memory (sodium_malloc: guard pages, locked, left out of core files,
 * wiped on free). A caller cannot read a key's bytes.
 */
#ifndef TROTH_CRYPTO_H
#define TROTH_CRYPTO_H

#include "arena.h"
#include "err.h"
#include "id.h"

#define KEY_LEN     32
#define SEAL_EXTRA  (1 + 12 + 16) /* algorithm byte, nonce, tag: what sealing adds */
#define WRAPPED_LEN (KEY_LEN + SEAL_EXTRA)
#define MAC_LEN     32
#define SIGN_LEN    64
#define SIGN_PK_LEN 32

struct key;      /* symmetric, 256 bits */
struct sign_key; /* Ed25519 secret key */

/* Once, before anything else: initialises the libraries, turns core files of this process off. ERR_INTERNAL.
 */
enum err crypto_start(struct fail *f);
/* The kernel's. Drawn ahead by each thread, a page at a time, into guarded memory, and wiped there when
 * taken; a child process never gets what its parent drew. */
void crypto_random(void *out, size_t len);
void crypto_sha256(struct span s, struct digest *out);
/* Several spans as one message. */
void crypto_sha256_v(const struct span *v, size_t n, struct digest *out);
/* HMAC-SHA-256 with plain key bytes (commitments, where the key is published later). */
void crypto_hmac(struct span key, struct span msg, uint8_t out[MAC_LEN]);
/* Constant in time; false if lengths differ. */
bool crypto_equal(struct span a, struct span b);
void crypto_wipe(void *p, size_t len);

struct key *key_random(void);
/* Reads a key from a file of 64 hex digits (and a line end). Refused: missing, unreadable, wrong length or
 * digits, readable by group or others, not a regular file. ERR_NO_KEY with the reason and the remedy. */
enum err key_read_file(const char *path, struct key **out, struct fail *f);
/* The same 64 digits as the output of a shell command, for keys kept in a vault of their own. The command
 * gets 30 seconds. ERR_NO_KEY tells how it ended, never what it printed. */
enum err key_read_command(const char *command, struct key **out, struct fail *f);
/* Creates such a file with a fresh key, mode 0600; refuses to overwrite (ERR_CONFLICT). Durable. */
enum err key_create_file(const char *path, struct fail *f);
void key_free(struct key *k);
/* Whether both are one key; constant in time. */
bool key_equal(const struct key *a, const struct key *b);
/* A subkey for one use (HKDF-SHA-256, info = purpose, a literal of at most 128 bytes). */
struct key *key_derive(const struct key *k, const char *purpose);
/* Keyed 32-byte MAC (HMAC-SHA-256): blind indexes, pseudonyms, token digests. */
void key_mac(const struct key *k, struct span msg, uint8_t out[MAC_LEN]);

/* Authenticated encryption. out must hold plain.len + SEAL_EXTRA bytes. AES-256-GCM (random 96-bit nonce)
 * where the processor has AES instructions, ChaCha20-Poly1305 (RFC 8439, random 96-bit nonce) elsewhere; the
 * first byte says which and both open everywhere, so data moves between machines. `bind` is authenticated,
 * not stored. A random nonce of 96 bits is good for 2^32 seals of one key (NIST SP 800-38D, 8.3): a person's
 * values, and the keys of all persons under one class key, stay far below. */
enum err key_seal(const struct key *k, struct span bind, struct span plain, uint8_t *out, struct fail *f);
/* out must hold sealed.len - SEAL_EXTRA bytes. ERR_INTEGRITY if anything differs; out is wiped then. */
enum err key_open(const struct key *k, struct span bind, struct span sealed, uint8_t *out, struct fail *f);
/* Wraps one key under another; the wrapped form is WRAPPED_LEN bytes. */
enum err key_wrap(const struct key *by, struct span bind, const struct key *k, uint8_t out[WRAPPED_LEN],
                  struct fail *f);
enum err key_unwrap(const struct key *by, struct span bind, struct span wrapped, struct key **out,
                    struct fail *f);

/* Ed25519. The key file holds 64 hex digits of seed, mode 0600, as above. */
enum err sign_key_create_file(const char *path, struct fail *f);
enum err sign_key_read_file(const char *path, struct sign_key **out, struct fail *f);
/* The same for each start of whoever holds the key: its bytes are the seed. */
struct sign_key *sign_key_of(const struct key *seed);
void sign_key_free(struct sign_key *k);
void sign_key_public(const struct sign_key *k, uint8_t out[SIGN_PK_LEN]);
void sign_make(const struct sign_key *k, struct span msg, uint8_t out[SIGN_LEN]);
bool sign_check(const uint8_t pk[SIGN_PK_LEN], struct span msg, struct span signature);

/* ---- Files sealed for whoever is not here (backups) */

#define BOX_PK_LEN            32
#define BOXED_LEN             (KEY_LEN + 48) /* an ephemeral public key and a tag */
#define STREAM_HEAD           24
#define STREAM_EXTRA          17 /* what sealing adds to each piece */
#define SALT_LEN              16
#define PASSPHRASE_PASSES     3
#define PASSPHRASE_KIB        (64u << 10) /* some tenths of a second; OWASP asks for 46 MiB and one pass */
#define PASSPHRASE_PASSES_MAX 16          /* of a file that claims to be one of ours */
#define PASSPHRASE_KIB_MAX    (1u << 20)

/* X25519: the public key is given away, so its text must be no other key's: `troth-backup-public ` and 64
 * digits. Its secret is a key file as above with `troth-backup-secret ` before the digits. */
void box_public(const struct key *secret, uint8_t pk[BOX_PK_LEN]);
#define BOX_PUBLIC_TEXT (20 + 2 * BOX_PK_LEN)
/* The text ends with a zero, which the span leaves out. */
struct span box_public_put(const uint8_t pk[BOX_PK_LEN], char text[BOX_PUBLIC_TEXT + 1]);
/* False: it is not exactly that. */
bool box_public_get(struct span text, uint8_t pk[BOX_PK_LEN]);
/* Whether a text begins as a secret does that opens backups. */
bool box_secret_like(struct span text);
/* As key_create_file and key_read_file; neither reads the other's. An older troth made secrets of digits
 * alone: those open what is sealed for them, but may be anything. */
enum box_file { BOX_FILE_SAID, BOX_FILE_DIGITS };
enum err box_key_create_file(const char *path, struct fail *f);
enum err box_key_read_file(const char *path, struct key **out, enum box_file *kind, struct fail *f);
/* A key sealed for the owner of pk (an anonymous box: ephemeral X25519, XSalsa20-Poly1305). False: pk is no
 * point of the curve that can be used. */
bool key_box(const struct key *k, const uint8_t pk[BOX_PK_LEN], uint8_t out[BOXED_LEN]);
/* Null: it is not for this secret, or was altered. */
struct key *key_unbox(const struct key *secret, const uint8_t boxed[BOXED_LEN]);
/* Argon2id (RFC 9106). Null: the numbers are beyond the limits above, or there is no such memory. */
struct key *key_from_passphrase(struct span words, const uint8_t salt[SALT_LEN], uint32_t passes,
                                uint32_t kib);

/* One file as a stream of pieces (XChaCha20-Poly1305, libsodium's secretstream): each is authenticated, in
 * its place, and the last says that it is the last. `bind` is authenticated with a piece, not stored. out
 * holds STREAM_EXTRA bytes more than plain, and less than sealed. */
struct stream;
struct stream *stream_seal_new(const struct key *k, uint8_t head[STREAM_HEAD]);
void stream_seal(struct stream *s, struct span bind, struct span plain, bool last, uint8_t *out);
struct stream *stream_open_new(const struct key *k, const uint8_t head[STREAM_HEAD]);
bool stream_open(struct stream *s, struct span bind, struct span sealed, uint8_t *out, bool *last);
void stream_free(struct stream *s);

/* SHA-256 of what comes in pieces. take: the digest of all added since the last take. */
struct hash;
struct hash *hash_new(void);
void hash_add(struct hash *h, struct span s);
void hash_take(struct hash *h, struct digest *out);
void hash_free(struct hash *h);

/* Base64 (RFC 4648, standard alphabet with padding). */
struct span base64_put(struct arena *a, struct span s);
bool base64_get(struct arena *a, struct span s, struct span *out);

#endif
