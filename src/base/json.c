// SPDX-License-Identifier: Apache-2.0
/* see json.h; struct json is cJSON's node under another name, so that no other file sees cJSON. */
#include "json_impl.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SAFE_INTEGER_MAX 9007199254740991.0 /* 2^53 - 1: RFC 7493, section 2.2 */
#define NEAR_MAX         3                  /* edits between a mistyped name and the one meant */

static const cJSON *node(const struct json *v)
{
    return (const cJSON *)v;
}

static const struct json *value(const cJSON *c)
{
    return (const struct json *)c;
}

/* ---- JSON pointers (RFC 6901) */

/* The way from the top to a value. */
struct place {
    const struct place *above;
    const char *name; /* null: an array element */
    size_t index;
};

struct pointer {
    char text[FAIL_WHERE_MAX];
    size_t len;
};

static void pointer_char(struct pointer *p, char c)
{
    if (p->len + 1 < sizeof p->text)
        p->text[p->len++] = c;
}

static void pointer_name(struct pointer *p, const char *name)
{
    pointer_char(p, '/');
    for (; *name; name++) {
        bool special = *name == '~' || *name == '/';
        pointer_char(p, special ? '~' : *name);
        if (special)
            pointer_char(p, *name == '~' ? '0' : '1');
    }
}

static void pointer_place(struct pointer *p, const struct place *at)
{
    char digits[24];
    if (!at)
        return;
    pointer_place(p, at->above);
    snprintf(digits, sizeof digits, "%zu", at->index);
    pointer_name(p, at->name ? at->name : digits);
}

static void where_member(struct fail *f, const char *name)
{
    struct pointer p = {.len = 0};
    pointer_name(&p, name);
    fail_where(f, "%s", p.text);
}

/* ---- Duplicate members (RFC 7493, section 2.3) */

static int name_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A name that occurs twice in the object, or null. Sorted, so that a body of many wide objects stays cheap.
 */
static const char *twice(const cJSON *object)
{
    const char *names[JSON_MEMBERS_MAX];
    size_t n = 0;
    for (const cJSON *m = object->child; m && n < JSON_MEMBERS_MAX; m = m->next)
        names[n++] = m->string;
    if (n < 2)
        return NULL;
    qsort(names, n, sizeof names[0], name_order);
    for (size_t i = 1; i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return names[i];
    return NULL;
}

static enum err refuse_twice(const struct place *above, const char *name, struct fail *f)
{
    struct place at = {above, name, 0};
    struct pointer p = {.len = 0};
    pointer_place(&p, &at);
    fail_where(f, "%s", p.text);
    return fail_set(f, ERR_BAD_JSON, "a member occurs twice: %s", name);
}

static enum err check_members(const cJSON *v, const struct place *at, struct fail *f)
{
    enum err err = OK;
    size_t i = 0;
    const char *name = cJSON_IsObject(v) ? twice(v) : NULL;
    if (name)
        return refuse_twice(at, name, f);
    for (const cJSON *m = v->child; m && err == OK; m = m->next, i++) {
        struct place below = {at, m->string, i};
        err = check_members(m, &below, f);
    }
    return err;
}

/* ---- Parsing */

/* The tree lives in the caller's arena, which wipes what was in it: the strings of a request are people's
 * values. */
static _Thread_local struct arena *room;

static void *node_alloc(size_t len)
{
    return arena_alloc(room, len);
}

static void node_free(void *p)
{
    (void)p; /* with the arena */
}

static void hooks_set(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = node_alloc, .free_fn = node_free});
}

enum err json_parse(struct arena *a, struct span s, const struct json **out, struct fail *f)
{
    if (s.len > JSON_BYTES_MAX)
        return fail_set(f, ERR_TOO_LARGE, "a JSON text of %zu bytes is more than the %u taken", s.len,
                        JSON_BYTES_MAX);
    if (!span_utf8(s))
        return fail_set(f, ERR_BAD_UTF8, "the JSON text is not valid UTF-8");
    enum err err = json_scan(s, f);
    if (err != OK)
        return err;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, hooks_set);
    room = a;
    cJSON *tree = cJSON_ParseWithLength((const char *)s.p, s.len);
    if (!tree)
        return fail_set(f, ERR_INTERNAL, "the JSON text could not be held in memory");
    err = check_members(tree, NULL, f);
    if (err == OK)
        *out = value(tree);
    return err;
}

/* ---- Looking at values */

