// SPDX-License-Identifier: Apache-2.0
/* Publishing a set of documents, the sets so far, and taking one back (B8.1, B0.1). */
#include "policy_folder.h"
#include "web_impl.h"

/* ---- On the worker: read, compile, compare */

static void publication_drop(void *p)
{
    gate_publication_end(p);
}

/* {"group.md": "text", ...}, as the files of a folder. */
static enum err take_documents(struct call *c, struct gate_publication *p)
{
    const struct json *list = json_get(c->body, "documents");
    struct policy_source *sources = ARENA_ARRAY(c->arena, json_count(list) + 1, struct policy_source);
    fail_where(&c->fail, "/documents");
    if (json_kind(list) != JSON_OBJECT || json_count(list) == 0 || json_count(list) > POLICY_TEXTS_MAX)
        return fail_set(&c->fail, ERR_BAD_VALUE, "documents is an object of 1 to %d texts by file name",
                        POLICY_TEXTS_MAX);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *one = json_at(list, i);
        if (json_kind(one) != JSON_STRING || !policy_folder_takes(json_name(one)))
            return fail_set(&c->fail, ERR_BAD_VALUE,
                            "a document is a text under a name such as `group.md` or `group.zh-CN.md`");
        if (json_span(one).len > POLICY_SOURCE_MAX)
            return fail_set(&c->fail, ERR_TOO_LARGE, "a document has at most %u bytes", POLICY_SOURCE_MAX);
        sources[p->n_sources++] = (struct policy_source){json_name(one), json_span(one)};
    }
    c->fail = (struct fail){0};
    p->sources = sources;
    return OK;
}

/* A day is the operator's, an instant everybody's. */
static enum err take_effective(struct call *c, struct gate_publication *p)
{
    struct span text = call_member(c, "effective");
    struct date day;
    p->dated = text.len > 0;
    if (!p->dated)
        return OK;
    if (date_get(text, &day)) {
        p->effective = date_start(day, WEB_OFFSET_MINUTES);
        return OK;
    }
    if (instant_get(text, &p->effective))
        return OK;
    fail_where(&c->fail, "/effective");
    return fail_set(&c->fail, ERR_BAD_VALUE, "effective is a day (2026-01-31) or an RFC 3339 instant");
}

static void tell_messages(struct call *c, const struct policy_messages *m)
{
    struct text t = text_new(c->arena, 4096);
    policy_messages_json(&t, m);
    struct span all = text_span(&t);
    c->extra = span_sub(all, 1, all.len - 2); /* its members, without the brackets */
}

static enum err say_errors(struct call *c, const struct policy_messages *m)
{
    size_t i = 0;
    while (i + 1 < m->n && m->list[i].severity != POLICY_ERROR)
        i++;
    tell_messages(c, m);
    if (c->fail.code == ERR_POLICY && m->n == 0)
        return ERR_POLICY; /* a need or fact whose source nobody knows */
    const struct policy_message *first = &m->list[i];
    c->fail = (struct fail){0};
    fail_where(&c->fail, "%.*s:%u:%u", SPAN_F(first->file), first->line, first->column);
    fail_hint(&c->fail, "`troth policy check DIR` shows them all");
    return fail_set(&c->fail, ERR_POLICY, "the documents have %zu error%s; the first: %.*s", m->errors,
                    m->errors == 1 ? "" : "s", SPAN_F(first->message));
}

void api_policy_prepare(struct call *c)
{
    struct gate_publication *p = ARENA_NEW(c->arena, struct gate_publication);
    struct policy_messages m = {0};
    c->prepared = p;
    arena_defer(c->arena, publication_drop, p);
    json_read_bool(c->body, "dry_run", false, &p->dry, NULL);
    if (take_documents(c, p) != OK || take_effective(c, p) != OK)
        return;
    if (gate_publish_prepare(&c->gate, p, &m, &c->fail) == ERR_POLICY && m.errors)
        say_errors(c, &m);
}

/* ---- On the committer */

