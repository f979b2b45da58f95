// SPDX-License-Identifier: Apache-2.0
/*
 * policy_slot.c: see policy_slot_impl.h. The grammar as a table from keywords to what they are followed by:
 * it must serve sentences that are still being written, which the parser rightly refuses.
 */
#include "policy_slot_impl.h"

#define D(d) (1u << DIM_##d)
#define K(k) (1u << KIND_##k)
#define PARTS                                                                                                \
    "of from with to for in on basis of when unless only with until except as must may need not and or"

const struct slot_row policy_slots[SLOT_COUNT] = {
    [SLOT_START] = {D(ACTOR), 0, "we to despite every when", "may must or"},
    [SLOT_ACTOR] = {D(ACTOR), 0, "we", "may must need or"},
    [SLOT_OPERATION] = {D(OPERATION), 0, "any", "and any grade"},
    [SLOT_FIELD] = {D(FIELD), 0, "any grade", PARTS},
    [SLOT_SUBJECT] = {D(SUBJECT), 0, "any", PARTS},
    [SLOT_PARTY] = {D(PARTY), 0, "any", PARTS},
    [SLOT_PURPOSE] = {D(PURPOSE), 0, "any", PARTS},
    [SLOT_PLACE] = {D(SERVICE) | D(JURISDICTION), 0, "any", PARTS},
    [SLOT_SERVICE] = {D(SERVICE), 0, "any", PARTS},
    [SLOT_JURISDICTION] = {D(JURISDICTION), 0, "any", PARTS},
    [SLOT_BASIS] = {D(BASIS), 0, "any", PARTS},
    [SLOT_FACT] = {0, K(FACT), "not", PARTS},
    [SLOT_NEED] = {0, K(NEED), "", PARTS},
    [SLOT_FACT_OR_NEED] = {0, K(FACT) | K(NEED), "not", "and or"},
    [SLOT_EVENT] = {0, K(EVENT), "", "and"},
    [SLOT_MASK] = {0, K(MASK), "", "and"},
    [SLOT_DEED] = {0, K(DEED), "have mask not never", "and to by within before otherwise"},
    [SLOT_AUDIENCE] = {0, K(AUDIENCE), "", "or by within before otherwise"},
    [SLOT_CHANNEL] = {0, K(CHANNEL), "", "or within before otherwise"},
    [SLOT_REASON] = {0, 0, "", ""},
    [SLOT_CLAUSE] = {0, 0, "we to", ""},
    [SLOT_DOCUMENT] = {0, 0, "", "or"},
    [SLOT_DIMENSION] = {0, 0, "operation actor subject service jurisdiction party purpose basis", ""},
    [SLOT_DECLARATION] =
        {0, 0,
         "category data purpose party actor subject service jurisdiction operation basis event "
         "need fact mask deed audience channel",
         ""},
    [SLOT_ANY_NAME] = {(1u << DIM_COUNT) - 1, (1u << KIND_COUNT) - 1, "", ""},
};

/* What a keyword inside a sentence is followed by. */
static const struct {
    enum policy_word word;
    enum slot slot;
} follows[] = {
    {WORD_OF, SLOT_SUBJECT},     {WORD_FROM, SLOT_PARTY},        {WORD_WITH, SLOT_PARTY},
    {WORD_TO, SLOT_PARTY},       {WORD_FOR, SLOT_PURPOSE},       {WORD_IN, SLOT_PLACE},
    {WORD_BASIS, SLOT_BASIS},    {WORD_WHEN, SLOT_FACT},         {WORD_UNLESS, SLOT_FACT},
    {WORD_UNTIL, SLOT_EVENT},    {WORD_AFTER, SLOT_EVENT},       {WORD_BEFORE, SLOT_EVENT},
    {WORD_EXCEPT, SLOT_FIELD},   {WORD_HAVE, SLOT_NEED},         {WORD_AS, SLOT_REASON},
    {WORD_MAY, SLOT_OPERATION},  {WORD_NEVER, SLOT_OPERATION},   {WORD_ALWAYS, SLOT_OPERATION},
    {WORD_EVERY, SLOT_NONE},     {WORD_ALLOWED, SLOT_OPERATION}, {WORD_MUST, SLOT_DEED},
    {WORD_OTHERWISE, SLOT_DEED}, {WORD_MASK, SLOT_NONE},         {WORD_DESPITE, SLOT_CLAUSE},
    {WORD_WE, SLOT_ACTOR},       {WORD_BY, SLOT_CHANNEL},        {WORD_WITHIN, SLOT_NONE},
    {WORD_ONLY, SLOT_NONE},      {WORD_ON, SLOT_NONE},           {WORD_NEED, SLOT_NONE},
};

struct walk policy_walk_start(enum block_kind block)
{
    static const enum slot first[BLOCK_KIND_COUNT] = {
        [BLOCK_DOCUMENT] = SLOT_NONE,  [BLOCK_CATALOGUE] = SLOT_DECLARATION, [BLOCK_RULE] = SLOT_START,
        [BLOCK_WORDS] = SLOT_ANY_NAME, [BLOCK_VOCABULARY] = SLOT_ANY_NAME,
    };
    return (struct walk){.block = block, .slot = first[block]};
}

static void enter(struct walk *w, enum slot slot)
{
    w->slot = slot;
    w->named = false;
}

/* ---- Rules. */

static enum slot slot_after(enum policy_word w)
{
    for (size_t i = 0; i < sizeof follows / sizeof follows[0]; i++)
        if (follows[i].word == w)
            return follows[i].slot;
    return SLOT_NONE;
}

