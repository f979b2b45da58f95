// SPDX-License-Identifier: Apache-2.0
/* Append, seal, publish, read, reopen; torn tails; disks that fail. */
#define _GNU_SOURCE /* fallocate */
#include "log_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

enum { SEGMENT = 64 << 10, SMALL = 4096 };

TEST(crc32c_vectors)
{
    uint8_t b[32];
    EXPECT_INT(crc32c(0, SPAN("123456789")), 0xe3069283u);
    memset(b, 0, sizeof b);
    EXPECT_INT(crc32c(0, span_of(b, 32)), 0x8a9136aau);
    memset(b, 0xff, sizeof b);
    EXPECT_INT(crc32c(0, span_of(b, 32)), 0x62a8ab43u);
    EXPECT_INT(crc32c(crc32c(0, SPAN("1234")), SPAN("56789")), 0xe3069283u);
}

TEST(leaf_roundtrip)
{
    struct audit_leaf l = {.kind = AUDIT_SHARE,
                           .time = {-5},
                           .service = 1,
                           .purpose = 0xffff,
                           .operation = 3,
                           .party = 4,
                           .clause = 5,
                           .answer = 6,
                           .reason = 7},
                      back;
    uint8_t bytes[AUDIT_LEAF_MAX];
    crypto_random(l.actor, 16);
    crypto_random(l.subject, 16);
    crypto_random(l.policy, 8);
    crypto_random(l.commit, 32);
    size_t n = audit_leaf_put(&l, bytes);
    EXPECT(audit_leaf_get(span_of(bytes, n), &back));
    EXPECT(back.kind == l.kind && back.time.ms == -5 && back.service == 1 && back.purpose == 0xffff);
    EXPECT(back.operation == 3 && back.party == 4 && back.clause == 5 && back.answer == 6 &&
           back.reason == 7);
    EXPECT(memcmp(back.actor, l.actor, 16) == 0 && memcmp(back.subject, l.subject, 16) == 0);
    EXPECT(memcmp(back.policy, l.policy, 8) == 0 && memcmp(back.commit, l.commit, 32) == 0);
    EXPECT(!audit_leaf_get(span_of(bytes, n - 1), &back));
    bytes[1] = 0;
    EXPECT(!audit_leaf_get(span_of(bytes, n), &back));
    bytes[1] = 200;
    EXPECT(!audit_leaf_get(span_of(bytes, n), &back));
    EXPECT(strcmp(audit_kind_name(AUDIT_WITHDRAW), "withdraw") == 0);
    EXPECT(strcmp(audit_kind_name((enum audit_kind)99), "unknown") == 0);
}

TEST(create_once)
{
    fx_new(SMALL);
    EXPECT_INT(audit_create(fx_data, "log.example", fx_now, NULL), ERR_CONFLICT);
    EXPECT_INT(audit_create("/nonexistent-folder", "log.example", fx_now, NULL), ERR_IO);
    EXPECT_INT(audit_create(fx_data, "a b", fx_now, NULL), ERR_BAD_VALUE);
    EXPECT(fx_verify()[0] == 0);
    struct audit *au = fx_open(), *second = NULL;
    EXPECT_INT(audit_open(fx_data, &second, NULL), ERR_CONFLICT);
    EXPECT(second == NULL);
    EXPECT(span_starts(audit_origin(au), "log.example/audit/"));
    audit_close(au);
    EXPECT_INT(audit_open("/nonexistent-folder", &au, NULL), ERR_NOT_FOUND);
    fx_end();
}

