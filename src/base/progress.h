// SPDX-License-Identifier: Apache-2.0
/*
 * progress.h: how far something long is, as a bar in the last line of the terminal on standard error. Where
 * that is no terminal, nothing is printed.
 */
#ifndef TROTH_PROGRESS_H
#define TROTH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

bool progress_shown(void);
/* `what` is counted, as in "keys wrapped"; a `total` of 0 is a full bar. */
void progress_bar(const char *what, uint64_t done, uint64_t total);
/* Takes the bar away. */
void progress_end(void);

#endif
