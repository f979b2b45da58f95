// SPDX-License-Identifier: Apache-2.0
/* Masks: what is left to see (B4.1.p3). Counted in characters, not bytes; the number of stars tells nothing
 * of the length. Pure. See gate_impl.h. */
#include "gate_impl.h"

#define STARS SPAN("****")

/* A mask keeps characters at the head and the tail, if at least `hidden` others are hidden by it. */
struct mask_row {
    const char *name;
    size_t head, tail, hidden;
    const char *stars;
    char from; /* keep all from this character on; 0: none */
};

static const struct mask_row masks[] = {
    {"middle", 3, 4, 2, "****", 0},       {"first-three-last-four", 3, 4, 2, "****", 0},
    {"middle-stars", 3, 4, 2, "****", 0}, {"last-four", 0, 4, 2, "****", 0},
    {"initial", 1, 0, 1, "**", 0},        {"email", 1, 0, 1, "***", '@'},
    {"blank", 0, 0, 0, "****", 0},        {"token", 0, 0, 0, "****", 0}, /* as read: gate_tag.c */
};

static bool starts_character(uint8_t c)
{
    return (c & 0xc0) != 0x80;
}

static size_t count(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += starts_character(s.p[i]);
    return n;
}

/* The byte where character number k begins. */
static size_t at(struct span s, size_t k)
{
    size_t i = 0;
    for (size_t seen = 0; i < s.len; i++)
        if (starts_character(s.p[i]) && seen++ == k)
            break;
    return i;
}

/* A mainland number is shown as people write it there: without the country code. */
static struct span readable(struct span s)
{
    return s.len == 14 && span_starts(s, "+861") ? span_sub(s, 3, s.len) : s;
}

static struct span keep(struct arena *a, const struct mask_row *m, struct span plain)
{
    struct span s = readable(plain), rest = SPAN_EMPTY;
    if (m->from) {
        size_t cut = span_find(s, m->from, 0);
        if (cut == s.len)
            return STARS;
        rest = span_sub(s, cut, s.len);
        s = span_sub(s, 0, cut);
    }
    size_t n = count(s);
    if (n < m->head + m->tail + m->hidden)
        return rest.len ? arena_fmt(a, "%s%.*s", m->stars, SPAN_F(rest)) : STARS;
    return arena_fmt(a, "%.*s%s%.*s%.*s", SPAN_F(span_sub(s, 0, at(s, m->head))), m->stars,
                     SPAN_F(span_sub(s, at(s, n - m->tail), s.len)), SPAN_F(rest));
}

struct span mask_apply(struct arena *a, struct span mask, struct span plain)
{
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++)
        if (span_is(mask, masks[i].name))
            return keep(a, &masks[i], plain);
    return STARS;
}
