// SPDX-License-Identifier: Apache-2.0
/* troth serve, trothd. See cli_impl.h */
#include "cli_impl.h"

#include "log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define LISTEN_DEFAULT "127.0.0.1:8080"
#define NOT_A_READER   "--readers takes 1 to 16."
#define READERS_MAX    16 /* ENGINE_READERS_MAX */

/* Each connection is a descriptor: as many as we may. */
static void raise_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Blocked before any thread exists, so that only sigwait sees them. */
static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void announce(struct cli *c, const char *listen)
{
    struct span address = span_str(listen);
    size_t colon = address.len;
    while (colon > 0 && address.p[colon - 1] != ':')
        colon--;
    printf("troth %s serves %s at http://%.*s%u/\n%.*s\n", c->version, c->data, (int)colon, listen,
           web_port(c->web), SPAN_F(web_summary(c->web, c->arena)));
    fflush(stdout);
}

static int start_failed(const struct policy_messages *m, const struct fail *f)
{
    if (f->code == ERR_POLICY)
        cli_policy_messages(m);
    return cli_fail(f);
}

static int wait_for_end(struct cli *c, const sigset_t *set)
{
    int got = 0;
    sigwait(set, &got);
    log_line(LOG_LVL_INFO, "main", "signal %d: stopping", got);
    cli_close(c);
    log_line(LOG_LVL_INFO, "main", "stopped");
    return CLI_OK;
}

int cmd_serve(struct cli *c)
{
    const char *listen = cli_get(c, "listen"), *readers = cli_get(c, "readers");
    struct web_config config = {.data = c->arg[0],
                                .master_key = cli_get(c, "master-key"),
                                .master_key_command = cli_master_command(c),
                                .listen = listen ? listen : LISTEN_DEFAULT,
                                .clock_file = c->clock_file,
                                .known_checkpoint = cli_get(c, "known-checkpoint"),
                                .checkpoint_to = cli_get(c, "checkpoint-to"),
                                .accept_loss = cli_get(c, "accept-loss") != NULL,
                                .readers = readers ? (unsigned)atoi(readers) : 0,
                                .version = c->version,
                                .commit = c->commit};
    struct policy_messages *m = ARENA_NEW(c->arena, struct policy_messages);
    struct fail f = {0};
    sigset_t set;
    if (readers && (config.readers < 1 || config.readers > READERS_MAX))
        return cli_usage(c->command, NOT_A_READER);
    c->data = c->arg[0];
    raise_limits();
    block_signals(&set);
    if (web_start(&config, c->arena, m, &c->web, &f) != OK)
        return start_failed(m, &f);
    announce(c, config.listen);
    return wait_for_end(c, &set);
}