/* Every entry has a receipt that proves against the published checkpoint. */
static void check_receipts(struct audit *au, uint64_t size, uint64_t step)
{
    for (uint64_t i = 0; i < size; i += step) {
        struct arena *a = arena_new(0);
        struct span proof, leaf, detail;
        struct merkle_checkpoint c;
        uint64_t index = 0;
        EXPECT(fx_same(au, i));
        EXPECT_INT(audit_read(au, i, a, &leaf, &detail, NULL), OK);
        EXPECT_INT(audit_prove(au, i, a, &proof, NULL), OK);
        EXPECT_INT(merkle_proof_check(a, proof, leaf, au->pk, &index, &c, NULL), OK);
        EXPECT_INT(index, i);
        EXPECT_INT(c.size, size);
        arena_free(a);
    }
}

TEST(append_publish_read_reopen)
{
    struct arena *a = arena_new(0);
    struct span s, t;
    fx_new(SEGMENT);
    struct audit *au = fx_open();
    EXPECT_INT(audit_read(au, 0, a, &s, &t, NULL), ERR_NOT_FOUND);
    fx_append(au, 0);
    EXPECT_INT(audit_sealed_size(au), 0);
    EXPECT_INT(audit_read(au, 0, a, &s, &t, NULL), ERR_NOT_FOUND);
    EXPECT_INT(audit_seal(au, NULL), OK);
    EXPECT_INT(audit_sealed_size(au), 1);
    EXPECT(fx_same(au, 0));
    EXPECT_INT(audit_prove(au, 0, a, &s, NULL), ERR_BUSY);
    EXPECT_INT(audit_prove(au, 1, a, &s, NULL), ERR_NOT_FOUND);
    fx_publish(au);
    check_receipts(au, 1, 1);
    fx_fill(au, 1, 700);
    fx_publish(au);
    fx_fill(au, 700, 1300); /* the third segment */
    fx_publish(au);
    EXPECT(au->n_segments > 2);
    check_receipts(au, 1300, 7);
    EXPECT_INT(audit_pending_done(au), 1299);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
    au = fx_open();
    EXPECT_INT(audit_sealed_size(au), 1300);
    EXPECT_INT(audit_pending_done(au), 1299);
    check_receipts(au, 1300, 100);
    fx_fill(au, 1300, 1310);
    fx_publish(au);
    check_receipts(au, 1310, 100);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
    fx_end();
    arena_free(a);
}

TEST(tiles_as_served)
{
    struct arena *a = arena_new(0);
    struct span s, prefix;
    fx_new(SEGMENT);
    struct audit *au = fx_open();
    EXPECT_INT(audit_tile(au, SPAN("tile/0/000"), a, &s, NULL), ERR_NOT_FOUND);
    EXPECT_INT(audit_tile(au, SPAN("tile/0/000.p/1"), a, &s, NULL), ERR_NOT_FOUND);
    fx_fill(au, 0, 100);
    fx_publish(au);
    EXPECT_INT(fx_size("audit/tile/0/000.p/100"), 3200);
    EXPECT_INT(audit_tile(au, SPAN("tile/0/000.p/100"), a, &prefix, NULL), OK);
    EXPECT_INT(prefix.len, 3200);
    fx_fill(au, 100, 600);
    EXPECT_INT(audit_tile(au, SPAN("tile/0/000"), a, &s, NULL), ERR_NOT_FOUND); /* sealed, not published */
    fx_publish(au);
    EXPECT_INT(fx_size("audit/tile/0/000.p/100"), -1); /* replaced, and still served: */
    EXPECT_INT(audit_tile(au, SPAN("tile/0/000.p/100"), a, &s, NULL), OK);
    EXPECT(span_eq(s, prefix));
    EXPECT_INT(audit_tile(au, SPAN("tile/0/001"), a, &s, NULL), OK);
    EXPECT_INT(s.len, 8192);
    EXPECT_INT(audit_tile(au, SPAN("tile/1/000.p/2"), a, &s, NULL), OK);
    EXPECT_INT(s.len, 64);
    EXPECT_INT(fx_size("audit/tile/1/000.p/2"), 64);
    EXPECT_INT(audit_tile(au, SPAN("tile/0/002.p/88"), a, &s, NULL), OK);
    EXPECT_INT(audit_tile(au, SPAN("tile/0/002.p/89"), a, &s, NULL), ERR_NOT_FOUND);
    EXPECT_INT(audit_tile(au, SPAN("tile/0/002"), a, &s, NULL), ERR_NOT_FOUND);
    EXPECT_INT(audit_tile(au, SPAN("tile/9/000"), a, &s, NULL), ERR_NOT_FOUND);
    EXPECT_INT(audit_tile(au, SPAN("tile/0/../key.pub"), a, &s, NULL), ERR_NOT_FOUND);
    EXPECT_INT(audit_tile(au, SPAN("tile/0/x999/x999/x999/x999/x999/999"), a, &s, NULL), ERR_NOT_FOUND);
    EXPECT_INT(audit_tile(au, SPAN("tile/entries/002.p/88"), a, &s, NULL), OK);
    EXPECT_INT(s.len, 88 * (2 + 94));
    EXPECT_INT(audit_tile(au, SPAN("tile/entries/001"), a, &s, NULL), OK);
    for (size_t i = 0; i < 256; i++) {
        struct audit_leaf l;
        EXPECT_INT(get_be(s.p + i * 96, 2), 94);
        EXPECT(audit_leaf_get(span_sub(s, i * 96 + 2, 94), &l) && l.time.ms == fx_now.ms + 256 + (int64_t)i);
    }
    audit_close(au);
    fx_end();
    arena_free(a);
}

