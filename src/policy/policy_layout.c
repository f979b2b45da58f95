// SPDX-License-Identifier: Apache-2.0
/*
 * policy_layout.c: see policy_layout_impl.h.
 *
 * Tokens that touch on paper (a name and its comma) become one atom. A sentence is filled line by line:
 * before a part of the sentence (`for`, `only with`, the norm after `despite ...,`) if the whole part would
 * not fit, within a list where it must be. Comments stay where they stood: behind the same word, or on a line
 * of their own.
 */
#include "policy_layout_impl.h"

#define CONTINUED 2  /* blanks before the further lines of a sentence */
#define ALIGN_MAX 32 /* a longer name is not worth pushing all others aside */

enum break_kind { BREAK_NOT, BREAK_LIST, BREAK_PART, BREAK_CLAUSE, BREAK_ALWAYS };

struct atom {
    struct span text;
    size_t width; /* in characters */
    enum break_kind before;
    size_t pad;           /* more blanks in front, to align */
    struct span *remarks; /* comments on lines of their own above it */
    struct span trailing; /* comment behind it */
    size_t n_remarks;
    bool blank;            /* an empty line above it, and above its remarks */
    enum policy_word word; /* of its first token */
};

struct line {
    struct span code, comment;
    size_t indent, width; /* of the code */
};

struct layout {
    struct load *l;
    const struct layout_style *style;
    const struct token *tokens;
    size_t n;
    struct atom *atoms;
    size_t n_atoms;
    size_t *ends; /* of each sentence: the atom behind its last */
    size_t n_ends;
    struct line *lines;
    size_t n_lines;
    struct text code; /* of the line being filled */
    size_t column;
};

static size_t characters(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += (s.p[i] & 0xc0) != 0x80;
    return n;
}

/* ---- Which tokens touch. */

static bool touches(const struct token *a, const struct token *b)
{
    return a->place.offset + a->place.len == b->place.offset;
}

bool policy_layout_ends(const struct token *tokens, size_t n, size_t i, bool in_despite)
{
    if (tokens[i].kind != TOKEN_STOP)
        return false;
    if (i == 0 || i + 1 == n || !touches(&tokens[i - 1], &tokens[i]) || !touches(&tokens[i], &tokens[i + 1]))
        return true;
    enum token_kind before = tokens[i - 1].kind, after = tokens[i + 1].kind;
    bool id = in_despite && (after == TOKEN_NAME || after == TOKEN_STAR);
    return !id && !(before == TOKEN_NUMBER && after == TOKEN_NUMBER); /* 31.12.2026 is not torn */
}

/* `despite` and its references end where the first keyword stands that is no part of a clause id. */
static bool still_despite(const struct token *tokens, size_t i, bool in_despite)
{
    const struct token *t = &tokens[i];
    if (t->word == WORD_DESPITE)
        return true;
    if (!in_despite || t->kind != TOKEN_NAME || !policy_word_reserved(t->word))
        return in_despite;
    return i > 0 && (tokens[i - 1].kind == TOKEN_STOP || tokens[i - 1].kind == TOKEN_SLASH) &&
           touches(&tokens[i - 1], t);
}

static bool glued(const struct layout *y, size_t i, bool joining)
{
    enum token_kind before = y->tokens[i - 1].kind, now = y->tokens[i].kind;
    if (now == TOKEN_COMMA || now == TOKEN_STOP || now == TOKEN_COLON || now == TOKEN_CLOSE)
        return true;
    if (now == TOKEN_SLASH || before == TOKEN_SLASH || before == TOKEN_OPEN || joining)
        return true;
    return before == TOKEN_COLON && y->style->names_first; /* pd:Username */
}

/* ---- Where a line may end. */

/* Words that begin a part of a sentence. */
static bool begins_part(enum policy_word w)
{
    static const enum policy_word parts[] = {
        WORD_FOR,  WORD_FROM,  WORD_WITH,   WORD_TO,     WORD_IN, WORD_ON,        WORD_WHEN,  WORD_UNLESS,
        WORD_ONLY, WORD_UNTIL, WORD_WITHIN, WORD_BEFORE, WORD_BY, WORD_OTHERWISE, WORD_EXCEPT};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (w == parts[i])
            return true;
    return false;
}

/* What follows a comma is a new part, not a further item: the norm after `despite ...,`, who must after
 * `to ...,`. */
static bool comma_ends(const struct layout *y, size_t i)
{
    const struct token *t = &y->tokens[i];
    enum policy_word after = i + 1 < y->n ? y->tokens[i + 1].word : WORD_NONE;
    if (t->word == WORD_ANY || t->word == WORD_GRADE)
        return false;
    return (t->word != WORD_NONE && policy_word_reserved(t->word)) || after == WORD_MUST ||
           after == WORD_NEED || after == WORD_MAY;
}

