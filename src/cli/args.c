// SPDX-License-Identifier: Apache-2.0
/* Reading the command line against the rows. See cli_impl.h */
#include "cli_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NEAR_MAX 3 /* edits between a mistyped command and the one meant */

/* ---- Messages */

int cli_usage(const struct cli_command *command, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("troth: ", stderr);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nTry `troth %s%s--help`.\n", command ? command->words : "", command ? " " : "");
    return CLI_USAGE;
}

int cli_fail(const struct fail *f)
{
    fprintf(stderr, "troth: %s\n", f->detail[0] ? f->detail : err_row(f->code)->title);
    if (f->where[0])
        fprintf(stderr, "  at %s\n", f->where);
    if (f->clause[0])
        fprintf(stderr, "  clause %s\n", f->clause);
    if (f->hint[0])
        fprintf(stderr, "  %s\n", f->hint);
    return CLI_FAILED;
}

/* ---- Finding the command */

static size_t word_count(const char *words)
{
    size_t n = 1;
    for (; *words; words++)
        n += *words == ' ';
    return n;
}

/* The words of the command, one by one in argv. */
static bool words_match(const char *words, int argc, char **argv)
{
    struct span rest = span_str(words), word;
    int i = 0;
    while (span_cut(&rest, ' ', &word)) {
        if (i >= argc || !span_is(word, argv[i]))
            return false;
        i++;
    }
    return true;
}

const struct cli_command *cli_find(int argc, char **argv, int *used)
{
    for (size_t i = 0; i < cli_commands_count; i++) {
        if (!words_match(cli_commands[i].words, argc, argv))
            continue;
        *used = (int)word_count(cli_commands[i].words);
        return &cli_commands[i];
    }
    return NULL;
}

/* As many words of argv as the command has, so that both "sevre" and "polcy check" are near something. */
static unsigned distance_of(const char *words, int argc, char **argv)
{
    char typed[POLICY_NAME_MAX * 2];
    bool two = strchr(words, ' ') != NULL;
    if (two && argc < 2)
        return NEAR_MAX + 1;
    snprintf(typed, sizeof typed, "%s%s%s", argv[0], two ? " " : "", two ? argv[1] : "");
    return span_distance(span_str(words), span_str(typed));
}

const char *cli_suggest(int argc, char **argv)
{
    const char *best = NULL;
    unsigned best_distance = NEAR_MAX + 1;
    for (size_t i = 0; i < cli_commands_count; i++) {
        unsigned distance = distance_of(cli_commands[i].words, argc, argv);
        if (distance >= best_distance)
            continue;
        best = cli_commands[i].words;
        best_distance = distance;
    }
    return best;
}

/* ---- Options */

const char *cli_get(const struct cli *c, const char *name)
{
    const struct cli_option *o = c->command->options;
    for (size_t i = 0; o && o[i].name; i++)
        if (strcmp(o[i].name, name) == 0)
            return c->value[i];
    return NULL;
}

const char *cli_or_environment(const struct cli *c, const char *option, const char *variable)
{
    const char *given = cli_get(c, option);
    return given ? given : getenv(variable);
}

/* Where the value of a common option goes; null for others. */
static const char **common_place(struct cli *c, const char *name)
{
    if (strcmp(name, "data") == 0)
        return &c->data;
    if (strcmp(name, "clock-file") == 0)
        return &c->clock_file;
    return NULL;
}

static const struct cli_option *option_find(const struct cli_option *o, struct span name)
{
    for (; o && o->name; o++)
        if (span_is(name, o->name))
            return o;
    return NULL;
}

static void option_set(struct cli *c, const struct cli_option *o, const char *value)
{
    const char **common = common_place(c, o->name);
    if (strcmp(o->name, "json") == 0)
        c->json = true;
    else if (common)
        *common = value;
    if (c->command->options && option_find(c->command->options, span_str(o->name)) == o)
        c->value[o - c->command->options] = value;
}

static int check_value(const struct cli *c, const struct cli_option *o, const char *value)
{
    uint64_t number;
    if (!value)
        return cli_usage(c->command, "--%s needs a value: %s.", o->name, o->value);
    if (o->type == CLI_NUMBER && !span_u64(span_str(value), INT32_MAX, &number))
        return cli_usage(c->command, "--%s takes a number, not `%s`.", o->name, value);
    if (!span_utf8(span_str(value)))
        return cli_usage(c->command, "--%s is not valid UTF-8.", o->name);
    return CLI_OK;
}

/* "--name value" or "--name=value" at argv[*i]. */
static int take_option(struct cli *c, int argc, char **argv, int *i)
{
    struct span word = span_str(argv[*i] + 2);
    size_t cut = span_find(word, '=', 0);
    const struct cli_option *o = option_find(c->command->options, span_sub(word, 0, cut));
    const char *value = cut < word.len ? argv[*i] + 2 + cut + 1 : NULL;
    if (!o && cli_asks(c->command))
        o = option_find(cli_common, span_sub(word, 0, cut));
    if (!o)
        return cli_usage(c->command, "There is no option %.*s here.", (int)cut + 2, argv[*i]);
    if (o->type == CLI_FLAG || o->type == CLI_OFF) {
        option_set(c, o, "given");
        return value ? cli_usage(c->command, "--%s takes no value.", o->name) : CLI_OK;
    }
    if (!value && *i + 1 < argc)
        value = argv[++*i];
    int bad = check_value(c, o, value);
    if (!bad)
        option_set(c, o, value);
    return bad;
}

static int check_complete(const struct cli *c)
{
    const struct cli_option *o = c->command->options;
    if (c->n_args < c->command->min)
        return cli_usage(c->command, "`troth %s` needs %s.", c->command->words, c->command->args);
    for (size_t i = 0; o && o[i].name; i++)
        if (o[i].required && !c->value[i])
            return cli_usage(c->command, "--%s is missing: %s.", o[i].name, o[i].words);
    return CLI_OK;
}

int cli_parse(struct cli *c, int argc, char **argv, int *rest)
{
    int bad = CLI_OK;
    const char *env = getenv("TROTH_DATA");
    c->data = env && *env ? env : "data";
    for (int i = *rest; i < argc && !bad; i++) {
        if (strncmp(argv[i], "--", 2) == 0)
            bad = take_option(c, argc, argv, &i);
        else if (c->n_args >= c->command->max)
            bad = cli_usage(c->command, "`%s` is one word too many.", argv[i]);
        else
            c->arg[c->n_args++] = argv[i];
    }
    return bad ? bad : check_complete(c);
}
