// SPDX-License-Identifier: Apache-2.0
/* Cards: what a read asks of a person, once more in the person's row. */
#define _GNU_SOURCE
#include "store_people.h"

#include "file.h"
#include "store_card.h"
#include "text.h"

#include <stdlib.h>
#include <unistd.h>

static struct store *reader;
static uint64_t by_cards; /* statements answered without the tables */

/* Anew for each question: whoever is asked for again is kept, and no card is needed (test_memo.c). */
static struct store *reader_new(void)
{
    struct store *st;
    if (store_open(scratch_dir, STORE_READ, &st, &f) != OK)
        abort();
    store_memo(st, 1 << 20);
    return st;
}

/* Its length; 0: there is none. */
static size_t card_of(int64_t p, uint8_t out[CARD_MAX])
{
    struct store_rows rows;
    size_t len = 0;
    struct store *st = reader_new();
    EXPECT_INT(store_begin_read(st, &f), OK);
    if (store_one(st, Q_SUBJECT_GET, ARGS(ARG_B(id_of(p))), &rows, &f)) {
        struct span card = store_t(&rows, 7);
        len = card.len;
        if (len)
            memcpy(out, card.p, len);
    }
    store_done(&rows);
    store_end_read(st);
    store_close(st);
    return len;
}

static void put_number(struct text *t, int64_t n)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld ", (long long)n);
    text_str(t, digits);
}

static void put_quoted(struct text *t, struct span s)
{
    text_char(t, '[');
    text_put(t, s);
    text_str(t, "] ");
}

static void put(struct text *t, const struct store_rows *rows)
{
    const char *types = store_query_out(rows->q);
    for (unsigned i = 0; types[i]; i++) {
        if (types[i] == 'i')
            put_number(t, store_i(rows, i));
        else
            put_quoted(t, store_t(rows, i));
    }
    text_char(t, '\n');
}

/* What a request is told, by the card where there is one (`by_card`), else by the tables. */
static struct span told(struct arena *a, int64_t p, const char *service, bool by_card)
{
    struct store *st = by_card ? reader_new() : scratch_st;
    struct text t = text_new(a, 256);
    struct store_rows rows;
    EXPECT_INT(store_begin_read(st, &f), OK);
    store_one(st, Q_SUBJECT_GET, ARGS(ARG_B(id_of(p))), &rows, &f);
    store_done(&rows);
    if (store_one(st, Q_SERVICE_USES, ARGS(ARG_I(p), ARG_T(span_str(service))), &rows, &f))
        put(&t, &rows);
    store_done(&rows);
    EXPECT_INT(store_query(st, Q_CONSENT_HELD, ARGS(ARG_I(p)), &rows, &f), OK);
    while (store_next(&rows, &f))
        put(&t, &rows);
    store_done(&rows);
    store_end_read(st);
    if (by_card) {
        by_cards += store_memo_stats(st).served;
        store_close(st);
    }
    return text_span(&t);
}

static void expect_same(int64_t p)
{
    static const char *const services[] = {"shop", "games", "mail"};
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < 3; i++)
        EXPECT(span_eq(told(a, p, services[i], true), told(a, p, services[i], false)));
    arena_free(a);
}

/* ---- */

static bool writes_to(const char *sql, const char *table)
{
    static const char *const how[] = {"INSERT INTO ", "DELETE FROM ", "UPDATE "};
    char text[64];
    bool does = false;
    for (size_t i = 0; i < 3; i++) {
        size_t n = (size_t)snprintf(text, sizeof text, "%s%s", how[i], table);
        const char *at = strstr(sql, text);
        does |= at && (at[n] == ' ' || at[n] == 0);
    }
    return does;
}

