// SPDX-License-Identifier: Apache-2.0
/* Every change of a log is found and its place is named; and readers run beside the committer. */
#include "log_fixture.h"

#include <errno.h>
#include <pthread.h>

enum { SMALL = 4096, ENTRIES = 40 }; /* two segments of 4 KiB */

static const char *const files[] = {
    "audit/segment-00000000", "audit/segment-00000001", "audit/tile/0/000.p/40", "audit/checkpoint",
    "audit/signed",           "audit/origin",           "audit/key.pub",         "audit/summary-00000000",
};

static void make_small(void)
{
    fx_new(SMALL);
    struct audit *au = fx_open();
    fx_fill(au, 0, ENTRIES);
    fx_publish(au);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
}

/* Names without the folder, as faults give them. */
static bool names(const char *fault, const char *file)
{
    if (strstr(file, "summary-"))
        return strstr(fault, file) != NULL;
    if (strstr(file, "segment-"))
        return strstr(fault, file) && strstr(fault, "offset");
    return strstr(fault, file) != NULL || !strcmp(file, "audit/origin");
}

TEST(every_flipped_byte_is_found)
{
    make_small();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        off_t size = fx_size(files[i]);
        EXPECT(size > 0);
        unsigned missed = 0, unnamed = 0;
        for (off_t at = 0; at < size; at++) {
            fx_byte(files[i], at, 1 << at % 8);
            const char *fault = fx_verify();
            missed += fault[0] == 0;
            unnamed += !names(fault, files[i]);
            fx_byte(files[i], at, 1 << at % 8);
        }
        EXPECT_INT(missed, 0);
        EXPECT_INT(unnamed, 0);
    }
    EXPECT(fx_verify()[0] == 0);
    fx_end();
}

static void open_refuses(const char *file, off_t from, off_t to)
{
    for (off_t at = from; at < to; at++) {
        struct audit *au = NULL;
        fx_byte(file, at, 0x10);
        EXPECT_INT(audit_open(fx_data, &au, NULL), ERR_CORRUPT);
        fx_byte(file, at, 0x10);
    }
}

/* The last segment is read in full; a finished one only where it begins and ends, unless its summary is gone.
 */
TEST(open_refuses_what_verify_finds)
{
    const off_t size = SEGMENT_HEAD + 2 * (RECORD_HEAD + 94) + 1;
    make_small();
    open_refuses(files[1], 0, size);
    open_refuses(files[0], 0, SEGMENT_HEAD);
    EXPECT(unlink(fx_path("audit/summary-00000000")) == 0);
    open_refuses(files[0], 0, size);
    fx_end();
}

static uint64_t sealed_after_open(void)
{
    struct audit *au = fx_open();
    uint64_t n = au ? audit_sealed_size(au) : 0;
    for (uint64_t i = 0; i < n; i++)
        EXPECT(fx_same(au, i));
    EXPECT(!au || audit_pending_done(au) == n - 1);
    audit_close(au);
    return n;
}

/* A summary is a short cut, never a truth: without it, or with another one, the segment is read. */
TEST(summaries_are_only_a_short_cut)
{
    make_small();
    off_t size = fx_size("audit/summary-00000000");
    for (off_t at = 0; at < size; at += 7) {
        fx_byte("audit/summary-00000000", at, 4);
        EXPECT_INT(sealed_after_open(), ENTRIES);
        fx_byte("audit/summary-00000000", at, 4);
    }
    EXPECT(unlink(fx_path("audit/summary-00000000")) == 0);
    EXPECT_INT(sealed_after_open(), ENTRIES);
    EXPECT_INT(fx_size("audit/summary-00000000"), size); /* made again */
    EXPECT(fx_verify()[0] == 0);
    fx_end();
}

static int sync_summaries_fail(int fd)
{
    char link[32], path[256] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    EXPECT(readlink(link, path, sizeof path - 1) > 0);
    errno = EIO;
    return strstr(path, "summary") ? -1 : fdatasync(fd);
}

/* Else a power cut could leave one that has its name and is torn, below one that is whole: no start looks at
 * it. */
