// SPDX-License-Identifier: Apache-2.0
/* Walking the record: which entries are decisions, whose they are, what was asked. See gate_what_if.h. */
#include "gate_what_if_impl.h"

#include <stdlib.h>

#define PROGRESS_EVERY 1024

/* ---- One entry */

/* The person's key, kept for the next entry: people come in runs. Null in *out for a visitor's entry. False:
 * the person is erased, or *f says why the key could not be asked for. */
static bool person_key(struct what_if_run *run, const struct audit_leaf *l, const struct person_key **out,
                       struct fail *f)
{
    static const uint8_t nobody[sizeof l->subject];
    struct subject_id id;
    struct subject s = {0};
    struct fail gone = {0};
    *out = NULL;
    if (memcmp(l->subject, nobody, sizeof nobody) == 0)
        return true;
    if (!epoch_find(&run->names, run->st, l, &id))
        return false;
    if (!run->key || memcmp(run->key_of.b, id.b, ID_LEN) != 0) {
        vault_key_close(run->key);
        run->key = NULL;
        enum err e = subject_get(run->st, id, l->time, &s, &gone);
        struct vault_person person = vault_of(&s);
        if (!e)
            e = vault_key_read(run->vault, run->st, &person, &run->key, &gone);
        if (e && e != ERR_NOT_FOUND && e != ERR_GONE && e != ERR_INTEGRITY)
            *f = gone;
        if (e)
            return false;
        run->key_of = id;
    }
    *out = run->key;
    return true;
}

static void take_detail(struct what_if_run *run, struct span json)
{
    const struct json *detail = NULL;
    struct fail unread = {0};
    bool again = json_parse(run->scratch, json, &detail, &unread) == OK && what_if_detail(run, detail);
    run->out->entries += again;
    run->out->incomplete += !again;
}

/* The leaf of a decision has an answer. */
static enum err take_entry(struct what_if_run *run, const struct what_if_config *c, uint64_t index,
                           struct fail *f)
{
    struct span leaf, detail, json;
    struct audit_leaf l;
    const struct person_key *key;
    enum err e = audit_read(run->audit, index, run->scratch, &leaf, &detail, f);
    if (e)
        return e;
    if (!audit_leaf_get(leaf, &l))
        return fail_set(f, ERR_CORRUPT, "entry %llu of the record cannot be read", (unsigned long long)index);
    if (!l.answer || l.time.ms < c->since.ms || l.time.ms >= c->until.ms)
        return OK;
    if (!person_key(run, &l, &key, f)) {
        run->out->erased++;
        return f->code ? f->code : epoch_trouble(&run->names, f);
    }
    e = detail_open(run->vault, key, detail, &l, run->scratch, &json, f);
    if (!e)
        take_detail(run, json);
    return e;
}

static enum err walk(struct what_if_run *run, const struct what_if_config *c, struct fail *f)
{
    uint64_t n = audit_sealed_size(run->audit);
    enum err e = OK;
    for (uint64_t i = audit_minimum(run->audit); !e && i < n; i++) {
        e = take_entry(run, c, i, f);
        arena_reset(run->scratch);
        if (c->progress && (i % PROGRESS_EVERY == 0 || i + 1 == n))
            c->progress(c->ctx, i + 1, n);
    }
    return e;
}

/* ---- Sorting: clauses with most answers first */

static int row_cmp(const void *a, const void *b)
{
    const struct what_if_row *x = a, *y = b;
    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    int by = span_cmp(x->purpose, y->purpose);
    by = by ? by : span_cmp(x->operation, y->operation);
    by = by ? by : span_cmp(x->party, y->party);
    return by ? by : span_cmp(x->field, y->field);
}

struct clause_total {
    struct span clause;
    uint64_t n;
};

static int total_cmp(const void *a, const void *b)
{
    const struct clause_total *x = a, *y = b;
    return x->n != y->n ? (x->n > y->n ? -1 : 1) : span_cmp(x->clause, y->clause);
}

static size_t clause_totals(const struct what_if *w, struct clause_total *totals)
{
    size_t n = 0, k;
    for (size_t i = 0; i < w->n_rows; i++) {
        for (k = 0; k < n && !span_eq(totals[k].clause, w->rows[i].clause); k++)
            ;
        if (k == n)
            totals[n++] = (struct clause_total){.clause = w->rows[i].clause};
        totals[k].n += w->rows[i].n;
    }
    return n;
}

static void sort_rows(struct what_if *w, struct arena *a)
{
    struct what_if_row *sorted = ARENA_ARRAY(a, w->n_rows + 1, struct what_if_row);
    struct clause_total *totals = ARENA_ARRAY(a, w->n_rows + 1, struct clause_total);
    size_t n = clause_totals(w, totals), k = 0;
    if (n == 0)
        return;
    qsort(totals, n, sizeof *totals, total_cmp);
    qsort(w->rows, w->n_rows, sizeof *w->rows, row_cmp);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < w->n_rows; r++)
            if (span_eq(w->rows[r].clause, totals[i].clause))
                sorted[k++] = w->rows[r];
    w->rows = sorted;
}

/* ---- All of it */

static enum err open_folder(struct what_if_run *run, const struct what_if_config *c, struct fail *f)
{
    enum err e = store_open(c->data, STORE_READ, &run->st, f);
    if (!e)
        e = vault_open(run->st, &(struct vault_master){c->master_key_file, c->master_key_command},
                       &run->vault, f);
    if (!e)
        e = audit_open_read(c->data, &run->audit, f);
    run->names = (struct epoch_names){.record = run->audit, .vault = run->vault};
    return e;
}

static void close_folder(struct what_if_run *run)
{
    vault_key_close(run->key);
    epoch_forget(&run->names);
    if (run->audit)
        audit_close(run->audit);
    if (run->vault)
        vault_close(run->vault);
    if (run->st)
        store_close(run->st);
    arena_free(run->scratch);
}

enum err gate_what_if(const struct what_if_config *c, const struct policy *draft, struct arena *a,
                      struct what_if *out, struct fail *f)
{
    struct what_if_run run = {.draft = draft, .arena = a, .out = out, .scratch = arena_new(1 << 16)};
    *out = (struct what_if){0};
    enum err e = crypto_start(f);
    if (!e)
        e = sources_bind(draft, a, &run.sources, f);
    if (!e)
        e = open_folder(&run, c, f);
    if (!e) {
        what_if_start(&run);
        e = walk(&run, c, f);
    }
    close_folder(&run);
    if (!e)
        sort_rows(out, a);
    return e;
}
