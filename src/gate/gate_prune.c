// SPDX-License-Identifier: Apache-2.0
/*
 * Which closed epochs of the record may go, and seeing to it that they do. See gate.h.
 *
 * The row `prune` of meta is written in the transaction of the entry that announces it and goes in the
 * transaction of the entry that says it is done: its number is the new minimum, its bytes count the parts of
 * history.db.
 */
#include "gate_impl.h"
#include "nodes.h"

#include <inttypes.h>

#define KEEP_NAME SPAN("record_keep") /* months */

/* ---- Marks in the database */

static enum err mark_get(struct store *st, struct span name, bool *found, int64_t *number, struct fail *f)
{
    struct store_rows rows;
    *number = 0;
    *found = store_one(st, Q_META_GET, ARGS(ARG_T(name)), &rows, f);
    if (!*found)
        return rows.err;
    *number = store_i(&rows, 0);
    store_done(&rows);
    *found = *number > 0;
    return OK;
}

static enum err mark_put(struct store *st, struct span name, int64_t number, struct fail *f)
{
    return store_run(st, Q_META_PUT, ARGS(ARG_T(name), ARG_I(number), ARG_NULL), NULL, f);
}

/* Each node prunes its own record. */
static struct span prune_name(const struct gate_call *c)
{
    char row[NODE_ROW_MAX];
    node_row_name(row, "prune", c->gate->node);
    return arena_copy(c->arena, span_str(row));
}

static enum err keep_months(struct store *st, int64_t *months, struct fail *f)
{
    bool found;
    enum err e = mark_get(st, KEEP_NAME, &found, months, f);
    if (!found)
        *months = GATE_KEEP_RECORDS_MONTHS;
    return e;
}

enum err gate_keep_record(struct gate_call *c, int64_t months, struct fail *f)
{
    if (months < GATE_KEEP_RECORDS_MONTHS || months > GATE_KEEP_MOST_MONTHS) {
        fail_where(f, "/months");
        fail_hint(f, "an epoch holds both, so the longer time applies: %d to %d months",
                  GATE_KEEP_RECORDS_MONTHS, GATE_KEEP_MOST_MONTHS);
        return fail_set(
            f, ERR_BAD_VALUE,
            "the record cannot be kept for %" PRId64
            " months: records of processing stay at least %d (Personal Information Protection Law, "
            "article 56), logs at least %d (Cybersecurity Law, article 21(3))",
            months, GATE_KEEP_RECORDS_MONTHS, GATE_KEEP_LOGS_MONTHS);
    }
    enum err e = mark_put(c->st, KEEP_NAME, months, f);
    struct span detail =
        arena_fmt(c->arena, "{\"event\":\"keep the record\",\"months\":%" PRId64 "}", months);
    return e ? e : gate_note(c, AUDIT_REGISTER, detail, f);
}

/* ---- What stands in the way */

/* The first entry of one person; those that were pruned have no rows. */
static enum err first_entry(struct gate_call *c, int64_t sid, uint64_t *first, struct fail *f)
{
    struct subject_id id;
    enum err e = subject_of_sid(c->st, sid, &id, f);
    if (e)
        return e;
    uint64_t own;
    e = store_history_first(c->st, span_of(id.b, ID_LEN), &own, f);
    if (!e && own < *first)
        *first = own;
    return e;
}

/* The first entry of anybody whose data is under a legal hold: it may be asked for where the hold is. */
static enum err first_held(struct gate_call *c, uint64_t *out, struct fail *f)
{
    struct store_rows rows;
    *out = UINT64_MAX;
    enum err e = store_query(c->st, Q_HOLD_BOUND, ARGS(ARG_I(c->now.ms)), &rows, f);
    if (e)
        return e;
    while (!e && store_next(&rows, f))
        e = first_entry(c, store_i(&rows, 0), out, f);
    e = e ? e : rows.err;
    store_done(&rows);
    return e;
}

static struct instant months_after(struct instant t, int64_t months)
{
    return date_start(date_add_months(date_at(t, 0), (int)months), 0);
}

