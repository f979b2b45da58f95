// SPDX-License-Identifier: Apache-2.0
/* epoch.c: where one epoch ends and the next begins, and the heads that are kept of them. See DESIGN.md,
 * "Epochs". */
#include "audit_impl.h"
#include "file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define EPOCHS_FOLDER "epochs"
#define UNIT_FILE     "epoch-unit" /* unit, then that of pseudonyms; each absent: quarter */
enum { UNIT_MAX = 32, NONE = 0xffff };

static const struct {
    const char *name;
    int months;
} units[EPOCH_UNITS] = {
    [EPOCH_QUARTER] = {"quarter", 3}, [EPOCH_MONTH] = {"month", 1}, [EPOCH_YEAR] = {"year", 12}};

/* ---- Numbers and names: counted from year 0, in UTC */

uint32_t epoch_number(enum epoch_unit u, struct instant t)
{
    struct date d = date_at(t, 0);
    int months = d.year * 12 + d.month - 1;
    return months < 0 ? 0 : (uint32_t)(months / units[u].months);
}

struct instant epoch_start(enum epoch_unit u, uint32_t number)
{
    uint32_t months = number * (uint32_t)units[u].months;
    struct date d = {.year = (int32_t)(months / 12), .month = (uint8_t)(months % 12 + 1), .day = 1};
    return date_start(d, 0);
}

void epoch_name(enum epoch_unit u, uint32_t number, char out[AUDIT_EPOCH_NAME])
{
    uint32_t months = number * (uint32_t)units[u].months;
    if (u == EPOCH_QUARTER)
        snprintf(out, AUDIT_EPOCH_NAME, "%uq%u", months / 12, months % 12 / 3 + 1);
    else if (u == EPOCH_MONTH)
        snprintf(out, AUDIT_EPOCH_NAME, "%u-%02u", months / 12, months % 12 + 1);
    else
        snprintf(out, AUDIT_EPOCH_NAME, "%u", months / 12);
}

/* By trying: the name must be the one that its number has. */
bool epoch_parse(struct span name, enum epoch_unit *u, uint32_t *number)
{
    char text[AUDIT_EPOCH_NAME], back[AUDIT_EPOCH_NAME];
    unsigned year = 0, part = 1;
    if (name.len == 0 || name.len >= sizeof text)
        return false;
    memcpy(text, name.p, name.len);
    text[name.len] = 0;
    if (sscanf(text, "%5uq%1u", &year, &part) == 2)
        *u = EPOCH_QUARTER;
    else if (sscanf(text, "%5u-%2u", &year, &part) == 2)
        *u = EPOCH_MONTH;
    else if (sscanf(text, "%5u", &year) == 1)
        *u = EPOCH_YEAR;
    else
        return false;
    unsigned first = *u == EPOCH_YEAR ? 0 : (part - 1) * (unsigned)units[*u].months;
    *number = (year * 12 + first) / (unsigned)units[*u].months;
    epoch_name(*u, *number, back);
    return strcmp(text, back) == 0;
}

/* ---- Closing entries: numbers where other entries have places in the policy */

void epoch_end_leaf(const struct epoch_end *e, struct instant now, struct audit_leaf *out)
{
    *out = (struct audit_leaf){.kind = AUDIT_EPOCH, .time = now, .party = NONE, .clause = NONE};
    out->service = (uint16_t)e->closed;
    out->purpose = (uint16_t)e->next;
    out->operation = (uint16_t)e->unit;
}

bool epoch_end_get(struct span leaf, struct epoch_end *out)
{
    struct audit_leaf l;
    if (!audit_leaf_get(leaf, &l) || l.kind != AUDIT_EPOCH || l.operation >= EPOCH_UNITS)
        return false;
    *out = (struct epoch_end){(enum epoch_unit)l.operation, l.service, l.purpose};
    return true;
}

/* ---- The setting */

static bool unit_get(struct span word, enum epoch_unit *out)
{
    for (int u = 0; u < EPOCH_UNITS; u++)
        if (span_is(word, units[u].name)) {
            *out = (enum epoch_unit)u;
            return true;
        }
    return false;
}

enum err epoch_unit_read(struct arena *a, int dir, enum epoch_unit *out, enum epoch_unit *names,
                         struct fail *f)
{
    struct span text, word;
    struct fail why = {0};
    enum err e = small_read(a, dir, UNIT_FILE, UNIT_MAX, &text, &why);
    *out = *names = EPOCH_QUARTER;
    if (e == ERR_NOT_FOUND)
        return OK;
    if (e)
        return fail_set(f, e, "%s", why.detail);
    text = span_trim(text);
    bool two = span_find(text, ' ', 0) < text.len;
    span_cut(&text, ' ', &word);
    if (!unit_get(word, out) || (two && !unit_get(text, names)))
        return fail_set(f, ERR_CORRUPT, "audit/" UNIT_FILE ": neither quarter nor month nor year");
    return OK;
}

