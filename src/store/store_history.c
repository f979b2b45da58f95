// SPDX-License-Identifier: Apache-2.0
/*
 * Which entries concern whom: see store.h.
 *
 * A run is a sorted list of rows cut into blocks. A batch of rows becomes a run of level 0; when FAN runs of
 * a level have come together, their rows move into one run of the next level, the lowest first. That goes on
 * in steps: after each, a row lies in exactly one block, and what was read of it is no longer where it came
 * from. So finding a person is the same at any time: in each run, the block that begins at or before their
 * first row, and those that follow.
 */
#include "store_impl.h"

#include <stdlib.h>

enum {
    ROW = 24,         /* subject, entry (big-endian): bytes in their order are rows in their order */
    BLOCK_ROWS = 160, /* with its key a little below a page */
    BLOCK = ROW * BLOCK_ROWS,
    FEW = 64, /* rows that do not make a run of their own */
    FAN = 8,  /* runs joined into one: a row moves log8(all / batch) times */
    RUNS_MAX = 512
};
_Static_assert(sizeof((struct store_history_row *)0)->subject + 8 == ROW, "row");

static void row_put(uint8_t out[ROW], const uint8_t subject[16], uint64_t entry)
{
    memcpy(out, subject, 16);
    for (unsigned i = 0; i < 8; i++)
        out[16 + i] = (uint8_t)(entry >> (56 - 8 * i));
}

static uint64_t row_entry(const uint8_t *row)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v = v << 8 | row[16 + i];
    return v;
}

/* ---- Adding */

static enum err block_add(struct store *st, int64_t run, const uint8_t *rows, size_t n, struct fail *f)
{
    return n ? store_run(st, Q_HISTORY_BLOCK_ADD,
                         ARGS(ARG_I(run), ARG_B(span_of(rows, ROW)), ARG_B(span_of(rows, n * ROW))), NULL, f)
             : OK;
}

static enum err run_new(struct store *st, int64_t level, int64_t *run, struct fail *f)
{
    struct store_rows r;
    if (!store_one(st, Q_HISTORY_RUN_ADD, ARGS(ARG_I(level)), &r, f))
        return r.err ? r.err : fail_set(f, ERR_INTERNAL, "no run was made");
    *run = store_i(&r, 0);
    store_done(&r);
    return OK;
}

static enum err add_run(struct store *st, const struct store_history_row *rows, size_t n, struct fail *f)
{
    uint8_t block[BLOCK];
    int64_t run;
    enum err e = run_new(st, 0, &run, f);
    for (size_t i = 0; !e && i < n; i += BLOCK_ROWS) {
        size_t part = n - i < BLOCK_ROWS ? n - i : BLOCK_ROWS;
        for (size_t k = 0; k < part; k++)
            row_put(block + k * ROW, rows[i + k].subject, rows[i + k].entry);
        e = block_add(st, run, block, part, f);
    }
    return e;
}

enum err store_history_add(struct store *st, const struct store_history_row *rows, size_t n, struct fail *f)
{
    enum err e = OK;
    if (n >= FEW)
        return add_run(st, rows, n, f);
    for (size_t i = 0; !e && i < n; i++)
        e = store_run(st, Q_HISTORY_ADD, ARGS(ARG_B(span_of(rows[i].subject, 16)), ARG_I(rows[i].entry)),
                      NULL, f);
    return e;
}

/* ---- Finding */

