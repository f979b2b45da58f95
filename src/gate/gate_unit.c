// SPDX-License-Identifier: Apache-2.0
/*
 * gate_unit.c: a set of documents, compiled, with what deciding needs beside it. Never changed once made,
 * shared by counting its holders.
 */
#include "gate_impl.h"
#include "policy_translate.h"

#include <stdlib.h>

/* ---- Identity */

/* A document before the ones whose file comes later in the alphabet: order of reading does not matter. */
static void sort_by_file(const struct policy *p, unsigned *order, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && span_cmp(policy_document(p, order[k - 1])->file,
                                             policy_document(p, order[k])->file) > 0;
             k--) {
            unsigned swap = order[k];
            order[k] = order[k - 1];
            order[k - 1] = swap;
        }
}

/* The identity of the set: SHA-256 over name and digest of each document, in the order of names. */
static void hash_documents(struct arena *a, const struct policy *p, struct digest *out)
{
    unsigned order[POLICY_DOCUMENTS_MAX];
    size_t n = policy_documents(p), parts = 0;
    struct span *v = ARENA_ARRAY(a, 2 * n + 1, struct span);
    for (unsigned i = 0; i < n; i++)
        order[i] = i;
    sort_by_file(p, order, n);
    for (size_t i = 0; i < n; i++) {
        const struct policy_document *d = policy_document(p, order[i]);
        struct digest *one = ARENA_NEW(a, struct digest);
        crypto_sha256(d->text, one);
        v[parts++] = arena_fmt(a, "%.*s%c", SPAN_F(d->file), '\n');
        v[parts++] = span_of(one->b, sizeof one->b);
    }
    crypto_sha256_v(v, parts, out);
}

/* ---- Life */

static void sources_keep(struct arena *a, const struct policy_source *from, size_t n,
                         struct policy_source *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (struct policy_source){arena_copy(a, from[i].name), arena_copy(a, from[i].text)};
}

static atomic_ullong units_made;

enum err unit_make(const struct policy_source *sources, size_t n, struct unit **out,
                   struct policy_messages *m, struct fail *f)
{
    struct unit *u = calloc(1, sizeof *u);
    if (!u)
        abort(); /* as arena.h: out of memory ends the process */
    u->arena = arena_new(0);
    u->serial = atomic_fetch_add(&units_made, 1) + 1;
    atomic_init(&u->holders, 1);
    struct policy_source *kept = ARENA_ARRAY(u->arena, n + 1, struct policy_source);
    sources_keep(u->arena, sources, n, kept);
    struct policy *p = policy_load(u->arena, kept, n, m);
    enum err e =
        p ? sources_bind(p, u->arena, &u->sources, f) : fail_set(f, ERR_POLICY, "the policy has errors");
    *out = u; /* the messages live in its arena: given back even if it is of no use */
    if (e)
        return e;
    u->policy = p;
    hash_documents(u->arena, p, &u->digest);
    crypto_sha256(policy_packed(p), &u->compiled);
    return OK;
}

struct unit *unit_hold(struct unit *u)
{
    atomic_fetch_add_explicit(&u->holders, 1, memory_order_relaxed);
    return u;
}

void unit_drop(struct unit *u)
{
    if (!u || atomic_fetch_sub_explicit(&u->holders, 1, memory_order_acq_rel) != 1)
        return;
    arena_free(u->arena);
    free(u);
}

/* ---- From the database */

static enum err read_texts(struct store *st, uint32_t number, struct arena *a, struct policy_source **out,
                           size_t *n, struct fail *f)
{
    struct store_rows rows;
    struct policy_source *list = ARENA_ARRAY(a, POLICY_TEXTS_MAX, struct policy_source);
    enum err e = store_query(st, Q_SET_TEXTS, ARGS(ARG_I(number)), &rows, f);
    *out = list;
    *n = 0;
    while (!e && *n < POLICY_TEXTS_MAX && store_next(&rows, f))
        list[(*n)++] =
            (struct policy_source){arena_copy(a, store_t(&rows, 0)), arena_copy(a, store_t(&rows, 5))};
    if (!e) {
        e = rows.err;
        store_done(&rows);
    }
    return e;
}

/* From which revision on an agreement reaches the one of this set (B8.1, R163). */
enum err unit_agreements(struct unit *u, struct store *st, struct fail *f)
{
    enum err e = OK;
    for (unsigned i = 0; !e && i < policy_documents(u->policy); i++) {
        const struct policy_document *d = policy_document(u->policy, i);
        struct store_rows rows;
        if (store_one(st, Q_DOCUMENT_RENEWED, ARGS(ARG_T(d->name), ARG_I(d->revision)), &rows, f)) {
            u->agreed_from[i] = (uint32_t)store_i(&rows, 0);
            store_done(&rows);
        } else {
            e = rows.err;
        }
    }
    return e;
}

enum err unit_load(struct store *st, uint32_t number, struct instant since, struct unit **out,
                   struct arena *a, struct policy_messages *m, struct fail *f)
{
    struct arena *texts = arena_new(0);
    struct policy_source *sources;
    size_t n = 0;
    enum err e = read_texts(st, number, texts, &sources, &n, f);
    *out = NULL;
    if (!e)
        e = unit_make(sources, n, out, m, f);
    if (!e)
        e = unit_agreements(*out, st, f);
    if (e == ERR_POLICY) /* a newer troth may find more than the one that published it */
        policy_load(a, sources, n, m);
    arena_free(texts);
    if (e) {
        unit_drop(*out);
        *out = NULL;
        return e;
    }
    (*out)->number = number;
    (*out)->since = since;
    return OK;
}
