// SPDX-License-Identifier: Apache-2.0
/* Everybody's times to keep, reckoned anew by the sweep: when that is needed, and from where it goes on. */
#include "gate_fixture.h"

#include "gate_impl.h"
#include "store_impl.h"

enum { DONE = -1, RECKONINGS_MAX = 100 };

/* What the mark says it was done for: the policy, how times are reckoned, and what happened to everybody. */
static struct digest cause_of(int reckoning)
{
    struct digest d;
    struct text t = text_new(scratch_a, 64);
    const struct gate_call *c = fx_as("");
    text_put(&t, span_of(c->view->compiled.b, sizeof c->view->compiled.b));
    text_fmt(&t, " %d\npurpose-ended closed 1\n", reckoning);
    crypto_sha256(text_span(&t), &d);
    return d;
}

static void mark(int reckoning, int64_t at)
{
    struct digest d = cause_of(reckoning);
    struct store_arg bytes = ARG_B(span_of(d.b, sizeof d.b));
    scratch_must(
        store_run(scratch_st, Q_META_PUT, ARGS(ARG_T(SPAN("keep-times")), ARG_I(at), bytes), NULL, &fx_fail),
        &fx_fail);
}

static size_t swept(void)
{
    struct gate_sweep out;
    scratch_begin();
    scratch_must(gate_sweep(fx_as(""), &out, &fx_fail), &fx_fail);
    scratch_commit();
    return out.deleted;
}

/* The number that the mark of a finished walk bears; 0: it bears none. */
static int reckoning_now(void)
{
    struct store_rows rows;
    int found = 0;
    if (!store_one(scratch_st, Q_META_GET, ARGS(ARG_T(SPAN("keep-times"))), &rows, &fx_fail))
        return 0;
    struct span bytes = arena_copy(scratch_a, store_t(&rows, 1));
    EXPECT_INT(store_i(&rows, 0), DONE);
    store_done(&rows);
    for (int i = 1; i < RECKONINGS_MAX && !found; i++) {
        struct digest d = cause_of(i);
        found = span_eq(bytes, span_of(d.b, sizeof d.b)) ? i : 0;
    }
    return found;
}

/* Something happened, of which another reckoning made nothing: the value's time is still open. */
static void happened(const struct subject *s)
{
    struct happening h = {.event = SPAN("purpose-ended"), .time = FX_NOW};
    fx_agree(s, "group");
    EXPECT_INT(fx_put("shop", s, "order-address", "Lane 7", ""), OK);
    scratch_must(happening_put(scratch_st, s->sid, &h, &fx_fail), &fx_fail);
}

TEST(R109_times_are_reckoned_anew_once_they_come_out_otherwise)
{
    fx_open();
    /* Nobody had a value when the first set came: whoever gets one is reckoned by it. */
    int reckoning = reckoning_now();
    EXPECT(reckoning > 0);
    happened(&fx_ann);
    happened(&fx_mum);
    EXPECT_INT(swept(), 0); /* done */
    mark(reckoning - 1, DONE);
    EXPECT_INT(swept(), 2); /* done as it was reckoned before */
    EXPECT_INT(reckoning_now(), reckoning);
    fx_close();
}

static void forget(const char *sql)
{
    EXPECT_INT(sqlite3_exec(scratch_st->file[STORE_MAIN].db, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* A folder from before there were sets gets its first one with people in it. */
TEST(R109_values_from_before_the_first_set_wait_for_the_sweep)
{
    fx_open();
    happened(&fx_ann);
    gate_release(fx_gate, fx_call.view);
    fx_call = (struct gate_call){0};
    gate_close(fx_gate);
    forget("DELETE FROM policy_set");
    forget("DELETE FROM policy_set_text");
    forget("DELETE FROM meta WHERE name = 'keep-times'");
    scratch_must(fx_open_gate("tests/cases/policies/mini"), &fx_fail);
    EXPECT_INT(reckoning_now(), 0);
    EXPECT_INT(swept(), 1);
    EXPECT(reckoning_now() > 0);
    fx_close();
}

TEST(R109_an_interrupted_reckoning_goes_on_where_it_was)
{
    fx_open();
    EXPECT_INT(swept(), 0);
    int reckoning = reckoning_now();
    EXPECT(fx_ann.sid < fx_mum.sid);
    happened(&fx_ann);
    happened(&fx_mum);
    mark(reckoning, fx_ann.sid);
    EXPECT_INT(swept(), 1); /* whoever comes behind her */
    EXPECT_INT(reckoning_now(), reckoning);
    happened(&fx_mum);
    mark(reckoning - 1, fx_ann.sid);
    EXPECT_INT(swept(), 2); /* it was another: everybody */
    fx_close();
}

UNIT_MAIN(CASE(R109_times_are_reckoned_anew_once_they_come_out_otherwise),
          CASE(R109_values_from_before_the_first_set_wait_for_the_sweep),
          CASE(R109_an_interrupted_reckoning_goes_on_where_it_was))
