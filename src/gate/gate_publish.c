// SPDX-License-Identifier: Apache-2.0
/*
 * Publishing a set of documents, and taking it back before its instant. See gate.h.
 *
 * Compiling and comparing come first, on any thread; what is left for the committer is a handful of rows.
 */
#include "gate_publish_impl.h"

const char *gate_effect_name(enum gate_effect e)
{
    static const char *const names[] = {"none", "neutral", "protects", "reduces"};
    return names[e];
}

/* ---- Before the committer */

enum err gate_publish_prepare(struct gate_call *c, struct gate_publication *p, struct policy_messages *m,
                              struct fail *f)
{
    enum err e = unit_make(p->sources, p->n_sources, &p->unit, m, f);
    p->against = c->view->number;
    return e ? e : publication_compare(p, c->view->policy, c->arena, f);
}

void gate_publication_end(struct gate_publication *p)
{
    unit_drop(p->unit);
    p->unit = NULL;
}

/* ---- Whether it may be */

static enum err check_place(struct gate_call *c, uint32_t *current, struct fail *f)
{
    uint32_t next = 0;
    struct instant since;
    char when[INSTANT_TEXT_MAX];
    enum err e = set_at(c->st, c->now, current, f);
    if (!e && *current != c->view->number)
        return fail_set(f, ERR_BUSY, "another set has just come into force; try again");
    if (!e)
        e = set_after(c->st, *current, &next, &since, f);
    if (e || !next)
        return e;
    instant_put(when, since);
    fail_hint(f, "`troth policy unpublish %u` takes it back", next);
    return fail_set(f, ERR_CONFLICT, "set %u is published and takes effect at %s: one at a time", next, when);
}

/* Rights that shrink in a document ask for a new agreement to it; where no changed document says so, to every
 * one that changed. */
static void mark_renewed(const struct plan *p, bool *renewed)
{
    bool all = false;
    for (size_t i = 0; i < p->asked->n_changes; i++) {
        const struct gate_change *c = &p->asked->changes[i];
        if (c->effect != GATE_EFFECT_REDUCES)
            continue;
        unsigned doc = c->document.len ? policy_document_find(p->new, c->document) : POLICY_NONE;
        bool its_own = doc != POLICY_NONE && p->changed[doc] && policy_document(p->new, doc)->revision;
        if (its_own)
            renewed[doc] = true;
        all |= !its_own;
    }
    all |= p->asked->counts[GATE_EFFECT_REDUCES] > p->asked->n_changes; /* some are not told one by one */
    for (unsigned i = 0; all && i < policy_documents(p->new); i++)
        renewed[i] |= p->changed[i];
}

static void date_texts(struct plan *p)
{
    bool renewed[POLICY_DOCUMENTS_MAX] = {0};
    mark_renewed(p, renewed);
    for (size_t i = 0; i < p->n_texts; i++) {
        unsigned doc = policy_document_find(p->new, p->texts[i].document);
        bool first = policy_document_find(p->old, p->texts[i].document) == POLICY_NONE;
        p->texts[i].in_force = p->since;
        p->texts[i].renews = renewed[doc] || first;
    }
}

/* Notice comes last: a dry run tells everything else first. */
static enum err check_when(struct plan *p, struct fail *f)
{
    enum err e = plan_instant(p, f);
    return e ? e : plan_notice(p, f);
}

static enum err make_plan(struct plan *p, struct fail *f)
{
    struct gate_publication *asked = p->asked;
    enum err e = set_texts(p->c, p->c->view->number, &p->had, &p->n_had, f);
    if (!e)
        e = plan_texts(p, f);
    if (e)
        return e;
    p->notice = notice_promised(p);
    asked->earliest = asked->effect == GATE_EFFECT_REDUCES ? p->notice.earliest : p->c->now;
    if (p->notice.clause != POLICY_NONE)
        asked->notice = policy_clause_ref(p->old, p->notice.clause, p->c->arena);
    e = check_when(p, asked->dry ? &asked->refused : f);
    date_texts(p);
    return asked->dry ? OK : e;
}

/* ---- Storing */

static bool keeps(const struct plan *p, const struct text_row *t)
{
    struct digest d;
    for (size_t i = 0; i < p->n_texts; i++) {
        if (!span_eq(p->texts[i].document, t->document) || p->texts[i].revision != t->revision)
            continue;
        crypto_sha256(p->texts[i].text, &d);
        if (memcmp(d.b, t->digest.b, sizeof d.b) == 0)
            return true;
    }
    return false;
}

static enum err end_text(struct store *st, const struct text_row *t, struct instant at, struct fail *f)
{
    return store_run(st, Q_DOCUMENT_END,
                     ARGS(ARG_T(t->document), ARG_I(t->revision),
                          ARG_B(span_of(t->digest.b, sizeof t->digest.b)), ARG_I(at.ms)),
                     NULL, f);
}

