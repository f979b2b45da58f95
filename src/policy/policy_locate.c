// SPDX-License-Identifier: Apache-2.0
/* policy_locate.c: see policy_locate.h. */
#include "policy_locate.h"
#include "policy_layout_impl.h"
#include "policy_meaning_impl.h"
#include "policy_slot_impl.h"
#include "policy_view_impl.h"

#define EVERYWHERE UINT32_MAX

/* A place in a block: the token there, and the walk up to it. */
struct spot {
    struct load load; /* a copy, with the caller's arena */
    unsigned file;
    const struct block *block;
    struct token *tokens;
    size_t n, at;
    struct walk walk;
};

static unsigned file_find(const struct policy_view *v, struct span name)
{
    unsigned n = (unsigned)(v->load.n_files + v->load.n_translations);
    for (unsigned i = 0; i < n; i++)
        if (span_eq(v->load.files[i].name, name))
            return i;
    return POLICY_NONE;
}

struct span policy_view_text(const struct policy_view *v, struct span file)
{
    unsigned i = file_find(v, file);
    return i == POLICY_NONE ? SPAN_EMPTY : v->load.files[i].text;
}

bool policy_view_empty(const struct policy_view *v)
{
    for (size_t i = 0; i < v->load.n_files; i++)
        if (v->load.files[i].n_blocks > 0)
            return false;
    return true;
}

static const struct block *block_at(const struct source_file *f, size_t offset)
{
    for (size_t i = 0; i < f->n_blocks; i++) {
        const struct block *b = &f->blocks[i];
        bool sentences = b->kind != BLOCK_PLAIN;
        if (sentences && offset >= b->body.offset && offset < (size_t)b->body.offset + b->body.len)
            return b;
    }
    return NULL;
}

static size_t token_end(const struct token *t)
{
    return (size_t)t->place.offset + t->place.len;
}

static void walk_past(struct spot *s)
{
    bool ends = policy_layout_ends(s->tokens, s->n, s->at, s->walk.slot == SLOT_CLAUSE);
    if (ends)
        s->walk = policy_walk_start(s->block->kind);
    else
        policy_walk(&s->walk, &s->tokens[s->at]);
    s->at++;
}

/* Walks to the token that ends behind the offset, or touches it from the left if it is a name. */
static bool spot_find(const struct policy_view *v, struct span file, size_t offset, struct arena *a,
                      struct spot *s)
{
    *s = (struct spot){.load = v->load, .file = file_find(v, file)};
    s->load.arena = a;
    s->block = s->file == POLICY_NONE ? NULL : block_at(&v->load.files[s->file], offset);
    if (!s->block)
        return false;
    struct tokens tokens = {.n = 0};
    policy_lex(&s->load, s->block->body, &tokens);
    s->tokens = tokens.list;
    s->n = tokens.n;
    s->walk = policy_walk_start(s->block->kind);
    for (;;) {
        const struct token *t = &s->tokens[s->at];
        bool reaches = token_end(t) > offset || (token_end(t) == offset && t->kind == TOKEN_NAME);
        if (t->kind == TOKEN_END || reaches)
            return true;
        walk_past(s);
    }
}

/* The word at the spot; null between words. */
static const struct token *word_at(const struct spot *s, size_t offset)
{
    const struct token *t = &s->tokens[s->at];
    return t->kind == TOKEN_NAME && t->place.offset <= offset ? t : NULL;
}

/* ---- Clause references. */

static bool of_reference(const struct token *t)
{
    return t->kind == TOKEN_NAME || t->kind == TOKEN_STOP || t->kind == TOKEN_SLASH || t->kind == TOKEN_STAR;
}

static bool joined(const struct spot *s, size_t i)
{
    return of_reference(&s->tokens[i]) && of_reference(&s->tokens[i + 1]) &&
           token_end(&s->tokens[i]) == s->tokens[i + 1].place.offset;
}

/* All of `group/share.exc-01` around the spot. */
static struct place reference_at(const struct spot *s)
{
    size_t from = s->at;
    size_t to = from;
    while (from > 0 && joined(s, from - 1))
        from--;
    while (to + 1 < s->n && joined(s, to))
        to++;
    uint32_t start = s->tokens[from].place.offset;
    return (struct place){s->file, start, (uint32_t)(token_end(&s->tokens[to]) - start)};
}

static bool in_family(struct span id, struct span ref)
{
    size_t stem = ref.len - 1; /* "share." of "share.*" */
    return ref.len >= 2 && ref.p[stem] == '*' && id.len >= stem && memcmp(id.p, ref.p, stem) == 0;
}

/* The clause it names, or the first of the family. */
static unsigned clause_named(const struct spot *s, struct span ref)
{
    const struct policy *p = s->load.p;
    unsigned doc = s->load.files[s->file].document;
    size_t slash = span_find(ref, '/', 0);
    if (slash < ref.len) {
        doc = policy_document_find(p, span_sub(ref, 0, slash));
        ref = span_sub(ref, slash + 1, ref.len);
    }
    for (unsigned i = 0; i < p->n_clauses; i++)
        if (p->clauses[i].document == doc &&
            (span_eq(p->clauses[i].id, ref) || in_family(p->clauses[i].id, ref)))
            return i;
    return POLICY_NONE;
}

