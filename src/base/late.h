// SPDX-License-Identifier: Apache-2.0
/*
 * late.h: a library that few runs need is opened by those. Linked in, it and all it stands on would be mapped
 * and bound at each start: libpq and libcurl bring twenty others, and two megabytes.
 *
 * The functions are a list X(name) X(name) ..., the table a struct { LIST(LATE_MEMBER) }.
 */
#ifndef TROTH_LATE_H
#define TROTH_LATE_H

#include "err.h"

#include <stddef.h>

struct late_name {
    const char *name;
    size_t at; /* of the function's pointer in the table */
};

#define LATE_MEMBER(function)      __typeof__(function) *function;
#define LATE_NAME(table, function) {#function, offsetof(struct table, function)},

/* Fills the table. ERR_INTERNAL names the library or the function that is missing. */
enum err late_open(const char *library, const struct late_name *names, size_t n, void *table, struct fail *f);

#endif
