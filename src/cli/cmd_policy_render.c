// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_render.c: see cmd_policy_render.h. */
#include "cmd_policy_render.h"

#include "crypto.h"
#include "file.h"
#include "id.h"
#include "policy_folder.h"
#include "policy_render_changes.h"
#include "policy_translate.h"
#include "ui.h"

#include <stdio.h>

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
    const char *dir, *lang, *out; /* lang: null, all */
    bool open;
    const struct policy *policy;
    const struct policy_diff *diff; /* since another folder; null: not asked for */
    struct span style;
    size_t written;
};

/* ---- What changed since another folder */

/* Where the sentence stands now, or stood. */
static void place_change(struct job *j, const struct policy_change *c, struct policy_told *t,
                         struct span *document)
{
    bool now = c->clause[DIFF_NEW] != POLICY_NONE;
    const struct policy *p = now ? j->diff->new : j->diff->old;
    unsigned clause = c->clause[now ? DIFF_NEW : DIFF_OLD];
    if (clause == POLICY_NONE)
        return;
    const struct policy_clause *at = policy_clause(p, clause);
    *document = policy_document(p, at->document)->name;
    t->clause = policy_clause_ref(p, clause, j->arena);
    if (now)
        t->link = arena_fmt(j->arena, "#%.*s", SPAN_F(at->id));
}

static size_t tell_changes(struct job *j, struct span document, struct span language,
                           struct policy_told *told)
{
    size_t n = 0;
    for (size_t i = 0; i < j->diff->n; i++) {
        const struct policy_change *c = &j->diff->list[i];
        struct policy_told t = {.effect = c->effect};
        struct span whose = SPAN_EMPTY;
        struct text html = text_new(j->arena, 256);
        place_change(j, c, &t, &whose);
        if (whose.len && !span_eq(whose, document))
            continue;
        policy_change_say(j->diff, c, language, &html);
        t.html = text_span(&html);
        told[n++] = t;
    }
    return n;
}

/* The banner and the section of a document with a number. */
static struct span story_of(struct job *j, unsigned document, struct span language)
{
    const struct policy_document *d = policy_document(j->policy, document);
    struct text html = text_new(j->arena, 4096);
    char from[INSTANT_TEXT_MAX];
    if (!j->diff || !d->revision)
        return SPAN_EMPTY;
    unsigned old = policy_document_find(j->diff->old, d->name);
    struct policy_told *told = ARENA_ARRAY(j->arena, j->diff->n + 1, struct policy_told);
    date_put(from, d->in_force);
    struct policy_story s = {.language = language,
                             .standing = STANDING_DATED,
                             .from = span_str(from),
                             .compared = true,
                             .told = told,
                             .n_told = tell_changes(j, d->name, language, told)};
    if (old != POLICY_NONE)
        s.before.revision = policy_document(j->diff->old, old)->revision;
    if (s.before.revision == d->revision && s.n_told == 0) { /* the same document */
        s.before.revision = 0;
        s.compared = false;
    }
    policy_story_html(&s, &html);
    return text_span(&html);
}

static enum err write_page(struct job *j, unsigned document, struct span language, struct span source,
                           struct fail *f)
{
    struct span name = policy_document(j->policy, document)->name;
    struct policy_publish w = {
        .render = {.policy = j->policy,
                   .document = document,
                   .language = language,
                   .suffix = arena_fmt(j->arena, ".%.*s.html", SPAN_F(language)),
                   .open = j->open ? SPAN("*") : SPAN_EMPTY},
        .style = j->style,
        .digest = digest_hex(j->arena, source),
        .changes = story_of(j, document, language),
    };
    struct text html = text_new(j->arena, 1 << 17);
    policy_publish_html(&w, &html);
    struct span path = arena_fmt(j->arena, "%s/%.*s%.*s", j->out, SPAN_F(name), SPAN_F(w.render.suffix));
    enum err e = file_write_durable(arena_str(j->arena, path), text_span(&html), 0644, f);
    if (e == OK)
        printf("%.*s\n", SPAN_F(path));
    j->written += e == OK;
    return e;
}

static bool wanted(const struct job *j, struct span language)
{
    return !j->lang || span_is(language, j->lang);
}

static enum err write_all(struct job *j, struct fail *f)
{
    enum err e = file_mkdirs(j->out, 0755, f);
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

static int unusable(const struct fail *f)
{
    cli_fail(f);
    return CLI_USAGE;
}

static int no_such_language(const struct job *j)
{
    fprintf(stderr, "troth: no document of %s has a text in '%s'\n", j->dir, j->lang);
    fprintf(stderr, "  a text in another language is a file called NAME.%s.md\n", j->lang);
    return CLI_FAILED;
}

static enum err compare(struct job *j, const char *since, struct policy_messages *m, struct fail *f)
{
    struct policy *old;
    struct policy_diff *d = ARENA_NEW(j->arena, struct policy_diff);
    enum err e = policy_folder_load(j->arena, since, &old, m, f);
    if (e == OK)
        e = policy_diff(old, j->policy, j->arena, d, f);
    j->diff = d;
    return e;
}

int cmd_policy_render(struct cli *c)
{
    struct policy *p;
    struct policy_messages m;
    struct fail f = {0};
    const char *out = cli_get(c, "out");
    struct job j = {.arena = c->arena,
                    .dir = c->arg[0],
                    .lang = cli_get(c, "lang"),
                    .out = out ? out : "published",
                    .open = cli_get(c, "open") != NULL};
    const char *since = cli_get(c, "since");
    enum err e = policy_folder_load(c->arena, j.dir, &p, &m, &f);
    j.policy = p;
    if (e == OK && since)
        e = compare(&j, since, &m, &f);
    if (e == ERR_POLICY) {
        cli_policy_messages(&m);
        return CLI_FAILED;
    }
    if (e != OK || !ui_file(SPAN("style.css"), &j.style))
        return unusable(&f);
    if (write_all(&j, &f) != OK)
        return unusable(&f);
    return j.written ? CLI_OK : no_such_language(&j);
}
