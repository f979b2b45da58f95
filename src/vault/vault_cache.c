// SPDX-License-Identifier: Apache-2.0
/*
 * Opened keys of persons. See vault.h.
 *
 * Rows of eight places; an id, being random, is its own hash and names the row. A row that is full gives the
 * place of one that was not used since it was last looked at, to whoever is asked for a second time within
 * its memory of four: those who come once drive nobody out. Each of 64 locks guards a 64th of the rows, for a
 * few instructions: keys are opened and freed outside. Rows whose lock keeps nothing are not looked at, for a
 * look at memory that nobody came to is a page of it: closing a store would cost more than most commands do
 * in it.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "vault_impl.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { WAYS = 8, ASKED = 4, LOCKS = 64, MEMORY_PART = 64, KEY_BYTES = 192, LOCKED_BYTES = 64 };

struct row {
    _Alignas(64) struct person_key *way[WAYS];
    uint32_t mark[WAYS];      /* of the ids: the keys of others are not looked at */
    uint32_t asked[ASKED];    /* who came when it was full */
    uint8_t hand, asked_hand; /* where the search for room goes on */
};
/* A cache line each: two threads at different locks must not wait for one another. */
struct lock {
    _Alignas(64) pthread_mutex_t mutex;
    uint64_t hits, misses, kept;
};
struct vault_cache {
    struct lock lock[LOCKS];
    struct row *rows;
    size_t n_rows;
};

/* Mapped: rows nobody came to take no memory. */
static void rows_make(struct vault_cache *c, size_t most)
{
    c->rows = NULL;
    c->n_rows = most / WAYS;
    if (c->n_rows == 0)
        return;
    void *room =
        mmap(NULL, c->n_rows * sizeof *c->rows, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        abort(); /* as arena.h: out of memory ends the process */
    c->rows = room;
}

/* Rows of one lock lie together: those of lock n begin here. */
static size_t first_row(const struct vault_cache *c, size_t n)
{
    return (n * c->n_rows + LOCKS - 1) / LOCKS;
}

static struct lock *lock_of(struct vault_cache *c, size_t row)
{
    return &c->lock[row * LOCKS / c->n_rows];
}

static void rows_free(struct vault_cache *c)
{
    for (size_t n = 0; n < LOCKS; n++)
        for (size_t i = first_row(c, n); c->lock[n].kept && i < first_row(c, n + 1); i++)
            for (size_t w = 0; w < WAYS; w++)
                vault_key_close(c->rows[i].way[w]);
    if (c->rows)
        munmap(c->rows, c->n_rows * sizeof *c->rows);
}

struct vault_cache *cache_new(size_t most)
{
    struct vault_cache *c = aligned_alloc(64, sizeof *c);
    if (!c)
        abort();
    *c = (struct vault_cache){0};
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&c->lock[i].mutex, NULL);
    rows_make(c, most);
    return c;
}

void cache_free(struct vault_cache *c)
{
    if (!c)
        return;
    rows_free(c);
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&c->lock[i].mutex);
    free(c);
}

/* The row of an id, its lock taken; null if nothing is kept at all. */
static struct row *row_lock(struct vault_cache *c, struct subject_id id, struct lock **l)
{
    uint64_t h;
    memcpy(&h, id.b, sizeof h);
    if (!c->n_rows)
        return NULL;
    size_t i = h % c->n_rows;
    *l = lock_of(c, i);
    pthread_mutex_lock(&(*l)->mutex);
    return &c->rows[i];
}

static uint32_t mark_of(struct subject_id id)
{
    uint32_t mark;
    memcpy(&mark, id.b + ID_LEN - sizeof mark, sizeof mark);
    return mark;
}

static struct person_key **row_find(struct row *r, struct subject_id id)
{
    uint32_t mark = mark_of(id);
    for (size_t w = 0; w < WAYS; w++)
        if (r->way[w] && r->mark[w] == mark && memcmp(r->way[w]->id.b, id.b, ID_LEN) == 0)
            return &r->way[w];
    return NULL;
}

struct person_key *cache_find(struct vault_cache *c, struct subject_id id)
{
    struct lock *l;
    struct row *r = row_lock(c, id, &l);
    if (!r)
        return NULL;
    struct person_key **place = row_find(r, id), *k = place ? *place : NULL;
    l->hits += k != NULL;
    l->misses += k == NULL;
    if (k) {
        atomic_fetch_add_explicit(&k->holders, 1, memory_order_relaxed);
        atomic_store_explicit(&k->used, true, memory_order_relaxed);
    }
    pthread_mutex_unlock(&l->mutex);
    return k;
}

