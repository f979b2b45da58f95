// SPDX-License-Identifier: Apache-2.0
/* What must open, and everything that must not. The store's connection is used to alter rows as a thief
 * would. */
#include "scratch.h"

#include "file.h"
#include "log.h"
#include "machine.h"
#include "vault.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct vault *vault;
static char master_path[200];
static const struct vault_master master = {.file = master_path};
static const struct vault_person ann = {.id = {{1}}, .sid = 1}, bob = {.id = {{2}}, .sid = 2},
                                 kid = {.id = {{3}}, .sid = 3, .child = true};
static struct person_key *ann_key, *bob_key;

static void setup(void)
{
    struct fail f = {0};
    scratch_open();
    snprintf(master_path, sizeof master_path, "%s", scratch_path("master"));
    scratch_must(key_create_file(master_path, &f), &f);
    scratch_must(vault_create(scratch_st, &master, &f), &f);
    scratch_must(vault_open(scratch_st, &master, &vault, &f), &f);
    const struct vault_person *const all[] = {&ann, &bob, &kid};
    scratch_begin();
    for (size_t i = 0; i < 3; i++)
        scratch_must(vault_key_create(vault, scratch_st, all[i], &f), &f);
    scratch_must(vault_key_open(vault, scratch_st, &ann, &ann_key, &f), &f);
    scratch_must(vault_key_open(vault, scratch_st, &bob, &bob_key, &f), &f);
    scratch_commit();
}

static void teardown(void)
{
    vault_key_close(ann_key);
    vault_key_close(bob_key);
    vault_close(vault);
    scratch_close();
}

static void put(const struct vault_person *s, const struct person_key *k, const char *field, const char *item,
                const char *text)
{
    struct fail f = {0};
    struct value v = {.field = span_str(field), .item = span_str(item), .plain = span_str(text)};
    v.from.source = SPAN("subject");
    v.from.keep_until = INSTANT_FOREVER;
    scratch_must(vault_put(scratch_st, s, k, &v, VALUE_VERSION_ASK, &f), &f);
}

static enum err get(const struct vault_person *s, const struct person_key *k, const char *field,
                    struct value **out, size_t *n)
{
    struct fail f = {0};
    return vault_get(scratch_st, s, k, span_str(field), SPAN_EMPTY, scratch_a, out, n, &f);
}

TEST(R011_values_come_back_with_their_provenance)
{
    setup();
    struct fail f = {0};
    struct value *v, in = {.field = SPAN("contact-phone"), .plain = SPAN("+8613812341234")};
    size_t n;
    in.from = (struct provenance){.source = SPAN("other_person"),
                                  .service = SPAN("shop"),
                                  .purpose = SPAN("delivery"),
                                  .supplier = SPAN("someone"),
                                  .region = SPAN("CN"),
                                  .time = {5},
                                  .keep_until = {9},
                                  .revision = 0xfedcba98};
    scratch_must(vault_put(scratch_st, &ann, ann_key, &in, VALUE_VERSION_ASK, &f), &f);
    scratch_must(vault_put(scratch_st, &ann, ann_key, &in, VALUE_VERSION_ASK, &f), &f);
    EXPECT_INT(get(&ann, ann_key, "contact-phone", &v, &n), OK);
    EXPECT_INT(n, 1);
    EXPECT_SPAN(v[0].plain, "+8613812341234");
    EXPECT_INT(v[0].version, 2);
    EXPECT_SPAN(v[0].from.source, "other_person");
    EXPECT_SPAN(v[0].from.supplier, "someone");
    EXPECT_INT(v[0].from.keep_until.ms, 9);
    EXPECT_INT(v[0].from.revision, 0xfedcba98);
    EXPECT_INT(get(&bob, bob_key, "contact-phone", &v, &n), OK);
    EXPECT_INT(n, 0);
    EXPECT_INT(get(&ann, ann_key, "never-stored", &v, &n), OK);
    EXPECT_INT(n, 0);
    teardown();
}

/* Whatever was written first. */
TEST(places_come_by_field_and_item)
{
    setup();
    struct fail f = {0};
    struct value_place *p;
    size_t n;
    const struct span names[] = {SPAN("order-address"), SPAN("contact-phone")};
    put(&bob, bob_key, "contact-phone", "", "bob's");
    put(&bob, bob_key, "order-address", "", "his");
    put(&ann, ann_key, "order-address", "order-2", "two");
    put(&ann, ann_key, "order-address", "", "none");
    put(&ann, ann_key, "order-address", "order-10", "ten");
    put(&ann, ann_key, "contact-phone", "", "phone");
    put(&ann, ann_key, "order-address", "order-2", "two again");
    static const char *const want[] = {"phone", "none", "ten", "two again"};
    for (int brief = 0; brief < 2; brief++) {
        scratch_must(vault_places(scratch_st, &ann, names, 2, SPAN_EMPTY, brief, scratch_a, &p, &n, &f), &f);
        EXPECT_INT(n, 4);
        for (size_t i = 0; i < n; i++) {
            scratch_must(vault_open_place(&ann, ann_key, &p[i], scratch_a, &f), &f);
            EXPECT_SPAN(p[i].value.plain, want[i]);
        }
    }
    scratch_must(vault_places(scratch_st, &kid, names, 2, SPAN_EMPTY, true, scratch_a, &p, &n, &f), &f);
    EXPECT_INT(n, 0);
    teardown();
}

/* Nor is what is asked about left out behind as many as are looked at in one go. */
TEST(places_of_what_is_asked_about_are_all_there)
{
    setup();
    struct fail f = {0};
    struct value_place *p;
    size_t n, fields = 0, items = 0;
    const struct span names[] = {SPAN("contact-phone")};
    char item[32];
    scratch_must(store_begin_write(scratch_st, &f), &f);
    put(&ann, ann_key, "contact-phone", "", "phone");
    for (int i = 0; i < VALUE_PLACES_MAX; i++) {
        snprintf(item, sizeof item, "order-%d", i);
        put(&ann, ann_key, "order-address", item, "somewhere");
    }
    put(&ann, ann_key, "order-address", "the-newest", "here");
    put(&ann, ann_key, "order-goods", "the-newest", "a book");
    put(&ann, ann_key, "contact-phone", "2", "another");
    scratch_must(store_commit(scratch_st, &f), &f);
    scratch_must(vault_places(scratch_st, &ann, names, 1, SPAN("the-newest"), true, scratch_a, &p, &n, &f),
                 &f);
    EXPECT_INT(n, VALUE_PLACES_MAX + 3);
    for (size_t i = 0; i < n; i++) {
        fields += span_is(p[i].value.field, "contact-phone");
        items += span_is(p[i].value.item, "the-newest");
    }
    EXPECT_INT(fields, 2);
    EXPECT_INT(items, 2);
    scratch_must(vault_places(scratch_st, &ann, names, 1, SPAN_EMPTY, true, scratch_a, &p, &n, &f), &f);
    EXPECT_INT(n, VALUE_PLACES_MAX + 1);
    teardown();
}

TEST(items_are_told_apart_and_deleted)
{
    setup();
    struct fail f = {0};
    struct value *v;
    size_t n;
    int64_t deleted;
    bool held;
    put(&ann, ann_key, "order-address", "order-1", "one");
    put(&ann, ann_key, "order-address", "order-2", "two");
    EXPECT_INT(get(&ann, ann_key, "order-address", &v, &n), OK);
    EXPECT_INT(n, 2);
    EXPECT_SPAN(v[1].plain, "two");
    scratch_must(vault_list(scratch_st, &ann, scratch_a, &v, &n, &f), &f);
    EXPECT_INT(n, 2);
    EXPECT_INT(v[0].plain.len, 0);
    scratch_must(vault_delete(scratch_st, &ann, SPAN("order-address"), SPAN("order-1"), &deleted, &f), &f);
    EXPECT_INT(deleted, 1);
    scratch_must(vault_held(scratch_st, &ann, SPAN("order-address"), &held, &f), &f);
    EXPECT(held);
    scratch_must(vault_delete(scratch_st, &ann, SPAN("order-address"), SPAN_EMPTY, &deleted, &f), &f);
    scratch_must(vault_held(scratch_st, &ann, SPAN("order-address"), &held, &f), &f);
    EXPECT(!held);
    teardown();
}

