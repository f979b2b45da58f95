// SPDX-License-Identifier: Apache-2.0
/* policy_diff_norms.c: which norms say the same on both sides, and which sentence became which. */
#include "policy_diff_impl.h"

#include <stdlib.h>

/* The parts of a norm by which two are compared. */
enum norm_part { PART_FACTS = DIM_COUNT, PART_NEEDS, PART_MUST, PART_UNTIL, PART_COUNT };

struct sentence {
    unsigned norm;    /* the first */
    uint64_t meaning; /* of all its norms, whatever their order */
    uint32_t text;
    uint32_t group; /* UINT32_MAX: not yet known what became of it */
};

struct parts {
    uint32_t of[PART_COUNT]; /* equal ones are one number */
};

struct norming {
    const struct diff_names *names;
    struct arena *arena;
    struct diff_norms *out;
    struct intern keys, parts, texts;
    struct parts *part[DIFF_SIDES]; /* of each norm */
    uint32_t *sentence_of[DIFF_SIDES];
    struct sentence *sentences[DIFF_SIDES];
    size_t n_sentences[DIFF_SIDES];
    size_t cap_groups;
};

static const struct norm *norm_at(const struct norming *s, int side, size_t i)
{
    return &s->names->side[side]->norms[i];
}

/* ---- Parts, as bytes. */

static void put_word(struct text *t, uint64_t word)
{
    text_put(t, span_of(&word, sizeof word));
}

static int by_word(const void *a, const void *b)
{
    return memcmp(a, b, 2 * sizeof(uint64_t));
}

/* The terms in one order, whatever order they were written in. */
void diff_terms_put(const struct diff_names *n, int side, const struct formula *f, enum policy_kind k,
                    struct text *t)
{
    uint64_t pair[FORMULA_TERMS_MAX][2];
    for (size_t i = 0; i < f->n; i++) {
        const struct term *m = &f->terms[i];
        bool facts = k == KIND_FACT;
        pair[i][0] = diff_word_of(n, (enum policy_side)side, k, facts ? m->facts : m->needs);
        pair[i][1] = diff_word_of(n, (enum policy_side)side, k, facts ? m->facts_value : m->needs_value);
    }
    qsort(pair, f->n, sizeof pair[0], by_word);
    put_word(t, f->n);
    text_put(t, span_of(pair, f->n * sizeof pair[0]));
}

void diff_must_put(const struct diff_names *n, int side, const struct must *m, struct text *t)
{
    put_word(t, m->kind);
    if (m->kind == MUST_HAVE)
        diff_terms_put(n, side, &m->needs, KIND_NEED, t);
    else
        put_word(t, n->kind_of[side][m->kind == MUST_MASK ? KIND_MASK : KIND_DEED][m->index]);
}

/* What a condition requires or a waiver waives; each waived thing is a number of its own, so that their order
 * does not matter. */
static void put_musts(struct norming *s, int side, const struct norm *n, struct text *t)
{
    uint64_t waived[2] = {0, 0};
    if (n->kind == NORM_CONDITION)
        diff_must_put(s->names, side, &n->must, t);
    for (size_t i = 0; i < n->n_waives; i++) {
        struct text one = text_new(s->arena, 64);
        diff_must_put(s->names, side, &n->waives[i], &one);
        uint64_t number = diff_intern(&s->parts, one.p, one.len);
        waived[0] += number * 0x9e3779b97f4a7c15u;
        waived[1] ^= (number + 1) * 0xc2b2ae3d27d4eb4fu;
    }
    text_put(t, span_of(waived, sizeof waived));
}

static void put_until(const struct norming *s, int side, const struct until *u, struct text *t)
{
    put_word(t, u->event == POLICY_NONE ? POLICY_NONE : s->names->kind_of[side][KIND_EVENT][u->event]);
    put_word(t, u->number);
    put_word(t, u->unit);
}