static void render_set(struct text *t, const struct policy_set_row *s)
{
    char revision[16 + 1];
    hex_put(revision, s->digest.b, 8);
    json_i64(t, "set", s->number);
    json_str(t, "revision", revision);
    json_hex(t, "sha256", s->digest.b, sizeof s->digest.b);
    json_instant(t, "published", s->published);
    json_instant(t, "in_force", s->since);
    if (s->ends.ms < INSTANT_FOREVER.ms && s->ends.ms > s->since.ms)
        json_instant(t, "until", s->ends);
    json_str(t, "effect", gate_effect_name(s->effect));
}

void render_change(struct text *t, const struct gate_change *g, size_t language)
{
    json_open(t, NULL, '{');
    json_str(t, "effect", gate_effect_name(g->effect));
    if (g->clause.len)
        json_string(t, "clause", g->clause);
    json_string(t, "html", g->sentence[language]);
    json_close(t, '}');
}

static void render_documents(struct text *t, const struct gate_publication *p)
{
    json_open(t, "documents", '[');
    for (size_t i = 0; i < p->n_documents; i++) {
        json_open(t, NULL, '{');
        json_string(t, "document", p->documents[i].document);
        json_i64(t, "revision", p->documents[i].revision);
        json_hex(t, "sha256", p->documents[i].digest.b, sizeof p->documents[i].digest.b);
        json_bool(t, "asks_again", p->documents[i].renews);
        json_close(t, '}');
    }
    json_close(t, ']');
}

/* What a dry run found against it. */
static void render_refused(struct text *t, const struct fail *f)
{
    json_bool(t, "accepted", f->code == OK);
    if (f->code == OK)
        return;
    json_str(t, "why", f->detail);
    if (f->hint[0])
        json_str(t, "hint", f->hint);
}

static void answer_publication(struct call *c, const struct gate_publication *p)
{
    struct text t = text_new(c->arena, 4096);
    json_open(&t, NULL, '{');
    json_bool(&t, "dry_run", p->dry);
    render_refused(&t, &p->refused);
    render_set(&t, &p->set);
    json_instant(&t, "earliest", p->earliest);
    if (p->notice.len)
        json_string(&t, "notice", p->notice);
    json_i64(&t, "reduces", (int64_t)p->counts[GATE_EFFECT_REDUCES]);
    json_i64(&t, "protects", (int64_t)p->counts[GATE_EFFECT_PROTECTS]);
    json_i64(&t, "neutral", (int64_t)p->counts[GATE_EFFECT_NEUTRAL]);
    render_documents(&t, p);
    json_open(&t, "changes", '[');
    for (size_t i = 0; i < p->n_changes; i++)
        render_change(&t, &p->changes[i], 0);
    json_close(&t, ']');
    if (!p->dry)
        call_entry(c, &t, "entry", 0);
    json_close(&t, '}');
    http_json(c->res, p->dry ? 200 : 201, &t);
}

void api_policy_publish(struct call *c)
{
    struct gate_publication *p = c->prepared;
    if (gate_publish(&c->gate, p, &c->fail) != OK)
        return;
    c->job->registers_changed = !p->dry;
    answer_publication(c, p);
}

/* ---- The sets so far */

static const char *state_of(const struct call *c, const struct policy_set_row *s)
{
    if (s->since.ms == s->ends.ms)
        return "withdrawn";
    if (s->number > c->gate.view->number)
        return "waiting";
    return s->number == c->gate.view->number ? "in-force" : "over";
}

void api_policy_sets(struct call *c)
{
    struct policy_set_row *sets;
    size_t n = 0;
    struct text t = text_new(c->arena, 4096);
    if (gate_sets(&c->gate, &sets, &n, &c->fail) != OK)
        return;
    json_open(&t, NULL, '{');
    json_open(&t, "sets", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(&t, NULL, '{');
        json_str(&t, "state", state_of(c, &sets[i]));
        render_set(&t, &sets[i]);
        json_close(&t, '}');
    }
    json_close(&t, ']');
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}

void api_policy_withdraw(struct call *c)
{
    struct policy_set_row set;
    struct text t = text_new(c->arena, 512);
    if (gate_withdraw(&c->gate, c->params.value[0], &set, &c->fail) != OK)
        return;
    c->job->registers_changed = true;
    json_open(&t, NULL, '{');
    json_str(&t, "state", state_of(c, &set));
    render_set(&t, &set);
    call_entry(c, &t, "entry", 0);
    json_close(&t, '}');
    http_json(c->res, 200, &t);
}
