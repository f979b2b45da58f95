// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_what_if.c: see cmd_policy_what_if.h. */
#include "cmd_policy_what_if.h"

#include "gate_what_if.h"
#include "policy_folder.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { EXIT_CHANGES = 3 };

/* The changes that concern somebody, and how they are told. */
static const struct {
    enum what_if_change change;
    const char *words;
} told[] = {
    {WHAT_IF_REFUSED, "newly refused"},  {WHAT_IF_NEEDS, "newly needing something"},
    {WHAT_IF_ALLOWED, "newly allowed"},  {WHAT_IF_MASK, "masked differently"},
    {WHAT_IF_DEEDS, "with other deeds"},
};
enum { TOLD = sizeof told / sizeof told[0] };

static uint64_t changes(const struct what_if *w)
{
    uint64_t n = 0;
    for (size_t i = 0; i < TOLD; i++)
        n += w->changed[told[i].change];
    return n;
}

/* ---- Text */

static void put_counts(struct text *t, const struct what_if *w)
{
    text_fmt(t, "%" PRIu64 " answers of %" PRIu64 " entries decided again; %" PRIu64 " would change\n",
             w->answers, w->entries, changes(w));
    for (size_t i = 0; i < TOLD; i++)
        if (w->changed[told[i].change])
            text_fmt(t, "  %8" PRIu64 "  %s\n", w->changed[told[i].change], told[i].words);
    if (w->changed[WHAT_IF_CITED])
        text_fmt(t, "  %8" PRIu64 "  the same, under another clause or for another reason\n",
                 w->changed[WHAT_IF_CITED]);
    if (w->erased)
        text_fmt(t, "  %8" PRIu64 "  entries cannot be decided again: their persons are erased\n", w->erased);
    if (w->incomplete)
        text_fmt(t, "  %8" PRIu64 "  entries cannot be decided again: they do not say what held\n",
                 w->incomplete);
}

static void put_what(struct text *t, const struct what_if_row *r)
{
    if (r->change == WHAT_IF_MASK || r->change == WHAT_IF_DEEDS) {
        struct span nothing = SPAN("nothing");
        struct span was = r->was.len ? r->was : nothing, is = r->is.len ? r->is : nothing;
        text_fmt(t, " (%s: %.*s, then %.*s)", r->change == WHAT_IF_MASK ? "mask" : "deeds", SPAN_F(was),
                 SPAN_F(is));
        return;
    }
    text_fmt(t, " (%s, then %s", policy_answer_name(r->before), policy_answer_name(r->after));
    if (r->is.len)
        text_fmt(t, r->change == WHAT_IF_NEEDS ? ": %.*s" : ": the draft knows no '%.*s'", SPAN_F(r->is));
    text_str(t, ")");
}

static void put_row(struct text *t, const struct what_if_row *r)
{
    struct span anything = SPAN("anything at all");
    text_fmt(t, "  %8" PRIu64 "  %s: %.*s %.*s for %.*s, party %.*s", r->n, what_if_change_name(r->change),
             SPAN_F(r->operation), SPAN_F(r->field.len ? r->field : anything), SPAN_F(r->purpose),
             SPAN_F(r->party));
    put_what(t, r);
    text_char(t, '\n');
}

static void put_rows(struct text *t, const struct what_if *w)
{
    struct span clause = SPAN("?"), nothing = SPAN("no clause");
    for (size_t i = 0; i < w->n_rows; i++) {
        const struct what_if_row *r = &w->rows[i];
        if (r->change == WHAT_IF_CITED)
            continue;
        if (!span_eq(clause, r->clause))
            text_fmt(t, "\n%.*s\n", SPAN_F(r->clause.len ? r->clause : nothing));
        clause = r->clause;
        put_row(t, r);
    }
}

/* ---- JSON */

