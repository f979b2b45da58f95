// SPDX-License-Identifier: Apache-2.0
/* The loop, JSON-RPC 2.0 and the life of the server. See lsp_impl.h */
#include "cmd_policy_text.h"
#include "lsp_frame.h"
#include "lsp_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Codes of JSON-RPC 2.0 and LSP 3.17. */
#define RPC_PARSE_ERROR      (-32700)
#define RPC_INVALID_REQUEST  (-32600)
#define RPC_METHOD_NOT_FOUND (-32601)
#define RPC_INVALID_PARAMS   (-32602)
#define LSP_NOT_INITIALIZED  (-32002)

/* A request's id as it came: a number or a string. */
struct rpc_id {
    enum json_kind kind; /* JSON_ABSENT: a notification; JSON_NULL: cannot be told */
    int64_t number;
    struct span text;
};

/* ---- Sending. */

void lsp_send(struct span message)
{
    printf("Content-Length: %zu\r\n\r\n", message.len);
    fwrite(message.p, 1, message.len, stdout);
    fflush(stdout);
}

static void open_answer(struct text *t, const struct rpc_id *id)
{
    json_open(t, NULL, '{');
    json_str(t, "jsonrpc", "2.0");
    if (id->kind == JSON_NUMBER)
        json_i64(t, "id", id->number);
    else if (id->kind == JSON_STRING)
        json_string(t, "id", id->text);
    else
        json_null(t, "id");
}

static void send_error(struct lsp *s, const struct rpc_id *id, int code, const char *message)
{
    struct text t = text_new(s->arena, 256);
    open_answer(&t, id);
    json_open(&t, "error", '{');
    json_i64(&t, "code", code);
    json_str(&t, "message", message);
    json_close(&t, '}');
    json_close(&t, '}');
    lsp_send(text_span(&t));
}

static void send_nameless_error(struct lsp *s, int code, const char *message)
{
    send_error(s, &(struct rpc_id){.kind = JSON_NULL}, code, message);
}

/* ---- Life. */

static void root_set(struct lsp *s, struct span path)
{
    while (path.len > 1 && path.p[path.len - 1] == '/')
        path.len--;
    s->root = arena_copy(s->root_arena, path);
}

/* The command line's folder stands before the editor's. */
static void initialize(struct lsp *s, struct lsp_call *c)
{
    struct span uri = json_span(json_get(c->params, "rootUri"));
    if (s->root.len == 0 && uri.len > 0)
        root_set(s, lsp_uri_path(s->arena, uri));
    s->initialized = true;
    json_open(c->out, "result", '{');
    json_open(c->out, "capabilities", '{');
    json_str(c->out, "positionEncoding", "utf-16");
    json_open(c->out, "textDocumentSync", '{');
    json_bool(c->out, "openClose", true);
    json_i64(c->out, "change", 1); /* whole texts */
    json_bool(c->out, "save", true);
    json_close(c->out, '}');
    json_bool(c->out, "hoverProvider", true);
    json_bool(c->out, "definitionProvider", true);
    json_bool(c->out, "documentFormattingProvider", true);
    json_open(c->out, "completionProvider", '{');
    json_open(c->out, "triggerCharacters", '[');
    json_str(c->out, NULL, " ");
    json_close(c->out, ']');
    json_close(c->out, '}');
    json_close(c->out, '}');
    json_open(c->out, "serverInfo", '{');
    json_str(c->out, "name", "troth");
    json_close(c->out, '}');
    json_close(c->out, '}');
}

static void initialized(struct lsp *s, struct lsp_call *c)
{
    (void)c;
    if (s->root.len > 0)
        lsp_publish(s, s->root);
}

static void shut_down(struct lsp *s, struct lsp_call *c)
{
    s->shutdown = true;
    json_null(c->out, "result");
}

static void leave(struct lsp *s, struct lsp_call *c)
{
    (void)c;
    s->exited = true;
}

/* ---- Documents. */

static void publish_folder_of(struct lsp *s, struct span uri)
{
    struct span path = lsp_uri_path(s->arena, uri);
    if (path.len > 0)
        lsp_publish(s, lsp_path_folder(path));
}

