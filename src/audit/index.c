// SPDX-License-Identifier: Apache-2.0
/* The index log: appending and serving. See index.h. */
#include "index.h"

#include "nodes.h"

#include <string.h>

enum { EDGE_BYTES = MERKLE_LEVELS_MAX * 32 };

struct span index_origin(struct arena *a, struct span node_origin)
{
    struct span instance = audit_instance(node_origin);
    size_t at = 0;
    while (at + 7 < node_origin.len && !span_starts(span_sub(node_origin, at, node_origin.len), "/audit/"))
        at++;
    return arena_fmt(a, "%.*s/audit/%.*s/index", SPAN_F(span_sub(node_origin, 0, at)), SPAN_F(instance));
}

/* ---- The head */

struct head {
    int64_t token;
    struct merkle_tree tree;
    struct span note;
};

static enum err head_read(struct store *st, struct arena *a, struct head *h, struct fail *f)
{
    struct store_rows rows;
    *h = (struct head){0};
    if (!store_one(st, Q_TREE_HEAD, NO_ARGS, &rows, f))
        return rows.err ? rows.err : fail_set(f, ERR_NOT_FOUND, "there is no index log yet");
    struct span edge = store_t(&rows, 2);
    h->token = store_i(&rows, 0);
    h->tree.size = (uint64_t)store_i(&rows, 1);
    bool fits = edge.len == EDGE_BYTES;
    if (fits)
        memcpy(h->tree.edge, edge.p, EDGE_BYTES);
    h->note = arena_copy(a, store_t(&rows, 3));
    store_done(&rows);
    return fits ? OK : fail_set(f, ERR_CORRUPT, "the head of the index log is damaged");
}

static struct span head_sign(struct arena *a, const struct merkle_tree *t, const struct sign_key *key,
                             struct span origin)
{
    struct merkle_checkpoint c = {.origin = origin, .size = t->size};
    uint8_t pk[SIGN_PK_LEN], signature[SIGN_LEN];
    merkle_root(t, &c.root);
    sign_key_public(key, pk);
    sign_make(key, merkle_checkpoint_body(a, &c), signature);
    return merkle_checkpoint_note(a, &c, pk, signature);
}

/* ---- Leading */

static enum err finish(struct store *st, enum err e, struct fail *f)
{
    if (!e)
        return store_commit(st, f);
    store_rollback(st);
    return e;
}

enum err index_lead(struct store *st, const struct sign_key *key, struct span origin, int64_t *token,
                    struct fail *f)
{
    static const struct merkle_tree empty;
    struct arena *a = arena_new(0);
    struct store_rows rows;
    struct span note = head_sign(a, &empty, key, origin);
    enum err e = store_begin_write(st, f);
    if (!e) {
        bool got =
            store_one(st, Q_TREE_LEAD, ARGS(ARG_B(span_of(empty.edge, EDGE_BYTES)), ARG_B(note)), &rows, f);
        e = got ? OK : rows.err;
        *token = got ? store_i(&rows, 0) : 0;
        store_done(&rows);
        e = finish(st, e, f);
    }
    arena_free(a);
    return e;
}

/* ---- Appending */

static enum err put_hash(struct store *st, unsigned level, uint64_t place, const struct digest *h,
                         struct span entry, struct fail *f)
{
    return store_run(st, Q_TREE_ADD,
                     ARGS(ARG_I(level), ARG_I(place), ARG_B(span_of(h->b, sizeof h->b)), ARG_B(entry)), NULL,
                     f);
}

static enum err row_read(struct store *st, unsigned level, uint64_t from, size_t n, struct digest *out,
                         struct fail *f)
{
    struct store_rows rows;
    size_t got = 0;
    enum err e = store_query(st, Q_TREE_TILE, ARGS(ARG_I(level), ARG_I(from), ARG_I(from + n)), &rows, f);
    while (!e && got < n && store_next(&rows, f)) {
        if (store_t(&rows, 1).len == sizeof out->b && (uint64_t)store_i(&rows, 0) == from + got)
            memcpy(out[got++].b, store_t(&rows, 1).p, sizeof out->b);
    }
    if (!e)
        e = rows.err;
    store_done(&rows);
    if (!e && got < n)
        return fail_set(f, ERR_CORRUPT, "the index log lacks hashes of level %u", level);
    return e;
}

/* A finished tile is one hash of the level above. */
static enum err append(struct store *st, struct merkle_tree *t, struct span entry, struct fail *f)
{
    struct digest h, row[MERKLE_TILE_WIDTH];
    uint64_t place = t->size;
    merkle_leaf(entry, &h);
    merkle_add(t, &h);
    enum err e = put_hash(st, 0, place, &h, entry, f);
    for (unsigned level = 1; !e && place % MERKLE_TILE_WIDTH == MERKLE_TILE_WIDTH - 1; level++) {
        place /= MERKLE_TILE_WIDTH;
        e = row_read(st, level - 1, place * MERKLE_TILE_WIDTH, MERKLE_TILE_WIDTH, row, f);
        merkle_fold(row, MERKLE_TILE_WIDTH, &h);
        if (!e)
            e = put_hash(st, level, place, &h, SPAN_EMPTY, f);
    }
    return e;
}

struct due {
    int64_t number, state, size;
    struct span entry;
};

