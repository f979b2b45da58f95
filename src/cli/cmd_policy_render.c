// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_render.c: see cmd_policy_render.h. */
#include "cmd_policy_render.h"

#include "cli_impl.h"
#include "crypto.h"
#include "file.h"
#include "id.h"
#include "policy_folder.h"
#include "policy_render.h"
#include "policy_translate.h"
#include "ui.h"

#include <stdio.h>

enum { EXIT_WRITTEN = 0, EXIT_ERRORS = 1, EXIT_USAGE = 2 };

static const char usage_text[] =
    "usage: troth policy render DIR [--lang TAG] [--out FOLDER] [--open]\n"
    "  writes DOCUMENT.LANG.html for every document and language into FOLDER (default: published)\n"
    "  --lang TAG   only this language (en, zh-CN, ...)\n"
    "  --open       with the boxes under the clauses open, for paper\n";

struct arguments {
    const char *dir, *lang, *out;
    bool open;
};

/* One argument; returns how many words it took, 0 if it is not understood. */
static int read_argument(struct arguments *a, int left, char **argv)
{
    struct span word = span_str(argv[0]);
    const char **value = span_is(word, "--lang") ? &a->lang : span_is(word, "--out") ? &a->out : NULL;
    if (span_is(word, "--open")) {
        a->open = true;
        return 1;
    }
    if (value) {
        *value = left > 1 ? argv[1] : NULL;
        return *value ? 2 : 0;
    }
    if (span_starts(word, "-") || a->dir)
        return 0;
    a->dir = argv[0];
    return 1;
}

static bool read_arguments(struct arguments *a, int argc, char **argv)
{
    for (int i = 0, took; i < argc; i += took) {
        took = read_argument(a, argc - i, argv + i);
        if (took == 0)
            return false;
    }
    return a->dir != NULL;
}

static struct span digest_hex(struct arena *a, struct span text)
{
    struct digest d;
    char *hex = arena_alloc(a, 2 * sizeof d.b + 1);
    crypto_sha256(text, &d);
    hex_put(hex, d.b, sizeof d.b);
    return span_str(hex);
}

/* ---- One document in one language */

struct job {
    struct arena *arena;
    const struct arguments *arguments;
    const struct policy *policy;
    struct span style;
    size_t written;
};

static enum err write_page(struct job *j, unsigned document, struct span language, struct span source,
                           struct fail *f)
{
    struct span name = policy_document(j->policy, document)->name;
    struct policy_publish w = {
        .render = {.policy = j->policy,
                   .document = document,
                   .language = language,
                   .suffix = arena_fmt(j->arena, ".%.*s.html", SPAN_F(language)),
                   .open = j->arguments->open ? SPAN("*") : SPAN_EMPTY},
        .style = j->style,
        .digest = digest_hex(j->arena, source),
    };
    struct text html = text_new(j->arena, 1 << 17);
    policy_publish_html(&w, &html);
    struct span path =
        arena_fmt(j->arena, "%s/%.*s%.*s", j->arguments->out, SPAN_F(name), SPAN_F(w.render.suffix));
    enum err e = file_write_durable(arena_str(j->arena, path), text_span(&html), 0644, f);
    if (e == OK)
        printf("%.*s\n", SPAN_F(path));
    j->written += e == OK;
    return e;
}

static bool wanted(const struct job *j, struct span language)
{
    return !j->arguments->lang || span_is(language, j->arguments->lang);
}

static enum err write_all(struct job *j, struct fail *f)
{
    enum err e = file_mkdirs(j->arguments->out, 0755, f);
    for (unsigned i = 0; e == OK && i < policy_documents(j->policy); i++)
        if (wanted(j, SPAN(POLICY_LANGUAGE)))
            e = write_page(j, i, SPAN(POLICY_LANGUAGE), policy_document(j->policy, i)->text, f);
    for (size_t i = 0; e == OK && i < policy_translations(j->policy); i++) {
        const struct policy_translation *t = policy_translation(j->policy, i);
        if (wanted(j, t->language))
            e = write_page(j, t->document, t->language, t->text, f);
    }
    return e;
}

/* ---- All of them */

static int print_fail(const struct fail *f)
{
    fprintf(stderr, "troth: %s\n", f->detail);
    if (f->hint[0])
        fprintf(stderr, "  %s\n", f->hint);
    return EXIT_USAGE;
}

static int no_such_language(const struct job *j)
{
    fprintf(stderr, "troth: no document of %s has a text in '%s'\n", j->arguments->dir, j->arguments->lang);
    fprintf(stderr, "  a text in another language is a file called NAME.%s.md\n", j->arguments->lang);
    return EXIT_ERRORS;
}

static int render(struct arena *arena, const struct arguments *a)
{
    struct policy *p;
    struct policy_messages m;
    struct fail f = {0};
    struct job j = {.arena = arena, .arguments = a};
    enum err e = policy_folder_load(arena, a->dir, &p, &m, &f);
    if (e == ERR_POLICY) {
        cli_policy_messages(&m);
        return EXIT_ERRORS;
    }
    j.policy = p;
    if (e != OK || !ui_file(SPAN("style.css"), &j.style))
        return print_fail(&f);
    if (write_all(&j, &f) != OK)
        return print_fail(&f);
    return j.written ? EXIT_WRITTEN : no_such_language(&j);
}

int cli_policy_render(int argc, char **argv)
{
    struct arguments a = {0};
    if (!read_arguments(&a, argc, argv)) {
        fputs(usage_text, stderr);
        return EXIT_USAGE;
    }
    if (!a.out)
        a.out = "published";
    struct arena *arena = arena_new(1 << 16);
    int code = render(arena, &a);
    arena_free(arena);
    return code;
}