TEST(what_is_too_long_is_refused)
{
    setup();
    static uint8_t big[VALUE_MAX + 1];
    memset(big, 'x', sizeof big);
    struct fail f = {0};
    struct value v = {.field = SPAN("contact-other"), .plain = span_of(big, VALUE_MAX)};
    EXPECT_INT(vault_put(scratch_st, &ann, ann_key, &v, VALUE_VERSION_ASK, &f), OK);
    v.plain.len++;
    EXPECT_INT(vault_put(scratch_st, &ann, ann_key, &v, VALUE_VERSION_ASK, &f), ERR_BAD_VALUE);
    v = (struct value){
        .field = SPAN("contact-other"), .item = span_of(big, VALUE_ITEM_MAX + 1), .plain = SPAN("x")};
    f = (struct fail){0};
    EXPECT_INT(vault_put(scratch_st, &ann, ann_key, &v, VALUE_VERSION_ASK, &f), ERR_BAD_VALUE);
    teardown();
}

/* ---- A thief with the database */

struct raw {
    uint8_t sealed[256];
    size_t len;
    int64_t version;
};

static int64_t number_of(const char *field)
{
    struct store_rows rows;
    struct fail f = {0};
    EXPECT(store_one(scratch_st, Q_FIELD_NUMBER, ARGS(ARG_T(span_str(field))), &rows, &f));
    int64_t number = store_i(&rows, 0);
    store_done(&rows);
    return number;
}

static struct raw raw_get(int64_t sid, const char *field, const char *item)
{
    struct store_rows rows;
    struct fail f = {0};
    struct raw r = {.len = 0};
    EXPECT(store_one(scratch_st, Q_VALUE_GET_ITEM,
                     ARGS(ARG_I(sid), ARG_I(number_of(field)), ARG_T(span_str(item))), &rows, &f));
    struct span s = store_t(&rows, 2);
    memcpy(r.sealed, s.p, s.len);
    r.len = s.len;
    r.version = store_i(&rows, 1);
    store_done(&rows);
    return r;
}

static void raw_put(int64_t sid, const char *field, const char *item, const struct raw *r)
{
    struct fail f = {0};
    struct span none = SPAN("");
    scratch_must(store_run(scratch_st, Q_VALUE_PUT,
                           ARGS(ARG_I(sid), ARG_I(number_of(field)), ARG_T(span_str(item)), ARG_I(r->version),
                                ARG_B(span_of(r->sealed, r->len)), ARG_T(none), ARG_T(none), ARG_T(none),
                                ARG_T(none), ARG_T(none), ARG_I(0), ARG_I(0), ARG_I(0)),
                           NULL, &f),
                 &f);
}

TEST(R118_a_ciphertext_opens_in_its_own_place_only)
{
    setup();
    struct value *v;
    size_t n;
    put(&ann, ann_key, "contact-phone", "", "one");
    put(&ann, ann_key, "contact-email", "", "two");
    put(&ann, ann_key, "contact-phone", "second", "six");
    put(&bob, bob_key, "contact-phone", "", "ten");
    struct raw phone = raw_get(1, "contact-phone", "");
    struct raw moved = phone;
    raw_put(2, "contact-phone", "", &moved); /* to another person */
    EXPECT_INT(get(&bob, bob_key, "contact-phone", &v, &n), ERR_INTEGRITY);
    raw_put(1, "contact-email", "", &moved); /* to another field */
    EXPECT_INT(get(&ann, ann_key, "contact-email", &v, &n), ERR_INTEGRITY);
    struct raw second = raw_get(1, "contact-phone", "second");
    raw_put(1, "contact-phone", "", &second); /* to another item */
    EXPECT_INT(get(&ann, ann_key, "contact-phone", &v, &n), ERR_INTEGRITY);
    moved.version = 2; /* to another version */
    raw_put(1, "contact-phone", "", &moved);
    EXPECT_INT(get(&ann, ann_key, "contact-phone", &v, &n), ERR_INTEGRITY);
    raw_put(1, "contact-phone", "", &phone);
    EXPECT_INT(get(&ann, ann_key, "contact-phone", &v, &n), OK);
    teardown();
}

TEST(R116_no_flipped_bit_gives_wrong_data)
{
    setup();
    struct value *v;
    size_t n;
    put(&ann, ann_key, "contact-phone", "", "+8613812341234");
    struct raw r = raw_get(1, "contact-phone", "");
    for (size_t bit = 0; bit < r.len * 8; bit++) {
        struct raw bad = r;
        bad.sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        raw_put(1, "contact-phone", "", &bad);
        EXPECT_INT(get(&ann, ann_key, "contact-phone", &v, &n), ERR_INTEGRITY);
        arena_reset(scratch_a);
    }
    for (size_t len = 0; len < r.len; len++) {
        struct raw cut = r;
        cut.len = len;
        raw_put(1, "contact-phone", "", &cut);
        EXPECT_INT(get(&ann, ann_key, "contact-phone", &v, &n), ERR_INTEGRITY);
    }
    teardown();
}

TEST(R116_the_failure_names_rows_not_people)
{
    setup();
    struct fail f = {0};
    struct value *v;
    size_t n;
    put(&ann, ann_key, "contact-phone", "secret-item", "+8613812341234");
    struct raw r = raw_get(1, "contact-phone", "secret-item");
    r.sealed[r.len - 1] ^= 1;
    raw_put(1, "contact-phone", "secret-item", &r);
    EXPECT_INT(vault_get(scratch_st, &ann, ann_key, SPAN("contact-phone"), SPAN_EMPTY, scratch_a, &v, &n, &f),
               ERR_INTEGRITY);
    EXPECT(strstr(f.detail, "row 1") && !strstr(f.detail, "secret-item"));
    teardown();
}

/* ---- Keys */

TEST(a_wrong_master_key_opens_nothing_and_says_so)
{
    setup();
    struct fail f = {0};
    struct vault *other = NULL;
    char path[200];
    snprintf(path, sizeof path, "%s", scratch_path("other"));
    scratch_must(key_create_file(path, &f), &f);
    EXPECT_INT(vault_open(scratch_st, &(struct vault_master){.file = path}, &other, &f), ERR_NO_KEY);
    EXPECT(strstr(f.detail, path) != NULL && f.hint[0]);
    f = (struct fail){0};
    EXPECT_INT(vault_open(scratch_st, &(struct vault_master){.file = scratch_path("absent")}, &other, &f),
               ERR_NO_KEY);
    teardown();
}

