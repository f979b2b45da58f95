// SPDX-License-Identifier: Apache-2.0
/* policy_translate.c: see policy_translate.h. Runs when everything else is read: it refers to clauses and
 * names. */
#include "policy_translate.h"
#include "policy_parse_impl.h"

#include <stdlib.h>

#define LISTED_MAX 6 /* names in one message; the rest is counted */

/* ---- The name of the file */

static bool alphanumeric(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* A language of two or three letters, then parts of at most eight (RFC 5646, as far as we need it). */
static bool is_tag(struct span tag)
{
    struct span part, rest = tag;
    bool good = span_cut(&rest, '-', &part) && part.len >= 2 && part.len <= 3;
    for (bool more = good; more; more = span_cut(&rest, '-', &part)) {
        good &= part.len > 0 && part.len <= 8;
        for (size_t i = 0; i < part.len; i++)
            good &= alphanumeric(part.p[i]);
    }
    return good && tag.len <= 35 && tag.p[tag.len - 1] != '-';
}

/* "group.zh-CN.md" -> "zh-CN"; empty if the file is no translation. */
static struct span tag_of(struct span file)
{
    struct span rest = file, stem, tag = SPAN_EMPTY;
    bool two = span_cut(&rest, '.', &stem) && span_cut(&rest, '.', &tag);
    return two && stem.len > 0 && span_is(rest, "md") && is_tag(tag) ? tag : SPAN_EMPTY;
}

bool policy_translation_named(struct span file)
{
    return tag_of(file).len > 0;
}

/* ---- Asking */

size_t policy_translations(const struct policy *p)
{
    return p->n_translations;
}

const struct policy_translation *policy_translation(const struct policy *p, size_t i)
{
    return &p->translations[i].pub;
}

static const struct translation *find(const struct policy *p, unsigned document, struct span language)
{
    for (size_t i = 0; i < p->n_translations; i++)
        if (p->translations[i].pub.document == document && span_eq(p->translations[i].pub.language, language))
            return &p->translations[i];
    return NULL;
}

const struct policy_translation *policy_translation_find(const struct policy *p, unsigned document,
                                                         struct span language)
{
    const struct translation *t = find(p, document, language);
    return t ? &t->pub : NULL;
}

static struct lexicon *lexicon_find(const struct policy *p, struct span language)
{
    for (size_t i = 0; i < p->n_lexicons; i++)
        if (span_eq(p->lexicons[i].language, language))
            return &p->lexicons[i];
    return NULL;
}

static int compare_words(const void *a, const void *b)
{
    return span_cmp(((const struct word *)a)->name, ((const struct word *)b)->name);
}

/* Of two of one name the one that was read first. */
static int compare_places(const void *a, const void *b)
{
    const struct word *x = a, *y = b;
    int order = compare_words(a, b);
    if (order == 0)
        order = (x->place.file > y->place.file) - (x->place.file < y->place.file);
    return order ? order : (x->place.offset > y->place.offset) - (x->place.offset < y->place.offset);
}

struct span policy_word_in(const struct policy *p, struct span language, struct span name)
{
    const struct lexicon *x = lexicon_find(p, language);
    struct word want = {.name = name};
    const struct word *found =
        x && x->n ? bsearch(&want, x->list, x->n, sizeof *x->list, compare_words) : NULL;
    return found ? found->words : SPAN_EMPTY;
}

struct span policy_plain_in(const struct policy *p, struct span language, unsigned clause)
{
    const struct policy_clause *c = policy_clause(p, clause);
    const struct translation *t = find(p, c->document, language);
    for (size_t i = 0; t && i < t->n_clauses; i++)
        if (t->clauses[i].clause == clause && t->clauses[i].body.len)
            return t->clauses[i].body;
    return c->body;
}

bool policy_translated(const struct policy *p, const struct policy_translation *t, unsigned clause)
{
    const struct translation *own = find(p, t->document, t->language);
    for (size_t i = 0; own && i < own->n_clauses; i++)
        if (own->clauses[i].clause == clause)
            return true;
    return false;
}

/* ---- `words`: NAME "words". */

static bool name_known(const struct policy *p, struct span name)
{
    for (int d = 0; d < DIM_COUNT; d++)
        if (policy_find(p, (enum policy_dimension)d, name) != POLICY_NONE ||
            policy_group_find(p, (enum policy_dimension)d, name))
            return true;
    for (int k = 0; k < KIND_COUNT; k++)
        if (policy_kind_find(p, (enum policy_kind)k, name) != POLICY_NONE)
            return true;
    return false;
}

static bool say_unknown(struct load *l, const struct token *t)
{
    struct nearest n = policy_nearest(t->text);
    for (int d = 0; d < DIM_COUNT; d++)
        policy_nearest_dimension(&n, l->p, (enum policy_dimension)d);
    for (int k = 0; k < KIND_COUNT; k++)
        policy_nearest_kind(&n, l->p, (enum policy_kind)k);
    return policy_say(l, MSG_NAME, t->place, "the catalogue declares no '%.*s'%.*s", SPAN_F(t->text),
                      SPAN_F(policy_nearest_text(&n, l->arena)));
}

struct words_parse {
    struct parse parse; /* first: the sentence parser gets a pointer to it */
    struct lexicon *lexicon;
};

static bool read_word(struct parse *s)
{
    struct lexicon *x = ((struct words_parse *)s)->lexicon;
    struct token name = *parse_peek(s), words;
    if (!parse_name(s, "a name of the catalogue", &name))
        return false;
    words = *parse_peek(s);
    if (!parse_need_kind(s, TOKEN_STRING, "what it is called, in quotation marks"))
        return false;
    if (!name_known(s->load->p, name.text))
        return say_unknown(s->load, &name);
    if (!parse_stop(s, "'.'"))
        return false;
    *POLICY_PUSH(s->load->arena, x->list, x->n) =
        (struct word){.name = name.text, .words = words.text, .place = name.place};
    return true;
}

static void read_words(struct load *l, const struct block *b, struct span language)
{
    struct lexicon *x = lexicon_find(l->p, language);
    if (!x) {
        x = POLICY_PUSH(l->arena, l->p->lexicons, l->p->n_lexicons);
        *x = (struct lexicon){.language = language};
    }
    struct words_parse s = {policy_parse_open(l, b->body, 0, POLICY_NONE), x};
    policy_parse_sentences(&s.parse, read_word);
}

static void close_lexicon(struct load *l, struct lexicon *x)
{
    if (x->n > 1)
        qsort(x->list, x->n, sizeof *x->list, compare_places);
    for (size_t i = 1; i < x->n; i++) {
        if (!span_eq(x->list[i].name, x->list[i - 1].name))
            continue;
        policy_say(l, MSG_NAME, x->list[i].place, "'%.*s' has its words already", SPAN_F(x->list[i].name));
        policy_say_other(l, x->list[i - 1].place);
    }
}

/* ---- One file */

static unsigned document_of(const struct policy *p, struct span file)
{
    struct span stem = span_sub(file, 0, span_find(file, '.', 0));
    for (unsigned i = 0; i < p->n_documents; i++) {
        struct span own = p->documents[i].pub.file;
        if (own.len == stem.len + strlen(".md") && span_eq(span_sub(own, 0, stem.len), stem))
            return i;
    }
    return POLICY_NONE;
}

static unsigned clause_of(const struct policy *p, unsigned document, struct span id)
{
    for (unsigned i = 0; i < p->n_clauses; i++)
        if (p->clauses[i].document == document && span_eq(p->clauses[i].id, id))
            return i;
    return POLICY_NONE;
}

static bool say_no_clause(struct load *l, const struct translation *t, struct place at, struct span id)
{
    struct nearest n = policy_nearest(id);
    for (size_t i = 0; i < l->p->n_clauses; i++)
        if (l->p->clauses[i].document == t->pub.document)
            policy_nearest_try(&n, l->p->clauses[i].id);
    return policy_warn(l, MSG_UNTRANSLATED, at, "%.*s has no clause '%.*s'%.*s",
                       SPAN_F(l->p->documents[t->pub.document].pub.file), SPAN_F(id),
                       SPAN_F(policy_nearest_text(&n, l->arena)));
}

/* The source's own block says what the clause is: a rule cannot become a remark by translation. */
static bool fits(struct load *l, const struct translation *t, const struct block *b, struct span id,
                 unsigned clause)
{
    const struct policy_clause *c = &l->p->clauses[clause];
    if (b->kind == BLOCK_DOCUMENT || c->plain == (b->kind == BLOCK_PLAIN))
        return true;
    return policy_warn(l, MSG_UNTRANSLATED, b->info, "'%.*s' is a %s at %.*s:%u", SPAN_F(id),
                       policy_block_word[c->plain ? BLOCK_PLAIN : BLOCK_RULE],
                       SPAN_F(l->p->documents[t->pub.document].pub.file), c->line);
}

static bool taken(struct load *l, const struct translation *t, struct place at, struct span id,
                  unsigned clause)
{
    for (size_t i = 0; i < t->n_clauses; i++) {
        if (t->clauses[i].clause != clause)
            continue;
        policy_say(l, MSG_NAME, at, "the clause '%.*s' stands here twice", SPAN_F(id));
        policy_say_other(l, t->clauses[i].place);
        return true;
    }
    return false;
}

static void read_clause(struct load *l, struct translation *t, const struct block *b)
{
    bool head = b->kind == BLOCK_DOCUMENT;
    struct span id = head ? SPAN("document") : policy_place_span(l, b->info);
    struct place at = head || id.len == 0 ? b->fence : b->info;
    struct span body = span_trim(policy_place_span(l, b->body));
    unsigned clause = clause_of(l->p, t->pub.document, id);
    bool told = body.len && b->kind != BLOCK_PLAIN;
    if (told)
        policy_say(l, MSG_SYNTAX, at,
                   "a translation holds no sentences: they stand in %.*s, leave this block empty",
                   SPAN_F(l->p->documents[t->pub.document].pub.file));
    else if (clause == POLICY_NONE)
        say_no_clause(l, t, at, id);
    if (clause == POLICY_NONE)
        return;
    if (!told && (!fits(l, t, b, id, clause) || taken(l, t, at, id, clause)))
        return;
    *POLICY_PUSH(l->arena, t->clauses, t->n_clauses) = (struct translated){clause, body, at};
}

static void read_block(struct load *l, struct translation *t, const struct block *b)
{
    bool takes_id = b->kind == BLOCK_RULE || b->kind == BLOCK_PLAIN;
    if (takes_id && b->info.len == 0) {
        policy_say(l, MSG_SYNTAX, b->fence, "a %s needs a clause id after the word '%s'",
                   policy_block_word[b->kind], policy_block_word[b->kind]);
        return;
    }
    if (!takes_id && !policy_nothing_follows(l, b))
        return;
    if (b->kind == BLOCK_WORDS)
        read_words(l, b, t->pub.language);
    else if (b->kind != BLOCK_CATALOGUE && b->kind != BLOCK_VOCABULARY)
        read_clause(l, t, b);
    else if (span_trim(policy_place_span(l, b->body)).len)
        policy_say(
            l, MSG_SYNTAX, b->fence,
            "a translation declares no names; leave this block empty, and put their words into a 'words' "
            "block");
}

/* What a translation without its document would have said is lost: an error where it is more than prose. */
static void say_orphan(struct load *l, unsigned file)
{
    const struct source_file *f = &l->files[file];
    struct span stem = span_sub(f->name, 0, span_find(f->name, '.', 0));
    for (size_t i = 0; i < f->n_blocks; i++) {
        const struct block *b = &f->blocks[i];
        if (b->kind == BLOCK_PLAIN || b->kind == BLOCK_WORDS || !span_trim(policy_place_span(l, b->body)).len)
            continue;
        policy_say(l, MSG_SYNTAX, b->fence,
                   "this block is not read: the name says that the file is a translation, but there is no "
                   "document %.*s.md; a document is named NAME.md",
                   SPAN_F(stem));
        return;
    }
    policy_warn(l, MSG_UNTRANSLATED, (struct place){file, 0, 0},
                "there is no document %.*s.md that this could be a translation of", SPAN_F(stem));
}

static void read_file(struct load *l, unsigned file)
{
    const struct source_file *f = &l->files[file];
    struct translation t = {
        .pub = {document_of(l->p, f->name), tag_of(f->name), SPAN_EMPTY, f->name, f->text}};
    if (t.pub.document == POLICY_NONE) {
        say_orphan(l, file);
        return;
    }
    t.pub.title = f->n_headings ? f->headings[0].text : SPAN_EMPTY;
    for (size_t i = 0; i < f->n_blocks; i++)
        read_block(l, &t, &f->blocks[i]);
    *POLICY_PUSH(l->arena, l->p->translations, l->p->n_translations) = t;
}

/* ---- What one language lacks */

static const struct block *block_of(const struct load *l, unsigned clause, unsigned *file)
{
    for (*file = 0; *file < l->n_files; (*file)++)
        for (size_t b = 0; b < l->files[*file].n_blocks; b++)
            if (l->files[*file].blocks[b].clause == clause &&
                l->files[*file].blocks[b].kind != BLOCK_CATALOGUE)
                return &l->files[*file].blocks[b];
    return NULL;
}

static void check_clauses(struct load *l, const struct translation *t)
{
    const struct policy *p = l->p;
    unsigned file;
    for (unsigned i = 0; i < p->n_clauses; i++) {
        const struct block *b = NULL;
        if (p->clauses[i].document == t->pub.document && !policy_translated(p, &t->pub, i))
            b = block_of(l, i, &file);
        if (!b)
            continue;
        l->clause = i;
        policy_warn(l, MSG_UNTRANSLATED, b->fence, "%.*s lacks this clause", SPAN_F(t->pub.file));
        l->clause = POLICY_NONE;
    }
}

static void check_documents(struct load *l, struct span language)
{
    for (unsigned i = 0; i < l->n_files; i++) {
        unsigned doc = l->files[i].document;
        if (doc != POLICY_NONE && !find(l->p, doc, language))
            policy_warn(l, MSG_UNTRANSLATED, (struct place){i, 0, 0},
                        "this document has no %.*s text, but others have", SPAN_F(language));
    }
}

/* Names without words, told once for each language: a list of four hundred is no help. */
struct lacking {
    struct load *l;
    struct span language;
    struct text names;
    struct place first;
    size_t n;
};

static void lack(struct lacking *k, const struct word *w)
{
    if (w->implied || policy_word_in(k->l->p, k->language, w->name).len)
        return;
    if (k->n == 0)
        k->first = w->place;
    if (k->n++ < LISTED_MAX)
        text_fmt(&k->names, "%s%.*s", k->n > 1 ? ", " : "", SPAN_F(w->name));
}

static void lack_dimension(struct lacking *k, const struct dimension *d)
{
    for (size_t i = 0; i < d->n; i++)
        lack(k, &d->members[i]);
    for (size_t i = 0; i < d->n_groups; i++)
        lack(k, &(struct word){.name = d->groups[i].name, .place = d->groups[i].place});
}

static void check_words(struct load *l, struct span language)
{
    struct lacking k = {.l = l, .language = language, .names = text_new(l->arena, 128)};
    for (int d = 0; d < DIM_COUNT; d++)
        lack_dimension(&k, &l->p->dim[d]);
    for (int kind = 0; kind < KIND_COUNT; kind++)
        for (size_t i = 0; i < l->p->kind[kind].n; i++)
            lack(&k, &l->p->kind[kind].list[i]);
    if (k.n > LISTED_MAX)
        text_fmt(&k.names, " and %zu more", k.n - LISTED_MAX);
    if (k.n)
        policy_warn(l, MSG_UNTRANSLATED, k.first, "no %.*s words for %.*s", SPAN_F(language),
                    SPAN_F(text_span(&k.names)));
}

static bool first_of_language(const struct policy *p, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (span_eq(p->translations[k].pub.language, p->translations[i].pub.language))
            return false;
    return true;
}

static void check_all(struct load *l)
{
    const struct policy *p = l->p;
    for (size_t i = 0; i < p->n_translations; i++) {
        check_clauses(l, &p->translations[i]);
        if (!first_of_language(p, i))
            continue;
        check_documents(l, p->translations[i].pub.language);
        check_words(l, p->translations[i].pub.language);
    }
}

void policy_read_translations(struct load *l)
{
    for (size_t i = 0; i < l->n_translations; i++)
        read_file(l, (unsigned)(l->n_files + i));
    for (size_t i = 0; i < l->p->n_lexicons; i++)
        close_lexicon(l, &l->p->lexicons[i]);
    if (l->m->errors == 0) /* what could not be read would be told as lacking */
        check_all(l);
}

const struct policy_source *policy_sources_split(struct load *l, const struct policy_source *sources,
                                                 size_t n)
{
    struct policy_source *sorted = ARENA_ARRAY(l->arena, n + 1, struct policy_source);
    size_t k = 0;
    for (int translated = 0; translated < 2; translated++) {
        for (size_t i = 0; i < n; i++)
            if (policy_translation_named(sources[i].name) == (bool)translated)
                sorted[k++] = sources[i];
        if (!translated)
            l->n_files = k;
    }
    l->n_translations = n - l->n_files;
    return sorted;
}
