// SPDX-License-Identifier: Apache-2.0
/*
 * See store_map.h.
 *
 * SQLite's own mapping is one for each connection, ends at 2 GiB, and is taken away from a connection
 * whenever another one changed the file: with a million people each change cost every reader a fault for
 * every page it touched. What SQLite guards against (the file was cut and grew again meanwhile) is none of
 * Linux's troubles: there a shared mapping shows what the file holds, and nothing here makes a database
 * shorter.
 */
#define _GNU_SOURCE /* MAP_NORESERVE */
#include "store_map.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BITS                                                                                           \
    30 /* mapped at a time, whether the file fills it or not; a multiple of every page size                  \
        */
#define CHUNK_BYTES (INT64_C(1) << CHUNK_BITS)
#define CHUNKS      1024 /* what lies beyond is read by system calls */

/* A file. */
struct map {
    dev_t dev;
    ino_t ino;
    int fd; /* open as long as anybody has the file: the first close drops the locks of all (POSIX) */
    unsigned holders;     /* under maps_lock */
    struct map *next;     /* under maps_lock */
    _Atomic int64_t size; /* the file is known to be this long */
    _Atomic(uint8_t *) chunk[CHUNKS];
};

static pthread_mutex_t maps_lock = PTHREAD_MUTEX_INITIALIZER;
static struct map *maps;

/* ---- Files */

static struct map *map_find(const struct stat *st)
{
    for (struct map *m = maps; m; m = m->next)
        if (m->dev == st->st_dev && m->ino == st->st_ino)
            return m;
    return NULL;
}

static struct map *map_new(const char *path, const struct stat *st)
{
    struct stat opened;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct map *m = fd < 0 ? NULL : calloc(1, sizeof *m);
    bool same = m && fstat(fd, &opened) == 0 && opened.st_dev == st->st_dev && opened.st_ino == st->st_ino;
    if (!same) {
        free(m);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    m->dev = st->st_dev;
    m->ino = st->st_ino;
    m->fd = fd;
    m->next = maps;
    maps = m;
    return m;
}

/* Null: it cannot be told which file the path leads to, or not be opened. */
static struct map *map_take(const char *path)
{
    struct stat st;
    struct map *m = NULL;
    pthread_mutex_lock(&maps_lock);
    if (stat(path, &st) == 0) {
        m = map_find(&st);
        m = m ? m : map_new(path, &st);
    }
    if (m)
        m->holders++;
    pthread_mutex_unlock(&maps_lock);
    return m;
}

static void map_free(struct map *m)
{
    struct map **place = &maps;
    while (*place != m)
        place = &(*place)->next;
    *place = m->next;
    for (size_t i = 0; i < CHUNKS; i++)
        if (m->chunk[i])
            munmap(m->chunk[i], CHUNK_BYTES);
    close(m->fd);
    free(m);
}

static void map_release(struct map *m)
{
    pthread_mutex_lock(&maps_lock);
    if (m && --m->holders == 0)
        map_free(m);
    pthread_mutex_unlock(&maps_lock);
}

/* ---- Places in a file */

static uint8_t *chunk_make(struct map *m, size_t i)
{
    pthread_mutex_lock(&maps_lock);
    uint8_t *p = m->chunk[i];
    if (!p) {
        void *made =
            mmap(NULL, CHUNK_BYTES, PROT_READ, MAP_SHARED | MAP_NORESERVE, m->fd, (off_t)i << CHUNK_BITS);
        p = made == MAP_FAILED ? NULL : made;
        if (p)
            munlock(p, CHUNK_BYTES); /* what is in the files is sealed: --lock-memory need not hold it */
        atomic_store_explicit(&m->chunk[i], p, memory_order_release);
    }
    pthread_mutex_unlock(&maps_lock);
    return p;
}

/* An open database: `real`, of the system's VFS, follows it in memory. */
struct mapped_file {
    sqlite3_file file;
    struct map *map;
};
_Static_assert(sizeof(struct mapped_file) % 16 == 0, "what follows is aligned");

static struct mapped_file *mapped(sqlite3_file *file)
{
    return (struct mapped_file *)(void *)file;
}

static sqlite3_file *real(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)(mapped(file) + 1);
}

static bool is_within(sqlite3_file *file, struct map *m, int64_t end)
{
    sqlite3_int64 size = 0;
    if (end <= atomic_load_explicit(&m->size, memory_order_relaxed))
        return true;
    if (real(file)->pMethods->xFileSize(real(file), &size) != SQLITE_OK)
        return false;
    atomic_store_explicit(&m->size, size, memory_order_relaxed);
    return end <= size;
}

/* Null: not to be had by the mapping. */
static uint8_t *place_of(sqlite3_file *file, int64_t at, int len)
{
    struct map *m = mapped(file)->map;
    size_t i = (size_t)(at >> CHUNK_BITS);
    int64_t within = at & (CHUNK_BYTES - 1);
    if (!m || i >= CHUNKS || within + len > CHUNK_BYTES || !is_within(file, m, at + len))
        return NULL;
    uint8_t *p = atomic_load_explicit(&m->chunk[i], memory_order_acquire);
    p = p ? p : chunk_make(m, i);
    return p ? p + within : NULL;
}

/* ---- The methods of a file */

/* A search in a page meets half a dozen of its lines, one after the other: they are under way before the
 * first is asked for. */
