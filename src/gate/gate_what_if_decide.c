// SPDX-License-Identifier: Apache-2.0
/* One entry of the record, decided again under the draft. See gate_what_if.h. */
#include "gate_what_if_impl.h"

const char *what_if_change_name(enum what_if_change c)
{
    static const char *const names[] = {
        [WHAT_IF_SAME] = "same",       [WHAT_IF_REFUSED] = "refused", [WHAT_IF_NEEDS] = "needs",
        [WHAT_IF_ALLOWED] = "allowed", [WHAT_IF_MASK] = "mask",       [WHAT_IF_DEEDS] = "deeds",
        [WHAT_IF_CITED] = "cited",
    };
    return names[c];
}

/* ---- Rows */

static bool same_row(const struct what_if_row *x, const struct what_if_row *y)
{
    return x->change == y->change && x->before == y->before && x->after == y->after &&
           span_eq(x->clause, y->clause) && span_eq(x->purpose, y->purpose) &&
           span_eq(x->operation, y->operation) && span_eq(x->party, y->party) &&
           span_eq(x->field, y->field) && span_eq(x->was, y->was) && span_eq(x->is, y->is);
}

static uint32_t mix(uint32_t h, struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ s.p[i]) * 16777619u; /* FNV-1a */
    return (h ^ 0xff) * 16777619u;
}

static uint32_t hash_row(const struct what_if_row *r)
{
    uint32_t h = 2166136261u + (uint32_t)r->change;
    h = mix(mix(mix(h, r->clause), r->purpose), r->operation);
    return mix(mix(mix(mix(h, r->party), r->field), r->was), r->is);
}

static void place(struct what_if_run *run, const struct what_if_row *r, uint32_t index)
{
    size_t at = hash_row(r) & (run->n_slots - 1);
    while (run->slots[at])
        at = (at + 1) & (run->n_slots - 1);
    run->slots[at] = index + 1;
}

static void widen(struct what_if_run *run)
{
    struct what_if *w = run->out;
    struct what_if_row *rows = ARENA_ARRAY(run->arena, run->cap * 2, struct what_if_row);
    if (w->n_rows)
        memcpy(rows, w->rows, w->n_rows * sizeof *rows);
    w->rows = rows;
    run->cap *= 2;
    run->n_slots = run->cap * 2;
    run->slots = ARENA_ARRAY(run->arena, run->n_slots, uint32_t);
    for (size_t i = 0; i < w->n_rows; i++)
        place(run, &rows[i], (uint32_t)i);
}

/* What is kept outlives the entry: copied once for each row. */
static void add_row(struct what_if_run *run, const struct what_if_row *r)
{
    struct arena *a = run->arena;
    if (run->out->n_rows == run->cap)
        widen(run);
    struct what_if_row *kept = &run->out->rows[run->out->n_rows];
    *kept = *r;
    kept->clause = arena_copy(a, r->clause);
    kept->purpose = arena_copy(a, r->purpose);
    kept->operation = arena_copy(a, r->operation);
    kept->party = arena_copy(a, r->party);
    kept->field = arena_copy(a, r->field);
    kept->was = arena_copy(a, r->was);
    kept->is = arena_copy(a, r->is);
    kept->n = 1;
    place(run, kept, (uint32_t)run->out->n_rows++);
}

static void count_row(struct what_if_run *run, const struct what_if_row *r)
{
    size_t at = hash_row(r) & (run->n_slots - 1);
    for (; run->slots[at]; at = (at + 1) & (run->n_slots - 1)) {
        struct what_if_row *there = &run->out->rows[run->slots[at] - 1];
        if (same_row(there, r)) {
            there->n++;
            return;
        }
    }
    add_row(run, r);
}