TEST(a_summary_that_was_not_synced_gets_no_name)
{
    const struct audit_io real = audit_io;
    audit_io.fdatasync = sync_summaries_fail;
    fx_new(SMALL);
    struct audit *au = fx_open();
    fx_fill(au, 0, ENTRIES);
    fx_publish(au);
    audit_close(au);
    audit_io = real;
    EXPECT_INT(fx_size("audit/summary-00000000"), -1);
    EXPECT_INT(fx_size("audit/summary-next"), -1);
    EXPECT(fx_verify()[0] == 0);
    EXPECT_INT(sealed_after_open(), ENTRIES);
    EXPECT(fx_size("audit/summary-00000000") > 0);
    fx_end();
}

/* A finished segment that ends elsewhere than its summary says, or an older copy of it, is found at the
 * start. */
TEST(finished_segments_end_where_their_summary_says)
{
    static const char zeros[64];
    struct segment_head h = {.bytes = SMALL};
    struct cursor c;
    struct record r;
    struct audit *au = NULL;
    make_small();
    cursor_start(&c, open(fx_path(files[0]), O_RDONLY), &h, CURSOR_SCAN);
    while (cursor_next(&c, &r) == STEP_RECORD)
        ;
    int fd = open(fx_path(files[0]), O_WRONLY);
    EXPECT(pwrite(fd, zeros, sizeof zeros, (off_t)c.offset - 64) == 64);
    close(fd);
    cursor_close(&c);
    EXPECT_INT(audit_open(fx_data, &au, NULL), ERR_CORRUPT);
    fx_end();
}

/* ---- Segments before the last summary: an open takes their heads from it, and looks at none of them */

enum { PASSED_ENTRIES = 130 }; /* five segments of 4 KiB */

static void make_long(void)
{
    fx_new(SMALL);
    struct audit *au = fx_open();
    fx_fill(au, 0, PASSED_ENTRIES);
    fx_publish(au);
    EXPECT(au->n_segments >= 4);
    audit_close(au);
}

static size_t segments_known(const struct audit *au)
{
    size_t n = 0;
    for (size_t i = 0; i < au->n_segments; i++)
        n += au->segments[i].sparse != NULL;
    return n;
}

TEST(what_a_later_summary_vouches_for_is_read_when_it_is_asked_for)
{
    make_long();
    for (unsigned without = 0; without < 3; without++) { /* as it is; a summary damaged; gone */
        if (without == 1)
            fx_byte("audit/summary-00000001", 60, 4);
        if (without == 2)
            EXPECT(unlink(fx_path("audit/summary-00000001")) == 0);
        struct audit *au = fx_open();
        EXPECT_INT(segments_known(au), 1);
        EXPECT(fx_same(au, au->segments[1].head.first + SPARSE_EVERY + 1));
        EXPECT_INT(segments_known(au), 2);
        EXPECT(au->segments[1].n_sparse ==
               (au->segments[2].head.first - au->segments[1].head.first - 1) / SPARSE_EVERY + 1);
        for (uint64_t i = 0; i < PASSED_ENTRIES; i++)
            EXPECT(fx_same(au, i));
        EXPECT_INT(segments_known(au), au->n_segments);
        audit_close(au);
    }
    EXPECT(fx_verify()[0] == 0);
    EXPECT_INT(sealed_after_open(), PASSED_ENTRIES);
    fx_end();
}

/* A crash may cut a file that was not synced anywhere. */
TEST(torn_summaries_are_made_again)
{
    make_long();
    struct audit *au = fx_open();
    uint64_t newest = au->n_segments - 2;
    audit_close(au);
    for (unsigned quarters = 0; quarters < 4; quarters++) {
        for (uint64_t i = 0; i < 2; i++) { /* the newest, and the one before it */
            char name[32];
            snprintf(name, sizeof name, "audit/summary-%08llu", (unsigned long long)(newest - i));
            EXPECT(truncate(fx_path(name), fx_size(name) * quarters / 4) == 0);
            EXPECT(fx_verify()[0] != 0);
        }
        EXPECT_INT(sealed_after_open(), PASSED_ENTRIES);
        EXPECT(fx_verify()[0] == 0);
    }
    fx_end();
}

