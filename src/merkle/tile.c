// SPDX-License-Identifier: Apache-2.0
/* tile.c: names of tiles (c2sp.org/tlog-tiles). See merkle.h. */
#include "merkle.h"

enum { GROUP_MAX = 6 }; /* three digits each: 10^18 tiles of 256 entries are more than there are entries */

static void put_index(struct text *t, uint64_t index)
{
    unsigned groups[(20 + 2) / 3];
    size_t n = 0;
    do {
        groups[n++] = (unsigned)(index % 1000);
        index /= 1000;
    } while (index > 0);
    while (n-- > 1)
        text_fmt(t, "x%03u/", groups[n]);
    text_fmt(t, "%03u", groups[0]);
}

struct span merkle_tile_path(struct arena *a, bool entries, unsigned level, uint64_t index, unsigned width)
{
    struct text t = text_new(a, 64);
    if (entries)
        text_str(&t, "tile/entries/");
    else
        text_fmt(&t, "tile/%u/", level);
    put_index(&t, index);
    if (width)
        text_fmt(&t, ".p/%u", width);
    return text_span(&t);
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool get_three(struct span s, uint64_t *out)
{
    if (s.len != 3 || !is_digit(s.p[0]) || !is_digit(s.p[1]) || !is_digit(s.p[2]))
        return false;
    *out = (uint64_t)((s.p[0] - '0') * 100 + (s.p[1] - '0') * 10 + (s.p[2] - '0'));
    return true;
}

/* A number as the format wants it: no leading zero. */
static bool get_number(struct span s, uint64_t max, uint64_t *out)
{
    return s.len > 0 && (s.len == 1 || s.p[0] != '0') && span_u64(s, max, out);
}

/* "x001/x234/067": takes it from the front of *rest. One spelling for each index: no leading x000. */
static bool get_index(struct span *rest, uint64_t *index)
{
    uint64_t value = 0, three;
    for (int n = 0; n < GROUP_MAX; n++) {
        bool more = span_starts(*rest, "x");
        if (!get_three(span_sub(*rest, more ? 1 : 0, 3), &three) || (more && n == 0 && three == 0))
            return false;
        value = value * 1000 + three;
        *rest = span_sub(*rest, more ? 4 : 3, rest->len);
        if (!more) {
            *index = value;
            return true;
        }
        if (!span_starts(*rest, "/"))
            return false;
        *rest = span_sub(*rest, 1, rest->len);
    }
    return false;
}

static bool get_width(struct span rest, unsigned *width)
{
    uint64_t w = 0;
    *width = 0;
    if (rest.len == 0)
        return true;
    if (!span_starts(rest, ".p/") || !get_number(span_sub(rest, 3, rest.len), MERKLE_TILE_WIDTH - 1, &w) ||
        w == 0)
        return false;
    *width = (unsigned)w;
    return true;
}

bool merkle_tile_parse(struct span path, bool *entries, unsigned *level, uint64_t *index, unsigned *width)
{
    struct span word;
    uint64_t l = 0;
    if (!span_cut(&path, '/', &word) || !span_is(word, "tile") || !span_cut(&path, '/', &word))
        return false;
    *entries = span_is(word, "entries");
    if (!*entries && !get_number(word, MERKLE_LEVELS_MAX - 1, &l))
        return false;
    *level = (unsigned)l;
    return get_index(&path, index) && get_width(path, width);
}
