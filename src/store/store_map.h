// SPDX-License-Identifier: Apache-2.0
/* store_map.h: database files mapped into memory once, for all connections of the process, until the last one
 * closes. */
#ifndef TROTH_STORE_MAP_H
#define TROTH_STORE_MAP_H

#include <stdint.h>

struct sqlite3;

/* A VFS of SQLite over the system's own. Databases opened by this name are read through the shared mapping
 * where `PRAGMA mmap_size` is not 0 (its number does not count), and by system calls where no mapping can be
 * had. Registered by the first call; any thread. */
const char *store_map_vfs(void);

/* The file a connection has open by that VFS; null: not mapped. It is there as long as the connection. */
struct map;
struct map *store_map_of(struct sqlite3 *db);
/* Where a page lies, counted from 0; null: nowhere. */
int64_t store_map_size(const struct map *m);
const uint8_t *store_map_place(const struct map *m, uint32_t page);
/* What is remembered of who lies where in this file (store_trail.h), for all who have it open; null: nothing.
 */
struct trails *store_map_trails(struct map *m);

#endif
