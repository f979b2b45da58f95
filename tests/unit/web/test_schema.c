// SPDX-License-Identifier: Apache-2.0
/* Bodies and queries against the rows of schemas.def. */
#include "schema_impl.h"
#include "unit.h"

/* The outcome of a body for the schema; place and hint stay in f. */
static enum err body(const char *schema, const char *text, struct fail *f)
{
    struct arena *a = arena_new(0);
    const struct json *v = NULL;
    *f = (struct fail){0};
    enum err err = json_parse(a, span_str(text), &v, f);
    if (err == OK)
        err = schema_check(schema_find(schema), v, f);
    arena_free(a);
    return err;
}

static enum err query(const char *schema, const char *text, struct fail *f)
{
    struct arena *a = arena_new(0);
    *f = (struct fail){0};
    enum err err = schema_check_query(schema_find(schema), a, span_str(text), f);
    arena_free(a);
    return err;
}

TEST(bodies)
{
    static const struct {
        const char *schema, *text;
        enum err err;
        const char *where;
    } rows[] = {
        {"subject_new", "{\"birth_date\":\"1990-05-05\"}", OK, ""},
        {"subject_new", "{}", ERR_MISSING_MEMBER, "/birth_date"},
        {"subject_new", "[]", ERR_WRONG_TYPE, ""},
        {"subject_new", "{\"birth_date\":19900505}", ERR_WRONG_TYPE, "/birth_date"},
        {"subject_new", "{\"birth_date\":\"1990-02-30\"}", ERR_BAD_VALUE, "/birth_date"},
        {"subject_new", "{\"birth_date\":\"1990-05-05\",\"name\":\"x\"}", ERR_UNKNOWN_MEMBER, "/name"},
        {"guardian_new", "{\"guardian\":\"0123456789abcdef0123456789abcdef\",\"verified\":true}", OK, ""},
        {"guardian_new", "{\"guardian\":\"0123456789abcdef0123456789abcde\"}", ERR_BAD_VALUE, "/guardian"},
        {"guardian_new", "{\"guardian\":\"0123456789abcdef0123456789abcdef\",\"verified\":\"yes\"}",
         ERR_WRONG_TYPE, "/verified"},
        {"field_new", "{\"name\":\"a\",\"category\":\"b\",\"grade\":5,\"keep\":\"x\"}", OK, ""},
        {"field_new", "{\"name\":\"a\",\"category\":\"b\",\"grade\":6,\"keep\":\"x\"}", ERR_BAD_VALUE,
         "/grade"},
        {"field_new", "{\"name\":\"a\",\"category\":\"b\",\"grade\":-1,\"keep\":\"x\"}", ERR_BAD_VALUE,
         "/grade"},
        {"field_new", "{\"name\":\"a\",\"category\":\"b\",\"grade\":1.5,\"keep\":\"x\"}", ERR_WRONG_TYPE,
         "/grade"},
        {"field_new", "{\"name\":\"a\\nb\",\"category\":\"b\",\"grade\":1,\"keep\":\"x\"}", ERR_BAD_VALUE,
         "/name"},
        {"consent_new", "{\"state\":\"given\"}", OK, ""},
        {"consent_new", "{\"state\":\"give\"}", ERR_BAD_VALUE, "/state"},
        {"consent_new", "{\"state\":\"given|withdrawn\"}", ERR_BAD_VALUE, "/state"},
        {"consent_new", "{\"state\":\"given\",\"until\":\"2026-01-01T00:00:00Z\"}", OK, ""},
        {"consent_new", "{\"state\":\"given\",\"until\":\"tomorrow\"}", ERR_BAD_VALUE, "/until"},
        {"consent_new", "{\"state\":\"given\",\"notice\":\"ab\"}", ERR_BAD_VALUE, "/notice"},
        {"data_put", "{\"purpose\":\"p\",\"values\":{\"a\":\"1\",\"b\":{\"value\":\"2\",\"item\":\"i\"}}}",
         OK, ""},
        {"data_put", "{\"purpose\":\"p\",\"values\":{}}", ERR_BAD_VALUE, "/values"},
        {"data_put", "{\"purpose\":\"p\",\"values\":{\"a\":1}}", ERR_WRONG_TYPE, "/values/a"},
        {"data_put", "{\"purpose\":\"p\",\"values\":{\"a\":{\"valu\":\"1\"}}}", ERR_UNKNOWN_MEMBER, "/valu"},
        {"data_put", "{\"purpose\":\"p\",\"values\":{\"a\":\"\"}}", ERR_BAD_VALUE, "/values/a"},
        {"data_put", "{\"purpose\":\"p\",\"values\":{\"a\":\"1\"},\"evidence\":{\"x\":\"\"}}", ERR_BAD_VALUE,
         "/evidence"},
        {"read_request", "{\"purpose\":\"p\",\"fields\":\"a\"}", ERR_WRONG_TYPE, "/fields"},
        {"read_request", "{\"purpose\":\"p\",\"fields\":[\"a\",\"\"]}", ERR_BAD_VALUE, "/fields"},
        {"read_request", "{\"purpose\":\"p\",\"fields\":[]}", ERR_BAD_VALUE, "/fields"},
        {"decision_request", "{\"purpose\":\"p\",\"fields\":[]}", OK, ""},
        {"read_request", "{\"purpose\":\"p\",\"fields\":[\"a\"],\"operation\":\"collect\"}", ERR_BAD_VALUE,
         "/operation"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fail f;
        EXPECT_INT(body(rows[i].schema, rows[i].text, &f), rows[i].err);
        EXPECT_SPAN(span_str(f.where), rows[i].where);
    }
}

TEST(suggests_the_member_meant)
{
    struct fail f;
    EXPECT_INT(body("decision_request", "{\"purpos\":\"x\"}", &f), ERR_UNKNOWN_MEMBER);
    EXPECT(strstr(f.hint, "purpose") != NULL);
}

TEST(queries)
{
    struct fail f;
    EXPECT_INT(query("history_query", "", &f), OK);
    EXPECT_INT(query("history_query", "limit=500", &f), OK);
    EXPECT_INT(query("history_query", "limit=501", &f), ERR_BAD_VALUE);
    EXPECT_INT(query("history_query", "limit=-1", &f), ERR_BAD_VALUE);
    EXPECT_INT(query("history_query", "limt=5", &f), ERR_UNKNOWN_MEMBER);
    EXPECT_INT(query("at_query", "at=2026-01-01T00%3A00%3A00Z", &f), OK);
    EXPECT_INT(query("at_query", "at=%zz", &f), ERR_BAD_REQUEST);
    EXPECT_INT(query("actor_query", "actor=subject", &f), OK);
    EXPECT_INT(query("actor_query", "actor=me", &f), ERR_BAD_VALUE);
}

/* Every schema named inside another exists, and names are not given twice: the document would not be valid.
 */
TEST(rows_are_sound)
{
    for (size_t i = 0; i < n_schemas; i++) {
        EXPECT(schema_find(schemas[i].name) == &schemas[i]);
        EXPECT(schemas[i].n <= SCHEMA_MEMBERS_MAX);
        for (size_t k = 0; k < schemas[i].n; k++) {
            const struct member *m = &schemas[i].members[k];
            bool refers = m->type == TYPE_OBJECT || m->type == TYPE_LIST || m->type == TYPE_DICT;
            EXPECT(!refers || schema_find(m->of));
            EXPECT((m->type == TYPE_ENUM) <= (m->of[0] != 0));
        }
    }
}

TEST(described_as_json)
{
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < n_schemas; i++) {
        struct text t = text_new(a, 256);
        const struct json *v = NULL;
        schema_json(&t, &schemas[i]);
        EXPECT_INT(json_parse(a, text_span(&t), &v, NULL), OK);
        EXPECT_INT(json_count(json_get(v, "properties")), schemas[i].n);
    }
    arena_free(a);
}

UNIT_MAIN(CASE(bodies), CASE(suggests_the_member_meant), CASE(queries), CASE(rows_are_sound),
          CASE(described_as_json))
