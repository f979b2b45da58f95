// SPDX-License-Identifier: Apache-2.0
/*
 * key.c: sealing, wrapping, deriving. See crypto.h.
 *
 * A sealed value is: algorithm byte, 12-byte nonce, ciphertext, 16-byte tag.
 */
#include "crypto_impl.h"

#include <limits.h>
#include <sodium.h>

enum { TAG_LEN = 16, HEAD_LEN = 1 + NONCE_LEN };
_Static_assert(SEAL_EXTRA == HEAD_LEN + TAG_LEN, "what sealing adds");
_Static_assert(crypto_aead_chacha20poly1305_IETF_NPUBBYTES == NONCE_LEN, "one nonce length for both");

enum seal_algorithm seal_preferred(void)
{
    /* libsodium's word for it: AES and carry-less multiplication in the processor. */
    return crypto_aead_aes256gcm_is_available() ? SEAL_AES_256_GCM : SEAL_CHACHA20_POLY1305;
}

/* The context keeps an expanded key in ordinary memory: put another in its place. */
static void forget_key(EVP_CIPHER_CTX *c)
{
    static const uint8_t zero[KEY_LEN];
    EVP_CipherInit_ex2(c, NULL, zero, NULL, -1, NULL);
}

static bool evp_seal(const struct key *k, struct span bind, struct span plain, uint8_t *out)
{
    EVP_CIPHER_CTX *c = crypto_thread()->enc;
    int n = 0;
    bool ok = EVP_EncryptInit_ex2(c, NULL, k->b, out + 1, NULL) == 1;
    if (bind.len)
        ok = ok && EVP_EncryptUpdate(c, NULL, &n, bind.p, (int)bind.len) == 1;
    if (plain.len)
        ok = ok && EVP_EncryptUpdate(c, out + HEAD_LEN, &n, plain.p, (int)plain.len) == 1;
    uint8_t *tag = out + HEAD_LEN + plain.len;
    ok = ok && EVP_EncryptFinal_ex(c, tag, &n) == 1;
    ok = ok && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, tag) == 1;
    forget_key(c);
    return ok;
}

static bool evp_open(const struct key *k, struct span bind, struct span sealed, uint8_t *out)
{
    EVP_CIPHER_CTX *c = crypto_thread()->dec;
    size_t len = sealed.len - SEAL_EXTRA;
    uint8_t tag[TAG_LEN], none[TAG_LEN];
    memcpy(tag, sealed.p + HEAD_LEN + len, TAG_LEN);
    int n = 0;
    bool ok = EVP_DecryptInit_ex2(c, NULL, k->b, sealed.p + 1, NULL) == 1;
    ok = ok && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) == 1;
    if (bind.len)
        ok = ok && EVP_DecryptUpdate(c, NULL, &n, bind.p, (int)bind.len) == 1;
    if (len)
        ok = ok && EVP_DecryptUpdate(c, out, &n, sealed.p + HEAD_LEN, (int)len) == 1;
    ok = ok && EVP_DecryptFinal_ex(c, none, &n) == 1;
    forget_key(c);
    return ok;
}

/* Values are short: what costs is the key's schedule. libsodium's is twice as fast as setting up a context
 * (`make bench-vault`), lies on the stack and is wiped there; it needs the processor's instructions. */
static bool gcm_seal(const struct key *k, struct span bind, struct span plain, uint8_t *out)
{
    if (!crypto_aead_aes256gcm_is_available())
        return evp_seal(k, bind, plain, out);
    return crypto_aead_aes256gcm_encrypt(out + HEAD_LEN, NULL, plain.p, plain.len, bind.p, bind.len, NULL,
                                         out + 1, k->b) == 0;
}

static bool gcm_open(const struct key *k, struct span bind, struct span sealed, uint8_t *out)
{
    if (!crypto_aead_aes256gcm_is_available())
        return evp_open(k, bind, sealed, out);
    return crypto_aead_aes256gcm_decrypt(out, NULL, NULL, sealed.p + HEAD_LEN, sealed.len - HEAD_LEN, bind.p,
                                         bind.len, sealed.p + 1, k->b) == 0;
}

static bool chacha_seal(const struct key *k, struct span bind, struct span plain, uint8_t *out)
{
    return crypto_aead_chacha20poly1305_ietf_encrypt(out + HEAD_LEN, NULL, plain.p, plain.len, bind.p,
                                                     bind.len, NULL, out + 1, k->b) == 0;
}

static bool chacha_open(const struct key *k, struct span bind, struct span sealed, uint8_t *out)
{
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.p + HEAD_LEN,
                                                     sealed.len - HEAD_LEN, bind.p, bind.len, sealed.p + 1,
                                                     k->b) == 0;
}

struct seal_row {
    bool (*seal)(const struct key *k, struct span bind, struct span plain, uint8_t *out);
    bool (*open)(const struct key *k, struct span bind, struct span sealed, uint8_t *out);
};
static const struct seal_row seal_rows[] = {
    [SEAL_AES_256_GCM] = {gcm_seal, gcm_open},
    [SEAL_CHACHA20_POLY1305] = {chacha_seal, chacha_open},
    [SEAL_EVP_FOR_TESTS] = {evp_seal, evp_open},
};

