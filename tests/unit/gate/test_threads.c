// SPDX-License-Identifier: Apache-2.0
/* Readers decide while the registers are swapped under them. Run it under TSan: `make SAN=thread`. */
#include "gate_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#define READERS 4
#define ROUNDS  150

static void *reader(void *arg)
{
    struct fail f = {0};
    struct store *st;
    struct gate_answer *answer = calloc(1, sizeof *answer);
    size_t *allowed = arg;
    scratch_must(store_open(scratch_dir, STORE_READ, &st, &f), &f);
    for (int i = 0; i < ROUNDS; i++) {
        struct arena *a = arena_new(0);
        struct gate_call c = {
            .gate = fx_gate, .view = gate_hold(fx_gate), .st = st, .arena = a, .now = FX_NOW};
        struct gate_request q =
            fx_ask_for(&fx_ann, "purpose=delivery operation=share fields=contact-phone service=shop "
                                "recipient=ship-b");
        scratch_must(store_begin_read(st, &f), &f);
        scratch_must(gate_decide(&c, &q, answer, &f), &f);
        store_end_read(st);
        *allowed += answer->answer == ANSWER_ALLOW;
        gate_release(fx_gate, c.view);
        arena_free(a);
    }
    store_close(st);
    free(answer);
    return NULL;
}

TEST(readers_and_a_swap)
{
    fx_open();
    pthread_t threads[READERS];
    size_t allowed[READERS] = {0};
    fx_agree(&fx_ann, "group");
    for (size_t i = 0; i < READERS; i++)
        EXPECT_INT(pthread_create(&threads[i], NULL, reader, &allowed[i]), 0);
    for (int i = 0; i < ROUNDS; i++)
        gate_registers_changed(fx_gate, scratch_st);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_INT(allowed[i], ROUNDS);
    }
    fx_close();
}

/* ---- Opened keys */

static atomic_bool erased;

/* Reads the person until they are gone; once the erasure was committed, no snapshot begun later may open
 * anything. */
static void *last_reader(void *arg)
{
    struct store *st;
    size_t *late = arg;
    enum err e = OK;
    struct fail f = {0};
    scratch_must(store_open(scratch_dir, STORE_READ, &st, &f), &f);
    for (int i = 0; e == OK && i < 100000; i++) {
        struct arena *a = arena_new(0);
        struct gate_call c = {
            .gate = fx_gate, .view = gate_hold(fx_gate), .st = st, .arena = a, .now = FX_NOW};
        struct gate_out *held;
        size_t n;
        bool after = atomic_load(&erased);
        f = (struct fail){0};
        scratch_must(store_begin_read(st, &f), &f);
        e = gate_held(&c, fx_stranger.id, &held, &n, &f);
        *late += after && e == OK;
        store_end_read(st);
        gate_release(fx_gate, c.view);
        arena_free(a);
    }
    *late += e != ERR_GONE;
    store_close(st);
    return NULL;
}

TEST(R145_no_thread_reads_an_erased_person)
{
    fx_open();
    pthread_t threads[READERS];
    size_t late[READERS] = {0};
    struct subject gone;
    atomic_store(&erased, false);
    for (size_t i = 0; i < READERS; i++)
        EXPECT_INT(pthread_create(&threads[i], NULL, last_reader, &late[i]), 0);
    usleep(20000);
    scratch_begin();
    scratch_must(gate_erase(fx_as("shop"), fx_stranger.id, SPAN("subject"), &gone, &fx_fail), &fx_fail);
    scratch_commit();
    atomic_store(&erased, true);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_INT(late[i], 0);
    }
    fx_close();
}

int main(void)
{
    scratch_must(crypto_start(&fx_fail), &fx_fail);
    log_level_set(LOG_LVL_ERROR);
    static const struct unit_case cases[] = {CASE(readers_and_a_swap),
                                             CASE(R145_no_thread_reads_an_erased_person)};
    return unit_main(cases, 2);
}
