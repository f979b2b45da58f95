// SPDX-License-Identifier: Apache-2.0
/*
 * cmd_policy_what_if.h: `troth policy what-if DRAFTDIR --data DATA`: what would change for the requests of a
 * period. Exit codes: 0 nothing would change, 3 something would, 1 the draft or the folder cannot be read, 2
 * usage.
 */
#ifndef TROTH_CMD_POLICY_WHAT_IF_H
#define TROTH_CMD_POLICY_WHAT_IF_H

#include "cli_impl.h"

int cmd_policy_what_if(struct cli *c);

#endif
