// SPDX-License-Identifier: Apache-2.0
/* policy_message.c: messages, their order, their two printed forms. */
#include "policy_impl.h"

#include <stdarg.h>
#include <stdio.h>

#define MESSAGE_MAX 1000 /* a sentence with a few names of at most POLICY_NAME_MAX in it */

static const char *const kind_name[MSG_KIND_COUNT] = {
    [MSG_SYNTAX] = "syntax",
    [MSG_NAME] = "name",
    [MSG_CONTRADICTION] = "contradiction",
    [MSG_SILENT_LIFTING] = "silent-lifting",
    [MSG_UNRANKED_OVERLAP] = "unranked-overlap",
    [MSG_CYCLE] = "cycle",
    [MSG_BROKEN_PROMISE] = "broken-promise",
    [MSG_NO_KEEP_RULE] = "no-keep-rule",
    [MSG_DEAD_NORM] = "dead-norm",
    [MSG_REDUNDANT_NORM] = "redundant-norm",
    [MSG_UNUSED] = "unused",
    [MSG_UNMASKED] = "unmasked",
    [MSG_UNCOVERED] = "uncovered",
    [MSG_UNTRANSLATED] = "untranslated",
};

const char *policy_message_kind_name(enum policy_message_kind k)
{
    return k < MSG_KIND_COUNT ? kind_name[k] : "unknown";
}

/* Characters, not bytes: columns are for people. */
static uint32_t characters(struct span s)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += (s.p[i] & 0xc0) != 0x80;
    return n;
}

struct span policy_place_span(const struct load *l, struct place at)
{
    return span_sub(l->files[at.file].text, at.offset, at.len);
}

static void locate(const struct source_file *f, struct place at, struct policy_message *m)
{
    m->file = f->name;
    m->line = policy_source_line(f, at.offset);
    m->source_line = policy_source_line_text(f, m->line);
    size_t before = at.offset - f->line_start[m->line - 1];
    m->column = characters(span_sub(m->source_line, 0, before)) + 1;
    m->width = characters(span_sub(m->source_line, before, at.len));
    if (m->width == 0)
        m->width = 1;
}

struct span policy_place_text(struct load *l, struct place at)
{
    struct policy_message m = {0};
    locate(&l->files[at.file], at, &m);
    return arena_fmt(l->arena, "%.*s:%u:%u", SPAN_F(m.file), m.line, m.column);
}

static struct policy_message *message_new(struct load *l, enum policy_severity severity,
                                          enum policy_message_kind kind)
{
    struct policy_messages *m = l->m;
    m->counts[kind]++;
    if (severity == POLICY_ERROR)
        m->errors++;
    else
        m->warnings++;
    if (m->n < POLICY_MESSAGES_MAX)
        return POLICY_PUSH(l->arena, m->list, m->n);
    /* Full: an error may still take the place of the newest warning, so that a failed load always says why.
     */
    struct policy_message *last = &m->list[m->n - 1];
    if (severity == POLICY_WARNING || last->severity == POLICY_ERROR)
        return NULL;
    *last = (struct policy_message){0};
    return last;
}

static void say(struct load *l, enum policy_severity severity, enum policy_message_kind kind, struct place at,
                const char *fmt, va_list args) __attribute__((format(printf, 5, 0)));

static void say(struct load *l, enum policy_severity severity, enum policy_message_kind kind, struct place at,
                const char *fmt, va_list args)
{
    struct policy_message *m = message_new(l, severity, kind);
    l->said = m ? (size_t)(m - l->m->list) : SIZE_MAX;
    if (!m)
        return;
    char text[MESSAGE_MAX];
    vsnprintf(text, sizeof text, fmt, args);
    m->severity = severity;
    m->kind = kind;
    m->message = arena_copy(l->arena, span_str(text));
    if (l->clause != POLICY_NONE)
        m->clause = policy_clause_ref(l->p, l->clause, l->arena);
    locate(&l->files[at.file], at, m);
}

bool policy_say(struct load *l, enum policy_message_kind kind, struct place at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(l, POLICY_ERROR, kind, at, fmt, args);
    va_end(args);
    return false;
}

bool policy_warn(struct load *l, enum policy_message_kind kind, struct place at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(l, POLICY_WARNING, kind, at, fmt, args);
    va_end(args);
    return false;
}

void policy_say_other(struct load *l, struct place other)
{
    if (l->said < l->m->n)
        l->m->list[l->said].other = policy_place_text(l, other);
}

