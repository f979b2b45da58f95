// SPDX-License-Identifier: Apache-2.0
/* policy_diff.c: see policy_diff.h */
#include "policy_diff.h"

const char *policy_effect_name(enum policy_effect e)
{
    static const char *const name[] = {"neutral", "protects", "reduces"};
    return name[e];
}

const char *policy_change_kind_name(enum policy_change_kind k)
{
    static const char *const name[] = {"answers", "scope", "duty", "promise", "meaning", "grade", "source"};
    return name[k];
}

/* Whatever is decided otherwise is told as one change that reduces rights: never too little. */
enum err policy_diff(const struct policy *old, const struct policy *new, struct arena *a,
                     struct policy_diff *out, struct fail *f)
{
    (void)f;
    *out = (struct policy_diff){.old = old, .new = new};
    if (span_eq(policy_packed(old), policy_packed(new)))
        return OK;
    out->list = ARENA_NEW(a, struct policy_change);
    out->list[0] = (struct policy_change){.effect = EFFECT_REDUCES,
                                          .differs = DIFFERS_OTHER,
                                          .clause = {POLICY_NONE, POLICY_NONE},
                                          .where = SPAN("somewhere")};
    out->n = out->reduces = 1;
    return OK;
}

void policy_diff_put(const struct policy_diff *d, struct text *t)
{
    text_fmt(t, "%zu reduced, %zu protected, %zu neutral\n", d->reduces, d->protects, d->neutral);
}

void policy_diff_json(const struct policy_diff *d, struct text *t)
{
    json_open(t, NULL, '{');
    json_str(t, "effect", d->n > 0 ? policy_effect_name(d->list[0].effect) : "none");
    json_i64(t, "reduces", (int64_t)d->reduces);
    json_i64(t, "protects", (int64_t)d->protects);
    json_i64(t, "neutral", (int64_t)d->neutral);
    json_open(t, "changes", '[');
    json_close(t, ']');
    json_close(t, '}');
}

void policy_change_say(const struct policy_diff *d, const struct policy_change *c, struct span language,
                       struct text *t)
{
    (void)d;
    text_str(t, span_starts(language, "zh") ? "规则有变化：" : "The rules change: ");
    text_html(t, c->where);
    text_str(t, span_starts(language, "zh") ? "。" : ".");
}
