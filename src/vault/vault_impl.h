// SPDX-License-Identifier: Apache-2.0
/* vault_impl.h: what the files of this part share. */
#ifndef TROTH_VAULT_IMPL_H
#define TROTH_VAULT_IMPL_H

#include "vault.h"

#include <stdatomic.h>

enum key_class { CLASS_ADULT, CLASS_CHILD, CLASS_COUNT };

struct vault_cache;

struct vault {
    struct vault_cache *cache;
    struct key *class_key[CLASS_COUNT];
    struct key *index;  /* blind index */
    struct key *record; /* actors' pseudonyms, details of entries that concern no person */
};

/* One data key does all sealing for the person (what is bound tells values and details apart); its subkey
 * names them in the record. */
struct person_key {
    struct key *data;
    struct key *pseudonym;
    struct subject_id id;
    atomic_uint holders; /* calls at work with it, and the cache */
    atomic_bool used;    /* since the cache last looked for room */
};

/* ---- vault_cache.c */
struct vault_cache *cache_new(size_t most);
void cache_free(struct vault_cache *c);
/* Held for the caller, or null. */
struct person_key *cache_find(struct vault_cache *c, struct subject_id id);
/* Keeps k too, unless key rows changed since the snapshot of st (store.h). */
void cache_keep(struct vault_cache *c, const struct store *st, struct person_key *k);
/* A store_key_fn; ctx is the cache. */
void cache_drop(void *ctx, struct span subject);

/* Builds what a ciphertext is bound to: a purpose, then parts of fixed length, then at most one of open
 * length. */
#define BIND_MAX (32 + 16 + 8 + 8 + VALUE_ITEM_MAX)
struct bind {
    uint8_t b[BIND_MAX];
    size_t len;
};
struct bind bind_start(const char *purpose);
void bind_put(struct bind *b, struct span s);
void bind_put_i64(struct bind *b, int64_t v);
static inline struct span bind_span(const struct bind *b)
{
    return span_of(b->b, b->len);
}

static inline struct span person_id(const struct vault_person *s)
{
    return span_of(s->id.b, ID_LEN);
}

#endif
