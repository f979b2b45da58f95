// SPDX-License-Identifier: Apache-2.0
/*
 * record.c: what the record takes: record [--quick] [FOLDER [TSV]]. Prints a table, and appends its medians
 * to TSV.
 *
 * record-append      1/s  entries made durable, 128 callers, each waiting for one entry at a time
 * record-append-64, -512  the same with other counts
 * record-limit-128   1/s  the disk's own limit: the same bytes in the same groups, written and synced,
 * nothing else
 * record-verify      1/s  entries that `troth audit verify` recomputes
 * record-open        ms   opening the log with everything written so far
 *
 * With --quick only record-append and its limit, in shorter runs.
 *
 * A caller is one entry under way: when it is acknowledged the next one is handed in, from the thread that
 * acknowledged. Callers come in through the engine's queue, readers and committer, as requests do. The folder
 * should be on the disk that is to be measured (default: the current one); it is removed afterwards.
 */
#define _GNU_SOURCE /* nftw */
#include "audit.h"
#include "engine.h"
#include "file.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    RUNS = 5,
    CALLERS_MAX = 512,
    DETAIL = 220, /* a sealed detail of a read of five fields */
    RUN_MS = 1000,
    RUN_QUICK_MS = 400,
    LATENCIES_MAX = 1 << 19
};

struct caller {
    struct job job;
    struct request req;
    struct arena *arena;
    double since;
};

static struct caller caller[CALLERS_MAX];
static uint8_t detail[DETAIL];
static char folder[256];
static long run_ms = RUN_MS;
static struct engine *engine;
static atomic_bool over;
static atomic_uint done, under_way, failures;
static float latency[LATENCIES_MAX]; /* ms */

static double now_s(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    return now_s(CLOCK_PROCESS_CPUTIME_ID);
}

static _Noreturn void die(const struct fail *f)
{
    fprintf(stderr, "record: %s\n", f->detail);
    exit(1);
}

/* ---- Callers */

static void run(struct job *j, struct store *st, void *ctx)
{
    (void)st, (void)ctx;
    j->entries[0] =
        (struct audit_entry){.leaf = {.kind = AUDIT_READ, .time = j->now}, .detail = span_of(detail, DETAIL)};
    j->n_entries = 1;
}

static void fail(struct job *j, const struct fail *f)
{
    (void)j, (void)f;
    atomic_fetch_add(&failures, 1);
}

static void hand_in(struct caller *c);

static void acknowledged(struct job *j)
{
    struct caller *c = j->user;
    unsigned n = atomic_fetch_add(&done, 1);
    if (n < LATENCIES_MAX)
        latency[n] = (float)((now_s(CLOCK_MONOTONIC) - c->since) * 1e3);
    if (atomic_load(&over))
        atomic_fetch_sub(&under_way, 1);
    else
        hand_in(c);
}

static void hand_in(struct caller *c)
{
    struct fail f = {0};
    c->job = (struct job){.req = &c->req,
                          .arena = c->arena,
                          .kind = JOB_READ,
                          .user = c,
                          .run = run,
                          .done = acknowledged,
                          .fail = fail};
    c->since = now_s(CLOCK_MONOTONIC);
    if (engine_submit(engine, &c->job, &f) != OK)
        die(&f);
}

/* ---- Figures */

struct figure {
    double rate[RUNS], p50[RUNS], p99[RUNS], cpu_us[RUNS];
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_size_f(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, RUNS, sizeof *v, by_size);
    return v[RUNS / 2];
}

static void append_once(unsigned callers, struct figure *out, int at)
{
    struct timespec pause = {.tv_sec = run_ms / 1000, .tv_nsec = run_ms % 1000 * 1000000L};
    const struct timespec moment = {.tv_nsec = 1000000};
    atomic_store(&over, false);
    atomic_store(&done, 0);
    atomic_store(&under_way, callers);
    double start = now_s(CLOCK_MONOTONIC), cpu = cpu_s();
    for (unsigned i = 0; i < callers; i++)
        hand_in(&caller[i]);
    nanosleep(&pause, NULL);
    atomic_store(&over, true);
    while (atomic_load(&under_way))
        nanosleep(&moment, NULL);
    double took = now_s(CLOCK_MONOTONIC) - start;
    unsigned n = atomic_load(&done), kept = n < LATENCIES_MAX ? n : LATENCIES_MAX;
    qsort(latency, kept, sizeof *latency, by_size_f);
    out->rate[at] = n / took;
    out->cpu_us[at] = (cpu_s() - cpu) * 1e6 / n;
    out->p50[at] = (double)latency[kept / 2];
    out->p99[at] = (double)latency[(size_t)kept * 99 / 100];
}

static void put_line(const char *name, double *rate, const char *unit, const struct figure *f, FILE *tsv)
{
    double mid = median(rate);
    printf("%-18s %10.0f %10.0f %10.0f %-4s", name, mid, rate[0], rate[RUNS - 1], unit);
    if (f) {
        struct figure copy = *f;
        printf(" %8.1f us %7.2f ms %7.2f ms", median(copy.cpu_us), median(copy.p50), median(copy.p99));
    }
    printf("\n");
    if (tsv)
        fprintf(tsv, "%s\t%.0f\t%s\n", name, mid, unit);
}

