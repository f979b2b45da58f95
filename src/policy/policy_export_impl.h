// SPDX-License-Identifier: Apache-2.0
/* policy_export_impl.h: what both exports need. */
#ifndef TROTH_POLICY_EXPORT_IMPL_H
#define TROTH_POLICY_EXPORT_IMPL_H

#include "policy_export.h"
#include "policy_impl.h"

extern const char *const policy_export_norm_word[4]; /* by enum norm_kind */
extern const char *const policy_export_unit_word[UNTIL_YEARS + 1];

/* True if the set does not limit its dimension. */
bool policy_export_whole(const struct policy *p, enum policy_dimension d, const struct bits *set);
/* Norms as they were read: rank and exceptions have put them in another order. */
const struct norm **policy_export_norms(const struct policy *p, struct arena *a);
/* "purposes": lists of names carry the plural. */
extern const char *const policy_export_plural[DIM_COUNT];

#endif