void what_if_start(struct what_if_run *run)
{
    for (unsigned i = 0; i < policy_kind_count(run->draft, KIND_NEED); i++)
        run->evidence_needs |= run->sources.need[i]->evidence ? 1ull << i : 0;
    for (unsigned i = 0; i < policy_kind_count(run->draft, KIND_FACT); i++) {
        struct span from = policy_kind_source(run->draft, KIND_FACT, i);
        run->evidence_facts |= from.len == 0 || span_is(from, "evidence") ? 1ull << i : 0;
    }
    run->cap = 32;
    widen(run);
}

/* ---- The question, as it was recorded */

struct asked {
    const struct json *detail;
    struct span purpose, operation, basis;
    bool evidence; /* some was stated */
};

/* What was answered for one field. */
struct outcome {
    enum policy_answer answer;
    struct span clause, reason, mask, deeds;
};

static struct span member(const struct json *o, const char *name)
{
    return json_span(json_get(o, name));
}

static bool read_outcome(const struct json *o, struct outcome *out)
{
    struct span answer = member(o, "answer");
    *out = (struct outcome){.clause = member(o, "clause"),
                            .reason = member(o, "reason"),
                            .mask = member(o, "mask"),
                            .deeds = member(o, "deeds")};
    for (int i = ANSWER_ALLOW; i <= ANSWER_NOT_APPLICABLE; i++)
        if (span_is(answer, policy_answer_name((enum policy_answer)i))) {
            out->answer = (enum policy_answer)i;
            return true;
        }
    return false;
}

static bool holds_place(const struct json *group, size_t at)
{
    const struct json *places = json_get(group, "at");
    int64_t place;
    for (size_t i = 0; i < json_count(places); i++)
        if (json_whole(json_at(places, i), &place) && (size_t)place == at)
            return true;
    return false;
}

/* The group that names the place, else what holds for all. */
static bool outcome_at(const struct json *detail, size_t at, struct outcome *out)
{
    const struct json *groups = json_get(detail, "outcomes");
    for (size_t i = 0; i < json_count(groups); i++)
        if (holds_place(json_at(groups, i), at))
            return read_outcome(json_at(groups, i), out);
    return read_outcome(detail, out);
}

/* ---- Deciding again */

/* The answer under the draft. */
struct again {
    struct verdict v;
    struct span unknown; /* a name the draft does not know */
};

static bool find_value(const struct what_if_run *run, enum policy_dimension d, struct span name,
                       struct policy_request *r, struct again *out)
{
    unsigned i = policy_find(run->draft, d, name);
    r->value[d] = i == POLICY_NONE ? 0 : (uint16_t)i;
    if (i != POLICY_NONE || (name.len == 0 && policy_count(run->draft, d) == 0))
        return true;
    out->unknown = name;
    return false;
}

static bool make_request(const struct what_if_run *run, const struct asked *q, const struct standing_words *w,
                         struct span field, struct policy_request *r, struct again *out)
{
    const struct span values[DIM_COUNT] = {
        [DIM_OPERATION] = q->operation,
        [DIM_ACTOR] = w->actor,
        [DIM_SUBJECT] = w->subject,
        [DIM_SERVICE] = w->service,
        [DIM_JURISDICTION] = w->jurisdiction,
        [DIM_PARTY] = w->party,
        [DIM_PURPOSE] = q->purpose,
        [DIM_BASIS] = q->basis,
        [DIM_FIELD] = field,
    };
    *r = (struct policy_request){.facts = standing_set(run->draft, KIND_FACT, w->facts),
                                 .facts_known = ~standing_set(run->draft, KIND_FACT, w->unknown),
                                 .needs = standing_set(run->draft, KIND_NEED, w->needs)};
    for (int d = 0; d < DIM_COUNT; d++)
        if (!find_value(run, (enum policy_dimension)d, values[d], r, out))
            return false;
    return true;
}

