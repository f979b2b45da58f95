// SPDX-License-Identifier: Apache-2.0
/*
 * gdprbench SYSTEM TARGET [OPTION...]: one system, loaded and asked. See gdprbench.h; bench/gdprbench/run
 * starts the systems and calls this.
 *
 *   -n RECORDS   (100000)     -o OPERATIONS of each workload (10000)     -c CLIENTS, a list (2,16,64)
 *   -s SECONDS   at most, of each workload (30)    -r a record of each access    -e sealed, with an end
 *   troth: -t TOKEN  -i FILE with the persons' ids  -u the operator's socket  -k the record's verifier key
 *
 * A line for each workload and number of clients: name, clients, operations a second, p50 ms, p99 ms,
 * operations, wrong answers, failures. Exits 1 if there was one of either.
 */
#define _GNU_SOURCE
#include "gdprbench.h"

#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct setting setting = {.records = 100000, .operations = 10000};
static double seconds_max = 30;
static const struct system *the_system;

/* ---- Data */

void data_make(char out[DATA_LEN + 1], uint32_t key, uint32_t version)
{
    int n = snprintf(out, DATA_LEN + 1, "r%08u v%08u ", key, version);
    uint64_t x = ((uint64_t)key << 32 | version) * 0x9e3779b97f4a7c15ull;
    for (; n < DATA_LEN; n++, x = x * 6364136223846793005ull + 1442695040888963407ull)
        out[n] = (char)('a' + (x >> 59) % 26);
    out[DATA_LEN] = 0;
}

void data_saw(struct op *op, const char *data, size_t len)
{
    char want[DATA_LEN + 1];
    unsigned key, version;
    op->n++;
    if (len != DATA_LEN || sscanf(data, "r%8u v%8u ", &key, &version) != 2) {
        op->wrong = true;
        return;
    }
    data_make(want, key, version);
    op->wrong |= memcmp(want, data, DATA_LEN) != 0;
    op->saw_key = key;
    op->saw_version = version;
}

enum op_end op_fail(struct op *op, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(op->why, sizeof op->why, format, args);
    va_end(args);
    return OP_FAILED;
}

static const uint8_t seal_key[32] = "all the peers seal with this key";

void seal(uint8_t out[SEALED_LEN], const char *data)
{
    static _Thread_local EVP_CIPHER_CTX *c;
    int n;
    if (!c)
        c = EVP_CIPHER_CTX_new();
    RAND_bytes(out, 12);
    EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, seal_key, out);
    EVP_EncryptUpdate(c, out + 12, &n, (const uint8_t *)data, DATA_LEN);
    EVP_EncryptFinal_ex(c, out + 12 + DATA_LEN, &n);
    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, out + 12 + DATA_LEN);
}

bool unseal(char out[DATA_LEN + 1], const uint8_t *sealed, size_t len)
{
    static _Thread_local EVP_CIPHER_CTX *c;
    int n;
    if (len != SEALED_LEN)
        return false;
    if (!c)
        c = EVP_CIPHER_CTX_new();
    EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, seal_key, sealed);
    EVP_DecryptUpdate(c, (uint8_t *)out, &n, sealed + 12, DATA_LEN);
    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, 16, (void *)(sealed + 12 + DATA_LEN));
    out[DATA_LEN] = 0;
    return EVP_DecryptFinal_ex(c, (uint8_t *)out + DATA_LEN, &n) == 1;
}

/* ---- The model: what was acknowledged of each record */

struct record {
    uint32_t version, seq; /* seq: writes that began or ended */
    uint16_t writing;      /* writes under way */
    bool alive, known;     /* known: no two writes overlapped since it was last set */
    bool overlapped;
};
static struct record *model;
static size_t n_model;
static pthread_mutex_t model_lock[256];

static pthread_mutex_t *lock_of(uint32_t key)
{
    return &model_lock[record_user(key) % 256];
}

static void write_begins(uint32_t key)
{
    struct record *r = &model[key];
    r->overlapped |= r->writing > 0;
    r->writing++;
    r->seq++;
}

static void write_ends(uint32_t key, bool done, bool alive, uint32_t version)
{
    struct record *r = &model[key];
    r->writing--;
    r->seq++;
    if (r->overlapped || !done) {
        r->known = false;
    } else {
        r->known = true;
        r->alive = alive;
        r->version = version;
    }
    if (!r->writing)
        r->overlapped = false;
}

