// SPDX-License-Identifier: Apache-2.0
/* policy_coverage.c: see policy_view.h. */
#include "policy_view_impl.h"

struct policy_view *policy_view_open(struct arena *a, const struct policy_source *sources, size_t n,
                                     struct policy_messages *m)
{
    struct policy_view *v = ARENA_NEW(a, struct policy_view);
    policy_load_open(&v->load, a, sources, n, m);
    return v;
}

static void count_blocks(const struct source_file *f, struct policy_section *s, uint32_t end)
{
    for (size_t i = 0; i < f->n_blocks; i++) {
        const struct block *b = &f->blocks[i];
        if (b->line <= s->line || b->line >= end)
            continue;
        s->rules += b->kind == BLOCK_RULE;
        s->plains += b->kind == BLOCK_PLAIN;
        s->declarations += b->kind != BLOCK_RULE && b->kind != BLOCK_PLAIN;
    }
}

static void cover_file(const struct policy *p, const struct source_file *f, struct policy_coverage *c,
                       struct arena *a)
{
    c->file = f->name;
    c->sections = ARENA_ARRAY(a, f->n_headings, struct policy_section);
    c->n = f->n_headings;
    if (f->document != POLICY_NONE)
        c->document = p->documents[f->document].pub.name;
    for (size_t i = 0; i < f->n_headings; i++) {
        struct policy_section *s = &c->sections[i];
        *s = (struct policy_section){.heading = f->headings[i].text, .line = f->headings[i].line};
        count_blocks(f, s, i + 1 < f->n_headings ? f->headings[i + 1].line : UINT32_MAX);
        s->uncovered = f->headings[i].prose && s->rules + s->plains + s->declarations == 0;
        c->uncovered += s->uncovered;
    }
    if (f->n_blocks == 0 && c->uncovered == 0)
        c->uncovered = 1;
}

struct policy_coverage *policy_coverage(const struct policy_view *v, struct arena *a, size_t *n)
{
    struct policy_coverage *list = ARENA_ARRAY(a, v->load.n_files, struct policy_coverage);
    *n = v->load.n_files;
    for (size_t i = 0; i < *n; i++)
        cover_file(v->load.p, &v->load.files[i], &list[i], a);
    return list;
}

/* ---- Printing. */

static void put_section(const struct policy_coverage *c, const struct policy_section *s, struct text *t)
{
    if (s->uncovered)
        text_fmt(t, "  uncovered           %.*s (%.*s:%u)\n", SPAN_F(s->heading), SPAN_F(c->file), s->line);
    else if (s->rules + s->plains + s->declarations > 0)
        text_fmt(t, "  %3u rule %3u plain   %.*s\n", s->rules, s->plains, SPAN_F(s->heading));
    else
        text_fmt(t, "                      %.*s\n", SPAN_F(s->heading));
}

static unsigned uncovered_in(const struct policy_coverage *c, size_t n)
{
    unsigned all = 0;
    for (size_t i = 0; i < n; i++)
        all += c[i].uncovered;
    return all;
}

bool policy_coverage_put(const struct policy_coverage *c, size_t n, struct text *t)
{
    unsigned sections = 0, uncovered = uncovered_in(c, n);
    for (size_t i = 0; i < n; i++) {
        text_fmt(t, "%.*s%s\n", SPAN_F(c[i].file), c[i].document.len ? "" : ": no block in it is read");
        for (size_t k = 0; k < c[i].n; k++)
            put_section(&c[i], &c[i].sections[k], t);
        sections += (unsigned)c[i].n;
    }
    text_fmt(t, "%zu document%s, %u section%s, %u uncovered\n", n, n == 1 ? "" : "s", sections,
             sections == 1 ? "" : "s", uncovered);
    return uncovered == 0;
}

static void section_json(const struct policy_section *s, struct text *t)
{
    json_open(t, NULL, '{');
    json_string(t, "heading", s->heading);
    json_i64(t, "line", s->line);
    json_i64(t, "rules", s->rules);
    json_i64(t, "plains", s->plains);
    json_i64(t, "declarations", s->declarations);
    json_bool(t, "uncovered", s->uncovered);
    json_close(t, '}');
}

bool policy_coverage_json(const struct policy_coverage *c, size_t n, struct text *t)
{
    json_open(t, NULL, '{');
    json_open(t, "documents", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(t, NULL, '{');
        json_string(t, "file", c[i].file);
        json_string(t, "document", c[i].document);
        json_i64(t, "uncovered", c[i].uncovered);
        json_open(t, "sections", '[');
        for (size_t k = 0; k < c[i].n; k++)
            section_json(&c[i].sections[k], t);
        json_close(t, ']');
        json_close(t, '}');
    }
    json_close(t, ']');
    json_i64(t, "uncovered", uncovered_in(c, n));
    json_close(t, '}');
    return uncovered_in(c, n) == 0;
}
