// SPDX-License-Identifier: Apache-2.0
/*
 * POST /v1/import: many persons in one change (troth import). Each line is a person with their agreements and
 * values, through the same rules as one by one: a line that is refused leaves nothing but the entry that says
 * so. How far an import is stands in the same transaction, so that none is taken in twice.
 */
#include "crypto.h"
#include "schema_impl.h"
#include "web_impl.h"

#include <stdio.h>

#define IMPORT_ENTRIES 16 /* a line's: the person, and one for each act and each set of values */

struct import {
    struct call *call;
    struct arena *main, *scratch;
    struct span mark, lines; /* names of its rows in `meta` */
    uint64_t done;           /* lines taken in */
    struct span
        last; /* of the batch before: the number of its first line, then an id for each, zeros: none */
    struct span name, digest; /* digest: of lines, as the caller makes it; empty: none came */
    struct span kept;         /* its MAC for the lines up to `done`; empty: none came with the last */
    struct text ids;          /* of this batch, the same way */
    struct text problems;
    uint64_t imported;
};

/* ---- How far it is */

static enum err state_read(struct import *im)
{
    struct call *c = im->call;
    struct store_rows rows;
    if (!store_one(c->gate.st, Q_META_GET, ARGS(ARG_T(im->mark)), &rows, &c->fail))
        return rows.err;
    im->done = (uint64_t)store_i(&rows, 0);
    im->last = arena_copy(im->main, store_t(&rows, 1));
    store_done(&rows);
    if (!store_one(c->gate.st, Q_META_GET, ARGS(ARG_T(im->lines)), &rows, &c->fail))
        return rows.err;
    if ((uint64_t)store_i(&rows, 0) == im->done) /* else lines came after it without one */
        im->kept = arena_copy(im->main, store_t(&rows, 1));
    store_done(&rows);
    return OK;
}

static enum err state_write(struct import *im)
{
    struct call *c = im->call;
    enum err err =
        store_run(c->gate.st, Q_META_PUT, ARGS(ARG_T(im->mark), ARG_I(im->done), ARG_B(text_span(&im->ids))),
                  NULL, &c->fail);
    if (err != OK || !im->digest.len)
        return err;
    uint8_t mac[32];
    gate_import_mac(&c->gate, im->name, im->digest, mac);
    return store_run(c->gate.st, Q_META_PUT,
                     ARGS(ARG_T(im->lines), ARG_I(im->done), ARG_B(span_of(mac, sizeof mac))), NULL,
                     &c->fail);
}

/* ---- One line */

static enum err line_check(struct call *c, const struct json *line)
{
    if (json_kind(line) != JSON_OBJECT)
        return fail_set(&c->fail, ERR_BAD_JSON, "The line is not a JSON object.");
    enum err err = schema_check(schema_find("import_line"), line, &c->fail);
    size_t acts = json_count(json_get(line, "consents")) + json_count(json_get(line, "data"));
    if (err == OK && acts >= IMPORT_ENTRIES)
        err = fail_set(&c->fail, ERR_TOO_LARGE, "A line has at most %d consents and sets of data.",
                       IMPORT_ENTRIES - 1);
    return err;
}

/* The line speaks for its service: nothing more is allowed than this service may do itself. */
static enum err line_service(struct call *c, const struct json *line)
{
    struct span name = json_span(json_get(line, "service"));
    c->gate.service = registers_service(c->gate.view->registers, name);
    c->role = ROLE_SERVICE;
    if (c->gate.service)
        return OK;
    fail_where(&c->fail, "/service");
    return fail_set(&c->fail, ERR_UNKNOWN_NAME, "There is no service `%.*s`.", SPAN_F(span_sub(name, 0, 64)));
}

/* "/data/0" before "/values/contact-phone". */
static void place_inside(struct fail *f, const char *where)
{
    char all[FAIL_WHERE_MAX];
    snprintf(all, sizeof all, "%s%.*s", where, (int)(sizeof all - 64), f->where);
    memcpy(f->where, all, sizeof all);
}

typedef enum err (*act_fn)(struct call *c, struct subject *s);

static enum err line_acts(struct call *c, const struct json *list, const char *member, const char *schema,
                          act_fn act, struct subject *s)
{
    const struct schema *row = schema_find(schema);
    char where[64] = "";
    enum err err = OK;
    if (list && json_kind(list) != JSON_ARRAY)
        err = fail_set(&c->fail, ERR_WRONG_TYPE, "`%s` must be a list.", member);
    for (size_t i = 0; err == OK && i < json_count(list); i++) {
        snprintf(where, sizeof where, "/%s/%zu", member, i);
        c->body = json_at(list, i);
        err = schema_check(row, c->body, &c->fail);
        if (err == OK)
            err = act(c, s);
    }
    if (err != OK)
        place_inside(&c->fail, where);
    return err;
}

static enum err line_run(struct call *c, const struct json *line, struct subject *s)
{
    struct date birth = {0};
    enum err err = line_check(c, line);
    if (err == OK)
        err = line_service(c, line);
    if (err != OK)
        return err;
    date_get(json_span(json_get(line, "birth_date")), &birth);
    err = gate_subject_create(&c->gate, birth, json_span(json_get(line, "device")), s, &c->fail);
    if (err == ERR_BAD_VALUE)
        fail_where(&c->fail, "/birth_date");
    if (err == OK)
        err = call_relate(c, s, c->gate.service->name);
    if (err == OK)
        err = line_acts(c, json_get(line, "consents"), "consents", "consent_new", consent_act, s);
    return err == OK ? line_acts(c, json_get(line, "data"), "data", "data_put", data_act, s) : err;
}

