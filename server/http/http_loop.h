/* SPDX-License-Identifier: Apache-2.0
 * server/http/http_loop.h - one network thread: a libuv loop with libmicrohttpd inside it (external
 * epoll), its connections and their deadlines. For server/http/ alone.
 *
 * All of libmicrohttpd's rules are kept in http_loop.c (when it may run), request.c (its callbacks)
 * and connection.c (time limits, which it does not have). */
#ifndef SERVER_HTTP_HTTP_LOOP_H
#define SERVER_HTTP_HTTP_LOOP_H

#include "proto/text.h"
#include "server/http/body.h"
#include "server/http/gate.h"
#include "server/http/http_server.h"
#include "server/http/linger.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <uv.h>

enum { CONNECTION_NAME_BYTES = 64, CONNECTIONS_RESERVED = 32 };

enum connection_state {
    CONNECTION_IDLE,              /* between requests, or before the first */
    CONNECTION_RECEIVING,         /* from the request line to the end of the body */
    CONNECTION_PARKED,            /* the reply comes later */
    CONNECTION_SENDING,
    CONNECTION_STREAMING,         /* suspended until there is more to send */
    CONNECTION_CLOSING            /* shut down; libmicrohttpd will notice */
};

struct http_connection {
    struct http_connection *previous, *next;
    struct http_loop *loop;
    struct MHD_Connection *mhd;
    int fd;
    enum connection_state state;
    bool over_limit;              /* gets one answer: health and metrics, or 503 */
    uint64_t deadline_ns;         /* of the state */
    uint64_t state_ns;            /* since when */
    size_t swept_bytes;           /* of the body, at the last sweep */
    int stuck_sweeps;             /* since when nothing has been read although there is something */
    struct exchange *exchange;
    char peer[CONNECTION_NAME_BYTES];
};

/* An accepted socket on its way to another loop. */
struct incoming {
    struct incoming *next;
    int fd;
    bool over_limit;
    socklen_t length;
    struct sockaddr_storage address;
};

struct http_server {
    struct http_server_config config;
    struct gate_limits limits;
    struct body_budget budget;
    uint64_t request_timeout_ns, response_timeout_ns, deadline_ns, idle_timeout_ns;
    uint64_t sweep_ms;
    bool raw_headers;             /* raw_header_check() can be trusted */
    atomic_bool access_log;
    atomic_bool draining;
    atomic_bool drained;
    atomic_bool listening;
    _Atomic int64_t n_connections;        /* accepted and not closed */
    _Atomic int n_streams;
    struct listener listeners[LISTENERS_MAX];
    int n_listeners;
    struct http_loop *loops;
    int n_loops;
};

struct http_loop {
    struct http_server *server;
    int index;
    uv_thread_t thread;
    bool thread_started;
    uv_loop_t uv;
    struct MHD_Daemon *mhd;
    uv_poll_t mhd_events;
    uv_idle_t mhd_again;
    uv_timer_t mhd_pause;
    uv_timer_t sweep_timer;
    uv_async_t wake;
    uv_prepare_t flush;
    struct lingers lingers;
    uv_poll_t accepts[LISTENERS_MAX];     /* of loop 0 */
    uv_timer_t accept_pause;
    bool accepting;

    uint64_t now_ns;                      /* CLOCK_MONOTONIC when libmicrohttpd last ran */
    struct exchange *held;                /* list; see parking.c */
    int n_held;
    struct exchange *answered;            /* finished by this thread itself */
    struct exchange *kept;                /* for use again, linked by next_finished; see exchange.c */
    int n_kept;

    /* From other threads. */
    _Atomic(struct exchange *) finished;
    _Atomic(struct incoming *) incoming;
    atomic_bool stop;
    _Atomic uint64_t tick_ns;
    _Atomic int n_assigned;               /* connections given to this loop */

    struct http_connection *connections;  /* list */
    const struct incoming *adding;        /* during MHD_add_connection() */
    bool drain_begun;
    unsigned int activity;                /* calls of our callbacks by libmicrohttpd */
    unsigned int fruitless;               /* runs of it in a row without any */
    struct text access_lines;
};

/* http_server.c: one connection less, or none will come any more: is the drain over? */
void http_server_connection_gone(struct http_server *server);
void http_server_check_drained(struct http_server *server);

/* http_loop.c. loop_start() runs the thread; false sets `problem`. */
bool http_loop_init(struct http_loop *loop, struct http_server *server, int index,
                    struct problem *problem);
bool http_loop_start(struct http_loop *loop, struct problem *problem);
void http_loop_wake(struct http_loop *loop);
/* True on the loop's own thread. */
bool http_loop_is_mine(const struct http_loop *loop);
/* Joins the thread, stops libmicrohttpd, frees. */
void http_loop_finish(struct http_loop *loop);

/* acceptor.c: loop 0 accepts for all. */
void acceptor_start(struct http_loop *loop);
/* Stops listening; `serve_backlog` accepts first whoever is waiting there. Fine twice. */
void acceptor_close(struct http_loop *loop, bool serve_backlog);
/* Gives an accepted socket to libmicrohttpd. This loop's thread. */
void http_loop_adopt(struct http_loop *loop, const struct incoming *incoming);

/* connection.c: libmicrohttpd's notify callback, and the time limits. */
void connection_notify(void *arg, struct MHD_Connection *mhd, void **socket_context,
                       enum MHD_ConnectionNotificationCode code);
void connection_set_state(struct http_connection *connection, enum connection_state state);
/* Closes the socket's two directions; libmicrohttpd cleans up when it sees it. */
void connection_shutdown(struct http_connection *connection, bool reset);
void connections_sweep(struct http_loop *loop);
/* Closes what is idle; what comes back is closed after its answer. */
void connections_drain(struct http_loop *loop);
/* Writes a whole answer to the bare socket: for where libmicrohttpd cannot answer any more. */
void connection_send_canned(int fd, int status);

/* request.c: libmicrohttpd's callbacks for a request. */
void *request_begin(void *arg, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result request_handle(void *arg, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *upload_data,
                               size_t *upload_data_size, void **context);
void request_completed(void *arg, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode code);

#endif
