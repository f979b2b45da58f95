// SPDX-License-Identifier: Apache-2.0
/*
 * err.h: a failure is a value: a closed code (err.def) plus first-wins detail.
 *
 * A function that can fail returns enum err and takes a struct fail; the first fail_set wins, so the place
 * that knows most speaks. Detail is shown to callers and logged: it never holds personal data, keys or
 * tokens.
 */
#ifndef TROTH_ERR_H
#define TROTH_ERR_H

#include "span.h"

enum err {
    OK = 0,
#define X(code, status, slug, title, level) ERR_##code,
#include "err.def"
#undef X
    ERR_COUNT
};

#define FAIL_DETAIL_MAX 400 /* a sentence or two, with a name or a path in it */
#define FAIL_WHERE_MAX  128 /* a JSON pointer or file:line:column */
#define FAIL_HINT_MAX   240 /* what to do next */
#define FAIL_CLAUSE_MAX 96  /* document/clause-id */

struct fail {
    enum err code;
    char detail[FAIL_DETAIL_MAX]; /* what is wrong, a sentence */
    char where[FAIL_WHERE_MAX]; /* JSON pointer (RFC 6901) into the body, or a file position; may be empty */
    char hint[FAIL_HINT_MAX];   /* what to do next; may be empty */
    char clause[FAIL_CLAUSE_MAX]; /* the clause this rests on; may be empty */
};

struct err_row {
    const char *name;  /* "BAD_JSON" */
    int status;        /* HTTP status */
    const char *slug;  /* problem type */
    const char *title; /* public */
    int level;         /* enum log_level */
};

/* The row of a code; never null. */
const struct err_row *err_row(enum err code);
/* Sets code and detail unless something is set already. Returns the code that stands. f may be null. */
enum err fail_set(struct fail *f, enum err code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Add the place, the next step and the clause; each is first-wins too. */
/* Puts the place of what failed inside another: "/data/0" before "/values/contact-phone". */
void fail_prefix(struct fail *f, const char *where);
void fail_where(struct fail *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fail_hint(struct fail *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fail_clause(struct fail *f, struct span clause);

#endif
