// SPDX-License-Identifier: Apache-2.0
/*
 * A database that was put back from an earlier time, under a record that went on. See gate.h.
 *
 * The database keeps the highest outbox id it committed (engine.h, ENGINE_WATERMARK); each entry of a change
 * carries its id. Entries beyond the mark are changes the database does not have.
 */
#include "gate_impl.h"
#include "nodes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WATERMARK       "pending" /* ENGINE_WATERMARK; the gate does not include the engine */
#define RECONCILE_TRIES 10
#define LOSS            "loss" /* what is still to be put on record */

enum fate { FATE_NOTHING, FATE_AGAIN, FATE_LOST }; /* changed nothing; done again; lost */

/* Pseudonyms, or names of the erased. */
struct names {
    uint8_t (*list)[16];
    size_t n, cap;
};

struct missing {
    struct gate *gate;
    struct gate_call *call;
    struct audit *au;
    struct epoch_names pseudonyms;
    struct arena *scratch;
    struct names gone;          /* pseudonyms of who was erased after the copy */
    struct instant first, last; /* of what the database lacks; `last` before `first`: nothing */
    struct names named;         /* the same persons, as the details name them */
    size_t noted, erased;       /* again, here: the ledger names them, does not */
    bool any;
    struct instant from, until;
    uint64_t again[AUDIT_KINDS], lost[AUDIT_KINDS];
};

/* ---- The erased: what was done to them before has nothing left that it could be done to */

static bool of_nobody(const struct audit_leaf *l)
{
    static const uint8_t nobody[sizeof l->subject];
    return memcmp(l->subject, nobody, sizeof nobody) == 0;
}

static void names_add(struct names *s, const uint8_t name[16])
{
    s->list = list_grown(s->list, s->n, &s->cap, sizeof *s->list);
    memcpy(s->list[s->n++], name, sizeof *s->list);
}

static int name_cmp(const void *a, const void *b)
{
    return memcmp(a, b, sizeof *((struct names *)0)->list);
}

static void names_sort(struct names *s)
{
    if (s->n)
        qsort(s->list, s->n, sizeof *s->list, name_cmp);
}

static bool names_hold(const struct names *s, const uint8_t name[16])
{
    return s->n && bsearch(name, s->list, s->n, sizeof *s->list, name_cmp);
}

/* False: an entry from before details had it. */
static bool name_in_detail(const struct missing *m, const struct audit_leaf *l, struct span sealed,
                           uint8_t out[16])
{
    struct span text = SPAN_EMPTY;
    const struct json *detail = NULL;
    struct fail unread = {0};
    return detail_open(m->gate->vault, NULL, sealed, l, m->scratch, &text, &unread) == OK &&
           json_parse(m->scratch, text, &detail, &unread) == OK &&
           hex_get(json_span(json_get(detail, "name")), out, 16);
}

static enum err note_gone(void *ctx, uint64_t index, struct span leaf, struct span sealed, struct fail *f)
{
    struct missing *m = ctx;
    struct audit_leaf l;
    uint8_t name[16];
    (void)index, (void)f;
    if (!audit_leaf_get(leaf, &l))
        return OK;
    m->first = l.time.ms < m->first.ms ? l.time : m->first;
    m->last = l.time.ms > m->last.ms ? l.time : m->last;
    if (l.kind != AUDIT_ERASE)
        return OK;
    if (!of_nobody(&l))
        names_add(&m->gone, l.subject);
    if (name_in_detail(m, &l, sealed, name))
        names_add(&m->named, name);
    arena_reset(m->scratch);
    return OK;
}

static enum err erase_now(struct missing *m, const struct subject *s, struct fail *f)
{
    struct vault *v = m->gate->vault;
    struct vault_person person = vault_of(s);
    enum err e = subject_erase(m->call->st, s, m->call->now, f);
    if (e)
        return e;
    if (vault_ledger_holds(v, s->id)) {
        m->noted++;
        vault_key_destroy_noted(v, m->call->st, &person);
        return OK;
    }
    m->erased++;
    return vault_key_destroy(v, m->call->st, &person, f);
}

/* What was done to them in other epochs than that of the erasure, or before their key was damaged, is
 * theirs, too. */
