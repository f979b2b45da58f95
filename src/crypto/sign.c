// SPDX-License-Identifier: Apache-2.0
/* sign.c: Ed25519 (RFC 8032) by libsodium. See crypto.h. */
#include "crypto_impl.h"

#include <sodium.h>

struct sign_key {
    uint8_t sk[crypto_sign_SECRETKEYBYTES];
    uint8_t pk[SIGN_PK_LEN];
};
_Static_assert(crypto_sign_BYTES == SIGN_LEN && crypto_sign_SEEDBYTES == KEY_LEN, "Ed25519 sizes");

enum err sign_key_create_file(const char *path, struct fail *f)
{
    return key_create_file(path, f); /* any 32 random bytes are a seed */
}

struct sign_key *sign_key_of(const struct key *seed)
{
    struct sign_key *k = sodium_malloc(sizeof *k);
    crypto_must(k != NULL, "guarded memory");
    crypto_must(crypto_sign_seed_keypair(k->pk, k->sk, seed->b) == 0, "Ed25519");
    return k;
}

enum err sign_key_read_file(const char *path, struct sign_key **out, struct fail *f)
{
    *out = NULL;
    struct key *seed = key_slot();
    enum err e = secret_file_read(path, seed->b, NULL, f);
    if (!e)
        *out = sign_key_of(seed);
    key_free(seed);
    return e;
}

void sign_key_free(struct sign_key *k)
{
    sodium_free(k); /* wipes */
}

void sign_key_public(const struct sign_key *k, uint8_t out[SIGN_PK_LEN])
{
    memcpy(out, k->pk, SIGN_PK_LEN);
}

void sign_make(const struct sign_key *k, struct span msg, uint8_t out[SIGN_LEN])
{
    crypto_must(crypto_sign_detached(out, NULL, msg.p, msg.len, k->sk) == 0, "Ed25519");
}

bool sign_check(const uint8_t pk[SIGN_PK_LEN], struct span msg, struct span signature)
{
    return signature.len == SIGN_LEN && crypto_sign_verify_detached(signature.p, msg.p, msg.len, pk) == 0;
}
