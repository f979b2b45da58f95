// SPDX-License-Identifier: Apache-2.0
/* The engine over a real store and a real record. The handlers here keep numbers under names in `meta`. */
#define _GNU_SOURCE /* nftw */
#include "unit.h"

#include "engine.h"
#include "file.h"
#include "id.h"
#include "log.h"

#include <ftw.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static atomic_int registers_seen, releases;

static void released(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&releases, 1);
}

static struct instant clock_now(void *ctx)
{
    (void)ctx;
    return (struct instant){1790000000000};
}

static void on_registers(void *ctx, struct store *st)
{
    struct store_rows r;
    struct fail f = {0};
    (void)ctx;
    if (store_one(st, Q_META_GET, ARGS(ARG_T(SPAN("register"))), &r, &f))
        atomic_store(&registers_seen, (int)store_i(&r, 0));
    store_done(&r);
}

static bool keys_away;

/* In these tests the detail of an entry is the raw id; the gate's is sealed. */
static enum err who(void *ctx, struct store *st, struct span leaf, struct span detail, uint8_t subject[16],
                    bool *found, struct fail *f)
{
    (void)ctx, (void)st;
    *found = !keys_away && detail.len == ID_LEN;
    if (*found)
        memcpy(subject, detail.p, ID_LEN);
    return keys_away && leaf.len ? fail_set(f, ERR_BUSY, "the keys are away") : OK;
}

