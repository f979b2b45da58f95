// SPDX-License-Identifier: Apache-2.0
#include "policy_compile_impl.h"
void policy_analyse(struct load *l, const struct compiled *k)
{
    (void)l;
    (void)k;
}
