// SPDX-License-Identifier: Apache-2.0
/* The ledger of the erased outside the databases. See vault.h. */
#define _GNU_SOURCE /* fallocate */
#include "vault_impl.h"

#include "file.h"
#include "log.h"
#include "nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIGITS = 2 * MAC_LEN, LINE = DIGITS + 1 };
#define LEDGER_MAX (256u << 20) /* four million erasures */
/* Lines there is room for: what the largest group erases. */
#define LEDGER_AHEAD 4096
#define COUNT_NAME   SPAN("erased_noted")

struct ledger {
    pthread_mutex_t lock; /* over writing: what other nodes erase is noted by a thread of its own */
    int fd;
    uint64_t lines;
    uint64_t room; /* bytes the file system has set aside for it */
    bool torn;     /* behind the lines there may be part of another */
    char path[MASTER_PATH_MAX];
    struct arena *arena;
    uint8_t (*macs)[MAC_LEN]; /* as the file was when opened, in order */
    size_t n;
};

void ledger_free(struct ledger *l)
{
    if (!l)
        return;
    if (l->fd >= 0)
        close(l->fd);
    arena_free(l->arena);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static void ledger_mac(const struct vault *v, struct span id, uint8_t out[MAC_LEN])
{
    uint8_t text[7 + ID_LEN] = "erased:";
    memcpy(text + 7, id.p, ID_LEN);
    key_mac(v->index, span_of(text, sizeof text), out);
}

/* Nothing is ever written behind part of a line. */
static bool cut_torn(struct ledger *l)
{
    if (l->torn) {
        l->torn = ftruncate(l->fd, (off_t)(l->lines * LINE)) != 0;
        l->room = 0;
    }
    return !l->torn;
}

/* A file system that cannot set room aside is taken at its word later. */
static bool room_make(struct ledger *l)
{
    uint64_t want = (l->lines + 2 * LEDGER_AHEAD) * LINE;
    if ((l->lines + LEDGER_AHEAD) * LINE <= l->room)
        return true;
    if (fallocate(l->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)want) != 0)
        return errno != ENOSPC && errno != EDQUOT && errno != EFBIG;
    l->room = want;
    return true;
}

enum err ledger_room(const struct vault *v, struct fail *f)
{
    if (!v->ledger)
        return OK;
    pthread_mutex_lock(&v->ledger->lock);
    bool there = room_make(v->ledger);
    pthread_mutex_unlock(&v->ledger->lock);
    return there ? OK : fail_set(f, ERR_DISK_FULL, "there is no room left for the ledger of the erased");
}

static bool append(struct ledger *l, const uint8_t mac[MAC_LEN])
{
    char line[LINE + 1];
    struct fail f = {0};
    hex_put(line, mac, MAC_LEN);
    line[DIGITS] = '\n';
    pthread_mutex_lock(&l->lock);
    bool done = cut_torn(l);
    if (done) {
        done = file_write_all(l->fd, span_of(line, LINE), &f) == OK && fdatasync(l->fd) == 0;
        l->torn = !done;
    }
    l->lines += done;
    if (!done)
        log_line(LOG_LVL_ERROR, "vault", "the ledger of the erased cannot be written: %s", strerror(errno));
    cut_torn(l);
    pthread_mutex_unlock(&l->lock);
    return done;
}

bool ledger_erased(void *ctx, struct span subject)
{
    struct vault *v = ctx;
    uint8_t mac[MAC_LEN];
    cache_drop(v->cache, subject);
    if (!v->ledger || subject.len != ID_LEN)
        return true;
    ledger_mac(v, subject, mac);
    return append(v->ledger, mac);
}

/* ---- Opening */

static int mac_cmp(const void *a, const void *b)
{
    return memcmp(a, b, MAC_LEN);
}