static void folder_new(void)
{
    struct fail f = {0};
    snprintf(folder, sizeof folder, "%s/troth-engine-XXXXXX", unit_tmp());
    if (!mkdtemp(folder) || store_create(folder, &f) != OK ||
        audit_create(folder, "localhost", clock_now(NULL), &f) != OK) {
        printf("  %s\n", f.detail);
        abort();
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void folder_drop(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct house {
    struct audit *audit;
    struct engine *engine;
};

static enum err house_start(struct house *h, unsigned readers, struct fail *f)
{
    enum err e = audit_open(folder, &h->audit, f);
    if (e)
        return e;
    struct engine_config c = {.data = folder,
                              .audit = h->audit,
                              .readers = readers,
                              .lanes = 2,
                              .released = released,
                              .who = who,
                              .on_registers = on_registers,
                              .now = clock_now};
    return engine_start(&c, &h->engine, f);
}

static struct house house_open(unsigned readers)
{
    struct house h = {0};
    struct fail f = {0};
    if (house_start(&h, readers, &f) == OK)
        return h;
    printf("  %s\n", f.detail);
    abort();
}

static void house_close(struct house *h)
{
    engine_stop(h->engine);
    audit_close(h->audit);
}

/* ---- Jobs */

struct ask {
    struct job job;
    struct arena *arena;
    char name[32];
    int64_t number;      /* to write, or what was read (-1: none) */
    const char *subject; /* 16 letters: the entry concerns this person */
    size_t entries;
    struct fail failed;
    atomic_int *answered;
};

static void leave_entries(struct job *j)
{
    struct ask *a = j->user;
    for (size_t i = 0; i < a->entries; i++) {
        j->entries[i] = (struct audit_entry){.leaf = {.kind = AUDIT_READ, .time = j->now}};
        if (a->subject)
            j->entry_subject[i] = j->entries[i].detail = span_str(a->subject);
    }
    j->n_entries = a->entries;
}

static void run_read(struct job *j, struct store *st, void *ctx)
{
    struct ask *a = j->user;
    struct store_rows r;
    struct fail f = {0};
    (void)ctx;
    a->number = -1;
    if (store_one(st, Q_META_GET, ARGS(ARG_T(span_str(a->name))), &r, &f))
        a->number = store_i(&r, 0);
    store_done(&r);
    leave_entries(j);
    j->res.status = 200;
}

static void run_write(struct job *j, struct store *st, void *ctx)
{
    struct ask *a = j->user;
    struct fail f = {0};
    (void)ctx;
    enum err err =
        store_run(st, Q_META_PUT, ARGS(ARG_T(span_str(a->name)), ARG_I(a->number), ARG_NULL), NULL, &f);
    leave_entries(j);
    j->res.status = err == OK ? 200 : err_row(err)->status;
    j->undo = err != OK;
}

static void run_write_undone(struct job *j, struct store *st, void *ctx)
{
    run_write(j, st, ctx);
    j->undo = true;
    j->res.status = 403;
}

/* Number of history rows of a->subject. */
static void run_history(struct job *j, struct store *st, void *ctx)
{
    struct ask *a = j->user;
    uint64_t *entries;
    size_t n = 0;
    struct fail f = {0};
    (void)ctx;
    store_history_list(st, span_str(a->subject), UINT64_MAX, 100000, j->arena, &entries, &n, &f);
    a->number = (int64_t)n;
    j->res.status = 200;
}

static void on_done(struct job *j)
{
    struct ask *a = j->user;
    if (a->answered)
        atomic_fetch_add(a->answered, 1);
}

static void on_fail(struct job *j, const struct fail *f)
{
    struct ask *a = j->user;
    a->failed = *f;
    j->res = (struct response){.status = err_row(f->code)->status};
}

static struct ask *ask_new(enum job_kind kind, void (*run)(struct job *, struct store *, void *),
                           const char *name)
{
    struct arena *arena = arena_new(0);
    struct ask *a = ARENA_NEW(arena, struct ask);
    a->arena = arena;
    a->job =
        (struct job){.arena = arena, .kind = kind, .user = a, .run = run, .done = on_done, .fail = on_fail};
    snprintf(a->name, sizeof a->name, "%s", name);
    return a;
}

static int call(struct house *h, struct ask *a)
{
    engine_call(h->engine, &a->job);
    return a->job.res.status;
}

static int write_number(struct house *h, const char *name, int64_t number)
{
    struct ask *a = ask_new(JOB_WRITE, run_write, name);
    a->number = number;
    a->entries = 1;
    int status = call(h, a);
    arena_free(a->arena);
    return status;
}

static int64_t read_number(struct house *h, const char *name)
{
    struct ask *a = ask_new(JOB_READ, run_read, name);
    call(h, a);
    int64_t n = a->number;
    arena_free(a->arena);
    return n;
}

static int64_t history_count(struct house *h, const char *subject)
{
    struct ask *a = ask_new(JOB_READ, run_history, "");
    a->subject = subject;
    a->job.wait_history = true;
    EXPECT_INT(call(h, a), 200);
    int64_t n = a->number;
    arena_free(a->arena);
    return n;
}

static void read_on_record(struct house *h, const char *subject)
{
    struct ask *a = ask_new(JOB_READ, run_read, "x");
    a->entries = 1;
    a->subject = subject;
    EXPECT_INT(call(h, a), 200);
    arena_free(a->arena);
}

#define ANNA "anna------------"
#define BERT "bert------------"

/* ---- Answers */

TEST(what_was_written_is_read)
{
    folder_new();
    struct house h = house_open(2);
    EXPECT_INT(read_number(&h, "a"), -1);
    EXPECT_INT(write_number(&h, "a", 7), 200);
    EXPECT_INT(read_number(&h, "a"), 7);
    EXPECT_INT(audit_sealed_size(h.audit), 1);
    house_close(&h);
    h = house_open(1);
    EXPECT_INT(read_number(&h, "a"), 7);
    EXPECT_INT(audit_sealed_size(h.audit), 1); /* the outbox was not sealed twice */
    house_close(&h);
    folder_drop();
}

static void run_slots(struct job *j, struct store *st, void *ctx)
{
    run_read(j, st, ctx);
    j->res.body = arena_copy(j->arena, SPAN("[                    ,                    ]"));
    j->res.slot_at[0] = 1;
    j->res.slot_entry[0] = 1;
    j->res.slot_at[1] = 22;
    j->res.slot_entry[1] = 0;
    j->res.n_slots = 2;
}

TEST(indexes_are_patched_into_the_answer)
{
    folder_new();
    struct house h = house_open(1);
    for (int i = 0; i < 5; i++)
        read_on_record(&h, ANNA);
    struct ask *a = ask_new(JOB_READ, run_slots, "x");
    a->entries = 2;
    EXPECT_INT(call(&h, a), 200);
    EXPECT_INT(a->job.index[0], 5);
    EXPECT_INT(a->job.index[1], 6);
    EXPECT_SPAN(a->job.res.body, "[                   6,                   5]");
    arena_free(a->arena);
    house_close(&h);
    folder_drop();
}

/* More than one snapshot holds; every third leaves entries. Those are released by the committer, the others
 * on this thread before engine_lane_run returns. */
TEST(a_lane_runs_reads_on_the_callers_thread)
{
    enum { N = 3 * ENGINE_SNAPSHOT_MAX };
    struct ask *asks[N];
    atomic_int at_once = 0, when_sealed = 0;
    folder_new();
    struct house h = house_open(1);
    EXPECT_INT(write_number(&h, "a", 7), 200);
    for (int i = 0; i < N; i++) {
        asks[i] = ask_new(JOB_READ, run_read, "a");
        asks[i]->entries = i % 3 == 0;
        asks[i]->subject = ANNA;
        asks[i]->answered = i % 3 ? &at_once : &when_sealed;
        engine_lane_add(h.engine, 1, &asks[i]->job);
    }
    int before = atomic_load(&releases);
    engine_lane_run(h.engine, 1);
    EXPECT_INT(atomic_load(&at_once), N - N / 3);
    while (atomic_load(&when_sealed) < N / 3 || atomic_load(&releases) == before)
        usleep(500);
    EXPECT_INT(audit_sealed_size(h.audit), 1 + N / 3);
    for (int i = 0; i < N; i++) {
        EXPECT_INT(asks[i]->number, 7);
        EXPECT_INT(i % 3 ? 1 : asks[i]->job.index[0] != 0, 1);
        arena_free(asks[i]->arena);
    }
    engine_lane_run(h.engine, 0); /* nothing was put aside there */
    EXPECT_INT(history_count(&h, ANNA), N / 3);
    house_close(&h);
    folder_drop();
}

TEST(an_undone_write_stays_on_record)
{
    folder_new();
    struct house h = house_open(1);
    struct ask *a = ask_new(JOB_WRITE, run_write_undone, "u");
    a->number = 1;
    a->entries = 1;
    EXPECT_INT(call(&h, a), 403);
    EXPECT_INT(read_number(&h, "u"), -1);
    EXPECT_INT(audit_sealed_size(h.audit), 1);
    arena_free(a->arena);
    house_close(&h);
    folder_drop();
}

static void run_too_long(struct job *j, struct store *st, void *ctx)
{
    run_write(j, st, ctx);
    j->n_entries = 1;
    j->entries[0] = (struct audit_entry){.leaf = {.kind = AUDIT_COLLECT}};
    j->entries[0].detail = span_of(arena_alloc(j->arena, AUDIT_DETAIL_MAX + 1), AUDIT_DETAIL_MAX + 1);
}

TEST(an_entry_the_record_cannot_hold_fails_its_job_only)
{
    folder_new();
    struct house h = house_open(1);
    struct ask *a = ask_new(JOB_WRITE, run_too_long, "long");
    EXPECT_INT(call(&h, a), 500);
    EXPECT_INT(a->failed.code, ERR_INTERNAL);
    EXPECT_INT(read_number(&h, "long"), -1);
    EXPECT_INT(write_number(&h, "short", 1), 200);
    EXPECT(!engine_stopped(h.engine));
    arena_free(a->arena);
    house_close(&h);
    folder_drop();
}

static void run_register(struct job *j, struct store *st, void *ctx)
{
    run_write(j, st, ctx);
    j->registers_changed = true;
}

TEST(registers_are_reloaded_before_the_answer)
{
    folder_new();
    struct house h = house_open(1);
    struct ask *a = ask_new(JOB_WRITE, run_register, "register");
    a->number = 42;
    atomic_store(&registers_seen, 0);
    EXPECT_INT(call(&h, a), 200);
    EXPECT_INT(atomic_load(&registers_seen), 42);
    arena_free(a->arena);
    house_close(&h);
    folder_drop();
}

/* ---- Many callers */

enum { CALLERS = 8, CALLS = 120 };

struct caller {
    struct house *h;
    int number;
    int bad;
};

static void *caller_main(void *arg)
{
    struct caller *c = arg;
    char name[32];
    for (int i = 0; i < CALLS; i++) {
        snprintf(name, sizeof name, "caller-%d-%d", c->number, i % 7);
        c->bad += write_number(c->h, name, i) != 200;
        c->bad += read_number(c->h, name) != i;
        read_on_record(c->h, i % 2 ? ANNA : BERT);
    }
    return NULL;
}

TEST(many_callers_each_see_their_own_writes)
{
    folder_new();
    struct house h = house_open(3);
    pthread_t threads[CALLERS];
    struct caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){&h, i, 0};
        pthread_create(&threads[i], NULL, caller_main, &callers[i]);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_INT(callers[i].bad, 0);
    }
    EXPECT_INT(audit_sealed_size(h.audit), CALLERS * CALLS * 2);
    EXPECT_INT(history_count(&h, ANNA) + history_count(&h, BERT), CALLERS * CALLS);
    house_close(&h);
    struct audit_report report;
    struct fail f = {0};
    EXPECT_INT(audit_verify(folder, &report, NULL, NULL, &f), OK);
    EXPECT(report.ok);
    EXPECT_INT(report.entries, CALLERS * CALLS * 2);
    folder_drop();
}

static sem_t gate_open;

static void run_blocked(struct job *j, struct store *st, void *ctx)
{
    sem_wait(&gate_open);
    run_read(j, st, ctx);
}

TEST(a_full_queue_is_busy_and_stopping_answers_what_was_taken)
{
    static struct ask *asks[ENGINE_QUEUE_MAX + 1];
    atomic_int answered = 0;
    struct fail f = {0};
    folder_new();
    sem_init(&gate_open, 0, 0);
    struct house h = house_open(1);
    for (int i = 0; i <= ENGINE_QUEUE_MAX; i++) {
        asks[i] = ask_new(JOB_READ, i ? run_read : run_blocked, "x");
        asks[i]->answered = &answered;
        asks[i]->entries = (size_t)i % 2;
        EXPECT_INT(engine_submit(h.engine, &asks[i]->job, &f), i < ENGINE_QUEUE_MAX ? OK : ERR_BUSY);
    }
    sem_post(&gate_open);
    engine_stop(h.engine);
    EXPECT_INT(atomic_load(&answered), ENGINE_QUEUE_MAX);
    EXPECT_INT(audit_sealed_size(h.audit), ENGINE_QUEUE_MAX / 2);
    audit_close(h.audit);
    for (int i = 0; i <= ENGINE_QUEUE_MAX; i++)
        arena_free(asks[i]->arena);
    folder_drop();
}

static atomic_uint syncs, reads_run;

/* The record's: counted on their way. */
int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    return (int)syscall(SYS_fdatasync, fd);
}

