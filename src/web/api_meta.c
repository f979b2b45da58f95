// SPDX-License-Identifier: Apache-2.0
/* The state of the node, this interface described, what problem types mean. */
#include "web_impl.h"

void answer_bytes(struct call *c, const char *type, struct span body, const char *cache)
{
    c->res->status = 200;
    c->res->content_type = span_str(type);
    c->res->body = body;
    http_header(c->res, "Cache-Control", span_str(cache));
}

/* ---- The node */

void api_openapi(struct call *c)
{
    /* Made when it is asked for: kept it would be a tenth of a megabyte that nearly nobody reads. */
    answer_bytes(c, "application/json", openapi_render(c->arena, c->web->config.version),
                 "public, max-age=300");
}

void api_health(struct call *c)
{
    bool stopped = engine_stopped(c->web->engine);
    struct text t = text_new(c->arena, 256);
    json_open(&t, NULL, '{');
    json_str(&t, "status", stopped ? "stopped" : "ok");
    json_bool(&t, "acknowledging", !stopped);
    json_str(&t, "version", c->web->config.version);
    json_str(&t, "revision", c->gate.view->revision);
    json_i64(&t, "record", (int64_t)audit_sealed_size(c->web->audit));
    json_i64(&t, "undeclared", (int64_t)gate_undeclared(c->web->gate));
    json_bool(&t, "sweep_behind", gate_sweep_behind(c->web->gate));
    json_i64(&t, "erased_again", (int64_t)gate_erased_again(c->web->gate));
    node_health(c->web, &t);
    json_close(&t, '}');
    http_json(c->res, stopped ? 503 : 200, &t);
}

/* ---- Problem types (RFC 9457, 3.1.1: the address should lead to an explanation) */

/* What to do about it, where the title does not say. */
static const struct {
    enum err code;
    const char *words;
} advice[] = {
    {ERR_BAD_JSON,
     "The detail names the byte or member. Duplicate members and anything after the value count as errors."},
    {ERR_NO_TOKEN,
     "Send `Authorization: Bearer TOKEN`. The operator issues tokens with `troth service add`."},
    {ERR_BAD_TOKEN, "The token is unknown or was replaced. The operator issues a new one with `troth service "
                    "add NAME --renew`."},
    {ERR_NOT_FOUND, "There is nothing at this address for this caller. People without a relation to the "
                    "caller are not shown."},
    {ERR_TAKEN, "Another account has this phone, e-mail or document number."},
    {ERR_GONE, "The person was erased: the key is destroyed, and only the line that says so was kept."},
    {ERR_UNDECLARED_FIELD,
     "A field must be declared in the policy's catalogue, with a grade and a keep time, before it is taken."},
    {ERR_WILDCARD, "Fields are named one by one, so that each has its reason."},
    {ERR_UNKNOWN_NAME,
     "The name is in no policy document and no register. The hint gives the nearest one that is."},
    {ERR_REFUSED,
     "`clause` is where the published policy says so; `decision` holds the whole answer, field by field."},
    {ERR_BUSY, "Try again in a second."},
    {ERR_STOPPED, "A write to the record failed, so nothing is confirmed any more. The operator must look at "
                  "the disk and restart."},
    {ERR_DISK_FULL, "The operator must make room. What was confirmed before is safe."},
};

static const char *advice_for(enum err code)
{
    for (size_t i = 0; i < sizeof advice / sizeof advice[0]; i++)
        if (advice[i].code == code)
            return advice[i].words;
    return "The detail of the answer says what was wrong, and where.";
}

void api_problem_type(struct call *c)
{
    for (enum err code = OK + 1; code < ERR_COUNT; code++) {
        const struct err_row *row = err_row(code);
        if (!span_is(c->params.value[0], row->slug))
            continue;
        answer_bytes(c, "text/plain; charset=utf-8",
                     arena_fmt(c->arena, "%s\n\nStatus %d. %s\n", row->title, row->status, advice_for(code)),
                     "public, max-age=3600");
        return;
    }
    fail_set(&c->fail, ERR_NOT_FOUND, "There is no problem type of this name.");
}
