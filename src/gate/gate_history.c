// SPDX-License-Identifier: Apache-2.0
/* What is held, who read it, and whom an entry of the record concerns. See gate.h. */
#include "gate_impl.h"

#include "nodes.h"

#include <stdlib.h>

#define NODES_NAMED    256 /* others are shown as "?" */
#define COMMIT_KEY_LEN 32  /* in front of a detail; gate_record.c */

/* ---- What is held */

enum err gate_held(struct gate_call *c, struct subject_id id, struct gate_out **out, size_t *n,
                   struct fail *f)
{
    struct subject s;
    struct value *values = NULL;
    *n = 0;
    enum err e = subject_get(c->st, id, c->now, &s, f);
    if (e)
        return e;
    struct vault_person person = vault_of(&s);
    e = vault_list(c->st, &person, c->arena, &values, n, f);
    if (e)
        return e;
    *out = ARENA_ARRAY(c->arena, *n ? *n : 1, struct gate_out);
    for (size_t i = 0; i < *n; i++) /* the supplier stays hidden (B1.1.2) */
        (*out)[i] = (struct gate_out){.field = values[i].field,
                                      .item = values[i].item,
                                      .version = values[i].version,
                                      .source = values[i].from.source,
                                      .service = values[i].from.service,
                                      .purpose = values[i].from.purpose,
                                      .region = values[i].from.region,
                                      .time = values[i].from.time,
                                      .keep_until = values[i].from.keep_until};
    return record_person(c, AUDIT_READ, &s, SPAN("\"event\":\"listed what is held\""), f);
}

/* ---- Who read it */

/* Opens a detail and holds it against the commitment in the leaf: what is shown is what was recorded.
 * *opening: the key of the commitment and the JSON. */
static enum err opening_open(const struct vault *v, const struct person_key *key, struct span sealed,
                             const struct audit_leaf *leaf, struct arena *a, struct span *opening,
                             struct fail *f)
{
    struct span plain;
    uint8_t commit[MAC_LEN];
    enum err e = vault_detail_open(v, key, sealed, a, &plain, f);
    if (e)
        return e;
    if (plain.len < COMMIT_KEY_LEN)
        return fail_set(f, ERR_INTEGRITY, "the detail of a record entry is too short");
    crypto_hmac(span_sub(plain, 0, COMMIT_KEY_LEN), span_sub(plain, COMMIT_KEY_LEN, plain.len), commit);
    *opening = plain;
    if (!crypto_equal(span_of(commit, MAC_LEN), span_of(leaf->commit, MAC_LEN)))
        return fail_set(f, ERR_INTEGRITY, "the detail of a record entry is not the one that was recorded");
    return OK;
}

enum err detail_open(const struct vault *v, const struct person_key *key, struct span sealed,
                     const struct audit_leaf *leaf, struct arena *a, struct span *json, struct fail *f)
{
    struct span opening = SPAN_EMPTY;
    enum err e = opening_open(v, key, sealed, leaf, a, &opening, f);
    *json = span_sub(opening, COMMIT_KEY_LEN, opening.len);
    return e;
}

static enum err open_entry(struct gate_call *c, const struct person_key *key, uint64_t index,
                           struct span leaf, struct span detail, struct gate_history_row *row, struct fail *f)
{
    struct audit_leaf l;
    if (!audit_leaf_get(leaf, &l))
        return fail_set(f, ERR_CORRUPT, "entry %llu of the record cannot be read", (unsigned long long)index);
    row->index = index;
    row->time = l.time;
    row->kind = audit_kind_name(l.kind);
    return detail_open(c->gate->vault, key, detail, &l, c->arena, &row->detail, f);
}

static enum err read_entry(struct gate_call *c, const struct person_key *key, struct audit *audit,
                           uint64_t index, struct gate_history_row *row, struct fail *f)
{
    struct span leaf, detail;
    enum err e = audit_read(audit, index, c->arena, &leaf, &detail, f);
    return e ? e : open_entry(c, key, index, leaf, detail, row, f);
}

