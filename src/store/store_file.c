// SPDX-License-Identifier: Apache-2.0
/* One database of the three: see store_impl.h. */
#define _GNU_SOURCE /* strerrordesc_np: thread-safe, in English whatever the locale */
#include "store_impl.h"
#include "store_card.h"
#include "store_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SQLITE_HEADER_BYTES 100 /* sqlite.org/fileformat2.html, 1.3 */

/* What all three share. mmap_size: any number but 0 (store_map.h); a page read costs no system call.
 * journal_size_limit: a burst leaves no huge WAL. */
#define PRAGMAS_COMMON                                                                                       \
    "PRAGMA foreign_keys = ON;"                                                                              \
    "PRAGMA trusted_schema = OFF;"                                                                           \
    "PRAGMA temp_store = MEMORY;"                                                                            \
    "PRAGMA mmap_size = 1073741824;"                                                                         \
    "PRAGMA journal_size_limit = 67108864;"

/* FULL: with NORMAL a power cut loses rows that were acknowledged (docs/security.md). secure_delete: an
 * erased person's rows are overwritten with zeros, not just unlinked. */
static const struct store_def defs[STORE_DB_COUNT] = {
    [STORE_MAIN] = {"troth.db", "schema.sql", "migrate-main-", 0x54724f4d,
                    PRAGMAS_COMMON "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
                                   "PRAGMA cache_size = -8192;"},
    [STORE_KEYS] = {"keys.db", "keys.sql", "migrate-keys-", 0x54724f4b,
                    PRAGMAS_COMMON "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
                                   "PRAGMA cache_size = -2048;"},
    [STORE_HISTORY] = {"history.db", "history.sql", "migrate-history-", 0x54724f48,
                       PRAGMAS_COMMON "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;"
                                      "PRAGMA cache_size = -2048;"},
};

const struct store_def *store_def(enum store_db which)
{
    return &defs[which];
}

uint32_t store_application_id(enum store_db which)
{
    return (uint32_t)defs[which].application_id;
}

/* ---- Failures */

enum fault { FAULT_SYNC, FAULT_DISK_FULL, FAULT_IO, FAULT_CORRUPT, FAULT_BUSY, FAULT_CLASH, FAULT_OURS };

static const struct fault_row {
    enum err code;
    const char *hint;
} fault_rows[] = {
    /* The kernel reports a lost write once: after it nobody knows what the disk holds (src/audit/DESIGN.md).
     */
    [FAULT_SYNC] = {ERR_STOPPED, "restart the service when its disk is well"},
    [FAULT_DISK_FULL] = {ERR_DISK_FULL, "make room on the disk of the data folder; nothing was half written"},
    [FAULT_IO] = {ERR_IO,
                  "let the user the service runs as read and write the data folder and every file in it"},
    [FAULT_CORRUPT] = {ERR_CORRUPT, "restore the file from a backup"},
    [FAULT_BUSY] = {ERR_BUSY, "another process holds the database; stop it or try again"},
    [FAULT_CLASH] = {ERR_CONFLICT, ""},
    [FAULT_OURS] = {ERR_INTERNAL, ""},
};

static const struct {
    int rc;
    enum fault fault;
} fault_of[] = {
    {SQLITE_FULL, FAULT_DISK_FULL},
    {SQLITE_IOERR, FAULT_IO},
    {SQLITE_READONLY, FAULT_IO},
    {SQLITE_CANTOPEN, FAULT_IO},
    {SQLITE_PERM, FAULT_IO},
    {SQLITE_AUTH, FAULT_IO},
    {SQLITE_CORRUPT, FAULT_CORRUPT},
    {SQLITE_NOTADB, FAULT_CORRUPT},
    {SQLITE_BUSY, FAULT_BUSY},
    {SQLITE_LOCKED, FAULT_BUSY},
    {SQLITE_CONSTRAINT_UNIQUE, FAULT_CLASH},
    {SQLITE_CONSTRAINT_PRIMARYKEY, FAULT_CLASH},
    {SQLITE_CONSTRAINT_ROWID, FAULT_CLASH},
};

