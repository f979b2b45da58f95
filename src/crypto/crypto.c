// SPDX-License-Identifier: Apache-2.0
/* crypto.c: start, contexts of a thread, hashes, MACs, randomness. See crypto.h. */
/* OpenSSL 3 would have every hash go through a context of its providers, which costs as much as hashing an
 * entry of the record does; its plain SHA-256 is the same code beneath. */
#define OPENSSL_API_COMPAT 10101
#include "crypto_impl.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static pthread_once_t libs_once = PTHREAD_ONCE_INIT;
static bool libs_ok;
static pthread_key_t thread_end;
static EVP_CIPHER *aes_gcm;
static __thread struct crypto_thread *thread_ctx;

_Noreturn void crypto_fatal(const char *what)
{
    fprintf(stderr, "crypto: %s failed\n", what);
    abort();
}

static void thread_free(void *p)
{
    struct crypto_thread *t = p;
    EVP_CIPHER_CTX_free(t->enc);
    EVP_CIPHER_CTX_free(t->dec);
    sodium_free(t->ahead);
    free(t);
}

/* Counts forks: a child must not use random bytes its parent will use too. */
static unsigned generation;

static void in_child(void)
{
    generation++;
}

static void libs_start(void)
{
    /* Without its texts of errors, which nobody here prints: half a megabyte. */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS, NULL);
    /* Fetched once: looking an algorithm up by name costs more than sealing a field. */
    aes_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    libs_ok = sodium_init() >= 0 && aes_gcm && pthread_key_create(&thread_end, thread_free) == 0 &&
              pthread_atfork(NULL, NULL, in_child) == 0;
}

enum err crypto_start(struct fail *f)
{
    pthread_once(&libs_once, libs_start);
    if (!libs_ok)
        return fail_set(f, ERR_INTERNAL, "the cryptographic libraries did not start");
    /* A core file would hold keys in registers and plain values in buffers: the limit stops files, the flag
     * also stops a core_pattern that pipes to a program. */
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return fail_set(f, ERR_INTERNAL, "core dumps could not be turned off");
    return OK;
}

struct crypto_thread *crypto_thread(void)
{
    if (thread_ctx)
        return thread_ctx;
    pthread_once(&libs_once, libs_start);
    crypto_must(libs_ok, "starting the libraries");
    struct crypto_thread *t = calloc(1, sizeof *t);
    crypto_must(t != NULL, "memory");
    t->enc = EVP_CIPHER_CTX_new();
    t->dec = EVP_CIPHER_CTX_new();
    t->ahead = sodium_malloc(RANDOM_AHEAD);
    crypto_must(t->enc && t->dec && t->ahead, "memory");
    crypto_must(EVP_EncryptInit_ex2(t->enc, aes_gcm, NULL, NULL, NULL) == 1, "AES-256-GCM");
    crypto_must(EVP_DecryptInit_ex2(t->dec, aes_gcm, NULL, NULL, NULL) == 1, "AES-256-GCM");
    pthread_setspecific(thread_end, t);
    thread_ctx = t;
    return t;
}

void crypto_random(void *out, size_t len)
{
    struct crypto_thread *t = crypto_thread();
    if (len > RANDOM_AHEAD / 8) {
        randombytes_buf(out, len);
        return;
    }
    if (t->n_ahead < len || t->generation != generation) {
        randombytes_buf(t->ahead, RANDOM_AHEAD);
        t->n_ahead = RANDOM_AHEAD;
        t->generation = generation;
    }
    t->n_ahead -= len;
    memcpy(out, t->ahead + t->n_ahead, len);
    sodium_memzero(t->ahead + t->n_ahead, len);
}

void crypto_sha256(struct span s, struct digest *out)
{
    crypto_sha256_v(&s, 1, out);
}

