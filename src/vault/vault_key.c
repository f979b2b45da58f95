// SPDX-License-Identifier: Apache-2.0
/* Master, class, node and person keys. See vault.h. */
#include "vault_impl.h"

#include "file.h"
#include "log.h"
#include "machine.h"
#include "nodes.h"

#include <stdlib.h>
#include <string.h>

const char *const class_names[CLASS_COUNT] = {[CLASS_ADULT] = "adult", [CLASS_CHILD] = "child"};

/* The node's keys: name in node_key and place in the vault. */
const char *const node_key_names[] = {"index", "record"};

struct key **node_key(struct vault *v, size_t i)
{
    return i == 0 ? &v->index : &v->record;
}

static struct bind bind_named(const char *purpose, const char *name)
{
    struct bind b = bind_start(purpose);
    bind_put(&b, span_str(name));
    return b;
}

struct bind bind_class_key(enum key_class c)
{
    return bind_named("troth class key", class_names[c]);
}

struct bind bind_node_key(size_t i)
{
    return bind_named("troth node key", node_key_names[i]);
}

struct bind bind_person_key(struct subject_id id, enum key_class c)
{
    struct bind b = bind_start("troth person key");
    bind_put(&b, span_of(id.b, ID_LEN));
    bind_put(&b, span_str(class_names[c]));
    return b;
}

/* ---- First start */

enum err master_read(const struct vault_master *m, struct key **out, struct fail *f)
{
    return m->command ? key_read_command(m->command, out, f) : key_read_file(m->file, out, f);
}

static enum err wrap_fresh(const struct key *master, struct bind b, uint8_t out[WRAPPED_LEN], struct fail *f)
{
    struct key *k = key_random();
    enum err e = key_wrap(master, bind_span(&b), k, out, f);
    key_free(k);
    return e;
}

enum err vault_create(struct store *st, const struct vault_master *m, struct fail *f)
{
    struct key *master;
    uint8_t wrapped[WRAPPED_LEN];
    const struct span w = span_of(wrapped, sizeof wrapped);
    enum err e = master_read(m, &master, f);
    if (e)
        return e;
    for (enum key_class c = 0; !e && c < CLASS_COUNT; c++) {
        e = wrap_fresh(master, bind_class_key(c), wrapped, f);
        if (!e)
            e = store_run(st, Q_CLASS_KEY_ADD, ARGS(ARG_T(span_str(class_names[c])), ARG_I(1), ARG_B(w)),
                          NULL, f);
    }
    for (size_t i = 0; !e && i < NODE_KEYS; i++) {
        e = wrap_fresh(master, bind_node_key(i), wrapped, f);
        if (!e)
            e = store_run(st, Q_NODE_KEY_ADD, ARGS(ARG_T(span_str(node_key_names[i])), ARG_B(w)), NULL, f);
    }
    key_free(master);
    return e;
}

/* ---- Opening */

static enum err none_held(const char *what, const char *name, struct fail *f)
{
    fail_hint(f, "create the data folder with `troth init`, or restore keys.db");
    return fail_set(f, ERR_NO_KEY, "keys.db holds no %s key '%s'", what, name);
}

/* Without the reason: to the caller it is one thing, the wrong key. */
static enum err wrong_master(struct fail *f)
{
    return fail_set(f, ERR_NO_KEY, "the master key does not open the keys of this data folder");
}

static enum err open_class(struct vault *v, struct store *st, const struct key *master, enum key_class c,
                           struct fail *f)
{
    struct store_rows rows;
    struct generations *g = &v->class_keys[c];
    struct bind b = bind_class_key(c);
    enum err e = store_query(st, Q_CLASS_KEY_ALL, ARGS(ARG_T(span_str(class_names[c]))), &rows, f);
    if (e)
        return e;
    while (!e && store_next(&rows, f)) {
        if (g->n == GENERATIONS_MAX)
            e = fail_set(f, ERR_CORRUPT, "keys.db holds too many generations of the class key '%s'",
                         class_names[c]);
        else if (key_unwrap(master, bind_span(&b), store_t(&rows, 1), &g->key[g->n], NULL))
            e = wrong_master(f);
        else
            g->number[g->n++] = store_i(&rows, 0);
    }
    if (!e)
        e = rows.err;
    store_done(&rows);
    return !e && g->n == 0 ? none_held("class", class_names[c], f) : e;
}

static enum err open_node(struct vault *v, struct store *st, const struct key *master, size_t i,
                          struct fail *f)
{
    struct store_rows rows;
    struct bind b = bind_node_key(i);
    if (!store_one(st, Q_NODE_KEY_GET, ARGS(ARG_T(span_str(node_key_names[i]))), &rows, f))
        return rows.err ? rows.err : none_held("node", node_key_names[i], f);
    enum err e = key_unwrap(master, bind_span(&b), store_t(&rows, 0), node_key(v, i), NULL);
    store_done(&rows);
    return e ? wrong_master(f) : OK;
}