TEST(too_large_detail_changes_nothing)
{
    static uint8_t big[AUDIT_DETAIL_MAX + 1];
    struct audit_entry e = {.leaf = {.kind = AUDIT_READ}, .detail = span_of(big, sizeof big)};
    uint64_t index;
    fx_new(SEGMENT);
    struct audit *au = fx_open();
    EXPECT_INT(audit_append(au, &e, &index, NULL), ERR_TOO_LARGE);
    e.detail.len--;
    EXPECT_INT(audit_append(au, &e, &index, NULL), OK);
    EXPECT_INT(index, 0);
    EXPECT_INT(audit_seal(au, NULL), OK);
    EXPECT_INT(audit_seal(au, NULL), OK);
    fx_publish(au);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
    fx_end();
}

/* ---- Torn tails */

static const char seg0[] = "audit/segment-00000000";

/* Where the last record begins and ends. */
static void last_record(uint64_t n, off_t *from, off_t *to)
{
    struct segment_head h = {.bytes = audit_segment_bytes};
    struct cursor c;
    struct record r;
    cursor_start(&c, open(fx_path(seg0), O_RDONLY), &h, CURSOR_SCAN);
    while (cursor_next(&c, &r) == STEP_RECORD) {
        *from = (off_t)r.offset;
        *to = (off_t)c.offset;
    }
    EXPECT_INT(c.index, n);
    cursor_close(&c);
}

static void tear(off_t at, bool shorten)
{
    EXPECT(truncate(fx_path(seg0), at) == 0);
    if (!shorten)
        EXPECT(truncate(fx_path(seg0), SMALL) == 0);
}

/* Five entries, `signed_upto` of them under a checkpoint, cut at `at`. */
static void reopen_torn(uint64_t signed_upto, off_t at, bool shorten)
{
    struct audit *au = NULL;
    struct fail f = {0};
    fx_run("rm -rf %s/audit && cp -a %s/before %s/audit", fx_data);
    tear(at, shorten);
    if (signed_upto == 5) {
        EXPECT_INT(audit_open(fx_data, &au, &f), ERR_CORRUPT);
        EXPECT(strstr(f.detail, "segment-00000000") && strstr(f.detail, "entry 4"));
        EXPECT(strstr(f.detail, "offset") != NULL);
        EXPECT(fx_verify()[0] != 0);
        return;
    }
    au = fx_open();
    EXPECT_INT(audit_sealed_size(au), 4);
    EXPECT_INT(audit_pending_done(au), 3);
    fx_fill(au, 4, 6);
    fx_publish(au);
    check_receipts(au, 6, 1);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
    EXPECT_INT(fx_size(seg0), SMALL);
}

