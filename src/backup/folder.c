// SPDX-License-Identifier: Apache-2.0
/* Which files of a data folder go into which backup, and in what order. See backup.h. */
#define _DEFAULT_SOURCE /* fts */
#include "backup.h"

#include "file.h"
#include "merkle.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define HEAD_FILE_MAX (64u << 10)

static const char *in(struct arena *a, const char *data, const char *name)
{
    return arena_str(a, arena_fmt(a, "%s/%s", data, name));
}

/* ---- Heads */

enum err backup_heads(struct arena *a, const char *data, struct backup_heads *out, struct fail *f)
{
    struct merkle_checkpoint c;
    *out = (struct backup_heads){0};
    enum err err = file_read(a, in(a, data, "audit/key.pub"), HEAD_FILE_MAX, &out->installation, f);
    if (err == OK)
        err = file_read(a, in(a, data, "audit/checkpoint"), HEAD_FILE_MAX, &out->checkpoint, f);
    if (err == OK)
        err = merkle_checkpoint_read(a, out->checkpoint, NULL, &c, f);
    if (err == OK && file_exists(in(a, data, "audit/witnessed")))
        err = file_read(a, in(a, data, "audit/witnessed"), HEAD_FILE_MAX, &out->witnessed, f);
    if (err != OK)
        return err;
    out->installation = span_trim(out->installation);
    out->size = c.size;
    return OK;
}

/* ---- Files */

struct adder {
    struct backup_writer *w;
    const struct backup_folder *b;
    struct arena *a;
};

static enum err add_text(struct adder *x, const char *name, struct span text, struct fail *f)
{
    enum err err = text.len ? backup_part(x->w, name, 0644, f) : OK;
    if (err == OK && text.len)
        err = backup_bytes(x->w, text, f);
    return err == OK && text.len ? backup_part_end(x->w, f) : err;
}

static enum err add_file(struct adder *x, const char *path, const char *name, struct fail *f)
{
    return backup_file_add(
        x->w, &(struct backup_file){.path = path, .name = name, .progress = x->b->progress, .ctx = x->b->ctx},
        f);
}

static enum err add_named(struct adder *x, const char *name, struct fail *f)
{
    return add_file(x, in(x->a, x->b->data, name), name, f);
}

/* A segment beyond the end is not of this instant; of the last one, what is behind the end is not. */
static enum err add_segment(struct adder *x, const FTSENT *e, const char *name, uint64_t number,
                            struct fail *f)
{
    const struct audit_end *end = &x->b->end;
    struct backup_file file = {
        .path = e->fts_accpath, .name = name, .progress = x->b->progress, .ctx = x->b->ctx};
    if (number > end->segment)
        return OK;
    if (number == end->segment) {
        file.most = end->offset;
        file.fill = (uint64_t)e->fts_statp->st_size;
    }
    return backup_file_add(x->w, &file, f);
}

static bool numbered(struct span name, const char *prefix, uint64_t *number)
{
    size_t n = strlen(prefix);
    return name.p && span_starts(name, prefix) && span_u64(span_sub(name, n, name.len), UINT64_MAX, number);
}

/* Partial tiles, and the folder of each, go when a wider one is there; they can be made again. */
static bool may_vanish(struct span below)
{
    return span_starts(below, "tile/");
}

/* The head of an epoch that was closed after the instant. */
static bool too_new(struct adder *x, const char *path, struct span below)
{
    struct span note;
    struct merkle_checkpoint c;
    return span_starts(below, "epochs/") && file_read(x->a, path, HEAD_FILE_MAX, &note, NULL) == OK &&
           merkle_checkpoint_read(x->a, note, NULL, &c, NULL) == OK && c.size > x->b->end.size;
}

/* A file below audit/ that is none of this instant's, or is written by itself. */
static bool left_out(struct adder *x, const FTSENT *e, struct span below, const char *name)
{
    static const char *const ours[] = {"checkpoint", "signed", "witnessed"};
    uint64_t number = 0;
    bool skip = span_starts(below, "segment-next"); /* room without entries */
    skip = skip || !backup_name_ok(BACKUP_DATA, span_str(name)) || strstr(name, ".tmp") ||
           (numbered(below, "summary-", &number) && number >= x->b->end.segment);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        skip |= span_is(below, ours[i]);
    return skip || too_new(x, e->fts_accpath, below);
}

static const char *audit_name(struct adder *x, struct span below)
{
    return arena_str(x->a, arena_fmt(x->a, "audit/%.*s", SPAN_F(below)));
}

