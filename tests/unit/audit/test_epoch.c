// SPDX-License-Identifier: Apache-2.0
/* Epochs: where they end, what is kept of them, pruning, and what must not be pruned. */
#include "log_fixture.h"

#include <errno.h>

static int64_t quarter_ms(int n) /* the n-th quarter from that of fx_now on */
{
    return epoch_start(EPOCH_QUARTER, epoch_number(EPOCH_QUARTER, fx_now) + (uint32_t)n).ms;
}

/* n entries in a quarter; the index of the last. */
static uint64_t record(struct audit *au, int quarter, unsigned n)
{
    uint64_t index = 0;
    for (unsigned i = 0; i < n; i++) {
        struct audit_entry e = {.leaf = {.kind = AUDIT_READ, .time = {quarter_ms(quarter) + i}},
                                .pending_id = i + 1};
        e.leaf.commit[0] = (uint8_t)i;
        EXPECT_INT(audit_append(au, &e, &index, NULL), OK);
    }
    EXPECT_INT(audit_seal(au, NULL), OK);
    return index;
}

static struct audit *reopened(struct audit *au)
{
    audit_close(au);
    return fx_open();
}

/* Three epochs, and one that is open. */
static struct audit *four_epochs(unsigned each)
{
    fx_new(8192);
    struct audit *au = fx_open();
    for (int q = 0; q < 4; q++) {
        record(au, q, each + 10 * (unsigned)q);
        fx_publish(au);
    }
    return au;
}

static struct audit_epoch epoch(struct audit *au, size_t i, size_t want)
{
    struct arena *a = arena_new(0);
    struct audit_epoch *list, out;
    size_t n = 0;
    EXPECT_INT(audit_epochs(au, a, &list, &n, NULL), OK);
    EXPECT_INT(n, want);
    out = i < n ? list[i] : (struct audit_epoch){0};
    arena_free(a);
    return out;
}

static void prune_all(struct audit *au, uint64_t minimum)
{
    uint64_t left = 1;
    struct fail f = {0};
    EXPECT_INT(audit_prune(au, minimum, &f), OK);
    if (f.code)
        printf("  %s\n", f.detail);
    while (left)
        EXPECT_INT(audit_prune_files(au, 1, &left, NULL), OK);
}

static void unit_file(const char *text)
{
    FILE *out = fopen(fx_path("audit/epoch-unit"), "w");
    EXPECT(out && fputs(text, out) >= 0 && fclose(out) == 0);
}

