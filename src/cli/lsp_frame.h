// SPDX-License-Identifier: Apache-2.0
/* lsp_frame.h: the frames of the Language Server Protocol 3.17 (base protocol): header lines, an empty line,
 * a body of Content-Length bytes. Pure. */
#ifndef TROTH_LSP_FRAME_H
#define TROTH_LSP_FRAME_H

#include "span.h"

#define LSP_HEADER_MAX 4096       /* two short lines in practice */
#define LSP_BODY_MAX   (1u << 20) /* what the JSON reader takes: a policy document of a megabyte */
#define LSP_SKIP_MAX   (1u << 28) /* a longer body is taken for a mistake in the header and not waited for */

enum lsp_frame_state {
    LSP_FRAME_MORE,     /* not all of it is here yet */
    LSP_FRAME_READY,    /* `body` is the message */
    LSP_FRAME_BAD,      /* the header means nothing; reading goes on behind it */
    LSP_FRAME_TOO_LARGE /* a body above the limit; `skip` bytes behind `used` belong to it */
};

struct lsp_frame {
    struct span body;
    size_t used; /* bytes that are done with */
    uint64_t skip;
};

/* Looks at what has arrived. */
enum lsp_frame_state lsp_frame_read(struct span in, struct lsp_frame *out);

#endif
