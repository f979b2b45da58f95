// SPDX-License-Identifier: Apache-2.0
/*
 * arena.h: memory that lives and dies together (one request, one compiled policy).
 *
 * Out of memory ends the process: an arena call never returns null. Sizes come from bounded input (see the
 * limits in the callers' headers). Under AddressSanitizer every allocation is a malloc of its own, so
 * overruns are seen. Not thread-safe: an arena belongs to one thread at a time.
 */
#ifndef TROTH_ARENA_H
#define TROTH_ARENA_H

#include "span.h"

struct arena;

/* A new arena; free it with arena_free. `chunk` bytes is the growth step (0: 16 KiB). */
struct arena *arena_new(size_t chunk);
/* Runs the deferred calls, newest first, wipes what was handed out (a request leaves no value behind), frees
 * everything. Null is allowed. */
void arena_free(struct arena *a);
/* As arena_free, but keeps one chunk for the next use: for a worker's loop. */
void arena_reset(struct arena *a);
/* Gives back what the calling thread keeps for its next arenas: before a thread ends. */
void arena_thread_end(void);
/* Zeroed, aligned for any object. len 0 gives a valid unique pointer. */
void *arena_alloc(struct arena *a, size_t len);
/* Zeroed array; the product is checked. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* The same, neither zeroed nor wiped: for large tables that are filled before they are read, and hold nothing
 * personal. */
void *arena_room(struct arena *a, size_t n, size_t size);
/* Where the arena stands. arena_release gives back all that was taken since, newest marks first, and runs
 * what was deferred since: for the workspace of one step among many. */
struct arena_mark {
    void *head, *behind, *defers;
    size_t head_used, used;
};
struct arena_mark arena_mark(const struct arena *a);
void arena_release(struct arena *a, struct arena_mark m);
/* Calls fn(arg) when the arena is reset or freed. */
void arena_defer(struct arena *a, void (*fn)(void *), void *arg);
/* A copy in the arena, followed by a zero byte that is not counted. */
struct span arena_copy(struct arena *a, struct span s);
/* A zero-terminated copy. */
char *arena_str(struct arena *a, struct span s);
/* Two texts with a character between them. */
struct span arena_join(struct arena *a, struct span left, char between, struct span right);
/* printf into the arena. */
struct span arena_fmt(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Bytes handed out since the last reset. */
size_t arena_used(const struct arena *a);

#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, n, type) ((type *)arena_array((a), (n), sizeof(type)))
#define ARENA_ROOM(a, n, type)  ((type *)arena_room((a), (n), sizeof(type)))

/* For a list that outlives its request: `list` with room for one element of `size` bytes behind its `n`.
 * *cap, which begins as 0 with a null list, is doubled when it is reached. free() takes it. Out of memory
 * ends the process, as above. */
void *list_grown(void *list, size_t n, size_t *cap, size_t size);

#endif
