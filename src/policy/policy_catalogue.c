// SPDX-License-Identifier: Apache-2.0
/*
 * policy_catalogue.c: the names of the policy.
 *
 * Names may be used before they are declared and a group may hold groups, so all declarations of all files
 * are read first; then groups, members and sets are made, in this order.
 */
#include "policy_parse_impl.h"

#define GROUPS_MAX POLICY_VALUES_MAX /* of one dimension: more groups than members help nobody */

struct declaration {
    enum policy_word word;
    struct token name;
    struct token *items;
    size_t n_items;
    bool has_items;
    uint32_t grade;
    struct span words, source, reason;
    size_t group; /* its number in the dimension, when has_items */
    bool filled;
    bool told; /* something is wrong with it, and was said: one error for each sentence */
};

/* The form of each declaration, by its first word. */
enum form { FORM_CATEGORY, FORM_DATA, FORM_GROUP, FORM_LIST, FORM_WORDS };

static const struct row {
    enum policy_word word;
    enum form form;
    int dimension; /* -1: none */
    int kind;      /* -1: none */
    unsigned max;
    const char *one;
} rows[] = {
    {WORD_CATEGORY, FORM_CATEGORY, DIM_FIELD, KIND_CATEGORY, POLICY_VALUES_MAX, "a category"},
    {WORD_DATA, FORM_DATA, DIM_FIELD, -1, POLICY_VALUES_MAX, "a group of data"},
    {WORD_PURPOSE, FORM_GROUP, DIM_PURPOSE, -1, POLICY_VALUES_MAX, "a purpose"},
    {WORD_PARTY, FORM_GROUP, DIM_PARTY, -1, POLICY_VALUES_MAX, "a party"},
    {WORD_ACTOR, FORM_GROUP, DIM_ACTOR, -1, POLICY_VALUES_MAX, "an actor"},
    {WORD_SUBJECT, FORM_GROUP, DIM_SUBJECT, -1, POLICY_VALUES_MAX, "a subject"},
    {WORD_SERVICE, FORM_GROUP, DIM_SERVICE, -1, POLICY_VALUES_MAX, "a service"},
    {WORD_JURISDICTION, FORM_GROUP, DIM_JURISDICTION, -1, POLICY_VALUES_MAX, "a jurisdiction"},
    {WORD_OPERATION, FORM_LIST, DIM_OPERATION, -1, POLICY_VALUES_MAX, "an operation"},
    {WORD_BASIS, FORM_LIST, DIM_BASIS, -1, POLICY_VALUES_MAX, "a basis"},
    {WORD_EVENT, FORM_LIST, -1, KIND_EVENT, POLICY_VALUES_MAX, "an event"},
    {WORD_NEED, FORM_WORDS, -1, KIND_NEED, POLICY_NEEDS_MAX, "a need"},
    {WORD_FACT, FORM_WORDS, -1, KIND_FACT, POLICY_FACTS_MAX, "a fact"},
    {WORD_MASK, FORM_WORDS, -1, KIND_MASK, 64, "a mask"},
    {WORD_DEED, FORM_WORDS, -1, KIND_DEED, 64, "a deed"},
    {WORD_AUDIENCE, FORM_WORDS, -1, KIND_AUDIENCE, POLICY_TOLD_MAX, "an audience"},
    {WORD_CHANNEL, FORM_WORDS, -1, KIND_CHANNEL, POLICY_TOLD_MAX, "a channel"},
};

static const struct row *row_find(enum policy_word w)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].word == w)
            return &rows[i];
    return NULL;
}

/* The reasons a refusal may give: closed, because callers switch on them. Appended to only: records hold the
 * position. */
static const char *const reasons[] = {
    "no-agreement",
    "consent-required",
    "explicit-required",
    "guardian-required",
    "withdrawn",
    "unsubscribed",
    "purpose-mismatch",
    "not-necessary",
    "undeclared-field",
    "permission-off",
    "default-deny",
    "unregistered",
    "agreement-expired",
    "assessment-required",
    "evidence-missing",
    "expired",
    "hold-only",
    "residency",
    "scope",
    "not-assigned",
    "approval-required",
    "basis-not-for-operation",
    "basis-not-for-child",
};

