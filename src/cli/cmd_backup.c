// SPDX-License-Identifier: Apache-2.0
/*
 * troth backup. The daemon (or this process, if none has the folder open) copies the databases between its
 * groups, until both are of one instant; then the copies and the files of the folder are sealed into the two
 * files. See cmd_backup.h
 */
#define _GNU_SOURCE /* realpath, strerrordesc_np */
#include "cmd_backup.h"

#include "file.h"
#include "json.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY ".troth-copy" /* nobody else's: what has it and is a database of ours may be removed */

/* One of the two files. */
struct target {
    enum backup_kind kind;
    const char *file;         /* null: not asked for */
    const char *place, *copy; /* the same, absolute; the copy of its database, until it is sealed */
    int lock;                 /* on the copy: two backups into one file */
    struct backup_for who[1];
    struct backup_writer *writer;
    uint64_t bytes, parts;
    bool done;
};

struct run {
    struct cli *c;
    struct target of[2]; /* data, keys */
    struct backup_folder folder;
    struct span about;
    int64_t left, number; /* pages; of the copy */
    struct cli_answer answer;
    uint64_t read, total;
};

/* ---- For whom */

/* Nothing of a file that may be a secret is repeated, neither in the message nor in a backup. */
static enum err no_public(const char *path, struct span text, struct fail *f)
{
    uint8_t any[KEY_LEN];
    bool digits = hex_get(text, any, sizeof any);
    crypto_wipe(any, sizeof any);
    if (box_secret_like(text)) {
        fail_hint(f, "give FILE.pub, which `troth backup key FILE` made beside it");
        return fail_set(f, ERR_BAD_VALUE, "%s is the secret that opens backups, no public key", path);
    }
    if (digits) {
        fail_hint(f,
                  "a FILE.pub of an older troth: put it beside its secret FILE, and `troth backup key FILE` "
                  "writes it anew, with the word that tells what it is");
        return fail_set(f, ERR_BAD_VALUE,
                        "%s does not say that it is public: 64 hex digits alone may be a secret", path);
    }
    fail_hint(f, "`troth backup key FILE` makes a pair; give FILE.pub");
    return fail_set(f, ERR_BAD_VALUE, "%s is no public key of backups", path);
}

static enum err read_public(struct cli *c, const char *path, uint8_t pk[BOX_PK_LEN], struct fail *f)
{
    struct span text;
    enum err err = file_read(c->arena, path, 1024, &text, f);
    if (err != OK)
        return err;
    text = span_trim(text);
    return box_public_get(text, pk) ? OK : no_public(path, text, f);
}

static enum err read_who(struct run *r, struct target *t, struct fail *f)
{
    struct cli *c = r->c;
    const char *mine = t->kind == BACKUP_KEYS ? cli_get(c, "keys-for") : NULL;
    const char *path = mine ? mine : cli_get(c, "for");
    enum err err = backup_words(c, &t->who[0].words, f);
    if (err != OK)
        return err;
    if (path && t->who[0].words.len)
        return fail_set(f, ERR_USAGE, "Give a public key (--for) or a passphrase, not both.");
    if (!path && !t->who[0].words.len)
        return fail_set(f, ERR_USAGE,
                        "Say for whom: --for FILE.pub, --passphrase-file or --passphrase-command.");
    return path ? read_public(c, path, t->who[0].pk, f) : OK;
}

/* ---- Where. The copies lie beside what they become, so that keys are never beside data that go elsewhere.
 */

static const char *volatile leftover[4]; /* copies, unfinished files: gone when a signal ends us */

static void on_signal(int number)
{
    for (size_t i = 0; i < sizeof leftover / sizeof leftover[0]; i++)
        if (leftover[i])
            unlink(leftover[i]);
    signal(number, SIG_DFL);
    raise(number);
}

/* ---- What killed backups left in the same folder: copies that nobody has locked, by what is in them */

static bool is_left_over(const char *path)
{
    uint8_t head[72] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0)
        return false;
    bool plain = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0;
    ssize_t n = plain ? pread(fd, head, sizeof head, 0) : -1;
    close(fd);
    uint32_t id = (uint32_t)head[68] << 24 | (uint32_t)head[69] << 16 | (uint32_t)head[70] << 8 | head[71];
    return n == (ssize_t)sizeof head && memcmp(head, "SQLite format 3", 16) == 0 &&
           (id == store_application_id(STORE_MAIN) || id == store_application_id(STORE_KEYS));
}