TEST(names)
{
    static const char *const good[] = {"2026q4", "2027q1", "2026-11", "2026-01", "2026"};
    static const char *const bad[] = {"", "2026q5", "2026q0", "2026-13", "2026-1", "x", "2026q4 ", "origin"};
    enum epoch_unit u;
    uint32_t n;
    char back[AUDIT_EPOCH_NAME];
    for (size_t i = 0; i < 5; i++) {
        EXPECT(epoch_parse(span_str(good[i]), &u, &n));
        epoch_name(u, n, back);
        EXPECT(strcmp(back, good[i]) == 0);
        EXPECT_INT(epoch_number(u, epoch_start(u, n)), n);
        EXPECT_INT(epoch_number(u, (struct instant){epoch_start(u, n).ms - 1}), n - 1);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT(!epoch_parse(span_str(bad[i]), &u, &n));
}

static uint32_t named_at(const struct audit *au, const char *time)
{
    struct instant t = {0};
    EXPECT(instant_get(span_str(time), &t));
    return audit_epoch_at(au, t);
}

TEST(pseudonyms_change_with_the_epochs_of_their_log)
{
    static const struct {
        const char *file; /* null: none */
        const char *set;  /* null: the file is as it is; else what init is told */
        uint32_t november, december, january;
    } rows[] = {
        {NULL, NULL, 2026 * 4 + 3, 2026 * 4 + 3, 2027 * 4},
        {"quarter\n", NULL, 2026 * 4 + 3, 2026 * 4 + 3, 2027 * 4},
        {"quarter\n", "quarter", 2026 * 4 + 3, 2026 * 4 + 3, 2027 * 4},
        {"month month\n", "month", 2026 * 12 + 10, 2026 * 12 + 11, 2027 * 12},
        {"year year\n", "year", 2026, 2026, 2027},
        /* As they were made when pseudonyms changed by the quarter in any log. */
        {"month\n", NULL, 2026 * 4 + 3, 2026 * 4 + 3, 2027 * 4},
        {"year\n", NULL, 2026 * 4 + 3, 2026 * 4 + 3, 2027 * 4},
    };
    EXPECT_INT(named_at(NULL, "2026-12-31T23:59:59Z"), 2026 * 4 + 3);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fx_new(1 << 20);
        if (rows[i].set)
            EXPECT_INT(audit_set_epoch(fx_data, rows[i].set, NULL), OK);
        else if (rows[i].file)
            unit_file(rows[i].file);
        EXPECT_INT(fx_size("audit/epoch-unit"), rows[i].file ? (off_t)strlen(rows[i].file) : -1);
        for (unsigned tools = 0; tools < 2; tools++) {
            struct audit *au = NULL;
            EXPECT_INT((tools ? audit_open_read : audit_open)(fx_data, &au, NULL), OK);
            EXPECT_INT(named_at(au, "2026-11-30T23:59:59Z"), rows[i].november);
            EXPECT_INT(named_at(au, "2026-12-01T00:00:00Z"), rows[i].december);
            EXPECT_INT(named_at(au, "2026-12-31T23:59:59Z"), rows[i].december);
            EXPECT_INT(named_at(au, "2027-01-01T00:00:00Z"), rows[i].january);
            audit_close(au);
        }
        fx_end();
    }
}

TEST(a_unit_that_is_none_is_refused)
{
    static const char *const bad[] = {"",
                                      "week\n",
                                      "month week\n",
                                      "week month\n",
                                      "month month month\n",
                                      "month \n\n month\n",
                                      "monthmonth\n"};
    fx_new(1 << 20);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct audit *au = NULL;
        unit_file(bad[i]);
        EXPECT_INT(audit_open(fx_data, &au, NULL), ERR_CORRUPT);
    }
    fx_end();
}

TEST(an_epoch_is_closed_before_the_first_entry_of_the_next)
{
    fx_new(1 << 20);
    struct audit *au = fx_open();
    EXPECT_INT(record(au, 0, 300), 299);
    EXPECT_INT(record(au, 1, 1), 512);
    fx_publish(au);
    EXPECT(fx_size("audit/epochs/2026q4") > 0);
    EXPECT_INT(au->n_segments, 2);
    EXPECT_INT(record(au, 0, 1), 513); /* a clock that was put back reopens nothing */
    EXPECT_INT(record(au, 3, 1), 768);
    fx_publish(au);
    EXPECT(fx_size("audit/epochs/2027q1") > 0);
    struct audit_epoch e = epoch(au, 0, 3);
    EXPECT(e.closed && !e.pruned && e.first == 0 && e.end == 512 && e.ends.ms == quarter_ms(1));
    EXPECT(strcmp(epoch(au, 2, 3).name, "2027q3") == 0);
    EXPECT(!epoch(au, 2, 3).closed);
    EXPECT(fx_verify()[0] == 0);
    au = reopened(au);
    EXPECT_INT(record(au, 3, 1), 769);
    EXPECT_INT(record(au, 4, 1), 1024);
    fx_publish(au);
    EXPECT(fx_verify()[0] == 0);
    audit_close(au);
    fx_end();
}

TEST(an_epoch_that_fills_its_bundle_gets_one_more)
{
    fx_new(1 << 20);
    struct audit *au = fx_open();
    EXPECT_INT(record(au, 0, 256), 255);
    EXPECT_INT(record(au, 1, 1), 512);
    fx_publish(au);
    EXPECT(fx_verify()[0] == 0);
    audit_close(au);
    fx_end();
}