static struct vault *vault_new(void)
{
    struct vault *v = calloc(1, sizeof *v);
    if (!v)
        abort(); /* as arena.h: out of memory ends the process */
    pthread_rwlock_init(&v->lock, NULL);
    pthread_mutex_init(&v->following, NULL);
    v->cache = cache_new(vault_cache_default(machine_memory(), machine_lockable()));
    return v;
}

static enum err open_with(const struct key *master, struct store *st, struct vault **out, struct fail *f)
{
    struct vault *v = vault_new();
    enum err e = OK;
    for (enum key_class c = 0; !e && c < CLASS_COUNT; c++)
        e = open_class(v, st, master, c, f);
    for (size_t i = 0; !e && i < NODE_KEYS; i++)
        e = open_node(v, st, master, i, f);
    if (e)
        vault_close(v);
    else
        *out = v;
    return e;
}

/* The database was changed to a new master key and the file was not: it lies beside the old one. */
static enum err open_next(const char *file, struct store *st, struct vault **out)
{
    char next[MASTER_PATH_MAX];
    struct key *master;
    struct fail none = {0};
    if (!master_next_path(next, file) || key_read_file(next, &master, &none))
        return ERR_NO_KEY;
    enum err e = open_with(master, st, out, &none);
    key_free(master);
    if (!e && master_replace(next, file))
        log_line(LOG_LVL_WARN, "vault", "%s opens the keys and could not be renamed to %s", next, file);
    return e;
}

static enum err not_opened(const struct vault_master *m, struct fail *f)
{
    master_hint(m->file, f);
    return fail_set(f, ERR_NO_KEY, "the master key %s%s does not open the keys of this data folder",
                    m->command ? "that the command prints" : "in ", m->command ? "" : m->file);
}

enum err vault_open(struct store *st, const struct vault_master *m, struct vault **out, struct fail *f)
{
    struct key *master;
    struct fail why = {0};
    if (!m->command && !file_exists(m->file) && master_moved(m->file))
        master_hint(m->file, f); /* the first hint is the one that stays */
    enum err e = master_read(m, &master, f);
    if (e)
        return e;
    e = open_with(master, st, out, &why);
    key_free(master);
    if (e == ERR_NO_KEY && !why.hint[0]) { /* the wrong key, not a missing row */
        if (m->command || open_next(m->file, st, out))
            return not_opened(m, f);
    } else if (e) {
        if (f && !f->code)
            *f = why;
        return e;
    }
    if (m->command)
        (*out)->master_command = strdup(m->command);
    else
        (*out)->master_file = strdup(m->file);
    if (!m->command)
        master_moved_forget(m->file); /* it is here */
    return OK;
}

void vault_close(struct vault *v)
{
    if (!v)
        return;
    cache_free(v->cache);
    ledger_free(v->ledger);
    for (size_t c = 0; c < CLASS_COUNT; c++) {
        for (size_t i = 0; i < v->class_keys[c].n; i++)
            key_free(v->class_keys[c].key[i]);
        key_free(v->class_keys[c].retired);
        key_free(v->next[c]);
    }
    free(v->master_file);
    free(v->master_command);
    free(v->next_master);
    pthread_mutex_destroy(&v->following);
    pthread_rwlock_destroy(&v->lock);
    key_free(v->index);
    key_free(v->record);
    free(v);
}

/* ---- Persons */

/* Under the newest generation of the class, which is told. */
static enum err wrap_person(struct vault *v, const struct vault_person *s, const struct key *data,
                            int64_t *generation, uint8_t out[WRAPPED_LEN], struct fail *f)
{
    enum key_class c = s->child ? CLASS_CHILD : CLASS_ADULT;
    struct bind b = bind_person_key(s->id, c);
    pthread_rwlock_rdlock(&v->lock);
    const struct generations *g = &v->class_keys[c];
    *generation = g->number[g->n - 1];
    enum err e = key_wrap(g->key[g->n - 1], bind_span(&b), data, out, f);
    pthread_rwlock_unlock(&v->lock);
    return e;
}

static enum err put_person(struct vault *v, struct store *st, const struct vault_person *s,
                           const struct key *data, enum store_query_id q, struct fail *f)
{
    uint8_t wrapped[WRAPPED_LEN];
    int64_t generation, written = 0;
    const char *name = class_names[s->child ? CLASS_CHILD : CLASS_ADULT];
    enum err e = vault_follow_due(v, st, f);
    if (e)
        return e;
    e = wrap_person(v, s, data, &generation, wrapped, f);
    if (e)
        return e;
    e = store_run(st, q,
                  ARGS(ARG_B(person_id(s)), ARG_T(span_str(name)), ARG_I(generation),
                       ARG_B(span_of(wrapped, sizeof wrapped))),
                  &written, f);
    if (e || written)
        return e;
    return fail_set(f, ERR_BUSY, "the class key was changed by another node meanwhile; try again");
}

