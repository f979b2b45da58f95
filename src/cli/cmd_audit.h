// SPDX-License-Identifier: Apache-2.0
/* cmd_audit.h: `troth audit ...`. argv[0] is the first argument after the subcommand's words. They read the
 * data folder's files themselves, beside a running daemon or without one, and return the exit code. */
#ifndef TROTH_CMD_AUDIT_H
#define TROTH_CMD_AUDIT_H

/* DATA [--against FILE] [--trust FILE] [--json]. 0: the record is whole, 1: it has a fault (named) or cannot
 * be read, 2: usage. */
int cli_audit_verify(int argc, char **argv);
/* DATA. Prints the signed checkpoint. 0, 1: it cannot be read or does not fit the record, 2: usage. */
int cli_audit_checkpoint(int argc, char **argv);
/* DATA INDEX. Prints the tlog-proof of an entry. 0, 1: no such entry, or not under a checkpoint yet, 2:
 * usage. */
int cli_audit_prove(int argc, char **argv);

/* FILE... (--key KEY | --trust FILE) [--json]. Checks receipts offline; of several, each line names its file.
 * 0: all are genuine, 1: one is not, or unreadable, 2: usage. */
int cli_audit_receipt_verify(int argc, char **argv);

#endif
