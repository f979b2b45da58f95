// SPDX-License-Identifier: Apache-2.0
/* Revisions that were, or will be, in force: their rows, and their sets compiled again. See gate.h. */
#include "gate_impl.h"

/* ---- Rows */

static void read_line(const struct store_rows *rows, struct arena *a, struct revision_row *out)
{
    struct span digest = store_t(rows, 1);
    out->revision = (uint32_t)store_i(rows, 0);
    if (digest.len == sizeof out->digest.b)
        memcpy(out->digest.b, digest.p, digest.len);
    out->in_force.ms = store_i(rows, 2);
    out->language = arena_copy(a, store_t(rows, 3));
    out->title = arena_copy(a, store_t(rows, 4));
    out->ends.ms = store_i(rows, 5);
    out->renews = store_i(rows, 6) != 0;
}

static struct revision_row *push(struct arena *a, struct revision_row **list, size_t *n, size_t *cap)
{
    if (*n == *cap) {
        *cap = *cap ? *cap * 2 : 16;
        struct revision_row *wider = ARENA_ARRAY(a, *cap, struct revision_row);
        if (*n)
            memcpy(wider, *list, *n * sizeof *wider);
        *list = wider;
    }
    return &(*list)[(*n)++];
}

enum err gate_line(struct gate_call *c, struct span document, struct revision_row **out, size_t *n,
                   struct fail *f)
{
    struct store_rows rows;
    size_t cap = 0;
    *out = NULL;
    *n = 0;
    enum err e = store_query(c->st, Q_DOCUMENT_LINE, ARGS(ARG_T(document)), &rows, f);
    if (e)
        return e;
    while (store_next(&rows, f)) {
        struct revision_row *row = push(c->arena, out, n, &cap);
        *row = (struct revision_row){.document = document};
        read_line(&rows, c->arena, row);
    }
    e = rows.err;
    store_done(&rows);
    return e;
}

enum err gate_set_of(struct gate_call *c, struct span document, uint32_t revision, uint32_t *set,
                     struct fail *f)
{
    struct store_rows rows;
    *set = 0;
    if (!store_one(c->st, Q_SET_OF, ARGS(ARG_T(document), ARG_I(revision)), &rows, f))
        return rows.err;
    *set = (uint32_t)store_i(&rows, 0);
    store_done(&rows);
    return OK;
}

/* ---- Compiled again */

/* Under the lock: to the front; what falls off the end is given back for dropping. */
static struct unit *to_front(struct gate *g, struct unit *u)
{
    size_t at = 0;
    while (at + 1 < GATE_SETS_KEPT && g->past[at] && g->past[at] != u)
        at++;
    struct unit *out = g->past[at] == u ? NULL : g->past[at];
    memmove(g->past + 1, g->past, at * sizeof(struct unit *));
    g->past[0] = u;
    return out;
}

static struct unit *find_kept(struct gate *g, uint32_t set)
{
    struct unit *found = NULL;
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; !found && i < GATE_SETS_KEPT; i++)
        if (g->past[i] && g->past[i]->number == set)
            found = g->past[i];
    if (found) {
        to_front(g, found);
        unit_hold(found);
    }
    pthread_mutex_unlock(&g->lock);
    return found;
}

static void keep(struct gate *g, struct unit *u)
{
    pthread_mutex_lock(&g->lock);
    struct unit *left = to_front(g, unit_hold(u));
    pthread_mutex_unlock(&g->lock);
    unit_drop(left);
}

static void drop(void *u)
{
    unit_drop(u);
}

enum err gate_set_policy(struct gate_call *c, uint32_t set, const struct policy **out, struct fail *f)
{
    struct policy_messages m = {0};
    *out = c->view->policy;
    if (set == c->view->number)
        return OK;
    struct unit *u = find_kept(c->gate, set);
    if (!u) {
        enum err e = unit_load(c->st, set, INSTANT_FOREVER, &u, c->arena, &m, f);
        if (e)
            return e;
        keep(c->gate, u);
    }
    arena_defer(c->arena, drop, u);
    *out = u->policy;
    return OK;
}
