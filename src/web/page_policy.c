// SPDX-License-Identifier: Apache-2.0
/* The documents in force, and each of them with its rules under its prose. */
#include "page_impl.h"
#include "crypto.h"
#include "policy_render.h"
#include "policy_translate.h"

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

static struct policy_render render_of(const struct page *p, unsigned doc)
{
    struct span open = SPAN_EMPTY;
    (void)http_form_get(p->arena, p->call->req->query, "clause", &open);
    return (struct policy_render){
        .policy = p->policy,
        .document = doc,
        .base = SPAN("/policy/"),
        .open = span_is(open, "all") ? SPAN("*") : open,
        .language = span_str(ui_lang_tags[p->lang]),
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

/* In the language of the page, or as the document was written. */
static enum err text_at(struct page *p, struct span document, struct instant at, struct revision_row *row)
{
    struct fail untranslated = {0};
    struct gate_call *g = &p->call->gate;
    if (gate_text_at(g, document, span_str(ui_lang_tags[p->lang]), at, row, &untranslated) == OK)
        return OK;
    return gate_revision_at(g, document, at, row, &p->call->fail);
}

/* ?at=: what was in force then, as text; the rules of the page are those in force now. */
static bool other_revision(struct page *p, struct span document)
{
    struct span at_text;
    struct instant at;
    struct revision_row row;
    if (!http_form_get(p->arena, p->call->req->query, "at", &at_text) || at_text.len == 0)
        return false;
    if (!instant_get(at_text, &at)) {
        fail_set(&p->call->fail, ERR_BAD_VALUE, "at= is a day (2026-01-31) or an RFC 3339 instant");
        return true;
    }
    if (text_at(p, document, at, &row) != OK)
        return true;
    char from[INSTANT_TEXT_MAX];
    instant_put(from, row.in_force);
    p->title = row.title;
    view_i64(p->view, "number", row.revision);
    view_str(p->view, "name", document);
    view_str(p->view, "in-force", span_sub(arena_copy(p->arena, span_str(from)), 0, 10));
    view_str(p->view, "digest", page_hex(p, &row.digest));
    view_str(p->view, "text-lang", row.language);
    view_str(p->view, "source", row.text);
    page_end(p, 200, "revision");
    return true;
}

void page_document(struct call *c)
{
    struct page p = page_begin(c, "policy.title", NAV_POLICY);
    unsigned doc = policy_document_find(p.policy, c->params.value[0]);
    if (other_revision(&p, c->params.value[0]))
        return;
    if (doc == POLICY_NONE) {
        fail_set(&c->fail, ERR_NOT_FOUND, "no document of this name is in force");
        fail_hint(&c->fail, "all documents are listed at /policy");
        return;
    }
    struct policy_render render = render_of(&p, doc);
    struct policy_outline outline;
    struct text html = text_new(c->arena, 65536);
    policy_render_html(&render, &html, &outline);
    put_document(&p, p.view, doc);
    p.title = page_document_title(&p, policy_document(p.policy, doc));
    view_str(p.view, "document-html", text_span(&html));
    view_str(p.view, "text-lang", policy_render_language(&render));
    view_bool(p.view, "foreign", !span_is(policy_render_language(&render), ui_lang_tags[p.lang]));
    view_bool(p.view, "all-open", span_is(render.open, "*"));
    put_outline(&p, &outline);
    page_end(&p, 200, "document");
}
