// SPDX-License-Identifier: Apache-2.0
/* Persons come, link, and go; each change with its entry. See gate.h. */
#include "gate_impl.h"

struct span caller_name(const struct gate_call *c)
{
    return c->service ? arena_fmt(c->arena, "service:%.*s", SPAN_F(c->service->name)) : SPAN("operator");
}

/* The calling service as the registers have it; null for the operator. */
static const struct service_actor *caller(const struct gate_call *c)
{
    return c->service ? &c->view->actors[c->service - c->view->registers->services] : NULL;
}

static enum err record_of(struct gate_call *c, enum audit_kind kind, const struct subject *s, bool fresh,
                          struct span extra, struct fail *f)
{
    struct vault_person person = vault_of(s);
    struct person_key *key = NULL;
    const struct service_actor *by = caller(c);
    enum err e = vault_key_open(c->gate->vault, c->st, &person, &key, f);
    if (e)
        return e;
    struct record r = {.kind = kind,
                       .subject = s,
                       .key = key,
                       .actor = by ? by->name : SPAN("operator"),
                       .pseudonym = by ? by->pseudonym : NULL,
                       .fresh = fresh,
                       .extra = extra};
    e = record_add(c, &r, f);
    vault_key_close(key);
    return e;
}

enum err record_person(struct gate_call *c, enum audit_kind kind, const struct subject *s, struct span extra,
                       struct fail *f)
{
    return record_of(c, kind, s, false, extra, f);
}

/* ---- Coming */

enum err gate_subject_create(struct gate_call *c, struct date birth, struct span device, struct subject *out,
                             struct fail *f)
{
    enum err e = subject_create(c->st, birth, c->gate->offset_minutes, c->gate->region, c->now, out, f);
    if (!e)
        e = age_of_device(c, device, out, f);
    if (e)
        return e;
    c->made = out->id;
    struct vault_person person = vault_of(out);
    e = vault_key_create(c->gate->vault, c->st, &person, f);
    if (e)
        return e;
    struct span extra = arena_fmt(c->arena, "\"event\":\"created\",\"band\":\"%s\",\"state\":\"%s\"",
                                  subject_band_name(out->band), subject_state_name(out->state));
    return record_of(c, AUDIT_SUBJECT, out, true, extra, f);
}

/* ---- Going */

/* Whose wish it was is told without the id of the guardian, which would outlive both. */
struct span wish_of(struct span actor)
{
    return span_sub(actor, 0, span_find(actor, ':', 0));
}

void erased_name(const struct vault *v, struct subject_id id, uint8_t out[16])
{
    char text[sizeof "erased:" + ID_TEXT_LEN] = "erased:";
    hex_put(text + strlen(text), id.b, ID_LEN);
    vault_actor_pseudonym(v, span_str(text), out);
}

static struct span erasure_members(struct gate_call *c, const struct subject *s, struct span actor)
{
    uint8_t name[16];
    struct text t = text_new(c->arena, 128);
    struct span who = wish_of(actor);
    json_str(&t, "event", "erased");
    if (who.len)
        json_string(&t, "wish", who);
    erased_name(c->gate->vault, s->id, name);
    json_hex(&t, "name", name, sizeof name);
    return text_span(&t);
}

/* The entry carries the pseudonym the person had, so that it is found among their entries; its detail is
 * under the node's key, because it must outlive theirs. A key that is lost or damaged already must not stop
 * an erasure, nor its being done again on an older copy (gate_reconcile.c): the detail names the person, too.
 */
static enum err record_erasure(struct gate_call *c, const struct subject *s, struct span actor,
                               struct fail *f)
{
    struct vault_person person = vault_of(s);
    struct person_key *key = NULL;
    struct fail lost = {0};
    enum err e = vault_key_open(c->gate->vault, c->st, &person, &key, &lost);
    if (e && e != ERR_GONE && e != ERR_INTEGRITY)
        return fail_set(f, e, "%s", lost.detail);
    struct record r = {.kind = AUDIT_ERASE,
                       .subject = s,
                       .key = key,
                       .node_detail = true,
                       .actor = caller_name(c),
                       .extra = erasure_members(c, s, actor)};
    e = record_add(c, &r, f);
    vault_key_close(key);
    return e;
}

enum err gate_erase(struct gate_call *c, struct subject_id id, struct span actor, struct subject *out,
                    struct fail *f)
{
    enum err e = subject_get(c->st, id, c->now, out, f);
    if (!e)
        e = hold_forbids_erasure(c, out, f);
    if (!e)
        e = record_erasure(c, out, actor, f);
    if (!e)
        e = subject_erase(c->st, out, c->now, f);
    if (e)
        return e;
    struct vault_person person = vault_of(out);
    e = vault_key_destroy(c->gate->vault, c->st, &person, f);
    if (e)
        return e;
    out->state = SUBJECT_ERASED;
    c->forget_history = true;
    return OK;
}

/* ---- Guardians */

/* One service may not take back what was proved to another. */
static enum err keep_verified(struct gate_call *c, const struct subject *ward, struct subject_id guardian,
                              struct fail *f)
{
    bool verified = false;
    enum err e = guardian_linked(c->st, ward, guardian, &verified, f);
    if (e || !verified)
        return e;
    fail_where(f, "/verified");
    return fail_set(f, ERR_CONFLICT,
                    "this guardian is verified already; only the operator can take that back");
}

/* What proved it lies with either of the two. */
static enum err start_proof(struct gate_call *c, const struct subject *ward, const struct subject *adult,
                            struct fail *f)
{
    struct happening h = {.event = SPAN("guardianship-verified"), .time = c->now};
    enum err e = clock_start(c, ward, &h, NULL, f);
    return e ? e : clock_start(c, adult, &h, NULL, f);
}

enum err gate_guardian_add(struct gate_call *c, struct subject_id child, struct subject_id guardian,
                           bool verified, struct span evidence, struct fail *f)
{
    struct subject ward, adult;
    enum err e = subject_get(c->st, child, c->now, &ward, f);
    if (!e)
        e = subject_get(c->st, guardian, c->now, &adult, f);
    if (!e && c->service && !verified)
        e = keep_verified(c, &ward, guardian, f);
    if (!e)
        e = guardian_add(c->st, &ward, &adult, verified, evidence, c->now, f);
    if (!e && verified)
        e = start_proof(c, &ward, &adult, f);
    if (e)
        return e;
    char hex[ID_TEXT_LEN + 1];
    hex_put(hex, guardian.b, ID_LEN);
    struct span extra = arena_fmt(c->arena, "\"event\":\"guardian\",\"guardian\":\"%s\",\"verified\":%s", hex,
                                  verified ? "true" : "false");
    return record_person(c, AUDIT_GUARDIAN, &ward, extra, f);
}

enum err gate_lookup(struct gate_call *c, struct span kind, struct span plain, struct subject_id *out,
                     struct fail *f)
{
    struct subject s;
    enum err e = vault_index_find(c->gate->vault, c->st, kind, plain, out, f);
    if (!e)
        e = subject_get(c->st, *out, c->now, &s, f);
    if (e)
        return e;
    return record_person(c, AUDIT_READ, &s, arena_fmt(c->arena, "\"event\":\"found by %.*s\"", SPAN_F(kind)),
                         f);
}