static void run_counted(struct job *j, struct store *st, void *ctx)
{
    run_read(j, st, ctx);
    atomic_fetch_add(&reads_run, 1);
}

static void wait_for(const atomic_uint *counter, unsigned most)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    while (atomic_load(counter) < most)
        nanosleep(&moment, NULL);
}

/* While the committer is at something else, 500 reads gather: they need two groups and not a sync each. */
TEST(those_who_wait_share_a_sync)
{
    enum { N = 500 };
    static struct ask *asks[N];
    atomic_int answered = 0;
    struct fail f = {0};
    folder_new();
    sem_init(&gate_open, 0, 0);
    atomic_store(&reads_run, 0);
    struct house h = house_open(1);
    struct ask *first = ask_new(JOB_WRITE, run_blocked, "x");
    EXPECT_INT(engine_submit(h.engine, &first->job, &f), OK);
    for (int i = 0; i < N; i++) {
        asks[i] = ask_new(JOB_READ, run_counted, "x");
        asks[i]->answered = &answered;
        asks[i]->entries = 1;
        EXPECT_INT(engine_submit(h.engine, &asks[i]->job, &f), OK);
    }
    wait_for(&reads_run, N);
    EXPECT_INT(atomic_load(&answered), 0); /* nobody before the record has it */
    unsigned before = atomic_load(&syncs);
    sem_post(&gate_open);
    while (atomic_load(&answered) < N)
        sched_yield();
    EXPECT(atomic_load(&syncs) > before);
    EXPECT(atomic_load(&syncs) - before < N / 20);
    house_close(&h);
    for (int i = 0; i < N; i++)
        arena_free(asks[i]->arena);
    arena_free(first->arena);
    folder_drop();
}