static enum err add_audit_file(struct adder *x, const FTSENT *e, struct span below, struct fail *f)
{
    struct fail why = {0};
    uint64_t number = 0;
    struct arena_mark mark = arena_mark(x->a);
    const char *name = audit_name(x, below);
    bool skip = left_out(x, e, below, name);
    enum err err = OK;
    if (!skip && numbered(below, "segment-", &number))
        err = add_segment(x, e, name, number, &why);
    else if (!skip)
        err = add_file(x, e->fts_accpath, name, &why);
    if (err == ERR_NOT_FOUND && may_vanish(below))
        err = OK;
    else if (err == ERR_NOT_FOUND)
        fail_hint(&why, "the record may have been pruned meanwhile: start the backup again");
    if (err != OK && f)
        *f = why;
    arena_release(x->a, mark);
    return err;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

typedef enum err (*on_file)(struct adder *x, const FTSENT *e, struct span below, struct fail *f);

/* Every file below a folder, in the order of names. */
static enum err walk(struct adder *x, const char *root, on_file fn, struct fail *f)
{
    char *paths[] = {arena_str(x->a, span_str(root)), NULL};
    size_t skip = strlen(root) + 1;
    enum err err = OK;
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    if (!tree)
        return fail_set(f, ERR_IO, "%s cannot be listed", root);
    for (FTSENT *e = fts_read(tree); e && err == OK; e = fts_read(tree)) {
        bool gone = e->fts_level > 0 && e->fts_errno == ENOENT && may_vanish(span_str(e->fts_path + skip));
        if ((e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS) && !gone)
            err = fail_set(f, ERR_IO, "%s cannot be read", e->fts_path);
        else if (e->fts_info == FTS_F)
            err = fn(x, e, span_str(e->fts_path + skip), f);
    }
    fts_close(tree);
    return err;
}

static enum err add_policy_file(struct adder *x, const FTSENT *e, struct span below, struct fail *f)
{
    const char *name = arena_str(x->a, arena_fmt(x->a, "policy/%.*s", SPAN_F(below)));
    return backup_name_ok(BACKUP_DATA, span_str(name)) ? add_file(x, e->fts_accpath, name, f) : OK;
}

/* The database first: everything else may be newer than it, never older (the ledger last). */
static enum err add_data(struct adder *x, struct fail *f)
{
    enum err err = add_file(x, x->b->main_copy, "troth.db", f);
    if (err == OK)
        err = add_text(x, "audit/checkpoint", x->b->heads.checkpoint, f);
    if (err == OK)
        err = add_text(x, "audit/signed", x->b->heads.checkpoint, f);
    if (err == OK)
        err = add_text(x, "audit/witnessed", x->b->heads.witnessed, f);
    if (err == OK)
        err = walk(x, in(x->a, x->b->data, "audit"), add_audit_file, f);
    if (err == OK)
        err = walk(x, in(x->a, x->b->data, "policy"), add_policy_file, f);
    return err == OK ? add_named(x, "erased.ledger", f) : err;
}

enum err backup_add_data(struct backup_writer *w, const struct backup_folder *b, struct fail *f)
{
    struct adder x = {.w = w, .b = b, .a = arena_new(0)};
    enum err err = add_data(&x, f);
    arena_free(x.a);
    return err;
}

enum err backup_add_keys(struct backup_writer *w, const struct backup_folder *b, struct fail *f)
{
    struct adder x = {.w = w, .b = b, .a = arena_new(0)};
    enum err err = add_file(&x, b->keys_copy, "keys.db", f);
    if (err == OK)
        err = add_named(&x, "audit-key", f);
    if (err == OK)
        err = add_named(&x, "erased.ledger", f);
    arena_free(x.a);
    return err;
}

/* ---- How much */

static uint64_t size_of(const char *path)
{
    struct stat st;
    return path && stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static enum err count_file(struct adder *x, const FTSENT *e, struct span below, struct fail *f)
{
    (void)below, (void)f;
    *(uint64_t *)x->b->ctx += (uint64_t)e->fts_statp->st_size;
    return OK;
}

/* Of the last segment what is behind the end is room that was laid out ahead. */
static enum err count_audit_file(struct adder *x, const FTSENT *e, struct span below, struct fail *f)
{
    struct arena_mark mark = arena_mark(x->a);
    uint64_t number = 0;
    bool segment = numbered(below, "segment-", &number), last = segment && number == x->b->end.segment;
    (void)f;
    if (last)
        *(uint64_t *)x->b->ctx += x->b->end.offset;
    else if (!(segment && number > x->b->end.segment) && !left_out(x, e, below, audit_name(x, below)))
        count_file(x, e, below, f);
    arena_release(x->a, mark);
    return OK;
}

uint64_t backup_bytes_of(const struct backup_folder *b, enum backup_kind kind)
{
    uint64_t n = size_of(kind == BACKUP_KEYS ? b->keys_copy : b->main_copy);
    struct backup_folder counted = *b;
    struct adder x = {.b = &counted, .a = arena_new(0)};
    counted.ctx = &n;
    n += size_of(in(x.a, b->data, "erased.ledger"));
    if (kind == BACKUP_KEYS)
        n += size_of(in(x.a, b->data, "audit-key"));
    if (kind == BACKUP_DATA) {
        walk(&x, in(x.a, b->data, "audit"), count_audit_file, NULL);
        walk(&x, in(x.a, b->data, "policy"), count_file, NULL);
    }
    arena_free(x.a);
    return n;
}