static enum break_kind break_before(const struct layout *y, size_t i, size_t depth)
{
    const struct token *t = &y->tokens[i], *before = &y->tokens[i - 1];
    if (before->kind == TOKEN_COMMA)
        return comma_ends(y, i) && depth == 0 ? BREAK_CLAUSE : BREAK_LIST;
    if (t->word == WORD_AND || t->word == WORD_OR || before->kind == TOKEN_COLON)
        return BREAK_LIST;
    bool inside = depth > 0 || before->word == WORD_ONLY || t->kind != TOKEN_NAME;
    return begins_part(t->word) && !inside ? BREAK_PART : BREAK_NOT;
}

/* ---- Comments between two tokens. */

struct gap {
    struct span text;  /* what is left of it */
    size_t line_ends;  /* since the last word or comment */
    bool comment;      /* one was found: */
    struct span found; /* from its two hyphens to the end of its line */
};

static void gap_next(struct gap *g)
{
    size_t i = 0;
    g->line_ends = 0;
    g->comment = false;
    for (; i < g->text.len && g->text.p[i] != '-'; i++)
        g->line_ends += g->text.p[i] == '\n' ||
                        (g->text.p[i] == '\r' && !(i + 1 < g->text.len && g->text.p[i + 1] == '\n'));
    size_t end = i;
    while (end < g->text.len && g->text.p[end] != '\n' && g->text.p[end] != '\r')
        end++;
    g->comment = end > i;
    g->found = span_trim(span_sub(g->text, i, end - i));
    g->text = span_sub(g->text, end, g->text.len);
}

static struct span gap_before(const struct layout *y, size_t i, struct place body)
{
    uint32_t from = body.offset, to = y->tokens[i].place.offset;
    if (i > 0)
        from = y->tokens[i - 1].place.offset + y->tokens[i - 1].place.len;
    return policy_place_span(y->l, (struct place){body.file, from, to - from});
}

/* Comments in front of token i, given to the atom that it begins; one behind the token before it, to that
 * token's atom. */
static void take_comments(struct layout *y, size_t i, struct place body, struct atom *atom)
{
    struct gap g = {.text = gap_before(y, i, body)};
    size_t line_ends = i == 0;
    for (gap_next(&g); g.comment; gap_next(&g)) {
        if (line_ends + g.line_ends == 0 && y->n_atoms > 0) {
            y->atoms[y->n_atoms - 1].trailing = g.found;
        } else {
            atom->blank |= g.line_ends > 1 && atom->n_remarks == 0;
            /* An empty line between two comments is kept as an empty remark. */
            if (g.line_ends > 1 && atom->n_remarks > 0)
                *POLICY_PUSH(y->l->arena, atom->remarks, atom->n_remarks) = SPAN_EMPTY;
            *POLICY_PUSH(y->l->arena, atom->remarks, atom->n_remarks) = g.found;
        }
        line_ends++;
    }
    if (g.line_ends > 1 && atom->n_remarks == 0)
        atom->blank = true;
    else if (g.line_ends > 1 && y->tokens[i].kind != TOKEN_END)
        *POLICY_PUSH(y->l->arena, atom->remarks, atom->n_remarks) = SPAN_EMPTY;
}

/* ---- Atoms. */

static void extend(struct layout *y, const struct token *t)
{
    struct atom *last = &y->atoms[y->n_atoms - 1];
    struct span more = policy_place_span(y->l, t->place);
    struct text both = text_new(y->l->arena, last->text.len + more.len);
    text_put(&both, last->text);
    text_put(&both, more);
    last->text = text_span(&both);
    last->width += characters(more);
}

static void add_atom(struct layout *y, const struct token *t, struct atom atom)
{
    atom.text = policy_place_span(y->l, t->place);
    atom.width = characters(atom.text);
    atom.word = t->word;
    *POLICY_PUSH(y->l->arena, y->atoms, y->n_atoms) = atom;
}

static void end_sentence(struct layout *y)
{
    *POLICY_PUSH(y->l->arena, y->ends, y->n_ends) = y->n_atoms;
}

/* A comment between two tokens that would touch keeps them apart: the line ends behind a comment. */
static bool comment_between(const struct atom *atom, const struct layout *y)
{
    return atom->n_remarks > 0 || (y->n_atoms > 0 && y->atoms[y->n_atoms - 1].trailing.len > 0);
}

