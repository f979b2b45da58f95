// SPDX-License-Identifier: Apache-2.0
/* Statements on PostgreSQL: see store_pg.h. */
#include "store_pg_impl.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* PostgreSQL's type numbers (catalog pg_type). */
#define OID_BYTEA 17
#define OID_INT8  20
#define OID_INT4  23
#define OID_TEXT  25

struct pg_params {
    const char *value[STORE_PARAMS_MAX];
    int length[STORE_PARAMS_MAX], format[STORE_PARAMS_MAX];
    int64_t number[STORE_PARAMS_MAX]; /* big-endian */
};

static void params_fill(struct pg_params *p, const struct store_arg *args, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p->format[i] = 1;
        p->number[i] = (int64_t)htobe64((uint64_t)args[i].i);
        if (args[i].type == 'i') {
            p->value[i] = (const char *)&p->number[i];
            p->length[i] = (int)sizeof p->number[i];
            continue;
        }
        /* A null pointer is null; the empty text is a value. */
        const char *bytes = args[i].s.p ? (const char *)args[i].s.p : "";
        p->value[i] = args[i].type ? bytes : NULL;
        p->length[i] = args[i].type ? (int)args[i].s.len : 0;
    }
}

static Oid oid_of(char type)
{
    char kind = (char)(type | 0x20);
    return kind == 'i' ? OID_INT8 : kind == 't' ? OID_TEXT : OID_BYTEA;
}

static size_t types_of(enum store_query_id q, Oid types[STORE_PARAMS_MAX])
{
    const char *in = store_query_in(q);
    size_t n = strlen(in);
    for (size_t i = 0; i < n; i++)
        types[i] = oid_of(in[i]);
    return n;
}

static void prepare(struct store_pg *pg, enum store_query_id q)
{
    Oid types[STORE_PARAMS_MAX];
    size_t n = types_of(q, types);
    pg_sent(pg, PQsendPrepare(pg->c, store_query_name(q), store_query_sql(q), (int)n, types), false);
    if (pg->unanswered)
        pg->makes[pg->unanswered - 1] = (uint16_t)(q + 1);
    pg->prepared[q] = PG_SENT;
}

static void execute(struct store_pg *pg, enum store_query_id q, const struct store_arg *args, size_t n,
                    bool wanted)
{
    struct pg_params p;
    params_fill(&p, args, n);
    if (pg->pooled) {
        Oid types[STORE_PARAMS_MAX];
        types_of(q, types);
        pg_sent(pg,
                PQsendQueryParams(pg->c, store_query_sql(q), (int)n, types, p.value, p.length, p.format, 1),
                wanted);
        return;
    }
    pg_sent(pg, PQsendQueryPrepared(pg->c, store_query_name(q), (int)n, p.value, p.length, p.format, 1),
            wanted);
}

/* Only a plain INSERT can meet a row that is there; its caller wants to know. Ids that were drawn at random
 * or counted by this node alone do not, nor do the numbers of a person's consents, which the group counts on
 * from what it read: whoever else took one in between has made the group start again. A wait for each of them
 * would be most of what creating a person takes, and most of what a consent does. */
static bool may_clash(enum store_query_id q)
{
    if (q == Q_SUBJECT_ADD || q == Q_KEY_ADD || q == Q_PENDING_ADD || q == Q_CONSENT_ADD)
        return false;
    const char *sql = store_query_sql(q);
    return strncmp(sql, "INSERT", 6) == 0 && !strstr(sql, "ON CONFLICT");
}

static bool gives_rows(enum store_query_id q)
{
    return store_query_out(q)[0];
}

static bool only_reads(enum store_query_id q)
{
    return strncmp(store_query_sql(q), "SELECT", 6) == 0;
}

static enum err is_lost(const struct store_pg *pg, struct fail *f)
{
    if (pg->lost.code && f && f->code == OK)
        *f = pg->lost;
    return pg->lost.code;
}

/* The wanted statement failed. One that may clash was wrapped: the transaction goes on. */
static enum err refused(struct store_pg *pg, enum store_query_id q, const char *state, bool wrapped,
                        struct fail *f)
{
    bool clash = strcmp(state, "23505") == 0 && !pg->lost.code;
    if (clash && pg->state == PG_NONE)
        return pg_fail_state(pg, state, store_query_name(q), f);
    if (clash && wrapped) {
        pg_control(pg, PG_CLASH_UNDO);
        pg_control(pg, PG_CLASH_KEEP);
        return pg_fail_state(pg, state, store_query_name(q), f);
    }
    if (!pg->lost.code)
        pg_fail_state(pg, state, store_query_name(q), &pg->lost);
    pg->met_another |= strncmp(state, "40", 2) == 0;
    pg->renew |= strcmp(state, "25006") == 0;
    return is_lost(pg, f);
}

/* Outside a transaction each statement is one of its own, and what the last one met is forgotten. */
static enum err pg_alone(struct store_pg *pg, struct fail *f)
{
    return pg->state == PG_NONE ? pg_again(pg, f) : OK;
}

enum err pg_statement(struct store_pg *pg, enum store_query_id q, const struct store_arg *args, size_t n,
                      PGresult **result, int64_t *changed, struct fail *f)
{
    PGresult *r = NULL;
    char state[6];
    if (pg_alone(pg, f) != OK || is_lost(pg, f))
        return pg->lost.code;
    enum err err = pg_enter(pg, f);
    if (err != OK)
        return err;
    bool within = pg->state == PG_BEGUN, wrapped = within && may_clash(q);
    bool waits = wrapped || gives_rows(q) || changed || !within;
    if (within && !only_reads(q))
        pg_save_late(pg);
    pg_room(pg, 6);
    if (pg->prepared[q] == PG_UNKNOWN && !pg->pooled)
        prepare(pg, q);
    if (wrapped)
        pg_control(pg, PG_CLASH_SAVE);
    execute(pg, q, args, n, waits);
    if (wrapped)
        pg_control(pg, PG_CLASH_KEEP);
    if (!waits)
        return is_lost(pg, f);
    pg_collect(pg, &r, state);
    if (state[0])
        return refused(pg, q, state, wrapped, f);
    if (is_lost(pg, f)) {
        PQclear(r);
        return pg->lost.code;
    }
    pg->looked = true;
    if (changed)
        *changed = strtoll(PQcmdTuples(r), NULL, 10);
    if (result)
        *result = r;
    else
        PQclear(r);
    return OK;
}

int64_t pg_i(const PGresult *r, int row, int column)
{
    const char *p = PQgetvalue(r, row, column);
    uint64_t wide;
    uint32_t narrow;
    switch (PQgetlength(r, row, column)) {
    case 8:
        memcpy(&wide, p, sizeof wide);
        return (int64_t)be64toh(wide);
    case 4:
        memcpy(&narrow, p, sizeof narrow);
        return (int32_t)be32toh(narrow);
    default:
        return 0;
    }
}

struct span pg_t(const PGresult *r, int row, int column)
{
    return span_of((const uint8_t *)PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column));
}
