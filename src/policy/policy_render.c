// SPDX-License-Identifier: Apache-2.0
/* The walk over the prose: CommonMark by libcmark, HTML by the table below. */
#include "policy_render_impl.h"

#include <cmark.h>

/* Elements that are a tag before and a tag after. The others have a function. */
struct tag {
    const char *open, *close;
};
static const struct tag tags[] = {
    [CMARK_NODE_BLOCK_QUOTE] = {"<blockquote>\n", "</blockquote>\n"},
    [CMARK_NODE_ITEM] = {"<li>", "</li>\n"},
    [CMARK_NODE_THEMATIC_BREAK] = {"<hr>\n", ""},
    [CMARK_NODE_LINEBREAK] = {"<br>\n", ""},
    [CMARK_NODE_EMPH] = {"<em>", "</em>"},
    [CMARK_NODE_STRONG] = {"<strong>", "</strong>"},
};

static struct span literal(cmark_node *node)
{
    return span_str(cmark_node_get_literal(node));
}

/* ---- Headings */

static void text_of(cmark_node *node, struct text *t)
{
    cmark_iter *walk = cmark_iter_new(node);
    for (cmark_event_type e = cmark_iter_next(walk); e != CMARK_EVENT_DONE; e = cmark_iter_next(walk)) {
        cmark_node_type type = cmark_node_get_type(cmark_iter_get_node(walk));
        if (type == CMARK_NODE_TEXT || type == CMARK_NODE_CODE)
            text_put(t, literal(cmark_iter_get_node(walk)));
        else if (type == CMARK_NODE_SOFTBREAK)
            text_char(t, ' ');
    }
    cmark_iter_free(walk);
}

static bool id_taken(const struct policy_outline *o, struct span id)
{
    for (size_t i = 0; i < o->n; i++)
        if (span_eq(o->list[i].id, id))
            return true;
    return false;
}

static uint8_t id_byte(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint8_t)(c + 32);
    bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
    return kept ? c : '-';
}

/* "1.2 Opening an account" -> "s-1-2-opening-an-account"; the prefix keeps headings and clauses apart. */
static struct span heading_id(struct render *s, struct span text)
{
    struct text t = text_new(s->out->arena, text.len + 8);
    text_str(&t, "s-");
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = id_byte(text.p[i]);
        if (c != '-' || t.p[t.len - 1] != '-')
            text_char(&t, (char)c);
    }
    struct span id = text_span(&t);
    for (unsigned n = 2; id_taken(s->outline, id); n++)
        id = arena_fmt(s->out->arena, "%.*s-%u", SPAN_F(text_span(&t)), n);
    return id;
}

static void heading_open(struct render *s, cmark_node *node)
{
    unsigned level = (unsigned)cmark_node_get_heading_level(node);
    if (level == 1 && !s->titled) {
        s->titled = true;
        s->silent++;
        return;
    }
    struct text t = text_new(s->out->arena, 64);
    text_of(node, &t);
    struct span id = heading_id(s, text_span(&t));
    *POLICY_PUSH(s->out->arena, s->outline->list, s->outline->n) =
        (struct policy_heading){level, id, text_span(&t)};
    text_fmt(s->out, "<h%u id=\"", level < 2 ? 2 : level);
    text_html(s->out, id);
    text_str(s->out, "\">");
}

void policy_render_heading(struct render *s, unsigned level, const char *id, enum render_word word)
{
    struct span text = span_str(policy_render_word(s, word));
    *POLICY_PUSH(s->out->arena, s->outline->list, s->outline->n) =
        (struct policy_heading){level, span_str(id), text};
    text_fmt(s->out, "<h%u id=\"%s\">", level, id);
    text_html(s->out, text);
    text_fmt(s->out, "</h%u>\n", level);
}

static void heading_close(struct render *s, cmark_node *node)
{
    unsigned level = (unsigned)cmark_node_get_heading_level(node);
    if (s->silent)
        s->silent--;
    else
        text_fmt(s->out, "</h%u>\n", level < 2 ? 2 : level);
}

/* ---- Lists, paragraphs, links, code */

static void list_open(struct render *s, cmark_node *node)
{
    int start = cmark_node_get_list_start(node);
    if (cmark_node_get_list_type(node) == CMARK_BULLET_LIST)
        text_str(s->out, "<ul>\n");
    else if (start == 1)
        text_str(s->out, "<ol>\n");
    else
        text_fmt(s->out, "<ol start=\"%d\">\n", start);
}

static void list_close(struct render *s, cmark_node *node)
{
    text_str(s->out, cmark_node_get_list_type(node) == CMARK_BULLET_LIST ? "</ul>\n" : "</ol>\n");
}

static bool in_tight_list(cmark_node *node)
{
    cmark_node *list = cmark_node_parent(cmark_node_parent(node));
    return list && cmark_node_get_type(list) == CMARK_NODE_LIST && cmark_node_get_list_tight(list);
}

