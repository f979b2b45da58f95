// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_policy_diff.c: two policies over the same words, made by the grammar, and compared. The witness of
 * each change lies in its region and is answered as it says, by the plain evaluator; a request that the two
 * answer otherwise lies in some region. The new policy is the old one with a few choices changed: the input
 * begins with which (a place in two bytes, and another byte, PATCHES times).
 */
#include "policy_diff.h"
#include "policy_grammar.h"

static bool same(const struct policy_decision *a, const struct policy_decision *b)
{
    return a->answer == b->answer && a->missing == b->missing && a->deeds == b->deeds && a->mask == b->mask;
}

static bool tells_answers(const struct policy_change *c)
{
    return c->kind == CHANGE_ANSWERS || c->kind == CHANGE_SCOPE;
}

static void check_witness(const struct policy_diff *d, const struct policy_change *c, enum policy_side side)
{
    const struct policy *p = side == DIFF_OLD ? d->old : d->new;
    struct policy_request q;
    struct policy_decision e;
    struct fail f = {0};
    if (c->witness[side].len == 0)
        return;
    must(policy_request_read(p, c->witness[side], &q, &f) == OK);
    must(policy_change_holds(d, c, side, &q));
    policy_decide_plain(p, &q, &e);
    must(same(&e, &c->decision[side]));
}

static void check_complete(const struct policy_diff *d, struct span in)
{
    struct policy_request q = fuzz_request(d->old, in);
    struct policy_decision a, b;
    q.facts_known = UINT64_MAX; /* a region is of worlds in which all facts are known */
    policy_decide_plain(d->old, &q, &a);
    policy_decide_plain(d->new, &q, &b);
    if (same(&a, &b))
        return;
    for (size_t i = 0; i < d->n; i++)
        if (tells_answers(&d->list[i]) && policy_change_holds(d, &d->list[i], DIFF_OLD, &q))
            return;
    /* Barred, silent and in no document's scope: nothing is allowed either way. */
    must(a.answer >= ANSWER_DENY && b.answer >= ANSWER_DENY);
}

static void check_diff(struct arena *a, const struct policy *old, const struct policy *new, struct span in)
{
    struct policy_diff d;
    struct fail f = {0};
    struct text t = text_new(a, 4096);
    enum err e = policy_diff(old, new, a, &d, &f);
    must(e == OK || (e == ERR_TOO_LARGE && f.detail[0]));
    if (e)
        return;
    must(d.reduces + d.protects + d.neutral == d.n);
    for (size_t i = 0; i < d.n; i++) {
        must(!tells_answers(&d.list[i]) || d.list[i].witness[DIFF_OLD].len ||
             d.list[i].witness[DIFF_NEW].len);
        check_witness(&d, &d.list[i], DIFF_OLD);
        check_witness(&d, &d.list[i], DIFF_NEW);
        policy_change_say(&d, &d.list[i], SPAN("zh-CN"), &t);
    }
    check_complete(&d, in);
    policy_diff_put(&d, &t);
    policy_diff_json(&d, &t);
}

static const struct policy *make(struct arena *a, struct choices *c, struct span words)
{
    struct policy_source s[3] = {{SPAN("words.md"), words}};
    struct policy_messages m;
    size_t n = 1 + made_documents(a, c, s + 1);
    show_documents(s, n);
    policy_load(a, s, n, &m);
    return m.draft;
}

enum { PATCHES = 4, PATCH_LEN = 3 };

static struct span patched(struct arena *a, struct span patches, struct span in)
{
    uint8_t *out = arena_alloc(a, in.len + 1);
    memcpy(out, in.p, in.len);
    for (size_t i = 0; i + PATCH_LEN <= patches.len; i += PATCH_LEN)
        out[((size_t)patches.p[i] << 8 | patches.p[i + 1]) % in.len] = patches.p[i + 2];
    return span_of(out, in.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t head = (size_t)PATCHES * PATCH_LEN;
    if (len <= head)
        return 0;
    struct arena *a = arena_new(0);
    struct span in = span_of(data + head, len - head);
    struct choices c = choices_of(in), other = choices_of(patched(a, span_of(data, head), in));
    struct span words = made(a, &c, "catalogue");
    made(a, &other, "catalogue"); /* as many choices go by */
    const struct policy *old = make(a, &c, words), *new = make(a, &other, words);
    if (old && new)
        check_diff(a, old, new, in);
    arena_free(a);
    return 0;
}
