// SPDX-License-Identifier: Apache-2.0
/* Answers: see http.h. */
#include "http_impl.h"

#include "log.h"

void http_header(struct response *res, const char *name, struct span value)
{
    if (res->n_headers < RESPONSE_HEADERS_MAX)
        res->headers[res->n_headers++] = (struct header){span_str(name), value};
    else
        log_line(LOG_LVL_ERROR, "http", "an answer has more than %d headers: %s is left out",
                 RESPONSE_HEADERS_MAX, name);
}

static void body_set(struct response *res, int status, struct span type, struct span body)
{
    res->status = status;
    res->content_type = type;
    res->body = body;
}

static void member(struct text *t, const char *name, const char *value)
{
    if (value[0])
        json_str(t, name, value);
}

void http_problem(struct arena *a, struct response *res, const struct fail *f, struct span extra)
{
    const struct err_row *row = err_row(f->code);
    struct text t = text_new(a, 512);
    json_open(&t, NULL, '{');
    json_string(&t, "type", arena_fmt(a, "/problems/%s", row->slug));
    json_str(&t, "title", row->title);
    json_i64(&t, "status", row->status);
    member(&t, "detail", f->detail);
    member(&t, "pointer", f->where);
    member(&t, "clause", f->clause);
    member(&t, "hint", f->hint);
    if (extra.len) {
        text_char(&t, ',');
        text_put(&t, extra);
    }
    json_close(&t, '}');
    body_set(res, row->status, SPAN("application/problem+json"), text_span(&t));
}

void http_json(struct response *res, int status, const struct text *body)
{
    body_set(res, status, SPAN("application/json"), text_span(body));
}

void http_html(struct response *res, int status, const struct text *body)
{
    body_set(res, status, SPAN("text/html; charset=utf-8"), text_span(body));
}

void http_redirect(struct response *res, const char *location)
{
    body_set(res, 303, SPAN_EMPTY, SPAN_EMPTY);
    http_header(res, "Location", span_str(location));
}
