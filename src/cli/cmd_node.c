// SPDX-License-Identifier: Apache-2.0
/* troth node retire: one batch of its outbox after the other. See cli_impl.h */
#include "cli_impl.h"

#include "json.h"

#include <stdio.h>

static int batch(struct cli *c, struct span path, int64_t *adopted, bool *more)
{
    struct cli_answer answer;
    struct fail f = {0};
    const struct json *j = NULL;
    int64_t n = 0;
    if (cli_send(c, METHOD_POST, path, SPAN_EMPTY, SPAN("{}"), &answer, &f) != OK)
        return cli_fail(&f);
    if (answer.status >= 400)
        return cli_problem(c, &answer);
    if (json_parse(c->arena, answer.body, &j, &f) != OK)
        return cli_fail(&f);
    json_read_i64(j, "adopted", false, &n, NULL);
    *more = false;
    json_read_bool(j, "more", false, more, NULL);
    *adopted += n;
    return CLI_OK;
}

int cmd_node_retire(struct cli *c)
{
    struct text path = text_new(c->arena, 64);
    int64_t adopted = 0;
    bool more = true;
    int code = CLI_OK;
    text_str(&path, "/v1/nodes/");
    text_url(&path, span_str(c->arg[0]));
    text_str(&path, "/retire");
    while (code == CLI_OK && more)
        code = batch(c, text_span(&path), &adopted, &more);
    if (code == CLI_OK && c->json)
        printf("{\"adopted\":%lld}\n", (long long)adopted);
    else if (code == CLI_OK)
        printf("node %s is retired; %lld entries of its outbox are in this node's record\n", c->arg[0],
               (long long)adopted);
    cli_close(c);
    return code;
}
