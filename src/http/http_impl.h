// SPDX-License-Identifier: Apache-2.0
/*
 * http_impl.h: what the files of this part share.
 *
 *   http_server.c    start, stop; the daemons of libmicrohttpd
 *   http_listen.c    listening sockets: an address, a local path
 *   http_exchange.c  one request on its way: headers, body, suspension, answer
 *   http_text.c      paths, forms, cookies, languages
 *   http_answer.c    problem documents and other answers
 *   http_view.c, http_template.c  templates
 */
#ifndef TROTH_HTTP_IMPL_H
#define TROTH_HTTP_IMPL_H

#include "http.h"

#include <microhttpd.h>
#include <stdatomic.h>

#define HTTP_SOCKETS_MAX 2    /* the address and the operator's path */
#define HTTP_BACKLOG     1024 /* connections not yet accepted: a burst of callers */
#define HTTP_POOL_BYTES                                                                                      \
    36864 /* libmicrohttpd's memory for a connection: headers of both directions, the body                   \
           * piece by piece. It wipes it after each request; beyond 32 KiB it maps it, so                    \
           * that with the connection's end it is gone instead of lying in the heap */
#define HTTP_REQUEST_S       60 /* a whole request; a client that sends byte by byte is cut off */
#define HTTP_STOP_POLL_MS    5
#define HTTP_STOP_NAPS_QUIET 200  /* a second, before the log says what is waited for */
#define HTTP_BODY_FIRST      4096 /* first piece of memory for a body */

struct http_socket {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    int fd;
    bool operator_socket;
};

struct http_server {
    struct http_config config;
    struct http_socket socket[HTTP_SOCKETS_MAX];
    size_t n_sockets;
    char operator_path[108]; /* sun_path of unix(7) */
    unsigned port;
    atomic_uint open;     /* exchanges begun and not completed */
    atomic_uint handling; /* of these, in the hands of handle() */
    atomic_bool stopping; /* connections end with their next answer */
    atomic_bool closing;  /* handle() is called no more */
};

/* ---- http_listen.c */

/* A listening socket on a numeric address with port. */
enum err listen_address(const char *address, int *fd, unsigned *port, struct fail *f);
/* A listening local socket (mode 0600). A stale file is replaced, a live one is ERR_CONFLICT. */
enum err listen_path(const char *path, int *fd, struct fail *f);

/* ---- http_exchange.c: callbacks of libmicrohttpd */
void *exchange_begin(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result exchange_step(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **con_cls);
void exchange_end(void *cls, struct MHD_Connection *connection, void **con_cls,
                  enum MHD_RequestTerminationCode toe);

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
