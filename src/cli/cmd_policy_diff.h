// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_diff.h: `troth policy diff`, `troth policy effect`, `troth policy tests`. */
#ifndef TROTH_CMD_POLICY_DIFF_H
#define TROTH_CMD_POLICY_DIFF_H

#include "cli_impl.h"

#define CLI_CHANGED 3 /* changes that protect or are neutral */
#define CLI_REDUCED 4 /* rights are reduced */

/* OLD NEW [--json]: what changes for people. 0: no change, CLI_CHANGED, CLI_REDUCED; 2: usage, or a folder
 * that cannot be read or compiled. Drafts whose rules contradict each other can be compared. */
int cmd_policy_diff(struct cli *c);
/* DIR DOCUMENT [--json]: the same from the policy without the document's rules to the whole. */
int cmd_policy_effect(struct cli *c);
/* DIR [--check FILE]: one case for each answer and each ban (policy_golden.h); or those of a file again. 0:
 * done, or all are answered as before; 1: some are not, each named; 2: usage, or something that cannot be
 * read. */
int cmd_policy_tests(struct cli *c);

#endif
