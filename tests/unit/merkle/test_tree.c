// SPDX-License-Identifier: Apache-2.0
/* Trees and proofs against an oracle (tests/vectors/rfc6962.py), known roots, and every mutation refused. */
#include "crypto.h"
#include "merkle.h"
#include "unit.h"

enum { SIZES = 300 };

/* All hashes of full subtrees, as tiles would hold them: level 0 and level 1 (tile level). */
struct forest {
    struct digest leaf[SIZES];
    struct digest tile_root;
    uint64_t size;
};

static bool read_forest(void *ctx, unsigned tile_level, uint64_t index, struct digest *out)
{
    const struct forest *f = ctx;
    if (tile_level == 0 && index < f->size) {
        *out = f->leaf[index];
        return true;
    }
    if (tile_level == 1 && index < f->size / MERKLE_TILE_WIDTH) {
        *out = f->tile_root;
        return true;
    }
    return false;
}

static bool read_nothing(void *ctx, unsigned tile_level, uint64_t index, struct digest *out)
{
    (void)ctx, (void)tile_level, (void)index, (void)out;
    return false;
}

static struct forest forest;
static struct digest roots[SIZES + 1];

static void grow(void)
{
    struct merkle_tree t = {0};
    merkle_root(&t, &roots[0]);
    for (size_t i = 0; i < SIZES; i++) {
        uint8_t bytes[7];
        memset(bytes, (int)(i % 256), sizeof bytes);
        merkle_leaf(span_of(bytes, i % 7), &forest.leaf[i]);
        merkle_add(&t, &forest.leaf[i]);
        merkle_root(&t, &roots[i + 1]);
    }
    merkle_fold(forest.leaf, MERKLE_TILE_WIDTH, &forest.tile_root);
}

static bool is_hex(const struct digest *d, const char *hex)
{
    char text[65];
    hex_put(text, d->b, 32);
    return strcmp(text, hex) == 0;
}

