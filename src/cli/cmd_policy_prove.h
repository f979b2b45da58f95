// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_prove.h: `troth policy prove`. */
#ifndef TROTH_CMD_POLICY_PROVE_H
#define TROTH_CMD_POLICY_PROVE_H

#include "cli_impl.h"

/* DIR [SENTENCE] [--json]: proves all promises of the folder, or one sentence. 0: proved, 1: broken, or the
 * policy cannot be compiled; 2: usage, a sentence that is no promise, a folder that cannot be read. */
int cmd_policy_prove(struct cli *c);

#endif