static void expect_page(const uint8_t *p, int len)
{
    for (int i = 0; i < len; i += 64)
        __builtin_prefetch(p + i);
}

static int map_fetch(sqlite3_file *file, sqlite3_int64 at, int len, void **out)
{
    uint8_t *p = place_of(file, at, len);
    if (p)
        expect_page(p, len);
    *out = p;
    return SQLITE_OK;
}

static int map_unfetch(sqlite3_file *file, sqlite3_int64 at, void *p)
{
    (void)file, (void)at, (void)p;
    return SQLITE_OK; /* the mapping stays */
}

static int map_read(sqlite3_file *file, void *out, int len, sqlite3_int64 at)
{
    const uint8_t *p = place_of(file, at, len);
    if (!p)
        return real(file)->pMethods->xRead(real(file), out, len, at);
    memcpy(out, p, (size_t)len);
    return SQLITE_OK;
}

static int map_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    if (mapped(file)->map)
        atomic_store_explicit(&mapped(file)->map->size, 0, memory_order_relaxed);
    return real(file)->pMethods->xTruncate(real(file), size);
}

static int map_close(sqlite3_file *file)
{
    int rc = real(file)->pMethods->xClose(real(file));
    map_release(mapped(file)->map);
    return rc;
}

static int map_control(sqlite3_file *file, int op, void *arg)
{
    if (op == SQLITE_FCNTL_MMAP_SIZE)
        return SQLITE_OK; /* the system's VFS would make a mapping of its own, too */
    return real(file)->pMethods->xFileControl(real(file), op, arg);
}

/* The rest is the system's. */
#define PASS(name, params, args)                                                                             \
    static int pass_##name params                                                                            \
    {                                                                                                        \
        return real(file)->pMethods->name args;                                                              \
    }
PASS(xWrite, (sqlite3_file * file, const void *p, int len, sqlite3_int64 at), (real(file), p, len, at))
PASS(xSync, (sqlite3_file * file, int flags), (real(file), flags))
PASS(xFileSize, (sqlite3_file * file, sqlite3_int64 *out), (real(file), out))
PASS(xLock, (sqlite3_file * file, int lock), (real(file), lock))
PASS(xUnlock, (sqlite3_file * file, int lock), (real(file), lock))
PASS(xCheckReservedLock, (sqlite3_file * file, int *out), (real(file), out))
PASS(xSectorSize, (sqlite3_file * file), (real(file)))
PASS(xDeviceCharacteristics, (sqlite3_file * file), (real(file)))
PASS(xShmMap, (sqlite3_file * file, int page, int size, int extend, void volatile **out),
     (real(file), page, size, extend, out))
PASS(xShmLock, (sqlite3_file * file, int at, int n, int flags), (real(file), at, n, flags))
PASS(xShmUnmap, (sqlite3_file * file, int delete), (real(file), delete))

static void pass_xShmBarrier(sqlite3_file *file)
{
    real(file)->pMethods->xShmBarrier(real(file));
}

static const sqlite3_io_methods methods = {
    .iVersion = 3,
    .xClose = map_close,
    .xRead = map_read,
    .xWrite = pass_xWrite,
    .xTruncate = map_truncate,
    .xSync = pass_xSync,
    .xFileSize = pass_xFileSize,
    .xLock = pass_xLock,
    .xUnlock = pass_xUnlock,
    .xCheckReservedLock = pass_xCheckReservedLock,
    .xFileControl = map_control,
    .xSectorSize = pass_xSectorSize,
    .xDeviceCharacteristics = pass_xDeviceCharacteristics,
    .xShmMap = pass_xShmMap,
    .xShmLock = pass_xShmLock,
    .xShmBarrier = pass_xShmBarrier,
    .xShmUnmap = pass_xShmUnmap,
    .xFetch = map_fetch,
    .xUnfetch = map_unfetch,
};

/* ---- The VFS */

static sqlite3_vfs *system_vfs, vfs;

/* Without a descriptor of ours nobody would know when the last one closes; and what was put in the file's
 * place meanwhile is not what is open. */
static bool is_the_same(sqlite3_file *file)
{
    int moved = 1;
    return mapped(file)->map &&
           real(file)->pMethods->xFileControl(real(file), SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
           !moved;
}

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)v;
    if (!name || !(flags & SQLITE_OPEN_MAIN_DB)) /* logs and the like: written and read once */
        return system_vfs->xOpen(system_vfs, name, file, flags, out);
    file->pMethods = NULL; /* nothing to close if it fails */
    mapped(file)->map = NULL;
    int rc = system_vfs->xOpen(system_vfs, name, real(file), flags, out);
    if (rc == SQLITE_OK) {
        mapped(file)->map = map_take(name);
        rc = is_the_same(file) ? SQLITE_OK : SQLITE_CANTOPEN;
    }
    if (rc == SQLITE_OK)
        file->pMethods = &methods;
    else if (real(file)->pMethods)
        map_close(file);
    return rc;
}

static void vfs_register(void)
{
    system_vfs = sqlite3_vfs_find(NULL);
    vfs = *system_vfs;
    vfs.pNext = NULL;
    vfs.zName = "troth";
    vfs.szOsFile += (int)sizeof(struct mapped_file);
    vfs.xOpen = vfs_open;
    sqlite3_vfs_register(&vfs, 0);
}

const char *store_map_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, vfs_register);
    return vfs.zName;
}
