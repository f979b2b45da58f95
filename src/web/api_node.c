// SPDX-License-Identifier: Apache-2.0
/* The daemons on one database: who is there, and closing the record of one that is gone. See nodes.h. */
#include "web_impl.h"

#include "file.h"
#include "index.h"
#include "nodes.h"

static const char *const state_names[] = {
    [NODE_LIVE] = "live", [NODE_RETIRED] = "retired", [NODE_CLOSED] = "closed"};

struct node_row {
    int64_t number, state, seen;
};

static bool on_file(struct call *c)
{
    if (c->web->node)
        return false;
    fail_hint(&c->fail, "`troth init DIR --database URL` puts it on a server, where several may run");
    fail_set(&c->fail, ERR_CONFLICT, "the database is a file: one daemon serves it");
    return true;
}

/* Columns as Q_NODE_ALL has them. */
static void put_node(struct call *c, struct text *t, const struct store_rows *r)
{
    json_open(t, NULL, '{');
    json_string(t, "name", store_t(r, 1));
    json_i64(t, "number", store_i(r, 0));
    json_bool(t, "self", store_i(r, 0) == node_number(c->web));
    json_str(t, "state", state_names[store_i(r, 4) & 3]);
    json_string(t, "origin", store_t(r, 2));
    json_string(t, "verifier", store_t(r, 3));
    if (store_i(r, 7))
        json_instant(t, "started", (struct instant){store_i(r, 7)});
    if (store_i(r, 8))
        json_instant(t, "seen", (struct instant){store_i(r, 8)});
    json_i64(t, "clock_ms", store_i(r, 9));
    json_i64(t, "record", store_i(r, 10));
    json_i64(t, "copied", store_i(r, 11));
    json_i64(t, "indexed", store_i(r, 13));
    json_close(t, '}');
}

void api_node_list(struct call *c)
{
    struct store_rows rows;
    struct text t = text_new(c->arena, 1024);
    if (on_file(c) || store_query(c->gate.st, Q_NODE_ALL, NO_ARGS, &rows, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_open(&t, "nodes", '[');
    while (store_next(&rows, &c->fail))
        put_node(c, &t, &rows);
    json_close(&t, ']');
    json_close(&t, '}');
    if (rows.err == OK)
        http_json(c->res, 200, &t);
    store_done(&rows);
}

/* ---- Retiring */

static enum err find_node(struct call *c, struct node_row *out)
{
    struct store_rows rows;
    if (!store_one(c->gate.st, Q_NODE_GET, ARGS(ARG_T(c->params.value[0])), &rows, &c->fail)) {
        if (rows.err)
            return rows.err;
        fail_hint(&c->fail, "`troth node list` shows them");
        return fail_set(&c->fail, ERR_NOT_FOUND, "There is no node of this name.");
    }
    *out = (struct node_row){store_i(&rows, 0), store_i(&rows, 1), store_i(&rows, 3)};
    store_done(&rows);
    return OK;
}

static enum err refuse_live(struct call *c, const struct node_row *n)
{
    char when[INSTANT_TEXT_MAX];
    instant_put(when, (struct instant){n->seen});
    fail_hint(&c->fail, "stop its daemon first; if its machine is gone, the server notices in a moment");
    return fail_set(&c->fail, ERR_CONFLICT, "The node runs: it was seen at %s.", when);
}

/* Whoever lost its connection a moment ago is connecting again, and its lock is free meanwhile. Both instants
 * are the server's. */
#define SEEN_LATELY_MS (2 * NODE_DEAF_MS)

static enum err check_dead(struct call *c, const struct node_row *n)
{
    bool dead = false;
    struct node_stand self = {0};
    if (n->number == node_number(c->web))
        return fail_set(&c->fail, ERR_CONFLICT, "This is the node itself; ask another one.");
    enum err err = store_node_dead(c->gate.st, n->number, &dead, &c->fail);
    if (err == OK && dead)
        err = store_stand(c->gate.st, node_number(c->web), &self, &c->fail);
    dead &= n->seen < self.seen_ms - SEEN_LATELY_MS;
    return err == OK && !dead ? refuse_live(c, n) : err;
}

static struct span retire_words(struct call *c)
{
    struct text t = text_new(c->arena, 128);
    json_open(&t, NULL, '{');
    json_str(&t, "event", "a node was retired");
    json_string(&t, "node", c->params.value[0]);
    json_close(&t, '}');
    return text_span(&t);
}

/* What it had committed and not yet put into its record stands in ours from now on. */
static enum err adopt_rows(struct call *c, const struct node_row *n, int64_t *adopted, int64_t *upto)
{
    struct store_rows rows;
    int64_t base = (int64_t)node_base(n->number), end = (int64_t)node_end(n->number);
    enum err err = store_query(c->gate.st, Q_PENDING_LIST,
                               ARGS(ARG_I(base), ARG_I(end), ARG_I(NODE_ADOPT_MAX)), &rows, &c->fail);
    *upto = base;
    while (err == OK && store_next(&rows, &c->fail)) {
        err = gate_adopt(&c->gate, store_t(&rows, 1), store_t(&rows, 2), &c->fail);
        *upto = store_i(&rows, 0);
        ++*adopted;
    }
    if (err == OK)
        err = rows.err;
    store_done(&rows);
    if (err == OK && *adopted)
        err = store_run(c->gate.st, Q_PENDING_DROP, ARGS(ARG_I(base), ARG_I(*upto)), NULL, &c->fail);
    return err;
}

void api_node_retire(struct call *c)
{
    struct node_row n = {0};
    int64_t adopted = 0, upto = 0;
    struct text t = text_new(c->arena, 256);
    if (on_file(c) || find_node(c, &n) != OK || check_dead(c, &n) != OK)
        return;
    bool first = n.state == NODE_LIVE;
    if (first &&
        store_run(c->gate.st, Q_NODE_STATE, ARGS(ARG_I(n.number), ARG_I(NODE_RETIRED)), NULL, &c->fail) != OK)
        return;
    if (first && gate_note(&c->gate, AUDIT_REGISTER, retire_words(c), &c->fail) != OK)
        return;
    if (adopt_rows(c, &n, &adopted, &upto) != OK)
        return;
    json_open(&t, NULL, '{');
    json_string(&t, "name", c->params.value[0]);
    json_str(&t, "state", n.state == NODE_CLOSED ? "closed" : "retired");
    json_i64(&t, "adopted", adopted);
    json_bool(&t, "more", adopted == NODE_ADOPT_MAX);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- The index log */

void api_index_checkpoint(struct call *c)
{
    struct span note;
    if (!on_file(c) && index_checkpoint(c->gate.st, c->arena, &note, &c->fail) == OK)
        answer_bytes(c, "text/plain; charset=utf-8", note, "no-cache");
}

/* Its entries are what every node publishes anyway. */
void api_index_tile(struct call *c)
{
    struct span tile, path = arena_fmt(c->arena, "tile/%.*s", SPAN_F(c->params.value[0]));
    if (!on_file(c) && index_tile(c->gate.st, path, c->arena, &tile, &c->fail) == OK)
        answer_bytes(c, "application/octet-stream", tile, "public, max-age=31536000, immutable");
}

void api_index_key(struct call *c)
{
    struct span key, path = arena_fmt(c->arena, "%s/index-key.pub", c->web->config.data);
    if (!on_file(c) && file_read(c->arena, arena_str(c->arena, path), 4096, &key, &c->fail) == OK)
        answer_bytes(c, "text/plain; charset=utf-8", key, "public, max-age=3600");
}
