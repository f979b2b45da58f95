// SPDX-License-Identifier: Apache-2.0
/*
 * policy_markdown.c: the one file that calls libcmark.
 *
 * libcmark says what CommonMark says is a fenced block; the text itself is taken from the source by line
 * number, so that columns in messages are those of the file. A second look over the raw lines finds what an
 * author meant as a block and CommonMark does not read as one: nothing that looks like a rule is skipped in
 * silence.
 */
#include "policy_impl.h"

#include <cmark.h>

const char *const policy_block_word[BLOCK_KIND_COUNT] = {
    [BLOCK_DOCUMENT] = "document", [BLOCK_CATALOGUE] = "catalogue", [BLOCK_RULE] = "rule",
    [BLOCK_PLAIN] = "plain",       [BLOCK_WORDS] = "words",         [BLOCK_VOCABULARY] = "vocabulary",
};

/* A line that opens a fence, as far as the line alone can tell. */
struct fence {
    uint8_t mark;
    size_t length, column; /* column: bytes before the marks */
    bool quoted;           /* a '>' stands before it */
    struct span info;
};

/* What each line belongs to, for the second look. */
struct lines {
    struct load *l;
    unsigned file;
    struct source_file *f;
    uint32_t *block_of; /* 1 + number of the code block a line is in, 0: none */
    struct code {
        uint32_t first, last;
        struct fence fence;
        bool ours, blamed;
    } * codes;
    size_t n_codes;
};

static bool skip_container(uint8_t c)
{
    return memchr(" \t>-*+0123456789.)", c, 18) != NULL;
}

static bool fence_read(struct span line, struct fence *out)
{
    size_t i = 0;
    *out = (struct fence){0};
    for (; i < line.len && skip_container(line.p[i]); i++)
        out->quoted |= line.p[i] == '>';
    out->column = i;
    if (i == line.len || (line.p[i] != '`' && line.p[i] != '~'))
        return false;
    out->mark = line.p[i];
    while (i < line.len && line.p[i] == out->mark)
        i++;
    out->length = i - out->column;
    out->info = span_trim(span_sub(line, i, line.len));
    return out->length >= 3;
}

static bool fence_closes(struct span line, const struct fence *open)
{
    struct fence f;
    return fence_read(line, &f) && f.mark == open->mark && f.length >= open->length && f.info.len == 0;
}

static struct span first_word(struct span s)
{
    size_t i = 0;
    while (i < s.len && s.p[i] != ' ' && s.p[i] != '\t')
        i++;
    return span_sub(s, 0, i);
}

static bool block_kind_find(struct span word, enum block_kind *kind)
{
    for (int k = 0; k < BLOCK_KIND_COUNT; k++) {
        *kind = (enum block_kind)k;
        if (span_is(word, policy_block_word[k]))
            return true;
    }
    return false;
}

/* ---- A word that is drawn like a block word. */

enum fold {
    FOLD_ALL,
    FOLD_SEEN,
    FOLD_ASCII
}; /* what ends the word beside a mark: nothing, the unseen, the foreign */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The letters that `word` shows, from its first to the first mark behind it. */
static struct span fold(struct span word, enum fold how, char out[POLICY_NAME_MAX])
{
    size_t n = 0;
    for (size_t i = 0, width; i < word.len && n < POLICY_NAME_MAX; i += width) {
        uint32_t c = policy_glyph(word, i, &width);
        char ascii = policy_glyph_ascii(c);
        bool unseen = policy_glyph_invisible(c);
        if (is_letter(ascii) && (c < 0x80 || how != FOLD_ASCII || n == 0))
            out[n++] = ascii;
        else if (n > 0 && !(unseen && how == FOLD_ALL))
            break;
    }
    return span_of(out, n);
}

/* The block word that one not quite right is surely meant to be, or null. */
static const char *block_kind_near(struct span word)
{
    char shown[POLICY_NAME_MAX];
    for (int how = FOLD_ALL; how <= FOLD_ASCII; how++) {
        struct span s = fold(word, (enum fold)how, shown);
        for (int k = 0; k < BLOCK_KIND_COUNT; k++)
            if (s.len >= 3 && span_distance(s, span_str(policy_block_word[k])) <= 1)
                return policy_block_word[k];
    }
    return NULL;
}

