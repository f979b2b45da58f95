// SPDX-License-Identifier: Apache-2.0
/* cli.h: the command line. Commands are rows of a table (commands.c); help and man pages are made from it. */
#ifndef TROTH_CLI_H
#define TROTH_CLI_H

#define CLI_OK     0
#define CLI_FAILED 1 /* understood, and it did not work or did not hold */
#define CLI_USAGE  2 /* not understood */

/* Runs `troth ARGS`; the exit code. */
int cli_main(int argc, char **argv, const char *version, const char *commit);
/* Runs `trothd ARGS`: the same as `troth serve ARGS`. */
int cli_daemon(int argc, char **argv, const char *version, const char *commit);

#endif