static enum err read_entries(struct gate_call *c, const struct subject *s, const uint64_t *entries,
                             struct gate_history_row *rows, size_t n, struct audit *audit, struct fail *f)
{
    struct vault_person person = vault_of(s);
    struct person_key *key;
    enum err e = vault_key_open(c->gate->vault, c->st, &person, &key, f);
    if (e)
        return e;
    for (size_t i = 0; !e && i < n; i++)
        e = read_entry(c, key, audit, entries[i], &rows[i], f);
    vault_key_close(key);
    return e;
}

/* ---- Places between two entries */

/* In the order of Q_ENTRY_OF. A history of one node has its entry only. */
struct place {
    int64_t time, node;
    uint64_t entry;
};

static enum err no_place(struct fail *f)
{
    fail_where(f, "/before");
    return fail_set(f, ERR_BAD_VALUE, "`before` must be what the last page gave as `next`");
}

static enum err place_read(struct span text, bool copies, struct place *out, struct fail *f)
{
    uint64_t number[3] = {0};
    struct span rest = text, one;
    size_t n = 0;
    *out = (struct place){.time = INT64_MAX, .node = -1, .entry = INT64_MAX};
    if (text.len == 0)
        return OK;
    while (span_cut(&rest, '.', &one))
        if (n == 3 || !span_u64(one, INT64_MAX, &number[n++]))
            return no_place(f);
    if (n != (copies ? 3 : 1) || text.p[text.len - 1] == '.')
        return no_place(f);
    *out = copies ? (struct place){(int64_t)number[0], (int64_t)number[1], number[2]}
                  : (struct place){.entry = number[0]};
    return OK;
}

/* One more was asked for than the page holds: if it came, the page's last is where the next goes on. */
static bool has_next(const struct gate_history_page *page, size_t *n)
{
    bool more = *n > page->limit;
    *n = more ? page->limit : *n;
    return more && *n > 0;
}

static enum err own_history(struct gate_call *c, const struct subject *s, struct gate_history_page *page,
                            struct gate_history_row **out, size_t *n, struct audit *audit, struct fail *f)
{
    uint64_t *entries = NULL;
    struct place at;
    enum err e = place_read(page->before, false, &at, f);
    if (!e)
        e = store_history_list(c->st, span_of(s->id.b, ID_LEN), at.entry, page->limit + 1, c->arena, &entries,
                               n, f);
    if (e)
        return e;
    if (has_next(page, n))
        page->next = arena_fmt(c->arena, "%llu", (unsigned long long)entries[*n - 1]);
    *out = ARENA_ARRAY(c->arena, *n ? *n : 1, struct gate_history_row);
    return read_entries(c, s, entries, *out, *n, audit, f);
}

/* ---- Of all nodes */

struct node_name {
    int64_t number;
    struct span name;
};

static enum err node_names(struct gate_call *c, struct node_name *out, size_t *n, struct fail *f)
{
    struct store_rows rows;
    *n = 0;
    enum err e = store_query(c->st, Q_NODE_ALL, NO_ARGS, &rows, f);
    while (!e && *n < NODES_NAMED && store_next(&rows, f))
        out[(*n)++] = (struct node_name){store_i(&rows, 0), arena_copy(c->arena, store_t(&rows, 1))};
    if (!e)
        e = rows.err;
    store_done(&rows);
    return e;
}

static struct span node_named(const struct node_name *names, size_t n, int64_t number)
{
    for (size_t i = 0; i < n; i++)
        if (names[i].number == number)
            return names[i].name;
    return SPAN("?");
}

static enum err copied_row(struct gate_call *c, const struct person_key *key, const struct store_rows *rows,
                           struct gate_history_row *row, struct fail *f)
{
    return open_entry(c, key, (uint64_t)store_i(rows, 1), store_t(rows, 3), store_t(rows, 4), row, f);
}

