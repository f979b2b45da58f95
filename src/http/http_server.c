// SPDX-License-Identifier: Apache-2.0
/* Start and stop: see http.h. */
#define _GNU_SOURCE /* pthread_timedjoin_np */
#include "http_impl.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OPERATOR_CONNECTIONS 64 /* one operator's commands */

static enum err loop_new(struct http_server *s, struct http_socket *k, unsigned connections, struct fail *f)
{
    struct http_loop *l = &s->loop[s->n_loops];
    *l = (struct http_loop){.server = s, .number = s->n_loops++, .wake_fd = -1};
    return loop_open(l, k, connections, f);
}

static struct http_socket *socket_new(struct http_server *s, int fd, bool operator_socket)
{
    struct http_socket *k = &s->socket[s->n_sockets++];
    *k = (struct http_socket){.fd = fd, .operator_socket = operator_socket};
    return k;
}

static enum err network_open(struct http_server *s, struct fail *f)
{
    int fd;
    unsigned n = s->config.threads, each = (s->config.connections_max + n - 1) / n;
    enum err err = listen_address(s->config.listen, &fd, &s->port, f);
    if (err != OK)
        return err;
    struct http_socket *k = socket_new(s, fd, false);
    for (unsigned i = 0; i < n && err == OK; i++)
        err = loop_new(s, k, each, f);
    return err;
}

static enum err operator_open(struct http_server *s, struct fail *f)
{
    int fd;
    if (!s->config.operator_path)
        return OK;
    enum err err = listen_path(s->config.operator_path, &fd, f);
    if (err != OK)
        return err;
    snprintf(s->operator_path, sizeof s->operator_path, "%s", s->config.operator_path);
    return loop_new(s, socket_new(s, fd, true), OPERATOR_CONNECTIONS, f);
}

enum err http_start(const struct http_config *c, struct http_server **out, struct fail *f)
{
    if (c->threads < 1 || c->threads > HTTP_THREADS_MAX || c->connections_max < c->threads)
        return fail_set(f, ERR_BAD_VALUE, "the HTTP server needs 1 to %d threads, and a connection for each",
                        HTTP_THREADS_MAX);
    struct http_server *s = calloc(1, sizeof *s);
    if (!s)
        abort(); /* out of memory ends the process, as in the arena */
    s->config = *c;
    enum err err = network_open(s, f);
    if (err == OK)
        err = operator_open(s, f);
    for (unsigned i = 0; i < s->n_loops && err == OK; i++)
        err = loop_start(&s->loop[i], f);
    if (err != OK) {
        http_stop(s, 0);
        http_free(s);
        return err;
    }
    *out = s;
    return OK;
}

unsigned http_port(const struct http_server *s)
{
    return s->port;
}

/* ---- Stopping */

static int64_t monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = HTTP_STOP_POLL_MS * 1000000L}, NULL);
}

static bool any_open(const struct http_server *s)
{
    bool any = false;
    for (unsigned i = 0; i < s->n_loops; i++)
        any |= atomic_load(&s->loop[i].open) != 0;
    return any;
}

static void tell(struct http_server *s, atomic_bool *what)
{
    atomic_store(what, true);
    for (unsigned i = 0; i < s->n_loops; i++)
        loop_wake(&s->loop[i]);
}

/* Handlers always come to an end, and their loops with them. */
static void await_loops(struct http_server *s)
{
    struct timespec until;
    bool said = false;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += HTTP_STOP_QUIET_S;
    for (unsigned i = 0; i < s->n_loops; i++) {
        struct http_loop *l = &s->loop[i];
        if (!l->runs)
            continue;
        bool late = pthread_timedjoin_np(l->thread, NULL, &until) != 0;
        if (late && !said)
            log_line(LOG_LVL_WARN, "http", "answers are still under way; waiting for them");
        said |= late;
        if (late)
            pthread_join(l->thread, NULL);
    }
}

void http_stop(struct http_server *s, unsigned grace_s)
{
    int64_t until = monotonic_ms() + (int64_t)grace_s * 1000;
    for (size_t i = 0; i < s->n_sockets;
         i++) /* who comes now is refused, instead of waiting in the backlog */
        shutdown(s->socket[i].fd, SHUT_RDWR);
    tell(s, &s->stopping);
    while (any_open(s) && monotonic_ms() < until)
        nap();
    tell(s, &s->closing);
    await_loops(s);
    for (unsigned i = 0; i < s->n_loops; i++)
        loop_close(&s->loop[i]);
    for (size_t i = 0; i < s->n_sockets; i++)
        close(s->socket[i].fd);
    if (s->operator_path[0])
        unlink(s->operator_path);
    while (atomic_load(&s->replying)) /* a thread between its answer and the end of http_reply */
        nap();
}

void http_free(struct http_server *s)
{
    free(s);
}
