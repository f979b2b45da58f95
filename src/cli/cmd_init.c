// SPDX-License-Identifier: Apache-2.0
/* troth init: a new data folder, complete or not at all. It is made beside its place and renamed when it is
 * done. */
#include "cli_impl.h"

#include "file.h"
#include "json.h"
#include "nodes.h"
#include "policy_folder.h"
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The reference policy, wherever this binary was put */

static const char *beside_binary(struct arena *a, const char *relative)
{
    char exe[4096];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (len <= 0)
        return NULL;
    exe[len] = 0;
    char *slash = strrchr(exe, '/');
    if (!slash)
        return NULL;
    *slash = 0;
    return arena_str(a, arena_fmt(a, "%s/%s", exe, relative));
}

static const char *policy_source(struct cli *c)
{
    static const char *const places[] = {"../share/troth/policies/zhishang", "../policies/zhishang",
                                         "../../policies/zhishang", "../../../policies/zhishang"};
    const char *given = cli_get(c, "policy");
    if (given)
        return given;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *path = beside_binary(c->arena, places[i]);
        if (path && file_exists(path))
            return path;
    }
    return "policies/zhishang";
}

static enum err copy_document(struct arena *a, const char *from, const char *to, struct span name,
                              struct fail *f)
{
    struct span text;
    const char *source = arena_str(a, arena_fmt(a, "%s/%.*s", from, SPAN_F(name)));
    const char *target = arena_str(a, arena_fmt(a, "%s/policy/%.*s", to, SPAN_F(name)));
    enum err err = file_read(a, source, POLICY_SOURCE_MAX, &text, f);
    return err == OK ? file_write_durable(target, text, 0644, f) : err;
}

static enum err copy_policy(struct cli *c, const char *from, const char *to, struct fail *f)
{
    struct span *names;
    size_t n = 0;
    enum err err = file_list(c->arena, from, ".md", &names, &n, f);
    if (err == OK && n == 0)
        err = fail_set(f, ERR_NOT_FOUND, "There are no policy documents (*.md) in %s.", from);
    if (err != OK)
        fail_hint(f, "Name the folder of the policy documents: `--policy SRC`.");
    for (size_t i = 0; i < n && err == OK; i++)
        err = copy_document(c->arena, from, to, names[i], f);
    return err;
}

/* At its source, so that what is said of it names a folder that is still there afterwards. */
static enum err check_policy(struct cli *c, const char *from, struct fail *f)
{
    struct policy *p;
    struct policy_messages m;
    enum err err = policy_folder_load(c->arena, from, &p, &m, f);
    if (err == ERR_POLICY)
        cli_policy_messages(&m);
    return err;
}

/* ---- The demo: the services and recipients that the tour and the tests speak of, as far as the policy has
 * their class; and a service for each class of the policy that none of these has */