/* A crash at any record of the closing: what was sealed stays, and the next entry takes the closing up. */
TEST(closing_is_taken_up_after_a_crash)
{
    for (uint64_t cut = 20; cut <= 256; cut += 59) {
        fx_new(1 << 20);
        struct audit *au = fx_open();
        struct cursor c;
        record(au, 0, 20);
        fx_publish(au);
        record(au, 1, 1);
        EXPECT_INT(segments_seek(au, cut < 256 ? cut : 255, CURSOR_POINT, &c, NULL), OK);
        off_t at = (off_t)c.offset;
        cursor_close(&c);
        audit_close(au);
        EXPECT_INT(unlink(fx_path("audit/segment-00000001")), 0);
        if (cut < 256) /* else: all is there but the next segment */
            fx_byte("audit/segment-00000000", at + 9, 1);
        au = fx_open();
        EXPECT_INT(audit_sealed_size(au), cut);
        EXPECT_INT(record(au, 1, 1), 256);
        fx_publish(au);
        EXPECT(fx_size("audit/epochs/2026q4") > 0);
        EXPECT(fx_verify()[0] == 0);
        audit_close(au);
        fx_end();
    }
}

TEST(the_last_head_is_kept_though_a_crash_came_between)
{
    fx_new(1 << 20);
    struct audit *au = fx_open();
    record(au, 0, 20);
    record(au, 1, 1);
    fx_publish(au);
    audit_close(au);
    EXPECT_INT(unlink(fx_path("audit/epochs/2026q4")), 0);
    EXPECT(strstr(fx_verify(), "audit/epochs/2026q4 is missing"));
    fx_end();

    fx_new(1 << 20);
    au = fx_open();
    record(au, 0, 20);
    record(au, 1, 1);
    atomic_store(&au->sealed, 256); /* the publisher is one step behind */
    fx_publish(au);
    EXPECT_INT(unlink(fx_path("audit/epochs/2026q4")), 0);
    au = reopened(au);
    EXPECT(fx_size("audit/epochs/2026q4") > 0);
    fx_publish(au);
    EXPECT(fx_verify()[0] == 0);
    audit_close(au);
    fx_end();
}

static int no_room(int fd, int mode, off_t at, off_t len)
{
    (void)fd, (void)mode, (void)at, (void)len;
    errno = ENOSPC;
    return -1;
}

TEST(a_full_disk_puts_the_closing_off)
{
    fx_new(1 << 20);
    struct audit *au = fx_open();
    const struct audit_io real = audit_io;
    struct audit_entry e = {.leaf = {.kind = AUDIT_READ, .time = {quarter_ms(1)}}};
    uint64_t index = 0;
    record(au, 0, 20);
    audit_io.fallocate = no_room;
    EXPECT_INT(audit_append(au, &e, &index, NULL), ERR_DISK_FULL);
    EXPECT_INT(audit_append(au, &e, &index, NULL), ERR_DISK_FULL);
    EXPECT_INT(audit_seal(au, NULL), OK);
    audit_io = real;
    EXPECT_INT(record(au, 1, 1), 256);
    fx_publish(au);
    EXPECT(fx_verify()[0] == 0);
    audit_close(au);
    fx_end();
}

/* ---- Pruning */

static void check_rest(struct audit *au, uint64_t minimum, uint64_t size)
{
    struct arena *a = arena_new(0);
    struct span leaf, detail, proof, note, tile;
    struct merkle_checkpoint c;
    struct digest *path;
    struct fail f = {0};
    uint64_t index;
    size_t n;
    EXPECT_INT(audit_minimum(au), minimum);
    EXPECT_INT(audit_read(au, minimum - 1, a, &leaf, &detail, NULL), ERR_GONE);
    EXPECT_INT(audit_prove(au, 0, a, &proof, NULL), ERR_GONE);
    EXPECT_INT(audit_tile(au, SPAN("tile/0/000"), a, &tile, NULL), ERR_GONE);
    EXPECT_INT(audit_tile(au, SPAN("tile/entries/000"), a, &tile, NULL), ERR_GONE);
    EXPECT_INT(audit_consistency(au, 1, a, &path, &n, &note, NULL), ERR_GONE);
    EXPECT_INT(audit_consistency(au, minimum, a, &path, &n, &note, &f), OK);
    for (uint64_t i = minimum; i < size; i += 37) {
        EXPECT_INT(audit_read(au, i, a, &leaf, &detail, NULL), OK);
        EXPECT_INT(audit_prove(au, i, a, &proof, &f), OK);
        EXPECT_INT(merkle_proof_check(a, proof, leaf, au->pk, &index, &c, &f), OK);
        EXPECT_INT(index, i);
    }
    if (f.code)
        printf("  %s\n", f.detail);
    arena_free(a);
}

