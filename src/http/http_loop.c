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

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define WIPE_WITH 0x5a /* any but zero, which means off */

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

/* Only the loop's thread writes it; others compare. */
static void connections_add(struct http_loop *l, int by)
{
    unsigned n = atomic_load_explicit(&l->connections, memory_order_relaxed);
    atomic_store_explicit(&l->connections, n + (unsigned)by, memory_order_relaxed);
}

static void connection_told(void *cls, struct MHD_Connection *c, void **context,
                            enum MHD_ConnectionNotificationCode what)
{
    (void)c, (void)context;
    connections_add(cls, what == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1);
}

enum err loop_open(struct http_loop *l, struct http_socket *k, unsigned connections, struct fail *f)
{
    l->socket = k;
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake_fd < 0)
        return fail_set(f, ERR_INTERNAL, "the HTTP server could not make an event descriptor");
    l->connections_max = connections;
    /* Without MHD_USE_ERROR_LOG: its log would hold what clients send. */
    l->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, exchange_step, l,
                                 MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT,
                                 (unsigned)HTTP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 (size_t)HTTP_POOL_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                                 MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, l, MHD_OPTION_NOTIFY_COMPLETED,
                                 exchange_end, l, MHD_OPTION_NOTIFY_CONNECTION, connection_told, l,
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

/* ---- New connections. Every loop of a socket accepts, but leaves it to those that have fewer: where one has
 * more than its share, its callers wait for one core while the other sleeps. */

static unsigned load_of(const struct http_loop *l)
{
    return atomic_load_explicit(&l->connections, memory_order_relaxed);
}

/* The loop of this socket that has the fewest connections. */
static struct http_loop *least_loaded(const struct http_loop *l)
{
    struct http_server *s = l->server;
    struct http_loop *least = NULL;
    for (unsigned i = 0; i < s->n_loops; i++)
        if (s->loop[i].socket == l->socket && (!least || load_of(&s->loop[i]) < load_of(least)))
            least = &s->loop[i];
    return least;
}

static bool may_accept(const struct http_loop *l)
{
    return !l->quiesced && l->now >= l->full && load_of(l) < l->connections_max &&
           load_of(l) < load_of(least_loaded(l)) + HTTP_UNEVEN;
}

static bool accept_one(struct http_loop *l)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC}; /* who calls is not kept */
    int fd = accept4(l->socket->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        return MHD_add_connection(l->daemon, fd, &nobody, sizeof nobody) == MHD_YES;
    if (errno == ECONNABORTED || errno == EINTR)
        return true;
    if (errno != EAGAIN && errno != EINVAL) { /* EINVAL: it was shut down */
        log_line(LOG_LVL_WARN, "http", "a connection could not be accepted: %s", strerrordesc_np(errno));
        l->full = l->now + HTTP_FULL_S;
    }
    return false;
}

static void accept_some(struct http_loop *l)
{
    while (may_accept(l) && accept_one(l))
        ;
    struct http_loop *least = least_loaded(l);
    if (least != l && !may_accept(l)) /* its turn; it may sleep without looking at the socket */
        loop_wake(least);
}

/* ---- Waiting */

/* How long to sleep, in milliseconds; -1: until something comes. */
static int patience(struct http_loop *l)
{
    MHD_UNSIGNED_LONG_LONG ms = INT_MAX;
    if (l->moved || l->own)
        return 0;
    if (l->held > l->orphans) /* libmicrohttpd would say 0 */
        return HTTP_LOOK_MS;
    bool limited = MHD_get_timeout(l->daemon, &ms) == MHD_YES;
    if (l->full > l->now && ms > HTTP_FULL_S * 1000)
        return HTTP_FULL_S * 1000;
    return limited && ms < INT_MAX ? (int)ms : -1;
}

/* True if somebody wants to connect. */
static bool sleep_until_something(struct http_loop *l)
{
    enum { RUN, WAKE, ACCEPT };
    struct pollfd fd[3] = {{.fd = l->epoll_fd, .events = POLLIN},
                           {.fd = l->wake_fd, .events = POLLIN},
                           {.fd = may_accept(l) ? l->socket->fd : -1, .events = POLLIN}};
    uint64_t count;
    int ms = patience(l);
    if (ms != 0)
        atomic_store(&l->asleep,
                     true); /* before the look at what would be told: who tells looks after telling */
    if (ms != 0 && (atomic_load(&l->done) || atomic_load(&l->server->stopping) != l->quiesced ||
                    atomic_load(&l->server->closing) != l->closing))
        ms = 0;
    poll(fd, sizeof fd / sizeof fd[0], ms);
    atomic_store(&l->asleep, false);
    if (fd[WAKE].revents & POLLIN && read(l->wake_fd, &count, sizeof count) < 0)
        log_line(LOG_LVL_DEBUG, "http", "a loop was woken twice");
    return fd[ACCEPT].revents & POLLIN;
}

/* ---- A round */

/* The C library fills what is freed as long as anybody wants it; it costs every thread, so not for long. */
static pthread_mutex_t lock_wipers = PTHREAD_MUTEX_INITIALIZER;
static unsigned wipers;

void loop_wipe(struct http_loop *l)
{
    if (l->wiping)
        return;
    l->wiping = true;
    pthread_mutex_lock(&lock_wipers);
    if (wipers++ == 0)
        mallopt(M_PERTURB, WIPE_WITH);
    pthread_mutex_unlock(&lock_wipers);
}

static void wipe_end(struct http_loop *l)
{
    if (!l->wiping)
        return;
    l->wiping = false;
    pthread_mutex_lock(&lock_wipers);
    if (--wipers == 0)
        mallopt(M_PERTURB, 0);
    pthread_mutex_unlock(&lock_wipers);
}

static void run(struct http_loop *l)
{
    l->moved = 0;
    l->run++;
    answers_take(l);
    MHD_run(l->daemon);
    wipe_end(l);
}

static void round_of(struct http_loop *l)
{
    const struct http_config *c = &l->server->config;
    run(l);
    if (l->moved) /* answers go out before new work is begun */
        run(l);
    if (c->after_round)
        c->after_round(c->ctx, l->number);
}

static void *loop_main(void *arg)
{
    struct http_loop *l = arg;
    here = l;
    while (!l->closing || l->held) {
        bool knock = sleep_until_something(l);
        l->closing = atomic_load(&l->server->closing);
        l->quiesced = atomic_load(&l->server->stopping);
        l->now = monotonic_s();
        if (knock)
            accept_some(l);
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
    if (!l->runs && l->daemon)
        MHD_stop_daemon(l->daemon);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
}