TEST(R200_children_have_their_own_class_of_key)
{
    setup();
    struct fail f = {0};
    struct store_rows rows;
    EXPECT(store_one(scratch_st, Q_KEY_GET, ARGS(ARG_B(span_of(kid.id.b, ID_LEN))), &rows, &f));
    EXPECT_SPAN(store_t(&rows, 0), "child");
    struct span wrapped = arena_copy(scratch_a, store_t(&rows, 2));
    store_done(&rows);
    /* Relabelled, or handed to another person, it does not open. */
    scratch_must(
        store_run(scratch_st, Q_KEY_REWRAP,
                  ARGS(ARG_B(span_of(kid.id.b, ID_LEN)), ARG_T(SPAN("adult")), ARG_I(1), ARG_B(wrapped)),
                  NULL, &f),
        &f);
    struct person_key *k = NULL;
    vault_cache_limit(vault, 0);
    EXPECT_INT(vault_key_open(vault, scratch_st, &kid, &k, &f), ERR_INTEGRITY);
    f = (struct fail){0};
    scratch_must(
        store_run(scratch_st, Q_KEY_REWRAP,
                  ARGS(ARG_B(span_of(bob.id.b, ID_LEN)), ARG_T(SPAN("child")), ARG_I(1), ARG_B(wrapped)),
                  NULL, &f),
        &f);
    EXPECT_INT(vault_key_open(vault, scratch_st, &bob, &k, &f), ERR_INTEGRITY);
    teardown();
}

TEST(R145_a_key_that_came_back_is_destroyed_again)
{
    setup();
    struct fail f = {0};
    struct person_key *k = NULL;
    uint64_t destroyed;
    scratch_must(
        store_run(scratch_st, Q_ERASED_ADD, ARGS(ARG_B(span_of(bob.id.b, ID_LEN)), ARG_I(5)), NULL, &f), &f);
    scratch_must(vault_replay_erasures(scratch_st, &destroyed, &f), &f);
    vault_cache_limit(vault, 0); /* replayed at the start, before anything is opened */
    EXPECT_INT(destroyed, 1);
    EXPECT_INT(vault_key_open(vault, scratch_st, &bob, &k, &f), ERR_GONE);
    f = (struct fail){0};
    EXPECT_INT(vault_key_open(vault, scratch_st, &ann, &k, &f), OK);
    vault_key_close(k);
    scratch_must(vault_replay_erasures(scratch_st, &destroyed, &f), &f);
    EXPECT_INT(destroyed, 0);
    teardown();
}

TEST(destroying_a_key_happens_with_the_commit)
{
    setup();
    struct fail f = {0};
    struct person_key *k = NULL;
    scratch_begin();
    scratch_must(vault_key_destroy(vault, scratch_st, &bob, &f), &f);
    scratch_commit();
    EXPECT_INT(vault_key_open(vault, scratch_st, &bob, &k, &f), ERR_GONE);
    teardown();
}

/* ---- Opened keys */

/* A key of another connection's snapshot: opened and closed. */
static enum err open_in(struct store *st, const struct vault_person *s)
{
    struct fail f = {0};
    struct person_key *k;
    enum err e = vault_key_open(vault, st, s, &k, &f);
    if (e == OK)
        vault_key_close(k);
    return e;
}

static struct store *reader_open(void)
{
    struct fail f = {0};
    struct store *st;
    scratch_must(store_open(scratch_dir, STORE_READ, &st, &f), &f);
    return st;
}

TEST(more_memory_keeps_more_opened_keys_within_bounds)
{
    const uint64_t gib = UINT64_C(1) << 30;
    EXPECT_INT(vault_cache_default(0, MACHINE_UNBOUNDED), VAULT_CACHE_FEWEST);
    EXPECT_INT(vault_cache_default(gib / 4, MACHINE_UNBOUNDED), VAULT_CACHE_FEWEST);
    EXPECT_INT(vault_cache_default(8 * gib, MACHINE_UNBOUNDED), 8 * gib / 64 / 192);
    EXPECT_INT(vault_cache_default(8 * gib, 8 << 20), 65536); /* the rest could reach swap */
    EXPECT_INT(vault_cache_default(8 * gib, 65536), 512);
    EXPECT_INT(vault_cache_default(8 * gib, 0), 0);
    EXPECT_INT(vault_cache_default(8 * gib, gib), 8 * gib / 64 / 192);
    EXPECT_INT(vault_cache_default(512 * gib, MACHINE_UNBOUNDED), VAULT_CACHE_MOST);
    EXPECT_INT(vault_cache_default(MACHINE_UNBOUNDED, MACHINE_UNBOUNDED), VAULT_CACHE_MOST);
}

TEST(opened_keys_are_kept_up_to_the_bound)
{
    setup();
    struct vault_cache_stats s = vault_cache_stats(vault);
    EXPECT_INT(s.kept, 3); /* made in setup */
    EXPECT_INT(s.limit, vault_cache_default(machine_memory(), machine_lockable()) / 8 * 8);
    EXPECT_INT(open_in(scratch_st, &ann), OK);
    EXPECT_INT(vault_cache_stats(vault).hits, s.hits + 1);
    EXPECT_INT(vault_cache_stats(vault).misses, s.misses);
    vault_cache_limit(vault, 8);
    struct vault_person many = {.sid = 100};
    struct fail f = {0};
    for (uint8_t i = 0; i < 50; i++) {
        many.id.b[0] = many.id.b[15] = (uint8_t)(100 + i);
        scratch_must(vault_key_create(vault, scratch_st, &many, &f), &f);
    }
    EXPECT_INT(vault_cache_stats(vault).kept, 8);
    s = vault_cache_stats(vault);
    for (uint8_t i = 0; i < 50; i++) {
        many.id.b[0] = many.id.b[15] = (uint8_t)(100 + i);
        EXPECT_INT(open_in(scratch_st, &many), OK);
    }
    for (uint8_t i = 0; i < 8; i++) { /* those who came once drove none of them out */
        many.id.b[0] = many.id.b[15] = (uint8_t)(100 + i);
        EXPECT_INT(open_in(scratch_st, &many), OK);
    }
    EXPECT_INT(vault_cache_stats(vault).hits, s.hits + 16);
    s = vault_cache_stats(vault);
    many.id.b[0] = many.id.b[15] = 149;
    for (unsigned i = 0; i < 2; i++) /* taken in the second time in a while */
        EXPECT_INT(open_in(scratch_st, &many), OK);
    EXPECT_INT(vault_cache_stats(vault).hits, s.hits + 1);
    EXPECT_INT(vault_cache_stats(vault).kept, 8);
    teardown();
}

static long faults(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_minflt;
}

TEST(memory_that_no_key_came_to_is_not_looked_at)
{
    setup();
    vault_cache_limit(vault, VAULT_CACHE_MOST);
    EXPECT_INT(open_in(scratch_st, &ann), OK);
    EXPECT_INT(vault_cache_stats(vault).kept, 1);
    long before = faults();
    vault_cache_limit(vault, 0);                                    /* closes what is kept */
    EXPECT(faults() - before < (long)(VAULT_CACHE_MOST / 256 / 8)); /* room for 256 keys is a page */
    teardown();
}

TEST(R145_a_destroyed_key_opens_on_no_thread_from_the_commit_on)
{
    setup();
    struct fail f = {0};
    struct store *old = reader_open(), *fresh = reader_open();
    struct person_key *k;
    scratch_must(store_begin_read(old, &f), &f);
    scratch_must(vault_key_read(vault, old, &bob, &k, &f), &f);
    vault_key_close(k);
    scratch_begin();
    scratch_must(vault_key_destroy(vault, scratch_st, &bob, &f), &f);
    EXPECT_INT(open_in(old, &bob), OK); /* nothing has happened yet */
    scratch_commit();
    /* A snapshot from before still shows the row, as it shows the person; what it opens is not kept. */
    EXPECT_INT(open_in(old, &bob), OK);
    scratch_must(store_begin_read(fresh, &f), &f);
    EXPECT_INT(open_in(fresh, &bob), ERR_GONE);
    EXPECT_INT(open_in(fresh, &ann), OK);
    store_end_read(old);
    store_close(old);
    store_close(fresh);
    teardown();
}

