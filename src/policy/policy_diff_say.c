// SPDX-License-Identifier: Apache-2.0
/* policy_diff_say.c: one change as plain sentences of the page's language: what it is, what holds now, what
 * held before, and whom and what it concerns if the sentence does not say that already. */
#include "policy_diff_impl.h"
#include "policy_render_impl.h"

struct saying {
    const struct policy_diff *d;
    const struct policy_change *c;
    struct span language;
    struct text *t;
    struct policy_render r;
    struct render s;
};

/* The words for the names of one side. */
static struct render *side_of(struct saying *w, const struct policy *p)
{
    w->r = (struct policy_render){.policy = p, .language = w->language};
    w->s = (struct render){.r = &w->r, .out = w->t, .language = w->language};
    return &w->s;
}

static const struct policy *policy_of(const struct saying *w, int side)
{
    return side == DIFF_OLD ? w->d->old : w->d->new;
}

/* ---- The sentence of one side; nothing if it has none. */

static struct span sentence_of(struct saying *w, int side)
{
    struct text part = text_new(w->t->arena, 256), *out = w->t;
    const struct change_rest *rest = w->c->rest;
    w->t = &part;
    struct render *s = side_of(w, policy_of(w, side));
    if (rest->norm[side])
        policy_render_put_norm(s, rest->norm[side]);
    if (rest->promise[side])
        policy_render_put_promise(s, rest->promise[side]);
    if (rest->duty[side])
        policy_render_put_duty(s, rest->duty[side]);
    w->t = out;
    return text_span(&part);
}

static void say(struct saying *w, enum render_word word)
{
    policy_render_say(side_of(w, w->d->new), word);
}

static void blank(struct saying *w)
{
    text_str(w->t, policy_render_chinese(side_of(w, w->d->new)) ? "" : " ");
}

static void say_sentences(struct saying *w)
{
    struct span old = sentence_of(w, DIFF_OLD), new = sentence_of(w, DIFF_NEW);
    bool same = span_eq(old, new);
    if (new.len > 0 && same)
        say(w, RENDER_CHANGE_SAME);
    text_put(w->t, new);
    if (old.len == 0 || same)
        return;
    if (new.len > 0)
        blank(w);
    say(w, new.len > 0 ? RENDER_CHANGE_BEFORE : RENDER_CHANGE_NO_LONGER);
    text_put(w->t, old);
}

/* ---- What it concerns: the region as an act. */

static struct act region_act(const struct diff_names *n, const struct diff_class *r, struct arena *a)
{
    struct act act = {.when = {ARENA_NEW(a, struct term), 1}, .until = {.event = POLICY_NONE}};
    for (int d = 0; d < DIM_COUNT; d++) {
        act.set[d] = r->value[d];
        act.named[d] = n->both.dim[d].n > 0;
    }
    act.when.terms->facts = r->facts_true ^ r->facts_false;
    act.when.terms->facts_value = r->facts_true & ~r->facts_false;
    return act;
}

/* The region is as large as what the sentence speaks of. */
static bool told_by(const struct saying *w, int side, const struct act *region)
{
    const struct norm *m = w->c->rest->norm[side];
    if (!m || m->act.when.n != 1 || m->act.when.terms[0].facts != 0 || region->when.terms->facts != 0)
        return false;
    for (int d = 0; d < DIM_COUNT; d++) {
        struct bits set =
            diff_bits_of(w->d->names, (enum policy_side)side, (enum policy_dimension)d, &m->act.set[d]);
        if (region->named[d] && memcmp(&set, &region->set[d], sizeof set) != 0)
            return false;
    }
    return true;
}

static void say_region(struct saying *w)
{
    const struct diff_class *r = w->c->rest->region;
    struct act act = region_act(w->d->names, r, w->t->arena);
    if (told_by(w, DIFF_NEW, &act) || told_by(w, DIFF_OLD, &act))
        return;
    blank(w);
    say(w, RENDER_CHANGE_WHERE);
    policy_render_put_act(side_of(w, &w->d->names->both), &act);
    say(w, RENDER_STOP);
}

/* ---- Numbers and sources */

static void say_value(struct saying *w, int side)
{
    const struct change_rest *rest = w->c->rest;
    struct render *s = side_of(w, policy_of(w, side));
    if (w->c->kind == CHANGE_GRADE)
        text_i64(w->t, rest->number[side]);
    else if (w->c->kind == CHANGE_MEANING)
        policy_render_put_duration(s, rest->number[side], rest->text[side]);
    else if (rest->text[side].len > 0)
        policy_render_put_source(s, rest->text[side]);
    else
        policy_render_say(s, RENDER_NOTHING);
}

static void say_name(struct saying *w)
{
    struct render *s = side_of(w, w->d->new);
    enum policy_kind k = w->c->rest->fact ? KIND_FACT : KIND_NEED;
    unsigned i = policy_kind_find(w->d->new, k, w->c->name);
    if (w->c->kind == CHANGE_GRADE)
        say(w, RENDER_CHANGE_GRADE);
    if (w->c->kind == CHANGE_SOURCE && i != POLICY_NONE)
        policy_render_put_meaning(s, k, i);
    else
        policy_render_put_name(s, w->c->name);
    say(w, w->c->kind == CHANGE_MEANING ? RENDER_CHANGE_MEANS : RENDER_COLON);
}

static void say_values(struct saying *w)
{
    say_name(w);
    say_value(w, DIFF_OLD);
    say(w, RENDER_CHANGE_ARROW);
    say_value(w, DIFF_NEW);
    say(w, RENDER_STOP);
}

/* ---- All of it */

static void say_lead(struct saying *w)
{
    bool any = w->c->kind == CHANGE_SCOPE;
    text_str(w->t, "<strong>");
    if (w->c->kind == CHANGE_SCOPE)
        say(w, RENDER_CHANGE_SCOPE);
    if (w->c->kind == CHANGE_SOURCE)
        say(w, RENDER_CHANGE_SOURCE);
    for (unsigned i = RENDER_DIFFERS_MORE; i <= RENDER_DIFFERS_WHO && w->c->kind != CHANGE_SOURCE; i++) {
        if (!(w->c->differs >> (i - RENDER_DIFFERS_MORE) & 1))
            continue;
        if (any)
            say(w, RENDER_ALSO);
        say(w, (enum render_word)i);
        any = true;
    }
    say(w, RENDER_STOP);
    text_str(w->t, "</strong>");
    blank(w);
}

void policy_change_say(const struct policy_diff *d, const struct policy_change *c, struct span language,
                       struct text *t)
{
    struct saying w = {.d = d, .c = c, .language = language, .t = t};
    say_lead(&w);
    if (c->kind >= CHANGE_MEANING) {
        say_values(&w);
        return;
    }
    say_sentences(&w);
    if (c->rest->region)
        say_region(&w);
}