static enum err note_theirs(struct missing *m, const struct subject *s, struct fail *f)
{
    struct vault_person person = vault_of(s);
    struct person_key *key = NULL;
    struct fail unread = {0};
    uint8_t name[16];
    enum err e = m->first.ms <= m->last.ms
                     ? vault_key_read(m->gate->vault, m->call->st, &person, &key, &unread)
                     : ERR_GONE;
    if (e == ERR_GONE || e == ERR_INTEGRITY)
        return OK;
    if (e) { /* a key that cannot be asked for now is not lost */
        *f = unread;
        return e;
    }
    for (unsigned way = 0; way < AUDIT_EPOCH_WAYS; way++)
        for (uint32_t n = audit_epoch_by(way, m->first); n <= audit_epoch_by(way, m->last); n++) {
            vault_pseudonym(key, n, name);
            names_add(&m->gone, name);
        }
    vault_key_close(key);
    return OK;
}

struct living {
    const struct missing *m;
    struct subject *list;
    size_t n, cap;
};

static void add_erased(void *ctx, const struct subject *s)
{
    struct living *l = ctx;
    const struct vault *v = l->m->gate->vault;
    uint8_t name[16];
    erased_name(v, s->id, name);
    if (!vault_ledger_holds(v, s->id) && !names_hold(&l->m->named, name))
        return;
    l->list = list_grown(l->list, l->n, &l->cap, sizeof *l->list);
    l->list[l->n++] = *s;
}

/* Whom the ledger names, and whom the record does: the ledger may be older, or lost. Their keys may be what
 * is lost: without them only less is known to be theirs. */
static enum err erase_named(struct missing *m, struct fail *f)
{
    struct living l = {.m = m};
    struct store *st = m->call->st;
    enum err e = OK;
    if (m->named.n || m->gate->ledger_ahead)
        e = subject_each(st, add_erased, &l, m->call->now, f);
    for (size_t i = 0; !e && i < l.n; i++) /* before the first key goes: reading asks which do */
        e = note_theirs(m, &l.list[i], f);
    for (size_t i = 0; !e && i < l.n; i++)
        e = erase_now(m, &l.list[i], f);
    if (l.n)
        store_truncate_after(st);
    free(l.list);
    return e;
}

/* By the pseudonym, where the detail has no name. */
static enum err erase_again(struct missing *m, const struct audit_leaf *l, struct fail *f)
{
    const struct gate_call *c = m->call;
    struct subject_id id;
    struct subject s;
    struct fail why = {0};
    if (of_nobody(l) || !epoch_find(&m->pseudonyms, c->st, l, &id))
        return OK;
    enum err e = subject_get(c->st, id, c->now, &s, &why);
    if (e == ERR_NOT_FOUND || e == ERR_GONE)
        return OK;
    if (e) {
        *f = why;
        return e;
    }
    return erase_now(m, &s, f);
}

/* ---- One entry */

/* The person's key, or null where the detail is under the node's. False: nobody living has this pseudonym. */
static bool entry_key(struct missing *m, const struct audit_leaf *l, struct subject *s,
                      struct person_key **key)
{
    struct subject_id id;
    struct fail gone = {0};
    *key = NULL;
    if (of_nobody(l))
        return true;
    if (!epoch_find(&m->pseudonyms, m->call->st, l, &id) ||
        subject_get(m->call->st, id, m->call->now, s, &gone))
        return false;
    struct vault_person person = vault_of(s);
    return vault_key_read(m->gate->vault, m->call->st, &person, key, &gone) == OK;
}

static const struct json *entry_event(struct missing *m, const struct audit_leaf *l, struct span sealed,
                                      struct subject *s)
{
    struct person_key *key;
    struct span text = SPAN_EMPTY;
    const struct json *detail = NULL;
    struct fail unread = {0};
    if (!entry_key(m, l, s, &key))
        return NULL;
    if (detail_open(m->gate->vault, key, sealed, l, m->scratch, &text, &unread) ||
        json_parse(m->scratch, text, &detail, &unread))
        detail = NULL;
    vault_key_close(key);
    return json_get(detail, "event");
}