static struct span uri_of(const struct lsp_call *c)
{
    return json_span(json_get(json_get(c->params, "textDocument"), "uri"));
}

static void did_open(struct lsp *s, struct lsp_call *c)
{
    const struct json *text = json_get(json_get(c->params, "textDocument"), "text");
    if (uri_of(c).len == 0 || json_kind(text) != JSON_STRING)
        return;
    lsp_file_set(s, uri_of(c), json_span(text));
    publish_folder_of(s, uri_of(c));
}

/* Whole texts were agreed; a change of a part would leave us with another text than the editor's. */
static void did_change(struct lsp *s, struct lsp_call *c)
{
    const struct json *changes = json_get(c->params, "contentChanges");
    if (!lsp_file_find(s, uri_of(c)))
        return;
    for (size_t i = 0; i < json_count(changes); i++) {
        const struct json *text = json_get(json_at(changes, i), "text");
        if (json_kind(text) == JSON_STRING && !json_get(json_at(changes, i), "range"))
            lsp_file_set(s, uri_of(c), json_span(text));
    }
    publish_folder_of(s, uri_of(c));
}

static void did_save(struct lsp *s, struct lsp_call *c)
{
    publish_folder_of(s, uri_of(c));
}

static void did_close(struct lsp *s, struct lsp_call *c)
{
    lsp_file_close(s, uri_of(c));
    publish_folder_of(s, uri_of(c));
}

/* ---- Dispatch. */

static const struct method_row {
    const char *name;
    bool request, early; /* early: before `initialize` */
    void (*run)(struct lsp *s, struct lsp_call *c);
} methods[] = {
    {"initialize", true, true, initialize},
    {"initialized", false, false, initialized},
    {"shutdown", true, false, shut_down},
    {"exit", false, true, leave},
    {"textDocument/didOpen", false, false, did_open},
    {"textDocument/didChange", false, false, did_change},
    {"textDocument/didSave", false, false, did_save},
    {"textDocument/didClose", false, false, did_close},
    {"textDocument/hover", true, false, lsp_hover},
    {"textDocument/definition", true, false, lsp_definition},
    {"textDocument/completion", true, false, lsp_completion},
    {"textDocument/formatting", true, false, lsp_formatting},
};

static const struct method_row *method_find(struct span name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (span_is(name, methods[i].name))
            return &methods[i];
    return NULL;
}

static bool read_id(const struct json *message, struct rpc_id *id)
{
    const struct json *v = json_get(message, "id");
    *id = (struct rpc_id){.kind = json_kind(v), .text = json_span(v)};
    if (id->kind == JSON_NUMBER && json_read_i64(message, "id", true, &id->number, NULL) != OK)
        id->kind = JSON_NULL;
    return id->kind == JSON_ABSENT || id->kind == JSON_NUMBER || id->kind == JSON_STRING;
}

/* The error that stands in a request's way, or 0. */
static int obstacle(const struct lsp *s, const struct method_row *row, const char **why)
{
    *why = "there is no such method";
    if (!row || !row->request)
        return RPC_METHOD_NOT_FOUND;
    *why = "the server is shut down";
    if (s->shutdown)
        return RPC_INVALID_REQUEST;
    *why = "initialize comes first";
    if (!s->initialized && !row->early)
        return LSP_NOT_INITIALIZED;
    *why = "initialize came already";
    return s->initialized && row->early ? RPC_INVALID_REQUEST : 0;
}

static void answer(struct lsp *s, const struct method_row *row, const struct rpc_id *id,
                   const struct json *params)
{
    const char *why;
    struct text out = text_new(s->arena, 1024);
    struct lsp_call c = {.params = params, .out = &out};
    int code = obstacle(s, row, &why);
    if (code == 0) {
        open_answer(&out, id);
        row->run(s, &c);
        json_close(&out, '}');
    }
    if (code == 0 && c.err == OK)
        lsp_send(text_span(&out));
    else if (code == 0)
        send_error(s, id, RPC_INVALID_PARAMS, c.fail.detail);
    else
        send_error(s, id, code, why);
}

