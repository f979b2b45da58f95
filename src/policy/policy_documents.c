// SPDX-License-Identifier: Apache-2.0
/* policy_documents.c: documents and clauses: who speaks, where, since when, above whom. */
#include "policy_parse_impl.h"

#define CLAUSES_MAX POLICY_NORMS_MAX /* a clause without a norm is rare */

/* ---- Clause ids, in the info strings. */

static bool id_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static bool letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* name { "." name } */
static bool id_is_good(struct span id)
{
    bool start = true;
    for (size_t i = 0; i < id.len; i++) {
        if (!id_char(id.p[i]) || (start && !letter(id.p[i])))
            return false;
        start = id.p[i] == '.';
    }
    return id.len > 0 && !start && id.len <= POLICY_NAME_MAX;
}

static unsigned clause_of(const struct policy *p, unsigned document, struct span id)
{
    for (size_t i = 0; i < p->n_clauses; i++)
        if (p->clauses[i].document == document && span_eq(p->clauses[i].id, id))
            return (unsigned)i;
    return POLICY_NONE;
}

/* A character of the id that only looks right is told as in a sentence. */
static bool say_id(struct load *l, struct place at, struct span id)
{
    for (size_t i = 0, width; i < id.len; i += width) {
        uint32_t c = policy_glyph(id, i, &width);
        struct place here = {at.file, at.offset + (uint32_t)i, (uint32_t)width};
        if (c >= 0x80)
            return policy_say(l, MSG_SYNTAX, here, "%.*s",
                              SPAN_F(policy_glyph_note(l->arena, span_sub(id, i, width), c)));
    }
    return policy_say(l, MSG_SYNTAX, at,
                      "'%.*s' is no clause id: names of ASCII letters, digits and '-', joined by '.', each "
                      "beginning with a letter",
                      SPAN_F(id));
}

static bool check_id(struct load *l, const struct source_file *f, const struct block *b, struct span id)
{
    const char *word = policy_block_word[b->kind];
    struct place at = id.len > 0 ? b->info : b->fence;
    if (id.len == 0)
        return policy_say(l, MSG_SYNTAX, at, "a %s needs a clause id after the word '%s'", word, word);
    if (!id_is_good(id))
        return say_id(l, at, id);
    if (span_is(id, "document"))
        return policy_say(l, MSG_NAME, at, "the clause id 'document' belongs to the document block");
    unsigned before = clause_of(l->p, f->document, id);
    if (before == POLICY_NONE)
        return true;
    return policy_say(l, MSG_NAME, at, "the clause id '%.*s' is taken already at %.*s:%u", SPAN_F(id),
                      SPAN_F(f->name), l->p->clauses[before].line);
}

static struct span heading_above(const struct source_file *f, uint32_t line)
{
    struct span text = SPAN_EMPTY;
    for (size_t i = 0; i < f->n_headings && f->headings[i].line < line; i++)
        text = f->headings[i].text;
    return text;
}

static void add_clause(struct load *l, struct source_file *f, struct block *b, struct span id)
{
    struct policy *p = l->p;
    b->clause = (unsigned)p->n_clauses;
    *POLICY_PUSH(l->arena, p->clauses, p->n_clauses) = (struct policy_clause){
        .document = f->document,
        .id = id,
        .line = b->line,
        .body = span_trim(policy_place_span(l, b->body)),
        .plain = b->kind == BLOCK_PLAIN,
        .heading = heading_above(f, b->line),
    };
}

static struct span stem(struct span file)
{
    return span_sub(file, 0, span_find(file, '.', 0));
}

bool policy_nothing_follows(struct load *l, const struct block *b)
{
    return b->info.len == 0 ||
           policy_say(l, MSG_SYNTAX, b->info, "nothing may follow the word '%s'", policy_block_word[b->kind]);
}

static bool room_for_clause(struct load *l, const struct block *b)
{
    return l->p->n_clauses < CLAUSES_MAX ||
           policy_say(l, MSG_SYNTAX, b->fence, "a policy has at most %u clauses", CLAUSES_MAX);
}

static void read_rule_fence(struct load *l, struct source_file *f, struct block *b)
{
    struct document *doc = &l->p->documents[f->document];
    struct span info = policy_place_span(l, b->info);
    if (!room_for_clause(l, b) || !check_id(l, f, b, info))
        return;
    if (b->kind == BLOCK_RULE && !doc->declared)
        policy_say(l, MSG_SYNTAX, b->fence, "a rule needs a document block in its file");
    add_clause(l, f, b, info);
    doc->has_rules |= b->kind == BLOCK_RULE;
}

