// SPDX-License-Identifier: Apache-2.0
/*
 * read.c: what one recorded read of five sealed values costs without HTTP: read DATA IDS [TSV [ROUNDS]].
 *
 * DATA is a folder of `troth init --demo`, filled; no daemon has it open. IDS names its persons, one a line.
 * One thread does what a request does between the socket and the disk: row and guard, the handler in a
 * snapshot of 32, the entry appended and made durable with 31 others; the row of history.db is left out.
 * Prints a table of the thread's CPU time and of calls of malloc, and appends its medians to TSV. valgrind
 * --tool=callgrind
 * --toggle-collect=batch counts what it does whatever else the machine does.
 *
 * read-guard   us  caller, body parsed and checked
 * read-handler us  facts, decision, values, the entry's detail, the answer
 * read-append  us  the entry in the record, a 32nd of the write and the sync
 * read-inside  us  all of it
 * read-mallocs 1   calls of malloc, calloc and realloc for one read
 */
#include "web_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    RUNS = 9,
    ROUNDS = 200,
    BATCH = 32,
    IDS_MAX = 100000,
    STRIDE = 7919,
    BODY_MAX = 512,
    PATH_MAX_LEN = 96
};

static const char body_text[] =
    "{\"purpose\":\"order-payment\",\"fields\":[\"order-items\",\"order-address\","
    "\"order-recipient-name\",\"order-amount\",\"order-number\"]}";

static char path[IDS_MAX][PATH_MAX_LEN];
static size_t n_ids, next_id;
static struct span authorization;
static struct web *web;
static struct store *st;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "read: %s\n", what);
    exit(1);
}

/* ---- Calls of malloc, counted. The sanitizers have theirs. */

static _Thread_local uint64_t mallocs;
#ifndef TROTH_SAN
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
    mallocs++;
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t size)
{
    mallocs++;
    return __libc_calloc(n, size);
}
void *realloc(void *p, size_t n)
{
    mallocs++;
    return __libc_realloc(p, n);
}
#endif

/* ---- One batch */

enum part { PART_GUARD, PART_HANDLER, PART_APPEND, PARTS };
struct took {
    double us[PARTS];
    uint64_t mallocs;
};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct request request_next(void)
{
    struct request r = {.method = METHOD_POST,
                        .path = span_str(path[next_id]),
                        .body = span_of(body_text, sizeof body_text - 1),
                        .content_type = SPAN("application/json"),
                        .authorization = authorization};
    next_id = (next_id + STRIDE) % n_ids; /* neighbours lie on one page */
    return r;
}

static void call_start(struct call *c, const struct request *r, struct arena *a, struct instant now)
{
    *c = (struct call){.web = web, .req = r, .arena = a};
    c->res = &c->job_store.res;
    c->gate =
        (struct gate_call){.gate = web->gate, .view = gate_hold_at(web->gate, now), .arena = a, .now = now};
    if (route_find(c) != OK || guard_check(c) != OK)
        die(c->fail.detail);
}

static void call_run(struct call *c)
{
    c->gate.st = st;
    c->route->handler(c);
    if (c->fail.code != OK)
        die(c->fail.detail);
    if (c->res->status != 200 || c->gate.n_entries != 1)
        die("the answer is not what it should be");
}

static void batch_append(struct call *const *calls)
{
    struct fail f = {0};
    uint64_t index;
    for (size_t i = 0; i < BATCH; i++)
        if (audit_append(web->audit, &calls[i]->gate.entries[0], &index, &f) != OK)
            die(f.detail);
    if (audit_seal(web->audit, &f) != OK)
        die(f.detail);
}

