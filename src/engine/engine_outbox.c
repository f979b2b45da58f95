// SPDX-License-Identifier: Apache-2.0
/*
 * The outbox: entries that are in the database with the change they are about, and not yet sealed in the
 * record. Ids of a node lie between node_base of its number and that of the next (nodes.h).
 */
#include "engine_impl.h"

#include "log.h"

enum { RECOVER_ROWS = 4096 }; /* looked at together */

static uint64_t base_of(const struct engine *e)
{
    return node_base(e->config.node);
}

static uint64_t end_of(const struct engine *e)
{
    return node_end(e->config.node);
}

enum err outbox_add(struct engine *e, struct job *j, struct fail *f)
{
    enum err err = OK;
    for (size_t i = 0; i < j->n_entries && err == OK; i++) {
        uint8_t leaf[AUDIT_LEAF_MAX];
        size_t len = audit_leaf_put(&j->entries[i].leaf, leaf);
        j->entries[i].pending_id = e->pending_next++;
        err = store_run(
            e->store, Q_PENDING_ADD,
            ARGS(ARG_I(j->entries[i].pending_id), ARG_B(span_of(leaf, len)), ARG_B(j->entries[i].detail)),
            NULL, f);
    }
    return err;
}

static enum err drop_upto(struct engine *e, uint64_t id, struct fail *f)
{
    return store_run(e->store, Q_PENDING_DROP, ARGS(ARG_I(base_of(e)), ARG_I(id)), NULL, f);
}

/* Where entries are copied, their rows go with the copies. */
enum err outbox_drop(struct engine *e, struct fail *f)
{
    return e->pending_drop && !copies(e) ? drop_upto(e, e->pending_drop, f) : OK;
}

void outbox_clear(struct engine *e)
{
    struct fail f = {0};
    if (outbox_drop(e, &f) != OK)
        log_line(LOG_LVL_WARN, "engine", "the outbox is cleared at the next start: %s", f.detail);
}

/* ---- After a crash, or a commit in doubt */

static enum err recover_row(struct engine *e, const struct store_rows *r, struct fail *f)
{
    struct audit_entry entry = {.detail = store_t(r, 2), .pending_id = (uint64_t)store_i(r, 0)};
    uint64_t index = 0;
    if (!audit_leaf_get(store_t(r, 1), &entry.leaf))
        return fail_set(f, ERR_CORRUPT, "row %lld of the outbox is damaged", (long long)store_i(r, 0));
    e->pending_next = entry.pending_id + 1;
    enum err err = audit_append(e->config.audit, &entry, &index, f);
    if (err == OK) {
        history_gap(e, index);
        copy_gap(e, index);
    }
    return err;
}

static enum err recover_some(struct engine *e, uint64_t *n, struct fail *f)
{
    struct store_rows r;
    *n = 0;
    enum err err =
        store_query(e->store, Q_PENDING_LIST,
                    ARGS(ARG_I(e->pending_next - 1), ARG_I(end_of(e)), ARG_I(RECOVER_ROWS)), &r, f);
    for (; err == OK && store_next(&r, f); ++*n)
        err = recover_row(e, &r, f);
    if (err == OK)
        err = r.err;
    store_done(&r);
    return err;
}

enum err commit_recover(struct engine *e, struct fail *f)
{
    uint64_t sealed = audit_pending_done(e->config.audit), n = RECOVER_ROWS, all = 0;
    bool ours = sealed > base_of(e) && sealed <= end_of(e); /* the record may know ids of before it joined */
    e->pending_next = (ours ? sealed : base_of(e)) + 1;
    enum err err = OK;
    for (; err == OK && n == RECOVER_ROWS; all += n)
        err = recover_some(e, &n, f);
    /* Those before one that found no room, too: the next try begins behind what is sealed. */
    enum err sealed_too = audit_seal(e->config.audit, err == OK ? f : NULL);
    if (err == OK)
        err = sealed_too;
    if (err == OK && !copies(e))
        err = drop_upto(e, e->pending_next - 1, f);
    if (err == OK && all)
        publish_sealed(e);
    if (err == OK && all)
        log_line(LOG_LVL_INFO, "engine", "%llu entries of the outbox were sealed", (unsigned long long)all);
    return err;
}
