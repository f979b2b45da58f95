// SPDX-License-Identifier: Apache-2.0
/* Opening the gate, and the snapshots its callers hold. See gate.h. */
#include "gate_impl.h"

#include "nodes.h"
#include "policy_folder.h"

#include <stdio.h>
#include <stdlib.h>

#define SETTLE_TRIES 10

/* ---- First start */

enum err gate_create(const char *data, const char *master_key_file, struct store *st, struct fail *f)
{
    (void)data; /* the store has its folder open */
    enum err e = store_begin_write(st, f);
    if (e)
        return e;
    e = vault_create(st, &(struct vault_master){.file = master_key_file}, f);
    if (e) {
        store_rollback(st);
        return e;
    }
    return store_commit(st, f);
}

enum err gate_check_master(struct store *st, const char *file, const char *command, struct fail *f)
{
    struct vault *v = NULL;
    enum err e = vault_open(st, &(struct vault_master){file, command}, &v, f);
    vault_close(v);
    return e;
}

uint64_t gate_undeclared(struct gate *g)
{
    return atomic_load(&g->undeclared);
}

/* ---- Snapshots */

void registers_drop(struct register_copy *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->holders, 1, memory_order_acq_rel) != 1)
        return;
    arena_free(r->arena);
    free(r);
}

static enum err generation_read(struct store *st, uint64_t *out, struct fail *f)
{
    struct store_rows rows;
    *out = 0;
    if (!store_one(st, Q_META_GET, ARGS(ARG_T(SPAN("generation"))), &rows, f))
        return rows.err;
    *out = (uint64_t)store_i(&rows, 0);
    store_done(&rows);
    return OK;
}

static void *allocate(size_t size)
{
    void *p = calloc(1, size);
    if (!p)
        abort(); /* as arena.h: out of memory ends the process */
    return p;
}

/* The record's names of the services: a MAC each, made once for all reads. */
static void actors_make(const struct vault *v, struct register_copy *r)
{
    r->actors = ARENA_ARRAY(r->arena, r->list->n_services, struct service_actor);
    for (size_t i = 0; i < r->list->n_services; i++) {
        r->actors[i].name = arena_join(r->arena, SPAN("service"), ':', r->list->services[i].name);
        vault_actor_pseudonym(v, r->actors[i].name, r->actors[i].pseudonym);
    }
}

enum err registers_copy(const struct vault *v, struct store *st, struct register_copy **out, struct fail *f)
{
    struct register_copy *r = allocate(sizeof *r);
    r->arena = arena_new(0);
    atomic_init(&r->holders, 1);
    /* The number first: what is read after it is as new, or newer. */
    enum err e = generation_read(st, &r->generation, f);
    if (!e)
        e = registers_load(st, r->arena, &r->list, f);
    if (e) {
        registers_drop(r);
        return e;
    }
    actors_make(v, r);
    *out = r;
    return OK;
}

/* Takes over one hold of each. */
struct snapshot *snapshot_of(struct unit *u, struct register_copy *r)
{
    struct snapshot *s = allocate(sizeof *s);
    s->unit = u;
    s->registers = r;
    s->view = (struct gate_view){.policy = u->policy,
                                 .registers = r->list,
                                 .generation = r->generation + u->number,
                                 .sources = &u->sources,
                                 .actors = r->actors,
                                 .agreed_from = u->agreed_from,
                                 .serial = u->serial,
                                 .number = u->number,
                                 .digest = u->digest,
                                 .compiled = u->compiled};
    hex_put(s->view.revision, u->digest.b, 8);
    atomic_init(&s->holders, 1); /* the gate itself */
    return s;
}

void snapshot_drop(struct snapshot *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->holders, 1, memory_order_acq_rel) != 1)
        return;
    unit_drop(s->unit);
    registers_drop(s->registers);
    free(s);
}

const struct gate_view *gate_hold(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    struct snapshot *s = g->current;
    atomic_fetch_add_explicit(&s->holders, 1, memory_order_relaxed);
    pthread_mutex_unlock(&g->lock);
    return &s->view;
}

void gate_release(struct gate *g, const struct gate_view *v)
{
    (void)g;
    snapshot_drop((struct snapshot *)(uintptr_t)v); /* the view is its first member */
}

/* ---- The next set */

/* Under the lock. */
void next_set(struct gate *g, struct unit *u)
{
    unit_drop(g->next);
    g->next = u;
    atomic_store(&g->next_at, u ? u->since.ms : INSTANT_FOREVER.ms);
}

/* A pointer is swapped; calls under way keep what they hold. */
static void turn(struct gate *g, struct instant now)
{
    struct snapshot *old = NULL;
    pthread_mutex_lock(&g->lock);
    if (g->next && g->next->since.ms <= now.ms) {
        struct register_copy *r = g->current->registers;
        atomic_fetch_add_explicit(&r->holders, 1, memory_order_relaxed);
        old = g->current;
        g->current = snapshot_of(g->next, r);
        g->next = NULL;
        next_set(g, NULL);
        atomic_store(&g->turned, true);
    }
    pthread_mutex_unlock(&g->lock);
    snapshot_drop(old);
}

