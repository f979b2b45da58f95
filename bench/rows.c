// SPDX-License-Identifier: Apache-2.0
/*
 * rows.c: what the database and the disk alone make of the rows of a change: rows [--quick] [FOLDER].
 * Prints each figure with its runs, least to most, and the processor time of one.
 *
 * create-limit   1/s  a person's row and the row of their key
 * consent-limit  1/s  an event of one of so many persons
 * collect-limit  1/s  five values of 150 bytes, written over, of one of so many persons
 * import-limit   1/s  a person with an event and five values
 *
 * It is what `create`, `consent`, `collect` and `import` of bench.py are held against: the same tables in the
 * same two files, opened as the daemon opens them, in groups of 128 as 128 callers make them. Each group is
 * committed in both files and then 128 entries of a record are written and synced, as everything acknowledged
 * must be. One thread; nothing is decided, sealed, hashed or asked over HTTP, and the outbox is left out.
 * With --quick only create-limit, in shorter runs. The folder should be on the disk that is to be measured
 * (default: the current one); it is removed afterwards.
 */
#define _GNU_SOURCE /* nftw */
#include "crypto.h"
#include "store.h"

#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    RUNS = 5,
    RUN_MS = 1000,
    RUN_QUICK_MS = 300,
    GROUP = 128,
    PERSONS = 20000,
    PERSONS_QUICK = 2000,
    VALUES = 5,
    ID = 16,
    SEALED = 186,     /* 150 bytes, sealed */
    ENTRY = 18 + 250, /* frame and leaf of an entry, and its detail */
    PLACE_SHIFT = 24
};

enum file { FILE_MAIN, FILE_KEYS, FILES };
static const char *const file_names[FILES] = {"troth.db", "keys.db"};
/* Those of store_file.c that matter to a writer. */
static const char *const pragmas[FILES] = {"PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA "
                                           "cache_size = -8192; PRAGMA mmap_size = 1073741824;",
                                           "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA "
                                           "cache_size = -2048; PRAGMA mmap_size = 1073741824;"};

enum statement { ADD_PERSON, ADD_KEY, ADD_EVENT, PUT_VALUE, STATEMENTS };
static const struct {
    enum file file;
    const char *sql;
} statements[STATEMENTS] = {
    [ADD_PERSON] = {FILE_MAIN, "INSERT INTO subject VALUES (?1, ?2, 1764547200000, 0, 0, 0, 'CN', 0, NULL)"},
    [ADD_KEY] = {FILE_KEYS, "INSERT INTO person_key VALUES (?1, 'adult', 1, ?3)"},
    [ADD_EVENT] =
        {FILE_MAIN,
         "INSERT INTO consent_event VALUES (?2, 1 + (SELECT coalesce(max(seq), 0) FROM consent_event "
         "WHERE sid = ?2), ?1, 0, 0, 0, '', 'group', '', '', '', '', '', '', 'collect,use,store', "
         "1764547200000, 4611686018427387903, 1, ?3, 'en', ?3, 'api', '', 'shop')"},
    [PUT_VALUE] =
        {FILE_MAIN,
         "INSERT INTO field_value VALUES (?2, ?2 >> 24, ?2 & 16777215, '', 1, ?3, 'subject', 'shop', "
         "'order-payment', '', 'CN', 1764547200000, 4611686018427387903, 1) ON CONFLICT (place) DO "
         "UPDATE SET version = version + 1, sealed = excluded.sealed, time = excluded.time"},
};

static char folder[256];
static sqlite3 *db[FILES];
static sqlite3_stmt *stmt[STATEMENTS];
static uint8_t random_bytes[4096 + SEALED];
static int log_fd;
static off_t log_at;
static long run_ms = RUN_MS;
static int64_t n_persons, persons = PERSONS;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void folder_drop(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "rows: %s\n", what);
    folder_drop();
    exit(1);
}

static void must(int rc, enum file file)
{
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        die(sqlite3_errmsg(db[file]));
}

static void run(enum file file, const char *sql)
{
    must(sqlite3_exec(db[file], sql, NULL, NULL, NULL), file);
}

/* ?1: an id; ?2: a number; ?3: bytes that look sealed. */
static void row(enum statement s, const uint8_t id[ID], int64_t number, int sealed)
{
    enum file file = statements[s].file;
    static unsigned turn;
    turn = (turn + 97) % 4096;
    if (sqlite3_bind_parameter_index(stmt[s], "?1"))
        must(sqlite3_bind_blob(stmt[s], 1, id, ID, SQLITE_STATIC), file);
    if (sqlite3_bind_parameter_index(stmt[s], "?2"))
        must(sqlite3_bind_int64(stmt[s], 2, number), file);
    if (sqlite3_bind_parameter_index(stmt[s], "?3"))
        must(sqlite3_bind_blob(stmt[s], 3, random_bytes + turn, sealed, SQLITE_STATIC), file);
    must(sqlite3_step(stmt[s]), file);
    must(sqlite3_reset(stmt[s]), file);
}

/* ---- What one caller asks for */

