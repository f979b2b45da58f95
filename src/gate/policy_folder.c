// SPDX-License-Identifier: Apache-2.0
/* policy_folder.c: see policy_folder.h. */
#include "policy_folder.h"

#include "file.h"
#include "policy_translate.h"

/* group.md is a document; group.zh-CN.md is its translation; notes.draft.md is neither. */
bool policy_folder_takes(struct span name)
{
    if (name.len < strlen(".md") || !span_is(span_sub(name, name.len - 3, 3), ".md"))
        return false;
    struct span stem = span_sub(name, 0, name.len - strlen(".md"));
    bool document = stem.len > 0 && span_find(stem, '.', 0) == stem.len;
    return document || policy_translation_named(name);
}

static bool ends(struct span name, const char *end)
{
    size_t n = strlen(end);
    bool same = name.len > n;
    for (size_t i = 0; same && i < n; i++)
        same = (name.p[name.len - n + i] | 0x20) == (end[i] | 0x20);
    return same;
}

/* Markdown under a name that is not read. Hidden files are those of editors. */
static bool is_stray(struct span name)
{
    return name.p[0] != '.' && !policy_folder_takes(name) &&
           (ends(name, ".md") || ends(name, ".markdown") || ends(name, ".md.txt"));
}

static enum err read_source(struct arena *a, const char *dir, struct policy_source *s, struct fail *f)
{
    struct span path = arena_fmt(a, "%s/%.*s", dir, SPAN_F(s->name));
    return file_read_plain(a, arena_str(a, path), POLICY_SOURCE_MAX, &s->text, f);
}

static enum err fail_folder(const char *dir, const char *what, unsigned max, const char *of, struct fail *f)
{
    fail_hint(f, "a folder holds the documents of one policy: take out what is not part of it");
    return fail_set(f, ERR_TOO_LARGE, "%s %s more than %u %s", dir, what, max, of);
}

enum err policy_folder_read(struct arena *a, const char *dir, struct policy_source **list, size_t *n,
                            struct fail *f)
{
    struct span *names;
    size_t n_names;
    enum err e = file_list(a, dir, ".md", &names, &n_names, f);
    if (e != OK)
        return e;
    *list = ARENA_ARRAY(a, n_names, struct policy_source);
    *n = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < n_names && e == OK; i++) {
        if (!policy_folder_takes(names[i]))
            continue;
        if (*n == POLICY_FILES_MAX)
            return fail_folder(dir, "holds", POLICY_FILES_MAX, "policy files", f);
        struct policy_source *s = &(*list)[(*n)++];
        s->name = names[i];
        e = read_source(a, dir, s, f);
        bytes += s->text.len;
        if (e == OK && bytes > POLICY_FOLDER_MAX)
            return fail_folder(dir, "has policy files of", POLICY_FOLDER_MAX >> 20, "MiB together", f);
    }
    return e;
}

#define NOT_READ                                                                                             \
    "this file is not read: a document is named NAME.md, a translation NAME.LANGUAGE.md, without another "   \
    "'.'; rename it, or take it out of the folder"

/* The first block in a file that is not read. */
enum err policy_folder_stray(struct arena *a, const char *dir, struct policy_message *at, struct fail *f)
{
    struct span *names;
    size_t n;
    enum err e = file_list(a, dir, "", &names, &n, f);
    *at = (struct policy_message){.kind = MSG_SYNTAX, .column = 1, .message = SPAN(NOT_READ)};
    for (size_t i = 0; e == OK && i < n; i++) {
        struct policy_source s = {.name = names[i]};
        if (!is_stray(names[i]))
            continue;
        e = read_source(a, dir, &s, f);
        if (e != OK || !policy_announced(s.text, &at->source_line, &at->line))
            continue;
        at->file = names[i];
        at->source_line = span_trim(at->source_line);
        at->width = (uint32_t)at->source_line.len;
        return OK;
    }
    return e;
}

enum err policy_folder_whole(struct arena *a, const char *dir, struct fail *f)
{
    struct policy_message stray;
    enum err e = policy_folder_stray(a, dir, &stray, f);
    if (e != OK || stray.file.len == 0)
        return e;
    fail_where(f, "%s/%.*s:%u", dir, SPAN_F(stray.file), stray.line);
    return fail_set(f, ERR_POLICY, "%s", NOT_READ);
}

static void put_first(struct arena *a, struct policy_messages *m, const struct policy_message *first)
{
    struct policy_message *list = ARENA_ARRAY(a, m->n + 1, struct policy_message);
    list[0] = *first;
    if (m->n > 0)
        memcpy(list + 1, m->list, m->n * sizeof *list);
    m->list = list;
    m->n++;
    m->errors++;
    m->counts[first->kind]++;
}

static enum err fail_errors(const struct policy_messages *m, const char *dir, struct fail *f)
{
    size_t i = 0;
    while (i + 1 < m->n && m->list[i].severity != POLICY_ERROR)
        i++;
    const struct policy_message *first = &m->list[i];
    fail_set(f, ERR_POLICY, "the policy in %s has %zu error%s; the first: %.*s", dir, m->errors,
             m->errors == 1 ? "" : "s", SPAN_F(first->message));
    fail_where(f, "%.*s:%u:%u", SPAN_F(first->file), first->line, first->column);
    fail_hint(f, "troth policy check %s shows them all", dir);
    return ERR_POLICY;
}

enum err policy_folder_load(struct arena *a, const char *dir, struct policy **p, struct policy_messages *m,
                            struct fail *f)
{
    struct policy_source *sources = NULL;
    size_t n = 0;
    *p = NULL;
    *m = (struct policy_messages){0};
    struct policy_message stray;
    enum err e = policy_folder_read(a, dir, &sources, &n, f);
    if (e == OK)
        e = policy_folder_stray(a, dir, &stray, f);
    if (e != OK)
        return e;
    *p = policy_load(a, sources, n, m);
    if (stray.file.len > 0) {
        put_first(a, m, &stray);
        *p = m->draft = NULL; /* a part of the policy is not even a draft of it */
    }
    return *p ? OK : fail_errors(m, dir, f);
}