/* The values that both sides know and that the norm holds within its document's scope. */
static void put_values(const struct norming *s, int side, size_t norm, enum policy_dimension d,
                       struct text *t)
{
    const struct norm_index *x = &s->names->side[side]->index;
    struct bits b = {{0}};
    for (size_t v = 0; v < s->names->values[d]; v++) {
        uint16_t own = s->names->own[side][d][v];
        if (bits_has(&s->names->common[d], v) && norm_set_has(x->row[d] + own * x->words, norm))
            bits_add(&b, v);
    }
    text_put(t, span_of(&b, sizeof b));
}

static void read_parts(struct norming *s, int side, size_t i)
{
    const struct norm *n = norm_at(s, side, i);
    uint32_t *part = s->part[side][i].of;
    struct text t = text_new(s->arena, 512);
    for (int k = 0; k < PART_COUNT; k++) {
        t.len = 0;
        put_word(&t, (uint64_t)k);
        if (k < DIM_COUNT)
            put_values(s, side, i, (enum policy_dimension)k, &t);
        else if (k == PART_FACTS)
            diff_terms_put(s->names, side, &n->act.when, KIND_FACT, &t);
        else if (k == PART_NEEDS)
            diff_terms_put(s->names, side, &n->act.needs, KIND_NEED, &t);
        else if (k == PART_MUST)
            put_musts(s, side, n, &t);
        else
            put_until(s, side, &n->act.until, &t);
        part[k] = diff_intern(&s->parts, t.p, t.len);
    }
}

static void read_key(struct norming *s, int side, size_t i)
{
    const struct norm *n = norm_at(s, side, i);
    struct text t = text_new(s->arena, 128);
    put_word(&t, n->kind);
    text_put(&t, span_of(&s->part[side][i], sizeof s->part[side][i]));
    text_put(&t, s->names->side[side]->documents[n->document].pub.name);
    uint32_t key = diff_intern(&s->keys, t.p, t.len);
    s->out->key[side][i] = key;
    if (key == s->out->n_keys) {
        s->out->keys[key] = (struct diff_key){.norm = {POLICY_NONE, POLICY_NONE}};
        s->out->n_keys++;
    }
    if (s->out->keys[key].norm[side] == POLICY_NONE)
        s->out->keys[key].norm[side] = (uint16_t)i;
}

static void read_needs(struct norming *s, int side, size_t i)
{
    const struct formula *f = diff_needs(norm_at(s, side, i));
    uint64_t *needs = ARENA_ARRAY(s->arena, f->n + 1, uint64_t);
    for (size_t k = 0; k < f->n; k++)
        needs[k] = diff_word_of(s->names, (enum policy_side)side, KIND_NEED, f->terms[k].needs);
    s->out->needs[side][i] = needs;
}

/* ---- Sentences: the norms of one place; their meaning, and their words without blanks between them. */

void diff_words_put(struct span sentence, struct text *t)
{
    struct span line, word;
    bool any = false;
    while (span_cut(&sentence, '\n', &line)) {
        for (size_t i = 0; i + 1 < line.len; i++)
            if (line.p[i] == '-' && line.p[i + 1] == '-' && (i == 0 || line.p[i - 1] == ' '))
                line.len = i;
        while (span_cut(&line, ' ', &word)) {
            word = span_trim(word);
            if (word.len == 0)
                continue;
            text_str(t, any ? " " : "");
            text_put(t, word);
            any = true;
        }
    }
}

static uint32_t text_number(struct norming *s, struct span sentence)
{
    struct text t = text_new(s->arena, sentence.len + 1);
    diff_words_put(sentence, &t);
    return diff_intern(&s->texts, t.p, t.len);
}

