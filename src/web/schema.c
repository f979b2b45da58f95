// SPDX-License-Identifier: Apache-2.0
/* see schema_impl.h */
#include "schema_impl.h"
#include "http.h"
#include "id.h"
#include "instant.h"

#include <stdio.h>

enum { OPT, REQ };
#define BEGIN(schema, words)                      static const struct member members_##schema[] = {
#define M(name, type, required, limit, of, words) {name, TYPE_##type, required == REQ, limit, of, words},
#define END(schema)                                                                                          \
    }                                                                                                        \
    ;
#include "schemas.def"
#undef BEGIN
#undef M
#undef END

const struct schema schemas[] = {
#define BEGIN(schema, words)                                                                                 \
    {#schema, words, members_##schema, sizeof members_##schema / sizeof members_##schema[0]},
#define M(name, type, required, limit, of, words)
#define END(schema)
#include "schemas.def"
#undef BEGIN
#undef M
#undef END
};
const size_t n_schemas = sizeof schemas / sizeof schemas[0];

const struct schema *schema_find(const char *name)
{
    for (size_t i = 0; i < n_schemas; i++)
        if (schemas[i].name[0] == name[0] && strcmp(schemas[i].name, name) == 0)
            return &schemas[i];
    return NULL;
}

/* ---- Texts, from a body or a query */

static bool one_line(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

static bool is_hex(struct span s, size_t bytes)
{
    uint8_t b[32];
    return hex_get(s, b, bytes);
}

static bool is_date(struct span s)
{
    struct date d;
    return date_get(s, &d);
}

static bool is_time(struct span s)
{
    struct instant t;
    return instant_get(s, &t);
}

static bool is_choice(struct span s, const char *of)
{
    struct span rest = span_str(of), one;
    while (span_cut(&rest, '|', &one))
        if (span_eq(s, one))
            return true;
    return false;
}

static enum err bad(struct fail *f, const char *name, const char *what)
{
    enum err err = fail_set(f, ERR_BAD_VALUE, "`%s` must be %s.", name, what);
    fail_where(f, "/%s", name);
    return err;
}

static enum err too_long(struct fail *f, const char *name, size_t max)
{
    char limit[64];
    snprintf(limit, sizeof limit, "at most %zu bytes long", max);
    return bad(f, name, limit);
}

static enum err check_text(const struct member *m, struct span s, struct fail *f)
{
    size_t max = m->limit ? m->limit : SCHEMA_TEXT_MAX;
    if (m->type == TYPE_ID)
        return is_hex(s, ID_LEN) ? OK : bad(f, m->name, "32 hexadecimal digits");
    if (m->type == TYPE_HEX)
        return is_hex(s, 32) ? OK : bad(f, m->name, "64 hexadecimal digits");
    if (m->type == TYPE_DATE)
        return is_date(s) ? OK : bad(f, m->name, "a date that exists, YYYY-MM-DD");
    if (m->type == TYPE_TIME)
        return is_time(s) ? OK : bad(f, m->name, "an instant (RFC 3339) or a date");
    if (m->type == TYPE_ENUM)
        return is_choice(s, m->of) ? OK : bad(f, m->name, m->of);
    if (s.len == 0)
        return bad(f, m->name, "not empty");
    if (m->type == TYPE_NAME && !one_line(s))
        return bad(f, m->name, "one line");
    return s.len <= max ? OK : too_long(f, m->name, max);
}

/* ---- Bodies */

static enum err wrong(struct fail *f, const char *name, const char *what)
{
    enum err err = fail_set(f, ERR_WRONG_TYPE, "`%s` must be %s.", name, what);
    fail_where(f, "/%s", name);
    return err;
}

static enum err check_string(const struct member *m, const struct json *body, struct fail *f)
{
    const struct json *v = json_get(body, m->name);
    if (json_kind(v) != JSON_STRING)
        return wrong(f, m->name, "a string");
    return check_text(m, json_span(v), f);
}

static enum err check_bool(const struct member *m, const struct json *body, struct fail *f)
{
    bool out;
    return json_read_bool(body, m->name, m->required, &out, f);
}

static enum err check_int(const struct member *m, const struct json *body, struct fail *f)
{
    int64_t out = 0;
    char range[64];
    enum err err = json_read_i64(body, m->name, m->required, &out, f);
    snprintf(range, sizeof range, "from 0 to %zu", m->limit);
    if (err == OK && (out < 0 || (m->limit && (uint64_t)out > m->limit)))
        err = bad(f, m->name, m->limit ? range : "0 or more");
    return err;
}

static enum err check_amount(const struct member *m, const struct json *body, struct fail *f)
{
    int64_t out = 1;
    char range[64];
    enum err err = json_read_i64(body, m->name, m->required, &out, f);
    snprintf(range, sizeof range, "from 1 to %zu", m->limit);
    return err || (out >= 1 && (uint64_t)out <= m->limit) ? err : bad(f, m->name, range);
}

static enum err check_object(const struct member *m, const struct json *body, struct fail *f)
{
    const struct json *out;
    return json_read_object(body, m->name, m->required, &out, f);
}

static enum err check_count(const struct member *m, const struct json *v, struct fail *f)
{
    char most[64];
    if (!m->limit || json_count(v) <= m->limit)
        return OK;
    snprintf(most, sizeof most, "at most %zu long", m->limit);
    return bad(f, m->name, most);
}

static enum err check_names(const struct member *m, const struct json *body, struct fail *f)
{
    const struct json *v = json_get(body, m->name);
    static const struct member one = {"", TYPE_NAME, true, 64, "", ""};
    if (json_kind(v) != JSON_ARRAY)
        return wrong(f, m->name, "a list of strings");
    enum err err = check_count(m, v, f);
    if (err == OK && m->required && json_count(v) == 0)
        err = bad(f, m->name, "not empty");
    for (const struct json *s = json_at(v, 0); s && err == OK; s = json_next(s)) {
        if (json_kind(s) != JSON_STRING)
            return wrong(f, m->name, "a list of strings");
        if (check_text(&one, json_span(s), NULL) != OK)
            err = bad(f, m->name, "a list of names of 1 to 64 bytes");
    }
    return err;
}

static enum err check_map(const struct member *m, const struct json *body, struct fail *f)
{
    const struct json *v = json_get(body, m->name);
    static const struct member one = {"", TYPE_NAME, true, 256, "", ""};
    enum err err = check_object(m, body, f);
    if (err == OK)
        err = check_count(m, v, f);
    for (size_t i = 0; err == OK && i < json_count(v); i++) {
        if (json_kind(json_at(v, i)) != JSON_STRING)
            return wrong(f, m->name, "an object of strings");
        if (check_text(&one, json_span(json_at(v, i)), NULL) != OK)
            err = bad(f, m->name, "an object of texts of 1 to 256 bytes, one line each");
    }
    return err;
}

static enum err bad_value(struct fail *f, const struct json *v, enum err code, const char *what)
{
    enum err err = fail_set(f, code, "The value of `%.*s` must be %s.", SPAN_F(json_name(v)), what);
    fail_where(f, "/values/%.*s", SPAN_F(json_name(v)));
    return err;
}

/* A text, or {value, item}. */
static enum err check_one_value(const struct json *v, struct fail *f)
{
    static const char *const known[] = {"value", "item", NULL};
    struct span value = json_span(v), item = SPAN_EMPTY;
    if (json_kind(v) == JSON_OBJECT) {
        if (json_only(v, known, f) != OK)
            return f ? f->code : ERR_UNKNOWN_MEMBER;
        value = json_span(json_get(v, "value"));
        item = json_span(json_get(v, "item"));
    } else if (json_kind(v) != JSON_STRING) {
        return bad_value(f, v, ERR_WRONG_TYPE, "a string or {value, item}");
    }
    if (value.len == 0 || value.len > SCHEMA_TEXT_MAX)
        return bad_value(f, v, ERR_BAD_VALUE, "1 to 4096 bytes long");
    if (item.len > 64 || !one_line(item))
        return bad_value(f, v, ERR_BAD_VALUE, "told apart by an item of at most 64 bytes");
    return OK;
}

static enum err check_values(const struct member *m, const struct json *body, struct fail *f)
{
    const struct json *v = json_get(body, m->name);
    enum err err = check_object(m, body, f);
    if (err == OK)
        err = check_count(m, v, f);
    if (err == OK && json_count(v) == 0)
        err = bad(f, m->name, "not empty");
    for (size_t i = 0; err == OK && i < json_count(v); i++)
        err = check_one_value(json_at(v, i), f);
    return err;
}

static enum err check_any(const struct member *m, const struct json *body, struct fail *f)
{
    (void)m, (void)body, (void)f;
    return OK;
}

typedef enum err (*check_fn)(const struct member *m, const struct json *body, struct fail *f);

/* How each type is checked, and what JSON Schema says of it. */
static const struct {
    check_fn check;
    const char *json; /* JSON Schema keywords; null: needs the row */
} types[TYPE_COUNT] = {
    [TYPE_TEXT] = {check_string, NULL},
    [TYPE_NAME] = {check_string, NULL},
    [TYPE_ID] = {check_string, "\"type\":\"string\",\"pattern\":\"^[0-9a-f]{32}$\""},
    [TYPE_HEX] = {check_string, "\"type\":\"string\",\"pattern\":\"^[0-9a-f]{64}$\""},
    [TYPE_DATE] = {check_string, "\"type\":\"string\",\"format\":\"date\""},
    [TYPE_TIME] = {check_string, "\"type\":\"string\",\"description\":\"RFC 3339 date-time or date\""},
    [TYPE_BOOL] = {check_bool, "\"type\":\"boolean\""},
    [TYPE_INT] = {check_int, NULL},
    [TYPE_AMOUNT] = {check_amount, NULL},
    [TYPE_ENUM] = {check_string, NULL},
    [TYPE_NAMES] = {check_names, "\"type\":\"array\",\"items\":{\"type\":\"string\"}"},
    [TYPE_MAP] = {check_map, "\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}"},
    [TYPE_VALUES] = {check_values,
                     "\"type\":\"object\",\"additionalProperties\":{\"anyOf\":[{\"type\":\"string\"},"
                     "{\"type\":\"object\",\"properties\":{\"value\":{\"type\":\"string\"},\"item\":"
                     "{\"type\":\"string\"}},\"required\":[\"value\"],\"additionalProperties\":false}]}"},
    [TYPE_OBJECT] = {check_object, NULL},
    [TYPE_LIST] = {check_any, NULL},
    [TYPE_DICT] = {check_object, NULL},
    [TYPE_ANY] = {check_any, ""},
};

static enum err check_member(const struct member *m, const struct json *body, struct fail *f)
{
    if (json_get(body, m->name))
        return types[m->type].check(m, body, f);
    if (!m->required)
        return OK;
    fail_set(f, ERR_MISSING_MEMBER, "`%s` is missing.", m->name);
    fail_where(f, "/%s", m->name);
    return ERR_MISSING_MEMBER;
}

enum err schema_check(const struct schema *s, const struct json *body, struct fail *f)
{
    const char *names[SCHEMA_MEMBERS_MAX + 1] = {0};
    for (size_t i = 0; i < s->n; i++)
        names[i] = s->members[i].name;
    enum err err = json_only(body, names, f);
    for (size_t i = 0; i < s->n && err == OK; i++)
        err = check_member(&s->members[i], body, f);
    return err;
}

/* ---- Query strings */

static const struct member *member_find(const struct schema *s, struct span name)
{
    for (size_t i = 0; i < s->n; i++)
        if (span_is(name, s->members[i].name))
            return &s->members[i];
    return NULL;
}

/* *seen: one bit for each member of the schema. As in a body, what is said twice is not guessed at. */
static enum err check_parameter(const struct schema *s, struct span name, struct span value, uint32_t *seen,
                                struct fail *f)
{
    const struct member *m = member_find(s, name);
    uint64_t number;
    if (!m)
        return fail_set(f, ERR_UNKNOWN_MEMBER, "There is no query parameter `%.*s` here.", SPAN_F(name));
    if (*seen & 1u << (m - s->members))
        return fail_set(f, ERR_BAD_REQUEST, "The query parameter `%s` occurs twice.", m->name);
    *seen |= 1u << (m - s->members);
    if (m->type == TYPE_INT)
        return span_u64(value, m->limit, &number) ? OK : bad(f, m->name, "a number within its limit");
    if (m->type == TYPE_AMOUNT)
        return span_u64(value, m->limit, &number) && number > 0
                   ? OK
                   : bad(f, m->name, "a number from 1 up to its limit");
    return check_text(m, value, f);
}

enum err schema_check_query(const struct schema *s, struct arena *a, struct span query, struct fail *f)
{
    enum err err = OK;
    struct span pair;
    uint32_t seen = 0;
    while (err == OK && span_cut(&query, '&', &pair)) {
        size_t cut = span_find(pair, '=', 0);
        struct span name, value;
        if (!http_decode(a, span_sub(pair, 0, cut), true, &name) ||
            !http_decode(a, span_sub(pair, cut + 1, pair.len), true, &value))
            err = fail_set(f, ERR_BAD_REQUEST, "The query string is not well formed.");
        else
            err = check_parameter(s, name, value, &seen, f);
    }
    return err;
}

/* ---- OpenAPI */

static void ref(struct text *t, const char *name, const char *of)
{
    if (name)
        json_open(t, name, '{');
    text_fmt(t, "\"$ref\":\"#/components/schemas/%s\"", of);
    t->comma = true;
    if (name)
        json_close(t, '}');
}

static void type_enum(struct text *t, const struct member *m)
{
    struct span rest = span_str(m->of), one;
    json_str(t, "type", "string");
    json_open(t, "enum", '[');
    while (span_cut(&rest, '|', &one))
        json_string(t, NULL, one);
    json_close(t, ']');
}

static void type_list(struct text *t, const struct member *m)
{
    json_str(t, "type", "array");
    ref(t, "items", m->of);
}

static void type_dict(struct text *t, const struct member *m)
{
    json_str(t, "type", "object");
    ref(t, "additionalProperties", m->of);
}

static void type_text(struct text *t, const struct member *m)
{
    json_str(t, "type", "string");
    if (m->limit)
        json_i64(t, "maxLength", (int64_t)m->limit);
}

static void type_int(struct text *t, const struct member *m)
{
    json_str(t, "type", "integer");
    if (m->type == TYPE_AMOUNT)
        json_i64(t, "minimum", 1);
    if (m->limit)
        json_i64(t, "maximum", (int64_t)m->limit);
}

static void type_keywords(struct text *t, const char *json)
{
    text_str(t, json);
    t->comma = json[0] != 0;
}

static void member_type_json(struct text *t, const struct member *m)
{
    json_open(t, NULL, '{');
    if (types[m->type].json)
        type_keywords(t, types[m->type].json);
    else if (m->type == TYPE_ENUM)
        type_enum(t, m);
    else if (m->type == TYPE_LIST)
        type_list(t, m);
    else if (m->type == TYPE_DICT)
        type_dict(t, m);
    else if (m->type == TYPE_OBJECT)
        ref(t, NULL, m->of);
    else if (m->type == TYPE_INT || m->type == TYPE_AMOUNT)
        type_int(t, m);
    else
        type_text(t, m);
    if (m->words[0] && m->type != TYPE_TIME)
        json_str(t, "description", m->words);
    json_close(t, '}');
}

void schema_json(struct text *t, const struct schema *s)
{
    json_open(t, NULL, '{');
    json_str(t, "type", "object");
    json_str(t, "description", s->words);
    json_open(t, "properties", '{');
    for (size_t i = 0; i < s->n; i++) {
        json_key(t, span_str(s->members[i].name));
        member_type_json(t, &s->members[i]);
    }
    json_close(t, '}');
    json_open(t, "required", '[');
    for (size_t i = 0; i < s->n; i++)
        if (s->members[i].required)
            json_str(t, NULL, s->members[i].name);
    json_close(t, ']');
    json_close(t, '}');
}

void schema_parameters_json(struct text *t, const struct schema *s)
{
    for (size_t i = 0; i < s->n; i++) {
        json_open(t, NULL, '{');
        json_str(t, "name", s->members[i].name);
        json_str(t, "in", "query");
        json_bool(t, "required", s->members[i].required);
        json_key(t, SPAN("schema"));
        member_type_json(t, &s->members[i]);
        json_close(t, '}');
    }
}
