// SPDX-License-Identifier: Apache-2.0
/* Opening the gate, and the snapshots its callers hold. See gate.h. */
#include "gate_impl.h"

#include "file.h"
#include "policy_folder.h"

#include <stdio.h>
#include <stdlib.h>

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

uint64_t gate_undeclared(struct gate *g)
{
    return atomic_load(&g->undeclared);
}

/* ---- Snapshots */

static void snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    arena_free(s->arena);
    free(s);
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

static enum err snapshot_make(const struct gate *g, struct store *st, struct snapshot **out, struct fail *f)
{
    struct registers *registers;
    struct snapshot *s = calloc(1, sizeof *s);
    if (!s)
        abort(); /* as arena.h: out of memory ends the process */
    s->arena = arena_new(0);
    uint64_t generation = 0;
    enum err e = registers_load(st, s->arena, &registers, f);
    if (!e)
        e = generation_read(st, &generation, f);
    if (e) {
        snapshot_free(s);
        return e;
    }
    s->view = (struct gate_view){.policy = g->policy, .registers = registers, .digest = g->digest};
    crypto_sha256(policy_packed(g->policy), &s->view.compiled);
    s->view.generation = generation;
    hex_put(s->view.revision, g->digest.b, 8);
    atomic_init(&s->holders, 1); /* the gate itself */
    *out = s;
    return OK;
}

static void snapshot_drop(struct snapshot *s)
{
    if (s && atomic_fetch_sub_explicit(&s->holders, 1, memory_order_acq_rel) == 1)
        snapshot_free(s);
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

void gate_registers_changed(struct gate *g, struct store *st)
{
    struct fail f = {0};
    struct snapshot *fresh;
    if (snapshot_make(g, st, &fresh, &f)) {
        log_line(LOG_LVL_ERROR, "gate", "the registers could not be read again, the old ones stay: %s",
                 f.detail);
        return;
    }
    pthread_mutex_lock(&g->lock);
    struct snapshot *old = g->current;
    g->current = fresh;
    pthread_mutex_unlock(&g->lock);
    snapshot_drop(old);
}

/* ---- The policy */

/* NAME.md is a document; NAME.LANGUAGE.md a translation, which rules nothing. */
static bool is_document(struct span file)
{
    size_t dot = span_find(file, '.', 0);
    return span_is(span_sub(file, dot, file.len), ".md");
}

static enum err hash_file(const char *dir, struct span name, struct arena *a, struct digest *out,
                          struct fail *f)
{
    struct span text, path = arena_fmt(a, "%s/%.*s", dir, SPAN_F(name));
    enum err e = file_read(a, (const char *)path.p, POLICY_SOURCE_MAX, &text, f);
    if (!e)
        crypto_sha256(text, out);
    return e;
}

/* The identity of the set: SHA-256 over name and digest of each file, in the order of names. */
static enum err hash_policy(const char *dir, struct digest *out, struct fail *f)
{
    struct arena *a = arena_new(0);
    struct span *names;
    size_t n, parts = 0;
    enum err e = file_list(a, dir, ".md", &names, &n, f);
    struct span *v = e ? NULL : ARENA_ARRAY(a, 2 * n + 1, struct span);
    for (size_t i = 0; !e && i < n; i++) {
        if (!is_document(names[i]))
            continue;
        struct digest *d = ARENA_NEW(a, struct digest);
        e = hash_file(dir, names[i], a, d, f);
        v[parts++] = arena_fmt(a, "%.*s%c", SPAN_F(names[i]), '\n');
        v[parts++] = span_of(d->b, sizeof d->b);
    }
    if (!e)
        crypto_sha256_v(v, parts, out);
    arena_free(a);
    return e;
}

static enum err open_policy(struct gate *g, const char *dir, struct policy_messages *m, struct arena *a,
                            struct fail *f)
{
    struct policy *p;
    enum err e = policy_folder_load(g->arena, dir, &p, m, f);
    if (e == ERR_POLICY) /* the gate's arena goes; the messages are the caller's */
        return policy_folder_load(a, dir, &p, m, f);
    if (e)
        return e;
    g->policy = p;
    e = sources_bind(p, &g->sources, f);
    return e ? e : hash_policy(dir, &g->digest, f);
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

/* What opening writes, in one group: erasures done again, the texts that run from now on. */
static enum err settle(struct gate *g, struct store *st, struct instant now, struct fail *f)
{
    enum err e = store_begin_write(st, f);
    if (e)
        return e;
    e = replay(st, f);
    if (!e)
        e = policy_keep(g, st, now, f);
    if (e) {
        store_rollback(st);
        return e;
    }
    return store_commit(st, f);
}

enum err gate_open(const struct gate_config *c, struct store *st, struct instant now, struct gate **out,
                   struct policy_messages *m, struct arena *a, struct fail *f)
{
    struct gate *g = calloc(1, sizeof *g);
    if (!g)
        abort();
    *m = (struct policy_messages){0};
    g->arena = arena_new(0);
    g->offset_minutes = c->offset_minutes;
    snprintf(g->region, sizeof g->region, "%s", c->home_region);
    pthread_mutex_init(&g->lock, NULL);
    enum err e = open_policy(g, c->policy_dir, m, a, f);
    if (!e)
        e = vault_open(st, &(struct vault_master){c->master_key_file, c->master_key_command}, &g->vault, f);
    if (!e)
        e = settle(g, st, now, f);
    if (!e)
        e = snapshot_make(g, st, &g->current, f);
    if (e) {
        gate_close(g);
        return e;
    }
    *out = g;
    return OK;
}

void gate_close(struct gate *g)
{
    if (!g)
        return;
    snapshot_drop(g->current);
    vault_close(g->vault);
    epoch_free(g->epoch);
    pthread_mutex_destroy(&g->lock);
    arena_free(g->arena);
    free(g);
}
