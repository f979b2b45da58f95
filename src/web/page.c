// SPDX-License-Identifier: Apache-2.0
/* What every page has: language, navigation, footer; and words for what the policy names. */
#include "page_impl.h"
#include "policy_render.h"
#include "policy_translate.h"

/* ---- Language: ?lang= (and remember it), else the cookie, else what the browser asks for. */

static bool lang_chosen(const struct call *c, enum ui_lang *out)
{
    struct span tag;
    return http_form_get(c->arena, c->req->query, "lang", &tag) && ui_lang_find(tag, out);
}

/* B2.1: one cookie, set only when somebody chooses a language. */
static void lang_remember(struct call *c, enum ui_lang lang)
{
    http_header(c->res, "Set-Cookie",
                arena_fmt(c->arena, "lang=%s; Path=/; Max-Age=%d; SameSite=Lax", ui_lang_tags[lang],
                          PAGE_COOKIE_DAYS * 86400));
}

static enum ui_lang lang_of(struct call *c)
{
    enum ui_lang lang;
    struct span cookie;
    if (lang_chosen(c, &lang)) {
        lang_remember(c, lang);
        return lang;
    }
    if (http_cookie_get(c->req->cookie, "lang", &cookie) && ui_lang_find(cookie, &lang))
        return lang;
    return (enum ui_lang)http_language(c->req->accept_language, ui_lang_tags, UI_LANGS);
}

/* This page in another language: the same address and query, without the language it had. */
static struct span lang_link(const struct call *c, const char *tag)
{
    struct text t = text_new(c->arena, 128);
    struct span rest = c->req->query, piece;
    /* A path that starts with two slashes would name a host. */
    text_put(&t, span_starts(c->req->path, "//") ? SPAN("/") : c->req->path);
    text_char(&t, '?');
    while (span_cut(&rest, '&', &piece)) {
        if (piece.len == 0 || span_starts(piece, "lang="))
            continue;
        text_put(&t, piece);
        text_char(&t, '&');
    }
    text_fmt(&t, "lang=%s", tag);
    return text_span(&t);
}

static void put_languages(struct page *p)
{
    static const char *const names[UI_LANGS] = {[UI_EN] = "English", [UI_ZH_CN] = "中文"};
    struct view *list = view_list(p->view, "languages");
    for (unsigned i = 0; i < UI_LANGS; i++) {
        struct view *row = view_item(list);
        view_str(row, "tag", span_str(ui_lang_tags[i]));
        view_str(row, "language", span_str(names[i]));
        view_str(row, "href", lang_link(p->call, ui_lang_tags[i]));
        view_bool(row, "current", i == (unsigned)p->lang);
    }
}

/* ---- Navigation */

static const struct {
    const char *href, *key;
} nav[NAV_COUNT] = {
    [NAV_HOME] = {"/", "nav.home"},
    [NAV_POLICY] = {"/policies", "nav.policy"},
    [NAV_TRY] = {"/try", "nav.try"},
    [NAV_RECORD] = {"/record", "nav.record"},
};

static void put_navigation(struct page *p, enum page_nav here)
{
    struct view *list = view_list(p->view, "nav");
    for (unsigned i = NAV_HOME; i < NAV_COUNT; i++) {
        struct view *row = view_item(list);
        view_str(row, "href", span_str(nav[i].href));
        view_str(row, "label", ui_say(p->lang, nav[i].key));
        view_bool(row, "current", i == (unsigned)here);
    }
}

struct page page_begin(struct call *c, const char *title_key, enum page_nav here)
{
    struct page p = {
        .call = c,
        .arena = c->arena,
        .policy = c->gate.view ? c->gate.view->policy : NULL,
        .lang = lang_of(c),
        .view = view_object(c->arena),
    };
    const struct web_config *config = &c->web->config;
    view_str(p.view, "lang", span_str(ui_lang_tags[p.lang]));
    p.title = ui_say(p.lang, title_key);
    view_str(p.view, "version", span_str(config->version));
    view_str(p.view, "revision", span_str(c->gate.view ? c->gate.view->revision : ""));
    view_bool(p.view, "translated", p.lang != UI_EN);
    put_navigation(&p, here);
    put_languages(&p);
    return p;
}

void page_end(struct page *p, int status, const char *template_name)
{
    struct text body = text_new(p->arena, 16384);
    view_str(p->view, "title", p->title);
    if (template_render(&body, span_str(template_name), p->view, ui_template, &p->lang, &p->call->fail) != OK)
        return;
    http_html(p->call->res, status, &body);
    http_header(p->call->res, "Vary", SPAN("Accept-Language, Cookie"));
    http_header(p->call->res, "Content-Language", span_str(ui_lang_tags[p->lang]));
}

/* ---- Words */

struct span page_say(const struct page *p, const char *prefix, struct span name)
{
    struct span said = name;
    (void)ui_say_find(p->lang, arena_fmt(p->arena, "%s%.*s", prefix, SPAN_F(name)), &said);
    return said;
}

struct span page_name(const struct page *p, struct span name)
{
    struct span said = policy_word_in(p->policy, span_str(ui_lang_tags[p->lang]), name);
    if (said.len || ui_say_find(p->lang, arena_fmt(p->arena, "name.%.*s", SPAN_F(name)), &said))
        return said;
    struct span copy = arena_copy(p->arena, name);
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.p;
    for (size_t i = 0; i < copy.len; i++)
        if (bytes[i] == '-')
            bytes[i] = ' ';
    if (copy.len && bytes[0] >= 'a' && bytes[0] <= 'z')
        bytes[0] = (uint8_t)(bytes[0] - 32);
    return copy;
}

