// SPDX-License-Identifier: Apache-2.0
/* /openapi.json (OpenAPI 3.1), from the rows of routes.def and schemas.def. Pages are left out. */
#include "schema_impl.h"
#include "web_impl.h"

static bool is_page(const struct route *r)
{
    return strcmp(r->response, "page") == 0 || strncmp(r->path, "/static/", 8) == 0;
}

/* {path...} is {path} to OpenAPI. */
static struct span openapi_path(struct arena *a, const char *path)
{
    struct text t = text_new(a, 64);
    for (const char *p = path; *p; p++) {
        if (strncmp(p, "...", 3) == 0)
            p += 2;
        else
            text_char(&t, *p);
    }
    return text_span(&t);
}

static void path_parameters(struct text *t, const char *path)
{
    for (const char *open = strchr(path, '{'); open; open = strchr(open + 1, '{')) {
        size_t len = strcspn(open + 1, ".}");
        json_open(t, NULL, '{');
        json_string(t, "name", span_of(open + 1, len));
        json_str(t, "in", "path");
        json_bool(t, "required", true);
        json_raw(t, "schema", SPAN("{\"type\":\"string\"}"));
        json_close(t, '}');
    }
}

static void content(struct text *t, const char *type, const char *schema)
{
    json_open(t, "content", '{');
    json_open(t, type, '{');
    json_open(t, "schema", '{');
    if (schema_find(schema))
        json_string(t, "$ref", arena_fmt(t->arena, "#/components/schemas/%s", schema));
    json_close(t, '}');
    json_close(t, '}');
    json_close(t, '}');
}

/* The status of success: POST that makes something answers 201. */
static const char *success(const struct route *r)
{
    static const char *const made[] = {"subject_created", "consent_added", "guardian_added", "service_added",
                                       "registered"};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        if (strcmp(r->response, made[i]) == 0)
            return "201";
    return "200";
}

static void responses(struct text *t, const struct route *r)
{
    bool text = strcmp(r->response, "text") == 0;
    json_open(t, "responses", '{');
    json_open(t, success(r), '{');
    json_str(t, "description", r->summary);
    content(t, text ? "text/plain" : "application/json", r->response);
    json_close(t, '}');
    json_open(t, "default", '{');
    json_str(t, "description", "Problem document (RFC 9457)");
    content(t, "application/problem+json", "problem");
    json_close(t, '}');
    json_close(t, '}');
}

static void security(struct text *t, const struct route *r)
{
    json_open(t, "security", '[');
    if (r->who == WHO_SERVICE || r->who == WHO_SERVICE_OR_OPERATOR)
        json_raw(t, NULL, SPAN("{\"service\":[]}"));
    json_close(t, ']');
    if (r->who == WHO_OPERATOR)
        json_bool(t, "x-operator-socket-only", true);
}

static void operation(struct text *t, const struct route *r)
{
    const struct schema *query = schema_find(r->query);
    static const char *const verbs[] = {[METHOD_GET] = "get",
                                        [METHOD_POST] = "post",
                                        [METHOD_PUT] = "put",
                                        [METHOD_DELETE] = "delete",
                                        [METHOD_OTHER] = "trace"};
    json_open(t, verbs[r->method], '{');
    json_str(t, "operationId", r->name);
    json_str(t, "summary", r->summary);
    json_open(t, "parameters", '[');
    path_parameters(t, r->path);
    if (query)
        schema_parameters_json(t, query);
    json_close(t, ']');
    if (schema_find(r->request)) {
        json_open(t, "requestBody", '{');
        json_bool(t, "required", true);
        content(t, "application/json", r->request);
        json_close(t, '}');
    }
    responses(t, r);
    security(t, r);
    json_str(t, "x-audit", r->audit);
    json_close(t, '}');
}

static bool first_of_path(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(routes[k].path, routes[i].path) == 0)
            return false;
    return true;
}

static void paths(struct text *t)
{
    json_open(t, "paths", '{');
    for (size_t i = 0; i < n_routes; i++) {
        if (is_page(&routes[i]) || !first_of_path(i))
            continue;
        json_key(t, openapi_path(t->arena, routes[i].path));
        json_open(t, NULL, '{');
        for (size_t k = i; k < n_routes; k++)
            if (strcmp(routes[k].path, routes[i].path) == 0)
                operation(t, &routes[k]);
        json_close(t, '}');
    }
    json_close(t, '}');
}

static void components(struct text *t)
{
    json_open(t, "components", '{');
    json_open(t, "securitySchemes", '{');
    json_raw(t, "service",
             SPAN("{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":\"Token issued by `troth service "
                  "add`\"}"));
    json_close(t, '}');
    json_open(t, "schemas", '{');
    for (size_t i = 0; i < n_schemas; i++) {
        json_key(t, span_str(schemas[i].name));
        schema_json(t, &schemas[i]);
    }
    json_close(t, '}');
    json_close(t, '}');
}

struct span openapi_render(struct arena *a, const char *version)
{
    struct text t = text_new(a, 65536);
    json_open(&t, NULL, '{');
    json_str(&t, "openapi", "3.1.0");
    json_open(&t, "info", '{');
    json_str(&t, "title", "troth");
    json_str(&t, "version", version);
    json_str(&t, "description",
             "The published privacy policy is the policy that runs. Every answer names its clause.");
    json_raw(&t, "license", SPAN("{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}"));
    json_close(&t, '}');
    json_raw(&t, "servers", SPAN("[{\"url\":\"/\"}]"));
    paths(&t);
    components(&t);
    json_close(&t, '}');
    return text_span(&t);
}
