// SPDX-License-Identifier: Apache-2.0
/* The head of the record, its newest entries as they are published, and how to check them without trusting
 * us. */
#include "page_impl.h"

#define ENTRIES_SHOWN 8 /* fits one screen */

static void put_tile(struct page *p, struct view *list, bool entries, unsigned level, uint64_t n)
{
    unsigned width = (unsigned)(n % MERKLE_TILE_WIDTH);
    uint64_t index = width ? n / MERKLE_TILE_WIDTH : n / MERKLE_TILE_WIDTH - 1;
    struct span path = merkle_tile_path(p->arena, entries, level, index, width);
    struct view *row = view_item(list);
    view_str(row, "href", arena_fmt(p->arena, "/audit/%.*s", SPAN_F(path)));
    view_str(row, "path", path);
    view_i64(row, "width", width ? width : MERKLE_TILE_WIDTH);
    view_bool(row, "entries", entries);
    view_i64(row, "level", level);
}

/* The last tile of each level: everything older is full and never changes again. */
static void put_tiles(struct page *p, uint64_t size)
{
    struct view *list = view_list(p->view, "tiles");
    if (size)
        put_tile(p, list, true, 0, size);
    for (unsigned level = 0; size; level++, size /= MERKLE_TILE_WIDTH)
        put_tile(p, list, false, level, size);
}

static void put_entry(struct page *p, struct view *list, uint64_t index)
{
    struct fail quiet = {0};
    struct span leaf_bytes, detail;
    struct audit_leaf leaf;
    char time[INSTANT_TEXT_MAX], pseudonym[2 * sizeof leaf.subject + 1];
    if (audit_read(p->call->web->audit, index, p->arena, &leaf_bytes, &detail, &quiet) != OK ||
        !audit_leaf_get(leaf_bytes, &leaf))
        return;
    static const uint8_t nobody[sizeof leaf.subject];
    instant_put(time, leaf.time);
    hex_put(pseudonym, leaf.subject, sizeof leaf.subject);
    struct view *row = view_item(list);
    view_i64(row, "index", (int64_t)index);
    view_str(row, "time", arena_copy(p->arena, span_str(time)));
    view_str(row, "kind", page_say(p, "kind.", span_str(audit_kind_name(leaf.kind))));
    view_bool(row, "about-someone", memcmp(leaf.subject, nobody, sizeof nobody) != 0);
    view_str(row, "pseudonym", arena_copy(p->arena, span_of(pseudonym, 8)));
    view_bool(row, "answered", leaf.answer != 0);
    if (leaf.answer && leaf.answer <= ANSWER_NOT_APPLICABLE + 1)
        page_answer(p, row, (enum policy_answer)(leaf.answer - 1));
}

static void put_entries(struct page *p, uint64_t size)
{
    struct view *list = view_list(p->view, "entries");
    for (uint64_t i = 0; i < ENTRIES_SHOWN && i < size; i++)
        put_entry(p, list, size - 1 - i);
}

void page_record(struct call *c)
{
    struct page p = page_begin(c, "record.title", NAV_RECORD);
    struct page_head head = {0};
    bool has = page_record_head(&p, &head);
    view_bool(p.view, "has-head", has);
    view_str(p.view, "origin", has ? head.checkpoint.origin : audit_origin(c->web->audit));
    view_i64(p.view, "size", (int64_t)head.checkpoint.size);
    view_str(p.view, "root", page_hex(&p, &head.checkpoint.root));
    view_str(p.view, "note", head.note);
    put_tiles(&p, head.checkpoint.size);
    put_entries(&p, head.checkpoint.size);
    page_end(&p, 200, "record");
}
