// SPDX-License-Identifier: Apache-2.0
/* The index log over nodes: its tree, its tiles, and who may append. */
#include "index.h"
#include "nodes.h"
#include "scratch.h"

static struct sign_key *node_key, *index_key;
static struct merkle_key verifier;
static struct span origin;

static struct sign_key *key_made(const char *name)
{
    struct sign_key *k = NULL;
    struct fail f = {0};
    scratch_must(sign_key_create_file(scratch_path(name), &f), &f);
    scratch_must(sign_key_read_file(scratch_path(name), &k, &f), &f);
    return k;
}

static void setup(void)
{
    uint8_t pk[SIGN_PK_LEN];
    struct fail f = {0};
    scratch_must(crypto_start(&f), &f);
    scratch_open();
    node_key = key_made("node-key");
    index_key = key_made("index-key");
    origin = index_origin(scratch_a, SPAN("a.example/audit/12345678/b/2026q4"));
    sign_key_public(index_key, pk);
    scratch_must(merkle_key_read(scratch_a, merkle_verifier_key(scratch_a, origin, pk), &verifier, &f), &f);
}

static void teardown(void)
{
    sign_key_free(node_key);
    sign_key_free(index_key);
    scratch_close();
}

/* A node whose record has this many entries. */
static void node_add(unsigned number, uint64_t size)
{
    struct fail f = {0};
    struct store_rows rows;
    uint8_t pk[SIGN_PK_LEN], signature[SIGN_LEN];
    struct span name = arena_fmt(scratch_a, "n%u", number);
    struct merkle_checkpoint c = {
        .origin = arena_fmt(scratch_a, "a.example/audit/12345678/n%u/2026q4", number), .size = size};
    sign_key_public(node_key, pk);
    memset(c.root.b, (int)number, sizeof c.root.b);
    sign_make(node_key, merkle_checkpoint_body(scratch_a, &c), signature);
    struct span note = merkle_checkpoint_note(scratch_a, &c, pk, signature);
    EXPECT(store_one(scratch_st, Q_NODE_ADD,
                     ARGS(ARG_T(name), ARG_T(c.origin), ARG_T(merkle_verifier_key(scratch_a, c.origin, pk)),
                          ARG_I(1), ARG_B(note)),
                     &rows, &f));
    store_done(&rows);
}

static struct index_report verified(void)
{
    struct index_report r;
    struct fail f = {0};
    EXPECT_INT(
        index_verify(scratch_st, &verifier, SPAN("a.example/audit/12345678/n1/2026q4"), scratch_a, &r, &f),
        OK);
    return r;
}

static size_t tile_bytes(const char *path)
{
    struct span out = SPAN_EMPTY;
    struct fail f = {0};
    return index_tile(scratch_st, span_str(path), scratch_a, &out, &f) == OK ? out.len : 0;
}

TEST(its_origin_is_that_of_the_installation)
{
    setup();
    EXPECT_SPAN(origin, "a.example/audit/12345678/index");
    teardown();
}

TEST(every_head_is_entered_once_and_all_of_it_verifies)
{
    setup();
    struct fail f = {0};
    int64_t token = 0;
    size_t n = 0;
    EXPECT_INT(index_lead(scratch_st, index_key, origin, &token, &f), OK);
    EXPECT_INT(index_grow(scratch_st, index_key, origin, token, &n, &f), OK);
    EXPECT_INT(n, 0);
    EXPECT(verified().ok);
    for (unsigned i = 1; i <= 300; i++)
        node_add(i, 5);
    EXPECT_INT(index_grow(scratch_st, index_key, origin, token, &n, &f), OK);
    EXPECT_INT(n, 300);
    EXPECT_INT(index_grow(scratch_st, index_key, origin, token, &n, &f), OK);
    EXPECT_INT(n, 0);
    struct index_report r = verified();
    EXPECT(r.ok);
    EXPECT_INT(r.entries, 300);
    EXPECT(r.newest.len > 0);
    EXPECT_INT(tile_bytes("tile/0/000"), 256 * 32);
    EXPECT_INT(tile_bytes("tile/0/001.p/44"), 44 * 32);
    EXPECT_INT(tile_bytes("tile/1/000.p/1"), 32);
    EXPECT_INT(tile_bytes("tile/0/001.p/45"), 0);
    EXPECT(tile_bytes("tile/entries/001.p/44") > 44 * 100);
    teardown();
}