void crypto_sha256_v(const struct span *v, size_t n, struct digest *out)
{
    SHA256_CTX c;
    bool ok = SHA256_Init(&c) == 1;
    for (size_t i = 0; i < n; i++)
        ok = ok && SHA256_Update(&c, v[i].p, v[i].len) == 1;
    crypto_must(ok && SHA256_Final(out->b, &c) == 1, "SHA-256");
    crypto_wipe(&c, sizeof c);
}

/* RFC 2104 over the hash above: several times as fast here as either library's HMAC. */
void crypto_hmac(struct span key, struct span msg, uint8_t out[MAC_LEN])
{
    enum { BLOCK = 64 };
    uint8_t pad[BLOCK] = {0};
    struct digest inner;
    if (key.len > BLOCK) {
        crypto_sha256(key, &inner);
        memcpy(pad, inner.b, sizeof inner.b);
    } else if (key.len) {
        memcpy(pad, key.p, key.len);
    }
    for (size_t i = 0; i < BLOCK; i++)
        pad[i] ^= 0x36;
    crypto_sha256_v((struct span[]){span_of(pad, BLOCK), msg}, 2, &inner);
    for (size_t i = 0; i < BLOCK; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    struct digest outer;
    crypto_sha256_v((struct span[]){span_of(pad, BLOCK), span_of(inner.b, sizeof inner.b)}, 2, &outer);
    memcpy(out, outer.b, MAC_LEN);
    crypto_wipe(pad, sizeof pad);
    crypto_wipe(&inner, sizeof inner);
    crypto_wipe(&outer, sizeof outer);
}

void crypto_hkdf(struct span salt, struct span ikm, struct span info, uint8_t *out, size_t out_len)
{
    enum { INFO_MAX = 128 };
    uint8_t prk[MAC_LEN], t[MAC_LEN], block[MAC_LEN + INFO_MAX + 1];
    crypto_must(info.len <= INFO_MAX && out_len <= (size_t)255 * MAC_LEN, "HKDF limits");
    crypto_hmac(salt, ikm, prk);
    size_t t_len = 0;
    for (uint8_t round = 1; out_len > 0; round++) {
        memcpy(block, t, t_len);
        if (info.len)
            memcpy(block + t_len, info.p, info.len);
        block[t_len + info.len] = round;
        crypto_hmac(span_of(prk, sizeof prk), span_of(block, t_len + info.len + 1), t);
        t_len = sizeof t;
        size_t n = out_len < sizeof t ? out_len : sizeof t;
        memcpy(out, t, n);
        out += n;
        out_len -= n;
    }
    crypto_wipe(prk, sizeof prk);
    crypto_wipe(t, sizeof t);
    crypto_wipe(block, sizeof block);
}

bool crypto_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || sodium_memcmp(a.p, b.p, a.len) == 0);
}

void crypto_wipe(void *p, size_t len)
{
    sodium_memzero(p, len);
}

struct span base64_put(struct arena *a, struct span s)
{
    size_t cap = sodium_base64_encoded_len(s.len, sodium_base64_VARIANT_ORIGINAL);
    char *out = arena_alloc(a, cap);
    sodium_bin2base64(out, cap, s.p, s.len, sodium_base64_VARIANT_ORIGINAL);
    return span_of(out, cap - 1);
}

/* libsodium 1.0.18 takes some bytes above 127 for digits. */
static bool is_ascii(struct span s)
{
    uint8_t any = 0;
    for (size_t i = 0; i < s.len; i++)
        any |= s.p[i];
    return any < 0x80;
}

bool base64_get(struct arena *a, struct span s, struct span *out)
{
    if (s.len % 4 != 0 || !is_ascii(s))
        return false;
    size_t len = 0, cap = s.len / 4 * 3;
    uint8_t *bin = arena_alloc(a, cap);
    if (s.len && sodium_base642bin(bin, cap, (const char *)s.p, s.len, NULL, &len, NULL,
                                   sodium_base64_VARIANT_ORIGINAL) != 0)
        return false;
    *out = span_of(bin, len);
    return true;
}