TEST(a_destruction_that_is_undone_leaves_the_key)
{
    setup();
    struct fail f = {0};
    scratch_begin();
    scratch_must(store_savepoint(scratch_st, &f), &f);
    scratch_must(vault_key_destroy(vault, scratch_st, &bob, &f), &f);
    store_savepoint_undo(scratch_st);
    scratch_commit();
    EXPECT_INT(open_in(scratch_st, &bob), OK);
    teardown();
}

/* ---- The ledger of the erased */

#define LEDGER_LINES 64000 /* longer than the databases: the limit below is the ledger's alone */
enum { LEDGER_LINE = 65 };

static void ledger_fill(const char *path)
{
    FILE *out = fopen(path, "w");
    for (unsigned i = 0; out && i < LEDGER_LINES; i++)
        fprintf(out, "%064x\n", i);
    if (!out || fclose(out) != 0)
        abort();
}

static void ledger_open(const char *path)
{
    struct fail f = {0};
    bool behind = false;
    scratch_must(vault_ledger_open(vault, scratch_st, path, &behind, &f), &f);
}

static int64_t size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

static enum err erase(const struct vault_person *s, struct fail *f)
{
    scratch_begin();
    scratch_must(
        store_run(scratch_st, Q_ERASED_ADD, ARGS(ARG_B(span_of(s->id.b, ID_LEN)), ARG_I(1)), NULL, f), f);
    scratch_must(vault_key_destroy(vault, scratch_st, s, f), f);
    return store_commit(scratch_st, f);
}

TEST(R145_an_erasure_without_its_ledger_line_is_not_acknowledged)
{
    setup();
    struct fail f = {0};
    struct rlimit before, limit;
    char path[200];
    snprintf(path, sizeof path, "%s", scratch_path("erased.ledger"));
    ledger_fill(path);
    ledger_open(path);
    int64_t whole = size_of(path);
    EXPECT_INT(whole, LEDGER_LINES * LEDGER_LINE);
    scratch_begin(); /* the room is made here: some file systems make none beyond the limit */
    scratch_must(vault_key_destroy(vault, scratch_st, &bob, &f), &f);
    store_rollback(scratch_st);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = (rlim_t)whole + LEDGER_LINE / 2; /* half a line is written, then no more */
    signal(SIGXFSZ, SIG_IGN);
    EXPECT_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_INT(erase(&bob, &f), ERR_STOPPED);
    EXPECT_INT(size_of(path), whole); /* the half is cut */
    EXPECT_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
    f = (struct fail){0};
    EXPECT_INT(erase(&ann, &f), OK);
    EXPECT_INT(size_of(path), whole + LEDGER_LINE);
    vault_close(vault);
    scratch_must(vault_open(scratch_st, &master, &vault, &f), &f);
    ledger_open(path); /* every line is whole; what lacked is added */
    EXPECT_INT(size_of(path), whole + 2 * LEDGER_LINE);
    EXPECT(vault_ledger_holds(vault, ann.id));
    teardown();
}

TEST(a_moved_key_is_read_again)
{
    setup();
    struct fail f = {0};
    struct vault_person grown = kid;
    struct person_key *k;
    grown.child = false;
    scratch_must(vault_key_open(vault, scratch_st, &kid, &k, &f), &f);
    scratch_begin();
    scratch_must(vault_key_move(vault, scratch_st, &grown, k, &f), &f);
    scratch_commit();
    vault_key_close(k);
    struct vault_cache_stats s = vault_cache_stats(vault);
    scratch_begin();
    EXPECT_INT(open_in(scratch_st, &grown), OK);
    EXPECT_INT(open_in(scratch_st, &grown), OK);
    scratch_commit();
    EXPECT_INT(vault_cache_stats(vault).misses, s.misses + 1);
    EXPECT_INT(vault_cache_stats(vault).hits, s.hits + 1);
    teardown();
}

/* ---- Rotation */

static void reopen(void)
{
    struct fail f = {0};
    vault_close(vault);
    vault = NULL;
    scratch_must(vault_open(scratch_st, &master, &vault, &f), &f);
}

static void adults(uint8_t n)
{
    struct fail f = {0};
    scratch_begin();
    for (uint8_t i = 0; i < n; i++) {
        struct vault_person s = {.id = {{200, i}}, .sid = 100 + i};
        scratch_must(vault_key_create(vault, scratch_st, &s, &f), &f);
    }
    scratch_commit();
}

static uint64_t begin_rotation(bool *resumed)
{
    struct fail f = {0};
    uint64_t left = 0;
    int64_t generation;
    scratch_begin();
    scratch_must(vault_rotate_begin(vault, scratch_st, SPAN("adult"), &generation, resumed, &left, &f), &f);
    EXPECT_INT(generation, 2);
    scratch_commit();
    return left;
}

static bool step_rotation(size_t most, struct subject_id *from, uint64_t *wrapped)
{
    struct fail f = {0};
    bool finished;
    scratch_begin();
    scratch_must(vault_rotate_step(vault, scratch_st, SPAN("adult"), most, from, &(int64_t){0}, wrapped,
                                   &finished, &f),
                 &f);
    scratch_commit();
    return finished;
}

static int64_t class_keys(const char *name, int64_t *newest)
{
    struct store_rows rows;
    struct fail f = {0};
    int64_t n = 0;
    scratch_must(store_query(scratch_st, Q_CLASS_KEY_ALL, ARGS(ARG_T(span_str(name))), &rows, &f), &f);
    for (; store_next(&rows, &f); n++)
        *newest = store_i(&rows, 0);
    store_done(&rows);
    return n;
}

TEST(R118_a_class_key_is_changed_step_by_step_and_taken_up_again)
{
    setup();
    struct subject_id from = {{0}};
    struct value *v;
    uint64_t wrapped;
    int64_t newest = 0;
    bool resumed;
    size_t n;
    put(&ann, ann_key, "contact-phone", "", "+8613812341234");
    adults(10);
    EXPECT_INT(begin_rotation(&resumed), 12);
    EXPECT(!resumed);
    EXPECT(!step_rotation(5, &from, &wrapped));
    EXPECT_INT(wrapped, 5);
    /* Half way, after a restart, every key opens, old or new; and it is taken up, not begun again. */
    reopen();
    EXPECT_INT(open_in(scratch_st, &ann), OK);
    EXPECT_INT(open_in(scratch_st, &(struct vault_person){.id = {{200, 9}}, .sid = 109}), OK);
    EXPECT_INT(class_keys("adult", &newest), 2);
    adults(0);
    EXPECT_INT(begin_rotation(&resumed), 7);
    EXPECT(resumed);
    from = (struct subject_id){{0}};
    while (!step_rotation(5, &from, &wrapped))
        continue;
    EXPECT_INT(class_keys("adult", &newest), 1);
    EXPECT_INT(newest, 2);
    EXPECT_INT(class_keys("child", &newest), 1);
    EXPECT_INT(newest, 1);
    reopen();
    EXPECT_INT(open_in(scratch_st, &ann), OK);
    EXPECT_INT(open_in(scratch_st, &kid), OK);
    EXPECT_INT(get(&ann, ann_key, "contact-phone", &v, &n), OK);
    EXPECT_INT(n, 1);
    teardown();
}

TEST(a_snapshot_from_before_a_rotation_still_opens)
{
    setup();
    struct fail f = {0};
    struct store *old = reader_open();
    struct person_key *k;
    struct subject_id from = {{0}};
    uint64_t wrapped;
    bool resumed;
    scratch_must(store_begin_read(old, &f), &f);
    scratch_must(vault_key_read(vault, old, &ann, &k, &f), &f); /* takes the snapshot of keys.db */
    vault_key_close(k);
    begin_rotation(&resumed);
    while (!step_rotation(5, &from, &wrapped))
        continue;
    EXPECT_INT(open_in(old, &bob), OK);
    store_end_read(old);
    store_close(old);
    teardown();
}

