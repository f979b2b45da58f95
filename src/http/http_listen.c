// SPDX-License-Identifier: Apache-2.0
/* Listening sockets: see http_impl.h. */
#define _GNU_SOURCE /* strerrordesc_np: thread-safe, in English whatever the locale */
#include "http_impl.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ADDRESS_MAX 64 /* an IPv6 address with zone in brackets, and a port */

static enum err cannot(const char *what, struct fail *f)
{
    int number = errno;
    enum err code = number == EADDRINUSE ? ERR_CONFLICT : ERR_IO;
    const char *why = number == EADDRINUSE ? "something else listens there already" : strerrordesc_np(number);
    return fail_set(f, code, "cannot listen on %s: %s", what, why);
}

/* ---- An address */

/* Splits "127.0.0.1:8080" or "[::1]:8080"; host without brackets. */
static bool address_split(const char *address, char host[ADDRESS_MAX], char port[ADDRESS_MAX])
{
    struct span s = span_str(address);
    const char *colon = strrchr(address, ':');
    uint64_t number;
    if (!colon || s.len >= ADDRESS_MAX)
        return false;
    struct span h = span_sub(s, 0, (size_t)(colon - address)), p = span_str(colon + 1);
    bool bracket = h.len > 2 && h.p[0] == '[' && h.p[h.len - 1] == ']';
    if (bracket)
        h = span_sub(h, 1, h.len - 2);
    bool six = span_find(h, ':', 0) < h.len;
    snprintf(host, ADDRESS_MAX, "%.*s", SPAN_F(h));
    snprintf(port, ADDRESS_MAX, "%.*s", SPAN_F(p));
    return h.len && six == bracket && span_u64(p, 65535, &number);
}

static unsigned port_of(int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    getsockname(fd, (struct sockaddr *)&at, &len);
    return at.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&at)->sin6_port)
                                    : ntohs(((struct sockaddr_in *)&at)->sin_port);
}

static enum err bind_address(const char *address, const struct addrinfo *ai, int *fd, struct fail *f)
{
    int one = 1;
    *fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return cannot(address, f);
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one,
               sizeof one); /* a restart need not wait for old connections */
    if (bind(*fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(*fd, HTTP_BACKLOG) == 0)
        return OK;
    enum err err = cannot(address, f);
    close(*fd);
    return err;
}

enum err listen_address(const char *address, int *fd, unsigned *port, struct fail *f)
{
    char host[ADDRESS_MAX], number[ADDRESS_MAX];
    struct addrinfo *ai = NULL,
                    want = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    if (!address_split(address, host, number) || getaddrinfo(host, number, &want, &ai) != 0) {
        fail_set(f, ERR_BAD_VALUE, "%.64s is no address to listen on", address);
        fail_hint(f, "write it as 127.0.0.1:8080 or [::1]:8080");
        return ERR_BAD_VALUE;
    }
    enum err err = bind_address(address, ai, fd, f);
    freeaddrinfo(ai);
    if (err == OK)
        *port = port_of(*fd);
    return err;
}

/* ---- A local path */

/* True if a process answers on the socket file. */
static bool answers(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) == 0;
    if (fd >= 0)
        close(fd);
    return yes;
}

/* Removes what a process that died left; anything else stays. */
static enum err stale_remove(const struct sockaddr_un *at, struct fail *f)
{
    struct stat st;
    if (lstat(at->sun_path, &st) != 0)
        return OK;
    if (!S_ISSOCK(st.st_mode))
        return fail_set(f, ERR_CONFLICT, "%s exists and is no socket", at->sun_path);
    if (answers(at))
        return fail_set(f, ERR_CONFLICT, "another process answers on %s", at->sun_path);
    unlink(at->sun_path);
    return OK;
}

enum err listen_path(const char *path, int *fd, struct fail *f)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof at.sun_path)
        return fail_set(f, ERR_BAD_VALUE,
                        "the path of the operator's socket is longer than %zu bytes: %.200s",
                        sizeof at.sun_path - 1, path);
    memcpy(at.sun_path, path, strlen(path) + 1);
    enum err err = stale_remove(&at, f);
    if (err != OK)
        return err;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return cannot(path, f);
    /* Before bind, which makes the file with this mode: it is never open to others, not even for a moment. */
    if (fchmod(*fd, 0600) == 0 && bind(*fd, (struct sockaddr *)&at, sizeof at) == 0 &&
        listen(*fd, HTTP_BACKLOG) == 0)
        return OK;
    err = cannot(path, f);
    close(*fd);
    return err;
}