enum json_kind json_kind(const struct json *v)
{
    if (!v)
        return JSON_ABSENT;
    switch (node(v)->type & 0xff) {
    case cJSON_True:
    case cJSON_False:
        return JSON_BOOL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

const struct json *json_get(const struct json *v, const char *name)
{
    if (json_kind(v) != JSON_OBJECT)
        return NULL;
    /* Most members asked for are not there: told by their first byte. */
    for (const cJSON *m = node(v)->child; m; m = m->next)
        if (m->string[0] == name[0] && strcmp(m->string, name) == 0)
            return value(m);
    return NULL;
}

size_t json_count(const struct json *v)
{
    size_t n = 0;
    if (!v)
        return 0;
    for (const cJSON *m = node(v)->child; m; m = m->next)
        n++;
    return n;
}

const struct json *json_at(const struct json *v, size_t i)
{
    if (!v)
        return NULL;
    const cJSON *m = node(v)->child;
    for (; m && i > 0; i--)
        m = m->next;
    return value(m);
}

const struct json *json_next(const struct json *v)
{
    return v ? value(node(v)->next) : NULL;
}

struct span json_name(const struct json *v)
{
    return v ? span_str(node(v)->string) : SPAN_EMPTY;
}

struct span json_span(const struct json *v)
{
    return json_kind(v) == JSON_STRING ? span_str(node(v)->valuestring) : SPAN_EMPTY;
}

/* ---- Typed members */

static const char *const kind_words[] = {
    [JSON_ABSENT] = "absent",    [JSON_NULL] = "null",       [JSON_BOOL] = "true or false",
    [JSON_NUMBER] = "a number",  [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",
    [JSON_OBJECT] = "an object",
};

static enum err refuse_member(const char *name, enum err code, const char *what, struct fail *f)
{
    where_member(f, name);
    return fail_set(f, code, "%s %s", name, what);
}

/* The member if it has the kind. *found null with OK: it may be missing and is. */
static enum err member(const struct json *o, const char *name, bool required, enum json_kind kind,
                       const struct json **found, struct fail *f)
{
    const struct json *v = json_get(o, name);
    *found = v;
    if (!v)
        return required ? refuse_member(name, ERR_MISSING_MEMBER, "is missing", f) : OK;
    if (json_kind(v) == kind)
        return OK;
    where_member(f, name);
    return fail_set(f, ERR_WRONG_TYPE, "%s must be %s, not %s", name, kind_words[kind],
                    kind_words[json_kind(v)]);
}

enum err json_read_string(const struct json *o, const char *name, bool required, size_t max, struct span *out,
                          struct fail *f)
{
    const struct json *v;
    enum err err = member(o, name, required, JSON_STRING, &v, f);
    if (err != OK || !v)
        return err;
    if (json_span(v).len > max) {
        where_member(f, name);
        return fail_set(f, ERR_BAD_VALUE, "%s is longer than %zu bytes", name, max);
    }
    *out = json_span(v);
    return OK;
}

enum err json_read_i64(const struct json *o, const char *name, bool required, int64_t *out, struct fail *f)
{
    const struct json *v;
    enum err err = member(o, name, required, JSON_NUMBER, &v, f);
    if (err != OK || !v)
        return err;
    double number = node(v)->valuedouble;
    if (number < -SAFE_INTEGER_MAX || number > SAFE_INTEGER_MAX)
        return refuse_member(name, ERR_BAD_VALUE, "is beyond what JSON numbers hold exactly", f);
    if (number < floor(number) || number > floor(number))
        return refuse_member(name, ERR_WRONG_TYPE, "must be a whole number", f);
    *out = (int64_t)number;
    return OK;
}

bool json_whole(const struct json *v, int64_t *out)
{
    double number = json_kind(v) == JSON_NUMBER ? node(v)->valuedouble : 0.5;
    bool whole = number >= -SAFE_INTEGER_MAX && number <= SAFE_INTEGER_MAX && !(number > floor(number));
    if (whole)
        *out = (int64_t)number;
    return whole;
}

enum err json_read_bool(const struct json *o, const char *name, bool required, bool *out, struct fail *f)
{
    const struct json *v;
    enum err err = member(o, name, required, JSON_BOOL, &v, f);
    if (err == OK && v)
        *out = cJSON_IsTrue(node(v)) != 0;
    return err;
}

static enum err read_container(const struct json *o, const char *name, bool required, enum json_kind kind,
                               const struct json **out, struct fail *f)
{
    const struct json *v;
    enum err err = member(o, name, required, kind, &v, f);
    if (err == OK && v)
        *out = v;
    return err;
}

enum err json_read_object(const struct json *o, const char *name, bool required, const struct json **out,
                          struct fail *f)
{
    return read_container(o, name, required, JSON_OBJECT, out, f);
}

enum err json_read_array(const struct json *o, const char *name, bool required, const struct json **out,
                         struct fail *f)
{
    return read_container(o, name, required, JSON_ARRAY, out, f);
}

/* ---- Unknown members */

static bool is_known(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static void hint_nearest(const char *const *names, const char *name, struct fail *f)
{
    const char *best = NULL;
    unsigned best_distance = NEAR_MAX + 1;
    for (; *names; names++) {
        unsigned distance = span_distance(span_str(*names), span_str(name));
        if (distance < best_distance) {
            best = *names;
            best_distance = distance;
        }
    }
    if (best)
        fail_hint(f, "Did you mean %s?", best);
}

enum err json_only(const struct json *v, const char *const *names, struct fail *f)
{
    char unknown[FAIL_DETAIL_MAX / 2] = "";
    size_t len = 0;
    const char *first = NULL;

    if (json_kind(v) != JSON_OBJECT)
        return fail_set(f, ERR_WRONG_TYPE, "an object is expected here, not %s", kind_words[json_kind(v)]);
    for (const cJSON *m = node(v)->child; m; m = m->next) {
        if (is_known(names, m->string))
            continue;
        if (len < sizeof unknown)
            len +=
                (size_t)snprintf(unknown + len, sizeof unknown - len, "%s%s", first ? ", " : "", m->string);
        first = first ? first : m->string;
    }
    if (!first)
        return OK;
    where_member(f, first);
    hint_nearest(names, first, f);
    return fail_set(f, ERR_UNKNOWN_MEMBER, "not known here: %s", unknown);
}