/* A folder opens like a file, and every read of it fails. */
TEST(a_segment_that_cannot_be_read_just_now_is_not_taken_for_damaged)
{
    struct span leaf, detail;
    char away[256];
    make_long();
    EXPECT(unlink(fx_path("audit/summary-00000001")) == 0);
    struct audit *au = fx_open();
    struct arena *a = arena_new(0);
    uint64_t entry = au->segments[1].head.first + SPARSE_EVERY + 1;
    snprintf(away, sizeof away, "%s/away", fx_data);
    EXPECT(rename(fx_path(files[1]), away) == 0 && mkdir(fx_path(files[1]), 0700) == 0);
    EXPECT_INT(audit_read(au, entry, a, &leaf, &detail, NULL), ERR_IO);
    EXPECT_INT(segments_known(au), 1);
    EXPECT(rmdir(fx_path(files[1])) == 0 && rename(away, fx_path(files[1])) == 0);
    EXPECT(fx_same(au, entry));
    EXPECT_INT(segments_known(au), 2);
    audit_close(au);
    arena_free(a);
    fx_end();
}

TEST(damage_in_a_passed_segment_is_named_by_a_read_and_by_verify)
{
    struct span leaf, detail;
    make_long();
    struct arena *a = arena_new(0);
    struct audit *au = fx_open();
    uint64_t first = au->segments[1].head.first;
    audit_close(au);
    fx_byte(files[1], SEGMENT_HEAD + RECORD_HEAD, 4); /* its first entry */
    au = fx_open();
    EXPECT_INT(audit_read(au, first, a, &leaf, &detail, NULL), ERR_CORRUPT);
    EXPECT(fx_same(au, first + SPARSE_EVERY)); /* by the summary; without one the way to it is barred */
    audit_close(au);
    EXPECT(unlink(fx_path("audit/summary-00000001")) == 0);
    au = fx_open();
    EXPECT_INT(audit_read(au, first + SPARSE_EVERY, a, &leaf, &detail, NULL), ERR_CORRUPT);
    EXPECT(fx_same(au, first - 1));
    audit_close(au);
    EXPECT(strstr(fx_verify(), files[1]) != NULL);
    arena_free(a);
    fx_end();
}

static const char *const passed[] = {"audit/segment-00000000", "audit/segment-00000001",
                                     "audit/segment-00000002"};

/* What the newest summary says of the segments before is believed until one of them is needed. */
static void found_at_first_use(unsigned n)
{
    const char *name = passed[n];
    struct span leaf, detail;
    struct fail f = {0};
    struct arena *a = arena_new(0);
    struct audit *au = fx_open();
    uint64_t first = au->segments[n].head.first;
    EXPECT(au->segments[n].unseen);
    for (unsigned again = 0; again < 2; again++) {
        f = (struct fail){0};
        EXPECT_INT(audit_read(au, first, a, &leaf, &detail, &f), ERR_CORRUPT);
        EXPECT(strstr(f.detail, name) != NULL);
        EXPECT_INT(audit_read(au, first + SPARSE_EVERY + 1, a, &leaf, &detail, NULL), ERR_CORRUPT);
    }
    EXPECT(fx_same(au, au->segments[n + 1].head.first));
    audit_close(au);
    EXPECT(strstr(fx_verify(), name) != NULL);
    arena_free(a);
}

TEST(a_passed_segment_of_another_place_is_found_at_its_first_use)
{
    make_long();
    open_refuses(files[0], 0, SEGMENT_HEAD); /* a start asks when the first epoch began */
    for (unsigned n = 1; n < 3; n++)
        for (off_t at = 0; at < SEGMENT_HEAD; at++) {
            fx_byte(passed[n], at, 0x10);
            found_at_first_use(n);
            fx_byte(passed[n], at, 0x10);
        }
    EXPECT(truncate(fx_path(files[1]), SMALL - 1) == 0);
    found_at_first_use(1);
    EXPECT(truncate(fx_path(files[1]), SEGMENT_HEAD - 1) == 0);
    found_at_first_use(1);
    fx_end();
}

/* A good head of a good segment of this log, and yet not the one that belongs there. */
TEST(a_passed_segment_in_place_of_another_is_found_at_its_first_use)
{
    make_long();
    fx_run("cp %s/audit/segment-00000002 %s/audit/segment-00000001", fx_data);
    found_at_first_use(1);
    fx_end();
}

