// SPDX-License-Identifier: Apache-2.0
/* Help and man pages, from the rows of commands.c. See cli_impl.h */
#include "cli_impl.h"
#include "file.h"

#include <stdio.h>

#define HELP_COLUMN        26 /* where the words begin */
#define CLI_DAEMON_SUMMARY "serve a data folder (the same as `troth serve`)"

/* ---- Help */

static void row(const char *left, const char *right)
{
    int pad = HELP_COLUMN - 2 - (int)strlen(left);
    printf("  %s", left);
    if (pad < 2)
        printf("\n%*s%s\n", HELP_COLUMN, "", right);
    else
        printf("%*s%s\n", pad, "", right);
}

static void command_row(const struct cli_command *c)
{
    char left[128];
    snprintf(left, sizeof left, "%s%s%s", c->words, c->args[0] ? " " : "", c->args);
    row(left, c->summary);
}

void cli_help(void)
{
    puts("troth: the privacy policy you publish is the policy that runs\n\nUsage: troth COMMAND "
         "[ARGUMENTS]\n");
    for (size_t i = 0; i < cli_commands_count; i++)
        command_row(&cli_commands[i]);
    puts(
        "\n`troth COMMAND --help` tells more; `troth --version` prints version, commit and policy language.\n"
        "Exit codes: 0 done, 1 it did not work or did not hold, 2 not understood.");
}

static void options_rows(const struct cli_option *o)
{
    for (; o && o->name; o++) {
        char left[128];
        snprintf(left, sizeof left, "--%s%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "",
                 o->required ? " *" : "");
        row(left, o->words);
    }
}

/* Those of its own or those of every request. */
static bool takes_options(const struct cli_command *c)
{
    return c->options || cli_asks(c);
}

static void help_body(const char *program, const struct cli_command *c, const char *summary)
{
    printf("Usage: %s%s%s%s\n\n%s\n", program, c->args[0] ? " " : "", c->args,
           takes_options(c) ? " [OPTIONS]" : "", summary);
    if (c->more)
        printf("\n%s\n", c->more);
    if (takes_options(c))
        puts("\nOptions (* must be given):");
    options_rows(c->options);
}

void cli_help_daemon(const struct cli_command *serve)
{
    help_body("trothd", serve, CLI_DAEMON_SUMMARY);
}

void cli_help_command(const struct cli_command *c)
{
    char program[64];
    snprintf(program, sizeof program, "troth %s", c->words);
    help_body(program, c, c->summary);
    if (cli_asks(c))
        options_rows(cli_common);
    if (cli_asks(c))
        puts("\nIf a daemon has the folder open, it is asked; else the folder is opened for this one "
             "request.");
}

static bool in_group(const struct cli_command *c, const char *word)
{
    size_t len = strlen(word);
    return strncmp(c->words, word, len) == 0 && c->words[len] == ' ';
}

bool cli_is_group(const char *word)
{
    for (size_t i = 0; i < cli_commands_count; i++)
        if (in_group(&cli_commands[i], word))
            return true;
    return false;
}

bool cli_help_group(const char *word)
{
    size_t found = 0;
    for (size_t i = 0; i < cli_commands_count; i++) {
        if (!in_group(&cli_commands[i], word))
            continue;
        if (!found++)
            printf("Usage: troth %s COMMAND\n\n", word);
        command_row(&cli_commands[i]);
    }
    return found > 0;
}

int cmd_help(struct cli *c)
{
    char *words[CLI_ARGS_MAX];
    int used;
    for (size_t i = 0; i < c->n_args; i++)
        words[i] = arena_str(c->arena, span_str(c->arg[i]));
    const struct cli_command *found = c->n_args ? cli_find((int)c->n_args, words, &used) : NULL;
    if (found)
        cli_help_command(found);
    else if (c->n_args == 0)
        cli_help();
    else if (!cli_help_group(c->arg[0]))
        return cli_usage(NULL, "There is no command `%s`.", c->arg[0]);
    return CLI_OK;
}

/* ---- Man pages (man-pages(7)) */

/* A hyphen is a minus sign, a backslash and a leading dot are theirs. */
static void roff(struct text *t, const char *s)
{
    if (*s == '.' || *s == '\'')
        text_str(t, "\\&");
    for (; *s; s++) {
        if (*s == '-' || *s == '\\')
            text_str(t, *s == '-' ? "\\-" : "\\e");
        else
            text_char(t, *s);
    }
}

static void tagged(struct text *t, const char *bold, const char *italic, const char *words)
{
    text_str(t, ".TP\n\\fB");
    roff(t, bold);
    text_str(t, "\\fR");
    if (italic && *italic) {
        text_str(t, " \\fI");
        roff(t, italic);
        text_str(t, "\\fR");
    }
    text_char(t, '\n');
    roff(t, words);
    text_char(t, '\n');
}