const struct gate_view *gate_hold_at(struct gate *g, struct instant now)
{
    if (now.ms >= atomic_load_explicit(&g->next_at, memory_order_relaxed))
        turn(g, now);
    return gate_hold(g);
}

bool gate_turned(struct gate *g)
{
    return atomic_load_explicit(&g->turned, memory_order_acquire);
}

void gate_turn_noted(struct gate *g)
{
    atomic_store(&g->turned, false);
}

struct instant gate_next(struct gate *g)
{
    return (struct instant){atomic_load(&g->next_at)};
}

/* What waits is what the database says: the set that was just published, the same as before, or none. */
static enum err follow_sets(struct gate *g, struct store *st, struct fail *f)
{
    uint32_t number = 0;
    struct instant since = INSTANT_FOREVER;
    const struct gate_view *v = gate_hold(g);
    enum err e = set_after(st, v->number, &number, &since, f);
    gate_release(g, v);
    if (e)
        return e;
    pthread_mutex_lock(&g->lock);
    if (g->arriving && g->arriving->number == number) {
        next_set(g, g->arriving);
        g->arriving = NULL;
    } else if (!number || (g->next && g->next->number != number)) {
        next_set(g, NULL);
    }
    pthread_mutex_unlock(&g->lock);
    return OK;
}

/* Of other daemons' changes since the group only the registers are here: on a database that is shared the
 * next snapshot finds the version newer than what is loaded, and loads the sets and keys that belong to it,
 * too. */
void gate_registers_changed(struct gate *g, struct store *st)
{
    struct fail f = {0};
    struct register_copy *r = NULL;
    if (registers_copy(g->vault, st, &r, &f) || follow_sets(g, st, &f)) {
        log_line(LOG_LVL_ERROR, "gate", "the registers could not be read again, the old ones stay: %s",
                 f.detail);
        registers_drop(r);
        return;
    }
    pthread_mutex_lock(&g->lock);
    struct snapshot *old = g->current;
    if (r->generation >= old->registers->generation) {
        g->current = snapshot_of(unit_hold(old->unit), r);
        if (!store_shared(st))
            atomic_store(&g->version, (long long)r->generation);
    } else { /* another thread has loaded newer ones meanwhile */
        old = NULL;
        registers_drop(r);
    }
    pthread_mutex_unlock(&g->lock);
    snapshot_drop(old);
}

/* ---- Opening */

static enum err replay(struct store *st, struct fail *f)
{
    uint64_t destroyed = 0;
    enum err e = vault_replay_erasures(st, &destroyed, f);
    if (destroyed)
        log_line(LOG_LVL_WARN, "gate", "%llu keys of erased persons had come back and were destroyed again",
                 (unsigned long long)destroyed);
    return e;
}

/* Whom the ledger names and the database has yet, gate_reconcile erases: while their keys are there, it can
 * tell what on record was theirs. */
static enum err open_ledger(struct gate *g, struct store *st, struct fail *f)
{
    enum err e = vault_ledger_open(g->vault, st, g->ledger_path, &g->ledger_ahead, f);
    return e || g->ledger_ahead ? e : vault_ledger_settled(g->vault, st, f);
}

uint64_t gate_erased_again(const struct gate *g)
{
    return g->erased_again;
}

/* Nothing was ever published here: the documents of the folder are the first set. */
static enum err first_set(const char *dir, struct unit **out, struct policy_messages *m, struct arena *a,
                          struct fail *f)
{
    struct policy_source *sources = NULL;
    size_t n = 0;
    struct policy *checked;
    enum err e = policy_folder_load(a, dir, &checked, m, f); /* its failure names the folder */
    if (!e)
        e = policy_folder_read(a, dir, &sources, &n, f);
    return e ? e : unit_make(sources, n, out, m, f);
}

static enum err open_set(struct store *st, struct instant now, struct unit **out, struct arena *a,
                         struct policy_messages *m, struct fail *f)
{
    uint32_t number = 0;
    enum err e = set_at(st, now, &number, f);
    *out = NULL;
    return e || !number ? e : unit_load(st, number, now, out, a, m, f);
}

/* The one that waits, compiled now, so that its instant finds it ready. */
static enum err open_next(struct gate *g, struct store *st, struct arena *a, struct policy_messages *m,
                          struct fail *f)
{
    struct unit *u = NULL;
    struct instant since;
    uint32_t number = 0;
    enum err e = set_after(st, g->current->unit->number, &number, &since, f);
    if (!e && number)
        e = unit_load(st, number, since, &u, a, m, f);
    if (!e && u)
        next_set(g, u);
    return e;
}