/* Numbers that follow each other, far apart: so that no sum of some is another one. */
static uint64_t spread(uint64_t number)
{
    uint64_t x = (number + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void read_sentences(struct norming *s, int side)
{
    size_t n = s->names->side[side]->n_norms;
    struct intern places = diff_intern_new(s->arena);
    s->sentences[side] = ARENA_ARRAY(s->arena, n + 1, struct sentence);
    s->sentence_of[side] = ARENA_ARRAY(s->arena, n + 1, uint32_t);
    for (size_t i = 0; i < n; i++) {
        const struct norm *m = norm_at(s, side, i);
        uint32_t place[] = {m->kind, m->place.file, m->place.offset};
        uint32_t k = diff_intern(&places, place, sizeof place);
        struct sentence *found = &s->sentences[side][k];
        if (k == s->n_sentences[side]) {
            *found = (struct sentence){.norm = (unsigned)i, .group = UINT32_MAX};
            found->text = text_number(s, m->sentence);
            s->n_sentences[side]++;
        }
        found->meaning += spread(s->out->key[side][i]);
        s->sentence_of[side][i] = k;
    }
}

/* ---- What became of each. */

static bool same_clause(const struct norming *s, const struct sentence *a, const struct sentence *b)
{
    const struct policy *p = s->names->side[DIFF_OLD], *q = s->names->side[DIFF_NEW];
    const struct policy_clause *c = &p->clauses[p->norms[a->norm].clause],
                               *d = &q->clauses[q->norms[b->norm].clause];
    return span_eq(c->id, d->id) &&
           span_eq(p->documents[c->document].pub.name, q->documents[d->document].pub.name);
}

static bool same_document(const struct norming *s, const struct sentence *a, const struct sentence *b)
{
    const struct policy *p = s->names->side[DIFF_OLD], *q = s->names->side[DIFF_NEW];
    return span_eq(p->documents[p->norms[a->norm].document].pub.name,
                   q->documents[q->norms[b->norm].document].pub.name);
}

static unsigned parts_alike(const struct norming *s, const struct sentence *a, const struct sentence *b)
{
    unsigned n = 0;
    for (int k = 0; k < PART_COUNT; k++)
        n += s->part[DIFF_OLD][a->norm].of[k] == s->part[DIFF_NEW][b->norm].of[k];
    return n;
}

/* How well a sentence of the new side goes for one of the old; 0: not at all. One function for each pass. */
static unsigned fits_unmoved(const struct norming *s, const struct sentence *a, const struct sentence *b)
{
    return a->meaning == b->meaning && same_clause(s, a, b);
}
static unsigned fits_meaning(const struct norming *s, const struct sentence *a, const struct sentence *b)
{
    return a->meaning == b->meaning && same_document(s, a, b);
}
static unsigned fits_clause(const struct norming *s, const struct sentence *a, const struct sentence *b)
{
    return norm_at(s, DIFF_OLD, a->norm)->kind == norm_at(s, DIFF_NEW, b->norm)->kind && same_clause(s, a, b)
               ? 1 + (a->text == b->text ? PART_COUNT : parts_alike(s, a, b))
               : 0;
}
static unsigned fits_words(const struct norming *s, const struct sentence *a, const struct sentence *b)
{
    return a->text == b->text && same_document(s, a, b);
}
/* Moved and changed at once. */
static unsigned fits_parts(const struct norming *s, const struct sentence *a, const struct sentence *b)
{
    bool kind = norm_at(s, DIFF_OLD, a->norm)->kind == norm_at(s, DIFF_NEW, b->norm)->kind;
    unsigned alike = kind && same_document(s, a, b) ? parts_alike(s, a, b) : 0;
    return alike + 2 >= PART_COUNT ? alike : 0;
}

static void pair(struct norming *s, struct sentence *a, struct sentence *b)
{
    struct diff_group *g = &s->out->groups[s->out->n_groups];
    *g = (struct diff_group){{a ? a->norm : POLICY_NONE, b ? b->norm : POLICY_NONE}};
    if (a)
        a->group = (uint32_t)s->out->n_groups;
    if (b)
        b->group = (uint32_t)s->out->n_groups;
    s->out->n_groups++;
}

static void pair_best(struct norming *s, struct sentence *a,
                      unsigned (*fits)(const struct norming *, const struct sentence *,
                                       const struct sentence *))
{
    struct sentence *best = NULL;
    unsigned most = 0;
    for (size_t k = 0; k < s->n_sentences[DIFF_NEW]; k++) {
        struct sentence *b = &s->sentences[DIFF_NEW][k];
        unsigned fit = b->group == UINT32_MAX ? fits(s, a, b) : 0;
        if (fit <= most)
            continue;
        most = fit;
        best = b;
    }
    if (best)
        pair(s, a, best);
}

static void pair_all(struct norming *s)
{
    static unsigned (*const pass[])(const struct norming *, const struct sentence *,
                                    const struct sentence *) = {fits_unmoved, fits_meaning, fits_clause,
                                                                fits_words, fits_parts};
    for (size_t i = 0; i < sizeof pass / sizeof pass[0]; i++)
        for (size_t k = 0; k < s->n_sentences[DIFF_OLD]; k++)
            if (s->sentences[DIFF_OLD][k].group == UINT32_MAX)
                pair_best(s, &s->sentences[DIFF_OLD][k], pass[i]);
    for (size_t k = 0; k < s->n_sentences[DIFF_OLD]; k++)
        if (s->sentences[DIFF_OLD][k].group == UINT32_MAX)
            pair(s, &s->sentences[DIFF_OLD][k], NULL);
    for (size_t k = 0; k < s->n_sentences[DIFF_NEW]; k++)
        if (s->sentences[DIFF_NEW][k].group == UINT32_MAX)
            pair(s, NULL, &s->sentences[DIFF_NEW][k]);
    for (int side = 0; side < DIFF_SIDES; side++)
        for (size_t i = 0; i < s->names->side[side]->n_norms; i++)
            s->out->group[side][i] = s->sentences[side][s->sentence_of[side][i]].group;
}

/* ---- What they lift. Sentences that only one side has are a change of their own. */

static void lifted_groups(const struct norming *s, int side, size_t norm, uint64_t *set)
{
    const struct norm *n = norm_at(s, side, norm);
    for (size_t i = 0; i < n->n_targets; i++) {
        uint32_t group = s->out->group[side][n->targets[i]];
        const struct diff_group *g = &s->out->groups[group];
        if (g->norm[DIFF_OLD] != POLICY_NONE && g->norm[DIFF_NEW] != POLICY_NONE)
            set[group / 64] |= 1ull << (group % 64);
    }
}

static void compare_lifts(struct norming *s)
{
    size_t words = s->out->n_groups / 64 + 1;
    uint64_t *set[DIFF_SIDES] = {ARENA_ARRAY(s->arena, words, uint64_t),
                                 ARENA_ARRAY(s->arena, words, uint64_t)};
    for (size_t k = 0; k < s->out->n_keys; k++) {
        struct diff_key *key = &s->out->keys[k];
        if (diff_key_changed(key))
            continue;
        for (int side = 0; side < DIFF_SIDES; side++) {
            memset(set[side], 0, words * sizeof(uint64_t));
            lifted_groups(s, side, key->norm[side], set[side]);
        }
        key->lifts_otherwise = memcmp(set[0], set[1], words * sizeof(uint64_t)) != 0;
    }
}

void policy_diff_norms(const struct diff_names *n, struct arena *a, struct diff_norms *out)
{
    struct norming s = {.names = n, .arena = a, .out = out};
    size_t all = n->side[DIFF_OLD]->n_norms + n->side[DIFF_NEW]->n_norms;
    s.keys = diff_intern_new(a);
    s.parts = diff_intern_new(a);
    s.texts = diff_intern_new(a);
    *out = (struct diff_norms){.keys = ARENA_ARRAY(a, all + 1, struct diff_key),
                               .groups = ARENA_ARRAY(a, all + 1, struct diff_group)};
    for (int side = 0; side < DIFF_SIDES; side++) {
        size_t norms = n->side[side]->n_norms;
        s.part[side] = ARENA_ARRAY(a, norms + 1, struct parts);
        out->key[side] = ARENA_ARRAY(a, norms + 1, uint32_t);
        out->group[side] = ARENA_ARRAY(a, norms + 1, uint32_t);
        out->needs[side] = ARENA_ARRAY(a, norms + 1, uint64_t *);
        for (size_t i = 0; i < norms; i++) {
            read_parts(&s, side, i);
            read_key(&s, side, i);
            read_needs(&s, side, i);
        }
        read_sentences(&s, side);
    }
    pair_all(&s);
    compare_lifts(&s);
}
