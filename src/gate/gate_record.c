// SPDX-License-Identifier: Apache-2.0
/*
 * Every call leaves one entry. The leaf holds indices and pseudonyms; what it means is in the detail, sealed
 * under the person's key and committed to with a random key that is sealed with it (docs/security.md, "The
 * record" and 3.5).
 *
 * Detail, before sealing: 32 bytes r, then JSON. The leaf's commitment is HMAC-SHA256(r, JSON). The JSON has
 * names and references, never values: actor, service, purpose, operation; recipient, source, basis, evidence
 * where given; answer, clause, reason, mask and deeds of the field that decided; fields; and where the fields
 * differ, outcomes with the places (`at`) of their fields in that list; `standing`, what held for it
 * (gate_standing.c). Entries without a question have an `event` instead.
 */
#include "gate_impl.h"

#define COMMIT_KEY_LEN      32
#define DETAIL_JSON_MAX     (AUDIT_DETAIL_MAX - SEAL_EXTRA - COMMIT_KEY_LEN)
#define REFERENCE_SHOWN_MAX 64 /* bytes of one reference in the detail: enough to find the paper */

/* What does not fit is told shorter, never cut: without what held, then with numbers of the policy in the
 * leaf instead of names, then counts. */
enum detail_level { DETAIL_WHOLE, DETAIL_NAMES, DETAIL_NUMBERS, DETAIL_COUNTS, DETAIL_LEVELS };

/* ---- Detail */

static void put_if(struct text *t, const char *name, struct span v)
{
    if (v.len)
        json_string(t, name, v);
}

static struct span value_name(const struct question *q, enum policy_dimension d)
{
    return policy_name(q->policy, d, q->value[d]);
}

static void put_question(struct text *t, const struct question *q)
{
    json_string(t, "actor", q->actor);
    json_string(t, "service", q->service->name);
    json_string(t, "purpose", value_name(q, DIM_PURPOSE));
    json_string(t, "operation", value_name(q, DIM_OPERATION));
    put_if(t, "recipient", span_sub(q->asked->recipient, 0, REFERENCE_SHOWN_MAX));
    put_if(t, "source", q->asked->source);
    if (q->asked->basis.len)
        json_string(t, "basis", value_name(q, DIM_BASIS));
}

static void put_evidence(struct text *t, const struct question *q, enum detail_level level)
{
    if (q->asked->n_evidence == 0)
        return;
    json_open(t, "evidence", level == DETAIL_COUNTS ? '[' : '{');
    for (size_t i = 0; i < q->asked->n_evidence; i++) {
        const struct evidence *e = &q->asked->evidence[i];
        struct span name = span_sub(e->name, 0, REFERENCE_SHOWN_MAX);
        if (level == DETAIL_COUNTS) {
            json_string(t, NULL, name);
            continue;
        }
        json_key(t, name);
        json_string(t, NULL, span_sub(e->reference, 0, REFERENCE_SHOWN_MAX));
    }
    json_close(t, level == DETAIL_COUNTS ? ']' : '}');
}

static void put_outcome(struct text *t, const struct question *q, const struct gate_field *o)
{
    json_str(t, "answer", policy_answer_name(o->answer));
    put_if(t, "clause", o->clause);
    put_if(t, "reason", o->reason);
    put_if(t, "mask", o->mask);
    put_if(t, "deeds", standing_names(t->arena, q->policy, KIND_DEED, o->deeds));
}

static void put_fields(struct text *t, const struct question *q, const struct gate_answer *a,
                       enum detail_level level)
{
    bool named = level <= DETAIL_NAMES;
    json_open(t, named ? "fields" : "field_numbers", '[');
    for (size_t i = 0; i < a->n_fields; i++) {
        if (a->fields[i].field == POLICY_NONE)
            continue;
        if (named)
            json_string(t, NULL, policy_name(q->policy, DIM_FIELD, a->fields[i].field));
        else
            json_i64(t, NULL, a->fields[i].field);
    }
    json_close(t, ']');
}