static void remove_left_over(struct run *r, const char *folder)
{
    struct span *names;
    size_t n = 0;
    struct arena *a = r->c->arena;
    if (file_list(a, folder, COPY, &names, &n, NULL) != OK)
        return;
    for (size_t i = 0; i < n; i++) {
        const char *path = arena_str(a, arena_fmt(a, "%s/%.*s", folder, SPAN_F(names[i])));
        if (is_left_over(path) && unlink(path) == 0)
            fprintf(stderr, "troth: removed %s, which a backup that was cut short had left\n", path);
    }
}

static enum err absolute(struct run *r, struct target *t, struct fail *f)
{
    struct arena *a = r->c->arena;
    const char *slash = strrchr(t->file, '/');
    const char *folder = !slash             ? "."
                         : slash == t->file ? "/"
                                            : arena_str(a, span_of(t->file, (size_t)(slash - t->file)));
    const char *name = slash ? slash + 1 : t->file;
    char *real = realpath(folder, NULL);
    if (!real || !*name) {
        free(real);
        return fail_set(f, ERR_IO, "%s: %s", t->file, *name ? strerrordesc_np(errno) : "it names a folder");
    }
    t->place = arena_str(a, arena_fmt(a, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name));
    t->copy = arena_str(a, arena_fmt(a, "%s" COPY, t->place));
    remove_left_over(r, real);
    free(real);
    if (!file_exists(t->place))
        return OK;
    fail_hint(f, "name another file: a backup never replaces one");
    return fail_set(f, ERR_CONFLICT, "%s exists already", t->file);
}