static enum err apply_consent(struct missing *m, const struct json *event, struct subject *s, enum fate *fate,
                              struct fail *f)
{
    struct consent_event e;
    *fate = FATE_LOST;
    if (!event || !consent_event_read(m->scratch, event, &e))
        return OK;
    *fate = FATE_AGAIN;
    const struct policy *p = m->call->view->policy;
    unsigned need = policy_kind_find(p, KIND_NEED, e.name);
    enum err err = consent_apply(m->call, s, &e, f);
    if (!err)
        err = consent_clocks(m->call, s, &e,
                             need == POLICY_NONE ? SPAN_EMPTY : policy_kind_source(p, KIND_NEED, need), f);
    return err ? err : subject_epoch_step(m->call->st, s, f);
}

/* What the sweep did it does again by itself; that a set came into force is noted again, if it was published
 * before the copy was made. */
static bool by_itself(const struct json *event)
{
    return span_is(json_span(event), "the time to keep is over") || span_is(json_span(event), "turned 14") ||
           span_is(json_span(json_get(event, "event")), "in-force");
}

static enum err take(struct missing *m, const struct audit_leaf *l, struct span sealed, enum fate *fate,
                     struct fail *f)
{
    struct subject s;
    switch (l->kind) {
    case AUDIT_DECISION:
    case AUDIT_READ:
    case AUDIT_REFUSED:
    case AUDIT_START:
    case AUDIT_EXPORT:
    case AUDIT_EPOCH:
    case AUDIT_PRUNE:
        *fate = FATE_NOTHING;
        return OK;
    case AUDIT_ERASE:
        *fate = FATE_AGAIN;
        return erase_again(m, l, f);
    case AUDIT_CONSENT:
    case AUDIT_WITHDRAW:
        return apply_consent(m, entry_event(m, l, sealed, &s), &s, fate, f);
    case AUDIT_DELETE:
    case AUDIT_SUBJECT:
    case AUDIT_POLICY:
        *fate = by_itself(entry_event(m, l, sealed, &s)) ? FATE_AGAIN : FATE_LOST;
        return OK;
    default:
        *fate = FATE_LOST;
        return OK;
    }
}

static enum err take_entry(void *ctx, uint64_t index, struct span leaf, struct span sealed, struct fail *f)
{
    struct missing *m = ctx;
    struct audit_leaf l;
    enum fate fate = FATE_NOTHING;
    if (!audit_leaf_get(leaf, &l))
        return fail_set(f, ERR_CORRUPT, "entry %" PRIu64 " of the record cannot be read", index);
    bool past = l.kind != AUDIT_ERASE && !of_nobody(&l) && names_hold(&m->gone, l.subject);
    enum err e = past ? OK : take(m, &l, sealed, &fate, f);
    if (!e) /* nobody is taken for gone because a key could not be read just now */
        e = epoch_trouble(&m->pseudonyms, f);
    arena_reset(m->scratch);
    if (e || fate == FATE_NOTHING)
        return e;
    if (!m->any)
        m->from = l.time;
    m->any = true;
    m->until = l.time;
    (fate == FATE_AGAIN ? m->again : m->lost)[l.kind]++;
    return OK;
}

/* ---- Telling */

static uint64_t total(const uint64_t counts[AUDIT_KINDS])
{
    uint64_t n = 0;
    for (size_t i = 0; i < AUDIT_KINDS; i++)
        n += counts[i];
    return n;
}

static void put_counts(struct text *t, const char *name, const uint64_t counts[AUDIT_KINDS])
{
    if (total(counts) == 0)
        return;
    json_open(t, name, '{');
    for (size_t i = 0; i < AUDIT_KINDS; i++)
        if (counts[i])
            json_i64(t, audit_kind_name((enum audit_kind)i), (int64_t)counts[i]);
    json_close(t, '}');
}

static struct span loss_members(struct arena *a, const struct missing *m, struct span other)
{
    struct text t = text_new(a, 512);
    if (m->any) {
        json_instant(&t, "changes_from", m->from);
        json_instant(&t, "changes_until", m->until);
        put_counts(&t, "done_again", m->again);
        put_counts(&t, "lost", m->lost);
    }
    if (other.len) {
        if (t.len)
            text_char(&t, ',');
        text_put(&t, other);
    }
    return text_span(&t);
}