static unsigned clause_at(const struct spot *s, struct place *at)
{
    if (s->walk.slot != SLOT_CLAUSE)
        return POLICY_NONE;
    *at = reference_at(s);
    return clause_named(s, policy_place_span(&s->load, *at));
}

static struct place clause_place(const struct load *l, unsigned clause)
{
    for (size_t f = 0; f < l->n_files; f++)
        for (size_t b = 0; b < l->files[f].n_blocks; b++)
            if (l->files[f].blocks[b].clause == clause)
                return l->files[f].blocks[b].fence;
    return (struct place){0, 0, 0};
}

/* ---- Clause ids in the line of a fence: of a document, or of its translation. */

static bool stands_in(struct place at, unsigned file, size_t offset)
{
    return at.file == file && offset >= at.offset && offset <= (size_t)at.offset + at.len;
}

/* The clause whose id stands at the offset, and where; POLICY_NONE. */
static unsigned clause_of_fence(const struct load *l, unsigned file, size_t offset, struct place *at)
{
    const struct policy *p = l->p;
    for (size_t i = 0; file < l->n_files && i < l->files[file].n_blocks; i++) {
        const struct block *b = &l->files[file].blocks[i];
        *at = b->info;
        if (b->kind != BLOCK_CATALOGUE && b->info.len > 0 && stands_in(b->info, file, offset))
            return b->clause;
    }
    for (size_t t = 0; t < p->n_translations; t++)
        for (size_t i = 0; i < p->translations[t].n_clauses; i++) {
            *at = p->translations[t].clauses[i].place;
            if (stands_in(*at, file, offset))
                return p->translations[t].clauses[i].clause;
        }
    return POLICY_NONE;
}

/* ---- Names. */

/* By what the place asks for, else by any meaning: a fact where a need must stand has one, too. Where any
 * words may stand they are no names. */
static bool named_at(const struct spot *s, struct span name, struct named *out)
{
    if (s->walk.slot == SLOT_NONE)
        return false;
    const struct slot_row *row = &policy_slots[s->walk.slot];
    return policy_named_find(s->load.p, row->dimensions, row->kinds, name, out) ||
           policy_named_find(s->load.p, EVERYWHERE, EVERYWHERE, name, out);
}

static void locate(const struct spot *s, struct place at, struct policy_location *out)
{
    *out = (struct policy_location){s->load.files[at.file].name, at.offset, at.len};
}

static bool fence_hover(const struct policy_view *v, unsigned file, size_t offset, struct arena *a,
                        struct span *words, struct policy_location *at)
{
    struct place place;
    unsigned clause = file == POLICY_NONE ? POLICY_NONE : clause_of_fence(&v->load, file, offset, &place);
    if (clause == POLICY_NONE)
        return false;
    struct text out = text_new(a, 256);
    policy_clause_put(v->load.p, clause, &out);
    *words = text_span(&out);
    *at = (struct policy_location){v->load.files[file].name, place.offset, place.len};
    return true;
}

static bool keyword_hover(const struct token *t, struct text *out)
{
    const char *help = t->word != WORD_NONE ? policy_keyword_help(t->word) : NULL;
    if (help)
        text_fmt(out, "`%.*s` — %s", SPAN_F(t->text), help);
    return help != NULL;
}

bool policy_hover(const struct policy_view *v, struct span file, size_t offset, struct arena *a,
                  struct span *words, struct policy_location *at)
{
    struct spot s;
    struct named n;
    struct place place;
    struct text out = text_new(a, 256);
    if (!spot_find(v, file, offset, a, &s))
        return fence_hover(v, file_find(v, file), offset, a, words, at);
    const struct token *t = word_at(&s, offset);
    unsigned clause = clause_at(&s, &place);
    if (clause != POLICY_NONE) {
        policy_clause_put(s.load.p, clause, &out);
    } else if (!t) {
        return false;
    } else {
        place = t->place;
        bool name = !policy_word_reserved(t->word) && s.walk.slot != SLOT_DECLARATION;
        if (name && named_at(&s, t->text, &n))
            policy_named_put(s.load.p, &n, &out);
        else if (!keyword_hover(t, &out))
            return false;
    }
    *words = text_span(&out);
    locate(&s, place, at);
    return true;
}

static struct place declared_place(const struct spot *s, const struct token *t)
{
    struct named n;
    unsigned doc = policy_document_find(s->load.p, t->text);
    bool we = t->word == WORD_WE;
    if (s->walk.slot == SLOT_DOCUMENT && doc != POLICY_NONE)
        return s->load.p->documents[doc].place;
    if (!we && policy_word_reserved(t->word))
        return (struct place){0, 0, 0};
    if (named_at(s, we ? SPAN("us") : t->text, &n))
        return policy_named_place(s->load.p, &n);
    return (struct place){0, 0, 0};
}