/* Takes the data key over. */
static struct person_key *opened(struct key *data, struct subject_id id)
{
    struct person_key *k = calloc(1, sizeof *k);
    if (!k)
        abort();
    *k = (struct person_key){.data = data, .pseudonym = key_derive(data, "troth pseudonym"), .id = id};
    atomic_init(&k->named, 0);
    atomic_init(&k->holders, 1);
    atomic_init(&k->used, false);
    return k;
}

void vault_key_close(struct person_key *k)
{
    if (!k || atomic_fetch_sub_explicit(&k->holders, 1, memory_order_acq_rel) > 1)
        return;
    key_free(k->data);
    key_free(k->pseudonym);
    crypto_wipe(k->name, sizeof k->name);
    free(k);
}

enum err vault_key_create(struct vault *v, struct store *st, const struct vault_person *s, struct fail *f)
{
    struct person_key *k = opened(key_random(), s->id);
    enum err e = put_person(v, st, s, k->data, Q_KEY_ADD, f);
    if (!e) /* a group that fails leaves a key of nobody: no id is given out twice */
        cache_keep(v->cache, st, k);
    vault_key_close(k);
    return e;
}

static enum err damaged(const struct vault_person *s, struct fail *f)
{
    log_line(LOG_LVL_ERROR, "vault", "ALERT integrity: the key row of person %lld was changed",
             (long long)s->sid);
    return fail_set(f, ERR_INTEGRITY, "the key of person row %lld failed its integrity check",
                    (long long)s->sid);
}

static const struct key *class_key_of(const struct vault *v, enum key_class c, int64_t generation)
{
    const struct generations *g = &v->class_keys[c];
    for (size_t i = 0; i < g->n; i++)
        if (g->number[i] == generation)
            return g->key[i];
    return g->retired && g->retired_number == generation ? g->retired : NULL;
}

/* Class, generation and wrapped key are the columns from `at` on. */
static enum err unwrap_person(struct vault *v, struct subject_id id, const struct store_rows *rows,
                              unsigned at, struct key **out)
{
    enum err e = ERR_INTEGRITY;
    for (enum key_class c = 0; c < CLASS_COUNT; c++) {
        if (!span_is(store_t(rows, at), class_names[c]))
            continue;
        struct bind b = bind_person_key(id, c);
        pthread_rwlock_rdlock(&v->lock);
        const struct key *by = class_key_of(v, c, store_i(rows, at + 1));
        e = by ? key_unwrap(by, bind_span(&b), store_t(rows, at + 2), out, NULL) : ERR_INTEGRITY;
        pthread_rwlock_unlock(&v->lock);
    }
    return e;
}

enum err vault_key_read(struct vault *v, struct store *st, const struct vault_person *s,
                        struct person_key **out, struct fail *f)
{
    struct store_rows rows;
    enum err due = vault_follow_due(v, st, f);
    if (due)
        return due;
    if (!store_one(st, Q_KEY_GET, ARGS(ARG_B(person_id(s))), &rows, f))
        return rows.err ? rows.err : fail_set(f, ERR_GONE, "this person's key was destroyed");
    struct key *data = NULL;
    enum err e = unwrap_person(v, s->id, &rows, 0, &data);
    store_done(&rows);
    if (e)
        return damaged(s, f);
    *out = opened(data, s->id);
    return OK;
}

enum err vault_key_open(struct vault *v, struct store *st, const struct vault_person *s,
                        struct person_key **out, struct fail *f)
{
    *out = cache_find(v->cache, s->id);
    if (*out)
        return OK;
    enum err e = vault_key_read(v, st, s, out, f);
    if (!e)
        cache_keep(v->cache, st, *out);
    return e;
}

/* ---- Everybody's */

enum { PAGE = 1000 };

struct walk {
    struct vault *v;
    vault_each_fn each;
    void *ctx;
    struct subject_id last; /* the page begins after it */
    size_t n;               /* rows of the page */
    uint64_t damaged;
};

static void walk_row(struct walk *w, const struct store_rows *rows)
{
    struct key *data = NULL;
    w->n++;
    memcpy(w->last.b, store_t(rows, 0).p, ID_LEN);
    if (unwrap_person(w->v, w->last, rows, 1, &data)) {
        w->damaged++;
        return;
    }
    struct person_key *k = opened(data, w->last);
    w->each(w->ctx, w->last, k);
    vault_key_close(k);
}