static bool asked_before(struct row *r, struct subject_id id)
{
    uint32_t mark = mark_of(id);
    for (size_t i = 0; i < ASKED; i++)
        if (r->asked[i] == mark)
            return true;
    r->asked[r->asked_hand] = mark;
    r->asked_hand = (uint8_t)((r->asked_hand + 1) % ASKED);
    return false;
}

/* A free place, or that of the next one nobody asked for since the hand last came by; null: not for this one.
 */
static struct person_key **row_room(struct row *r, struct subject_id id)
{
    for (size_t w = 0; w < WAYS; w++)
        if (!r->way[w])
            return &r->way[w];
    if (!asked_before(r, id))
        return NULL;
    while (atomic_exchange_explicit(&r->way[r->hand]->used, false, memory_order_relaxed))
        r->hand = (uint8_t)((r->hand + 1) % WAYS);
    struct person_key **place = &r->way[r->hand];
    r->hand = (uint8_t)((r->hand + 1) % WAYS);
    return place;
}

/* The comparison is made under the lock: a change that comes after it finds the key here and drops it. */
void cache_keep(struct vault_cache *c, const struct store *st, struct person_key *k)
{
    struct lock *l;
    struct person_key *old = NULL;
    struct row *r = row_lock(c, k->id, &l);
    if (!r)
        return;
    bool current = store_key_changes_seen(st) == store_key_changes() && !row_find(r, k->id);
    struct person_key **place = current ? row_room(r, k->id) : NULL;
    if (place) {
        old = *place;
        *place = k;
        r->mark[place - r->way] = mark_of(k->id);
        l->kept += old == NULL;
        atomic_fetch_add_explicit(&k->holders, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&l->mutex);
    vault_key_close(old);
}

bool cache_drop(void *ctx, struct span subject)
{
    struct subject_id id;
    struct lock *l;
    if (subject.len != ID_LEN)
        return true;
    memcpy(id.b, subject.p, ID_LEN);
    struct row *r = row_lock(ctx, id, &l);
    if (!r)
        return true;
    struct person_key **place = row_find(r, id), *k = place ? *place : NULL;
    if (place)
        *place = NULL;
    l->kept -= k != NULL;
    pthread_mutex_unlock(&l->mutex);
    vault_key_close(k);
    return true;
}

/* Whether its lock keeps any still. */
static bool row_empty(struct row *r, struct lock *l)
{
    struct person_key *gone[WAYS] = {0};
    pthread_mutex_lock(&l->mutex);
    for (size_t w = 0; w < WAYS && l->kept; w++) {
        if (!r->way[w])
            continue; /* rows that nobody came to are not written to */
        gone[w] = r->way[w];
        r->way[w] = NULL;
        l->kept--;
    }
    bool more = l->kept > 0;
    pthread_mutex_unlock(&l->mutex);
    for (size_t w = 0; w < WAYS; w++)
        vault_key_close(gone[w]);
    return more;
}

void cache_empty(struct vault_cache *c)
{
    for (size_t n = 0; n < LOCKS; n++) {
        size_t i = first_row(c, n), end = first_row(c, n + 1);
        while (i < end && row_empty(&c->rows[i], &c->lock[n]))
            i++;
    }
}

size_t vault_cache_default(uint64_t memory, uint64_t lockable)
{
    uint64_t n = memory / MEMORY_PART / KEY_BYTES, locked = lockable / 2 / LOCKED_BYTES;
    if (n < VAULT_CACHE_FEWEST)
        n = VAULT_CACHE_FEWEST;
    if (n > VAULT_CACHE_MOST)
        n = VAULT_CACHE_MOST;
    return (size_t)(n < locked ? n : locked);
}

void vault_cache_limit(struct vault *v, size_t most)
{
    rows_free(v->cache);
    rows_make(v->cache, most);
    for (size_t i = 0; i < LOCKS; i++)
        v->cache->lock[i].kept = 0;
}

struct vault_cache_stats vault_cache_stats(const struct vault *v)
{
    struct vault_cache *c = v->cache;
    struct vault_cache_stats s = {.limit = c->n_rows * WAYS};
    for (size_t i = 0; i < LOCKS; i++) {
        pthread_mutex_lock(&c->lock[i].mutex);
        s.hits += c->lock[i].hits;
        s.misses += c->lock[i].misses;
        s.kept += c->lock[i].kept;
        pthread_mutex_unlock(&c->lock[i].mutex);
    }
    return s;
}