static void paragraph_open(struct render *s, cmark_node *node)
{
    if (!in_tight_list(node))
        text_str(s->out, "<p>");
}

static void paragraph_close(struct render *s, cmark_node *node)
{
    if (!in_tight_list(node))
        text_str(s->out, "</p>\n");
}

/* A place that cannot run anything: ours (no scheme), or one of three schemes. */
static bool url_safe(struct span url)
{
    static const char *const schemes[] = {"http://", "https://", "mailto:"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (span_starts(url, schemes[i]))
            return true;
    return span_find(url, ':', 0) == url.len && !span_starts(url, "//");
}

/* "children.md" is the document `children` on the page, whatever its file is called. */
static const struct policy_document *url_document(const struct policy *p, struct span url)
{
    struct span file = span_sub(url, 0, span_find(url, '#', 0));
    for (unsigned i = 0; i < policy_documents(p); i++)
        if (file.len && span_eq(policy_document(p, i)->file, file))
            return policy_document(p, i);
    for (size_t i = 0; i < policy_translations(p); i++)
        if (file.len && span_eq(policy_translation(p, i)->file, file))
            return policy_document(p, policy_translation(p, i)->document);
    return NULL;
}

static void link_open(struct render *s, cmark_node *node)
{
    struct span url = span_str(cmark_node_get_url(node));
    const struct policy_document *d = url_document(s->r->policy, url);
    text_str(s->out, "<a href=\"");
    if (d) {
        policy_render_put_address(s, d->name);
        text_html(s->out, span_sub(url, span_find(url, '#', 0), url.len));
    } else if (url_safe(url)) {
        text_html(s->out, url);
    }
    text_str(s->out, "\">");
}

static void link_close(struct render *s, cmark_node *node)
{
    (void)node;
    text_str(s->out, "</a>");
}

/* The body of the n-th block of a kind that has no id. */
static struct span nth_body(struct span text, enum block_kind kind, unsigned n)
{
    struct span line, rest = text;
    const uint8_t *from = NULL;
    while (span_cut(&rest, '\n', &line)) {
        struct span id, info = span_trim(line);
        bool fence = span_starts(info, "```") || span_starts(info, "~~~");
        if (from && fence)
            return span_of(from, (size_t)(line.p - from));
        bool opens = fence && policy_render_kind(span_sub(info, 3, info.len), &id) == kind;
        if (opens && n-- == 0)
            from = rest.p;
    }
    return SPAN_EMPTY;
}

/* Blocks of names stand in the document; the translation says where they are shown. */
static void names_block(struct render *s, enum block_kind kind, struct span body)
{
    const struct policy_document *d = policy_document(s->r->policy, s->r->document);
    if (s->translation)
        body = nth_body(d->text, kind, s->n_shown[kind]);
    s->n_shown[kind]++;
    policy_render_block(s, kind, SPAN_EMPTY, body, POLICY_NONE);
}

static unsigned clause_in(const struct render *s, struct span id)
{
    const struct policy *p = s->r->policy;
    struct span name = policy_document(p, s->r->document)->name;
    return policy_clause_find(p, arena_fmt(s->out->arena, "%.*s/%.*s", SPAN_F(name), SPAN_F(id)));
}

/* The box is that of the document, whatever the translation calls it. */
static void put_clause(struct render *s, unsigned clause)
{
    const struct policy_clause *c = policy_clause(s->r->policy, clause);
    enum block_kind kind = c->plain ? BLOCK_PLAIN : BLOCK_RULE;
    bool head = clause == s->r->policy->documents[s->r->document].clause;
    struct span body = c->plain ? policy_plain_in(s->r->policy, s->language, clause) : c->body;
    policy_render_block(s, head ? BLOCK_DOCUMENT : kind, c->id, body, clause);
}

static void code_block(struct render *s, cmark_node *node)
{
    struct span id, info = span_str(cmark_node_get_fence_info(node));
    enum block_kind kind = policy_render_kind(info, &id);
    if (kind == BLOCK_CATALOGUE || kind == BLOCK_VOCABULARY) {
        names_block(s, kind, literal(node));
    } else if (kind == BLOCK_WORDS) {
        policy_render_block(s, kind, SPAN_EMPTY, literal(node), POLICY_NONE);
    } else if (kind != BLOCK_KIND_COUNT) {
        unsigned clause = clause_in(s, kind == BLOCK_DOCUMENT ? SPAN("document") : id);
        if (clause != POLICY_NONE)
            put_clause(s, clause);
    } else {
        text_str(s->out, "<pre tabindex=\"0\"><code>");
        text_html(s->out, literal(node));
        text_str(s->out, "</code></pre>\n");
    }
}

static void code_inline(struct render *s, cmark_node *node)
{
    text_str(s->out, "<code>");
    text_html(s->out, literal(node));
    text_str(s->out, "</code>");
}

static void text_node(struct render *s, cmark_node *node)
{
    text_html(s->out, literal(node));
}

/* Between Chinese characters the end of a source line is no blank. */
static void soft_break(struct render *s, cmark_node *node)
{
    (void)node;
    const struct text *t = s->out;
    uint8_t lead = t->len >= 3 ? t->p[t->len - 3] : 0;
    bool wide = (lead >= 0xe3 && lead <= 0xe9) || lead == 0xef;
    if (!wide || t->p[t->len - 1] < 0x80)
        text_char(s->out, '\n');
}

typedef void (*node_fn)(struct render *s, cmark_node *node);
static const struct {
    node_fn open, close;
} nodes[] = {
    [CMARK_NODE_HEADING] = {heading_open, heading_close},
    [CMARK_NODE_LIST] = {list_open, list_close},
    [CMARK_NODE_PARAGRAPH] = {paragraph_open, paragraph_close},
    [CMARK_NODE_LINK] = {link_open, link_close},
    [CMARK_NODE_CODE_BLOCK] = {code_block, NULL},
    [CMARK_NODE_CODE] = {code_inline, NULL},
    [CMARK_NODE_TEXT] = {text_node, NULL},
    [CMARK_NODE_SOFTBREAK] = {soft_break, NULL},
};

static void visit(struct render *s, cmark_node *node, bool entering)
{
    unsigned type = (unsigned)cmark_node_get_type(node);
    node_fn fn = NULL;
    if (type < sizeof nodes / sizeof *nodes)
        fn = entering ? nodes[type].open : nodes[type].close;
    if (type == CMARK_NODE_HEADING && fn)
        fn(s, node); /* it is what starts and ends silence */
    else if (s->silent)
        return;
    else if (fn)
        fn(s, node);
    else if (type < sizeof tags / sizeof *tags && tags[type].open)
        text_str(s->out, entering ? tags[type].open : tags[type].close);
}

/* ---- The whole */

static bool holds_catalogue(struct span text)
{
    struct span line;
    while (span_cut(&text, '\n', &line))
        if (span_starts(span_trim(line), "```catalogue") || span_starts(span_trim(line), "~~~catalogue"))
            return true;
    return false;
}

static struct span catalogue_document(const struct policy *p)
{
    for (unsigned i = 0; i < policy_documents(p); i++)
        if (holds_catalogue(policy_document(p, i)->text))
            return policy_document(p, i)->name;
    return SPAN_EMPTY;
}

static void put_prose(struct render *s, struct span text)
{
    cmark_node *root = cmark_parse_document((const char *)text.p, text.len, CMARK_OPT_DEFAULT);
    cmark_iter *walk = cmark_iter_new(root);
    for (cmark_event_type e = cmark_iter_next(walk); e != CMARK_EVENT_DONE; e = cmark_iter_next(walk))
        visit(s, cmark_iter_get_node(walk), e == CMARK_EVENT_ENTER);
    cmark_iter_free(walk);
    cmark_node_free(root);
}

/* A rule is never left out: what the translation lacks stands behind it. */
static void put_lacking(struct render *s)
{
    const struct policy *p = s->r->policy;
    bool any = false;
    for (unsigned i = 0; s->translation && i < p->n_clauses; i++) {
        if (p->clauses[i].document != s->r->document || policy_translated(p, s->translation, i))
            continue;
        if (!any)
            policy_render_heading(s, 2, "s-lacking", RENDER_LACKING);
        any = true;
        put_clause(s, i);
    }
}

struct render policy_render_open(const struct policy_render *r, struct text *out,
                                 struct policy_outline *outline)
{
    return (struct render){
        .r = r,
        .out = out,
        .outline = outline,
        .translation = policy_translation_find(r->policy, r->document, r->language),
        .language = r->language,
        .catalogue = catalogue_document(r->policy),
    };
}

void policy_render_html(const struct policy_render *r, struct text *out, struct policy_outline *outline)
{
    struct render s = policy_render_open(r, out, outline);
    *outline = (struct policy_outline){0};
    put_prose(&s, s.translation ? s.translation->text : policy_document(r->policy, r->document)->text);
    put_lacking(&s);
    policy_render_tables(&s);
}

struct span policy_render_language(const struct policy_render *r)
{
    const struct policy_translation *t = policy_translation_find(r->policy, r->document, r->language);
    return t ? t->language : SPAN(POLICY_LANGUAGE);
}

/* "# Title", the first line of a document that declares none (a catalogue). */
static struct span title_in(struct span text)
{
    struct span line;
    while (span_cut(&text, '\n', &line))
        if (span_starts(line, "# "))
            return span_trim(span_sub(line, 2, line.len));
    return SPAN_EMPTY;
}

struct span policy_render_title(const struct policy_render *r)
{
    const struct policy_document *d = policy_document(r->policy, r->document);
    const struct policy_translation *t = policy_translation_find(r->policy, r->document, r->language);
    if (t && t->title.len)
        return t->title;
    struct span title = d->title.len ? d->title : title_in(d->text);
    return title.len ? title : d->name;
}
