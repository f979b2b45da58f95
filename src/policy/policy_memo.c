// SPDX-License-Identifier: Apache-2.0
/* policy_memo.c: see policy_compile_impl.h */
#include "policy_compile_impl.h"

#define MEMO_FIRST 32   /* slots; a power of two: most are small and there are hundreds */
#define MEMO_MORE  4096 /* slots up to which room grows by four */

struct memo policy_memo(struct arena *a, size_t words)
{
    struct memo m = {.arena = a, .words = words, .cap = MEMO_FIRST / 2, .n_slots = MEMO_FIRST};
    m.keys = ARENA_ROOM(a, m.cap * words + 1, uint64_t);
    m.slots = ARENA_ARRAY(a, m.n_slots, struct memo_slot);
    return m;
}

void policy_memo_clear(struct memo *m)
{
    m->n = 0;
    memset(m->slots, 0, m->n_slots * sizeof *m->slots);
}

static uint64_t hash_words(const uint64_t *key, size_t words)
{
    uint64_t h = words;
    for (size_t i = 0; i < words; i++) {
        h = (h ^ key[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    return h;
}

/* Keys are a few words: a call of memcmp would cost more than the words. */
static bool same_key(const uint64_t *a, const uint64_t *b, size_t words)
{
    uint64_t differs = 0;
    for (size_t i = 0; i < words; i++)
        differs |= a[i] ^ b[i];
    return differs == 0;
}

static struct memo_slot *find(struct memo *m, const uint64_t *key)
{
    size_t i = hash_words(key, m->words) & (m->n_slots - 1);
    for (; m->slots[i].key != 0; i = (i + 1) & (m->n_slots - 1))
        if (same_key(m->keys + (m->slots[i].key - 1) * m->words, key, m->words))
            break;
    return &m->slots[i];
}

/* More room. What was handed out before stays in the arena, unused. */
static void grow(struct memo *m)
{
    size_t times = m->n_slots < MEMO_MORE ? 4 : 2;
    struct memo bigger = {
        .arena = m->arena, .words = m->words, .cap = m->cap * times, .n_slots = m->n_slots * times};
    bigger.keys = ARENA_ROOM(m->arena, bigger.cap * m->words + 1, uint64_t);
    bigger.slots = ARENA_ARRAY(m->arena, bigger.n_slots, struct memo_slot);
    memcpy(bigger.keys, m->keys, m->n * m->words * sizeof *m->keys);
    bigger.n = m->n;
    for (size_t i = 0; i < m->n_slots; i++)
        if (m->slots[i].key != 0)
            *find(&bigger, m->keys + (m->slots[i].key - 1) * m->words) = m->slots[i];
    *m = bigger;
}

uint32_t *policy_memo_slot(struct memo *m, const uint64_t *key)
{
    struct memo_slot *slot = find(m, key);
    if (slot->key != 0)
        return &slot->value;
    if (m->n == m->cap) {
        grow(m);
        slot = find(m, key);
    }
    memcpy(m->keys + m->n * m->words, key, m->words * sizeof *key);
    *slot = (struct memo_slot){.key = (uint32_t)++m->n, .value = UINT32_MAX};
    return &slot->value;
}
