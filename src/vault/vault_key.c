// SPDX-License-Identifier: Apache-2.0
/* Master, class, node and person keys. See vault.h. */
#include "vault_impl.h"

#include "log.h"

#include <stdlib.h>

static const char *const class_names[CLASS_COUNT] = {[CLASS_ADULT] = "adult", [CLASS_CHILD] = "child"};

/* The node's keys: name in node_key and place in the vault. */
static const struct {
    const char *name;
    size_t offset;
} node_keys[] = {{"index", offsetof(struct vault, index)}, {"record", offsetof(struct vault, record)}};
enum { NODE_KEYS = sizeof node_keys / sizeof node_keys[0] };

static struct bind bind_named(const char *purpose, const char *name)
{
    struct bind b = bind_start(purpose);
    bind_put(&b, span_str(name));
    return b;
}

/* ---- First start */

static enum err create_one(struct store *st, const struct key *master, enum store_query_id q,
                           const char *purpose, const char *name, struct fail *f)
{
    uint8_t wrapped[WRAPPED_LEN];
    struct key *k = key_random();
    struct bind b = bind_named(purpose, name);
    enum err e = key_wrap(master, bind_span(&b), k, wrapped, f);
    key_free(k);
    if (e)
        return e;
    return store_run(st, q, ARGS(ARG_T(span_str(name)), ARG_B(span_of(wrapped, sizeof wrapped))), NULL, f);
}

enum err vault_create(struct store *st, const char *master_key_file, struct fail *f)
{
    struct key *master;
    enum err e = key_read_file(master_key_file, &master, f);
    if (e)
        return e;
    for (size_t i = 0; !e && i < CLASS_COUNT; i++)
        e = create_one(st, master, Q_CLASS_KEY_ADD, "troth class key", class_names[i], f);
    for (size_t i = 0; !e && i < NODE_KEYS; i++)
        e = create_one(st, master, Q_NODE_KEY_ADD, "troth node key", node_keys[i].name, f);
    key_free(master);
    return e;
}

/* ---- Opening */

static enum err wrong_master(const char *file, struct fail *f)
{
    fail_hint(f, "put back the master key file this data folder was created with, or restore keys.db and the "
                 "key together");
    return fail_set(f, ERR_NO_KEY, "the master key in %s does not open the keys of this data folder", file);
}

static enum err open_one(struct store *st, const struct key *master, enum store_query_id q,
                         const char *purpose, const char *name, const char *file, struct key **out,
                         struct fail *f)
{
    struct store_rows rows;
    struct bind b = bind_named(purpose, name);
    if (!store_one(st, q, ARGS(ARG_T(span_str(name))), &rows, f)) {
        if (rows.err)
            return rows.err;
        fail_hint(f, "create the data folder with `troth init`, or restore keys.db");
        return fail_set(f, ERR_NO_KEY, "keys.db holds no %s '%s'", purpose, name);
    }
    /* The reason of the failure is not told: to the caller it is one thing, the wrong key. */
    enum err e = key_unwrap(master, bind_span(&b), store_t(&rows, 0), out, NULL);
    store_done(&rows);
    return e ? wrong_master(file, f) : OK;
}

static enum err open_all(struct vault *v, struct store *st, const struct key *master, const char *file,
                         struct fail *f)
{
    enum err e = OK;
    for (size_t i = 0; !e && i < CLASS_COUNT; i++)
        e = open_one(st, master, Q_CLASS_KEY_GET, "troth class key", class_names[i], file, &v->class_key[i],
                     f);
    for (size_t i = 0; !e && i < NODE_KEYS; i++) {
        struct key **place = (struct key **)(void *)((uint8_t *)v + node_keys[i].offset);
        e = open_one(st, master, Q_NODE_KEY_GET, "troth node key", node_keys[i].name, file, place, f);
    }
    return e;
}

enum err vault_open(struct store *st, const char *master_key_file, struct vault **out, struct fail *f)
{
    struct key *master;
    enum err e = key_read_file(master_key_file, &master, f);
    if (e)
        return e;
    struct vault *v = calloc(1, sizeof *v);
    if (!v)
        abort(); /* as arena.h: out of memory ends the process */
    e = open_all(v, st, master, master_key_file, f);
    key_free(master);
    if (e) {
        vault_close(v);
        return e;
    }
    v->cache = cache_new(VAULT_CACHE_MAX);
    *out = v;
    return OK;
}