TEST(pruning_deletes_a_closed_epoch_and_no_other_proof)
{
    struct audit *au = four_epochs(600);
    struct arena *a = arena_new(0);
    struct span old_proof, old_leaf, detail, old_head;
    struct merkle_checkpoint c;
    struct fail f = {0};
    uint64_t index, size = audit_sealed_size(au), first = epoch(au, 0, 4).end, second = epoch(au, 1, 4).end;
    EXPECT_INT(audit_prove(au, 5, a, &old_proof, NULL), OK);
    EXPECT_INT(audit_read(au, 5, a, &old_leaf, &detail, NULL), OK);
    EXPECT_INT(audit_checkpoint(au, a, &old_head, NULL), OK);
    off_t before = fx_size("audit/segment-00000000");
    EXPECT(before > 0);
    prune_all(au, first);
    EXPECT_INT(fx_size("audit/segment-00000000"), -1);
    EXPECT_INT(fx_size("audit/summary-00000000"), -1);
    EXPECT_INT(fx_size("audit/tile/0/000"), -1);
    EXPECT(fx_size("audit/epochs/2026q4") > 0);
    check_rest(au, first, size);
    EXPECT_INT(merkle_proof_check(a, old_proof, old_leaf, au->pk, &index, &c, NULL), OK);
    EXPECT(fx_verify()[0] == 0);
    EXPECT(epoch(au, 0, 4).pruned);
    EXPECT(!epoch(au, 1, 4).pruned);
    au = reopened(au);
    EXPECT(au->segments[0].unseen); /* out of a summary that was made when there were older ones */
    EXPECT_INT(au->segments[0].head.first, first);
    check_rest(au, first, size);
    EXPECT_INT(audit_known(au, old_head, NULL, a, NULL), OK);
    prune_all(au, second);
    check_rest(au, second, size);
    EXPECT_INT(record(au, 3, 5), size + 4);
    fx_publish(au);
    au = reopened(au);
    check_rest(au, second, size + 5);
    EXPECT(fx_verify()[0] == 0);
    fx_run("rm -rf %s/audit/tile", fx_data); /* made again, though what is below is gone */
    au = reopened(au);
    check_rest(au, second, size + 5);
    EXPECT(fx_verify()[0] == 0);
    EXPECT_INT(f.code, OK);
    audit_close(au);
    arena_free(a);
    fx_end();
}

/* A head signed with the genuine key. */
static struct span signed_head(struct audit *au, struct arena *a, uint64_t size, const struct digest *root)
{
    struct merkle_checkpoint c = {.origin = au->origin, .size = size, .root = *root};
    struct span body = merkle_checkpoint_body(a, &c);
    uint8_t signature[64];
    sign_make(au->key, body, signature);
    return merkle_checkpoint_note(a, &c, au->pk, signature);
}

/* C2SP tlog-tiles, "Pruning": below the minimum only the heads that epochs ended with can still be compared.
 */