TEST(an_old_class_key_stays_while_one_row_needs_it)
{
    setup();
    uint64_t wrapped;
    int64_t newest;
    bool resumed;
    struct subject_id beyond;
    memset(beyond.b, 0xff, sizeof beyond.b);
    begin_rotation(&resumed);
    EXPECT(!step_rotation(5, &beyond, &wrapped)); /* a caller that skips everybody */
    EXPECT_INT(wrapped, 0);
    EXPECT_INT(class_keys("adult", &newest), 2);
    reopen();
    EXPECT_INT(open_in(scratch_st, &ann), OK);
    teardown();
}

TEST(a_rotation_that_is_undone_did_not_begin)
{
    setup();
    struct fail f = {0};
    int64_t generation, newest = 0;
    uint64_t left;
    bool resumed;
    scratch_begin();
    scratch_must(vault_rotate_begin(vault, scratch_st, SPAN("adult"), &generation, &resumed, &left, &f), &f);
    store_rollback(scratch_st);
    adults(1);
    reopen();
    EXPECT_INT(open_in(scratch_st, &(struct vault_person){.id = {{200, 0}}, .sid = 100}), OK);
    EXPECT_INT(class_keys("adult", &newest), 1);
    scratch_begin();
    EXPECT_INT(vault_rotate_begin(vault, scratch_st, SPAN("old"), &generation, &resumed, &left, &f),
               ERR_UNKNOWN_NAME);
    store_rollback(scratch_st);
    teardown();
}

/* As somebody comes to the open group who wants the key changed (gate_keys.c). */
static bool one_more_begins(void)
{
    struct fail f = {0};
    int64_t generation;
    uint64_t left;
    bool resumed;
    scratch_must(vault_follow(vault, scratch_st, &f), &f);
    scratch_must(vault_rotate_begin(vault, scratch_st, SPAN("adult"), &generation, &resumed, &left, &f), &f);
    return !resumed;
}

static bool one_more_step(void)
{
    struct fail f = {0};
    bool finished;
    scratch_must(vault_rotate_step(vault, scratch_st, SPAN("adult"), 100, &(struct subject_id){{0}},
                                   &(int64_t){0}, &(uint64_t){0}, &finished, &f),
                 &f);
    return finished;
}

TEST(R118_who_changes_a_key_in_one_group_with_its_change_joins_it)
{
    setup();
    int64_t newest = 0;
    struct vault_person last = {.id = {{200, 9}}, .sid = 109};
    adults(9);
    scratch_begin();
    EXPECT(one_more_begins());
    EXPECT(!one_more_begins());
    scratch_commit();
    EXPECT_INT(class_keys("adult", &newest), 2);
    scratch_begin();
    EXPECT(one_more_step());
    EXPECT(!one_more_begins()); /* the end of one is not the beginning of the next */
    EXPECT(!one_more_begins());
    EXPECT(one_more_step());
    scratch_must(vault_key_create(vault, scratch_st, &last, &(struct fail){0}), &(struct fail){0});
    scratch_commit();
    EXPECT_INT(class_keys("adult", &newest), 1);
    EXPECT_INT(newest, 2);
    scratch_begin();
    EXPECT(one_more_begins());
    scratch_commit();
    EXPECT_INT(class_keys("adult", &newest), 2);
    EXPECT_INT(newest, 3);
    for (int i = 0; i < 2; i++, reopen()) {
        for (uint8_t k = 0; k < 10; k++)
            EXPECT_INT(open_in(scratch_st, &(struct vault_person){.id = {{200, k}}, .sid = 100 + k}), OK);
    }
    teardown();
}

/* Another node: its keys are open, or nobody asks it for any, while the class key is changed twice. */
TEST(R118_who_used_no_key_during_a_rotation_knows_both_keys_of_the_next)
{
    setup();
    struct fail f = {0};
    struct vault *other = NULL;
    struct person_key *k;
    int64_t newest = 0;
    scratch_must(vault_open(scratch_st, &master, &other, &f), &f);
    adults(9);
    for (int i = 0; i < 2; i++) {
        scratch_begin();
        EXPECT(one_more_begins());
        scratch_commit();
        scratch_begin();
        if (i == 0)
            EXPECT(one_more_step());
        scratch_commit();
    }
    EXPECT_INT(class_keys("adult", &newest), 2);
    EXPECT_INT(newest, 3);
    scratch_must(vault_follow(other, scratch_st, &f), &f);
    for (uint8_t i = 0; i < 9; i++) { /* under the second: the first was here, the third is newest */
        struct vault_person s = {.id = {{200, i}}, .sid = 100 + i};
        EXPECT_INT(vault_key_read(other, scratch_st, &s, &k, &f), OK);
        vault_key_close(k);
    }
    /* And goes on with what the other one began. */
    struct vault *first = vault;
    vault = other;
    scratch_begin();
    EXPECT(!one_more_begins());
    EXPECT(one_more_step());
    scratch_commit();
    EXPECT_INT(class_keys("adult", &newest), 1);
    EXPECT_INT(newest, 3);
    vault = first;
    vault_close(other);
    teardown();
}

TEST(R118_a_class_key_begun_in_the_group_of_a_new_master_key_is_under_that)
{
    setup();
    struct fail f = {0};
    int64_t newest = 0;
    adults(1);
    scratch_begin();
    scratch_must(vault_rotate_master(vault, scratch_st, NULL, NULL, &f), &f);
    EXPECT(one_more_begins());
    scratch_commit();
    reopen();
    EXPECT_INT(class_keys("adult", &newest), 2);
    EXPECT_INT(open_in(scratch_st, &(struct vault_person){.id = {{200, 0}}, .sid = 100}), OK);
    teardown();
}

static void change_master(void)
{
    struct fail f = {0};
    scratch_begin();
    scratch_must(vault_rotate_master(vault, scratch_st, NULL, NULL, &f), &f);
    scratch_commit();
}

TEST(R118_the_master_key_is_changed_and_the_old_one_opens_nothing)
{
    setup();
    struct fail f = {0};
    struct vault *other = NULL;
    char command[1000];
    snprintf(command, sizeof command, "cp -p %s %s.kept", master_path, master_path);
    EXPECT_INT(system(command), 0);
    change_master();
    reopen();
    EXPECT_INT(open_in(scratch_st, &ann), OK);
    snprintf(command, sizeof command, "%s.kept", master_path);
    EXPECT_INT(vault_open(scratch_st, &(struct vault_master){.file = command}, &other, &f), ERR_NO_KEY);
    /* Cut short between commit and rename: the new key lies beside the old one, and the start finds it. */
    snprintf(command, sizeof command, "mv %s %s.next && mv %s.kept %s", master_path, master_path, master_path,
             master_path);
    EXPECT_INT(system(command), 0);
    reopen();
    EXPECT_INT(open_in(scratch_st, &ann), OK);
    snprintf(command, sizeof command, "%s.next", master_path);
    EXPECT(!file_exists(command));
    reopen();
    teardown();
}

TEST(the_master_key_may_come_from_a_command)
{
    setup();
    struct fail f = {0};
    struct vault *other = NULL;
    char command[400];
    snprintf(command, sizeof command, "cat %s", master_path);
    scratch_must(vault_open(scratch_st, &(struct vault_master){.command = command}, &other, &f), &f);
    uint64_t left;
    int64_t generation;
    bool resumed;
    scratch_begin();
    scratch_must(vault_rotate_begin(other, scratch_st, SPAN("child"), &generation, &resumed, &left, &f), &f);
    scratch_commit();
    vault_close(other);
    static const char *const wrong[] = {"echo secret-that-must-not-be-told", "exit 3", "kill -9 $$",
                                        "head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n'; echo x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        f = (struct fail){0};
        EXPECT_INT(vault_open(scratch_st, &(struct vault_master){.command = wrong[i]}, &other, &f),
                   ERR_NO_KEY);
        EXPECT(f.hint[0] && !strstr(f.detail, "secret-that"));
    }
    teardown();
}

