// SPDX-License-Identifier: Apache-2.0
/* Tile paths, checkpoints, receipts: what is accepted, and that nothing else is. */
#include "crypto.h"
#include "merkle.h"
#include "unit.h"

#include <unistd.h>

struct path_row {
    const char *path;
    bool entries;
    unsigned level;
    uint64_t index;
    unsigned width;
};
static const struct path_row path_rows[] = {
    {"tile/0/000", false, 0, 0, 0},
    {"tile/0/067.p/255", false, 0, 67, 255},
    {"tile/0/x001/x234/067", false, 0, 1234067, 0},
    {"tile/0/x001/000", false, 0, 1000, 0},
    {"tile/1/999.p/1", false, 1, 999, 1},
    {"tile/63/000", false, 63, 0, 0},
    {"tile/entries/x001/x234/067", true, 0, 1234067, 0},
    {"tile/entries/000.p/17", true, 0, 0, 17},
    {"tile/0/x999/x999/x999/x999/x999/999", false, 0, 999999999999999999, 0},
};

TEST(tile_paths)
{
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof path_rows / sizeof path_rows[0]; i++) {
        const struct path_row *r = &path_rows[i];
        bool entries;
        unsigned level, width;
        uint64_t index;
        EXPECT_SPAN(merkle_tile_path(a, r->entries, r->level, r->index, r->width), r->path);
        EXPECT(merkle_tile_parse(span_str(r->path), &entries, &level, &index, &width));
        EXPECT(entries == r->entries && level == r->level && index == r->index && width == r->width);
    }
    arena_free(a);
}

TEST(tile_paths_refused)
{
    static const char *const bad[] = {"",
                                      "tile",
                                      "tile/",
                                      "tile/0",
                                      "tile/0/",
                                      "tile/0/0",
                                      "tile/0/00",
                                      "tile/0/0000",
                                      "tile/00/000",
                                      "tile/64/000",
                                      "tile/-1/000",
                                      "tile/0/x000/001",
                                      "tile/0/x001",
                                      "tile/0/x001/",
                                      "tile/0/001/002",
                                      "tile/0/001/",
                                      "tile/0/x01/001",
                                      "tile/0/000.p",
                                      "tile/0/000.p/",
                                      "tile/0/000.p/0",
                                      "tile/0/000.p/256",
                                      "tile/0/000.p/01",
                                      "tile/0/000.p/1/",
                                      "tile/0/000.p/+1",
                                      "/tile/0/000",
                                      "Tile/0/000",
                                      "tile/entries",
                                      "tile/entries/",
                                      "tile/Entries/000",
                                      "tile//000",
                                      "tile/0/x001/x234/x067",
                                      "tile/0/../000",
                                      "tile/0/00a",
                                      "tile/0/x001/x001/x001/x001/x001/x001/001",
                                      "tile/0/000 ",
                                      "tile/data/000",
                                      "tile/0/0x0/000"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bool entries;
        unsigned level, width;
        uint64_t index;
        bool ok = merkle_tile_parse(span_str(bad[i]), &entries, &level, &index, &width);
        EXPECT(!ok);
        if (ok)
            printf("  accepted %s\n", bad[i]);
    }
}

static struct sign_key *test_key(uint8_t pk[SIGN_PK_LEN])
{
    char path[] = "/tmp/troth-note-XXXXXX";
    struct sign_key *k = NULL;
    int fd = mkstemp(path);
    EXPECT(fd >= 0);
    EXPECT(write(fd, "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", 64) == 64);
    close(fd);
    EXPECT_INT(sign_key_read_file(path, &k, NULL), OK);
    unlink(path);
    sign_key_public(k, pk);
    return k;
}

static struct span make_note(struct arena *a, const struct merkle_checkpoint *c, uint8_t pk[SIGN_PK_LEN])
{
    struct sign_key *k = test_key(pk);
    uint8_t signature[SIGN_LEN];
    sign_make(k, merkle_checkpoint_body(a, c), signature);
    sign_key_free(k);
    return merkle_checkpoint_note(a, c, pk, signature);
}

static const struct merkle_checkpoint sample = {
    .origin = {(const uint8_t *)"troth.example/audit/1", 21}, .size = 20852163, .root = {{1, 2, 3}}};

TEST(checkpoint_text)
{
    struct arena *a = arena_new(0);
    uint8_t pk[SIGN_PK_LEN];
    struct merkle_checkpoint c;
    struct fail f = {0};
    EXPECT_SPAN(merkle_checkpoint_body(a, &sample),
                "troth.example/audit/1\n20852163\nAQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    struct span note = make_note(a, &sample, pk);
    EXPECT_INT(merkle_checkpoint_read(a, note, pk, &c, &f), OK);
    EXPECT_SPAN(c.origin, "troth.example/audit/1");
    EXPECT_INT(c.size, 20852163);
    EXPECT(memcmp(&c.root, &sample.root, sizeof c.root) == 0);
    arena_free(a);
}

/* The key and the signed note of the Go checksum database, as its client carries them. */
TEST(known_note_key_hash)
{
    struct arena *a = arena_new(0);
    struct span key;
    EXPECT(base64_get(a, SPAN("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"), &key));
    EXPECT_INT(key.p[0], 1);
    EXPECT_SPAN(merkle_verifier_key(a, SPAN("sum.golang.org"), key.p + 1),
                "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8");
    arena_free(a);
}

TEST(checkpoint_every_byte_counts)
{
    struct arena *a = arena_new(0);
    uint8_t pk[SIGN_PK_LEN], copy[512];
    struct merkle_checkpoint c;
    struct span note = make_note(a, &sample, pk);
    EXPECT(note.len < sizeof copy);
    for (size_t i = 0; i < note.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(copy, note.p, note.len);
            copy[i] ^= (uint8_t)(1u << bit);
            EXPECT(merkle_checkpoint_read(a, span_of(copy, note.len), pk, &c, NULL) != OK);
        }
        EXPECT(merkle_checkpoint_read(a, span_of(note.p, i), pk, &c, NULL) != OK);
    }
    pk[0] ^= 1;
    EXPECT_INT(merkle_checkpoint_read(a, note, pk, &c, NULL), ERR_INTEGRITY);
    arena_free(a);
}

