// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_text.c: see cmd_policy_text.h. */
#include "cmd_policy_text.h"

#include "crypto.h"
#include "file.h"
#include "policy_export.h"
#include "policy_folder.h"
#include "policy_format.h"
#include "policy_view.h"

#include <stdio.h>
#include <sys/stat.h>

static void print(const struct text *t)
{
    fwrite(t->p, 1, t->len, stdout);
}

/* A folder or file that cannot be read is a mistake in the command. */
static int unreadable(const struct fail *f)
{
    cli_fail(f);
    return CLI_USAGE;
}

/* ---- format */

struct formatting {
    struct cli *c;
    const char *dir; /* null: one file, by its path */
    bool check;
    size_t changed, refused;
};

static const char *path_of(const struct formatting *w, struct span name)
{
    if (!w->dir)
        return arena_str(w->c->arena, name);
    return arena_str(w->c->arena, arena_fmt(w->c->arena, "%s/%.*s", w->dir, SPAN_F(name)));
}

/* The file keeps its permissions. */
static enum err write_back(const char *path, struct span text, struct fail *f)
{
    struct stat st;
    unsigned mode = stat(path, &st) == 0 ? st.st_mode & 0777u : 0644;
    return file_write_durable(path, text, mode, f);
}

static enum err format_one(struct formatting *w, const struct policy_source *s, struct fail *f)
{
    struct policy_messages m;
    struct text out = text_new(w->c->arena, s->text.len + 1);
    const char *path = path_of(w, s->name);
    if (!policy_format(w->c->arena, s, &out, &m)) {
        cli_policy_messages(&m);
        w->refused++;
        return OK;
    }
    if (span_eq(text_span(&out), s->text))
        return OK;
    w->changed++;
    printf(w->check ? "%s would change\n" : "%s\n", path);
    return w->check ? OK : write_back(path, text_span(&out), f);
}

static enum err read_one(struct cli *c, const char *path, struct policy_source **list, size_t *n,
                         struct fail *f)
{
    *list = ARENA_NEW(c->arena, struct policy_source);
    (*list)->name = span_str(path);
    *n = 1;
    return file_read(c->arena, path, POLICY_SOURCE_MAX, &(*list)->text, f);
}

/* What a folder's other files say would be left out in silence. */
static int stray(const struct fail *f)
{
    cli_fail(f);
    return f->code == ERR_POLICY ? CLI_FAILED : CLI_USAGE;
}

int cmd_policy_format(struct cli *c)
{
    struct stat st;
    struct fail f = {0};
    struct policy_source *list = NULL;
    size_t n = 0;
    bool folder = stat(c->arg[0], &st) == 0 && S_ISDIR(st.st_mode);
    struct formatting w = {.c = c, .dir = folder ? c->arg[0] : NULL, .check = cli_get(c, "check") != NULL};
    enum err e = folder ? policy_folder_read(c->arena, c->arg[0], &list, &n, &f)
                        : read_one(c, c->arg[0], &list, &n, &f);
    for (size_t i = 0; i < n && e == OK; i++)
        e = format_one(&w, &list[i], &f);
    if (e != OK)
        return unreadable(&f);
    if (folder && policy_folder_whole(c->arena, c->arg[0], &f) != OK)
        return stray(&f);
    return w.refused > 0 || (w.check && w.changed > 0) ? CLI_FAILED : CLI_OK;
}

/* ---- export */

static struct span hex_of(struct arena *a, struct span bytes)
{
    struct digest d;
    char *hex = arena_alloc(a, 2 * sizeof d.b + 1);
    crypto_sha256(bytes, &d);
    hex_put(hex, d.b, sizeof d.b);
    return span_str(hex);
}

static struct policy_identity identity_of(struct arena *a, const struct policy *p)
{
    struct span *documents = ARENA_ARRAY(a, policy_documents(p), struct span);
    for (unsigned i = 0; i < policy_documents(p); i++)
        documents[i] = hex_of(a, policy_document(p, i)->text);
    return (struct policy_identity){.compiled = hex_of(a, policy_packed(p)), .documents = documents};
}

int cmd_policy_export(struct cli *c)
{
    struct policy *p;
    struct policy_messages m;
    struct fail f = {0};
    struct text out = text_new(c->arena, 1 << 16);
    enum err e = policy_folder_load(c->arena, c->arg[0], &p, &m, &f);
    if (e == ERR_POLICY) {
        cli_policy_messages(&m);
        return CLI_FAILED;
    }
    if (e != OK)
        return unreadable(&f);
    struct policy_identity id = identity_of(c->arena, p);
    if (cli_get(c, "dpv"))
        policy_export_dpv(p, &out);
    else
        policy_export_json(p, &id, &out);
    text_char(&out, '\n');
    print(&out);
    return CLI_OK;
}

/* ---- coverage */

int cmd_policy_coverage(struct cli *c)
{
    struct policy_source *sources = NULL;
    struct policy_messages m;
    struct fail f = {0};
    size_t n = 0;
    struct text out = text_new(c->arena, 4096);
    if (policy_folder_read(c->arena, c->arg[0], &sources, &n, &f) != OK)
        return unreadable(&f);
    struct policy_view *v = policy_view_open(c->arena, sources, n, &m);
    struct policy_coverage *list = policy_coverage(v, c->arena, &n);
    bool whole = c->json ? policy_coverage_json(list, n, &out) : policy_coverage_put(list, n, &out);
    if (c->json)
        text_char(&out, '\n');
    print(&out);
    if (policy_folder_whole(c->arena, c->arg[0], &f) != OK)
        return stray(&f);
    return whole ? CLI_OK : CLI_FAILED;
}
