// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE /* nftw, memmem */
#include "unit.h"

#include "file.h"
#include "log.h"
#include "store_pg_impl.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static void folder_new(void)
{
    strcpy(folder, "/tmp/troth-store-XXXXXX");
    if (!mkdtemp(folder))
        abort();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void folder_drop(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A fresh folder with three databases, opened for writing. */
static struct store *store_fresh(void)
{
    struct store *st = NULL;
    struct fail f = {0};
    folder_new();
    EXPECT_INT(store_create(folder, &f), OK);
    EXPECT_INT(store_open(folder, STORE_WRITE, &st, &f), OK);
    if (!st) {
        printf("  %s\n", f.detail);
        abort();
    }
    return st;
}

static void store_drop(struct store *st)
{
    store_close(st);
    folder_drop();
}

static enum err meta_put(struct store *st, const char *name, int64_t number, struct fail *f)
{
    return store_run(st, Q_META_PUT, ARGS(ARG_T(span_str(name)), ARG_I(number), ARG_NULL), NULL, f);
}

/* The number under a name, or -1. */
static int64_t meta_get(struct store *st, const char *name)
{
    struct store_rows r;
    struct fail f = {0};
    if (!store_one(st, Q_META_GET, ARGS(ARG_T(span_str(name))), &r, &f))
        return -1;
    int64_t v = store_i(&r, 0);
    store_done(&r);
    return v;
}

static enum err key_add(struct store *st, const char *subject, const char *wrapped, struct fail *f)
{
    struct fail there = {0}; /* the class key is, from the second key on */
    store_run(st, Q_CLASS_KEY_ADD, ARGS(ARG_T(SPAN("adult")), ARG_I(1), ARG_B(SPAN("w"))), NULL, &there);
    return store_run(st, Q_KEY_ADD,
                     ARGS(ARG_B(span_str(subject)), ARG_T(SPAN("adult")), ARG_I(1), ARG_B(span_str(wrapped))),
                     NULL, f);
}

static bool key_has(struct store *st, const char *subject)
{
    struct store_rows r;
    struct fail f = {0};
    bool has = store_one(st, Q_KEY_GET, ARGS(ARG_B(span_str(subject))), &r, &f);
    store_done(&r);
    return has;
}

/* True if the bytes occur in the file; a missing file holds nothing. */
static bool file_holds(const char *name, const char *bytes)
{
    struct arena *a = arena_new(0);
    struct span s = SPAN_EMPTY;
    file_read(a, path_of(name), 1u << 26, &s, NULL);
    bool holds = s.len && memmem(s.p, s.len, bytes, strlen(bytes)) != NULL;
    arena_free(a);
    return holds;
}

static enum err open_err(enum store_mode mode, struct fail *f)
{
    struct store *st = NULL;
    *f = (struct fail){0};
    enum err err = store_open(folder, mode, &st, f);
    store_close(st);
    return err;
}

/* ---- Creating and opening */

TEST(create_open_and_create_again)
{
    struct store *st = store_fresh();
    struct fail f = {0};
    EXPECT_INT(store_create(folder, &f), ERR_CONFLICT);
    EXPECT(strstr(f.detail, "already exists") != NULL);
    struct stat info;
    EXPECT(stat(path_of("keys.db"), &info) == 0 && (info.st_mode & 0777) == 0600);
    EXPECT(stat(path_of("troth.db"), &info) == 0 && (info.st_mode & 0777) == 0600);
    store_drop(st);
}

TEST(pragmas_are_in_force)
{
    struct store *st = store_fresh();
    const struct {
        enum store_db db;
        const char *pragma;
        int64_t want;
    } rows[] = {{STORE_MAIN, "PRAGMA synchronous", 2},
                {STORE_KEYS, "PRAGMA synchronous", 2},
                {STORE_HISTORY, "PRAGMA synchronous", 1},
                {STORE_MAIN, "PRAGMA secure_delete", 1},
                {STORE_KEYS, "PRAGMA secure_delete", 1},
                {STORE_MAIN, "PRAGMA foreign_keys", 1},
                {STORE_MAIN, "PRAGMA user_version", store_schema_newest(STORE_MAIN)},
                {STORE_MAIN, "PRAGMA trusted_schema", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t got = -1;
        struct fail f = {0};
        EXPECT_INT(store_file_number(&st->file[rows[i].db], rows[i].pragma, &got, &f), OK);
        EXPECT_INT(got, rows[i].want);
    }
    store_drop(st);
}

TEST(an_empty_folder_holds_none)
{
    struct fail f;
    folder_new();
    EXPECT_INT(open_err(STORE_WRITE, &f), ERR_NOT_FOUND);
    EXPECT(strstr(f.detail, "troth.db") != NULL);
    folder_drop();
}

TEST(a_missing_folder_cannot_be_created_in)
{
    struct fail f = {0};
    strcpy(folder, "/tmp/troth-store-none/none");
    EXPECT(store_create(folder, &f) != OK);
    EXPECT(strstr(f.detail, "/tmp/troth-store-none/none") != NULL);
}

static void damage(const char *name, off_t at, const char *bytes)
{
    int fd = open(path_of(name), O_WRONLY);
    if (fd < 0 || pwrite(fd, bytes, strlen(bytes), at) < 0)
        abort();
    close(fd);
}

TEST(a_corrupt_header_is_named)
{
    struct fail f;
    store_close(store_fresh());
    damage("keys.db", 0, "not a database at all");
    EXPECT_INT(open_err(STORE_WRITE, &f), ERR_CORRUPT);
    EXPECT(strstr(f.detail, "keys.db") != NULL);
    EXPECT(f.hint[0] != 0);
    folder_drop();
}

TEST(truncated_files_are_named)
{
    static const off_t lengths[] = {0, 50, 4096, 10000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct fail f;
        store_close(store_fresh());
        if (truncate(path_of("troth.db"), lengths[i]) != 0)
            abort();
        EXPECT_INT(open_err(STORE_WRITE, &f), ERR_CORRUPT);
        EXPECT(strstr(f.detail, "troth.db") != NULL);
        folder_drop();
    }
}

TEST(a_damaged_page_is_corrupt_not_a_crash)
{
    struct fail f = {0};
    store_close(store_fresh());
    damage("troth.db", 4096, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    struct store *st = NULL;
    enum err err = store_open(folder, STORE_WRITE, &st, &f);
    if (err == OK)
        err = meta_put(st, "x", 1, &f);
    EXPECT_INT(err, ERR_CORRUPT);
    EXPECT(strstr(f.detail, "troth.db") != NULL);
    store_drop(st);
}

TEST(another_database_of_ours_under_the_wrong_name)
{
    struct fail f;
    char from[256];
    store_close(store_fresh());
    strcpy(from, path_of("history.db"));
    EXPECT_INT(rename(from, path_of("keys.db")), 0);
    EXPECT_INT(open_err(STORE_WRITE, &f), ERR_CORRUPT);
    EXPECT(strstr(f.detail, "keys.db") != NULL);
    folder_drop();
}

TEST(missing_keys_are_a_damage_and_missing_history_is_made_anew)
{
    struct fail f;
    store_close(store_fresh());
    unlink(path_of("history.db"));
    EXPECT(open_err(STORE_READ, &f) != OK);
    EXPECT_INT(open_err(STORE_WRITE, &f), OK);
    EXPECT(file_exists(path_of("history.db")));
    unlink(path_of("keys.db"));
    EXPECT_INT(open_err(STORE_WRITE, &f), ERR_CORRUPT);
    EXPECT(strstr(f.detail, "keys.db") != NULL);
    folder_drop();
}

/* Runs fn as the user nobody, for whom permissions mean something. */
static int as_nobody(int (*fn)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0) ? 99 : fn());
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int open_read_only(void)
{
    struct fail f;
    enum err err = open_err(STORE_WRITE, &f);
    bool says = strstr(f.detail, folder) != NULL && f.hint[0] != 0;
    return err == ERR_IO && says ? 0 : 1;
}

static int create_read_only(void)
{
    struct fail f = {0};
    return store_create(folder, &f) == ERR_IO && strstr(f.detail, folder) ? 0 : 1;
}

TEST(a_read_only_folder_is_named)
{
    store_close(store_fresh());
    chmod(folder, 0555);
    for (unsigned i = 0; i < STORE_DB_COUNT; i++)
        chmod(path_of(store_def((enum store_db)i)->name), 0444);
    EXPECT_INT(as_nobody(open_read_only), 0);
    chmod(folder, 0755);
    folder_drop();
    folder_new();
    chmod(folder, 0555);
    EXPECT_INT(as_nobody(create_read_only), 0);
    folder_drop();
}

TEST(a_restored_copy_gets_its_wal_back)
{
    struct store *st = store_fresh();
    struct fail f = {0};
    EXPECT_INT(store_file_exec(&st->file[STORE_MAIN], "PRAGMA journal_mode = DELETE", &f), OK);
    store_close(st);
    EXPECT_INT(store_open(folder, STORE_WRITE, &st, &f), OK);
    EXPECT_INT(meta_put(st, "x", 1, &f), OK);
    EXPECT(file_exists(path_of("troth.db-wal")));
    store_drop(st);
}

/* ---- Migrations */

#define FILE_ROW(name, text)                                                                                 \
    {                                                                                                        \
        {(const uint8_t *)(name), sizeof(name) - 1},                                                         \
        {                                                                                                    \
            (const uint8_t *)(text), sizeof(text) - 1                                                        \
        }                                                                                                    \
    }

TEST(migrations_run_once_in_order)
{
    static const struct embedded_file files[] = {
        FILE_ROW("migrate-main-002.sql", ""),
        FILE_ROW("migrate-main-004.sql", "INSERT INTO extra VALUES (7);"),
        FILE_ROW("migrate-main-003.sql", "CREATE TABLE extra (n INTEGER NOT NULL);"),
    };
    struct store *st = store_fresh();
    struct store_file *main = &st->file[STORE_MAIN];
    struct fail f = {0};
    int64_t n = 0;
    EXPECT_INT(store_file_exec(main, "PRAGMA user_version = 2", &f), OK);
    EXPECT_INT(store_schema_migrate(main, files, 3, false, &f),
               ERR_CONFLICT); /* a reader does not change schemas */
    EXPECT(f.hint[0] != 0);
    f = (struct fail){0};
    EXPECT_INT(store_schema_migrate(main, files, 3, true, &f), OK);
    EXPECT_INT(store_schema_migrate(main, files, 3, true, &f), OK);
    EXPECT_INT(store_file_number(main, "PRAGMA user_version", &n, &f), OK);
    EXPECT_INT(n, 4);
    EXPECT_INT(store_file_number(main, "SELECT COUNT(*) FROM extra", &n, &f), OK);
    EXPECT_INT(n, 1);
    EXPECT_INT(store_file_exec(main, "PRAGMA user_version = 99", &f), OK);
    store_close(st);
    EXPECT_INT(open_err(STORE_WRITE, &f), ERR_CONFLICT); /* written by a newer program */
    EXPECT(strstr(f.detail, "version 99") != NULL);
    folder_drop();
}

/* A new folder whose database is as `sql` makes it: tables as they once were, and the version that had them.
 */
static struct store *store_of_old(enum store_db which, const char *sql)
{
    struct store *st = store_fresh();
    EXPECT_INT(sqlite3_exec(st->file[which].db, sql, NULL, NULL, NULL), SQLITE_OK);
    return st;
}

/* A folder made before class keys had generations. */
TEST(an_old_keys_db_is_brought_up_to_date)
{
    struct fail f = {0};
    struct store *st = store_of_old(
        STORE_KEYS, "DROP TABLE class_key; DROP TABLE person_key;"
                    "CREATE TABLE class_key (class TEXT NOT NULL PRIMARY KEY, wrapped BLOB NOT NULL);"
                    "CREATE TABLE person_key (subject BLOB NOT NULL PRIMARY KEY, class TEXT NOT NULL,"
                    " wrapped BLOB NOT NULL);"
                    "INSERT INTO class_key VALUES ('adult', x'01'), ('child', x'02');"
                    "INSERT INTO person_key VALUES (x'aa', 'child', x'03'); PRAGMA user_version = 1");
    struct store_rows r;
    store_close(st);
    EXPECT_INT(store_open(folder, STORE_READ, &st, &f), ERR_CONFLICT);
    f = (struct fail){0};
    EXPECT_INT(store_open(folder, STORE_WRITE, &st, &f), OK);
    EXPECT(store_one(st, Q_CLASS_KEY_ALL, ARGS(ARG_T(SPAN("child"))), &r, &f));
    EXPECT_INT(store_i(&r, 0), 1);
    EXPECT_SPAN(store_t(&r, 1), "\x02");
    store_done(&r);
    EXPECT(store_one(st, Q_KEY_GET, ARGS(ARG_B(SPAN("\xaa"))), &r, &f));
    EXPECT_SPAN(store_t(&r, 0), "child");
    EXPECT_INT(store_i(&r, 1), 1);
    EXPECT_SPAN(store_t(&r, 2), "\x03");
    store_done(&r);
    store_drop(st);
}

TEST(an_old_server_is_refused)
{
    struct fail f = {0};
    EXPECT_INT(pg_check_version(150008, "people", &f), OK);
    EXPECT_INT(pg_check_version(140011, "people", &f), ERR_IO);
    EXPECT(strstr(f.detail, "people: its server is PostgreSQL 14; troth needs 15 or newer") != NULL);
}

/* A folder made when a person's row had a number of its own. */
TEST(persons_of_an_old_troth_db_are_kept)
{
    struct fail f = {0};
    struct store *st = store_of_old(
        STORE_MAIN,
        "DROP TABLE node; DROP TABLE entry_copy; DROP TABLE index_hash; DROP TABLE index_head;"
        "DROP TABLE subject; CREATE TABLE subject (id BLOB NOT NULL PRIMARY KEY, sid INTEGER NOT NULL,"
        " created INTEGER NOT NULL, teen_from INTEGER NOT NULL, adult_from INTEGER NOT NULL,"
        " state INTEGER NOT NULL, region TEXT NOT NULL, epoch INTEGER NOT NULL DEFAULT 0);"
        "CREATE INDEX subject_by_sid ON subject (sid);"
        "CREATE INDEX subject_by_teen ON subject (teen_from) WHERE teen_from > 0;"
        "INSERT INTO subject VALUES (x'bb', 2, 20, 0, 0, 0, 'CN', 5), (x'aa', 1, 10, 7, 8, 1, 'DE', 4);"
        "PRAGMA user_version = 4");
    struct store_rows r;
    struct embedded_file files[8];
    size_t n = 0;
    for (size_t i = 0; i < store_sql_count; i++)
        if (span_starts(store_sql[i].name, "migrate-main-00") && store_sql[i].name.p[15] <= '5')
            files[n++] = store_sql[i];
    EXPECT_INT(store_schema_migrate(&st->file[STORE_MAIN], files, n, true, &f), OK);
    int64_t kept = 0; /* Q_SUBJECT_GET wants the newest schema */
    EXPECT_INT(store_file_number(&st->file[STORE_MAIN],
                                 "SELECT COUNT(*) FROM subject WHERE id = x'aa' AND sid = 1 AND teen_from = 7"
                                 " AND region = 'DE' AND epoch = 4",
                                 &kept, &f),
               OK);
    EXPECT_INT(kept, 1);
    EXPECT(store_one(st, Q_SUBJECT_OF_SID, ARGS(ARG_I(2)), &r, &f));
    EXPECT_SPAN(store_t(&r, 0), "\xbb");
    store_done(&r);
    EXPECT(store_one(st, Q_SUBJECT_GROWN, ARGS(ARG_I(9), ARG_I(9)), &r, &f));
    EXPECT_SPAN(store_t(&r, 0), "\xaa");
    store_done(&r);
    store_drop(st);
    struct arena *a = arena_new(0);
    EXPECT_INT(store_migration_pg(a, STORE_MAIN, 5).len, 0); /* for files only */
    EXPECT(store_migration_pg(a, STORE_MAIN, 4).len > 0);
    arena_free(a);
}

/* A folder made when what happened was not told apart by sources. */
TEST(happenings_of_an_old_troth_db_are_of_every_source)
{
    struct fail f = {0};
    struct store *st = store_of_old(
        STORE_MAIN,
        "DROP TABLE happening; CREATE TABLE happening (sid INTEGER NOT NULL, event TEXT NOT NULL,"
        " field TEXT NOT NULL, item TEXT NOT NULL, service TEXT NOT NULL, purpose TEXT NOT NULL,"
        " time INTEGER NOT NULL, PRIMARY KEY (sid, event, field, item, service, purpose)) WITHOUT ROWID;"
        "ALTER TABLE subject DROP COLUMN card;"
        "INSERT INTO happening VALUES (7, 'case-closed', 'letters', 'case-9', 'shop', 'selling', 77);"
        "PRAGMA user_version = 8");
    struct store_rows r;
    store_close(st);
    EXPECT_INT(store_open(folder, STORE_WRITE, &st, &f), OK);
    EXPECT(store_one(st, Q_HAPPENING_LIST, ARGS(ARG_I(7)), &r, &f));
    EXPECT_SPAN(store_t(&r, 2), "case-9");
    EXPECT_SPAN(store_t(&r, 4), "selling");
    EXPECT_SPAN(store_t(&r, 5), "");
    EXPECT_INT(store_i(&r, 6), 77);
    store_done(&r);
    store_drop(st);
}

/* ---- Migrations that take long */

static uint64_t disk_left;

static bool left_on_disk(const char *path, uint64_t *bytes)
{
    EXPECT(strstr(path, "troth.db") != NULL);
    *bytes = disk_left;
    return true;
}

static const struct embedded_file anew[] = {
    FILE_ROW(
        "migrate-main-002.sql",
        "-- SPDX\n-- anew: the numbers of all things\nCREATE TABLE extra (n INTEGER NOT NULL, b BLOB);"
        "INSERT INTO extra WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 40000)"
        " SELECT n, zeroblob(400) FROM c; DROP TABLE extra;"),
};

/* Runs it from schema version 1, and reads what it wrote to standard error. */
static enum err migrate_anew(struct store *st, char *said, size_t room, struct fail *f)
{
    int saved = dup(STDERR_FILENO);
    FILE *file = tmpfile();
    EXPECT(file && dup2(fileno(file), STDERR_FILENO) >= 0);
    EXPECT_INT(store_file_exec(&st->file[STORE_MAIN], "PRAGMA user_version = 1", f), OK);
    enum err err = store_schema_migrate(&st->file[STORE_MAIN], anew, 1, true, f);
    rewind(file);
    said[fread(said, 1, room - 1, file)] = 0;
    EXPECT(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    fclose(file);
    return err;
}

TEST(a_long_migration_says_how_far_it_is)
{
    char said[4096];
    struct fail f = {0};
    struct store *st = store_fresh();
    EXPECT_INT(migrate_anew(st, said, sizeof said, &f), OK);
    EXPECT(said[0] == 0); /* it is over in no time */
    const unsigned usual = store_long_ms;
    store_long_ms = 0;
    EXPECT_INT(migrate_anew(st, said, sizeof said, &f), OK);
    store_long_ms = usual;
    EXPECT(strstr(said, "troth.db: to schema version 2, the numbers of all things are written anew: ") !=
           NULL);
    EXPECT(strstr(said, " MiB of disk\n") != NULL);
    EXPECT(strstr(said, "troth.db: it has schema version 2, after ") != NULL);
    store_drop(st);
}

TEST(a_migration_for_which_the_disk_has_no_room_does_not_begin)
{
    char said[4096], want[256];
    struct fail f = {0};
    struct store *st = store_fresh();
    bool (*const usual)(const char *, uint64_t *) = store_disk_free;
    int64_t pages = 0, page = 0, version = 0, n = 0;
    EXPECT_INT(store_file_number(&st->file[STORE_MAIN], "PRAGMA page_count", &pages, &f), OK);
    EXPECT_INT(store_file_number(&st->file[STORE_MAIN], "PRAGMA page_size", &page, &f), OK);
    store_disk_free = left_on_disk;
    disk_left = (uint64_t)(pages * page / 4 * 13 - 1);
    EXPECT_INT(migrate_anew(st, said, sizeof said, &f), ERR_DISK_FULL);
    snprintf(want, sizeof want,
             "the numbers of all things are written anew; that takes up to %lld MiB more on its disk, and "
             "%lld MiB are free",
             (long long)(pages * page / 4 * 13 + (1 << 20) - 1) >> 20,
             (long long)(disk_left + (1 << 20) - 1) >> 20);
    EXPECT(strstr(f.detail, want) != NULL);
    f = (struct fail){0};
    EXPECT_INT(store_file_number(&st->file[STORE_MAIN], "PRAGMA user_version", &version, &f), OK);
    EXPECT_INT(version, 1);
    EXPECT_INT(store_file_number(&st->file[STORE_MAIN],
                                 "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'extra'", &n, &f),
               OK);
    EXPECT_INT(n, 0);
    disk_left++;
    EXPECT_INT(migrate_anew(st, said, sizeof said, &f), OK);
    store_disk_free = usual;
    store_drop(st);
}

/* What is refused is as it was: steps before the long one are not taken either. */
TEST(a_long_migration_behind_others_is_refused_before_the_first_of_them)
{
    const struct embedded_file steps[] = {
        FILE_ROW("migrate-main-002.sql", "CREATE TABLE small (n INTEGER NOT NULL);"),
        FILE_ROW("migrate-main-003.sql",
                 "-- SPDX\n-- anew: all things\nCREATE TABLE large (n INTEGER NOT NULL);"),
    };
    struct fail f = {0};
    struct store *st = store_fresh();
    struct store_file *sf = &st->file[STORE_MAIN];
    bool (*const usual)(const char *, uint64_t *) = store_disk_free;
    int64_t version = 0;
    EXPECT_INT(store_file_exec(sf, "PRAGMA user_version = 1", &f), OK);
    store_disk_free = left_on_disk;
    disk_left = 0;
    EXPECT_INT(store_schema_migrate(sf, steps, 2, true, &f), ERR_DISK_FULL);
    EXPECT(strstr(f.detail, "schema version 3") != NULL);
    store_disk_free = usual;
    f = (struct fail){0};
    EXPECT_INT(store_file_number(sf, "PRAGMA user_version", &version, &f), OK);
    EXPECT_INT(version, 1);
    EXPECT_INT(store_schema_migrate(sf, steps, 2, true, &f), OK);
    store_drop(st);
}

static uint64_t log_bytes(void)
{
    char path[STORE_PATH_MAX];
    struct stat s;
    snprintf(path, sizeof path, "%s/troth.db-wal", folder);
    return stat(path, &s) == 0 ? (uint64_t)s.st_size : 0;
}

static bool left_beside_the_log(const char *path, uint64_t *bytes)
{
    (void)path;
    *bytes = disk_left - log_bytes();
    return true;
}

/* As one leaves it that was killed half way. */
TEST(the_log_of_an_interrupted_migration_is_no_room_that_is_taken)
{
    char said[4096];
    struct fail f = {0};
    struct store *st = store_fresh();
    bool (*const usual)(const char *, uint64_t *) = store_disk_free;
    EXPECT_INT(
        store_file_exec(&st->file[STORE_MAIN],
                        "BEGIN; CREATE TABLE half (b BLOB);"
                        "INSERT INTO half WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c"
                        " WHERE n < 4000) SELECT zeroblob(4000) FROM c; ROLLBACK",
                        &f),
        OK);
    EXPECT(log_bytes() > 4 << 20);
    disk_left = log_bytes();
    store_disk_free = left_beside_the_log;
    EXPECT_INT(migrate_anew(st, said, sizeof said, &f), OK);
    store_disk_free = usual;
    store_drop(st);
}

/* Those that take a minute for a million people are among them. */
TEST(migrations_10_and_12_are_known_to_write_all_values_anew)
{
    unsigned found = 0;
    for (size_t i = 0; i < store_sql_count; i++)
        if (span_is(store_sql[i].name, "migrate-main-010.sql") ||
            span_is(store_sql[i].name, "migrate-main-012.sql"))
            found += strstr((const char *)store_sql[i].content.p, "\n-- anew: the values of all persons\n") !=
                     NULL;
    EXPECT_INT(found, 2);
}

TEST(a_failing_migration_leaves_nothing)
{
    static const struct embedded_file files[] = {
        FILE_ROW("migrate-main-002.sql", "CREATE TABLE extra (n INTEGER); INSERT INTO nowhere VALUES (1);"),
    };
    struct store *st = store_fresh();
    struct fail f = {0};
    int64_t n = 0;
    EXPECT_INT(store_file_exec(&st->file[STORE_MAIN], "PRAGMA user_version = 1", &f), OK);
    EXPECT(store_schema_migrate(&st->file[STORE_MAIN], files, 1, true, &f) != OK);
    f = (struct fail){0};
    EXPECT_INT(store_file_number(&st->file[STORE_MAIN], "PRAGMA user_version", &n, &f), OK);
    EXPECT_INT(n, 1);
    EXPECT_INT(store_file_number(&st->file[STORE_MAIN],
                                 "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'extra'", &n, &f),
               OK);
    EXPECT_INT(n, 0);
    store_drop(st);
}

/* ---- Statements */

TEST(arguments_are_checked_against_the_signature)
{
    struct store *st = store_fresh();
    struct fail f = {0};
    EXPECT_INT(store_run(st, Q_META_PUT, ARGS(ARG_T(SPAN("a"))), NULL, &f), ERR_INTERNAL);
    EXPECT(strstr(f.detail, "META_PUT") != NULL);
    f = (struct fail){0};
    EXPECT_INT(store_run(st, Q_META_PUT, ARGS(ARG_I(1), ARG_I(1), ARG_NULL), NULL, &f), ERR_INTERNAL);
    EXPECT(strstr(f.detail, "$1") != NULL);
    f = (struct fail){0};
    EXPECT_INT(store_run(st, Q_META_PUT, ARGS(ARG_NULL, ARG_I(1), ARG_NULL), NULL, &f), ERR_INTERNAL);
    f = (struct fail){0};
    EXPECT_INT(store_run(st, Q_META_GET, ARGS(ARG_T(SPAN("sid"))), NULL, &f), ERR_INTERNAL);
    EXPECT(strstr(f.detail, "store_query") != NULL);
    store_drop(st);
}

TEST(empty_is_not_null_and_bytes_keep_zeros)
{
    struct store *st = store_fresh();
    struct store_rows r;
    struct fail f = {0};
    EXPECT_INT(store_run(st, Q_META_PUT, ARGS(ARG_T(SPAN("e")), ARG_NULL, ARG_B(SPAN_EMPTY)), NULL, &f), OK);
    EXPECT(store_one(st, Q_META_GET, ARGS(ARG_T(SPAN("e"))), &r, &f));
    EXPECT(store_is_null(&r, 0) && !store_is_null(&r, 1));
    EXPECT_INT(store_t(&r, 1).len, 0);
    store_done(&r);
    EXPECT_INT(
        store_run(st, Q_META_PUT, ARGS(ARG_T(SPAN("z")), ARG_I(INT64_MIN), ARG_B(SPAN("a\0b"))), NULL, &f),
        OK);
    EXPECT(store_one(st, Q_META_GET, ARGS(ARG_T(SPAN("z"))), &r, &f));
    EXPECT(store_i(&r, 0) == INT64_MIN);
    EXPECT(span_eq(store_t(&r, 1), SPAN("a\0b")));
    store_done(&r);
    store_done(&r); /* harmless */
    EXPECT(!store_one(st, Q_META_GET, ARGS(ARG_T(SPAN("none"))), &r, &f));
    EXPECT_INT(r.err, OK);
    store_drop(st);
}

TEST(a_clash_is_a_conflict_and_rows_changed_are_counted)
{
    struct store *st = store_fresh();
    struct fail f = {0};
    int64_t changed = -1;
    EXPECT_INT(store_run(st, Q_ERASED_ADD, ARGS(ARG_B(SPAN("p")), ARG_I(1)), &changed, &f), OK);
    EXPECT_INT(changed, 1);
    EXPECT_INT(store_run(st, Q_ERASED_ADD, ARGS(ARG_B(SPAN("p")), ARG_I(2)), NULL, &f), ERR_CONFLICT);
    store_drop(st);
}

TEST(a_statement_has_one_set_of_rows)
{
    struct store *st = store_fresh();
    struct store_rows a, b;
    struct fail f = {0};
    EXPECT(store_one(st, Q_META_GET, ARGS(ARG_T(SPAN("sid"))), &a, &f));
    EXPECT(!store_one(st, Q_META_GET, ARGS(ARG_T(SPAN("sid"))), &b, &f));
    EXPECT_INT(b.err, ERR_INTERNAL);
    store_done(&a);
    store_drop(st);
}

TEST(returning_counts_up)
{
    struct store *st = store_fresh();
    struct fail f = {0};
    EXPECT_INT(store_begin_write(st, &f), OK);
    for (int i = 1; i <= 3; i++) {
        struct store_rows r;
        EXPECT(store_one(st, Q_META_TAKE, ARGS(ARG_T(SPAN("sid")), ARG_I(1)), &r, &f));
        EXPECT_INT(store_i(&r, 0), i);
        store_done(&r);
    }
    EXPECT_INT(store_commit(st, &f), OK);
    EXPECT_INT(meta_get(st, "sid"), 3);
    store_drop(st);
}

/* ---- Groups */

TEST(savepoints_span_both_databases)
{
    struct store *st = store_fresh();
    struct fail f = {0};
    EXPECT_INT(store_begin_write(st, &f), OK);
    EXPECT_INT(store_savepoint(st, &f), OK);
    meta_put(st, "kept", 1, &f);
    key_add(st, "kept", "w", &f);
    store_savepoint_keep(st);
    EXPECT_INT(store_savepoint(st, &f), OK);
    meta_put(st, "undone", 1, &f);
    key_add(st, "undone", "w", &f);
    store_forget_key(st, SPAN("kept"), NULL, NULL);
    store_savepoint_undo(st);
    EXPECT_INT(store_commit(st, &f), OK);
    EXPECT_INT(meta_get(st, "kept"), 1);
    EXPECT_INT(meta_get(st, "undone"), -1);
    EXPECT(key_has(st, "kept"));
    EXPECT(!key_has(st, "undone"));
    EXPECT_INT(store_begin_write(st, &f), OK);
    meta_put(st, "back", 1, &f);
    key_add(st, "back", "w", &f);
    store_rollback(st);
    EXPECT_INT(meta_get(st, "back"), -1);
    EXPECT(!key_has(st, "back"));
    store_drop(st);
}

/* A savepoint is set with the first write to its database: without one, and with one in either, it undoes
 * what is its own. */
TEST(savepoints_undo_what_was_written_since)
{
    struct store *st = store_fresh();
    struct fail f = {0};
    EXPECT_INT(store_begin_write(st, &f), OK);
    EXPECT_INT(store_savepoint(st, &f), OK);
    EXPECT_INT(meta_get(st, "read"), -1);
    store_savepoint_undo(st); /* nothing was written */
    EXPECT_INT(meta_put(st, "between", 1, &f), OK);
    EXPECT_INT(store_savepoint(st, &f), OK);
    EXPECT_INT(meta_put(st, "undone", 2, &f), OK);
    store_savepoint_undo(st);
    EXPECT_INT(store_savepoint(st, &f), OK);
    store_savepoint_keep(st);
    EXPECT_INT(store_savepoint(st, &f), OK);
    EXPECT_INT(meta_put(st, "kept", 3, &f), OK);
    store_savepoint_keep(st);
    EXPECT_INT(store_savepoint(st, &f), OK); /* one within another */
    EXPECT_INT(store_savepoint(st, &f), OK);
    EXPECT_INT(meta_put(st, "inner", 4, &f), OK);
    store_savepoint_keep(st);
    EXPECT_INT(store_savepoint(st, &f), OK);
    store_savepoint_undo(st);
    EXPECT_INT(store_savepoint(st, &f), OK);
    EXPECT_INT(meta_put(st, "inner undone", 5, &f), OK);
    store_savepoint_undo(st);
    store_savepoint_keep(st);
    EXPECT_INT(store_commit(st, &f), OK);
    EXPECT_INT(meta_get(st, "inner"), 4);
    EXPECT_INT(meta_get(st, "inner undone"), -1);
    EXPECT_INT(meta_get(st, "between"), 1);
    EXPECT_INT(meta_get(st, "undone"), -1);
    EXPECT_INT(meta_get(st, "kept"), 3);
    store_drop(st);
}

/* The outer one goes back to where it was set, whatever became of those within. */
TEST(an_outer_savepoint_undoes_what_an_inner_one_kept)
{
    for (int kept = 0; kept < 2; kept++) {
        struct store *st = store_fresh();
        struct fail f = {0};
        EXPECT_INT(store_begin_write(st, &f), OK);
        key_add(st, "stays", "w", &f);
        EXPECT_INT(store_savepoint(st, &f), OK);
        store_forget_key(st, SPAN("stays"), NULL, NULL);
        EXPECT_INT(meta_put(st, "outer", 1, &f), OK);
        EXPECT_INT(store_savepoint(st, &f), OK);
        EXPECT_INT(meta_put(st, "first line", 2, &f), OK);
        store_savepoint_keep(st);
        EXPECT_INT(store_savepoint(st, &f), OK);
        EXPECT_INT(meta_put(st, "second line", 3, &f), OK);
        key_add(st, "second line", "w", &f);
        if (kept)
            store_savepoint_keep(st);
        else
            store_savepoint_undo(st);
        store_savepoint_undo(st);
        EXPECT_INT(store_commit(st, &f), OK);
        EXPECT_INT(meta_get(st, "outer"), -1);
        EXPECT_INT(meta_get(st, "first line"), -1);
        EXPECT_INT(meta_get(st, "second line"), -1);
        EXPECT(!key_has(st, "second line"));
        EXPECT(key_has(st, "stays"));
        store_drop(st);
    }
}

TEST(a_snapshot_does_not_move)
{
    struct store *st = store_fresh(), *reader = NULL;
    struct fail f = {0};
    EXPECT_INT(store_open(folder, STORE_READ, &reader, &f), OK);
    EXPECT(meta_put(reader, "no", 1, &f) != OK); /* query_only */
    f = (struct fail){0};
    EXPECT_INT(store_begin_read(reader, &f), OK);
    EXPECT_INT(meta_put(st, "later", 5, &f), OK);
    EXPECT_INT(meta_get(reader, "later"), -1);
    store_end_read(reader);
    EXPECT_INT(store_begin_read(reader, &f), OK);
    EXPECT_INT(meta_get(reader, "later"), 5);
    store_end_read(reader);
    store_close(reader);
    store_drop(st);
}

static int64_t field_number(struct store *st, const char *name)
{
    struct fail f = {0};
    int64_t number = -1;
    EXPECT_INT(store_field_number(st, span_str(name), &number, &f), OK);
    return number;
}

static void field_add(struct store *st, const char *name)
{
    struct fail f = {0};
    EXPECT_INT(store_run(st, Q_FIELD_ADD, ARGS(ARG_T(span_str(name))), NULL, &f), OK);
}

TEST(that_a_field_has_no_number_is_true_for_a_snapshot)
{
    struct store *st = store_fresh(), *reader = NULL;
    struct fail f = {0};
    EXPECT_INT(store_open(folder, STORE_READ, &reader, &f), OK);
    EXPECT_INT(store_begin_read(reader, &f), OK);
    EXPECT_INT(field_number(reader, "phone"), 0);
    EXPECT_INT(store_begin_write(st, &f), OK);
    EXPECT_INT(field_number(st, "phone"), 0);
    field_add(st, "phone");
    EXPECT_INT(field_number(st, "phone"), 1); /* its own change */
    EXPECT_INT(store_commit(st, &f), OK);
    EXPECT_INT(field_number(reader, "phone"), 0);
    store_end_read(reader);
    EXPECT_INT(field_number(reader, "phone"), 1); /* in no snapshot */
    EXPECT_INT(store_begin_read(reader, &f), OK);
    EXPECT_INT(field_number(reader, "phone"), 1);
    EXPECT_INT(field_number(reader, "e-mail"), 0);
    store_end_read(reader);
    EXPECT_INT(store_begin_write(st, &f), OK);
    field_add(st, "e-mail");
    EXPECT_INT(store_commit(st, &f), OK);
    EXPECT_INT(store_begin_read(reader, &f), OK);
    EXPECT_INT(field_number(reader, "e-mail"), 2);
    store_end_read(reader);
    store_close(reader);
    store_drop(st);
}

TEST(rows_left_open_do_not_hold_the_snapshot)
{
    struct store *st = store_fresh(), *reader = NULL;
    struct store_rows r;
    struct fail f = {0};
    log_level_set(LOG_LVL_ERROR + 1);
    EXPECT_INT(store_open(folder, STORE_READ, &reader, &f), OK);
    EXPECT_INT(store_begin_read(reader, &f), OK);
    EXPECT(store_one(reader, Q_META_GET, ARGS(ARG_T(SPAN("sid"))), &r, &f));
    store_end_read(reader); /* without store_done */
    EXPECT_INT(meta_put(st, "later", 5, &f), OK);
    EXPECT_INT(meta_get(reader, "later"), 5);
    store_close(reader);
    store_drop(st);
}

TEST(the_index_connection_writes_history_only)
{
    struct store *st = store_fresh(), *index = NULL;
    struct store_rows r;
    struct fail f = {0};
    EXPECT_INT(store_open(folder, STORE_INDEX, &index, &f), OK);
    EXPECT(meta_put(index, "no", 1, &f) != OK);
    f = (struct fail){0};
    EXPECT_INT(store_begin_write(st, &f), OK); /* beside a group of the committer */
    EXPECT_INT(store_begin_write(index, &f), OK);
    EXPECT_INT(store_run(index, Q_HISTORY_ADD, ARGS(ARG_B(SPAN("p")), ARG_I(4)), NULL, &f), OK);
    EXPECT_INT(store_run(index, Q_HISTORY_ADD, ARGS(ARG_B(SPAN("p")), ARG_I(4)), NULL, &f), OK);
    EXPECT_INT(store_run(index, Q_HISTORY_MARK_SET, ARGS(ARG_I(5)), NULL, &f), OK);
    EXPECT_INT(store_commit(index, &f), OK);
    EXPECT_INT(store_run(st, Q_HISTORY_DROP, ARGS(ARG_B(SPAN("q"))), NULL, &f), OK);
    EXPECT_INT(store_commit(st, &f), OK);
    EXPECT(store_one(st, Q_HISTORY_LIST, ARGS(ARG_B(SPAN("p")), ARG_I(10), ARG_I(INT64_MAX)), &r, &f));
    EXPECT_INT(store_i(&r, 0), 4);
    EXPECT(!store_next(&r, &f));
    store_close(index);
    store_drop(st);
}

/* ---- Forgotten keys */

#define SECRET "Wrapped-Key-Bytes-0123456789abcdef"

TEST(a_forgotten_key_is_gone_from_every_file)
{
    struct store *st = store_fresh(), *reader = NULL;
    struct fail f = {0};
    EXPECT_INT(store_open(folder, STORE_READ, &reader, &f), OK); /* keeps the WAL in place */
    EXPECT_INT(store_begin_write(st, &f), OK);
    key_add(st, "person-to-erase-", SECRET, &f);
    meta_put(st, SECRET, 1, &f);
    for (int i = 0; i < 300; i++) { /* neighbours, so that pages split and cells move */
        char name[20];
        snprintf(name, sizeof name, "person%010d", i);
        key_add(st, name, "neighbour", &f);
    }
    EXPECT_INT(store_commit(st, &f), OK);
    EXPECT(file_holds("keys.db", SECRET) || file_holds("keys.db-wal", SECRET));
    EXPECT(key_has(reader, "person-to-erase-"));
    EXPECT_INT(store_begin_write(st, &f), OK);
    EXPECT_INT(store_savepoint(st, &f), OK);
    EXPECT_INT(store_run(st, Q_ERASED_ADD, ARGS(ARG_B(SPAN("person-to-erase-")), ARG_I(1)), NULL, &f), OK);
    store_forget_key(st, SPAN("person-to-erase-"), NULL, NULL);
    store_savepoint_keep(st);
    EXPECT_INT(store_commit(st, &f), OK);
    EXPECT(!key_has(st, "person-to-erase-"));
    EXPECT(!key_has(reader, "person-to-erase-"));
    EXPECT(key_has(reader, "person0000000007"));
    EXPECT(!file_holds("keys.db", SECRET));
    EXPECT(!file_holds("keys.db-wal", SECRET));
    struct stat info;
    EXPECT(stat(path_of("troth.db-wal"), &info) == 0 && info.st_size == 0);
    store_close(reader);
    store_drop(st);
}

/* ---- A full disk: file sizes are limited in a child, the group fails whole, and the next one passes */

static int fill_up(void)
{
    struct store *st = NULL;
    struct fail f = {0};
    char big[4096];
    memset(big, 'x', sizeof big);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {1 << 20, RLIM_INFINITY};
    if (store_open(folder, STORE_WRITE, &st, &f) != OK || setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 2;
    if (store_begin_write(st, &f) != OK || store_savepoint(st, &f) != OK)
        return 3;
    meta_put(st, "early", 1, &f);
    store_savepoint_keep(st);
    for (int i = 0; i < 4096; i++) {
        char name[20];
        struct fail ignored = {0};
        snprintf(name, sizeof name, "fill-%d", i);
        store_savepoint(st, &ignored);
        store_run(st, Q_META_PUT, ARGS(ARG_T(span_str(name)), ARG_NULL, ARG_B(span_of(big, sizeof big))),
                  NULL, &ignored);
        store_savepoint_keep(st);
    }
    if (store_commit(st, &f) != ERR_DISK_FULL || !f.hint[0] || !strstr(f.detail, "troth.db"))
        return 4;
    if (meta_get(st, "early") != -1) /* reads go on; nothing is half done */
        return 5;
    f = (struct fail){0};
    if (store_begin_write(st, &f) != OK || meta_put(st, "small", 1, &f) != OK || store_commit(st, &f) != OK)
        return 6;
    int bad = meta_get(st, "small") == 1 ? 0 : 7;
    store_close(st);
    return bad;
}

TEST(a_full_disk_fails_the_group_and_no_more)
{
    store_close(store_fresh());
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(fill_up());
    waitpid(pid, &status, 0);
    EXPECT_INT(WIFEXITED(status) ? WEXITSTATUS(status) : 99, 0);
    struct fail f;
    EXPECT_INT(open_err(STORE_WRITE, &f), OK);
    folder_drop();
}

/* ---- A killed process loses nothing that was committed */

TEST(a_killed_process_keeps_what_it_committed)
{
    store_close(store_fresh());
    int up[2], status = 0;
    if (pipe(up) != 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        struct store *st = NULL;
        struct fail f = {0};
        store_open(folder, STORE_WRITE, &st, &f);
        for (int64_t i = 1;; i++) {
            bool ok = store_begin_write(st, &f) == OK && meta_put(st, "n", i, &f) == OK &&
                      store_commit(st, &f) == OK;
            if (!ok || write(up[1], &i, sizeof i) != sizeof i)
                _exit(1);
        }
    }
    int64_t last = 0;
    while (last < 40 && read(up[0], &last, sizeof last) == sizeof last)
        ;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    close(up[1]);
    while (read(up[0], &last, sizeof last) == sizeof last)
        ;
    close(up[0]);
    struct store *st = NULL;
    struct fail f = {0};
    EXPECT_INT(store_open(folder, STORE_WRITE, &st, &f), OK);
    EXPECT(meta_get(st, "n") >= last);
    store_drop(st);
}

UNIT_MAIN(CASE(create_open_and_create_again), CASE(pragmas_are_in_force), CASE(an_empty_folder_holds_none),
          CASE(a_missing_folder_cannot_be_created_in), CASE(a_corrupt_header_is_named),
          CASE(truncated_files_are_named), CASE(a_damaged_page_is_corrupt_not_a_crash),
          CASE(another_database_of_ours_under_the_wrong_name),
          CASE(missing_keys_are_a_damage_and_missing_history_is_made_anew), CASE(a_read_only_folder_is_named),
          CASE(a_restored_copy_gets_its_wal_back), CASE(migrations_run_once_in_order),
          CASE(an_old_keys_db_is_brought_up_to_date), CASE(persons_of_an_old_troth_db_are_kept),
          CASE(happenings_of_an_old_troth_db_are_of_every_source), CASE(an_old_server_is_refused),
          CASE(a_failing_migration_leaves_nothing), CASE(a_long_migration_says_how_far_it_is),
          CASE(a_migration_for_which_the_disk_has_no_room_does_not_begin),
          CASE(a_long_migration_behind_others_is_refused_before_the_first_of_them),
          CASE(the_log_of_an_interrupted_migration_is_no_room_that_is_taken),
          CASE(migrations_10_and_12_are_known_to_write_all_values_anew),
          CASE(arguments_are_checked_against_the_signature), CASE(empty_is_not_null_and_bytes_keep_zeros),
          CASE(a_clash_is_a_conflict_and_rows_changed_are_counted), CASE(a_statement_has_one_set_of_rows),
          CASE(returning_counts_up), CASE(savepoints_span_both_databases),
          CASE(savepoints_undo_what_was_written_since),
          CASE(an_outer_savepoint_undoes_what_an_inner_one_kept), CASE(a_snapshot_does_not_move),
          CASE(that_a_field_has_no_number_is_true_for_a_snapshot),
          CASE(rows_left_open_do_not_hold_the_snapshot), CASE(the_index_connection_writes_history_only),
          CASE(a_forgotten_key_is_gone_from_every_file), CASE(a_full_disk_fails_the_group_and_no_more),
          CASE(a_killed_process_keeps_what_it_committed))