/* Notifications are never answered, not even with an error. */
static void notify(struct lsp *s, const struct method_row *row, const struct json *params)
{
    struct lsp_call c = {.params = params};
    bool may = row && !row->request && (row->early || (s->initialized && !s->shutdown));
    if (may)
        row->run(s, &c);
}

static void receive(struct lsp *s, struct span body)
{
    const struct json *message = NULL;
    struct rpc_id id;
    struct fail f = {0};
    if (json_parse(s->arena, body, &message, &f) != OK) {
        send_nameless_error(s, RPC_PARSE_ERROR, f.detail);
        return;
    }
    const struct json *method = json_get(message, "method");
    bool named = read_id(message, &id);
    if (id.kind != JSON_ABSENT && json_kind(method) == JSON_ABSENT &&
        (json_get(message, "result") || json_get(message, "error")))
        return; /* an answer: we ask nothing */
    if (!named || json_kind(message) != JSON_OBJECT || json_kind(method) != JSON_STRING ||
        !span_is(json_span(json_get(message, "jsonrpc")), "2.0")) {
        send_error(s, &id, RPC_INVALID_REQUEST, "this is no JSON-RPC 2.0 request or notification");
        return;
    }
    const struct method_row *row = method_find(json_span(method));
    if (id.kind == JSON_ABSENT)
        notify(s, row, json_get(message, "params"));
    else
        answer(s, row, &id, json_get(message, "params"));
}

/* ---- The stream. */

struct stream {
    uint8_t *p;
    size_t len, cap;
    uint64_t skip; /* bytes of a refused body still to come */
};

static void drop(struct stream *in, size_t n)
{
    memmove(in->p, in->p + n, in->len - n);
    in->len -= n;
}

static void drop_skipped(struct stream *in)
{
    size_t n = in->skip < in->len ? (size_t)in->skip : in->len;
    drop(in, n);
    in->skip -= n;
}

/* Takes one frame off the stream; false when more must arrive first. */
static bool take_frame(struct lsp *s, struct stream *in)
{
    struct lsp_frame frame;
    drop_skipped(in);
    enum lsp_frame_state state = lsp_frame_read(span_of(in->p, in->len), &frame);
    if (state == LSP_FRAME_MORE || in->skip > 0)
        return false;
    if (state == LSP_FRAME_READY)
        receive(s, frame.body);
    else if (state == LSP_FRAME_BAD)
        send_nameless_error(s, RPC_PARSE_ERROR, "the header has no usable Content-Length");
    else
        send_nameless_error(s, RPC_INVALID_REQUEST, "the message is longer than a megabyte");
    in->skip = frame.skip;
    drop(in, frame.used);
    return true;
}

/* False at the end of the stream. */
static bool fill(struct stream *in)
{
    for (;;) {
        ssize_t n = read(STDIN_FILENO, in->p + in->len, in->cap - in->len);
        if (n > 0)
            in->len += (size_t)n;
        if (n >= 0 || errno != EINTR)
            return n > 0;
    }
}

static void serve(struct lsp *s, struct stream *in)
{
    while (!s->exited && fill(in))
        while (!s->exited) {
            s->arena = arena_new(1 << 16);
            bool more = take_frame(s, in);
            arena_free(s->arena);
            if (!more)
                break;
        }
}

int cmd_policy_lsp(struct cli *c)
{
    struct lsp *s = arena_alloc(c->arena, sizeof *s);
    struct stream in = {.cap = LSP_HEADER_MAX + 4 + LSP_BODY_MAX};
    char *root = c->n_args > 0 ? realpath(c->arg[0], NULL) : NULL;
    in.p = arena_alloc(c->arena, in.cap);
    s->root_arena = c->arena;
    if (c->n_args > 0 && !root)
        return cli_usage(c->command, "There is no folder `%s`.", c->arg[0]);
    if (root)
        root_set(s, span_str(root));
    free(root);
    serve(s, &in);
    for (size_t i = 0; i < LSP_OPEN_MAX; i++)
        arena_free(s->files[i].arena);
    arena_free(s->stray.arena);
    return s->exited && s->shutdown ? CLI_OK : CLI_FAILED;
}
