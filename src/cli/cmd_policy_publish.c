// SPDX-License-Identifier: Apache-2.0
/* troth policy publish. See cmd_policy_publish.h */
#include "cmd_policy_publish.h"

#include "json.h"
#include "policy_folder.h"

#include <stdio.h>

static enum err make_body(struct cli *c, struct span *out, struct fail *f)
{
    struct policy_source *sources = NULL;
    size_t n = 0;
    const char *effective = cli_get(c, "effective");
    struct text t = text_new(c->arena, 1 << 18);
    enum err err = policy_folder_read(c->arena, c->arg[0], &sources, &n, f);
    if (err == OK)
        err = policy_folder_whole(c->arena, c->arg[0], f);
    if (err == OK && n == 0)
        err = fail_set(f, ERR_NOT_FOUND, "There is no document in %s.", c->arg[0]);
    if (err != OK)
        return err;
    json_open(&t, NULL, '{');
    json_open(&t, "documents", '{');
    for (size_t i = 0; i < n; i++) {
        json_key(&t, sources[i].name);
        json_string(&t, NULL, sources[i].text);
    }
    json_close(&t, '}');
    if (effective)
        json_str(&t, "effective", effective);
    json_bool(&t, "dry_run", cli_get(c, "dry-run") != NULL);
    json_close(&t, '}');
    *out = text_span(&t);
    return OK;
}

/* ---- For people */

static const struct {
    const char *entity;
    char means;
} entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}};

static size_t put_entity(struct span s)
{
    for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++)
        if (span_starts(s, entities[i].entity)) {
            putchar(entities[i].means);
            return strlen(entities[i].entity);
        }
    return 0;
}

/* A sentence without its tags. */
static void put_plain(struct span html)
{
    for (size_t i = 0, skip; i < html.len; i += skip) {
        struct span rest = span_sub(html, i, html.len);
        skip = 1;
        if (html.p[i] == '<')
            skip = span_find(rest, '>', 0) + 1;
        else if (html.p[i] == '&' && (skip = put_entity(rest)) > 0)
            continue;
        else if (html.p[i] != '&')
            putchar(html.p[i] < 0x20 || html.p[i] == 0x7f ? ' ' : html.p[i]);
        skip = skip ? skip : 1;
    }
}

static const struct {
    const char *effect, *words;
} headings[] = {
    {"reduces", "Reduces rights"},
    {"protects", "Protects"},
    {"neutral", "Neither"},
};

static void put_changes(const struct json *changes, const char *effect, const char *words)
{
    bool any = false;
    for (size_t i = 0; i < json_count(changes); i++) {
        const struct json *one = json_at(changes, i);
        if (!span_is(json_span(json_get(one, "effect")), effect))
            continue;
        if (!any)
            printf("%s:\n", words);
        any = true;
        fputs("  - ", stdout);
        put_plain(json_span(json_get(one, "html")));
        putchar('\n');
    }
}

static void put_documents(const struct json *documents)
{
    for (size_t i = 0; i < json_count(documents); i++) {
        const struct json *one = json_at(documents, i);
        int64_t revision = 0;
        bool again = false;
        json_read_i64(one, "revision", true, &revision, NULL);
        json_read_bool(one, "asks_again", true, &again, NULL);
        printf("  %.*s revision %lld%s\n", SPAN_F(json_span(json_get(one, "document"))), (long long)revision,
               again ? "; people are asked again" : "");
    }
}

static int put_verdict(const struct json *v, bool dry)
{
    bool accepted = true;
    struct span at = json_span(json_get(v, "in_force")), hint = json_span(json_get(v, "hint"));
    json_read_bool(v, "accepted", true, &accepted, NULL);
    if (!accepted) {
        fflush(stdout);
        fprintf(stderr, "It would be refused: %.*s\n", SPAN_F(json_span(json_get(v, "why"))));
        if (hint.len)
            fprintf(stderr, "  %.*s\n", SPAN_F(hint));
        return CLI_FAILED;
    }
    printf("%s %.*s, in force from %.*s\n", dry ? "It would be set" : "Published: set",
           SPAN_F(json_span(json_get(v, "revision"))), SPAN_F(at));
    return CLI_OK;
}

static int print_publication(struct cli *c, struct span body, bool dry)
{
    const struct json *v = NULL;
    struct fail f = {0};
    if (json_parse(c->arena, body, &v, &f) != OK)
        return cli_fail(&f);
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++)
        put_changes(json_get(v, "changes"), headings[i].effect, headings[i].words);
    if (json_count(json_get(v, "changes")) == 0)
        puts("Nothing changes for anybody: only words do.");
    int code = put_verdict(v, dry);
    if (code == CLI_OK)
        put_documents(json_get(v, "documents"));
    return code;
}

/* {"accepted": false}: a dry run that found something against it. */
static bool is_refused(struct cli *c, struct span body)
{
    const struct json *v = NULL;
    bool accepted = true;
    if (json_parse(c->arena, body, &v, NULL) == OK)
        json_read_bool(v, "accepted", false, &accepted, NULL);
    return !accepted;
}

/* The messages of a policy with errors, as `troth policy check` has them, from the problem document. */
static void put_messages(struct cli *c, struct span body)
{
    const struct json *v = NULL, *errors;
    if (json_parse(c->arena, body, &v, NULL) != OK)
        return;
    errors = json_get(v, "errors");
    for (size_t i = 0; i < json_count(errors); i++) {
        const struct json *one = json_at(errors, i);
        int64_t line = 0, column = 0;
        json_read_i64(one, "line", true, &line, NULL);
        json_read_i64(one, "column", true, &column, NULL);
        fprintf(stderr, "%.*s:%lld:%lld: error: %.*s\n", SPAN_F(json_span(json_get(one, "file"))),
                (long long)line, (long long)column, SPAN_F(json_span(json_get(one, "message"))));
    }
}

static int print_answer(struct cli *c, const struct cli_answer *answer)
{
    if (answer->status >= 400) {
        if (!c->json)
            put_messages(c, answer->body);
        return cli_problem(c, answer);
    }
    if (!c->json)
        return print_publication(c, answer->body, cli_get(c, "dry-run") != NULL);
    printf("%.*s\n", SPAN_F(answer->body));
    return is_refused(c, answer->body) ? CLI_FAILED : CLI_OK;
}

int cmd_policy_publish(struct cli *c)
{
    struct cli_answer answer;
    struct fail f = {0};
    struct span body = SPAN_EMPTY;
    enum err err = make_body(c, &body, &f);
    if (err != OK) {
        cli_fail(&f);
        return CLI_USAGE;
    }
    err = cli_send(c, METHOD_POST, SPAN("/v1/policies"), SPAN_EMPTY, body, &answer, &f);
    int code = err == OK ? print_answer(c, &answer) : cli_fail(&f);
    cli_close(c);
    return code;
}
