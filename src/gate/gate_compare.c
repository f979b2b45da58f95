// SPDX-License-Identifier: Apache-2.0
/* What a set changes for people, against the one in force. See gate_publish_impl.h */
#include "gate_publish_impl.h"
#include "policy_diff.h"

const char *const gate_change_languages[GATE_CHANGE_LANGUAGES] = {"en", "zh-CN"};

static const enum gate_effect effects[] = {
    [EFFECT_NEUTRAL] = GATE_EFFECT_NEUTRAL,
    [EFFECT_PROTECTS] = GATE_EFFECT_PROTECTS,
    [EFFECT_REDUCES] = GATE_EFFECT_REDUCES,
};

/* Where the sentence stands now, or stood. */
static void place(const struct policy_diff *d, const struct policy_change *c, struct arena *a,
                  struct gate_change *out)
{
    bool now = c->clause[DIFF_NEW] != POLICY_NONE;
    const struct policy *p = now ? d->new : d->old;
    unsigned clause = c->clause[now ? DIFF_NEW : DIFF_OLD];
    if (clause == POLICY_NONE)
        return;
    out->document = policy_document(p, policy_clause(p, clause)->document)->name;
    out->clause = policy_clause_ref(p, clause, a);
}

static void say(const struct policy_diff *d, const struct policy_change *c, struct arena *a,
                struct gate_change *out)
{
    for (size_t i = 0; i < GATE_CHANGE_LANGUAGES; i++) {
        struct text t = text_new(a, 256);
        policy_change_say(d, c, span_str(gate_change_languages[i]), &t);
        out->sentence[i] = text_span(&t);
    }
}

enum err publication_compare(struct gate_publication *p, const struct policy *old, struct arena *a,
                             struct fail *f)
{
    struct policy_diff d;
    enum err e = policy_diff(old, p->unit->policy, a, &d, f);
    if (e)
        return e;
    p->counts[GATE_EFFECT_REDUCES] = d.reduces;
    p->counts[GATE_EFFECT_PROTECTS] = d.protects;
    p->counts[GATE_EFFECT_NEUTRAL] = d.neutral;
    p->effect = d.reduces    ? GATE_EFFECT_REDUCES
                : d.protects ? GATE_EFFECT_PROTECTS
                : d.neutral  ? GATE_EFFECT_NEUTRAL
                             : GATE_EFFECT_NONE;
    p->n_changes = d.n < GATE_CHANGES_MAX ? d.n : GATE_CHANGES_MAX;
    p->changes = ARENA_ARRAY(a, p->n_changes + 1, struct gate_change);
    for (size_t i = 0; i < p->n_changes; i++) {
        p->changes[i].effect = effects[d.list[i].effect];
        place(&d, &d.list[i], a, &p->changes[i]);
        say(&d, &d.list[i], a, &p->changes[i]);
    }
    return OK;
}