/* Nor is the summary believed that fits the one which is there: its heads are too few. */
TEST(a_passed_segment_in_place_of_the_newest_finished_one_is_refused)
{
    char name[32], due[96];
    make_long();
    struct audit *au = fx_open();
    size_t newest = au->n_segments - 2;
    snprintf(name, sizeof name, "segment-%08zu", newest);
    snprintf(due, sizeof due, "audit/%s: it is the segment of another place (entry %llu is due)", name,
             (unsigned long long)au->segments[newest].head.first);
    audit_close(au);
    for (unsigned n = 0; n < 2; n++) {
        char from[256];
        struct fail f = {0};
        snprintf(from, sizeof from, "cp %%s/%s %%s/audit/%s", passed[n], name);
        fx_run(from, fx_data);
        EXPECT_INT(audit_open(fx_data, &au, &f), ERR_CORRUPT);
        EXPECT(strcmp(f.detail, due) == 0);
    }
    EXPECT(strstr(fx_verify(), name) != NULL);
    fx_end();
}

TEST(a_passed_segment_that_is_missing_is_refused_at_the_start)
{
    struct audit *au = NULL;
    struct fail f = {0};
    make_long();
    EXPECT(unlink(fx_path(files[1])) == 0);
    EXPECT_INT(audit_open(fx_data, &au, &f), ERR_CORRUPT);
    EXPECT(strstr(f.detail, "segment-00000001 is missing") != NULL);
    EXPECT(strstr(fx_verify(), "segment-00000001 is missing") != NULL);
    fx_end();
}

/* ---- How much a start asks for */

static unsigned n_opened;

static int count_openat(int dir, const char *name, int flags)
{
    n_opened++;
    return openat(dir, name, flags);
}

static unsigned opened_at_start(enum err (*open_log)(const char *, struct audit **, struct fail *))
{
    const struct audit_io real = audit_io;
    struct audit *au = NULL;
    audit_io.openat = count_openat;
    n_opened = 0;
    EXPECT_INT(open_log(fx_data, &au, NULL), OK);
    audit_io = real;
    audit_close(au);
    return n_opened;
}

/* Entries up to the middle of a segment, so many segments later; none begins where a bundle does (where one
 * does, a start asks whether an epoch ended there). */
static uint64_t lengthen(uint64_t from, size_t segments)
{
    struct audit *au = fx_open();
    size_t upto = au->n_segments + segments;
    for (unsigned more = 5; au->n_segments < upto || more--; from++)
        EXPECT_INT(fx_append(au, from), OK);
    EXPECT_INT(audit_seal(au, NULL), OK);
    fx_publish(au);
    for (size_t i = 1; i < au->n_segments; i++)
        EXPECT(au->segments[i].head.first % MERKLE_TILE_WIDTH != 0);
    audit_close(au);
    return from;
}

TEST(a_start_opens_as_many_files_however_many_segments_there_are)
{
    fx_new(SMALL);
    uint64_t n = lengthen(0, 12);
    unsigned few = opened_at_start(audit_open), few_read = opened_at_start(audit_open_read);
    n = lengthen(n, 24);
    EXPECT_INT(opened_at_start(audit_open), few);
    EXPECT_INT(opened_at_start(audit_open_read), few_read);
    EXPECT(few < 2 * 12);
    EXPECT(fx_verify()[0] == 0);
    struct audit *au = fx_open();
    EXPECT_INT(au->n_segments, 37);
    for (uint64_t i = 0; i < n; i++)
        EXPECT(fx_same(au, i));
    audit_close(au);
    fx_end();
}

/* ---- Summaries as they were, or as somebody with the key could make them */

static void sign_again(const char *name, const uint8_t *body, size_t len)
{
    uint8_t signature[SIGN_LEN];
    struct sign_key *key = NULL;
    EXPECT_INT(sign_key_read_file(fx_path("audit-key"), &key, NULL), OK);
    sign_make(key, span_of(body, len), signature);
    sign_key_free(key);
    int fd = open(fx_path(name), O_WRONLY | O_TRUNC);
    EXPECT(write(fd, body, len) == (ssize_t)len && write(fd, signature, SIGN_LEN) == SIGN_LEN);
    close(fd);
}

/* The newest summary's bytes without the signature; those of its table begin at *table. */
static uint8_t *newest_summary(char name[32], size_t *len, size_t *table)
{
    struct audit *au = fx_open();
    uint64_t number = au->n_segments - 2;
    audit_close(au);
    snprintf(name, 32, "audit/summary-%08llu", (unsigned long long)number);
    off_t size = fx_size(name);
    uint8_t *bytes = malloc((size_t)size);
    int fd = open(fx_path(name), O_RDONLY);
    EXPECT(read(fd, bytes, (size_t)size) == size);
    close(fd);
    *len = (size_t)size - SIGN_LEN;
    *table = *len - 12 * (size_t)number;
    EXPECT_INT(get_be(bytes + *table - 4, 4), number);
    return bytes;
}

