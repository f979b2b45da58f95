// SPDX-License-Identifier: Apache-2.0
/* policy_witness.c: a request as a sentence, for people who read a message. */
#include "policy_impl.h"

/* How a value stands in the sentence, in its order. */
static const struct {
    enum policy_dimension d;
    const char *before;
    const char *nothing, *instead; /* a value that the engine knows as "none", and how that is said */
} parts[] = {
    {DIM_SUBJECT, " of ", NULL, NULL},
    {DIM_PARTY, " with ", "own", " with nobody else"},
    {DIM_PURPOSE, " for ", NULL, NULL},
    {DIM_SERVICE, " in ", NULL, NULL},
    {DIM_JURISDICTION, " in ", NULL, NULL},
    {DIM_BASIS, " on basis of ", "none-claimed", " without claiming a basis"},
};

static struct span value_name(const struct policy *p, const struct policy_request *q, enum policy_dimension d)
{
    return policy_name(p, d, q->value[d]);
}

static void put_parts(const struct policy *p, const struct policy_request *q, struct text *t)
{
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct span name = value_name(p, q, parts[i].d);
        if (p->dim[parts[i].d].n == 0)
            continue;
        if (parts[i].nothing && span_is(name, parts[i].nothing))
            text_str(t, parts[i].instead);
        else
            text_fmt(t, "%s%.*s", parts[i].before, SPAN_F(name));
    }
}

static void put_kind(const struct policy *p, enum policy_kind k, unsigned i, struct text *t)
{
    struct span words = policy_kind_words(p, k, i);
    if (words.len > 0)
        text_fmt(t, "%.*s (%.*s)", SPAN_F(words), SPAN_F(policy_kind_name(p, k, i)));
    else
        text_put(t, policy_kind_name(p, k, i));
}

static void put_set(const struct policy *p, enum policy_kind k, uint64_t set, const char *first,
                    struct text *t)
{
    const char *before = first;
    for (unsigned i = 0; i < p->kind[k].n; i++) {
        if (!(set >> i & 1))
            continue;
        text_str(t, before);
        put_kind(p, k, i, t);
        before = ", and ";
    }
}

void policy_request_say(const struct policy *p, const struct policy_request *q, struct text *t)
{
    bool actors = p->dim[DIM_ACTOR].n > 0;
    text_put(t, actors ? value_name(p, q, DIM_ACTOR) : SPAN("somebody"));
    text_str(t, " asks to ");
    text_put(t, value_name(p, q, DIM_OPERATION));
    text_char(t, ' ');
    text_put(t, value_name(p, q, DIM_FIELD));
    put_parts(p, q, t);
    put_set(p, KIND_FACT, q->facts & q->facts_known, "; it is so that ", t);
    put_set(p, KIND_FACT, ~q->facts_known, "; it is not known whether ", t);
    put_set(p, KIND_NEED, q->needs, "; it is shown that ", t);
}