static const struct demo_row {
    enum policy_dimension of;
    const char *class_name, *path, *body;
} demo_register[] = {
    {DIM_SERVICE, "games", "/v1/services", "{\"name\":\"arena\",\"class\":\"games\",\"title\":\"Arena\"}"},
    {DIM_SERVICE, "mail", "/v1/services", "{\"name\":\"mail\",\"class\":\"mail\",\"title\":\"Mail\"}"},
    {DIM_SERVICE, "shop", "/v1/services", "{\"name\":\"shop\",\"class\":\"shop\",\"title\":\"Shop\"}"},
    {DIM_SERVICE, "forum", "/v1/services", "{\"name\":\"forum\",\"class\":\"forum\",\"title\":\"Forum\"}"},
    {DIM_SERVICE, "music", "/v1/services", "{\"name\":\"music\",\"class\":\"music\",\"title\":\"Music\"}"},
    {DIM_SERVICE, "uncovered", "/v1/services",
     "{\"name\":\"open-docs\",\"class\":\"uncovered\",\"title\":\"Open documents\"}"},
    {DIM_SERVICE, "shop", "/v1/services",
     "{\"name\":\"log-1\",\"class\":\"shop\",\"title\":\"Log intake of the "
     "shop\",\"sources\":[\"observed\"]}"},
    {DIM_PARTY, "payment-institution", "/v1/recipients",
     "{\"name\":\"pay-a\",\"class\":\"payment-institution\",\"title\":\"Payments A\"}"},
    {DIM_PARTY, "logistics-company", "/v1/recipients",
     "{\"name\":\"ship-b\",\"class\":\"logistics-company\",\"title\":\"Parcels B\"}"},
    {DIM_PARTY, "promotion-client", "/v1/recipients",
     "{\"name\":\"ads-c\",\"class\":\"promotion-client\",\"title\":\"Promotion C\"}"},
    {DIM_PARTY, "aff-d", "/v1/recipients",
     "{\"name\":\"aff-d\",\"class\":\"aff-d\",\"title\":\"Affiliate D\"}"},
    {DIM_PARTY, "sdk-push", "/v1/recipients",
     "{\"name\":\"sdk-e\",\"class\":\"sdk-push\",\"title\":\"Push component E\"}"},
    {DIM_PARTY, "research-institution", "/v1/recipients",
     "{\"name\":\"univ-q\",\"class\":\"research-institution\",\"title\":\"University Q\"}"},
    {DIM_PARTY, "other-party", "/v1/recipients",
     "{\"name\":\"bank-z\",\"class\":\"other-party\",\"title\":\"Bank Z\"}"},
    {DIM_PARTY, "logistics-company", "/v1/recipients/ship-b/papers",
     "{\"kind\":\"confidentiality\",\"reference\":\"contract "
     "B-2026-1\",\"from\":\"2020-01-01\",\"until\":\"2036-01-01\"}"},
    {DIM_PARTY, "logistics-company", "/v1/recipients/ship-b/grants",
     "{\"purpose\":\"delivery\",\"fields\":[\"order-recipient-name\",\"order-"
     "address\",\"order-contact-phone\"],"
     "\"from\":\"2020-01-01\",\"until\":\"2036-01-01\"}"},
};

/* {"name": ..., "token": ...} of an answer; recipients have no token. */
static void keep_token(struct cli *c, const struct cli_answer *answer, struct text *tokens)
{
    const struct json *v = NULL;
    if (json_parse(c->arena, answer->body, &v, NULL) != OK || !json_get(v, "token"))
        return;
    json_key(tokens, json_span(json_get(v, "name")));
    json_string(tokens, NULL, json_span(json_get(v, "token")));
}

static enum err demo_one(struct cli *c, const char *path, struct span body, struct text *tokens,
                         struct fail *f)
{
    struct cli_answer answer = {0};
    enum err err = cli_send(c, METHOD_POST, span_str(path), SPAN_EMPTY, body, &answer, f);
    if (err != OK)
        return err;
    if (answer.status >= 400) {
        cli_problem(c, &answer);
        return fail_set(f, ERR_CONFLICT, "The example %.*s does not fit this policy; leave out --demo.",
                        SPAN_F(body));
    }
    keep_token(c, &answer, tokens);
    return OK;
}

static bool demo_has_service(struct span class_name)
{
    for (size_t i = 0; i < sizeof demo_register / sizeof demo_register[0]; i++)
        if (demo_register[i].of == DIM_SERVICE && span_is(class_name, demo_register[i].class_name))
            return true;
    return false;
}