static struct place line_place(const struct lines *s, uint32_t line)
{
    struct span text = policy_source_line_text(s->f, line);
    struct span trimmed = span_trim(text);
    uint32_t indent = trimmed.len > 0 ? (uint32_t)(trimmed.p - text.p) : 0;
    return (struct place){s->file, s->f->line_start[line - 1] + indent, (uint32_t)trimmed.len};
}

/* ---- First look: what CommonMark reads. */

static uint32_t node_line(int line, const struct source_file *f)
{
    if (line < 1)
        return 1;
    return (size_t)line > f->n_lines ? (uint32_t)f->n_lines : (uint32_t)line;
}

static bool in_quotation(cmark_node *node)
{
    for (; node; node = cmark_node_parent(node))
        if (cmark_node_get_type(node) == CMARK_NODE_BLOCK_QUOTE)
            return true;
    return false;
}

/* The line that closes the fence opened in `first`, or 0. */
static uint32_t closing_line(const struct lines *s, uint32_t first, uint32_t last, const struct fence *open)
{
    for (uint32_t line = first + 1; line <= last; line++)
        if (fence_closes(policy_source_line_text(s->f, line), open))
            return line;
    return 0;
}

static struct place body_place(const struct lines *s, uint32_t first, uint32_t close)
{
    uint32_t from = first < s->f->n_lines ? s->f->line_start[first] : (uint32_t)s->f->text.len;
    uint32_t to = close ? s->f->line_start[close - 1] : (uint32_t)s->f->text.len;
    return (struct place){s->file, from, to > from ? to - from : 0};
}

static void add_block(struct lines *s, const struct code *code, enum block_kind kind, uint32_t close)
{
    struct span word = span_str(policy_block_word[kind]);
    struct span rest = span_trim(span_sub(code->fence.info, word.len, code->fence.info.len));
    uint32_t at = rest.len > 0 ? (uint32_t)(rest.p - s->f->text.p) : 0;
    struct place fence = line_place(s, code->first);
    *POLICY_PUSH(s->l->arena, s->f->blocks, s->f->n_blocks) = (struct block){
        .kind = kind,
        .info = rest.len > 0 ? (struct place){s->file, at, (uint32_t)rest.len} : fence,
        .fence = fence,
        .body = body_place(s, code->first, close),
        .line = code->first,
        .clause = POLICY_NONE,
    };
    if (rest.len == 0)
        s->f->blocks[s->f->n_blocks - 1].info.len = 0;
}

static size_t shown_length(struct span s)
{
    size_t n = 0;
    for (size_t i = 0, width; i < s.len; i += width)
        n += !policy_glyph_invisible(policy_glyph(s, i, &width));
    return n;
}

/* What is wrong with a word that is nearly a block word: most of all what cannot be seen. */
static void say_near(struct lines *s, uint32_t line, struct span word, const char *near)
{
    struct span rest = span_starts(word, near) ? span_sub(word, strlen(near), word.len) : SPAN_EMPTY;
    size_t width;
    if (rest.len > 0 && shown_length(rest) > 0 && !is_letter((char)rest.p[0])) {
        policy_say(s->l, MSG_SYNTAX, line_place(s, line),
                   "this block is not read: only a blank may follow the word '%s'", near);
        return;
    }
    for (size_t i = 0; i < word.len; i += width) {
        uint32_t c = policy_glyph(word, i, &width);
        struct place at = {s->file, (uint32_t)(word.p - s->f->text.p + (ptrdiff_t)i), (uint32_t)width};
        if (c < 0x80)
            continue;
        policy_say(s->l, MSG_SYNTAX, at, "this block is not read: %.*s",
                   SPAN_F(policy_glyph_note(s->l->arena, span_sub(word, i, width), c)));
        return;
    }
    policy_say(s->l, MSG_SYNTAX, line_place(s, line),
               "this block is not read: did you mean '%s' instead of '%.*s'?", near, SPAN_F(word));
}