static enum err copied_entries(struct gate_call *c, const struct subject *s, const struct person_key *key,
                               struct gate_history_page *page, struct gate_history_row **out, size_t *n,
                               struct fail *f)
{
    struct store_rows rows;
    struct place at, last = {0};
    struct node_name names[NODES_NAMED];
    size_t n_names = 0;
    enum err e = place_read(page->before, true, &at, f);
    if (!e)
        e = node_names(c, names, &n_names, f);
    if (e)
        return e;
    *n = 0;
    *out = ARENA_ARRAY(c->arena, page->limit + 1, struct gate_history_row);
    e = store_query(c->st, Q_ENTRY_OF,
                    ARGS(ARG_B(span_of(s->id.b, ID_LEN)), ARG_I(page->limit + 1), ARG_I(at.time),
                         ARG_I(at.node), ARG_I(at.entry)),
                    &rows, f);
    while (!e && *n <= page->limit && store_next(&rows, f)) {
        struct gate_history_row *row = &(*out)[(*n)++];
        if (*n > page->limit)
            break;
        row->node = node_named(names, n_names, store_i(&rows, 0));
        last = (struct place){store_i(&rows, 2), store_i(&rows, 0), (uint64_t)store_i(&rows, 1)};
        e = copied_row(c, key, &rows, row, f);
    }
    if (!e)
        e = rows.err;
    store_done(&rows);
    page->next = SPAN_EMPTY;
    if (!e && has_next(page, n))
        page->next = arena_fmt(c->arena, "%lld.%lld.%llu", (long long)last.time, (long long)last.node,
                               (unsigned long long)last.entry);
    return e;
}

/* From the replica, if there is one that will do. */
static bool aside_entries(struct gate_call *c, const struct subject *s, const struct person_key *key,
                          struct gate_history_page *page, struct gate_history_row **out, size_t *n,
                          struct instant *until)
{
    struct fail f = {0};
    if (!store_aside_begin(c->st, &until->ms))
        return false;
    enum err e = copied_entries(c, s, key, page, out, n, &f);
    store_aside_end(c->st);
    if (e)
        log_line(LOG_LVL_WARN, "gate", "a history is read from the primary: %s", f.detail);
    return !e;
}

static enum err all_history(struct gate_call *c, const struct subject *s, struct gate_history_page *page,
                            struct gate_history_row **out, size_t *n, struct instant *until, struct fail *f)
{
    struct vault_person person = vault_of(s);
    struct person_key *key;
    struct place at;
    enum err e = place_read(page->before, true, &at, f);
    if (!e)
        e = vault_key_open(c->gate->vault, c->st, &person, &key, f);
    if (e)
        return e;
    if (!aside_entries(c, s, key, page, out, n, until)) {
        until->ms = 0;
        e = copied_entries(c, s, key, page, out, n, f);
    }
    vault_key_close(key);
    return e;
}

enum err gate_history(struct gate_call *c, struct subject_id id, struct gate_history_page *page,
                      struct gate_history_row **out, size_t *n, struct instant *until, struct audit *audit,
                      struct fail *f)
{
    struct subject s;
    *n = 0;
    until->ms = 0;
    page->next = SPAN_EMPTY;
    enum err e = subject_get(c->st, id, c->now, &s, f);
    if (!e)
        e = gate_copies(c->gate) ? all_history(c, &s, page, out, n, until, f)
                                 : own_history(c, &s, page, out, n, audit, f);
    return e ? e : record_person(c, AUDIT_READ, &s, SPAN("\"event\":\"read the history\""), f);
}

/* ---- Receipts */

/* An entry is a person's own if it carries the pseudonym their key gives for its time: as this log derives
 * it, or as the log of a node did whose last entries were adopted (gate_adopt). */
static bool is_own(const struct audit *audit, struct person_key *key, const struct audit_leaf *l)
{
    unsigned own = audit_epoch_way(audit);
    uint8_t mine[sizeof l->subject];
    for (unsigned i = 0; i < AUDIT_EPOCH_WAYS; i++) {
        vault_pseudonym(key, audit_epoch_by((own + i) % AUDIT_EPOCH_WAYS, l->time), mine);
        if (memcmp(mine, l->subject, sizeof mine) == 0)
            return true;
    }
    return false;
}

