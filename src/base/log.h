// SPDX-License-Identifier: Apache-2.0
/*
 * log.h: one line per event on stderr: time, level, part, text. Never personal data, tokens, keys, or request
 * bodies: values that come from outside are logged by kind and length, not by content.
 */
#ifndef TROTH_LOG_H
#define TROTH_LOG_H

#include "instant.h"

enum log_level { LOG_LVL_DEBUG, LOG_LVL_INFO, LOG_LVL_WARN, LOG_LVL_ERROR };

/* Lines below `level` are dropped. Default INFO. */
void log_level_set(enum log_level level);
/* `part` is a literal such as "audit". Thread-safe; one write(2) a line. */
void log_line(enum log_level level, const char *part, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