TEST(summaries_without_the_heads_before_are_written_again_by_the_first_start)
{
    char name[32];
    size_t len, table;
    make_long();
    unsigned quick = opened_at_start(audit_open), quick_read = opened_at_start(audit_open_read);
    uint8_t *b = newest_summary(name, &len, &table);
    put_be(b + 8, 1, 4);
    sign_again(name, b, table - 4);
    EXPECT(fx_verify()[0] == 0);
    EXPECT(opened_at_start(audit_open_read) > quick_read); /* a tool writes nothing */
    open_refuses(files[1], 0, SEGMENT_HEAD);
    EXPECT(opened_at_start(audit_open) > quick);
    EXPECT_INT(fx_size(name), len + SIGN_LEN);
    EXPECT_INT(opened_at_start(audit_open), quick);
    EXPECT(fx_verify()[0] == 0);
    free(b);
    fx_end();
}

TEST(heads_in_a_summary_that_cannot_be_are_not_believed)
{
    char name[32];
    size_t len, table;
    make_long();
    uint8_t *b = newest_summary(name, &len, &table);
    put_be(b + table + 12, get_be(b + table + 24, 8), 8); /* the second begins where the third does */
    sign_again(name, b, len);
    EXPECT_INT(sealed_after_open(), PASSED_ENTRIES);
    EXPECT(fx_verify()[0] == 0);                              /* written again */
    put_be(b + table + 12, get_be(b + table + 24, 8) - 1, 8); /* the second begins elsewhere */
    sign_again(name, b, len);
    EXPECT(strstr(fx_verify(), name) != NULL);
    free(b);
    fx_end();
}

/* Puts a good checksum over whatever the record now holds. */
static void forge_crc(off_t at, uint64_t index)
{
    uint8_t b[RECORD_MAX];
    struct record r = {.index = index};
    int fd = open(fx_path(files[0]), O_RDWR);
    EXPECT(pread(fd, b, sizeof b, at) > RECORD_HEAD);
    uint8_t copy[RECORD_MAX];
    size_t length = (size_t)get_be(b, 4);
    memcpy(copy, b, sizeof b);
    r.pending_id = get_be(b + 8, 8);
    r.leaf = span_of(copy + RECORD_HEAD, (size_t)get_be(b + 16, 2));
    r.detail = span_of(copy + RECORD_HEAD + r.leaf.len, length - RECORD_FIXED - r.leaf.len);
    size_t n = record_put(&r, b);
    EXPECT(pwrite(fd, b, n, at) == (ssize_t)n);
    close(fd);
}

TEST(a_forged_leaf_is_named)
{
    make_small();
    off_t entry2 = SEGMENT_HEAD + 2 * (RECORD_HEAD + 94) + 1;
    fx_byte(files[0], entry2 + RECORD_HEAD + 30, 4);
    forge_crc(entry2, 2);
    EXPECT(unlink(fx_path("audit/summary-00000000")) == 0); /* opening reads all, too */
    const char *fault = fx_verify();
    EXPECT(strstr(fault, "entry 2 ") && strstr(fault, "tile/0/000.p/40") && strstr(fault, "root"));
    struct audit *au = NULL;
    struct fail f = {0};
    EXPECT_INT(audit_open(fx_data, &au, &f), ERR_CORRUPT);
    /* With the tile forged as well only the signed root is left to tell. */
    struct digest h;
    uint8_t leaf[94];
    int fd = open(fx_path(files[0]), O_RDONLY);
    EXPECT(pread(fd, leaf, sizeof leaf, entry2 + RECORD_HEAD) == 94);
    close(fd);
    merkle_leaf(span_of(leaf, sizeof leaf), &h);
    fd = open(fx_path(files[2]), O_WRONLY);
    EXPECT(pwrite(fd, &h, 32, 64) == 32);
    close(fd);
    EXPECT(strstr(fx_verify(), "root of 40 entries differs") != NULL);
    EXPECT_INT(audit_open(fx_data, &au, NULL), ERR_CORRUPT);
    fx_end();
}