enum err seal_with(enum seal_algorithm alg, const struct key *k, struct span bind, struct span plain,
                   uint8_t *out, struct fail *f)
{
    if (plain.len > INT_MAX || bind.len > INT_MAX)
        return fail_set(f, ERR_TOO_LARGE, "a value of %zu bytes is too long to seal", plain.len);
    out[0] = alg == SEAL_EVP_FOR_TESTS ? SEAL_AES_256_GCM : (uint8_t)alg;
    crypto_random(out + 1, NONCE_LEN);
    if (!seal_rows[alg].seal(k, bind, plain, out))
        return fail_set(f, ERR_INTERNAL, "sealing failed");
    return OK;
}

enum err key_seal(const struct key *k, struct span bind, struct span plain, uint8_t *out, struct fail *f)
{
    return seal_with(seal_preferred(), k, bind, plain, out, f);
}

bool open_with(enum seal_algorithm alg, const struct key *k, struct span bind, struct span sealed,
               uint8_t *out)
{
    return seal_rows[alg].open(k, bind, sealed, out);
}

enum err key_open(const struct key *k, struct span bind, struct span sealed, uint8_t *out, struct fail *f)
{
    if (sealed.len < SEAL_EXTRA || sealed.len > INT_MAX || bind.len > INT_MAX)
        return fail_set(f, ERR_INTEGRITY, "a sealed value has an impossible length (%zu bytes)", sealed.len);
    uint8_t alg = sealed.p[0];
    bool known = alg == SEAL_AES_256_GCM || alg == SEAL_CHACHA20_POLY1305;
    if (known && seal_rows[alg].open(k, bind, sealed, out))
        return OK;
    crypto_wipe(out, sealed.len - SEAL_EXTRA);
    if (!known)
        return fail_set(f, ERR_INTEGRITY, "a sealed value names an unknown algorithm (%u)", alg);
    return fail_set(f, ERR_INTEGRITY, "a sealed value is altered, or belongs to another key or place");
}

enum err key_wrap(const struct key *by, struct span bind, const struct key *k, uint8_t out[WRAPPED_LEN],
                  struct fail *f)
{
    return key_seal(by, bind, span_of(k->b, KEY_LEN), out, f);
}

enum err key_unwrap(const struct key *by, struct span bind, struct span wrapped, struct key **out,
                    struct fail *f)
{
    *out = NULL;
    if (wrapped.len != WRAPPED_LEN)
        return fail_set(f, ERR_INTEGRITY, "a wrapped key has %zu bytes, not %d", wrapped.len, WRAPPED_LEN);
    struct key *k = key_slot();
    enum err e = key_open(by, bind, wrapped, k->b, f);
    if (e) {
        key_free(k);
        return e;
    }
    *out = k;
    return OK;
}

struct key *key_random(void)
{
    struct key *k = key_slot();
    crypto_random(k->b, KEY_LEN);
    return k;
}

struct key *key_derive(const struct key *k, const char *purpose)
{
    struct key *sub = key_slot();
    crypto_hkdf(SPAN_EMPTY, span_of(k->b, KEY_LEN), span_str(purpose), sub->b, KEY_LEN);
    return sub;
}

void key_mac(const struct key *k, struct span msg, uint8_t out[MAC_LEN])
{
    crypto_hmac(span_of(k->b, KEY_LEN), msg, out);
}

static enum err read_file(const char *path, struct key **out, enum box_file *kind, struct fail *f)
{
    struct key *k = key_slot();
    *out = NULL;
    enum err e = secret_file_read(path, k->b, kind, f);
    if (e) {
        key_free(k);
        return e;
    }
    *out = k;
    return OK;
}

enum err key_read_file(const char *path, struct key **out, struct fail *f)
{
    return read_file(path, out, NULL, f);
}

enum err box_key_read_file(const char *path, struct key **out, enum box_file *kind, struct fail *f)
{
    return read_file(path, out, kind, f);
}

enum err key_read_command(const char *command, struct key **out, struct fail *f)
{
    struct key *k = key_slot();
    *out = NULL;
    enum err e = secret_command_read(command, k->b, f);
    if (e) {
        key_free(k);
        return e;
    }
    *out = k;
    return OK;
}

static enum err create_file(const char *path, const char *word, struct fail *f)
{
    struct key *k = key_random();
    enum err e = secret_file_create(path, word, k->b, f);
    key_free(k);
    return e;
}

enum err key_create_file(const char *path, struct fail *f)
{
    return create_file(path, "", f);
}

enum err box_key_create_file(const char *path, struct fail *f)
{
    return create_file(path, BOX_SECRET_WORD, f);
}

bool key_equal(const struct key *a, const struct key *b)
{
    return crypto_equal(span_of(a->b, KEY_LEN), span_of(b->b, KEY_LEN));
}