void vault_close(struct vault *v)
{
    if (!v)
        return;
    cache_free(v->cache);
    for (size_t i = 0; i < CLASS_COUNT; i++)
        key_free(v->class_key[i]);
    key_free(v->index);
    key_free(v->record);
    free(v);
}

/* ---- Persons */

static struct bind bind_person(const struct vault_person *s, enum key_class c)
{
    struct bind b = bind_start("troth person key");
    bind_put(&b, person_id(s));
    bind_put(&b, span_str(class_names[c]));
    return b;
}

/* Takes the data key over. */
static struct person_key *opened(struct key *data, struct subject_id id)
{
    struct person_key *k = calloc(1, sizeof *k);
    if (!k)
        abort();
    *k = (struct person_key){.data = data, .pseudonym = key_derive(data, "troth pseudonym"), .id = id};
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
    free(k);
}

enum err vault_key_create(struct vault *v, struct store *st, const struct vault_person *s, struct fail *f)
{
    enum key_class c = s->child ? CLASS_CHILD : CLASS_ADULT;
    uint8_t wrapped[WRAPPED_LEN];
    struct bind b = bind_person(s, c);
    struct person_key *k = opened(key_random(), s->id);
    enum err e = key_wrap(v->class_key[c], bind_span(&b), k->data, wrapped, f);
    if (!e)
        e = store_run(st, Q_KEY_ADD,
                      ARGS(ARG_B(person_id(s)), ARG_T(span_str(class_names[c])),
                           ARG_B(span_of(wrapped, sizeof wrapped))),
                      NULL, f);
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

static enum err unwrap_person(struct vault *v, const struct vault_person *s, const struct store_rows *rows,
                              struct key **out, struct fail *f)
{
    for (enum key_class c = 0; c < CLASS_COUNT; c++) {
        if (!span_is(store_t(rows, 0), class_names[c]))
            continue;
        struct bind b = bind_person(s, c);
        return key_unwrap(v->class_key[c], bind_span(&b), store_t(rows, 1), out, NULL) ? damaged(s, f) : OK;
    }
    return damaged(s, f);
}

enum err vault_key_read(struct vault *v, struct store *st, const struct vault_person *s,
                        struct person_key **out, struct fail *f)
{
    struct store_rows rows;
    if (!store_one(st, Q_KEY_GET, ARGS(ARG_B(person_id(s))), &rows, f))
        return rows.err ? rows.err : fail_set(f, ERR_GONE, "this person's key was destroyed");
    struct key *data = NULL;
    enum err e = unwrap_person(v, s, &rows, &data, f);
    store_done(&rows);
    if (!e)
        *out = opened(data, s->id);
    return e;
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

enum err vault_key_move(struct vault *v, struct store *st, const struct vault_person *s, struct person_key *k,
                        struct fail *f)
{
    enum key_class c = s->child ? CLASS_CHILD : CLASS_ADULT;
    uint8_t wrapped[WRAPPED_LEN];
    struct bind b = bind_person(s, c);
    enum err e = key_wrap(v->class_key[c], bind_span(&b), k->data, wrapped, f);
    if (e)
        return e;
    store_key_written(st, person_id(s), cache_drop, v->cache);
    return store_run(
        st, Q_KEY_REWRAP,
        ARGS(ARG_B(person_id(s)), ARG_T(span_str(class_names[c])), ARG_B(span_of(wrapped, sizeof wrapped))),
        NULL, f);
}

void vault_key_destroy(struct vault *v, struct store *st, const struct vault_person *s)
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

void vault_pseudonym(const struct person_key *k, uint32_t epoch, uint8_t out[16])
{
    uint8_t mac[MAC_LEN];
    uint8_t be[4] = {(uint8_t)(epoch >> 24), (uint8_t)(epoch >> 16), (uint8_t)(epoch >> 8), (uint8_t)epoch};
    key_mac(k->pseudonym, span_of(be, sizeof be), mac);
    memcpy(out, mac, 16);
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
