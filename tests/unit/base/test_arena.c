// SPDX-License-Identifier: Apache-2.0
#include "arena.h"
#include "unit.h"

static bool all_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i])
            return false;
    return true;
}

TEST(arena_gives_zeroed_aligned_separate_memory)
{
    struct arena *a = arena_new(256);
    uint8_t *last = NULL;
    for (size_t len = 0; len < 600; len += 7) {
        uint8_t *p = arena_alloc(a, len);
        EXPECT(p && p != last && (uintptr_t)p % _Alignof(max_align_t) == 0);
        EXPECT(all_zero(p, len));
        memset(p, 0xee, len);
        last = p;
    }
    arena_free(a);
}

TEST(arena_reset_gives_zeroed_memory_again)
{
    struct arena *a = arena_new(0);
    memset(arena_alloc(a, 1000), 0xee, 1000);
    memset(arena_alloc(a, 100000), 0xee, 100000);
    EXPECT_INT(arena_used(a), 101000);
    arena_reset(a);
    EXPECT_INT(arena_used(a), 0);
    EXPECT(all_zero(arena_alloc(a, 1000), 1000));
    arena_reset(a);
    arena_reset(a);
    arena_free(a);
    arena_free(NULL);
}

TEST(arena_release_gives_back_what_came_since_the_mark)
{
    struct arena *a = arena_new(256);
    for (size_t before = 0; before < 500; before += 50) {
        uint8_t *kept = arena_alloc(a, before + 1);
        memset(kept, 0xee, before + 1);
        size_t used = arena_used(a);
        struct arena_mark outer = arena_mark(a);
        memset(arena_alloc(a, 200), 0xdd, 200);
        struct arena_mark inner = arena_mark(a);
        for (size_t len = 1; len < 600; len += 70)
            memset(arena_alloc(a, len), 0xdd, len);
        arena_release(a, inner);
        EXPECT_INT(arena_used(a), used + 200);
        arena_release(a, outer);
        EXPECT_INT(arena_used(a), used);
        EXPECT(all_zero(arena_alloc(a, 300), 300));
        EXPECT(kept[0] == 0xee && kept[before] == 0xee);
    }
    arena_reset(a);
    arena_free(a);
}

TEST(arena_release_of_an_empty_arena_frees_all)
{
    struct arena *a = arena_new(64);
    struct arena_mark m = arena_mark(a);
    uint8_t *first = arena_alloc(a, 10);
    EXPECT(first != NULL);
    arena_alloc(a, 1000);
    arena_release(a, m);
    EXPECT_INT(arena_used(a), 0);
    EXPECT(all_zero(arena_alloc(a, 1000), 1000));
    arena_free(a);
}

static char order[8];
static struct arena *deferring;

static void note(void *arg)
{
    strncat(order, arg, 1);
}

static void note_later(void *arg)
{
    note(arg);
    arena_defer(deferring, note, "z");
}

TEST(arena_defer_runs_newest_first_and_once)
{
    struct arena *a = arena_new(0);
    order[0] = 0;
    arena_defer(a, note, "a");
    arena_defer(a, note, "b");
    arena_reset(a);
    EXPECT_SPAN(span_str(order), "ba");
    arena_defer(a, note, "c");
    arena_free(a);
    EXPECT_SPAN(span_str(order), "bac");
}

TEST(arena_release_runs_what_was_deferred_since)
{
    struct arena *a = arena_new(0);
    order[0] = 0;
    arena_defer(a, note, "a");
    struct arena_mark m = arena_mark(a);
    arena_defer(a, note, "b");
    arena_release(a, m);
    EXPECT_SPAN(span_str(order), "b");
    arena_free(a);
    EXPECT_SPAN(span_str(order), "ba");
}

TEST(arena_defer_inside_a_deferred_call_runs_too)
{
    struct arena *a = deferring = arena_new(0);
    order[0] = 0;
    arena_defer(a, note_later, "a");
    arena_free(a);
    EXPECT_SPAN(span_str(order), "az");
}

TEST(arena_copies_end_in_a_zero_byte)
{
    struct arena *a = arena_new(0);
    struct span s = arena_copy(a, SPAN("abc"));
    EXPECT_SPAN(s, "abc");
    EXPECT_INT(s.p[3], 0);
    EXPECT_INT(arena_copy(a, SPAN_EMPTY).p[0], 0);
    EXPECT(strcmp(arena_str(a, SPAN("xyz")), "xyz") == 0);
    EXPECT_SPAN(arena_fmt(a, "%s-%d", "n", 7), "n-7");
    EXPECT_INT(arena_fmt(a, "%0500d", 1).len, 500);
    EXPECT(ARENA_ARRAY(a, 3, int)[2] == 0);
    arena_free(a);
}

TEST(a_list_keeps_what_is_in_it_when_it_grows)
{
    uint64_t *list = NULL;
    size_t cap = 0;
    for (size_t n = 0; n < 1000; n++) {
        list = list_grown(list, n, &cap, sizeof *list);
        EXPECT(cap > n);
        list[n] = n;
    }
    for (size_t i = 0; i < 1000; i++)
        EXPECT_INT(list[i], i);
    free(list);
}

UNIT_MAIN(CASE(a_list_keeps_what_is_in_it_when_it_grows), CASE(arena_gives_zeroed_aligned_separate_memory),
          CASE(arena_reset_gives_zeroed_memory_again),
          CASE(arena_release_gives_back_what_came_since_the_mark),
          CASE(arena_release_of_an_empty_arena_frees_all), CASE(arena_release_runs_what_was_deferred_since),
          CASE(arena_defer_runs_newest_first_and_once), CASE(arena_defer_inside_a_deferred_call_runs_too),
          CASE(arena_copies_end_in_a_zero_byte))
