// SPDX-License-Identifier: Apache-2.0
/* See store_card.h. */
#include "store_card.h"

#include "text.h"

#include <stdlib.h>

/* The statements that change what is on a card. The first argument of each is whose. */
static const bool marks[Q_COUNT] = {
    [Q_SERVICE_USED] = true,   [Q_SERVICE_LEFT] = true, [Q_ERASE_SERVICES] = true, [Q_CONSENT_ADD] = true,
    [Q_ERASE_CONSENTS] = true, [Q_HOLD_PUT] = true,     [Q_ERASE_HOLDS] = true,
};

bool card_marks(enum store_query_id q)
{
    return marks[q];
}

/* ---- Putting */

struct put {
    uint8_t bytes[CARD_MAX];
    size_t len;
    bool full;
};

static void put_byte(struct put *p, uint8_t b)
{
    if (p->len == CARD_MAX)
        p->full = true;
    else
        p->bytes[p->len++] = b;
}

static void put_count(struct put *p, uint64_t n)
{
    for (; n > 0x7f; n >>= 7)
        put_byte(p, (uint8_t)(n | 0x80));
    put_byte(p, (uint8_t)n);
}

static void put_integer(struct put *p, int64_t v)
{
    uint64_t twice = (uint64_t)v << 1;
    put_count(p, v < 0 ? ~twice : twice);
}

static void put_text(struct put *p, const void *bytes, size_t n)
{
    put_count(p, n);
    p->full |= n > CARD_MAX - p->len;
    if (p->full || !n)
        return;
    memcpy(p->bytes + p->len, bytes, n);
    p->len += n;
}

static void put_column(struct put *p, sqlite3_stmt *row, int column)
{
    if (sqlite3_column_type(row, column) == SQLITE_INTEGER) {
        put_integer(p, sqlite3_column_int64(row, column));
        return;
    }
    const void *bytes = sqlite3_column_blob(row, column); /* first: it fixes the length */
    put_text(p, bytes, (size_t)sqlite3_column_bytes(row, column));
}

/* ---- Making one */

enum { OF_HOLDS, OF_SERVICES, OF_CONSENTS, TO_PUT, STATEMENTS };

struct store_cards {
    sqlite3 *db;
    sqlite3_stmt *stmt[STATEMENTS];
};

static const char *statement(int which)
{
    static const char *const sql[STATEMENTS] = {
        [OF_HOLDS] = "SELECT 1 FROM hold WHERE sid = $1 LIMIT 1",
        [OF_SERVICES] = "SELECT service, since FROM subject_service WHERE sid = $1 ORDER BY service",
        [TO_PUT] = "UPDATE subject SET card = person_card($1) WHERE sid = $1",
    };
    return which == OF_CONSENTS ? store_query_sql(Q_CONSENT_HELD) : sql[which];
}

static int started(struct store_cards *c, int which, int64_t sid)
{
    int rc = SQLITE_OK;
    if (!c->stmt[which])
        rc =
            sqlite3_prepare_v3(c->db, statement(which), -1, SQLITE_PREPARE_PERSISTENT, &c->stmt[which], NULL);
    return rc == SQLITE_OK ? sqlite3_bind_int64(c->stmt[which], 1, sid) : rc;
}