static bool is_full(int number)
{
    return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

static enum fault fault_find(const struct store_file *sf, int rc)
{
    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
        return FAULT_SYNC;
    /* SQLite calls only ENOSPC a full disk; a quota and a file size limit are the same to us. */
    if ((rc & 0xff) == SQLITE_IOERR && sf->db && is_full(sqlite3_system_errno(sf->db)))
        return FAULT_DISK_FULL;
    for (size_t i = 0; i < sizeof fault_of / sizeof fault_of[0]; i++)
        if (fault_of[i].rc == rc || fault_of[i].rc == (rc & 0xff))
            return fault_of[i].fault;
    return FAULT_OURS;
}

/* history.db needs no backup. */
static const char *hint_of(const struct store_file *sf, enum fault fault)
{
    return fault == FAULT_CORRUPT && sf->which == STORE_HISTORY
               ? "delete the file: it is rebuilt from the record"
               : fault_rows[fault].hint;
}

enum err store_file_fail(const struct store_file *sf, int rc, const char *doing, struct fail *f)
{
    enum fault fault = fault_find(sf, rc);
    const struct fault_row *row = &fault_rows[fault];
    /* SQLite's messages name tables and columns, never values. */
    const char *why =
        sf->db && sqlite3_extended_errcode(sf->db) == rc ? sqlite3_errmsg(sf->db) : sqlite3_errstr(rc);
    if (fault == FAULT_DISK_FULL)
        why = "there is no room left";
    enum err err = fail_set(f, row->code, "%s: cannot %s: %s", sf->path, doing, why);
    fail_hint(f, "%s", hint_of(sf, fault));
    return err;
}

static enum err os_fail(const struct store_file *sf, const char *doing, struct fail *f)
{
    int number = errno;
    const struct fault_row *row = &fault_rows[is_full(number) ? FAULT_DISK_FULL : FAULT_IO];
    enum err err = fail_set(f, row->code, "%s: cannot %s: %s", sf->path, doing, strerrordesc_np(number));
    fail_hint(f, "%s", row->hint);
    return err;
}

static enum err corrupt(const struct store_file *sf, const char *what, struct fail *f)
{
    enum err err = fail_set(f, ERR_CORRUPT, "%s: %s", sf->path, what);
    fail_hint(f, "%s", hint_of(sf, FAULT_CORRUPT));
    return err;
}

/* ---- Small helpers */

enum err store_file_path(struct store_file *sf, enum store_db which, const char *data, struct fail *f)
{
    sf->which = which;
    int n = snprintf(sf->path, sizeof sf->path, "%s/%s", data, defs[which].name);
    if (n < 0 || (size_t)n >= sizeof sf->path)
        return fail_set(f, ERR_IO, "the path of the data folder is longer than %d bytes", STORE_PATH_MAX);
    return OK;
}

enum err store_file_exec(struct store_file *sf, const char *sql, struct fail *f)
{
    int rc = sqlite3_exec(sf->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? OK : store_file_fail(sf, rc, "run a command of ours", f);
}

enum err store_file_number(struct store_file *sf, const char *pragma, int64_t *out, struct fail *f)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(sf->db, pragma, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? OK : store_file_fail(sf, rc, "read its header", f);
}

/* ---- Opening */

/* A file SQLite would take for an empty database, or refuse with a word less. Read through SQLite's own
 * handle: to open and close the file beside it would drop the locks that other connections of this process
 * hold (POSIX drops all of them at the first close), and the next process to come by would take away the log
 * they write. */
static enum err check_header(const struct store_file *sf, struct fail *f)
{
    uint8_t h[SQLITE_HEADER_BYTES];
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    int rc = sqlite3_file_control(sf->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc == SQLITE_OK && file->pMethods)
        rc = file->pMethods->xFileSize(file, &size);
    if (rc != SQLITE_OK || !file->pMethods)
        return store_file_fail(sf, rc ? rc : SQLITE_IOERR, "read it", f);
    if (size < (sqlite3_int64)sizeof h)
        return corrupt(sf, "the file is cut off within its header", f);
    rc = file->pMethods->xRead(file, h, sizeof h, 0);
    if (rc != SQLITE_OK)
        return store_file_fail(sf, rc, "read it", f);
    if (memcmp(h, "SQLite format 3", 16) != 0)
        return corrupt(sf, "the header is not that of an SQLite database", f);
    return OK;
}

static enum err check_identity(struct store_file *sf, struct fail *f)
{
    int64_t id = 0;
    enum err err = store_file_number(sf, "PRAGMA application_id", &id, f);
    if (err == OK && id != defs[sf->which].application_id)
        return corrupt(sf, "this is another program's database, or another of ours under the wrong name", f);
    return err;
}

/* The handle alone: nothing is read yet. */
static enum err connect_file(struct store_file *sf, struct fail *f)
{
    /* One thread at a time has a connection: SQLite's own mutexes would only cost. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (access(sf->path, F_OK) != 0 && errno == ENOENT)
        return fail_set(f, ERR_NOT_FOUND, "%s does not exist", sf->path);
    int rc = sqlite3_open_v2(sf->path, &sf->db, flags, store_map_vfs());
    return rc == SQLITE_OK ? OK : store_file_fail(sf, rc, "open it", f);
}

static enum err set_up(struct store_file *sf, struct fail *f)
{
    sqlite3_busy_timeout(sf->db, STORE_BUSY_MS);
    sqlite3_db_config(sf->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(sf->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(sf->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    return store_file_exec(sf, defs[sf->which].pragmas, f);
}

static bool writes(enum store_mode mode, enum store_db which)
{
    return mode == STORE_WRITE || (mode == STORE_INDEX && which == STORE_HISTORY);
}

enum err store_file_open(struct store_file *sf, enum store_mode mode, struct fail *f)
{
    enum err err = connect_file(sf, f);
    if (err == OK)
        err = check_header(sf, f);
    if (err == OK)
        err = set_up(sf, f);
    if (err == OK)
        err = check_identity(sf, f);
    if (err != OK)
        return err;
    /* SQLite falls back to reading when the file is write protected; even a reader has to write the WAL's
     * index. */
    if (sqlite3_db_readonly(sf->db, "main") == 1)
        return store_file_fail(sf, SQLITE_READONLY, "write to it", f);
    if (!writes(mode, sf->which))
        return store_file_exec(sf, "PRAGMA query_only = ON", f);
    /* A file restored with VACUUM INTO comes back without the WAL. Cells are checked where something is built
     * upon them; for a reader the check of every page it passes costs a fifth of a read. */
    err = store_file_exec(sf, "PRAGMA journal_mode = WAL; PRAGMA cell_size_check = ON", f);
    return err == OK && sf->which == STORE_MAIN ? card_function(sf, f) : err;
}

enum err store_file_create(struct store_file *sf, struct fail *f)
{
    int fd = open(sf->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return fail_set(f, ERR_CONFLICT, "%s already exists", sf->path);
    if (fd < 0)
        return os_fail(sf, "create it", f);
    close(fd); /* nobody has it open yet */
    enum err err = connect_file(sf, f);
    return err == OK ? set_up(sf, f) : err;
}

void store_file_close(struct store_file *sf)
{
    for (size_t i = 0; i < CONTROL_COUNT; i++)
        sqlite3_finalize(sf->control[i]);
    card_function_end(sf);
    sqlite3_close(sf->db);
    memset(sf->control, 0, sizeof sf->control);
    sf->db = NULL;
}
