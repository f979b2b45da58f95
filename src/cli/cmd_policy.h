// SPDX-License-Identifier: Apache-2.0
/* cmd_policy.h: `troth policy check` and `troth policy explain`. argv[0] is the first argument after the
 * subcommand's words. Both return the exit code. */
#ifndef TROTH_CMD_POLICY_H
#define TROTH_CMD_POLICY_H

/* DIR [--json]. 0: clean (warnings are printed), 1: errors, 2: usage, or the folder cannot be read. */
int cli_policy_check(int argc, char **argv);
/* DIR --request 'operation=use field=phone ...' [--json]. 0: decided, 1: the policy has errors, 2: usage, or
 * the request names what the policy does not know. */
int cli_policy_explain(int argc, char **argv);

#endif
