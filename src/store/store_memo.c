// SPDX-License-Identifier: Apache-2.0
/*
 * see store_memo.h. Rows of four places; an id, being random, is its own hash and names the row. A person is
 * taken in when asked for a second time within the row's memory of three: one that many others come between
 * costs nothing but that, and the one line of memory that says who is there.
 */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include "store_memo.h"

#include "store_card.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    WAYS = 4,
    ASKED = 3,
    ID_BYTES = 16,
    BYTES_A_PLACE = 1024, /* a person with five values takes two kilobytes */
    CELLS_MAX = 512,      /* of one result: 40 values */
    BYTES_MAX = 16384,
    COLUMN_SID = 0, /* of Q_SUBJECT_GET */
    COLUMN_EPOCH = 6,
    COLUMN_CARD = 7
};

/* The statements that are kept, by the first letter of what they are about: all of one person. */
enum kind { KIND_NONE, KIND_PERSON, KIND_USES, KIND_HOLDS, KIND_CONSENTS, KIND_BRIEF, KIND_VALUES, KINDS };
static const uint8_t kind_of[Q_COUNT] = {
    [Q_SUBJECT_GET] = KIND_PERSON,    [Q_SERVICE_USES] = KIND_USES, [Q_HOLD_LIST] = KIND_HOLDS,
    [Q_CONSENT_HELD] = KIND_CONSENTS, [Q_VALUE_BRIEF] = KIND_BRIEF, [Q_VALUE_ALL] = KIND_VALUES,
};

struct result {
    size_t size;
    uint32_t n_rows, n_columns;
    struct span key; /* the second argument, if there is one */
    struct store_cell cell[];
};
struct person {
    uint8_t id[ID_BYTES];
    int64_t sid, epoch;
    unsigned stamp; /* the database's, when the row of the person was read */
    bool used;      /* since the hand came by */
    struct result *of[KINDS];
};
/* A line of the cache. */
struct bucket {
    _Alignas(64) struct person *way[WAYS];
    uint32_t mark[WAYS];   /* who is there, by four bytes of the id: others are not looked at */
    uint32_t asked[ASKED]; /* who was not */
    uint8_t hand, asked_hand;
};
_Static_assert(sizeof(struct bucket) == 64, "one line");

#define SHOWN_BYTES (sizeof(struct result) + CELLS_MAX * sizeof(struct store_cell))

struct store_memo {
    struct bucket *buckets;
    size_t n_buckets, most, bytes, n, hand;
    uint64_t key_changes, served, read;
    unsigned stamp;
    struct person *now; /* read in this snapshot: the statements that follow are about them */
    /* Of the person whose row was read last: for whoever is not kept. */
    size_t card_len;
    int64_t card_sid;
    uint8_t card[CARD_MAX];
    struct result *shown; /* from the card */
    /* The result that is being read. */
    uint64_t taking; /* counts them; 0 in none that is read for itself */
    enum kind kind;
    uint8_t id[ID_BYTES];
    size_t n_cells, n_bytes;
    uint32_t n_rows;
    struct span key;
    struct store_cell cell[CELLS_MAX];
    uint8_t byte[BYTES_MAX];
};

/* ---- Room */

void store_memo(struct store *st, size_t bytes)
{
    memo_free(st);
    st->memo_most = bytes;
}

/* Mapped: a connection that is never asked touches nothing of it. */
static void *room(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort(); /* as the arena does: out of memory ends the process */
    return p;
}

static struct store_memo *memo_new(size_t most)
{
    struct store_memo *m = room(sizeof *m);
    m->most = most;
    m->n_buckets = most / BYTES_A_PLACE / WAYS + 1;
    m->buckets = room(m->n_buckets * sizeof *m->buckets);
    m->shown = room(SHOWN_BYTES);
    return m;
}

static void result_drop(struct store_memo *m, struct person *p, enum kind k)
{
    struct result *r = p->of[k];
    if (!r)
        return;
    p->of[k] = NULL;
    m->bytes -= r->size;
    explicit_bzero(r, r->size);
    free(r);
}