/* Where a need or a fact is known: closed, because a daemon would have to refuse a policy with any other. */
static const char *const need_sources[] = {
    "agreement",     "deemed", "guardian-agreement", "consent", "guardian",
    "guardian-link", "device", "recipient",          "staff",   "list",
    "evidence",
};
static const char *const fact_sources[] = {"preference", "device", "service", "value",
                                           "origin",     "order",  "evidence"};

static bool in_list(const char *const *list, size_t n, struct span word)
{
    for (size_t i = 0; i < n; i++)
        if (span_is(word, list[i]))
            return true;
    return false;
}

static struct span suggest_from(const char *const *list, size_t n, struct arena *a, struct span word)
{
    struct nearest near = policy_nearest(word);
    for (size_t i = 0; i < n; i++)
        policy_nearest_try(&near, span_str(list[i]));
    return policy_nearest_text(&near, a);
}

bool policy_reason_known(struct span reason)
{
    return in_list(reasons, sizeof reasons / sizeof reasons[0], reason);
}

const char *policy_reason(size_t i)
{
    return i < sizeof reasons / sizeof reasons[0] ? reasons[i] : NULL;
}

struct span policy_reason_suggest(struct arena *a, struct span reason)
{
    return suggest_from(reasons, sizeof reasons / sizeof reasons[0], a, reason);
}

/* ---- Reading one declaration. The parse carries the list of all of them behind it. */

struct reading {
    struct parse parse; /* first: the sentence parser gets a pointer to it */
    struct declaration *list;
    size_t n;
};

static bool declared_name(struct parse *s, const char *what, struct token *out)
{
    const struct token *t = parse_peek(s);
    if (t->kind == TOKEN_NAME && policy_word_reserved(t->word))
        return policy_say(s->load, MSG_NAME, t->place, "'%.*s' is a keyword of the language and cannot be %s",
                          SPAN_F(t->text), what);
    return parse_name(s, what, out);
}

static bool read_items(struct parse *s, const struct row *row, struct declaration *d)
{
    enum policy_word join = row->dimension == DIM_FIELD ? WORD_AND : WORD_OR;
    d->has_items = true;
    do {
        struct token item;
        if (!declared_name(s, row->dimension == DIM_FIELD ? "a data name" : row->one, &item))
            return false;
        *POLICY_PUSH(s->load->arena, d->items, d->n_items) = item;
    } while (parse_kind(s, TOKEN_COMMA) || parse_word(s, join));
    return true;
}

static bool read_grade(struct parse *s, struct declaration *d)
{
    if (!parse_need_word(s, WORD_GRADE))
        return false;
    const struct token *t = parse_peek(s);
    if (!parse_number(s, "a grade from 1 to 5", 5, &d->grade))
        return false;
    return d->grade >= 1 || policy_say(s->load, MSG_SYNTAX, t->place, "a grade is a number from 1 to 5");
}

static bool read_reason(struct parse *s, struct span *out)
{
    struct token t;
    if (!parse_name(s, "a reason", &t))
        return false;
    *out = t.text;
    return policy_reason_known(t.text) ||
           policy_say(s->load, MSG_NAME, t.place, "'%.*s' is not one of the closed reasons%.*s",
                      SPAN_F(t.text), SPAN_F(policy_reason_suggest(s->load->arena, t.text)));
}

static bool read_source(struct parse *s, struct declaration *d)
{
    struct token t;
    bool need = d->word == WORD_NEED;
    const char *const *list = need ? need_sources : fact_sources;
    size_t n =
        need ? sizeof need_sources / sizeof need_sources[0] : sizeof fact_sources / sizeof fact_sources[0];
    if (!parse_name(s, "a source", &t))
        return false;
    d->source = t.text;
    return in_list(list, n, t.text) ||
           policy_say(s->load, MSG_NAME, t.place, "'%.*s' is not a source of a %s%.*s", SPAN_F(t.text),
                      need ? "need" : "fact", SPAN_F(suggest_from(list, n, s->load->arena, t.text)));
}