TEST(a_known_head_below_the_minimum_is_not_taken_for_good)
{
    struct audit *au = four_epochs(600);
    struct arena *a = arena_new(0);
    struct digest root = {{7}};
    struct audit_epoch first = epoch(au, 0, 4), second = epoch(au, 1, 4);
    prune_all(au, second.end);
    EXPECT_INT(audit_known(au, signed_head(au, a, first.end, &first.root), NULL, a, NULL), OK);
    EXPECT_INT(audit_known(au, signed_head(au, a, second.end, &second.root), NULL, a, NULL), OK);
    EXPECT_INT(audit_known(au, signed_head(au, a, first.end, &root), NULL, a, NULL), ERR_CONFLICT);
    EXPECT_INT(audit_known(au, signed_head(au, a, second.end, &root), NULL, a, NULL), ERR_CONFLICT);
    EXPECT_INT(audit_known(au, signed_head(au, a, first.end - 1, &root), NULL, a, NULL), ERR_GONE);
    EXPECT_INT(audit_known(au, signed_head(au, a, first.end + 1, &root), NULL, a, NULL), ERR_GONE);
    EXPECT_INT(audit_known(au, signed_head(au, a, second.end + 1, &root), NULL, a, NULL), ERR_CONFLICT);
    audit_close(au);
    arena_free(a);
    fx_end();
}

TEST(what_is_no_closed_epoch_is_not_pruned)
{
    struct audit *au = four_epochs(30);
    struct fail f = {0};
    uint64_t first = epoch(au, 0, 4).end, size = audit_sealed_size(au);
    EXPECT_INT(audit_prune(au, size, NULL), ERR_CONFLICT); /* the open one */
    EXPECT_INT(audit_prune(au, first - 1, NULL), ERR_CONFLICT);
    EXPECT_INT(audit_prune(au, first + 100, &f), ERR_CONFLICT);
    EXPECT_INT(audit_minimum(au), 0);
    prune_all(au, first);
    EXPECT_INT(audit_prune(au, 256 * 100, NULL), ERR_CONFLICT);
    struct audit *reader;
    EXPECT_INT(audit_open_read(fx_data, &reader, NULL), OK);
    EXPECT_INT(audit_prune(reader, epoch(au, 1, 4).end, NULL), ERR_INTERNAL);
    audit_close(reader);
    EXPECT(fx_verify()[0] == 0);
    audit_close(au);
    fx_end();
}

/* A record that is not whole is evidence: nothing of it is deleted. */
TEST(a_damaged_epoch_is_not_pruned)
{
    struct audit *au = four_epochs(300);
    struct fail f = {0};
    uint64_t first = epoch(au, 0, 4).end;
    au->published->row[1][1].b[0] ^= 1;
    EXPECT_INT(audit_prune(au, first, &f), ERR_CORRUPT);
    EXPECT(strstr(f.detail, "2026q4"));
    EXPECT_INT(audit_minimum(au), 0);
    EXPECT(fx_size("audit/segment-00000000") > 0);
    audit_close(au);
    fx_end();
}

/* After each step the process dies; every start finds a whole record, and goes on where it was. */
TEST(pruning_survives_a_crash_at_each_step)
{
    struct audit *au = four_epochs(600);
    uint64_t second = epoch(au, 1, 4).end, size = audit_sealed_size(au), left = 1, steps = 0;
    EXPECT_INT(audit_prune(au, second, NULL), OK);
    for (; left; steps++) {
        au = reopened(au);
        check_rest(au, second, size);
        EXPECT(fx_verify()[0] == 0);
        EXPECT_INT(audit_prune(au, second, NULL), OK);
        EXPECT_INT(audit_prune_files(au, 5, &left, NULL), OK);
    }
    EXPECT(steps > 3);
    au = reopened(au);
    check_rest(au, second, size);
    EXPECT_INT(audit_prune_files(au, 1, &left, NULL), OK);
    EXPECT_INT(left, 0);
    audit_close(au);
    fx_end();
}

TEST(verify_sees_a_floor_that_was_moved)
{
    struct audit *au = four_epochs(30);
    uint64_t first = epoch(au, 0, 4).end;
    prune_all(au, first);
    audit_close(au);
    fx_byte("audit/floor", 30, 1);
    EXPECT(strstr(fx_verify(), "floor: it is not what this log signed"));
    struct audit *none;
    struct fail f = {0};
    EXPECT_INT(audit_open(fx_data, &none, &f), ERR_CORRUPT);
    fx_byte("audit/floor", 30, 1);
    EXPECT(fx_verify()[0] == 0);
    fx_run("mv %s/audit/epochs/2026q4 %s/kept", fx_data);
    EXPECT(strstr(fx_verify(), "no epoch is kept that ended there"));
    fx_run("mv %s/kept %s/audit/epochs/2026q4", fx_data);
    EXPECT_INT(unlink(fx_path("audit/floor")), 0);
    EXPECT(strstr(fx_verify(), "segment-00000000 is missing"));
    fx_end();
}