/* The daemon opens what we made: as its user, if we are root. */
static enum err make_copy(struct run *r, struct target *t, struct fail *f)
{
    struct stat st;
    leftover[t->kind == BACKUP_KEYS] = t->copy;
    t->lock = open(t->copy, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (t->lock < 0)
        return fail_set(f, ERR_IO, "%s cannot be created: %s", t->copy, strerrordesc_np(errno));
    if (flock(t->lock, LOCK_EX | LOCK_NB) != 0) {
        leftover[t->kind == BACKUP_KEYS] = NULL; /* theirs */
        return fail_set(f, ERR_CONFLICT, "another backup into %s is under way", t->file);
    }
    if (ftruncate(t->lock, 0) != 0)
        return fail_set(f, ERR_IO, "%s: %s", t->copy, strerrordesc_np(errno));
    if (geteuid() == 0 && stat(web_socket_path(r->c->arena, r->c->data), &st) == 0 && st.st_uid != 0 &&
        fchown(t->lock, st.st_uid, st.st_gid) != 0)
        return fail_set(f, ERR_IO, "%s: %s", t->copy, strerrordesc_np(errno));
    return OK;
}

static enum err prepare(struct run *r, struct target *t, struct fail *f)
{
    t->lock = -1;
    if (!t->file)
        return OK;
    enum err err = read_who(r, t, f);
    if (err == OK)
        err = absolute(r, t, f);
    return err == OK ? make_copy(r, t, f) : err;
}

static void clean(struct target *t)
{
    backup_drop(t->writer);
    if (t->lock < 0)
        return;
    if (leftover[t->kind == BACKUP_KEYS])
        unlink(t->copy);
    leftover[t->kind == BACKUP_KEYS] = NULL;
    close(t->lock);
}

/* ---- The databases */

static enum err ask(struct run *r, struct span body, struct fail *f)
{
    struct cli *c = r->c;
    enum err err = cli_send(c, METHOD_POST, SPAN("/v1/backups"), SPAN_EMPTY, body, &r->answer, f);
    if (err == OK && r->answer.status >= 400) {
        cli_progress_end();
        cli_problem(c, &r->answer);
        err = ERR_REFUSED; /* told already */
    }
    return err;
}

static enum err step(struct run *r, const char *name, struct fail *f)
{
    return ask(r, arena_fmt(r->c->arena, "{\"step\":\"%s\",\"number\":%lld}", name, (long long)r->number), f);
}

static enum err begin(struct run *r, struct fail *f)
{
    struct text t = text_new(r->c->arena, 512);
    json_open(&t, NULL, '{');
    json_str(&t, "step", "begin");
    json_str(&t, "region", cli_get(r->c, "region"));
    if (r->of[0].copy)
        json_str(&t, "main", r->of[0].copy);
    if (r->of[1].copy)
        json_str(&t, "keys", r->of[1].copy);
    json_close(&t, '}');
    return ask(r, text_span(&t), f);
}

static enum err read_left(struct run *r, struct fail *f)
{
    const struct json *v = NULL;
    int64_t pages = 0;
    enum err err = json_parse(r->c->arena, r->answer.body, &v, f);
    if (err == OK)
        err = json_read_i64(v, "left", true, &r->left, f);
    if (err == OK)
        err = json_read_i64(v, "pages", true, &pages, f);
    if (err == OK)
        err = json_read_i64(v, "number", true, &r->number, f);
    if (err == OK)
        cli_progress("pages copied", (uint64_t)(pages - r->left), (uint64_t)pages);
    return err;
}

/* What the answer to `finish` says, and the record's head, which was read before it. */
static enum err make_about(struct run *r, struct fail *f)
{
    static const char *const texts[] = {"made", "version", "revision"};
    static const char *const numbers[] = {"entries", "schema", "schema_keys"};
    const struct json *v = NULL;
    int64_t n = 0, segment = 0, offset = 0, size = 0;
    struct text t = text_new(r->c->arena, 4096);
    enum err err = json_parse(r->c->arena, r->answer.body, &v, f);
    json_open(&t, NULL, '{');
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        json_string(&t, texts[i], json_span(json_get(v, texts[i])));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && err == OK; i++) {
        err = json_read_i64(v, numbers[i], true, &n, f);
        json_i64(&t, numbers[i], n);
    }
    json_str(&t, "region", cli_get(r->c, "region"));
    json_string(&t, "installation", r->folder.heads.installation);
    json_i64(&t, "checkpoint_size", (int64_t)r->folder.heads.size);
    json_string(&t, "checkpoint", r->folder.heads.checkpoint);
    json_close(&t, '}');
    r->about = text_span(&t);
    if (err == OK)
        err = json_read_i64(v, "segment", true, &segment, f);
    if (err == OK)
        err = json_read_i64(v, "offset", true, &offset, f);
    if (err == OK)
        err = json_read_i64(v, "entries", true, &size, f);
    r->folder.end = (struct audit_end){(uint64_t)size, (uint64_t)segment, (uint64_t)offset};
    return err;
}

/* Answers are thrown away each time: there are as many as the database has MiB. */
static enum err copy_databases(struct run *r, struct fail *f)
{
    enum err err = begin(r, f);
    if (err == OK)
        err = read_left(r, f);
    while (err == OK && r->left > 0) {
        struct arena *outer = r->c->arena;
        r->c->arena = arena_new(0);
        err = step(r, "copy", f);
        if (err == OK)
            err = read_left(r, f);
        arena_free(r->c->arena);
        r->c->arena = outer;
    }
    if (err == OK)
        err = backup_heads(r->c->arena, r->c->data, &r->folder.heads, f);
    if (err == OK)
        err = step(r, "finish", f);
    cli_progress_end();
    return err == OK ? make_about(r, f) : err;
}

/* ---- The files */

static void on_bytes(void *ctx, uint64_t bytes)
{
    struct run *r = ctx;
    r->read += bytes;
    r->total = r->read > r->total ? r->read : r->total; /* files grow */
    cli_progress_bytes("MiB sealed", r->read, r->total);
}

static enum err seal(struct run *r, struct target *t, struct fail *f)
{
    if (!t->file)
        return OK;
    leftover[t->kind == BACKUP_KEYS ? 3 : 2] =
        arena_str(r->c->arena, arena_fmt(r->c->arena, "%s.part", t->place));
    enum err err = backup_create(t->place, t->kind, t->who, 1, r->about, &t->writer, f);
    if (err != OK)
        return err;
    return t->kind == BACKUP_KEYS ? backup_add_keys(t->writer, &r->folder, f)
                                  : backup_add_data(t->writer, &r->folder, f);
}

