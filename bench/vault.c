// SPDX-License-Identifier: Apache-2.0
/*
 * vault.c: what a sealed value costs: vault [TSV]. Prints a table, and appends its medians to TSV.
 *
 * seal-aes, open-aes        ns  150 bytes bound to 72, AES-256-GCM (libsodium)
 * open-aes-evp              ns  the same by OpenSSL, its context reused: what a processor without AES takes
 * seal-chacha, open-chacha  ns  ChaCha20-Poly1305
 * key-hit                   ns  a person's key from the cache
 * key-miss                  ns  the same from keys.db: statement, unwrapping, subkey
 * value-put, value-get      us  one value into and out of a database, in one group
 *
 * CPU time of one thread.
 */
#include "crypto_impl.h"
#include "vault.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define RUNS    15
#define ROUNDS  20000
#define PERSONS 1000
#define PLAIN   150
#define BIND    72

static struct key *key;
static uint8_t plain[PLAIN], bound[BIND], sealed[2][PLAIN + SEAL_EXTRA], out[PLAIN + SEAL_EXTRA];
static struct vault_person people[PERSONS];
static struct vault *vault;
static struct store *st;
static char dir[] = "/tmp/troth-bench-XXXXXX";

static void must(enum err e, const struct fail *f)
{
    if (e == OK)
        return;
    fprintf(stderr, "vault: %s\n", f->detail);
    exit(1);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct vault_person person(size_t i)
{
    struct vault_person s = {.sid = (int64_t)i + 1};
    struct digest d;
    crypto_sha256(span_of((const uint8_t *)&i, sizeof i), &d);
    memcpy(s.id.b, d.b, ID_LEN);
    return s;
}

/* ---- What is measured; each returns how often */

static size_t seal(enum seal_algorithm alg)
{
    struct fail f = {0};
    for (size_t i = 0; i < ROUNDS; i++)
        must(seal_with(alg, key, span_of(bound, BIND), span_of(plain, PLAIN), out, &f), &f);
    return ROUNDS;
}

static size_t open_sealed(enum seal_algorithm alg, const uint8_t *from)
{
    for (size_t i = 0; i < ROUNDS; i++)
        if (!open_with(alg, key, span_of(bound, BIND), span_of(from, PLAIN + SEAL_EXTRA), out))
            exit(1);
    return ROUNDS;
}

static size_t seal_aes(void)
{
    return seal(SEAL_AES_256_GCM);
}
static size_t open_aes(void)
{
    return open_sealed(SEAL_AES_256_GCM, sealed[0]);
}
static size_t open_evp(void)
{
    return open_sealed(SEAL_EVP_FOR_TESTS, sealed[0]);
}
static size_t seal_chacha(void)
{
    return seal(SEAL_CHACHA20_POLY1305);
}
static size_t open_chacha(void)
{
    return open_sealed(SEAL_CHACHA20_POLY1305, sealed[1]);
}

typedef enum err open_fn(struct vault *, struct store *, const struct vault_person *, struct person_key **,
                         struct fail *);

static size_t open_keys(open_fn *open)
{
    struct fail f = {0};
    struct person_key *k;
    must(store_begin_read(st, &f), &f);
    for (size_t i = 0; i < PERSONS; i++) {
        struct vault_person s = people[i];
        must(open(vault, st, &s, &k, &f), &f);
        vault_key_close(k);
    }
    store_end_read(st);
    return PERSONS;
}

static size_t key_hit(void)
{
    return open_keys(vault_key_open);
}
static size_t key_miss(void)
{
    return open_keys(vault_key_read);
}

static void with_key(size_t i, bool put, struct arena *a)
{
    struct fail f = {0};
    struct vault_person s = people[i];
    struct person_key *k;
    struct value v = {.field = SPAN("contact-phone"), .plain = span_of(plain, PLAIN)}, *got;
    size_t n;
    must(vault_key_open(vault, st, &s, &k, &f), &f);
    must(put ? vault_put(st, &s, k, &v, VALUE_VERSION_ASK, &f)
             : vault_get(st, &s, k, SPAN("contact-phone"), SPAN_EMPTY, a, &got, &n, &f),
         &f);
    vault_key_close(k);
}

static size_t values(bool put)
{
    struct fail f = {0};
    struct arena *a = arena_new(0);
    must(put ? store_begin_write(st, &f) : store_begin_read(st, &f), &f);
    for (size_t i = 0; i < PERSONS; i++)
        with_key(i, put, a);
    if (put)
        must(store_commit(st, &f), &f);
    else
        store_end_read(st);
    arena_free(a);
    return PERSONS;
}

static size_t value_put(void)
{
    return values(true);
}
static size_t value_get(void)
{
    return values(false);
}

static const struct figure {
    const char *name;
    size_t (*run)(void);
    const char *unit;
    double scale;
} figures[] = {
    {"seal-aes", seal_aes, "ns", 1},       {"open-aes", open_aes, "ns", 1},
    {"open-aes-evp", open_evp, "ns", 1},   {"seal-chacha", seal_chacha, "ns", 1},
    {"open-chacha", open_chacha, "ns", 1}, {"key-hit", key_hit, "ns", 1},
    {"key-miss", key_miss, "ns", 1},       {"value-put", value_put, "us", 1000},
    {"value-get", value_get, "us", 1000},
};

/* ---- All */

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void print_figure(const struct figure *g, FILE *tsv)
{
    double took[RUNS];
    for (int i = 0; i < RUNS; i++) {
        double from = now_ns();
        size_t n = g->run();
        took[i] = (now_ns() - from) / (double)n / g->scale;
    }
    qsort(took, RUNS, sizeof took[0], by_size);
    printf("%-16s %10.2f %10.2f %10.2f  %s\n", g->name, took[RUNS / 2], took[0], took[RUNS - 1], g->unit);
    if (tsv)
        fprintf(tsv, "vault-%s\t%.2f\t%s\n", g->name, took[RUNS / 2], g->unit);
}

static void prepare(void)
{
    struct fail f = {0};
    char path[64];
    must(crypto_start(&f), &f);
    key = key_random();
    must(seal_with(SEAL_AES_256_GCM, key, span_of(bound, BIND), span_of(plain, PLAIN), sealed[0], &f), &f);
    must(seal_with(SEAL_CHACHA20_POLY1305, key, span_of(bound, BIND), span_of(plain, PLAIN), sealed[1], &f),
         &f);
    if (!mkdtemp(dir))
        abort();
    snprintf(path, sizeof path, "%s/master", dir);
    must(key_create_file(path, &f), &f);
    must(store_create(dir, &f), &f);
    must(store_open(dir, STORE_WRITE, &st, &f), &f);
    must(vault_create(st, &(struct vault_master){.file = path}, &f), &f);
    must(vault_open(st, &(struct vault_master){.file = path}, &vault, &f), &f);
    must(store_begin_write(st, &f), &f);
    for (size_t i = 0; i < PERSONS; i++) {
        people[i] = person(i);
        must(vault_key_create(vault, st, &people[i], &f), &f);
    }
    must(store_commit(st, &f), &f);
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        fprintf(stderr, "usage: vault [TSV]\n");
        return 2;
    }
    FILE *tsv = argc == 2 ? fopen(argv[1], "a") : NULL;
    char command[64];
    prepare();
    printf("%d bytes bound to %d, %d persons; AES in the processor: %s; %d runs\n", PLAIN, BIND, PERSONS,
           seal_preferred() == SEAL_AES_256_GCM ? "yes" : "no", RUNS);
    printf("%-16s %10s %10s %10s\n", "", "median", "min", "max");
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        print_figure(&figures[i], tsv);
    vault_close(vault);
    store_close(st);
    key_free(key);
    if (tsv)
        fclose(tsv);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : 1;
}
