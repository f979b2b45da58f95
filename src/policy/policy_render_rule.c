// SPDX-License-Identifier: Apache-2.0
/* The boxes under the prose: sentences as written, keywords strong, names linked to where they are declared.
 */
#include "policy_render_impl.h"

struct keyword {
    const char *spelling;
    bool reserved;
};
static const struct keyword keywords[] = {
#define W(id, spelling, reserved) {spelling, reserved},
#include "policy_words.def"
#undef W
};

enum block_kind policy_render_kind(struct span info, struct span *rest)
{
    struct span word = SPAN_EMPTY; /* a closing fence has none */
    *rest = span_trim(info);
    (void)span_cut(rest, ' ', &word);
    *rest = span_trim(*rest);
    for (unsigned k = 0; k < BLOCK_KIND_COUNT; k++)
        if (word.len && span_is(word, policy_block_word[k]))
            return (enum block_kind)k;
    return BLOCK_KIND_COUNT;
}

/* ---- Names */

/* Keywords that open a declaration are names inside it, and inside rules. */
static bool is_keyword(struct span word, bool declares)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (span_is(word, keywords[i].spelling))
            return keywords[i].reserved || declares;
    return false;
}

static bool is_declared(const struct policy *p, struct span name)
{
    for (unsigned d = 0; d < DIM_COUNT; d++)
        if (policy_find(p, (enum policy_dimension)d, name) != POLICY_NONE ||
            policy_group_find(p, (enum policy_dimension)d, name))
            return true;
    for (unsigned k = 0; k < KIND_COUNT; k++)
        if (policy_kind_find(p, (enum policy_kind)k, name) != POLICY_NONE)
            return true;
    return false;
}

/* What hovering a name tells: the language's words for it, or what the catalogue says. */
static struct span words_of(const struct render *s, struct span name)
{
    const struct policy *p = s->r->policy;
    struct span words = policy_word_in(p, s->language, name);
    for (unsigned k = 0; k < KIND_COUNT && words.len == 0; k++) {
        unsigned i = policy_kind_find(p, (enum policy_kind)k, name);
        if (i != POLICY_NONE)
            words = policy_kind_words(p, (enum policy_kind)k, i);
    }
    return words;
}

void policy_render_put_address(struct render *s, struct span document)
{
    unsigned i = s->r->numbered ? policy_document_find(s->r->policy, document) : POLICY_NONE;
    text_html(s->out, s->r->base);
    text_html(s->out, document);
    if (i != POLICY_NONE && policy_document(s->r->policy, i)->revision)
        text_fmt(s->out, "/%u", policy_document(s->r->policy, i)->revision);
    text_html(s->out, s->r->suffix);
}

static void put_place(struct render *s, struct span document)
{
    text_str(s->out, "<a href=\"");
    policy_render_put_address(s, document);
}

static void put_name(struct render *s, struct span name)
{
    struct span words = words_of(s, name);
    put_place(s, s->catalogue);
    text_str(s->out, "#name:");
    text_html(s->out, name);
    if (words.len) {
        text_str(s->out, "\" title=\"");
        text_html(s->out, words);
    }
    text_str(s->out, "\">");
    text_html(s->out, name);
    text_str(s->out, "</a>");
}

/* The first time a catalogue holds a name is where it is declared. */
static bool anchor_name(struct render *s, struct span name)
{
    for (size_t i = 0; i < s->n_anchored; i++)
        if (span_eq(s->anchored[i], name))
            return false;
    *POLICY_PUSH(s->out->arena, s->anchored, s->n_anchored) = name;
    text_str(s->out, "<span class=\"name\" id=\"name:");
    text_html(s->out, name);
    text_str(s->out, "\">");
    text_html(s->out, name);
    text_str(s->out, "</span>");
    return true;
}

/* ---- Clause references: `share.exc-01`, `group/share.*` */

static struct span own_name(const struct render *s)
{
    return policy_document(s->r->policy, s->r->document)->name;
}

void policy_render_clause_link(struct render *s, struct span document, struct span id)
{
    put_place(s, document);
    if (s->r->suffix.len == 0) {
        text_str(s->out, "?clause=");
        text_html(s->out, id);
    }
    text_char(s->out, '#');
    text_html(s->out, id);
    text_str(s->out, "\">");
}

static bool put_reference(struct render *s, struct span word)
{
    struct arena *a = s->out->arena;
    struct span rest = word, document = own_name(s);
    if (span_find(word, '/', 0) < word.len)
        (void)span_cut(&rest, '/', &document);
    struct span ref = arena_fmt(a, "%.*s/%.*s", SPAN_F(document), SPAN_F(rest));
    if (policy_clause_find(s->r->policy, ref) == POLICY_NONE)
        return false;
    policy_render_clause_link(s, document, rest);
    text_html(s->out, word);
    text_str(s->out, "</a>");
    return true;
}

/* ---- Sentences */

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word_byte(uint8_t c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '/' || c == '*';
}

/* The word at `at`, without the full stop that ends its sentence. */
static struct span word_at(struct span body, size_t at)
{
    size_t end = at;
    while (end < body.len && is_word_byte(body.p[end]))
        end++;
    while (end > at + 1 && body.p[end - 1] == '.')
        end--;
    return span_sub(body, at, end - at);
}

