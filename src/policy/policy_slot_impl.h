// SPDX-License-Identifier: Apache-2.0
/* policy_slot_impl.h: what kind of word may stand at a place of a sentence, right or not yet finished. */
#ifndef TROTH_POLICY_SLOT_IMPL_H
#define TROTH_POLICY_SLOT_IMPL_H

#include "policy_parse_impl.h"

enum slot {
    SLOT_NONE,
    SLOT_START, /* of a sentence, or of the norm behind `despite ...,` */
    SLOT_ACTOR,
    SLOT_OPERATION,
    SLOT_FIELD,
    SLOT_SUBJECT,
    SLOT_PARTY,
    SLOT_PURPOSE,
    SLOT_PLACE, /* a service or jurisdiction */
    SLOT_SERVICE,
    SLOT_JURISDICTION,
    SLOT_BASIS,
    SLOT_FACT,
    SLOT_NEED,
    SLOT_FACT_OR_NEED,
    SLOT_EVENT,
    SLOT_MASK,
    SLOT_DEED,
    SLOT_AUDIENCE,
    SLOT_CHANNEL,
    SLOT_REASON,
    SLOT_CLAUSE,
    SLOT_DOCUMENT,
    SLOT_DIMENSION,   /* the word for one: `applies to service` */
    SLOT_DECLARATION, /* the first word in a catalogue */
    SLOT_ANY_NAME,
    SLOT_COUNT
};

/* Where the reader is in a sentence. */
struct walk {
    enum block_kind block;
    enum slot slot;
    bool named; /* a name stands in the slot already: a list may go on, or a keyword follows */
    bool begun; /* the sentence proper, behind `despite` */
    bool duty, musts;
    enum policy_word before; /* the keyword before, through `not` and the like */
};

/* What each slot takes. */
struct slot_row {
    uint32_t dimensions, kinds; /* bit per enum */
    const char *keywords;       /* that may stand here instead of a name, blank separated */
    const char *after;          /* that may follow a name here */
};
extern const struct slot_row policy_slots[SLOT_COUNT];

struct walk policy_walk_start(enum block_kind block);
/* Past one token. A full stop that ends the sentence starts afresh. */
void policy_walk(struct walk *w, const struct token *t);

#endif
