// SPDX-License-Identifier: Apache-2.0
/*
 * store_trail.h: on which pages of the mapped files a person was found the last time, so that the memory they
 * lie in is on its way before the statements ask for it. See store.h, store_expect.
 *
 * Of a million people each lies on half a dozen pages nobody touched lately, and a search waits for one after
 * the other. What is remembered is a hint: a page that moved meanwhile costs a few useless loads, and no
 * answer.
 */
#ifndef TROTH_STORE_TRAIL_H
#define TROTH_STORE_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map; /* a mapped file (store_map.c) */

#define TRAIL_PAGE_BITS 12 /* of all our databases */
#define TRAIL_PAGES     7

/* The pages that are met, in the order in which they are. */
struct trail {
    struct map *file[2]; /* troth.db and keys.db */
    uint32_t n;
    uint32_t page[TRAIL_PAGES]; /* number, counted from 0; the highest bit says which file */
};
#define TRAIL_SECOND 0x80000000u

/* What this thread reads is noted here; null: nowhere. */
extern _Thread_local struct trail *trail_now;
void trail_note(struct trail *t, const struct map *file, int64_t at, const uint8_t *page);

/* What is remembered of trails, for all connections to one pair of files. Null: there is no room, and nothing
 * is remembered. */
struct trails;
struct trails *trails_new(void);
void trails_free(struct trails *t);
/* `bytes`: of troth.db; room for everybody in it takes 3 to 13 % of that, 128 MiB at most, once all were
 * asked for. */
void trails_grow(struct trails *t, int64_t bytes);
/* First the line that says where, then those places. */
void trails_expect_far(const struct trails *t, const uint8_t *id);
void trails_expect_near(const struct trails *t, const uint8_t *id, const struct trail *files);
/* The pages remembered of this person, as in struct trail; 0: none. */
uint32_t trails_find(const struct trails *t, const uint8_t *id, uint32_t page[TRAIL_PAGES]);
void trails_keep(struct trails *t, const uint8_t *id, const struct trail *met);

#endif