static struct span kinds_text(struct arena *a, const uint64_t counts[AUDIT_KINDS])
{
    struct text t = text_new(a, 256);
    for (size_t i = 0; i < AUDIT_KINDS; i++)
        if (counts[i])
            text_fmt(&t, "%s%" PRIu64 " %s", t.len ? ", " : "", counts[i],
                     audit_kind_name((enum audit_kind)i));
    return text_span(&t);
}

static enum err refuse(struct arena *a, const struct missing *m, struct fail *f)
{
    char from[INSTANT_TEXT_MAX], until[INSTANT_TEXT_MAX];
    instant_put(from, m->from);
    instant_put(until, m->until);
    fail_hint(
        f,
        "Put the newest copies of the databases back. If there are none, start once with --accept-loss: "
        "%" PRIu64 " more are done again from the record, the loss goes on record.",
        total(m->again));
    return fail_set(
        f, ERR_CONFLICT,
        "The database is older than the record: changes made from %s to %s are on record and not in "
        "the database: %.*s.",
        from, until, SPAN_F(kinds_text(a, m->lost)));
}

/* ---- All of it */

/* Of this node. */
static enum err meta_get(const struct gate_call *c, const char *name, bool *found, int64_t *number,
                         struct arena *a, struct span *bytes, struct fail *f)
{
    struct store_rows rows;
    char row[NODE_ROW_MAX];
    node_row_name(row, name, c->gate->node);
    *found = store_one(c->st, Q_META_GET, ARGS(ARG_T(span_str(row))), &rows, f);
    if (!*found)
        return rows.err;
    *number = store_i(&rows, 0);
    if (bytes)
        *bytes = arena_copy(a, store_t(&rows, 1));
    store_done(&rows);
    return OK;
}

/* The highest id that committed changes have, in the outbox or before it. False in *known: not kept yet. */
static enum err last_change(const struct gate_call *c, bool *known, uint64_t *mark, uint64_t *waiting,
                            struct fail *f)
{
    struct store_rows rows;
    int64_t number = 0;
    *waiting = 0;
    enum err e = meta_get(c, WATERMARK, known, &number, NULL, NULL, f);
    *mark = (uint64_t)number;
    if (e || !store_one(c->st, Q_PENDING_LAST,
                        ARGS(ARG_I(node_base(c->gate->node)), ARG_I(node_end(c->gate->node))), &rows, f))
        return e ? e : rows.err;
    *waiting = (uint64_t)store_i(&rows, 0);
    store_done(&rows);
    return OK;
}

static enum err record_older(uint64_t mark, uint64_t have, bool accept, struct text *other, struct fail *f)
{
    if (accept) {
        json_i64(other, "changes_without_entry", (int64_t)(mark - have));
        return OK;
    }
    fail_hint(
        f,
        "Put the newest copy of the record (audit/) back. If there is none, start once with --accept-loss: "
        "the loss goes on record.");
    return fail_set(f, ERR_CONFLICT,
                    "The record is older than the database: the entries of its last %" PRIu64
                    " changes are not in it.",
                    mark - have);
}

static enum err meta_put(const struct gate_call *c, const char *name, struct store_arg number,
                         struct store_arg bytes, struct fail *f)
{
    char row[NODE_ROW_MAX];
    node_row_name(row, name, c->gate->node);
    return store_run(c->st, Q_META_PUT, ARGS(ARG_T(span_str(row)), number, bytes), NULL, f);
}

static enum err keep_loss(const struct gate_call *c, struct audit *au, struct span members, struct fail *f)
{
    const struct store_arg none = ARG_NULL, what = ARG_B(members), mark = ARG_I(audit_pending_done(au));
    enum err e = meta_put(c, LOSS, none, what, f);
    return e ? e : meta_put(c, WATERMARK, mark, none, f);
}

static enum err take_ledger(struct missing *m, struct fail *f)
{
    return m->gate->ledger_ahead ? vault_ledger_settled(m->gate->vault, m->call->st, f) : OK;
}