/* The rows of one person in a block: from the first that is not below them on. */
static size_t lower_bound(struct span content, const uint8_t subject[16])
{
    size_t from = 0, to = content.len / ROW;
    while (from < to) {
        size_t mid = (from + to) / 2;
        if (memcmp(content.p + mid * ROW, subject, 16) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static enum err block_check(struct span content, struct fail *f)
{
    return content.len && content.len % ROW == 0 && content.len <= BLOCK
               ? OK
               : fail_set(f, ERR_CORRUPT, "history.db holds a block of %zu bytes", content.len);
}

/* Those that may have rows of the person up to `before`. */
static enum err blocks_of(struct store *st, struct span subject, uint64_t before, struct store_rows *rows,
                          struct fail *f)
{
    uint8_t low[ROW], high[ROW];
    row_put(low, subject.p, 0);
    row_put(high, subject.p, before);
    return store_query(st, Q_HISTORY_BLOCK_OF, ARGS(ARG_B(span_of(low, ROW)), ARG_B(span_of(high, ROW))),
                       rows, f);
}

struct newest {
    struct arena *arena;
    uint64_t *list, before;
    size_t n, cap, limit;
};

static int newest_first(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x < *y) - (*x > *y);
}

/* Keeps the newest, in order, each once. */
static void newest_sort(struct newest *w)
{
    size_t kept = 0;
    if (w->n)
        qsort(w->list, w->n, sizeof *w->list, newest_first);
    for (size_t i = 0; i < w->n && kept < w->limit; i++)
        if (!kept || w->list[kept - 1] != w->list[i])
            w->list[kept++] = w->list[i];
    w->n = kept;
}

static void newest_add(struct newest *w, uint64_t entry)
{
    if (entry >= w->before)
        return;
    if (w->n == w->cap)
        newest_sort(w);
    if (w->n == w->cap) { /* the list has twice the limit at most */
        w->cap = w->cap ? w->cap * 2 : 64;
        uint64_t *wider = ARENA_ARRAY(w->arena, w->cap, uint64_t);
        if (w->n)
            memcpy(wider, w->list, w->n * sizeof *wider);
        w->list = wider;
    }
    w->list[w->n++] = entry;
}

static enum err take_block(struct newest *w, struct span content, struct span subject, struct fail *f)
{
    enum err e = block_check(content, f);
    for (size_t i = e ? 0 : lower_bound(content, subject.p);
         !e && i < content.len / ROW && memcmp(content.p + i * ROW, subject.p, 16) == 0; i++)
        newest_add(w, row_entry(content.p + i * ROW));
    return e;
}

enum err store_history_list(struct store *st, struct span subject, uint64_t before, size_t limit,
                            struct arena *a, uint64_t **out, size_t *n, struct fail *f)
{
    struct store_rows rows;
    struct newest w = {.arena = a, .before = before, .limit = limit};
    int64_t below = before < INT64_MAX ? (int64_t)before : INT64_MAX;
    *n = 0;
    enum err e = store_query(st, Q_HISTORY_LIST, ARGS(ARG_B(subject), ARG_I(limit), ARG_I(below)), &rows, f);
    if (e)
        return e;
    while (store_next(&rows, f))
        newest_add(&w, (uint64_t)store_i(&rows, 0));
    e = rows.err;
    store_done(&rows);
    if (!e && subject.len == 16)
        e = blocks_of(st, subject, before, &rows, f);
    if (e || subject.len != 16)
        return e;
    while (!e && store_next(&rows, f))
        e = take_block(&w, store_t(&rows, 1), subject, f);
    e = e ? e : rows.err;
    store_done(&rows);
    newest_sort(&w);
    *out = w.list;
    *n = w.n;
    return e;
}

static enum err first_in_blocks(struct store *st, struct span subject, uint64_t *first, struct fail *f)
{
    struct store_rows rows;
    enum err e = blocks_of(st, subject, UINT64_MAX, &rows, f);
    if (e)
        return e;
    while (!e && store_next(&rows, f)) {
        struct span content = store_t(&rows, 1);
        e = block_check(content, f);
        size_t at = e ? 0 : lower_bound(content, subject.p);
        bool theirs = !e && at < content.len / ROW && memcmp(content.p + at * ROW, subject.p, 16) == 0;
        if (theirs && row_entry(content.p + at * ROW) < *first)
            *first = row_entry(content.p + at * ROW);
    }
    e = e ? e : rows.err;
    store_done(&rows);
    return e;
}

enum err store_history_first(struct store *st, struct span subject, uint64_t *first, struct fail *f)
{
    struct store_rows rows;
    *first = UINT64_MAX;
    if (!store_one(st, Q_HISTORY_FIRST, ARGS(ARG_B(subject)), &rows, f))
        return rows.err;
    if (!store_is_null(&rows, 0))
        *first = (uint64_t)store_i(&rows, 0);
    store_done(&rows);
    return subject.len == 16 ? first_in_blocks(st, subject, first, f) : OK;
}

/* ---- Taking away */

struct block {
    int64_t id;
    uint8_t rows[BLOCK];
    size_t n, at; /* rows; the next one to be read */
};

static enum err block_take(const struct store_rows *from, struct block *b, struct fail *f)
{
    struct span content = store_t(from, 1);
    enum err e = block_check(content, f);
    if (e)
        return e;
    b->id = store_i(from, 0);
    b->n = content.len / ROW;
    b->at = 0;
    memcpy(b->rows, content.p, content.len);
    return OK;
}

/* What is left of it from `at` on takes its place. */
static enum err block_put(struct store *st, const struct block *b, struct fail *f)
{
    const uint8_t *rows = b->rows + b->at * ROW;
    if (b->at == b->n)
        return store_run(st, Q_HISTORY_BLOCK_DROP, ARGS(ARG_I(b->id)), NULL, f);
    return store_run(
        st, Q_HISTORY_BLOCK_PUT,
        ARGS(ARG_I(b->id), ARG_B(span_of(rows, ROW)), ARG_B(span_of(rows, (b->n - b->at) * ROW))), NULL, f);
}

/* Which rows go: those of a person, or those of entries outside a range. */
struct purge {
    const uint8_t *subject; /* null: by entry */
    uint64_t from, to;      /* what stays */
};

static bool goes(const uint8_t *row, const struct purge *p)
{
    if (p->subject)
        return memcmp(row, p->subject, 16) == 0;
    return row_entry(row) < p->from || row_entry(row) >= p->to;
}

static enum err block_purge(struct store *st, struct block *b, const struct purge *p, struct fail *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->n; i++)
        if (!goes(b->rows + i * ROW, p))
            memmove(b->rows + kept++ * ROW, b->rows + i * ROW, ROW);
    bool same = kept == b->n;
    b->n = kept;
    return same ? OK : block_put(st, b, f);
}

/* Blocks change while they are gone through: first they are copied. */
static enum err drop_in(struct store *st, struct span subject, struct arena *a, struct fail *f)
{
    struct store_rows rows;
    struct list {
        struct list *next;
        struct block b;
    } *all = NULL;
    enum err e = blocks_of(st, subject, UINT64_MAX, &rows, f);
    while (!e && store_next(&rows, f)) {
        struct list *one = ARENA_NEW(a, struct list);
        one->next = all;
        all = one;
        e = block_take(&rows, &one->b, f);
    }
    e = e ? e : rows.err;
    store_done(&rows);
    for (; !e && all; all = all->next)
        e = block_purge(st, &all->b, &(struct purge){.subject = subject.p}, f);
    return e;
}

enum err store_history_drop(struct store *st, struct span subject, struct fail *f)
{
    enum err e = store_run(st, Q_HISTORY_DROP, ARGS(ARG_B(subject)), NULL, f);
    if (e || subject.len != 16)
        return e;
    struct arena *a = arena_new(0);
    e = drop_in(st, subject, a, f);
    arena_free(a);
    return e;
}

enum err store_history_cut(struct store *st, uint64_t entry, struct fail *f)
{
    struct store_rows rows;
    struct block b = {.id = 0};
    enum err e = store_run(st, Q_HISTORY_CUT, ARGS(ARG_I(entry)), NULL, f);
    while (!e && store_one(st, Q_HISTORY_BLOCK_NEXT, ARGS(ARG_I(b.id)), &rows, f)) {
        e = block_take(&rows, &b, f);
        store_done(&rows);
        if (!e)
            e = block_purge(st, &b, &(struct purge){.to = entry}, f);
    }
    return e ? e : rows.err;
}

enum err store_history_forget(struct store *st, uint64_t entry, int64_t *after, size_t most, bool *more,
                              struct fail *f)
{
    struct store_rows rows = {.err = OK};
    struct block b = {.id = *after};
    enum err e = *after ? OK : store_run(st, Q_HISTORY_FORGET, ARGS(ARG_I(entry)), NULL, f);
    *more = true;
    for (size_t n = 0; !e && n < most && *more; n++) {
        *more = store_one(st, Q_HISTORY_BLOCK_NEXT, ARGS(ARG_I(b.id)), &rows, f);
        if (!*more)
            break;
        e = block_take(&rows, &b, f);
        store_done(&rows);
        if (!e)
            e = block_purge(st, &b, &(struct purge){.from = entry, .to = UINT64_MAX}, f);
    }
    *after = b.id;
    return e ? e : rows.err;
}

/* ---- Joining */

struct run {
    int64_t number, level, goes;
};

struct join {
    struct store *st;
    int64_t to;
    int64_t from[FAN];
    struct block *in[FAN];
    size_t n;
    uint8_t out[BLOCK];
    size_t n_out;
};

static enum err runs_read(struct store *st, struct run *list, size_t *n, struct fail *f)
{
    struct store_rows rows;
    *n = 0;
    enum err e = store_query(st, Q_HISTORY_RUN_ALL, NO_ARGS, &rows, f);
    if (e)
        return e;
    while (*n < RUNS_MAX && store_next(&rows, f))
        list[(*n)++] = (struct run){store_i(&rows, 0), store_i(&rows, 1), store_i(&rows, 2)};
    e = rows.err;
    store_done(&rows);
    return e;
}

/* A join that was begun goes on. */
static bool join_begun(const struct run *list, size_t n, struct join *j)
{
    j->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (!list[i].goes)
            continue;
        j->to = list[i].goes;
        if (j->n < FAN)
            j->from[j->n++] = list[i].number;
    }
    return j->n > 0;
}

