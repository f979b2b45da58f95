// SPDX-License-Identifier: Apache-2.0
#include "backup_impl.h"
#include "file.h"
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

static struct arena *arena;
static char root[] = "/tmp/troth-backup-XXXXXX";

static const char *in_root(const char *name)
{
    return arena_str(arena, arena_fmt(arena, "%s/%s", root, name));
}

/* ---- A reader that keeps what it is given */

struct kept {
    char said[4096];
    uint64_t bytes;
    struct digest digest;
    struct hash *hash;
};

static void say(struct kept *k, const char *what, struct span s)
{
    size_t n = strlen(k->said);
    snprintf(k->said + n, sizeof k->said - n, "%s %.*s\n", what, SPAN_F(s));
}

static enum err on_about(void *ctx, enum backup_kind kind, struct span json, struct fail *f)
{
    (void)f;
    say(ctx, backup_kind_name(kind), json);
    return OK;
}

static enum err on_part(void *ctx, struct span name, unsigned mode, struct fail *f)
{
    (void)f;
    say(ctx, mode == 0600 ? "part 600" : "part", name);
    return OK;
}

static enum err on_bytes(void *ctx, struct span bytes, struct fail *f)
{
    struct kept *k = ctx;
    (void)f;
    k->bytes += bytes.len;
    hash_add(k->hash, bytes);
    return OK;
}

static enum err on_end(void *ctx, struct fail *f)
{
    (void)f;
    say(ctx, "end", SPAN_EMPTY);
    return OK;
}

static enum err read_it(const char *path, enum backup_kind kind, const struct backup_with *with,
                        struct kept *k, struct fail *f)
{
    struct backup_sum sum;
    *k = (struct kept){.hash = hash_new()};
    *f = (struct fail){0};
    const struct backup_sink sink = {on_about, on_part, on_bytes, on_end, NULL, k};
    enum err err = backup_read(path, kind, with, &sink, &sum, f);
    hash_take(k->hash, &k->digest);
    hash_free(k->hash);
    EXPECT(err == OK || f->detail[0]);
    return err;
}

/* ---- One to read */

static struct key *secret;
static struct backup_for owner;

/* `size` bytes that are not all the same, with a hole in their midst. */
static struct span pattern(size_t size)
{
    uint8_t *p = arena_alloc(arena, size);
    for (size_t i = 0; i < size; i++)
        p[i] = i > size / 3 && i < size / 2 ? 0 : (uint8_t)(i * 31 + i / 251);
    return span_of(p, size);
}

static const char *make(const char *name, struct span content, const struct backup_for *who, size_t n)
{
    struct backup_writer *w = NULL;
    struct fail f = {0};
    uint64_t bytes, parts;
    const char *path = in_root(name);
    EXPECT_INT(backup_create(path, BACKUP_DATA, who, n, SPAN("{\"a\":1}"), &w, &f), OK);
    EXPECT_INT(backup_part(w, "troth.db", 0600, &f), OK);
    EXPECT_INT(backup_bytes(w, content, &f), OK);
    EXPECT_INT(backup_part_end(w, &f), OK);
    EXPECT_INT(backup_part(w, "audit/tile/0/x001/234.p/5", 0644, &f), OK);
    EXPECT_INT(backup_part_end(w, &f), OK);
    EXPECT_INT(backup_finish(w, &bytes, &parts, &f), OK);
    EXPECT_INT(parts, 2);
    EXPECT(!file_exists(in_root(arena_str(arena, arena_fmt(arena, "%s.part", name)))));
    return path;
}

TEST(R118_what_was_sealed_comes_back_whatever_its_size)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 65534, 65535, 65536, 65537, 131070, 200000, 3000000};
    const struct backup_with with = {.secret = secret};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct span content = pattern(sizes[i]);
        struct kept k;
        struct fail f;
        struct digest want;
        struct stat st;
        const char *path = make("sized", content, &owner, 1);
        EXPECT_INT(read_it(path, BACKUP_DATA, &with, &k, &f), OK);
        EXPECT(strcmp(k.said,
                      "data {\"a\":1}\npart 600 troth.db\nend \npart audit/tile/0/x001/234.p/5\nend \n") ==
               0);
        crypto_sha256(content, &want);
        EXPECT_INT(k.bytes, sizes[i]);
        EXPECT(memcmp(want.b, k.digest.b, sizeof want.b) == 0);
        EXPECT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
        EXPECT(sizes[i] < 200000 || (size_t)st.st_size < sizes[i]); /* the hole takes no room */
        unlink(path);
    }
}