/* A statement that were forgotten there would leave cards that say what is no longer so. */
TEST(every_statement_that_changes_what_is_on_a_card_is_marked)
{
    int n = 0;
    for (int i = 0; i < Q_COUNT; i++) {
        enum store_query_id q = (enum store_query_id)i;
        const char *sql = store_query_sql(q);
        bool does =
            writes_to(sql, "subject_service") || writes_to(sql, "consent_event") || writes_to(sql, "hold");
        EXPECT_INT(card_marks(q), does);
        if (card_marks(q) != does)
            printf("  %s\n", store_query_name(q));
        if (!does)
            continue;
        n++;
        EXPECT_INT(store_query_in(q)[0], 'i'); /* whose: and by store_run, which marks */
        EXPECT(strstr(sql, "WHERE sid = $1") || strstr(sql, " (sid, "));
        EXPECT_SPAN(span_str(store_query_out(q)), "");
    }
    EXPECT_INT(n, 7);
}

/* Another list of columns is another version of cards. */
TEST(what_is_on_a_card_is_of_this_version)
{
    EXPECT_INT(CARD_VERSION, 1);
    EXPECT_SPAN(span_str(store_query_out(Q_CONSENT_HELD)), "iiittttttiiit");
    EXPECT(strstr(store_query_sql(Q_CONSENT_HELD),
                  "SELECT kind, state, actor, name, purpose, party, service, device,"
                  " topic, time, until, revision, fields FROM"));
}

TEST(a_card_says_what_the_tables_say)
{
    scratch_open();
    scratch_begin();
    person(1);
    uses(1, "shop", 7);
    uses(1, "mail", INT64_MAX);
    consent(1, 1, SPAN("group"), INT64_MIN);
    consent(1, 2, SPAN("\xe4\xb8\xad\xe6\x96\x87 name"), -1);
    consent(1, 3, SPAN(""), 4611686018427387903);
    person(2);
    scratch_commit();
    uint64_t before = by_cards;
    expect_same(1);
    EXPECT(by_cards > before);
    scratch_begin();
    uses(2, "games", -7);
    scratch_commit();
    expect_same(2);
    scratch_begin();
    run(Q_SERVICE_LEFT, ARGS(ARG_I(1), ARG_T(SPAN("shop"))));
    consent(2, 1, SPAN("group"), 0);
    scratch_commit();
    expect_same(1);
    expect_same(2);
    scratch_begin();
    run(Q_ERASE_SERVICES, ARGS(ARG_I(2)));
    run(Q_ERASE_CONSENTS, ARGS(ARG_I(1)));
    scratch_commit();
    expect_same(1);
    expect_same(2);
    scratch_close();
}

/* Each value that comes says once more that the service is used. */
TEST(what_changes_nothing_makes_no_card)
{
    scratch_open();
    scratch_begin();
    person(1);
    uses(1, "shop", 7);
    scratch_commit();
    scratch_begin();
    uses(1, "shop", 8);
    EXPECT_INT(scratch_st->n_carded, 0);
    uses(1, "mail", 8);
    uses(1, "games", 8);
    EXPECT_INT(scratch_st->n_carded, 1);
    scratch_commit();
    EXPECT_INT(scratch_st->n_carded, 0);
    expect_same(1);
    scratch_close();
}

TEST(a_service_that_is_not_on_the_card_is_looked_up)
{
    struct arena *a = arena_new(0);
    scratch_open();
    scratch_begin();
    person(1);
    uses(1, "shop", 7);
    scratch_commit();
    EXPECT_INT(store_file_exec(&scratch_st->file[STORE_MAIN],
                               "INSERT INTO subject_service VALUES (1, 'games', 9)", &f),
               OK);
    EXPECT_SPAN(told(a, 1, "games", true), "9 0 \n");
    scratch_close();
    arena_free(a);
}

TEST(who_has_something_held_has_no_card)
{
    uint8_t card[CARD_MAX];
    struct arena *a = arena_new(0);
    scratch_open();
    scratch_begin();
    person(1);
    uses(1, "shop", 7);
    scratch_commit();
    EXPECT(card_of(1, card) > 0);
    scratch_begin();
    run(Q_HOLD_PUT, ARGS(ARG_I(1), ARG_T(SPAN("phone")), ARG_T(SPAN("law")), ARG_I(1), ARG_I(9)));
    scratch_commit();
    EXPECT_INT(card_of(1, card), 0);
    EXPECT_SPAN(told(a, 1, "shop", true), "7 1 \n");
    scratch_begin();
    run(Q_ERASE_HOLDS, ARGS(ARG_I(1)));
    scratch_commit();
    EXPECT(card_of(1, card) > 0);
    EXPECT_SPAN(told(a, 1, "shop", true), "7 0 \n");
    scratch_close();
    arena_free(a);
}