struct damage {
    const char *how;     /* shell, %s is the data folder */
    const char *says[3]; /* parts of the fault */
    enum err open;       /* what opening says */
};
static const struct damage damages[] = {
    {"truncate -s 1000 %s/audit/segment-00000000", {"segment-00000000", "offset", "entry"}, ERR_CORRUPT},
    {"truncate -s 20 %s/audit/segment-00000001", {"segment-00000001", "shorter than its head"}, ERR_CORRUPT},
    {"rm %s/audit/segment-00000001", {"40 entries were signed", "is missing"}, ERR_CORRUPT},
    {"rm %s/audit/segment-00000000", {"segment-00000000", "missing"}, ERR_CORRUPT},
    {"rm %s/audit/segment-*", {"40 entries were signed", "entry 0 is missing"}, ERR_CORRUPT},
    {"truncate -s 4095 %s/audit/segment-00000001", {"segment-00000001", "4095 bytes", "4096"}, OK},
    {"cp %s/audit/segment-00000000 %s/audit/segment-00000001",
     {"segment-00000001", "another place"},
     ERR_CORRUPT},
    {"rm %s/audit/tile/0/000.p/40", {"tile/0/000.p/40", "missing"}, OK},
    {"truncate -s 64 %s/audit/tile/0/000.p/40", {"tile/0/000.p/40", "missing or has the wrong length"}, OK},
    {"rm %s/audit/checkpoint", {"checkpoint"}, ERR_CORRUPT},
    {"rm %s/audit/signed", {"signed"}, ERR_CORRUPT},
    {"sed -i 2s/40/39/ %s/audit/checkpoint", {"audit/checkpoint", "signature does not fit"}, ERR_CORRUPT},
    {"sed -i 1s/log/fog/ %s/audit/checkpoint",
     {"audit/checkpoint", "not signed by the log's key"},
     ERR_CORRUPT},
    {"cp %s/other/audit/key.pub %s/audit/key.pub", {"key.pub", "not a verifier key of"}, ERR_NO_KEY},
    {"cp %s/other/audit/checkpoint %s/audit/checkpoint",
     {"checkpoint", "not signed by the log's key"},
     ERR_CORRUPT},
    {"cp %s/empty-checkpoint %s/audit/signed",
     {"signed", "holds 0 entries, the checkpoint shows 40"},
     ERR_CORRUPT},
    {"printf xx > %s/audit/origin", {"audit/origin"}, ERR_CORRUPT},
};

static void damaged(const struct damage *d)
{
    struct audit *au = NULL;
    fx_run("rm -rf %s/audit && cp -a %s/before %s/audit", fx_data);
    fx_run(d->how, fx_data);
    const char *fault = fx_verify();
    bool good = fault[0] != 0;
    for (size_t i = 0; i < 3 && d->says[i]; i++)
        good = good && strstr(fault, d->says[i]);
    EXPECT(good);
    enum err e = audit_open(fx_data, &au, NULL);
    EXPECT(d->open ? e != OK : e == OK);
    if (!good || (d->open != OK) != (e != OK))
        printf("  %s: open %d, fault: %s\n", d->how, (int)e, fault);
    audit_close(au);
    if (!d->open)
        EXPECT(fx_verify()[0] == 0); /* what opening accepts it also mends */
}

TEST(damages_are_named)
{
    char data[sizeof fx_data];
    make_small();
    memcpy(data, fx_data, sizeof data);
    make_small();
    fx_run("mv %s/audit %s/moved", fx_data);
    char cmd[256];
    snprintf(cmd, sizeof cmd, "mkdir %s/other && mv %s/moved %s/other/audit && rm -rf %s", data, fx_data,
             data, fx_data);
    EXPECT_INT(system(cmd), 0);
    memcpy(fx_data, data, sizeof data);
    fx_run("mv %s/audit %s/before", fx_data);
    /* A genuine, older note of this log. */
    fx_run("rm %s/audit-key", fx_data);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        if (strstr(damages[i].how, "empty-checkpoint") || !damages[i].open)
            continue;
        damaged(&damages[i]);
    }
    fx_end();
}

TEST(damages_with_the_key_in_place)
{
    fx_new(SMALL);
    fx_run("cp %s/audit/checkpoint %s/empty-checkpoint", fx_data);
    struct audit *au = fx_open();
    fx_fill(au, 0, ENTRIES);
    fx_publish(au);
    audit_close(au);
    fx_run("mv %s/audit %s/before", fx_data);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        if (!strstr(damages[i].how, "other/"))
            damaged(&damages[i]);
    }
    fx_end();
}

