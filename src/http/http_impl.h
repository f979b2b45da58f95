// SPDX-License-Identifier: Apache-2.0
/*
 * http_impl.h: what the files of this part share.
 *
 *   http_server.c    start and stop
 *   http_loop.c      one thread with its connections: wait, run, answer
 *   http_listen.c    listening sockets: an address, a local path
 *   http_exchange.c  one request on its way: headers, body, the wait for its answer
 *   http_response.c  an answer as libmicrohttpd takes it
 *   http_text.c      paths, forms, cookies, languages
 *   http_answer.c    problem documents and other answers
 *   http_view.c, http_template.c  templates
 */
#ifndef TROTH_HTTP_IMPL_H
#define TROTH_HTTP_IMPL_H

#include "http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define HTTP_SOCKETS_MAX 2    /* the address and the operator's path */
#define HTTP_BACKLOG     1024 /* connections not yet accepted: a burst of callers */
/* libmicrohttpd's memory for a connection: the longest path, the headers, what it notes of each, and the
 * headers of the answer. It zeroes all of it for each request, which is why it is no larger. Bodies pass
 * through it and are wiped piece by piece. */
#define HTTP_POOL_BYTES   13312
#define HTTP_REQUEST_S    60 /* a whole request; a client that sends byte by byte is cut off */
#define HTTP_STOP_POLL_MS 5
#define HTTP_STOP_QUIET_S 1    /* before the log says what is waited for */
#define HTTP_BODY_FIRST   4096 /* first piece of memory for a body */
#define HTTP_UNEVEN       4 /* connections a loop may have more than another before it leaves new ones to that */
#define HTTP_FULL_S       1 /* before accepting is tried again when it failed */
/* While answers are waited for, libmicrohttpd cannot say whether anything else is left to do: a loop looks
 * again after this time. Only headers larger than its buffer ever need it. */
#define HTTP_LOOK_MS   5
#define HTTP_PATIENT_S (HTTP_IDLE_S / 3) /* an answer waited for longer than this is no idle connection */

struct http_socket {
    int fd;
    bool operator_socket;
};

struct exchange;

/* A thread with connections of its own. What is not atomic is touched by that thread only. */
struct http_loop {
    struct http_server *server;
    struct http_socket *socket;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    bool runs, quiesced, closing;
    unsigned number;
    unsigned connections_max;
    time_t full;               /* until then nothing is accepted: descriptors or memory ran out */
    atomic_uint connections;   /* written by the thread only */
    int wake_fd;               /* eventfd */
    int epoll_fd;              /* libmicrohttpd's */
    time_t now;                /* monotonic, of this round */
    unsigned run;              /* counts calls of MHD_run, from 1 */
    bool wiping;               /* what is freed in this run is wiped */
    unsigned moved;            /* exchanges that this run began, fed or answered, and did not leave held */
    struct exchange *handling; /* in handle(), and not answered */
    unsigned held, orphans;    /* in the hands of handle(); of these, whose connection is gone */
    _Atomic(struct exchange *) done; /* answered by other threads, newest first */
    struct exchange *own;            /* answered on this thread after handle() */
    atomic_bool asleep;              /* wants to be woken by wake_fd */
    atomic_uint open;                /* exchanges begun and not completed; written by the thread only */
};

struct http_server {
    struct http_config config;
    struct http_socket socket[HTTP_SOCKETS_MAX];
    size_t n_sockets;
    struct http_loop loop[HTTP_THREADS_MAX + 1]; /* the last is the operator's */
    unsigned n_loops;
    char operator_path[108]; /* sun_path of unix(7) */
    unsigned port;
    atomic_bool stopping; /* nothing is accepted; connections end with their next answer */
    atomic_bool closing;  /* handle() is called no more */
    atomic_uint replying; /* threads in http_reply */
};

enum exchange_state {
    COLLECTING, /* headers, body */
    HELD,       /* in the hands of handle() and of who comes after it */
    REPLIED     /* the answer is there; libmicrohttpd gets it with its next call */
};

struct exchange {
    struct http_exchange pub; /* first: http_reply gets this */
    struct http_loop *loop;
    struct MHD_Connection *connection; /* null: gone while the answer was waited for */
    enum exchange_state state;
    const struct response *res; /* set by http_put */
    struct exchange *next;      /* in a list of done ones */
    struct span uri;            /* as sent */
    time_t began, handed;       /* monotonic */
    unsigned moved_in;          /* the run */
    bool started, patient;
    bool unread; /* refused by its headers: part of its body may lie in the connection's memory */
    uint8_t *body;
    size_t body_len, body_cap, body_max;
    size_t body_said; /* by Content-Length; 0 if it was not */
};

/* ---- http_listen.c */

/* A listening socket on a numeric address with port. */
enum err listen_address(const char *address, int *fd, unsigned *port, struct fail *f);
/* A listening local socket (mode 0600). A stale file is replaced, a live one is ERR_CONFLICT. */
enum err listen_path(const char *path, int *fd, struct fail *f);

/* ---- http_loop.c */

/* The daemon of libmicrohttpd and what wakes the loop; no thread yet. */
enum err loop_open(struct http_loop *l, struct http_socket *k, unsigned connections, struct fail *f);
enum err loop_start(struct http_loop *l, struct fail *f);
/* What libmicrohttpd frees until the end of this run is wiped: memory of its own that may hold a value. */
void loop_wipe(struct http_loop *l);
/* Any thread, after what it is woken for was written. */
void loop_wake(struct http_loop *l);
/* The thread has ended, or there was none. */
void loop_close(struct http_loop *l);
/* True on the thread of this loop. */
bool loop_here(const struct http_loop *l);

/* ---- http_exchange.c: callbacks of libmicrohttpd */
void *exchange_begin(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result exchange_step(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **con_cls);
void exchange_end(void *cls, struct MHD_Connection *connection, void **con_cls,
                  enum MHD_RequestTerminationCode toe);
/* The loop's thread: the answer of an exchange that was held is there. */
void exchange_done(struct exchange *x);

/* ---- http_response.c */

/* Gives libmicrohttpd the answer. */
enum MHD_Result response_queue(struct exchange *x, const struct response *res);

/* ---- http_view.c */

enum view_kind { VIEW_OBJECT, VIEW_LIST, VIEW_STRING, VIEW_BOOL };

struct view {
    enum view_kind kind;
    struct arena *arena;
    struct span name; /* as a member of an object */
    struct span string;
    bool truth;
    struct view *first, *last; /* members or items */
    struct view *next;
};
/* The member of an object, or null. */
const struct view *view_find(const struct view *o, struct span name);

#endif
