// SPDX-License-Identifier: Apache-2.0
/* Keys and words of backups, and looking into one. See cmd_backup.h */
#include "cmd_backup.h"

#include "file.h"
#include "json.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define WORDS_MIN 12 /* bytes: whoever has the file can try as often as he likes */
#define WORDS_MAX 1024

/* ---- Words */

static enum err words_of_file(struct cli *c, const char *path, struct span *out, struct fail *f)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO))) {
        fail_hint(f, "chmod 600 it, and take other words if others read them");
        return fail_set(f, ERR_NO_KEY, "the passphrase file %s can be reached by group or others", path);
    }
    return file_read(c->arena, path, WORDS_MAX, out, f);
}

static enum err words_of_command(struct cli *c, const char *command, struct span *out, struct fail *f)
{
    char *buf = arena_alloc(c->arena, WORDS_MAX);
    FILE *from = popen(command, "re");
    size_t n = from ? fread(buf, 1, WORDS_MAX, from) : 0;
    if (!from || pclose(from) != 0)
        return fail_set(f, ERR_NO_KEY, "the passphrase command failed");
    *out = span_of(buf, n);
    return OK;
}

enum err backup_words(struct cli *c, struct span *out, struct fail *f)
{
    const char *file = cli_get(c, "passphrase-file"), *command = cli_get(c, "passphrase-command");
    *out = SPAN_EMPTY;
    if (!file && !command)
        return OK;
    if (file && command)
        return fail_set(f, ERR_USAGE, "Give --passphrase-file or --passphrase-command, not both.");
    enum err err = file ? words_of_file(c, file, out, f) : words_of_command(c, command, out, f);
    if (err != OK)
        return err;
    while (out->len && (out->p[out->len - 1] == '\n' || out->p[out->len - 1] == '\r'))
        out->len--;
    if (out->len >= WORDS_MIN)
        return OK;
    fail_hint(f, "whoever finds the backup can try as often as he likes: take six words drawn by chance");
    return fail_set(f, ERR_NO_KEY, "the passphrase has %zu bytes; at least %d are needed", out->len,
                    WORDS_MIN);
}

enum err backup_opener(struct cli *c, const char *option, struct key **secret, struct backup_with *out,
                       struct fail *f)
{
    const char *path = cli_get(c, option);
    *secret = NULL;
    *out = (struct backup_with){0};
    enum err err = backup_words(c, &out->words, f);
    enum box_file kind;
    if (err == OK && path)
        err = box_key_read_file(path, secret, &kind, f);
    out->secret = *secret;
    if (err != OK || path || out->words.len)
        return err;
    return fail_set(f, ERR_USAGE,
                    "Say what opens the backup: --%s FILE, --passphrase-file or --passphrase-command.",
                    option);
}

/* ---- A pair of keys */

/* The public half in the form of an older troth: the digits alone. */
static bool older_public(struct cli *c, const char *open, const uint8_t pk[BOX_PK_LEN])
{
    struct span text;
    uint8_t old[BOX_PK_LEN];
    return file_read(c->arena, open, 1024, &text, NULL) == OK && hex_get(span_trim(text), old, sizeof old) &&
           memcmp(old, pk, sizeof old) == 0;
}

/* Whether the file that is there is known to be a secret of backups and its public half is still to be
 * written: it says so and the half is missing, or the half beside it is its own, in the older form. */
static bool half_is_due(struct cli *c, const char *open)
{
    struct key *k = NULL;
    uint8_t pk[BOX_PK_LEN];
    enum box_file kind;
    if (box_key_read_file(c->arg[0], &k, &kind, NULL) != OK)
        return false;
    box_public(k, pk);
    key_free(k);
    return (kind == BOX_FILE_SAID && !file_exists(open)) || older_public(c, open, pk);
}

static enum err make_secret(struct cli *c, const char *open, struct fail *f)
{
    if (file_exists(c->arg[0]) && half_is_due(c, open))
        return OK;
    if (file_exists(open))
        return fail_set(f, ERR_CONFLICT, "%s exists already", open);
    return box_key_create_file(c->arg[0], f);
}

