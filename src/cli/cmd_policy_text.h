// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_text.h: commands on the texts of a policy: layout, coverage, export. 2: the folder or file
 * cannot be read. */
#ifndef TROTH_CMD_POLICY_TEXT_H
#define TROTH_CMD_POLICY_TEXT_H

#include "cli_impl.h"

/* DIR|FILE [--check]. 0: laid out, 1: --check and something would change, or a text cannot be laid out. */
int cmd_policy_format(struct cli *c);
/* DIR [--dpv]. 1: the policy has errors. */
int cmd_policy_export(struct cli *c);
/* DIR [--json]. 1: a section is uncovered. */
int cmd_policy_coverage(struct cli *c);
/* [DIR]. The language server on stdin and stdout. 0: it was shut down as agreed, 1: the stream ended before.
 */
int cmd_policy_lsp(struct cli *c);

#endif
