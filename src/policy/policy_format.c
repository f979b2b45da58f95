// SPDX-License-Identifier: Apache-2.0
/* policy_format.c: see policy_format.h. What is not the body of a block is copied. */
#include "policy_format.h"
#include "policy_layout_impl.h"

struct format {
    struct load load;
    struct source_file *file;
    struct text out;
    uint32_t copied; /* up to here the source is in out */
};

static bool laid_out(const struct block *b)
{
    return b->kind != BLOCK_PLAIN && b->body.len > 0;
}

/* As the fence's own line ends. */
static struct span line_end_of(const struct format *f, const struct block *b)
{
    const uint8_t *p = f->file->text.p;
    uint32_t i = b->body.offset;
    if (i >= 2 && p[i - 1] == '\n' && p[i - 2] == '\r')
        return SPAN("\r\n");
    return i >= 1 && p[i - 1] == '\r' ? SPAN("\r") : SPAN("\n");
}

static size_t fence_indent(const struct format *f, const struct block *b)
{
    return b->fence.offset - f->file->line_start[b->line - 1];
}

static bool good_tokens(struct load *l, const struct token *tokens, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tokens[i].kind == TOKEN_BAD)
            return policy_say(l, MSG_SYNTAX, tokens[i].place, "%.*s", SPAN_F(tokens[i].note));
    return true;
}

static void copy_to(struct format *f, uint32_t to)
{
    text_put(&f->out, span_sub(f->file->text, f->copied, to - f->copied));
    f->copied = to;
}

static void format_block(struct format *f, const struct block *b)
{
    struct tokens *tokens = &f->load.tokens;
    policy_lex(&f->load, b->body, tokens);
    if (!good_tokens(&f->load, tokens->list, tokens->n))
        return;
    struct layout_style style = {.columns = POLICY_FORMAT_COLUMNS,
                                 .eol = line_end_of(f, b),
                                 .indent = fence_indent(f, b),
                                 .names_first = b->kind == BLOCK_WORDS || b->kind == BLOCK_VOCABULARY};
    copy_to(f, b->body.offset);
    policy_layout(&f->load, b->body, tokens->list, tokens->n, &style, &f->out);
    f->copied = b->body.offset + b->body.len;
}

static void format_file(struct format *f)
{
    policy_markdown_read(&f->load, 0);
    for (size_t i = 0; i < f->file->n_blocks && f->load.m->errors == 0; i++)
        if (laid_out(&f->file->blocks[i]))
            format_block(f, &f->file->blocks[i]);
    copy_to(f, (uint32_t)f->file->text.len);
}

bool policy_format(struct arena *a, const struct policy_source *s, struct text *out,
                   struct policy_messages *m)
{
    *m = (struct policy_messages){0};
    struct format f = {.load = {.arena = a, .p = ARENA_NEW(a, struct policy), .m = m, .clause = POLICY_NONE},
                       .out = text_new(a, s->text.len + 1024)};
    f.file = f.load.files = ARENA_NEW(a, struct source_file);
    f.load.n_files = 1;
    if (policy_source_open(&f.load, 0, s))
        format_file(&f);
    if (m->errors > 0)
        return false;
    text_put(out, span_sub(s->text, 0, s->text.len - f.file->text.len)); /* the byte order mark */
    text_put(out, text_span(&f.out));
    return true;
}
