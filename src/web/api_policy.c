// SPDX-License-Identifier: Apache-2.0
/* The documents, for anyone (B0.1: which text was in force when); and the check of a new field (B4.2). */
#include "policy_render.h"
#include "web_impl.h"

#include <stdio.h>

/* ---- Revisions */

static void render_revision(struct text *t, const struct revision_row *r)
{
    json_string(t, "document", r->document);
    json_string(t, "title", r->title);
    json_string(t, "language", r->language);
    json_i64(t, "revision", r->revision);
    json_instant(t, "in_force", r->in_force);
    json_hex(t, "sha256", r->digest.b, sizeof r->digest.b);
}

/* The values of a dimension a document's scope reaches, each with every value of the other. */
static bool reaches(const struct policy *p, unsigned doc, enum policy_dimension d, unsigned value)
{
    enum policy_dimension other = d == DIM_SUBJECT ? DIM_SERVICE : DIM_SUBJECT;
    for (unsigned i = 0; i < policy_count(p, other); i++)
        if (policy_document_applies(p, doc, d == DIM_SUBJECT ? value : i, d == DIM_SUBJECT ? i : value))
            return true;
    return false;
}

static void render_reach(struct text *t, const char *name, const struct policy *p, unsigned doc,
                         enum policy_dimension d)
{
    json_open(t, name, '[');
    for (unsigned i = 0; i < policy_count(p, d); i++)
        if (reaches(p, doc, d, i))
            json_string(t, NULL, policy_name(p, d, i));
    json_close(t, ']');
}

/* Only of the revision that runs: older texts are kept, not compiled. */
static void render_scope(struct text *t, const struct policy *p, const struct revision_row *r)
{
    unsigned doc = policy_document_find(p, r->document);
    if (doc == POLICY_NONE || policy_document(p, doc)->revision != r->revision)
        return;
    json_open(t, "scope", '{');
    render_reach(t, "subjects", p, doc, DIM_SUBJECT);
    render_reach(t, "services", p, doc, DIM_SERVICE);
    json_close(t, '}');
}

