// SPDX-License-Identifier: Apache-2.0
/* See store_trail.h. Any thread may read and write any line: one that two wrote at once is a wrong hint, no
 * more. */
#define _GNU_SOURCE /* MAP_NORESERVE */
#include "store_trail.h"

#include "store_map.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    CACHE_LINE = 64,
    BYTES_A_LINE = 1024, /* of the files: fewer than a person takes */
    LINES_LEAST = 1024,
    LINES_MOST = 1 << 22,
    LEAF_OF_INDEX = 10, /* sqlite.org/fileformat2.html, 1.6 */
    LEAF_OF_TABLE = 13
};

/* Half a line of the cache. An id is random: it names the line and is its own check. */
struct line {
    _Atomic uint32_t mark; /* of the id; 0: nobody's */
    _Atomic uint32_t page[TRAIL_PAGES];
};
struct trails {
    struct line *lines;
    _Atomic size_t n; /* of them in use: a power of two */
};

_Thread_local struct trail *trail_now;

struct trails *trails_new(void)
{
    struct trails *t = calloc(1, sizeof *t);
    if (!t)
        abort(); /* as the arena does: out of memory ends the process */
    /* Room that is taken where it is written to. */
    t->lines = mmap(NULL, LINES_MOST * sizeof *t->lines, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (t->lines == MAP_FAILED) { /* a limit of addresses, or a system that promises no more than it has */
        free(t);
        return NULL;
    }
    munlock(t->lines, LINES_MOST * sizeof *t->lines); /* nothing secret: --lock-memory need not hold it */
    t->n = LINES_LEAST;
    return t;
}

void trails_free(struct trails *t)
{
    if (!t)
        return;
    munmap(t->lines, LINES_MOST * sizeof *t->lines);
    free(t);
}

/* By four: who was known is found no more, until asked for again. */
void trails_grow(struct trails *t, int64_t bytes)
{
    size_t n = atomic_load_explicit(&t->n, memory_order_relaxed), more = n;
    while (more < LINES_MOST && (int64_t)more * BYTES_A_LINE < bytes)
        more *= 4;
    if (more != n)
        atomic_store_explicit(&t->n, more < LINES_MOST ? more : LINES_MOST, memory_order_relaxed);
}

static struct line *line_of(const struct trails *t, const uint8_t *id)
{
    uint64_t h;
    memcpy(&h, id, sizeof h);
    return &t->lines[h & (atomic_load_explicit(&t->n, memory_order_relaxed) - 1)];
}

static uint32_t mark_of(const uint8_t *id)
{
    uint32_t mark;
    memcpy(&mark, id + sizeof(uint64_t), sizeof mark);
    return mark ? mark : 1;
}

void trails_expect_far(const struct trails *t, const uint8_t *id)
{
    __builtin_prefetch(line_of(t, id));
}

/* A search meets half a dozen lines of a page, and which is not known. */
static void expect_page(const uint8_t *p)
{
    for (int i = 0; p && i < 1 << TRAIL_PAGE_BITS; i += CACHE_LINE)
        __builtin_prefetch(p + i, 0, 2);
}

uint32_t trails_find(const struct trails *t, const uint8_t *id, uint32_t page[TRAIL_PAGES])
{
    const struct line *l = line_of(t, id);
    uint32_t n = 0;
    if (atomic_load_explicit(&l->mark, memory_order_relaxed) != mark_of(id))
        return 0;
    while (n < TRAIL_PAGES && (page[n] = atomic_load_explicit(&l->page[n], memory_order_relaxed)) != 0)
        n++;
    return n;
}

void trails_expect_near(const struct trails *t, const uint8_t *id, const struct trail *files)
{
    uint32_t page[TRAIL_PAGES];
    for (uint32_t i = 0, n = trails_find(t, id, page); i < n; i++)
        expect_page(store_map_place(files->file[page[i] >= TRAIL_SECOND], page[i] & ~TRAIL_SECOND));
}

void trails_keep(struct trails *t, const uint8_t *id, const struct trail *met)
{
    struct line *l = line_of(t, id);
    uint32_t mark = mark_of(id);
    if (met->n == 0)
        return;
    if (atomic_load_explicit(&l->mark, memory_order_relaxed) != mark)
        atomic_store_explicit(&l->mark, mark, memory_order_relaxed);
    for (uint32_t i = 0; i < TRAIL_PAGES; i++) {
        uint32_t page = i < met->n ? met->page[i] : 0;
        if (atomic_load_explicit(&l->page[i], memory_order_relaxed) != page)
            atomic_store_explicit(&l->page[i], page, memory_order_relaxed);
    }
}

/* Only leaves: what is above them is met by everybody, and near. */
void trail_note(struct trail *t, const struct map *file, int64_t at, const uint8_t *page)
{
    uint32_t number = (uint32_t)(at >> TRAIL_PAGE_BITS);
    bool second = file == t->file[1];
    if ((page[0] != LEAF_OF_INDEX && page[0] != LEAF_OF_TABLE) || (!second && file != t->file[0]))
        return;
    number |= second ? TRAIL_SECOND : 0;
    for (uint32_t i = 0; i < t->n; i++)
        if (t->page[i] == number)
            return;
    if (t->n < TRAIL_PAGES)
        t->page[t->n++] = number;
}