/* The oldest FAN runs of the lowest level that has as many. */
static bool join_found(const struct run *list, size_t n, struct join *j, int64_t *level)
{
    for (*level = 0; *level < 16; ++*level) {
        j->n = 0;
        for (size_t i = 0; i < n && j->n < FAN; i++)
            if (list[i].level == *level)
                j->from[j->n++] = list[i].number;
        if (j->n == FAN)
            return true;
    }
    return false;
}

static enum err join_begin(struct join *j, int64_t level, struct fail *f)
{
    enum err e = run_new(j->st, level + 1, &j->to, f);
    for (size_t i = 0; !e && i < j->n; i++)
        e = store_run(j->st, Q_HISTORY_RUN_GOES, ARGS(ARG_I(j->from[i]), ARG_I(j->to)), NULL, f);
    return e;
}

/* The next block of a run, or that it has none. */
static enum err refill(struct join *j, size_t i, struct fail *f)
{
    struct store_rows rows;
    j->in[i]->n = j->in[i]->at = 0;
    if (!store_one(j->st, Q_HISTORY_BLOCK_FIRST, ARGS(ARG_I(j->from[i])), &rows, f))
        return rows.err ? rows.err : store_run(j->st, Q_HISTORY_RUN_DROP, ARGS(ARG_I(j->from[i])), NULL, f);
    enum err e = block_take(&rows, j->in[i], f);
    store_done(&rows);
    return e;
}