static void person_drop(struct store_memo *m, struct person **place)
{
    struct person *p = *place;
    if (!p)
        return;
    for (enum kind k = KIND_NONE; k < KINDS; k++)
        result_drop(m, p, k);
    if (m->now == p)
        m->now = NULL;
    explicit_bzero(p, sizeof *p);
    free(p);
    *place = NULL;
    m->n--;
    m->bytes -= sizeof *p;
}

static void memo_empty(struct store_memo *m)
{
    for (size_t i = 0; m->n && i < m->n_buckets; i++)
        for (size_t w = 0; w < WAYS; w++)
            person_drop(m, &m->buckets[i].way[w]);
    explicit_bzero(m->shown, SHOWN_BYTES);
    explicit_bzero(m->card, sizeof m->card);
    explicit_bzero(m->cell, sizeof m->cell);
    explicit_bzero(m->byte, sizeof m->byte);
}

void memo_free(struct store *st)
{
    struct store_memo *m = st->memo;
    if (!m)
        return;
    memo_empty(m);
    munmap(m->buckets, m->n_buckets * sizeof *m->buckets);
    munmap(m->shown, SHOWN_BYTES);
    explicit_bzero(m, sizeof *m);
    munmap(m, sizeof *m);
    st->memo = NULL;
}

/* One who was not asked for since the hand last came by makes room. */
static void make_room(struct store_memo *m)
{
    while (m->bytes > m->most && m->n) {
        struct bucket *b = &m->buckets[m->hand / WAYS];
        struct person **place = &b->way[m->hand % WAYS];
        if (*place && !(*place)->used)
            person_drop(m, place);
        else if (*place)
            (*place)->used = false;
        m->hand = (m->hand + 1) % (m->n_buckets * WAYS);
    }
}

struct store_memo_stats store_memo_stats(const struct store *st)
{
    const struct store_memo *m = st->memo;
    return m ? (struct store_memo_stats){m->n, m->bytes, m->served, m->read} : (struct store_memo_stats){0};
}

/* ---- Snapshots */

void memo_begin(struct store *st)
{
    struct store_memo *m = st->memo;
    if (!m)
        m = st->memo = memo_new(st->memo_most);
    /* Somebody may have been erased: nothing read of them stays. */
    if (m->key_changes != st->key_changes_seen)
        memo_empty(m);
    m->key_changes = st->key_changes_seen;
    if (sqlite3_file_control(st->file[STORE_MAIN].db, "main", SQLITE_FCNTL_DATA_VERSION, &m->stamp) !=
        SQLITE_OK)
        memo_empty(m);
    m->now = NULL;
    m->card_len = 0;
}

void memo_end(struct store *st)
{
    if (!st->memo)
        return;
    st->memo->now = NULL;
    make_room(st->memo);
}

/* ---- Finding */

static struct bucket *bucket_of(struct store_memo *m, const uint8_t *id)
{
    uint64_t h;
    memcpy(&h, id, sizeof h);
    return &m->buckets[h % m->n_buckets];
}

static uint32_t mark_of(const uint8_t *id)
{
    uint32_t mark;
    memcpy(&mark, id + ID_BYTES - sizeof mark, sizeof mark);
    return mark;
}

static struct person **person_find(struct bucket *b, const uint8_t *id)
{
    uint32_t mark = mark_of(id);
    for (size_t w = 0; w < WAYS; w++)
        if (b->way[w] && b->mark[w] == mark && memcmp(b->way[w]->id, id, ID_BYTES) == 0)
            return &b->way[w];
    return NULL;
}

static bool asked_before(struct bucket *b, const uint8_t *id)
{
    uint32_t mark = mark_of(id);
    for (size_t w = 0; w < ASKED; w++)
        if (b->asked[w] == mark)
            return true;
    b->asked[b->asked_hand] = mark;
    b->asked_hand = (uint8_t)((b->asked_hand + 1) % ASKED);
    return false;
}

static void record(struct store_memo *m, enum kind k, struct store_rows *rows)
{
    rows->taking = ++m->taking;
    m->kind = k;
    m->n_cells = m->n_bytes = m->n_rows = 0;
}