static enum err store_changes(struct plan *p, uint32_t number, struct fail *f)
{
    enum err e = OK;
    for (size_t i = 0; !e && i < p->asked->n_changes; i++) {
        const struct gate_change *c = &p->asked->changes[i];
        for (size_t l = 0; !e && l < GATE_CHANGE_LANGUAGES; l++)
            e = store_run(p->c->st, Q_CHANGE_ADD,
                          ARGS(ARG_I(number), ARG_I(i + 1), ARG_T(span_str(gate_change_languages[l])),
                               ARG_I(c->effect), ARG_T(c->document), ARG_T(c->clause), ARG_T(c->sentence[l])),
                          NULL, f);
    }
    return e;
}

static enum err store_set(struct plan *p, const struct policy_set_row *s, struct fail *f)
{
    struct store *st = p->c->st;
    enum err e = store_run(st, Q_SET_END, ARGS(ARG_I(p->c->view->number), ARG_I(s->since.ms)), NULL, f);
    if (!e)
        e = store_run(st, Q_SET_ADD,
                      ARGS(ARG_I(s->number), ARG_B(span_of(s->digest.b, sizeof s->digest.b)),
                           ARG_I(s->since.ms), ARG_I(s->ends.ms), ARG_I(s->published.ms), ARG_I(s->effect),
                           ARG_I(0)),
                      NULL, f);
    for (size_t i = 0; !e && i < p->n_had; i++)
        e = keeps(p, &p->had[i]) ? OK : end_text(st, &p->had[i], s->since, f);
    for (size_t i = 0; !e && i < p->n_texts; i++)
        e = text_keep(st, &p->texts[i], s->number, p->c->now, f);
    return e ? e : store_changes(p, s->number, f);
}

/* Ready for its instant, once the group is committed (gate_registers_changed). */
static void hand_over(struct plan *p, const struct policy_set_row *s)
{
    struct gate *g = p->c->gate;
    struct unit *u = p->asked->unit;
    u->number = s->number;
    u->since = s->since;
    pthread_mutex_lock(&g->lock);
    struct unit *left = g->arriving;
    g->arriving = unit_hold(u); /* the job keeps its own: it may have to run again */
    pthread_mutex_unlock(&g->lock);
    unit_drop(left);
}

static struct span entry_of(struct gate_call *c, const char *event, const struct policy_set_row *s)
{
    char revision[16 + 1];
    struct text t = text_new(c->arena, 256);
    hex_put(revision, s->digest.b, 8);
    json_open(&t, NULL, '{');
    json_str(&t, "event", event);
    json_str(&t, "policy", revision);
    json_hex(&t, "sha256", s->digest.b, sizeof s->digest.b);
    json_i64(&t, "set", s->number);
    json_instant(&t, "since", s->since);
    json_str(&t, "effect", gate_effect_name(s->effect));
    json_close(&t, '}');
    return text_span(&t);
}

static enum err next_number(struct gate_call *c, uint32_t *out, struct fail *f)
{
    struct policy_set_row *sets;
    size_t n = 0;
    enum err e = gate_sets(c, &sets, &n, f);
    if (!e && n == GATE_SETS_MAX)
        return fail_set(f, ERR_TOO_LARGE, "%d sets were published here, and no more are kept", GATE_SETS_MAX);
    *out = n ? sets[n - 1].number + 1 : 1;
    return e;
}

/* What the answer tells of the documents that are new. */
static void list_documents(struct plan *p)
{
    struct gate_publication *asked = p->asked;
    asked->n_documents = 0;
    asked->documents = ARENA_ARRAY(p->c->arena, p->n_texts + 1, struct revision_row);
    for (unsigned i = 0; i < policy_documents(p->new); i++) {
        if (!p->changed[i])
            continue;
        const struct policy_document *d = policy_document(p->new, i);
        struct revision_row *row = &asked->documents[asked->n_documents++];
        *row = (struct revision_row){.document = arena_copy(p->c->arena, d->name),
                                     .title = arena_copy(p->c->arena, d->title),
                                     .language = arena_copy(p->c->arena, document_language(d->file)),
                                     .in_force = p->since,
                                     .ends = INSTANT_FOREVER};
        crypto_sha256(d->text, &row->digest);
        for (size_t k = 0; k < p->n_texts; k++)
            if (span_eq(p->texts[k].document, d->name)) {
                row->revision = p->texts[k].revision;
                row->renews = p->texts[k].renews;
            }
    }
}