static void judge(struct gate_call *c, struct gate_epoch *e, uint64_t held, bool blocked)
{
    if (e->epoch.pruned)
        e->state = GATE_EPOCH_PRUNED;
    else if (!e->epoch.closed)
        e->state = GATE_EPOCH_OPEN;
    else if (c->now.ms < e->until.ms)
        e->state = GATE_EPOCH_KEPT;
    else if (blocked)
        e->state = GATE_EPOCH_BEHIND;
    else
        e->state = held < e->epoch.end ? GATE_EPOCH_HELD : GATE_EPOCH_DUE;
}

const char *gate_epoch_state_name(enum gate_epoch_state s)
{
    static const char *const names[] = {"open", "kept", "held", "behind", "due", "pruned"};
    return names[s];
}

enum err gate_epochs(struct gate_call *c, struct audit *au, struct gate_epochs *out, struct fail *f)
{
    struct audit_epoch *epochs = NULL;
    uint64_t held = UINT64_MAX;
    int64_t mark;
    bool blocked = false;
    *out = (struct gate_epochs){.minimum = audit_minimum(au)};
    enum err e = audit_epochs(au, c->arena, &epochs, &out->n, f);
    if (!e)
        e = keep_months(c->st, &out->keep_months, f);
    if (!e)
        e = mark_get(c->st, prune_name(c), &out->pruning, &mark, f);
    if (!e)
        e = first_held(c, &held, f);
    if (e)
        return e;
    out->list = ARENA_ARRAY(c->arena, out->n + 1, struct gate_epoch);
    for (size_t i = 0; i < out->n; i++) {
        struct gate_epoch *k = &out->list[i];
        *k = (struct gate_epoch){.epoch = epochs[i]};
        k->until = epochs[i].closed ? months_after(epochs[i].ends, out->keep_months) : INSTANT_FOREVER;
        k->bytes = audit_segment_bytes_of(au, epochs[i].first, epochs[i].end);
        judge(c, k, held, blocked);
        blocked |= k->state != GATE_EPOCH_PRUNED && k->state != GATE_EPOCH_DUE;
    }
    return OK;
}

/* ---- Beginning */

static enum err refuse(const struct gate_epochs *all, const struct gate_epoch *k, struct fail *f)
{
    char until[INSTANT_TEXT_MAX];
    fail_where(f, "/epoch");
    switch (k->state) {
    case GATE_EPOCH_OPEN:
        return fail_set(f, ERR_CONFLICT, "epoch %s is open: it ends with the first entry after it",
                        k->epoch.name);
    case GATE_EPOCH_KEPT:
        instant_put(until, k->until);
        fail_hint(f, "the setting is %" PRId64 " months; see `troth audit retention`", all->keep_months);
        return fail_set(
            f, ERR_CONFLICT,
            "epoch %s stays until %s: records of processing stay at least %d months (Personal "
            "Information Protection Law, article 56), logs at least %d (Cybersecurity Law, article "
            "21(3))",
            k->epoch.name, until, GATE_KEEP_RECORDS_MONTHS, GATE_KEEP_LOGS_MONTHS);
    case GATE_EPOCH_HELD:
        return fail_set(
            f, ERR_CONFLICT,
            "epoch %s holds entries of persons whose data is under a legal hold: it stays as long as "
            "the hold",
            k->epoch.name);
    case GATE_EPOCH_PRUNED:
        return fail_set(f, ERR_CONFLICT, "epoch %s was pruned", k->epoch.name);
    default:
        return fail_set(f, ERR_CONFLICT, "epoch %s stays as long as one before it does", k->epoch.name);
    }
}

/* How many of the list go: up to the named one, or all that are due. */
static enum err choose(const struct gate_epochs *all, struct span until, size_t *behind, struct fail *f)
{
    size_t i = 0;
    *behind = 0;
    for (; i < all->n; i++) {
        const struct gate_epoch *k = &all->list[i];
        if (k->state == GATE_EPOCH_DUE)
            *behind = i + 1;
        if (until.len && span_is(until, k->epoch.name))
            return k->state == GATE_EPOCH_DUE ? OK : refuse(all, k, f);
    }
    if (until.len == 0)
        return OK;
    fail_where(f, "/epoch");
    fail_hint(f, "`troth audit epochs` lists them");
    return fail_set(f, ERR_NOT_FOUND, "the record has no epoch '%.*s'", SPAN_F(span_sub(until, 0, 32)));
}

