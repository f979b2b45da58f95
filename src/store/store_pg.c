// SPDX-License-Identifier: Apache-2.0
/* One PostgreSQL connection: see store_pg.h. */
#define _GNU_SOURCE
#include "store_pg_impl.h"

#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

int64_t pg_monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *no_name(const struct store_pg *pg)
{
    return pg->which == STORE_KEYS ? "the keys' database" : "the database";
}

/* Of a URL whose password holds a '/' (as it is, not as %2F) libpq takes the rest for the database's name. */
const char *pg_name(const struct store_pg *pg)
{
    const char *db = pg->c ? PQdb(pg->c) : NULL;
    return db && db[0] && !strpbrk(db, "@:/") ? db : no_name(pg);
}

/* ---- Failures */

static const struct {
    const char *state; /* SQLSTATE, or its class (two letters) */
    enum err code;
    const char *hint;
} states[] = {
    {"23505", ERR_CONFLICT, ""},
    {"40001", ERR_BUSY, "another daemon changed the same; try again"},
    {"40P01", ERR_BUSY, "another daemon changed the same; try again"},
    {"53100", ERR_DISK_FULL, "make room on the disk of the database server; nothing was half written"},
    {"53", ERR_BUSY, "the database server is at its limits; try again"},
    {"57", ERR_BUSY, "the database server is stopping or starting; try again"},
    {"08", ERR_BUSY, "the connection to the database server was lost; try again"},
    {"25006", ERR_BUSY, "this server only reads: it is a replica; try again when the switch-over is done"},
    {"28", ERR_IO, "let the role of the URL log in: check its name, its password and pg_hba.conf"},
    {"3D", ERR_IO, "make the database first: createdb"},
    {"42501", ERR_IO,
     "give the role the right to create and use tables in this database, best by making it the owner: ALTER "
     "DATABASE … OWNER TO …"},
    {"XX", ERR_CORRUPT, "the database reports damage; see its own log"},
};

static size_t state_find(const char *state)
{
    size_t n = sizeof states / sizeof states[0], i = 0;
    while (i < n && strncmp(states[i].state, state, strlen(states[i].state)) != 0)
        i++;
    return i;
}

enum err pg_fail_state(const struct store_pg *pg, const char *state, const char *doing, struct fail *f)
{
    /* What a replica says of a transaction that writes; a pool may lead to one. */
    size_t i = state_find(pg->pooled && strcmp(state, "0A000") == 0 ? "25006" : state);
    bool known = i < sizeof states / sizeof states[0];
    enum err err = fail_set(f, known ? states[i].code : ERR_INTERNAL, "%s: cannot %s (SQLSTATE %s)",
                            pg_name(pg), doing, state);
    if (known && states[i].hint[0])
        fail_hint(f, "%s", states[i].hint);
    return err;
}

static enum err away(const struct store_pg *pg, struct fail *f)
{
    enum err err = fail_set(f, ERR_BUSY, "%s does not answer", pg_name(pg));
    fail_hint(f, "see that the database server runs and can be reached; nothing was half done, try again");
    return err;
}

/* A row that is there already: where it matters the insert is waited for (pg_statement), and this is no loss.
 * Of the others it can only be another daemon's from a moment ago: the group reads anew. */
static bool met(const char *state)
{
    return strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0 || strcmp(state, "23505") == 0;
}

static void lose(struct store_pg *pg, const char *state, const char *doing)
{
    if (pg->lost.code)
        return;
    if (PQstatus(pg->c) == CONNECTION_BAD)
        away(pg, &pg->lost);
    else
        pg_fail_state(pg, state, doing, &pg->lost);
    pg->met_another = met(state);
    pg->renew |= strcmp(state, "25006") == 0;
}

const struct fail *pg_lost(const struct store_pg *pg)
{
    return &pg->lost;
}

bool pg_met_another(const struct store_pg *pg)
{
    return pg->met_another;
}

/* ---- Connecting */

struct store_pg *pg_new(const char *url, enum store_db which)
{
    struct store_pg *pg = calloc(1, sizeof *pg);
    if (pg)
        pg->url = strdup(url);
    if (!pg || !pg->url)
        abort(); /* as the arena does: out of memory ends the process */
    pg->which = which;
    pg->wanted = -1;
    return pg;
}