TEST(who_led_before_appends_nothing)
{
    setup();
    struct fail f = {0};
    int64_t before = 0, now = 0;
    size_t n = 0;
    EXPECT_INT(index_lead(scratch_st, index_key, origin, &before, &f), OK);
    node_add(1, 5);
    EXPECT_INT(index_lead(scratch_st, index_key, origin, &now, &f), OK);
    EXPECT_INT(now, before + 1);
    EXPECT_INT(index_grow(scratch_st, index_key, origin, before, &n, &f), ERR_CONFLICT);
    EXPECT_INT(verified().entries, 0);
    f = (struct fail){0};
    EXPECT_INT(index_grow(scratch_st, index_key, origin, now, &n, &f), OK);
    EXPECT_INT(verified().entries, 1);
    teardown();
}

TEST(a_retired_node_gets_a_last_entry_and_none_after_it)
{
    setup();
    struct fail f = {0};
    struct store_rows rows;
    int64_t token = 0;
    size_t n = 0;
    node_add(1, 5);
    EXPECT_INT(index_lead(scratch_st, index_key, origin, &token, &f), OK);
    EXPECT_INT(index_grow(scratch_st, index_key, origin, token, &n, &f), OK);
    EXPECT_INT(store_run(scratch_st, Q_NODE_STATE, ARGS(ARG_I(1), ARG_I(NODE_RETIRED)), NULL, &f), OK);
    EXPECT_INT(index_grow(scratch_st, index_key, origin, token, &n, &f), OK);
    EXPECT_INT(n, 1);
    EXPECT_INT(index_grow(scratch_st, index_key, origin, token, &n, &f), OK);
    EXPECT_INT(n, 0);
    EXPECT(store_one(scratch_st, Q_TREE_TILE, ARGS(ARG_I(0), ARG_I(1), ARG_I(2)), &rows, &f));
    EXPECT(span_starts(store_t(&rows, 2), INDEX_CLOSED "a.example/audit/12345678/n1/2026q4\n5\n"));
    store_done(&rows);
    EXPECT(verified().ok);
    teardown();
}

TEST(another_key_or_a_hash_too_many_is_found)
{
    setup();
    struct fail f = {0};
    int64_t token = 0;
    size_t n = 0;
    uint8_t pk[SIGN_PK_LEN];
    node_add(1, 5);
    EXPECT_INT(index_lead(scratch_st, index_key, origin, &token, &f), OK);
    EXPECT_INT(index_grow(scratch_st, node_key, origin, token, &n, &f), OK);
    EXPECT(!verified().ok); /* the head is signed by somebody else */
    sign_key_public(node_key, pk);
    memcpy(verifier.pk, pk, sizeof verifier.pk);
    EXPECT(verified().ok);
    EXPECT_INT(store_run(scratch_st, Q_TREE_GROW,
                         ARGS(ARG_I(token), ARG_I(2), ARG_B(SPAN("short")), ARG_B(SPAN("no note"))), NULL,
                         &f),
               OK);
    struct index_report r;
    EXPECT(index_verify(scratch_st, &verifier, SPAN_EMPTY, scratch_a, &r, &f) != OK || !r.ok);
    teardown();
}

UNIT_MAIN(CASE(its_origin_is_that_of_the_installation),
          CASE(every_head_is_entered_once_and_all_of_it_verifies), CASE(who_led_before_appends_nothing),
          CASE(a_retired_node_gets_a_last_entry_and_none_after_it),
          CASE(another_key_or_a_hash_too_many_is_found))
