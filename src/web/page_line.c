// SPDX-License-Identifier: Apache-2.0
/* The line of a document's revisions: which follows which, where one stands, what it changed. */
#include "page_impl.h"
#include "policy_render_changes.h"

/* ---- The line */

enum err page_line_read(struct page *p, struct span document, struct page_line *out)
{
    struct call *c = p->call;
    struct revision_row *rows;
    size_t n = 0;
    *out = (struct page_line){0};
    if (gate_line(&c->gate, document, &rows, &n, &c->fail) != OK)
        return c->fail.code;
    out->list = rows;
    for (size_t i = 0; i < n; i++) /* one row for each number: the first holds if any does */
        if (out->n == 0 || rows[out->n - 1].revision != rows[i].revision)
            rows[out->n++] = rows[i];
    return OK;
}

bool page_line_find(struct page_line *l, uint32_t revision)
{
    for (l->at = 0; l->at < l->n; l->at++)
        if (l->list[l->at].revision == revision)
            return true;
    return false;
}

static bool holds(const struct revision_row *r)
{
    return r->in_force.ms < r->ends.ms;
}

static const struct revision_row *before(const struct page_line *l)
{
    for (size_t i = l->at; i-- > 0;)
        if (holds(&l->list[i]))
            return &l->list[i];
    return NULL;
}

/* The one that begins where this one ends; there is none where the document itself ended. */
static const struct revision_row *after(const struct page_line *l)
{
    for (size_t i = l->at + 1; i < l->n; i++)
        if (holds(&l->list[i]))
            return l->list[i].in_force.ms == l->list[l->at].ends.ms ? &l->list[i] : NULL;
    return NULL;
}

/* ---- Its words */

struct span page_revision_link(const struct page *p, struct span document, uint32_t revision)
{
    return revision ? arena_fmt(p->arena, "%s%.*s/%u", PAGE_POLICIES, SPAN_F(document), revision)
                    : arena_fmt(p->arena, "%s%.*s", PAGE_POLICIES, SPAN_F(document));
}

struct span page_when(const struct page *p, struct instant t)
{
    struct date day = date_at(t, WEB_OFFSET_MINUTES);
    int64_t minute = (t.ms - date_start(day, WEB_OFFSET_MINUTES).ms) / 60000;
    struct span text = page_date(p, day);
    if (t.ms == date_start(day, WEB_OFFSET_MINUTES).ms)
        return text;
    return arena_fmt(p->arena, "%.*s %02d:%02d (UTC%+d)", SPAN_F(text), (int)(minute / 60),
                     (int)(minute % 60), WEB_OFFSET_MINUTES / 60);
}

static struct policy_other other_of(const struct page *p, const struct revision_row *r)
{
    return r ? (struct policy_other){r->revision, page_revision_link(p, r->document, r->revision)}
             : (struct policy_other){0};
}

static enum policy_standing standing_of(const struct page *p, const struct revision_row *r)
{
    int64_t now = p->call->gate.now.ms;
    return !holds(r)              ? STANDING_WITHDRAWN
           : r->in_force.ms > now ? STANDING_WAITING
           : r->ends.ms <= now    ? STANDING_OVER
                                  : STANDING_IN_FORCE;
}

static void put_news(const struct page *p, struct policy_story *s)
{
    if (s->standing == STANDING_IN_FORCE && s->after.revision)
        s->news = arena_fmt(p->arena, "%.*s#changes", SPAN_F(s->after.link));
}

/* ---- What it changed */

static const enum policy_effect effects[] = {
    [GATE_EFFECT_NONE] = EFFECT_NEUTRAL,
    [GATE_EFFECT_NEUTRAL] = EFFECT_NEUTRAL,
    [GATE_EFFECT_PROTECTS] = EFFECT_PROTECTS,
    [GATE_EFFECT_REDUCES] = EFFECT_REDUCES,
};

/* On this page, on that of its document, or, if it is gone, where it was. */
static struct span clause_link(const struct page *p, const struct policy_story *s, struct span here,
                               struct span clause)
{
    size_t slash = span_find(clause, '/', 0);
    struct span document = span_sub(clause, 0, slash), id = span_sub(clause, slash + 1, clause.len);
    unsigned at = policy_clause_find(p->policy, clause);
    struct span page = span_eq(document, here) ? s->before.link : SPAN_EMPTY;
    if (at != POLICY_NONE) {
        unsigned doc = policy_clause(p->policy, at)->document;
        page = page_revision_link(p, document, policy_document(p->policy, doc)->revision);
    } else if (page.len == 0) {
        return SPAN_EMPTY;
    }
    if (at != POLICY_NONE && span_eq(document, here))
        page = SPAN_EMPTY; /* the address of a place on this page */
    return arena_fmt(p->arena, "%.*s?clause=%.*s#%.*s", SPAN_F(page), SPAN_F(id), SPAN_F(id));
}

static enum err tell(struct page *p, const struct revision_row *r, struct policy_story *s)
{
    struct call *c = p->call;
    uint32_t set = 0;
    struct gate_change *changes;
    size_t n = 0;
    if (gate_set_of(&c->gate, r->document, r->revision, &set, &c->fail) != OK ||
        gate_changes(&c->gate, set, r->document, s->language, &changes, &n, &c->fail) != OK)
        return c->fail.code;
    struct policy_told *told = ARENA_ARRAY(p->arena, n + 1, struct policy_told);
    for (size_t i = 0; i < n; i++)
        told[i] = (struct policy_told){.effect = effects[changes[i].effect],
                                       .html = changes[i].sentence[0],
                                       .clause = changes[i].clause,
                                       .link = clause_link(p, s, r->document, changes[i].clause)};
    s->told = told;
    s->n_told = n;
    s->compared = set > 1; /* the first set was compared with nothing */
    return OK;
}

/* ---- The list of all */

static void put_list(struct page *p, const struct page_line *l)
{
    struct view *list = view_list(p->view, "revisions");
    size_t n = 0;
    for (size_t i = l->n; i-- > 0;) {
        const struct revision_row *r = &l->list[i];
        if (!holds(r) || r->revision == 0)
            continue;
        struct view *row = view_item(list);
        view_i64(row, "number", r->revision);
        view_str(row, "href", page_revision_link(p, r->document, r->revision));
        view_str(row, "from", page_when(p, r->in_force));
        view_bool(row, "ended", r->ends.ms < INSTANT_FOREVER.ms);
        view_str(row, "until", r->ends.ms < INSTANT_FOREVER.ms ? page_when(p, r->ends) : SPAN_EMPTY);
        view_bool(row, "current", i == l->at);
        n++;
    }
    view_bool(p->view, "several", n > 1);
}

enum err page_put_line(struct page *p, const struct page_line *l)
{
    struct text html = text_new(p->arena, 1024);
    enum err e = OK;
    if (l->at < l->n && l->list[l->at].revision) {
        const struct revision_row *r = &l->list[l->at];
        struct policy_story s = {.language = span_str(ui_lang_tags[p->lang]),
                                 .standing = standing_of(p, r),
                                 .from = page_when(p, r->in_force),
                                 .until =
                                     r->ends.ms < INSTANT_FOREVER.ms ? page_when(p, r->ends) : SPAN_EMPTY,
                                 .before = other_of(p, before(l)),
                                 .after = other_of(p, after(l)),
                                 .now = page_revision_link(p, r->document, 0)};
        put_news(p, &s);
        e = tell(p, r, &s);
        if (!e)
            policy_story_html(&s, &html);
    }
    view_str(p->view, "story-html", text_span(&html));
    put_list(p, l);
    return e;
}