/* "words" [from SOURCE] [otherwise REASON] */
static bool read_words(struct parse *s, struct declaration *d)
{
    const struct token *t = parse_peek(s);
    if (!parse_need_kind(s, TOKEN_STRING, "what it means, in quotation marks"))
        return false;
    d->words = t->text;
    bool open = d->word == WORD_NEED || d->word == WORD_FACT;
    if (open && parse_word(s, WORD_FROM) && !read_source(s, d))
        return false;
    return !(d->word == WORD_NEED && parse_word(s, WORD_OTHERWISE)) || read_reason(s, &d->reason);
}

static bool read_form(struct parse *s, const struct row *row, struct declaration *d)
{
    if (row->form == FORM_LIST)
        return read_items(s, row, d);
    if (!declared_name(s, row->one, &d->name))
        return false;
    if (row->form == FORM_WORDS)
        return read_words(s, d);
    if (row->form == FORM_CATEGORY && !read_grade(s, d))
        return false;
    if (row->form == FORM_GROUP && !parse_is_kind(s, TOKEN_COLON))
        return true;
    return parse_need_kind(s, TOKEN_COLON, "':' and a list of names") && read_items(s, row, d);
}

static const char *stop_hint(const struct row *row, const struct declaration *d)
{
    if (d->has_items)
        return "',' or '.'";
    return row->form == FORM_GROUP ? "':' or '.'" : "'.'";
}

