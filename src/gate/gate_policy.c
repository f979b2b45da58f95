// SPDX-License-Identifier: Apache-2.0
/* Which text was in force when (B0.1, R001). See gate.h. */
#include "gate_impl.h"
#include "policy_folder.h"
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

enum err text_keep(struct store *st, const struct kept *k, uint32_t set, struct instant now, struct fail *f)
{
    struct digest digest;
    crypto_sha256(k->text, &digest);
    struct span bytes = span_of(digest.b, sizeof digest.b);
    enum err e = store_run(st, Q_DOCUMENT_PUT,
                           ARGS(ARG_T(k->document), ARG_I(k->revision), ARG_B(bytes), ARG_I(k->in_force.ms),
                                ARG_T(k->language), ARG_T(k->title), ARG_B(k->text), ARG_I(now.ms),
                                ARG_I(INSTANT_FOREVER.ms), ARG_I(k->renews)),
                           NULL, f);
    return e ? e
             : store_run(
                   st, Q_SET_TEXT_ADD,
                   ARGS(ARG_I(set), ARG_T(k->file), ARG_T(k->document), ARG_I(k->revision), ARG_B(bytes)),
                   NULL, f);
}

static enum err keep_document(const struct gate *g, struct store *st, const struct policy_document *d,
                              struct instant now, struct fail *f)
{
    struct kept k = {.document = d->name,
                     .file = d->file,
                     .language = document_language(d->file),
                     .title = d->title,
                     .text = d->text,
                     .revision = d->revision,
                     .in_force = {in_force_ms(g, d)},
                     .renews = true};
    return text_keep(st, &k, 1, now, f);
}

static enum err keep_translation(const struct gate *g, struct store *st, const struct unit *u,
                                 const struct policy_translation *t, struct instant now, struct fail *f)
{
    const struct policy_document *d = policy_document(u->policy, t->document);
    struct kept k = {.document = d->name,
                     .file = t->file,
                     .language = t->language,
                     .title = t->title,
                     .text = t->text,
                     .revision = d->revision,
                     .in_force = {in_force_ms(g, d)},
                     .renews = true};
    return text_keep(st, &k, 1, now, f);
}

enum err policy_keep(struct gate *g, struct store *st, const struct unit *u, struct instant now,
                     struct fail *f)
{
    enum err e = store_run(st, Q_SET_ADD,
                           ARGS(ARG_I(1), ARG_B(span_of(u->digest.b, sizeof u->digest.b)), ARG_I(now.ms),
                                ARG_I(INSTANT_FOREVER.ms), ARG_I(now.ms), ARG_I(GATE_EFFECT_NONE), ARG_I(0)),
                           NULL, f);
    for (unsigned i = 0; !e && i < policy_documents(u->policy); i++)
        e = keep_document(g, st, policy_document(u->policy, i), now, f);
    for (size_t i = 0; !e && i < policy_translations(u->policy); i++)
        e = keep_translation(g, st, u, policy_translation(u->policy, i), now, f);
    return e;
}

/* ---- Sets */

enum err set_at(struct store *st, struct instant at, uint32_t *number, struct fail *f)
{
    struct store_rows rows;
    *number = 0;
    if (!store_one(st, Q_SET_AT, ARGS(ARG_I(at.ms)), &rows, f))
        return rows.err;
    *number = (uint32_t)store_i(&rows, 0);
    store_done(&rows);
    return OK;
}

enum err set_after(struct store *st, uint32_t number, uint32_t *out, struct instant *since, struct fail *f)
{
    struct store_rows rows;
    *out = 0;
    if (!store_one(st, Q_SET_AFTER, ARGS(ARG_I(number)), &rows, f))
        return rows.err;
    *out = (uint32_t)store_i(&rows, 0);
    since->ms = store_i(&rows, 1);
    store_done(&rows);
    return OK;
}

static void read_set(const struct store_rows *rows, struct policy_set_row *out)
{
    struct span digest = store_t(rows, 1);
    *out = (struct policy_set_row){.number = (uint32_t)store_i(rows, 0),
                                   .since = {store_i(rows, 2)},
                                   .ends = {store_i(rows, 3)},
                                   .published = {store_i(rows, 4)},
                                   .effect = (enum gate_effect)store_i(rows, 5),
                                   .noted = store_i(rows, 6) != 0};
    if (digest.len == sizeof out->digest.b)
        memcpy(out->digest.b, digest.p, digest.len);
}