void policy_say_witness(struct load *l, const struct policy_request *q)
{
    struct text form = text_new(l->arena, 128), sentence = text_new(l->arena, 128);
    if (l->said >= l->m->n)
        return;
    policy_request_put(l->p, q, &form);
    policy_request_say(l->p, q, &sentence);
    l->m->list[l->said].witness = text_span(&form);
    l->m->list[l->said].example = text_span(&sentence);
}

static bool comes_before(const struct policy_message *a, const struct policy_message *b)
{
    int file = span_cmp(a->file, b->file);
    if (file != 0)
        return file < 0;
    if (a->line != b->line)
        return a->line < b->line;
    return a->column < b->column;
}

/* At most POLICY_MESSAGES_MAX, and stable: what was found first stays first. */
void policy_messages_sort(struct policy_messages *m)
{
    for (size_t i = 1; i < m->n; i++) {
        struct policy_message one = m->list[i];
        size_t k = i;
        for (; k > 0 && comes_before(&one, &m->list[k - 1]); k--)
            m->list[k] = m->list[k - 1];
        m->list[k] = one;
    }
}

/* East Asian wide characters take two columns of a terminal; good enough for carets under Chinese prose. */
static unsigned char_columns(uint32_t c)
{
    bool wide = (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
                (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
                (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
                (c >= 0x20000 && c <= 0x3fffd);
    return wide ? 2 : 1;
}

/* The next character; sources with messages inside them are valid UTF-8, others are read byte by byte. */
static uint32_t char_next(struct span s, size_t *i)
{
    uint8_t c = s.p[(*i)++];
    if (c < 0xc0)
        return c;
    unsigned more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    uint32_t v = c & (0x3fu >> more);
    for (; more > 0 && *i < s.len && (s.p[*i] & 0xc0) == 0x80; more--)
        v = v << 6 | (s.p[(*i)++] & 0x3f);
    return v;
}

static void put_carets(struct text *t, const struct policy_message *m)
{
    uint32_t column = 1;
    size_t i = 0;
    for (; i < m->source_line.len && column < m->column; column++) {
        uint32_t c = char_next(m->source_line, &i);
        text_str(t, char_columns(c) == 2 ? "  " : " ");
    }
    for (; column < m->column; column++)
        text_char(t, ' ');
    for (uint32_t n = 0; n < m->width; n++) {
        uint32_t c = i < m->source_line.len ? char_next(m->source_line, &i) : ' ';
        text_str(t, char_columns(c) == 2 ? "^^" : "^");
    }
    text_char(t, '\n');
}

/* A tab would move the carets, a control character the terminal. */
static void put_source_line(struct text *t, struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        text_char(t, s.p[i] < 0x20 || s.p[i] == 0x7f ? ' ' : (char)s.p[i]);
    text_char(t, '\n');
}

void policy_message_put(struct text *t, const struct policy_message *m)
{
    text_fmt(t, "%.*s:%u:%u: %s: ", SPAN_F(m->file), m->line, m->column,
             m->severity == POLICY_ERROR ? "error" : "warning");
    text_put(t, m->message);
    text_char(t, '\n');
    if (m->source_line.len > 0) {
        put_source_line(t, m->source_line);
        put_carets(t, m);
    }
    if (m->other.len > 0)
        text_fmt(t, "  see also %.*s\n", SPAN_F(m->other));
    if (m->witness.len > 0)
        text_fmt(t, "  for example: %.*s\n  as a request: %.*s\n", SPAN_F(m->example), SPAN_F(m->witness));
}

static void message_json(struct text *t, const struct policy_message *m)
{
    json_open(t, NULL, '{');
    json_str(t, "kind", policy_message_kind_name(m->kind));
    json_string(t, "message", m->message);
    json_string(t, "file", m->file);
    json_i64(t, "line", m->line);
    json_i64(t, "column", m->column);
    json_string(t, "clause", m->clause);
    if (m->other.len > 0)
        json_string(t, "other", m->other);
    if (m->witness.len > 0)
        json_string(t, "witness", m->witness);
    json_close(t, '}');
}

static void list_json(struct text *t, const char *name, const struct policy_messages *m,
                      enum policy_severity severity)
{
    json_open(t, name, '[');
    for (size_t i = 0; i < m->n; i++)
        if (m->list[i].severity == severity)
            message_json(t, &m->list[i]);
    json_close(t, ']');
}

void policy_messages_json(struct text *t, const struct policy_messages *m)
{
    json_open(t, NULL, '{');
    list_json(t, "errors", m, POLICY_ERROR);
    list_json(t, "warnings", m, POLICY_WARNING);
    json_open(t, "counts", '{');
    for (int k = 0; k < MSG_KIND_COUNT; k++)
        json_i64(t, kind_name[k], (int64_t)m->counts[k]);
    json_close(t, '}');
    json_close(t, '}');
}