static bool same_outcome(const struct gate_field *a, const struct gate_field *b)
{
    return a->answer == b->answer && span_eq(a->clause, b->clause) && span_eq(a->reason, b->reason) &&
           span_eq(a->mask, b->mask) && a->deeds == b->deeds;
}

static bool told_before(const struct gate_answer *a, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (same_outcome(&a->fields[k], &a->fields[i]))
            return true;
    return false;
}

/* Fields with one outcome are told together; `at` are places in the list of fields. */
static void put_group(struct text *t, const struct question *q, const struct gate_answer *a, size_t first)
{
    json_open(t, NULL, '{');
    put_outcome(t, q, &a->fields[first]);
    json_open(t, "at", '[');
    for (size_t i = first; i < a->n_fields; i++)
        if (same_outcome(&a->fields[first], &a->fields[i]))
            json_i64(t, NULL, (int64_t)i);
    json_close(t, ']');
    json_close(t, '}');
}

static void put_outcomes(struct text *t, const struct question *q, const struct gate_answer *a)
{
    json_open(t, "outcomes", '[');
    for (size_t i = 0; i < a->n_fields; i++)
        if (!told_before(a, i))
            put_group(t, q, a, i);
    json_close(t, ']');
}

/* The field that decided the whole: the first of the worst. */
static const struct gate_field *deciding(const struct gate_answer *a)
{
    for (size_t i = 0; i < a->n_fields; i++)
        if (a->fields[i].answer == a->answer)
            return &a->fields[i];
    return &a->fields[0];
}

static bool uniform(const struct gate_answer *a)
{
    for (size_t i = 1; i < a->n_fields; i++)
        if (!same_outcome(&a->fields[0], &a->fields[i]))
            return false;
    return true;
}

static void put_answer(struct text *t, const struct question *q, const struct gate_answer *a,
                       enum detail_level level)
{
    if (a->n_fields == 0)
        return;
    put_outcome(t, q, deciding(a));
    if (level == DETAIL_COUNTS)
        json_i64(t, "fields_count", (int64_t)a->n_fields);
    else
        put_fields(t, q, a, level);
    if (level != DETAIL_COUNTS && !uniform(a))
        put_outcomes(t, q, a);
    if (level == DETAIL_WHOLE)
        standing_put(t, q);
}

static struct span detail_text(struct arena *arena, const struct record *r, enum detail_level level)
{
    struct text t = text_new(arena, 512);
    json_open(&t, NULL, '{');
    if (r->q)
        put_question(&t, r->q);
    else
        put_if(&t, "actor", r->actor);
    if (r->q)
        put_evidence(&t, r->q, level);
    if (r->q && r->answer)
        put_answer(&t, r->q, r->answer, level);
    if (r->extra.len) {
        text_str(&t, t.comma ? "," : "");
        text_put(&t, r->extra);
        t.comma = true;
    }
    json_close(&t, '}');
    return text_span(&t);
}

static enum err make_detail(struct gate_call *c, const struct record *r, struct audit_entry *e,
                            struct fail *f)
{
    struct span json = SPAN_EMPTY;
    for (enum detail_level level = DETAIL_WHOLE; level < DETAIL_LEVELS; level++) {
        json = detail_text(c->arena, r, level);
        if (json.len <= DETAIL_JSON_MAX)
            break;
    }
    if (json.len > DETAIL_JSON_MAX)
        return fail_set(f, ERR_BAD_VALUE, "the references are too long to be recorded");
    uint8_t *plain = arena_alloc(c->arena, COMMIT_KEY_LEN + json.len);
    crypto_random(plain, COMMIT_KEY_LEN);
    memcpy(plain + COMMIT_KEY_LEN, json.p, json.len);
    crypto_hmac(span_of(plain, COMMIT_KEY_LEN), json, e->leaf.commit);
    if (!c->keep)
        c->opening[c->n_entries] = span_of(plain, COMMIT_KEY_LEN + json.len);
    return vault_detail_seal(c->gate->vault, r->node_detail ? NULL : r->key,
                             span_of(plain, COMMIT_KEY_LEN + json.len), c->arena, &e->detail, f);
}