/* ---- History */

static void run_erase(struct job *j, struct store *st, void *ctx)
{
    run_write(j, st, ctx);
    j->forget_history = true;
}

TEST(an_erased_person_leaves_the_history)
{
    folder_new();
    struct house h = house_open(2);
    for (int i = 0; i < 10; i++)
        read_on_record(&h, i % 2 ? ANNA : BERT);
    EXPECT_INT(history_count(&h, ANNA), 5);
    struct ask *a = ask_new(JOB_WRITE, run_erase, "e");
    a->entries = 1;
    a->subject = ANNA;
    EXPECT_INT(call(&h, a), 200);
    EXPECT_INT(history_count(&h, ANNA), 0);
    EXPECT_INT(history_count(&h, BERT), 5);
    arena_free(a->arena);
    house_close(&h);
    folder_drop();
}

TEST(rows_of_pruned_entries_leave_the_history)
{
    folder_new();
    struct house h = house_open(2);
    for (int i = 0; i < 200; i++)
        read_on_record(&h, i % 2 ? ANNA : BERT);
    EXPECT_INT(history_count(&h, ANNA), 100);
    while (!engine_forget_before(h.engine, 150))
        usleep(1000);
    EXPECT(engine_forget_before(h.engine, 100));
    EXPECT_INT(history_count(&h, ANNA), 25);
    read_on_record(&h, BERT);
    EXPECT_INT(history_count(&h, BERT), 26);
    house_close(&h);
    folder_drop();
}

