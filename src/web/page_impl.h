// SPDX-License-Identifier: Apache-2.0
/*
 * page_impl.h: what the pages share. A page is a view filled by one function and a template of ui/; it works
 * without script, asks no other host for anything, and speaks every language of ui.h.
 */
#ifndef TROTH_PAGE_IMPL_H
#define TROTH_PAGE_IMPL_H

#include "ui.h"
#include "web_impl.h"

#define PAGE_COOKIE_DAYS 365          /* how long a chosen language is kept */
#define PAGE_POLICIES    "/policies/" /* documents are below */

enum page_nav { NAV_NONE, NAV_HOME, NAV_POLICY, NAV_TRY, NAV_RECORD, NAV_COUNT };

struct page {
    struct call *call;
    struct arena *arena;
    const struct policy *policy;
    enum ui_lang lang;
    struct span title; /* page_end puts it into the view */
    struct view *view;
};

/* The language, the navigation, the footer; the title is a message key and may be changed until page_end. */
struct page page_begin(struct call *c, const char *title_key, enum page_nav here);
/* Renders the template; a page that cannot be rendered becomes a failure of the call. */
void page_end(struct page *p, int status, const char *template_name);

/* ---- Words */

/* The message PREFIX + NAME ("reason." and "expired"); the name itself if there is no such message. */
struct span page_say(const struct page *p, const char *prefix, struct span name);
/* A name of the policy as people say it: the message "name.NAME", or the name with blanks. */
struct span page_name(const struct page *p, struct span name);
/* What the catalogue says of a need, fact, mask or deed: the message "words.NAME", or the catalogue's own
 * words, or the name as people say it. */
struct span page_words(const struct page *p, enum policy_kind k, unsigned index);
/* The title of a document: the message "document.NAME", or what the document declares. */
struct span page_document_title(const struct page *p, const struct policy_document *d);
/* The place of a clause: /policies/DOC?clause=ID#ID. */
struct span page_clause_link(const struct page *p, unsigned clause);

/* "allow", "needs" ...: class, sign and word of an answer, put into a view. */
void page_answer(const struct page *p, struct view *v, enum policy_answer answer);

/* ---- Numbers and days */
struct span page_date(const struct page *p, struct date d);
struct span page_hex(const struct page *p, const struct digest *d);
/* The day in the operator's calendar, with the time if it is not its first instant. */
struct span page_when(const struct page *p, struct instant t);

/* ---- The revisions of a document, one after the other (page_line.c) */

struct page_line {
    struct revision_row *list; /* one row for each number */
    size_t n, at;              /* at: the one that is shown */
};
enum err page_line_read(struct page *p, struct span document, struct page_line *out);
bool page_line_find(struct page_line *l, uint32_t revision);
/* /policies/DOC/REVISION; without it for 0. */
struct span page_revision_link(const struct page *p, struct span document, uint32_t revision);
/* Where the one that is shown stands, what it changed, and the list of all. p->policy is its policy. */
enum err page_put_line(struct page *p, const struct page_line *l);

/* The documents in force, as list "documents" of the view. */
void page_put_documents(struct page *p);

/* The head of the record as it is published. False before the first checkpoint. */
struct page_head {
    struct merkle_checkpoint checkpoint;
    struct span note;
};
bool page_record_head(const struct page *p, struct page_head *out);

/* ---- Try a decision: a request that the query of the page describes, about no person at all */

struct page_try {
    struct policy_request request; /* DIM_FIELD stands for each of the fields in turn */
    unsigned fields[POLICY_VALUES_MAX];
    size_t n_fields;
    struct span unknown; /* a name the policy does not declare; empty if all are known */
};
/* Reads the query (or form); what is left out takes the page's usual choice. */
void page_try_read(const struct page *p, struct span query, struct page_try *out);
/* The words of a query parameter and what it chooses, for every dimension that the page asks for. */
struct page_choice {
    const char *param;
    enum policy_dimension dimension;
    const char *usual; /* chosen at first, if the policy has it */
};
extern const struct page_choice page_choices[];
extern const size_t page_choices_count;
/* Fills the view with the answers. */
void page_try_answers(const struct page *p, const struct page_try *t, struct span query);

#endif