/* `newer`: the record has entries beyond the mark. */
static enum err take_entries(struct missing *m, bool newer, uint64_t mark, struct fail *f)
{
    enum err e = newer ? audit_after_pending(m->au, mark, note_gone, m, f) : OK;
    names_sort(&m->named);
    if (!e)
        e = erase_named(m, f);
    names_sort(&m->gone);
    return e || !newer ? e : audit_after_pending(m->au, mark, take_entry, m, f);
}

static enum err compare(struct missing *m, bool accept, struct text *other, struct fail *f)
{
    bool known = false;
    uint64_t mark = 0, waiting = 0, have = audit_pending_done(m->au);
    struct arena *a = m->call->arena;
    enum err e = take_ledger(m, f);
    if (!e)
        e = last_change(m->call, &known, &mark, &waiting, f);
    if (!e)
        e = take_entries(m, known && have > mark, mark, f);
    if (e || !known)
        return e;
    if (mark > have && waiting < mark)
        e = record_older(mark, have, accept, other, f);
    if (!e && total(m->lost) && !accept)
        e = refuse(a, m, f);
    struct span members = loss_members(a, m, text_span(other));
    return e || members.len == 0 ? e : keep_loss(m->call, m->au, members, f);
}

static enum err in_group(struct missing *m, bool accept, struct text *other, struct fail *f)
{
    enum err e = store_begin_write(m->call->st, f);
    if (e)
        return e;
    e = compare(m, accept, other, f);
    if (e) {
        store_rollback(m->call->st);
        return e;
    }
    return store_commit(m->call->st, f);
}

static void ledger_taken(struct gate *g, const struct missing *m)
{
    vault_ledger_forget(g->vault);
    g->ledger_ahead = false;
    g->erased_again += m->noted + m->erased;
    if (m->noted)
        log_line(LOG_LVL_WARN, "gate",
                 "the database is older than the ledger of the erased: %zu persons were erased again",
                 m->noted);
    if (m->erased)
        log_line(LOG_LVL_WARN, "gate",
                 "the ledger of the erased lacks what the record knows: %zu persons were erased again",
                 m->erased);
}

enum err gate_reconcile(struct gate *g, struct store *st, struct audit *au, bool accept, struct span other,
                        struct instant now, struct arena *a, struct fail *f)
{
    struct gate_call call = {.gate = g, .view = gate_hold(g), .st = st, .arena = a, .now = now};
    struct missing m = {.gate = g, .call = &call, .au = au, .scratch = arena_new(0)};
    m.pseudonyms = (struct epoch_names){.record = au, .vault = g->vault};
    struct text more = text_new(a, 128);
    enum err e = OK;
    for (unsigned tries = 0; tries < RECONCILE_TRIES; tries++) { /* another daemon may be at work */
        struct fail why = {0};
        m.any = false;
        m.gone.n = m.named.n = m.noted = m.erased = 0;
        m.first = INSTANT_FOREVER;
        m.last = (struct instant){INT64_MIN};
        memset(m.again, 0, sizeof m.again);
        memset(m.lost, 0, sizeof m.lost);
        more = text_new(a, 128);
        text_put(&more, other);
        more.comma = other.len > 0;
        e = in_group(&m, accept, &more, &why);
        if (e)
            *f = why;
        if (!e || !store_met_another(st))
            break;
    }
    if (!e && m.any)
        log_line(LOG_LVL_WARN, "gate",
                 "the database is older than the record: %" PRIu64 " changes were done again, %" PRIu64
                 " are lost",
                 total(m.again), total(m.lost));
    if (!e)
        ledger_taken(g, &m);
    free(m.gone.list);
    free(m.named.list);
    epoch_forget(&m.pseudonyms);
    arena_free(m.scratch);
    gate_release(g, call.view);
    return e;
}

enum err gate_loss_note(struct gate_call *c, struct span *members, struct fail *f)
{
    bool found = false;
    int64_t number = 0;
    *members = SPAN_EMPTY;
    enum err e = meta_get(c, LOSS, &found, &number, c->arena, members, f);
    if (e || members->len == 0)
        return e;
    const struct store_arg none = ARG_NULL;
    return meta_put(c, LOSS, none, none, f);
}
