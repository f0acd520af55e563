/* SPDX-License-Identifier: Apache-2.0
 * server/http/streaming.h - replies that come bit by bit (exchange_reply_stream()): libmicrohttpd asks for
 * more when the socket takes more; with nothing to give the connection is suspended, and the loop's
 * sweep, which asks each source several times a second, wakes it. No thread and no memory but one piece
 * for each client. For server/http/ alone; network thread. */
#ifndef SERVER_HTTP_STREAMING_H
#define SERVER_HTTP_STREAMING_H

#include "server/http/exchange.h"

struct http_connection;
struct http_loop;
struct MHD_Response;

enum { STREAMS_MAX = 256 };

struct streaming {
    bool active;                 /* has a source */
    bool ended;                  /* the last piece has been read, or nobody shall wait for more */
    bool suspended;
    struct exchange_source source;
    size_t taken;                /* bytes of exchange->reply that libmicrohttpd has */
};

/* What libmicrohttpd reads from. NULL when out of memory. */
struct MHD_Response *streaming_response(struct exchange *exchange);
/* Lets the source go. Fine without one. */
void streaming_finish(struct exchange *exchange);
/* Wakes the connection if there is something for it. */
void streaming_sweep(struct http_connection *connection);
/* Ends it: after what has been read already (for a drain), or (if `cut`) at once. */
void streaming_end(struct http_connection *connection, bool cut);
/* The thread has ended and libmicrohttpd is about to: no connection may stay suspended. */
void streaming_resume_all(struct http_loop *loop);

#endif
