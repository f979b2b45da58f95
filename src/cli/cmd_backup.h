// SPDX-License-Identifier: Apache-2.0
/* cmd_backup.h: troth backup, backup key, backup check, restore. */
#ifndef TROTH_CMD_BACKUP_H
#define TROTH_CMD_BACKUP_H

#include "backup.h"
#include "cli_impl.h"

int cmd_backup(struct cli *c);
int cmd_backup_key(struct cli *c);
int cmd_backup_check(struct cli *c);
int cmd_restore(struct cli *c);

/* The words of --passphrase-file or --passphrase-command; empty if neither is given. */
enum err backup_words(struct cli *c, struct span *out, struct fail *f);
/* What opens a backup: the secret key in the file an option names, or the words. *secret is the caller's. */
enum err backup_opener(struct cli *c, const char *option, struct key **secret, struct backup_with *out,
                       struct fail *f);

/* What a backup says about itself. */
struct backup_about {
    struct span json; /* as it stands in the file */
    struct span made, region, version, revision, installation;
    int64_t schema, schema_keys, entries, checkpoint;
};
enum err backup_about_read(struct arena *a, struct span json, struct backup_about *out, struct fail *f);

#endif