/* Finds what the fence announces; a misspelt block word is an error, any other word is prose. */
static void read_fenced(struct lines *s, struct code *code, bool quoted)
{
    enum block_kind kind;
    struct span word = first_word(code->fence.info);
    uint32_t close = closing_line(s, code->first, code->last, &code->fence);
    if (!block_kind_find(word, &kind)) {
        const char *near = block_kind_near(word);
        if (near)
            say_near(s, code->first, word, near);
        return;
    }
    code->ours = true;
    code->blamed = quoted || !close; /* that it swallows another besides is no news */
    if (quoted)
        policy_say(s->l, MSG_SYNTAX, line_place(s, code->first),
                   "a %s inside a quotation is not published; move it out of the quotation",
                   policy_block_word[kind]);
    else if (!close)
        policy_say(s->l, MSG_SYNTAX, line_place(s, code->first),
                   "this fence is never closed; end the block with a line of the same marks");
    else
        add_block(s, code, kind, close);
}

/* libcmark does not say whether a code block is fenced. Plain code has no info string, and holds its first
 * line. */
static bool is_fenced(cmark_node *node, const struct fence *fence)
{
    const char *info = cmark_node_get_fence_info(node);
    const char *literal = cmark_node_get_literal(node);
    if (info && info[0] != 0)
        return true;
    struct span rest = span_str(literal), line = SPAN_EMPTY;
    span_cut(&rest, '\n', &line);
    return fence->info.len == 0 && !fence_closes(line, fence);
}

static void visit_code(struct lines *s, cmark_node *node)
{
    struct code code = {.first = node_line(cmark_node_get_start_line(node), s->f),
                        .last = node_line(cmark_node_get_end_line(node), s->f)};
    bool fence = fence_read(policy_source_line_text(s->f, code.first), &code.fence);
    if (fence && is_fenced(node, &code.fence))
        read_fenced(s, &code, in_quotation(node));
    else
        code.fence = (struct fence){0};
    *POLICY_PUSH(s->l->arena, s->codes, s->n_codes) = code;
    for (uint32_t line = code.first; line <= code.last; line++)
        s->block_of[line] = (uint32_t)s->n_codes;
}

static struct span heading_text(struct load *l, cmark_node *heading)
{
    struct text t = text_new(l->arena, 64);
    cmark_iter *iter = cmark_iter_new(heading);
    for (cmark_event_type e; (e = cmark_iter_next(iter)) != CMARK_EVENT_DONE;) {
        cmark_node *node = cmark_iter_get_node(iter);
        const char *literal = cmark_node_get_literal(node);
        if (e == CMARK_EVENT_ENTER && cmark_node_get_type(node) == CMARK_NODE_SOFTBREAK)
            text_char(&t, ' ');
        else if (e == CMARK_EVENT_ENTER && literal)
            text_str(&t, literal);
    }
    cmark_iter_free(iter);
    return text_span(&t);
}

static void visit_heading(struct lines *s, cmark_node *node)
{
    uint32_t line = node_line(cmark_node_get_start_line(node), s->f);
    *POLICY_PUSH(s->l->arena, s->f->headings, s->f->n_headings) =
        (struct heading){.text = heading_text(s->l, node), .place = line_place(s, line), .line = line};
}

/* Sections are made by headings of the page itself, not by those in lists and quotations. */
static void visit_sections(struct lines *s, cmark_node *root)
{
    for (cmark_node *node = cmark_node_first_child(root); node; node = cmark_node_next(node)) {
        cmark_node_type type = cmark_node_get_type(node);
        if (type == CMARK_NODE_HEADING)
            visit_heading(s, node);
        else if (type != CMARK_NODE_HTML_BLOCK && s->f->n_headings > 0)
            s->f->headings[s->f->n_headings - 1].prose = true;
    }
}

static void visit_codes(struct lines *s, cmark_node *root)
{
    cmark_iter *iter = cmark_iter_new(root);
    for (cmark_event_type e; (e = cmark_iter_next(iter)) != CMARK_EVENT_DONE;) {
        cmark_node *node = cmark_iter_get_node(iter);
        if (e == CMARK_EVENT_ENTER && cmark_node_get_type(node) == CMARK_NODE_CODE_BLOCK)
            visit_code(s, node);
    }
    cmark_iter_free(iter);
}

/* ---- Second look: what an author meant. */

/* A fence that swallows the next one was not closed; a longer or different outer fence shows an example on
 * purpose. */
