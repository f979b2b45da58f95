// SPDX-License-Identifier: Apache-2.0
/* The data folder: its lock, its names, making a new one. See web.h */
#include "web_impl.h"

#include "crypto.h"
#include "file.h"
#include "nodes.h"

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

enum err web_lock(const char *data, int *fd, struct fail *f)
{
    return folder_lock(data, fd, f);
}

/* ---- A new folder */

enum err web_create(const struct web_make *m, struct fail *f)
{
    struct arena *a = arena_new(1024);
    const char *data = m->data, *master = in_folder(a, data, "master-key");
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
        err = audit_create_at(data, &(struct audit_place){.host = m->host, .node = m->node}, m->now, f);
    if (err == OK && m->epoch)
        err = audit_set_epoch(data, m->epoch, f);
    if (err != OK && made)
        store_remove(data);
    arena_free(a);
    return err;
}

/* ---- A further node on a database */

enum err web_installed(const char *data, bool *out, struct fail *f)
{
    return store_installed(data, out, f);
}

static enum err copy_master(const struct web_make *m, const char *to, struct arena *a, struct fail *f)
{
    struct span text;
    if (m->master_key_command)
        return OK;
    if (!m->master_key) {
        fail_hint(f, "bring it here over a safe way, and name it: --master-key FILE");
        return fail_set(f, ERR_USAGE, "a further node needs the master key of the installation it joins");
    }
    enum err err = file_read(a, m->master_key, 4096, &text, f);
    return err == OK ? file_write_durable(to, text, 0600, f) : err;
}

/* A name of its own, and the instance of the records that are there. */
static enum err look_around(struct store *st, const struct web_make *m, struct arena *a,
                            struct span *instance, struct fail *f)
{
    struct store_rows rows;
    enum err err = store_query(st, Q_NODE_ALL, NO_ARGS, &rows, f);
    *instance = SPAN_EMPTY;
    while (err == OK && store_next(&rows, f)) {
        if (!instance->len)
            *instance = arena_copy(a, audit_instance(store_t(&rows, 2)));
        if (span_is(store_t(&rows, 1), m->node)) {
            fail_hint(f, "give this one another: --node NAME");
            err = fail_set(f, ERR_CONFLICT, "there is a node '%s' already", m->node);
        }
    }
    if (err == OK)
        err = rows.err;
    store_done(&rows);
    if (err == OK && !instance->len) {
        fail_hint(f, "start its daemon once with this version of troth");
        return fail_set(f, ERR_CONFLICT, "the first node of this installation is not known yet");
    }
    return err;
}

static enum err add_row(struct store *st, const struct web_make *m, struct arena *a, struct fail *f)
{
    struct store_rows rows;
    struct span origin, verifier;
    enum err err = file_read(a, in_folder(a, m->data, "audit/origin"), 4096, &origin, f);
    if (err == OK)
        err = file_read(a, in_folder(a, m->data, "audit/key.pub"), 4096, &verifier, f);
    if (err != OK)
        return err;
    bool added = store_one(st, Q_NODE_ADD,
                           ARGS(ARG_T(span_str(m->node)), ARG_T(span_trim(origin)),
                                ARG_T(span_trim(verifier)), ARG_I(m->now.ms), ARG_B(SPAN_EMPTY)),
                           &rows, f);
    bool fits = added && store_i(&rows, 0) <= NODE_NUMBER_MAX;
    err = rows.err;
    store_done(&rows);
    if (err == OK && !added)
        return fail_set(f, ERR_CONFLICT, "there is a node '%s' already", m->node);
    return err == OK && !fits ? fail_set(f, ERR_TOO_LARGE, "no number for another node is left") : err;
}

enum err web_join(const struct web_make *m, struct fail *f)
{
    struct arena *a = arena_new(1024);
    const char *master = in_folder(a, m->data, "master-key");
    struct store *st = NULL;
    struct span instance = SPAN_EMPTY;
    enum err err = crypto_start(f);
    if (err == OK)
        err = copy_master(m, master, a, f);
    if (err == OK)
        err = store_create_local(m->data, f);
    if (err == OK)
        err = store_open(m->data, STORE_WRITE, &st, f);
    if (err == OK)
        err = gate_check_master(st, master, m->master_key_command, f);
    if (err == OK)
        err = look_around(st, m, a, &instance, f);
    if (err == OK)
        err = audit_create_at(m->data,
                              &(struct audit_place){.host = m->host, .instance = instance, .node = m->node},
                              m->now, f);
    if (err == OK && m->epoch)
        err = audit_set_epoch(m->data, m->epoch, f);
    if (err == OK)
        err = add_row(st, m, a, f);
    if (st)
        store_close(st);
    arena_free(a);
    return err;
}

void web_join_undo(const struct web_make *m)
{
    struct store *st = NULL;
    struct store_rows rows;
    if (store_open(m->data, STORE_WRITE, &st, NULL) != OK)
        return;
    if (store_one(st, Q_NODE_GET, ARGS(ARG_T(span_str(m->node))), &rows, NULL)) {
        int64_t number = store_i(&rows, 0);
        store_done(&rows);
        store_run(st, Q_NODE_REMOVE, ARGS(ARG_I(number)), NULL, NULL);
    }
    store_close(st);
}
