// SPDX-License-Identifier: Apache-2.0
/* troth schema: what a database administrator reads before the tables are made, and gives to Citus. */
#include "cli_impl.h"

#include "store.h"

#include <stdio.h>

int cmd_schema(struct cli *c)
{
    enum store_db db = cli_get(c, "keys") ? STORE_KEYS : STORE_MAIN;
    struct span text = cli_get(c, "citus") ? store_schema_citus(c->arena, db) : store_schema_pg(c->arena, db);
    fwrite(text.p, 1, text.len, stdout);
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}