static void create(void)
{
    uint8_t id[ID];
    crypto_random(id, sizeof id);
    n_persons++;
    row(ADD_KEY, id, 0, 60);
    row(ADD_PERSON, id, n_persons, 0);
}

static int64_t somebody(void)
{
    static int64_t at;
    at = (at + 7919) % persons; /* neighbours lie on one page */
    return at + 1;
}

static void consent(void)
{
    uint8_t id[ID];
    crypto_random(id, sizeof id);
    row(ADD_EVENT, id, somebody(), 32);
}

static void collect(void)
{
    int64_t sid = somebody();
    for (int64_t field = 1; field <= VALUES; field++)
        row(PUT_VALUE, NULL, sid << PLACE_SHIFT | field, SEALED);
}

static void import(void)
{
    uint8_t id[ID];
    crypto_random(id, sizeof id);
    create();
    row(ADD_EVENT, id, n_persons, 32);
    for (int64_t field = 1; field <= VALUES; field++)
        row(PUT_VALUE, NULL, n_persons << PLACE_SHIFT | field, SEALED);
}

/* ---- Groups */

static void log_group(void)
{
    static uint8_t block[GROUP * ENTRY];
    memset(block, (int)log_at, sizeof block);
    if (pwrite(log_fd, block, sizeof block, log_at) != (ssize_t)sizeof block || fdatasync(log_fd) != 0)
        die("writing the log fails");
    log_at = (log_at + (off_t)sizeof block) % (64 << 20);
}

static void group(void (*one)(void))
{
    for (enum file f = 0; f < FILES; f++)
        run(f, "BEGIN IMMEDIATE");
    for (int i = 0; i < GROUP; i++)
        one();
    run(FILE_KEYS, "COMMIT");
    run(FILE_MAIN, "COMMIT");
    log_group();
}

static double now_s(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *name, void (*one)(void))
{
    double rate[RUNS], cpu[RUNS];
    for (int i = 0; i < RUNS; i++) {
        unsigned n = 0;
        double start = now_s(CLOCK_MONOTONIC), busy = now_s(CLOCK_PROCESS_CPUTIME_ID);
        for (; now_s(CLOCK_MONOTONIC) - start < (double)run_ms / 1e3; n += GROUP)
            group(one);
        rate[i] = n / (now_s(CLOCK_MONOTONIC) - start);
        cpu[i] = (now_s(CLOCK_PROCESS_CPUTIME_ID) - busy) * 1e6 / n;
    }
    qsort(rate, RUNS, sizeof *rate, by_size);
    qsort(cpu, RUNS, sizeof *cpu, by_size);
    printf("%-16s", name);
    for (int i = 0; i < RUNS; i++)
        printf(" %9.0f", rate[i]);
    printf(" 1/s %9.1f us\n", cpu[RUNS / 2]);
}

/* ---- The house */

static void files_open(void)
{
    char path[300];
    for (enum file f = 0; f < FILES; f++) {
        snprintf(path, sizeof path, "%s/%s", folder, file_names[f]);
        must(sqlite3_open(path, &db[f]), f);
        run(f, pragmas[f]);
    }
    for (enum statement s = 0; s < STATEMENTS; s++)
        must(sqlite3_prepare_v2(db[statements[s].file], statements[s].sql, -1, &stmt[s], NULL),
             statements[s].file);
    snprintf(path, sizeof path, "%s/log", folder);
    log_fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    static uint8_t zeros[1 << 20];
    for (off_t at = 0; at < 65 << 20; at += (off_t)sizeof zeros)
        if (log_fd < 0 || pwrite(log_fd, zeros, sizeof zeros, at) != (ssize_t)sizeof zeros)
            die("no room for the log");
    if (fsync(log_fd) != 0)
        die("no room for the log");
}

static void files_close(void)
{
    for (enum statement s = 0; s < STATEMENTS; s++)
        sqlite3_finalize(stmt[s]);
    for (enum file f = 0; f < FILES; f++)
        sqlite3_close(db[f]);
    close(log_fd);
}

static void fill(void)
{
    while (n_persons < persons)
        group(create);
    for (int64_t i = 0; i < persons; i += GROUP)
        group(collect);
}

int main(int argc, char **argv)
{
    struct fail f = {0};
    bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    if (quick) {
        run_ms = RUN_QUICK_MS;
        persons = PERSONS_QUICK;
        argc--, argv++;
    }
    snprintf(folder, sizeof folder, "%s/rows-XXXXXX", argc > 1 ? argv[1] : ".");
    if (crypto_start(&f) != OK || !mkdtemp(folder) || store_create(folder, &f) != OK)
        die(f.code ? f.detail : "no folder can be made there");
    crypto_random(random_bytes, sizeof random_bytes);
    files_open();
    fill();
    printf("SQLite alone, one thread, groups of %d, %lld persons\n", GROUP, (long long)persons);
    measure("create-limit", create);
    if (!quick) {
        measure("consent-limit", consent);
        measure("collect-limit", collect);
        measure("import-limit", import);
    }
    files_close();
    folder_drop();
    return 0;
}