/* More than one full tile: a byte of a full tile, a lost tile, a full tile one level up cannot be tested this
 * small. */
TEST(full_tiles_are_checked)
{
    fx_new(64 << 10);
    struct audit *au = fx_open();
    fx_fill(au, 0, 1000);
    fx_publish(au);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
    fx_byte("audit/tile/0/001", 33 * 32 + 5, 1);
    const char *fault = fx_verify();
    EXPECT(strstr(fault, "audit/tile/0/001, offset 1056, entry 289:") != NULL);
    fx_byte("audit/tile/0/001", 33 * 32 + 5, 1);
    fx_byte("audit/tile/1/000.p/3", 32, 1);
    EXPECT(strstr(fx_verify(), "audit/tile/1/000.p/3, offset 32, entry 256:") != NULL);
    fx_byte("audit/tile/1/000.p/3", 32, 1);
    EXPECT(unlink(fx_path("audit/tile/0/002")) == 0);
    EXPECT(strstr(fx_verify(), "audit/tile/0/002: the tile is missing") != NULL);
    au = fx_open(); /* made again when somebody asks */
    struct arena *a = arena_new(0);
    struct span s;
    EXPECT_INT(audit_tile(au, SPAN("tile/0/002"), a, &s, NULL), OK);
    arena_free(a);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
    fx_end();
}

/* ---- Threads */

struct race {
    struct audit *au;
    atomic_bool done;
    atomic_uint reads, proofs;
};

static void *read_along(void *arg)
{
    struct race *r = arg;
    while (!atomic_load(&r->done)) {
        uint64_t n = audit_sealed_size(r->au);
        struct arena *a = arena_new(0);
        struct span s, leaf, detail;
        struct merkle_checkpoint c;
        uint64_t index;
        if (n > 0 && audit_prove(r->au, n / 2, a, &s, NULL) == OK) {
            EXPECT_INT(audit_read(r->au, n / 2, a, &leaf, &detail, NULL), OK);
            EXPECT_INT(merkle_proof_check(a, s, leaf, r->au->pk, &index, &c, NULL), OK);
            EXPECT_INT(index, n / 2);
            atomic_fetch_add(&r->proofs, 1);
        }
        if (n > 0) {
            EXPECT(fx_same(r->au, n - 1));
            atomic_fetch_add(&r->reads, 1);
        }
        EXPECT_INT(audit_checkpoint(r->au, a, &s, NULL), OK);
        arena_free(a);
    }
    return NULL;
}

// Far more often than a daemon publishes, yet not without a pause: the lock is not fair, and readers are to
// get it.
static void *publish_along(void *arg)
{
    struct race *r = arg;
    while (!atomic_load(&r->done)) {
        EXPECT_INT(audit_publish(r->au, fx_now, NULL), OK);
        fx_breathe();
    }
    return NULL;
}

static void *verify_along(void *arg)
{
    struct race *r = arg;
    while (!atomic_load(&r->done)) {
        struct audit_report report;
        EXPECT_INT(audit_verify(fx_data, &report, NULL, NULL, NULL), OK);
        EXPECT(report.ok);
        if (!report.ok)
            printf("  %s\n", report.fault);
    }
    return NULL;
}