static void header(struct text *t, const char *title, const char *version, const char *summary)
{
    text_fmt(t, ".\\\" SPDX-License-Identifier: Apache-2.0\n.TH \"%s\" 1 \"\" \"troth %s\"\n.SH NAME\n",
             title, version);
    roff(t, title);
    text_str(t, " \\- ");
    roff(t, summary);
    text_str(t, "\n.SH SYNOPSIS\n");
}

static void options_man(struct text *t, const struct cli_option *o)
{
    for (; o && o->name; o++)
        tagged(t, arena_str(t->arena, arena_fmt(t->arena, "--%s", o->name)), o->value, o->words);
}

static void exit_codes(struct text *t)
{
    text_str(t, ".SH EXIT STATUS\n0 done; 1 it did not work or did not hold; 2 not understood.\n");
}

static struct span main_page(struct arena *a, const char *version)
{
    struct text t = text_new(a, 8192);
    header(&t, "troth", version, "a published privacy policy that runs");
    text_str(
        &t,
        ".B troth\n.I COMMAND\n[\\fIARGUMENTS\\fR]\n.SH DESCRIPTION\n"
        "The tool of the data folder that\n.BR trothd (1)\nserves. Commands that change or show something in "
        "the folder ask the daemon if it runs, and open the folder themselves if not.\n.SH COMMANDS\n");
    for (size_t i = 0; i < cli_commands_count; i++)
        tagged(&t, cli_commands[i].words, cli_commands[i].args, cli_commands[i].summary);
    text_str(&t, ".SH OPTIONS\nOf every command that asks the folder:\n");
    options_man(&t, cli_common);
    exit_codes(&t);
    text_str(&t, ".SH ENVIRONMENT\n.TP\n.B TROTH_DATA\nThe data folder, if\n.B \\-\\-data\nis not given.\n"
                 ".TP\n.B TROTH_MASTER_KEY_COMMAND\nA shell command that prints the master key, if it is not "
                 "in a file of the folder.\n"
                 ".SH SEE ALSO\n.BR trothd (1)\n");
    return text_span(&t);
}

static void paragraph(struct text *t, const char *words)
{
    text_str(t, ".PP\n");
    roff(t, words);
    text_char(t, '\n');
}

static struct span command_page(struct arena *a, const char *version, const char *title,
                                const struct cli_command *c)
{
    struct text t = text_new(a, 4096);
    bool daemon = strcmp(title, "trothd") == 0;
    const char *summary = daemon ? CLI_DAEMON_SUMMARY : c->summary;
    header(&t, title, version, summary);
    text_str(&t, ".B ");
    roff(&t, daemon ? title : arena_str(a, arena_fmt(a, "troth %s", c->words)));
    if (c->args[0]) {
        text_str(&t, "\n.I ");
        roff(&t, c->args);
    }
    text_fmt(&t, "\n%s.SH DESCRIPTION\n", takes_options(c) ? "[\\fIOPTIONS\\fR]\n" : "");
    roff(&t, summary);
    text_str(&t, ".\n");
    if (c->more)
        paragraph(&t, c->more);
    if (takes_options(c))
        text_str(&t, ".SH OPTIONS\n");
    options_man(&t, c->options);
    if (cli_asks(c))
        options_man(&t, cli_common);
    exit_codes(&t);
    text_str(&t, ".SH SEE ALSO\n.BR troth (1)\n");
    return text_span(&t);
}

static enum err write_page(struct arena *a, const char *dir, const char *title, struct span page,
                           struct fail *f)
{
    return file_write_durable(arena_str(a, arena_fmt(a, "%s/%s.1", dir, title)), page, 0644, f);
}

/* "service add" -> "troth-service-add" */
static const char *page_title(struct arena *a, const char *words)
{
    char *title = arena_str(a, arena_fmt(a, "troth-%s", words));
    for (char *p = title; *p; p++)
        if (*p == ' ')
            *p = '-';
    return title;
}

static enum err write_pages(struct cli *c, const char *dir, struct fail *f)
{
    enum err err = file_mkdirs(dir, 0755, f);
    if (err == OK)
        err = write_page(c->arena, dir, "troth", main_page(c->arena, c->version), f);
    for (size_t i = 0; i < cli_commands_count && err == OK; i++) {
        const struct cli_command *cc = &cli_commands[i];
        const char *title = page_title(c->arena, cc->words);
        err = write_page(c->arena, dir, title, command_page(c->arena, c->version, title, cc), f);
        if (err == OK && cc->run == cmd_serve)
            err = write_page(c->arena, dir, "trothd", command_page(c->arena, c->version, "trothd", cc), f);
    }
    return err;
}

int cmd_man(struct cli *c)
{
    struct fail f = {0};
    if (c->n_args)
        return write_pages(c, c->arg[0], &f) == OK ? CLI_OK : cli_fail(&f);
    struct span page = main_page(c->arena, c->version);
    return fwrite(page.p, 1, page.len, stdout) == page.len ? CLI_OK : CLI_FAILED;
}
