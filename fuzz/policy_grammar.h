// SPDX-License-Identifier: Apache-2.0
/*
 * policy_grammar.h: documents made by the grammar of the policy language: each byte of the input chooses the
 * way at one fork. So nearly every input reaches the compiler, where bytes by themselves rarely come.
 */
#ifndef TROTH_POLICY_GRAMMAR_H
#define TROTH_POLICY_GRAMMAR_H

#include "policy_fuzz.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX  12000 /* bytes of one document: forty sentences */
#define DEPTH_MAX 24    /* from here on the first way is taken: it ends */
#define WAYS_MAX  16

/* A way is text; `<word>` in it is a row of the table. The first way of each row must end without choices. */
static const struct {
    const char *name;
    const char *ways[WAYS_MAX];
} grammar[] = {
    {"catalogue",
     {"# Words\n\n```catalogue\n<names>```\n", "# Words\n\n```catalogue\n<names><declarations>```\n"}},
    {"names",
     {"category contact grade 2: phone, email.\ncategory identity grade 4: id-card, real-name.\n"
      "data reach: email and identity.\noperation collect, use, display, keep, share.\n"
      "actor us: service, staff.\nactor guardian.\nsubject person: adult, child.\n"
      "service all-services: shop, forum.\npurpose delivery.\npurpose promotion: marketing, survey.\n"
      "jurisdiction cn.\njurisdiction overseas.\nparty own.\nparty carrier.\nbasis none-claimed, research.\n"
      "need consent \"agreed\" from consent otherwise consent-required.\n"
      "need guardian-consent \"a guardian agreed\" otherwise guardian-required.\nneed paper \"a paper\".\n"
      "fact opted-out \"said no\" from preference.\nfact for-profit \"sold\".\nfact asked \"asked\".\n"
      "event purpose-ended, request-received, collected.\nmask initial \"first\".\nmask blank \"none\".\n"
      "deed log \"log it\".\ndeed answer \"answer\".\n"
      "audience regulator \"the regulator\".\nchannel letter \"a letter\".\nchannel site \"a notice\".\n"}},
    {"declarations", {"", "<declaration><declarations>", "<declaration><declarations>"}},
    {"declaration",
     {"-- none\n", "<wild>category more grade 3: nickname.\n",
      "category <any-name> grade <digit>: <any-name>.\n", "data <any-name>: <data>.\n",
      "purpose <any-name>: <purposes>.\n", "party <any-name>.\n",
      "actor <any-name>: <any-name>, <any-name>.\n", "need <any-name> \"words\" from <any-name>.\n",
      "fact <any-name> \"words\".\n", "mask <any-name> \"words\".\n", "deed <any-name> \"words\".\n",
      "event <any-name>.\n", "basis <any-name>.\n"}},
    {"group",
     {"# Group\n\n```document\ndocument group \"Group\".\nrevision 1 in force from "
      "2026-01-01.\n```\n<clauses>",
      "# Group\n\n```document\ndocument group \"Group\".\n<scope>revision <digit> in force from 2026-01-01.\n"
      "<meaning>```\n<clauses>"}},
    {"annex",
     {"", "# Annex\n\n```document\ndocument annex \"Annex\".\n<scope>prevails over group.\n"
          "revision 1 in force from 2026-01-01.\n```\n"
          "\n```rule x\n<sentences>```\n\n```rule y\n<sentences>```\n<more>"}},
    {"scope",
     {"", "applies to subject child.\n", "applies to service shop.\n", "applies to purpose <purposes>.\n",
      "applies to operation <operations>.\napplies to subject <subjects>.\n"}},
    {"meaning", {"", "promptly means <duration>.\n"}},
    {"clauses",
     {"\n```rule keep.all\nwe may keep any until purpose-ended.\n```\n"
      "\n```rule base\nto share any, we must log.\nto use any, we must have paper.\nto display any, we must "
      "mask as "
      "initial.\n```\n"
      "\n```rule a\n<sentences>```\n\n```rule b\n<sentences>```\n\n## More\n\n```rule c.one\n<sentences>```\n"
      "\n```rule c.two\n<sentences>```\n\n```rule d\n<sentences>```\n<more>"}},
    {"more",
     {"", "<wild>\n```rule <any-name>\n<sentences>```\n", "\nProse.\n", "\n```plain f\nNone.\n```\n",
      "<wild>\n```rule a\n<sentences>```\n"}},
    {"sentences", {"<sentence>.\n", "<sentence>.\n<sentences>", "<sentence>.\n-- a comment\n<sentences>"}},
    {"sentence",
     {"we may use phone for delivery", "<despite><actors> may <act>",
      "<despite><actors> must not <act><reason>", "<despite><actors> may <act> only with <formula>",
      "<despite><actors> must not <act>", "to <act>, <actor> must <musts>",
      "despite base, to <act>, <actor> need not <waived>", "<actors> must never <act>",
      "<actors> may always <act> only with <formula>", "every allowed <act> must <musts>",
      "<actors> may keep <data> until <until>", "<duty>", "<actors> may <act> only with <formula>",
      "<actors> may <act>", "<noise>", "<wild>despite <any-ref>, <actors> may <act><as-far>"}},
    {"noise",
     {"we", "<any-name> <any-name>", "we may use phone,", "despite, we may", "to use, we must", "("}},
    {"waived", {"log", "have paper", "mask as initial", "<wild><musts>"}},
    {"any-ref", {"a", "b", "c.*", "*", "group/a", "group/c.*", "group/*", "x", "y", "<any-name>"}},
    {"actors", {"we", "service", "staff, guardian", "we or guardian", "guardian", "us"}},
    {"actor", {"we", "service", "staff", "guardian"}},
    {"act", {"<operations> <data>", "<operations> <data><whose><parts>", "<operations> <data><parts>"}},
    {"operations", {"use", "share", "collect, use", "keep", "display", "use, share and keep"}},
    {"data",
     {"any", "phone", "contact", "identity", "grade 3 or above", "any except phone", "email and id-card",
      "reach", "grade 2", "any except identity, email", "grade 2 or below", "<any-name>"}},
    {"whose", {"", " of child", " of adult", " of person", " of <subjects>"}},
    {"subjects", {"child", "adult", "adult or child", "<any-name>"}},
    {"parts",
     {"", "<purpose-part>", "<fact-part>", "<place-part>", "<purpose-part><fact-part>",
      "<place-part><fact-part>", "<purpose-part><place-part><fact-part>"}},
    {"purpose-part", {" for delivery", " for <purposes>", " on basis of research"}},
    {"place-part",
     {" with carrier", " to carrier or own", " from own", " in shop", " in forum or shop", " in overseas"}},
    {"fact-part", {" when <facts>", " unless <facts>", "<wild> when <formula>", "<wild> unless <any-name>"}},
    {"purposes", {"delivery", "marketing", "promotion", "delivery or survey", "<any-name>"}},
    {"as-far", {"", " only with <formula>", " until <until>"}},
    {"reason", {"", " as unsubscribed", " as <any-name>"}},
    {"until", {"purpose-ended", "<duration> after collected", "<duration> after purpose-ended", "collected"}},
    {"duration", {"1 days", "<digit> months", "<digit> working-days", "<digit><digit> hours", "2 years"}},
    {"digit", {"1", "2", "3", "4", "5", "9", "<wild>0"}},
    {"musts", {"log", "<must>", "<must> and <must>"}},
    {"must",
     {"log", "have consent", "have (<formula>)", "mask as initial", "mask as blank", "answer",
      "mask as <any-name>", "<any-name>"}},
    {"facts",
     {"asked", "opted-out", "for-profit", "not asked", "asked or for-profit", "asked and not opted-out",
      "(asked or opted-out) and for-profit"}},
    {"formula",
     {"consent", "paper", "guardian-consent", "consent or paper", "consent and paper",
      "(<formula>) and (<formula>)", "(<formula>) or (<formula>)", "<wild>not (<formula>)", "<wild>asked",
      "<any-name>", "<wild>asked and <formula>"}},
    {"duty",
     {"when request-received, staff must answer to regulator by letter, site within 15 days",
      "<wild>when <any-name> and <facts>, <actor> must <any-name> to guardian by <any-name> within "
      "<duration>",
      "<wild>when purpose-ended, we must log promptly, otherwise answer",
      "when request-received and <duty-if>, service must answer by site 15 days before purpose-ended"}},
    {"duty-if",
     {"consent", "(consent or not asked)", "asked and opted-out and paper", "(not asked or for-profit)",
      "<facts>"}},
    {"wild", {""}},
    {"any-name",
     {"phone", "child", "marketing", "carrier", "shop", "consent", "asked", "log", "blank", "purpose-ended",
      "fhone", "grade", "n1", "n2", "used-nowhere", "research"}},
};
enum { ROWS = sizeof grammar / sizeof grammar[0] };

