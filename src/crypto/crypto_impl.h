// SPDX-License-Identifier: Apache-2.0
/* crypto_impl.h: what the files of this part share. Key bytes are visible here and nowhere else. */
#ifndef TROTH_CRYPTO_IMPL_H
#define TROTH_CRYPTO_IMPL_H

#include "crypto.h"

#include <openssl/evp.h>

/* A slot of the guarded pool (key_pool.c): the handle is the address. */
struct key {
    uint8_t b[KEY_LEN];
};

enum { NONCE_LEN = 12, RANDOM_AHEAD = 4096 };

/* What one thread has, made at first use and freed when the thread ends: making an OpenSSL context, and
 * asking the kernel for random bytes, each cost more than sealing a field. */
struct crypto_thread {
    EVP_CIPHER_CTX *enc, *dec;
    uint8_t
        *ahead; /* random bytes, RANDOM_AHEAD of them when full, in guarded memory; wiped as they are taken */
    size_t n_ahead;      /* those at the front are not taken yet */
    unsigned generation; /* of the process they were drawn in */
};
struct crypto_thread *crypto_thread(void);

/* The first byte of everything sealed. Never reused for another meaning. The last is the first by the other
 * library, as on a processor without AES; it is never written. */
enum seal_algorithm { SEAL_AES_256_GCM = 1, SEAL_CHACHA20_POLY1305 = 2, SEAL_EVP_FOR_TESTS = 3 };
enum seal_algorithm seal_preferred(void);
enum err seal_with(enum seal_algorithm alg, const struct key *k, struct span bind, struct span plain,
                   uint8_t *out, struct fail *f);

bool open_with(enum seal_algorithm alg, const struct key *k, struct span bind, struct span sealed,
               uint8_t *out);

/* A wiped slot; never null (no memory ends the process, as with an arena). */
struct key *key_slot(void);
size_t key_slots_used(void);

/* RFC 5869 with SHA-256; out_len <= 255 * 32. */
void crypto_hkdf(struct span salt, struct span ikm, struct span info, uint8_t *out, size_t out_len);

/* 32 bytes kept as 64 hex digits in a file only its owner reads. */
/* kind null: a secret that opens backups, as its file says, is refused; else both kinds are read and told. */
enum err secret_file_read(const char *path, uint8_t out[KEY_LEN], enum box_file *kind, struct fail *f);
enum err secret_command_read(const char *command, uint8_t out[KEY_LEN], struct fail *f);
/* `word` stands before the digits: "" or BOX_SECRET_WORD. */
#define BOX_SECRET_WORD "troth-backup-secret "
enum err secret_file_create(const char *path, const char *word, const uint8_t secret[KEY_LEN],
                            struct fail *f);

/* Ends the process: a library call that cannot fail on valid input did. */
_Noreturn void crypto_fatal(const char *what);

static inline void crypto_must(bool ok, const char *what)
{
    if (!ok)
        crypto_fatal(what);
}

#endif