TEST(who_has_too_much_for_a_card_has_none)
{
    uint8_t card[CARD_MAX];
    char name[CARD_MAX];
    memset(name, 'n', sizeof name);
    scratch_open();
    scratch_begin();
    person(1);
    person(2);
    uses(1, "shop", 7);
    uses(2, "shop", 7);
    consent(2, 1, span_of(name, sizeof name), 0);
    scratch_commit();
    EXPECT_INT(card_of(2, card), 0);
    expect_same(2);
    size_t len = card_of(1, card), seq = 0;
    while (len && seq < 100) {
        scratch_begin();
        consent(1, (int64_t)++seq, SPAN("group"), 4611686018427387903);
        scratch_commit();
        expect_same(1);
        size_t now = card_of(1, card);
        EXPECT(now > len || !now);
        len = now;
    }
    EXPECT(seq > 5 && seq < 20);
    scratch_close();
}

/* The longest that has room, to the byte. */
TEST(a_card_may_be_full)
{
    uint8_t card[CARD_MAX];
    char name[CARD_MAX];
    size_t longest = 0;
    memset(name, 'n', sizeof name);
    scratch_open();
    for (size_t len = CARD_MAX - 80; len <= CARD_MAX - 50; len++) {
        scratch_begin();
        person(1);
        uses(1, "shop", 7);
        consent(1, 1, span_of(name, len), 0);
        scratch_commit();
        size_t now = card_of(1, card);
        longest = now > longest ? now : longest;
        expect_same(1);
        scratch_begin();
        run(Q_ERASE_SERVICES, ARGS(ARG_I(1)));
        run(Q_ERASE_CONSENTS, ARGS(ARG_I(1)));
        EXPECT_INT(store_file_exec(&scratch_st->file[STORE_MAIN], "DELETE FROM subject", &f), OK);
        scratch_commit();
    }
    EXPECT_INT(longest, CARD_MAX);
    scratch_close();
}

TEST(what_was_undone_is_on_no_card)
{
    struct arena *a = arena_new(0);
    scratch_open();
    scratch_begin();
    person(1);
    uses(1, "shop", 7);
    EXPECT_INT(store_savepoint(scratch_st, &f), OK);
    uses(1, "games", 8);
    consent(1, 1, SPAN("group"), 0);
    store_savepoint_undo(scratch_st);
    scratch_commit();
    expect_same(1);
    EXPECT_SPAN(told(a, 1, "shop", true), "7 0 \n");
    scratch_begin();
    consent(1, 1, SPAN("group"), 0);
    store_rollback(scratch_st);
    scratch_begin();
    scratch_commit();
    EXPECT_SPAN(told(a, 1, "shop", true), "7 0 \n");
    scratch_close();
    arena_free(a);
}

/* A reader's snapshot has the card of its time. */
TEST(a_card_is_of_the_snapshot)
{
    struct store_rows rows;
    scratch_open();
    reader = reader_new();
    scratch_begin();
    person(1);
    uses(1, "shop", 7);
    scratch_commit();
    EXPECT_INT(store_begin_read(reader, &f), OK);
    scratch_begin();
    consent(1, 1, SPAN("group"), 0);
    scratch_commit();
    EXPECT(store_one(reader, Q_SUBJECT_GET, ARGS(ARG_B(id_of(1))), &rows, &f));
    store_done(&rows);
    EXPECT(!store_one(reader, Q_CONSENT_HELD, ARGS(ARG_I(1)), &rows, &f));
    store_done(&rows);
    store_end_read(reader);
    store_close(reader);
    expect_same(1);
    scratch_close();
}

