// SPDX-License-Identifier: Apache-2.0
/* Published vectors, tampering, keys in files, the key pool. */
#include "crypto_impl.h"
#include "unit.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct span unhex(struct arena *a, const char *hex)
{
    size_t n = strlen(hex) / 2;
    uint8_t *p = arena_alloc(a, n);
    EXPECT(hex_get(span_str(hex), p, n));
    return span_of(p, n);
}

static bool same_hex(const uint8_t *b, size_t n, const char *hex)
{
    char text[513];
    hex_put(text, b, n);
    return strcmp(text, hex) == 0;
}

static const char *const long_text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

TEST(sha256_fips_180)
{
    struct digest d;
    crypto_sha256(SPAN_EMPTY, &d);
    EXPECT(same_hex(d.b, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    crypto_sha256(SPAN("abc"), &d);
    EXPECT(same_hex(d.b, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    struct span s = span_str(long_text);
    crypto_sha256_v((struct span[]){span_sub(s, 0, 7), SPAN_EMPTY, span_sub(s, 7, 100)}, 3, &d);
    EXPECT(same_hex(d.b, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
}

struct hmac_row {
    const char *key, *msg, *mac;
};
/* RFC 4231, test cases 1, 2, 3, 6, 7. */
static const struct hmac_row hmac_rows[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "a"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "a"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b65792046697"
     "27374",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
};

TEST(hmac_rfc_4231)
{
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof hmac_rows / sizeof hmac_rows[0]; i++) {
        uint8_t mac[MAC_LEN];
        crypto_hmac(unhex(a, hmac_rows[i].key), unhex(a, hmac_rows[i].msg), mac);
        EXPECT(same_hex(mac, MAC_LEN, hmac_rows[i].mac));
    }
    arena_free(a);
}

TEST(hkdf_rfc_5869)
{
    struct arena *a = arena_new(0);
    uint8_t out[82];
    struct span ikm = unhex(a, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
    crypto_hkdf(unhex(a, "000102030405060708090a0b0c"), ikm, unhex(a, "f0f1f2f3f4f5f6f7f8f9"), out, 42);
    EXPECT(same_hex(out, 42,
                    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"));
    crypto_hkdf(SPAN_EMPTY, ikm, SPAN_EMPTY, out, 42);
    EXPECT(same_hex(out, 42,
                    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"));
    uint8_t bytes[256];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    crypto_hkdf(span_of(bytes + 0x60, 80), span_of(bytes, 80), span_of(bytes + 0xb0, 80), out, 82);
    EXPECT(same_hex(
        out, 82,
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"));
    arena_free(a);
}

struct sign_row {
    const char *seed, *pk, *msg, *signature;
};
/* RFC 8032, 7.1, tests 1 to 3. */
static const struct sign_row sign_rows[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f"
     "0595bbe24"
     "655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2ea"
     "eb4302aee"
     "b00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e"
     "9716ed28d"
     "c027beceea1ec40a"},
};

static char dir[] = "/tmp/troth-crypto-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[128];
    if (dir[sizeof dir - 2] == 'X')
        EXPECT(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static const char *write_file(const char *name, const char *text, mode_t mode)
{
    const char *path = in_dir(name);
    FILE *fp = fopen(path, "w");
    EXPECT(fp != NULL);
    fputs(text, fp);
    fclose(fp);
    EXPECT(chmod(path, mode) == 0);
    return path;
}

TEST(ed25519_rfc_8032)
{
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof sign_rows / sizeof sign_rows[0]; i++) {
        const struct sign_row *r = &sign_rows[i];
        struct fail f = {0};
        struct sign_key *k = NULL;
        EXPECT_INT(sign_key_read_file(write_file("sign", r->seed, 0600), &k, &f), OK);
        uint8_t pk[SIGN_PK_LEN], signature[SIGN_LEN];
        struct span msg = unhex(a, r->msg);
        sign_key_public(k, pk);
        sign_make(k, msg, signature);
        EXPECT(same_hex(pk, sizeof pk, r->pk));
        EXPECT(same_hex(signature, sizeof signature, r->signature));
        EXPECT(sign_check(pk, msg, span_of(signature, SIGN_LEN)));
        EXPECT(!sign_check(pk, SPAN("other"), span_of(signature, SIGN_LEN)));
        EXPECT(!sign_check(pk, msg, span_of(signature, SIGN_LEN - 1)));
        for (size_t bit = 0; bit < SIGN_LEN * 8; bit += 7) {
            signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
            EXPECT(!sign_check(pk, msg, span_of(signature, SIGN_LEN)));
            signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        sign_key_free(k);
    }
    sign_key_free(NULL);
    arena_free(a);
}

static bool all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i])
            return false;
    }
    return true;
}

/* Seals, opens, then alters each byte, the binding, the length and the key in turn. */
static void seal_roundtrip(enum seal_algorithm alg, size_t len)
{
    struct key *k = key_random(), *other = key_random();
    uint8_t plain[300], sealed[300 + SEAL_EXTRA], back[300];
    crypto_random(plain, sizeof plain);
    struct span bind = SPAN("person|field|1"), s = span_of(sealed, len + SEAL_EXTRA);
    struct fail f = {0};
    EXPECT_INT(seal_with(alg, k, bind, span_of(plain, len), sealed, &f), OK);
    EXPECT_INT(sealed[0], alg);
    EXPECT_INT(key_open(k, bind, s, back, &f), OK);
    EXPECT(memcmp(back, plain, len) == 0);
    for (size_t i = 0; i < s.len; i++) {
        for (unsigned flip = 1; flip < 256; flip += 127) {
            memset(back, 0xee, sizeof back);
            sealed[i] ^= (uint8_t)flip;
            EXPECT_INT(key_open(k, bind, s, back, NULL), ERR_INTEGRITY);
            EXPECT(all_zero(back, len));
            sealed[i] ^= (uint8_t)flip;
        }
    }
    EXPECT_INT(key_open(k, SPAN("person|field|2"), s, back, NULL), ERR_INTEGRITY);
    EXPECT_INT(key_open(k, SPAN_EMPTY, s, back, NULL), ERR_INTEGRITY);
    EXPECT_INT(key_open(other, bind, s, back, NULL), ERR_INTEGRITY);
    for (size_t cut = 0; cut < s.len; cut++)
        EXPECT_INT(key_open(k, bind, span_of(sealed, cut), back, NULL), ERR_INTEGRITY);
    EXPECT_INT(key_open(k, bind, s, back, NULL), OK);
    key_free(k);
    key_free(other);
}

TEST(seal_aes_gcm)
{
    for (size_t len = 0; len <= 300; len = len * 2 + 1)
        seal_roundtrip(SEAL_AES_256_GCM, len);
}

/* Both libraries' AES-256-GCM are one format, whatever the processor has. */
TEST(R118_what_one_machine_seals_every_machine_opens)
{
    struct key *k = key_random();
    uint8_t sealed[64 + SEAL_EXTRA], back[64];
    struct span bind = SPAN("person|field|1"), plain = SPAN("+8613812341234");
    struct span s = span_of(sealed, plain.len + SEAL_EXTRA);
    struct fail f = {0};
    static const enum seal_algorithm both[] = {SEAL_AES_256_GCM, SEAL_EVP_FOR_TESTS};
    for (size_t i = 0; i < 2; i++) {
        EXPECT_INT(seal_with(both[i], k, bind, plain, sealed, &f), OK);
        EXPECT_INT(sealed[0], SEAL_AES_256_GCM);
        for (size_t o = 0; o < 2; o++) {
            EXPECT(open_with(both[o], k, bind, s, back));
            EXPECT(memcmp(back, plain.p, plain.len) == 0);
            EXPECT(!open_with(both[o], k, SPAN("person|field|2"), s, back));
        }
        EXPECT_INT(key_open(k, bind, s, back, &f), OK);
    }
    key_free(k);
}

TEST(no_nonce_is_used_twice)
{
    enum { SEALS = 500 };
    static uint8_t sealed[SEALS][1 + SEAL_EXTRA];
    struct key *k = key_random();
    struct fail f = {0};
    for (size_t i = 0; i < SEALS; i++)
        EXPECT_INT(key_seal(k, SPAN_EMPTY, SPAN("x"), sealed[i], &f), OK);
    for (size_t i = 0; i < SEALS; i++)
        for (size_t j = 0; j < i; j++)
            EXPECT(memcmp(sealed[i] + 1, sealed[j] + 1, NONCE_LEN) != 0);
    key_free(k);
}

TEST(seal_chacha20_poly1305)
{
    for (size_t len = 0; len <= 300; len = len * 2 + 1)
        seal_roundtrip(SEAL_CHACHA20_POLY1305, len);
}

TEST(seal_moves_between_processors)
{
    /* RFC 8439 2.8.2 and the GCM submission's test case 16, opened through the public door. */
    struct arena *a = arena_new(0);
    struct fail f = {0};
    struct key *k = NULL;
    uint8_t out[128];
    EXPECT_INT(
        key_read_file(
            write_file("chacha", "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", 0600),
            &k, &f),
        OK);
    struct span sealed =
        unhex(a, "02070000004041424344454647d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63"
                 "dbea45e8ca967"
                 "1282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4f"
                 "ad675945585"
                 "808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691");
    EXPECT_INT(key_open(k, unhex(a, "50515253c0c1c2c3c4c5c6c7"), sealed, out, &f), OK);
    EXPECT_SPAN(span_of(out, sealed.len - SEAL_EXTRA),
                "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
                "sunscreen would be it.");
    key_free(k);
    EXPECT_INT(
        key_read_file(
            write_file("gcm", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", 0600), &k,
            &f),
        OK);
    sealed = unhex(a, "01cafebabefacedbaddecaf888522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555"
                      "d1aa8cb08e48590"
                      "dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
    EXPECT_INT(key_open(k, unhex(a, "feedfacedeadbeeffeedfacedeadbeefabaddad2"), sealed, out, &f), OK);
    EXPECT(same_hex(out, 60,
                    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24"
                    "49a6b525b16aed"
                    "f5aa0de657ba637b39"));
    key_free(k);
    arena_free(a);
}

TEST(wrap_and_unwrap)
{
    struct key *by = key_random(), *k = key_random(), *back = NULL;
    uint8_t wrapped[WRAPPED_LEN], m1[MAC_LEN], m2[MAC_LEN];
    struct fail f = {0};
    EXPECT_INT(key_wrap(by, SPAN("subject 1"), k, wrapped, &f), OK);
    EXPECT_INT(key_unwrap(by, SPAN("subject 1"), span_of(wrapped, WRAPPED_LEN), &back, &f), OK);
    key_mac(k, SPAN("x"), m1);
    key_mac(back, SPAN("x"), m2);
    EXPECT(memcmp(m1, m2, MAC_LEN) == 0);
    key_free(back);
    size_t used = key_slots_used();
    EXPECT_INT(key_unwrap(by, SPAN("subject 2"), span_of(wrapped, WRAPPED_LEN), &back, NULL), ERR_INTEGRITY);
    EXPECT(back == NULL);
    EXPECT_INT(key_unwrap(by, SPAN("subject 1"), span_of(wrapped, WRAPPED_LEN - 1), &back, NULL),
               ERR_INTEGRITY);
    EXPECT_INT(key_unwrap(k, SPAN("subject 1"), span_of(wrapped, WRAPPED_LEN), &back, NULL), ERR_INTEGRITY);
    EXPECT_INT(key_slots_used(), used);
    key_free(by);
    key_free(k);
}

TEST(derived_keys_differ)
{
    struct key *k = key_random(), *one = key_derive(k, "one"), *again = key_derive(k, "one"),
               *two = key_derive(k, "two");
    EXPECT(memcmp(one->b, again->b, KEY_LEN) == 0);
    EXPECT(memcmp(one->b, two->b, KEY_LEN) != 0);
    EXPECT(memcmp(one->b, k->b, KEY_LEN) != 0);
    key_free(k);
    key_free(one);
    key_free(again);
    key_free(two);
}

TEST(key_files_that_are_refused)
{
    static const char good[] = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
    struct key *k = NULL;
    struct fail f = {0};
    size_t used = key_slots_used();
    EXPECT_INT(key_read_file(in_dir("absent"), &k, &f), ERR_NO_KEY);
    EXPECT(strstr(f.detail, "does not exist") && f.hint[0]);
    EXPECT(k == NULL);
    static const mode_t wide[] = {0640, 0604, 0660, 0644, 0610, 0601, 0602};
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        f = (struct fail){0};
        EXPECT_INT(key_read_file(write_file("wide", good, wide[i]), &k, &f), ERR_NO_KEY);
        EXPECT(strstr(f.detail, "group or others") && strstr(f.hint, "chmod 600"));
    }
    static const char *const bad[] = {
        "",
        "\n",
        "0011",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeef",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\n",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefg",
        " 0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        f = (struct fail){0};
        EXPECT_INT(key_read_file(write_file("bad", bad[i], 0600), &k, &f), ERR_NO_KEY);
        EXPECT(strstr(f.detail, "64 hex digits") != NULL);
    }
    char target[128];
    snprintf(target, sizeof target, "%s", write_file("target", good, 0600));
    EXPECT(symlink(target, in_dir("linked")) == 0);
    EXPECT_INT(key_read_file(in_dir("linked"), &k, NULL), ERR_NO_KEY);
    EXPECT_INT(key_read_file(dir, &k, NULL), ERR_NO_KEY);
    EXPECT(mkfifo(in_dir("pipe"), 0600) == 0);
    EXPECT_INT(key_read_file(in_dir("pipe"), &k, NULL), ERR_NO_KEY);
    EXPECT_INT(key_slots_used(), used);
    EXPECT_INT(key_read_file(target, &k, NULL), OK);
    key_free(k);
    EXPECT_INT(
        key_read_file(
            write_file("crlf", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\r\n", 0400),
            &k, NULL),
        OK);
    key_free(k);
}

TEST(key_files_are_never_overwritten)
{
    struct fail f = {0};
    struct key *k1 = NULL, *k2 = NULL;
    EXPECT_INT(key_create_file(in_dir("fresh"), &f), OK);
    struct stat st;
    EXPECT(stat(in_dir("fresh"), &st) == 0);
    EXPECT_INT(st.st_mode & 0777, 0600);
    EXPECT_INT(st.st_nlink, 1);
    EXPECT_INT(key_read_file(in_dir("fresh"), &k1, &f), OK);
    EXPECT_INT(key_create_file(in_dir("fresh"), NULL), ERR_CONFLICT);
    EXPECT_INT(sign_key_create_file(in_dir("fresh"), NULL), ERR_CONFLICT);
    EXPECT_INT(key_read_file(in_dir("fresh"), &k2, &f), OK);
    EXPECT(memcmp(k1->b, k2->b, KEY_LEN) == 0);
    EXPECT_INT(key_create_file(in_dir("no/such/folder"), NULL), ERR_IO);
    key_free(k1);
    key_free(k2);
}

TEST(a_key_that_opens_backups_is_no_other_key_file)
{
    struct fail f = {0};
    struct key *k1 = NULL, *k2 = NULL;
    uint8_t pk[BOX_PK_LEN], back[BOX_PK_LEN];
    char text[BOX_PUBLIC_TEXT + 1];
    enum box_file kind;
    EXPECT_INT(box_key_create_file(in_dir("opens"), &f), OK);
    EXPECT_INT(box_key_read_file(in_dir("opens"), &k1, &kind, &f), OK);
    EXPECT_INT(kind, BOX_FILE_SAID);
    EXPECT_INT(key_read_file(in_dir("opens"), &k2, &f), ERR_NO_KEY);
    EXPECT(strstr(f.detail, "opens backups") != NULL);
    EXPECT_INT(key_create_file(in_dir("older"), NULL), OK);
    EXPECT_INT(box_key_read_file(in_dir("older"), &k2, &kind, NULL), OK);
    EXPECT_INT(kind, BOX_FILE_DIGITS);
    box_public(k1, pk);
    struct span told = box_public_put(pk, text);
    EXPECT(box_public_get(told, back) && memcmp(pk, back, sizeof pk) == 0);
    EXPECT(!box_public_get(span_sub(told, 0, told.len - 1), back));
    EXPECT(!box_public_get(span_sub(told, told.len - 64, 64), back));
    EXPECT(!key_equal(k1, k2) && key_equal(k1, k1));
    key_free(k1);
    key_free(k2);
}

TEST(pool_gives_distinct_slots_and_wipes)
{
    enum { N = 20000, STEP = 7919 }; /* five regions, given back in no order of theirs */
    static struct key *k[N];
    static uint16_t mark[N];
    size_t before = key_slots_used();
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < N; i++) {
            if (k[i])
                continue;
            k[i] = key_slot();
            EXPECT(all_zero(k[i]->b, KEY_LEN));
            mark[i] = (uint16_t)(i * 3 + round + 1);
            memcpy(k[i]->b, &mark[i], sizeof mark[i]);
            memcpy(k[i]->b + KEY_LEN - sizeof mark[i], &mark[i], sizeof mark[i]);
        }
        EXPECT_INT(key_slots_used(), before + N);
        size_t wrong = 0;
        for (size_t i = 0; i < N; i++)
            wrong += memcmp(k[i]->b, &mark[i], sizeof mark[i]) != 0 ||
                     memcmp(k[i]->b + KEY_LEN - sizeof mark[i], &mark[i], sizeof mark[i]) != 0;
        EXPECT_INT(wrong, 0);
        for (size_t n = 0, i = round; n < N - round * 5000; n++, i = (i + STEP) % N) {
            struct key *gone = k[i];
            key_free(gone);
            k[i] = NULL;
            EXPECT(all_zero(gone->b, KEY_LEN)); /* the region stays mapped */
        }
        EXPECT_INT(key_slots_used(), before + round * 5000);
    }
    for (size_t i = 0; i < N; i++)
        key_free(k[i]);
    EXPECT_INT(key_slots_used(), before);
    key_free(NULL);
}

static void *churn(void *arg)
{
    struct key *by = arg;
    for (int i = 0; i < 300; i++) {
        uint8_t wrapped[WRAPPED_LEN];
        struct key *k = key_random(), *back = NULL;
        EXPECT_INT(key_wrap(by, SPAN("b"), k, wrapped, NULL), OK);
        EXPECT_INT(key_unwrap(by, SPAN("b"), span_of(wrapped, WRAPPED_LEN), &back, NULL), OK);
        EXPECT(back && memcmp(k->b, back->b, KEY_LEN) == 0);
        key_free(k);
        key_free(back);
    }
    return NULL;
}

TEST(threads_share_the_pool)
{
    struct key *by = key_random();
    pthread_t t[4];
    for (size_t i = 0; i < 4; i++)
        EXPECT(pthread_create(&t[i], NULL, churn, by) == 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    key_free(by);
}

TEST(base64_rfc_4648)
{
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const coded[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zg=Z", "Zh==", "Zm9=", "Z\n==", "Zm9v ", "====", "Zm-v", "Zg==Zg=="};
    struct arena *a = arena_new(0);
    struct span s;
    for (size_t i = 0; i < 7; i++) {
        EXPECT_SPAN(base64_put(a, span_str(plain[i])), coded[i]);
        EXPECT(base64_get(a, span_str(coded[i]), &s));
        EXPECT_SPAN(s, plain[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT(!base64_get(a, span_str(bad[i]), &s));
    arena_free(a);
}

TEST(base64_takes_64_digits_only)
{
    struct arena *a = arena_new(0);
    struct span s;
    unsigned n = 0;
    for (unsigned c = 0; c < 256; c++) {
        const uint8_t four[4] = {'A', (uint8_t)c, 'A', 'A'};
        if (!base64_get(a, span_of(four, 4), &s))
            continue;
        n++;
        EXPECT(span_eq(base64_put(a, s), span_of(four, 4)));
    }
    EXPECT_INT(n, 64);
    arena_free(a);
}

TEST(equal_and_random)
{
    EXPECT(crypto_equal(SPAN("abc"), SPAN("abc")) && crypto_equal(SPAN_EMPTY, SPAN("")));
    EXPECT(!crypto_equal(SPAN("abc"), SPAN("abd")) && !crypto_equal(SPAN("abc"), SPAN("ab")));
    uint8_t r1[32] = {0}, r2[32] = {0};
    crypto_random(r1, sizeof r1);
    crypto_random(r2, sizeof r2);
    EXPECT(memcmp(r1, r2, sizeof r1) != 0);
}

TEST(random_bytes_drawn_ahead_are_wiped_when_taken)
{
    uint8_t r[32], zero[32] = {0};
    const struct crypto_thread *t = crypto_thread();
    crypto_random(r, sizeof r);
    EXPECT(memcmp(r, zero, sizeof r) != 0);
    EXPECT(memcmp(t->ahead + t->n_ahead, zero, sizeof zero) == 0);
    for (size_t i = 0; i < 3 * RANDOM_AHEAD / sizeof r; i++) {
        uint8_t next[32];
        crypto_random(next, sizeof next);
        EXPECT(memcmp(r, next, sizeof r) != 0 && memcmp(next, zero, sizeof zero) != 0);
        memcpy(r, next, sizeof r);
    }
}

TEST(a_child_draws_its_own_random_bytes)
{
    uint8_t mine[32], other[32] = {0};
    int ends[2];
    crypto_random(mine, sizeof mine);
    EXPECT(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        crypto_random(mine, sizeof mine);
        _exit(write(ends[1], mine, sizeof mine) != sizeof mine);
    }
    crypto_random(mine, sizeof mine);
    EXPECT(child > 0 && read(ends[0], other, sizeof other) == sizeof other);
    EXPECT(memcmp(mine, other, sizeof mine) != 0);
    int status = 1;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    close(ends[0]);
    close(ends[1]);
}

TEST(start_turns_core_files_off)
{
    struct fail f = {0};
    EXPECT_INT(crypto_start(&f), OK);
    EXPECT_INT(crypto_start(&f), OK);
    char cmd[160];
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    EXPECT(dir[sizeof dir - 2] == 'X' || system(cmd) == 0);
}

UNIT_MAIN(CASE(sha256_fips_180), CASE(hmac_rfc_4231), CASE(hkdf_rfc_5869), CASE(ed25519_rfc_8032),
          CASE(seal_aes_gcm), CASE(R118_what_one_machine_seals_every_machine_opens),
          CASE(no_nonce_is_used_twice), CASE(seal_chacha20_poly1305), CASE(seal_moves_between_processors),
          CASE(wrap_and_unwrap), CASE(derived_keys_differ), CASE(key_files_that_are_refused),
          CASE(key_files_are_never_overwritten), CASE(a_key_that_opens_backups_is_no_other_key_file),
          CASE(pool_gives_distinct_slots_and_wipes), CASE(threads_share_the_pool), CASE(base64_rfc_4648),
          CASE(base64_takes_64_digits_only), CASE(equal_and_random),
          CASE(random_bytes_drawn_ahead_are_wiped_when_taken), CASE(a_child_draws_its_own_random_bytes),
          CASE(start_turns_core_files_off))
