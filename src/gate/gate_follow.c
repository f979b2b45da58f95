// SPDX-License-Identifier: Apache-2.0
/*
 * What other daemons on the same database changed. See gate.h, nodes.h.
 *
 * Registers, policies and class keys have one version, the number that grows with each change of them. Each
 * snapshot says which one belongs to it; where it is newer than what is loaded, that is loaded first, out of
 * the same snapshot. So a decision never goes by registers older than the consents it looks at.
 */
#include "gate_impl.h"
#include "nodes.h"

#include <time.h>

int64_t gate_version(struct gate *g)
{
    return atomic_load_explicit(&g->version, memory_order_acquire);
}

/* ---- Loading */

/* The set in force and the one that waits, as far as they are not the ones at hand. */
struct sets {
    struct unit *current, *next; /* null: as it is */
    bool waits;                  /* one does */
};

static enum err load_set(struct store *st, uint32_t number, struct instant since, struct unit **out,
                         struct fail *f)
{
    struct arena *a = arena_new(0);
    struct policy_messages m = {0};
    enum err e = unit_load(st, number, since, out, a, &m, f);
    arena_free(a);
    return e;
}

static enum err load_sets(struct gate *g, struct store *st, struct instant now, struct sets *out,
                          struct fail *f)
{
    uint32_t current = 0, next = 0;
    struct instant since = INSTANT_FOREVER;
    pthread_mutex_lock(&g->lock);
    uint32_t have = g->current->unit->number, waiting = g->next ? g->next->number : 0;
    pthread_mutex_unlock(&g->lock);
    enum err e = set_at(st, now, &current, f);
    if (!e && current > have)
        e = load_set(st, current, now, &out->current, f);
    if (!e)
        e = set_after(st, current > have ? current : have, &next, &since, f);
    out->waits = next != 0;
    if (!e && next && next != waiting)
        e = load_set(st, next, since, &out->next, f);
    return e;
}

static void take_over(struct gate *g, struct register_copy *r, struct sets *s)
{
    pthread_mutex_lock(&g->lock);
    struct snapshot *old = g->current;
    if (s->current && s->current->number > old->unit->number) {
        g->current = snapshot_of(s->current, r);
        atomic_store(&g->turned, true);
    } else {
        unit_drop(s->current);
        g->current = snapshot_of(unit_hold(old->unit), r);
    }
    if (s->next)
        next_set(g, s->next);
    else if (!s->waits || (g->next && g->next->number <= g->current->unit->number))
        next_set(g, NULL);
    atomic_store_explicit(&g->version, (long long)r->generation, memory_order_release);
    pthread_mutex_unlock(&g->lock);
    snapshot_drop(old);
}

static enum err load(struct gate *g, struct store *st, struct instant now, struct fail *f)
{
    struct register_copy *r = NULL;
    struct sets s = {0};
    enum err e = registers_copy(g->vault, st, &r, f);
    if (!e)
        e = load_sets(g, st, now, &s, f);
    if (!e) {
        vault_follow_later(g->vault, (int64_t)r->generation);
        take_over(g, r, &s);
        return OK;
    }
    unit_drop(s.current);
    unit_drop(s.next);
    registers_drop(r);
    log_line(LOG_LVL_ERROR, "gate", "what another node changed could not be loaded: %s", f->detail);
    return e;
}

enum err gate_follow(struct gate *g, struct store *st, int64_t version, struct instant now, struct fail *f)
{
    if (version <= gate_version(g))
        return OK;
    pthread_mutex_lock(&g->follow);
    enum err e = version <= gate_version(g) ? OK : load(g, st, now, f);
    pthread_mutex_unlock(&g->follow);
    return e;
}

struct sign_key *gate_index_key(const struct gate *g)
{
    return vault_index_key(g->vault);
}

void gate_copies_set(struct gate *g, bool on)
{
    atomic_store(&g->copies, on);
}

bool gate_copies(const struct gate *g)
{
    return atomic_load(&g->copies);
}

/* ---- Hearing */

void gate_heard_erased(struct gate *g, struct span subject)
{
    vault_erased_elsewhere(g->vault, subject);
}

enum err gate_heard_nothing(struct gate *g, struct store *st, struct fail *f)
{
    return vault_heard_nothing(g->vault, st, f);
}

void gate_hears_until(struct gate *g, int64_t until_ms, const char *why)
{
    atomic_store(&g->deaf, why);
    atomic_store(&g->hears_until, until_ms);
}

void gate_heard(struct gate *g, int64_t until_ms)
{
    long long until = atomic_load_explicit(&g->hears_until, memory_order_relaxed);
    while (until > 1 && until < until_ms)
        if (atomic_compare_exchange_weak(&g->hears_until, &until, until_ms))
            return;
}

enum err gate_hears(struct gate *g, struct fail *f)
{
    int64_t until = atomic_load_explicit(&g->hears_until, memory_order_relaxed);
    struct timespec t;
    if (!until)
        return OK;
    clock_gettime(CLOCK_MONOTONIC, &t);
    if ((int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 <= until)
        return OK;
    fail_hint(f, "ask another node, or this one again in a moment");
    return fail_set(f, ERR_BUSY, "nothing is allowed here now: %s", atomic_load(&g->deaf));
}