/* Whose entries they are must be known of all that go. */
static enum err history_covers(struct gate_call *c, uint64_t minimum, struct fail *f)
{
    struct store_rows rows;
    if (!store_one(c->st, Q_HISTORY_MARK, NO_ARGS, &rows, f))
        return rows.err ? rows.err : fail_set(f, ERR_BUSY, "history.db is being made again");
    uint64_t mark = (uint64_t)store_i(&rows, 0);
    store_done(&rows);
    return mark >= minimum ? OK : fail_set(f, ERR_BUSY, "history.db is behind the record; try again");
}

static struct span announcement(struct gate_call *c, const char *event, const struct gate_epochs *all,
                                size_t behind)
{
    struct text t = text_new(c->arena, 512);
    json_open(&t, NULL, '{');
    json_str(&t, "event", event);
    json_i64(&t, "minimum", (int64_t)all->list[behind - 1].epoch.end);
    json_i64(&t, "keep_months", all->keep_months);
    json_open(&t, "epochs", '[');
    for (size_t i = 0; i < behind && t.len < 1024; i++)
        if (all->list[i].state == GATE_EPOCH_DUE)
            json_str(&t, NULL, all->list[i].epoch.name);
    json_close(&t, ']');
    json_close(&t, '}');
    return text_span(&t);
}

enum err gate_prune(struct gate_call *c, struct audit *au, struct span until, bool dry,
                    struct gate_prune_plan *out, struct fail *f)
{
    struct gate_epochs all;
    size_t behind = 0;
    enum err e = gate_epochs(c, au, &all, f);
    *out = (struct gate_prune_plan){.minimum = all.minimum, .resumed = all.pruning};
    if (!e && !all.pruning)
        e = choose(&all, until, &behind, f);
    if (e || behind == 0)
        return e;
    for (size_t i = 0; i < behind; i++) {
        if (all.list[i].state != GATE_EPOCH_DUE)
            continue;
        out->epochs++;
        out->bytes += all.list[i].bytes;
    }
    out->minimum = all.list[behind - 1].epoch.end;
    out->entries = out->minimum - all.minimum;
    e = history_covers(c, out->minimum, f);
    if (e || dry)
        return e;
    e = gate_note(c, AUDIT_PRUNE, announcement(c, "prune", &all, behind), f);
    return e ? e : mark_put(c->st, prune_name(c), (int64_t)out->minimum, f);
}

/* ---- Steps */

static enum err finish(struct gate_call *c, uint64_t minimum, struct fail *f)
{
    struct span detail = arena_fmt(c->arena, "{\"event\":\"pruned\",\"minimum\":%" PRIu64 "}", minimum);
    enum err e = gate_note(c, AUDIT_PRUNE, detail, f);
    return e ? e : store_run(c->st, Q_META_PUT, ARGS(ARG_T(prune_name(c)), ARG_NULL, ARG_NULL), NULL, f);
}

/* Files that nobody announced are those of a database that was put back from before. */
static enum err leftovers(struct audit *au, struct gate_pruning *out, struct fail *f)
{
    uint64_t left = 0;
    enum err e = audit_prune_files(au, GATE_PRUNE_SEGMENTS, &left, f);
    out->more = left > 0;
    return e;
}

enum err gate_prune_step(struct gate_call *c, struct audit *au, gate_rows_gone gone, void *ctx,
                         struct gate_pruning *out, struct fail *f)
{
    bool under_way;
    int64_t minimum;
    uint64_t left = 0;
    *out = (struct gate_pruning){.minimum = audit_minimum(au)};
    enum err e = mark_get(c->st, prune_name(c), &under_way, &minimum, f);
    if (e || !under_way)
        return e ? e : leftovers(au, out, f);
    if (audit_minimum(au) < (uint64_t)minimum)
        e = audit_prune(au, (uint64_t)minimum, f);
    if (!e)
        e = audit_prune_files(au, GATE_PRUNE_SEGMENTS, &left, f);
    if (e)
        return e;
    bool rows = gone(ctx, (uint64_t)minimum);
    *out = (struct gate_pruning){.left = left, .minimum = (uint64_t)minimum, .more = left || !rows};
    return out->more ? OK : finish(c, (uint64_t)minimum, f);
}