/* The block is read in full whatever follows the word. Of a second one it is said already that it is one. */
static void read_document_fence(struct load *l, struct source_file *f, struct block *b)
{
    struct document *doc = &l->p->documents[f->document];
    if (doc->clause != POLICY_NONE || !room_for_clause(l, b))
        return;
    policy_nothing_follows(l, b);
    add_clause(l, f, b, SPAN("document"));
    doc->clause = b->clause;
}

/* One error for each fence. */
static void read_fence(struct load *l, struct source_file *f, struct block *b)
{
    if (b->told)
        return;
    if (b->kind == BLOCK_RULE || b->kind == BLOCK_PLAIN)
        read_rule_fence(l, f, b);
    else if (b->kind == BLOCK_DOCUMENT)
        read_document_fence(l, f, b);
    else if (b->kind == BLOCK_WORDS)
        policy_say(l, MSG_SYNTAX, b->fence, "words stand in a translation, as in %.*s.zh-CN.md",
                   SPAN_F(stem(f->name)));
    else
        policy_nothing_follows(l, b);
}

/* ---- Names of documents, before anything refers to them. */

static struct block *document_block(struct load *l, struct source_file *f)
{
    struct block *found = NULL;
    for (size_t i = 0; i < f->n_blocks; i++) {
        if (f->blocks[i].kind != BLOCK_DOCUMENT)
            continue;
        if (found)
            policy_say(l, MSG_SYNTAX, f->blocks[i].fence,
                       "a file holds one document block; the first is in line %u", found->line);
        else
            found = &f->blocks[i];
    }
    return found;
}

/* `document NAME "Title"`: what of it can be read; the errors are told when the block is read in full. */
static void peek_name(struct load *l, const struct block *b, struct document *doc)
{
    struct parse s = policy_parse_open(l, b->body, 0, POLICY_NONE);
    doc->declared = true;
    if (!parse_word(&s, WORD_DOCUMENT) || !parse_is_name(parse_peek(&s)))
        return;
    doc->pub.name = parse_peek(&s)->text;
    doc->place = parse_peek(&s)->place;
    if (parse_ahead(&s, 1)->kind == TOKEN_STRING)
        doc->pub.title = parse_ahead(&s, 1)->text;
}

static bool document_is_new(struct load *l, unsigned i, struct place at)
{
    struct span name = l->p->documents[i].pub.name;
    return policy_document_find(l->p, name) == i ||
           policy_say(l, MSG_NAME, at, "another file declares the document '%.*s' already", SPAN_F(name));
}

static void add_document(struct load *l, unsigned file)
{
    struct source_file *f = &l->files[file];
    struct document doc = {.clause = POLICY_NONE, .place = f->blocks[0].fence};
    doc.pub = (struct policy_document){.name = stem(f->name), .file = f->name, .text = f->text};
    struct block *b = document_block(l, f);
    if (b)
        peek_name(l, b, &doc);
    if (l->p->n_documents == POLICY_DOCUMENTS_MAX) {
        policy_say(l, MSG_NAME, doc.place, "a policy has at most %u documents", POLICY_DOCUMENTS_MAX);
        f->n_blocks = 0;
        return;
    }
    f->document = (unsigned)l->p->n_documents;
    *POLICY_PUSH(l->arena, l->p->documents, l->p->n_documents) = doc;
    if (!b) /* else told with the sentence that declares it */
        f->blocks[0].told = !document_is_new(l, f->document, doc.place);
}

void policy_read_document_names(struct load *l)
{
    for (size_t i = 0; i < l->n_files; i++)
        if (l->files[i].n_blocks > 0)
            add_document(l, (unsigned)i);
    for (size_t i = 0; i < l->n_files; i++)
        for (size_t b = 0; b < l->files[i].n_blocks; b++)
            read_fence(l, &l->files[i], &l->files[i].blocks[b]);
}

/* ---- The document block in full. */

static struct document *document_of(struct parse *s)
{
    return &s->load->p->documents[s->document];
}

static bool read_title(struct parse *s)
{
    struct token name;
    if (!parse_name(s, "the document's name", &name))
        return false;
    if (s->start > 0)
        return policy_say(s->load, MSG_SYNTAX, name.place, "a document block declares one document");
    return parse_need_kind(s, TOKEN_STRING, "the document's title in quotation marks") &&
           parse_stop(s, "'.'") && document_is_new(s->load, s->document, name.place);
}

static bool read_dimension(struct parse *s, enum policy_dimension *d)
{
    for (int i = 0; i < DIM_FIELD; i++)
        if (parse_is_kind(s, TOKEN_NAME) && span_is(parse_peek(s)->text, policy_dimension_word[i])) {
            *d = (enum policy_dimension)i;
            return parse_kind(s, TOKEN_NAME);
        }
    return parse_unexpected(s, "operation, actor, subject, service, jurisdiction, party, purpose or basis");
}

