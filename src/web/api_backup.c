// SPDX-License-Identifier: Apache-2.0
/*
 * What a backup needs of a daemon that goes on serving: copies of its databases as they are at one instant,
 * and where the record ends at it. The rest is files that whoever backs up reads for himself (src/backup).
 *
 * Each step is a call of its own, done on the committer between two groups.
 */
#include "web_impl.h"

#include "store.h"

#define STEP_PAGES 512 /* 2 MiB: some milliseconds in which nobody is answered */

/* ---- Where it goes (B4.0.c: what is gathered at home stays there, its backups too) */

/* The jurisdiction called as the country is; else the word for all others; POLICY_NONE: the policy has none.
 */
static unsigned jurisdiction(const struct call *c, struct span region)
{
    const struct policy *p = c->gate.view->policy;
    const char small[3] = {(char)(region.p[0] | 0x20), (char)(region.p[1] | 0x20), 0};
    unsigned there = policy_find(p, DIM_JURISDICTION, span_str(small));
    return there != POLICY_NONE ? there : policy_find(p, DIM_JURISDICTION, SPAN("overseas"));
}

static bool allowed(const struct policy_decision *d)
{
    return d->answer == ANSWER_ALLOW || d->answer == ANSWER_ALLOW_MASKED;
}

/* The clause that keeps a field from being exported there, though not from being exported at home: the first
 * field's that has one. A backup holds every field, on no claimed basis, for nobody else. */
static bool kept_at_home(struct call *c, unsigned there, struct span *clause)
{
    const struct policy *p = c->gate.view->policy;
    struct policy_request abroad = {.facts_known = UINT64_MAX}, home;
    abroad.value[DIM_OPERATION] = (uint16_t)policy_find(p, DIM_OPERATION, SPAN("export"));
    bool refused = abroad.value[DIM_OPERATION] == (uint16_t)POLICY_NONE || there == POLICY_NONE;
    for (unsigned i = 0; i < policy_count(p, DIM_FIELD) && !refused; i++) {
        struct policy_decision at, d;
        abroad.value[DIM_FIELD] = (uint16_t)i;
        home = abroad;
        abroad.value[DIM_JURISDICTION] = (uint16_t)there;
        policy_decide(p, &abroad, &d);
        policy_decide(p, &home, &at);
        abroad.value[DIM_JURISDICTION] = 0;
        refused = !allowed(&d) && (allowed(&at) || at.clause != d.clause);
        if (refused && d.clause != POLICY_NONE)
            *clause = policy_clause_ref(p, d.clause, c->arena);
    }
    return refused;
}

static bool region_allowed(struct call *c, struct span region)
{
    struct span clause = SPAN_EMPTY;
    if (span_is(region, WEB_HOME_REGION))
        return true;
    if (region.len != 2 || region.p[0] < 'A' || region.p[0] > 'Z' || region.p[1] < 'A' || region.p[1] > 'Z') {
        fail_where(&c->fail, "/region");
        fail_set(&c->fail, ERR_BAD_VALUE, "a region is a country, in two capital letters (ISO 3166-1)");
        return false;
    }
    if (!kept_at_home(c, jurisdiction(c, region), &clause))
        return true;
    struct span detail =
        arena_fmt(c->arena, "\"a backup was refused\",\"region\":\"%.*s\",\"clause\":\"%.*s\"",
                  SPAN_F(region), SPAN_F(clause));
    c->gate.undo = true; /* the entry stays */
    fail_clause(&c->fail, clause);
    if (gate_note(&c->gate, AUDIT_REFUSED, detail, &c->fail) == OK)
        fail_set(&c->fail, ERR_REFUSED, "what is gathered in %s stays there: its backup may not lie in %.*s",
                 WEB_HOME_REGION, SPAN_F(region));
    return false;
}

/* ---- The steps: the handler asks, the committer does it when the group is durable */

static void put_copied(struct call *c, uint64_t number, const struct store_copied *at)
{
    struct text t = text_new(c->arena, 128);
    json_open(&t, NULL, '{');
    json_i64(&t, "number", (int64_t)number);
    json_i64(&t, "pages", (int64_t)at->pages);
    json_i64(&t, "left", (int64_t)at->left);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

static const char *path_of(struct call *c, const char *member)
{
    struct span path = call_member(c, member);
    return path.len ? arena_str(c->arena, path) : NULL;
}

static uint64_t number_of(const struct call *c)
{
    int64_t n = 0;
    return json_read_i64(c->body, "number", false, &n, NULL) == OK && n > 0 ? (uint64_t)n : 0;
}

static void step_begin(struct call *c, struct store *st)
{
    struct store_copied at;
    uint64_t number = 0;
    if (store_copy_begin(st, path_of(c, "main"), path_of(c, "keys"), &number, &c->fail) == OK &&
        store_copy_step(st, number, 0, &at, &c->fail) == OK)
        put_copied(c, number, &at);
}

static void step_copy(struct call *c, struct store *st)
{
    struct store_copied at;
    if (store_copy_step(st, number_of(c), STEP_PAGES, &at, &c->fail) == OK)
        put_copied(c, number_of(c), &at);
}

/* Nothing happens between the two: this is the instant of the backup. */
static void step_finish(struct call *c, struct store *st)
{
    struct text t = text_new(c->arena, 512);
    struct audit_end end = audit_end(c->web->audit);
    if (store_copy_finish(st, number_of(c), &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_instant(&t, "made", c->gate.now);
    json_i64(&t, "entries", (int64_t)end.size);
    json_i64(&t, "segment", (int64_t)end.segment);
    json_i64(&t, "offset", (int64_t)end.offset);
    json_i64(&t, "schema", store_newest(STORE_MAIN));
    json_i64(&t, "schema_keys", store_newest(STORE_KEYS));
    json_str(&t, "version", c->web->config.version);
    json_str(&t, "revision", c->gate.view->revision);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

static void step_end(struct call *c, struct store *st)
{
    if (number_of(c))
        store_copy_end(st, number_of(c));
    put_copied(c, number_of(c), &(struct store_copied){0});
}

static const struct {
    const char *name;
    void (*does)(struct call *c, struct store *st);
} steps[] = {{"begin", step_begin}, {"copy", step_copy}, {"finish", step_finish}, {"end", step_end}};

void api_backup(struct call *c)
{
    struct span step = call_member(c, "step"), region = call_member(c, "region");
    if (span_is(step, "begin")) {
        if (!region_allowed(c, region))
            return;
        struct span detail = arena_fmt(c->arena, "\"a backup began\",\"region\":\"%.*s\",\"of\":\"%s\"",
                                       SPAN_F(region), call_member(c, "main").len ? "data" : "keys");
        if (gate_note(&c->gate, AUDIT_EXPORT, detail, &c->fail) != OK)
            return;
    }
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (span_is(step, steps[i].name))
            c->after = steps[i].does;
    http_json(c->res, 200, &(struct text){0});
}
