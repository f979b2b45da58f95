// SPDX-License-Identifier: Apache-2.0
/* policy_vocabulary.c: see policy_vocabulary.h. */
#include "policy_vocabulary.h"
#include "policy_parse_impl.h"

const struct policy_prefix policy_prefixes[] = {
    {"dpv", "https://w3id.org/dpv#"},       {"pd", "https://w3id.org/dpv/pd#"},
    {"loc", "https://w3id.org/dpv/loc#"},   {"risk", "https://w3id.org/dpv/risk#"},
    {"tech", "https://w3id.org/dpv/tech#"}, {"eu-gdpr", "https://w3id.org/dpv/legal/eu/gdpr#"},
};
const size_t policy_prefixes_count = sizeof policy_prefixes / sizeof policy_prefixes[0];

static const struct vocable *find(const struct policy *p, struct span name)
{
    for (size_t i = 0; i < p->n_vocables; i++)
        if (span_eq(p->vocables[i].name, name))
            return &p->vocables[i];
    return NULL;
}

struct span policy_term(const struct policy *p, struct span name)
{
    const struct vocable *v = find(p, name);
    return v ? v->term : SPAN_EMPTY;
}

/* ---- Reading: NAME PREFIX:Term. */

static bool check_name(struct parse *s, const struct token *t)
{
    struct load *l = s->load;
    const struct vocable *before = find(l->p, t->text);
    if (before) {
        policy_say(l, MSG_NAME, t->place, "'%.*s' has its term already", SPAN_F(t->text));
        policy_say_other(l, before->place);
        return false;
    }
    if (policy_known_as(l->p, t->text, l->arena).len > 0 || l->catalogue_broken)
        return true;
    struct nearest n = policy_nearest(t->text);
    for (int d = 0; d < DIM_COUNT; d++)
        policy_nearest_dimension(&n, l->p, (enum policy_dimension)d);
    for (int k = 0; k < KIND_COUNT; k++)
        policy_nearest_kind(&n, l->p, (enum policy_kind)k);
    return policy_say(l, MSG_NAME, t->place, "the catalogue declares no '%.*s'%.*s", SPAN_F(t->text),
                      SPAN_F(policy_nearest_text(&n, l->arena)));
}

static bool check_prefix(struct parse *s, const struct token *t)
{
    struct nearest n = policy_nearest(t->text);
    for (size_t i = 0; i < policy_prefixes_count; i++) {
        if (span_is(t->text, policy_prefixes[i].name))
            return true;
        policy_nearest_try(&n, span_str(policy_prefixes[i].name));
    }
    return policy_say(s->load, MSG_NAME, t->place, "'%.*s' is no known vocabulary%.*s", SPAN_F(t->text),
                      SPAN_F(policy_nearest_text(&n, s->load->arena)));
}

/* Terms that stand for things begin with a capital; what begins small is a relation. */
static bool check_term(struct parse *s, const struct token *t)
{
    bool capital = t->text.p[0] >= 'A' && t->text.p[0] <= 'Z';
    return capital || policy_say(s->load, MSG_NAME, t->place,
                                 "'%.*s' is no term: a term begins with a capital letter", SPAN_F(t->text));
}

static bool read_vocable(struct parse *s)
{
    struct token name, prefix, term;
    if (!parse_name(s, "a name of the catalogue", &name) || !check_name(s, &name))
        return false;
    if (!parse_name(s, "a vocabulary and its term, as dpv:Purpose", &prefix) || !check_prefix(s, &prefix))
        return false;
    if (!parse_need_kind(s, TOKEN_COLON, "':' and a term") || !parse_name(s, "a term", &term) ||
        !check_term(s, &term) || !parse_stop(s, "'.'"))
        return false;
    *POLICY_PUSH(s->load->arena, s->load->p->vocables, s->load->p->n_vocables) = (struct vocable){
        .name = name.text,
        .term = arena_fmt(s->load->arena, "%.*s:%.*s", SPAN_F(prefix.text), SPAN_F(term.text)),
        .place = name.place,
    };
    return true;
}

void policy_read_vocabularies(struct load *l)
{
    for (size_t f = 0; f < l->n_files; f++)
        for (size_t b = 0; b < l->files[f].n_blocks; b++) {
            const struct block *block = &l->files[f].blocks[b];
            if (block->kind != BLOCK_VOCABULARY)
                continue;
            struct parse s = policy_parse_open(l, block->body, l->files[f].document, POLICY_NONE);
            policy_parse_sentences(&s, read_vocable);
        }
}