struct known {
    const char *leaf, *root;
};
/* The eight leaves Certificate Transparency implementations test with. */
static const struct known known[] = {
    {"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
    {"00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
    {"10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
    {"2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
    {"3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
    {"40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
    {"5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
    {"606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
};

TEST(known_roots)
{
    struct merkle_tree t = {0};
    struct digest d, leaves[8];
    merkle_root(&t, &d);
    EXPECT(is_hex(&d, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint8_t bytes[16];
        size_t len = strlen(known[i].leaf) / 2;
        EXPECT(hex_get(span_str(known[i].leaf), bytes, len));
        merkle_leaf(span_of(bytes, len), &leaves[i]);
        merkle_add(&t, &leaves[i]);
        merkle_root(&t, &d);
        EXPECT(is_hex(&d, known[i].root));
        merkle_fold(leaves, i + 1, &d);
        EXPECT(is_hex(&d, known[i].root));
    }
}

static void all_inclusion(uint64_t size, struct digest *out)
{
    static struct digest all[SIZES * 10];
    size_t n = 0, len;
    struct digest proof[MERKLE_PROOF_MAX];
    for (uint64_t i = 0; i < size; i++) {
        EXPECT_INT(merkle_inclusion(read_forest, &forest, i, size, proof, &len, NULL), OK);
        EXPECT(merkle_check_inclusion(&forest.leaf[i], i, size, proof, len, &roots[size]));
        memcpy(all + n, proof, len * sizeof proof[0]);
        n += len;
    }
    crypto_sha256(span_of(all, n * sizeof all[0]), out);
}

static void all_consistency(uint64_t size, struct digest *out)
{
    static struct digest all[SIZES * 10];
    size_t n = 0, len;
    struct digest proof[MERKLE_PROOF_MAX];
    for (uint64_t m = 1; m <= size; m++) {
        EXPECT_INT(merkle_consistency(read_forest, &forest, m, size, proof, &len, NULL), OK);
        EXPECT(merkle_check_consistency(m, &roots[m], size, &roots[size], proof, len));
        memcpy(all + n, proof, len * sizeof proof[0]);
        n += len;
    }
    crypto_sha256(span_of(all, n * sizeof all[0]), out);
}

TEST(oracle_all_sizes)
{
    FILE *fp = fopen("tests/vectors/rfc6962.txt", "r");
    EXPECT(fp != NULL);
    unsigned size, n = 0;
    char root[65], inclusion[65], consistency[65];
    while (fp && fscanf(fp, "%u %64s %64s %64s", &size, root, inclusion, consistency) == 4) {
        struct digest d;
        n++;
        forest.size = size;
        EXPECT(is_hex(&roots[size], root));
        all_inclusion(size, &d);
        EXPECT(is_hex(&d, inclusion));
        all_consistency(size, &d);
        EXPECT(is_hex(&d, consistency));
    }
    EXPECT_INT(n, SIZES + 1);
    if (fp)
        fclose(fp);
}

/* True if any changed, shortened or lengthened proof is accepted. */
static bool inclusion_accepts_mutant(uint64_t i, uint64_t size, struct digest *p, size_t n)
{
    const struct digest *leaf = &forest.leaf[i], *root = &roots[size];
    bool any = merkle_check_inclusion(&forest.leaf[(i + 1) % SIZES], i, size, p, n, root);
    any |= merkle_check_inclusion(leaf, i, size, p, n, &roots[size - 1]);
    any |= merkle_check_inclusion(leaf, size, size, p, n, root);
    any |= n > 0 && merkle_check_inclusion(leaf, i, size, p, n - 1, root);
    p[n] = p[0];
    any |= merkle_check_inclusion(leaf, i, size, p, n + 1, root);
    for (size_t k = 0; k < n; k++) {
        p[k].b[k % 32] ^= 1;
        any |= merkle_check_inclusion(leaf, i, size, p, n, root);
        p[k].b[k % 32] ^= 1;
    }
    return any;
}

TEST(inclusion_mutants_refused)
{
    struct digest p[MERKLE_PROOF_MAX];
    size_t n;
    forest.size = SIZES;
    for (uint64_t size = 1; size <= 70; size++) {
        for (uint64_t i = 0; i < size; i++) {
            EXPECT_INT(merkle_inclusion(read_forest, &forest, i, size, p, &n, NULL), OK);
            EXPECT(!inclusion_accepts_mutant(i, size, p, n));
            for (uint64_t j = 0; j < size; j++)
                EXPECT(i == j || !merkle_check_inclusion(&forest.leaf[i], j, size, p, n, &roots[size]));
        }
    }
}

static bool consistency_accepts_mutant(uint64_t m, uint64_t size, struct digest *p, size_t n)
{
    const struct digest *old = &roots[m], *new = &roots[size];
    bool any = merkle_check_consistency(m, &roots[m - 1], size, new, p, n);
    any |= merkle_check_consistency(m, old, size, &roots[size - 1], p, n);
    any |= m > 1 && merkle_check_consistency(m - 1, old, size, new, p, n);
    any |= merkle_check_consistency(size, new, m, old, p, n);
    any |= n > 0 && merkle_check_consistency(m, old, size, new, p, n - 1);
    p[n] = p[0];
    any |= merkle_check_consistency(m, old, size, new, p, n + 1);
    for (size_t k = 0; k < n; k++) {
        p[k].b[k % 32] ^= 0x80;
        any |= merkle_check_consistency(m, old, size, new, p, n);
        p[k].b[k % 32] ^= 0x80;
    }
    return any;
}

TEST(consistency_mutants_refused)
{
    struct digest p[MERKLE_PROOF_MAX];
    size_t n;
    forest.size = SIZES;
    for (uint64_t size = 2; size <= 70; size++) {
        for (uint64_t m = 1; m < size; m++) {
            EXPECT_INT(merkle_consistency(read_forest, &forest, m, size, p, &n, NULL), OK);
            EXPECT(!consistency_accepts_mutant(m, size, p, n));
        }
    }
}

TEST(edges_of_the_range)
{
    struct digest p[MERKLE_PROOF_MAX];
    size_t n = 9;
    struct fail f = {0};
    forest.size = SIZES;
    EXPECT_INT(merkle_inclusion(read_forest, &forest, 5, 5, p, &n, &f), ERR_NOT_FOUND);
    EXPECT_INT(merkle_inclusion(read_forest, &forest, 0, 0, p, &n, NULL), ERR_NOT_FOUND);
    EXPECT_INT(merkle_consistency(read_forest, &forest, 6, 5, p, &n, NULL), ERR_NOT_FOUND);
    EXPECT_INT(merkle_inclusion(read_nothing, NULL, 1, 5, p, &n, NULL), ERR_CORRUPT);
    EXPECT_INT(merkle_consistency(read_nothing, NULL, 3, 5, p, &n, NULL), ERR_CORRUPT);
    EXPECT_INT(merkle_consistency(read_nothing, NULL, 0, 5, p, &n, NULL), OK);
    EXPECT_INT(n, 0);
    EXPECT(merkle_check_consistency(0, &roots[0], 5, &roots[5], p, 0));
    EXPECT(!merkle_check_consistency(0, &roots[1], 5, &roots[5], p, 0));
    EXPECT(merkle_check_consistency(5, &roots[5], 5, &roots[5], p, 0));
    EXPECT(!merkle_check_consistency(5, &roots[5], 5, &roots[5], p, 1));
    EXPECT(!merkle_check_inclusion(&roots[0], UINT64_MAX, UINT64_MAX, p, 0, &roots[0]));
    EXPECT(!merkle_check_inclusion(&roots[0], 0, UINT64_MAX, p, 0, &roots[0]));
}

int main(void)
{
    static const struct unit_case cases[] = {
        CASE(known_roots),
        CASE(oracle_all_sizes),
        CASE(inclusion_mutants_refused),
        CASE(consistency_mutants_refused),
        CASE(edges_of_the_range),
    };
    grow();
    return unit_main(cases, sizeof cases / sizeof cases[0]);
}