static struct span closing(struct arena *a, const struct merkle_checkpoint *c)
{
    return arena_fmt(a, INDEX_CLOSED "%.*s\n%llu\n%.*s\n", SPAN_F(c->origin), (unsigned long long)c->size,
                     SPAN_F(base64_put(a, span_of(c->root.b, sizeof c->root.b))));
}

/* False: nothing is new of this node. */
static bool is_due(struct arena *a, const struct store_rows *r, struct due *out)
{
    struct span note = arena_copy(a, store_t(r, 12));
    struct merkle_checkpoint c = {.origin = arena_copy(a, store_t(r, 2))};
    *out = (struct due){.number = store_i(r, 0), .state = store_i(r, 4), .entry = note};
    bool signed_one = merkle_checkpoint_read(a, note, NULL, &c, NULL) == OK;
    out->size = (int64_t)c.size;
    if (out->state == NODE_RETIRED) {
        out->state = NODE_CLOSED;
        out->entry = closing(a, &c);
        return true;
    }
    return out->state == NODE_LIVE && signed_one && out->size > store_i(r, 13);
}

static enum err all_due(struct store *st, struct arena *a, struct due **out, size_t *n, struct fail *f)
{
    struct store_rows rows;
    size_t cap = 0;
    *n = 0;
    *out = NULL;
    enum err e = store_query(st, Q_NODE_ALL, NO_ARGS, &rows, f);
    while (!e && store_next(&rows, f)) {
        if (*n == cap) {
            struct due *wider = ARENA_ARRAY(a, cap + 64, struct due);
            if (*n)
                memcpy(wider, *out, *n * sizeof *wider);
            *out = wider;
            cap += 64;
        }
        *n += is_due(a, &rows, &(*out)[*n]);
    }
    if (!e)
        e = rows.err;
    store_done(&rows);
    return e;
}

static enum err enter(struct store *st, struct arena *a, const struct sign_key *key, struct span origin,
                      int64_t token, size_t *entered, struct fail *f)
{
    struct head h;
    struct due *due;
    size_t n = 0;
    int64_t changed = 0;
    enum err e = head_read(st, a, &h, f);
    if (!e && h.token != token)
        e = fail_set(f, ERR_CONFLICT, "another node leads the index log");
    if (!e)
        e = all_due(st, a, &due, &n, f);
    for (size_t i = 0; !e && i < n; i++) {
        e = append(st, &h.tree, due[i].entry, f);
        if (!e)
            e = store_run(st, Q_NODE_INDEXED,
                          ARGS(ARG_I(due[i].number), ARG_I(due[i].size), ARG_I(due[i].state)), NULL, f);
    }
    *entered = n;
    if (e || !n)
        return e;
    e = store_run(st, Q_TREE_GROW,
                  ARGS(ARG_I(token), ARG_I(h.tree.size), ARG_B(span_of(h.tree.edge, EDGE_BYTES)),
                       ARG_B(head_sign(a, &h.tree, key, origin))),
                  &changed, f);
    return e || changed ? e : fail_set(f, ERR_CONFLICT, "another node leads the index log");
}

enum err index_grow(struct store *st, const struct sign_key *key, struct span origin, int64_t token,
                    size_t *entered, struct fail *f)
{
    struct arena *a = arena_new(0);
    enum err e = store_begin_write(st, f);
    *entered = 0;
    if (!e)
        e = finish(st, enter(st, a, key, origin, token, entered, f), f);
    arena_free(a);
    return e;
}

/* ---- Serving */

enum err index_checkpoint(struct store *st, struct arena *a, struct span *note, struct fail *f)
{
    struct head h;
    enum err e = head_read(st, a, &h, f);
    *note = h.note;
    return e;
}

static enum err entries_read(struct store *st, uint64_t from, size_t n, struct text *t, struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(st, Q_TREE_TILE, ARGS(ARG_I(0), ARG_I(from), ARG_I(from + n)), &rows, f);
    while (!e && store_next(&rows, f)) {
        struct span entry = store_t(&rows, 2);
        text_char(t, (char)(entry.len >> 8));
        text_char(t, (char)entry.len);
        text_put(t, entry);
    }
    if (!e)
        e = rows.err;
    store_done(&rows);
    return e;
}

enum err index_tile(struct store *st, struct span path, struct arena *a, struct span *out, struct fail *f)
{
    struct head h;
    bool entries;
    unsigned level, width;
    uint64_t index;
    if (!merkle_tile_parse(path, &entries, &level, &index, &width))
        return fail_set(f, ERR_NOT_FOUND, "there is no such tile");
    enum err e = head_read(st, a, &h, f);
    if (e)
        return e;
    size_t n = width ? width : MERKLE_TILE_WIDTH;
    uint64_t have = level < 8 ? h.tree.size >> (level * MERKLE_TILE_HEIGHT) : 0;
    if (index > have / MERKLE_TILE_WIDTH || index * MERKLE_TILE_WIDTH + n > have)
        return fail_set(f, ERR_NOT_FOUND, "the index log has not got this tile");
    if (entries) {
        struct text t = text_new(a, n * 256);
        e = entries_read(st, index * MERKLE_TILE_WIDTH, n, &t, f);
        *out = text_span(&t);
        return e;
    }
    struct digest *row = ARENA_ARRAY(a, n, struct digest);
    e = row_read(st, level, index * MERKLE_TILE_WIDTH, n, row, f);
    *out = span_of(row, n * sizeof *row);
    return e;
}
