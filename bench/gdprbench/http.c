// SPDX-License-Identifier: Apache-2.0
/*
 * troth over HTTP. A user is a person, a record one of the person's fields; the metadata is the provenance,
 * consents, objections and grants of receivers. See docs/scale.md.
 */
#define _GNU_SOURCE
#include "gdprbench.h"

#include "arena.h"
#include "audit.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ID       32
#define BODY_MAX 65536
#define IN_MAX   (1 << 20)
#define PLACES   4096
#define RECEIPTS 65536

struct conn {
    int web, operator;
    char *in, *body; /* the last answer; its body */
    size_t n_body;
    int status;
    char head[1024], out[BODY_MAX];
};

static char (*people)[ID + 1]; /* by user; the first byte 0: erased */
static pthread_mutex_t people_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t place_all[PLACES], place_of[PURPOSES][PLACES]; /* where pages begin */
static unsigned n_all, n_of[PURPOSES];
static char *receipts[RECEIPTS]; /* of the erased: what POST /v1/receipts takes */
static unsigned n_receipts;
static uint8_t verifier[32];
static char records_json[RECORDS_OF * 16];

/* ---- HTTP */

static int dial(bool operator_socket)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(setting.target))};
    struct sockaddr_un u = {.sun_family = AF_UNIX};
    int one = 1, fd = socket(operator_socket ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    snprintf(u.sun_path, sizeof u.sun_path, "%s", setting.operator_socket ? setting.operator_socket : "");
    int rc = operator_socket ? connect(fd, (struct sockaddr *)&u, sizeof u)
                             : connect(fd, (struct sockaddr *)&a, sizeof a);
    if (!operator_socket)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (rc != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
        if (done <= 0)
            return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

static bool answer_read(struct conn *c, int fd)
{
    size_t n = 0, want = 0, head = 0;
    while (!want || n < want) {
        ssize_t got = n < IN_MAX - 1 ? recv(fd, c->in + n, IN_MAX - 1 - n, 0) : 0;
        if (got <= 0)
            return false;
        n += (size_t)got;
        c->in[n] = 0;
        char *end = want ? NULL : strstr(c->in, "\r\n\r\n");
        if (!end)
            continue;
        char *length = strcasestr(c->in, "\r\nContent-Length:");
        head = (size_t)(end - c->in) + 4;
        want = head + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
    }
    c->status = atoi(c->in + 9);
    c->body = c->in + head;
    c->n_body = n - head;
    return true;
}

static bool ask_once(struct conn *c, int fd, const char *method, const char *path, const char *body)
{
    int n = snprintf(c->head, sizeof c->head,
                     "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                     method, path, setting.token, strlen(body));
    size_t length = strlen(body);
    if ((size_t)n + length < sizeof c->head) {
        memcpy(c->head + n, body, length);
        return send_all(fd, c->head, (size_t)n + length) && answer_read(c, fd);
    }
    return send_all(fd, c->head, (size_t)n) && send_all(fd, body, length) && answer_read(c, fd);
}

static bool ask(struct conn *c, const char *method, const char *path, const char *body)
{
    return ask_once(c, c->web, method, path, body);
}

static enum op_end failed(const struct conn *c, struct op *op)
{
    return op_fail(op, "%d %.200s", c->status, c->body ? c->body : "");
}

static enum op_end ended(const struct conn *c, struct op *op, bool sent)
{
    if (sent && c->status >= 200 && c->status < 300)
        return OP_DONE;
    return sent && (c->status == 410 || c->status == 404) ? OP_NONE : failed(c, op);
}

/* ---- Persons */

static bool person_of(uint32_t user, char id[ID + 1])
{
    pthread_mutex_lock(&people_lock);
    memcpy(id, people[user], ID + 1);
    pthread_mutex_unlock(&people_lock);
    return id[0] != 0;
}

static void person_is(uint32_t user, const char *id)
{
    pthread_mutex_lock(&people_lock);
    memset(people[user], 0, ID + 1);
    if (id)
        memcpy(people[user], id, ID);
    pthread_mutex_unlock(&people_lock);
}

static void values_see(const struct conn *c, struct op *op)
{
    static const char mark[] = "\"value\":\"";
    const char *at = c->body, *end = c->body + c->n_body;
    while ((at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1))) {
        at += sizeof mark - 1;
        const char *stop = memchr(at, '"', (size_t)(end - at));
        data_saw(op, at, stop ? (size_t)(stop - at) : 0);
    }
}

static uint32_t count(const struct conn *c, const char *mark)
{
    uint32_t n = 0;
    for (const char *at = c->body; (at = strstr(at, mark)); at++)
        n++;
    return n;
}

/* ---- Operations */

static enum op_end read_values(struct conn *c, struct op *op, const char *id, const char *fields)
{
    char path[96];
    snprintf(path, sizeof path, "/v1/subjects/%s/read", id);
    snprintf(c->out, sizeof c->out, "{\"purpose\":\"use-%u\",\"fields\":[%s]}", op->user % PURPOSES, fields);
    bool sent = ask(c, "POST", path, c->out);
    if (sent && c->status == 200)
        values_see(c, op);
    return ended(c, op, sent);
}

static enum op_end read_page(struct conn *c, struct op *op)
{
    unsigned of_user = setting.records / setting.users;
    bool purpose = op->kind == OP_PAGE_PURPOSE;
    unsigned n = purpose ? n_of[op->purpose] : n_all;
    int64_t place = n ? (purpose ? place_of[op->purpose] : place_all)[op->place % n] : 0;
    snprintf(c->out, sizeof c->out,
             "{\"purpose\":\"%s-%u\",\"fields\":[%s],\"limit\":%u,\"after\":\"%lld\"%s}",
             purpose ? "use" : "study", purpose ? op->purpose : op->objection, records_json, PAGE / of_user,
             (long long)place, purpose ? ",\"among\":\"consented\"" : "");
    bool sent = ask(c, "POST", "/v1/read/people", c->out);
    if (sent && c->status == 200)
        values_see(c, op);
    return ended(c, op, sent);
}

static enum op_end put_data(struct conn *c, struct op *op, const char *id)
{
    char path[96];
    snprintf(path, sizeof path, "/v1/subjects/%s/data", id);
    snprintf(c->out, sizeof c->out, "{\"purpose\":\"use-%u\",\"values\":{\"record-%u\":\"%s\"}}",
             op->user % PURPOSES, op->key / setting.users, op->data);
    return ended(c, op, ask(c, "PUT", path, c->out));
}

static enum op_end act(struct conn *c, struct op *op, const char *id, const char *members)
{
    char path[96];
    snprintf(path, sizeof path, "/v1/subjects/%s/consents", id);
    snprintf(c->out, sizeof c->out, "{%s,\"language\":\"en\"}", members);
    return ended(c, op, ask(c, "POST", path, c->out));
}

/* A user who was erased comes back as a new person. */
static enum op_end register_user(struct conn *c, struct op *op, char id[ID + 1])
{
    char wanted[96];
    if (!ask(c, "POST", "/v1/subjects", "{\"birth_date\":\"1990-01-01\"}") || c->status != 201)
        return failed(c, op);
    const char *at = strstr(c->body, "\"id\":\"");
    if (!at)
        return failed(c, op);
    memcpy(id, at + 6, ID);
    id[ID] = 0;
    snprintf(wanted, sizeof wanted, "\"need\":\"wanted\",\"state\":\"given\",\"purpose\":\"use-%u\"",
             op->user % PURPOSES);
    enum op_end end = act(c, op, id, "\"document\":\"bench\",\"state\":\"given\"");
    if (end == OP_DONE)
        end = act(c, op, id, wanted);
    if (end == OP_DONE)
        person_is(op->user, id);
    return end;
}

static enum op_end create(struct conn *c, struct op *op)
{
    char id[ID + 1];
    enum op_end end = person_of(op->user, id) ? put_data(c, op, id) : OP_NONE;
    if (end == OP_NONE)
        end = register_user(c, op, id);
    else
        return end;
    return end == OP_DONE ? put_data(c, op, id) : end;
}

static enum op_end delete_key(struct conn *c, struct op *op, const char *id)
{
    char path[96];
    snprintf(path, sizeof path, "/v1/subjects/%s/data/record-%u", id, op->key / setting.users);
    enum op_end end = ended(c, op, ask(c, "DELETE", path, ""));
    const char *n = end == OP_DONE ? strstr(c->body, "\"deleted\":") : NULL;
    op->n = n ? (uint32_t)atoi(n + 10) : 0;
    return end;
}

/* "receipt":{...} of an answer is what POST /v1/receipts takes. */
static void keep_receipt(const struct conn *c)
{
    const char *at = strstr(c->body, "\"receipt\":{"), *end = at ? strchr(at, '}') : NULL;
    if (!end)
        return;
    char *own = strndup(at + 10, (size_t)(end - at - 9));
    pthread_mutex_lock(&people_lock);
    if (n_receipts < RECEIPTS)
        receipts[n_receipts++] = own;
    pthread_mutex_unlock(&people_lock);
}

static enum op_end delete_user(struct conn *c, struct op *op, const char *id)
{
    char path[96];
    snprintf(path, sizeof path, "/v1/subjects/%s", id);
    enum op_end end = ended(c, op, ask(c, "DELETE", path, ""));
    if (end != OP_DONE)
        return end;
    keep_receipt(c);
    person_is(op->user, NULL);
    op->n = 1;
    return OP_DONE;
}

/* Whether a receiver may have what was consented to for this purpose: one row for all its records. */
static enum op_end grant(struct conn *c, struct op *op)
{
    char path[96];
    snprintf(path, sizeof path, "/v1/recipients/receiver-%u/grants", (unsigned)(op->draw % SHARE_WITH));
    snprintf(c->out, sizeof c->out,
             "{\"purpose\":\"use-%u\",\"fields\":[%s],\"until\":\"%s-01-01T00:00:00Z\"}", op->purpose,
             records_json, op->on ? "2036" : "2035");
    return ended(c, op, ask_once(c, c->operator, "POST", path, c->out));
}

/* All of a user's records: an objection to a study, or its end. */
static enum op_end object(struct conn *c, struct op *op, const char *id)
{
    char members[160];
    snprintf(members, sizeof members, "\"preference\":\"objects\",\"state\":\"%s\",\"purpose\":\"study-%u\"",
             op->on ? "given" : "withdrawn", op->user % OBJECTIONS);
    return act(c, op, id, members);
}

/* One record: a consent to another purpose for it alone, or its end. */
static enum op_end consent_to_one(struct conn *c, struct op *op, const char *id)
{
    char members[160];
    snprintf(members, sizeof members,
             "\"need\":\"wanted\",\"state\":\"%s\",\"purpose\":\"use-%u\",\"fields\":[\"record-%u\"]",
             op->on ? "given" : "withdrawn", (op->user + 1) % PURPOSES, op->key / setting.users);
    return act(c, op, id, members);
}

static enum op_end metadata(struct conn *c, struct op *op, const char *id)
{
    char path[96], field[24] = "";
    if (op->kind == OP_META_KEY)
        snprintf(field, sizeof field, "?field=record-%u", op->key / setting.users);
    snprintf(path, sizeof path, "/v1/subjects/%s/data%s", id, field);
    bool sent = ask(c, "GET", path, "");
    if (sent && c->status == 200)
        op->n = count(c, "\"field\":");
    return ended(c, op, sent);
}

static enum op_end logs(struct conn *c, struct op *op, const char *id)
{
    char path[96];
    snprintf(path, sizeof path, "/v1/subjects/%s/history?limit=20", id);
    bool sent = ask(c, "GET", path, "");
    if (sent && c->status == 200) {
        op->n = count(c, "\"entry\":");
        op->wrong |= op->n == 0;
    }
    return ended(c, op, sent);
}

/* The receipt of somebody's erasure, with its proof, checked here without the daemon. */
static enum op_end verify(struct conn *c, struct op *op)
{
    if (!n_receipts)
        return OP_NONE;
    const char *receipt = receipts[op->user % n_receipts];
    bool sent = ask(c, "POST", "/v1/receipts", receipt);
    for (int tries = 0; sent && c->status == 503 && tries < 20; tries++) {
        usleep(100000); /* no checkpoint covers it yet */
        sent = ask(c, "POST", "/v1/receipts", receipt);
    }
    if (!sent || c->status != 200)
        return ended(c, op, sent);
    struct arena *a = arena_new(0);
    struct audit_receipt checked;
    struct fail f = {0};
    enum err err = audit_receipt_check(a, span_of(c->body, c->n_body), verifier, &checked, &f);
    op->wrong |= err != OK || !checked.opened || checked.leaf.kind != AUDIT_ERASE;
    if (op->wrong)
        snprintf(op->why, sizeof op->why, "the receipt proves nothing: %.160s", f.detail);
    arena_free(a);
    op->n = 1;
    return OP_DONE;
}

static enum op_end run_person(struct conn *c, struct op *op, const char *id)
{
    char field[24];
    switch (op->kind) {
    case OP_DELETE_KEY:
        return delete_key(c, op, id);
    case OP_DELETE_USER:
        return delete_user(c, op, id);
    case OP_META_USER_SET:
        return object(c, op, id);
    case OP_META_KEY_SET:
        return consent_to_one(c, op, id);
    case OP_DATA_USER:
        return read_values(c, op, id, records_json);
    case OP_DATA_KEY:
        snprintf(field, sizeof field, "\"record-%u\"", op->key / setting.users);
        return read_values(c, op, id, field);
    case OP_DATA_SET:
        return put_data(c, op, id);
    case OP_LOGS:
        return logs(c, op, id);
    default:
        return metadata(c, op, id);
    }
}

static enum op_end http_run(void *conn, struct op *op)
{
    struct conn *c = conn;
    char id[ID + 1];
    switch (op->kind) {
    case OP_CREATE:
        return create(c, op);
    case OP_META_PURPOSE_SET:
        return grant(c, op);
    case OP_PAGE_PURPOSE:
    case OP_PAGE_OBJECTION:
        return read_page(c, op);
    case OP_VERIFY:
        return verify(c, op);
    default:
        return person_of(op->user, id) ? run_person(c, op, id) : OP_NONE;
    }
}

/* ---- Opening */

static void *http_open(unsigned client)
{
    (void)client;
    struct conn *c = calloc(1, sizeof *c);
    c->in = malloc(IN_MAX);
    c->web = dial(false);
    c->operator= dial(true);
    return c->web >= 0 && c->operator>= 0 ? c : NULL;
}

static void http_close(void *conn)
{
    struct conn *c = conn;
    close(c->web);
    close(c->operator);
    free(c->in);
    free(c);
}

/* Where the pages of a purpose begin, as somebody finds out who turns them. */
static unsigned places(struct conn *c, const char *purpose, bool consented, int64_t *out)
{
    unsigned n = 0;
    long long after = 0;
    while (n < PLACES) {
        out[n++] = after;
        snprintf(c->out, sizeof c->out,
                 "{\"purpose\":\"%s\",\"fields\":[\"record-0\"],\"limit\":%u,\"after\":\"%lld\"%s}", purpose,
                 PAGE / (setting.records / setting.users), after,
                 consented ? ",\"among\":\"consented\"" : "");
        if (!ask(c, "POST", "/v1/read/people", c->out) || c->status != 200)
            return 0;
        char *next = strstr(c->body, "\"next\":\"");
        if (!next)
            return n > 1 ? n - 1 : n; /* the last page is not full */
        after = strtoll(next + 8, NULL, 10);
    }
    return n;
}

static bool people_read(void)
{
    FILE *f = setting.ids ? fopen(setting.ids, "r") : NULL;
    people = calloc(setting.users, sizeof *people);
    uint32_t n = 0;
    while (f && n < setting.users && fscanf(f, "%32s", people[n]) == 1)
        n++;
    if (f)
        fclose(f);
    return n == setting.users;
}

static bool key_read(void)
{
    for (int i = 0; i < 32; i++) {
        unsigned v;
        if (!setting.key || sscanf(setting.key + 2 * i, "%2x", &v) != 1)
            return false;
        verifier[i] = (uint8_t)v;
    }
    return true;
}

static bool http_load(void)
{
    size_t n = 0;
    for (unsigned i = 0; i < RECORDS_OF; i++)
        n += (size_t)sprintf(records_json + n, "%s\"record-%u\"", i ? "," : "", i);
    struct conn *c = http_open(0);
    bool well = c && people_read() && key_read();
    for (unsigned p = 0; p < PURPOSES && well; p++) {
        char name[16];
        snprintf(name, sizeof name, "use-%u", p);
        n_of[p] = places(c, name, true, place_of[p]);
        well = n_of[p] > 0;
    }
    n_all = well ? places(c, "study-0", false, place_all) : 0;
    well = well && n_all > 0;
    if (!well && c)
        fprintf(stderr, "gdprbench: %d %.300s\n", c->status, c->body ? c->body : "");
    if (c)
        http_close(c);
    return well;
}

const struct system http_system = {"troth", http_load, http_open, http_run, http_close};
