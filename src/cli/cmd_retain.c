// SPDX-License-Identifier: Apache-2.0
/* troth retain sweep: one batch after the other until nothing is due. See cli_impl.h */
#include "cli_impl.h"

#include "json.h"

#include <stdio.h>

struct swept {
    int64_t due, deleted, held, grown;
    bool more;
};

/* One request; its members are added up. */
static int ask(struct cli *c, enum method m, const char *path, const struct json **out)
{
    struct cli_answer answer;
    struct fail f = {0};
    struct span body = m == METHOD_POST ? SPAN("{}") : SPAN_EMPTY;
    if (cli_send(c, m, span_str(path), SPAN_EMPTY, body, &answer, &f) != OK)
        return cli_fail(&f);
    if (answer.status >= 400)
        return cli_problem(c, &answer);
    return json_parse(c->arena, answer.body, out, &f) == OK ? CLI_OK : cli_fail(&f);
}

static void add(const struct json *j, const char *name, int64_t *sum)
{
    int64_t n = 0;
    if (json_read_i64(j, name, false, &n, NULL) == OK)
        *sum += n;
}

static int batch(struct cli *c, struct swept *s)
{
    const struct json *j = NULL;
    int code = ask(c, METHOD_POST, "/v1/retention/sweep", &j);
    if (code != CLI_OK)
        return code;
    add(j, "deleted", &s->deleted);
    add(j, "held", &s->held);
    add(j, "grown", &s->grown);
    s->more = false;
    json_read_bool(j, "more", false, &s->more, NULL);
    cli_progress("values", (uint64_t)(s->deleted + s->held), (uint64_t)s->due);
    return CLI_OK;
}

int cmd_retain_sweep(struct cli *c)
{
    struct swept s = {.more = true};
    const struct json *j = NULL;
    int code = ask(c, METHOD_GET, "/v1/retention", &j);
    if (code == CLI_OK)
        add(j, "due", &s.due);
    while (code == CLI_OK && s.more)
        code = batch(c, &s);
    cli_progress_end();
    if (code == CLI_OK && c->json)
        printf("{\"deleted\":%lld,\"held\":%lld,\"grown\":%lld}\n", (long long)s.deleted, (long long)s.held,
               (long long)s.grown);
    else if (code == CLI_OK)
        printf("%lld values deleted, %lld kept by a legal hold, %lld keys moved to the class of adults\n",
               (long long)s.deleted, (long long)s.held, (long long)s.grown);
    cli_close(c);
    return code;
}
