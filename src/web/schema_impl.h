// SPDX-License-Identifier: Apache-2.0
/* schema_impl.h: the shapes of schemas.def: checking what comes in, describing it in OpenAPI. */
#ifndef TROTH_SCHEMA_IMPL_H
#define TROTH_SCHEMA_IMPL_H

#include "json.h"
#include "text.h"

enum member_type {
    TYPE_TEXT, /* not empty, at most `limit` bytes */
    TYPE_NAME, /* the same, one line: a name of the policy, the registers, or a reference */
    TYPE_ID,   /* 32 hexadecimal digits */
    TYPE_HEX,  /* SHA-256, 64 hexadecimal digits */
    TYPE_DATE, /* YYYY-MM-DD */
    TYPE_TIME, /* RFC 3339, or a date */
    TYPE_BOOL,
    TYPE_INT,    /* 0..limit (0: no limit) */
    TYPE_AMOUNT, /* 1..limit: how many of something */
    TYPE_ENUM,   /* one of `of` */
    TYPE_NAMES,  /* list of names, at most `limit`; not empty if required */
    TYPE_MAP,    /* object of texts, at most `limit` */
    TYPE_VALUES, /* object: field -> text or {value, item} */
    TYPE_OBJECT, /* schema `of` */
    TYPE_LIST,   /* list of `of` */
    TYPE_DICT,   /* object of `of` */
    TYPE_ANY,
    TYPE_COUNT
};

#define SCHEMA_TEXT_MAX    4096 /* one value of a field: VALUE_MAX of the vault */
#define SCHEMA_MEMBERS_MAX 32

struct member {
    const char *name;
    enum member_type type;
    bool required;
    size_t limit;
    const char *of;
    const char *words;
};

struct schema {
    const char *name;
    const char *words;
    const struct member *members;
    size_t n;
};

extern const struct schema schemas[];
extern const size_t n_schemas;

/* Null for a name without a row ("none", "page", "text", "form", "any"). */
const struct schema *schema_find(const char *name);
/* ERR_UNKNOWN_MEMBER, ERR_MISSING_MEMBER, ERR_WRONG_TYPE, ERR_BAD_VALUE with a pointer; every member is
 * known, present if required, and of its type and size afterwards. */
enum err schema_check(const struct schema *s, const struct json *body, struct fail *f);
/* Query strings: names known, values of their type. */
enum err schema_check_query(const struct schema *s, struct arena *a, struct span query, struct fail *f);
/* JSON Schema (2020-12) of one row, and of its members as OpenAPI query parameters. */
void schema_json(struct text *t, const struct schema *s);
void schema_parameters_json(struct text *t, const struct schema *s);

#endif
