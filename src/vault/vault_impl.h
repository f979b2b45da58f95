// SPDX-License-Identifier: Apache-2.0
/* vault_impl.h: what the files of this part share. */
#ifndef TROTH_VAULT_IMPL_H
#define TROTH_VAULT_IMPL_H

#include "vault.h"

#include <pthread.h>
#include <stdatomic.h>

enum key_class { CLASS_ADULT, CLASS_CHILD, CLASS_COUNT };

struct vault_cache;

/* Two generations while one is rotated; no third is begun before the oldest is gone. */
#define GENERATIONS_MAX 2
struct generations {
    struct key *key[GENERATIONS_MAX]; /* oldest first */
    int64_t number[GENERATIONS_MAX];
    size_t n;
    struct key *retired; /* the last that went: a snapshot from before may still show a row under it */
    int64_t retired_number;
};

struct vault {
    struct vault_cache *cache;
    pthread_rwlock_t lock; /* over class_keys: the committer changes them while readers unwrap */
    struct generations class_keys[CLASS_COUNT];
    pthread_mutex_t following;          /* one thread at a time reads what another node changed of them */
    atomic_llong follow_due, followed;  /* versions: they are as of the second */
    struct key *next[CLASS_COUNT];      /* wraps from the commit on */
    int64_t next_number[CLASS_COUNT];   /* its generation */
    char *master_file, *master_command; /* one of them */
    struct ledger *ledger;              /* null: a folder that is only looked at */
    /* Under `lock`: the file of the master key that this group changes to, or an undone one did. */
    char *next_master;
    bool next_in_place; /* it takes the place of master_file with the commit */
    struct key *index;  /* blind index */
    struct key *record; /* actors' pseudonyms, details of entries that concern no person */
};

/* One data key does all sealing for the person (what is bound tells values and details apart); its subkey
 * names them in the record. */
struct person_key {
    struct key *data;
    struct key *pseudonym;
    struct subject_id id;
    atomic_uint named;   /* the epoch `name` is of, plus two; 0: none yet, 1: being made */
    uint8_t name[16];    /* the person's pseudonym in it: nearly every call asks for that of one epoch */
    atomic_uint holders; /* calls at work with it, and the cache */
    atomic_bool used;    /* since the cache last looked for room */
};

/* ---- vault_key.c */
extern const char *const class_names[CLASS_COUNT];
extern const char *const node_key_names[];
enum { NODE_KEYS = 2 };
struct key **node_key(struct vault *v, size_t i);
struct bind bind_class_key(enum key_class c);
struct bind bind_node_key(size_t i);
struct bind bind_person_key(struct subject_id id, enum key_class c);

enum err master_read(const struct vault_master *m, struct key **out, struct fail *f);

/* ---- vault_rotate.c */
#define MASTER_PATH_MAX 4096
/* FILE.next: the new master key until it takes the old one's place. False if the name is too long. */
bool master_next_path(char out[MASTER_PATH_MAX], const char *file);
/* Says where the key of `file` went, if FILE.moved tells; else how to name the right one. */
void master_hint(const char *file, struct fail *f);
bool master_moved(const char *file); /* whether there is such a note */
void master_moved_forget(const char *file);
/* Renames durably; nonzero if it failed. */
int master_replace(const char *from, const char *to);
/* The one that a group under way changes to, if one does; any thread. Who finds that it opens nothing was not
 * in that group. */
enum err master_coming(struct vault *v, struct key **out);

/* ---- vault_ledger.c */
void ledger_free(struct ledger *l);
/* A store_key_fn; ctx is the vault: the key leaves the cache, the erasure is noted in the ledger. */
bool ledger_erased(void *ctx, struct span subject);
/* Before an erasure is committed: that its line will find room. ERR_DISK_FULL. */
enum err ledger_room(const struct vault *v, struct fail *f);
/* Adds the erasures of the database that the file lacks. */
enum err ledger_complete(struct vault *v, struct store *st, struct fail *f);

/* ---- vault_cache.c */
struct vault_cache *cache_new(size_t most);
void cache_free(struct vault_cache *c);
/* Held for the caller, or null. */
struct person_key *cache_find(struct vault_cache *c, struct subject_id id);
/* Keeps k too, unless key rows changed since the snapshot of st (store.h). */
void cache_keep(struct vault_cache *c, const struct store *st, struct person_key *k);
/* A store_key_fn; ctx is the cache. */
bool cache_drop(void *ctx, struct span subject);
void cache_empty(struct vault_cache *c);

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