/* As gate_decide.c: what rests on what was claimed needs no grant of the recipient. */
static bool rests_on_claim(const struct what_if_run *run, const struct asked *q, struct policy_request r)
{
    struct verdict v = {0};
    unsigned plain = policy_find(run->draft, DIM_BASIS, SPAN("none-claimed"));
    bool exception = !span_is(q->basis, "none-claimed") && !span_starts(q->basis, "consent-");
    if (!exception && !q->evidence)
        return false;
    r.needs &= ~run->evidence_needs;
    r.facts &= ~run->evidence_facts;
    if (exception && plain != POLICY_NONE)
        r.value[DIM_BASIS] = (uint16_t)plain;
    policy_decide(run->draft, &r, &v.d);
    return !verdict_allowed(&v);
}

/* What the register said then, it says again. */
static void apply_recipient(const struct what_if_run *run, const struct asked *q,
                            const struct standing_words *w, const struct policy_request *r, struct verdict *v)
{
    if (w->unregistered)
        verdict_refuse(v, SPAN("default-deny"));
    if (v->d.answer >= ANSWER_DENY)
        return;
    if (w->suspended)
        verdict_refuse(v, SPAN("default-deny"));
    else if (w->ungranted && verdict_allowed(v) && !span_is(q->operation, "collect") &&
             !rests_on_claim(run, q, *r))
        verdict_refuse(v, SPAN("scope"));
}

static struct again decide_field(const struct what_if_run *run, const struct asked *q,
                                 const struct standing_words *w, struct span field)
{
    struct again out = {0};
    struct policy_request r;
    if (!make_request(run, q, w, field, &r, &out)) {
        verdict_refuse(&out.v, SPAN("undeclared-field"));
        out.v.d.clause = POLICY_NONE;
        return out;
    }
    policy_decide(run->draft, &r, &out.v.d);
    verdict_ended(&out.v, run->draft, &run->sources, standing_set(run->draft, KIND_NEED, w->ended));
    verdict_outside(&out.v, standing_set(run->draft, KIND_NEED, w->outside));
    apply_recipient(run, q, w, &r, &out.v);
    return out;
}

/* "Is there anything at all?": the best answer over the draft's catalogue. */
static struct again decide_whole(const struct what_if_run *run, const struct asked *q)
{
    struct again best = {0};
    struct standing_words w;
    verdict_refuse(&best.v, SPAN("default-deny"));
    best.v.d.clause = POLICY_NONE;
    for (unsigned i = 0; i < policy_count(run->draft, DIM_FIELD); i++) {
        struct span field = policy_name(run->draft, DIM_FIELD, i);
        standing_get(q->detail, 0, field, &w);
        struct again one = decide_field(run, q, &w, field);
        if (i == 0 || verdict_better(&one.v, &best.v))
            best = one;
    }
    return best;
}

/* ---- Comparing */

static bool allows(enum policy_answer a)
{
    return a == ANSWER_ALLOW || a == ANSWER_ALLOW_MASKED;
}

static struct span code_reason(struct arena *a, struct span s)
{
    char *out = arena_str(a, s);
    for (size_t i = 0; i < s.len; i++)
        if (out[i] == '-')
            out[i] = '_';
    return span_of(out, s.len);
}

static struct span clause_name(const struct what_if_run *run, unsigned clause)
{
    return clause == POLICY_NONE ? SPAN_EMPTY : policy_clause_ref(run->draft, clause, run->scratch);
}

/* The reason of a message's channel or class is the gate's own, on top of what the policy said. */
static bool same_reason(const struct what_if_run *run, const struct outcome *was, const struct verdict *v)
{
    struct span reason = code_reason(run->scratch, v->overruled ? v->reason : v->d.reason);
    return allows(v->d.answer) || span_eq(was->reason, reason) || span_is(was->reason, "channel_off") ||
           span_is(was->reason, "class_off");
}

static enum what_if_change changed_answer(enum policy_answer before, enum policy_answer after)
{
    if (allows(after))
        return WHAT_IF_ALLOWED;
    if (after == ANSWER_NEEDS)
        return WHAT_IF_NEEDS;
    return before >= ANSWER_DENY ? WHAT_IF_CITED : WHAT_IF_REFUSED;
}