TEST(R118_only_who_it_is_for_opens_it)
{
    struct key *other = key_random();
    const char *words = "correct horse battery staple";
    struct backup_for who[2] = {owner, {.words = span_str(words)}};
    struct kept k;
    struct fail f;
    const char *path = make("two", SPAN("x"), who, 2);
    EXPECT_INT(read_it(path, BACKUP_DATA, &(struct backup_with){.secret = secret}, &k, &f), OK);
    EXPECT_INT(read_it(path, BACKUP_DATA, &(struct backup_with){.words = span_str(words)}, &k, &f), OK);
    EXPECT_INT(read_it(path, BACKUP_DATA, &(struct backup_with){.words = SPAN("another twelve")}, &k, &f),
               ERR_NO_KEY);
    EXPECT_INT(read_it(path, BACKUP_DATA, &(struct backup_with){.secret = other}, &k, &f), ERR_NO_KEY);
    EXPECT_INT(read_it(path, BACKUP_DATA, &(struct backup_with){0}, &k, &f), ERR_NO_KEY);
    EXPECT_INT(read_it(path, BACKUP_KEYS, &(struct backup_with){.secret = secret}, &k, &f), ERR_BAD_VALUE);
    EXPECT_INT(read_it(path, 0, &(struct backup_with){.secret = secret}, &k, &f), OK);
    EXPECT_INT(k.said[0], 'd');
    key_free(other);
    unlink(path);
}

static void put(const char *path, struct span s)
{
    FILE *to = fopen(path, "w");
    EXPECT(to && fwrite(s.p, 1, s.len, to) == s.len && fclose(to) == 0);
}

/* Every byte of a small file, and every length. */
TEST(R118_no_byte_can_be_changed_and_no_end_cut)
{
    const struct backup_with with = {.secret = secret};
    const char *path = make("small", SPAN("four words of content"), &owner, 1), *bad = in_root("bad");
    struct span whole;
    struct kept k;
    struct fail f = {0};
    EXPECT_INT(file_read(arena, path, 1 << 20, &whole, &f), OK);
    uint8_t *p = arena_alloc(arena, whole.len + 1);
    for (size_t i = 0; i < whole.len; i++) {
        memcpy(p, whole.p, whole.len);
        p[i] ^= 1;
        put(bad, span_of(p, whole.len));
        EXPECT(read_it(bad, BACKUP_DATA, &with, &k, &f) != OK);
        put(bad, span_of(whole.p, i));
        EXPECT(read_it(bad, BACKUP_DATA, &with, &k, &f) != OK);
    }
    memcpy(p, whole.p, whole.len);
    EXPECT_INT(file_write_durable(bad, span_of(p, whole.len + 1), 0600, &f), OK);
    EXPECT_INT(read_it(bad, BACKUP_DATA, &with, &k, &f), ERR_INTEGRITY);
    unlink(path);
    unlink(bad);
}

TEST(a_backup_replaces_no_file_and_leaves_nothing_when_dropped)
{
    struct backup_writer *w = NULL;
    struct fail f = {0};
    const char *path = make("there", SPAN("x"), &owner, 1);
    EXPECT_INT(backup_create(path, BACKUP_DATA, &owner, 1, SPAN("{}"), &w, &f), ERR_CONFLICT);
    f = (struct fail){0};
    EXPECT_INT(backup_create(in_root("gone"), BACKUP_DATA, &owner, 1, SPAN("{}"), &w, &f), OK);
    EXPECT_INT(backup_part(w, "keys.db", 0600, &f), ERR_INTERNAL);
    backup_drop(w);
    EXPECT(!file_exists(in_root("gone")) && !file_exists(in_root("gone.part")));
    unlink(path);
}