struct span page_words(const struct page *p, enum policy_kind k, unsigned index)
{
    struct span name = policy_kind_name(p->policy, k, index);
    struct span said = policy_word_in(p->policy, span_str(ui_lang_tags[p->lang]), name);
    if (said.len || ui_say_find(p->lang, arena_fmt(p->arena, "words.%.*s", SPAN_F(name)), &said))
        return said;
    struct span words = policy_kind_words(p->policy, k, index);
    return words.len ? words : page_name(p, name);
}

struct span page_document_title(const struct page *p, const struct policy_document *d)
{
    struct policy_render r = {
        .policy = p->policy,
        .document = policy_document_find(p->policy, d->name),
        .language = span_str(ui_lang_tags[p->lang]),
    };
    return policy_render_title(&r);
}

struct span page_clause_link(const struct page *p, unsigned clause)
{
    const struct policy_clause *c = policy_clause(p->policy, clause);
    struct span doc = policy_document(p->policy, c->document)->name;
    return arena_fmt(p->arena, PAGE_POLICIES "%.*s?clause=%.*s#%.*s", SPAN_F(doc), SPAN_F(c->id),
                     SPAN_F(c->id));
}

/* The sign says the same as the colour, the word the same as the sign. */
static const struct {
    const char *class_name, *sign, *key;
} answers[] = {
    [ANSWER_ALLOW] = {"allow", "✓", "answer.allow"},
    [ANSWER_ALLOW_MASKED] = {"masked", "◐", "answer.allow-masked"},
    [ANSWER_NEEDS] = {"needs", "?", "answer.needs"},
    [ANSWER_DENY] = {"deny", "✕", "answer.deny"},
    [ANSWER_NOT_APPLICABLE] = {"none", "–", "answer.not-applicable"},
};

void page_answer(const struct page *p, struct view *v, enum policy_answer answer)
{
    view_str(v, "answer-class", span_str(answers[answer].class_name));
    view_str(v, "answer-sign", span_str(answers[answer].sign));
    view_str(v, "answer-word", ui_say(p->lang, answers[answer].key));
}

/* ---- Numbers and days */

struct span page_date(const struct page *p, struct date d)
{
    char text[INSTANT_TEXT_MAX];
    date_put(text, d);
    return arena_copy(p->arena, span_str(text));
}

struct span page_hex(const struct page *p, const struct digest *d)
{
    char *hex = arena_alloc(p->arena, 2 * sizeof d->b + 1);
    hex_put(hex, d->b, sizeof d->b);
    return span_str(hex);
}

bool page_record_head(const struct page *p, struct page_head *out)
{
    struct fail quiet = {0};
    return audit_checkpoint(p->call->web->audit, p->arena, &out->note, &quiet) == OK &&
           merkle_checkpoint_read(p->arena, out->note, NULL, &out->checkpoint, &quiet) == OK;
}

/* ---- Files and failures */

static const struct {
    const char *suffix, *type;
} static_types[] = {
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
};

static const char *static_type(struct span name)
{
    for (size_t i = 0; i < sizeof static_types / sizeof *static_types; i++) {
        size_t len = strlen(static_types[i].suffix);
        if (name.len > len && span_is(span_sub(name, name.len - len, len), static_types[i].suffix))
            return static_types[i].type;
    }
    return NULL;
}

/* Templates and catalogues are embedded too, but only styles and pictures have a type here. Their addresses
 * carry a digest (tools/po), so a browser may keep them. */
void page_static(struct call *c)
{
    struct span name = c->params.n ? c->params.value[0] : SPAN_EMPTY, content;
    const char *type = static_type(name);
    if (!type || !ui_file(name, &content)) {
        fail_set(&c->fail, ERR_NOT_FOUND, "there is no file of this name");
        return;
    }
    c->res->status = 200;
    c->res->content_type = span_str(type);
    c->res->body = content;
    http_header(c->res, "Cache-Control", SPAN("public, max-age=31536000, immutable"));
}

static size_t place_in(struct span list, const char *word)
{
    size_t at = 0;
    while (at < list.len && !span_starts(span_sub(list, at, list.len), word))
        at++;
    return at;
}

/* A browser names text/html before anything else; a program does not name it. */
bool page_wanted(const struct call *c)
{
    struct span accept = c->req->accept;
    if (c->route)
        return strcmp(c->route->response, "page") == 0;
    return place_in(accept, "text/html") < place_in(accept, "application/json");
}

void page_problem(struct call *c)
{
    const struct err_row *row = err_row(c->fail.code);
    struct page p = page_begin(c, "problem.title", NAV_NONE);
    p.title = span_str(row->title);
    (void)ui_say_find(p.lang, arena_fmt(p.arena, "problem.%s", row->slug), &p.title);
    view_i64(p.view, "status", row->status);
    view_bool(p.view, "has-detail", c->fail.detail[0] != 0);
    view_str(p.view, "detail", span_str(c->fail.detail));
    view_bool(p.view, "has-hint", c->fail.hint[0] != 0);
    view_str(p.view, "hint", span_str(c->fail.hint));
    view_str(p.view, "slug", span_str(row->slug));
    page_end(&p, row->status, "problem");
    if (c->res->status == 0) /* the page itself failed */
        http_problem(c->arena, c->res, &c->fail, SPAN_EMPTY);
}
