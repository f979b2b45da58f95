// SPDX-License-Identifier: Apache-2.0
/*
 * troth restore: a new data folder from the two files of a backup. It is made beside its place, opened once
 * as a start would, so that whoever was erased since is erased in it, and put in place when all of it was
 * found good. See cmd_backup.h
 */
#define _GNU_SOURCE /* syncfs, strerrordesc_np */
#include "cmd_backup.h"

#include "file.h"
#include "json.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS_LEDGER "erased.ledger.keys" /* the one that came with the keys, until both are one */

struct restore {
    struct cli *c;
    const char *folder, *place;
    struct backup_about about[3]; /* by kind */
    struct backup_sum sum[3];
    int fd; /* of the part being written */
    const char *file;
    uint64_t read, total, added;
    uint64_t erased_again;
};

static const char *in(const struct restore *r, const char *name)
{
    return arena_str(r->c->arena, arena_fmt(r->c->arena, "%s/%s", r->folder, name));
}

/* ---- One file of the two: its parts are written as they come; nothing of it is used before its end */

struct taking {
    struct restore *r;
    enum backup_kind kind;
    uint64_t before;
    struct arena *names;
};

static enum err newer(const char *what, int64_t have, int want, struct fail *f)
{
    if (have <= want)
        return OK;
    fail_hint(f, "install the program that made it, or a newer one");
    return fail_set(f, ERR_CONFLICT,
                    "the backup was made by a newer troth: %s has schema %lld, this program knows %d", what,
                    (long long)have, want);
}

static enum err take_about(void *ctx, enum backup_kind kind, struct span json, struct fail *f)
{
    struct taking *t = ctx;
    struct backup_about *about = &t->r->about[kind];
    enum err err = backup_about_read(t->r->c->arena, json, about, f);
    if (err == OK)
        err = newer("troth.db", about->schema, store_newest(STORE_MAIN), f);
    return err == OK ? newer("keys.db", about->schema_keys, store_newest(STORE_KEYS), f) : err;
}

static enum err cannot(const char *path, struct fail *f)
{
    bool full = errno == ENOSPC || errno == EDQUOT;
    return fail_set(f, full ? ERR_DISK_FULL : ERR_IO, "%s: %s", path, strerrordesc_np(errno));
}

static enum err take_part(void *ctx, struct span name, unsigned mode, struct fail *f)
{
    struct taking *t = ctx;
    arena_reset(t->names);
    const char *file = arena_str(t->names, name);
    if (t->kind == BACKUP_KEYS && span_is(name, "erased.ledger"))
        file = KEYS_LEDGER;
    char *path = arena_str(t->names, arena_fmt(t->names, "%s/%s", t->r->folder, file));
    char *slash = strrchr(path, '/');
    *slash = 0;
    enum err err = file_mkdirs(path, 0755, f);
    *slash = '/';
    if (err != OK)
        return err;
    t->r->file = path;
    t->r->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode & 0644);
    return t->r->fd >= 0 ? OK : cannot(path, f);
}

static enum err take_bytes(void *ctx, struct span bytes, struct fail *f)
{
    struct taking *t = ctx;
    return file_write_all(t->r->fd, bytes, f);
}

static enum err take_end(void *ctx, struct fail *f)
{
    struct restore *r = ((struct taking *)ctx)->r;
    int rc = close(r->fd);
    r->fd = -1;
    return rc == 0 ? OK : cannot(r->file, f);
}

static void take_progress(void *ctx, uint64_t bytes)
{
    const struct taking *t = ctx;
    cli_progress_bytes("MiB restored", t->before + bytes, t->r->total);
}

static enum err take_file(struct restore *r, enum backup_kind kind, const char *path, const char *key,
                          struct fail *f)
{
    struct taking t = {.r = r, .kind = kind, .before = r->read, .names = arena_new(1024)};
    const struct backup_sink sink = {take_about, take_part, take_bytes, take_end, take_progress, &t};
    struct backup_with with;
    struct key *secret = NULL;
    enum err err = backup_opener(r->c, cli_get(r->c, key) ? key : "key", &secret, &with, f);
    if (err == OK)
        err = backup_read(path, kind, &with, &sink, &r->sum[kind], f);
    r->read += r->sum[kind].bytes;
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    key_free(secret);
    arena_free(t.names);
    return err;
}

/* ---- The pair */

static enum err check_pair(struct restore *r, struct fail *f)
{
    const struct backup_about *data = &r->about[BACKUP_DATA], *keys = &r->about[BACKUP_KEYS];
    if (!span_eq(data->installation, keys->installation)) {
        fail_hint(f, "data is of %.*s, keys are of %.*s", SPAN_F(span_sub(data->installation, 0, 90)),
                  SPAN_F(span_sub(keys->installation, 0, 90)));
        return fail_set(f, ERR_CONFLICT, "the two files are of different installations");
    }
    /* RFC 3339 in UTC: the order of the texts is that of the instants. */
    if (span_cmp(keys->made, data->made) >= 0 || cli_get(r->c, "older-keys"))
        return OK;
    fail_hint(f,
              "take the newest keys; --older-keys goes on, and whoever came between the two cannot be read");
    return fail_set(f, ERR_CONFLICT, "the keys of %.*s are older than the data of %.*s", SPAN_F(keys->made),
                    SPAN_F(data->made));
}

/* ---- The ledger: all that is known of the erased. Nobody comes back whom any of them names. */

static enum err merge(struct restore *r, const char *from, bool must, struct fail *f)
{
    uint64_t added = 0;
    if (!must && !file_exists(from))
        return OK;
    enum err err = backup_ledger_merge(in(r, "erased.ledger"), from, &added, f);
    r->added += added;
    return err;
}

