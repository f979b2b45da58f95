// SPDX-License-Identifier: Apache-2.0
/* Changing keys while serving. See gate.h. */
#include "gate_impl.h"

static enum err note(struct gate_call *c, const struct gate_rotation *r, const char *event, struct fail *f)
{
    struct span detail = arena_fmt(c->arena, "\"%s\",\"key\":\"%.*s\",\"generation\":%lld", event,
                                   SPAN_F(r->key), (long long)r->generation);
    return gate_note(c, AUDIT_REGISTER, detail, f);
}

static enum err rotate_class(struct gate_call *c, struct gate_rotation *r, struct fail *f)
{
    static const struct subject_id beginning;
    struct vault *v = c->gate->vault;
    enum err e;
    if (memcmp(&r->from, &beginning, sizeof beginning) == 0) {
        e = vault_follow(v, c->st, f); /* a generation begun by a group that was lost half way counts */
        if (!e)
            e = vault_rotate_begin(v, c->st, r->key, &r->generation, &r->resumed, &r->left, f);
        r->from.b[ID_LEN - 1] = 1; /* before every id that is given out */
        return e || r->resumed ? e : note(c, r, "a new key wraps from now on", f);
    }
    e = vault_rotate_step(v, c->st, r->key, GATE_ROTATE_MAX, &r->from, &r->generation, &r->wrapped,
                          &r->finished, f);
    return e || !r->finished ? e : note(c, r, "the old keys are gone", f);
}

enum err gate_rotate(struct gate_call *c, struct gate_rotation *r, struct fail *f)
{
    r->wrapped = r->left = 0;
    r->resumed = r->finished = false;
    enum err e = vault_follow_due(c->gate->vault, c->st, f);
    if (e)
        return e;
    if (!span_is(r->key, "master"))
        return rotate_class(c, r, f);
    e = vault_rotate_master(c->gate->vault, c->st, r->new_file, c->gate->audit_key_path, f);
    r->finished = !e;
    return e ? e : note(c, r, "the master key was changed", f);
}