/* Whose row is it? Its own statement is served only while nothing at all has changed. */
static struct result *serve_person(struct store_memo *m, const struct store_arg *args,
                                   struct store_rows *rows)
{
    m->now = NULL;
    m->card_len = 0;
    if (args[0].s.len != ID_BYTES)
        return NULL;
    struct bucket *b = bucket_of(m, args[0].s.p);
    struct person **place = person_find(b, args[0].s.p);
    if (place && (*place)->stamp == m->stamp) {
        m->now = *place;
        m->now->used = true;
        return m->now->of[KIND_PERSON];
    }
    if (place || asked_before(b, args[0].s.p)) {
        memcpy(m->id, args[0].s.p, ID_BYTES);
        record(m, KIND_PERSON, rows);
    }
    return NULL;
}

/* Of the person whose row was read last. */
static struct result *serve_card(struct store_memo *m, enum kind k, const struct store_arg *args)
{
    struct span card = span_of(m->card, m->card_len);
    struct result *r = m->shown;
    size_t n_rows = 1;
    bool on_it = m->card_len && args[0].i == m->card_sid;
    if (on_it && k == KIND_USES)
        on_it = card_uses(card, args[1].s, r->cell);
    else if (on_it)
        on_it = k == KIND_CONSENTS && card_consents(card, r->cell, CELLS_MAX, &n_rows);
    if (!on_it)
        return NULL;
    r->n_rows = (uint32_t)n_rows;
    r->n_columns = (uint32_t)strlen(store_query_out(k == KIND_USES ? Q_SERVICE_USES : Q_CONSENT_HELD));
    return r;
}

static struct result *serve_other(struct store_memo *m, enum kind k, const struct store_arg *args, size_t n,
                                  struct store_rows *rows)
{
    if (!m->now || args[0].i != m->now->sid)
        return serve_card(m, k, args);
    struct result *r = m->now->of[k];
    struct span key = n > 1 ? args[1].s : SPAN_EMPTY;
    if (r && span_eq(r->key, key))
        return r;
    if (key.len > BYTES_MAX / 2)
        return NULL;
    record(m, k, rows);
    if (key.len)
        memcpy(m->byte, key.p, key.len);
    m->key = span_of(m->byte, key.len);
    m->n_bytes = key.len;
    return NULL;
}

bool memo_serve(struct store *st, enum store_query_id q, const struct store_arg *args, size_t n,
                struct store_rows *rows)
{
    struct store_memo *m = st->memo;
    enum kind k = (enum kind)kind_of[q];
    if (k == KIND_NONE || !m || !st->snapshot)
        return false;
    /* What other rows point to must not move while they are read. */
    if (st->open_rows) {
        m->now = NULL;
        return false;
    }
    struct result *r = k == KIND_PERSON ? serve_person(m, args, rows) : serve_other(m, k, args, n, rows);
    m->served += r != NULL;
    m->read += r == NULL;
    if (!r)
        return false;
    rows->stmt = r;
    rows->row = -1;
    rows->kept = true;
    return true;
}

bool memo_next(struct store_rows *rows)
{
    const struct result *r = rows->stmt;
    if (++rows->row >= (int)r->n_rows)
        return false;
    rows->cell = &r->cell[(size_t)rows->row * r->n_columns];
    return true;
}

/* ---- Taking in */

/* Not while other rows are open: they may point into the card that is there. */
static void card_take(struct store_memo *m, const struct store_rows *rows)
{
    struct span card = store_t(rows, COLUMN_CARD);
    if (rows->st->open_rows > 1)
        return;
    m->card_len = card.len <= CARD_MAX ? card.len : 0;
    m->card_sid = store_i(rows, COLUMN_SID);
    if (m->card_len)
        memcpy(m->card, card.p, m->card_len);
}

