// SPDX-License-Identifier: Apache-2.0
/* troth key rotate: one request after the other, until no person's key is left under an old one. See
 * cli_impl.h */
#include "cli_impl.h"

#include "json.h"

#include <stdio.h>

struct rotation {
    const char *to; /* from the root; null: in place */
    struct cli_answer answer;
    struct span after;
    uint64_t total, done;
    int64_t generation;
    bool resumed, finished;
};

static enum err step(struct cli *c, const char *key, struct rotation *r, struct fail *f)
{
    struct text t = text_new(c->arena, 256);
    json_open(&t, NULL, '{');
    json_str(&t, "key", key);
    if (r->after.len)
        json_string(&t, "after", r->after);
    if (r->to)
        json_str(&t, "file", r->to);
    json_close(&t, '}');
    return cli_send(c, METHOD_POST, SPAN("/v1/keys/rotate"), SPAN_EMPTY, text_span(&t), &r->answer, f);
}

static uint64_t number(const struct json *j, const char *name)
{
    int64_t n = 0;
    return json_read_i64(j, name, false, &n, NULL) == OK && n > 0 ? (uint64_t)n : 0;
}

static bool truth(const struct json *j, const char *name)
{
    bool b = false;
    return json_read_bool(j, name, false, &b, NULL) == OK && b;
}

static enum err read_answer(struct cli *c, struct rotation *r, struct fail *f)
{
    const struct json *j = NULL;
    enum err err = json_parse(c->arena, r->answer.body, &j, f);
    if (err != OK)
        return err;
    bool began = r->after.len == 0;
    r->total += number(j, "left");
    r->done += number(j, "wrapped");
    r->generation = (int64_t)number(j, "generation");
    r->finished = truth(j, "finished");
    r->resumed |= began && truth(j, "resumed");
    r->after = json_span(json_get(j, "after"));
    return OK;
}

static int rotate(struct cli *c, const char *key, struct rotation *r)
{
    struct fail f = {0};
    while (!r->finished) {
        if (step(c, key, r, &f) != OK)
            return cli_fail(&f);
        if (r->answer.status >= 400)
            return cli_problem(c, &r->answer);
        if (read_answer(c, r, &f) != OK)
            return cli_fail(&f);
        cli_progress("keys wrapped", r->done, r->total);
    }
    return CLI_OK;
}

static void report(struct cli *c, const char *key, const struct rotation *r)
{
    if (c->json)
        printf("{\"key\":\"%s\",\"generation\":%lld,\"wrapped\":%llu,\"resumed\":%s}\n", key,
               (long long)r->generation, (unsigned long long)r->done, r->resumed ? "true" : "false");
    else if (r->generation == 0)
        printf("the master key was changed%s%s%s; keep a copy of the new one apart\n",
               r->to ? ": from now on it is " : "", r->to ? r->to : "",
               r->to ? ", the next start needs --master-key with it, and the old file opens nothing" : "");
    else
        printf("class %s: %llu keys under generation %lld, the old key is gone%s\n", key,
               (unsigned long long)r->done, (long long)r->generation,
               r->resumed ? " (an earlier change was finished)" : "");
}

int cmd_key_rotate(struct cli *c)
{
    const char *class_name = cli_get(c, "class");
    bool master = cli_get(c, "master") != NULL;
    struct rotation r = {0};
    struct fail f = {0};
    if (master == (class_name != NULL))
        return cli_usage(c->command, "say which: --class adult, --class child or --master");
    if (class_name && strcmp(class_name, "adult") != 0 && strcmp(class_name, "child") != 0)
        return cli_usage(c->command, "--class is adult or child");
    if (cli_get(c, "to") && cli_absolute(c, cli_get(c, "to"), &r.to, &f) != OK)
        return cli_fail(&f);
    int code = rotate(c, master ? "master" : class_name, &r);
    cli_progress_end();
    if (code == CLI_OK)
        report(c, master ? "master" : class_name, &r);
    cli_close(c);
    return code;
}