static enum err own_opening(struct gate_call *c, struct person_key *key, struct audit *audit, uint64_t index,
                            struct span *opening, struct fail *f)
{
    struct span leaf, detail;
    struct audit_leaf l;
    enum err e = audit_read(audit, index, c->arena, &leaf, &detail, f);
    if (e)
        return e;
    if (!audit_leaf_get(leaf, &l))
        return fail_set(f, ERR_CORRUPT, "entry %llu of the record cannot be read", (unsigned long long)index);
    if (!is_own(audit, key, &l))
        return fail_set(f, ERR_NOT_FOUND, "entry %llu is not one of this person's",
                        (unsigned long long)index);
    return opening_open(c->gate->vault, key, detail, &l, c->arena, opening, f);
}

enum err gate_receipt(struct gate_call *c, struct subject_id id, uint64_t entry, struct audit *audit,
                      struct span *receipt, struct fail *f)
{
    struct subject s;
    struct person_key *key;
    struct span opening = SPAN_EMPTY;
    enum err e = subject_get(c->st, id, c->now, &s, f);
    if (e)
        return e;
    struct vault_person person = vault_of(&s);
    e = vault_key_open(c->gate->vault, c->st, &person, &key, f);
    if (e)
        return e;
    e = own_opening(c, key, audit, entry, &opening, f);
    vault_key_close(key);
    if (!e)
        e = audit_receipt(audit, entry, opening, c->arena, receipt, f);
    return e ? e : record_person(c, AUDIT_READ, &s, SPAN("\"event\":\"took a receipt\""), f);
}

enum err gate_note(struct gate_call *c, enum audit_kind kind, struct span detail, struct fail *f)
{
    struct span extra = detail.len ? arena_fmt(c->arena, "\"event\":%.*s", SPAN_F(detail)) : SPAN_EMPTY;
    struct span actor =
        c->service ? arena_fmt(c->arena, "service:%.*s", SPAN_F(c->service->name)) : SPAN("operator");
    return record_add(c, &(struct record){.kind = kind, .actor = actor, .extra = extra}, f);
}

/* ---- Whom an entry concerns */

struct epoch_row {
    uint8_t pseudonym[16];
    struct subject_id id;
};

struct epoch_table {
    uint32_t epoch;
    struct epoch_row *rows; /* by pseudonym, once all are there */
    size_t n;
    struct subject_id *living; /* in their order, while the table is made */
    size_t n_living, cap, at;
    struct fail trouble; /* why somebody may be missing */
};

static void epoch_free(struct epoch_table *t)
{
    if (!t)
        return;
    free(t->rows);
    free(t);
}

void epoch_forget(struct epoch_names *names)
{
    for (unsigned i = 0; i < AUDIT_EPOCH_WAYS; i++) {
        epoch_free(names->by[i]);
        names->by[i] = NULL;
    }
    names->ways = 0;
}

static void add_living(void *ctx, const struct subject *s)
{
    struct epoch_table *t = ctx;
    t->living = list_grown(t->living, t->n_living, &t->cap, sizeof *t->living);
    t->living[t->n_living++] = s->id;
}

/* Both come in the order of ids: a person without a key has no pseudonym any more, a key of nobody names
 * nobody. */
static void add_name(void *ctx, struct subject_id id, struct person_key *key)
{
    struct epoch_table *t = ctx;
    while (t->at < t->n_living && memcmp(t->living[t->at].b, id.b, ID_LEN) < 0)
        t->at++;
    if (t->at == t->n_living || memcmp(t->living[t->at].b, id.b, ID_LEN) != 0)
        return;
    vault_pseudonym(key, t->epoch, t->rows[t->n].pseudonym);
    t->rows[t->n++].id = id;
}

static int row_cmp(const void *a, const void *b)
{
    return memcmp(a, b, sizeof((struct epoch_row *)0)->pseudonym);
}