static void read_atoms(struct layout *y, struct place body)
{
    size_t depth = 0;
    bool in_despite = false, start = true, joining = false;
    for (size_t i = 0; i < y->n; i++) {
        const struct token *t = &y->tokens[i];
        struct atom atom = {.text = SPAN_EMPTY};
        take_comments(y, i, body, &atom);
        if (!start && t->kind != TOKEN_END && glued(y, i, joining) && !comment_between(&atom, y)) {
            extend(y, t);
        } else {
            atom.before = start || i == 0 ? BREAK_NOT : break_before(y, i, depth);
            add_atom(y, t, atom);
        }
        depth += t->kind == TOKEN_OPEN;
        depth -= t->kind == TOKEN_CLOSE && depth > 0;
        in_despite = still_despite(y->tokens, i, in_despite && !start);
        start = policy_layout_ends(y->tokens, y->n, i, in_despite);
        joining = t->kind == TOKEN_STOP && !start;
        depth = start ? 0 : depth;
        if (start)
            end_sentence(y);
    }
    if (y->n_ends == 0 || y->ends[y->n_ends - 1] != y->n_atoms)
        end_sentence(y); /* TOKEN_END carries the comments behind the last sentence */
}

/* ---- Columns. */

/* A name and its words: a row of a table, never broken. */
static bool is_row(const struct layout *y, size_t from)
{
    enum policy_word w = y->atoms[from].word;
    return y->style->names_first || w == WORD_NEED || w == WORD_FACT || w == WORD_MASK || w == WORD_DEED ||
           w == WORD_AUDIENCE || w == WORD_CHANNEL;
}

/* The atom that stands in a column: behind the name that `need`, `category` ... declare. */
static size_t aligned_atom(const struct layout *y, size_t from, size_t end)
{
    size_t name = y->style->names_first ? 0 : 1;
    bool aligned = is_row(y, from) || y->atoms[from].word == WORD_CATEGORY;
    bool fits = from + name + 1 < end && y->atoms[from + name].width <= ALIGN_MAX;
    return aligned && fits ? from + name + 1 : 0;
}

static bool same_run(const struct layout *y, size_t a, size_t b)
{
    return !y->atoms[b].blank && (y->style->names_first || y->atoms[a].word == y->atoms[b].word);
}

static size_t sentence_start(const struct layout *y, size_t i)
{
    return i == 0 ? 0 : y->ends[i - 1];
}

/* Sentences i to end of one run: their second words stand in one column. */
static void align_run(struct layout *y, size_t i, size_t end)
{
    size_t widest = 0;
    for (size_t k = i; k < end; k++) {
        size_t at = aligned_atom(y, sentence_start(y, k), y->ends[k]);
        if (at > 0 && y->atoms[at - 1].width > widest)
            widest = y->atoms[at - 1].width;
    }
    for (size_t k = i; k < end; k++) {
        size_t at = aligned_atom(y, sentence_start(y, k), y->ends[k]);
        if (at > 0)
            y->atoms[at].pad = widest - y->atoms[at - 1].width;
    }
}

static void align_sentences(struct layout *y)
{
    for (size_t i = 0, end; i < y->n_ends; i = end) {
        for (end = i + 1; end < y->n_ends; end++)
            if (!same_run(y, sentence_start(y, i), sentence_start(y, end)))
                break;
        align_run(y, i, end);
    }
}

/* ---- Lines. */

static void line_end(struct layout *y, size_t indent, struct span comment)
{
    *POLICY_PUSH(y->l->arena, y->lines, y->n_lines) = (struct line){
        .code = text_span(&y->code), .comment = comment, .indent = indent, .width = y->column - indent};
    y->code = text_new(y->l->arena, 128);
    y->column = 0;
}

static void put_blank(struct layout *y)
{
    if (y->n_lines > 0)
        line_end(y, 0, SPAN_EMPTY);
}

static void put_remarks(struct layout *y, const struct atom *a, size_t indent)
{
    for (size_t i = 0; i < a->n_remarks; i++) {
        if (a->remarks[i].len == 0 && indent > 0)
            continue;
        y->column = indent;
        line_end(y, indent, a->remarks[i]);
    }
}

/* Width from atom i to where the line may next end at a break of the kind or above it. */
static size_t width_to_break(const struct layout *y, size_t i, size_t end, enum break_kind kind)
{
    size_t width = y->atoms[i].width;
    for (size_t k = i + 1; k < end && y->atoms[k].before < kind; k++)
        width += 1 + y->atoms[k].pad + y->atoms[k].width;
    return width;
}

/* On a further line a norm begins afresh if not all of it fits; on the first, its first part is enough. */
static size_t wanted_width(const struct layout *y, size_t i, size_t end, size_t indent)
{
    enum break_kind kind = y->atoms[i].before;
    return width_to_break(y, i, end, kind == BREAK_CLAUSE && indent == 0 ? BREAK_PART : kind);
}