enum err audit_set_epoch(const char *data, const char *unit, struct fail *f)
{
    for (int u = 0; u < EPOCH_UNITS; u++) {
        if (strcmp(unit, units[u].name) != 0)
            continue;
        struct arena *a = arena_new(512);
        const char *path = arena_str(a, arena_fmt(a, "%s/audit/" UNIT_FILE, data));
        /* A quarter twice says what one does, and what every troth can read. */
        struct span text =
            u == EPOCH_QUARTER ? arena_fmt(a, "%s\n", unit) : arena_fmt(a, "%s %s\n", unit, unit);
        enum err e = file_write_durable(path, text, 0644, f);
        arena_free(a);
        return e;
    }
    return fail_set(f, ERR_BAD_VALUE, "An epoch of the record is a quarter, a month or a year, not '%.20s'.",
                    unit);
}

unsigned audit_epoch_way(const struct audit *au)
{
    return au ? au->names : EPOCH_QUARTER;
}

uint32_t audit_epoch_by(unsigned way, struct instant t)
{
    static_assert(AUDIT_EPOCH_WAYS == EPOCH_UNITS, "pseudonyms change by any unit there is");
    return epoch_number((enum epoch_unit)way, t);
}

uint32_t audit_epoch_at(const struct audit *au, struct instant t)
{
    return audit_epoch_by(audit_epoch_way(au), t);
}

/* ---- Boundaries */

enum err leaf_read(struct audit *au, uint64_t index, struct arena *a, struct span *leaf, struct fail *f)
{
    struct span detail;
    return audit_read(au, index, a, leaf, &detail, f);
}

/* Whether the epoch's last entry is the one before `end`. */
static enum err is_end(struct audit *au, uint64_t end, bool *yes, struct epoch_end *out, struct fail *f)
{
    struct span leaf;
    *yes = false;
    if (end <= audit_minimum(au) || !epoch_is_last(end - 1))
        return OK;
    struct arena *a = arena_new(0);
    enum err e = leaf_read(au, end - 1, a, &leaf, f);
    *yes = !e && epoch_end_get(leaf, out);
    arena_free(a);
    return e;
}

/* The first segment that begins behind `from`; false if none does. */
static bool segment_behind(struct audit *au, uint64_t from, uint64_t *first)
{
    pthread_mutex_lock(&au->lock_segments);
    size_t lo = 0, hi = au->n_segments;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (au->segments[mid].head.first <= from)
            lo = mid + 1;
        else
            hi = mid;
    }
    bool found = lo < au->n_segments;
    if (found)
        *first = au->segments[lo].head.first;
    pthread_mutex_unlock(&au->lock_segments);
    return found;
}

enum err epoch_boundary(struct audit *au, uint64_t from, uint64_t upto, uint64_t *out, struct fail *f)
{
    struct epoch_end end;
    bool yes = false;
    enum err e = OK;
    while (!e && segment_behind(au, from, &from) && from <= upto) {
        e = is_end(au, from, &yes, &end, f);
        if (yes)
            break;
    }
    *out = yes ? from : upto;
    return e;
}

/* ---- At open */

/* The number of the epoch in which the entry at the last boundary stands, and that boundary. */
static enum err last_boundary(struct audit *au, uint64_t *first, uint32_t *number, struct fail *f)
{
    const struct floor *fl = atomic_load(&au->floor);
    struct epoch_end end;
    bool yes = false;
    enum err e = OK;
    *number = fl ? fl->epoch : 0;
    for (size_t i = au->n_segments; !e && !yes && i-- > 0;) {
        *first = au->segments[i].head.first;
        e = is_end(au, *first, &yes, &end, f);
    }
    if (yes)
        *number = end.next;
    return e;
}

static enum err time_of(struct audit *au, uint64_t index, uint32_t *number, struct fail *f)
{
    struct arena *a = arena_new(0);
    struct span leaf;
    struct audit_leaf l;
    struct epoch_end end;
    enum err e = leaf_read(au, index, a, &leaf, f);
    if (!e && epoch_end_get(leaf, &end)) /* filling a bundle was interrupted */
        *number = end.closed;
    else if (!e && audit_leaf_get(leaf, &l))
        *number = epoch_number(au->unit, l.time);
    arena_free(a);
    return e;
}

