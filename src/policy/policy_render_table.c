// SPDX-License-Identifier: Apache-2.0
/* The rules of one document as tables. Every row is a sentence of the document and names its clause. */
#include "policy_render_impl.h"

#define COLUMNS_MAX 5

static const struct table {
    const char *id;
    enum render_word title;
    enum render_word columns[COLUMNS_MAX];
    unsigned n;
} data_table = {"t-data", RENDER_TABLE_DATA, {RENDER_COL_KIND, RENDER_COL_GRADE, RENDER_COL_DATA}, 3},
  purpose_table = {"t-purposes",
                   RENDER_TABLE_PURPOSES,
                   {RENDER_COL_PURPOSE, RENDER_COL_DATA, RENDER_COL_DOES, RENDER_COL_NEEDS,
                    RENDER_COL_CLAUSE},
                   5},
  recipient_table = {"t-recipients",
                     RENDER_TABLE_RECIPIENTS,
                     {RENDER_COL_RECIPIENT, RENDER_COL_DATA, RENDER_COL_PURPOSE, RENDER_COL_NEEDS,
                      RENDER_COL_CLAUSE},
                     5},
  keep_table = {"t-keep",
                RENDER_TABLE_KEEP,
                {RENDER_COL_DATA, RENDER_COL_UNTIL, RENDER_COL_NEEDS, RENDER_COL_CLAUSE},
                4},
  need_table = {"t-needs", RENDER_TABLE_NEEDS, {RENDER_COL_NEED, RENDER_COL_SOURCE}, 2},
  duty_table = {"t-duties",
                RENDER_TABLE_DUTIES,
                {RENDER_COL_WHEN, RENDER_COL_WHO, RENDER_COL_DEED, RENDER_COL_UNTIL, RENDER_COL_CLAUSE},
                5};

/* A table being written; it opens with its first row, so that an empty one leaves nothing. */
struct writing {
    struct render *s;
    const struct table *table;
    unsigned column;
    bool open;
};

static void table_open(struct writing *w)
{
    struct render *s = w->s;
    policy_render_heading(s, 3, w->table->id, w->table->title);
    text_fmt(
        s->out,
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"%s\">\n<table>\n<thead><tr>",
        w->table->id);
    for (unsigned i = 0; i < w->table->n; i++) {
        text_str(s->out, "<th scope=\"col\">");
        policy_render_say(s, w->table->columns[i]);
        text_str(s->out, "</th>");
    }
    text_str(s->out, "</tr></thead>\n<tbody>\n");
    w->open = true;
}

static void table_close(struct writing *w)
{
    if (w->open)
        text_str(w->s->out, "</tbody>\n</table>\n</div>\n");
}

static void row_open(struct writing *w)
{
    if (!w->open)
        table_open(w);
    text_str(w->s->out, "<tr>");
    w->column = 0;
}

static void row_close(struct writing *w)
{
    text_str(w->s->out, "</tr>\n");
}

static void cell_open(struct writing *w)
{
    if (w->column == 0) {
        text_str(w->s->out, "<th scope=\"row\">");
        return;
    }
    text_str(w->s->out, "<td data-label=\"");
    policy_render_say(w->s, w->table->columns[w->column]);
    text_str(w->s->out, "\">");
}

static void cell_close(struct writing *w)
{
    text_str(w->s->out, w->column++ == 0 ? "</th>" : "</td>");
}

/* ---- Cells */

static void cell_set(struct writing *w, enum policy_dimension d, const struct bits *set)
{
    cell_open(w);
    policy_render_put_set(w->s, d, set);
    cell_close(w);
}

static void cell_clause(struct writing *w, unsigned clause)
{
    const struct policy_clause *c = policy_clause(w->s->r->policy, clause);
    cell_open(w);
    policy_render_clause_link(w->s, policy_document(w->s->r->policy, c->document)->name, c->id);
    text_str(w->s->out, "<code>");
    text_html(w->s->out, c->id);
    text_str(w->s->out, "</code></a>");
    cell_close(w);
}

static void cell_data(struct writing *w, const struct act *act)
{
    cell_open(w);
    policy_render_put_data(w->s, act);
    cell_close(w);
}

/* What is done, and by whom if not by us. */
static void cell_deeds(struct writing *w, const struct act *act)
{
    struct render *s = w->s;
    const struct group *us = policy_group_find(s->r->policy, DIM_ACTOR, SPAN("us"));
    bool ours = us && memcmp(&us->set, &act->set[DIM_ACTOR], sizeof us->set) == 0;
    cell_open(w);
    if (!ours) {
        policy_render_put_set(s, DIM_ACTOR, &act->set[DIM_ACTOR]);
        policy_render_say(s, RENDER_COLON);
    }
    policy_render_put_set(s, DIM_OPERATION, &act->set[DIM_OPERATION]);
    cell_close(w);
}

