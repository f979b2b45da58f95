// SPDX-License-Identifier: Apache-2.0
/* Which text was in force when (B0.1, R001). See gate.h. */
#include "gate_impl.h"
#include "policy_translate.h"

/* The rules are written in English words; a file that says otherwise in its name is believed. */
struct span document_language(struct span file)
{
    struct span rest = file, part, last = SPAN_EMPTY, before = SPAN_EMPTY;
    size_t parts = 0;
    while (span_cut(&rest, '.', &part)) {
        before = last;
        last = part;
        parts++;
    }
    return parts > 2 ? before : SPAN("en");
}

/* ---- Keeping */

/* The catalogue has no document block of its own: it is in force as long as the rest. */
static int64_t in_force_ms(const struct gate *g, const struct policy_document *d)
{
    return d->in_force.month ? date_start(d->in_force, g->offset_minutes).ms : 0;
}

/* One text of a document: its own, or a translation, which has the document's number and its day. */
struct kept {
    const struct policy_document *document;
    struct span language, title, text;
};

/* Publishing rules come later; until then a changed text under an old number runs, and is said aloud. */
static enum err warn_if_changed(struct store *st, const struct kept *k, const struct digest *digest,
                                struct fail *f)
{
    const struct policy_document *d = k->document;
    struct store_rows rows;
    bool found = store_one(st, Q_DOCUMENT_OTHER,
                           ARGS(ARG_T(d->name), ARG_I(d->revision),
                                ARG_B(span_of(digest->b, sizeof digest->b)), ARG_T(k->language)),
                           &rows, f);
    int64_t others = found ? store_i(&rows, 0) : 0;
    enum err e = found ? OK : rows.err;
    store_done(&rows);
    if (others)
        log_line(LOG_LVL_WARN, "gate",
                 "document %.*s (%.*s) was changed but still says revision %u; it runs under its new digest",
                 SPAN_F(d->name), SPAN_F(k->language), d->revision);
    return e;
}

static enum err keep_text(struct gate *g, struct store *st, const struct kept *k, struct instant now,
                          struct fail *f)
{
    const struct policy_document *d = k->document;
    struct digest digest;
    int64_t added = 0;
    crypto_sha256(k->text, &digest);
    enum err e = store_run(st, Q_DOCUMENT_PUT,
                           ARGS(ARG_T(d->name), ARG_I(d->revision), ARG_B(span_of(digest.b, sizeof digest.b)),
                                ARG_I(in_force_ms(g, d)), ARG_T(k->language), ARG_T(k->title), ARG_B(k->text),
                                ARG_I(now.ms)),
                           &added, f);
    return e || !added ? e : warn_if_changed(st, k, &digest, f);
}

static enum err keep_document(struct gate *g, struct store *st, const struct policy_document *d,
                              struct instant now, struct fail *f)
{
    struct kept k = {d, document_language(d->file), d->title, d->text};
    return keep_text(g, st, &k, now, f);
}

static enum err keep_translation(struct gate *g, struct store *st, const struct policy_translation *t,
                                 struct instant now, struct fail *f)
{
    struct kept k = {policy_document(g->policy, t->document), t->language, t->title, t->text};
    return keep_text(g, st, &k, now, f);
}

static struct span set_members(const struct gate_call *c)
{
    struct text t = text_new(c->arena, 128);
    json_open(&t, NULL, '{');
    json_str(&t, "policy", c->view->revision);
    json_hex(&t, "sha256", c->view->digest.b, sizeof c->view->digest.b);
    json_hex(&t, "compiled", c->view->compiled.b, sizeof c->view->compiled.b);
    json_close(&t, '}');
    return text_span(&t);
}

enum err gate_note_policy(struct gate_call *c, struct fail *f)
{
    struct store_rows rows;
    struct span digest = span_of(c->view->digest.b, sizeof c->view->digest.b);
    bool found = store_one(c->st, Q_SET_LAST, NO_ARGS, &rows, f);
    bool same = found && span_eq(store_t(&rows, 1), digest);
    enum err e = found ? OK : rows.err;
    store_done(&rows);
    if (e || same)
        return e;
    e = store_run(c->st, Q_SET_PUT, ARGS(ARG_I(c->now.ms), ARG_B(digest)), NULL, f);
    return e ? e : gate_note(c, AUDIT_POLICY, set_members(c), f);
}

enum err policy_keep(struct gate *g, struct store *st, struct instant now, struct fail *f)
{
    enum err e = OK;
    for (unsigned i = 0; !e && i < policy_documents(g->policy); i++)
        e = keep_document(g, st, policy_document(g->policy, i), now, f);
    for (size_t i = 0; !e && i < policy_translations(g->policy); i++)
        e = keep_translation(g, st, policy_translation(g->policy, i), now, f);
    return e;
}

/* ---- Asking */

/* Columns from `from` on: revision, digest, in_force, language, title, text. */
static void read_revision(const struct store_rows *rows, unsigned from, struct arena *a,
                          struct revision_row *out)
{
    struct span digest = store_t(rows, from + 1);
    out->revision = (uint32_t)store_i(rows, from);
    if (digest.len == sizeof out->digest.b)
        memcpy(out->digest.b, digest.p, digest.len);
    out->in_force.ms = store_i(rows, from + 2);
    out->language = arena_copy(a, store_t(rows, from + 3));
    out->title = arena_copy(a, store_t(rows, from + 4));
    out->text = arena_copy(a, store_t(rows, from + 5));
}

enum err gate_text_at(struct gate_call *c, struct span document, struct span language, struct instant at,
                      struct revision_row *out, struct fail *f)
{
    struct store_rows rows;
    if (!store_one(c->st, Q_DOCUMENT_AT, ARGS(ARG_T(document), ARG_I(at.ms), ARG_T(language)), &rows, f))
        return rows.err ? rows.err
                        : fail_set(f, ERR_NOT_FOUND, "no such document was in force then in this language");
    *out = (struct revision_row){.document = arena_copy(c->arena, document)};
    read_revision(&rows, 0, c->arena, out);
    store_done(&rows);
    return OK;
}

enum err gate_revision_at(struct gate_call *c, struct span document, struct instant at,
                          struct revision_row *out, struct fail *f)
{
    return gate_text_at(c, document, document_language(SPAN_EMPTY), at, out, f);
}

enum err gate_revisions(struct gate_call *c, struct revision_row **out, size_t *n, struct fail *f)
{
    struct store_rows rows;
    size_t cap = 0;
    *out = NULL;
    *n = 0;
    enum err e = store_query(c->st, Q_DOCUMENT_ALL, NO_ARGS, &rows, f);
    if (e)
        return e;
    while (store_next(&rows, f)) {
        if (*n == cap) {
            cap = cap ? cap * 2 : 16;
            struct revision_row *wider = ARENA_ARRAY(c->arena, cap, struct revision_row);
            if (*n)
                memcpy(wider, *out, *n * sizeof *wider);
            *out = wider;
        }
        struct revision_row *row = &(*out)[(*n)++];
        row->document = arena_copy(c->arena, store_t(&rows, 0));
        read_revision(&rows, 1, c->arena, row);
    }
    e = rows.err;
    store_done(&rows);
    return e;
}
