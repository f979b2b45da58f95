// SPDX-License-Identifier: Apache-2.0
/* The documents in force, and each of them with its rules under its prose: as it is now, and as it was in
 * each of its revisions, forever (B0.1). */
#include "page_impl.h"
#include "crypto.h"
#include "policy_render.h"
#include "policy_translate.h"

/* ---- All of them */

static size_t clauses_of(const struct policy *p, unsigned doc)
{
    size_t n = 0;
    for (unsigned i = 0; i < policy_clauses(p); i++)
        n += policy_clause(p, i)->document == doc;
    return n;
}

static void put_document(const struct page *p, struct view *v, unsigned doc)
{
    const struct policy_document *d = policy_document(p->policy, doc);
    const struct policy_translation *t =
        policy_translation_find(p->policy, doc, span_str(ui_lang_tags[p->lang]));
    struct digest digest;
    crypto_sha256(t ? t->text : d->text, &digest); /* of what is shown */
    view_str(v, "name", d->name);
    view_str(v, "document", page_document_title(p, d));
    view_i64(v, "number", d->revision);
    view_bool(v, "dated", d->in_force.year != 0);
    view_str(v, "in-force", page_date(p, d->in_force));
    view_str(v, "digest", page_hex(p, &digest));
    view_str(v, "digest-short", span_sub(page_hex(p, &digest), 0, 12));
    view_i64(v, "clauses", (int64_t)clauses_of(p->policy, doc));
    view_bool(v, "has-clauses", clauses_of(p->policy, doc) > 0);
}

void page_put_documents(struct page *p)
{
    struct view *list = view_list(p->view, "documents");
    for (unsigned i = 0; i < policy_documents(p->policy); i++)
        put_document(p, view_item(list), i);
}

void page_policy(struct call *c)
{
    struct page p = page_begin(c, "policy.title", NAV_POLICY);
    page_put_documents(&p);
    page_end(&p, 200, "policy");
}

/* ---- One document */

static struct policy_render render_of(const struct page *p, unsigned doc, bool numbered)
{
    struct span open = SPAN_EMPTY;
    (void)http_form_get(p->arena, p->call->req->query, "clause", &open);
    return (struct policy_render){
        .policy = p->policy,
        .document = doc,
        .base = SPAN(PAGE_POLICIES),
        .open = span_is(open, "all") ? SPAN("*") : open,
        .language = span_str(ui_lang_tags[p->lang]),
        .numbered = numbered,
    };
}

static void put_outline(struct page *p, const struct policy_outline *o)
{
    struct view *list = view_list(p->view, "outline");
    view_bool(p->view, "has-outline", o->n > 0);
    for (size_t i = 0; i < o->n; i++) {
        struct view *row = view_item(list);
        view_str(row, "anchor", o->list[i].id);
        view_str(row, "heading", o->list[i].text);
        view_i64(row, "level", o->list[i].level);
    }
}

static struct span source_link(const struct page *p, struct span name, uint32_t revision, struct span lang)
{
    return revision ? arena_fmt(p->arena, "/v1/policies/%.*s/revisions/%u?lang=%.*s", SPAN_F(name), revision,
                                SPAN_F(lang))
                    : arena_fmt(p->arena, "/v1/policies/%.*s?lang=%.*s", SPAN_F(name), SPAN_F(lang));
}

/* `revision`: 0 for the text in force. */
static void answer_document(struct page *p, unsigned doc, uint32_t revision, const struct page_line *line)
{
    struct span name = policy_document(p->policy, doc)->name;
    struct policy_render render = render_of(p, doc, revision != 0);
    struct policy_outline outline;
    struct text html = text_new(p->arena, 65536);
    policy_render_html(&render, &html, &outline);
    put_document(p, p->view, doc);
    p->title = page_document_title(p, policy_document(p->policy, doc));
    view_str(p->view, "document-html", text_span(&html));
    view_str(p->view, "text-lang", policy_render_language(&render));
    view_bool(p->view, "foreign", !span_is(policy_render_language(&render), ui_lang_tags[p->lang]));
    view_bool(p->view, "all-open", span_is(render.open, "*"));
    view_str(p->view, "here", page_revision_link(p, name, revision));
    view_str(p->view, "source", source_link(p, name, revision, policy_render_language(&render)));
    put_outline(p, &outline);
    if (page_put_line(p, line) == OK)
        page_end(p, 200, "document");
}

/* In the language of the page, or as the document was written. */
static enum err text_at(struct page *p, struct span document, struct instant at, struct revision_row *row)
{
    struct fail untranslated = {0};
    struct gate_call *g = &p->call->gate;
    if (gate_text_at(g, document, span_str(ui_lang_tags[p->lang]), at, row, &untranslated) == OK)
        return OK;
    return gate_revision_at(g, document, at, row, &p->call->fail);
}

