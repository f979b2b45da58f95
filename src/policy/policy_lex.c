// SPDX-License-Identifier: Apache-2.0
/* policy_lex.c: the scanner. A bad character becomes a token of its own, so that the sentence around it gets
 * the message and the next sentence is still read. */
#include "policy_parse_impl.h"

static const struct {
    const char *text;
    uint8_t len;
    bool reserved;
} words[WORD_COUNT] = {
#define W(id, spelling, reserved) [WORD_##id] = {spelling, sizeof(spelling) - 1, reserved},
#include "policy_words.def"
#undef W
};

bool policy_word_reserved(enum policy_word w)
{
    return words[w].reserved;
}

const char *policy_word_text(enum policy_word w)
{
    return words[w].text;
}

enum policy_word policy_word_find(struct span s)
{
    int from = WORD_NONE + 1, to = WORD_COUNT;
    while (from < to && s.len > 0) {
        int middle = (from + to) / 2, order = s.p[0] - words[middle].text[0];
        if (order == 0)
            order = span_cmp(s, span_of(words[middle].text, words[middle].len));
        if (order == 0)
            return (enum policy_word)middle;
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return WORD_NONE;
}

/* ---- Characters that only look like ASCII. */

/* Letters of other scripts that are drawn like a Latin one (from the confusables of Unicode TR 39, the plain
 * cases). */
static const struct {
    uint32_t code;
    char ascii;
} lookalikes[] = {
    {0x0251, 'a'}, {0x0261, 'g'}, {0x0131, 'i'}, {0x03b1, 'a'}, {0x03b3, 'y'}, {0x03b5, 'e'}, {0x03b9, 'i'},
    {0x03ba, 'k'}, {0x03bd, 'v'}, {0x03bf, 'o'}, {0x03c1, 'p'}, {0x03c5, 'u'}, {0x03c7, 'x'}, {0x0391, 'A'},
    {0x0392, 'B'}, {0x0395, 'E'}, {0x0396, 'Z'}, {0x0397, 'H'}, {0x0399, 'I'}, {0x039a, 'K'}, {0x039c, 'M'},
    {0x039d, 'N'}, {0x039f, 'O'}, {0x03a1, 'P'}, {0x03a4, 'T'}, {0x03a5, 'Y'}, {0x03a7, 'X'}, {0x0430, 'a'},
    {0x0432, 'b'}, {0x0435, 'e'}, {0x043a, 'k'}, {0x043e, 'o'}, {0x0440, 'p'}, {0x0441, 'c'}, {0x0443, 'y'},
    {0x0445, 'x'}, {0x0455, 's'}, {0x0456, 'i'}, {0x0458, 'j'}, {0x04bb, 'h'}, {0x0501, 'd'}, {0x051b, 'q'},
    {0x051d, 'w'}, {0x0410, 'A'}, {0x0412, 'B'}, {0x0415, 'E'}, {0x041a, 'K'}, {0x041c, 'M'}, {0x041d, 'H'},
    {0x041e, 'O'}, {0x0420, 'P'}, {0x0421, 'C'}, {0x0422, 'T'}, {0x0423, 'Y'}, {0x0425, 'X'}, {0x0405, 'S'},
    {0x0406, 'I'}, {0x0408, 'J'}, {0x0578, 'n'}, {0x057d, 'u'}, {0x0585, 'o'}, {0x0581, 'g'}, {0x212a, 'K'},
    {0x217c, 'l'}, {0x2170, 'i'},
};

static const struct {
    uint32_t code;
    const char *ascii; /* what to write */
} marks[] = {
    {0x3002, "'.'"},     {0xff0e, "'.'"},     {0xff61, "'.'"},     {0x3001, "','"},     {0xff0c, "','"},
    {0xff64, "','"},     {0xff1a, "':'"},     {0xfe55, "':'"},     {0xff08, "'('"},     {0xff09, "')'"},
    {0xff0a, "'*'"},     {0xff0f, "'/'"},     {0xff02, "'\"'"},    {0x201c, "'\"'"},    {0x201d, "'\"'"},
    {0x201e, "'\"'"},    {0x300c, "'\"'"},    {0x300d, "'\"'"},    {0xff0d, "'-'"},     {0x2010, "'-'"},
    {0x2011, "'-'"},     {0x2012, "'-'"},     {0x2013, "'-'"},     {0x2014, "'--'"},    {0x2212, "'-'"},
    {0x3000, "a blank"}, {0x00a0, "a blank"}, {0x2003, "a blank"}, {0x2009, "a blank"}, {0x202f, "a blank"},
};

/* Joiners, marks of direction and the like: nobody sees them. */
bool policy_glyph_invisible(uint32_t c)
{
    return c == 0x00ad || (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/* Full-width forms U+FF10..FF5A mirror ASCII 0x30..0x7A. */
static char lookalike(uint32_t c)
{
    bool wide = (c >= 0xff10 && c <= 0xff19) || (c >= 0xff21 && c <= 0xff3a) || (c >= 0xff41 && c <= 0xff5a);
    if (wide)
        return (char)(c - 0xff10 + 0x30);
    for (size_t i = 0; i < sizeof lookalikes / sizeof lookalikes[0]; i++)
        if (lookalikes[i].code == c)
            return lookalikes[i].ascii;
    return 0;
}

static const char *mark_meant(uint32_t c)
{
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (marks[i].code == c)
            return marks[i].ascii;
    return NULL;
}

uint32_t policy_glyph(struct span s, size_t at, size_t *width)
{
    uint8_t c = s.p[at];
    *width = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (*width == 1 || at + *width > s.len) {
        *width = 1;
        return c;
    }
    uint32_t v = c & (0xffu >> (*width + 1));
    for (size_t i = 1; i < *width; i++)
        v = v << 6 | (s.p[at + i] & 0x3fu);
    return v;
}

char policy_glyph_ascii(uint32_t c)
{
    return c < 0x80 ? (char)c : lookalike(c);
}

struct span policy_glyph_note(struct arena *a, struct span text, uint32_t c)
{
    const char *mark = mark_meant(c);
    char ascii = lookalike(c);
    if (policy_glyph_invisible(c))
        return arena_fmt(a, "an invisible character (U+%04X) stands here; delete it", c);
    if (mark)
        return arena_fmt(a, "'%.*s' (U+%04X) is not an ASCII mark; write %s", SPAN_F(text), c, mark);
    if (ascii)
        return arena_fmt(a, "'%.*s' (U+%04X) only looks like '%c'; write the ASCII %s", SPAN_F(text), c,
                         ascii, ascii >= '0' && ascii <= '9' ? "digit" : "letter");
    return arena_fmt(a,
                     "'%.*s' (U+%04X) cannot stand here; names are written in ASCII letters, digits and '-'",
                     SPAN_F(text), c);
}

/* ---- Scanning. */

#define TOKENS_FIRST 256 /* most blocks have fewer */

struct scan {
    struct load *l;
    struct place body;
    struct span text;
    size_t at;
    bool first;
    struct tokens *out;
};

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static uint8_t byte_at(const struct scan *s, size_t i)
{
    return i < s->text.len ? s->text.p[i] : 0;
}

static struct token *room_for_one(struct scan *s)
{
    struct tokens *t = s->out;
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : TOKENS_FIRST;
        struct token *more = ARENA_ROOM(s->l->arena, t->cap, struct token);
        if (t->n > 0)
            memcpy(more, t->list, t->n * sizeof *more);
        t->list = more;
    }
    return &t->list[t->n++];
}

static struct token *emit(struct scan *s, enum token_kind kind, size_t len)
{
    struct token *t = room_for_one(s);
    *t = (struct token){
        .kind = kind,
        .text = span_sub(s->text, s->at, len),
        .place = {s->body.file, s->body.offset + (uint32_t)s->at, (uint32_t)len},
        .first = s->first,
    };
    s->first = false;
    s->at += len;
    return t;
}

static void bad(struct scan *s, size_t len, const char *note)
{
    emit(s, TOKEN_BAD, len)->note = span_str(note);
}

/* A hyphen belongs to a name only before a letter or digit, so that `name--comment` ends where it should. */
static size_t name_length(const struct scan *s)
{
    size_t i = s->at;
    while (is_letter(byte_at(s, i)) || is_digit(byte_at(s, i)) ||
           (byte_at(s, i) == '-' && (is_letter(byte_at(s, i + 1)) || is_digit(byte_at(s, i + 1)))))
        i++;
    return i - s->at;
}

static void scan_foreign(struct scan *s);

/* A foreign letter, a hyphen or what nobody sees in the middle of a word: the word is not a name, and the
 * message belongs to the letter. Other foreign marks stand between words. */
static bool foreign_inside(struct scan *s, size_t len)
{
    struct scan ahead = *s;
    size_t width;
    ahead.at += len;
    if (byte_at(&ahead, ahead.at) < 0x80)
        return false;
    const char *mark = mark_meant(policy_glyph(ahead.text, ahead.at, &width));
    return !mark || mark[1] == '-';
}

static void scan_name(struct scan *s)
{
    size_t len = name_length(s);
    if (foreign_inside(s, len)) {
        s->at += len;
        scan_foreign(s);
        return;
    }
    if (byte_at(s, s->at + len) == '_') {
        s->at += len;
        bad(s, 1, "'_' is not part of a name; write '-'");
        return;
    }
    if (len > POLICY_NAME_MAX) {
        bad(s, len, "a name is at most 64 characters long");
        return;
    }
    struct token *t = emit(s, TOKEN_NAME, len);
    t->word = policy_word_find(t->text);
}

/* 2025-01-01 is a date; its parts are checked where a date is expected. */
static void scan_number(struct scan *s)
{
    size_t len = name_length(s);
    struct span text = span_sub(s->text, s->at, len);
    bool digits = true, hyphens = false;
    for (size_t i = 0; i < len; i++) {
        digits = digits && (is_digit(text.p[i]) || text.p[i] == '-');
        hyphens = hyphens || text.p[i] == '-';
    }
    if (digits)
        emit(s, hyphens ? TOKEN_DATE : TOKEN_NUMBER, len);
    else
        bad(s, len, "a name begins with a letter");
}

static void scan_string(struct scan *s)
{
    size_t end = s->at + 1;
    while (end < s->text.len && s->text.p[end] != '"' && s->text.p[end] != '\n' && s->text.p[end] != '\r')
        end++;
    size_t len = end - s->at;
    if (byte_at(s, end) != '"') {
        bad(s, len, "the quotation is not closed on its line");
        return;
    }
    if (memchr(s->text.p + s->at, '\t', len)) {
        bad(s, len + 1, "a tab inside a block; write blanks");
        return;
    }
    struct token *t = emit(s, TOKEN_STRING, len + 1);
    t->text = span_sub(t->text, 1, t->text.len - 2);
}

static void scan_foreign(struct scan *s)
{
    size_t width;
    uint32_t c = policy_glyph(s->text, s->at, &width);
    struct token *t = emit(s, TOKEN_BAD, width);
    t->note = policy_glyph_note(s->l->arena, t->text, c);
}

static void scan_mark(struct scan *s)
{
    static const struct {
        char mark;
        enum token_kind kind;
    } ascii[] = {{',', TOKEN_COMMA}, {'.', TOKEN_STOP}, {':', TOKEN_COLON}, {'(', TOKEN_OPEN},
                 {')', TOKEN_CLOSE}, {'*', TOKEN_STAR}, {'/', TOKEN_SLASH}};
    for (size_t i = 0; i < sizeof ascii / sizeof ascii[0]; i++)
        if ((char)byte_at(s, s->at) == ascii[i].mark) {
            emit(s, ascii[i].kind, 1);
            return;
        }
    bad(s, 1,
        byte_at(s, s->at) == '-' ? "a hyphen stands between two letters or digits of a name"
                                 : "this character has no meaning here");
}

static const char tab_note[] = "a tab inside a block; write blanks";

/* A tab in a comment is as much a tab in a block as any. */
static void skip_comment(struct scan *s)
{
    while (s->at < s->text.len && s->text.p[s->at] != '\n' && s->text.p[s->at] != '\r') {
        if (s->text.p[s->at] == '\t')
            bad(s, 1, tab_note);
        else
            s->at++;
    }
}

static void scan_token(struct scan *s, uint8_t c)
{
    if (c == '\t') {
        bad(s, 1, tab_note);
    } else if (c == '"') {
        scan_string(s);
    } else if (is_letter(c)) {
        scan_name(s);
    } else if (is_digit(c)) {
        scan_number(s);
    } else if (c >= 0x80) {
        scan_foreign(s);
    } else {
        scan_mark(s);
    }
}

static void scan_next(struct scan *s)
{
    uint8_t c = byte_at(s, s->at);
    if (c == '\n' || c == '\r') {
        s->first = true;
        s->at++;
    } else if (c == ' ') {
        s->at++;
    } else if (c == '-' && byte_at(s, s->at + 1) == '-') {
        skip_comment(s);
    } else {
        scan_token(s, c);
    }
}

void policy_lex(struct load *l, struct place body, struct tokens *out)
{
    struct scan s = {.l = l, .body = body, .text = policy_place_span(l, body), .first = true, .out = out};
    out->n = 0;
    while (s.at < s.text.len)
        scan_next(&s);
    emit(&s, TOKEN_END, 0);
}
