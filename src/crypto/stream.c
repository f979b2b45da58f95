// SPDX-License-Identifier: Apache-2.0
/* stream.c: files sealed piece by piece, and keys sealed for whoever is not here. See crypto.h. */
#include "crypto_impl.h"

#include <sodium.h>
#include <stdlib.h>

_Static_assert(STREAM_EXTRA == crypto_secretstream_xchacha20poly1305_ABYTES, "what a piece adds");
_Static_assert(STREAM_HEAD == crypto_secretstream_xchacha20poly1305_HEADERBYTES, "what begins a stream");
_Static_assert(BOX_PK_LEN == crypto_box_PUBLICKEYBYTES && KEY_LEN == crypto_box_SECRETKEYBYTES, "X25519");
_Static_assert(BOXED_LEN == KEY_LEN + crypto_box_SEALBYTES, "a sealed box");
_Static_assert(SALT_LEN == crypto_pwhash_SALTBYTES, "Argon2id");

struct stream {
    crypto_secretstream_xchacha20poly1305_state state;
};

static struct stream *stream_new(void)
{
    crypto_thread();
    struct stream *s = sodium_malloc(sizeof *s);
    crypto_must(s != NULL, "guarded memory");
    return s;
}

struct stream *stream_seal_new(const struct key *k, uint8_t head[STREAM_HEAD])
{
    struct stream *s = stream_new();
    crypto_must(crypto_secretstream_xchacha20poly1305_init_push(&s->state, head, k->b) == 0, "a stream");
    return s;
}

struct stream *stream_open_new(const struct key *k, const uint8_t head[STREAM_HEAD])
{
    struct stream *s = stream_new();
    crypto_must(crypto_secretstream_xchacha20poly1305_init_pull(&s->state, head, k->b) == 0, "a stream");
    return s;
}

void stream_free(struct stream *s)
{
    sodium_free(s);
}

void stream_seal(struct stream *s, struct span bind, struct span plain, bool last, uint8_t *out)
{
    unsigned char tag = last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                             : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
    crypto_must(crypto_secretstream_xchacha20poly1305_push(&s->state, out, NULL, plain.p, plain.len, bind.p,
                                                           bind.len, tag) == 0,
                "sealing a piece");
}

bool stream_open(struct stream *s, struct span bind, struct span sealed, uint8_t *out, bool *last)
{
    unsigned char tag = 0;
    if (sealed.len < STREAM_EXTRA ||
        crypto_secretstream_xchacha20poly1305_pull(&s->state, out, NULL, &tag, sealed.p, sealed.len, bind.p,
                                                   bind.len) != 0)
        return false;
    *last = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
    return *last || tag == crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
}

/* ---- For whom */

void box_public(const struct key *secret, uint8_t pk[BOX_PK_LEN])
{
    crypto_thread();
    crypto_must(crypto_scalarmult_base(pk, secret->b) == 0, "X25519");
}

#define PUBLIC_WORD "troth-backup-public "
_Static_assert(BOX_PUBLIC_TEXT == sizeof PUBLIC_WORD - 1 + 2 * BOX_PK_LEN, "a public key as text");

struct span box_public_put(const uint8_t pk[BOX_PK_LEN], char text[BOX_PUBLIC_TEXT + 1])
{
    memcpy(text, PUBLIC_WORD, sizeof PUBLIC_WORD - 1);
    hex_put(text + sizeof PUBLIC_WORD - 1, pk, BOX_PK_LEN);
    return span_of(text, BOX_PUBLIC_TEXT);
}

bool box_public_get(struct span text, uint8_t pk[BOX_PK_LEN])
{
    size_t word = sizeof PUBLIC_WORD - 1;
    return text.len == BOX_PUBLIC_TEXT && memcmp(text.p, PUBLIC_WORD, word) == 0 &&
           hex_get(span_sub(text, word, text.len), pk, BOX_PK_LEN);
}

bool box_secret_like(struct span text)
{
    size_t word = sizeof BOX_SECRET_WORD - 1;
    return text.len >= word && memcmp(text.p, BOX_SECRET_WORD, word) == 0;
}

bool key_box(const struct key *k, const uint8_t pk[BOX_PK_LEN], uint8_t out[BOXED_LEN])
{
    crypto_thread();
    return crypto_box_seal(out, k->b, KEY_LEN, pk) == 0;
}

struct key *key_unbox(const struct key *secret, const uint8_t boxed[BOXED_LEN])
{
    uint8_t pk[BOX_PK_LEN];
    struct key *k = key_slot();
    box_public(secret, pk);
    if (crypto_box_seal_open(k->b, boxed, BOXED_LEN, pk, secret->b) == 0)
        return k;
    key_free(k);
    return NULL;
}

struct key *key_from_passphrase(struct span words, const uint8_t salt[SALT_LEN], uint32_t passes,
                                uint32_t kib)
{
    crypto_thread();
    struct key *k = key_slot();
    if (passes >= crypto_pwhash_OPSLIMIT_MIN && passes <= PASSPHRASE_PASSES_MAX && kib >= 8 &&
        kib <= PASSPHRASE_KIB_MAX &&
        crypto_pwhash(k->b, KEY_LEN, (const char *)words.p, words.len, salt, passes, (size_t)kib * 1024,
                      crypto_pwhash_ALG_ARGON2ID13) == 0)
        return k;
    key_free(k);
    return NULL;
}

/* ---- SHA-256 of what comes in pieces */

struct hash *hash_new(void)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    crypto_must(c && EVP_DigestInit_ex2(c, EVP_sha256(), NULL) == 1, "SHA-256");
    return (struct hash *)c;
}

void hash_add(struct hash *h, struct span s)
{
    crypto_must(EVP_DigestUpdate((EVP_MD_CTX *)h, s.p, s.len) == 1, "SHA-256");
}

void hash_take(struct hash *h, struct digest *out)
{
    EVP_MD_CTX *c = (EVP_MD_CTX *)h;
    crypto_must(EVP_DigestFinal_ex(c, out->b, NULL) == 1, "SHA-256");
    crypto_must(EVP_DigestInit_ex2(c, NULL, NULL) == 1, "SHA-256");
}

void hash_free(struct hash *h)
{
    EVP_MD_CTX_free((EVP_MD_CTX *)h);
}