static const char *beside(const struct restore *r, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct span folder = slash ? span_of(path, (size_t)(slash - path)) : SPAN(".");
    return arena_str(r->c->arena, arena_fmt(r->c->arena, "%.*s/erased.ledger", SPAN_F(folder)));
}

static enum err merge_all(struct restore *r, struct fail *f)
{
    const char *given = cli_get(r->c, "ledger");
    enum err err = merge(r, in(r, KEYS_LEDGER), true, f);
    if (err == OK && unlink(in(r, KEYS_LEDGER)) != 0)
        err = cannot(KEYS_LEDGER, f);
    if (err == OK)
        err = merge(r, beside(r, cli_get(r->c, "data-file")), false, f);
    if (err == OK)
        err = merge(r, beside(r, cli_get(r->c, "keys-file")), false, f);
    return err == OK && given ? merge(r, given, true, f) : err;
}

/* ---- Opened once */

static enum err put_master(struct restore *r, struct fail *f)
{
    const char *file = cli_get(r->c, "master-key");
    struct span text;
    struct key *k = NULL;
    if (!file)
        return OK;
    enum err err = key_read_file(file, &k, f); /* says what is wrong with it */
    key_free(k);
    if (err == OK)
        err = file_read(r->c->arena, file, 1024, &text, f);
    return err == OK ? file_write_durable(in(r, "master-key"), text, 0600, f) : err;
}

static enum err open_once(struct restore *r, struct fail *f)
{
    struct cli *c = r->c;
    struct cli_answer answer = {0};
    const struct json *v = NULL;
    int64_t again = 0;
    c->data = r->folder;
    enum err err = cli_send(c, METHOD_GET, SPAN("/healthz"), SPAN_EMPTY, SPAN_EMPTY, &answer, f);
    if (err == OK && json_parse(c->arena, answer.body, &v, NULL) == OK)
        json_read_i64(v, "erased_again", false, &again, NULL);
    r->erased_again = (uint64_t)again;
    cli_close(c);
    return err;
}

static enum err sync_all(struct restore *r, struct fail *f)
{
    int fd = open(r->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err err = fd >= 0 && syncfs(fd) == 0 ? OK : cannot(r->folder, f);
    if (fd >= 0)
        close(fd);
    return err;
}

static enum err place_it(struct restore *r, struct fail *f)
{
    const char *slash = strrchr(r->place, '/');
    struct span parent = !slash              ? SPAN(".")
                         : slash == r->place ? SPAN("/")
                                             : span_of(r->place, (size_t)(slash - r->place));
    enum err err = sync_all(r, f);
    if (err == OK)
        err = cli_folder_place(r->folder, r->place, f);
    return err == OK ? file_sync_dir(arena_str(r->c->arena, parent), f) : err;
}

static enum err restore(struct restore *r, struct fail *f)
{
    const char *data = cli_get(r->c, "data-file"), *keys = cli_get(r->c, "keys-file");
    struct stat st;
    r->total = stat(data, &st) == 0 ? (uint64_t)st.st_size : 0;
    r->total += stat(keys, &st) == 0 ? (uint64_t)st.st_size : 0;
    enum err err = cli_folder_begin(r->c, r->folder, r->place, f);
    /* The small one first: most mistakes show with it. */
    if (err == OK)
        err = take_file(r, BACKUP_KEYS, keys, "keys-key", f);
    if (err == OK)
        err = take_file(r, BACKUP_DATA, data, "key", f);
    cli_progress_end();
    if (err == OK)
        err = check_pair(r, f);
    if (err == OK)
        err = merge_all(r, f);
    if (err == OK)
        err = put_master(r, f);
    if (err == OK)
        err = open_once(r, f);
    return err == OK ? place_it(r, f) : err;
}

/* ---- Told */

static void report(const struct restore *r)
{
    const struct backup_about *data = &r->about[BACKUP_DATA], *keys = &r->about[BACKUP_KEYS];
    if (r->c->json) {
        struct text t = text_new(r->c->arena, 512);
        json_open(&t, NULL, '{');
        json_str(&t, "folder", r->place);
        json_string(&t, "data_made", data->made);
        json_string(&t, "keys_made", keys->made);
        json_i64(&t, "entries", data->entries);
        json_i64(&t, "ledger_added", (int64_t)r->added);
        json_i64(&t, "erased_again", (int64_t)r->erased_again);
        json_close(&t, '}');
        printf("%.*s\n", SPAN_F(text_span(&t)));
        return;
    }
    printf("The data folder %s is as it was at %.*s, with the keys of %.*s.\n", r->place, SPAN_F(data->made),
           SPAN_F(keys->made));
    printf("%llu persons who were erased since were erased again.\n", (unsigned long long)r->erased_again);
    printf("Record of %lld entries. What witnesses or people keep may be newer: `troth audit verify %s "
           "--against FILE`.\n",
           (long long)data->entries, r->place);
}

int cmd_restore(struct cli *c)
{
    struct fail f = {0};
    struct restore r = {.c = c, .fd = -1};
    bool file = cli_get(c, "master-key") != NULL, command = cli_master_command(c) != NULL;
    if (file == command)
        return cli_usage(c->command,
                         "Say where the master key is: --master-key FILE or --master-key-command CMD.");
    r.folder = cli_folder_beside(c, c->arg[0], &r.place);
    enum err err = crypto_start(&f);
    if (err == OK)
        err = cli_folder_free(r.place, &f);
    if (err != OK)
        return cli_fail(&f);
    err = restore(&r, &f);
    cli_close(c);
    if (err != OK)
        cli_folder_remove(r.folder);
    if (err == ERR_USAGE)
        return cli_usage(c->command, "%s", f.detail);
    if (err != OK)
        return cli_fail(&f);
    report(&r);
    return CLI_OK;
}
