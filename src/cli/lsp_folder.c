// SPDX-License-Identifier: Apache-2.0
/* Files, folders, diagnostics. See lsp_impl.h */
#include "lsp_impl.h"
#include "policy_folder.h"

/* ---- Open files. */

struct lsp_file *lsp_file_find(struct lsp *s, struct span uri)
{
    for (size_t i = 0; i < LSP_OPEN_MAX; i++)
        if (s->files[i].arena && span_eq(s->files[i].uri, uri))
            return &s->files[i];
    return NULL;
}

static struct lsp_file *file_free(struct lsp *s)
{
    for (size_t i = 0; i < LSP_OPEN_MAX; i++)
        if (!s->files[i].arena)
            return &s->files[i];
    return NULL;
}

void lsp_file_set(struct lsp *s, struct span uri, struct span text)
{
    struct lsp_file *f = lsp_file_find(s, uri);
    f = f ? f : file_free(s);
    if (!f)
        return;
    struct arena *before = f->arena;
    f->arena = arena_new(0);
    f->uri = arena_copy(f->arena, uri);
    f->path = lsp_uri_path(f->arena, uri);
    f->text = arena_copy(f->arena, text);
    arena_free(before);
}

void lsp_file_close(struct lsp *s, struct span uri)
{
    struct lsp_file *f = lsp_file_find(s, uri);
    if (!f)
        return;
    arena_free(f->arena);
    *f = (struct lsp_file){0};
}

/* ---- Folders. */

static size_t last_slash(struct span path)
{
    size_t i = path.len;
    while (i > 0 && path.p[i - 1] != '/')
        i--;
    return i;
}

struct span lsp_path_folder(struct span path)
{
    size_t slash = last_slash(path);
    return span_sub(path, 0, slash > 1 ? slash - 1 : slash);
}

struct span lsp_path_name(struct span path)
{
    return span_sub(path, last_slash(path), path.len);
}

static struct policy_source *source_find(struct lsp_folder *f, struct span name)
{
    for (size_t i = 0; i < f->n; i++)
        if (span_eq(f->sources[i].name, name))
            return &f->sources[i];
    return NULL;
}

static void overlay(struct lsp_folder *f, const struct lsp_file *file)
{
    struct span name = lsp_path_name(file->path);
    if (!file->arena || !span_eq(lsp_path_folder(file->path), f->path) || !policy_folder_takes(name))
        return;
    struct policy_source *source = source_find(f, name);
    source = source ? source : &f->sources[f->n++];
    *source = (struct policy_source){name, file->text};
}

static void find_stray(struct lsp *s, struct lsp_folder *f)
{
    if (policy_folder_stray(s->arena, arena_str(s->arena, f->path), &f->stray, NULL) != OK)
        f->stray = (struct policy_message){.line = 0};
}

/* A folder that cannot be read holds what is open in the editor. */
void lsp_folder_open(struct lsp *s, struct span path, struct lsp_folder *out)
{
    struct policy_source *read = NULL;
    size_t n = 0;
    *out = (struct lsp_folder){.path = path};
    if (policy_folder_read(s->arena, arena_str(s->arena, path), &read, &n, NULL) != OK)
        n = 0;
    out->sources = ARENA_ARRAY(s->arena, n + LSP_OPEN_MAX, struct policy_source);
    for (; out->n < n; out->n++)
        out->sources[out->n] = read[out->n];
    for (size_t i = 0; i < LSP_OPEN_MAX; i++)
        overlay(out, &s->files[i]);
    out->view = policy_view_open(s->arena, out->sources, out->n, &out->messages);
}

/* An open file keeps the URI that the editor gave it. */
struct span lsp_folder_uri(struct lsp *s, const struct lsp_folder *f, struct span name)
{
    struct span path = arena_fmt(s->arena, "%.*s/%.*s", SPAN_F(f->path), SPAN_F(name));
    for (size_t i = 0; i < LSP_OPEN_MAX; i++)
        if (s->files[i].arena && span_eq(s->files[i].path, path))
            return s->files[i].uri;
    return lsp_path_uri(s->arena, path);
}

/* ---- Diagnostics. */

static void put_position(struct text *out, const char *name, struct lsp_position at)
{
    json_open(out, name, '{');
    json_i64(out, "line", at.line);
    json_i64(out, "character", at.character);
    json_close(out, '}');
}

void lsp_put_range(struct text *out, const char *name, struct span text, size_t from, size_t to)
{
    json_open(out, name, '{');
    put_position(out, "start", lsp_position(text, from));
    put_position(out, "end", lsp_position(text, to));
    json_close(out, '}');
}

