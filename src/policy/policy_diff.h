// SPDX-License-Identifier: Apache-2.0
/*
 * policy_diff.h: what changes for people between two policies (section 5). Pure, like the rest of the part.
 *
 * Compared is what decides, not how it is written: prose, comments, clause ids, the order of sentences and of
 * files make no change. Names are matched by name. What only one side knows, the other denies by silence.
 *
 * An answer is: for each set of needs held allow, needs or deny; and when it allows the deeds, the mask and
 * the time limit. Where the answers differ is told as regions, one for each changed sentence and effect. A
 * region is a box around those requests: every difference lies in some region, not every request of a region
 * is a difference.
 *
 * Reduces rights: more is allowed to us or to outside actors; less is allowed to the person or the guardian
 * (actors called `subject` and `guardian`); a deed lost; a mask lost or weaker; a time limit later or gone;
 * a duty gone, or with a later deadline, fewer channels or fewer people told; a promise gone or narrower; a
 * word of time that means longer; a field of lower grade; a document that no longer applies. The reverse
 * protects. For the person's or the guardian's own acts a mask counts the other way round: it shows them
 * less. What cannot be compared (another event, another source of a need) counts as reducing, both ways.
 */
#ifndef TROTH_POLICY_DIFF_H
#define TROTH_POLICY_DIFF_H

#include "policy.h"

enum policy_effect { EFFECT_NEUTRAL, EFFECT_PROTECTS, EFFECT_REDUCES };

enum policy_change_kind {
    CHANGE_ANSWERS, /* requests are answered otherwise, because of a sentence */
    CHANGE_SCOPE,   /* a document applies to more or less, or ranks otherwise */
    CHANGE_DUTY,
    CHANGE_PROMISE,
    CHANGE_MEANING, /* a word of time: `promptly means 3 days` */
    CHANGE_GRADE,   /* of a field */
    CHANGE_SOURCE,  /* where a need is obtained or a fact is known */
    CHANGE_KIND_COUNT
};

/* What differs: a set of these. */
enum policy_difference {
    DIFFERS_MORE = 1 << 0, /* more is allowed */
    DIFFERS_LESS = 1 << 1,
    DIFFERS_DEED_GONE = 1 << 2,
    DIFFERS_DEED_NEW = 1 << 3,
    DIFFERS_MASK_WEAKER = 1 << 4,
    DIFFERS_MASK_STRONGER = 1 << 5,
    DIFFERS_LATER = 1 << 6, /* a time limit or deadline */
    DIFFERS_EARLIER = 1 << 7,
    DIFFERS_GONE = 1 << 8, /* a duty, a promise; a document no longer applies */
    DIFFERS_NEW = 1 << 9,
    DIFFERS_FEWER = 1 << 10, /* channels, people told, cases that a promise covers */
    DIFFERS_WIDER = 1 << 11,
    DIFFERS_OTHER = 1 << 12, /* changed, and cannot be compared */
    DIFFERS_WHO = 1 << 13    /* a duty: somebody else's now */
};

enum policy_side { DIFF_OLD, DIFF_NEW, DIFF_SIDES };

struct policy_change {
    enum policy_change_kind kind;
    enum policy_effect effect;
    unsigned differs;                 /* set of enum policy_difference */
    unsigned clause[DIFF_SIDES];      /* of the sentence on each side; POLICY_NONE: there is none */
    struct span sentence[DIFF_SIDES]; /* as written; empty: there is none */
    struct span name;  /* MEANING: the word; GRADE: the field; SOURCE: the need or fact; else empty */
    struct span where; /* ANSWERS and SCOPE: the region in words; "everywhere" */
    /* ANSWERS and SCOPE: a request that is answered otherwise, as policy_request_read reads it with the
     * policy of that side, and its answer there. Empty: that side does not know one of the values, and denies
     * it. What that side does not know of facts and needs is left out. */
    struct span witness[DIFF_SIDES];
    struct span example[DIFF_SIDES]; /* the same as a sentence */
    struct policy_decision decision[DIFF_SIDES];
    uint64_t size; /* ANSWERS and SCOPE: how many combinations of values are answered otherwise */
    const struct change_rest *rest; /* private: what policy_change_say tells */
};

struct policy_diff {
    const struct policy *old, *new;
    struct policy_change *list; /* reduced rights first, then what protects, then the rest; each by size */
    size_t n;
    size_t reduces, protects, neutral; /* how many of each effect; n is their sum */
    const struct diff_names *names;    /* private */
};

/* The names of both together may be as many as those of one policy; the work is at most a few seconds. */
#define POLICY_DIFF_STEPS_MAX 4000000 /* combinations of answers gone into */

/* All changes from old to new. Both policies must live as long as *out, which lives in the arena. Drafts with
 * contradictions can be compared, too. ERR_TOO_LARGE: the two together pass a limit; the detail says which.
 */
enum err policy_diff(const struct policy *old, const struct policy *new, struct arena *a,
                     struct policy_diff *out, struct fail *f);
/* What one document does: the diff from the policy without its rules to the whole. out->old is good for
 * policy_decide_plain and for this header only. */
enum err policy_effect(const struct policy *p, unsigned document, struct arena *a, struct policy_diff *out,
                       struct fail *f);

/* True if the request (of that side's policy) lies in the region of the change. */
bool policy_change_holds(const struct policy_diff *d, const struct policy_change *c, enum policy_side side,
                         const struct policy_request *q);

/* For people: one paragraph for each change, then a line that counts. */
void policy_diff_put(const struct policy_diff *d, struct text *t);
/* {"effect": "none"|"neutral"|"protects"|"reduces", "reduces": N, "protects": N, "neutral": N,
 *  "changes": [{"kind", "effect", "differs": [WORD], "name"?, "where"?, "size"?, "old": SIDE, "new": SIDE}]}
 * kind: answers, scope, duty, promise, meaning, grade, source. differs: more-allowed, less-allowed,
 * deed-gone, deed-new, mask-weaker, mask-stronger, later, earlier, gone, new, fewer, wider, other, who.
 * A SIDE has what there is of: clause, sentence; witness, answer, missing, mask, deeds, until (answers,
 * scope); deadline (duty); value (meaning, grade, source). */
void policy_diff_json(const struct policy_diff *d, struct text *t);
/* One change in plain sentences of the language ("en", "zh-CN"), as HTML that is safe to put into a page:
 * text with the kind of change in <strong>, and <code> around clause ids; no other elements. */
void policy_change_say(const struct policy_diff *d, const struct policy_change *c, struct span language,
                       struct text *t);

const char *policy_effect_name(enum policy_effect e);
const char *policy_change_kind_name(enum policy_change_kind k);

#endif