enum err gate_publish(struct gate_call *c, struct gate_publication *p, struct fail *f)
{
    uint32_t current = 0;
    struct plan *plan = ARENA_NEW(c->arena, struct plan);
    *plan = (struct plan){.c = c,
                          .asked = p,
                          .old = c->view->policy,
                          .new = p->unit->policy,
                          .offset_minutes = c->gate->offset_minutes};
    if (p->against != c->view->number)
        return fail_set(f, ERR_BUSY, "another set has just come into force; try again");
    p->set = (struct policy_set_row){
        .digest = p->unit->digest, .ends = INSTANT_FOREVER, .published = c->now, .effect = p->effect};
    enum err e = check_place(c, &current, f);
    if (!e)
        e = make_plan(plan, f);
    if (!e)
        e = next_number(c, &p->set.number, f);
    if (e)
        return e;
    p->set.since = plan->since;
    list_documents(plan);
    if (p->dry)
        return OK;
    e = store_set(plan, &p->set, f);
    if (!e)
        e = unit_agreements(p->unit, c->st, f);
    if (!e)
        e = gate_note(c, AUDIT_POLICY, entry_of(c, "published", &p->set), f);
    if (!e)
        hand_over(plan, &p->set);
    return e;
}

/* ---- Taking it back */

static bool is_set(const struct policy_set_row *s, struct span which)
{
    char revision[16 + 1];
    uint64_t number;
    hex_put(revision, s->digest.b, 8);
    return span_is(which, revision) || (span_u64(which, UINT32_MAX, &number) && number == s->number);
}

static enum err find_set(struct gate_call *c, struct span which, struct policy_set_row *out, struct fail *f)
{
    struct policy_set_row *sets;
    size_t n = 0;
    enum err e = gate_sets(c, &sets, &n, f);
    while (!e && n > 0 && !is_set(&sets[n - 1], which))
        n--;
    if (e)
        return e;
    if (n == 0) {
        fail_hint(f, "`troth policy revisions` lists them");
        return fail_set(f, ERR_NOT_FOUND, "there is no such set of documents");
    }
    *out = sets[n - 1];
    return OK;
}

static enum err check_waiting(const struct gate_call *c, const struct policy_set_row *s, struct fail *f)
{
    if (s->since.ms == s->ends.ms)
        return fail_set(f, ERR_CONFLICT, "set %u was withdrawn already", s->number);
    if (s->since.ms > c->now.ms && s->number > c->view->number)
        return OK;
    fail_hint(f, "publish another one: people read what was in force, and it stays readable");
    return fail_set(f, ERR_CONFLICT, "set %u came into force and cannot be taken back", s->number);
}

static bool among(const struct text_row *list, size_t n, const struct text_row *t)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(list[i].document, t->document) && list[i].revision == t->revision &&
            memcmp(list[i].digest.b, t->digest.b, sizeof t->digest.b) == 0)
            return true;
    return false;
}

enum err gate_withdraw(struct gate_call *c, struct span which, struct policy_set_row *out, struct fail *f)
{
    struct text_row *back, *stay;
    size_t n_back = 0, n_stay = 0;
    uint32_t current = c->view->number;
    enum err e = find_set(c, which, out, f);
    if (!e)
        e = check_waiting(c, out, f);
    if (!e)
        e = set_texts(c, out->number, &back, &n_back, f);
    if (!e)
        e = set_texts(c, current, &stay, &n_stay, f);
    if (!e)
        e = store_run(c->st, Q_SET_END, ARGS(ARG_I(out->number), ARG_I(out->since.ms)), NULL, f);
    if (!e)
        e = store_run(c->st, Q_SET_END, ARGS(ARG_I(current), ARG_I(INSTANT_FOREVER.ms)), NULL, f);
    for (size_t i = 0; !e && i < n_back; i++)
        e = among(stay, n_stay, &back[i]) ? OK : end_text(c->st, &back[i], out->since, f);
    for (size_t i = 0; !e && i < n_stay; i++)
        e = among(back, n_back, &stay[i]) ? OK : end_text(c->st, &stay[i], INSTANT_FOREVER, f);
    out->ends = out->since;
    return e ? e : gate_note(c, AUDIT_POLICY, entry_of(c, "withdrawn", out), f);
}

/* ---- What was announced */

enum err gate_changes(struct gate_call *c, uint32_t set, struct span document, struct span language,
                      struct gate_change **out, size_t *n, struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(c->st, Q_CHANGE_LIST, ARGS(ARG_I(set), ARG_T(language)), &rows, f);
    *out = ARENA_ARRAY(c->arena, GATE_CHANGES_MAX, struct gate_change);
    *n = 0;
    if (e)
        return e;
    while (*n < GATE_CHANGES_MAX && store_next(&rows, f)) {
        struct span whose = store_t(&rows, 1);
        if (document.len && whose.len && !span_eq(whose, document))
            continue;
        struct gate_change *g = &(*out)[(*n)++];
        *g = (struct gate_change){.effect = (enum gate_effect)store_i(&rows, 0),
                                  .document = arena_copy(c->arena, whose),
                                  .clause = arena_copy(c->arena, store_t(&rows, 2))};
        g->sentence[0] = arena_copy(c->arena, store_t(&rows, 3));
    }
    e = rows.err;
    store_done(&rows);
    return e;
}