static enum err settle_once(struct gate *g, struct store *st, struct unit *first, struct instant now,
                            bool imports, struct fail *f)
{
    enum err e = store_begin_write(st, f);
    if (e)
        return e;
    e = replay(st, f);
    if (!e)
        e = open_ledger(g, st, f);
    if (!e && imports)
        e = imports_keyed(g, st, f);
    if (!e && first->number == 0) {
        e = policy_keep(g, st, first, now, f);
        first->number = 1;
    }
    if (e) {
        store_rollback(st);
        return e;
    }
    return store_commit(st, f);
}

/* What opening writes, in one group: erasures done again, what an older version kept of imports, the first
 * texts. Other daemons may be at work on
 * the same database: what meets them is done again. */
static enum err settle(struct gate *g, struct store *st, struct unit *first, struct instant now,
                       struct fail *f)
{
    uint32_t number = first->number;
    bool imports;
    enum err e = imports_older(st, &imports, f);
    if (e)
        return e;
    for (unsigned tries = 0; tries < SETTLE_TRIES; tries++) {
        struct fail why = {0};
        first->number = number;
        e = settle_once(g, st, first, now, imports, &why);
        if (!e)
            return OK;
        if (f)
            *f = why;
        if (!store_met_another(st))
            return e;
    }
    return e;
}

/* Under the first set no time to keep was ever reckoned by another: the walk over all who have values is over
 * while nobody has any. Else a folder that thousands were imported into would begin with it. Values that are
 * there all the same, under the first set an old folder gets, wait for the sweep, which puts on record what
 * it shortens. */
static enum err clocks_begin(struct gate *g, struct store *st, struct instant now, struct arena *a,
                             struct fail *f)
{
    struct gate_call c = {.gate = g, .view = gate_hold(g), .st = st, .arena = a, .now = now};
    bool more;
    int64_t anybody;
    size_t n = 0;
    enum err e = vault_persons(st, 0, 1, &anybody, &n, f);
    if (!e && n == 0)
        e = store_begin_write(st, f);
    if (!e && n == 0) {
        e = clock_follow(&c, GATE_SWEEP_PERSONS, &more, f);
        if (e)
            store_rollback(st);
        else
            e = store_commit(st, f);
    }
    gate_release(g, c.view);
    return e;
}

static enum err open_policy(struct gate *g, const struct gate_config *c, struct store *st, struct instant now,
                            struct policy_messages *m, struct arena *a, struct fail *f)
{
    struct unit *u = NULL;
    struct register_copy *r = NULL;
    enum err e = open_set(st, now, &u, a, m, f);
    if (!e && u && c->serving)
        e = policy_folder_published(st, c->policy_dir, f);
    bool first = !e && !u;
    if (first)
        e = first_set(c->policy_dir, &u, m, a, f);
    if (!e)
        e = settle(g, st, u, now, f);
    if (!e)
        e = registers_copy(g->vault, st, &r, f);
    if (e) {
        unit_drop(u);
        return e;
    }
    g->current = snapshot_of(u, r);
    atomic_store(&g->version, (long long)r->generation);
    if (first)
        e = clocks_begin(g, st, now, a, f);
    return e ? e : open_next(g, st, a, m, f);
}

enum err gate_open(const struct gate_config *c, struct store *st, struct instant now, struct gate **out,
                   struct policy_messages *m, struct arena *a, struct fail *f)
{
    struct gate *g = allocate(sizeof *g);
    *m = (struct policy_messages){0};
    g->offset_minutes = c->offset_minutes;
    g->node = c->node;
    snprintf(g->region, sizeof g->region, "%s", c->home_region);
    snprintf(g->ledger_path, sizeof g->ledger_path, "%s/erased.ledger", c->data);
    snprintf(g->audit_key_path, sizeof g->audit_key_path, "%s/audit-key", c->data);
    pthread_mutex_init(&g->lock, NULL);
    pthread_mutex_init(&g->follow, NULL);
    atomic_init(&g->next_at, INSTANT_FOREVER.ms);
    enum err e =
        vault_open(st, &(struct vault_master){c->master_key_file, c->master_key_command}, &g->vault, f);
    g->names.vault = g->vault;
    if (!e)
        e = open_policy(g, c, st, now, m, a, f);
    if (e) {
        gate_close(g);
        return e;
    }
    *out = g;
    return OK;
}

void gate_record(struct gate *g, const struct audit *au)
{
    g->names.record = au;
}

void gate_close(struct gate *g)
{
    if (!g)
        return;
    snapshot_drop(g->current);
    unit_drop(g->next);
    unit_drop(g->arriving);
    for (size_t i = 0; i < GATE_SETS_KEPT; i++)
        unit_drop(g->past[i]);
    if (g->vault)
        vault_close(g->vault);
    epoch_forget(&g->names);
    pthread_mutex_destroy(&g->follow);
    pthread_mutex_destroy(&g->lock);
    free(g);
}