static bool read_applies(struct parse *s)
{
    enum policy_dimension d = DIM_OPERATION;
    struct document *doc = document_of(s);
    if (!parse_need_word(s, WORD_TO))
        return false;
    struct place at = parse_peek(s)->place;
    if (!read_dimension(s, &d))
        return false;
    if (doc->scoped[d])
        return policy_say(s->load, MSG_SYNTAX, at, "'applies to %s' stands twice; write one list",
                          policy_dimension_word[d]);
    doc->scoped[d] = true;
    return parse_dimension_list(s, d, WORD_OR, &doc->scope[d]) && parse_stop(s, "',', 'or' or '.'");
}

/* A request that both documents apply to; false: there is none. */
static bool request_of_both(const struct policy *p, const struct document *a, const struct document *b,
                            struct policy_request *q)
{
    *q = (struct policy_request){.facts_known = UINT64_MAX};
    for (int d = 0; d < DIM_COUNT; d++) {
        size_t v = 0;
        while (v < p->dim[d].n &&
               ((a->scoped[d] && !bits_has(&a->scope[d], v)) || (b->scoped[d] && !bits_has(&b->scope[d], v))))
            v++;
        if (v == p->dim[d].n && v > 0)
            return false;
        q->value[d] = (uint16_t)v;
    }
    return true;
}

static bool say_over_itself(struct parse *s, const struct token *t)
{
    const struct document *doc = document_of(s);
    struct policy_request q;
    policy_say(s->load, MSG_CYCLE, t->place, "a document cannot prevail over itself");
    policy_say_other(s->load, doc->place);
    if (request_of_both(s->load->p, doc, doc, &q))
        policy_say_witness(s->load, &q);
    return false;
}

static bool prevail_over(struct parse *s, const struct token *t)
{
    struct policy *p = s->load->p;
    unsigned other = policy_document_find(p, t->text);
    struct nearest n = policy_nearest(t->text);
    for (size_t i = 0; i < p->n_documents; i++)
        policy_nearest_try(&n, p->documents[i].pub.name);
    if (other == POLICY_NONE)
        return policy_say(s->load, MSG_NAME, t->place, "there is no document '%.*s'%.*s", SPAN_F(t->text),
                          SPAN_F(policy_nearest_text(&n, s->load->arena)));
    if (other == s->document)
        return say_over_itself(s, t);
    document_of(s)->prevails |= 1u << other;
    return true;
}

static bool read_prevails(struct parse *s)
{
    if (!parse_need_word(s, WORD_OVER))
        return false;
    do {
        struct token t;
        if (!parse_name(s, "the name of a document", &t) || !prevail_over(s, &t))
            return false;
    } while (parse_more(s, WORD_OR));
    return parse_stop(s, "',', 'or' or '.'");
}

static bool read_revision(struct parse *s)
{
    struct policy_document *doc = &document_of(s)->pub;
    if (doc->revision)
        return policy_say(s->load, MSG_SYNTAX, parse_peek(s)->place, "the revision is given already");
    if (!parse_number(s, "the revision's number", 1000000, &doc->revision) || !parse_need_word(s, WORD_IN) ||
        !parse_need_word(s, WORD_FORCE) || !parse_need_word(s, WORD_FROM))
        return false;
    const struct token *t = parse_peek(s);
    if (!parse_need_kind(s, TOKEN_DATE, "a date, YYYY-MM-DD"))
        return false;
    if (!date_get(t->text, &doc->in_force))
        return policy_say(s->load, MSG_SYNTAX, t->place, "'%.*s' is not a day of the calendar",
                          SPAN_F(t->text));
    return parse_stop(s, "'.'");
}

static bool read_meaning(struct parse *s)
{
    struct document *doc = document_of(s);
    struct meaning m;
    struct token word;
    enum policy_until_unit unit;
    if (!parse_name(s, "a word to explain", &word) || !parse_need_word(s, WORD_MEANS) ||
        !parse_duration(s, &m.number, &unit, &m.unit))
        return false;
    m.word = word.text;
    for (size_t i = 0; i < doc->n_means; i++)
        if (span_eq(doc->means[i].word, m.word))
            return policy_say(s->load, MSG_NAME, word.place, "what '%.*s' means is said already",
                              SPAN_F(m.word));
    *POLICY_PUSH(s->load->arena, doc->means, doc->n_means) = m;
    return parse_stop(s, "'.'");
}