TEST(parts_have_names_of_their_kind_and_stay_in_the_folder)
{
    static const char *const good[] = {"troth.db", "audit/segment-00000000", "policy/group.zh-CN.md",
                                       "erased.ledger"};
    static const char *const bad[] = {"",           "/troth.db",     "../troth.db", "audit/../x",
                                      "audit//x",   "audit/",        "audit/.x",    "keys.db",
                                      "master-key", "lock",          "policy\\x",   "troth.db/",
                                      "audit/a\nb", "operator.sock", "audit",       "troth.db-wal"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        EXPECT(backup_name_ok(BACKUP_DATA, span_str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT(!backup_name_ok(BACKUP_DATA, span_str(bad[i])));
    EXPECT(backup_name_ok(BACKUP_KEYS, SPAN("keys.db")) && !backup_name_ok(BACKUP_KEYS, SPAN("troth.db")));
}

/* ---- The order of pieces, where whoever sealed them made a mistake */

static enum err feed(struct unpack *u, const char *piece, size_t len, bool last)
{
    struct fail f = {0};
    return unpack_piece(u, span_of(piece, len), last, &f);
}

TEST(pieces_out_of_order_are_refused)
{
    static const struct {
        const char *piece;
        size_t len;
        bool last;
    } wrong[] = {
        {"D", 1, false},   {"Pxx", 3, false}, {"E", 1, false},
        {"A{}", 3, false}, {"", 0, false},    {"Z\0\0\0\0\0\0\0\1", 9, false},
        {"?", 1, false},   {"A", 1, true},    {"M", 1, false},
        {"M", 1, true},
    };
    struct kept k = {.hash = hash_new()};
    const struct backup_sink sink = {on_about, on_part, on_bytes, on_end, NULL, &k};
    struct unpack u;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        unpack_init(&u, BACKUP_DATA, &sink);
        EXPECT_INT(feed(&u, "P\1\200troth.db", 11, false), ERR_INTEGRITY);
        EXPECT_INT(feed(&u, "A{}", 3, false), OK);
        EXPECT_INT(feed(&u, wrong[i].piece, wrong[i].len, wrong[i].last), ERR_INTEGRITY);
        unpack_free(&u);
    }
    EXPECT_INT(k.bytes, 0);
    hash_free(k.hash);
}

/* ---- Ledgers */

#define LINE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
#define LINE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"
#define LINE_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\n"

TEST(R145_of_several_ledgers_nobody_is_left_out)
{
    struct fail f = {0};
    struct span got;
    uint64_t added;
    const char *to = in_root("ledger"), *from = in_root("more");
    file_write_durable(from, SPAN(LINE_B LINE_A), 0600, &f);
    EXPECT_INT(backup_ledger_merge(to, from, &added, &f), OK);
    EXPECT_INT(added, 2);
    file_write_durable(from, SPAN(LINE_A LINE_C "dd"), 0600, &f);
    EXPECT_INT(backup_ledger_merge(to, from, &added, &f), OK);
    EXPECT_INT(added, 1);
    EXPECT_INT(file_read(arena, to, 1000, &got, &f), OK);
    EXPECT_SPAN(got, LINE_B LINE_A LINE_C);
    file_write_durable(from, SPAN(LINE_A "x" LINE_C), 0600, &f);
    EXPECT_INT(backup_ledger_merge(to, from, &added, &f), ERR_CORRUPT);
    EXPECT_INT(backup_ledger_merge(to, in_root("none"), &added, NULL), ERR_NOT_FOUND);
    unlink(to);
    unlink(from);
}

int main(void)
{
    static const struct unit_case cases[] = {
        CASE(R118_what_was_sealed_comes_back_whatever_its_size),
        CASE(R118_only_who_it_is_for_opens_it),
        CASE(R118_no_byte_can_be_changed_and_no_end_cut),
        CASE(a_backup_replaces_no_file_and_leaves_nothing_when_dropped),
        CASE(parts_have_names_of_their_kind_and_stay_in_the_folder),
        CASE(pieces_out_of_order_are_refused),
        CASE(R145_of_several_ledgers_nobody_is_left_out),
    };
    arena = arena_new(0);
    if (!mkdtemp(root))
        return 1;
    secret = key_random();
    box_public(secret, owner.pk);
    int bad = unit_main(cases, sizeof cases / sizeof cases[0]);
    key_free(secret);
    rmdir(root);
    arena_free(arena);
    return bad;
}
