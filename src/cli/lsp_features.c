// SPDX-License-Identifier: Apache-2.0
/* Hover, definition, completion, formatting. See lsp_impl.h */
#include "lsp_impl.h"
#include "policy_format.h"

/* The numbers of LSP's CompletionItemKind. */
#define ITEM_VALUE   12
#define ITEM_KEYWORD 14

/* What a request about a position of a document is about. */
struct lsp_subject {
    struct lsp_folder folder;
    struct span name, text;
    size_t offset;
};

static enum err read_uri(const struct json *params, struct span *uri, struct fail *f)
{
    const struct json *document = NULL;
    enum err e = json_read_object(params, "textDocument", true, &document, f);
    return e != OK ? e : json_read_string(document, "uri", true, LSP_URI_MAX, uri, f);
}

static enum err read_number(const struct json *o, const char *name, uint32_t *out, struct fail *f)
{
    int64_t v = 0;
    enum err e = json_read_i64(o, name, true, &v, f);
    if (e == OK && (v < 0 || v > INT32_MAX))
        return fail_set(f, ERR_BAD_VALUE, "%s is no position", name);
    *out = (uint32_t)v;
    return e;
}

static enum err read_position(const struct json *params, struct lsp_position *at, struct fail *f)
{
    const struct json *position = NULL;
    enum err e = json_read_object(params, "position", true, &position, f);
    if (e == OK)
        e = read_number(position, "line", &at->line, f);
    return e != OK ? e : read_number(position, "character", &at->character, f);
}

/* False when there is nothing to look at: the call's error, or a document we do not hold. */
static bool open_subject(struct lsp *s, struct lsp_call *c, bool positioned, struct lsp_subject *out)
{
    struct span uri;
    struct lsp_position at = {0, 0};
    *out = (struct lsp_subject){.offset = 0};
    c->err = read_uri(c->params, &uri, &c->fail);
    if (c->err == OK && positioned)
        c->err = read_position(c->params, &at, &c->fail);
    struct span path = c->err == OK ? lsp_uri_path(s->arena, uri) : SPAN_EMPTY;
    if (path.len == 0)
        return false;
    lsp_folder_open(s, lsp_path_folder(path), &out->folder);
    out->name = lsp_path_name(path);
    out->text = policy_view_text(out->folder.view, out->name);
    out->offset = lsp_offset(out->text, at);
    return true;
}

void lsp_hover(struct lsp *s, struct lsp_call *c)
{
    struct lsp_subject at;
    struct span words;
    struct policy_location place;
    if (!open_subject(s, c, true, &at) ||
        !policy_hover(at.folder.view, at.name, at.offset, s->arena, &words, &place)) {
        json_null(c->out, "result");
        return;
    }
    json_open(c->out, "result", '{');
    json_open(c->out, "contents", '{');
    json_str(c->out, "kind", "markdown");
    json_string(c->out, "value", words);
    json_close(c->out, '}');
    lsp_put_range(c->out, "range", at.text, place.offset, place.offset + place.len);
    json_close(c->out, '}');
}

void lsp_definition(struct lsp *s, struct lsp_call *c)
{
    struct lsp_subject at;
    struct policy_location place;
    if (!open_subject(s, c, true, &at) || !policy_definition(at.folder.view, at.name, at.offset, &place)) {
        json_null(c->out, "result");
        return;
    }
    struct span text = policy_view_text(at.folder.view, place.file);
    json_open(c->out, "result", '{');
    json_string(c->out, "uri", lsp_folder_uri(s, &at.folder, place.file));
    lsp_put_range(c->out, "range", text, place.offset, place.offset + place.len);
    json_close(c->out, '}');
}

void lsp_completion(struct lsp *s, struct lsp_call *c)
{
    struct lsp_subject at;
    struct policy_suggestion *list = NULL;
    size_t n = 0;
    if (open_subject(s, c, true, &at))
        list = policy_complete(at.folder.view, at.name, at.offset, s->arena, &n);
    json_open(c->out, "result", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(c->out, NULL, '{');
        json_string(c->out, "label", list[i].label);
        json_i64(c->out, "kind", list[i].keyword ? ITEM_KEYWORD : ITEM_VALUE);
        json_string(c->out, "detail", list[i].detail);
        json_close(c->out, '}');
    }
    json_close(c->out, ']');
}

/* One edit of the whole text, or none if it is laid out or cannot be. */
void lsp_formatting(struct lsp *s, struct lsp_call *c)
{
    struct lsp_subject at;
    struct policy_messages m;
    struct text out = text_new(s->arena, 4096);
    bool good = open_subject(s, c, false, &at);
    struct policy_source source = {at.name, at.text};
    json_open(c->out, "result", '[');
    if (good && at.text.len > 0 && policy_format(s->arena, &source, &out, &m) &&
        !span_eq(text_span(&out), at.text)) {
        json_open(c->out, NULL, '{');
        lsp_put_range(c->out, "range", at.text, 0, at.text.len);
        json_string(c->out, "newText", text_span(&out));
        json_close(c->out, '}');
    }
    json_close(c->out, ']');
}
