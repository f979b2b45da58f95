// SPDX-License-Identifier: Apache-2.0
/*
 * policy_render.h: a document of the policy as HTML: the prose, and under it what the system enforces.
 *
 * The output is safe to put into a page as it is: raw HTML of the source is dropped, images become their text
 * (a page of the policy asks no other host for anything), links keep only http, https, mailto and places
 * within the site. Pure, like the rest of the part; the words of the interface come from the caller.
 */
#ifndef TROTH_POLICY_RENDER_H
#define TROTH_POLICY_RENDER_H

#include "policy.h"

/* What the boxes are called, in the language of the page. */
struct policy_render_words {
    struct span enforced;  /* over the sentences of a rule */
    struct span plain;     /* over the sentence of a clause that has nothing to enforce */
    struct span document;  /* over the document block: scope, rank, revision */
    struct span catalogue; /* over declared names */
    struct span link;      /* of the link to the clause itself */
};

struct policy_render {
    const struct policy *policy;
    unsigned document;
    struct policy_render_words words;
    struct span base; /* in front of document names in links: "/policy/" */
    struct span open; /* id of the clause whose box is open; empty: none, "*": all */
};

struct policy_heading {
    unsigned level;       /* as written, 1..6 */
    struct span id, text; /* anchor (without '#'), plain text */
};

struct policy_outline {
    struct policy_heading *list;
    size_t n;
};

/* Appends the HTML of the document's body. The document's first level-1 heading is left out: the page shows
 * it. Deeper headings keep their level. The outline lives in out's arena. Clause boxes have the clause id as
 * anchor, declared names in catalogues "name:NAME". */
void policy_render_html(const struct policy_render *r, struct text *out, struct policy_outline *outline);

#endif
