// SPDX-License-Identifier: Apache-2.0
/* store_map.h: database files mapped into memory once, for all connections of the process, until the last one
 * closes. */
#ifndef TROTH_STORE_MAP_H
#define TROTH_STORE_MAP_H

/* A VFS of SQLite over the system's own. Databases opened by this name are read through the shared mapping
 * where `PRAGMA mmap_size` is not 0 (its number does not count), and by system calls where no mapping can be
 * had. Registered by the first call; any thread. */
const char *store_map_vfs(void);

#endif
