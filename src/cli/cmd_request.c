// SPDX-License-Identifier: Apache-2.0
/* Commands that are one request: from the row and the options to path, query and body. See cli_impl.h */
#include "cli_impl.h"

#include <stdio.h>

static struct span request_path(const struct cli *c)
{
    struct text t = text_new(c->arena, 128);
    const char *place = strstr(c->command->path, "{0}");
    if (!place)
        return span_str(c->command->path);
    text_put(&t, span_of(c->command->path, (size_t)(place - c->command->path)));
    text_url(&t, span_str(c->arg[0]));
    text_str(&t, place + 3);
    return text_span(&t);
}

static struct span request_query(const struct cli *c)
{
    struct text t = text_new(c->arena, 64);
    const struct cli_option *o = c->command->options;
    for (size_t i = 0; o && o[i].name; i++) {
        if (!c->value[i] || !o[i].member || o[i].member[0] != '?')
            continue;
        text_fmt(&t, "%s%s=", t.len ? "&" : "", o[i].member + 1);
        text_url(&t, span_str(c->value[i]));
    }
    return text_span(&t);
}

static void put_list(struct text *t, const char *member, struct span commas)
{
    struct span one;
    json_open(t, member, '[');
    while (span_cut(&commas, ',', &one))
        json_string(t, NULL, span_trim(one));
    json_close(t, ']');
}

static void put_option(struct text *t, const struct cli_option *o, const char *value)
{
    switch (o->type) {
    case CLI_FLAG:
    case CLI_OFF:
        json_bool(t, o->member, o->type == CLI_FLAG);
        break;
    case CLI_STRING:
        json_str(t, o->member, value);
        break;
    case CLI_NUMBER:
        json_raw(t, o->member, span_str(value));
        break;
    case CLI_LIST:
        put_list(t, o->member, span_str(value));
        break;
    }
}

static struct span request_body(const struct cli *c)
{
    struct text t = text_new(c->arena, 256);
    const struct cli_option *o = c->command->options;
    if (c->command->method != METHOD_POST)
        return SPAN_EMPTY;
    json_open(&t, NULL, '{');
    if (c->command->member)
        json_str(&t, c->command->member, c->arg[0]);
    if (c->command->fixed)
        json_raw(&t, NULL, span_str(c->command->fixed));
    for (size_t i = 0; o && o[i].name; i++)
        if (c->value[i] && o[i].member && o[i].member[0] != '?')
            put_option(&t, &o[i], c->value[i]);
    json_close(&t, '}');
    return text_span(&t);
}

static int print_answer(struct cli *c, const struct cli_answer *answer)
{
    if (answer->status >= 400)
        return cli_problem(c, answer);
    if (c->json)
        printf("%.*s\n", SPAN_F(answer->body));
    else
        cli_print(answer->body);
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

int cmd_request(struct cli *c)
{
    struct cli_answer answer;
    struct fail f = {0};
    enum err err =
        cli_send(c, c->command->method, request_path(c), request_query(c), request_body(c), &answer, &f);
    int code = err == OK ? print_answer(c, &answer) : cli_fail(&f);
    cli_close(c);
    return code;
}
