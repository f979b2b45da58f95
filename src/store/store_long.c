// SPDX-License-Identifier: Apache-2.0
/* A migration of a file that takes long: whether the disk has room for it, and how far it is. See
 * store_impl.h. */
#include "store_impl.h"

#include "log.h"
#include "progress.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define ANEW "\n-- anew: " /* begins a line in a migration which writes the rows of a large table again */

/* secure_delete writes the old pages once more, as zeros. So of a file that is nothing but the table the log
 * gets both, and when it goes into the file the new table is there for the second time: 3.1 times the file,
 * measured; 2.3 with persons beside their values. */
enum { NEED_QUARTERS = 13, LOG_TIMES = 2, STEPS_EVERY = 50000, BAR_MS = 200, LINE_MS = 10000 };

unsigned store_long_ms = 2000;

static bool disk_free(const char *path, uint64_t *bytes)
{
    struct statvfs st;
    if (statvfs(path, &st) != 0 || st.f_blocks == 0)
        return false;
    *bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return true;
}

bool (*store_disk_free)(const char *path, uint64_t *bytes) = disk_free;

static unsigned long long mib(uint64_t bytes)
{
    return (unsigned long long)((bytes + (1 << 20) - 1) >> 20);
}

static const char *name_of(const struct store_file *sf)
{
    return store_def(sf->which)->name;
}

/* ---- Room */

static struct span what_anew(struct span sql)
{
    size_t at = 0;
    while (at < sql.len && !span_starts(span_sub(sql, at, sql.len), ANEW))
        at = span_find(sql, '\n', at + 1);
    at += sizeof ANEW - 1;
    return at < sql.len ? span_sub(sql, at, span_find(sql, '\n', at) - at) : SPAN_EMPTY;
}

/* Of the file itself: in a log beside it that was not taken in there is little. */
static enum err size_of(struct store_file *sf, uint64_t *bytes, struct fail *f)
{
    int64_t pages = 0, page = 0;
    enum err err = store_file_number(sf, "PRAGMA page_count", &pages, f);
    if (err == OK)
        err = store_file_number(sf, "PRAGMA page_size", &page, f);
    *bytes = (uint64_t)pages * (uint64_t)page;
    return err;
}

static enum err measure(struct store_long *l, struct store_file *sf, struct span sql, int64_t version,
                        struct fail *f)
{
    uint64_t size = 0;
    *l = (struct store_long){.sf = sf, .version = version, .what = what_anew(sql)};
    enum err err = size_of(sf, &size, f);
    l->need = size / 4 * NEED_QUARTERS;
    l->total = size * LOG_TIMES;
    return err;
}

/* One that was killed leaves a log of twice the file, which the next writes over: it is no room that is
 * taken. Where somebody reads meanwhile the log stays as long as it is. */
static void log_cut(struct store_file *sf)
{
    sqlite3_wal_checkpoint_v2(sf->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static enum err room(const struct store_long *l, struct fail *f)
{
    uint64_t free = 0;
    if (!store_disk_free(l->sf->path, &free) || free >= l->need)
        return OK;
    enum err err = fail_set(f, ERR_DISK_FULL,
                            "%s: to bring it to schema version %lld, %.*s are written anew; that takes up to "
                            "%llu MiB more on its disk, and %llu MiB are free",
                            l->sf->path, (long long)l->version, SPAN_F(l->what), mib(l->need), mib(free));
    fail_hint(f, "make room on the disk of the data folder; nothing was changed, and the troth from before "
                 "can go on with it");
    return err;
}

enum err store_long_room(struct store_file *sf, struct span sql, int64_t version, struct fail *f)
{
    struct store_long l;
    if (!what_anew(sql).len)
        return OK;
    log_cut(sf);
    enum err err = measure(&l, sf, sql, version, f);
    return err == OK ? room(&l, f) : err;
}

/* ---- How far it is */

static int64_t ms_since(const struct timespec *t)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)(now.tv_sec - t->tv_sec) * 1000 + (now.tv_nsec - t->tv_nsec) / 1000000;
}

/* What the transaction has put into the log so far. */
static uint64_t written(const struct store_long *l)
{
    char path[STORE_PATH_MAX + 8];
    struct stat st;
    snprintf(path, sizeof path, "%s-wal", l->sf->path);
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void say(const struct store_long *l)
{
    if (l->what.len)
        log_line(
            LOG_LVL_INFO, "store",
            "%s: to schema version %lld, %.*s are written anew: %llu of about %llu MiB, with up to %llu MiB "
            "of disk",
            name_of(l->sf), (long long)l->version, SPAN_F(l->what), mib(written(l)), mib(l->total),
            mib(l->need));
    else
        log_line(LOG_LVL_INFO, "store", "%s: to schema version %lld: %llu MiB written", name_of(l->sf),
                 (long long)l->version, mib(written(l)));
}

static void show(struct store_long *l)
{
    bool bar = progress_shown() && l->what.len;
    if (ms_since(&l->begun) < store_long_ms || (l->said && ms_since(&l->shown) < (bar ? BAR_MS : LINE_MS)))
        return;
    if (!bar || !l->said)
        say(l);
    if (bar)
        progress_bar("MiB written", written(l) >> 20, l->total >> 20);
    l->said = true;
    clock_gettime(CLOCK_MONOTONIC, &l->shown);
}

static int on_steps(void *ctx)
{
    show(ctx);
    return 0; /* go on */
}

/* What one statement does in one step (DROP TABLE) is at least said before. */
static int on_statement(unsigned what, void *ctx, void *statement, void *text)
{
    (void)what, (void)statement, (void)text;
    show(ctx);
    return 0;
}

enum err store_long_begin(struct store_long *l, struct store_file *sf, struct span sql, int64_t version,
                          struct fail *f)
{
    enum err err = measure(l, sf, sql, version, f);
    if (err != OK)
        return err;
    clock_gettime(CLOCK_MONOTONIC, &l->begun);
    sqlite3_progress_handler(sf->db, STEPS_EVERY, on_steps, l);
    sqlite3_trace_v2(sf->db, SQLITE_TRACE_STMT, on_statement, l);
    return OK;
}

void store_long_end(struct store_long *l, enum err err)
{
    sqlite3_progress_handler(l->sf->db, 0, NULL, NULL);
    sqlite3_trace_v2(l->sf->db, 0, NULL, NULL);
    if (!l->said)
        return;
    progress_end();
    if (err == OK)
        log_line(LOG_LVL_INFO, "store", "%s: it has schema version %lld, after %lld s", name_of(l->sf),
                 (long long)l->version, (long long)(ms_since(&l->begun) / 1000));
}
