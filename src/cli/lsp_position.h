// SPDX-License-Identifier: Apache-2.0
/* lsp_position.h: lines and UTF-16 units, as editors count, and bytes, as we do; file: URIs and paths. Pure.
 */
#ifndef TROTH_LSP_POSITION_H
#define TROTH_LSP_POSITION_H

#include "text.h"

struct lsp_position {
    uint32_t line, character; /* from 0; character in UTF-16 units */
};

/* The byte at a position; behind a line's end, the line's end. The text is valid UTF-8. */
size_t lsp_offset(struct span text, struct lsp_position at);
struct lsp_position lsp_position(struct span text, size_t offset);
/* UTF-16 units of the first n characters of s, and those of all of it if it is shorter. */
uint32_t lsp_units(struct span s, uint32_t n);

/* The path of a file: URI, zero-terminated; empty for other URIs and for what cannot be a path. */
struct span lsp_uri_path(struct arena *a, struct span uri);
struct span lsp_path_uri(struct arena *a, struct span path);

#endif