/* ---- Leaf */

/* A guardian is a person: named by the pseudonym of their own key, so that their erasure unlinks them too. */
static enum err guardian_pseudonym(struct gate_call *c, const struct question *q, uint8_t out[16],
                                   struct fail *f)
{
    struct vault_person person = {.id = q->guardian};
    struct person_key *key;
    struct fail absent = {0};
    enum err e = vault_key_open(c->gate->vault, c->st, &person, &key, &absent);
    if (e == ERR_GONE) {
        vault_actor_pseudonym(c->gate->vault, SPAN("guardian"), out);
        return OK;
    }
    if (e)
        return fail_set(f, e, "%s", absent.detail);
    vault_pseudonym(key, audit_epoch_at(c->gate->names.record, c->now), out);
    vault_key_close(key);
    return OK;
}

static enum err actor_pseudonym(struct gate_call *c, const struct record *r, uint8_t out[16], struct fail *f)
{
    struct span actor = r->q ? r->q->actor : r->actor;
    const uint8_t *made = r->q ? r->q->pseudonym : r->pseudonym;
    if (made) {
        memcpy(out, made, 16);
        return OK;
    }
    if (r->q && r->q->has_guardian)
        return guardian_pseudonym(c, r->q, out, f);
    if (r->key && span_starts(actor, "subject"))
        vault_pseudonym(r->key, audit_epoch_at(c->gate->names.record, c->now), out);
    else
        vault_actor_pseudonym(c->gate->vault, actor, out);
    return OK;
}

static void leaf_question(const struct record *r, struct audit_leaf *leaf)
{
    leaf->service = leaf->purpose = leaf->operation = leaf->party = leaf->clause = POLICY_NONE;
    if (!r->q)
        return;
    leaf->service = r->q->value[DIM_SERVICE];
    leaf->purpose = r->q->value[DIM_PURPOSE];
    leaf->operation = r->q->value[DIM_OPERATION];
    leaf->party = r->q->value[DIM_PARTY];
    if (!r->answer || r->answer->n_fields == 0)
        return;
    const struct gate_field *d = deciding(r->answer);
    leaf->answer = (uint8_t)(r->answer->answer + 1);
    if (d->reason.len)
        leaf->reason = reason_number(spelled(r->q->call->arena, d->reason));
    leaf->clause = (uint16_t)d->clause_number;
}

/* Room for one more entry. */
static void entries_grow(struct gate_call *c, struct arena *a)
{
    size_t cap = c->cap_entries ? c->cap_entries * 2 : 2;
    struct audit_entry *entries = ARENA_ARRAY(a, cap, struct audit_entry);
    struct subject_id *subject = ARENA_ARRAY(a, cap, struct subject_id);
    bool *has = ARENA_ARRAY(a, cap, bool);
    struct span *opening = ARENA_ARRAY(a, cap, struct span);
    if (c->n_entries) {
        memcpy(entries, c->entries, c->n_entries * sizeof *entries);
        memcpy(subject, c->entry_subject, c->n_entries * sizeof *subject);
        memcpy(has, c->entry_has_subject, c->n_entries * sizeof *has);
        memcpy(opening, c->opening, c->n_entries * sizeof *opening);
    }
    c->entries = entries;
    c->entry_subject = subject;
    c->entry_has_subject = has;
    c->opening = opening;
    c->cap_entries = cap;
}

