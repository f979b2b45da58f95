// SPDX-License-Identifier: Apache-2.0
/* gate_publish_impl.h: what the files of publishing share. */
#ifndef TROTH_GATE_PUBLISH_IMPL_H
#define TROTH_GATE_PUBLISH_IMPL_H

#include "gate_impl.h"

/* What the policy in force promises before rights shrink. */
struct notice {
    struct instant earliest;
    unsigned clause; /* POLICY_NONE: nothing is promised */
    uint32_t number;
    struct span unit;
};
/* The first day that begins at or after it. */
struct date notice_day(struct instant earliest, int offset_minutes);

/* A text of the set in force. */
struct text_row {
    struct span file, document, language;
    uint32_t revision;
    struct digest digest;
};

/* A publication on its way into the database. */
struct plan {
    struct gate_call *c;
    struct gate_publication *asked;
    const struct policy *old, *new;
    int offset_minutes;
    struct text_row *had; /* of the set in force */
    size_t n_had;
    struct kept *texts; /* of the new set */
    size_t n_texts;
    bool changed[POLICY_DOCUMENTS_MAX]; /* by document of `new`: its own text is another */
    bool news;                          /* anything is different */
    bool numbered;                      /* a document with a revision number is among what changed */
    bool has_day;                       /* the day that changed documents name */
    struct date day;
    struct span day_file;
    struct notice notice;
    struct instant since;
};

/* gate_plan.c: which texts are new, and whether their numbers may be. */
enum err plan_texts(struct plan *p, struct fail *f);
/* gate_notice.c: what the old policy promises. */
struct notice notice_promised(const struct plan *p);
/* The instant, from the texts and the caller; ERR_CONFLICT. */
enum err plan_instant(struct plan *p, struct fail *f);
/* ERR_NOTICE with the clause and the earliest day. */
enum err plan_notice(struct plan *p, struct fail *f);
/* gate_compare.c: effect and changes of a publication, from the compiled policies. */
enum err publication_compare(struct gate_publication *p, const struct policy *old, struct arena *a,
                             struct fail *f);
/* Texts of a set, without the text. */
enum err set_texts(struct gate_call *c, uint32_t number, struct text_row **out, size_t *n, struct fail *f);

#endif