bool policy_definition(const struct policy_view *v, struct span file, size_t offset,
                       struct policy_location *out)
{
    struct spot s;
    struct place ref, to = {0, 0, 0};
    struct arena *a = arena_new(0);
    bool found = spot_find(v, file, offset, a, &s);
    unsigned clause = POLICY_NONE;
    if (found)
        clause = clause_at(&s, &ref);
    else if (s.file != POLICY_NONE)
        clause = clause_of_fence(&s.load, s.file, offset, &ref);
    const struct token *t = found ? word_at(&s, offset) : NULL;
    if (clause != POLICY_NONE)
        to = clause_place(&s.load, clause);
    else if (t)
        to = declared_place(&s, t);
    if (to.len > 0)
        locate(&s, to, out);
    arena_free(a);
    return to.len > 0;
}

/* ---- Completion. */

struct offering {
    const struct spot *s;
    struct arena *a;
    struct policy_suggestion *list;
    size_t n;
};

static void offer(struct offering *o, struct span label, struct span detail, bool keyword)
{
    for (size_t i = 0; i < o->n; i++)
        if (span_eq(o->list[i].label, label))
            return;
    *POLICY_PUSH(o->a, o->list, o->n) = (struct policy_suggestion){label, detail, keyword};
}

static void offer_named(struct offering *o, struct named n)
{
    const struct policy *p = o->s->load.p;
    offer(o, policy_named_name(p, &n), policy_named_detail(p, &n, o->a), false);
}

static void offer_dimension(struct offering *o, int d)
{
    const struct dimension *dim = &o->s->load.p->dim[d];
    for (size_t i = 0; i < dim->n; i++)
        offer_named(o, (struct named){.dimension = d, .kind = -1, .index = i});
    for (size_t i = 0; i < dim->n_groups; i++)
        offer_named(o, (struct named){.group = true, .dimension = d, .kind = -1, .index = i});
}

static void offer_names(struct offering *o, const struct slot_row *row)
{
    for (int d = 0; d < DIM_COUNT; d++)
        if (row->dimensions >> d & 1)
            offer_dimension(o, d);
    for (int k = 0; k < KIND_COUNT; k++)
        for (size_t i = 0; (row->kinds >> k & 1) && i < o->s->load.p->kind[k].n; i++)
            offer_named(o, (struct named){.dimension = -1, .kind = k, .index = i});
}

static void offer_keywords(struct offering *o, const char *keywords)
{
    struct span word, rest = span_str(keywords);
    while (span_cut(&rest, ' ', &word)) {
        const char *help = policy_keyword_help(policy_word_find(word));
        offer(o, word, help ? span_str(help) : SPAN("a keyword"), true);
    }
}

static void offer_clauses(struct offering *o)
{
    const struct policy *p = o->s->load.p;
    unsigned own = o->s->load.files[o->s->file].document;
    for (unsigned i = 0; i < p->n_clauses; i++) {
        const struct policy_clause *c = &p->clauses[i];
        if (c->document == own && !c->plain)
            offer(o, c->id, c->heading, false);
    }
    for (unsigned i = 0; i < p->n_clauses; i++) {
        const struct policy_clause *c = &p->clauses[i];
        bool below = own != POLICY_NONE && (p->documents[own].prevails >> c->document & 1);
        if (below && c->document != own && !c->plain)
            offer(o, policy_clause_ref(p, i, o->a), c->heading, false);
    }
}

static void offer_others(struct offering *o, enum slot slot)
{
    const struct policy *p = o->s->load.p;
    if (slot == SLOT_CLAUSE)
        offer_clauses(o);
    for (size_t i = 0; slot == SLOT_REASON && policy_reason(i); i++)
        offer(o, span_str(policy_reason(i)), SPAN("a reason"), false);
    for (size_t i = 0; slot == SLOT_DOCUMENT && i < p->n_documents; i++)
        offer(o, p->documents[i].pub.name, p->documents[i].pub.title, false);
}

struct policy_suggestion *policy_complete(const struct policy_view *v, struct span file, size_t offset,
                                          struct arena *a, size_t *n)
{
    struct spot s;
    *n = 0;
    if (!spot_find(v, file, offset, a, &s))
        return NULL;
    struct offering o = {.s = &s, .a = a};
    enum slot slot = s.walk.slot;
    const struct slot_row *row = &policy_slots[slot];
    if (!s.walk.named) {
        offer_names(&o, row);
        offer_others(&o, slot);
        offer_keywords(&o, row->keywords);
    } else {
        offer_keywords(&o, row->after);
        if (slot == SLOT_OPERATION && s.block->kind == BLOCK_RULE)
            offer_names(&o, &policy_slots[SLOT_FIELD]);
    }
    *n = o.n;
    return o.list;
}