/* ---- A line that fails */

static void put_problem(struct import *im, uint64_t number)
{
    struct call *c = im->call;
    struct response res = {0};
    http_problem(c->arena, &res, &c->fail, SPAN_EMPTY);
    json_open(&im->problems, NULL, '{');
    json_i64(&im->problems, "line", (int64_t)number);
    json_raw(&im->problems, "problem", res.body);
    json_close(&im->problems, '}');
}

/* What is no fault of the line ends the whole: nothing of this batch is kept then. */
static bool is_ours(enum err e)
{
    return err_row(e)->status >= 500;
}

static enum err line_take(struct import *im, const struct json *line, uint64_t number)
{
    static const struct subject nobody;
    struct call *c = im->call;
    struct subject s = {0};
    size_t before = c->gate.n_entries;
    enum err err = store_savepoint(c->gate.st, &c->fail);
    if (err != OK)
        return err;
    err = line_run(c, line, &s);
    if (is_ours(err)) {
        store_savepoint_undo(c->gate.st); /* ours must end here: the next one undone is the whole batch's */
        return err;
    }
    if (err == OK) {
        store_savepoint_keep(c->gate.st);
        im->imported++;
    } else {
        store_savepoint_undo(c->gate.st);
        call_undone(c, before);
        put_problem(im, number);
        s = nobody;
    }
    text_put(&im->ids, span_of(s.id.b, ID_LEN));
    c->gate.undo = false;
    c->fail = (struct fail){0};
    c->extra = SPAN_EMPTY;
    return OK;
}

static enum err lines_take(struct import *im, const struct json *lines)
{
    struct call *c = im->call;
    const struct json *body = c->body;
    enum err err = OK;
    c->many = true;
    c->gate.keep = im->main;
    c->arena = c->gate.arena = im->scratch;
    for (size_t i = 0; i < json_count(lines) && err == OK; i++) {
        err = line_take(im, json_at(lines, i), im->done + i + 1);
        arena_reset(im->scratch);
    }
    c->arena = c->gate.arena = im->main;
    c->gate.keep = NULL;
    c->many = false;
    c->body = body;
    c->role = ROLE_OPERATOR;
    c->gate.service = NULL;
    im->done += json_count(lines);
    return err;
}

/* ---- The answer */

static void put_ids(struct text *t, struct span ids)
{
    static const uint8_t none[ID_LEN];
    json_open(t, "ids", '[');
    for (size_t at = 8; at + ID_LEN <= ids.len; at += ID_LEN) {
        if (memcmp(ids.p + at, none, ID_LEN) == 0)
            json_null(t, NULL);
        else
            json_hex(t, NULL, ids.p + at, ID_LEN);
    }
    json_close(t, ']');
}

static uint64_t first_of(struct span ids)
{
    uint64_t first = 0;
    for (size_t i = 0; ids.len >= 8 && i < 8; i++)
        first = first << 8 | ids.p[i];
    return first;
}

static bool same_lines(const struct import *im)
{
    uint8_t mac[32];
    gate_import_mac(&im->call->gate, im->name, im->digest, mac);
    return crypto_equal(span_of(mac, sizeof mac), im->kept);
}

static void answer_import(struct import *im, struct span ids)
{
    struct text t = text_new(im->main, 8192);
    json_open(&t, NULL, '{');
    json_i64(&t, "done", (int64_t)im->done);
    json_i64(&t, "imported", (int64_t)im->imported);
    json_i64(&t, "first", (int64_t)first_of(ids));
    put_ids(&t, ids);
    json_open(&t, "problems", '[');
    text_put(&t, text_span(&im->problems));
    json_close(&t, ']');
    if (im->digest.len && im->kept.len)
        json_bool(&t, "same", same_lines(im));
    json_close(&t, '}');
    http_json(im->call->res, 200, &t);
}

static void ids_begin(struct import *im)
{
    uint64_t first = im->done + 1;
    for (unsigned i = 0; i < 8; i++)
        text_char(&im->ids, (char)(first >> (56 - 8 * i)));
}

void api_import(struct call *c)
{
    struct import im = {.call = c, .main = c->arena};
    const struct json *lines = json_get(c->body, "lines");
    int64_t from = 0;
    im.name = call_member(c, "name");
    im.digest = call_member(c, "digest");
    im.mark = gate_import_row(&c->gate, GATE_IMPORT, im.name);
    im.lines = gate_import_row(&c->gate, GATE_IMPORT_LINES, im.name);
    im.ids = text_new(c->arena, 4096);
    im.problems = text_new(c->arena, 1024);
    json_read_i64(c->body, "from", true, &from, NULL);
    if (json_kind(lines) != JSON_ARRAY || json_count(lines) > IMPORT_LINES_MAX) {
        fail_where(&c->fail, "/lines");
        fail_set(&c->fail, ERR_BAD_VALUE, "`lines` must be a list of at most %d.", IMPORT_LINES_MAX);
        return;
    }
    if (state_read(&im) != OK)
        return;
    if (!json_count(lines) || (uint64_t)from != im.done + 1) { /* asks how far it is */
        answer_import(&im, im.last);
        return;
    }
    ids_begin(&im);
    im.kept = SPAN_EMPTY; /* of the lines before these */
    im.scratch = arena_new(0);
    enum err err = lines_take(&im, lines);
    arena_free(im.scratch);
    if (err == OK && state_write(&im) == OK)
        answer_import(&im, text_span(&im.ids));
}