TEST(a_head_below_the_minimum_cannot_be_compared)
{
    fx_new(1 << 20);
    struct audit *au = fx_open();
    struct arena *a = arena_new(0);
    struct span head;
    struct audit_report r;
    record(au, 0, 20);
    fx_publish(au);
    EXPECT_INT(audit_checkpoint(au, a, &head, NULL), OK);
    record(au, 1, 20);
    fx_publish(au);
    prune_all(au, 256);
    const struct audit_older older = {"mine", head};
    EXPECT_INT(audit_verify_older(fx_data, &older, 1, &r, NULL, NULL, NULL), OK);
    EXPECT(r.ok && r.minimum == 256 && r.n_incomparable == 1 && !strcmp(r.incomparable, "mine"));
    EXPECT_INT(r.epochs, 1);
    audit_close(au);
    arena_free(a);
    fx_end();
}

TEST(other_units)
{
    fx_new(1 << 20);
    EXPECT_INT(audit_set_epoch(fx_data, "week", NULL), ERR_BAD_VALUE);
    EXPECT_INT(audit_set_epoch(fx_data, "month", NULL), OK);
    struct audit *au = fx_open();
    struct audit_entry e = {.leaf = {.kind = AUDIT_READ, .time = fx_now}};
    uint64_t index;
    EXPECT_INT(audit_append(au, &e, &index, NULL), OK);
    e.leaf.time = epoch_start(EPOCH_MONTH, epoch_number(EPOCH_MONTH, fx_now) + 1);
    EXPECT_INT(audit_append(au, &e, &index, NULL), OK);
    EXPECT_INT(index, 256);
    EXPECT_INT(audit_seal(au, NULL), OK);
    fx_publish(au);
    EXPECT(fx_size("audit/epochs/2026-11") > 0);
    EXPECT(fx_verify()[0] == 0);
    audit_close(au);
    fx_end();
}

static enum err count_one(void *ctx, uint64_t index, struct span leaf, struct span detail, struct fail *f)
{
    (void)index, (void)leaf, (void)detail, (void)f;
    ++*(unsigned *)ctx;
    return OK;
}

TEST(entries_behind_a_pending_id)
{
    fx_new(4096);
    struct audit *au = fx_open();
    fx_fill(au, 0, 200); /* pending ids are the indexes */
    for (unsigned id = 0; id < 200; id += 13) {
        unsigned n = 0;
        EXPECT_INT(audit_after_pending(au, id, count_one, &n, NULL), OK);
        EXPECT_INT(n, 199 - id);
    }
    audit_close(au);
    fx_end();
}

/* ---- Beside others */

struct beside {
    struct audit *au;
    atomic_bool stop;
    atomic_uint wrong, read;
};

static bool may_be(enum err e)
{
    return e == OK || e == ERR_GONE || e == ERR_BUSY || e == ERR_NOT_FOUND;
}

static bool proves(struct arena *a, struct span proof, struct span leaf, const uint8_t *pk, uint64_t want)
{
    struct merkle_checkpoint c;
    uint64_t index = 0;
    return merkle_proof_check(a, proof, leaf, pk, &index, &c, NULL) == OK && index == want;
}