static void torn_everywhere(uint64_t signed_upto)
{
    off_t from = 0, to = 0;
    fx_new(SMALL);
    struct audit *au = fx_open();
    fx_fill(au, 0, signed_upto);
    fx_publish(au);
    fx_fill(au, signed_upto, 5);
    audit_close(au);
    last_record(5, &from, &to);
    fx_run("mv %s/audit %s/before", fx_data);
    for (off_t at = from; at < to; at++) {
        reopen_torn(signed_upto, at, true);
        reopen_torn(signed_upto, at, false);
    }
    fx_end();
}

TEST(torn_tail_beyond_the_signature_is_cut)
{
    torn_everywhere(3);
}

TEST(torn_before_the_signature_is_refused)
{
    torn_everywhere(5);
}

TEST(remains_of_a_torn_group_do_not_come_back)
{
    fx_new(SMALL);
    struct audit *au = fx_open();
    fx_fill(au, 0, 1);
    fx_publish(au);
    fx_fill(au, 1, 5);
    audit_close(au);
    off_t first_end = SEGMENT_HEAD + RECORD_HEAD + 94;
    fx_byte(seg0, first_end + 20, 1); /* entry 1 torn, 2 to 4 whole behind it */
    au = fx_open();
    EXPECT_INT(audit_sealed_size(au), 1);
    fx_fill(au, 1, 2); /* as long as the torn one was */
    audit_close(au);
    au = fx_open();
    EXPECT_INT(audit_sealed_size(au), 2);
    fx_publish(au);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
    fx_end();
}

/* ---- Crashes between two steps of publishing, and lost tiles */

TEST(publishing_is_finished_at_open)
{
    fx_new(SEGMENT);
    struct audit *au = fx_open();
    fx_fill(au, 0, 300);
    fx_publish(au);
    fx_run("cp %s/audit/checkpoint %s/old", fx_data);
    fx_fill(au, 300, 900);
    fx_publish(au);
    audit_close(au);
    fx_run("cp %s/old %s/audit/checkpoint", fx_data); /* as if the crash came before its rename */
    fx_run("rm -r %s/audit/tile/1 %s/audit/tile/0/001", fx_data);
    fx_run("truncate -s 0 %s/audit/tile/0/000", fx_data);
    au = fx_open();
    check_receipts(au, 900, 50);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
    fx_end();
}

TEST(another_key_is_refused)
{
    struct audit *au = NULL;
    struct fail f = {0};
    fx_new(SMALL);
    fx_run("mv %s/audit-key %s/was", fx_data);
    EXPECT_INT(audit_open(fx_data, &au, NULL), ERR_NO_KEY);
    EXPECT_INT(sign_key_create_file(fx_path("audit-key"), NULL), OK);
    EXPECT_INT(audit_open(fx_data, &au, &f), ERR_NO_KEY);
    EXPECT(strstr(f.detail, "audit-key") && f.hint[0]);
    fx_end();
}

TEST(tools_read_beside_the_daemon)
{
    struct arena *a = arena_new(0);
    struct span s;
    uint64_t index;
    struct audit_entry e = {.leaf = {.kind = AUDIT_READ}};
    fx_new(SEGMENT);
    struct audit *au = fx_open(), *tool = NULL;
    fx_fill(au, 0, 300);
    fx_publish(au);
    fx_fill(au, 300, 310);
    EXPECT_INT(audit_open_read(fx_data, &tool, NULL), OK);
    check_receipts(tool, 300, 20);
    EXPECT_INT(audit_checkpoint(tool, a, &s, NULL), OK);
    EXPECT_INT(audit_append(tool, &e, &index, NULL), ERR_INTERNAL);
    EXPECT_INT(audit_publish(tool, fx_now, NULL), ERR_INTERNAL);
    EXPECT(fx_verify()[0] == 0);
    audit_close(tool);
    audit_close(au);
    fx_end();
    arena_free(a);
}

