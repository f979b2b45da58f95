// SPDX-License-Identifier: Apache-2.0
/*
 * json.h: one strict reader over cJSON (RFC 8259 and the stricter reading of RFC 7493, I-JSON).
 *
 * Refused with a JSON pointer or byte offset: invalid UTF-8, duplicate members, \u0000, lone surrogates,
 * numbers that are not JSON numbers or not finite, anything after the value, depth and size beyond the
 * limits. Unknown members are the caller's business: json_only names them. Strings borrow from the parsed
 * tree, which lives until the arena is reset.
 */
#ifndef TROTH_JSON_H
#define TROTH_JSON_H

#include "arena.h"
#include "err.h"

#define JSON_DEPTH_MAX 16 /* nothing of ours nests deeper than 5 */
#define JSON_MEMBERS_MAX                                                                                     \
    2000 /* of one object or array: 1,000 persons of a read; more is told better by the row */
#define JSON_BYTES_MAX (8u << 20) /* the texts of a large policy; routes set their own below it */

struct json; /* a value; null stands for "absent" in all readers below */

enum json_kind { JSON_ABSENT, JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Parses the whole of s. ERR_BAD_JSON or ERR_BAD_UTF8 with place and reason. */
enum err json_parse(struct arena *a, struct span s, const struct json **out, struct fail *f);
enum json_kind json_kind(const struct json *v);
/* Member by name, or null. v may be null or not an object. */
const struct json *json_get(const struct json *v, const char *name);
size_t json_count(const struct json *v);
/* Element of an array, or member value of an object, by position. */
const struct json *json_at(const struct json *v, size_t i);
/* The element or member after it; null after the last. */
const struct json *json_next(const struct json *v);
/* The member's name; empty for array elements. */
struct span json_name(const struct json *v);
/* The string's bytes; empty if it is not a string. */
struct span json_span(const struct json *v);
/* The number, if it is a whole one that JSON holds exactly. */
bool json_whole(const struct json *v, int64_t *out);
/* Readers of members of an object. Missing: ERR_MISSING_MEMBER if required, else OK and *out untouched.
 * Wrong type: ERR_WRONG_TYPE with pointer `/name`. Strings longer than max bytes: ERR_BAD_VALUE. */
enum err json_read_string(const struct json *o, const char *name, bool required, size_t max, struct span *out,
                          struct fail *f);
enum err json_read_i64(const struct json *o, const char *name, bool required, int64_t *out, struct fail *f);
enum err json_read_bool(const struct json *o, const char *name, bool required, bool *out, struct fail *f);
enum err json_read_object(const struct json *o, const char *name, bool required, const struct json **out,
                          struct fail *f);
enum err json_read_array(const struct json *o, const char *name, bool required, const struct json **out,
                         struct fail *f);
/* ERR_WRONG_TYPE unless v is an object; ERR_UNKNOWN_MEMBER naming every member not in the null-terminated
 * list, with the nearest known name as the hint. */
enum err json_only(const struct json *v, const char *const *names, struct fail *f);

#endif