/* The rows of a statement, with their count in front: it is written when they are known. */
static int put_rows(struct store_cards *c, int which, int64_t sid, struct put *p)
{
    struct put rows = {.len = 0};
    uint64_t n = 0;
    int rc = started(c, which, sid);
    if (rc != SQLITE_OK)
        return rc;
    for (; (rc = sqlite3_step(c->stmt[which])) == SQLITE_ROW && !rows.full; n++)
        for (int i = 0; i < sqlite3_column_count(c->stmt[which]); i++)
            put_column(&rows, c->stmt[which], i);
    sqlite3_reset(c->stmt[which]);
    put_count(p, n);
    p->full |= rows.full || rows.len > CARD_MAX - p->len;
    if (!p->full && rows.len) {
        memcpy(p->bytes + p->len, rows.bytes, rows.len);
        p->len += rows.len;
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int any_held(struct store_cards *c, int64_t sid, bool *held)
{
    int rc = started(c, OF_HOLDS, sid);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(c->stmt[OF_HOLDS]);
    *held = rc == SQLITE_ROW;
    sqlite3_reset(c->stmt[OF_HOLDS]);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void person_card(sqlite3_context *context, int n, sqlite3_value **args)
{
    struct store_cards *c = sqlite3_user_data(context);
    int64_t sid = sqlite3_value_int64(args[n - 1]);
    struct put p = {.len = 0};
    bool held = false;
    put_byte(&p, CARD_VERSION);
    int rc = any_held(c, sid, &held);
    if (rc == SQLITE_OK && !held)
        rc = put_rows(c, OF_SERVICES, sid, &p);
    if (rc == SQLITE_OK && !held)
        rc = put_rows(c, OF_CONSENTS, sid, &p);
    if (rc != SQLITE_OK)
        sqlite3_result_error_code(context, rc);
    else if (held || p.full)
        sqlite3_result_null(context);
    else
        sqlite3_result_blob(context, p.bytes, (int)p.len, SQLITE_TRANSIENT);
}

enum err card_function(struct store_file *sf, struct fail *f)
{
    struct store_cards *c = calloc(1, sizeof *c);
    if (!c)
        abort(); /* as the arena does */
    c->db = sf->db;
    sf->cards = c;
    int rc = sqlite3_create_function_v2(sf->db, "person_card", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, c,
                                        person_card, NULL, NULL, NULL);
    return rc == SQLITE_OK ? OK : store_file_fail(sf, rc, "set it up", f);
}

void card_function_end(struct store_file *sf)
{
    for (int i = 0; sf->cards && i < STATEMENTS; i++)
        sqlite3_finalize(sf->cards->stmt[i]);
    free(sf->cards);
    sf->cards = NULL;
}

/* ---- A group */

void card_mark(struct store *st, int64_t sid)
{
    if (st->n_carded && st->carded[st->n_carded - 1] == sid)
        return; /* most groups change several rows of one person, then of the next */
    st->carded = list_grown(st->carded, st->n_carded, &st->cap_carded, sizeof *st->carded);
    st->carded[st->n_carded++] = sid;
}

void cards_forget(struct store *st)
{
    st->n_carded = 0;
}

static enum err put_card(struct store_file *sf, int64_t sid, struct fail *f)
{
    int rc = started(sf->cards, TO_PUT, sid);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(sf->cards->stmt[TO_PUT]);
    enum err err = rc == SQLITE_DONE ? OK : store_file_fail(sf, rc, "write a person's card", f);
    sqlite3_reset(sf->cards->stmt[TO_PUT]);
    return err;
}

enum err cards_make(struct store *st, struct fail *f)
{
    enum err err = OK;
    for (size_t i = 0; i < st->n_carded && err == OK; i++)
        err = put_card(&st->file[STORE_MAIN], st->carded[i], f);
    return err;
}

/* ---- Reading one */

struct get {
    const uint8_t *at, *end;
    bool bad;
};

static uint64_t get_count(struct get *g)
{
    uint64_t n = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (g->at == g->end)
            break;
        uint8_t b = *g->at++;
        n |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return n;
    }
    g->bad = true;
    return 0;
}

static int64_t get_integer(struct get *g)
{
    uint64_t n = get_count(g), half = n >> 1;
    return (int64_t)(n & 1 ? ~half : half);
}

static struct span get_text(struct get *g)
{
    uint64_t n = get_count(g);
    g->bad |= n > (size_t)(g->end - g->at);
    if (g->bad)
        return SPAN_EMPTY;
    struct span s = span_of(g->at, (size_t)n);
    g->at += n;
    return s;
}

static struct get get_card(struct span card)
{
    struct get g = {.at = card.p, .end = card.p + card.len};
    g.bad = card.len == 0 || card.p[0] != CARD_VERSION;
    g.at += !g.bad;
    return g;
}

static struct store_cell cell_of(struct get *g, char type)
{
    if (type == 'i')
        return (struct store_cell){.i = get_integer(g), .number = true};
    struct span s = get_text(g);
    return (struct store_cell){.p = s.p, .len = s.len};
}

bool card_uses(struct span card, struct span service, struct store_cell cell[2])
{
    struct get g = get_card(card);
    for (uint64_t n = g.bad ? 0 : get_count(&g); n > 0 && !g.bad; n--) {
        struct span name = get_text(&g);
        cell[0] = (struct store_cell){.i = get_integer(&g), .number = true};
        cell[1] = (struct store_cell){.number = true}; /* nothing is held of who has a card */
        if (!g.bad && span_eq(name, service))
            return true;
    }
    return false;
}

static void skip_services(struct get *g)
{
    for (uint64_t n = get_count(g); n > 0 && !g->bad; n--) {
        get_text(g);
        get_integer(g);
    }
}

bool card_consents(struct span card, struct store_cell *cell, size_t cap, size_t *n_rows)
{
    const char *types = store_query_out(Q_CONSENT_HELD);
    size_t columns = strlen(types);
    struct get g = get_card(card);
    if (g.bad)
        return false;
    skip_services(&g);
    uint64_t n = get_count(&g);
    if (g.bad || n > cap / columns)
        return false;
    for (uint64_t i = 0; i < n; i++)
        for (size_t k = 0; k < columns; k++)
            *cell++ = cell_of(&g, types[k]);
    *n_rows = (size_t)n;
    return !g.bad && g.at == g.end;
}