/* A log from before there were epochs may have entries of several: the latest counts, so that none of them is
 * kept for less than it should. */
enum err epoch_recover(struct audit *au, struct fail *f)
{
    struct epoch_end end;
    uint64_t first = 0;
    uint32_t number = 0, begun = 0, last = 0;
    enum err e = is_end(au, au->next, &au->closed, &end, f);
    au->epoch = EPOCH_NONE;
    if (!e && au->closed) {
        au->epoch = end.closed;
        au->epoch_next = end.next;
        return OK;
    }
    if (!e)
        e = last_boundary(au, &first, &number, f);
    if (!e && first < au->next)
        e = time_of(au, first, &begun, f);
    if (!e && first < au->next)
        e = time_of(au, au->next - 1, &last, f);
    number = begun > number ? begun : number;
    number = last > number ? last : number;
    if (first < au->next || number > 0)
        au->epoch = number;
    return e;
}

/* ---- Heads that are kept */

enum err epoch_keep(struct audit *au, const struct tiles *t, struct span note, struct fail *f)
{
    char name[AUDIT_EPOCH_NAME];
    struct epoch_end end;
    bool yes;
    enum err e = t->size ? is_end(au, t->size, &yes, &end, f) : OK;
    if (e || t->size == 0 || !yes)
        return e;
    struct arena *a = arena_new(0);
    epoch_name(end.unit, end.closed, name);
    const char *folder = arena_str(a, arena_fmt(a, "%s/" EPOCHS_FOLDER, au->path));
    const char *path = arena_str(a, arena_fmt(a, "%s/%s", folder, name));
    if (!file_exists(path)) {
        e = file_mkdirs(folder, 0755, f);
        if (!e)
            e = file_sync_dir(au->path, f);
        if (!e)
            e = file_write_durable(path, note, 0644, f);
    }
    arena_free(a);
    return e;
}

static int by_size(const void *a, const void *b)
{
    const struct epoch_note *x = a, *y = b;
    return (x->head.size > y->head.size) - (x->head.size < y->head.size);
}

enum err epoch_notes(struct arena *a, int dir, const char *path, const struct identity *id,
                     struct epoch_note **out, size_t *n, struct fail *f)
{
    struct span *names = NULL, note;
    size_t count = 0;
    const char *folder = arena_str(a, arena_fmt(a, "%s/" EPOCHS_FOLDER, path));
    enum err e = file_exists(folder) ? file_list(a, folder, "", &names, &count, f) : OK;
    *out = ARENA_ARRAY(a, count + 1, struct epoch_note);
    *n = 0;
    for (size_t i = 0; !e && i < count; i++) {
        struct epoch_note *k = &(*out)[*n];
        *k = (struct epoch_note){0};
        if (!epoch_parse(names[i], &k->unit, &k->number)) /* a temporary of a write that was cut short */
            continue;
        k->name = arena_str(a, arena_fmt(a, EPOCHS_FOLDER "/%.*s", SPAN_F(names[i])));
        e = note_read(a, dir, k->name, id, &note, &k->head, f);
        ++*n;
    }
    if (*n > 1)
        qsort(*out, *n, sizeof **out, by_size);
    return e;
}

static void describe(struct audit_epoch *e, enum epoch_unit u, uint32_t number)
{
    epoch_name(u, number, e->name);
    e->ends = epoch_start(u, number + 1);
}

enum err audit_epochs(struct audit *au, struct arena *a, struct audit_epoch **out, size_t *n, struct fail *f)
{
    struct identity id = {.origin = au->origin};
    struct epoch_note *notes;
    size_t count;
    uint64_t from = 0, minimum = audit_minimum(au), sealed = audit_sealed_size(au);
    memcpy(id.pk, au->pk, SIGN_PK_LEN);
    *n = 0;
    enum err e = epoch_notes(a, au->dir, au->path, &id, &notes, &count, f);
    if (e)
        return e;
    *out = ARENA_ARRAY(a, count + 1, struct audit_epoch);
    for (size_t i = 0; i < count; i++) {
        struct audit_epoch *k = &(*out)[(*n)++];
        *k = (struct audit_epoch){.first = from, .end = notes[i].head.size, .closed = true};
        k->root = notes[i].head.root;
        k->pruned = k->end <= minimum;
        describe(k, notes[i].unit, notes[i].number);
        from = k->end;
    }
    if (sealed > from) {
        struct audit_epoch *k = &(*out)[(*n)++];
        *k = (struct audit_epoch){.first = from, .end = sealed};
        describe(k, au->unit, au->epoch);
    }
    return OK;
}
