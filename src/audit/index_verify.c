// SPDX-License-Identifier: Apache-2.0
/* The index log, recomputed from its rows. See index.h. */
#include "index.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NODES_MAX = 4096 };

struct seen_node {
    struct span origin;
    struct merkle_key key;
    uint64_t size;
    struct digest root;
    bool closed;
};
struct checker {
    struct store *st;
    struct arena *a;
    struct index_report *r;
    struct span own;
    struct seen_node *nodes;
    size_t n;
    struct merkle_tree tree;
    struct digest row[MERKLE_TILE_WIDTH];
};

static bool __attribute__((format(printf, 2, 3))) fault(struct checker *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (!v->r->fault[0])
        vsnprintf(v->r->fault, sizeof v->r->fault, fmt, args);
    va_end(args);
    return false;
}

static enum err nodes_read(struct checker *v, struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(v->st, Q_NODE_ALL, NO_ARGS, &rows, f);
    v->nodes = ARENA_ARRAY(v->a, NODES_MAX, struct seen_node);
    while (!e && v->n < NODES_MAX && store_next(&rows, f)) {
        struct seen_node *s = &v->nodes[v->n++];
        *s = (struct seen_node){.origin = arena_copy(v->a, store_t(&rows, 2))};
        if (merkle_key_read(v->a, arena_copy(v->a, store_t(&rows, 3)), &s->key, NULL) != OK)
            fault(v, "node %lld: its verifier key cannot be read", (long long)store_i(&rows, 0));
    }
    if (!e)
        e = rows.err;
    store_done(&rows);
    return e;
}

static struct seen_node *node_of(struct checker *v, struct span origin)
{
    for (size_t i = 0; i < v->n; i++)
        if (span_eq(v->nodes[i].origin, origin))
            return &v->nodes[i];
    return NULL;
}

/* "troth node closed", origin, size, root. */
static bool check_closing(struct checker *v, uint64_t at, struct span entry)
{
    struct span rest = span_sub(entry, strlen(INDEX_CLOSED), entry.len), origin, size;
    uint64_t n = 0;
    span_cut(&rest, '\n', &origin);
    span_cut(&rest, '\n', &size);
    struct seen_node *s = node_of(v, origin);
    if (!s || s->closed || !span_u64(size, UINT64_MAX / 2, &n) || n < s->size)
        return fault(v, "entry %llu closes a record that is not there, or longer", (unsigned long long)at);
    s->closed = true;
    return true;
}

static bool check_entry(struct checker *v, uint64_t at, struct span entry)
{
    struct merkle_checkpoint c;
    struct fail why = {0};
    if (span_starts(entry, INDEX_CLOSED))
        return check_closing(v, at, entry);
    if (merkle_checkpoint_read(v->a, entry, NULL, &c, &why) != OK)
        return fault(v, "entry %llu: %s", (unsigned long long)at, why.detail);
    struct seen_node *s = node_of(v, c.origin);
    if (!s)
        return fault(v, "entry %llu is of a record no node has: %.*s", (unsigned long long)at,
                     SPAN_F(c.origin));
    if (merkle_checkpoint_read(v->a, entry, s->key.pk, &c, &why) != OK)
        return fault(v, "entry %llu: %s", (unsigned long long)at, why.detail);
    if (s->closed || c.size < s->size || (c.size == s->size && memcmp(&c.root, &s->root, sizeof c.root) != 0))
        return fault(v, "entry %llu: the record %.*s was closed, longer or another before",
                     (unsigned long long)at, SPAN_F(c.origin));
    s->size = c.size;
    s->root = c.root;
    if (span_eq(c.origin, v->own))
        v->r->newest = arena_copy(v->a, entry);
    return true;
}

/* Each full tile's hash at the level above. */
static bool check_tile(struct checker *v, unsigned level, uint64_t tile, const struct digest *want,
                       struct fail *f)
{
    struct store_rows rows;
    bool found = store_one(v->st, Q_TREE_TILE, ARGS(ARG_I(level), ARG_I(tile), ARG_I(tile + 1)), &rows, f);
    bool same = found && store_t(&rows, 1).len == sizeof want->b &&
                memcmp(store_t(&rows, 1).p, want->b, sizeof want->b) == 0;
    store_done(&rows);
    return same ||
           fault(v, "hash %llu of level %u is not the one its tile gives", (unsigned long long)tile, level);
}

static bool check_chunk(struct checker *v, uint64_t size, struct fail *f)
{
    struct store_rows rows;
    uint64_t from = v->tree.size, to = from + MERKLE_TILE_WIDTH < size ? from + MERKLE_TILE_WIDTH : size;
    enum err e = store_query(v->st, Q_TREE_TILE, ARGS(ARG_I(0), ARG_I(from), ARG_I(to)), &rows, f);
    bool ok = e == OK;
    while (ok && v->tree.size < to && store_next(&rows, f)) {
        struct digest *h = &v->row[v->tree.size % MERKLE_TILE_WIDTH];
        struct span entry = store_t(&rows, 2), kept = store_t(&rows, 1);
        uint64_t at = v->tree.size;
        merkle_leaf(entry, h);
        if ((uint64_t)store_i(&rows, 0) != at || kept.len != sizeof h->b ||
            memcmp(kept.p, h->b, sizeof h->b) != 0)
            ok = fault(v, "entry %llu is missing, or is not what its hash says", (unsigned long long)at);
        ok = ok && check_entry(v, at, entry);
        merkle_add(&v->tree, h);
    }
    store_done(&rows);
    if (ok && v->tree.size < to)
        return fault(v, "entry %llu is missing", (unsigned long long)v->tree.size);
    if (ok && to % MERKLE_TILE_WIDTH == 0 && to > from) {
        struct digest h;
        merkle_fold(v->row, MERKLE_TILE_WIDTH, &h);
        ok = check_tile(v, 1, to / MERKLE_TILE_WIDTH - 1, &h, f);
    }
    return ok;
}

enum err index_verify(struct store *st, const struct merkle_key *key, struct span own, struct arena *a,
                      struct index_report *r, struct fail *f)
{
    struct checker *v = ARENA_NEW(a, struct checker);
    struct merkle_checkpoint head = {0};
    struct span note = SPAN_EMPTY;
    struct fail why = {0};
    *v = (struct checker){.st = st, .a = a, .r = r, .own = own};
    *r = (struct index_report){0};
    enum err e = nodes_read(v, f);
    if (!e)
        e = index_checkpoint(st, a, &note, f);
    if (e)
        return e;
    bool ok = !r->fault[0];
    if (merkle_checkpoint_read(a, note, key->pk, &head, &why) != OK)
        ok = fault(v, "its checkpoint: %s", why.detail);
    else if (!span_eq(head.origin, key->name))
        ok = fault(v, "its checkpoint is of another log, %.*s", SPAN_F(head.origin));
    while (ok && v->tree.size < head.size)
        ok = check_chunk(v, head.size, f);
    merkle_root(&v->tree, &r->root);
    if (ok && memcmp(&r->root, &head.root, sizeof head.root) != 0)
        ok = fault(v, "its root differs from the one its entries give");
    r->entries = v->tree.size;
    r->ok = ok;
    return OK;
}
