// SPDX-License-Identifier: Apache-2.0
/*
 * cli_impl.h: what commands see. A command that is one request to the data folder has no code: its row says
 * method, path and members, and cmd_request.c sends it, to the daemon that has the folder open, or in this
 * process.
 */
#ifndef TROTH_CLI_IMPL_H
#define TROTH_CLI_IMPL_H

#include "arena.h"
#include "cli.h"
#include "err.h"
#include "message.h"
#include "policy.h"
#include "text.h"
#include "web.h"

#define CLI_ARGS_MAX    16          /* words after the command */
#define CLI_OPTIONS_MAX 16          /* options of one command */
#define CLI_ANSWER_MAX  (64u << 20) /* a policy text or a long history; beyond, something is wrong */

enum cli_type {
    CLI_FLAG, /* true when given */
    CLI_OFF,  /* false when given */
    CLI_STRING,
    CLI_NUMBER,
    CLI_LIST /* comma separated */
};

struct cli_option {
    const char *name; /* without the dashes */
    enum cli_type type;
    const char *value; /* how help shows its value */
    bool required;
    const char *member; /* member of the JSON body, "?name" for the query, null: the command's own */
    const char *words;
};

struct cli;
struct cli_command {
    const char *words;   /* "service add" */
    const char *args;    /* "NAME" */
    size_t min, max;     /* how many of them */
    const char *summary; /* one line */
    int (*run)(struct cli *c);
    const struct cli_option *options; /* ends with a row without name; null: none */
    bool asks;                        /* OWN, and makes requests: takes the options of all that do */
    bool holds;         /* keys or values, though it makes no requests: kept from swap as those that do are */
    enum method method; /* one request: how */
    const char *path;   /* where; {0} is the first argument */
    const char *member; /* member of the body that the first argument fills; null: it is in the path */
    const char *fixed;  /* further members, as JSON text; null: none */
    int (*raw)(int argc, char **argv); /* the command reads its own arguments; its options are shown only */
    const char *more;                  /* a further paragraph of its help and man page; null: none */
};

struct cli {
    const struct cli_command *command;
    struct arena *arena;
    const char *version, *commit;
    const char *arg[CLI_ARGS_MAX];
    size_t n_args;
    const char *value[CLI_OPTIONS_MAX]; /* by the option's place in its table */
    const char *data;                   /* --data, TROTH_DATA, or "data" */
    const char *clock_file;
    const char *listen;
    bool json;
    bool by_daemon;  /* a daemon has answered and may come back: the folder is not opened in this process */
    struct web *web; /* the folder, opened in this process; null: a daemon has it, or not opened yet */
};

extern const struct cli_command cli_commands[];
extern const size_t cli_commands_count;
/* Options every request takes: --data, --clock-file, --json. */
extern const struct cli_option cli_common[];

/* Value of an option, or null. */
const char *cli_get(const struct cli *c, const char *name);
/* The same, or what the environment says. */
const char *cli_or_environment(const struct cli *c, const char *option, const char *variable);
/* Finds the command and reads its arguments. CLI_OK, or CLI_USAGE with the message printed. *rest: where the
 * command's own words begin (argv index). */
int cli_parse(struct cli *c, int argc, char **argv, int *rest);
const struct cli_command *cli_find(int argc, char **argv, int *used);
/* The nearest command, or null. */
const char *cli_suggest(int argc, char **argv);

/* ---- Messages on stderr */
int cli_fail(const struct fail *f); /* prints what is wrong and what to do; CLI_FAILED */
int cli_usage(const struct cli_command *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_policy_messages(const struct policy_messages *m);

/* ---- Help and man pages, from the rows */
void cli_help(void);
void cli_help_command(const struct cli_command *c);
/* The same for trothd, which is `troth serve` under a name of its own. */
void cli_help_daemon(const struct cli_command *serve);
/* A group of commands ("policy"): true if there are any. */
bool cli_help_group(const char *word);
bool cli_is_group(const char *word);
int cmd_man(struct cli *c);

/* ---- Requests */
struct cli_answer {
    int status;
    struct span body;
};
/* Sends one request as the operator. ERR_BUSY: by_daemon, and there is none now. */
enum err cli_send(struct cli *c, enum method m, struct span path, struct span query, struct span body,
                  struct cli_answer *out, struct fail *f);
void cli_close(struct cli *c);
/* Before anything is read, and before there are threads: locks the memory of this process, with what it maps
 * later, where that is allowed without a limit. Where not, it goes on; the daemon logs so if there is swap.
 * --lock-memory demands it, --no-lock-memory leaves it out. CLI_OK, or the code to end with, the message
 * printed. */
int cli_keep_from_swap(const struct cli *c);
/* A JSON object as lines "name: value", nested ones indented; strings of one line only unless it is the last
 * member. */
void cli_print(struct span json);
/* Prints a problem document on stderr; CLI_FAILED. */
int cli_problem(struct cli *c, const struct cli_answer *answer);

/* --master-key-command, or $TROTH_MASTER_KEY_COMMAND; null: the key is in a file. */
const char *cli_master_command(const struct cli *c);

/* ---- Commands */
int cmd_request(struct cli *c);
int cmd_init(struct cli *c);
int cmd_import(struct cli *c);
int cmd_serve(struct cli *c);
int cmd_schema(struct cli *c);
int cmd_migrate(struct cli *c);
int cmd_audit_prune(struct cli *c);
int cmd_audit_witness(struct cli *c);
int cmd_audit_witness_feed(struct cli *c);
int cmd_help(struct cli *c);

static inline bool cli_asks(const struct cli_command *c)
{
    return c->asks || c->run == cmd_request;
}

int cmd_key_rotate(struct cli *c);
int cmd_retain_sweep(struct cli *c);
int cmd_node_retire(struct cli *c);

/* The same file from the root, its folder resolved: for a daemon, which has a working folder of its own. */
enum err cli_absolute(struct cli *c, const char *file, const char **out, struct fail *f);

/* ---- A new data folder (new_folder.c): made beside its place under another name, put there when complete */
const char *cli_folder_beside(struct cli *c, const char *dir, const char **place);
/* Nothing, or an empty folder, which is removed; else ERR_CONFLICT. */
enum err cli_folder_free(const char *dir, struct fail *f);
/* Makes `folder` (0700) and holds a lock in it as long as the process lives; before, removes what commands
 * for the same place left that were killed: folders of that name and owner, marked as unfinished, locked by
 * nobody. ERR_CONFLICT, ERR_IO. */
enum err cli_folder_begin(struct cli *c, const char *folder, const char *place, struct fail *f);
enum err cli_folder_place(const char *folder, const char *dir, struct fail *f);
/* What cli_folder_begin made; nothing if it made none. */
void cli_folder_remove(const char *folder);

/* ---- How far a long command is, on a terminal's standard error; nothing elsewhere */
void cli_progress(const char *what, uint64_t done, uint64_t total);
void cli_progress_bytes(const char *what, uint64_t done, uint64_t total);
void cli_progress_end(void);

#endif
