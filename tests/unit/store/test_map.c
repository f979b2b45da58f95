// SPDX-License-Identifier: Apache-2.0
/* One mapping of a database file, whoever changes it. */
#define _GNU_SOURCE
#include "store_map.h"
#include "unit.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define GIB (INT64_C(1) << 30)

static char path[96];

static void place(const char *name)
{
    static char folder[64];
    snprintf(folder, sizeof folder, "%s/troth-map-XXXXXX", unit_tmp());
    EXPECT(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/%s", folder, name);
}

static sqlite3 *opened(void)
{
    sqlite3 *db = NULL;
    EXPECT_INT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                               store_map_vfs()),
               SQLITE_OK);
    EXPECT_INT(sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA mmap_size = 1", NULL, NULL, NULL),
               SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    EXPECT_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    EXPECT_INT(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    EXPECT_INT(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

/* Mappings of the file itself, and where the first begins; the index of its log is another file. */
static unsigned mappings(char first[32])
{
    char line[512];
    unsigned n = 0;
    FILE *in = fopen("/proc/self/maps", "r");
    while (in && fgets(line, sizeof line, in)) {
        size_t len = strcspn(line, "\n");
        line[len] = '\0';
        if (len < strlen(path) || strcmp(line + len - strlen(path), path) != 0)
            continue;
        if (n++ == 0 && first)
            snprintf(first, 32, "%.*s", (int)strcspn(line, "-"), line);
    }
    if (in)
        fclose(in);
    return n;
}

static unsigned files_open(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

TEST(all_connections_share_one_mapping_that_changes_leave_alone)
{
    char before[32] = "", after[32] = "";
    unsigned files = files_open();
    place("shared.db");
    sqlite3 *writer = opened(), *reader[2] = {opened(), opened()};
    run(writer, "CREATE TABLE t (n INTEGER, b BLOB)");
    for (int i = 0; i < 50; i++) {
        run(writer, "INSERT INTO t SELECT 1, randomblob(3000); UPDATE t SET n = n + 1");
        run(writer, "PRAGMA wal_checkpoint(TRUNCATE)");
        int64_t sum = number(writer, "SELECT sum(n) FROM t");
        EXPECT_INT(number(reader[i % 2], "SELECT sum(n) FROM t"), sum);
        EXPECT_INT(number(reader[i % 2], "SELECT sum(length(b)) FROM t"), 3000 * (i + 1));
        EXPECT_INT(mappings(i ? after : before), 1);
    }
    EXPECT(before[0] && strcmp(before, after) == 0);
    for (int i = 0; i < 2; i++)
        sqlite3_close(reader[i]);
    EXPECT_INT(mappings(NULL), 1);
    sqlite3_close(writer);
    EXPECT_INT(mappings(NULL), 0);
    EXPECT_INT(files_open(), files);
}

TEST(a_file_that_became_shorter_is_read_as_it_is)
{
    place("shorter.db");
    sqlite3 *one = opened(), *other = opened();
    run(one, "CREATE TABLE t (b BLOB); WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE "
             "i < 300) "
             "INSERT INTO t SELECT randomblob(3000) FROM c");
    run(one, "PRAGMA wal_checkpoint(TRUNCATE)");
    EXPECT_INT(number(other, "SELECT count(*) FROM t WHERE length(b) = 3000"), 300);
    run(one, "DELETE FROM t WHERE rowid > 3; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    EXPECT(number(other, "PRAGMA page_count") < 20);
    EXPECT_INT(number(other, "SELECT sum(length(b)) FROM t"), 9000);
    run(one, "INSERT INTO t SELECT zeroblob(500000); PRAGMA wal_checkpoint(TRUNCATE)");
    EXPECT_INT(number(other, "SELECT sum(length(b)) FROM t"), 509000);
    EXPECT_INT(number(other, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
    sqlite3_close(one);
    sqlite3_close(other);
}

/* Asked by another process: this one sees its own locks as free. */
static bool is_locked(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000000, .l_len = 512};
        int fd = open(path, O_RDWR | O_CLOEXEC);
        _exit(fd >= 0 && fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK ? 7 : 8);
    }
    EXPECT(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

TEST(who_closes_leaves_the_others_their_locks)
{
    place("locks.db");
    sqlite3 *one = opened();
    run(one, "CREATE TABLE t (n)");
    EXPECT_INT(number(one, "SELECT count(*) FROM t"), 0);
    sqlite3 *other = opened();
    EXPECT_INT(number(other, "SELECT count(*) FROM t"), 0);
    EXPECT(is_locked());
    sqlite3_close(other);
    EXPECT(is_locked());
    sqlite3_close(one);
    EXPECT(!is_locked());
}

/* A file with holes, read as a database's. */
static uint8_t byte_at(sqlite3_file *file, sqlite3_int64 at)
{
    uint8_t *page = NULL, copy[4096] = {0};
    int rc = file->pMethods->xRead(file, copy, sizeof copy, at);
    EXPECT(file->pMethods->xFetch(file, at, sizeof copy, (void **)&page) == SQLITE_OK);
    EXPECT(rc != SQLITE_OK || (page && memcmp(page, copy, sizeof copy) == 0));
    EXPECT(rc == SQLITE_OK || page == NULL);
    return rc == SQLITE_OK ? copy[17] : 0;
}

TEST(large_files_are_mapped_in_parts)
{
    place("large.db");
    sqlite3_vfs *v = sqlite3_vfs_find(store_map_vfs());
    sqlite3_file *file = calloc(1, (size_t)v->szOsFile);
    uint8_t page[4096];
    int flags = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    EXPECT(file && v->xOpen(v, path, file, flags, NULL) == SQLITE_OK);
    for (int64_t at = 0, n = 1; at <= 3 * GIB; at += GIB / 2 - 4096, n++) {
        memset(page, (int)n, sizeof page);
        EXPECT_INT(file->pMethods->xWrite(file, page, sizeof page, at), SQLITE_OK);
        EXPECT_INT(byte_at(file, at), n); /* the file grew: what is known of its size is old */
    }
    EXPECT_INT(byte_at(file, GIB / 2 - 4096), 2);
    EXPECT_INT(byte_at(file, GIB - 4096), 0);
    EXPECT_INT(byte_at(file, 5 * GIB), 0);
    EXPECT(mappings(NULL) >= 3);
    EXPECT_INT(file->pMethods->xClose(file), SQLITE_OK);
    EXPECT_INT(mappings(NULL), 0);
    free(file);
    unlink(path);
}

TEST(what_cannot_be_opened_leaves_nothing_behind)
{
    unsigned files = files_open();
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/no/such/folder.db", unit_tmp());
    EXPECT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, store_map_vfs()) != SQLITE_OK);
    sqlite3_close(db);
    EXPECT_INT(files_open(), files);
}

TEST(a_file_that_cannot_be_had_twice_is_not_opened)
{
    struct rlimit all, few;
    sqlite3 *db = NULL;
    place("few.db");
    sqlite3_close(opened());
    EXPECT(getrlimit(RLIMIT_NOFILE, &all) == 0);
    few = all;
    int next = dup(STDOUT_FILENO);
    EXPECT(next >= 0 && close(next) == 0);
    few.rlim_cur = (rlim_t)next + 1; /* SQLite's own */
    EXPECT(setrlimit(RLIMIT_NOFILE, &few) == 0);
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, store_map_vfs());
    EXPECT(setrlimit(RLIMIT_NOFILE, &all) == 0);
    EXPECT_INT(rc, SQLITE_CANTOPEN);
    sqlite3_close(db);
    db = opened();
    EXPECT_INT(mappings(NULL), 1);
    sqlite3_close(db);
    EXPECT_INT(mappings(NULL), 0);
}

UNIT_MAIN(CASE(a_file_that_cannot_be_had_twice_is_not_opened),
          CASE(all_connections_share_one_mapping_that_changes_leave_alone),
          CASE(a_file_that_became_shorter_is_read_as_it_is), CASE(who_closes_leaves_the_others_their_locks),
          CASE(large_files_are_mapped_in_parts), CASE(what_cannot_be_opened_leaves_nothing_behind))
