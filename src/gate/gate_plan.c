// SPDX-License-Identifier: Apache-2.0
/* Which texts of a publication are new, and whether their numbers may be. See gate_publish_impl.h */
#include "gate_publish_impl.h"
#include "policy_translate.h"

enum err set_texts(struct gate_call *c, uint32_t number, struct text_row **out, size_t *n, struct fail *f)
{
    struct store_rows rows;
    struct text_row *list = ARENA_ARRAY(c->arena, POLICY_TEXTS_MAX, struct text_row);
    enum err e = store_query(c->st, Q_SET_TEXTS, ARGS(ARG_I(number)), &rows, f);
    *out = list;
    *n = 0;
    if (e)
        return e;
    while (*n < POLICY_TEXTS_MAX && store_next(&rows, f)) {
        struct span digest = store_t(&rows, 3);
        struct text_row *t = &list[(*n)++];
        t->file = arena_copy(c->arena, store_t(&rows, 0));
        t->document = arena_copy(c->arena, store_t(&rows, 1));
        t->revision = (uint32_t)store_i(&rows, 2);
        if (digest.len == sizeof t->digest.b)
            memcpy(t->digest.b, digest.p, digest.len);
        t->language = arena_copy(c->arena, store_t(&rows, 4));
    }
    e = rows.err;
    store_done(&rows);
    return e;
}

static const struct text_row *had(const struct plan *p, struct span document, struct span language)
{
    for (size_t i = 0; i < p->n_had; i++)
        if (span_eq(p->had[i].document, document) && span_eq(p->had[i].language, language))
            return &p->had[i];
    return NULL;
}

static bool same_text(const struct text_row *t, struct span text)
{
    struct digest d;
    crypto_sha256(text, &d);
    return t && memcmp(d.b, t->digest.b, sizeof d.b) == 0;
}

/* ---- Numbers */

static enum err highest(struct plan *p, struct span document, int64_t *out, struct fail *f)
{
    struct store_rows rows;
    if (!store_one(p->c->st, Q_DOCUMENT_NUMBER, ARGS(ARG_T(document)), &rows, f))
        return rows.err;
    *out = store_i(&rows, 0);
    store_done(&rows);
    return OK;
}

/* A number that was taken back may come again with the same text only. */
static enum err check_taken(struct plan *p, const struct policy_document *d, struct fail *f)
{
    struct revision_row row;
    struct digest digest;
    struct fail none = {0};
    int64_t last = 0;
    enum err e = highest(p, d->name, &last, f);
    if (e || last < d->revision)
        return e;
    crypto_sha256(d->text, &digest);
    if (gate_text_of(p->c, d->name, document_language(d->file), d->revision, &row, &none) == OK &&
        row.in_force.ms == row.ends.ms && memcmp(row.digest.b, digest.b, sizeof digest.b) == 0)
        return OK;
    fail_where(f, "%.*s", SPAN_F(d->file));
    fail_hint(f, "write `revision %lld`", (long long)last + 1);
    return fail_set(f, ERR_CONFLICT, "revision %u of %.*s was published before, with another text",
                    d->revision, SPAN_F(d->name));
}

static enum err check_number(struct plan *p, const struct policy_document *d, const struct text_row *before,
                             struct fail *f)
{
    if (!before || d->revision > before->revision)
        return check_taken(p, d, f);
    fail_where(f, "%.*s", SPAN_F(d->file));
    fail_hint(f, "write `revision %u`, and the day from which it is in force", before->revision + 1);
    if (d->revision == before->revision)
        return fail_set(f, ERR_CONFLICT, "%.*s was changed but still says revision %u", SPAN_F(d->file),
                        d->revision);
    return fail_set(f, ERR_CONFLICT, "%.*s says revision %u, and revision %u is in force", SPAN_F(d->file),
                    d->revision, before->revision);
}

static enum err check_one_day(struct plan *p, const struct policy_document *d, struct fail *f)
{
    if (!p->has_day || date_cmp(p->day, d->in_force) == 0) {
        p->has_day = true;
        p->day = d->in_force;
        p->day_file = d->file;
        return OK;
    }
    fail_where(f, "%.*s", SPAN_F(d->file));
    return fail_set(f, ERR_CONFLICT,
                    "%.*s and %.*s name different days: what is published together takes effect together",
                    SPAN_F(p->day_file), SPAN_F(d->file));
}

/* ---- Documents and their translations */

