// SPDX-License-Identifier: Apache-2.0
/* policy_request.c: requests in words, for the command line, tests and witnesses. */
#include "policy_impl.h"

struct reader {
    const struct policy *p;
    struct policy_request *q;
    struct fail *f;
    unsigned said;   /* keys, as bits: dimensions, then SAID_FACTS and SAID_NEEDS */
    uint64_t stated; /* facts */
};
enum { SAID_FACTS = DIM_COUNT, SAID_NEEDS };

static enum err unknown(const struct reader *r, const char *what, struct span name,
                        const struct nearest *near)
{
    fail_set(r->f, ERR_UNKNOWN_NAME, "the policy knows no %s '%.*s'", what, SPAN_F(name));
    if (near->best.len > 0)
        fail_hint(r->f, "did you mean '%.*s'?", SPAN_F(near->best));
    return ERR_UNKNOWN_NAME;
}

static enum err unknown_kind(const struct reader *r, const char *what, enum policy_kind k, struct span name)
{
    struct nearest near = policy_nearest(name);
    policy_nearest_kind(&near, r->p, k);
    return unknown(r, what, name, &near);
}

/* !NAME: known false; ?NAME: not known; NAME: known true. */
static enum err read_fact(struct reader *r, struct span word)
{
    bool negated = span_starts(word, "!"), open = span_starts(word, "?");
    struct span name = negated || open ? span_sub(word, 1, word.len) : word;
    unsigned i = policy_kind_find(r->p, KIND_FACT, name);
    if (i == POLICY_NONE)
        return unknown_kind(r, "fact", KIND_FACT, name);
    if (r->stated >> i & 1)
        return fail_set(r->f, ERR_BAD_VALUE, "the fact '%.*s' stands here twice", SPAN_F(name));
    r->stated |= 1ull << i;
    if (open)
        r->q->facts_known &= ~(1ull << i);
    if (!negated && !open)
        r->q->facts |= 1ull << i;
    return OK;
}

static enum err read_need(struct reader *r, struct span name)
{
    unsigned i = policy_kind_find(r->p, KIND_NEED, name);
    if (i == POLICY_NONE)
        return unknown_kind(r, "need", KIND_NEED, name);
    r->q->needs |= 1ull << i;
    return OK;
}

static enum err read_list(struct reader *r, struct span list, enum err (*one)(struct reader *, struct span))
{
    struct span word;
    enum err e = OK;
    while (e == OK && span_cut(&list, ',', &word))
        if (word.len > 0)
            e = one(r, word);
    return e;
}

static enum err read_value(struct reader *r, enum policy_dimension d, struct span name)
{
    unsigned i = policy_find(r->p, d, name);
    if (i == POLICY_NONE) {
        struct nearest near = policy_nearest(name);
        policy_nearest_dimension(&near, r->p, d);
        return unknown(r, policy_dimension_word[d], name, &near);
    }
    r->q->value[d] = (uint16_t)i;
    return OK;
}

/* The first value would be lost, and nobody would see that the answer is to another question. */
static enum err say_once(struct reader *r, unsigned key, struct span word)
{
    bool twice = r->said >> key & 1;
    r->said |= 1u << key;
    if (twice && key < DIM_COUNT)
        fail_hint(r->f, "ask once for each %s", policy_dimension_word[key]);
    else if (twice)
        fail_hint(r->f, "write one list, with commas");
    return twice ? fail_set(r->f, ERR_BAD_VALUE, "'%.*s=' stands here twice", SPAN_F(word)) : OK;
}

static enum err read_facts_or_needs(struct reader *r, unsigned key, struct span word, struct span list)
{
    enum err e = say_once(r, key, word);
    return e != OK ? e : read_list(r, list, key == SAID_FACTS ? read_fact : read_need);
}

static enum err read_word(struct reader *r, struct span word)
{
    struct span value = word, key = word;
    if (span_find(word, '=', 0) == word.len || !span_cut(&value, '=', &key))
        return fail_set(r->f, ERR_BAD_VALUE, "'%.*s' is not of the form NAME=VALUE", SPAN_F(word));
    if (span_is(key, "facts"))
        return read_facts_or_needs(r, SAID_FACTS, key, value);
    if (span_is(key, "needs"))
        return read_facts_or_needs(r, SAID_NEEDS, key, value);
    for (int d = 0; d < DIM_COUNT; d++)
        if (span_is(key, policy_dimension_word[d]))
            return say_once(r, (unsigned)d, key) != OK ? ERR_BAD_VALUE
                                                       : read_value(r, (enum policy_dimension)d, value);
    struct nearest near = policy_nearest(key);
    for (int d = 0; d < DIM_COUNT; d++)
        policy_nearest_try(&near, span_str(policy_dimension_word[d]));
    return unknown(r, "dimension", key, &near);
}

enum err policy_request_read(const struct policy *p, struct span s, struct policy_request *q, struct fail *f)
{
    struct reader r = {.p = p, .q = q, .f = f};
    struct span word;
    enum err e = OK;
    *q = (struct policy_request){.facts_known = UINT64_MAX};
    while (e == OK && span_cut(&s, ' ', &word))
        if (word.len > 0)
            e = read_word(&r, word);
    return e;
}

/* ---- The other way. */

static void put_facts(struct text *t, const struct policy *p, const struct policy_request *q)
{
    const char *before = " facts=";
    for (unsigned i = 0; i < p->kind[KIND_FACT].n; i++) {
        bool known = q->facts_known >> i & 1;
        if (known && !(q->facts >> i & 1))
            continue;
        text_fmt(t, "%s%s%.*s", before, known ? "" : "?", SPAN_F(p->kind[KIND_FACT].list[i].name));
        before = ",";
    }
}

static void put_needs(struct text *t, const struct policy *p, const struct policy_request *q)
{
    const char *before = " needs=";
    for (unsigned i = 0; i < p->kind[KIND_NEED].n; i++) {
        if (!(q->needs >> i & 1))
            continue;
        text_fmt(t, "%s%.*s", before, SPAN_F(p->kind[KIND_NEED].list[i].name));
        before = ",";
    }
}

void policy_request_put(const struct policy *p, const struct policy_request *q, struct text *t)
{
    const char *before = "";
    for (int d = 0; d < DIM_COUNT; d++) {
        if (p->dim[d].n == 0)
            continue;
        text_fmt(t, "%s%s=%.*s", before, policy_dimension_word[d],
                 SPAN_F(policy_name(p, (enum policy_dimension)d, q->value[d])));
        before = " ";
    }
    put_facts(t, p, q);
    put_needs(t, p, q);
}
