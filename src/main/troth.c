// SPDX-License-Identifier: Apache-2.0
/* troth: the tool. */
#include "cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv, TROTH_VERSION, TROTH_COMMIT);
}