static void json_row(struct text *t, const struct what_if_row *r)
{
    json_open(t, NULL, '{');
    json_str(t, "change", what_if_change_name(r->change));
    json_i64(t, "count", (int64_t)r->n);
    json_string(t, "clause", r->clause);
    json_string(t, "purpose", r->purpose);
    json_string(t, "operation", r->operation);
    json_string(t, "party", r->party);
    json_string(t, "field", r->field);
    json_str(t, "before", policy_answer_name(r->before));
    json_str(t, "after", policy_answer_name(r->after));
    if (r->was.len)
        json_string(t, "was", r->was);
    if (r->is.len)
        json_string(t, "is", r->is);
    json_close(t, '}');
}

static void json_all(struct text *t, const struct what_if *w)
{
    json_open(t, NULL, '{');
    json_i64(t, "entries", (int64_t)w->entries);
    json_i64(t, "answers", (int64_t)w->answers);
    json_i64(t, "changes", (int64_t)changes(w));
    json_open(t, "counts", '{');
    for (int i = 0; i < WHAT_IF_CHANGES; i++)
        json_i64(t, what_if_change_name((enum what_if_change)i), (int64_t)w->changed[i]);
    json_close(t, '}');
    json_open(t, "cannot", '{');
    json_i64(t, "erased", (int64_t)w->erased);
    json_i64(t, "incomplete", (int64_t)w->incomplete);
    json_close(t, '}');
    json_open(t, "rows", '[');
    for (size_t i = 0; i < w->n_rows; i++)
        json_row(t, &w->rows[i]);
    json_close(t, ']');
    json_close(t, '}');
    text_char(t, '\n');
}

/* ---- The command */

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " entries", done, total);
}

static bool read_instant(const struct cli *c, const char *name, struct instant *out)
{
    const char *text = cli_get(c, name);
    return !text || instant_get(span_str(text), out);
}

static enum err ask(struct cli *c, const struct policy *draft, struct what_if_config *config,
                    struct what_if *w, struct fail *f)
{
    bool show = isatty(STDERR_FILENO) && !c->json;
    const char *key = cli_get(c, "master-key");
    config->data = c->data;
    config->master_key_file = key ? key : arena_str(c->arena, arena_fmt(c->arena, "%s/master-key", c->data));
    config->master_key_command = key ? NULL : cli_master_command(c);
    config->progress = show ? show_progress : NULL;
    enum err e = gate_what_if(config, draft, c->arena, w, f);
    if (show)
        fputs("\r\033[K", stderr);
    return e;
}

static int print(struct cli *c, const struct what_if *w)
{
    struct text t = text_new(c->arena, 4096);
    if (c->json) {
        json_all(&t, w);
    } else {
        put_counts(&t, w);
        put_rows(&t, w);
    }
    bool ok = fwrite(t.p, 1, t.len, stdout) == t.len && fflush(stdout) == 0;
    return !ok ? CLI_FAILED : changes(w) ? EXIT_CHANGES : CLI_OK;
}

/* A draft that contradicts itself can be asked, too: it decides as the diagram says. */
int cmd_policy_what_if(struct cli *c)
{
    struct what_if_config config = {.since = {0}, .until = INSTANT_FOREVER};
    struct policy *p = NULL;
    struct policy_messages m;
    struct what_if w;
    struct fail f = {0};
    if (!read_instant(c, "since", &config.since) || !read_instant(c, "until", &config.until))
        return cli_usage(c->command, "--since and --until take a day (2026-11-23) or an instant (RFC 3339)");
    if (config.until.ms < config.since.ms)
        return cli_usage(c->command, "--until is before --since: no answer lies between them");
    enum err e = policy_folder_load(c->arena, c->arg[0], &p, &m, &f);
    if (e != OK && e != ERR_POLICY)
        return cli_fail(&f);
    if (!m.draft) {
        cli_policy_messages(&m);
        return CLI_FAILED;
    }
    if (m.errors)
        fprintf(stderr, "troth: the draft has %zu error%s; `troth policy check` names them\n", m.errors,
                m.errors == 1 ? "" : "s");
    return ask(c, m.draft, &config, &w, &f) ? cli_fail(&f) : print(c, &w);
}
