// SPDX-License-Identifier: Apache-2.0
/*
 * A loop: one thread, its own daemon of libmicrohttpd, its own connections. See http_impl.h.
 *
 *   wait (input, or "answers are there") -> run -> [handle()]* -> run until nothing moves -> after_round() ->
 * wait
 *
 * An exchange whose answer is not there yet is not suspended: that would be two changes of the epoll set and
 * a write to an eventfd for each. Its callback returns without an answer, and libmicrohttpd calls it again
 * with each run (tests/unit/http/test_held.c). libmicrohttpd would have us run without a pause meanwhile; the
 * loop knows better: it sleeps until there is input or an answer.
 */
#define _GNU_SOURCE /* pthread_setname_np */
#include "http_impl.h"

#include "log.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

static _Thread_local struct http_loop *here;

bool loop_here(const struct http_loop *l)
{
    return here == l;
}

static time_t monotonic_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec;
}

/* ---- Opening */

/* Paths and queries stay as they were sent; http_match and http_form_get decode. */
static size_t unescape_nothing(void *cls, struct MHD_Connection *c, char *s)
{
    (void)cls, (void)c;
    return strlen(s);
}

enum err loop_open(struct http_loop *l, struct http_socket *k, unsigned connections, struct fail *f)
{
    l->socket = k;
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake_fd < 0)
        return fail_set(f, ERR_INTERNAL, "the HTTP server could not make an event descriptor");
    /* Without MHD_USE_ERROR_LOG: its log would hold what clients send. */
    l->daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, exchange_step, l, MHD_OPTION_LISTEN_SOCKET, k->fd,
        MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, l, MHD_OPTION_NOTIFY_COMPLETED, exchange_end, l,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing, NULL, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        l->daemon ? MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info)
        return fail_set(f, ERR_INTERNAL, "the HTTP server could not start");
    l->epoll_fd = info->epoll_fd;
    return OK;
}

/* ---- Answers that are there */

void loop_wake(struct http_loop *l)
{
    static const uint64_t one = 1;
    if (atomic_exchange(&l->asleep, false) && write(l->wake_fd, &one, sizeof one) != sizeof one)
        log_line(LOG_LVL_ERROR, "http", "a loop could not be woken");
}

static void list_done(struct exchange *x)
{
    while (x) {
        struct exchange *next = x->next; /* x may go */
        exchange_done(x);
        x = next;
    }
}

static void answers_take(struct http_loop *l)
{
    struct exchange *own = l->own;
    l->own = NULL;
    list_done(own);
    if (atomic_load_explicit(&l->done, memory_order_relaxed))
        list_done(atomic_exchange(&l->done, NULL));
}

/* ---- Waiting */

/* How long to sleep, in milliseconds. */
static int patience(struct http_loop *l)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (l->moved || l->own)
        return 0;
    if (l->held > l->orphans) /* libmicrohttpd would say 0 */
        return HTTP_LOOK_MS;
    if (MHD_get_timeout(l->daemon, &ms) != MHD_YES)
        return -1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void sleep_until_something(struct http_loop *l)
{
    struct pollfd fd[2] = {{.fd = l->epoll_fd, .events = POLLIN}, {.fd = l->wake_fd, .events = POLLIN}};
    uint64_t count;
    int ms = patience(l);
    if (ms == 0)
        return;
    atomic_store(&l->asleep, true); /* before the look at what would be told: who tells looks after telling */
    if (!atomic_load(&l->done) && atomic_load(&l->server->stopping) == l->quiesced &&
        atomic_load(&l->server->closing) == l->closing)
        poll(fd, 2, ms);
    atomic_store(&l->asleep, false);
    if (fd[1].revents & POLLIN && read(l->wake_fd, &count, sizeof count) < 0)
        log_line(LOG_LVL_DEBUG, "http", "a loop was woken twice");
}

/* ---- A round */

static void run(struct http_loop *l)
{
    l->moved = 0;
    l->run++;
    answers_take(l);
    MHD_run(l->daemon);
}

static void round_of(struct http_loop *l)
{
    const struct http_config *c = &l->server->config;
    l->now = monotonic_s();
    run(l);
    if (l->moved) /* answers go out before new work is begun */
        run(l);
    if (c->after_round)
        c->after_round(c->ctx, l->number);
}

/* Nothing is accepted any more. */
static void quiesce(struct http_loop *l)
{
    l->quiesced = true;
    MHD_quiesce_daemon(l->daemon);
}

static void *loop_main(void *arg)
{
    struct http_loop *l = arg;
    here = l;
    while (!l->closing || l->held) {
        sleep_until_something(l);
        l->closing = atomic_load(&l->server->closing); /* set after `stopping`, so looked at before it */
        if (!l->quiesced && atomic_load(&l->server->stopping))
            quiesce(l);
        round_of(l);
    }
    round_of(l); /* the last answers go out, if their clients take them at once */
    MHD_stop_daemon(l->daemon);
    arena_thread_end();
    return NULL;
}

enum err loop_start(struct http_loop *l, struct fail *f)
{
    char name[16];
    if (pthread_create(&l->thread, NULL, loop_main, l) != 0)
        return fail_set(f, ERR_INTERNAL, "the HTTP server could not start its threads");
    l->runs = true;
    snprintf(name, sizeof name, "http-%u", l->number);
    pthread_setname_np(l->thread, name);
    return OK;
}

void loop_close(struct http_loop *l)
{
    if (!l->runs && l->daemon) {
        quiesce(l); /* else it would close the socket, which is not its own */
        MHD_stop_daemon(l->daemon);
    }
    if (l->wake_fd >= 0)
        close(l->wake_fd);
}