static void put_word(struct render *s, enum block_kind kind, struct span word)
{
    bool declares = kind == BLOCK_DOCUMENT || (kind == BLOCK_CATALOGUE && s->opens);
    s->opens = false;
    if (is_keyword(word, declares)) {
        text_str(s->out, "<b>");
        text_put(s->out, word);
        text_str(s->out, "</b>");
        return;
    }
    bool known = is_declared(s->r->policy, word);
    if (known && kind == BLOCK_CATALOGUE && anchor_name(s, word))
        return;
    if (known && s->catalogue.len)
        put_name(s, word);
    else if (!put_reference(s, word))
        text_html(s->out, word);
}

static void put_marked(struct render *s, const char *class_name, struct span part)
{
    text_fmt(s->out, "<span class=\"%s\">", class_name);
    text_html(s->out, part);
    text_str(s->out, "</span>");
}

/* Puts one token of body at `at`; returns its length. */
static size_t put_token(struct render *s, enum block_kind kind, struct span body, size_t at)
{
    uint8_t c = body.p[at];
    if (is_letter(c)) {
        struct span word = word_at(body, at);
        put_word(s, kind, word);
        return word.len;
    }
    struct span part = span_sub(body, at, 1);
    if (c == '"') {
        part = span_sub(body, at, span_find(body, '"', at + 1) + 1 - at);
        put_marked(s, "string", part);
    } else if (span_starts(span_sub(body, at, 2), "--")) {
        part = span_sub(body, at, span_find(body, '\n', at) - at);
        put_marked(s, "comment", part);
    } else {
        s->opens |= c == '.';
        text_html(s->out, part);
    }
    return part.len;
}

/* ---- The box */

static const enum render_word titles[BLOCK_KIND_COUNT] = {
    [BLOCK_DOCUMENT] = RENDER_DOCUMENT, [BLOCK_CATALOGUE] = RENDER_CATALOGUE,
    [BLOCK_RULE] = RENDER_ENFORCED,     [BLOCK_PLAIN] = RENDER_PLAIN,
    [BLOCK_WORDS] = RENDER_WORDS_BLOCK, [BLOCK_VOCABULARY] = RENDER_VOCABULARY,
};

static bool is_open(const struct render *s, enum block_kind kind, struct span id)
{
    struct span open = s->r->open;
    return kind == BLOCK_CATALOGUE || span_is(open, "*") || (open.len && span_eq(open, id));
}

static void put_permalink(struct render *s, struct span id)
{
    text_str(s->out, "<p class=\"permalink\">");
    policy_render_clause_link(s, own_name(s), id);
    policy_render_say(s, RENDER_LINK);
    text_str(s->out, " <code>");
    text_html(s->out, own_name(s));
    text_char(s->out, '/');
    text_html(s->out, id);
    text_str(s->out, "</code></a></p>\n");
}

/* ---- What is in it */

static void put_source(struct render *s, enum block_kind kind, struct span body)
{
    text_str(s->out, "<pre lang=\"en\" tabindex=\"0\"><code>");
    s->opens = true;
    for (size_t at = 0; at < body.len;)
        at += put_token(s, kind, body, at);
    text_str(s->out, "</code></pre>\n");
}

/* The sentence, without the comments above it. */
static void put_plain(struct render *s, struct span body)
{
    struct span line;
    text_str(s->out, "<p class=\"sentences\">");
    for (size_t n = 0; span_cut(&body, '\n', &line);) {
        if (span_starts(span_trim(line), "--"))
            continue;
        text_str(s->out, n++ ? "\n" : "");
        text_html(s->out, span_trim(line));
    }
    text_str(s->out, "</p>\n");
}

/* NAME "words". to a list; what it holds was checked when it was read. */
static void put_words(struct render *s, struct span body)
{
    text_str(s->out, "<dl class=\"words\">\n");
    for (size_t at = 0; at < body.len;) {
        if (!is_letter(body.p[at])) {
            at = span_starts(span_sub(body, at, 2), "--") ? span_find(body, '\n', at) : at + 1;
            continue;
        }
        struct span name = word_at(body, at);
        size_t open = span_find(body, '"', at), close = span_find(body, '"', open + 1);
        text_str(s->out, "<div><dt><code>");
        text_html(s->out, name);
        text_str(s->out, "</code></dt><dd>");
        text_html(s->out, span_sub(body, open + 1, close - open - 1));
        text_str(s->out, "</dd></div>\n");
        at = close + 1;
    }
    text_str(s->out, "</dl>\n");
}

static void put_content(struct render *s, enum block_kind kind, struct span body, unsigned clause)
{
    if (kind == BLOCK_PLAIN) {
        put_plain(s, body);
        return;
    }
    if (kind == BLOCK_WORDS) {
        put_words(s, body);
        return;
    }
    if (kind == BLOCK_RULE && clause != POLICY_NONE)
        policy_render_sentences(s, clause);
    put_source(s, kind, body);
}

void policy_render_block(struct render *s, enum block_kind kind, struct span id, struct span body,
                         unsigned clause)
{
    text_fmt(s->out, "<details class=\"clause clause-%s\"", policy_block_word[kind]);
    if (id.len) {
        text_str(s->out, " id=\"");
        text_html(s->out, id);
        text_char(s->out, '"');
    }
    text_str(s->out, is_open(s, kind, id) ? " open>" : ">");
    text_str(s->out, "<summary><span>");
    policy_render_say(s, titles[kind]);
    text_str(s->out, "</span> <code>");
    text_html(s->out, id);
    text_str(s->out, "</code></summary>\n");
    put_content(s, kind, body, clause);
    if (id.len)
        put_permalink(s, id);
    text_str(s->out, "</details>\n");
}
