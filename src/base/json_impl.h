// SPDX-License-Identifier: Apache-2.0
/* json_impl.h: the strict scan that runs before cJSON sees a byte (RFC 8259 grammar, RFC 7493 restrictions).
 */
#ifndef TROTH_JSON_IMPL_H
#define TROTH_JSON_IMPL_H

#include "json.h"

/* Accepts exactly one value with blanks around it, within the limits of json.h. Duplicate members are not
 * seen here: two spellings of one name are known only after the escapes are read. On failure f has "byte N"
 * as its place. */
enum err json_scan(struct span s, struct fail *f);

#endif
