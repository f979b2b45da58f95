// SPDX-License-Identifier: Apache-2.0
/* policy_diff_put.c: a comparison as text and as JSON. */
#include "policy_diff_impl.h"

/* Of each bit of enum policy_difference, in its order. */
static const struct {
    const char *word, *said;
} differences[] = {
    {"more-allowed", "more is allowed"},
    {"less-allowed", "less is allowed"},
    {"deed-gone", "a deed is no longer asked for"},
    {"deed-new", "a deed is asked for"},
    {"mask-weaker", "the mask is weaker or gone"},
    {"mask-stronger", "the mask is new or stronger"},
    {"later", "the time is longer"},
    {"earlier", "the time is shorter"},
    {"gone", "it is gone"},
    {"new", "it is new"},
    {"fewer", "it covers less"},
    {"wider", "it covers more"},
    {"other", "it is otherwise, and cannot be compared"},
    {"who", "somebody else must do it"},
};

static void put_differences(struct text *t, unsigned differs)
{
    const char *before = "";
    for (size_t i = 0; i < sizeof differences / sizeof differences[0]; i++) {
        if (!(differs >> i & 1))
            continue;
        text_fmt(t, "%s%s", before, differences[i].said);
        before = "; ";
    }
}

/* ---- Text */

static const char *const side_said[] = {"was", "is"};

static void put_names(struct text *t, const struct policy *p, enum policy_kind k, uint64_t bits)
{
    const char *before = "";
    for (unsigned i = 0; i < p->kind[k].n && i < 64; i++) {
        if (!(bits >> i & 1))
            continue;
        text_fmt(t, "%s%.*s", before, SPAN_F(policy_kind_name(p, k, i)));
        before = ", ";
    }
}

static void put_until(struct text *t, const struct policy *p, const struct policy_decision *d)
{
    static const char *const unit[] = {"", "hours", "days", "working-days", "months", "years"};
    if (d->until_number > 0)
        text_fmt(t, "%u %s after ", d->until_number, unit[d->until_unit]);
    text_put(t, policy_kind_name(p, KIND_EVENT, d->until_event));
}

static void put_decision(struct text *t, const struct policy *p, const struct policy_decision *d)
{
    text_str(t, policy_answer_name(d->answer));
    if (d->answer == ANSWER_NEEDS) {
        text_char(t, ' ');
        put_names(t, p, KIND_NEED, d->missing);
    }
    if (d->answer > ANSWER_ALLOW_MASKED)
        return;
    if (d->mask != POLICY_NONE)
        text_fmt(t, ", masked as %.*s", SPAN_F(policy_kind_name(p, KIND_MASK, d->mask)));
    if (d->until_event != POLICY_NONE) {
        text_str(t, ", until ");
        put_until(t, p, d);
    }
    if (d->deeds) {
        text_str(t, ", with ");
        put_names(t, p, KIND_DEED, d->deeds);
    }
}

static void put_clause(struct text *t, const struct policy_diff *d, const struct policy_change *c)
{
    struct span ref[DIFF_SIDES] = {SPAN_EMPTY, SPAN_EMPTY};
    const struct policy *p[] = {d->old, d->new};
    for (int side = 0; side < DIFF_SIDES; side++)
        if (c->clause[side] != POLICY_NONE)
            ref[side] = policy_clause_ref(p[side], c->clause[side], t->arena);
    bool one = ref[DIFF_OLD].len == 0 || ref[DIFF_NEW].len == 0 || span_eq(ref[DIFF_OLD], ref[DIFF_NEW]);
    text_put(t, ref[DIFF_OLD].len ? ref[DIFF_OLD] : ref[DIFF_NEW]);
    if (!one)
        text_fmt(t, " -> %.*s", SPAN_F(ref[DIFF_NEW]));
}

static void put_sentences(struct text *t, const struct policy_change *c)
{
    struct text both[] = {text_new(t->arena, 128), text_new(t->arena, 128)};
    for (int side = 0; side < DIFF_SIDES; side++)
        diff_words_put(c->sentence[side], &both[side]);
    if (both[0].len > 0 && span_eq(text_span(&both[0]), text_span(&both[1]))) {
        text_fmt(t, "  says: %.*s\n", SPAN_F(text_span(&both[1])));
        return;
    }
    for (int side = 0; side < DIFF_SIDES; side++)
        if (both[side].len > 0)
            text_fmt(t, "  %s: %.*s\n", side_said[side], SPAN_F(text_span(&both[side])));
}

