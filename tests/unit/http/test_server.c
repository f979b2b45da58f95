// SPDX-License-Identifier: Apache-2.0
/* A real server, real sockets, hostile clients. */
#define _GNU_SOURCE /* memmem */
#include "unit.h"

#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BODY_MAX 10000

static struct http_server *server;
static unsigned port;

/* ---- The application: /echo answers at once, /later on a thread of its own, /held when the test says so */

static sem_t hold;
static atomic_int held;

static void answer_echo(struct http_exchange *x)
{
    struct response *res = ARENA_NEW(x->arena, struct response);
    struct text t = text_new(x->arena, 256);
    text_fmt(&t, "%d %d [", (int)x->req.method, x->req.operator_socket);
    text_put(&t, x->req.path);
    text_str(&t, "] [");
    text_put(&t, x->req.query);
    text_str(&t, "] [");
    text_put(&t, x->req.authorization);
    text_str(&t, "] [");
    text_put(&t, x->req.body);
    text_char(&t, ']');
    res->status = 200;
    res->content_type = SPAN("text/plain");
    res->body = text_span(&t);
    if (span_is(x->req.query, "cache"))
        http_header(res, "cache-control", SPAN("max-age=9"));
    http_reply(x, res);
}

static void *later_main(void *x)
{
    answer_echo(x);
    return NULL;
}

static void *held_main(void *x)
{
    sem_wait(&hold);
    answer_echo(x);
    return NULL;
}

static void handle(void *ctx, struct http_exchange *x)
{
    pthread_t thread;
    bool wait = span_starts(x->req.path, "/held");
    (void)ctx;
    if (!wait && !span_starts(x->req.path, "/later")) {
        answer_echo(x);
        return;
    }
    if (wait)
        atomic_fetch_add(&held, 1);
    pthread_create(&thread, NULL, wait ? held_main : later_main, x);
    pthread_detach(thread);
}

static size_t body_max(void *ctx, enum method m, struct span path)
{
    (void)ctx, (void)path;
    return m == METHOD_POST || m == METHOD_PUT ? BODY_MAX : 0;
}

static void start_with(const char *operator_path)
{
    struct fail f = {0};
    struct http_config c = {.listen = "127.0.0.1:0",
                            .operator_path = operator_path,
                            .threads = 2,
                            .connections_max = 600,
                            .body_max = body_max,
                            .handle = handle};
    if (http_start(&c, &server, &f) != OK) {
        printf("  %s\n", f.detail);
        abort();
    }
    port = http_port(server);
}

static void start(void)
{
    start_with(NULL);
}

static void stop(unsigned grace_s)
{
    http_stop(server, grace_s);
    http_free(server);
}

/* ---- The client */