/* ---- Blind index */

static enum err find(const char *kind, const char *text, struct subject_id *id)
{
    struct fail f = {0};
    return vault_index_find(vault, scratch_st, span_str(kind), span_str(text), id, &f);
}

static enum err claim(const struct vault_person *s, const char *kind, const char *text, struct fail *f)
{
    *f = (struct fail){0};
    return vault_index_put(vault, scratch_st, s, span_str(kind), span_str(kind), span_str(text), f);
}

static enum err claim_in(const struct vault_person *s, const char *field, const char *text)
{
    struct fail f = {0};
    return vault_index_put(vault, scratch_st, s, SPAN("document"), span_str(field), span_str(text), &f);
}

static void let_go(const struct vault_person *s, const char *kind, const char *field)
{
    struct fail f = {0};
    EXPECT_INT(vault_index_drop(vault, scratch_st, s, span_str(kind), span_str(field), &f), OK);
}

TEST(each_field_has_an_identifier_of_its_own)
{
    setup();
    struct subject_id id;
    EXPECT_INT(claim_in(&ann, "card", "11010519491231002X"), OK);
    EXPECT_INT(claim_in(&ann, "passport", "E12345678"), OK);
    EXPECT_INT(claim_in(&bob, "card", "11010519491231002x"), ERR_TAKEN);
    EXPECT_INT(claim_in(&bob, "passport", "11010519491231002x"), ERR_TAKEN);
    EXPECT_INT(claim_in(&ann, "passport", "11010519491231002X"), OK); /* in both now, and no passport more */
    EXPECT_INT(find("document", "E12345678", &id), ERR_NOT_FOUND);
    let_go(&ann, "document", "card");
    EXPECT_INT(find("document", "11010519491231002X", &id), OK);
    EXPECT(subject_id_eq(id, ann.id));
    let_go(&ann, "document", "passport");
    EXPECT_INT(claim_in(&bob, "passport", "11010519491231002X"), OK);
    teardown();
}

static void forget_fields(void)
{
    sqlite3 *db = NULL;
    EXPECT_INT(sqlite3_open(scratch_path("troth.db"), &db), SQLITE_OK);
    EXPECT_INT(sqlite3_exec(db, "UPDATE blind_index SET kind = substr(kind, 1, instr(kind, '/') - 1)", NULL,
                            NULL, NULL),
               SQLITE_OK);
    sqlite3_close(db);
}

/* Rows of before fields were named: the next value takes their place. */
TEST(an_identifier_without_a_field_is_found_and_replaced)
{
    setup();
    struct fail f;
    struct subject_id id;
    for (unsigned way = 0; way < 3; way++) {
        EXPECT_INT(claim(&ann, "phone", "13812341234", &f), OK);
        put(&ann, ann_key, "phone", "", "+8613812341234");
        forget_fields();
        EXPECT_INT(find("phone", "13812341234", &id), OK);
        EXPECT_INT(claim(&bob, "phone", "13812341234", &f), ERR_TAKEN);
        if (way == 0)
            let_go(&ann, "phone", "phone");
        else
            EXPECT_INT(claim(&ann, "phone", way == 1 ? "13912341234" : "13812341234", &f), OK);
        EXPECT_INT(find("phone", "13812341234", &id), way == 2 ? OK : ERR_NOT_FOUND);
        let_go(&ann, "phone", "phone");
        EXPECT_INT(find("phone", "13812341234", &id), ERR_NOT_FOUND);
    }
    teardown();
}

/* Another field of the form is given, changed and deleted: it is not that one's. */
TEST(an_identifier_without_a_field_stays_until_its_own_field_changes)
{
    setup();
    struct subject_id id;
    EXPECT_INT(claim_in(&ann, "card", "11010519491231002X"), OK);
    put(&ann, ann_key, "card", "", "11010519491231002X");
    put(&ann, ann_key, "card", "1", "E12345678"); /* of an item: the index does not lead there */
    forget_fields();
    static const char *const passports[] = {"E12345678", "E87654321", "11010519491231002X"};
    for (size_t i = 0; i < 3; i++) {
        EXPECT_INT(claim_in(&ann, "passport", passports[i]), OK);
        put(&ann, ann_key, "passport", "", passports[i]);
        EXPECT_INT(claim_in(&bob, "card", "11010519491231002X"), ERR_TAKEN);
    }
    EXPECT_INT(claim_in(&ann, "passport", "E12345678"), OK);
    put(&ann, ann_key, "passport", "", "E12345678");
    EXPECT_INT(claim_in(&bob, "card", "11010519491231002X"), ERR_TAKEN);
    let_go(&ann, "document", "passport");
    EXPECT_INT(claim_in(&bob, "card", "11010519491231002X"), ERR_TAKEN);
    let_go(&ann, "document", "card");
    EXPECT_INT(find("document", "11010519491231002X", &id), ERR_NOT_FOUND);
    EXPECT_INT(claim_in(&bob, "card", "11010519491231002X"), OK);
    teardown();
}

/* Whose value does not open keeps the identifier rather than giving it away. */
TEST(an_identifier_without_a_field_stays_if_no_value_can_be_opened)
{
    setup();
    EXPECT_INT(claim_in(&ann, "card", "11010519491231002X"), OK);
    put(&ann, ann_key, "card", "", "11010519491231002X");
    forget_fields();
    struct raw r = raw_get(1, "card", "");
    r.sealed[0] ^= 1;
    raw_put(1, "card", "", &r);
    let_go(&ann, "document", "card");
    EXPECT_INT(claim_in(&bob, "card", "11010519491231002X"), ERR_TAKEN);
    teardown();
}

TEST(identifiers_are_unique_and_tell_nothing)
{
    setup();
    struct fail f;
    struct subject_id id;
    EXPECT_INT(claim(&ann, "phone", "138 1234 1234", &f), OK);
    EXPECT_INT(claim(&ann, "phone", "+8613812341234", &f), OK);
    EXPECT_INT(claim(&bob, "phone", "0086-138-1234-1234", &f), ERR_TAKEN);
    EXPECT(!strstr(f.detail, "138") && !strstr(f.detail, "0100"));
    EXPECT_INT(claim(&ann, "email", "Ann@Example.COM", &f), OK);
    EXPECT_INT(claim(&bob, "email", "ann@example.com", &f), ERR_TAKEN);
    EXPECT_INT(find("phone", "+86 13812341234", &id), OK);
    EXPECT(subject_id_eq(id, ann.id));
    EXPECT_INT(find("email", "ann@example.com", &id), OK);
    EXPECT_INT(find("phone", "13912341234", &id), ERR_NOT_FOUND);
    EXPECT_INT(claim(&ann, "phone", "13912341234", &f), OK); /* a new number: the old one is free */
    EXPECT_INT(find("phone", "13812341234", &id), ERR_NOT_FOUND);
    EXPECT_INT(claim(&bob, "phone", "13812341234", &f), OK);
    EXPECT_INT(vault_index_drop(vault, scratch_st, &bob, SPAN("phone"), SPAN("phone"), &f), OK);
    EXPECT_INT(find("phone", "13812341234", &id), ERR_NOT_FOUND);
    teardown();
}

static bool mapped(const char *library)
{
    char line[512];
    bool found = false;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f))
        found |= strstr(line, library) != NULL;
    if (f)
        fclose(f);
    return found;
}

