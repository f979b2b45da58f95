// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_publish.h: troth policy publish DIR: hands the documents of a folder to the data folder's
 * daemon. */
#ifndef TROTH_CMD_POLICY_PUBLISH_H
#define TROTH_CMD_POLICY_PUBLISH_H

#include "cli_impl.h"

/* CLI_OK: published, or, with --dry-run, it could be; CLI_FAILED: refused; CLI_USAGE. */
int cmd_policy_publish(struct cli *c);

#endif
