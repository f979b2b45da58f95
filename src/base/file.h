// SPDX-License-Identifier: Apache-2.0
/* file.h: whole files, durably. Paths are ours (data folder, policy folder), never from a request. */
#ifndef TROTH_FILE_H
#define TROTH_FILE_H

#include "arena.h"
#include "err.h"

/* The whole file, at most max bytes (ERR_TOO_LARGE beyond). ERR_NOT_FOUND, ERR_IO with the path. */
enum err file_read(struct arena *a, const char *path, size_t max, struct span *out, struct fail *f);
/* The same, of files on disk alone: pipes and devices are refused with ERR_IO, without waiting for them. */
enum err file_read_plain(struct arena *a, const char *path, size_t max, struct span *out, struct fail *f);
/* Writes a sibling temporary, syncs it, renames it over path, syncs the folder: after OK the content is
 * durable and no reader ever sees half of it. ERR_DISK_FULL, ERR_IO. */
enum err file_write_durable(const char *path, struct span content, unsigned mode, struct fail *f);
/* Writes all of it, retrying short writes and EINTR. ERR_DISK_FULL or ERR_IO. */
enum err file_write_all(int fd, struct span content, struct fail *f);
/* Creates the folder and its parents with the mode; an existing one is fine. */
enum err file_mkdirs(const char *path, unsigned mode, struct fail *f);
bool file_exists(const char *path);
/* The folder a path's last name is in, a part of the path: "a" of "a/b", "." of "b", "/" of "/b". */
struct span file_folder(const char *path);
/* The names in a folder that end in `suffix`, sorted, without "." and "..". */
enum err file_list(struct arena *a, const char *path, const char *suffix, struct span **names, size_t *n,
                   struct fail *f);
/* fsync of a folder, so that a rename or a new name in it is durable. */
enum err file_sync_dir(const char *path, struct fail *f);

#endif
