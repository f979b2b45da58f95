// SPDX-License-Identifier: Apache-2.0
/* The ledgers of the erased of several backups, in one: nobody whom any of them names may come back. */
#include "backup.h"

#include "file.h"

#include <stdlib.h>

enum { LINE = 65, DIGITS = 64 }; /* a MAC in hex, see vault.h */
#define LEDGER_MAX (256u << 20)

static int cmp(const void *a, const void *b)
{
    return memcmp(a, b, DIGITS);
}

/* The whole lines of a file; what a copy caught half written was not acknowledged yet. */
static enum err lines_of(struct arena *a, const char *path, struct span *out, struct fail *f)
{
    uint8_t mac[DIGITS / 2];
    enum err err = file_read(a, path, LEDGER_MAX, out, f);
    if (err != OK)
        return err;
    out->len -= out->len % LINE;
    for (size_t at = 0; at < out->len; at += LINE)
        if (!hex_get(span_sub(*out, at, DIGITS), mac, sizeof mac) || out->p[at + DIGITS] != '\n') {
            fail_hint(f, "give a sound copy of it: without it somebody who was erased could come back");
            return fail_set(f, ERR_CORRUPT, "%s is damaged in line %zu", path, at / LINE + 1);
        }
    return OK;
}

enum err backup_ledger_merge(const char *to, const char *from, uint64_t *added, struct fail *f)
{
    struct arena *a = arena_new(0);
    struct span have = SPAN_EMPTY, more = SPAN_EMPTY;
    *added = 0;
    enum err err = file_exists(to) ? lines_of(a, to, &have, f) : OK;
    if (err == OK)
        err = lines_of(a, from, &more, f);
    if (err == OK) {
        uint8_t *known = arena_alloc(a, have.len), *all = arena_alloc(a, have.len + more.len);
        size_t len = have.len;
        if (have.len) {
            memcpy(known, have.p, have.len);
            memcpy(all, have.p, have.len);
            qsort(known, have.len / LINE, LINE, cmp);
        }
        for (size_t at = 0; at < more.len; at += LINE)
            if (!bsearch(more.p + at, known, have.len / LINE, LINE, cmp)) {
                memcpy(all + len, more.p + at, LINE);
                len += LINE;
                ++*added;
            }
        err = file_write_durable(to, span_of(all, len), 0600, f);
    }
    arena_free(a);
    return err;
}
