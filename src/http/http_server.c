// SPDX-License-Identifier: Apache-2.0
/* Start and stop: see http.h. */
#include "http_impl.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OPERATOR_THREADS     2  /* not one: a pool of one collapses (docs/architecture.md) */
#define OPERATOR_CONNECTIONS 64 /* one operator's commands */

/* Paths and queries stay as they were sent; http_match and http_form_get decode. */
static size_t unescape_nothing(void *cls, struct MHD_Connection *c, char *s)
{
    (void)cls, (void)c;
    return strlen(s);
}

static enum err daemon_start(struct http_socket *k, unsigned threads, unsigned connections, struct fail *f)
{
    /* Without MHD_USE_ERROR_LOG: its log would hold what clients send. */
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    k->daemon = MHD_start_daemon(flags, 0, NULL, NULL, exchange_step, k, MHD_OPTION_LISTEN_SOCKET, k->fd,
                                 MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT,
                                 connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_S,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL_BYTES,
                                 MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, exchange_begin,
                                 k, MHD_OPTION_NOTIFY_COMPLETED, exchange_end, k,
                                 MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing, NULL, MHD_OPTION_END);
    return k->daemon ? OK : fail_set(f, ERR_INTERNAL, "the HTTP server could not start its threads");
}

static struct http_socket *socket_new(struct http_server *s, int fd, bool operator_socket)
{
    struct http_socket *k = &s->socket[s->n_sockets++];
    *k = (struct http_socket){.server = s, .fd = fd, .operator_socket = operator_socket};
    return k;
}

static enum err network_start(struct http_server *s, struct fail *f)
{
    int fd;
    enum err err = listen_address(s->config.listen, &fd, &s->port, f);
    return err == OK ? daemon_start(socket_new(s, fd, false), s->config.threads, s->config.connections_max, f)
                     : err;
}

static enum err operator_start(struct http_server *s, struct fail *f)
{
    int fd;
    if (!s->config.operator_path)
        return OK;
    enum err err = listen_path(s->config.operator_path, &fd, f);
    if (err != OK)
        return err;
    snprintf(s->operator_path, sizeof s->operator_path, "%s", s->config.operator_path);
    return daemon_start(socket_new(s, fd, true), OPERATOR_THREADS, OPERATOR_CONNECTIONS, f);
}

enum err http_start(const struct http_config *c, struct http_server **out, struct fail *f)
{
    if (c->threads < 2 || c->connections_max < c->threads)
        return fail_set(f, ERR_BAD_VALUE,
                        "the HTTP server needs two threads or more, and a connection for each");
    struct http_server *s = calloc(1, sizeof *s);
    if (!s)
        abort(); /* out of memory ends the process, as in the arena */
    s->config = *c;
    enum err err = network_start(s, f);
    if (err == OK)
        err = operator_start(s, f);
    if (err != OK) {
        http_stop(s, 0);
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

static void accept_no_more(struct http_socket *k)
{
    if (!k->daemon)
        return;
    MHD_quiesce_daemon(k->daemon);
    shutdown(k->fd, SHUT_RDWR); /* who comes now is refused, instead of waiting in the backlog */
}

static void socket_close(struct http_socket *k)
{
    if (k->daemon)
        MHD_stop_daemon(k->daemon);
    close(k->fd);
}

/* libmicrohttpd must not stop with suspended connections; handlers always come to an end. */
static void await_handlers(const struct http_server *s)
{
    for (unsigned naps = 0; atomic_load(&s->handling); naps++) {
        if (naps == HTTP_STOP_NAPS_QUIET)
            log_line(LOG_LVL_WARN, "http", "answers are still under way; waiting for them");
        nap();
    }
}

void http_stop(struct http_server *s, unsigned grace_s)
{
    int64_t until = monotonic_ms() + (int64_t)grace_s * 1000;
    atomic_store(&s->stopping, true);
    for (size_t i = 0; i < s->n_sockets; i++)
        accept_no_more(&s->socket[i]);
    while (atomic_load(&s->open) && monotonic_ms() < until)
        nap();
    atomic_store(&s->closing, true);
    await_handlers(s);
    for (size_t i = 0; i < s->n_sockets; i++)
        socket_close(&s->socket[i]);
    if (s->operator_path[0])
        unlink(s->operator_path);
    free(s);
}
