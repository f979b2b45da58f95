// SPDX-License-Identifier: Apache-2.0
/* A document as one HTML file. See policy_render.h */
#include "policy_render_impl.h"

/* How a language calls itself. */
static const struct {
    const char *tag, *own;
} tongues[] = {{"en", "English"}, {"zh-CN", "中文"}};

static struct span own_name(struct span tag)
{
    for (size_t i = 0; i < sizeof tongues / sizeof *tongues; i++)
        if (span_is(tag, tongues[i].tag))
            return span_str(tongues[i].own);
    return tag;
}

static void put_head(struct render *s, const struct policy_publish *w, struct span title)
{
    text_fmt(s->out, "<!doctype html>\n<html lang=\"%.*s\">\n<head>\n<meta charset=\"utf-8\">\n",
             SPAN_F(policy_render_language(s->r)));
    text_str(s->out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    text_html(s->out, title);
    text_str(s->out, "</title>\n<style>\n");
    text_put(s->out, w->style);
    text_str(s->out, "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">");
    policy_render_say(s, RENDER_SKIP);
    text_str(s->out, "</a>\n");
}

/* ---- The way to the other documents and languages */

static void put_link(struct render *s, struct span document, struct span language, bool here,
                     struct span label)
{
    text_str(s->out, "<li><a href=\"");
    text_html(s->out, document);
    text_fmt(s->out, ".%.*s.html\"", SPAN_F(language));
    text_fmt(s->out, " lang=\"%.*s\"", SPAN_F(language));
    text_str(s->out, here ? " aria-current=\"page\">" : ">");
    text_html(s->out, label);
    text_str(s->out, "</a></li>\n");
}

/* In the page's language where there is such a text, else in its own. */
static void put_documents(struct render *s)
{
    text_str(s->out, "<nav class=\"sections\" aria-label=\"");
    policy_render_say(s, RENDER_DOCUMENTS);
    text_str(s->out, "\">\n<ul>\n");
    for (unsigned i = 0; i < policy_documents(s->r->policy); i++) {
        struct policy_render other = *s->r;
        other.document = i;
        put_link(s, policy_document(s->r->policy, i)->name, policy_render_language(&other),
                 i == s->r->document, policy_render_title(&other));
    }
    text_str(s->out, "</ul>\n</nav>\n");
}

static bool translated(const struct policy *p, unsigned document)
{
    for (size_t i = 0; i < policy_translations(p); i++)
        if (policy_translation(p, i)->document == document)
            return true;
    return false;
}

static void put_languages(struct render *s)
{
    const struct policy *p = s->r->policy;
    if (!translated(p, s->r->document))
        return; /* a choice of one is none */
    struct span name = policy_document(p, s->r->document)->name, here = policy_render_language(s->r);
    text_str(s->out, "<nav class=\"languages\" aria-label=\"");
    policy_render_say(s, RENDER_LANGUAGES);
    text_str(s->out, "\">\n<ul>\n");
    put_link(s, name, SPAN(POLICY_LANGUAGE), !s->translation, own_name(SPAN(POLICY_LANGUAGE)));
    for (size_t i = 0; i < policy_translations(p); i++) {
        const struct policy_translation *t = policy_translation(p, i);
        if (t->document == s->r->document)
            put_link(s, name, t->language, span_eq(t->language, here), own_name(t->language));
    }
    text_str(s->out, "</ul>\n</nav>\n");
}

/* ---- The banner */

static void put_fact(struct render *s, enum render_word term, struct span value)
{
    text_str(s->out, "<div><dt>");
    policy_render_say(s, term);
    text_str(s->out, "</dt><dd>");
    text_html(s->out, value);
    text_str(s->out, "</dd></div>\n");
}

static void put_digest(struct render *s, struct span digest)
{
    text_str(s->out, "<div class=\"long\"><dt>");
    policy_render_say(s, RENDER_DIGEST);
    text_str(s->out, "</dt><dd><code>");
    text_html(s->out, digest);
    text_str(s->out, "</code></dd></div>\n");
}

static size_t clauses_of(const struct policy *p, unsigned document)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_clauses; i++)
        n += p->clauses[i].document == document;
    return n;
}

static void put_banner(struct render *s, const struct policy_publish *w, struct span title)
{
    const struct policy_document *d = policy_document(s->r->policy, s->r->document);
    struct arena *a = s->out->arena;
    char since[INSTANT_TEXT_MAX];
    text_str(s->out, "<header class=\"banner\">\n<h1>");
    text_html(s->out, title);
    text_str(s->out, "</h1>\n<dl class=\"facts\">\n");
    if (d->revision) {
        date_put(since, d->in_force);
        put_fact(s, RENDER_REVISION, arena_fmt(a, "%u", d->revision));
        put_fact(s, RENDER_SINCE, arena_copy(a, span_str(since)));
        put_fact(s, RENDER_CLAUSES, arena_fmt(a, "%zu", clauses_of(s->r->policy, s->r->document)));
    }
    put_digest(s, w->digest);
    text_str(s->out, "</dl>\n");
    text_put(s->out, w->changes);
    text_str(s->out, "</header>\n");
}

static void put_outline(struct render *s)
{
    text_str(s->out, "<nav class=\"outline\" aria-labelledby=\"outline-title\">\n<details open>\n"
                     "<summary><h2 id=\"outline-title\">");
    policy_render_say(s, RENDER_OUTLINE);
    text_str(s->out, "</h2></summary>\n<ol>\n");
    for (size_t i = 0; i < s->outline->n; i++) {
        const struct policy_heading *h = &s->outline->list[i];
        text_fmt(s->out, "<li class=\"level-%u\"><a href=\"#", h->level);
        text_html(s->out, h->id);
        text_str(s->out, "\">");
        text_html(s->out, h->text);
        text_str(s->out, "</a></li>\n");
    }
    text_str(s->out, "</ol>\n</details>\n</nav>\n");
}

void policy_publish_html(const struct policy_publish *w, struct text *out)
{
    struct policy_outline outline;
    struct text body = text_new(out->arena, 65536);
    policy_render_html(&w->render, &body, &outline);
    struct render s = policy_render_open(&w->render, out, &outline);
    struct span title = policy_render_title(&w->render);
    put_head(&s, w, title);
    text_str(out, "<header class=\"top\">\n<div class=\"wide\">\n");
    put_documents(&s);
    put_languages(&s);
    text_str(out, "</div>\n</header>\n<main id=\"main\" tabindex=\"-1\">\n<div class=\"wide sheet\">\n");
    put_banner(&s, w, title);
    put_outline(&s);
    text_str(out, "<article class=\"prose\">\n");
    text_put(out, text_span(&body));
    text_str(out, "</article>\n</div>\n</main>\n</body>\n</html>\n");
}