/* All a user's records, or the one. */
static bool of_user(const struct op *op)
{
    return op->kind == OP_DELETE_USER;
}

static uint32_t first_of(const struct op *op)
{
    return of_user(op) ? op->user : op->key;
}

static uint32_t step_of(const struct op *op)
{
    return of_user(op) ? setting.users : (uint32_t)n_model;
}

static bool writes_data(const struct op *op)
{
    return op->kind == OP_CREATE || op->kind == OP_DELETE_KEY || op->kind == OP_DELETE_USER ||
           op->kind == OP_DATA_SET;
}

/* What the model says before the operation: of its record, and of all its user's. */
struct seen {
    struct record r;
    uint32_t alive, seqs;
    bool sure;
};

static struct seen user_seen(const struct op *op)
{
    struct seen s = {.r = model[op->key], .sure = true};
    for (size_t k = op->user; k < n_model; k += setting.users) {
        s.alive += model[k].alive;
        s.seqs += model[k].seq;
        s.sure &= model[k].known && !model[k].writing;
    }
    return s;
}

static void model_before(const struct op *op, struct seen *seen)
{
    pthread_mutex_lock(lock_of(first_of(op)));
    *seen = user_seen(op);
    if (writes_data(op))
        for (size_t k = first_of(op); k < n_model; k += step_of(op))
            write_begins((uint32_t)k);
    pthread_mutex_unlock(lock_of(first_of(op)));
}

/* What is in the model afterwards, and whether the answer agrees with it. */
static bool model_after(const struct op *op, enum op_end end, const struct seen *seen)
{
    const struct record *was = &seen->r;
    pthread_mutex_lock(lock_of(first_of(op)));
    bool sure = was->known && !was->writing && model[op->key].seq == was->seq + writes_data(op);
    bool sure_user = seen->sure && user_seen(op).seqs == seen->seqs;
    for (size_t k = first_of(op); writes_data(op) && k < n_model; k += step_of(op)) {
        bool there = op->kind == OP_CREATE || (op->kind == OP_DATA_SET && end == OP_DONE);
        write_ends((uint32_t)k, end == OP_DONE || end == OP_NONE, there, op->version);
    }
    pthread_mutex_unlock(lock_of(first_of(op)));
    if (op->wrong)
        return false;
    if (op->kind == OP_DATA_KEY && op->n && op->saw_key != op->key)
        return false;
    if (op->kind == OP_DATA_USER || op->kind == OP_META_USER)
        return !sure_user || op->n == seen->alive;
    if (!sure)
        return true;
    switch (op->kind) {
    case OP_DATA_KEY:
        return was->alive ? op->n == 1 && op->saw_version == was->version : op->n == 0;
    case OP_META_KEY:
        return (op->n > 0) == was->alive;
    case OP_DELETE_KEY:
        return (op->n > 0) == was->alive;
    default:
        return true;
    }
}

/* ---- Drawing */

static _Thread_local uint64_t seed;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1dull;
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)(((draw() >> 32) * n) >> 32);
}

struct zipf {
    uint32_t n;
    double *until;
};
static struct zipf zipf_keys, zipf_users;

static void zipf_make(struct zipf *z, uint32_t n)
{
    double sum = 0;
    z->n = n;
    z->until = malloc(n * sizeof *z->until);
    for (uint32_t i = 0; i < n; i++)
        z->until[i] = sum += 1 / pow(i + 1, 0.99);
    for (uint32_t i = 0; i < n; i++)
        z->until[i] /= sum;
}

