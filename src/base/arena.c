// SPDX-License-Identifier: Apache-2.0
/* see arena.h. In a chunk everything behind `used` is zero: what is given back is wiped there and then, so
 * nothing needs to be zeroed when it is taken. */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include "arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_CHUNK_DEFAULT (16u * 1024)
#define ARENA_ALIGN         alignof(max_align_t)

/* The sanitizers see an overrun only between allocations of their own. */
#ifdef TROTH_SAN
#define ARENA_ONE_BY_ONE 1
#else
#define ARENA_ONE_BY_ONE 0
#endif

struct chunk {
    struct chunk *next;
    size_t cap, used;
    bool raw; /* holds one large table of arena_room: neither zeroed nor wiped */
    alignas(max_align_t) uint8_t bytes[];
};

struct defer {
    struct defer *next;
    void (*fn)(void *);
    void *arg;
};

struct arena {
    struct chunk *head;  /* the one being filled */
    struct chunk *spare; /* of the usual size, given back by a release; or null */
    struct defer *defers;
    size_t chunk, used;
};

static _Noreturn void out_of_memory(void)
{
    fputs("out of memory\n", stderr);
    abort();
}

struct arena *arena_new(size_t chunk)
{
    struct arena *a = calloc(1, sizeof *a);
    if (!a)
        out_of_memory();
    a->chunk = chunk ? chunk : ARENA_CHUNK_DEFAULT;
    return a;
}

/* Chunks of the usual size wait here for the next arena of the thread: a request takes and gives back two or
 * three, on the same thread, and malloc would cut and join its heap for each. A hundred requests wait
 * together for their group. */
#define SPARE_MAX 256
static _Thread_local struct chunk *spare;
static _Thread_local unsigned n_spare;

static bool spare_keep(struct chunk *c)
{
    if (ARENA_ONE_BY_ONE || c->raw || c->cap != ARENA_CHUNK_DEFAULT || n_spare == SPARE_MAX)
        return false;
    c->next = spare;
    spare = c;
    n_spare++;
    return true;
}

static struct chunk *spare_take(size_t cap)
{
    struct chunk *c = cap == ARENA_CHUNK_DEFAULT ? spare : NULL;
    if (c) {
        spare = c->next;
        n_spare--;
    }
    return c;
}

/* Back to `used` bytes. Not memset: the compiler may leave that out before free. */
static void chunk_wipe(struct chunk *c, size_t used)
{
    if (!c->raw)
        explicit_bzero(c->bytes + used, c->used - used);
    c->used = used;
}

static void chunks_free(struct chunk *c)
{
    while (c) {
        struct chunk *next = c->next;
        chunk_wipe(c, 0);
        if (!spare_keep(c))
            free(c);
        c = next;
    }
}

void arena_thread_end(void)
{
    while (spare)
        free(spare_take(ARENA_CHUNK_DEFAULT));
}

/* Newest first; the list is unhooked before each call, so that a deferred call may itself defer. */
static void defers_run(struct arena *a, const struct defer *until)
{
    while (a->defers != until) {
        struct defer *d = a->defers;
        a->defers = d->next;
        d->fn(d->arg);
    }
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    defers_run(a, NULL);
    chunks_free(a->head);
    chunks_free(a->spare);
    free(a);
}

/* Keeps a chunk of the usual size only: one huge request must not stay with its worker. */
static bool worth_keeping(const struct arena *a, const struct chunk *c)
{
    return !ARENA_ONE_BY_ONE && c && c->cap == a->chunk;
}

void arena_reset(struct arena *a)
{
    defers_run(a, NULL);
    chunks_free(a->spare);
    a->spare = NULL;
    if (worth_keeping(a, a->head)) {
        chunks_free(a->head->next);
        a->head->next = NULL;
        chunk_wipe(a->head, 0);
    } else {
        chunks_free(a->head);
        a->head = NULL;
    }
    a->used = 0;
}

/* ---- Marks. A chunk is hooked in before the head or right behind it, so what came since the mark stands
 * before the marked head or between it and what was behind it. */

struct arena_mark arena_mark(const struct arena *a)
{
    return (struct arena_mark){.head = a->head,
                               .behind = a->head ? a->head->next : NULL,
                               .defers = a->defers,
                               .head_used = a->head ? a->head->used : 0,
                               .used = a->used};
}