static const uint8_t *head(const struct join *j, size_t i)
{
    return j->in[i]->at < j->in[i]->n ? j->in[i]->rows + j->in[i]->at * ROW : NULL;
}

/* The run whose next row is the lowest; FAN: all are used up. */
static size_t lowest(const struct join *j)
{
    size_t at = FAN;
    for (size_t i = 0; i < j->n; i++)
        if (head(j, i) && (at == FAN || memcmp(head(j, i), head(j, at), ROW) < 0))
            at = i;
    return at;
}

static enum err out_flush(struct join *j, struct fail *f)
{
    enum err e = block_add(j->st, j->to, j->out, j->n_out, f);
    j->n_out = 0;
    return e;
}

/* A row that was done twice lies in two runs: it comes twice, one after the other. */
static bool is_again(const struct join *j, size_t i)
{
    return j->n_out && memcmp(j->out + (j->n_out - 1) * ROW, head(j, i), ROW) == 0;
}

static enum err move_one(struct join *j, size_t i, struct fail *f)
{
    enum err e = OK;
    bool again = is_again(j, i);
    if (!again && j->n_out == BLOCK_ROWS)
        e = out_flush(j, f);
    if (!again)
        memcpy(j->out + j->n_out++ * ROW, head(j, i), ROW);
    j->in[i]->at++;
    if (e || head(j, i))
        return e;
    e = block_put(j->st, j->in[i], f); /* used up: it goes */
    return e ? e : refill(j, i, f);
}

static enum err join_run(struct join *j, size_t most, bool *more, struct fail *f)
{
    enum err e = OK;
    for (size_t i = 0; !e && i < j->n; i++)
        e = refill(j, i, f);
    size_t i = lowest(j);
    for (size_t moved = 0; !e && i < FAN && (moved < most || is_again(j, i)); moved++) {
        e = move_one(j, i, f);
        i = e ? FAN : lowest(j);
    }
    for (size_t k = 0; !e && k < j->n; k++)
        if (head(j, k) && j->in[k]->at)
            e = block_put(j->st, j->in[k], f);
    *more = true; /* whether other runs wait is found out by the next call */
    return e ? e : out_flush(j, f);
}

enum err store_history_join(struct store *st, size_t most, bool *more, struct fail *f)
{
    struct arena *a = arena_new(0);
    struct run *list = ARENA_ARRAY(a, RUNS_MAX, struct run);
    struct join *j = ARENA_NEW(a, struct join);
    size_t n;
    int64_t level = 0;
    j->st = st;
    *more = false;
    enum err e = runs_read(st, list, &n, f);
    bool begun = !e && join_begun(list, n, j), found = !e && !begun && join_found(list, n, j, &level);
    for (size_t i = 0; i < FAN; i++)
        j->in[i] = ARENA_NEW(a, struct block);
    if (found)
        e = join_begin(j, level, f);
    if (!e && (begun || found))
        e = join_run(j, most, more, f);
    arena_free(a);
    return e;
}