static enum err demo_all(struct cli *c, const struct policy *p, struct text *tokens, struct fail *f)
{
    enum err err = OK;
    for (size_t i = 0; i < sizeof demo_register / sizeof demo_register[0] && err == OK; i++) {
        const struct demo_row *row = &demo_register[i];
        if (policy_find(p, row->of, span_str(row->class_name)) != POLICY_NONE)
            err = demo_one(c, row->path, span_str(row->body), tokens, f);
    }
    for (unsigned i = 0; i < policy_count(p, DIM_SERVICE) && err == OK; i++) {
        struct span name = policy_name(p, DIM_SERVICE, i);
        if (!demo_has_service(name))
            err = demo_one(
                c, "/v1/services",
                arena_fmt(c->arena, "{\"name\":\"%.*s\",\"class\":\"%.*s\"}", SPAN_F(name), SPAN_F(name)),
                tokens, f);
    }
    return err;
}

static enum err make_demo(struct cli *c, const char *folder, struct fail *f)
{
    struct text tokens = text_new(c->arena, 1024);
    struct policy *p;
    struct policy_messages m;
    enum err err = policy_folder_load(c->arena, arena_str(c->arena, arena_fmt(c->arena, "%s/policy", folder)),
                                      &p, &m, f);
    json_open(&tokens, NULL, '{');
    if (err == OK)
        err = demo_all(c, p, &tokens, f);
    json_close(&tokens, '}');
    text_char(&tokens, '\n');
    if (err != OK)
        return err;
    return file_write_durable(arena_str(c->arena, arena_fmt(c->arena, "%s/demo-tokens.json", folder)),
                              text_span(&tokens), 0600, f);
}

/* ---- A database server in place of files */

/* A URL may hold a password: it is not repeated. */
static enum err check_url(const char *option, const char *url, struct fail *f)
{
    if (!url || store_url_valid(span_str(url)))
        return OK;
    fail_hint(f, "write it as postgresql://ROLE@HOST:PORT/DATABASE?OPTION=VALUE");
    return fail_set(f, ERR_USAGE, "--%s takes a URL that begins with postgresql://, without blanks.", option);
}

static enum err check_urls(struct cli *c, const char *people, const char *keys, struct fail *f)
{
    enum err err = check_url("database", people, f);
    if (err == OK)
        err = check_url("keys-database", keys, f);
    if (err == OK)
        err = check_url("listen-database", cli_get(c, "listen-database"), f);
    return err == OK ? check_url("history-database", cli_get(c, "history-database"), f) : err;
}

static enum err put_database(struct cli *c, const char *folder, struct fail *f)
{
    const char *people = cli_or_environment(c, "database", "TROTH_DATABASE");
    const char *keys = cli_or_environment(c, "keys-database", "TROTH_KEYS_DATABASE");
    const char *only = cli_get(c, "node")               ? "node"
                       : cli_get(c, "listen-database")  ? "listen-database"
                       : cli_get(c, "history-database") ? "history-database"
                                                        : NULL;
    if (!people && !keys && only) {
        fail_hint(f, "Name the database the nodes share: --database and --keys-database.");
        return fail_set(f, ERR_USAGE, "--%s is for a database on a server.", only);
    }
    if (!people && !keys)
        return OK;
    if (!people || !keys) {
        fail_hint(
            f, "The keys lie apart from the data: name a second database, in production on another server.");
        return fail_set(f, ERR_USAGE, "--database and --keys-database go together.");
    }
    enum err err = check_urls(c, people, keys, f);
    if (err != OK)
        return err;
    const struct {
        const char *name, *value;
    } more[] = {{"listen", cli_get(c, "listen-database")},
                {"history", cli_get(c, "history-database")},
                {"node", cli_get(c, "node")}};
    struct text lines = text_new(c->arena, 256);
    text_put(&lines, arena_fmt(c->arena, "main = %s\nkeys = %s\n", people, keys));
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        if (more[i].value)
            text_put(&lines, arena_fmt(c->arena, "%s = %s\n", more[i].name, more[i].value));
    return file_write_durable(arena_str(c->arena, arena_fmt(c->arena, "%s/database", folder)),
                              text_span(&lines), 0600, f);
}

/* ---- A new installation, or a further node of one that is there */