/* Keywords that mean another thing by what stands before them. */
static enum slot slot_in_context(const struct walk *w, enum policy_word word)
{
    if (word == WORD_TO && !w->begun)
        return SLOT_OPERATION;
    if (word == WORD_TO && w->duty)
        return SLOT_AUDIENCE;
    if (word == WORD_WHEN && !w->begun)
        return SLOT_EVENT;
    if (word == WORD_OF && w->before == WORD_BASIS)
        return SLOT_BASIS;
    if (word == WORD_WITH && w->before == WORD_ONLY)
        return SLOT_NEED;
    if (word == WORD_AS && w->before == WORD_MASK)
        return SLOT_MASK;
    if (word == WORD_NOT)
        return w->before == WORD_MUST ? SLOT_OPERATION : w->before == WORD_NEED ? SLOT_DEED : w->slot;
    return slot_after(word);
}

static void walk_and(struct walk *w)
{
    w->named = false;
    if (w->musts)
        w->slot = SLOT_DEED;
    else if (w->duty && w->slot == SLOT_EVENT)
        w->slot = SLOT_FACT_OR_NEED;
}

static void walk_keyword(struct walk *w, enum policy_word word)
{
    if (word == WORD_AND || word == WORD_OR) {
        walk_and(w);
        return;
    }
    if (word == WORD_ANY || word == WORD_GRADE || word == WORD_ABOVE || word == WORD_BELOW) {
        if (w->slot == SLOT_OPERATION && w->named)
            w->slot = SLOT_FIELD;
        w->named = true;
        return;
    }
    enum slot slot = slot_in_context(w, word);
    w->duty |= word == WORD_WHEN && !w->begun;
    w->musts = (word == WORD_MUST && !w->duty) || (w->musts && word == WORD_HAVE) ||
               (word == WORD_NOT && w->before == WORD_NEED) || (w->musts && word == WORD_AS) ||
               (w->musts && word == WORD_MASK);
    w->begun |= word != WORD_DESPITE;
    enter(w, slot);
    w->named = word == WORD_WE;
    w->before = word;
}

static void walk_comma(struct walk *w)
{
    w->named = false;
    if (w->duty && (w->slot == SLOT_EVENT || w->slot == SLOT_FACT_OR_NEED))
        w->slot = SLOT_ACTOR;
}

/* A second name side by side with the first: after the operations come the data. */
static void walk_name(struct walk *w)
{
    if (w->slot == SLOT_OPERATION && w->named)
        w->slot = SLOT_FIELD;
    if (w->slot == SLOT_START)
        w->slot = SLOT_ACTOR;
    w->begun |= w->slot != SLOT_CLAUSE;
    w->named = true;
}

static void walk_rule(struct walk *w, const struct token *t)
{
    if (t->kind == TOKEN_COMMA)
        walk_comma(w);
    else if (t->kind == TOKEN_NAME && policy_word_reserved(t->word))
        walk_keyword(w, t->word);
    else if (t->kind == TOKEN_NAME || t->kind == TOKEN_STAR)
        walk_name(w);
}

/* ---- Declarations. */

static const struct {
    enum policy_word word;
    enum slot slot;
} declares[] = {
    {WORD_CATEGORY, SLOT_FIELD},      {WORD_DATA, SLOT_FIELD},
    {WORD_PURPOSE, SLOT_PURPOSE},     {WORD_PARTY, SLOT_PARTY},
    {WORD_ACTOR, SLOT_ACTOR},         {WORD_SUBJECT, SLOT_SUBJECT},
    {WORD_SERVICE, SLOT_SERVICE},     {WORD_JURISDICTION, SLOT_JURISDICTION},
    {WORD_OPERATION, SLOT_OPERATION}, {WORD_BASIS, SLOT_BASIS},
    {WORD_EVENT, SLOT_EVENT},         {WORD_NEED, SLOT_NEED},
    {WORD_FACT, SLOT_FACT},           {WORD_MASK, SLOT_MASK},
    {WORD_DEED, SLOT_DEED},           {WORD_AUDIENCE, SLOT_AUDIENCE},
    {WORD_CHANNEL, SLOT_CHANNEL},
};

static enum slot slot_declared(enum policy_word word)
{
    for (size_t i = 0; i < sizeof declares / sizeof declares[0]; i++)
        if (declares[i].word == word)
            return declares[i].slot;
    return SLOT_NONE;
}

static void walk_catalogue(struct walk *w, const struct token *t)
{
    if (w->slot == SLOT_DECLARATION)
        enter(w, slot_declared(t->word));
    else if (t->word == WORD_OTHERWISE)
        enter(w, SLOT_REASON);
    else if (t->word == WORD_FROM)
        enter(w, SLOT_NONE);
    else
        w->named = t->kind == TOKEN_NAME;
}

static void walk_document(struct walk *w, const struct token *t)
{
    if (t->word == WORD_TO)
        enter(w, SLOT_DIMENSION);
    else if (t->word == WORD_OVER)
        enter(w, SLOT_DOCUMENT);
    else if (w->slot == SLOT_DIMENSION)
        enter(w, slot_declared(t->word));
    else
        w->named = t->kind == TOKEN_NAME && t->word != WORD_OR;
}

void policy_walk(struct walk *w, const struct token *t)
{
    if (w->block == BLOCK_RULE)
        walk_rule(w, t);
    else if (w->block == BLOCK_CATALOGUE)
        walk_catalogue(w, t);
    else if (w->block == BLOCK_DOCUMENT)
        walk_document(w, t);
    else
        enter(w, SLOT_NONE);
}