static const char *const clauses[] = {"a", "b", "c.one", "c.two", "d", "x", "y"};
enum { CLAUSES = sizeof clauses / sizeof clauses[0] };

struct choices {
    struct span in;
    size_t at;
    bool tidy;     /* nothing is misspelt, nothing lifts in circles: it compiles */
    size_t behind; /* clauses that stand before this place: those a despite may name */
};

static inline uint8_t next(struct choices *c)
{
    return c->at < c->in.len ? c->in.p[c->at++] : 0;
}

static inline size_t row_find(struct span name)
{
    size_t i = 0;
    while (i < ROWS && !span_is(name, grammar[i].name))
        i++;
    must(i < ROWS);
    return i;
}

static inline size_t ways(size_t row)
{
    size_t n = 0;
    while (n < WAYS_MAX && grammar[row].ways[n])
        n++;
    return n;
}

static inline bool wild(const char *way)
{
    return strstr(way, "<any-") || strstr(way, "<wild>") || strstr(way, "<noise>");
}

static inline const char *way_of(struct choices *c, size_t row, bool end)
{
    size_t n = ways(row), i = n > 1 && !end ? next(c) % n : 0;
    return grammar[row].ways[c->tidy && wild(grammar[row].ways[i]) ? 0 : i];
}

/* Names a clause before this one, or nothing. */
static inline void put_despite(struct choices *c, struct text *t)
{
    uint8_t choice = next(c);
    if (c->behind > 0 && choice % 2)
        text_fmt(t, "despite %s%s, ", c->behind > 5 && choice / 2 % c->behind < 5 ? "group/" : "",
                 clauses[choice / 2 % c->behind]);
}