static void measure_append(unsigned callers, FILE *tsv)
{
    struct figure f;
    char name[32];
    for (int i = 0; i < RUNS; i++)
        append_once(callers, &f, i);
    snprintf(name, sizeof name, callers == 128 ? "record-append" : "record-append-%u", callers);
    put_line(name, f.rate, "1/s", &f, tsv);
}

/* What a disk gives to groups of that size when nothing else is done. */
static double limit_once(size_t group, size_t bytes)
{
    static uint8_t block[CALLERS_MAX * 512];
    char path[300];
    off_t at = 0, size = 256 << 20;
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/limit", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, size) != 0 || fsync(fd) != 0)
        die(&(struct fail){.detail = "no room for the limit's file"});
    double start = now_s(CLOCK_MONOTONIC);
    for (; now_s(CLOCK_MONOTONIC) - start < (double)run_ms / 1e3 && at + (off_t)(group * bytes) < size; n++) {
        memset(block, (int)n, group * bytes);
        if (pwrite(fd, block, group * bytes, at) < 0 || fdatasync(fd) != 0)
            die(&(struct fail){.detail = "writing fails"});
        at += (off_t)(group * bytes);
    }
    double rate = (double)(n * group) / (now_s(CLOCK_MONOTONIC) - start);
    close(fd);
    unlink(path);
    return rate;
}

static void measure_limit(FILE *tsv)
{
    double rate[RUNS];
    for (int i = 0; i < RUNS; i++)
        rate[i] = limit_once(128, 18 + 94 + DETAIL);
    put_line("record-limit-128", rate, "1/s", NULL, tsv);
}

static uint64_t measure_verify(FILE *tsv)
{
    double rate[RUNS];
    struct audit_report r;
    struct fail f = {0};
    for (int i = 0; i < RUNS; i++) {
        double start = now_s(CLOCK_MONOTONIC);
        if (audit_verify(folder, &r, NULL, NULL, &f) != OK)
            die(&f);
        if (!r.ok) {
            fprintf(stderr, "record: %s\n", r.fault);
            exit(1);
        }
        rate[i] = (double)r.entries / (now_s(CLOCK_MONOTONIC) - start);
    }
    put_line("record-verify", rate, "1/s", NULL, tsv);
    return r.entries;
}

static void measure_open(FILE *tsv)
{
    double ms[RUNS], cpu_ms[RUNS];
    struct fail f = {0};
    for (int i = 0; i < RUNS; i++) {
        struct audit *au;
        double start = now_s(CLOCK_MONOTONIC), cpu = cpu_s();
        if (audit_open(folder, &au, &f) != OK)
            die(&f);
        ms[i] = (now_s(CLOCK_MONOTONIC) - start) * 1e3;
        cpu_ms[i] = (cpu_s() - cpu) * 1e3;
        audit_close(au);
    }
    put_line("record-open", ms, "ms", NULL, tsv);
    put_line("record-open-cpu", cpu_ms, "ms", NULL, tsv);
}

/* ---- The house */

static struct instant clock_now(void *ctx)
{
    (void)ctx;
    return (struct instant){(int64_t)(now_s(CLOCK_REALTIME) * 1e3)};
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void measure_appends(bool quick, FILE *tsv)
{
    static const unsigned callers[] = {64, 128, 512};
    struct audit *au;
    struct fail f = {0};
    if (audit_open(folder, &au, &f) != OK)
        die(&f);
    struct engine_config c = {.data = folder, .audit = au, .readers = 2, .now = clock_now};
    if (engine_start(&c, &engine, &f) != OK)
        die(&f);
    for (size_t i = 0; i < sizeof callers / sizeof callers[0]; i++)
        if (!quick || callers[i] == 128)
            measure_append(callers[i], tsv);
    engine_stop(engine);
    audit_close(au);
    if (atomic_load(&failures))
        die(&(struct fail){.detail = "entries were refused"});
}

static void measure_rest(FILE *tsv)
{
    uint64_t entries = measure_verify(tsv);
    measure_open(tsv);
    printf("%llu entries; one entry %d bytes on disk; callers share one process with the engine\n",
           (unsigned long long)entries, 18 + 94 + DETAIL);
}

int main(int argc, char **argv)
{
    struct fail f = {0};
    bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    if (quick) {
        run_ms = RUN_QUICK_MS;
        argc--, argv++;
    }
    snprintf(folder, sizeof folder, "%s/record-XXXXXX", argc > 1 ? argv[1] : ".");
    FILE *tsv = argc > 2 ? fopen(argv[2], "a") : NULL;
    if (crypto_start(&f) != OK)
        die(&f);
    if (!mkdtemp(folder) || store_create(folder, &f) != OK ||
        audit_create(folder, "localhost", clock_now(NULL), &f) != OK)
        die(&f);
    crypto_random(detail, sizeof detail);
    for (unsigned i = 0; i < CALLERS_MAX; i++)
        caller[i].arena = arena_new(0);
    printf("%-18s %10s %10s %10s %-4s %11s %10s %10s\n", "", "median", "min", "max", "", "CPU", "p50", "p99");
    measure_limit(tsv);
    measure_appends(quick, tsv);
    if (!quick)
        measure_rest(tsv);
    if (tsv)
        fclose(tsv);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