int cmd_backup_key(struct cli *c)
{
    struct fail f = {0};
    struct key *k = NULL;
    uint8_t pk[BOX_PK_LEN];
    char text[BOX_PUBLIC_TEXT + 1];
    enum box_file kind;
    const char *open = arena_str(c->arena, arena_fmt(c->arena, "%s.pub", c->arg[0]));
    enum err err = make_secret(c, open, &f);
    if (err == OK)
        err = box_key_read_file(c->arg[0], &k, &kind, &f);
    if (err == OK) {
        box_public(k, pk);
        err = file_write_durable(open, arena_fmt(c->arena, "%.*s\n", SPAN_F(box_public_put(pk, text))), 0644,
                                 &f);
    }
    key_free(k);
    if (err != OK)
        return cli_fail(&f);
    printf("%s opens backups: keep it offline, and a copy of it.\n%s seals them: give it to `troth backup "
           "--for`.\n",
           c->arg[0], open);
    return CLI_OK;
}

/* ---- What a backup says */

enum err backup_about_read(struct arena *a, struct span json, struct backup_about *out, struct fail *f)
{
    const struct json *v = NULL;
    *out = (struct backup_about){.json = arena_copy(a, json)};
    enum err err = json_parse(a, out->json, &v, f);
    const struct {
        const char *name;
        struct span *to;
    } texts[] = {{"made", &out->made},
                 {"region", &out->region},
                 {"version", &out->version},
                 {"revision", &out->revision},
                 {"installation", &out->installation}};
    const struct {
        const char *name;
        int64_t *to;
    } numbers[] = {{"schema", &out->schema},
                   {"schema_keys", &out->schema_keys},
                   {"entries", &out->entries},
                   {"checkpoint_size", &out->checkpoint}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && err == OK; i++)
        err = json_read_string(v, texts[i].name, true, 1024, texts[i].to, f);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && err == OK; i++)
        err = json_read_i64(v, numbers[i].name, true, numbers[i].to, f);
    return err;
}

struct looked {
    struct cli *c;
    enum backup_kind kind;
    struct backup_about about;
    uint64_t total;
};

static enum err look_about(void *ctx, enum backup_kind kind, struct span json, struct fail *f)
{
    struct looked *l = ctx;
    l->kind = kind;
    return backup_about_read(l->c->arena, json, &l->about, f);
}

static enum err look_part(void *ctx, struct span name, unsigned mode, struct fail *f)
{
    (void)ctx, (void)name, (void)mode, (void)f;
    return OK;
}

static enum err look_bytes(void *ctx, struct span bytes, struct fail *f)
{
    (void)ctx, (void)bytes, (void)f;
    return OK;
}

static enum err look_end(void *ctx, struct fail *f)
{
    (void)ctx, (void)f;
    return OK;
}

static void look_progress(void *ctx, uint64_t bytes)
{
    const struct looked *l = ctx;
    cli_progress_bytes("MiB checked", bytes, l->total);
}

int cmd_backup_check(struct cli *c)
{
    struct fail f = {0};
    struct stat st = {0};
    struct looked l = {.c = c};
    struct backup_with with;
    struct backup_sum sum = {0};
    struct key *secret = NULL;
    const struct backup_sink sink = {look_about, look_part, look_bytes, look_end, look_progress, &l};
    l.total = stat(c->arg[0], &st) == 0 ? (uint64_t)st.st_size : 0;
    enum err err = crypto_start(&f);
    if (err == OK)
        err = backup_opener(c, "key", &secret, &with, &f);
    if (err == OK)
        err = backup_read(c->arg[0], 0, &with, &sink, &sum, &f);
    cli_progress_end();
    key_free(secret);
    if (err != OK)
        return cli_fail(&f) + (err == ERR_USAGE);
    if (cli_get(c, "json"))
        printf("{\"kind\":\"%s\",\"parts\":%llu,\"bytes\":%llu,\"about\":%.*s}\n", backup_kind_name(l.kind),
               (unsigned long long)sum.parts, (unsigned long long)sum.bytes, SPAN_F(l.about.json));
    else
        printf("whole: a backup of the %s, made %.*s in region %.*s, %llu parts, %llu bytes\n"
               "record of %lld entries, checkpoint at %lld; policy set %.*s; troth %.*s\n",
               backup_kind_name(l.kind), SPAN_F(l.about.made), SPAN_F(l.about.region),
               (unsigned long long)sum.parts, (unsigned long long)sum.bytes, (long long)l.about.entries,
               (long long)l.about.checkpoint, SPAN_F(l.about.revision), SPAN_F(l.about.version));
    return CLI_OK;
}