static void cell_terms(struct writing *w, const struct act *act)
{
    cell_open(w);
    policy_render_put_terms(w->s, act);
    cell_close(w);
}

/* What it is for, or the ground it rests on where a sentence names only that. */
static void cell_purpose(struct writing *w, const struct act *act)
{
    struct render *s = w->s;
    bool ground = act->named[DIM_BASIS] && !policy_render_whole(s, DIM_BASIS, &act->set[DIM_BASIS]);
    cell_open(w);
    if (act->named[DIM_PURPOSE] || !ground)
        policy_render_put_set(s, DIM_PURPOSE, &act->set[DIM_PURPOSE]);
    if (act->named[DIM_PURPOSE] && ground)
        text_str(s->out, "<br>");
    if (ground) {
        text_str(s->out, "<small>");
        policy_render_say(s, RENDER_COL_BASIS);
        policy_render_say(s, RENDER_COLON);
        policy_render_put_set(s, DIM_BASIS, &act->set[DIM_BASIS]);
        text_str(s->out, "</small>");
    }
    cell_close(w);
}

/* ---- Which sentences a table takes */

enum grant_use { GRANT_USE, GRANT_OUTWARD, GRANT_KEEP };

static enum grant_use use_of(const struct render *s, const struct norm *n)
{
    if (n->act.until.event != POLICY_NONE)
        return GRANT_KEEP;
    return policy_render_outward(s, &n->act) ? GRANT_OUTWARD : GRANT_USE;
}

/* The next grant of the document in the order of reading. */
static const struct norm *next_grant(const struct render *s, enum grant_use use, const struct norm *before)
{
    const struct policy *p = s->r->policy;
    const struct norm *next = NULL;
    for (size_t i = 0; i < p->n_norms; i++) {
        const struct norm *n = &p->norms[i];
        bool taken = n->kind == NORM_GRANT && n->document == s->r->document && use_of(s, n) == use &&
                     (!before || n->order > before->order);
        if (taken && (!next || n->order < next->order))
            next = n;
    }
    return next;
}

/* ---- Tables */

static void put_purposes(struct render *s)
{
    struct writing w = {.s = s, .table = &purpose_table};
    for (const struct norm *n = next_grant(s, GRANT_USE, NULL); n; n = next_grant(s, GRANT_USE, n)) {
        row_open(&w);
        cell_purpose(&w, &n->act);
        cell_data(&w, &n->act);
        cell_deeds(&w, &n->act);
        cell_terms(&w, &n->act);
        cell_clause(&w, n->clause);
        row_close(&w);
    }
    table_close(&w);
}

static void put_recipients(struct render *s)
{
    struct writing w = {.s = s, .table = &recipient_table};
    for (const struct norm *n = next_grant(s, GRANT_OUTWARD, NULL); n; n = next_grant(s, GRANT_OUTWARD, n)) {
        row_open(&w);
        cell_set(&w, DIM_PARTY, &n->act.set[DIM_PARTY]);
        cell_data(&w, &n->act);
        cell_purpose(&w, &n->act);
        cell_terms(&w, &n->act);
        cell_clause(&w, n->clause);
        row_close(&w);
    }
    table_close(&w);
}

static void put_keep(struct render *s)
{
    struct writing w = {.s = s, .table = &keep_table};
    for (const struct norm *n = next_grant(s, GRANT_KEEP, NULL); n; n = next_grant(s, GRANT_KEEP, n)) {
        row_open(&w);
        cell_open(&w);
        policy_render_put_data(s, &n->act);
        policy_render_put_purpose(s, &n->act);
        cell_close(&w);
        cell_open(&w);
        policy_render_put_until(s, &n->act.until);
        cell_close(&w);
        cell_terms(&w, &n->act);
        cell_clause(&w, n->clause);
        row_close(&w);
    }
    table_close(&w);
}

static void put_duties(struct render *s)
{
    const struct policy *p = s->r->policy;
    struct writing w = {.s = s, .table = &duty_table};
    for (size_t i = 0; i < p->n_duties; i++) {
        const struct policy_duty *d = &p->duties[i];
        if (p->clauses[d->clause].document != s->r->document)
            continue;
        row_open(&w);
        cell_open(&w);
        policy_render_put_occasion(s, d);
        cell_close(&w);
        cell_open(&w);
        policy_render_put_actor(s, d);
        cell_close(&w);
        cell_open(&w);
        policy_render_put_deed(s, d);
        cell_close(&w);
        cell_open(&w);
        policy_render_put_deadline(s, d, true);
        cell_close(&w);
        cell_clause(&w, d->clause);
        row_close(&w);
    }
    table_close(&w);
}

static bool is_catalogue(const struct render *s)
{
    return span_eq(policy_document(s->r->policy, s->r->document)->name, s->catalogue);
}