static void put_message_range(struct text *out, const struct policy_message *m)
{
    struct span line = m->source_line;
    uint32_t before = m->column - 1;
    json_open(out, "range", '{');
    put_position(out, "start", (struct lsp_position){m->line - 1, lsp_units(line, before)});
    put_position(out, "end", (struct lsp_position){m->line - 1, lsp_units(line, before + m->width)});
    json_close(out, '}');
}

/* "group.md:12:3", the second place of a message. */
static bool read_place(struct span s, struct span *file, struct lsp_position *at)
{
    uint64_t line = 0, column = 0;
    struct span text;
    if (!span_cut(&s, ':', file) || !span_cut(&s, ':', &text) || !span_u64(text, UINT32_MAX, &line) ||
        !span_u64(s, UINT32_MAX, &column) || line == 0 || column == 0)
        return false;
    *at = (struct lsp_position){(uint32_t)line - 1, (uint32_t)column - 1};
    return true;
}

static void put_related(struct lsp *s, const struct lsp_folder *f, struct text *out,
                        const struct policy_message *m)
{
    struct span file;
    struct lsp_position at;
    if (!read_place(m->other, &file, &at))
        return;
    json_open(out, "relatedInformation", '[');
    json_open(out, NULL, '{');
    json_open(out, "location", '{');
    json_string(out, "uri", lsp_folder_uri(s, f, file));
    json_open(out, "range", '{');
    put_position(out, "start", at);
    put_position(out, "end", at);
    json_close(out, '}');
    json_close(out, '}');
    json_str(out, "message", "the other place");
    json_close(out, '}');
    json_close(out, ']');
}

static void put_diagnostic(struct lsp *s, const struct lsp_folder *f, struct text *out,
                           const struct policy_message *m)
{
    struct span text = m->message;
    if (m->example.len > 0)
        text = arena_fmt(s->arena, "%.*s\nfor example: %.*s", SPAN_F(text), SPAN_F(m->example));
    json_open(out, NULL, '{');
    put_message_range(out, m);
    json_i64(out, "severity", m->severity == POLICY_ERROR ? 1 : 2);
    json_str(out, "code", policy_message_kind_name(m->kind));
    json_str(out, "source", "troth");
    json_string(out, "message", text);
    put_related(s, f, out, m);
    json_close(out, '}');
}

static void publish_one(struct lsp *s, const struct lsp_folder *f, struct span uri, struct span name)
{
    struct text out = text_new(s->arena, 1024);
    json_open(&out, NULL, '{');
    json_str(&out, "jsonrpc", "2.0");
    json_str(&out, "method", "textDocument/publishDiagnostics");
    json_open(&out, "params", '{');
    json_string(&out, "uri", uri);
    json_open(&out, "diagnostics", '[');
    /* A folder without a single block is no policy: its README is nobody's mistake. */
    for (size_t i = 0; i < f->messages.n && !policy_view_empty(f->view); i++)
        if (span_eq(f->messages.list[i].file, name))
            put_diagnostic(s, f, &out, &f->messages.list[i]);
    if (name.len > 0 && span_eq(f->stray.file, name))
        put_diagnostic(s, f, &out, &f->stray);
    json_close(&out, ']');
    json_close(&out, '}');
    json_close(&out, '}');
    lsp_send(text_span(&out));
}

/* What was told of a file that is not read is taken back when it is gone. */
static void publish_stray(struct lsp *s, const struct lsp_folder *f)
{
    bool found = f->stray.file.len > 0 && !policy_view_empty(f->view);
    struct span uri = found ? lsp_folder_uri(s, f, f->stray.file) : SPAN_EMPTY;
    if (s->stray.arena && !span_eq(s->stray.uri, uri))
        publish_one(s, f, s->stray.uri, SPAN_EMPTY);
    arena_free(s->stray.arena);
    s->stray = (struct lsp_file){.arena = found ? arena_new(0) : NULL};
    if (!found)
        return;
    s->stray.uri = arena_copy(s->stray.arena, uri);
    publish_one(s, f, uri, f->stray.file);
}

void lsp_publish(struct lsp *s, struct span folder)
{
    struct lsp_folder f;
    lsp_folder_open(s, folder, &f);
    find_stray(s, &f);
    for (size_t i = 0; i < f.n; i++)
        publish_one(s, &f, lsp_folder_uri(s, &f, f.sources[i].name), f.sources[i].name);
    publish_stray(s, &f);
}