static enum err walk_page(struct walk *w, struct store *st, struct fail *f)
{
    struct store_rows rows;
    w->n = 0;
    enum err e = store_query(st, Q_KEY_PAGE, ARGS(ARG_B(span_of(w->last.b, ID_LEN)), ARG_I(PAGE)), &rows, f);
    if (e)
        return e;
    while (store_next(&rows, f))
        walk_row(w, &rows);
    e = rows.err;
    store_done(&rows);
    return e;
}

enum err vault_keys_each(struct vault *v, struct store *st, vault_each_fn each, void *ctx, struct fail *f)
{
    struct walk w = {.v = v, .each = each, .ctx = ctx, .n = PAGE};
    enum err e = vault_follow_due(v, st, f);
    while (!e && w.n == PAGE)
        e = walk_page(&w, st, f);
    if (w.damaged)
        log_line(LOG_LVL_ERROR, "vault", "ALERT integrity: the key rows of %llu persons were changed",
                 (unsigned long long)w.damaged);
    return e;
}

enum err vault_key_move(struct vault *v, struct store *st, const struct vault_person *s, struct person_key *k,
                        struct fail *f)
{
    enum err e = put_person(v, st, s, k->data, Q_KEY_REWRAP, f);
    if (!e)
        store_key_written(st, person_id(s), cache_drop, v->cache);
    return e;
}

enum err vault_key_destroy(struct vault *v, struct store *st, const struct vault_person *s, struct fail *f)
{
    enum err e = ledger_room(v, f);
    if (e)
        return e;
    store_forget_key(st, person_id(s), ledger_erased, v);
    return v->ledger && !store_shared(st) ? vault_ledger_count(st, 1, f) : OK;
}

void vault_key_destroy_noted(struct vault *v, struct store *st, const struct vault_person *s)
{
    store_forget_key(st, person_id(s), cache_drop, v->cache);
}

enum err vault_replay_erasures(struct store *st, uint64_t *destroyed, struct fail *f)
{
    struct store_rows rows;
    *destroyed = 0;
    enum err e = store_query(st, Q_ERASED_ALL, NO_ARGS, &rows, f);
    if (e)
        return e;
    while (!e && store_next(&rows, f)) {
        int64_t changed = 0;
        e = store_run(st, Q_KEY_DELETE, ARGS(ARG_B(store_t(&rows, 0))), &changed, f);
        *destroyed += (uint64_t)changed;
    }
    if (!e)
        e = rows.err;
    store_done(&rows);
    return e;
}

/* ---- The record */

/* The first epoch asked for is remembered: the key is shared, so the name is published by `named` and never
 * changed afterwards. */
static void remember_name(struct person_key *k, uint32_t epoch, const uint8_t name[16])
{
    unsigned none = 0;
    if (!atomic_compare_exchange_strong(&k->named, &none, 1))
        return;
    memcpy(k->name, name, sizeof k->name);
    atomic_store_explicit(&k->named, epoch + 2, memory_order_release);
}

void vault_pseudonym(struct person_key *k, uint32_t epoch, uint8_t out[16])
{
    uint8_t mac[MAC_LEN];
    if (atomic_load_explicit(&k->named, memory_order_acquire) == epoch + 2) {
        memcpy(out, k->name, sizeof k->name);
        return;
    }
    uint8_t be[4] = {(uint8_t)(epoch >> 24), (uint8_t)(epoch >> 16), (uint8_t)(epoch >> 8), (uint8_t)epoch};
    key_mac(k->pseudonym, span_of(be, sizeof be), mac);
    memcpy(out, mac, 16);
    remember_name(k, epoch, out);
}

void vault_actor_pseudonym(const struct vault *v, struct span actor, uint8_t out[16])
{
    uint8_t mac[MAC_LEN];
    key_mac(v->record, actor, mac);
    memcpy(out, mac, 16);
}

static const struct key *detail_key(const struct vault *v, const struct person_key *k)
{
    return k ? k->data : v->record;
}

enum err vault_detail_seal(const struct vault *v, const struct person_key *k, struct span plain,
                           struct arena *a, struct span *out, struct fail *f)
{
    struct bind b = bind_start("troth record detail");
    uint8_t *sealed = arena_alloc(a, plain.len + SEAL_EXTRA);
    *out = span_of(sealed, plain.len + SEAL_EXTRA);
    return key_seal(detail_key(v, k), bind_span(&b), plain, sealed, f);
}

enum err vault_detail_open(const struct vault *v, const struct person_key *k, struct span sealed,
                           struct arena *a, struct span *out, struct fail *f)
{
    struct bind b = bind_start("troth record detail");
    if (sealed.len < SEAL_EXTRA)
        return fail_set(f, ERR_INTEGRITY, "the detail of a record entry is too short");
    uint8_t *plain = arena_alloc(a, sealed.len - SEAL_EXTRA);
    *out = span_of(plain, sealed.len - SEAL_EXTRA);
    return key_open(detail_key(v, k), bind_span(&b), sealed, plain, f);
}