/* Before any other test that has an address beyond ASCII. */
TEST(what_is_ascii_needs_no_library_for_what_is_not)
{
    static const char *const ascii[] = {"Ann@Example.ORG", "ann@XN--bcher-KVA.de", "ann"};
    struct arena *a = arena_new(0);
    struct span out;
    for (size_t i = 0; i < 3; i++)
        vault_normalise(a, SPAN("email"), span_str(ascii[i]), &out, NULL);
    vault_normalise(a, SPAN("phone"), SPAN("+44 (0)20 7946 0018"), &out, NULL);
    EXPECT(!mapped("libidn2") && !mapped("libunistring"));
    EXPECT_INT(vault_normalise(a, SPAN("email"), SPAN("ann@b\u00fccher.de"), &out, NULL), OK);
    EXPECT(mapped("libidn2") && mapped("libunistring"));
    arena_free(a);
}

TEST(normal_forms)
{
    static const struct {
        const char *kind, *text, *normal; /* null: refused */
    } rows[] = {
        {"phone", "13812341234", "+8613812341234"},
        {"phone", "+86 (138) 1234-1234", "+8613812341234"},
        {"phone", "008613812341234", "+8613812341234"},
        {"phone", "+442079460000", "+442079460000"},
        {"phone", "12345", NULL},
        {"phone", "12812341234", NULL},
        {"phone", "+0123456789", NULL},
        {"phone", "+1234567890123456", NULL},
        {"phone", "138 1234 123x", NULL},
        {"phone", "", NULL},
        {"phone", "+", NULL},
        /* A trunk prefix is no part of the number (E.164, E.123 7.2) */
        {"phone", "+44 20 7946 0018", "+442079460018"},
        {"phone", "+44 (0)20 7946 0018", "+442079460018"},
        {"phone", "+44(0) 20 7946 0018", "+442079460018"},
        {"phone", "0044 (0)20 7946 0018", "+442079460018"},
        {"phone", "+44 ( 0 ) 20 7946 0018", "+442079460018"},
        {"phone", "+44 020 7946 0018", "+442079460018"},
        {"phone", "+86 (0)138 0001 0001", "+8613800010001"},
        {"phone", "+8601380001 0001", "+8613800010001"},
        {"phone", "138 0001 0001", "+8613800010001"},
        {"phone", "+86 (010) 8888 8888", "+861088888888"},
        {"phone", "+86 (0)010 8888 8888", NULL}, /* once */
        {"phone", "+860013800010001", NULL},
        {"phone", "+1 (0)212 555 0100", "+12125550100"},
        {"phone", "+353 (0)1 234 5678", "+35312345678"},
        {"phone", "+886 (0)912 345 678", "+886912345678"},
        {"phone", "+44 20 (0) 7946 001", "+442007946001"}, /* not after the country */
        {"phone", "+39 06 698 12345", "+390669812345"},    /* part of the number in Italy */
        {"phone", "+39 (0)6 698 12345", "+390669812345"},
        {"phone", "+378 0549 882 000", "+3780549882000"},
        {"phone", "+225 (0)7 01 02 03 04", "+2250701020304"},
        {"phone", "+229 01 90 01 02 03", "+2290190010203"},
        {"phone", "+229 (0)1 90 01 02 03", "+2290190010203"},
        {"phone", "+44 (0)20 79", NULL}, /* too short without it */
        {"phone", "+(0)44 20 7946 0018", NULL},
        {"phone", "(0)20 7946 0018", NULL},
        {"email", " ann@Example.ORG ", "ann@example.org"},
        {"email", "a.b+c@x.example", "a.b+c@x.example"},
        {"email", "ann", NULL},
        {"email", "ann@", NULL},
        {"email", "@example.org", NULL},
        {"email", "ann@example", NULL},
        {"email", "ann@@example.org", NULL},
        {"email", "ann@example..org", NULL},
        {"email", "ann@example.org.", NULL},
        {"email", "an n@example.org", NULL},
        {"email", "ann@-x.org", NULL},
        {"email", "ann@b\u00fccher.de", "ann@xn--bcher-kva.de"},
        {"email", "Ann@B\u00dcCHER.de", "Ann@xn--bcher-kva.de"},
        {"email", "Ann@bu\u0308cher.DE", "Ann@xn--bcher-kva.de"},
        {"email", "Ann@XN--bcher-KVA.de", "Ann@xn--bcher-kva.de"},
        {"email", "ann@stra\u00dfe.de", "ann@xn--strae-oqa.de"}, /* not strasse.de */
        {"email", "ann@\u4f8b\u5b50.\u4e2d\u56fd", "ann@xn--fsqu00a.xn--fiqs8s"},
        {"email", "ann@\u4f8b\u5b50\u3002\u4e2d\u56fd",
         "ann@xn--fsqu00a.xn--fiqs8s"}, /* the dot of an input method */
        {"email", "ann@\uff45\uff58.com", "ann@ex.com"},
        {"email", "jos\u00e9@ex.com", "jos\u00e9@ex.com"},
        {"email", "jose\u0301@ex.com", "jos\u00e9@ex.com"},
        {"email", "\u5f20\u4e09@ex.com", "\u5f20\u4e09@ex.com"},
        {"email", "ann@b\u00fccher", NULL},
        {"email", "ann@b\u00fccher..de", NULL},
        {"email", "ann@\u2764.de", NULL}, /* IDNA2008 has no symbols */
        {"email", "ann@b\u00fc_cher.de", NULL},
        {"email", "ann@b\u00fccher.de/\uff0f", NULL},
        {"email", "ann@\u00adex.com\uff20b.de", NULL},
        {"email", "a\u037eb@ex.com", NULL}, /* normal form C has a semicolon for it */
        {"email", "ann@\u0300ex.com", NULL},
        {"document", "1101 0519491231 002x", "11010519491231002X"},
        {"document", "110105194912310029", NULL}, /* the check character */
        {"document", "11010519491231003X", NULL},
        {"document", "110105194912310X2X", "110105194912310X2X"}, /* no resident number by its shape */
        {"document", "e 1234 5678", "E12345678"},
        {"document", "12", NULL},
        {"document", "1234/56", NULL},
        {"passport", "1234", NULL},
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fail f = {0};
        struct span out = SPAN_EMPTY;
        enum err e = vault_normalise(a, span_str(rows[i].kind), span_str(rows[i].text), &out, &f);
        EXPECT_INT(e == OK, rows[i].normal != NULL);
        if (rows[i].normal)
            EXPECT_SPAN(out, rows[i].normal);
        else if (rows[i].text[0] && e != ERR_UNKNOWN_NAME)
            EXPECT(!strstr(f.detail, rows[i].text));
    }
    arena_free(a);
}

TEST(spellings_of_an_identifier_find_one_person)
{
    static const struct {
        const char *kind, *spelling[5];
    } same[] = {
        {"phone", {"+44 20 7946 0018", "+44 (0)20 7946 0018", "0044 20 7946 0018", "+4402079460018"}},
        {"phone", {"138 0001 0001", "+86 (0)138 0001 0001", "+86013800010001", "+86 138-0001-0001"}},
        {"email",
         {"ann@b\u00fccher.de", "Ann@xn--bcher-kva.de", "Ann@B\u00dcCHER.de", "ANN@BU\u0308CHER.de"}},
        {"email", {"jos\u00e9@ex.com", "jose\u0301@ex.com", "JOS\u00c9@Ex.com", "Jose\u0301@ex.com"}},
    };
    setup();
    struct fail f;
    struct subject_id id;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        for (size_t k = 0; k < 4; k++) {
            EXPECT_INT(claim(&ann, same[i].kind, same[i].spelling[k], &f), OK);
            for (size_t m = 0; m < 4; m++) {
                EXPECT_INT(claim(&bob, same[i].kind, same[i].spelling[m], &f), ERR_TAKEN);
                EXPECT_INT(find(same[i].kind, same[i].spelling[m], &id), OK);
                EXPECT(subject_id_eq(id, ann.id));
            }
        }
    EXPECT_INT(find("email", "ann@bucher.de", &id), ERR_NOT_FOUND);
    EXPECT_INT(find("email", "jose@ex.com", &id), ERR_NOT_FOUND);
    teardown();
}

