// SPDX-License-Identifier: Apache-2.0
/* cmd_policy.h: `troth policy check` and `troth policy explain`. */
#ifndef TROTH_CMD_POLICY_H
#define TROTH_CMD_POLICY_H

#include "cli_impl.h"

/* DIR [--json]. 0: clean (warnings are printed), 1: errors, 2: usage, or the folder cannot be read. */
int cmd_policy_check(struct cli *c);
/* DIR --request 'operation=use field=phone ...' [--json]. 0: decided, 1: the policy has errors, 2: usage, or
 * the request names what the policy does not know. */
int cmd_policy_explain(struct cli *c);

#endif
