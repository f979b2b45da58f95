// SPDX-License-Identifier: Apache-2.0
/*
 * Snapshots, groups, savepoints, forgotten keys: see store.h.
 *
 * A group spans troth.db and keys.db; each has its own transaction. Every crash between the two commits is
 * harmless because of their order (store.h).
 */
#include "nodes.h"
#include "store_card.h"
#include "store_memo.h"
#include "store_pg.h"

#include "log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const control_sql[CONTROL_COUNT] = {
    [CONTROL_BEGIN] = "BEGIN",
    [CONTROL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [CONTROL_LOOK] = "SELECT 1 FROM sqlite_schema LIMIT 1",
    [CONTROL_SAVE] = "SAVEPOINT handler",
    [CONTROL_KEEP] = "RELEASE handler",
    [CONTROL_UNDO] = "ROLLBACK TO handler",
    [CONTROL_COMMIT] = "COMMIT",
    [CONTROL_ROLLBACK] = "ROLLBACK",
};

enum err store_file_control(struct store_file *sf, enum store_control c, struct fail *f)
{
    int rc = SQLITE_OK;
    if (!sf->control[c])
        rc = sqlite3_prepare_v3(sf->db, control_sql[c], -1, SQLITE_PREPARE_PERSISTENT, &sf->control[c], NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(sf->control[c]);
    enum err err = rc == SQLITE_DONE || rc == SQLITE_ROW ? OK : store_file_fail(sf, rc, control_sql[c], f);
    sqlite3_reset(sf->control[c]);
    return err;
}

/* ---- One database */

static enum err file_begin(struct store_file *sf, enum store_control how, struct fail *f)
{
    enum err err = store_file_control(sf, how, f);
    sf->begun = err == OK;
    return err;
}

static void file_rollback(struct store_file *sf)
{
    sf->saves_due = 0;
    if (sf->begun && !sqlite3_get_autocommit(sf->db))
        store_file_control(sf, CONTROL_ROLLBACK, NULL);
    sf->begun = false;
}

static enum err file_commit(struct store_file *sf, struct fail *f)
{
    enum err err = store_file_control(sf, CONTROL_COMMIT, f);
    if (err != OK)
        file_rollback(sf);
    sf->begun = false;
    return err;
}

/* ---- One database, wherever it is */

static enum err db_begin(struct store *st, unsigned i, bool write, struct fail *f)
{
    if (st->pg[i])
        return pg_begin(st->pg[i], write, f);
    enum err err = file_begin(&st->file[i], write ? CONTROL_BEGIN_WRITE : CONTROL_BEGIN, f);
    if (err == OK && !write && i == STORE_MAIN)
        err = store_file_control(&st->file[i], CONTROL_LOOK, f);
    return err;
}

static void db_rollback(struct store *st, unsigned i)
{
    if (st->pg[i])
        pg_rollback(st->pg[i]);
    else
        file_rollback(&st->file[i]);
}

static enum err db_commit(struct store *st, unsigned i, struct fail *f)
{
    bool in_doubt = false;
    enum err err = st->pg[i] ? pg_commit(st->pg[i], &in_doubt, f) : file_commit(&st->file[i], f);
    st->in_doubt |= in_doubt && i == STORE_MAIN;
    return err;
}

/* Set when the handler first writes to that database: most write to one of the two. */
static enum err db_save(struct store *st, unsigned i, struct fail *f)
{
    (void)f;
    if (st->pg[i])
        pg_savepoint(st->pg[i]);
    else
        st->file[i].saves_due++;
    return OK;
}

/* One may stand within another: those that are due are the inner ones. */
enum err store_save_late(struct store *st, enum store_db which, struct fail *f)
{
    struct store_file *sf = &st->file[which];
    enum err err = OK;
    for (; sf->saves_due && err == OK; sf->saves_due -= err == OK)
        err = store_file_control(sf, CONTROL_SAVE, f);
    return err;
}

/* True if it was never set. */
static bool save_spared(struct store_file *sf)
{
    bool spared = sf->saves_due > 0;
    sf->saves_due -= spared;
    return spared;
}

static enum err db_keep(struct store *st, unsigned i, struct fail *f)
{
    if (!st->pg[i])
        return save_spared(&st->file[i]) ? OK : store_file_control(&st->file[i], CONTROL_KEEP, f);
    pg_savepoint_keep(st->pg[i]);
    return OK;
}

static enum err db_undo(struct store *st, unsigned i, struct fail *f)
{
    if (st->pg[i]) {
        pg_savepoint_undo(st->pg[i]);
        return OK;
    }
    if (save_spared(&st->file[i]))
        return OK;
    /* ROLLBACK TO leaves the savepoint standing. */
    enum err err = store_file_control(&st->file[i], CONTROL_UNDO, f);
    return err == OK ? store_file_control(&st->file[i], CONTROL_KEEP, f) : err;
}

/* ---- Snapshots */

enum err store_snapshot_order(struct store *st, enum store_db which, struct fail *f)
{
    struct store_pg *people = st->pg[STORE_MAIN];
    bool late = which == STORE_KEYS && st->mode == STORE_READ && people && !pg_looked(people);
    return late ? pg_look(people, f) : OK;
}

enum err store_begin_read(struct store *st, struct fail *f)
{
    st->key_changes_seen = store_key_changes();
    st->snapshot = true;
    st->snapshots++;
    st->stood_ms = st->stood_version = 0;
    enum err err = OK;
    for (unsigned i = 0; i < STORE_DB_COUNT && err == OK; i++)
        if (st->pg[i] || i == STORE_MAIN)
            err = db_begin(st, i, false, f);
    if (err != OK)
        store_end_read(st);
    else if (st->memo_most && !st->pg[STORE_MAIN])
        memo_begin(st);
    return err;
}

/* Most reads find the person's key opened and look into no history: beginning costs system calls, and
 * troth.db was first in any case. */
enum err store_begin_late(struct store *st, enum store_db which, struct fail *f)
{
    return st->snapshot && !st->file[which].begun ? db_begin(st, which, false, f) : OK;
}

void store_end_read(struct store *st)
{
    store_close_rows(st);
    memo_end(st);
    store_ahead_end(st);
    st->snapshot = false;
    for (unsigned i = 0; i < STORE_DB_COUNT; i++)
        db_rollback(st, i);
}

/* ---- Groups: which databases the mode writes in a transaction */

static const bool in_group[][STORE_DB_COUNT] = {
    [STORE_READ] = {false, false, false},
    [STORE_WRITE] = {[STORE_MAIN] = true, [STORE_KEYS] = true},
    [STORE_INDEX] = {[STORE_HISTORY] = true},
};
/* An orphan key is harmless, a person without a key is not. */
static const enum store_db commit_order[STORE_DB_COUNT] = {STORE_KEYS, STORE_MAIN, STORE_HISTORY};

static enum err each(struct store *st, enum err (*does)(struct store *, unsigned, struct fail *),
                     struct fail *f)
{
    enum err err = OK;
    for (unsigned i = 0; i < STORE_DB_COUNT && err == OK; i++)
        if (in_group[st->mode][i])
            err = does(st, i, f);
    return err;
}

static void group_end(struct store *st)
{
    store_close_rows(st);
    store_ahead_end(st);
    for (unsigned i = 0; i < STORE_DB_COUNT; i++)
        db_rollback(st, i);
    cards_forget(st);
    st->n_forget = 0;
    st->n_saves = 0;
    st->stepped = false;
    st->lost = (struct fail){0};
}

static enum err forget_owed(struct store *st, struct fail *f);

enum err store_begin_write(struct store *st, struct fail *f)
{
    enum err err = st->mode == STORE_READ ? fail_set(f, ERR_INTERNAL, "this connection only reads") : OK;
    st->key_changes_seen = store_key_changes();
    store_copy_forget_idle(st);
    st->met_another = st->owes_keys = false;
    st->stood_version = 0;
    if (err == OK && st->n_owed)
        err = forget_owed(st, f);
    for (unsigned i = 0; i < STORE_DB_COUNT && err == OK; i++)
        if (in_group[st->mode][i])
            err = db_begin(st, i, true, f);
    if (err != OK)
        group_end(st);
    return err;
}

/* A block that was taken in this group counts once the group is committed: what undoes anything drops it. */
static void sids_undo(struct store *st)
{
    if (st->sids_taken)
        st->sids = (struct store_sids){0, 0};
    st->sids_taken = false;
}

enum err store_savepoint(struct store *st, struct fail *f)
{
    enum err err = store_lost(st, f);
    if (err == OK && st->n_saves == STORE_SAVES_MAX)
        err = fail_set(f, ERR_INTERNAL, "too many savepoints one within another");
    if (err == OK)
        err = each(st, db_save, f);
    if (err == OK)
        st->forget_mark[st->n_saves++] = st->n_forget;
    return err;
}

void store_savepoint_keep(struct store *st)
{
    struct fail f = {0};
    st->n_saves -= st->n_saves > 0;
    store_close_rows(st);
    if (!st->lost.code && each(st, db_keep, &f) != OK)
        st->lost = f;
}

void store_savepoint_undo(struct store *st)
{
    struct fail f = {0};
    store_close_rows(st);
    store_fields_forget(st);
    if (st->n_saves)
        st->n_forget = st->forget_mark[--st->n_saves];
    sids_undo(st);
    if (st->lost.code)
        return;
    if (each(st, db_undo, &f) != OK)
        st->lost = f;
}

/* Before the transaction ends: why it did. */
static void note_meeting(struct store *st)
{
    for (unsigned i = 0; i < STORE_DB_COUNT; i++)
        st->met_another |= st->pg[i] && pg_met_another(st->pg[i]);
}

void store_rollback(struct store *st)
{
    store_fields_forget(st);
    note_meeting(st);
    sids_undo(st);
    group_end(st);
}

/* ---- Other daemons */

void node_row_name(char out[NODE_ROW_MAX], const char *name, int64_t number)
{
    if (number > 1)
        snprintf(out, NODE_ROW_MAX, "%.20s:%lld", name, (long long)number);
    else
        snprintf(out, NODE_ROW_MAX, "%.20s", name);
}

bool store_shared(const struct store *st)
{
    return st->pg[STORE_MAIN] != NULL;
}

bool store_met_another(const struct store *st)
{
    return st->met_another;
}

/* To take one costs as much as a person's row. Those left at the end are never given out. */
#define SIDS_AHEAD 64

enum err store_next_sid(struct store *st, int64_t *sid, struct fail *f)
{
    struct store_rows rows;
    int64_t n = store_shared(st) ? NODE_SIDS : SIDS_AHEAD;
    if (st->sids.next == st->sids.end) {
        if (!store_one(st, Q_META_TAKE, ARGS(ARG_T(SPAN("sid")), ARG_I(n)), &rows, f))
            return rows.err ? rows.err
                            : fail_set(f, ERR_CORRUPT, "the database has no counter of persons (meta 'sid')");
        st->sids.end = store_i(&rows, 0) + 1;
        st->sids.next = st->sids.end - n;
        st->sids_taken = true;
        store_done(&rows);
    }
    *sid = st->sids.next++;
    return OK;
}

enum err store_stand(struct store *st, int64_t number, struct node_stand *out, struct fail *f)
{
    struct store_rows rows;
    bool fresh = st->pg[STORE_MAIN] && !pg_looked(st->pg[STORE_MAIN]);
    if (!store_one(st, Q_NODE_STAND, ARGS(ARG_I(number)), &rows, f))
        return rows.err ? rows.err
                        : fail_set(f, ERR_CORRUPT, "the database does not know this node any more");
    *out = (struct node_stand){.version = store_i(&rows, 0),
                               .session = store_i(&rows, 1),
                               .state = store_i(&rows, 2),
                               .seen_ms = store_i(&rows, 3),
                               .fresh = fresh};
    store_done(&rows);
    st->stood_ms = out->seen_ms;
    st->stood_version = out->version;
    st->stood_number = number;
    return OK;
}

int64_t store_stood_version(const struct store *st)
{
    return st->stood_version;
}

void store_impatient(struct store *st)
{
    for (unsigned i = 0; i < STORE_DB_COUNT; i++)
        if (st->pg[i])
            pg_impatient(st->pg[i]);
}

void store_renew(struct store *st)
{
    for (unsigned i = 0; i < STORE_DB_COUNT; i++)
        if (st->pg[i])
            pg_renew(st->pg[i]);
}

void store_probe(const struct store *st)
{
    for (unsigned i = 0; i < STORE_DB_COUNT; i++)
        if (st->pg[i] && pg_doubtful(i))
            pg_probe(st->pg[i]);
}

void store_probed(bool on)
{
    pg_probed(on);
}

enum err store_node_dead(struct store *st, int64_t number, bool *dead, struct fail *f)
{
    return pg_node_lock(st->pg[STORE_MAIN], number, dead, f);
}

/* Registers: one word. Erasures: as many ids as a payload takes (8000 bytes). */
#define IDS_PER_NOTE 200
static void tell_others(struct store *st)
{
    char text[IDS_PER_NOTE * (2 * 16 + 1) + 32];
    size_t len = 0, told = 0;
    struct store_pg *pg = st->pg[STORE_MAIN];
    if (st->stepped) {
        snprintf(text, sizeof text, "%llx r", (unsigned long long)pg_process());
        pg_notify(pg, text);
    }
    for (size_t i = 0; i < st->n_forget; i++) {
        const struct store_forget *g = &st->forget[i];
        if (!g->destroy || g->len != 16)
            continue;
        if (told % IDS_PER_NOTE == 0) {
            if (told)
                pg_notify(pg, text);
            len = (size_t)snprintf(text, sizeof text, "%llx e", (unsigned long long)pg_process());
        }
        text[len++] = ' ';
        for (size_t k = 0; k < g->len; k++)
            len += (size_t)snprintf(text + len, sizeof text - len, "%02x", g->subject[k]);
        told++;
    }
    if (told)
        pg_notify(pg, text);
}

/* ---- Forgotten and changed keys */

static atomic_ullong key_changes;

uint64_t store_key_changes(void)
{
    return atomic_load(&key_changes);
}

void store_key_changed_elsewhere(void)
{
    atomic_fetch_add(&key_changes, 1);
}

uint64_t store_key_changes_seen(const struct store *st)
{
    return st->key_changes_seen;
}

static void list_add(struct store_forget **list, size_t *n, size_t *cap, const struct store_forget *one)
{
    *list = list_grown(*list, *n, cap, sizeof **list); /* an erasure must not be dropped in silence */
    (*list)[(*n)++] = *one;
}

static void queue_key(struct store *st, struct span subject, bool destroy, store_key_fn done, void *ctx)
{
    struct store_forget g = {.len = subject.len, .destroy = destroy, .done = done, .ctx = ctx};
    if (subject.len > STORE_FORGET_MAX)
        abort(); /* not a subject id */
    memcpy(g.subject, subject.p, subject.len);
    list_add(&st->forget, &st->n_forget, &st->cap_forget, &g);
}

void store_forget_key(struct store *st, struct span subject, store_key_fn done, void *ctx)
{
    queue_key(st, subject, true, done, ctx);
}

void store_key_written(struct store *st, struct span subject, store_key_fn done, void *ctx)
{
    queue_key(st, subject, false, done, ctx);
}

bool store_key_queued(const struct store *st, struct span subject)
{
    for (size_t i = 0; i < st->n_forget; i++)
        if (span_eq(span_of(st->forget[i].subject, st->forget[i].len), subject))
            return true;
    return false;
}

void store_truncate_after(struct store *st)
{
    st->truncate_due = true;
}

/* The count first: a reader that compares it (store.h) then keeps nothing that `done` would miss. */
static bool tell_changes(struct store *st)
{
    bool told = true;
    if (st->n_forget)
        atomic_fetch_add(&key_changes, 1);
    for (size_t i = 0; i < st->n_forget; i++) {
        const struct store_forget *g = &st->forget[i];
        if (g->done && !g->done(g->ctx, span_of(g->subject, g->len)))
            told = false;
    }
    return told;
}

size_t store_keys_queued(const struct store *st)
{
    size_t n = 0;
    for (size_t i = 0; i < st->n_forget; i++)
        n += st->forget[i].destroy;
    return n;
}

/* Copies the WAL into its database and cuts it to nothing. Waits for readers, not for ever: what is left is
 * tried again with the next commit. */
static bool file_truncate(struct store_file *sf)
{
    int rc = SQLITE_BUSY;
    sqlite3_busy_timeout(sf->db, STORE_TRUNCATE_MS);
    for (int i = 0; i < STORE_TRUNCATE_TRIES && (rc & 0xff) == SQLITE_BUSY; i++)
        rc = sqlite3_wal_checkpoint_v2(sf->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(sf->db, STORE_BUSY_MS);
    if (rc != SQLITE_OK)
        log_line(LOG_LVL_WARN, "store", "%s: the WAL could not be emptied yet: %s", sf->path,
                 sqlite3_errstr(rc));
    return rc == SQLITE_OK;
}

static void truncate_all(struct store *st)
{
    bool done = true;
    for (unsigned i = 0; i < STORE_DB_COUNT; i++)
        done &= st->pg[i] || file_truncate(&st->file[i]);
    st->truncate_due = !done;
}

static enum err delete_keys(struct store *st, const struct store_forget *list, size_t n, struct fail *f)
{
    enum err err = db_begin(st, STORE_KEYS, true, f);
    for (size_t i = 0; i < n && err == OK; i++) {
        struct span subject = span_of(list[i].subject, list[i].len);
        if (list[i].destroy)
            err = store_run(st, Q_KEY_DELETE, ARGS(ARG_B(subject)), NULL, f);
    }
    if (err == OK)
        return db_commit(st, STORE_KEYS, f);
    db_rollback(st, STORE_KEYS);
    return err;
}

/* ---- A server was lost while it committed: no group goes on before it is known what became of its keys */

static void owe_all(struct store *st)
{
    for (size_t i = 0; i < st->n_forget; i++)
        if (st->forget[i].destroy)
            list_add(&st->owed, &st->n_owed, &st->cap_owed, &st->forget[i]);
}

/* Keeps of the owed those that the ledger names: the others' erasure was not committed. */
static enum err owed_committed(struct store *st, size_t *kept, struct fail *f)
{
    enum err err = db_begin(st, STORE_MAIN, false, f);
    *kept = 0;
    for (size_t i = 0; i < st->n_owed && err == OK; i++) {
        struct store_rows rows;
        struct span subject = span_of(st->owed[i].subject, st->owed[i].len);
        bool erased = store_one(st, Q_ERASED_GET, ARGS(ARG_B(subject)), &rows, f);
        err = rows.err;
        store_done(&rows);
        if (erased)
            st->owed[(*kept)++] = st->owed[i];
    }
    db_rollback(st, STORE_MAIN);
    return err;
}

static enum err forget_owed(struct store *st, struct fail *f)
{
    size_t kept = 0;
    enum err err = owed_committed(st, &kept, f);
    if (err == OK)
        err = delete_keys(st, st->owed, kept, f);
    if (err == OK) {
        st->n_owed = 0;
        st->truncate_due |= !st->pg[STORE_KEYS];
    }
    return err;
}

bool store_in_doubt(struct store *st)
{
    bool was = st->in_doubt;
    st->in_doubt = false;
    return was;
}

bool store_owes_keys(const struct store *st)
{
    return st->owes_keys;
}

/* The keys go before the next group, which fails as long as they cannot. */
static enum err forget_later(struct store *st, enum err code, const char *until, const struct fail *why,
                             struct fail *f)
{
    st->owes_keys = true;
    owe_all(st);
    return fail_set(f, code, "a person was erased; the key goes as soon as %s: %.200s", until, why->detail);
}

/* The changes are durable and cannot be taken back; so a key that stays must stop everything until the next
 * start replays the ledger of the erased; or until its server answers again, or the disk has room. */
static enum err forget_all(struct store *st, struct fail *f)
{
    struct fail why = {0};
    if (delete_keys(st, st->forget, st->n_forget, &why) == OK) {
        truncate_all(st);
        return OK;
    }
    st->lost = (struct fail){0};
    if (st->pg[STORE_KEYS])
        return forget_later(st, ERR_BUSY, "its database answers", &why, f);
    truncate_all(st); /* gives room back, if that was it */
    why = (struct fail){0};
    if (delete_keys(st, st->forget, st->n_forget, &why) == OK) {
        truncate_all(st);
        return OK;
    }
    st->lost = (struct fail){0};
    if (why.code == ERR_DISK_FULL)
        return forget_later(st, ERR_DISK_FULL, "there is room", &why, f);
    return fail_set(f, ERR_STOPPED, "a person was erased but the key could not be deleted: %.300s",
                    why.detail);
}

/* Whatever else failed: a try again would find the change made and be answered. */
static enum err not_noted(struct fail *f)
{
    if (f)
        *f = (struct fail){0};
    return fail_set(
        f, ERR_STOPPED,
        "a key was changed, but what must be noted of it outside the databases could not be written");
}

enum err store_commit(struct store *st, struct fail *f)
{
    store_close_rows(st);
    enum err err = store_lost(st, f);
    if (err == OK && store_shared(st) && in_group[st->mode][STORE_MAIN])
        tell_others(st);
    if (err == OK && in_group[st->mode][STORE_MAIN])
        err = cards_make(st, f);
    for (unsigned i = 0; i < STORE_DB_COUNT && err == OK; i++)
        if (in_group[st->mode][commit_order[i]])
            err = db_commit(st, commit_order[i], f);
    bool committed = err == OK;
    if (!committed && st->in_doubt)
        owe_all(st);
    if (committed && store_keys_queued(st))
        err = forget_all(st, f);
    else if (committed && st->truncate_due)
        truncate_all(st);
    if ((committed || st->in_doubt) && !tell_changes(st) && err != ERR_STOPPED)
        err = not_noted(f);
    if (err != OK)
        store_fields_forget(st);
    note_meeting(st);
    if (!committed)
        sids_undo(st);
    st->sids_taken = false;
    group_end(st);
    return err;
}
