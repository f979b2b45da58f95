// SPDX-License-Identifier: Apache-2.0
/*
 * Templates: a subset of Mustache (mustache.5): see http.h.
 *
 * {{name}} {{{unescaped-html name}}} {{#name}}..{{/name}} {{^name}}..{{/name}} {{> name}} {{! comment}}
 * Names are looked up in the innermost object that has them. A section, comment or partial alone on its line
 * takes the line with it. Not kept of Mustache: lambdas, other delimiters, {{.}}, {{&name}}, inheritance,
 * indented partials.
 */
#include "http_impl.h"

#define TEMPLATE_DEPTH_MAX 16 /* sections and partials within each other */
#define RAW_PREFIX         "unescaped-html "
#define UNKNOWN            "this name is not known:"

struct source {
    struct span name, text;
};

/* A tag and the text it takes, with its line if it stands alone. */
struct tag {
    char kind; /* one of "#^/>!", 'u' for unescaped, 0 for a variable */
    struct span name;
    size_t at, start, end;
};

struct scope {
    const struct view *view;
    const struct scope *outer;
};

struct render {
    struct text *out;
    template_find_fn find;
    void *ctx;
    struct fail *fail;
    unsigned depth;
};

static enum err render_range(struct render *r, const struct source *s, size_t from, size_t to,
                             const struct scope *scope);

static enum err complain(struct render *r, const struct source *s, size_t at, const char *what,
                         struct span name)
{
    size_t line = 1;
    for (size_t i = span_find(s->text, '\n', 0); i < at && i < s->text.len;
         i = span_find(s->text, '\n', i + 1))
        line++;
    return fail_set(r->fail, ERR_INTERNAL, "template %.*s, line %zu: %s %.*s", SPAN_F(s->name), line, what,
                    SPAN_F(name));
}

/* ---- Tags */