/* Both allow: what is shown, and what must be done. */
static enum what_if_change changed_way(const struct what_if_run *run, const struct outcome *was,
                                       const struct verdict *v, struct what_if_row *row)
{
    struct span mask =
        v->d.answer == ANSWER_ALLOW_MASKED ? policy_kind_name(run->draft, KIND_MASK, v->d.mask) : SPAN_EMPTY;
    struct span deeds = standing_names(run->scratch, run->draft, KIND_DEED, v->d.deeds);
    bool same_mask = span_eq(was->mask, mask);
    row->was = same_mask ? was->deeds : was->mask;
    row->is = same_mask ? deeds : mask;
    if (!same_mask)
        return WHAT_IF_MASK;
    return span_eq(was->deeds, deeds) ? WHAT_IF_SAME : WHAT_IF_DEEDS;
}

static enum what_if_change compare(const struct what_if_run *run, const struct outcome *was,
                                   const struct again *is, struct what_if_row *row)
{
    const struct verdict *v = &is->v;
    enum what_if_change c = WHAT_IF_SAME;
    row->before = was->answer;
    row->after = v->d.answer;
    row->clause = clause_name(run, v->d.clause);
    if (allows(was->answer) && allows(v->d.answer))
        c = changed_way(run, was, v, row);
    else if (was->answer != v->d.answer)
        c = changed_answer(was->answer, v->d.answer);
    if (c == WHAT_IF_NEEDS)
        row->is = standing_names(run->scratch, run->draft, KIND_NEED, v->d.missing);
    if (c == WHAT_IF_REFUSED)
        row->is = is->unknown;
    if (c != WHAT_IF_SAME)
        return c;
    row->was = row->is = SPAN_EMPTY;
    return span_eq(was->clause, row->clause) && same_reason(run, was, v) ? WHAT_IF_SAME : WHAT_IF_CITED;
}

static void compare_field(struct what_if_run *run, const struct asked *q, const struct standing_words *w,
                          struct span field, const struct outcome *was, const struct again *is)
{
    struct what_if_row row = {
        .purpose = q->purpose, .operation = q->operation, .party = w->party, .field = field};
    row.change = compare(run, was, is, &row);
    run->out->answers++;
    run->out->changed[row.change]++;
    if (row.change != WHAT_IF_SAME)
        count_row(run, &row);
}

/* ---- One entry */

static bool again_listed(struct what_if_run *run, const struct asked *q, const struct json *fields)
{
    struct standing_words w;
    struct outcome was;
    for (size_t i = 0; i < json_count(fields); i++) {
        struct span field = json_span(json_at(fields, i));
        if (!standing_get(q->detail, i, field, &w) || !outcome_at(q->detail, i, &was))
            return false;
        struct again is = decide_field(run, q, &w, field);
        compare_field(run, q, &w, field, &was, &is);
    }
    return true;
}

static bool again_whole(struct what_if_run *run, const struct asked *q)
{
    struct standing_words w;
    struct outcome was;
    if (!standing_get(q->detail, 0, SPAN_EMPTY, &w) || !read_outcome(q->detail, &was))
        return false;
    struct again is = decide_whole(run, q);
    compare_field(run, q, &w, SPAN_EMPTY, &was, &is);
    return true;
}

bool what_if_detail(struct what_if_run *run, const struct json *detail)
{
    const struct json *fields = json_get(detail, "fields");
    struct asked q = {.detail = detail,
                      .purpose = member(detail, "purpose"),
                      .operation = member(detail, "operation"),
                      .basis = member(detail, "basis"),
                      .evidence = json_count(json_get(detail, "evidence")) > 0};
    if (q.basis.len == 0 ||
        span_is(member(detail, "event"), "send")) /* there it is what a message rests on */
        q.basis = SPAN("none-claimed");
    if (!fields || q.purpose.len == 0 || !json_get(detail, "standing"))
        return false;
    return json_count(fields) ? again_listed(run, &q, fields) : again_whole(run, &q);
}