static uint32_t zipf_draw(const struct zipf *z)
{
    double at = (double)(draw() >> 11) / 9007199254740992.0;
    uint32_t low = 0, high = z->n - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (z->until[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    uint64_t h = 0xcbf29ce484222325ull; /* scrambled, as YCSB does */
    for (unsigned i = 0; i < 4; i++)
        h = (h ^ (low >> 8 * i & 255)) * 0x100000001b3ull;
    return (uint32_t)(h % z->n);
}

struct share {
    enum op_kind kind;
    unsigned percent10; /* in tenths of a percent */
    bool zipf;
};
#define WORKLOADS 4
static const struct workload {
    const char *name;
    struct share share[6];
} workloads[WORKLOADS] = {
    {"controller",
     {{OP_CREATE, 250, false},
      {OP_DELETE_KEY, 125, false},
      {OP_DELETE_USER, 125, false},
      {OP_META_PURPOSE_SET, 250, false},
      {OP_META_USER_SET, 250, false}}},
    {"customer",
     {{OP_DATA_USER, 200, true},
      {OP_META_KEY, 200, true},
      {OP_DATA_SET, 200, true},
      {OP_META_KEY_SET, 200, true},
      {OP_DELETE_KEY, 200, true}}},
    {"processor", {{OP_DATA_KEY, 800, true}, {OP_PAGE_PURPOSE, 100, false}, {OP_PAGE_OBJECTION, 100, false}}},
    {"regulator", {{OP_META_USER, 460, true}, {OP_LOGS, 310, true}, {OP_VERIFY, 230, true}}},
};

static atomic_uint next_key, next_version;

static void op_draw(struct op *op, const struct workload *w)
{
    unsigned at = below(1000), i = 0;
    while (at >= w->share[i].percent10)
        at -= w->share[i++].percent10;
    *op = (struct op){.kind = w->share[i].kind, .draw = draw()};
    op->key = w->share[i].zipf ? zipf_draw(&zipf_keys) : below(setting.records);
    if (op->kind == OP_CREATE) {
        op->key = atomic_fetch_add(&next_key, 1);
        if (op->key >= n_model)
            op->key = below((uint32_t)n_model);
    }
    op->user = record_user(op->key);
    if (op->kind == OP_DELETE_USER || op->kind == OP_META_USER_SET)
        op->user = op->key = below(setting.users);
    if (op->kind == OP_DATA_USER || op->kind == OP_META_USER || op->kind == OP_LOGS)
        op->user = op->key = zipf_draw(&zipf_users);
    op->purpose = op->kind == OP_PAGE_PURPOSE || op->kind == OP_META_PURPOSE_SET ? below(PURPOSES)
                                                                                 : op->user % PURPOSES;
    op->objection = op->kind == OP_PAGE_OBJECTION ? below(OBJECTIONS) : op->user % OBJECTIONS;
    op->place = below(setting.records);
    op->on = draw() & 1;
    op->version = atomic_fetch_add(&next_version, 1);
    data_make(op->data, op->key, op->version);
}

/* ---- Clients */

struct client {
    pthread_t thread;
    void *conn;
    const struct workload *workload;
    uint64_t seed;
    double until;
    double *took_ms;
    uint32_t n, wrong, failed;
};
static atomic_int to_do;
static atomic_flag told = ATOMIC_FLAG_INIT;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void tell(const char *what, const struct op *op)
{
    if (!atomic_flag_test_and_set(&told))
        fprintf(stderr, "gdprbench: %s: operation %d, record %u, user %u, %u back: %s\n", what, (int)op->kind,
                op->key, op->user, op->n, op->why);
}

static void *client_main(void *arg)
{
    struct client *c = arg;
    seed = c->seed;
    while (atomic_fetch_sub(&to_do, 1) > 0 && now() < c->until) {
        struct op op;
        struct seen seen;
        op_draw(&op, c->workload);
        model_before(&op, &seen);
        double begun = now();
        enum op_end end = the_system->run(c->conn, &op);
        c->took_ms[c->n++] = (now() - begun) * 1e3;
        bool right = model_after(&op, end, &seen);
        c->failed += end == OP_FAILED;
        c->wrong += end != OP_FAILED && !right;
        if (end == OP_FAILED || !right)
            tell(end == OP_FAILED ? "failed" : "wrong", &op);
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool workload_run(const struct workload *w, unsigned clients, void **conn)
{
    struct client *c = calloc(clients, sizeof *c);
    double *all = malloc(setting.operations * sizeof *all);
    uint32_t n = 0, wrong = 0, failed = 0;
    atomic_store(&to_do, (int)setting.operations);
    atomic_flag_clear(&told);
    double begun = now();
    for (unsigned i = 0; i < clients; i++) {
        c[i] =
            (struct client){.conn = conn[i], .workload = w, .seed = 88172645463325252ull * (i + 1) + clients};
        c[i].until = begun + seconds_max;
        c[i].took_ms = malloc(setting.operations * sizeof *c[i].took_ms);
        pthread_create(&c[i].thread, NULL, client_main, &c[i]);
    }
    for (unsigned i = 0; i < clients; i++) {
        pthread_join(c[i].thread, NULL);
        memcpy(all + n, c[i].took_ms, c[i].n * sizeof *all);
        n += c[i].n;
        wrong += c[i].wrong;
        failed += c[i].failed;
        free(c[i].took_ms);
    }
    double took = now() - begun;
    qsort(all, n, sizeof *all, by_size);
    printf("%s\t%u\t%.1f\t%.2f\t%.2f\t%u\t%u\t%u\n", w->name, clients, n / took, n ? all[n / 2] : 0,
           n ? all[n - 1 - n / 100] : 0, n, wrong, failed);
    fflush(stdout);
    free(all);
    free(c);
    return wrong == 0 && failed == 0;
}

static bool clients_run(unsigned clients)
{
    void **conn = calloc(clients, sizeof *conn);
    bool well = true;
    for (unsigned i = 0; i < clients; i++)
        if (!(conn[i] = the_system->open(i))) {
            fprintf(stderr, "gdprbench: %s: client %u does not get a connection\n", the_system->name, i);
            exit(1);
        }
    for (unsigned i = 0; i < WORKLOADS; i++)
        well &= workload_run(&workloads[i], clients, conn);
    for (unsigned i = 0; i < clients; i++)
        the_system->close(conn[i]);
    free(conn);
    return well;
}

/* ---- Options */

static void model_make(void)
{
    n_model = (size_t)setting.users * RECORDS_OF;
    model = calloc(n_model, sizeof *model);
    for (size_t k = 0; k < n_model; k++)
        model[k] = (struct record){.known = true, .alive = k < setting.records};
    for (size_t i = 0; i < 256; i++)
        pthread_mutex_init(&model_lock[i], NULL);
    atomic_store(&next_key, setting.records);
    atomic_store(&next_version, 1);
    zipf_make(&zipf_keys, setting.records);
    zipf_make(&zipf_users, setting.users);
}

static void usage(void)
{
    fprintf(
        stderr,
        "usage: gdprbench troth|postgresql|redis|sqlite TARGET [OPTION...]; see bench/gdprbench/main.c\n");
    exit(2);
}

static const char *options_read(int argc, char **argv)
{
    static const struct system *const all[] = {&http_system, &pg_system, &redis_system, &sqlite_system};
    const char *clients = "2,16,64";
    int c;
    while ((c = getopt(argc, argv, "n:o:c:s:ret:i:u:k:")) != -1) {
        switch (c) {
        case 'n':
            setting.records = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'o':
            setting.operations = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            clients = optarg;
            break;
        case 's':
            seconds_max = atof(optarg);
            break;
        case 'r':
            setting.record = true;
            break;
        case 'e':
            setting.seal = true;
            break;
        case 't':
            setting.token = optarg;
            break;
        case 'i':
            setting.ids = optarg;
            break;
        case 'u':
            setting.operator_socket = optarg;
            break;
        case 'k':
            setting.key = optarg;
            break;
        default:
            usage();
        }
    }
    if (argc - optind != 2 || setting.records < 100 || !setting.operations)
        usage();
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i]->name, argv[optind]) == 0)
            the_system = all[i];
    if (!the_system)
        usage();
    setting.target = argv[optind + 1];
    setting.users = setting.records / 10 < 10000 ? setting.records / 10 : 10000;
    if (setting.records / setting.users > RECORDS_OF / 2) {
        fprintf(stderr, "gdprbench: at most %u records: a user has %d\n", 10000 * RECORDS_OF / 2,
                RECORDS_OF / 2);
        exit(2);
    }
    return clients;
}

int main(int argc, char **argv)
{
    const char *clients = options_read(argc, argv);
    model_make();
    if (the_system->load && !the_system->load()) {
        fprintf(stderr, "gdprbench: %s cannot be loaded\n", the_system->name);
        return 1;
    }
    bool well = true;
    for (const char *at = clients; *at; at += *at == ',') {
        char *end;
        unsigned n = (unsigned)strtoul(at, &end, 10);
        if (end == at || n < 1 || n > 1024)
            usage();
        well &= clients_run(n);
        at = end;
    }
    return well ? 0 : 1;
}