TEST(checkpoint_forms_refused)
{
#define ROOT "AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define SIG  "\xe2\x80\x94 o AAAAAAE=\n"
    static const char *const bad[] = {
        "",
        "o\n1\n" ROOT,
        "o\n1\n" ROOT "\n",
        "\n1\n" ROOT "\n" SIG,
        "a b\n1\n" ROOT "\n" SIG,
        "a+b\n1\n" ROOT "\n" SIG,
        "o\n01\n" ROOT "\n" SIG,
        "o\n-1\n" ROOT "\n" SIG,
        "o\n+1\n" ROOT "\n" SIG,
        "o\n\n" ROOT "\n" SIG,
        "o\n9223372036854775808\n" ROOT "\n" SIG,
        "o\n1\n" ROOT "extension\n\n" SIG,
        "o\n1\nAQID\n\n" SIG,
        "o\n1\n" ROOT "\n" SIG "\n",
        "o\n1\n" ROOT "\n- o AAAAAAE=\n",
        "o\n1\n" ROOT "\n\xe2\x80\x94 o AAAAAA==\n",
        "o\n1\n" ROOT "\n\xe2\x80\x94 o \n",
        "o\n1\n" ROOT "\n\xe2\x80\x94  AAAAAAE=\n",
        "o\r\n1\r\n" ROOT "\n" SIG,
        "o\xff\n1\n" ROOT "\n" SIG,
    };
    struct arena *a = arena_new(0);
    struct merkle_checkpoint c;
    EXPECT_INT(merkle_checkpoint_read(a, span_str("o\n1\n" ROOT "\n" SIG), NULL, &c, NULL), OK);
    EXPECT_INT(merkle_checkpoint_read(a, span_str("o\n0\n" ROOT "\n" SIG SIG), NULL, &c, NULL), OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT_INT(merkle_checkpoint_read(a, span_str(bad[i]), NULL, &c, NULL), ERR_BAD_VALUE);
    arena_free(a);
}

TEST(unknown_cosignatures_are_ignored)
{
    struct arena *a = arena_new(0);
    uint8_t pk[SIGN_PK_LEN];
    struct merkle_checkpoint c;
    struct span note = make_note(a, &sample, pk);
    struct span two = arena_fmt(a, "%.*s%s", SPAN_F(note), "\xe2\x80\x94 witness.example AAAAAAAAAAE=\n");
    EXPECT_INT(merkle_checkpoint_read(a, two, pk, &c, NULL), OK);
    arena_free(a);
}

TEST(receipt_proves_offline)
{
    struct arena *a = arena_new(0);
    struct merkle_checkpoint c = sample, got;
    struct digest leaves[3], path[2];
    uint8_t pk[SIGN_PK_LEN];
    uint64_t index;
    struct span leaf[3] = {SPAN("zero"), SPAN("one"), SPAN("two")}, extra;
    for (size_t i = 0; i < 3; i++)
        merkle_leaf(leaf[i], &leaves[i]);
    merkle_fold(leaves, 3, &c.root);
    c.size = 3;
    path[0] = leaves[0];
    path[1] = leaves[2];
    struct span note = make_note(a, &c, pk);
    struct span proof = merkle_proof_put(a, 1, path, 2, note, leaf[1]);
    EXPECT(span_starts(proof, "c2sp.org/tlog-proof@v1\nextra b25l\nindex 1\n"));
    EXPECT_INT(merkle_proof_check(a, proof, leaf[1], pk, &index, &got, NULL), OK);
    EXPECT_INT(index, 1);
    EXPECT_INT(got.size, 3);
    EXPECT_INT(merkle_proof_extra(a, proof, &extra, NULL), OK);
    EXPECT_SPAN(extra, "one");
    EXPECT_INT(merkle_proof_check(a, proof, leaf[0], pk, &index, &got, NULL), ERR_INTEGRITY);
    struct span plain = merkle_proof_put(a, 1, path, 2, note, SPAN_EMPTY);
    EXPECT(span_starts(plain, "c2sp.org/tlog-proof@v1\nindex 1\n"));
    uint8_t copy[1024];
    for (size_t i = 0; i < plain.len; i++) {
        memcpy(copy, plain.p, plain.len);
        copy[i] ^= 1;
        EXPECT(merkle_proof_check(a, span_of(copy, plain.len), leaf[1], pk, &index, &got, NULL) != OK);
        EXPECT(merkle_proof_check(a, span_of(plain.p, i), leaf[1], pk, &index, &got, NULL) != OK);
    }
    arena_free(a);
}

UNIT_MAIN(CASE(tile_paths), CASE(tile_paths_refused), CASE(checkpoint_text), CASE(known_note_key_hash),
          CASE(checkpoint_every_byte_counts), CASE(checkpoint_forms_refused),
          CASE(unknown_cosignatures_are_ignored), CASE(receipt_proves_offline))
