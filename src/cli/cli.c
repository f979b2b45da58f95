// SPDX-License-Identifier: Apache-2.0
/* See cli.h */
#include "cli_impl.h"
#include "log.h"

#include <stdio.h>

/* "file:line:column: error: ..." for each. */
void cli_policy_messages(const struct policy_messages *m)
{
    struct arena *a = arena_new(0);
    struct text t = text_new(a, 4096);
    for (size_t i = 0; i < m->n; i++)
        policy_message_put(&t, &m->list[i]);
    fwrite(t.p, 1, t.len, stderr);
    fprintf(stderr, "%zu error%s, %zu warning%s\n", m->errors, m->errors == 1 ? "" : "s", m->warnings,
            m->warnings == 1 ? "" : "s");
    arena_free(a);
}

static int run_command(const struct cli_command *command, int argc, char **argv, int used,
                       const char *version, const char *commit)
{
    struct cli c = {.command = command, .version = version, .commit = commit, .arena = arena_new(0)};
    int code = cli_parse(&c, argc, argv, &used);
    /* A tool says what went wrong itself; the daemon's log lines are for the daemon. */
    if (command->run != cmd_serve)
        log_level_set(LOG_LVL_ERROR);
    if (code == CLI_OK && (command->holds || cli_asks(command)))
        code = cli_keep_from_swap(&c);
    if (code == CLI_OK)
        code = command->run(&c);
    arena_free(c.arena);
    return code;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* Of a word that begins commands of two, the second is what is wrong. */
static int unknown(int argc, char **argv)
{
    const char *near = cli_suggest(argc, argv);
    bool two = argc > 1 && cli_is_group(argv[0]);
    const char *blank = two ? " " : "", *second = two ? argv[1] : "";
    if (near)
        return cli_usage(NULL, "There is no command `%s%s%s`; did you mean `%s`?", argv[0], blank, second,
                         near);
    return cli_usage(NULL, "There is no command `%s%s%s`.", argv[0], blank, second);
}

static int version_line(const char *version, const char *commit)
{
    printf("troth %s (%s), policy language %s\n", version, commit, POLICY_LANGUAGE_VERSION);
    return CLI_OK;
}

/* argv without the program's name. */
static int dispatch(int argc, char **argv, const char *version, const char *commit)
{
    int used = 0;
    const struct cli_command *command = cli_find(argc, argv, &used);
    if (argc == 0 || (!command && argv[0][0] == '-' && asks_help(argc, argv))) {
        cli_help();
        return argc == 0 ? CLI_USAGE : CLI_OK;
    }
    if (strcmp(argv[0], "--version") == 0)
        return version_line(version, commit);
    if (command && asks_help(argc - used, argv + used)) {
        cli_help_command(command);
        return CLI_OK;
    }
    if (!command && (argc == 1 || asks_help(argc, argv)) && cli_help_group(argv[0]))
        return argc == 1 ? CLI_USAGE : CLI_OK;
    if (!command)
        return unknown(argc, argv);
    if (command->raw)
        return command->raw(argc - used, argv + used);
    return run_command(command, argc, argv, used, version, commit);
}

int cli_main(int argc, char **argv, const char *version, const char *commit)
{
    return dispatch(argc - 1, argv + 1, version, commit);
}

int cli_daemon(int argc, char **argv, const char *version, const char *commit)
{
    char serve[] = "serve", *words[] = {serve};
    int used = 0;
    const struct cli_command *command = cli_find(1, words, &used);
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return version_line(version, commit);
    if (asks_help(argc - 1, argv + 1)) {
        cli_help_daemon(command);
        return CLI_OK;
    }
    return run_command(command, argc - 1, argv + 1, 0, version, commit);
}
