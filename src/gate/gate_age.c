// SPDX-License-Identifier: Apache-2.0
/* Ages: a device remembers a child (A2.1.1.1), and an age learned late changes what is held (A2.1.2(8)). See
 * gate.h. */
#include "gate_impl.h"

/* ---- Devices */

enum err age_of_device(struct gate_call *c, struct span device, struct subject *s, struct fail *f)
{
    uint8_t mac[32];
    bool child;
    struct instant teen_from, adult_from;
    if (device.len == 0)
        return OK;
    vault_device_mac(c->gate->vault, device, mac);
    enum err e = device_age_get(c->st, span_of(mac, sizeof mac), c->now, &child, &teen_from, &adult_from, f);
    if (e)
        return e;
    if (s->band == BAND_CHILD)
        return device_age_put(c->st, span_of(mac, sizeof mac), s, c->now, f);
    return child ? subject_set_age(c->st, s, teen_from, adult_from, c->now, f) : OK;
}

/* ---- An age learned late */

static enum err regrade(struct gate_call *c, const struct subject *s, struct span service, struct fail *f)
{
    struct gate_request *r = ARENA_NEW(c->arena, struct gate_request);
    struct question q = {0};
    size_t set;
    *r = (struct gate_request){.subject = s->id,
                               .has_subject = true,
                               .service = service,
                               .purpose = gate_word(c->view->policy, DIM_PURPOSE, "age-recognition")};
    if (r->purpose.len == 0)
        return gate_word_missing(f, "purpose", "age-recognition");
    struct vault_person person = vault_of(s);
    enum err e = question_resolve(&q, c, r, SPAN("store"), f);
    if (!e)
        e = question_gather(&q, NULL, f);
    if (!e)
        e = vault_key_move(c->gate->vault, c->st, &person, q.key, f);
    question_end(&q);
    /* Each value stays no longer than what holds for the person now allows, from when it was collected. */
    return e ? e : clock_settle(c, s, &set, f);
}

enum err gate_age(struct gate_call *c, struct subject_id id, struct date birth, struct span service,
                  struct subject *out, struct fail *f)
{
    struct instant teen_from, adult_from;
    enum err e = subject_get(c->st, id, c->now, out, f);
    if (e)
        return e;
    subject_thresholds(birth, c->gate->offset_minutes, c->now, &teen_from, &adult_from);
    if (c->service && subject_band_at(teen_from, adult_from, c->now) > out->band) {
        fail_where(f, "/birth_date");
        return fail_set(f, ERR_FORBIDDEN, "only the operator can say that somebody is older than thought");
    }
    e = subject_set_age(c->st, out, teen_from, adult_from, c->now, f);
    if (!e)
        e = regrade(c, out, service, f);
    if (e)
        return e;
    struct span extra = arena_fmt(c->arena, "\"event\":\"age\",\"band\":\"%s\",\"state\":\"%s\"",
                                  subject_band_name(out->band), subject_state_name(out->state));
    return record_person(c, AUDIT_SUBJECT, out, extra, f);
}
