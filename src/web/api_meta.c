// SPDX-License-Identifier: Apache-2.0
/* The record as files (C2SP), the state of the node, this interface described, what problem types mean. */
#include "web_impl.h"

#include "file.h"

#define KEY_FILE_MAX 1024 /* one line: name, hash, key */

/* ---- The record */

static void answer_bytes(struct call *c, const char *type, struct span body, const char *cache)
{
    c->res->status = 200;
    c->res->content_type = span_str(type);
    c->res->body = body;
    http_header(c->res, "Cache-Control", span_str(cache));
}

void api_audit_checkpoint(struct call *c)
{
    struct span note;
    if (audit_checkpoint(c->web->audit, c->arena, &note, &c->fail) == OK)
        answer_bytes(c, "text/plain; charset=utf-8", note, "no-cache");
}

/* Tiles never change (tlog-tiles); a partial one is named by its width. Entry bundles are for auditors
 * (docs/security.md, "The record"). */
void api_audit_tile(struct call *c)
{
    struct span tile, path = arena_fmt(c->arena, "tile/%.*s", SPAN_F(c->params.value[0]));
    if (span_starts(path, "tile/entries/") && c->role != ROLE_OPERATOR) {
        fail_hint(&c->fail, "Over the operator's socket, or with `troth audit`.");
        fail_set(&c->fail, ERR_FORBIDDEN, "Bundles of entries are served to auditors only.");
        return;
    }
    if (audit_tile(c->web->audit, path, c->arena, &tile, &c->fail) == OK)
        answer_bytes(c, "application/octet-stream", tile, "public, max-age=31536000, immutable");
}

void api_audit_proof(struct call *c)
{
    struct span proof;
    uint64_t index;
    if (!span_u64(c->params.value[0], UINT64_MAX / 2, &index)) {
        fail_set(&c->fail, ERR_NOT_FOUND, "An entry is named by its index, a number.");
        return;
    }
    enum err err = audit_prove(c->web->audit, index, c->arena, &proof, &c->fail);
    if (err == ERR_BUSY)
        http_header(c->res, "Retry-After", SPAN("1"));
    if (err == OK)
        answer_bytes(c, "text/plain; charset=utf-8", proof, "no-cache");
}

void api_audit_key(struct call *c)
{
    struct span key;
    struct span path = arena_fmt(c->arena, "%s/audit/key.pub", c->web->config.data);
    if (file_read(c->arena, arena_str(c->arena, path), KEY_FILE_MAX, &key, &c->fail) == OK)
        answer_bytes(c, "text/plain; charset=utf-8", key, "public, max-age=3600");
}

/* ---- The node */

void api_openapi(struct call *c)
{
    answer_bytes(c, "application/json", c->web->openapi, "public, max-age=300");
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