static bool must_break(const struct layout *y, size_t i, size_t end, size_t indent)
{
    const struct atom *a = &y->atoms[i];
    if (a->before == BREAK_NOT || a->before == BREAK_ALWAYS)
        return a->before == BREAK_ALWAYS;
    size_t at = y->column + 1 + a->pad, width = wanted_width(y, i, end, indent);
    if (at + width <= y->style->columns)
        return false;
    /* A part too long for any line may as well begin here, unless hardly anything of it would. */
    bool hopeless = CONTINUED + width > y->style->columns && at < y->style->columns / 2;
    return !(a->before == BREAK_PART && hopeless);
}

static void put_atom(struct layout *y, const struct atom *a, size_t indent)
{
    if (a->width == 0) /* TOKEN_END */
        return;
    size_t blanks = y->code.len > 0 ? 1 + a->pad : 0;
    text_fmt(&y->code, "%*s", (int)blanks, "");
    text_put(&y->code, a->text);
    y->column = y->column == 0 ? indent : y->column + blanks;
    y->column += a->width;
}

/* Items with a comment each stand in one column, below the name they belong to. */
static void open_commented_list(struct layout *y, size_t from, size_t end)
{
    bool commented = false;
    size_t first = 0;
    for (size_t i = from; i + 1 < end; i++) {
        const struct atom *a = &y->atoms[i];
        commented |= first > 0 && a->trailing.len > 0;
        if (first == 0 && a->text.p[a->text.len - 1] == ':')
            first = i + 1;
    }
    if (commented)
        y->atoms[first].before = BREAK_ALWAYS;
}

static void put_sentence(struct layout *y, size_t from, size_t end)
{
    size_t indent = 0;
    bool row = is_row(y, from);
    open_commented_list(y, from, end);
    if (y->atoms[from].blank)
        put_blank(y);
    put_remarks(y, &y->atoms[from], 0);
    for (size_t i = from; i < end; i++) {
        const struct atom *a = &y->atoms[i];
        bool own_line = i > from && a->n_remarks > 0;
        if (y->code.len > 0 && (own_line || (!row && must_break(y, i, end, indent))))
            line_end(y, indent, SPAN_EMPTY);
        indent = y->column > 0 || i == from ? indent : CONTINUED;
        if (own_line)
            put_remarks(y, a, CONTINUED);
        put_atom(y, a, indent);
        if (a->trailing.len > 0)
            line_end(y, indent, a->trailing);
    }
    if (y->code.len > 0)
        line_end(y, indent, SPAN_EMPTY);
}

/* The column of the comments behind lines i to *end, which follow each other. */
static size_t comment_column(const struct layout *y, size_t i, size_t *end)
{
    size_t widest = 0;
    for (*end = i; *end < y->n_lines; (*end)++) {
        const struct line *line = &y->lines[*end];
        if (line->comment.len == 0 || line->code.len == 0)
            break;
        if (line->indent + line->width > widest)
            widest = line->indent + line->width;
    }
    return widest + 2;
}

static void put_line(struct layout *y, const struct line *line, size_t comment_at, struct text *out)
{
    bool empty = line->code.len == 0 && line->comment.len == 0;
    if (!empty)
        text_fmt(out, "%*s", (int)(y->style->indent + line->indent), "");
    text_put(out, line->code);
    if (line->code.len > 0 && line->comment.len > 0)
        text_fmt(out, "%*s", (int)(comment_at - line->indent - line->width), "");
    text_put(out, line->comment);
    text_put(out, y->style->eol);
}

static void put_lines(struct layout *y, struct text *out)
{
    while (y->n_lines > 0 && y->lines[y->n_lines - 1].code.len + y->lines[y->n_lines - 1].comment.len == 0)
        y->n_lines--;
    for (size_t i = 0, end; i < y->n_lines;) {
        size_t column = comment_column(y, i, &end);
        do {
            put_line(y, &y->lines[i], column, out);
        } while (++i < end);
    }
}

void policy_layout(struct load *l, struct place body, const struct token *tokens, size_t n,
                   const struct layout_style *style, struct text *out)
{
    struct layout y = {.l = l, .style = style, .tokens = tokens, .n = n, .code = text_new(l->arena, 128)};
    if (n == 0)
        return; /* the scanner ends every list with TOKEN_END */
    read_atoms(&y, body);
    align_sentences(&y);
    for (size_t i = 0; i < y.n_ends; i++)
        put_sentence(&y, sentence_start(&y, i), y.ends[i]);
    put_lines(&y, out);
}