/* Whose row is read between two rows of another's card changes nothing of that card. */
TEST(a_card_that_is_being_read_stays)
{
    struct store_rows rows, other;
    scratch_open();
    scratch_begin();
    person(1);
    uses(1, "shop", 7);
    consent(1, 1, SPAN("first"), 0);
    consent(1, 2, SPAN("second"), 0);
    person(2);
    uses(2, "games", 8);
    consent(2, 1, SPAN("another, and long enough to lie upon both"), 0);
    scratch_commit();
    reader = reader_new();
    EXPECT_INT(store_begin_read(reader, &f), OK);
    EXPECT(store_one(reader, Q_SUBJECT_GET, ARGS(ARG_B(id_of(1))), &rows, &f));
    store_done(&rows);
    EXPECT_INT(store_query(reader, Q_CONSENT_HELD, ARGS(ARG_I(1)), &rows, &f), OK);
    EXPECT(store_next(&rows, &f));
    EXPECT(store_one(reader, Q_SUBJECT_GET, ARGS(ARG_B(id_of(2))), &other, &f));
    store_done(&other);
    EXPECT_SPAN(store_t(&rows, 3), "first");
    EXPECT(store_next(&rows, &f));
    EXPECT_SPAN(store_t(&rows, 3), "second");
    store_done(&rows);
    EXPECT(store_one(reader, Q_CONSENT_HELD, ARGS(ARG_I(2)), &rows, &f));
    EXPECT_SPAN(store_t(&rows, 3), "another, and long enough to lie upon both");
    store_done(&rows);
    store_end_read(reader);
    store_close(reader);
    scratch_close();
}

/* True if the memory that `at` lies in holds the text. */
static bool mapping_holds(const void *at, const char *text)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long from, to, want = (unsigned long)at;
    char line[512];
    bool found = false, holds = false;
    while (maps && !found && fgets(line, sizeof line, maps))
        found = sscanf(line, "%lx-%lx", &from, &to) == 2 && from <= want && want < to;
    EXPECT(found);
    if (found)
        holds = memmem((const void *)from, to - from, text, strlen(text)) != NULL;
    if (maps)
        fclose(maps);
    return holds;
}

/* docs/security.md: the first read after a key was destroyed wipes what was kept. */
TEST(of_the_erased_no_card_stays_in_memory)
{
    struct store_rows rows;
    scratch_open();
    scratch_begin();
    person(1);
    consent(1, 1, SPAN("name-of-the-erased"), 0);
    scratch_commit();
    reader = reader_new();
    for (int i = 0; i < 3; i++) { /* from the card, then kept */
        EXPECT_INT(store_begin_read(reader, &f), OK);
        EXPECT(store_one(reader, Q_SUBJECT_GET, ARGS(ARG_B(id_of(1))), &rows, &f));
        store_done(&rows);
        EXPECT_INT(store_query(reader, Q_CONSENT_HELD, ARGS(ARG_I(1)), &rows, &f), OK);
        EXPECT(store_next(&rows, &f) && !store_next(&rows, &f));
        store_end_read(reader);
    }
    EXPECT(mapping_holds(reader->memo, "name-of-the-erased"));
    scratch_begin();
    run(Q_ERASE_CONSENTS, ARGS(ARG_I(1)));
    run(Q_ERASE_SUBJECT, ARGS(ARG_B(id_of(1))));
    store_forget_key(scratch_st, id_of(1), NULL, NULL);
    scratch_commit();
    EXPECT_INT(store_begin_read(reader, &f), OK);
    store_end_read(reader);
    EXPECT(!mapping_holds(reader->memo, "name-of-the-erased"));
    store_close(reader);
    scratch_close();
}

/* ---- Whatever is done, in any order */

static uint32_t seed;

