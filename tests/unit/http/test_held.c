// SPDX-License-Identifier: Apache-2.0
/*
 * What the loops of src/http rely on while an answer is waited for. The first half asks libmicrohttpd itself:
 * a version that does otherwise must not pass unnoticed. The second half asks our server.
 */
#include "unit.h"

#include "http.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define GET  "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"

static int dial(unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {20, 0};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_INT(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void says(int fd, const char *text)
{
    EXPECT(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static void reset(int fd)
{
    struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static bool hears(int fd, const char *what)
{
    static char buffer[4096];
    ssize_t n = recv(fd, buffer, sizeof buffer - 1, 0);
    buffer[n > 0 ? n : 0] = 0;
    return strstr(buffer, what) != NULL;
}

/* ---- libmicrohttpd: an epoll daemon run by us */

static struct MHD_Daemon *mhd;
static struct MHD_Connection *asking;
static unsigned mhd_port, begun, final_calls, answered, ended;
static bool ready; /* the answer may be given */

static enum MHD_Result on_step(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **mine)
{
    (void)cls, (void)url, (void)method, (void)version, (void)data;
    if (!*mine) {
        *mine = &begun;
        begun++;
        return MHD_YES;
    }
    if (*size) {
        *size = 0;
        return MHD_YES;
    }
    asking = c;
    final_calls++;
    if (!ready)
        return MHD_YES; /* no answer yet */
    struct MHD_Response *r =
        MHD_create_response_from_buffer(2, (void *)(uintptr_t) "ok", MHD_RESPMEM_PERSISTENT);
    enum MHD_Result queued = MHD_queue_response(c, 200, r);
    MHD_destroy_response(r);
    answered++;
    return queued;
}

static void on_end(void *cls, struct MHD_Connection *c, void **mine, enum MHD_RequestTerminationCode toe)
{
    (void)cls, (void)c, (void)mine, (void)toe;
    ended++;
}

static void mhd_start(void)
{
    begun = final_calls = answered = ended = 0;
    ready = false;
    mhd = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_step, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_end,
                           NULL, MHD_OPTION_CONNECTION_TIMEOUT, 30u, MHD_OPTION_END);
    EXPECT(mhd != NULL);
    mhd_port = MHD_get_daemon_info(mhd, MHD_DAEMON_INFO_BIND_PORT)->port;
}

/* Runs it for what has come. */
static void mhd_serve(void)
{
    struct pollfd fd = {.fd = MHD_get_daemon_info(mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, .events = POLLIN};
    EXPECT_INT(poll(&fd, 1, 20000), 1); /* there is input, and the descriptor says so */
    EXPECT_INT(MHD_run(mhd), MHD_YES);
}

static void mhd_serve_until_held(void)
{
    while (!final_calls)
        mhd_serve();
}

TEST(a_callback_without_an_answer_is_called_again_by_each_run)
{
    static const char *const requests[] = {GET, POST};
    for (int i = 0; i < 2; i++) {
        MHD_UNSIGNED_LONG_LONG ms = 1;
        mhd_start();
        int fd = dial(mhd_port);
        says(fd, requests[i]);
        mhd_serve_until_held();
        for (unsigned calls = final_calls; calls < 20; calls = final_calls) {
            EXPECT_INT(MHD_get_timeout(mhd, &ms), MHD_YES); /* it would have us run on */
            EXPECT_INT((int)ms, 0);
            MHD_run(mhd);
            EXPECT(final_calls > calls);
        }
        EXPECT_INT((int)ended, 0);
        ready = true;
        MHD_run(mhd); /* takes the answer */
        MHD_run(mhd); /* sends it */
        EXPECT_INT((int)answered, 1);
        EXPECT(hears(fd, "\r\n\r\nok"));
        EXPECT_INT((int)ended, 1);
        close(fd);
        MHD_stop_daemon(mhd);
    }
}

/* One that waits holds up nobody: others on the same daemon are served. */
TEST(a_request_that_waits_is_not_read_past_and_not_in_the_way)
{
    mhd_start();
    int waits = dial(mhd_port);
    says(waits, GET GET); /* the second must wait for the first */
    mhd_serve_until_held();
    EXPECT_INT((int)begun, 1);
    int other = dial(mhd_port);
    says(other, GET);
    while (begun < 2)
        mhd_serve();
    ready = true;
    while (answered < 3)
        MHD_run(mhd);
    MHD_run(mhd);
    EXPECT_INT((int)begun, 3);
    EXPECT(hears(other, "\r\n\r\nok"));
    EXPECT(hears(waits, "\r\n\r\nok"));
    close(waits);
    close(other);
    MHD_stop_daemon(mhd);
}

TEST(a_client_that_goes_while_it_waits_is_told_at_once)
{
    mhd_start();
    int fd = dial(mhd_port);
    says(fd, GET);
    mhd_serve_until_held();
    reset(fd);
    while (!ended)
        mhd_serve();
    EXPECT_INT((int)answered, 0);
    MHD_stop_daemon(mhd);
}

TEST(a_client_that_only_stops_sending_gets_its_answer)
{
    mhd_start();
    int fd = dial(mhd_port);
    says(fd, GET);
    mhd_serve_until_held();
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 5; i++)
        MHD_run(mhd);
    EXPECT_INT((int)ended, 0);
    ready = true;
    while (!answered)
        MHD_run(mhd);
    MHD_run(mhd);
    EXPECT(hears(fd, "\r\n\r\nok"));
    close(fd);
    MHD_stop_daemon(mhd);
}

TEST(a_request_that_waits_can_be_kept_from_timing_out)
{
    mhd_start();
    int fd = dial(mhd_port);
    says(fd, GET);
    mhd_serve_until_held();
    EXPECT_INT(MHD_set_connection_option(asking, MHD_CONNECTION_OPTION_TIMEOUT, 0u), MHD_YES);
    unsigned calls = final_calls;
    MHD_run(mhd);
    EXPECT(final_calls > calls);
    EXPECT_INT(MHD_set_connection_option(asking, MHD_CONNECTION_OPTION_TIMEOUT, 30u), MHD_YES);
    ready = true;
    while (!answered)
        MHD_run(mhd);
    MHD_run(mhd);
    EXPECT(hears(fd, "\r\n\r\nok"));
    close(fd);
    MHD_stop_daemon(mhd);
}

TEST(stopping_ends_a_request_that_waits)
{
    mhd_start();
    int fd = dial(mhd_port);
    says(fd, GET);
    mhd_serve_until_held();
    MHD_stop_daemon(mhd);
    EXPECT_INT((int)ended, 1);
    close(fd);
}

/* ---- Our server: /now at once, /round after the round, /late by another thread */

#define LATE_MAX 64

static struct http_server *server;
static struct http_exchange *_Atomic late[LATE_MAX];
static atomic_uint n_late, rounds_ended;
static _Thread_local struct http_exchange *aside[LATE_MAX];
static _Thread_local unsigned n_aside;

static void reply(struct http_exchange *x, void (*how)(struct http_exchange *x, const struct response *res))
{
    struct response *res = ARENA_NEW(x->arena, struct response);
    res->status = 200;
    res->content_type = SPAN("text/plain");
    /* The headers of the request must still be there, wherever its connection is. */
    res->body = arena_fmt(x->arena, "answered %.*s", SPAN_F(x->req.authorization));
    how(x, res);
}

static void handle(void *ctx, struct http_exchange *x)
{
    (void)ctx;
    if (span_is(x->req.path, "/now"))
        reply(x, http_reply);
    else if (span_is(x->req.path, "/round"))
        aside[n_aside++] = x;
    else
        atomic_store(&late[atomic_fetch_add(&n_late, 1)], x);
}

static void after_round(void *ctx, unsigned loop)
{
    (void)ctx;
    for (; n_aside; n_aside--) {
        EXPECT_INT((int)aside[n_aside - 1]->loop, (int)loop);
        reply(aside[n_aside - 1], http_put);
        atomic_fetch_add(&rounds_ended, 1);
    }
}

static size_t body_max(void *ctx, enum method m, struct span path)
{
    (void)ctx, (void)m, (void)path;
    return 100;
}

static unsigned start(void)
{
    struct fail f = {0};
    struct http_config c = {.listen = "127.0.0.1:0",
                            .threads = 2,
                            .connections_max = 200,
                            .body_max = body_max,
                            .handle = handle,
                            .after_round = after_round};
    atomic_store(&n_late, 0);
    EXPECT_INT(http_start(&c, &server, &f), OK);
    return http_port(server);
}

static void stop(void)
{
    http_stop(server, 10);
    http_free(server);
}

static void await_late(unsigned n)
{
    while (atomic_load(&n_late) < n || !atomic_load(&late[n - 1]))
        usleep(500);
}

#define ASK(path) "GET " path " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n\r\n"

TEST(what_was_put_aside_is_answered_after_the_round)
{
    unsigned port = start();
    int fd = dial(port);
    for (int i = 0; i < 3; i++) {
        says(fd, ASK("/round"));
        EXPECT(hears(fd, "answered Bearer t"));
    }
    says(fd, ASK("/round") ASK("/now"));
    EXPECT(hears(fd, "answered Bearer t"));
    close(fd);
    stop();
}

TEST(many_answers_are_put_and_the_loops_told_once)
{
    unsigned port = start();
    int fd[LATE_MAX];
    for (int i = 0; i < LATE_MAX; i++) {
        fd[i] = dial(port);
        says(fd[i], ASK("/late"));
    }
    for (unsigned i = 1; i <= LATE_MAX; i++)
        await_late(i);
    int now = dial(port); /* nobody is held up */
    says(now, ASK("/now"));
    EXPECT(hears(now, "answered"));
    close(now);
    for (int i = 0; i < LATE_MAX; i++)
        reply(atomic_exchange(&late[i], NULL), http_put);
    http_wake(server);
    for (int i = 0; i < LATE_MAX; i++) {
        EXPECT(hears(fd[i], "answered Bearer t"));
        close(fd[i]);
    }
    stop();
}

/* The exchange outlives its connection until the answer comes, and the server waits for it. */
TEST(an_answer_to_a_client_that_went_is_dropped)
{
    unsigned port = start();
    for (int i = 0; i < 8; i++) {
        int fd = dial(port);
        says(fd, ASK("/late"));
        await_late((unsigned)i + 1);
        reset(fd);
    }
    int fd = dial(port); /* by now at least one loop has seen that they went */
    says(fd, ASK("/now"));
    EXPECT(hears(fd, "answered"));
    close(fd);
    for (int i = 0; i < 8; i++)
        reply(atomic_exchange(&late[i], NULL), http_reply);
    stop();
}

static void *stop_main(void *arg)
{
    (void)arg;
    http_stop(server, 0);
    return NULL;
}

TEST(stopping_waits_for_an_answer_whose_client_went)
{
    pthread_t stopper;
    unsigned port = start();
    int fd = dial(port);
    says(fd, ASK("/late"));
    await_late(1);
    reset(fd);
    pthread_create(&stopper, NULL, stop_main, NULL);
    usleep(2000);
    reply(atomic_exchange(&late[0], NULL), http_reply);
    pthread_join(stopper, NULL);
    http_free(server);
}

UNIT_MAIN(CASE(a_callback_without_an_answer_is_called_again_by_each_run),
          CASE(a_request_that_waits_is_not_read_past_and_not_in_the_way),
          CASE(a_client_that_goes_while_it_waits_is_told_at_once),
          CASE(a_client_that_only_stops_sending_gets_its_answer),
          CASE(a_request_that_waits_can_be_kept_from_timing_out), CASE(stopping_ends_a_request_that_waits),
          CASE(what_was_put_aside_is_answered_after_the_round),
          CASE(many_answers_are_put_and_the_loops_told_once),
          CASE(an_answer_to_a_client_that_went_is_dropped),
          CASE(stopping_waits_for_an_answer_whose_client_went))
