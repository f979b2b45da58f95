// SPDX-License-Identifier: Apache-2.0
/* Create, open, close: see store.h. */
#include "store_memo.h"
#include "store_pg.h"

#include "file.h"
#include "log.h"
#include "move.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void sqlite_setup(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* its counters are one lock for all readers */
    /* A process has two dozen connections, most of them idle: nothing is set aside for each beforehand. */
    sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, STORE_LOOKASIDE_BYTES, STORE_LOOKASIDE_SLOTS);
    sqlite3_initialize();
}

void store_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, sqlite_setup);
}

static struct store *store_new(enum store_mode mode)
{
    store_start();
    /* Mapped, not taken from the heap: of a hundred kilobytes an idle connection touches ten. */
    struct store *st = mmap(NULL, sizeof *st, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (st == MAP_FAILED)
        abort(); /* as the arena does: out of memory ends the process */
    st->mode = mode;
    return st;
}

void store_close(struct store *st)
{
    if (!st)
        return;
    store_rollback(st);
    store_copy_end(st, 0);
    store_finalize(st);
    memo_free(st);
    for (unsigned i = 0; i < STORE_DB_COUNT; i++) {
        pg_close(st->pg[i]);
        store_file_close(&st->file[i]);
    }
    pg_close(st->aside);
    free(st->forget);
    free(st->owed);
    free(st->carded);
    munmap(st, sizeof *st);
}

/* ---- Creating */

static void file_remove(const struct store_file *sf)
{
    static const char *const suffix[] = {"", "-wal", "-shm"};
    char path[STORE_PATH_MAX + 8];
    for (size_t i = 0; i < sizeof suffix / sizeof suffix[0]; i++) {
        snprintf(path, sizeof path, "%s%s", sf->path, suffix[i]);
        unlink(path);
    }
}

static enum err file_create(const char *data, enum store_db which, struct fail *f)
{
    struct store_file sf = {0};
    enum err err = store_file_path(&sf, which, data, f);
    if (err == OK && file_exists(sf.path))
        return fail_set(f, ERR_CONFLICT, "%s already exists", sf.path);
    if (err == OK)
        err = store_file_create(&sf, f);
    if (err == OK)
        err = store_schema_create(&sf, f);
    store_file_close(&sf);
    if (err != OK && err != ERR_CONFLICT)
        file_remove(&sf);
    return err;
}

/* troth.db last: where it is, the others are. */
static const enum store_db create_order[STORE_DB_COUNT] = {STORE_HISTORY, STORE_KEYS, STORE_MAIN};

/* Databases on a server are made and dropped there; false: it is a file. */
static const char *url_of(struct arena *a, const struct pg_urls *urls, enum store_db which)
{
    struct span url = which == STORE_MAIN ? urls->main : which == STORE_KEYS ? urls->keys : SPAN_EMPTY;
    return url.len ? arena_str(a, url) : NULL;
}

static enum err none_exists(const char *data, struct fail *f)
{
    enum err err = OK;
    for (unsigned i = 0; i < STORE_DB_COUNT && err == OK; i++) {
        struct store_file sf;
        err = store_file_path(&sf, (enum store_db)i, data, f);
        if (err == OK && file_exists(sf.path))
            err = fail_set(f, ERR_CONFLICT, "%s already exists", sf.path);
    }
    return err;
}

static void remove_created(const char *data, struct arena *a, const struct pg_urls *urls, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct store_file sf;
        const char *url = url_of(a, urls, create_order[i]);
        if (url)
            pg_drop(url, create_order[i]);
        else if (store_file_path(&sf, create_order[i], data, NULL) == OK)
            file_remove(&sf);
    }
}

enum err store_create(const char *data, struct fail *f)
{
    store_start();
    unsigned created = 0;
    struct arena *a = arena_new(0);
    struct pg_urls urls;
    enum err err = none_exists(data, f);
    if (err == OK)
        err = pg_urls_read(a, data, &urls, f);
    while (err == OK && created < STORE_DB_COUNT) {
        enum store_db which = create_order[created];
        const char *url = url_of(a, &urls, which);
        err = url ? pg_create(url, which, f) : file_create(data, which, f);
        created += err == OK;
    }
    if (err == OK)
        err = file_sync_dir(data, f);
    if (err != OK)
        remove_created(data, a, &urls, created);
    arena_free(a);
    return err;
}