TEST(history_is_rebuilt_from_the_record)
{
    char path[128];
    folder_new();
    struct house h = house_open(1);
    for (int i = 0; i < 30; i++)
        read_on_record(&h, i % 3 ? ANNA : BERT);
    house_close(&h);
    snprintf(path, sizeof path, "%s/history.db", folder);
    EXPECT_INT(unlink(path), 0);
    h = house_open(1);
    EXPECT_INT(history_count(&h, ANNA), 20);
    EXPECT_INT(history_count(&h, BERT), 10);
    house_close(&h);
    folder_drop();
}

TEST(history_is_not_rebuilt_without_the_names)
{
    char path[128];
    struct fail f = {0};
    folder_new();
    struct house h = house_open(1);
    for (int i = 0; i < 3; i++)
        read_on_record(&h, ANNA);
    house_close(&h);
    snprintf(path, sizeof path, "%s/history.db", folder);
    EXPECT_INT(unlink(path), 0);
    keys_away = true;
    enum err e = house_start(&h, 1, &f);
    EXPECT_INT(e, ERR_BUSY);
    keys_away = false;
    if (e == OK)
        engine_stop(h.engine);
    audit_close(h.audit);
    h = house_open(1);
    EXPECT_INT(history_count(&h, ANNA), 3);
    house_close(&h);
    folder_drop();
}

/* ---- The outbox */

static void outbox_put(uint64_t id, const char *detail)
{
    struct store *st = NULL;
    struct fail f = {0};
    uint8_t leaf[AUDIT_LEAF_MAX];
    struct audit_leaf l = {.kind = AUDIT_CONSENT, .time = {1}};
    size_t len = audit_leaf_put(&l, leaf);
    EXPECT_INT(store_open(folder, STORE_WRITE, &st, &f), OK);
    EXPECT_INT(store_run(st, Q_PENDING_ADD,
                         ARGS(ARG_I(id), ARG_B(span_of(leaf, len)), ARG_B(span_str(detail))), NULL, &f),
               OK);
    store_close(st);
}

static bool outbox_empty(void)
{
    struct store *st = NULL;
    struct store_rows r;
    struct fail f = {0};
    EXPECT_INT(store_open(folder, STORE_READ, &st, &f), OK);
    bool any = store_one(st, Q_PENDING_LIST, ARGS(ARG_I(0), ARG_I(INT64_MAX), ARG_I(10)), &r, &f);
    store_done(&r);
    store_close(st);
    return !any;
}