static int dial(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {20, 0};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool say(int fd, const void *p, size_t len)
{
    return send(fd, p, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool says(int fd, const char *text)
{
    return say(fd, text, strlen(text));
}

/* Everything until the server closes, as a C string. */
static const char *hear_all(int fd)
{
    static char buffer[1 << 20];
    size_t n = 0;
    ssize_t got;
    while (n < sizeof buffer - 1 && (got = recv(fd, buffer + n, sizeof buffer - 1 - n, 0)) > 0)
        n += (size_t)got;
    buffer[n] = 0;
    return buffer;
}

/* One request on a connection of its own. */
static const char *ask(const char *request)
{
    int fd = dial();
    EXPECT(fd >= 0 && says(fd, request));
    const char *answer = hear_all(fd);
    close(fd);
    return answer;
}

static int status_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

static size_t count(const char *in, const char *what)
{
    size_t n = 0;
    for (const char *p = in; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

#define HOST      "Host: localhost\r\n"
#define CLOSE     "Connection: close\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST CLOSE "\r\n"

/* ---- What must work */

TEST(a_request_arrives_as_it_was_sent)
{
    start();
    const char *a =
        ask("GET /a%2fb/%E4%B8%AD?x=%20+1&y HTTP/1.1\r\n" HOST CLOSE "Authorization: Bearer t\r\n\r\n");
    EXPECT_INT(status_of(a), 200);
    EXPECT(strstr(a, "0 0 [/a%2fb/%E4%B8%AD] [x=%20+1&y] [Bearer t] []") != NULL);
    a = ask("POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 5\r\n\r\nhello");
    EXPECT(strstr(a, "2 0 [/echo] [] [] [hello]") != NULL);
    a = ask("PUT /later HTTP/1.1\r\n" HOST CLOSE
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    EXPECT(strstr(a, "3 0 [/later] [] [] [abcdefg]") != NULL);
    a = ask("PATCH /echo HTTP/1.1\r\n" HOST CLOSE "\r\n");
    EXPECT(strstr(a, "5 0 [/echo]") != NULL);
    stop(1);
}

TEST(head_has_no_body)
{
    start();
    const char *a = ask("HEAD /echo HTTP/1.1\r\n" HOST CLOSE "\r\n");
    EXPECT_INT(status_of(a), 200);
    EXPECT(strstr(a, "Content-Length: ") != NULL);
    EXPECT(a[0] && strcmp(a + strlen(a) - 4, "\r\n\r\n") == 0);
    stop(1);
}

TEST(security_headers_are_on_every_answer)
{
    static const char *const always[] = {"Content-Security-Policy: default-src 'none';",
                                         "frame-ancestors 'none'",
                                         "X-Content-Type-Options: nosniff",
                                         "X-Frame-Options: DENY",
                                         "Cross-Origin-Resource-Policy: same-origin",
                                         "Cache-Control: no-store",
                                         "Date: "};
    static const char *const page[] = {"form-action 'self'", "base-uri 'none'",
                                       "Referrer-Policy: same-origin",
                                       "Cross-Origin-Opener-Policy: same-origin"};
    start();
    for (int refused = 0; refused < 2; refused++) { /* a problem document is JSON */
        const char *a = ask(refused ? "GET http://other/ HTTP/1.1\r\n" HOST CLOSE "\r\n" : GET("/echo"));
        EXPECT_INT(status_of(a), refused ? 400 : 200);
        for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
            EXPECT(strstr(a, always[i]) != NULL);
        for (size_t i = 0; i < sizeof page / sizeof page[0]; i++)
            EXPECT((strstr(a, page[i]) == NULL) == refused);
        EXPECT(strstr(a, "\nServer:") == NULL);
    }
    const char *a = ask(GET("/echo?cache"));
    EXPECT(strstr(a, "cache-control: max-age=9") != NULL && strstr(a, "no-store") == NULL);
    stop(1);
}

TEST(a_connection_is_kept_and_pipelined_requests_are_answered_in_order)
{
    start();
    int fd = dial();
    EXPECT(says(fd, "GET /later?1 HTTP/1.1\r\n" HOST "\r\n"
                    "POST /echo?2 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                    "GET /later?3 HTTP/1.1\r\n" HOST "\r\n"
                    "GET /echo?4 HTTP/1.1\r\n" HOST CLOSE "\r\n"));
    const char *a = hear_all(fd);
    close(fd);
    EXPECT_INT(count(a, "HTTP/1.1 200"), 4);
    const char *p1 = strstr(a, "[1]"), *p2 = strstr(a, "[2]"), *p3 = strstr(a, "[3]"), *p4 = strstr(a, "[4]");
    EXPECT(p1 && p1 < p2 && p2 < p3 && p3 < p4);
    EXPECT(strstr(a, "[2] [] [abc]") != NULL);
    stop(1);
}

TEST(a_body_may_come_slowly)
{
    start();
    int fd = dial();
    EXPECT(says(fd, "POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 10\r\n\r\n"));
    for (int i = 0; i < 10; i++) {
        usleep(2000);
        EXPECT(say(fd, &"0123456789"[i], 1));
    }
    EXPECT(strstr(hear_all(fd), "[0123456789]") != NULL);
    close(fd);
    stop(1);
}

TEST(expect_continue_is_honoured)
{
    start();
    const char *a =
        ask("POST /echo HTTP/1.1\r\n" HOST CLOSE "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok");
    EXPECT(strncmp(a, "HTTP/1.1 100 Continue\r\n\r\n", 25) == 0);
    EXPECT(strstr(a, "[ok]") != NULL);
    a = ask("POST /echo HTTP/1.1\r\n" HOST CLOSE "Expect: 100-continue\r\nContent-Length: 10001\r\n\r\n");
    EXPECT_INT(status_of(a), 413);
    stop(1);
}

/* ---- Limits */

TEST(a_declared_body_beyond_the_limit_is_refused_before_it_is_sent)
{
    start();
    const char *a = ask("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10001\r\n\r\n");
    EXPECT_INT(status_of(a), 413);
    EXPECT(strstr(a, "application/problem+json") != NULL);
    EXPECT(strstr(a, "\"type\":\"/problems/too-large\"") != NULL);
    a = ask("GET /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx");
    EXPECT_INT(status_of(a), 413);
    stop(1);
}

TEST(a_body_of_exactly_the_limit_passes)
{
    static char request[BODY_MAX + 256];
    start();
    int n = snprintf(request, sizeof request,
                     "POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: %d\r\n\r\n", BODY_MAX);
    memset(request + n, 'x', BODY_MAX);
    const char *a = ask(request);
    EXPECT_INT(status_of(a), 200);
    EXPECT(strlen(a) > BODY_MAX);
    stop(1);
}

TEST(a_chunked_body_is_cut_off_at_the_limit)
{
    static char chunk[4096 + 8];
    start();
    int fd = dial(), n = snprintf(chunk, sizeof chunk, "1000\r\n");
    memset(chunk + n, 'x', 4096);
    memcpy(chunk + n + 4096, "\r\n", 2);
    EXPECT(says(fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 3; i++) /* 12288 bytes, and no end */
        say(fd, chunk, (size_t)n + 4098);
    const char *a = hear_all(fd);
    EXPECT_INT(status_of(a), 413);
    EXPECT(strstr(a, "too-large") != NULL);
    close(fd);
    stop(1);
}

static char *long_request(size_t header_bytes, size_t path_bytes)
{
    char *r = calloc(1, header_bytes + path_bytes + 256), *p = r;
    p += sprintf(p, "GET /");
    memset(p, 'p', path_bytes);
    p += path_bytes;
    p += sprintf(p, " HTTP/1.1\r\n" HOST CLOSE "X-Long: ");
    memset(p, 'h', header_bytes);
    sprintf(p + header_bytes, "\r\n\r\n");
    return r;
}

TEST(headers_and_addresses_have_limits)
{
    static const struct {
        size_t header, path;
        int status;
    } rows[] = {{4000, 10, 200},   {8000, 10, 200}, {8000, 2000, 200}, {9000, 10, 431}, {30000, 10, 431},
                {300000, 10, 431}, {10, 2047, 200}, {10, 2048, 414},   {10, 9000, 414}};
    start();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *r = long_request(rows[i].header, rows[i].path);
        int fd = dial();
        says(fd, r); /* the server may close before it has it all */
        int got = status_of(hear_all(fd));
        EXPECT(got == rows[i].status || (rows[i].header == 300000 && got == 0));
        close(fd);
        free(r);
    }
    EXPECT_INT(status_of(ask(GET("/echo"))), 200);
    stop(1);
}

/* ---- What must fail */

TEST(malformed_requests_are_refused)
{
    static const char *const rows[] = {
        "GET\r\n\r\n",
        "GET /echo\r\n\r\n",
        "\x16\x03\x01\x02\xfc\x03\r\n\r\n",
        "GET /echo HTTP/1.1\r\n\r\n",              /* no Host */
        "GET /echo HTTP/1.1\r\n" HOST HOST "\r\n", /* two */
        "GET echo HTTP/1.1\r\n" HOST "\r\n",       /* no slash */
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1x\r\n\r\na",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\na",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
        "GET /echo HTTP/1.1\r\n" HOST "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
        "GET /echo HTTP/1.1\r\n" HOST "Origin: a\r\nOrigin: b\r\n\r\n",
    };
    start();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd = dial();
        EXPECT(says(fd, rows[i]));
        const char *a = hear_all(fd);
        int status = status_of(a);
        if (status != 0 && (status < 400 || status >= 500))
            printf("  row %zu: %.60s\n", i, a);
        EXPECT(status == 0 || (status >= 400 && status < 500));
        close(fd);
    }
    EXPECT_INT(status_of(ask(GET("/echo"))), 200);
    stop(1);
}

TEST(clients_that_vanish_leave_nothing)
{
    start();
    for (int i = 0; i < 60; i++) {
        static const char *const starts[] = {"GET /ec",
                                             "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nabc",
                                             "GET /later HTTP/1.1\r\n" HOST "\r\n"};
        int fd = dial();
        EXPECT(says(fd, starts[i % 3]));
        struct linger now = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now); /* RST */
        close(fd);
    }
    EXPECT_INT(status_of(ask(GET("/echo"))), 200);
    stop(2);
}

/* ---- Many */

enum { CLIENTS = 16, CONNECTIONS = 24 };

static void *client_main(void *bad)
{
    int fd[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++)
        fd[i] = dial();
    for (int i = 0; i < CONNECTIONS; i++)
        says(fd[i], i % 2 ? "GET /later HTTP/1.1\r\n" HOST CLOSE "\r\n" : GET("/echo"));
    for (int i = 0; i < CONNECTIONS; i++) {
        char head[13] = "";
        if (recv(fd[i], head, 12, MSG_WAITALL) != 12 || strcmp(head, "HTTP/1.1 200") != 0)
            atomic_fetch_add((atomic_int *)bad, 1);
        close(fd[i]);
    }
    return NULL;
}

TEST(many_connections_at_once)
{
    pthread_t t[CLIENTS];
    atomic_int bad = 0;
    start();
    for (int i = 0; i < CLIENTS; i++)
        pthread_create(&t[i], NULL, client_main, &bad);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(t[i], NULL);
    EXPECT_INT(atomic_load(&bad), 0);
    stop(2);
}

/* ---- Stopping */

static void *stop_main(void *grace_s)
{
    stop(*(unsigned *)grace_s);
    return NULL;
}

TEST(stopping_waits_for_answers_under_way)
{
    pthread_t stopper;
    unsigned grace_s = 0;
    sem_init(&hold, 0, 0);
    atomic_store(&held, 0);
    start();
    int a = dial(), idle = dial();
    EXPECT(says(a, "GET /held HTTP/1.1\r\n" HOST "\r\n"));
    while (atomic_load(&held) < 1)
        usleep(1000);
    grace_s = 10;
    pthread_create(&stopper, NULL, stop_main, &grace_s);
    for (int fd; (fd = dial()) >= 0;) { /* until nobody is accepted any more */
        close(fd);
        usleep(1000);
    }
    sem_post(&hold);
    const char *answer = hear_all(a);
    EXPECT_INT(status_of(answer), 200);
    EXPECT(strstr(answer, "Connection: close") != NULL);
    pthread_join(stopper, NULL);
    close(a);
    close(idle);
}

TEST(stopping_without_grace_still_waits_for_the_handlers)
{
    pthread_t stopper;
    unsigned grace_s = 0;
    sem_init(&hold, 0, 0);
    atomic_store(&held, 0);
    start();
    int fd[20];
    for (int i = 0; i < 20; i++) {
        fd[i] = dial();
        EXPECT(says(fd[i], "GET /held HTTP/1.1\r\n" HOST "\r\n"));
    }
    while (atomic_load(&held) < 20)
        usleep(1000);
    pthread_create(&stopper, NULL, stop_main, &grace_s);
    usleep(20000);
    for (int i = 0; i < 20; i++)
        sem_post(&hold);
    pthread_join(stopper, NULL);
    for (int i = 0; i < 20; i++)
        close(fd[i]);
}

/* ---- Addresses */

TEST(addresses_that_cannot_be_read_or_had)
{
    static const char *const bad[] = {
        "",       "8080",  "localhost",     "127.0.0.1",      "127.0.0.1:", "127.0.0.1:99999",
        "::1:80", "[::1]", "127.0.0.1:80x", "name.example:80"};
    struct http_config c = {.threads = 2, .connections_max = 10, .body_max = body_max, .handle = handle};
    struct http_server *s = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fail f = {0};
        c.listen = bad[i];
        EXPECT_INT(http_start(&c, &s, &f), ERR_BAD_VALUE);
    }
    char taken[32];
    struct fail f = {0};
    start();
    snprintf(taken, sizeof taken, "127.0.0.1:%u", port);
    c.listen = taken;
    EXPECT_INT(http_start(&c, &s, &f), ERR_CONFLICT);
    EXPECT(strstr(f.detail, taken) != NULL);
    stop(0);
    f = (struct fail){0};
    c.threads = 0;
    c.listen = "127.0.0.1:0";
    EXPECT_INT(http_start(&c, &s, &f), ERR_BAD_VALUE);
}

static const char *ask_local(const char *path, const char *request)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT(connect(fd, (struct sockaddr *)&at, sizeof at) == 0 && says(fd, request));
    const char *a = hear_all(fd);
    close(fd);
    return a;
}

TEST(the_operators_socket)
{
    char folder[] = "/tmp/troth-http-XXXXXX", path[64];
    struct stat st;
    struct http_server *s = NULL;
    struct fail f = {0};
    if (!mkdtemp(folder))
        abort();
    snprintf(path, sizeof path, "%s/operator", folder);
    start_with(path);
    EXPECT(stat(path, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0600);
    EXPECT(strstr(ask_local(path, GET("/later")), "0 1 [/later]") != NULL);
    EXPECT(strstr(ask(GET("/echo")), "0 0 [/echo]") != NULL);
    struct http_config c = {.listen = "127.0.0.1:0",
                            .operator_path = path,
                            .threads = 2,
                            .connections_max = 9,
                            .body_max = body_max};
    c.handle = handle;
    EXPECT_INT(http_start(&c, &s, &f), ERR_CONFLICT); /* the other one answers */
    EXPECT(strstr(f.detail, path) != NULL);
    EXPECT(stat(path, &st) == 0);
    stop(1);
    EXPECT(stat(path, &st) != 0);
    rmdir(folder);
}

TEST(a_stale_socket_is_replaced_and_a_file_is_not)
{
    char folder[] = "/tmp/troth-http-XXXXXX", path[64];
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct http_server *s = NULL;
    struct fail f = {0};
    if (!mkdtemp(folder))
        abort();
    snprintf(path, sizeof path, "%s/operator", folder);
    strcpy(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_INT(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    close(fd); /* as after a crash: the file stays, nobody answers */
    start_with(path);
    EXPECT(strstr(ask_local(path, GET("/echo")), "0 1 [/echo]") != NULL);
    stop(1);
    FILE *file = fopen(path, "w");
    fputs("precious", file);
    fclose(file);
    struct http_config c = {.listen = "127.0.0.1:0",
                            .operator_path = path,
                            .threads = 2,
                            .connections_max = 9,
                            .body_max = body_max};
    c.handle = handle;
    EXPECT_INT(http_start(&c, &s, &f), ERR_CONFLICT);
    EXPECT_INT(access(path, F_OK), 0);
    unlink(path);
    rmdir(folder);
}

UNIT_MAIN(CASE(a_request_arrives_as_it_was_sent), CASE(head_has_no_body),
          CASE(security_headers_are_on_every_answer),
          CASE(a_connection_is_kept_and_pipelined_requests_are_answered_in_order),
          CASE(a_body_may_come_slowly), CASE(expect_continue_is_honoured),
          CASE(a_declared_body_beyond_the_limit_is_refused_before_it_is_sent),
          CASE(a_body_of_exactly_the_limit_passes), CASE(a_chunked_body_is_cut_off_at_the_limit),
          CASE(headers_and_addresses_have_limits), CASE(malformed_requests_are_refused),
          CASE(clients_that_vanish_leave_nothing), CASE(many_connections_at_once),
          CASE(stopping_waits_for_answers_under_way),
          CASE(stopping_without_grace_still_waits_for_the_handlers),
          CASE(addresses_that_cannot_be_read_or_had), CASE(the_operators_socket),
          CASE(a_stale_socket_is_replaced_and_a_file_is_not))
