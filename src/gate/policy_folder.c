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

static enum err read_source(struct arena *a, const char *dir, struct policy_source *s, struct fail *f)
{
    struct span path = arena_fmt(a, "%s/%.*s", dir, SPAN_F(s->name));
    return file_read(a, arena_str(a, path), POLICY_SOURCE_MAX, &s->text, f);
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
    enum err e = policy_folder_read(a, dir, &sources, &n, f);
    if (e != OK)
        return e;
    *p = policy_load(a, sources, n, m);
    return *p ? OK : fail_errors(m, dir, f);
}
