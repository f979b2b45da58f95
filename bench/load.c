// SPDX-License-Identifier: Apache-2.0
/*
 * A load client: N keep-alive connections, one request under way on each, driven by one epoll loop.
 *
 *   load [OPTION...] PORT REQUEST...
 *
 * REQUEST is "METHOD PATH [BODY]"; in it {id} is a person's id, {n} a number never used before. With several
 * requests each connection sends them in turn, again and again, with one id for a round.
 *
 *   -c N      connections (default 128)
 *   -s SEC    seconds of each run (default 3)
 *   -r RUNS   runs (default 1), after a warm-up of half a second
 *   -n N      stop after N rounds in all instead (one run, no warm-up)
 *   -t TOKEN  bearer token
 *   -i FILE   ids, one a line, picked at random; with -o FILE instead the first request's answer gives the id
 *             ("id":"..."), and FILE takes them all
 *   -x        each id of -i once, in order: for what can be done once
 *   -p PID    the server's process, for its CPU time
 *   -q ROWS   skip numbers up to this for {n}
 *
 * One line a run: answers, errors, seconds, answers/s, CPU us an answer of the server, p50 ms, p99 ms, CPU us
 * of this client. Answers that are not 2xx are errors, and the first of them is shown on stderr.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUESTS_MAX    8
#define CONNECTIONS_MAX 4096
#define OUT_MAX         65536
#define IN_MAX          (1 << 20)
#define ID_CHARS        32
#define BUCKETS         4096 /* of the histogram: 32 to each power of two microseconds */
#define WARM_UP_S       0.5

struct template
{
    const char *method, *path, *body;
};

struct link {
    int fd;
    unsigned step; /* request of the round */
    bool idle;
    char id[ID_CHARS + 1];
    char *in;
    size_t n_in;
    char out[OUT_MAX];
    size_t n_out, sent;
    int64_t begun_ns;
};

static struct {
    unsigned port, connections, runs;
    double seconds;
    long rounds;
    const char *token, *ids_file, *out_file;
    bool once;
    pid_t pid;
    struct template request[REQUESTS_MAX];
    unsigned n_requests;
} opt = {.connections = 128, .runs = 1, .seconds = 3};

static struct link *links;
static char (*ids)[ID_CHARS];
static size_t n_ids, next_id;
static FILE *ids_out;
static uint64_t serial, seed = 88172645463325252ull;
static long begun_rounds;
static bool stopping;

struct tally {
    uint64_t answers, errors;
    uint32_t bucket[BUCKETS];
};
static struct tally now;
static bool shown;

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "see the head of bench/load.c");
    exit(1);
}