void pg_close(struct store_pg *pg)
{
    if (!pg)
        return;
    if (pg->c)
        PQfinish(pg->c);
    free(pg->url);
    free(pg);
}

static void quiet(void *ctx, const char *message)
{
    (void)ctx, (void)message; /* notices would go to stderr */
}

#define LOGIN    "check the role and password of the URL (a password file ~/.pgpass is better), and pg_hba.conf"
#define SLOTS    "raise `max_connections` of the server"
#define URL_FORM "write it as postgresql://ROLE@HOST:PORT/DATABASE?OPTION=VALUE"

/* What libpq and the server say of a connection that did not come about; a state goes only with statements.
 * `answers`: the server said so itself, and who is in may stay.
 */
static const struct {
    const char *says, *detail, *hint;
    enum err code;
    bool answers;
} refusals[] = {
    {"translate host name", "the host of its URL is not known",
     "check the host of the URL, and that this machine can look its name up", ERR_BUSY, false},
    {"permission denied for database", "the server does not let the role into it",
     "let it connect: GRANT CONNECT ON DATABASE … TO …", ERR_IO, true},
    {"certificate", "the server's certificate was not accepted",
     "check `sslrootcert` of the URL, and that the certificate names the host of the URL", ERR_IO, false},
    {"pg_hba.conf", "the server refused the login",
     "pg_hba.conf of the server must let this role in from here, the way the URL asks (with TLS or without)",
     ERR_IO, true},
    {"does not support SSL", "the server offers no TLS, and the URL asks for it",
     "let the server offer it (`ssl = on`); without it anybody on the way reads along", ERR_IO, false},
    {"SSL", "no TLS connection came about", "check `sslmode` of the URL and the TLS settings of the server",
     ERR_IO, false},
    {"authentication", "the server refused the login", LOGIN, ERR_IO, true},
    {"password", "the server refused the login", LOGIN, ERR_IO, true},
    {"does not exist", "the server knows no such database or role", "make them first: createuser, createdb",
     ERR_IO, true},
    {"connection slots", "the server takes no more connections", SLOTS, ERR_BUSY, true},
    {"too many clients", "the server takes no more connections", SLOTS, ERR_BUSY, true},
    {"too many connections", "the server takes no more connections of this role or database",
     "raise the connection limit of the role or the database", ERR_BUSY, true},
    {"URI", "its URL is not understood", URL_FORM, ERR_IO, false},
    {"invalid", "its URL is not understood", URL_FORM, ERR_IO, false},
};

/* A URL may hold a password: libpq's own words are not repeated where they could show it. */
static enum err connect_failed(struct store_pg *pg, struct fail *f)
{
    const char *why = pg->c ? PQerrorMessage(pg->c) : "";
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (!strstr(why, refusals[i].says))
            continue;
        fail_hint(f, "%s", refusals[i].hint);
        pg->refused = refusals[i].answers;
        bool understood = strcmp(refusals[i].hint, URL_FORM) != 0;
        return fail_set(f, refusals[i].code, "%s: %s", understood ? pg_name(pg) : no_name(pg),
                        refusals[i].detail);
    }
    return away(pg, f);
}

enum err pg_check_version(int version, const char *name, struct fail *f)
{
    if (version >= PG_VERSION_MIN)
        return OK;
    fail_hint(f, "move the database to a newer server");
    return fail_set(f, ERR_IO, "%s: its server is PostgreSQL %d; troth needs %d or newer", name,
                    version / 10000, PG_VERSION_MIN / 10000);
}

/* What stays with the session; through a pool it goes with each transaction (pg_enter). bytea_output and the
 * rest do not matter: results are binary.
 * - A sequential scan of a small table would meet every other daemon's change of it (SERIALIZABLE).
 * - A bitmap of the few rows of a person costs more than going to them.
 * - Statements are short and prepared once: planned anew, or compiled, that would be most of what they cost.
 * - A server notices within ten seconds that this machine is gone, with what its transactions had locked. */
