// SPDX-License-Identifier: Apache-2.0
/*
 * text.h: append text into an arena; write JSON and HTML safely.
 *
 * The JSON writer keeps commas right by itself. Strings and names out of data are escaped; numbers are
 * written as they are.
 */
#ifndef TROTH_TEXT_H
#define TROTH_TEXT_H

#include "arena.h"
#include "instant.h"

struct text {
    struct arena *arena;
    uint8_t *p;
    size_t len, cap;
    bool comma; /* the JSON writer's state: a value was just written at this level */
};

struct text text_new(struct arena *a, size_t cap);
struct span text_span(const struct text *t);
void text_put(struct text *t, struct span s);
void text_str(struct text *t, const char *s);
void text_char(struct text *t, char c);
void text_i64(struct text *t, int64_t v);
void text_fmt(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* &, <, >, " and ' escaped: safe in element content and quoted attribute values. */
void text_html(struct text *t, struct span s);
/* Bytes outside unreserved (RFC 3986) percent-encoded. */
void text_url(struct text *t, struct span s);

/* JSON. `name` null: an array element or the top value. Else it is a word of ours, with nothing to escape;
 * names that come from data are json_key's. */
void json_open(struct text *t, const char *name, char bracket); /* '{' or '[' */
void json_close(struct text *t, char bracket);                  /* '}' or ']' */
void json_string(struct text *t, const char *name, struct span v);
void json_str(struct text *t, const char *name, const char *v);
void json_i64(struct text *t, const char *name, int64_t v);
void json_bool(struct text *t, const char *name, bool v);
void json_null(struct text *t, const char *name);
void json_instant(struct text *t, const char *name, struct instant v);
void json_hex(struct text *t, const char *name, const uint8_t *b, size_t len);
/* As above, with the name given as a span (object keys that come from data). */
void json_key(struct text *t, struct span name); /* then call a json_* with name null */
/* Already valid JSON. */
void json_raw(struct text *t, const char *name, struct span v);

#endif
