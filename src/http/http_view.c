// SPDX-License-Identifier: Apache-2.0
/* What a template shows: see http.h. */
#include "http_impl.h"

static struct view *view_new(struct arena *a, enum view_kind kind)
{
    struct view *v = ARENA_NEW(a, struct view);
    v->kind = kind;
    v->arena = a;
    return v;
}

static struct view *append(struct view *to, struct view *v)
{
    if (to->last)
        to->last->next = v;
    else
        to->first = v;
    to->last = v;
    return v;
}

static struct view *add(struct view *o, const char *name, enum view_kind kind)
{
    struct view *v = view_new(o->arena, kind);
    v->name = span_str(name);
    return append(o, v);
}

struct view *view_object(struct arena *a)
{
    return view_new(a, VIEW_OBJECT);
}

void view_str(struct view *o, const char *name, struct span v)
{
    add(o, name, VIEW_STRING)->string = v;
}

void view_i64(struct view *o, const char *name, int64_t v)
{
    view_str(o, name, arena_fmt(o->arena, "%lld", (long long)v));
}

void view_bool(struct view *o, const char *name, bool v)
{
    add(o, name, VIEW_BOOL)->truth = v;
}

struct view *view_sub(struct view *o, const char *name)
{
    return add(o, name, VIEW_OBJECT);
}

struct view *view_list(struct view *o, const char *name)
{
    return add(o, name, VIEW_LIST);
}

struct view *view_item(struct view *list)
{
    return append(list, view_new(list->arena, VIEW_OBJECT));
}

/* The last one set wins, as in an assignment. */
const struct view *view_find(const struct view *o, struct span name)
{
    const struct view *found = NULL;
    if (o->kind != VIEW_OBJECT)
        return NULL;
    for (const struct view *v = o->first; v; v = v->next)
        if (span_eq(v->name, name))
            found = v;
    return found;
}