static const char SETTINGS[] =
    "SET synchronous_commit = on; SET client_min_messages = error; SET enable_seqscan = off;"
    "SET enable_bitmapscan = off;"
    "SET idle_in_transaction_session_timeout = 60000;"
    "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 5;"
    "SET tcp_user_timeout = 10000; SET plan_cache_mode = force_generic_plan; SET jit = off";
static const char *const settings_local[] = {"SET LOCAL synchronous_commit = on",
                                             "SET LOCAL enable_seqscan = off",
                                             "SET LOCAL idle_in_transaction_session_timeout = 60000"};

/* Who answers: a pool tells process numbers of its own; a replica is no place to write, and what is read
 * there may be over. */
static enum err recognise(struct store_pg *pg, struct fail *f)
{
    PGresult *r = pg_exec(pg, "SELECT pg_backend_pid(), pg_is_in_recovery()::int");
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1;
    bool reads = ok && PQgetvalue(r, 0, 1)[0] == '1';
    pg->pooled = ok && atoi(PQgetvalue(r, 0, 0)) != PQbackendPID(pg->c);
    PQclear(r);
    if (!ok)
        return away(pg, f);
    return reads && !pg->aside ? pg_fail_state(pg, "25006", "be used", f) : OK;
}

static enum err settle(struct store_pg *pg, struct fail *f)
{
    enum err err = recognise(pg, f);
    PGresult *r = err == OK && !pg->pooled ? pg_exec(pg, SETTINGS) : NULL;
    bool ok = err == OK && (pg->pooled || PQresultStatus(r) == PGRES_COMMAND_OK);
    PQclear(r);
    if (err == OK && (!ok || PQenterPipelineMode(pg->c) != 1))
        err = away(pg, f);
    return err;
}

/* ---- What all connections of the process know of a server */

static atomic_bool unreachable[STORE_DB_COUNT], suspected[STORE_DB_COUNT], deaf, probed;
static atomic_bool silent; /* the keys' server, when the prober looked last */

bool pg_unreachable(enum store_db which)
{
    return atomic_load(&unreachable[which]);
}

bool pg_doubtful(enum store_db which)
{
    return pg_unreachable(which) || atomic_load(&suspected[which]) ||
           (which == STORE_KEYS && atomic_load(&silent));
}

void pg_probed(bool on)
{
    atomic_store(&probed, on);
}

/* The prober found the keys' server away: whoever asks it is told so at once, and whoever waits for it waits
 * no longer. That a statement took too long, or that the server lets nobody new in, does not say so: others'
 * connections may do well. Of the people's server the ear knows (pg_deaf), and everything needs it. */
static bool given_up(const struct store_pg *pg)
{
    return pg->which == STORE_KEYS && !pg->probes && atomic_load(&probed) && atomic_load(&silent);
}

static void suspect(const struct store_pg *pg, int64_t since)
{
    if (pg->which == STORE_KEYS && !pg->probes && pg_monotonic_ms() - since >= PG_SUSPECT_MS)
        atomic_store(&suspected[pg->which], true);
}

void pg_deaf(bool is)
{
    atomic_store(&deaf, is);
}

void pg_renew(struct store_pg *pg)
{
    pg->renew = true;
}

void pg_impatient(struct store_pg *pg)
{
    pg->impatient = true;
}

bool pg_stands(const struct store_pg *pg)
{
    return PQstatus(pg->c) == CONNECTION_OK && !pg->renew && !pg_unreachable(pg->which);
}

static enum err connect_now(struct store_pg *pg, struct fail *f);

enum err pg_connect(struct store_pg *pg, struct fail *f)
{
    enum err err = pg_lib_open(f);
    if (err == OK) {
        err = connect_now(pg, f);
        atomic_store(&unreachable[pg->which], err != OK);
    }
    if (err != OK && pg->c) { /* what is not ours to use is not to be taken for one that is */
        PQfinish(pg->c);
        pg->c = NULL;
    }
    return err;
}

/* What stands before the URL the URL may say otherwise. A link that swallows everything is noticed by what
 * was sent and not acknowledged, and by silence. */