enum err gate_sets(struct gate_call *c, struct policy_set_row **out, size_t *n, struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(c->st, Q_SET_ALL, NO_ARGS, &rows, f);
    *out = ARENA_ARRAY(c->arena, GATE_SETS_MAX, struct policy_set_row);
    *n = 0;
    if (e)
        return e;
    while (*n < GATE_SETS_MAX && store_next(&rows, f))
        read_set(&rows, &(*out)[(*n)++]);
    e = rows.err;
    store_done(&rows);
    return e;
}

/* ---- On record */

static struct span set_members(const struct gate_call *c, const struct policy_set_row *s)
{
    char revision[16 + 1];
    struct text t = text_new(c->arena, 128);
    hex_put(revision, s->digest.b, 8);
    json_open(&t, NULL, '{');
    json_str(&t, "event", "in-force");
    json_str(&t, "policy", revision);
    json_hex(&t, "sha256", s->digest.b, sizeof s->digest.b);
    if (s->number == c->view->number)
        json_hex(&t, "compiled", c->view->compiled.b, sizeof c->view->compiled.b);
    json_instant(&t, "since", s->since);
    json_close(&t, '}');
    return text_span(&t);
}

/* Every set that came into force and is not on record: more than one only after a long time shut. */
enum err gate_note_policy(struct gate_call *c, struct fail *f)
{
    struct policy_set_row *sets;
    size_t n = 0;
    enum err e = gate_sets(c, &sets, &n, f);
    for (size_t i = 0; !e && i < n; i++) {
        bool came = sets[i].number <= c->view->number && sets[i].since.ms < sets[i].ends.ms;
        if (!came || sets[i].noted)
            continue;
        e = store_run(c->st, Q_SET_NOTED, ARGS(ARG_I(sets[i].number)), NULL, f);
        if (!e)
            e = gate_note(c, AUDIT_POLICY, set_members(c, &sets[i]), f);
    }
    return e;
}

/* ---- The folder the first set came from */

static enum err text_known(struct store *st, struct span text, bool *known, struct fail *f)
{
    struct digest digest;
    struct store_rows rows;
    if (span_starts(text, "\xef\xbb\xbf")) /* a byte order mark is no part of a text */
        text = span_sub(text, 3, text.len);
    crypto_sha256(text, &digest);
    *known = true;
    if (!store_one(st, Q_DOCUMENT_HAS, ARGS(ARG_B(span_of(digest.b, sizeof digest.b))), &rows, f))
        return rows.err;
    *known = store_i(&rows, 0) > 0;
    store_done(&rows);
    return OK;
}

/* Prose beside the documents, without a block, is no text of the policy. */
static bool has_blocks(struct span text)
{
    for (size_t at = 0; at + 3 < text.len; at = span_find(text, '\n', at) + 1)
        if (span_starts(span_sub(text, at, 3), "```") || span_starts(span_sub(text, at, 3), "~~~"))
            return true;
    return false;
}

enum err policy_folder_published(struct store *st, const char *dir, struct fail *f)
{
    struct arena *a = arena_new(0);
    struct policy_source *sources;
    size_t n = 0;
    bool known = true;
    struct fail none = {0};
    enum err e = policy_folder_read(a, dir, &sources, &n, &none);
    if (e == ERR_NOT_FOUND) { /* nothing there to be mistaken for what runs */
        arena_free(a);
        return OK;
    }
    if (e)
        *f = none;
    for (size_t i = 0; !e && i < n; i++) {
        e = has_blocks(sources[i].text) ? text_known(st, sources[i].text, &known, f) : OK;
        if (e || known)
            continue;
        fail_hint(f, "publish it with `troth policy publish DIR`, or put the published text back");
        e = fail_set(f, ERR_CONFLICT,
                     "%s/%.*s was never published: what runs are the documents in the database", dir,
                     SPAN_F(sources[i].name));
    }
    arena_free(a);
    return e;
}

/* ---- Asking */

/* Columns from `from` on: revision, digest, in_force, language, title, text, ends, renews. */
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
    out->ends.ms = store_i(rows, from + 6);
    out->renews = store_i(rows, from + 7) != 0;
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

enum err gate_text_of(struct gate_call *c, struct span document, struct span language, uint32_t revision,
                      struct revision_row *out, struct fail *f)
{
    struct store_rows rows;
    if (!store_one(c->st, Q_DOCUMENT_REVISION, ARGS(ARG_T(document), ARG_I(revision), ARG_T(language)), &rows,
                   f))
        return rows.err
                   ? rows.err
                   : fail_set(f, ERR_NOT_FOUND, "there is no such revision of a document in this language");
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
