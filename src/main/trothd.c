// SPDX-License-Identifier: Apache-2.0
/* trothd: the daemon. */
#include "cli.h"

int main(int argc, char **argv)
{
    return cli_daemon(argc, argv, TROTH_VERSION, TROTH_COMMIT);
}
