// SPDX-License-Identifier: Apache-2.0
/* Where a revision stands and what it changed. See policy_render_changes.h */
#include "policy_render_changes.h"
#include "policy_render_impl.h"

struct telling {
    const struct policy_story *story;
    struct text *out;
    struct policy_render r;
    struct render s;
};

/* ---- Sentences with places in them: {from}, {until}, {before}, {after} */

static void put_other(struct telling *w, const struct policy_other *o)
{
    if (o->link.len) {
        text_str(w->out, "<a href=\"");
        text_html(w->out, o->link);
        text_str(w->out, "\">");
    }
    policy_render_say(&w->s, RENDER_REVISION_NUMBER);
    text_i64(w->out, o->revision);
    if (o->link.len)
        text_str(w->out, "</a>");
}

static void put_time(struct telling *w, struct span when)
{
    text_str(w->out, "<time>");
    text_html(w->out, when);
    text_str(w->out, "</time>");
}

static void put_place(struct telling *w, struct span name)
{
    const struct policy_story *s = w->story;
    if (span_is(name, "from"))
        put_time(w, s->from);
    else if (span_is(name, "until"))
        put_time(w, s->until);
    else
        put_other(w, span_is(name, "before") ? &s->before : &s->after);
}

static void put_sentence(struct telling *w, enum render_word word)
{
    struct span rest = span_str(policy_render_word(&w->s, word)), part, name;
    while (span_cut(&rest, '{', &part)) {
        text_html(w->out, part);
        if (span_cut(&rest, '}', &name))
            put_place(w, name);
    }
}

/* ---- Where it stands */

static void put_next(struct telling *w)
{
    const struct policy_story *s = w->story;
    if (s->until.len == 0)
        return;
    put_sentence(w, s->after.revision ? RENDER_STANDING_NEXT : RENDER_STANDING_ENDS);
    if (s->news.len == 0)
        return;
    text_str(w->out, "<a href=\"");
    text_html(w->out, s->news);
    text_str(w->out, "\">");
    policy_render_say(&w->s, RENDER_STANDING_NEWS);
    text_str(w->out, "</a>");
}

static void put_now(struct telling *w)
{
    if (w->story->now.len == 0)
        return;
    text_str(w->out, "<a href=\"");
    text_html(w->out, w->story->now);
    text_str(w->out, "\">");
    policy_render_say(&w->s, RENDER_STANDING_NOW);
    text_str(w->out, "</a>");
}

static void put_standing(struct telling *w)
{
    const struct policy_story *s = w->story;
    switch (s->standing) {
    case STANDING_DATED:
        put_sentence(w, s->before.revision ? RENDER_STANDING_REPLACES : RENDER_STANDING_FROM);
        break;
    case STANDING_IN_FORCE:
        put_sentence(w, RENDER_STANDING_SINCE);
        put_next(w);
        break;
    case STANDING_WAITING:
        put_sentence(w, RENDER_STANDING_WAITS);
        if (s->before.revision)
            put_sentence(w, RENDER_STANDING_UNTIL_THEN);
        break;
    case STANDING_OVER:
        put_sentence(w, s->after.revision ? RENDER_STANDING_REPLACED : RENDER_STANDING_OVER);
        put_now(w);
        break;
    case STANDING_WITHDRAWN:
        put_sentence(w, RENDER_STANDING_WITHDRAWN);
        put_now(w);
        break;
    }
}

/* What is not simply in force stands out. */
static bool stands_out(const struct policy_story *s)
{
    return s->standing >= STANDING_WAITING || (s->standing == STANDING_IN_FORCE && s->until.len > 0);
}

/* ---- What changed */

static const struct {
    enum policy_effect effect;
    enum render_word title;
} effects[] = {
    {EFFECT_REDUCES, RENDER_CHANGES_REDUCE},
    {EFFECT_PROTECTS, RENDER_CHANGES_PROTECT},
    {EFFECT_NEUTRAL, RENDER_CHANGES_NEUTRAL},
};

static size_t count(const struct policy_story *s, enum policy_effect e)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_told; i++)
        n += s->told[i].effect == e;
    return n;
}

static void put_told(struct telling *w, const struct policy_told *t)
{
    text_str(w->out, "<li>");
    text_put(w->out, t->html);
    if (t->clause.len) {
        text_str(w->out, " <span class=\"cite\">");
        if (t->link.len) {
            text_str(w->out, "<a href=\"");
            text_html(w->out, t->link);
            text_str(w->out, "\">");
        }
        text_html(w->out, t->clause);
        text_str(w->out, t->link.len ? "</a></span>" : "</span>");
    }
    text_str(w->out, "</li>\n");
}

/* Lost rights are never folded. */
static void put_group(struct telling *w, enum policy_effect e, enum render_word title)
{
    size_t n = count(w->story, e);
    bool folds = e != EFFECT_REDUCES, open = n <= POLICY_TOLD_OPEN;
    if (n == 0)
        return;
    text_str(w->out, !folds ? "<h3>" : open ? "<details open><summary><h3>" : "<details><summary><h3>");
    policy_render_say(&w->s, title);
    text_fmt(w->out, " (%zu)%s\n<ul class=\"told\">\n", n, folds ? "</h3></summary>" : "</h3>");
    for (size_t i = 0; i < w->story->n_told; i++)
        if (w->story->told[i].effect == e)
            put_told(w, &w->story->told[i]);
    text_str(w->out, folds ? "</ul>\n</details>\n" : "</ul>\n");
}

static void put_changes(struct telling *w)
{
    text_str(w->out, "<section class=\"changes\" id=\"changes\" aria-labelledby=\"changes-title\">\n"
                     "<h2 id=\"changes-title\">");
    put_sentence(w, w->story->before.revision ? RENDER_CHANGES_SINCE : RENDER_CHANGES_FIRST);
    text_str(w->out, "</h2>\n");
    if (w->story->n_told == 0) {
        text_str(w->out, "<p>");
        policy_render_say(&w->s, RENDER_CHANGES_NONE);
        text_str(w->out, "</p>\n");
    }
    for (size_t i = 0; i < sizeof effects / sizeof *effects; i++)
        put_group(w, effects[i].effect, effects[i].title);
    text_str(w->out, "</section>\n");
}

void policy_story_html(const struct policy_story *s, struct text *out)
{
    struct telling w = {.story = s, .out = out, .r = {.language = s->language}};
    w.s = (struct render){.r = &w.r, .out = out, .language = s->language};
    text_str(out, stands_out(s) ? "<p class=\"standing notice\">" : "<p class=\"standing\">");
    put_standing(&w);
    text_str(out, "</p>\n");
    if (s->compared)
        put_changes(&w);
}