static struct web_make what_to_make(struct cli *c, const char *folder)
{
    const char *host = cli_get(c, "host");
    return (struct web_make){.data = folder,
                             .host = host ? host : "localhost",
                             .epoch = cli_get(c, "epoch"),
                             .node = cli_get(c, "node"),
                             .master_key = cli_get(c, "master-key"),
                             .master_key_command = cli_master_command(c),
                             .now = web_clock(c->clock_file)};
}

static enum err check_node_name(const char *node, struct fail *f)
{
    if (!node || node_name_valid(span_str(node)))
        return OK;
    return fail_set(f, ERR_USAGE,
                    "--node takes small letters, digits and '-', at most %d, not beginning with '-'.",
                    NODE_NAME_MAX);
}

static enum err make_folder(struct cli *c, const char *folder, const char *place, struct fail *f)
{
    enum err err = cli_folder_begin(c, folder, place, f);
    if (err == OK)
        err = check_node_name(cli_get(c, "node"), f);
    return err == OK ? put_database(c, folder, f) : err;
}

/* What runs there is in the database: a further node brings no policy. */
static enum err join(struct cli *c, const char *folder, struct fail *f)
{
    const struct web_make m = what_to_make(c, folder);
    struct cli_answer answer;
    enum err err = web_join(&m, f);
    bool made = err == OK;
    if (err == OK)
        err = cli_send(c, METHOD_GET, SPAN("/healthz"), SPAN_EMPTY, SPAN_EMPTY, &answer, f);
    cli_close(c);
    if (err != OK && made)
        web_join_undo(&m);
    return err;
}

/* Opens it once: what cannot be opened now would not start later. */
static enum err found(struct cli *c, const char *folder, struct fail *f)
{
    const struct web_make m = what_to_make(c, folder);
    struct cli_answer answer;
    bool made = false;
    enum err err = file_mkdirs(arena_str(c->arena, arena_fmt(c->arena, "%s/policy", folder)), 0755, f);
    if (err == OK)
        err = copy_policy(c, policy_source(c), folder, f);
    if (err == OK)
        err = check_policy(c, policy_source(c), f);
    if (err == OK)
        err = web_create(&m, f);
    made = err == OK;
    if (err == OK)
        err = cli_send(c, METHOD_GET, SPAN("/healthz"), SPAN_EMPTY, SPAN_EMPTY, &answer, f);
    if (err == OK && cli_get(c, "demo"))
        err = make_demo(c, folder, f);
    cli_close(c);
    if (err != OK && made)
        store_remove(folder);
    return err;
}

static enum err fill(struct cli *c, const char *folder, const char *place, struct fail *f)
{
    bool there = false;
    enum err err = make_folder(c, folder, place, f);
    if (err == OK && cli_get(c, "node"))
        err = web_installed(folder, &there, f);
    if (err != OK)
        return err;
    return there ? join(c, folder, f) : found(c, folder, f);
}

static void announce(struct cli *c, const char *dir)
{
    printf("The data folder %s is ready.\n\n"
           "  serve it            troth serve %s\n"
           "  register a service  troth service add NAME --class CLASS --data %s\n",
           dir, dir, dir);
    if (cli_get(c, "demo"))
        printf("  tokens of the demo  %s/demo-tokens.json\n", dir);
    if (!cli_master_command(c))
        printf(
            "\nKeep a copy of %s/master-key apart from the folder: without it nothing in it can be read.\n",
            dir);
}

int cmd_init(struct cli *c)
{
    struct fail f = {0};
    const char *place, *folder = cli_folder_beside(c, c->arg[0], &place);
    enum err err = cli_folder_free(place, &f);
    c->data = folder;
    if (err == OK)
        err = fill(c, folder, place, &f);
    if (err == OK)
        err = cli_folder_place(folder, place, &f);
    if (err != OK) {
        cli_folder_remove(folder);
        return cli_fail(&f);
    }
    announce(c, place);
    return CLI_OK;
}