/* What was only asked, read or refused changes nothing. */
static bool changes(enum audit_kind kind)
{
    return kind != AUDIT_DECISION && kind != AUDIT_READ && kind != AUDIT_REFUSED && kind != AUDIT_SHARE &&
           kind != AUDIT_EXPORT && kind != AUDIT_START && kind != AUDIT_ERASE && kind != AUDIT_PRUNE;
}

/* Every change leaves an entry, so no change can forget its step. */
static enum err epoch_step(struct gate_call *c, const struct record *r, struct fail *f)
{
    if (!changes(r->kind) || r->fresh)
        return OK;
    return r->subject ? subject_epoch_step(c->st, r->subject, f)
                      : store_run(c->st, Q_META_STEP, ARGS(ARG_T(SPAN("generation"))), NULL, f);
}

enum err record_add(struct gate_call *c, const struct record *given, struct fail *f)
{
    struct record r = *given;
    if (c->n_entries == GATE_ENTRIES_MAX)
        return fail_set(f, ERR_INTERNAL, "one call leaves at most %d entries", GATE_ENTRIES_MAX);
    if (r.q && r.q->has_subject) {
        r.subject = &r.q->subject;
        r.key = r.q->key;
    }
    if (r.kind == AUDIT_REFUSED && r.subject && subject_id_eq(r.subject->id, c->made)) {
        r.subject = NULL; /* who never was has no key that could open it later */
        r.key = NULL;
    }
    struct arena *keep = c->keep ? c->keep : c->arena;
    if (c->n_entries == c->cap_entries)
        entries_grow(c, keep);
    struct audit_entry *e = &c->entries[c->n_entries];
    *e = (struct audit_entry){.leaf = {.kind = r.kind, .time = c->now}};
    c->opening[c->n_entries] = SPAN_EMPTY;
    memcpy(e->leaf.policy, c->view->digest.b, sizeof e->leaf.policy);
    leaf_question(&r, &e->leaf);
    if (r.key)
        vault_pseudonym(r.key, audit_epoch_at(c->gate->names.record, c->now), e->leaf.subject);
    enum err err = actor_pseudonym(c, &r, e->leaf.actor, f);
    if (!err)
        err = make_detail(c, &r, e, f);
    if (!err)
        err = epoch_step(c, &r, f);
    if (err)
        return err;
    if (c->keep)
        e->detail = arena_copy(keep, e->detail);
    c->entry_has_subject[c->n_entries] = r.subject != NULL;
    if (r.subject)
        c->entry_subject[c->n_entries] = r.subject->id;
    c->n_entries++;
    return OK;
}

enum err gate_adopt(struct gate_call *c, struct span leaf, struct span detail, struct fail *f)
{
    struct audit_entry e = {.detail = arena_copy(c->arena, detail)};
    if (!audit_leaf_get(leaf, &e.leaf))
        return fail_set(f, ERR_CORRUPT, "the outbox of another node holds a damaged entry");
    if (c->n_entries == GATE_ENTRIES_MAX)
        return fail_set(f, ERR_INTERNAL, "one call leaves at most %d entries", GATE_ENTRIES_MAX);
    if (c->n_entries == c->cap_entries)
        entries_grow(c, c->arena);
    c->entries[c->n_entries] = e;
    c->opening[c->n_entries] = SPAN_EMPTY;
    c->entry_has_subject[c->n_entries++] = false;
    c->adopted = true;
    return OK;
}

enum err record_refusal(const struct question *q, const struct gate_answer *answer, struct span extra,
                        struct fail *f)
{
    const struct gate_field *no = answer_refused(answer);
    struct record r = {.kind = AUDIT_REFUSED, .q = q, .answer = answer, .extra = extra};
    enum err e = record_add(q->call, &r, f);
    if (e)
        return e;
    q->call->undo = true;
    fail_clause(f, no->clause);
    return fail_set(f, ERR_REFUSED, "'%.*s' is refused: %.*s", SPAN_F(span_sub(no->asked, 0, 64)),
                    SPAN_F(no->reason));
}