/* ---- Failing disks */

static int fail_fallocate(int fd, int mode, off_t at, off_t len)
{
    (void)fd, (void)mode, (void)at, (void)len;
    errno = ENOSPC;
    return -1;
}

static int unsupported_fallocate(int fd, int mode, off_t at, off_t len)
{
    (void)fd, (void)mode, (void)at, (void)len;
    errno = EOPNOTSUPP;
    return -1;
}

static int fail_fdatasync(int fd)
{
    (void)fd;
    errno = EIO;
    return -1;
}

static ssize_t fail_pwrite(int fd, const void *p, size_t len, off_t at)
{
    (void)fd, (void)p, (void)len, (void)at;
    errno = ENOSPC;
    return -1;
}

static ssize_t short_pwrite(int fd, const void *p, size_t len, off_t at)
{
    return pwrite(fd, p, len > 3 ? 3 : len, at);
}

TEST(full_disk_refuses_entries_and_recovers)
{
    const struct audit_io real = audit_io;
    uint64_t n = 0;
    fx_new(SMALL);
    struct audit *au = fx_open();
    audit_io.fallocate = fail_fallocate;
    while (fx_append(au, n) == OK)
        n++;
    EXPECT(n > 10 && n < 40);
    EXPECT_INT(fx_append(au, n), ERR_DISK_FULL);
    EXPECT_INT(audit_seal(au, NULL), OK); /* what was taken is kept */
    EXPECT_INT(audit_sealed_size(au), n);
    EXPECT(fx_same(au, n - 1));
    fx_publish(au);
    check_receipts(au, n, 5);
    audit_io = real;
    fx_fill(au, n, n + 50);
    fx_publish(au);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
    fx_end();
}

/* What was reserved for is taken, whatever the disk does meanwhile; what was not is refused before. */
TEST(reserved_room_is_there)
{
    const struct audit_io real = audit_io;
    struct instant later = {fx_now.ms + 100};
    uint64_t n = 0, bytes = 0;
    fx_new(SMALL);
    struct audit *au = fx_open();
    EXPECT_INT(audit_prepare(au, NULL), OK); /* not half full yet: nothing is made */
    EXPECT_INT(fx_size("audit/segment-next"), -1);
    for (uint64_t i = 0; i < 100; i++)
        bytes += audit_entry_bytes(&(struct audit_entry){.detail = {NULL, i % 40}});
    EXPECT(bytes > 2 * SMALL);
    EXPECT_INT(audit_reserve(au, bytes, later, NULL), OK);
    EXPECT_INT(fx_size("audit/segment-next"), SMALL);
    audit_io.fallocate = fail_fallocate;
    fx_fill(au, 0, 100);
    EXPECT_INT(fx_size("audit/segment-00000003"), SMALL);
    while (audit_reserve(au, 200, later, NULL) == OK) /* the rest of what was made for it */
        fx_fill(au, 100 + n, 101 + n), n++;
    EXPECT_INT(audit_reserve(au, 200, later, NULL), ERR_DISK_FULL);
    EXPECT_INT(audit_prepare(au, NULL), ERR_DISK_FULL);
    EXPECT_INT(audit_sealed_size(au), 100 + n);
    audit_io = real;
    EXPECT_INT(audit_prepare(au, NULL), OK);
    EXPECT_INT(fx_size("audit/segment-next"), SMALL);
    audit_io.fallocate = fail_fallocate;
    EXPECT_INT(audit_reserve(au, 200, later, NULL), OK);
    fx_fill(au, 100 + n, 101 + n);
    fx_publish(au);
    audit_close(au);
    audit_io = real;
    au = fx_open();
    EXPECT_INT(audit_sealed_size(au), 101 + n);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
    fx_end();
}

