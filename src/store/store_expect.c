// SPDX-License-Identifier: Apache-2.0
/* Who comes next in a snapshot of files: see store_trail.h. */
#include "store_memo.h"
#include "store_map.h"

/* How many persons before their turn. */
enum { FAR = 8, NEAR = 3 };

static bool looked_up(struct store *st)
{
    struct store_turns *t = &st->turns;
    if (t->looked)
        return t->all != NULL;
    t->looked = true;
    t->met.file[0] = store_map_of(st->file[STORE_MAIN].db);
    t->met.file[1] = store_map_of(st->file[STORE_KEYS].db);
    if (t->met.file[0])
        t->all = store_map_trails(t->met.file[0]);
    return t->all != NULL;
}

static void expect_far(const struct store_turns *t, size_t i)
{
    if (i < t->n)
        trails_expect_far(t->all, t->id[i]);
}

static void expect_near(struct store *st, size_t i)
{
    const struct store_turns *t = &st->turns;
    if (i < t->n && !memo_has(st, t->id[i]))
        trails_expect_near(t->all, t->id[i], &t->met);
}

void turns_begin(struct store *st, const uint8_t (*ids)[STORE_ID_LEN], size_t n)
{
    struct store_turns *t = &st->turns;
    turns_end(st);
    if (!st->snapshot || n > STORE_AHEAD_MAX || !looked_up(st))
        return;
    trails_grow(t->all, store_map_size(t->met.file[0]));
    memcpy(t->id, ids, n * sizeof *ids);
    t->n = n;
    for (size_t i = 0; i < FAR; i++)
        expect_far(t, i);
    for (size_t i = 0; i < NEAR; i++)
        expect_near(st, i);
}

static void leave(struct store_turns *t)
{
    if (trail_now == &t->met)
        trails_keep(t->all, t->now, &t->met);
    trail_now = NULL;
}

static bool is_id(const uint8_t *id, struct span s)
{
    return s.len == STORE_ID_LEN && memcmp(id, s.p, STORE_ID_LEN) == 0;
}

/* Whose turn it is, from the next one on; n: nobody's who was named. */
static size_t turn_of(const struct store_turns *t, struct span id)
{
    size_t i = t->at;
    while (i < t->n && !is_id(t->id[i], id))
        i++;
    return i;
}

void turns_take(struct store *st, struct span id)
{
    struct store_turns *t = &st->turns;
    size_t i = turn_of(t, id);
    if (i == t->n && trail_now == &t->met && is_id(t->now, id))
        return; /* asked for once more */
    leave(t);
    if (i == t->n)
        return;
    memcpy(t->now, id.p, STORE_ID_LEN);
    t->met.n = 0;
    trail_now = &t->met;
    expect_far(t, i + FAR);
    expect_near(st, i + NEAR);
    t->at = i + 1;
}

void turns_end(struct store *st)
{
    leave(&st->turns);
    st->turns.n = st->turns.at = 0;
}
