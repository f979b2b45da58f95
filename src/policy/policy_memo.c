// SPDX-License-Identifier: Apache-2.0
/* policy_memo.c: see policy_compile_impl.h */
#include "policy_compile_impl.h"

#define MEMO_MORE 16384 /* slots up to which room grows by four */

static void make_room(struct memo *m)
{
    m->keys = ARENA_ROOM(m->arena, m->cap * m->words + 1, uint64_t);
    m->values = ARENA_ROOM(m->arena, m->cap, uint32_t);
    m->slots = ARENA_ARRAY(m->arena, m->n_slots, struct memo_slot);
}

struct memo policy_memo(struct arena *a, size_t words, size_t slots)
{
    struct memo m = {.arena = a, .words = words, .cap = slots / 4 * 3, .n_slots = slots};
    make_room(&m);
    return m;
}

static uint32_t hash_words(const uint64_t *key, size_t words)
{
    uint64_t h = words;
    for (size_t i = 0; i < words; i++) {
        h = (h ^ key[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    return (uint32_t)h;
}

/* Keys are a few words: a call of memcmp would cost more than the words. */
static bool same_key(const uint64_t *a, const uint64_t *b, size_t words)
{
    uint64_t differs = 0;
    for (size_t i = 0; i < words; i++)
        differs |= a[i] ^ b[i];
    return differs == 0;
}

static struct memo_slot *find(const struct memo *m, const uint64_t *key, uint32_t hash)
{
    size_t i = hash & (m->n_slots - 1);
    for (; m->slots[i].key != 0; i = (i + 1) & (m->n_slots - 1))
        if (m->slots[i].hash == hash && same_key(m->keys + (m->slots[i].key - 1) * m->words, key, m->words))
            break;
    return &m->slots[i];
}

static void move_slot(struct memo *m, struct memo_slot slot)
{
    size_t i = slot.hash & (m->n_slots - 1);
    while (m->slots[i].key != 0)
        i = (i + 1) & (m->n_slots - 1);
    m->slots[i] = slot;
}

/* More room. What was there before stays in the arena, unused. */
static void grow(struct memo *m)
{
    size_t times = m->n_slots < MEMO_MORE ? 4 : 2;
    const struct memo before = *m;
    m->cap *= times;
    m->n_slots *= times;
    make_room(m);
    memcpy(m->keys, before.keys, m->n * m->words * sizeof *m->keys);
    memcpy(m->values, before.values, m->n * sizeof *m->values);
    for (size_t i = 0; i < before.n_slots; i++)
        if (before.slots[i].key != 0)
            move_slot(m, before.slots[i]);
}

uint32_t policy_memo_number(struct memo *m, const uint64_t *key)
{
    uint32_t hash = hash_words(key, m->words);
    struct memo_slot *slot = find(m, key, hash);
    if (slot->key != 0)
        return slot->key - 1;
    if (m->n == m->cap) {
        grow(m);
        slot = find(m, key, hash);
    }
    memcpy(m->keys + m->n * m->words, key, m->words * sizeof *key);
    m->values[m->n] = UINT32_MAX;
    *slot = (struct memo_slot){.key = (uint32_t)m->n + 1, .hash = hash};
    return (uint32_t)m->n++;
}