static void add(struct plan *p, const struct policy_document *d, struct span file, struct span language,
                struct span title, struct span text, uint32_t revision)
{
    p->texts[p->n_texts++] = (struct kept){.document = d->name,
                                           .file = file,
                                           .language = language,
                                           .title = title,
                                           .text = text,
                                           .revision = revision};
}

static enum err plan_document(struct plan *p, unsigned i, struct fail *f)
{
    const struct policy_document *d = policy_document(p->new, i);
    const struct text_row *before = had(p, d->name, document_language(d->file));
    enum err e = OK;
    int64_t number = d->revision;
    p->changed[i] = !same_text(before, d->text);
    if (p->changed[i] && d->revision) {
        p->numbered = true;
        e = check_number(p, d, before, f);
        e = e ? e : check_one_day(p, d, f);
    } else if (p->changed[i]) { /* it writes no number, so it gets one */
        e = highest(p, d->name, &number, f);
        number++;
    } else {
        number = before->revision;
    }
    p->news |= p->changed[i];
    add(p, d, d->file, document_language(d->file), d->title, d->text, (uint32_t)number);
    return e;
}

static uint32_t number_of(const struct plan *p, struct span document)
{
    for (size_t i = 0; i < p->n_texts; i++)
        if (span_eq(p->texts[i].document, document))
            return p->texts[i].revision;
    return 0;
}

static enum err plan_translation(struct plan *p, const struct policy_translation *t, struct fail *f)
{
    const struct policy_document *d = policy_document(p->new, t->document);
    const struct text_row *before = had(p, d->name, t->language);
    bool same = same_text(before, t->text);
    p->news |= !same;
    add(p, d, t->file, t->language, t->title, t->text, number_of(p, d->name));
    if (same || p->changed[t->document] || !before)
        return OK;
    fail_where(f, "%.*s", SPAN_F(t->file));
    fail_hint(f, "a text that people agreed to stays as it was: give %.*s a new revision", SPAN_F(d->file));
    return fail_set(f, ERR_CONFLICT, "%.*s was changed, and %.*s still says revision %u", SPAN_F(t->file),
                    SPAN_F(d->file), d->revision);
}

static bool is_planned(const struct plan *p, const struct text_row *t)
{
    for (size_t i = 0; i < p->n_texts; i++)
        if (span_eq(p->texts[i].document, t->document) && span_eq(p->texts[i].language, t->language))
            return true;
    return false;
}

/* A document may go; a language only with a new revision. */
static enum err plan_gone(struct plan *p, const struct text_row *t, struct fail *f)
{
    unsigned i = policy_document_find(p->new, t->document);
    if (is_planned(p, t))
        return OK;
    p->news = true;
    if (i == POLICY_NONE || p->changed[i])
        return OK;
    fail_where(f, "%.*s", SPAN_F(t->file));
    return fail_set(f, ERR_CONFLICT, "%.*s is missing, and its document has no new revision",
                    SPAN_F(t->file));
}

static enum err check_news(const struct plan *p, struct fail *f)
{
    if (!p->news)
        return fail_set(f, ERR_CONFLICT, "nothing is new: these are the documents in force");
    bool unnumbered = false;
    for (unsigned i = 0; i < policy_documents(p->new); i++)
        unnumbered |= p->changed[i] && !policy_document(p->new, i)->revision;
    if (!unnumbered || p->numbered)
        return OK;
    fail_hint(f, "give the document whose rules it changes a new revision");
    return fail_set(f, ERR_CONFLICT,
                    "only documents without a number changed: people agree to the numbered ones");
}

enum err plan_texts(struct plan *p, struct fail *f)
{
    enum err e = OK;
    if (policy_documents(p->new) + policy_translations(p->new) > POLICY_TEXTS_MAX)
        return fail_set(f, ERR_TOO_LARGE, "a set has at most %d texts", POLICY_TEXTS_MAX);
    p->texts = ARENA_ARRAY(p->c->arena, POLICY_TEXTS_MAX, struct kept);
    for (unsigned i = 0; !e && i < policy_documents(p->new); i++)
        e = plan_document(p, i, f);
    for (size_t i = 0; !e && i < policy_translations(p->new); i++)
        e = plan_translation(p, policy_translation(p->new, i), f);
    for (size_t i = 0; !e && i < p->n_had; i++)
        e = plan_gone(p, &p->had[i], f);
    return e ? e : check_news(p, f);
}
