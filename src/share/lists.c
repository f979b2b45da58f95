// SPDX-License-Identifier: Apache-2.0
/* References, classes of messages, templates. See lists.h. */
#include "lists.h"

/* ---- References */

enum err reference_put(struct store *st, const struct reference *r, struct fail *f)
{
    return store_run(st, Q_REFERENCE_PUT,
                     ARGS(ARG_T(r->need), ARG_T(r->reference), ARG_I(r->from.ms), ARG_I(r->until.ms)), NULL,
                     f);
}

enum err reference_holds(struct store *st, struct span need, struct span reference, struct instant now,
                         int *out, struct fail *f)
{
    struct store_rows rows;
    bool found = store_one(st, Q_REFERENCE_GET, ARGS(ARG_T(need), ARG_T(reference)), &rows, f);
    enum err e = found ? OK : rows.err;
    *out = 0;
    if (found)
        *out = store_i(&rows, 0) <= now.ms && now.ms < store_i(&rows, 1) ? 1 : -1;
    store_done(&rows);
    return e;
}

enum err reference_list(struct store *st, struct arena *a, struct reference **out, size_t *n, struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(st, Q_REFERENCE_ALL, NO_ARGS, &rows, f);
    *n = 0;
    if (e)
        return e;
    *out = ARENA_ARRAY(a, LISTS_MAX, struct reference);
    while (*n < LISTS_MAX && store_next(&rows, f))
        (*out)[(*n)++] = (struct reference){.need = arena_copy(a, store_t(&rows, 0)),
                                            .reference = arena_copy(a, store_t(&rows, 1)),
                                            .from = {store_i(&rows, 2)},
                                            .until = {store_i(&rows, 3)}};
    e = rows.err;
    store_done(&rows);
    return e;
}

/* ---- Classes of messages */

static bool is_offer_name(struct span name)
{
    static const char *const families[] = {"marketing_own:", "marketing_third_party:"};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (span_starts(name, families[i]) && name.len > strlen(families[i]))
            return true;
    return false;
}

enum err message_class_put(struct store *st, struct span name, struct span title, struct fail *f)
{
    if (is_offer_name(name))
        return store_run(st, Q_MESSAGE_CLASS_PUT, ARGS(ARG_T(name), ARG_T(title)), NULL, f);
    fail_hint(f, "write marketing_own: or marketing_third_party: and what is offered");
    return fail_set(f, ERR_BAD_VALUE, "'%.*s' is not a class of offers", SPAN_F(span_sub(name, 0, 64)));
}

enum err message_class_get(struct store *st, struct span name, struct message_class *out, struct fail *f)
{
    struct store_rows rows;
    bool found = store_one(st, Q_MESSAGE_CLASS_GET, ARGS(ARG_T(name)), &rows, f);
    enum err e = found ? OK : rows.err;
    *out = (struct message_class){.name = name, .offer = found && store_i(&rows, 0) != 0};
    store_done(&rows);
    if (found || e)
        return e;
    fail_where(f, "/class");
    fail_hint(f, "the operator's list is at /v1/message-classes");
    return fail_set(f, ERR_UNKNOWN_NAME, "'%.*s' is not a class of messages", SPAN_F(span_sub(name, 0, 64)));
}

enum err message_class_list(struct store *st, struct arena *a, struct message_class **out, size_t *n,
                            struct fail *f)
{
    struct store_rows rows;
    enum err e = store_query(st, Q_MESSAGE_CLASS_ALL, NO_ARGS, &rows, f);
    *n = 0;
    if (e)
        return e;
    *out = ARENA_ARRAY(a, LISTS_MAX, struct message_class);
    while (*n < LISTS_MAX && store_next(&rows, f))
        (*out)[(*n)++] = (struct message_class){.name = arena_copy(a, store_t(&rows, 0)),
                                                .offer = store_i(&rows, 1) != 0,
                                                .title = arena_copy(a, store_t(&rows, 2))};
    e = rows.err;
    store_done(&rows);
    return e;
}

/* ---- Templates */

enum err template_put(struct store *st, const struct message_template *t, struct fail *f)
{
    struct message_class of;
    enum err e = message_class_get(st, t->class, &of, f);
    if (e)
        return e;
    if (of.offer != t->promotional) {
        fail_where(f, "/class");
        return fail_set(f, ERR_CONFLICT,
                        of.offer ? "a class of offers is for what promotes something"
                                 : "a notice cannot carry promotion");
    }
    return store_run(
        st, Q_TEMPLATE_PUT,
        ARGS(ARG_T(t->name), ARG_T(t->class), ARG_I(t->promotional), ARG_T(t->approver), ARG_I(t->since.ms)),
        NULL, f);
}

enum err template_check(struct store *st, struct span name, struct span class, struct fail *f)
{
    struct store_rows rows;
    bool found = store_one(st, Q_TEMPLATE_GET, ARGS(ARG_T(name)), &rows, f);
    enum err e = found ? OK : rows.err;
    bool same = found && span_eq(store_t(&rows, 0), class);
    store_done(&rows);
    if (e || same)
        return e;
    fail_where(f, "/template");
    return fail_set(f, found ? ERR_CONFLICT : ERR_UNKNOWN_NAME,
                    found ? "template '%.*s' is of another class" : "there is no approved template '%.*s'",
                    SPAN_F(span_sub(name, 0, 64)));
}