static size_t find2(struct span s, char c, size_t from)
{
    size_t i = span_find(s, c, from);
    while (i + 1 < s.len && (char)s.p[i + 1] != c)
        i = span_find(s, c, i + 1);
    return i + 1 < s.len ? i : s.len;
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Widens a tag that is alone on its line to the whole line. */
static void take_line(struct span text, struct tag *t)
{
    size_t a = t->start, b = t->end;
    while (a > 0 && blank(text.p[a - 1]))
        a--;
    while (b < text.len && blank(text.p[b]))
        b++;
    bool alone = (a == 0 || text.p[a - 1] == '\n') && (b == text.len || text.p[b] == '\n');
    if (!alone)
        return;
    t->start = a;
    t->end = b < text.len ? b + 1 : b;
}

/* Reads "{{{unescaped-html name}}}"; false if it is not one. */
static bool raw_read(struct span text, struct tag *t)
{
    struct span rest = span_sub(text, t->at + 3, text.len);
    size_t end = span_find(rest, '}', 0);
    if (!span_starts(rest, RAW_PREFIX) || !span_starts(span_sub(rest, end, 3), "}}}"))
        return false;
    t->kind = 'u';
    t->name = span_trim(span_sub(rest, sizeof RAW_PREFIX - 1, end - (sizeof RAW_PREFIX - 1)));
    t->end = t->at + 3 + end + 3;
    return true;
}

static bool good_name(struct span name)
{
    for (size_t i = 0; i < name.len; i++)
        if (blank(name.p[i]) || name.p[i] == '\n' || strchr("{}&=#^/>!", name.p[i]))
            return false;
    return name.len > 0;
}

/* Reads the tag whose braces begin at t->at. */
static enum err tag_read(struct render *r, const struct source *s, struct tag *t)
{
    struct span text = s->text;
    t->start = t->at;
    t->kind = 0;
    if (t->at + 2 < text.len && text.p[t->at + 2] == '{')
        return raw_read(text, t) && good_name(t->name)
                   ? OK
                   : complain(r, s, t->at, "three braces take \"" RAW_PREFIX "name\"", SPAN_EMPTY);
    size_t close = find2(text, '}', t->at + 2);
    if (close == text.len)
        return complain(r, s, t->at, "a tag is not closed", SPAN_EMPTY);
    struct span inner = span_trim(span_sub(text, t->at + 2, close - t->at - 2));
    t->end = close + 2;
    if (inner.len && strchr("#^/>!", inner.p[0])) {
        t->kind = (char)inner.p[0];
        inner = span_trim(span_sub(inner, 1, inner.len));
        take_line(text, t);
    }
    t->name = inner;
    return t->kind == '!' || good_name(inner) ? OK : complain(r, s, t->at, "this is no name:", inner);
}

/* Finds what closes the section opened by `open`. */
static enum err close_find(struct render *r, const struct source *s, const struct tag *open, size_t to,
                           struct tag *close)
{
    unsigned depth = 1;
    *close = (struct tag){.end = open->end};
    while (depth) {
        close->at = find2(s->text, '{', close->end);
        if (close->at >= to)
            return complain(r, s, open->at, "this section is not closed:", open->name);
        enum err err = tag_read(r, s, close);
        if (err != OK)
            return err;
        depth += close->kind == '#' || close->kind == '^';
        depth -= close->kind == '/';
    }
    return span_eq(close->name, open->name)
               ? OK
               : complain(r, s, close->at, "this closes another section:", close->name);
}

/* ---- Names */

static const struct view *path_walk(const struct view *v, struct span path)
{
    struct span step;
    while (v && span_cut(&path, '.', &step))
        v = view_find(v, step);
    return v;
}

/* The innermost object that has the first part of the name decides about the rest. Null if the name is not
 * known. */
static const struct view *lookup(struct span name, const struct scope *scope)
{
    struct span first = span_sub(name, 0, span_find(name, '.', 0));
    while (scope && !view_find(scope->view, first))
        scope = scope->outer;
    return scope ? path_walk(scope->view, name) : NULL;
}

static bool truthy(const struct view *v)
{
    switch (v->kind) {
    case VIEW_BOOL:
        return v->truth;
    case VIEW_STRING:
        return v->string.len > 0;
    case VIEW_LIST:
        return v->first != NULL;
    default:
        return true;
    }
}

/* ---- Output */

static enum err put_variable(struct render *r, const struct source *s, const struct tag *t,
                             const struct scope *scope)
{
    const struct view *v = lookup(t->name, scope);
    if (!v)
        return complain(r, s, t->at, UNKNOWN, t->name);
    if (v->kind != VIEW_STRING)
        return complain(r, s, t->at, "this is no text:", t->name);
    if (t->kind == 'u')
        text_put(r->out, v->string);
    else
        text_html(r->out, v->string);
    return OK;
}

/* Once for a truth, a text or an object (which becomes the innermost), once for each item of a list. */
static enum err put_each(struct render *r, const struct source *s, size_t from, size_t to,
                         const struct view *v, const struct scope *scope)
{
    enum err err = OK;
    if (v->kind == VIEW_BOOL || v->kind == VIEW_STRING)
        return render_range(r, s, from, to, scope);
    if (v->kind == VIEW_OBJECT)
        return render_range(r, s, from, to, &(struct scope){v, scope});
    for (const struct view *item = v->first; item && err == OK; item = item->next)
        err = render_range(r, s, from, to, &(struct scope){item, scope});
    return err;
}

static enum err put_section(struct render *r, const struct source *s, struct tag *t, size_t to,
                            const struct scope *scope)
{
    const struct view *v = lookup(t->name, scope);
    struct tag close;
    if (!v)
        return complain(r, s, t->at, UNKNOWN, t->name);
    enum err err = close_find(r, s, t, to, &close);
    if (err != OK)
        return err;
    size_t from = t->end;
    t->end = close.end;
    if (truthy(v) != (t->kind == '#'))
        return OK;
    return t->kind == '#' ? put_each(r, s, from, close.start, v, scope)
                          : render_range(r, s, from, close.start, scope);
}

static enum err put_partial(struct render *r, const struct source *s, const struct tag *t,
                            const struct scope *scope)
{
    struct source part = {.name = t->name};
    if (!r->find(r->ctx, t->name, &part.text))
        return complain(r, s, t->at, "there is no template", t->name);
    return render_range(r, &part, 0, part.text.len, scope);
}

static enum err put_tag(struct render *r, const struct source *s, struct tag *t, size_t to,
                        const struct scope *scope)
{
    switch (t->kind) {
    case '#':
    case '^':
        return put_section(r, s, t, to, scope);
    case '/':
        return complain(r, s, t->at, "this section was not opened:", t->name);
    case '>':
        return put_partial(r, s, t, scope);
    case '!':
        return OK;
    default:
        return put_variable(r, s, t, scope);
    }
}

static enum err render_range(struct render *r, const struct source *s, size_t from, size_t to,
                             const struct scope *scope)
{
    enum err err = OK;
    if (r->depth == TEMPLATE_DEPTH_MAX)
        return complain(r, s, from, "templates and sections are too deep", SPAN_EMPTY);
    r->depth++;
    for (struct tag t = {.end = from}; err == OK && t.end < to;) {
        size_t plain = t.end;
        t.at = find2(s->text, '{', plain);
        if (t.at >= to) {
            text_put(r->out, span_sub(s->text, plain, to - plain));
            break;
        }
        err = tag_read(r, s, &t);
        if (err == OK) {
            text_put(r->out, span_sub(s->text, plain, t.start > plain ? t.start - plain : 0));
            err = put_tag(r, s, &t, to, scope);
        }
    }
    r->depth--;
    return err;
}

enum err template_render(struct text *out, struct span name, const struct view *v, template_find_fn find,
                         void *ctx, struct fail *f)
{
    struct render r = {.out = out, .find = find, .ctx = ctx, .fail = f};
    struct source s = {.name = name};
    if (!find(ctx, name, &s.text))
        return fail_set(f, ERR_INTERNAL, "there is no template %.*s", SPAN_F(name));
    return render_range(&r, &s, 0, s.text.len, &(struct scope){v, NULL});
}