/* The deadline that the words of a duty may leave to a document's `means`. */
static struct span deadline_of(struct arena *a, const struct policy *p, const struct policy_duty *d)
{
    struct span start = policy_kind_name(p, KIND_EVENT, d->start);
    if (d->before && d->number > 0)
        return arena_fmt(a, "%u %.*s before %.*s", d->number, SPAN_F(d->unit), SPAN_F(start));
    if (d->before)
        return arena_fmt(a, "before %.*s", SPAN_F(start));
    return d->number > 0 ? arena_fmt(a, "%u %.*s", d->number, SPAN_F(d->unit)) : SPAN_EMPTY;
}

static void put_deadlines(struct text *t, const struct policy_diff *d, const struct policy_change *c)
{
    const struct policy *p[] = {d->old, d->new};
    for (int side = 0; side < DIFF_SIDES && (c->differs & (DIFFERS_LATER | DIFFERS_EARLIER)); side++) {
        struct span deadline = deadline_of(t->arena, p[side], c->rest->duty[side]);
        text_fmt(t, "  %s: %.*s\n", side_said[side], SPAN_F(deadline.len ? deadline : SPAN("no deadline")));
    }
}

static void put_region(struct text *t, const struct policy_diff *d, const struct policy_change *c)
{
    const struct policy *p[] = {d->old, d->new};
    bool same = span_eq(c->witness[DIFF_OLD], c->witness[DIFF_NEW]);
    text_fmt(t, "  where: %.*s (%llu combinations)\n", SPAN_F(c->where), (unsigned long long)c->size);
    for (int side = 0; side < DIFF_SIDES; side++)
        if (c->witness[side].len > 0 && !(same && side == DIFF_NEW))
            text_fmt(t, "  for example: %.*s\n  as a request: %.*s\n", SPAN_F(c->example[side]),
                     SPAN_F(c->witness[side]));
    for (int side = 0; side < DIFF_SIDES; side++) {
        text_fmt(t, "      %s answered: ", side_said[side]);
        put_decision(t, p[side], &c->decision[side]);
        text_str(t, c->witness[side].len > 0 ? "\n" : " (a name that this side does not know)\n");
    }
}

static void put_value(struct text *t, const struct change_rest *r, enum policy_change_kind k, int side)
{
    text_fmt(t, "  %s: ", side_said[side]);
    if (k == CHANGE_GRADE)
        text_fmt(t, "grade %u", r->number[side]);
    else if (k == CHANGE_MEANING)
        text_fmt(t, "%u %.*s", r->number[side], SPAN_F(r->text[side]));
    else
        text_fmt(t, "%s%.*s", r->text[side].len ? "from " : "not said", SPAN_F(r->text[side]));
    text_char(t, '\n');
}

static void put_change(struct text *t, const struct policy_diff *d, const struct policy_change *c)
{
    text_fmt(t, "%s: ", policy_change_kind_name(c->kind));
    put_clause(t, d, c);
    if (c->name.len > 0)
        text_fmt(t, "%s'%.*s'", c->clause[DIFF_NEW] != POLICY_NONE ? " " : "", SPAN_F(c->name));
    if (c->clause[0] != POLICY_NONE || c->clause[1] != POLICY_NONE || c->name.len > 0)
        text_str(t, ": ");
    put_differences(t, c->differs);
    text_char(t, '\n');
    put_sentences(t, c);
    if (c->kind == CHANGE_ANSWERS || c->kind == CHANGE_SCOPE)
        put_region(t, d, c);
    if (c->kind == CHANGE_DUTY)
        put_deadlines(t, d, c);
    for (int side = 0; side < DIFF_SIDES && c->kind >= CHANGE_MEANING; side++)
        put_value(t, c->rest, c->kind, side);
}

void policy_diff_put(const struct policy_diff *d, struct text *t)
{
    static const char *const heading[] = {"Neutral", "Protects", "Reduces rights"};
    for (size_t i = 0; i < d->n; i++) {
        if (i == 0 || d->list[i].effect != d->list[i - 1].effect)
            text_fmt(t, "%s%s\n\n", i == 0 ? "" : "\n", heading[d->list[i].effect]);
        else
            text_char(t, '\n');
        put_change(t, d, &d->list[i]);
    }
    if (d->n == 0)
        text_str(t, "no change\n");
    else
        text_fmt(t, "\n%zu reduce rights, %zu protect, %zu neutral\n", d->reduces, d->protects, d->neutral);
}