/* A document without numbers, or one whose rules cannot be read any more, as text. */
static void answer_source(struct page *p, const struct revision_row *row)
{
    p->title = row->title;
    view_i64(p->view, "number", row->revision);
    view_bool(p->view, "numbered", row->revision > 0);
    view_str(p->view, "name", row->document);
    view_str(p->view, "in-force", page_when(p, row->in_force));
    view_str(p->view, "digest", page_hex(p, &row->digest));
    view_str(p->view, "text-lang", row->language);
    view_str(p->view, "source", row->text);
    page_end(p, 200, "revision");
}

/* ?at=: what was in force then has an address of its own, if it has a number. */
static void answer_at(struct page *p, struct span document, struct span at_text)
{
    struct call *c = p->call;
    struct instant at;
    struct revision_row row;
    if (!instant_get(at_text, &at)) {
        fail_set(&c->fail, ERR_BAD_VALUE, "at= is a day (2026-01-31) or an RFC 3339 instant");
        return;
    }
    if (text_at(p, document, at, &row) != OK)
        return;
    if (row.revision == 0)
        answer_source(p, &row);
    else
        http_redirect(c->res, arena_str(c->arena, page_revision_link(p, document, row.revision)));
}

static void not_in_force(struct call *c, const struct page_line *line)
{
    if (line->n == 0) {
        fail_hint(&c->fail, "all documents are listed at /policies");
        fail_set(&c->fail, ERR_NOT_FOUND, "no document of this name was ever published");
        return;
    }
    const struct revision_row *last = &line->list[line->n - 1];
    fail_hint(&c->fail, "revision %u is at %s%.*s/%u", last->revision, PAGE_POLICIES, SPAN_F(last->document),
              last->revision);
    fail_set(&c->fail, ERR_NOT_FOUND, "no document of this name is in force");
}

void page_document(struct call *c)
{
    struct page p = page_begin(c, "policy.title", NAV_POLICY);
    struct span at, document = c->params.value[0];
    unsigned doc = policy_document_find(p.policy, document);
    struct page_line line;
    if (http_form_get(p.arena, c->req->query, "at", &at) && at.len) {
        answer_at(&p, document, at);
        return;
    }
    if (page_line_read(&p, document, &line) != OK)
        return;
    if (doc == POLICY_NONE) {
        not_in_force(c, &line);
        return;
    }
    page_line_find(&line, policy_document(p.policy, doc)->revision);
    answer_document(&p, doc, 0, &line);
}

/* ---- One revision: on the worker, for its set may have to be compiled again */

static bool find_revision(struct page *p, struct span document, struct span number, struct page_line *line)
{
    struct call *c = p->call;
    uint64_t n;
    if (page_line_read(p, document, line) != OK)
        return false;
    if (line->n > 0 && span_u64(number, UINT32_MAX, &n) && n > 0 && page_line_find(line, (uint32_t)n))
        return true;
    if (line->n == 0) {
        not_in_force(c, line);
        return false;
    }
    if (line->list[line->n - 1].revision == 0)
        fail_hint(&c->fail, "this document has no numbers; /policies/%.*s?at=2026-01-31 shows it as it was",
                  SPAN_F(line->list->document));
    else
        fail_hint(&c->fail, "the latest is revision %u; /policies/%.*s lists them",
                  line->list[line->n - 1].revision, SPAN_F(line->list->document));
    fail_set(&c->fail, ERR_NOT_FOUND, "there is no such revision of this document");
    return false;
}

/* A later troth may find errors that the one that published it did not: the words stay readable. */
static void answer_words(struct page *p, const struct revision_row *row)
{
    struct call *c = p->call;
    struct revision_row text;
    struct fail untranslated = {0};
    c->fail = (struct fail){0};
    if (gate_text_of(&c->gate, row->document, span_str(ui_lang_tags[p->lang]), row->revision, &text,
                     &untranslated) != OK &&
        gate_text_of(&c->gate, row->document, row->language, row->revision, &text, &c->fail) != OK)
        return;
    answer_source(p, &text);
}

void page_revision(struct call *c)
{
    struct page p = page_begin(c, "policy.title", NAV_POLICY);
    struct page_line line;
    uint32_t set;
    if (!find_revision(&p, c->params.value[0], c->params.value[1], &line))
        return;
    const struct revision_row *row = &line.list[line.at];
    if (gate_set_of(&c->gate, row->document, row->revision, &set, &c->fail) != OK)
        return;
    if (gate_set_policy(&c->gate, set, &p.policy, &c->fail) != OK) {
        if (c->fail.code == ERR_POLICY)
            answer_words(&p, row);
        return;
    }
    unsigned doc = policy_document_find(p.policy, row->document);
    if (doc == POLICY_NONE)
        fail_set(&c->fail, ERR_INTERNAL, "set %u lacks the document it was found by", set);
    else
        answer_document(&p, doc, row->revision, &line);
}

/* ---- Addresses of before */

void page_moved(struct call *c)
{
    struct span rest = span_sub(c->req->path, sizeof "/policy" - 1, c->req->path.len);
    struct span query = c->req->query;
    c->res->status = 308;
    http_header(
        c->res, "Location",
        arena_fmt(c->arena, "/policies%.*s%s%.*s", SPAN_F(rest), query.len ? "?" : "", SPAN_F(query)));
}