static int64_t clock_ns(clockid_t c)
{
    struct timespec t;
    clock_gettime(c, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t random_u64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* ---- Latencies */

static unsigned bucket_of(uint64_t us)
{
    if (us < 32)
        return (unsigned)us;
    unsigned top = 63 - (unsigned)__builtin_clzll(us);
    unsigned b = (top - 4) * 32 + (unsigned)(us >> (top - 5) & 31);
    return b < BUCKETS ? b : BUCKETS - 1;
}

static double bucket_ms(unsigned b)
{
    if (b < 32)
        return b / 1e3;
    unsigned top = b / 32 + 4;
    return (double)((32ull | (b & 31)) << (top - 5)) / 1e3;
}

static double percentile(const struct tally *t, double part)
{
    uint64_t seen = 0, want = (uint64_t)((double)(t->answers + t->errors) * part);
    for (unsigned b = 0; b < BUCKETS; b++) {
        seen += t->bucket[b];
        if (seen > want)
            return bucket_ms(b);
    }
    return 0;
}

/* ---- Requests */

static size_t fill(const struct link *l, const char *from, char *to, size_t room)
{
    size_t n = 0;
    while (*from && n + 64 < room) {
        if (strncmp(from, "{id}", 4) == 0) {
            memcpy(to + n, l->id, ID_CHARS);
            n += ID_CHARS;
            from += 4;
        } else if (strncmp(from, "{n}", 3) == 0) {
            n += (size_t)sprintf(to + n, "%010llu", (unsigned long long)serial);
            from += 3;
        } else {
            to[n++] = *from++;
        }
    }
    if (*from)
        die("a request is too long");
    return n;
}

static void request_make(struct link *l)
{
    static char path[OUT_MAX], body[OUT_MAX];
    const struct template *r = &opt.request[l->step];
    size_t n_path = fill(l, r->path, path, sizeof path);
    size_t n_body = r->body ? fill(l, r->body, body, sizeof body) : 0;
    int n = snprintf(l->out, sizeof l->out, "%s %.*s HTTP/1.1\r\nHost: 127.0.0.1\r\n", r->method, (int)n_path,
                     path);
    if (opt.token)
        n += snprintf(l->out + n, sizeof l->out - (size_t)n, "Authorization: Bearer %s\r\n", opt.token);
    if (r->body)
        n += snprintf(l->out + n, sizeof l->out - (size_t)n,
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n", n_body);
    n += snprintf(l->out + n, sizeof l->out - (size_t)n, "\r\n%.*s", (int)n_body, body);
    if ((size_t)n >= sizeof l->out)
        die("a request is too long");
    l->n_out = (size_t)n;
    l->sent = 0;
}

static bool round_begin(struct link *l)
{
    if (opt.rounds && begun_rounds >= opt.rounds)
        return false;
    if (n_ids && opt.once && next_id >= n_ids)
        return false;
    begun_rounds++;
    serial++;
    if (n_ids)
        memcpy(l->id, ids[opt.once ? next_id++ : random_u64() % n_ids], ID_CHARS);
    return true;
}

static void link_send(struct link *l)
{
    while (l->sent < l->n_out) {
        ssize_t n = send(l->fd, l->out + l->sent, l->n_out - l->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            continue; /* a request fits the socket's buffer; this does not happen on loopback */
        if (n <= 0)
            die("send");
        l->sent += (size_t)n;
    }
}

static void link_next(struct link *l)
{
    l->idle = stopping || (l->step == 0 && !round_begin(l));
    if (l->idle)
        return;
    request_make(l);
    l->begun_ns = clock_ns(CLOCK_MONOTONIC);
    link_send(l);
}

/* ---- Answers */

/* Length of a whole answer at the head of the buffer, or 0. */
static size_t answer_len(struct link *l, int *status, size_t *head)
{
    l->in[l->n_in] = 0;
    char *end = strstr(l->in, "\r\n\r\n");
    if (!end)
        return 0;
    *head = (size_t)(end - l->in) + 4;
    *status = atoi(l->in + 9);
    char *length = strcasestr(l->in, "\r\nContent-Length:");
    size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    return l->n_in >= *head + body ? *head + body : 0;
}

static void id_take(struct link *l, size_t head)
{
    const char *id = strstr(l->in + head, "\"id\":\"");
    if (!id)
        die("the first answer names no id");
    memcpy(l->id, id + 6, ID_CHARS);
    fprintf(ids_out, "%.*s\n", ID_CHARS, l->id);
}

static void answered(struct link *l, int status, size_t head, size_t len)
{
    uint64_t us = (uint64_t)(clock_ns(CLOCK_MONOTONIC) - l->begun_ns) / 1000;
    bool good = status >= 200 && status < 300;
    now.bucket[bucket_of(us)]++;
    now.answers += good;
    now.errors += !good;
    if (!good && !shown) {
        fprintf(stderr, "load: %.*s\n", (int)(len < 1500 ? len : 1500), l->in);
        shown = true;
    }
    if (good && ids_out && l->step == 0)
        id_take(l, head);
    l->step = good ? (l->step + 1) % opt.n_requests : 0;
    memmove(l->in, l->in + len, l->n_in - len);
    l->n_in -= len;
    link_next(l);
}

static void link_read(struct link *l)
{
    ssize_t n = recv(l->fd, l->in + l->n_in, IN_MAX - 1 - l->n_in, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die(n ? "recv" : "the server closed a connection");
    l->n_in += (size_t)n;
    int status = 0;
    size_t head = 0, len = answer_len(l, &status, &head);
    if (len)
        answered(l, status, head, len);
}

/* ---- Runs */

static int link_open(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static bool any_busy(void)
{
    for (unsigned i = 0; i < opt.connections; i++)
        if (!links[i].idle)
            return true;
    return false;
}

/* Until the time is over (0: until all are idle). */
static double drive(int ep, double seconds)
{
    struct epoll_event ev[256];
    int64_t begun = clock_ns(CLOCK_MONOTONIC), end = begun + (int64_t)(seconds * 1e9);
    while (seconds > 0 ? clock_ns(CLOCK_MONOTONIC) < end : any_busy()) {
        int n = epoll_wait(ep, ev, 256, 100);
        for (int i = 0; i < n; i++)
            link_read(&links[ev[i].data.u32]);
        if (opt.once && next_id >= n_ids && !any_busy())
            break;
    }
    return (double)(clock_ns(CLOCK_MONOTONIC) - begun) / 1e9;
}

static int64_t server_cpu(void)
{
    clockid_t c;
    return opt.pid && clock_getcpuclockid(opt.pid, &c) == 0 ? clock_ns(c) : 0;
}

static void run(int ep, double seconds)
{
    now = (struct tally){0};
    int64_t cpu = server_cpu(), own = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    double took = drive(ep, seconds);
    double n = (double)(now.answers + now.errors);
    cpu = server_cpu() - cpu;
    own = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own;
    printf("%llu\t%llu\t%.3f\t%.1f\t%.2f\t%.3f\t%.3f\t%.2f\n", (unsigned long long)now.answers,
           (unsigned long long)now.errors, took, (double)now.answers / took,
           n > 0 ? (double)cpu / n / 1e3 : 0, percentile(&now, 0.5), percentile(&now, 0.99),
           n > 0 ? (double)own / n / 1e3 : 0);
    fflush(stdout);
}

static void run_all(int ep)
{
    for (unsigned i = 0; i < opt.connections; i++)
        link_next(&links[i]);
    if (opt.rounds) {
        run(ep, 0);
        return;
    }
    drive(ep, WARM_UP_S);
    for (unsigned i = 0; i < opt.runs; i++)
        run(ep, opt.seconds);
    stopping = true;
    drive(ep, 0);
}

/* ---- Options */

static void ids_read(void)
{
    char line[128];
    size_t cap = 0;
    FILE *f = opt.ids_file ? fopen(opt.ids_file, "r") : NULL;
    if (opt.ids_file && !f)
        die(opt.ids_file);
    while (f && fgets(line, sizeof line, f)) {
        if (n_ids == cap) {
            cap = cap ? cap * 2 : 1024;
            ids = realloc(ids, cap * sizeof *ids);
        }
        memcpy(ids[n_ids++], line, ID_CHARS);
    }
    if (f)
        fclose(f);
    if (opt.ids_file && !n_ids)
        die("no ids");
}

static void request_read(char *text)
{
    struct template *r = &opt.request[opt.n_requests++];
    char *path = strchr(text, ' ');
    if (!path || opt.n_requests > REQUESTS_MAX)
        die("METHOD PATH [BODY]");
    *path++ = 0;
    char *body = strchr(path, ' ');
    if (body)
        *body++ = 0;
    *r = (struct template){text, path, body};
}

static void options_read(int argc, char **argv)
{
    int c;
    while ((c = getopt(argc, argv, "c:s:r:n:t:i:o:xp:q:")) != -1) {
        switch (c) {
        case 'c':
            opt.connections = (unsigned)atoi(optarg);
            break;
        case 's':
            opt.seconds = atof(optarg);
            break;
        case 'r':
            opt.runs = (unsigned)atoi(optarg);
            break;
        case 'n':
            opt.rounds = atol(optarg);
            break;
        case 't':
            opt.token = optarg;
            break;
        case 'i':
            opt.ids_file = optarg;
            break;
        case 'o':
            opt.out_file = optarg;
            break;
        case 'x':
            opt.once = true;
            break;
        case 'p':
            opt.pid = atoi(optarg);
            break;
        case 'q':
            serial = strtoull(optarg, NULL, 10);
            break;
        default:
            exit(2);
        }
    }
    if (argc - optind < 2 || opt.connections < 1 || opt.connections > CONNECTIONS_MAX)
        die("PORT REQUEST...");
    opt.port = (unsigned)atoi(argv[optind++]);
    while (optind < argc)
        request_read(argv[optind++]);
}

int main(int argc, char **argv)
{
    options_read(argc, argv);
    ids_read();
    seed ^= (uint64_t)clock_ns(CLOCK_REALTIME);
    if (opt.out_file && !(ids_out = fopen(opt.out_file, "w")))
        die(opt.out_file);
    links = calloc(opt.connections, sizeof *links);
    int ep = epoll_create1(0);
    for (unsigned i = 0; i < opt.connections; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};
        links[i].fd = link_open();
        links[i].in = malloc(IN_MAX);
        epoll_ctl(ep, EPOLL_CTL_ADD, links[i].fd, &ev);
    }
    run_all(ep);
    if (ids_out)
        fclose(ids_out);
    return 0;
}