static enum err connect_now(struct store_pg *pg, struct fail *f)
{
    const struct {
        const char *key, *value;
    } options[] = {{"keepalives_idle", "5"},
                   {"keepalives_interval", "1"},
                   {"keepalives_count", "5"},
                   {"tcp_user_timeout", "5000"},
                   {"dbname", NULL},
                   {"connect_timeout", pg->probes ? PG_PROBE_S : PG_CONNECT_S},
                   {"application_name", "troth"},
                   {"client_encoding", "UTF8"}};
    enum { N = sizeof options / sizeof options[0] };
    const char *keys[N + 1] = {NULL}, *values[N + 1] = {NULL};
    for (size_t i = 0; i < N; i++) {
        keys[i] = options[i].key;
        values[i] = options[i].value ? options[i].value : pg->url;
    }
    PQfinish(pg->c);
    pg->renew = false;
    memset(pg->prepared, PG_UNKNOWN, sizeof pg->prepared);
    pg->unanswered = 0;
    pg->marked = pg->refused = false;
    pg->n_left = 0;
    pg->wanted = -1;
    pg->c = PQconnectdbParams(keys, values, 1);
    if (PQstatus(pg->c) != CONNECTION_OK)
        return connect_failed(pg, f);
    PQsetNoticeProcessor(pg->c, quiet, NULL);
    enum err err = pg_check_version(PQserverVersion(pg->c), pg_name(pg), f);
    return err == OK ? settle(pg, f) : err;
}

/* Not more often than the back-off says: in between the answer is no, at once. */
static enum err connect_again(struct store_pg *pg, struct fail *f)
{
    int64_t now = pg_monotonic_ms();
    if (now < pg->retry_ms || (pg->impatient && pg_unreachable(pg->which)))
        return away(pg, f);
    bool again = pg->backoff_ms || (pg->c && !pg->aside);
    enum err err = pg_connect(pg, f);
    if (err == OK) {
        if (again)
            log_line(LOG_LVL_INFO, "store", "%s answers again", pg_name(pg));
        pg->backoff_ms = 0;
        return OK;
    }
    pg->backoff_ms = pg->backoff_ms ? pg->backoff_ms * 2 : PG_BACKOFF_MIN_MS;
    if (pg->backoff_ms > PG_BACKOFF_MAX_MS)
        pg->backoff_ms = PG_BACKOFF_MAX_MS;
    pg->retry_ms = pg_monotonic_ms() + pg->backoff_ms;
    return err;
}

/* ---- Sending and collecting */

void pg_sent(struct store_pg *pg, int ok, bool wanted)
{
    if (!ok) {
        lose(pg, "08006", "send a command");
        return;
    }
    if (wanted)
        pg->wanted = (int)pg->unanswered;
    pg->makes[pg->unanswered] = 0;
    pg->keep[pg->unanswered] = NULL;
    pg->unanswered++;
}

void pg_room(struct store_pg *pg, unsigned n)
{
    if (pg->marked || pg->unanswered + n > PG_UNANSWERED_MAX)
        pg_collect(pg, NULL, NULL);
}

void pg_mark(struct store_pg *pg)
{
    if (!pg->unanswered || pg->marked || pg->lost.code)
        return;
    pg->marked = PQpipelineSync(pg->c) == 1;
    if (!pg->marked)
        lose(pg, "08006", "send a command");
}

bool pg_leave(struct store_pg *pg)
{
    if (!pg->marked || pg->n_left == PG_LEFT_MAX)
        return false;
    pg->left[pg->n_left++] = (uint8_t)pg->unanswered;
    pg->unanswered = 0;
    pg->marked = false;
    pg->wanted = -1;
    return true;
}