static void blame_swallowed(struct lines *s, struct code *outer, uint32_t line, const struct fence *inner)
{
    if (outer->fence.mark != inner->mark || outer->fence.length > inner->length || outer->blamed)
        return;
    outer->blamed = true;
    if (outer->ours)
        policy_say(s->l, MSG_SYNTAX, line_place(s, outer->first),
                   "this fence is never closed: the block that opens at line %u would be swallowed", line);
    else
        policy_say(s->l, MSG_SYNTAX, line_place(s, line),
                   "this block is not read: the fence opened at line %u is not closed before it",
                   outer->first);
}

static const char *lost_reason(const struct fence *fence)
{
    if (fence->quoted)
        return "it stands inside a quotation; move it out";
    return fence->column >= 4
               ? "it is indented so far that CommonMark takes it for plain code; move it to the margin"
               : "CommonMark takes it for part of the text or HTML around it; put a blank line before it";
}

/* Marks that look like those of a fence. */
static bool fence_alike(uint32_t c)
{
    static const uint32_t alike[] = {'`', 0xff40, 0x00b7, 0x00b4, 0x02cb, 0x2018, 0x2019, 0xff5e};
    for (size_t i = 0; i < sizeof alike / sizeof alike[0]; i++)
        if (alike[i] == c)
            return true;
    return false;
}

/* "``rule x", and three marks of another script: a block to the eye alone. Code inside a line is none. */
static void check_marks(struct lines *s, uint32_t line)
{
    struct span text = policy_source_line_text(s->f, line);
    size_t i = 0, marks = 0, width;
    char shown[POLICY_NAME_MAX];
    enum block_kind kind;
    while (i < text.len && skip_container(text.p[i]))
        i++;
    for (; i < text.len && fence_alike(policy_glyph(text, i, &width)); i += width)
        marks++;
    struct span info = span_trim(span_sub(text, i, text.len));
    if (marks >= 2 && span_find(info, '`', 0) == info.len &&
        block_kind_find(fold(first_word(info), FOLD_ALL, shown), &kind))
        policy_say(s->l, MSG_SYNTAX, line_place(s, line),
                   "this block is not read: a fence is three grave accents (`, U+0060) before the word '%s'",
                   policy_block_word[kind]);
}

static bool announces(const struct fence *fence)
{
    enum block_kind kind;
    struct span word = first_word(fence->info);
    if (block_kind_find(word, &kind))
        return true;
    bool inside = fence->mark == '`' && span_find(fence->info, '`', 0) < fence->info.len;
    return !inside && block_kind_near(word) != NULL;
}

static void check_line(struct lines *s, uint32_t line)
{
    struct fence fence;
    struct code *code = s->block_of[line] ? &s->codes[s->block_of[line] - 1] : NULL;
    bool fenced = code && code->fence.length > 0;
    if (!fence_read(policy_source_line_text(s->f, line), &fence)) {
        if (!fenced)
            check_marks(s, line);
        return;
    }
    if (!announces(&fence) || (fenced && code->first == line))
        return;
    if (fenced)
        blame_swallowed(s, code, line, &fence);
    else
        policy_say(s->l, MSG_SYNTAX, line_place(s, line), "this block is not read: %s", lost_reason(&fence));
}

/* A block that swallowed another is read no further: its body holds two. */
static void drop_blamed(struct lines *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->f->n_blocks; i++) {
        struct block b = s->f->blocks[i];
        if (!s->codes[s->block_of[b.line] - 1].blamed)
            s->f->blocks[kept++] = b;
    }
    s->f->n_blocks = kept;
}

void policy_markdown_read(struct load *l, unsigned file)
{
    struct lines s = {.l = l, .file = file, .f = &l->files[file]};
    s.block_of = ARENA_ARRAY(l->arena, s.f->n_lines + 1, uint32_t);
    cmark_node *root = cmark_parse_document((const char *)s.f->text.p, s.f->text.len, CMARK_OPT_DEFAULT);
    visit_sections(&s, root);
    visit_codes(&s, root);
    cmark_node_free(root);
    for (uint32_t line = 1; line <= s.f->n_lines; line++)
        check_line(&s, line);
    drop_blamed(&s);
}

bool policy_announced(struct span text, struct span *line, uint32_t *number)
{
    struct fence fence;
    for (*number = 1; span_cut(&text, '\n', line); ++*number)
        if (fence_read(*line, &fence) && announces(&fence))
            return true;
    return false;
}
