// SPDX-License-Identifier: Apache-2.0
/* trust.c: see trust.h. */
#include "trust.h"

#include "text.h"

enum { WORDS_MAX = TRUST_MEMBERS_MAX + 3 };

struct reader {
    struct arena *a;
    struct trust *t;
    unsigned line;
    struct span word[WORDS_MAX];
    size_t n_words;
    bool has_quorum;
};

static enum err bad(const struct reader *r, struct fail *f, const char *what)
{
    return fail_set(f, ERR_BAD_VALUE, "trust file, line %u: %s", r->line, what);
}

/* The member of a name; TRUST_MEMBERS_MAX if there is none. */
static size_t find(const struct trust *t, struct span name)
{
    for (size_t i = 0; i < t->n_members; i++)
        if (span_eq(t->member[i].name, name))
            return i;
    return TRUST_MEMBERS_MAX;
}

static enum err new_member(struct reader *r, struct trust_member **out, struct fail *f)
{
    struct trust *t = r->t;
    if (t->n_members == TRUST_MEMBERS_MAX)
        return bad(r, f, "too many witnesses and groups");
    if (span_is(r->word[1], "none") || find(t, r->word[1]) != TRUST_MEMBERS_MAX)
        return bad(r, f, "the name is taken");
    *out = &t->member[t->n_members++];
    (*out)->name = r->word[1];
    return OK;
}

static enum err read_key(struct reader *r, struct span text, uint8_t type, struct merkle_key *out,
                         struct fail *f)
{
    struct fail why = {0};
    if (merkle_key_read(r->a, text, out, &why) != OK)
        return bad(r, f, why.detail);
    return out->type == type ? OK : bad(r, f, "the key is of another kind");
}

static enum err read_log(struct reader *r, struct fail *f)
{
    if (r->n_words < 2 || r->n_words > 3)
        return bad(r, f, "expected: log VKEY [URL]");
    if (r->t->n_logs == TRUST_LOGS_MAX)
        return bad(r, f, "too many logs");
    return read_key(r, r->word[1], MERKLE_KEY_LOG, &r->t->log[r->t->n_logs++], f);
}

static enum err read_witness(struct reader *r, struct fail *f)
{
    struct trust_member *m = NULL;
    if (r->n_words < 3 || r->n_words > 4)
        return bad(r, f, "expected: witness NAME VKEY [URL]");
    enum err e = new_member(r, &m, f);
    if (!m)
        return e;
    if (r->n_words == 4)
        m->url = r->word[3];
    return read_key(r, r->word[2], MERKLE_KEY_WITNESS, &m->key, f);
}

static enum err read_group(struct reader *r, struct fail *f)
{
    struct trust_member *m = NULL;
    uint64_t need = 0;
    size_t n = r->n_words > 3 ? r->n_words - 3 : 0;
    if (n == 0)
        return bad(r, f, "expected: group NAME any|all|NUMBER MEMBER...");
    if (span_is(r->word[2], "any"))
        need = 1;
    else if (span_is(r->word[2], "all"))
        need = n;
    else if (!span_u64(r->word[2], n, &need) || need == 0)
        return bad(r, f, "how many members must sign: any, all, or a number from 1 to their count");
    uint8_t in[sizeof m->in] = {0};
    for (size_t i = 3; i < r->n_words; i++) {
        size_t at = find(r->t, r->word[i]);
        if (at == TRUST_MEMBERS_MAX || (in[at / 8] >> at % 8 & 1))
            return bad(r, f, "a member is not a witness or group of a line before, or is named twice");
        in[at / 8] |= (uint8_t)(1u << at % 8);
    }
    enum err e = new_member(r, &m, f);
    if (!m)
        return e;
    m->need = (size_t)need;
    memcpy(m->in, in, sizeof in);
    return e;
}

static enum err read_quorum(struct reader *r, struct fail *f)
{
    if (r->n_words != 2 || r->has_quorum)
        return bad(r, f, "expected, once: quorum NAME|none");
    r->has_quorum = true;
    r->t->quorum = span_is(r->word[1], "none") ? TRUST_MEMBERS_MAX : find(r->t, r->word[1]);
    if (r->t->quorum == TRUST_MEMBERS_MAX && !span_is(r->word[1], "none"))
        return bad(r, f, "the quorum is not a witness or group of a line before");
    return OK;
}

