// SPDX-License-Identifier: Apache-2.0
/* The data folder: its lock, its names, making a new one. See web.h */
#include "web_impl.h"

#include "crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

static const char *in_folder(struct arena *a, const char *data, const char *name)
{
    return arena_str(a, arena_fmt(a, "%s/%s", data, name));
}

const char *web_socket_path(struct arena *a, const char *data)
{
    return in_folder(a, data, "operator.sock");
}

/* ---- One process a folder: two daemons would each keep their own record */

static enum err lock_failed(const char *data, int code, struct fail *f)
{
    if (code == ENOENT || code == ENOTDIR) {
        fail_hint(f, "Make one with `troth init %s`.", data);
        return fail_set(f, ERR_NOT_FOUND, "There is no data folder at %s.", data);
    }
    if (code == EWOULDBLOCK) {
        fail_hint(f, "Stop it first, or use the `troth` command, which talks to it.");
        return fail_set(f, ERR_CONFLICT, "Another process has the data folder %s open.", data);
    }
    fail_hint(f,
              "The user that runs this must be able to write there, and the file system must be writable.");
    return fail_set(f, ERR_IO, "The data folder %s cannot be written: %s.", data, strerror(code));
}

/* A folder that only lets existing files be written would fail later, half way. */
static enum err check_writable(const char *data, struct fail *f)
{
    return access(data, W_OK | X_OK) == 0 ? OK : lock_failed(data, errno, f);
}

enum err folder_lock(const char *data, int *fd, struct fail *f)
{
    struct arena *a = arena_new(1024);
    enum err err = check_writable(data, f);
    *fd = err == OK ? open(in_folder(a, data, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    arena_free(a);
    if (err != OK)
        return err;
    if (*fd < 0)
        return lock_failed(data, errno, f);
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return OK;
    err = lock_failed(data, errno, f);
    close(*fd);
    *fd = -1;
    return err;
}

/* ---- A new folder */

enum err web_create(const char *data, const char *host, const char *epoch, struct instant now, struct fail *f)
{
    struct arena *a = arena_new(1024);
    const char *master = in_folder(a, data, "master-key");
    struct store *st = NULL;
    enum err err = crypto_start(f);
    if (err == OK)
        err = store_create(data, f);
    bool made = err == OK;
    if (err == OK)
        err = key_create_file(master, f);
    if (err == OK)
        err = store_open(data, STORE_WRITE, &st, f);
    if (err == OK)
        err = gate_create(data, master, st, f);
    if (st)
        store_close(st);
    if (err == OK)
        err = audit_create(data, host, now, f);
    if (err == OK && epoch)
        err = audit_set_epoch(data, epoch, f);
    if (err != OK && made)
        store_remove(data);
    arena_free(a);
    return err;
}