static bool expect_declaration(struct parse *s)
{
    struct nearest near = policy_nearest(parse_peek(s)->text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        policy_nearest_try(&near, span_str(policy_word_text(rows[i].word)));
    return parse_unexpected_near(s,
                                 "a declaration: category, data, purpose, party, actor, subject, service, "
                                 "jurisdiction, operation, basis, event, need, fact, mask, deed, audience or "
                                 "channel",
                                 &near);
}

static bool read_declaration(struct parse *s)
{
    struct reading *r = (struct reading *)s;
    const struct row *row = row_find(parse_peek(s)->word);
    struct declaration d = {.word = parse_peek(s)->word};
    if (!row)
        return expect_declaration(s);
    s->at++;
    if (!read_form(s, row, &d) || !parse_stop(s, stop_hint(row, &d)))
        return false;
    *POLICY_PUSH(s->load->arena, r->list, r->n) = d;
    return true;
}

/* ---- Declaring. */

static void say_twice(struct load *l, struct declaration *d, const struct token *t, struct place before)
{
    if (!d->told)
        policy_say(l, MSG_NAME, t->place, "'%.*s' is declared already at %.*s", SPAN_F(t->text),
                   SPAN_F(policy_place_text(l, before)));
    d->told = true;
}

static void say_full(struct load *l, struct declaration *d, const struct token *t, const struct row *row)
{
    if (!d->told)
        policy_say(l, MSG_NAME, t->place, "this would be more than %u of the kind '%s'", row->max,
                   policy_word_text(row->word));
    d->told = true;
}

static void add_group(struct load *l, struct declaration *d, const struct row *row)
{
    struct dimension *dim = &l->p->dim[row->dimension];
    const struct group *before = policy_group_find(l->p, (enum policy_dimension)row->dimension, d->name.text);
    d->has_items = !before && dim->n_groups < GROUPS_MAX;
    if (before)
        say_twice(l, d, &d->name, before->place);
    else if (dim->n_groups == GROUPS_MAX)
        say_full(l, d, &d->name, row);
    if (!d->has_items)
        return;
    d->group = dim->n_groups;
    *POLICY_PUSH(l->arena, dim->groups, dim->n_groups) =
        (struct group){.name = d->name.text, .place = d->name.place};
    if (row->form == FORM_CATEGORY)
        policy_word_add(l->arena, &l->p->kind[KIND_CATEGORY], d->name.text, d->name.place);
}

static unsigned member_find(const struct dimension *dim, struct span name)
{
    for (size_t i = 0; i < dim->n; i++)
        if (span_eq(dim->members[i].name, name))
            return (unsigned)i;
    return POLICY_NONE;
}

/* `explicit`: a declaration of its own, which may stand once; items of groups may stand in several groups. */
static void add_member(struct load *l, struct declaration *d, const struct row *row, const struct token *t,
                       bool explicit)
{
    struct dimension *dim = &l->p->dim[row->dimension];
    const struct group *g = policy_group_find(l->p, (enum policy_dimension)row->dimension, t->text);
    unsigned i = member_find(dim, t->text);
    if (g) {
        if (explicit)
            say_twice(l, d, t, g->place);
        return;
    }
    if (i != POLICY_NONE) {
        if (explicit && !dim->members[i].implied)
            say_twice(l, d, t, dim->members[i].place);
        dim->members[i].implied &= !explicit;
        return;
    }
    if (dim->n == POLICY_VALUES_MAX) {
        say_full(l, d, t, row);
        return;
    }
    *POLICY_PUSH(l->arena, dim->members, dim->n) =
        (struct word){.name = t->text, .place = t->place, .implied = !explicit};
}

static void add_kind(struct load *l, struct declaration *d, const struct row *row, const struct token *t)
{
    struct wordlist *w = &l->p->kind[row->kind];
    unsigned before = policy_kind_find(l->p, (enum policy_kind)row->kind, t->text);
    if (before != POLICY_NONE) {
        say_twice(l, d, t, w->list[before].place);
        return;
    }
    if (w->n == row->max) {
        say_full(l, d, t, row);
        return;
    }
    policy_word_add(l->arena, w, t->text, t->place);
    struct word *word = &w->list[w->n - 1];
    word->words = d->words;
    word->source = d->source;
    word->reason = d->reason;
}

static void add_members(struct load *l, struct declaration *d, const struct row *row)
{
    if (row->form == FORM_WORDS) {
        add_kind(l, d, row, &d->name);
        return;
    }
    bool explicit = row->form != FORM_GROUP;
    if (row->form == FORM_GROUP && !d->has_items && d->n_items == 0)
        add_member(l, d, row, &d->name, true);
    for (size_t i = 0; i < d->n_items && row->form != FORM_DATA; i++) {
        if (row->dimension >= 0)
            add_member(l, d, row, &d->items[i], explicit);
        else
            add_kind(l, d, row, &d->items[i]);
    }
}

/* ---- Filling the groups. */

static void say_unknown_item(struct load *l, struct declaration *of, const struct token *t,
                             enum policy_dimension d)
{
    struct nearest n = policy_nearest(t->text);
    policy_nearest_dimension(&n, l->p, d);
    if (!of->told)
        policy_say(l, MSG_NAME, t->place, "no category and no group declares '%.*s'%.*s", SPAN_F(t->text),
                   SPAN_F(policy_nearest_text(&n, l->arena)));
    of->told = true;
}

static const struct declaration *declaration_of(const struct reading *r, enum policy_dimension dim,
                                                size_t group)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct row *row = row_find(r->list[i].word);
        if (r->list[i].has_items && row->form != FORM_LIST && row->dimension == (int)dim &&
            r->list[i].group == group)
            return &r->list[i];
    }
    return NULL;
}

/* False while one of its items is a group that is not filled itself. */
static bool fill_ready(const struct load *l, const struct reading *r, const struct declaration *d,
                       enum policy_dimension dim)
{
    for (size_t i = 0; i < d->n_items; i++) {
        const struct group *g = policy_group_find(l->p, dim, d->items[i].text);
        const struct declaration *inner =
            g ? declaration_of(r, dim, (size_t)(g - l->p->dim[dim].groups)) : NULL;
        if (inner && !inner->filled)
            return false;
    }
    return true;
}

static void fill(struct load *l, struct declaration *d, enum policy_dimension dim)
{
    struct bits *set = &l->p->dim[dim].groups[d->group].set;
    d->filled = true;
    for (size_t i = 0; i < d->n_items; i++) {
        struct bits item = {{0}};
        if (!policy_name_set(l->p, dim, d->items[i].text, &item))
            say_unknown_item(l, d, &d->items[i], dim);
        bits_join(set, &item);
    }
}