TEST(room_left_by_another_process_is_given_back)
{
    fx_new(SMALL);
    struct audit *au = fx_open();
    EXPECT_INT(audit_reserve(au, 3 * SMALL, fx_now, NULL), OK);
    EXPECT(fx_size("audit/segment-next-1") == SMALL);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
    au = fx_open();
    EXPECT(fx_size("audit/segment-next") < 0 && fx_size("audit/segment-next-1") < 0);
    audit_close(au);
    fx_end();
}

TEST(file_systems_that_cannot_reserve)
{
    const struct audit_io real = audit_io;
    audit_io.fallocate = unsupported_fallocate;
    audit_io.pwrite = short_pwrite;
    fx_new(SMALL);
    struct audit *au = fx_open();
    fx_fill(au, 0, 60);
    fx_publish(au);
    audit_close(au);
    audit_io = real;
    EXPECT_INT(fx_size(seg0), SMALL);
    EXPECT(fx_verify()[0] == 0);
    fx_end();
}

/* The real thing: a file size limit, and a file system without room. */
TEST(size_limit_refuses_a_new_segment)
{
    struct rlimit was, limit;
    uint64_t n = 0;
    fx_new(SMALL);
    struct audit *au = fx_open();
    EXPECT(getrlimit(RLIMIT_FSIZE, &was) == 0);
    limit = (struct rlimit){SMALL - 1, was.rlim_max}; /* a byte less than a segment */
    signal(SIGXFSZ, SIG_IGN);
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    while (fx_append(au, n) == OK)
        n++;
    EXPECT_INT(fx_append(au, n), ERR_DISK_FULL);
    EXPECT_INT(audit_seal(au, NULL), OK);
    EXPECT(setrlimit(RLIMIT_FSIZE, &was) == 0);
    fx_fill(au, n, n + 20);
    fx_publish(au);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
    fx_end();
}

static void fill_small_disk(void)
{
    struct audit *au = fx_open();
    uint64_t n = 0;
    fx_run("head -c 20000 /dev/zero > %s/ballast", fx_data);
    for (; fx_append(au, n) == OK; n++) {
        EXPECT_INT(audit_seal(au, NULL), OK);
        if (n % 50 == 49)
            audit_publish(au, fx_now, NULL); /* may fail for want of room, which must not matter */
    }
    EXPECT(n > 300);
    EXPECT_INT(audit_sealed_size(au), n);
    EXPECT(fx_same(au, 0) && fx_same(au, n - 1));
    EXPECT_INT(unlink(fx_path("ballast")), 0);
    fx_publish(au);
    fx_fill(au, n, n + 5);
    fx_publish(au);
    check_receipts(au, n + 5, 40);
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
}

TEST(full_file_system)
{
    fx_new(SMALL);
    fx_end();
    EXPECT(mkdir(fx_data, 0700) == 0);
    if (mount("tmpfs", fx_data, "tmpfs", 0, "size=160k") != 0) {
        printf("  not run: mounting needs root\n");
        fx_end();
        return;
    }
    EXPECT_INT(audit_create(fx_data, "log.example", fx_now, NULL), OK);
    fill_small_disk();
    EXPECT(umount(fx_data) == 0);
    fx_end();
}

static void stops_for_good(struct audit *au, uint64_t sealed, const struct audit_io *real)
{
    audit_io = *real; /* even when the disk is well again */
    EXPECT_INT(audit_seal(au, NULL), ERR_STOPPED);
    EXPECT_INT(fx_append(au, 1000), ERR_STOPPED);
    EXPECT_INT(audit_publish(au, fx_now, NULL), ERR_STOPPED);
    EXPECT_INT(audit_sealed_size(au), sealed);
    EXPECT(fx_same(au, sealed - 1));
    audit_close(au);
}