TEST(the_outbox_is_sealed_once_after_a_crash)
{
    folder_new();
    struct house h = house_open(1);
    EXPECT_INT(write_number(&h, "a", 1), 200); /* pending id 1 */
    house_close(&h);
    EXPECT(outbox_empty());
    outbox_put(1, ANNA); /* sealed before the crash, not yet dropped */
    outbox_put(2, ANNA); /* committed before the crash, not yet sealed */
    h = house_open(1);
    EXPECT_INT(audit_sealed_size(h.audit), 2);
    EXPECT_INT(history_count(&h, ANNA), 1);
    EXPECT_INT(write_number(&h, "a", 2), 200);
    house_close(&h);
    EXPECT(outbox_empty());
    h = house_open(1);
    EXPECT_INT(audit_sealed_size(h.audit), 3);
    EXPECT_INT(audit_pending_done(h.audit), 3);
    house_close(&h);
    folder_drop();
}

TEST(a_checkpoint_is_published_when_idle_and_at_the_end)
{
    folder_new();
    struct house h = house_open(1);
    struct arena *a = arena_new(0);
    struct span note = SPAN_EMPTY;
    struct fail f = {0};
    read_on_record(&h, ANNA);
    for (int i = 0; i < 500 && !(note.len && memmem(note.p, note.len, "\n1\n", 3)); i++) {
        usleep(20000);
        audit_checkpoint(h.audit, a, &note, &f);
    }
    EXPECT(note.len && memmem(note.p, note.len, "\n1\n", 3));
    read_on_record(&h, ANNA);
    engine_stop(h.engine);
    EXPECT_INT(audit_checkpoint(h.audit, a, &note, &f), OK);
    EXPECT(memmem(note.p, note.len, "\n2\n", 3) != NULL);
    audit_close(h.audit);
    arena_free(a);
    folder_drop();
}

/* ---- Crashes and failing disks, in a child */

static int in_child(int (*fn)(int), int arg)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(fn(arg));
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit = {bytes, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
}

static int seal_fails(int arg)
{
    (void)arg;
    struct house h = house_open(1);
    if (write_number(&h, "before", 1) != 200)
        return 1;
    limit_files(0); /* no file takes a byte more */
    struct ask *a = ask_new(JOB_READ, run_read, "before");
    a->entries = 1;
    if (call(&h, a) != 503 || a->failed.code != ERR_STOPPED || !engine_stopped(h.engine))
        return 2;
    limit_files(RLIM_INFINITY); /* a well disk does not bring it back: what was lost is unknown */
    if (write_number(&h, "after", 1) != 503)
        return 3;
    if (read_number(&h, "before") != 1 || read_number(&h, "after") != -1)
        return 4;
    house_close(&h);
    return 0;
}

TEST(nothing_is_acknowledged_after_a_failed_sync)
{
    folder_new();
    EXPECT_INT(in_child(seal_fails, 0), 0);
    struct house h = house_open(1);
    EXPECT_INT(write_number(&h, "again", 1), 200);
    EXPECT_INT(audit_sealed_size(h.audit), 2);
    house_close(&h);
    folder_drop();
}

static void run_write_big(struct job *j, struct store *st, void *ctx)
{
    size_t len = 24 << 20;
    struct fail f = {0};
    struct span big = span_of(arena_alloc(j->arena, len), len);
    (void)ctx;
    enum err err = store_run(st, Q_META_PUT, ARGS(ARG_T(SPAN("big")), ARG_NULL, ARG_B(big)), NULL, &f);
    j->res.status = err == OK ? 200 : err_row(err)->status;
    j->undo = err != OK;
    leave_entries(j);
}

static int disk_full(int arg)
{
    (void)arg;
    struct house h = house_open(1);
    limit_files(16 << 20);
    struct ask *big = ask_new(JOB_WRITE, run_write_big, "big");
    big->entries = 1;
    if (call(&h, big) != 507 || big->failed.code != ERR_DISK_FULL || engine_stopped(h.engine))
        return 1;
    if (read_number(&h, "big") != -1 || write_number(&h, "small", 3) != 200 || read_number(&h, "small") != 3)
        return 2;
    if (audit_sealed_size(h.audit) != 1)
        return 3;
    house_close(&h);
    return 0;
}

TEST(a_full_disk_fails_the_group_and_reads_go_on)
{
    folder_new();
    EXPECT_INT(in_child(disk_full, 0), 0);
    folder_drop();
}