enum err store_installed(const char *data, bool *out, struct fail *f)
{
    struct arena *a = arena_new(0);
    struct pg_urls urls;
    bool people = false, keys = false;
    enum err err = pg_urls_read(a, data, &urls, f);
    if (err == OK && urls.main.len)
        err = pg_installed(arena_str(a, urls.main), STORE_MAIN, &people, f);
    if (err == OK && urls.main.len)
        err = pg_installed(arena_str(a, urls.keys), STORE_KEYS, &keys, f);
    arena_free(a);
    *out = people && keys;
    if (err != OK || people == keys)
        return err;
    fail_hint(f, "name the two databases of one installation, or two empty ones");
    return fail_set(f, ERR_CONFLICT, "the database of the %s holds an installation, that of the %s does not",
                    people ? "data" : "keys", people ? "keys" : "data");
}

enum err store_create_local(const char *data, struct fail *f)
{
    store_start();
    enum err err = none_exists(data, f);
    return err == OK ? file_create(data, STORE_HISTORY, f) : err;
}

void store_remove(const char *data)
{
    struct arena *a = arena_new(0);
    struct pg_urls urls;
    if (pg_urls_read(a, data, &urls, NULL) == OK)
        remove_created(data, a, &urls, STORE_DB_COUNT);
    arena_free(a);
}

/* ---- Opening */

/* history.db is derived: a missing one is made anew, and the engine fills it from the record. */
static enum err history_again(const char *data, enum store_mode mode, struct fail *f)
{
    struct store_file sf;
    if (mode != STORE_WRITE || store_file_path(&sf, STORE_HISTORY, data, f) != OK || file_exists(sf.path))
        return OK;
    log_line(LOG_LVL_WARN, "store", "%s is missing: it is rebuilt from the record", sf.path);
    return file_create(data, STORE_HISTORY, f);
}

/* What `troth migrate` leaves. */
static bool was_moved(const char *data)
{
    char path[STORE_PATH_MAX];
    snprintf(path, sizeof path, "%s/moved.json", data);
    return file_exists(path);
}

static enum err open_one(struct store *st, enum store_db which, const char *data, struct fail *f)
{
    struct store_file *sf = &st->file[which];
    struct fail why = {0};
    enum err err = store_file_path(sf, which, data, &why);
    if (err == OK)
        err = store_file_open(sf, st->mode, &why);
    if (err == OK)
        err = store_schema_migrate(sf, store_sql, store_sql_count, st->mode == STORE_WRITE, &why);
    if (err == ERR_NOT_FOUND && which == STORE_MAIN && was_moved(data)) {
        fail_hint(f, "put it back: two lines, `main = postgresql://…` and `keys = postgresql://…`");
        return fail_set(f, ERR_CONFLICT, "%s was moved to PostgreSQL, and its file `database` is missing",
                        data);
    }
    if (err == ERR_NOT_FOUND && which != STORE_MAIN) {
        err = fail_set(f, ERR_CORRUPT, "%s is missing, though troth.db is there", sf->path);
        fail_hint(f, "restore the file from its own backup");
        return err;
    }
    if (err != OK && f && f->code == OK)
        *f = why;
    return err;
}

/* The people and their keys. A connection that only writes history.db reads them as well. */
static enum err open_served(struct store *st, const char *data, bool keys_late, struct fail *f)
{
    struct arena *a = arena_new(0);
    struct pg_urls urls;
    enum err err = pg_urls_read(a, data, &urls, f);
    for (unsigned i = STORE_MAIN; i <= STORE_KEYS && err == OK; i++) {
        const char *url = url_of(a, &urls, (enum store_db)i);
        if (url && i == STORE_KEYS && keys_late)
            st->pg[i] = pg_new(url, STORE_KEYS);
        else
            err = url ? pg_open(url, (enum store_db)i, st->mode == STORE_WRITE, &st->pg[i], f)
                      : open_one(st, (enum store_db)i, data, f);
    }
    if (err == OK && urls.history.len && st->mode == STORE_READ)
        st->aside = pg_aside(arena_str(a, urls.history));
    arena_free(a);
    return err;
}

static enum err open_all(const char *data, enum store_mode mode, bool keys_late, struct store **out,
                         struct fail *f)
{
    struct store *st = store_new(mode);
    enum err err = move_check(data, f);
    if (err == OK)
        err = open_served(st, data, keys_late, f);
    if (err == OK)
        err = history_again(data, mode, f);
    if (err == OK)
        err = open_one(st, STORE_HISTORY, data, f);
    if (err == OK && mode == STORE_WRITE)
        err = store_check(st, f);
    if (err != OK) {
        store_close(st);
        return err;
    }
    *out = st;
    return OK;
}

enum err store_open(const char *data, enum store_mode mode, struct store **out, struct fail *f)
{
    return open_all(data, mode, false, out, f);
}

enum err store_open_further(const char *data, enum store_mode mode, struct store **out, struct fail *f)
{
    return open_all(data, mode, true, out, f);
}