static inline void expand(struct choices *c, struct span name, unsigned depth, struct text *t)
{
    if (span_is(name, "despite")) {
        put_despite(c, t);
        return;
    }
    bool end = depth > DEPTH_MAX || t->len > TEXT_MAX;
    struct span way = span_str(way_of(c, row_find(name), end));
    while (way.len) {
        size_t open = span_find(way, '<', 0), close = span_find(way, '>', open);
        text_put(t, span_sub(way, 0, open));
        if (open < way.len)
            expand(c, span_sub(way, open + 1, close - open - 1), depth + 1, t);
        if (open < way.len && depth < 2 && c->behind < CLAUSES &&
            span_is(span_sub(way, open + 1, close - open - 1), "sentences"))
            c->behind++;
        way = span_sub(way, open < way.len ? close + 1 : way.len, way.len);
    }
}

static inline struct span made(struct arena *a, struct choices *c, const char *what)
{
    struct text t = text_new(a, 1024);
    expand(c, span_str(what), 0, &t);
    return text_span(&t);
}

/* The first byte says whether all is well-formed. */
static inline struct choices choices_of(struct span in)
{
    struct choices c = {.in = in};
    c.tidy = next(&c) % 4 > 0;
    return c;
}

/* The group's text and, maybe, an annex behind `s`; returns how many. */
static inline size_t made_documents(struct arena *a, struct choices *c, struct policy_source *s)
{
    c->behind = 0;
    s[0] = (struct policy_source){SPAN("group.md"), made(a, c, "group")};
    s[1] = (struct policy_source){SPAN("annex.md"), made(a, c, "annex")};
    return s[1].text.len ? 2 : 1;
}

/* What an input means, for people. */
static inline void show_documents(const struct policy_source *s, size_t n)
{
    for (size_t i = 0; i < n && getenv("FUZZ_SHOW"); i++)
        printf("%.*s\n", SPAN_F(s[i].text));
}

#endif