/* Steps on both sides of the end of a chunk would else take and give back one each. */
static void chunk_drop(struct arena *a, struct chunk *c)
{
    c->next = NULL;
    if (worth_keeping(a, c) && !a->spare) {
        chunk_wipe(c, 0);
        a->spare = c;
    } else {
        chunks_free(c);
    }
}

static void chunks_drop(struct arena *a, struct chunk **from, const struct chunk *until)
{
    while (*from != until) {
        struct chunk *c = *from;
        *from = c->next;
        chunk_drop(a, c);
    }
}

void arena_release(struct arena *a, struct arena_mark m)
{
    defers_run(a, m.defers);
    chunks_drop(a, &a->head, m.head);
    if (a->head) {
        chunks_drop(a, &a->head->next, m.behind);
        chunk_wipe(a->head, m.head_used);
    }
    a->used = m.used;
}

/* ---- Taking. */

static struct chunk *chunk_new(struct arena *a, size_t cap, bool raw)
{
    if (cap > SIZE_MAX - sizeof(struct chunk))
        out_of_memory();
    struct chunk *c = NULL;
    if (!raw)
        c = a->spare && cap == a->spare->cap ? a->spare : spare_take(cap);
    if (c && c == a->spare)
        a->spare = NULL;
    if (!c)
        c = raw ? malloc(sizeof *c + cap) : calloc(1, sizeof *c + cap);
    if (!c)
        out_of_memory();
    *c = (struct chunk){.cap = cap, .raw = raw};
    return c;
}

/* A chunk with room for len, hooked in. An outsized one goes behind the head, which stays open for small
 * ones. */
static struct chunk *chunk_with_room(struct arena *a, size_t len, bool raw)
{
    if (!ARENA_ONE_BY_ONE && a->head && a->head->cap - a->head->used >= len)
        return a->head;
    bool own = ARENA_ONE_BY_ONE || len > a->chunk;
    struct chunk *c = chunk_new(a, own ? len : a->chunk, own && raw);
    if (own && a->head) {
        c->next = a->head->next;
        a->head->next = c;
    } else {
        c->next = a->head;
        a->head = c;
    }
    return c;
}

static size_t round_up(size_t len)
{
    if (ARENA_ONE_BY_ONE)
        return len ? len : 1;
    if (len > SIZE_MAX - ARENA_ALIGN)
        out_of_memory();
    return len ? (len + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN : ARENA_ALIGN;
}

static void *take(struct arena *a, size_t len, size_t room, bool raw)
{
    struct chunk *c = chunk_with_room(a, room, raw);
    uint8_t *p = c->bytes + c->used;
    c->used += room;
    a->used += len;
    return p;
}

void *arena_alloc(struct arena *a, size_t len)
{
    return take(a, len, round_up(len), false);
}

static size_t product(size_t n, size_t size)
{
    size_t len;
    if (__builtin_mul_overflow(n, size, &len))
        out_of_memory();
    return len;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    return arena_alloc(a, product(n, size));
}

void *arena_room(struct arena *a, size_t n, size_t size)
{
    size_t len = product(n, size);
    return take(a, len, round_up(len), true);
}

void arena_defer(struct arena *a, void (*fn)(void *), void *arg)
{
    struct defer *d = ARENA_NEW(a, struct defer);
    *d = (struct defer){a->defers, fn, arg};
    a->defers = d;
}

char *arena_str(struct arena *a, struct span s)
{
    char *p = arena_alloc(a, s.len + 1);
    if (s.len)
        memcpy(p, s.p, s.len);
    return p;
}

struct span arena_copy(struct arena *a, struct span s)
{
    if (s.len == 0)
        return span_of("", 0);
    return span_of(arena_str(a, s), s.len);
}

struct span arena_join(struct arena *a, struct span left, char between, struct span right)
{
    size_t len = left.len + 1 + right.len;
    char *p = arena_alloc(a, len + 1);
    if (left.len)
        memcpy(p, left.p, left.len);
    p[left.len] = between;
    if (right.len)
        memcpy(p + left.len + 1, right.p, right.len);
    return span_of(p, len);
}

struct span arena_fmt(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        return SPAN_EMPTY;
    char *p = arena_alloc(a, (size_t)n + 1);
    va_start(args, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, args);
    va_end(args);
    return span_of(p, (size_t)n);
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}

void *list_grown(void *list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return list;
    *cap = *cap ? *cap * 2 : 64;
    list = reallocarray(list, *cap, size);
    if (!list)
        abort();
    return list;
}
