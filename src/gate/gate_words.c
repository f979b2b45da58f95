// SPDX-License-Identifier: Apache-2.0
/* The words that the daemon speaks by itself, in the words of this policy. See gate.h. */
#include "gate_impl.h"

struct span gate_word(const struct policy *p, enum policy_dimension d, const char *name)
{
    for (unsigned i = 0; i < policy_count(p, d); i++)
        if (policy_in_group(p, d, i, span_str(name)))
            return policy_name(p, d, i);
    return SPAN_EMPTY;
}

struct span gate_identifier(const struct policy *p, const char *form)
{
    for (unsigned i = 0; i < policy_count(p, DIM_FIELD); i++)
        if (policy_in_group(p, DIM_FIELD, i, SPAN("identifiers")) &&
            policy_in_group(p, DIM_FIELD, i, span_str(form)))
            return policy_name(p, DIM_FIELD, i);
    return SPAN_EMPTY;
}

struct span gate_actor(const struct policy *p)
{
    struct span service = gate_word(p, DIM_ACTOR, "service");
    return service.len ? service : gate_word(p, DIM_ACTOR, "us");
}

enum err gate_word_missing(struct fail *f, const char *noun, const char *name)
{
    fail_hint(f, "declare the %s '%s', or a group of that name with yours in it", noun, name);
    return fail_set(f, ERR_UNKNOWN_NAME, "this policy has no %s for it", noun);
}

/* ---- Names as callers write them, found at once */

static uint8_t folded(uint8_t c)
{
    return c == '.' || c == '_' ? '-' : c;
}

/* FNV-1a of the length, the first bytes and the last: names differ there; the rest is compared. The names are
 * the policy's, not a stranger's. */
enum { HASH_ENDS = 4 };
static uint32_t word_hash(enum policy_dimension d, struct span written)
{
    uint32_t h = (2166136261u ^ (uint32_t)written.len) * 16777619u + (uint32_t)d;
    size_t n = written.len < HASH_ENDS ? written.len : HASH_ENDS;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ folded(written.p[i])) * 16777619u;
        h = (h ^ folded(written.p[written.len - 1 - i])) * 16777619u;
    }
    return h ^ h >> 16;
}

static bool is_written(struct span name, struct span written)
{
    if (name.len != written.len)
        return false;
    if (memcmp(name.p, written.p, name.len) == 0) /* nearly everybody writes it as the policy does */
        return true;
    bool same = true;
    for (size_t i = 0; same && i < name.len; i++)
        same = name.p[i] == folded(written.p[i]);
    return same;
}

enum { WORD_DIMENSION = 12 }; /* the slot's bits above are the dimension, those below the value; plus one */
_Static_assert(POLICY_VALUES_MAX <= 1 << WORD_DIMENSION && DIM_COUNT < 1 << (16 - WORD_DIMENSION), "slots");

void words_bind(const struct policy *p, struct arena *a, struct sources *out)
{
    size_t n = 0, slots = 16;
    for (unsigned d = 0; d < DIM_COUNT; d++)
        n += policy_count(p, (enum policy_dimension)d);
    while (slots < 2 * n)
        slots *= 2;
    out->words = ARENA_ARRAY(a, slots, uint16_t);
    out->words_top = (uint32_t)slots - 1;
    for (unsigned d = 0; d < DIM_COUNT; d++)
        for (unsigned i = 0; i < policy_count(p, (enum policy_dimension)d); i++) {
            uint32_t at = word_hash((enum policy_dimension)d, policy_name(p, (enum policy_dimension)d, i));
            while (out->words[at & out->words_top])
                at++;
            out->words[at & out->words_top] = (uint16_t)((d << WORD_DIMENSION | i) + 1);
        }
    out->actor = gate_actor(p);
}

unsigned words_find(const struct sources *s, const struct policy *p, enum policy_dimension d,
                    struct span written)
{
    uint16_t w;
    for (uint32_t at = word_hash(d, written); (w = s->words[at & s->words_top]); at++) {
        unsigned value = (w - 1u) & ((1u << WORD_DIMENSION) - 1);
        if ((w - 1u) >> WORD_DIMENSION == d && is_written(policy_name(p, d, value), written))
            return value;
    }
    return POLICY_NONE;
}