static const struct {
    const char *word;
    enum err (*read)(struct reader *r, struct fail *f);
} items[] = {{"log", read_log}, {"witness", read_witness}, {"group", read_group}, {"quorum", read_quorum}};

static enum err split(struct reader *r, struct span line, struct fail *f)
{
    struct span word;
    line = span_sub(line, 0, span_find(line, '#', 0));
    r->n_words = 0;
    for (size_t i = 0; i < line.len; i++)
        if (line.p[i] == '\t' || line.p[i] == '\r')
            ((uint8_t *)(uintptr_t)line.p)[i] = ' ';
    while (span_cut(&line, ' ', &word)) {
        if (word.len == 0)
            continue;
        if (r->n_words == WORDS_MAX)
            return bad(r, f, "too many words");
        r->word[r->n_words++] = word;
    }
    return OK;
}

static enum err read_line(struct reader *r, struct span line, struct fail *f)
{
    enum err e = split(r, line, f);
    if (e || r->n_words == 0)
        return e;
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
        if (span_is(r->word[0], items[i].word))
            return items[i].read(r, f);
    return bad(r, f, "it begins with none of log, witness, group, quorum");
}

enum err trust_read(struct arena *a, struct span text, struct trust **out, struct fail *f)
{
    struct reader r = {.a = a, .t = ARENA_NEW(a, struct trust)};
    struct span rest = arena_copy(a, text), line;
    enum err e = OK;
    while (!e && span_cut(&rest, '\n', &line)) {
        r.line++;
        e = read_line(&r, line, f);
    }
    if (!e && r.t->n_logs == 0)
        e = bad(&r, f, "the file names no log");
    if (!e && !r.has_quorum)
        e = bad(&r, f, "the file ends without a quorum");
    *out = r.t;
    return e;
}

/* ---- Checking */

static enum err signed_by_a_log(struct arena *a, const struct trust *t, struct span note,
                                struct merkle_checkpoint *out, struct fail *f)
{
    struct fail why = {0};
    for (size_t i = 0; i < t->n_logs; i++) {
        why = (struct fail){0};
        if (merkle_checkpoint_read(a, note, t->log[i].pk, out, &why) == OK &&
            span_eq(out->origin, t->log[i].name))
            return OK;
    }
    return fail_set(f, ERR_INTEGRITY, "no log of the trust file signed it (%s)",
                    why.detail[0] ? why.detail : "it is of another log");
}

static bool holds(const bool *yes, const struct trust_member *m)
{
    size_t have = 0;
    for (size_t i = 0; i < TRUST_MEMBERS_MAX; i++)
        have += (m->in[i / 8] >> i % 8 & 1) && yes[i];
    return have >= m->need;
}

enum err trust_check(struct arena *a, const struct trust *t, struct span note, struct merkle_checkpoint *out,
                     struct span *signers, struct fail *f)
{
    bool yes[TRUST_MEMBERS_MAX] = {false};
    uint64_t time_s;
    struct text names = text_new(a, 256);
    enum err e = signed_by_a_log(a, t, note, out, f);
    if (e)
        return e;
    for (size_t i = 0; i < t->n_members; i++) { /* members of a group stand before it */
        const struct trust_member *m = &t->member[i];
        yes[i] = m->need ? holds(yes, m) : merkle_cosigned(a, note, &m->key, &time_s, NULL) == OK;
        if (yes[i] && !m->need)
            text_fmt(&names, "%s%.*s", names.len ? "," : "", SPAN_F(m->name));
    }
    *signers = text_span(&names);
    if (t->quorum == TRUST_MEMBERS_MAX || yes[t->quorum])
        return OK;
    return fail_set(f, ERR_INTEGRITY, "the quorum '%.*s' of witnesses has not cosigned it (signed: %.*s)",
                    SPAN_F(t->member[t->quorum].name), SPAN_F(names.len ? text_span(&names) : SPAN("none")));
}
