// SPDX-License-Identifier: Apache-2.0
/*
 * cmd_witness.c: `troth audit witness`, a process for another machine and another owner, and `troth audit
 * witness-feed`, which takes the record's heads to witnesses. The daemon itself connects to nobody.
 */
#include "cli_impl.h"
#include "file.h"
#include "http.h"
#include "log.h"
#include "trust.h"
#include "witness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WITNESS_LISTEN  "127.0.0.1:8090"
#define ADD_PATH        "/add-checkpoint"
#define CONNECTIONS_MAX 256
#define GRACE_S         5

static uint64_t seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec;
}

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- The witness's side of HTTP */

static size_t body_max(void *ctx, enum method m, struct span path)
{
    (void)ctx;
    return m == METHOD_POST && span_is(path, ADD_PATH) ? WITNESS_BODY_MAX : 0;
}

static void handle(void *ctx, struct http_exchange *x)
{
    struct witness *w = ctx;
    struct witness_answer answer = {404, "text/plain; charset=utf-8",
                                    SPAN("POST /add-checkpoint, or GET /key\n")};
    struct response *res = ARENA_NEW(x->arena, struct response);
    if (x->req.method == METHOD_POST && span_is(x->req.path, ADD_PATH))
        witness_add(w, x->req.body, seconds_now(), x->arena, &answer);
    else if (x->req.method == METHOD_GET && span_is(x->req.path, "/key"))
        answer =
            (struct witness_answer){200, answer.type, arena_fmt(x->arena, "%.*s\n", SPAN_F(witness_key(w)))};
    res->status = answer.status;
    res->content_type = span_str(answer.type);
    res->body = answer.body;
    http_reply(x, res);
}

/* One verifier key a line, blank lines and comments left out. */
static enum err read_logs(struct arena *a, const char *path, struct span *logs, size_t *n, struct fail *f)
{
    struct span text, line;
    enum err e = file_read(a, path, TRUST_FILE_MAX, &text, f);
    while (!e && span_cut(&text, '\n', &line)) {
        line = span_trim(line);
        if (line.len == 0 || line.p[0] == '#')
            continue;
        if (*n == WITNESS_LOGS_MAX)
            return fail_set(f, ERR_BAD_VALUE, "%s: more than %d keys", path, WITNESS_LOGS_MAX);
        logs[(*n)++] = line;
    }
    return e;
}

static enum err open_witness(struct cli *c, struct witness **w, struct fail *f)
{
    struct span logs[WITNESS_LOGS_MAX];
    size_t n = 0;
    const char *dir = c->arg[0], *name = cli_get(c, "name");
    enum err e = OK;
    if (!file_exists(arena_str(c->arena, arena_fmt(c->arena, "%s/witness-key", dir)))) {
        if (!name) {
            fail_hint(f, "say who it is: --name witness.example/w1");
            return fail_set(f, ERR_NOT_FOUND, "%s holds no witness yet", dir);
        }
        e = witness_create(dir, name, f);
    }
    if (!e)
        e = read_logs(c->arena, cli_get(c, "logs"), logs, &n, f);
    return e ? e : witness_open(dir, logs, n, w, f);
}

int cmd_audit_witness(struct cli *c)
{
    struct witness *w = NULL;
    struct http_server *server;
    struct fail f = {0};
    sigset_t set;
    int got = 0;
    const char *listen = cli_get(c, "listen");
    block_signals(&set);
    struct http_config config = {.listen = listen ? listen : WITNESS_LISTEN,
                                 .threads = 1,
                                 .connections_max = CONNECTIONS_MAX,
                                 .body_max = body_max,
                                 .handle = handle};
    if (open_witness(c, &w, &f) != OK)
        return cli_fail(&f);
    config.ctx = w;
    if (http_start(&config, &server, &f) != OK) {
        witness_close(w);
        return cli_fail(&f);
    }
    printf("%.*s\nport %u\n", SPAN_F(witness_key(w)), http_port(server));
    fflush(stdout);
    sigwait(&set, &got);
    http_stop(server, GRACE_S);
    witness_close(w);
    http_free(server);
    return CLI_OK;
}