static void *read_beside(void *arg)
{
    struct beside *b = arg;
    struct arena *a = arena_new(0);
    uint64_t i = 1;
    while (!atomic_load(&b->stop)) {
        struct span leaf, detail, proof;
        uint64_t size = audit_sealed_size(b->au);
        i = i * 6364136223846793005u + 1442695040888963407u;
        uint64_t index = size ? (i >> 33) % size : 0;
        enum err read = audit_read(b->au, index, a, &leaf, &detail, NULL);
        enum err proved = audit_prove(b->au, index, a, &proof, NULL);
        if (read == OK && proved == OK) /* what was read is what stands there */
            atomic_fetch_add(&b->wrong, !proves(a, proof, leaf, b->au->pk, index));
        atomic_fetch_add(&b->wrong, !may_be(read) + !may_be(proved));
        atomic_fetch_add(&b->read, read == OK);
        arena_reset(a);
    }
    arena_free(a);
    return NULL;
}

/* Far more often than a daemon publishes, yet not without a pause: the lock is not fair. */
static void *publish_beside(void *arg)
{
    struct beside *b = arg;
    while (!atomic_load(&b->stop)) {
        atomic_fetch_add(&b->wrong, audit_publish(b->au, fx_now, NULL) != OK);
        fx_breathe();
    }
    return NULL;
}

/* On a busy machine all would be over before a reader had its turn. */
static void let_them_read(struct beside *b)
{
    unsigned before = atomic_load(&b->read);
    for (int i = 0; i < 100000 && atomic_load(&b->read) == before; i++)
        fx_breathe();
}

static bool prune_oldest(struct audit *au, size_t keep)
{
    struct arena *a = arena_new(0);
    struct audit_epoch *list;
    size_t n = 0, i = 0;
    uint64_t left = 0;
    bool done = audit_epochs(au, a, &list, &n, NULL) == OK && n > keep;
    while (done && i < n && list[i].pruned)
        i++;
    done = done && i + keep < n && audit_prune(au, list[i].end, NULL) == OK &&
           audit_prune_files(au, 1, &left, NULL) == OK;
    arena_free(a);
    return done;
}

TEST(pruning_beside_readers_and_the_publisher)
{
    fx_new(16384);
    struct beside b = {.au = fx_open()};
    pthread_t readers[2], publisher;
    unsigned pruned = 0;
    record(b.au, 0, 10);
    for (int i = 0; i < 2; i++)
        pthread_create(&readers[i], NULL, read_beside, &b);
    pthread_create(&publisher, NULL, publish_beside, &b);
    for (int q = 0; q < 9; q++) {
        for (int i = 0; i < 6; i++)
            record(b.au, q, 50);
        let_them_read(&b);
        pruned += prune_oldest(b.au, 3);
    }
    atomic_store(&b.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    pthread_join(publisher, NULL);
    EXPECT_INT(atomic_load(&b.wrong), 0);
    fx_publish(b.au);
    while (prune_oldest(b.au, 3)) /* as many as the publisher was behind */
        pruned++;
    EXPECT(atomic_load(&b.read) > 0);
    EXPECT_INT(pruned, 6);
    EXPECT(fx_verify()[0] == 0);
    b.au = reopened(b.au);
    EXPECT(fx_verify()[0] == 0);
    audit_close(b.au);
    fx_end();
}

UNIT_MAIN(CASE(names), CASE(pseudonyms_change_with_the_epochs_of_their_log),
          CASE(a_unit_that_is_none_is_refused), CASE(an_epoch_is_closed_before_the_first_entry_of_the_next),
          CASE(an_epoch_that_fills_its_bundle_gets_one_more), CASE(closing_is_taken_up_after_a_crash),
          CASE(the_last_head_is_kept_though_a_crash_came_between), CASE(a_full_disk_puts_the_closing_off),
          CASE(pruning_deletes_a_closed_epoch_and_no_other_proof),
          CASE(a_known_head_below_the_minimum_is_not_taken_for_good),
          CASE(what_is_no_closed_epoch_is_not_pruned), CASE(a_damaged_epoch_is_not_pruned),
          CASE(pruning_survives_a_crash_at_each_step), CASE(verify_sees_a_floor_that_was_moved),
          CASE(a_head_below_the_minimum_cannot_be_compared), CASE(other_units),
          CASE(entries_behind_a_pending_id), CASE(pruning_beside_readers_and_the_publisher))