__attribute__((noinline)) static void batch(struct took *t)
{
    struct arena *arena[BATCH];
    struct call *call[BATCH];
    struct request req[BATCH];
    struct fail f = {0};
    struct instant now = web_clock(NULL);
    double at[PARTS + 1];
    uint64_t before = mallocs;
    at[0] = now_us();
    for (size_t i = 0; i < BATCH; i++) {
        req[i] = request_next();
        arena[i] = arena_new(0);
        call[i] = ARENA_NEW(arena[i], struct call);
        call_start(call[i], &req[i], arena[i], now);
    }
    at[1] = now_us();
    if (store_begin_read(st, &f) != OK)
        die(f.detail);
    for (size_t i = 0; i < BATCH; i++)
        call_run(call[i]);
    store_end_read(st);
    at[2] = now_us();
    batch_append(call);
    at[3] = now_us();
    for (size_t i = 0; i < BATCH; i++) {
        gate_release(web->gate, call[i]->gate.view);
        arena_free(arena[i]);
    }
    t->us[PART_GUARD] += now_us() - at[3];
    for (size_t i = 0; i < PARTS; i++)
        t->us[i] += at[i + 1] - at[i];
    t->mallocs += mallocs - before;
}

/* ---- The house */

static void ids_read(const char *file)
{
    char line[128];
    FILE *in = fopen(file, "r");
    if (!in)
        die("the list of ids cannot be read");
    while (n_ids < IDS_MAX && fgets(line, sizeof line, in))
        if (strlen(line) >= ID_TEXT_LEN)
            snprintf(path[n_ids++], PATH_MAX_LEN, "/v1/subjects/%.*s/read", ID_TEXT_LEN, line);
    fclose(in);
    if (!n_ids)
        die("the list of ids is empty");
}

static void token_read(const char *data, struct arena *a)
{
    char name[512], text[4096];
    const struct json *tokens;
    snprintf(name, sizeof name, "%s/demo-tokens.json", data);
    FILE *in = fopen(name, "r");
    size_t n = in ? fread(text, 1, sizeof text, in) : 0;
    if (in)
        fclose(in);
    if (json_parse(a, span_of(text, n), &tokens, NULL) != OK || !json_get(tokens, "shop"))
        die("demo-tokens.json has no token of the shop");
    authorization = arena_fmt(a, "Bearer %.*s", SPAN_F(json_span(json_get(tokens, "shop"))));
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void put_line(const char *name, double *v, const char *unit, FILE *tsv)
{
    qsort(v, RUNS, sizeof *v, by_size);
    printf("%-14s %8.2f %8.2f %8.2f  %s\n", name, v[RUNS / 2], v[0], v[RUNS - 1], unit);
    if (tsv)
        fprintf(tsv, "%s\t%.2f\t%s\n", name, v[RUNS / 2], unit);
}

static void measure(size_t rounds, FILE *tsv)
{
    static const char *const names[PARTS] = {"read-guard", "read-handler", "read-append"};
    double us[PARTS][RUNS], all[RUNS], count[RUNS];
    for (size_t run = 0; run < RUNS; run++) {
        struct took t = {0};
        double reads = (double)(rounds * BATCH);
        for (size_t i = 0; i < rounds; i++)
            batch(&t);
        all[run] = 0;
        for (size_t p = 0; p < PARTS; p++)
            all[run] += us[p][run] = t.us[p] / reads;
        count[run] = (double)t.mallocs / reads;
    }
    printf("%-14s %8s %8s %8s\n", "", "median", "min", "max");
    for (size_t p = 0; p < PARTS; p++)
        put_line(names[p], us[p], "us", tsv);
    put_line("read-inside", all, "us", tsv);
    put_line("read-mallocs", count, "1", tsv);
}

int main(int argc, char **argv)
{
    struct fail f = {0};
    struct policy_messages m;
    struct arena *a = arena_new(0);
    if (argc < 3 || argc > 5) {
        fprintf(stderr, "usage: read DATA IDS [TSV [ROUNDS]]\n");
        return 2;
    }
    FILE *tsv = argc > 3 && argv[3][0] ? fopen(argv[3], "a") : NULL;
    ids_read(argv[2]);
    token_read(argv[1], a);
    if (crypto_start(&f) != OK || web_start(&(struct web_config){.data = argv[1]}, a, &m, &web, &f) != OK ||
        store_open(argv[1], STORE_READ, &st, &f) != OK)
        die(f.detail);
    store_memo(st, ENGINE_LANE_KEEPS);
    measure(argc > 4 ? (size_t)atoi(argv[4]) : ROUNDS, tsv);
    store_close(st);
    web_stop(web);
    arena_free(a);
    if (tsv)
        fclose(tsv);
    return 0;
}