TEST(readers_publisher_and_verifier_beside_the_committer)
{
    pthread_t t[4];
    fx_new(32 << 10);
    struct race r = {.au = fx_open()};
    void *(*const jobs[])(void *) = {read_along, read_along, publish_along, verify_along};
    for (size_t i = 0; i < 4; i++)
        EXPECT(pthread_create(&t[i], NULL, jobs[i], &r) == 0);
    for (uint64_t n = 0; n < 6000 || (atomic_load(&r.proofs) < 20 && n < 400000); n += 20) {
        fx_fill(r.au, n, n + 20);
        if (n >= 6000)
            fx_breathe();
    }
    atomic_store(&r.done, true);
    for (size_t i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    EXPECT(atomic_load(&r.reads) > 0 && atomic_load(&r.proofs) > 0);
    fx_publish(r.au);
    audit_close(r.au);
    EXPECT(fx_verify()[0] == 0);
    fx_end();
}

static void count_progress(void *ctx, uint64_t done, uint64_t total)
{
    EXPECT(done <= total);
    ++*(unsigned *)ctx;
}

TEST(report_says_what_was_checked)
{
    struct audit_report r;
    unsigned calls = 0;
    make_small();
    EXPECT_INT(audit_verify(fx_data, &r, count_progress, &calls, NULL), OK);
    EXPECT(r.ok && r.entries == ENTRIES && calls > 0);
    EXPECT_INT(audit_verify("/nonexistent-folder", &r, NULL, NULL, NULL), ERR_NOT_FOUND);
    EXPECT(!r.ok);
    fx_end();
}

/* As a power cut leaves it: sealed, and the head that covers it was not signed any more. */
TEST(entries_behind_the_newest_signed_head_are_counted_apart)
{
    struct audit_report r;
    struct digest root;
    make_small();
    EXPECT_INT(audit_verify(fx_data, &r, NULL, NULL, NULL), OK);
    EXPECT(r.ok && r.entries == ENTRIES && r.covered == ENTRIES);
    root = r.root;
    struct audit *au = fx_open();
    fx_fill(au, ENTRIES, ENTRIES + 3);
    audit_close(au);
    EXPECT_INT(audit_verify(fx_data, &r, NULL, NULL, NULL), OK);
    EXPECT(r.ok && r.entries == ENTRIES + 3 && r.covered == ENTRIES);
    EXPECT(memcmp(&root, &r.root, sizeof root) == 0);
    au = fx_open();
    fx_publish(au);
    audit_close(au);
    EXPECT_INT(audit_verify(fx_data, &r, NULL, NULL, NULL), OK);
    EXPECT(r.ok && r.entries == ENTRIES + 3 && r.covered == ENTRIES + 3);
    EXPECT(memcmp(&root, &r.root, sizeof root) != 0);
    fx_end();
}

/* `signed` is synced before `checkpoint` is replaced; a crash may come between. */
TEST(a_signed_head_that_is_not_published_yet_covers_as_well)
{
    struct audit_report r;
    make_small();
    char kept[256];
    snprintf(kept, sizeof kept, "%s", fx_path("audit/older-head"));
    EXPECT(link(fx_path("audit/checkpoint"), kept) == 0);
    struct audit *au = fx_open();
    fx_fill(au, ENTRIES, ENTRIES + 3);
    fx_publish(au);
    audit_close(au);
    EXPECT(rename(kept, fx_path("audit/checkpoint")) == 0);
    EXPECT_INT(audit_verify(fx_data, &r, NULL, NULL, NULL), OK);
    EXPECT(r.ok && r.entries == ENTRIES + 3 && r.covered == ENTRIES + 3);
    fx_end();
}

UNIT_MAIN(CASE(every_flipped_byte_is_found), CASE(open_refuses_what_verify_finds),
          CASE(summaries_are_only_a_short_cut), CASE(a_summary_that_was_not_synced_gets_no_name),
          CASE(finished_segments_end_where_their_summary_says),
          CASE(what_a_later_summary_vouches_for_is_read_when_it_is_asked_for),
          CASE(torn_summaries_are_made_again),
          CASE(a_segment_that_cannot_be_read_just_now_is_not_taken_for_damaged),
          CASE(damage_in_a_passed_segment_is_named_by_a_read_and_by_verify),
          CASE(a_passed_segment_of_another_place_is_found_at_its_first_use),
          CASE(a_passed_segment_in_place_of_another_is_found_at_its_first_use),
          CASE(a_passed_segment_in_place_of_the_newest_finished_one_is_refused),
          CASE(a_passed_segment_that_is_missing_is_refused_at_the_start),
          CASE(a_start_opens_as_many_files_however_many_segments_there_are),
          CASE(summaries_without_the_heads_before_are_written_again_by_the_first_start),
          CASE(heads_in_a_summary_that_cannot_be_are_not_believed), CASE(a_forged_leaf_is_named),
          CASE(damages_are_named), CASE(damages_with_the_key_in_place), CASE(full_tiles_are_checked),
          CASE(readers_publisher_and_verifier_beside_the_committer), CASE(report_says_what_was_checked),
          CASE(entries_behind_the_newest_signed_head_are_counted_apart),
          CASE(a_signed_head_that_is_not_published_yet_covers_as_well))