/* ---- The record */

TEST(pseudonyms_change_with_the_epoch_and_the_person)
{
    setup();
    uint8_t a1[16], a2[16], b1[16], again[16], actor[16];
    vault_pseudonym(ann_key, 8107, a1);
    vault_pseudonym(ann_key, 8108, a2);
    vault_pseudonym(bob_key, 8107, b1);
    vault_pseudonym(ann_key, 8107, again);
    vault_actor_pseudonym(vault, SPAN("staff:agent-1"), actor);
    EXPECT(memcmp(a1, again, 16) == 0);
    EXPECT(memcmp(a1, a2, 16) != 0 && memcmp(a1, b1, 16) != 0 && memcmp(a1, actor, 16) != 0);
    teardown();
}

TEST(details_open_with_their_own_key_only)
{
    setup();
    struct fail f = {0};
    struct span sealed, plain;
    scratch_must(vault_detail_seal(vault, ann_key, SPAN("{}"), scratch_a, &sealed, &f), &f);
    EXPECT_INT(vault_detail_open(vault, ann_key, sealed, scratch_a, &plain, &f), OK);
    EXPECT_SPAN(plain, "{}");
    EXPECT_INT(vault_detail_open(vault, bob_key, sealed, scratch_a, &plain, NULL), ERR_INTEGRITY);
    EXPECT_INT(vault_detail_open(vault, NULL, sealed, scratch_a, &plain, NULL), ERR_INTEGRITY);
    EXPECT_INT(vault_detail_open(vault, ann_key, SPAN("short"), scratch_a, &plain, NULL), ERR_INTEGRITY);
    teardown();
}

/* ---- Everybody's keys */

enum { MANY = 2500 }; /* more than two pages */

struct seen {
    struct subject_id last;
    size_t n, wrong;
};

static struct vault_person numbered(size_t i)
{
    struct vault_person s = {.sid = (int64_t)i + 10, .child = i % 7 == 0};
    s.id.b[0] = 9;
    s.id.b[1] = (uint8_t)(i * 37); /* in another order than they come */
    s.id.b[14] = (uint8_t)(i >> 8);
    s.id.b[15] = (uint8_t)i;
    return s;
}

static void see(void *ctx, struct subject_id id, struct person_key *k)
{
    struct seen *seen = ctx;
    struct person_key *own = NULL;
    struct vault_person s = {.id = id};
    struct fail f = {0};
    uint8_t here[16], there[16];
    seen->wrong += memcmp(seen->last.b, id.b, ID_LEN) >= 0;
    seen->last = id;
    seen->n++;
    if (vault_key_read(vault, scratch_st, &s, &own, &f) != OK) {
        seen->wrong++;
        return;
    }
    vault_pseudonym(k, 3, here);
    vault_pseudonym(own, 3, there);
    seen->wrong += memcmp(here, there, sizeof here) != 0;
    vault_key_close(own);
}

TEST(R118_everybodys_keys_come_in_order_but_those_that_do_not_open)
{
    setup();
    struct fail f = {0};
    struct seen seen = {0};
    const uint8_t zeros[60] = {0};
    scratch_begin();
    for (size_t i = 0; i < MANY; i++) {
        struct vault_person s = numbered(i);
        scratch_must(vault_key_create(vault, scratch_st, &s, &f), &f);
    }
    scratch_commit();
    scratch_must(vault_keys_each(vault, scratch_st, see, &seen, &f), &f);
    EXPECT_INT(seen.n, MANY + 3);
    EXPECT_INT(seen.wrong, 0);
    /* One is altered, and a row is nobody's. */
    struct vault_person damaged = numbered(1200);
    const struct span rows[] = {span_of(damaged.id.b, ID_LEN), SPAN("x")};
    const enum store_query_id how[] = {Q_KEY_REWRAP, Q_KEY_ADD};
    for (size_t i = 0; i < 2; i++)
        scratch_must(store_run(scratch_st, how[i],
                               ARGS(ARG_B(rows[i]), ARG_T(SPAN("adult")), ARG_I(1),
                                    ARG_B(span_of(zeros, sizeof zeros))),
                               NULL, &f),
                     &f);
    seen = (struct seen){0};
    scratch_must(vault_keys_each(vault, scratch_st, see, &seen, &f), &f);
    EXPECT_INT(seen.n, MANY + 2);
    EXPECT_INT(seen.wrong, 0);
    teardown();
}

int main(void)
{
    struct fail f = {0};
    scratch_must(crypto_start(&f), &f);
    log_level_set(LOG_LVL_ERROR + 1); /* alerts are what half of these provoke */
    static const struct unit_case cases[] = {
        CASE(R011_values_come_back_with_their_provenance),
        CASE(places_come_by_field_and_item),
        CASE(places_of_what_is_asked_about_are_all_there),
        CASE(items_are_told_apart_and_deleted),
        CASE(what_is_too_long_is_refused),
        CASE(R118_a_ciphertext_opens_in_its_own_place_only),
        CASE(R116_no_flipped_bit_gives_wrong_data),
        CASE(R116_the_failure_names_rows_not_people),
        CASE(a_wrong_master_key_opens_nothing_and_says_so),
        CASE(R200_children_have_their_own_class_of_key),
        CASE(R145_a_key_that_came_back_is_destroyed_again),
        CASE(destroying_a_key_happens_with_the_commit),
        CASE(more_memory_keeps_more_opened_keys_within_bounds),
        CASE(opened_keys_are_kept_up_to_the_bound),
        CASE(memory_that_no_key_came_to_is_not_looked_at),
        CASE(R145_a_destroyed_key_opens_on_no_thread_from_the_commit_on),
        CASE(a_destruction_that_is_undone_leaves_the_key),
        CASE(R145_an_erasure_without_its_ledger_line_is_not_acknowledged),
        CASE(a_moved_key_is_read_again),
        CASE(R118_a_class_key_is_changed_step_by_step_and_taken_up_again),
        CASE(a_snapshot_from_before_a_rotation_still_opens),
        CASE(an_old_class_key_stays_while_one_row_needs_it),
        CASE(a_rotation_that_is_undone_did_not_begin),
        CASE(R118_who_changes_a_key_in_one_group_with_its_change_joins_it),
        CASE(R118_who_used_no_key_during_a_rotation_knows_both_keys_of_the_next),
        CASE(R118_a_class_key_begun_in_the_group_of_a_new_master_key_is_under_that),
        CASE(R118_the_master_key_is_changed_and_the_old_one_opens_nothing),
        CASE(the_master_key_may_come_from_a_command),
        CASE(identifiers_are_unique_and_tell_nothing),
        CASE(each_field_has_an_identifier_of_its_own),
        CASE(an_identifier_without_a_field_is_found_and_replaced),
        CASE(what_is_ascii_needs_no_library_for_what_is_not),
        CASE(an_identifier_without_a_field_stays_until_its_own_field_changes),
        CASE(an_identifier_without_a_field_stays_if_no_value_can_be_opened),
        CASE(normal_forms),
        CASE(spellings_of_an_identifier_find_one_person),
        CASE(pseudonyms_change_with_the_epoch_and_the_person),
        CASE(details_open_with_their_own_key_only),
        CASE(R118_everybodys_keys_come_in_order_but_those_that_do_not_open),
    };
    return unit_main(cases, sizeof cases / sizeof cases[0]);
}