void memo_row(struct store_rows *rows)
{
    struct store_memo *m = rows->st->memo;
    if (m && rows->st->snapshot && rows->q == Q_SUBJECT_GET)
        card_take(m, rows);
    if (!m || !rows->taking || rows->taking != m->taking)
        return;
    for (size_t i = 0, n = strlen(store_query_out(rows->q)); i < n; i++) {
        struct span s = SPAN_EMPTY;
        bool number = sqlite3_value_type(rows->value[i]) == SQLITE_INTEGER;
        if (!number)
            s = store_t(rows, (unsigned)i);
        if (m->n_cells == CELLS_MAX || s.len > BYTES_MAX - m->n_bytes) {
            rows->taking = 0; /* too much of one person */
            return;
        }
        /* p is a place in `byte` until the result has its own. */
        m->cell[m->n_cells++] =
            (struct store_cell){.i = number ? store_i(rows, (unsigned)i) : (int64_t)m->n_bytes,
                                .len = s.len,
                                .number = number,
                                .null = store_is_null(rows, (unsigned)i)};
        if (s.len)
            memcpy(m->byte + m->n_bytes, s.p, s.len);
        m->n_bytes += s.len;
    }
    m->n_rows++;
}

static struct result *result_make(struct store_memo *m, enum store_query_id q)
{
    size_t cells = m->n_cells * sizeof *m->cell, size = sizeof(struct result) + cells + m->n_bytes;
    struct result *r = malloc(size);
    if (!r)
        abort();
    uint8_t *bytes = (uint8_t *)r->cell + cells;
    *r =
        (struct result){.size = size, .n_rows = m->n_rows, .n_columns = (uint32_t)strlen(store_query_out(q))};
    memcpy(bytes, m->byte, m->n_bytes);
    for (size_t i = 0; i < m->n_cells; i++) {
        r->cell[i] = m->cell[i];
        if (!r->cell[i].number) {
            r->cell[i].p = bytes + r->cell[i].i;
            r->cell[i].i = 0;
        }
    }
    r->key = m->kind == KIND_PERSON ? SPAN_EMPTY : span_of(bytes, m->key.len);
    m->bytes += size;
    return r;
}

/* The person's place, what was read of them with another epoch taken away. */
static struct person *person_take(struct store_memo *m, int64_t sid, int64_t epoch)
{
    struct bucket *b = bucket_of(m, m->id);
    struct person **place = person_find(b, m->id);
    if (!place) {
        place = &b->way[b->hand];
        b->mark[b->hand] = mark_of(m->id);
        b->hand = (uint8_t)((b->hand + 1) % WAYS);
        person_drop(m, place);
        *place = calloc(1, sizeof **place);
        if (!*place)
            abort();
        memcpy((*place)->id, m->id, ID_BYTES);
        m->bytes += sizeof **place;
        m->n++;
    }
    struct person *p = *place;
    for (enum kind k = KIND_PERSON; k < KINDS && (p->sid != sid || p->epoch != epoch); k++)
        result_drop(m, p, k);
    p->sid = sid;
    p->epoch = epoch;
    p->stamp = m->stamp;
    p->used = true;
    return p;
}

static void person_gone(struct store_memo *m)
{
    struct person **place = person_find(bucket_of(m, m->id), m->id);
    if (place)
        person_drop(m, place);
}

/* A statement that gives one row at most is not asked for what is behind it. */
void memo_done(struct store_rows *rows, bool all)
{
    struct store_memo *m = rows->st->memo;
    bool mine = rows->taking && rows->taking == m->taking;
    rows->taking = 0;
    if (!mine)
        return;
    bool one = m->kind == KIND_PERSON || m->kind == KIND_USES;
    if (one && m->n_rows != 1) {
        if (m->kind == KIND_PERSON)
            person_gone(m);
        return; /* nobody, or no relation: not kept, it is hardly asked twice */
    }
    if ((!one && !all) || (m->kind != KIND_PERSON && !m->now))
        return;
    if (m->kind == KIND_PERSON)
        m->now = person_take(m, m->cell[COLUMN_SID].i, m->cell[COLUMN_EPOCH].i);
    result_drop(m, m->now, m->kind);
    m->now->of[m->kind] = result_make(m, rows->q);
}