static enum err finish(struct target *t, struct fail *f)
{
    if (!t->file)
        return OK;
    enum err err = backup_finish(t->writer, &t->bytes, &t->parts, f);
    t->writer = NULL;
    t->done = err == OK;
    return err;
}

/* Both files get their names when both are whole. */
static enum err seal_all(struct run *r, struct fail *f)
{
    r->folder.data = r->c->data;
    r->folder.main_copy = r->of[0].copy;
    r->folder.keys_copy = r->of[1].copy;
    r->folder.progress = on_bytes;
    r->folder.ctx = r;
    for (size_t i = 0; i < 2; i++)
        r->total += r->of[i].file ? backup_bytes_of(&r->folder, r->of[i].kind) : 0;
    enum err err = seal(r, &r->of[0], f);
    if (err == OK)
        err = seal(r, &r->of[1], f);
    if (err == OK)
        err = finish(&r->of[0], f);
    if (err == OK)
        err = finish(&r->of[1], f);
    if (err != OK && r->of[0].done)
        unlink(r->of[0].place);
    cli_progress_end();
    return err;
}

/* ---- Told */

static void put_json(const struct run *r)
{
    struct text t = text_new(r->c->arena, 1024);
    json_open(&t, NULL, '{');
    for (size_t i = 0; i < 2; i++) {
        const struct target *of = &r->of[i];
        if (!of->file)
            continue;
        json_open(&t, backup_kind_name(of->kind), '{');
        json_str(&t, "file", of->place);
        json_i64(&t, "bytes", (int64_t)of->bytes);
        json_i64(&t, "parts", (int64_t)of->parts);
        json_close(&t, '}');
    }
    json_raw(&t, "about", r->about);
    json_close(&t, '}');
    printf("%.*s\n", SPAN_F(text_span(&t)));
}

static void put_words(const struct run *r)
{
    for (size_t i = 0; i < 2; i++)
        if (r->of[i].file)
            printf("%s: %s, %llu bytes in %llu parts\n", backup_kind_name(r->of[i].kind), r->of[i].file,
                   (unsigned long long)r->of[i].bytes, (unsigned long long)r->of[i].parts);
    printf("record of %llu entries, checkpoint at %llu\n", (unsigned long long)r->folder.end.size,
           (unsigned long long)r->folder.heads.size);
    if (r->of[0].file && r->of[1].file)
        puts("Keep the two files, and the master key, in three places.");
}

static int usage(struct cli *c)
{
    const char *data = cli_get(c, "data-file"), *keys = cli_get(c, "keys-file");
    if (!data && !keys)
        return cli_usage(c->command, "Say where: --data-file FILE, --keys-file FILE, or both.");
    if (data && keys && strcmp(data, keys) == 0)
        return cli_usage(c->command, "Keys and data are kept apart: name two files.");
    return CLI_OK;
}

int cmd_backup(struct cli *c)
{
    struct fail f = {0};
    struct run r = {.c = c,
                    .of = {{.kind = BACKUP_DATA, .file = cli_get(c, "data-file"), .lock = -1},
                           {.kind = BACKUP_KEYS, .file = cli_get(c, "keys-file"), .lock = -1}}};
    int bad = usage(c);
    if (bad)
        return bad;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    enum err err = crypto_start(&f);
    for (size_t i = 0; i < 2 && err == OK; i++)
        err = prepare(&r, &r.of[i], &f);
    if (err == OK)
        err = copy_databases(&r, &f);
    if (err != OK && r.left > 0)
        step(&r, "end", NULL);
    if (err == OK)
        err = seal_all(&r, &f);
    for (size_t i = 0; i < 2; i++)
        clean(&r.of[i]);
    cli_close(c);
    if (err != OK && f.code == OK)
        return CLI_FAILED; /* a problem document, printed */
    if (err == ERR_USAGE)
        return cli_usage(c->command, "%s", f.detail);
    if (err != OK)
        return cli_fail(&f);
    if (c->json)
        put_json(&r);
    else
        put_words(&r);
    return CLI_OK;
}