/* Writes as fast as it can and tells the pipe what was acknowledged, until it is killed. */
static int write_for_ever(int pipe_fd)
{
    struct house h = house_open(2);
    for (int64_t i = 0;; i++) {
        char name[32];
        snprintf(name, sizeof name, "n-%lld", (long long)i);
        struct ask *a = ask_new(JOB_WRITE, run_write, name);
        a->number = i;
        a->entries = 1;
        a->subject = ANNA;
        int64_t told[2] = {i, 0};
        if (call(&h, a) != 200)
            return 1;
        told[1] = (int64_t)a->job.index[0];
        arena_free(a->arena);
        if (write(pipe_fd, told, sizeof told) != sizeof told)
            return 2;
    }
}

static void check_acknowledged(struct house *h, const int64_t told[2])
{
    char name[32];
    struct arena *a = arena_new(0);
    struct span leaf, detail;
    struct fail f = {0};
    snprintf(name, sizeof name, "n-%lld", (long long)told[0]);
    EXPECT_INT(read_number(h, name), told[0]);
    EXPECT_INT(audit_read(h->audit, (uint64_t)told[1], a, &leaf, &detail, &f), OK);
    EXPECT_SPAN(detail, ANNA);
    arena_free(a);
}

static void kill_round(int64_t *next)
{
    int up[2], status;
    int64_t told[2] = {-1, -1}, acknowledged[64][2];
    size_t n = 0;
    if (pipe(up) != 0)
        abort();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(write_for_ever(up[1]));
    close(up[1]);
    while (n < 20 && read(up[0], told, sizeof told) == sizeof told)
        memcpy(acknowledged[n++], told, sizeof told);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    while (n < 64 && read(up[0], told, sizeof told) == sizeof told)
        memcpy(acknowledged[n++], told, sizeof told);
    close(up[0]);
    EXPECT(n >= 20);
    struct house h = house_open(1);
    for (size_t i = 0; i < n; i++)
        check_acknowledged(&h, acknowledged[i]);
    /* every change has exactly one entry, and history knows each */
    EXPECT_INT(history_count(&h, ANNA), audit_sealed_size(h.audit));
    EXPECT_INT(audit_pending_done(h.audit), audit_sealed_size(h.audit));
    *next = (int64_t)audit_sealed_size(h.audit);
    house_close(&h);
    EXPECT(outbox_empty());
}

TEST(a_killed_process_loses_nothing_acknowledged)
{
    int64_t size = 0, before = 0;
    folder_new();
    for (int round = 0; round < 5; round++, before = size) {
        kill_round(&size);
        EXPECT(size > before);
    }
    folder_drop();
}

/* ---- Starting */

TEST(a_bad_configuration_is_refused)
{
    struct fail f = {0};
    struct engine *e = NULL;
    struct engine_config c = {.data = "/tmp", .readers = 0, .now = clock_now};
    EXPECT_INT(engine_start(&c, &e, &f), ERR_BAD_VALUE);
    f = (struct fail){0};
    c.readers = 1;
    c.data = "/tmp/troth-engine-none";
    EXPECT_INT(engine_start(&c, &e, &f), ERR_NOT_FOUND);
    EXPECT(e == NULL);
}

UNIT_MAIN(CASE(what_was_written_is_read), CASE(indexes_are_patched_into_the_answer),
          CASE(a_lane_runs_reads_on_the_callers_thread), CASE(an_undone_write_stays_on_record),
          CASE(an_entry_the_record_cannot_hold_fails_its_job_only),
          CASE(registers_are_reloaded_before_the_answer), CASE(many_callers_each_see_their_own_writes),
          CASE(a_full_queue_is_busy_and_stopping_answers_what_was_taken), CASE(those_who_wait_share_a_sync),
          CASE(an_erased_person_leaves_the_history), CASE(rows_of_pruned_entries_leave_the_history),
          CASE(history_is_rebuilt_from_the_record), CASE(history_is_not_rebuilt_without_the_names),
          CASE(the_outbox_is_sealed_once_after_a_crash),
          CASE(a_checkpoint_is_published_when_idle_and_at_the_end),
          CASE(nothing_is_acknowledged_after_a_failed_sync),
          CASE(a_full_disk_fails_the_group_and_reads_go_on),
          CASE(a_killed_process_loses_nothing_acknowledged), CASE(a_bad_configuration_is_refused))
