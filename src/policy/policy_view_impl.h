// SPDX-License-Identifier: Apache-2.0
/* policy_view_impl.h: see policy_view.h. */
#ifndef TROTH_POLICY_VIEW_IMPL_H
#define TROTH_POLICY_VIEW_IMPL_H

#include "policy_impl.h"
#include "policy_view.h"

struct policy_view {
    struct load load; /* its messages are the caller's */
};

#endif
