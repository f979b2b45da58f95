// SPDX-License-Identifier: Apache-2.0
/*
 * message.h: the one flat message between the socket side and the engine (docs/architecture.md).
 *
 * Everything is a span or a number, so that the two sides can be two processes. The socket side fills a
 * request whose spans stay valid until the response was sent; the engine fills the response, whose spans live
 * in the job's arena.
 */
#ifndef TROTH_MESSAGE_H
#define TROTH_MESSAGE_H

#include "arena.h"
#include "instant.h"

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHOD_DELETE, METHOD_OTHER };

struct request {
    enum method method;
    bool operator_socket;     /* came over the operator's local socket, not the network */
    struct span path;         /* as sent, still percent-encoded, without the query */
    struct span query;        /* after '?', still encoded */
    struct span body;         /* whole; never cut: too large is refused by the socket side */
    struct span content_type; /* header values, as sent */
    struct span authorization;
    struct span cookie;
    struct span origin;
    struct span sec_fetch_site;
    struct span accept;
    struct span accept_language;
    struct span if_none_match;
    struct span sec_gpc;
};

#define RESPONSE_HEADERS_MAX 12 /* the widest answer has nine */
#define RESPONSE_SLOTS_MAX                                                                                   \
    34 /* places for record indexes, known only when the group is sealed: a registration's */
#define RESPONSE_SLOT_WIDTH 20 /* digits of UINT64_MAX; JSON allows the blanks before a number */

struct header {
    struct span name, value;
};

struct response {
    int status;
    struct span content_type;
    struct span body;
    struct header headers[RESPONSE_HEADERS_MAX];
    size_t n_headers;
    /* Late slots: the body holds RESPONSE_SLOT_WIDTH blanks at each offset; the engine writes the record
     * index of the job's entry `slot_entry[i]` there, right-aligned, before the answer is released. */
    uint32_t slot_at[RESPONSE_SLOTS_MAX];
    uint32_t slot_entry[RESPONSE_SLOTS_MAX];
    size_t n_slots;
};

#endif