/* One round: fills what can be filled; true if something was. */
static bool fill_round(struct load *l, struct reading *r)
{
    bool progress = false;
    for (size_t i = 0; i < r->n; i++) {
        struct declaration *d = &r->list[i];
        const struct row *row = row_find(d->word);
        if (!d->has_items || d->filled || row->form == FORM_LIST)
            continue;
        if (!fill_ready(l, r, d, (enum policy_dimension)row->dimension))
            continue;
        fill(l, d, (enum policy_dimension)row->dimension);
        progress = true;
    }
    return progress;
}

/* Where it names what keeps it from being filled. */
static struct place held_in(const struct load *l, const struct reading *r, const struct declaration *d)
{
    enum policy_dimension dim = (enum policy_dimension)row_find(d->word)->dimension;
    for (size_t i = 0; i < d->n_items; i++) {
        const struct group *g = policy_group_find(l->p, dim, d->items[i].text);
        const struct declaration *inner =
            g ? declaration_of(r, dim, (size_t)(g - l->p->dim[dim].groups)) : NULL;
        if (inner && !inner->filled)
            return d->items[i].place;
    }
    return d->name.place;
}

static void say_circles(struct load *l, const struct reading *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct declaration *d = &r->list[i];
        if (!d->has_items || d->filled || d->told || row_find(d->word)->form == FORM_LIST)
            continue;
        policy_say(l, MSG_CYCLE, d->name.place, "the group '%.*s' holds itself", SPAN_F(d->name.text));
        policy_say_other(l, held_in(l, r, d));
    }
}

/* A field has one category: its grade comes from there. */
static void grade_fields(struct load *l, const struct reading *r)
{
    struct policy *p = l->p;
    p->grade = ARENA_ARRAY(l->arena, p->dim[DIM_FIELD].n + 1, uint8_t);
    p->category = ARENA_ARRAY(l->arena, p->dim[DIM_FIELD].n + 1, uint16_t);
    for (size_t i = 0; i < r->n; i++) {
        const struct declaration *d = &r->list[i];
        for (size_t k = 0; k < d->n_items && d->word == WORD_CATEGORY; k++) {
            unsigned field = member_find(&p->dim[DIM_FIELD], d->items[k].text);
            if (field == POLICY_NONE)
                continue;
            p->grade[field] = (uint8_t)d->grade;
            p->category[field] = (uint16_t)policy_kind_find(p, KIND_CATEGORY, d->name.text);
        }
    }
}

/* The engine knows one event by itself: every document says when its revision comes into force. */
static void add_known_events(struct load *l)
{
    struct span name = SPAN("revision-in-force");
    if (policy_kind_find(l->p, KIND_EVENT, name) == POLICY_NONE)
        policy_word_add(l->arena, &l->p->kind[KIND_EVENT], name, (struct place){0, 0, 0});
}

static void declare_all(struct load *l, struct reading *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct row *row = row_find(r->list[i].word);
        if (r->list[i].has_items && row->form != FORM_LIST)
            add_group(l, &r->list[i], row);
    }
    for (size_t i = 0; i < r->n; i++)
        add_members(l, &r->list[i], row_find(r->list[i].word));
    while (fill_round(l, r))
        continue;
    say_circles(l, r);
    grade_fields(l, r);
    add_known_events(l);
    for (int k = 0; k < KIND_COUNT; k++)
        l->declared[k] = l->p->kind[k].n > 0;
}

void policy_read_catalogues(struct load *l)
{
    struct reading r = {.list = NULL};
    size_t errors = l->m->errors;
    for (size_t f = 0; f < l->n_files; f++)
        for (size_t b = 0; b < l->files[f].n_blocks; b++) {
            const struct block *block = &l->files[f].blocks[b];
            if (block->kind != BLOCK_CATALOGUE)
                continue;
            r.parse = policy_parse_open(l, block->body, l->files[f].document, POLICY_NONE);
            policy_parse_sentences(&r.parse, read_declaration);
        }
    l->catalogue_broken = l->m->errors > errors;
    declare_all(l, &r);
}