static bool expect_opening(struct parse *s)
{
    static const enum policy_word openings[] = {WORD_APPLIES, WORD_PREVAILS, WORD_REVISION};
    struct nearest near = policy_nearest(parse_peek(s)->text);
    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++)
        policy_nearest_try(&near, span_str(policy_word_text(openings[i])));
    return parse_unexpected_near(s, "'applies to', 'prevails over', 'revision' or 'WORD means'", &near);
}

static bool read_document_sentence(struct parse *s)
{
    if (parse_word(s, WORD_DOCUMENT))
        return read_title(s);
    if (s->start == 0)
        return parse_unexpected(s, "'document' and its name");
    if (parse_word(s, WORD_APPLIES))
        return read_applies(s);
    if (parse_word(s, WORD_PREVAILS))
        return read_prevails(s);
    if (parse_word(s, WORD_REVISION))
        return read_revision(s);
    if (parse_ahead(s, 1)->word == WORD_MEANS)
        return read_meaning(s);
    return expect_opening(s);
}

static void read_document_block(struct load *l, const struct source_file *f, const struct block *b)
{
    struct parse s = policy_parse_open(l, b->body, f->document, b->clause);
    size_t errors = l->m->errors;
    policy_parse_sentences(&s, read_document_sentence);
    bool fence_told = b->info.len > 0;
    if (l->m->errors == errors && !fence_told && !l->p->documents[f->document].pub.revision)
        policy_say(l, MSG_SYNTAX, b->fence,
                   "the document does not say 'revision N in force from DATE' (N from 1)");
}

/* ---- Rank. */

static void close_prevails(struct policy *p)
{
    for (size_t k = 0; k < p->n_documents; k++)
        for (size_t i = 0; i < p->n_documents; i++)
            if (p->documents[i].prevails >> k & 1)
                p->documents[i].prevails |= p->documents[k].prevails;
}

static void say_in_circle(struct load *l, size_t i)
{
    const struct policy *p = l->p;
    const struct document *doc = &p->documents[i];
    const struct document *other = NULL;
    struct policy_request q;
    struct text others = text_new(l->arena, 64);
    for (size_t k = 0; k < p->n_documents; k++) {
        if (k == i || !(doc->prevails >> k & 1) || !(p->documents[k].prevails >> i & 1))
            continue;
        text_fmt(&others, "%s'%.*s'", other ? ", " : " by way of ", SPAN_F(p->documents[k].pub.name));
        other = other ? other : &p->documents[k];
    }
    policy_say(l, MSG_CYCLE, doc->place, "the document '%.*s' prevails over itself%.*s",
               SPAN_F(doc->pub.name), SPAN_F(text_span(&others)));
    if (!other)
        return;
    policy_say_other(l, other->place);
    if (request_of_both(p, doc, other, &q))
        policy_say_witness(l, &q);
}

static void say_prevails_cycle(struct load *l)
{
    for (size_t i = 0; i < l->p->n_documents; i++)
        if (l->p->documents[i].prevails >> i & 1)
            say_in_circle(l, i);
}

/* The next in rank: nothing left prevails over it; by name among several, so that the order of files is
 * irrelevant. */
static unsigned next_in_rank(const struct policy *p, uint32_t left)
{
    unsigned best = POLICY_NONE;
    uint32_t below = 0;
    for (size_t i = 0; i < p->n_documents; i++)
        if (left >> i & 1)
            below |= p->documents[i].prevails;
    for (unsigned i = 0; i < p->n_documents; i++) {
        bool may = (left >> i & 1) && !(below >> i & 1);
        if (may &&
            (best == POLICY_NONE || span_cmp(p->documents[i].pub.name, p->documents[best].pub.name) < 0))
            best = i;
    }
    return best;
}

static void rank_documents(struct policy *p)
{
    uint32_t left = p->n_documents == 32 ? UINT32_MAX : (1u << p->n_documents) - 1;
    for (unsigned rank = 0; rank < p->n_documents; rank++) {
        unsigned i = next_in_rank(p, left);
        if (i == POLICY_NONE) /* a cycle, reported already */
            return;
        p->documents[i].rank = rank;
        left &= ~(1u << i);
    }
}

void policy_read_documents(struct load *l)
{
    for (size_t i = 0; i < l->n_files; i++)
        for (size_t b = 0; b < l->files[i].n_blocks; b++) {
            const struct block *block = &l->files[i].blocks[b];
            if (block->kind == BLOCK_DOCUMENT && block->clause != POLICY_NONE)
                read_document_block(l, &l->files[i], block);
        }
    close_prevails(l->p);
    say_prevails_cycle(l);
    rank_documents(l->p);
}