/* ---- JSON */

static void json_names(struct text *t, const char *name, const struct policy *p, enum policy_kind k,
                       uint64_t bits)
{
    if (!bits)
        return;
    json_open(t, name, '[');
    for (unsigned i = 0; i < p->kind[k].n && i < 64; i++)
        if (bits >> i & 1)
            json_string(t, NULL, policy_kind_name(p, k, i));
    json_close(t, ']');
}

static void json_decision(struct text *t, const struct policy *p, const struct policy_decision *d)
{
    json_str(t, "answer", policy_answer_name(d->answer));
    if (d->answer == ANSWER_NEEDS)
        json_names(t, "missing", p, KIND_NEED, d->missing);
    if (d->answer > ANSWER_ALLOW_MASKED)
        return;
    if (d->mask != POLICY_NONE)
        json_string(t, "mask", policy_kind_name(p, KIND_MASK, d->mask));
    json_names(t, "deeds", p, KIND_DEED, d->deeds);
    if (d->until_event != POLICY_NONE) {
        struct text until = text_new(t->arena, 64);
        put_until(&until, p, d);
        json_string(t, "until", text_span(&until));
    }
}

static void json_value(struct text *t, const struct change_rest *r, enum policy_change_kind k, int side)
{
    if (k == CHANGE_GRADE)
        json_i64(t, "value", r->number[side]);
    else if (k == CHANGE_MEANING)
        json_string(t, "value", arena_fmt(t->arena, "%u %.*s", r->number[side], SPAN_F(r->text[side])));
    else if (k == CHANGE_SOURCE)
        json_string(t, "value", r->text[side]);
}

static void json_side(struct text *t, const struct policy *p, const struct policy_change *c, int side)
{
    struct text words = text_new(t->arena, 128);
    diff_words_put(c->sentence[side], &words);
    json_open(t, side == DIFF_OLD ? "old" : "new", '{');
    if (c->clause[side] != POLICY_NONE)
        json_string(t, "clause", policy_clause_ref(p, c->clause[side], t->arena));
    if (words.len > 0)
        json_string(t, "sentence", text_span(&words));
    if (c->witness[side].len > 0)
        json_string(t, "witness", c->witness[side]);
    if (c->kind == CHANGE_ANSWERS || c->kind == CHANGE_SCOPE)
        json_decision(t, p, &c->decision[side]);
    json_value(t, c->rest, c->kind, side);
    if (c->rest->duty[side] && deadline_of(t->arena, p, c->rest->duty[side]).len > 0)
        json_string(t, "deadline", deadline_of(t->arena, p, c->rest->duty[side]));
    json_close(t, '}');
}

static void json_change(struct text *t, const struct policy_diff *d, const struct policy_change *c)
{
    json_open(t, NULL, '{');
    json_str(t, "kind", policy_change_kind_name(c->kind));
    json_str(t, "effect", policy_effect_name(c->effect));
    json_open(t, "differs", '[');
    for (size_t i = 0; i < sizeof differences / sizeof differences[0]; i++)
        if (c->differs >> i & 1)
            json_str(t, NULL, differences[i].word);
    json_close(t, ']');
    if (c->name.len > 0)
        json_string(t, "name", c->name);
    if (c->where.len > 0) {
        json_string(t, "where", c->where);
        json_i64(t, "size", (int64_t)c->size);
    }
    json_side(t, d->old, c, DIFF_OLD);
    json_side(t, d->new, c, DIFF_NEW);
    json_close(t, '}');
}

void policy_diff_json(const struct policy_diff *d, struct text *t)
{
    json_open(t, NULL, '{');
    json_str(t, "effect", d->n > 0 ? policy_effect_name(d->list[0].effect) : "none");
    json_i64(t, "reduces", (int64_t)d->reduces);
    json_i64(t, "protects", (int64_t)d->protects);
    json_i64(t, "neutral", (int64_t)d->neutral);
    json_open(t, "changes", '[');
    for (size_t i = 0; i < d->n; i++)
        json_change(t, d, &d->list[i]);
    json_close(t, ']');
    json_close(t, '}');
}