void api_policies(struct call *c)
{
    struct revision_row *rows;
    size_t n = 0;
    struct text t = text_new(c->arena, 4096);
    if (gate_revisions(&c->gate, &rows, &n, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_str(&t, "revision", c->gate.view->revision);
    json_hex(&t, "compiled", c->gate.view->compiled.b, sizeof c->gate.view->compiled.b);
    json_open(&t, "policies", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(&t, NULL, '{');
        render_revision(&t, &rows[i]);
        render_scope(&t, c->gate.view->policy, &rows[i]);
        json_close(&t, '}');
    }
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

void api_policy(struct call *c)
{
    struct revision_row row;
    struct instant at = c->gate.now;
    struct span asked, language;
    struct text t = text_new(c->arena, 4096);
    if (call_query(c, "at", &asked))
        instant_get(asked, &at);
    if (!call_query(c, "lang", &language))
        language = SPAN(POLICY_LANGUAGE);
    if (gate_text_at(&c->gate, c->params.value[0], language, at, &row, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    render_revision(&t, &row);
    json_string(&t, "text", row.text);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- One revision, by its number */

static const char *state_of(const struct call *c, const struct revision_row *r)
{
    return r->in_force.ms >= r->ends.ms      ? "withdrawn"
           : r->in_force.ms > c->gate.now.ms ? "waiting"
           : r->ends.ms <= c->gate.now.ms    ? "over"
                                             : "in-force";
}

static enum err render_languages(struct call *c, struct text *t, const struct revision_row *r)
{
    struct revision_row *rows;
    size_t n = 0;
    if (gate_line(&c->gate, r->document, &rows, &n, &c->fail) != OK)
        return c->fail.code;
    json_open(t, "languages", '[');
    for (size_t i = 0; i < n; i++)
        if (rows[i].revision == r->revision && rows[i].ends.ms == r->ends.ms)
            json_string(t, NULL, rows[i].language);
    json_close(t, ']');
    return OK;
}

static enum err render_changes(struct call *c, struct text *t, const struct revision_row *r)
{
    uint32_t set;
    struct gate_change *changes;
    size_t n = 0;
    if (gate_set_of(&c->gate, r->document, r->revision, &set, &c->fail) != OK ||
        gate_changes(&c->gate, set, r->document, r->language, &changes, &n, &c->fail) != OK)
        return c->fail.code;
    json_i64(t, "set", set);
    json_open(t, "changes", '[');
    for (size_t i = 0; i < n; i++)
        render_change(t, &changes[i], 0);
    json_close(t, ']');
    return OK;
}

void api_policy_revision(struct call *c)
{
    struct revision_row row;
    uint64_t number = 0;
    struct span language;
    struct text t = text_new(c->arena, 4096);
    if (!call_query(c, "lang", &language))
        language = SPAN(POLICY_LANGUAGE);
    if (!span_u64(c->params.value[1], UINT32_MAX, &number)) {
        fail_set(&c->fail, ERR_NOT_FOUND, "a revision is a number");
        return;
    }
    if (gate_text_of(&c->gate, c->params.value[0], language, (uint32_t)number, &row, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    render_revision(&t, &row);
    json_str(&t, "state", state_of(c, &row));
    if (row.in_force.ms < row.ends.ms && row.ends.ms < INSTANT_FOREVER.ms)
        json_instant(&t, "until", row.ends);
    json_bool(&t, "asks_again", row.renews);
    if (render_languages(c, &t, &row) != OK || render_changes(c, &t, &row) != OK)
        return;
    json_string(&t, "text", row.text);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

/* ---- A new field (B4.2.p1): nothing is stored, the document is where a field is declared */

/* What a grade brings with it. */
static const struct {
    int64_t from;
    const char *measure;
} measures[] = {
    {3, "mask"},
    {4, "separate_consent"},
    {5, "officer_approval"},
};

static enum err bad_keep(struct call *c, const char *what, struct span name)
{
    fail_where(&c->fail, "/keep");
    fail_hint(&c->fail, "Write `EVENT` or `NUMBER UNIT after EVENT`, as in `6 months after account-closed`.");
    return fail_set(&c->fail, ERR_BAD_VALUE, "%s `%.*s`.", what, SPAN_F(name));
}

static bool is_unit(struct span s)
{
    static const char *const units[] = {"hours", "days", "working-days", "months", "years"};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (span_is(s, units[i]))
            return true;
    return false;
}

/* `until` of the grammar: [duration "after"] event. */
static enum err check_keep(struct call *c, struct span keep)
{
    struct span word[5];
    size_t n = 0;
    uint64_t number;
    while (n < 5 && span_cut(&keep, ' ', &word[n]))
        n += word[n].len > 0;
    if (n != 1 && n != 4)
        return bad_keep(c, "A keep time has one word or four, not as in", call_member(c, "keep"));
    if (n == 4 && !span_u64(word[0], 100000, &number))
        return bad_keep(c, "Not a number:", word[0]);
    if (n == 4 && !is_unit(word[1]))
        return bad_keep(c, "Not a unit of time:", word[1]);
    if (n == 4 && !span_is(word[2], "after"))
        return bad_keep(c, "`after` is missing before", word[3]);
    if (policy_kind_find(c->gate.view->policy, KIND_EVENT, word[n - 1]) == POLICY_NONE)
        return bad_keep(c, "The catalogue has no event", word[n - 1]);
    return OK;
}

/* letter {letter | digit | "-"}, as the language has it. */
bool call_is_name(struct span s)
{
    if (s.len == 0 || s.len > POLICY_NAME_MAX || s.p[0] < 'a' || s.p[0] > 'z')
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-'))
            return false;
    return true;
}

enum err call_name(struct call *c, const char *member, struct span *out)
{
    *out = call_member(c, member);
    if (call_is_name(*out))
        return OK;
    fail_where(&c->fail, "/%s", member);
    return fail_set(
        &c->fail, ERR_BAD_VALUE,
        "A name has lower-case letters, digits and hyphens, starts with a letter, and has at most %d bytes.",
        POLICY_NAME_MAX);
}

enum err call_known(struct call *c, enum policy_dimension d, const char *member, struct span name)
{
    const struct policy *p = c->gate.view->policy;
    struct span near = policy_suggest(p, d, name);
    if (policy_find(p, d, name) != POLICY_NONE)
        return OK;
    fail_where(&c->fail, "/%s", member);
    if (near.len)
        fail_hint(&c->fail, "Did you mean `%.*s`?", SPAN_F(near));
    return fail_set(&c->fail, ERR_UNKNOWN_NAME, "The policy has no `%.*s` here.", SPAN_F(name));
}

static void answer_field(struct call *c, struct span name, struct span category, int64_t grade)
{
    struct span keep = call_member(c, "keep"), purpose = call_member(c, "purpose");
    struct text t = text_new(c->arena, 512);
    json_open(&t, NULL, '{');
    json_string(
        &t, "catalogue",
        arena_fmt(c->arena, "category %.*s grade %d: %.*s.", SPAN_F(category), (int)grade, SPAN_F(name)));
    json_string(&t, "keep",
                arena_fmt(c->arena, "we may store %.*s%s%.*s until %.*s.", SPAN_F(name),
                          purpose.len ? " for " : "", SPAN_F(purpose), SPAN_F(keep)));
    json_open(&t, "requires", '[');
    for (size_t i = 0; i < sizeof measures / sizeof measures[0]; i++)
        if (grade >= measures[i].from)
            json_str(&t, NULL, measures[i].measure);
    json_close(&t, ']');
    json_bool(&t, "declared", policy_find(c->gate.view->policy, DIM_FIELD, name) != POLICY_NONE);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

void api_catalogue_field(struct call *c)
{
    struct span name, category, purpose = call_member(c, "purpose");
    int64_t grade = 0;
    json_read_i64(c->body, "grade", true, &grade, &c->fail);
    if (call_name(c, "name", &name) != OK || call_name(c, "category", &category) != OK)
        return;
    if (grade < 1) {
        fail_where(&c->fail, "/grade");
        fail_set(&c->fail, ERR_BAD_VALUE, "A grade is 1 to 5.");
        return;
    }
    if (purpose.len && call_known(c, DIM_PURPOSE, "purpose", purpose) != OK)
        return;
    if (check_keep(c, call_member(c, "keep")) == OK)
        answer_field(c, name, category, grade);
}