static void *room(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p)
        abort();
    return p;
}

static struct epoch_table *epoch_make(struct vault *v, struct store *st, uint32_t epoch, struct instant at)
{
    struct fail f = {0};
    struct epoch_table *t = room(1, sizeof *t);
    t->epoch = epoch;
    enum err e = subject_each(st, add_living, t, at, &f);
    t->rows = room(t->n_living, sizeof *t->rows);
    if (!e)
        e = vault_keys_each(v, st, add_name, t, &f);
    free(t->living);
    t->living = NULL;
    if (e)
        t->trouble = f;
    qsort(t->rows, t->n, sizeof *t->rows, row_cmp);
    return t;
}

enum err epoch_trouble(const struct epoch_names *names, struct fail *f)
{
    for (unsigned i = 0; i < AUDIT_EPOCH_WAYS; i++) {
        const struct epoch_table *t = names->by[i];
        if (t && t->trouble.code) {
            *f = t->trouble;
            return t->trouble.code;
        }
    }
    return OK;
}

static bool table_find(struct epoch_names *names, unsigned way, struct store *st, const struct audit_leaf *l,
                       struct subject_id *out)
{
    struct epoch_table **t = &names->by[way];
    uint32_t epoch = audit_epoch_by(way, l->time);
    if (!*t || (*t)->epoch != epoch) {
        epoch_free(*t);
        *t = epoch_make(names->vault, st, epoch, l->time);
    }
    const struct epoch_row *row =
        (*t)->n ? bsearch(l->subject, (*t)->rows, (*t)->n, sizeof *row, row_cmp) : NULL;
    if (row)
        *out = row->id;
    return row != NULL;
}

/* Entries of a node that was retired were adopted as they were, and its log may have derived otherwise. That
 * is looked for only where a node is gone: each way is one more table of everybody. */
static unsigned ways_to_try(struct store *st)
{
    struct store_rows rows;
    unsigned ways = 1;
    enum err e = store_query(st, Q_NODE_ALL, NO_ARGS, &rows, NULL);
    while (!e && store_next(&rows, NULL))
        if (store_i(&rows, 4) != NODE_LIVE)
            ways = AUDIT_EPOCH_WAYS;
    if (!e)
        e = rows.err;
    store_done(&rows);
    return e ? AUDIT_EPOCH_WAYS : ways;
}

/* What could not be read a moment ago is read anew. */
static void drop_troubled(struct epoch_names *names)
{
    for (unsigned i = 0; i < AUDIT_EPOCH_WAYS; i++)
        if (names->by[i] && names->by[i]->trouble.code) {
            epoch_free(names->by[i]);
            names->by[i] = NULL;
        }
}

bool epoch_find(struct epoch_names *names, struct store *st, const struct audit_leaf *l,
                struct subject_id *out)
{
    unsigned own = audit_epoch_way(names->record);
    drop_troubled(names);
    if (!names->ways)
        names->ways = ways_to_try(st);
    for (unsigned i = 0; i < names->ways; i++)
        if (table_find(names, (own + i) % AUDIT_EPOCH_WAYS, st, l, out))
            return true;
    return false;
}

static void pass_begin(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    epoch_forget(&g->names);
    pthread_mutex_unlock(&g->lock);
}

enum err gate_entry_subject(void *ctx, struct store *st, struct span leaf, uint8_t subject[16], bool *found,
                            struct fail *f)
{
    static const uint8_t nobody[16];
    struct gate *g = ctx;
    struct audit_leaf l;
    struct subject_id id;
    *found = false;
    if (leaf.len == 0)
        pass_begin(g);
    if (!audit_leaf_get(leaf, &l) || memcmp(l.subject, nobody, sizeof nobody) == 0)
        return OK;
    pthread_mutex_lock(&g->lock);
    *found = epoch_find(&g->names, st, &l, &id);
    enum err e = epoch_trouble(&g->names, f);
    pthread_mutex_unlock(&g->lock);
    if (*found)
        memcpy(subject, id.b, ID_LEN);
    return e;
}