/* Needs that some sentence of the document asks for; all of them where they are declared. */
static uint64_t needs_asked(const struct render *s)
{
    const struct policy *p = s->r->policy;
    uint64_t asked = is_catalogue(s) ? UINT64_MAX : 0;
    for (size_t i = 0; i < p->n_norms; i++) {
        const struct norm *n = &p->norms[i];
        const struct formula *f = n->kind == NORM_CONDITION ? &n->must.needs : &n->act.needs;
        bool asks = n->document == s->r->document && (n->kind == NORM_CONDITION || n->kind == NORM_GRANT);
        for (size_t k = 0; asks && k < f->n; k++)
            asked |= f->terms[k].needs;
    }
    return asked;
}

static void put_needs(struct render *s)
{
    const struct policy *p = s->r->policy;
    struct writing w = {.s = s, .table = &need_table};
    uint64_t asked = needs_asked(s);
    for (unsigned i = 0; i < p->kind[KIND_NEED].n; i++) {
        struct span source = policy_kind_source(p, KIND_NEED, i);
        if (!(asked >> i & 1))
            continue;
        row_open(&w);
        cell_open(&w);
        policy_render_put_meaning(s, KIND_NEED, i);
        cell_close(&w);
        cell_open(&w);
        if (source.len)
            policy_render_put_source(s, source);
        else
            policy_render_say(s, RENDER_NOTHING);
        cell_close(&w);
        row_close(&w);
    }
    table_close(&w);
}

/* What the document names; a sentence about any information names nothing. */
static struct bits fields_named(const struct render *s)
{
    const struct policy *p = s->r->policy;
    struct bits named = {{0}};
    if (is_catalogue(s))
        policy_whole(p, DIM_FIELD, &named);
    for (size_t i = 0; i < p->n_norms; i++) {
        const struct norm *n = &p->norms[i];
        bool names = n->document == s->r->document && n->kind == NORM_GRANT &&
                     n->act.until.event == POLICY_NONE &&
                     !policy_render_whole(s, DIM_FIELD, &n->act.set[DIM_FIELD]);
        if (names)
            bits_join(&named, &n->act.set[DIM_FIELD]);
    }
    return named;
}

static void put_category(struct writing *w, unsigned category, const struct bits *named)
{
    const struct policy *p = w->s->r->policy;
    size_t n = 0;
    unsigned first = 0;
    while (first < p->dim[DIM_FIELD].n && (p->category[first] != category || !bits_has(named, first)))
        first++;
    if (first == p->dim[DIM_FIELD].n)
        return;
    row_open(w);
    cell_open(w);
    policy_render_put_name(w->s, policy_kind_name(p, KIND_CATEGORY, category));
    cell_close(w);
    cell_open(w);
    text_i64(w->s->out, p->grade[first]);
    cell_close(w);
    cell_open(w);
    for (unsigned i = first; i < p->dim[DIM_FIELD].n; i++) {
        if (p->category[i] != category || !bits_has(named, i))
            continue;
        if (n++)
            policy_render_say(w->s, RENDER_JOIN);
        policy_render_put_name(w->s, policy_name(p, DIM_FIELD, i));
    }
    cell_close(w);
    row_close(w);
}

static unsigned grade_of(const struct policy *p, unsigned category)
{
    for (unsigned i = 0; i < p->dim[DIM_FIELD].n; i++)
        if (p->category[i] == category)
            return p->grade[i];
    return 0;
}

static void put_grades(struct render *s)
{
    const struct policy *p = s->r->policy;
    struct writing w = {.s = s, .table = &data_table};
    struct bits named = fields_named(s);
    for (unsigned grade = 1; grade <= 5; grade++)
        for (unsigned c = 0; c < p->kind[KIND_CATEGORY].n; c++)
            if (grade_of(p, c) == grade)
                put_category(&w, c, &named);
    table_close(&w);
}

static bool has_rows(const struct render *s)
{
    const struct policy *p = s->r->policy;
    bool any = is_catalogue(s);
    for (size_t i = 0; i < p->n_norms; i++)
        any |= p->norms[i].document == s->r->document && p->norms[i].kind == NORM_GRANT;
    for (size_t i = 0; i < p->n_duties; i++)
        any |= p->clauses[p->duties[i].clause].document == s->r->document;
    return any;
}

void policy_render_tables(struct render *s)
{
    if (!has_rows(s))
        return;
    text_str(s->out, "<section class=\"tables\">\n");
    policy_render_heading(s, 2, "t-tables", RENDER_TABLES);
    text_str(s->out, "<p>");
    policy_render_say(s, RENDER_TABLES_TEXT);
    text_str(s->out, "</p>\n");
    put_grades(s);
    put_purposes(s);
    put_recipients(s);
    put_keep(s);
    put_needs(s);
    put_duties(s);
    text_str(s->out, "</section>\n");
}