TEST(failed_sync_is_final)
{
    const struct audit_io real = audit_io;
    fx_new(SEGMENT);
    struct audit *au = fx_open();
    fx_fill(au, 0, 3);
    fx_publish(au);
    EXPECT_INT(fx_append(au, 3), OK);
    audit_io.fdatasync = fail_fdatasync;
    EXPECT_INT(audit_seal(au, NULL), ERR_IO);
    stops_for_good(au, 3, &real);
    au = fx_open();
    EXPECT(audit_sealed_size(au) >= 3);
    audit_close(au);
    fx_end();
}

TEST(failed_write_is_final)
{
    const struct audit_io real = audit_io;
    fx_new(SEGMENT);
    struct audit *au = fx_open();
    fx_fill(au, 0, 3);
    EXPECT_INT(fx_append(au, 3), OK);
    audit_io.pwrite = fail_pwrite;
    EXPECT_INT(audit_seal(au, NULL), ERR_DISK_FULL);
    stops_for_good(au, 3, &real);
    fx_end();
}

/* The N-th write, sync or reservation fails, for every N until none does: afterwards the log opens, holds at
 * least what was sealed, and verifies. */
static int countdown;
static struct audit_io real_io;

static bool now_fails(void)
{
    if (--countdown != 0)
        return false;
    errno = ENOSPC;
    return true;
}
static ssize_t nth_pwrite(int fd, const void *p, size_t len, off_t at)
{
    return now_fails() ? -1 : real_io.pwrite(fd, p, len, at);
}
static int nth_fdatasync(int fd)
{
    return now_fails() ? -1 : real_io.fdatasync(fd);
}
static int nth_fallocate(int fd, int mode, off_t at, off_t len)
{
    return now_fails() ? -1 : real_io.fallocate(fd, mode, at, len);
}

/* Returns true if no call failed. */
static bool run_with_fault(int n)
{
    uint64_t next = 0, acknowledged = 0;
    fx_new(SMALL);
    struct audit *au = fx_open();
    audit_io = (struct audit_io){nth_pwrite, nth_fdatasync, nth_fallocate, real_io.openat};
    countdown = n;
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < 9; i++)
            next += fx_append(au, next) == OK;
        if (audit_seal(au, NULL) == OK)
            acknowledged = next;
        audit_publish(au, fx_now, NULL);
    }
    bool untouched = countdown > 0;
    audit_io = real_io;
    audit_close(au);
    au = fx_open();
    EXPECT(au && audit_sealed_size(au) >= acknowledged);
    for (uint64_t i = 0; au && i < acknowledged; i++)
        EXPECT(fx_same(au, i));
    audit_close(au);
    EXPECT(fx_verify()[0] == 0);
    fx_end();
    return untouched;
}

TEST(every_call_fails_once)
{
    real_io = audit_io;
    int n = 1;
    while (!run_with_fault(n) && n < 500)
        n++;
    EXPECT(n > 40 && n < 500);
}

UNIT_MAIN(CASE(crc32c_vectors), CASE(leaf_roundtrip), CASE(create_once), CASE(append_publish_read_reopen),
          CASE(tiles_as_served), CASE(too_large_detail_changes_nothing),
          CASE(torn_tail_beyond_the_signature_is_cut), CASE(torn_before_the_signature_is_refused),
          CASE(remains_of_a_torn_group_do_not_come_back), CASE(publishing_is_finished_at_open),
          CASE(another_key_is_refused), CASE(tools_read_beside_the_daemon),
          CASE(full_disk_refuses_entries_and_recovers), CASE(reserved_room_is_there),
          CASE(room_left_by_another_process_is_given_back), CASE(file_systems_that_cannot_reserve),
          CASE(size_limit_refuses_a_new_segment), CASE(full_file_system), CASE(failed_sync_is_final),
          CASE(failed_write_is_final), CASE(every_call_fails_once))
