// SPDX-License-Identifier: Apache-2.0
/*
 * What the database knows of an import: rows of `meta`, named by a MAC, and a MAC of the lines taken in.
 * Their digest itself, or the name that a file got by its content, would let whoever has the database try
 * what the lines may have held, after the persons are erased as well. See gate.h.
 */
#include "gate_impl.h"

void gate_import_mac(const struct gate_call *c, struct span name, struct span digest, uint8_t out[32])
{
    vault_import_mac(c->gate->vault, name, digest, out);
}

struct span gate_import_row(const struct gate_call *c, const char *kind, struct span name)
{
    uint8_t mac[32];
    char hex[2 * sizeof mac + 1];
    vault_import_mac(c->gate->vault, name, SPAN_EMPTY, mac);
    hex_put(hex, mac, sizeof mac);
    return arena_join(c->arena, span_str(kind), ':', span_of(hex, 2 * sizeof mac));
}

/* ---- Rows from before there were MACs: "import:NAME", and "import-lines:NAME" with the digest */

static enum err replace(const struct gate_call *c, struct span old, const char *kind, struct span name,
                        int64_t number, struct span bytes, struct fail *f)
{
    uint8_t mac[32];
    bool lines = strcmp(kind, GATE_IMPORT_LINES) == 0;
    if (lines)
        vault_import_mac(c->gate->vault, name, bytes, mac);
    enum err e = store_run(c->st, Q_META_PUT,
                           ARGS(ARG_T(gate_import_row(c, kind, name)), ARG_I(number),
                                ARG_B(lines ? span_of(mac, sizeof mac) : bytes)),
                           NULL, f);
    return e ? e : store_run(c->st, Q_META_DROP, ARGS(ARG_T(old)), NULL, f);
}

enum err imports_older(struct store *st, bool *any, struct fail *f)
{
    struct store_rows rows;
    *any = store_one(st, Q_META_IMPORT, NO_ARGS, &rows, f);
    if (*any)
        store_done(&rows);
    return *any ? OK : rows.err;
}

enum err imports_keyed(struct gate *g, struct store *st, struct fail *f)
{
    struct store_rows rows;
    struct gate_call c = {.gate = g, .st = st, .arena = arena_new(0)};
    enum err e = OK;
    while (!e && store_one(st, Q_META_IMPORT, NO_ARGS, &rows, f)) {
        struct span row = arena_copy(c.arena, store_t(&rows, 0));
        struct span bytes = arena_copy(c.arena, store_t(&rows, 2));
        int64_t number = store_i(&rows, 1);
        bool lines = row.p[sizeof "import" - 1] == '-';
        size_t at = lines ? sizeof "import-lines:" - 1 : sizeof "import:" - 1;
        store_done(&rows);
        e = replace(&c, row, lines ? GATE_IMPORT_LINES : GATE_IMPORT, span_sub(row, at, row.len - at), number,
                    bytes, f);
    }
    arena_free(c.arena);
    return e ? e : rows.err;
}
