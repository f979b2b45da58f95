// SPDX-License-Identifier: Apache-2.0
/* troth audit prune: begin, then one step after the other until all is gone. See cli_impl.h */
#include "cli_impl.h"

#include "json.h"

#include <stdio.h>
#include <time.h>

#define STEP_MS 20

struct plan {
    int64_t epochs, entries, bytes, minimum;
    bool resumed;
};

static int post(struct cli *c, const char *path, struct span body, const struct json **out)
{
    struct cli_answer answer;
    struct fail f = {0};
    if (cli_send(c, METHOD_POST, span_str(path), SPAN_EMPTY, body, &answer, &f) != OK)
        return cli_fail(&f);
    if (answer.status >= 400)
        return cli_problem(c, &answer);
    return json_parse(c->arena, answer.body, out, &f) == OK ? CLI_OK : cli_fail(&f);
}

/* Asking for the list waits until history.db knows whose the entries are. */
static int wait_history(struct cli *c)
{
    struct cli_answer answer;
    struct fail f = {0};
    if (cli_send(c, METHOD_GET, SPAN("/v1/audit/epochs"), SPAN_EMPTY, SPAN_EMPTY, &answer, &f) != OK)
        return cli_fail(&f);
    return answer.status >= 400 ? cli_problem(c, &answer) : CLI_OK;
}

static int begin(struct cli *c, bool dry, struct plan *p)
{
    const struct json *j = NULL;
    const char *until = cli_get(c, "until");
    struct text t = text_new(c->arena, 128);
    json_open(&t, NULL, '{');
    if (until)
        json_str(&t, "epoch", until);
    json_bool(&t, "dry_run", dry);
    json_close(&t, '}');
    int code = wait_history(c);
    if (code == CLI_OK)
        code = post(c, "/v1/audit/prune", text_span(&t), &j);
    if (code != CLI_OK)
        return code;
    json_read_i64(j, "epochs", false, &p->epochs, NULL);
    json_read_i64(j, "entries", false, &p->entries, NULL);
    json_read_i64(j, "bytes", false, &p->bytes, NULL);
    json_read_i64(j, "minimum", false, &p->minimum, NULL);
    json_read_bool(j, "resumed", false, &p->resumed, NULL);
    return CLI_OK;
}

/* The last steps wait for history.db, which the daemon goes through beside its work. */
static void pause_a_little(void)
{
    const struct timespec t = {.tv_nsec = STEP_MS * 1000000L};
    nanosleep(&t, NULL);
}

/* How many segments there are to go is known from the first answer on. */
static int finish(struct cli *c)
{
    int64_t most = 0;
    bool more = true;
    while (more) {
        const struct json *j = NULL;
        int64_t left = 0;
        int code = post(c, "/v1/audit/prune/step", SPAN("{}"), &j);
        if (code != CLI_OK)
            return code;
        json_read_i64(j, "left", false, &left, NULL);
        more = false;
        json_read_bool(j, "more", false, &more, NULL);
        most = left > most ? left : most;
        cli_progress("segments pruned", (uint64_t)(most - left), (uint64_t)most);
        if (more && left == 0)
            pause_a_little();
    }
    return CLI_OK;
}

static void report(struct cli *c, const struct plan *p, bool dry)
{
    if (c->json)
        printf("{\"epochs\":%lld,\"entries\":%lld,\"bytes\":%lld,\"minimum\":%lld,\"dry_run\":%s}\n",
               (long long)p->epochs, (long long)p->entries, (long long)p->bytes, (long long)p->minimum,
               dry ? "true" : "false");
    else if (p->epochs == 0)
        printf("nothing is due; `troth audit epochs` tells when\n");
    else
        printf("%lld epochs with %lld entries %s, %lld bytes; the record begins at entry %lld%s\n",
               (long long)p->epochs, (long long)p->entries, dry ? "would go" : "are gone",
               (long long)p->bytes, (long long)p->minimum, dry ? " then" : " now");
}

/* What an earlier call left unfinished is finished first, and then what was asked for now is begun. */
int cmd_audit_prune(struct cli *c)
{
    bool dry = cli_get(c, "dry-run") != NULL;
    struct plan p = {0};
    int code = begin(c, dry, &p);
    if (code == CLI_OK && p.resumed && !dry) {
        p.resumed = false;
        code = finish(c);
        if (code == CLI_OK)
            code = begin(c, dry, &p);
    }
    if (code == CLI_OK && !dry && p.epochs)
        code = finish(c);
    cli_progress_end();
    if (code == CLI_OK)
        report(c, &p, dry);
    cli_close(c);
    return code;
}