static const struct {
    const char *name, *sql;
} controls[PG_CONTROLS] = {
    /* Several daemons may write: "look, then act" is safe because a reader of what another changed fails. */
    [PG_BEGIN_WRITE] = {"BEGIN_WRITE", "BEGIN ISOLATION LEVEL SERIALIZABLE"},
    [PG_BEGIN_READ] = {"BEGIN_READ", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"},
    [PG_SAVE] = {"SAVE", "SAVEPOINT handler"},
    [PG_KEEP] = {"KEEP", "RELEASE handler"},
    [PG_UNDO] = {"UNDO", "ROLLBACK TO handler"},
    [PG_CLASH_SAVE] = {"CLASH_SAVE", "SAVEPOINT clash"},
    [PG_CLASH_KEEP] = {"CLASH_KEEP", "RELEASE clash"},
    [PG_CLASH_UNDO] = {"CLASH_UNDO", "ROLLBACK TO clash"},
    [PG_COMMIT] = {"COMMIT", "COMMIT"},
    [PG_ROLLBACK] = {"ROLLBACK", "ROLLBACK"},
};

void pg_control(struct store_pg *pg, enum pg_control c)
{
    unsigned place = Q_COUNT + AHEAD_COUNT + (unsigned)c;
    if (pg->pooled) {
        pg_send(pg, controls[c].sql);
        return;
    }
    pg_room(pg, 2);
    if (pg->prepared[place] == PG_UNKNOWN) {
        pg_sent(pg, PQsendPrepare(pg->c, controls[c].name, controls[c].sql, 0, NULL), false);
        if (pg->unanswered)
            pg->makes[pg->unanswered - 1] = (uint16_t)(place + 1);
        pg->prepared[place] = PG_SENT;
    }
    pg_sent(pg, PQsendQueryPrepared(pg->c, controls[c].name, 0, NULL, NULL, NULL, 1), false);
}

void pg_send(struct store_pg *pg, const char *sql)
{
    pg_room(pg, 1);
    pg_sent(pg, PQsendQueryParams(pg->c, sql, 0, NULL, NULL, NULL, NULL, 1), false);
}

static bool did_well(const PGresult *r)
{
    ExecStatusType s = PQresultStatus(r);
    return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
}

static void take_state(const PGresult *r, char state[6])
{
    const char *s = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    snprintf(state, 6, "%s", s ? s : "08006");
}

/* How long a silence has lasted too long. */
static int64_t patience_ms(const struct store_pg *pg)
{
    if (pg->probes)
        return PG_DEAF_MS;
    if (given_up(pg))
        return 0;
    if (!pg->impatient)
        return pg->aside ? PG_ASIDE_MS : PG_SILENCE_MS;
    bool away = pg->which == STORE_MAIN ? atomic_load(&deaf) : pg_unreachable(pg->which);
    return away ? PG_DEAF_MS : PG_IMPATIENT_MS;
}

/* Until libpq has the next answer whole. A server that says nothing for too long is given up: the connection
 * ends, and whoever reads from it learns so. */
static void answer_wait(struct store_pg *pg)
{
    enum { LOOK_MS = 100 }; /* the ear may have lost it meanwhile, or the prober */
    bool looks = pg->impatient || pg->which == STORE_KEYS;
    int64_t since = pg_monotonic_ms();
    while (PQisBusy(pg->c)) {
        struct pollfd p = {.fd = PQsocket(pg->c), .events = POLLIN};
        int64_t left = since + patience_ms(pg) - pg_monotonic_ms();
        int n = poll(&p, 1, left <= 0 ? 0 : looks && left > LOOK_MS ? LOOK_MS : (int)left);
        if (n == 0)
            suspect(pg, since);
        if ((n < 0 && errno == EINTR) || (n == 0 && since + patience_ms(pg) > pg_monotonic_ms()))
            continue;
        if (n <= 0) {
            atomic_store(&unreachable[pg->which], true);
            shutdown(p.fd, SHUT_RDWR);
        }
        if (PQconsumeInput(pg->c) != 1)
            return;
        since = pg_monotonic_ms();
    }
}

PGresult *pg_exec(struct store_pg *pg, const char *sql)
{
    PGresult *last = NULL, *r = NULL;
    if (PQsendQuery(pg->c, sql) != 1)
        return NULL;
    do {
        answer_wait(pg);
        r = PQgetResult(pg->c);
        if (r) {
            PQclear(last);
            last = r;
        }
    } while (r);
    return last;
}

/* One command's answer. What an earlier error swept away says nothing of its own. */
static PGresult *answer_take(struct store_pg *pg, char state[6])
{
    answer_wait(pg);
    PGresult *r = PQgetResult(pg->c);
    state[0] = 0;
    if (!r || (!did_well(r) && PQresultStatus(r) != PGRES_PIPELINE_ABORTED))
        take_state(r, state);
    if (r) {
        PGresult *end = PQgetResult(pg->c); /* null: the end of this command's answers */
        PQclear(end);
    }
    return r;
}

/* A statement that was made stays made, whatever came after it. */
static void prepared_settle(struct store_pg *pg, unsigned i, bool well)
{
    if (pg->makes[i])
        pg->prepared[pg->makes[i] - 1] = well ? PG_READY : PG_UNKNOWN;
}

/* The mark that ends the answers; without it the connection is gone. */
static void mark_take(struct store_pg *pg)
{
    answer_wait(pg);
    PGresult *r = PQgetResult(pg->c);
    if (!r || PQresultStatus(r) != PGRES_PIPELINE_SYNC)
        lose(pg, "08006", "read an answer");
    PQclear(r);
}

/* What was made among them counts as made: if it was not, the connection has no use. */
static void left_take(struct store_pg *pg)
{
    for (unsigned i = 0; i < pg->n_left; i++) {
        for (unsigned k = 0; k < pg->left[i] && PQstatus(pg->c) != CONNECTION_BAD; k++) {
            char state[6];
            PQclear(answer_take(pg, state));
            pg->renew |= state[0] != 0;
        }
        mark_take(pg);
    }
    pg->n_left = 0;
}

void pg_collect(struct store_pg *pg, PGresult **out, char state[6])
{
    unsigned n = pg->unanswered;
    int wanted = pg->wanted;
    bool marked = pg->marked;
    if (out)
        *out = NULL;
    if (state)
        state[0] = 0;
    pg->unanswered = 0;
    pg->wanted = -1;
    pg->marked = false;
    if (pg->lost.code && PQstatus(pg->c) == CONNECTION_BAD)
        return;
    if (!marked && PQpipelineSync(pg->c) != 1) {
        lose(pg, "08006", "send a command");
        return;
    }
    left_take(pg);
    for (unsigned i = 0; i < n && PQstatus(pg->c) != CONNECTION_BAD; i++) {
        char why[6];
        PGresult *r = answer_take(pg, why);
        prepared_settle(pg, i, r && did_well(r));
        if ((int)i == wanted && state)
            memcpy(state, why, sizeof why);
        else if (why[0])
            lose(pg, why, "run a command");
        if ((int)i == wanted && out && !why[0] && did_well(r))
            *out = r;
        else if (pg->keep[i] && !why[0] && r && did_well(r)) {
            PQclear(*pg->keep[i]);
            *pg->keep[i] = r;
        } else
            PQclear(r);
    }
    mark_take(pg);
}

/* ---- Transactions */

static void forget_lost(struct store_pg *pg)
{
    pg->lost = (struct fail){0};
    pg->met_another = false;
}

enum err pg_again(struct store_pg *pg, struct fail *f)
{
    forget_lost(pg);
    pg->renew |= given_up(pg); /* what it would have answered is not read any more */
    if (PQstatus(pg->c) == CONNECTION_OK && !pg->renew)
        return OK;
    enum err err = given_up(pg) ? away(pg, &pg->lost) : connect_again(pg, &pg->lost);
    if (err != OK && f && f->code == OK)
        *f = pg->lost;
    return err;
}

void pg_probe(const struct store_pg *pg)
{
    struct fail ignored = {0}; /* whoever needs it is told */
    struct store_pg *own = pg_new(pg->url, pg->which);
    own->probes = true;
    atomic_store(&suspected[pg->which], false);
    enum err err = pg_connect(own, &ignored);
    if (own->which == STORE_KEYS)
        atomic_store(&silent, err != OK && !own->refused);
    pg_close(own);
}

enum err pg_begin(struct store_pg *pg, bool write, struct fail *f)
{
    forget_lost(pg);
    if (pg->which != STORE_KEYS && pg_again(pg, f) != OK)
        return pg->lost.code;
    pg->state = PG_DUE;
    pg->write = write;
    pg->looked = pg->committing = false;
    pg->saving = pg->saved = 0;
    return OK;
}

bool pg_within(const struct store_pg *pg)
{
    return pg->state != PG_NONE;
}

/* None of these takes the snapshot. A replica refuses READ WRITE, so nothing is read there. */
static void enter_pooled(struct store_pg *pg)
{
    pg_send(pg, pg->write ? "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
                          : "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE");
    for (size_t i = 0; i < sizeof settings_local / sizeof settings_local[0]; i++)
        pg_send(pg, settings_local[i]);
    if (!pg->write)
        pg_send(pg, "SET TRANSACTION READ ONLY");
}

enum err pg_enter(struct store_pg *pg, struct fail *f)
{
    if (pg->state != PG_DUE)
        return OK;
    if (pg->which == STORE_KEYS && pg_again(pg, f) != OK) {
        enum err err = pg->lost.code;
        forget_lost(pg); /* nothing was begun here: what needs no key goes on */
        return err;
    }
    pg->state = PG_BEGUN;
    if (pg->pooled && !pg->aside)
        enter_pooled(pg);
    else
        pg_control(pg, pg->write ? PG_BEGIN_WRITE : PG_BEGIN_READ);
    return OK;
}

bool pg_looked(const struct store_pg *pg)
{
    return pg->looked;
}

enum err pg_look(struct store_pg *pg, struct fail *f)
{
    enum err err = pg_enter(pg, f);
    if (err != OK)
        return err;
    pg_send(pg, "SELECT 1");
    pg_collect(pg, NULL, NULL);
    pg->looked = !pg->lost.code;
    if (pg->lost.code && f && f->code == OK)
        *f = pg->lost;
    return pg->lost.code;
}

/* Set when something is first changed: many jobs of a group only read the one of the two databases. */
void pg_savepoint(struct store_pg *pg)
{
    pg->saving++;
}

void pg_save_late(struct store_pg *pg)
{
    for (; pg->saving; pg->saving--, pg->saved++)
        pg_control(pg, PG_SAVE);
}

/* True if it was sent: those that were not are the inner ones. */
static bool savepoint_ends(struct store_pg *pg)
{
    bool due = pg->saving > 0, sent = !due && pg->saved > 0;
    pg->saving -= due;
    pg->saved -= sent;
    return sent;
}

void pg_savepoint_keep(struct store_pg *pg)
{
    if (savepoint_ends(pg))
        pg_control(pg, PG_KEEP);
}

void pg_savepoint_undo(struct store_pg *pg)
{
    if (!savepoint_ends(pg))
        return;
    pg_control(pg, PG_UNDO);
    pg_control(pg, PG_KEEP);
}

enum err pg_commit(struct store_pg *pg, bool *in_doubt, struct fail *f)
{
    *in_doubt = false;
    if (pg->state == PG_BEGUN && !pg->lost.code) {
        pg_collect(pg, NULL, NULL); /* a change that failed must not look like a commit in doubt */
        pg->committing = !pg->lost.code;
    }
    if (pg->committing) {
        pg_control(pg, PG_COMMIT);
        pg_collect(pg, NULL, NULL);
    }
    *in_doubt = pg->committing && pg->lost.code && PQstatus(pg->c) == CONNECTION_BAD;
    if (!pg->lost.code)
        pg->state = PG_NONE;
    else if (f && f->code == OK)
        *f = pg->lost;
    return pg->lost.code;
}

void pg_rollback(struct store_pg *pg)
{
    if (pg->state == PG_BEGUN && PQstatus(pg->c) == CONNECTION_OK) {
        if (pg->unanswered)
            pg_collect(pg, NULL, NULL);
        pg_control(pg, PG_ROLLBACK);
        if (!pg->write) /* its end is not waited for */
            pg_mark(pg);
        if (!pg_leave(pg))
            pg_collect(pg, NULL, NULL);
    }
    pg->state = PG_NONE;
    pg->saving = pg->saved = 0;
}
