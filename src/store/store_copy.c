// SPDX-License-Identifier: Apache-2.0
/*
 * Copies of troth.db and keys.db while they are written to: see store.h.
 *
 * SQLite's backup interface on the writing connection itself: what that connection changes in pages copied
 * already goes into the copy as well, so the copying never begins again, holds no snapshot that would keep a
 * WAL from being emptied, and at its end both files are as the last group left them.
 */
#define _GNU_SOURCE /* strerrordesc_np: thread-safe, in English whatever the locale */
#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Without a journal: a copy that is not finished is thrown away. The cache is small, what does not fit is
 * written at once. */
#define COPY_PRAGMAS                                                                                         \
    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2048;"                        \
    "PRAGMA locking_mode = EXCLUSIVE;"

#define COPY_IDLE_S 60 /* whoever asked has gone: pages need not be written twice any longer */

struct copy_one {
    char path[STORE_PATH_MAX];
    sqlite3 *db;
    sqlite3_backup *backup;
};
struct store_copy {
    struct copy_one of[STORE_DB_COUNT];
    uint64_t number;
    time_t used; /* monotonic */
};

static time_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static void one_end(struct copy_one *o)
{
    sqlite3_backup_finish(o->backup);
    sqlite3_close(o->db);
    o->backup = NULL;
    o->db = NULL;
}

void store_copy_end(struct store *st, uint64_t number)
{
    if (st->copy && number && st->copy->number != number)
        return;
    for (unsigned i = 0; st->copy && i < STORE_DB_COUNT; i++)
        one_end(&st->copy->of[i]);
    free(st->copy);
    st->copy = NULL;
}

void store_copy_forget_idle(struct store *st)
{
    if (st->copy && now_s() - st->copy->used > COPY_IDLE_S)
        store_copy_end(st, 0);
}

/* The caller made the file: empty, its own, where it wants it. */
static enum err check_empty(const char *path, struct fail *f)
{
    struct stat s;
    if (lstat(path, &s) != 0)
        return fail_set(f, ERR_IO, "%s: %s", path, strerrordesc_np(errno));
    if (!S_ISREG(s.st_mode) || s.st_size != 0 || s.st_uid != geteuid())
        return fail_set(f, ERR_CONFLICT, "%s is not an empty file of the user the service runs as", path);
    return OK;
}

static enum err copy_failed(const struct copy_one *o, int rc, struct fail *f)
{
    struct store_file as = {.db = o->db};
    snprintf(as.path, sizeof as.path, "%s", o->path);
    return store_file_fail(&as, rc, "write the copy", f);
}

static enum err one_begin(struct store *st, enum store_db which, const char *path, struct fail *f)
{
    struct copy_one *o = &st->copy->of[which];
    if (!path)
        return OK;
    if (st->pg[which]) {
        fail_hint(f, "back its databases up with pg_dump, each apart (docs/operating.md, \"On PostgreSQL\")");
        return fail_set(f, ERR_CONFLICT, "the databases of this folder lie on a PostgreSQL server");
    }
    enum err err = check_empty(path, f);
    if (err != OK)
        return err;
    int n = snprintf(o->path, sizeof o->path, "%s", path);
    if (n < 0 || (size_t)n >= sizeof o->path)
        return fail_set(f, ERR_BAD_VALUE, "the path of a copy is too long");
    int rc = sqlite3_open_v2(path, &o->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(o->db, COPY_PRAGMAS, NULL, NULL, NULL);
    if (rc == SQLITE_OK && !(o->backup = sqlite3_backup_init(o->db, "main", st->file[which].db, "main")))
        rc = sqlite3_extended_errcode(o->db);
    if (rc == SQLITE_OK)
        rc = sqlite3_backup_step(o->backup, 0);
    return rc == SQLITE_OK ? OK : copy_failed(o, rc, f);
}

enum err store_copy_begin(struct store *st, const char *main_to, const char *keys_to, uint64_t *number,
                          struct fail *f)
{
    static atomic_ullong
        numbers; /* with the second beside it: not one of a process before, and exact in JSON */
    store_copy_end(st, 0);
    st->copy = calloc(1, sizeof *st->copy);
    if (!st->copy)
        abort();
    st->copy->used = now_s();
    st->copy->number = *number = ((uint64_t)time(NULL) << 20) + (atomic_fetch_add(&numbers, 1) & 0xfffff);
    enum err err = one_begin(st, STORE_MAIN, main_to, f);
    if (err == OK)
        err = one_begin(st, STORE_KEYS, keys_to, f);
    if (err != OK)
        store_copy_end(st, 0);
    return err;
}

static enum err check_number(const struct store *st, uint64_t number, struct fail *f)
{
    if (st->copy && st->copy->number == number)
        return OK;
    if (st->copy)
        return fail_set(f, ERR_CONFLICT, "another backup began and took the place of this one");
    return fail_set(f, ERR_CONFLICT, "no copy of the databases is under way, or it was left for %d seconds",
                    COPY_IDLE_S);
}

/* The last page is left for store_copy_finish: with it a copy is complete, and takes part in no change more.
 */
static enum err one_step(struct copy_one *o, int pages, struct store_copied *at, struct fail *f)
{
    if (!o->backup)
        return OK;
    int left = sqlite3_backup_remaining(o->backup), rc = SQLITE_OK;
    if (left > 1)
        rc = sqlite3_backup_step(o->backup, pages < left ? pages : left - 1);
    left = sqlite3_backup_remaining(o->backup);
    at->left += left > 1 ? (uint64_t)left - 1 : 0;
    at->pages += (uint64_t)sqlite3_backup_pagecount(o->backup);
    return rc == SQLITE_OK ? OK : copy_failed(o, rc, f);
}

enum err store_copy_step(struct store *st, uint64_t number, unsigned pages, struct store_copied *at,
                         struct fail *f)
{
    *at = (struct store_copied){0};
    enum err err = check_number(st, number, f);
    if (err != OK)
        return err;
    st->copy->used = now_s();
    err = one_step(&st->copy->of[STORE_MAIN], (int)pages, at, f);
    if (err == OK)
        err = one_step(&st->copy->of[STORE_KEYS], at->left ? 0 : (int)pages, at, f);
    if (err != OK)
        store_copy_end(st, 0);
    return err;
}

enum err store_copy_finish(struct store *st, uint64_t number, struct fail *f)
{
    enum err err = check_number(st, number, f);
    if (err != OK)
        return err;
    for (unsigned i = 0; i < STORE_DB_COUNT && err == OK; i++) {
        struct copy_one *o = &st->copy->of[i];
        int rc = o->backup ? sqlite3_backup_step(o->backup, -1) : SQLITE_DONE;
        if (rc != SQLITE_DONE)
            err = copy_failed(o, rc, f);
    }
    store_copy_end(st, 0);
    return err;
}

int store_newest(enum store_db db)
{
    return store_schema_newest(db);
}
