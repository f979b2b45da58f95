// SPDX-License-Identifier: Apache-2.0
/* What another daemon on the same database did to keys. See vault.h, nodes.h. */
#include "vault_impl.h"

#include "log.h"
#include "nodes.h"

/* One class as the database has it. */
struct stored {
    int64_t number[GENERATIONS_MAX];
    uint8_t wrapped[GENERATIONS_MAX][WRAPPED_LEN];
    size_t n;
};

static enum err read_class(struct store *st, enum key_class c, struct stored *out, struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(st, Q_CLASS_KEY_ALL, ARGS(ARG_T(span_str(class_names[c]))), &rows, f);
    out->n = 0;
    while (!e && store_next(&rows, f)) {
        if (out->n == GENERATIONS_MAX || store_t(&rows, 1).len != WRAPPED_LEN) {
            e = fail_set(f, ERR_CORRUPT, "the keys' database holds damaged class keys");
            break;
        }
        out->number[out->n] = store_i(&rows, 0);
        memcpy(out->wrapped[out->n++], store_t(&rows, 1).p, WRAPPED_LEN);
    }
    if (!e)
        e = rows.err;
    store_done(&rows);
    return e;
}

/* Those newer than `newest`, all or none; the others of *out are null. */
static bool open_with(const struct key *master, enum key_class c, const struct stored *s, int64_t newest,
                      struct key *out[GENERATIONS_MAX])
{
    struct bind b = bind_class_key(c);
    bool opened = true;
    for (size_t i = 0; i < s->n; i++) {
        const struct span wrapped = span_of(s->wrapped[i], WRAPPED_LEN);
        out[i] = NULL;
        opened = opened &&
                 (s->number[i] <= newest || key_unwrap(master, bind_span(&b), wrapped, &out[i], NULL) == OK);
    }
    for (size_t i = 0; i < s->n && !opened; i++) {
        key_free(out[i]);
        out[i] = NULL;
    }
    return opened;
}

/* A node that had no use for keys while two changes began lacks two generations. */
static enum err open_newer(struct vault *v, enum key_class c, const struct stored *s, int64_t newest,
                           struct key *out[GENERATIONS_MAX], struct fail *f)
{
    struct key *master = NULL;
    enum err e = master_read(&(struct vault_master){v->master_file, v->master_command}, &master, f);
    bool opened = !e && open_with(master, c, s, newest, out);
    if (!e && !opened) { /* it was changed in this very group, maybe */
        key_free(master);
        master = NULL;
        opened = master_coming(v, &master) == OK && open_with(master, c, s, newest, out);
    }
    if (!e && !opened)
        e = fail_set(f, ERR_NO_KEY,
                     "another node changed the key of class '%s', and the master key here does "
                     "not open it: the master key was changed, too; copy the new one here",
                     class_names[c]);
    key_free(master);
    return e;
}

/* Under the lock. */
static void drop_oldest(struct generations *g)
{
    key_free(g->retired);
    g->retired = g->key[0];
    g->retired_number = g->number[0];
    g->n--;
    for (size_t i = 0; i < g->n; i++) {
        g->key[i] = g->key[i + 1];
        g->number[i] = g->number[i + 1];
    }
}

/* Under the lock. Where both are newer, what was here is gone from the database, unheard. */
static void add_newest(struct generations *g, struct key *k, int64_t number)
{
    if (g->n == GENERATIONS_MAX)
        drop_oldest(g);
    g->key[g->n] = k;
    g->number[g->n++] = number;
}

static enum err follow_class(struct vault *v, struct store *st, enum key_class c, struct fail *f)
{
    struct stored s;
    struct key *newer[GENERATIONS_MAX] = {NULL};
    struct generations *g = &v->class_keys[c];
    enum err e = read_class(st, c, &s, f);
    if (e || s.n == 0)
        return e;
    pthread_rwlock_rdlock(&v->lock);
    int64_t oldest = g->number[0], newest = g->number[g->n - 1];
    pthread_rwlock_unlock(&v->lock);
    bool is_new = newest < s.number[s.n - 1], is_old = oldest < s.number[0];
    if (is_new)
        e = open_newer(v, c, &s, newest, newer, f);
    if (e || (!is_new && !is_old))
        return e;
    pthread_rwlock_wrlock(&v->lock);
    for (size_t i = 0; i < s.n; i++)
        if (newer[i])
            add_newest(g, newer[i], s.number[i]);
    while (g->n > 1 && g->number[0] < s.number[0])
        drop_oldest(g);
    pthread_rwlock_unlock(&v->lock);
    return OK;
}

enum err vault_follow(struct vault *v, struct store *st, struct fail *f)
{
    enum err e = OK;
    for (enum key_class c = 0; !e && c < CLASS_COUNT; c++) {
        bool own =
            store_key_queued(st, span_str(class_names[c])); /* it comes with this very group's commit */
        e = own ? OK : follow_class(v, st, c, f);
    }
    return e;
}

void vault_follow_later(struct vault *v, int64_t version)
{
    long long due = atomic_load(&v->follow_due);
    while (due < version)
        if (atomic_compare_exchange_weak(&v->follow_due, &due, version))
            return;
}

/* A snapshot from before the change may not show it: then it stays due. */
static enum err follow_one(struct vault *v, struct store *st, struct fail *f)
{
    long long due = atomic_load(&v->follow_due);
    if (atomic_load(&v->followed) >= due)
        return OK;
    enum err e = vault_follow(v, st, f);
    if (!e && store_stood_version(st) >= due)
        atomic_store(&v->followed, due);
    if (e == ERR_NO_KEY)
        log_line(LOG_LVL_ERROR, "vault", "%s", f->detail);
    return e;
}

enum err vault_follow_due(struct vault *v, struct store *st, struct fail *f)
{
    struct fail why = {0};
    if (atomic_load(&v->followed) >= atomic_load(&v->follow_due))
        return OK;
    pthread_mutex_lock(&v->following);
    enum err e = follow_one(v, st, &why);
    pthread_mutex_unlock(&v->following);
    if (e && f && f->code == OK)
        *f = why;
    return e;
}

/* The count first: a reader that compares it keeps nothing that the drop would miss (store.h). */
void vault_erased_elsewhere(struct vault *v, struct span subject)
{
    store_key_changed_elsewhere();
    if (!ledger_erased(v, subject)) /* the node that erased has noted it, and answers */
        log_line(LOG_LVL_ERROR, "vault",
                 "an erasure of another node is not in this node's ledger; the next start adds it");
}

enum err vault_heard_nothing(struct vault *v, struct store *st, struct fail *f)
{
    store_key_changed_elsewhere();
    cache_empty(v->cache);
    return ledger_complete(v, st, f);
}

struct sign_key *vault_index_key(const struct vault *v)
{
    struct key *seed = key_derive(v->record, "troth index log");
    struct sign_key *k = sign_key_of(seed);
    key_free(seed);
    return k;
}
