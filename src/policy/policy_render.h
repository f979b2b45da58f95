// SPDX-License-Identifier: Apache-2.0
/*
 * policy_render.h: a document of the policy as HTML: the prose, under it what the system enforces, in
 * sentences and as written, and the rules as tables; as part of a page, or as a file of its own.
 *
 * The output is safe to put into a page as it is: raw HTML of the source is dropped, images become their text
 * (a page of the policy asks no other host for anything), links keep only http, https, mailto and places
 * within the site. Pure, like the rest of the part. The words around the text are those of
 * policy_render_words.def; a language without a column there gets the English ones.
 */
#ifndef TROTH_POLICY_RENDER_H
#define TROTH_POLICY_RENDER_H

#include "policy.h"

#define POLICY_LANGUAGE "en" /* what rules, and documents that are no translation, are written in */

struct policy_render {
    const struct policy *policy;
    unsigned document;
    struct span language; /* "zh-CN": its translation; a language the document has no text in: its own */
    struct span base;     /* in front of document names in links: "/policies/" */
    struct span
        suffix;       /* behind them, when documents are files: ".en.html"; empty: links open their clause */
    struct span open; /* id of the clause whose box is open; empty: none, "*": all */
    bool numbered;    /* links lead to the revisions of this policy: base, name, "/12" */
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
 * anchor, declared names in catalogues "name:NAME". Clauses that the translation lacks come last. */
void policy_render_html(const struct policy_render *r, struct text *out, struct policy_outline *outline);

/* The language the document is shown in, and its title there. */
struct span policy_render_language(const struct policy_render *r);
struct span policy_render_title(const struct policy_render *r);
/* A name as people say it: the language's words for it, else the name with blanks for hyphens. */
struct span policy_render_name(const struct policy *p, struct span language, struct span name,
                               struct arena *a);
/* What a need, fact, mask or deed means: the language's words, the catalogue's, or the name. */
struct span policy_render_meaning(const struct policy *p, struct span language, enum policy_kind k,
                                  unsigned index, struct arena *a);

/* ---- A file of its own: no other file, no script; prints well */

struct policy_publish {
    struct policy_render render; /* suffix: how the files of this language are called */
    struct span style;           /* the stylesheet */
    struct span digest;          /* SHA-256 of the text that is shown, in hex */
    struct span changes; /* HTML: what changed since the revision before, under the banner; may be empty */
};
/* Links to the document's other languages assume files called NAME.LANG.html. */
void policy_publish_html(const struct policy_publish *w, struct text *out);

#endif