static uint32_t any(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

enum { PERSONS = 5 };
static int64_t seqs; /* of consents: never twice */

/* The statements that mark, as many consents as leave no room for a card, and what takes the row itself. */
static void change_one(int64_t p)
{
    static const char *const services[] = {"shop", "games", "mail"};
    switch (any(9)) {
    case 0:
        run(Q_SERVICE_LEFT, ARGS(ARG_I(p), ARG_T(span_str(services[any(3)]))));
        return;
    case 1:
        run(Q_HOLD_PUT, ARGS(ARG_I(p), ARG_T(SPAN("phone")), ARG_T(SPAN("law")), ARG_I(1), ARG_I(9)));
        return;
    case 2:
        run(Q_ERASE_HOLDS, ARGS(ARG_I(p)));
        return;
    case 3:
        run(Q_ERASE_CONSENTS, ARGS(ARG_I(p)));
        return;
    case 4:
        run(Q_ERASE_SERVICES, ARGS(ARG_I(p)));
        return;
    case 5:
        run(Q_ERASE_SERVICES, ARGS(ARG_I(p)));
        run(Q_ERASE_SUBJECT, ARGS(ARG_B(id_of(p))));
        person(p);
        uses(p, "shop", 1); /* who registers uses a service */
        return;
    case 6:
        uses(p, services[any(3)], any(100));
        return;
    default:
        consent(p, ++seqs, SPAN("group"), any(100));
    }
}

static void change_some(unsigned depth)
{
    for (uint32_t n = any(6); n > 0; n--)
        change_one(1 + any(PERSONS));
    if (depth == 2 || any(2))
        return;
    EXPECT_INT(store_savepoint(scratch_st, &f), OK);
    change_some(depth + 1);
    if (any(2))
        store_savepoint_undo(scratch_st);
    else
        store_savepoint_keep(scratch_st);
}

static int64_t number(const char *sql)
{
    int64_t n = -1;
    EXPECT_INT(store_file_number(&scratch_st->file[STORE_MAIN], sql, &n, &f), OK);
    return n;
}

TEST(no_card_is_ever_older_than_the_tables)
{
    int64_t with = 0, without = 0;
    seed = 7;
    scratch_open();
    scratch_begin();
    for (int64_t p = 1; p <= PERSONS; p++) {
        person(p);
        uses(p, "shop", 1);
    }
    scratch_commit();
    for (int i = 0; i < 300; i++) {
        scratch_begin();
        change_some(0);
        if (any(8))
            scratch_commit();
        else
            store_rollback(scratch_st);
        EXPECT_INT(number("SELECT COUNT(*) FROM subject WHERE card IS NOT person_card(sid)"), 0);
        with += number("SELECT COUNT(card) FROM subject");
        without += number("SELECT COUNT(*) - COUNT(card) FROM subject");
    }
    EXPECT(with > 300 && without > 300);
    scratch_close();
}

/* Cards are made at the commit: a disk that is full only then takes the whole group back. */
TEST(a_card_that_has_no_room_takes_the_group_back)
{
    char name[400];
    memset(name, 'n', sizeof name);
    scratch_open();
    struct store_file *main = &scratch_st->file[STORE_MAIN];
    scratch_begin();
    for (int64_t p = 1; p <= 40; p++) {
        person(p);
        consent(p, 1, span_of(name, sizeof name), 0);
    }
    scratch_commit();
    EXPECT_INT(store_file_exec(main, "UPDATE subject SET card = NULL; VACUUM", &f), OK);
    scratch_begin();
    for (int64_t p = 1; p <= 40; p++)
        uses(p, "mail", 1);
    EXPECT_INT(number("PRAGMA max_page_count = 1") > 1, true); /* what there is, and not a page more */
    EXPECT_INT(store_commit(scratch_st, &f), ERR_DISK_FULL);
    EXPECT(strstr(f.detail, "cannot write a person's card") != NULL);
    f = (struct fail){0};
    number("PRAGMA max_page_count = 1000000");
    EXPECT_INT(number("SELECT COUNT(*) FROM subject_service"), 0);
    scratch_begin();
    scratch_commit();
    EXPECT_INT(number("SELECT COUNT(card) FROM subject"), 0); /* of that group nothing is left */
    expect_same(1);
    scratch_begin();
    uses(1, "mail", 1);
    scratch_commit();
    EXPECT_INT(number("SELECT COUNT(card) FROM subject"), 1);
    expect_same(1);
    scratch_close();
}

/* Cut anywhere, or with any byte changed, it leads to no more than another answer of the same shape. */
TEST(a_damaged_card_is_none)
{
    uint8_t card[CARD_MAX], cut[CARD_MAX];
    struct store_cell cell[64];
    size_t n_rows;
    scratch_open();
    scratch_begin();
    person(1);
    uses(1, "shop", 7);
    consent(1, 1, SPAN("group"), 0);
    scratch_commit();
    size_t len = card_of(1, card);
    EXPECT(card_consents(span_of(card, len), cell, 64, &n_rows));
    EXPECT_INT(n_rows, 1);
    EXPECT(!card_consents(span_of(card, len), cell, 12, &n_rows)); /* no room for thirteen columns */
    for (size_t i = 0; i < len; i++) {
        uint8_t *exact = malloc(i ? i : 1); /* the sanitizer sees a byte too far */
        memcpy(exact, card, i);
        EXPECT(!card_consents(span_of(exact, i), cell, 64, &n_rows));
        card_uses(span_of(exact, i), SPAN("shop"), cell);
        free(exact);
    }
    for (size_t i = 0; i < len; i++) {
        memcpy(cut, card, len);
        for (int v = 0; v < 256; v++) {
            cut[i] = (uint8_t)v;
            if (card_consents(span_of(cut, len), cell, 64, &n_rows))
                EXPECT(n_rows <= 4);
        }
    }
    EXPECT_INT(store_file_exec(&scratch_st->file[STORE_MAIN], "UPDATE subject SET card = x'0103'", &f), OK);
    expect_same(1);
    EXPECT_INT(store_file_exec(&scratch_st->file[STORE_MAIN], "UPDATE subject SET card = zeroblob(5000)", &f),
               OK);
    expect_same(1);
    scratch_close();
}

TEST(migration_11_makes_the_cards_of_who_is_there)
{
    uint8_t card[CARD_MAX];
    scratch_open();
    scratch_begin();
    person(1);
    uses(1, "shop", 7);
    consent(1, 1, SPAN("group"), 0);
    person(2);
    person(3);
    uses(3, "shop", 9);
    run(Q_HOLD_PUT, ARGS(ARG_I(3), ARG_T(SPAN("phone")), ARG_T(SPAN("law")), ARG_I(1), ARG_I(9)));
    scratch_commit();
    struct store_file *main = &scratch_st->file[STORE_MAIN];
    EXPECT_INT(store_file_exec(main, "ALTER TABLE subject DROP COLUMN card; PRAGMA user_version = 10", &f),
               OK);
    EXPECT_INT(store_schema_migrate(main, store_sql, store_sql_count, true, &f), OK);
    EXPECT(card_of(1, card) > 0);
    EXPECT(card_of(2, card) > 0);
    EXPECT_INT(card_of(3, card), 0);
    uint64_t before = by_cards;
    expect_same(1);
    EXPECT(by_cards > before);
    expect_same(2);
    expect_same(3);
    scratch_close();
}

UNIT_MAIN(CASE(every_statement_that_changes_what_is_on_a_card_is_marked),
          CASE(what_is_on_a_card_is_of_this_version), CASE(a_card_says_what_the_tables_say),
          CASE(what_changes_nothing_makes_no_card), CASE(a_service_that_is_not_on_the_card_is_looked_up),
          CASE(who_has_something_held_has_no_card), CASE(who_has_too_much_for_a_card_has_none),
          CASE(a_card_may_be_full), CASE(what_was_undone_is_on_no_card), CASE(a_card_is_of_the_snapshot),
          CASE(a_card_that_is_being_read_stays), CASE(of_the_erased_no_card_stays_in_memory),
          CASE(no_card_is_ever_older_than_the_tables), CASE(a_card_that_has_no_room_takes_the_group_back),
          CASE(a_damaged_card_is_none), CASE(migration_11_makes_the_cards_of_who_is_there))
