// SPDX-License-Identifier: Apache-2.0
/* cmd_policy_render.h: `troth policy render`. */
#ifndef TROTH_CMD_POLICY_RENDER_H
#define TROTH_CMD_POLICY_RENDER_H

#include "cli_impl.h"

/* DIR [--lang TAG] [--out FOLDER] [--open] [--since OLDDIR]: writes DOCUMENT.LANG.html for each document and
 * each language it has, or for one language only, and prints the paths. 0: written, 1: the policy has errors,
 * or has no text in the language, 2: usage, or a folder that cannot be read or written. */
int cmd_policy_render(struct cli *c);

#endif