/* A line that a crash left unfinished was never acknowledged: it is cut, and made again below. */
static enum err read_lines(struct ledger *l, const char *path, struct fail *f)
{
    struct span text = SPAN_EMPTY;
    enum err e = file_read(l->arena, path, LEDGER_MAX, &text, f);
    if (e)
        return e;
    l->lines = text.len / LINE;
    l->macs = arena_alloc(l->arena, (size_t)l->lines * MAC_LEN + 1);
    for (size_t i = 0; i < l->lines; i++) {
        struct span line = span_sub(text, i * LINE, (i + 1) * LINE);
        if (line.p[DIGITS] != '\n' || !hex_get(span_sub(line, 0, DIGITS), l->macs[i], MAC_LEN)) {
            fail_hint(f, "put back an unharmed copy; what the databases know is added to it");
            return fail_set(f, ERR_CORRUPT, "%s is damaged in line %zu", path, i + 1);
        }
    }
    l->n = (size_t)l->lines;
    qsort(l->macs, l->n, MAC_LEN, mac_cmp);
    if (text.len % LINE && ftruncate(l->fd, (off_t)(l->lines * LINE)) != 0)
        return fail_set(f, ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    return OK;
}

static bool holds(const struct ledger *l, const uint8_t mac[MAC_LEN])
{
    return l->n && bsearch(mac, l->macs, l->n, MAC_LEN, mac_cmp) != NULL;
}

bool vault_ledger_holds(const struct vault *v, struct subject_id id)
{
    uint8_t mac[MAC_LEN];
    ledger_mac(v, span_of(id.b, ID_LEN), mac);
    return v->ledger && holds(v->ledger, mac);
}

/* ---- Both sides */

static enum err counted(struct store *st, int64_t *out, struct fail *f)
{
    struct store_rows rows;
    bool found = store_one(st, Q_META_GET, ARGS(ARG_T(COUNT_NAME)), &rows, f);
    *out = found ? store_i(&rows, 0) : 0;
    enum err e = found ? OK : rows.err;
    if (found)
        store_done(&rows);
    return e;
}

static enum err count_set(struct store *st, int64_t n, struct fail *f)
{
    return store_run(st, Q_META_PUT, ARGS(ARG_T(COUNT_NAME), ARG_I(n), ARG_NULL), NULL, f);
}

enum err vault_ledger_count(struct store *st, int64_t more, struct fail *f)
{
    int64_t n = 0;
    enum err e = counted(st, &n, f);
    return e ? e : count_set(st, n + more, f);
}

/* Erasures of the database that the file lacks: a crash right before the line, a lost file, an older one. */
static enum err add_missing(struct vault *v, struct store *st, struct fail *f)
{
    struct store_rows rows;
    uint64_t added = 0;
    enum err e = store_query(st, Q_ERASED_ALL, NO_ARGS, &rows, f);
    if (e)
        return e;
    while (!e && store_next(&rows, f)) {
        uint8_t mac[MAC_LEN];
        if (store_t(&rows, 0).len != ID_LEN)
            continue;
        ledger_mac(v, store_t(&rows, 0), mac);
        if (holds(v->ledger, mac))
            continue;
        if (!append(v->ledger, mac))
            e = fail_set(f, ERR_IO, "the ledger of the erased cannot be written");
        added += !e;
    }
    if (!e)
        e = rows.err;
    store_done(&rows);
    if (added)
        log_line(LOG_LVL_WARN, "vault", "%llu erasures were missing in the ledger and were added",
                 (unsigned long long)added);
    return e;
}

/* Whether the file has a line the database knows nothing of. */
static enum err unknown_lines(struct vault *v, struct store *st, bool *any, struct fail *f)
{
    struct store_rows rows;
    size_t known = 0, distinct = 0;
    for (size_t i = 0; i < v->ledger->n; i++)
        distinct += i == 0 || memcmp(v->ledger->macs[i - 1], v->ledger->macs[i], MAC_LEN) != 0;
    enum err e = store_query(st, Q_ERASED_ALL, NO_ARGS, &rows, f);
    while (!e && store_next(&rows, f)) {
        uint8_t mac[MAC_LEN];
        if (store_t(&rows, 0).len != ID_LEN)
            continue;
        ledger_mac(v, store_t(&rows, 0), mac);
        known += holds(v->ledger, mac);
    }
    if (!e)
        e = rows.err;
    store_done(&rows);
    *any = known < distinct;
    return e;
}

static enum err open_file(struct ledger *l, const char *path, struct fail *f)
{
    bool fresh = !file_exists(path);
    char dir[MASTER_PATH_MAX];
    l->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->fd < 0)
        return fail_set(f, ERR_IO, "%s cannot be opened: %s", path, strerror(errno));
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (!fresh || len == 0 || len >= sizeof dir)
        return OK;
    memcpy(dir, path, len);
    dir[len] = 0;
    return file_sync_dir(dir, f);
}

enum err vault_ledger_open(struct vault *v, struct store *st, const char *path, bool *behind, struct fail *f)
{
    int64_t noted = 0;
    struct ledger *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    *behind = false;
    l->arena = arena_new(0);
    pthread_mutex_init(&l->lock, NULL);
    snprintf(l->path, sizeof l->path, "%s", path);
    ledger_free(v->ledger); /* of a group that met another daemon's */
    v->ledger = l;
    enum err e = open_file(l, path, f);
    if (!e)
        e = read_lines(l, path, f);
    if (!e && store_shared(st)) { /* other nodes erase as well: the lines are looked at, not counted */
        e = unknown_lines(v, st, behind, f);
        return e ? e : add_missing(v, st, f);
    }
    if (!e)
        e = counted(st, &noted, f);
    if (e)
        return e;
    *behind = l->lines > (uint64_t)noted;
    return l->lines == (uint64_t)noted && noted > 0 ? OK : add_missing(v, st, f);
}

static void lines_forget(struct ledger *l)
{
    arena_free(l->arena);
    l->arena = NULL;
    l->macs = NULL;
    l->n = 0;
}

enum err vault_ledger_settled(struct vault *v, struct store *st, struct fail *f)
{
    int64_t noted = 0;
    enum err e = store_shared(st) ? OK : counted(st, &noted, f);
    if (!e && !store_shared(st) && (uint64_t)noted != v->ledger->lines)
        e = count_set(st, (int64_t)v->ledger->lines, f);
    return e;
}

/* Lines that this process writes are in the database as well. */
void vault_ledger_forget(struct vault *v)
{
    if (v->ledger)
        lines_forget(v->ledger);
}

/* ---- What other nodes erased */

/* The lines are read anew: they are in no order and not kept while the daemon runs. */
enum err ledger_complete(struct vault *v, struct store *st, struct fail *f)
{
    if (!v->ledger)
        return OK;
    v->ledger->arena = arena_new(0);
    pthread_mutex_lock(&v->ledger->lock); /* nobody is half way through a line */
    enum err e = read_lines(v->ledger, v->ledger->path, f);
    pthread_mutex_unlock(&v->ledger->lock);
    if (!e)
        e = add_missing(v, st, f);
    lines_forget(v->ledger);
    return e;
}
