// SPDX-License-Identifier: Apache-2.0
/*
 * key_pool.c: where key bytes live.
 *
 * Keys are slots in a few large guarded regions (sodium_malloc: guard pages, locked as far as the limit
 * allows, left out of core files). A region of its own for each key would cost three system calls a request
 * and run into the limit on locked memory; a slot costs a lock and a few instructions. A slot is wiped when
 * it is given back.
 */
#include "crypto_impl.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    REGION_WORDS = 64,
    REGION_SLOTS = REGION_WORDS * 64
}; /* 128 KiB of keys: more than a group's requests hold; a cache of a million persons' keys takes 512 of them
    */

struct region {
    struct key *slots;
    uint64_t used[REGION_WORDS];
    size_t n_used;
    struct region *roomy; /* another one with a free slot */
};

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
/* By the address of their slots: a key that is given back finds its region among hundreds by halving. */
static struct {
    struct region *at;
} * regions;
static size_t n_regions, room_regions;
static struct region *roomy; /* those with a free slot */

/* How many regions begin at or below the address. */
static size_t regions_upto(const struct key *k)
{
    size_t low = 0, high = n_regions;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (regions[mid].at->slots <= k)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void region_insert(struct region *r)
{
    if (n_regions == room_regions) {
        room_regions = room_regions ? room_regions * 2 : 16;
        void *more = realloc(regions, room_regions * sizeof *regions);
        crypto_must(more != NULL, "memory");
        regions = more;
    }
    size_t at = regions_upto(r->slots);
    memmove(regions + at + 1, regions + at, (n_regions - at) * sizeof *regions);
    regions[at].at = r;
    n_regions++;
}

static struct region *region_new(void)
{
    struct region *r = calloc(1, sizeof *r);
    crypto_must(r != NULL, "memory");
    r->slots = sodium_malloc(REGION_SLOTS * sizeof *r->slots);
    crypto_must(r->slots != NULL, "guarded memory");
    sodium_memzero(r->slots, REGION_SLOTS * sizeof *r->slots);
    region_insert(r);
    return r;
}

static struct key *region_take(struct region *r)
{
    size_t w = 0;
    while (r->used[w] == UINT64_MAX)
        w++;
    unsigned bit = (unsigned)__builtin_ctzll(~r->used[w]);
    r->used[w] |= UINT64_C(1) << bit;
    r->n_used++;
    return &r->slots[w * 64 + bit];
}

struct key *key_slot(void)
{
    crypto_thread(); /* the libraries are up: guarded memory needs them */
    pthread_mutex_lock(&pool_lock);
    if (!roomy)
        roomy = region_new();
    struct region *r = roomy;
    struct key *k = region_take(r);
    if (r->n_used == REGION_SLOTS)
        roomy = r->roomy;
    pthread_mutex_unlock(&pool_lock);
    return k;
}

static struct region *region_of(const struct key *k)
{
    size_t upto = regions_upto(k);
    struct region *r = upto ? regions[upto - 1].at : NULL;
    return r && k < r->slots + REGION_SLOTS ? r : NULL;
}

void key_free(struct key *k)
{
    if (!k)
        return;
    sodium_memzero(k, sizeof *k);
    pthread_mutex_lock(&pool_lock);
    struct region *r = region_of(k);
    crypto_must(r != NULL, "freeing a key that is not one");
    size_t i = (size_t)(k - r->slots);
    uint64_t bit = UINT64_C(1) << (i % 64);
    crypto_must(r->used[i / 64] & bit, "freeing a key once");
    if (r->n_used == REGION_SLOTS) {
        r->roomy = roomy;
        roomy = r;
    }
    r->used[i / 64] &= ~bit;
    r->n_used--;
    pthread_mutex_unlock(&pool_lock);
}

size_t key_slots_used(void)
{
    size_t n = 0;
    pthread_mutex_lock(&pool_lock);
    for (size_t i = 0; i < n_regions; i++)
        n += regions[i].at->n_used;
    pthread_mutex_unlock(&pool_lock);
    return n;
}
