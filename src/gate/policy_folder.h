// SPDX-License-Identifier: Apache-2.0
/* policy_folder.h: a policy from a folder of Markdown files, for the daemon and the command line. */
#ifndef TROTH_POLICY_FOLDER_H
#define TROTH_POLICY_FOLDER_H

#include "policy.h"

/* True for the names that are read: group.md, group.zh-CN.md; not notes.draft.md. */
bool policy_folder_takes(struct span name);
/* The texts of the folder as policy_load takes them, in the order of names. ERR_NOT_FOUND, ERR_IO,
 * ERR_TOO_LARGE: the folder or a file could not be read. */
enum err policy_folder_read(struct arena *a, const char *dir, struct policy_source **list, size_t *n,
                            struct fail *f);

/* ERR_POLICY if Markdown under a name that is not read (notes.draft.md, group.MD) holds a block: what it says
 * would be left out in silence. */
enum err policy_folder_whole(struct arena *a, const char *dir, struct fail *f);
/* The same as a message at the block; its file is empty if there is none. */
enum err policy_folder_stray(struct arena *a, const char *dir, struct policy_message *at, struct fail *f);

/* Reads every NAME.md of the folder, in the order of names. NAME.LANGUAGE.md are their
 * translations. The texts live in the arena with the policy.
 * OK: *p is set; *m holds the warnings. ERR_POLICY: the policy has errors, all in *m; *p is null; the detail
 * counts them and names the first place. ERR_NOT_FOUND, ERR_IO, ERR_TOO_LARGE: the folder or a file could not
 * be read. */
enum err policy_folder_load(struct arena *a, const char *dir, struct policy **p, struct policy_messages *m,
                            struct fail *f);

#endif
