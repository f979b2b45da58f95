// SPDX-License-Identifier: Apache-2.0
/*
 * lsp_impl.h: the language server (LSP 3.17) behind `troth policy lsp`. A message has an arena of its own;
 * only the open files live longer. Policies are small and loading takes milliseconds, so every question reads
 * the folder anew: there is no state that could be stale.
 */
#ifndef TROTH_LSP_IMPL_H
#define TROTH_LSP_IMPL_H

#include "json.h"
#include "lsp_position.h"
#include "policy_locate.h"

#define LSP_OPEN_MAX 256 /* files open at once; an editor with more of them keeps the first */
#define LSP_URI_MAX  8192

/* A file as the editor has it, saved or not. */
struct lsp_file {
    struct arena *arena; /* holds the rest; null: free */
    struct span uri, path, text;
};

struct lsp {
    struct arena *arena; /* of the message at hand */
    struct lsp_file files[LSP_OPEN_MAX];
    struct lsp_file stray; /* a file that is not read and was told of; no text */
    struct span root;      /* folder of the command line or of `initialize`; empty: none */
    struct arena *root_arena;
    bool initialized, shutdown, exited;
};

/* One request or notification. */
struct lsp_call {
    const struct json *params;
    struct text *out; /* a request's answer: one member "result" */
    enum err err;     /* ERR_BAD_VALUE and the like: answered as -32602 */
    struct fail fail;
};

/* ---- lsp.c */
void lsp_send(struct span message);

/* ---- lsp_folder.c: files and folders. */
struct lsp_file *lsp_file_find(struct lsp *s, struct span uri);
void lsp_file_set(struct lsp *s, struct span uri, struct span text);
void lsp_file_close(struct lsp *s, struct span uri);
/* The folder a file is in; the file's own name. */
struct span lsp_path_folder(struct span path);
struct span lsp_path_name(struct span path);

struct lsp_folder {
    struct span path;
    struct policy_source *sources;
    size_t n;
    struct policy_view *view;
    struct policy_messages messages;
    struct policy_message stray; /* a block in a file that is not read; no file: there is none */
};
/* Reads the folder with what the editor holds laid over it. */
void lsp_folder_open(struct lsp *s, struct span path, struct lsp_folder *out);
struct span lsp_folder_uri(struct lsp *s, const struct lsp_folder *f, struct span name);
/* Sends the diagnostics of all documents of the folder. */
void lsp_publish(struct lsp *s, struct span folder);

/* ---- lsp_features.c */
void lsp_hover(struct lsp *s, struct lsp_call *c);
void lsp_definition(struct lsp *s, struct lsp_call *c);
void lsp_completion(struct lsp *s, struct lsp_call *c);
void lsp_formatting(struct lsp *s, struct lsp_call *c);

/* {"line": ..., "character": ...} of a byte of the text. */
void lsp_put_range(struct text *out, const char *name, struct span text, size_t from, size_t to);

#endif
